"""Price ladder: what networks ask for an accelerator-hour beside the clouds' list price, chip by chip."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from reports.style import (
    INK,
    LINE,
    MUTED,
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
from reports.words import percent, plural

__all__ = ["MOST_CHIPS", "price_ladder"]

MOST_CHIPS = 16
_LIST_TERMS = "on_demand"


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

    Parameters
    ----------
    market_prices : MarketPrices
        On-demand rows are drawn, of clouds (segment ``hyperscaler``) and all others; not chips no network prices.
    look : Look
        Names, colours, date.
    """
    prices = plain(market_prices).filter(pl.col("terms") == _LIST_TERMS)
    offered = prices.filter(pl.col("segment") != "hyperscaler")
    if offered.is_empty():
        return empty("No network's price is known", "no network gave an on-demand price in this run", look)
    chips = ladder_chips(prices, MOST_CHIPS)
    n_chips = offered["accelerator"].n_unique()
    shown = prices.filter(pl.col("accelerator").is_in(chips))
    networks = [n for n in look.networks if n in set(shown.filter(pl.col("segment") != "hyperscaler")["network"])]
    networks += sorted(set(shown.filter(pl.col("segment") != "hyperscaler")["network"]) - set(networks))
    named = [n for n in networks if look.is_named(n)]
    clouds = sorted(set(shown.filter(pl.col("segment") == "hyperscaler")["network"]), key=_cloud_rank)

    keys = [Key(label=look.names(n), colour=look.network(n)[0], marker=look.network(n)[1]) for n in named]
    if len(named) < len(networks):
        keys.append(Key(label=plural(len(networks) - len(named), "other network"), colour="#8a8f98", marker="o"))
    keys += [Key(label=f"{look.names(c)} list", colour=look.cloud(c)[0], marker=look.cloud(c)[1]) for c in clouds]
    keys.append(Key(label="cheapest to dearest offer", colour=MUTED, line="-"))
    if (shown["layer"] != "live").any():
        keys.append(Key(label="not live", colour=MUTED, marker="o", hollow=True))
    note = source_note(look, shown, [("layer", "observed_at")], [look.names(s) for s in [*named, *clouds]])
    extra = [] if len(chips) == n_chips else [f"{len(chips)} of {plural(n_chips, 'chip')} shown."]
    sheet = Sheet(
        title=finding(prices),
        subtitle="USD per accelerator-hour, on demand: networks' market price (median weighted by chips on offer) "
        "beside the clouds' list price. Log scale",
        footer=[*extra, note],
        plot_height=0.5 + 0.27 * len(chips),
        keys=keys,
    )
    left = min(2.4, 0.18 + max(text_width(look.names(c), 7.5) for c in chips))
    ((axes,),) = sheet.grid(1, 1, left=left, below=0.36)
    low = shown.select(pl.min_horizontal("usd_per_accelerator_hour", "usd_per_accelerator_hour_low").min()).item()
    high = shown.select(pl.max_horizontal("usd_per_accelerator_hour", "usd_per_accelerator_hour_high").max()).item()
    place = {chip: i for i, chip in enumerate(chips)}
    shifts = _shifts(networks) | _shifts(clouds)
    for y in place.values():
        axes.axhline(y, color=LINE, lw=0.5, zorder=0)
    for side, sellers, zorder in (("cloud", clouds, 2.0), ("network", list(reversed(networks)), 3.0)):
        for seller in sellers:
            part = shown.filter(pl.col("network") == seller)
            colour, marker = look.network(seller) if side == "network" else look.cloud(seller)
            for layer in part["layer"].unique().sort():
                at = part.filter(pl.col("layer") == layer)
                ys = [place[c] + shifts[seller] for c in at["accelerator"]]
                if side == "network":
                    spans = at.filter(pl.col("usd_per_accelerator_hour_high") > pl.col("usd_per_accelerator_hour_low"))
                    axes.hlines(
                        [place[c] + shifts[seller] for c in spans["accelerator"]],
                        spans["usd_per_accelerator_hour_low"],
                        spans["usd_per_accelerator_hour_high"],
                        color=colour,
                        lw=1.2,
                        alpha=0.55,
                        zorder=zorder - 0.5,
                    )
                axes.plot(
                    at["usd_per_accelerator_hour"],
                    ys,
                    linestyle="none",
                    marker=marker,
                    markersize=6 if side == "network" else 5,
                    zorder=zorder,
                    label=seller,
                    gid=f"{side}:{seller}:{layer}",
                    **marker_style(colour, layer),
                )
    axes.set_yticks(list(place.values()), [fit(look.names(c), 7.5, left - 0.1) for c in chips], color=INK, ha="left")
    axes.tick_params(axis="y", pad=(left - 0.02) * 72)
    axes.set_ylim(-0.6, len(chips) - 0.4)
    price_axis(axes, low * 0.85, high * 1.15)
    axes.set_xlabel("USD per accelerator-hour", labelpad=2)
    return sheet.figure


def _shifts(sellers: list[str]) -> dict[str, float]:
    """A small step up or down a seller, so that equal prices don't hide each other; none where there are many."""
    step = 0.2 if len(sellers) <= 3 else 0.5 / len(sellers)
    return {seller: step * ((len(sellers) - 1) / 2 - i) for i, seller in enumerate(sellers)}


def _cloud_rank(cloud: str) -> tuple[int, str]:
    order = ("azure", "aws", "google")
    return (order.index(cloud) if cloud in order else len(order), cloud)
