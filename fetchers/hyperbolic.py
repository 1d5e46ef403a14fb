"""Hyperbolic: on-demand options by GPU, count, region and kind of machine, and what its suppliers are paid.

Endpoint: GET https://api.hyperbolic.ai/v2/alpha/on-demand/rental-options, and the same path without ``alpha``
when that one fails; no key.
Price includes: the whole option with its processors, memory and disk. US cents per hour for all its GPUs.
Traps: cents of the whole option, as a number or a text; providerCostPerHourCents is the supplier's and never the
price (it becomes an offer of kind ``reward``); one GPU, count and region stands once for each kind of machine and
of connection; gpuFormFactor may be null; totalAvailable counts GPUs, and missing is unknown; enabled false is
listed and not for rent; membership changes with stock.
Seen: 2026-09.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from depin_compare.errors import SourceError
from fetchers.contract import (
    Fetcher,
    FetchResult,
    Recording,
    Rows,
    RowSkipped,
    checked_object,
    checked_price,
    checked_text,
    checked_whole,
    fetch_result,
    recording,
    text_or_none,
)
from fetchers.http import NO_ANSWER, Answer, SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "api.hyperbolic.ai"
OPTIONS_URL = f"https://{HOST}/v2/alpha/on-demand/rental-options"
LATER_URL = f"https://{HOST}/v2/on-demand/rental-options"

CENTS_PER_USD = 100
KEY = ("gpuType", "gpuFormFactor", "gpuCount", "region", "machineType", "connectionType")
MACHINES = {"virtual-machine": "vm", "bare-metal": "bare_metal"}
# Field of an option -> (suffix of the offer's id, kind of price).
PRICES = {"costPerHourCents": ("", "ask"), "providerCostPerHourCents": (":supplier", "reward")}


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask the path in use, and its successor when that one has moved."""
    answers = [session.try_answer("options", OPTIONS_URL)]
    if answers[0].status != NO_ANSWER and _failure(answers[0]) is not None:
        answers.append(session.try_answer("options", LATER_URL))
    return recording("hyperbolic", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """An offer for the renter's price of each option, and one for the supplier's."""
    rows = Rows("hyperbolic", observed_at)
    answers = recording.named("options") or (recording.answer("options"),)
    answer = next((answer for answer in answers if _failure(answer) is None), answers[-1])
    for number, item in enumerate(recording.items(answer)):
        row_id = "/".join(str(item.get(key) or "-") for key in KEY) if isinstance(item, Mapping) else f"$[{number}]"
        with rows.judging(row_id):
            _option(rows, checked_object(item), row_id, answer.url)
    where = f"{answer.url} $"
    rows.check_readable(where)
    rows.check_offers(where)
    return fetch_result(rows)


def _option(rows: Rows, row: Mapping[str, Any], row_id: str, source_url: str) -> None:
    """Judge one option: its chip, then both of its prices."""
    form = text_or_none(row.get("gpuFormFactor"))
    name = f"{checked_text(row.get('gpuType'), 'gpuType')} {form or ''}".strip()
    gpus = checked_whole(row.get("gpuCount"), "gpuCount", text=True)
    if not gpus:
        raise RowSkipped.unreadable(f"gpuCount is {gpus}")
    chip = rows.chip(name)
    available = checked_whole(row.get("totalAvailable"), "totalAvailable", text=True)
    note = "free GPUs unknown" if available is None else None
    if row.get("enabled") is False:
        available, note = 0, "listed, not for rent"
    machine = text_or_none(row.get("machineType"))
    for field, (suffix, price_kind) in PRICES.items():
        if field not in row and price_kind == "reward":
            continue
        with rows.judging(row_id + suffix):
            rows.offer(
                offer_id=row_id + suffix,
                network="hyperbolic",
                segment="marketplace",
                chip=chip,
                accelerator_name=name,
                accelerator_count=gpus,
                usd_per_accelerator_hour=checked_price(row.get(field), field, text=True) / gpus / CENTS_PER_USD,
                tier=MACHINES.get(machine, machine) if machine else None,
                price_kind=price_kind,
                region=text_or_none(row.get("region")),
                available=available,
                listed_price=str(row[field]),
                listed_unit=f"US cents per hour for {gpus} GPUs",
                source_url=source_url,
                note="what the supplier gets" if price_kind == "reward" else note,
            )


def _failure(answer: Answer) -> SourceError | None:
    """Why an answer is no list of options, or None."""
    try:
        Recording(source="hyperbolic", recorded_at=datetime.now(UTC), answers=()).items(answer)
    except SourceError as error:
        return error
    return None


FETCHER = Fetcher(
    name="hyperbolic",
    title="Hyperbolic",
    kind="marketplace",
    gives="asks by option and region with free GPUs; what suppliers get",
    terms="no licence or terms of the answers known",
    networks=("hyperbolic",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
)
