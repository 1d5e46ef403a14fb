"""Making a store smaller: pruning to a retention, and compacting the snapshots of a day into one file a table.

Both are cut short anywhere without a loss: what replaces is written whole before what it replaces is removed, and
while both lie side by side a snapshot is still listed and counted once.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, time
from importlib.metadata import version

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.errors import StoreError
from depin_compare.market.manifests import SCHEMA_VERSION, Manifest
from depin_compare.market.retention import Dated, Retention, kept
from depin_compare.market.snapshots import TABLES, Snapshot, parquet_bytes, stored_form
from depin_compare.market.store import Store

__all__ = ["PRUNING_STATES", "Compaction", "Pruning", "compact", "prune"]

PRUNING_STATES = ("kept", "removed", "failed")
COMPACTED = "compacted"
_ANSWERED = ("ok", "partial")
_Tables = dict[str, pl.DataFrame]
# The same offer of four snapshots side by side takes the room of one.
_ALIKE = {"offers": ["source", "offer_id"], "facts": ["source", "subject"], "token_prices": ["source", "model_id"]}


class Pruning(Schema):
    """Every snapshot there was, newest first, and what became of it: ``reason`` says why it stays or could not go."""

    snapshot = dy.String(primary_key=True)
    observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=False)
    job = dy.String(nullable=False)
    state = dy.Enum(PRUNING_STATES, nullable=False)
    reason = dy.String(nullable=True)


class Compaction(Schema):
    """Every day that was looked at and had something to compact.

    ``snapshots`` counts those now in one file a table; bytes are null where files of schema 1, which told no sizes, are
    among them. ``left_out`` names snapshots that could not be read and lie as they lay, with the reason.
    """

    day = dy.Date(primary_key=True)
    snapshots = dy.Int64(nullable=False, min=0)
    files_before = dy.Int64(nullable=False, min=0)
    files_after = dy.Int64(nullable=True, min=0)
    bytes_before = dy.Int64(nullable=True, min=0)
    bytes_after = dy.Int64(nullable=True, min=0)
    left_out = dy.String(nullable=True)


def prune(
    store: Store, retention: Retention, *, now: datetime, job: str | None = None, dry_run: bool = False
) -> dy.DataFrame[Pruning]:
    """Remove the snapshots a retention does not keep.

    Parameters
    ----------
    store : Store
        Whose snapshots to thin out. One whose manifest can't be read is left as it lies.
    retention : Retention
        What stays; `depin_compare.market.retention.kept` has the rules.
    now : datetime
        What ages are counted from, with its time zone.
    job : str, optional
        Only look at the snapshots of this job.
    dry_run : bool
        Only tell.

    Returns
    -------
    DataFrame[Pruning]
        What became of each; one that could not be removed is ``failed`` and costs the others nothing.

    Raises
    ------
    StoreError
        If the place can't be listed.
    """
    snapshots = [s for s in store.snapshots() if job in (None, s.manifest.job)]
    stays = kept([_dated(s) for s in snapshots], retention, now=now)
    leave = {s.id for s in snapshots} - stays.keys()
    failures: dict[str, str] = {}
    for manifest in [] if dry_run or not leave else list(store.stored_manifests()):
        members = manifest.replaces or (manifest,)
        going = leave.intersection(one.id for one in members)
        if not going:
            continue
        try:
            with store.writing():
                if len(going) < len(members):
                    _rewritten(store, manifest, going)
                store.remove(manifest)
        except StoreError as error:
            failures |= dict.fromkeys(going, str(error))
    state = dict.fromkeys(failures, "failed") | dict.fromkeys(stays, "kept")
    rows = [
        (s.id, s.observed_at, s.manifest.job, state.get(s.id, "removed"), stays.get(s.id, failures.get(s.id)))
        for s in snapshots
    ]
    return Pruning.validate(pl.DataFrame(rows, schema=Pruning.create_empty().schema, orient="row"))


def _dated(snapshot: Snapshot) -> Dated:
    return Dated(
        id=snapshot.id,
        observed_at=snapshot.observed_at,
        kind=str(snapshot.manifest.origin.get("kind")),
        answered=frozenset(name for name, status in snapshot.sources.items() if status in _ANSWERED),
    )


def compact(store: Store, *, before: datetime, dry_run: bool = False) -> dy.DataFrame[Compaction]:
    """Bring all snapshots of each past day into one file a table.

    Every snapshot is listed as before, with its own moment, sources and rows; its manifest stands whole in that of the
    day. Snapshots of schema 1 come into the newest schema on the way.

    Parameters
    ----------
    store : Store
        Whose days to compact.
    before : datetime
        Only days of UTC that ended by then.
    dry_run : bool
        Only tell which days there are; the columns ending in ``_after`` are null then.

    Returns
    -------
    DataFrame[Compaction]
        A row a day, newest first; days of a single file in the newest schema are left out.

    Raises
    ------
    StoreError
        If the place can't be listed or written. Days that were done by then stay done.
    """
    days: dict[str, list[str]] = defaultdict(list)
    for path in store.manifest_paths():
        days[path.split("date=", 1)[1][:10]].append(path)
    today = f"{before.astimezone(UTC):%Y-%m-%d}"
    done: list[Mapping[str, object]] = []
    for day, paths in sorted(days.items(), reverse=True):
        if day < today and (len(paths) > 1 or paths[0].startswith("snapshots/")):
            with store.writing():
                done += _compacted(store, date.fromisoformat(day), dry_run=dry_run)
    return Compaction.validate(pl.DataFrame(done, schema=Compaction.create_empty().schema))


def _compacted(store: Store, day: date, *, dry_run: bool) -> Iterator[Mapping[str, object]]:
    start = datetime.combine(day, time(), tzinfo=UTC)
    lying = list(store.stored_manifests(since=start, before=start))
    found = _lying(store, lying)
    row = {"day": day, "snapshots": len(found), "files_before": _files(lying), "bytes_before": _bytes(lying)}
    if dry_run:
        yield row
        return
    rows, unreadable = _read(found)
    members = [found[name][0].manifest for name in rows]
    if len(members) > 1 or any(one.schema < SCHEMA_VERSION for one in members):
        new = _written(store, members, rows)
        for manifest in lying:
            if manifest.id != new.id and all(one.id in rows for one in manifest.replaces or (manifest,)):
                store.remove(manifest)
    now = list(store.stored_manifests(since=start, before=start))
    yield row | {
        "snapshots": len(rows),
        "files_after": _files(now),
        "bytes_after": _bytes(now),
        "left_out": "; ".join(unreadable) or None,
    }


def _rewritten(store: Store, manifest: Manifest, going: Collection[str]) -> None:
    """The file of a day once more, without some of its snapshots."""
    found = {name: where for name, where in _lying(store, [manifest]).items() if name not in going}
    rows, unreadable = _read(found)
    if unreadable:
        raise StoreError("; ".join(unreadable))
    _written(store, [found[name][0].manifest for name in rows], rows)


def _lying(store: Store, manifests: Collection[Manifest]) -> dict[str, list[Snapshot]]:
    """Every snapshot, oldest first, where it lies: twice where a compaction was cut short, the day's file first."""
    found: dict[str, list[Snapshot]] = defaultdict(list)
    for whole in sorted(manifests, key=lambda m: not m.replaces):
        for one in whole.replaces or (whole,):
            found[one.id].append(Snapshot(manifest=one, tables=whole.tables, place=store.place))
    return dict(sorted(found.items(), key=lambda item: (item[1][0].observed_at, item[0])))


def _read(found: Mapping[str, list[Snapshot]]) -> tuple[dict[str, _Tables], list[str]]:
    """The tables of each snapshot that can be read, checked against their hashes, and what is wrong with the others."""
    rows: dict[str, _Tables] = {}
    wrong: list[str] = []
    for name, places in found.items():
        problems: list[str] = []
        for snapshot in places:
            try:
                rows[name] = {table: snapshot.rows(table) for table in TABLES if table in snapshot.manifest.tables}
                break
            except StoreError as error:
                problems.append(str(error))
        else:
            wrong.append(f"{name}: {problems[0]}")
    return rows, wrong


def _written(store: Store, members: Collection[Manifest], rows: Mapping[str, _Tables]) -> Manifest:
    """One file a table for some snapshots of a day, read back before anybody may rely on it."""
    content: dict[str, bytes] = {}
    heights: dict[str, int] = {}
    for table in TABLES:
        parts = [
            stored_form(tables[table]).with_columns(snapshot=pl.lit(name))
            for name, tables in rows.items()
            if table in tables
        ]
        if parts:
            frame = pl.concat(parts).sort([*_ALIKE.get(table, []), "snapshot"], maintain_order=True)
            content[table], heights[table] = parquet_bytes(table, frame, None), frame.height
    newest = max(one.observed_at for one in members)
    told = {
        "schema": SCHEMA_VERSION,
        "observed_at": newest.isoformat(),
        "job": COMPACTED,
        "sources": {},
        "origin": {"kind": COMPACTED, "tool": f"depin-compare {version('depin-compare')}"},
        "replaces": [one.document for one in members],
    }
    hashes = {table: hashlib.sha256(body).hexdigest() for table, body in content.items()}
    digest = hashlib.sha256(json.dumps([told, hashes], sort_keys=True).encode()).hexdigest()[:8]
    new = store.put_files(f"{newest:%Y-%m-%d}/day-{digest}", content, heights, told).manifest
    for file in new.tables.values():
        try:
            seen = hashlib.sha256(store.place.read(file.path)).hexdigest()
        except OSError as error:
            raise StoreError(f"{store.place.name}/{file.path}: can't be read back ({error})") from error
        if seen != file.sha256:
            store.remove(new)
            raise StoreError(f"{store.place.name}/{file.path}: not as it was written; nothing was removed for it")
    return new


def _files(manifests: Collection[Manifest]) -> int:
    return sum(len(manifest.tables) for manifest in manifests)


def _bytes(manifests: Collection[Manifest]) -> int | None:
    sizes = [file.bytes for manifest in manifests for file in manifest.tables.values()]
    return None if None in sizes else sum(size or 0 for size in sizes)
