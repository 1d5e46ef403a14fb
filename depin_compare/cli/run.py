"""The main job and the report alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from depin_compare.cli._app import app
from depin_compare.cli.inputs import run_analysis
from depin_compare.cli.options import (
    OK,
    STALE,
    THRESHOLD,
    AsOfOption,
    ConfigOption,
    OfflineOption,
    ReplayOption,
    StoreOption,
)
from depin_compare.cli.output import because, note

if TYPE_CHECKING:
    from depin_compare.analysis import Analysis

FAIL_ON = ("stale", "partial", "eroded", "exposed")
STALE_AFTER_DAYS = 2.0


@app.command()
def run(
    config: ConfigOption = None,
    out: Annotated[Path, typer.Option("--out", help="Folder the report goes to.")] = Path("depin-report"),
    store: StoreOption = None,
    offline: OfflineOption = False,
    as_of: AsOfOption = None,
    replay: ReplayOption = None,
    record: Annotated[Path | None, typer.Option("--record", help="Keep every answer in this folder.")] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option("--fail-on", help="stale or partial: exit 4; eroded or exposed: exit 3. Repeatable."),
    ] = None,
) -> None:
    """The main job, whole: collect, store, analyse, report."""
    if record and (offline or as_of or replay):
        raise typer.BadParameter("nothing is asked with --offline, --as-of or --replay", param_hint="--record")
    unknown = sorted(set(fail_on or ()) - set(FAIL_ON))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: use {', '.join(FAIL_ON)}", param_hint="--fail-on")
    analysis = run_analysis(config, store=store, offline=offline, as_of=as_of, replay=replay, record=record)
    from reports.summary import verdict_lines
    from reports.writer import write_report

    written = write_report(analysis, out)
    tell_sources(analysis)
    for line in verdict_lines(analysis):
        typer.echo(line)
    pdf = next((path for path in written if path.suffix == ".pdf"), None)
    typer.echo(f"PDF: {pdf}" if pdf else f"Report: {out}")
    raise typer.Exit(exit_code(analysis, fail_on or []))


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
