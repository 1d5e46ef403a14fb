"""Margin erosion: what a supplier who bought his node today keeps, month by month, in every scenario."""

from __future__ import annotations

from datetime import date
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
from reports.style import INK, MUTED, WIDTH, Key, Look, Sheet, empty, styled, wrap
from reports.verdict_words import MOST_TODAY, today_words
from reports.view import headline_paths, network_order, ordered_scenarios
from reports.words import listing, month, of_networks, percent, plural

__all__ = ["MOST_NETWORKS", "MOST_SCENARIOS", "margin_erosion"]

MOST_NETWORKS = 5
MOST_SCENARIOS = 8
_STEP = 3  # months between the points of lines in panels of an inch
_AT_ONCE = 3  # months
_FIRST_YEAR = 12  # months


def finding(paths: pl.DataFrame, *, name: str = "the base scenario") -> str:
    """The title: by when the median node bought today is below its full cost in the first scenario; true of any paths.

    ``paths`` have medians in ``full_margin``; ``name`` is what the scenario is called in a sentence.
    """
    known = paths.filter((pl.col("pricing") == "fleet_average") & pl.col("full_margin").is_not_null())
    if known.is_empty():
        return "No supplier's margin is known"
    ends = (
        known.filter(pl.col("scenario") == ordered_scenarios(known)[0])
        .sort("month")
        .group_by("network", maintain_order=True)
        .agg(
            month=pl.col("month").filter(pl.col("full_margin") <= 0).first(),
            date=pl.col("date").filter(pl.col("full_margin") <= 0).first(),
        )
    )
    n, lost = ends.height, ends.drop_nulls("date")
    start = lost.filter(pl.col("month") == 0).height
    _, end = span_of_dates(known)
    where = f"in the median of {name}"
    nodes = "A node bought today" if n == 1 else "Nodes bought today"
    on = f"on {of_networks(lost.height, n)}" if n > 1 else ""
    if lost.is_empty():
        kept = "" if n == 1 else f" on {of_networks(n, n)}"
        return f"{nodes} {'earns its' if n == 1 else 'earn their'} full cost to {end.year}{kept}, {where}"
    if start == lost.height:
        held = "" if start == n else f"; to {end.year} the others earn it"
        falls = "is below its full cost" if n == 1 else "are below their full cost"
        return f"{' '.join(w for w in (nodes, falls, 'from the start', on) if w)}, {where}{held}"
    last: date = lost["date"].max()  # type: ignore[assignment]  # polars: any literal
    falls = "falls below its full cost" if n == 1 else "fall below their full cost"
    at_once = f", on {start} from the start" if start else ""
    return f"{' '.join(w for w in (nodes, falls, 'by', month(last), on) if w)}{at_once}, {where}"


@styled
def margin_erosion(
    headlines: pl.DataFrame, margin_paths: pl.DataFrame, look: Look, *, scenarios: pl.DataFrame | None = None
) -> Figure:
    """Draw small multiples, a row a network and a column a scenario: median full-cost margin with its band.

    Parameters
    ----------
    headlines : Headlines
        The networks and their order; one without a path is named in the footer.
    margin_paths : MarginPaths
        The fleet average is the solid line with the band, the marginal price the dashed one.
    look : Look
        Names, colours, date.
    scenarios : ScenarioValues, optional
        Says which scenarios are events, and how likely.
    """
    paths = headline_paths(headlines, margin_paths).with_columns(central=pl.col("full_margin"))
    known = medians(paths, "full_margin")
    if known.is_empty():
        return empty(finding(known), "no network's margin is known, so it has no path", look)
    every_network = network_order(headlines["network"].to_list())
    networks = known["network"].unique(maintain_order=True).to_list()
    unknown = [n for n in every_network if n not in networks]
    every_scenario = ordered_scenarios(known)
    drawn, told = networks[:MOST_NETWORKS], every_scenario[:MOST_SCENARIOS]
    shown = known.filter(pl.col("network").is_in(drawn) & pl.col("scenario").is_in(told))
    fresh = dict(headlines.select("network", pl.col("freshness").cast(pl.String)).iter_rows())
    chances = event_chances(scenarios)
    first, last = span_of_dates(shown)
    # Every node bought today ends far below: its first year says how deep a row must go to show anything of it.
    early = shown.filter(pl.col("month") <= _FIRST_YEAR)
    floors = {n: floor_for(early.filter(pl.col("network") == n)["full_margin"]) for n in drawn}
    notes = []
    if unknown:
        notes.append(f"Not known, so not drawn: {listing(look.names(n) for n in unknown)}.")
    left_out = []
    if len(drawn) < len(networks):
        left_out.append(f"{len(drawn)} of {plural(len(networks), 'network')}")
    if len(told) < len(every_scenario):
        rest = ", ".join(look.names(s) for s in every_scenario[MOST_SCENARIOS:][:4])
        left_out.append(f"{len(told)} of {len(every_scenario)} scenarios (not {rest})")
    if left_out:
        notes.append(
            f"{' and '.join(left_out)} drawn; the title speaks of all, and the others are in margin_paths.parquet."
        )
    if event := event_note(look, chances, told):
        notes.append(event)
    notes.append(_basis(known, look))
    notes.append(
        f"Source: this model; {look.dated('prices')}, scenarios and their sources among the assumptions. "
        f"A projection, not a forecast.{floor_note(floors.values())}{look.not_live_note(drawn, 'Hollow diamond')}"
    )
    keys = [
        Key(
            label="median and 10th to 90th percentile, clouds price at their fleet's average cost",
            colour=MUTED,
            line="-",
            band=True,
        )
    ]
    if "marginal" in set(shown["pricing"]):
        keys.append(Key(label="median, at their newest chip's cost", colour=MUTED, line="--"))
    if any(_crossings(path).height for path in _paths(shown)):
        keys.append(Key(label="breaks even", colour=MUTED, marker="o", hollow=True))
    if any(is_below(path["full_margin"][-1], floors[path["network"][0]]) for path in _paths(shown)):
        keys.append(Key(label="falls below the scale", colour=MUTED, marker="v"))
    first_scenario = every_scenario[0]
    name = "the base scenario" if first_scenario == "base" else f"the scenario {look.names(first_scenario)}"
    sheet = Sheet(
        title=finding(known, name=name),
        subtitle="Full-cost margin of a supplier who bought the node today: % of receipts, without token rewards. "
        "Lost: first month below zero in half of the draws",
        footer=notes,
        plot_height=0.78 + 0.9 * len(drawn),
        keys=keys,
    )
    few = len(told) > 4
    gap = 0.1 if few else 0.25
    grid = sheet.grid(len(drawn), len(told), left=1.42, right=0.06, below=0.22, above=0.46, gap_x=gap, gap_y=0.16)
    for i, network in enumerate(drawn):
        # The grey of the many has no contrast; a row has its name beside it and needs no colour of its own.
        colour = look.network(network)[0] if look.is_named(network) else MUTED
        mine = shown.filter(pl.col("network") == network)
        for j, scenario in enumerate(told):
            axes = grid[i][j]
            here = mine.filter(pl.col("scenario") == scenario)
            prepare(axes, first, last, left=j == 0, bottom=i == len(drawn) - 1, zero=None, few=few, head=0.175,
                    floor=floors[network])  # fmt: skip
            _panel(axes, here, colour, gid=f"{network}:{scenario}", live=network not in look.not_live)
            if i == 0:
                scenario_head(axes, sheet, look, scenario, chances, gap=gap)
        row_label(sheet, grid[i], look, network, mine["accelerator"][0], fresh.get(network))
    return sheet.figure


def _basis(known: pl.DataFrame, look: Look) -> str:
    """What the lines are, and of which networks the tables' central value has another sign today."""
    today = known.filter(pl.col("month") == 0, pl.col("pricing") == "fleet_average").unique(
        "network", keep="first", maintain_order=True
    )
    other = today.filter((pl.col("central") > 0) != (pl.col("full_margin") > 0))
    told = listing(f"{look.names(n)} {percent(v, signed=True)}" for n, v in other.select("network", "central").rows())
    words = [MOST_TODAY] if (other["central"] > 0).any() else []
    return (
        f"Lines are medians of the draws; tables tell today at central inputs{f': {told}' if told else ''}."
        f"{today_words(words)}"
    )


def _paths(shown: pl.DataFrame) -> list[pl.DataFrame]:
    """One frame a line, in months."""
    keys = ("network", "scenario", "pricing")
    return [part.sort("month") for _, part in shown.group_by(*keys, maintain_order=True)]


def _crossings(path: pl.DataFrame) -> pl.DataFrame:
    """The months in which a line is on the other side of zero than the month before."""
    above = pl.col("full_margin") > 0
    return path.sort("month").filter(above != above.shift(1))


def _panel(axes: Axes, here: pl.DataFrame, colour: str, *, gid: str, live: bool) -> None:
    """Both pricings' lines, and in words what becomes of the first."""
    lines: tuple[tuple[str, Literal["-", "--"]], ...] = (("marginal", "--"), ("fleet_average", "-"))
    for pricing, line in lines:
        part = here.filter(pl.col("pricing") == pricing)
        if part.height:
            draw_path(
                axes,
                part,
                "full_margin",
                colour=colour,
                line=line,
                band=line == "-",
                step=_STEP,
                gid=f"{gid}:{pricing}",
            )
    average = here.filter(pl.col("pricing") == "fleet_average").sort("month")
    told = "not known" if average.is_empty() else fate(average, "full_margin")
    if average.height:
        start, central = average["full_margin"][0], average["central"][0]
        if told == "lost today" and central > 0:
            told = MOST_TODAY
        # The first fall of a line that starts above zero is marked where the line is drawn.
        back = _crossings(average)[0 if start <= 0 else 1 :]
        if back.height:
            axes.plot(years(back["date"]), [0.0] * back.height, marker="o", ms=3.6, mfc="white", mec=colour, mew=1.0,
                      linestyle="none", zorder=4, clip_on=False, gid=f"breaks:{gid}:back")  # fmt: skip
        if not live and not is_below(start, floor_of(axes)):
            axes.plot(years(average["date"][:1]), [start], marker="D", ms=2.8, mfc="white", mec=colour, mew=0.9,
                      linestyle="none", zorder=5, clip_on=False, gid=f"start:{gid}")  # fmt: skip
        _fall_at_once(axes, average, gid)
    wrapped = "\n".join(wrap(told, 5.8, axes.get_position().width * WIDTH))
    axes.text(0.97, 0.97, wrapped, transform=axes.transAxes, ha="right", va="top", fontsize=5.8,
              linespacing=1.1, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3},
              color=MUTED if average.is_empty() else INK, gid=f"fate:{gid}")  # fmt: skip


def _fall_at_once(axes: Axes, average: pl.DataFrame, gid: str) -> None:
    """Words where the median leaves the panel within a quarter, and all that is seen of it is one stroke."""
    after = average.filter(pl.col("month") == _AT_ONCE)
    floor = floor_of(axes)
    if after.is_empty() or not is_below(after["full_margin"][0], floor):
        return
    high = after["full_margin_p90"][0] if "full_margin_p90" in after.columns else None
    what = "median, band" if is_below(high, floor) else "median"
    axes.text(0.97, 0.72, f"{what}\nbelow {percent(floor)}", transform=axes.transAxes, ha="right", va="top",
              fontsize=5.6, color=MUTED, style="italic", linespacing=1.15, gid=f"at-once:{gid}")  # fmt: skip
