"""Where a store lies: a local folder, or object storage by URL. Files appear whole or not at all in both."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from depin_compare.errors import StoreError

__all__ = ["URL_SCHEMES", "Entry", "LocalPlace", "ObjectPlace", "Place", "place_of"]

# What polars reads and writes by URL (its object_store crate), which obstore shares.
URL_SCHEMES = ("s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss", "adl")
_PART = ".part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of a place: its path inside it, its size in bytes, and when it was last written by the place's clock."""

    path: str
    size: int
    modified: datetime

    @property
    def is_part(self) -> bool:
        """Whether it is the beginning of a file that was never finished."""
        name = self.path.rsplit("/", 1)[-1]
        return name.startswith(".") and name.endswith(_PART)


class Place(Protocol):
    """Files by their path inside the place, with ``/`` between its parts."""

    @property
    def name(self) -> str:
        """How messages speak of it."""

    def read(self, path: str) -> bytes:
        """The bytes of a file; FileNotFoundError where there is none, another OSError where it can't be read."""

    def write(self, path: str, body: bytes, *, overwrite: bool = False) -> None:
        """Write a file whole or not at all; FileExistsError where there is one and it may not be replaced."""

    def delete(self, path: str) -> None:
        """Remove a file; none is fine."""

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Every file below a folder, in no order; unfinished ones too."""

    def scan_source(self, path: str) -> str:
        """What `polars.scan_parquet` takes for the file."""

    def folder(self) -> Path | None:
        """The folder on this machine, if it is one."""


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A folder on this machine; made when something is first written."""

    root: Path

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.root)

    def read(self, path: str) -> bytes:
        """The bytes of a file."""
        return (self.root / path).read_bytes()

    def write(self, path: str, body: bytes, *, overwrite: bool = False) -> None:
        """Through a hidden file beside it that gets its name when all bytes have reached the disk."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{uuid.uuid4().hex}{_PART}")
        try:
            with part.open("xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            if overwrite:
                part.replace(target)
            else:
                self._take_name(part, target)
        finally:
            part.unlink(missing_ok=True)
        self._keep_names(target.parent)

    @staticmethod
    def _take_name(part: Path, target: Path) -> None:
        """Give the file its name only if nobody has it: a hard link fails where one stands, a rename would not."""
        try:
            target.hardlink_to(part)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if target.exists():
                raise FileExistsError(str(target)) from None
            part.replace(target)

    @staticmethod
    def _keep_names(folder: Path) -> None:
        """Bring the folder's list of names to the disk, where the system lets a folder be opened."""
        with contextlib.suppress(OSError):  # Windows, some network disks: they can't
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def delete(self, path: str) -> None:
        """Remove a file, and the folders it leaves empty."""
        target = self.root / path
        target.unlink(missing_ok=True)
        for folder in target.parents:
            if folder == self.root or not folder.is_relative_to(self.root):
                break
            try:
                folder.rmdir()
            except OSError:  # not empty, or gone already
                break

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Every file below a folder."""
        for folder, _, names in os.walk(self.root / prefix):
            for name in names:
                path = Path(folder) / name
                try:
                    seen = path.stat()
                except OSError:  # gone since the folder was listed
                    continue
                yield Entry(
                    path=path.relative_to(self.root).as_posix(),
                    size=seen.st_size,
                    modified=datetime.fromtimestamp(seen.st_mtime, UTC),
                )

    def scan_source(self, path: str) -> str:
        """The file itself."""
        return str(self.root / path)

    def folder(self) -> Path | None:
        """The folder itself."""
        return self.root


@dataclass(frozen=True, slots=True)
class ObjectPlace:
    """A bucket, or a prefix in one; credentials and endpoint come from the environment, as for the cloud's tools."""

    url: str
    _objects: Any

    @property
    def name(self) -> str:
        """The URL."""
        return self.url

    def read(self, path: str) -> bytes:
        """The bytes of an object."""
        with _told(self.url, path):
            return bytes(self._objects.get(path).bytes())

    def write(self, path: str, body: bytes, *, overwrite: bool = False) -> None:
        """One object: storage shows it when all of it has arrived."""
        with _told(self.url, path):
            self._objects.put(path, body, mode="overwrite" if overwrite else "create")

    def delete(self, path: str) -> None:
        """Remove an object."""
        with contextlib.suppress(FileNotFoundError), _told(self.url, path):  # gone is what was asked for
            self._objects.delete(path)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Every object below a prefix."""
        with _told(self.url, prefix):
            for batch in self._objects.list(prefix or None):
                for one in batch:
                    yield Entry(path=str(one["path"]), size=int(one["size"]), modified=one["last_modified"])

    def scan_source(self, path: str) -> str:
        """The object's URL."""
        return f"{self.url}/{path}"

    def folder(self) -> Path | None:
        """None: it lies elsewhere."""
        return None


@contextlib.contextmanager
def _told(url: str, path: str) -> Iterator[None]:
    """What object storage answers, as the errors of files: the first line says what, the rest is its debug print."""
    from obstore.exceptions import AlreadyExistsError, BaseError

    where = f"{url}/{path}"
    try:
        yield
    except AlreadyExistsError as error:
        raise FileExistsError(where) from error
    except FileNotFoundError as error:
        raise FileNotFoundError(where) from error
    except (BaseError, PermissionError) as error:
        raise OSError(f"{where}: {str(error).splitlines()[0]}") from error


def place_of(location: str | os.PathLike[str]) -> Place:
    """The place a ``--store`` names: a folder, a ``file://`` address, or a URL of object storage.

    Raises
    ------
    StoreError
        If the URL is of no kind known here.

    Examples
    --------
    >>> place_of("history").name
    'history'
    """
    text = os.fspath(location)
    scheme, separator, _ = text.partition("://")
    if not separator:
        return LocalPlace(Path(text))
    if scheme == "file":
        return LocalPlace(Path(unquote(urlsplit(text).path)))
    if scheme not in URL_SCHEMES:
        known = ", ".join(f"{s}://" for s in ("s3", "gs", "az"))
        raise StoreError(f"{scheme}://: no place to store; name a folder or one of {known}")
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    url = text.rstrip("/")
    try:
        return ObjectPlace(url, from_url(url))
    except (BaseError, ValueError) as error:
        raise StoreError(f"{url}: {str(error).splitlines()[0]}; write it like s3://bucket/folder") from error
