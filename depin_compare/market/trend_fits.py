"""The trend of one price series: a robust slope, and the steps in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from depin_compare.bands import Band
from depin_compare.errors import ModelDomainError
from depin_compare.units import DAYS_PER_YEAR, FloatArray

__all__ = ["MOVES", "TREND_STATES", "Step", "Trend", "fit_trend"]

MOVES = ("auto", "steps", "freely")
TREND_STATES = ("fitted", "steps", "too_short")
MIN_SPAN_DAYS = 180.0
MIN_POINTS = 8
# What a price list says is exact: two sightings of one price and one of another are a step, not noise.
MIN_POINTS_OF_A_LIST = 3
# Prices that did not move from one day to the next in half of the cases are a list's.
STILL_SHARE = 0.5
MAD_TO_SIGMA = 1.4826
FEWEST_POINTS_A_LEVEL = 3
ROUNDS = 8

Starts = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A price that moved at once: from ``before`` to ``after``, in the series' unit, first seen on ``date``."""

    date: date
    before: float
    after: float

    @property
    def change(self) -> float:
        """Relative change; negative for a cut. [fraction]"""
        return self.after / self.before - 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """What a series says of its own movement.

    ``state`` is ``fitted`` (a slope between the steps), ``steps`` (a price list: it sits and is then changed) or
    ``too_short`` with the ``reason``. ``decline_per_year`` is the fall a year, negative for a rise; null unless
    fitted. ``fall`` is what is left of the first price subtracted from 1, over ``span_days``; of a fitted series by
    its fit, of a list by its first and last price. ``n_points`` counts days with a price.
    """

    state: str
    n_points: int
    span_days: float
    decline_per_year: Band | None = None
    steps: tuple[Step, ...] = ()
    steps_per_year: float | None = None
    fall: float | None = None
    reason: str | None = None

    @property
    def compounded_decline_per_year(self) -> float | None:
        """`fall` spread evenly over the years of the span; of a list, how much it came to and not how it moved."""
        if self.fall is None or not self.span_days:
            return None
        return float(1.0 - (1.0 - self.fall) ** (DAYS_PER_YEAR / self.span_days))


def fit_trend(
    dates: Sequence[date] | pl.Series | np.ndarray[Any, Any],
    prices: Sequence[float] | pl.Series | FloatArray,
    *,
    moves: str = "auto",
    min_span_days: float = MIN_SPAN_DAYS,
    min_points: int = MIN_POINTS,
    min_points_of_a_list: int = MIN_POINTS_OF_A_LIST,
    least_step: float = 0.10,
    confidence: float = 0.90,
) -> Trend:
    r"""Trend of a price series: its fall a year with an interval, and its steps.

    Parameters
    ----------
    dates : sequence of date, shape (n,)
        In any order; several prices of one day count as their median.
    prices : sequence of float, shape (n,)
        > 0, in one currency and unit throughout.
    moves : {"auto", "steps", "freely"}
        ``steps`` for a price list, whose every change is a step; ``freely`` for a market. ``auto`` takes a series
        for a list when at least half of its prices are those of the day before it.
    min_span_days, min_points, min_points_of_a_list : float, int, int
        A shorter series, or one with fewer days, says nothing. The last is for lists.
    least_step : float
        Relative change below which a shift of a freely moving series is noise, 0 to 1. [fraction]
    confidence : float
        Of the slope's interval, 0 to 1. [fraction]

    Returns
    -------
    Trend

    Raises
    ------
    ModelDomainError
        If lengths differ, a price is not finite and positive, or an option is outside its range.

    Notes
    -----
    The slope is Theil-Sen's [1]_: the median of the slopes of log price over all pairs of days, so that a third of
    the days may be wrong. Its interval takes the days' deviations for independent, which those of neighbouring days
    are not: it is rather too narrow.

    A market is taken as levels that differ by steps, with one slope between them:

    .. math:: \ln p(t) = a_{k(t)} + b\,t + e(t)

    Levels are found by optimal partitioning with pruning [2]_ of the series without its slope, the slope from
    pairs of days within one level, in turns until neither changes. A new level costs
    :math:`3 \hat\sigma^2 \ln n` and at least a shift of ``least_step`` on one day, and lasts at least three days with
    prices; a shift of less than ``least_step`` is none. A single day that stands out is a slip, not a step.

    References
    ----------
    .. [1] P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63 (1968), 1379-1389.
    .. [2] R. Killick, P. Fearnhead, I. A. Eckley, "Optimal detection of changepoints with a linear computational
       cost", JASA 107 (2012), 1590-1598.

    Examples
    --------
    >>> days = [date(2025, month, 1) for month in range(1, 13)]
    >>> trend = fit_trend(days, [2.0 * 0.73 ** ((day - days[0]).days / 365.25) for day in days])
    >>> trend.state, round(trend.decline_per_year.central, 6), trend.steps
    ('fitted', 0.27, ())
    >>> cut = fit_trend(days, [12.29] * 5 + [6.88] * 7)
    >>> cut.state, cut.steps[0].date.isoformat(), round(cut.steps[0].change, 2), cut.decline_per_year
    ('steps', '2025-06-01', -0.44, None)
    >>> fit_trend(days[:3], [2.0, 1.9, 1.8]).reason
    'days with a price: 3 of the 8 needed; span: 59 of the 180 days needed'
    """
    if moves not in MOVES:
        raise ModelDomainError(f"moves is {moves!r}, expected one of {', '.join(MOVES)}")
    if not 0.0 < least_step < 1.0 or not 0.0 < confidence < 1.0:
        raise ModelDomainError(
            f"least_step and confidence must be within 0..1, excluded; got {least_step}, {confidence}"
        )
    days, logs = _by_day(dates, prices)
    span = float((days[-1] - days[0]).days) if days else 0.0
    as_list = moves == "steps" or (moves == "auto" and _sits_still(logs))
    needed = min_points_of_a_list if as_list else min_points
    if len(days) < max(needed, 2) or span < max(min_span_days, 1.0):
        return Trend(
            state="too_short",
            n_points=len(days),
            span_days=span,
            reason=f"days with a price: {len(days)} of the {max(needed, 2)} needed; span: {span:.0f} of the "
            f"{max(min_span_days, 1.0):.0f} days needed",
        )
    told: dict[str, Any] = {"n_points": len(days), "span_days": span}
    if as_list:
        steps = tuple(
            Step(date=days[i], before=float(np.exp(logs[i - 1])), after=float(np.exp(logs[i])))
            for i in np.flatnonzero(_moved(logs)) + 1
        )
        fall = float(1.0 - np.exp(logs[-1] - logs[0]))
        return Trend(state="steps", steps=steps, steps_per_year=len(steps) * DAYS_PER_YEAR / span, fall=fall, **told)
    return _fitted(days, logs, least_step=least_step, confidence=confidence, told=told)


def _by_day(
    dates: Sequence[date] | pl.Series | np.ndarray[Any, Any], prices: Sequence[float] | pl.Series | FloatArray
) -> tuple[list[date], FloatArray]:
    """Days in order, and the median log price of each."""
    if len(dates) != len(prices):
        raise ModelDomainError(f"{len(dates)} dates with {len(prices)} prices: one price a date is expected")
    frame = pl.DataFrame({"day": dates, "price": prices}, strict=False).select(
        pl.col("day").cast(pl.Date), pl.col("price").cast(pl.Float64)
    )
    wrong = frame.filter(~(pl.col("price").is_finite() & (pl.col("price") > 0)).fill_null(False))
    if wrong.height or frame["day"].null_count():
        seen = wrong["price"][0] if wrong.height else "a price without a date"
        raise ModelDomainError(f"prices must be finite and > 0, each with its date; got {seen}")
    daily = frame.group_by("day").agg(pl.col("price").log().median()).sort("day")
    return daily["day"].to_list(), daily["price"].to_numpy()


def _moved(logs: FloatArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    # Half a millionth is what a price printed with six digits may lose.
    return np.abs(np.diff(logs)) > 5e-7


def _sits_still(logs: FloatArray) -> bool:
    return len(logs) > 1 and float(np.mean(~_moved(logs))) >= STILL_SHARE


def _fitted(days: list[date], logs: FloatArray, *, least_step: float, confidence: float, told: dict[str, Any]) -> Trend:
    years = np.array([(day - days[0]).days / DAYS_PER_YEAR for day in days])
    starts = _levels(years, logs, least_step)
    low, central, high = _slope_interval(years, logs, starts, confidence)
    levels = np.array([np.median(part) for part in np.split(logs - central * years, starts[1:])])
    steps = tuple(
        Step(
            date=days[start],
            before=float(np.exp(levels[k] + central * years[start])),
            after=float(np.exp(levels[k + 1] + central * years[start])),
        )
        for k, start in enumerate(starts[1:])
    )
    return Trend(
        state="fitted",
        decline_per_year=Band(*(0.0 - float(np.expm1(b)) for b in (high, central, low))),
        steps=steps,
        steps_per_year=len(steps) * DAYS_PER_YEAR / told["span_days"],
        fall=0.0 - float(np.expm1(levels[-1] - levels[0] + central * years[-1])),
        **told,
    )


def _levels(years: FloatArray, logs: FloatArray, least_step: float) -> Starts:
    """Where each level starts, with one slope in all: from no slope and from that of the whole, the better fit."""
    scored: list[tuple[float, Starts]] = []
    for first in (0.0, _slope_within(years, logs, np.array([0]))):
        slope, starts = first, np.array([0])
        for _ in range(ROUNDS):
            starts = _level_starts(logs - slope * years, least_step)
            refined = _slope_within(years, logs, starts)
            if abs(refined - slope) < 1e-12:
                break
            slope = refined
        left = _left_over(logs - slope * years, starts)
        scored.append((len(logs) * np.log(left / len(logs) + 1e-12) + 3.0 * len(starts) * np.log(len(logs)), starts))
    return min(scored, key=lambda pair: (round(pair[0], 9), len(pair[1])))[1]


def _pairs_within(years: FloatArray, logs: FloatArray, starts: Starts) -> FloatArray:
    """Slopes of all pairs of days within one level, in order."""
    slopes = []
    for part in np.split(np.arange(len(logs)), starts[1:]):
        i, j = np.triu_indices(len(part), k=1)
        slopes.append((logs[part[j]] - logs[part[i]]) / (years[part[j]] - years[part[i]]))
    return np.sort(np.concatenate(slopes))


def _slope_within(years: FloatArray, logs: FloatArray, starts: Starts) -> float:
    return float(np.median(_pairs_within(years, logs, starts)))


def _slope_interval(
    years: FloatArray, logs: FloatArray, starts: Starts, confidence: float
) -> tuple[float, float, float]:
    """Low, central and high slope; of several levels by Sen's interval over the pairs within each of them.

    Kendall's statistic of independent groups has the sum of their variances (Hirsch, Slack and Smith, "Techniques of
    trend analysis for monthly water quality data", Water Resources Research 18 (1982), 107-121).
    """
    from scipy.stats import norm, theilslopes

    if len(starts) == 1:
        fit = theilslopes(logs, years, alpha=confidence)
        central = float(fit.slope)
        return min(float(fit.low_slope), central), central, max(float(fit.high_slope), central)
    slopes = _pairs_within(years, logs, starts)
    sizes = np.diff([*starts, len(logs)])
    deviation = float(np.sqrt(np.sum(sizes * (sizes - 1) * (2 * sizes + 5)) / 18.0))
    reach = float(norm.ppf(0.5 + confidence / 2.0)) * deviation
    below = max(round((len(slopes) - reach) / 2.0) - 1, 0)
    above = min(round((len(slopes) + reach) / 2.0), len(slopes) - 1)
    return float(slopes[below]), float(np.median(slopes)), float(slopes[above])


def _left_over(flat: FloatArray, starts: Starts) -> float:
    return float(sum(np.sum((part - part.mean()) ** 2) for part in np.split(flat, starts[1:])))


def _level_starts(flat: FloatArray, least_step: float) -> Starts:
    """First index of every level of a series without slope; [0] where it has one level."""
    n = len(flat)
    seen = flat.copy()
    if n > 2:  # a day that stands out alone is dropped; a step and a straight line pass unchanged
        seen[1:-1] = np.median(np.stack([flat[:-2], flat[1:-1], flat[2:]]), axis=0)
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(np.diff(flat)))) / np.sqrt(2.0)
    smallest = float(-np.log1p(-least_step))
    starts = _partition(seen, max(3.0 * sigma**2 * np.log(n), smallest**2))
    while len(starts) > 1:
        medians = np.array([np.median(part) for part in np.split(flat, starts[1:])])
        shifts = np.abs(np.diff(medians))
        least = int(np.argmin(shifts))
        if shifts[least] >= smallest:
            break
        starts = np.delete(starts, least + 1)
    return starts


def _partition(values: FloatArray, penalty: float) -> Starts:
    """Starts of the levels that fit best in squares when each further one costs a penalty (PELT)."""
    n, least = len(values), FEWEST_POINTS_A_LEVEL
    values = values - values.mean()
    sums = np.concatenate([[0.0], np.cumsum(values)])
    squares = np.concatenate([[0.0], np.cumsum(values**2)])
    cost = np.full(n + 1, np.inf)
    cost[0] = -penalty
    start_of = np.zeros(n + 1, dtype=np.int64)
    candidates = np.array([0], dtype=np.int64)
    pruned_from = np.full(n + 1, n + 1)
    for end in range(least, n + 1):
        length = end - candidates
        fit = squares[end] - squares[candidates] - (sums[end] - sums[candidates]) ** 2 / length
        total = cost[candidates] + np.maximum(fit, 0.0) + penalty
        best = int(np.argmin(total))
        cost[end], start_of[end] = total[best], candidates[best]
        # Pruning: a start that is worse even without the penalty never becomes the best again, once a level that
        # starts here is long enough to take its place.
        worse = candidates[total - penalty > cost[end]]
        pruned_from[worse] = np.minimum(pruned_from[worse], end + least)
        kept = candidates[pruned_from[candidates] > end + 1]
        candidates = np.append(kept, end - least + 1) if end - least + 1 >= least else kept
    starts, at = [], n
    while at > 0:
        at = int(start_of[at])
        starts.append(at)
    return np.array(starts[::-1], dtype=np.int64)
