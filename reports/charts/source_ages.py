"""Source ages: how old the data of each source is beside its expected age and limit, and whether it answered."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.charts._rows import row_names
from reports.style import INK, MUTED, NEGATIVE, Key, Look, Sheet, empty, fit, marker_style, styled
from reports.view import Row, plain
from reports.words import age, aged, listing, plural

__all__ = ["MOST_SOURCES", "source_ages"]

MOST_SOURCES = 30
_HOUR = 1 / 24
_STATE_WORDS = {
    "ok": "answered",
    "partial": "answered in part",
    "unreachable": "not reached",
    "failed": "failed",
    "timed_out": "timed out",
    "no_key": "no key",
    "off": "switched off",
    "reference": "reference only",
}
_SCALE = (
    (_HOUR, "same day"), (1.0, "1 day"), (7.0, "1 week"), (30.0, "1 month"), (365.0, "1 year"), (3650.0, "10 years"),
)  # fmt: skip
_MOST_NAMED = 12


def finding(states: pl.DataFrame) -> str:
    """The title: how many sources answered and how many are older than they should be; true of any frame."""
    if states.is_empty():
        return "No source was asked"
    by_others = (states["state"] == "reference") & (states["layer"] == "live")
    told_by_others = int(by_others.fill_null(False).sum())
    live = int((states["layer"] == "live").fill_null(False).sum()) - told_by_others
    start = f"{live} of {plural(states.height - told_by_others, 'source')} answered live"
    if told_by_others:
        start += f", and told of {plural(told_by_others, 'seller')} more"
    oldest = states["age_days"].max()
    if not isinstance(oldest, float):
        return f"{start}; of no other are there data" if live + told_by_others < states.height else start
    beyond, stale = (int((states["freshness"] == f).fill_null(False).sum()) for f in ("expired", "stale"))
    if states["freshness"].null_count() == states.height:
        return f"{start}; the newest data of the stalest is {age(oldest)} old"
    told = [f"{beyond} beyond {'its' if beyond == 1 else 'their'} limit of age"] if beyond else []
    told += [f"{stale} older than expected"] if stale else []
    return f"{start}; {' and '.join(told) if told else 'none is older than expected'}"


@styled
def source_ages(source_states: pl.DataFrame, look: Look) -> Figure:
    """Draw one row a source: the age of its newest data on a scale from hours to years, its expected age and limit.

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
    rank = pl.col("freshness").replace_strict({"expired": 2, "stale": 1}, default=0, return_dtype=pl.Int8)
    idle = states.filter(pl.col("age_days").is_null(), pl.col("state").is_in(["reference", "off"]))
    rest = states.join(idle, on="source", how="anti") if idle.height < states.height else states
    # The stalest on top; where not all can be drawn, those that answered as they should are left out first.
    shown = (
        rest.sort(rank, "age_days", "source", descending=True, nulls_last=[False, False, False])
        .head(MOST_SOURCES)
        .sort("age_days", "source", descending=[False, True], nulls_last=True)
    )
    notes = (
        [f"{shown.height} of {rest.height} sources with data shown, the stalest; the others are in manifest.json."]
        if shown.height < rest.height
        else []
    )
    if rest.height < states.height:
        names = [look.names(s) for s in idle["source"].sort()]
        more = [plural(len(names) - _MOST_NAMED, "other")] if len(names) > _MOST_NAMED else []
        notes.append(
            f"Not asked, and without packaged prices under their own name: {listing([*names[:_MOST_NAMED], *more])}."
        )
    limits = [v for c in ("age_days", "expected_age_days", "limit_age_days") for v in shown[c].drop_nulls()]
    keys = [Key(label="live", colour=INK, marker="o"), Key(label="stored or reference data", marker="o", hollow=True)]
    if shown["expected_age_days"].count():
        keys.append(Key(label="up to its expected age", colour="#7fb8ae", line="-"))
    if shown["limit_age_days"].count():
        keys.append(Key(label="limit of age", colour=NEGATIVE, marker="|"))
    sheet = Sheet(
        title=finding(states),
        subtitle="Age of each source's newest data, against what is expected of that source. A single price may age "
        "sooner by its kind. Log scale",
        footer=[*notes, f"Source: this run's source states; {look.dated()}."],
        plot_height=0.45 + 0.19 * shown.height,
        keys=keys,
    )
    left, right = 1.6, 2.15
    ((axes,),) = sheet.grid(1, 1, left=left, right=right, below=0.22)
    axes.set_xscale("log")
    top = max([*limits, 30.0]) * 1.35
    axes.set_xlim(_HOUR * 0.8, top)
    row_names(axes, [look.names(s) for s in shown["source"]], left)
    axes.set_ylim(-0.7, shown.height - 0.3)
    for y, row in enumerate(shown.iter_rows(named=True)):
        _draw(axes, y, row, right)
    marks = [(place, told) for place, told in _SCALE if place <= top]
    axes.set_xticks([m for m, _ in marks], [t for _, t in marks])
    axes.minorticks_off()
    axes.grid(axis="x")
    return sheet.figure


def _draw(axes: Axes, y: int, row: Row, right: float) -> None:
    """One source's row: its age, its two limits, and how it fared."""
    name = row["source"]
    if row["expected_age_days"] is not None:
        expected = max(row["expected_age_days"], _HOUR)
        axes.plot(
            [_HOUR * 0.8, expected], [y, y], color="#7fb8ae", lw=3.2, solid_capstyle="butt", zorder=1,
            gid=f"expected:{name}",
        )  # fmt: skip
    if row["limit_age_days"] is not None:
        axes.plot(
            [max(row["limit_age_days"], _HOUR)], [y], marker="|", ms=7, mew=1.4, color=NEGATIVE, linestyle="none",
            zorder=2, gid=f"limit:{name}",
        )  # fmt: skip
    if row["age_days"] is not None:
        axes.plot(
            [max(row["age_days"], _HOUR)], [y], linestyle="none", marker="o", markersize=5, zorder=3,
            gid=f"source:{name}", **marker_style(NEGATIVE if row["freshness"] == "expired" else INK, row["layer"]),
        )  # fmt: skip
    good = row["state"] in ("ok", "reference", "off") and row["freshness"] not in ("stale", "expired")
    by_another = row["state"] == "reference" and row["layer"] == "live"
    words = "told by another source" if by_another else str(_STATE_WORDS.get(row["state"], row["state"]))
    mark = {"beyond its limit of age": "beyond its limit"}.get(aged(row["freshness"]), aged(row["freshness"]))
    if row["state"] in ("ok", "partial") and row["layer"] == "reference":
        words += " without a price"
    told = ", ".join(part for part in (age(row["age_days"], unknown="no data"), mark, words) if part)
    # Set off in points: leading blanks are lost in an SVG, and the row's hairline would run into the words.
    axes.annotate(
        fit(told, 6.5, right - 0.15), (1.0, y), xycoords=axes.get_yaxis_transform(), xytext=(5, 0),
        textcoords="offset points", va="center", ha="left", fontsize=6.5, color=MUTED if good else NEGATIVE,
        gid=f"told:{name}",
    )  # fmt: skip
