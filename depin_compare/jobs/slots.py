"""What a schedule asks for at a moment: a pure function of its slots, the last one accounted for, and the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from depin_compare.jobs.config import JobConfig
from depin_compare.jobs.crontab import Crontab, crontab

__all__ = ["CLOCK_STEP", "MOST_ATTEMPTS", "Decision", "due", "next_slot", "slots_between", "trusted"]

# A clock that was set back by less repeats slots that were run; by more, it had been wrong when they were.
CLOCK_STEP = timedelta(hours=24)
# A slot whose run was cut off is taken up again once: a run that takes the machine down must not do so for ever.
MOST_ATTEMPTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done now: a slot to run, slots that stay without a run, both or neither.

    ``again`` says that the slot was begun before and cut off.
    """

    slot: datetime | None = None
    missed: tuple[datetime, ...] = ()
    again: bool = False


def trusted(last: datetime | None, now: datetime) -> datetime | None:
    """The last slot, unless it lies so far ahead that the clock must have been wrong when it was noted.

    Examples
    --------
    >>> now = datetime(2026, 11, 25, tzinfo=UTC)
    >>> trusted(now + timedelta(hours=2), now) is not None, trusted(now + timedelta(days=400), now)
    (True, None)
    """
    return None if last is not None and last - now > CLOCK_STEP else last


def due(job: JobConfig, last_slot: datetime | None, now: datetime, *, cut_off: bool = False) -> Decision:
    """Decide what a job's schedule asks for.

    Of the slots that passed since the last one, the newest is run, if it is not later than the schedule's grace or
    the schedule catches up; the others are missed. So a week of downtime costs one run and is told once.

    Parameters
    ----------
    job : JobConfig
        With a schedule.
    last_slot : datetime or None
        Up to here every slot is accounted for; None if nothing is known, and then only the grace is looked back.
        One later than now stands for a clock that was set back: its slots don't come up again, unless it is more than
        a day later.
    now : datetime
        With its time zone.
    cut_off : bool
        The run of ``last_slot`` was begun and did not come to its end.

    Returns
    -------
    Decision
        With times in UTC.

    Examples
    --------
    >>> from depin_compare.jobs.config import ScheduleConfig
    >>> job = JobConfig(schedule=ScheduleConfig(cron="17 */6 * * *"))
    >>> at = lambda day, hour: datetime(2026, 11, day, hour, 17, tzinfo=UTC)
    >>> decision = due(job, at(25, 0), at(26, 7))
    >>> f"{decision.slot:%d %H:%M}", [f"{slot:%d %H:%M}" for slot in decision.missed]
    ('26 06:17', ['25 06:17', '25 12:17', '25 18:17', '26 00:17'])
    """
    assert job.schedule is not None, f"job {job.name} has no schedule"
    grace = timedelta(minutes=job.schedule.misfire_grace_minutes)
    last = trusted(last_slot, now)
    after = last if last is not None else now - grace - timedelta(microseconds=1)
    passed = tuple(_line(job).slots(after, now))
    if passed:
        if job.schedule.catch_up or now - passed[-1] <= grace:
            return Decision(slot=passed[-1].astimezone(UTC), missed=passed[:-1])
        return Decision(missed=passed)
    if cut_off and last is not None and (job.schedule.catch_up or now - last <= grace):
        return Decision(slot=last, again=True)
    return Decision()


def next_slot(job: JobConfig, now: datetime) -> datetime:
    """The first slot later than now, in the schedule's own zone."""
    line = _line(job)
    return line.next_after(now).astimezone(line.time_zone)


def slots_between(job: JobConfig, after: datetime | None, slot: datetime) -> tuple[datetime, ...]:
    """The job's slots later than a moment and earlier than a slot; none if nothing is known of the time before."""
    if job.schedule is None or after is None:
        return ()
    return tuple(one for one in _line(job).slots(after, slot) if one < slot)


def _line(job: JobConfig) -> Crontab:
    assert job.schedule is not None, f"job {job.name} has no schedule"
    return crontab(job.schedule.cron, job.schedule.time_zone)
