"""Targon: what its rental machines with GPUs cost, and how many are free.

Endpoint: GET https://api.targon.com/tha/v2/inventory?type=rental&gpu=true; a key is sent where there is one,
for the official client always sends it while others found the list open.
Price includes: the whole shape with processor, memory and disk.
Traps: the price is of the shape; every field of spec may be null, and the number of GPUs then stands in the
name to display only; the same list tells serverless and CPU shapes when asked otherwise; a refusal for want
of a key is HTTP 401.
Seen: 2026-06.
"""

from __future__ import annotations

import re
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
    checked_object,
    checked_price,
    checked_text,
    checked_whole,
    fetch_result,
    recording,
)
from fetchers.http import SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "api.targon.com"
INVENTORY_URL = f"https://{HOST}/tha/v2/inventory"
KEY_VARIABLE = "TARGON_API_KEY"
MAX_GPUS = 1024
COUNTED = re.compile(r"^\s*(\d{1,3})\s*x\s+(.+)$", re.IGNORECASE)


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for the shapes with GPUs that can be rented."""
    headers = {"Authorization": f"Bearer {session.key}"} if session.key else {}
    params = {"type": "rental", "gpu": "true"}
    answer = session.get_answer("inventory", INVENTORY_URL, params=params, headers=headers)
    return recording("targon", observed_at, [answer])


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """One offer a shape."""
    rows = Rows("targon", observed_at)
    answer = recording.answer("inventory")
    if answer.status == 401:
        raise SourceError(
            "targon", INVENTORY_URL, seen="HTTP 401", expected=f"HTTP 200; it may want a key: set {KEY_VARIABLE}"
        )
    for number, shape in enumerate(recording.items(answer)):
        row_id = _row_id(shape, number)
        with rows.judging(row_id):
            _offer(rows, shape, row_id)
    rows.check_readable(f"{INVENTORY_URL} $")
    rows.check_offers(f"{INVENTORY_URL} $")
    return fetch_result(rows)


def _offer(rows: Rows, shape: Any, row_id: str) -> None:
    shape = checked_object(shape)
    if shape.get("type", "rental") != "rental":
        raise RowSkipped.out_of_scope(f"type {str(shape['type'])[:20]!r}")
    if shape.get("gpu") is False:
        raise RowSkipped.out_of_scope("a shape without a GPU")
    spec = shape.get("spec")
    spec = spec if isinstance(spec, Mapping) else {}
    shown = COUNTED.match(str(shape.get("display_name") or ""))
    gpus = checked_whole(spec.get("gpu_count"), "spec.gpu_count")
    if gpus is None and shown:
        gpus = int(shown[1])
    if not gpus or gpus > MAX_GPUS:
        raise RowSkipped.unreadable(f"{gpus or 'an unknown number of'} GPUs by spec.gpu_count and display_name")
    name = checked_text(spec.get("gpu_type") or (shown[2] if shown else None), "spec.gpu_type")
    price = checked_price(shape.get("cost_per_hour"), "cost_per_hour")
    shapes = checked_whole(shape.get("available"), "available")
    rows.offer(
        offer_id=row_id,
        network="targon",
        segment="decentralized",
        chip=rows.chip(name),
        accelerator_name=name,
        accelerator_count=gpus,
        usd_per_accelerator_hour=price / gpus,
        price_kind="ask",
        available=None if shapes is None else shapes * gpus,
        machine_id=row_id,
        listed_price=str(shape["cost_per_hour"]),
        listed_unit=f"USD per hour for {gpus} GPUs" if gpus > 1 else "USD per hour",
        source_url=INVENTORY_URL,
    )


def _row_id(shape: object, number: int) -> str:
    key = shape.get("name") if isinstance(shape, Mapping) else None
    return key if isinstance(key, str) and key else f"$[{number}]"


FETCHER = Fetcher(
    name="targon",
    title="Targon",
    kind="network",
    gives="asks for rental shapes, free GPUs",
    terms="no licence or terms of the answers known",
    networks=("targon",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    key_variable=KEY_VARIABLE,
    key_required=False,
    time_budget_seconds=90.0,
)
