"""Lium: asks of hosts by executor, free GPUs, and the size and rented share of the fleet by model.

Endpoint: GET https://lium.io/api/executors and /api/machines, no key although the API's description asks for one;
a key is sent where there is one. The machines may fail without cost to the prices.
Price includes: the GPU with its share of processors, memory and disk. USD per hour and GPU; the platform's 5% is
on the host's side.
Traps: the answer may hold NaN; gpu_count may be a text; prices carry the residue of floats; tier says secure (on
demand) or spot, and a row whose specs say otherwise is not believed; pending prices are of the future; more free
GPUs than GPUs is no count; min_gpu_count_for_rental null rents the whole host only; location may be null or empty;
a rental rate of 0.0 with no GPUs is no fleet, not an idle one; a model nobody lists is often rented out.
Seen: 2026-09.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from depin_compare.errors import SourceError
from depin_compare.market.accelerators import identify
from fetchers.contract import (
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

HOST = "lium.io"
EXECUTORS_URL = f"https://{HOST}/api/executors"
MACHINES_URL = f"https://{HOST}/api/machines"

# tier of an executor -> (terms, is_spot of its specs).
TIERS = {"secure": ("on_demand", False), "spot": ("spot", True)}
# Finer than any price, coarser than the residue of floats.
PRICE_DECIMALS = 6


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for every executor on offer, and for the fleet."""
    headers = {"X-API-KEY": session.key} if session.key else None
    answers = [
        session.get_answer("executors", EXECUTORS_URL, headers=headers),
        session.try_answer("machines", MACHINES_URL, headers=headers),
    ]
    return recording("lium", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """One offer an executor; fleet and utilisation by accelerator."""
    rows = Rows("lium", observed_at)
    for number, item in enumerate(recording.items(recording.answer("executors"))):
        executor_id = item.get("id") if isinstance(item, Mapping) else None
        row_id = executor_id if isinstance(executor_id, str) and executor_id else f"$[{number}]"
        with rows.judging(row_id):
            _executor(rows, checked_object(item), row_id)
    where = f"{EXECUTORS_URL} $"
    rows.check_readable(where)
    rows.check_offers(where)
    try:
        _fleet(rows, recording.items(recording.answer("machines")))
    except SourceError as error:
        rows.problems.append(f"no fleet and no utilisation: {error}")
    return fetch_result(rows)


def _executor(rows: Rows, row: Mapping[str, Any], row_id: str) -> None:
    """Add the offer of one executor, or skip the row."""
    name = checked_text(row.get("machine_name"), "machine_name")
    specs = row.get("specs")
    specs = specs if isinstance(specs, Mapping) else {}
    terms = _terms(row, specs)
    gpus = checked_whole(row.get("gpu_count"), "gpu_count", text=True)
    if not gpus:
        raise RowSkipped.unreadable(f"gpu_count is {gpus}")
    memory_gib = _memory_gib(specs, name)
    chip = rows.chip(name, memory_gib=memory_gib)
    free, notes = _free(row, gpus)
    location = row.get("location")
    location = location if isinstance(location, Mapping) else {}
    rows.offer(
        offer_id=row_id,
        network="lium",
        segment="decentralized",
        chip=chip,
        accelerator_name=name,
        accelerator_count=gpus,
        memory_gib=memory_gib,
        usd_per_accelerator_hour=round(checked_price(row.get("price_per_gpu"), "price_per_gpu"), PRICE_DECIMALS),
        terms=terms,
        tier=row["tier"],
        price_kind="ask",
        region=text_or_none(location.get("city")) or text_or_none(location.get("country")),
        country=country_or_none(location.get("country_code")),
        available=free,
        total=gpus,
        reliability=_reliability(row),
        machine_id=row_id,
        listed_price=str(row["price_per_gpu"]),
        listed_unit="USD per GPU and hour",
        source_url=EXECUTORS_URL,
        note="; ".join(notes) or None,
    )


def _terms(row: Mapping[str, Any], specs: Mapping[str, Any]) -> str:
    """What the tier means, unless the specs deny it."""
    tier = checked_text(row.get("tier"), "tier")
    if tier not in TIERS:
        raise RowSkipped.unreadable(f"tier is {tier[:40]!r}, expected secure or spot")
    terms, spot = TIERS[tier]
    told = specs.get("is_spot")
    if isinstance(told, bool) and told is not spot:
        raise RowSkipped.unreadable(f"tier is {tier!r} and specs.is_spot is {told}")
    return terms


def _memory_gib(specs: Mapping[str, Any], name: str) -> float | None:
    """Memory of one GPU; several different cards under one name skip the row. [GiB]"""
    gpu = specs.get("gpu")
    details = gpu.get("details") if isinstance(gpu, Mapping) else None
    cards = [card for card in details if isinstance(card, Mapping)] if isinstance(details, list) else []
    others = {str(card["name"]) for card in cards if card.get("name")} - {name}
    if any(identify(other).accelerator != identify(name).accelerator for other in others):
        raise RowSkipped.unreadable(f"machine_name is {name[:40]!r}, its cards are {', '.join(sorted(others))[:80]}")
    mib = checked_number(cards[0].get("capacity"), "specs.gpu.details[0].capacity") if cards else None
    return mib / 1024 if mib and mib > 0 else None


def _free(row: Mapping[str, Any], gpus: int) -> tuple[int | None, list[str]]:
    """GPUs free to rent, None where the count can't be right, and what a renter must know."""
    free = checked_whole(row.get("available_gpu_count"), "available_gpu_count", text=True)
    notes = []
    if free is not None and free > gpus:
        notes.append(f"free GPUs unknown: {free} of {gpus}")
        free = None
    if "min_gpu_count_for_rental" in row and row["min_gpu_count_for_rental"] is None:
        notes.append("whole host only")
    status = text_or_none(row.get("status"))
    if status and status != "available":
        notes.append(f"status {status[:40]}")
    if row.get("pending_price_per_hour") is not None:
        notes.append("another price is announced")
    return free, notes


def _reliability(row: Mapping[str, Any]) -> float | None:
    """The score, of 100 at most, as a share."""
    score = checked_number(row.get("reliability_score"), "reliability_score")
    return score / 100 if score is not None and 0 <= score <= 100 else None


def _fleet(rows: Rows, machines: list[Any]) -> None:
    """GPUs and the share of them rented, by accelerator and in all."""
    fleet: dict[str | None, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for number, item in enumerate(machines):
        name = item.get("name") if isinstance(item, Mapping) else None
        with rows.judging(f"machine/{name or number}"):
            row = checked_object(item)
            name = checked_text(name, "name")
            total = checked_whole(row.get("total_gpu_count"), "total_gpu_count", text=True)
            rate = checked_number(row.get("rental_rate"), "rental_rate")
            if not total:
                raise RowSkipped.out_of_scope("no fleet")
            if rate is None or not 0 <= rate <= 1:
                raise RowSkipped.unreadable(f"rental_rate is {rate}, expected 0 to 1")
            # GPUs of whom the chip is not certain still belong to the fleet.
            for subject in {None, identify(name).accelerator}:
                fleet[subject][0] += rate * total
                fleet[subject][1] += total
    if not fleet:
        rows.problems.append(f"no fleet and no utilisation: {MACHINES_URL} counts no GPU")
    for subject, (rented, total_of_chip) in sorted(fleet.items(), key=lambda pair: pair[0] or ""):
        for metric, value, unit in (
            ("gpus_total", total_of_chip, "GPUs"),
            ("gpus_available", total_of_chip - rented, "GPUs"),
            ("utilisation", rented / total_of_chip, "fraction"),
        ):
            rows.fact(
                network="lium",
                metric=metric,
                subject=subject,
                value=value,
                unit=unit,
                source_url=MACHINES_URL,
                note=f"rental rate {rented / total_of_chip:.3f} of {total_of_chip:g} GPUs",
            )


FETCHER = Fetcher(
    name="lium",
    title="Lium",
    kind="network",
    gives="asks by executor with free GPUs; fleet and rented share by model",
    terms="no licence or terms of the answers known",
    networks=("lium",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    key_variable="LIUM_API_KEY",
    key_required=False,
)
