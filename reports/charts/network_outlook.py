"""One network's outlook: the buyer's advantage and the supplier's margin over the years, with what is uncertain."""

from __future__ import annotations

from typing import Literal

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.charts._panels import FLOOR, draw_path, end_labels, is_below, prepare, span_of_dates
from reports.style import MUTED, REFERENCE_COLOUR, Key, Look, Sheet, empty, styled
from reports.view import future_pair, plain
from reports.words import REFERENCE_WORDS, minute, percent

__all__ = ["network_outlook"]

_REFERENCES = ("list", "committed", "modelled_cost")
_LINES: dict[str, Literal["-", "--"]] = {"list": "-", "committed": "--", "modelled_cost": "-"}


def finding(advantage: pl.DataFrame, margin: pl.DataFrame) -> str:
    """The title, from the median paths: the lead over the list price, then the margin of a new node; true of any."""
    told = []
    listed = advantage.filter(pl.col("reference") == "list").sort("month")
    if listed.height:
        now, then, year = listed["advantage_p50"][0], listed["advantage_p50"][-1], listed["date"][-1].year
        lost = listed.filter(pl.col("advantage_p50") <= 0)
        if now <= 0:
            told.append("Dearer than the cloud's list price today")
        elif lost.height:
            told.append(f"The lead over the list price goes by {lost['date'][0]:%Y} in the median draw")
        else:
            told.append(f"The lead over the list price goes from {percent(now)} to {percent(then)} by {year}")
    if margin.height:
        path = margin.sort("month")
        value, year = path["full_margin_new_node_p50"][-1], path["date"][-1].year
        who = f"{'a' if told else 'A'} supplier who buys in {year}"
        told.append(f"{who} keeps {percent(value)}" if value > 0 else f"{who} does not cover his full cost")
    return "; ".join(told) if told else "Nothing is known of its outlook"


@styled
def network_outlook(advantage_paths: pl.DataFrame, margin_paths: pl.DataFrame, look: Look, *, network: str) -> Figure:
    """Draw two panels: advantage over three references of one cloud, and the margins of two nodes, base scenario.

    Parameters
    ----------
    advantage_paths, margin_paths : AdvantagePaths, MarginPaths
        Medians with the band from the 10th to the 90th percentile, fleet-average pricing.
    look : Look
        Names, colours, date.
    network : str
        Whose.
    """
    base = (pl.col("network") == network) & (pl.col("scenario") == "base") & (pl.col("pricing") == "fleet_average")
    mine = plain(advantage_paths.filter(base))
    pair = future_pair(mine)
    advantage = mine.filter(pl.col("cloud") == pair[0], pl.col("silicon") == pair[1]) if pair else mine
    margin = plain(margin_paths.filter(base))
    if advantage.is_empty() and margin.is_empty():
        return empty(finding(advantage, margin), "no price that can be compared, and no margin that is known", look)
    first, last = span_of_dates(advantage if advantage.height else margin)
    against = f", against {look.names.long_pair(*pair)}" if pair else ""
    sheet = Sheet(
        title=finding(advantage, margin),
        subtitle=f"Left: buyer's advantage, % of the cloud's price or cost{against}. Right: full-cost margin, % of "
        "receipts",
        footer=[
            f"Source: this model, base scenario; prices as of {minute(look.as_of)}. Lines: median of the draws; bands: "
            "10th to 90th percentile. A projection, not a forecast."
        ],
        plot_height=1.62,
        keys=[
            *(
                Key(label=f"over {REFERENCE_WORDS[r].lower()}", colour=REFERENCE_COLOUR[r], line=_LINES[r])
                for r in _REFERENCES
                if r in set(advantage["reference"])
            ),
            *_node_keys(look.network(network)[0], known=margin.height > 0),
            Key(label=f"below {percent(FLOOR)}", colour=MUTED, marker="v"),
        ],
    )
    ((left, right),) = sheet.grid(1, 2, left=0.42, right=0.5, below=0.22, above=0.08, gap_x=0.95)
    _panel(
        left,
        [(advantage.filter(pl.col("reference") == r), "advantage", REFERENCE_COLOUR[r], _LINES[r])
         for r in _REFERENCES],
        first, last, gid=f"{network}:advantage",
    )  # fmt: skip
    _panel(
        right,
        [(margin, "full_margin", MUTED, "--"), (margin, "full_margin_new_node", look.network(network)[0], "-")],
        first, last, gid=f"{network}:margin",
    )  # fmt: skip
    return sheet.figure


def _node_keys(colour: str, *, known: bool) -> list[Key]:
    """What the lines of the margins are, where there are any."""
    if not known:
        return []
    return [
        Key(label="node bought at the time", colour=colour, line="-"),
        Key(label="node bought today", colour=MUTED, line="--"),
    ]


def _panel(
    axes: Axes, lines: list[tuple[pl.DataFrame, str, str, str]], first: object, last: object, *, gid: str
) -> None:
    prepare(axes, first, last, left=True, bottom=True, zero=None)  # type: ignore[arg-type]
    ends, seen = [], False
    for part, quantity, colour, line in lines:
        if part.is_empty():
            continue
        median = part.with_columns(pl.col(f"{quantity}_p50").alias(quantity))
        draw_path(axes, median, quantity, colour=colour, line=line, band=True,
                  gid=":".join([gid, *part["reference"][:1]] if "reference" in part.columns else [gid, quantity])
                  )  # fmt: skip
        value = median.sort("month")[quantity][-1]
        if not is_below(value):
            ends.append((value, percent(value), colour))
        seen = seen or not all(map(is_below, median[quantity]))
    if not seen:
        known = any(part.height for part, *_ in lines)
        words = f"below {percent(FLOOR)} throughout" if known else "not known"
        axes.text(0.5, 0.6, words, transform=axes.transAxes, ha="center", fontsize=7, color=MUTED,
                  style="italic", gid=f"none:{gid}")  # fmt: skip
    end_labels(axes, ends, gap=0.15)
