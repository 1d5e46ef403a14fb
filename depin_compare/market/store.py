"""Immutable dated snapshots of what the sources said, in Parquet: written whole or not at all, never changed.

    STORE/offers/date=2026-11-22/093000Z-1a2b3c4d.parquet     live rows only; facts, skipped, token_prices likewise
    STORE/manifests/date=2026-11-22/093000Z-1a2b3c4d.json     schema, status of each source, sha256 of the files
    STORE/copies/...                                          the same manifest once more

A table's folder is read by DuckDB, Spark or pandas as it lies. Data are written first, then the copy, then the
manifest: a snapshot exists when its manifest does, and what has none is what a killed run left behind, which
`depin_compare.market.upkeep.repair` removes.
Snapshots of schema 1 (a folder each, below ``snapshots/``) stay readable.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dataframely as dy
import filelock
import platformdirs
import polars as pl

from depin_compare.errors import StoreError
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.manifests import SCHEMA_VERSION, Manifest, TableFile, manifest_bytes, read_manifest
from depin_compare.market.offers import Offers, Skipped
from depin_compare.market.places import place_of
from depin_compare.market.snapshots import (
    MANIFEST_PATH,
    TABLES,
    Snapshot,
    copy_path,
    data_path,
    manifest_path,
    parquet_bytes,
    stored_form,
)
from depin_compare.market.token_prices import TokenPrices

__all__ = ["Store", "default_store"]

log = logging.getLogger(__name__)

STORE_VARIABLE = "DEPIN_COMPARE_STORE"
_USABLE = ("ok", "partial")
_LOCK_SECONDS = 300.0
_READERS = 16
_COLLECT: Mapping[str, Any] = {"kind": "collect"}


def default_store() -> str:
    """``DEPIN_COMPARE_STORE``, a folder or the URL of object storage; else the user's data folder."""
    return os.environ.get(STORE_VARIABLE) or platformdirs.user_data_dir("depin-compare", appauthor=False)


class Store:
    """Snapshots in a folder, or in object storage by URL (s3://, gs://, az://).

    Examples
    --------
    >>> list(Store("no such folder").snapshots())
    []
    """

    def __init__(self, location: str | os.PathLike[str]) -> None:
        self.place = place_of(location)

    @property
    def working_folder(self) -> Path:
        """Where locks and kept answers lie: in the store, or on this machine where the store is elsewhere."""
        folder = self.place.folder()
        if folder is not None:
            return folder
        name = hashlib.sha256(self.place.name.encode()).hexdigest()[:16]
        return Path(platformdirs.user_state_dir("depin-compare", appauthor=False)) / "stores" / name

    def write(
        self,
        *,
        observed_at: datetime,
        offers: dy.DataFrame[Offers],
        facts: dy.DataFrame[NetworkFacts],
        skipped: dy.DataFrame[Skipped],
        statuses: Mapping[str, Mapping[str, Any]],
        token_prices: dy.DataFrame[TokenPrices] | None = None,
        job: str = "default",
    ) -> Snapshot:
        """Store one collect; only rows that came live are kept.

        Raises
        ------
        StoreError
            If the place can't be written; nothing that counts is left behind then.
        """
        live = pl.col("layer") == "live"
        hosted = token_prices if token_prices is not None else TokenPrices.create_empty()
        tables = {
            "offers": offers.filter(live),
            "facts": facts.filter(live),
            "skipped": pl.DataFrame(skipped),
            "token_prices": hosted.filter(live),
        }
        return self.put_snapshot(tables, observed_at=observed_at, statuses=statuses, job=job, origin=_COLLECT)

    def put_snapshot(
        self,
        tables: Mapping[str, pl.DataFrame],
        *,
        observed_at: datetime,
        statuses: Mapping[str, Mapping[str, Any]],
        job: str,
        origin: Mapping[str, Any],
    ) -> Snapshot:
        """Store some tables as one snapshot: the same content at the same second is stored once.

        Parameters
        ----------
        tables : mapping
            Frames by the names of `TABLES`.
        observed_at : datetime
            When it was collected, with its time zone.
        statuses : mapping
            How each source fared: at least its ``status``.
        job : str
            Whose collect it is.
        origin : mapping
            Where the rows come from: ``kind`` is ``collect`` or ``backfill``.
        """
        at = observed_at.astimezone(UTC)
        content = {name: parquet_bytes(name, frame) for name, frame in tables.items()}
        told = {
            "schema": SCHEMA_VERSION,
            "observed_at": at.isoformat(),
            "job": job,
            "sources": {name: dict(status) for name, status in statuses.items()},
            "origin": {**origin, "tool": f"depin-compare {version('depin-compare')}"},
        }
        hashes = {name: hashlib.sha256(body).hexdigest() for name, body in content.items()}
        digest = hashlib.sha256(json.dumps([told, hashes], sort_keys=True).encode()).hexdigest()[:8]
        identity = f"{at:%Y-%m-%d}/{at:%H%M%SZ}-{digest}"
        # The name of the snapshot stands in every row, so the files are made once more with it.
        content = {name: parquet_bytes(name, frame, identity) for name, frame in tables.items()}
        return self.put_files(identity, content, {name: frame.height for name, frame in tables.items()}, told)

    def put_files(
        self, identity: str, content: Mapping[str, bytes], rows: Mapping[str, int], told: Mapping[str, Any]
    ) -> Snapshot:
        """Write the files of a snapshot, then its manifest; a manifest that is there already stays as it is.

        Raises
        ------
        StoreError
            If the place can't be written.
        """
        files = {
            name: {
                "path": data_path(name, identity), "sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body),
                "rows": rows[name],
            }
            for name, body in content.items()
        }  # fmt: skip
        body = manifest_bytes({**told, "id": identity, "tables": files})
        manifest = read_manifest(identity, body)
        try:
            with self.writing():
                for name, data in content.items():
                    self.place.write(str(files[name]["path"]), data, overwrite=True)
                self.place.write(copy_path(identity), body, overwrite=True)
                with contextlib.suppress(FileExistsError):  # written before: the same content has the same name
                    self.place.write(manifest_path(identity), body)
        except OSError as error:
            raise StoreError(
                f"{self.place.name}: can't be written ({error}); nothing was stored; name another place with --store"
            ) from error
        return Snapshot(manifest=manifest, tables=manifest.tables, place=self.place)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the place for one writer or repairer of this machine at a time.

        Raises
        ------
        StoreError
            If another holds it for more than five minutes.
        """
        folder = self.working_folder / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            # One object a process and file, so that who holds the place may write in it.
            with filelock.FileLock(folder / "store.lock", timeout=_LOCK_SECONDS, is_singleton=True):
                yield
        except filelock.Timeout as error:
            raise StoreError(
                f"{folder / 'store.lock'}: held by another process for {_LOCK_SECONDS:.0f} s; end that one"
            ) from error

    def snapshots(self, *, since: datetime | None = None, before: datetime | None = None) -> Iterator[Snapshot]:
        """Whole snapshots, newest first; one whose manifest can't be read is passed over with a warning."""
        for manifest, tables in self._known(since, before):
            if (before is None or manifest.observed_at < before) and (since is None or manifest.observed_at >= since):
                yield Snapshot(manifest=manifest, tables=tables, place=self.place)

    def _known(
        self, since: datetime | None = None, before: datetime | None = None
    ) -> Iterator[tuple[Manifest, Mapping[str, TableFile]]]:
        """Manifests with the files their rows lie in, newest first, day by day; each snapshot once."""
        for manifests in self._days(since, before):
            found: dict[str, tuple[Manifest, Mapping[str, TableFile]]] = {}
            # What was compacted stands for what it replaces, also while both lie side by side.
            for whole in sorted(manifests, key=lambda m: not m.replaces):
                for one in whole.replaces or (whole,):
                    found.setdefault(one.id, (one, whole.tables))
            yield from sorted(found.values(), key=lambda pair: (pair[0].observed_at, pair[0].id), reverse=True)

    def stored_manifests(self, *, since: datetime | None = None, before: datetime | None = None) -> Iterator[Manifest]:
        """The manifests as they lie, compacted ones among them, newest day first."""
        for manifests in self._days(since, before):
            yield from manifests

    def _days(self, since: datetime | None, before: datetime | None) -> Iterator[list[Manifest]]:
        days: dict[str, list[str]] = {}
        for path in self.manifest_paths():
            match = MANIFEST_PATH.match(path)
            assert match is not None
            days.setdefault(match["day"] or match["day_1"], []).append(path)
        for day, paths in sorted(days.items(), reverse=True):
            if (before is not None and day > f"{before.astimezone(UTC):%Y-%m-%d}") or (
                since is not None and day < f"{since.astimezone(UTC):%Y-%m-%d}"
            ):
                continue
            yield [manifest for manifest in self._read_all(sorted(paths, reverse=True)) if manifest is not None]

    def manifest_paths(self) -> list[str]:
        """Where manifests lie, in no order."""
        with self.listing():
            listed = [entry.path for prefix in ("manifests", "snapshots") for entry in self.place.list(prefix)]
        return [path for path in listed if MANIFEST_PATH.match(path)]

    @contextlib.contextmanager
    def listing(self) -> Iterator[None]:
        """An error while a place is listed, told as one of the store."""
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"{self.place.name}: can't be listed ({error}); name another place with --store"
            ) from error

    def _read_all(self, paths: list[str]) -> Iterable[Manifest | None]:
        if self.place.folder() is not None or len(paths) < 2:
            return map(self.read_manifest, paths)
        with ThreadPoolExecutor(_READERS) as pool:  # each answer of object storage takes its time
            return list(pool.map(self.read_manifest, paths))

    def read_manifest(self, path: str) -> Manifest | None:
        """One manifest, or its copy where it is damaged; None with a warning where neither can be read."""
        try:
            return self._manifest_at(path)
        except (OSError, StoreError) as error:
            with contextlib.suppress(OSError, StoreError):  # no copy either: the warning below tells it
                return self._manifest_at(path.replace("manifests/", "copies/", 1))
            log.warning("store: %s passed over: %s", path, error)
            return None

    def _manifest_at(self, path: str) -> Manifest:
        return read_manifest(path, self.place.read(path))

    def scan(self, table: str, *, since: datetime | None = None, before: datetime | None = None) -> pl.LazyFrame:
        """All stored rows of a table, to be queried lazily, with the columns ``snapshot`` and ``date`` (the day).

        A file that is missing, cut off or, in a folder, of other content than was written is left out with a warning.
        Object storage checks its own bytes; what it holds is compared with its hash by `verify` alone.
        """
        (rows,) = self.scans(table, [list(self.snapshots(since=since, before=before))])
        return rows

    def scans(self, table: str, batches: Iterable[Collection[Snapshot]]) -> Iterator[pl.LazyFrame]:
        """The rows of each batch of snapshots, as `scan` gives them; for what would not fit into memory at once."""
        sizes = self._sizes(table)
        for batch in batches:
            files = {file.path: file for s in batch if (file := s.tables.get(table)) is not None}
            unsound = self._unsound(files.values(), sizes)
            for path, why in unsound.items():
                log.warning("store: %s left out: %s; `depin-compare history verify` tells more", path, why)
            by_schema: dict[int, dict[str, list[Snapshot]]] = {}
            for snapshot in batch:
                file = snapshot.tables.get(table)
                if file is not None and file.path not in unsound:
                    schema = 1 if file.path.startswith("snapshots/") else SCHEMA_VERSION
                    by_schema.setdefault(schema, {}).setdefault(file.path, []).append(snapshot)
            parts = [part for schema, files in by_schema.items() for part in self._scan(table, schema, files)]
            empty = stored_form(TABLES[table].create_empty()).with_columns(
                snapshot=pl.lit(None, pl.String), date=pl.lit(None, pl.Date)
            )
            yield pl.concat(parts, how="diagonal_relaxed") if parts else empty.clear().lazy()

    def _sizes(self, table: str) -> dict[str, int]:
        with self.listing():
            return {e.path: e.size for prefix in (table, "snapshots") for e in self.place.list(prefix)}

    def _unsound(self, files: Collection[TableFile], sizes: Mapping[str, int]) -> dict[str, str]:
        """Files that can't be queried as they lie, and why: one of them would cost the whole query, or lie in it."""
        wrong = {
            file.path: "missing" if file.path not in sizes else "cut off"
            for file in files
            if file.path not in sizes or (file.bytes is not None and sizes[file.path] != file.bytes)
        }
        folder = self.place.folder()
        if folder is None:
            return wrong

        def changed(file: TableFile) -> str | None:
            try:
                with (folder / file.path).open("rb") as body:
                    seen = hashlib.file_digest(body, "sha256").hexdigest()
            except OSError as error:
                return f"can't be read ({error})"
            return None if seen == file.sha256 else "its sha256 is not the manifest's, it was changed or is damaged"

        rest = [file for file in files if file.path not in wrong]
        with ThreadPoolExecutor(_READERS) as pool:
            found = zip(rest, pool.map(changed, rest))
            return wrong | {file.path: why for file, why in found if why is not None}

    def _scan(self, table: str, schema: int, files: Mapping[str, list[Snapshot]]) -> Iterator[pl.LazyFrame]:
        plain = stored_form(TABLES[table].create_empty()).schema
        if schema == 1:  # a file a snapshot, without its name in the rows, words as enums
            for path, (snapshot,) in files.items():
                yield (
                    pl.scan_parquet(self.place.scan_source(path), hive_partitioning=False)
                    .with_columns(pl.col(pl.Enum).cast(pl.String))
                    .with_columns(snapshot=pl.lit(snapshot.id), date=pl.lit(date.fromisoformat(snapshot.id[:10])))
                )
            return
        whole = {path for path, snapshots in files.items() if _all_of_it(table, snapshots)}
        for paths, ids in (
            (whole, None),
            # A day's file may hold more than was asked for, or what another such file stands for.
            (files.keys() - whole, [s.id for path, some in files.items() if path not in whole for s in some]),
        ):
            if paths:
                rows = pl.scan_parquet(
                    [self.place.scan_source(path) for path in sorted(paths)],
                    schema={**plain, "snapshot": pl.String},
                    hive_schema={"date": pl.Date},
                    hive_partitioning=True,
                    missing_columns="insert",
                    extra_columns="ignore",
                )
                yield rows if ids is None else rows.filter(pl.col("snapshot").is_in(ids))

    def newest(
        self, sources: list[str], *, before: datetime | None = None
    ) -> tuple[dy.DataFrame[Offers], dy.DataFrame[NetworkFacts]]:
        """The newest stored rows of each source, as layer ``stored``; a damaged snapshot is passed over."""
        offers, facts = self._newest(sources, before, (Offers, NetworkFacts), (Snapshot.offers, Snapshot.facts))
        return Offers.validate(offers, cast=True), NetworkFacts.validate(facts, cast=True)

    def newest_token_prices(self, sources: list[str], *, before: datetime | None = None) -> dy.DataFrame[TokenPrices]:
        """The newest stored token prices of each source, likewise."""
        (prices,) = self._newest(sources, before, (TokenPrices,), (Snapshot.token_prices,))
        return TokenPrices.validate(prices, cast=True)

    def _newest(
        self,
        sources: list[str],
        before: datetime | None,
        schemas: tuple[type[dy.Schema], ...],
        readers: tuple[Callable[[Snapshot], pl.DataFrame], ...],
    ) -> list[pl.DataFrame]:
        """A frame a reader: of each source, the rows of the newest whole snapshot in which it answered."""
        found: list[list[pl.DataFrame]] = [[pl.DataFrame(schema.create_empty())] for schema in schemas]
        wanted = set(sources)
        for snapshot in self.snapshots(before=before):
            usable = {s for s in wanted if snapshot.sources.get(s) in _USABLE}
            if not usable:
                continue
            try:
                mine = pl.col("source").is_in(sorted(usable))
                read = [reader(snapshot).filter(mine) for reader in readers]
            except StoreError as error:
                log.warning("store: %s", error)
                continue
            for frames, frame in zip(found, read, strict=True):
                frames.append(frame)
            wanted -= usable
            if not wanted:
                break
        stored = pl.lit("stored").cast(Offers.create_empty().schema["layer"]).alias("layer")
        return [pl.concat(frames).with_columns(stored) for frames in found]

    def remove(self, manifest: Manifest) -> None:
        """Remove a snapshot: its manifest first, so that a removal cut short leaves files that belong to nothing.

        Raises
        ------
        StoreError
            If the place can't be written.
        """
        try:
            with self.writing():
                if manifest.schema > 1:
                    self.place.delete(manifest_path(manifest.id))
                    self.place.delete(copy_path(manifest.id))
                else:
                    day, name = manifest.id.split("/")
                    self.place.delete(f"snapshots/date={day}/{name}/manifest.json")
                for file in manifest.tables.values():
                    self.place.delete(file.path)
        except OSError as error:
            raise StoreError(f"{self.place.name}: {manifest.id} can't be removed ({error})") from error


def _all_of_it(table: str, snapshots: list[Snapshot]) -> bool:
    """Whether these are all whose rows lie in their one file."""
    rows = [own.rows for s in snapshots if (own := s.manifest.tables.get(table)) is not None]
    return None not in rows and sum(n or 0 for n in rows) == snapshots[0].tables[table].rows
