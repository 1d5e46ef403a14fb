"""What the token pays: network take, subsidy, emission coverage, and burn net of re-mint."""

from __future__ import annotations

import numpy as np

from depin_compare.errors import ModelDomainError
from depin_compare.units import MONTHS_PER_YEAR, FloatOrArray

__all__ = [
    "burn_mint_supply_change",
    "cumulative_emission",
    "emission_coverage",
    "network_take",
    "network_take_of_fees",
    "required_token_price",
    "scheduled_emission",
    "subsidy_gap",
    "subsidy_usd_per_hour",
]


def _positive(name: str, value: FloatOrArray) -> None:
    if not np.all(np.asarray(value) > 0):
        raise ModelDomainError(f"{name} must be > 0, got {value}; unknown is not zero")


def network_take(provider_receipts_usd: FloatOrArray, tenant_payments_usd: FloatOrArray) -> FloatOrArray:
    r"""Share of the tenants' payments that never reaches providers, emissions left out. [fraction]

    Raises
    ------
    ModelDomainError
        If the payments are not positive.

    Notes
    -----
    .. math:: f = 1 - receipts / payments

    Examples
    --------
    >>> round(network_take(96.0, 100.0), 4)
    0.04
    """
    _positive("tenant_payments_usd", tenant_payments_usd)
    return 1.0 - provider_receipts_usd / tenant_payments_usd


def network_take_of_fees(
    *, take_rate: FloatOrArray, buyer_fee: FloatOrArray = 0.0, mint_settle_spread: FloatOrArray = 0.0
) -> FloatOrArray:
    r"""`network_take` from the fees a network publishes. [fraction]

    Parameters
    ----------
    take_rate : float or ndarray
        Share f kept from the provider, 0 to 1. [fraction]
    buyer_fee : float or ndarray
        Fee f_b added to the tenant's bill, >= 0. [fraction]
    mint_settle_spread : float or ndarray
        Share s lost between buying credits and being paid for them in a burn-mint equilibrium, 0 to 1; what the
        token's price does in between comes on top, with either sign. [fraction]

    Raises
    ------
    ModelDomainError
        If a share lies outside 0..1 or the fee is negative.

    Notes
    -----
    .. math:: 1 - \frac{(1 - f)(1 - s)}{1 + f_b}

    Examples
    --------
    Akash before and since 23 March 2026, io.net paid in USDC:

    >>> round(network_take_of_fees(take_rate=0.04), 4)
    0.04
    >>> round(network_take_of_fees(take_rate=0.0, mint_settle_spread=0.0025), 4)
    0.0025
    >>> round(network_take_of_fees(take_rate=0.0225, buyer_fee=0.0225), 4)
    0.044
    """
    for name, share in (("take_rate", take_rate), ("mint_settle_spread", mint_settle_spread)):
        if not np.all((np.asarray(share) >= 0) & (np.asarray(share) <= 1)):
            raise ModelDomainError(f"{name} must be within 0..1, got {share}")
    if not np.all(np.asarray(buyer_fee) >= 0):
        raise ModelDomainError(f"buyer_fee must be >= 0, got {buyer_fee}")
    return network_take((1.0 - take_rate) * (1.0 - mint_settle_spread), 1.0 + buyer_fee)


def scheduled_emission(
    month: FloatOrArray,
    *,
    launch_supply: FloatOrArray,
    rate_first_year: FloatOrArray,
    decline_per_month: FloatOrArray,
    months: FloatOrArray = np.inf,
) -> FloatOrArray:
    r"""Tokens a disinflationary schedule emits in one month. [token per month]

    Parameters
    ----------
    month : float or ndarray
        Months since the start, whole; 0 is the first. [months]
    launch_supply : float or ndarray
        Supply at the start, > 0. [token]
    rate_first_year : float or ndarray
        Yearly rate of the first month, >= 0. [fraction of launch supply per year]
    decline_per_month : float or ndarray
        Fall from one month to the next d, 0 <= d < 1. [fraction per month]
    months : float or ndarray
        Length of the schedule; before its start and after its end nothing is emitted. [months]

    Raises
    ------
    ModelDomainError
        If the supply is not positive, the rate negative or the decline outside 0..1.

    Notes
    -----
    .. math:: e_m = \frac{r}{12} S_0 (1 - d)^m

    Examples
    --------
    io.net's schedule of June 2024, in millions:

    >>> round(scheduled_emission(0, launch_supply=500.0, rate_first_year=0.08, decline_per_month=0.0102), 3)
    3.333
    """
    _check_schedule(launch_supply, rate_first_year, decline_per_month)
    first = np.asarray(launch_supply, dtype=float) * rate_first_year / MONTHS_PER_YEAR
    running = (np.asarray(month) >= 0) & (np.asarray(month) < months)
    emitted = np.where(running, first * (1.0 - np.asarray(decline_per_month)) ** np.where(running, month, 0.0), 0.0)
    return float(emitted) if emitted.ndim == 0 else emitted


def cumulative_emission(
    months: FloatOrArray,
    *,
    launch_supply: FloatOrArray,
    rate_first_year: FloatOrArray,
    decline_per_month: FloatOrArray,
) -> FloatOrArray:
    r"""Tokens the schedule of `scheduled_emission` emits in its first ``months`` months. [token]

    Parameters
    ----------
    months : float or ndarray
        How many months, >= 0. [months]
    launch_supply, rate_first_year, decline_per_month
        As in `scheduled_emission`; a decline of 0 emits the same every month.

    Raises
    ------
    ModelDomainError
        As in `scheduled_emission`, or if the number of months is negative.

    Notes
    -----
    .. math:: E_n = \frac{r}{12} S_0 \frac{1 - (1 - d)^n}{d}

    Examples
    --------
    >>> schedule = dict(launch_supply=500.0, rate_first_year=0.08, decline_per_month=0.0102)
    >>> round(cumulative_emission(24, **schedule), 1), round(cumulative_emission(240, **schedule), 1)
    (71.3, 298.9)
    """
    _check_schedule(launch_supply, rate_first_year, decline_per_month)
    if not np.all(np.asarray(months) >= 0):
        raise ModelDomainError(f"months must be >= 0, got {months}")
    first = np.asarray(launch_supply, dtype=float) * rate_first_year / MONTHS_PER_YEAR
    decline = np.asarray(decline_per_month, dtype=float)
    safe = np.where(decline > 0, decline, 1.0)
    spans = np.where(decline > 0, -np.expm1(months * np.log1p(-np.where(decline > 0, decline, 0.0))) / safe, months)
    total = first * spans
    return float(total) if total.ndim == 0 else total


def _check_schedule(supply: FloatOrArray, rate: FloatOrArray, decline: FloatOrArray) -> None:
    _positive("launch_supply", supply)
    if not np.all(np.asarray(rate) >= 0):
        raise ModelDomainError(f"rate_first_year must be >= 0, got {rate}")
    if not np.all((np.asarray(decline) >= 0) & (np.asarray(decline) < 1)):
        raise ModelDomainError(f"decline_per_month must be within 0..1 (excluded), got {decline}")


def subsidy_usd_per_hour(
    tokens_to_providers: FloatOrArray, *, usd_per_token: FloatOrArray, accelerator_hours: FloatOrArray
) -> FloatOrArray:
    r"""Token rewards per accelerator-hour, at a token price. [USD per accelerator-hour]

    Parameters
    ----------
    tokens_to_providers : float or ndarray
        Emitted to providers in the period, >= 0. [token]
    usd_per_token : float or ndarray
        Price the rewards are valued at, > 0. [USD per token]
    accelerator_hours : float or ndarray
        Rented hours of the period, or online hours: two different, both useful answers; > 0. [hours]

    Raises
    ------
    ModelDomainError
        If the price or the hours are not positive.

    Examples
    --------
    25 RENDER per 168-hour epoch at 1.85 USD:

    >>> round(subsidy_usd_per_hour(25.0, usd_per_token=1.85, accelerator_hours=168.0), 3)
    0.275
    """
    _positive("usd_per_token", usd_per_token)
    _positive("accelerator_hours", accelerator_hours)
    return tokens_to_providers * usd_per_token / accelerator_hours


def subsidy_gap(
    usd_per_accelerator_hour: FloatOrArray, breakeven_usd_per_accelerator_hour: FloatOrArray
) -> FloatOrArray:
    r"""What a rented hour must be subsidised by for the provider to break even. [USD per accelerator-hour]

    Divide by the token's price for the gap in tokens.

    Notes
    -----
    .. math:: gap = \max(0, p^* - p)

    Examples
    --------
    >>> round(subsidy_gap(1.86, 1.983), 3), subsidy_gap(2.35, 1.983)
    (0.123, 0.0)
    """
    gap = np.maximum(0.0, np.asarray(breakeven_usd_per_accelerator_hour) - usd_per_accelerator_hour)
    return float(gap) if gap.ndim == 0 else gap


def emission_coverage(
    revenue_usd: FloatOrArray, *, tokens_to_providers: FloatOrArray, usd_per_token: FloatOrArray
) -> FloatOrArray:
    r"""Customer revenue over the value of provider emissions of the same period. [-]

    Revenue leaves out sponsored and internal use. The ratio rises when the token falls, so show it at the
    period's price, at today's and at a stressed one.

    Raises
    ------
    ModelDomainError
        If emission or price is not positive.

    Examples
    --------
    io.net, first quarter of 2025: 5.7 million USD of revenue on 16.9 million USD of emissions:

    >>> round(emission_coverage(5.7e6, tokens_to_providers=16.9e6, usd_per_token=1.0), 2)
    0.34
    """
    _positive("tokens_to_providers", tokens_to_providers)
    _positive("usd_per_token", usd_per_token)
    return revenue_usd / (tokens_to_providers * usd_per_token)


def required_token_price(gap_usd_per_hour: FloatOrArray, tokens_per_hour: FloatOrArray) -> FloatOrArray:
    r"""Token price at which rewards of ``tokens_per_hour`` close a subsidy gap. [USD per token]

    Raises
    ------
    ModelDomainError
        If no tokens are paid: no price closes the gap.

    Examples
    --------
    >>> round(required_token_price(0.10, 25.0 / 168.0), 3)
    0.672
    """
    _positive("tokens_per_hour", tokens_per_hour)
    return gap_usd_per_hour / tokens_per_hour


def burn_mint_supply_change(
    usage_usd: FloatOrArray, *, usd_per_token_at_mint: FloatOrArray, usd_per_token_at_settlement: FloatOrArray
) -> FloatOrArray:
    r"""Net change of token supply when credits are bought at one price and paid out at another. [token]

    In a burn-mint equilibrium the burn is temporary: the tenant burns tokens for dollar credits, and the
    provider is paid in tokens minted anew at settlement. Only the difference changes the supply.

    Raises
    ------
    ModelDomainError
        If a price is not positive.

    Notes
    -----
    .. math:: \Delta = usage (1/P_{settle} - 1/P_{mint})

    Akash Enhancement Proposal 76; the sign follows its worked example (its line 110 prints the opposite).

    Examples
    --------
    >>> round(burn_mint_supply_change(1000.0, usd_per_token_at_mint=1.14, usd_per_token_at_settlement=1.50), 1)
    -210.5
    """
    _positive("usd_per_token_at_mint", usd_per_token_at_mint)
    _positive("usd_per_token_at_settlement", usd_per_token_at_settlement)
    return usage_usd * (1.0 / usd_per_token_at_settlement - 1.0 / usd_per_token_at_mint)
