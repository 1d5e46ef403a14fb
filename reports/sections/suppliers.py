"""What suppliers keep."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from reports import view, words
from reports.sections.page import Page
from reports.sections.parts import (
    Cell,
    Part,
    change_cell,
    column,
    paragraph,
    span_words,
    subheading,
    table_part,
    use_words,
)
from reports.words import percent, usd

_MOST_ROWS = 120
_MOST_CHIPS = 8
_MOST_REASONS = 8
_TITLE = "What suppliers keep"


def margins(page: Page) -> Part:
    """What suppliers keep: step by step, how full they are, over time, and on the chip that stands for the network."""
    shown = [page.margin_of[n] for n in page.headlines["network"] if n in page.margin_of]
    parts = [*page.charts_if_there("provider_waterfall", "utilisation"), page.chart("margin_erosion")]
    if not shown:
        return {"title": _TITLE, "parts": [*parts, paragraph("No supplier's margin is known in this run.")]}
    parts += [subheading("The chip that stands for each network"), *_table(page, shown, [])]
    return {"title": _TITLE, "parts": parts}


def every_margin(page: Page) -> Part | None:
    """Every other chip of which a margin is known, bounded; why the others have none."""
    every = view.margins_in_order(page.headlines, page.analysis.margins)
    if every.is_empty():
        return None
    told = pl.col("full_margin").is_not_null() | pl.col("full_margin_with_rewards").is_not_null()
    known = every.filter(told)
    shown = known.group_by("network", maintain_order=True).head(_MOST_CHIPS).head(_MOST_ROWS)
    notes = []
    if (more := every.height - shown.height) > 0:
        notes.append(f"{words.plural(more, 'further row')}, those without a known margin among them, in margins.csv.")
    return (
        {"title": "Appendix: margins by chip", "parts": _table(page, view.rows(shown), notes)} if shown.height else None
    )


def _table(page: Page, rows: Sequence[view.Row], notes: Sequence[str]) -> list[Part]:
    body: list[list[Cell]] = []
    reasons: dict[str, list[str]] = {}
    for r in rows:
        if r["not_known"]:
            reasons.setdefault(page.told(r["not_known"]), []).append(
                f"{page.names(r['network'])}, {page.names(r['accelerator'])}"
            )
        full = change_cell(r["full_margin"], unknown="n/k")
        band = span_words(r["full_margin_low"], r["full_margin_high"], percent)
        money = [usd(r[f"{part}_usd_per_hour"], unknown="n/k") for part in ("power", "opex", "capital", "profit")]
        body.append(
            [
                {
                    "text": words.shorten(page.names(r["network"]), 34),
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
    told = [
        "Amounts in USD per calendar hour and accelerator; price in USD per rented accelerator-hour. Margins in % "
        "of what the supplier receives; full margin counts capital. Breaks even: the price, and beneath it the "
        "share of hours rented, at which the full margin is zero. n/k: not known.",
        *(f"n/k: {why} ({'; '.join(dict.fromkeys(places))})." for why, places in list(reasons.items())[:_MOST_REASONS]),
    ]
    if len(reasons) > _MOST_REASONS:
        told.append(f"{words.plural(len(reasons) - _MOST_REASONS, 'further reason')} in margins.csv.")
    return [table_part(columns, body, [*told, *notes])]
