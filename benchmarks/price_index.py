"""What the matched index of a store costs: seconds and memory, and that both grow no faster than the store.

Run: python benchmarks/price_index.py [snapshots] [offers]. Fills a temporary store of six-hourly snapshots, takes the
weekly index of half of it and of all of it, and prints seconds, rows a second and the largest memory of the process.
Exits 1 where twice the rows take more than three times as long, or more memory than its budget.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent))

from market_statistics import market

from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import Skipped
from depin_compare.market.price_index import stored_index
from depin_compare.market.store import Store

START = datetime(2025, 11, 24, 0, 17, tzinfo=UTC)
EVERY = timedelta(hours=6)
WORST_RATIO, MOST_GIB = 3.0, 2.0


def main() -> int:
    """Fill a store, time it and say so."""
    snapshots = int(sys.argv[1]) if len(sys.argv) > 1 else 1460
    offers = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    with tempfile.TemporaryDirectory(prefix="index-") as folder:
        return timed(Store(folder), snapshots, offers)


def timed(store: Store, snapshots: int, offers: int) -> int:
    """Print the figures; 1 where one is over its limit."""
    base = market(offers)
    for number in range(snapshots):
        add(store, base, number)
    half = START + EVERY * (snapshots // 2)
    taken = {}
    for part, before in (("half", half), ("all", None)):
        seconds = []
        for _ in range(3):
            begun = time.perf_counter()
            index = stored_index(store, every="1w", before=before)
            seconds.append(time.perf_counter() - begun)
        taken[part] = min(seconds)
        rows = offers * (snapshots // 2 if before else snapshots)
        rate = rows / taken[part] / 1e6
        print(
            f"weekly index of {part}, {rows:,} rows: {taken[part]:.2f} s (best of three), {rate:.2f} million rows a s, "
            f"{index.height:,} rows out"
        )
    ratio = taken["all"] / taken["half"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"twice the rows: {ratio:.2f} of the time; largest memory {peak:.2f} GiB, {peak / MOST_GIB:.2f} of its budget"
    )
    return int(ratio > WORST_RATIO or peak > MOST_GIB)


def add(store: Store, base: pl.DataFrame, number: int) -> None:
    """One collect: a tenth of the prices of the one before have moved."""
    rng = np.random.default_rng(number)
    when = START + EVERY * number
    moved = np.where(rng.random(base.height) < 0.1, np.exp(rng.normal(0, 0.05, base.height)), 1.0)
    price = (pl.col("usd_per_accelerator_hour") * np.exp(-0.0003 * number) * pl.Series(moved)).round(4).clip(0.02, 190)
    store.write(
        observed_at=when,
        offers=base.with_columns(price, observed_at=pl.lit(when)),  # type: ignore[arg-type]  # the schema is kept, the type checker does not see it
        facts=NetworkFacts.create_empty(),
        skipped=Skipped.create_empty(),
        statuses={"network-00": {"status": "ok", "offers": base.height, "error": None}},
    )


if __name__ == "__main__":
    sys.exit(main())
