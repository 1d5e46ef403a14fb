"""Model against market: what hosts ask for a model's tokens beside what the same work costs by our model."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.style import (
    INK,
    LINE,
    MUTED,
    REFERENCE_COLOUR,
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
from reports.view import market_check_shown
from reports.words import of_many, plural, times

__all__ = ["MOST_LLMS", "market_check"]

MOST_LLMS = 10
_TITLE = "No host's token price can be set against our model"
# Host kind -> words, colour, marker and step off the row's line.
_HOSTS = {
    "cloud": ("a cloud asks", "#26323d", "s", 0.21),
    "network": ("a network asks", "#bb3a50", "o", 0.07),
    "lab": ("the model's maker asks", "#b98a00", "D", -0.07),
    "other": ("another host asks", "#4d6fb3", "^", -0.21),
}
_NETWORK_COST = "#bb3a50"


def finding(shown: pl.DataFrame) -> str:
    """The title: true of the prices given, whatever they are."""
    ratio = shown["asked_over_modelled"].drop_nulls()
    if ratio.is_empty():
        return _TITLE
    low, middle, high = (float(v) for v in (ratio.min(), ratio.median(), ratio.max()))  # type: ignore[arg-type]
    n, below = ratio.len(), int((ratio < 1).sum())
    if n == 1:
        return f"The one host asks {times(low)} times our modelled cost"
    if below:
        return f"{of_many(below, n).capitalize()} hosted prices are below our modelled cost; the median asks " + (
            f"{times(middle)} times it"
        )
    return f"Hosts ask {times(low)} to {times(high)} times our modelled cost, {times(middle)} times in the median"


@styled
def market_check(headlines: pl.DataFrame, market_check: pl.DataFrame, look: Look) -> Figure:
    """Draw one row a model: each host's price a marker, our modelled cost a band with a line, on one log axis.

    Parameters
    ----------
    headlines : Headlines
        Whose workload most have is drawn.
    market_check : ModelAgainstMarket
        Rows without a host's price are left out.
    look : Look
        Names, colours, date.
    """
    every = market_check_shown(headlines, market_check)
    if every.is_empty():
        return empty(_TITLE, "no host lists a price for a model of this run", look)
    llms = every["llm"].unique(maintain_order=True).to_list()
    order = sorted(llms[:MOST_LLMS], key=lambda m: _middle(every, m))
    shown = every.filter(pl.col("llm").is_in(order))
    place = {llm: i for i, llm in enumerate(order)}
    kinds = [kind for kind in _HOSTS if kind in set(shown["host_kind"])]
    keys = [Key(label=_HOSTS[k][0], colour=_HOSTS[k][1], marker=_HOSTS[k][2]) for k in kinds]
    if shown["usd_per_mtok_modelled"].count():
        keys.append(Key(label="modelled cost and band", colour=REFERENCE_COLOUR["modelled_cost"], line="-", band=True))
    if shown["usd_per_mtok_network"].count():
        keys.append(Key(label="cheapest network's capacity", colour=_NETWORK_COST, line="--"))
    if (shown["layer"] != "live").any():
        keys.append(Key(label="not live", colour=MUTED, marker="o", hollow=True))
    load, ratio = shown["workload"][0], shown["input_tokens_per_output"][0]
    hosts = shown["provider"].n_unique()
    note = source_note(look, shown, [("layer", "observed_at")], [f"price lists of {plural(hosts, 'host')}"])
    cuts = (
        [f"{len(order)} of {len(llms)} models shown; the others are in market_check.csv."]
        if len(order) < len(llms)
        else []
    )
    sheet = Sheet(
        title=finding(every),
        subtitle=f"USD per million output tokens with their prompts ({look.names(load)}: {ratio:g} prompt tokens an "
        "output token, uncached). Modelled: owner's cost of the cheapest cloud chip at full load. Log scale",
        footer=[*cuts, note],
        plot_height=0.5 + 0.62 * len(order),
        keys=keys,
    )
    left = min(2.2, 0.18 + max(text_width(look.names(m), 7.5) for m in order))
    ((axes,),) = sheet.grid(1, 1, left=left, below=0.36)
    bounds = ("asked", "modelled_low", "modelled_high", "modelled", "network")
    values = [v for c in bounds for v in shown[f"usd_per_mtok_{c}"].drop_nulls()]
    for llm, y in place.items():
        part = shown.filter(pl.col("llm") == llm)
        axes.axhline(y, color=LINE, lw=0.5, zorder=0)
        _costs(axes, part.row(0, named=True), y)
        for kind in kinds:
            _, colour, marker, step = _HOSTS[kind]
            for layer in part.filter(pl.col("host_kind") == kind)["layer"].unique().sort():
                at = part.filter(pl.col("host_kind") == kind, pl.col("layer") == layer)
                axes.plot(
                    at["usd_per_mtok_asked"],
                    [y + step] * at.height,
                    linestyle="none",
                    marker=marker,
                    markersize=4.6,
                    zorder=3,
                    gid=f"host:{llm}:{kind}:{layer}",
                    **marker_style(colour, layer),
                )
        ends = [part.row(0, named=True), part.row(-1, named=True)][: min(2, part.height)]
        for end, row in enumerate(ends):
            axes.annotate(
                fit(look.names(row["provider"]), 6, 1.1),
                (row["usd_per_mtok_asked"], y + _HOSTS[row["host_kind"]][3]),
                xytext=(-4 if end == 0 else 4, 0),
                textcoords="offset points",
                ha="right" if end == 0 else "left",
                va="center",
                fontsize=6,
                color=MUTED,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
                zorder=4,
            )
    axes.set_yticks(list(place.values()), [fit(look.names(m), 7.5, left - 0.1) for m in order], color=INK, ha="left")
    axes.tick_params(axis="y", pad=(left - 0.02) * 72)
    axes.set_ylim(-0.6, len(order) - 0.4)
    price_axis(axes, min(values) * 0.75, max(values) * 1.9)
    axes.set_xlabel("USD per million output tokens, prompts included", labelpad=2)
    return sheet.figure


def _middle(shown: pl.DataFrame, llm: str) -> tuple[float, str]:
    """Where a model stands among the rows: by the median of what hosts ask."""
    middle = shown.filter(pl.col("llm") == llm)["usd_per_mtok_asked"].median()
    return (middle if isinstance(middle, float) else 0.0, llm)


def _costs(axes: Axes, row: dict[str, float | None], y: float) -> None:
    """Our cost with its band, and what the cheapest network's capacity makes of it."""
    colour = REFERENCE_COLOUR["modelled_cost"]
    cost, low, high = (row[f"usd_per_mtok_modelled{end}"] for end in ("", "_low", "_high"))
    if cost is not None:
        axes.fill_between([low or cost, high or cost], y - 0.36, y + 0.36, color=colour, alpha=0.18, lw=0, gid="band")
        axes.vlines([cost], y - 0.36, y + 0.36, color=colour, lw=1.8, zorder=2, gid="modelled")
    if row["usd_per_mtok_network"] is not None:
        network = [row["usd_per_mtok_network"]]
        axes.vlines(network, y - 0.36, y + 0.36, color=_NETWORK_COST, lw=1.1, ls=(0, (3, 1.5)), zorder=2, gid="network")
