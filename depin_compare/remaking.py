"""An analysis made again from what a saved one holds: the same data, or what another one was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dataframely as dy
import polars as pl

from depin_compare.analysis import DEFAULT_HORIZON, Analysis, analyse
from depin_compare.economics.scenarios import BASE, scenario_ids
from depin_compare.errors import ConfigError
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.freshness import AgeLimits, AgeRules
from depin_compare.market.offers import Offers
from depin_compare.market.overrides import DiscountOverride, FactOverride, Overrides, PriceOverride, fact_metrics
from depin_compare.refdata.assumption_set import USER_SOURCE, assumption_set

__all__ = ["remade"]

_OFFER = ("network", "accelerator", "terms")
_FACT = ("network", "metric")
_ASKED = ("llms", "workloads", "draws", "seed")


def remade(data: Analysis, asked: Analysis, *, instead: Analysis | None = None) -> Analysis:
    """What this version makes of the offers and facts of one analysis, asked as another one was.

    The models, workloads, networks, scenarios, horizon and assumptions are those of ``asked``; so are the user's own
    prices, discounts and facts. The packaged tables are this version's.

    Parameters
    ----------
    data : Analysis
        Whose offers, facts and hosts' token prices to use, as of its day.
    asked : Analysis
        Whose wishes to follow.
    instead : Analysis, optional
        Where ``data`` holds a number of the user's own, what the sources said in its place is lost; it is taken
        from here. Default: from ``asked``.

    Returns
    -------
    Analysis
        Without the states of the sources, which make no number, and without its sensitivity, which takes longest.

    Raises
    ------
    ConfigError
        If ``asked`` does not say what it was asked for: it was made by an early version.
    DepinCompareError
        If it asks for what this version does not have.

    Notes
    -----
    Some wishes stand in no analysis: limits of age and of reliability that only the job file has, the user's node, and
    a decline fitted to the store. Make an analysis again with its own data to see whether that matters to it.
    """
    missing = [key for key in _ASKED if key not in asked.provenance]
    if missing:
        raise ConfigError(f"the saved analysis does not say which {' and '.join(missing)} it was asked for")
    own = asked.user_changes.filter(pl.col("in_force"))
    asked_scenarios = asked.outlook["scenario"].unique(maintain_order=True).to_list() or [BASE]
    offers, facts = _observed(data, instead or asked)
    return analyse(
        offers,
        facts,
        as_of=data.as_of,
        llm_ids=asked.provenance["llms"].split(", "),
        workload_ids=asked.provenance["workloads"].split(", "),
        scenario_ids=asked_scenarios,
        sensitivity_ids=(),
        network_ids=asked.headlines["network"].to_list(),
        assumptions=assumption_set(_own_assumptions(asked)),
        overrides=_overrides(own),
        own_scenarios=_own_scenarios(asked),
        token_prices=data.token_prices,
        discrepancies=data.discrepancies,
        age_rules=_age_rules(asked),
        provenance=asked.provenance,
        horizon=asked.outlook["horizon"][0] if asked.outlook.height else DEFAULT_HORIZON,
        draws=int(asked.provenance["draws"]),
        seed=int(asked.provenance["seed"]),
    )


def _observed(data: Analysis, instead: Analysis) -> tuple[dy.DataFrame[Offers], dy.DataFrame[NetworkFacts]]:
    """Offers and facts without the user's own; in their place those of the other analysis, where it has them."""
    made = []
    for frame, other, key in ((data.offers, instead.offers, _OFFER), (data.facts, instead.facts, _FACT)):
        users = pl.col("source") == USER_SOURCE
        mine = frame.filter(users).select(key).unique()
        found = other.filter(~users).join(mine, on=list(key), how="semi")
        kept = frame.filter(~users)
        new = found.join(kept, on=[*key, "source"], how="anti", nulls_equal=True)
        made.append(pl.concat([kept, new]))
    return Offers.validate(made[0], cast=True), NetworkFacts.validate(made[1], cast=True)


def _own_assumptions(asked: Analysis) -> dict[str, dict[str, float]]:
    """The user's assumptions; the rest are this version's."""
    mine = asked.assumptions.filter(pl.col("source_id") == USER_SOURCE).select("parameter", "low", "central", "high")
    return {name: {"low": low, "central": central, "high": high} for name, low, central, high in mine.iter_rows()}


def _own_scenarios(asked: Analysis) -> dict[str, dict[str, Any]]:
    """The scenarios that no package has, as a job file would write them out in full."""
    packaged = scenario_ids()
    made: dict[str, dict[str, Any]] = {}
    for row in asked.scenarios.filter(~pl.col("scenario").is_in(packaged)).to_dicts():
        table = made.setdefault(
            row["scenario"], {"title": row["title"], "meaning": row["meaning"], "clouds": row["clouds"].split()}
        )
        name, _, silicon = row["parameter"].partition(".")
        band = {end: row[end] for end in ("low", "central", "high")}
        if silicon:
            table.setdefault(name, {})[silicon] = band
        else:
            table[name] = band
    return made


def _overrides(own: pl.DataFrame) -> Overrides:
    """The user's prices, discounts and facts, from where they stand in the job file."""
    tables = own.with_columns(pl.col("table").cast(pl.String)).rows_by_key("table", named=True)
    prices, discounts, facts = (tables.get(name, []) for name in ("prices", "discounts", "facts"))
    return Overrides(
        prices=[_price(row) for row in prices],
        discounts=[_discount(row) for row in discounts],
        facts=[_fact(row) for row in facts],
    )


def _price(row: dict[str, Any]) -> PriceOverride:
    network, accelerator, terms = row["key"].split(".")
    return PriceOverride(
        network=network, accelerator=accelerator, terms=terms, usd_per_accelerator_hour=row["after"], note=row["note"]
    )


def _discount(row: dict[str, Any]) -> DiscountOverride:
    cloud, *accelerator, reference = row["key"].split(".")
    return DiscountOverride(
        cloud=cloud,
        accelerator=accelerator[0] if accelerator else None,
        reference=reference,
        share=row["after"],
        note=row["note"],
    )


def _fact(row: dict[str, Any]) -> FactOverride:
    network, metric, *subject = row["key"].split(".", 2)
    return FactOverride(
        network=network,
        metric=metric,
        subject=subject[0] if subject else None,
        value=row["after"],
        unit=row["unit"] if metric not in fact_metrics() else None,
        note=row["note"],
    )


def _age_rules(asked: Analysis) -> AgeRules:
    """The ages of the sources that gave something; packaged rows have those of this version."""
    states: Sequence[dict[str, Any]] = asked.source_states.with_columns(pl.col(pl.Enum).cast(pl.String)).to_dicts()
    return AgeRules(
        sources={
            row["source"]: AgeLimits(row["expected_age_days"], row["limit_age_days"])
            for row in states
            if row["layer"] in ("live", "stored") and row["expected_age_days"] and row["limit_age_days"]
        }
    )
