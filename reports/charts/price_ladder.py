"""Price ladder: what networks ask for an accelerator-hour beside the clouds' list price, chip by chip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reports.charts._rows import dodged, expired_note, left_room, row_names, without_expired
from reports.style import (
    INK,
    LETTERED,
    LETTERS,
    MUTED,
    NEGATIVE,
    WIDTH,
    Key,
    Look,
    Sheet,
    empty,
    fit,
    letter_colour,
    marker_size,
    marker_style,
    price_axis,
    source_note,
    styled,
    text_width,
)
from reports.view import LADDER_CHIPS, ladder_chips, plain
from reports.words import listing, percent, plural, usd

__all__ = ["price_ladder"]

_LIST_TERMS = "on_demand"
_LABEL = 6.5
_GREY = "#8a8f98"
# Inches: a row of marks side by side, and all rows, so that heading, chart and footer are one page.
_PITCH, _TALLEST = 0.215, 6.6
# Inches: around the marks of a row, whose ground is shaded in every second one.
_AROUND, _SHADE = 0.05, "#f1f4f7"
# Inches: the columns at the right edge, of the cheapest network (at most), the cheapest cloud, and what is between.
_NETWORK, _CLOUD, _SAVES, _GAP = 1.4, 0.88, 0.48, 0.1
# Inches a mark takes with the gap around it: a network's, and one with letters in it.
_MARK, _LETTERED = 0.086, 0.146
_MOST_SPREADS, _MOST_UNLISTED, _MOST_TOLD, _MOST_ABSENT = 6, 6, 3, 4
# The dearer of two offers to the cheaper: from here on their mean is half as much again as the one, or more.
_FAR_APART = 2.0
# So many networks of one price, and more, are one mark with their number.
_ONE_MARK = 3


def _shared(prices: pl.DataFrame) -> pl.DataFrame:
    """One row a chip that both sides price: cheapest network and cheapest cloud."""
    network, cloud = pl.col("segment") != "hyperscaler", pl.col("segment") == "hyperscaler"
    price = pl.col("usd_per_accelerator_hour")
    return (
        prices.group_by("accelerator")
        .agg(network=price.filter(network).min(), cloud=price.filter(cloud).min())
        .drop_nulls()
        .sort("accelerator")
    )


def finding(prices: pl.DataFrame, look: Look) -> str:
    """The title: true of the prices given, whatever they are."""
    both = _shared(prices)
    if both.is_empty():
        return "No chip is priced by both a network and a cloud"
    saving = 1 - both["network"] / both["cloud"]
    cheaper, n = int((saving > 0).sum()), both.height
    chips = "the one chip" if n == 1 else f"all {n} chips" if cheaper == n else f"{cheaper or 'none'} of {n} chips"
    middle = saving.median()
    if not isinstance(middle, float):
        return "No chip is priced by both a network and a cloud"
    if cheaper == 0:
        chips = "the one chip" if n == 1 else f"all {n} chips"
        return f"The clouds' list price is the lower one on {chips} both sides sell"
    tail = f"by {percent(middle)} " + ("" if n == 1 else "in the median") if cheaper == n else ""
    networks = prices.filter(pl.col("segment") != "hyperscaler")["network"].unique()
    who = f"{look.names(networks[0])} asks" if networks.len() == 1 else "Networks ask"
    return f"{who} less than any cloud's list price on {chips} both sides sell{', ' + tail.strip() if tail else ''}"


@styled
def price_ladder(market_prices: pl.DataFrame, look: Look, *, headline_chips: Sequence[str] = ()) -> Figure:
    """Draw one row a chip, one marker a seller, on one log axis of USD per accelerator-hour.

    The cheapest network and the cheapest cloud of a row are named at its end. Networks have their shapes, clouds are
    squares with two letters; where many ask about the same, the row is as tall as it takes to show each of them, and
    three or more networks that ask the very same are one mark with their number.

    Parameters
    ----------
    market_prices : MarketPrices
        On-demand rows are drawn, of clouds (segment ``hyperscaler``) and all others; not chips no network prices, nor
        prices beyond the limit of their age, nor indicative ones.
    look : Look
        Names, colours, date.
    headline_chips : sequence of str
        The chips that stand for networks, one a network: where not all chips have room, these are drawn first, then
        those that clouds sell and most networks offer.
    """
    prices, expired = without_expired(plain(market_prices).filter(pl.col("terms") == _LIST_TERMS))
    # What neither side offers at the price told is no ask: of a cloud, all but its list, as in the comparison.
    kind = pl.col("price_kind").cast(pl.String)
    unlisted = (kind == "indicative") | ((pl.col("segment") == "hyperscaler") & (kind != "list"))
    not_listed, prices = prices.filter(unlisted), prices.filter(~unlisted)
    offered = prices.filter(pl.col("segment") != "hyperscaler")
    too_old = expired_note(look, expired["network"].unique().sort())
    if offered.is_empty():
        reason = "no network has a price on demand of its own that is in use and more than indicative"
        if too_old:
            reason += f" within its limit of age ({plural(expired['network'].n_unique(), 'seller')} beyond it)"
        return empty("No network's price is known", reason, look)
    n_chips = offered["accelerator"].n_unique()
    plan = _Plan(prices, ladder_chips(prices, LADDER_CHIPS, first=headline_chips), look)
    while plan.height > _TALLEST and len(plan.chips) > 1:
        fewer = max(1, len(plan.chips) - math.ceil((plan.height - _TALLEST) / (3 * _PITCH)))
        plan = _Plan(prices, ladder_chips(prices, fewer, first=headline_chips), look)
    chips, shown, networks, clouds = plan.chips, plan.shown, plan.networks, plan.clouds
    named = [n for n in networks if look.is_named(n)]
    rest = len(networks) - len(named)
    # The grey ones share a colour: who they are is told where one is the cheapest.
    others = [plural(rest, "other network" if named else "network")] if rest else []
    keys = [Key(label=look.names(n), colour=look.network(n)[0], marker=look.network(n)[1]) for n in named]
    keys += [Key(label=told, colour=_GREY, marker="o") for told in others]
    keys += [
        Key(label=f"{look.names(c)} list", colour=look.cloud(c)[0], marker="s", letters=look.letters(c)) for c in clouds
    ]
    if plan.crowds:
        keys.append(Key(label="so many networks at one price", colour=MUTED, marker="o", letters="n"))
    spread = pl.col("usd_per_accelerator_hour_high") > pl.col("usd_per_accelerator_hour_low")
    if plan.spreads and shown.filter(spread, pl.col("segment") != "hyperscaler").height:
        keys.append(Key(label="cheapest to dearest offer", colour=MUTED, line="-"))
    if any((marks["layer"] != "live").any() for marks in plan.marks.values()):
        keys.append(Key(label="not live", colour=MUTED, marker="o", hollow=True))
    sources = [*(look.names(n) for n in named), *others, *(look.names(c) for c in clouds)]
    note = source_note(look, shown, [("layer", "observed_at")], sources, marks="Hollow")
    cut = (
        [
            f"{len(chips)} of {plural(n_chips, 'chip')} shown, those that stand for networks first; the title speaks "
            f"of all, and the others are in market_statistics.csv.{_absent_note(offered, networks, look)}"
        ]
        if len(chips) < n_chips
        else []
    )
    sheet = Sheet(
        title=finding(prices, look),
        subtitle="USD per accelerator-hour, on demand: the median of what each seller asks, weighted by chips on "
        "offer; of a cloud, of its list prices. Right: the cheapest of both sides, and what the network saves. Log "
        "scale",
        footer=[
            *too_old,
            *_not_listed_note(not_listed, chips, look),
            *([] if plan.spreads else _two_offers_note(shown, look)),
            *cut,
            note,
        ],
        plot_height=0.5 + plan.height,
        keys=keys,
    )
    ((axes,),) = sheet.grid(1, 1, left=plan.left, right=plan.right, below=0.36, above=0.14)
    price_axis(axes, plan.low, plan.high)
    row_names(axes, [look.names(c) for c in chips], plan.left, at=plan.centres)
    axes.set_ylim(0, plan.height)
    for low, high in plan.rows[-2::-2]:
        axes.add_patch(
            Rectangle(
                (-plan.left / plan.width, low), WIDTH / plan.width, high - low, transform=axes.get_yaxis_transform(),
                facecolor=_SHADE, lw=0, clip_on=False, zorder=-1, gid="ground",
            )
        )  # fmt: skip
    for y, chip in zip(plan.centres, chips, strict=True):
        _draw_row(axes, plan.marks[chip], [y + h for h in plan.heights[chip]], look, spreads=plan.spreads)
        _draw_end(axes, y, plan, chip, look)
    for text, edge in (("Cheapest network", plan.right - _GAP), ("Cheapest cloud", _CLOUD + _SAVES)):
        axes.text(
            plan.beside(edge), plan.height, text, transform=axes.get_yaxis_transform(), fontsize=_LABEL, color=MUTED,
            va="bottom", gid="head",
        )  # fmt: skip
    axes.text(
        plan.beside(0), plan.height, "saves", transform=axes.get_yaxis_transform(), fontsize=_LABEL, color=MUTED,
        ha="right", va="bottom", gid="head",
    )  # fmt: skip
    axes.set_xlabel("USD per accelerator-hour", labelpad=2)
    return sheet.figure


def _two_offers_note(shown: pl.DataFrame, look: Look) -> list[str]:
    """Networks whose mark is the mean of two offers far apart, at a price that neither asks."""
    low, high = pl.col("usd_per_accelerator_hour_low"), pl.col("usd_per_accelerator_hour_high")
    # Of two that count otherwise the median is the heavier, and no mean.
    price = pl.col("usd_per_accelerator_hour")
    between = (price > low) & (price < high)
    far = shown.filter(pl.col("segment") != "hyperscaler", pl.col("n_offers") == 2, between, high >= _FAR_APART * low)
    told = [
        f"{look.names(n)} on {look.names(chip)} ({usd(cheap)} and {usd(dear)})"
        for n, chip, cheap, dear in far.select("network", "accelerator", low, high).iter_rows()
    ]
    more = [plural(len(told) - _MOST_TOLD, "other")] if len(told) > _MOST_TOLD else []
    return [f"Of two offers far apart, the mean is drawn: {listing([*told[:_MOST_TOLD], *more])}."] if told else []


def _absent_note(offered: pl.DataFrame, networks: list[str], look: Look) -> str:
    """Which networks have no chip among those drawn; starts with a space."""
    absent = [look.names(n) for n in sorted(set(offered["network"]) - set(networks))]
    more = [plural(len(absent) - _MOST_ABSENT, "other")] if len(absent) > _MOST_ABSENT else []
    return f" None of the chips of {listing([*absent[:_MOST_ABSENT], *more])} is shown." if absent else ""


class _Plan:
    """What is drawn of some chips and where, in inches: known before there is a sheet, whose height it decides."""

    def __init__(self, prices: pl.DataFrame, chips: list[str], look: Look) -> None:
        self.chips = chips
        self.shown = prices.filter(pl.col("accelerator").is_in(chips))
        cloud = pl.col("segment") == "hyperscaler"
        present = set(self.shown.filter(~cloud)["network"])
        self.networks = [n for n in look.networks if n in present] + sorted(present - set(look.networks))
        self.clouds = sorted(set(self.shown.filter(cloud)["network"]), key=_cloud_rank)
        self.marks = {chip: _marks(self.shown.filter(pl.col("accelerator") == chip)) for chip in chips}
        self.crowds = any((marks["n"] > 1).any() for marks in self.marks.values())
        self.cheapest = {chip: _cheapest(self.shown.filter(pl.col("accelerator") == chip)) for chip in chips}
        alone = len(self.networks) == 1
        self.labels = {chip: _label(look, found, alone=alone) for chip, (found, _) in self.cheapest.items()}
        self.spreads = len(self.networks) <= _MOST_SPREADS
        self.left = left_room([look.names(c) for c in chips])
        widest = max(text_width(text, _LABEL) for text in (*self.labels.values(), "Cheapest network"))
        self.right = _GAP + widest + _GAP + _CLOUD + _SAVES
        self.width = WIDTH - self.left - self.right
        names = ["usd_per_accelerator_hour"]
        names += ["usd_per_accelerator_hour_low", "usd_per_accelerator_hour_high"] if self.spreads else []
        low: float = self.shown.select(pl.min_horizontal(*names).min()).item()
        high: float = self.shown.select(pl.max_horizontal(*names).max()).item()
        # Room for half a mark at either end; some width where all ask the same.
        room = max(high / low, 1.5) ** (_LETTERED / 2 / (self.width - _LETTERED))
        self.low, self.high = low / room, max(high, low * 1.5) * room
        per_inch = math.log(self.high / self.low) / self.width
        self.heights, self.centres, self.rows, bottom = {}, [], [], 0.0
        for chip in chips:
            marks = self.marks[chip]
            places = [math.log(price / self.low) / per_inch for price in marks["usd_per_accelerator_hour"]]
            sizes = [_LETTERED if one else _MARK for one in marks["is_cloud"] | (marks["n"] > 1)]
            heights = self.heights[chip] = dodged(places, sizes)
            ends = [h + side * size / 2 for h, size in zip(heights, sizes, strict=True) for side in (-1, 1)]
            slack = max(_PITCH - (max(ends) - min(ends)), _AROUND)
            self.centres.append(bottom + slack / 2 - min(ends))
            self.rows.append((bottom, bottom + max(ends) - min(ends) + slack))
            bottom = self.rows[-1][1]
        self.height = bottom

    def beside(self, inches: float) -> float:
        """Where a place so far from the right edge of the sheet is, as a share of the plot's width."""
        return 1 + (self.right - inches) / self.width


def _marks(part: pl.DataFrame) -> pl.DataFrame:
    """The marks of one chip, cheapest first, by name where they ask the same; ``n`` networks share one."""
    key = ["is_cloud", "usd_per_accelerator_hour", "layer"]
    rows = part.with_columns(is_cloud=pl.col("segment") == "hyperscaler").sort("usd_per_accelerator_hour", "network")
    many = ~pl.col("is_cloud") & (pl.len().over(key) >= _ONE_MARK)
    rows = rows.with_columns(n=pl.when(many).then(pl.len().over(key)).otherwise(1))
    return rows.filter((pl.col("n") == 1) | pl.struct(key).is_first_distinct())


def _not_listed_note(rows: pl.DataFrame, chips: list[str], look: Look) -> list[str]:
    """Whose prices are left out, for nobody offers them: of clouds those of the chips drawn, of networks all."""
    cloud = pl.col("segment") == "hyperscaler"
    mine = rows.filter(~cloud | pl.col("accelerator").is_in(chips)).sort(cloud, "network", "accelerator")
    told = [
        f"{look.names(r['network'])} on {look.names(r['accelerator'])} ({usd(r['usd_per_accelerator_hour'])}, "
        f"{r['price_kind'].replace('_', ' ')})"
        for r in mine.iter_rows(named=True)
    ]
    more = [plural(len(told) - _MOST_UNLISTED, "other")] if len(told) > _MOST_UNLISTED else []
    return [f"Neither asked nor listed, so not drawn: {listing([*told[:_MOST_UNLISTED], *more])}."] if told else []


def _cheapest(part: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Any] | None]:
    """The cheapest networks of a chip, more than one where they ask the same, and the cheapest cloud."""
    price, cloud = pl.col("usd_per_accelerator_hour"), pl.col("segment") == "hyperscaler"
    networks, clouds = (part.filter(side).filter(price == price.min()).sort("network") for side in (~cloud, cloud))
    return networks, clouds.row(0, named=True) if clouds.height else None


def _label(look: Look, cheapest: pl.DataFrame, *, alone: bool) -> str:
    """The cheapest network of a chip with its price; how many they are where several ask the same."""
    price = usd(cheapest["usd_per_accelerator_hour"][0])
    if alone:
        return price
    if cheapest.height > 1:
        return f"{cheapest.height} networks {price}"
    room = _NETWORK - text_width(f" {price}", _LABEL)
    return f"{fit(look.names(cheapest['network'][0]), _LABEL, room)} {price}"


def _draw_row(axes: Axes, marks: pl.DataFrame, heights: list[float], look: Look, *, spreads: bool) -> None:
    """The sellers of one chip, above each other where their prices are close."""
    for row, at in zip(marks.iter_rows(named=True), heights, strict=True):
        name, price, crowd = row["network"], row["usd_per_accelerator_hour"], row["n"] > 1
        if row["is_cloud"]:
            (colour, _), marker, letters = look.cloud(name), "s", look.letters(name)
        elif crowd:
            colour, marker, letters = MUTED, "o", str(row["n"])
        else:
            (colour, marker), letters = look.network(name), ""
        low, high = row["usd_per_accelerator_hour_low"], row["usd_per_accelerator_hour_high"]
        if spreads and not row["is_cloud"] and not crowd and high > low:
            axes.hlines([at], [low], [high], color=colour, lw=1.2, alpha=0.5, zorder=2.5, gid=f"spread:{name}")
        whose = f"networks:{row['n']}" if crowd else f"{'cloud' if row['is_cloud'] else 'network'}:{name}"
        axes.plot(
            [price],
            [at],
            linestyle="none",
            marker=marker,
            markersize=LETTERED if letters else marker_size(marker, 5.2 if look.is_named(name) else 3.6),
            zorder=2.0 if letters else 3.0,
            label=name,
            gid=f"{whose}:{row['layer']}",
            **marker_style(colour, row["layer"]),
        )
        if letters:
            axes.text(
                price, at, letters, fontsize=LETTERS, weight="bold", ha="center", va="center_baseline",
                color=letter_colour(colour, row["layer"]), zorder=2.1, gid=f"letters:{name}",
            )  # fmt: skip


def _draw_end(axes: Axes, y: float, plan: _Plan, chip: str, look: Look) -> None:
    """At the row's end: the cheapest network, the cheapest cloud, and what the one saves against the other."""
    style: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": _LABEL}
    networks, cloud = plan.cheapest[chip]
    name = networks["network"][0]
    own = networks.height == 1 and look.is_named(name)
    axes.text(
        plan.beside(plan.right - _GAP), y, plan.labels[chip], color=look.network(name)[0] if own else INK,
        gid=f"cheapest:{chip}", **style,
    )  # fmt: skip
    if cloud is None:
        who, told, colour = "no cloud's price", "\N{EN DASH}", MUTED
    else:
        saving = 1 - networks["usd_per_accelerator_hour"][0] / cloud["usd_per_accelerator_hour"]
        price = usd(cloud["usd_per_accelerator_hour"])
        who = f"{fit(look.names(cloud['network']), _LABEL, _CLOUD - text_width(f' {price}', _LABEL))} {price}"
        told, colour = percent(saving, signed=True), NEGATIVE if saving < 0 else INK
    axes.text(
        plan.beside(_CLOUD + _SAVES), y, who, color=INK if cloud else MUTED, style="normal" if cloud else "italic",
        gid="end", **style,
    )  # fmt: skip
    axes.text(
        plan.beside(0), y, told, ha="right", color=colour, weight="bold" if cloud else "normal",
        gid=f"saving:{chip}" if cloud else "none", **style,
    )  # fmt: skip


def _cloud_rank(cloud: str) -> tuple[int, str]:
    order = ("azure", "aws", "google")
    return (order.index(cloud) if cloud in order else len(order), cloud)
