"""The process that waits for slots: APScheduler stepped by hand through a year, and the dispatcher around its runs."""

import logging
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.base import BaseScheduler

from depin_compare.jobs import runner
from depin_compare.jobs.config import JobConfig, ScheduleConfig
from depin_compare.jobs.lock import job_lock
from depin_compare.jobs.outcome import JobState, read_state, write_state
from depin_compare.jobs.schedule import Dispatcher, Subprocesses, scheduler
from depin_compare.market.places import Entry
from depin_compare.market.store import Store

SLOT = datetime(2026, 11, 25, 6, 17, tzinfo=UTC)
SIX_HOURS = timedelta(hours=6)


class MemoryPlace:
    """Files in memory: a year of runs need not wait for the disk 1,460 times."""

    name = "memory"

    def __init__(self, folder: Path) -> None:
        self.files: dict[str, bytes] = {}
        self._folder = folder

    def read(self, path: str) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def write(self, path: str, body: bytes, *, overwrite: bool = False) -> None:
        self.files[path] = body

    def list(self, prefix: str = "") -> Iterator[Entry]:
        return iter(())

    def folder(self) -> Path:
        return self._folder


class Runs:
    """In place of a process a slot: it keeps the books as a run does, and what it ends with is the test's choice."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.slots: list[tuple[str, datetime]] = []
        self.code = 0
        self.dies = False
        self.stopped = False
        self.meanwhile = lambda: None

    def __call__(self, job: JobConfig, slot: datetime) -> int:
        self.slots.append((job.name, slot))
        self.meanwhile()
        if not self.dies:
            state = read_state(self.store, job.name)
            write_state(self.store, state.model_copy(update={"last_slot": slot, "last_slot_done": True}))
        return self.code

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def store(tmp_path) -> Store:
    store = Store(tmp_path / "store")
    store.place = MemoryPlace(tmp_path / "store")
    return store


@pytest.fixture
def told(monkeypatch) -> list:
    outcomes: list = []
    monkeypatch.setattr(runner, "on_outcome", lambda job, outcome, analysis, store: outcomes.append(outcome))
    return outcomes


def jobs(**crons: str) -> Mapping[str, JobConfig]:
    made = {}
    for name, cron in crons.items():
        schedule = ScheduleConfig(cron=cron, time_zone="Europe/Berlin" if name.startswith("berlin") else "UTC")
        made[name] = JobConfig(name=name, schedule=schedule)
    return made


class Stepped:
    """The scheduler of `scheduler`, whose main loop the test turns by hand: what it would wait, the clock jumps."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.made = scheduler(dispatcher, executor=DebugExecutor())
        self.made._event = threading.Event()
        BaseScheduler.start(self.made)

    def run(self, clock: time_machine.Traveller, until: datetime) -> None:
        while True:
            wait = self.made._process_jobs()
            now = datetime.now(UTC)
            if now + timedelta(seconds=wait) > until:
                break
            clock.move_to(now + timedelta(seconds=wait))
        clock.move_to(until)


def test_apscheduler_fires_a_year_of_two_jobs_once_a_slot_with_a_week_of_downtime(store, told):
    runs = Runs(store)
    asked = jobs(berlin="30 2,8,14,20 * * *", utc="17 */6 * * *")
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    off, on = datetime(2026, 5, 10, tzinfo=UTC), datetime(2026, 5, 17, 3, tzinfo=UTC)
    with time_machine.travel(start, tick=False) as clock:
        Stepped(Dispatcher(asked, store=store, launch=runs)).run(clock, off)
        clock.move_to(on)  # the process is gone for a week, and another one starts
        Stepped(Dispatcher(asked, store=store, launch=runs)).run(clock, end)

    utc = [start + timedelta(minutes=17) + SIX_HOURS * number for number in range(4 * 365)]
    missed = [slot for slot in utc if off < slot < on][:-1]
    assert [slot for name, slot in runs.slots if name == "utc"] == [slot for slot in utc if slot not in missed]
    berlin = [slot for name, slot in runs.slots if name == "berlin"]
    assert berlin == sorted(set(berlin))
    # 365 days of four slots, none lost in spring, none doubled in autumn; 29 passed in the downtime, one was made good.
    assert len(berlin) == 4 * 365 - 28
    assert told == []  # they go with the run that follows them
    assert datetime(2026, 3, 29, 1, 0, tzinfo=UTC) in berlin  # 02:30 did not exist: 03:00
    assert datetime(2026, 10, 25, 0, 30, tzinfo=UTC) in berlin  # 02:30 came twice: the first
    assert datetime(2026, 10, 25, 1, 30, tzinfo=UTC) not in berlin


def test_apscheduler_does_not_fire_twice_when_the_clock_is_set_back_and_makes_good_what_it_jumps_over(store, told):
    runs = Runs(store)
    dispatcher = Dispatcher(jobs(six="17 */6 * * *"), store=store, launch=runs)
    with time_machine.travel(SLOT - timedelta(hours=1), tick=False) as clock:
        stepped = Stepped(dispatcher)
        stepped.run(clock, SLOT + timedelta(minutes=5))
        assert runs.slots == [("six", SLOT)]
        stepped.run(clock, SLOT + timedelta(minutes=10))
        clock.move_to(SLOT - timedelta(hours=2))
        assert dispatcher.overdue() == []
        stepped.run(clock, SLOT + timedelta(hours=1))
        assert runs.slots == [("six", SLOT)]
        # Ahead by seven hours, and the wait that was begun does not know it: the heartbeat does.
        clock.move_to(SLOT + timedelta(hours=8))
        assert dispatcher.overdue() == ["six"]
        stepped.made.modify_job("six", next_run_time=datetime.now(UTC))
        stepped.run(clock, SLOT + timedelta(hours=8, minutes=1))
        assert runs.slots == [("six", SLOT), ("six", SLOT + SIX_HOURS)]
        assert dispatcher.overdue() == []


def dispatcher_at(now: list[datetime], store: Store, runs: Runs, **crons: str) -> Dispatcher:
    return Dispatcher(jobs(**crons or {"six": "17 */6 * * *"}), store=store, launch=runs, clock=lambda: now[0])


def test_a_slot_that_passes_in_the_course_of_a_run_follows_it(store, told):
    now, runs = [SLOT], Runs(store)
    dispatcher = dispatcher_at(now, store, runs)

    def slow() -> None:
        now[0] = SLOT + timedelta(hours=6, minutes=5) if len(runs.slots) == 1 else now[0]
        assert dispatcher.overdue() == []  # it is running

    runs.meanwhile = slow
    assert dispatcher.fire("six") == 0
    assert [slot for _, slot in runs.slots] == [SLOT, SLOT + SIX_HOURS]


def test_a_failed_run_is_not_hidden_by_a_crossed_threshold_of_the_next(store, told):
    now, runs = [SLOT], Runs(store)

    def first_fails() -> None:
        runs.code = 1 if len(runs.slots) == 1 else 3
        now[0] = SLOT + timedelta(hours=6, minutes=5)

    runs.meanwhile = first_fails
    assert dispatcher_at(now, store, runs).fire("six") == 1
    assert len(runs.slots) == 2


def test_a_job_that_another_process_runs_is_waited_for_and_its_slot_is_not_lost(store, told, caplog):
    now, runs = [SLOT], Runs(store)
    dispatcher = dispatcher_at(now, store, runs)
    with job_lock("six", store, now=SLOT - timedelta(minutes=3)):
        for _ in range(3):
            assert dispatcher.fire("six") == 0
    assert runs.slots == []
    assert [r.message for r in caplog.records if "waiting for it" in r.message] == [
        r.message for r in caplog.records if "since 2026-11-25 06:14 UTC" in r.message
    ]
    assert len([r for r in caplog.records if "waiting for it" in r.message]) == 1
    now[0] += timedelta(seconds=30)
    assert dispatcher.overdue() == ["six"]
    dispatcher.fire("six")
    assert runs.slots == [("six", SLOT)]


def test_a_run_that_dies_is_told_once_and_not_repeated_for_ever(store, told):
    now, runs = [SLOT], Runs(store)
    runs.dies, runs.code = True, -9
    dispatcher = dispatcher_at(now, store, runs)
    assert dispatcher.fire("six") == 1
    assert [(outcome.kind, outcome.slot, outcome.exit_code) for outcome in told] == [("failed", SLOT, -9)]
    assert told[0].detail == "its process killed by SIGKILL and told no outcome"
    assert runs.slots == [("six", SLOT)]
    dispatcher.fire("six")
    assert runs.slots == [("six", SLOT)]


def test_slots_that_nothing_makes_good_are_told_as_missed(store, told):
    now, runs = [SLOT + timedelta(hours=2)], Runs(store)
    strict = {"six": JobConfig(name="six", schedule=ScheduleConfig(cron="17 */6 * * *", catch_up=False))}
    write_state(store, JobState(job="six", last_slot=SLOT - 2 * SIX_HOURS))
    dispatcher = Dispatcher(strict, store=store, launch=runs, clock=lambda: now[0])
    dispatcher.fire("six")
    assert runs.slots == []
    assert [(outcome.kind, outcome.missed) for outcome in told] == [("missed", (SLOT - SIX_HOURS, SLOT))]
    state = read_state(store, "six")
    assert (state.last_slot, state.missed_slots) == (SLOT, 2)
    dispatcher.fire("six")
    assert len(told) == 1


def test_a_first_look_between_slots_is_remembered_so_that_the_next_slot_is_made_good_however_late(store, told):
    runs = Runs(store)
    now = [SLOT + timedelta(hours=3)]
    dispatcher_at(now, store, runs).fire("six")
    assert runs.slots == []
    assert read_state(store, "six").watched_since == now[0]
    now[0] = SLOT + timedelta(hours=10)
    dispatcher_at(now, store, runs).fire("six")
    assert runs.slots == [("six", SLOT + SIX_HOURS)]


def test_a_clock_that_was_wrong_by_years_holds_nothing_up(store, told):
    now, runs = [datetime(2036, 1, 1, 0, 17, tzinfo=UTC)], Runs(store)
    dispatcher = dispatcher_at(now, store, runs)
    dispatcher.fire("six")
    now[0] = SLOT - timedelta(hours=2)
    dispatcher.fire("six")
    now[0] = SLOT
    assert dispatcher.overdue() == ["six"]
    dispatcher.fire("six")
    assert [slot for _, slot in runs.slots] == [datetime(2036, 1, 1, 0, 17, tzinfo=UTC), SLOT]


def test_a_store_that_can_not_be_written_does_not_repeat_a_slot(store, told, monkeypatch):
    def full(*_, **__) -> None:
        raise OSError(28, "No space left on device")

    now, runs = [SLOT], Runs(store)
    runs.dies = True  # it ran, and nothing remembers it
    monkeypatch.setattr(store.place, "write", full)
    dispatcher = dispatcher_at(now, store, runs)
    for _ in range(3):
        dispatcher.fire("six")
        now[0] += timedelta(minutes=1)
    assert runs.slots == [("six", SLOT)]
    assert told == []


def test_one_job_does_not_hold_up_another(store, told):
    """Both are at work at the same time, or the barrier breaks."""
    both = threading.Barrier(2, timeout=30)
    runs = Runs(store)
    runs.meanwhile = both.wait
    dispatcher = dispatcher_at([SLOT], store, runs, one="17 6 * * *", two="17 6 * * *")
    made = scheduler(dispatcher)
    made._event = threading.Event()
    BaseScheduler.start(made)
    made._process_jobs()
    made._executors["default"].shutdown(wait=True)
    made.shutdown(wait=True)
    assert sorted(name for name, _ in runs.slots) == ["one", "two"]


def test_after_stop_nothing_more_is_started(store, told):
    runs = Runs(store)
    dispatcher = dispatcher_at([SLOT], store, runs)
    dispatcher.stop()
    assert dispatcher.fire("six") == 0
    assert (runs.slots, runs.stopped) == ([], True)
    launch = Subprocesses(None, "store")
    launch.stop()
    assert launch(JobConfig(), SLOT) == -1


def test_a_run_is_a_command_line_of_its_own():
    command = Subprocesses(Path("jobs.toml"), "s3://bucket/prices").command(JobConfig(name="six"), SLOT)
    assert command[1:] == [
        "-P", "-m", "depin_compare.cli", "run", "--config", "jobs.toml", "--job", "six", "--store",
        "s3://bucket/prices", "--slot", "2026-11-25T06:17:00+00:00",
    ]  # fmt: skip


def test_every_slot_is_a_line_in_the_log(store, told, caplog):
    caplog.set_level(logging.INFO, "depin_compare.jobs")
    write_state(store, JobState(job="six", last_slot=SLOT - SIX_HOURS))
    dispatcher_at([SLOT + timedelta(hours=1, minutes=5)], store, Runs(store)).fire("six")
    lines = [record.message for record in caplog.records]
    assert lines == [
        "job six: slot 2026-11-25 06:17 UTC made good, 1 h 5 min late",
        "job six: slot 2026-11-25 06:17 UTC ended, exit code 0; next 2026-11-25 12:17 UTC (12:17 UTC)",
    ]
