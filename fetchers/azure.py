"""Azure: list, spot, reservation and savings-plan prices of virtual machines with accelerators.

Endpoint: GET https://prices.azure.com/api/retail/prices, no key; one walk over all regions for each of the
series ND, NC and NV.
Price includes: the whole machine with its processors and memory, Linux; disks and traffic come on top. USD.
Traps: Windows rows are told by " Win" in the product's name only; Low Priority, Dedicated and Cloud Services
rows stand beside the machines; a reservation's price is of the whole term although its unit says "1 Hour";
savings plans hide inside rows; the link to the next page names port 443 and may be null, empty or absent, and
the last page may be full; the answer says ``type`` where the filter says ``priceType``; some machines have a
sixth of a card. Match armSkuName, never meterName. Maia: nothing to rent was public when this was written.
Seen: 2026-09.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from depin_compare.errors import SourceError
from depin_compare.refdata import accelerators, instances
from depin_compare.units import HOURS_PER_YEAR
from fetchers.contract import (
    Chip,
    Fetcher,
    FetchResult,
    Recording,
    Rows,
    RowSkipped,
    checked_number,
    checked_text,
    fetch_result,
    recording,
)
from fetchers.http import NO_ANSWER, REFUSED, Answer, SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "prices.azure.com"
PRICES_URL = f"https://{HOST}/api/retail/prices"
API_VERSION = "2023-01-01-preview"  # the only one that tells savings plans; its values are case sensitive
SERIES = ("Standard_ND", "Standard_NC", "Standard_NV")
# One series has some thousand rows, of which a page holds 1,000 (100 in older versions).
MAX_PAGES = 200

WINDOWS = re.compile(r"\bWin(dows)?\b")
OTHER_PRODUCTS = re.compile(r"Dedicated|Cloud ?Services")
ACCELERATED = re.compile(r"^Standard_N[CDGV]")
# Series of chips the register does not list: K80, P100, P40, M60, MI25, V620, V710.
OLD_SERIES = re.compile(
    r"^Standard_(NC\d+r?(_Promo)?|NC\d+r?s_v2(_Promo)?|ND\d+r?s|NV\d+(_Promo)?|NV\d+h?s_v[23]|NV\d+as_v4|NG\d+.*|NV\d+ad[mls]*_V710_v5)$"
)
TERM_HOURS = {"1 Year": HOURS_PER_YEAR, "3 Years": 3 * HOURS_PER_YEAR}
RESERVED = {"1 Year": "reserved_1y", "3 Years": "reserved_3y"}
SAVINGS = {"1 Year": "savings_1y", "3 Years": "savings_3y"}


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Walk the pages of each series; a page that fails ends its series and is told by `parse`."""
    answers: list[Answer] = []
    for series in SERIES:
        name, seen = f"prices/{series}", set[str]()
        params = {
            "api-version": API_VERSION,
            "$filter": f"serviceName eq 'Virtual Machines' and contains(armSkuName, '{series}')",
        }
        answer = session.try_answer(name, PRICES_URL, params=params)
        answers.append(answer)
        while (link := _next_link(answer)) is not None:
            if link in seen or len(seen) >= MAX_PAGES:
                cause = f"{'the same page again' if link in seen else 'more than'} after {len(seen)} pages"
                answers.append(Answer(name=name, url=PRICES_URL, status=REFUSED, body=cause.encode()))
                break
            seen.add(link)
            answer = session.try_answer(name, link)
            answers.append(answer)
    return recording("azure", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Offers of every page that could be read; a `SourceError` when none could, or the rows have changed."""
    rows = Rows("azure", observed_at)
    failures: list[SourceError] = []
    for answer in recording.answers:
        try:
            items = recording.items(answer, "Items")
        except SourceError as error:
            failures.append(error)
            rows.problems.append(f"{answer.name}: {error}")
            continue
        for number, item in enumerate(items):
            _row(rows, item, f"{answer.name}[{number}]")
    if failures and len(failures) == len(recording.answers):
        raise SourceError(
            "azure",
            PRICES_URL,
            seen="; ".join(dict.fromkeys(error.seen for error in failures)),
            expected="pages of prices",
            unreachable=all(error.unreachable for error in failures),
        )
    where = f"{PRICES_URL} $.Items"
    rows.check_readable(where)
    rows.check_offers(where)
    return fetch_result(rows)


def _next_link(answer: Answer) -> str | None:
    """The link to the next page; None when there is none, or the page can't be read."""
    if answer.status in (NO_ANSWER, REFUSED):
        return None
    try:
        document = Recording(source="azure", recorded_at=datetime.now(UTC), answers=()).json(answer)
    except SourceError:
        return None
    link = document.get("NextPageLink") if isinstance(document, Mapping) else None
    return link if isinstance(link, str) and link else None


def _row(rows: Rows, item: Any, fallback_id: str) -> None:
    """Judge one row; it gives one offer, and one more for each savings plan inside."""
    row_id = _key(item) if isinstance(item, Mapping) else fallback_id
    with rows.judging(row_id):
        if not isinstance(item, Mapping):
            raise RowSkipped.unreadable("the row is no object")
        sku, terms = _sku(item), _terms(item, rows.observed_at)
        machine = (sku, *_machine(sku))
        if item.get("currencyCode") != "USD":
            raise RowSkipped.unreadable(f"currencyCode is {item.get('currencyCode')!r}, expected 'USD'")
        price = _price(item.get("retailPrice"), "retailPrice")
        hours = TERM_HOURS[str(item["reservationTerm"])] if terms.startswith("reserved") else 1.0
        _offer(rows, item, row_id, machine, price / hours, terms, item["retailPrice"])
        plans = item.get("savingsPlan")
        for plan in plans if isinstance(plans, list) and terms == "on_demand" else ():
            term = plan.get("term") if isinstance(plan, Mapping) else None
            with rows.judging(f"{row_id}|savings {term}"):
                if term not in SAVINGS:
                    raise RowSkipped.out_of_scope(f"a savings plan of {term}")
                usd = _price(plan.get("unitPrice"), "savingsPlan.unitPrice")
                _offer(rows, item, f"{row_id}|savings {term}", machine, usd, SAVINGS[term], plan["unitPrice"])


def _offer(
    rows: Rows,
    item: Mapping[str, Any],
    offer_id: str,
    machine: tuple[str, str, int],
    usd_per_hour: float,
    terms: str,
    listed: object,
) -> None:
    sku, accelerator, count = machine
    whole_term = terms.startswith("reserved")
    rows.offer(
        offer_id=offer_id,
        network="azure",
        segment="hyperscaler",
        chip=Chip(accelerator, None),
        accelerator_name=sku,
        accelerator_count=count,
        memory_gib=_memory_of().get(accelerator),
        usd_per_accelerator_hour=usd_per_hour / count,
        terms=terms,
        tier="confidential" if sku.startswith("Standard_NCC") else None,
        price_kind="list",
        region=str(item.get("armRegionName") or "").lower() or None,
        machine_id=sku,
        listed_price=str(listed),
        listed_unit=f"USD per machine and {item['reservationTerm'] if whole_term else 'hour'}",
        source_url=PRICES_URL,
    )


def _sku(item: Mapping[str, Any]) -> str:
    """The machine's name, once the row is known to be a Linux machine by the hour."""
    if "Maia" in " ".join(str(item.get(key)) for key in ("armSkuName", "productName", "meterName", "skuName")):
        raise RowSkipped.out_of_scope("names Maia: nothing to rent was public when this was written; needs a look")
    if item.get("serviceName") != "Virtual Machines":
        raise RowSkipped.out_of_scope(f"service {item.get('serviceName')!r}")
    product = checked_text(item.get("productName"), "productName")
    if WINDOWS.search(product):
        raise RowSkipped.out_of_scope("Windows")
    if OTHER_PRODUCTS.search(product):
        raise RowSkipped.out_of_scope("a dedicated host or a cloud service")
    if item.get("unitOfMeasure") != "1 Hour":
        raise RowSkipped.out_of_scope(f"unit {item.get('unitOfMeasure')!r}")
    sku = str(item.get("armSkuName") or "")
    if not ACCELERATED.match(sku):
        raise RowSkipped.out_of_scope(f"no accelerator in {sku or 'a row without a machine'}")
    return sku


def _terms(item: Mapping[str, Any], observed_at: datetime) -> str:
    """What kind of price the row tells."""
    kind = item.get("type")
    if kind == "DevTestConsumption":
        raise RowSkipped.out_of_scope("a price for development and test")
    starts = _moment(item.get("effectiveStartDate"))
    if starts is not None and starts > observed_at:
        raise RowSkipped.out_of_scope(f"holds from {starts:%Y-%m-%d}")
    if kind == "Reservation":
        term = str(item.get("reservationTerm"))
        if term not in RESERVED:
            raise RowSkipped.out_of_scope(f"a reservation of {term}")
        return RESERVED[term]
    if kind != "Consumption":
        raise RowSkipped.unreadable(f"type is {str(kind)[:40]!r}, expected Consumption or Reservation")
    names = f"{item.get('meterName')} {item.get('skuName')}"
    if "Low Priority" in names:
        raise RowSkipped.out_of_scope("low priority, a product withdrawn")
    return "spot" if "Spot" in names else "on_demand"


def _machine(sku: str) -> tuple[str, int]:
    """Which chip, and how many."""
    found = _machines().get(sku.casefold())
    if found is None:
        if OLD_SERIES.match(sku):
            raise RowSkipped.out_of_scope(f"{sku}: a chip the register does not list")
        raise RowSkipped.unreadable(f"{sku} is in no table of machines")
    accelerator, count = found
    if count != int(count):
        raise RowSkipped.out_of_scope(f"{sku} has a fraction of a card")
    return accelerator, int(count)


@cache
def _machines() -> Mapping[str, tuple[str, float]]:
    table = instances()
    return {
        instance_type.casefold(): (accelerator, count)
        for cloud, instance_type, accelerator, count in table.select(
            "cloud", "instance_type", "accelerator", "accelerator_count"
        ).iter_rows()
        if cloud == "azure"
    }


@cache
def _memory_of() -> Mapping[str, float | None]:
    return dict(accelerators().select("accelerator", "memory_gib").iter_rows())


def _key(item: Mapping[str, Any]) -> str:
    parts = ("skuId", "meterId", "type", "reservationTerm", "armRegionName")
    return "|".join(str(item.get(part) or "-") for part in parts)


def _price(value: object, what: str) -> float:
    price = checked_number(value, what)
    if price is None or price <= 0:
        raise RowSkipped.unreadable(f"{what} is {price}, expected more than 0")
    return price


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


FETCHER = Fetcher(
    name="azure",
    title="Azure Retail Prices",
    kind="cloud",
    gives="list, spot, reservation and savings-plan prices by machine and region",
    terms="Microsoft's terms of use; asked for at run time, never shipped",
    networks=("azure",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=240.0,
)
