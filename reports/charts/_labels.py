"""Labels among lines and at their ends: each beside its own mark, or tied to it by a hairline."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation

from reports.style import INK, WIDTH, fit, text_width

__all__ = ["label_ends", "name_mark", "place_names"]

_SIZE = 6.3
# Labels among the lines: their ground hides the grid, and no line and no mark.
_LABEL = 5.8
_CLEAR: dict[str, Any] = {"zorder": 1.5, "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.3}}
_PALE = ("#8a8f98", "#93a0ac", "#b4bcc4", "#7fb8ae")


def _ink(colour: str) -> str:
    """What a series is named in: its colour, or ink where that is too pale for letters."""
    return INK if colour in _PALE else colour


def name_mark(axes: Axes, text: str, at: tuple[float, float], colour: str, gid: str) -> None:
    """The name of one mark, for `place_names` to put where there is room."""
    name = axes.annotate(
        text,
        at,
        xytext=(0, 0),
        textcoords="offset points",
        fontsize=_LABEL,
        color=_ink(colour),
        gid=gid,
        linespacing=1.0,
        arrowprops={"arrowstyle": "-", "lw": 0.5, "color": colour, "shrinkA": 0, "shrinkB": 2.2},
        **_CLEAR,
    )
    _tie(name, shown=False)


def _tie(name: Annotation, *, shown: bool) -> None:
    """Whether the hairline from a name to its mark is drawn."""
    if name.arrow_patch is not None:
        name.arrow_patch.set_visible(shown)


def place_names(axes: Axes) -> None:
    """Puts each name beside its own mark: of the places around it, where it lies on the least of all that is drawn.

    No other mark is as near to it; where it does not stand right beside its own, a hairline ties the two.
    """
    points = 72 / axes.figure.dpi
    drawn, marks = [], []
    for line in axes.lines:
        ends = line.get_transform().transform(line.get_xydata()) * points
        if line.get_linestyle() == "None":
            drawn += [ends] * 5  # a mark weighs more than a piece of a line
            marks.append(ends)
            continue
        if line.get_drawstyle() == "steps-post":
            ends = np.column_stack([np.repeat(ends[:, 0], 2)[1:], np.repeat(ends[:, 1], 2)[:-1]])
        drawn += [np.linspace(a, b, max(2, int(np.hypot(*(b - a))))) for a, b in itertools.pairwise(ends)]
    labels = [text for text in axes.texts if isinstance(text, Annotation)]
    for number in (t for t in labels if str(t.get_gid()).startswith("number:")):
        x, y = axes.transData.transform((number.xy[0], 1))[0] * points, axes.bbox.y1 * points + number.xyann[1]
        drawn.append(np.array([(x + i, y + j) for i in (-4, 0, 4) for j in (-4, 0, 4)] * 5))
    names = [t for t in labels if str(t.get_gid()).startswith("named:")]
    if not names:
        return
    taken, spots = np.concatenate(drawn), np.concatenate(marks)
    left, right, bottom, top = (v * points for v in (axes.bbox.x0, axes.bbox.x1, axes.bbox.y0, axes.bbox.y1))
    for name in names:
        words = name.get_text()
        own = axes.transData.transform(name.xy) * points
        others = spots[np.hypot(*(spots - own).T) > 0.5]
        best = math.inf
        # In one line or in two, near or farther off.
        for text, (gap, far) in itertools.product((words, "\n".join(words.rsplit(" ", 1))), _GAPS.items()):
            rows = text.split("\n")
            size = np.array([max(text_width(row, _LABEL) for row in rows) * 72, _LABEL * (1.15 * len(rows) - 0.15)])
            for (across, up), aside in _SIDES.items():
                shift = np.array([across * (gap if up == 0 else gap / 2), up * gap])
                low = own + shift - size * [(1 - across) / 2, (1 - up) / 2]
                high = low + size
                cost = int(((taken >= low - 2) & (taken <= high + 2)).all(axis=1).sum()) + far + aside
                cost += 2 * (text != words)
                if others.size and _distance(others, low, high).min() <= _distance(own[None], low, high)[0] + 1:
                    cost += 8
                cost += 1000 * bool(low[0] < left or high[0] > right or low[1] < bottom or high[1] > top)
                if cost < best:
                    best, place = cost, (low, size)
                    name.xyann = (float(shift[0]), float(shift[1]))
                    name.set(text=text, ha=("center", "left", "right")[across], va=("center", "bottom", "top")[up])
                    _tie(name, shown=bool(far or (across and up)))
        (x, y), (wide, tall) = place
        grid = [(x + i, y + j) for i in np.arange(0, wide, 2) for j in np.linspace(0, tall, 4)]
        taken = np.concatenate([taken, np.array(grid)])


# Points between a mark and its name, and where it may stand: how much of what is drawn each is worth avoiding.
_GAPS = {4.5: 0.0, 9.0: 2.0, 15.0: 4.0}
_SIDES = {
    (1, 0): 0.0, (-1, 0): 0.5, (0, 1): 1.0, (0, -1): 1.0, (1, 1): 2.0, (-1, 1): 2.0, (1, -1): 2.0, (-1, -1): 2.0,
}  # fmt: skip


def _distance(spots: np.ndarray[Any, Any], low: np.ndarray[Any, Any], high: np.ndarray[Any, Any]) -> Any:
    """How far each spot is from a box."""
    return np.hypot(*(np.clip(spots, low, high) - spots).T)


def label_ends(
    axes: Axes,
    ends: Sequence[tuple[float, str, str, float]],
    low: float,
    high: float,
    height: float,
    *,
    step: float = 0.12,
) -> None:
    """Labels right of the panel, pushed apart, each with a hairline from its own line's end.

    Ends are (height, text, colour, place in time), ``low`` and ``high`` the panel's edges, heights on the axis' scale.
    """
    tall, across = axes.get_position().height * height, axes.get_position().width * WIDTH
    first, last = axes.get_xlim()
    starts = [((x - first) / (last - first), (at - low) / (high - low)) for at, _, _, x in ends]
    order = sorted(range(len(ends)), key=lambda i: -starts[i][1])
    places = _apart([starts[i][1] for i in order], step / tall)
    edge = 1 + 0.11 / across
    # No two hairlines cross: of two neighbours that would, each takes the other's place.
    for _ in order:
        for k in range(len(order) - 1):
            (x, y), (x2, y2) = starts[order[k]], starts[order[k + 1]]
            later = max(x, x2)
            one, other = (
                b + (p - b) * (later - a) / (edge - a) for (a, b), p in (((x, y), places[k]), ((x2, y2), places[k + 1]))
            )
            if one < other:
                order[k], order[k + 1] = order[k + 1], order[k]
    for place, i in zip(places, order, strict=True):
        _, text, colour, _ = ends[i]
        axes.plot(
            [starts[i][0], edge], [starts[i][1], place], color=colour, lw=0.5, alpha=0.6, zorder=0.8,
            transform=axes.transAxes, clip_on=False, gid="lead",
        )  # fmt: skip
        axes.text(
            1 + 0.14 / across, place, fit(text, _SIZE, 1.55), transform=axes.transAxes, fontsize=_SIZE,
            color=_ink(colour), va="center", ha="left", gid="end",
        )  # fmt: skip


def _apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Places from the top down, ``gap`` apart and as near to those wanted as can be, all as shares of a panel's height.

    >>> [round(place, 2) for place in _apart([0.9, 0.5, 0.5, 0.1], 0.1)]
    [0.9, 0.55, 0.45, 0.1]
    """
    # Shifted by their gaps, places need only not rise: neighbours that would are pooled at their mean.
    pools: list[tuple[float, int]] = []
    for i, place in enumerate(wanted):
        mean, n = place + i * gap, 1
        while pools and pools[-1][0] < mean:
            before, m = pools.pop()
            mean, n = (before * m + mean * n) / (m + n), m + n
        pools.append((mean, n))
    least, most = (len(wanted) - 0.5) * gap, 1 - gap / 2
    shifted = [min(max(mean, least), most) for mean, n in pools for _ in range(n)]
    return [place - i * gap for i, place in enumerate(shifted)]
