"""One network's outlook: the buyer's advantage and the supplier's margin over the years, with what is uncertain."""

from __future__ import annotations

from datetime import date
from typing import Literal

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.charts._panels import (
    draw_path,
    end_labels,
    floor_for,
    floor_note,
    is_below,
    medians,
    prepare,
    span_of_dates,
    tick_room,
    years,
)  # fmt: skip
from reports.style import (
    KEY_STEP,
    MUTED,
    REFERENCE_COLOUR,
    WIDTH,
    Key,
    Look,
    Sheet,
    empty,
    marker_style,
    styled,
    text_width,
)  # fmt: skip
from reports.view import future_pair, of_pair, plain
from reports.words import REFERENCE_WORDS, percent, roughly

__all__ = ["network_outlook"]

_REFERENCES = ("list", "committed", "modelled_cost")
_END = 0.5  # inches right of a panel, for what a line ends at
_LINE = 8.5  # points of a line of words beneath the floor
# Path, quantity, colour, dashes, what the key calls it, and what the words beneath the floor do.
_Line = tuple[pl.DataFrame, str, str, Literal["-", "--"], str, str]
_LINES: dict[str, Literal["-", "--"]] = {"list": "-", "committed": "--", "modelled_cost": "-"}


def finding(
    advantage: pl.DataFrame, margin: pl.DataFrame, price: str = "the cloud's list price", *, at_most: bool = False
) -> str:
    """The title, from the median paths' last month: the lead over the list price, and the margin of a new node."""
    told, year = [], 0
    listed = advantage.filter(pl.col("reference") == "list").sort("month")
    if listed.height:
        then, year = listed["advantage_p50"][-1], listed["date"][-1].year
        told.append(f"Lead over {price}: {percent(then)} in {year}" if then > 0
                    else f"No lead over {price} in {year}: {roughly(then)}")  # fmt: skip
    if margin.height:
        path = margin.sort("month")
        value, bought = path["full_margin_new_node_p50"][-1], path["date"][-1].year
        who = "a supplier who buys then" if told and bought == year else f"A supplier who buys in {bought}"
        told.append(
            f"{who} keeps {'at most ' * at_most}{percent(value)}" if value > 0 else f"{who} does not cover full cost"
        )
    return f"{'; '.join(told)} (medians)" if told else "Nothing is known of its outlook"


@styled
def network_outlook(
    advantage_paths: pl.DataFrame,
    margin_paths: pl.DataFrame,
    look: Look,
    *,
    network: str,
    not_known: str | None = None,
) -> Figure:
    """Draw the advantage over three references of one cloud, and the margins of two nodes, base scenario.

    Parameters
    ----------
    advantage_paths, margin_paths : AdvantagePaths, MarginPaths
        Medians with the band from the 10th to the 90th percentile, fleet-average pricing. Where one of the two is
        not there, the other is drawn alone, as wide as both.
    look : Look
        Names, colours, date.
    network : str
        Whose.
    not_known : str, optional
        Why its margin is not known.
    """
    base = (pl.col("network") == network) & (pl.col("scenario") == "base") & (pl.col("pricing") == "fleet_average")
    mine = plain(advantage_paths.filter(base))
    # One cloud for all networks; another only where this one is not compared with it.
    pair = future_pair(plain(advantage_paths.filter(pl.col("month") == 0)))
    if pair is None or of_pair(mine, pair).is_empty():
        pair = future_pair(mine)
    advantage = of_pair(mine, pair) if pair else mine
    margin = plain(margin_paths.filter(base))
    price = [look.names.list_price(*pair)] if pair else []
    title = finding(advantage, margin, *price, at_most=network in look.fee_floors)
    if advantage.is_empty() and margin.is_empty():
        return empty(title, "no price that can be compared, and no margin that is known", look)
    first, last = span_of_dates(advantage if advantage.height else margin)
    against = f" of {look.names.long_pair(*pair)}" if pair else ""
    told = [f"buyer's advantage, % of the price or cost{against}"] if advantage.height else []
    told += ["full-cost margin, % of receipts"] if margin.height else []
    without = ""
    if margin.is_empty():
        without = f" Supplier's margin not known{f': {not_known}' if not_known else ''}."
    elif advantage.is_empty():
        without = " No cloud's price can be compared with."
    colour = look.network(network)[0]
    panels: list[tuple[str, list[_Line]]] = [
        ("advantage", [
            (advantage.filter(pl.col("reference") == r), "advantage", REFERENCE_COLOUR[r], _LINES[r],
             f"{'' if i else 'over '}{REFERENCE_WORDS[r].lower()}", f"over {REFERENCE_WORDS[r].lower()}")
            for i, r in enumerate(_REFERENCES)
        ]),
        ("margin", [
            (margin, "full_margin", MUTED, "--", "node bought today", "bought today"),
            (margin, "full_margin_new_node", colour, "-", "node bought at the time", "bought then"),
        ]),
    ]  # fmt: skip
    drawn = [(name, lines) for name, lines in panels if any(line[0].height for line in lines)]
    paths = [[medians(part, quantity)[quantity] for part, quantity, *_ in lines if part.height] for _, lines in drawn]
    floors = [floor_for(pl.concat(those)) for those in paths]
    lost = any(path[0] > 0 and (path <= 0).any() for those in paths for path in those)
    cut = any(
        (part[f"{quantity}_p10"] < floor).any()
        for (_, lines), floor in zip(drawn, floors, strict=True) for part, quantity, *_ in lines if part.height
    )  # fmt: skip
    sheet = Sheet(
        title=title,
        subtitle=f"Left: {told[0]}. Right: {told[1]}" if len(told) == 2 else f"{told[0][0].upper()}{told[0][1:]}",
        footer=[
            f"Source: this model, base scenario; {look.dated('prices')}. Lines: medians of the draws "
            f"(tables of today: central inputs); bands: 10th to 90th percentile"
            f"{', cut where the scale ends' if cut else ''}."
            f"{' Ring: first month below zero.' if lost else ''}{_not_live(network, look)}"
            f"{floor_note(floors)} A projection, not a forecast.{without}"
        ],
        plot_height=1.62 + KEY_STEP,
    )
    (row,) = sheet.grid(
        1, len(drawn), left=tick_room(floors[:1]), right=_END, below=0.22, above=0.08 + KEY_STEP,
        gap_x=_END + 0.03 + tick_room(floors[1:]),
    )  # fmt: skip
    for axes, (name, lines), floor in zip(row, drawn, floors, strict=True):
        _panel(axes, lines, first, last, floor, gid=f"{network}:{name}", hollow=network in look.not_live)
        left = axes.get_position().x0 * WIDTH - tick_room([floor])
        room = axes.get_position().x1 * WIDTH + _END - left + 0.15
        sheet.panel_keys(axes, _keys(lines, floor), left=left, width=room)
    return sheet.figure


def _not_live(network: str, look: Look) -> str:
    """That the lines start hollow, and how old the price is."""
    return f" Hollow diamond: price not live ({look.not_live[network]})." if network in look.not_live else ""


def _keys(lines: list[_Line], floor: float) -> list[Key]:
    """The lines of a panel that are seen, and bands; one whose triangle alone is drawn has its words beside it."""
    keys = []
    for part, quantity, colour, line, name, _ in lines:
        if part.is_empty():
            continue
        seen = (medians(part, quantity)[quantity] >= floor).any()
        high = part[f"{quantity}_p90"] if f"{quantity}_p90" in part.columns else part[quantity]
        if seen or (high >= floor).any():
            keys.append(Key(label=name, colour=colour, line=line if seen else None, band=not seen))
    return keys


def _panel(axes: Axes, lines: list[_Line], first: date, last: date, floor: float, *, gid: str, hollow: bool) -> None:
    """The lines of a panel; one that ends below the floor says so in words."""
    gone = sum(is_below(medians(part, quantity).sort("month")[quantity][-1], floor) for part, quantity, *_ in lines
               if part.height)  # fmt: skip
    high = axes.bbox.height / axes.figure.dpi * 72
    prepare(axes, first, last, left=True, bottom=True, zero=None, floor=floor, foot=gone * _LINE / high)
    ends: list[tuple[float, str, str]] = []
    below: list[tuple[float, str, str]] = []
    for part, quantity, colour, line, _, name in lines:
        if part.is_empty():
            continue
        median = medians(part, quantity).sort("month")
        draw_path(axes, median, quantity, colour=colour, line=line, band=True,
                  gid=":".join([gid, *part["reference"][:1]] if "reference" in part.columns else [gid, quantity])
                  )  # fmt: skip
        if hollow and not is_below(median[quantity][0], floor):
            axes.plot(years(median["date"][:1]), median[quantity][:1], marker="D", ms=3.4, linestyle="none", zorder=4,
                      gid=f"start:{gid}:{name}", clip_on=False, **marker_style(colour, None))  # fmt: skip
        value = median[quantity][-1]
        if not is_below(value, floor):
            ends.append((value, percent(value), colour))
            continue
        since = median.filter(pl.col(quantity) < floor)["date"][:1]
        when = "today" if since[0] == first else str(since[0].year)
        below.append((float(years(since)[0]), f"{name}: below {percent(floor)} from {when}", colour))
    start, end = axes.get_xlim()
    wide = axes.get_position().width * WIDTH
    for i, (x, text, colour) in enumerate(sorted(below)):
        # Beneath the floor, from its mark to the side where there is room, else up to the end of the panel.
        at = wide * (x - start) / (end - start)
        needed = text_width(text, 6.3) + 0.06
        right = needed < wide - at
        place = x if right or needed < at else end
        axes.annotate(
            text, (place, floor), xytext=(4 if right else -4 if place == x else 0, -_LINE * (i + 0.5)),
            textcoords="offset points", fontsize=6.3, color=colour, va="center", ha="left" if right else "right",
            gid=f"below-words:{gid}", annotation_clip=False,
        )  # fmt: skip
    end_labels(axes, ends)
