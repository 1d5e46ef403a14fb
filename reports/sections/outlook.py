"""Scenarios: how far cloud cost may fall and when what is lost; sensitivity: what decides it."""

from __future__ import annotations

from datetime import date

import polars as pl

from depin_compare.economics.nodes import hardware_of
from reports import view, words
from reports.sections.page import Page
from reports.sections.parts import (
    Cell,
    Part,
    bounded,
    change_cell,
    column,
    date_cell,
    paragraph,
    subheading,
    table_part,
)
from reports.verdict_words import MOST_TODAY
from reports.words import AT_MOST, REFERENCE_WORDS, percent

_MOST_SCENARIOS = 8
_MOST_NETWORKS = 40
_MOST_DRIVERS = 80
_NOT_COMPARABLE, _NOT_KNOWN = "n/c", "n/k"
_MEANINGS = {
    _NOT_COMPARABLE: "not comparable, the cloud has no such price",
    _NOT_KNOWN: "not known; why is on the network's page",
}
_AGED = {"stale": "some of it stale", "expired": "some past its limit"}
_SHARES_SHOWN = 3
_LEAST_SHARE = 0.01


def erosion(page: Page) -> Part:
    """How far cloud cost may fall, the paths of every scenario, how clouds price, and when what is lost."""
    title = "Scenarios: how far cloud cost may fall"
    parts = [
        page.chart("headroom"),
        page.chart("advantage_erosion"),
        *page.charts_if_there("pricing_choice", "breakeven_dates"),
    ]
    average = page.outlook.filter(pl.col("pricing") == "fleet_average")
    scenarios = view.ordered_scenarios(average) if average.height else []
    if not scenarios:
        return {
            "title": title,
            "parts": [
                paragraph(f"No lead over a cloud's price can be followed: {words.NO_PAIR}."),
                *parts,
            ],
        }
    shown, most_today = scenarios[:_MOST_SCENARIOS], False
    pair = page.future_pair or view.ordered_pairs(average)[0]
    cloud, today = page.names.long_pair(*pair), page.analysis.as_of.date()
    for told, unknown, rows in (
        (
            f"When the buyer's lead over the list price of {cloud} is gone",
            _NOT_COMPARABLE,
            view.of_pair(average, pair).filter(pl.col("quantity") == "advantage", pl.col("reference") == "list"),
        ),
        (
            "When the full margin of a node bought at the time, without token rewards, is gone",
            _NOT_KNOWN,
            average.filter(pl.col("quantity") == "full_margin_new_node").unique(
                ["network", "scenario"], keep="first", maintain_order=True
            ),
        ),
    ):
        known = rows.filter(pl.col("state") != "not_comparable")
        networks = known["network"].unique(maintain_order=True).to_list()
        if not networks:
            parts += [subheading(told), paragraph("Not known of any network.", quiet=True)]
            continue
        body: list[list[Cell]] = []
        for network in networks[:_MOST_NETWORKS]:
            by_scenario = {r["scenario"]: r for r in view.rows(known.filter(pl.col("network") == network))}
            central = next(iter(by_scenario.values()))["today"]
            cells = [date_cell(by_scenario.get(s), today, unknown=unknown, lost=True) for s in shown]
            most_today |= any(cell["text"].startswith(MOST_TODAY) for cell in cells)
            now = change_cell(central, unknown=unknown)
            if unknown == _NOT_KNOWN and isinstance(now, dict):
                now = bounded(now, AT_MOST, when=network in page.fee_floors)
            body.append([words.shorten(page.names(network), 34), now, *cells])
        columns = [
            column("Network", 2.2),
            column("Today", 0.65, right=True),
            *(column(page.names(s), 1.15, right=True) for s in shown),
        ]
        notes = []
        missing = [page.names(n) for n in page.headlines["network"] if n not in set(networks)]
        if missing:
            notes.append(f"Not known of {words.listing(missing)}.")
        if len(networks) > _MOST_NETWORKS:
            notes.append(f"{len(networks) - _MOST_NETWORKS} further networks are in erosion.csv.")
        if any(isinstance(cell, dict) and cell["text"] == unknown for row in body for cell in row):
            notes.append(f"{unknown}: {_MEANINGS[unknown]}.")
        parts += [subheading(told), table_part(columns, body, notes)]
    at_start = "most draws today: at the start already, whatever central inputs say; " if most_today else ""
    key = (
        "Today, and lost today: at central inputs. A month is the first in which it is below zero in half of the "
        f"draws; {at_start}not reached: in fewer than half, up to the end of {average['horizon'][0].year}. Beneath "
        "it, where a lead is not lost today, the share of the draws in which it is below zero at some time. Clouds "
        "price at the average cost of their whole fleet. Every cloud and reference is in erosion.csv."
    )
    for part in [part for part in parts if part["type"] == "table"][:1]:
        part["notes"].append(key)
    return {"title": title, "parts": parts}


def sensitivity(page: Page) -> Part:
    """What decides the outlook: the tornado, what is stressed, the two leading inputs, and their shares of all."""
    told = [*page.charts_if_there("tornado", "stress"), *drivers(page), *variance_shares(page)]
    return {
        "title": "Sensitivity: what decides",
        "parts": told or [paragraph("Nothing moves any outlook in this run.")],
    }


def drivers(page: Page) -> list[Part]:
    """The two inputs that move each outlook most, and the age of what it rests on."""
    body: list[list[Cell]] = []
    found = view.headline_drivers(page.outlook, page.analysis.drivers, page.future_pair)
    left_out, found = len(found[_MOST_DRIVERS:]), found[:_MOST_DRIVERS]
    for r in found:
        alike = [x for x in found if x["network"] == r["network"]]
        outer: list[Cell] = [{"text": words.shorten(page.names(r["network"]), 34), "strong": True, "rows": len(alike)}]
        old: Cell = _oldest(page, r)
        if mark := _AGED.get(r["freshness"] or ""):  # of a price or use, which need not be the oldest
            old = {"text": old, "under": mark}
        body.append(
            [
                *(outer if r is alike[0] else []),
                _quantity(r),
                _at_horizon(page, r),
                _driver_cell(r["first"], "no input"),
                _driver_cell(r["second"], "no other"),
                old,
            ]
        )
    if not body:
        return []
    horizon = found[0]["horizon"].year
    columns = [
        column("Network", 1.0),
        column("Quantity", 1.2),
        column(f"End of {horizon}", 0.6, right=True),
        column("Moved most by", 1.85),
        column("Moved next by", 1.85),
        column("Oldest data", 0.65, right=True),
    ]
    undated = ""
    ages = [cell["text"] if isinstance(cell, dict) else cell for row in body for cell in row[-1:]]
    if any(age.endswith(", no day") for age in ages):
        undated = "; no day: the price of the hardware, on pages that tell the year at most"
    against = f", against {page.names.long_pair(*page.future_pair)}" if page.future_pair else ""
    note = (
        f"Base scenario{against}, clouds priced at the average of their fleet; at central inputs, medians of the draws "
        "are on the network pages. Beneath an input: from where to where it goes alone, and the result at either end. "
        f"Oldest data: price, measured fact or cost estimate in it{undated}. "
        f"All inputs{f' and {left_out} further quantities' if left_out else ', clouds and references'} are in "
        "drivers.csv."
    )
    return [subheading("What moves the outlook most"), table_part(columns, body, [note])]


def variance_shares(page: Page) -> list[Part]:
    """The inputs with the largest part in the spread of each outlook, all of them uncertain at once."""
    known = view.plain(page.analysis.sensitivity).filter(
        pl.col("measure") == "value", pl.col("pricing") == "fleet_average", pl.col("total").is_not_null()
    )
    if known.is_empty():
        return []
    known = known.filter(pl.col("scenario") == view.ordered_scenarios(known)[0])
    buyer = known.filter(pl.col("quantity") == "advantage", pl.col("reference") == "list")
    pairs = view.ordered_pairs(buyer)
    pair = page.future_pair if page.future_pair in pairs else pairs[0] if pairs else None
    asked = [known.filter(pl.col("quantity") == "full_margin_new_node")]
    columns = [column("Network", 1.0), column("Margin of a node bought then", 2.7)]
    if pair is not None:
        asked.insert(0, view.of_pair(buyer, pair))
        columns.insert(1, column(f"Buyer's lead over the list price of {page.names.long_pair(*pair)}", 3.4))
    where = f"{page.names.pair(*pair)}, {words.month(known['at'][0])}" if pair is not None else ""
    body: list[list[Cell]] = []
    for network in page.headlines["network"]:
        leading = [part.filter(pl.col("network") == network).sort("total", descending=True) for part in asked]
        if any(part.height for part in leading):
            name: Cell = {"text": words.shorten(page.names(network), 34), "strong": True}
            body.append([name, *(_shares_cell(part) for part in leading)])
    if not body:
        return []
    notes = [
        f"{page.names(known['scenario'][0])} scenario, {words.month(known['at'][0])}. Part of the result's variance in "
        "which an input has a share, alone or together with others (total Sobol index), so that they may add up to "
        "more than all. Worked out for one cloud, the first of Azure, AWS and Google whose NVIDIA machines can be "
        "compared, and at five years from today, or at the horizon where that is nearer."
    ]
    if any(isinstance(cell, dict) and cell["text"] == _NOT_KNOWN for row in body for cell in row):
        notes.append(f"{_NOT_KNOWN}: {_MEANINGS[_NOT_KNOWN]}.")
    if len(body) > _MOST_NETWORKS:
        notes.append(f"{len(body) - _MOST_NETWORKS} further networks are in analysis.json.")
    return [
        subheading(f"What decides when all inputs are uncertain at once{f': {where}' if pair else ''}"),
        table_part(columns, body[:_MOST_NETWORKS], notes),
    ]


def _shares_cell(part: pl.DataFrame) -> Cell:
    """The leading inputs with their shares: the first, and beneath it the next."""
    told = [
        f"{words.input_words(name)} {percent(share)}"
        for name, share in part.head(_SHARES_SHOWN).select("input", "total").iter_rows()
        if share >= _LEAST_SHARE
    ]
    if not told:
        return {"text": _NOT_KNOWN, "quiet": True}
    return {"text": told[0], "under": "; ".join(told[1:])} if told[1:] else told[0]


def _oldest(page: Page, row: view.Row) -> str:
    """The age of the oldest number a quantity rests on; of hardware prices only the year may be known."""
    age = row["data_age_days"]
    if row["quantity"] == "advantage" or age is None or row["archetype"] is None:
        return words.age(age)
    hardware = hardware_of(row["accelerator"], row["archetype"])
    for one in [] if hardware is None else view.rows(hardware[2]):
        source = page.publications.get(one["source_id"], {})
        read, year = source.get("accessed") == one["as_of"], one["as_of"].year
        if (
            read
            and len(source["published"] or "") <= len("2026")
            and age < (page.analysis.as_of.date() - date(year, 1, 1)).days
        ):
            return f"{year}, no day"
    return words.age(age)


def _at_horizon(page: Page, row: view.Row) -> Cell:
    """The result at the horizon; a supplier's is a bound where the network may keep more than it publishes."""
    cell = change_cell(row["at_horizon"], unknown=_NOT_KNOWN)
    of_supplier = row["quantity"] != "advantage" and row["network"] in page.fee_floors
    return bounded(cell, AT_MOST, when=of_supplier) if isinstance(cell, dict) else cell


def _quantity(row: view.Row) -> str:
    if row["quantity"] == "advantage":
        return f"Buyer over {REFERENCE_WORDS[row['reference']].lower()}"
    return "Supplier's new node"


def _driver_cell(row: view.Row | None, nothing: str) -> Cell:
    """An input; beneath it its band, and the result at either end."""
    if row is None or percent(row["at_low"]) == percent(row["at_high"]):
        return {"text": nothing, "quiet": True}
    span = words.input_span(row["input_low"], row["input_high"], row["unit"])
    ends = f"{percent(row['at_low'], signed=True)} to {percent(row['at_high'], signed=True)}"
    return {"text": words.input_words(row["input"]), "under": f"{span}: {ends}"}
