"""Fleet average against marginal: what it changes if the clouds' newest chip sets the price at once."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.style import INK, LINE, MUTED, WIDTH, Look, Sheet, empty, fit, styled, text_width, title_lines, wrap
from reports.view import future_pair, headline_paths, of_pair, ordered_scenarios, plain
from reports.words import percent, plural

__all__ = ["MOST_NETWORKS", "MOST_SCENARIOS", "pricing_choice"]

MOST_NETWORKS = 8
MOST_SCENARIOS = 5
MONTHS = 36
_LEFT = 1.5
_NOTHING = 0.0005
_TOLD = 0.005  # a smaller change is none in a sentence
_TITLE_LINES = 2
_FLEET = ", not their whole fleet"


def finding(moved: pl.DataFrame, look: Look, cloud: str, year: int) -> str:
    """The title; ``moved`` has the ``change`` of the networks' cost over the cloud's, by network and scenario.

    From the least to the most that a network and scenario give, each with its scenario where two lines have room.
    """
    nothing = f"How clouds price their new silicon changes nothing by {year}"
    if moved.is_empty():
        return nothing
    ranked = moved.sort("change")
    (low, first), (high, last) = ranked.select("change", "scenario").gather([0, -1]).rows()
    if max(abs(low), abs(high)) < _TOLD:
        return nothing
    who = "the network is" if moved["network"].n_unique() == 1 else "networks are"
    # (change, scenario, words of its side): the ends that are told, one where all lie on a side from nothing on.
    ends = [
        (change, scenario, "dearer" if change > 0 else "cheaper") for change, scenario in ((low, first), (high, last))
    ]
    if low < -_NOTHING and high > _NOTHING:
        told = [(f"{percent(abs(change))} {side}", scenario) for change, scenario, side in ends]
        head = ""
    else:
        near, far = sorted(ends, key=lambda end: abs(end[0]))
        told = [(f"{percent(abs(far[0]))} {far[2]}", far[1])]
        head = "up to " if abs(near[0]) <= _NOTHING else ""
        if not head and percent(abs(near[0])) != percent(abs(far[0])):
            told.insert(0, (percent(abs(near[0])), near[1]))
    if len(told) == 2 and told[0][1] == told[1][1]:
        told = [(" to ".join(text for text, _ in told), told[0][1])]
        head = "from "
    titles = [
        f"If clouds price by their newest chip{fleet}, {who} {head or 'from ' * (len(told) - 1)}"
        f"{' to '.join(f'{text} ({look.names(scenario)})' if named else text for text, scenario in told)} "
        f"relative to {cloud} by {year}"
        for named, fleet in ((True, _FLEET), (True, ""), (False, _FLEET))
    ]
    return next((title for title in titles if title_lines(title) <= _TITLE_LINES), titles[-1])


@styled
def pricing_choice(headlines: pl.DataFrame, paths: pl.DataFrame, look: Look) -> Figure:
    """Draw a bar a network and scenario: what pricing by the newest chip does to networks' cost over the cloud's.

    Parameters
    ----------
    headlines : Headlines
        The networks and their order.
    paths : AdvantagePaths
        Medians in three years against modelled cost of the cloud that stands for the clouds in outlooks; scenarios
        that pricing does not move are left out.
    look : Look
        Names, colours, date.
    """
    # One month of one reference, before anything else is done to the paths: they may be a million rows.
    costs = paths.filter(pl.col("reference") == "modelled_cost")
    month = min(MONTHS, int(costs["month"].max() or 0))  # type: ignore[arg-type]  # polars: any literal
    known = plain(headline_paths(headlines, costs.filter(pl.col("month") == month)))
    pair = future_pair(plain(paths.filter(pl.col("month") == 0)))
    here = known if pair is None else of_pair(known, pair)
    if here.is_empty() or pair is None:
        title = "What it changes how clouds price their new silicon is not known"
        return empty(title, "no network's lead over a modelled cost can be followed", look)
    cloud, at = look.names.long_pair(*pair), here["date"][0]
    wide = here.with_columns(ratio=1.0 - pl.col("advantage_p50")).pivot(
        "pricing", index=["network", "scenario"], values="ratio", maintain_order=True
    )
    if not {"fleet_average", "marginal"} <= set(wide.columns):
        return empty(finding(pl.DataFrame(), look, cloud, at.year), "one way of pricing alone was asked for", look)
    changes = wide.with_columns(change=pl.col("marginal") / pl.col("fleet_average") - 1.0)
    changes = changes.filter(pl.col("change").is_not_null())
    moved = changes.filter(pl.col("change").abs().max().over("scenario") > _NOTHING)
    if moved.is_empty():
        return empty(finding(moved, look, cloud, at.year), "the scenarios asked for bring no new silicon", look)
    scenarios = ordered_scenarios(moved)
    networks = moved["network"].unique(maintain_order=True).to_list()
    # The bars that the title tells are among those drawn.
    told_ends = moved.sort("change").select("network", "scenario").gather([0, -1])
    drawn, told = (
        [x for x in every if x in first or x in [y for y in every if y not in first][: room - len(first)]]
        for every, first, room in (
            (networks, set(told_ends["network"]), MOST_NETWORKS),
            (scenarios, set(told_ends["scenario"]), MOST_SCENARIOS),
        )
    )  # fmt: skip
    notes, cuts = [], []
    if len(drawn) < len(networks):
        cuts.append(f"{len(drawn)} of {plural(len(networks), 'network')}")
    if len(told) < len(scenarios):
        cuts.append(f"{len(told)} of {plural(len(scenarios), 'scenario')}")
    if cuts:
        notes.append(
            f"{' and '.join(cuts)} drawn; the title speaks of all, and the others are in advantage_paths.parquet."
        )
    notes.append(
        f"Source: this model; {look.dated('prices')}. Medians of the draws; in scenarios not shown the two "
        "are the same. A projection, not a forecast." + look.not_live_note(drawn, "Hatched")
    )
    sheet = Sheet(
        title=finding(moved, look, cloud, at.year),
        subtitle=f"Change of the network's cost over the modelled cost of {cloud}, {at:%B %Y}, if clouds price at "
        "their newest chip's cost in place of their fleet's average. %",
        footer=notes,
        plot_height=0.62 + 0.17 * len(drawn),
    )
    shown = moved.filter(pl.col("network").is_in(drawn) & pl.col("scenario").is_in(told))
    (line,) = sheet.grid(1, len(told), left=_LEFT, right=0.1, below=0.2, above=0.34, gap_x=0.22)
    ends = [0.0, *shown["change"]]
    low, high = min(ends), max(ends)
    number = 0.34 / (line[0].get_position().width * WIDTH)  # room for a number, of the panel's width
    span = (high - low) / (1 - number * ((low < 0) + (high > 0)))
    for axes, scenario in zip(line, told, strict=True):
        axes.set_xlim(low - span * number * (low < 0), high + span * number * (high > 0))
        axes.set_ylim(len(drawn) - 0.4, -0.6)
        mine = dict(shown.filter(pl.col("scenario") == scenario).select("network", "change").iter_rows())
        _panel(axes, drawn, mine, look, scenario)
    for y, network in enumerate(drawn):
        _name(line[0], y, network, look)
    return sheet.figure


def _panel(axes: Axes, networks: Sequence[str], mine: dict[str, float], look: Look, scenario: str) -> None:
    """The bars of one scenario, a row a network, with what each one changes."""
    low, high = axes.get_xlim()
    step = next(s for s in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if (high - low) / s <= 3.5 or s == 1.0)
    ticks = [k * step for k in range(round(low / step), round(high / step) + 1) if low <= k * step <= high]
    axes.set_xticks(ticks, [percent(t) for t in ticks])
    axes.set_yticks([])
    axes.tick_params(axis="x", labelsize=6)
    axes.grid(axis="x", color=LINE)
    axes.axvline(0, color=INK, lw=0.8, gid="zero")
    for y, network in enumerate(networks):
        change, gid = mine.get(network), f"{network}:{scenario}"
        if change is None:
            axes.annotate("n/k", (0, y), xytext=(2, 0), textcoords="offset points", fontsize=5.8, color=MUTED,
                          va="center", style="italic", gid=f"none:{gid}")  # fmt: skip
            continue
        colour, live = look.network(network)[0], network not in look.not_live
        axes.barh(y, change, height=0.7, facecolor=colour if live else "white", edgecolor=colour, lw=0.7,
                  hatch=None if live else "//////", gid=f"bar:{gid}")  # fmt: skip
        side = -1 if change < 0 else 1
        axes.annotate(percent(change, signed=True), (change, y), xytext=(2 * side, 0), textcoords="offset points",
                      fontsize=5.8, color=INK, va="center", ha="left" if side > 0 else "right",
                      gid=f"value:{gid}")  # fmt: skip
    width = axes.get_position().width * WIDTH
    lines = wrap(look.names(scenario), 6.8, width, bold=True)
    head = [fit(one, 6.8, width, bold=True) for one in [*lines[:1], " ".join(lines[1:])] if one]
    axes.set_title("\n".join(head), fontsize=6.8, pad=4)


def _name(axes: Axes, y: int, network: str, look: Look) -> None:
    """A network's name at the left edge, and how old its price is where it is not live."""
    old = look.not_live.get(network, "")
    room = _LEFT - 0.1 - (text_width(old, 5.6) + 0.06 if old else 0)
    name = fit(look.names(network), 7.2, room, bold=True)
    for text, size, colour, weight, x in (
        (name, 7.2, look.network(network)[0], "bold", 0.0),
        (old, 5.6, MUTED, "normal", text_width(name, 7.2, bold=True) + 0.06),
    ):
        if text:
            axes.annotate(text, (0, y), xycoords=("axes fraction", "data"), xytext=((x - _LEFT) * 72, 0),
                          textcoords="offset points", fontsize=size, color=colour, weight=weight, va="center",
                          annotation_clip=False, gid=f"name:{network}:{weight}")  # fmt: skip
