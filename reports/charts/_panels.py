"""Small multiples of monthly paths: what margin erosion and advantage erosion have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Literal

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from reports.style import INK, LINE, MUTED, WIDTH, Look, Sheet, fit, wrap
from reports.words import aged, listing, percent

__all__ = [
    "FLOOR",
    "draw_path",
    "end_labels",
    "event_chances",
    "event_note",
    "fate",
    "floor_for",
    "floor_note",
    "floor_of",
    "is_below",
    "medians",
    "prepare",
    "row_label",
    "scenario_head",
    "span_of_dates",
    "tick_room",
    "years",
]

# A margin or advantage below this is drawn at the edge and named: -400% says no more than -100% to the eye. Panels
# that would be empty so go deeper, by powers of ten.
FLOOR = -1.0
_ALONG = 0.05  # of the floor: a line that ends so near to it runs along it
# Beneath -100%, where a step is a power of ten.
_DEEP, _POWERS, _POWERS_SIZE = "#f1f3f5", "powers of ten", 5.0


def years(values: pl.Series) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Dates as decimal years."""
    return np.array([v.year + (v.month - 1) / 12 + (v.day - 1) / 365 for v in values], dtype=float)


def span_of_dates(paths: pl.DataFrame) -> tuple[date, date]:
    """First and last date of paths that are not empty."""
    dates: list[date] = paths["date"].unique().sort().to_list()
    return dates[0], dates[-1]


def medians(paths: pl.DataFrame, quantity: str) -> pl.DataFrame:
    """Paths whose ``quantity`` is the median of the draws; a run that did not draw keeps its central path."""
    name = f"{quantity}_p50"
    return paths.with_columns(pl.coalesce(name, quantity).alias(quantity)) if name in paths.columns else paths


def event_chances(scenarios: pl.DataFrame | None) -> dict[str, float]:
    """Scenario -> how likely its event is, of those that have one."""
    if scenarios is None or "parameter" not in scenarios.columns:
        return {}
    # One that holds of a part of a scenario alone, as of one chip among several, is not the chance of the whole.
    found = scenarios.filter(pl.col("parameter") == "event_probability")
    return dict(found.select("scenario", "central").unique(subset="scenario", keep="first").iter_rows())


def event_note(look: Look, chances: Mapping[str, float], shown: Sequence[str]) -> str | None:
    """What a chart must say of events: its lines and bands are over draws with and without them."""
    told = [f"{look.names(s)} ({percent(chances[s])})" for s in shown if s in chances]
    if not told:
        return None
    return f"An event that may never happen: {listing(told)}; lines and bands are over all draws, with and without it."


def scenario_head(
    axes: Axes, sheet: Sheet, look: Look, scenario: str, chances: Mapping[str, float], *, gap: float
) -> None:
    """A scenario's title over its column, in up to three lines; an event says how likely it is."""
    chance = chances.get(scenario)
    box = axes.get_position()
    width = box.width * WIDTH + gap - 0.06
    size = 6.4 if width > 1 else 5.7
    lines = wrap(look.names(scenario), size, width, bold=True)
    kept = [fit(line, size, width, bold=True) for line in [*lines[:2], " ".join(lines[2:])] if line]
    high = box.height * sheet.height
    step, base = 0.105 / high, 0.045 / high
    if chance is not None:
        words = fit(f"{percent(chance)} chance", 5.6, width)
        axes.text(0, 1 + base, words, transform=axes.transAxes, fontsize=5.6, color=MUTED, style="italic",
                  va="bottom", gid=f"chance:{scenario}")  # fmt: skip
        base += 0.9 * step
    for i, line in enumerate(reversed(kept)):
        axes.text(0, 1 + base + i * step, line, transform=axes.transAxes, fontsize=size, weight="bold", va="bottom",
                  gid=f"scenario:{scenario}:{i}")  # fmt: skip


def row_label(
    sheet: Sheet, axes: Sequence[Axes], look: Look, network: str, chip: str | None, fresh: str | None
) -> None:
    """A network's name beside its rows of panels, with its chip, and how old its price is where it is not live."""
    boxes = [one.get_position() for one in axes]
    centre = (min(b.y0 for b in boxes) + max(b.y1 for b in boxes)) / 2
    colour = look.network(network)[0] if look.is_named(network) else INK
    lines = wrap(look.names(network), 8, 1.0, bold=True)
    kept = [fit(line, 8, 1.0, bold=True) for line in [lines[0], " ".join(lines[1:])] if line]
    told = [(line, 8.0, colour, "bold", 0.13) for line in kept]
    told += [(fit(look.names(chip), 6.3, 1.0), 6.3, MUTED, "normal", 0.105)] if chip else []
    old = look.not_live.get(network) or (f"{aged(fresh)} data" if aged(fresh) else "")
    told += [(fit(old, 6.0, 1.0), 6.0, MUTED, "normal", 0.1)] if old else []
    y = centre * sheet.height + sum(step for *_, step in told) / 2
    for i, (text, size, tint, weight, step) in enumerate(told):
        sheet.figure.text(0, y / sheet.height, text, fontsize=size, weight=weight, color=tint, va="top",
                          gid=f"row:{network}:{i}")  # fmt: skip
        y -= step


def fate(path: pl.DataFrame, quantity: str) -> str:
    """What becomes of one median path: ``"lost today"``, ``"lost 2029"``, or what is left at the end."""
    path = path.sort("month")
    lost = path.filter(pl.col(quantity) <= 0)
    start, end = path[quantity][0], path[quantity][-1]
    if lost.is_empty() or end > 0:
        return f"{'keeps' if lost.is_empty() else 'back to'} {percent(end)}"
    return "lost today" if start <= 0 else f"lost {lost['date'][0]:%Y}"


def floor_for(values: pl.Series, ends: Iterable[float] = ()) -> float:
    """How deep the panels of these values go: to -100%, or by powers of ten where most of them lie below that.

    One power deeper where one of ``ends``, the last values of lines, lies within 5% of the floor: a line that runs
    along it looks cut.

    >>> floor_for(pl.Series([0.4, -0.2, -7.0])), floor_for(pl.Series([0.4, -12.0, -48.0]))
    (-1.0, -100.0)
    >>> floor_for(pl.Series([0.4, -0.2, -0.97]), [-0.97]), floor_for(pl.Series([0.4, -0.2, -0.9]), [-0.9])
    (-10.0, -1.0)
    """
    known = values.drop_nulls().drop_nans()
    floor = FLOOR
    if known.filter(known < FLOOR).len() * 2 > known.len():
        # One line that falls without end does not press all others against the top.
        deep: float = known.quantile(0.1, interpolation="higher")  # type: ignore[assignment]  # not None: there are values
        floor = -(10.0 ** max(1, math.ceil(math.log10(-deep) - 1e-9)))
    last = [end for end in ends if math.isfinite(end)]
    while any(abs(end - floor) <= _ALONG * -floor for end in last):
        floor *= 10
    return floor


def floor_note(floors: Iterable[float]) -> str:
    """What the footer says of panels that go deeper than -100%; starts with a space."""
    return f" Below {percent(FLOOR)} the scale is in powers of ten." if min(floors, default=FLOOR) < FLOOR else ""


def tick_room(floors: Iterable[float]) -> float:
    """Inches left of panels that the names of their ticks need."""
    deepest = min(floors, default=FLOOR)
    return 0.42 if deepest == FLOOR else 0.58


def floor_of(axes: Axes) -> float:
    """How deep a prepared panel goes: its lowest tick."""
    return float(axes.get_yticks()[0])


def is_below(value: float | None, floor: float = FLOOR) -> bool:
    """Whether a value lies under the panels' floor."""
    return value is not None and value < floor


def prepare(
    axes: Axes,
    first: date,
    last: date,
    *,
    left: bool,
    bottom: bool,
    zero: str | None,
    few: bool = False,
    head: float = 0.0,
    foot: float = 0.0,
    floor: float = FLOOR,
) -> None:
    """Axes from ``floor`` to 100% over the horizon, with the zero line and, where asked, its label.

    ``few`` ticks are for panels of half an inch. ``head`` and ``foot`` are the shares of a panel kept for words above
    100% and beneath the floor. A deeper floor than -100% is reached in powers of ten: on a shade, and said at the axis.
    """
    start, end = first.year + (first.month - 1) / 12, last.year + (last.month - 1) / 12
    axes.set_xlim(start, max(end, start + 0.5))
    if floor < FLOOR:
        axes.set_yscale("symlog", linthresh=-FLOOR, linscale=1.0)
        axes.yaxis.set_minor_locator(NullLocator())
    low, high = axes.transScale.transform([(1.0, floor), (1.0, 1.0)])[:, 1]
    whole = (high - low) / (1 - head - foot)
    ends = axes.transScale.inverted().transform([(1.0, low - whole * foot), (1.0, high + whole * head)])[:, 1]
    axes.set_ylim(*ends)
    axes.axhline(0, color=INK, lw=0.9, ls=(0, (1, 1.5)), zorder=1.5, gid="zero")
    deep = [-(10.0**k) for k in range(1, round(math.log10(-floor)) + 1)]
    ticks = [*reversed(deep), -1.0, *([] if deep else [-0.5]), 0.0, *([] if deep else [0.5]), 1.0]
    named = [percent(t) if not few or t in (floor, FLOOR, 0.0, 1.0) else "" for t in ticks]
    axes.set_yticks(ticks, named if left else [""] * len(ticks), color=MUTED)
    axes.tick_params(axis="y", labelsize=6.3, pad=3)
    axes.grid(axis="y", color=LINE, lw=0.5)
    if deep:
        axes.axhspan(floor, FLOOR, color=_DEEP, lw=0, zorder=0, gid="powers")
    if deep and left:
        axes.annotate(_POWERS, (0, floor), xycoords=axes.get_yaxis_transform(), xytext=(-3, 7), ha="right", va="center",
                      textcoords="offset points", fontsize=_POWERS_SIZE, color=MUTED, style="italic",
                      annotation_clip=False, gid="powers")  # fmt: skip
    span = end - start
    step = 1 if span <= 4 else 2 if span <= 6 else 5 if span > 12 or few else 3
    marks = [y for y in range(int(start) + 1, int(end) + 1) if (y - int(end)) % step == 0]
    if few:
        marks = marks[-2:]
    axes.set_xticks(marks, [(f"\N{RIGHT SINGLE QUOTATION MARK}{y % 100:02}" if few else str(y)) for y in marks]
                    if bottom else [""] * len(marks))  # fmt: skip
    axes.tick_params(axis="x", labelsize=6.3)
    if zero:
        axes.text(
            end - 0.02 * span, 0.03, zero, fontsize=6, color=MUTED, va="bottom", ha="right", style="italic", gid="zero"
        )


def draw_path(
    axes: Axes,
    part: pl.DataFrame,
    quantity: str,
    *,
    colour: str,
    line: Literal["-", "--"] = "-",
    band: bool = True,
    ring: bool = True,
    step: int = 1,
    gid: str = "",
) -> None:
    """One median line with its band, the 10th to the 90th percentile, edged in the line's colour, in months.

    The line stops being drawn below the floor, where a triangle says so.
    With ``ring`` its first fall below zero is marked. Every ``step``-th month is a point of it, and the last. The band
    of a dashed line is paler and dashed at its edges.
    """
    every = part.sort("month")
    part = every.filter((pl.col("month") % step == 0) | (pl.col("month") == pl.col("month").max()))
    xs, floor = years(part["date"]), floor_of(axes)
    # Nothing is drawn beneath the floor, where words may stand.
    inside = Rectangle((0, floor), 1, axes.get_ylim()[1] - floor, transform=axes.get_yaxis_transform())
    if band and f"{quantity}_p10" in part.columns:
        low, high = part[f"{quantity}_p10"], part[f"{quantity}_p90"]
        if low.null_count() < part.height and high.null_count() < part.height:
            ends = [np.maximum(end.cast(pl.Float64).to_numpy(), floor * 1.2) for end in (low, high)]
            solid = line == "-"
            filled = axes.fill_between(xs, *ends, color=colour, alpha=0.16 if solid else 0.06, lw=0, gid=f"band:{gid}")
            filled.set_clip_path(inside)
            for end in ends:
                (edge,) = axes.plot(xs, end, color=colour, lw=0.5 if solid else 0.7, alpha=0.55 if solid else 0.8,
                                    ls="-" if solid else (0, (2, 2)), gid=f"edge:{gid}")  # fmt: skip
                edge.set_clip_path(inside)
    values = part[quantity].to_numpy()
    (drawn,) = axes.plot(xs, values, color=colour, lw=1.5 if line == "-" else 1.1, ls=line, gid=f"path:{gid}")
    drawn.set_clip_path(inside)
    crossing = every.filter(pl.col(quantity) <= 0)
    if ring and crossing.height and every[quantity][0] > 0:
        axes.plot(
            years(crossing["date"][:1]),
            [0],
            marker="o",
            ms=3.6,
            mfc="white",
            mec=colour,
            mew=1.0,
            clip_on=False,
            gid=f"breaks:{gid}",
            linestyle="none",
            zorder=4,
        )
    if is_below(part[quantity][-1], floor):
        below = every.filter(pl.col(quantity) < floor)
        axes.plot(
            years(below["date"][:1]),
            [floor * 0.95],
            marker="v",
            ms=6.2 if line == "-" else 3.0,  # of two on one place the smaller one stands within the larger
            mfc=colour,
            mec=colour if line == "-" else "white",
            mew=0.0 if line == "-" else 0.5,
            zorder=2.5 if line == "-" else 2.6,
            linestyle="none",
            gid=f"below:{gid}",
            clip_on=False,
        )


def end_labels(
    axes: Axes, ends: Sequence[tuple[float, str, str]], *, size: float = 6.3, gap: float = 1.12, lead: float = 0.0
) -> None:
    """Labels right of the ends of lines that stay within, pushed apart: (value, text, colour).

    ``gap`` is the distance of two labels in letter heights, ``lead`` the room, in inches, for a hairline from each
    line's end to its label; none leads to one that ends below the floor, where no line is.
    """
    box = axes.get_position()
    across, high = box.width * WIDTH, axes.bbox.height / axes.figure.dpi
    step = gap * size / 72 / high
    # From values to the share of the panel's height, on whatever scale.
    up = axes.transScale + axes.transLimits
    ordered = sorted(ends, key=lambda end: -end[0])
    floor, top = floor_of(axes), axes.get_ylim()[1]
    heights = [float(up.transform((1.0, min(max(value, floor), top)))[1]) for value, _, _ in ordered]
    places = [min(max(height, 0.025), 0.985) for height in heights]
    for i in range(1, len(places)):
        places[i] = min(places[i], places[i - 1] - step)
    lowest = 0.025
    for i in range(len(places) - 1, -1, -1):
        places[i] = max(places[i], lowest)
        lowest = places[i] + step
    for y, height, (value, text, colour) in zip(places, heights, ordered, strict=True):
        if lead and not is_below(value, floor):
            axes.plot(
                [1 + 0.03 / across, 1 + (lead - 0.02) / across], [height, y], color=colour, lw=0.5, alpha=0.7,
                transform=axes.transAxes, clip_on=False, gid="lead",
            )  # fmt: skip
        axes.annotate(
            text,
            (1.0, y),
            xycoords="axes fraction",
            xytext=(72 * lead or 3, 0),
            textcoords="offset points",
            fontsize=size,
            color=colour,
            va="center",
            ha="left",
            annotation_clip=False,
            gid="end",
        )
