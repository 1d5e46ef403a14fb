"""The data of this run, the sources, and how the report was made."""

from __future__ import annotations

from reports import view, words
from reports.sections.page import Page
from reports.sections.parts import Cell, Part, column, kind_cell, linked, paragraph, subheading, table_part
from reports.words import NOT_KNOWN

_MOST_ROWS = 150
_SOURCE_STATE_WORDS = {
    "ok": "answered",
    "partial": "answered in part",
    "unreachable": "not reached",
    "failed": "failed",
    "timed_out": "timed out",
    "off": "switched off",
    "reference": "reference only",
}


def data_states(page: Page) -> Part:
    """How each source fared, and what was left out."""
    parts = [page.chart("source_ages")]
    states = view.rows(view.plain(page.analysis.source_states))
    if states:
        parts.append(subheading("Sources in this run"))
        parts.append(
            table_part(
                [
                    column("Source", 1.2),
                    column("Gives", 2.2),
                    column("This time", 1.1),
                    column("Data in use", 1.7),
                    column("Rows", 0.6, right=True),
                    column("Left out", 0.6, right=True),
                    column("Detail", 2.0),
                ],
                [
                    [
                        {"text": page.names(s["source"]), "strong": True},
                        s["gives"],
                        {
                            "text": _SOURCE_STATE_WORDS.get(s["state"], s["state"]),
                            "tone": "good"
                            if s["state"] == "ok"
                            else "muted"
                            if s["state"] in ("reference", "off")
                            else "bad",
                        },
                        page.layer_cell(s["newest_observed_at"], s["layer"], s["freshness"]) if s["layer"] else "none",
                        f"{s['rows']:,}",
                        f"{s['skipped']:,}",
                        s["detail"] or "",
                    ]
                    for s in states
                ],
            )
        )
    parts += too_old(page)
    skipped = view.skipped_summary(page.analysis.skipped)
    parts.append(subheading("Rows left out"))
    if skipped:
        parts.append(
            table_part(
                [
                    column("Source", 1.0),
                    column("Kind", 1.0),
                    column("Rows", 0.6, right=True),
                    column("Reason (example)", 5),
                ],
                [
                    [page.names(s["source"]), s["kind"].replace("_", " "), f"{s['n']:,}", s["reason"]]
                    for s in skipped[:60]
                ],
                [f"{len(skipped) - 60} further reasons are in the run's files."] if len(skipped) > 60 else [],
            )
        )
    else:
        parts.append(paragraph("None."))
    return {"title": "Data of this run", "parts": parts}


def too_old(page: Page) -> list[Part]:
    """What its age keeps out of the verdict."""
    rows = view.rows(view.plain(page.analysis.left_out))
    if not rows:
        return []
    # What differs only in its subject has one row, with the reason of the first.
    groups: dict[tuple[str, str], list[view.Row]] = {}
    for r in rows:
        groups.setdefault((r["network"], r["metric"]), []).append(r)
    columns = [column("Whose", 1.2), column("What", 2.4), column("Rows", 0.6, right=True), column("Why", 4)]
    body: list[list[Cell]] = [
        [
            page.names(network),
            {
                "text": metric.replace("_", " "),
                "under": words.shorten(", ".join(page.names(r["subject"]) for r in alike if r["subject"]), 160),
            },
            f"{sum(r['rows'] for r in alike):,}",
            page.told(alike[0]["reason"])
            + (f"; {words.plural(len(alike) - 1, 'more', 'more')} alike" if alike[1:] else ""),
        ]
        for (network, metric), alike in list(groups.items())[:_MOST_ROWS]
    ]
    more = len(groups) - len(body)
    notes = [f"{words.plural(more, 'further group')} in analysis.json."] if more else []
    return [subheading("Too old for the verdict"), table_part(columns, body, notes)]


def sources(page: Page) -> Part:
    """Publisher, title, dates and address of every source."""
    kinds = view.kinds_of_sources(page.analysis.assumptions, page.analysis.scenarios)
    body: list[list[Cell]] = [
        [
            r["publisher"],
            linked(r["title"], r["url"]),
            {"text": r["url"] or "", "quiet": True},
            r["published"] or NOT_KNOWN,
            words.day(r["accessed"]),
            kind_cell(kinds.get(r["source_id"])),
        ]
        for r in view.rows(view.plain(page.analysis.sources).sort("publisher", "title"))
    ]
    columns = [
        column("Publisher", 1.6),
        column("Title", 2.4),
        column("Address", 2.3),
        column("Published", 0.8),
        column("Accessed", 0.8),
        column("Known as", 0.9),
    ]
    return {
        "title": "Sources",
        "parts": [table_part(columns, body) if body else paragraph("No sources were recorded.")],
    }


def manifest(page: Page) -> Part:
    """What made this report."""
    body: list[list[Cell]] = [[k.replace("_", " "), v] for k, v in sorted(page.analysis.provenance.items())]
    body += [[f"chart {name} missing", reason] for name, reason in sorted(page.failed.items())]
    return {
        "title": "How this report was made",
        "parts": [
            paragraph(
                "The same analysis gives the same bytes. manifest.json beside this file holds the SHA-256 of every "
                "output.",
                quiet=True,
            ),
            table_part([column("Item", 1), column("Value", 4)], body)
            if body
            else paragraph("No provenance was recorded."),
        ],
    }
