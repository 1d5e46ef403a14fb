"""Model against market: what hosts ask for a model's tokens beside what the same work costs by our model."""

from __future__ import annotations

import math

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.charts._rows import dodged, inches, left_room, room_left_of, row_names
from reports.style import (
    INK,
    MUTED,
    REFERENCE_COLOUR,
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
from reports.view import Row, market_check_order, market_check_shown
from reports.words import listing, of_things, plural, times

__all__ = ["MOST_LLMS", "market_check"]

MOST_LLMS = 10
_TITLE = "No host's token price can be set against our model"
# Host kind -> words, colour, marker.
_HOSTS = {
    "cloud": ("a cloud asks", "#26323d", "s"),
    "network": ("a network asks", "", ""),
    "lab": ("the model's maker asks", "#5d6b78", "D"),
    "other": ("another host asks", "#93a0ac", "^"),
}
# Inches: the least height of a row, half of its band's (names go between the bands where they would lie on one), and
# what a mark takes with the gap around it.
_ROW, _HALF, _MARK = 0.6, 0.2, 0.085
# Inches aside of its mark: where the hairline to a name below begins and ends.
_TIE = (0.035, 0.13)
_NETWORK_COST = INK
_OTHER_NETWORK = ("#8a8f98", "o")
_SIZE, _SMALL = 6.3, 5.8


def finding(shown: pl.DataFrame) -> str:
    """The title: true of the prices given, whatever they are."""
    ratio = shown["asked_over_modelled"].drop_nulls()
    if ratio.is_empty():
        return _TITLE
    low, middle, high = (float(v) for v in (ratio.min(), ratio.median(), ratio.max()))  # type: ignore[arg-type]  # polars: any literal
    n, below = ratio.len(), int((ratio < 1).sum())
    if n == 1:
        return f"The one host asks {times(low)} times our modelled cost"
    if below:
        told = of_things(below, n, "hosted price")
        return f"{told[0].upper()}{told[1:]} are below our modelled cost; the median asks {times(middle)} times it"
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
    llms = market_check_order(headlines, every)
    order = llms[:MOST_LLMS][::-1]  # rows count from below
    shown = every.filter(pl.col("llm").is_in(order))
    kinds = [kind for kind in _HOSTS if kind in set(shown["host_kind"])]
    keys = [Key(label=_HOSTS[k][0], colour=_HOSTS[k][1], marker=_HOSTS[k][2]) for k in kinds if k != "network"]
    # A network has its own colour here as everywhere; those without one share the grey.
    hosts_of_networks = shown.filter(pl.col("host_kind") == "network")["provider"].unique().to_list()
    named = [n for n in look.networks if n in hosts_of_networks and look.is_named(n)]
    keys += [Key(label=look.names(n), colour=look.network(n)[0], marker=look.network(n)[1]) for n in named]
    if len(named) < len(hosts_of_networks):
        other = "another network asks" if named else "a network asks"
        keys.append(Key(label=other, colour=_OTHER_NETWORK[0], marker=_OTHER_NETWORK[1]))
    if shown["usd_per_mtok_modelled"].count():
        keys.append(Key(label="modelled cost and band", colour=REFERENCE_COLOUR["modelled_cost"], line="-", band=True))
    if shown["usd_per_mtok_network"].count():
        keys.append(Key(label="cheapest network's chip, named below the model", colour=_NETWORK_COST, line="--"))
    if (shown["layer"] != "live").any():
        keys.append(Key(label="not live", colour=MUTED, marker="o", hollow=True))
    load, ratio = shown["workload"][0], shown["input_tokens_per_output"][0]
    tellers = listing(sorted({look.names(one) for one in shown["source"].unique()}, key=str.casefold))
    told_by = [f"price lists of {plural(shown['provider'].n_unique(), 'host')}, as told by {tellers}"]
    note = source_note(look, shown, [("layer", "observed_at")], told_by, marks="Hollow")
    cuts = (
        [f"{len(order)} of {len(llms)} models shown; the others are in market_check.csv."]
        if len(order) < len(llms)
        else []
    )
    told = {llm: _network_words(shown.filter(pl.col("llm") == llm).row(0, named=True), look) for llm in order}
    beneath = max((text_width(t, _SMALL) for t in told.values()), default=0.0) + 0.16
    left, right = max(left_room([look.names(m) for m in order], 2.2), min(beneath, 2.2)), 1.0
    width = WIDTH - left - right
    bounds = ("asked", "modelled_low", "modelled_high", "modelled", "network")
    values = [v for c in bounds for v in shown[f"usd_per_mtok_{c}"].drop_nulls()]
    ends = {llm: _ends(shown.filter(pl.col("llm") == llm), look) for llm in order}
    needed = [(row["usd_per_mtok_asked"], text_width(name, 6) + 0.14) for (row, name), *_ in ends.values()]
    dearest = [(row["usd_per_mtok_asked"], text_width(name, 6) + 0.14) for *_, (row, name) in ends.values()]
    low, high = min(values) * 0.8, max(values) * 1.15
    high = 1 / room_left_of(1 / high, 1 / low, width, [(1 / value, room) for value, room in dearest])
    low = room_left_of(low, high, width, needed)
    heights = {
        llm: dodged(
            [math.log(price / low) / math.log(high / low) * width for price in part["usd_per_mtok_asked"]],
            [_MARK] * part.height,
        )
        for llm in order
        for part in (shown.filter(pl.col("llm") == llm),)
    }
    place, top = {}, 0.0
    for llm in order:
        place[llm] = top + max(_ROW / 2, -min(heights[llm]) + _MARK)
        top = place[llm] + max(_ROW / 2, max(heights[llm]) + _MARK)
    sheet = Sheet(
        title=finding(every),
        subtitle=f"USD per million output tokens with their prompts ({look.names(load)}: {ratio:g} prompt tokens an "
        "output token, uncached). Modelled: owner's cost of the cheapest cloud chip, full in every hour sold. Log "
        "scale",
        footer=[*cuts, note],
        plot_height=0.64 + top,
        keys=keys,
    )
    ((axes,),) = sheet.grid(1, 1, left=left, right=right, below=0.36, above=0.14)
    price_axis(axes, low, high)
    row_names(axes, [look.names(m) for m in order], left, at=list(place.values()))
    axes.set_ylim(0, top)
    for llm, y in place.items():
        part = shown.filter(pl.col("llm") == llm)
        _costs(axes, part.row(0, named=True), y)
        stands = [y + height for height in heights[llm]]
        for row, at in zip(part.iter_rows(named=True), stands, strict=True):
            colour, marker = _look_of_host(look, row)
            axes.plot(
                [row["usd_per_mtok_asked"]],
                [at],
                linestyle="none",
                marker=marker,
                markersize=4.6,
                zorder=3,
                gid=f"host:{llm}:{row['host_kind']}:{row['provider']}:{row['layer']}",
                **marker_style(colour, row["layer"]),
            )
        for end, (row, name) in enumerate(ends[llm][: min(2, part.height)]):
            _name_end(axes, row, name, stands[-end], min(y - _HALF, min(stands) - _MARK / 2) - 0.06, cheapest=end == 0)
        axes.annotate(
            fit(told[llm], _SMALL, left - 0.1), (0, y), xycoords=("axes fraction", "data"), fontsize=_SMALL,
            xytext=(-(left - 0.02) * 72, -9), textcoords="offset points", color=MUTED, va="center", gid=f"below:{llm}",
        )  # fmt: skip
        middle = part["asked_over_modelled"].median()
        axes.text(
            1 + (right - 0.02) / width, y, f"{times(middle)} times" if isinstance(middle, float) else "not known",
            transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=_SIZE, gid=f"middle:{llm}",
            weight="bold" if isinstance(middle, float) else "normal", color=INK if isinstance(middle, float) else MUTED,
        )  # fmt: skip
    axes.text(
        1 + (right - 0.02) / width, top, "Median ask\nover modelled", fontsize=_SIZE, color=MUTED,
        transform=axes.get_yaxis_transform(), ha="right", va="bottom", linespacing=1.1,
    )  # fmt: skip
    axes.set_xlabel("USD per million output tokens, prompts included", labelpad=2)
    return sheet.figure


def _ends(part: pl.DataFrame, look: Look) -> list[tuple[Row, str]]:
    """The cheapest and the dearest host of a model, with their names."""
    rows = [part.row(0, named=True), part.row(-1, named=True)]
    return [(row, fit(look.names(row["provider"]), 6, 1.1)) for row in rows]


def _look_of_host(look: Look, row: Row) -> tuple[str, str]:
    """Colour and marker: a network's own, else those of the kind of host."""
    if row["host_kind"] == "network":
        return look.network(row["provider"]) if row["provider"] in look.networks else _OTHER_NETWORK
    return _HOSTS[row["host_kind"]][1:]


def _network_words(row: Row, look: Look) -> str:
    """Whose capacity a row's dashed line is."""
    seller, chip = row["network_seller"], row["network_accelerator"]
    if row["usd_per_mtok_network"] is None or seller is None or chip is None:
        return ""
    return f"{look.names(seller)}, {look.names(chip)}"


def _name_end(axes: Axes, row: Row, name: str, height: float, below: float, *, cheapest: bool) -> None:
    """The cheapest host to the left of its mark, the dearest to the right; below the row where a cost lies there.

    What stands below is tied to its mark by a hairline that leaves it aside, past marks beneath it.
    """
    at = row["usd_per_mtok_asked"]
    place = inches(axes, [at])[0]
    needed = text_width(name, 6) + 0.1
    costs = [row[f"usd_per_mtok_{c}"] for c in ("modelled_low", "modelled", "modelled_high", "network")]
    ends = inches(axes, [c for c in costs if c is not None])
    low, high = (place - needed, place) if cheapest else (place, place + needed)
    taken = bool(ends) and min(ends) < high and max(ends) > low
    side = -1 if cheapest else 1
    if taken:
        left, right = axes.get_xlim()
        ends = [at * (right / left) ** (side * aside / axes.get_position().width / WIDTH) for aside in _TIE]
        axes.plot(ends, [height, below + 0.05], color=MUTED, lw=0.5, zorder=2.5, gid=f"tie:{row['llm']}")
    axes.annotate(
        name, (at, below if taken else height), xytext=(4 * side, 0), textcoords="offset points",
        ha="right" if cheapest else "left", va="center", fontsize=6, color=MUTED, zorder=4, gid=f"end:{row['llm']}",
    )  # fmt: skip


def _costs(axes: Axes, row: dict[str, float | None], y: float) -> None:
    """Our cost with its band, and what the cheapest network's capacity makes of it."""
    colour = REFERENCE_COLOUR["modelled_cost"]
    cost, low, high = (row[f"usd_per_mtok_modelled{end}"] for end in ("", "_low", "_high"))
    if cost is not None:
        axes.fill_between([low or cost, high or cost], y - _HALF, y + _HALF, color=colour, alpha=0.18, lw=0, gid="band")
        axes.vlines([cost], y - _HALF, y + _HALF, color=colour, lw=1.8, zorder=2, gid="modelled")
    if row["usd_per_mtok_network"] is not None:
        at, ends = [row["usd_per_mtok_network"]], (y - _HALF, y + _HALF)
        axes.vlines(at, *ends, color=_NETWORK_COST, lw=1.1, ls=(0, (3, 1.5)), zorder=2, gid="network")
