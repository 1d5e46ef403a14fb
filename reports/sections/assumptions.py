"""Assumptions in force, scenarios, what the user changed, what is not modelled."""

from __future__ import annotations

from datetime import date

from depin_compare.refdata.assumption_set import USER_SOURCE
from reports import view, words
from reports.sections.page import Page
from reports.sections.parts import Cell, Part, column, kind_cell, linked, paragraph, subheading, table_part
from reports.view import Row
from reports.words import NOT_KNOWN

OURS = "depin-compare"

NOT_MODELLED = (
    "Discounts that clouds negotiate with single customers: only published commitments are known.",
    "Latency and reliability beyond the stated service level: a slower or less steady answer costs nothing here.",
    "Regions, data protection, support and the work of moving from one seller to another.",
    "Storage and the network inside a cluster; work that needs more accelerators than one node holds.",
    "Taxes, currency risk, and the future price of any network's token.",
    "New chips that nobody has announced, and demand that answers to falling prices.",
)


def assumptions(page: Page) -> Part:
    """Assumptions in force, scenarios, and what the model leaves out."""
    parts: list[Part] = changes(page)
    body: list[list[Cell]] = []
    for r in view.rows(view.plain(page.analysis.assumptions)):
        source = page.publications.get(r["source_id"], {})
        yours = r["source_id"] == USER_SOURCE
        published: Cell = linked(source.get("publisher") or r["source_id"], source.get("url"))
        body.append(
            [
                {"text": r["meaning"], "under": r["parameter"]} | ({"tone": "warn"} if yours else {}),
                words.number(r["low"]),
                {"text": words.number(r["central"]), "strong": True} | ({"tone": "warn"} if yours else {}),
                words.number(r["high"]),
                r["unit"],
                kind_cell(r["kind"]),
                {"text": "your job file", "strong": True, "tone": "warn"} if yours else published,
                words.DASH if yours else _dated(r["as_of"], source),
            ]
        )
    if body:
        columns = [
            column("Assumption", 3.2),
            column("Low", 0.7, right=True),
            column("Central", 0.7, right=True),
            column("High", 0.7, right=True),
            column("Unit", 1.2),
            column("Known as", 0.95),
            column("Source", 1.5),
            column("Dated", 0.8),
        ]
        notes = [
            "The small name is what a job file calls it. Dated: when its source was published; of our own numbers, "
            "when they were set."
        ]
        parts.append(table_part(columns, body, notes))
    else:
        parts.append(paragraph("No assumptions were recorded with this run."))
    parts.append(subheading("Scenarios"))
    known = page.analysis.scenarios
    order = {s: i for i, s in enumerate(view.ordered_scenarios(known))} if known.height else {}
    scenarios = sorted(view.rows(known), key=lambda r: order[r["scenario"]])
    told: list[list[Cell]] = []
    for r in scenarios:
        source = page.publications.get(r["source_id"] or "", {})
        alike = [x for x in scenarios if x["scenario"] == r["scenario"]]
        first: list[Cell] = [{"text": r["title"], "strong": True, "under": r["meaning"], "rows": len(alike)}]
        told.append(
            [
                *(first if r is alike[0] else []),
                {"text": words.input_words(r["parameter"])} | ({"under": r["note"]} if r["note"] else {}),
                words.number(r["low"]),
                {"text": words.number(r["central"]), "strong": True},
                words.number(r["high"]),
                r["unit"] or "",
                kind_cell(r["kind"]),
                linked(source.get("publisher") or r["source_id"] or NOT_KNOWN, source.get("url")),
            ]
        )
    if told:
        columns = [
            column("Scenario", 1.7),
            column("Parameter", 2.6),
            column("Low", 0.6, right=True),
            column("Central", 0.65, right=True),
            column("High", 0.6, right=True),
            column("Unit", 1.1),
            column("Known as", 0.95),
            column("Source", 1.3),
        ]
        parts.append(table_part(columns, told))
    else:
        parts.append(paragraph("No scenarios were recorded with this run."))
    return {"title": "Assumptions and scenarios", "parts": parts}


def _dated(as_of: date, source: Row) -> Cell:
    """When what a number rests on was published; of what has no source but us, when it was set."""
    published = source.get("published")
    if published:
        return str(published)
    return words.day(as_of) if source.get("publisher") == OURS else {"text": "undated", "quiet": True}


def not_modelled(_: Page) -> Part:
    """What the model leaves out, the same in every report."""
    return {"title": "Not modelled", "parts": [{"type": "bullets", "items": list(NOT_MODELLED)}]}


def changes(page: Page) -> list[Part]:
    """What the user changed, before everything else: no number of ours may hide that it is the user's."""
    body: list[list[Cell]] = [
        [
            {"text": r["key"], "under": r["note"], "strong": True} if r["note"] else {"text": r["key"], "strong": True},
            r["table"],
            words.number(r["before"]) if r["before"] is not None else {"text": "several or none", "quiet": True},
            {"text": words.number(r["after"]), "strong": True, "tone": "warn"},
            r["unit"],
            " to ".join("" if d is None else words.day(d) for d in (r["valid_from"], r["valid_to"])).strip(),
            "yes" if r["in_force"] else {"text": "not on this day", "tone": "muted"},
        ]
        for r in view.rows(view.plain(page.analysis.user_changes))
    ]
    if not body:
        return []
    columns = [
        column("Changed in your job file", 2.6),
        column("Table", 0.9),
        column("Was", 0.9, right=True),
        column("Is", 0.7, right=True),
        column("Unit", 1.6),
        column("Valid", 1.5),
        column("In force", 0.9),
    ]
    note = "These numbers are yours. Every number that rests on them is marked as an assumption."
    return [subheading("Yours"), table_part(columns, body, [note]), subheading("All assumptions in force")]
