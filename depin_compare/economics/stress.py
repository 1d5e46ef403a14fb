"""A provider's margin when clouds' cost falls at once: against the use of his node, and against the token's price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import dataframely as dy
import numpy as np
import polars as pl

from depin_compare.doors import Schema
from depin_compare.economics.erosion import tenant_price
from depin_compare.economics.margins import node_margin, reward_usd_per_rented_hour
from depin_compare.economics.nodes import Node, minting_facts
from depin_compare.economics.starts import Subject
from depin_compare.errors import ModelDomainError
from depin_compare.units import FloatArray

__all__ = ["CLOUD_COST_CUTS", "TOKEN_PRICE_FACTORS", "UTILISATIONS", "StressGrid", "stress_grid", "stress_of"]

CLOUD_COST_CUTS = tuple(round(0.1 * n, 1) for n in range(10))
UTILISATIONS = tuple(round(0.1 * n, 1) for n in range(1, 11))
TOKEN_PRICE_FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)


class StressGrid(Schema):
    """Margins of one node at one cut of clouds' cost and one use of the node, or one price of the token.

    A row has a ``utilisation`` of its own or a ``token_price_factor``, a multiple of today's price; the other is
    null and stands as it is today. ``cloud_cost_cut`` is a fraction of today's cost, of which ``pass_through`` reaches
    the network's price. Margins over ``utilisation`` are without token rewards, except of nodes that are paid in
    tokens alone; margins over ``token_price_factor`` are with them: ``with_rewards`` tells. Unknown margins are null,
    with the reason in ``not_known``.
    """

    network = dy.String(nullable=False)
    accelerator = dy.String(nullable=False)
    archetype = dy.String(nullable=False)
    cloud_cost_cut = dy.Float64(nullable=False, min=0, max=1)
    utilisation = dy.Float64(nullable=True, min=0, max=1)
    token_price_factor = dy.Float64(nullable=True, min=0)
    pass_through = dy.Float64(nullable=False, min=0, max=1)
    usd_per_accelerator_hour = dy.Float64(nullable=False, min=0)
    with_rewards = dy.Bool(nullable=False)
    full_margin = dy.Float64(nullable=True, allow_inf=True)
    cash_margin = dy.Float64(nullable=True, allow_inf=True)
    not_known = dy.String(nullable=True)


def stress_grid(
    node: Node,
    usd_per_accelerator_hour: float,
    *,
    cloud_cost_cuts: Sequence[float] = CLOUD_COST_CUTS,
    utilisations: Sequence[float] | None = None,
    token_price_factors: Sequence[float] | None = None,
    pass_through: float = 0.5,
    reward_usd_per_rented_hour: float | None = None,
    reward_not_known: str | None = None,
    network: str = "yours",
    accelerator: str = "yours",
    archetype: str = "own",
) -> dy.DataFrame[StressGrid]:
    """Margin as a function of a cut of clouds' cost and of use, or of the cut and of the token's price.

    Parameters
    ----------
    node : Node
        Its central values are used; a node with unknown inputs has null margins, and says why.
    usd_per_accelerator_hour : float
        What tenants pay today, > 0. [USD per accelerator-hour]
    cloud_cost_cuts : sequence of float
        Falls of clouds' cost, at once, 0 to 1. [fraction of today's]
    utilisations : sequence of float, optional
        Shares of hours rented, 0 to 1; default, where no token prices are asked for either: `UTILISATIONS`.
    token_price_factors : sequence of float, optional
        Prices of the token as multiples of today's, >= 0.
    pass_through : float
        Share of the cut that the network's price follows, 0 to 1. [fraction]
    reward_usd_per_rented_hour : float, optional
        Token rewards of a rented hour at today's price; None where they are not known, or there are none.
    reward_not_known : str, optional
        Why they are not known.
    network, accelerator, archetype : str
        What the rows are called.

    Returns
    -------
    DataFrame[StressGrid]
        The rows over use first, then those over the token's price; in each, cut by cut.

    Raises
    ------
    ModelDomainError
        If a fraction lies outside 0..1, or the price or a factor is negative.

    Examples
    --------
    >>> from depin_compare import Band, Node
    >>> h100 = dict(take_rate=0.0, utilisation=0.7, cost_of_capital=0.12, life_years=5.0, salvage_share=0.2, pue=1.3,
    ...     opex_share_of_capex=0.04, usd_per_kwh=0.08, idle_power_share=0.3, load_kw=1.0, capex_usd=40_000.0)
    >>> node = Node(inputs={n: Band.certain(v) for n, v in h100.items()}, utilisation_kind="assumption", reasons={})
    >>> stress_grid(node, 2.35, cloud_cost_cuts=[0.0, 0.5], utilisations=[0.7])["full_margin"].round(3).to_list()
    [0.156, -0.125]
    """
    if utilisations is None and token_price_factors is None:
        utilisations = UTILISATIONS
    cuts = np.asarray(cloud_cost_cuts, dtype=float)
    if not np.all((cuts >= 0) & (cuts <= 1)):
        raise ModelDomainError(f"cloud_cost_cuts must be within 0..1, got {list(cloud_cost_cuts)}")
    if not 0 < usd_per_accelerator_hour < np.inf:
        raise ModelDomainError(f"usd_per_accelerator_hour must be finite and > 0, got {usd_per_accelerator_hour}")
    if not all(0 <= factor < np.inf for factor in token_price_factors or ()):
        raise ModelDomainError(f"token_price_factors must be finite and >= 0, got {list(token_price_factors or ())}")
    unknown = node.missing
    named = {"network": network, "accelerator": accelerator, "archetype": archetype, "pass_through": pass_through}
    frames = []
    for column, steps in (("utilisation", utilisations), ("token_price_factor", token_price_factors)):
        if steps is None:
            continue
        rewarded = column == "token_price_factor" or node.paid_in_tokens
        reward = reward_usd_per_rented_hour if rewarded else 0.0
        why = unknown or ((reward_not_known or "token rewards not known exactly") if reward is None else None)
        cut, step = (grid.ravel() for grid in np.meshgrid(cuts, np.asarray(steps, dtype=float), indexing="ij"))
        price = np.asarray(tenant_price(usd_per_accelerator_hour, index=1.0 - cut, pass_through=pass_through))
        full: FloatArray | None = None
        cash: FloatArray | None = None
        if why is None and reward is not None:
            values = {name: np.full_like(cut, value) for name, value in node.central().items()}
            factor: FloatArray | float = 1.0
            if column == "utilisation":
                values["utilisation"] = step
            else:
                factor = step
            found = node_margin(values, price, reward=reward * factor * values["utilisation"])
            full, cash = np.asarray(found.full), np.asarray(found.cash)
        frames.append(
            pl.DataFrame(
                {
                    "cloud_cost_cut": cut,
                    column: step,
                    "usd_per_accelerator_hour": price,
                    "full_margin": full,
                    "cash_margin": cash,
                },
                schema_overrides={"full_margin": pl.Float64, "cash_margin": pl.Float64},
            ).with_columns(
                *(pl.lit(value).alias(name) for name, value in named.items()),
                pl.lit(rewarded).alias("with_rewards"),
                pl.lit(why, dtype=pl.String).alias("not_known"),
            )
        )
    made = pl.concat(frames, how="diagonal")
    blank = [pl.lit(None, dtype=pl.Float64).alias(n) for n in ("utilisation", "token_price_factor") if n not in made]
    return StressGrid.validate(made.with_columns(blank).select(StressGrid.column_names()))


def stress_of(subjects: Sequence[Subject], facts: pl.DataFrame, *, pass_through: float) -> dy.DataFrame[StressGrid]:
    """The grids of every subject a provider can own; over the token's price where its network pays rewards."""
    frames = [StressGrid.create_empty()]
    for subject in subjects:
        node = subject.node
        if node is None or subject.archetype is None:
            continue
        if subject.expired is not None:
            node = replace(node, reasons={"usd_per_accelerator_hour": subject.expired, **node.reasons})
        reward = reward_usd_per_rented_hour(facts, subject.network, subject.accelerator)
        frames.append(
            stress_grid(
                node,
                subject.usd_per_accelerator_hour.central,
                utilisations=UTILISATIONS,
                token_price_factors=TOKEN_PRICE_FACTORS if _pays_rewards(facts, subject.network) else None,
                pass_through=pass_through,
                reward_usd_per_rented_hour=reward,
                reward_not_known=None if reward is not None else _reward_not_known(facts, subject),
                network=subject.network,
                accelerator=subject.accelerator,
                archetype=subject.archetype,
            )
        )
    return StressGrid.validate(pl.concat(frames))


def _pays_rewards(facts: pl.DataFrame, network: str) -> bool:
    paid = facts.filter(pl.col("network") == network, pl.col("metric") == "reward_per_hour").height
    return bool(paid or minting_facts(facts, network).height)


def _reward_not_known(facts: pl.DataFrame, subject: Subject) -> str:
    paid = facts.filter(
        pl.col("network") == subject.network,
        pl.col("metric") == "reward_per_hour",
        pl.col("subject") == subject.accelerator,
    )
    if paid.is_empty():
        return f"nobody publishes the tokens {subject.network} pays for a rented hour of {subject.accelerator}"
    return f"no price of the token of {subject.network} on record"
