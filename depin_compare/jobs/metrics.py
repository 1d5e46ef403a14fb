"""A Prometheus textfile for the node exporter: how the last run of a job went, and what it found.

A number that is not known is absent; nothing is written as 0 that is not 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from depin_compare.analysis import Analysis
from depin_compare.jobs.alert_rules import fared_well
from depin_compare.jobs.outcome import JobOutcome

__all__ = ["registry", "write_metrics"]

_PREFIX = "depin_compare"


def write_metrics(
    path: Path, outcome: JobOutcome, analysis: Analysis | None, *, now: datetime,
    last_success_at: datetime | None = None,
) -> None:  # fmt: skip
    """Write the file whole or not at all; its name must end in ``.prom``, and each job needs its own.

    Parameters
    ----------
    path : Path
        In the folder that the node exporter's textfile collector reads.
    outcome : JobOutcome
        How the run went.
    analysis : Analysis, optional
        What it found; its numbers are absent without one.
    now : datetime
        End of the run.
    last_success_at : datetime, optional
        End of the last run before this one that went well.

    Raises
    ------
    OSError
        If the folder can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry(outcome, analysis, now=now, last_success_at=last_success_at))


def registry(
    outcome: JobOutcome, analysis: Analysis | None, *, now: datetime, last_success_at: datetime | None = None
) -> CollectorRegistry:
    """The gauges of a run; see `write_metrics`."""
    made = CollectorRegistry()
    job = {"job_name": outcome.job}
    well = bool(fared_well(outcome))
    success = now if well else last_success_at
    took = (outcome.finished_at - outcome.started_at).total_seconds()
    _gauge(made, "last_run_timestamp_seconds", "End of the last run, Unix time.", [(job, now.timestamp())])
    _gauge(made, "last_run_success", "1 if the last run went well, 0 if it failed.", [(job, well)])
    _gauge(made, "last_run_duration_seconds", "How long it took.", [(job, took)])
    _gauge(
        made, "last_success_timestamp_seconds", "End of the last run that went well, Unix time.",
        [(job, success.timestamp() if success is not None else None)],
    )  # fmt: skip
    if analysis is not None:
        _sources(made, job, analysis)
        _networks(made, job, analysis)
    return made


def _sources(made: CollectorRegistry, job: dict[str, str], analysis: Analysis) -> None:
    rows = [(job | {"source": row["source"]}, row) for row in _rows(analysis.source_states)]
    _gauge(
        made, "source_state", "1 for the state the source was in.",
        [(labels | {"state": row["state"], "layer": row["layer"] or ""}, 1) for labels, row in rows],
    )  # fmt: skip
    _gauge(
        made, "source_age_days", "Age of the newest data of the source that stand for it.",
        [(labels, row["age_days"]) for labels, row in rows],
    )  # fmt: skip
    _gauge(made, "source_rows", "Rows of the source in use.", [(labels, row["rows"]) for labels, row in rows])


def _networks(made: CollectorRegistry, job: dict[str, str], analysis: Analysis) -> None:
    """The numbers of each network's first page."""
    heads = _rows(analysis.headlines)
    _gauge(
        made, "network_verdict", "1 for the verdict of the network.",
        [(job | {"network": head["network"], "verdict": head["verdict"]}, 1) for head in heads],
    )  # fmt: skip
    work = ("network", "accelerator", "llm", "workload")
    pair = ("cloud", "silicon", "reference")
    told = analysis.headlines.filter(pl.col("accelerator").is_not_null())
    compared = analysis.comparison.filter(pl.col("match") == "cheapest").join(told.select(work), on=work)
    _gauge(
        made, "network_advantage", "Share by which the network is cheaper at equal work; negative where it is dearer.",
        [(job | {n: row[n] for n in (*work, *pair)}, row["advantage"]) for row in _rows(compared)],
    )  # fmt: skip
    node = ("network", "accelerator", "archetype")
    kept = analysis.margins.with_columns(pl.col("archetype").cast(pl.String)).join(told.select(node), on=node)
    for name, words in (("cash", "power and running cost"), ("full", "all costs")):
        _gauge(
            made, f"provider_{name}_margin", f"Share of its receipts a provider keeps after {words}.",
            [(job | {n: row[n] for n in node}, row[f"{name}_margin"]) for row in _rows(kept)],
        )  # fmt: skip
    price = ("network", "accelerator")
    prices = analysis.market_prices.filter(pl.col("terms") == "on_demand").join(told.select(price), on=price)
    _gauge(
        made, "network_usd_per_accelerator_hour", "Median on-demand price of an accelerator-hour, USD.",
        [(job | {n: row[n] for n in price}, row["usd_per_accelerator_hour"]) for row in _rows(prices)],
    )  # fmt: skip


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return frame.with_columns(pl.col(pl.Enum).cast(pl.String)).to_dicts()


def _gauge(
    made: CollectorRegistry, name: str, words: str, values: Iterable[tuple[dict[str, str], float | None]]
) -> None:
    """A gauge of the values that are known; none at all where none is."""
    known = [(labels, value) for labels, value in values if value is not None]
    if known:
        gauge = Gauge(f"{_PREFIX}_{name}", words, list(known[0][0]), registry=made)
        for labels, value in known:
            gauge.labels(**labels).set(value)
