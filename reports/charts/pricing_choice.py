"""Fleet average against marginal: what it changes if the clouds' newest chip sets the price at once."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.style import INK, LINE, MUTED, Key, Look, Sheet, empty, fit, styled
from reports.view import headline_paths, ordered_pairs, ordered_scenarios, plain
from reports.words import minute, percent, plural, times

__all__ = ["MOST_NETWORKS", "pricing_choice"]

MOST_NETWORKS = 5
MONTHS = 36
_LEAST, _MOST = 1 / 32, 1024.0
_TIMES = "\N{MULTIPLICATION SIGN}"


def finding(moved: pl.DataFrame, year: int) -> str:
    """The title; ``moved`` has ``fleet_average`` and ``marginal``, networks' cost over the cloud's, both ways."""
    if moved.is_empty():
        return f"How clouds price their new silicon changes nothing by {year}"
    changes = (moved["marginal"] / moved["fleet_average"] - 1.0).to_list()
    change = max(changes, key=abs)
    if abs(change) < 0.005:
        return f"How clouds price their new silicon changes nothing by {year}"
    how = f"up to {percent(abs(change))} {'dearer' if change > 0 else 'cheaper'}"
    who = "the network is" if moved["network"].n_unique() == 1 else "networks are"
    return f"If clouds price by their newest chip, not their whole fleet, {who} {how} beside them by {year}"


@styled
def pricing_choice(headlines: pl.DataFrame, paths: pl.DataFrame, look: Look) -> Figure:
    """Draw a dumbbell a network and scenario: networks' cost over the cloud's in three years, under both pricings.

    Parameters
    ----------
    headlines : Headlines
        The networks and their order.
    paths : AdvantagePaths
        Medians against modelled cost of the first cloud on the page; scenarios that pricing does not move are left
        out.
    look : Look
        Names, colours, date.
    """
    # One month of one reference, before anything else is done to the paths: they may be a million rows.
    costs = paths.filter(pl.col("reference") == "modelled_cost")
    month = min(MONTHS, int(costs["month"].max() or 0))  # type: ignore[arg-type]
    known = plain(headline_paths(headlines, costs.filter(pl.col("month") == month)))
    if known.is_empty():
        return empty(finding(pl.DataFrame(), look.as_of.year), "no network has a path against modelled cost", look)
    pair = ordered_pairs(known)[0]
    here = known.filter(pl.col("cloud") == pair[0], pl.col("silicon") == pair[1])
    wide = here.with_columns(ratio=1.0 - pl.col("advantage_p50")).pivot(
        "pricing", index=["network", "scenario", "date"], values="ratio", maintain_order=True
    )
    if not {"fleet_average", "marginal"} <= set(wide.columns):
        return empty(finding(pl.DataFrame(), look.as_of.year), "one way of pricing alone was asked for", look)
    moved = wide.filter((pl.col("fleet_average") - pl.col("marginal")).abs() > 1e-6)
    if moved.is_empty():
        year = look.as_of.year if wide.is_empty() else wide["date"][0].year
        return empty(finding(moved, year), "the scenarios asked for bring no new silicon", look)
    at = moved["date"][0]
    scenarios = ordered_scenarios(moved)
    networks = moved["network"].unique(maintain_order=True).to_list()
    drawn = networks[:MOST_NETWORKS]
    notes = []
    if len(drawn) < len(networks):
        shown = f"{len(drawn)} of {plural(len(networks), 'network')} drawn"
        notes.append(f"{shown}; the title speaks of all, and the others are in advantage_paths.parquet.")
    notes.append(
        f"Source: this model, against the modelled cost of {look.names.long_pair(*pair)}; prices as of "
        f"{minute(look.as_of)}. Medians of the draws; in scenarios not shown the two are the same. A projection, not a "
        "forecast."
    )
    sheet = Sheet(
        title=finding(moved, at.year),
        subtitle=f"Network's cost of the work as a multiple of the cloud's, {at:%B %Y}; log scale, dotted: parity. "
        "In numbers: at the fleet's average, and the change",
        footer=notes,
        plot_height=0.42 + 0.19 * len(scenarios),
        keys=[
            Key(label="clouds price at their fleet's average cost", colour=MUTED, marker="o"),
            Key(label="at their newest chip's cost", colour=MUTED, marker="D"),
        ],
    )
    left = 1.5
    ends = moved.filter(pl.col("network").is_in(drawn)).select("fleet_average", "marginal").unpivot()["value"]
    low = max(_LEAST, min(0.7, float(ends.min()) / 1.4))  # type: ignore[arg-type]
    high = min(_MOST, max(1.4, float(ends.max()) * 1.2))  # type: ignore[arg-type]
    high *= (high / low) ** (0.9 if len(drawn) > 3 else 0.6 if len(drawn) > 1 else 0.2)  # room for the numbers
    (line,) = sheet.grid(1, len(drawn), left=left, right=0.2, below=0.22, above=0.2, gap_x=0.24)
    for j, (network, axes) in enumerate(zip(drawn, line, strict=True)):
        colour, _ = look.network(network)
        mine = {r["scenario"]: r for r in moved.filter(pl.col("network") == network).iter_rows(named=True)}
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.set_ylim(len(scenarios) - 0.4, -0.6)
        ticks = _ticks(low, high, most=7 if len(drawn) == 1 else 4 if len(drawn) < 4 else 3)
        axes.set_xticks(ticks, [f"{t:g}{_TIMES}" for t in ticks])
        axes.minorticks_off()
        axes.tick_params(axis="x", labelsize=6.3)
        axes.grid(axis="x", color=LINE)
        axes.axvline(1.0, color=INK, lw=0.9, ls=(0, (1, 1.5)), gid="parity")
        for y, scenario in enumerate(scenarios):
            _dumbbell(axes, y, mine.get(scenario), colour, gid=f"{network}:{scenario}")
        names = [fit(look.names(s), 7.2, left - 0.12) for s in scenarios]
        axes.set_yticks(range(len(scenarios)), names if j == 0 else [""] * len(names), ha="left")
        if j == 0:
            axes.tick_params(axis="y", pad=(left - 0.02) * 72)
        width = axes.get_position().width * 7.1
        axes.set_title(fit(look.names(network), 8, width, bold=True), color=colour, fontsize=8, pad=4)
    return sheet.figure


def _dumbbell(axes: Axes, y: int, row: dict[str, float] | None, colour: str, *, gid: str) -> None:
    if row is None:
        axes.text(1.0, y, "no difference", fontsize=5.8, color=MUTED, va="center", ha="center", style="italic",
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5}, gid=f"none:{gid}")  # fmt: skip
        return
    average, marginal = (min(max(row[k], _LEAST), _MOST) for k in ("fleet_average", "marginal"))
    axes.plot([marginal, average], [y, y], color=colour, lw=1.6, zorder=2, gid=f"between:{gid}")
    for value, name, marker in ((average, "average", "o"), (marginal, "marginal", "D")):
        axes.plot([value], [y], marker=marker, ms=4.6 if marker == "o" else 3.8, color=colour, zorder=3,
                  markeredgecolor="white", markeredgewidth=0.6, linestyle="none", gid=f"{name}:{gid}")  # fmt: skip
    change = percent(row["marginal"] / row["fleet_average"] - 1.0, signed=True)
    told = f"{times(row['fleet_average'])}{_TIMES} {change}"
    axes.annotate(told, (max(average, marginal), y), xytext=(6, 0), textcoords="offset points", fontsize=5.8,
                  va="center", color=INK, annotation_clip=False, ha="left", gid=f"value:{gid}")  # fmt: skip


def _ticks(low: float, high: float, *, most: int) -> list[float]:
    """Powers of two, four or more between the ends, one among them."""
    for step in (1, 2, 3, 4, 5):
        found = [2.0 ** (step * k) for k in range(-10, 11) if low <= 2.0 ** (step * k) <= high]
        if len(found) <= most:
            break
    return found
