"""The four data sets every page and chart is looked at with, made through the real chain on 22 November 2026.

They are whole Analyses, the same on every call, built once a process. ``draws`` is how many draws stand behind
quantiles, where the model draws: few for tests, None for as many as a job takes by default.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import many_networks
from live_history import DAYS_BEFORE, TODAY, collection_on, write_history

from depin_compare.analysis import Analysis
from depin_compare.economics.scenarios import scenarios
from depin_compare.jobs.config import AnalysisConfig, JobConfig
from depin_compare.jobs.run import analysis_of, gathered
from fetchers import Collection

FEW_DRAWS = 64
# Every decentralised network and marketplace with a source of its own, but for one of the three resellers.
LIVE_NETWORKS = (
    "akash", "ionet", "render", "chutes", "clore", "fluence", "golem", "hyperbolic", "lium", "nosana", "runpod",
    "salad", "spheron", "targon", "vast",
)  # fmt: skip
LAST_REPORT = TODAY - timedelta(days=7)
# What the job of the last report had otherwise.
LAST_JOB: Mapping[str, Any] = {"assumptions": {"cost_of_capital": {"central": 0.10}}}


@cache
def reference_only(draws: int | None = FEW_DRAWS) -> Analysis:
    """The default job on a machine that reaches nothing, every scenario: what ``run --offline`` gives."""
    return _analysed(draws=draws, scenarios=tuple(one.id for one in scenarios()))


@cache
def live_shaped(draws: int | None = FEW_DRAWS) -> Analysis:
    """Fifteen networks, all sources but two live: one of those is stale, one expired."""
    return _from_history(TODAY, draws=draws)


@cache
def live_shaped_before(draws: int | None = FEW_DRAWS) -> Analysis:
    """The report before `live_shaped`: a week older data, an older version, one assumption changed."""
    made = _from_history(LAST_REPORT, draws=draws, **LAST_JOB)
    return replace(made, provenance={**made.provenance, "version_depin-compare": "0.0.9"})


@cache
def one_network(draws: int | None = FEW_DRAWS) -> Analysis:
    """Akash alone, live."""
    return _analysed(networks=("akash",), collection=collection_on(TODAY), draws=draws)


@cache
def no_price_network(draws: int | None = FEW_DRAWS) -> Analysis:
    """One network that the product knows and nobody prices here: unreachable, and without a price in the package."""
    return _analysed(networks=("golem",), draws=draws)


@cache
def thirty_networks(draws: int | None = FEW_DRAWS) -> Analysis:
    """Thirty networks that nobody runs, with long names and missing values; see `many_networks`."""
    with many_networks.known_networks():
        return _analysed(networks=tuple(many_networks.MADE), collection=many_networks.collection(), draws=draws)


DATA_SETS: dict[str, Callable[[int | None], Analysis]] = {
    "reference-only": reference_only,
    "live-shaped": live_shaped,
    "one-network": one_network,
    "no-price-network": no_price_network,
    "thirty-networks": thirty_networks,
}


def _from_history(day: date, *, draws: int | None, **job: Any) -> Analysis:
    """What a run of a day made of its answers and of the store it found."""
    before = tuple(back for back in DAYS_BEFORE if TODAY - timedelta(days=back) < day)
    with tempfile.TemporaryDirectory() as folder:
        store = write_history(Path(folder), days_before=before)
        return _analysed(networks=LIVE_NETWORKS, day=day, collection=collection_on(day), store=store, draws=draws, **job)


def _analysed(
    *,
    day: date = TODAY,
    collection: Collection | None = None,
    store: Any = None,
    draws: int | None = None,
    assumptions: Any = None,
    **asked: Any,
) -> Analysis:
    # A job takes draws only where its model draws.
    if draws is not None and "draws" in AnalysisConfig.model_fields:
        asked["draws"] = draws
    job = JobConfig.model_validate({"analysis": asked, "assumptions": assumptions or {}})
    as_of = datetime.combine(day, time(), tzinfo=UTC)
    return analysis_of(job, gathered(job, as_of=as_of, store=store, collection=collection))
