"""Golem: what the nodes with a GPU on its main network ask, and how many are at work.

Endpoint: GET https://api.stats.golem.network/v2/network/online, no key; refreshed every 20 s.
Price includes: the whole node, with the usage of all its processor threads in it; converted to USD by the
statistics server. One GPU a node is assumed, for no field counts them.
Traps: testnet rows are play money; a stale runtime has null prices and null properties; a price of 0 is a true
one and no market; prices stop at a cap that means "not for hire"; a node with vm and vm-nvidia is one machine;
/v1/network/online and /v2/network/online/new are dead or frozen since 2024; an error is a text, not JSON.
Seen: 2026-08.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from depin_compare.market.offers import MIN_USD_PER_ACCELERATOR_HOUR
from fetchers.contract import (
    Fetcher,
    FetchResult,
    Recording,
    Rows,
    RowSkipped,
    checked_number,
    checked_object,
    checked_text,
    fetch_result,
    recording,
)
from fetchers.http import SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "api.stats.golem.network"
NODES_URL = f"https://{HOST}/v2/network/online"

RUNTIME = "vm-nvidia"
MODEL = "golem.!exp.gap-35.v1.inf.gpu.model"
MEMORY = "golem.!exp.gap-35.v1.inf.gpu.memory.total.gib"
# The server cuts the month's price in USD, and the hour's in GLM, at this figure: whoever stands there asks
# for more than the field can hold. A month has at most 744 hours.
CAP = 9_999_999.0
LONGEST_MONTH_HOURS = 744.0


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for every node online."""
    return recording("golem", observed_at, [session.get_answer("online", NODES_URL)])


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """One offer a node with a GPU, and the share of those nodes that is computing."""
    rows = Rows("golem", observed_at)
    busy: dict[str | None, list[int]] = defaultdict(lambda: [0, 0])
    seen: set[str] = set()
    for number, node in enumerate(recording.items(recording.answer("online"))):
        row_id = _row_id(node, number)
        with rows.judging(row_id):
            if row_id in seen:
                raise RowSkipped("duplicate", f"node {row_id} stands in the list more than once; the first is kept")
            seen.add(row_id)
            _node(rows, node, row_id, busy)
    rows.check_readable(f"{NODES_URL} $")
    rows.check_offers(f"{NODES_URL} $")
    for subject, (computing, total) in sorted(busy.items(), key=lambda pair: pair[0] or ""):
        note = f"{computing} of {total} nodes with a GPU are computing; one GPU a node is assumed"
        for metric, value, unit in (
            ("gpus_total", float(total), "GPUs"),
            ("utilisation", computing / total, "fraction"),
        ):
            rows.fact(
                network="golem", metric=metric, subject=subject, value=value, unit=unit, source_url=NODES_URL, note=note
            )
    return fetch_result(rows)


def _node(rows: Rows, node: Any, row_id: str, busy: dict[str | None, list[int]]) -> None:
    node = checked_object(node)
    runtimes = node.get("runtimes")
    if not isinstance(runtimes, Mapping):
        raise RowSkipped.unreadable("runtimes is no object")
    runtime = runtimes.get(RUNTIME)
    if runtime is None:
        raise RowSkipped.out_of_scope("a node without a GPU")
    if not isinstance(runtime, Mapping):
        raise RowSkipped.unreadable(f"runtimes.{RUNTIME} is no object")
    if node.get("network") != "mainnet":
        raise RowSkipped.out_of_scope(f"on {str(node.get('network'))[:20]}, where nothing is paid")
    if node.get("online") is False:
        raise RowSkipped.out_of_scope("offline")
    reputation = node.get("reputation")
    if isinstance(reputation, Mapping) and reputation.get("blacklisted") is True:
        raise RowSkipped.out_of_scope("blacklisted")
    properties = runtime.get("properties")
    if runtime.get("data_fresh") is False or properties is None:
        raise RowSkipped.out_of_scope("a stale offer: nothing is known of it now")
    if not isinstance(properties, Mapping):
        raise RowSkipped.unreadable(f"runtimes.{RUNTIME}.properties is no object")
    name = checked_text(properties.get(MODEL), MODEL)
    memory_gib = checked_number(properties.get(MEMORY), MEMORY) or None
    computing = node.get("computing_now") is True
    busy[None] = [busy[None][0] + computing, busy[None][1] + 1]
    chip = rows.chip(name, memory_gib=memory_gib)
    if chip.accelerator is not None:
        busy[chip.accelerator] = [busy[chip.accelerator][0] + computing, busy[chip.accelerator][1] + 1]
    uptime = checked_number(node.get("uptime"), "uptime")
    rows.offer(
        offer_id=row_id,
        network="golem",
        segment="decentralized",
        chip=chip,
        accelerator_name=name,
        memory_gib=memory_gib,
        usd_per_accelerator_hour=_usd(runtime),
        price_kind="ask",
        available=0 if computing else 1,
        total=1,
        reliability=uptime / 100 if uptime is not None and 0 <= uptime <= 100 else None,
        machine_id=row_id,
        listed_price=str(runtime["hourly_price_usd"]),
        listed_unit="USD per node and hour",
        source_url=NODES_URL,
        note="one GPU a node is assumed",
    )


def _usd(runtime: Mapping[str, Any]) -> float:
    """The price of an hour; a node that gives itself away or asks for the moon is out of scope."""
    usd = checked_number(runtime.get("hourly_price_usd"), "hourly_price_usd")
    glm = checked_number(runtime.get("hourly_price_glm"), "hourly_price_glm")
    if usd is None:
        raise RowSkipped.out_of_scope("no price")
    if usd >= CAP / LONGEST_MONTH_HOURS or (glm is not None and glm >= CAP):
        raise RowSkipped.out_of_scope("a price at the cap of the field")
    if 0 <= usd < MIN_USD_PER_ACCELERATOR_HOUR:
        raise RowSkipped.out_of_scope(f"{usd:.2g} USD an hour: a true price, under the least that counts")
    return usd


def _row_id(node: object, number: int) -> str:
    key = node.get("node_id") if isinstance(node, Mapping) else None
    return key if isinstance(key, str) and key else f"$[{number}]"


FETCHER = Fetcher(
    name="golem",
    title="Golem statistics",
    kind="network",
    gives="asks of nodes with a GPU, uptime, utilisation",
    terms="no licence or terms of the answers known",
    networks=("golem",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=90.0,
)
