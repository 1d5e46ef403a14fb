"""The tornado: which inputs, each alone between its low and its high end, decide where a network stands in the end."""

from __future__ import annotations

import math
from collections import Counter

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.style import INK, LINE, MUTED, Key, Look, Sheet, empty, fit, styled
from reports.view import future_pair, network_order, ordered_scenarios, plain
from reports.words import input_words, minute, of_many, percent, plural

__all__ = ["MOST_INPUTS", "MOST_NETWORKS", "tornado"]

MOST_NETWORKS = 4
MOST_INPUTS = 6
_FLOOR, _CEILING = -1.5, 1.0
_COLUMNS = (
    ("advantage", "Buyer's advantage over list price"),
    ("full_margin_new_node", "Margin of a node bought then"),
)


def finding(shown: pl.DataFrame) -> str:
    """The title: the input that decides most often for buyers and for suppliers; true of any rows."""
    told = []
    for quantity, words in (("advantage", "the buyer's advantage"), ("full_margin_new_node", "the supplier's margin")):
        first = shown.filter((pl.col("quantity") == quantity) & (pl.col("rank") == 1) & (pl.col("swing") > 0))
        if first.is_empty():
            continue
        name, times = sorted(Counter(first["input"].to_list()).items(), key=lambda pair: (-pair[1], pair[0]))[0]
        n = first["network"].n_unique()
        told.append(
            f"{input_words(name)} decides most over {words}" + (f" of {of_many(times, n)} networks" if n > 1 else "")
        )
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
    pair = future_pair(plain(paths))
    if known.is_empty() or pair is None:
        return empty("No input moves any outlook", "no network has a path", look)
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
    drawn = networks[:MOST_NETWORKS]
    shown = mine.filter(pl.col("network").is_in(drawn) & (pl.col("rank") <= MOST_INPUTS) & (pl.col("swing") > 0))
    notes = []
    if len(drawn) < len(networks):
        notes.append(f"{len(drawn)} of {plural(len(networks), 'network')} shown; all inputs are in drivers.csv.")
    notes.append(
        f"Source: this model, scenario {look.names(told)}, against {look.names.long_pair(*pair)}; prices as of "
        f"{minute(look.as_of)}. Bars are cut at {percent(_FLOOR)}. Dotted: zero, where it is lost."
    )
    sheet = Sheet(
        title=finding(mine),
        subtitle="Result at the horizon when one input alone goes to its low or high end and all others stay: % of the "
        "reference price (left), % of receipts (right)",
        footer=notes,
        plot_height=0.55 + len(drawn) * (0.2 + 0.155 * MOST_INPUTS),
        keys=[
            Key(label="input at its low end", colour=MUTED, marker="s", hollow=True),
            Key(label="at its high end", colour=MUTED, marker="s"),
        ],
    )
    grid = sheet.grid(len(drawn), 2, left=1.95, right=0.12, below=0.22, above=0.24, gap_x=2.02, gap_y=0.26)
    for i, network in enumerate(drawn):
        colour, _ = look.network(network)
        for j, (quantity, title) in enumerate(_COLUMNS):
            part = shown.filter((pl.col("network") == network) & (pl.col("quantity") == quantity)).sort("rank")
            _bars(grid[i][j], part, colour, gid=f"{network}:{quantity}", ticks=i == len(drawn) - 1)
            width = grid[i][j].get_position().width * 7.1
            words = title if i == 0 else ""
            grid[i][j].set_title(
                fit(look.names(network), 7.5, width + 1.8, bold=True) if j == 0 else "", color=colour, fontsize=7.5,
                pad=3, x=-1.85 / width, ha="left",
            )  # fmt: skip
            if words:
                grid[i][j].text(1.0, 1.03, words, transform=grid[i][j].transAxes, ha="right", va="bottom", fontsize=7,
                                weight="bold")  # fmt: skip
    return sheet.figure


def _bars(axes: Axes, part: pl.DataFrame, colour: str, *, gid: str, ticks: bool) -> None:
    axes.set_ylim(MOST_INPUTS - 0.4, -0.6)
    axes.set_xlim(_FLOOR, _CEILING)
    places = [-1.0, -0.5, 0.0, 0.5, 1.0]
    axes.set_xticks(places, [percent(t) for t in places] if ticks else [""] * len(places))
    axes.tick_params(axis="x", labelsize=6)
    axes.grid(axis="x", color=LINE)
    axes.set_yticks([])
    if part.is_empty():
        axes.text(0.5, 0.5, "not known", transform=axes.transAxes, ha="center", fontsize=6.5, color=MUTED,
                  style="italic", gid=f"none:{gid}")  # fmt: skip
        return
    axes.axvline(0, color=INK, lw=0.8, ls=(0, (1, 1.5)), zorder=3)
    for y, row in enumerate(part.iter_rows(named=True)):
        middle = _within(row["at_horizon"])
        for end, filled in (("at_low", False), ("at_high", True)):
            value = _within(row[end])
            axes.barh(y, value - middle, left=middle, height=0.68, facecolor=colour if filled else "white",
                      edgecolor=colour, lw=0.8, zorder=2, gid=f"bar:{gid}:{row['input']}:{end}")  # fmt: skip
        axes.annotate(
            fit(input_words(row["input"]), 6.4, 1.8), (0, y), xycoords=("axes fraction", "data"), xytext=(-5, 0),
            textcoords="offset points", ha="right", va="center", fontsize=6.4, color=INK, annotation_clip=False,
        )  # fmt: skip


def _within(value: float) -> float:
    return _FLOOR if math.isnan(value) else min(max(value, _FLOOR), _CEILING)
