"""Margin erosion: what a supplier who bought his node today keeps, month by month, in every scenario."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from reports.charts._panels import draw_path, end_labels, end_words, prepare, span_of_dates
from reports.style import MUTED, Key, Look, Sheet, empty, fit, styled
from reports.view import headline_paths, network_order, ordered_scenarios
from reports.words import minute, of_many, plural

__all__ = ["MOST_NETWORKS", "MOST_SCENARIOS", "margin_erosion"]

MOST_NETWORKS = 5
MOST_SCENARIOS = 4


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
    _, year = span_of_dates(known)
    if n == 1:
        if not today:
            return "Without token rewards, the network's suppliers don't earn their full cost even today"
        stay = "and still do" if always else "but not"
        start = "Without token rewards, the network's suppliers earn their full cost today"
        return f"{start}, {stay} in every scenario to {year:%Y}"
    start = f"Without token rewards, suppliers of {of_many(today, n)} networks earn their full cost today"
    if not today:
        return start
    still = "all" if always == today else "none" if not always else str(always)
    return f"{start}; {still} of them still do in every scenario to {year:%Y}"


@styled
def margin_erosion(headlines: pl.DataFrame, margin_paths: pl.DataFrame, look: Look) -> Figure:
    """Draw small multiples, a row a network and a column a scenario: full-cost margin with its band.

    Parameters
    ----------
    headlines : Headlines
        The networks and their order; one without a path is named in the footer.
    margin_paths : MarginPaths
        The fleet average is the solid line with the band, the marginal price the dashed one.
    look : Look
        Names, colours, date.
    """
    known = headline_paths(headlines, margin_paths)
    if known.is_empty():
        return empty(finding(known), "no network's margin is known, so it has no path", look)
    every_network = network_order(headlines["network"].to_list())
    networks = known["network"].unique(maintain_order=True).to_list()
    unknown = [n for n in every_network if n not in networks]
    drawn, scenarios = networks[:MOST_NETWORKS], ordered_scenarios(known)[:MOST_SCENARIOS]
    shown = known.filter(pl.col("network").is_in(drawn) & pl.col("scenario").is_in(scenarios))
    first, last = span_of_dates(shown)
    notes = []
    if unknown:
        names = ", ".join(look.names(n) for n in unknown[:6]) + (" and others" if len(unknown) > 6 else "")
        notes.append(f"Not known, so not drawn: {names}.")
    left_out = [
        text
        for cut, text in (
            (len(drawn) < len(networks), f"{len(drawn)} of {plural(len(networks), 'network')}"),
            (
                len(scenarios) < known["scenario"].n_unique(),
                f"{len(scenarios)} of {known['scenario'].n_unique()} scenarios",
            ),
        )
        if cut
    ]
    if left_out:
        notes.append(f"{' and '.join(left_out)} shown; the others are in margin_paths.parquet.")
    notes.append(
        f"Source: this model; prices as of {minute(look.as_of)}, scenarios and their sources among the assumptions. "
        "A projection, not a forecast."
    )
    marginal = "marginal" in set(shown["pricing"])
    keys = [
        Key(
            label="clouds price at their fleet's average cost, with 10th to 90th percentile",
            colour=MUTED,
            line="-",
            band=True,
        )
    ]
    if marginal:
        keys.append(Key(label="at their newest chip's cost", colour=MUTED, line="--"))
    keys.append(Key(label="breaks even", colour=MUTED, marker="o", hollow=True))
    sheet = Sheet(
        title=finding(shown),
        subtitle="Full-cost margin of a supplier who bought the node today: % of receipts, without token rewards",
        footer=notes,
        plot_height=0.5 + 1.0 * len(drawn),
        keys=keys,
    )
    grid = sheet.grid(len(drawn), len(scenarios), left=1.15, right=0.5, below=0.22, above=0.2, gap_x=0.52, gap_y=0.14)
    for i, network in enumerate(drawn):
        colour, _ = look.network(network)
        for j, scenario in enumerate(scenarios):
            axes = grid[i][j]
            here = shown.filter((pl.col("network") == network) & (pl.col("scenario") == scenario))
            prepare(
                axes, first, last, left=j == 0, bottom=i == len(drawn) - 1, zero="breaks even" if i == j == 0 else None
            )
            ends = []
            for pricing, line in (("marginal", "--"), ("fleet_average", "-")):
                part = here.filter(pl.col("pricing") == pricing)
                if part.is_empty():
                    continue
                draw_path(
                    axes,
                    part,
                    "full_margin",
                    colour=colour,
                    line=line,
                    band=line == "-",
                    gid=f"{network}:{scenario}:{pricing}",
                )
                if pricing == "fleet_average":
                    value = part.sort("month")["full_margin"][-1]
                    ends.append((value, end_words(value), colour))
            if not ends:
                axes.text(0.5, 0.7, "not known", transform=axes.transAxes, ha="center", fontsize=6.5, color=MUTED)
            end_labels(axes, ends)
            if i == 0:
                axes.set_title(fit(look.names(scenario), 7, 1.6, bold=True), fontsize=7, pad=4)
        label = fit(look.names(network), 8, 0.85, bold=True)
        chip = here["accelerator"][0] if here.height else None
        y = grid[i][0].get_position()
        centre = (y.y0 + y.y1) / 2
        sheet.figure.text(0, centre + 0.06 / sheet.height, label, fontsize=8, weight="bold", color=colour, va="bottom")
        sheet.figure.text(
            0, centre + 0.03 / sheet.height, fit(look.names(chip), 6.3, 0.85), fontsize=6.3, color=MUTED, va="top"
        )
    return sheet.figure
