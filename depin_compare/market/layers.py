"""Layers of data: live before stored before the reference prices that ship with the package.

A stored answer beyond its limit (`depin_compare.market.freshness`) stands before a reference row only while it is the
newer of the two.
"""

from __future__ import annotations

import dataframely as dy
import polars as pl

from depin_compare.market.discrepancies import CATALOGUES
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.freshness import Ages
from depin_compare.market.offers import Offers
from depin_compare.market.token_prices import TokenPrices

__all__ = ["layered_facts", "layered_offers", "layered_token_prices", "unlayered_offers"]

_FACT_KEY = ["network", "metric", "subject"]


def layered_offers(
    live: dy.DataFrame[Offers],
    stored: dy.DataFrame[Offers],
    reference: dy.DataFrame[Offers],
    *,
    ages: Ages | None = None,
) -> dy.DataFrame[Offers]:
    """One layer a source, one reference a network.

    Parameters
    ----------
    live, stored, reference : DataFrame[Offers]
        What answered now; the newest stored answer of each source; the dated prices of the package.
    ages : Ages, optional
        With them, stored rows of a network that are expired give way where the package has a newer price of it.

    Returns
    -------
    DataFrame[Offers]
        All live rows; stored rows of sources that gave nothing live; reference rows of networks that neither
        speaks of first-hand (a catalogue that lists ten of a cloud's machines says nothing of its other chips;
        `without_double_counting` settles what both price). A source's layers are never mixed: half of yesterday's
        catalogue beside half of today's would look like a market that never was.
    """
    older = _silent(stored, live)
    if ages is not None:
        older = _not_outlived(older, reference, ages.offers(older), ["network"])
    first_hand = ~pl.col("source").is_in(CATALOGUES)
    known = pl.concat([frame.filter(first_hand).select("network") for frame in (live, older)]).unique()
    rest = reference.join(known, on="network", how="anti")
    return Offers.validate(pl.concat([live, older, rest]).sort("source", "offer_id"))


def unlayered_offers(
    live: dy.DataFrame[Offers], stored: dy.DataFrame[Offers], reference: dy.DataFrame[Offers]
) -> dy.DataFrame[Offers]:
    """All that is told now, with the dated prices beside it: what `discrepancies` compares.

    Unlike `layered_offers`, reference rows stay also where a better source speaks of their network.
    """
    return Offers.cast(pl.concat([live, _silent(stored, live), reference]).sort("layer", "source", "offer_id"))


def layered_token_prices(
    live: dy.DataFrame[TokenPrices],
    stored: dy.DataFrame[TokenPrices],
    reference: dy.DataFrame[TokenPrices],
    *,
    ages: Ages | None = None,
) -> dy.DataFrame[TokenPrices]:
    """All live rows, stored rows of sources that gave nothing live, and every dated price of the package.

    The dated prices stay beside newer ones, being the trend; `cheapest_per_host` takes the best layer of each host.
    """
    older = _silent(stored, live)
    if ages is not None:
        older = _not_outlived(older, reference, ages.token_prices(older), ["provider", "llm"])
    frame = pl.concat([live, older, reference])
    return TokenPrices.validate(frame.sort("source", "provider", "model_id", "variant", "observed_at"))


def _silent(stored: pl.DataFrame, live: pl.DataFrame) -> pl.DataFrame:
    """Stored rows of sources that gave nothing live."""
    return stored.join(live.select("source").unique(), on="source", how="anti")


def _not_outlived(stored: pl.DataFrame, reference: pl.DataFrame, judged: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Stored rows but those of keys all of whose rows are expired, and of which the package knows something newer."""
    packaged = reference.group_by(key).agg(pl.col("observed_at").max().alias("packaged_at"))
    outlived = (
        judged.group_by(key)
        .agg((pl.col("freshness") == "expired").all().alias("expired"), pl.col("observed_at").max())
        .join(packaged, on=key, how="inner", nulls_equal=True)
        .filter(pl.col("expired"), pl.col("packaged_at") > pl.col("observed_at"))
    )
    return stored.join(outlived, on=key, how="anti", nulls_equal=True)


def layered_facts(
    live: dy.DataFrame[NetworkFacts],
    stored: dy.DataFrame[NetworkFacts],
    reference: dy.DataFrame[NetworkFacts],
    *,
    ages: Ages | None = None,
) -> dy.DataFrame[NetworkFacts]:
    """The best layer of every network x metric x subject, all rows of that layer."""
    older: pl.DataFrame = stored
    if ages is not None:
        older = _not_outlived(stored, reference, ages.facts(stored), _FACT_KEY)
    ranked = pl.concat(
        [frame.with_columns(pl.lit(rank).alias("rank")) for rank, frame in enumerate((live, older, reference))]
    )
    best = ranked.filter(pl.col("rank") == pl.col("rank").min().over(_FACT_KEY))
    return NetworkFacts.validate(best.drop("rank").sort("network", "metric", "subject", "observed_at", "source"))
