"""Time and memory of comparing a catalogue offer by offer, at growing sizes.

Run ``python benchmarks/compare_offers.py [--threads 2] [--json] [SIZE ...]``: each size in a process of its own, so
that one's memory is not counted in the next. The offers are made up; the references are those that ship with the
package. ``seconds`` is `depin_compare.compare_offers` alone on the clock, the best of five, and ``first`` the first of
them; ``cpu`` is the time of all its threads, which other work on the machine does not touch, and what the cost per
offer is made of; ``peak MiB`` is the whole process, with the interpreter, the libraries and the offers themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time

SIZES = (10_000, 100_000, 1_000_000)
LLM, WORKLOAD = "llama-3.3-70b", "chat"


def measure(size: int) -> dict[str, float]:
    """Seconds and MiB of one size, in this process."""
    import polars as pl

    import depin_compare as dc
    from depin_compare.inference.references import hourly_references
    from depin_compare.inference.workloads import workload
    from depin_compare.refdata import accelerators, llms
    from depin_compare.refdata.assumption_set import assumption_set

    shipped = dc.reference_offers()
    references = hourly_references(shipped, assumption_set())
    work = dc.throughput_table(
        accelerators(), llms().filter(pl.col("llm") == LLM), [workload(WORKLOAD)],
        max_accelerators=dict.fromkeys(accelerators()["accelerator"], 8),
    )  # fmt: skip
    networks = shipped.filter(pl.col("segment") != "hyperscaler", pl.col("not_comparable").is_null())
    row = pl.int_range(size, dtype=pl.Int64)
    offers = dc.Offers.validate(
        networks.select(pl.all().gather(row % networks.height)).with_columns(
            ("offer-" + row.cast(pl.String)).alias("offer_id"),
            (pl.col("usd_per_accelerator_hour") * (0.5 + (row * 7919 % 1000) / 1000)).clip(0.01, 200.0),
        )
    )
    terms = dc.seller_terms(
        [(network, "network") for network in networks["network"].unique()], dc.reference_facts(), assumption_set()
    )
    seconds, busy = [], []
    for _ in range(5):
        start, worked = time.perf_counter(), time.process_time()
        compared = dc.compare_offers(offers, references, work, LLM, WORKLOAD, terms=terms)
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - worked)
    assert compared.height == size
    assert compared["advantage_list"].null_count() < size
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "offers": size,
        "seconds": min(seconds),
        "seconds_first": seconds[0],
        "cpu_seconds": min(busy),
        "peak_mib": peak_kib / 1024,
        "microseconds_per_offer": min(busy) / size * 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="SIZE")
    parser.add_argument("--threads", type=int, default=2, help="cores polars may use")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        print(json.dumps([measure(size) for size in asked.sizes]))
        return
    rows = []
    for size in asked.sizes:
        environment = {**os.environ, "POLARS_MAX_THREADS": str(asked.threads)}
        command = [sys.executable, __file__, "--here", str(size)]
        rows += json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
    if asked.json:
        print(json.dumps(rows))
        return
    columns = {
        "offers": ",.0f",
        "seconds": ".3f",
        "first": ".3f",
        "cpu": ".3f",
        "peak MiB": ",.0f",
        "cpu µs/offer": ".3f",
    }
    keys = ("offers", "seconds", "seconds_first", "cpu_seconds", "peak_mib", "microseconds_per_offer")
    print("  ".join(f"{name:>12}" for name in columns))
    for row in rows:
        print("  ".join(f"{row[key]:>12{form}}" for key, form in zip(keys, columns.values(), strict=True)))


if __name__ == "__main__":
    main()
