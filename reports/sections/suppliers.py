"""What suppliers keep."""

from __future__ import annotations

from reports import view
from reports.sections.page import Page
from reports.sections.parts import Cell, Part, change_cell, column, paragraph, span_words, table_part, use_words
from reports.words import percent, usd

_MOST_ROWS = 150
_MOST_CHIPS = 10


def margins(page: Page) -> Part:
    """What suppliers keep: over time, and chip by chip today."""
    every = view.margins_in_order(page.headlines, page.analysis.margins)
    rows = view.rows(every.group_by("network", maintain_order=True).head(_MOST_CHIPS).head(_MOST_ROWS))
    body: list[list[Cell]] = []
    reasons: dict[str, list[str]] = {}
    for r in rows:
        if r["not_known"]:
            reasons.setdefault(r["not_known"], []).append(f"{page.names(r['network'])}, {page.names(r['accelerator'])}")
        full = change_cell(r["full_margin"], unknown="n/k")
        band = span_words(r["full_margin_low"], r["full_margin_high"], percent)
        money = [usd(r[f"{part}_usd_per_hour"], unknown="n/k") for part in ("power", "opex", "capital", "profit")]
        body.append(
            [
                {
                    "text": page.names(r["network"]),
                    "under": page.observed(r["observed_at"], r["layer"], r["freshness"]),
                },
                {"text": page.names(r["accelerator"]), "under": r["archetype"].replace("_", " ")},
                usd(r["usd_per_accelerator_hour"]),
                {
                    "text": percent(r["utilisation"], unknown="n/k"),
                    "under": (r["utilisation_kind"] or "").replace("_", " "),
                },
                percent(r["take_rate"], unknown="n/k"),
                *money,
                change_cell(r["cash_margin"], unknown="n/k"),
                full | {"under": band} if isinstance(full, dict) and band else full,
                {
                    "text": usd(r["breakeven_usd_per_accelerator_hour"], unknown="n/k"),
                    "under": use_words(r["breakeven_utilisation"]),
                },
                change_cell(r["full_margin_with_rewards"], unknown="n/k"),
            ]
        )
    columns = [
        column("Network", 2.25),
        column("Accelerator", 1.5),
        column("Price", 0.65, right=True),
        column("Use", 0.95, right=True),
        column("Network keeps", 0.75, right=True),
        *(column(t, 0.78, right=True) for t in ("Power", "Running", "Capital")),
        column("Profit", 0.95, right=True),
        column("Cash margin", 0.65, right=True),
        column("Full margin", 1.2, right=True),
        column("Breaks even", 0.9, right=True),
        column("With rewards", 0.7, right=True),
    ]
    notes = [
        "Amounts in USD per calendar hour and accelerator; price in USD per rented accelerator-hour. Margins in % "
        "of what the supplier receives; full margin counts capital. Breaks even: the price, and beneath it the "
        "share of hours rented, at which the full margin is zero. n/k: not known.",
        *(f"n/k: {why} ({'; '.join(dict.fromkeys(where))})." for why, where in reasons.items()),
    ]
    if len(rows) < every.height:
        notes.append(f"{every.height - len(rows)} further rows are in margins.csv.")
    table = table_part(columns, body, notes) if body else paragraph("No supplier's margin is known in this run.")
    return {"title": "What suppliers keep", "parts": [page.chart("margin_erosion"), table]}
