"""Chutes: the fixed hourly rate of one GPU, and what the network earned on the last whole day.

Endpoint: GET https://api.chutes.ai/pricing and /daily_revenue_summary (the second may fail alone), no key.
Price includes: the GPU with its share of processor and memory; a private deployment pays three hours once on
top. A rate card of the network, not a market: nothing tells how many are free.
Traps: the form of a board hides in bare keys (h100 and a100 are PCIe); mi300x stands on the card though it is
not enabled; pro_6000 names no edition; rates are told by the hour and by the second; sponsored_inference is
paid by the subnet and is no customer's revenue, and a total may hold it; the newest day is still running.
Seen: 2025-10.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any

from depin_compare.errors import SourceError
from depin_compare.units import SECONDS_PER_HOUR
from fetchers.contract import (
    Chip,
    Fetcher,
    FetchResult,
    Recording,
    Rows,
    RowSkipped,
    checked_number,
    fetch_result,
    recording,
)
from fetchers.http import SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "api.chutes.ai"
RATES_URL = f"https://{HOST}/pricing"
REVENUE_URL = f"https://{HOST}/daily_revenue_summary"

# Boards that bare keys stand for in the network's own table of chips (source chutes-rate-card).
BOARDS: Mapping[str, tuple[str | None, float | None]] = MappingProxyType(
    {
        "a100": ("PCIe", 80.0),
        "a100_40gb": ("PCIe", 40.0),
        "a100_40gb_sxm": ("SXM", 40.0),
        "a100_sxm": ("SXM", 80.0),
        "h100": ("PCIe", 80.0),
        "h100_sxm": ("SXM", 80.0),
        "pro_6000": (None, 96.0),
    }
)
NOT_LISTED = MappingProxyType({"h800": "h800: the PCIe board, which the register does not list"})
NOT_ENABLED = MappingProxyType({"mi300x": "stands on the card, but the network's code says it is not enabled"})
# Rates are rounded; a second and an hour that differ by more are two prices.
RATE_TOLERANCE = 0.01
CUSTOMERS = MappingProxyType(
    {
        "new_subscriber_revenue": "subscriptions",
        "paygo_revenue": "pay as you go",
        "pending_instance_revenue": "private instances",
    }
)
STALE_DAYS = 7


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for the rate card, and for the revenue, which may fail without cost to the rates."""
    answers = [session.get_answer("pricing", RATES_URL), session.try_answer("revenue", REVENUE_URL)]
    return recording("chutes", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Offers from the rate card, revenue of the last whole day as facts."""
    rows = Rows("chutes", observed_at)
    document = recording.json(recording.answer("pricing"))
    where = f"{RATES_URL} $.gpu_price_estimates"
    card = document.get("gpu_price_estimates") if isinstance(document, Mapping) else None
    if not isinstance(card, Mapping):
        raise SourceError("chutes", where, seen=repr(card)[:40], expected="an object of rates")
    for name, rate in card.items():
        with rows.judging(str(name)):
            _offer(rows, str(name), rate)
    rows.check_readable(where)
    rows.check_offers(where)
    try:
        _revenue(rows, recording.items(recording.answer("revenue")))
    except SourceError as error:
        rows.problems.append(f"no revenue: {error}")
    return fetch_result(rows)


def _offer(rows: Rows, name: str, rate: Any) -> None:
    usd_rate = rate.get("usd") if isinstance(rate, Mapping) else None
    if not isinstance(usd_rate, Mapping):
        raise RowSkipped.unreadable("usd is no object")
    if name in NOT_LISTED:
        raise RowSkipped.out_of_scope(NOT_LISTED[name])
    usd = checked_number(usd_rate.get("hour"), "usd.hour")
    if usd is None:
        raise RowSkipped.unreadable("usd.hour is null")
    second = checked_number(usd_rate.get("second"), "usd.second")
    if second is not None and abs(second * SECONDS_PER_HOUR - usd) > RATE_TOLERANCE * abs(usd):
        raise RowSkipped.unreadable(f"{usd:g} USD an hour, but {second * SECONDS_PER_HOUR:g} by the second")
    interface, memory_gib = BOARDS.get(name, (None, None))
    chip = rows.chip(name, memory_gib=memory_gib, interface=interface)
    if name in NOT_ENABLED:
        chip = Chip(chip.accelerator, NOT_ENABLED[name])
    rows.offer(
        offer_id=name,
        network="chutes",
        segment="decentralized",
        chip=chip,
        accelerator_name=name,
        memory_gib=memory_gib,
        usd_per_accelerator_hour=usd,
        price_kind="rate_card",
        listed_price=str(usd_rate["hour"]),
        listed_unit="USD per GPU and hour",
        source_url=RATES_URL,
    )


def _revenue(rows: Rows, days: list[Any]) -> None:
    """What customers paid on the newest day that is over, and apart from it what the subnet sponsored."""
    today = rows.observed_at.astimezone(UTC).date()
    dated = [(day, row) for row in days if isinstance(row, Mapping) and (day := _day(row)) is not None and day < today]
    if not dated:
        rows.problems.append("no revenue: no day that is over")
        return
    day, row = max(dated, key=lambda pair: pair[0])
    if (today - day).days > STALE_DAYS:
        rows.problems.append(f"the revenue ends on {day}")
    try:
        paid = {subject: checked_number(row.get(field), field) for field, subject in CUSTOMERS.items()}
        sponsored = checked_number(row.get("sponsored_inference"), "sponsored_inference")
    except RowSkipped as skipped:
        rows.problems.append(f"no revenue of {day}: {skipped.reason}")
        return
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    told = {subject: usd for subject, usd in paid.items() if usd is not None}
    for subject, usd in told.items():
        note = "accrued by running instances, not yet billed" if subject == "private instances" else None
        _fact(rows, "customer_revenue", usd, at, subject=subject, note=note)
    if len(told) == len(CUSTOMERS):
        _fact(rows, "customer_revenue", sum(told.values()), at, note=f"sum of {', '.join(told)}; nothing sponsored")
    else:
        missing = [field for field, subject in CUSTOMERS.items() if subject not in told]
        rows.problems.append(f"no total revenue of {day}: {', '.join(missing)} missing")
    if sponsored is not None:
        _fact(rows, "sponsored_inference", sponsored, at, note="paid by the subnet: no customer's revenue")


def _fact(
    rows: Rows, metric: str, usd: float, at: datetime, *, subject: str | None = None, note: str | None = None
) -> None:
    rows.fact(
        network="chutes",
        metric=metric,
        subject=subject,
        value=usd,
        unit="USD per day",
        source_url=REVENUE_URL,
        observed_at=at,
        note=note,
    )


def _day(row: Mapping[str, Any]) -> date | None:
    try:
        return datetime.fromisoformat(str(row.get("date"))).date()
    except ValueError:
        return None


FETCHER = Fetcher(
    name="chutes",
    title="Chutes",
    kind="network",
    gives="fixed rates by GPU model, revenue of a day with sponsored inference apart",
    terms="no licence or terms of the answers known",
    networks=("chutes",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=90.0,
    expected_age_days=7.0,  # a rate card the network sets itself: no row of it is known to have moved within a week
    limit_age_days=180.0,
)
