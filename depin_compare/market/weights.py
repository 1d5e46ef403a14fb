"""How much an offer counts, and quantiles of prices under such weights."""

from __future__ import annotations

import polars as pl

__all__ = ["offer_weight", "weighted_quantile"]


def offer_weight() -> pl.Expr:
    """The accelerators an offer stands for: free ones where known, else all, else those it is sold in.

    So one large provider counts as large, and one fat-fingered card as one card.
    """
    return pl.coalesce(
        pl.when(pl.col("available") > 0).then("available"),
        pl.when(pl.col("total") > 0).then("total"),
        "accelerator_count",
    )


def weighted_quantile(price: pl.Expr, weight: pl.Expr, percent: int) -> pl.Expr:
    """The price below which a share of the weight is asked, of rows sorted by price within their group.

    Parameters
    ----------
    price : Expr
        Rising. [USD per accelerator-hour]
    weight : Expr
        Whole numbers above 0.
    percent : int
        Above 0, below 100.

    Notes
    -----
    The lowest price at which the offers up to it hold the share; where they hold it exactly, halfway to the next, as
    definition 2 of [1]_. Of two equal offers the median is therefore their mean, and favours neither.

    References
    ----------
    .. [1] R. J. Hyndman and Y. Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50 (1996),
       361-365, doi:10.1080/00031305.1996.10473566.

    Examples
    --------
    >>> frame = pl.DataFrame({"usd": [1.0, 2.0, 4.0], "n": [1, 1, 2]})
    >>> frame.select(p50=weighted_quantile(pl.col("usd"), pl.col("n"), 50)).item()
    3.0
    >>> frame.head(2).select(p25=weighted_quantile(pl.col("usd"), pl.col("n"), 25)).item()
    1.0
    """
    held, share = weight.cum_sum() * 100, weight.sum() * percent
    return (price.filter(held >= share).first() + price.filter(held > share).first()) / 2
