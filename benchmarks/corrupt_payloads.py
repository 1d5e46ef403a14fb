"""Many payloads spoilt at random, for every source: none may end in anything but offers, skipped rows or an error.

Run: POLARS_MAX_THREADS=1 python benchmarks/corrupt_payloads.py [payloads] [first seed]. Prints how they ended and
every one that ended otherwise; exits 1 if there is one.
"""

from __future__ import annotations

import faulthandler
import itertools
import os
import sys
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / "support"), str(Path(__file__).parents[1])]

from payload_corruption import SOURCES, cases, check_one

HANG_SECONDS = 120


def main() -> int:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    os.environ.setdefault("SALAD_ORGANIZATION", "example-org")
    todo = [(source, payload) for source in SOURCES for payload in cases(source)]
    ended: Counter[str] = Counter()
    failed: list[str] = []
    start = time.monotonic()
    for number, (seed, (source, payload)) in enumerate(
        itertools.islice(((seed, case) for seed in itertools.count(first) for case in todo), wanted)
    ):
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        try:
            ended[check_one(source, payload, seed)] += 1
        except AssertionError as error:
            ended["FAILED"] += 1
            failed.append(str(error))
            print(f"FAILED {error}", flush=True)
        if number % 1000 == 999:
            print(f"{number + 1:,} of {wanted:,}", file=sys.stderr, flush=True)
    faulthandler.cancel_dump_traceback_later()
    seconds = time.monotonic() - start
    told = ", ".join(f"{count:,} {how}" for how, count in sorted(ended.items()))
    print(f"{wanted:,} payloads of {len(SOURCES)} sources ({len(todo)} kinds) in {seconds:.0f} s: {told}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
