"""LiteLLM's price map: list prices of tokens at some hundred hosts, clouds and labs included.

Endpoint: GET https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json, no key.
Price includes: the host's list price as contributors copied it; batch, priority and long-prompt prices left out.
Traps: USD per token, times a million here; the keys ``sample_spec`` and ``fallback_generalizations`` are no models;
embeddings, pictures and sound are priced otherwise; 0 and 0 means free or unknown; some models have tiers and no
flat price; Databricks rows carry DBU prices beside the USD ones; some rows are typed a thousand times too dear;
a row may lag by months, or name no page it was copied from; regional profiles of Bedrock cost more.
Seen: 2026-11.
Terms: MIT, Copyright (c) 2023 Berri AI.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from depin_compare.errors import SourceError
from depin_compare.units import TOKENS_PER_MTOK
from fetchers.contract import (
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
from fetchers.http import SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "raw.githubusercontent.com"
MAP_URL = f"https://{HOST}/BerriAI/litellm/main/model_prices_and_context_window.json"
NO_MODELS = frozenset({"sample_spec", "fallback_generalizations"})
TEXT_MODES = ("chat", "completion", "responses")


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for the map."""
    return recording("litellm", observed_at, [session.get_answer("map", MAP_URL)])


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """A price for every text model that has one."""
    rows = Rows("litellm", observed_at)
    answer = recording.answer("map")
    document = recording.json(answer)
    if not isinstance(document, Mapping):
        seen = f"a {type(document).__name__}"
        raise SourceError("litellm", f"{MAP_URL} $", seen=seen, expected="an object of models")
    for model, row in document.items():
        with rows.judging(model or "an empty name"):
            _model(rows, checked_text(model, "the model's name"), row)
    where = f"{MAP_URL} $"
    rows.check_readable(where)
    rows.check_offers(where)
    return fetch_result(rows)


def _model(rows: Rows, model: str, row: Any) -> None:
    if model in NO_MODELS:
        raise RowSkipped.out_of_scope("no model")
    if not isinstance(row, Mapping):
        raise RowSkipped.unreadable("the row is no object")
    mode = row.get("mode")
    if mode not in TEXT_MODES:
        raise RowSkipped.out_of_scope(f"mode {str(mode)[:40]}")
    ended = _day(row.get("deprecation_date"))
    if ended is not None and ended <= rows.observed_at.date():
        raise RowSkipped.out_of_scope(f"withdrawn on {ended}")
    prices, note = _priced(row)
    price_in = checked_number(prices.get("input_cost_per_token"), "input_cost_per_token")
    price_out = checked_number(prices.get("output_cost_per_token"), "output_cost_per_token")
    if price_in is None or price_out is None:
        raise RowSkipped.out_of_scope("not priced by the token in and out")
    if price_in == 0 or price_out == 0:
        raise RowSkipped.out_of_scope("0: free or unknown, not a price")
    cached = checked_number(prices.get("cache_read_input_token_cost"), "cache_read_input_token_cost")
    page = row.get("source")
    page = page if isinstance(page, str) and page.startswith("https://") else None
    rows.token_price(
        provider=checked_text(row.get("litellm_provider"), "litellm_provider"),
        model_id=model,
        usd_per_mtok_input=price_in * TOKENS_PER_MTOK,
        usd_per_mtok_output=price_out * TOKENS_PER_MTOK,
        usd_per_mtok_cached_input=None if cached is None else cached * TOKENS_PER_MTOK,
        kind="third_party",
        source_url=MAP_URL,
        note="; ".join(part for part in (note, f"from {page}" if page else "the map names no page for it") if part),
    )


def _priced(row: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """Where the prices stand: the row itself, or the first of its tiers when it has no flat price."""
    tiers = row.get("tiered_pricing")
    if row.get("input_cost_per_token") is not None or not isinstance(tiers, list):
        return row, None
    for tier in tiers:
        reach = tier.get("range") if isinstance(tier, Mapping) else None
        if isinstance(reach, list) and len(reach) == 2 and reach[0] == 0:
            limit = checked_number(reach[1], "range[1]")
            return tier, f"first tier, prompts up to {limit:,.0f} tokens" if limit else "first tier"
    raise RowSkipped.unreadable("tiered_pricing has no tier that begins at 0")


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


FETCHER = Fetcher(
    name="litellm",
    title="LiteLLM price map",
    kind="hosted token prices",
    gives="token prices of clouds, labs and hosts, second hand",
    terms="MIT, Copyright (c) 2023 Berri AI",
    networks=(),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=60.0,
)
