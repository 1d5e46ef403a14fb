"""One process of the campaign in faults.py: imports everything, waits for orders, and runs the job as it is told.

What is changed here for an order is the world around the run: its clock, its limits, the moment of its death. The
run itself is `depin_compare.jobs.runner.run_job` as every user has it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import os
import resource
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import polars as pl
import time_machine
from change_watch import ChangeWatch
from store_ledger import Kept, telling

from depin_compare.analysis import Analysis
from depin_compare.errors import DepinCompareError, JobBusyError
from depin_compare.jobs import runner
from depin_compare.jobs.config import JobConfig
from depin_compare.market.store import Store
from fetchers import FETCHERS

# Sources whose recorded answers are small and always usable, so that a run is short.
SOURCES = ("chutes", "clore", "golem", "litellm", "targon")
ANALYSIS = {"networks": ["akash"], "llms": ["llama-3.3-70b"], "workloads": ["chat"], "scenarios": ["base"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run, and what is to happen to it from inside its process."""

    number: int
    now: datetime
    store: str
    out: str
    mirrors: dict[str, str]
    budget_seconds: float
    whole: bool = False  # make the run's own analysis and report
    kill_at_operation: int | None = None  # SIGKILL before the n-th change to the store's files
    kill_at_bytes: int | None = None  # the system ends the process when a file grows beyond
    clock_shift: timedelta | None = None  # at the operation below
    clock_shift_at_operation: int = 0


def work(pipe: Connection, analysis: Path) -> None:
    """Serve orders until there are no more; a saved analysis stands in for those of the runs."""
    watch, said = ChangeWatch(), io.StringIO()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    handler = logging.StreamHandler(said)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    _quick_retries()
    saved = Analysis.from_json(analysis.read_text("utf-8"))
    pipe.send(("ready", os.getpid()))
    while (order := pipe.recv()) is not None:
        said.seek(0)
        said.truncate()
        told = _run(order, watch, pipe, saved)
        pipe.send(("ended", {**told, "operations": watch.count, "log": said.getvalue()}))


def _run(order: Order, watch: ChangeWatch, pipe: Connection, saved: Analysis) -> dict[str, Any]:
    job = JobConfig.model_validate(
        {
            "http": {"mirrors": order.mirrors},
            "sources": {
                name: {"enabled": name in SOURCES, "time_budget_seconds": order.budget_seconds} for name in FETCHERS
            },
            "analysis": ANALYSIS,
            "outputs": {"out": order.out},
        }
    )
    store = Store(order.store)
    begun = time.monotonic()
    told: dict[str, Any]

    def tell(identity: str, tables: dict[str, Kept]) -> None:
        pipe.send(("complete", (identity, tables)))

    with time_machine.travel(order.now, tick=True) as clock, telling(tell), _stand_in(order, saved):

        def strike(number: int) -> None:
            if number == order.kill_at_operation:
                os.kill(os.getpid(), signal.SIGKILL)
            if number == order.clock_shift_at_operation and order.clock_shift is not None:
                clock.shift(order.clock_shift)

        watch.begin(store.place.folder(), strike)
        _limit(order.kill_at_bytes)
        try:
            run = runner.run_job(job, store=store, now=datetime.now(UTC))
            told = {"kind": run.outcome.kind, "detail": run.outcome.detail}
        except JobBusyError as error:
            told = {"kind": "busy", "detail": str(error)}
        except (DepinCompareError, OSError) as error:
            told = {"kind": "failed", "detail": str(error)}
        except Exception as error:  # what a user would see as a traceback
            told = {"kind": "crashed", "detail": f"{type(error).__name__}: {error}"}
        finally:
            watch.end()
            _limit(None)
    return {**told, "begun": begun, "over": time.monotonic()}


def _limit(most_bytes: int | None) -> None:
    """End this process in the middle of a write, with so many bytes of the file written."""
    if most_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes or resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextlib.contextmanager
def _stand_in(order: Order, saved: Analysis) -> Iterator[None]:
    """Spare most runs the seconds of an analysis and a report: neither writes to the store."""
    real = runner.analysis_of, runner.write_job_report
    if not order.whole:

        def analysis_of(_: JobConfig, inputs: Any) -> Analysis:
            return dataclasses.replace(saved, source_states=inputs.source_states)

        def write_job_report(_: JobConfig, analysis: Analysis, out: Path | None = None, **_told: object) -> list[Path]:
            target = Path(out or order.out) / "states.csv"
            target.parent.mkdir(parents=True, exist_ok=True)
            analysis.source_states.select(pl.col("source", "state").cast(pl.String)).write_csv(target)
            return [target]

        runner.analysis_of, runner.write_job_report = analysis_of, write_job_report
    try:
        yield
    finally:
        runner.analysis_of, runner.write_job_report = real


def _quick_retries() -> None:
    """Object storage is asked again for minutes when a connection breaks; here for a moment."""
    import obstore.store

    real = obstore.store.from_url
    first, longest = timedelta(milliseconds=20), timedelta(milliseconds=50)
    brief = {"max_retries": 2, "backoff": {"init_backoff": first, "max_backoff": longest, "base": 2}}

    def from_url(url: str, **options: Any) -> Any:
        return real(url, **{"retry_config": brief, **options})

    obstore.store.from_url = from_url
