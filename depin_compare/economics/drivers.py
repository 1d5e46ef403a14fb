"""The tornado: how far one input alone, from its low to its high end, moves a quantity at the horizon."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from depin_compare.bands import Band
from depin_compare.economics.nodes import NODE_UNITS
from depin_compare.economics.scenarios import Scenario, parameter_of

__all__ = ["Moved", "leading", "ranked", "unit_of"]

# Input, unit, band, and the result at the band's low and high end.
Moved = tuple[str, str, Band, float, float]

_UNITS = {
    "usd_per_accelerator_hour": "USD per accelerator-hour", "take_rate": "fraction",
    "log_ratio": "ln(reference / network)", **NODE_UNITS,
}  # fmt: skip


def unit_of(scenario: Scenario, name: str) -> str:
    """Unit of an input; whether an event happens is 0 or 1."""
    if name in scenario.parameters:
        return parameter_of(name).unit
    return _UNITS.get(name) or "1 if it happens, else 0"


def ranked(
    key: Mapping[str, object], quantity: str, at_horizon: float, moved: Sequence[Moved]
) -> list[dict[str, object]]:
    """Rows of `depin_compare.economics.outlook_frames.Drivers` of one tornado, the widest first."""

    def width(low: float, high: float) -> float:
        ends = (low, high, at_horizon)
        if all(map(math.isfinite, ends)):
            return max(ends) - min(ends)
        return 0.0 if len(set(ends)) == 1 else math.inf

    # Seven digits, as in the paths.
    rows: list[dict[str, Any]] = [
        {
            **key, "quantity": quantity, "input": name, "unit": unit, "input_low": band.low,
            "input_central": band.central, "input_high": band.high, "at_low": _seven(low), "at_high": _seven(high),
            "at_horizon": _seven(at_horizon), "swing": _seven(width(low, high)),
        }
        for name, unit, band, low, high in moved
    ]  # fmt: skip
    rows.sort(key=lambda row: (-row["swing"], row["input"]))
    return [{**row, "rank": rank} for rank, row in enumerate(rows, start=1)]


def leading(rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The two inputs that matter most; an input that moves nothing is none of them."""
    names = [row["input"] for row in rows if row["swing"]]
    return {f"driver_{n}": names[n - 1] if len(names) >= n else None for n in (1, 2)}


def _seven(value: float) -> float:
    return float(f"{value:.7g}")
