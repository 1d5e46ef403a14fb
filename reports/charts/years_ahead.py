"""Every network's years ahead in two small panels: the lead over the clouds' list price, and a new node's margin."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from reports import words
from reports.charts._panels import draw_path, end_labels, is_below, prepare, span_of_dates
from reports.style import MUTED, Key, Look, Sheet, empty, styled
from reports.view import future_pair, headline_paths, of_pair, plain

__all__ = ["finding", "years_ahead"]

_MOST_NAMED = 6
_LONGEST_NAME = 16


def finding(advantage: pl.DataFrame, margin: pl.DataFrame) -> str:
    """The title, counted from the last month of the lines."""
    told = []
    lines = _ends(advantage, "advantage")
    leading = [last for first, last in lines.values() if first > 0]
    if leading:
        kept = sum(last > 0 for last in leading)
        if len(leading) == 1:
            told.append(f"Its lead over the list price {'lasts' if kept else 'is gone'}")
        else:
            told.append(f"{words.of_many(kept, len(leading))} leads over the list price last".capitalize())
    elif lines:
        told.append("No network leads over the list price today")
    nodes = _ends(margin, "full_margin_new_node")
    if nodes:
        gains = sum(last > 0 for _, last in nodes.values())
        if len(nodes) == 1:
            told.append(f"a node bought then {'covers' if gains else 'does not cover'} its cost")
        else:
            told.append(f"nodes bought then cover their cost on {words.of_many(gains, len(nodes))} networks")
    if not told:
        return "Nothing is known of the years ahead"
    year = (advantage if advantage.height else margin)["date"].max().year  # type: ignore[union-attr]
    text = f"{'; '.join(told)} ({year}, median)"
    return text[0].upper() + text[1:]


def _ends(frame: pl.DataFrame, quantity: str) -> dict[str, tuple[float, float]]:
    """Network -> first and last value."""
    ordered = frame.drop_nulls(quantity).sort("month").group_by("network", maintain_order=True)
    told = ordered.agg(first=pl.col(quantity).first(), last=pl.col(quantity).last())
    return {network: (first, last) for network, first, last in told.iter_rows()}


def _median(frame: pl.DataFrame, quantity: str) -> pl.DataFrame:
    """The draws' median, where there were draws; else the central path."""
    return frame.with_columns(pl.coalesce(f"{quantity}_p50", quantity).alias(quantity))


@styled
def years_ahead(
    headlines: pl.DataFrame, advantage_paths: pl.DataFrame, margin_paths: pl.DataFrame, look: Look
) -> Figure:
    """Draw two panels, a line a network: base scenario, fleet-average pricing.

    Parameters
    ----------
    headlines : Headlines
    advantage_paths, margin_paths : AdvantagePaths, MarginPaths
        Medians of the draws are drawn, central paths where nothing was drawn.
    look : Look
        Names, colours, date.
    """
    base = (pl.col("scenario") == "base") & (pl.col("pricing") == "fleet_average")
    listed = plain(headline_paths(headlines, advantage_paths.filter(base & (pl.col("reference") == "list"))))
    pair = future_pair(listed)
    advantage = _median(of_pair(listed, pair) if pair else listed, "advantage")
    margin = _median(plain(headline_paths(headlines, margin_paths.filter(base))), "full_margin_new_node")
    title = finding(advantage, margin)
    if advantage.is_empty() and margin.is_empty():
        return empty(title, "no network has a price that can be followed", look)
    first, last = span_of_dates(advantage if advantage.height else margin)
    against = f" of {look.names.long_pair(*pair)}" if pair else ""
    shown = list(dict.fromkeys([*advantage["network"], *margin["network"]]))
    own = [network for network in shown if look.is_named(network)][:_MOST_NAMED]
    others = len(shown) - len(own)
    sheet = Sheet(
        title=title,
        subtitle=f"Left: lead over the list price{against}, % of it. Right: full-cost margin of a node bought at the "
        "time, % of receipts",
        footer=[
            f"Source: this model, base scenario, median of the draws; prices as of {words.minute(look.as_of)}. "
            "A projection, not a forecast; bands and probabilities are on the network pages."
        ],
        plot_height=1.45,
        keys=[
            *(Key(label=words.shorten(look.names(n), _LONGEST_NAME), colour=look.network(n)[0], line="-") for n in own),
            *([Key(label=words.plural(others, "other network"), colour=MUTED, line="--")] if others else []),
        ],
    )
    ((left, right),) = sheet.grid(1, 2, left=0.42, right=0.5, below=0.22, above=0.08, gap_x=0.95)
    for axes, frame, quantity in ((left, advantage, "advantage"), (right, margin, "full_margin_new_node")):
        prepare(axes, first, last, left=True, bottom=True, zero=None)
        ends = []
        for network in frame["network"].unique(maintain_order=True):
            named = network in own
            part = frame.filter(pl.col("network") == network)
            colour = look.network(network)[0] if named else MUTED
            draw_path(axes, part, quantity, colour=colour, line="-" if named else "--", band=False, gid=network)
            value = part.sort("month")[quantity][-1]
            if named and value is not None and not is_below(value):
                ends.append((value, words.percent(value), colour))
        if frame.is_empty():
            axes.text(0.5, 0.6, words.NOT_KNOWN, transform=axes.transAxes, ha="center", fontsize=7, color=MUTED,
                      style="italic", gid=f"none:{quantity}")  # fmt: skip
        end_labels(axes, ends, gap=0.15)
    return sheet.figure
