"""What the clouds charge for an accelerator-hour, what it costs them, and either per unit of inference work.

Custom silicon nobody can rent (Maia 200) has no hourly price: its unit cost is the cloud's own NVIDIA unit
cost times the factor its maker claims, and carries the claim with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dataframely as dy
import polars as pl

from depin_compare.bands import Band
from depin_compare.doors import Schema
from depin_compare.inference.sellers import SELLER_ITEMS, SellerTerms
from depin_compare.market.discrepancies import without_double_counting
from depin_compare.market.freshness import (
    AGE_COLUMNS,
    FRESHNESS,
    FRESHNESS_TYPE,
    Ages,
    expired_reason,
    freshness_of,
    worst,
)
from depin_compare.market.offers import LAYERS, Offers
from depin_compare.market.overrides import DiscountOverride
from depin_compare.market.prices import MarketPrices
from depin_compare.refdata import KINDS, accelerator_tco, accelerators
from depin_compare.refdata.assumption_set import USER_SOURCE, AssumptionSet
from depin_compare.units import BYTES_PER_GB, TOKENS_PER_MTOK, usd_per_mtok

__all__ = ["REFERENCES", "SILICON", "HourlyReferences", "UnitCosts", "hourly_references", "unit_costs"]

# list: on-demand price list; committed: the cheapest commitment printed (one or three years, or a block of hours
# paid ahead); modelled_cost: what the hour costs the cloud; cost_plus_margin: that cost with the floor margin a
# cloud is known to accept.
REFERENCES = ("list", "committed", "modelled_cost", "cost_plus_margin")
SILICON = ("nvidia", "amd", "tpu", "trainium", "maia-200")
_SILICON_OF_VENDOR = {"NVIDIA": "nvidia", "AMD": "amd", "Google": "tpu", "AWS": "trainium"}
_LIST_TERMS = ("on_demand",)
# A capacity block is paid ahead for a stated time: the commitment a cloud prints for chips it reserves no other way.
_COMMITTED_TERMS = ("reserved_1y", "savings_1y", "reserved_3y", "savings_3y", "capacity_block")
_MAIA_FACTOR = "maia200_cost_factor"
MAIA_NOT_RENTABLE = "Maia 200 has no rentable instance: Microsoft publishes no price for it"


class HourlyReferences(Schema):
    """USD per accelerator-hour of a cloud, one row a cloud x accelerator x reference."""

    cloud = dy.String(nullable=False)
    silicon = dy.Enum(SILICON, nullable=False)
    accelerator = dy.String(nullable=False)
    reference = dy.Enum(REFERENCES, nullable=False)
    usd_per_accelerator_hour = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_accelerator_hour_low = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_accelerator_hour_high = dy.Float64(nullable=True, min_exclusive=0)
    terms = dy.String(nullable=True)
    price_kind = dy.String(nullable=True)
    n_offers = dy.Int64(nullable=True, min=0)
    kind = dy.Enum(KINDS, nullable=True)
    observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)
    layer = dy.Enum(LAYERS, nullable=True)
    source = dy.String(nullable=True)
    source_url = dy.String(nullable=True)
    age_days = dy.Float64(nullable=True, min=0)
    expected_age_days = dy.Float64(nullable=True, min_exclusive=0)
    limit_age_days = dy.Float64(nullable=True, min_exclusive=0)
    freshness = dy.Enum(FRESHNESS, nullable=True)
    not_comparable = dy.String(nullable=True)


class UnitCosts(Schema):
    """USD per million output tokens, prompts included: one row a seller x accelerator x LLM x workload x price.

    ``side`` tells a network (``reference`` is then ``market``) from a cloud. Bands are low, central, high.
    ``usd_per_accelerator_hour`` is the price before the buyer's fee, ``usd_per_mtok`` holds the fee where the
    seller publishes one (``buyer_fee``). The ``*_adjusted`` columns charge time without an answer and lost work to
    the hour (``paid_hours_per_useful_hour``) and add the traffic the answers make (``egress_usd_per_mtok``).
    A price beyond the limit of its age (``freshness`` expired) is told by the hour and makes no unit price.
    """

    side = dy.Enum(["network", "cloud"], nullable=False)
    seller = dy.String(nullable=False)
    silicon = dy.String(nullable=False)
    accelerator = dy.String(nullable=False)
    llm = dy.String(nullable=False)
    workload = dy.String(nullable=False)
    reference = dy.Enum(["market", *REFERENCES], nullable=False)
    usd_per_accelerator_hour = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_accelerator_hour_low = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_accelerator_hour_high = dy.Float64(nullable=True, min_exclusive=0)
    tokens_per_second = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_low = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_high = dy.Float64(nullable=True, min_exclusive=0)
    buyer_fee = dy.Float64(nullable=True, min=0)
    paid_hours_per_useful_hour = dy.Float64(nullable=True, min=1)
    usd_per_accelerator_hour_adjusted = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_accelerator_hour_adjusted_low = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_accelerator_hour_adjusted_high = dy.Float64(nullable=True, min_exclusive=0)
    egress_usd_per_mtok = dy.Float64(nullable=True, min=0)
    egress_usd_per_mtok_low = dy.Float64(nullable=True, min=0)
    egress_usd_per_mtok_high = dy.Float64(nullable=True, min=0)
    usd_per_mtok_adjusted = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_adjusted_low = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_adjusted_high = dy.Float64(nullable=True, min_exclusive=0)
    terms = dy.String(nullable=True)
    price_kind = dy.String(nullable=True)
    n_offers = dy.Int64(nullable=True, min=0)
    kind = dy.Enum(KINDS, nullable=True)
    observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)
    layer = dy.Enum(LAYERS, nullable=True)
    source = dy.String(nullable=True)
    source_url = dy.String(nullable=True)
    freshness = dy.Enum(FRESHNESS, nullable=True)
    throughput_basis = dy.String(nullable=True)
    not_comparable = dy.String(nullable=True)


def hourly_references(
    offers: dy.DataFrame[Offers],
    assumptions: AssumptionSet,
    *,
    discounts: Sequence[DiscountOverride] = (),
    ages: Ages | None = None,
) -> dy.DataFrame[HourlyReferences]:
    """The four hourly references of every cloud and every chip it lists.

    Parameters
    ----------
    offers : DataFrame[Offers]
        Those of segment ``hyperscaler`` are used; each cloud's cheapest region counts, since a buyer may
        choose it.
    assumptions : AssumptionSet
        ``cloud_utilisation``, ``commitment_discount`` and ``floor_gross_margin``.
    discounts : sequence of DiscountOverride
        The user's own, in force on the day of the analysis, off the printed on-demand price; one for a chip counts
        before one for the whole cloud, a later before an earlier.
    ages : Ages, optional
        With them every price has its freshness, and one that is not expired counts before one that is.

    Returns
    -------
    DataFrame[HourlyReferences]
        Four rows a cloud x accelerator. Where a cloud prints no commitment, the committed price is list less
        the assumed discount and its kind is ``assumption``; so it is where the user gave his own price or discount,
        and ``source`` then says ``your-job-file``. Where nobody publishes an owner's cost, the two
        cost references are null with the reason.

    Notes
    -----
    modelled cost = published owner's cost of the hour / share of hours sold;
    cost plus margin = modelled cost / (1 - floor gross margin).
    """
    silicon = pl.col("vendor").replace_strict(_SILICON_OF_VENDOR, default=None).alias("silicon")
    believed = without_double_counting(offers if ages is None else ages.without_expired(offers))
    listed = (
        (believed if ages is None else ages.offers(believed))
        .lazy()
        .filter(
            pl.col("segment") == "hyperscaler",
            pl.col("not_comparable").is_null(),
            pl.col("price_kind") == "list",
        )
        .join(accelerators().lazy().select("accelerator", silicon), on="accelerator", how="inner")
        .filter(pl.col("silicon").is_not_null())
        .rename({"network": "cloud"})
        .collect()
    )
    chips = listed.select("cloud", "silicon", "accelerator").unique().sort("cloud", "silicon", "accelerator")
    frames = [
        _discounted(_list_prices(listed, chips), listed, discounts, "list"),
        _discounted(
            _committed_prices(listed, chips, assumptions["commitment_discount"]), listed, discounts, "committed"
        ),
        *_modelled_costs(chips, assumptions["cloud_utilisation"], assumptions["floor_gross_margin"]),
    ]
    columns = HourlyReferences.column_names()
    frame = pl.concat([_aged(f, ages).select(columns) for f in frames], how="vertical_relaxed")
    order = pl.Enum(REFERENCES)
    return HourlyReferences.validate(
        frame.with_columns(pl.col("reference").cast(order)).sort("cloud", "silicon", "accelerator", "reference"),
        cast=True,
    )


def _aged(frame: pl.DataFrame, ages: Ages | None) -> pl.DataFrame:
    """With the columns of age, null where nobody judges; an owner's cost has a publication's."""
    if "freshness" in frame.columns:
        return frame
    if ages is not None:
        return ages.packaged(frame, "cost estimate")
    unknown = [pl.lit(None, dtype=pl.Float64).alias(c) for c in AGE_COLUMNS[:-1]]
    return frame.with_columns(*unknown, pl.lit(None, dtype=FRESHNESS_TYPE).alias("freshness"))


def _cheapest(listed: pl.DataFrame, terms: tuple[str, ...]) -> pl.DataFrame:
    """The cheapest row a cloud x accelerator among some terms: the buyer takes the cheapest region and term."""
    key = ["cloud", "accelerator"]
    return (
        listed.filter(pl.col("terms").is_in(terms))
        .with_columns(pl.len().over(key).cast(pl.Int64).alias("n_offers"))
        .sort(*_expired_last(listed), "usd_per_accelerator_hour", "terms", "region", "offer_id", nulls_last=True)
        .group_by(key, maintain_order=True)
        .first()
        .select(
            *key,
            "usd_per_accelerator_hour",
            *_certain(),
            "n_offers",
            "observed_at",
            "source_url",
            pl.coalesce("source_id", "source").alias("source"),
            pl.col("terms", "price_kind", "layer").cast(pl.String),
            _known(),
            *(c for c in AGE_COLUMNS if c in listed.columns),
        )
    )


def _expired_last(listed: pl.DataFrame) -> list[pl.Expr]:
    return [pl.col("freshness") == "expired"] if "freshness" in listed.columns else []


def _known() -> pl.Expr:
    """How a price is known: as its row says, and published where the seller itself answered."""
    return pl.col("kind").cast(pl.String).fill_null("published").alias("kind")


def _certain() -> list[pl.Expr]:
    """Low and high of a price that is printed: the price."""
    return [
        pl.col("usd_per_accelerator_hour").alias("usd_per_accelerator_hour_low"),
        pl.col("usd_per_accelerator_hour").alias("usd_per_accelerator_hour_high"),
    ]


def _discounted(
    prices: pl.DataFrame, listed: pl.DataFrame, discounts: Sequence[DiscountOverride], reference: str
) -> pl.DataFrame:
    """The same rows, the user's discount off the printed price in place of what they said where he gave one."""
    given = [d for d in discounts if d.reference == reference]
    if not given:
        return prices
    # The last row of a chip counts: general discounts first, then the chip's own, each in the order given.
    shares = {
        (cloud, chip): discount.share
        for cloud, chip in prices.select("cloud", "accelerator").iter_rows()
        for discount in sorted(given, key=lambda d: d.accelerator is not None)
        if discount.cloud == cloud and discount.accelerator in (None, chip)
    }
    mine = pl.DataFrame(
        [(cloud, chip, share) for (cloud, chip), share in shares.items()],
        schema={"cloud": pl.String, "accelerator": pl.String, "share": pl.Float64},
        orient="row",
    )
    off = pl.col("usd_per_accelerator_hour") * (1 - pl.col("share"))
    made = (
        _cheapest(listed, _LIST_TERMS)
        .join(mine, on=["cloud", "accelerator"], how="inner")
        .with_columns(
            off.alias("usd_per_accelerator_hour"),
            off.alias("usd_per_accelerator_hour_low"),
            off.alias("usd_per_accelerator_hour_high"),
            pl.lit("list less your discount").alias("terms"),
            pl.lit("assumption").alias("kind"),
            pl.lit(USER_SOURCE).alias("source"),
            pl.lit(reference).alias("reference"),
            pl.lit(None, dtype=pl.String).alias("not_comparable"),
        )
        .join(prices.select("cloud", "silicon", "accelerator"), on=["cloud", "accelerator"], how="inner")
    )
    rest = prices.join(made, on=["cloud", "accelerator"], how="anti")
    return pl.concat([rest, made.select(rest.columns)], how="vertical_relaxed")


def _list_prices(listed: pl.DataFrame, chips: pl.DataFrame) -> pl.DataFrame:
    frame = chips.join(_cheapest(listed, _LIST_TERMS), on=["cloud", "accelerator"], how="left")
    missing = pl.col("usd_per_accelerator_hour").is_null()
    return frame.with_columns(
        pl.lit("list").alias("reference"),
        pl.when(missing).then(pl.lit("the cloud prints no on-demand price for this chip")).alias("not_comparable"),
    )


def _committed_prices(listed: pl.DataFrame, chips: pl.DataFrame, discount: Band) -> pl.DataFrame:
    printed = _cheapest(listed, _COMMITTED_TERMS)
    on_demand = pl.col("usd_per_accelerator_hour")
    assumed = _cheapest(listed.join(printed, on=["cloud", "accelerator"], how="anti"), _LIST_TERMS).with_columns(
        (on_demand * (1 - discount.central)).alias("usd_per_accelerator_hour"),
        (on_demand * (1 - discount.high)).alias("usd_per_accelerator_hour_low"),
        (on_demand * (1 - discount.low)).alias("usd_per_accelerator_hour_high"),
        pl.lit("on demand less an assumed discount").alias("terms"),
        pl.lit("assumption").alias("kind"),
    )
    frame = chips.join(pl.concat([printed, assumed]), on=["cloud", "accelerator"], how="left")
    missing = pl.col("usd_per_accelerator_hour").is_null()
    return frame.with_columns(
        pl.lit("committed").alias("reference"),
        pl.when(missing)
        .then(pl.lit("the cloud prints neither a commitment nor an on-demand price for this chip"))
        .alias("not_comparable"),
    )


def _modelled_costs(chips: pl.DataFrame, utilisation: Band, floor_margin: Band) -> list[pl.DataFrame]:
    owned = accelerator_tco().select(
        "accelerator",
        pl.col("usd_per_accelerator_hour_hyperscaler").alias("owned"),
        pl.col("kind").cast(pl.String),
        pl.col("as_of").cast(pl.Datetime("us", "UTC")).alias("observed_at"),
        pl.col("source_id").alias("source"),
    )
    cost = chips.join(owned, on="accelerator", how="left").with_columns(
        (pl.col("owned") / utilisation.central).alias("usd_per_accelerator_hour"),
        (pl.col("owned") / utilisation.high).alias("usd_per_accelerator_hour_low"),
        (pl.col("owned") / utilisation.low).alias("usd_per_accelerator_hour_high"),
        pl.lit("owner's cost over share of hours sold").alias("terms"),
        pl.lit(None, dtype=pl.String).alias("price_kind"),
        pl.lit(None, dtype=pl.Int64).alias("n_offers"),
        pl.when(pl.col("owned").is_not_null()).then(pl.lit("reference")).alias("layer"),
        pl.lit(None, dtype=pl.String).alias("source_url"),
        pl.lit("modelled_cost").alias("reference"),
        pl.when(pl.col("owned").is_null())
        .then(pl.lit("nobody publishes an owner's cost of this chip"))
        .alias("not_comparable"),
    )
    price = pl.col("usd_per_accelerator_hour")
    # Both bands are independent, so their relative widths add in quadrature.
    down = (
        (price / pl.col("usd_per_accelerator_hour_low")).log() ** 2
        + _log_ratio(1 - floor_margin.low, 1 - floor_margin.central) ** 2
    ).sqrt()
    up = (
        (pl.col("usd_per_accelerator_hour_high") / price).log() ** 2
        + _log_ratio(1 - floor_margin.central, 1 - floor_margin.high) ** 2
    ).sqrt()
    plus = price / (1 - floor_margin.central)
    with_margin = cost.with_columns(
        plus.alias("usd_per_accelerator_hour"),
        (plus * (-down).exp()).alias("usd_per_accelerator_hour_low"),
        (plus * up.exp()).alias("usd_per_accelerator_hour_high"),
        pl.lit("modelled cost with the floor margin").alias("terms"),
        pl.lit("cost_plus_margin").alias("reference"),
    )
    return [cost, with_margin]


def _log_ratio(numerator: float, denominator: float) -> pl.Expr:
    return pl.lit(numerator / denominator).log()


def unit_costs(
    markets: dy.DataFrame[MarketPrices],
    references: dy.DataFrame[HourlyReferences],
    throughputs: pl.DataFrame,
    assumptions: AssumptionSet,
    *,
    terms: dy.DataFrame[SellerTerms] | None = None,
    ages: Ages | None = None,
) -> dy.DataFrame[UnitCosts]:
    """Every hourly price as a price of work, for every LLM and workload the throughputs speak of.

    Parameters
    ----------
    markets : DataFrame[MarketPrices]
        What networks ask; rows of segment ``hyperscaler`` are left to ``references``.
    references : DataFrame[HourlyReferences]
        What clouds charge and pay.
    throughputs : DataFrame[Throughputs]
        Tokens per second per accelerator with their band, one row an accelerator x LLM x workload.
    assumptions : AssumptionSet
        ``maia200_cost_factor`` and ``egress_cost_over_price_cloud``.
    terms : DataFrame[SellerTerms], optional
        Buyer's fees, availability, lost work and traffic; without them no fee is added and the adjusted columns
        are null.
    ages : Ages, optional
        For the age of the claim on Maia 200; the prices bring theirs along.

    Returns
    -------
    DataFrame[UnitCosts]
        A row with a null price and its reason where the chip can't do the work or has no price.

    Notes
    -----
    .. math::
        q = \\frac{p (1+f_b)}{3600\\, T} 10^6, \\qquad
        q_{adj} = \\frac{p (1+f_b)}{3600\\, T A (1-\\rho)} 10^6 + B g \\frac{10^6}{10^9}

    `depin_compare.inference.costs.inference_cost`; the share of T reached and the buyer's duty cycle stay at one,
    being the same on both sides. Independent relative bands add in quadrature. A fee nobody publishes adds nothing
    and stays null. The two modelled references pay for traffic what it is assumed to cost a cloud, not what the
    cloud charges.
    """
    network = markets.filter(pl.col("segment") != "hyperscaler").select(
        pl.lit("network").alias("side"),
        pl.col("network").alias("seller"),
        pl.lit("network").alias("silicon"),
        "accelerator",
        pl.lit("market").alias("reference"),
        "usd_per_accelerator_hour",
        "usd_per_accelerator_hour_low",
        "usd_per_accelerator_hour_high",
        pl.col("terms").cast(pl.String),
        pl.col("price_kind").cast(pl.String),
        "n_offers",
        pl.col("kind").cast(pl.String),
        "observed_at",
        pl.col("layer").cast(pl.String),
        "source",
        "source_url",
        *AGE_COLUMNS,
        pl.lit(None, dtype=pl.String).alias("not_comparable"),
    )
    cloud = references.select(
        pl.lit("cloud").alias("side"),
        pl.col("cloud").alias("seller"),
        *(
            pl.col(c).cast(pl.String) if references.schema[c] == pl.Enum and c != "freshness" else pl.col(c)
            for c in network.columns[2:]
        ),
    )
    work = throughputs.select(
        "accelerator", "llm", "workload", pl.col("basis").cast(pl.String).alias("throughput_basis"),
        pl.col("tokens_per_second_per_accelerator").alias("tokens_per_second"),
        "tokens_per_second_low", "tokens_per_second_high", pl.col("not_comparable").alias("unfit"),
    )  # fmt: skip
    price, rate = pl.col("usd_per_accelerator_hour"), pl.col("tokens_per_second")
    priced = (
        pl.concat([network, cloud], how="vertical_relaxed")
        .join(work, on="accelerator", how="inner")
        .join(_wide(terms), on="seller", how="left")
        .with_columns((price * _one_plus("buyer_fee")).alias("billed"), *_billed_widths())
        .with_columns(usd_per_mtok(pl.col("billed"), rate).alias("usd_per_mtok"))
        .with_columns(
            (pl.col("usd_per_mtok") * (-_root(pl.col("billed_down"), _log("tokens_per_second_high", rate))).exp())
            .alias("usd_per_mtok_low"),
            (pl.col("usd_per_mtok") * _root(pl.col("billed_up"), _log(rate, "tokens_per_second_low")).exp())
            .alias("usd_per_mtok_high"),
            pl.coalesce("not_comparable", "unfit", expired_reason(_PRICE_OF)).alias("not_comparable"),
        )
        .pipe(_adjusted, assumptions["egress_cost_over_price_cloud"])
        .pipe(_without_expired)
    )  # fmt: skip
    columns = UnitCosts.column_names()
    frame = pl.concat(
        [priced.select(columns), _maia_unit_costs(priced, assumptions, ages).select(columns)],
        how="vertical_relaxed",
    )
    return UnitCosts.validate(
        frame.sort("side", "seller", "silicon", "accelerator", "llm", "workload", "reference", descending=False),
        cast=True,
    )


_ENDS = ("_low", "", "_high")
# "the price of h100-sxm at akash": what an expired price is called.
_PRICE_OF = pl.concat_str(
    pl.when(pl.col("reference").cast(pl.String).is_in(["modelled_cost", "cost_plus_margin"]))
    .then(pl.lit("owner's cost estimate"))
    .otherwise(pl.lit("price")),
    pl.lit(" of "), "accelerator", pl.lit(" at "), "seller",
)  # fmt: skip


def _without_expired(priced: pl.DataFrame) -> pl.DataFrame:
    """An expired price makes no unit price: the columns of work, and of adjusted hours, are null."""
    made = [
        f"{name}{end}"
        for name in ("usd_per_mtok", "usd_per_mtok_adjusted", "usd_per_accelerator_hour_adjusted")
        for end in _ENDS
    ]
    expired = (pl.col("freshness") == "expired").fill_null(False)
    return priced.with_columns(pl.when(~expired).then(pl.col(name)).alias(name) for name in made)


def _wide(terms: pl.DataFrame | None) -> pl.DataFrame:
    """One row a seller, one column an item and end; without terms no seller has any."""
    if terms is None:
        items = [f"{item}{end}" for item in SELLER_ITEMS for end in _ENDS]
        return pl.DataFrame(schema={"seller": pl.String, **dict.fromkeys(items, pl.Float64)})
    ends = {"_low": "low", "": "central", "_high": "high"}
    return terms.group_by("seller").agg(
        pl.col(column).filter(pl.col("item") == item).first().alias(f"{item}{end}")
        for item in SELLER_ITEMS
        for end, column in ends.items()
    )


def _one_plus(fee: str) -> pl.Expr:
    """The bill over the price; a fee nobody publishes is not on it."""
    return 1.0 + pl.col(fee).fill_null(0.0)


def _root(*widths: pl.Expr) -> pl.Expr:
    """Independent log half-widths in quadrature."""
    return pl.sum_horizontal([width**2 for width in widths], ignore_nulls=False).sqrt()


def _log(upper: pl.Expr | str, lower: pl.Expr | str) -> pl.Expr:
    above = pl.col(upper) if isinstance(upper, str) else upper
    below = pl.col(lower) if isinstance(lower, str) else lower
    return (above / below).log()


def _billed_widths() -> list[pl.Expr]:
    """Log half-widths of the hour with the buyer's fee."""
    price = "usd_per_accelerator_hour"
    fee, fee_low, fee_high = (_one_plus(f"buyer_fee{end}") for end in ("", "_low", "_high"))
    return [
        _root(_log(price, f"{price}_low"), _log(fee, fee_low)).alias("billed_down"),
        _root(_log(f"{price}_high", price), _log(fee_high, fee)).alias("billed_up"),
    ]


def _adjusted(priced: pl.DataFrame, cost_over_price: Band) -> pl.DataFrame:
    """The columns of an hour that did work, and of work with its traffic."""
    kept = {end: 1.0 - pl.col(f"rework_share{end}") for end in _ENDS}
    hour, egress = "usd_per_accelerator_hour_adjusted", "egress_usd_per_mtok"
    modelled = pl.col("reference").is_in(["modelled_cost", "cost_plus_margin"])
    charged = {
        end: pl.when(modelled).then(share).otherwise(1.0)
        for end, share in zip(_ENDS, (cost_over_price.low, cost_over_price.central, cost_over_price.high))
    }
    per_mtok = TOKENS_PER_MTOK / BYTES_PER_GB

    def traffic(size: str, price: str, share: str) -> pl.Expr:
        product = pl.col(f"bytes_out_per_token{size}") * pl.col(f"egress_usd_per_gb{price}") * charged[share]
        return product * per_mtok

    def far(end: str) -> pl.Expr:
        """How far traffic moves towards one end, each of its factors alone, in quadrature."""
        alone = (traffic(end, "", ""), traffic("", end, ""), traffic("", "", end))
        return _root(*(one - traffic("", "", "") for one in alone))

    middle = pl.col(egress)
    hourly = priced.with_columns(
        (1.0 / (pl.col("availability") * kept[""])).alias("paid_hours_per_useful_hour"),
        traffic("", "", "").alias(egress),
        pl.max_horizontal(traffic("", "", "") - far("_low"), 0.0).alias(f"{egress}_low"),
        (traffic("", "", "") + far("_high")).alias(f"{egress}_high"),
        _root(
            pl.col("billed_down"), _log("availability_high", "availability"), _log(kept["_low"], kept[""])
        ).alias("hour_down"),
        _root(
            pl.col("billed_up"), _log("availability", "availability_low"), _log(kept[""], kept["_high"])
        ).alias("hour_up"),
    ).with_columns((pl.col("billed") * pl.col("paid_hours_per_useful_hour")).alias(hour))  # fmt: skip
    compute = usd_per_mtok(pl.col(hour), pl.col("tokens_per_second"))
    down = _root(pl.col("hour_down"), _log("tokens_per_second_high", "tokens_per_second"))
    up = _root(pl.col("hour_up"), _log("tokens_per_second", "tokens_per_second_low"))
    return hourly.with_columns(
        (pl.col(hour) * (-pl.col("hour_down")).exp()).alias(f"{hour}_low"),
        (pl.col(hour) * pl.col("hour_up").exp()).alias(f"{hour}_high"),
        (compute + middle).alias("usd_per_mtok_adjusted"),
        (compute + middle - _root(compute * (1 - (-down).exp()), middle - pl.col(f"{egress}_low"))).alias(
            "usd_per_mtok_adjusted_low"
        ),
        (compute + middle + _root(compute * (up.exp() - 1), pl.col(f"{egress}_high") - middle)).alias(
            "usd_per_mtok_adjusted_high"
        ),
    )


def _claim_freshness(claim: Mapping[str, Any], ages: Ages | None) -> str | None:
    """How fresh the claim is; one that the user made his own does not age."""
    if ages is None or claim["source_id"] == USER_SOURCE:
        return None
    return freshness_of(
        float(max(0, (ages.as_of.date() - claim["as_of"]).days)), ages.rules.of_packaged("cost estimate")
    )


def _maia_unit_costs(priced: pl.DataFrame, assumptions: AssumptionSet, ages: Ages | None) -> pl.DataFrame:
    """Azure's cheapest NVIDIA unit cost times the claimed factor; list and committed do not exist."""
    factor = assumptions[_MAIA_FACTOR]
    claim = assumptions.frame.row(by_predicate=pl.col("parameter") == _MAIA_FACTOR, named=True)
    told_when = _claim_freshness(claim, ages)
    work = ["llm", "workload", "reference"]
    azure = priced.filter(pl.col("side") == "cloud", pl.col("seller") == "azure", pl.col("silicon") == "nvidia")
    costs = (
        azure.filter(
            pl.col("reference").is_in(["modelled_cost", "cost_plus_margin"]), pl.col("usd_per_mtok").is_not_null()
        )
        .sort("usd_per_mtok", "accelerator")
        .group_by(work, maintain_order=True)
        .first()
    )
    unit = pl.col("usd_per_mtok")
    down = ((unit / pl.col("usd_per_mtok_low")).log() ** 2 + _log_ratio(factor.central, factor.low) ** 2).sqrt()
    up = ((pl.col("usd_per_mtok_high") / unit).log() ** 2 + _log_ratio(factor.high, factor.central) ** 2).sqrt()
    # The claim is about compute: traffic costs what it costs.
    traffic = pl.col("egress_usd_per_mtok")
    adjusted = (pl.col("usd_per_mtok_adjusted") - traffic) * factor.central + traffic
    claimed = costs.with_columns(
        pl.lit("maia-200").alias("silicon"),
        pl.lit("maia-200").alias("accelerator"),
        (unit * factor.central).alias("usd_per_mtok"),
        (unit * factor.central * (-down).exp()).alias("usd_per_mtok_low"),
        (unit * factor.central * up.exp()).alias("usd_per_mtok_high"),
        adjusted.alias("usd_per_mtok_adjusted"),
        (adjusted * (-_root(_log("usd_per_mtok_adjusted", "usd_per_mtok_adjusted_low"),
                            _log_ratio(factor.central, factor.low))).exp()).alias("usd_per_mtok_adjusted_low"),
        (adjusted * _root(_log("usd_per_mtok_adjusted_high", "usd_per_mtok_adjusted"),
                          _log_ratio(factor.high, factor.central)).exp()).alias("usd_per_mtok_adjusted_high"),
        *(
            pl.lit(None, dtype=pl.Float64).alias(c)
            for c in (
                *(f"usd_per_accelerator_hour{of}{end}" for of in ("", "_adjusted") for end in _ENDS),
                "tokens_per_second",
            )
        ),
        (
            pl.format(
                "claimed factor on the {} cost of {}, {}", "accelerator", "source", pl.col("observed_at").dt.date()
            )
        ).alias("terms"),
        pl.lit(claim["source_id"]).alias("source"),
        pl.lit(claim["as_of"]).cast(pl.Datetime("us", "UTC")).alias("observed_at"),
        pl.lit("vendor_claim").alias("kind"),
        pl.lit("vendor_claim").alias("throughput_basis"),
        worst("freshness", pl.lit(told_when)).alias("freshness"),
    )  # fmt: skip
    unpriced = azure.group_by("llm", "workload", maintain_order=True).first().select(
        pl.lit("cloud").alias("side"), pl.lit("azure").alias("seller"), pl.lit("maia-200").alias("silicon"),
        pl.lit("maia-200").alias("accelerator"), "llm", "workload",
        pl.lit(MAIA_NOT_RENTABLE).alias("not_comparable"),
    )  # fmt: skip
    rows = [unpriced.with_columns(pl.lit(reference).alias("reference")) for reference in ("list", "committed")]
    if told_when == "expired":
        gone = (
            f"the claim on Maia 200 of {claim['as_of']} is beyond its limit of age; set {_MAIA_FACTOR} in the job file"
        )
        rows += [
            unpriced.with_columns(
                pl.lit(reference).alias("reference"),
                pl.lit(gone).alias("not_comparable"),
                pl.lit(told_when).cast(FRESHNESS_TYPE).alias("freshness"),
            )
            for reference in ("modelled_cost", "cost_plus_margin")
        ]
        claimed = claimed.clear()
    return pl.concat([claimed, *rows], how="diagonal_relaxed")
