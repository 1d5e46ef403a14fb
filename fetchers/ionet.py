"""io.net: machines and containers for rent, and how much of the market's fleet is hired.

Endpoint: GET https://api.io.solutions/v1/io-cloud/vmaas/hardware and /v1/io-cloud/caas/hardware (the console's
own; the second only tells free replicas of the same rows), /enterprise/v1/io-cloud/caas/hardware and
/v1/io-explorer/network/market-snapshot?hardware_type=gpu. No key; each may fail alone. Two quotes,
/enterprise/v1/io-cloud/caas/price and /enterprise/v1/io-cloud/vmaas/price (with a location from available-vms),
say whether the lists mean one GPU or the whole machine.
Price includes: CPU, memory and disk of the machine or container; io.net's fee and the fee for paying by card
come on top.
Traps: the machine list prices the whole configuration, the container list one GPU; num_cards 0 is a CPU
machine; a price of 0 means unpriced; rows of an external supplier are resold data-centre machines; an id or
slug stands in several locations; a market row has up to five products, four of them often null, and with
nothing idle its quote can't be taken; status other than "succeeded" is a failure with HTTP 200. A quote's
location_ids is one text that holds a JSON list; whether its total holds the fee is not known.
Seen: 2026-09 (containers), 2026-06 (machines).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypeGuard
from urllib.parse import parse_qs, urlsplit

import polars as pl

from depin_compare.errors import SourceError
from depin_compare.market.accelerators import identify
from depin_compare.market.offers import RENTER_PRICE_KINDS
from depin_compare.refdata import reference_prices
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
from fetchers.http import Answer, SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "api.io.solutions"
MACHINES_URL = f"https://{HOST}/v1/io-cloud/vmaas/hardware"
REPLICAS_URL = f"https://{HOST}/v1/io-cloud/caas/hardware"
CONTAINERS_URL = f"https://{HOST}/enterprise/v1/io-cloud/caas/hardware"
MARKET_URL = f"https://{HOST}/v1/io-explorer/network/market-snapshot"
CONTAINER_QUOTE_URL = f"https://{HOST}/enterprise/v1/io-cloud/caas/price"
MACHINE_QUOTE_URL = f"https://{HOST}/enterprise/v1/io-cloud/vmaas/price"
PLACES_URL = f"https://{HOST}/enterprise/v1/io-cloud/vmaas/available-vms"

# Field of a market row -> product.
PRODUCTS = {
    "price": "ray",
    "baremetal_price": "bare_metal",
    "kubernetes_price": "kubernetes",
    "caas_price": "container",
    "vmaas_price": "vm",
}
# A share of a machine's price below this is no price of a GPU: the price was one GPU's already.
LEAST_SHARE_USD = 0.02
# A price is plausible between half the lowest and twice the highest reference price of the chip.
BAND_MARGIN = 2.0
# A quote further than this from the list is a disagreement: fees are about 2%, another unit is a factor of 2 or more.
QUOTE_TOLERANCE = 0.10
MAX_CARDS = 1024
EXTERNAL = "external data centre"
# Names such as 8H100.80S.176V are instance types of one data-centre cloud.
RESOLD_NAME = re.compile(r"\d+[A-Z0-9]+\.\d+S\.\d+V")


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask the four lists, of which one that fails costs no other, then for quotes of what stands there."""
    answers = [
        session.try_answer("machines", MACHINES_URL),
        session.try_answer("replicas", REPLICAS_URL),
        session.try_answer("containers", CONTAINERS_URL),
        session.try_answer("market", MARKET_URL, params={"hardware_type": "gpu"}),
    ]
    taken = recording("ionet", observed_at, answers)
    return recording(
        "ionet", observed_at, [*answers, *_container_quote(session, taken), *_machine_quote(session, taken)]
    )


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Offers of every list that could be read; a `SourceError` when none could."""
    total = Rows("ionet", observed_at)
    failures: list[SourceError] = []
    for name, read in (("machines", _machines), ("containers", _containers), ("market", _market)):
        rows = Rows("ionet", observed_at)
        try:
            read(rows, recording)
            where = f"{recording.answer(name).url} $.data"
            rows.check_readable(where)
            rows.check_offers(where)
        except SourceError as error:
            failures.append(error)
            total.problems.append(f"{name}: {error}")
            total.skipped += rows.skipped
        else:
            total.add(rows)
    if not total.offers:
        raise SourceError(
            "ionet",
            ", ".join(dict.fromkeys(error.where for error in failures)),
            seen="; ".join(dict.fromkeys(error.seen for error in failures)),
            expected="at least one list of hardware",
            unreachable=all(error.unreachable for error in failures),
        )
    _check_quotes(total, recording)
    return fetch_result(total)


def _container_quote(session: SourceSession, taken: Recording) -> list[Answer]:
    """Ask what the most plentiful container costs, for as many GPUs as fit into one."""
    best: tuple[int, str, int] | None = None
    for row in _listed(taken, "containers"):
        free, most, key = row.get("available"), row.get("max_gpus_per_container"), row.get("hardware_id")
        gpus = most if _is_count(most) else 8
        if _is_count(free) and gpus > 1 and free >= gpus and isinstance(key, int | str) and _is_price(row.get("price")):
            best = max(best or (0, "", 0), (free, str(key), gpus))
    if best is None:
        return []
    params = {
        "hardware_id": best[1],
        "duration_hours": "1",
        "gpus_per_container": str(best[2]),
        "replica_count": "1",
    }
    return [session.try_answer("quote/container", CONTAINER_QUOTE_URL, params=params)]


def _machine_quote(session: SourceSession, taken: Recording) -> list[Answer]:
    """Ask where the first machine of several GPUs that is not resold stands free, and what it costs there."""
    for row in _listed(taken, "machines"):
        key, cards = row.get("deploy_id"), row.get("num_cards")
        if not (re.fullmatch(r"\d{1,18}", str(key)) and _is_count(cards) and cards > 1 and _is_price(row.get("price"))):
            continue
        if row.get("sold_out") is True:
            continue
        places = session.try_answer("places", PLACES_URL, params={"hardware_id": str(key)})
        place = _first_place(taken, places)
        if place is None:
            return [places]
        params = {
            "currency": "usdc",
            "duration_hours": "1",
            "gpus_per_vm": str(cards),
            "replica_count": "1",
            "hardware_id": str(key),
            "location_ids": json.dumps([place]),
        }
        return [places, session.try_answer("quote/machine", MACHINE_QUOTE_URL, params=params)]
    return []


def _listed(taken: Recording, name: str) -> list[Mapping[str, Any]]:
    """The objects of a list; none when it can't be read."""
    try:
        rows = taken.items(taken.answer(name), "data", "hardware")
    except SourceError:
        return []
    return [row for row in rows if isinstance(row, Mapping)]


def _first_place(taken: Recording, answer: Answer) -> int | None:
    """Id of the first location in an answer of available-vms, bare or in an envelope."""
    try:
        document = taken.json(answer)
    except SourceError:
        return None
    while isinstance(document, Mapping):
        document = document.get("data")
    for place in document if isinstance(document, list) else ():
        key = place.get("id") if isinstance(place, Mapping) else None
        if isinstance(key, int) and not isinstance(key, bool):
            return key
    return None


def _check_quotes(rows: Rows, recording: Recording) -> None:
    """Hold each quote against the offer of the same hardware; what disagrees is a problem, never a price."""
    for answer in recording.answers:
        kind = answer.name.removeprefix("quote/")
        if kind == answer.name:
            continue
        try:
            asked, quoted = _quoted(recording, answer, "gpus_per_container" if kind == "container" else "gpus_per_vm")
        except SourceError as error:
            rows.problems.append(f"units of the {kind} list are not checked: {error}")
            continue
        listed = [
            offer["usd_per_accelerator_hour"]
            for offer in rows.offers
            if offer["tier"] == {"container": "container", "machine": "vm"}.get(kind)
            and offer["offer_id"].startswith(f"{kind}:")
            and offer["machine_id"] == asked
        ]
        if listed and not min(listed) * (1 - QUOTE_TOLERANCE) <= quoted <= max(listed) * (1 + QUOTE_TOLERANCE):
            spread = f"{min(listed):.4g}" if min(listed) == max(listed) else f"{min(listed):.4g} to {max(listed):.4g}"
            rows.problems.append(
                f"the unit of the {kind} list is in doubt: {asked} is quoted at {quoted:.4g} USD per GPU and hour, "
                f"and listed at {spread}"
            )


def _quoted(recording: Recording, answer: Answer, gpus_field: str) -> tuple[str, float]:
    """Which hardware a quote is of, and USD per GPU and hour of it."""
    document = recording.json(answer)
    data = document.get("data") if isinstance(document, Mapping) else None
    where = f"{answer.url.partition('?')[0]} $.data.total_cost_usdc"
    try:
        total = checked_number(data.get("total_cost_usdc") if isinstance(data, Mapping) else None, "total_cost_usdc")
    except RowSkipped as skipped:
        raise SourceError("ionet", where, seen=skipped.reason, expected="a number") from skipped
    asked = parse_qs(urlsplit(answer.url).query)
    try:
        units = [int(asked[key][0]) for key in ("duration_hours", gpus_field, "replica_count")]
        hardware = asked["hardware_id"][0]
    except (KeyError, ValueError):
        units, hardware = [0], ""
    gpu_hours = 1
    for unit in units:
        gpu_hours *= unit
    if total is None or total <= 0 or gpu_hours <= 0:
        seen = f"{total} USDC for {gpu_hours} GPU-hours"
        raise SourceError("ionet", where, seen=seen, expected="a price of a known number of GPU-hours")
    return hardware, total / gpu_hours


def _machines(rows: Rows, recording: Recording) -> None:
    """Machines: the price is of the whole configuration."""
    machines = recording.items(recording.answer("machines"), "data", "hardware")
    free = _free_replicas(recording)
    for number, row in enumerate(machines):
        row_id = _id(row, "id", number, "machine")
        with rows.judging(row_id):
            row = checked_object(row)
            cards = checked_whole(row.get("num_cards"), "num_cards")
            if not cards:
                raise RowSkipped.out_of_scope("a machine without a GPU")
            if cards > MAX_CARDS:
                raise RowSkipped.unreadable(f"num_cards is {cards}")
            price = checked_price(row.get("price"), "price")
            name = checked_text(row.get("name"), "name")
            memory_gib = checked_number(row.get("vram_per_card"), "vram_per_card") or None
            interface = row.get("interconnect")
            chip = rows.chip(name, memory_gib=memory_gib, interface=interface if isinstance(interface, str) else None)
            _check_share(chip, price, cards)
            sold_out = row.get("sold_out") is True
            replicas = 0 if sold_out else free.get(str(row.get("id")))
            external = row.get("supplier") == "external"
            deploy_id = str(row.get("deploy_id") or "")
            rows.offer(
                offer_id=row_id,
                network="ionet",
                segment="decentralized",
                chip=chip,
                accelerator_name=" ".join(str(part) for part in (name, interface) if part),
                accelerator_count=cards,
                memory_gib=memory_gib,
                usd_per_accelerator_hour=price / cards,
                tier="vm",
                price_kind="ask",
                region=text_or_none(row.get("location")),
                country=country_or_none(row.get("location")),
                available=None if replicas is None else replicas * cards,
                machine_id=deploy_id or None,
                upstream=EXTERNAL if external or RESOLD_NAME.fullmatch(deploy_id) else None,
                listed_price=str(row["price"]),
                listed_unit=f"USD per hour for {cards} GPUs",
                source_url=MACHINES_URL,
                note="sold out" if sold_out else "free replicas unknown" if replicas is None else None,
            )


def _free_replicas(recording: Recording) -> dict[str, int]:
    """Free replicas by machine id, from the console's second list.

    Empty when it can't be read: then the offers say that the number is unknown, and no price is lost.
    """
    free: dict[str, int] = {}
    try:
        listed = recording.items(recording.answer("replicas"), "data", "hardware")
    except SourceError:
        return free
    for row in listed:
        count = row.get("available_replicas") if isinstance(row, Mapping) else None
        if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 2**31:
            free[str(row.get("id"))] = count
    return free


def _containers(rows: Rows, recording: Recording) -> None:
    """Containers: the price is of one GPU; an id stands once in each location."""
    for number, row in enumerate(recording.items(recording.answer("containers"), "data", "hardware")):
        location = row.get("location") if isinstance(row, Mapping) else None
        row_id = f"{_id(row, 'hardware_id', number, 'container')}@{location or '-'}"
        with rows.judging(row_id):
            row = checked_object(row)
            price = checked_price(row.get("price"), "price")
            name = checked_text(row.get("hardware_name"), "hardware_name")
            rows.offer(
                offer_id=row_id,
                network="ionet",
                segment="decentralized",
                chip=rows.chip(name),
                accelerator_name=name,
                usd_per_accelerator_hour=price,
                tier="container",
                price_kind="ask",
                region=text_or_none(location),
                country=country_or_none(location),
                available=checked_whole(row.get("available"), "available"),
                machine_id=str(row.get("hardware_id")),
                listed_price=str(row["price"]),
                listed_unit="USD per GPU and hour",
                source_url=CONTAINERS_URL,
                note="confidential computing" if row.get("confidential_compute") is True else None,
            )


def _market(rows: Rows, recording: Recording) -> None:
    """The explorer's market: up to five products a row, and the counts of the fleet."""
    answer = recording.answer("market")
    document = recording.json(answer)
    status = document.get("status") if isinstance(document, Mapping) else None
    if status != "succeeded":
        raise SourceError("ionet", f"{MARKET_URL} $.status", seen=repr(status)[:40], expected="'succeeded'")
    hired_of: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    fleet = [0.0, 0.0]
    for number, row in enumerate(recording.items(answer, "data")):
        row_id = _id(row, "id", number, "market")
        with rows.judging(row_id):
            row = checked_object(row)
            if str(row.get("type", "GPU")).upper() != "GPU":
                raise RowSkipped.out_of_scope(f"type {row['type']!r}")
            name = checked_text(row.get("hardware_name"), "hardware_name")
            counts = {key: checked_whole(row.get(key), key) for key in ("total", "idle", "hired")}
            total, idle, hired = counts["total"], counts["idle"], counts["hired"]
            if hired is None and total is not None and idle is not None:
                hired = total - idle
            if total and hired is not None and 0 <= hired <= total:
                fleet = [fleet[0] + hired, fleet[1] + total]
                accelerator = identify(name).accelerator
                if accelerator is not None:
                    hired_of[accelerator][0] += hired
                    hired_of[accelerator][1] += total
            chip = rows.chip(name)
            _products(rows, row, row_id, name, chip, idle, total)
    for subject, (hired_sum, total_sum) in [(None, fleet), *sorted(hired_of.items())]:
        if total_sum:
            rows.fact(
                network="ionet",
                metric="utilisation",
                subject=subject,
                value=hired_sum / total_sum,
                unit="fraction",
                source_url=MARKET_URL,
                note=f"{hired_sum:g} of {total_sum:g} cards hired",
            )
    if fleet[1]:
        rows.fact(network="ionet", metric="gpus_total", value=fleet[1], unit="GPUs", source_url=MARKET_URL)


def _products(
    rows: Rows, row: Mapping[str, Any], row_id: str, name: str, chip: Chip, idle: int | None, total: int | None
) -> None:
    """One offer a product that has a price."""
    priced = [field for field in PRODUCTS if row.get(field) is not None]
    if not priced:
        raise RowSkipped.out_of_scope("no product has a price")
    for field in priced:
        with rows.judging(f"{row_id}:{field}"):
            rows.offer(
                offer_id=f"{row_id}:{field}",
                network="ionet",
                segment="decentralized",
                chip=chip,
                accelerator_name=name,
                usd_per_accelerator_hour=checked_price(row[field], field),
                tier=PRODUCTS[field],
                price_kind="ask",
                available=idle,
                total=total,
                machine_id=row_id,
                listed_price=str(row[field]),
                listed_unit="USD per GPU and hour",
                source_url=MARKET_URL,
                note="cards are counted once for all products of the row" if idle else "nothing idle",
            )


def _check_share(chip: Chip, price: float, cards: int) -> None:
    """Refuse a machine whose price is plausibly one GPU's already: dividing it again would be n times too cheap."""
    share = price / cards
    low, high = _band(chip.accelerator)
    if share < LEAST_SHARE_USD or (low <= price <= high and not low <= share <= high):
        raise RowSkipped.unreadable(
            f"{price:g} USD for {cards} GPUs is {share:g} each, implausible; it may be the price of one GPU"
        )


@cache
def _bands() -> Mapping[str, tuple[float, float]]:
    usd = pl.col("usd_per_accelerator_hour")
    frame = (
        reference_prices()
        .filter(usd.is_not_null(), pl.col("accelerator").is_not_null(), pl.col("price_kind").is_in(RENTER_PRICE_KINDS))
        .group_by("accelerator")
        .agg(low=usd.min() / BAND_MARGIN, high=usd.max() * BAND_MARGIN)
    )
    return {accelerator: (low, high) for accelerator, low, high in frame.iter_rows()}


def _band(accelerator: str | None) -> tuple[float, float]:
    """Plausible USD per accelerator-hour of a chip; a chip without reference prices has the widest one."""
    return _bands().get(accelerator or "", (LEAST_SHARE_USD, float("inf")))


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _id(row: object, key: str, number: int, kind: str) -> str:
    value = row.get(key) if isinstance(row, Mapping) else None
    return f"{kind}:{value}" if isinstance(value, str | int) and value != "" else f"{kind}:#{number}"


FETCHER = Fetcher(
    name="ionet",
    title="io.net",
    kind="network",
    gives="asks for machines and containers, market quotes, utilisation",
    terms="no licence or terms of the answers known; some addresses are the console's own and undocumented",
    networks=("ionet",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=150.0,
)
