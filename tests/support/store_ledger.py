"""What a store was told to keep, noted outside it, and whether it still does; ways to do a store harm."""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl

from depin_compare.errors import StoreError
from depin_compare.market.manifests import read_manifest
from depin_compare.market.snapshots import Snapshot, copy_path, manifest_path
from depin_compare.market.store import Store
from depin_compare.market.upkeep import verify


@dataclass(frozen=True, slots=True)
class Kept:
    """One table of a snapshot as it was when the run said it was complete."""

    path: str
    sha256: str
    rows: int


@dataclass(slots=True)
class Ledger:
    """Every snapshot that was ever complete: by a run's own word, or found whole after its run had died."""

    tables: dict[str, dict[str, Kept]] = field(default_factory=dict)
    adopted: set[str] = field(default_factory=set)
    damaged: set[str] = field(default_factory=set)  # paths of data files that we spoilt ourselves

    def note(self, identity: str, tables: dict[str, Kept]) -> None:
        """A run's word that a snapshot is complete."""
        self.tables[identity] = tables

    def is_sound(self, identity: str) -> bool:
        """Whether none of its files was spoilt by us."""
        return not any(kept.path in self.damaged for kept in self.tables[identity].values())

    def check(self, store: Store, *, only: Iterable[str] | None = None) -> list[str]:
        """What the store has lost, altered or made up; with `only`, files of these snapshots alone are read."""
        wrong: list[str] = []
        wanted = None if only is None else set(only)
        listed = {identity_of(path): path for path in store.manifest_paths()}
        wrong += [f"{identity}: once complete, no longer listed" for identity in self.tables.keys() - listed.keys()]
        for identity, path in sorted(listed.items()):
            known = identity in self.tables
            if known and wanted is not None and identity not in wanted:
                continue
            if (snapshot := _snapshot(store, path)) is None:
                wrong.append(f"{identity}: its manifest can't be read")
            elif known:
                wrong += self._changed(store, snapshot)
            elif found := _half_written(store, snapshot):
                wrong += found
            else:  # it was complete, and its run died before it could say so
                self.adopted.add(identity)
                self.note(identity, _kept(snapshot))
        return wrong

    def _changed(self, store: Store, snapshot: Snapshot) -> list[str]:
        wrong: list[str] = []
        for table, kept in self.tables[snapshot.id].items():
            told = snapshot.tables.get(table)
            if told is None or (told.path, told.sha256, told.rows) != (kept.path, kept.sha256, kept.rows):
                wrong.append(f"{snapshot.id}: its manifest tells of another {table}")
                continue
            try:
                same = hashlib.sha256(store.place.read(kept.path)).hexdigest() == kept.sha256
            except OSError as error:
                same = False
                if kept.path not in self.damaged:
                    wrong.append(f"{kept.path}: {error}")
                    continue
            if same == (kept.path in self.damaged):
                wrong.append(f"{kept.path}: {'whole again?' if same else 'other bytes than were stored'}")
        return wrong

    def read_back(self, store: Store, *, only: Iterable[str] | None = None) -> list[str]:
        """Whether rows come back from every sound file and from no other."""
        wrong: list[str] = []
        for identity in self.tables if only is None else only:
            if (snapshot := _snapshot(store, manifest_path(identity))) is None:
                wrong.append(f"{identity}: its manifest can't be read")
                continue
            for table, kept in self.tables.get(snapshot.id, {}).items():
                try:
                    height = snapshot.rows(table).height
                except StoreError as error:
                    if kept.path not in self.damaged:
                        wrong.append(f"{kept.path}: can't be read back ({error})")
                    continue
                if kept.path in self.damaged:
                    wrong.append(f"{kept.path}: was spoilt, and {height} rows are served from it")
                elif height != kept.rows:
                    wrong.append(f"{kept.path}: {height} rows instead of {kept.rows}")
        return wrong

    def verified(self, store: Store, *, leftovers: bool = False) -> list[str]:
        """Whether the product's own verification finds what we spoilt and nothing else."""
        seen = verify(store).filter(pl.col("state") != "ok").with_columns(pl.col("state").cast(pl.String))
        if leftovers:
            seen = seen.filter(pl.col("state") != "leftover")
        found = set(seen["path"])
        wrong = [f"{path}: spoilt, and not found out" for path in self.damaged - found]
        return wrong + [
            f"{r['path']}: {r['state']} ({r['detail']})" for r in seen.to_dicts() if r["path"] not in self.damaged
        ]

    def served(self, store: Store, sources: list[str], *, before: datetime) -> list[str]:
        """Whether the newest stored rows come from sound snapshots alone."""
        newest, _ = store.newest(sources, before=before)
        sound = {identity[:18] for identity in self.tables if self.is_sound(identity)}
        served = {f"{at:%Y-%m-%d/%H%M%SZ}" for at in newest["observed_at"]}
        return [f"rows of {at} are served: not of a sound snapshot" for at in served - sound]

    def scanned(self, store: Store) -> list[str]:
        """Whether one query over the whole history gives the rows of every snapshot whose offers are sound."""
        seen = dict(store.scan("offers").group_by("snapshot").len().collect().iter_rows())
        return [
            f"{identity}: {seen.get(identity, 0)} offers in the scan instead of {tables['offers'].rows}"
            for identity, tables in self.tables.items()
            if "offers" in tables and tables["offers"].path not in self.damaged
            and seen.get(identity, 0) != tables["offers"].rows
        ]  # fmt: skip


@contextlib.contextmanager
def telling(tell: Callable[[str, dict[str, Kept]], None]) -> Iterator[None]:
    """Tell of every snapshot the moment the store says that it is complete, by hashes of our own."""
    real = Store.put_files

    def put_files(self: Store, identity: str, content: Any, rows: Any, told: Any) -> Snapshot:
        hashes = {name: hashlib.sha256(body).hexdigest() for name, body in content.items()}
        snapshot = real(self, identity, content, rows, told)
        tell(snapshot.id, {n: Kept(snapshot.tables[n].path, digest, rows[n]) for n, digest in hashes.items()})
        return snapshot

    with mock.patch.object(Store, "put_files", put_files):
        yield


def identity_of(path: str) -> str:
    """The snapshot whose manifest lies there."""
    return path.removeprefix("manifests/date=").removesuffix(".json")


def _snapshot(store: Store, path: str) -> Snapshot | None:
    manifest = store.read_manifest(path)
    return None if manifest is None else Snapshot(manifest=manifest, tables=manifest.tables, place=store.place)


def _kept(snapshot: Snapshot) -> dict[str, Kept]:
    return {name: Kept(file.path, file.sha256, file.rows or 0) for name, file in snapshot.tables.items()}


def _half_written(store: Store, snapshot: Snapshot) -> list[str]:
    """What is wrong with a snapshot of which no run said that it is complete."""
    wrong: list[str] = []
    for file in snapshot.tables.values():
        try:
            whole = hashlib.sha256(store.place.read(file.path)).hexdigest() == file.sha256
        except OSError:
            whole = False
        if not whole:
            wrong.append(f"{file.path}: half-written, and its snapshot is listed")
    return wrong


def unfinished(folder: Path) -> list[str]:
    """Files with a name of passage that lie about: what no run may leave for ever."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob(".*")
        if path.is_file() and (path.name.endswith(".part") or path.name.startswith(".writing-"))
    )


# -- harm


def spoil_data(store: Store, ledger: Ledger, rng: random.Random, *, identity: str) -> str:
    """Flip bytes of one table of a snapshot, or cut its file off; from here on it counts as damaged by us."""
    kept = rng.choice([kept for kept in ledger.tables[identity].values() if kept.path not in ledger.damaged])
    body = bytearray(store.place.read(kept.path))
    if rng.random() < 0.3:
        body = body[: rng.randrange(len(body))]
    else:
        for _ in range(rng.randint(1, 8)):
            body[rng.randrange(len(body))] ^= rng.randint(1, 255)
    if hashlib.sha256(body).hexdigest() != kept.sha256:  # two flips may meet at one byte
        overwrite(store, kept.path, bytes(body))
        ledger.damaged.add(kept.path)
    return kept.path


def cut_manifest(store: Store, rng: random.Random, *, identity: str, copy: bool = False) -> tuple[str, bytes]:
    """Cut a manifest (or its copy) off at any byte; gives its path and what stood there."""
    path = (copy_path if copy else manifest_path)(identity)
    body = store.place.read(path)
    overwrite(store, path, body[: rng.randrange(len(body.rstrip()))])
    return path, body


def overwrite(store: Store, path: str, body: bytes) -> None:
    """Change a stored file where it lies, as a bad disk would; objects can only be replaced."""
    folder = store.place.folder()
    if folder is None:
        store.place.write(path, body, overwrite=True)
    else:
        (folder / path).write_bytes(body)


def damaged_manifests(store: Store) -> list[str]:
    """Manifests and copies that can't be read as they lie."""
    wrong = []
    for path in store.manifest_paths():
        for one in {path, path.replace("manifests/", "copies/", 1)}:
            try:
                read_manifest(one, store.place.read(one))
            except (OSError, StoreError):
                wrong.append(one)
    return wrong
