"""Every network's years ahead in two small panels: the lead over the clouds' list price, and a new node's margin."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports import words
from reports.charts._panels import (
    draw_path,
    end_labels,
    floor_for,
    floor_note,
    is_below,
    medians,
    prepare,
    span_of_dates,
    tick_room,
    years,
)  # fmt: skip
from reports.style import MUTED, Look, Sheet, empty, fit, marker_style, styled, text_width
from reports.view import future_pair, headline_paths, of_pair, plain

__all__ = ["finding", "years_ahead"]

# Inches for a name and its value at the end of a line: so many, or as many more as the label of the grey ones needs.
_LABEL, _MOST_LABEL, _LABEL_SIZE, _LEAD = 1.2, 1.45, 6.3, 0.14
_MOST_BANDS = 2
_APART = 0.02
_MOST_OF_A_MODEL = 3
_MOST_NOT_LIVE = 4


def finding(advantage: pl.DataFrame, margin: pl.DataFrame, price: str, floors: Collection[str] = frozenset()) -> str:
    """The title, counted from the last month of the median lines; ``price`` is whose list price is led over.

    What suppliers keep is a bound on the networks of ``floors``, which may keep more than they publish.
    """
    told = []
    leads, nodes = _ends(advantage, "advantage"), _ends(margin, "full_margin_new_node")
    either = advantage if advantage.height else margin
    year = either["date"].max().year if either.height else 0  # type: ignore[union-attr]  # polars: any literal
    if len(leads) == 1:
        (lead,) = leads.values()
        told.append(f"Lead over {price}: {words.percent(lead)} in {year}" if lead > 0
                    else f"No lead over {price} in {year}: {words.roughly(lead)}")  # fmt: skip
    elif leads:
        kept = sum(lead > 0 for lead in leads.values())
        verb = "leads" if kept == 1 or (kept == 0 and len(leads) == 2) else "lead"
        told.append(f"In {year}, {words.of_them(kept, len(leads))} networks {verb} over {price}")
    if len(nodes) == 1:
        ((network, left),) = nodes.items()
        most = "at most " if network in floors else ""
        who = "a supplier who buys then" if told else f"A supplier who buys in {year}"
        told.append(f"{who} keeps {most}{words.percent(left)}" if left > 0 else f"{who} does not cover full cost")
    elif nodes:
        gains = sum(left > 0 for left in nodes.values())
        when = "then" if told else f"in {year}"
        unsure = any(left > 0 and network in floors for network, left in nodes.items())
        many = f"at most {gains} of {len(nodes)}" if unsure else words.of_them(gains, len(nodes))
        told.append(f"a node bought {when} covers its cost on {many}")
    if not told:
        return "Nothing is known of the years ahead"
    text = f"{'; '.join(told)} (medians)"
    return text[0].upper() + text[1:]


def _ends(frame: pl.DataFrame, quantity: str) -> dict[str, float]:
    """Network -> last value."""
    ordered = frame.drop_nulls(quantity).sort("month").group_by("network", maintain_order=True)
    return dict(ordered.agg(pl.col(quantity).last()).iter_rows())


@styled
def years_ahead(
    headlines: pl.DataFrame, advantage_paths: pl.DataFrame, margin_paths: pl.DataFrame, look: Look
) -> Figure:
    """Draw two panels, a line a network with its name at its end: base scenario, fleet-average pricing.

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
    advantage = medians(of_pair(listed, pair) if pair else listed, "advantage")
    margin = medians(plain(headline_paths(headlines, margin_paths.filter(base))), "full_margin_new_node")
    price = look.names.list_price(*pair) if pair else "the cloud's list price"
    title = finding(advantage, margin, price, look.fee_floors)
    if advantage.is_empty() and margin.is_empty():
        return empty(title, "no network has a price that can be followed", look)
    first, last = span_of_dates(advantage if advantage.height else margin)
    against = f" of {look.names.long_pair(*pair)}" if pair else ""
    panels = ((advantage, "advantage"), (margin, "full_margin_new_node"))
    floors = [floor_for(frame[quantity]) for frame, quantity in panels]
    shown = list(dict.fromkeys([*advantage["network"], *margin["network"]]))
    labels = [_of_others(_others(frame, quantity, look), floor, look)
              for (frame, quantity), floor in zip(panels, floors, strict=True)]  # fmt: skip
    label = max(_LABEL, *(text_width(told, _LABEL_SIZE) for told in labels))
    banded = [_has_bands(frame, quantity) for frame, quantity in panels]
    sheet = Sheet(
        title=title,
        subtitle=f"Left: lead over the list price{against}, %. Right: full-cost margin of a node bought at the time, %",
        footer=[
            f"Source: this model, base scenario; {look.dated('prices')}. Lines: medians of the draws "
            f"(the table: central inputs).{_band_note(banded)}{floor_note(floors)} A projection, not a forecast."
            f"{_work_note(headlines, shown, look)}{_not_live_note(shown, look)}"
            + (
                " Triangle: below the scale."
                if any((frame[quantity] < floor).any() for (frame, quantity), floor in zip(panels, floors, strict=True))
                else ""
            )
        ],
        plot_height=1.55,
    )
    (row,) = sheet.grid(
        1,
        2,
        left=tick_room(floors[:1]),
        right=label + _LEAD,
        below=0.22,
        above=0.08,
        gap_x=label + _LEAD + tick_room(floors[1:]),
    )
    for axes, (frame, quantity), floor, others, bands in zip(row, panels, floors, labels, banded, strict=True):
        _panel(axes, frame, quantity, first, last, floor, look, others=others, bands=bands)
    return sheet.figure


def _panel(
    axes: Axes, frame: pl.DataFrame, quantity: str, first: date, last: date, floor: float, look: Look, *,
    others: str, bands: bool,
) -> None:  # fmt: skip
    """A line a network with its name at its end, or with the words for those that share the grey."""
    prepare(axes, first, last, left=True, bottom=True, zero=None, floor=floor)
    # The grey ones beneath.
    networks = sorted(frame["network"].unique(maintain_order=True), key=look.is_named)
    # Those without a colour of their own share one grey and one label.
    grey = [network for network in networks if not look.is_named(network)]
    ends, of_grey = [], []
    told: list[pl.Series] = []
    for network in networks:
        named = network not in grey or len(grey) == 1
        part = frame.filter(pl.col("network") == network).sort("month")
        colour = MUTED if network in grey else look.network(network)[0]
        draw_path(axes, part, quantity, colour=colour, band=bands, ring=False, gid=network)
        (line,) = (one for one in axes.lines if one.get_gid() == f"path:{network}")
        if not named:
            line.set_linewidth(0.7)
        elif any(_alike(part[quantity], other) for other in told):
            line.set_linestyle((0, (3, 3)))  # the line beneath shows in the gaps
        if named:
            told.append(part[quantity])
        if network in look.not_live:
            axes.plot(years(part["date"][:1]), [max(part[quantity][0], floor)], marker="D", ms=3.4, linestyle="none",
                      gid=f"start:{network}", zorder=4, clip_on=False, **marker_style(colour, None))  # fmt: skip
        value = part[quantity][-1]
        if value is None:
            continue
        if not named:
            of_grey.append(value)
            continue
        bound = f"{words.AT_MOST} " if quantity != "advantage" and network in look.fee_floors else ""
        label = bound + _ending(value, floor)
        room = _LABEL - text_width(f" {label}", _LABEL_SIZE)
        ends.append((value, f"{fit(look.names(network), _LABEL_SIZE, room)} {label}", colour))
    if of_grey:
        ends.append((sorted(of_grey)[len(of_grey) // 2], others, MUTED))
    if frame.is_empty():
        axes.text(0.5, 0.6, words.NOT_KNOWN, transform=axes.transAxes, ha="center", fontsize=7, color=MUTED,
                  style="italic", gid=f"none:{quantity}")  # fmt: skip
    end_labels(axes, ends, size=_LABEL_SIZE, gap=1.04, lead=_LEAD)


def _alike(one: pl.Series, other: pl.Series) -> bool:
    """Whether two lines lie on each other."""
    return len(one) == len(other) and bool(((one - other).abs() < _APART).all())


def _ending(value: float, floor: float) -> str:
    return f"below {words.percent(floor)}" if is_below(value, floor) else words.percent(value)


def _others(frame: pl.DataFrame, quantity: str, look: Look) -> dict[str, float]:
    """Network -> last value, of those without a colour of their own; nothing where there is one alone, who is named."""
    grey = {n: end for n, end in _ends(frame, quantity).items() if not look.is_named(n)}
    return grey if len(grey) > 1 else {}


def _of_others(ends: Mapping[str, float], floor: float, look: Look) -> str:
    """How many lines share the grey, and from where to where they end; whose the lowest is, where there is room."""
    if not ends:
        return ""
    lowest = min(ends, key=lambda network: ends[network])
    low, high = _ending(ends[lowest], floor), _ending(max(ends.values()), floor)
    if low == high:
        return f"{len(ends)} others {low}"
    span = f"{len(ends)} others {low} to {high}"
    told = [f"{len(ends)} others {low} ({look.names(lowest)}) to {high}", span, f"{len(ends)}: {low} to {high}"]
    return next((one for one in told if text_width(one, _LABEL_SIZE) <= _MOST_LABEL), told[-1])


def _has_bands(frame: pl.DataFrame, quantity: str) -> bool:
    """Whether there are bands, and lines few enough for them not to hide each other."""
    known = f"{quantity}_p10" in frame.columns and frame[f"{quantity}_p10"].null_count() < frame.height
    return known and frame["network"].n_unique() <= _MOST_BANDS


def _band_note(banded: Sequence[bool]) -> str:
    where = "" if all(banded) else " left" if banded[0] else " right"
    return f" Bands{where}: 10th to 90th percentile." if any(banded) else ""


def _work_note(headlines: pl.DataFrame, shown: list[str], look: Look) -> str:
    """Which model each network serves, where it is not one for all."""
    served = {n: m for n, m in headlines.select("network", "llm").drop_nulls().iter_rows() if n in shown}
    most = sorted(set(served.values()), key=lambda m: (-list(served.values()).count(m), m))
    if len(most) < 2:
        return ""
    told = []
    for model in most[1:]:
        names = sorted((look.names(n) for n in served if served[n] == model), key=str.lower)
        who = words.listing(names) if len(names) <= _MOST_OF_A_MODEL else f"{len(names)} networks"
        told.append(f"{look.names(model)} by {who}")
    return f" Tokens of {look.names(most[0])}, but of {words.listing(told)}."


def _not_live_note(shown: list[str], look: Look) -> str:
    """Whose lines start hollow, and how old their prices are."""
    old = [f"{look.names(n)} ({look.not_live[n]})" for n in shown if n in look.not_live]
    if not old:
        return ""
    more = [words.plural(len(old) - _MOST_NOT_LIVE, "other")] if len(old) > _MOST_NOT_LIVE else []
    return f" Hollow diamond: price not live, {words.listing([*old[:_MOST_NOT_LIVE], *more])}."
