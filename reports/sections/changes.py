"""What changed since the last report, and what did it."""

from __future__ import annotations

from reports import view, words
from reports.changes import POINT_THRESHOLD, RELATIVE_THRESHOLD
from reports.sections.page import Page
from reports.sections.parts import Cell, Part, column, paragraph, table_part
from reports.since import Since, shown, since_lines


def since_last(page: Page) -> Part | None:
    """The changes; nothing where there is no earlier report."""
    parts = changes_part(page.since) if page.since is not None else []
    return {"title": "Since the last report", "parts": parts} if parts else None


def changes_part(since: Since) -> list[Part]:
    """How much changed, a table of the first changes of each kind with their causes, and what is left out.

    An earlier report that can't be read is told in a line.
    """
    if since.rows is None or since.as_of is None:
        return [paragraph(since.problem)] if since.problem else []
    summary = paragraph(since_lines(since)[0])
    if since.rows.is_empty():
        return [summary, paragraph(_THRESHOLDS, quiet=True)]
    body: list[list[Cell]] = []
    for row in view.rows(shown(view.plain(since.rows))):
        happened, _, cause = row["sentence"].rpartition(". Cause: ")
        body.append(
            [happened, {"text": cause.removesuffix("."), "tone": "muted" if row["cause"] == "data" else "warn"}]
        )
    left_out = since.rows.height - len(body)
    notes = [_THRESHOLDS, *([f"{words.plural(left_out, 'further change')} in changes.csv."] if left_out else [])]
    return [summary, table_part([column("What changed", 4.2), column("Cause", 1.6)], body, notes)]


_THRESHOLDS = (
    f"Left out: prices, facts and assumptions that moved by less than {words.percent(RELATIVE_THRESHOLD)}, "
    f"advantages and margins by less than {words.number(100 * POINT_THRESHOLD)} percentage point. The data: prices and "
    "facts, or their age; the model: this package with its tables; the configuration: what the job file or the command "
    "line asks for. Where several moved, the analysis was made again step by step."
)
