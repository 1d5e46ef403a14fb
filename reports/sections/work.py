"""The same work, network by network, against every cloud."""

from __future__ import annotations

import polars as pl

from reports import view
from reports.sections.page import Page
from reports.sections.parts import (
    Cell,
    Part,
    change_cell,
    column,
    kind_cell,
    paragraph,
    span_words,
    subheading,
    table_part,
    terms_words,
)
from reports.words import KIND_WORDS, REFERENCE_WORDS, usd


def comparisons(page: Page) -> Part:
    """A table a network: its work's price against every cloud, silicon and reference."""
    parts: list[Part] = [
        paragraph(
            "The same model and workload on both sides, in USD per million output tokens with their prompts "
            "included. Of each cloud and chip maker, the chip that does the work for the least. Four references: "
            "the list price, the cheapest commitment, what the hour is modelled to cost the cloud, and that cost "
            "with the floor margin a cloud is known to accept.",
            quiet=True,
        ),
        {"type": "tags", "items": [[k, v] for k, v in KIND_WORDS.items()]},
    ]
    origins = view.reference_origins(page.analysis.unit_costs)
    same_chips = view.same_chip_comparison(page.headlines, page.analysis.comparison)

    def chips(row: view.Row) -> str:
        return page.names(row["reference_accelerator"]) if row["reference_accelerator"] else "no chip"

    for head in view.rows(page.headlines.head(30)):
        mine = page.compared.filter(pl.col("network") == head["network"])
        parts.append(subheading(f"{head['display_name']}: {page.names(head['accelerator'])}"))
        if mine.is_empty():
            parts.append(paragraph(f"Not comparable: {head['sentence']}"))
            continue
        first = mine.row(0, named=True)
        band = span_words(first["usd_per_mtok_network_low"], first["usd_per_mtok_network_high"], usd)
        parts.append(
            paragraph(
                f"{page.names(head['llm'])}, {page.names(head['workload'])}. {head['display_name']} asks "
                f"{usd(first['network_usd_per_accelerator_hour'])} per accelerator-hour "
                f"({page.observed(first['network_observed_at'], first['network_layer'])}), or "
                f"{usd(first['usd_per_mtok_network'])} per million tokens "
                f"({band or 'no band'}).",
            )
        )
        reasons: dict[str, list[str]] = {}
        body: list[list[Cell]] = []
        claims = view.claimed_pairs(mine)
        same = same_chips.filter(pl.col("network") == head["network"])
        blocks = [(p, view.of_pair(mine, p), "") for p in view.ordered_pairs(mine)]
        blocks += [
            (p, view.of_pair(same, p), ", the same chip") for p in (view.ordered_pairs(same) if same.height else [])
        ]
        for pair, block, addition in blocks:
            by_reference = {r["reference"]: r for r in view.rows(block)}
            present = [r for r in view.REFERENCE_ORDER if r in by_reference]
            for i, reference in enumerate(present):
                r = by_reference[reference]
                key = (*pair, r["reference_accelerator"], r["llm"], r["workload"], reference)
                source, url = origins.get(key, (None, None))
                name = page.names.long_pair(*pair)
                label: Cell = {"text": name, "rows": len(present), "under": addition.removeprefix(", ")}
                if pair in claims and isinstance(label, dict):
                    label["tone"] = "claim"
                cells: list[Cell] = [label] if i == 0 else []
                if r["not_comparable"] and r["usd_per_mtok_reference"] is None:
                    reasons.setdefault(r["not_comparable"], []).append(f"{name}, {REFERENCE_WORDS[reference].lower()}")
                    cells += [
                        REFERENCE_WORDS[reference],
                        "",
                        {"text": "n/c", "quiet": True},
                        "",
                        change_cell(None),
                        "",
                        "",
                    ]
                else:
                    cells += [
                        {"text": REFERENCE_WORDS[reference], "under": terms_words(chips(r), r["reference_terms"])},
                        usd(r["reference_usd_per_accelerator_hour"], unknown="none"),
                        usd(r["usd_per_mtok_reference"]),
                        span_words(r["usd_per_mtok_reference_low"], r["usd_per_mtok_reference_high"], usd),
                        change_cell(r["advantage"]),
                        kind_cell(r["reference_kind"]),
                        page.origin(r["reference_observed_at"], r["reference_layer"], source, url),
                    ]
                body.append(cells)
        columns = [
            column("Cloud", 1.65),
            column("Reference", 1.5),
            column("USD per hour", 0.7, right=True),
            column("USD per Mtok", 0.75, right=True),
            column("Low to high", 1.25, right=True),
            column("Buyer saves", 0.7, right=True),
            column("Known as", 0.95),
            column("Source and date", 1.9),
        ]
        told = [f"n/c: {why} ({'; '.join(dict.fromkeys(where))})." for why, where in reasons.items()]
        parts.append(table_part(columns, body, told))
    if page.headlines.height > 30:
        parts.append(paragraph(f"{page.headlines.height - 30} further networks are in comparison.csv."))
    if page.headlines.is_empty():
        parts.append(paragraph("No network could be compared in this run."))
    return {"title": "The same work, network by network", "parts": parts}
