"""How long a collect of all sources takes against a server of this machine, and how much memory.

Run: python benchmarks/collect_all.py. Three rounds, each in a process of its own and against a server in another:
every answer after 0.2 s; a third of the sources hanging; catalogues of full size. Prints times and peak memory, and
exits 1 when one is over its bar.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Collection
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "support"), str(HERE.parent), str(HERE)]

from catalogue_parse import catalogue
from payload_server import PayloadServer, mirrors_at
from served_payloads import body_of

from fetchers import FETCHERS, collect

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DELAY_SECONDS = 0.2
SLACK_SECONDS = 2.0
# What has come is put together after the budget of the last source.
PARSING_SECONDS = 1.0
BUDGET_SECONDS = 15.0
MOST_MIB = 1024
HANGING = list(FETCHERS)[::3]


def full_size() -> dict[str, bytes]:
    """An AWS list of 5 MB, a catalogue of 150,000 rows, a token map of 3 MB."""
    prices = json.loads(body_of("aws/us-east-1.json"))
    region = next(iter(prices["regions"].values()))
    # A machine without an accelerator and one with: the fixture's traps, told by the thousand, would refuse the list.
    rows = list(region.items())[:2]
    for number in range(5_000_000 // (len(json.dumps(dict(rows))) // len(rows))):
        name, row = rows[number % len(rows)]
        region[f"{name} {number}"] = row
    tokens = json.loads(body_of("litellm/map.json"))
    models = list(tokens.items())
    for number in range(3_000_000 // (len(json.dumps(tokens)) // len(models))):
        name, row = models[number % len(models)]
        tokens[f"{name}-{number}"] = row
    return {
        "aws/us-east-1.json": json.dumps(prices).encode(),
        "skypilot/nebius.csv": catalogue(150_000),
        "litellm/map.json": json.dumps(tokens).encode(),
    }


def serve(pipe: Connection, hanging: Collection[str], full: bool) -> None:
    server = PayloadServer(
        delay_seconds=DELAY_SECONDS,
        hanging={host for source in hanging for host in FETCHERS[source].hosts},
        instead=full_size() if full else {},
    )
    if full:
        pipe.send({name: len(body) for name, body in full_size().items()})
    pipe.send(server.server_port)
    server.serve_forever()


def measured(pipe: Connection, port: int, options: dict[str, Any]) -> None:
    os.environ.setdefault("SALAD_ORGANIZATION", "example-org")
    for fetcher in FETCHERS.values():
        if fetcher.key_variable is not None:
            os.environ.setdefault(fetcher.key_variable, "example-key")
    start = time.monotonic()
    collection = collect(observed_at=NOW, mirrors=mirrors_at(port), **options)
    seconds = time.monotonic() - start
    rows = collection.offers.height + collection.facts.height + collection.token_prices.height
    pipe.send(
        {
            "seconds": seconds,
            "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "rows": rows,
            "states": {status.source: status.status for status in collection.statuses},
            "each": {status.source: status.seconds for status in collection.statuses},
        }
    )


def round_of(hanging: Collection[str] = (), *, full: bool = False, **options: Any) -> dict[str, Any]:
    """One collect in a fresh process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs, hanging, full), daemon=True)
    server.start()
    if full:
        print("served: " + ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in ours.recv().items()))
    client = context.Process(target=measured, args=(theirs, ours.recv(), options))
    client.start()
    told: dict[str, Any] = ours.recv()
    client.join()
    server.terminate()
    server.join()
    return told


def main() -> int:
    over: list[str] = []

    quick = round_of()
    slowest = max(quick["each"], key=quick["each"].__getitem__)
    alone = round_of(names=[slowest])
    bar = alone["seconds"] + SLACK_SECONDS
    good = sum(state == "ok" for state in quick["states"].values())
    print(f"all of {len(FETCHERS)} sources, {DELAY_SECONDS:g} s an answer: {quick['seconds']:.1f} s, {good} ok,")
    print(f"  the slowest ({slowest}) {alone['seconds']:.1f} s alone, so at most {bar:.1f} s; {quick['mib']:.0f} MiB")
    if quick["seconds"] > bar or good < len(FETCHERS):
        over.append("all sources")

    hung = round_of(HANGING, time_budget_seconds=BUDGET_SECONDS)
    late = sorted(source for source, state in hung["states"].items() if state != "ok")
    print(
        f"{len(HANGING)} hanging, time budget {BUDGET_SECONDS:g} s: {hung['seconds']:.1f} s, not ok: {', '.join(late)}"
    )
    if hung["seconds"] > BUDGET_SECONDS + PARSING_SECONDS or set(late) != set(HANGING):
        over.append("a third hanging")

    large = round_of(full=True)
    bad = sorted(source for source, state in large["states"].items() if state != "ok")
    told = ", ".join(bad) or "none"
    print(f"full size: {large['seconds']:.1f} s, {large['rows']:,} rows, peak {large['mib']:.0f} MiB, not ok: {told}")
    if large["mib"] > MOST_MIB:
        over.append("memory")
    if over:
        print(f"OVER: {', '.join(over)}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
