"""Price ladder: what networks ask for an accelerator-hour beside the clouds' list price, chip by chip."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.charts._rows import (
    expired_note,
    inches,
    lanes,
    left_room,
    room_left_of,
    row_names,
    without_expired,
)
from reports.style import (
    INK,
    LETTERED,
    MUTED,
    NEGATIVE,
    WIDTH,
    Key,
    Look,
    Sheet,
    empty,
    fit,
    letter_colour,
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
_LABEL = 6.3
_GREY = "#8a8f98"
# Inches: a row of one lane, and all rows, so that heading, chart and footer are one page.
_PITCH, _TALLEST, _RIGHT = 0.215, 6.6, 1.5
# Marks nearer than this, in inches, are set in lanes above and below the row's line.
_APART, _APART_CLOUDS, _LANE, _LANE_CLOUDS = 0.082, 0.14, 0.1, 0.14
_MOST_SPREADS = 6


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


def finding(prices: pl.DataFrame) -> str:
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
    return (
        f"Networks ask less than any cloud's list price on {chips} both sides sell{', ' + tail.strip() if tail else ''}"
    )


@styled
def price_ladder(market_prices: pl.DataFrame, look: Look) -> Figure:
    """Draw one row a chip, one marker a seller, on one log axis of USD per accelerator-hour.

    The cheapest network of a row is named beside its marker, the cheapest cloud at the row's end. Networks have their
    shapes, clouds are squares with two letters; where many ask about the same, the row is as tall as it takes to show
    each of them.

    Parameters
    ----------
    market_prices : MarketPrices
        On-demand rows are drawn, of clouds (segment ``hyperscaler``) and all others; not chips no network prices, nor
        prices beyond the limit of their age.
    look : Look
        Names, colours, date.
    """
    prices, expired = without_expired(plain(market_prices).filter(pl.col("terms") == _LIST_TERMS))
    # As in the comparison: what a cloud does not list is no price of its own.
    unlisted = (pl.col("segment") == "hyperscaler") & (pl.col("price_kind").cast(pl.String) != "list")
    not_listed, prices = prices.filter(unlisted), prices.filter(~unlisted)
    offered = prices.filter(pl.col("segment") != "hyperscaler")
    too_old = expired_note(look, expired["network"].unique().sort())
    if offered.is_empty():
        reason = "no network has a price on demand of its own that is in use"
        if too_old:
            reason += f" within its limit of age ({plural(expired['network'].n_unique(), 'seller')} beyond it)"
        return empty("No network's price is known", reason, look)
    n_chips = offered["accelerator"].n_unique()
    plan = _Plan(prices, ladder_chips(prices, LADDER_CHIPS), look)
    while plan.height > _TALLEST and len(plan.chips) > 1:
        fewer = max(1, len(plan.chips) - math.ceil((plan.height - _TALLEST) / (3 * _PITCH)))
        plan = _Plan(prices, ladder_chips(prices, fewer), look)
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
    spread = pl.col("usd_per_accelerator_hour_high") > pl.col("usd_per_accelerator_hour_low")
    if plan.spreads and shown.filter(spread, pl.col("segment") != "hyperscaler").height:
        keys.append(Key(label="cheapest to dearest offer", colour=MUTED, line="-"))
    if (shown["layer"] != "live").any():
        keys.append(Key(label="not live", colour=MUTED, marker="o", hollow=True))
    sources = [*(look.names(n) for n in named), *others, *(look.names(c) for c in clouds)]
    note = source_note(look, shown, [("layer", "observed_at")], sources, marks="Hollow")
    cut = (
        [f"{len(chips)} of {plural(n_chips, 'chip')} shown; the others are in market_statistics.csv."]
        if len(chips) < n_chips
        else []
    )
    sheet = Sheet(
        title=finding(prices),
        subtitle="USD per accelerator-hour, on demand: networks' market price (median weighted by chips on offer) "
        "beside the clouds' list price; the cheapest network of each row is named. Log scale",
        footer=[*too_old, *_not_listed_note(not_listed, chips, look), *cut, note],
        plot_height=0.5 + plan.height,
        keys=keys,
    )
    ((axes,),) = sheet.grid(1, 1, left=plan.left, right=_RIGHT, below=0.36, above=0.14)
    price_axis(axes, plan.low, plan.high)
    row_names(axes, [look.names(c) for c in chips], plan.left, at=plan.centres)
    axes.set_ylim(0, plan.height)
    for y, chip in zip(plan.centres, chips, strict=True):
        _draw_row(axes, plan.row(chip), y, plan.lanes_of[chip], look, spreads=plan.spreads, label=plan.labels[chip])
        _draw_end(axes, y, *plan.ends[chip], look)
    head: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "fontsize": _LABEL, "color": MUTED, "va": "bottom"}
    axes.text(1.0, plan.height, "   Cheapest cloud", ha="left", **head)
    axes.text(1 + (_RIGHT - 0.02) / plan.width, plan.height, "against it", ha="right", **head)
    axes.set_xlabel("USD per accelerator-hour", labelpad=2)
    return sheet.figure


class _Plan:
    """What is drawn of some chips and where, in inches: known before there is a sheet, whose height it decides."""

    def __init__(self, prices: pl.DataFrame, chips: list[str], look: Look) -> None:
        self.chips = chips
        self.shown = prices.filter(pl.col("accelerator").is_in(chips))
        cloud = pl.col("segment") == "hyperscaler"
        present = set(self.shown.filter(~cloud)["network"])
        self.networks = [n for n in look.networks if n in present] + sorted(present - set(look.networks))
        self.clouds = sorted(set(self.shown.filter(cloud)["network"]), key=_cloud_rank)
        self.ends = {chip: _ends(self.row(chip)) for chip in chips}
        self.labels = {c: _label(look, network, alone=len(self.networks) == 1) for c, (network, _) in self.ends.items()}
        self.spreads = len(self.networks) <= _MOST_SPREADS
        self.left = left_room([look.names(c) for c in chips])
        self.width = WIDTH - self.left - _RIGHT
        names = ["usd_per_accelerator_hour"]
        names += ["usd_per_accelerator_hour_low", "usd_per_accelerator_hour_high"] if self.spreads else []
        low: float = self.shown.select(pl.min_horizontal(*names).min()).item()
        high: float = self.shown.select(pl.max_horizontal(*names).max()).item()
        self.high = high * (high / low) ** (0.12 / self.width)  # room for the dearest marker
        needed = [
            (self.ends[chip][0]["usd_per_accelerator_hour"], text_width(label, _LABEL) + 0.16)
            for chip, label in self.labels.items()
        ]
        self.low = room_left_of(low * 0.9, self.high, self.width, needed)
        per_inch = math.log(self.high / self.low) / self.width
        self.lanes_of = {}
        tall = []
        for chip in chips:
            row = self.row(chip)
            places = [math.log(p / self.low) / per_inch for p in row["usd_per_accelerator_hour"]]
            apart = [_APART_CLOUDS if side == "hyperscaler" else _APART for side in row["segment"]]
            found = lanes(places, apart=apart, most=len(places))
            # Clouds' squares are whole only when a square apart.
            squares = [n for n, side in zip(found, row["segment"], strict=True) if side == "hyperscaler"]
            step = _LANE_CLOUDS if len(set(squares)) > 1 else _LANE
            self.lanes_of[chip] = [n * step for n in found]
            tall.append(max(_PITCH, (max(found) - min(found)) * step + 0.17))
        self.height = sum(tall)
        # The middle of a row's lanes is the middle of its room.
        middles = [(max(self.lanes_of[c]) + min(self.lanes_of[c])) / 2 for c in chips]
        self.centres = [sum(tall[:i]) + t / 2 - middle for i, (t, middle) in enumerate(zip(tall, middles, strict=True))]

    def row(self, chip: str) -> pl.DataFrame:
        """The sellers of one chip, cheapest first, by name where they ask the same."""
        return self.shown.filter(pl.col("accelerator") == chip).sort("usd_per_accelerator_hour", "network")


def _not_listed_note(rows: pl.DataFrame, chips: list[str], look: Look) -> list[str]:
    """Which clouds' prices of the chips drawn are left out, for no price list has them."""
    mine = rows.filter(pl.col("accelerator").is_in(chips)).sort("network", "accelerator")
    told = [
        f"{look.names(r['network'])} on {look.names(r['accelerator'])} ({usd(r['usd_per_accelerator_hour'])}, "
        f"{r['price_kind'].replace('_', ' ')})"
        for r in mine.iter_rows(named=True)
    ]
    return [f"Not a list price, so not drawn: {listing(told)}."] if told else []


def _ends(part: pl.DataFrame) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The cheapest network and the cheapest cloud of a chip, by name where they ask the same."""
    network = part.filter(pl.col("segment") != "hyperscaler").row(0, named=True)
    cloud = part.filter(pl.col("segment") == "hyperscaler")
    return network, cloud.row(0, named=True) if cloud.height else None


def _label(look: Look, network: dict[str, Any], *, alone: bool) -> str:
    """What stands left of the cheapest network's marker."""
    price = usd(network["usd_per_accelerator_hour"])
    return price if alone else f"{fit(look.names(network['network']), _LABEL, 0.95)} {price}"


def _draw_row(
    axes: Axes, part: pl.DataFrame, y: float, steps: list[float], look: Look, *, spreads: bool, label: str
) -> None:
    """The sellers of one chip, side by side where their prices are close."""
    places = inches(axes, part["usd_per_accelerator_hour"])
    named = False
    for row, lane in zip(part.iter_rows(named=True), steps, strict=True):
        cloud = row["segment"] == "hyperscaler"
        colour, marker = look.cloud(row["network"]) if cloud else look.network(row["network"])
        at = y + lane
        low, high = row["usd_per_accelerator_hour_low"], row["usd_per_accelerator_hour_high"]
        if spreads and not cloud and high > low:
            axes.hlines(
                [at], [low], [high], color=colour, lw=1.2, alpha=0.5, zorder=2.5, gid=f"spread:{row['network']}"
            )
        axes.plot(
            [row["usd_per_accelerator_hour"]],
            [at],
            linestyle="none",
            marker="s" if cloud else marker,
            markersize=LETTERED if cloud else 5.2 if look.is_named(row["network"]) else 3.6,
            zorder=2.0 if cloud else 3.0,
            label=row["network"],
            gid=f"{'cloud' if cloud else 'network'}:{row['network']}:{row['layer']}",
            **marker_style(colour, row["layer"]),
        )
        if cloud:
            axes.text(
                row["usd_per_accelerator_hour"], at, look.letters(row["network"]), fontsize=4.6, weight="bold",
                ha="center", va="center_baseline", color=letter_colour(colour, row["layer"]), zorder=2.1,
                gid=f"letters:{row['network']}",
            )  # fmt: skip
        elif not named:
            named = True
            place = inches(axes, [row["usd_per_accelerator_hour"]])[0]
            # Where a cloud is cheaper still, its marker may lie where the label would.
            taken = any(place - text_width(label, _LABEL) - 0.2 < other < place for other in places)
            axes.annotate(
                label, (row["usd_per_accelerator_hour"], at), xytext=(-4.5, -8 if taken else 0),
                textcoords="offset points", ha="right",
                va="center", fontsize=_LABEL, color=colour if look.is_named(row["network"]) else MUTED, zorder=1.5,
                gid=f"cheapest:{row['accelerator']}",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.85},
            )  # fmt: skip


def _draw_end(axes: Axes, y: float, network: dict[str, Any], cloud: dict[str, Any] | None, look: Look) -> None:
    """At the row's end: the cheapest cloud, its price, and how far below it the cheapest network is."""
    style: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": _LABEL}
    end = 1 + (_RIGHT - 0.02) / (WIDTH * axes.get_position().width)
    if cloud is None:
        axes.text(1.0, y, "   no cloud's price", ha="left", color=MUTED, style="italic", gid="end", **style)
        axes.text(end, y, "\N{EN DASH}", ha="right", color=MUTED, gid="none", **style)
        return
    saving = network["usd_per_accelerator_hour"] / cloud["usd_per_accelerator_hour"] - 1
    who = fit(f"{look.names(cloud['network'])} {usd(cloud['usd_per_accelerator_hour'])}", _LABEL, _RIGHT - 0.62)
    axes.text(1.0, y, f"   {who}", ha="left", color=INK, gid="end", **style)
    axes.text(
        end, y, percent(saving, signed=True), ha="right",
        color=NEGATIVE if saving > 0 else INK, weight="bold", gid=f"saving:{network['accelerator']}", **style,
    )  # fmt: skip


def _cloud_rank(cloud: str) -> tuple[int, str]:
    order = ("azure", "aws", "google")
    return (order.index(cloud) if cloud in order else len(order), cloud)
