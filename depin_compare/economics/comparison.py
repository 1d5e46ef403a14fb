"""Networks against the clouds at equal work: the buyer's advantage over each reference."""

from __future__ import annotations

import dataframely as dy
import numpy as np
import polars as pl

from depin_compare.bands import Band
from depin_compare.doors import Schema
from depin_compare.errors import ModelDomainError
from depin_compare.inference.references import REFERENCES, UnitCosts
from depin_compare.market.freshness import FRESHNESS, worst
from depin_compare.market.offers import LAYERS
from depin_compare.refdata import KINDS
from depin_compare.units import FloatOrArray

__all__ = [
    "MATCHES",
    "Comparison",
    "advantage",
    "compare",
    "log_advantage",
    "reliability_adjusted_usd_per_hour",
    "sla_shadow_premium",
    "unique_service_premium",
]

# same_chip: the cloud's offer of the very accelerator, where throughput cancels; cheapest: the chip of that
# cloud and silicon that does the work for the least; fleet_average: the work spread over all chips of that cloud
# and silicon that can do it.
MATCHES = ("same_chip", "cheapest", "fleet_average")
# 0: the same work on every chip, so that the slowest counts most; 1: the same hours on every chip; 2: hours in
# proportion to throughput. No cloud publishes its fleet.
FLEET_WORK_BY_THROUGHPUT = Band(0.5, 1.0, 2.0)


class Comparison(Schema):
    """One row a network x accelerator x LLM x workload x cloud x silicon x reference x match.

    Prices are USD per million output tokens with their prompts included, the buyer's fee in them. ``advantage`` is
    positive where the network is cheaper. The ``*_adjusted`` columns count in availability, lost work and traffic
    (see `depin_compare.inference.references.UnitCosts`); ``sla_shadow_premium`` is the share by which the cloud's
    hour may cost more than the network's for its reliability alone. ``freshness`` is the worse of the two prices'.
    Where the work can't be equal, the numbers are null and ``not_comparable`` says why.
    """

    network = dy.String(nullable=False)
    accelerator = dy.String(nullable=False)
    llm = dy.String(nullable=False)
    workload = dy.String(nullable=False)
    cloud = dy.String(nullable=False)
    silicon = dy.String(nullable=False)
    reference = dy.Enum(REFERENCES, nullable=False)
    match = dy.Enum(MATCHES, nullable=False)
    reference_accelerator = dy.String(nullable=True)
    network_usd_per_accelerator_hour = dy.Float64(nullable=True)
    reference_usd_per_accelerator_hour = dy.Float64(nullable=True)
    usd_per_mtok_network = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_network_low = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_network_high = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_reference = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_reference_low = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_reference_high = dy.Float64(nullable=True, min_exclusive=0)
    advantage = dy.Float64(nullable=True, max=1)
    advantage_low = dy.Float64(nullable=True, max=1)
    advantage_high = dy.Float64(nullable=True, max=1)
    log_advantage = dy.Float64(nullable=True)
    network_usd_per_accelerator_hour_adjusted = dy.Float64(nullable=True, min_exclusive=0)
    reference_usd_per_accelerator_hour_adjusted = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_network_adjusted = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_network_adjusted_low = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_network_adjusted_high = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_reference_adjusted = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_reference_adjusted_low = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_reference_adjusted_high = dy.Float64(nullable=True, min_exclusive=0)
    advantage_adjusted = dy.Float64(nullable=True, max=1)
    advantage_adjusted_low = dy.Float64(nullable=True, max=1)
    advantage_adjusted_high = dy.Float64(nullable=True, max=1)
    sla_shadow_premium = dy.Float64(nullable=True)
    unique_service_premium = dy.Float64(nullable=True, min=0)
    price_kind = dy.String(nullable=True)
    reference_terms = dy.String(nullable=True)
    network_observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)
    network_kind = dy.Enum(KINDS, nullable=True)
    network_layer = dy.Enum(LAYERS, nullable=True)
    reference_observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)
    reference_layer = dy.Enum(LAYERS, nullable=True)
    reference_kind = dy.Enum(KINDS, nullable=True)
    freshness = dy.Enum(FRESHNESS, nullable=True)
    not_comparable = dy.String(nullable=True)


def advantage(usd_per_mtok_network: FloatOrArray, usd_per_mtok_reference: FloatOrArray) -> FloatOrArray:
    r"""Share of the reference price the buyer saves on the network; negative when the network is dearer.

    Parameters
    ----------
    usd_per_mtok_network, usd_per_mtok_reference : float or ndarray
        Unit prices of the same work in the same unit, the first >= 0, the second > 0; any unit, also USD per
        hour of the same chip. [USD per Mtok]

    Returns
    -------
    float or ndarray
        a, at most 1. [fraction]

    Raises
    ------
    ModelDomainError
        If a price is out of range.

    Notes
    -----
    .. math:: a = 1 - q_{net} / q_{ref}

    Examples
    --------
    >>> round(advantage(1.86, 6.88), 3), round(advantage(1.86, 1.30 / 0.85), 3)
    (0.73, -0.216)
    """
    _check_prices(usd_per_mtok_network, usd_per_mtok_reference)
    return 1.0 - usd_per_mtok_network / usd_per_mtok_reference


def log_advantage(usd_per_mtok_network: FloatOrArray, usd_per_mtok_reference: FloatOrArray) -> FloatOrArray:
    r"""Symmetric form of the advantage, for averaging and for charts: twice as dear mirrors half as dear.

    Notes
    -----
    .. math:: L = \ln(q_{ref} / q_{net})

    Examples
    --------
    >>> round(float(log_advantage(1.0, 2.0) + log_advantage(2.0, 1.0)), 12)
    0.0
    """
    _check_prices(usd_per_mtok_reference, usd_per_mtok_network)
    return np.log(usd_per_mtok_reference / usd_per_mtok_network)


def unique_service_premium(usd_per_mtok_needed: FloatOrArray, usd_per_mtok_reference: FloatOrArray) -> FloatOrArray:
    r"""What censorship resistance, confidentiality or access must be worth for the network to be chosen.

    Parameters
    ----------
    usd_per_mtok_needed : float or ndarray
        Unit price q* at which the provider breaks even, >= 0. [USD per Mtok]
    usd_per_mtok_reference : float or ndarray
        What the cloud's same work costs, > 0. [USD per Mtok]

    Returns
    -------
    float or ndarray
        Premium over the reference, 0 where none is needed. [fraction]

    Notes
    -----
    .. math:: \pi^* = \max(0, q^*_{net} / q_{ref} - 1)

    Examples
    --------
    >>> round(unique_service_premium(1.983, 1.30 / 0.85), 3)
    0.297
    """
    _check_prices(usd_per_mtok_needed, usd_per_mtok_reference)
    premium = np.maximum(0.0, usd_per_mtok_needed / usd_per_mtok_reference - 1.0)
    return float(premium) if np.ndim(premium) == 0 else premium


def reliability_adjusted_usd_per_hour(
    usd_per_accelerator_hour: FloatOrArray,
    *,
    buyer_fee: FloatOrArray = 0.0,
    availability: FloatOrArray = 1.0,
    rework_share: FloatOrArray = 0.0,
) -> FloatOrArray:
    r"""Price of an hour that did work: paid time without an answer and work lost at restarts are charged to it.

    Notes
    -----
    .. math:: p_{adj} = p (1 + f_b) / (A (1 - \rho))

    Examples
    --------
    >>> round(reliability_adjusted_usd_per_hour(1.86, availability=0.99, rework_share=0.02), 4)
    1.9171
    """
    if not np.all((np.asarray(availability) > 0) & (np.asarray(availability) <= 1)):
        raise ModelDomainError(f"availability must be within 0 (excluded) and 1, got {availability}")
    if not np.all((np.asarray(rework_share) >= 0) & (np.asarray(rework_share) < 1)):
        raise ModelDomainError(f"rework_share must be within 0 and 1 (excluded), got {rework_share}")
    return usd_per_accelerator_hour * (1.0 + buyer_fee) / (availability * (1.0 - rework_share))


def sla_shadow_premium(
    *,
    availability: FloatOrArray,
    reference_availability: FloatOrArray,
    rework_share: FloatOrArray = 0.0,
    reference_rework_share: FloatOrArray = 0.0,
) -> FloatOrArray:
    r"""What the more reliable seller's hour may cost more for both to be equal per hour that did work.

    Parameters
    ----------
    availability, reference_availability : float or ndarray
        Share of paid time the seller, and the one compared with, answers; 0 (excluded) to 1. [fraction]
    rework_share, reference_rework_share : float or ndarray
        Share of work lost at restarts, 0 to 1 (excluded). [fraction]

    Returns
    -------
    float or ndarray
        Premium over the seller's price at which the two are equal; negative where the reference is the less
        reliable. [fraction]

    Raises
    ------
    ModelDomainError
        If a share is out of range.

    Notes
    -----
    .. math:: \pi_{SLA} = \frac{A_{ref} (1 - \rho_{ref})}{A (1 - \rho)} - 1

    From :math:`p_{adj} = p_{adj,ref}` with `reliability_adjusted_usd_per_hour`, fees left out.

    Examples
    --------
    >>> round(sla_shadow_premium(availability=0.98, reference_availability=0.999, rework_share=0.01), 4)
    0.0297
    """
    ours = reliability_adjusted_usd_per_hour(1.0, availability=availability, rework_share=rework_share)
    theirs = reliability_adjusted_usd_per_hour(
        1.0, availability=reference_availability, rework_share=reference_rework_share
    )
    return ours / theirs - 1.0


def _check_prices(at_least_zero: FloatOrArray, positive: FloatOrArray) -> None:
    if not (np.all(np.asarray(at_least_zero) >= 0) and np.all(np.asarray(positive) > 0)):
        raise ModelDomainError("prices must be finite, >= 0, and the one divided by > 0")


def compare(
    costs: dy.DataFrame[UnitCosts],
    *,
    breakeven_usd_per_hour: pl.DataFrame | None = None,
    fleet_work_by_throughput: Band = FLEET_WORK_BY_THROUGHPUT,
) -> dy.DataFrame[Comparison]:
    """Every network's unit cost beside every cloud reference for the same LLM and workload.

    Parameters
    ----------
    costs : DataFrame[UnitCosts]
        Both sides, at equal work: same LLM, workload and service level.
    breakeven_usd_per_hour : DataFrame, optional
        Columns ``network``, ``accelerator``, ``breakeven_usd_per_accelerator_hour``: the price at which the
        provider breaks even, for the premium the unique service must earn; without it that column is null.
    fleet_work_by_throughput : Band
        Weighting of ``fleet_average``: each chip's share of the cloud's work goes with its throughput to this
        power. 0 is the same work on every chip, 1 the same hours on every chip, 2 hours in proportion to
        throughput. [exponent]

    Returns
    -------
    DataFrame[Comparison]
        For every network x accelerator x LLM x workload and every cloud x silicon x reference: one row
        against the same chip, one against the cheapest chip of that silicon, one against the average of the
        fleet. Null with a reason where the work can't be equal.

    Notes
    -----
    The average of a fleet is :math:`\\bar q = \\sum_i T_i^w q_i / \\sum_i T_i^w` over the chips that can do the work;
    it has no single hourly price.

    Against the same chip the throughput stands on both sides and cancels, and its uncertainty with it;
    otherwise the relative bands of both unit costs add in quadrature.
    """
    work = ["llm", "workload"]
    networks = costs.filter(pl.col("side") == "network").select(
        *work, "accelerator",
        pl.col("seller").alias("network"),
        *_prefixed("network"),
        pl.col("price_kind"),
        pl.col("observed_at").alias("network_observed_at"),
        pl.col("kind").alias("network_kind"),
        pl.col("layer").alias("network_layer"),
        pl.col("freshness").alias("network_freshness"),
        pl.col("not_comparable").alias("network_reason"),
    )  # fmt: skip
    clouds = costs.filter(pl.col("side") == "cloud").select(
        *work, pl.col("seller").alias("cloud"), "silicon", pl.col("reference").cast(pl.String),
        pl.col("accelerator").alias("reference_accelerator"),
        *_prefixed("reference"),
        pl.col("observed_at").alias("reference_observed_at"),
        pl.col("layer").alias("reference_layer"),
        pl.col("freshness").alias("reference_freshness"),
        pl.col("kind").alias("reference_kind"),
        pl.col("terms").alias("reference_terms"),
        pl.col("not_comparable").alias("reference_reason"),
        pl.col("tokens_per_second"),
    )  # fmt: skip
    asked = clouds.select(*work, "cloud", "silicon", "reference").unique()
    key = [*work, "cloud", "silicon", "reference"]
    pairs = networks.join(asked, on=work, how="inner")
    same = pairs.join(
        clouds.with_columns(pl.col("reference_accelerator").alias("accelerator")), on=[*key, "accelerator"], how="left"
    ).with_columns(
        pl.lit("same_chip").alias("match"),
        pl.when(pl.col("reference_accelerator").is_null())
        .then(pl.lit("the cloud does not sell this chip"))
        .otherwise("reference_reason")
        .alias("reference_reason"),
    )
    best = clouds.sort("usd_per_mtok_reference", "reference_accelerator", nulls_last=True).group_by(
        key, maintain_order=True
    ).first()  # fmt: skip
    cheapest = pairs.join(best, on=key, how="left").with_columns(pl.lit("cheapest").alias("match"))
    fleet = pairs.join(_fleet_average(clouds, key, fleet_work_by_throughput), on=key, how="left").with_columns(
        pl.lit("fleet_average").alias("match")
    )
    columns = [name for name in same.columns if name != "tokens_per_second"]
    both = pl.concat([frame.select(columns) for frame in (same, cheapest, fleet)], how="vertical_relaxed")

    net, ref = pl.col("usd_per_mtok_network"), pl.col("usd_per_mtok_reference")
    one_chip = pl.col("accelerator") == pl.col("reference_accelerator")
    down, up = (
        pl.when(one_chip)
        .then(_ratio_width("usd_per_accelerator_hour", net_end, ref_end))
        .otherwise(_ratio_width("usd_per_mtok", net_end, ref_end))
        for net_end, ref_end in (("high", "low"), ("low", "high"))
    )
    ratio = net / ref
    comparable = net.is_not_null() & ref.is_not_null()
    adjusted = pl.col("usd_per_mtok_network_adjusted") / pl.col("usd_per_mtok_reference_adjusted")
    down_adjusted, up_adjusted = (
        pl.when(one_chip)
        .then(_one_chip_width(net_end, ref_end))
        .otherwise(_ratio_width("usd_per_mtok_adjusted", net_end, ref_end))
        for net_end, ref_end in (("high", "low"), ("low", "high"))
    )
    frame = both.with_columns(
        (1 - ratio).alias("advantage"),
        (1 - ratio * down.exp()).alias("advantage_low"),
        (1 - ratio * (-up).exp()).alias("advantage_high"),
        (-ratio.log()).alias("log_advantage"),
        (1 - adjusted).alias("advantage_adjusted"),
        (1 - adjusted * down_adjusted.exp()).alias("advantage_adjusted_low"),
        (1 - adjusted * (-up_adjusted).exp()).alias("advantage_adjusted_high"),
        worst("network_freshness", "reference_freshness").alias("freshness"),
        pl.when(comparable)
        .then(pl.col("network_paid_hours") / pl.col("reference_paid_hours") - 1)
        .alias("sla_shadow_premium"),
        pl.when(~comparable)
        .then(pl.coalesce("network_reason", "reference_reason", pl.lit("no unit cost for this work")))
        .alias("not_comparable"),
    )
    if breakeven_usd_per_hour is None:
        frame = frame.with_columns(pl.lit(None, dtype=pl.Float64).alias("unique_service_premium"))
    else:
        needed = net * pl.col("breakeven_usd_per_accelerator_hour") / pl.col("network_usd_per_accelerator_hour")
        frame = frame.join(breakeven_usd_per_hour, on=["network", "accelerator"], how="left").with_columns(
            (needed / ref - 1).clip(lower_bound=0).alias("unique_service_premium")
        )
    ordered = frame.with_columns(pl.col("reference").cast(pl.Enum(REFERENCES))).sort(
        "network", "accelerator", "llm", "workload", "cloud", "silicon", "reference", "match"
    )
    return Comparison.validate(ordered.select(Comparison.column_names()), cast=True)


_ENDS = ("", "_low", "_high")


def _prefixed(side: str) -> list[pl.Expr]:
    """Price columns under the name of their side."""
    hour, work = "usd_per_accelerator_hour", "usd_per_mtok"
    return [
        *(pl.col(f"{hour}{of}{end}").alias(f"{side}_{hour}{of}{end}") for of in ("", "_adjusted") for end in _ENDS),
        *(pl.col(f"{work}{of}{end}").alias(f"{work}_{side}{of}{end}") for of in ("", "_adjusted") for end in _ENDS),
        *(pl.col(f"egress_{work}{end}").alias(f"egress_{work}_{side}{end}") for end in _ENDS),
        pl.col("paid_hours_per_useful_hour").alias(f"{side}_paid_hours"),
    ]


def _ratio_width(price: str, net_end: str, ref_end: str) -> pl.Expr:
    """Log half-width of network over reference, towards one end, of an hourly or a unit price."""
    of = "_adjusted" if price.endswith("_adjusted") else ""

    def width(side: str, end: str) -> pl.Expr:
        plain = price.removesuffix("_adjusted")
        name = f"{side}_{plain}{of}" if plain == "usd_per_accelerator_hour" else f"{plain}_{side}{of}"
        return (pl.col(f"{name}_{end}") / pl.col(name)).log()

    return (width("network", net_end) ** 2 + width("reference", ref_end) ** 2).sqrt()


def _one_chip_width(net_end: str, ref_end: str) -> pl.Expr:
    """The same for the adjusted prices of one chip, whose throughput is one number on both sides.

    It cancels in the hours and weighs only on how much traffic counts beside them, which is left out.
    """

    def relative(side: str, end: str) -> pl.Expr:
        hour, work, traffic = (
            f"{side}_usd_per_accelerator_hour_adjusted", f"usd_per_mtok_{side}_adjusted", f"egress_usd_per_mtok_{side}",
        )  # fmt: skip
        compute = (pl.col(f"{hour}_{end}") / pl.col(hour) - 1) * (1 - pl.col(traffic) / pl.col(work))
        moved = (pl.col(f"{traffic}_{end}") - pl.col(traffic)) / pl.col(work)
        far = (compute**2 + moved**2).sqrt()
        return (1 + far).log() if end == "high" else -(1 - far).log()

    return (relative("network", net_end) ** 2 + relative("reference", ref_end) ** 2).sqrt()


def _fleet_average(clouds: pl.DataFrame, key: list[str], work_by_throughput: Band) -> pl.DataFrame:
    """One row a cloud x silicon x reference x LLM x workload: the work spread over every chip that can do it.

    What is known of the average is known as badly as of the worst of its chips: its kind, layer and date are
    theirs. A fleet of one chip is that chip.
    """
    able = clouds.filter(pl.col("usd_per_mtok_reference").is_not_null())

    def mean(column: str, exponent: float) -> pl.Expr:
        weight = pl.col("tokens_per_second").fill_null(1.0) ** exponent
        return (pl.col(column) * weight).sum() / weight.filter(pl.col(column).is_not_null()).sum()

    def band(column: str) -> list[pl.Expr]:
        centre = mean(column, work_by_throughput.central)
        other = [mean(column, end) for end in (work_by_throughput.low, work_by_throughput.high)]
        low, high = (mean(f"{column}{end}", work_by_throughput.central) for end in ("_low", "_high"))
        fall = ((centre / low).log() ** 2 + (centre / pl.min_horizontal(centre, *other)).log() ** 2).sqrt()
        rise = ((high / centre).log() ** 2 + (pl.max_horizontal(centre, *other) / centre).log() ** 2).sqrt()
        return [
            centre.alias(column),
            (centre * (-fall).exp()).alias(f"{column}_low"),
            (centre * rise.exp()).alias(f"{column}_high"),
        ]

    one = pl.len() == 1
    hourly = [name for name in clouds.columns if name.startswith("reference_usd_per_accelerator_hour")]
    averaged = able.group_by(key).agg(
        *band("usd_per_mtok_reference"),
        *band("usd_per_mtok_reference_adjusted"),
        *(mean(f"egress_usd_per_mtok_reference{end}", work_by_throughput.central)
          .alias(f"egress_usd_per_mtok_reference{end}") for end in _ENDS),
        *(pl.when(one).then(pl.col(name).first()).alias(name) for name in [*hourly, "reference_accelerator"]),
        pl.col("reference_paid_hours").first(),
        pl.col("reference_observed_at").min(),
        *(pl.col(name).sort_by(pl.col(name).to_physical()).last()
          for name in ("reference_layer", "reference_kind", "reference_freshness")),
        pl.when(one).then(pl.col("reference_terms").first())
        .otherwise("average of " + pl.len().cast(pl.String) + " chips: "
                   + pl.col("reference_accelerator").sort().str.join(", ")).alias("reference_terms"),
        pl.lit(None, dtype=pl.String).alias("reference_reason"),
    )  # fmt: skip
    unable = (
        clouds.join(averaged, on=key, how="anti")
        .sort("reference_accelerator")
        .group_by(key, maintain_order=True)
        .first()
        .drop("tokens_per_second")
    )
    return pl.concat([averaged, unable.select(averaged.columns)], how="vertical_relaxed")
