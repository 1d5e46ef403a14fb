"""What an accelerator-hour costs its owner, and what a million tokens costs whoever pays for the hour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from depin_compare.errors import ModelDomainError
from depin_compare.units import BYTES_PER_GB, HOURS_PER_YEAR, TOKENS_PER_MTOK, FloatOrArray, usd_per_mtok

__all__ = [
    "capital_recovery_factor",
    "capital_usd_per_hour",
    "inference_cost",
    "power_usd_per_hour",
]


def _check(condition: bool | np.bool_ | npt.NDArray[np.bool_], rule: str, *seen: FloatOrArray) -> None:
    """Raise `ModelDomainError` unless the condition holds everywhere; what was seen is put in words only then."""
    if not np.all(condition):
        raise ModelDomainError(f"{rule}, got {', '.join(str(one) for one in seen)}" if seen else rule)


def capital_recovery_factor(cost_of_capital: FloatOrArray, life_years: FloatOrArray) -> FloatOrArray:
    r"""Share of a sum that, paid yearly in arrears, repays it with interest over its life.

    Parameters
    ----------
    cost_of_capital : float or ndarray
        Yearly rate r, >= 0; 0 gives straight-line repayment 1/n. [fraction per year]
    life_years : float or ndarray
        Life n, > 0. [years]

    Returns
    -------
    float or ndarray
        Yearly instalment as a fraction of the sum. [1/year]

    Raises
    ------
    ModelDomainError
        If the rate is negative or the life not positive.

    Notes
    -----
    .. math:: CRF = r (1+r)^n / ((1+r)^n - 1)

    The textbook annuity; e.g. NREL, "Manual for the Economic Evaluation of Energy Efficiency and Renewable
    Energy Technologies", NREL/TP-462-5173, 1995, section 2.

    Examples
    --------
    >>> round(capital_recovery_factor(0.12, 5), 6)
    0.27741
    """
    rate, life = np.asarray(cost_of_capital, dtype=float), np.asarray(life_years, dtype=float)
    _check(rate >= 0, "cost_of_capital must be >= 0", cost_of_capital)
    _check(life > 0, "life_years must be > 0", life_years)
    # expm1/log1p keep the ratio exact as the rate goes to zero, where the printed form is 0/0.
    safe = np.where(rate > 0, rate, 1.0)
    factor = np.where(rate > 0, safe / -np.expm1(-life * np.log1p(safe)), 1.0 / life)
    return float(factor) if factor.ndim == 0 else factor


def capital_usd_per_hour(
    capex_usd: FloatOrArray,
    *,
    salvage_usd: FloatOrArray = 0.0,
    cost_of_capital: FloatOrArray,
    life_years: FloatOrArray,
    stake_usd: FloatOrArray = 0.0,
) -> FloatOrArray:
    r"""Cost of capital and wear of one accelerator, per hour of calendar time. [USD per hour]

    Parameters
    ----------
    capex_usd : float or ndarray
        Price K of the accelerator with its share of the machine, >= 0. [USD]
    salvage_usd : float or ndarray
        What it sells for at the end of its life, S, 0 <= S. [USD]
    cost_of_capital : float or ndarray
        Yearly rate r, >= 0. [fraction per year]
    life_years : float or ndarray
        Years n until it is sold, > 0. [years]
    stake_usd : float or ndarray
        Collateral locked in the network's token, at today's price, >= 0; it costs its interest. [USD]

    Returns
    -------
    float or ndarray
        Hourly cost, every hour of the year, rented or not. [USD per hour]

    Raises
    ------
    ModelDomainError
        If an amount is negative, the rate is negative or the life not positive.

    Notes
    -----
    .. math:: k = (K - S/(1+r)^n) \, CRF(r, n) / 8760 + r \, stake / 8760

    Examples
    --------
    >>> round(capital_usd_per_hour(40_000, salvage_usd=8_000, cost_of_capital=0.12, life_years=5), 5)
    1.12296
    """
    _check(np.asarray(capex_usd) >= 0, "capex_usd must be >= 0", capex_usd)
    _check(np.asarray(salvage_usd) >= 0, "salvage_usd must be >= 0", salvage_usd)
    _check(np.asarray(stake_usd) >= 0, "stake_usd must be >= 0", stake_usd)
    factor = capital_recovery_factor(cost_of_capital, life_years)
    present_salvage = salvage_usd / (1.0 + cost_of_capital) ** life_years
    return (capex_usd - present_salvage) * factor / HOURS_PER_YEAR + cost_of_capital * stake_usd / HOURS_PER_YEAR


def power_usd_per_hour(
    *,
    load_kw: FloatOrArray,
    idle_kw: FloatOrArray,
    utilisation: FloatOrArray,
    pue: FloatOrArray,
    usd_per_kwh: FloatOrArray,
) -> FloatOrArray:
    r"""Electricity of one accelerator and its share of the machine, averaged over the hour. [USD per hour]

    Parameters
    ----------
    load_kw, idle_kw : float or ndarray
        Draw while rented and while idle, >= 0. [kW]
    utilisation : float or ndarray
        Share of hours rented, 0 to 1. [fraction]
    pue : float or ndarray
        Power usage effectiveness of the building, >= 1. [-]
    usd_per_kwh : float or ndarray
        Tariff, >= 0. [USD per kWh]

    Raises
    ------
    ModelDomainError
        Outside the ranges above.

    Notes
    -----
    .. math:: e \, PUE \, (k_l u + k_i (1 - u))

    Examples
    --------
    >>> round(power_usd_per_hour(load_kw=1.0, idle_kw=0.3, utilisation=0.7, pue=1.3, usd_per_kwh=0.08), 5)
    0.08216
    """
    u = np.asarray(utilisation)
    _check((u >= 0) & (u <= 1), "utilisation must be within 0..1", utilisation)
    _check(np.asarray(pue) >= 1, "pue must be >= 1", pue)
    _check(np.asarray(usd_per_kwh) >= 0, "usd_per_kwh must be >= 0", usd_per_kwh)
    _check((np.asarray(load_kw) >= 0) & (np.asarray(idle_kw) >= 0), "load_kw and idle_kw must be >= 0")
    return usd_per_kwh * pue * (load_kw * utilisation + idle_kw * (1.0 - utilisation))


def inference_cost(
    usd_per_accelerator_hour: FloatOrArray,
    tokens_per_second: FloatOrArray,
    *,
    buyer_fee: FloatOrArray = 0.0,
    reached_share: FloatOrArray = 1.0,
    availability: FloatOrArray = 1.0,
    rework_share: FloatOrArray = 0.0,
    duty_cycle: FloatOrArray = 1.0,
    bytes_out_per_token: FloatOrArray = 0.0,
    egress_usd_per_gb: FloatOrArray = 0.0,
) -> FloatOrArray:
    r"""Price of a million tokens bought by the accelerator-hour. [USD per Mtok]

    Parameters
    ----------
    usd_per_accelerator_hour : float or ndarray
        What the tenant pays, p, >= 0. [USD per accelerator-hour]
    tokens_per_second : float or ndarray
        T, per accelerator, at the stated service level, > 0. The same definition on both sides of a
        comparison; which tokens it counts decides which tokens the price is of. [tokens/s]
    buyer_fee : float or ndarray
        Fee added on the tenant's bill, f_b, >= 0. [fraction]
    reached_share : float or ndarray
        Share of T reached in practice, eta, 0 < eta <= 1 (confidential computing, mixed nodes). [fraction]
    availability : float or ndarray
        Share of paid time the node answers, A, 0 < A <= 1. [fraction]
    rework_share : float or ndarray
        Share of work lost at restarts, rho, 0 <= rho < 1. [fraction]
    duty_cycle : float or ndarray
        Share of rented hours that do work, U, 0 < U <= 1; the buyer's own, equal on both sides. [fraction]
    bytes_out_per_token : float or ndarray
        Traffic out, B, >= 0. [byte per token]
    egress_usd_per_gb : float or ndarray
        Price of it, g, >= 0, decimal gigabytes. [USD per GB]

    Returns
    -------
    float or ndarray
        [USD per million tokens]

    Raises
    ------
    ModelDomainError
        Outside the ranges above.

    Notes
    -----
    .. math:: q = \frac{p (1+f_b)}{3600\, T \eta A (1-\rho) U} 10^6 + B g \frac{10^6}{10^9}

    Examples
    --------
    >>> round(inference_cost(1.86, 1000.0), 4)
    0.5167
    """
    _check(np.asarray(usd_per_accelerator_hour) >= 0, "usd_per_accelerator_hour must be >= 0")
    _check(np.asarray(tokens_per_second) > 0, "tokens_per_second must be > 0; an unknown rate has no price")
    _check(np.asarray(buyer_fee) >= 0, "buyer_fee must be >= 0", buyer_fee)
    for name, share in (
        ("reached_share", reached_share),
        ("availability", availability),
        ("duty_cycle", duty_cycle),
    ):
        _check((np.asarray(share) > 0) & (np.asarray(share) <= 1), f"{name} must be within 0 (excluded) and 1")
    _check((np.asarray(rework_share) >= 0) & (np.asarray(rework_share) < 1), "rework_share must be within 0..1")
    effective = tokens_per_second * reached_share * availability * (1.0 - rework_share) * duty_cycle
    compute = usd_per_mtok(usd_per_accelerator_hour * (1.0 + buyer_fee), effective)
    return compute + bytes_out_per_token * egress_usd_per_gb * TOKENS_PER_MTOK / BYTES_PER_GB
