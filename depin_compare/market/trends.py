"""What the stored history says: how the prices of each market were spread, period by period."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Literal, get_args

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.errors import ModelDomainError, StoreError
from depin_compare.market.discrepancies import CATALOGUES
from depin_compare.market.offers import PRICE_KINDS, TERMS
from depin_compare.market.snapshots import Snapshot
from depin_compare.market.store import Store

__all__ = ["EVERY", "Period", "PriceHistory", "price_history"]

Period = Literal["1d", "1w", "1mo"]
EVERY: tuple[str, ...] = get_args(Period)
PERCENTILES = (10, 50, 90)
# Whole periods are read together up to about this many rows, which take some 500 MB at once.
ROWS_AT_ONCE = 2_500_000
_KEY = ["period", "network", "accelerator", "terms", "price_kind"]


class PriceHistory(Schema):
    """Spread of the stored prices of one market in one period. [USD per accelerator-hour]

    ``period`` is its first day, of UTC. An offer counts once in every snapshot that saw it: ``n_offers`` counts those
    sightings, ``n_snapshots`` the snapshots of the period (of whatever market), so that one over the other is the
    number of offers that stood at a time. ``n_sources`` counts who told of them.
    """

    period = dy.Date(nullable=False)
    network = dy.String(nullable=False)
    accelerator = dy.String(nullable=False)
    terms = dy.Enum(TERMS, nullable=False)
    price_kind = dy.Enum(PRICE_KINDS, nullable=False)
    usd_per_accelerator_hour_p10 = dy.Float64(nullable=False, min_exclusive=0)
    usd_per_accelerator_hour_p50 = dy.Float64(nullable=False, min_exclusive=0)
    usd_per_accelerator_hour_p90 = dy.Float64(nullable=False, min_exclusive=0)
    n_offers = dy.Int64(nullable=False, min=1)
    n_snapshots = dy.Int64(nullable=False, min=1)
    n_sources = dy.Int64(nullable=False, min=1)

    @dy.rule()
    def quantiles_rise(cls) -> pl.Expr:
        """A higher share of the offers is never reached at a lower price."""
        names = [f"usd_per_accelerator_hour_p{p}" for p in PERCENTILES]
        return pl.all_horizontal(pl.col(a) <= pl.col(b) for a, b in pairwise(names))

    @dy.rule()
    def one_row_a_market(cls) -> pl.Expr:
        """Asks, bids, rewards and lists stand in rows of their own."""
        return pl.struct(_KEY).is_unique()


def price_history(
    store: Store,
    *,
    networks: Collection[str] = (),
    accelerators: Collection[str] = (),
    terms: Collection[str] = (),
    every: Period = "1d",
    since: datetime | None = None,
    before: datetime | None = None,
) -> dy.DataFrame[PriceHistory]:
    """Quantiles of the stored prices of every market, period by period.

    Parameters
    ----------
    store : Store
        Whose history; files that are missing or cut off are left out with a warning.
    networks, accelerators, terms : collection of str
        Only these; all where none is named.
    every : {"1d", "1w", "1mo"}
        Length of a period: days, weeks from Monday, or months of UTC, by when a snapshot was collected.
    since, before : datetime, optional
        Only what was collected from ``since`` on and before ``before``.

    Returns
    -------
    DataFrame[PriceHistory]
        Sorted by its key. A period without a snapshot has no rows: a gap is no price.

    Raises
    ------
    ModelDomainError
        If ``every`` is no such period.
    StoreError
        If the place can't be listed, or a file that should be whole can't be read.

    Notes
    -----
    The price at share q is the lowest at which offers up to it are a share q of all, so each quantile is a price
    somebody asked. Every offer counts alike here, whatever it holds: what is on offer at a time, and so the weight that
    `market_statistics` gives an offer, is told by few sources and by none in an archive.

    Left out are rows without a comparable price and capacity that is resold (``upstream``). As in
    `without_double_counting`, a catalogue's rows count only where nobody tells of that network, chip and terms first
    hand in the period, and then those of one catalogue.

    Examples
    --------
    >>> price_history(Store("no such folder"), every="1mo").height
    0
    """
    if every not in EVERY:
        raise ModelDomainError(f"every is {every!r}, expected one of {', '.join(EVERY)}")
    by_period: dict[date, list[Snapshot]] = defaultdict(list)
    for snapshot in store.snapshots(since=since, before=before):
        by_period[_period(date.fromisoformat(snapshot.id[:10]), every)].append(snapshot)
    wanted = {"network": networks, "accelerator": accelerators, "terms": terms}
    conditions = [pl.col(name).is_in(list(values)) for name, values in wanted.items() if values]
    counts = pl.DataFrame(
        [(period, len(snapshots)) for period, snapshots in by_period.items()],
        schema={"period": pl.Date, "n_snapshots": pl.Int64},
        orient="row",
    )
    found = [pl.DataFrame(schema=PriceHistory.create_empty().schema).drop("n_snapshots")]
    try:
        for rows in store.scans("offers", _batches(by_period)):
            found.append(_spread(rows.filter(*conditions), every))
    except pl.exceptions.PolarsError as error:
        raise StoreError(
            f"{store.place.name}: its offers can't be read ({error}); `depin-compare history verify` names the file"
        ) from error
    every_period = pl.concat(found, how="vertical_relaxed").join(counts, on="period", how="left")
    return PriceHistory.validate(every_period.select(PriceHistory.column_names()).sort(_KEY), cast=True)


def _period(day: date, every: str) -> date:
    if every == "1w":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if every == "1mo" else day


def _batches(by_period: dict[date, list[Snapshot]]) -> Iterator[list[Snapshot]]:
    """Whole periods, oldest first, as many as go together."""
    batch: list[Snapshot] = []
    rows = 0
    for _, snapshots in sorted(by_period.items()):
        more = sum((file.rows or 0) for s in snapshots if (file := s.manifest.tables.get("offers")) is not None)
        if batch and rows + more > ROWS_AT_ONCE:
            yield batch
            batch, rows = [], 0
        batch, rows = [*batch, *snapshots], rows + more
    if batch:
        yield batch


def _spread(rows: pl.LazyFrame, every: str) -> pl.DataFrame:
    price, source = pl.col("usd_per_accelerator_hour"), pl.col("source")
    rank = pl.lit(0, pl.Int8)
    for place, catalogue in enumerate(CATALOGUES, 1):
        rank = pl.when(source == catalogue).then(pl.lit(place, pl.Int8)).otherwise(rank)
    words = [name for name in _KEY if name != "period"]
    spread = (
        rows.filter(pl.col("not_comparable").is_null(), pl.col("upstream").is_null(), price.is_not_null())
        .select(pl.col("date").dt.truncate(every).alias("period"), *words, rank.alias("rank"), price, source)
        # Millions of words are grouped by their numbers a fifth faster than by their letters.
        .with_columns(pl.col(*words, "source").cast(pl.Categorical))
        .group_by(*_KEY, "rank")
        .agg(
            *(price.quantile(p / 100, "equiprobable").alias(f"usd_per_accelerator_hour_p{p}") for p in PERCENTILES),
            pl.len().cast(pl.Int64).alias("n_offers"),
            source.n_unique().cast(pl.Int64).alias("n_sources"),
        )
        .collect(engine="streaming")
        .with_columns(pl.col(words).cast(pl.String))
    )
    subject = ["period", "network", "accelerator", "terms", pl.col("price_kind") == "reward"]
    best = pl.col("rank") == pl.col("rank").min().over(subject)
    return spread.filter(best).drop("rank")
