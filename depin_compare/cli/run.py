"""The main job and the report alone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from depin_compare.cli._app import app
from depin_compare.cli.inputs import run_analysis
from depin_compare.cli.options import (
    ERROR,
    OK,
    STALE,
    THRESHOLD,
    USAGE,
    AsOfOption,
    ConfigOption,
    JobOption,
    OfflineOption,
    ReplayOption,
    StoreOption,
)
from depin_compare.cli.output import because, note

if TYPE_CHECKING:
    from depin_compare.analysis import Analysis
    from depin_compare.jobs.config import JobConfig

FAIL_ON = ("stale", "partial", "eroded", "exposed")
STALE_AFTER_DAYS = 2.0
WORST_FIRST = (ERROR, USAGE, THRESHOLD, STALE, OK)

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
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="pdf, png, csv, parquet or json; else the job's, else all. Repeatable."),
    ] = None,
    paper: Annotated[str | None, typer.Option("--paper", help="a4 or us-letter; else the job's.")] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option("--fail-on", help="stale or partial: exit 4; eroded or exposed: exit 3. Repeatable."),
    ] = None,
) -> None:  # fmt: skip
    """The main job, whole: collect, store, analyse, report. A file's jobs run one after the other."""
    if record and (offline or as_of or replay):
        raise typer.BadParameter("nothing is asked with --offline, --as-of or --replay", param_hint="--record")
    unknown = sorted(set(fail_on or ()) - set(FAIL_ON))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: use {', '.join(FAIL_ON)}", param_hint="--fail-on")
    from depin_compare.jobs.config_checks import selected

    jobs = [
        _with_outputs(selected(one, networks=network or (), llms=llm or (), scenarios=scenario or ()), formats, paper)
        for one in _jobs(config, job)
    ]
    several = len(jobs) > 1
    codes = []
    for one in jobs:
        folder = one.outputs.out if out is None else out / one.name if several else out
        kept = record / one.name if record and several else record
        if several:
            typer.echo(f"\n{one.name}")
        try:
            analysis = run_analysis(one, store=store, offline=offline, as_of=as_of, replay=replay, record=kept)
            _report(analysis, one, folder)
            codes.append(exit_code(analysis, fail_on or []))
        except Exception as error:
            if not several:
                raise
            # The jobs of a file share nothing but the file: whatever ends one, the others still run.
            _tell_failure(one.name, error)
            codes.append(ERROR)
    raise typer.Exit(min(codes, key=WORST_FIRST.index))


def _jobs(config: Path | None, name: str | None) -> list[JobConfig]:
    """The job named, else every job of the file."""
    from depin_compare.jobs.config_file import load_config, load_jobs

    return [load_config(config, name)] if config is None or name is not None else list(load_jobs(config).values())


def _with_outputs(job: JobConfig, formats: list[str] | None, paper: str | None) -> JobConfig:
    """The job with the forms of report the command line asks for."""
    from pydantic import ValidationError

    from depin_compare.jobs.config import OutputsConfig

    told: dict[str, Any] = {"formats": formats, "paper": paper}
    given = {key: value for key, value in told.items() if value}
    try:
        checked = OutputsConfig.model_validate(given)
    except ValidationError as error:
        wrong = error.errors()[0]
        hint = "--paper" if wrong["loc"][0] == "paper" else "--format"
        raise typer.BadParameter(f"{wrong['input']}: {wrong['msg']}", param_hint=hint) from error
    changed = job.outputs.model_copy(update={key: getattr(checked, key) for key in given})
    return job.model_copy(update={"outputs": changed})


def _report(analysis: Analysis, job: JobConfig, folder: Path) -> None:
    """Write the report, and say what it says."""
    from reports.summary import verdict_lines
    from reports.writer import FORMATS, write_report

    written = write_report(analysis, folder, formats=job.outputs.formats or FORMATS, paper=job.outputs.paper)
    tell_sources(analysis)
    for line in verdict_lines(analysis):
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


def exit_code(analysis: Analysis, fail_on: list[str]) -> int:
    """What the run exits with, by what the user wants to be told of."""
    states = analysis.source_states
    told = set(states["state"].cast(str))
    verdicts = set(analysis.outlook["verdict"].cast(str))
    oldest = states["age_days"].max()
    stale = bool(told & {"unreachable", "failed", "timed_out"}) or (
        isinstance(oldest, float) and oldest > STALE_AFTER_DAYS
    )
    if ("eroded" in fail_on and "eroded" in verdicts) or ("exposed" in fail_on and verdicts & {"exposed", "eroded"}):
        return THRESHOLD
    if ("stale" in fail_on and stale) or ("partial" in fail_on and (stale or "partial" in told)):
        return STALE
    return OK


@app.command()
def report(
    analysis_file: Annotated[Path, typer.Argument(help="analysis.json of an earlier run.")] = Path(
        "depin-report/analysis.json"
    ),
    out: Annotated[Path, typer.Option("--out", help="Folder the report goes to.")] = Path("depin-report"),
) -> None:
    """Draw the report again from a saved analysis, without asking any source."""
    from depin_compare.analysis import Analysis
    from depin_compare.errors import ConfigError
    from reports.writer import write_report

    try:
        text = analysis_file.read_text("utf-8")
    except OSError as error:
        raise ConfigError(
            f"{analysis_file}: can't be read ({error.strerror}); run `depin-compare run` first"
        ) from error
    for path in write_report(Analysis.from_json(text), out):
        typer.echo(str(path))
