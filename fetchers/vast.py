"""Vast.ai: asks and lowest bids of hosts by model, and how much of the fleet is rented.

Endpoint: POST https://console.vast.ai/api/v0/bundles/, one query a model; no key, and one raises the limits.
GET https://500.farm/vastai-exporter/gpu-stats, a third party's count of the fleet, may fail without cost.
Price includes: the GPUs with their share of processors and memory; disk and traffic come on top. USD per hour
for the whole offer, divided here by its GPUs.
Traps: without a key 64 offers come back at most and there are no pages: a full answer is asked again from the
dear end, and of a model with more offers only the two ends are seen; one machine is listed in several sizes, of
which the cheapest per GPU is kept; gpu_ram far below the model's memory is a slice of a card; gpu_frac is the
share of the machine, not of a card; the filter on ``verified`` loses cheap hosts, so ``verification`` is read
instead; dph_total has disk in it; geolocation, min_bid and cpu_cores may be null; 429 comes as plain text.
Seen: 2026-10.
Terms: said to restrict systematic collection (notes of 2026); ask seldom, or switch the source off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from depin_compare.errors import SourceError
from depin_compare.market.accelerators import identify
from depin_compare.refdata import accelerators
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
from fetchers.http import NO_ANSWER, REFUSED, Answer, SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "console.vast.ai"
OFFERS_URL = f"https://{HOST}/api/v0/bundles/"
FLEET_HOST = "500.farm"
FLEET_URL = f"https://{FLEET_HOST}/vastai-exporter/gpu-stats"

# Models fit for LLM work, as Vast.ai spells them: with blanks.
MODELS = (
    "A10", "A100 PCIE", "A100 SXM4", "A40", "B200", "B300", "GH200 SXM",
    "H100 NVL", "H100 PCIE", "H100 SXM", "H200", "H200 NVL", "L4", "L40", "L40S",
    "RTX 3090", "RTX 3090 Ti", "RTX 4080", "RTX 4090", "RTX 5080", "RTX 5090", "RTX 6000Ada",
    "RTX A5000", "RTX A6000", "RTX PRO 6000 S", "RTX PRO 6000 WS",
)  # fmt: skip
LIMIT = 64
LIMIT_WITH_KEY = 1000
# Faster drew "too many requests"; this pace was borne for 26 queries in a row.
PAUSE_SECONDS = 0.75
# Less than this share of a model's memory is a slice of a card.
SLICE_SHARE = 0.75
STALE_DAYS = 7
VERIFICATIONS = frozenset({"verified", "unverified", "deverified"})


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for each model, cheapest first, and once more from the dear end where the answer was full."""
    limit = LIMIT_WITH_KEY if session.key else LIMIT
    headers = {"Authorization": f"Bearer {session.key}"} if session.key else None
    answers: list[Answer] = []
    for model in MODELS:
        for direction in ("asc", "desc"):
            # No filter on `verified`: it loses the cheapest hosts.
            query = {
                "gpu_name": {"eq": model},
                "order": [["dph_total", direction]],
                "rentable": {"eq": True},
                "type": "on-demand",
                "limit": limit,
            }
            answer = session.try_answer(f"offers/{model}", OFFERS_URL, json=query, headers=headers)
            answers.append(answer)
            if len(_ids(answer)) not in (LIMIT, limit):
                break
        if answer.status in (429, NO_ANSWER):
            told = f"not asked after {answer.name}: {'too many requests' if answer.status == 429 else 'no answer'}"
            status = NO_ANSWER if answer.status == NO_ANSWER else REFUSED
            answers.append(Answer(name="offers/others", url=OFFERS_URL, status=status, body=told.encode()))
            break
    return recording("vast", observed_at, [*answers, session.try_answer("gpu-stats", FLEET_URL)])


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """One offer a machine, and its lowest bid; the use of the fleet from the third party's count."""
    rows = Rows("vast", observed_at)
    listed: dict[tuple[str, str], list[_Size]] = defaultdict(list)
    seen: set[str] = set()
    failures: list[SourceError] = []
    answers = [answer for answer in recording.answers if answer.name.startswith("offers/")]
    cut = _cut(answers)
    for answer in answers:
        try:
            items = recording.items(answer, "offers")
        except SourceError as error:
            failures.append(error)
            rows.problems.append(f"{answer.name}: {error}")
            continue
        for number, item in enumerate(items):
            row_id = _row_id(item, f"{answer.name}[{number}]")
            if row_id in seen:
                continue  # asked from both ends
            seen.add(row_id)
            with rows.judging(row_id):
                size = _size(rows, item, row_id, cut=answer.name in cut)
                listed[size.machine_id or row_id, size.name].append(size)
    for sizes in listed.values():
        _machine(rows, sizes)
    if not answers or (failures and not rows.offers):
        raise SourceError(
            "vast",
            OFFERS_URL,
            seen="; ".join(dict.fromkeys(error.seen for error in failures)) or "no answer in the recording",
            expected="lists of offers",
            unreachable=bool(failures) and all(error.unreachable for error in failures),
        )
    where = f"{OFFERS_URL} $.offers"
    rows.check_readable(where)
    rows.check_offers(where)
    try:
        _fleet(rows, recording)
    except SourceError as error:
        rows.problems.append(f"no utilisation: {error}")
    return fetch_result(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """A machine, or a part of it, as one offer lists it."""

    row_id: str
    machine_id: str | None
    name: str
    chip: Chip
    gpus: int
    memory_gib: float | None
    price: float
    row: Mapping[str, Any]
    cut: bool

    @property
    def usd_per_gpu(self) -> float:
        """USD per GPU and hour, without disk."""
        return self.price / self.gpus


def _size(rows: Rows, item: object, row_id: str, *, cut: bool) -> _Size:
    """Read one offer, or skip the row."""
    row = checked_object(item)
    name = checked_text(row.get("gpu_name"), "gpu_name")
    gpus = checked_whole(row.get("num_gpus"), "num_gpus")
    if not gpus:
        raise RowSkipped.unreadable(f"num_gpus is {gpus}")
    memory_mib = checked_number(row.get("gpu_ram"), "gpu_ram")
    memory_gib = memory_mib / 1024 if memory_mib else None
    whole = _memory_of().get(identify(name).accelerator or "")
    if memory_gib is not None and whole is not None and memory_gib < SLICE_SHARE * whole:
        raise RowSkipped.out_of_scope(f"{name} with {memory_gib:.1f} of {whole:g} GiB: a slice of a card")
    chip = rows.chip(name, memory_gib=memory_gib)
    machine_id = row.get("machine_id")
    return _Size(
        row_id=row_id,
        machine_id=str(machine_id) if isinstance(machine_id, int | str) and machine_id != "" else None,
        name=name,
        chip=chip,
        gpus=gpus,
        memory_gib=memory_gib,
        price=_gpu_price(row),
        row=row,
        cut=cut,
    )


def _gpu_price(row: Mapping[str, Any]) -> float:
    """USD per hour for the GPUs of the whole offer, without its disk."""
    parts = row.get("search")
    price = checked_number(parts.get("gpuCostPerHour"), "search.gpuCostPerHour") if isinstance(parts, Mapping) else None
    return price if price and price > 0 else checked_price(row.get("dph_base"), "dph_base")


def _machine(rows: Rows, sizes: list[_Size]) -> None:
    """The cheapest size of one machine becomes the offer; the others would count its GPUs again."""
    best = min(sizes, key=lambda size: (size.usd_per_gpu, -size.gpus, size.row_id))
    for size in sizes:
        if size is not best:
            rows.skip(
                size.row_id,
                "duplicate",
                f"machine {size.machine_id} is listed in {len(sizes)} sizes; offer {best.row_id} is cheapest per GPU",
            )
    rentable = [size.gpus for size in sizes if size.row.get("rentable") is not False]
    counts = ", ".join(str(gpus) for gpus in sorted({size.gpus for size in sizes}))
    notes: list[str | None] = [f"listed in sizes of {counts} GPUs" if len(sizes) > 1 else None]
    notes += ["of this model only the cheapest and the dearest offers are seen" if best.cut else None]
    notes += [None if rentable else "listed, not for rent"]
    with rows.judging(best.row_id):
        _offer(rows, best, best.row_id, "on_demand", best.price, max(rentable, default=0), notes)
    if best.row.get("min_bid") is not None:
        with rows.judging(f"{best.row_id}:bid"):
            bid = checked_price(best.row["min_bid"], "min_bid")
            _offer(rows, best, f"{best.row_id}:bid", "spot", bid, max(rentable, default=0), ["lowest bid", *notes])


def _offer(
    rows: Rows, size: _Size, offer_id: str, terms: str, price: float, available: int, notes: list[str | None]
) -> None:
    place = text_or_none(size.row.get("geolocation"))
    verification = text_or_none(size.row.get("verification"))
    rows.offer(
        offer_id=offer_id,
        network="vast",
        segment="marketplace",
        chip=size.chip,
        accelerator_name=size.name,
        accelerator_count=size.gpus,
        memory_gib=size.memory_gib,
        usd_per_accelerator_hour=price / size.gpus,
        terms=terms,
        tier=verification if verification in VERIFICATIONS else None,
        price_kind="ask",
        region=place,
        country=country_or_none(place.rpartition(",")[2]) if place else None,
        available=available,
        total=_gpus_of_machine(size),
        reliability=_reliability(size.row),
        machine_id=size.machine_id,
        listed_price=repr(price),
        listed_unit=f"USD per hour for {size.gpus} GPUs, without disk",
        source_url=OFFERS_URL,
        note="; ".join(filter(None, notes)) or None,
    )


def _gpus_of_machine(size: _Size) -> int | None:
    """GPUs of the whole machine, from the share of it that the offer is."""
    share = checked_number(size.row.get("gpu_frac"), "gpu_frac")
    return round(size.gpus / share) if share and 0.01 <= share <= 1 else None


def _reliability(row: Mapping[str, Any]) -> float | None:
    for key in ("reliability2", "reliability"):
        share = checked_number(row.get(key), key)
        if share is not None and 0 <= share <= 1:
            return share
    return None


def _cut(answers: list[Answer]) -> frozenset[str]:
    """Queries whose two ends share no offer: what lies between them is missing."""
    ends: dict[str, list[frozenset[str]]] = defaultdict(list)
    for answer in answers:
        ends[answer.name].append(_ids(answer))
    return frozenset(name for name, ids in ends.items() if len(ids) > 1 and all(ids) and ids[0].isdisjoint(ids[1]))


def _ids(answer: Answer) -> frozenset[str]:
    """The offers of an answer; none when it can't be read."""
    try:
        items = Recording(source="vast", recorded_at=datetime.now(UTC), answers=()).items(answer, "offers")
    except SourceError:
        return frozenset()
    return frozenset(_row_id(item, f"#{number}") for number, item in enumerate(items))


def _fleet(rows: Rows, recording: Recording) -> None:
    """GPUs rented and in all, by accelerator and of the whole fleet, as the third party counts them."""
    answer = recording.answer("gpu-stats")
    models = recording.items(answer, "models")
    counted_at = _moment(recording.json(answer).get("timestamp")) or rows.observed_at
    if (rows.observed_at - counted_at).days > STALE_DAYS:
        rows.problems.append(f"gpu-stats is of {counted_at:%Y-%m-%d}")
    counts: dict[str | None, list[int]] = defaultdict(lambda: [0, 0])
    for number, model in enumerate(models):
        name = model.get("name") if isinstance(model, Mapping) else None
        with rows.judging(f"gpu-stats/{name or number}"):
            name = checked_text(name, "name")
            stats = checked_object(checked_object(model).get("stats"))
            rented, free = _count(stats, "rented"), _count(stats, "available")
            total = _count(stats, "all") or rented + free
            if rented > total:
                raise RowSkipped.unreadable(f"{rented} of {total} GPUs rented")
            # Those of whom the chip is not certain still belong to the fleet.
            for subject in {None, identify(name).accelerator}:
                counts[subject][0] += rented
                counts[subject][1] += total
    for subject, (rented, total) in sorted(counts.items(), key=lambda pair: pair[0] or ""):
        if not total:
            continue
        for metric, value, unit in (("gpus_total", float(total), "GPUs"), ("utilisation", rented / total, "fraction")):
            rows.fact(
                network="vast",
                metric=metric,
                subject=subject,
                value=value,
                unit=unit,
                source_url=FLEET_URL,
                observed_at=min(counted_at, rows.observed_at),
                kind="third_party",
                note=f"{rented} of {total} GPUs rented, as 500.farm counts them",
            )


def _count(stats: Mapping[str, Any], key: str) -> int:
    """GPUs of one state; the list may be split by kind of host."""
    state = stats.get(key)
    groups = state.get("all") if isinstance(state, Mapping) else None
    if groups is not None and not isinstance(groups, list):
        raise RowSkipped.unreadable(f"{key}.all is no list")
    counts = [checked_whole(checked_object(group).get("count"), f"{key}.count") for group in groups or []]
    return sum(count or 0 for count in counts)


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _row_id(item: object, fallback: str) -> str:
    value = item.get("id") if isinstance(item, Mapping) else None
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) and value != "" else fallback


@cache
def _memory_of() -> Mapping[str, float | None]:
    return dict(accelerators().select("accelerator", "memory_gib").iter_rows())


FETCHER = Fetcher(
    name="vast",
    title="Vast.ai",
    kind="marketplace",
    gives="asks and lowest bids by machine; rented share by model (500.farm)",
    terms="said to restrict systematic collection and competing use; ask seldom, or switch it off",
    networks=("vast",),
    hosts=(HOST, FLEET_HOST),
    fetch=fetch,
    parse=parse,
    key_variable="VAST_API_KEY",
    key_required=False,
    time_budget_seconds=180.0,  # some 30 queries at the pace the host bears
    min_pause_seconds=PAUSE_SECONDS,
)
