"""When the advantage and the margin are lost: how the draws spread over the years, with a bar for "not reached"."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.style import INK, LINE, MUTED, Look, Sheet, empty, fit, styled
from reports.view import future_pair, network_order, ordered_scenarios, plain
from reports.words import minute, of_many, percent, plural

__all__ = ["MOST_NETWORKS", "QUANTITIES", "breakeven_dates"]

MOST_NETWORKS = 6
# What is drawn: quantity and reference, and the words above the column.
QUANTITIES: tuple[tuple[str, str | None, str], ...] = (
    ("advantage", "list", "Lead over list price"),
    ("advantage", "committed", "Over committed price"),
    ("advantage", "modelled_cost", "Over modelled cost"),
    ("full_margin_new_node", None, "Margin of a new node"),
)


def finding(likely: Sequence[tuple[str, float, float]], first: int, last: int) -> str:
    """The title, from (column, probability of being lost by the first year's end, by the horizon); true of any."""
    told: list[str] = []
    for column, over in ((QUANTITIES[0][2], "list prices"), (QUANTITIES[2][2], "modelled cost")):
        mine = [(soon, late) for title, soon, late in likely if title == column]
        n, soon, late = len(mine), sum(p >= 0.5 for p, _ in mine), sum(p >= 0.5 for _, p in mine)
        if not n:
            continue
        when = f"by the end of {first}" if late and soon == late else f"by {last}"
        some = f" ({soon} by the end of {first})" if 0 < soon < late else ""
        if n == 1 and not told:
            how = f"without its lead over {over} {when}" if late else f"still ahead of {over} in {last}"
            told.append(f"Likelier than not, the network is {how}")
        elif n == 1:
            told.append(f"over {over}, {'without it ' + when if late else f'still ahead in {last}'}")
        elif not told:
            are = "is" if late == 1 else "are"
            lead = "its lead" if late == 1 else "their lead"
            told.append(f"Likelier than not, {of_many(late, n)} networks {are} without {lead} over {over} {when}{some}")
        else:
            told.append(f"over {over}, {of_many(late, n)} {when}{some}")
    return "; ".join(told) if told else "No break-even date can be stated"


@styled
def breakeven_dates(
    headlines: pl.DataFrame,
    probabilities: pl.DataFrame,
    paths: pl.DataFrame,
    look: Look,
    *,
    scenario: str | None = None,
) -> Figure:
    """Draw bars of the share of draws a year, a row a network and a column a quantity.

    Parameters
    ----------
    headlines : Headlines
        The networks and their order.
    probabilities : ErosionProbabilities
        Rows at fleet-average pricing are drawn.
    paths : AdvantagePaths
        Says which cloud stands for the clouds: the strictest.
    look : Look
        Names, colours, date.
    scenario : str, optional
        Which one; the first (base) where none is named.
    """
    known = plain(probabilities).filter(pl.col("pricing") == "fleet_average")
    pair = future_pair(plain(paths.filter(pl.col("month") == 0)))
    if known.is_empty() or pair is None:
        return empty("No break-even date can be stated", "no network has a path", look)
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
    shares = {
        (n, title): _shares(known, n, quantity, reference)
        for n in networks
        for quantity, reference, title in QUANTITIES
    }
    likely = [(title, share[0], 1.0 - share[-1]) for (_, title), share in shares.items() if share is not None]
    notes = []
    if len(drawn) < len(networks):
        notes.append(
            f"{len(drawn)} of {plural(len(networks), 'network')} drawn; the title speaks of all, and the others are in "
            "erosion.csv."
        )
    notes.append(
        f"Source: this model, scenario {look.names(told)}, against {look.names.long_pair(*pair)}; prices as of "
        f"{minute(look.as_of)}. The first bar holds what is lost already. A projection, not a forecast."
    )
    sheet = Sheet(
        title=finding(likely, years[0], years[-1]),
        subtitle=f"Share of draws in which it is lost, by year; the hatched bar is not lost by {years[-1]}. % of draws",
        footer=notes,
        plot_height=0.52 + 0.82 * len(drawn),
    )
    grid = sheet.grid(len(drawn), len(QUANTITIES), left=1.15, right=0.1, below=0.2, above=0.24, gap_x=0.22, gap_y=0.2)
    for i, network in enumerate(drawn):
        colour, _ = look.network(network)
        for j, (_, _, title) in enumerate(QUANTITIES):
            axes = grid[i][j]
            _bars(axes, years, shares[network, title], colour, gid=f"{network}:{j}", ticks=i == len(drawn) - 1)
            if i == 0:
                axes.set_title(fit(title, 7, 1.45, bold=True), fontsize=7, pad=8, color=INK)
        middle = grid[i][0].get_position()
        sheet.figure.text(
            0, (middle.y0 + middle.y1) / 2, fit(look.names(network), 8, 1.05, bold=True), fontsize=8, weight="bold",
            color=colour, va="center", gid=f"row:{network}",
        )  # fmt: skip
    return sheet.figure


def _shares(known: pl.DataFrame, network: str, quantity: str, reference: str | None) -> list[float] | None:
    """What is newly lost in each year, and last what is never lost; None where it is not known."""
    wanted = pl.col("reference").is_null() if reference is None else pl.col("reference") == reference
    mine = known.filter((pl.col("network") == network) & (pl.col("quantity") == quantity) & wanted).sort("year")
    if mine.is_empty():
        return None
    lost = mine["probability_lost"].to_list()
    return [max(0.0, after - before) for before, after in zip([0.0, *lost], lost, strict=False)] + [1.0 - lost[-1]]


def _bars(
    axes: Axes, years: Sequence[int], shares: Sequence[float] | None, colour: str, *, gid: str, ticks: bool
) -> None:
    last = len(years) + 0.8  # a gap before the bar of what is not reached
    axes.set_xlim(-0.7, last + 0.7)
    axes.set_ylim(0, 1.12)
    axes.set_yticks([])
    axes.spines["bottom"].set_color(LINE)
    marks = [0, *(range(len(years) // 2, len(years) - 2, 99) if len(years) > 6 else ())]
    axes.set_xticks([*marks, last], [*(str(years[m]) for m in marks), "not lost"] if ticks else [""] * (len(marks) + 1))
    axes.tick_params(axis="x", labelsize=6, pad=2, length=0)
    if shares is None:
        axes.text(0.5, 0.45, "not known", transform=axes.transAxes, ha="center", fontsize=6.5, color=MUTED,
                  style="italic", gid=f"none:{gid}")  # fmt: skip
        return
    places = [*range(len(years)), last]
    for k, (x, share) in enumerate(zip(places, shares, strict=True)):
        never = k == len(years)
        face, edge, hatch = ("white", MUTED, "//////") if never else (colour, colour, None)
        year = "never" if never else years[k]
        axes.bar(x, share, width=0.86, facecolor=face, edgecolor=edge, lw=0.7, hatch=hatch, gid=f"bar:{gid}:{year}")
        beside = max((shares[n] for n in (k - 1, k + 1) if 0 <= n < len(years) and not never), default=0.0)
        # Room for a number: over the taller of neighbours only, and over every bar that stands alone.
        if share >= 0.045 and share >= beside:
            axes.text(x, share + 0.03, percent(share), ha="center", va="bottom", fontsize=5.6, color=INK,
                      gid=f"value:{gid}:{year}")  # fmt: skip
