"""One run of a job, whole, by hand or by a schedule: lock, repair, collect, store, analyse, report, tell."""

from __future__ import annotations

import logging
import time as clock
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depin_compare.errors import ConfigError, DepinCompareError, StoreError, UnknownNameError
from depin_compare.jobs.config import JobConfig
from depin_compare.jobs.lock import job_lock
from depin_compare.jobs.logs import struck
from depin_compare.jobs.outcome import JobOutcome, JobState, Kind, clear_parts, read_state, write_state
from depin_compare.jobs.run import analysis_of, asked, gathered, stored
from depin_compare.jobs.slots import slots_between, trusted
from depin_compare.jobs.sources import is_stale
from depin_compare.jobs.stop import Stopped

if TYPE_CHECKING:
    from depin_compare.analysis import Analysis
    from depin_compare.market.store import Store
    from fetchers import Collection, Progress
    from reports.since import Since

__all__ = [
    "FAIL_ON", "JobRun", "exit_code", "on_outcome", "run_job", "settle", "since_last", "worst_code", "write_job_report",
]  # fmt: skip

log = logging.getLogger(__name__)

OK, ERROR, USAGE, THRESHOLD, STALE = 0, 1, 2, 3, 4
FAIL_ON = ("stale", "partial", "eroded", "exposed", "threshold")
_WORST_FIRST = (ERROR, USAGE, THRESHOLD, STALE, OK)
_KINDS: dict[int, Kind] = {OK: "ok", THRESHOLD: "threshold", STALE: "stale"}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """A run that came to its end: outcome, analysis, files of the report, and what changed since the last one."""

    outcome: JobOutcome
    analysis: Analysis | None = None
    written: Sequence[Path] = ()
    since: Since | None = None


def run_job(
    job: JobConfig,
    *,
    store: Store,
    now: datetime,
    out: Path | None = None,
    slot: datetime | None = None,
    fail_on: Sequence[str] = (),
    record: Path | None = None,
    progress: Progress | None = None,
    max_age_days: float | None = None,
    before: Analysis | None = None,
) -> JobRun:
    """Run a job once.

    Parameters
    ----------
    job : JobConfig
    store : Store
        Whose snapshots stand in for silent sources, and where this collect goes.
    now : datetime
        When it is, with its time zone. The report stands for its day in UTC.
    out : Path, optional
        Folder of the report; else the one the job names.
    slot : datetime, optional
        The slot of the schedule this run stands for. If the store says that it was run already, nothing is done;
        slots between the last one and this are told as missed.
    fail_on : sequence of {"stale", "partial", "eroded", "exposed", "threshold"}
        What makes the exit code 4 or 3 rather than 0.
    record : Path, optional
        Keep every answer in this folder.
    progress : callable, optional
        Called as each source ends.
    max_age_days : float, optional
        Beyond it a number leaves the verdict, whatever the limit of its source.
    before : Analysis, optional
        What the report says changed since; default: the one that lies where it goes.

    Returns
    -------
    JobRun
        Its outcome is ``ok``, ``threshold``, ``stale`` or ``done_before``; ``failed`` where the report was made but
        the collect could not be stored.

    Raises
    ------
    JobBusyError
        If another process runs the job. Nothing is done then.
    DepinCompareError, OSError
        If the run failed; the store remembers it as failed, and it was told.
    Stopped
        If the process was asked to end; the store remembers that, and the next start takes the slot up again.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    with job_lock(job.name, store, now=now):
        books = _Books(job, store, now, slot)
        if books.done_before:
            return JobRun(outcome=books.outcome("done_before", exit_code=OK, detail=f"slot {_told(slot)} has been run"))
        books.begin()
        try:
            _repaired(store)
            collection = asked(job, now=now, store=store, record=record, progress=progress)
            unstored = _unstored(job, collection, now, store)
            # Runs of one day with the same inputs give the same bytes: a run stands for its day, not its second.
            as_of = datetime.combine(now.date(), time(), tzinfo=UTC)
            inputs = gathered(job, as_of=as_of, store=store, collection=collection, max_age_days=max_age_days)
            analysis = analysis_of(job, inputs)
            since = since_last(job, analysis, out, before=before)
            written = write_job_report(job, analysis, out, since=since)
            _thinned(job, store, now)
        except Stopped as stop:
            books.close("stopped", exit_code=stop.exit_code, detail=str(stop))
            raise
        except Exception as error:  # raised again: the store must know how the run ended
            code = USAGE if isinstance(error, ConfigError | UnknownNameError) else ERROR
            expected = isinstance(error, DepinCompareError | OSError)
            # It goes into the store, past the log's own striking.
            detail = struck(str(error) if expected else f"{type(error).__name__}: {error}")
            on_outcome(job, books.close("failed", exit_code=code, detail=detail), None, store)
            raise
        from depin_compare.jobs.alerts import is_crossed

        if unstored is not None:
            # The report stands, but a store that stays empty for months must not look like a run that went well.
            outcome = books.close("failed", exit_code=ERROR, detail=f"nothing was stored: {unstored}")
        else:
            code = exit_code(analysis, fail_on, crossed=lambda: is_crossed(job, analysis, store))
            outcome = books.close(_KINDS[code], exit_code=code, report=out or job.outputs.out)
        on_outcome(job, outcome, analysis, store)
        return JobRun(outcome=outcome, analysis=analysis, written=written, since=since)


def _unstored(job: JobConfig, collection: Collection, now: datetime, store: Store) -> StoreError | None:
    try:
        stored(job, collection, now=now, store=store)
    except StoreError as error:
        log.error("%s", error)
        return error
    return None


def settle(
    job: JobConfig,
    *,
    store: Store,
    now: datetime,
    slot: datetime | None = None,
    missed: Sequence[datetime] = (),
    code: int | None = None,
    detail: str | None = None,
) -> None:
    """Record and tell what has no run to do it: slots that passed, and a process that died with a slot.

    Parameters
    ----------
    slot : datetime, optional
        The slot whose process died without a word; ``code`` is its exit code, ``detail`` what is known.
    missed : sequence of datetime, optional
        Slots that were not run and will not be. Without these and without ``slot`` it is noted since when the job is
        watched.

    Raises
    ------
    JobBusyError
        If a run of the job is under way: it keeps the books itself.
    """
    with job_lock(job.name, store, now=now):
        books = _Books(job, store, now, slot)
        if missed:
            on_outcome(job, books.missed((*books.cut_off(), *missed)), None, store)
        if slot is not None and not books.done_before:
            books.begin()
            on_outcome(job, books.close("failed", exit_code=code, detail=detail), None, store)
        elif slot is None and not missed and trusted(books.state.accounted_until, now) is None:
            books.keep(watched_since=now, last_slot=None, last_slot_done=True)


def on_outcome(job: JobConfig, outcome: JobOutcome, analysis: Analysis | None, store: Store) -> None:
    """Tell those who want to know of it. A message that can't be sent costs the run nothing."""
    from depin_compare.jobs.alerts import after_run

    try:
        after_run(job, outcome, analysis, store)
    except (DepinCompareError, OSError) as error:
        log.error("job %s: %s", job.name, error)


def exit_code(analysis: Analysis, fail_on: Sequence[str], *, crossed: Callable[[], bool]) -> int:
    """What a run exits with, by what the user wants to be told of; ``crossed`` says if a threshold of its alerts is."""
    import polars as pl

    states = analysis.source_states
    told = set(states["state"].cast(pl.String))
    verdicts = set(analysis.outlook["verdict"].cast(pl.String))
    stale = is_stale(states)
    if "threshold" in fail_on and crossed():
        return THRESHOLD
    if ("eroded" in fail_on and "eroded" in verdicts) or ("exposed" in fail_on and verdicts & {"exposed", "eroded"}):
        return THRESHOLD
    if ("stale" in fail_on and stale) or ("partial" in fail_on and (stale or "partial" in told)):
        return STALE
    return OK


def worst_code(codes: Iterable[int]) -> int:
    """The exit code of several runs: that of the worst one; 0 if there was none.

    A code that no run gives of itself (a signal ended it) counts as an error.

    Examples
    --------
    >>> worst_code([0, 4, 3]), worst_code([3, 1, 4]), worst_code([4, -9]), worst_code([])
    (3, 1, 1, 0)
    """
    told = [code if code in _WORST_FIRST else ERROR for code in codes]
    return min(told, key=_WORST_FIRST.index, default=OK)


class _Books:
    """What the store remembers of a job, kept while its lock is held."""

    def __init__(self, job: JobConfig, store: Store, now: datetime, slot: datetime | None) -> None:
        self.job, self.store, self.now, self.slot = job, store, now, slot
        self.begun = clock.monotonic()
        self.passed: tuple[datetime, ...] = ()
        try:
            self.state = read_state(store, job.name)
        except StoreError as error:
            log.error("%s", error)
            self.state = JobState(job=job.name)

    @property
    def done_before(self) -> bool:
        """Whether the slot was run to its end: by another scheduler, or before the clock was set back."""
        last = trusted(self.state.last_slot, self.now)
        if self.slot is None or last is None:
            return False
        return last > self.slot or (last == self.slot and self.state.last_slot_done)

    def begin(self) -> None:
        clear_parts(self.store, self.job.name)
        if self.slot is not None:
            between = slots_between(self.job, trusted(self.state.accounted_until, self.now), self.slot)
            if passed := (*self.cut_off(), *between):
                self.missed(passed)
            again = self.state.last_slot == self.slot
            self.state = self.state.model_copy(
                update={
                    "last_slot": self.slot,
                    "last_slot_done": False,
                    "last_slot_attempts": self.state.last_slot_attempts + 1 if again else 1,
                }
            )
        self.keep(last_started_at=self.now, last_outcome="running", last_exit_code=None, last_detail=None)

    def cut_off(self) -> tuple[datetime, ...]:
        """The last slot, if its run was cut off and nothing will take it up again now."""
        last = trusted(self.state.last_slot, self.now)
        return () if last is None or last == self.slot or self.state.last_slot_done else (last,)

    def missed(self, slots: Sequence[datetime]) -> JobOutcome:
        """Slots that had no run are counted; if a run follows, its outcome has them too."""
        count = len(slots)
        which = (
            f"{count} slots from {_told(slots[0])} to {_told(slots[-1])}" if count > 1 else f"slot {_told(slots[0])}"
        )
        detail = f"{which} passed without a run"
        self.keep(
            last_slot=slots[-1], last_slot_done=True, last_slot_attempts=0, last_missed_at=slots[-1],
            missed_slots=self.state.missed_slots + count,
        )  # fmt: skip
        log.warning("job %s: %s", self.job.name, detail)
        self.passed = tuple(slots)
        return self.outcome("missed", detail=detail)

    def close(self, kind: Kind, **told: Any) -> JobOutcome:
        """Remember how it ended."""
        outcome = self.outcome(kind, **told)
        changes: dict[str, Any] = {"last_slot_done": True} if self.slot is not None and kind != "stopped" else {}
        if kind in _KINDS.values():
            changes["last_success_at"] = outcome.finished_at
        self.keep(
            last_finished_at=outcome.finished_at,
            last_outcome=kind,
            last_exit_code=outcome.exit_code,
            last_detail=outcome.detail,
            **changes,
        )
        return outcome

    def outcome(self, kind: Kind, **told: Any) -> JobOutcome:
        # By the monotonic clock: the other one may be set in the course of a run.
        finished = self.now + timedelta(seconds=round(clock.monotonic() - self.begun))
        return JobOutcome(
            job=self.job.name,
            kind=kind,
            started_at=self.now,
            finished_at=finished,
            slot=self.slot,
            missed=self.passed,
            **told,
        )

    def keep(self, **changes: Any) -> None:
        """Change the books; a store that can't be written is told and costs the run nothing."""
        self.state = self.state.model_copy(update=changes)
        try:
            write_state(self.store, self.state)
        except StoreError as error:
            log.error("job %s: %s", self.job.name, error)


def _repaired(store: Store) -> None:
    """What killed runs left in the store is cleared away; a store that can't be written is told, and used as it is."""
    from depin_compare.market.upkeep import repair

    try:
        for line in repair(store):
            log.warning("store: %s", line)
    except StoreError as error:
        log.error("%s", error)


def _thinned(job: JobConfig, store: Store, now: datetime) -> None:
    """What the job's retention does not keep is removed; what could not be is told, and the next run tries again."""
    if job.retention is None:
        return
    import polars as pl

    from depin_compare.market.retention import Retention
    from depin_compare.market.thinning import prune

    try:
        done = prune(store, Retention(**job.retention.model_dump()), now=now, job=job.name)
    except StoreError as error:
        log.error("%s", error)
        return
    for snapshot, reason in done.filter(pl.col("state") == "failed").select("snapshot", "reason").iter_rows():
        log.error("store: %s could not be removed: %s", snapshot, reason)
    if gone := done.filter(pl.col("state") == "removed").height:
        log.info("store: %d snapshots removed by the retention of job %s", gone, job.name)


def since_last(job: JobConfig, analysis: Analysis, out: Path | None = None, *, before: Analysis | None) -> Since | None:
    """What changed since ``before``, else since the report that lies where this one goes."""
    from reports.since import since_analysis, since_folder

    return since_folder(out or job.outputs.out, analysis) if before is None else since_analysis(before, analysis)


def write_job_report(
    job: JobConfig, analysis: Analysis, out: Path | None = None, *, since: Since | None = None, card: bool | None = None
) -> list[Path]:
    """The report of an analysis as the job wants it; the files written."""
    from reports.writer import DEFAULT_FORMATS, write_report

    asked = job.outputs
    return write_report(
        analysis,
        out or asked.out,
        formats=asked.formats or DEFAULT_FORMATS,
        paper=asked.paper,
        sections=asked.sections,
        png_width=asked.png_width,
        dpi=asked.dpi,
        since=since,
        card=card,
    )


def _told(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else "of no schedule"
