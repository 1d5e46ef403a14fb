"""Headroom: how much further the clouds' cost may fall before the network's advantage is gone."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from reports.style import (
    CLAIM,
    INK,
    MUTED,
    NEGATIVE,
    REFERENCE_COLOUR,
    Key,
    Look,
    Sheet,
    empty,
    fit,
    styled,
)
from reports.view import REFERENCE_ORDER, headline_comparison, headline_outlook, ordered_pairs, ordered_scenarios
from reports.words import REFERENCE_WORDS, minute, of_many, percent

__all__ = ["MOST_NETWORKS", "MOST_PAIRS", "headroom"]

MOST_NETWORKS = 4
MOST_PAIRS = 6
_FLOOR = -1.0


def finding(known: pl.DataFrame) -> str:
    """The title: room left against list prices, and what is lost against modelled cost; true of any rows."""
    known = known.filter((pl.col("quantity") == "advantage") & pl.col("headroom").is_not_null())
    against_list = known.filter(pl.col("reference") == "list")["headroom"].to_list()
    against_cost = known.filter(pl.col("reference") == "modelled_cost")["headroom"].to_list()
    whose = "networks'" if known["network"].n_unique() > 1 else "network's"
    told = []
    if against_list:
        lost = sum(h <= 0 for h in against_list)
        if lost:
            told.append(
                "The only advantage over a list price is already lost"
                if len(against_list) == 1
                else f"{of_many(lost, len(against_list)).capitalize()} advantages over list prices "
                f"{'is' if lost == 1 else 'are'} already lost"
            )
        else:
            low, high = percent(min(against_list)), percent(max(against_list))
            span = low if low == high else f"{low} to {high}"
            told.append(f"List prices may fall {span} before the {whose} advantage is gone")
    if against_cost:
        lost = sum(h <= 0 for h in against_cost)
        lead = "against modelled cost " if told else "Against modelled cost "
        what = (
            "it is lost already"
            if lost == len(against_cost) and told
            else f"{of_many(lost, len(against_cost))} advantages {'is' if lost == 1 else 'are'} lost already"
        )
        told.append(lead + what)
    return "; ".join(told) if told else "No headroom can be stated"


@styled
def headroom(headlines: pl.DataFrame, outlook: pl.DataFrame, comparison: pl.DataFrame, look: Look) -> Figure:
    """Draw bars, a panel a network: headroom of the buyer's advantage by cloud and reference, and of the margin.

    Parameters
    ----------
    headlines : Headlines
        Which chip, model and workload stand for each network.
    outlook : Outlook
        Rows of the first scenario (base) at fleet-average pricing are drawn.
    comparison : Comparison
        Says which references are vendor claims or rest on data that is not live.
    look : Look
        Names, colours, date.
    """
    every = headline_outlook(headlines, outlook).filter(pl.col("pricing") == "fleet_average")
    if every.is_empty() or every["headroom"].null_count() == every.height:
        reasons = every["not_comparable"].drop_nulls().unique(maintain_order=True).to_list()
        return empty("No headroom can be stated", "; ".join(reasons[:3]) or "no network has an outlook", look)
    scenario = ordered_scenarios(every)[0]
    every = every.filter(pl.col("scenario") == scenario)
    networks = every["network"].unique(maintain_order=True).to_list()
    drawn = networks[:MOST_NETWORKS]
    shown = every.filter(pl.col("network").is_in(drawn))
    every_pair = ordered_pairs(shown)
    pairs = every_pair[:MOST_PAIRS]
    shown = shown.filter(pl.struct("cloud", "silicon").is_in([{"cloud": c, "silicon": k} for c, k in pairs]))
    references = [r for r in REFERENCE_ORDER if r in set(shown["reference"])]
    compared = headline_comparison(headlines, comparison)
    basis = {
        (r["network"], r["cloud"], r["silicon"], r["reference"]): (
            r["reference_kind"],
            r["reference_layer"],
            r["network_layer"],
        )
        for r in compared.iter_rows(named=True)
    }
    claims = {(k[1], k[2]) for k, v in basis.items() if v[0] == "vendor_claim"}
    stale = any(layer not in (None, "live") for _, *layers in basis.values() for layer in layers)
    keys = [
        Key(label=f"against {REFERENCE_WORDS[r].lower()}", colour=REFERENCE_COLOUR[r], marker="s") for r in references
    ]
    if claims:
        keys.append(Key(label="vendor claim", colour=CLAIM, marker="s"))
    notes, cuts = [], []
    if len(drawn) < len(networks):
        cuts.append(f"{len(drawn)} of {len(networks)} networks")
    if len(pairs) < len(every_pair):
        cuts.append(f"{len(pairs)} of {len(every_pair)} clouds with their silicon")
    if cuts:
        notes.append(f"{' and '.join(cuts)} drawn; the title speaks of all, and the others are in erosion.csv.")
    notes.append(
        f"Source: this model, scenario {look.names(scenario)}; prices as of {minute(look.as_of)}."
        + (" Hatched: rests on stored or reference prices, or on modelled cost." if stale else "")
        + " n/c: not comparable, or not known."
        + (
            f" Bars with an arrow are cut at {percent(_FLOOR)}."
            if any(h is not None and h < _FLOOR for h in shown["headroom"])
            else ""
        )
    )
    sheet = Sheet(
        title=finding(every),
        subtitle="Headroom: further fall of cloud inference cost, in % of today's, until the network's advantage (or "
        "supplier's margin, in the network's colour) is zero. The margin: a fall only clouds have, half of it passed "
        "on. Left of zero: already lost",
        footer=notes,
        plot_height=0.5 + (len(pairs) * (len(references) + 0.8) + 1.2) * 0.112,
        keys=keys,
    )
    left = 1.45
    (line,) = sheet.grid(1, len(drawn), left=left, right=0.3, below=0.24, above=0.22, gap_x=0.3)
    step = len(references) + 0.8
    n = len(pairs)
    for j, (network, axes) in enumerate(zip(drawn, line, strict=True)):
        colour, _ = look.network(network)
        mine = shown.filter(pl.col("network") == network)
        for i, pair in enumerate(pairs):
            missing: list[int] = []
            for k, reference in enumerate(references):
                y = -(i * step + k)
                found = mine.filter(
                    (pl.col("cloud") == pair[0])
                    & (pl.col("silicon") == pair[1])
                    & (pl.col("reference") == reference)
                    & (pl.col("quantity") == "advantage")
                )
                kind, layer, own = basis.get((network, *pair, reference), (None, None, None))
                tint = CLAIM if kind == "vendor_claim" else REFERENCE_COLOUR[reference]
                live = layer == "live" and own == "live"
                value = found["headroom"][0] if found.height else None
                if value is None:
                    missing.append(k)
                else:
                    _bar(axes, y, value, tint, live=live, gid=f"{network}:{pair[0]}:{pair[1]}:{reference}")
            for first, last in _runs(missing):
                _nothing(axes, -(i * step + (first + last) / 2), gid=f"{network}:{pair[0]}:{pair[1]}:{first}")
        margin = mine.filter((pl.col("quantity") == "full_margin") & pl.col("headroom").is_not_null())
        value = margin["headroom"][0] if margin.height else None
        fresh = all(own == "live" for (who, *_), (_, _, own) in basis.items() if who == network)
        if value is None:
            _nothing(axes, -(n * step + 0.4), gid=f"{network}:margin")
        else:
            _bar(axes, -(n * step + 0.4), value, colour, live=fresh, gid=f"{network}:margin")
        axes.axvline(0, color=INK, lw=0.9, zorder=4, gid="zero")
        axes.set_xlim(_FLOOR - 0.16, 1.32)  # room for the arrow of a cut bar, and the number right of a whole one
        axes.set_ylim(-(n * step + 1.2), 0.8)
        ticks = [-1, -0.5, 0, 0.5, 1]
        axes.set_xticks(ticks, [percent(t) if t in (-1, 0, 1) else "" for t in ticks])
        axes.tick_params(axis="x", labelsize=6.3)
        axes.grid(axis="x")
        if j == 0:
            labels = [fit(look.names.pair(*p, claim=p in claims), 7.5, left - 0.1) for p in pairs]
            places = [-(i * step + (len(references) - 1) / 2) for i in range(n)]
            axes.set_yticks([*places, -(n * step + 0.4)], [*labels, "Supplier's margin"], ha="left")
            axes.tick_params(axis="y", pad=(left - 0.02) * 72)
            for text, pair in zip(axes.get_yticklabels(), pairs, strict=False):
                text.set_color(CLAIM if pair in claims else INK)
        else:
            axes.set_yticks([])
        width = axes.get_position().width * 7.1
        axes.set_title(fit(look.names(network), 8, width, bold=True), color=colour, fontsize=8, pad=4)
    return sheet.figure


def _runs(rows: list[int]) -> list[tuple[int, int]]:
    """First and last of every run of neighbours: ``[0, 1, 3]`` -> ``[(0, 1), (3, 3)]``."""
    made: list[tuple[int, int]] = []
    for k in rows:
        made = [*made[:-1], (made[-1][0], k)] if made and made[-1][1] == k - 1 else [*made, (k, k)]
    return made


def _nothing(axes: Axes, y: float, *, gid: str) -> None:
    """The words "not comparable" where there is no number."""
    axes.text(0.03, y, "n/c", fontsize=5.6, color=MUTED, va="center", ha="left", style="italic", gid=f"none:{gid}")


def _bar(axes: Axes, y: float, value: float, colour: str, *, live: bool, gid: str) -> None:
    """One bar from zero with its number; one cut at the floor ends in an arrow."""
    width, cut = max(value, _FLOOR), value < _FLOOR
    axes.barh(
        y,
        width,
        height=0.82,
        facecolor=colour if live else "white",
        edgecolor=colour,
        lw=0.7,
        hatch=None if live else "//////",
        gid=f"bar:{gid}",
    )
    if cut:
        beside = offset_copy(axes.transData, axes.get_figure(root=True), x=-3.5, units="points")
        axes.plot([_FLOOR], [y], marker="<", ms=3.4, color=colour, ls="none", clip_on=False, transform=beside,
                  gid=f"cut:{gid}")  # fmt: skip
    told = percent(value) if value > -10 else f"< {percent(-9.99)}"
    inside = width < -0.6
    axes.text(
        width + (0.03 if value >= 0 else -0.03) * (-1 if inside else 1),
        y,
        told,
        fontsize=5.6,
        va="center",
        ha=("right" if value >= 0 else "left") if inside else ("left" if value >= 0 else "right"),
        color=("white" if live else INK) if inside else (NEGATIVE if value < 0 else INK),
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4} if inside and not live else None,
        gid=f"value:{gid}",
    )
