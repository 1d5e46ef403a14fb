"""What an hour costs and did, how prices are spread, where sources disagree; at the end every price in use."""

from __future__ import annotations

from reports import view, words
from reports.sections.page import Page
from reports.sections.parts import Cell, Part, column, linked, paragraph, span_words, subheading, table_part
from reports.words import usd

_MOST_ROWS = 150
_MOST_SPREADS = 30
_MOST_DISCREPANCIES = 15


def prices(page: Page) -> Part:
    """What an hour costs, how prices went, how they are spread, and where sources disagree."""
    parts = [page.chart("price_ladder"), *page.charts_if_there("price_history")]
    return {"title": "Prices", "parts": [*parts, *spreads(page), *discrepancies(page)]}


def every_price(page: Page) -> Part | None:
    """Every price in use with its source, date, layer and age."""
    market = view.prices_in_use(page.analysis.market_prices, page.compared)
    shown = market.head(_MOST_ROWS)
    body: list[list[Cell]] = [
        [
            words.shorten(page.names(r["network"]), 34),
            page.names(r["accelerator"]),
            r["terms"].replace("_", " "),
            usd(r["usd_per_accelerator_hour"]),
            _span_if_wider(r),
            f"{r['n_offers']:,}",
            (r["price_kind"] or "").replace("_", " "),
            linked(words.host(r["source_url"], unknown=page.names(r["source"])), r["source_url"]),
            page.layer_cell(r["observed_at"], r["layer"], r["freshness"]),
        ]
        for r in view.rows(shown)
    ]
    columns = [
        column("Seller", 1.25),
        column("Accelerator", 1.75),
        column("Terms", 0.85),
        column("USD per hour", 0.75, right=True),
        column("Cheapest to dearest", 1.2, right=True),
        column("Offers", 0.55, right=True),
        column("Price kind", 0.8),
        column("Source", 1.7),
        column("Data", 1.7),
    ]
    left_out = page.analysis.market_prices.height - shown.height
    notes = [f"{left_out:,} further market prices, not used on these pages, are in offers.parquet."] if left_out else []
    parts = [table_part(columns, body, notes)] if body else [paragraph("No price is in use: no source gave one.")]
    return {"title": "Appendix: prices in use", "parts": parts}


def spreads(page: Page) -> list[Part]:
    """How far prices of one market lie apart."""
    every = page.analysis.market_statistics
    shown = view.spreads_shown(every, _MOST_SPREADS)
    body: list[list[Cell]] = [
        [
            words.shorten(page.names(r["network"]), 34),
            page.names(r["accelerator"]),
            ", ".join(w.replace("_", " ") for w in (r["terms"], r["tier"]) if w),
            r["price_kind"].replace("_", " "),
            *(usd(r[f"usd_per_accelerator_hour_p{p}"]) for p in (10, 25, 50, 75, 90)),
            f"{r['n_offers']:,}",
            words.count(r["n_outliers"]) if r["outlier_factor"] else "n/j",
            words.count(r["n_accelerators"], unknown=""),
        ]
        for r in view.rows(shown)
    ]
    heading = subheading("How far prices of one market lie apart")
    if not body:
        return [heading, paragraph("No market has more than one offer in this run.", quiet=True)]
    columns = [
        column("Seller", 1.2),
        column("Accelerator", 1.6),
        column("Terms", 1.1),
        column("Kind", 0.7),
        *(column(t, 0.62, right=True) for t in ("P10", "P25", "Median", "P75", "P90")),
        column("Offers", 0.55, right=True),
        column("Outliers", 0.6, right=True),
        column("Chips", 0.6, right=True),
    ]
    notes = [
        "USD per accelerator-hour at which that share of the chips on offer is reached; each machine once, "
        "kinds of price apart. Outliers stay in: offers further from the median than 3.5 robust standard "
        "deviations of the log price and than a factor of two, marked in offers.parquet (n/j: fewer than five "
        "offers, not judged)."
    ]
    if every.height > shown.height:
        single = int((every["n_offers"] == 1).sum())
        notes.append(
            f"{every.height - shown.height:,} further markets, {single:,} of them of one offer, are in "
            "market_statistics.csv."
        )
    return [heading, table_part(columns, body, notes)]


def discrepancies(page: Page) -> list[Part]:
    """Where two sources disagree on the same offer."""
    every = view.plain(page.analysis.discrepancies)
    heading = subheading("Where sources disagree")
    if every.is_empty():
        return [heading, paragraph("No two sources differ by more than 10% on the same offer.", quiet=True)]
    body: list[list[Cell]] = [
        [
            {"text": words.shorten(page.names(r["network"]), 34), "under": r["terms"].replace("_", " ")},
            page.names(r["accelerator"]),
            {"text": page.names(r["source_used"]), "under": page.observed(r["observed_at_used"], r["layer_used"])},
            usd(r["usd_per_accelerator_hour_used"]),
            {
                "text": page.names(r["source_other"]),
                "under": page.observed(r["observed_at_other"], r["layer_other"]),
            },
            usd(r["usd_per_accelerator_hour_other"]),
            f"{words.times(r['ratio'])} x",
            {"text": r["reason"], "under": f"matched on {r['compared_on']}"},
        ]
        for r in view.rows(every.head(_MOST_DISCREPANCIES))
    ]
    columns = [
        column("Seller", 1.2),
        column("Accelerator", 1.3),
        column("Used", 1.7),
        column("USD per hour", 0.65, right=True),
        column("Other", 1.7),
        column("USD per hour", 0.65, right=True),
        column("Ratio", 0.55, right=True),
        column("Why", 1.7),
    ]
    left_out = every.height - len(body)
    notes = ["Medians of what the two sources say of the same offers, where they differ by more than 10%."]
    notes += [f"{left_out:,} further disagreements are in discrepancies.csv."] if left_out else []
    return [heading, table_part(columns, body, notes)]


def _span_if_wider(row: view.Row) -> str:
    low, high = row["usd_per_accelerator_hour_low"], row["usd_per_accelerator_hour_high"]
    return "" if low == high else span_words(low, high, usd)
