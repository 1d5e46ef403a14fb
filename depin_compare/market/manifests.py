"""The manifest of a snapshot: what it holds, by which hashes, and how each source fared. It is what makes one whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from depin_compare.errors import StoreError

__all__ = ["SCHEMA_VERSION", "Manifest", "TableFile", "manifest_bytes", "read_manifest"]

SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """One Parquet file of a snapshot. ``bytes`` and ``rows`` are null in snapshots of schema 1, which told neither."""

    path: str
    sha256: str
    bytes: int | None
    rows: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One snapshot's, or that of a file into which the snapshots of a day were compacted (``replaces``)."""

    id: str
    schema: int
    observed_at: datetime
    job: str
    statuses: Mapping[str, Mapping[str, Any]]
    tables: Mapping[str, TableFile]
    origin: Mapping[str, Any]
    replaces: tuple[Manifest, ...]
    document: Mapping[str, Any]


def manifest_bytes(document: Mapping[str, Any]) -> bytes:
    """A manifest as it is stored: readable, keys in order, with a checksum over all the rest.

    Examples
    --------
    >>> b'"checksum": "' in manifest_bytes({"schema": 2})
    True
    """
    whole = {**document, "checksum": _checksum(document)}
    return (json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _checksum(document: Mapping[str, Any]) -> str:
    told = {name: value for name, value in document.items() if name != "checksum"}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_manifest(path: str, body: bytes) -> Manifest:
    """A stored manifest of any schema this version knows, brought to the form of the newest.

    Parameters
    ----------
    path : str
        Where it lies in the store: schema 1 names its snapshot and its files by that.
    body : bytes
        What lies there.

    Raises
    ------
    StoreError
        If it is cut off, altered, or of a newer schema.
    """
    try:
        document = json.loads(body)
        schema = int(document["schema"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: no whole manifest ({error})") from error
    if schema > SCHEMA_VERSION:
        raise StoreError(f"{path}: schema {schema}, this version reads up to {SCHEMA_VERSION}; update depin-compare")
    if schema == 1:
        document = _from_schema_1(path, document)
    elif document.get("checksum") != _checksum(document):
        raise StoreError(f"{path}: its checksum is not that of its content; it was changed or is damaged")
    try:
        return _manifest(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"{path}: a manifest without {error}") from error


def _manifest(document: Mapping[str, Any]) -> Manifest:
    observed_at = datetime.fromisoformat(document["observed_at"])
    if observed_at.tzinfo is None:
        raise ValueError("a time zone in observed_at")
    return Manifest(
        id=str(document["id"]),
        schema=int(document["schema"]),
        observed_at=observed_at.astimezone(UTC),
        job=str(document["job"]),
        statuses={
            str(name): dict(told) if isinstance(told, Mapping) else {} for name, told in document["sources"].items()
        },
        tables={
            str(name): TableFile(
                path=str(file["path"]), sha256=str(file["sha256"]), bytes=file["bytes"], rows=file["rows"]
            )
            for name, file in document["tables"].items()
        },
        origin=dict(document["origin"]),
        replaces=tuple(_manifest(one) for one in document.get("replaces", ())),
        document=document,
    )


def _from_schema_1(path: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Schema 1: a folder a snapshot, ``snapshots/date=2026-11-22/093000Z-1a2b3c4d/``, with a flat list of hashes."""
    try:
        folder = path.rsplit("/", 1)[0]
        day, name = folder.split("/")[-2:]
        return {
            "schema": 1,
            "id": f"{day.removeprefix('date=')}/{name}",
            "observed_at": document["observed_at"],
            "job": "default",
            "sources": document["sources"],
            "tables": {
                file.removesuffix(".parquet"): {
                    "path": f"{folder}/{file}", "sha256": digest, "bytes": None, "rows": None,
                }
                for file, digest in document["sha256"].items()
            },
            "origin": {"kind": "collect"},
        }  # fmt: skip
    except (KeyError, ValueError, AttributeError) as error:
        raise StoreError(f"{path}: a manifest of schema 1 without {error}") from error
