"""One run of a job at a time, whichever process, scheduler or hand starts it.

The system's file lock decides: it ends with its process, so a killed run stands in nobody's way. Beside it lies a
note of who holds it, for the second start's message; a note without a lock is what a killed run left and counts for
nothing. A store in object storage is locked on each machine for itself.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shlex
import socket
import sys
import time as clock
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from depin_compare.errors import JobBusyError

if TYPE_CHECKING:
    from depin_compare.market.store import Store

__all__ = ["Holder", "holder_of", "job_lock"]

log = logging.getLogger(__name__)

_NOTE_SECONDS = 1.0
# Who asks by `holder_of` has the lock for a moment: a run that starts in it must not be turned away.
_GLANCE_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who runs a job, and since when."""

    pid: int
    host: str
    since: str
    command: str

    @classmethod
    def this_process(cls, now: datetime) -> Holder:
        """The process that asks."""
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        return cls(
            pid=os.getpid(), host=socket.gethostname(), since=now.astimezone(UTC).isoformat("T", "seconds"),
            command=command,
        )  # fmt: skip

    @property
    def may_live(self) -> bool:
        """Whether the process may still be there; False only where this machine knows that it is not."""
        if self.host != socket.gethostname() or sys.platform == "win32":  # there, asking a process ends it
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:  # another user's
            return True
        return True

    def __str__(self) -> str:
        since = datetime.fromisoformat(self.since)
        return f"pid {self.pid} on host {self.host} since {since:%Y-%m-%d %H:%M} UTC"


@contextlib.contextmanager
def job_lock(job: str, store: Store, *, now: datetime) -> Iterator[None]:
    """Hold the lock of a job; where the folder can't be written there is none, and a warning says so.

    Raises
    ------
    JobBusyError
        If another run of the job holds it; the message says who, and since when.
    """
    lock, note = _lock(job, store), _note_path(job, store)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_GLANCE_SECONDS, poll_interval=_GLANCE_SECONDS / 10)
        log.debug("job %s: lock taken", job, extra={"job": job})
    except filelock.Timeout as error:
        holder = _told(note)
        log.info("job %s: lock refused, %s holds it", job, holder, extra={"job": job, "holder": holder})
        raise JobBusyError(job, holder) from error
    except OSError as error:
        # Such a store can't be changed by a second run either.
        log.warning("job %s: no lock (%s: %s); see that nothing else runs it", job, note.parent, error.strerror)
        yield
        return
    try:
        for left in note.parent.glob(f".{note.name}.*.part"):  # by runs that were killed while they wrote it
            with contextlib.suppress(OSError):  # another run may take it away first
                left.unlink()
        with contextlib.suppress(OSError):  # who holds it is a courtesy: a full disk must not end the run here
            part = note.with_name(f".{note.name}.{uuid.uuid4().hex}.part")
            part.write_text(json.dumps(asdict(Holder.this_process(now))), "utf-8")
            part.replace(note)
        yield
    finally:
        with contextlib.suppress(OSError):  # a note left behind is known by its process being gone
            note.unlink(missing_ok=True)
        lock.release()


def holder_of(job: str, store: Store) -> str | None:
    """Who runs a job right now, in words; None if nobody does."""
    lock, note = _lock(job, store), _note_path(job, store)
    if not note.parent.is_dir():
        return None
    try:
        with lock:
            return None
    except filelock.Timeout:
        return _told(note)
    except OSError:
        return None


def _lock(job: str, store: Store) -> filelock.BaseFileLock:
    # A scheduler asks from several threads: the lock must be one thing in all of them.
    return filelock.FileLock(_folder(store) / f"{job}.lock", timeout=0, thread_local=False)


def _folder(store: Store) -> Path:
    return store.working_folder / "locks" / "jobs"


def _note_path(job: str, store: Store) -> Path:
    return _folder(store) / f"{job}.holder.json"


def _told(note: Path) -> str:
    """Who holds the lock. Its note comes a moment after it, and until then the one of a killed run may lie there."""
    end = clock.monotonic() + _NOTE_SECONDS
    while True:
        with contextlib.suppress(OSError, ValueError, TypeError):  # not written yet, or by another version
            holder = Holder(**json.loads(note.read_text("utf-8")))
            if holder.may_live:
                return str(holder)
        if clock.monotonic() >= end:
            return "another process that has not said its name"
        clock.sleep(_NOTE_SECONDS / 50)
