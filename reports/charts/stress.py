"""Stress: a supplier's margin when clouds' cost falls at once, by the use of his node and by the token's price."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from reports.charts._panels import row_label
from reports.style import INK, MUTED, Key, Look, Sheet, empty, fit, styled, wrap
from reports.view import headline_margins, network_order
from reports.words import minute, number, of_many, percent, plural

__all__ = ["MOST_NETWORKS", "stress"]

MOST_NETWORKS = 4
# Beyond these a margin is drawn in the last colour: -400 % says no more than -100 % to the eye.
_REACH = 1.0
# In grey both ends are dark: the line at zero and the numbers in the corners tell them apart.
_COLOURS = LinearSegmentedColormap.from_list("margin", ["#8f5a00", "#e9c177", "#f7f7f5", "#9dbbe0", "#1d4e89"])
_COLUMNS = (
    ("utilisation", "Cut by use of the node", "share of hours rented"),
    ("token_price_factor", "Cut by price of the token, with rewards", "multiple of today's price"),
)
_TIMES = "\N{MULTIPLICATION SIGN}"


def finding(grid: pl.DataFrame, today: dict[str, float | None]) -> str:
    """The title, from the grid over use and each network's use today; true of any grid."""
    told = []
    for network in grid["network"].unique(maintain_order=True):
        use = today.get(network)
        cuts = _at_use(grid.filter(pl.col("network") == network, pl.col("utilisation").is_not_null()), use)
        if cuts:
            told.append(next((cut for cut, margin in cuts if margin <= 0), None))
    n = len(told)
    if not n:
        return "No supplier's margin under stress is known"
    lost = sum(cut == 0 for cut in told)
    held = sum(cut is None for cut in told)
    broken = [cut for cut in told if cut]
    whose = "The network's suppliers" if n == 1 else f"Suppliers of {of_many(n - lost, n)} networks"
    if lost == n:
        return (
            "The network's suppliers earn less than their full cost before any cut of the clouds' cost"
            if n == 1
            else f"Suppliers of all {n} networks earn less than their full cost before any cut of the clouds' cost"
        )
    if held == n - lost:
        deepest = percent(float(grid["cloud_cost_cut"].max()))  # type: ignore[arg-type]
        return f"{whose} earn their full cost even if clouds' cost falls {deepest} at once"
    low, high = percent(min(broken)), percent(max(broken))
    span = low if low == high else f"{low} to {high}"
    some = "" if not held else f" in {len(broken)} of them"
    return f"{whose} earn their full cost today; a sudden fall of clouds' cost of {span} ends it{some}"


def _at_use(grid: pl.DataFrame, use: float | None) -> list[tuple[float, float]]:
    """(cut, margin) at today's use, between the grid's rows in a straight line; nothing where it is not known."""
    known = grid.filter(pl.col("full_margin").is_not_null()).sort("cloud_cost_cut", "utilisation")
    if use is None or known.is_empty():
        return []
    return [
        (cut, float(np.interp(use, part["utilisation"], np.clip(part["full_margin"].to_numpy(), -1e6, 1e6))))
        for (cut,), part in known.group_by("cloud_cost_cut", maintain_order=True)
    ]


@styled
def stress(headlines: pl.DataFrame, margins: pl.DataFrame, grid: pl.DataFrame, look: Look) -> Figure:
    """Draw heat maps, a row a network: full margin by cut of clouds' cost and use, and by cut and token price.

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
    """
    frame = headline_margins(headlines, grid)
    networks = [n for n in network_order(headlines["network"].to_list()) if n in set(frame["network"])]
    use = {
        r["network"]: r["utilisation"] if r["utilisation_kind"] is not None else None
        for r in headline_margins(headlines, margins).iter_rows(named=True)
    }
    known = frame.filter(pl.col("network").is_in(networks), pl.col("full_margin").is_not_null())
    with_margin = [n for n in networks if n in set(known["network"])]
    if not with_margin:
        reasons = frame["not_known"].drop_nulls().unique(maintain_order=True).to_list()
        why = "; ".join(look.names(r) for r in reasons[:2]) or "no network's node is known"
        return empty(finding(known, use), why, look)
    drawn = with_margin[:MOST_NETWORKS]
    fresh = dict(headlines.select("network", pl.col("freshness").cast(pl.String)).iter_rows())
    notes = []
    if len(drawn) < len(with_margin):
        notes.append(f"{len(drawn)} of {plural(len(with_margin), 'network')} drawn; the title speaks of all.")
    if unknown := [n for n in networks if n not in with_margin]:
        rest = f" and {len(unknown) - 5} others" if len(unknown) > 5 else ""
        notes.append(f"Not known, so not drawn: {', '.join(look.names(n) for n in unknown[:5])}{rest}.")
    passed = ", ".join(percent(p) for p in known["pass_through"].unique().sort())
    notes.append(
        f"Source: this model; prices as of {minute(look.as_of)}. Of a cut {passed} reaches the network's price. Use: "
        "without token rewards, but for nodes paid in tokens alone. "
        "Central values, not medians. What if, not a forecast."
    )
    sheet = Sheet(
        title=finding(known, use),
        subtitle="Full-cost margin of a supplier, % of receipts, if the clouds' cost of inference falls at once by so "
        "much of today's. Line: zero. In numbers: the best and the worst corner",
        footer=notes,
        plot_height=0.66 + 1.12 * len(drawn),
        keys=[
            Key(label=f"{percent(-_REACH)} or less", colour=_hex(-_REACH), marker="s"),
            Key(label="loss", colour=_hex(-0.4), marker="s"),
            Key(label="earns its full cost", colour=_hex(0.5), marker="s"),
            Key(label="today", colour=INK, marker="o", hollow=True),
        ],
    )
    columns = [one for one in _COLUMNS if any(_known(frame, n, one[0]).height for n in drawn)]
    lowest = {c: max(i for i, n in enumerate(drawn) if _known(frame, n, c).height) for c, _, _ in columns}
    panels = sheet.grid(len(drawn), len(columns), left=1.62, right=0.12, below=0.36, above=0.2, gap_x=0.62, gap_y=0.22)
    for i, network in enumerate(drawn):
        mine = frame.filter(pl.col("network") == network)
        for j, (column, title, unit) in enumerate(columns):
            axes = panels[i][j]
            part = mine.filter(pl.col(column).is_not_null())
            at = use.get(network) if column == "utilisation" else 1.0
            _heat_map(axes, part, column, at, gid=f"{network}:{column}", bottom=i == lowest[column])
            if i == 0:
                axes.set_title(title, fontsize=7, pad=4)
            if i == lowest[column]:
                axes.set_xlabel("sudden cut of clouds' cost", fontsize=6.3, labelpad=2)
            axes.set_ylabel(unit, fontsize=5.6, labelpad=2, color=MUTED)
        row_label(sheet, [panels[i][0]], look, network, mine["accelerator"][0], fresh.get(network))
    return sheet.figure


def _known(frame: pl.DataFrame, network: str, column: str) -> pl.DataFrame:
    """The cells of one panel that have a margin."""
    return frame.filter(pl.col("network") == network, pl.col(column).is_not_null(), pl.col("full_margin").is_not_null())


def _hex(margin: float) -> Any:
    return _COLOURS((margin / _REACH + 1) / 2)


def _heat_map(axes: Axes, part: pl.DataFrame, column: str, today: float | None, *, gid: str, bottom: bool) -> None:
    """One grid of cells, the line where the margin is zero, and a ring where the supplier stands today."""
    known = part.filter(pl.col("full_margin").is_not_null())
    if known.is_empty():
        axes.set_axis_off()
        reasons = part["not_known"].drop_nulls().to_list()
        words = f"not known: {reasons[0]}" if reasons else "no token rewards on record"
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
    last = len(cuts) - 1, len(steps) - 1
    for x, y, value in ((0, last[1], values[-1, 0]), (last[0], 0, values[0, -1])):
        axes.annotate(
            percent(value) if value >= -_REACH else f"< {percent(-_REACH)}", (x, y), xytext=(-4 if x == 0 else 4, 0),
            textcoords="offset points", ha="left" if x == 0 else "right", va="center", fontsize=5.6,
            color="white" if abs(value) > 0.6 else INK, gid=f"corner:{gid}:{0 if x == 0 else 1}",
        )  # fmt: skip
    if today is not None and cuts[0] == 0:
        height = float(np.interp(today, steps, range(len(steps))))
        axes.plot([0], [height], marker="o", ms=4.6, mfc="white", mec=INK, mew=1.1, ls="none", gid=f"today:{gid}")
    shown = range(0, len(cuts), max(1, math.ceil(len(cuts) / 5)))
    axes.set_xticks(list(shown), [percent(cuts[k]) for k in shown] if bottom else [""] * len(shown))
    rows = range(0, len(steps), max(1, math.ceil(len(steps) / 5)))
    labels = [percent(steps[k]) if column == "utilisation" else f"{number(steps[k])}{_TIMES}" for k in rows]
    axes.set_yticks(list(rows), labels)
    axes.tick_params(axis="both", labelsize=6)
