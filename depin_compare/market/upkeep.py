"""Keeping a store whole: repairing what killed runs left, and reading every file against its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.errors import StoreError
from depin_compare.market.manifests import TableFile, read_manifest
from depin_compare.market.places import Entry
from depin_compare.market.snapshots import MANIFEST_PATH, TABLES, copy_path
from depin_compare.market.store import Store

__all__ = ["Verification", "repair", "verify"]

# How long a file without a manifest in object storage may be another machine's write under way.
_UNFINISHED_FOR = timedelta(days=1)


class Verification(Schema):
    """Every file that snapshots name, and every manifest: whether it is as it was written."""

    snapshot = dy.String(nullable=False)
    path = dy.String(nullable=False)
    state = dy.Enum(("ok", "missing", "damaged", "leftover"), nullable=False)
    detail = dy.String(nullable=True)


def repair(store: Store, *, thorough: bool = False) -> list[str]:
    """Remove what killed runs left behind, and restore damaged manifests from their copies, and copies from them.

    Parameters
    ----------
    store : Store
    thorough : bool
        Read every manifest and its copy. Else only those of different length are read, which a listing tells: a
        run need not read the whole history, and a damaged manifest that is overlooked is read from its copy.

    Returns
    -------
    list of str
        A line a thing that was done. A snapshot whose manifest and copy are both damaged is left as it lies.

    Raises
    ------
    StoreError
        If the place can't be listed or written.
    """
    try:
        with store.writing():
            return [*_restored(store, thorough), *_cleared(store)]
    except OSError as error:
        raise StoreError(f"{store.place.name}: can't be repaired ({error})") from error


def _restored(store: Store, thorough: bool) -> Iterator[str]:
    with store.listing():
        sizes = {e.path: e.size for top in ("manifests", "copies") for e in store.place.list(top)}
    for path in sorted(p for p in sizes if MANIFEST_PATH.match(p)):
        copy = path.replace("manifests/", "copies/", 1)
        if not thorough and sizes.get(copy) == sizes[path]:
            continue
        bodies = {one: _whole_manifest(store, one) for one in (path, copy)}
        good = bodies[path] or bodies[copy]
        if good is None:
            continue
        for damaged in (one for one, body in bodies.items() if body != good):
            store.place.write(damaged, good, overwrite=True)
            yield f"{damaged}: restored from its copy" if damaged == path else f"{damaged}: made anew from its manifest"


def _whole_manifest(store: Store, path: str) -> bytes | None:
    """The bytes of a manifest; None if it is missing or damaged."""
    try:
        body = store.place.read(path)
        read_manifest(path, body)
    except (OSError, StoreError):
        return None
    return body


def _cleared(store: Store) -> Iterator[str]:
    for entry in _leftovers(store):
        store.place.delete(entry.path)
        yield f"{entry.path}: removed, left behind by a run that was cut short"


def _leftovers(store: Store) -> list[Entry]:
    """Unfinished files, and files that belong to no manifest."""
    with store.listing():
        entries = [e for top in (*TABLES, "manifests", "copies", "snapshots") for e in store.place.list(top)]
    manifests = [e.path for e in entries if MANIFEST_PATH.match(e.path)]
    # By name, not by content: the files of a manifest that can't be read are nobody's to throw away.
    owners = {path.removeprefix("manifests/").removesuffix(".json") for path in manifests}
    folders = {path.removesuffix("manifest.json") for path in manifests if path.startswith("snapshots/")}
    elsewhere = store.place.folder() is None
    newest = max((e.modified for e in entries), default=datetime.now(UTC))

    def left(entry: Entry) -> bool:
        if entry.path in manifests:
            return False
        if entry.path.startswith("snapshots/"):
            owned = any(entry.path.startswith(folder) for folder in folders)
        else:
            owned = entry.path.partition("/")[2].rsplit(".", 1)[0] in owners
        if entry.is_part or not owned:
            # Another machine may be writing: by the clock of the storage, not ours.
            return not elsewhere or newest - entry.modified > _UNFINISHED_FOR
        return False

    return [entry for entry in entries if left(entry)]


def verify(store: Store) -> dy.DataFrame[Verification]:
    """Read every file of every snapshot and compare its hash; nothing is changed."""
    found: list[tuple[str, str, str, str | None]] = []
    for path in sorted(store.manifest_paths(), reverse=True):
        name = path.split("date=", 1)[1].removesuffix("/manifest.json").removesuffix(".json")
        try:
            manifest = read_manifest(path, store.place.read(path))
        except (OSError, StoreError) as error:
            rescued = store.read_manifest(path) if path.startswith("manifests/") else None
            mend = "`depin-compare history repair` restores it from its copy" if rescued else "its copy is too"
            found.append((name, path, "damaged", f"{error}; {mend}"))
            if rescued is None:
                continue
            manifest = rescued
        if manifest.schema > 1 and _whole_manifest(store, copy := copy_path(name)) is None:
            found.append((name, copy, "damaged", "the manifest's copy; `depin-compare history repair` makes it anew"))
        found += [(manifest.id, file.path, *_checked(store, file)) for file in manifest.tables.values()]
    found += [
        ("", e.path, "leftover", "of a run that was cut short; the next run removes it") for e in _leftovers(store)
    ]
    return Verification.validate(pl.DataFrame(found, schema=Verification.create_empty().schema, orient="row"))


def _checked(store: Store, file: TableFile) -> tuple[str, str | None]:
    try:
        body = store.place.read(file.path)
    except FileNotFoundError:
        return "missing", "the manifest names it"
    except OSError as error:
        return "damaged", f"can't be read ({error})"
    seen = hashlib.sha256(body).hexdigest()
    if seen == file.sha256:
        return "ok", None
    return "damaged", f"sha256 {seen[:12]}… instead of {file.sha256[:12]}…, {len(body)} bytes"
