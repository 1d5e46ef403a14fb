"""The first page: the answer; and the networks that had no room on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from reports import view, words
from reports.sections.page import Page
from reports.sections.parts import Cell, Part, change_cell, column, paragraph, span_words, table_part, use_words
from reports.words import NOT_KNOWN, REFERENCE_WORDS, percent, usd

_MOST_ON_FIRST_PAGE = 3
_VERDICT_TONES = {"resilient": "good", "exposed": "warn", "mixed": "warn", "eroded": "bad"}


def first_page(page: Page) -> list[Part]:
    """The verdict table, one chart, a sentence a network."""
    if page.headlines.is_empty():
        return [
            paragraph("No network could be compared: no source gave a price in this run. The data pages say why."),
            page.chart("equal_work"),
        ]
    heads = view.rows(page.headlines)[:_MOST_ON_FIRST_PAGE]
    pairs = view.headline_pairs(page.compared)
    more = page.headlines.height - len(heads)
    notes = [
        "Savings in % of the cloud's price or cost of the same tokens. Supplier keeps: full-cost margin, % of "
        "receipts, without token rewards, low to high beneath. n/c: not comparable; the reason is on the "
        "comparison pages."
    ]
    if more:
        notes.append(f"{words.plural(more, 'further network')} on the next page.")
    return [
        *(paragraph(head["sentence"]) for head in heads),
        verdicts(page, heads, pairs, notes) | {"large": True},
        page.chart("equal_work") | {"rest": True},
    ]


def verdicts(page: Page, heads: Sequence[view.Row], pairs: Sequence[tuple[str, str]], notes: Sequence[str]) -> Part:
    """What the buyer saves, what the supplier keeps, and the verdict: a row a network and cloud."""
    margins = {r["network"]: r for r in view.rows(view.headline_margins(page.headlines, page.analysis.margins))}
    claims = view.claimed_pairs(page.compared)
    body: list[list[Cell]] = []
    for head in heads:
        mine = page.compared.filter(pl.col("network") == head["network"])
        margin = margins.get(head["network"], {})
        span = max(1, len(pairs))
        work = ", ".join(page.names(head[k]) for k in ("accelerator", "llm", "workload") if head[k] is not None)
        outer: dict[str, Any] = {"text": head["display_name"], "strong": True, "rows": span}
        if work:
            outer["under"] = work
        earned = change_cell(margin.get("full_margin"), unknown=NOT_KNOWN)
        if isinstance(earned, dict):
            earned["rows"] = span
            if band := span_words(margin.get("full_margin_low"), margin.get("full_margin_high"), percent):
                earned["under"] = band
        price = margin.get("breakeven_usd_per_accelerator_hour")
        even: dict[str, Any] = {"text": NOT_KNOWN if price is None else f"{usd(price)}/h", "rows": span}
        if use := use_words(margin.get("breakeven_utilisation")):
            even["under"] = use
        verdict: dict[str, Any] = {"text": head["verdict"], "strong": True, "rows": span}
        if tone := _VERDICT_TONES.get(head["verdict"]):
            verdict["tone"] = tone
        if mark := words.aged(head["freshness"]):
            verdict["under"] = f"data {mark}"
        for i, pair in enumerate(pairs or [None]):
            cells: list[Cell] = [outer] if i == 0 else []
            if pair is None:
                cells += ["", *[change_cell(None)] * len(view.REFERENCE_ORDER)]
            else:
                at = {r["reference"]: r["advantage"] for r in view.rows(view.of_pair(mine, pair))}
                name = page.names.long_pair(*pair)
                cells.append({"text": name, "tone": "claim", "tail": "claim"} if pair in claims else name)
                cells += [change_cell(at.get(r)) for r in view.REFERENCE_ORDER]
            body.append([*cells, *([earned, even, verdict] if i == 0 else [])])
    columns = [
        column("Network and work", 1.9),
        column(f"Buyer saves (+) or pays more ({words.MINUS}) than with", 2.35),
        *(column(REFERENCE_WORDS[r], 0.92, right=True) for r in view.REFERENCE_ORDER),
        column("Supplier keeps", 1.2, right=True),
        column("Breaks even at", 1.1, right=True),
        column("Verdict", 1.45),
    ]
    return table_part(columns, body, notes)


def other_networks(page: Page) -> Part | None:
    """The networks that had no room on the first page, against one cloud each, with their sentences."""
    heads = view.rows(page.headlines)[_MOST_ON_FIRST_PAGE:]
    if not heads:
        return None
    pairs = view.headline_pairs(page.compared)[:1]
    sentences = [paragraph(head["sentence"], quiet=True) for head in heads]
    return {"title": "Further networks", "parts": [verdicts(page, heads, pairs, []), *sentences]}
