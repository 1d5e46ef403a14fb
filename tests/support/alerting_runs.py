"""Runs to hold alert rules against: one real analysis, with numbers, verdicts and sources set as a test needs them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import polars as pl

import depin_compare as dc
from depin_compare.analysis import Analysis, SourceStates
from depin_compare.jobs.outcome import JobOutcome

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
MARGIN = "margin akash h100-sxm data_centre full_margin"


@cache
def real_analysis() -> Analysis:
    """Akash on the reference data of a day."""
    return dc.analyse(
        dc.reference_offers(as_of=AS_OF.date()),
        dc.reference_facts(as_of=AS_OF.date()),
        as_of=AS_OF,
        network_ids=("akash",),
        llm_ids=("llama-3.3-70b",),
        scenario_ids=("base",),
    )


@cache
def with_margin(value: float | None, reason: str | None = None) -> Analysis:
    """The margin of `MARGIN` at a value, or not known for a reason."""
    node = (
        (pl.col("network") == "akash") & (pl.col("accelerator") == "h100-sxm") & (pl.col("archetype") == "data_centre")
    )
    analysis = real_analysis()
    margins = analysis.margins.filter(node).with_columns(
        pl.lit(value, dtype=pl.Float64).alias("full_margin"), pl.lit(reason, dtype=pl.String).alias("not_known")
    )
    return replace(analysis, margins=margins)


def with_sources(**states: str) -> Analysis:
    """Sources by name, in the state given; what stands in for one that gave nothing is 3 days old."""
    rows = [
        {
            "source": name, "gives": "prices", "state": state, "layer": "live" if state == "ok" else "stored",
            "rows": 10, "skipped": 0, "newest_observed_at": AS_OF, "age_days": 0.0 if state == "ok" else 3.0,
            "detail": None if state == "ok" else "api.example: no answer",
        }
        for name, state in states.items()
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema=SourceStates.create_empty().schema)
    return replace(real_analysis(), source_states=SourceStates.validate(frame))


def outcome(kind: str = "ok", at: datetime = AS_OF, **told: object) -> JobOutcome:
    """A run of the job ``six-hourly`` that ended at a time."""
    return JobOutcome(job="six-hourly", kind=kind, started_at=at - timedelta(seconds=42), finished_at=at, **told)
