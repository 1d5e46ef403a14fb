"""Where the tenant's money goes: to the network, the power company, upkeep and capital, and what is left."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.economics.margins import Margins
from depin_compare.economics.nodes import ARCHETYPES

__all__ = ["WATERFALL_STEPS", "Waterfall", "waterfall"]

WATERFALL_STEPS = ("tenant", "network_take", "power", "overhead", "capital", "profit", "token_rewards")
_COLUMN_OF_STEP = {
    "tenant": "tenant_usd_per_hour",
    "network_take": "network_take_usd_per_hour",
    "power": "power_usd_per_hour",
    "overhead": "opex_usd_per_hour",
    "capital": "capital_usd_per_hour",
    "profit": "profit_usd_per_hour",
    "token_rewards": "reward_usd_per_hour",
}
_TAKEN = ("network_take", "power", "overhead", "capital")


class Waterfall(Schema):
    """One row a network x accelerator x archetype x step, USD per calendar hour and accelerator.

    ``usd_per_hour`` is signed: what the tenant pays, less the network's take, power, overhead and capital, is the
    provider's profit. A bar goes from ``from_usd_per_hour`` to ``to_usd_per_hour``. Token rewards stand apart, on
    top of the profit, and have a row only where they are known.
    """

    network = dy.String(primary_key=True)
    accelerator = dy.String(primary_key=True)
    archetype = dy.Enum(ARCHETYPES, primary_key=True)
    step = dy.Enum(WATERFALL_STEPS, primary_key=True)
    usd_per_hour = dy.Float64(nullable=False)
    from_usd_per_hour = dy.Float64(nullable=False)
    to_usd_per_hour = dy.Float64(nullable=False)
    share_of_tenant = dy.Float64(nullable=True)


def waterfall(margins: dy.DataFrame[Margins]) -> dy.DataFrame[Waterfall]:
    """Every node whose margin is known, step by step from the tenant's bill to the provider's profit.

    Parameters
    ----------
    margins : DataFrame[Margins]
        See `depin_compare.economics.margins.margins`.

    Returns
    -------
    DataFrame[Waterfall]
        Six steps a node, seven where token rewards are known; nodes of unknown margin have none.

    Notes
    -----
    tenant - network take - power - overhead - capital = profit.
    """
    key = ["network", "accelerator", "archetype"]
    known = margins.filter(pl.col("profit_usd_per_hour").is_not_null())
    amount = pl.col("usd_per_hour")
    moves = (
        known.select(
            *key,
            *(
                (0.0 - pl.col(column) if step in _TAKEN else pl.col(column)).alias(step)
                for step, column in _COLUMN_OF_STEP.items()
            ),
        )
        .unpivot(index=key, on=list(WATERFALL_STEPS), variable_name="step", value_name="usd_per_hour")
        .filter(amount.is_not_null())
        .with_columns(pl.col("step").cast(pl.Enum(WATERFALL_STEPS)))
        .sort(*key, "step")
    )
    step = pl.col("step").cast(pl.String)
    profit, tenant = (amount.filter(step == name).first().over(key) for name in ("profit", "tenant"))
    running = moves.filter(step.is_in(["tenant", *_TAKEN])).with_columns(
        pl.col("usd_per_hour").cum_sum().over(key).alias("to_usd_per_hour")
    )
    ends = moves.with_columns(profit.alias("profit"), tenant.alias("tenant")).join(
        running.select(*key, "step", "to_usd_per_hour"), on=[*key, "step"], how="left"
    )
    to = (
        pl.when(step == "profit").then(amount)
        .when(step == "token_rewards").then(pl.col("profit") + amount)
        .otherwise("to_usd_per_hour")
    )  # fmt: skip
    start = (
        pl.when(step.is_in(["tenant", "profit"])).then(0.0)
        .when(step == "token_rewards").then(pl.col("profit"))
        .otherwise(pl.col("to_usd_per_hour") - amount)
    )  # fmt: skip
    return Waterfall.validate(
        ends.select(
            *key,
            "step",
            "usd_per_hour",
            start.alias("from_usd_per_hour"),
            to.alias("to_usd_per_hour"),
            pl.when(pl.col("tenant") > 0).then(amount / pl.col("tenant")).alias("share_of_tenant"),
        ),
        cast=True,
    )
