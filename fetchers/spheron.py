"""Spheron: machines of other providers for rent through it, on demand and spot; everything here is resold.

Endpoint: GET https://app.spheron.ai/api/gpu-offers?page=N&limit=50 up to totalPages, no key.
Price includes: the whole instance with its processors, memory and disk. USD per hour for all its GPUs.
Traps: a dedicated instance may have a spot price beside its own; a spot instance, told by instanceType or by an
offerId ending in ::spot, has its price in either field, and both may differ; one offer stands for several
clusters; gpuCount 0 or missing is never 1; maintenance is no offer; available false is listed and not for rent;
units_available counts instances, not GPUs. The provider is kept as ``upstream``: never count it as supply again.
Seen: 2026-09.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from depin_compare.errors import SourceError
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

HOST = "app.spheron.ai"
OFFERS_URL = f"https://{HOST}/api/gpu-offers"
PAGE_SIZE = 50
MAX_PAGES = 100
SPOT_SUFFIX = "::spot"


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Walk the pages; one that fails is told by `parse` and costs no other."""
    answers: list[Answer] = []
    last = 1
    while len(answers) < min(last, MAX_PAGES):
        params = {"page": str(len(answers) + 1), "limit": str(PAGE_SIZE)}
        answers.append(session.try_answer("offers", OFFERS_URL, params=params))
        last = max(last, _pages(answers[-1]))
    return recording("spheron", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """One offer a cluster and terms, of every page that could be read."""
    rows = Rows("spheron", observed_at)
    pages = recording.named("offers") or (recording.answer("offers"),)
    failures: list[SourceError] = []
    for number, page in enumerate(pages, start=1):
        try:
            groups = recording.items(page, "data")
        except SourceError as error:
            failures.append(error)
            rows.problems.append(f"page {number}: {error}")
            continue
        for place, group in enumerate(groups):
            _group(rows, group, f"page {number} $.data[{place}]")
    if len(failures) == len(pages):
        raise failures[0]
    if max(map(_pages, pages)) > MAX_PAGES:
        rows.problems.append(f"more than {MAX_PAGES} pages; the rest was not asked")
    where = f"{OFFERS_URL} $.data"
    rows.check_readable(where)
    rows.check_offers(where)
    return fetch_result(rows)


def _group(rows: Rows, group: object, where: str) -> None:
    """All offers of one GPU type."""
    with rows.judging(where):
        head = checked_object(group)
        name = checked_text(head.get("gpuType"), "gpuType")
        offers = head.get("offers")
        if not isinstance(offers, list):
            raise RowSkipped.unreadable("offers is no list")
        for number, item in enumerate(offers):
            key = [item.get("provider"), item.get("offerId")] if isinstance(item, Mapping) else [None]
            row_id = "/".join(map(str, key)) if all(isinstance(part, str) for part in key) else f"{where}[{number}]"
            with rows.judging(row_id):
                _offer(rows, checked_object(item), row_id, name)


def _offer(rows: Rows, row: Mapping[str, Any], row_id: str, name: str) -> None:
    """One row a cluster and terms."""
    upstream = checked_text(row.get("provider"), "provider")
    gpus = checked_whole(row.get("gpuCount"), "gpuCount")
    if gpus == 0:
        raise RowSkipped.out_of_scope("an instance without a GPU")
    if gpus is None:
        raise RowSkipped.unreadable("gpuCount is null")
    if row.get("maintenance") is True:
        raise RowSkipped.out_of_scope("under maintenance")
    memory_gib = checked_number(row.get("gpu_memory"), "gpu_memory") or None
    chip = rows.chip(name, memory_gib=memory_gib, interface=text_or_none(row.get("interconnectType")))
    clusters = _clusters(row)
    available, notes = _available(row, gpus, len(clusters))
    for terms, field, flag in _products(row, row_id):
        for cluster in clusters:
            offer_id = "|".join(filter(None, (row_id, cluster, terms)))
            with rows.judging(offer_id):
                _add(rows, row, offer_id, name, chip, memory_gib, gpus, upstream, terms, field, cluster, available,
                     "; ".join(filter(None, [*notes, flag])) or None)  # fmt: skip


def _products(row: Mapping[str, Any], row_id: str) -> Iterator[tuple[str, str, str | None]]:
    """(terms, field of the price, what is odd about it)."""
    kind = text_or_none(row.get("instanceType"))
    price, spot = (checked_number(row.get(field), field) for field in ("price", "spot_price"))
    if kind == "SPOT" or row_id.endswith(SPOT_SUFFIX):
        differ = price and spot and price != spot
        flag = f"price {price:g} and spot_price {spot:g} differ" if differ else None
        yield "spot", "spot_price" if spot else "price", flag
    elif kind == "DEDICATED":
        yield "on_demand", "price", None
        if spot:
            yield "spot", "spot_price", None
    else:
        raise RowSkipped.unreadable(f"instanceType is {kind!r}, expected DEDICATED or SPOT")


def _add(
    rows: Rows,
    row: Mapping[str, Any],
    offer_id: str,
    name: str,
    chip: Chip,
    memory_gib: float | None,
    gpus: int,
    upstream: str,
    terms: str,
    field: str,
    cluster: str | None,
    available: int | None,
    note: str | None,
) -> None:
    extras = row.get("extras")
    rows.offer(
        offer_id=offer_id,
        network="spheron",
        segment="marketplace",
        chip=chip,
        accelerator_name=name,
        accelerator_count=gpus,
        memory_gib=memory_gib,
        usd_per_accelerator_hour=checked_price(row.get(field), field) / gpus,
        terms=terms,
        tier=text_or_none(extras.get("deployment_type")) if isinstance(extras, Mapping) else None,
        price_kind="ask",
        region=cluster or text_or_none(row.get("region")),
        country=country_or_none(row.get("region")),
        available=available,
        machine_id=text_or_none(row.get("name")),
        upstream=upstream,
        listed_price=str(row[field]),
        listed_unit=f"USD per hour for {gpus} GPUs",
        source_url=OFFERS_URL,
        note=note,
    )


def _clusters(row: Mapping[str, Any]) -> list[str | None]:
    """The regions of an offer; one of no name where none is told."""
    listed = row.get("clusters")
    named = [text for item in listed if (text := text_or_none(item))] if isinstance(listed, list) else []
    return [*dict.fromkeys(named)] or [None]


def _available(row: Mapping[str, Any], gpus: int, clusters: int) -> tuple[int | None, list[str]]:
    """Free GPUs of one row. Units are told of all clusters together: of several, each has an unknown share."""
    if row.get("available") is False:
        return 0, ["listed, not for rent"]
    extras = row.get("extras")
    technical = extras.get("technical") if isinstance(extras, Mapping) else None
    units = technical.get("units_available") if isinstance(technical, Mapping) else None
    count = checked_whole(units, "extras.technical.units_available")
    if count is None:
        return None, ["free units unknown"]
    if clusters > 1:
        return None, [f"{count} units free in {clusters} clusters together"]
    return count * gpus, []


def _pages(answer: Answer) -> int:
    """How many pages an answer tells of; 1 when it can't be read."""
    try:
        document = Recording(source="spheron", recorded_at=datetime.now(UTC), answers=()).json(answer)
    except SourceError:
        return 1
    pages = document.get("totalPages") if isinstance(document, Mapping) else None
    return pages if isinstance(pages, int) and not isinstance(pages, bool) else 1


FETCHER = Fetcher(
    name="spheron",
    title="Spheron",
    kind="marketplace",
    gives="resold instances on demand and spot, with their provider and free units",
    terms="no licence or terms of the answers known",
    networks=("spheron",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=120.0,
)
