"""The report again, or a part of it, from a saved analysis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from depin_compare.cli._app import app
from depin_compare.cli.inputs import job_of, job_with_outputs, saved_analysis
from depin_compare.cli.options import (
    ConfigOption,
    DpiOption,
    FormatsOption,
    JobOption,
    PaperOption,
    PngWidthOption,
    SectionsOption,
    SinceOption,
)

if TYPE_CHECKING:
    from depin_compare.analysis import Analysis
    from reports.since import Since


@app.command()
def report(
    analysis_file: Annotated[
        Path | None,
        typer.Argument(metavar="[ANALYSIS]", help="analysis.json of an earlier run, or its folder; else the job's."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder the report goes to; else the job's, else depin-report.")
    ] = None,
    config: ConfigOption = None,
    job: JobOption = None,
    network: Annotated[
        list[str] | None, typer.Option("--network", help="Only this network of the analysis. Repeatable.")
    ] = None,
    scenario: Annotated[
        list[str] | None, typer.Option("--scenario", help="Only this scenario of the analysis. Repeatable.")
    ] = None,
    formats: FormatsOption = None,
    paper: PaperOption = None,
    section: SectionsOption = None,
    png_width: PngWidthOption = None,
    dpi: DpiOption = None,
    card: Annotated[
        bool | None,
        typer.Option("--card/--no-card", help="card.png, the verdict in one picture; else with the PNG charts."),
    ] = None,
    since: SinceOption = None,
) -> None:
    """Draw the report again from a saved analysis, without asking any source; of some networks or scenarios only."""
    from depin_compare.jobs.runner import write_job_report
    from depin_compare.selection import selected
    from reports.since import of_selection

    chosen = job_with_outputs(
        job_of(config, job), formats=formats, paper=paper, sections=section, png_width=png_width, dpi=dpi
    )
    folder = out or chosen.outputs.out
    source = analysis_file if analysis_file is not None else chosen.outputs.out
    file = source / "analysis.json" if source.is_dir() or not source.suffix else source
    analysis = saved_analysis(file)
    networks, scenarios = network or (), scenario or ()
    part = selected(analysis, networks=networks, scenarios=scenarios)
    if file.resolve() == (folder / "analysis.json").resolve():
        if networks or scenarios:
            raise typer.BadParameter(
                f"{file} would be replaced by a part of itself; name another folder", param_hint="--out"
            )
        # What the report is drawn from stays beside it, whatever else is asked for.
        if chosen.outputs.formats is not None and "json" not in chosen.outputs.formats:
            chosen = job_with_outputs(chosen, formats=[*chosen.outputs.formats, "json"])
    changed = _since(analysis, file, folder, since)
    if changed is not None:
        changed = of_selection(changed, networks=networks, scenarios=scenarios)
    for path in write_job_report(chosen, part, folder, since=changed, card=card):
        typer.echo(str(path))


def _since(analysis: Analysis, file: Path, folder: Path, since: Path | None) -> Since | None:
    """What changed since the analysis named; else since the report in the folder; else what was told with this one."""
    from reports.since import since_analysis, since_folder

    if since is not None:
        return since_analysis(saved_analysis(since), analysis)
    return since_folder(folder, analysis) or since_folder(file.parent, analysis)
