"""Six weeks of collects made of the recorded payloads: drifting asks, a list price cut, a newcomer, sources that fail.

What is today's is what the parsers make of the payloads; earlier days are today's rows with other prices and dates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
from served_payloads import OBSERVED_AT
from served_web import every_source_answers

from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import MAX_USD_PER_ACCELERATOR_HOUR, MIN_USD_PER_ACCELERATOR_HOUR, Offers, Skipped
from depin_compare.market.store import Store
from depin_compare.market.token_prices import TokenPrices
from fetchers import Collection, SourceStatus, collect

TODAY = OBSERVED_AT.date()
TABLES: dict[str, type[dy.Schema]] = {
    "offers": Offers,
    "facts": NetworkFacts,
    "skipped": Skipped,
    "token_prices": TokenPrices,
}
BY = "fetched_by"
# Days before today on which the sources were asked: every third day of six weeks, and once before that.
DAYS_BEFORE = (75, *range(42, 0, -3))

# Prices of a network move by this share a day; the trend a reader should find.
DRIFT_PER_DAY = {"akash": 0.004, "vast": -0.006, "runpod": -0.002, "salad": 0.001, "lium": -0.003}
CUT_CLOUD, CUT_DAY, CUT_SHARE = "aws", date(2026, 11, 5), 0.20
NEWCOMER, NEWCOMER_DAY = "targon", date(2026, 11, 1)
# A take rate that was raised: what a network keeps stands in the facts.
RAISED_FEE_NETWORK, RAISED_FEE_DAY, FEE_BEFORE, FEE_AFTER = "lium", date(2026, 11, 17), 0.05, 0.10
# Source -> the days (first, last) on which it failed, how, and why.
FAILED: dict[str, tuple[date, date, str, str]] = {
    "nosana": (date(2026, 10, 28), date(2026, 11, 4), "timed_out", "no result within its time budget of 30 s"),
    "hyperbolic": (date(2026, 11, 20), TODAY, "failed", "rental-options: got HTTP 503, expected HTTP 200"),
    "golem": (date(2026, 9, 15), TODAY, "unreachable", "api.stats.golem.network: got name not found"),
}


@cache
def todays_answers() -> Collection:
    """What all sources answer today."""
    with every_source_answers():
        return collect(observed_at=OBSERVED_AT, probe=False)


def collection_on(day: date) -> Collection:
    """What was collected on a day."""
    base, tables = todays_answers(), _tables_on(day)
    statuses = _statuses_on(day)
    parts = {
        name: {key[0]: part.drop(BY) for key, part in table.partition_by(BY, as_dict=True).items()}
        for name, table in tables.items()
    }
    empty = {name: table.drop(BY).clear() for name, table in tables.items()}
    results = {
        one.source: replace(
            base.results[one.source], **{name: parts[name].get(one.source, empty[name]) for name in TABLES}
        )
        for one in statuses
        if one.status in ("ok", "partial")
    }
    return Collection(observed_at=moment_of(day), statuses=statuses, results=results)


def write_history(folder: Path, *, days_before: Sequence[int] = DAYS_BEFORE) -> Store:
    """A store with one snapshot for each of these days before today."""
    store = Store(folder)
    for back in days_before:
        day = TODAY - timedelta(days=back)
        tables = {name: TABLES[name].validate(table.drop(BY)) for name, table in _tables_on(day).items()}
        told = {one.source: {**asdict(one), "observed_at": one.observed_at.isoformat()} for one in _statuses_on(day)}
        store.write(observed_at=moment_of(day), statuses=told, **tables)
    return store


def price_factor(network: str, segment: str, terms: str, day: date) -> float:
    """Price of a day over today's: the cut of a list, a drift, and a weekly swing of 1 % on markets."""
    back = (TODAY - day).days
    if back == 0:
        return 1.0
    if segment == "hyperscaler":
        return 1.0 / (1.0 - CUT_SHARE) if network == CUT_CLOUD and terms == "on_demand" and day < CUT_DAY else 1.0
    swing = 1.0 + 0.01 * math.sin(2 * math.pi * back / 7)
    return swing * (1.0 + DRIFT_PER_DAY.get(network, 0.0)) ** -back


def _failure(source: str, day: date) -> tuple[str, str] | None:
    if source not in FAILED:
        return None
    first, last, kind, cause = FAILED[source]
    return (kind, cause) if first <= day <= last else None


def _statuses_on(day: date) -> tuple[SourceStatus, ...]:
    """How each source fared; one that had not joined is not there."""
    told = []
    for status in todays_answers().statuses:
        if status.source == NEWCOMER and day < NEWCOMER_DAY:
            continue
        status = replace(status, observed_at=status.observed_at - (TODAY - day))
        if status.source == RAISED_FEE_NETWORK:
            status = replace(status, facts=status.facts + 1)
        failure = _failure(status.source, day)
        if failure is not None:
            none: dict[str, Any] = dict.fromkeys(("offers", "facts", "token_prices"), 0)
            error = f"{status.source}: {failure[1]}"
            kind: Any = failure[0]
            status = replace(
                status, status=kind, error=error, problems=(), skipped=dict.fromkeys(status.skipped, 0), **none
            )
        told.append(status)
    return tuple(told)


@cache
def _todays_tables() -> dict[str, pl.DataFrame]:
    """Each table of today's answers, with who said what."""
    results = todays_answers().results
    return {
        name: pl.concat([getattr(one, name).with_columns(pl.lit(source).alias(BY)) for source, one in results.items()])
        for name in TABLES
    }


def _tables_on(day: date) -> dict[str, pl.DataFrame]:
    """The tables of a day; those who failed say nothing."""
    silent = [source for source in todays_answers().results if _failure(source, day) is not None]
    if day < NEWCOMER_DAY:
        silent.append(NEWCOMER)
    tables = {name: table.filter(~pl.col(BY).is_in(silent)) for name, table in _todays_tables().items()}
    for name in ("offers", "facts", "token_prices"):
        tables[name] = tables[name].with_columns(pl.col("observed_at") - (TODAY - day))
    keys = tables["offers"].select("network", "segment", "terms").unique()
    factors = [price_factor(*key, day) for key in keys.iter_rows()]
    tables["offers"] = (
        tables["offers"]
        .join(keys.with_columns(pl.Series("factor", factors)), on=keys.columns, how="left", maintain_order="left")
        .pipe(priced, pl.col("usd_per_accelerator_hour") * pl.col("factor"), where=pl.col("factor") != 1.0)
        .drop("factor")
    )
    tables["facts"] = tables["facts"].vstack(_fee_on(day, tables["facts"]))
    return tables


def _fee_on(day: date, facts: pl.DataFrame) -> pl.DataFrame:
    """What a network keeps of a payment, said on the day."""
    return (
        facts.filter(pl.col(BY) == RAISED_FEE_NETWORK)
        .head(1)
        .with_columns(
            metric=pl.lit("take_rate_provider"),
            subject=pl.lit(None, pl.String),
            value=pl.lit(FEE_BEFORE if day < RAISED_FEE_DAY else FEE_AFTER),
            unit=pl.lit("fraction"),
            kind=pl.lit("published").cast(facts.schema["kind"]),
            note=pl.lit(None, pl.String),
        )
    )


def priced(frame: pl.DataFrame, price: pl.Expr, *, where: pl.Expr | None = None) -> pl.DataFrame:
    """Offers at another price, in range, with the text a source would have shown beside it."""
    price = price.clip(MIN_USD_PER_ACCELERATOR_HOUR, MAX_USD_PER_ACCELERATOR_HOUR)
    changed = pl.col("usd_per_accelerator_hour").is_not_null() & (pl.lit(True) if where is None else where)
    told = {
        "usd_per_accelerator_hour": price,
        "listed_price": price.round_sig_figs(6).cast(pl.String),
        "listed_unit": pl.lit("USD per GPU-hour"),
        "listed_currency": pl.lit("USD"),
    }
    return frame.with_columns(
        **{name: pl.when(changed).then(value).otherwise(pl.col(name)) for name, value in told.items()}
    )


def moment_of(day: date) -> datetime:
    """When the sources were asked on a day."""
    return OBSERVED_AT - (TODAY - day)
