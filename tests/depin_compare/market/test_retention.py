"""Which snapshots a retention keeps, by hand and by its promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depin_compare.errors import ModelDomainError
from depin_compare.market.retention import Dated, Retention, kept

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def six_hourly(days: int, *, now: datetime = NOW) -> list[Dated]:
    return [Dated(id=f"{n:05d}", observed_at=now - timedelta(hours=6 * n)) for n in range(4 * days)]


def moments(snapshots, names):
    return sorted(s.observed_at for s in snapshots if s.id in names)


def test_all_of_the_last_days_then_dailies_then_monthlies():
    snapshots = six_hourly(400)
    stays = kept(snapshots, Retention(keep_all_days=10, keep_daily_days=100, keep_monthly_days=300), now=NOW)
    found = moments(snapshots, stays)
    assert found[-41:] == [NOW - timedelta(hours=6 * n) for n in range(40, -1, -1)], "ten days, both ends"
    dailies = [at for at in found if NOW - 100 * DAY <= at < NOW - 10 * DAY]
    assert dailies == [datetime(2026, 8, 15, tzinfo=UTC) + n * DAY for n in range(90)]
    older = [at for at in found if at < NOW - 100 * DAY]
    assert older == [datetime(2026, month, 1, tzinfo=UTC) for month in range(2, 9)], "none older than 300 days"
    assert stays["00000"] == "of the last 10 days"


def test_monthlies_stay_for_ever_where_no_end_is_given():
    snapshots = six_hourly(1200)
    stays = kept(snapshots, Retention(keep_all_days=1, keep_daily_days=2), now=NOW)
    assert len([at for at in moments(snapshots, stays) if at < NOW - 3 * DAY]) == 40


def test_the_first_of_a_day_is_that_of_each_source():
    """The first collect of the day missed azure, the second reached it, the third adds nothing."""
    at = NOW - 20 * DAY
    both, some = frozenset({"akash", "azure"}), frozenset({"akash"})
    snapshots = [
        Dated(id="1", observed_at=at, answered=some),
        Dated(id="2", observed_at=at + DAY / 8, answered=both),
        Dated(id="3", observed_at=at + DAY / 4, answered=both),
        Dated(id="now", observed_at=NOW, answered=both),
    ]
    assert set(kept(snapshots, Retention(keep_all_days=1), now=NOW)) == {"1", "2", "now"}


def test_a_back_fill_never_takes_the_place_of_a_collect():
    at = NOW - 20 * DAY
    snapshots = [
        Dated(id="back", observed_at=at, kind="backfill"),
        Dated(id="real", observed_at=at + DAY / 8),
        Dated(id="later", observed_at=at + DAY / 4),
        Dated(id="now", observed_at=NOW),
    ]
    assert set(kept(snapshots, Retention(keep_all_days=1), now=NOW)) == {"back", "real", "now"}


def test_the_newest_answer_of_a_source_stays_however_old():
    old = Dated(id="old", observed_at=NOW - 50 * DAY + DAY / 4, answered=frozenset({"render"}))
    first = Dated(id="first", observed_at=NOW - 50 * DAY, answered=frozenset({"render"}))
    new = Dated(id="new", observed_at=NOW, answered=frozenset({"akash"}))
    nothing_old = Retention(keep_all_days=1, keep_daily_days=1, keep_monthly_days=1)
    assert kept([old, first, new], nothing_old, now=NOW) == {
        "old": "the newest answer of render",
        "new": "of the last 1 days",
    }


def test_a_clock_set_back_keeps_everything():
    stays = kept(six_hourly(100), Retention(keep_all_days=1), now=NOW - 500 * DAY)
    assert len(stays) == 400
    assert set(stays.values()) == {"dated in the future"}


def test_a_clock_that_jumped_ahead_ages_nothing_by_more_than_two_months():
    """Fourteen years ahead, with a collect of that moment stored: what was young stays."""
    snapshots = six_hourly(20)
    ahead = NOW + 5000 * DAY
    stays = kept([*snapshots, Dated(id="ahead", observed_at=ahead)], Retention(keep_all_days=90), now=ahead)
    assert len(stays) == 81
    assert stays["00079"] == "of the last 90 days (a silence counts 62 at most)"


def test_ages_below_nothing_are_refused():
    with pytest.raises(ModelDomainError, match="keep_daily_days is -1"):
        Retention(keep_daily_days=-1)


days = st.floats(min_value=0, max_value=800)
retentions = st.builds(
    Retention, keep_all_days=days, keep_daily_days=days, keep_monthly_days=st.one_of(st.none(), days)
)
names = st.frozensets(st.sampled_from(["akash", "azure", "render"]))
histories = st.lists(
    st.builds(
        lambda minutes, kind, answered: (NOW - timedelta(minutes=minutes), kind, answered),
        st.integers(min_value=-60_000, max_value=1_200_000),
        st.sampled_from(["collect", "collect", "backfill"]),
        names,
    ),
    max_size=60,
).map(lambda rows: [Dated(id=str(n), observed_at=a, kind=k, answered=w) for n, (a, k, w) in enumerate(rows)])


@given(histories, retentions)
def test_what_was_kept_is_kept_again(snapshots, retention):
    once = kept(snapshots, retention, now=NOW)
    left = [s for s in snapshots if s.id in once]
    assert kept(left, retention, now=NOW).keys() == once.keys()


@given(histories, retentions, st.integers(min_value=-3000, max_value=6000))
def test_the_newest_of_all_and_of_each_source_always_stay(snapshots, retention, jump):
    now = NOW + jump * DAY
    stays = kept(snapshots, retention, now=now)
    assert all(s.id in stays for s in snapshots if s.observed_at > now)
    past = [s for s in snapshots if s.observed_at <= now]
    for some in [past, *([s for s in past if name in s.answered] for name in ("akash", "azure", "render"))]:
        if some:
            last = max(s.observed_at for s in some)
            assert any(s.id in stays for s in some if s.observed_at == last)


@given(histories, retentions)
def test_a_day_of_which_dailies_are_kept_keeps_one_and_each_source_of_it(snapshots, retention):
    stays = kept(snapshots, retention, now=NOW)
    for one in snapshots:
        if one.observed_at > NOW or (NOW - one.observed_at).days + 1 > retention.keep_daily_days:
            continue
        same = [s for s in snapshots if s.observed_at.date() == one.observed_at.date() and s.kind == one.kind]
        here = [s for s in same if s.id in stays and s.observed_at <= NOW]
        assert here
        assert one.answered <= frozenset().union(*(s.answered for s in here))


@given(histories, retentions, days)
def test_to_keep_longer_keeps_more(snapshots, retention, more):
    longer = Retention(
        keep_all_days=retention.keep_all_days + more,
        keep_daily_days=retention.keep_daily_days + more,
        keep_monthly_days=None if retention.keep_monthly_days is None else retention.keep_monthly_days + more,
    )
    assert kept(snapshots, retention, now=NOW).keys() <= kept(snapshots, longer, now=NOW).keys()
