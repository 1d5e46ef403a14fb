"""The decline of hardware cost taken from the stored history in place of a scenario's, where that is long enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import dataframely as dy
import polars as pl

from depin_compare.bands import Band
from depin_compare.economics.scenarios import BASE, Scenario, ScenarioValues
from depin_compare.market.dated_prices import TrendFits
from depin_compare.market.overrides import UserChanges

__all__ = ["DECLINE_FROM", "HISTORY_SOURCE", "Decline", "decline_from_history"]

DECLINE_FROM = ("assumption", "history")
# What a value that was fitted to the store names as its source.
HISTORY_SOURCE = "your-store"
PARAMETER = "hardware_decline_per_year"
# A decline outside of these is none the paths are made for: hardware that gets dearer, or is nearly free in a year.
LEAST, MOST = 0.0, 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """Scenarios and their values with the decline in force, and what to tell of it."""

    scenarios: tuple[Scenario, ...]
    values: dy.DataFrame[ScenarioValues]
    change: dy.DataFrame[UserChanges]


def decline_from_history(
    scenarios: Sequence[Scenario], values: dy.DataFrame[ScenarioValues], fits: dy.DataFrame[TrendFits] | None
) -> Decline:
    """Replace base's hardware decline, and that of every scenario that takes base's, by what the history says.

    Parameters
    ----------
    scenarios : sequence of Scenario
        A scenario with a decline of its own keeps it.
    values : DataFrame[ScenarioValues]
        The same scenarios' values.
    fits : DataFrame[TrendFits], optional
        One row, from `depin_compare.market.dated_prices.stored_decline`; none where nothing is stored.

    Returns
    -------
    Decline
        ``change`` has one row. Where the history is too short, or says what the paths can't take, it is not
        ``in_force``, its note has the reason, and everything else comes back as it was.
    """
    told = None if fits is None or fits.is_empty() else fits.row(0, named=True)
    before = values.filter(pl.col("scenario") == BASE, pl.col("parameter") == PARAMETER)
    assumed = {one.parameters[PARAMETER] for one in scenarios}
    base = (
        Band(*before.select("low", "central", "high").row(0)) if before.height else next(iter(assumed), None)
    )  # fmt: skip
    band, note = _band(told)
    change = UserChanges.validate(
        pl.DataFrame(
            [
                {
                    "table": "assumptions", "key": f"{BASE}.{PARAMETER}", "unit": "fraction per year",
                    "before": base.central if base else None, "after": band.central if band else None,
                    "valid_from": None, "valid_to": None, "in_force": band is not None, "note": note,
                }
            ],
            schema=UserChanges.create_empty().schema,
        )
    )  # fmt: skip
    if band is None or base is None:
        return Decline(scenarios=tuple(scenarios), values=values, change=change)
    low, central, high = band.low, band.central, band.high
    # A scenario of the user's that starts from base has base's values in rows of its own.
    mine = (pl.col("parameter") == PARAMETER) & pl.all_horizontal(
        pl.col(end) == value for end, value in (("low", base.low), ("central", base.central), ("high", base.high))
    )
    ends = {"low": low, "central": central, "high": high, "source_id": HISTORY_SOURCE, "note": note}
    replaced = values.with_columns(
        *(pl.when(mine).then(pl.lit(value)).otherwise(name).alias(name) for name, value in ends.items()),
        pl.when(mine).then(pl.lit("measured")).otherwise(pl.col("kind").cast(pl.String)).alias("kind"),
    )
    return Decline(
        scenarios=tuple(
            replace(one, parameters={**one.parameters, PARAMETER: band}) if one.parameters[PARAMETER] == base else one
            for one in scenarios
        ),
        values=ScenarioValues.validate(replaced, cast=True),
        change=change,
    )


def _band(told: dict[str, object] | None) -> tuple[Band | None, str]:
    """The decline of a fit as the paths take it, or None; and where it is from, or why there is none."""
    kept = "the scenario's assumption stays in force"
    if told is None:
        return None, f"decline_from = history, but the store holds no prices; {kept}"
    if told["state"] != "fitted":
        why = told["reason"] or "the stored prices are those of price lists, which sit still and say no slope"
        return None, f"decline_from = history, but {why}; {kept}"
    low, central, high = (float(str(told[f"decline_per_year{end}"])) for end in ("_low", "", "_high"))
    seen = f"index of stored on-demand prices, {told['first']} to {told['last']}"
    if not LEAST <= central <= MOST:
        moved = f"rose by {-central:.1%}" if central < LEAST else f"fell by {central:.1%}"
        return None, f"decline_from = history, but prices {moved} a year ({seen}); {kept}"
    return Band(max(low, LEAST), central, min(high, MOST)), seen
