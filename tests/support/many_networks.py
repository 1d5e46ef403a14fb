"""Thirty networks that nobody runs: long names, odd chips, and every way in which numbers can be missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from unittest import mock

import polars as pl

from depin_compare import refdata
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import Offers, Skipped
from depin_compare.refdata import Networks
from fetchers import Collection, FetchResult, SourceStatus

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A network: its name, USD per hour by chip, and what is odd about it."""

    name: str
    chips: dict[str, tuple[float, ...]]
    segment: str = "decentralized"
    utilisation: float | None = 0.62
    take_rate: float | None = 0.1
    paid_in_tokens: bool = False
    price_kind: str = "ask"
    free: int | None = 16
    total: int | None = 40
    age_days: int = 0
    layer: str = "live"
    token: str | None = None


# Names of up to 60 characters; one is the beginning of another.
MADE: dict[str, Made] = {
    "aurora": Made(name="Aurora", chips={"h100-sxm": (1.9, 2.1), "rtx-4090": (0.35,)}),
    "aurora-grid": Made(name="Aurora Grid", chips={"h100-sxm": (2.4,), "h200": (2.9, 3.1)}),
    "barnraisers": Made(
        name="The Barn Raisers' Mutual Compute Society of Lower Saxony", chips={"rtx-3090": (0.18, 0.22, 0.3)}
    ),
    "bergwerk": Made(
        name="Überlandwerk Grünwald-Höllriegelskreuth Rechengenossenschaft", chips={"a100-sxm-80gb": (1.2, 1.4)}
    ),
    "cjk-names": Made(name="分散型計算資源共有協同組合ネットワーク東京", chips={"l40s": (0.8,), "a10": (0.3,)}),
    "confidential": Made(
        name="Extraordinarily Long-Named Confidential Compute Cooperative", chips={"h100-pcie": (1.7,)}
    ),
    "dear": Made(name="Dearest Hour", chips={"b300": (199.0,)}),
    "dust": Made(name="Dust", chips={"rtx-3060": (0.01,)}),
    "dormant": Made(
        name="Dormant Since the Year Before Last Holdings (in Liquidation)",
        chips={"a100-pcie-40gb": (1.05,)}, age_days=900, layer="reference", price_kind="list", free=None, total=None,
    ),
    "examples-only": Made(
        name="Prices on Request: Examples Only", chips={"h100-sxm": (1.5,), "h200": (2.2,)}, price_kind="indicative",
        free=None, total=None,
    ),
    "fits-nothing": Made(name="Eight-Gigabyte Commons", chips={"rtx-3070": (0.08,), "rtx-3060-ti": (0.07, 0.09)}),
    "gaudi-garden": Made(name="Gaudí's Garden of Gaudis", chips={"gaudi2": (0.9,), "gaudi3": (1.6,)}),
    "instinct": Made(name="Instinct & Partner", chips={"mi300x": (1.6, 2.0), "mi325x": (2.1,)}),
    "ledger-paid": Made(
        name="Ledger-Paid Labour", chips={"rtx-4090": (0.3,)}, paid_in_tokens=True, token="LPL"
    ),
    "minted-work": Made(
        name="Minted Work Protocol Foundation (formerly Proof-of-Render)", chips={"rtx-5090": (0.5,)},
        paid_in_tokens=True, token="MINT", utilisation=None,
    ),
    "monolith": Made(name="Monolith", chips={"gb200": (4.2,)}, segment="marketplace"),
    "no-rate-no-use": Made(
        name="Nothing Published but a Price", chips={"h100-sxm": (2.0,)}, utilisation=None, take_rate=None
    ),
    "no-take-rate": Made(name="Take Rate Unknown", chips={"h200": (2.6, 2.8)}, take_rate=None),
    "no-utilisation": Made(name="Utilisation Unknown", chips={"b200": (3.4,)}, utilisation=None),
    "northern-lights": Made(
        name="Norðurljós Reikniafl Samvinnufélag", chips={"rtx-a6000": (0.42,), "rtx-6000-ada": (0.75,)}
    ),
    "old-iron": Made(name="Old Iron", chips={"v100-sxm2-32gb": (0.25,), "t4": (0.1,)}, utilisation=0.12),
    "one-card": Made(
        name="One Card in One Basement", chips={"rtx-3090-ti": (0.2,)}, segment="marketplace", free=1, total=1
    ),
    "overfull": Made(name="Overfull", chips={"h100-sxm": (2.2,)}, utilisation=1.0, take_rate=0.0),
    "pro-cards": Made(
        name="Workstation Owners' Clearing House", chips={"rtx-pro-6000-bw": (1.1,), "rtx-pro-6000-ws": (1.0,)}
    ),
    "sold-out": Made(name="Sold Out", chips={"l4": (0.4,)}, free=0, utilisation=0.97),
    "superchip": Made(name="Grace & Hopper's Superchip Exchange", chips={"gh200": (1.4,), "gh200-144gb": (1.9,)}),
    "tenfold": Made(
        name="Tenfold", take_rate=0.02,
        chips={c: (0.2 * n,) for n, c in enumerate(
            ("l4", "a10", "rtx-4090", "rtx-5090", "a40", "l40", "l40s", "a100-sxm-80gb", "h100-nvl", "h200-nvl"), 2)},
    ),
    "the-middle": Made(name="The Middle of the Road", chips={"h100-sxm": (2.3, 2.3, 2.4)}, utilisation=0.45),
    "two-prices": Made(name="Two Prices, a Hundredfold Apart", chips={"a100-sxm-80gb": (0.25, 25.0)}),
    "wanderer": Made(name="Wanderer", chips={"h800-sxm": (1.6,)}, age_days=6, layer="stored", free=None, total=None),
}  # fmt: skip


def collection() -> Collection:
    """What a source would have given that lists them all."""
    offers, facts = _offers(), _facts()
    status = SourceStatus(
        source="opencomputeprices", status="ok", observed_at=NOW, seconds=0.0, hosts=(), offers=offers.height,
        facts=facts.height, skipped={},
    )  # fmt: skip
    result = FetchResult(offers=offers, skipped=Skipped.create_empty(), facts=facts)
    return Collection(observed_at=NOW, statuses=(status,), results={status.source: result})


@contextmanager
def known_networks() -> Iterator[None]:
    """The table of networks has the thirty in it."""
    original = refdata.networks
    packaged = original()
    about = {"source_id": packaged["source_id"][0], "kind": "assumption", "as_of": NOW.date()}
    rows = [
        {"network": i, "display_name": one.name, "segment": one.segment, "token": one.token, **about}
        for i, one in MADE.items()
    ]
    table = Networks.validate(pl.concat([packaged, pl.DataFrame(rows, schema=packaged.schema)]).sort("network"))
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("depin_compare.") and vars(module).get("networks") is original:
                stack.enter_context(mock.patch.object(module, "networks", return_value=table))
        yield


def _offers() -> pl.DataFrame:
    rows = []
    for network, made in MADE.items():
        for chip, prices in made.chips.items():
            for number, price in enumerate(prices):
                rows.append(
                    {
                        "source": "opencomputeprices", "offer_id": f"{network}-{chip}-{number}", "network": network,
                        "segment": made.segment, "accelerator": chip, "accelerator_name": chip.upper(),
                        "accelerator_count": 1, "usd_per_accelerator_hour": price, "terms": "on_demand",
                        "price_kind": made.price_kind, "available": made.free, "total": made.total,
                        "listed_price": f"{price:g}",
                        "listed_unit": "USD per GPU-hour", "listed_currency": "USD",
                        "observed_at": NOW - timedelta(days=made.age_days), "layer": made.layer,
                        "source_url": f"https://prices.example.org/{network}", "kind": "third_party",
                    }
                )  # fmt: skip
    return Offers.validate(pl.DataFrame(rows, schema=Offers.create_empty().schema))


def _facts() -> pl.DataFrame:
    told: list[tuple[str, str, str | None, float, str]] = []
    for network, made in MADE.items():
        if made.utilisation is not None:
            told.append((network, "utilisation", None, made.utilisation, "fraction"))
        if made.take_rate is not None and not made.paid_in_tokens:
            told.append((network, "take_rate_provider", None, made.take_rate, "fraction"))
        if made.paid_in_tokens:
            (chip,) = made.chips
            told.append((network, "paid_in_minted_tokens", None, 1.0, "1 = yes"))
            told.append((network, "reward_per_hour", chip, 0.2, f"{made.token} per GPU-hour"))
            told.append((network, "token_price", made.token, 1.5, f"USD per {made.token}"))
    about = {
        "observed_at": NOW, "kind": "published", "source": "opencomputeprices", "layer": "live",
        "source_url": "https://prices.example.org/facts",
    }  # fmt: skip
    names = ("network", "metric", "subject", "value", "unit")
    rows = [dict(zip(names, row, strict=True)) | about for row in told]
    return NetworkFacts.validate(pl.DataFrame(rows, schema=NetworkFacts.create_empty().schema))
