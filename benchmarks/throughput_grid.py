"""Time of the throughput table: 60 accelerators x 20 LLMs x 5 workloads, split and batch chosen for each.

python benchmarks/throughput_grid.py [--limit SECONDS]

Prints the best of five runs; with ``--limit`` exits 1 when that is slower.
"""

from __future__ import annotations

import argparse
import time

from depin_compare.inference.throughput import throughput_table
from depin_compare.inference.workloads import workloads
from depin_compare.refdata import accelerators, llms


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, help="seconds")
    limit = parser.parse_args().limit
    chips, models, loads = accelerators().head(60), llms().head(20), list(workloads())
    seconds = []
    # Processor time, not the clock's: other work on the machine should not count.
    for _ in range(5):
        start = time.process_time()
        table = throughput_table(chips, models, loads)
        seconds.append(time.process_time() - start)
    each = min(seconds) / len(table) * 1e6
    print(f"{len(table)} combinations in {min(seconds):.3f} s of one core, {each:.0f} us each")
    return int(limit is not None and min(seconds) > limit)


if __name__ == "__main__":
    raise SystemExit(main())
