"""Rows of marks on one axis: what charts with a row a chip, network or source have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import polars as pl
from matplotlib.axes import Axes

from reports.style import INK, LINE, WIDTH, Look, fit, text_width
from reports.words import listing, plural

__all__ = ["dodged", "expired_note", "inches", "left_room", "room_left_of", "row_names", "without_expired"]

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


def dodged(places: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """How far above or below their row's line square marks stand so that none hides another; all in inches.

    From the left each takes the height nearest to the line that is free: as few leave it, by as little, as can be.

    >>> dodged([0.0, 0.01, 0.02, 1.0], [0.1] * 4)
    [0.0, 0.1, -0.1, 0.0]
    >>> dodged([0.0, 1.5], [1.0, 1.0]), dodged([0.0, 1.5], [1.0, 2.5])
    ([0.0, 0.0], [0.0, 1.75])
    """
    heights = [0.0] * len(places)
    placed: list[int] = []
    for i in sorted(range(len(places)), key=lambda i: (places[i], i)):
        # (height, distance to keep) of what stands above or below where this one may come.
        near = [
            (heights[j], (sizes[i] + sizes[j]) / 2)
            for j in placed
            if places[i] - places[j] < (sizes[i] + sizes[j]) / 2 - 1e-9
        ]
        candidates = sorted([0.0, *(h + side * d for h, d in near for side in (1, -1))], key=lambda y: (abs(y), -y))
        heights[i] = next(y for y in candidates if all(abs(y - h) >= d - 1e-9 for h, d in near))
        placed.append(i)
    return heights


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
