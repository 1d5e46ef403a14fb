"""Utilisation: how much of each network is rented, beside the use at which a provider breaks even."""

from __future__ import annotations

from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.charts._reasons import kind_of_reason, reasons_note
from reports.charts._rows import left_room, row_names
from reports.style import (
    INK,
    MUTED,
    NEGATIVE,
    WIDTH,
    Key,
    Look,
    Sheet,
    empty,
    fit,
    marker_style,
    source_note,
    styled,
)
from reports.view import Row, headline_margins, ordered_headlines, plain
from reports.words import KIND_WORDS, day, listing, of_many, percent, plural

__all__ = ["MOST_NETWORKS", "uses", "utilisation"]

MOST_NETWORKS = 30
_SIZE = 6.3
_END = 1.06  # where what needs more than all hours is drawn


def uses(headlines: pl.DataFrame, margins: pl.DataFrame, facts: pl.DataFrame) -> list[Row]:
    """One row a network: the published use of its headline chip, else of all of it, and the use it breaks even at.

    ``used`` is null where nobody published one (what the model assumes instead is ``assumed``); ``needed`` is null
    where the margin is not known, with ``reason``.
    """
    told = plain(facts).filter(pl.col("metric") == "utilisation").sort("observed_at", descending=True)
    rows = {r["network"]: r for r in headline_margins(headlines, margins).iter_rows(named=True)}
    found = []
    for head in ordered_headlines(headlines).iter_rows(named=True):
        network, chip, row = head["network"], head["accelerator"], rows.get(head["network"], {})
        mine = told.filter(pl.col("network") == network)
        of_chip = mine.filter(pl.col("subject") == chip) if chip else mine.clear()
        whole = mine.filter(pl.col("subject").is_null())
        fact = next((part.row(0, named=True) for part in (of_chip, whole) if part.height), {})
        needed = row.get("breakeven_utilisation")
        reason = None if needed is not None else "no chip serves a model" if not row else row["not_known"]
        found.append(
            {
                "network": network,
                "used": fact.get("value"),
                "of_chip": bool(of_chip.height),
                "whole": whole["value"][0] if whole.height and of_chip.height else None,
                "assumed": row.get("utilisation") if not fact else None,
                "needed": needed,
                "reason": reason if not row else kind_of_reason(reason) if needed is None else None,
                "accelerator": chip,
                **{k: fact.get(k) for k in ("kind", "layer", "observed_at", "source")},
            }
        )
    return found


def finding(rows: list[Row]) -> str:
    """The title: how many networks are used more than a provider needs; true of any rows."""
    published = [r for r in rows if r["used"] is not None]
    both = [r for r in published if r["needed"] is not None]
    if not published:
        return "No network publishes how much of it is used" if len(rows) != 1 else "The network publishes no use"
    if not both:
        many = of_many(len(published), len(rows)).capitalize()
        return f"{many} networks publish their use; what a provider needs is known of none"
    enough = sum(r["used"] >= r["needed"] for r in both)
    if len(both) == 1:
        name = "The one network of known use and cost" if len(rows) > 1 else "The network"
        return f"{name} is used {'more' if enough else 'less'} than a provider needs to break even"
    many = of_many(enough, len(both)).capitalize()
    return f"{many} networks of known use and cost are used enough to break even"


@styled
def utilisation(headlines: pl.DataFrame, margins: pl.DataFrame, facts: pl.DataFrame, look: Look) -> Figure:
    """Draw one row a network: its published use a marker, the use at which a provider breaks even a tick.

    Parameters
    ----------
    headlines : Headlines
        Networks with their chip and kind of provider.
    margins : Margins
        Their break-even use.
    facts : NetworkFacts
        Published use, of chips and of whole networks.
    look : Look
        Names, colours, date.
    """
    every = uses(headlines, margins, facts)
    if not any(r["used"] is not None or r["needed"] is not None for r in every):
        return empty(finding(every), "no network published its use and no break-even is known in this run", look)
    # What can be told of comes first where not all can be drawn.
    ranked = sorted(every, key=lambda r: (r["used"] is None) + (r["needed"] is None))
    chosen = {r["network"] for r in (ranked[:MOST_NETWORKS] if len(every) > MOST_NETWORKS else every)}
    shown = [r for r in every if r["network"] in chosen]
    dated = [r for r in shown if r["observed_at"] is not None]
    frame = pl.DataFrame(
        {"layer": [r["layer"] for r in dated], "observed_at": [r["observed_at"] for r in dated]},
        schema={"layer": pl.String, "observed_at": pl.Datetime("us", "UTC")},
    )
    notes = (
        []
        if len(shown) == len(every)
        else [f"{len(shown)} of {len(every)} networks shown; the others are in margins.csv."]
    )
    if any(r["assumed"] is not None for r in shown):
        notes.append("Where nobody publishes the use, margins rest on an assumption, which is not drawn.")
    sources = dict.fromkeys(look.names(r["source"]) for r in dated)
    some = [*list(sources)[:6], *([plural(len(sources) - 6, "other")] if len(sources) > 6 else [])]
    told = listing(some) if some else "none"
    unknown = [(look.names(r["network"]), r["reason"]) for r in shown if r["needed"] is None]
    if unknown:
        notes.append(f"Break-even not known: {reasons_note(unknown, 3)}.")
    by = [f"published use: {told}; break-even: this model"]
    notes.append(source_note(look, frame, [("layer", "observed_at")], by, what="uses"))
    marked = [r for r in shown if r["whole"] is not None]
    keys = [
        Key(label="published use of the headline's chip, or of the network", colour=INK, marker="o"),
        *([Key(label="of the whole network", colour=MUTED, marker="|")] if marked else []),
        *([Key(label="not live", colour=MUTED, marker="o", hollow=True)] if (frame["layer"] != "live").any() else []),
    ]
    sheet = Sheet(
        title=finding(every),
        subtitle="Share of hours rented, in %, beside the share at which a new node's owner earns its full cost "
        "(upright bar). Red: used less than that",
        footer=notes,
        plot_height=0.5 + (0.205 if len(shown) <= 20 else 0.185) * len(shown),
        keys=keys,
    )
    left, right = left_room([look.names(r["network"]) for r in shown], 2.0), 2.4
    ((axes,),) = sheet.grid(1, 1, left=left, right=right, below=0.22, above=0.14)
    row_names(axes, [look.names(r["network"]) for r in shown], left)
    axes.set_xlim(0, 1.1)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], [percent(t) for t in (0, 0.25, 0.5, 0.75, 1.0)])
    axes.grid(axis="x")
    for y, row in enumerate(shown):
        _draw(axes, y, row, look, right)
    style: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "fontsize": _SIZE, "color": MUTED, "va": "bottom"}
    axes.text(1.0, -0.62, "   Used", ha="left", **style)
    axes.text(1 + (right - 0.02) / (WIDTH - left - right), -0.62, "Needs", ha="right", **style)
    return sheet.figure


def _draw(axes: Axes, y: int, row: Row, look: Look, right: float) -> None:
    """One network's row, and what its numbers are."""
    used, needed = row["used"], row["needed"]
    colour, marker = look.network(row["network"])
    short = used is not None and needed is not None and used < needed
    name = row["network"]
    if used is not None and needed is not None:
        axes.plot(
            [used, min(needed, _END)], [y, y], color=NEGATIVE if short else MUTED, lw=2.2 if short else 1.4,
            alpha=0.75 if short else 0.45, zorder=2, gid=f"gap:{name}", solid_capstyle="butt",
        )  # fmt: skip
    if needed is not None:
        if needed > 1.0:
            axes.plot([_END], [y], marker=">", ms=4, color=INK, linestyle="none", zorder=3, gid=f"beyond:{name}")
        else:
            axes.plot(
                [needed], [y], marker="|", ms=9, mew=2.0, color=INK, linestyle="none", zorder=3, gid=f"needed:{name}"
            )
    if row["whole"] is not None:
        axes.plot([row["whole"]], [y], marker="|", ms=5, mew=1.0, color=MUTED, linestyle="none", gid=f"whole:{name}")
    if used is not None:
        axes.plot(
            [used], [y], marker=marker, markersize=5.4, linestyle="none", zorder=4, gid=f"used:{name}", clip_on=False,
            **marker_style(colour, row["layer"]),
        )  # fmt: skip
        words = f"{percent(used)} {KIND_WORDS.get(row['kind'], row['kind'])}, {day(row['observed_at'])}"
    else:
        words = "not published" + (f"; {percent(row['assumed'])} assumed" if row["assumed"] is not None else "")
    style: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "fontsize": _SIZE, "va": "center"}
    need = "more than 100%" if needed is not None and needed > 1 else percent(needed)
    axes.text(
        1.0, y, "   " + fit(words, _SIZE, right - 0.85), ha="left", gid=f"told:{name}",
        color=INK if used is not None else MUTED, style="normal" if used is not None else "italic", **style,
    )  # fmt: skip
    axes.text(
        1 + (right - 0.02) / (WIDTH * axes.get_position().width), y, need, ha="right", gid=f"needs:{name}",
        color=MUTED if needed is None else NEGATIVE if short else INK,
        style="italic" if needed is None else "normal", **style,
    )  # fmt: skip
