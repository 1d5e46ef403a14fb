"""How long the whole report of fifteen networks takes to write, and how much memory.

Run: python benchmarks/report.py [ROUNDS]. Every round is a process of its own that loads the saved analysis and writes
it once, cold. Prints wall and CPU seconds and the peak memory of the process and its children, of the whole and of each
part alone, and exits 1 when the best round of the whole is over its bar. On a machine that is busy with other work the
wall says little; its load is printed beside it.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "support"), str(HERE.parent)]

from depin_compare.analysis import Analysis

BUDGET_SECONDS = 12.0
BUDGET_MIB = 1024.0
SAMPLE_SECONDS = 0.02
PARTS: dict[str, tuple[str, ...] | None] = {
    "whole": None,
    "charts as PNG": ("png",),
    "PDF with its charts": ("pdf",),
    "tables": ("csv", "parquet", "json"),
}


def written(pipe: Connection, saved: Path, out: Path, formats: tuple[str, ...] | None) -> None:
    from reports.writer import FORMATS, write_report

    analysis = Analysis.from_json(saved.read_text("utf-8"))
    pipe.send(os.getpid())
    pipe.recv()
    wall, cpu = time.monotonic(), sum(os.times()[:4])
    files = write_report(analysis, out, formats=formats or FORMATS)
    pipe.send((time.monotonic() - wall, sum(os.times()[:4]) - cpu, sum(file.stat().st_size for file in files)))


def tree_mib(pid: int) -> float:
    """Resident memory of a process and all below it; what they share counts for each."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        below = [
            int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
        ]
    except (OSError, IndexError, ValueError):  # it has just ended
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20 + sum(map(tree_mib, below))


def round_of(saved: Path, folder: Path, formats: tuple[str, ...] | None) -> tuple[float, float, float, float]:
    """Wall seconds, CPU seconds, peak MiB and bytes written of one report in a fresh process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=written, args=(theirs, saved, folder / "report", formats))
    child.start()
    pid, peak, over = ours.recv(), [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_SECONDS):
            peak[0] = max(peak[0], tree_mib(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    ours.send("go")
    try:
        wall, cpu, size = ours.recv()
    finally:
        over.set()
        watcher.join()
        child.join()
    return wall, cpu, peak[0], size


def main() -> int:
    from report_data import live_shaped

    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    begun = time.process_time()
    analysis = live_shaped(whole=True)
    print(f"analysis of {analysis.headlines.height} networks: {time.process_time() - begun:.1f} s of CPU to make")
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "analysis.json"
        saved.write_text(analysis.to_json(), "utf-8")
        over = False
        for name, formats in PARTS.items():
            told = []
            for number in range(rounds):
                out = Path(folder) / f"{name}-{number}"
                told.append(round_of(saved, out, formats))
            walls, cpu, mib, size = ([one[i] for one in told] for i in range(4))
            print(
                f"{name}: best {min(walls):.2f} s, median {statistics.median(walls):.2f} s, CPU {min(cpu):.2f} s, "
                f"peak {max(mib):.0f} MiB, {size[0] / 1e6:.1f} MB"
            )
            if formats is None:
                best, middle, busy = (
                    seconds / BUDGET_SECONDS for seconds in (min(walls), statistics.median(walls), min(cpu))
                )
                memory = max(mib) / BUDGET_MIB
                print(
                    f"  of the budget of {BUDGET_SECONDS:g} s: best {best:.2f}, median {middle:.2f}, CPU {busy:.2f}; "
                    f"of {BUDGET_MIB:g} MiB: {memory:.2f}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
                )
                over = best > 1.0 or memory > 1.0
    if over:
        print("OVER")
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
