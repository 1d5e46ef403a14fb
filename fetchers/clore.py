"""Clore.ai: servers of private hosts, on demand and by bid, and how many are hired.

Endpoint: GET https://api.clore.ai/v1/marketplace, no key; asked once, for the limit is one request a second.
Price includes: the whole server with processor, memory and disk. The renter pays 10% on top on demand and
2.5% on spot; a rental lasts 6 to 3,000 hours.
Traps: the price is of the whole server and, as its documentation of spot prices and the size of the figures
say, of a DAY: single RTX 4090 servers settle it, and where they don't come out plausible nothing is taken;
``code`` 5 is a refusal with HTTP 200; rented null means free; gpu_array may be nested; partial_gpu_rental
overrides gpu_array and rented; mixed rigs; a USD price may be absent, or stale beside the CLORE price; the
spot price may stand in original_usd only; gpuram is a fraction.
Seen: 2026-09.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from statistics import median
from typing import Any

from depin_compare.errors import SourceError
from depin_compare.market.accelerators import identify
from depin_compare.market.offers import MIN_USD_PER_ACCELERATOR_HOUR
from fetchers.contract import (
    Fetcher,
    FetchResult,
    Recording,
    Rows,
    RowSkipped,
    checked_number,
    checked_object,
    checked_whole,
    country_or_none,
    fetch_result,
    recording,
)
from fetchers.http import SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "api.clore.ai"
MARKET_URL = f"https://{HOST}/v1/marketplace"

HOURS_PER_DAY = 24.0
# Where the median of single RTX 4090 servers must lie for the figures to be prices of a day. [USD per hour]
YARDSTICK = "rtx-4090"
YARDSTICK_BAND_USD = (0.03, 0.6)
# A USD price further from the CLORE price of the same server can't be ordered.
MAX_DISAGREEMENT = 0.15
RATE_LIMITED = 5
MAX_GPUS = 64
COUNTED = re.compile(r"^\s*(\d{1,3})\s*x\s+(.+)$", re.IGNORECASE)


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for the whole market."""
    return recording("clore", observed_at, [session.get_answer("marketplace", MARKET_URL)])


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Up to two offers a server, and the share of GPUs that is hired."""
    rows = Rows("clore", observed_at)
    answer = recording.answer("marketplace")
    document = recording.json(answer)
    code = document.get("code") if isinstance(document, Mapping) else None
    if code not in (None, 0):
        refusal = f"code {str(code)[:20]}{' (too many requests)' if code == RATE_LIMITED else ''}"
        raise SourceError("clore", f"{MARKET_URL} $.code", seen=refusal, expected="code 0")
    hired: dict[str | None, list[int]] = defaultdict(lambda: [0, 0])
    seen: set[str] = set()
    for number, server in enumerate(recording.items(answer, "servers")):
        row_id = _row_id(server, number)
        with rows.judging(row_id):
            if row_id in seen:
                raise RowSkipped("duplicate", f"server {row_id} stands in the list more than once; the first is kept")
            seen.add(row_id)
            _server(rows, server, row_id, hired)
    where = f"{MARKET_URL} $.servers"
    rows.check_readable(where)
    rows.check_offers(where)
    _check_unit(rows, where)
    for subject, (busy, total) in sorted(hired.items(), key=lambda pair: pair[0] or ""):
        _fact(rows, "gpus_total", subject, float(total), "GPUs")
        _fact(rows, "utilisation", subject, busy / total, "fraction", note=f"{busy} of {total} GPUs hired")
    return fetch_result(rows)


def _server(rows: Rows, server: Any, row_id: str, hired: dict[str | None, list[int]]) -> None:
    """Count one server, and add its offers."""
    server = checked_object(server)
    specs = _object(server.get("specs"))
    name, gpus, free = _gpus(server, specs)
    hired[None] = [hired[None][0] + gpus - free, hired[None][1] + gpus]
    memory_gib = checked_number(specs.get("gpuram"), "specs.gpuram") or None
    # Some hosts report the memory of all cards together.
    if memory_gib is not None and identify(name, memory_gib=memory_gib).verdict in ("outside", "unknown"):
        share = memory_gib / gpus
        memory_gib = share if identify(name, memory_gib=share).accelerator is not None else memory_gib
    chip = rows.chip(name, memory_gib=memory_gib)
    if chip.accelerator is not None:
        counts = hired[chip.accelerator]
        hired[chip.accelerator] = [counts[0] + gpus - free, counts[1] + gpus]
    prices = _object(server.get("price"))
    skipped, priced = len(rows.skipped), False
    for terms, find in (("on_demand", _on_demand), ("spot", _spot)):
        with rows.judging(f"{row_id}/{terms}"):
            found = find(prices)
            if found is None:
                continue
            priced = True
            listed, basis = found
            usd = listed / HOURS_PER_DAY / gpus
            if 0 < usd < MIN_USD_PER_ACCELERATOR_HOUR:
                raise RowSkipped.out_of_scope(f"{usd:.2g} USD per GPU and hour, under the least price that counts")
            rows.offer(
                offer_id=f"{row_id}/{terms}",
                network="clore",
                segment="decentralized",
                chip=chip,
                accelerator_name=name,
                accelerator_count=gpus,
                memory_gib=memory_gib,
                usd_per_accelerator_hour=usd,
                terms=terms,
                price_kind="ask",
                country=country_or_none(_object(specs.get("net")).get("cc")),
                available=free,
                total=gpus,
                reliability=_share(server.get("reliability")),
                machine_id=row_id,
                listed_price=str(listed),
                listed_unit=f"USD per day for {gpus} GPUs" if gpus > 1 else "USD per day",
                source_url=MARKET_URL,
                note=basis,
            )
    if not priced and len(rows.skipped) == skipped:
        raise RowSkipped.out_of_scope("no price in USD")


def _gpus(server: Mapping[str, Any], specs: Mapping[str, Any]) -> tuple[str, int, int]:
    """Which GPU, how many, and how many of them are free."""
    names = list(_flat(server.get("gpu_array")))
    written = specs.get("gpu") if isinstance(specs.get("gpu"), str) else ""
    counted = COUNTED.match(str(written))
    if len(set(names)) > 1 or "mixed" in str(written).casefold():
        raise RowSkipped.out_of_scope("a rig of mixed GPUs")
    name = names[0] if names else counted[2].strip() if counted else str(written).strip()
    if not name:
        raise RowSkipped.unreadable("neither gpu_array nor specs.gpu names a GPU")
    part = server.get("partial_gpu_rental")
    if isinstance(part, Mapping):
        gpus = checked_whole(part.get("total_gpus"), "partial_gpu_rental.total_gpus")
        free = checked_whole(part.get("available_gpus"), "partial_gpu_rental.available_gpus")
        if not gpus or gpus > MAX_GPUS or free is None or free > gpus:
            raise RowSkipped.unreadable(f"partial_gpu_rental tells {free} of {gpus} GPUs free")
        return name, gpus, free
    gpus = len(names) or (int(counted[1]) if counted else 0)
    if not 0 < gpus <= MAX_GPUS:
        raise RowSkipped.unreadable(f"{gpus} GPUs")
    rented = server.get("rented")
    if rented not in (True, False, None):
        raise RowSkipped.unreadable(f"rented is {str(rented)[:20]!r}")
    return name, gpus, 0 if rented else gpus


def _on_demand(prices: Mapping[str, Any]) -> tuple[float, str | None] | None:
    """The price of a day in USD and what it rests on; None when there is none."""
    told = _object(prices.get("usd"))
    usd = checked_number(told.get("on_demand_usd"), "price.usd.on_demand_usd")
    clore = checked_number(told.get("on_demand_clore"), "price.usd.on_demand_clore")
    if usd and clore and abs(usd / clore - 1) > MAX_DISAGREEMENT:
        raise RowSkipped.out_of_scope(f"{usd:g} USD a day, but {clore:g} in CLORE: the first can't be ordered")
    if usd:
        return usd, None
    if clore:
        return clore, "worth of the price in CLORE"
    return _by_coin(prices, "on_demand")


def _spot(prices: Mapping[str, Any]) -> tuple[float, str | None] | None:
    usd = checked_number(_object(prices.get("usd")).get("spot"), "price.usd.spot")
    return (usd, None) if usd else _by_coin(prices, "spot")


def _by_coin(prices: Mapping[str, Any], terms: str) -> tuple[float, str | None] | None:
    """The lowest price that stands in original_usd, and its coin."""
    found: list[tuple[float, str]] = []
    for coin, entry in _object(prices.get("original_usd")).items():
        usd = checked_number(_object(entry).get(terms), f"price.original_usd.{str(coin)[:20]}.{terms}")
        if usd:
            found.append((usd, str(coin)[:20]))
    if not found:
        return None
    usd, coin = min(found)
    return usd, f"worth of the price in {coin}"


def _check_unit(rows: Rows, where: str) -> None:
    """Refuse everything when single servers of the yardstick say that a figure is no price of a day."""
    single = [
        offer["usd_per_accelerator_hour"]
        for offer in rows.offers
        if offer["accelerator"] == YARDSTICK and offer["accelerator_count"] == 1 and offer["terms"] == "on_demand"
    ]
    low, high = YARDSTICK_BAND_USD
    usual = median(single) if single else None
    if usual is None or not low <= usual <= high:
        seen = "none" if usual is None else f"a median of {usual:.4g} USD an hour over {len(single)}"
        expected = f"single RTX 4090 servers at {low:g} to {high:g}, which settle that a price is of a day"
        raise SourceError("clore", where, seen=seen, expected=expected)


def _fact(rows: Rows, metric: str, subject: str | None, value: float, unit: str, *, note: str | None = None) -> None:
    rows.fact(network="clore", metric=metric, subject=subject, value=value, unit=unit, source_url=MARKET_URL, note=note)


def _flat(names: Any) -> Iterator[str]:
    """The names in a list of texts and of lists of texts."""
    for entry in names if isinstance(names, list) else ():
        for name in entry if isinstance(entry, list) else (entry,):
            if isinstance(name, str) and name.strip():
                yield name.strip()


def _share(value: object) -> float | None:
    share = checked_number(value, "reliability")
    return share if share is not None and 0 <= share <= 1 else None


def _object(node: object) -> Mapping[str, Any]:
    return node if isinstance(node, Mapping) else {}


def _row_id(server: object, number: int) -> str:
    key = server.get("id") if isinstance(server, Mapping) else None
    known = isinstance(key, int | str) and not isinstance(key, bool) and key != ""
    return str(key) if known else f"$.servers[{number}]"


FETCHER = Fetcher(
    name="clore",
    title="Clore.ai",
    kind="network",
    gives="asks for servers on demand and by bid, reliability, utilisation",
    terms="no licence or terms of the answers known; at most one request a second",
    networks=("clore",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=90.0,
    min_pause_seconds=1.0,
)
