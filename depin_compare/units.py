"""The only place where units are converted.

| constant | value | meaning |
|---|---|---|
| `HOURS_PER_DAY`, `HOURS_PER_WEEK` | 24, 168 | a week is the epoch of some networks' rewards |
| `HOURS_PER_YEAR` | 8760 | a 365-day year, the year of every cloud's reservation price |
| `HOURS_PER_MONTH` | 730 | a twelfth of it, the month of cloud price lists |
| `SECONDS_PER_HOUR` | 3600 | |
| `TOKENS_PER_MTOK` | 1e6 | prices are per million tokens |
| `BYTES_PER_GIB` | 2**30 | memory is bought in GiB, bandwidth quoted in decimal GB/s |
| `MICRO` | 1e6 | chains count in millionths of a token (uakt, uact, uusdc) |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "BYTES_PER_GB",
    "BYTES_PER_GIB",
    "DAYS_PER_YEAR",
    "HOURS_PER_DAY",
    "HOURS_PER_MONTH",
    "HOURS_PER_WEEK",
    "HOURS_PER_YEAR",
    "MICRO",
    "MONTHS_PER_YEAR",
    "SECONDS_PER_HOUR",
    "TOKENS_PER_MTOK",
    "FloatArray",
    "FloatOrArray",
    "usd_per_mtok",
]

HOURS_PER_DAY = 24.0
HOURS_PER_WEEK = 168.0
HOURS_PER_YEAR = 8760.0
HOURS_PER_MONTH = 730.0
MONTHS_PER_YEAR = 12.0
DAYS_PER_YEAR = 365.25
SECONDS_PER_HOUR = 3600.0
TOKENS_PER_MTOK = 1e6
BYTES_PER_GIB = float(2**30)
BYTES_PER_GB = 1e9
MICRO = 1e6

FloatArray = npt.NDArray[np.float64]
FloatOrArray = float | FloatArray


@overload
def usd_per_mtok(usd_per_hour: float, tokens_per_second: float) -> float: ...
@overload
def usd_per_mtok(usd_per_hour: FloatOrArray, tokens_per_second: FloatOrArray) -> FloatOrArray: ...
@overload
def usd_per_mtok(usd_per_hour: pl.Expr, tokens_per_second: pl.Expr) -> pl.Expr: ...
def usd_per_mtok(
    usd_per_hour: FloatOrArray | pl.Expr, tokens_per_second: FloatOrArray | pl.Expr
) -> FloatOrArray | pl.Expr:
    """Turn an hourly price and a token rate into a price per million tokens. [USD per Mtok]

    Numbers, arrays and column expressions alike.

    >>> round(usd_per_mtok(1.86, 1000.0), 4)
    0.5167
    """
    return usd_per_hour / (tokens_per_second * SECONDS_PER_HOUR) * TOKENS_PER_MTOK
