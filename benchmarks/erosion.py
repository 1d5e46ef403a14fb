"""How long the erosion of 12 networks in 8 scenarios over 120 months with 4,096 draws takes, and how much memory.

Run: python benchmarks/erosion.py. Every network against one cloud: the paths of its advantage are 47 million points,
and in the same call come those of both margins, both pricings, dates, odds by year and the tornado. Prints the best
and the median of five runs with the machine's load beside them, the peak memory, the ratio to a bare numpy loop over
the scenarios that makes the advantage alone, and how the processor time grows when each of the four sizes doubles.
Exits 1 over 3 s or 1.5 GiB.
"""

from __future__ import annotations

import math
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from depin_compare.bands import Band
from depin_compare.economics.comparison import Comparison
from depin_compare.economics.nodes import Node
from depin_compare.economics.outlook import Erosion, Subject, erosion
from depin_compare.economics.scenarios import Scenario, scenarios

BUDGET_SECONDS, BUDGET_GIB = 3.0, 1.5
RUNS = 5
AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
NODE = {
    "take_rate": Band(0.0, 0.02, 0.05), "utilisation": Band(0.4, 0.6, 0.9), "cost_of_capital": Band(0.08, 0.12, 0.18),
    "life_years": Band(4, 5, 6), "salvage_share": Band(0.1, 0.2, 0.35), "opex_share_of_capex": Band(0.03, 0.04, 0.06),
    "pue": Band(1.15, 1.3, 1.56), "usd_per_kwh": Band(0.06, 0.08, 0.155), "idle_power_share": Band(0.2, 0.3, 0.4),
    "load_kw": Band(0.9, 1.0, 1.2), "capex_usd": Band(14_000, 18_000, 25_000),
}  # fmt: skip


def asked(networks: int, n_scenarios: int, months: int, draws: int) -> Callable[[int | None], Erosion]:
    """An erosion of some sizes, no two networks and no two scenarios alike."""
    node = Node(inputs=NODE, utilisation_kind="assumption", reasons={})
    names = [f"network-{i}" for i in range(networks)]
    subjects = [
        Subject(
            network=name, accelerator="h100-sxm", archetype="data_centre", llm="llama", workload="chat",
            usd_per_accelerator_hour=Band(1.5 + 0.05 * i, 2.0 + 0.05 * i, 2.6 + 0.05 * i), node=node,
        )
        for i, name in enumerate(names)
    ]  # fmt: skip
    schema = Comparison.create_empty().schema
    rows = [
        dict.fromkeys(schema) | {
            "network": name, "accelerator": "h100-sxm", "llm": "llama", "workload": "chat", "cloud": "azure",
            "silicon": "nvidia", "reference": "modelled_cost", "match": "cheapest", "advantage_low": 0.2 + 0.01 * i,
            "advantage": 0.4 + 0.01 * i, "advantage_high": 0.55 + 0.01 * i, "usd_per_mtok_network": 1.0,
            "usd_per_mtok_reference": 1.0 / (0.6 - 0.01 * i), "reference_accelerator": "h200",
        }
        for i, name in enumerate(names)
    ]  # fmt: skip
    comparison = pl.DataFrame(rows, schema=schema)
    packaged = scenarios()
    told: list[Scenario] = []
    for i in range(n_scenarios):
        one, turn = packaged[i % len(packaged)], i // len(packaged)
        lag = one.parameters["network_lag_years"]
        moved = Band(lag.low, lag.central, lag.high + 0.1 * turn)
        told.append(
            Scenario(
                id=f"{one.id}-{turn}", title="", meaning="", clouds=one.clouds,
                parameters={**one.parameters, "network_lag_years": moved},
            )
        )  # fmt: skip
    horizon = date(AS_OF.year + months // 12, AS_OF.month, AS_OF.day)

    def run(workers: int | None) -> Erosion:
        return erosion(subjects, comparison, told, as_of=AS_OF, horizon=horizon, draws=draws, seed=1, workers=workers)  # type: ignore[arg-type]  # frames made here, not typed by their schema

    return run


def bare(networks: int, n_scenarios: int, months: int, draws: int) -> float:
    """The advantage alone, one pricing, as one would type it: a loop over scenarios and networks, numpy inside."""
    chance = np.random.default_rng(1)
    years = np.arange(months + 1)[:, None] / 12
    found = 0.0
    for _ in range(n_scenarios):
        decline, lag, phi, share = (chance.uniform(low, high, draws) for low, high in
                                    ((0.2, 0.35), (0.5, 2.0), (0.5, 1.0), (0.2, 0.6)))  # fmt: skip

        def wedge(t, phi=phi, share=share):
            adopted = share / (1 + np.exp(-1.465 * (t - 0.6)))
            return 1 - np.where(t > 0, adopted, 0.0) * (1 - phi)

        behind = np.maximum(years - lag, 0.0)
        carried = (1 - decline) ** (behind - years) * (1 - 0.5 * (1 - wedge(behind))) / wedge(years)
        for _ in range(networks):
            paths = 1 - np.exp(-chance.normal(0.5, 0.1, draws)) * carried
            low, middle, high = np.quantile(paths, [0.1, 0.5, 0.9], axis=1)
            lost = paths <= 0
            crossed = np.where(lost.any(axis=0), np.argmax(lost, axis=0), math.inf)
            found += float(low[-1] + middle[-1] + high[-1]) + float(np.isfinite(crossed).mean())
    return found


def timed(run: Callable[[], object], times: int, clock: Callable[[], float] = time.perf_counter) -> list[float]:
    seconds = []
    for _ in range(times):
        start = clock()
        run()
        seconds.append(clock() - start)
    return seconds


def main() -> int:
    """Time it and say so."""
    sizes = {"networks": 12, "n_scenarios": 8, "months": 120, "draws": 4096}
    points = math.prod(sizes.values())
    run = asked(**sizes)
    run(None)
    busy = time.process_time()
    seconds = timed(lambda: run(None), RUNS)
    busy = (time.process_time() - busy) / RUNS
    best, median = min(seconds), statistics.median(seconds)
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    found = run(1)
    paths = found.advantage_paths.select("network", "scenario", "pricing").unique().height * 3
    print(f"12 networks x 8 scenarios x 120 months x 4,096 draws = {points / 1e6:.0f} million points of the advantage;")
    print(f"with both pricings and margins {paths} paths in all, on {os.cpu_count()} cores")
    load = os.getloadavg()[0]
    print(f"one-minute load of the machine {load:.1f}")
    print(f"best {best:.2f} s, median {median:.2f} s, {busy:.2f} s of processor time; peak {gib:.2f} GiB")
    alone = min(timed(lambda: run(1), 3))
    print(f"on one thread {alone:.2f} s: {alone / best:.1f} x")
    plain = min(timed(lambda: bare(**sizes), 3))
    print(f"a bare numpy loop, advantage alone in one pricing: {plain:.2f} s; ours takes {best / plain:.2f} x that")
    once = min(timed(lambda: run(1), 3, time.process_time))
    for name, size in sizes.items():
        twice = asked(**{**sizes, name: 2 * size})
        double = min(timed(lambda t=twice: t(1), 3, time.process_time))
        print(f"twice the {name.removeprefix('n_')}: {double:.2f} s of processor time, {double / once:.2f} x")
    kept = f"budget {BUDGET_SECONDS:g} s: {BUDGET_SECONDS / best:.1f} x the best run, "
    print(kept + f"{BUDGET_SECONDS / median:.1f} x the median; {BUDGET_GIB:g} GiB: {BUDGET_GIB / gib:.1f} x the peak")
    return 0 if best < BUDGET_SECONDS and gib < BUDGET_GIB else 1


if __name__ == "__main__":
    sys.exit(main())
