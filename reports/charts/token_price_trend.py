"""Trend of inference prices: dated list prices of closed models, one panel a maker."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from reports.charts._panels import years
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
    source_note,
    styled,
)
from reports.view import extremes, plain
from reports.words import listing, model_name, month, percent, usd

__all__ = ["PROMPTS_PER_OUTPUT", "token_price_trend"]

PROMPTS_PER_OUTPUT = 2.0
_TITLE = "No dated list price of a closed model is known"
# The makers' own interfaces: what each charges itself, not what resellers do.
_MAKERS = {
    "anthropic": ("Claude (Anthropic)", "claude", "o"),
    "openai": ("GPT (OpenAI)", "gpt", "s"),
    "google-ai-studio": ("Gemini (Google)", "gemini", "^"),
}


def _prices(token_prices: pl.DataFrame) -> pl.DataFrame:
    """Each price of a maker's own model once, oldest first, with its price on the footing of the chart."""
    name = pl.col("model_id").str.to_lowercase().str.split("/").list.last()
    stem = pl.col("provider").replace_strict(
        {k: v[1] for k, v in _MAKERS.items()}, default=None, return_dtype=pl.String
    )
    both = pl.col("usd_per_mtok_output") + PROMPTS_PER_OUTPUT * pl.col("usd_per_mtok_input")
    return (
        plain(token_prices)
        .with_columns(model=name, usd_per_mtok=both, date=pl.col("observed_at").dt.date())
        .filter(pl.col("llm").is_null(), pl.col("model").str.contains(stem, literal=True).fill_null(False))
        .sort("date", "provider", "model", "usd_per_mtok", "layer")
        .unique(["provider", "model", "date"], keep="first", maintain_order=True)
    )


def _cents(value: float) -> str:
    """A price as price lists write it: ``$0.45``, ``$17.50``, ``$480``; in cents while these count."""
    return usd(value) if value < 0.1 else f"${value:,.2f}".removesuffix(".00") if value < 100 else f"${value:,.0f}"


def finding(prices: pl.DataFrame) -> str:
    """The title: the cheapest list price of the first day and the cheapest ever, true whatever they are."""
    if prices.is_empty():
        return _TITLE
    first = prices["date"][0]
    was = prices.filter(pl.col("date") == first).sort("usd_per_mtok").row(0, named=True)["usd_per_mtok"]
    least = prices.sort("usd_per_mtok", "date").row(0, named=True)
    if least["date"] == first:
        return f"No list price of a closed model on record is below the {_cents(was)} of {month(first)}"
    fall = percent(1 - least["usd_per_mtok"] / was)
    last = prices["date"][-1]
    since = "" if least["date"] == last else f"; none up to {month(last)} was lower"
    return (
        f"The cheapest list price of a closed model fell {fall} from {month(first)} to {month(least['date'])}, "
        f"to {_cents(least['usd_per_mtok'])}{since}"
    )


@styled
def token_price_trend(token_prices: pl.DataFrame, look: Look) -> Figure:
    """Draw a panel a maker: each dated list price a marker, the changes of one model's price a line, log axis.

    Parameters
    ----------
    token_prices : TokenPrices
        Prices the makers of Claude, GPT and Gemini ask themselves are drawn.
    look : Look
        Names and date.
    """
    prices = _prices(token_prices)
    if prices.is_empty():
        return empty(_TITLE, "no price list of Anthropic, OpenAI or Google is among the token prices of this run", look)
    makers = [m for m in _MAKERS if m in set(prices["provider"])]
    layers = set(prices["layer"])
    keys = [Key(label="one model's list price", colour=MUTED, marker="o")] if "live" in layers else []
    if layers - {"live"}:
        label = "not live" if keys else "one model's list price, not live"
        keys.append(Key(label=label, colour=MUTED, marker="o", hollow=True))
    keys.append(Key(label="cheapest so far", colour=MUTED, line="-"))
    tellers = listing(sorted({look.names(one) for one in prices["source"].unique()}, key=str.casefold))
    note = source_note(
        look, prices, [("layer", "observed_at")], [f"the makers' lists as told by {tellers}"], marks="Hollow"
    )
    sheet = Sheet(
        title=finding(prices),
        subtitle=f"USD per million output tokens with {PROMPTS_PER_OUTPUT:g} prompt tokens each, makers' own list "
        "prices on days a price list was kept. Log scale",
        footer=["A model is drawn on the days its price is first or newly known, not on every day it was sold.", note],
        plot_height=2.25,
        keys=keys,
    )
    (panels,) = sheet.grid(1, len(makers), left=0.5, right=0.15, below=0.3, above=0.2, gap_x=0.2)
    low, high = extremes(prices["usd_per_mtok"])
    first, last = years(prices["date"][:1])[0], years(prices["date"][-1:])[0]
    for i, (maker, axes) in enumerate(zip(makers, panels, strict=True)):
        family, _, marker = _MAKERS[maker]
        part = prices.filter(pl.col("provider") == maker)
        _price_rows(axes, low * 0.4, high * 2.2, labelled=i == 0)
        _year_columns(axes, first, last)
        floor = part.group_by("date", maintain_order=True).agg(pl.col("usd_per_mtok").min())
        axes.step(
            years(floor["date"]), floor["usd_per_mtok"].cum_min(), where="post", color=MUTED, lw=1.2, alpha=0.7,
            gid=f"floor:{maker}",
        )  # fmt: skip
        for layer in part["layer"].unique().sort(descending=True):  # live last: nothing hides it
            at = part.filter(pl.col("layer") == layer)
            axes.plot(
                years(at["date"]), at["usd_per_mtok"], linestyle="none", marker=marker, markersize=3.6, zorder=3,
                gid=f"price:{maker}:{layer}", **marker_style(INK, layer),
            )  # fmt: skip
        axes.set_title(family, color=INK, pad=4, fontsize=7.5)
        for row, above in ((_end(part, dearest=True), True), (_end(part, dearest=False), False)):
            x = years(pl.Series([row["date"]]))[0]
            right = x > (first + last) / 2
            axes.annotate(
                fit(f"{model_name(row['model']).partition(' (')[0]}, {_cents(row['usd_per_mtok'])}", 6, 1.95),
                (x, row["usd_per_mtok"]),
                xytext=(4 if right else -4, 5 if above else -5),
                textcoords="offset points",
                ha="right" if right else "left",
                va="bottom" if above else "top",
                fontsize=6,
                color=INK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3},
            )
    return sheet.figure


def _end(part: pl.DataFrame, *, dearest: bool) -> dict[str, Any]:
    """The dearest or the cheapest price of a maker, the first of equal ones: it set the price."""
    return part.sort("usd_per_mtok", "date", "model", descending=[dearest, False, False]).row(0, named=True)


def _price_rows(axes: Axes, low: float, high: float, *, labelled: bool) -> None:
    """A log axis of money upwards."""
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    ticks = [10.0**e for e in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    ticks = ticks if len(ticks) > 1 else [low * 1.1, high / 1.1]
    axes.set_yticks(ticks, [_cents(t) for t in ticks] if labelled else [""] * len(ticks), color=MUTED)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", color=LINE, lw=0.5)


def _year_columns(axes: Axes, first: float, last: float) -> None:
    """Whole years along the foot."""
    axes.set_xlim(first - 0.15, max(last, first + 0.5) + 0.15)
    marks = range(math.ceil(first - 0.15), math.floor(max(last, first + 0.5) + 0.15) + 1)
    axes.set_xticks(list(marks), [str(y) for y in marks])
    axes.tick_params(axis="x", labelsize=6.5)
