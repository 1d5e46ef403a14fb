"""How long a million offers take to become market statistics.

Run: python benchmarks/market_statistics.py [offers]. Prints the best and the median of five runs, offers a second, and
how often the budget of one second would hold the best one. Exits 1 over the budget.
"""

from __future__ import annotations

import statistics
import sys
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from depin_compare.market.offers import Offers
from depin_compare.market.statistics import market_statistics

BUDGET_SECONDS = 1.0
RUNS = 5
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CHIPS = ("h100-sxm", "h200", "b200", "a100-sxm-80gb", "l40s", "rtx-4090", "rtx-5090", "rtx-a6000", "mi300x", "l4")


def market(rows: int) -> Any:
    """Made-up offers of thirty networks: half of them one machine offered twice, with prices a tenth apart."""
    rng = np.random.default_rng(20261122)
    number = np.arange(rows)
    frame = pl.DataFrame(
        {
            "source": [f"network-{i:02d}" for i in range(30)],
            "network": [f"network-{i:02d}" for i in range(30)],
        }
    )[number % 30]
    chips = pl.Series("accelerator", CHIPS)[rng.integers(0, len(CHIPS), rows)]
    made = frame.with_columns(
        offer_id=pl.Series(number).cast(pl.String),
        segment=pl.lit("marketplace"),
        accelerator=chips,
        accelerator_name=chips,
        accelerator_count=pl.Series(rng.integers(1, 9, rows)),
        usd_per_accelerator_hour=pl.Series(np.exp(rng.normal(0.7, 0.1, rows)).clip(0.02, 190)),
        terms=pl.Series(["on_demand", "spot"])[rng.integers(0, 2, rows)],
        tier=pl.Series(["community", "secure", None])[rng.integers(0, 3, rows)],
        price_kind=pl.Series(["ask", "bid", "list", "reward"])[rng.integers(0, 4, rows)],
        machine_id=pl.Series(number // 60 * 30 + number % 30).cast(pl.String),
        available=pl.Series(rng.integers(0, 9, rows)),
        reliability=pl.Series(rng.uniform(0.8, 1.0, rows)),
        listed_price=pl.lit("2"),
        listed_unit=pl.lit("USD per GPU-hour"),
        listed_currency=pl.lit("USD"),
        observed_at=pl.lit(NOW),
        layer=pl.lit("live"),
        source_url=pl.lit("https://example.org"),
    )
    types = Offers.create_empty().schema
    columns = [(pl.col(c) if c in made.columns else pl.lit(None)).cast(t).alias(c) for c, t in types.items()]
    return Offers.validate(made.select(columns))


def main() -> int:
    """Time it and say so."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    offers = market(rows)
    seconds: list[float] = []
    busy: list[float] = []
    height = counted = 0
    for _ in range(RUNS):
        start, worked = time.perf_counter(), time.process_time()
        result = market_statistics(offers, minimum_reliability=0.81)
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - worked)
        height, counted = result.height, int(result["n_offers"].sum())
    best, median = min(seconds), statistics.median(seconds)
    print(f"{rows:,} offers -> {counted:,} counted in {height:,} markets")
    print(f"best {best:.3f} s, median {median:.3f} s, {rows / best:,.0f} offers/s; {min(busy):.3f} s of processor time")
    print(f"budget {BUDGET_SECONDS:g} s: {BUDGET_SECONDS / best:.1f} x the best run, {BUDGET_SECONDS / median:.1f} x")
    return 0 if best < BUDGET_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
