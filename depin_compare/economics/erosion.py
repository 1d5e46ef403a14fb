"""How advantage and margin move as cloud inference cost falls: the formulas of paths, headroom and dates."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np

from depin_compare.errors import ModelDomainError
from depin_compare.units import DAYS_PER_YEAR, FloatOrArray

__all__ = [
    "adopted_share",
    "breakeven_date",
    "breakeven_years",
    "cost_index",
    "headroom",
    "margin_headroom",
    "tenant_price",
]


def adopted_share(
    years: FloatOrArray,
    *,
    start_year: float,
    midpoint_year: FloatOrArray,
    slope_per_year: FloatOrArray,
    ceiling: FloatOrArray,
) -> FloatOrArray:
    r"""Share of the fleet on the new silicon, counted from today: 0 now, the ceiling at last. [fraction]

    Parameters
    ----------
    years : float or ndarray
        Years from today t, >= 0; before today the share is 0. [years]
    start_year : float
        Today as a decimal year, e.g. 2026.89.
    midpoint_year, slope_per_year, ceiling : float or ndarray
        Logistic t0 [decimal year], k > 0 [1/year] and s_max within 0..1 [fraction].
        A rise from 10% to 90% in w years is k = 2 ln 9 / w.

    Returns
    -------
    float or ndarray
        s(t), rising from 0 to at most ``ceiling``.

    Raises
    ------
    ModelDomainError
        If the slope is not positive or the ceiling outside 0..1.

    Notes
    -----
    .. math:: s(t) = s_{max} \frac{L(t) - L(0)}{1 - L(0)}, \quad L(t) = 1 / (1 + e^{-k (t - t_0)})

    The logistic is renormalised so that what was adopted before today counts as today's state.

    Examples
    --------
    >>> round(float(adopted_share(5.0, start_year=2026.9, midpoint_year=2027.5, slope_per_year=1.465, ceiling=0.5)), 3)
    0.499
    """
    if not np.all(np.asarray(slope_per_year) > 0):
        raise ModelDomainError(f"slope_per_year must be > 0, got {slope_per_year}")
    if not np.all((np.asarray(ceiling) >= 0) & (np.asarray(ceiling) <= 1)):
        raise ModelDomainError(f"ceiling must be within 0..1, got {ceiling}")
    elapsed = np.maximum(np.asarray(years, dtype=float), 0.0)
    to_midpoint = np.asarray(midpoint_year, dtype=float) - start_year
    # s = 1 - (1 - L(t)) / (1 - L(0)), in logs: of a curve that ran its course long ago 1 - L(0) is no longer a number.
    still_open = np.logaddexp(0.0, -slope_per_year * to_midpoint) - np.logaddexp(
        0.0, slope_per_year * (elapsed - to_midpoint)
    )
    share = 0.0 - ceiling * np.expm1(still_open)
    return float(share) if np.ndim(share) == 0 else share


def cost_index(
    years: FloatOrArray,
    *,
    decline_per_year: FloatOrArray = 0.0,
    adopted: FloatOrArray = 0.0,
    unit_cost_factor: FloatOrArray = 1.0,
) -> FloatOrArray:
    r"""Cloud unit cost as a multiple of today's. [-]

    Parameters
    ----------
    years : float or ndarray
        Years from today t, >= 0. [years]
    decline_per_year : float or ndarray
        Hardware cost decline h, 0 <= h < 1. [fraction per year]
    adopted : float or ndarray
        Share s(t) of the work on the new silicon, see `adopted_share`; 1 prices at the margin. [fraction]
    unit_cost_factor : float or ndarray
        Unit cost phi of the new silicon as a multiple of the old, > 0. [-]

    Returns
    -------
    float or ndarray
        x(t) = c(t)/c(0).

    Raises
    ------
    ModelDomainError
        If an argument is outside its range.

    Notes
    -----
    .. math:: c(t) = c(0) (1-h)^t [1 - s(t)(1-\phi)]

    Examples
    --------
    >>> round(cost_index(2.0, decline_per_year=0.27), 4), cost_index(1.0, adopted=1.0, unit_cost_factor=0.77)
    (0.5329, 0.77)
    """
    decline, share = np.asarray(decline_per_year, dtype=float), np.asarray(adopted, dtype=float)
    if not np.all((decline >= 0) & (decline < 1)):
        raise ModelDomainError(f"decline_per_year must be within 0..1, got {decline_per_year}")
    if not np.all((share >= 0) & (share <= 1)):
        raise ModelDomainError(f"adopted must be within 0..1, got {adopted}")
    if not np.all(np.asarray(unit_cost_factor) > 0):
        raise ModelDomainError(f"unit_cost_factor must be > 0, got {unit_cost_factor}")
    index = (1.0 - decline) ** years * (1.0 - share * (1.0 - np.asarray(unit_cost_factor)))
    return float(index) if np.ndim(index) == 0 else index


def tenant_price(
    usd_per_accelerator_hour: FloatOrArray, *, index: FloatOrArray, pass_through: FloatOrArray
) -> FloatOrArray:
    r"""Network price after clouds' cost moved to ``index`` times today's. [USD per accelerator-hour]

    Parameters
    ----------
    usd_per_accelerator_hour : float or ndarray
        Today's price p(0), >= 0. [USD per accelerator-hour]
    index : float or ndarray
        x(t) of `cost_index`, > 0, taken at t minus the lag. [-]
    pass_through : float or ndarray
        beta: the share of a relative cost fall that the network's price follows, 0 to 1. [fraction]

    Raises
    ------
    ModelDomainError
        If the pass-through is outside 0..1.

    Notes
    -----
    .. math:: p(t) = p(0) [1 - \beta (1 - x(t))]

    Examples
    --------
    >>> tenant_price(2.0, index=0.5, pass_through=0.5)
    1.5
    """
    beta = np.asarray(pass_through)
    if not np.all((beta >= 0) & (beta <= 1)):
        raise ModelDomainError(f"pass_through must be within 0..1, got {pass_through}")
    return usd_per_accelerator_hour * (1.0 - pass_through * (1.0 - index))


def headroom(usd_per_mtok_network: FloatOrArray, usd_per_mtok_reference: FloatOrArray) -> FloatOrArray:
    r"""How much further the reference may fall before the buyer's advantage is gone, network price unchanged.

    Parameters
    ----------
    usd_per_mtok_network, usd_per_mtok_reference : float or ndarray
        Unit prices of equal work, the first >= 0, the second > 0. [USD per Mtok]

    Returns
    -------
    float or ndarray
        H_a; negative when it is gone already. [fraction of today's reference]

    Raises
    ------
    ModelDomainError
        If a price is out of range.

    Notes
    -----
    .. math:: H_a = 1 - q_{net} / q_{ref}

    Examples
    --------
    >>> round(headroom(1.86, 6.88), 3)
    0.73
    """
    if not (np.all(np.asarray(usd_per_mtok_network) >= 0) and np.all(np.asarray(usd_per_mtok_reference) > 0)):
        raise ModelDomainError("usd_per_mtok_network must be >= 0 and usd_per_mtok_reference > 0")
    return 1.0 - usd_per_mtok_network / usd_per_mtok_reference


def margin_headroom(
    usd_per_accelerator_hour: FloatOrArray,
    breakeven_usd_per_accelerator_hour: FloatOrArray,
    *,
    pass_through: FloatOrArray,
) -> FloatOrArray:
    r"""How much further cloud cost may fall before the provider's full-cost margin is gone.

    Parameters
    ----------
    usd_per_accelerator_hour : float or ndarray
        Tenant price p, > 0. [USD per accelerator-hour]
    breakeven_usd_per_accelerator_hour : float or ndarray
        p*, see `depin_compare.economics.margins.breakeven_price`; may be infinite. [USD per accelerator-hour]
    pass_through : float or ndarray
        beta, 0 to 1. [fraction]

    Returns
    -------
    float or ndarray
        H_m, at most 1 (cost can't fall by more than all of it); negative when the margin is gone already;
        infinite ("no exposure") when nothing is passed through and the margin is there. [fraction]

    Raises
    ------
    ModelDomainError
        If the price is not positive or the pass-through outside 0..1.

    Notes
    -----
    .. math:: H_m = \min(1, (1 - p^*/p) / \beta)

    Examples
    --------
    >>> margin_headroom(2.0, 1.5, pass_through=0.5), margin_headroom(2.0, 1.5, pass_through=0.0)
    (0.5, inf)
    """
    beta = np.asarray(pass_through, dtype=float)
    if not np.all((beta >= 0) & (beta <= 1)):
        raise ModelDomainError(f"pass_through must be within 0..1, got {pass_through}")
    if not np.all(np.asarray(usd_per_accelerator_hour) > 0):
        raise ModelDomainError("usd_per_accelerator_hour must be > 0")
    room = 1.0 - np.asarray(breakeven_usd_per_accelerator_hour, dtype=float) / usd_per_accelerator_hour
    shape = np.broadcast(room, beta).shape
    exposed = np.divide(room, beta, out=np.where(np.broadcast_to(room, shape) >= 0, np.inf, -np.inf), where=beta > 0)
    capped = np.where(beta > 0, np.minimum(exposed, 1.0), exposed)
    return float(capped) if capped.ndim == 0 else capped


def breakeven_years(path: Callable[[float], float], *, horizon_years: float) -> float:
    """First moment at which a path is no longer above zero.

    Parameters
    ----------
    path : callable
        Value at t years from today, continuous.
    horizon_years : float
        How far to look, > 0. [years]

    Returns
    -------
    float
        0.0 when it is at or below zero today, infinity when it stays above until the horizon: "not reached"
        is an answer of its own, never the horizon. [years]

    Raises
    ------
    ModelDomainError
        If the horizon is not positive or the path is not a number somewhere.

    Notes
    -----
    The path is looked at monthly, so that the first of several crossings is found, and the crossing is then
    refined by Brent's method (scipy.optimize.brentq) to less than an hour.

    Examples
    --------
    >>> round(breakeven_years(lambda t: 6.88 * 0.73**t - 1.86, horizon_years=10), 1)
    4.2
    """
    from scipy.optimize import brentq

    if horizon_years <= 0:
        raise ModelDomainError(f"horizon_years must be > 0, got {horizon_years}")
    times = np.linspace(0.0, horizon_years, math.ceil(horizon_years * 12) + 1)
    values = np.array([path(float(t)) for t in times])
    if np.isnan(values).any():
        raise ModelDomainError(f"the path is not a number at t = {times[np.isnan(values)][0]:.2f} years")
    lost = np.flatnonzero(values <= 0)
    if lost.size == 0:
        return math.inf
    first = int(lost[0])
    if first == 0:
        return 0.0
    return float(brentq(path, times[first - 1], times[first], xtol=1e-5))


def breakeven_date(path: Callable[[float], float], *, start: date, horizon_years: float) -> date | None:
    """Day on which a path is first no longer above zero; None when that is not reached by the horizon.

    Parameters
    ----------
    path, horizon_years
        As in `breakeven_years`.
    start : date
        Today.

    Returns
    -------
    date or None
        ``start`` when it is lost already.

    Examples
    --------
    >>> breakeven_date(lambda t: 6.88 * 0.73**t - 1.86, start=date(2026, 11, 22), horizon_years=10)
    datetime.date(2031, 1, 18)
    """
    years = breakeven_years(path, horizon_years=horizon_years)
    return None if math.isinf(years) else start + timedelta(days=round(years * DAYS_PER_YEAR))
