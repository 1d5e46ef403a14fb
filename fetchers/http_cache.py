"""A small folder of answers with their validators, so that a source is not sent for what it sent before.

One file an address, named by the address's sha256: a line of JSON (validators, size and sha256 of the body), then
the body. A file that can't be read is a miss, and a folder that can't be written costs nothing but the saving.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

__all__ = ["SECRET_PARAMETERS", "Cached", "HttpCache", "may_carry_secret"]

log = logging.getLogger(__name__)

MAX_BYTES = 256 * 2**20
MAX_ENTRY_BYTES = 48 * 2**20
SUFFIX = ".answer"
SECRET_PARAMETERS = frozenset(
    {"key", "api_key", "apikey", "api-key", "x-api-key", "token", "access_token", "auth", "secret", "signature", "sig"}
)


def may_carry_secret(url: str) -> bool:
    """Whether the address has user information or a parameter that may be a key.

    >>> may_carry_secret("https://api.example.com/v1?Token=t"), may_carry_secret("https://api.example.com/v1?page=2")
    (True, False)
    """
    parts = urlsplit(url)
    return "@" in parts.netloc or any(key.lower() in SECRET_PARAMETERS for key, _ in parse_qsl(parts.query))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached:
    """A stored body, the place it came from (no query), and the validators its server gave."""

    place: str
    etag: str | None
    last_modified: str | None
    body: bytes

    def validators(self) -> dict[str, str]:
        """The headers that ask for the body only if it has changed."""
        asked = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in asked.items() if value is not None}


class HttpCache:
    """A folder of answers; `max_bytes` is what all of them together may take, `max_entry_bytes` each."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES, max_entry_bytes: int = MAX_ENTRY_BYTES) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.max_entry_bytes = max_entry_bytes

    def find(self, url: str) -> Cached | None:
        """What is stored of this address; a damaged file is removed and is a miss."""
        path = self._path(url)
        try:
            head, _, body = path.read_bytes().partition(b"\n")
        except OSError:
            return None
        try:
            entry = json.loads(head)
            if entry["sha256"] != hashlib.sha256(body).hexdigest():
                raise ValueError("the body is not the one that was stored")
            found = Cached(
                place=str(entry["place"]), etag=_header(entry["etag"]),
                last_modified=_header(entry["last_modified"]), body=body,
            )  # fmt: skip
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            log.info("cache: %s passed over: %s", path.name, error)
            with contextlib.suppress(OSError):  # passed over again the next time
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # the files used longest ago go first
        return found

    def keep(self, url: str, *, place: str, headers: Mapping[str, str], body: bytes) -> None:
        """Store an answer that has a validator and may be stored, whole or not at all."""
        etag, last_modified = headers.get("ETag"), headers.get("Last-Modified")
        if (etag is None and last_modified is None) or "no-store" in headers.get("Cache-Control", "").lower():
            return
        if len(body) > self.max_entry_bytes:
            return
        entry = {
            "place": place,
            "etag": etag,
            "last_modified": last_modified,
            "sha256": hashlib.sha256(body).hexdigest(),
        }
        part: Path | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".writing-", dir=self.folder)
            part = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(json.dumps(entry, sort_keys=True).encode() + b"\n")
                file.write(body)
            part.replace(self._path(url))
            self._shrink()
        except OSError as error:
            log.info("cache: %s can't be written: %s", self.folder, error)
            if part is not None:
                with contextlib.suppress(OSError):  # a cache is never worth a run
                    part.unlink()

    def _path(self, url: str) -> Path:
        return self.folder / f"{hashlib.sha256(url.encode('utf-8', 'replace')).hexdigest()}{SUFFIX}"

    def _shrink(self) -> None:
        """Remove the files used longest ago until the rest fits; another run may be removing them too."""
        files: list[tuple[float, int, Path]] = []
        for path in self.folder.glob(f"*{SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):  # another run tidied it up
                state = path.stat()
                files.append((state.st_mtime, state.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self.max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size


def _header(value: object) -> str | None:
    """A validator that can stand in a request, or None."""
    return value if isinstance(value, str) and value.isascii() and value.isprintable() else None
