"""Results to stdout as rows, tables and files; notes to stderr."""

from __future__ import annotations

import logging
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import polars as pl

__all__ = ["because", "emit", "kept_rows", "note", "table", "write_rows", "write_whole"]

MOST_TABLE_ROWS = 60


def emit(frame: pl.DataFrame, *, json: bool, csv: bool, output: Path | None, title: str, show: list[str]) -> None:
    """Rows to a file, or as JSON, CSV or a table to stdout: the same rows in all of them."""
    import polars as pl

    flat = pl.DataFrame(frame).with_columns(pl.col(pl.Enum).cast(pl.String))
    if output is not None:
        write_rows(flat, output)
        note(f"{flat.height} rows written to {output}")
    elif json:
        typer.echo(flat.write_json())
    elif csv:
        typer.echo(flat.write_csv(), nl=False)
    else:
        table(flat.select(show), title)


def kept_rows(frame: pl.DataFrame, **wanted: str | None) -> pl.DataFrame:
    """Rows whose columns have the values asked for; a value that no row has is an error that names those there are."""
    import polars as pl

    from depin_compare.errors import UnknownNameError

    for column, value in wanted.items():
        if value is None:
            continue
        known = frame[column].cast(pl.String).unique().to_list()
        if value not in known:
            raise UnknownNameError(column, value, known)
        frame = frame.filter(pl.col(column).cast(pl.String) == value)
    return frame


def write_whole(path: Path, body: bytes) -> None:
    """A file that appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(body)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_rows(frame: pl.DataFrame, path: Path) -> None:
    """The rows as the file's ending asks, whole or not at all."""
    if path.suffix not in (".csv", ".json", ".parquet"):
        raise typer.BadParameter(f"{path.name}: use an ending of .csv, .json or .parquet", param_hint="--output")
    part = path.with_name(f".{path.name}.part")
    try:
        if path.suffix == ".csv":
            frame.write_csv(part)
        elif path.suffix == ".json":
            frame.write_json(part)
        else:
            frame.write_parquet(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def table(frame: pl.DataFrame, title: str) -> None:
    """A table for a person to read; the first rows only when there are many."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name, dtype in frame.schema.items():
        table.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="fold")
    if frame.height > MOST_TABLE_ROWS:
        table.caption = (
            f"{MOST_TABLE_ROWS} of {frame.height} rows; narrow them with the options, or take --csv or --json"
        )
    for row in frame.head(MOST_TABLE_ROWS).iter_rows():
        table.add_row(
            *(
                ""
                if v is None
                else f"{v:.4g}"
                if isinstance(v, float)
                else f"{v:%Y-%m-%d}"
                if isinstance(v, date)
                else escape(str(v))
                for v in row
            )
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def note(text: str, *, level: int = logging.INFO) -> None:
    """One line to stderr: as it is, or as an event where JSON lines are asked for."""
    from depin_compare.jobs import logs

    if not logs.tell(text, level=level):
        typer.echo(logs.struck(text), err=True)


def because(reason: str | None) -> str:
    """A reason in brackets, where there is one."""
    return f" ({reason})" if reason else ""
