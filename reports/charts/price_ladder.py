"""Price ladder: what networks ask for an accelerator-hour beside the clouds' list price, chip by chip."""

from __future__ import annotations

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
    MUTED,
    NEGATIVE,
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
from reports.view import ladder_chips, plain
from reports.words import percent, plural, usd

__all__ = ["MOST_CHIPS", "price_ladder"]

MOST_CHIPS = 16
_LIST_TERMS = "on_demand"
_LABEL = 6.3
# Marks nearer than this, in inches, are set in lanes above and below the row's line.
_APART, _LANE = 0.1, 0.24
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

    The cheapest network of a row is named beside its marker, the cheapest cloud at the row's end.

    Parameters
    ----------
    market_prices : MarketPrices
        On-demand rows are drawn, of clouds (segment ``hyperscaler``) and all others; not chips no network prices, nor
        prices beyond the limit of their age.
    look : Look
        Names, colours, date.
    """
    prices, expired = without_expired(plain(market_prices).filter(pl.col("terms") == _LIST_TERMS))
    offered = prices.filter(pl.col("segment") != "hyperscaler")
    too_old = expired_note(look, expired["network"].unique().sort())
    if offered.is_empty():
        reason = "no network gave an on-demand price in this run"
        if too_old:
            reason += f" within its limit of age ({plural(expired['network'].n_unique(), 'seller')} beyond it)"
        return empty("No network's price is known", reason, look)
    chips = ladder_chips(prices, MOST_CHIPS)
    n_chips = offered["accelerator"].n_unique()
    shown = prices.filter(pl.col("accelerator").is_in(chips))
    present = set(shown.filter(pl.col("segment") != "hyperscaler")["network"])
    networks = [n for n in look.networks if n in present] + sorted(present - set(look.networks))
    clouds = sorted(set(shown.filter(pl.col("segment") == "hyperscaler")["network"]), key=_cloud_rank)
    ends = {chip: _ends(shown.filter(pl.col("accelerator") == chip)) for chip in chips}
    labels = {chip: _label(look, network, alone=len(networks) == 1) for chip, (network, _) in ends.items()}

    told = {network["network"] for network, _ in ends.values()} if len(networks) > 1 else set()
    named = [n for n in networks if look.is_named(n)]
    keys = [
        Key(label=look.names(n), colour=look.network(n)[0], marker=look.network(n)[1]) for n in named if n not in told
    ]
    if len(named) < len(networks):
        # The grey ones share a colour: who they are is told where one is the cheapest.
        keys.append(Key(label=plural(len(networks) - len(named), "other network"), colour="#8a8f98", marker="o"))
    keys += [Key(label=f"{look.names(c)} list", colour=look.cloud(c)[0], marker=look.cloud(c)[1]) for c in clouds]
    spreads = len(networks) <= _MOST_SPREADS
    spread = pl.col("usd_per_accelerator_hour_high") > pl.col("usd_per_accelerator_hour_low")
    if spreads and shown.filter(spread, pl.col("segment") != "hyperscaler").height:
        keys.append(Key(label="cheapest to dearest offer", colour=MUTED, line="-"))
    if (shown["layer"] != "live").any():
        keys.append(Key(label="not live", colour=MUTED, marker="o", hollow=True))
    some = [*networks[:8], *clouds] if len(networks) > 8 else [*networks, *clouds]
    sources = [look.names(s) for s in some[: len(some) - len(clouds)]]
    if len(networks) > 8:
        sources.append(plural(len(networks) - 8, "other network"))
    note = source_note(look, shown, [("layer", "observed_at")], [*sources, *(look.names(c) for c in clouds)])
    cut = (
        [f"{len(chips)} of {plural(n_chips, 'chip')} shown; the others are in market_statistics.csv."]
        if len(chips) < n_chips
        else []
    )
    sheet = Sheet(
        title=finding(prices),
        subtitle="USD per accelerator-hour, on demand: networks' market price (median weighted by chips on offer) "
        "beside the clouds' list price; the cheapest network of each row is named. Log scale",
        footer=[*too_old, *cut, note],
        plot_height=0.62 + 0.3 * len(chips),
        keys=keys,
    )
    left, right = left_room([look.names(c) for c in chips]), 1.5
    ((axes,),) = sheet.grid(1, 1, left=left, right=right, below=0.36, above=0.14)
    width = WIDTH - left - right
    low = shown.select(pl.min_horizontal("usd_per_accelerator_hour", "usd_per_accelerator_hour_low").min()).item()
    high = shown.select(pl.max_horizontal("usd_per_accelerator_hour", "usd_per_accelerator_hour_high").max()).item()
    if not spreads:
        low, high = shown["usd_per_accelerator_hour"].min(), shown["usd_per_accelerator_hour"].max()
    needed = [
        (ends[chip][0]["usd_per_accelerator_hour"], text_width(label, _LABEL) + 0.16) for chip, label in labels.items()
    ]
    high *= (high / low) ** (0.12 / width)  # room for the dearest marker
    price_axis(axes, room_left_of(low * 0.9, high, width, needed), high)
    row_names(axes, [look.names(c) for c in chips], left)
    axes.set_ylim(-0.6, len(chips) - 0.4)
    for y, chip in enumerate(chips):
        _draw_row(axes, shown.filter(pl.col("accelerator") == chip), y, look, spreads=spreads, label=labels[chip])
        _draw_end(axes, y, *ends[chip], look, right)
    head: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "fontsize": _LABEL, "color": MUTED, "va": "bottom"}
    axes.text(1.0, len(chips) - 0.42, "   Cheapest cloud", ha="left", **head)
    axes.text(1 + (right - 0.02) / width, len(chips) - 0.42, "against it", ha="right", **head)
    axes.set_xlabel("USD per accelerator-hour", labelpad=2)
    return sheet.figure


def _ends(part: pl.DataFrame) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The cheapest network and the cheapest cloud of a chip, by name where they ask the same."""
    ordered = part.sort("usd_per_accelerator_hour", "network")
    network = ordered.filter(pl.col("segment") != "hyperscaler").row(0, named=True)
    cloud = ordered.filter(pl.col("segment") == "hyperscaler")
    return network, cloud.row(0, named=True) if cloud.height else None


def _label(look: Look, network: dict[str, Any], *, alone: bool) -> str:
    """What stands left of the cheapest network's marker."""
    price = usd(network["usd_per_accelerator_hour"])
    return price if alone else f"{fit(look.names(network['network']), _LABEL, 0.95)} {price}"


def _draw_row(axes: Axes, part: pl.DataFrame, y: int, look: Look, *, spreads: bool, label: str) -> None:
    """The sellers of one chip, side by side where their prices are close."""
    ordered = part.sort("usd_per_accelerator_hour", "network")
    places = inches(axes, ordered["usd_per_accelerator_hour"])
    steps = lanes(places, apart=_APART)
    if len(set(zip(places, steps, strict=True))) < len(places):
        steps = lanes(places, apart=_APART, most=len(places))  # several sellers ask exactly the same
    step = min(_LANE, 0.84 / max(1, max(steps) - min(steps)))
    named = False
    for row, lane in zip(ordered.iter_rows(named=True), steps, strict=True):
        cloud = row["segment"] == "hyperscaler"
        colour, marker = look.cloud(row["network"]) if cloud else look.network(row["network"])
        at = y + lane * step
        low, high = row["usd_per_accelerator_hour_low"], row["usd_per_accelerator_hour_high"]
        if spreads and not cloud and high > low:
            axes.hlines(
                [at], [low], [high], color=colour, lw=1.2, alpha=0.5, zorder=2.5, gid=f"spread:{row['network']}"
            )
        axes.plot(
            [row["usd_per_accelerator_hour"]],
            [at],
            linestyle="none",
            marker=marker,
            markersize=5 if cloud else 5.6,
            zorder=2.0 if cloud else 3.0,
            label=row["network"],
            gid=f"{'cloud' if cloud else 'network'}:{row['network']}:{row['layer']}",
            **marker_style(colour, row["layer"]),
        )
        if not cloud and not named:
            named = True
            place = inches(axes, [row["usd_per_accelerator_hour"]])[0]
            # Where a cloud is cheaper still, its marker may lie where the label would.
            taken = any(place - text_width(label, _LABEL) - 0.2 < other < place for other in places)
            axes.annotate(
                label, (row["usd_per_accelerator_hour"], at), xytext=(-5, -8 if taken else 0),
                textcoords="offset points", ha="right",
                va="center", fontsize=_LABEL, color=colour if look.is_named(row["network"]) else MUTED, zorder=1.5,
                gid=f"cheapest:{row['accelerator']}",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.85},
            )  # fmt: skip


def _draw_end(
    axes: Axes, y: int, network: dict[str, Any], cloud: dict[str, Any] | None, look: Look, right: float
) -> None:
    """At the row's end: the cheapest cloud, its price, and how far below it the cheapest network is."""
    style: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": _LABEL}
    if cloud is None:
        axes.text(1.0, y, "   no cloud's price", ha="left", color=MUTED, style="italic", gid="end", **style)
        return
    saving = network["usd_per_accelerator_hour"] / cloud["usd_per_accelerator_hour"] - 1
    who = fit(f"{look.names(cloud['network'])} {usd(cloud['usd_per_accelerator_hour'])}", _LABEL, right - 0.62)
    axes.text(1.0, y, f"   {who}", ha="left", color=INK, gid="end", **style)
    axes.text(
        1 + (right - 0.02) / (WIDTH * axes.get_position().width), y, percent(saving, signed=True), ha="right",
        color=NEGATIVE if saving > 0 else INK, weight="bold", gid=f"saving:{network['accelerator']}", **style,
    )  # fmt: skip


def _cloud_rank(cloud: str) -> tuple[int, str]:
    order = ("azure", "aws", "google")
    return (order.index(cloud) if cloud in order else len(order), cloud)
