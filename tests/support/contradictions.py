"""An analysis whose inputs were changed until today's findings are turned round: what titles and sentences must follow.

Prices, facts and assumptions are changed and everything is computed again, so every frame agrees with every other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import many_networks
import polars as pl
from live_history import priced

from depin_compare.analysis import DEFAULT_LLMS, Analysis
from depin_compare.jobs.config import AnalysisConfig, JobConfig
from depin_compare.jobs.run import Inputs, analysis_of
from depin_compare.jobs.sources import age_rules
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import Offers

NETWORKS = pl.col("segment") != "hyperscaler"
# A provider's costs as low, and as high, as the product takes them.
NEXT_TO_NO_COST: Mapping[str, float] = {
    "cost_of_capital": 0.001, "usd_per_kwh_home": 0.001, "usd_per_kwh_data_centre": 0.001, "life_years_home": 30.0,
    "life_years_data_centre": 30.0, "salvage_share_home": 0.99, "salvage_share_data_centre": 0.99,
    "opex_share_of_capex_home": 0.0, "opex_share_of_capex_data_centre": 0.0, "utilisation_home": 0.95,
    "utilisation_data_centre": 0.95, "utilisation_drift": 0.0,
}  # fmt: skip
RUINOUS_COST: Mapping[str, float] = {
    "usd_per_kwh_home": 100.0, "usd_per_kwh_data_centre": 100.0, "token_price_stress_factor": 0.01,
}  # fmt: skip


def contradicted(analysis: Analysis) -> dict[str, Analysis]:
    """The same networks in seven worlds, by what is true there; each is built when it is first looked up."""
    return _Worlds(analysis)


class _Worlds(dict[str, Analysis]):
    """Built one by one: a test that needs one world does not wait for seven."""

    def __init__(self, analysis: Analysis) -> None:
        super().__init__(dict.fromkeys(WORLDS))
        self._analysis = analysis

    def __getitem__(self, name: str) -> Analysis:
        if super().__getitem__(name) is None:
            self[name] = WORLDS[name](self._analysis)
        return super().__getitem__(name)

    def items(self) -> Any:
        return [(name, self[name]) for name in self]

    def values(self) -> Any:
        return [self[name] for name in self]


def dearer_than_every_list_price(analysis: Analysis) -> Analysis:
    """Networks ask a hundred times as much."""
    return again(analysis, network_prices=pl.col("usd_per_accelerator_hour") * 100.0)


def cheaper_than_every_modelled_cost(analysis: Analysis) -> Analysis:
    """Networks ask a fiftieth, and the clouds sell a hundredth of what they own."""
    return again(
        analysis, network_prices=pl.col("usd_per_accelerator_hour") / 50.0, assumptions={"cloud_utilisation": 0.01}
    )


def margins_positive_everywhere(analysis: Analysis) -> Analysis:
    """Providers pay next to nothing and are rented nearly always, at today's prices."""
    return again(analysis, assumptions=NEXT_TO_NO_COST, facts=_rented(0.95))


def nothing_reached(analysis: Analysis) -> Analysis:
    """Providers pay next to nothing, clouds ask and pay a hundred times as much: no date is ever reached."""
    return again(
        analysis,
        cloud_prices=pl.col("usd_per_accelerator_hour").clip(150.0),
        assumptions={**NEXT_TO_NO_COST, "cloud_utilisation": 0.01},
        facts=_rented(0.95),
    )


def everything_lost(analysis: Analysis) -> Analysis:
    """Networks ask a hundred times as much and nobody rents: no advantage and no margin is left today."""
    return again(
        analysis,
        network_prices=pl.col("usd_per_accelerator_hour") * 100.0,
        assumptions={**RUINOUS_COST, "utilisation_home": 0.001, "utilisation_data_centre": 0.001},
        facts=_rented(0.001),
    )


def no_network_price(analysis: Analysis) -> Analysis:
    """No offer of a network can be compared, and each says why."""
    return again(analysis, not_comparable=(NETWORKS, "sold by the render, not by the hour"))


def no_comparable_pair(analysis: Analysis) -> Analysis:
    """Networks have prices, and no cloud has one of anything they can be held against."""
    return again(analysis, not_comparable=(~NETWORKS, "sold as whole regions, not by the hour"))


WORLDS: dict[str, Callable[[Analysis], Analysis]] = {
    one.__name__: one
    for one in (
        dearer_than_every_list_price, cheaper_than_every_modelled_cost, margins_positive_everywhere, nothing_reached,
        everything_lost, no_network_price, no_comparable_pair,
    )
}  # fmt: skip


def again(
    analysis: Analysis,
    *,
    network_prices: pl.Expr | None = None,
    cloud_prices: pl.Expr | None = None,
    not_comparable: tuple[pl.Expr, str] | None = None,
    assumptions: Mapping[str, float] | None = None,
    facts: Callable[[pl.DataFrame], pl.DataFrame] = lambda frame: frame,
) -> Analysis:
    """The analysis once more from its own inputs, with other prices, facts or assumptions."""
    offers: pl.DataFrame = analysis.offers
    for price, whose in ((network_prices, NETWORKS), (cloud_prices, ~NETWORKS)):
        if price is not None:
            offers = priced(offers, price, where=whose)
    if not_comparable is not None:
        whose, reason_text = not_comparable
        reason = pl.when(whose).then(pl.lit(reason_text)).otherwise("not_comparable")
        offers = offers.with_columns(reason.alias("not_comparable"))
    asked: dict[str, Any] = {
        "networks": analysis.headlines["network"].to_list(),
        "llms": [llm for llm in DEFAULT_LLMS if llm in set(analysis.throughputs["llm"])],
        "scenarios": analysis.scenarios["scenario"].unique(maintain_order=True).to_list(),
    }
    if "draws" in AnalysisConfig.model_fields:
        asked["draws"] = int(analysis.provenance["draws"])
    job = JobConfig.model_validate({"analysis": asked, "assumptions": dict(assumptions or {})})
    inputs = Inputs(
        as_of=analysis.as_of,
        offers=Offers.validate(offers),
        facts=NetworkFacts.validate(facts(analysis.facts)),
        skipped=analysis.skipped,
        source_states=analysis.source_states,
        token_prices=analysis.token_prices,
        discrepancies=analysis.discrepancies,
        age_rules=age_rules(job),
    )
    with ExitStack() as stack:
        if set(asked["networks"]) & set(many_networks.MADE):
            stack.enter_context(many_networks.known_networks())
        made = analysis_of(job, inputs)
    return replace(made, display_names=analysis.display_names)


def _rented(share: float) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Every utilisation that is published is this one."""
    value = pl.when(pl.col("metric") == "utilisation").then(pl.lit(share)).otherwise("value")
    return lambda facts: facts.with_columns(value.alias("value"))
