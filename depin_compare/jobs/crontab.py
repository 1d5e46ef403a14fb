"""Cron lines as crontab(5) reads them, in a time zone with daylight saving.

APScheduler's own reading differs in four points, each seen with 3.11: it counts weekdays from Monday and refuses 7;
it wants day *and* weekday to match where crontab takes either; in the doubled hour of autumn it fires a slot twice;
and in the skipped hour of spring it fires at the old offset's time (02:30 becomes 03:30) under a name that no clock
shows. So its trigger is asked for wall-clock times alone, as if there were no offset, and what each wall-clock time
means in the zone is decided here:

* skipped in spring: due once, at the first instant after the gap (02:30 becomes 03:00);
* doubled in autumn: due once, the first time;
* a line that is due every hour goes by elapsed hours: both of the doubled ones, none for the skipped one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from depin_compare.errors import ConfigError

__all__ = ["FIELDS", "WEEKDAYS", "Crontab", "CrontabTrigger", "cron_trigger", "crontab"]

FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_KEYS = ("minute", "hour", "day", "month", "day_of_week")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_TOKEN = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?")
# The longest change of offset there has been is a day (Samoa left one out).
_MOST_SHIFT = timedelta(hours=25)
# From one 29 February to the next it is eight years at most.
_LONGEST_WAIT = timedelta(days=9 * 366)


@dataclass(frozen=True, slots=True)
class Crontab:
    """When a cron line is due. Made by `crontab`.

    Examples
    --------
    >>> line = crontab("30 2 * * *", "Europe/Berlin")
    >>> after = datetime(2026, 3, 28, 12, tzinfo=UTC)
    >>> [f"{slot:%d %H:%M}" for slot in line.slots(after, after + timedelta(days=2))]
    ['29 01:00', '30 00:30']
    """

    expression: str
    time_zone: ZoneInfo
    weekdays: tuple[int, ...]
    every_hour: bool
    triggers: tuple[CronTrigger, ...]

    def next_after(self, moment: datetime) -> datetime:
        """The first slot later than a moment, in UTC."""
        local = moment.astimezone(self.time_zone)
        before, after = ((moment + way * _MOST_SHIFT).astimezone(self.time_zone).utcoffset() for way in (-1, 1))
        here = local.utcoffset() or timedelta(0)
        # Near a change of offset one wall-clock time may stand for an instant on the other side of it.
        margin = max(abs((other or timedelta(0)) - here) for other in (before, after))
        wall = local.replace(tzinfo=None) - margin
        best: datetime | None = None
        while best is None:
            found: list[datetime] = []
            wall = self._next_wall(wall)
            found += (slot for slot in self._instants(wall) if slot > moment)
            # A wall-clock time that comes later can't be due earlier, except by the second of two doubled hours.
            until = wall + margin
            while margin and (nearer := self._next_wall(wall)) <= until:
                wall = nearer
                found += (slot for slot in self._instants(wall) if slot > moment)
            best = min(found, default=None)
        return best

    def slots(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Every slot later than ``after`` and not later than ``until``, in UTC, oldest first."""

        def onwards() -> Iterator[datetime]:
            slot = after
            while True:
                slot = self.next_after(slot)
                yield slot

        return takewhile(lambda slot: slot <= until, onwards())

    def _next_wall(self, wall: datetime) -> datetime:
        """The first wall-clock time of the line later than another; neither carries an offset."""
        start = wall.replace(tzinfo=UTC) + timedelta(microseconds=1)
        fires: list[datetime] = [trigger.get_next_fire_time(None, start) for trigger in self.triggers]
        return min(fires).replace(tzinfo=None)

    def _instants(self, wall: datetime) -> list[datetime]:
        """What a wall-clock time means in the zone: none, one or two instants, in UTC."""
        first, second = (wall.replace(tzinfo=self.time_zone, fold=fold) for fold in (0, 1))
        old, new = first.utcoffset() or timedelta(0), second.utcoffset() or timedelta(0)
        if old < new:
            return [] if self.every_hour else [self._end_of_gap(wall, old, new)]
        both = [first.astimezone(UTC), second.astimezone(UTC)]
        return both if old > new and self.every_hour else both[:1]

    def _end_of_gap(self, wall: datetime, old: timedelta, new: timedelta) -> datetime:
        """The instant at which the clock jumped over a wall-clock time, by halving the span it must lie in."""
        low, high = (wall - new).replace(tzinfo=UTC), (wall - old).replace(tzinfo=UTC)
        while high - low > timedelta(seconds=1):
            middle = low + (high - low) // 2
            if middle.astimezone(self.time_zone).utcoffset() == old:
                low = middle
            else:
                high = middle
        return high.replace(microsecond=0)


class CrontabTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler carries no types
    """A `Crontab` as APScheduler wants it."""

    def __init__(self, line: Crontab) -> None:
        self.line = line

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The first slot after the one before, or after now if there was none."""
        after = now if previous_fire_time is None else max(previous_fire_time, now - timedelta(seconds=1))
        return self.line.next_after(after).astimezone(self.line.time_zone)

    def __str__(self) -> str:
        return f"cron[{self.line.expression}, {self.line.time_zone.key}]"


def cron_trigger(cron: str, time_zone: str) -> CrontabTrigger:
    """A trigger for APScheduler that fires as crontab would; see `crontab` for what is refused."""
    return CrontabTrigger(crontab(cron, time_zone))


@lru_cache(maxsize=256)
def crontab(cron: str, time_zone: str = "UTC") -> Crontab:
    """Read a cron line.

    Parameters
    ----------
    cron : str
        Five fields: minute, hour, day of month, month, day of week (0 and 7 are Sunday). ``*``, ``5``, ``1-5``,
        ``*/6``, lists of these, and the names of months and weekdays.
    time_zone : str
        A name of the tz database, such as ``"Europe/Berlin"``.

    Raises
    ------
    ConfigError
        If the line has not five fields, one of them can't be read, it is never due, or there is no such zone.

    Examples
    --------
    >>> crontab("17 6 * * 7").next_after(datetime(2026, 11, 25, tzinfo=UTC)).strftime("%a %d %H:%M")
    'Sun 29 06:17'
    """
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"time zone {time_zone!r} is not known; write one such as 'UTC' or 'Europe/Berlin'"
        ) from error
    parts = cron.split()
    if len(parts) != len(FIELDS):
        raise ConfigError(
            f"cron line {cron!r} has {len(parts)} fields, expected 5 ({', '.join(FIELDS)}), e.g. '17 */6 * * *'"
        )
    for name, part in zip(FIELDS, parts):
        if not all(_TOKEN.fullmatch(token) for token in part.split(",")):
            raise ConfigError(f"cron line {cron!r}: {name} {part!r} can't be read; write *, 5, 1-5, */6 or 1,3")
    minute, hour, day, month, weekday = parts
    weekdays = _weekdays(cron, weekday)
    week = ",".join(WEEKDAYS[number] for number in weekdays)
    # crontab(5): if both are restricted (neither starts with *), either may match.
    either = not day.startswith("*") and not weekday.startswith("*")
    pairs = [(day, "*"), ("*", week)] if either else [(day, week)]
    for name, key, part in zip(FIELDS, _KEYS, parts):
        try:
            CronTrigger(**{key: week if key == "day_of_week" else part}, timezone=UTC)
        except ValueError as error:
            raise ConfigError(f"cron line {cron!r}: {name} {part!r} can't be read: {error}") from error
    triggers = tuple(
        CronTrigger(minute=minute, hour=hour, day=d, month=month, day_of_week=w, second=0, timezone=UTC)
        for d, w in pairs
    )
    start = datetime(2026, 1, 1, tzinfo=UTC)
    comes = [_bounded(trigger, start) for trigger in triggers]
    if not any(comes):
        raise ConfigError(f"cron line {cron!r} is never due: there is no such day")
    triggers = tuple(trigger for trigger, comes_up in zip(triggers, comes) if comes_up)
    hours = {str(field): field for trigger in triggers for field in trigger.fields if field.name == "hour"}
    all_hours = all(
        field.get_next_value(datetime(2026, 1, 1, number, tzinfo=UTC)) == number
        for field in hours.values()
        for number in range(24)
    )
    return Crontab(expression=cron, time_zone=zone, weekdays=weekdays, every_hour=all_hours, triggers=triggers)


def _bounded(trigger: CronTrigger, start: datetime) -> bool:
    """Whether it is due at all: without an end, APScheduler would look for 30 February until the year 9999."""
    trigger.end_date = start + _LONGEST_WAIT
    due = trigger.get_next_fire_time(None, start) is not None
    trigger.end_date = None
    return due


def _weekdays(cron: str, field: str) -> tuple[int, ...]:
    """Days of the week with crontab's numbers (0 is Sunday), sorted; a range may go past Saturday."""
    found: set[int] = set()
    for token in field.split(","):
        parts = _TOKEN.fullmatch(token)
        assert parts is not None  # every token was matched before
        step = int(parts["step"] or 1)
        if step < 1:
            raise ConfigError(f"cron line {cron!r}: day of week {token!r} has a step of 0; the least is 1")
        if parts["first"] == "*":
            first, last = 0, 6
        else:
            first = _weekday(cron, parts["first"])
            last = _weekday(cron, parts["last"]) if parts["last"] else 6 if parts["step"] else first
        if last < first:
            last += 7
        found |= {number % 7 for number in range(first, last + 1, step)}
    return tuple(sorted(found))


def _weekday(cron: str, text: str) -> int:
    if text.lower() in WEEKDAYS:
        return WEEKDAYS.index(text.lower())
    if text.isdecimal() and int(text) <= 7:
        return int(text)
    raise ConfigError(
        f"cron line {cron!r}: day of week {text!r} is not 0 to 7 (0 and 7 are Sunday) or {', '.join(WEEKDAYS)}"
    )
