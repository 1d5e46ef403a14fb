"""Utilisation: how much of each network is rented, beside the use at which a provider breaks even."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.charts._rows import left_room, row_names
from reports.reasons import kind_of_reason, reasons_note, without_margin
from reports.style import (
    INK,
    MUTED,
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
from reports.words import AT_LEAST, KIND_WORDS, day, listing, of_many, of_networks, percent

__all__ = ["MOST_NETWORKS", "uses", "utilisation"]

MOST_NETWORKS = 30
_SIZE = 6.3
_END = 1.06  # where what needs more than all hours is drawn
_SEEN = 0.035  # a shorter gap is hidden by the marker and the tick
_GAP = 0.09  # inches between the panel and the words beside it
_COUNTED = re.compile(r"(\d+) of (\d+) (GPUs|cards)\b")


def uses(headlines: pl.DataFrame, margins: pl.DataFrame, facts: pl.DataFrame) -> list[Row]:
    """One row a network: the known use of its headline chip, else of all of it, and the use it breaks even at.

    ``used`` is null where nobody told one (what the model assumes instead is ``assumed``); ``needed`` is null
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
        why = without_margin(chip) if not row else row["not_known"]
        reason = None if needed is not None else why
        found.append(
            {
                "network": network,
                "used": fact.get("value"),
                "of_chip": bool(of_chip.height),
                "whole": whole["value"][0] if whole.height and of_chip.height else None,
                "whole_layer": whole["layer"][0] if whole.height and of_chip.height else None,
                "of": _machines(fact.get("note")),
                "assumed": row.get("utilisation") if not fact else None,
                "needed": needed,
                "reason": reason if not row else kind_of_reason(reason) if needed is None else None,
                "accelerator": chip,
                **{k: fact.get(k) for k in ("kind", "layer", "observed_at", "source")},
            }
        )
    return found


def _machines(note: str | None) -> str | None:
    """How many machines a share is of, as the source's note says: ``"0 of 2 GPUs"``; None where it does not.

    >>> _machines("0 of 2 GPUs hired"), _machines("60 hosts at work, 40 waiting; hosts, not GPUs"), _machines(None)
    ('0 of 2 GPUs', None, None)
    """
    found = _COUNTED.match(note or "")
    return f"{int(found[1]):,} of {int(found[2]):,} {found[3]}" if found else None


def finding(rows: list[Row], floors: Collection[str] = frozenset()) -> str:
    """The title: how many networks are used more than a provider needs; true of any rows.

    On the networks of ``floors``, which may keep more than they publish, a provider may need more.
    """
    known = [r for r in rows if r["used"] is not None]
    both = [r for r in known if r["needed"] is not None]
    if not known:
        return "How much is used is known of no network" if len(rows) != 1 else "The network's use is not known"
    if not both:
        many = of_many(len(known), len(rows))
        return f"Use is known of {many} networks; what a provider needs of none"
    enough = sum(r["used"] >= r["needed"] for r in both)
    if len(both) == 1:
        name = "The one network of known use and cost" if len(rows) > 1 else "The network"
        return f"{name} is used {'more' if enough else 'less'} than a provider needs to break even"
    many, is_are = of_networks(enough, len(both)), "is" if enough <= 1 else "are"
    if any(r["used"] >= r["needed"] and r["network"] in floors for r in both):
        many = f"at most {enough} of {len(both)} networks"
    which = "" if len(both) == len(rows) else " of known use and cost"
    return f"{many[0].upper()}{many[1:]}{which} {is_are} used enough for a provider to break even"


@styled
def utilisation(headlines: pl.DataFrame, margins: pl.DataFrame, facts: pl.DataFrame, look: Look) -> Figure:
    """Draw one row a network: its known use a marker, the use at which a provider breaks even a tick.

    Parameters
    ----------
    headlines : Headlines
        Networks with their chip and kind of provider.
    margins : Margins
        Their break-even use.
    facts : NetworkFacts
        Known use, of chips and of whole networks.
    look : Look
        Names, colours, date.
    """
    every = uses(headlines, margins, facts)
    if not any(r["used"] is not None or r["needed"] is not None for r in every):
        return empty(finding(every, look.fee_floors), "no source told a use, and no break-even is known", look)
    telling = [r for r in every if r["used"] is not None or r["needed"] is not None]
    # What most can be told of comes first where not all can be drawn.
    ranked = sorted(telling, key=lambda r: (r["used"] is None) + (r["needed"] is None))
    chosen = {r["network"] for r in ranked[:MOST_NETWORKS]}
    shown = [r for r in telling if r["network"] in chosen]
    dated = [r for r in shown if r["observed_at"] is not None]
    frame = pl.DataFrame(
        {"layer": [r["layer"] for r in dated], "observed_at": [r["observed_at"] for r in dated]},
        schema={"layer": pl.String, "observed_at": pl.Datetime("us", "UTC")},
    )
    short = [r for r in shown if _is_short(r)]
    notes = []
    if len(shown) < len(telling):
        notes.append(f"{len(shown)} of {len(telling)} networks shown; the others are in margins.csv.")
    if any(r["assumed"] is not None for r in shown):
        notes.append("Where no use is known, margins rest on an assumption, which is not drawn.")
    if short:
        notes.append("In bold: needed, but not reached.")
    if unknown := [(look.names(r["network"]), r["reason"]) for r in shown if r["needed"] is None]:
        notes.append(f"Use needed not known: {reasons_note(unknown, MOST_NETWORKS)}.")
    if neither := [(look.names(r["network"]), r["reason"]) for r in every if r not in telling]:
        notes.append(f"Neither use nor use needed known, so not drawn: {reasons_note(neither, len(every))}.")
    sources = dict.fromkeys(look.names(r["source"]) for r in dated)
    told = listing(sources) if sources else "none"
    by = [f"use: {told}; break-even: this model"]
    notes.append(source_note(look, frame, [("layer", "observed_at")], by, what="uses", marks="Hollow"))
    marked = [r for r in shown if r["whole"] is not None]
    apart = [r for r in short if min(r["needed"], _END) - r["used"] > _SEEN]
    layers = set(frame["layer"])
    needs = any(r["needed"] is not None and r["needed"] <= 1 for r in shown)
    keys = [
        *(
            [Key(label="known use of the chip, else of the whole network", colour=INK, marker="o")]
            if "live" in layers
            else []
        ),
        *([Key(label="known use, not live", colour=INK, marker="o", hollow=True)] if layers - {"live"} else []),
        *([Key(label="needed", colour=INK, marker="|")] if needs else []),
        *([Key(label="used less than needed", colour=INK, line="--")] if apart else []),
        *(
            [
                Key(
                    label="of the whole network",
                    colour=MUTED,
                    marker="o",
                    hollow=all(r["whole_layer"] != "live" for r in marked),
                )
            ]
            if marked
            else []
        ),
    ]
    sheet = Sheet(
        title=finding(every, look.fee_floors),
        subtitle="Share of hours rented, beside the share at which a new node's owner earns its full cost",
        footer=notes,
        plot_height=0.5 + (0.205 if len(shown) <= 20 else 0.185) * len(shown),
        keys=keys,
    )
    left, right = left_room([look.names(r["network"]) for r in shown], 2.0), 3.0
    ((axes,),) = sheet.grid(1, 1, left=left, right=right, below=0.22, above=0.14)
    row_names(axes, [look.names(r["network"]) for r in shown], left)
    axes.set_xlim(0, 1.1)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], [percent(t) for t in (0, 0.25, 0.5, 0.75, 1.0)])
    axes.grid(axis="x")
    for y, row in enumerate(shown):
        _draw(axes, y, row, look, right)
    _beside(axes, -0.62, "Used", color=MUTED, va="bottom")
    _beside(axes, -0.62, "Needs", at=right - 0.02, color=MUTED, va="bottom")
    return sheet.figure


def _is_short(row: Row) -> bool:
    """Whether a network is used less than a provider needs."""
    return row["used"] is not None and row["needed"] is not None and row["used"] < row["needed"]


def _beside(axes: Axes, y: float, text: str, *, at: float | None = None, **style: Any) -> None:
    """Words right of the panel: from its edge on, or ending ``at`` inches from it."""
    axes.annotate(
        text, (1.0, y), xycoords=axes.get_yaxis_transform(), xytext=(72 * (at if at is not None else _GAP), 0),
        textcoords="offset points", ha="left" if at is None else "right", fontsize=_SIZE, annotation_clip=False,
        **{"va": "center"} | style,
    )  # fmt: skip


def _draw(axes: Axes, y: int, row: Row, look: Look, right: float) -> None:
    """One network's row, and what its numbers are."""
    used, needed, short = row["used"], row["needed"], _is_short(row)
    colour, marker = look.network(row["network"])
    name = row["network"]
    if used is not None and needed is not None:
        axes.plot(
            [used, min(needed, _END)], [y, y], color=INK if short else MUTED, lw=1.6 if short else 1.4,
            ls=(0, (2, 1.2)) if short else "-", alpha=1.0 if short else 0.45, zorder=2, gid=f"gap:{name}",
            solid_capstyle="butt", dash_capstyle="butt",
        )  # fmt: skip
    if needed is not None:
        if needed > 1.0:
            axes.plot([_END], [y], marker=">", ms=4, color=INK, linestyle="none", zorder=3, gid=f"beyond:{name}")
        else:
            axes.plot(
                [needed], [y], marker="|", ms=9, mew=1.2, color=INK, linestyle="none", zorder=3, gid=f"needed:{name}"
            )
    if row["whole"] is not None:
        style = marker_style(MUTED, row["whole_layer"]) | {"markeredgewidth": 0.9}
        axes.plot([row["whole"]], [y], marker="o", ms=2.8, linestyle="none", gid=f"whole:{name}", **style)
    if used is not None:
        axes.plot(
            [used], [y], marker=marker, markersize=5.4, linestyle="none", zorder=4, gid=f"used:{name}", clip_on=False,
            **marker_style(colour, row["layer"]),
        )  # fmt: skip
        of = f" ({row['of']})" if row["of"] else ""
        words = f"{percent(used)} {KIND_WORDS.get(row['kind'], row['kind'])}{of}, {day(row['observed_at'])}"
    else:
        words = "not known" + (f"; {percent(row['assumed'])} assumed" if row["assumed"] is not None else "")
    _beside(axes, y, fit(words, _SIZE, right - _GAP - 0.66), gid=f"told:{name}",
            color=INK if used is not None else MUTED, style="normal" if used is not None else "italic")  # fmt: skip
    need = "over 100%" if needed is not None and needed > 1 else percent(needed)
    if needed is not None and needed <= 1 and name in look.fee_floors:
        need = f"{AT_LEAST} {need}"
    _beside(axes, y, need, at=right - 0.02, gid=f"needs:{name}", color=MUTED if needed is None else INK,
            weight="bold" if short else "normal", style="italic" if needed is None else "normal")  # fmt: skip
