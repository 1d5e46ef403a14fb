"""History of prices: rents of one chip above, hosted tokens like for like below, on one axis of time."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from reports.charts._history import (
    MARKETS,
    NOTHING_KNOWN,
    Line,
    finding,
    history_chip,
    history_lines,
    named_move,
    rents_of,
    span_seconds,
    turning_point,
)
from reports.charts._labels import label_ends, name_mark, place_names
from reports.charts._panels import years
from reports.style import (
    CLAIM,
    INK,
    LINE,
    MUTED,
    WIDTH,
    Key,
    Look,
    Sheet,
    empty,
    marker_size,
    marker_style,
    source_note,
    styled,
)
from reports.view import extremes, is_claim, plain
from reports.words import day, listing, month, percent, plural, usd

__all__ = ["history_chip", "price_history"]

_CLASSES = {
    "gpt-4-generation": "GPT-4 generation",
    "closed-flagship": "Closed, flagship",
    "closed-small": "Closed, small",
    "open-up-to-20b": "Open, up to 20B",
    "open-20b-to-60b": "Open, 20 to 60B",
    "open-60b-to-100b": "Open, 60 to 100B",
    "open-over-100b": "Open, over 100B",
}
_CLASS_COLOURS = ("#26323d", "#00796b", "#93a0ac", "#b4862c", "#5f7285", "#7fb8ae", "#8a5a2b")
_SHORT = {
    "semianalysis": "SemiAnalysis",
    "market": "Market reports",
    "silicon-data": "Silicon Data",
    "lambda": "Lambda",
}
_MOST_LINES = 12
# Sellers without a colour of their own are the grey of all charts: told apart by marker and, tier by tier, by dashes.
_OTHERS = ("p", "h", "d", "*", "8")
# What is told of one day only, of a seller whose line is drawn: never a point of that line.
_QUOTED = "v"
# Between two known days of what is no price list nothing is known.
_UNKNOWN = (0, (1, 1.8))
_INDEX = "#8a8f98"
_SECOND_TIER = (0, (3, 1.2))
_MARK = 4.0
_MOST_PUBLISHERS = 5
# The source of the indices of tokens: reckoned here, of lists whose publishers have rows of their own.
_OURS = ("depin-compare-assumptions",)


@styled
def price_history(trends: pl.DataFrame, events: pl.DataFrame, look: Look) -> Figure:
    """Draw two panels on one axis of time: rents of the best-known chip in USD, hosted tokens as indices by class.

    A price list is drawn as steps; the known days of what moves freely are joined by dots, for what lies between them
    is not known; what is told of one day only is a point. Series are never joined to each other.

    Parameters
    ----------
    trends : Trends
        Dated rents and indices of hosted token prices.
    events : Events
        Those between the first and the last day drawn are numbered above and told in the footer.
    look : Look
        Names, colours, date.
    """
    chip = history_chip(trends)
    frame = plain(trends)
    part = rents_of(frame).filter(pl.col("subject") == chip) if chip else frame.clear()
    every = history_lines(part)
    # An index of one day says nothing of how prices went, and no seller asks it.
    every = [li for li in every if li.points.height > 1 or li.market != "index"]
    tokens = [li for li in history_lines(frame.filter(pl.col("subject_kind") == "token_price")) if li.points.height > 1]
    if not every and not tokens:
        return empty(NOTHING_KNOWN, "no dated rent and no dated token price is known", look)
    ranked = sorted((li for li in every if li.points.height > 1), key=lambda li: (-span_seconds(li), li.series))
    lines = ranked[:_MOST_LINES]
    points = [li for li in every if li.points.height == 1]
    drawn = pl.concat([li.points for li in (*lines, *points, *tokens)])
    days = drawn["observed_at"].dt.date().sort()
    first, last = days[0], days[-1]
    shown = pl.col("as_of").is_between(first, min(last, look.as_of.date()))
    dated = plain(events).filter(shown).sort("as_of", "event_id")
    notes = []
    if dated.height:
        notes.append(_told_events(dated))
    if len(lines) < len(ranked):
        notes.append(f"{len(lines)} of {len(ranked)} series of this chip shown.")
    note = source_note(look, drawn.clear(), [], _publishers(drawn, look))
    notes.append(
        f"{_dashed_note(lines, look)}Spot prices and the clouds' reserved terms are not drawn. {note} All dated "
        f"reference data, newest of {day(last)}."
    )
    panels = [name for name, found in (("rents", lines or points), ("tokens", tokens)) if found]
    heights = {"rents": 3.2, "tokens": 1.35}
    name = look.names(chip) if chip else ""
    units = [f"Rent of {name} in USD per accelerator-hour, log scale"] if "rents" in panels else []
    units += ["Hosted tokens as an index of matched prices, 1 where a class begins"] if "tokens" in panels else []
    claims = any(is_claim(kind) for kind in drawn["kind"].unique())
    keys = [Key(label="vendor claim", colour=CLAIM, marker="o", hollow=True)] if claims else []
    sheet = Sheet(
        title=finding(every, tokens, look),
        subtitle=f"{'. '.join(units)}. Marks are the days a price is known of. Price lists move in steps; dotted: "
        "between two known days of a market",
        footer=notes,
        plot_height=sum(heights[p] for p in panels) + 0.45 * (len(panels) - 1) + 0.5,
        keys=keys,
    )
    left, right = 0.5, 1.75
    grid = _panel_axes(sheet, [heights[p] for p in panels], left, right)
    start, end = years(pl.Series([first]))[0], years(pl.Series([last]))[0]
    for i, (panel, axes) in enumerate(zip(panels, grid, strict=True)):
        axes.set_xlim(start - 0.08, max(end, start + 0.5) + 0.08)
        if panel == "rents":
            _draw_rents(axes, lines, points, look, name, sheet.height, named_move(every, look))
        else:
            _draw_tokens(axes, tokens, sheet.height)
        marks = range(math.ceil(start - 0.08), math.floor(max(end, start + 0.5) + 0.08) + 1)
        axes.set_xticks(list(marks), [str(y) for y in marks])
        _draw_events(axes, dated, numbered=i == 0)
        place_names(axes)
    return sheet.figure


def _publishers(drawn: pl.DataFrame, look: Look) -> list[str]:
    """Who told most of what is drawn, and how many others did."""
    told = drawn.filter(~pl.col("source_id").is_in(_OURS))
    counted = Counter(look.names(source) for source in told["source_id"])
    names = sorted(counted, key=lambda who: (-counted[who], who.casefold()))
    rest = len(names) - _MOST_PUBLISHERS
    more = [plural(rest, "other publisher")] if rest > 0 else []
    who = [f"{listing([*names[:_MOST_PUBLISHERS], *more])}, all among the report's sources"] if names else []
    return [*who, *(["indices of tokens matched by depin-compare"] if told.height < drawn.height else [])]


def _dashed_note(lines: list[Line], look: Look) -> str:
    """What dashes mean, where a line has them; ends with a space."""
    listed = [li for li in lines if bool(li.points["is_list"].all())]
    styles = _styles(lines, look)
    dashes = {str(styles[li.series][2]): li for li in listed if styles[li.series][2] not in ("-", _UNKNOWN)}
    told = ["a cloud's capacity blocks"] if str(MARKETS["capacity_block"][1]) in dashes else []
    told += ["another tier of the same seller"] if str(_SECOND_TIER) in dashes else []
    return f"Dashed: {listing(told)}. " if told else ""


def _panel_axes(sheet: Sheet, heights: list[float], left: float, right: float) -> list[Axes]:
    """Panels of different heights under each other; all lengths in inches."""
    (whole,) = (line[0] for line in sheet.grid(1, 1, left=left, right=right, below=0.24, above=0.24))
    if len(heights) == 1:
        return [whole]
    box = whole.get_position()
    gap = 0.4 / sheet.height
    room = box.height - gap * (len(heights) - 1)
    made, top = [], box.y1
    for height in heights:
        tall = room * height / sum(heights)
        made.append(sheet.figure.add_axes((box.x0, top - tall, box.width, tall)))
        top -= tall + gap
    whole.remove()
    return made


def _draw_rents(
    axes: Axes,
    lines: list[Line],
    points: list[Line],
    look: Look,
    name: str,
    height: float,
    named: tuple[Line, dict[str, Any]] | None,
) -> None:
    """Every series of the chip, named at its end with its last price; the price the title's move began with."""
    values = pl.concat([li.points for li in (*lines, *points)])["value"]
    low, high = (end * room for end, room in zip(extremes(values), (0.94, 1.2), strict=True))
    steps = (1, 1.5, 2, 3, 5, 7) if high / low < 30 else (1, 2, 5)
    round_ = [m * 10.0**e for e in range(-3, 4) for m in steps]
    low = max((t for t in round_ if t <= low), default=low)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    ticks = [t for t in round_ if low <= t <= high]
    axes.set_yticks(ticks, [f"${t:g}" for t in ticks], color=MUTED)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", color=LINE, lw=0.5)
    _panel_name(axes, f"Rent of {name}")
    drawn = _styles([*lines, *points], look)
    followed = {li.seller: drawn[li.series][1] for li in lines}
    for li in points:
        colour, marker, _ = drawn[li.series]
        if followed.get(li.seller) == marker:
            marker = _QUOTED
        x, value = years(li.points["observed_at"])[0], li.last
        axes.plot(
            [x],
            [value],
            linestyle="none",
            marker=marker,
            markersize=marker_size(marker, _MARK),
            zorder=3,
            gid=f"point:{li.series}",
            **_hollow(colour),
        )
        tail = li.series.split(" ")[3:] if li.seller in followed else []
        told = " ".join([_label(li, look).removesuffix(" market"), *tail, usd(value)])
        name_mark(axes, told, (x, value), colour, f"named:{li.series}")
    ends, end = [], axes.get_xlim()[1]
    for li in lines:
        colour, marker, style = drawn[li.series]
        xs, listed = years(li.points["observed_at"]), bool(li.points["is_list"].all())
        axes.plot(
            xs,
            li.points["value"],
            color=colour,
            lw=1.4 if listed else 1.1,
            ls=style if listed else _UNKNOWN,
            gid=f"{'steps' if listed else 'line'}:{li.series}",
            drawstyle="steps-post" if listed else "default",
        )
        axes.plot(
            xs, li.points["value"], linestyle="none", marker=marker, markersize=marker_size(marker, _MARK), zorder=3,
            gid=f"days:{li.series}", **_hollow(colour),
        )  # fmt: skip
        label = f"{_label(li, look)} {usd(li.last)}"
        if end - xs[-1] > 1:
            # Ended long ago: a line from there to the edge would look like a price.
            name_mark(axes, label, (xs[-1], li.last), colour, f"named:{li.series}")
        else:
            ends.append((math.log(li.last), label, colour, xs[-1]))
        if named is not None and named[0].series == li.series:
            for which, row in (("first", named[1]), ("turn", turning_point(*named))):
                if row is not None:
                    at = years(pl.Series([row["observed_at"]]))[0], row["value"]
                    name_mark(axes, usd(at[1]), at, colour, f"named:{which}:{li.series}")
    label_ends(axes, ends, math.log(low), math.log(high), height)


def _draw_tokens(axes: Axes, tokens: list[Line], height: float) -> None:
    """Every class's index, named at its end with how far it moved."""
    values = pl.concat([li.points for li in tokens])["value"]
    low, high = extremes(values)
    room = max(high - low, 0.1) * 0.12
    axes.set_ylim(max(0.0, low - room), high + room)
    axes.grid(axis="y", color=LINE, lw=0.5)
    axes.tick_params(axis="y", labelcolor=MUTED)
    _panel_name(axes, "Hosted tokens, model for model")
    known = list(_CLASSES)
    ends = []
    for li in sorted(tokens, key=lambda li: li.series):
        subject = li.points["subject"][0]
        place = known.index(subject) if subject in known else len(known)
        colour = _CLASS_COLOURS[place % len(_CLASS_COLOURS)]
        xs = years(li.points["observed_at"])
        axes.plot(xs, li.points["value"], color=colour, lw=1.4, drawstyle="steps-post", gid=f"index:{li.series}")
        axes.plot(
            xs, li.points["value"], linestyle="none", marker="o", markersize=2.6, gid=f"days:{li.series}", zorder=3,
            **_hollow(colour),
        )  # fmt: skip
        label = f"{_CLASSES.get(subject, subject)} {percent(-li.fall, signed=True)}"
        ends.append((li.last, label, colour, xs[-1]))
    bottom, top = axes.get_ylim()
    label_ends(axes, ends, bottom, top, height)


def _hollow(colour: str) -> dict[str, Any]:
    return marker_style(colour, "reference") | {"markeredgewidth": 0.9}


def _styles(lines: list[Line], look: Look) -> dict[str, tuple[str, str, Any]]:
    """Colour, marker and line of every series: a cloud's or network's own, purple for a claim.

    Sellers that share the grey of all charts differ by their marker, tiers of one by dashes.
    """
    made: dict[str, tuple[str, str, Any]] = {}
    free, own = iter(_OTHERS * len(lines)), {}
    tiers: dict[tuple[str, str], int] = {}
    for li in lines:
        style = MARKETS[li.market][1]
        if is_claim(li.points["kind"][-1]):
            made[li.series] = (CLAIM, "o", style)
        elif li.market in ("hyperscaler_list", "capacity_block"):
            made[li.series] = (*look.cloud(li.seller), style)
        elif li.market == "index":
            made[li.series] = (_INDEX, "o", style)
        elif look.is_named(li.seller):
            made[li.series] = (*look.network(li.seller), style)
        else:
            if li.seller not in own:
                own[li.seller] = (look.network(li.seller)[0], next(free))
            n = tiers[li.seller, li.market] = tiers.get((li.seller, li.market), -1) + 1
            made[li.series] = (*own[li.seller], style if n == 0 else _SECOND_TIER)
    return made


def _label(line: Line, look: Look) -> str:
    """Who asks what: seller, kind of price, tier."""
    known = look.names(line.seller)
    name = _SHORT.get(line.seller, known) if known == line.seller else known
    words = line.series.split(" ")
    tier = [w for w in words[3:] if w in ("secure", "community", "verified")]
    if line.market == "on_demand" and len(words) > 1 and line.points["subject"][0] not in words:
        tier.append(words[1])
    return " ".join([w for w in (name, MARKETS[line.market][0], *tier) if w])


def _panel_name(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=8, pad=4)
    axes.title.set_gid("panel")


def _draw_events(axes: Axes, dated: pl.DataFrame, *, numbered: bool) -> None:
    """A dotted line a dated event, its number above; close ones a step apart."""
    width = axes.get_position().width * WIDTH
    first, last = axes.get_xlim()
    before, step = -math.inf, 0
    for n, row in enumerate(dated.iter_rows(named=True), start=1):
        x = years(pl.Series([row["as_of"]]))[0]
        axes.axvline(x, color=MUTED, lw=0.6, ls=(0, (1, 2)), zorder=0.5, gid=f"event:{row['event_id']}")
        if numbered:
            step = step + 1 if (x - before) / (last - first) * width < 0.13 else 0
            axes.annotate(
                str(n), (x, 1.0), xycoords=("data", "axes fraction"), xytext=(0, -5 - 9 * (step % 3)),
                textcoords="offset points", fontsize=5.6, ha="center", va="center", color="white", weight="bold",
                bbox={"boxstyle": "circle,pad=0.22", "facecolor": CLAIM if is_claim(row["kind"]) else INK, "lw": 0},
                gid=f"number:{row['event_id']}", zorder=5,
            )  # fmt: skip
            before = x


def _told_events(dated: pl.DataFrame) -> str:
    told = []
    for n, row in enumerate(dated.iter_rows(named=True), start=1):
        when = day(row["as_of"]) if row["precision"] == "day" else month(row["as_of"])
        told.append(f"{n} {when}: {row['who']} {row['title']}{' (claim)' if is_claim(row['kind']) else ''}")
    return f"Events: {'; '.join(told)}."
