"""Rows of marks on one axis: what charts with a row a chip, network or source have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import polars as pl
from matplotlib.axes import Axes

from reports.style import INK, LINE, WIDTH, Look, fit, text_width
from reports.words import listing, plural

__all__ = ["expired_note", "inches", "lanes", "left_room", "room_left_of", "row_names", "without_expired"]

_NAME = 7.5


def left_room(names: Iterable[str], most: float = 2.4) -> float:
    """Inches that the names of the rows take at the left edge, at most ``most``."""
    return min(most, 0.18 + max((text_width(name, _NAME) for name in names), default=0.0))


def row_names(
    axes: Axes,
    names: Sequence[str],
    left: float,
    *,
    colours: Sequence[str] | None = None,
    at: Sequence[float] | None = None,
) -> None:
    """Names of rows at 0, 1, … or ``at`` other heights, at the left edge of the sheet, with a hairline through each."""
    heights = list(range(len(names))) if at is None else at
    for y in heights:
        axes.axhline(y, color=LINE, lw=0.5, zorder=0)
    axes.set_yticks(heights, [fit(name, _NAME, left - 0.1) for name in names], color=INK, ha="left")
    axes.tick_params(axis="y", pad=(left - 0.02) * 72)
    for label, colour in zip(axes.get_yticklabels(), colours or (), strict=False):
        label.set_color(colour)


def inches(axes: Axes, values: Iterable[float]) -> list[float]:
    """Where values of a log axis lie, in inches from its left end."""
    low, high = axes.get_xlim()
    span = math.log(high / low)
    width = axes.get_position().width * WIDTH
    return [math.log(value / low) / span * width for value in values]


def lanes(places: Sequence[float], *, apart: float | Sequence[float], most: int = 3) -> list[int]:
    """A lane for each of some marks in a row, so that marks closer than ``apart`` don't hide each other.

    Lane 0 is the row's own line; with more marks in one place than lanes, the fullest overlap least. Marks of different
    widths give one each.

    >>> lanes([0.0, 0.01, 0.02, 1.0], apart=0.1)
    [0, 1, -1, 0]
    >>> lanes([0.0, 0.09], apart=[0.08, 0.08]), lanes([0.0, 0.09], apart=[0.08, 0.14])
    ([0, 0], [0, 1])
    """
    widths = [apart] * len(places) if isinstance(apart, int | float) else list(apart)
    order = sorted(range(len(places)), key=lambda i: (places[i], i))
    # The right end of what stands in each lane.
    free = dict.fromkeys(sorted(range(-(most // 2), most - most // 2), key=lambda n: (abs(n), -n)), -math.inf)
    found = [0] * len(places)
    for i in order:
        open_lanes = [lane for lane, end in free.items() if places[i] - widths[i] / 2 >= end - 1e-9]
        lane = open_lanes[0] if open_lanes else min(free, key=lambda n: (free[n], abs(n)))
        found[i] = lane
        free[lane] = places[i] + widths[i] / 2
    return found


def room_left_of(low: float, high: float, width: float, labels: Iterable[tuple[float, float]]) -> float:
    """The lower end of a log axis at which every label (value, inches it needs to its left) has its room."""
    # A label of value v needs n inches: width * ln(v / low) / ln(high / low) = n, solved for low.
    lows = [math.log(low)]
    for value, needed in labels:
        share = min(needed / width, 0.6)
        lows.append((math.log(value) - share * math.log(high)) / (1 - share))
    return math.exp(min(lows))


def without_expired(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows whose age is within its limit, or judged by nobody, and the rest."""
    beyond = (pl.col("freshness") == "expired").fill_null(False)
    return frame.filter(~beyond), frame.filter(beyond)


def expired_note(look: Look, names: Iterable[str], most: int = 6) -> list[str]:
    """A line of the footer that names what is beyond its limit of age; none where nothing is."""
    found = [look.names(name) for name in dict.fromkeys(names)]
    if not found:
        return []
    more = [plural(len(found) - most, "other")] if len(found) > most else []
    return [f"Beyond its limit of age, so not drawn: {listing([*found[:most], *more])}."]
