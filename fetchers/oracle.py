"""Oracle Cloud: list prices of GPUs.

Endpoint: GET https://apexapps.oracle.com/pls/apex/cetools/api/v1/products/ with currencyCode=USD, no key: all
products of the price list in one answer.
Price includes: the whole machine's share of one GPU, with processors and memory; the same in every commercial
region; disks and traffic come on top. USD.
Traps: the price is of one GPU already, also where a machine has four (GB200); rows of other things say "GPU Per
Hour" too: AI Enterprise licences, VMware, machines in the customer's own building; H100T is not the H100; five
rows name no chip (E3, E4, V2, X7), so that only the part number tells; names are spelled with and without
blanks; a row may have no price in USD. Preemptible machines at half the price are a rule of Oracle's, no row.
Terms: Oracle's site terms; prices are asked at run time.
Seen: 2026-09.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from depin_compare.refdata import accelerators, instances
from fetchers.contract import (
    Chip,
    Fetcher,
    FetchResult,
    Recording,
    Rows,
    RowSkipped,
    checked_object,
    checked_price,
    checked_text,
    fetch_result,
    recording,
)
from fetchers.http import SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "apexapps.oracle.com"
PRODUCTS_URL = f"https://{HOST}/pls/apex/cetools/api/v1/products/"

METRIC = "GPU Per Hour"
CATEGORIES = ("Compute - GPU", "Compute - GPU - Other")
FOREIGN = re.compile(r"NVIDIA AI Enterprise|VMware|Cloud@Customer", re.IGNORECASE)
# Chips the register does not list: P100 (V2 and X7), and a board sold here alone.
OUTSIDE = {"B88517": "P100", "B88518": "P100", "B89734": "P100", "B109480": "H100T"}
CHIP_NAME = re.compile(r"\bGPU\s*-\s*(.+)$")
# Names of generations of machines, which tell no chip.
GENERATION = re.compile(r"[EVX]\d+")
PART_NUMBER = re.compile(r"B\d+")


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for all products."""
    return recording(
        "oracle", observed_at, [session.get_answer("products", PRODUCTS_URL, params={"currencyCode": "USD"})]
    )


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """One offer a GPU on the list."""
    rows = Rows("oracle", observed_at)
    others = 0
    for number, item in enumerate(recording.items(recording.answer("products"), "items")):
        if isinstance(item, Mapping) and not _about_gpus(item):
            others += 1
            continue
        part = item.get("partNumber") if isinstance(item, Mapping) else None
        with rows.judging(part if isinstance(part, str) and part else f"$.items[{number}]"):
            _row(rows, checked_object(item))
    if others:
        rows.skip("products", "out_of_scope", f"{others} products without a GPU")
    where = f"{PRODUCTS_URL} $.items"
    rows.check_readable(where)
    rows.check_offers(where)
    return fetch_result(rows)


def _about_gpus(item: Mapping[str, Any]) -> bool:
    return "GPU" in f"{item.get('serviceCategory')} {item.get('metricName')} {item.get('displayName')}"


def _row(rows: Rows, item: Mapping[str, Any]) -> None:
    name = " ".join(checked_text(item.get("displayName"), "displayName").split())
    if item.get("serviceCategory") not in CATEGORIES:
        raise RowSkipped.out_of_scope(f"{name}: category {str(item.get('serviceCategory'))[:60]!r}")
    if found := FOREIGN.search(name):
        raise RowSkipped.out_of_scope(f"{name}: {found[0]}")
    if item.get("metricName") != METRIC:
        raise RowSkipped.out_of_scope(f"{name}: metric {str(item.get('metricName'))[:40]!r}")
    part = checked_text(item.get("partNumber"), "partNumber")
    if part in OUTSIDE:
        raise RowSkipped.out_of_scope(f"{name}: {OUTSIDE[part]}, a chip the register does not list")
    chip = _chip(rows, part, name)
    value = _value(item, name)
    shapes = _shapes().get(chip.accelerator or "", [])
    rows.offer(
        offer_id=part,
        network="oracle",
        segment="hyperscaler",
        chip=chip,
        accelerator_name=name,
        accelerator_count=shapes[0][0] if shapes else 1,
        memory_gib=_memory_of().get(chip.accelerator or ""),
        usd_per_accelerator_hour=checked_price(value, "value"),
        price_kind="list",
        region="all commercial",
        machine_id=shapes[0][1] if shapes else None,
        listed_price=str(value),
        listed_unit="USD per GPU and hour",
        source_url=PRODUCTS_URL,
        note=f"sold as {', '.join(shape for _, shape in shapes)}" if shapes else None,
    )


def _chip(rows: Rows, part: str, name: str) -> Chip:
    """The chip of a part number; of the name for a part nobody has noted yet."""
    accelerator = _parts().get(part)
    if accelerator is not None:
        return Chip(accelerator, None)
    told = CHIP_NAME.search(name)
    if told is None or GENERATION.fullmatch(told[1]):
        raise RowSkipped.unreadable(f"{name} ({part}) names no chip")
    return rows.chip(told[1].replace(" - ", " "))


def _value(item: Mapping[str, Any], name: str) -> object:
    """The pay-as-you-go price in USD, as listed."""
    listed = item.get("currencyCodeLocalizations")
    found = [
        checked_object(price).get("value")
        for local in (listed if isinstance(listed, list) else [])
        if checked_object(local).get("currencyCode") == "USD" and isinstance(local.get("prices"), list)
        for price in local["prices"]
        if checked_object(price).get("model") == "PAY_AS_YOU_GO"
    ]
    if len(found) != 1:
        raise RowSkipped.unreadable(f"{name} has {len(found)} pay-as-you-go prices in USD, expected one")
    return found[0]


@cache
def _oracle() -> list[tuple[str, str, float]]:
    table = instances().select("cloud", "instance_type", "accelerator", "accelerator_count")
    return [(machine, chip, count) for cloud, machine, chip, count in table.iter_rows() if cloud == "oracle"]


@cache
def _parts() -> Mapping[str, str]:
    return {machine: chip for machine, chip, _ in _oracle() if PART_NUMBER.fullmatch(machine)}


@cache
def _shapes() -> Mapping[str, list[tuple[int, str]]]:
    """Machines of a chip, the smallest first."""
    shapes: dict[str, list[tuple[int, str]]] = {}
    for machine, chip, count in _oracle():
        if not PART_NUMBER.fullmatch(machine):
            shapes.setdefault(chip, []).append((int(count), machine))
    return {chip: sorted(machines) for chip, machines in shapes.items()}


@cache
def _memory_of() -> Mapping[str, float | None]:
    return dict(accelerators().select("accelerator", "memory_gib").iter_rows())


FETCHER = Fetcher(
    name="oracle",
    title="Oracle Cloud price list",
    kind="cloud",
    gives="list prices by GPU, the same in every commercial region",
    terms="Oracle's site terms; asked for at run time, never shipped",
    networks=("oracle",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=90.0,
    expected_age_days=14.0,  # one list for the world, without spot prices: it moves a few times a year
)
