"""Cron lines as crontab reads them, and what a wall-clock time means where the clock is changed."""

# ruff: noqa: DTZ001  (wall-clock times carry no zone)

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depin_compare.errors import ConfigError
from depin_compare.jobs.crontab import WEEKDAYS, cron_trigger, crontab

SUNDAY = datetime(2026, 11, 22, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo")


def days(weekday: str) -> list[str]:
    line = crontab(f"17 6 * * {weekday}")
    return [f"{slot:%a}".lower() for slot in line.slots(SUNDAY, SUNDAY + timedelta(days=7))]


@pytest.mark.parametrize(("number", "name"), [*enumerate(WEEKDAYS), (7, "sun")])
def test_weekdays_are_counted_from_sunday_as_crontab_counts_them(number, name):
    assert days(str(number)) == [name]
    assert days(name) == [name]
    assert days(name.upper()) == [name]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("1-5", "mon tue wed thu fri"),
        ("mon-fri", "mon tue wed thu fri"),
        ("0-6", "sun mon tue wed thu fri sat"),
        ("5-7", "sun fri sat"),
        ("fri-sun", "sun fri sat"),
        ("sat-mon", "sun mon sat"),
        ("0,3", "sun wed"),
        ("7,wed", "sun wed"),
        ("*/2", "sun tue thu sat"),
        ("1-5/2", "mon wed fri"),
        ("1-2,5-6", "mon tue fri sat"),
        ("*", "sun mon tue wed thu fri sat"),
    ],
)
def test_ranges_lists_steps_and_names_of_weekdays(field, expected):
    assert days(field) == expected.split()


def test_day_of_month_or_day_of_week_is_enough_where_both_are_given():
    start = datetime(2026, 11, 22, tzinfo=UTC)
    both = crontab("0 6 1 * 1").slots(start, start + timedelta(days=15))
    assert [f"{slot:%a %d}" for slot in both] == ["Mon 23", "Mon 30", "Tue 01"]
    starred = crontab("0 6 */2 * 1").slots(
        start, start + timedelta(days=15)
    )  # a field that begins with * restricts both
    assert [f"{slot:%a %d}" for slot in starred] == ["Mon 23"]


def local_slots(cron: str, zone: str, start: datetime, hours: float) -> list[str]:
    line = crontab(cron, zone)
    return [f"{s.astimezone(line.time_zone):%d %H:%M%z}" for s in line.slots(start, start + timedelta(hours=hours))]


@pytest.mark.parametrize(
    ("cron", "zone", "start", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", datetime(2026, 3, 28, 12), ["29 03:00+0200", "30 02:30+0200"]),
        ("30 2 * * *", "Europe/Berlin", datetime(2026, 10, 24, 12), ["25 02:30+0200", "26 02:30+0100"]),
        ("*/20 2 * * *", "Europe/Berlin", datetime(2026, 3, 29, 0), ["29 03:00+0200", "30 02:00+0200", "30 02:20+0200",
                                                                   "30 02:40+0200"]),
        ("0 2,3 * * *", "Europe/Berlin", datetime(2026, 3, 28, 23), ["29 03:00+0200", "30 02:00+0200"]),
        ("30 2 * * *", "America/New_York", datetime(2026, 3, 7, 12), ["08 03:00-0400", "09 02:30-0400"]),
        ("30 1 * * *", "America/New_York", datetime(2026, 10, 31, 12), ["01 01:30-0400", "02 01:30-0500"]),
        ("15 2 * * *", "Australia/Lord_Howe", datetime(2026, 10, 3, 2), ["04 02:30+1100", "05 02:15+1100"]),
        ("45 1 * * *", "Australia/Lord_Howe", datetime(2026, 4, 4, 2), ["05 01:45+1100", "06 01:45+1030"]),
        ("0 6 * * *", "Pacific/Apia", datetime(2011, 12, 29, 17), ["31 00:00+1400", "31 06:00+1400", "01 06:00+1400"]),
    ],
)  # fmt: skip
def test_a_skipped_slot_is_due_once_when_the_gap_ends_and_a_doubled_one_the_first_time(cron, zone, start, expected):
    assert local_slots(cron, zone, start.replace(tzinfo=UTC), 48)[: len(expected)] == expected


def test_a_line_of_every_hour_goes_by_elapsed_hours():
    autumn = local_slots("17 * * * *", "Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC), 5)
    assert autumn == ["25 00:17+0200", "25 01:17+0200", "25 02:17+0200", "25 02:17+0100", "25 03:17+0100"]
    halves = local_slots("17,47 * * * *", "Europe/Berlin", datetime(2026, 10, 25, 0, tzinfo=UTC), 2)
    assert halves == ["25 02:17+0200", "25 02:47+0200", "25 02:17+0100", "25 02:47+0100"]
    spring = local_slots("17 * * * *", "Europe/Berlin", datetime(2026, 3, 29, 0, tzinfo=UTC), 3)
    assert spring == ["29 01:17+0100", "29 03:17+0200", "29 04:17+0200"]


@settings(max_examples=50)
@given(
    zone=st.sampled_from(ZONES),
    minute=st.integers(0, 59),
    first=st.integers(0, 5),
    step=st.sampled_from((6, 8, 12)),
    start=st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),
)
def test_a_week_of_slots_is_what_the_days_of_the_zone_say(zone, minute, first, step, start):
    """Against every wall-clock time of the days, one after the other."""
    hours = range(first, 24, step)
    line = crontab(f"{minute} {','.join(map(str, hours))} * * *", zone)
    end = start + timedelta(days=7)
    day = (start - timedelta(days=2)).date()
    expected = set()
    for number in range(12):
        for hour in hours:
            wall = datetime(day.year, day.month, day.day, hour, minute) + timedelta(days=number)
            instant = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
            if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != wall:  # in a gap: the next minute that exists
                while (instant - timedelta(minutes=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None) > wall:
                    instant -= timedelta(minutes=1)
            expected.add(instant)
    assert list(line.slots(start, end)) == sorted(slot for slot in expected if start < slot <= end)


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("17 */6 * *", "4 fields"),
        ("@daily", "1 fields"),
        ("61 * * * *", "61"),
        ("0 0 * * 8", "0 to 7"),
        ("0 0 * * moon", "sun, mon"),
        ("0 0 L * *", "L"),
        ("0 0 31 2 *", "never due"),
        ("*/0 * * * *", "higher than 0"),
        ("0 0 * * */0", "step of 0"),
        ("1;2 0 * * *", "can't be read"),
    ],
)
def test_what_is_no_cron_line_is_told_with_the_line(cron, told):
    with pytest.raises(ConfigError, match="cron line") as error:
        crontab(cron)
    assert cron in str(error.value)
    assert told in str(error.value)


def test_a_time_zone_that_is_not_there_is_told():
    for name in ("Europe/Berln", "Europe", "../etc/passwd", ""):
        with pytest.raises(ConfigError, match="time zone"):
            crontab("17 6 * * *", name)


def test_the_trigger_gives_apscheduler_the_next_slot_in_the_zone():
    trigger = cron_trigger("30 2 * * *", "Europe/Berlin")
    now = datetime(2026, 10, 24, 12, tzinfo=UTC)
    first = trigger.get_next_fire_time(None, now)
    assert first.isoformat() == "2026-10-25T02:30:00+02:00"
    assert trigger.get_next_fire_time(first, first).isoformat() == "2026-10-26T02:30:00+01:00"
    # A clock set back by hours does not bring a slot up again.
    assert trigger.get_next_fire_time(first, first - timedelta(hours=3)).isoformat() == "2026-10-26T02:30:00+01:00"
