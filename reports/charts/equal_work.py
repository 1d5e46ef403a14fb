"""Cost of equal work: each network's price per million tokens beside what it costs to buy it from the clouds."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from reports.charts._rows import expired_note, inches
from reports.style import (
    CLAIM,
    INK,
    LINE,
    MUTED,
    REFERENCE_COLOUR,
    REFERENCE_MARKER,
    WIDTH,
    Key,
    Look,
    Sheet,
    empty,
    fit,
    marker_style,
    price_axis,
    source_note,
    styled,
    text_width,
)
from reports.view import (
    REFERENCE_ORDER,
    Row,
    claimed_pairs,
    headline_comparison,
    is_claim,
    of_pair,
    ordered_pairs,
    plain,
)
from reports.words import NO_PAIR, REFERENCE_WORDS, of_things, usd

__all__ = ["MOST_NETWORKS", "MOST_PAIRS", "equal_work"]

MOST_NETWORKS = 12
MOST_PAIRS, _MOST_PAIRS_TIGHT = 9, 6
_COLUMNS = 3
_SMALL = 5.4
# Points: a mark, what its neighbour on one row's line keeps from it, and how far each of two leaves the line else.
_MARK, _APART, _ASIDE = 4.8, 6.0, 2.2
# Of two that lie on each other, the one that goes up and the one that goes down.
_BESIDE = (("modelled_cost", "cost_plus_margin"), ("list", "committed"))
# Inches of a row of clouds and of what is above and below a panel's rows; with many panels they still are one page.
_ROW, _ROUND, _TIGHT_ROW, _TIGHT_ROUND, _MANY = 0.26, 0.85, 0.165, 0.68, 6


def finding(known: pl.DataFrame) -> str:
    """The title: how many list prices and modelled costs the networks undercut, drawn or not."""
    known = known.filter(pl.col("advantage").is_not_null())
    told = []
    for reference, noun in (("list", "list price"), ("modelled_cost", "modelled cost")):
        part = known.filter(pl.col("reference") == reference)
        if part.height:
            won = int((part["advantage"] > 0).sum())
            told.append((won / part.height, of_things(won, part.height, noun)))
    if not told:
        return "No network can be compared with a cloud at equal work"
    verb = "the network undercuts" if known["network"].n_unique() == 1 else "networks undercut"
    start = f"For the same tokens, {verb} {told[0][1]} of the clouds"
    if len(told) == 1:
        return start
    joint = "but" if told[1][0] < told[0][0] and told[1][0] < 0.5 else "and"
    return f"{start}, {joint} {'only ' if joint == 'but' and told[1][0] else ''}{told[1][1]}"


@styled
def equal_work(headlines: pl.DataFrame, comparison: pl.DataFrame, look: Look) -> Figure:
    """Draw a panel a network: a row a cloud with its silicon, its four references as markers with their bands on a log
    axis of USD per million tokens, and the network's own price as the parity line.

    Every panel spans the same multiples of its network's price, so that equal distances are equal advantages and the
    parity lines stand in one place.

    Parameters
    ----------
    headlines : Headlines
        Which chip, model and workload stand for each network.
    comparison : Comparison
        Rows of other work are left out.
    look : Look
        Names, colours, date.
    """
    every = headline_comparison(headlines, comparison)
    known = every.filter(pl.col("usd_per_mtok_network").is_not_null() & pl.col("usd_per_mtok_reference").is_not_null())
    networks = known["network"].unique(maintain_order=True).to_list()
    gone = plain(headlines).filter((pl.col("freshness") == "expired").fill_null(False))["network"]
    too_old = expired_note(look, [n for n in gone if n not in networks])
    if not networks:
        reasons = every["not_comparable"].drop_nulls().unique(maintain_order=True).to_list()
        return empty(finding(every), "; ".join(reasons[:3]) or NO_PAIR, look)
    drawn = networks[:MOST_NETWORKS]
    shown = known.filter(pl.col("network").is_in(drawn))
    every_pair = ordered_pairs(every)
    tight = len(drawn) > _MANY
    pairs = every_pair[: _MOST_PAIRS_TIGHT if tight else MOST_PAIRS]
    shown = shown.filter(pl.struct("cloud", "silicon").is_in([{"cloud": c, "silicon": k} for c, k in pairs]))
    claims = claimed_pairs(every)
    keys = [
        Key(
            label=REFERENCE_WORDS[r],
            colour=REFERENCE_COLOUR[r],
            marker=REFERENCE_MARKER[r],
            hollow=bool((shown.filter(pl.col("reference") == r)["reference_layer"] != "live").all()),
        )
        for r in REFERENCE_ORDER
        if r in set(shown["reference"])
    ]
    if claims:
        old = (shown.filter(pl.col("reference_kind") == "vendor_claim")["reference_layer"] != "live").all()
        keys.append(Key(label="vendor claim", colour=CLAIM, marker="o", hollow=old))
    hollow = bool((shown["reference_layer"] != "live").any())
    if hollow:
        keys.append(Key(label="not live", colour=MUTED, marker="o", hollow=True))
    n_columns = min(_COLUMNS, len(drawn))
    n_rows = -(-len(drawn) // n_columns)
    note = source_note(
        look,
        plain(shown),
        [("network_layer", "network_observed_at"), ("reference_layer", "reference_observed_at")],
        [
            *(look.names(n) for n in drawn),
            *dict.fromkeys(look.names(c) for c, _ in pairs),
            *look.modelled_by(shown),
        ],
        marks=", or ".join(
            [*(["Hollow"] if hollow else []), *(["a dashed line"] if any(n in look.not_live for n in drawn) else [])]
        ).capitalize(),
    )
    cuts = [
        f"{a} of the {b} {what}"
        for a, b, what in (
            (len(drawn), len(networks), "networks"),
            (len(pairs), len(every_pair), "pairs of cloud and chip maker"),
        )
        if a < b
    ]
    others = "The others are in comparison.csv and are counted in the title."
    row, around = (_TIGHT_ROW, _TIGHT_ROUND) if tight else (_ROW, _ROUND)
    several = _several_chips(look, shown, pairs)
    workloads = shown["workload"].unique().sort().to_list()
    sheet = Sheet(
        title=finding(known),
        subtitle="USD per million output tokens, prompts included, for the same model and workload "
        f"({', '.join(look.names(w) for w in workloads)}) on both sides. Right of the network's line the cloud is "
        "dearer, left of it cheaper. Bands: low to high. Log scale"
        f"{', the same multiples in every panel' if len(drawn) > 1 else ''}",
        footer=[
            *([f"Drawn: {' and '.join(cuts)}. {others}"] if cuts else []),
            *([f"* {'; '.join(several.values())}."] if several else []),
            *_claims_note(known),
            *too_old,
            note,
        ],
        plot_height=n_rows * (around + row * len(pairs)) + 0.04,
        keys=keys,
    )
    left = 1.45
    grid = sheet.grid(n_rows, n_columns, left=left, below=0.3, above=0.42, gap_x=0.22, gap_y=around - 0.1)
    cells = [axes for line in grid for axes in line]
    for axes in cells[len(drawn) :]:
        axes.remove()
    least, most = _span(shown)
    heads = []
    for i, (network, axes) in enumerate(zip(drawn, cells, strict=False)):
        part = shown.filter(pl.col("network") == network)
        head = part.row(0, named=True)
        price = head["usd_per_mtok_network"]
        price_axis(axes, price * least, price * most)
        colour, _ = look.network(network)
        band = [head["usd_per_mtok_network_low"] or price, head["usd_per_mtok_network_high"] or price]
        axes.axvspan(*band, color=colour, alpha=0.14, lw=0, gid=f"band:{network}")
        axes.axvline(price, color=colour, lw=1.6, ls=(0, (3, 1.3)) if network in look.not_live else "-", gid="parity")
        mine = every.filter(pl.col("network") == network)
        for y, pair in enumerate(reversed(pairs)):
            axes.axhline(y, color=LINE, lw=0.4, zorder=0)
            _row(axes, y, of_pair(part, pair), of_pair(mine, pair))
        axes.set_ylim(-0.6, len(pairs) - 0.4)
        if i % n_columns == 0:
            labels = [
                fit(look.names.pair(*p, claim=p in claims), 7.5, left - 0.16) + (" *" if p in several else "")
                for p in reversed(pairs)
            ]
            axes.set_yticks(range(len(pairs)), labels, ha="left")
            axes.tick_params(axis="y", pad=(left - 0.02) * 72)
            for text, pair in zip(axes.get_yticklabels(), reversed(pairs), strict=True):
                text.set_color(CLAIM if pair in claims else INK)
        else:
            axes.set_yticks([])
        heads.append((axes, head, colour))
    # One wording for all panels: the age alone where the layer has no room in one of them.
    layered = all(_has_room(axes, look, head) for axes, head, _ in heads)
    for axes, head, colour in heads:
        _panel_title(axes, sheet.height, look, head, colour, layered=layered)
    return sheet.figure


def _claims_note(known: pl.DataFrame) -> list[str]:
    """How many of the modelled costs that the title counts are vendors' claims."""
    counted = known.filter(pl.col("reference") == "modelled_cost", pl.col("advantage").is_not_null())
    claims = counted.filter(pl.col("reference_kind") == "vendor_claim").height
    if not claims:
        return []
    if counted.height == 1:
        return ["The modelled cost of the title is a vendor's claim."]
    what = "is a vendor's claim" if claims == 1 else "are vendors' claims"
    return [f"Of the {counted.height} modelled costs of the title, {claims} {what}."]


def _several_chips(look: Look, shown: pl.DataFrame, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Clouds whose own silicon is several chips, the list price of another than the committed one: which of which."""
    told = {}
    for cloud, silicon in pairs:
        if silicon in ("nvidia", "amd"):
            continue
        mine = of_pair(shown, (cloud, silicon))
        chips = {
            noun: sorted(set(mine.filter(pl.col("reference") == reference)["reference_accelerator"].drop_nulls()))
            for reference, noun in (("list", "list price"), ("committed", "committed price"))
        }
        if all(chips.values()) and chips["list price"] != chips["committed price"]:
            words = [f"{noun} of {' or '.join(look.names(c) for c in found)}" for noun, found in chips.items()]
            told[cloud, silicon] = f"{look.names.pair(cloud, silicon)}: {', '.join(words)}"
    return told


def _span(shown: pl.DataFrame) -> tuple[float, float]:
    """The multiples of a network's own price that every panel spans."""
    price = pl.col("usd_per_mtok_network")
    ends = shown.select(
        low=pl.min_horizontal("usd_per_mtok_reference", "usd_per_mtok_reference_low", "usd_per_mtok_network_low")
        .truediv(price)
        .min(),
        high=pl.max_horizontal("usd_per_mtok_reference", "usd_per_mtok_reference_high", "usd_per_mtok_network_high")
        .truediv(price)
        .max(),
    )
    low, high = min(ends["low"][0], 1.0), max(ends["high"][0], 1.0)
    return low * 0.85, high * 1.15


def _row(axes: Axes, y: float, at: pl.DataFrame, asked: pl.DataFrame) -> None:
    """The four references of one cloud, or why there is none."""
    if at.is_empty():
        reasons = asked["not_comparable"].drop_nulls().to_list()
        old = any("beyond its limit" in reason for reason in reasons)
        axes.text(
            0.98, y, "beyond its limit of age" if old else "not comparable" if reasons else "no data",
            transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=6.5, color=MUTED, style="italic",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1}, gid="none",
        )  # fmt: skip
        return
    ends = at["usd_per_mtok_reference"].to_list()
    axes.plot([min(ends), max(ends)], [y, y], color=MUTED, lw=1.0, alpha=0.6, gid="span")
    aside = _aside(axes, dict(at.select("reference", "usd_per_mtok_reference").iter_rows()))
    for row in at.iter_rows(named=True):
        reference, name = row["reference"], f"{row['network']}:{row['cloud']}:{row['silicon']}:{row['reference']}"
        tint = CLAIM if is_claim(row["reference_kind"]) else REFERENCE_COLOUR[reference]
        low, high = row["usd_per_mtok_reference_low"], row["usd_per_mtok_reference_high"]
        if low is not None and high is not None and high > low:
            axes.fill_between([low, high], y - 0.16, y + 0.16, color=tint, alpha=0.16, lw=0, gid=f"range:{name}")
        axes.plot(
            [row["usd_per_mtok_reference"]],
            [y],
            linestyle="none",
            marker=REFERENCE_MARKER[reference],
            markersize=_MARK,
            gid=name,
            zorder=3,
            transform=axes.transData
            + ScaledTranslation(0, aside.get(reference, 0.0) / 72, axes.figure.dpi_scale_trans),
            **marker_style(tint, row["reference_layer"]),
        )


def _aside(axes: Axes, values: dict[str, float]) -> dict[str, float]:
    """How far above the line, in points, references are drawn that would lie on each other."""
    found: dict[str, float] = {}
    for above, below in _BESIDE:
        if above in values and below in values:
            one, other = inches(axes, [values[above], values[below]])
            if abs(one - other) * 72 < _APART:
                found |= {above: _ASIDE, below: -_ASIDE}
    return found


def _has_room(axes: Axes, look: Look, head: Row) -> bool:
    """Whether a panel's name, price and age with its layer have room beside each other."""
    told = f"{look.names(head['network'])}: {usd(head['usd_per_mtok_network'])}"
    old = look.not_live.get(head["network"], "")
    return (
        not old or text_width(told, 8, bold=True) + text_width(old, _SMALL) + 0.05 <= axes.get_position().width * WIDTH
    )


def _within(name: str, room: float) -> str:
    """A panel's name as far as there is room, within a word too: panels are narrow, and names of a few long words."""
    if text_width(name, 8, bold=True) <= room:
        return name
    cuts = (name[:n].rstrip() + "…" for n in range(len(name) - 1, 0, -1))
    return next((cut for cut in cuts if text_width(cut, 8, bold=True) <= room), name[:1])


def _panel_title(axes: Axes, height: float, look: Look, head: Row, colour: str, *, layered: bool) -> None:
    """Whose panel it is, at what price, on which chip and model."""
    width = axes.get_position().width * WIDTH
    price = f": {usd(head['usd_per_mtok_network'])}"
    old = look.not_live.get(head["network"], "")
    name = look.names(head["network"])
    rest = width - text_width(price, 8, bold=True) - 0.05
    old = old if layered else old.rpartition(", ")[2]
    name = _within(name, rest - (text_width(old, _SMALL) if old else 0.0)) + price
    above = 1 + 0.15 / (axes.get_position().height * height)
    axes.text(
        0, above, name, transform=axes.transAxes, fontsize=8, weight="bold", color=colour, va="bottom",
        gid="panel",
    )  # fmt: skip
    axes.text(
        1, above, old, transform=axes.transAxes, fontsize=_SMALL, color=MUTED, ha="right", va="bottom", gid="age",
    )  # fmt: skip
    what = f"{look.names(head['accelerator'])}, {look.names(head['llm'])}"
    axes.text(
        0, 1.0, fit(what, 6.3, width), transform=axes.transAxes, fontsize=6.3, color=MUTED, va="bottom", gid="work"
    )
