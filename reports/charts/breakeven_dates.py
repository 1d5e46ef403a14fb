"""When the advantage and the margin are lost: how the draws spread over the years, with a bar for "at no time"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.charts._panels import row_label
from reports.style import INK, LINE, MUTED, Look, Sheet, empty, fit, styled, title_lines
from reports.view import future_pair, network_order, of_pair, ordered_scenarios, plain
from reports.words import likelihood, of_networks, of_them, plural

__all__ = ["MOST_NETWORKS", "QUANTITIES", "breakeven_dates"]

MOST_NETWORKS = 6
# What is drawn: quantity and reference, and the words above the column.
QUANTITIES: tuple[tuple[str, str | None, str], ...] = (
    ("advantage", "list", "Lead over list price"),
    ("advantage", "committed", "Over committed price"),
    ("advantage", "modelled_cost", "Over modelled cost"),
    ("full_margin_new_node", None, "Margin of a new node"),
)
_COMMITTED = "committed price"
_NOUNS = (("list", "list price"), ("committed", _COMMITTED), ("modelled_cost", "modelled cost"))
_PROBABLE = 0.5  # of the draws, at least
_TITLE_LINES = 2
_SINGLE_YEARS = 3
_SMALL = 0.0005  # rounds to 0.0%, and is not drawn


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one network's lead: dearer today; its odds of being lost at some time."""

    dearer_today: bool
    ever: float


def finding(fates: Mapping[str, Sequence[Fate]], cloud: str, last: int) -> str:
    """The title, from the networks' fates against each reference of one cloud; true of any, in two lines.

    In brackets how many are dearer today or lose their lead in most draws, where that is more than are dearer today.

    >>> lost, kept, dear = Fate(False, 0.6), Fate(False, 0.1), Fate(True, 1.0)
    >>> finding({"list": [kept, lost], "modelled_cost": [dear, dear]}, "AWS", 2036)
    'Neither network is dearer today than AWS at list price (probably 1 by 2036), both at modelled cost'
    """
    known = [(noun, mine) for reference, noun in _NOUNS if (mine := fates.get(reference, ()))]
    if not known:
        return "No break-even date can be stated"
    if max(len(mine) for _, mine in known) > 1:
        # Where it would be longer than two lines, the committed price is left to its column.
        told = [_networks(part, cloud, last) for part in (known, [one for one in known if one[0] != _COMMITTED])]
        return next((one for one in told if title_lines(one) <= _TITLE_LINES), told[-1])
    return _the_network([(noun, mine[0]) for noun, mine in known], cloud, last)


def _the_network(known: Sequence[tuple[str, Fate]], cloud: str, last: int) -> str:
    """Of one network alone: over which prices it keeps its lead, loses it, or has none."""
    fates: dict[str, list[str]] = {"kept": [], "lost": [], "none": []}
    for noun, fate in known:
        fates["none" if fate.dearer_today else "lost" if fate.ever >= _PROBABLE else "kept"].append(noun)
    kept, lost, none = (_prices(nouns) for nouns in fates.values())
    if kept:
        text = f"The network probably keeps its lead over {cloud} to {last} at {kept}"
        text += f", loses it at {lost}" if lost else ""
    elif lost:
        text = f"The network probably loses its lead over {cloud} by {last} at {lost}"
    else:
        return f"The network is dearer today than {cloud} at {none}"
    return f"{text}; it is dearer at {none} today" if none else text


def _prices(nouns: Sequence[str]) -> str:
    """``"list and committed price and modelled cost"``."""
    told = [
        noun.removesuffix(" price") if after.endswith(" price") else noun
        for noun, after in zip(nouns, [*nouns[1:], ""], strict=False)
    ]
    return " and ".join(told)


def _networks(known: Sequence[tuple[str, Sequence[Fate]]], cloud: str, last: int) -> str:
    """Of several: how many are dearer at which price, and how many more will be."""
    n = len(known[0][1])
    told: list[str] = []
    counts: list[tuple[int, int, int]] = []
    for noun, mine in known:
        today = sum(fate.dearer_today for fate in mine)
        then = sum(fate.dearer_today or fate.ever >= _PROBABLE for fate in mine)
        if told:
            some = of_them(today, len(mine)) if len(mine) != n else _some(today, n)
            text = f"{some} at {noun.removesuffix(' price')}"
        else:
            networks = of_networks(today, n)
            text = f"{networks[0].upper()}{networks[1:]} {'is' if today <= 1 else 'are'} dearer today than {cloud}"
            text += f" at {noun}"
        if then > today:
            some = str(then) if then < len(mine) else "both" if then == 2 else "all"
            first = all(before == after for before, after, _ in counts)
            text += f" (probably {some} by {last})" if first else f" ({some})"
        counts.append((today, then, len(mine)))
        told.append(text)
    text = ", ".join(told)
    if all(today == of for today, _, of in counts) or any(then > today for today, then, _ in counts):
        return text
    return f"{text}; probably {'as many' if any(today for today, *_ in counts) else 'none'} by {last}"


def _some(k: int, n: int) -> str:
    """How many of ``n`` that were named before."""
    if 0 < k < n:
        return str(k)
    return ("both" if k else "neither") if n == 2 else f"all {n}" if k else "none"


@styled
def breakeven_dates(
    headlines: pl.DataFrame,
    probabilities: pl.DataFrame,
    paths: pl.DataFrame,
    look: Look,
    *,
    scenario: str | None = None,
) -> Figure:
    """Draw bars of the share of draws a period, a row a network and a column a quantity.

    Parameters
    ----------
    headlines : Headlines
        The networks and their order.
    probabilities : ErosionProbabilities
        Rows at fleet-average pricing are drawn.
    paths : AdvantagePaths
        Says which cloud stands for the clouds, the strictest, and which network is dearer today.
    look : Look
        Names, colours, date.
    scenario : str, optional
        Which one; the first (base) where none is named.
    """
    known = plain(probabilities).filter(pl.col("pricing") == "fleet_average")
    today = plain(paths.filter((pl.col("month") == 0) & (pl.col("pricing") == "fleet_average")))
    pair = future_pair(today)
    if known.is_empty() or pair is None:
        return empty("No break-even date can be stated", "no network's lead over a cloud can be followed", look)
    told = scenario or ordered_scenarios(known)[0]
    known = known.filter(
        pl.col("scenario") == told,
        pl.col("cloud").is_null() | ((pl.col("cloud") == pair[0]) & (pl.col("silicon") == pair[1])),
    )
    networks = [n for n in network_order(headlines["network"].to_list()) if n in set(known["network"])]
    if not networks:
        return empty("No break-even date can be stated", f"no network has a path in {look.names(told)}", look)
    drawn = networks[:MOST_NETWORKS]
    years = sorted(known["year"].unique().to_list())
    lost = {
        (n, title): _lost_by_year(known, n, quantity, reference)
        for n in networks
        for quantity, reference, title in QUANTITIES
    }
    dearer = _dearer_today(of_pair(today.filter(pl.col("scenario") == told), pair))
    fates: dict[str, list[Fate]] = {}
    for _, reference, title in QUANTITIES:
        if reference is not None:
            fates[reference] = [
                Fate(dearer.get((n, reference), False), odds[-1])
                for n in networks
                if (odds := lost[n, title]) is not None
            ]
    cloud = look.names.long_pair(*pair)
    notes = []
    if len(drawn) < len(networks):
        notes.append(
            f"{len(drawn)} of {plural(len(networks), 'network')} drawn; the title speaks of all, and the others are in "
            "erosion.csv."
        )
    title = finding(fates, cloud, years[-1])
    likely = "Probably: in at least half of the draws, at some time. " if "probably" in title else ""
    notes.append(
        f"Source: this model, scenario {look.names(told)}; {look.dated('prices')}. The first bar holds what "
        f"is below zero from the start; a later recovery does not count. {likely}Dearer today: at central inputs. "
        f"A projection, not a forecast.{look.not_live_note(drawn, 'Hatched')}"
    )
    sheet = Sheet(
        title=title,
        subtitle=f"Share of draws by the year in which the lead over {cloud}, or the margin of a node bought then, is "
        f"first below zero; empty bar: at no time to {years[-1]}. % of draws",
        footer=notes,
        plot_height=0.44 + 0.82 * len(drawn),
    )
    groups = _groups(years)
    grid = sheet.grid(len(drawn), len(QUANTITIES), left=1.42, right=0.06, below=0.2, above=0.24, gap_x=0.22, gap_y=0.28)
    for i, network in enumerate(drawn):
        colour, _ = look.network(network)
        for j, (_, reference, title) in enumerate(QUANTITIES):
            axes, odds = grid[i][j], lost[network, title]
            _frame(axes, groups, named=j == 0)
            if odds is None:
                _say(axes, "not known", gid=f"none:{network}:{j}")
            else:
                _bars(axes, years, groups, odds, colour, gid=f"{network}:{j}", live=network not in look.not_live,
                      today=reference is not None and dearer.get((network, reference), False))  # fmt: skip
            if i == 0:
                axes.set_title(fit(title, 7, 1.45, bold=True), fontsize=7, pad=9, color=INK)
        row_label(sheet, grid[i], look, network, None, None)
    return sheet.figure


def _lost_by_year(known: pl.DataFrame, network: str, quantity: str, reference: str | None) -> list[float] | None:
    """The share of the draws lost by the end of each year; None where it is not known."""
    wanted = pl.col("reference").is_null() if reference is None else pl.col("reference") == reference
    mine = known.filter((pl.col("network") == network) & (pl.col("quantity") == quantity) & wanted).sort("year")
    return mine["probability_lost"].to_list() or None


def _dearer_today(today: pl.DataFrame) -> dict[tuple[str, str], bool]:
    """(network, reference) -> whether the network is the dearer one today, at central inputs."""
    return {(n, r): value <= 0 for n, r, value in today.select("network", "reference", "advantage").iter_rows()}


def _groups(years: Sequence[int]) -> list[list[int]]:
    """Years that share a bar: the first ones alone, the rest together, so that every bar has room for its number.

    >>> _groups([2026, 2027, 2028, 2029, 2030])
    [[2026], [2027], [2028], [2029, 2030]]
    """
    rest = list(years[_SINGLE_YEARS:])
    return [*([year] for year in years[:_SINGLE_YEARS]), *([rest] if rest else [])]


def _frame(axes: Axes, groups: Sequence[Sequence[int]], *, named: bool) -> None:
    """The years below, the shares at the left, and a gap before the bar of what is never lost."""
    last = len(groups) + 0.4
    axes.set_xlim(-0.6, last + 0.6)
    axes.set_ylim(0, 1.12)
    axes.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"] if named else [""] * 3, color=MUTED)
    axes.tick_params(axis="y", labelsize=6, pad=3)
    axes.grid(axis="y", color=LINE, lw=0.5)
    axes.spines["bottom"].set_color(LINE)
    years = [f"\N{RIGHT SINGLE QUOTATION MARK}{group[0] % 100:02}{'+' if len(group) > 1 else ''}" for group in groups]
    axes.set_xticks([*range(len(groups)), last], [*years, "never"])
    axes.tick_params(axis="x", labelsize=5.6, pad=2, length=0)


def _say(axes: Axes, text: str, *, gid: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=6, color=MUTED,
              style="italic", gid=gid, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip


def _bars(
    axes: Axes, years: Sequence[int], groups: Sequence[Sequence[int]], odds: Sequence[float], colour: str, *,
    gid: str, today: bool, live: bool,
) -> None:  # fmt: skip
    ends = [odds[years.index(group[-1])] for group in groups]
    shares = [max(0.0, after - before) for before, after in zip([0.0, *ends], ends, strict=False)]
    bars = [*((k, str(group[0]), share) for k, (group, share) in enumerate(zip(groups, shares, strict=True))),
            (len(groups) + 0.4, "never", 1.0 - ends[-1])]  # fmt: skip
    for x, name, share in bars:
        if share < _SMALL:
            continue
        never = name == "never"
        face, edge, hatch = "white" if never or not live else colour, MUTED if never else colour, None
        if not never and not live:
            hatch = "//////"
        axes.bar(x, share, width=0.8, facecolor=face, edgecolor=edge, lw=0.7, hatch=hatch, gid=f"bar:{gid}:{name}")
        axes.text(x, share + 0.03, likelihood(share), ha="center", va="bottom",
                  fontsize=5.6, color=INK, gid=f"value:{gid}:{name}",
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3})  # fmt: skip
    if today:
        _say(axes, "dearer today", gid=f"today:{gid}")
    elif ends[-1] <= 0:
        _say(axes, "lost in no draw", gid=f"kept:{gid}")
