"""One file a chart: frames in, Figure out. `CHARTS` says which frames of an Analysis each one takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import polars as pl
from matplotlib.figure import Figure

from depin_compare.analysis import Analysis
from depin_compare.refdata.histories import events
from reports.charts.advantage_erosion import advantage_erosion
from reports.charts.advantage_heat_map import advantage_heat_map
from reports.charts.breakeven_dates import breakeven_dates
from reports.charts.equal_work import equal_work
from reports.charts.headroom import headroom
from reports.charts.margin_erosion import margin_erosion
from reports.charts.market_check import market_check
from reports.charts.network_outlook import network_outlook
from reports.charts.price_history import price_history
from reports.charts.price_ladder import price_ladder
from reports.charts.pricing_choice import pricing_choice
from reports.charts.provider_waterfall import provider_waterfall
from reports.charts.source_ages import source_ages
from reports.charts.stress import stress
from reports.charts.token_price_trend import token_price_trend
from reports.charts.tornado import tornado
from reports.charts.utilisation import utilisation
from reports.charts.years_ahead import years_ahead
from reports.reasons import kind_of_reason, without_margin
from reports.style import Look
from reports.view import headline_margins

__all__ = [
    "CHARTS",
    "NETWORK_CHARTS",
    "advantage_erosion",
    "advantage_heat_map",
    "breakeven_dates",
    "equal_work",
    "headroom",
    "margin_erosion",
    "market_check",
    "network_charts",
    "network_outlook",
    "price_history",
    "price_ladder",
    "pricing_choice",
    "provider_waterfall",
    "source_ages",
    "stress",
    "token_price_trend",
    "tornado",
    "utilisation",
    "years_ahead",
]

CHARTS: dict[str, Callable[[Analysis, Look], Figure]] = {
    "advantage_erosion": lambda a, look: advantage_erosion(a.headlines, a.advantage_paths, look, scenarios=a.scenarios),
    "advantage_heat_map": lambda a, look: advantage_heat_map(a.headlines, a.comparison, look),
    "breakeven_dates": lambda a, look: breakeven_dates(a.headlines, a.erosion_probabilities, a.advantage_paths, look),
    "equal_work": lambda a, look: equal_work(a.headlines, a.comparison, look),
    "headroom": lambda a, look: headroom(a.headlines, a.outlook, a.comparison, look),
    "margin_erosion": lambda a, look: margin_erosion(a.headlines, a.margin_paths, look, scenarios=a.scenarios),
    "market_check": lambda a, look: market_check(a.headlines, a.market_check, look),
    "price_history": lambda a, look: price_history(a.trends, events(), look),
    "price_ladder": lambda a, look: price_ladder(
        a.market_prices, look, headline_chips=a.headlines["accelerator"].drop_nulls().to_list()
    ),
    "pricing_choice": lambda a, look: pricing_choice(a.headlines, a.advantage_paths, look),
    "provider_waterfall": lambda a, look: provider_waterfall(a.headlines, a.margins, look, tokens=a.token_economics),
    "source_ages": lambda a, look: source_ages(a.source_states, look, market_prices=a.market_prices),
    "stress": lambda a, look: stress(a.headlines, a.margins, a.stress, look, tokens=a.token_economics),
    "token_price_trend": lambda a, look: token_price_trend(a.token_prices, look),
    "tornado": lambda a, look: tornado(a.headlines, a.drivers, a.advantage_paths, look),
    "utilisation": lambda a, look: utilisation(a.headlines, a.margins, a.facts, look),
    "years_ahead": lambda a, look: years_ahead(a.headlines, a.advantage_paths, a.margin_paths, look),
}

# Of one network each, for its page: NAME/NETWORK.
NETWORK_CHARTS = "network"


def network_charts(analysis: Analysis) -> dict[str, Callable[[Analysis, Look], Figure]]:
    """The charts of single networks, by name: ``network/akash``; drawn for the pages only."""
    return {f"{NETWORK_CHARTS}/{network}": partial(_of_network, network) for network in analysis.headlines["network"]}


def _of_network(network: str, analysis: Analysis, look: Look) -> Figure:
    margins = headline_margins(analysis.headlines, analysis.margins).filter(pl.col("network") == network)
    why = margins["not_known"].drop_nulls().to_list()
    return network_outlook(
        analysis.advantage_paths,
        analysis.margin_paths,
        look,
        network=network,
        not_known=kind_of_reason(why[0]) if why else without_margin("") if margins.is_empty() else None,
    )
