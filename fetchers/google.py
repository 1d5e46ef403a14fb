"""Google Cloud: list prices of machines with GPUs, added up from their parts, and of TPU chips.

Endpoint: GET https://cloudbilling.googleapis.com/v1/services/(service)/skus with currencyCode, pageSize and
pageToken, for Compute Engine (6F81-5844-456A) and Cloud TPU (E000-3F24-B8AA). Needs a key, sent as the header
X-Goog-Api-Key; without one the dated list prices that ship with the package stand.
Price includes: the whole machine, Linux: GPUs, processors, memory and the local disks that belong to its type;
the network comes on top. USD. TPUs: the chip with its host.
Traps: a description tells more than its category: spot TPUs, spot B200, reservations, flex-start and virtual
workstations all say OnDemand; "units" is a text and may be missing; memory is priced by the GiB-hour, or by the
GB-hour, disks by the GiB-month; a "(1 gpu slice)" of B200 is a share of the whole machine; placeholders of 0;
TPU v4 is priced as a pod of four chips, v5e and later by the chip, and a name counts chips (v5litepod-8, v6e-8)
or cores (v4-8, v5p-8); the list names regions, not whether a machine can be had there; T4 and older cards are
added to a machine of the renter's choice and have no machine price.
Terms: Google Cloud's terms of service; prices are asked at run time.
Seen: 2026-08.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from depin_compare.errors import SourceError
from depin_compare.refdata import accelerators, instances, machine_shapes
from depin_compare.units import BYTES_PER_GB, BYTES_PER_GIB, HOURS_PER_MONTH
from fetchers.contract import (
    Chip,
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
)
from fetchers.http import NO_ANSWER, REFUSED, Answer, SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "cloudbilling.googleapis.com"
SERVICES_URL = f"https://{HOST}/v1/services"
COMPUTE, TPU = "6F81-5844-456A", "E000-3F24-B8AA"
PAGE_SIZE = 5000
# Compute Engine has some ten pages of 5,000.
MAX_PAGES = 60

# What no renter can simply take: placeholders of reservations, surcharges, hosts for one tenant, idle machines.
NOT_FOR_RENT = re.compile(
    r"Reserved|Reservation|Sole Tenancy|Premium|Custom|suspended|Capacity Optimized|Virtual Workstation|vWS|vGPU",
    re.IGNORECASE,
)
COMMITMENT = re.compile(r"^Commitment v\d+: ")
MODE = r"^(?:(?:Spot Preemptible|DWS Defined Duration|DWS Flex[ -]?Start|DWS Calendar Mode) )?"
HOST_PART = re.compile(
    MODE + r"(A2|A3|A3 ?Plus|A3 ?Mega|A3 ?Ultra|G2|G4)(?: Instance)? (Core|Cpu|Ram)\b", re.IGNORECASE
)
CARD = re.compile(MODE + r"(?:Nvidia )?(?:Tesla )?(.+?)(?: GPU)? (?:running in|attached to|in) ", re.IGNORECASE)
LOCAL_DISK = re.compile(r"^SSD backed Local Storage|^Local SSD\b", re.IGNORECASE)
SLICE = re.compile(r"\bNvidia (\w+) \(1 gpu slice\)", re.IGNORECASE)
TPU_CHIP = re.compile(r"\bTPU[- ]?v?(\d+[a-z]?)\b|\bv(\d+[a-z]?)\b", re.IGNORECASE)
# What a description calls the card -> the machines that have it.
CARDS = {
    "A100": ("a2-highgpu", "a2-megagpu"),
    "A100 80GB": ("a2-ultragpu",),
    "H100 80GB": ("a3-highgpu",),
    "H100 80GB Mega": ("a3-megagpu",),
    "H100 80GB Plus": ("a3-megagpu",),
    "H100 Mega 80GB": ("a3-megagpu",),
    "H200 141GB": ("a3-ultragpu",),
    "L4": ("g2-standard",),
    "RTX 6000 96GB": ("g4-standard",),
}
LOOSE_CARDS = ("T4", "V100", "P100", "P4", "K80")
# Machines -> the family whose processors and memory they are priced with.
HOSTS = {
    "a2-highgpu": "a2",
    "a2-megagpu": "a2",
    "a2-ultragpu": "a2",
    "a3-highgpu": "a3",
    "a3-megagpu": "a3plus",
    "a3-ultragpu": "a3ultra",
    "g2-standard": "g2",
    "g4-standard": "g4",
}
SLICE_MACHINES = {"B200": "a4-highgpu-8g"}
# On the list, but sold on spot, flex-start or reserved terms only; the small A3 on spot and flex-start only.
NOT_ON_DEMAND = re.compile(r"a4-|a3-ultragpu-")
NOT_BOOKABLE = "listed, but not sold on plain on-demand terms"
SMALL = re.compile(r"a3-highgpu-[124]g")
TERMS_OF_SMALL = ("spot", "flex_start")

OLD_TPUS = ("2", "3")
CHIPS_A_POD_PRICE = {"4": 4}
GIB_IN_GB = BYTES_PER_GIB / BYTES_PER_GB
NANOS = 10**9


@dataclass(slots=True)
class _Parts:
    """Prices of parts: (what, terms) -> region -> USD per piece and hour; two that differ are none."""

    prices: dict[tuple[str, str], dict[str, set[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )

    def add(self, what: str, terms: str, regions: list[str], usd: float) -> None:
        """Note what a part costs in these regions."""
        for region in regions:
            self.prices[what, terms][region].add(usd)

    def of(self, what: str, terms: str) -> Mapping[str, set[float]]:
        """Prices of a part by region."""
        return self.prices.get((what, terms), {})

    def terms(self) -> list[str]:
        """All terms any part has."""
        return sorted({terms for _, terms in self.prices})


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Walk the pages of both services; a page that fails ends its service and is told by `parse`."""
    headers = {"X-Goog-Api-Key": session.key} if session.key else {}
    answers: list[Answer] = []
    for service in (COMPUTE, TPU):
        url, seen = f"{SERVICES_URL}/{service}/skus", set[str]()
        params = {"currencyCode": "USD", "pageSize": str(PAGE_SIZE)}
        answer = session.try_answer(f"skus/{service}", url, params=params, headers=headers)
        answers.append(answer)
        while (token := _next_page(answer)) is not None:
            if token in seen or len(seen) >= MAX_PAGES:
                cause = f"{'the same page again' if token in seen else 'more than'} after {len(seen)} pages"
                answers.append(Answer(name=f"skus/{service}", url=url, status=REFUSED, body=cause.encode()))
                break
            seen.add(token)
            answer = session.try_answer(f"skus/{service}", url, params=params | {"pageToken": token}, headers=headers)
            answers.append(answer)
    return recording("google", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Machines from the parts of all pages, TPU chips and machine slices row by row."""
    rows, parts, failures = Rows("google", observed_at), _Parts(), list[SourceError]()
    for answer in recording.answers:
        try:
            skus = recording.items(answer, "skus")
        except SourceError as error:
            failures.append(error)
            rows.problems.append(f"{answer.name}: {error}")
            continue
        others = 0
        for number, sku in enumerate(skus):
            if isinstance(sku, Mapping) and not _ours(sku):
                others += 1
                continue
            with rows.judging(_key(sku, f"{answer.name}[{number}]")):
                _sku(rows, parts, checked_object(sku))
        if others:
            rows.skip(answer.name, "out_of_scope", f"{others} prices of other things")
    if failures and len(failures) == len(recording.answers):
        raise SourceError(
            "google",
            f"{SERVICES_URL}/{COMPUTE}/skus",
            seen="; ".join(dict.fromkeys(error.seen for error in failures))[:600],
            expected="pages of prices",
            unreachable=all(error.unreachable for error in failures),
        )
    _machines(rows, parts)
    where = f"{SERVICES_URL} $.skus"
    rows.check_readable(where)
    rows.check_offers(where)
    return fetch_result(rows)


def _next_page(answer: Answer) -> str | None:
    """The token of the next page; None when there is none, or the page can't be read."""
    if answer.status in (NO_ANSWER, REFUSED):
        return None
    try:
        document = Recording(source="google", recorded_at=datetime.now(UTC), answers=()).json(answer)
    except SourceError:
        return None
    token = document.get("nextPageToken") if isinstance(document, Mapping) else None
    return token if isinstance(token, str) and token else None


def _ours(sku: Mapping[str, Any]) -> bool:
    """Whether a row prices an accelerator, a TPU or a part of a machine that has one."""
    description, category = sku.get("description"), sku.get("category")
    if not isinstance(description, str) or not isinstance(category, Mapping):
        return True
    if category.get("resourceFamily") == "Storage":
        return LOCAL_DISK.search(COMMITMENT.sub("", description)) is not None
    if category.get("resourceFamily") != "Compute":
        return False
    return category.get("resourceGroup") in ("GPU", "TPU") or (
        HOST_PART.search(COMMITMENT.sub("", description)) is not None
    )


def _sku(rows: Rows, parts: _Parts, sku: Mapping[str, Any]) -> None:
    """Judge one row: a part goes to `parts`, a TPU chip or a slice of a machine becomes offers."""
    told = checked_text(sku.get("description"), "description")
    category = checked_object(sku.get("category"))
    terms = _terms(told, category.get("usageType"))
    description = COMMITMENT.sub("", told)
    regions = sku.get("serviceRegions")
    if not isinstance(regions, list) or not regions or not all(isinstance(region, str) for region in regions):
        raise RowSkipped.unreadable("serviceRegions is no list of regions")
    if host := HOST_PART.search(description):
        family, what = host[1].lower().replace(" ", "").replace("a3mega", "a3plus"), host[2].lower()
        memory = what == "ram"
        usd, _ = _usd(sku, rows.observed_at, {"GiBy.h": 1.0, "GBy.h": GIB_IN_GB} if memory else {"h": 1.0})
        parts.add(f"{family} {'memory' if memory else 'processors'}", terms, regions, usd)
    elif LOCAL_DISK.search(description):
        units = {"GiBy.mo": 1 / HOURS_PER_MONTH, "GiBy.h": 1.0}
        parts.add("local disk", terms, regions, _usd(sku, rows.observed_at, units)[0])
    elif category.get("resourceGroup") == "TPU":
        _tpu(rows, sku, description, terms, regions)
    elif found := SLICE.search(description):
        _slice(rows, sku, found[1].upper(), terms, regions)
    else:
        card = CARD.search(description)
        name = card[1] if card else description[:60]
        if name in LOOSE_CARDS:
            raise RowSkipped.out_of_scope(f"{name}: a card for a machine of the renter's choice has no machine price")
        machines = CARDS.get(name)
        if machines is None:
            raise RowSkipped.unreadable(f"{name!r} is in no table of cards ({description[:60]})")
        usd, _ = _usd(sku, rows.observed_at, {"h": 1.0})
        for machine in machines:
            parts.add(f"{machine} GPU", terms, regions, usd)


def _terms(description: str, usage_type: object) -> str:
    """What kind of price it is: by the description, then by the category."""
    if "Calendar Mode" in description:
        return "capacity_block"
    if found := NOT_FOR_RENT.search(description):
        raise RowSkipped.out_of_scope(f"names {found[0]}")
    if COMMITMENT.match(description) or usage_type in ("Commit1Yr", "Commit3Yr"):
        years = re.search(r"for (\d) Years?\b", description)
        term = f"reserved_{years[1]}y" if years else {"Commit1Yr": "reserved_1y"}.get(str(usage_type), "reserved_3y")
        if term not in ("reserved_1y", "reserved_3y"):
            raise RowSkipped.out_of_scope(f"a commitment of {years[1] if years else '?'} years")
        return term
    if "DWS" in description:
        if re.search(r"DWS (Defined Duration|Flex[ -]?Start)", description):
            return "flex_start"
        raise RowSkipped.out_of_scope("an unknown mode of the Dynamic Workload Scheduler")
    if re.search(r"\b(Spot|Preemptible)\b", description) or usage_type == "Preemptible":
        return "spot"
    if usage_type != "OnDemand":
        raise RowSkipped.out_of_scope(f"usage type {str(usage_type)[:20]!r}")
    return "on_demand"


def _tpu(rows: Rows, sku: Mapping[str, Any], description: str, terms: str, regions: list[str]) -> None:
    """One offer a region for a TPU chip."""
    found = TPU_CHIP.search(description)
    if found is None:
        raise RowSkipped.unreadable(f"{description[:60]!r} names no TPU")
    version = (found[1] or found[2]).lower()
    if version in OLD_TPUS:
        raise RowSkipped.out_of_scope(f"TPU v{version}: a chip the register does not list")
    chip = rows.chip("TPU7x" if version.startswith("7") else f"TPU v{version}")
    chips = CHIPS_A_POD_PRICE.get(version, 1)
    if chips > 1 and "pod" not in description.lower():
        raise RowSkipped.unreadable(f"TPU v{version} not priced as a pod: by the chip, or by {chips}?")
    usd, listed = _usd(sku, rows.observed_at, {"h": 1.0})
    for region in regions:
        with rows.judging(f"{_key(sku, description)}|{region}"):
            rows.offer(
                offer_id=f"{_key(sku, description)}|{region}",
                network="google",
                segment="hyperscaler",
                chip=chip,
                accelerator_name=description,
                memory_gib=_memory_of().get(chip.accelerator or ""),
                usd_per_accelerator_hour=usd / chips,
                terms=terms,
                price_kind="list",
                region=region,
                listed_price=listed,
                listed_unit=f"USD per {f'{chips} chips' if chips > 1 else 'chip'} and hour",
                source_url=SERVICES_URL,
            )


def _slice(rows: Rows, sku: Mapping[str, Any], card: str, terms: str, regions: list[str]) -> None:
    """One offer a region for one GPU's share of a whole machine."""
    machine = SLICE_MACHINES.get(card)
    if machine is None:
        raise RowSkipped.unreadable(f"a slice of {card} is in no table of machines")
    usd, listed = _usd(sku, rows.observed_at, {"h": 1.0})
    for region in regions:
        with rows.judging(f"{_key(sku, machine)}|{region}"):
            _offer(rows, f"{_key(sku, machine)}|{region}", machine, terms, region, usd, listed, "USD per GPU and hour")


def _machines(rows: Rows, parts: _Parts) -> None:
    """Every machine whose parts all have a price, by terms and region."""
    shapes = machine_shapes().select("cloud", "instance_type", "vcpus", "memory_gib", "local_ssd_gib")
    for cloud, machine, vcpus, memory_gib, disk_gib in shapes.iter_rows():
        series = machine.rpartition("-")[0]
        if cloud != "google" or series not in HOSTS:
            continue
        for terms in parts.terms():
            _machine(rows, parts, machine, terms, vcpus, memory_gib, disk_gib)


def _machine(
    rows: Rows, parts: _Parts, machine: str, terms: str, vcpus: float, memory_gib: float, disk_gib: float
) -> None:
    """One machine on one kind of terms, in each region that prices its GPU."""
    series = machine.rpartition("-")[0]
    count = _chip_of()[machine][1]
    gpu = parts.of(f"{series} GPU", terms)
    if gpu and SMALL.fullmatch(machine) and terms not in TERMS_OF_SMALL:
        rows.skip(f"{machine}|{terms}", "out_of_scope", f"{machine} is sold on spot and flex-start only")
        return
    # Terms may leave the disks out; then they are paid for on demand.
    disk = {**parts.of("local disk", "on_demand"), **parts.of("local disk", terms)}
    needed = {
        "GPU": (float(count), gpu),
        "vCPU": (vcpus, parts.of(f"{HOSTS[series]} processors", terms)),
        "GiB": (memory_gib, parts.of(f"{HOSTS[series]} memory", terms)),
        **({"GiB of local disk": (disk_gib, disk)} if disk_gib else {}),
    }
    for region in sorted(gpu):
        with rows.judging(f"{machine}|{terms}|{region}"):
            usd, sums = 0.0, list[str]()
            for what, (pieces, prices) in needed.items():
                told = prices.get(region, set())
                if not told:
                    raise RowSkipped.out_of_scope(f"no price of its {what} there")
                if len(told) > 1:
                    raise RowSkipped.unreadable(f"{len(told)} prices of its {what}: {sorted(told)}")
                price = next(iter(told))
                usd += pieces * price
                sums.append(f"{pieces:g} x {what} {price:.6g}")
            listed = f"{usd:.6f}"
            unit = "USD per machine and hour, added up"
            _offer(rows, f"{machine}|{terms}|{region}", machine, terms, region, usd / count, listed, unit, sums)


def _offer(
    rows: Rows,
    offer_id: str,
    machine: str,
    terms: str,
    region: str,
    usd_per_accelerator_hour: float,
    listed: str,
    listed_unit: str,
    sums: list[str] | None = None,
) -> None:
    accelerator, count = _chip_of()[machine]
    notes = [NOT_BOOKABLE] if terms == "on_demand" and NOT_ON_DEMAND.match(machine) else []
    rows.offer(
        offer_id=offer_id,
        network="google",
        segment="hyperscaler",
        chip=Chip(accelerator, None),
        accelerator_name=machine,
        accelerator_count=count,
        memory_gib=_memory_of().get(accelerator),
        usd_per_accelerator_hour=usd_per_accelerator_hour,
        terms=terms,
        price_kind="list",
        region=region,
        machine_id=machine,
        listed_price=listed,
        listed_unit=listed_unit,
        source_url=SERVICES_URL,
        note="; ".join(notes + ([" + ".join(sums)] if sums else [])) or None,
    )


def _usd(sku: Mapping[str, Any], observed_at: datetime, units: Mapping[str, float]) -> tuple[float, str]:
    """USD per piece and hour, and the price as listed. `units` maps a unit to what turns it into that."""
    priced = sku.get("pricingInfo")
    if not isinstance(priced, list) or not priced:
        raise RowSkipped.unreadable("pricingInfo is no list of prices")
    info = checked_object(priced[0])
    starts = _moment(info.get("effectiveTime"))
    if starts is not None and starts > observed_at:
        raise RowSkipped.out_of_scope(f"holds from {starts:%Y-%m-%d}")
    expression = checked_object(info.get("pricingExpression"))
    unit, rates = expression.get("usageUnit"), expression.get("tieredRates")
    if not isinstance(unit, str) or unit not in units:
        raise RowSkipped.unreadable(f"usageUnit is {str(unit)[:20]!r}, expected {' or '.join(units)}")
    if not isinstance(rates, list) or len(rates) != 1:
        raise RowSkipped.unreadable("tieredRates is no list of one rate")
    price = checked_object(checked_object(rates[0]).get("unitPrice"))
    if price.get("currencyCode") != "USD":
        raise RowSkipped.unreadable(f"currencyCode is {str(price.get('currencyCode'))[:20]!r}, expected 'USD'")
    units_usd = checked_whole(price.get("units"), "units", text=True) or 0
    usd = (units_usd * NANOS + (checked_whole(price.get("nanos"), "nanos") or 0)) / NANOS
    return checked_price(usd, "the price") * units[unit], f"{usd:.9f}"


@cache
def _chip_of() -> Mapping[str, tuple[str, int]]:
    table = instances().select("cloud", "instance_type", "accelerator", "accelerator_count")
    return {machine: (chip, int(count)) for cloud, machine, chip, count in table.iter_rows() if cloud == "google"}


@cache
def _memory_of() -> Mapping[str, float | None]:
    return dict(accelerators().select("accelerator", "memory_gib").iter_rows())


def _key(sku: object, fallback: str) -> str:
    value = sku.get("skuId") if isinstance(sku, Mapping) else None
    return value if isinstance(value, str) and value else fallback


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


FETCHER = Fetcher(
    name="google",
    title="Google Cloud Billing Catalog",
    kind="cloud",
    gives="list, spot, flex-start and commitment prices of GPU machines and TPU chips by region",
    terms="Google Cloud's terms of service; asked for at run time, never shipped",
    networks=("google",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    key_variable="GOOGLE_CLOUD_API_KEY",
    time_budget_seconds=240.0,
)
