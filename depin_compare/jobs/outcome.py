"""How a job fared: the outcome of one run, and what the store remembers of the last."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from depin_compare.errors import StoreError

if TYPE_CHECKING:
    from depin_compare.market.store import Store

__all__ = ["JobOutcome", "JobState", "Kind", "clear_parts", "read_state", "write_state"]

log = logging.getLogger(__name__)

FOLDER = "jobs"
Kind = Literal["running", "ok", "threshold", "stale", "failed", "stopped", "missed", "done_before"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """What became of a run, or of slots that had none.

    Parameters
    ----------
    job : str
        Name of the job.
    kind : str
        ``ok``; ``threshold`` and ``stale`` for what ``--fail-on`` asks for; ``failed``; ``stopped`` on request;
        ``missed`` (slots passed, and no run makes them good); ``done_before`` (another process ran the
        slot already).
    started_at, finished_at : datetime
        In UTC.
    exit_code : int or None
        Of the command line; None for missed slots, which had no process.
    slot : datetime or None
        The slot of the schedule it stands for, in UTC; None for a run by hand.
    missed : tuple of datetime
        Slots that passed without a run, oldest first, in UTC; a run that follows them carries them too.
    detail : str or None
        The error's message, or what else there is to say.
    report : Path or None
        Where the report was written.
    """

    job: str
    kind: Kind
    started_at: datetime
    finished_at: datetime
    exit_code: int | None = None
    slot: datetime | None = None
    missed: tuple[datetime, ...] = ()
    detail: str | None = None
    report: Path | None = None


class JobState(BaseModel):
    """``STORE/jobs/NAME.json``: what the next run and the scheduler need to know of the last.

    ``last_slot`` is the newest slot that was run or told as missed: none up to it comes up again, save one that was
    cut off (``last_slot_done`` is false).
    """

    model_config = ConfigDict(frozen=True)

    job: str
    watched_since: AwareDatetime | None = None
    last_slot: AwareDatetime | None = None
    last_slot_done: bool = True
    last_slot_attempts: int = 0
    last_started_at: AwareDatetime | None = None
    last_finished_at: AwareDatetime | None = None
    last_success_at: AwareDatetime | None = None
    last_outcome: Kind | None = None
    last_exit_code: int | None = None
    last_detail: str | None = None
    last_missed_at: AwareDatetime | None = None
    missed_slots: int = 0

    @property
    def accounted_until(self) -> datetime | None:
        """The moment up to which every slot is accounted for; None if nothing is known."""
        return self.last_slot or self.watched_since


def read_state(store: Store, job: str) -> JobState:
    """What the store remembers of a job; a file that can't be understood is told and starts anew.

    Raises
    ------
    StoreError
        If the store can't be reached.
    """
    path = _path(job)
    try:
        return JobState.model_validate_json(store.place.read(path))
    except FileNotFoundError:
        return JobState(job=job)
    except ValidationError as error:
        log.warning("%s/%s: not a job's state, begun anew: %s", store.place.name, path, error.errors()[0]["msg"])
        return JobState(job=job)
    except OSError as error:
        raise StoreError(f"{store.place.name}/{path}: can't be read ({error})") from error


def write_state(store: Store, state: JobState) -> None:
    """Replace what the store remembers, whole or not at all.

    Raises
    ------
    StoreError
        If the store can't be written.
    """
    path = _path(state.job)
    try:
        store.place.write(path, state.model_dump_json(indent=1).encode() + b"\n", overwrite=True)
    except OSError as error:
        raise StoreError(f"{store.place.name}/{path}: can't be written ({error})") from error


def clear_parts(store: Store, job: str) -> None:
    """Remove what runs of this job that were killed while they wrote their state left behind; needs its lock."""
    try:
        for entry in store.place.list(FOLDER):
            if entry.is_part and entry.path.startswith(f"{FOLDER}/.{job}."):
                store.place.delete(entry.path)
    except OSError as error:
        log.warning("%s: %s can't be cleared (%s)", store.place.name, FOLDER, error)


def _path(job: str) -> str:
    return f"{FOLDER}/{job}.json"
