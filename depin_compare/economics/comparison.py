"""Networks against the clouds at equal work: the buyer's advantage over each reference."""

from __future__ import annotations

import dataframely as dy
import numpy as np
import polars as pl

from depin_compare.errors import ModelDomainError
from depin_compare.inference.references import REFERENCES, UnitCosts
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
    "unique_service_premium",
]

# same_chip: the cloud's offer of the very accelerator, where throughput cancels; cheapest: the chip of that
# cloud and silicon that does the work for the least.
MATCHES = ("same_chip", "cheapest")


class Comparison(dy.Schema):
    """One row a network x accelerator x LLM x workload x cloud x silicon x reference x match.

    Prices are USD per million output tokens with their prompts included. ``advantage`` is positive where
    the network is cheaper. Where the work can't be equal, the numbers are null and ``not_comparable`` says why.
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
    unique_service_premium = dy.Float64(nullable=True, min=0)
    price_kind = dy.String(nullable=True)
    reference_terms = dy.String(nullable=True)
    network_observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)
    network_layer = dy.Enum(LAYERS, nullable=True)
    reference_observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)
    reference_layer = dy.Enum(LAYERS, nullable=True)
    reference_kind = dy.Enum(KINDS, nullable=True)
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


def _check_prices(at_least_zero: FloatOrArray, positive: FloatOrArray) -> None:
    if not (np.all(np.asarray(at_least_zero) >= 0) and np.all(np.asarray(positive) > 0)):
        raise ModelDomainError("prices must be finite, >= 0, and the one divided by > 0")


def compare(
    costs: dy.DataFrame[UnitCosts], *, breakeven_usd_per_hour: pl.DataFrame | None = None
) -> dy.DataFrame[Comparison]:
    """Every network's unit cost beside every cloud reference for the same LLM and workload.

    Parameters
    ----------
    costs : DataFrame[UnitCosts]
        Both sides, at equal work: same LLM, workload and service level.
    breakeven_usd_per_hour : DataFrame, optional
        Columns ``network``, ``accelerator``, ``breakeven_usd_per_accelerator_hour``: the price at which the
        provider breaks even, for the premium the unique service must earn; without it that column is null.

    Returns
    -------
    DataFrame[Comparison]
        For every network x accelerator x LLM x workload and every cloud x silicon x reference: one row
        against the same chip, one against the cheapest chip of that silicon. Null with a reason where the
        work can't be equal.

    Notes
    -----
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
        pl.col("layer").alias("network_layer"),
        pl.col("not_comparable").alias("network_reason"),
    )  # fmt: skip
    clouds = costs.filter(pl.col("side") == "cloud").select(
        *work, pl.col("seller").alias("cloud"), "silicon", pl.col("reference").cast(pl.String),
        pl.col("accelerator").alias("reference_accelerator"),
        *_prefixed("reference"),
        pl.col("observed_at").alias("reference_observed_at"),
        pl.col("layer").alias("reference_layer"),
        pl.col("kind").alias("reference_kind"),
        pl.col("terms").alias("reference_terms"),
        pl.col("not_comparable").alias("reference_reason"),
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
    both = pl.concat([same, cheapest.select(same.columns)])

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
    frame = both.with_columns(
        (1 - ratio).alias("advantage"),
        (1 - ratio * down.exp()).alias("advantage_low"),
        (1 - ratio * (-up).exp()).alias("advantage_high"),
        (-ratio.log()).alias("log_advantage"),
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


def _prefixed(side: str) -> list[pl.Expr]:
    """Price columns under the name of their side."""
    ends = ("", "_low", "_high")
    return [
        *(pl.col(f"usd_per_accelerator_hour{end}").alias(f"{side}_usd_per_accelerator_hour{end}") for end in ends),
        *(pl.col(f"usd_per_mtok{end}").alias(f"usd_per_mtok_{side}{end}") for end in ends),
    ]


def _ratio_width(price: str, net_end: str, ref_end: str) -> pl.Expr:
    """Log half-width of network over reference, towards one end, of an hourly or a unit price."""

    def column(side: str, end: str) -> pl.Expr:
        name = f"{side}_{price}" if price == "usd_per_accelerator_hour" else f"{price}_{side}"
        return pl.col(f"{name}_{end}" if end else name)

    net = (column("network", net_end) / column("network", "")).log()
    ref = (column("reference", ref_end) / column("reference", "")).log()
    return (net**2 + ref**2).sqrt()
