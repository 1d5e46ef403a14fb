"""How long a catalogue of 150,000 machines takes to become validated Offers.

Run: python benchmarks/catalogue_parse.py [rows]. Prints the best and the median of five runs, rows a second, and how
often the budget of one second would hold the best one. Exits 1 over the budget.
"""

from __future__ import annotations

import statistics
import sys
import time
from datetime import UTC, datetime

from fetchers.contract import Answer, Recording
from fetchers.skypilot import CATALOGUE_URL, parse

BUDGET_SECONDS = 1.0
RUNS = 5
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEADER = "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Price,SpotPrice,Region,AvailabilityZone"
CHIPS = (("H100", 81920, 2.95), ("H200", 144384, 3.5), ("L40S", 49152, 1.5484), ("A10", 24576, 0.75), ("", 0, 0.1))


def catalogue(rows: int) -> bytes:
    """A made-up table of one cloud: a fifth processors only, half of the machines with a spot price."""
    lines = [HEADER]
    for number in range(rows):
        name, memory, usd = CHIPS[number % len(CHIPS)]
        count = (1, 2, 4, 8)[number // len(CHIPS) % 4]
        info = (
            f"\"{{'Gpus': [{{'Name': '{name}', 'Manufacturer': 'NVIDIA', 'Count': {count}, "
            f"'MemoryInfo': {{'SizeInMiB': {memory}}}}}], 'TotalGpuMemoryInMiB': {memory * count}}}\""
        )
        machine = f"gpu-{(name or 'cpu').lower()}-sxm_{count}gpu-{number}"
        spot = f"{usd * count / 2:.4f}" if number % 2 else ""
        lines.append(
            f"{machine},{name},{count if name else ''},16,200,{info if name else ''},{usd * count:.4f},{spot},"
            f"eu-north{number % 7},eu-north{number % 7}-a"
        )
    return "\n".join(lines).encode()


def main() -> int:
    """Time it and say so."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 150_000
    body = catalogue(rows)
    answer = Answer(name="nebius", url=f"{CATALOGUE_URL}/v8/nebius/vms.csv", status=200, body=body)
    taken = Recording(source="skypilot", recorded_at=NOW, answers=(answer,))
    seconds: list[float] = []
    busy: list[float] = []
    offers = skipped = 0
    for _ in range(RUNS):
        start, worked = time.perf_counter(), time.process_time()
        result = parse(taken, observed_at=NOW)
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - worked)
        offers, skipped = result.offers.height, result.skipped.height
    best, median = min(seconds), statistics.median(seconds)
    print(f"{rows:,} rows ({len(body) / 2**20:.1f} MiB) -> {offers:,} offers, {skipped:,} skipped")
    print(f"best {best:.3f} s, median {median:.3f} s, {rows / best:,.0f} rows/s; {min(busy):.3f} s of processor time")
    ratios = f"{BUDGET_SECONDS / best:.1f} x the best run, {BUDGET_SECONDS / median:.1f} x the median"
    print(f"budget {BUDGET_SECONDS:g} s: {ratios}")
    return 0 if best < BUDGET_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
