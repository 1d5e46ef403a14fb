"""Advantage erosion: what the buyer saves on the network, month by month, against the four references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.charts._panels import (
    draw_path,
    event_chances,
    event_note,
    fate,
    floor_for,
    floor_note,
    floor_of,
    is_below,
    medians,
    prepare,
    row_label,
    scenario_head,
    span_of_dates,
    years,
)
from reports.style import INK, MUTED, NEGATIVE, REFERENCE_COLOUR, WIDTH, Key, Look, Sheet, empty, styled, text_width
from reports.view import REFERENCE_ORDER, future_pair, headline_paths, of_pair, ordered_scenarios
from reports.words import REFERENCE_WORDS, listing, of_networks, of_them, percent, plural

__all__ = ["MOST_NETWORKS", "MOST_SCENARIOS", "advantage_erosion"]

MOST_NETWORKS = 6
MOST_SCENARIOS = 8
_STEP = 3  # months between the points of lines in panels of an inch
# Inches by the number of rows: one leaves room for the next chart, a few have the page for themselves.
_ROW_HEIGHTS = {2: 1.6, 3: 1.6, 4: 1.35}
# The two lines whose bands are drawn: four would hide each other.
_BANDED = ("list", "modelled_cost")
_MOST_ODD = 4
_SHORT = {"list": "list:", "modelled_cost": "cost:"}


def finding(known: pl.DataFrame, look: Look) -> str:
    """The title: how many networks keep their advantage in the first scenario; true of any median paths."""
    known = known.filter((pl.col("pricing") == "fleet_average") & pl.col("advantage").is_not_null())
    pair = future_pair(known)
    if pair is None:
        return "No network's advantage can be followed"
    scenario = ordered_scenarios(known)[0]
    _, last = span_of_dates(known)
    told = []
    for reference, noun in (("list", "list price"), ("modelled_cost", "modelled cost")):
        part = known.filter(
            pl.col("reference") == reference, pl.col("scenario") == scenario,
            pl.col("cloud") == pair[0], pl.col("silicon") == pair[1],
        )  # fmt: skip
        if part.is_empty():
            continue
        ends = part.sort("month").group_by("network").agg(
            today=pl.col("advantage").first() > 0, kept=pl.col("advantage").min() > 0
        )  # fmt: skip
        told.append((noun, int(ends["today"].sum()), int(ends["kept"].sum()), ends.height))
    if not told:
        return "No network's advantage can be followed"
    (noun, today, kept, n), *rest = told
    cloud = look.names.long_pair(*pair)
    if n == 1:
        how = f"stays below the {noun} of {cloud} to" if kept else f"does not stay below the {noun} of {cloud} to"
        text = f"The network {how} {last:%Y}" if today else f"The network is dearer than the {noun} of {cloud} today"
        for other, now, also, _ in rest:
            stays = f"it {'stays' if also else 'does not stay'} below its {other}"
            text += f"; {stays}" if now else f"; it is dearer than its {other} today"
    elif not today:
        none = of_networks(0, n)
        text = f"{none[0].upper()}{none[1:]} is below the {noun} of {cloud} even today"
        text += "".join(f", {of_them(now, many)} below its {other}" for other, now, _, many in rest)
    else:
        who = of_networks(kept, n)
        text = f"{who[0].upper()}{who[1:]} {'stay' if kept > 1 else 'stays'} below the {noun} of {cloud} to {last:%Y}"
        text += f" ({of_them(today, n)} {'is' if today == 1 else 'are'} today)" if kept < today else ""
        for other, now, also, many in rest:
            text += f"; {of_them(also, many)} below its {other}" + ("" if now else " even today")
    return f"{text} ({look.names(scenario)})"


def _known(headlines: pl.DataFrame, paths: pl.DataFrame) -> pl.DataFrame:
    """Medians that are known, network by network in the order of every page."""
    found = headline_paths(headlines, paths).with_columns(central=pl.col("advantage"))
    return medians(found, "advantage").filter(pl.col("advantage").is_not_null())


@styled
def advantage_erosion(
    headlines: pl.DataFrame, advantage_paths: pl.DataFrame, look: Look, *, scenarios: pl.DataFrame | None = None
) -> Figure:
    """Draw small multiples, a row a network and a column a scenario, with a median line a reference.

    Parameters
    ----------
    headlines : Headlines
        The networks and their chips.
    advantage_paths : AdvantagePaths
        Fleet-average rows against the strictest of the first page's GPU clouds are drawn.
    look : Look
        Names, colours, date.
    scenarios : ScenarioValues, optional
        Says which scenarios are events, and how likely.
    """
    average = advantage_paths.filter(pl.col("pricing") == "fleet_average")
    # The cloud is found in the first month, and its rows alone are put in order: the paths may be a million rows.
    pair = future_pair(_known(headlines, average.filter(pl.col("month") == 0)))
    if pair is None:
        return empty("No network's advantage can be followed", "no network is comparable with a cloud", look)
    known = _known(headlines, of_pair(average, pair))
    networks = known["network"].unique(maintain_order=True).to_list()
    every_scenario = ordered_scenarios(known)
    drawn, told = networks[:MOST_NETWORKS], every_scenario[:MOST_SCENARIOS]
    shown = known.filter(pl.col("network").is_in(drawn) & pl.col("scenario").is_in(told))
    references = [r for r in REFERENCE_ORDER if r in set(shown["reference"])]
    heads = {n: (chip, fresh) for n, chip, fresh in headlines.select(
        "network", "accelerator", pl.col("freshness").cast(pl.String)).iter_rows()}  # fmt: skip
    chances = event_chances(scenarios)
    first, last = span_of_dates(shown)
    floors = {n: _floor(shown.filter(pl.col("network") == n)) for n in drawn}
    notes = []
    cuts = [f"{len(drawn)} of {len(networks)} networks"] if len(drawn) < len(networks) else []
    if len(told) < len(every_scenario):
        rest = ", ".join(look.names(s) for s in every_scenario[MOST_SCENARIOS:][:4])
        cuts.append(f"{len(told)} of {len(every_scenario)} scenarios (not {rest})")
    if cuts:
        notes.append(
            f"{' and '.join(cuts)} drawn; the title speaks of all, and the others are in advantage_paths.parquet."
        )
    if event := event_note(look, chances, told):
        notes.append(event)
    notes.append(
        f"Source: this model; {look.dated('prices')}, scenarios and their sources among the assumptions. "
        f"{_basis(known, look)} {_back_note(shown)}A projection, not a forecast.{floor_note(floors.values())}"
        f"{look.not_live_note(drawn, 'Hollow diamond')}"
    )
    sheet = Sheet(
        title=finding(known, look),
        subtitle="What the buyer saves for the same tokens: % of the price or cost of "
        f"{look.names.long_pair(*pair)}, median of the draws. Words: what becomes of the lead over the list price, and "
        "over modelled cost",
        footer=notes,
        plot_height=0.78 + _ROW_HEIGHTS.get(len(drawn), 1.04) * len(drawn),
        keys=[
            *(lines := _line_keys(shown, references, floors)),
            *_mark_keys(shown, floors, [r for r, key in zip(references, lines, strict=True) if key.marker is None]),
        ],
    )
    few = len(told) > 4
    gap = 0.1 if few else 0.25
    grid = sheet.grid(len(drawn), len(told), left=1.42, right=0.06, below=0.22, above=0.46, gap_x=gap, gap_y=0.16)
    for i, network in enumerate(drawn):
        mine = shown.filter(pl.col("network") == network)
        for j, scenario in enumerate(told):
            axes = grid[i][j]
            prepare(axes, first, last, left=j == 0, bottom=i == len(drawn) - 1, zero=None, few=few, head=0.25,
                    floor=floors[network])  # fmt: skip
            _panel(axes, mine.filter(pl.col("scenario") == scenario), references, gid=f"{network}:{scenario}",
                   live=network not in look.not_live)  # fmt: skip
            if i == 0:
                scenario_head(axes, sheet, look, scenario, chances, gap=gap)
        row_label(sheet, grid[i], look, network, *heads.get(network, (None, None)))
    return sheet.figure


def _floor(mine: pl.DataFrame) -> float:
    """How deep the panels of one network go."""
    ends = mine.sort("month").group_by("scenario", "reference").agg(pl.col("advantage").last())
    return floor_for(mine["advantage"], ends["advantage"])


def _basis(known: pl.DataFrame, look: Look) -> str:
    """What the lines are, and of which networks the tables' central value has another sign today."""
    today = known.filter(
        pl.col("month") == 0, pl.col("pricing") == "fleet_average", pl.col("reference").is_in(_BANDED)
    ).unique(["network", "reference"], keep="first", maintain_order=True)
    other = today.filter((pl.col("central") > 0) != (pl.col("advantage") > 0))
    told = [
        f"{look.names(network)} {percent(value, signed=True)} over {REFERENCE_WORDS[reference].lower()}"
        for network, reference, value in other.select("network", "reference", "central").head(_MOST_ODD).iter_rows()
    ]
    told += [plural(other.height - _MOST_ODD, "other")] if other.height > _MOST_ODD else []
    return f"Lines are medians of the draws; tables tell today at central inputs{f': {listing(told)}' if told else ''}."


def _line_keys(shown: pl.DataFrame, references: list[str], floors: Mapping[str, float]) -> list[Key]:
    """The lines and bands that are seen; a reference whose lines are all below the scale has its triangle."""
    floor = pl.col("network").replace_strict(floors, return_dtype=pl.Float64)
    keys = []
    for reference in references:
        mine = shown.filter(pl.col("reference") == reference)
        high = pl.col("advantage_p90") if "advantage_p90" in mine.columns else pl.col("advantage")
        seen, reach = mine.select((pl.col("advantage") >= floor).any(), reach=(high >= floor).any()).row(0)
        name, colour, banded = REFERENCE_WORDS[reference], REFERENCE_COLOUR[reference], reference in _BANDED
        if not seen and not (banded and reach):
            keys.append(Key(label=f"{name}: below the scale", colour=colour, marker="v"))
            continue
        band = banded and bool(reach)
        dash: Literal["-", "--"] = "-" if banded else "--"
        told = f"{name}{' with' if seen and band else ','} 10th to 90th percentile" if band else name
        keys.append(Key(label=told, colour=colour, line=dash if seen else None, band=band))
    return keys


def _mark_keys(shown: pl.DataFrame, floors: Mapping[str, float], seen: list[str]) -> list[Key]:
    """The marks on the lines, of those that are drawn; triangles of references that are ``seen`` in other panels."""
    lines = (
        shown.sort("month")
        .group_by("network", "scenario", "reference")
        .agg(start=pl.col("advantage").first(), low=pl.col("advantage").min(), end=pl.col("advantage").last())
    )
    gone = lines.filter(pl.col("start") > 0, pl.col("low") <= 0).height
    below = any(
        is_below(end, floors[n])
        for n, end in lines.filter(pl.col("reference").is_in(seen)).select("network", "end").iter_rows()
    )
    return [
        *([Key(label="advantage gone", colour=MUTED, marker="o", hollow=True)] if gone else []),
        *([Key(label="triangle: below the scale", colour=MUTED, marker="v")] if below else []),
    ]


def _back_note(shown: pl.DataFrame) -> str:
    """What "back to" means, where a panel says it."""
    ends = (
        shown.filter(pl.col("reference").is_in(_BANDED))
        .sort("month")
        .group_by("network", "scenario", "reference")
        .agg(low=pl.col("advantage").min(), end=pl.col("advantage").last())
    )
    back = ends.filter(pl.col("low") <= 0, pl.col("end") > 0).height
    return "Back to: below zero for a time, ahead again at the end. " if back else ""


def _panel(axes: Axes, here: pl.DataFrame, references: list[str], *, gid: str, live: bool) -> None:
    """A line a reference, and in words what becomes of the two with a band."""
    told = 0
    for reference in references:
        part = here.filter(pl.col("reference") == reference)
        if part.is_empty():
            continue
        tint, banded = REFERENCE_COLOUR[reference], reference in _BANDED
        draw_path(
            axes, part, "advantage", colour=tint, line="-" if banded else "--", band=banded, step=_STEP,
            gid=f"{gid}:{reference}",
        )  # fmt: skip
        first = part.sort("month").head(1)
        if banded and not live and not is_below(first["advantage"][0], floor_of(axes)):
            axes.plot(years(first["date"]), first["advantage"], marker="D", ms=2.8, mfc="white", mec=tint, mew=0.9,
                      linestyle="none", zorder=5, clip_on=False, gid=f"start:{gid}:{reference}")  # fmt: skip
        if banded:
            words = fate(part, "advantage")
            label = f"{_SHORT[reference]} {words}"
            if text_width(label, 5.6) > axes.get_position().width * WIDTH:
                label = label.replace("back to", "back")
            axes.text(0.99, 0.98 - 0.115 * told, label, transform=axes.transAxes, ha="right",
                      va="top", fontsize=5.6, color=NEGATIVE if words.startswith("lost") else INK,
                      gid=f"fate:{gid}:{reference}")  # fmt: skip
            told += 1
    if here.is_empty():
        axes.text(0.5, 0.72, "not known", transform=axes.transAxes, ha="center", fontsize=5.8, color=MUTED,
                  gid=f"none:{gid}")  # fmt: skip
