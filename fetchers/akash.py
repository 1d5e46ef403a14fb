"""Akash: what providers bid for one GPU, and how much of the fleet is leased.

Endpoint: GET https://console-api.akash.network/v1/gpu-prices and /v1/gpu-breakdown, no key. The console keeps
its price answer for 15 minutes, and a cold one takes about 16 s.
Price includes: the pricing bot's tiny CPU, memory and disk; a node fit for an LLM pays the provider's rates for
those on top. USD per hour and GPU, already converted by the console; averages of providers' bids, not leases.
Traps: price null (no usable bid in 31 days); min of 0 or 0.01 from rounding to cents; a lone provider with an
absurd price; one model name in several memory sizes; a100 of 64Gi; rtx5090m is a laptop chip; rtx6000 of 24Gi
is the Quadro; gpuUtilization is a text; breakdown rows of vendor Unknown; the breakdown knows no memory size.
Seen: 2026-10.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from statistics import median
from typing import Any

from depin_compare.errors import SourceError
from depin_compare.market.accelerators import snapped_memory_gib
from fetchers.contract import (
    Fetcher,
    FetchResult,
    Recording,
    Rows,
    RowSkipped,
    checked_number,
    checked_text,
    checked_whole,
    fetch_result,
    recording,
)
from fetchers.http import SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "console-api.akash.network"
PRICES_URL = f"https://{HOST}/v1/gpu-prices"
BREAKDOWN_URL = f"https://{HOST}/v1/gpu-breakdown"

# A price is an outlier when it is this many times the median of the other chips of its memory size. Four
# providers who agree make a market, and then only the absurd is refused.
OUTLIER_RATIO = 3.0
ABSURD_RATIO = 10.0
PROVIDERS_OF_A_MARKET = 4
STALE_DAYS = 7


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for prices, and for the use of the fleet, which may fail without cost to the prices."""
    answers = [session.get_answer("gpu-prices", PRICES_URL), session.try_answer("gpu-breakdown", BREAKDOWN_URL)]
    return recording("akash", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Offers from the price list, utilisation from both answers."""
    rows = Rows("akash", observed_at)
    answer = recording.answer("gpu-prices")
    models = recording.items(answer, "models")
    typical = _Typical(models)
    boards: dict[str, set[str]] = defaultdict(set)
    for number, model in enumerate(models):
        with rows.judging(_row_id(model, number)):
            accelerator = _offer(rows, model, _row_id(model, number), typical)
            if accelerator is not None:
                boards[str(model.get("model")).casefold()].add(accelerator)
    where = f"{PRICES_URL} $.models"
    rows.check_readable(where)
    rows.check_offers(where)
    _fleet(rows, recording.json(answer).get("availability"))
    try:
        _breakdown(rows, recording.items(recording.answer("gpu-breakdown")), boards)
    except SourceError as error:
        rows.problems.append(f"no utilisation by model: {error}")
    return fetch_result(rows)


class _Typical:
    """Median price of each memory size, over the other models of that size."""

    def __init__(self, models: list[Any]) -> None:
        self._prices: dict[float, list[tuple[int, float]]] = defaultdict(list)
        for model in models:
            try:
                size, price = snapped_memory_gib(_memory_gib(model) or 0.0), _price(model)
            except RowSkipped:
                continue
            if size is not None and price is not None:
                self._prices[size].append((id(model), price[0]))

    def of_others(self, model: Any, memory_gib: float | None) -> float | None:
        """Median over the other models of that memory size, or None with fewer than two."""
        size = None if memory_gib is None else snapped_memory_gib(memory_gib)
        others = [] if size is None else [price for key, price in self._prices[size] if key != id(model)]
        return median(others) if len(others) >= 2 else None


def _offer(rows: Rows, model: Any, row_id: str, typical: _Typical) -> str | None:
    """Add the offer of one model; gives the accelerator id, or skips the row."""
    if not isinstance(model, Mapping):
        raise RowSkipped.unreadable("the row is no object")
    name = checked_text(model.get("model"), "model")
    memory_gib = _memory_gib(model)
    interface = model.get("interface")
    chip = rows.chip(name, memory_gib=memory_gib, interface=interface if isinstance(interface, str) else None)
    price = _price(model)
    if price is None:
        raise RowSkipped.out_of_scope("no usable bid")
    usd, basis = price
    providers = _counts(model, "providerAvailability")[1]
    usual = typical.of_others(model, memory_gib)
    limit = OUTLIER_RATIO if (providers or 0) < PROVIDERS_OF_A_MARKET else ABSURD_RATIO
    if usual is not None and usd > limit * usual:
        raise RowSkipped.unreadable(
            f"{usd:g} USD an hour from {providers if providers is not None else 'unknown'} providers is more than "
            f"{limit:g} times the median of its memory size, {usual:g}"
        )
    available, total = _counts(model, "availability")
    quoted = model["price"]
    spread = ", ".join(f"{key} {quoted[key]:g}" for key in ("min", "med", "max") if _is_number(quoted.get(key)))
    rows.offer(
        offer_id=row_id,
        network="akash",
        segment="decentralized",
        chip=chip,
        accelerator_name=" ".join(str(part) for part in (name, model.get("ram"), interface) if part),
        memory_gib=memory_gib,
        usd_per_accelerator_hour=usd,
        price_kind="bid",
        available=available,
        total=total,
        listed_price=str(quoted[basis]),
        listed_unit="USD per GPU and hour",
        source_url=PRICES_URL,
        note=f"{basis} of the best bids of {providers if providers is not None else 'unknown'} providers; {spread}",
    )
    return chip.accelerator


def _price(model: Any) -> tuple[float, str] | None:
    """The network's price of a model and which of its figures that is; None when there is no bid."""
    quoted = model.get("price") if isinstance(model, Mapping) else None
    if quoted is None:
        return None
    if not isinstance(quoted, Mapping):
        raise RowSkipped.unreadable("price is no object")
    if quoted.get("currency", "USD") != "USD":
        raise RowSkipped.unreadable(f"price.currency is {quoted['currency']!r}, expected 'USD'")
    if not {"weightedAverage", "med"} & quoted.keys():
        raise RowSkipped.unreadable("price has neither weightedAverage nor med")
    for basis in ("weightedAverage", "med"):
        usd = checked_number(quoted.get(basis), f"price.{basis}")
        if usd:
            return usd, basis
    return None


def _memory_gib(model: Any) -> float | None:
    """``"80Gi"`` -> 80. [GiB]"""
    ram = model.get("ram") if isinstance(model, Mapping) else None
    if ram is None or ram == "":
        return None
    size = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(Gi|Mi)B?\s*", str(ram))
    if size is None:
        raise RowSkipped.unreadable(f"ram is {str(ram)[:20]!r}, expected a size such as '80Gi'")
    return float(size[1]) / (1 if size[2] == "Gi" else 1024)


def _counts(node: Mapping[str, Any], key: str) -> tuple[int | None, int | None]:
    """(available, total) of an availability object; None where it does not tell."""
    counts = node.get(key)
    if not isinstance(counts, Mapping):
        return None, None
    return checked_whole(counts.get("available"), f"{key}.available"), checked_whole(
        counts.get("total"), f"{key}.total"
    )


def _fleet(rows: Rows, availability: object) -> None:
    """Facts about the whole network."""
    try:
        available, total = _counts({"availability": availability}, "availability")
    except RowSkipped as skipped:
        rows.problems.append(f"no fleet size: {skipped.reason}")
        return
    if not total or available is None or available > total:
        rows.problems.append("no fleet size: $.availability does not tell total and available")
        return
    note = "allocated share of allocatable GPUs"
    for metric, value, unit in (
        ("gpus_total", float(total), "GPUs"),
        ("gpus_available", float(available), "GPUs"),
        ("utilisation", 1 - available / total, "fraction"),
    ):
        rows.fact(network="akash", metric=metric, value=value, unit=unit, source_url=PRICES_URL, note=note)


def _breakdown(rows: Rows, days: list[Any], boards: Mapping[str, set[str]]) -> None:
    """Utilisation by accelerator on the newest day.

    The breakdown names a model without its memory: the boards of that model which the price list shows all
    get the figure of the model, and the note says so.
    """
    dated = [(_day(row), row) for row in days if isinstance(row, Mapping)]
    newest = max((day for day, _ in dated if day is not None), default=None)
    if newest is None:
        rows.problems.append("no utilisation by model: gpu-breakdown has no dated row")
        return
    if (rows.observed_at - newest).days > STALE_DAYS:
        rows.problems.append(f"gpu-breakdown ends on {newest:%Y-%m-%d}")
    used: dict[str, tuple[float, float]] = {}
    for day, row in dated:
        model = str(row.get("model", "")).casefold()
        if day != newest or model not in boards:
            continue
        with rows.judging(f"breakdown/{row.get('vendor')}/{model}"):
            leased, total = _leased_and_total(row)
            before = used.get(model, (0.0, 0.0))
            used[model] = (before[0] + leased, before[1] + total)
    for model, (leased, total) in sorted(used.items()):
        if total <= 0:
            continue
        for accelerator in sorted(boards[model]):
            rows.fact(
                network="akash",
                metric="utilisation",
                subject=accelerator,
                value=leased / total,
                unit="fraction",
                source_url=BREAKDOWN_URL,
                observed_at=newest,
                note=f"{leased:g} of {total:g} GPUs named {model} leased"
                + (", over all its boards" if len(boards[model]) > 1 else ""),
            )


def _day(row: Mapping[str, Any]) -> datetime | None:
    try:
        day = datetime.fromisoformat(str(row.get("date")))
    except ValueError:
        return None
    return day.replace(tzinfo=UTC) if day.tzinfo is None else day.astimezone(UTC)


def _leased_and_total(row: Mapping[str, Any]) -> tuple[float, float]:
    """GPUs leased and in all; from the utilisation, a percentage as text, where the count of leases is missing."""
    total = checked_number(row.get("totalGpus"), "totalGpus", text=True)
    leased = checked_number(row.get("leasedGpus"), "leasedGpus", text=True)
    if total is None:
        raise RowSkipped.unreadable("totalGpus is null")
    if leased is None:
        percent = checked_number(row.get("gpuUtilization"), "gpuUtilization", text=True)
        if percent is None:
            raise RowSkipped.unreadable("neither leasedGpus nor gpuUtilization")
        leased = total * percent / 100
    if not 0 <= leased <= total:
        raise RowSkipped.unreadable(f"{leased:g} of {total:g} GPUs leased")
    return leased, total


def _row_id(model: Any, number: int) -> str:
    if not isinstance(model, Mapping):
        return f"$.models[{number}]"
    return "/".join(str(model.get(key) or "-") for key in ("vendor", "model", "ram", "interface"))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


FETCHER = Fetcher(
    name="akash",
    title="Akash console",
    gives="bids of providers by GPU model, fleet size, utilisation",
    networks=("akash",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=150.0,  # two tries of 60 s and the breakdown
)
