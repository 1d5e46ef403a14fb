"""The four data sets every page and chart is looked at with, made through the real chain on 22 November 2026.

They are whole Analyses, the same on every call, built once a process, or once for all the processes of a test run
that `SHARED` names a folder of: small ones for tests, with few draws behind
quantiles and, but for `reference_only`, three scenarios; ``whole`` ones are as a job makes them by default.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, wraps
from pathlib import Path
from typing import Any, cast

import many_networks
from filelock import FileLock
from live_history import DAYS_BEFORE, TODAY, collection_on, write_history

from depin_compare.analysis import Analysis
from depin_compare.economics.scenarios import scenarios
from depin_compare.jobs.config import AnalysisConfig, JobConfig
from depin_compare.jobs.run import analysis_of, gathered
from fetchers import Collection

FEW_DRAWS = 64
FEW_SCENARIOS = ("base", "maia200", "silicon_price_war")
# Every decentralised network and marketplace with a source of its own, but for one of the three resellers.
LIVE_NETWORKS = (
    "akash", "ionet", "render", "chutes", "clore", "fluence", "golem", "hyperbolic", "lium", "nosana", "runpod",
    "salad", "spheron", "targon", "vast",
)  # fmt: skip
LAST_REPORT = TODAY - timedelta(days=7)
# What the job of the last report had otherwise.
LAST_JOB: Mapping[str, Any] = {"assumptions": {"cost_of_capital": {"central": 0.10}}}


# Where the workers of one test run leave what they built for the others.
SHARED: Path | None = None


def _once(build: Callable[[bool], Analysis]) -> Callable[..., Analysis]:
    """Built once for each kind, however the call spells which."""

    def for_all_workers(whole: bool) -> Analysis:
        if SHARED is None:
            return build(whole)
        file = SHARED / f"{build.__name__}-{whole}.pickle"
        with FileLock(file.with_suffix(".lock")):
            if not file.exists():
                file.write_bytes(pickle.dumps(build(whole)))
        return cast(Analysis, pickle.loads(file.read_bytes()))

    kept = cache(for_all_workers)

    @wraps(build)
    def made(whole: bool = False) -> Analysis:
        return kept(whole)

    return made


@_once
def reference_only(whole: bool) -> Analysis:
    """The default job on a machine that reaches nothing, every scenario: what ``run --offline`` gives."""
    return _analysed(whole=whole, scenarios=tuple(one.id for one in scenarios()))


@_once
def live_shaped(whole: bool) -> Analysis:
    """Fifteen networks, all sources but two live: one of those is stale, one expired."""
    return _from_history(TODAY, whole=whole)


@_once
def live_shaped_before(whole: bool) -> Analysis:
    """The report before `live_shaped`: a week older data, an older version, one assumption changed."""
    made = _from_history(LAST_REPORT, whole=whole, **LAST_JOB)
    return replace(made, provenance={**made.provenance, "version_depin-compare": "0.0.9"})


@_once
def one_network(whole: bool) -> Analysis:
    """Akash alone, live."""
    return _analysed(networks=("akash",), collection=collection_on(TODAY), whole=whole)


@_once
def no_price_network(whole: bool) -> Analysis:
    """One network that the product knows and nobody prices here: unreachable, and without a price in the package."""
    return _analysed(networks=("golem",), whole=whole)


@_once
def thirty_networks(whole: bool) -> Analysis:
    """Thirty networks that nobody runs, with long names and missing values; see `many_networks`."""
    with many_networks.known_networks():
        return _analysed(networks=tuple(many_networks.MADE), collection=many_networks.collection(), whole=whole)


DATA_SETS: dict[str, Callable[..., Analysis]] = {
    "reference-only": reference_only,
    "live-shaped": live_shaped,
    "one-network": one_network,
    "no-price-network": no_price_network,
    "thirty-networks": thirty_networks,
}


def _from_history(day: date, *, whole: bool, **job: Any) -> Analysis:
    """What a run of a day made of its answers and of the store it found."""
    before = tuple(back for back in DAYS_BEFORE if TODAY - timedelta(days=back) < day)
    with tempfile.TemporaryDirectory() as folder:
        store = write_history(Path(folder), days_before=before)
        return _analysed(
            networks=LIVE_NETWORKS, day=day, collection=collection_on(day), store=store, whole=whole, **job
        )


def _analysed(
    *,
    whole: bool,
    day: date = TODAY,
    collection: Collection | None = None,
    store: Any = None,
    assumptions: Any = None,
    **asked: Any,
) -> Analysis:
    if not whole:
        asked = {"scenarios": FEW_SCENARIOS, **_few_draws(), **asked}
    job = JobConfig.model_validate({"analysis": asked, "assumptions": assumptions or {}})
    as_of = datetime.combine(day, time(), tzinfo=UTC)
    return analysis_of(job, gathered(job, as_of=as_of, store=store, collection=collection))


def _few_draws() -> dict[str, int]:
    """A job takes draws only where its model draws."""
    return {"draws": FEW_DRAWS} if "draws" in AnalysisConfig.model_fields else {}
