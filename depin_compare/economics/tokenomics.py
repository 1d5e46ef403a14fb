"""What the token pays: network take, subsidy, emission coverage, and burn net of re-mint."""

from __future__ import annotations

import numpy as np

from depin_compare.errors import ModelDomainError
from depin_compare.units import FloatOrArray

__all__ = [
    "burn_mint_supply_change",
    "emission_coverage",
    "network_take",
    "required_token_price",
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
