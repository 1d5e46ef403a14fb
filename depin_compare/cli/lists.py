"""What the product knows: sources, assumptions, and how good the throughput model is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from depin_compare.cli._app import app
from depin_compare.cli.inputs import job_of, store_of
from depin_compare.cli.options import ConfigOption, CsvOption, JobOption, JsonOption, OutputOption, StoreOption
from depin_compare.cli.output import emit, note, write_whole


@app.command()
def sources(
    config: ConfigOption = None, job: JobOption = None, store: StoreOption = None, json: JsonOption = False,
    csv: CsvOption = False, output: OutputOption = None,
) -> None:  # fmt: skip
    """Every source: kind, key, last success, rows, last error and terms; asks nothing."""
    from depin_compare.jobs.sources import source_list

    frame = source_list(job_of(config, job), store=store_of(store), now=datetime.now(UTC))
    emit(frame, json=json, csv=csv, output=output, title="Sources",
          show=["source", "kind", "key", "key_variable", "state", "last_success", "age_days", "freshness", "rows",
                "last_error", "terms"])  # fmt: skip


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(help="CSV of measured runs.")],
    json: JsonOption = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the rows, predicted beside measured.")
    ] = None,
    chart: Annotated[Path | None, typer.Option("--chart", help="Draw predicted against measured (.png).")] = None,
) -> None:
    """The throughput model against measured rows: errors in all, by accelerator, model and source."""
    from depin_compare.inference.validation import validate_file

    found = validate_file(file)
    if output is not None:
        emit(found.rows, json=False, csv=False, output=output, title="", show=[])
    if chart is not None:
        from depin_compare.refdata import accelerators
        from reports.charts.predicted_measured import predicted_measured
        from reports.style import png_bytes

        families = dict(accelerators().select("accelerator", "family").iter_rows())
        write_whole(chart, png_bytes(predicted_measured(found.rows, families)))
        note(f"chart written to {chart}")
    if json:
        import json as encoder

        typer.echo(encoder.dumps(found.as_dict(), indent=1, sort_keys=True))
        return
    total = found.overall
    typer.echo(
        f"{total['rows_used']} rows used, {total['rows_skipped']} skipped; absolute error median "
        f"{total['median_ape']:.1%}, 90th percentile {total['p90_ape']:.1%}; bias {total['bias']:+.1%}; "
        f"within a factor of two {total['within_2x']:.1%}"
    )
    show = ["group", "rows_used", "median_ape", "p90_ape", "bias", "within_2x"]
    for title, frame in (
        ("By accelerator", found.by_accelerator),
        ("By model", found.by_model),
        ("By source", found.by_source),
    ):
        emit(frame, json=False, csv=False, output=None, title=title, show=show)
    if found.skipped.height:
        emit(found.skipped, json=False, csv=False, output=None, title="Skipped", show=found.skipped.columns)


@app.command()
def assumptions(
    config: ConfigOption = None, job: JobOption = None, json: JsonOption = False, csv: CsvOption = False,
    output: OutputOption = None,
) -> None:  # fmt: skip
    """The assumptions in force, each with its band, unit, source and kind."""
    from depin_compare.refdata.assumption_set import assumption_set

    frame = assumption_set(job_of(config, job).assumption_overrides(datetime.now(UTC).date())).frame
    emit(frame, json=json, csv=csv, output=output, title="Assumptions",
          show=["parameter", "low", "central", "high", "unit", "kind", "source_id"])  # fmt: skip
