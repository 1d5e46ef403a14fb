"""Options that several commands share, and the exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

OK, ERROR, USAGE, THRESHOLD, STALE = 0, 1, 2, 3, 4

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="DEPIN_COMPARE_CONFIG", help="Job file (TOML); `init` writes one."),
]
JobOption = Annotated[
    str | None, typer.Option("--job", envvar="DEPIN_COMPARE_JOB", help="Which job of the file, where it has several.")
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="Snapshots: a folder, or object storage (s3://, gs://, az://); "
        "else DEPIN_COMPARE_STORE, else the user's data folder.",
    ),
]
OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Ask no source: stored snapshots and reference prices only.")
]
AsOfOption = Annotated[
    str | None,
    typer.Option("--as-of", help="Day to analyse (YYYY-MM-DD): stored and reference data up to it, no source asked."),
]
ReplayOption = Annotated[
    Path | None, typer.Option("--replay", help="Read recorded answers from this folder instead of asking.")
]
MaxAgeOption = Annotated[
    float | None,
    typer.Option(
        "--max-age", min=0.01, help="Days: beyond it a number leaves the verdict, whatever its source's limit."
    ),
]
OffersOption = Annotated[
    Path | None,
    typer.Option("--offers", help="Offers to use in place of stored and reference ones (.parquet, .csv or .json)."),
]
DrawsOption = Annotated[
    int | None, typer.Option("--draws", help="Random draws behind quantiles and odds, a power of two; else the job's.")
]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of the random draws; else the job's.")]
NetworkOption = Annotated[str | None, typer.Option("--network", help="Only this network.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Rows as JSON.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Rows as CSV.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the rows to this file (.csv, .json or .parquet).")
]
FormatsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format", help="pdf, png, svg, md, csv, parquet or json; else the job's, else all but svg. Repeatable."
    ),
]
PaperOption = Annotated[str | None, typer.Option("--paper", help="a4 or us-letter; else the job's.")]
SectionsOption = Annotated[
    list[str] | None,
    typer.Option("--section", help="This section of the PDF after its first page; else the job's. Repeatable."),
]
PngWidthOption = Annotated[
    int | None, typer.Option("--png-width", help="Width of the PNG charts in pixels, 200 to 6000; else the job's.")
]
DpiOption = Annotated[
    int | None, typer.Option("--dpi", help="Dots per inch of the PNG charts, 50 to 800; else the job's, else 150.")
]
SinceOption = Annotated[
    Path | None,
    typer.Option(
        "--since", help="analysis.json to say what changed since; else the one that lies where the report goes."
    ),
]
