"""A whole Analysis made of plausible but fabricated numbers: the formulas are the package's, the inputs are ours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dataframely as dy
import numpy as np
import polars as pl
import pytest

from depin_compare.analysis import Analysis, SourceStates
from depin_compare.economics.comparison import Comparison
from depin_compare.economics.headlines import Headlines
from depin_compare.economics.margins import Margins, breakeven_price, breakeven_utilisation, provider_margin
from depin_compare.economics.market_check import ModelAgainstMarket
from depin_compare.economics.outlook import AdvantagePaths, Drivers, ErosionProbabilities, MarginPaths, Outlook
from depin_compare.economics.stress import StressGrid
from depin_compare.economics.token_economics import TokenEconomics
from depin_compare.inference.costs import capital_usd_per_hour
from depin_compare.inference.references import UnitCosts
from depin_compare.inference.sellers import SellerTerms
from depin_compare.inference.throughput import Throughputs
from depin_compare.market.dated_prices import TrendFits, Trends, trend_fits, trends
from depin_compare.market.discrepancies import Discrepancies
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import Offers, Skipped
from depin_compare.market.overrides import UserChanges
from depin_compare.market.prices import MarketPrices
from depin_compare.market.statistics import market_statistics
from depin_compare.market.token_prices import TokenPrices
from depin_compare.refdata import Assumptions, Sources
from depin_compare.units import usd_per_mtok

AS_OF = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
PAIRS = (
    ("azure", "nvidia"),
    ("azure", "maia-200"),
    ("aws", "nvidia"),
    ("google", "nvidia"),
    ("aws", "trainium"),
    ("google", "tpu"),
)
SCENARIOS = (("base", 0.27, 1.0, 0.5), ("maia200", 0.27, 0.77, 0.5), ("silicon_price_war", 0.27, 0.55, 1.0))
MONTHS = 120
# accelerator: tokens/s on the 70B chat work, list price at Azure, AWS, Google, and modelled hourly cost of a cloud
CHIPS = {
    "h100-sxm-80": (1000.0, (6.98, 6.88, 7.10), 1.53),
    "a100-sxm-80": (410.0, (3.67, 3.43, 3.93), 0.98),
    "h200-sxm-141": (1320.0, (7.95, 7.91, 8.40), 1.66),
    "rtx-4090-24": (210.0, (), None),
    "rtx-3090-24": (120.0, (), None),
    "l40s-48": (260.0, (2.20, 1.86, 2.10), 0.61),
}
NETWORK_CHIPS = {
    "akash": {"h100-sxm-80": 1.86, "a100-sxm-80": 1.65, "h200-sxm-141": 2.47, "rtx-4090-24": 0.349, "l40s-48": 0.72},
    "ionet": {"h100-sxm-80": 2.19, "a100-sxm-80": 1.29, "h200-sxm-141": 2.49, "rtx-4090-24": 0.25},
    "render": {"rtx-4090-24": 0.35, "rtx-3090-24": 0.31},
}
NAMES = {
    "akash": "Akash",
    "ionet": "io.net",
    "render": "Render",
    "azure": "Azure",
    "aws": "AWS",
    "google": "Google",
    "h100-sxm-80": "H100 SXM 80 GB",
    "a100-sxm-80": "A100 SXM 80 GB",
    "h200-sxm-141": "H200 SXM 141 GB",
    "rtx-4090-24": "RTX 4090 24 GB",
    "rtx-3090-24": "RTX 3090 24 GB",
    "l40s-48": "L40S 48 GB",
    "maia-200": "Maia 200",
    "trainium2": "Trainium2",
    "tpu-v6e": "TPU v6e",
    "llama-3.3-70b": "Llama 3.3 70B",
    "llama-3.1-8b": "Llama 3.1 8B",
}
TITLES = {"base": "Base", "maia200": "Maia 200 roll-out", "silicon_price_war": "Custom-silicon price war"}


def _seen(layer: str, days: float = 0.0) -> datetime:
    return AS_OF - timedelta(days=90 if layer == "reference" else days, minutes=12)


def _market_prices(network_chips: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    def add(network: str, segment: str, chip: str, terms: str, price: float, layer: str, kind: str) -> None:
        one = segment == "hyperscaler" or layer == "reference"
        rows.append(
            {
                "network": network,
                "segment": segment,
                "accelerator": chip,
                "terms": terms,
                "usd_per_accelerator_hour": price,
                "usd_per_accelerator_hour_low": price if one else price * 0.8,
                "usd_per_accelerator_hour_high": price if one else price * 1.5,
                "kind": "third_party" if one else "published",
                "n_offers": 1 if one else 14,
                "n_accelerators": None if one else 96,
                "price_kind": kind,
                "region": "eastus" if segment == "hyperscaler" else None,
                "observed_at": _seen(layer),
                "layer": layer,
                "source": network,
                "source_url": f"https://prices.example.org/{network}",
            }
        )

    for network, chips in network_chips.items():
        for chip, price in chips.items():
            layer = {"render": "reference", "ionet": "stored"}.get(network, "live")
            add(
                network, "decentralized", chip, "on_demand", price, layer, "rate_card" if network == "render" else "bid"
            )
    for chip, (_, lists, _cost) in CHIPS.items():
        for cloud, price in zip(("azure", "aws", "google"), lists, strict=False):
            layer = "reference" if cloud == "google" else "live"
            add(cloud, "hyperscaler", chip, "on_demand", price, layer, "list")
            add(cloud, "hyperscaler", chip, "reserved_3y", price * 0.45, layer, "list")
    return rows


def _reference_prices(cloud: str, silicon: str, chip: str) -> dict[str, tuple[str, float | None, float, str]]:
    """reference -> accelerator, hourly price, tokens per second factor of the pair, kind."""
    factor = {"nvidia": 1.0, "maia-200": 0.77, "trainium": 0.72, "tpu": 0.68}[silicon]
    rate, lists, cost = CHIPS[chip] if CHIPS[chip][1] else CHIPS["l40s-48"]
    other = {"maia-200": "maia-200", "trainium": "trainium2", "tpu": "tpu-v6e"}
    seen_chip = other.get(silicon, chip if CHIPS[chip][1] else "l40s-48")
    kind = {"maia-200": "vendor_claim", "trainium": "vendor_claim"}.get(silicon, "published")
    at = lists[("azure", "aws", "google").index(cloud)] * factor
    assert cost is not None
    listed = None if silicon == "maia-200" else at
    return {
        "list": (seen_chip, listed, rate, kind),
        "committed": (seen_chip, None if listed is None else at * 0.45, rate, kind),
        "modelled_cost": (seen_chip, cost * factor, rate, "vendor_claim" if kind == "vendor_claim" else "third_party"),
        "cost_plus_margin": (
            seen_chip,
            cost * factor / 0.86,
            rate,
            "vendor_claim" if kind == "vendor_claim" else "assumption",
        ),
    }


def _comparison(network_chips: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for network, chips in network_chips.items():
        for chip, price in chips.items():
            rate = CHIPS[chip][0]
            llm = "llama-3.1-8b" if chip.startswith("rtx") else "llama-3.3-70b"
            for cloud, silicon in PAIRS:
                for reference, (ref_chip, ref_price, ref_rate, kind) in _reference_prices(cloud, silicon, chip).items():
                    net = usd_per_mtok(price, rate)
                    ref = None if ref_price is None else usd_per_mtok(ref_price, ref_rate)
                    known = ref is not None
                    layer = "reference" if cloud == "google" or kind == "vendor_claim" else "live"
                    rows.append(
                        {
                            "network": network,
                            "accelerator": chip,
                            "llm": llm,
                            "workload": "chat",
                            "cloud": cloud,
                            "silicon": silicon,
                            "reference": reference,
                            "match": "cheapest",
                            "reference_accelerator": ref_chip,
                            "network_usd_per_accelerator_hour": price,
                            "reference_usd_per_accelerator_hour": ref_price,
                            "usd_per_mtok_network": net,
                            "usd_per_mtok_network_low": net * 0.8,
                            "usd_per_mtok_network_high": net * 1.3,
                            "usd_per_mtok_reference": ref,
                            "usd_per_mtok_reference_low": ref * 0.85 if ref is not None else None,
                            "usd_per_mtok_reference_high": ref * 1.2 if ref is not None else None,
                            "advantage": 1 - net / ref if ref is not None else None,
                            "advantage_low": 1 - net * 1.3 / (ref * 0.85) if ref is not None else None,
                            "advantage_high": 1 - net * 0.8 / (ref * 1.2) if ref is not None else None,
                            "log_advantage": math.log(ref / net) if ref is not None else None,
                            "unique_service_premium": max(0.0, net * 1.07 / ref - 1) if ref is not None else None,
                            "price_kind": "rate_card" if network == "render" else "bid",
                            "network_observed_at": _seen("reference" if network == "render" else "live"),
                            "network_layer": "reference" if network == "render" else "live",
                            "reference_observed_at": _seen(layer) if known else None,
                            "reference_layer": layer if known else None,
                            "reference_kind": kind,
                            "not_comparable": None
                            if known
                            else "Microsoft sells no Maia 200 hours: no list price exists",
                        }
                    )
    return rows


def _unit_costs(comparison: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    blank = dict.fromkeys(UnitCosts.columns())
    for row in comparison:
        work = {"llm": row["llm"], "workload": row["workload"]}
        for side in ("network", "cloud"):
            prefix = "network" if side == "network" else "reference"
            made = blank | {
                "side": side,
                "seller": row["network"] if side == "network" else row["cloud"],
                "silicon": "nvidia" if side == "network" else row["silicon"],
                "accelerator": row["accelerator"] if side == "network" else row["reference_accelerator"],
                **work,
                "reference": "market" if side == "network" else row["reference"],
                "usd_per_accelerator_hour": row[f"{prefix}_usd_per_accelerator_hour"],
                "usd_per_mtok": row[f"usd_per_mtok_{prefix}"],
                "usd_per_mtok_low": row[f"usd_per_mtok_{prefix}_low"],
                "usd_per_mtok_high": row[f"usd_per_mtok_{prefix}_high"],
                "kind": "published" if side == "network" else row["reference_kind"],
                "observed_at": row[f"{prefix}_observed_at"],
                "layer": row[f"{prefix}_layer"],
                "source": row["network"] if side == "network" else row["cloud"],
                "source_url": "https://prices.example.org/",
                "not_comparable": None if side == "network" else row["not_comparable"],
            }
            key = tuple(made[k] for k in ("side", "seller", "silicon", "accelerator", "llm", "workload", "reference"))
            rows.setdefault(key, made)
    return list(rows.values())


def _margins(network_chips: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for network, chips in network_chips.items():
        for chip, price in chips.items():
            home = chip.startswith("rtx")
            capex = 2600.0 if home else {"h100-sxm-80": 40000.0, "h200-sxm-141": 45000.0}.get(chip, 16000.0)
            node: dict[str, Any] = {
                "capital_usd_per_hour": capital_usd_per_hour(
                    capex, salvage_usd=0.2 * capex, cost_of_capital=0.12, life_years=4 if home else 5
                ),
                "load_kw": 0.45 if home else 1.0,
                "idle_kw": 0.06 if home else 0.3,
                "usd_per_kwh": 0.16 if home else 0.08,
                "pue": 1.0 if home else 1.3,
                "opex_usd_per_hour": 0.0 if home else capex * 0.04 / 8760,
            }
            unknown = network == "render"
            for name, u in (("central", 0.7), ("low", 0.5), ("high", 0.85)):
                node[name] = provider_margin(
                    price, utilisation=u, **{k: v for k, v in node.items() if isinstance(v, float | int)}
                )
            inputs = {k: v for k, v in node.items() if isinstance(v, float | int)}
            central = node["central"]
            take = None if unknown else {"akash": 0.0, "ionet": 0.0025}.get(network, 0.1)
            rows.append(
                {
                    "network": network,
                    "accelerator": chip,
                    "archetype": "home" if home else "data_centre",
                    "usd_per_accelerator_hour": price,
                    "take_rate": take,
                    "utilisation": None if unknown else 0.7,
                    "utilisation_kind": None if unknown else "assumption",
                    "tenant_usd_per_hour": None if unknown else price * 0.7,
                    "network_take_usd_per_hour": None if take is None else price * 0.7 * take,
                    "power_usd_per_hour": None if unknown else central.power_usd_per_hour,
                    "opex_usd_per_hour": central.opex_usd_per_hour,
                    "capital_usd_per_hour": central.capital_usd_per_hour,
                    "profit_usd_per_hour": None if unknown else central.full * central.receipts_usd_per_hour,
                    "capex_usd": capex,
                    "cash_margin": None if unknown else central.cash,
                    "full_margin": None if unknown else central.full,
                    "full_margin_low": None if unknown else node["low"].full,
                    "full_margin_high": None if unknown else node["high"].full,
                    "breakeven_usd_per_accelerator_hour": None
                    if unknown
                    else breakeven_price(utilisation=0.7, **inputs),
                    "breakeven_utilisation": breakeven_utilisation(price, **inputs),
                    "reward_usd_per_hour": 0.275 if network == "render" else None,
                    "full_margin_with_rewards": None,
                    "price_kind": "rate_card" if unknown else "bid",
                    "observed_at": _seen("reference" if unknown else "live"),
                    "layer": "reference" if unknown else "live",
                    "not_known": "Render publishes no utilisation" if unknown else None,
                }
            )
    return rows


def _paths(
    comparison: list[dict[str, Any]], margins: list[dict[str, Any]], headlines: list[dict[str, Any]], months: int
) -> tuple[Any, Any, Any]:
    """Advantage paths, margin paths and outlook of each network's headline work."""
    margin_of = {(m["network"], m["accelerator"]): m for m in margins}
    t = np.arange(months + 1)
    dates = [date(2026 + (10 + m) // 12, (10 + m) % 12 + 1, 1) for m in range(months + 1)]
    advantages, kept, outlook = [], [], []
    for head in headlines:
        margin = margin_of[head["network"], head["accelerator"]]
        work = ("network", "accelerator", "llm", "workload")
        compared = [r for r in comparison if all(r[k] == head[k] for k in work)]
        for scenario, fall, phi, beta in SCENARIOS:
            for pricing in ("fleet_average", "marginal"):
                adopted = 0.5 / (1 + np.exp(-1.465 * (t / 12 - 1.5))) - 0.5 / (1 + math.exp(1.465 * 1.5))
                share = np.maximum(adopted if pricing == "fleet_average" else np.minimum(1.0, adopted * 3), 0)
                wedge = 1 - share * (1 - phi)
                index = (1 - fall) ** (t / 12) * wedge
                behind = (1 - fall) ** (np.maximum(t - 12, 0) / 12)
                price = np.maximum(margin["usd_per_accelerator_hour"] * (1 - beta * (1 - np.sqrt(index))), 0.02)
                how = {"scenario": scenario, "pricing": pricing}
                full = None
                if margin["full_margin"] is not None:
                    full = 1 - (1 - margin["full_margin"]) * price[0] / price
                    kept.append(
                        pl.DataFrame(
                            {
                                "month": t,
                                "date": dates,
                                "usd_per_accelerator_hour": price,
                                "cash_margin": full + 0.6,
                                "full_margin": full,
                                "full_margin_p10": full - 0.4 * (0.3 + t / months),
                                "full_margin_p50": full,
                                "full_margin_p90": np.minimum(1, full + 0.2 * (0.3 + t / months)),
                                "full_margin_new_node": full + 0.3 * t / months,
                                "full_margin_new_node_p10": full - 0.1,
                                "full_margin_new_node_p50": full + 0.3 * t / months,
                                "full_margin_new_node_p90": full + 0.4,
                            }
                        ).with_columns(
                            *(pl.lit(head[k]).alias(k) for k in ("network", "accelerator", "archetype")),
                            **{k: pl.lit(v) for k, v in how.items()},
                        )
                    )
                for r in compared:
                    reference = {k: r[k] for k in ("cloud", "silicon", "reference")}
                    adv, ref = None, r["usd_per_mtok_reference"]
                    if ref is not None:
                        adv = 1 - r["usd_per_mtok_network"] * behind**0.8 / (ref * index)
                        advantages.append(
                            pl.DataFrame(
                                {
                                    "month": t,
                                    "date": dates,
                                    "cost_index": index,
                                    "wedge_index": wedge,
                                    "usd_per_mtok_network": r["usd_per_mtok_network"] * behind**0.8,
                                    "usd_per_mtok_reference": ref * index,
                                    "advantage": adv,
                                    "advantage_p10": adv - 0.3 * (0.3 + t / months),
                                    "advantage_p50": adv,
                                    "advantage_p90": np.minimum(1, adv + 0.15 * (0.3 + t / months)),
                                }
                            ).with_columns(
                                pl.lit(head["network"]).alias("network"),
                                **{k: pl.lit(v) for k, v in (reference | how).items()},
                            )
                        )
                    for quantity, values in (("advantage", adv), ("full_margin", full)):
                        made = {k: head[k] for k in (*work, "archetype")} | reference | how
                        made |= {"quantity": quantity, "horizon": dates[-1]}
                        why = r["not_comparable"] or margin["not_known"]
                        outlook.append(made | _outlook(values, dates, beta if quantity == "full_margin" else 1.0, why))
    return (
        AdvantagePaths.validate(pl.concat(advantages), cast=True) if advantages else AdvantagePaths.create_empty(),
        MarginPaths.validate(pl.concat(kept), cast=True) if kept else MarginPaths.create_empty(),
        _frame(Outlook, outlook),
    )


def _outlook(values: Any, dates: list[date], pass_through: float, why: str | None) -> dict[str, Any]:
    if values is None:
        return {"state": "not_comparable", "verdict": "not comparable", "not_comparable": why}
    lost = np.flatnonzero(values <= 0)
    state = "not_reached" if not lost.size else "already_lost" if lost[0] == 0 else "lost_within_horizon"
    room = float(values[0]) / pass_through
    return {
        "today": float(values[0]),
        "today_low": float(values[0]) - 0.15,
        "today_high": min(1.0, float(values[0]) + 0.1),
        "at_horizon": float(values[-1]),
        "headroom": min(1.0, room),
        "headroom_low": min(1.0, room - 0.12),
        "headroom_high": min(1.0, room + 0.1),
        "state": state,
        "date": dates[lost[0]] if state == "lost_within_horizon" else None,
        "date_p10": dates[max(0, lost[0] - 6)] if lost.size else None,
        "probability_lost": 0.6 if lost.size else 0.04,
        "verdict": {"not_reached": "resilient", "already_lost": "eroded"}.get(state, "exposed"),
    }


def _of_outlook(outlook: pl.DataFrame) -> list[dict[str, Any]]:
    """What drivers and probabilities are told of: every quantity that is known; margins once, of no cloud."""
    key = ["network", "cloud", "silicon", "reference", "scenario", "pricing", "quantity"]
    known = outlook.filter(pl.col("at_horizon").is_not_null()).select(*key, "at_horizon")
    margins = known.filter(pl.col("quantity") == "full_margin").with_columns(
        *(pl.lit(None, dtype=known.schema[c]).alias(c) for c in ("cloud", "silicon", "reference")),
        pl.lit("full_margin_new_node", dtype=known.schema["quantity"]).alias("quantity"),
    )
    of_margins = margins.unique(key, keep="first", maintain_order=True)
    return pl.concat([known.filter(pl.col("quantity") == "advantage"), of_margins]).to_dicts()


def _drivers(outlook: pl.DataFrame) -> list[dict[str, Any]]:
    """Three inputs of each quantity, the widest first."""
    inputs = (("network_lag_years", "years", 0.3), ("hardware_decline_per_year", "fraction", 0.2), ("event", "", 0.05))
    return [
        made
        | {
            "rank": rank,
            "input": name,
            "unit": unit,
            "input_low": 0.0,
            "input_central": 0.5,
            "input_high": 1.0,
            "at_low": made["at_horizon"] - swing / 2,
            "at_high": made["at_horizon"] + swing / 2,
            "swing": swing,
        }
        for made in _of_outlook(outlook)
        for rank, (name, unit, swing) in enumerate(inputs, start=1)
    ]


def _probabilities(outlook: pl.DataFrame) -> list[dict[str, Any]]:
    """The same loss every year until 0.9 for what ends below zero, until 0.1 for what ends above."""
    years = range(2026, 2037)
    return [
        {k: v for k, v in made.items() if k != "at_horizon"}
        | {"year": year, "probability_lost": (0.9 if made["at_horizon"] < 0 else 0.1) * (i + 1) / len(years)}
        for made in _of_outlook(outlook)
        for i, year in enumerate(years)
    ]


def _stress(margins: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Costs stay and receipts fall with half of the cut, with use, and with the token of networks that reward."""
    made = []
    for m in margins:
        named = {k: m[k] for k in ("network", "accelerator", "archetype")} | {"pass_through": 0.5}
        steps = [("utilisation", u, u / 0.7) for u in (0.1, 0.4, 0.7, 1.0)]
        if m["network"] == "ionet":
            steps += [("token_price_factor", f, 1.0 + 0.1 * f) for f in (0.0, 1.0, 2.0)]
        for cut in (0.0, 0.3, 0.6, 0.9):
            for column, value, receipts in steps:
                price = m["usd_per_accelerator_hour"] * (1 - 0.5 * cut)
                known = m["full_margin"] is not None
                full = 1 - (1 - m["full_margin"]) / ((1 - 0.5 * cut) * receipts) if known else None
                made.append(
                    named
                    | {"cloud_cost_cut": cut, "utilisation": None, "token_price_factor": None, column: value}
                    | {"usd_per_accelerator_hour": price, "with_rewards": column != "utilisation"}
                    | {"full_margin": full, "cash_margin": full, "not_known": None if known else "no utilisation"}
                )
    return made


def _polars_schema(schema: type[dy.Schema]) -> Any:
    return schema.create_empty().schema


def _frame(schema: type[dy.Schema], rows: Sequence[dict[str, Any]]) -> Any:
    blank = dict.fromkeys(schema.columns())
    return schema.validate(pl.DataFrame([blank | r for r in rows], schema=_polars_schema(schema)), cast=True)


def _token_prices() -> list[dict[str, Any]]:
    """Three dated prices of closed models a maker, the newest live, and a host's price of an open model."""
    closed = [
        (maker, model, price / (1 + i), AS_OF - timedelta(days=700 - 350 * i), ("reference", "stored", "live")[i])
        for maker, model, price in (
            ("anthropic", "claude-x", 30.0), ("openai", "gpt-y", 20.0), ("google-ai-studio", "gemini/gemini-z", 10.0),
        )
        for i in range(3)
    ]  # fmt: skip
    hosted = [("deepinfra", "meta-llama/Llama-3.3-70B-Instruct", 0.3, AS_OF, "live")]
    return [
        {
            "source": "litellm",
            "provider": provider,
            "model_id": model,
            "llm": "llama-3.3-70b" if "llama" in model.lower() else None,
            "host_kind": "other" if provider == "deepinfra" else "lab",
            "usd_per_mtok_input": price / 4,
            "usd_per_mtok_output": price,
            "observed_at": at,
            "layer": layer,
            "kind": "third_party",
            "source_url": "https://prices.example.org/tokens",
        }
        for provider, model, price, at, layer in [*closed, *hosted]
    ]


def _market_check() -> list[dict[str, Any]]:
    """Two models, each at a host of every kind; the first below our cost at one of them."""
    hosts = (("deepinfra", "other", "live"), ("chutes", "network", "stored"), ("azure", "cloud", "reference"))
    return [
        {
            "llm": llm,
            "workload": "chat",
            "input_tokens_per_output": 2.0,
            "provider": host,
            "host_kind": kind,
            "model_id": llm,
            "usd_per_mtok_input": asked / 4,
            "usd_per_mtok_output": asked / 2,
            "usd_per_mtok_asked": asked,
            "usd_per_mtok_modelled": cost,
            "usd_per_mtok_modelled_low": cost * 0.7,
            "usd_per_mtok_modelled_high": cost * 1.4,
            "usd_per_mtok_network": cost * 1.2,
            "asked_over_modelled": asked / cost,
            "breakeven_load_fraction": cost / asked,
            "observed_at": _seen(layer),
            "layer": layer,
            "kind": "published",
            "source": "openrouter",
            "source_url": "https://prices.example.org/tokens",
        }
        for llm, cost, factor in (("llama-3.3-70b", 0.4, 0.8), ("llama-3.1-8b", 0.05, 2.0))
        for i, (host, kind, layer) in enumerate(hosts)
        for asked in (cost * factor * 3.0**i,)
    ]


def _discrepancies() -> list[dict[str, Any]]:
    """Twenty disagreements, the largest first."""
    return [
        {
            "network": "aws",
            "accelerator": "h100-sxm-80",
            "terms": "on_demand",
            "compared_on": "region",
            "region": f"region-{i:02d}",
            "source_used": "aws",
            "layer_used": "live",
            "observed_at_used": AS_OF,
            "usd_per_accelerator_hour_used": 4.0,
            "source_other": "skypilot",
            "layer_other": "live",
            "observed_at_other": AS_OF,
            "usd_per_accelerator_hour_other": 4.0 * (4 - i / 10),
            "ratio": 4 - i / 10,
            "reason": "the seller's own interface before a catalogue",
        }
        for i in range(20)
    ]


def make(network_chips: dict[str, dict[str, float]] | None = None, months: int = MONTHS) -> Analysis:
    """Fabricate an Analysis of the given networks; none at all gives empty frames."""
    chips = NETWORK_CHIPS if network_chips is None else network_chips
    comparison = _comparison(chips)
    margins = _margins(chips)
    headlines = [
        {
            "network": network,
            "display_name": NAMES.get(network, network),
            "accelerator": next(iter(prices)),
            "accelerator_display_name": NAMES[next(iter(prices))],
            "archetype": "home" if next(iter(prices)).startswith("rtx") else "data_centre",
            "llm": "llama-3.1-8b" if next(iter(prices)).startswith("rtx") else "llama-3.3-70b",
            "workload": "chat",
            "verdict": ("exposed", "eroded", "not comparable")[i % 3],
            "sentence": f"{NAMES.get(network, network)} sells this work below every list price named here, "
            "yet above what the same hour costs a cloud; its suppliers' margin is thin at today's utilisation.",
        }
        for i, (network, prices) in enumerate(chips.items())
    ]
    advantage_paths, margin_paths, outlook = _paths(comparison, margins, headlines, months)
    market = _market_prices(chips) if chips else []
    dated = trends(AS_OF.date()) if chips else Trends.create_empty()
    offers = [
        {
            "source": m["source"],
            "offer_id": f"{m['network']}-{m['accelerator']}-{m['terms']}",
            "accelerator_name": NAMES[m["accelerator"]],
            "accelerator_count": 1,
            "listed_price": str(m["usd_per_accelerator_hour"]),
            "listed_unit": "accelerator-hour",
            "listed_currency": "USD",
            **{
                k: m[k]
                for k in (
                    "network",
                    "segment",
                    "accelerator",
                    "terms",
                    "usd_per_accelerator_hour",
                    "price_kind",
                    "observed_at",
                    "layer",
                    "source_url",
                )
            },
        }
        for m in market
    ]
    states = [
        ("akash", "prices and use of the Akash network", "ok", "live", 44, 3, 0.01, None),
        ("ionet", "io.net's price explorer", "partial", "stored", 12, 2, 2.4, "2 of 5 pages answered"),
        ("render", "Render's published rate card", "reference", "reference", 2, 0, 90.0, None),
        ("azure", "Azure retail prices", "ok", "live", 310, 120, 0.01, None),
        ("aws", "AWS price list", "timed_out", "reference", 6, 0, 90.0, "no answer within 90 s"),
        ("google", "Google Cloud price list", "unreachable", "reference", 6, 0, 90.0, "name not found"),
    ]
    return Analysis(
        as_of=AS_OF,
        headlines=_frame(Headlines, headlines),
        source_states=_frame(
            SourceStates,
            [
                {
                    "source": s,
                    "gives": g,
                    "state": st,
                    "layer": la,
                    "rows": n,
                    "skipped": k,
                    "newest_observed_at": AS_OF - timedelta(days=a),
                    "age_days": a,
                    "detail": d,
                }
                for s, g, st, la, n, k, a, d in states
            ]
            if chips
            else [],
        ),
        offers=_frame(Offers, offers),
        skipped=_frame(
            Skipped,
            [
                {"source": "azure", "row_id": f"sku-{i}", "kind": "out_of_scope", "reason": "Windows machine"}
                for i in range(120)
            ]
            + [{"source": "akash", "row_id": "gpu-7", "kind": "unreadable", "reason": "unknown accelerator 'rtx9999'"}],
        ),
        facts=_frame(
            NetworkFacts,
            [
                {
                    "network": "akash",
                    "metric": "utilisation",
                    "value": 0.52,
                    "unit": "fraction",
                    "observed_at": AS_OF - timedelta(days=400),
                    "kind": "third_party",
                    "source": "messari",
                    "layer": "reference",
                    "source_url": "https://example.org/messari",
                }
            ],
        ),
        market_prices=_frame(MarketPrices, market),
        market_statistics=market_statistics(_frame(Offers, offers)),
        discrepancies=_frame(Discrepancies, _discrepancies() if chips else []),
        token_prices=_frame(TokenPrices, _token_prices() if chips else []),
        market_check=_frame(ModelAgainstMarket, _market_check() if chips else []),
        throughputs=Throughputs.create_empty(),
        seller_terms=SellerTerms.create_empty(),
        unit_costs=_frame(UnitCosts, _unit_costs(comparison)),
        comparison=_frame(Comparison, comparison),
        margins=_frame(Margins, margins),
        trends=dated,
        trend_fits=TrendFits.create_empty() if dated.is_empty() else trend_fits(dated),
        user_changes=UserChanges.create_empty(),
        drivers=_frame(Drivers, _drivers(outlook)),
        stress=_frame(StressGrid, _stress(margins)),
        erosion_probabilities=_frame(ErosionProbabilities, _probabilities(outlook)),
        token_economics=TokenEconomics.create_empty(),
        advantage_paths=advantage_paths,
        margin_paths=margin_paths,
        outlook=outlook,
        assumptions=_frame(
            Assumptions,
            [
                {
                    "parameter": p,
                    "low": lo,
                    "central": c,
                    "high": hi,
                    "unit": unit,
                    "meaning": meaning,
                    "source_id": "own",
                    "kind": kind,
                    "as_of": date(2026, 8, 24),
                }
                for p, lo, c, hi, unit, meaning, kind in (
                    ("utilisation", 0.5, 0.7, 0.85, "fraction", "share of hours rented", "assumption"),
                    ("maia_cost_factor", 0.7, 0.77, 0.85, "fraction", "unit cost of Maia 200 work", "vendor_claim"),
                    ("usd_per_kwh", 0.07, 0.08, 0.155, "USD per kWh", "tariff of a data centre", "third_party"),
                    ("take_rate_akash", 0.0, 0.0, 0.0, "fraction", "what Akash keeps", "protocol"),
                    ("life_years", 4.0, 5.0, 6.0, "years", "service life of a data-centre node", "assumption"),
                )
            ],
        ),
        scenarios=pl.DataFrame(
            [
                {
                    "scenario": s[0],
                    "title": TITLES[s[0]],
                    "meaning": f"What {TITLES[s[0]]} supposes.",
                    "clouds": "azure aws google",
                    "parameter": parameter,
                    "low": 0.8 * value,
                    "central": value,
                    "high": min(1.0, 1.2 * value),
                    "unit": "fraction",
                    "source_id": source,
                    "kind": kind,
                    "note": None,
                }
                for s in SCENARIOS
                for parameter, value, source, kind in (
                    ("hardware_decline_per_year", s[1], "messari", "third_party"),
                    ("unit_cost_factor", s[2], "ms-maia200", "vendor_claim"),
                    ("pass_through", s[3], "own", "assumption"),
                )
            ]
        ),
        sources=_frame(
            Sources,
            [
                {
                    "source_id": i,
                    "publisher": p,
                    "title": t,
                    "url": u,
                    "published": d,
                    "accessed": date(2026, 8, 24),
                    "licence": None,
                }
                for i, p, t, u, d in (
                    ("own", "this project", "Own assumption inside sourced ranges", None, None),
                    (
                        "ms-maia200",
                        "Microsoft",
                        "Maia 200: the AI accelerator built for inference",
                        "https://blogs.example.org/maia-200",
                        "2026-01-26",
                    ),
                    ("messari", "Messari", "State of Akash Q3 2025", "https://example.org/messari", "2025-11"),
                )
            ],
        ),
        display_names=dict(NAMES),
        provenance={
            "package": "depin-compare 0.1.0",
            "python": "3.11",
            "seed": "20261122",
            "config_hash": "sha256:5f2c",
        },
    )


@pytest.fixture(scope="session")
def analysis() -> Analysis:
    """Three networks, six cloud and silicon pairs, three scenarios, ten years."""
    return make()


@pytest.fixture(scope="session")
def empty_analysis() -> Analysis:
    """A run in which every source failed: all frames empty."""
    return make({})


@pytest.fixture(scope="session")
def one_network() -> Analysis:
    """One network that sells one chip."""
    return make({"akash": {"h100-sxm-80": 1.86}}, months=24)


@pytest.fixture(scope="session")
def thirty_networks() -> Analysis:
    """Thirty networks, one with a very long name."""
    chips = list(CHIPS)
    names = [f"network-{i:02d}" for i in range(29)] + [
        "the-extraordinarily-long-named-confidential-compute-cooperative"
    ]
    return make(
        {n: {chips[i % 6]: 0.4 + 0.05 * i, chips[(i + 2) % 6]: 0.5 + 0.03 * i} for i, n in enumerate(names)}, months=24
    )
