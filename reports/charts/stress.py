"""Stress: a supplier's margin when clouds' cost falls at once, by the use of his node and by the token's price."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reports.charts._panels import row_label
from reports.reasons import kind_of_reason, reasons_note, without_margin
from reports.style import INK, MUTED, WIDTH, Key, Look, Sheet, empty, fit, styled, text_width, wrap
from reports.view import extremes, headline_margins, network_order, ordered_headlines
from reports.words import listing, number, of_networks, percent, plural

__all__ = ["MOST_NETWORKS", "fall_that_ends", "rewards_lacking", "stress"]

MOST_NETWORKS = 4
# Beyond these a margin is drawn in the last colour: -400 % says no more than -100 % to the eye.
_REACH = 1.0
# In grey both ends are dark: the line at zero and the numbers in the corners tell them apart.
_COLOURS = LinearSegmentedColormap.from_list("margin", ["#8f5a00", "#e9c177", "#f7f7f5", "#9dbbe0", "#1d4e89"])
_COLUMNS = (
    ("utilisation", "Fall of cloud cost (across) by use of the node (up)", "share of hours rented"),
    ("token_price_factor", "By price of the token (up), with rewards", "multiple of today's price"),
)
# Points: what the ring of today takes of a cell, a cell's least height, and the letters within cells.
_RING, _CELL, _NUMBER, _LEAST_NUMBER = 3.4, 6.0, 5.6, 4.4
_HATCH = "#6b7280"
_TIMES = "\N{MULTIPLICATION SIGN}"


def finding(grid: pl.DataFrame, today: dict[str, float | None]) -> str:
    """The title: which sudden falls of clouds' cost end suppliers' margins at today's use; true of any grid.

    Nodes that are paid in tokens alone are not of the tenants' money and are not counted.
    """
    told = []
    for network in grid["network"].unique(maintain_order=True):
        of_use = grid.filter(pl.col("network") == network, pl.col("utilisation").is_not_null(), ~pl.col("with_rewards"))
        curve = _at_use(of_use, today.get(network))
        if curve:
            told.append(fall_that_ends(curve))
    n = len(told)
    if not n:
        return "No supplier's margin under stress is known"
    lost = sum(fall == 0 for fall in told)
    held = sum(fall is None for fall in told)
    broken = [fall for fall in told if fall]
    deepest = percent(extremes(grid["cloud_cost_cut"])[1])
    if lost == n:
        return f"Suppliers of {of_networks(n, n)} earn less than their full cost before any fall of the clouds' cost"
    none_today = f"{lost} {'has' if lost == 1 else 'have'} none today"
    if not broken:
        and_none = f"; {none_today}" if lost else ""
        whose = of_networks(held, n)
        return f"Suppliers of {whose} earn their full cost even if the clouds' cost falls {deepest} at once{and_none}"
    low, high = percent(min(broken)), percent(max(broken))
    span = low if low == high else f"{low} to {high}"
    fall = f"A sudden fall of the clouds' cost by {span} ends"
    if n == 1:
        return f"{fall} the full-cost margin of the network's suppliers"
    others = [f"on {held} the margin holds even at {deepest}"] if held else []
    others += [none_today] if lost else []
    return "; ".join([f"{fall} suppliers' full-cost margin on {of_networks(len(broken), n)}", *others])


def fall_that_ends(curve: list[tuple[float, float]]) -> float | None:
    """The fall of clouds' cost, at once, that takes a margin to zero; 0 where there is none today, None where it holds.

    ``curve`` has (fall, margin) from no fall on. Cost over receipts is one less the margin, and receipts follow the
    fall in a straight line, so between two falls 1 / (1 - margin) does, and the root is exact.

    >>> cost = 3.0  # receipts are 4 x (1 - fall / 2), so 3 at half
    >>> round(fall_that_ends([(fall, 1 - cost / (4 * (1 - fall / 2))) for fall in (0.0, 0.3, 0.6)]), 9)
    0.5
    >>> fall_that_ends([(0.0, -0.1), (0.5, -0.9)]), fall_that_ends([(0.0, 0.4), (0.9, 0.2)])
    (0.0, None)
    """
    if curve[0][1] <= 0:
        return 0.0
    for (fall, margin), (deeper, worse) in pairwise(curve):
        if worse <= 0:
            ease, least = margin / (1 - margin), worse / (1 - worse)  # 1 / (1 - margin), less one: zero at the root
            return fall + (deeper - fall) * ease / (ease - least)
    return None


def _at_use(grid: pl.DataFrame, use: float | None) -> list[tuple[float, float]]:
    """(cut, margin) at today's use; nothing where it is not known.

    A node's cost follows its use in a straight line, so use x (1 - margin) does too, and between the grid's rows the
    margin is exact.
    """
    known = grid.filter(pl.col("full_margin").is_not_null()).sort("cloud_cost_cut", "utilisation")
    if use is None or use <= 0 or known.is_empty():
        return []
    found = []
    for (cut,), part in known.group_by("cloud_cost_cut", maintain_order=True):
        uses = part["utilisation"].to_numpy()
        cost = uses * (1 - np.clip(part["full_margin"].to_numpy(), -1e6, 1e6))
        found.append((float(cut), 1 - float(np.interp(use, uses, cost)) / use))
    return found


@styled
def stress(
    headlines: pl.DataFrame,
    margins: pl.DataFrame,
    grid: pl.DataFrame,
    look: Look,
    *,
    tokens: pl.DataFrame | None = None,
) -> Figure:
    """Draw heat maps, a row a network: full margin by fall of clouds' cost and use, and by fall and token price.

    Parameters
    ----------
    headlines : Headlines
        The networks and their order.
    margins : Margins
        Each network's use today.
    grid : StressGrid
        The margins; those of each network's headline chip.
    look : Look
        Names, colours, date.
    tokens : TokenEconomics, optional
        Says of networks without exact rewards whether any are on record.
    """
    frame = headline_margins(headlines, grid)
    networks = [n for n in network_order(headlines["network"].to_list()) if n in set(frame["network"])]
    use = {
        r["network"]: r["utilisation"] if r["utilisation_kind"] is not None else None
        for r in headline_margins(headlines, margins).iter_rows(named=True)
    }
    known = frame.filter(pl.col("network").is_in(networks), pl.col("full_margin").is_not_null())
    rewarded = set(known.filter(pl.col("utilisation").is_not_null(), pl.col("with_rewards"))["network"])
    # Those the title counts come first.
    with_margin = sorted((n for n in networks if n in set(known["network"])), key=lambda n: n in rewarded)
    if not with_margin:
        reasons = frame["not_known"].drop_nulls().unique(maintain_order=True).to_list()
        why = "; ".join(look.names(r) for r in reasons[:2]) or "no network's node is known"
        return empty(finding(known, use), why, look)
    drawn = with_margin[:MOST_NETWORKS]
    fresh = dict(headlines.select("network", pl.col("freshness").cast(pl.String)).iter_rows())
    notes = []
    counted = [n for n in with_margin if n not in rewarded]
    if set(counted) - set(drawn):
        many = plural(len(counted), "network")
        notes.append(f"{len(counted[:MOST_NETWORKS])} of {many} drawn; the title speaks of all {len(counted)}.")
    why_not = {r["network"]: kind_of_reason(r["not_known"]) for r in frame.iter_rows(named=True)}
    if unknown := [
        (look.names(n), why_not.get(n) or without_margin(chip))
        for n, chip in ordered_headlines(headlines).select("network", "accelerator").iter_rows()
        if n not in with_margin
    ]:
        notes.append(f"Not known, so not drawn: {reasons_note(unknown, len(unknown))}.")
    if paid_in_tokens := [n for n in with_margin if n in rewarded]:
        how = "drawn last, with these rewards, and" if set(paid_in_tokens) & set(drawn) else "not drawn and"
        notes.append(
            f"{listing(look.names(n) for n in paid_in_tokens)}: nodes are paid in tokens alone, whatever clouds cost; "
            f"{how} not counted in the title. All others are drawn over use without rewards."
        )
    cells = known.filter(pl.col("network").is_in(drawn))["full_margin"].to_numpy()
    passed = ", ".join(percent(p) for p in known["pass_through"].unique().sort())
    notes.append(
        f"Source: this model; {look.dated('prices')}. The network's price falls by {passed} of the clouds' fall. At "
        "central inputs; medians of the draws are on the network pages. What if, not a forecast."
        f"{look.not_live_note(drawn, 'Hatched')}"
    )
    sheet = Sheet(
        title=finding(known, use),
        subtitle="Full-cost margin of a supplier, % of receipts, if the clouds' cost of inference falls at once by so "
        "much of today's. Line: zero, above it a profit. In numbers: the best and the worst corner",
        footer=notes,
        plot_height=0.66 + 1.12 * len(drawn),
        keys=[
            key
            for key, is_drawn in (
                (Key(label=f"{percent(-_REACH)} or less", colour=_hex(-_REACH), marker="s"), cells.min() <= -_REACH),
                (Key(label="loss", colour=_hex(-0.4), marker="s"), ((cells < 0) & (cells > -_REACH)).any()),
                (Key(label="earns its full cost", colour=_hex(0.5), marker="s"), cells.max() > 0),
                (Key(label="today", colour=INK, marker="o", hollow=True), True),
            )
            if is_drawn
        ],
    )
    columns = [one for one in _COLUMNS if any(_known(frame, n, one[0]).height for n in drawn)]
    lacking = {n: rewards_lacking(tokens, n) for n in drawn}
    highest = {c: min(i for i, n in enumerate(drawn) if _known(frame, n, c).height) for c, _, _ in columns}
    lowest = {c: max(i for i, n in enumerate(drawn) if _known(frame, n, c).height) for c, _, _ in columns}
    panels = sheet.grid(len(drawn), len(columns), left=1.62, right=0.12, below=0.36, above=0.2, gap_x=0.62, gap_y=0.22)
    for i, network in enumerate(drawn):
        mine = frame.filter(pl.col("network") == network)
        for j, (column, title, unit) in enumerate(columns):
            axes = panels[i][j]
            part = mine.filter(pl.col(column).is_not_null())
            at = use.get(network) if column == "utilisation" else 1.0
            _heat_map(axes, part, column, at, gid=f"{network}:{column}", bottom=i == lowest[column],
                      live=network not in look.not_live, lacking=lacking[network])  # fmt: skip
            if i == highest[column]:
                axes.set_title(title, fontsize=7, pad=4)
            if i == lowest[column]:
                axes.set_xlabel("sudden fall of the clouds' cost", fontsize=6.3, labelpad=2)
            axes.set_ylabel(unit, fontsize=5.6, labelpad=2, color=MUTED)
        row_label(sheet, [panels[i][0]], look, network, mine["accelerator"][0], fresh.get(network))
    return sheet.figure


def _known(frame: pl.DataFrame, network: str, column: str) -> pl.DataFrame:
    """The cells of one panel that have a margin."""
    return frame.filter(pl.col("network") == network, pl.col(column).is_not_null(), pl.col("full_margin").is_not_null())


def _hex(margin: float) -> Any:
    return _COLOURS((margin / _REACH + 1) / 2)


def rewards_lacking(tokens: pl.DataFrame | None, network: str) -> str:
    """Why no panel over the token's price can be drawn, where the grid has none."""
    nothing = "no token rewards on record"
    if tokens is None or tokens.is_empty():
        return nothing
    told = tokens.filter(
        pl.col("network") == network,
        pl.col("measure").cast(pl.String).str.starts_with("subsidy_tokens_per_"),
        pl.col("value").is_not_null(),
    )
    if told.is_empty():
        return nothing
    if not (told["value"] > 0).any():
        return "no token rewards are paid"
    bounds = set(told["bound"].cast(pl.String))
    return "token rewards known only as an upper bound" if bounds == {"upper"} else "no rewards of a rented hour known"


def _heat_map(
    axes: Axes,
    part: pl.DataFrame,
    column: str,
    today: float | None,
    *,
    gid: str,
    bottom: bool,
    live: bool,
    lacking: str,
) -> None:
    """One grid of cells, the line where the margin is zero, and a ring where the supplier stands today."""
    known = part.filter(pl.col("full_margin").is_not_null())
    if known.is_empty():
        axes.set_axis_off()
        reasons = part["not_known"].drop_nulls().to_list()
        words = f"not known: {reasons[0]}" if reasons else lacking
        lines = [fit(line, 6, 2.1) for line in wrap(words, 6, 2.1)[:4]]
        axes.text(0.5, 0.5, "\n".join(lines), transform=axes.transAxes, ha="center", va="center", fontsize=6,
                  color=MUTED, style="italic", gid=f"none:{gid}")  # fmt: skip
        return
    table = known.pivot("cloud_cost_cut", index=column, values="full_margin", sort_columns=False).sort(column)
    cuts = sorted(known["cloud_cost_cut"].unique().to_list())
    steps = table[column].to_list()
    values = np.clip(table.select(str(cut) for cut in cuts).to_numpy().astype(float), -1e6, 1e6)
    axes.imshow(
        values, origin="lower", aspect="auto", cmap=_COLOURS, vmin=-_REACH, vmax=_REACH, interpolation="nearest",
        gid=f"cells:{gid}",
    )  # fmt: skip
    if values.min() < 0 < values.max() and min(values.shape) > 1:
        # Where the line runs is told by the sign and the size near zero: far losses would bend it.
        axes.contour(np.clip(values, -_REACH, _REACH), levels=[0.0], colors=[INK], linewidths=1.3)
        axes.collections[-1].set_gid(f"zero:{gid}")
    if not live:
        axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, hatch="//", lw=0,
                                 edgecolor=_HATCH, zorder=1.5, gid=f"not-live:{gid}"))  # fmt: skip
    last = len(cuts) - 1, len(steps) - 1
    height = None
    if today is not None and cuts[0] == 0:
        # A use beyond the grid's is drawn at the panel's edge.
        height = float(
            np.interp(today, [steps[0] - 1e-9, *steps, steps[-1] + 1e-9], [-0.5, *range(len(steps)), last[1] + 0.5])
        )
        axes.plot([0], [height], marker="o", ms=4.6, mfc="white", mec=INK, mew=1.1, ls="none", clip_on=False,
                  zorder=5, gid=f"today:{gid}")  # fmt: skip
    wide = axes.get_position().width * WIDTH * 72 / len(cuts)
    for x, y, value in ((0, last[1], values[-1, 0]), (last[0], 0, values[0, -1])):
        told = percent(value, signed=True) if value >= -_REACH else f"< {percent(-_REACH)}"
        # Beside the ring, where that is in the cell.
        aside = _RING if x == 0 and height is not None and abs(height - y) < 0.5 + _RING / _CELL else 0.0
        room = wide / 2 - aside if aside else wide
        size = min(_NUMBER, _NUMBER * (room - 1) / (72 * text_width(told, _NUMBER)))
        if size < _LEAST_NUMBER:
            continue
        axes.annotate(
            told, (x, y), xytext=((aside + wide / 2) / 2 if aside else 0, 0), textcoords="offset points", ha="center",
            va="center", fontsize=size, color="white" if abs(value) > 0.8 else INK, zorder=3,
            bbox={"facecolor": _hex(max(value, -_REACH)), "edgecolor": "none", "pad": 0.2},
            gid=f"corner:{gid}:{0 if x == 0 else 1}",
        )  # fmt: skip
    shown = range(0, len(cuts), max(1, math.ceil(len(cuts) / 5)))
    axes.set_xticks(list(shown), [percent(cuts[k]) for k in shown] if bottom else [""] * len(shown))
    rows = range(0, len(steps), max(1, math.ceil(len(steps) / 5)))
    labels = [percent(steps[k]) if column == "utilisation" else f"{number(steps[k])}{_TIMES}" for k in rows]
    axes.set_yticks(list(rows), labels)
    axes.tick_params(axis="both", labelsize=6)
