"""What is due, through a simulated year: changes of the clock, downtime, steps of the clock, restarts."""

# ruff: noqa: DTZ001  (wall-clock times carry no zone)

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depin_compare.jobs.config import JobConfig, ScheduleConfig
from depin_compare.jobs.slots import Decision, due, next_slot, slots_between

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def job(cron: str = "17 */6 * * *", time_zone: str = "UTC", **more) -> JobConfig:
    return JobConfig(schedule=ScheduleConfig(cron=cron, time_zone=time_zone, **more))


def at(day: int, hour: int, minute: int = 17) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def test_nothing_is_due_between_slots():
    assert due(job(), at(25, 6), at(25, 12, 16)) == Decision()
    assert due(job(), at(25, 6), at(25, 6)) == Decision()


def test_a_slot_is_due_from_its_minute_on():
    assert due(job(), at(25, 6), at(25, 12)) == Decision(slot=at(25, 12))
    assert due(job(), at(25, 6), at(25, 17)) == Decision(slot=at(25, 12))


def test_without_catching_up_a_slot_later_than_the_grace_is_missed():
    strict = job(misfire_grace_minutes=30, catch_up=False)
    assert due(strict, at(25, 6), at(25, 12, 47)) == Decision(slot=at(25, 12))
    assert due(strict, at(25, 6), at(25, 12, 48)) == Decision(missed=(at(25, 12),))
    assert due(strict, at(25, 0), at(25, 12, 40)) == Decision(slot=at(25, 12), missed=(at(25, 6),))
    assert due(job(misfire_grace_minutes=30), at(25, 6), at(25, 12, 48)) == Decision(slot=at(25, 12))


def test_a_first_start_looks_back_no_further_than_the_grace():
    assert due(job(), None, at(25, 7, 17)) == Decision(slot=at(25, 6))
    assert due(job(), None, at(25, 7, 18)) == Decision()


def test_a_run_that_was_cut_off_is_taken_up_again_unless_a_newer_slot_is_due():
    assert due(job(), at(25, 6), at(25, 7), cut_off=True) == Decision(slot=at(25, 6), again=True)
    assert due(job(), at(25, 6), at(25, 12), cut_off=True) == Decision(slot=at(25, 12))
    strict = job(catch_up=False)
    assert due(strict, at(25, 6), at(25, 8), cut_off=True) == Decision()


def test_a_last_slot_far_in_the_future_was_noted_by_a_wrong_clock_and_holds_nothing_up():
    assert due(job(), at(25, 12), at(25, 10)) == Decision()
    assert due(job(), datetime(2036, 1, 1, 0, 17, tzinfo=UTC), at(25, 6)) == Decision(slot=at(25, 6))


@settings(max_examples=50)
@given(
    minutes=st.lists(st.integers(1, 3 * 24 * 60), min_size=1, max_size=60),
    catch_up=st.booleans(),
    zone=st.sampled_from(("UTC", "Europe/Berlin", "Australia/Lord_Howe")),
)
def test_however_late_it_is_asked_every_slot_is_run_or_missed_once(minutes, catch_up, zone):
    asked = job("15 2,8,14,20 * * *", zone, catch_up=catch_up)
    now = first = datetime(2026, 3, 20, tzinfo=UTC)
    seen, last = [], now
    for wait in minutes:
        now += timedelta(minutes=wait)
        decision = due(asked, last, now)
        new = [*decision.missed, *([decision.slot] if decision.slot else [])]
        assert new == sorted(new)
        assert not catch_up or (decision.slot is not None) == bool(new)
        seen += new
        last = new[-1] if new else last
    assert seen == list(slots_between(asked, first, now + timedelta(seconds=1)))


# --- a year ---------------------------------------------------------------------------------------------------------


@dataclass
class Machine:
    """A machine with a clock that may be wrong, a scheduler that may be down, and a memory that outlives both."""

    asked: JobConfig
    real: datetime = START
    shift: timedelta = timedelta(0)
    last: datetime | None = START
    done: bool = True
    runs: list[datetime] = field(default_factory=list)
    begun: list[datetime] = field(default_factory=list)
    missed: list[datetime] = field(default_factory=list)
    late: dict[datetime, timedelta] = field(default_factory=dict)

    @property
    def wall(self) -> datetime:
        return self.real + self.shift

    def look(self, *, cut: bool = False) -> None:
        """What the scheduler does when it wakes up; ``cut`` kills the run it starts."""
        decision = due(self.asked, self.last, self.wall, cut_off=not self.done)
        self.missed += decision.missed
        if decision.missed:
            self.last, self.done = decision.missed[-1], True
        if decision.slot is None:
            return
        self.last, self.done = decision.slot, not cut
        self.begun.append(decision.slot)
        if not cut:
            self.runs.append(decision.slot)
            self.late[decision.slot] = self.wall - decision.slot

    def run_until(self, until: datetime) -> None:
        """Wake up at every slot by the clock as it stands; heartbeats in between would find nothing."""
        while True:
            wake = next_slot(self.asked, self.wall).astimezone(UTC) - self.shift
            if wake > until:
                break
            self.real = wake
            self.look()
        self.real = until


def wall_slots(hours: tuple[int, ...], minute: int, zone: str, gap_ends: datetime | None) -> list[datetime]:
    """The year's slots by the calendar, without the code under test: a time that does not exist is the gap's end."""
    found = set()
    for number in range(-1, 367):
        for hour in hours:
            wall = datetime(2026, 1, 1, hour, minute) + timedelta(days=number)
            slot = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
            exists = slot.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall
            assert exists or gap_ends is not None
            found.add(slot if exists else gap_ends)
    return sorted(slot for slot in found if START < slot <= END)


# Zone, hours and minute of a six-hourly schedule, and when the gap it falls into ends. Of those in a zone with daylight
# saving one hits the skipped time, one the doubled time.
BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
SCHEDULES = [
    ("UTC", (0, 6, 12, 18), 17, None),
    (BERLIN, (0, 6, 12, 18), 17, None),
    (BERLIN, (2, 8, 14, 20), 30, datetime(2026, 3, 29, 1, tzinfo=UTC)),  # doubled on 25 October
    (NEW_YORK, (2, 8, 14, 20), 30, datetime(2026, 3, 8, 7, tzinfo=UTC)),
    (NEW_YORK, (1, 7, 13, 19), 30, None),  # doubled on 1 November
    (LORD_HOWE, (2, 8, 14, 20), 15, datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    (LORD_HOWE, (1, 7, 13, 19), 45, None),  # doubled on 5 April
]


def six_hourly(zone: str, hours: tuple[int, ...], minute: int) -> JobConfig:
    return job(f"{minute} {','.join(map(str, hours))} * * *", zone)


@pytest.mark.parametrize(("zone", "hours", "minute", "gap_ends"), SCHEDULES)
def test_a_year_fires_every_slot_once_through_both_changes(zone, hours, minute, gap_ends):
    machine = Machine(six_hourly(zone, hours, minute))
    machine.run_until(END)
    assert machine.runs == wall_slots(hours, minute, zone, gap_ends)
    assert len(machine.runs) == 4 * 365
    assert machine.missed == []
    assert set(machine.late.values()) == {timedelta(0)}


@pytest.mark.parametrize(("zone", "hours", "minute", "gap_ends"), SCHEDULES[::2])
def test_a_year_with_downtime_steps_and_restarts_accounts_for_every_slot_once(zone, hours, minute, gap_ends):
    machine = Machine(six_hourly(zone, hours, minute))
    expected = wall_slots(hours, minute, zone, gap_ends)

    # A week without power in the middle of May: one run when it is back, the rest is told.
    machine.run_until(datetime(2026, 5, 10, tzinfo=UTC))
    off = machine.real
    machine.real = datetime(2026, 5, 17, 3, tzinfo=UTC)
    machine.look()
    passed = [slot for slot in expected if off < slot <= machine.real]
    assert (machine.runs[-1], machine.missed) == (passed[-1], passed[:-1])
    assert len(passed) in (28, 29)

    # The clock is set back two hours right after a run: what was run is not run again.
    machine.run_until(next(slot for slot in expected if slot > datetime(2026, 6, 10, tzinfo=UTC)))
    machine.real += timedelta(minutes=5)
    machine.shift = -timedelta(hours=2)
    before = len(machine.runs)
    machine.look()
    machine.run_until(machine.real + timedelta(hours=3))
    assert len(machine.runs) == before
    machine.shift = timedelta(0)
    machine.look()

    # It jumps three hours ahead past a slot and is put right a day later: the slot is made good.
    machine.run_until(next(slot for slot in expected if slot > datetime(2026, 7, 1, tzinfo=UTC)) - timedelta(hours=1))
    machine.shift = timedelta(hours=3)
    machine.look()
    assert machine.late[machine.runs[-1]] == timedelta(hours=2)
    machine.run_until(machine.real + timedelta(days=1))
    machine.shift = timedelta(0)
    machine.look()

    # The scheduler is started anew in the middle of a run: the run is cut off and taken up again, once.
    slot = next(slot for slot in expected if slot > datetime(2026, 8, 1, tzinfo=UTC))
    machine.run_until(slot - timedelta(minutes=1))
    machine.real = slot
    machine.look(cut=True)
    assert machine.runs[-1] != slot
    machine.real = slot + timedelta(minutes=10)
    machine.look()
    assert machine.runs[-1] == slot

    # And it is started anew right after one: nothing happens.
    machine.look()
    machine.run_until(END)
    assert machine.runs == sorted(set(machine.runs))
    assert sorted(machine.runs + machine.missed) == expected
    assert machine.missed == passed[:-1]
    assert [s for s, n in Counter(machine.begun).items() if n > 1] == [slot]


def test_a_step_ahead_past_several_slots_runs_the_newest_and_tells_the_others():
    machine = Machine(job())
    machine.run_until(datetime(2026, 2, 1, 1, tzinfo=UTC))
    machine.shift = timedelta(hours=13)
    machine.look()
    assert machine.runs[-1] == datetime(2026, 2, 1, 12, 17, tzinfo=UTC)
    assert machine.missed == [datetime(2026, 2, 1, 6, 17, tzinfo=UTC)]
