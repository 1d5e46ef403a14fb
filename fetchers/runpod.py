"""RunPod: list prices of its secure cloud and of community hosts, on demand and spot.

Endpoint: POST https://api.runpod.io/graphql, gpuTypes, no key.
Price includes: the pod's processors and memory; disk comes on top. USD per hour and GPU, a pod of n pays n times.
Traps: errors come with HTTP 200; 0 and null mean no offer; a price of a cloud the row says it is not in is listed
and not for rent; stock is a word, and null is nothing in stock; there are no counts, so utilisation is unknown;
the spot floor often equals the price on demand and is then no spot price; slices of a card say MIG in the id or
in the display name only; the id "unknown" is a placeholder.
Seen: 2026-10.
Terms: said to restrict systematic collection and competing use (notes of 2026); ask seldom, or switch it off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
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
    fetch_result,
    recording,
    text_or_none,
)
from fetchers.http import NO_ANSWER, Answer, SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "api.runpod.io"
GRAPHQL_URL = f"https://{HOST}/graphql"

TIERS = ("secure", "community")
PRICES = "id displayName memoryInGb securePrice communityPrice secureSpotPrice communitySpotPrice"
STOCK = "{ minimumBidPrice uninterruptablePrice stockStatus }"
WITH_STOCK = (
    f"{{ gpuTypes {{ {PRICES} secureCloud communityCloud "
    f"secureStock: lowestPrice(input: {{gpuCount: 1, secureCloud: true}}) {STOCK} "
    f"communityStock: lowestPrice(input: {{gpuCount: 1, secureCloud: false}}) {STOCK} }} }}"
)
# The least that is known to work, should the schema have changed.
SHORT = f"{{ gpuTypes {{ {PRICES} }} }}"

IN_STOCK = frozenset({"high", "medium", "low"})
OUT_OF_STOCK = frozenset({"none", "out_of_stock"})
MIG = re.compile(r"\bMIG\b", re.IGNORECASE)


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for prices with stock, and for prices alone when that is refused."""
    answers = [session.try_answer("gpu-types", GRAPHQL_URL, json={"query": WITH_STOCK})]
    if answers[0].status != NO_ANSWER and not _has_types(answers[0]):
        answers.append(session.try_answer("gpu-types-short", GRAPHQL_URL, json={"query": SHORT}))
    return recording("runpod", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Up to four offers a GPU type: two clouds, on demand and spot."""
    rows = Rows("runpod", observed_at)
    types, stock_told = _types(rows, recording)
    for number, item in enumerate(types):
        gpu_id = item.get("id") if isinstance(item, Mapping) else None
        row_id = gpu_id if isinstance(gpu_id, str) and gpu_id else f"$.data.gpuTypes[{number}]"
        with rows.judging(row_id):
            _gpu_type(rows, checked_object(item), row_id, stock_told=stock_told)
    where = f"{GRAPHQL_URL} $.data.gpuTypes"
    rows.check_readable(where)
    rows.check_offers(where)
    return fetch_result(rows)


def _types(rows: Rows, recording: Recording) -> tuple[list[Any], bool]:
    """The GPU types of the first answer that has them, and whether that one tells the stock."""
    failures: list[SourceError] = []
    for answer in recording.answers:
        try:
            told = _errors(recording.json(answer))
            if told is not None:
                rows.problems.append(f"{answer.name}: {told}")
            return recording.items(answer, "data", "gpuTypes"), answer.name == "gpu-types"
        except SourceError as error:
            told = _told(recording, answer)
            failures.append(SourceError("runpod", error.where, seen=told, expected=error.expected) if told else error)
            if not told:
                rows.problems.append(f"{answer.name}: {error}")
    if not failures:
        raise SourceError("runpod", GRAPHQL_URL, seen="no answer in the recording", expected="GPU types")
    raise SourceError(
        "runpod",
        failures[-1].where,
        seen="; ".join(dict.fromkeys(error.seen for error in failures)),
        expected="GPU types",
        unreachable=all(error.unreachable for error in failures),
    )


def _gpu_type(rows: Rows, row: Mapping[str, Any], row_id: str, *, stock_told: bool) -> None:
    """Judge one GPU type: its chip, then each price it has."""
    shown = text_or_none(row.get("displayName"))
    if row_id == "unknown":
        raise RowSkipped.out_of_scope("a placeholder")
    if MIG.search(row_id) or (shown and MIG.search(shown)):
        raise RowSkipped.out_of_scope("a slice of a card")
    memory_gib = checked_number(row.get("memoryInGb"), "memoryInGb") or None
    if not any(row.get(f"{tier}{field}") for tier in TIERS for field in ("Price", "SpotPrice")):
        raise RowSkipped.out_of_scope("no cloud has a price")
    chip = _chip(rows, row_id, shown, memory_gib)
    for tier in TIERS:
        stock = row.get(f"{tier}Stock")
        stock = stock if isinstance(stock, Mapping) else {}
        available, note = _availability(row, tier, stock, stock_told=stock_told)
        for terms in ("on_demand", "spot"):
            offer_id = f"{row_id}:{tier}:{terms}"
            with rows.judging(offer_id):
                listed = _spot(row, tier, stock) if terms == "spot" else row.get(f"{tier}Price")
                if listed is None:
                    continue
                rows.offer(
                    offer_id=offer_id,
                    network="runpod",
                    segment="marketplace",
                    chip=chip,
                    accelerator_name=row_id,
                    memory_gib=memory_gib,
                    usd_per_accelerator_hour=checked_price(listed, f"{tier}{'Spot' * (terms == 'spot')}Price"),
                    terms=terms,
                    tier=tier,
                    price_kind="list",
                    available=available,
                    listed_price=str(listed),
                    listed_unit="USD per GPU and hour",
                    source_url=GRAPHQL_URL,
                    note=note,
                )


def _chip(rows: Rows, gpu_id: str, shown: str | None, memory_gib: float | None) -> Chip:
    """The id says more than the name on display; where only that one is known, it decides."""
    by_id = identify(gpu_id, memory_gib=memory_gib)
    if by_id.verdict == "unknown" and shown and identify(shown, memory_gib=memory_gib).verdict == "known":
        return rows.chip(shown, memory_gib=memory_gib)
    return rows.chip(gpu_id, memory_gib=memory_gib)


def _availability(
    row: Mapping[str, Any], tier: str, stock: Mapping[str, Any], *, stock_told: bool
) -> tuple[int | None, str]:
    """0 where nothing can be rented, else unknown: the source gives words, no counts."""
    if row.get(f"{tier}Cloud") is False:
        return 0, f"listed, not for rent in the {tier} cloud"
    if not stock_told:
        return None, "stock unknown"
    word = text_or_none(stock.get("stockStatus"))
    if word is None or word.casefold() in OUT_OF_STOCK:
        return 0, "nothing in stock"
    return None, f"stock {word}, no counts" if word.casefold() in IN_STOCK else f"stock {word!r}, a word not known"


def _spot(row: Mapping[str, Any], tier: str, stock: Mapping[str, Any]) -> object:
    """The spot price of a cloud, or the floor of bids where there is none; only what is below the price on demand."""
    on_demand = checked_number(row.get(f"{tier}Price"), f"{tier}Price")
    found = [
        (listed, price)
        for listed in (row.get(f"{tier}SpotPrice"), stock.get("minimumBidPrice"))
        if (price := checked_number(listed, f"{tier}SpotPrice"))
    ]
    if not found:
        return None
    below = [listed for listed, price in found if not on_demand or price < on_demand]
    if not below:
        raise RowSkipped.out_of_scope(f"spot price {found[0][1]:g} is not below the price on demand")
    return below[0]


def _has_types(answer: Answer) -> bool:
    """Whether an answer holds GPU types, with or without errors beside them."""
    try:
        Recording(source="runpod", recorded_at=datetime.now(UTC), answers=()).items(answer, "data", "gpuTypes")
    except SourceError:
        return False
    return True


def _told(recording: Recording, answer: Answer) -> str | None:
    """What the answer itself says is wrong, or None."""
    try:
        return _errors(recording.json(answer))
    except SourceError:
        return None


def _errors(document: object) -> str | None:
    """The first error of a GraphQL answer in its own words."""
    errors = document.get("errors") if isinstance(document, Mapping) else None
    if not errors:
        return None
    first = errors[0] if isinstance(errors, list) else errors
    message = first.get("message") if isinstance(first, Mapping) else first
    return f"the answer says: {str(message)[:120]}"


FETCHER = Fetcher(
    name="runpod",
    title="RunPod",
    kind="marketplace",
    gives="list prices by GPU type, secure and community, on demand and spot",
    terms="said to restrict systematic collection and competing use; ask seldom, or switch it off",
    networks=("runpod",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=150.0,
)
