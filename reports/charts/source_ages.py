"""Source ages: how old the data of each source is, and whether it answered this time."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from reports.style import INK, LINE, MUTED, NEGATIVE, Key, Look, Sheet, empty, fit, marker_style, styled
from reports.view import plain
from reports.words import age, aged, minute, plural

__all__ = ["MOST_SOURCES", "source_ages"]

MOST_SOURCES = 40
_STATE_WORDS = {
    "ok": "answered",
    "partial": "answered in part",
    "unreachable": "not reached",
    "failed": "failed",
    "timed_out": "timed out",
    "off": "switched off",
    "reference": "reference only",
}


def finding(states: pl.DataFrame) -> str:
    """The title: how many sources answered and how old the stalest one is; true of any frame."""
    if states.is_empty():
        return "No source was asked"
    live = int((states["layer"] == "live").fill_null(False).sum())
    oldest = states["age_days"].max()
    start = f"{live} of {plural(states.height, 'source')} answered live"
    return f"{start}; the newest data of the stalest is {age(oldest)} old" if isinstance(oldest, float) else start


@styled
def source_ages(source_states: pl.DataFrame, look: Look) -> Figure:
    """Draw one row a source: the age of its newest data on a scale from hours to years.

    Parameters
    ----------
    source_states : SourceStates
        A source without data is named as such, never drawn at zero.
    look : Look
        Names, date.
    """
    states = plain(source_states)
    if states.is_empty():
        return empty(finding(states), "no source was asked in this run", look)
    ordered = states.sort(["age_days", "source"], descending=[True, True], nulls_last=False)
    shown = ordered.head(MOST_SOURCES) if ordered.height > MOST_SOURCES else ordered
    notes = [f"{shown.height} of {states.height} sources shown, oldest first."] if shown.height < states.height else []
    sheet = Sheet(
        title=finding(states),
        subtitle="Age of the newest data of each source. Log scale",
        footer=[*notes, f"Source: this run's source states; data as of {minute(look.as_of)}."],
        plot_height=0.45 + 0.2 * shown.height,
        keys=[
            Key(label="live", colour=INK, marker="o"),
            Key(label="stored or reference data", colour=INK, marker="o", hollow=True),
        ],
    )
    left, right = 1.6, 1.6
    ((axes,),) = sheet.grid(1, 1, left=left, right=right, below=0.22)
    hour = 1 / 24
    axes.set_xscale("log")
    known = [a for a in shown["age_days"] if a is not None]
    top = max([*known, 30.0]) * 1.6
    axes.set_xlim(hour * 0.8, top)
    for y, row in enumerate(shown.iter_rows(named=True)):
        axes.axhline(y, color=LINE, lw=0.5, zorder=0)
        if row["age_days"] is not None:
            at = max(row["age_days"], hour)
            axes.plot(
                [at],
                [y],
                linestyle="none",
                marker="o",
                markersize=5,
                gid=f"source:{row['source']}",
                **marker_style(INK, row["layer"]),
            )
        good = row["state"] in ("ok", "reference", "off")
        words = _STATE_WORDS.get(row["state"], row["state"])
        mark = aged(row["freshness"])
        told = ", ".join(part for part in (age(row["age_days"], unknown="no data"), mark, words) if part)
        axes.text(
            1.0,
            y,
            "  " + fit(told, 6.5, right - 0.15),
            transform=axes.get_yaxis_transform(),
            va="center",
            ha="left",
            fontsize=6.5,
            color=MUTED if good else NEGATIVE,
        )
    names = [fit(look.names(s), 7.5, left - 0.1) for s in shown["source"]]
    axes.set_yticks(range(shown.height), names, ha="left")
    axes.tick_params(axis="y", pad=(left - 0.02) * 72)
    axes.set_ylim(-0.7, shown.height - 0.3)
    marks = [(hour, "1 hour"), (1.0, "1 day"), (7.0, "1 week"), (30.0, "1 month"), (365.0, "1 year")]
    axes.set_xticks([m for m, _ in marks if m <= top], [t for m, t in marks if m <= top])
    axes.minorticks_off()
    axes.grid(axis="x")
    return sheet.figure
