"""The main job, whole."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from depin_compare.cli._app import app
from depin_compare.cli.inputs import (
    job_with_outputs,
    progress_bar,
    run_analysis,
    saved_analysis,
    store_of,
    with_analysis,
)
from depin_compare.cli.options import (
    ERROR,
    OK,
    AsOfOption,
    ConfigOption,
    DpiOption,
    DrawsOption,
    FormatsOption,
    JobOption,
    MaxAgeOption,
    OfflineOption,
    PaperOption,
    PngWidthOption,
    ReplayOption,
    SectionsOption,
    SeedOption,
    SinceOption,
    StoreOption,
)
from depin_compare.cli.output import because, note

if TYPE_CHECKING:
    from depin_compare.analysis import Analysis
    from depin_compare.jobs.config import JobConfig
    from depin_compare.jobs.stop import Stopped
    from reports.since import Since

log = logging.getLogger(__name__)


@app.command()
def run(
    config: ConfigOption = None,
    job: JobOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder the report goes to; else the job's, else depin-report. "
                     "Of several jobs each gets a folder of its name in it."),
    ] = None,
    store: StoreOption = None,
    offline: OfflineOption = False,
    as_of: AsOfOption = None,
    replay: ReplayOption = None,
    max_age: MaxAgeOption = None,
    record: Annotated[Path | None, typer.Option("--record", help="Keep every answer in this folder.")] = None,
    network: Annotated[
        list[str] | None, typer.Option("--network", help="Analyse this network in place of the job's. Repeatable.")
    ] = None,
    llm: Annotated[
        list[str] | None, typer.Option("--llm", help="Analyse this LLM in place of the job's. Repeatable.")
    ] = None,
    scenario: Annotated[
        list[str] | None, typer.Option("--scenario", help="This scenario in place of the job's. Repeatable.")
    ] = None,
    draws: DrawsOption = None,
    seed: SeedOption = None,
    formats: FormatsOption = None,
    paper: PaperOption = None,
    section: SectionsOption = None,
    png_width: PngWidthOption = None,
    dpi: DpiOption = None,
    since: SinceOption = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option("--fail-on", help="stale or partial: exit 4; eroded, exposed, or threshold (one of [alerts] is "
                     "crossed): exit 3. Repeatable."),
    ] = None,
    slot: Annotated[
        datetime | None,
        typer.Option(
            "--slot", formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"],
            help="Slot of the schedule this run stands for (UTC); one that has been run is not run again.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """The main job, whole: collect, store, analyse, report. A file's jobs run one after the other.

    With --offline, --as-of or --replay it only looks at what is there: nothing is stored, remembered or alerted.
    """
    from depin_compare.jobs.runner import FAIL_ON, exit_code, since_last, worst_code, write_job_report
    from depin_compare.jobs.stop import Stopped, stoppable

    looks = bool(offline or as_of or replay)
    for given, hint in ((record, "--record"), (slot, "--slot")):
        if given and looks:
            raise typer.BadParameter("nothing is asked with --offline, --as-of or --replay", param_hint=hint)
    unknown = sorted(set(fail_on or ()) - set(FAIL_ON))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: use {', '.join(FAIL_ON)}", param_hint="--fail-on")
    from depin_compare.jobs.config_checks import selected

    outputs = {"formats": formats, "paper": paper, "sections": section, "png_width": png_width, "dpi": dpi}
    jobs = [
        job_with_outputs(
            selected(
                with_analysis(one, draws=draws, seed=seed),
                networks=network or (),
                llms=llm or (),
                scenarios=scenario or (),
            ),
            **outputs,
        )
        for one in _jobs(config, job)
    ]
    before = saved_analysis(since) if since is not None else None
    several = len(jobs) > 1
    if slot is not None and several:
        raise typer.BadParameter("goes with one job: name it with --job", param_hint="--slot")
    codes = []
    for one in jobs:
        folder = one.outputs.out if out is None else out / one.name if several else out
        kept = record / one.name if record and several else record
        if several:
            typer.echo(f"\n{one.name}")
        try:
            if looks:
                analysis = run_analysis(one, store=store, as_of=as_of, replay=replay, max_age_days=max_age)
                changed = since_last(one, analysis, folder, before=before)
                _tell(analysis, write_job_report(one, analysis, folder, since=changed), folder, changed)
                codes.append(exit_code(analysis, fail_on or (), crossed=partial(_is_crossed, one, analysis, store)))
            else:
                with stoppable():
                    codes.append(
                        _run_once(
                            one,
                            store,
                            folder,
                            slot=slot,
                            fail_on=fail_on or (),
                            record=kept,
                            max_age_days=max_age,
                            before=before,
                        )
                    )
        except Stopped as stop:
            _end_at_once(one.name, stop)
        except Exception as error:  # told below; one job never costs the others
            if not several:
                raise
            # The jobs of a file share nothing but the file: whatever ends one, the others still run.
            _tell_failure(one.name, error)
            codes.append(ERROR)
    raise typer.Exit(worst_code(codes))


def _is_crossed(job: JobConfig, analysis: Analysis, store: str | None) -> bool:
    """Whether a threshold of the job's alerts is crossed."""
    from depin_compare.jobs.alerts import is_crossed

    return is_crossed(job, analysis, store_of(store))


def _jobs(config: Path | None, name: str | None) -> list[JobConfig]:
    """The job named, else every job of the file."""
    from depin_compare.jobs.config_file import load_config, load_jobs

    return [load_config(config, name)] if config is None or name is not None else list(load_jobs(config).values())


def _run_once(
    job: JobConfig, store: str | None, folder: Path, *, slot: datetime | None, fail_on: Sequence[str],
    record: Path | None, max_age_days: float | None, before: Analysis | None,
) -> int:  # fmt: skip
    """One run, told; its exit code."""
    from depin_compare.jobs.runner import run_job

    if slot is not None:
        slot = slot.astimezone(UTC) if slot.tzinfo else slot.replace(tzinfo=UTC)
    note("asking the sources …")
    with progress_bar() as progress:
        ended = run_job(
            job, store=store_of(store), now=datetime.now(UTC), out=folder, slot=slot, fail_on=fail_on, record=record,
            progress=progress, max_age_days=max_age_days, before=before,
        )  # fmt: skip
    if ended.analysis is not None:
        _tell(ended.analysis, ended.written, folder, ended.since)
    elif ended.outcome.detail:
        note(ended.outcome.detail)
    return ended.outcome.exit_code or OK


def _end_at_once(job: str, stop: Stopped) -> NoReturn:
    """End without waiting for threads that hang on a source: what they would still bring counts for nothing."""
    note(f"job {job}: {stop}")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(stop.exit_code)


def _tell(analysis: Analysis, written: Sequence[Path], folder: Path, since: Since | None) -> None:
    """The verdicts, what changed and where the report lies on stdout, what could not be reached on stderr."""
    from reports.since import since_lines
    from reports.summary import verdict_lines

    tell_sources(analysis)
    for line in [*verdict_lines(analysis), *since_lines(since)]:
        typer.echo(line)
    pdf = next((path for path in written if path.suffix == ".pdf"), None)
    typer.echo(f"PDF: {pdf}" if pdf else f"Report: {folder}")


def _tell_failure(name: str, error: Exception) -> None:
    """One line for what can go wrong; the whole trace for what should not."""
    from depin_compare.errors import DepinCompareError

    if not isinstance(error, DepinCompareError | OSError):
        log.error("job %s failed", name, exc_info=error)
    note(f"job {name}: {error}")


def tell_sources(analysis: Analysis) -> None:
    """What could not be reached, and what stands in for it, on stderr."""
    for row in analysis.source_states.iter_rows(named=True):
        if row["state"] in ("ok", "off"):
            continue
        if row["state"] == "reference":
            newest = row["newest_observed_at"]
            note(f"{row['source']}: {row['detail']}, {f'newest {newest:%Y-%m-%d}' if newest else 'no data'}")
            continue
        stand_in = "nothing" if row["layer"] is None else f"{row['layer']} data of {row['newest_observed_at']:%Y-%m-%d}"
        note(f"{row['source']}: {row['state']}, {stand_in} in its place{because(row['detail'])}")
