"""models.dev: list prices of tokens at some hundred hosts, io.net, Chutes and NEAR AI included.

Endpoint: GET https://models.dev/api.json, no key.
Price includes: the host's list price as contributors copied it, for short prompts.
Traps: USD per million tokens, not per token; a model may have no cost at all, or 0 and 0 for subscriptions and free
models; ``tiers`` and ``context_over_200k`` make long prompts dearer; pictures and speech have costs too; many hosts
are routers that resell others; one model stands under other names at every host.
Seen: 2026-07.
Terms: MIT, Copyright (c) 2025 spin.dev.
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
    fetch_result,
    recording,
)
from fetchers.http import SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "models.dev"
API_URL = f"https://{HOST}/api.json"


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for the whole catalogue."""
    return recording("models_dev", observed_at, [session.get_answer("api", API_URL)])


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """A price for every text model that has one."""
    rows = Rows("models_dev", observed_at)
    document = recording.json(recording.answer("api"))
    if not isinstance(document, Mapping):
        seen = f"a {type(document).__name__}"
        raise SourceError("models_dev", f"{API_URL} $", seen=seen, expected="an object of hosts")
    for provider, host in document.items():
        models = host.get("models") if isinstance(host, Mapping) else None
        if not isinstance(models, Mapping):
            rows.skip(f"{provider}", "unreadable", "the host has no object of models")
            continue
        for model, row in models.items():
            with rows.judging(f"{provider}/{model}"):
                _model(rows, str(provider), str(model), row)
    where = f"{API_URL} $"
    rows.check_readable(where)
    rows.check_offers(where)
    return fetch_result(rows)


def _model(rows: Rows, provider: str, model: str, row: Any) -> None:
    if not provider.strip() or not model.strip():
        raise RowSkipped.unreadable("the host or the model has an empty name")
    if not isinstance(row, Mapping):
        raise RowSkipped.unreadable("the row is no object")
    cost = row.get("cost")
    if cost is None:
        raise RowSkipped.out_of_scope("no cost given")
    if not isinstance(cost, Mapping):
        raise RowSkipped.unreadable("cost is no object")
    modalities = row.get("modalities")
    given = modalities.get("output") if isinstance(modalities, Mapping) else None
    if isinstance(given, list) and "text" not in given:
        raise RowSkipped.out_of_scope(f"gives {', '.join(map(str, given))[:40]}, not text")
    if row.get("status") == "deprecated":
        raise RowSkipped.out_of_scope("deprecated")
    price_in, price_out = (checked_number(cost.get(key), f"cost.{key}") for key in ("input", "output"))
    if price_in is None or price_out is None:
        raise RowSkipped.out_of_scope("not priced by the token in and out")
    if price_in == 0 or price_out == 0:
        raise RowSkipped.out_of_scope("0: free, a subscription or unknown, not a price")
    rows.token_price(
        provider=provider,
        model_id=model,
        variant="cn" if provider.endswith("-cn") else None,
        usd_per_mtok_input=price_in,
        usd_per_mtok_output=price_out,
        usd_per_mtok_cached_input=checked_number(cost.get("cache_read"), "cost.cache_read"),
        kind="third_party",
        source_url=API_URL,
        note=_note(row, cost),
    )


def _note(row: Mapping[str, Any], cost: Mapping[str, Any]) -> str | None:
    sizes: list[float] = []
    tiers = cost.get("tiers")
    for entry in tiers if isinstance(tiers, list) else ():
        tier = entry.get("tier") if isinstance(entry, Mapping) else None
        size = tier.get("size") if isinstance(tier, Mapping) else None
        if isinstance(size, int | float) and not isinstance(size, bool):
            sizes.append(float(size))
    if cost.get("context_over_200k"):
        sizes.append(200_000.0)
    parts = [
        f"dearer for prompts over {min(sizes):,.0f} tokens" if sizes else None,
        f"last updated {row['last_updated']}" if isinstance(row.get("last_updated"), str) else None,
    ]
    return "; ".join(part for part in parts if part) or None


FETCHER = Fetcher(
    name="models_dev",
    title="models.dev",
    kind="hosted token prices",
    gives="token prices of networks, clouds, labs and hosts, second hand",
    terms="MIT, Copyright (c) 2025 spin.dev",
    networks=(),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=60.0,
)
