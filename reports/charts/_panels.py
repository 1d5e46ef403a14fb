"""Small multiples of monthly paths: what margin erosion and advantage erosion have in common."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from reports.style import INK, LINE, MUTED
from reports.words import percent

__all__ = ["FLOOR", "draw_path", "end_labels", "end_words", "prepare", "span_of_dates"]

# A margin or advantage below this is drawn at the edge and named: -400 % says no more than -100 % to the eye.
FLOOR = -1.0


def years(values: pl.Series) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Dates as decimal years."""
    return np.array([v.year + (v.month - 1) / 12 + (v.day - 1) / 365 for v in values], dtype=float)


def span_of_dates(paths: pl.DataFrame) -> tuple[date, date]:
    """First and last date of paths that are not empty."""
    dates: list[date] = paths["date"].unique().sort().to_list()
    return dates[0], dates[-1]


def prepare(axes: Axes, first: date, last: date, *, left: bool, bottom: bool, zero: str | None) -> None:
    """Axes from -100 % to 100 % over the horizon, with the zero line and, where asked, its label."""
    start, end = first.year + (first.month - 1) / 12, last.year + (last.month - 1) / 12
    axes.set_xlim(start, max(end, start + 0.5))
    axes.set_ylim(FLOOR, 1.0)
    axes.axhline(0, color=INK, lw=0.9, ls=(0, (1, 1.5)), zorder=1.5, gid="zero")
    ticks = [-1.0, -0.5, 0.0, 0.5, 1.0]
    axes.set_yticks(ticks, ["", *(percent(t) for t in ticks[1:-1]), ""] if left else [""] * len(ticks), color=MUTED)
    axes.tick_params(axis="y", labelsize=6.5, pad=3)
    axes.grid(axis="y", color=LINE, lw=0.5)
    span = end - start
    step = 1 if span <= 4 else 2 if span <= 6 else 5 if span > 12 else 3
    marks = [y for y in range(int(start) + 1, int(end) + 1) if (y - int(end)) % step == 0]
    axes.set_xticks(marks, [str(y) for y in marks] if bottom else [""] * len(marks))
    axes.tick_params(axis="x", labelsize=6.5)
    if zero:
        axes.text(
            end - 0.02 * span, 0.03, zero, fontsize=6, color=MUTED, va="bottom", ha="right", style="italic", gid="zero"
        )


def draw_path(
    axes: Axes, part: pl.DataFrame, quantity: str, *, colour: str, line: str = "-", band: bool = True, gid: str = ""
) -> None:
    """One central line with its band, the 10th to the 90th percentile, in months.

    The line stops being drawn below the floor, where an arrow says so.
    """
    part = part.sort("month")
    xs = years(part["date"])
    if band and f"{quantity}_p10" in part.columns:
        low, high = part[f"{quantity}_p10"], part[f"{quantity}_p90"]
        if low.null_count() < part.height and high.null_count() < part.height:
            axes.fill_between(
                xs,
                np.maximum(low.cast(pl.Float64).to_numpy(), FLOOR * 1.2),
                np.maximum(high.cast(pl.Float64).to_numpy(), FLOOR * 1.2),
                color=colour,
                alpha=0.16,
                lw=0,
                gid=f"band:{gid}",
            )
    axes.plot(xs, part[quantity].to_numpy(), color=colour, lw=1.5 if line == "-" else 1.1, ls=line, gid=f"path:{gid}")
    crossing = part.filter(pl.col(quantity) <= 0)
    if crossing.height and part[quantity][0] > 0:
        axes.plot(
            years(crossing["date"][:1]),
            [0],
            marker="o",
            ms=3.6,
            mfc="white",
            mec=colour,
            mew=1.0,
            gid=f"breaks:{gid}",
            linestyle="none",
            zorder=4,
        )
    if part[quantity][-1] is not None and part[quantity][-1] < FLOOR:
        below = part.filter(pl.col(quantity) < FLOOR)
        axes.plot(
            years(below["date"][:1]),
            [FLOOR * 0.95],
            marker="v",
            ms=3.5,
            color=colour,
            linestyle="none",
            gid=f"below:{gid}",
            clip_on=False,
        )


def end_words(value: float) -> str:
    """What stands at a line's end: its value, or that it left the panel."""
    return percent(value) if value >= FLOOR else f"< {percent(FLOOR)}"


def end_labels(axes: Axes, ends: Sequence[tuple[float, str, str]], *, size: float = 6.3, gap: float = 0.13) -> None:
    """Labels right of the lines' ends, pushed apart where they would overlap: (value, text, colour)."""
    ordered = sorted(ends, key=lambda end: -end[0])
    places = [min(max(value, FLOOR + 0.05), 0.97) for value, _, _ in ordered]
    for i in range(1, len(places)):
        places[i] = min(places[i], places[i - 1] - gap)
    lowest = FLOOR + 0.05
    for i in range(len(places) - 1, -1, -1):
        places[i] = max(places[i], lowest)
        lowest = places[i] + gap
    for y, (_, text, colour) in zip(places, ordered, strict=True):
        axes.annotate(
            text,
            (1.0, y),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            fontsize=size,
            color=colour,
            va="center",
            ha="left",
            annotation_clip=False,
        )
