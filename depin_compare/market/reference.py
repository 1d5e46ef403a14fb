"""The dated prices and facts that ship with the package, in the frames everything else reads."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import TypeVar

import dataframely as dy
import polars as pl

from depin_compare import refdata
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import Offers

__all__ = ["reference_facts", "reference_offers"]

# Rows that differ in one of these are different prices; of rows that don't, the newest day counts.
PRICE_KEY = ("network", "accelerator", "terms", "tier", "price_kind")
FACT_KEY = ("network", "metric", "subject", "unit")
# A rule holds from its first to its last day; anything else is what somebody saw on a day.
RULE_KINDS = ("protocol", "published")

_Schema = TypeVar("_Schema", bound=dy.Schema)


def reference_offers(networks: Collection[str] | None = None, as_of: date | None = None) -> dy.DataFrame[Offers]:
    """Give the packaged prices as offers of layer ``reference``, each observed on its own day.

    Parameters
    ----------
    networks : collection of str, optional
        Only these networks; all when not given.
    as_of : date, optional
        Leave out what was seen later; no limit when not given.

    Returns
    -------
    dy.DataFrame[Offers]
        The newest day of each (network, accelerator, terms, tier, price kind), whatever the region: a price of another
        region and another year is no price of today. Rows of the same
        day stay side by side: the ends of a range, or one machine in several sizes.
    """
    frame: pl.DataFrame = refdata.reference_prices()
    if networks is not None:
        frame = frame.filter(pl.col("network").is_in(list(networks)))
    if as_of is not None:
        frame = frame.filter(pl.col("as_of") <= as_of)
    frame = frame.filter(pl.col("as_of") == pl.col("as_of").max().over(PRICE_KEY))
    chips = refdata.accelerators().select("accelerator", "memory_gib")
    segments = refdata.networks().select("network", "segment")
    frame = frame.join(chips, on="accelerator", how="left").join(segments, on="network", how="left")
    return _as(
        Offers,
        frame.with_columns(
            source=pl.col("network"), layer=pl.lit("reference"), observed_at=_midnight(pl.col("as_of"))
        ).sort("network", "offer_id"),
    )


def reference_facts(as_of: date | None = None) -> dy.DataFrame[NetworkFacts]:
    """Give the packaged facts about networks that hold on a day.

    Parameters
    ----------
    as_of : date, optional
        The day; the newest day of the table when not given.

    Returns
    -------
    dy.DataFrame[NetworkFacts]
        Rules (protocol, published) in force that day, and the newest of everything that was observed or
        claimed up to that day. An observation over a period is dated to the end of the period.
    """
    frame: pl.DataFrame = refdata.network_facts().filter(pl.col("value").is_not_null())
    day = as_of if as_of is not None else frame.select(pl.col("as_of").max()).item()
    starts, ends = pl.col("valid_from"), pl.col("valid_to")
    rule = pl.col("kind").is_in(RULE_KINDS)
    in_force = (starts.is_null() | (starts <= day)) & (ends.is_null() | (ends >= day))
    seen_on = pl.coalesce(ends, "as_of")
    frame = frame.with_columns(
        rule=rule,
        rank=pl.when(rule).then(pl.coalesce(starts, pl.date(1970, 1, 1))).otherwise(seen_on),
        day=pl.when(rule).then(pl.min_horizontal("as_of", pl.lit(day))).otherwise(seen_on),
    ).filter(pl.when("rule").then(in_force).otherwise((starts.is_null() | (starts <= day)) & (seen_on <= day)))
    frame = frame.filter(pl.col("rank") == pl.col("rank").max().over(*FACT_KEY, "rule"))
    titles = refdata.sources().select("source_id", source_url=pl.coalesce("url", "title"))
    return _as(
        NetworkFacts,
        frame.join(titles, on="source_id", how="left")
        .with_columns(source=pl.col("source_id"), layer=pl.lit("reference"), observed_at=_midnight(pl.col("day")))
        .sort("network", "metric", "subject", "unit", "value"),
    )


def _midnight(day: pl.Expr) -> pl.Expr:
    return day.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _as(schema: type[_Schema], frame: pl.DataFrame) -> dy.DataFrame[_Schema]:
    """The columns of `schema`, missing ones null, validated."""
    types = schema.create_empty().schema
    columns = [
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name) for name, kind in types.items()
    ]
    return schema.validate(frame.select(columns))
