"""Which source is believed where several speak of the same thing, and where they disagree.

The rule, in this order: what a seller's own interface says before what a catalogue copied from it, a catalogue before
the dated prices of the package, and the newer before the older. It needs no column: a row is second-hand when its
source is one of `CATALOGUES`, and packaged when its layer says so.
"""

from __future__ import annotations

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.market.offers import LAYERS, RENTER_PRICE_KINDS, Offers

__all__ = ["CATALOGUES", "COMPARED_ON", "Discrepancies", "discrepancies", "without_double_counting"]

# Sources that copy other people's price lists; of two as new as each other, the one named first is used.
CATALOGUES = ("skypilot", "gpuhunt", "opencomputeprices")
# How closely two offers were matched, the closest first.
COMPARED_ON = ("machine and region", "tier and region", "region", "tier", "network")

_RANKS = _FIRST_HAND, _CATALOGUE, _REFERENCE = 0, 1, 2
_SUBJECT = ["network", "accelerator", "terms"]
_LEVELS: dict[str, tuple[str, ...]] = {
    "machine and region": ("machine_id", "region"),
    "tier and region": ("tier", "region"),
    "region": ("region",),
    "tier": ("tier",),
    "network": (),
}
_REASONS = {
    (_FIRST_HAND, _CATALOGUE): "the seller's own interface before a catalogue",
    (_FIRST_HAND, _REFERENCE): "the seller's own interface before the package's dated prices",
    (_CATALOGUE, _REFERENCE): "a catalogue before the package's dated prices",
}


class Discrepancies(Schema):
    """Two sources that disagree on one offer: which is used, what the other says, and why.

    ``compared_on`` tells how closely the two could be matched; prices are medians over what was matched.
    ``ratio`` is the other price over the one used.
    """

    network = dy.String(nullable=False)
    accelerator = dy.String(nullable=False)
    terms = dy.String(nullable=False)
    compared_on = dy.Enum(COMPARED_ON, nullable=False)
    machine_id = dy.String(nullable=True)
    tier = dy.String(nullable=True)
    region = dy.String(nullable=True)
    source_used = dy.String(nullable=False)
    layer_used = dy.Enum(LAYERS, nullable=False)
    observed_at_used = dy.Datetime(time_zone="UTC", time_unit="us", nullable=False)
    usd_per_accelerator_hour_used = dy.Float64(nullable=False, min_exclusive=0)
    source_other = dy.String(nullable=False)
    layer_other = dy.Enum(LAYERS, nullable=False)
    observed_at_other = dy.Datetime(time_zone="UTC", time_unit="us", nullable=False)
    usd_per_accelerator_hour_other = dy.Float64(nullable=False, min_exclusive=0)
    ratio = dy.Float64(nullable=False, min_exclusive=0)
    reason = dy.String(nullable=False)


def without_double_counting(offers: dy.DataFrame[Offers]) -> dy.DataFrame[Offers]:
    """Leave every piece of capacity once: from the source that is believed, at its owner, as one machine.

    Parameters
    ----------
    offers : DataFrame[Offers]
        Any mix of sources and layers.

    Returns
    -------
    DataFrame[Offers]
        In the order given, without

        - capacity resold from elsewhere (``upstream``): it stands at its owner, or nowhere, and never counts as a
          decentralised network's own;
        - rows of a catalogue or of the package for a network, chip and terms that a better source covers with a
          price of the same side (what renters pay, or what hosts get); of several catalogues one is kept;
        - all but one of the offers of one machine at one source that differ only in how many of its cards they
          take: the largest stands for the machine, and of equally large ones the cheapest.

    Notes
    -----
    First-hand sources never displace each other: a network's console and its explorer are two views of one market,
    told apart by tier. Rows without a comparable price displace nothing and are displaced by nothing.
    """
    subject = [*_SUBJECT, "side"]
    machine = ["source", "network", "accelerator", "machine_id", "terms", "tier", "region", "price_kind", "layer"]
    # Narrow columns and row numbers: sorting and joining a million whole offers takes seconds.
    size = ["accelerator_count", "usd_per_accelerator_hour"]
    frame = (
        offers.lazy()
        .with_row_index("row")
        .filter(pl.col("upstream").is_null())
        .select("row", "offer_id", *dict.fromkeys([*_SUBJECT, *machine, *size]), "not_comparable", *_standing())
        .collect()
    )
    comparable = pl.col("not_comparable").is_null()
    apart = frame.filter(~comparable)
    frame = frame.filter(comparable)
    best = frame.filter(pl.col("rank") == pl.col("rank").min().over(subject))
    # Of one rank, catalogues compete with each other and first-hand sources do not.
    copied = best.filter(pl.col("rank") == _CATALOGUE)
    chosen = (
        copied.group_by([*subject, "source"])
        .agg(pl.col("day").max())
        .sort("day", _place_in_order(), descending=[True, False])
        .unique(subject, keep="first", maintain_order=True)
    )
    copied = copied.join(chosen, on=[*subject, "source"], how="semi")
    believed = pl.concat([best.filter(pl.col("rank") != _CATALOGUE), copied])
    twice = believed.filter(pl.col("machine_id").is_not_null() & pl.struct(machine).is_duplicated())
    smaller = twice.sort(*size, "offer_id", descending=[True, False, False]).filter(
        ~pl.struct(machine).is_first_distinct()
    )
    kept = pl.concat([apart["row"], believed.filter(~pl.col("row").is_in(smaller["row"].implode()))["row"]])
    return Offers.cast(offers[kept.sort()])


def discrepancies(offers: dy.DataFrame[Offers], *, tolerance: float = 0.10) -> dy.DataFrame[Discrepancies]:
    """Where two sources disagree on the same offer, which one is used, and why.

    Parameters
    ----------
    offers : DataFrame[Offers]
        All sources and layers, before anything is left out.
    tolerance : float
        Difference above which a pair is listed: the larger price over the smaller, less one. [fraction]

    Returns
    -------
    DataFrame[Discrepancies]
        For each network, chip and terms, every other source against the one used. The two are matched on machine
        and region where both name any in common, else on tier and region, on region, on tier, and as a last
        resort as whole markets; what hosts get, resold capacity and rows without a comparable price are left out.
        Largest disagreement first.
    """
    parties = (
        offers.lazy()
        .filter(
            pl.col("price_kind").is_in(RENTER_PRICE_KINDS),
            pl.col("upstream").is_null(),
            pl.col("not_comparable").is_null(),
        )
        .with_columns(*_standing(), pl.col("terms", "layer").cast(pl.String))
        .with_columns(pl.format("{}|{}", "source", "layer").alias("party"), _place_in_order().alias("place"))
        .collect()
    )
    used = (
        parties.sort("rank", "day", "place", "source", "layer", descending=[False, True, False, False, False])
        .unique(_SUBJECT, keep="first", maintain_order=True)
        .select(*_SUBJECT, "party")
    )
    mine = parties.join(used, on=[*_SUBJECT, "party"], how="semi")
    others = parties.join(used, on=[*_SUBJECT, "party"], how="anti")
    found: list[pl.DataFrame] = []
    for level, columns in _LEVELS.items():
        key = [*_SUBJECT, *columns]
        # A level counts where both name what it is about: two blanks are no region in common.
        told = [pl.col(name).is_not_null() for name in columns if name != "tier" or level == "tier"]
        pairs = (
            _medians(others.filter(*told), [*key, "party"], "other")
            .join(_medians(mine.filter(*told), key, "used"), on=key, how="inner", nulls_equal=True)
            .with_columns(pl.lit(level).alias("compared_on"))
        )
        found.append(pairs)
        others = others.join(pairs, on=[*_SUBJECT, "party"], how="anti")
    blanks = pl.DataFrame(schema=dict.fromkeys(("machine_id", "tier", "region"), pl.String))
    ratio = pl.col("usd_per_accelerator_hour_other") / pl.col("usd_per_accelerator_hour_used")
    size = pl.max_horizontal(ratio, 1 / ratio)
    frame = (
        pl.concat([blanks, *found], how="diagonal")
        .filter(size - 1 > tolerance)
        .with_columns(ratio.alias("ratio"), _reason().alias("reason"))
        .sort(size, *_SUBJECT, "source_other", "region", "machine_id", "tier", descending=[True, *[False] * 7])
    )
    return Discrepancies.validate(frame.select(Discrepancies.column_names()), cast=True)


def _standing() -> list[pl.Expr]:
    """How much a row is believed, its day, and whose side its price is of."""
    packaged = pl.col("layer") == "reference"
    return [
        pl.when(packaged)
        .then(_REFERENCE)
        .when(pl.col("source").is_in(CATALOGUES))
        .then(_CATALOGUE)
        .otherwise(_FIRST_HAND)
        .alias("rank"),
        pl.col("observed_at").dt.date().alias("day"),
        pl.when(pl.col("price_kind") == "reward").then(pl.lit("host")).otherwise(pl.lit("renter")).alias("side"),
    ]


def _place_in_order() -> pl.Expr:
    """Where a source stands among the catalogues."""
    places = {name: number for number, name in enumerate(CATALOGUES)}
    return pl.col("source").replace_strict(places, default=len(places), return_dtype=pl.Int64)


def _reason() -> pl.Expr:
    """Why the source used is used."""
    ranks = pl.col("rank_used") * len(_RANKS) + pl.col("rank_other")
    told = {used * len(_RANKS) + other: reason for (used, other), reason in _REASONS.items()}
    return (
        pl.when(pl.col("rank_used") != pl.col("rank_other"))
        .then(ranks.replace_strict(told, default=None, return_dtype=pl.String))
        .when(pl.col("observed_at_used").dt.date() > pl.col("observed_at_other").dt.date())
        .then(pl.lit("the newer before the older"))
        .otherwise(pl.lit("as new as each other: the one named first in the sources' order"))
    )


def _medians(rows: pl.DataFrame, key: list[str], side: str) -> pl.DataFrame:
    """One price a key: the median, with its newest moment and where it came from."""
    return rows.group_by(key, maintain_order=True).agg(
        pl.col("usd_per_accelerator_hour").median().alias(f"usd_per_accelerator_hour_{side}"),
        pl.col("observed_at").max().alias(f"observed_at_{side}"),
        *(pl.col(name).first().alias(f"{name}_{side}") for name in ("source", "layer", "rank")),
    )
