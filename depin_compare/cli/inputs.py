"""From options to a job, a store, a collection and an analysis."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from depin_compare.cli.output import note

if TYPE_CHECKING:
    from depin_compare.analysis import Analysis
    from depin_compare.jobs.config import JobConfig
    from depin_compare.market.store import Store
    from fetchers import Collection, Progress, SourceStatus

__all__ = [
    "collected_now",
    "day_of",
    "job_of",
    "job_with_outputs",
    "progress_bar",
    "run_analysis",
    "saved_analysis",
    "step_analysis",
    "store_of",
]


def job_of(given: Path | JobConfig | None, name: str | None = None) -> JobConfig:
    """The job of a file, by name where it has several; one that is already read comes back as it is."""
    from depin_compare.jobs.config import JobConfig
    from depin_compare.jobs.config_file import load_config
    from depin_compare.jobs.logs import keep_secret, secret_variables

    job = given if isinstance(given, JobConfig) else load_config(given, name)
    keep_secret(secret_variables(job))
    return job


def store_of(location: str | None) -> Store:
    """The store named, else the default one."""
    from depin_compare.market.store import Store, default_store

    return Store(location or default_store())


def collected_now(job: JobConfig, store: Store, **options: Any) -> Collection:
    """Ask the sources now, with a bar for a person at a terminal."""
    from depin_compare.jobs.run import collected

    with progress_bar() as progress:
        return collected(job, now=datetime.now(UTC).replace(microsecond=0), store=store, progress=progress, **options)


@contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """A bar of the sources that are done; only for a person at a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("asking the sources", total=None)

        def told(done: int, total: int, status: SourceStatus) -> None:
            bar.update(task, completed=done, total=total, description=f"{status.source}: {status.status}")

        yield told


def run_analysis(
    config: Path | JobConfig | None, *, store: str | None, as_of: str | None, replay: Path | None,
    max_age_days: float | None = None,
) -> Analysis:  # fmt: skip
    """Read recorded answers where asked to, lay the layers and analyse; nothing is stored."""
    from depin_compare.jobs.run import analysis_of, gathered

    job, place = job_of(config), store_of(store)
    day = day_of(as_of) if as_of else datetime.now(UTC).date()
    collection = None
    if replay:
        note("asking the sources …")
        collection = collected_now(job, place, replay=replay)
        # Runs of one day with the same inputs give the same bytes: a run stands for its day, not its second.
        day = max(day, collection.observed_at.date()) if not as_of else day
    return analysis_of(
        job,
        gathered(
            job,
            as_of=datetime.combine(day, time(), tzinfo=UTC),
            store=place,
            collection=collection,
            max_age_days=max_age_days,
        ),
    )


def with_analysis(job: JobConfig, **told: Any) -> JobConfig:
    """The job with keys of ``[analysis]`` as the command line has them; what it does not say stays."""
    from pydantic import ValidationError

    from depin_compare.jobs.config import AnalysisConfig

    given = {key: value for key, value in told.items() if value is not None}
    try:
        checked = AnalysisConfig.model_validate(given)
    except ValidationError as error:
        wrong = error.errors()[0]
        hint = f"--{wrong['loc'][0]}" if wrong["loc"] else None
        raise typer.BadParameter(wrong["msg"].removeprefix("Value error, "), param_hint=hint) from error
    changed = job.analysis.model_copy(update={key: getattr(checked, key) for key in given})
    return job.model_copy(update={"analysis": changed})


def step_analysis(
    config: Path | JobConfig | None, store: str | None, offers: Path | None, as_of: str | None,
    max_age_days: float | None = None,
) -> Analysis:  # fmt: skip
    """The analysis of a step command: on stored and reference data, or on the offers of a file; asks no source."""
    if offers is None:
        return run_analysis(config, store=store, as_of=as_of, replay=None, max_age_days=max_age_days)
    from depin_compare.jobs.run import analysis_of, from_file
    from depin_compare.jobs.sources import age_rules

    job = job_of(config)
    day = day_of(as_of) if as_of else datetime.now(UTC).date()
    rules = age_rules(job, max_age_days=max_age_days)
    return analysis_of(job, from_file(offers, as_of=datetime.combine(day, time(), tzinfo=UTC), age_rules=rules))


def day_of(text: str, option: str = "--as-of") -> date:
    """A day written YYYY-MM-DD, or the first of a month written YYYY-MM; ``option`` is where it was given."""
    try:
        return date.fromisoformat(text if len(text) > 7 else f"{text}-01")
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no day; write YYYY-MM-DD", param_hint=option) from error


def saved_analysis(path: Path) -> Analysis:
    """A saved analysis, or the one in a folder that a run wrote into."""
    from depin_compare.analysis import Analysis
    from depin_compare.errors import ConfigError

    file = path / "analysis.json" if path.is_dir() else path
    try:
        return Analysis.from_json(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: can't be read ({error.strerror}); run `depin-compare run` first") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{file}: not a saved analysis (no text); give the analysis.json of an earlier run"
        ) from error
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error


def job_with_outputs(job: JobConfig, **told: Any) -> JobConfig:
    """The job with the forms of report that the command line asks for; what is None or empty is the job's."""
    from pydantic import ValidationError

    from depin_compare.jobs.config import OutputsConfig
    from reports.content import check_sections

    given = {key: value for key, value in told.items() if value not in (None, [])}
    try:
        checked = OutputsConfig.model_validate(given)
    except ValidationError as error:
        wrong = error.errors()[0]
        hint = _HINTS[str(wrong["loc"][0])]
        raise typer.BadParameter(f"{wrong['input']}: {wrong['msg']}", param_hint=hint) from error
    check_sections(checked.sections)
    changed = job.outputs.model_copy(update={key: getattr(checked, key) for key in given})
    return job.model_copy(update={"outputs": changed})


_HINTS = {
    "formats": "--format", "paper": "--paper", "sections": "--section", "png_width": "--png-width", "dpi": "--dpi",
}  # fmt: skip
