"""What a store holds: its snapshots as a list, and their rows as one file for elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.errors import StoreError
from depin_compare.market.manifests import Manifest
from depin_compare.market.snapshots import TABLES, Snapshot
from depin_compare.market.store import Store

__all__ = ["EXPORT_ENDINGS", "HistoryList", "export", "history_list"]

EXPORT_ENDINGS = (".csv", ".json", ".parquet")
_ANSWERED = ("ok", "partial")
# Not asked is not failed.
_NOT_ASKED = ("off", "no_key")


class HistoryList(Schema):
    """One stored snapshot a row, newest first.

    ``origin`` is ``collect``, or ``backfill`` for rows of somebody else's archive, which ``archive`` names.
    ``compacted`` snapshots lie in one file with the others of their day. ``failed`` names the sources that were asked
    and did not answer. Rows are counted by table, ``bytes`` are those of the files the snapshot was written in; both
    are null for schema 1, which told neither. ``age_days`` is negative for one that is dated in the future.
    """

    snapshot = dy.String(primary_key=True)
    observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=False)
    age_days = dy.Float64(nullable=False)
    job = dy.String(nullable=False)
    origin = dy.String(nullable=False)
    archive = dy.String(nullable=True)
    schema = dy.Int64(nullable=False, min=1)
    compacted = dy.Bool(nullable=False)
    sources_answered = dy.Int64(nullable=False, min=0)
    sources_failed = dy.Int64(nullable=False, min=0)
    failed = dy.String(nullable=True)
    offers = dy.Int64(nullable=True, min=0)
    facts = dy.Int64(nullable=True, min=0)
    token_prices = dy.Int64(nullable=True, min=0)
    skipped = dy.Int64(nullable=True, min=0)
    bytes = dy.Int64(nullable=True, min=0)


def history_list(
    store: Store, *, now: datetime, since: datetime | None = None, before: datetime | None = None
) -> dy.DataFrame[HistoryList]:
    """List the snapshots of a store; only their manifests are read.

    Parameters
    ----------
    store : Store
        Whose snapshots to list; one whose manifest can't be read is passed over with a warning.
    now : datetime
        What ages are counted from, with its time zone.
    since, before : datetime, optional
        Only what was collected from ``since`` on and before ``before``.

    Raises
    ------
    StoreError
        If the place can't be listed.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> history_list(Store("no such folder"), now=datetime(2026, 11, 22, tzinfo=UTC)).height
    0
    """
    rows = [_listed(snapshot, now) for snapshot in store.snapshots(since=since, before=before)]
    return HistoryList.validate(pl.DataFrame(rows, schema=HistoryList.create_empty().schema))


def _listed(snapshot: Snapshot, now: datetime) -> Mapping[str, object]:
    manifest = snapshot.manifest
    statuses = snapshot.sources
    failed = sorted(name for name, status in statuses.items() if status not in (*_ANSWERED, *_NOT_ASKED))
    archive = manifest.origin.get("archive")
    return {
        "snapshot": snapshot.id,
        "observed_at": snapshot.observed_at,
        "age_days": (now - snapshot.observed_at) / timedelta(days=1),
        "job": manifest.job,
        "origin": str(manifest.origin.get("kind")),
        "archive": None if archive is None else str(archive),
        "schema": manifest.schema,
        "compacted": snapshot.tables is not manifest.tables,
        "sources_answered": sum(status in _ANSWERED for status in statuses.values()),
        "sources_failed": len(failed),
        "failed": ", ".join(failed) or None,
        **{table: _rows(manifest, table) for table in TABLES},
        "bytes": _added(file.bytes for file in manifest.tables.values()),
    }


def _rows(manifest: Manifest, table: str) -> int | None:
    """Rows of a table; 0 where a snapshot of today has none, unknown where it is of schema 1."""
    file = manifest.tables.get(table)
    if file is not None:
        return file.rows
    return 0 if manifest.schema > 1 else None


def _added(numbers: Iterable[int | None]) -> int | None:
    known = list(numbers)
    return None if None in known else sum(number or 0 for number in known)


def export(
    store: Store,
    file: Path,
    *,
    table: str = "offers",
    since: datetime | None = None,
    before: datetime | None = None,
    only: Mapping[str, str] | None = None,
) -> int:
    """Write stored rows into one file, each with its ``snapshot`` and ``date``; the whole need not fit into memory.

    Parameters
    ----------
    store : Store
        Whose rows to write.
    file : Path
        Where to, in the format of its ending: .csv, .json or .parquet. It appears whole or not at all.
    table : str
        offers, facts, token_prices or skipped.
    since, before : datetime, optional
        Only what was collected from ``since`` on and before ``before``.
    only : mapping of str to str, optional
        Columns and the value their rows must have, e.g. ``{"network": "akash"}``.

    Returns
    -------
    int
        How many rows were written.

    Raises
    ------
    StoreError
        If the ending, the table or a column of ``only`` is none there is, or the rows can't be read.
    """
    if file.suffix not in EXPORT_ENDINGS:
        raise StoreError(f"{file.name}: use an ending of {', '.join(EXPORT_ENDINGS)}")
    if table not in TABLES:
        raise StoreError(f"{table}: no table of a store; there are {', '.join(TABLES)}")
    rows = store.scan(table, since=since, before=before)
    columns = TABLES[table].column_names()
    for column, value in (only or {}).items():
        if column not in columns:
            raise StoreError(f"{table} have no column {column}; there are {', '.join(columns)}")
        rows = rows.filter(pl.col(column) == value)
    part = file.with_name(f".{file.name}.part")
    try:
        height = int(rows.select(pl.len()).collect().item())
        if file.suffix == ".parquet":
            rows.sink_parquet(part)
        elif file.suffix == ".csv":
            rows.sink_csv(part)
        else:
            _sink_json(rows, part)
        part.replace(file)
    except pl.exceptions.PolarsError as error:
        raise StoreError(
            f"{store.place.name}: its {table} can't be read ({error}); `depin-compare history verify` names the file"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return height


def _sink_json(rows: pl.LazyFrame, part: Path) -> None:
    """A list of rows, as `polars.DataFrame.write_json` writes it, without holding it."""
    lines = part.with_name(f"{part.name}.lines")
    try:
        rows.sink_ndjson(lines)
        with lines.open("rb") as source, part.open("wb") as target:
            separator = b"["
            for line in source:
                target.write(separator + line.rstrip(b"\n"))
                separator = b",\n"
            target.write(b"[]" if separator == b"[" else b"]")
    finally:
        lines.unlink(missing_ok=True)
