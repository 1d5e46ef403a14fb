"""AWS: on-demand, spot and Capacity Block prices of machines with accelerators, and how often spot is taken back.

Endpoint: GET https://b0.p.awsstatic.com/pricing/2.0/meteredUnitMaps/ec2/USD/current/ec2-ondemand-without-sec-sel/
(location)/Linux/index.json for each of `LOCATIONS`; https://website.spot.ec2.aws.a2z.com/spot.json;
https://spot-bid-advisor.s3.amazonaws.com/spot-advisor-data.json; the Capacity Block list as JSON, which a third
party keeps at raw.githubusercontent.com/koyakimu/ec2-capacity-blocks-for-ml-pricing-json. No key; each may fail
alone. Another way, not asked here: the price list at https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/,
some hundred MB a region, whose product key is the first part of our ``rateCode``. Savings plans stand only there.
Price includes: the whole machine with its processors, memory and local disks, Linux; traffic comes on top. USD.
Traps: the on-demand files are gzip without a header that says so; Europe is spelled "EU (...)" in them, and a
wrong spelling is HTTP 404, which never means "no machines there"; their rows name no accelerator, and Trainium
and Inferentia count as none elsewhere; spot prices are texts, "N/A*" or 0 where nothing is offered; local zones
stand beside the regions, me-* regions are absent, old regional names may come back; the band of interruptions
is an index into a table of the same file; old Capacity Block lists put the rate of one accelerator into
``hourly_rate_usd`` of UltraServers; p5e and trn2 have no on-demand row; g6f and gr6f have a part of a card.
Terms: AWS's site terms; the Capacity Block list states no licence and is asked at run time, never shipped.
Seen: 2026-10 (on demand, spot), 2026-07 (Capacity Blocks).
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from depin_compare.errors import SourceError
from depin_compare.refdata import accelerators, instances
from fetchers.contract import (
    MAX_UNREADABLE_SHARE,
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
)
from fetchers.http import MAX_BODY_BYTES, SourceSession

__all__ = ["FETCHER", "LOCATIONS", "fetch", "on_demand_url", "parse"]

LIST_HOST, SPOT_HOST = "b0.p.awsstatic.com", "website.spot.ec2.aws.a2z.com"
ADVISOR_HOST, MIRROR_HOST = "spot-bid-advisor.s3.amazonaws.com", "raw.githubusercontent.com"
LIST_URL = f"https://{LIST_HOST}/pricing/2.0/meteredUnitMaps/ec2/USD/current/ec2-ondemand-without-sec-sel"
SPOT_URL = f"https://{SPOT_HOST}/spot.json"
ADVISOR_URL = f"https://{ADVISOR_HOST}/spot-advisor-data.json"
BLOCKS_URL = f"https://{MIRROR_HOST}/koyakimu/ec2-capacity-blocks-for-ml-pricing-json/refs/heads/main/data/pricing.json"

# Regions whose on-demand list is asked, as that list spells them: those that lend large accelerators.
LOCATIONS: Mapping[str, str] = MappingProxyType(
    {
        "us-east-1": "US East (N. Virginia)",
        "us-east-2": "US East (Ohio)",
        "us-west-1": "US West (N. California)",
        "us-west-2": "US West (Oregon)",
        "ca-central-1": "Canada (Central)",
        "sa-east-1": "South America (Sao Paulo)",
        "eu-central-1": "EU (Frankfurt)",
        "eu-central-2": "EU (Zurich)",
        "eu-north-1": "EU (Stockholm)",
        "eu-south-2": "EU (Spain)",
        "eu-west-1": "EU (Ireland)",
        "eu-west-2": "EU (London)",
        "ap-northeast-1": "Asia Pacific (Tokyo)",
        "ap-northeast-2": "Asia Pacific (Seoul)",
        "ap-south-1": "Asia Pacific (Mumbai)",
        "ap-southeast-1": "Asia Pacific (Singapore)",
        "ap-southeast-2": "Asia Pacific (Sydney)",
        "ap-southeast-3": "Asia Pacific (Jakarta)",
    }
)
# Names of regions in the spot feed's predecessor.
ALIASES = MappingProxyType(
    {
        "us-east": "us-east-1",
        "us-west": "us-west-1",
        "eu-ireland": "eu-west-1",
        "eu-frankfurt": "eu-central-1",
        "apac-sin": "ap-southeast-1",
        "apac-syd": "ap-southeast-2",
        "apac-tokyo": "ap-northeast-1",
    }
)
REGION = re.compile(r"([a-z]{2}(?:-[a-z]+)+-\d)(-[a-z0-9-]+)?")

ACCELERATED = re.compile(r"(?:p|g|gr|trn|inf|dl|u-p)\d")
ACCELERATED_FAMILIES = ("GPU instance", "Machine Learning ASIC Instances")
# Chips the register does not list: K80, K520, M60, Radeon Pro V520, T4G, Inferentia1, Gaudi 1, Cloud AI 100.
OLD_FAMILIES = re.compile(r"(?:p2|g2|g3s?|g4ad|g5g|inf1|dl1|dl2q)\.")
NO_SOFTWARE = (None, "", "NA")

GZIP_HEAD = b"\x1f\x8b"
# The Capacity Block list is scraped monthly; from this snapshot on, UltraServers carry the price of the whole.
STALE_DAYS = 75
WHOLE_SERVER_SINCE = "2026-07-22"
WHOLE, EACH = "hourly_rate_usd", "accelerator_hourly_rate_usd"
RATE_TOLERANCE = 0.01


def on_demand_url(location: str) -> str:
    """Address of the on-demand list of one location."""
    return f"{LIST_URL}/{quote(location, safe='()')}/Linux/index.json"


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask the list of each location, the spot feed, its advisor and the Capacity Blocks; any may fail alone."""
    answers = [session.try_answer(f"on-demand/{code}", on_demand_url(name)) for code, name in LOCATIONS.items()]
    answers.append(session.try_answer("spot", SPOT_URL))
    answers.append(session.try_answer("spot-advisor", ADVISOR_URL))
    answers.append(session.try_answer("capacity-blocks", BLOCKS_URL))
    return recording("aws", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Offers of every list that could be read; a list that failed is a problem and costs no other."""
    total, failures = Rows("aws", observed_at), list[SourceError]()
    parts: dict[str, Callable[[Rows, Recording], None]] = {
        **{f"on-demand/{code}": partial(_on_demand, region=code) for code in LOCATIONS},
        "spot": _spot,
        "spot-advisor": _advisor,
        "capacity-blocks": _blocks,
    }
    for name, read in parts.items():
        rows = Rows("aws", observed_at)
        try:
            read(rows, recording)
        except SourceError as error:
            failures.append(error)
            total.problems.append(f"{name}: {error}")
            total.skipped += rows.skipped
        else:
            total.add(rows)
    if not total.offers:
        raise SourceError(
            "aws",
            LIST_URL,
            seen="; ".join(dict.fromkeys(error.seen for error in failures))[:600] or "no offer at all",
            expected="at least one list of prices",
            unreachable=bool(failures) and all(error.unreachable for error in failures),
        )
    return fetch_result(total)


def _on_demand(rows: Rows, recording: Recording, *, region: str) -> None:
    """The on-demand list of one region; its machines name no accelerator, our own table does."""
    location, name = LOCATIONS[region], f"on-demand/{region}"
    answer = recording.answer(name)
    if answer.status == 404:
        raise SourceError(
            "aws",
            answer.url,
            seen="HTTP 404",
            expected=f"the list of {location}, perhaps spelled otherwise now: nothing is known of {region}",
        )
    document = _document(recording, name)
    manifest = _member(document, answer.url, "manifest")
    if manifest.get("currencyCode") != "USD":
        seen = _short(manifest.get("currencyCode"))
        raise SourceError("aws", f"{answer.url} $.manifest.currencyCode", seen=seen, expected="'USD'")
    published = _day(manifest.get("hawkFilePublicationDate"))
    others = 0
    for key, row in _member(document, answer.url, "regions", location).items():
        machine = row.get("Instance Type") if isinstance(row, Mapping) else None
        if isinstance(machine, str) and not (
            ACCELERATED.match(machine) or row.get("Instance Family") in ACCELERATED_FAMILIES
        ):
            others += 1
            continue
        with rows.judging(f"{name}/{key}"):
            row = checked_object(row)
            machine = checked_text(machine, "Instance Type")
            if row.get("Location", location) != location:
                raise RowSkipped.unreadable(f"Location is {_short(row['Location'])}, expected {location!r}")
            if row.get("Operating System") != "Linux":
                raise RowSkipped.out_of_scope(f"operating system {_short(row.get('Operating System'))}")
            if row.get("Pre Installed S/W") not in NO_SOFTWARE:
                raise RowSkipped.out_of_scope(f"with software: {_short(row['Pre Installed S/W'])}")
            chip, count = _machine(machine)
            _offer(
                rows,
                f"on_demand:{region}:{machine}",
                machine,
                chip,
                count,
                region,
                usd_per_machine_hour=_price(row.get("price"), "price"),
                listed=row["price"],
                terms="on_demand",
                source_url=answer.url,
                note=f"list of {published:%Y-%m-%d}" if published else "list without a date",
            )
    _tell_others(rows, name, others)
    where = f"{answer.url} $.regions"
    rows.check_readable(where)
    rows.check_offers(where)


def _spot(rows: Rows, recording: Recording) -> None:
    """The spot feed: one price a machine and region or local zone, that of its cheapest zone."""
    config = _member(_document(recording, "spot"), SPOT_URL, "config")
    currencies = config.get("currencies")
    if config.get("rate") != "perhr" or not isinstance(currencies, list) or "USD" not in currencies:
        seen = f"rate {_short(config.get('rate'))}, currencies {_short(currencies)}"
        raise SourceError("aws", f"{SPOT_URL} $.config", seen=seen, expected="'perhr' and USD")
    others = 0
    for number, listed in enumerate(_members(config, SPOT_URL, "regions")):
        told = listed.get("region") if isinstance(listed, Mapping) else None
        with rows.judging(f"spot/{told if isinstance(told, str) else f'#{number}'}"):
            region = _region(told)
            for group in _list(listed, "instanceTypes"):
                for size in _list(group, "sizes"):
                    machine = size.get("size") if isinstance(size, Mapping) else None
                    if isinstance(machine, str) and not ACCELERATED.match(machine):
                        others += 1
                        continue
                    with rows.judging(f"spot/{region}/{machine}"):
                        _spot_offer(rows, checked_object(size), checked_text(machine, "size"), region)
    _tell_others(rows, "spot", others)
    where = f"{SPOT_URL} $.config.regions"
    rows.check_readable(where)
    rows.check_offers(where)


def _spot_offer(rows: Rows, size: Mapping[str, Any], machine: str, region: str) -> None:
    chip, count = _machine(machine)
    columns = [checked_object(column) for column in _list(size, "valueColumns")]
    prices = next((checked_object(column.get("prices")) for column in columns if column.get("name") == "linux"), None)
    if prices is None:
        raise RowSkipped.out_of_scope("no price for Linux")
    _offer(
        rows,
        f"spot:{region}:{machine}",
        machine,
        chip,
        count,
        region,
        usd_per_machine_hour=_price(prices.get("USD"), "prices.USD"),
        listed=prices["USD"],
        terms="spot",
        source_url=SPOT_URL,
        note="of the cheapest zone, as it seems",
    )


def _advisor(rows: Rows, recording: Recording) -> None:
    """How much spot capacity was taken back in the last month: the worst band of a chip's machines in a region."""
    document = _document(recording, "spot-advisor")
    bands = _bands(document)
    worst: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    read, others = 0, 0
    for region, systems in _member(document, ADVISOR_URL, "spot_advisor").items():
        with rows.judging(f"spot-advisor/{region}"):
            region = _region(region)
            for machine, told in checked_object(checked_object(systems).get("Linux", {})).items():
                if not ACCELERATED.match(machine):
                    others += 1
                    continue
                with rows.judging(f"spot-advisor/{region}/{machine}"):
                    chip, _ = _machine(machine)
                    index = checked_whole(checked_object(told).get("r"), "r")
                    if index is None or index not in bands:
                        raise RowSkipped.unreadable(f"r is {index}, expected one of {', '.join(map(str, bands))}")
                    worst[str(chip.accelerator), region].append((index, machine))
                    read += 1
    _tell_others(rows, "spot-advisor", others)
    bad = [row for row in rows.skipped if row["kind"] == "unreadable"]
    if not read or len(bad) > MAX_UNREADABLE_SHARE * (read + len(bad)):
        seen = f"{read} machines and {len(bad)} unreadable" + (f", such as {bad[0]['reason'][:240]}" if bad else "")
        raise SourceError("aws", f"{ADVISOR_URL} $.spot_advisor", seen=seen, expected="bands of interruptions")
    for (accelerator, region), machines in sorted(worst.items()):
        index = max(machines)[0]
        low, high, _ = bands[index]
        note = ", ".join(f"{machine} {bands[band][2]}" for band, machine in sorted(machines, reverse=True))
        for metric, value in (("spot_interruption_low", low), ("spot_interruption_high", high)):
            rows.fact(
                network="aws",
                metric=metric,
                subject=f"{accelerator}/{region}",
                value=value,
                unit="fraction of spot machines in a month",
                source_url=ADVISOR_URL,
                note=f"{note}; republished every few months",
            )


def _bands(document: Any) -> dict[int, tuple[float, float, str]]:
    """Index -> ends of the band and its label: ``"5-10%"`` -> (0.05, 0.10, "5-10%")."""
    bands: dict[int, tuple[float, float, str]] = {}
    for row in _members(document, ADVISOR_URL, "ranges"):
        label = str(row.get("label") if isinstance(row, Mapping) else row)[:20]
        ends = re.fullmatch(r"(?:<(\d+)|(\d+)-(\d+)|>(\d+))%", label)
        index = row.get("index") if isinstance(row, Mapping) else None
        low, high = (int(ends[2] or ends[4] or 0), int(ends[1] or ends[3] or 100)) if ends else (0, 0)
        if not 0 <= low < high <= 100 or isinstance(index, bool) or not isinstance(index, int):
            seen = f"index {_short(index)}, label {label!r}"
            raise SourceError("aws", f"{ADVISOR_URL} $.ranges", seen=seen, expected="an index and a band of percents")
        bands[index] = (low / 100, high / 100, label)
    return bands


def _blocks(rows: Rows, recording: Recording) -> None:
    """Capacity Blocks: accelerators reserved by the day, some weeks ahead."""
    document = _document(recording, "capacity-blocks")
    updated = _day(_member(document, BLOCKS_URL, "metadata").get("last_updated"))
    if updated is None or (rows.observed_at - updated).days > STALE_DAYS:
        rows.problems.append(
            f"capacity-blocks: the list is of {updated:%Y-%m-%d}"
            if updated
            else "capacity-blocks: a list without a date"
        )
    for machine, listed in _member(document, BLOCKS_URL, "instance_types").items():
        with rows.judging(f"capacity-blocks/{machine}"):
            listed = checked_object(listed)
            chip, count = _block_machine(rows, machine, listed)
            for number, row in enumerate(_list(listed, "pricing")):
                with rows.judging(f"capacity-blocks/{machine}/#{number}"):
                    row = checked_object(row)
                    place = " ".join(checked_text(row.get("region"), "region").split())
                    code = row.get("region_code")
                    region = code if isinstance(code, str) and REGION.fullmatch(code) else None
                    usd, field, priced = _block_price(row, machine, count, updated)
                    _offer(
                        rows,
                        f"capacity_block:{region or place}:{machine}",
                        machine,
                        chip,
                        count,
                        region,
                        usd_per_machine_hour=usd,
                        listed=row[field],
                        listed_unit=f"USD per {priced} and hour",
                        terms="capacity_block",
                        source_url=BLOCKS_URL,
                        kind="third_party",
                        note=f"{place}; as a third party read AWS's page",
                        observed_at=updated,
                    )
    where = f"{BLOCKS_URL} $.instance_types"
    rows.check_readable(where)
    rows.check_offers(where)


def _block_machine(rows: Rows, machine: str, listed: Mapping[str, Any]) -> tuple[Chip, int]:
    """Chip and count by our table; by the list itself for a server our table does not have."""
    told = checked_whole(listed.get("accelerator_count"), "accelerator_count")
    if machine.casefold() not in _machines():
        if not told:
            raise RowSkipped.unreadable(f"{machine} is in no table of machines and names no accelerator_count")
        return rows.chip(checked_text(listed.get("accelerator_type"), "accelerator_type")), told
    chip, count = _machine(machine)
    if told and told != count:
        raise RowSkipped.unreadable(f"{machine} has {count} accelerators, the list says {told}")
    return chip, count


def _block_price(row: Mapping[str, Any], machine: str, count: int, updated: datetime | None) -> tuple[float, str, str]:
    """USD per machine and hour, the field it was read from and what that field prices.

    The rates of the machine and of one accelerator must agree where both are told.
    """
    whole, each = _rate(row.get(WHOLE)), _rate(row.get(EACH))
    if not whole and not each:
        raise RowSkipped.out_of_scope("unpriced")
    if whole and each == 0:
        if not machine.startswith("u-") or updated is None or f"{updated:%Y-%m-%d}" >= WHOLE_SERVER_SINCE:
            raise RowSkipped.unreadable(f"{whole:g} USD with an accelerator's rate of 0: which of the two is it?")
        return whole * count, WHOLE, "accelerator"
    if whole and each and abs(whole / count / each - 1) > RATE_TOLERANCE:
        raise RowSkipped.unreadable(f"{whole:g} USD for {count} accelerators, {each:g} USD for one")
    if whole:
        return whole, WHOLE, "machine"
    return (each or 0.0) * count, EACH, "accelerator"


def _rate(value: object) -> float | None:
    """A rate of the Capacity Block list; None where it says "N/A"."""
    if isinstance(value, str) and value.strip().upper().startswith("N/A"):
        return None
    return checked_number(value, "the rate", text=True)


def _offer(
    rows: Rows,
    offer_id: str,
    machine: str,
    chip: Chip,
    count: int,
    region: str | None,
    *,
    usd_per_machine_hour: float,
    listed: object,
    terms: str,
    source_url: str,
    note: str,
    listed_unit: str = "USD per machine and hour",
    kind: str | None = None,
    observed_at: datetime | None = None,
) -> None:
    zone = REGION.fullmatch(region or "")
    local = zone[2] if zone else None
    rows.offer(
        offer_id=offer_id,
        network="aws",
        segment="hyperscaler",
        chip=chip,
        accelerator_name=machine,
        accelerator_count=count,
        memory_gib=_memory_of().get(chip.accelerator or ""),
        usd_per_accelerator_hour=usd_per_machine_hour / count,
        terms=terms,
        tier=None if local is None else "wavelength_zone" if "-wl" in local else "local_zone",
        price_kind="list",
        region=region,
        machine_id=machine,
        listed_price=str(listed),
        listed_unit=listed_unit,
        source_url=source_url,
        kind=kind,
        note=note,
        observed_at=observed_at,
    )


def _machine(machine: str) -> tuple[Chip, int]:
    """Which chip, and how many."""
    found = _machines().get(machine.casefold())
    if found is None:
        if OLD_FAMILIES.match(machine):
            raise RowSkipped.out_of_scope(f"{machine}: a chip the register does not list")
        raise RowSkipped.unreadable(f"{machine} is in no table of machines")
    accelerator, count = found
    if count != int(count):
        raise RowSkipped.out_of_scope(f"{machine} has a fraction of a card")
    return Chip(accelerator, None), int(count)


@cache
def _machines() -> Mapping[str, tuple[str, float]]:
    table = instances().select("cloud", "instance_type", "accelerator", "accelerator_count")
    return {machine.casefold(): (chip, count) for cloud, machine, chip, count in table.iter_rows() if cloud == "aws"}


@cache
def _memory_of() -> Mapping[str, float | None]:
    return dict(accelerators().select("accelerator", "memory_gib").iter_rows())


def _document(recording: Recording, name: str) -> Any:
    """The JSON of one answer, which may be gzip although no header said so."""
    answer = recording.answer(name)
    if answer.status == 200 and answer.body.startswith(GZIP_HEAD):
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            body = unpacker.decompress(answer.body, MAX_BODY_BYTES)
        except zlib.error as error:
            raise SourceError("aws", answer.url, seen=f"gzip that can't be read ({error})", expected="JSON") from error
        if not unpacker.eof:
            raise SourceError("aws", answer.url, seen="gzip that breaks off or is too large", expected="JSON")
        answer = replace(answer, body=body)
    return recording.json(answer)


def _member(document: Any, where: str, *path: str) -> Mapping[str, Any]:
    """The object at `path`, or a `SourceError` that names the path."""
    node, place = document, "$"
    for step in path:
        if not isinstance(node, Mapping) or step not in node:
            keys = ", ".join(sorted(map(str, node))[:8]) if isinstance(node, Mapping) else _short(node)
            raise SourceError("aws", f"{where} {place}", seen=keys or "no key", expected=f"a key {step!r}")
        node, place = node[step], f"{place}.{step}"
    if not isinstance(node, Mapping):
        raise SourceError("aws", f"{where} {place}", seen=_short(node), expected="an object")
    return node


def _members(document: Any, where: str, key: str) -> list[Any]:
    node = document.get(key) if isinstance(document, Mapping) else None
    if not isinstance(node, list):
        raise SourceError("aws", f"{where} {key}", seen=_short(node), expected="a list")
    return node


def _list(row: object, key: str) -> list[Any]:
    node = checked_object(row).get(key)
    if not isinstance(node, list):
        raise RowSkipped.unreadable(f"{key} is {_short(node)}, expected a list")
    return node


def _region(told: object) -> str:
    """The region's present code; local zones keep their own."""
    code = ALIASES.get(told, told) if isinstance(told, str) else ""
    if not REGION.fullmatch(code):
        raise RowSkipped.unreadable(f"region {_short(told)} is in no table of regions")
    return code


def _price(value: object, what: str) -> float:
    """USD per machine and hour, told as a text; "N/A*" and 0 mean that nothing is offered."""
    if isinstance(value, str) and value.startswith("N/A"):
        raise RowSkipped.out_of_scope(f"not offered ({what} is {value[:20]})")
    return checked_price(value, what, text=True)


def _tell_others(rows: Rows, where: str, others: int) -> None:
    """One row for all machines without an accelerator: there are some fifty thousand of them."""
    if others:
        rows.skip(where, "out_of_scope", f"{others} {'machine' if others == 1 else 'machines'} without an accelerator")


def _day(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _short(value: object) -> str:
    """What a value is, for a reason or an error: never a whole payload."""
    return f"a {type(value).__name__} of {len(value)}" if isinstance(value, dict | list) else repr(value)[:40]


FETCHER = Fetcher(
    name="aws",
    title="Amazon EC2 price lists",
    kind="cloud",
    gives="on-demand, spot and Capacity Block prices by machine and region, spot interruptions",
    terms="AWS's site terms; the Capacity Block list is a third party's without a licence: asked for, never shipped",
    networks=("aws",),
    hosts=(LIST_HOST, SPOT_HOST, ADVISOR_HOST, MIRROR_HOST),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=180.0,
    min_pause_seconds=0.1,
)
