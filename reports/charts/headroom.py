"""Headroom: how much further the clouds' cost may fall before the network's advantage is gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

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
from reports.view import (
    REFERENCE_ORDER,
    extremes,
    headline_comparison,
    headline_outlook,
    ordered_pairs,
    ordered_scenarios,
)
from reports.words import NO_PAIR, REFERENCE_WORDS, listing, of_many, of_things, percent, plural

__all__ = ["MOST_NETWORKS", "MOST_PAIRS", "headroom"]

MOST_NETWORKS = 4
MOST_PAIRS = 6
_MOST_HEIGHT = 7.5  # inches of the chart, where few networks leave room for more clouds
_FLOOR = -1.0
# Room for the arrow of a cut bar with its number, and for the number right of a whole one.
_SPAN = (-1.9, 1.42)
# Network, cloud, silicon and reference of a bar; the reference's kind and layer, and the network's layer.
Bar: TypeAlias = tuple[str, str, str, str]
Basis: TypeAlias = tuple[str | None, str | None, str | None]


def finding(known: pl.DataFrame) -> str:
    """The title: room left against list prices, and what is lost against modelled cost; true of any rows.

    The range leaves out references whose chip is another than their row's, marked ``other_chip``.
    """
    known = known.filter((pl.col("quantity") == "advantage") & pl.col("headroom").is_not_null())
    listed = known.filter(pl.col("reference") == "list")
    against_cost = known.filter(pl.col("reference") == "modelled_cost")["headroom"].to_list()
    one = known["network"].n_unique() == 1
    told, dearer = "", []
    if listed.height:
        lost, n = int((listed["headroom"] <= 0).sum()), listed.height
        if lost:
            dearer.append(_dearer(lost, n, "list price", one=one))
        else:
            own = listed.filter(~pl.col("other_chip")) if "other_chip" in listed.columns else listed
            room = (own if own.height else listed)["headroom"]
            low, high = (percent(end) for end in extremes(room))
            span = low if low == high else f"{low} to {high}"
            whose = "the network loses its" if one else "networks lose their"
            told = f"List prices may fall {span} before {whose} lead"
    if against_cost:
        lost, n = sum(h <= 0 for h in against_cost), len(against_cost)
        again = " with its modelled cost" if dearer and not one else None
        dearer.append(f"in {of_many(lost, n)}{again}" if again else _dearer(lost, n, "modelled cost", one=one))
    if dearer:
        who = ("it is" if one else "they are") if told else "The network is" if one else "Networks are"
        told += f"{'; ' if told else ''}{who} dearer today {'than' if one else 'in'} {' and '.join(dearer)}"
    return told or "No headroom can be stated"


def _dearer(lost: int, n: int, noun: str, *, one: bool) -> str:
    """How many of a network's references, or of networks' pairs with one, are the cheaper side today."""
    return of_things(lost, n, noun) if one else f"{of_things(lost, n, 'pair')} with a cloud's {noun}"


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
        return empty(
            "No headroom can be stated",
            "; ".join(reasons[:3]) or NO_PAIR,
            look,
        )
    scenario = ordered_scenarios(every)[0]
    every = every.filter(pl.col("scenario") == scenario)
    known = set(every.filter(pl.col("headroom").is_not_null())["network"])
    networks = [n for n in every["network"].unique(maintain_order=True) if n in known]
    every = every.filter(pl.col("network").is_in(networks))
    drawn = networks[:MOST_NETWORKS]
    shown = every.filter(pl.col("network").is_in(drawn))
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
    chips = _other_chips(compared)
    every = every.with_columns(
        other_chip=pl.struct("network", "cloud", "silicon", "reference").is_in(
            [{"network": n, "cloud": c, "silicon": s, "reference": r} for n, c, s, r in chips]
        )
    )
    claims = {(k[1], k[2]) for k, v in basis.items() if v[0] == "vendor_claim"}
    every_pair = ordered_pairs(shown)
    # Few networks leave the page to their clouds.
    most = max(len(every_pair), MOST_PAIRS) if len(drawn) < MOST_NETWORKS else MOST_PAIRS
    while True:
        pairs = every_pair[:most]
        cuts = [f"{len(drawn)} of {len(networks)} networks"] if len(drawn) < len(networks) else []
        if len(pairs) < len(every_pair):
            cuts.append(f"{len(pairs)} of {len(every_pair)} clouds with their silicon")
        notes = []
        if cuts:
            notes.append(f"{' and '.join(cuts)} drawn; the title speaks of all, and the others are in erosion.csv.")
        here = shown.filter(pl.struct("cloud", "silicon").is_in([{"cloud": c, "silicon": k} for c, k in pairs]))
        rows, elsewhere = _told_chips(compared.filter(pl.col("network").is_in(drawn)), pairs, references, look)
        notes += [*elsewhere, *_counted(every, basis), _source(here, basis, look, len(drawn) * len(pairs))]
        sheet = Sheet(
            title=finding(every),
            subtitle="Headroom: further fall of cloud inference cost, % of today's, until the network's lead is zero; "
            "last row: until the supplier's margin is, if networks follow in part. Left of zero: lost today; cloud "
            "cost would have to rise by so much",
            footer=notes,
            plot_height=0.6 + (len(pairs) * (len(references) + 0.8) + 1.2) * 0.112,
            keys=_keys(here, basis, references),
        )
        if sheet.height <= _MOST_HEIGHT or most <= MOST_PAIRS:
            break
        most -= 1
    shown = here
    left = 1.45
    (line,) = sheet.grid(1, len(drawn), left=left, right=0.15, below=0.24, above=0.32, gap_x=0.16)
    step = len(references) + 0.8
    n = len(pairs)
    for j, (network, axes) in enumerate(zip(drawn, line, strict=True)):
        colour, _ = look.network(network)
        mine = shown.filter(pl.col("network") == network)
        for i, pair in enumerate(pairs):
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
                    _nothing(axes, y, "n/c", gid=f"{network}:{pair[0]}:{pair[1]}:{reference}")
                else:
                    _bar(axes, y, value, tint, live=live, gid=f"{network}:{pair[0]}:{pair[1]}:{reference}")
        margin = mine.filter((pl.col("quantity") == "full_margin") & pl.col("headroom").is_not_null())
        value = margin["headroom"][0] if margin.height else None
        fresh = all(own == "live" for (who, *_), (_, _, own) in basis.items() if who == network)
        if value is None:
            _nothing(axes, -(n * step + 0.4), "n/k", gid=f"{network}:margin")
        else:
            _bar(axes, -(n * step + 0.4), value, colour, live=fresh, gid=f"{network}:margin")
        axes.axvline(0, color=INK, lw=0.9, zorder=4, gid="zero")
        axes.set_xlim(*_SPAN)
        axes.set_ylim(-(n * step + 1.2), 0.8)
        ticks = [-1, -0.5, 0, 0.5, 1]
        axes.set_xticks(ticks, [percent(t) if t in (-1, 0, 1) else "" for t in ticks])
        axes.tick_params(axis="x", labelsize=6.3)
        axes.grid(axis="x")
        if j == 0:
            labels = [fit(look.names.pair(*p, claim=p in claims), 7.5, left - 0.1) for p in pairs]
            places = [-(i * step + (len(references) - 1) / 2) for i in range(n)]
            axes.set_yticks([*places, -(n * step + 0.4)], [*labels, "Fall suppliers can bear"], ha="left")
            axes.tick_params(axis="y", pad=(left - 0.02) * 72)
            for text, place, pair in zip(axes.get_yticklabels(), places, pairs, strict=False):
                text.set_color(CLAIM if pair in claims else INK)
                if pair in rows:
                    axes.annotate(
                        fit(rows[pair], 5.8, left - 0.1), (0, place), xycoords=("axes fraction", "data"),
                        xytext=(-(left - 0.02) * 72, -8.5), textcoords="offset points", fontsize=5.8, color=MUTED,
                        va="center", annotation_clip=False, gid=f"chip:{pair[0]}:{pair[1]}",
                    )  # fmt: skip
        else:
            axes.set_yticks([])
        width = axes.get_position().width * 7.1
        axes.set_title(fit(look.names(network), 8, width, bold=True), color=colour, fontsize=8, pad=12)
        if old := look.not_live.get(network):
            axes.annotate(fit(old, 6, width), (0, 1), xycoords="axes fraction", xytext=(0, 4), va="bottom",
                          textcoords="offset points", fontsize=6, color=MUTED, gid=f"age:{network}")  # fmt: skip
    return sheet.figure


def _keys(shown: pl.DataFrame, basis: Mapping[Bar, Basis], references: list[str]) -> list[Key]:
    """The colours of the bars that are drawn."""
    bars = _bars_of(shown)
    claimed = {bar for bar in bars if basis.get(bar, (None,))[0] == "vendor_claim"}
    own = {bar[3] for bar in bars if bar not in claimed}
    keys = [
        Key(label=f"against {REFERENCE_WORDS[r].lower()}", colour=REFERENCE_COLOUR[r], marker="s")
        for r in references
        if r in own
    ]
    return [*keys, *([Key(label="vendor claim", colour=CLAIM, marker="s")] if claimed else [])]


def _bars_of(shown: pl.DataFrame) -> list[Bar]:
    """What has a bar."""
    known = shown.filter(pl.col("quantity") == "advantage", pl.col("headroom").is_not_null())
    return known.select("network", "cloud", "silicon", "reference").rows()


def _counted(every: pl.DataFrame, basis: Mapping[Bar, Basis]) -> list[str]:
    """What must be said of the references that the title counts: claims among costs, and chips of another name."""
    bars = [bar for bar in _bars_of(every) if bar[3] == "modelled_cost"]
    claimed = sum(basis.get(bar, (None,))[0] == "vendor_claim" for bar in bars)
    notes = []
    if claimed:
        n = plural(len(bars), "modelled cost")
        notes.append(
            f"Of the title's {n} {claimed} " + ("is a vendor's claim." if claimed == 1 else "are vendors' claims.")
        )
    other = every.filter("other_chip", pl.col("reference") == "list", pl.col("quantity") == "advantage")
    if finding(every).startswith("List prices may fall") and other["headroom"].count():
        notes.append("The title's range leaves out list prices of another chip than the row's silicon.")
    return [" ".join(notes)] if notes else []


def _source(shown: pl.DataFrame, basis: Mapping[Bar, Basis], look: Look, panels: int) -> str:
    """The last paragraph of the footer; ``panels`` is how many networks times clouds are drawn."""
    bars, references = _bars_of(shown), shown.filter(pl.col("quantity") == "advantage")["reference"].n_unique()
    with_margin = shown.filter(pl.col("quantity") == "full_margin", pl.col("headroom").is_not_null())["network"]
    stale = any(layer not in (None, "live") for _, *layers in basis.values() for layer in layers)
    return (
        f"Source: this model, scenario {look.names(shown['scenario'][0])}, central inputs; {look.dated('prices')}."
        + (" Hatched: rests on stored or reference prices, or on modelled cost." if stale else "")
        + (" n/c: the cloud has no such price or cost for this work." if len(bars) < panels * references else "")
        + (" n/k: no supplier's margin is known." if with_margin.n_unique() < shown["network"].n_unique() else "")
        + (
            f" Bars with an arrow are cut at {percent(_FLOOR)}."
            if any(h is not None and h < _FLOOR for h in shown["headroom"])
            else ""
        )
    )


def _chips(compared: pl.DataFrame) -> dict[tuple[str, str, str, str], str]:
    """(network, cloud, silicon, reference) -> chip that prices a cloud's own silicon, where there is a lead."""
    known = compared.filter(
        pl.col("advantage").is_not_null(),
        pl.col("reference_accelerator").is_not_null(),
        ~pl.col("silicon").is_in(["nvidia", "amd"]),
    ).select("network", "cloud", "silicon", "reference", "reference_accelerator")
    return {(n, c, s, r): chip for n, c, s, r, chip in known.iter_rows()}


def _other_chips(compared: pl.DataFrame) -> dict[tuple[str, str, str, str], str]:
    """Those of another name than their silicon: Inferentia in a row of Trainium."""
    return {key: chip for key, chip in _chips(compared).items() if not chip.startswith(key[2])}


def _told_chips(
    compared: pl.DataFrame, pairs: list[tuple[str, str]], references: list[str], look: Look
) -> tuple[dict[tuple[str, str], str], list[str]]:
    """What stands below a pair's name where another chip prices it; and, where networks differ, who by which."""
    chips, other = _chips(compared), _other_chips(compared)
    rows: dict[tuple[str, str], list[str]] = {}
    notes = []
    for pair in pairs:
        for reference in references:
            by_chip: dict[str, list[str]] = {}
            for (network, *rest), chip in chips.items():
                if rest == [*pair, reference]:
                    by_chip.setdefault(chip, []).append(look.names(network))
            if not any((*rest,) == (*pair, reference) for _, *rest in other):
                continue
            words = REFERENCE_WORDS[reference].lower()
            if len(by_chip) == 1:
                rows.setdefault(pair, []).append(f"{words}: {look.names(next(iter(by_chip)))}")
                continue
            rows.setdefault(pair, []).append(f"{words}: chips differ, see below")
            told = "; ".join(f"{look.names(chip)} for {listing(who)}" for chip, who in by_chip.items())
            notes.append(f"{look.names.pair(*pair)}, {words}: {told}.")
    return {pair: ", ".join(told) for pair, told in rows.items()}, notes


def _nothing(axes: Axes, y: float, words: str, *, gid: str) -> None:
    """What stands where there is no number."""
    axes.text(0.04, y, words, fontsize=5.6, color=MUTED, va="center", ha="left", style="italic", gid=f"none:{gid}")


def _bar(axes: Axes, y: float, value: float, colour: str, *, live: bool, gid: str) -> None:
    """One bar from zero with its number beyond its end; one cut at the floor ends in an arrow."""
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
    side = -1 if value < 0 else 1
    axes.annotate(
        percent(value) if value > -1000 else f"< {percent(-999.0)}",
        (width, y),
        xytext=((7 if cut else 2) * side, 0),
        textcoords="offset points",
        fontsize=5.6,
        va="center",
        ha="left" if side > 0 else "right",
        color=NEGATIVE if side < 0 else INK,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3},
        gid=f"value:{gid}",
    )
