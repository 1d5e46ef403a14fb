"""Waterfall: where the tenant's money goes, from the bill to what the provider keeps, token rewards apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from depin_compare.economics.token_economics import fee_floors
from depin_compare.economics.waterfall import waterfall
from reports.reasons import kind_of_reason, reasons_note, without_margin
from reports.style import (
    INK,
    LINE,
    MUTED,
    NEGATIVE,
    WIDTH,
    Look,
    Sheet,
    empty,
    fit,
    source_note,
    styled,
    text_width,
    wrap,
)
from reports.view import Row, headline_margins, ordered_headlines, plain
from reports.words import AT_LEAST, AT_MOST, KIND_WORDS, MINUS, fee, listing, of_networks, percent, plural, usd

__all__ = ["MOST_NETWORKS", "provider_waterfall"]

MOST_NETWORKS = 6
_COLUMNS = 3
_EVERY = 40
_STEPS = {
    "tenant": ("Tenant pays", INK),
    "network_take": ("Network keeps", "#4a5563"),
    "power": ("Power", "#6f7b88"),
    "overhead": ("Upkeep", "#93a0ac"),
    "capital": ("Capital", "#b4bcc4"),
    "profit": ("Provider keeps", INK),
}
# Of the largest first: of two alike it is the one told.
_COSTS = {"capital": "capital", "power": "power", "opex": "upkeep", "network_take": "the network"}
_TOKENS = "Token rewards, apart"
# Rows of a panel: the steps, a gap, the tokens.
_PLACES = {step: float(i) for i, step in enumerate(_STEPS)} | {"token_rewards": len(_STEPS) + 0.55}
_SIZE = 6.3


def finding(known: pl.DataFrame, *, of: int, floors: Collection[str] = ()) -> str:
    """The title: on how many networks the bill pays the provider's full cost, and the largest cost; true of any rows.

    ``of`` is how many networks there are, known or not; those of ``floors`` may keep more than is known, so that what
    the bill pays is at most what the rows say. The largest cost is that of most networks; what it takes is
    told of all.
    """
    if known.is_empty():
        return "No network's bill can be split"
    n, kept = known.height, int((known["profit_usd_per_hour"] > 0).sum())
    billed = known.filter(pl.col("tenant_usd_per_hour") > 0)
    largest = [max(_COSTS, key=lambda cost: row[f"{cost}_usd_per_hour"]) for row in billed.iter_rows(named=True)]
    cost = max(_COSTS, key=largest.count)
    at_most = any(n in floors for n in known.filter(pl.col("profit_usd_per_hour") > 0)["network"])
    shares = (billed[f"{cost}_usd_per_hour"] / billed["tenant_usd_per_hour"]).sort()
    if n == 1:
        where = "" if of == 1 else " on the one network of known fees and costs"
        covers = ("may cover" if at_most else "covers") if kept else "does not cover"
        start = f"The tenant's money {covers} the provider's full cost{where}"
    else:
        many = of_networks(kept, n)
        if of != n:
            none, every = ("neither", "both") if n == 2 else ("none", "all")
            some = none if not kept else every if kept == n else str(kept)
            many = f"{some} of the {n} networks of known fees and costs"
        if at_most:
            many = f"at most {kept} of {'the ' if of != n else ''}{n} networks"
            many += " of known costs" if of != n else ""
        start = f"Without tokens, the tenant's money covers the provider's full cost on {many}"
    if shares.is_empty():
        return start
    low, high = percent(shares[0]), percent(shares[-1])
    share = "more than the whole" if shares[0] > 1 else f"{low if low == high else f'{low} to {high}'} of the"
    return f"{start}; {_COSTS[cost]} takes {share} bill"


@styled
def provider_waterfall(
    headlines: pl.DataFrame, margins: pl.DataFrame, look: Look, *, tokens: pl.DataFrame | None = None
) -> Figure:
    """Draw a panel a network: its headline chip's hour from the tenant's bill down to the provider's profit.

    Parameters
    ----------
    headlines : Headlines
        Which chip and kind of provider stand for each network.
    margins : Margins
        Their rows; networks of unknown margin are named with the reason, those that pay in tokens have a panel that
        says so.
    look : Look
        Names, colours, date.
    tokens : TokenEconomics, optional
        Says which rewards are only the most they can be.
    """
    heads = headline_margins(headlines, margins)
    known = heads.filter(pl.col("profit_usd_per_hour").is_not_null())
    in_tokens = heads.filter(
        pl.col("profit_usd_per_hour").is_null() & pl.col("not_known").str.contains("minted tokens").fill_null(False)
    )
    panels = pl.concat([known, in_tokens])["network"].to_list()
    order = heads["network"].to_list()
    missing = [
        (look.names(r["network"]), kind_of_reason(r["not_known"]))
        for r in heads.iter_rows(named=True)
        if r["network"] not in panels
    ]
    heads_all = ordered_headlines(headlines).select("network", "accelerator").iter_rows()
    missing += [(look.names(n), without_margin(chip)) for n, chip in heads_all if n not in order]
    if known.is_empty() and in_tokens.is_empty():
        return empty(
            finding(known, of=headlines.height), reasons_note(missing) or "no network has a margin in this run", look
        )
    # Those with bars before those with words, Akash, io.net and Render before all.
    seeds = [n for n in ("akash", "ionet", "render") if n in panels]
    drawn = [*seeds, *(n for n in panels if n not in seeds)][:MOST_NETWORKS]
    drawn.sort(key=order.index)
    steps = plain(waterfall(_of(margins, known)))
    shown = heads.filter(pl.col("network").is_in(drawn))
    bars = shown.filter(pl.col("profit_usd_per_hour").is_not_null())
    notes = []
    if bars.height < known.height:
        notes.append(f"{bars.height} of {plural(known.height, 'network')} drawn; the others are in margins.csv.")
    if words := [look.names(n) for n in in_tokens["network"] if n not in drawn]:
        notes.append(f"Nodes are paid in newly minted tokens, so there is no bill to split: {listing(words)}.")
    if missing:
        notes.append(f"Not known: {reasons_note(missing, _EVERY)}.")
    floors = set[str]() if tokens is None else fee_floors(tokens)
    if floors.intersection(bars["network"]):
        notes.append(f"{AT_LEAST}, {AT_MOST}: the network may keep more than is published, so that less is left.")
    if bars.filter(pl.col("archetype") == "home", pl.col("opex_usd_per_hour") == 0).height:
        notes.append("Upkeep of $0: an assumption for nodes at home.")
    names = [*(look.names(n) for n in drawn), "this model"]
    notes.append(source_note(look, bars, [("layer", "observed_at")], names, marks="Hatched"))
    has_tokens = bool((shown["reward_usd_per_hour"].is_not_null() & shown["profit_usd_per_hour"].is_not_null()).any())
    n_columns = min(_COLUMNS, len(drawn))
    n_rows = -(-len(drawn) // n_columns)
    rows = len(_STEPS) + (1.6 if has_tokens else 0.1)
    sheet = Sheet(
        title=finding(known, of=headlines.height, floors=floors),
        subtitle="USD per calendar hour and accelerator: the tenant's bill (price and any fee on it, times use) less "
        "what the network keeps (beside it the share of the bill), power, upkeep and capital"
        f"{'. Each panel to its own scale' if bars.height > 1 else ''}",
        footer=notes,
        plot_height=n_rows * (0.5 + 0.19 * rows) + (n_rows - 1) * 0.22 + 0.06,
    )
    left = 1.3
    bounded = set() if tokens is None else set(tokens.filter(
        pl.col("measure") == "subsidy_tokens_per_rented_hour", pl.col("bound") == "upper")["network"])  # fmt: skip
    grid = sheet.grid(n_rows, n_columns, left=left, right=0.02, below=0.04, above=0.42, gap_x=0.3, gap_y=0.68)
    cells = [axes for line in grid for axes in line]
    for axes in cells[len(drawn) :]:
        axes.remove()
    for i, (network, axes) in enumerate(zip(drawn, cells, strict=False)):
        row = shown.filter(pl.col("network") == network).row(0, named=True)
        axes.set_axis_off()
        axes.set_ylim(rows - 0.5, -0.5)
        if row["profit_usd_per_hour"] is None:
            _words_only(axes, row, at_most=network in bounded)
        else:
            _bars(axes, steps.filter(pl.col("network") == network), look.network(network)[0], row,
                  floor=network in floors)  # fmt: skip
        if i % n_columns == 0:
            _step_names(axes, left, tokens=has_tokens)
        _panel_title(axes, sheet.height, look, row)
    return sheet.figure


def _of(margins: pl.DataFrame, heads: pl.DataFrame) -> Any:
    """The rows of ``margins`` that ``heads`` stands for, with its own types."""
    keys = set(heads.select("network", "accelerator", "archetype").rows())
    wanted = [
        (n, a, str(t)) in keys
        for n, a, t in margins.select("network", "accelerator", pl.col("archetype").cast(pl.String)).iter_rows()
    ]
    return margins.filter(pl.Series(wanted, dtype=pl.Boolean))


def _bars(axes: Axes, steps: pl.DataFrame, colour: str, row: Row, *, floor: bool) -> None:
    """One bar a step, its amount beside it, hairlines from bar to bar.

    With a ``floor`` the network may keep more than is told: its share is at least that, what is left at most.
    """
    kept = f" ({fee(row['network_take_share'])})" if row["network_take_share"] is not None else ""
    told = {s: usd(v) for s, v in steps.select("step", "usd_per_hour").rows()}
    if floor:
        # What is taken away is written below zero.
        told |= {
            "network_take": f"{AT_LEAST} {told['network_take'].removeprefix(MINUS)}",
            "profit": f"{AT_MOST} {told['profit']}",
        }
    told["network_take"] += kept
    spans = {step: (min(ends), max(ends)) for step, *ends in
             steps.select("step", "from_usd_per_hour", "to_usd_per_hour").rows()}  # fmt: skip
    rooms = {step: 0.08 + text_width(text, _SIZE, bold=True) for step, text in told.items()}
    (low, high), left = _limits(spans, rooms, axes.get_position().width * WIDTH)
    axes.set_xlim(low, high)
    axes.axvline(0, color=MUTED, lw=0.6, gid="zero")
    last = None
    for step in steps.iter_rows(named=True):
        y, start, end = _PLACES[step["step"]], step["from_usd_per_hour"], step["to_usd_per_hour"]
        gain = step["step"] in ("profit", "token_rewards")
        tint = colour if step["step"] == "tenant" else _STEPS.get(step["step"], ("", colour))[1]
        if step["step"] == "profit" and end < 0:
            tint = NEGATIVE
        apart = step["step"] == "token_rewards"
        live = row["layer"] == "live" and not apart
        axes.barh(
            y, end - start, left=start, height=0.68, facecolor=tint if live else "white", edgecolor=tint,
            lw=0.7, hatch="......" if apart else None if live else "//////",
            gid=f"bar:{row['network']}:{step['step']}",
        )  # fmt: skip
        if last is not None and not apart:
            axes.plot([last[1]] * 2, [last[0], y], color=LINE, lw=0.6, zorder=0)
        last = (y, end)
        loss = gain and step["usd_per_hour"] < 0
        outward = -1 if step["step"] in left else 1
        right = max(start, end) if outward > 0 else min(start, end)
        axes.annotate(
            told[step["step"]], (right, y), xytext=(3 * outward, 0), textcoords="offset points", fontsize=_SIZE,
            va="center", ha="left" if outward > 0 else "right",
            weight="bold" if step["step"] in ("tenant", "profit") else "normal",
            color=NEGATIVE if loss else INK, gid=f"amount:{row['network']}:{step['step']}",
        )  # fmt: skip


def _limits(
    spans: Mapping[str, tuple[float, float]], rooms: Mapping[str, float], width: float
) -> tuple[tuple[float, float], set[str]]:
    """The ends of a panel in which bars are as long as their amounts leave room for; whose amounts stand left of them.

    ``spans`` has each bar's ends, ``rooms`` the inches its amount takes. An amount stands right of its bar, unless
    there is room between it and zero; left of a bar below zero, where the line at zero would cross it.

    >>> _limits({"tenant": (0.0, 2.0), "power": (1.5, 2.0)}, {"tenant": 0.5, "power": 0.6}, 2.5)
    ((0.0, 2.5), {'power'})
    """
    left = {s for s, (start, end) in spans.items() if end < 0 or (s not in ("tenant", "profit") and start > 0)}
    while True:
        rights = [(0.0, 0.0), *((end, 0.0 if s in left else rooms[s]) for s, (_, end) in spans.items())]
        lefts = [(0.0, 0.0), *((start, rooms[s] if s in left else 0.0) for s, (start, _) in spans.items())]
        per_inch = max((y - x) / (width - after - before) for y, after in rights for x, before in lefts) or 1.0
        crossing = {s for s in left if 0 < spans[s][0] < rooms[s] * per_inch}
        if not crossing:
            low = min(start - before * per_inch for start, before in lefts)
            return (low, low + width * per_inch), left
        left -= crossing


def _words_only(axes: Axes, row: Row, *, at_most: bool) -> None:
    """What stands in the panel of a network that pays its nodes in tokens."""
    width = axes.get_position().width * WIDTH
    axes.set_xlim(0, 1)
    reward, costs = row["reward_usd_per_hour"], [row[f"{part}_usd_per_hour"] for part in ("power", "opex", "capital")]
    told = "Nodes are paid in newly minted tokens, not out of the tenant's bill, so there is nothing to split. "
    told += (
        f"A node's tokens are worth {'at most ' if at_most else ''}{usd(reward)} an hour at today's token price"
        if reward is not None
        else "What a node's tokens are worth is not known"
    )
    told += "." if None in costs else f"; its power, upkeep and capital cost {usd(sum(costs))}."
    axes.text(
        0, 0.9, "\n".join(wrap(told, 7, width - 0.1)), fontsize=7, color=MUTED, va="top", linespacing=1.35,
        gid=f"words:{row['network']}",
    )  # fmt: skip


def _step_names(axes: Axes, left: float, *, tokens: bool) -> None:
    """The names of the steps at the sheet's left edge."""
    width = axes.get_position().width * WIDTH
    named = {step: words for step, (words, _) in _STEPS.items()} | ({"token_rewards": _TOKENS} if tokens else {})
    for step, words in named.items():
        axes.text(
            -left / width + 0.02, _PLACES[step], words, transform=axes.get_yaxis_transform(), fontsize=7.2,
            va="center", ha="left", weight="bold" if step in ("tenant", "profit") else "normal",
        )  # fmt: skip


def _panel_title(axes: Axes, height: float, look: Look, row: Row) -> None:
    """Whose hour it is: network, chip, kind of provider, use and how that is known."""
    width = axes.get_position().width * WIDTH
    tall = axes.get_position().height * height
    name = fit(look.names(row["network"]), 8, width, bold=True)
    what = f"{look.names(row['accelerator'])}, {look.names(row['archetype'])}"
    kind = KIND_WORDS.get(row["utilisation_kind"] or "", "kind not known")
    used = f"{percent(row['utilisation'])} used ({kind})"
    style: dict[str, Any] = {"transform": axes.transAxes, "va": "bottom"}
    colour = look.network(row["network"])[0] if look.is_named(row["network"]) else INK
    axes.text(0, 1 + 0.25 / tall, name, fontsize=8, weight="bold", color=colour, gid="panel", **style)
    axes.text(0, 1 + 0.13 / tall, fit(what, _SIZE, width), fontsize=_SIZE, color=MUTED, gid="work", **style)
    axes.text(0, 1 + 0.02 / tall, fit(used, _SIZE, width), fontsize=_SIZE, color=MUTED, gid="work", **style)
