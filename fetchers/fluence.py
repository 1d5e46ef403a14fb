"""Fluence: plans of containers, virtual machines and whole machines, all of them capacity of others.

Endpoint: GET https://api.fluence.dev/gpu/plans/, /gpu/plans/vms and /gpu/plans/baremetal, with a key; each may
fail alone.
Price includes: processor, memory and disk of the plan, in USDC; three hours are charged at the start.
Traps: the price is of the plan; minimum_price of a model is the cheapest of its options and no offer; container
plans carry the names and prices of Akash, so they are taken for resold, as the others are by their provider;
the CPU market is priced by the day and is not asked; options_available_total counts options, not GPUs.
Seen: 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from depin_compare.errors import SourceError
from fetchers.contract import (
    Chip,
    Fetcher,
    FetchResult,
    Recording,
    Rows,
    RowSkipped,
    checked_number,
    checked_object,
    checked_price,
    checked_text,
    checked_whole,
    country_or_none,
    fetch_result,
    recording,
    text_or_none,
)
from fetchers.http import SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "api.fluence.dev"
CONTAINERS_URL = f"https://{HOST}/gpu/plans/"
MACHINE_URLS = {"vm": f"https://{HOST}/gpu/plans/vms", "bare_metal": f"https://{HOST}/gpu/plans/baremetal"}
MAX_GPUS = 1024
RESOLD_CONTAINERS = "akash (inferred from names and prices)"


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask the three lists; one that fails costs no other."""
    headers = {"X-API-KEY": session.key} if session.key else {}
    answers = [session.try_answer("container", CONTAINERS_URL, headers=headers)]
    answers += [session.try_answer(tier, url, headers=headers) for tier, url in MACHINE_URLS.items()]
    return recording("fluence", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Offers of every list that could be read; a `SourceError` when none could."""
    total = Rows("fluence", observed_at)
    failures: list[SourceError] = []
    for tier in ("container", *MACHINE_URLS):
        rows = Rows("fluence", observed_at)
        try:
            if tier == "container":
                _containers(rows, recording)
            else:
                _machines(rows, recording, tier)
            where = f"{recording.answer(tier).url} $"
            rows.check_readable(where)
            rows.check_offers(where)
        except SourceError as error:
            failures.append(error)
            total.problems.append(f"{tier}: {error}")
            total.skipped += rows.skipped
        else:
            total.add(rows)
    if not total.offers:
        raise SourceError(
            "fluence",
            ", ".join(dict.fromkeys(error.where for error in failures)),
            seen="; ".join(dict.fromkeys(error.seen for error in failures)),
            expected="at least one list of plans",
            unreachable=all(error.unreachable for error in failures),
        )
    return fetch_result(total)


def _containers(rows: Rows, recording: Recording) -> None:
    """Container plans; one offer a location."""
    for number, row in enumerate(recording.items(recording.answer("container"))):
        plan = row.get("plan") if isinstance(row, Mapping) else None
        row_id = f"container:{_key(plan, number)}"
        with rows.judging(row_id):
            if not isinstance(plan, Mapping):
                raise RowSkipped.unreadable("plan is no object")
            supply, attributes = _object(plan.get("supply")), _object(row.get("attributes"))
            name, chip, memory_gib = _chip(rows, plan.get("gpu_model"))
            gpus = _gpus(supply.get("gpu_count"), "supply.gpu_count")
            usd, listed, note = _price(plan.get("pricing"))
            places = attributes.get("location")
            for place in places if isinstance(places, list) and places else [None]:
                region = place if isinstance(place, str) and place else None
                offer_id = f"{row_id}@{region or '-'}"
                with rows.judging(offer_id):
                    rows.offer(
                        offer_id=offer_id,
                        network="fluence",
                        segment="marketplace",
                        chip=chip,
                        accelerator_name=name,
                        accelerator_count=gpus,
                        memory_gib=memory_gib,
                        usd_per_accelerator_hour=usd / gpus,
                        tier="container",
                        price_kind="ask",
                        region=region,
                        country=country_or_none(region),
                        machine_id=row_id,
                        upstream=RESOLD_CONTAINERS,
                        listed_price=listed,
                        listed_unit=f"USDC per hour for {gpus} GPUs",
                        listed_currency="USDC",
                        source_url=CONTAINERS_URL,
                        note=note,
                    )


def _machines(rows: Rows, recording: Recording, tier: str) -> None:
    """Virtual or whole machines; one offer an option."""
    for number, model in enumerate(recording.items(recording.answer(tier), "data")):
        with rows.judging(f"{tier}:#{number}"):
            model = checked_object(model)
            name, chip, memory_gib = _chip(rows, model.get("gpu_model"))
            for size in _list(model.get("availability_by_number")):
                gpus = _gpus(_object(size).get("gpu_count"), "gpu_count")
                for option in _list(_object(size).get("options")):
                    row_id = f"{tier}:{_key(option, number)}"
                    with rows.judging(row_id):
                        option = _object(option)
                        usd, listed, note = _price(option.get("pricing"))
                        rows.offer(
                            offer_id=row_id,
                            network="fluence",
                            segment="marketplace",
                            chip=chip,
                            accelerator_name=name,
                            accelerator_count=gpus,
                            memory_gib=memory_gib,
                            usd_per_accelerator_hour=usd / gpus,
                            tier=tier,
                            price_kind="ask",
                            region=text_or_none(option.get("location")),
                            machine_id=row_id,
                            upstream=text_or_none(option.get("provider")) or "a provider it does not name",
                            listed_price=listed,
                            listed_unit=f"USDC per hour for {gpus} GPUs",
                            listed_currency="USDC",
                            source_url=MACHINE_URLS[tier],
                            note=note,
                        )


def _chip(rows: Rows, model: object) -> tuple[str, Chip, float | None]:
    """Name, chip and memory of a gpu_model."""
    if not isinstance(model, Mapping):
        raise RowSkipped.unreadable("gpu_model is no object")
    name = checked_text(model.get("model"), "gpu_model.model")
    interface = text_or_none(model.get("interface"))
    size = re.fullmatch(r"(\d{1,4})(?:Gi|GB|G)?", str(model.get("vram") or ""))
    memory_gib = float(size[1]) if size and int(size[1]) else None
    spelt = " ".join(part for part in (name, text_or_none(model.get("vram")), interface) if part)
    return spelt, rows.chip(name, memory_gib=memory_gib, interface=interface), memory_gib


def _gpus(value: object, what: str) -> int:
    gpus = checked_whole(value, what)
    if gpus == 0:
        raise RowSkipped.out_of_scope("a plan without a GPU")
    if gpus is None or gpus > MAX_GPUS:
        raise RowSkipped.unreadable(f"{what} is {gpus}")
    return gpus


def _price(pricing: object) -> tuple[float, str, str | None]:
    """USD of an hour of the plan (a USDC is a dollar), as listed, and what is charged at once."""
    pricing = _object(pricing)
    if pricing.get("currency") not in ("USDC", "USD"):
        raise RowSkipped.unreadable(f"pricing.currency is {str(pricing.get('currency'))[:10]!r}, expected 'USDC'")
    usd = checked_price(pricing.get("hour"), "pricing.hour", text=True)
    upfront = checked_number(pricing.get("upfront_hours"), "pricing.upfront_hours")
    return usd, str(pricing["hour"]), None if upfront is None else f"{upfront:g} hours charged at once"


def _object(node: object) -> Mapping[str, Any]:
    return node if isinstance(node, Mapping) else {}


def _list(node: object) -> list[Any]:
    if not isinstance(node, list):
        raise RowSkipped.unreadable("availability_by_number or its options is no list")
    return node


def _key(node: object, number: int) -> str:
    key = node.get("id") if isinstance(node, Mapping) else None
    return key if isinstance(key, str) and key else f"#{number}"


FETCHER = Fetcher(
    name="fluence",
    title="Fluence",
    kind="marketplace",
    gives="asks for plans of containers, virtual and whole machines, all resold",
    terms="no licence or terms of the answers known; needs an account",
    networks=("fluence",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    key_variable="FLUENCE_API_KEY",
    time_budget_seconds=120.0,
)
