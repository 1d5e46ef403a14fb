"""Small real analyses of one day that differ in one thing: the data, the model, or what the job file asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import polars as pl

import depin_compare as dc
from depin_compare.analysis import Analysis
from depin_compare.market.overrides import DiscountOverride, FactOverride, Overrides, PriceOverride
from depin_compare.refdata.assumption_set import assumption_set

DAY = datetime(2026, 11, 22, tzinfo=UTC)
# What the user changed in the job file of `asked_otherwise`.
DEARER_CAPITAL = {"cost_of_capital": 0.30}
OWN_PRICE = PriceOverride(network="akash", accelerator="h100-sxm", usd_per_accelerator_hour=1.0)


def made(
    *, network_ids: tuple[str, ...] = ("akash", "ionet"), price_factor: float = 1.0, as_of: datetime = DAY, **asked: Any
) -> Analysis:
    """An analysis of the reference data, Akash's prices times a factor."""
    offers = dc.reference_offers(as_of=DAY.date())
    price = pl.col("usd_per_accelerator_hour")
    offers = offers.with_columns(pl.when(pl.col("network") == "akash").then(price * price_factor).otherwise(price))
    asked = {"llm_ids": ("llama-3.3-70b",), "scenario_ids": ("base",), "draws": 2, "sensitivity_ids": ()} | asked
    facts = dc.reference_facts(as_of=DAY.date())
    return dc.analyse(dc.Offers.validate(offers), facts, as_of=as_of, network_ids=network_ids, **asked)


@cache
def plain() -> Analysis:
    """As the package has it."""
    return made()


@cache
def dearer_akash() -> Analysis:
    """Every price of Akash a quarter higher."""
    return made(price_factor=1.25)


@cache
def asked_otherwise() -> Analysis:
    """Capital costs providers more, by the user's job file."""
    return made(assumptions=assumption_set(DEARER_CAPITAL))


@cache
def both_moved() -> Analysis:
    """Akash's prices and the user's assumption at once."""
    return made(price_factor=1.25, assumptions=assumption_set(DEARER_CAPITAL))


@cache
def own_numbers() -> Analysis:
    """The user's own price of a chip, discount and fact, while Akash's other prices rose too."""
    own = Overrides(
        prices=[OWN_PRICE],
        discounts=[DiscountOverride(cloud="azure", share=0.5)],
        facts=[FactOverride(network="ionet", metric="utilisation", value=0.9)],
    )
    return made(price_factor=1.25, overrides=own)


def of_an_older_model(analysis: Analysis) -> Analysis:
    """As if an older version had made it, whose clouds were used less and so cost more."""
    lower = pl.when(pl.col("parameter") == "cloud_utilisation").then(pl.col("low")).otherwise("central")
    advantage = pl.col("advantage") + pl.when(pl.col("reference") == "modelled_cost").then(0.5).otherwise(0.0)
    return replace(
        analysis,
        provenance={**analysis.provenance, "version_depin-compare": "0.0.1"},
        assumptions=analysis.assumptions.with_columns(lower.alias("central")),
        comparison=analysis.comparison.with_columns(advantage.alias("advantage")),
    )
