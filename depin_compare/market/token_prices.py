"""What hosts ask for a million tokens of a model: the TokenPrices schema, and whose model a name means.

A model's name is matched by table (`refdata.llm_names`), ignoring case, punctuation and all that stands before
the last slash, so that ``meta-llama/Llama-3.3-70B-Instruct`` and ``meta.llama3-3-70b-instruct-v1:0`` are one LLM.
Distillations, fine-tunes and later versions are other models: a name that no table knows has no LLM, never the
nearest one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from types import MappingProxyType

import dataframely as dy
import polars as pl

from depin_compare import refdata
from depin_compare.doors import Schema
from depin_compare.market.offers import LAYERS
from depin_compare.refdata import HOST_KINDS, KINDS

__all__ = [
    "MAX_USD_PER_MTOK",
    "MIN_USD_PER_MTOK",
    "Host",
    "TokenPrices",
    "cheapest_per_host",
    "llm_id",
    "model_key",
    "reference_token_prices",
    "token_host",
]

# The dearest list price of the packaged table's sources is 600 USD (o1-pro, output), the cheapest 0.01; outside
# this band lies a price per token, per thousand or per million taken for another.
MIN_USD_PER_MTOK = 0.001
MAX_USD_PER_MTOK = 1000.0

# Bedrock's inference profiles stand before the maker's name, OpenRouter's variants behind a colon.
PROFILE = re.compile(r"^(us-gov|us|eu|apac|global|au|jp|ca)\.")
VARIANT = re.compile(r":(free|nitro|floor|extended|exacto|thinking)$")


class TokenPrices(Schema):
    """List price of a model's tokens at one host.

    ``provider`` is the host's id (`refdata.token_hosts`), or its name as spelled where no table knows it;
    ``source`` is who said so. ``llm`` is the id of an open model of the register, null for closed and other
    models. ``variant`` tells apart several prices of one host for one model (region, number format, tier).
    ``kind`` is ``published`` where the seller's own interface says it and ``third_party`` for a transcription.
    """

    source = dy.String(nullable=False, min_length=1)
    provider = dy.String(nullable=False, min_length=1)
    model_id = dy.String(nullable=False, min_length=1)
    variant = dy.String(nullable=True)
    llm = dy.String(nullable=True)
    host_kind = dy.Enum(HOST_KINDS, nullable=False)
    usd_per_mtok_input = dy.Float64(nullable=False, min=MIN_USD_PER_MTOK, max=MAX_USD_PER_MTOK)
    usd_per_mtok_output = dy.Float64(nullable=False, min=MIN_USD_PER_MTOK, max=MAX_USD_PER_MTOK)
    usd_per_mtok_cached_input = dy.Float64(nullable=True, min_exclusive=0, max=MAX_USD_PER_MTOK)
    observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=False)
    layer = dy.Enum(LAYERS, nullable=False)
    kind = dy.Enum(KINDS, nullable=False)
    source_url = dy.String(nullable=False, min_length=1)
    note = dy.String(nullable=True)

    @dy.rule()
    def one_row_a_price(cls) -> pl.Expr:
        """A source says one price for a host, model, variant and day."""
        return pl.struct("source", "provider", "model_id", "variant", "observed_at").is_unique()


class Host:
    """Who hosts a model, and what kind of host that is."""

    __slots__ = ("host", "kind")

    def __init__(self, host: str, kind: str) -> None:
        self.host = host
        self.kind = kind


def llm_id(name: str) -> str | None:
    """The LLM a host means by a model's name, or None when no table knows it.

    >>> llm_id("us.meta.llama3-3-70b-instruct-v1:0"), llm_id("deepseek-ai/DeepSeek-R1-Distill-Llama-70B")
    ('llama-3.3-70b', None)
    """
    return _llms().get(model_key(name))


def model_key(name: str) -> str:
    """What is compared of a model's name: the tail of its path in small letters and digits, without variants.

    >>> model_key("openai/GPT-4o"), model_key("us.meta.llama3-3-70b-instruct-v1:0")
    ('gpt4o', 'metallama3370binstructv10')
    """
    tail = name.casefold().strip().rpartition("/")[2]
    return _squeezed(VARIANT.sub("", PROFILE.sub("", tail)))


def token_host(name: str) -> Host:
    """The host a source means; one that no table knows keeps its name and is of kind ``other``."""
    known = _hosts().get(_squeezed(name))
    return Host(*known) if known else Host(name.strip(), "other")


def reference_token_prices(as_of: date | None = None) -> dy.DataFrame[TokenPrices]:
    """Give the packaged token prices, each observed on its own day.

    Parameters
    ----------
    as_of : date, optional
        Leave out what was seen later; no limit when not given.

    Returns
    -------
    DataFrame[TokenPrices]
        All days, oldest first: the trend is part of the table. `cheapest_per_host` keeps the newest.
    """
    frame: pl.DataFrame = refdata.reference_token_prices()
    if as_of is not None:
        frame = frame.filter(pl.col("as_of") <= as_of)
    kinds = refdata.token_hosts().select("host", "host_kind").unique()
    titles = refdata.sources().select("source_id", source_url=pl.coalesce("url", "title"))
    types = TokenPrices.create_empty().schema
    filled = (
        frame.join(kinds, left_on="provider", right_on="host", how="left")
        .join(titles, on="source_id", how="left")
        .with_columns(
            source=pl.col("source_id"),
            layer=pl.lit("reference"),
            variant=pl.lit(None),
            observed_at=pl.col("as_of").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        )
        .sort("as_of", "price_id")
    )
    return TokenPrices.validate(filled.select(pl.col(name).cast(kind) for name, kind in types.items()))


def cheapest_per_host(prices: dy.DataFrame[TokenPrices], *, input_tokens_per_output: float = 2.0) -> pl.DataFrame:
    """One price a host and open LLM: from the newest layer and day, the cheapest of its variants.

    Parameters
    ----------
    prices : DataFrame[TokenPrices]
        Any mix of sources, layers and days.
    input_tokens_per_output : float
        Mix at which "cheapest" is judged, >= 0. [prompt tokens per output token]

    Returns
    -------
    DataFrame
        The columns of `TokenPrices` and ``usd_per_mtok``, the price of a million output tokens with their
        prompts. Rows without an ``llm`` are left out. What a host's own interface or marketplace says stands
        before a transcription of it, and a live price before a stored and a packaged one.
    """
    key = ["provider", "llm"]
    order = {layer: rank for rank, layer in enumerate(LAYERS)}
    rank = pl.col("layer").cast(pl.String).replace_strict(order, return_dtype=pl.Int64)
    second_hand = (pl.col("kind") != "published").cast(pl.Int64)
    day = pl.col("observed_at").dt.date()
    return (
        prices.lazy()
        .filter(pl.col("llm").is_not_null())
        .with_columns(
            (pl.col("usd_per_mtok_output") + input_tokens_per_output * pl.col("usd_per_mtok_input")).alias(
                "usd_per_mtok"
            ),
            (rank * 2 + second_hand).alias("rank"),
            day.alias("day"),
        )
        .filter(pl.col("rank") == pl.col("rank").min().over(key))
        .filter(pl.col("day") == pl.col("day").max().over(key))
        .sort("usd_per_mtok", "source", "model_id", "variant")
        .unique(key, keep="first", maintain_order=True)
        .sort("llm", "usd_per_mtok", "provider")
        .drop("rank", "day")
        .collect()
    )


@cache
def _llms() -> Mapping[str, str]:
    names = refdata.llm_names().select("name", "llm").iter_rows()
    return MappingProxyType({model_key(name): llm for name, llm in names})


@cache
def _hosts() -> Mapping[str, tuple[str, str]]:
    table = refdata.token_hosts().select("name", "host", pl.col("host_kind").cast(pl.String))
    by_name = {_squeezed(name): (host, kind) for name, host, kind in table.iter_rows()}
    return MappingProxyType({_squeezed(host): (host, kind) for host, kind in by_name.values()} | by_name)


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
