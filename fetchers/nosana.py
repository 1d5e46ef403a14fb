"""Nosana: what a market pays its hosts and what renters pay for it, jobs running, and the use of the network.

Endpoint: GET https://api.nosana.com/api/markets/, no key, no pages; /api/jobs/running, /api/stats/nodes-country
and /api/stats (price of NOS) may fail without cost to the prices.
Price includes: the whole node with its processors, memory and disk. usd_reward_per_hour is what the host gets for
it; the renter's price adds network_fee_percentage, and both become offers, the first of kind ``reward``.
Traps: the direction of the fee is in dispute: the dashboard's code and nos_job_price_per_second put it on top of
the reward, the price page prints the reward and keeps the fee from the host, and the newest jobs program charges
none; a node of several GPUs is priced whole, and only its slug or name ("8x") says so, in every type of market;
a null reward leaves the price in NOS; gpu_types may list several chips, so the name decides; ``nodes`` is always
empty, which is unknown and not 0 idle; markets of partners are no open supply.
Seen: 2026-09.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from depin_compare.errors import SourceError
from depin_compare.market.accelerators import identify
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
    fetch_result,
    recording,
    text_or_none,
)
from fetchers.http import SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "api.nosana.com"
MARKETS_URL = f"https://{HOST}/api/markets/"
RUNNING_URL = f"https://{HOST}/api/jobs/running"
COUNTRIES_URL = f"https://{HOST}/api/stats/nodes-country"
STATS_URL = f"https://{HOST}/api/stats"

# The dashboard's constant, where a market does not tell its own.
FEE_PERCENT = 10.0
MAX_FEE_PERCENT = 50.0
SECONDS_PER_HOUR = 3600
TIERS = frozenset({"premium", "community", "other"})
# Markets of one customer's own machines.
PARTNERS = re.compile(r"^(sogni|alpha|columbia-uni)\b")
# "8x" at the start of a word; the X of MI300X is none.
MULTIPLE = re.compile(r"(?<![a-z0-9])(\d{1,2})x", re.IGNORECASE)
NOT_THE_CHIP = re.compile(r"(?<![a-z0-9])\d{1,2}x[ -]?|\b(premium|community)\b", re.IGNORECASE)


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for the markets, and for what runs on them, which may fail."""
    answers = [
        session.get_answer("markets", MARKETS_URL),
        session.try_answer("jobs-running", RUNNING_URL),
        session.try_answer("nodes-country", COUNTRIES_URL),
        session.try_answer("stats", STATS_URL),
    ]
    return recording("nosana", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Two offers a market, the renter's price and the host's; use and token price as facts."""
    rows = Rows("nosana", observed_at)
    usd_per_nos = _token_price(rows, recording)
    chips: dict[str, Chip] = {}
    for number, item in enumerate(recording.items(recording.answer("markets"))):
        slug = item.get("slug") if isinstance(item, Mapping) else None
        row_id = slug if isinstance(slug, str) and slug else f"$[{number}]"
        with rows.judging(row_id):
            market = checked_object(item)
            chip, name, gpus = _hardware(rows, market)
            chips[str(market.get("address"))] = chip
            _market(rows, market, row_id, chip, name, gpus, usd_per_nos)
    where = f"{MARKETS_URL} $"
    rows.check_readable(where)
    rows.check_offers(where)
    for read, lost in ((_utilisation, "utilisation"), (_running, "running jobs")):
        try:
            read(rows, recording, chips)
        except SourceError as error:
            rows.problems.append(f"no {lost}: {error}")
    return fetch_result(rows)


def _hardware(rows: Rows, market: Mapping[str, Any]) -> tuple[Chip, str, int]:
    """Which chip a market rents, its name, and how many a node has."""
    name, slug = checked_text(market.get("name"), "name"), text_or_none(market.get("slug")) or ""
    if PARTNERS.match(slug):
        raise RowSkipped.out_of_scope("a partner's own machines")
    counts = {int(found) for text in (slug, name) for found in MULTIPLE.findall(text)}
    if len(counts) > 1 or 0 in counts:
        raise RowSkipped.unreadable(f"name {name[:40]!r} and slug {slug[:40]!r} tell {sorted(counts)} GPUs")
    label = " ".join(NOT_THE_CHIP.sub(" ", name).split()) or name
    memory_gib = checked_number(market.get("lowest_vram"), "lowest_vram") or None
    if memory_gib is not None and identify(label, memory_gib=memory_gib).verdict not in ("known", "ambiguous"):
        memory_gib = None  # the least of all hosts, which says little; the name is firmer
    if identify(label, memory_gib=memory_gib).verdict == "ambiguous":
        listed = market.get("gpu_types")
        kinds = [kind for kind in listed if isinstance(kind, str)] if isinstance(listed, list) else []
        found = {identify(kind).accelerator for kind in kinds}
        (only, *others) = found or {None}
        if only is not None and not others:
            return Chip(only, None), name, next(iter(counts), 1)
    return rows.chip(label, memory_gib=memory_gib), name, next(iter(counts), 1)


def _market(
    rows: Rows,
    market: Mapping[str, Any],
    row_id: str,
    chip: Chip,
    name: str,
    gpus: int,
    usd_per_nos: float | None,
) -> None:
    """The renter's price and the host's reward of one market."""
    reward, paid, basis = _prices(market, usd_per_nos)
    tier = (text_or_none(market.get("type")) or "").casefold()
    for offer_id, price_kind, usd, note in (
        (row_id, "rate_card", paid, f"the host gets {reward / gpus:.4f} USD; {basis}"),
        (f"{row_id}:host", "reward", reward, "what the host gets"),
    ):
        with rows.judging(offer_id):
            rows.offer(
                offer_id=offer_id,
                network="nosana",
                segment="decentralized",
                chip=chip,
                accelerator_name=name,
                accelerator_count=gpus,
                usd_per_accelerator_hour=usd / gpus,
                tier=tier if tier in TIERS else None,
                price_kind=price_kind,
                machine_id=text_or_none(market.get("address")),
                listed_price=_listed(market),
                listed_unit=f"{'USD per hour' if _has_reward(market) else 'NOS per second'} to the host, {gpus} GPUs",
                listed_currency="USD" if _has_reward(market) else "NOS",
                source_url=MARKETS_URL,
                note=f"{note}; idle hosts unknown",
            )


def _prices(market: Mapping[str, Any], usd_per_nos: float | None) -> tuple[float, float, str]:
    """(host's reward, renter's price, how the second was found), in USD per hour for the node."""
    percent = checked_number(market.get("network_fee_percentage"), "network_fee_percentage")
    if percent is not None and not 0 <= percent <= MAX_FEE_PERCENT:
        raise RowSkipped.unreadable(f"network_fee_percentage is {percent:g}")
    fee = FEE_PERCENT if percent is None else percent
    if _has_reward(market):
        reward = checked_price(market["usd_reward_per_hour"], "usd_reward_per_hour")
        return reward, reward * (1 + fee / 100), f"a fee of {fee:g}% is on top, which is in dispute"
    if usd_per_nos is None:
        raise RowSkipped.out_of_scope("priced in NOS only, whose price is not known")
    hourly = SECONDS_PER_HOUR * usd_per_nos
    paid = checked_price(market.get("nos_job_price_per_second"), "nos_job_price_per_second") * hourly
    host = checked_number(market.get("nos_reward_per_second"), "nos_reward_per_second")
    reward = host * hourly if host else paid / (1 + fee / 100)
    return reward, paid, f"from NOS per second at {usd_per_nos:g} USD"


def _has_reward(market: Mapping[str, Any]) -> bool:
    return market.get("usd_reward_per_hour") is not None


def _listed(market: Mapping[str, Any]) -> str:
    for key in ("usd_reward_per_hour", "nos_reward_per_second", "nos_job_price_per_second"):
        if market.get(key) is not None:
            return str(market[key])
    return "null"


def _token_price(rows: Rows, recording: Recording) -> float | None:
    """USD per NOS as the network's own statistics tell it, also as a fact."""
    try:
        document = recording.json(recording.answer("stats"))
        price = checked_price(document.get("price") if isinstance(document, Mapping) else None, "price")
    except SourceError as error:
        rows.problems.append(f"no price of NOS: {error}")
        return None
    except RowSkipped as skipped:
        rows.problems.append(f"no price of NOS: {STATS_URL} $.price: {skipped}")
        return None
    rows.fact(
        network="nosana", metric="token_price", subject="NOS", value=price, unit="USD per NOS", source_url=STATS_URL
    )
    return price


def _utilisation(rows: Rows, recording: Recording, _chips: Mapping[str, Chip]) -> None:
    """Hosts at work and waiting, over all countries: the network publishes nothing by chip."""
    running, waiting = 0, 0
    for number, row in enumerate(recording.items(recording.answer("nodes-country"), "data")):
        country = row.get("country") if isinstance(row, Mapping) else None
        with rows.judging(f"country/{country or number}"):
            counts = [checked_whole(checked_object(row).get(key), key) for key in ("running", "queue")]
            if None in counts:
                raise RowSkipped.unreadable("running or queue is null")
            running, waiting = running + (counts[0] or 0), waiting + (counts[1] or 0)
    if not running + waiting:
        rows.problems.append(f"no utilisation: {COUNTRIES_URL} counts no host")
        return
    note = f"{running} hosts at work, {waiting} waiting; hosts, not GPUs"
    for metric, value, unit in (
        ("hosts_online", float(running + waiting), "hosts"),
        ("utilisation", running / (running + waiting), "fraction"),
    ):
        rows.fact(network="nosana", metric=metric, value=value, unit=unit, source_url=COUNTRIES_URL, note=note)


def _running(rows: Rows, recording: Recording, chips: Mapping[str, Chip]) -> None:
    """Jobs running now, by accelerator and in all."""
    document = recording.json(recording.answer("jobs-running"))
    if not isinstance(document, Mapping):
        raise SourceError("nosana", f"{RUNNING_URL} $", seen=type(document).__name__, expected="an object")
    jobs: dict[str | None, int] = defaultdict(int)
    for address, row in document.items():
        with rows.judging(f"running/{address}"):
            count = checked_whole(checked_object(row).get("running"), "running") or 0
            chip = chips.get(address)
            for subject in {None, chip.accelerator if chip else None}:
                jobs[subject] += count
    for subject, count in sorted(jobs.items(), key=lambda pair: pair[0] or ""):
        rows.fact(
            network="nosana",
            metric="jobs_running",
            subject=subject,
            value=float(count),
            unit="jobs",
            source_url=RUNNING_URL,
        )


FETCHER = Fetcher(
    name="nosana",
    title="Nosana",
    kind="network",
    gives="renters' prices and hosts' rewards by market, running jobs, utilisation, price of NOS",
    terms="no licence or terms of the answers known",
    networks=("nosana",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=120.0,
)
