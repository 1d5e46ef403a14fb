"""Scenarios: how far cloud cost may fall and when what is lost; sensitivity: what decides it."""

from __future__ import annotations

from typing import Any

import polars as pl

from reports import view, words
from reports.sections.page import Page
from reports.sections.parts import Cell, Part, change_cell, column, paragraph, subheading, table_part
from reports.words import NOT_KNOWN, REFERENCE_WORDS, percent

_MOST_SCENARIOS = 8
_MOST_NETWORKS = 40
_MOST_DRIVERS = 60


def erosion(page: Page) -> Part:
    """How far cloud cost may fall, the paths of every scenario, how clouds price, and when what is lost."""
    title = "Scenarios: how far cloud cost may fall"
    parts = [
        page.chart("advantage_erosion"),
        page.chart("headroom"),
        *page.charts_if_there("pricing_choice", "breakeven_dates"),
    ]
    average = page.outlook.filter(pl.col("pricing") == "fleet_average")
    scenarios = view.ordered_scenarios(average) if average.height else []
    if not scenarios:
        return {"title": title, "parts": [paragraph("No outlook could be computed."), *parts]}
    shown = scenarios[:_MOST_SCENARIOS]
    pair = page.future_pair or view.ordered_pairs(average)[0]
    parts.append(subheading("When the lead and the margin are gone"))
    cloud = page.names.long_pair(*pair)
    for told, rows in (
        (
            f"The buyer's lead over the list price of {cloud}",
            view.of_pair(average, pair).filter(pl.col("quantity") == "advantage", pl.col("reference") == "list"),
        ),
        (
            "The full margin of a node bought at the time, without token rewards",
            average.filter(pl.col("quantity") == "full_margin_new_node").unique(
                ["network", "scenario"], keep="first", maintain_order=True
            ),
        ),
    ):
        known = rows.filter(pl.col("state") != "not_comparable")
        networks = known["network"].unique(maintain_order=True).to_list()
        if not networks:
            parts.append(paragraph(f"{told}: not known of any network.", quiet=True))
            continue
        body: list[list[Cell]] = []
        for network in networks[:_MOST_NETWORKS]:
            by_scenario = {r["scenario"]: r for r in view.rows(known.filter(pl.col("network") == network))}
            today = next(iter(by_scenario.values()))["today"]
            cells = [_outlook_cell(by_scenario.get(s)) for s in shown]
            body.append([words.shorten(page.names(network), 34), change_cell(today), *cells])
        columns = [
            column(told, 2.2),
            column("Today", 0.65, right=True),
            *(column(page.names(s), 1.15, right=True) for s in shown),
        ]
        notes = []
        if (missing := page.headlines.height - len(networks)) > 0:
            notes.append(f"Not known of {words.plural(missing, 'further network')}.")
        if len(networks) > _MOST_NETWORKS:
            notes.append(f"{len(networks) - _MOST_NETWORKS} further networks are in erosion.csv.")
        parts.append(table_part(columns, body, notes))
    parts.append(
        paragraph(
            f"Not reached: by the end of {average['horizon'][0].year}. "
            "Clouds price at the average cost of their whole fleet. A month is that by which half of the draws have "
            "lost it; beneath it the share of the draws lost by the end of the horizon, which is never given as a "
            "date. Every cloud and reference is in erosion.csv.",
            quiet=True,
        )
    )
    return {"title": title, "parts": parts}


def sensitivity(page: Page) -> Part:
    """What decides the outlook: the tornado, what is stressed, and the two leading inputs of every network."""
    told = [*page.charts_if_there("tornado", "stress", "stress_map", "sobol", "sensitivity"), *drivers(page)]
    return {
        "title": "Sensitivity: what decides",
        "parts": told or [paragraph("Nothing moves any outlook in this run.")],
    }


def drivers(page: Page) -> list[Part]:
    """The two inputs that move each outlook most, and the age of what it rests on."""
    body: list[list[Cell]] = []
    found = view.headline_drivers(page.outlook, page.analysis.drivers)
    left_out, found = len(found[_MOST_DRIVERS:]), found[:_MOST_DRIVERS]
    for r in found:
        alike = [x for x in found if x["network"] == r["network"]]
        outer: list[Cell] = [{"text": words.shorten(page.names(r["network"]), 34), "strong": True, "rows": len(alike)}]
        what = "Supplier, node bought then"
        if r["quantity"] == "advantage":
            what = f"Buyer, {page.names.long_pair(r['cloud'], r['silicon'])}"
        body.append(
            [
                *(outer if r is alike[0] else []),
                {"text": what, "under": REFERENCE_WORDS[r["reference"]]} if r["quantity"] == "advantage" else what,
                change_cell(r["at_horizon"], unknown=NOT_KNOWN),
                _driver_cell(r["first"]),
                _driver_cell(r["second"]),
                ", ".join(part for part in (words.age(r["data_age_days"]), words.aged(r["freshness"])) if part),
            ]
        )
    if not body:
        return []
    horizon = found[0]["horizon"].year
    columns = [
        column("Network", 1.1),
        column("Quantity", 2.3),
        column(f"End of {horizon}", 0.8, right=True),
        column("Moved most by", 2.5),
        column("and by", 2.5),
        column("Oldest data", 0.8, right=True),
    ]
    note = (
        "Base scenario, clouds priced at the average of their fleet. Each input alone goes from its low to its "
        "high value; beneath it the result at either. Oldest data: price, measured fact or cost estimate in it. "
        f"All inputs{f' and {left_out} further quantities' if left_out else ''} are in drivers.csv."
    )
    return [subheading("What moves the outlook most"), table_part(columns, body, [note])]


def _outlook_cell(row: view.Row | None) -> Cell:
    """``Mar 2029`` by which half of the draws are lost, ``already lost`` or ``not reached``, and the share lost."""
    if row is None or row["state"] == "not_comparable":
        return {"text": "n/c", "quiet": True}
    if row["state"] == "already_lost":
        return {"text": "already lost", "tone": "bad"}
    lost = row["probability_lost"]
    date = row["date_p50"] if lost is not None else row["date"]
    made: dict[str, Any] = {
        "text": words.month(date, unknown="not reached"),
        "tone": "good" if date is None else "warn",
    }
    return made if lost is None else made | {"under": f"{percent(lost)} lost"}


def _driver_cell(row: view.Row | None) -> Cell:
    """An input with its band, and beneath it the result at either end."""
    if row is None or not row["swing"]:
        return {"text": "no other", "quiet": True}
    name = row["input"].split("[")[0].replace("reference_", "cloud's ").replace("network_", "network's ")
    name = name.replace("_", " ").replace("usd", "USD")
    band = f"{_short(row['input_low'], row['unit'])} to {_short(row['input_high'], row['unit'])}"
    ends = f"{percent(row['at_low'], signed=True)} to {percent(row['at_high'], signed=True)}"
    return {"text": f"{name}, {band}", "under": ends}


def _short(value: float, unit: str) -> str:
    """Three figures; what is larger whole, a year with its part."""
    if unit == "year":
        return f"{value:.1f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
