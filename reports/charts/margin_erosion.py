"""Margin erosion: what a supplier who bought his node today keeps, month by month, in every scenario."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.charts._panels import (
    draw_path,
    event_chances,
    event_note,
    fate,
    medians,
    prepare,
    row_label,
    scenario_head,
    span_of_dates,
)
from reports.style import INK, MUTED, Key, Look, Sheet, empty, styled
from reports.view import headline_paths, network_order, ordered_scenarios
from reports.words import minute, of_many, percent, plural

__all__ = ["MOST_NETWORKS", "MOST_SCENARIOS", "margin_erosion"]

MOST_NETWORKS = 5
MOST_SCENARIOS = 8


def finding(paths: pl.DataFrame) -> str:
    """The title: who covers the full cost today and who still does at the horizon; true of any paths."""
    known = paths.filter((pl.col("pricing") == "fleet_average") & pl.col("full_margin").is_not_null())
    if known.is_empty():
        return "No supplier's margin is known"
    ends = (
        known.sort("month")
        .group_by("network", "scenario", maintain_order=True)
        .agg(first=pl.col("full_margin").first(), worst=pl.col("full_margin").min())
        .group_by("network", maintain_order=True)
        .agg(today=pl.col("first").max() > 0, always=pl.col("worst").min() > 0)
    )
    n, today, always = ends.height, int(ends["today"].sum()), int((ends["today"] & ends["always"]).sum())
    scenarios = known["scenario"].n_unique()
    which = "every scenario" if scenarios > 1 else "the scenario"
    _, year = span_of_dates(known)
    if n == 1:
        if not today:
            return "Without token rewards, the network's suppliers don't earn their full cost even today"
        stay = "and still do" if always else "but not"
        start = "Without token rewards, the network's suppliers earn their full cost today"
        return f"{start}, {stay} in {which} to {year:%Y}"
    start = f"Without token rewards, suppliers of {of_many(today, n)} networks earn their full cost today"
    if not today:
        return start
    if today == 1:
        return f"{start}, {'and still do' if always else 'but not'} in {which} to {year:%Y}"
    still = "all" if always == today else "none" if not always else str(always)
    return f"{start}; {still} of them still do in {which} to {year:%Y}"


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
    known = medians(headline_paths(headlines, margin_paths), "full_margin")
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
    notes = []
    if unknown:
        names = ", ".join(look.names(n) for n in unknown[:6])
        more = f" and {len(unknown) - 6} others" if len(unknown) > 6 else ""
        notes.append(f"Not known, so not drawn: {names}{more}.")
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
    notes.append(
        f"Source: this model; prices as of {minute(look.as_of)}, scenarios and their sources among the assumptions. "
        "A projection, not a forecast."
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
    keys.append(Key(label="breaks even", colour=MUTED, marker="o", hollow=True))
    keys.append(Key(label=f"falls below {percent(-1.0)}", colour=MUTED, marker="v"))
    sheet = Sheet(
        title=finding(known),
        subtitle="Full-cost margin of a supplier who bought the node today: % of receipts, without token rewards",
        footer=notes,
        plot_height=0.78 + 0.94 * len(drawn),
        keys=keys,
    )
    few = len(told) > 4
    gap = 0.1 if few else 0.25
    grid = sheet.grid(len(drawn), len(told), left=1.42, right=0.06, below=0.22, above=0.46, gap_x=gap, gap_y=0.16)
    for i, network in enumerate(drawn):
        colour, _ = look.network(network)
        mine = shown.filter(pl.col("network") == network)
        for j, scenario in enumerate(told):
            axes = grid[i][j]
            here = mine.filter(pl.col("scenario") == scenario)
            prepare(axes, first, last, left=j == 0, bottom=i == len(drawn) - 1, zero=None, few=few, top=1.42)
            _panel(axes, here, colour, gid=f"{network}:{scenario}")
            if i == 0:
                scenario_head(axes, sheet, look, scenario, chances, gap=gap)
        row_label(sheet, grid[i], look, network, mine["accelerator"][0], fresh.get(network))
    return sheet.figure


def _panel(axes: Axes, here: pl.DataFrame, colour: str, *, gid: str) -> None:
    """Both pricings' lines, and in words what becomes of the first."""
    for pricing, line in (("marginal", "--"), ("fleet_average", "-")):
        part = here.filter(pl.col("pricing") == pricing)
        if part.height:
            draw_path(axes, part, "full_margin", colour=colour, line=line, band=line == "-", gid=f"{gid}:{pricing}")
    average = here.filter(pl.col("pricing") == "fleet_average")
    told = "not known" if average.is_empty() else fate(average, "full_margin")
    axes.text(0.97, 0.97, told, transform=axes.transAxes, ha="right", va="top", fontsize=5.8,
              color=MUTED if average.is_empty() else INK, gid=f"fate:{gid}")  # fmt: skip
