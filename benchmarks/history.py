"""What a year of six-hourly snapshots costs: listing, the trend of every market, and one snapshot more.

Run: python benchmarks/history.py [snapshots] [offers]. Fills a temporary store (about 0.4 MB a snapshot), prints
seconds, the largest memory of the process, and each figure over its budget. Exits 1 over a budget of seconds or memory.
"""

from __future__ import annotations

import itertools
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent))

from market_statistics import market

from depin_compare.market.facts import NetworkFacts
from depin_compare.market.history import history_list
from depin_compare.market.offers import Skipped
from depin_compare.market.store import Store
from depin_compare.market.thinning import compact
from depin_compare.market.trends import price_history

LIST_SECONDS, TREND_SECONDS, TREND_GIB = 0.5, 5.0, 2.0
START = datetime(2025, 11, 23, 0, 17, tzinfo=UTC)
EVERY = timedelta(hours=6)
SOURCES = [f"network-{i:02d}" for i in range(30)]


def main() -> int:
    """Fill a store, time it and say so."""
    snapshots = int(sys.argv[1]) if len(sys.argv) > 1 else 1460
    offers = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    with tempfile.TemporaryDirectory(prefix="history-") as folder:
        return timed(Path(folder), snapshots, offers)


def timed(folder: Path, snapshots: int, rows: int) -> int:
    """Print the figures; 1 where one is over its budget."""
    base = of_one_kind_each(market(rows))
    empty = statistics.median(wall(lambda n=n: add(Store(folder / f"empty-{n}"), base, n)) for n in range(7))
    store = Store(folder / "full")
    seconds = wall(lambda: [add(store, base, n) for n in range(snapshots)])
    size = sum(path.stat().st_size for path in (folder / "full").rglob("*") if path.is_file())
    print(f"{snapshots:,} snapshots x {rows:,} offers written in {seconds:.0f} s, {size / 1e9:.2f} GB")
    over = []
    full = statistics.median(wall(lambda n=n: add(store, base, snapshots + n)) for n in range(7))
    print(f"one snapshot more: {full * 1e3:.0f} ms, on an empty store {empty * 1e3:.0f} ms: ratio {full / empty:.2f}")
    over.append(told("listing", lambda: history_list(store, now=START), LIST_SECONDS))
    for every in ("1mo", "1w", "1d"):
        over.append(
            told(f"trend of all markets, {every}", lambda e=every: price_history(store, every=e), TREND_SECONDS)
        )
    one = {"networks": ["network-07"], "accelerators": ["h100-sxm"]}
    over.append(told("trend of one market, 1d", lambda: price_history(store, every="1d", **one), TREND_SECONDS))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"largest memory of the process so far: {peak:.2f} GiB, {peak / TREND_GIB:.2f} of the budget")
    over.append(peak > TREND_GIB)
    weeks = START + EVERY * snapshots - timedelta(days=max(0, snapshots // 4 - 28))
    days = None

    def compacted() -> Any:
        nonlocal days
        days = compact(store, before=weeks)
        return days

    seconds = wall(compacted)
    if days is not None and len(days):
        ratio = days["bytes_after"].sum() / days["bytes_before"].sum()
        print(f"compacting {len(days)} days: {seconds / len(days) * 1e3:.0f} ms a day, to {ratio:.2f} of the bytes")
    return int(any(over))


def of_one_kind_each(offers: pl.DataFrame) -> pl.DataFrame:
    """A network has asks, or a list, or bids: seldom several."""
    kinds = dict(zip(SOURCES, itertools.cycle(("ask", "list", "bid")), strict=False))
    kind = pl.col("network").replace_strict(kinds, return_dtype=offers.schema["price_kind"])
    return offers.with_columns(kind.alias("price_kind"))


def add(store: Store, base: pl.DataFrame, number: int) -> None:
    """One collect: a tenth of the prices of the one before have moved."""
    rng = np.random.default_rng(number)
    when = START + EVERY * number
    drift = np.exp(-0.0003 * number)
    moved = np.where(rng.random(base.height) < 0.1, np.exp(rng.normal(0, 0.05, base.height)), 1.0)
    price = (pl.col("usd_per_accelerator_hour") * drift * pl.Series(moved)).round(4).clip(0.02, 190)
    store.write(
        observed_at=when,
        offers=base.with_columns(price, observed_at=pl.lit(when)),  # type: ignore[arg-type]  # the schema is kept, the type checker does not see it
        facts=NetworkFacts.create_empty(),
        skipped=Skipped.create_empty(),
        statuses={name: {"status": "ok", "offers": base.height // len(SOURCES), "error": None} for name in SOURCES},
    )


def wall(work: Callable[[], Any]) -> float:
    """Seconds it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def told(what: str, work: Callable[[], Any], budget: float) -> bool:
    """Print the best of three; whether it is over the budget."""
    runs, busy = [], []
    for _ in range(3):
        before = time.process_time()
        runs.append(wall(work))
        busy.append(time.process_time() - before)
    print(
        f"{what}: best {min(runs):.2f} s, median {statistics.median(runs):.2f} s of three, {min(busy):.2f} s of "
        f"processor time; budget {budget:g} s: {min(runs) / budget:.2f} of it"
    )
    return min(runs) > budget


if __name__ == "__main__":
    sys.exit(main())
