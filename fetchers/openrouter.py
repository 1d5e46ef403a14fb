"""OpenRouter: what each host asks for the tokens of an open model, and the router's price of every other model.

Endpoint: GET https://openrouter.ai/api/v1/models, then /api/v1/models/{author}/{slug}/endpoints for each open
model of the register; no key needed.
Price includes: the host's list price and the router's way to it; the router's fee on deposits comes on top.
Traps: prices are decimal texts in USD per token, times a million here; "-1" is a router whose price varies;
":free" variants and "0" are no prices; ``discount`` is a number that still multiplies the price by what it leaves;
``overrides`` make long prompts or certain hours dearer; one host may sell one model in several number formats; a
model's own price is its default host's, so it stands for models without hosts of their own only.
Seen: 2026-10.
Terms: OpenRouter's; no statement on passing the answers on, so they are asked for at run time and never shipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from depin_compare.errors import SourceError
from depin_compare.market.token_prices import llm_id
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
from fetchers.http import NO_ANSWER, REFUSED, SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "openrouter.ai"
MODELS_URL = f"https://{HOST}/api/v1/models"
MODEL_PATH = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
# One request a model: the register has some thirty, each under a few names.
MAX_MODELS = 80
VARIES = -1


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for the list, then for the hosts of each open model of the register; one that fails costs no other."""
    answers = [session.get_answer("models", MODELS_URL)]
    listed = Recording(source="openrouter", recorded_at=datetime.now(UTC), answers=tuple(answers))
    for model in _open_models(listed)[:MAX_MODELS]:
        answers.append(session.try_answer(f"endpoints/{model}", f"{MODELS_URL}/{model}/endpoints"))
    return recording("openrouter", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Prices of every host that could be read, and of every model whose hosts were not asked for."""
    rows = Rows("openrouter", observed_at)
    models = recording.items(recording.answer("models"), "data")
    hosted: set[str] = set()
    for answer in recording.answers:
        kind, _, model = answer.name.partition("/")
        if kind != "endpoints":
            continue
        before = len(rows.token_prices)
        try:
            document = recording.json(answer)
            endpoints = recording.items(answer, "data", "endpoints")
        except SourceError as error:
            # A model may have left between the two questions; anything else is a failure of its own.
            if answer.status != 404:
                rows.problems.append(f"{answer.name}: {error}")
            continue
        for number, endpoint in enumerate(endpoints):
            _endpoint(rows, endpoint, model, f"{model}#{number}", _hugging_face_id(models, model))
        if document and len(rows.token_prices) > before:
            hosted.add(model)
    for number, row in enumerate(models):
        _model(rows, row, hosted, f"model#{number}")
    where = f"{MODELS_URL} $.data"
    rows.check_readable(where)
    rows.check_offers(where)
    return fetch_result(rows)


def _open_models(recording: Recording) -> list[str]:
    """Ids on the list that stand for an LLM of the register; none when the list can't be read."""
    answer = recording.answer("models")
    if answer.status in (NO_ANSWER, REFUSED):
        return []
    try:
        models = recording.items(answer, "data")
    except SourceError:
        return []
    ids = [str(row.get("id")) for row in models if isinstance(row, Mapping) and _llm(row) is not None]
    return [model for model in dict.fromkeys(ids) if MODEL_PATH.fullmatch(model)]


def _llm(row: Mapping[str, Any]) -> str | None:
    names = [row.get(key) for key in ("id", "hugging_face_id")]
    return next((llm for name in names if isinstance(name, str) and (llm := llm_id(name)) is not None), None)


def _hugging_face_id(models: list[Any], model: str) -> tuple[str, ...]:
    names = [row.get("hugging_face_id") for row in models if isinstance(row, Mapping) and row.get("id") == model]
    return tuple(name for name in names if isinstance(name, str))


def _endpoint(rows: Rows, row: Any, model: str, fallback_id: str, names: tuple[str, ...]) -> None:
    tag = row.get("tag") if isinstance(row, Mapping) else None
    with rows.judging(f"{model}@{tag}" if isinstance(tag, str) else fallback_id):
        if not isinstance(row, Mapping):
            raise RowSkipped.unreadable("the row is no object")
        provider = checked_text(row.get("provider_name"), "provider_name")
        price_in, price_out, cached, note = _prices(row.get("pricing"))
        status = row.get("status")
        formats = [part for part in (tag, row.get("quantization")) if isinstance(part, str) and part]
        rows.token_price(
            provider=provider,
            model_id=model,
            variant=" ".join(dict.fromkeys(formats)) or None,
            names=names,
            usd_per_mtok_input=price_in,
            usd_per_mtok_output=price_out,
            usd_per_mtok_cached_input=cached,
            kind="published",
            source_url=f"{MODELS_URL}/{model}/endpoints",
            note=_joined(note, f"status {status}" if isinstance(status, int) and status < 0 else None),
        )


def _model(rows: Rows, row: Any, hosted: set[str], fallback_id: str) -> None:
    model = row.get("id") if isinstance(row, Mapping) else None
    with rows.judging(str(model) if isinstance(model, str) else fallback_id):
        if not isinstance(row, Mapping):
            raise RowSkipped.unreadable("the row is no object")
        model = checked_text(model, "id")
        if model in hosted:
            raise RowSkipped("duplicate", "its hosts are listed one by one")
        if model.endswith(":free"):
            raise RowSkipped.out_of_scope("a free variant: no price")
        price_in, price_out, cached, note = _prices(row.get("pricing"))
        hub = row.get("hugging_face_id")
        rows.token_price(
            provider="openrouter",
            model_id=model,
            names=(hub,) if isinstance(hub, str) else (),
            usd_per_mtok_input=price_in,
            usd_per_mtok_output=price_out,
            usd_per_mtok_cached_input=cached,
            kind="published",
            source_url=MODELS_URL,
            note=_joined("price of the default host", note),
        )


def _prices(pricing: object) -> tuple[float, float, float | None, str | None]:
    """USD per million tokens in, out and cached, after the discount, with what else there is to say."""
    if not isinstance(pricing, Mapping):
        raise RowSkipped.unreadable("pricing is no object")
    prompt, completion = (_usd_per_mtok(pricing.get(key), key) for key in ("prompt", "completion"))
    if prompt is None or completion is None:
        raise RowSkipped.out_of_scope("no price for text")
    if VARIES * TOKENS_PER_MTOK in (prompt, completion):
        raise RowSkipped.out_of_scope("a router whose price varies (-1)")
    if prompt == 0 or completion == 0:
        raise RowSkipped.out_of_scope("free, or not priced by the token")
    discount = checked_number(pricing.get("discount"), "discount") or 0.0
    if not 0 <= discount <= 1:
        raise RowSkipped.unreadable(f"discount is {discount:g}, expected 0 to 1")
    if discount == 1:
        raise RowSkipped.out_of_scope("free: discount of 100%")
    cached = _usd_per_mtok(pricing.get("input_cache_read"), "input_cache_read")
    notes = [
        f"discount of {discount:.0%} taken off" if discount else None,
        "dearer for long prompts or at certain hours" if pricing.get("overrides") else None,
    ]
    left = 1.0 - discount
    return prompt * left, completion * left, cached * left if cached else None, _joined(*notes)


def _usd_per_mtok(value: object, what: str) -> float | None:
    """A price per token, text or number, as USD per million; the text's decimals are kept."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowSkipped.unreadable(f"{what} is no number")
    try:
        price = Decimal(str(value))
        finite = checked_number(float(price), what)  # "1e999999" and "NaN" are Decimals too
    except (InvalidOperation, ValueError):
        raise RowSkipped.unreadable(f"{what} is {value!r:.40}, expected a number") from None
    return None if finite is None else float(price * int(TOKENS_PER_MTOK))


def _joined(*notes: str | None) -> str | None:
    return "; ".join(note for note in notes if note) or None


FETCHER = Fetcher(
    name="openrouter",
    title="OpenRouter",
    kind="hosted token prices",
    gives="token prices by host",
    terms="OpenRouter's terms, silent on passing answers on; asked for at run time, never shipped",
    networks=(),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=180.0,
)
