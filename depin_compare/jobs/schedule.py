"""The process that waits for slots and runs what is due.

What is due is decided by `depin_compare.jobs.slots.due` alone. APScheduler only wakes the process up in time; nothing
is lost when it wakes up late, twice or not at all, and a second process that watches the same job does no harm: the
run itself, under the job's lock, has the last word.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from depin_compare.errors import JobBusyError, StoreError
from depin_compare.jobs.config import JobConfig
from depin_compare.jobs.crontab import cron_trigger
from depin_compare.jobs.lock import holder_of
from depin_compare.jobs.logs import environment
from depin_compare.jobs.outcome import read_state
from depin_compare.jobs.runner import settle, worst_code
from depin_compare.jobs.slots import MOST_ATTEMPTS, Decision, due, next_slot, trusted
from depin_compare.jobs.stop import Stopped, stoppable

if TYPE_CHECKING:
    from apscheduler.executors.base import BaseExecutor
    from apscheduler.schedulers.blocking import BlockingScheduler

    from depin_compare.market.store import Store

__all__ = ["Dispatcher", "Launcher", "Subprocesses", "scheduler", "watch"]

log = logging.getLogger(__name__)

# How late a slot is seen after sleep or a step of the clock, neither of which ends a wait; and how often a busy job is
# asked for.
HEARTBEAT_SECONDS = 30.0


class Launcher(Protocol):
    """Runs a slot of a job to its end, and can be asked to end it early."""

    def __call__(self, job: JobConfig, slot: datetime) -> int:
        """Run; the exit code."""

    def stop(self) -> None:
        """Ask what is running to end, and start nothing more."""


class Subprocesses:
    """Each run is a process of its own: its crash or its leak costs nothing else.

    Parameters
    ----------
    config : Path or None
        The job file.
    store : str
        The store's place.
    """

    def __init__(self, config: Path | None, store: str) -> None:
        self.config, self.store = config, store
        self._children: set[subprocess.Popen[bytes]] = set()
        self._guard = threading.Lock()
        self._stopping = False

    def command(self, job: JobConfig, slot: datetime) -> list[str]:
        """The command line of a run."""
        named = ["--config", str(self.config), "--job", job.name] if self.config is not None else []
        # -P: what lies in the working folder must not stand in for a package.
        return [
            sys.executable, "-P", "-m", "depin_compare.cli", "run", *named, "--store", self.store,
            "--slot", slot.astimezone(UTC).isoformat(),
        ]  # fmt: skip

    def __call__(self, job: JobConfig, slot: datetime) -> int:
        """Start it in a session of its own, so that the terminal's Ctrl-C reaches it through us alone; wait."""
        with self._guard:
            if self._stopping:
                return -1
            child = subprocess.Popen(
                self.command(job, slot),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, **environment()},
            )
            self._children.add(child)
        log.info("job %s: slot %s begun, pid %d", job.name, _utc(slot), child.pid)
        try:
            return child.wait()
        finally:
            with self._guard:
                self._children.discard(child)

    def stop(self) -> None:
        """SIGTERM to every run; each ends its own way."""
        with self._guard:
            self._stopping = True
            for child in self._children:
                child.terminate()


class Dispatcher:
    """Runs what is due, one run of a job at a time, and keeps account of every slot.

    Parameters
    ----------
    jobs : mapping
        Jobs with a schedule, by name.
    store : Store
        Where the account is kept.
    launch : Launcher
        How a slot is run.
    clock : callable
        What time it is, in UTC.
    """

    def __init__(
        self,
        jobs: Mapping[str, JobConfig],
        *,
        store: Store,
        launch: Launcher,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.jobs = dict(jobs)
        self.store, self.launch, self.clock = store, launch, clock
        self.stopping = threading.Event()
        self.running: set[str] = set()
        # What is known without asking the store, and all there is while it can't be written.
        self._accounted: dict[str, datetime] = {}
        self._busy: dict[str, str] = {}

    def fire(self, name: str) -> int:
        """Run what is due of a job, until nothing is: a slot that passes in the course of a run follows it.

        Returns
        -------
        int
            That of the worst run, as `depin_compare.jobs.runner.worst_code` has it.
        """
        self.running.add(name)
        codes: list[int] = []
        try:
            while not self.stopping.is_set():
                code = self._fire_once(self.jobs[name])
                if code is None:
                    break
                codes.append(code)
        finally:
            self.running.discard(name)
        return worst_code(codes)

    def overdue(self) -> list[str]:
        """Jobs that have something to do and don't do it, by what is known without asking the store."""
        now = self.clock()
        found = []
        for name, job in self.jobs.items():
            if name in self.running or name not in self._accounted:
                continue
            decision = due(job, self._accounted[name], now)
            if decision.slot is not None or decision.missed:
                found.append(name)
        return found

    def stop(self) -> None:
        """Start nothing more, and ask what is running to end."""
        self.stopping.set()
        self.launch.stop()

    def _fire_once(self, job: JobConfig) -> int | None:
        """One decision carried out: the exit code of its run, None if there was nothing to run."""
        now = self.clock()
        decision = self._decision(job, now)
        if decision.slot is None:
            self._account(job, decision.missed, now)
            return None
        if (holder := holder_of(job.name, self.store)) is not None:
            self._wait(job, holder, decision.slot)
            return None
        late = now - decision.slot
        if decision.again or late > timedelta(minutes=1):
            why = "taken up again, it was cut off" if decision.again else f"made good, {_span(late)} late"
            log.info("job %s: slot %s %s", job.name, _utc(decision.slot), why)
        code = self.launch(job, decision.slot)
        return self._settle(job, decision.slot, code)

    def _decision(self, job: JobConfig, now: datetime) -> Decision:
        known = self._accounted.get(job.name)
        try:
            state = read_state(self.store, job.name)
        except StoreError as error:
            log.error("job %s: %s; going by what this process knows", job.name, error)
            return due(job, known, now)
        believed = (trusted(state.accounted_until, now), trusted(known, now))
        last = max((moment for moment in believed if moment is not None), default=None)
        cut_off = not state.last_slot_done and state.last_slot == last and state.last_slot_attempts < MOST_ATTEMPTS
        return due(job, last, now, cut_off=cut_off)

    def _account(self, job: JobConfig, missed: Sequence[datetime], now: datetime) -> None:
        """Nothing to run: note the slots that stay without a run, or since when the job is watched."""
        known = trusted(self._accounted.get(job.name), now)
        if not missed and known is not None:
            return
        try:
            settle(job, store=self.store, now=now, missed=missed)
        except JobBusyError as error:
            self._wait(job, error.holder, missed[0] if missed else None)
            return
        self._accounted[job.name] = missed[-1] if missed else now

    def _settle(self, job: JobConfig, slot: datetime, code: int) -> int | None:
        """After a run: the books say how it ended, or its process died and we say it; None ends the round."""
        now = self.clock()
        if self.stopping.is_set():
            log.info("job %s: slot %s stopped, %s", job.name, _utc(slot), _ending(code))
            return None
        try:
            state = read_state(self.store, job.name)
            told = state.last_slot is not None and state.last_slot >= slot and state.last_slot_done
        except StoreError:  # told when it was read before
            told = code in (0, 3, 4)
        if not told and code not in (0, 3, 4):
            try:
                settle(job, store=self.store, now=now, slot=slot, code=code, detail=_death(code))
            except JobBusyError as error:
                self._wait(job, error.holder, slot)
                return None
        self._accounted[job.name] = slot
        self._busy.pop(job.name, None)
        level = logging.INFO if code in (0, 3, 4) else logging.ERROR
        log.log(level, "job %s: slot %s ended, %s; next %s", job.name, _utc(slot), _ending(code), _both(job, now))
        return code

    def _wait(self, job: JobConfig, holder: str, slot: datetime | None) -> None:
        """Somebody else runs it: told once, asked again at the next heartbeat."""
        if slot is not None and job.name not in self._accounted:
            # Known to the heartbeat as due.
            self._accounted[job.name] = slot - timedelta(microseconds=1)
        if self._busy.get(job.name) != holder:
            self._busy[job.name] = holder
            log.warning("job %s is running: %s; waiting for it", job.name, holder)


def scheduler(dispatcher: Dispatcher, *, executor: BaseExecutor | None = None) -> BlockingScheduler:
    """APScheduler, set to call the dispatcher at every slot of every job.

    A slot that comes late is not APScheduler's to drop (no limit of its own): `due` weighs it against the schedule's
    grace and tells it if it is missed.
    """
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.blocking import BlockingScheduler

    made = BlockingScheduler(
        timezone=UTC,
        executors={"default": executor or ThreadPoolExecutor(max(1, len(dispatcher.jobs)))},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for name, job in dispatcher.jobs.items():
        assert job.schedule is not None
        # The first call at once: what was missed while nobody watched is made good.
        made.add_job(
            dispatcher.fire,
            cron_trigger(job.schedule.cron, job.schedule.time_zone),
            args=[name],
            id=name,
            name=name,
            next_run_time=dispatcher.clock(),
        )
    return made


def watch(dispatcher: Dispatcher) -> Stopped:
    """Run jobs on their schedule until the process is asked to end; then wait for what is running.

    Returns
    -------
    Stopped
        What ended it.
    """
    from apscheduler.events import EVENT_SCHEDULER_STARTED

    made, ended = scheduler(dispatcher), threading.Event()

    def beat() -> None:
        # Neither a suspended machine nor a clock that was set ends a wait: what they passed over is looked for here.
        while not ended.wait(HEARTBEAT_SECONDS):
            for name in dispatcher.overdue():
                made.modify_job(name, next_run_time=dispatcher.clock())

    heart = threading.Thread(target=beat, name="heartbeat", daemon=True)
    try:
        with stoppable():
            made.add_listener(lambda _: heart.start(), EVENT_SCHEDULER_STARTED)
            made.start()
    except Stopped as stop:
        ended.set()
        log.info("%s; waiting for what is running", stop)
        dispatcher.stop()
        made.shutdown(wait=True)
        return stop
    raise AssertionError("the scheduler ended by itself")


def _death(code: int) -> str:
    return f"its process {_ending(code)} and told no outcome"


def _ending(code: int) -> str:
    import signal

    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _both(job: JobConfig, now: datetime) -> str:
    slot = next_slot(job, now)
    return f"{slot:%Y-%m-%d %H:%M %Z} ({slot.astimezone(UTC):%H:%M} UTC)"


def _utc(slot: datetime) -> str:
    return f"{slot.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _span(late: timedelta) -> str:
    minutes = int(late.total_seconds() // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    return " ".join(f"{n} {unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if n)
