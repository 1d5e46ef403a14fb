"""Prime Intellect: what it asks for machines of the clouds and networks it resells.

Endpoint: GET https://api.primeintellect.ai/api/v1/availability/gpus, pages of 100, with a key of the scope
Availability: Read.
Price includes: the whole machine, and its default disk as far as recorded figures tell.
Traps: the price is of the whole configuration; every price may be null, and the community price stands in for
a missing one; all of it is capacity of others (``provider``): never to be counted beside them; isSpot is true
or null; a row paid long ahead is no price by the hour; CPU_NODE is no GPU; without a key the answer is 401.
Seen: 2025-12.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from depin_compare.errors import SourceError
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
from fetchers.http import Answer, SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "api.primeintellect.ai"
GPUS_URL = f"https://{HOST}/api/v1/availability/gpus"
PAGE_SIZE = 100
MAX_PAGES = 50
MAX_GPUS = 1024

# Words of the stock that mean nothing can be had; every other word tells no number.
OUT_OF_STOCK = frozenset({"unavailable", "out_of_stock", "none"})


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Walk the pages; one that fails ends the walk and is told by `parse`."""
    answers: list[Answer] = []
    headers = {"Authorization": f"Bearer {session.key}"} if session.key else {}
    rows = 0
    for page in range(1, MAX_PAGES + 1):
        params = {"page": str(page), "page_size": str(PAGE_SIZE)}
        answer = session.try_answer("gpus", GPUS_URL, params=params, headers=headers)
        answers.append(answer)
        here, total = _size(recording("prime_intellect", observed_at, []), answer)
        rows += here
        if here == 0 or (rows >= total if total else here < PAGE_SIZE):
            break
    return recording("prime_intellect", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Offers of every page that could be read; a `SourceError` when the first could not."""
    rows = Rows("prime_intellect", observed_at)
    read = total = 0
    for page, answer in enumerate(recording.named("gpus") or (recording.answer("gpus"),)):
        try:
            items = recording.items(answer, "items")
        except SourceError as error:
            if page == 0:
                raise
            rows.problems.append(f"page {page + 1}: {error}")
            break
        total = max(total, _size(recording, answer)[1])
        for item in items:
            row_id = _row_id(item) if isinstance(item, Mapping) else f"$.items[{read}]"
            read += 1
            with rows.judging(row_id):
                _offer(rows, item, row_id)
    where = f"{GPUS_URL} $.items"
    rows.check_readable(where)
    rows.check_offers(where)
    if read < total and not rows.problems:
        rows.problems.append(f"{read} of {total} rows came")
    return fetch_result(rows)


def _offer(rows: Rows, item: Any, row_id: str) -> None:
    item = checked_object(item)
    name = checked_text(item.get("gpuType"), "gpuType")
    gpus = checked_whole(item.get("gpuCount"), "gpuCount")
    if name == "CPU_NODE" or gpus == 0:
        raise RowSkipped.out_of_scope("a machine without a GPU")
    if gpus is None or gpus > MAX_GPUS:
        raise RowSkipped.unreadable(f"gpuCount is {gpus}")
    if item.get("prepaidTime"):
        raise RowSkipped.out_of_scope("to be paid ahead for a term")
    prices = item.get("prices")
    if not isinstance(prices, Mapping):
        raise RowSkipped.unreadable("prices is no object")
    if prices.get("currency") not in ("USD", None):
        raise RowSkipped.unreadable(f"prices.currency is {str(prices['currency'])[:10]!r}, expected 'USD'")
    field = "onDemand" if checked_number(prices.get("onDemand"), "prices.onDemand") else "communityPrice"
    price = checked_price(prices.get(field), f"prices.{field}")
    memory_gib = checked_number(item.get("gpuMemory"), "gpuMemory") or None
    socket = text_or_none(item.get("socket"))
    stock = (text_or_none(item.get("stockStatus")) or "").casefold()
    security = text_or_none(item.get("security"))
    rows.offer(
        offer_id=row_id,
        network="prime-intellect",
        segment="marketplace",
        chip=rows.chip(name, memory_gib=memory_gib, interface=socket),
        accelerator_name=" ".join(part for part in (name, socket) if part),
        accelerator_count=gpus,
        memory_gib=memory_gib,
        usd_per_accelerator_hour=price / gpus,
        terms="spot" if item.get("isSpot") is True else "on_demand",
        tier="community" if field == "communityPrice" else security,
        price_kind="ask",
        region=text_or_none(item.get("dataCenter")) or text_or_none(item.get("region")),
        country=country_or_none(item.get("country")),
        available=0 if stock in OUT_OF_STOCK else None,
        machine_id=text_or_none(item.get("cloudId")),
        upstream=text_or_none(item.get("provider")) or "a provider it does not name",
        listed_price=str(prices[field]),
        listed_unit=f"USD per hour for {gpus} GPUs" if gpus > 1 else "USD per hour",
        source_url=GPUS_URL,
        note=f"stock {stock}" if stock else None,
    )


def _size(recording: Recording, answer: Answer) -> tuple[int, int]:
    """Rows on this page, and in all as the source counts them; (0, 0) when it can't be read."""
    try:
        rows = len(recording.items(answer, "items"))
    except SourceError:
        return 0, 0
    total = recording.json(answer).get("totalCount")
    return rows, total if isinstance(total, int) and not isinstance(total, bool) else 0


def _row_id(item: Mapping[str, Any]) -> str:
    parts = ("provider", "cloudId", "gpuType", "socket", "gpuCount", "dataCenter", "security", "isSpot", "prepaidTime")
    return "/".join(str(item.get(part) or "-")[:60] for part in parts)


FETCHER = Fetcher(
    name="prime_intellect",
    title="Prime Intellect",
    kind="marketplace",
    gives="asks for resold machines by provider, region and stock",
    terms="no licence or terms of the answers known; needs an account",
    networks=("prime-intellect",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    key_variable="PRIME_INTELLECT_API_KEY",
    time_budget_seconds=120.0,
)
