"""Advantage erosion: what the buyer saves on the network, month by month, against the four references."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from reports.charts._panels import draw_path, end_labels, end_words, prepare, span_of_dates
from reports.style import MUTED, REFERENCE_COLOUR, Key, Look, Sheet, empty, fit, styled
from reports.view import REFERENCE_ORDER, headline_paths, main_pair, ordered_scenarios
from reports.words import REFERENCE_WORDS, minute, of_many

__all__ = ["MOST_NETWORKS", "MOST_SCENARIOS", "advantage_erosion"]

MOST_NETWORKS = 3
MOST_SCENARIOS = 3


def finding(shown: pl.DataFrame, look: Look) -> str:
    """The title: how many networks keep their advantage over list prices in the first scenario; true of any paths."""
    known = shown.filter((pl.col("pricing") == "fleet_average") & pl.col("advantage").is_not_null())
    if known.is_empty():
        return "No network's advantage can be followed"
    told = []
    scenario = ordered_scenarios(known)[0]
    cloud, silicon = main_pair(known) or ("", "")
    _, last = span_of_dates(known)
    for reference, noun in (("list", "list price"), ("modelled_cost", "modelled cost")):
        part = known.filter(pl.col("reference") == reference)
        if part.is_empty():
            continue
        kept = part.filter(pl.col("scenario") == scenario).group_by("network").agg(pl.col("advantage").min() > 0)
        told.append((noun, int(kept["advantage"].sum()), kept.height))
    if not told:
        return "No network's advantage can be followed"
    (noun, won, n), *rest = told
    if n == 1:
        who = "The network stays" if won else "The network does not stay"
    else:
        who = f"{of_many(won, n).capitalize()} networks {'stays' if won == 1 else 'stay'}"
    start = f"{who} below the {noun} of {look.names.long_pair(cloud, silicon)} to {last:%Y}"
    for other, also, many in rest:
        start += (
            f", {of_many(also, many)} below the {other}" if n > 1 else f", {'and' if also else 'not'} below the {other}"
        )
    return f"{start} ({look.names(scenario)})"


@styled
def advantage_erosion(headlines: pl.DataFrame, advantage_paths: pl.DataFrame, look: Look) -> Figure:
    """Draw small multiples, a row a network and a column a scenario, with a line a reference.

    Parameters
    ----------
    headlines : Headlines
        The networks and their chips.
    advantage_paths : AdvantagePaths
        Fleet-average rows against the first cloud in order are drawn.
    look : Look
        Names, colours, date.
    """
    every = headline_paths(headlines, advantage_paths).filter(pl.col("pricing") == "fleet_average")
    known = every.filter(pl.col("advantage").is_not_null())
    pair = main_pair(known)
    if pair is None:
        return empty("No network's advantage can be followed", "no network is comparable with a cloud", look)
    known = known.filter((pl.col("cloud") == pair[0]) & (pl.col("silicon") == pair[1]))
    networks = known["network"].unique(maintain_order=True).to_list()
    drawn, scenarios = networks[:MOST_NETWORKS], ordered_scenarios(known)[:MOST_SCENARIOS]
    shown = known.filter(pl.col("network").is_in(drawn) & pl.col("scenario").is_in(scenarios))
    references = [r for r in REFERENCE_ORDER if r in set(shown["reference"])]
    chips = dict(headlines.select("network", "accelerator").iter_rows())
    first, last = span_of_dates(shown)
    notes = []
    cuts = [
        f"{a} of {b} {what}"
        for a, b, what in (
            (len(drawn), len(networks), "networks"),
            (len(scenarios), known["scenario"].n_unique(), "scenarios"),
        )
        if a < b
    ]
    if cuts:
        notes.append(f"{' and '.join(cuts)} shown; the others are in advantage_paths.parquet.")
    notes.append(
        f"Source: this model against {look.names.pair(*pair)}; prices as of {minute(look.as_of)}, scenarios and their "
        "sources among the assumptions. A projection, not a forecast."
    )
    sheet = Sheet(
        title=finding(shown, look),
        subtitle="What the buyer saves for the same tokens: % of the cloud's price or cost; below zero the network "
        "is dearer",
        footer=notes,
        plot_height=0.5 + 1.3 * len(drawn),
        keys=[
            *(Key(label=REFERENCE_WORDS[r], colour=REFERENCE_COLOUR[r], line="-") for r in references),
            Key(label="10th to 90th percentile", colour=MUTED, band=True),
            Key(label="advantage gone", colour=MUTED, marker="o", hollow=True),
        ],
    )
    grid = sheet.grid(len(drawn), len(scenarios), left=1.15, right=0.5, below=0.22, above=0.2, gap_x=0.52, gap_y=0.14)
    for i, network in enumerate(drawn):
        colour, _ = look.network(network)
        for j, scenario in enumerate(scenarios):
            axes = grid[i][j]
            here = shown.filter((pl.col("network") == network) & (pl.col("scenario") == scenario))
            prepare(axes, first, last, left=j == 0, bottom=i == len(drawn) - 1, zero="parity" if i == j == 0 else None)
            ends = []
            for reference in references:
                part = here.filter(pl.col("reference") == reference)
                if part.is_empty():
                    continue
                tint = REFERENCE_COLOUR[reference]
                draw_path(
                    axes,
                    part,
                    "advantage",
                    colour=tint,
                    band=reference in ("list", "modelled_cost"),
                    gid=f"{network}:{scenario}:{reference}",
                )
                value = part.sort("month")["advantage"][-1]
                ends.append((value, end_words(value), tint))
            end_labels(axes, ends, gap=0.16)
            if i == 0:
                axes.set_title(fit(look.names(scenario), 7, 1.8, bold=True), fontsize=7, pad=4)
        box = grid[i][0].get_position()
        centre = (box.y0 + box.y1) / 2
        chip = chips.get(network)
        name = fit(look.names(network), 8, 0.85, bold=True)
        sheet.figure.text(0, centre + 0.06 / sheet.height, name, fontsize=8, weight="bold", color=colour, va="bottom")
        sheet.figure.text(
            0, centre + 0.03 / sheet.height, fit(look.names(chip), 6.3, 0.85), fontsize=6.3, color=MUTED, va="top"
        )
    return sheet.figure
