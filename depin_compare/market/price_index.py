"""How prices moved with the composition held fixed: a chained index of matched prices.

Each period is compared with the one before on the things that were priced in both; a provider that joins or leaves
is in neither comparison, so that its price level can't look like a price change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.errors import ModelDomainError, StoreError
from depin_compare.market.discrepancies import CATALOGUES

if TYPE_CHECKING:
    from depin_compare.market.store import Store

__all__ = ["INDEX_PERIODS", "IndexPeriod", "PriceIndex", "price_index", "stored_index", "stored_token_index"]

IndexPeriod = Literal["1d", "1w", "1mo"]
INDEX_PERIODS: tuple[str, ...] = get_args(IndexPeriod)
BY = ("network", "segment", "accelerator", "terms")
# What makes two sightings the same thing on the same terms.
ITEM = ("source", "network", "accelerator", "terms", "tier", "price_kind", "region", "accelerator_count", "offer_id")


class PriceIndex(Schema):
    """A chained index of matched prices: one row a series and period in which something was priced.

    ``period`` is its first day. ``index`` is 1 in the first period of its ``chain``; ``relative`` is what it was
    multiplied by since the period before, null where a chain begins: nothing of the period before was priced again,
    so that what lies between two chains is not known. ``n_items`` were priced, ``n_matched`` of them also before.
    """

    series = dy.String(nullable=False, primary_key=True)
    period = dy.Date(nullable=False, primary_key=True)
    chain = dy.Int64(nullable=False, min=1)
    index = dy.Float64(nullable=False, min_exclusive=0)
    relative = dy.Float64(nullable=True, min_exclusive=0)
    n_items = dy.Int64(nullable=False, min=1)
    n_matched = dy.Int64(nullable=False, min=0)


def price_index(
    rows: pl.DataFrame | pl.LazyFrame,
    *,
    by: Sequence[str] = BY,
    item: Sequence[str] = ITEM,
    price: str = "usd_per_accelerator_hour",
    observed: str = "observed_at",
    every: str = "1mo",
    until_seen_again: bool = False,
) -> dy.DataFrame[PriceIndex]:
    r"""Chained Jevons index of matched prices, a series for each value of ``by``.

    Parameters
    ----------
    rows : DataFrame or LazyFrame
        One sighting of a price a row, in any order; rows without a price are left out.
    by : sequence of str
        Columns that tell the series apart; the name of a series is their values in a row.
    item : sequence of str
        Columns that make two sightings the same thing on the same terms; those the rows do not have are passed over.
    price, observed : str
        Columns of the price, > 0 in one unit, and of the day or time it was seen.
    every : {"1d", "1w", "1mo"}
        Length of a period: days, weeks from Monday, or months.
    until_seen_again : bool
        Of price lists: what was seen once and again later stood in between at the price first seen, and a change is
        dated to the period in which it was first seen. Nothing is carried beyond its last sighting.

    Returns
    -------
    DataFrame[PriceIndex]
        Sorted by series and period. A period without a price has no row.

    Raises
    ------
    ModelDomainError
        If ``every`` is no such period.

    Notes
    -----
    With :math:`M_t` the items priced in period t and in the series' period before it, and an item's price the
    geometric mean of its sightings in the period,

    .. math:: I_t = I_{t-1} \prod_{i \in M_t} (p_{i,t} / p_{i,t-1})^{1/|M_t|}

    Every item counts alike: what is on offer, let alone rented, is told by few sources. A new model or machine that
    comes at a lower price for the same work moves nothing: the index understates the fall of a fixed capability.

    Examples
    --------
    >>> from datetime import date
    >>> rows = pl.DataFrame({
    ...     "network": ["x", "x", "x"], "offer_id": ["a", "a", "newcomer"],
    ...     "price": [2.0, 1.8, 0.1], "seen": [date(2026, 1, 5), date(2026, 2, 5), date(2026, 2, 6)],
    ... })
    >>> price_index(rows, by=["network"], item=["offer_id"], price="price", observed="seen")["index"].to_list()
    [1.0, 0.9]
    """
    if every not in INDEX_PERIODS:
        raise ModelDomainError(f"every is {every!r}, expected one of {', '.join(INDEX_PERIODS)}")
    sightings = _by_period(rows.lazy(), by=by, item=item, price=price, observed=observed, every=every).collect()
    return _chained(sightings, until_seen_again=until_seen_again)


def stored_index(
    store: Store,
    *,
    networks: Collection[str] = (),
    accelerators: Collection[str] = (),
    terms: Collection[str] = (),
    by: Sequence[str] = BY,
    every: str = "1mo",
    since: datetime | None = None,
    before: datetime | None = None,
) -> dy.DataFrame[PriceIndex]:
    """The index of the offers a store holds; the whole need not fit into memory, and no price is read twice.

    Parameters
    ----------
    store : Store
        Whose history; files that are missing, cut off or changed are left out with a warning.
    networks, accelerators, terms : collection of str
        Only these; all where none is named.
    by, every
        As in `price_index`.
    since, before : datetime, optional
        Only what was collected from ``since`` on and before ``before``, days of UTC.

    Returns
    -------
    DataFrame[PriceIndex]
        Left out are prices that are not comparable, rewards, and capacity that is resold (``upstream``). A
        catalogue's rows count only where nobody tells of that network, chip and terms first hand in the period.

    Raises
    ------
    ModelDomainError
        If ``every`` is no such period.
    StoreError
        If the place can't be listed, or a file that should be whole can't be read.

    Examples
    --------
    >>> from depin_compare.market.store import Store
    >>> stored_index(Store("no such folder")).height
    0
    """
    wanted = {"network": networks, "accelerator": accelerators, "terms": terms}
    conditions = [pl.col(name).is_in(list(values)) for name, values in wanted.items() if values]
    conditions += [
        pl.col("not_comparable").is_null(), pl.col("upstream").is_null(), pl.col("price_kind") != "reward",
    ]  # fmt: skip
    return _walked(
        store, "offers", lambda rows: rows.filter(*conditions), every=every, since=since, before=before,
        by=by, item=ITEM, price="usd_per_accelerator_hour", market=("network", "accelerator", "terms"),
    )  # fmt: skip


def stored_token_index(
    store: Store,
    classes: pl.DataFrame,
    *,
    every: str = "1mo",
    input_tokens_per_output: float = 2.0,
    since: datetime | None = None,
    before: datetime | None = None,
) -> dy.DataFrame[PriceIndex]:
    """The index of the token prices a store holds, a series a class, matched by source, host, model and variant.

    Parameters
    ----------
    store, every, since, before
        As in `stored_index`.
    classes : DataFrame
        ``model_id`` and ``llm`` of the models to count, and their ``llm_class``.
    input_tokens_per_output : float
        The price is that of a million output tokens with this many times their prompts, >= 0.
    """
    known = classes.lazy().select("model_id", "llm", "llm_class")

    def priced(rows: pl.LazyFrame) -> pl.LazyFrame:
        both = pl.col("usd_per_mtok_output") + input_tokens_per_output * pl.col("usd_per_mtok_input")
        return rows.join(known, on=["model_id", "llm"], nulls_equal=True).with_columns(usd_per_mtok=both)

    return _walked(
        store, "token_prices", priced, every=every, since=since, before=before, by=["llm_class"],
        item=("source", "provider", "model_id", "variant"), price="usd_per_mtok",
    )  # fmt: skip


def _walked(
    store: Store,
    table: str,
    prepared: Callable[[pl.LazyFrame], pl.LazyFrame],
    *,
    every: str,
    since: datetime | None,
    before: datetime | None,
    **columns: Any,
) -> dy.DataFrame[PriceIndex]:
    """The index of a stored table, about a month of rows at a time: what is kept of it is a number an item."""
    if every not in INDEX_PERIODS:
        raise ModelDomainError(f"every is {every!r}, expected one of {', '.join(INDEX_PERIODS)}")
    parts = [pl.DataFrame(schema={"series": pl.String, "period": pl.Date, "item": pl.UInt64, "log": pl.Float64})]
    try:
        for start, end in _windows(store, every, since, before):
            rows = prepared(store.scan(table, since=start, before=end))
            parts.append(_by_period(rows, observed="date", every=every, **columns).collect(engine="streaming"))
    except pl.exceptions.PolarsError as error:
        raise StoreError(
            f"{store.place.name}: its {table} can't be read ({error}); `depin-compare history verify` names the file"
        ) from error
    return _chained(pl.concat(parts, how="vertical_relaxed"), until_seen_again=False)


def _windows(
    store: Store, every: str, since: datetime | None, before: datetime | None
) -> list[tuple[datetime, datetime]]:
    """Spans of about a month that hold a snapshot and cut no period in two."""
    found: dict[datetime, datetime] = {}
    for snapshot in store.snapshots(since=since, before=before):
        day = snapshot.observed_at.replace(hour=0, minute=0, second=0, microsecond=0)
        if every == "1w":
            start = day - timedelta(days=(day.toordinal() - 1) % 28)  # day 1 of the calendar was a Monday
            end = start + timedelta(days=28)
        else:
            start = day.replace(day=1)
            end = (start + timedelta(days=32)).replace(day=1)
        found[start] = end
    return [(max(start, since or start), min(end, before or end)) for start, end in sorted(found.items())]


def _by_period(
    rows: pl.LazyFrame,
    *,
    by: Sequence[str],
    item: Sequence[str],
    price: str,
    observed: str,
    every: str,
    market: Sequence[str] = (),
) -> pl.LazyFrame:
    """Series, period, item (as a number) and the mean log price; of a ``market`` the best kind of source only."""
    there = rows.collect_schema()
    for column in (*by, price, observed):
        if column not in there:
            raise ModelDomainError(f"rows have no column {column}; there are {', '.join(there.names())}")
    parts = [name for name in item if name in there]
    words = [pl.col(name).cast(pl.String) for name in by]
    rank = pl.lit(0, pl.Int8)
    if market:
        for place, catalogue in enumerate(CATALOGUES, 1):
            rank = pl.when(pl.col("source") == catalogue).then(pl.lit(place, pl.Int8)).otherwise(rank)
    key = ["series", "period", "item"]
    found = (
        rows.filter(pl.col(price).is_not_null())
        .select(
            pl.concat_str([word.fill_null("-") for word in words], separator=" ").cast(pl.Categorical).alias("series"),
            pl.col(observed).cast(pl.Date).dt.truncate(every).alias("period"),
            # Sixty-four bits for a few ten thousand items: two of them share a number once in a billion stores.
            pl.struct(pl.col(name).cast(pl.String) for name in dict.fromkeys((*by, *parts))).hash().alias("item"),
            *([pl.struct(pl.col(name).cast(pl.String) for name in market).hash().alias("market")] if market else []),
            rank.alias("rank"),
            pl.col(price).cast(pl.Float64).log().alias("log"),
        )
        .group_by(*key, "rank", *(["market"] if market else []))
        .agg(pl.col("log").mean())
    )
    if market:
        found = found.filter(pl.col("rank") == pl.col("rank").min().over("period", "market"))
    return found.select(pl.col("series").cast(pl.String), "period", "item", "log")


def _chained(sightings: pl.DataFrame, *, until_seen_again: bool) -> dy.DataFrame[PriceIndex]:
    if until_seen_again:
        sightings = _filled_between(sightings)
    place = pl.col("period").rank("dense").over("series").cast(pl.Int64)
    relatives = (
        sightings.lazy()
        .with_columns(place.alias("place"))
        .sort("series", "item", "place")
        .with_columns(
            (pl.col("log") - pl.col("log").shift(1)).over("series", "item").alias("change"),
            (pl.col("place") - pl.col("place").shift(1)).over("series", "item").alias("waited"),
        )
        .with_columns(pl.when(pl.col("waited") == 1).then("change").alias("change"))
        .group_by("series", "period")
        .agg(
            # Sorted, so that the order of the rows can't show in the last digit.
            pl.col("change").sort().mean().alias("log_relative"),
            pl.len().cast(pl.Int64).alias("n_items"),
            pl.col("change").count().cast(pl.Int64).alias("n_matched"),
        )
        .sort("series", "period")
        .with_columns(pl.col("log_relative").is_null().cast(pl.Int64).cum_sum().over("series").alias("chain"))
        .with_columns(pl.col("log_relative").fill_null(0.0).cum_sum().over("series", "chain").exp().alias("index"))
        .with_columns(pl.col("log_relative").exp().alias("relative"))
        .select(PriceIndex.column_names())
        .collect()
    )
    return PriceIndex.validate(relatives, cast=True)


def _filled_between(sightings: pl.DataFrame) -> pl.DataFrame:
    """Each item in every period of its series between its first and its last sighting, at the price seen before."""
    periods = sightings.select("series", "period").unique()
    spans = sightings.group_by("series", "item").agg(
        pl.col("period").min().alias("first"), pl.col("period").max().alias("last")
    )
    return (
        spans.join(periods, on="series")
        .filter(pl.col("period").is_between("first", "last"))
        .join(sightings, on=["series", "item", "period"], how="left")
        .sort("series", "item", "period")
        .select("series", "period", "item", pl.col("log").forward_fill().over("series", "item"))
    )
