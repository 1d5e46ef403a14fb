"""Source ages: how old the data of each source is beside its expected age and limit, and whether it answered."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.charts._rows import inches, row_names
from reports.style import INK, MUTED, NEGATIVE, Key, Look, Sheet, empty, marker_style, styled, text_width
from reports.view import Row, sources_and_sellers, states_by_kind
from reports.words import OVERDUE, age, aged, listing, of_things, plural

__all__ = ["MOST_SOURCES", "source_ages"]

MOST_SOURCES = 30
_HOUR = 1 / 24
_SIZE = 6.5
_STATE_WORDS = {
    "ok": "answered",
    "partial": "answered in part",
    "unreachable": "not reached",
    "failed": "failed",
    "timed_out": "timed out",
    "no_key": "no key",
    "off": "switched off",
    "reference": "",  # nobody asked it: of which layer its data are says all
}
_SCALE = (
    (_HOUR, "same day"), (1.0, "1 day"), (7.0, "1 week"), (30.0, "1 month"), (90.0, "3 months"), (365.0, "1 year"),
    (3650.0, "10 years"),
)  # fmt: skip
_MOST_NAMED = 12
# Inches of a row; of many rows, so that the chart fits what is left of a page at its full width, or nearly.
_ROW, _TIGHT_ROW, _MANY = 0.19, 0.14, 20


def finding(states: pl.DataFrame) -> str:
    """The title: how many sources gave live data and how many are older than they should be; true of any frame."""
    if states.is_empty():
        return "No source was asked"
    states, sellers = sources_and_sellers(states)
    live = int((states["layer"] == "live").fill_null(False).sum())
    asked = live > 0 or not states["state"].is_in(["reference", "off"]).all()
    start = (
        f"{live} of {plural(states.height, 'source')} gave live data" if asked else "Nothing was fetched in this run"
    )
    if told := int((sellers["layer"] == "live").fill_null(False).sum()):
        start += f", also of {plural(told, 'further seller')}"
    oldest = states["age_days"].max()
    if not isinstance(oldest, float):
        return f"{start}; of no other are there data" if live < states.height else start
    beyond, stale = (int((states["freshness"] == f).fill_null(False).sum()) for f in ("expired", "stale"))
    if states["freshness"].null_count() == states.height:
        return f"{start}; the newest data of the stalest is {age(oldest)} old"
    past = f"{beyond} {'is beyond its' if beyond == 1 else 'are beyond their'} limit of age"
    if not asked:
        known, old = int(states["age_days"].count()), stale + beyond
        whose = f"{of_things(old, known, 'source')} with data {'are' if old > 1 else 'is'} older than expected"
        return f"{start}; {whose}{f', {past}' if beyond else ''}"
    ages = [past] if beyond else []
    ages += [f"{stale} {'is' if stale == 1 else 'are'} older than expected"] if stale else []
    return f"{start}; {' and '.join(ages) or 'none is older than expected'}"


@styled
def source_ages(source_states: pl.DataFrame, look: Look, *, market_prices: pl.DataFrame | None = None) -> Figure:
    """Draw one row a source: the age of its newest data on a scale from hours to years, its expected age and limit.

    Parameters
    ----------
    source_states : SourceStates
        A source without data is named as such, never drawn at zero. Sellers that others tell of are no sources.
    look : Look
        Names, date.
    market_prices : MarketPrices, optional
        What judges the packaged price of a source that answered without one.
    """
    every = states_by_kind(source_states, market_prices)
    states, _ = sources_and_sellers(every)
    if states.is_empty():
        return empty(finding(every), "no source was asked in this run", look)
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
    by_kind = bool(shown["by_kind"].any())
    limits = [v for c in ("age_days", "expected_age_days", "limit_age_days") for v in shown[c].drop_nulls()]
    keys = [Key(label="live", marker="o")] if (shown["layer"] == "live").any() else []
    keys += [Key(label="stored or reference data", marker="o", hollow=True)] if (shown["layer"] != "live").any() else []
    if shown["expected_age_days"].count():
        keys.append(Key(label="up to its expected age", colour="#7fb8ae", line="-"))
    if shown["limit_age_days"].count():
        keys.append(Key(label="limit of age", colour=NEGATIVE, marker="|"))
    sheet = Sheet(
        title=finding(every),
        subtitle="Age of each source's newest data, on a log scale. The bar: how old its answer may be before it is "
        f"overdue{'; of a source that gives no prices, how old its packaged price may be' if by_kind else ''}",
        footer=[*notes, f"Source: this run's source states; {look.dated()}."],
        plot_height=0.45 + (_ROW if shown.height <= _MANY else _TIGHT_ROW) * shown.height,
        keys=keys,
    )
    told = [_told(row) for row in shown.iter_rows(named=True)]
    left, right = 1.6, max(text_width(one, _SIZE) for one in told) + 0.2
    ((axes,),) = sheet.grid(1, 1, left=left, right=right, below=0.22)
    axes.set_xscale("log")
    top = max([*limits, 30.0]) * 1.35
    axes.set_xlim(_HOUR * 0.8, top)
    row_names(axes, [look.names(s) for s in shown["source"]], left)
    axes.set_ylim(-0.7, shown.height - 0.3)
    for y, (row, one) in enumerate(zip(shown.iter_rows(named=True), told, strict=True)):
        _draw(axes, y, row, one)
    ticks = _ticks(axes, top)
    axes.set_xticks([m for m, _ in ticks], [t for _, t in ticks])
    axes.minorticks_off()
    axes.grid(axis="x")
    return sheet.figure


def _ticks(axes: Axes, top: float) -> list[tuple[float, str]]:
    """Those of the scale's ticks whose words stand clear of those before them."""
    kept: list[tuple[float, str]] = []
    end = -1.0
    for place, told in _SCALE:
        (at,), half = inches(axes, [place]), text_width(told, 7) / 2
        if place <= top and at - half > end + 0.12:
            kept.append((place, told))
            end = at + half
    return kept


def _told(row: Row) -> str:
    """Of which layer and how old a source's data are, and how it fared."""
    words = str(_STATE_WORDS.get(row["state"], row["state"]))
    if row["state"] in ("ok", "partial") and row["layer"] == "reference":
        words += " without a price"
    overdue = aged("stale") if row["by_kind"] else OVERDUE
    mark = {"stale": overdue, "expired": "beyond its limit"}.get(row["freshness"] or "", "")
    layer = row["layer"] if row["layer"] in ("stored", "reference") else ""
    return ", ".join(part for part in (layer, age(row["age_days"], unknown="no data"), mark, words) if part)


def _draw(axes: Axes, y: int, row: Row, told: str) -> None:
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
    # Set off in points: leading blanks are lost in an SVG, and the row's hairline would run into the words.
    axes.annotate(
        told, (1.0, y), xycoords=axes.get_yaxis_transform(), xytext=(5, 0),
        textcoords="offset points", va="center", ha="left", fontsize=_SIZE, color=MUTED if good else NEGATIVE,
        gid=f"told:{name}",
    )  # fmt: skip
