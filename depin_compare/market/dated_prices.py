"""Dated prices as series that are never mixed, and what each says of its trend: rents beside hosted token prices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import dataframely as dy
import polars as pl

from depin_compare import refdata
from depin_compare.doors import Schema
from depin_compare.market.price_index import PriceIndex, price_index, stored_index, stored_token_index
from depin_compare.market.token_prices import TokenPrices, model_key, reference_token_prices
from depin_compare.market.trend_fits import TREND_STATES, fit_trend
from depin_compare.refdata import KINDS
from depin_compare.refdata.histories import dated_rents, llm_classes

if TYPE_CHECKING:
    from depin_compare.market.store import Store

__all__ = [
    "SUBJECT_KINDS",
    "TrendFits",
    "Trends",
    "llm_class",
    "stored_decline",
    "stored_trends",
    "trend_fits",
    "trends",
]

SUBJECT_KINDS = ("rent", "token_price", "stored")
USD_PER_HOUR = "USD per accelerator-hour"
INDEX_UNIT = "index, 1 where its chain begins"
INPUT_TOKENS_PER_OUTPUT = 2.0
# Sellers' own lists; everything else moves freely.
LISTS = ("list", "rate_card")


class Trends(Schema):
    """Dated prices and indices: one row a series and day.

    ``subject`` is what is priced (a chip, a class of LLMs), ``series`` who says so on which terms; the values of two
    series are two things and never continue each other. ``market`` is what kind of price it is
    (`depin_compare.refdata.histories.RENT_MARKETS`; ``hosted_list`` for tokens, ``stored`` for an index of stored
    offers). ``is_list`` marks a seller's price list, ``is_step`` a price of one that differs from the price before.
    ``n_matched`` is of how many prices an index was carried to this day, null where it is a price itself or where
    its chain begins: ``chain`` counts those.
    """

    subject_kind = dy.Enum(SUBJECT_KINDS, nullable=False)
    subject = dy.String(nullable=False)
    series = dy.String(nullable=False, primary_key=True)
    market = dy.String(nullable=False)
    observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=False, primary_key=True)
    value = dy.Float64(nullable=False, min_exclusive=0)
    unit = dy.String(nullable=False)
    chain = dy.Int64(nullable=False, min=1)
    n_matched = dy.Int64(nullable=True, min=1)
    is_list = dy.Bool(nullable=False)
    is_step = dy.Bool(nullable=False)
    source_id = dy.String(nullable=False)
    kind = dy.Enum(KINDS, nullable=False)


class TrendFits(Schema):
    """What every series of `Trends` says of its movement, or why it says nothing.

    ``state`` is ``fitted``, ``steps`` or ``too_short`` (`depin_compare.market.trend_fits.Trend`). Falls are
    fractions a year, negative for a rise; the band is the interval of the slope and null for a list, of which
    ``n_steps``, ``steps_per_year`` and ``compounded_decline_per_year`` tell. ``steps`` writes them out. Of an index
    in several chains the longest is fitted.
    """

    subject_kind = dy.Enum(SUBJECT_KINDS, nullable=False)
    subject = dy.String(nullable=False)
    series = dy.String(primary_key=True)
    market = dy.String(nullable=False)
    unit = dy.String(nullable=False)
    state = dy.Enum(TREND_STATES, nullable=False)
    n_points = dy.Int64(nullable=False, min=1)
    first = dy.Date(nullable=False)
    last = dy.Date(nullable=False)
    span_days = dy.Float64(nullable=False, min=0)
    decline_per_year_low = dy.Float64(nullable=True, max=1)
    decline_per_year = dy.Float64(nullable=True, max=1)
    decline_per_year_high = dy.Float64(nullable=True, max=1)
    n_steps = dy.Int64(nullable=True, min=0)
    steps_per_year = dy.Float64(nullable=True, min=0)
    steps = dy.String(nullable=True)
    fall_over_span = dy.Float64(nullable=True, max=1)
    compounded_decline_per_year = dy.Float64(nullable=True, max=1)
    reason = dy.String(nullable=True)


def trends(as_of: date | None = None, *, token_prices: dy.DataFrame[TokenPrices] | None = None) -> dy.DataFrame[Trends]:
    """The packaged dated rents, the dated list prices, and an index of hosted token prices by class of LLM.

    Parameters
    ----------
    as_of : date, optional
        Leave out what was seen later; no limit when not given.
    token_prices : DataFrame[TokenPrices], optional
        What hosts ask, every day there is; default: the packaged prices. A price is that of a million output tokens
        with two million of prompts.

    Returns
    -------
    DataFrame[Trends]
        Sorted by series and day. Rents told of on one day only are there too: a point beside the lines.

    Examples
    --------
    >>> frame = trends(date(2025, 5, 31))
    >>> frame.filter(pl.col("series") == "aws h100-sxm on_demand us-east-1")["value"].to_list()
    [12.29, 12.29]
    """
    hosted = token_prices if token_prices is not None else reference_token_prices(as_of)
    frame = pl.concat([_rents(), _hosted(hosted)])
    if as_of is not None:
        frame = frame.filter(pl.col("observed_at").dt.date() <= as_of)
    return _stepped(frame)


def stored_trends(
    store: Store, *, every: str = "1w", since: datetime | None = None, before: datetime | None = None
) -> dy.DataFrame[Trends]:
    """Indices of everything a store holds: of the offers of each market, and of token prices by class of LLM.

    Parameters
    ----------
    store : Store
        Whose history.
    every : {"1d", "1w", "1mo"}
        Length of a period.
    since, before : datetime, optional
        Only what was collected from ``since`` on and before ``before``.

    Raises
    ------
    ModelDomainError, StoreError
        As `depin_compare.market.price_index.stored_index`.
    """
    offers = stored_index(store, every=every, since=since, before=before)
    names = store.scan("token_prices", since=since, before=before).select("model_id", "llm").unique().collect()
    hosted = stored_token_index(store, _classed(names), every=every, since=since, before=before)
    # The third word of a market's name is its chip.
    chip = pl.col("series").str.split(" ").list.get(2)
    return _stepped(
        pl.concat([
            _of_index(offers, subject_kind="stored", subject=chip, market="stored", source="store"),
            _of_index(hosted, subject_kind="stored", subject=pl.col("series"), market="stored", source="store"),
        ])
    )  # fmt: skip


def stored_decline(
    store: Store, *, every: str = "1w", before: datetime | None = None, **options: Any
) -> dy.DataFrame[TrendFits]:
    """What all stored on-demand prices together say of the fall of a rent: one row, or none of an empty store.

    The index is that of every seller and chip, each thing on offer counted once: what the market of a given machine
    did, whoever joined or left it. Options are those of `depin_compare.market.trend_fits.fit_trend`.
    """
    index = stored_index(store, terms=["on_demand"], by=["terms"], every=every, before=before)
    return trend_fits(
        _stepped(_of_index(index, subject_kind="stored", subject=pl.lit("all"), market="stored", source="store")),
        **options,
    )


def trend_fits(frame: dy.DataFrame[Trends], **options: Any) -> dy.DataFrame[TrendFits]:
    """Fit every series.

    Parameters
    ----------
    frame : DataFrame[Trends]
        From `trends` or `stored_trends`.
    **options
        Those of `depin_compare.market.trend_fits.fit_trend` but ``moves``, which follows from ``is_list``.

    Returns
    -------
    DataFrame[TrendFits]
        Sorted by series.

    Examples
    --------
    >>> fits = trend_fits(trends())
    >>> fits.filter(pl.col("series") == "aws h100-sxm on_demand us-east-1")["steps"].item()
    '2025-06-05: 12.29 -> 6.88 (-44.0%)'
    """
    rows = []
    for (series,), whole in frame.group_by("series", maintain_order=True):
        longest = whole.group_by("chain").len().sort("len", "chain", descending=[True, False])["chain"][0]
        part = whole.filter(pl.col("chain") == longest)
        days = part["observed_at"].dt.date()
        fit = fit_trend(days, part["value"], moves="steps" if part["is_list"].all() else "auto", **options)
        band = fit.decline_per_year
        rows.append({
            **{name: part[name][0] for name in ("subject_kind", "subject", "market", "unit")},
            "series": series, "state": fit.state, "n_points": fit.n_points, "first": days.min(), "last": days.max(),
            "span_days": fit.span_days,
            "decline_per_year_low": band.low if band else None,
            "decline_per_year": band.central if band else None,
            "decline_per_year_high": band.high if band else None,
            "n_steps": None if fit.state == "too_short" else len(fit.steps),
            "steps_per_year": fit.steps_per_year,
            "steps": "; ".join(f"{s.date}: {s.before:.4g} -> {s.after:.4g} ({s.change:+.1%})"
                               for s in fit.steps) or None,
            "fall_over_span": fit.fall, "compounded_decline_per_year": fit.compounded_decline_per_year,
            "reason": fit.reason,
        })  # fmt: skip
    return TrendFits.validate(pl.DataFrame(rows, schema=TrendFits.create_empty().schema).sort("series"))


def llm_class(model_id: str, llm: str | None) -> str | None:
    """Class a hosted model's price is counted in, or None where no table knows it.

    >>> llm_class("gpt-4o", None), llm_class("llama", "llama-3.3-70b"), llm_class("tinyllama", None)
    ('gpt-4-generation', 'open-60b-to-100b', None)
    """
    return _open_classes().get(llm) if llm is not None else _closed_classes().get(model_key(model_id))


def _classed(names: pl.DataFrame) -> pl.DataFrame:
    """Models that belong to a class, each with it."""
    classes = [llm_class(model, llm) for model, llm in names.select("model_id", "llm").iter_rows()]
    return names.with_columns(pl.Series("llm_class", classes, pl.String)).filter(pl.col("llm_class").is_not_null())


@cache
def _closed_classes() -> Mapping[str, str]:
    return MappingProxyType({model_key(n): c for n, c in llm_classes().select("name", "llm_class").iter_rows()})


@cache
def _open_classes() -> Mapping[str, str]:
    total = pl.col("total_params_b")
    named = (
        pl.when(total <= 20).then(pl.lit("open-up-to-20b"))
        .when(total <= 60).then(pl.lit("open-20b-to-60b"))
        .when(total <= 100).then(pl.lit("open-60b-to-100b"))
        .otherwise(pl.lit("open-over-100b"))
    )  # fmt: skip
    return MappingProxyType(dict(refdata.llms().select("llm", named).iter_rows()))


def _rents() -> pl.DataFrame:
    """Packaged prices of accelerator-hours, each series on its own line."""
    segments = refdata.networks().select("network", pl.col("segment").cast(pl.String))
    asked = (
        refdata.reference_prices()
        .filter(
            pl.col("not_comparable").is_null(),
            pl.col("usd_per_accelerator_hour").is_not_null(),
            pl.col("upstream").is_null(),
            ~pl.col("price_kind").is_in(["reward", "indicative"]),
        )
        .join(segments, on="network", how="left")
        .with_columns(market=_market(), is_list=pl.col("price_kind").is_in(LISTS) & (pl.col("terms") != "spot"))
        .rename({"network": "seller"})
    )
    told = dated_rents().with_columns(
        pl.col("market").cast(pl.String),
        # Whoever sells at a list sells at it until it is changed; a survey or an index of many moves freely.
        is_list=pl.col("market").is_in(["on_demand", "hyperscaler_list"]) & (pl.col("seller") != "market"),
        region=pl.when(pl.col("seller") == "oracle").then(pl.lit("us-ashburn-1")),
    )
    key = ["seller", "accelerator", "terms", "tier", "region"]
    columns = [
        *key,
        "market",
        "is_list",
        "as_of",
        "usd_per_accelerator_hour",
        "source_id",
        pl.col("kind").cast(pl.String),
    ]
    return (
        pl.concat([asked.select(columns), told.select(columns)])
        .with_columns(series=pl.concat_str(key, separator=" ", ignore_nulls=True))
        .group_by("series", "as_of")
        .agg(
            # Of several prices of one day the geometric mean, to what of its digits a price has.
            pl.col("usd_per_accelerator_hour").log().mean().exp().round_sig_figs(9).alias("value"),
            *(pl.col(name).sort_by("source_id").first() for name in ("accelerator", "market", "is_list", "kind")),
            pl.col("source_id").min(),
        )
        .select(
            subject_kind=pl.lit("rent"),
            subject="accelerator",
            series="series",
            market="market",
            observed_at=pl.col("as_of").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            value="value",
            unit=pl.lit(USD_PER_HOUR),
            chain=pl.lit(1, pl.Int64),
            n_matched=pl.lit(None, pl.Int64),
            is_list="is_list",
            source_id="source_id",
            kind="kind",
        )
    )


def _market() -> pl.Expr:
    hyperscaler = pl.col("segment") == "hyperscaler"
    return (
        pl.when(pl.col("terms") == "spot").then(pl.lit("spot"))
        .when(pl.col("terms") == "capacity_block").then(pl.lit("capacity_block"))
        .when(hyperscaler & (pl.col("terms") == "on_demand")).then(pl.lit("hyperscaler_list"))
        .when(hyperscaler).then(pl.lit("hyperscaler_commitment"))
        .when(pl.col("price_kind").is_in(["ask", "bid"])).then(pl.lit("marketplace"))
        .otherwise(pl.lit("on_demand"))
    )  # fmt: skip


def _hosted(prices: dy.DataFrame[TokenPrices]) -> pl.DataFrame:
    """Index of hosted token prices, matched by host and model, a series a class."""
    classed = _classed(prices.select("model_id", "llm").unique())
    rows = prices.join(classed, on=["model_id", "llm"], nulls_equal=True).with_columns(
        usd_per_mtok=pl.col("usd_per_mtok_output") + INPUT_TOKENS_PER_OUTPUT * pl.col("usd_per_mtok_input"),
        # One host's model under one name, whoever tells of it and however he spells it.
        model=pl.col("model_id").map_elements(model_key, return_dtype=pl.String),
    )
    index = price_index(
        rows, by=["llm_class"], item=["provider", "model", "variant"], price="usd_per_mtok", every="1d",
        until_seen_again=True,
    )  # fmt: skip
    return _of_index(
        index, subject_kind="token_price", subject=pl.col("series"), market="hosted_list",
        source="depin-compare-assumptions",
    )  # fmt: skip


def _of_index(
    index: dy.DataFrame[PriceIndex], *, subject_kind: str, subject: pl.Expr, market: str, source: str
) -> pl.DataFrame:
    return index.select(
        subject_kind=pl.lit(subject_kind),
        subject=subject,
        series=pl.concat_str(pl.lit("index "), "series"),
        market=pl.lit(market),
        observed_at=pl.col("period").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        value="index",
        unit=pl.lit(INDEX_UNIT),
        chain="chain",
        n_matched=pl.when(pl.col("n_matched") > 0).then("n_matched"),
        is_list=pl.lit(value=False),
        source_id=pl.lit(source),
        kind=pl.lit("third_party"),
    )


def _stepped(frame: pl.DataFrame) -> dy.DataFrame[Trends]:
    before = pl.col("value").shift(1).over("series", order_by="observed_at")
    moved = ((pl.col("value") / before).log().abs() > 5e-7).fill_null(value=False)
    marked = frame.with_columns(is_step=pl.col("is_list") & moved).sort("series", "observed_at")
    return Trends.validate(marked.select(Trends.column_names()), cast=True)
