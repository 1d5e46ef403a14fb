"""What suppliers keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from depin_compare.economics.nodes import PACKAGED_ARCHETYPES, hardware_of, utilisation_facts
from depin_compare.market.freshness import FRESHNESS
from reports import view, words
from reports.reasons import without_margin
from reports.sections.page import Page
from reports.sections.parts import (
    BOUNDED_NOTE,
    Cell,
    Part,
    bounded,
    change_cell,
    column,
    network_keeps,
    paragraph,
    span_words,
    subheading,
    table_part,
    use_words,
    without_advice,
)
from reports.words import AT_LEAST, AT_MOST, percent, usd

__all__ = ["every_margin", "margins", "price_and_use_ages"]

_MOST_ROWS = 120
_MOST_REASONS = 8
_TITLE = "What suppliers keep"
_LEAST = -9.99  # below this a margin says no more


def margins(page: Page) -> Part:
    """What suppliers keep: step by step, how full they are, over time, and on the chip that stands for the network."""
    heads = [page.margin_of[n] for n in page.headlines["network"] if n in page.margin_of]
    shown = [r for r in heads if _is_told(r)]
    missing = [r for r in heads if not _is_told(r)]
    reasons = _reasons(page, missing)
    rest = [h for h in view.rows(page.headlines) if h["network"] not in page.margin_of]
    without: dict[str, list[str]] = {}
    for head in rest:
        without.setdefault(without_margin(head["accelerator"]), []).append(page.names(head["network"]))
    reasons += [f"{reason} ({words.listing(names)})" for reason, names in without.items()]
    why = [f"Margin not known: {'; '.join(reasons)}."] if reasons else []
    # How full nodes are stands beneath the bars, on their page.
    parts = [*page.charts_if_there("provider_waterfall", "utilisation"), page.chart("margin_erosion")]
    if shown:
        parts += [
            subheading(
                "The chip that stands for the network" if len(shown) == 1 else "The chip that stands for each network"
            ),
            _table(page, shown, why),
        ]
    else:
        told = [] if page.has_chart("margin_erosion") else ["No supplier's margin is known in this run."]
        parts += [paragraph(text, quiet=True) for text in [*told, *why]]
    return {"title": _TITLE, "parts": parts}


def every_margin(page: Page) -> Part | None:
    """Every chip of which a margin is known, those most on offer first; how many others there are."""
    every = view.margins_in_order(page.headlines, page.analysis.margins, page.analysis.market_prices)
    if every.is_empty():
        return None
    known = every.filter(pl.col("full_margin").is_not_null() | pl.col("full_margin_with_rewards").is_not_null())
    shown = known
    most = known.height
    while shown.height > _MOST_ROWS:
        most = min(most, max(shown["network"].value_counts()["count"].to_list())) - 1
        shown = known.group_by("network", maintain_order=True).head(most)
    if shown.is_empty():
        return None
    rule = "Of each network the chip that stands for it first, then those most on offer"
    notes = [f"{rule}; at most {most} a network." if shown.height < known.height else f"{rule}."]
    if (cut := known.height - shown.height) > 0:
        notes.append(f"{words.plural(cut, 'further chip')} with a known margin in margins.csv.")
    if (without := every.height - known.height) > 0:
        notes.append(f"{words.plural(without, 'row')} without a known margin, with the reasons, in margins.csv.")
    return {"title": "Appendix: margins by chip", "parts": [_table(page, view.rows(shown), notes)]}


def _is_told(row: view.Row) -> bool:
    """Whether more than the price is known of a node."""
    told = ("capital_usd_per_hour", "breakeven_usd_per_accelerator_hour", "full_margin", "full_margin_with_rewards")
    return any(row[name] is not None for name in told)


def _reasons(page: Page, rows: Sequence[view.Row]) -> list[str]:
    """Why margins are not known: what each row lacks, once, with the networks and chips it is true of."""
    found: dict[str, dict[str, dict[str, None]]] = {}
    for row in rows:
        network, chip = page.names(row["network"]), page.names(row["accelerator"])
        told = without_advice(page.told(row["not_known"] or without_margin(row["accelerator"])))
        own = f"{network} publishes no "
        reasons = [
            f"no {reason.removeprefix(own)} published" if reason.startswith(own) else reason
            for reason in told.replace(f" of {chip} at {network} is ", " is ").split("; ")
        ]
        why = ", and ".join(reasons).replace("this chip", "the chip")
        chips = found.setdefault(why, {}).setdefault(network, {})
        if not all(reason.startswith(own) for reason in told.split("; ")):
            chips[chip] = None
    shown = list(found.items())[:_MOST_REASONS]
    more = len(found) - len(shown)
    return [
        *(f"{why} ({_places(places)})" for why, places in shown),
        *([f"{words.plural(more, 'further reason')} in margins.csv"] if more else []),
    ]


def _places(chips: Mapping[str, Iterable[str]]) -> str:
    """Networks, each with the chips meant, if not all of them.

    >>> _places({"A": [], "B": []}), _places({"Render": ["RTX 4090", "RTX 5090"], "Golem": ["L4"]})
    ('A and B', 'Render: RTX 4090 and RTX 5090; Golem: L4')
    """
    if not any(chips.values()):
        return words.listing(chips)
    return "; ".join(f"{network}: {words.listing(mine)}" if mine else network for network, mine in chips.items())


def _or_unknown(value: float | None, form: Callable[[float], str]) -> Cell:
    """A number, or that it is not known, as in every column."""
    return {"text": "n/k", "quiet": True} if value is None else form(value)


def _usd_at_most(value: float) -> str:
    return f"{AT_MOST} {usd(value)}"


def _margin(value: float | None) -> dict[str, Any]:
    """A margin, or that it is not known; far below zero only that."""
    made = change_cell(value, unknown="n/k")
    assert isinstance(made, dict)
    return made | {"text": f"<{percent(_LEAST)}"} if value is not None and value < _LEAST else made


def _age(page: Page, at: datetime | None) -> str:
    return "" if at is None else words.age(view.ages_in_days(page.analysis.as_of, [at])[0])


def price_and_use_ages(page: Page, row: view.Row) -> tuple[str, str]:
    """The age of the price, marked if the price itself is stale; how the use is known, and a measured one's age."""
    prices = view.plain(
        page.analysis.market_prices.filter(
            pl.col("network") == row["network"],
            pl.col("accelerator") == row["accelerator"],
            pl.col("terms") == "on_demand",
        )
    )
    fresh = prices["freshness"][0] if prices.height else row["freshness"]
    layer = row["layer"] or "undated"
    old = "" if layer == "live" else _age(page, row["observed_at"])
    price = ", ".join(w for w in (layer, old, words.aged(fresh)) if w)
    kind = (row["utilisation_kind"] or "").replace("_", " ")
    used = utilisation_facts(page.analysis.facts, row["network"], row["accelerator"])
    if row["utilisation_kind"] in (None, "assumption") or used.is_empty() or used["layer"][0] == "live":
        return price, kind
    # A row's freshness is the worst of what it rests on: what the price does not explain is the use's.
    worse = row["freshness"] is not None and FRESHNESS.index(row["freshness"]) > FRESHNESS.index(fresh or "fresh")
    age = _age(page, used["observed_at"][0])
    return price, ", ".join(w for w in (kind, age, words.aged(row["freshness"]) if worse else "") if w)


def _table(page: Page, rows: Sequence[view.Row], notes: Sequence[str]) -> Part:
    body: list[list[Cell]] = []
    no_rewards: dict[str, list[str]] = {}
    shares = view.take_shares(page.analysis.margins)
    for r in rows:
        full = _margin(r["full_margin"])
        sunk = (r["full_margin_low"] or 0.0) < _LEAST
        band = "" if sunk else span_words(r["full_margin_low"], r["full_margin_high"], percent)
        price_age, use_age = price_and_use_ages(page, r)
        rewarded, why = _rewarded(r, _known_rewards(page, r["network"]))
        if why:
            no_rewards.setdefault(why, []).append(page.names(r["network"]))
        floor = r["network"] in page.fee_floors
        needs: dict[str, str] = {"under": use_words(r["breakeven_utilisation"], narrow=True, at_least=floor)}
        breakeven = _or_unknown(r["breakeven_usd_per_accelerator_hour"], usd)
        full = bounded(full, AT_MOST, when=floor)
        breakeven = f"{AT_LEAST} {breakeven}" if floor and isinstance(breakeven, str) else breakeven
        body.append(
            [
                {
                    "text": words.shorten(page.names(r["network"]), 34),
                    "under": f"{page.names(r['accelerator'])}, {r['archetype'].replace('_', ' ')}",
                },
                {"text": usd(r["usd_per_accelerator_hour"]), "under": price_age},
                {"text": percent(r["utilisation"], unknown="n/k"), "under": use_age},
                network_keeps(
                    shares.get(r["network"]), page.tokens_found.get((r["network"], "network_take"), []), narrow=True
                ),
                *(_or_unknown(r[f"{part}_usd_per_hour"], usd) for part in ("power", "opex", "capital")),
                _or_unknown(r["profit_usd_per_hour"], _usd_at_most if floor else usd),
                bounded(_margin(r["cash_margin"]), AT_MOST, when=floor),
                full | {"under": band} if band else full,
                {"text": breakeven} | needs if isinstance(breakeven, str) else breakeven,
                rewarded,
            ]
        )
    columns = [
        column("Network and chip", 1.38),
        column("Price", 0.94, right=True),
        column("Use", 0.74, right=True),
        column("Network keeps", 0.66, right=True),
        column("Power", 0.49, right=True),
        column("Upkeep", 0.47, right=True),
        column("Capital", 0.47, right=True),
        column("Profit", 0.64, right=True),
        column("Cash margin", 0.49, right=True),
        column("Full margin", 0.75, right=True),
        column("Breaks even", 0.62, right=True),
        column("With rewards", 0.54, right=True),
    ]
    unknown = [r for r in rows if r["full_margin"] is None and r["not_known"]]
    told = [
        "At central inputs. Amounts in USD per calendar hour and accelerator; price in USD per rented "
        "accelerator-hour. Network keeps: share of the tenant's bill, fees on both its sides and the spread on minting "
        "counted. Margins in % of what the supplier receives; full margin counts capital, its band beneath it. Breaks "
        "even, its full margin zero: at this price and the row's use, or at the row's price and the use beneath it.",
        f"n/k: not known{': ' if unknown else ''}{'; '.join(_reasons(page, unknown))}.",
    ]
    told += _sorts_of_hardware(page, rows)
    told += [BOUNDED_NOTE] if any(r["network"] in page.fee_floors for r in rows) else []
    told += [f"With rewards, {why.format(words.listing(dict.fromkeys(of)))}." for why, of in no_rewards.items()]
    return table_part(columns, body, [*told, *notes])


_BOUGHT_AS = {
    ("system", "new"): "whole new systems",
    ("card", "new"): "new cards",
    ("card", "used"): "used cards",
    ("card", "launch"): "cards at launch",
}


def _sorts_of_hardware(page: Page, rows: Sequence[view.Row]) -> list[str]:
    """Of what sort the prices are that capital rests on, where they are of several: chips then have no one footing."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        if row["capital_usd_per_hour"] is None or row["archetype"] not in PACKAGED_ARCHETYPES:
            continue
        hardware = hardware_of(row["accelerator"], row["archetype"])
        if hardware is not None:
            found.setdefault(_BOUGHT_AS[hardware[:2]], {})[page.names(row["accelerator"])] = None
    if len(found) < 2:
        return []
    told = "; ".join(f"{sort} ({words.listing(chips)})" for sort, chips in found.items())
    return [f"Capital rests on prices of several sorts, cards with an assumed share of the machine: {told}."]


def _rewarded(row: view.Row, rewards: Sequence[view.Row]) -> tuple[Cell, str]:
    """The margin with token rewards; where there is none beside a full margin, why, with room for the names."""
    made = _margin(row["full_margin_with_rewards"])
    paid = [r for r in rewards if r["value"]]
    bounded = bool(paid) and all(r["bound"] == "upper" for r in paid)
    if row["full_margin_with_rewards"] is not None:
        return made | ({"under": "at most"} if bounded else {}), ""
    if row["full_margin"] is None:
        return made, ""
    if not rewards:
        return made, "n/k: no reward an hour is on record of {}"
    if not paid:
        return {"text": words.DASH, "quiet": True}, f"{words.DASH}: no token rewards are paid by {{}}"
    if all("guaranteed_pay" in (r["formula"] or "") for r in paid):
        return made, "n/k: what tenants pay is deducted from the pay that {} guarantees, so it adds no known sum"
    if all(r["subject"] is None for r in paid):
        return made, "n/k: of the rewards of {} only an average over all chips is on record, not that of this chip"
    if all(r["measure"].endswith("online_hour") for r in paid):
        return made, "n/k: only rewards for being online are on record of {}"
    return made, "n/k: what the rewards of {} are worth is not known"


def _known_rewards(page: Page, network: str) -> list[view.Row]:
    """What is on record of a network's rewards an hour; that it pays none is known too."""
    measures = ("subsidy_tokens_per_rented_hour", "subsidy_tokens_per_online_hour")
    return [r for m in measures for r in page.tokens_found.get((network, m), []) if r["value"] is not None]
