"""Trends of one series: slopes and steps worked by hand, and what must not move them."""

import math
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import depin_compare as dc
from depin_compare.errors import ModelDomainError
from depin_compare.market.trend_fits import _partition

START = date(2024, 1, 1)


def weeks(n: int, every: int = 7) -> list[date]:
    return [START + timedelta(days=every * i) for i in range(n)]


def years(days: list[date]) -> np.ndarray:
    return np.array([(day - days[0]).days / 365.25 for day in days])


def test_a_slope_worked_by_hand():
    # Halved in exactly one year of 365.25 days, twice: two days in four years are 0.5 a year.
    days = [date(2021, 3, 1) + timedelta(days=round(365.25 * i)) for i in (0, 4)]
    trend = dc.fit_trend(days, [8.0, 0.5], min_points=2, moves="freely")
    assert trend.decline_per_year.central == pytest.approx(0.5)
    assert (trend.n_points, trend.span_days, trend.fall) == (2, 1461.0, pytest.approx(1 - 1 / 16))


def test_leap_days_are_days():
    # 2024 has 366 of them: a price that falls by a thousandth of its log every day.
    days = [date(2024, 2, 27) + timedelta(days=i) for i in range(400)]
    trend = dc.fit_trend(days, [2.0 * math.exp(-0.001 * i) for i in range(400)])
    assert trend.decline_per_year.central == pytest.approx(1 - math.exp(-0.36525), rel=1e-9)
    assert trend.span_days == 399


@settings(max_examples=30)
@given(
    decline=st.floats(-0.6, 0.8),
    price=st.floats(0.05, 100.0),
    gaps=st.lists(st.integers(1, 60), min_size=9, max_size=40),
)
def test_a_pure_exponential_is_recovered_exactly(decline, price, gaps):
    days = [START + timedelta(days=int(d)) for d in np.cumsum(gaps)]
    prices = price * (1 - decline) ** years(days)
    trend = dc.fit_trend(days, prices, min_span_days=8, moves="freely")
    assert trend.state == "fitted"
    assert trend.steps == ()
    for end in (trend.decline_per_year.low, trend.decline_per_year.central, trend.decline_per_year.high):
        assert end == pytest.approx(decline, abs=1e-8)


def test_the_interval_of_one_level_is_that_of_scipy():
    from scipy.stats import theilslopes

    days = weeks(40)
    logs = -0.3 * years(days) + np.random.default_rng(3).normal(0, 0.02, 40)
    trend = dc.fit_trend(days, np.exp(logs), confidence=0.8)
    told = theilslopes(logs, years(days), alpha=0.8)
    assert trend.decline_per_year.central == pytest.approx(1 - math.exp(told.slope))
    assert trend.decline_per_year.low == pytest.approx(1 - math.exp(told.high_slope))
    assert trend.decline_per_year.high == pytest.approx(1 - math.exp(told.low_slope))


def test_a_price_list_is_told_by_its_steps():
    days = [date(2023, 7, 27), date(2025, 5, 31), date(2025, 6, 5), date(2026, 7, 27), date(2026, 9, 6)]
    trend = dc.fit_trend(days, [12.29, 12.29, 6.88, 6.88, 6.88])
    assert (trend.state, trend.decline_per_year) == ("steps", None)
    (step,) = trend.steps
    assert (step.date, step.before, step.after) == (
        date(2025, 6, 5), pytest.approx(12.29), pytest.approx(6.88),
    )  # fmt: skip
    assert step.change == pytest.approx(-0.4402, abs=1e-4)
    assert trend.fall == pytest.approx(0.4402, abs=1e-4)
    assert trend.steps_per_year == pytest.approx(365.25 / 1137)
    # 0.5598 ** (365.25 / 1137) = 0.8300: what the cut came to a year, though nothing slid.
    assert trend.compounded_decline_per_year == pytest.approx(0.1700, abs=1e-4)


def test_a_list_that_never_moved_has_no_step_and_no_fall():
    trend = dc.fit_trend(weeks(40), [10.0] * 40)
    assert (trend.state, trend.steps, trend.fall, trend.steps_per_year) == ("steps", (), 0.0, 0.0)


def test_a_pure_step_of_a_market_is_one_step_and_no_slope():
    days = weeks(60)
    prices = np.where(np.arange(60) < 23, 3.0, 2.0)
    trend = dc.fit_trend(days, prices, moves="freely")
    assert trend.decline_per_year.central == pytest.approx(0.0, abs=1e-12)
    (step,) = trend.steps
    assert (step.date, step.before, step.after) == (days[23], pytest.approx(3.0), pytest.approx(2.0))


@settings(max_examples=25)
@given(
    at=st.integers(5, 55),
    change=st.one_of(st.floats(-0.7, -0.25), st.floats(0.3, 2.0)),
    decline=st.floats(-0.3, 0.5),
    seed=st.integers(0, 99),
)
def test_a_step_in_a_noisy_slope_is_found_where_it_is(at, change, decline, seed):
    days = weeks(60)
    noise = np.random.default_rng(seed).normal(0, 0.01, 60)
    prices = (1 - decline) ** years(days) * np.where(np.arange(60) < at, 1.0, 1 + change) * np.exp(noise)
    trend = dc.fit_trend(days, prices)
    (step,) = trend.steps
    assert step.date == days[at]
    assert step.change == pytest.approx(change, abs=0.05)
    assert trend.decline_per_year.central == pytest.approx(decline, abs=0.06)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), noise=st.floats(0.001, 0.03))
def test_noise_below_the_threshold_gives_no_step(seed, noise):
    prices = np.exp(np.random.default_rng(seed).normal(0, noise, 80))
    trend = dc.fit_trend(weeks(80), prices, least_step=0.15)
    assert trend.steps == ()
    assert trend.decline_per_year.low <= trend.decline_per_year.central <= trend.decline_per_year.high


def test_one_day_that_stands_out_is_a_slip_and_no_step():
    # A V100 was listed at 16.00 for one day.
    prices = 0.6 * np.exp(np.random.default_rng(1).normal(0, 0.01, 60))
    prices[30] = 16.0
    trend = dc.fit_trend(weeks(60), prices)
    assert trend.steps == ()
    assert trend.decline_per_year.central == pytest.approx(0.0, abs=0.03)


@settings(max_examples=25)
@given(rate=st.floats(0.01, 200.0), seed=st.integers(0, 999), data=st.data())
def test_neither_the_currency_nor_the_order_of_the_rows_moves_a_slope(rate, seed, data):
    days = weeks(30)
    prices = np.exp(-0.4 * years(days) + np.random.default_rng(seed).normal(0, 0.05, 30))
    order = data.draw(st.permutations(range(30)))
    trend = dc.fit_trend(days, prices)
    other = dc.fit_trend([days[i] for i in order], [rate * prices[i] for i in order])
    assert other.decline_per_year.central == pytest.approx(trend.decline_per_year.central, abs=1e-9)
    assert [step.date for step in other.steps] == [step.date for step in trend.steps]


def test_several_prices_of_one_day_count_as_their_median():
    days = weeks(30)
    prices = list(np.exp(-0.4 * years(days)))
    plain = dc.fit_trend(days, prices)
    doubled = dc.fit_trend(days + days + days, prices + [p * 7 for p in prices] + [p / 9 for p in prices])
    assert doubled.n_points == 30
    assert doubled.decline_per_year.central == pytest.approx(plain.decline_per_year.central)


@pytest.mark.parametrize(
    ("n", "every", "options", "words"),
    [
        (7, 60, {}, "7 of the 8 needed"),
        (30, 6, {}, "174 of the 180 days"),
        (1, 1, {}, "1 of the 8 needed"),
        (10, 20, {"min_points": 11}, "10 of the 11 needed"),
        (10, 20, {"min_span_days": 181}, "180 of the 181 days"),
        (2, 300, {"moves": "steps"}, "2 of the 3 needed"),
    ],
)
def test_what_is_too_short_says_so_and_nothing_else(n, every, options, words):
    trend = dc.fit_trend(weeks(n, every), [2.0 - 0.01 * i for i in range(n)], **options)
    assert (trend.state, trend.decline_per_year, trend.steps, trend.fall) == ("too_short", None, (), None)
    assert words in trend.reason


def test_nothing_at_all_is_too_short():
    assert dc.fit_trend([], []).state == "too_short"


def test_frames_of_times_are_taken_as_they_are():
    days = pl.Series(weeks(20, 14)).cast(pl.Datetime("us", "UTC"))
    assert dc.fit_trend(days, pl.Series([2.0] * 19 + [1.0])).steps[0].date == weeks(20, 14)[-1]


@pytest.mark.parametrize(
    ("days", "prices", "options"),
    [
        (weeks(2), [1.0], {}),
        (weeks(2), [1.0, 0.0], {}),
        (weeks(2), [1.0, -1.0], {}),
        (weeks(2), [1.0, math.nan], {}),
        (weeks(2), [1.0, math.inf], {}),
        (weeks(2), [1.0, None], {}),
        ([START, None], [1.0, 2.0], {}),
        (weeks(2), [1.0, 2.0], {"moves": "wildly"}),
        (weeks(2), [1.0, 2.0], {"least_step": 0.0}),
        (weeks(2), [1.0, 2.0], {"confidence": 1.0}),
    ],
)
def test_what_is_no_series_of_prices_is_refused(days, prices, options):
    with pytest.raises(ModelDomainError):
        dc.fit_trend(days, prices, **options)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(8, 40), penalty=st.sampled_from([0.02, 0.05, 0.1]))
@example(seed=86, n=25, penalty=0.02)
def test_levels_are_the_best_there_are(seed, n, penalty):
    """Pruned or not: the least cost is that of all partitions into levels of three days or more."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0.0, 0.1, n) + np.repeat(rng.normal(0.0, 0.3, n // 6 + 1), 6)[:n]

    def left(part):
        return float(np.sum((part - part.mean()) ** 2))

    best = {0: -penalty}
    for end in range(3, n + 1):
        best[end] = min(best[start] + left(values[start:end]) + penalty for start in best if end - start >= 3)
    starts = _partition(values, penalty)
    found = sum(left(part) for part in np.split(values, starts[1:])) + penalty * (len(starts) - 1)
    assert found == pytest.approx(best[n], abs=1e-9)
