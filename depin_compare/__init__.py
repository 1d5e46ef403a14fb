"""How much cheaper decentralised GPU networks are than the clouds, for the same inference work, and for how long.

Pure functions over frames and numbers: no network, no files but the packaged tables, no global state.

>>> import depin_compare as dc
>>> round(dc.capital_usd_per_hour(40_000, salvage_usd=8_000, cost_of_capital=0.12, life_years=5), 5)
1.12296
"""

from depin_compare.analysis import Analysis, analyse
from depin_compare.bands import Band
from depin_compare.economics.comparison import (
    Comparison,
    advantage,
    compare,
    log_advantage,
    reliability_adjusted_usd_per_hour,
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
from depin_compare.economics.margins import Margins, breakeven_price, breakeven_utilisation, margins, provider_margin
from depin_compare.economics.market_check import ModelAgainstMarket, model_against_market
from depin_compare.economics.outlook import AdvantagePaths, MarginPaths, Outlook, erosion
from depin_compare.economics.scenarios import scenarios
from depin_compare.economics.tokenomics import (
    burn_mint_supply_change,
    emission_coverage,
    network_take,
    required_token_price,
    subsidy_gap,
    subsidy_usd_per_hour,
)
from depin_compare.inference.costs import (
    capital_recovery_factor,
    capital_usd_per_hour,
    inference_cost,
    power_usd_per_hour,
)
from depin_compare.inference.references import UnitCosts
from depin_compare.inference.throughput import Throughputs, throughput, throughput_table
from depin_compare.market.accelerators import accelerator_id
from depin_compare.market.discrepancies import Discrepancies, discrepancies
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import Offers, Skipped
from depin_compare.market.prices import MarketPrices, market_prices
from depin_compare.market.reference import reference_facts, reference_offers
from depin_compare.market.statistics import MarketStatistics, marked_outliers, market_statistics
from depin_compare.market.token_prices import TokenPrices, reference_token_prices
from depin_compare.refdata.assumption_set import assumption_set

__all__ = [
    "AdvantagePaths",
    "Analysis",
    "Band",
    "Comparison",
    "Discrepancies",
    "MarginPaths",
    "Margins",
    "MarketPrices",
    "MarketStatistics",
    "ModelAgainstMarket",
    "NetworkFacts",
    "Offers",
    "Outlook",
    "Skipped",
    "Throughputs",
    "TokenPrices",
    "UnitCosts",
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
    "cost_index",
    "discrepancies",
    "emission_coverage",
    "erosion",
    "headroom",
    "inference_cost",
    "log_advantage",
    "margin_headroom",
    "margins",
    "marked_outliers",
    "market_prices",
    "market_statistics",
    "model_against_market",
    "network_take",
    "power_usd_per_hour",
    "provider_margin",
    "reference_facts",
    "reference_offers",
    "reference_token_prices",
    "reliability_adjusted_usd_per_hour",
    "required_token_price",
    "scenarios",
    "subsidy_gap",
    "subsidy_usd_per_hour",
    "tenant_price",
    "throughput",
    "throughput_table",
    "unique_service_premium",
]
