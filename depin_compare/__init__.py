"""How much cheaper decentralised GPU networks are than the clouds, for the same inference work, and for how long.

Pure functions over frames and numbers: no network, no files but the packaged tables, no global state.

>>> import depin_compare as dc
>>> round(dc.capital_usd_per_hour(40_000, salvage_usd=8_000, cost_of_capital=0.12, life_years=5), 5)
1.12296
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from depin_compare.analysis import Analysis, analyse
    from depin_compare.bands import Band
    from depin_compare.economics.catalogue import OfferComparison, compare_offers
    from depin_compare.economics.comparison import (
        Comparison,
        advantage,
        compare,
        log_advantage,
        reliability_adjusted_usd_per_hour,
        sla_shadow_premium,
        unique_service_premium,
    )
    from depin_compare.economics.erosion import (
        adopted_share,
        breakeven_date,
        breakeven_years,
        cost_index,
        headroom,
        margin_headroom,
        tenant_price,
    )
    from depin_compare.economics.margins import (
        Margins,
        breakeven_price,
        breakeven_utilisation,
        margins,
        provider_margin,
        stop_price,
    )
    from depin_compare.economics.market_check import ModelAgainstMarket, model_against_market
    from depin_compare.economics.nodes import Node, OwnNode
    from depin_compare.economics.outlook import Erosion, erosion
    from depin_compare.economics.outlook_frames import (
        AdvantagePaths,
        Drivers,
        ErosionProbabilities,
        MarginPaths,
        Outlook,
    )
    from depin_compare.economics.scenarios import scenarios
    from depin_compare.economics.sensitivity import Sensitivity, sensitivity
    from depin_compare.economics.starts import Subject
    from depin_compare.economics.stress import StressGrid, stress_grid
    from depin_compare.economics.token_economics import TokenEconomics, token_economics
    from depin_compare.economics.tokenomics import (
        burn_mint_supply_change,
        cumulative_emission,
        emission_coverage,
        network_take,
        network_take_of_fees,
        required_token_price,
        scheduled_emission,
        subsidy_gap,
        subsidy_usd_per_hour,
    )
    from depin_compare.economics.uncertainty import Draws
    from depin_compare.economics.waterfall import Waterfall, waterfall
    from depin_compare.explanations import Explanation, explain
    from depin_compare.inference.costs import (
        capital_recovery_factor,
        capital_usd_per_hour,
        inference_cost,
        power_usd_per_hour,
    )
    from depin_compare.inference.references import HourlyReferences, UnitCosts, hourly_references
    from depin_compare.inference.sellers import SellerTerms, seller_terms
    from depin_compare.inference.throughput import Throughputs, throughput, throughput_table
    from depin_compare.market.accelerators import accelerator_id
    from depin_compare.market.dated_prices import TrendFits, Trends, trend_fits, trends
    from depin_compare.market.discrepancies import Discrepancies, discrepancies
    from depin_compare.market.facts import NetworkFacts
    from depin_compare.market.offers import Offers, Skipped
    from depin_compare.market.overrides import DiscountOverride, FactOverride, Overrides, PriceOverride
    from depin_compare.market.price_index import PriceIndex, price_index
    from depin_compare.market.prices import MarketPrices, market_prices
    from depin_compare.market.reference import reference_facts, reference_offers
    from depin_compare.market.statistics import MarketStatistics, marked_outliers, market_statistics
    from depin_compare.market.token_prices import TokenPrices, reference_token_prices
    from depin_compare.market.trend_fits import Step, Trend, fit_trend
    from depin_compare.refdata.assumption_set import assumption_set

__all__ = [
    "AdvantagePaths",
    "Analysis",
    "Band",
    "Comparison",
    "DiscountOverride",
    "Discrepancies",
    "Draws",
    "Drivers",
    "Erosion",
    "ErosionProbabilities",
    "Explanation",
    "FactOverride",
    "HourlyReferences",
    "MarginPaths",
    "Margins",
    "MarketPrices",
    "MarketStatistics",
    "ModelAgainstMarket",
    "NetworkFacts",
    "Node",
    "OfferComparison",
    "Offers",
    "Outlook",
    "Overrides",
    "OwnNode",
    "PriceIndex",
    "PriceOverride",
    "SellerTerms",
    "Sensitivity",
    "Skipped",
    "Step",
    "StressGrid",
    "Subject",
    "Throughputs",
    "TokenEconomics",
    "TokenPrices",
    "Trend",
    "TrendFits",
    "Trends",
    "UnitCosts",
    "Waterfall",
    "accelerator_id",
    "adopted_share",
    "advantage",
    "analyse",
    "assumption_set",
    "breakeven_date",
    "breakeven_price",
    "breakeven_utilisation",
    "breakeven_years",
    "burn_mint_supply_change",
    "capital_recovery_factor",
    "capital_usd_per_hour",
    "compare",
    "compare_offers",
    "cost_index",
    "cumulative_emission",
    "discrepancies",
    "emission_coverage",
    "erosion",
    "explain",
    "fit_trend",
    "headroom",
    "hourly_references",
    "inference_cost",
    "log_advantage",
    "margin_headroom",
    "margins",
    "marked_outliers",
    "market_prices",
    "market_statistics",
    "model_against_market",
    "network_take",
    "network_take_of_fees",
    "power_usd_per_hour",
    "price_index",
    "provider_margin",
    "reference_facts",
    "reference_offers",
    "reference_token_prices",
    "reliability_adjusted_usd_per_hour",
    "required_token_price",
    "scenarios",
    "scheduled_emission",
    "seller_terms",
    "sensitivity",
    "sla_shadow_premium",
    "stop_price",
    "stress_grid",
    "subsidy_gap",
    "subsidy_usd_per_hour",
    "tenant_price",
    "throughput",
    "throughput_table",
    "token_economics",
    "trend_fits",
    "trends",
    "unique_service_premium",
    "waterfall",
]

# Where each name lives: it is imported when it is first asked for, so that `depin-compare --help` and a program that
# needs one formula do not pay for frames.
_HOMES = {
    "AdvantagePaths": "economics.outlook_frames",
    "Analysis": "analysis",
    "Band": "bands",
    "Comparison": "economics.comparison",
    "DiscountOverride": "market.overrides",
    "Discrepancies": "market.discrepancies",
    "Draws": "economics.uncertainty",
    "Drivers": "economics.outlook_frames",
    "Erosion": "economics.outlook",
    "ErosionProbabilities": "economics.outlook_frames",
    "Explanation": "explanations",
    "FactOverride": "market.overrides",
    "HourlyReferences": "inference.references",
    "MarginPaths": "economics.outlook_frames",
    "Margins": "economics.margins",
    "MarketPrices": "market.prices",
    "MarketStatistics": "market.statistics",
    "ModelAgainstMarket": "economics.market_check",
    "NetworkFacts": "market.facts",
    "Node": "economics.nodes",
    "OfferComparison": "economics.catalogue",
    "Offers": "market.offers",
    "Outlook": "economics.outlook_frames",
    "Overrides": "market.overrides",
    "OwnNode": "economics.nodes",
    "PriceIndex": "market.price_index",
    "PriceOverride": "market.overrides",
    "SellerTerms": "inference.sellers",
    "Sensitivity": "economics.sensitivity",
    "Skipped": "market.offers",
    "Step": "market.trend_fits",
    "StressGrid": "economics.stress",
    "Subject": "economics.starts",
    "Throughputs": "inference.throughput",
    "TokenEconomics": "economics.token_economics",
    "TokenPrices": "market.token_prices",
    "Trend": "market.trend_fits",
    "TrendFits": "market.dated_prices",
    "Trends": "market.dated_prices",
    "UnitCosts": "inference.references",
    "Waterfall": "economics.waterfall",
    "accelerator_id": "market.accelerators",
    "adopted_share": "economics.erosion",
    "advantage": "economics.comparison",
    "analyse": "analysis",
    "assumption_set": "refdata.assumption_set",
    "breakeven_date": "economics.erosion",
    "breakeven_price": "economics.margins",
    "breakeven_utilisation": "economics.margins",
    "breakeven_years": "economics.erosion",
    "burn_mint_supply_change": "economics.tokenomics",
    "capital_recovery_factor": "inference.costs",
    "capital_usd_per_hour": "inference.costs",
    "compare": "economics.comparison",
    "compare_offers": "economics.catalogue",
    "cost_index": "economics.erosion",
    "cumulative_emission": "economics.tokenomics",
    "discrepancies": "market.discrepancies",
    "emission_coverage": "economics.tokenomics",
    "erosion": "economics.outlook",
    "explain": "explanations",
    "fit_trend": "market.trend_fits",
    "headroom": "economics.erosion",
    "hourly_references": "inference.references",
    "inference_cost": "inference.costs",
    "log_advantage": "economics.comparison",
    "margin_headroom": "economics.erosion",
    "margins": "economics.margins",
    "marked_outliers": "market.statistics",
    "market_prices": "market.prices",
    "market_statistics": "market.statistics",
    "model_against_market": "economics.market_check",
    "network_take": "economics.tokenomics",
    "network_take_of_fees": "economics.tokenomics",
    "power_usd_per_hour": "inference.costs",
    "price_index": "market.price_index",
    "provider_margin": "economics.margins",
    "reference_facts": "market.reference",
    "reference_offers": "market.reference",
    "reference_token_prices": "market.token_prices",
    "reliability_adjusted_usd_per_hour": "economics.comparison",
    "required_token_price": "economics.tokenomics",
    "scenarios": "economics.scenarios",
    "scheduled_emission": "economics.tokenomics",
    "seller_terms": "inference.sellers",
    "sensitivity": "economics.sensitivity",
    "sla_shadow_premium": "economics.comparison",
    "stop_price": "economics.margins",
    "stress_grid": "economics.stress",
    "subsidy_gap": "economics.tokenomics",
    "subsidy_usd_per_hour": "economics.tokenomics",
    "tenant_price": "economics.erosion",
    "throughput": "inference.throughput",
    "throughput_table": "inference.throughput",
    "token_economics": "economics.token_economics",
    "trend_fits": "market.dated_prices",
    "trends": "market.dated_prices",
    "unique_service_premium": "economics.comparison",
    "waterfall": "economics.waterfall",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
