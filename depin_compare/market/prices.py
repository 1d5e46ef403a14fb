"""What a network asks for an accelerator-hour: one market price out of many offers."""

from __future__ import annotations

from collections.abc import Collection

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.market.discrepancies import without_double_counting
from depin_compare.market.freshness import AGE_COLUMNS, FRESHNESS, FRESHNESS_TYPE, Ages
from depin_compare.market.offers import LAYERS, PRICE_KINDS, RENTER_PRICE_KINDS, Offers
from depin_compare.market.weights import offer_weight, weighted_quantile
from depin_compare.refdata import KINDS

__all__ = ["MarketPrices", "market_prices"]


class MarketPrices(Schema):
    """One row a network x accelerator x terms, over the offers a renter can take and nobody resells.

    ``source`` is the source, or the id of the sources table for a reference price; it, the day and the rest are
    those of the offer in the middle. ``n_sources`` and ``oldest_observed_at`` are of all its offers.

    ``usd_per_accelerator_hour`` is the median weighted by accelerators on offer; ``low`` and ``high`` are the
    cheapest and the dearest offer (equal to it where there is one). ``freshness`` and the ages beside it are those of
    the stalest offer; null where nobody judged them.
    """

    network = dy.String(nullable=False)
    segment = dy.String(nullable=False)
    accelerator = dy.String(nullable=False)
    terms = dy.String(nullable=False)
    usd_per_accelerator_hour = dy.Float64(nullable=False, min_exclusive=0)
    usd_per_accelerator_hour_low = dy.Float64(nullable=False, min_exclusive=0)
    usd_per_accelerator_hour_high = dy.Float64(nullable=False, min_exclusive=0)
    n_offers = dy.Int64(nullable=False, min=1)
    n_accelerators = dy.Int64(nullable=True, min=0)
    price_kind = dy.Enum(PRICE_KINDS, nullable=False)
    region = dy.String(nullable=True)
    observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=False)
    layer = dy.Enum(LAYERS, nullable=False)
    kind = dy.Enum(KINDS, nullable=False)
    source = dy.String(nullable=False)
    source_url = dy.String(nullable=False)
    # Null in an analysis saved by a version that did not know them.
    n_sources = dy.Int64(nullable=True, min=1)
    oldest_observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)
    age_days = dy.Float64(nullable=True, min=0)
    expected_age_days = dy.Float64(nullable=True, min_exclusive=0)
    limit_age_days = dy.Float64(nullable=True, min_exclusive=0)
    freshness = dy.Enum(FRESHNESS, nullable=True)


# A freshness weighs more than any age.
_STALEST = (pl.col("freshness").to_physical().cast(pl.Float64) * 1e9 + pl.col("age_days")).fill_null(-1.0).arg_max()
_KEY = ["network", "segment", "accelerator", "terms"]


def _judged(offers: pl.DataFrame, ages: Ages | None) -> pl.DataFrame:
    """With the columns of age; null ones where nobody judges."""
    if ages is not None:
        return ages.offers(offers)
    unknown = [pl.lit(None, dtype=pl.Float64).alias(c) for c in AGE_COLUMNS[:-1]]
    return offers.with_columns(*unknown, pl.lit(None, dtype=FRESHNESS_TYPE).alias("freshness"))


def _machines() -> pl.Expr:
    """Accelerators of each machine once, however many products it is offered as."""
    machine = pl.coalesce("machine_id", "offer_id")
    return pl.coalesce("total", "available").filter(machine.is_first_distinct())


def market_prices(
    offers: dy.DataFrame[Offers], *, terms: Collection[str] = ("on_demand",), ages: Ages | None = None
) -> dy.DataFrame[MarketPrices]:
    """One market price a network x accelerator x terms.

    Parameters
    ----------
    offers : DataFrame[Offers]
        Any mix of networks, sources and layers; `without_double_counting` decides between them.
    terms : collection of str
        Terms to keep.
    ages : Ages, optional
        With them every price has its freshness, and expired offers are left out wherever another offer of the same
        network, chip and terms is not expired.

    Returns
    -------
    DataFrame[MarketPrices]
        Sorted by network and accelerator. Left out: what the host is paid (``reward``), capacity resold from
        elsewhere (``upstream``), rows marked not comparable, indicative figures wherever the network has a firm
        price for the same chip, and offers known to be taken wherever another is known to be free.

    Notes
    -----
    The median is weighted by the accelerators each offer stands for, see `market.weights`; halfway between two offers
    where half of the accelerators are asked at either side. The offer in the middle is then the cheaper of the two.
    """
    firm = pl.col("price_kind") != "indicative"
    price = pl.col("usd_per_accelerator_hour")
    believed = without_double_counting(offers if ages is None else ages.without_expired(offers))
    kept = (
        _judged(believed, ages)
        .lazy()
        .filter(
            pl.col("terms").is_in(list(terms)),
            pl.col("price_kind").is_in(RENTER_PRICE_KINDS),
            pl.col("upstream").is_null(),
            pl.col("not_comparable").is_null(),
        )
        .filter(firm | ~firm.any().over(_KEY))
        .filter(
            (pl.col("available") != 0) | pl.col("available").is_null() | ~(pl.col("available") > 0).any().over(_KEY)
        )
        .sort(
            [*_KEY, "usd_per_accelerator_hour", "observed_at", "source", "offer_id"],
            descending=[False] * (len(_KEY) + 1) + [True, False, False],  # of equal prices the newest stands for both
        )
        .with_columns(offer_weight().alias("weight"))
        .with_columns(pl.col("weight").cum_sum().over(_KEY).alias("below"))
    )
    said_by = pl.coalesce("source_id", "source")
    middle = pl.col("below") * 2 >= pl.col("weight").sum()
    frame = (
        kept.group_by(_KEY, maintain_order=True)
        .agg(
            weighted_quantile(price, pl.col("weight"), 50),
            price.min().alias("usd_per_accelerator_hour_low"),
            price.max().alias("usd_per_accelerator_hour_high"),
            pl.len().cast(pl.Int64).alias("n_offers"),
            _machines().sum().alias("n_accelerators"),
            *(pl.col(c).filter(middle).first() for c in ("price_kind", "region", "layer", "source_url", "observed_at")),
            said_by.filter(middle).first().alias("source"),
            said_by.n_unique().cast(pl.Int64).alias("n_sources"),
            pl.col("observed_at").min().alias("oldest_observed_at"),
            pl.col("kind").cast(pl.String).fill_null("published").filter(middle).first(),
            *(pl.col(c).get(_STALEST) for c in AGE_COLUMNS),
        )
        .with_columns(pl.when(pl.col("n_accelerators") > 0).then("n_accelerators").alias("n_accelerators"))
        .sort("network", "accelerator", "terms")
        .collect()
    )
    return MarketPrices.validate(frame, cast=True)
