"""Offers, facts and token prices with sensible fields where a test names none."""

from datetime import UTC, datetime

import polars as pl

from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import Offers
from depin_compare.market.token_prices import TokenPrices

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def offers(*rows: dict) -> pl.DataFrame:
    """Offers with sensible fields where a row names none."""
    base = {
        "source": "akash", "network": "akash", "segment": "decentralized", "accelerator": "h100-sxm",
        "accelerator_name": "H100", "accelerator_count": 1, "usd_per_accelerator_hour": 2.0, "terms": "on_demand",
        "price_kind": "ask", "listed_price": "2.00", "listed_unit": "USD per GPU-hour", "listed_currency": "USD",
        "observed_at": NOW, "layer": "live", "source_url": "https://example.org/prices",
    }  # fmt: skip
    filled = [{"offer_id": f"o{i}", **base, **row} for i, row in enumerate(rows)]
    return Offers.validate(pl.DataFrame(filled, schema=Offers.create_empty().schema))


def facts(*rows: dict) -> pl.DataFrame:
    base = {
        "network": "akash", "metric": "utilisation", "value": 0.5, "unit": "fraction", "observed_at": NOW,
        "kind": "measured", "source": "akash", "layer": "live", "source_url": "https://example.org/facts",
    }  # fmt: skip
    return NetworkFacts.validate(
        pl.DataFrame([{**base, **row} for row in rows], schema=NetworkFacts.create_empty().schema)
    )


def tokens(*rows: dict) -> pl.DataFrame:
    base = {
        "source": "openrouter", "provider": "chutes", "model_id": "llama", "llm": "llama-3.3-70b",
        "host_kind": "network",
        "usd_per_mtok_input": 0.1, "usd_per_mtok_output": 0.3, "observed_at": NOW, "layer": "live", "kind": "published",
        "source_url": "https://example.org/tokens",
    }  # fmt: skip
    filled = [{**base, **row} for row in rows]
    return TokenPrices.validate(pl.DataFrame(filled, schema=TokenPrices.create_empty().schema))
