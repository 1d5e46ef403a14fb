"""What the clouds charge for an accelerator-hour, what it costs them, and either per unit of inference work.

Custom silicon nobody can rent (Maia 200) has no hourly price: its unit cost is the cloud's own NVIDIA unit
cost times the factor its maker claims, and carries the claim with it.
"""

from __future__ import annotations

import dataframely as dy
import polars as pl

from depin_compare.bands import Band
from depin_compare.market.discrepancies import without_double_counting
from depin_compare.market.offers import LAYERS, Offers
from depin_compare.market.prices import MarketPrices
from depin_compare.refdata import KINDS, accelerator_tco, accelerators
from depin_compare.refdata.assumption_set import AssumptionSet
from depin_compare.units import usd_per_mtok

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


class HourlyReferences(dy.Schema):
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
    not_comparable = dy.String(nullable=True)


class UnitCosts(dy.Schema):
    """USD per million output tokens, prompts included: one row a seller x accelerator x LLM x workload x price.

    ``side`` tells a network (``reference`` is then ``market``) from a cloud. Bands are low, central, high.
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
    terms = dy.String(nullable=True)
    price_kind = dy.String(nullable=True)
    n_offers = dy.Int64(nullable=True, min=0)
    kind = dy.Enum(KINDS, nullable=True)
    observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)
    layer = dy.Enum(LAYERS, nullable=True)
    source = dy.String(nullable=True)
    source_url = dy.String(nullable=True)
    throughput_basis = dy.String(nullable=True)
    not_comparable = dy.String(nullable=True)


def hourly_references(offers: dy.DataFrame[Offers], assumptions: AssumptionSet) -> dy.DataFrame[HourlyReferences]:
    """The four hourly references of every cloud and every chip it lists.

    Parameters
    ----------
    offers : DataFrame[Offers]
        Those of segment ``hyperscaler`` are used; each cloud's cheapest region counts, since a buyer may
        choose it.
    assumptions : AssumptionSet
        ``cloud_utilisation``, ``commitment_discount`` and ``floor_gross_margin``.

    Returns
    -------
    DataFrame[HourlyReferences]
        Four rows a cloud x accelerator. Where a cloud prints no commitment, the committed price is list less
        the assumed discount and its kind is ``assumption``; where nobody publishes an owner's cost, the two
        cost references are null with the reason.

    Notes
    -----
    modelled cost = published owner's cost of the hour / share of hours sold;
    cost plus margin = modelled cost / (1 - floor gross margin).
    """
    silicon = pl.col("vendor").replace_strict(_SILICON_OF_VENDOR, default=None).alias("silicon")
    listed = (
        without_double_counting(offers)
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
        _list_prices(listed, chips),
        _committed_prices(listed, chips, assumptions["commitment_discount"]),
        *_modelled_costs(chips, assumptions["cloud_utilisation"], assumptions["floor_gross_margin"]),
    ]
    columns = HourlyReferences.column_names()
    frame = pl.concat([f.select(columns) for f in frames], how="vertical_relaxed")
    order = pl.Enum(REFERENCES)
    return HourlyReferences.validate(
        frame.with_columns(pl.col("reference").cast(order)).sort("cloud", "silicon", "accelerator", "reference"),
        cast=True,
    )


def _cheapest(listed: pl.DataFrame, terms: tuple[str, ...]) -> pl.DataFrame:
    """The cheapest row a cloud x accelerator among some terms: the buyer takes the cheapest region and term."""
    key = ["cloud", "accelerator"]
    return (
        listed.filter(pl.col("terms").is_in(terms))
        .with_columns(pl.len().over(key).cast(pl.Int64).alias("n_offers"))
        .sort("usd_per_accelerator_hour", "terms", "region", "offer_id", nulls_last=True)
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
        )
    )


def _known() -> pl.Expr:
    """How a price is known: as its row says, and published where the seller itself answered."""
    return pl.col("kind").cast(pl.String).fill_null("published").alias("kind")


def _certain() -> list[pl.Expr]:
    """Low and high of a price that is printed: the price."""
    return [
        pl.col("usd_per_accelerator_hour").alias("usd_per_accelerator_hour_low"),
        pl.col("usd_per_accelerator_hour").alias("usd_per_accelerator_hour_high"),
    ]


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
        ``maia200_cost_factor``.

    Returns
    -------
    DataFrame[UnitCosts]
        A row with a null price and its reason where the chip can't do the work or has no price.

    Notes
    -----
    q = p / (3600 T) x 1e6, `depin_compare.inference.costs.inference_cost` with the buyer's fees, availability and
    duty cycle left at their neutral values on both sides; relative bands of p and T add in quadrature.
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
        pl.lit(None, dtype=pl.String).alias("not_comparable"),
    )
    cloud = references.select(
        pl.lit("cloud").alias("side"),
        pl.col("cloud").alias("seller"),
        *(pl.col(c).cast(pl.String) if references.schema[c] == pl.Enum else pl.col(c) for c in network.columns[2:]),
    )
    work = throughputs.select(
        "accelerator", "llm", "workload", pl.col("basis").cast(pl.String).alias("throughput_basis"),
        pl.col("tokens_per_second_per_accelerator").alias("tokens_per_second"),
        "tokens_per_second_low", "tokens_per_second_high", pl.col("not_comparable").alias("unfit"),
    )  # fmt: skip
    price, rate = pl.col("usd_per_accelerator_hour"), pl.col("tokens_per_second")
    up = (
        (pl.col("usd_per_accelerator_hour_high") / price).log() ** 2
        + (rate / pl.col("tokens_per_second_low")).log() ** 2
    ).sqrt()
    down = (
        (price / pl.col("usd_per_accelerator_hour_low")).log() ** 2
        + (pl.col("tokens_per_second_high") / rate).log() ** 2
    ).sqrt()
    priced = (
        pl.concat([network, cloud], how="vertical_relaxed")
        .join(work, on="accelerator", how="inner")
        .with_columns(usd_per_mtok(price, rate).alias("usd_per_mtok"))
        .with_columns(
            (pl.col("usd_per_mtok") * (-down).exp()).alias("usd_per_mtok_low"),
            (pl.col("usd_per_mtok") * up.exp()).alias("usd_per_mtok_high"),
            pl.coalesce("not_comparable", "unfit").alias("not_comparable"),
        )
    )
    columns = UnitCosts.column_names()
    frame = pl.concat(
        [priced.select(columns), _maia_unit_costs(priced, assumptions).select(columns)],
        how="vertical_relaxed",
    )
    return UnitCosts.validate(
        frame.sort("side", "seller", "silicon", "accelerator", "llm", "workload", "reference", descending=False),
        cast=True,
    )


def _maia_unit_costs(priced: pl.DataFrame, assumptions: AssumptionSet) -> pl.DataFrame:
    """Azure's cheapest NVIDIA unit cost times the claimed factor; list and committed do not exist."""
    factor = assumptions[_MAIA_FACTOR]
    claim = assumptions.frame.row(by_predicate=pl.col("parameter") == _MAIA_FACTOR, named=True)
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
    claimed = costs.with_columns(
        pl.lit("maia-200").alias("silicon"),
        pl.lit("maia-200").alias("accelerator"),
        (unit * factor.central).alias("usd_per_mtok"),
        (unit * factor.central * (-down).exp()).alias("usd_per_mtok_low"),
        (unit * factor.central * up.exp()).alias("usd_per_mtok_high"),
        *(
            pl.lit(None, dtype=pl.Float64).alias(c)
            for c in (
                "usd_per_accelerator_hour", "usd_per_accelerator_hour_low", "usd_per_accelerator_hour_high",
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
    )  # fmt: skip
    unpriced = azure.group_by("llm", "workload", maintain_order=True).first().select(
        pl.lit("cloud").alias("side"), pl.lit("azure").alias("seller"), pl.lit("maia-200").alias("silicon"),
        pl.lit("maia-200").alias("accelerator"), "llm", "workload",
        pl.lit(MAIA_NOT_RENTABLE).alias("not_comparable"),
    )  # fmt: skip
    rows = [unpriced.with_columns(pl.lit(reference).alias("reference")) for reference in ("list", "committed")]
    return pl.concat([claimed, *rows], how="diagonal_relaxed")
