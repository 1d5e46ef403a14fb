"""How far cloud cost may fall, when what is lost, and what decides it."""

from __future__ import annotations

from typing import Any

import polars as pl

from reports import view, words
from reports.sections.page import Page
from reports.sections.parts import Cell, Part, change_cell, column, paragraph, subheading, table_part
from reports.words import NOT_KNOWN, REFERENCE_WORDS, percent

_STATE_WORDS = {"already_lost": "already lost", "not_comparable": "not comparable"}


def erosion(page: Page) -> Part:
    """Headroom, when each sign turns, and the buyer's advantage over time."""
    parts = [page.chart("headroom")]
    average = page.outlook.filter(pl.col("pricing") == "fleet_average")
    scenarios = view.ordered_scenarios(average) if average.height else []
    if not scenarios:
        parts += [paragraph("No outlook could be computed."), page.chart("advantage_erosion")]
        return {"title": "How far cloud cost may fall", "parts": parts}
    parts.append(subheading("When the advantage and the margin are gone"))
    parts.append(
        paragraph(
            "Buyer: advantage over that cloud. Supplier: full margin, without token rewards. Clouds are taken to "
            "price at the average cost of their whole fleet. A date is that of the central path, beneath it the "
            "10th to 90th percentile of the draws; the end of the horizon is never given as a date.",
            quiet=True,
        )
    )
    shown = scenarios[:7]
    for network in average["network"].unique(maintain_order=True).to_list()[:12]:
        mine = average.filter(pl.col("network") == network)
        body: list[list[Cell]] = []
        pairs = [p for p in view.HEADLINE_REFERENCES if p in set(view.ordered_pairs(mine))]
        for pair in pairs or view.ordered_pairs(mine):
            for reference in view.REFERENCE_ORDER:
                at = view.of_pair(mine, pair).filter(
                    (pl.col("reference") == reference) & (pl.col("quantity") == "advantage")
                )
                if at.is_empty() or (at["state"] == "not_comparable").all():
                    continue
                by_scenario = {r["scenario"]: r for r in view.rows(at)}
                today = next(iter(by_scenario.values()))["today"]
                body.append(
                    [
                        f"Buyer, {page.names.long_pair(*pair)}",
                        REFERENCE_WORDS[reference],
                        change_cell(today),
                        *(_outlook_cell(by_scenario.get(s)) for s in shown),
                    ]
                )
        for quantity, name in (
            ("full_margin", "Supplier, node bought today"),
            ("full_margin_new_node", "Supplier, node bought then"),
        ):
            margin = mine.filter((pl.col("quantity") == quantity) & (pl.col("state") != "not_comparable"))
            by_scenario = {r["scenario"]: r for r in reversed(view.rows(margin))}
            if by_scenario:
                today = next(iter(by_scenario.values()))["today"]
                cells: list[Cell] = [_outlook_cell(by_scenario.get(s)) for s in shown]
                body.append([{"text": name, "strong": True}, "", change_cell(today), *cells])
            elif quantity == "full_margin":
                reason = mine.filter(pl.col("quantity") == quantity)["not_comparable"].drop_nulls()
                why: Cell = {"text": reason[0] if reason.len() else NOT_KNOWN, "quiet": True}
                body.append([name, why, *[{"text": NOT_KNOWN, "quiet": True}] * (1 + len(shown))])
        columns = [
            column(page.names(network), 2.4),
            column("Reference", 1.5),
            column("Today", 0.7, right=True),
            *(column(page.names(s), 1.3, right=True) for s in shown),
        ]
        parts.append(table_part(columns, body))
    parts += [*drivers(page), page.chart("advantage_erosion")]
    return {"title": "How far cloud cost may fall", "parts": parts}


def drivers(page: Page) -> list[Part]:
    """The two inputs that move each outlook most, and the age of what it rests on."""
    body: list[list[Cell]] = []
    found = view.headline_drivers(page.outlook, page.analysis.drivers)
    for r in found:
        alike = [x for x in found if x["network"] == r["network"]]
        outer: list[Cell] = [{"text": page.names(r["network"]), "strong": True, "rows": len(alike)}]
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
        column("Network", 0.8),
        column("Quantity", 2.1),
        column(f"End of {horizon}", 0.8, right=True),
        column("Moved most by", 2.6),
        column("and by", 2.6),
        column("Oldest data", 0.8, right=True),
    ]
    note = (
        "Base scenario, clouds priced at the average of their fleet. Each input alone goes from its low to its "
        "high value; beneath it the result at either. Oldest data: price, measured fact or cost estimate in it. "
        "All inputs are in drivers.csv."
    )
    return [subheading("What moves the outlook most"), table_part(columns, body, [note])]


def _outlook_cell(row: view.Row | None) -> Cell:
    """``Mar 2029``, ``already lost`` or ``not reached by 2036``."""
    if row is None or row["state"] == "not_comparable":
        return {"text": "n/c", "quiet": True}
    never = f"not reached by {row['horizon'].year}"
    if row["state"] == "already_lost":
        return {"text": _STATE_WORDS["already_lost"], "tone": "bad"}
    low, high = (words.month(row[k]) if row[k] is not None else never for k in ("date_p10", "date_p90"))
    drawn = row["probability_lost"] is not None
    if row["state"] == "not_reached":
        made: dict[str, Any] = {"text": never, "tone": "good"}
        return made if low == never or not drawn else made | {"under": f"10 % of draws by {low}"}
    dated: dict[str, Any] = {"text": words.month(row["date"]), "tone": "warn"}
    return dated | ({"under": low if low == high else f"{low} to {high}"} if drawn else {})


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
