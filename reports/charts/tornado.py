"""The tornado: which inputs, each alone between its low and its high end, decide where a network stands in the end."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.style import INK, LINE, MUTED, WIDTH, Key, Look, Sheet, empty, fit, styled, text_width
from reports.view import future_pair, network_order, ordered_scenarios, plain
from reports.words import input_words, listing, of_networks, percent, plural

__all__ = ["MOST_INPUTS", "MOST_NETWORKS", "tornado"]

MOST_NETWORKS = 6
MOST_INPUTS = 6
_MOST_HEIGHT = 8.5  # inches of the chart; four networks are drawn whatever they need
_LEAST_NETWORKS = 4
_FLOOR, _CEILING, _WHOLE = -1.5, 1.25, 1.0
# An axis goes on to here where all bars then fit.
_STRETCH = -2.5
# Inches beside and between the two columns, and what is left for each.
_LEFT, _GAP, _RIGHT = 1.95, 2.02, 0.12
_PANEL = (WIDTH - _LEFT - _GAP - _RIGHT) / 2
_SIZE = 5.2  # of the numbers beside the bars
_OUTLINE = 0.2  # of a bar's length, at most
_SAME_CHIP = "tokens_per_second"  # of a cloud and a network that sell one chip
_CUT = "\N{BLACK LEFT-POINTING SMALL TRIANGLE} "
_COLUMNS = (
    ("advantage", "Buyer's lead over list price"),
    ("full_margin_new_node", "Margin of a node bought then"),
)


def finding(shown: pl.DataFrame) -> str:
    """The title: the input that decides most often for buyers and for suppliers; true of any rows."""
    leads = []
    for quantity, words in (("advantage", "the buyer's lead"), ("full_margin_new_node", "the supplier's margin")):
        first = shown.filter((pl.col("quantity") == quantity) & (pl.col("rank") == 1) & (pl.col("swing") > 0))
        if first.is_empty():
            continue
        name, times = sorted(Counter(first["input"].to_list()).items(), key=lambda pair: (-pair[1], pair[0]))[0]
        n = first["network"].n_unique()
        leads.append((input_words(name), words + (f" of {of_networks(times, n)}" if n > 1 else "")))
    if len(leads) == 2 and leads[0][0] == leads[1][0]:
        told = [f"{leads[0][0]} decides most, over {leads[0][1]} and over {leads[1][1]}"]
    else:
        told = [f"{name} {'decides most ' if i == 0 else ''}over {what}" for i, (name, what) in enumerate(leads)]
    text = "; ".join(told)
    return text[0].upper() + text[1:] if text else "No input moves any outlook"


@styled
def tornado(
    headlines: pl.DataFrame, drivers: pl.DataFrame, paths: pl.DataFrame, look: Look, *, scenario: str | None = None
) -> Figure:
    """Draw bars from the result at an input's low end to that at its high end, the widest on top.

    Parameters
    ----------
    headlines : Headlines
        The networks and their order.
    drivers : Drivers
        Rows at fleet-average pricing are drawn.
    paths : AdvantagePaths
        Says which cloud stands for the clouds: the strictest.
    look : Look
        Names, colours, date.
    scenario : str, optional
        Which one; the first (base) where none is named.
    """
    known = plain(drivers).filter(pl.col("pricing") == "fleet_average")
    pair = future_pair(plain(paths.filter(pl.col("month") == 0)))
    if known.is_empty() or pair is None:
        return empty("What moves the buyer's lead is not known", "no network's lead over a cloud can be followed", look)
    told = scenario or ordered_scenarios(known)[0]
    mine = known.filter(
        pl.col("scenario") == told,
        pl.col("quantity").is_in([quantity for quantity, _ in _COLUMNS]),
        pl.col("reference").is_null()
        | ((pl.col("cloud") == pair[0]) & (pl.col("silicon") == pair[1]) & (pl.col("reference") == "list")),
    )
    networks = [n for n in network_order(headlines["network"].to_list()) if n in set(mine["network"])]
    if not networks:
        return empty("No input moves any outlook", f"nothing is known in {look.names(told)}", look)
    cloud, horizon = look.names.long_pair(*pair), _horizon(paths)
    most = min(MOST_NETWORKS, len(networks))
    while True:
        drawn = networks[:most]
        shown = _moving(mine.filter(pl.col("network").is_in(drawn)))
        widest = dict(
            shown.group_by("network", "quantity").len().group_by("network").agg(pl.col("len").max()).iter_rows()
        )
        rows = [int(widest.get(network, 1)) for network in drawn]
        scales = {quantity: _Scale.of(shown.filter(pl.col("quantity") == quantity)) for quantity, _ in _COLUMNS}
        notes = []
        if len(drawn) < len(networks):
            notes.append(
                f"{len(drawn)} of {plural(len(networks), 'network')} drawn; the title speaks of all, and all inputs "
                "are in drivers.csv."
            )
        cut = any(scale.floor == _FLOOR and scale.cuts for scale in scales.values())
        notes.append(
            f"Source: this model, scenario {look.names(told)}; {look.dated('prices')}. Dotted: zero, where it "
            "is lost. Central inputs; medians of the draws are on the network pages."
            + (f" Bars with an arrow are cut at {percent(_FLOOR)}." if cut else "")
            + look.not_live_note(drawn, "Hatched")
            + _speed_note(mine.filter(pl.col("network").is_in(drawn)), look)
        )
        sheet = Sheet(
            title=finding(mine),
            subtitle=f"Result at the end of {horizon} when one input alone goes to its low or high end: "
            f"left % of the list price of {cloud}, right % of receipts",
            footer=notes,
            plot_height=0.55 + 0.24 * len(drawn) + 0.155 * sum(rows),
            keys=[
                Key(label="input at its low end", colour=MUTED, marker="s", hollow=True),
                Key(label="at its high end", colour=MUTED, marker="s"),
            ],
        )
        if sheet.height <= _MOST_HEIGHT or most <= _LEAST_NETWORKS:
            break
        most -= 1
    told_of = set(mine.select("network", "quantity").iter_rows())
    grid = sheet.grid(len(drawn), 2, left=_LEFT, right=_RIGHT, below=0.22, above=0.24, gap_x=_GAP, gap_y=0.26)
    _share_height(grid, rows)
    for i, network in enumerate(drawn):
        colour, _ = look.network(network)
        for j, (quantity, title) in enumerate(_COLUMNS):
            part = shown.filter((pl.col("network") == network) & (pl.col("quantity") == quantity)).sort("rank")
            _bars(
                grid[i][j],
                part,
                colour,
                rows[i],
                scales[quantity],
                gid=f"{network}:{quantity}",
                live=network not in look.not_live,
                ticks=i == len(drawn) - 1,
                known=(network, quantity) in told_of,
            )
            words = title if i == 0 else ""
            if words:
                grid[i][j].text(1.0, 1.03, words, transform=grid[i][j].transAxes, ha="right", va="bottom", fontsize=7,
                                weight="bold")  # fmt: skip
        box = grid[i][0].get_position()
        name, base = fit(look.names(network), 7.5, 1.9, bold=True), box.y1 + 0.03 / sheet.height
        sheet.figure.text(0, base, name, fontsize=7.5, weight="bold", color=colour, va="bottom",
                          gid=f"row:{network}")  # fmt: skip
        if old := look.not_live.get(network):
            right = (text_width(name, 7.5, bold=True) + 0.08) / WIDTH
            sheet.figure.text(right, base, old, fontsize=6, color=MUTED, va="bottom", gid=f"row:{network}:age")
    return sheet.figure


def _speed_note(mine: pl.DataFrame, look: Look) -> str:
    """Why bars are missing where both sides sell the same chip: how fast it is cancels."""
    same = mine.filter(pl.col("input") == _SAME_CHIP, pl.col("quantity") == "advantage")
    still = [n for n, low, high in same.select("network", "at_low", "at_high").iter_rows()
             if percent(low) == percent(high)]  # fmt: skip
    if not still:
        return ""
    names = listing(look.names(n) for n in dict.fromkeys(still))
    return f" No bar for tokens a second on {names}: cloud and network sell the same chip, so its speed cancels."


def _moving(rows: pl.DataFrame) -> pl.DataFrame:
    """The leading inputs of every panel, without those whose two ends read the same."""
    same = [percent(low) == percent(high) for low, high in rows.select("at_low", "at_high").iter_rows()]
    moving = rows.filter(~pl.Series(same, dtype=pl.Boolean)).sort("rank")
    return moving.group_by("network", "quantity", maintain_order=True).head(MOST_INPUTS)


def _share_height(grid: list[list[Axes]], rows: list[int]) -> None:
    """Every line of panels as tall as its bars need, in the room and with the gaps they had."""
    boxes = [line[0].get_position() for line in grid]
    gap = boxes[0].y0 - boxes[1].y1 if len(boxes) > 1 else 0.0
    room, top = sum(box.height for box in boxes), boxes[0].y1
    for line, count in zip(grid, rows, strict=True):
        tall = room * count / sum(rows)
        for axes in line:
            box = axes.get_position()
            axes.set_position((box.x0, top - tall, box.width, tall))
        top -= tall + gap


def _horizon(paths: pl.DataFrame) -> str:
    last: date = paths["date"].max()  # type: ignore[assignment]  # polars: any literal
    return f"{last:%Y}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """The axis of a column: its ends, where bars are cut, whether any is, and between which values ticks stand."""

    low: float
    high: float
    floor: float
    cuts: bool
    ticks: tuple[float, float]

    @classmethod
    def of(cls, part: pl.DataFrame) -> _Scale:
        """An axis that holds all bars, zero, and the numbers beside them; to the floor, if most results lie above."""
        results = part["at_horizon"].drop_nulls()
        deep = results.filter(results < _FLOOR).len() * 2 > results.len()
        values = [v for name in ("at_low", "at_high") for v in part[name]]
        floor = -math.inf if deep or min(values, default=0.0) > _STRETCH else _FLOOR
        # No receipts at one end, so no margin: the bar goes to the end of the axis.
        least = min((v for v in values if math.isfinite(v)), default=0.0)
        bars = [
            (
                _within(low, max(floor, least)),
                _within(high, max(floor, least)),
                *(_room(_number(end, floor)) for end in (low, high)),
            )
            for low, high in (sorted(ends) for ends in part.select("at_low", "at_high").iter_rows())
        ]
        per_inch = 0.0
        while True:
            # The numbers of a bar near zero stand beyond the line at zero, which would cross them.
            lefts = [(0.0, 0.05), *((_left_of(low, before * per_inch), before) for low, _, before, _ in bars)]
            rights = [(0.0, 0.05), *((_right_of(high, after * per_inch), after) for _, high, _, after in bars)]
            wider = max((end - start) / (_PANEL - before - after) for start, before in lefts for end, after in rights)
            if wider <= per_inch * (1 + 1e-9):
                break
            per_inch = wider
        per_inch = per_inch or 1.0
        low = min(start - before * per_inch for start, before in lefts)
        ends = [v for bar in bars for v in bar[:2]] + [0.0]
        return cls(
            low=low, high=low + _PANEL * per_inch, floor=floor, cuts=any(v < floor for v in values),
            ticks=(min(ends), max(ends)),
        )  # fmt: skip

    def within(self, value: float) -> float:
        """Where a value is drawn."""
        return _within(value, max(self.floor, self.low))

    def places(self) -> list[float]:
        """Ticks at round values, from the one below all bars to that above them, as many as have room for names."""
        start, end = self.ticks
        found: list[float] = []
        for most in (4, 3, 2, 1):
            every = MaxNLocator(most).tick_values(start, end)
            found = [float(t) for t in every if self.low <= t <= min(self.high, _WHOLE)]
            wide = [text_width(percent(t), 6) for t in found]
            steps = [(b - a) / (self.high - self.low) * _PANEL for a, b in pairwise(found)]
            if all(step > (a + b) / 2 + 0.06 for step, (a, b) in zip(steps, pairwise(wide), strict=True)):
                break
        return found


def _number(value: float, floor: float) -> str:
    return f"{_CUT}< {percent(floor)}" if value < floor else percent(value, signed=True)


def _room(number: str) -> float:
    """Inches that a number beside a bar takes."""
    return text_width(number, _SIZE) + 0.06


def _left_of(low: float, needed: float) -> float:
    """Where the number left of a bar ends: at the bar, or at zero where the bar leaves it no room before zero."""
    return 0.0 if 0 < low < needed else low


def _right_of(high: float, needed: float) -> float:
    return 0.0 if -needed < high < 0 else high


def _bars(
    axes: Axes,
    part: pl.DataFrame,
    colour: str,
    rows: int,
    scale: _Scale,
    *,
    gid: str,
    live: bool,
    ticks: bool,
    known: bool,
) -> None:
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_xlim(scale.low, scale.high)
    places = scale.places()
    axes.set_xticks(places, [percent(t) for t in places] if ticks else [""] * len(places))
    axes.tick_params(axis="x", labelsize=6)
    axes.grid(axis="x", color=LINE)
    axes.set_yticks([])
    if part.is_empty():
        axes.text(0.5, 0.5, "no input moves it" if known else "not known", transform=axes.transAxes, ha="center",
                  fontsize=6.5, color=MUTED, style="italic", gid=f"none:{gid}")  # fmt: skip
        return
    axes.axvline(0, color=INK, lw=0.8, ls=(0, (1, 1.5)), zorder=0.9, gid="zero")
    if max(part["at_low"].max(), part["at_high"].max()) < scale.floor:  # type: ignore[type-var, operator]  # polars: any literal
        axes.text(0.5, 0.5, f"below {percent(scale.floor)} with every input", transform=axes.transAxes, ha="center",
                  fontsize=6.5, color=MUTED, style="italic", gid=f"below:{gid}",
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
        return
    per_inch = (scale.high - scale.low) / _PANEL
    for y, row in enumerate(part.iter_rows(named=True)):
        middle = scale.within(row["at_horizon"])
        # The longer bar first: where both ends lie on one side, neither hides the other.
        ends = sorted((("at_low", False), ("at_high", True)), key=lambda end: -abs(scale.within(row[end[0]]) - middle))
        for end, filled in ends:
            value = scale.within(row[end])
            # An outline never fills a short bar, which would then look like one at its other end.
            outline = min(0.8, _OUTLINE * abs(value - middle) / per_inch * 72)
            axes.barh(y, value - middle, left=middle, height=0.68, facecolor=colour if filled and live else "white",
                      hatch="//////" if filled and not live else None,
                      edgecolor=colour, lw=outline, zorder=2, gid=f"bar:{gid}:{row['input']}:{end}")  # fmt: skip
        low, high = sorted((row["at_low"], row["at_high"]), key=scale.within)
        for value, side in ((low, -1), (high, 1)):
            if math.isnan(value) or (value < scale.floor and side > 0):
                continue
            number = _number(value, scale.floor)
            beside = (_left_of if side < 0 else _right_of)(scale.within(value), _room(number) * per_inch)
            axes.annotate(
                number, (beside, y), xytext=(2.5 * side, 0), textcoords="offset points",
                ha="left" if side > 0 else "right", va="center", fontsize=_SIZE, color=INK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8}, zorder=1.8,
                gid=f"value:{gid}:{row['input']}:{'low' if side < 0 else 'high'}",
            )  # fmt: skip
        axes.annotate(
            fit(input_words(row["input"]), 6.4, 1.78), (0, y), xycoords=("axes fraction", "data"), xytext=(-7, 0),
            textcoords="offset points", ha="right", va="center", fontsize=6.4, color=INK, annotation_clip=False,
            gid=f"input:{gid}:{row['input']}",
        )  # fmt: skip


def _within(value: float, floor: float) -> float:
    return floor if math.isnan(value) else min(max(value, floor), _CEILING)
