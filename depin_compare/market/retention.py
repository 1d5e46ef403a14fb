"""Which snapshots a retention keeps: all of the last days, then a daily, then a monthly, and never the newest."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from depin_compare.errors import ModelDomainError

__all__ = ["Dated", "Retention", "kept"]

# A clock that jumped ahead, or a machine that slept for a year, must not make the whole history old at a stroke.
# Firsts of two months lie up to 61 days apart, so a history thinned to monthlies ages as it should.
LONGEST_SILENCE = timedelta(days=62)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long snapshots are kept: all, then the first of a day, then the first of a month. [days]

    Each is counted from now, so ``keep_daily_days`` below ``keep_all_days`` asks for nothing more.
    ``keep_monthly_days`` of None keeps monthlies for ever.
    """

    keep_all_days: float = 90.0
    keep_daily_days: float = 730.0
    keep_monthly_days: float | None = None

    def __post_init__(self) -> None:
        for name in ("keep_all_days", "keep_daily_days", "keep_monthly_days"):
            days = getattr(self, name)
            if days is not None and not days >= 0:
                raise ModelDomainError(f"{name} is {days}, expected a number of days, 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """What a retention looks at: when a snapshot was taken, how (``collect``, ``backfill``) and who answered."""

    id: str
    observed_at: datetime
    kind: str = "collect"
    answered: frozenset[str] = frozenset()


def kept(snapshots: Iterable[Dated], retention: Retention, *, now: datetime) -> dict[str, str]:
    """Tell which snapshots stay, and why.

    Parameters
    ----------
    snapshots : iterable of Dated
        All there are, in any order.
    retention : Retention
        How long they are kept.
    now : datetime
        What ages are counted from, with its time zone.

    Returns
    -------
    dict of str to str
        The reason of each one that stays, by its id; what is not named may go.

    Notes
    -----
    Days and months are those of UTC. The first of a day is that of each source: where the first collect of a day
    missed a source that the second one reached, both stay. Collects and back-fills are counted apart.

    Whatever its age, the newest snapshot stays, and the newest in which each source answered. So does one that is
    dated after ``now``: a clock that was set back says nothing of it. A silence of more than 62 days between two
    snapshots, or since the last, counts as 62 days: a clock that jumped ahead ages nothing else.

    Examples
    --------
    >>> from datetime import UTC, datetime, timedelta
    >>> now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    >>> hours = [Dated(id=f"{n} h", observed_at=now - timedelta(hours=n)) for n in (1, 7, 13, 25, 31)]
    >>> list(kept(hours, Retention(keep_all_days=0.25), now=now))
    ['1 h', '7 h', '31 h']
    """
    newest_first = sorted(snapshots, key=lambda s: (s.observed_at, s.id), reverse=True)
    ages: dict[str, timedelta] = {}
    reasons: dict[str, str] = {}
    later, age = now, timedelta()
    for one in newest_first:
        if one.observed_at > now:
            reasons[one.id] = "dated in the future"
            continue
        age += min(later - one.observed_at, LONGEST_SILENCE)
        later, ages[one.id] = one.observed_at, age
    past = [one for one in newest_first if one.id in ages]
    newest = _newest(past)
    dailies, monthlies = _firsts(past, "%Y-%m-%d"), _firsts(past, "%Y-%m")
    for one in past:
        days = ages[one.id] / timedelta(days=1)
        if days <= retention.keep_all_days:
            shorter = (
                "" if ages[one.id] == now - one.observed_at else f" (a silence counts {LONGEST_SILENCE.days} at most)"
            )
            reasons[one.id] = f"of the last {retention.keep_all_days:g} days{shorter}"
        elif one.id in newest:
            reasons[one.id] = newest[one.id]
        elif one.id in dailies and days <= retention.keep_daily_days:
            reasons[one.id] = "first of its day"
        elif one.id in monthlies and (retention.keep_monthly_days is None or days <= retention.keep_monthly_days):
            reasons[one.id] = "first of its month"
    return reasons


def _newest(newest_first: list[Dated]) -> dict[str, str]:
    """The newest of all, and those in which a source answered last."""
    found: dict[str, str] = {}
    heard: set[str] = set()
    for number, one in enumerate(newest_first):
        last = sorted(one.answered - heard)
        heard |= one.answered
        if number == 0:
            found[one.id] = "the newest"
        elif last:
            found[one.id] = f"the newest answer of {', '.join(last)}"
    return found


def _firsts(newest_first: list[Dated], period: str) -> set[str]:
    """The first of each period, and the first in it of each source."""
    first: dict[Hashable, str] = {}
    for one in newest_first:  # the earlier one takes the place of the later
        when = one.observed_at.astimezone(UTC).strftime(period)
        for source in (None, *one.answered):
            first[when, one.kind, source] = one.id
    return set(first.values())
