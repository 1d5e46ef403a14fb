"""Salad: the rate card of its GPU classes by priority, and the demand that its hosts see.

Endpoint: GET https://api.salad.com/api/public/organizations/{organization}/gpu-classes with a key, for the
organisation named in SALAD_ORGANIZATION; GET https://app-api.salad.com/api/v2/demand-monitor/gpu, never with
the key, which may fail alone.
Price includes: processor and memory since the billing page of 2026-04; before, they came on top.
Traps: a price is a text, one for each priority; batch may be cut off at any time, as spot; a secure class is a
cluster, priced whole; anything but id, name and prices may be missing; earningRates of the demand monitor are
what hosts get, not a price; utilizationPct is a percentage.
Seen: 2026-06.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

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
    fetch_result,
    recording,
)
from fetchers.http import SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "api.salad.com"
HOSTS_SIDE = "app-api.salad.com"
CLASSES_URL = f"https://{HOST}/api/public/organizations/{{organization}}/gpu-classes"
DEMAND_URL = f"https://{HOSTS_SIDE}/api/v2/demand-monitor/gpu"
ORGANIZATION_VARIABLE = "SALAD_ORGANIZATION"

TERMS = {"high": "on_demand", "medium": "on_demand", "low": "on_demand", "batch": "spot"}


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for the classes with the key and for the demand without; the recording names no organisation."""
    organization = os.environ.get(ORGANIZATION_VARIABLE)
    if not organization:
        raise SourceError(
            "salad", ORGANIZATION_VARIABLE, seen="nothing in the environment", expected="your organisation at Salad"
        )
    url = CLASSES_URL.format(organization=quote(organization, safe=""))
    headers = {"Salad-Api-Key": session.key} if session.key else {}
    classes = session.try_answer("gpu-classes", url, headers=headers)
    answers = [replace(classes, url=CLASSES_URL), session.try_answer("demand", DEMAND_URL)]
    return recording("salad", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Offers of every class and priority; utilisation and earnings of the hosts as facts."""
    rows = Rows("salad", observed_at)
    for number, item in enumerate(recording.items(recording.answer("gpu-classes"), "items")):
        row_id = _row_id(item, number)
        with rows.judging(row_id):
            _class(rows, item, row_id)
    where = f"{CLASSES_URL} $.items"
    rows.check_readable(where)
    rows.check_offers(where)
    demand = Rows("salad", observed_at)
    try:
        for number, item in enumerate(recording.items(recording.answer("demand"))):
            with demand.judging(f"demand/{number}"):
                _demand(demand, item)
    except SourceError as error:
        rows.problems.append(f"no demand: {error}")
    rows.add(demand)
    return fetch_result(rows)


def _class(rows: Rows, item: Any, row_id: str) -> None:
    """Add one offer for each priority of a class."""
    item = checked_object(item)
    name = checked_text(item.get("name"), "name")
    gpus = checked_whole(item.get("gpu_count"), "gpu_count")
    kind = item.get("gpu_class_type")
    if gpus is None:
        if kind == "secure":
            raise RowSkipped.unreadable("a cluster that does not tell its number of GPUs")
        gpus = 1  # the field is optional, and every class of single machines is one GPU
    if not 1 <= gpus <= 512:
        raise RowSkipped.unreadable(f"gpu_count is {gpus}, expected 1 to 512")
    chip = rows.chip(name)
    prices = item.get("prices")
    if not isinstance(prices, list) or not prices:
        raise RowSkipped.unreadable("prices is no list of prices")
    for number, price in enumerate(prices):
        priority = price.get("priority") if isinstance(price, Mapping) else None
        offer_id = f"{row_id}/{priority if isinstance(priority, str) else number}"
        with rows.judging(offer_id):
            if not isinstance(price, Mapping) or not isinstance(priority, str) or priority not in TERMS:
                raise RowSkipped.unreadable(f"priority is {str(priority)[:20]!r}, expected one of {', '.join(TERMS)}")
            usd = checked_price(price.get("price"), "price", text=True)
            rows.offer(
                offer_id=offer_id,
                network="salad",
                segment="marketplace",
                chip=chip,
                accelerator_name=name,
                accelerator_count=gpus,
                usd_per_accelerator_hour=usd / gpus,
                terms=TERMS[priority],
                tier=f"{'secure, ' if kind == 'secure' else ''}{priority} priority",
                price_kind="rate_card",
                machine_id=row_id,
                listed_price=str(price["price"]),
                listed_unit=f"USD per hour for {gpus} GPUs" if gpus > 1 else "USD per GPU and hour",
                source_url=CLASSES_URL,
                note="in high demand" if item.get("is_high_demand") is True else None,
            )


def _demand(rows: Rows, item: Any) -> None:
    """Utilisation of one GPU model, and what its hosts earn: facts, never offers."""
    item = checked_object(item)
    name = checked_text(item.get("displayName") or item.get("name"), "displayName")
    accelerator = rows.chip(name).accelerator
    if accelerator is None:
        raise RowSkipped.out_of_scope(f"{name} does not tell which board")
    percent = checked_number(item.get("utilizationPct"), "utilizationPct")
    earning = item.get("earningRates")
    usd = checked_number(earning.get("avgEarning") if isinstance(earning, Mapping) else None, "avgEarning")
    if percent is not None:
        if not 0 <= percent <= 100:
            raise RowSkipped.unreadable(f"utilizationPct is {percent:g}")
        rows.fact(
            network="salad",
            metric="utilisation",
            subject=accelerator,
            value=percent / 100,
            unit="fraction",
            source_url=DEMAND_URL,
        )
    if usd is not None and usd >= 0:
        rows.fact(
            network="salad",
            metric="host_earning",
            subject=accelerator,
            value=usd,
            unit="USD per GPU and hour",
            source_url=DEMAND_URL,
            note="average that a host gets; no price of a renter",
        )


def _row_id(item: object, number: int) -> str:
    key = item.get("id") if isinstance(item, Mapping) else None
    return key if isinstance(key, str) and key else f"$.items[{number}]"


FETCHER = Fetcher(
    name="salad",
    title="SaladCloud",
    kind="marketplace",
    gives="rates of GPU classes by priority, utilisation, earnings of hosts",
    terms="no licence or terms of the answers known; needs an account and an organisation (SALAD_ORGANIZATION)",
    networks=("salad",),
    hosts=(HOST, HOSTS_SIDE),
    fetch=fetch,
    parse=parse,
    key_variable="SALAD_API_KEY",
    time_budget_seconds=90.0,
    expected_age_days=7.0,  # rates by class that the network sets itself, not asks
    limit_age_days=180.0,
)
