"""How the prices of one market are spread: quantiles, and which offers lie too far out to be believed."""

from __future__ import annotations

import math
from itertools import pairwise

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.errors import ModelDomainError
from depin_compare.market.discrepancies import without_double_counting
from depin_compare.market.offers import (
    LAYERS,
    MAX_USD_PER_ACCELERATOR_HOUR,
    MIN_USD_PER_ACCELERATOR_HOUR,
    PRICE_KINDS,
    SEGMENTS,
    TERMS,
    Offers,
)
from depin_compare.market.weights import offer_weight, weighted_quantile

__all__ = ["MarketStatistics", "marked_outliers", "market_statistics"]

_WIDEST = math.log(MAX_USD_PER_ACCELERATOR_HOUR / MIN_USD_PER_ACCELERATOR_HOUR)

PERCENTILES = (10, 25, 50, 75, 90)
FEWEST_TO_JUDGE = 5
LEAST_FACTOR = 2.0
# Makes the median absolute deviation estimate the standard deviation of normally distributed values.
MAD_TO_SIGMA = 1.4826

_KEY = ["network", "segment", "accelerator", "terms", "tier", "price_kind"]


class MarketStatistics(Schema):
    """Spread of prices, one row a network x accelerator x terms x tier x kind of price. [USD per accelerator-hour]

    The columns ending in ``p10`` to ``p90`` are the prices at which that share of the accelerators on offer is reached;
    ``low`` and ``high`` are the cheapest and the dearest offer (null in analyses saved before these were kept).
    ``n_offers`` counts every offer, marked or not; ``n_outliers`` those above ``outlier_factor`` times ``p50`` or below
    ``p50`` over it, which is null where too few offers are there to judge. ``n_accelerators`` adds up what sources tell
    of their offers, null where none of them tells. ``observed_at`` and ``layer`` are those of the oldest offer and of
    the least fresh.
    """

    network = dy.String(nullable=False)
    segment = dy.Enum(SEGMENTS, nullable=False)
    accelerator = dy.String(nullable=False)
    terms = dy.Enum(TERMS, nullable=False)
    tier = dy.String(nullable=True)
    price_kind = dy.Enum(PRICE_KINDS, nullable=False)
    usd_per_accelerator_hour_p10 = dy.Float64(nullable=False, min_exclusive=0)
    usd_per_accelerator_hour_p25 = dy.Float64(nullable=False, min_exclusive=0)
    usd_per_accelerator_hour_p50 = dy.Float64(nullable=False, min_exclusive=0)
    usd_per_accelerator_hour_p75 = dy.Float64(nullable=False, min_exclusive=0)
    usd_per_accelerator_hour_p90 = dy.Float64(nullable=False, min_exclusive=0)
    usd_per_accelerator_hour_low = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_accelerator_hour_high = dy.Float64(nullable=True, min_exclusive=0)
    n_offers = dy.Int64(nullable=False, min=1)
    n_outliers = dy.Int64(nullable=False, min=0)
    outlier_factor = dy.Float64(nullable=True, min_exclusive=1)
    n_accelerators = dy.Int64(nullable=True, min=0)
    observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=False)
    layer = dy.Enum(LAYERS, nullable=False)

    @dy.rule()
    def quantiles_rise(cls) -> pl.Expr:
        """A higher share of the market is never reached at a lower price."""
        names = [f"usd_per_accelerator_hour_p{p}" for p in PERCENTILES]
        return pl.all_horizontal(pl.col(a) <= pl.col(b) for a, b in pairwise(names))

    @dy.rule()
    def one_row_a_market(cls) -> pl.Expr:
        """Asks, bids, rewards and lists stand in rows of their own."""
        return pl.struct(_KEY).is_unique()


def market_statistics(
    offers: dy.DataFrame[Offers], *, minimum_reliability: float | None = None, k: float = 3.5
) -> dy.DataFrame[MarketStatistics]:
    r"""Quantiles of every market, weighted by what is on offer, and how many offers lie too far out.

    Parameters
    ----------
    offers : DataFrame[Offers]
        Any mix of networks, sources and layers; `without_double_counting` leaves each machine and each source's copy
        of it in once. Rows without a comparable price are left out.
    minimum_reliability : float, optional
        Leave out offers whose source tells a lower reliability, 0..1; those whose source tells none stay. [fraction]
    k : float
        How many robust standard deviations off an offer must lie to be marked, > 0. [-]

    Returns
    -------
    DataFrame[MarketStatistics]
        Sorted by its key. Asks, bids, rewards, lists and the rest are never mixed, and neither are tiers.

    Raises
    ------
    ModelDomainError
        If ``minimum_reliability`` is outside 0..1 or ``k`` is not a finite number above 0.

    Notes
    -----
    An offer weighs as many accelerators as are free, else as there are, else as it is sold in, as in
    `market.prices.market_prices`; offers known to be taken are left out wherever another of the same market is known
    to be free. Quantiles are those of `market.weights.weighted_quantile`.

    An offer at price p is marked where

    .. math:: |\ln p - \ln p_{50}| > \max(1.4826\,k\,\mathrm{MAD}, \ln 2)

    with MAD the plain median of the left side over the market's offers [1]_ [2]_: plain, since one large provider
    would otherwise make outliers of all the small ones. Half of the offers are within the MAD, so for k >= 1 never more
    than half are marked. A list with one price everywhere has a MAD of 0, and a price below twice or above
    half of the middle is no error in a market where regions differ by as much: hence the least factor of 2. Below
    five offers none is marked. Marked offers stay in: quantiles from 10 to 90% bear them.

    References
    ----------
    .. [1] B. Iglewicz and D. C. Hoaglin, "How to Detect and Handle Outliers", ASQC Basic References in Quality
       Control 16, 1993, pp. 11-13: modified z-score, marked above 3.5; restated in the NIST/SEMATECH e-Handbook,
       section 1.3.5.17, https://www.itl.nist.gov/div898/handbook/eda/section3/eda35h.htm.
    .. [2] C. Leys et al., "Detecting outliers: Do not use standard deviation around the mean, use absolute deviation
       around the median", J. Exp. Soc. Psychol. 49 (2013), 764-766, doi:10.1016/j.jesp.2013.03.013.
    """
    if minimum_reliability is not None and not 0 <= minimum_reliability <= 1:
        raise ModelDomainError(f"minimum_reliability is {minimum_reliability}, expected 0 to 1")
    if not (math.isfinite(k) and k > 0):
        raise ModelDomainError(f"k is {k}, expected a finite number above 0")
    wanted = pl.col("not_comparable").is_null()
    if minimum_reliability is not None:
        wanted &= pl.col("reliability").is_null() | (pl.col("reliability") >= minimum_reliability)
    free = pl.col("available") > 0
    price = pl.col("usd_per_accelerator_hour")
    counted = (
        without_double_counting(Offers.cast(offers.filter(wanted)))
        .lazy()
        .select(*_KEY, price, offer_weight().alias("weight"), "available", "total", "observed_at", "layer")
        .filter((pl.col("available") != 0) | pl.col("available").is_null() | ~free.any().over(_KEY))
        .sort(price)
    )
    weight = pl.col("weight")
    quantiles = [weighted_quantile(price, weight, percent).alias(f"_p{percent}") for percent in PERCENTILES]
    off = (price.log() - weighted_quantile(price, weight, 50).log()).abs()
    limit = pl.max_horizontal(MAD_TO_SIGMA * k * off.median(), pl.lit(math.log(LEAST_FACTOR)))
    judged = pl.len() >= FEWEST_TO_JUDGE
    frame = (
        counted.group_by(_KEY)
        .agg(
            *quantiles,
            price.min().alias("usd_per_accelerator_hour_low"),
            price.max().alias("usd_per_accelerator_hour_high"),
            pl.len().alias("n_offers"),
            pl.when(judged).then((off > limit).sum()).otherwise(0).alias("n_outliers"),
            # No two plausible prices lie farther apart: a wider limit marks nothing, and would not be a number.
            pl.when(judged).then(limit.clip(upper_bound=_WIDEST).exp()).alias("outlier_factor"),
            pl.coalesce("total", "available").sum().alias("n_accelerators"),
            pl.coalesce("total", "available").count().alias("told"),
            pl.col("observed_at").min(),
            pl.col("layer").max(),
        )
        .rename({f"_p{p}": f"usd_per_accelerator_hour_p{p}" for p in PERCENTILES})
        .with_columns(pl.when(pl.col("told") > 0).then("n_accelerators").alias("n_accelerators"))
        .select(MarketStatistics.column_names())
        .sort(_KEY)
        .collect()
    )
    return MarketStatistics.validate(frame, cast=True)


def marked_outliers(offers: dy.DataFrame[Offers], statistics: dy.DataFrame[MarketStatistics]) -> pl.DataFrame:
    """The offers as they came, each with ``outlier``: whether its price is beyond its market's limit.

    Parameters
    ----------
    offers : DataFrame[Offers]
        Any; as many rows come out as go in, in their order.
    statistics : DataFrame[MarketStatistics]
        From `market_statistics`.

    Returns
    -------
    DataFrame
        The columns of `Offers` and ``outlier``, null where there is no price or no limit to judge it by.
    """
    price, middle = pl.col("usd_per_accelerator_hour"), pl.col("usd_per_accelerator_hour_p50")
    limits = statistics.select(*_KEY, middle, "outlier_factor")
    joined = offers.join(limits, on=_KEY, how="left", nulls_equal=True, maintain_order="left")
    off = (price.log() - middle.log()).abs() > pl.col("outlier_factor").log()
    return joined.select(*offers.columns, off.alias("outlier"))
