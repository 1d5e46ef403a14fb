"""What the report says, page by page, as plain data: `reports.pdf` and ``template.typ`` add only how it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

from depin_compare.analysis import Analysis
from depin_compare.errors import UnknownNameError
from reports.lettering import settable
from reports.sections import SECTIONS
from reports.sections.first_page import first_page, headline
from reports.sections.page import Page
from reports.since import Since
from reports.summary import ADVICE_NOTE, ages_line, data_days

__all__ = ["TITLE", "Paper", "check_sections", "report_content"]

Paper = Literal["a4", "us-letter"]

TITLE = "Decentralised GPU networks against the clouds"
QUESTION = (
    "How much cheaper is the same inference work on decentralised GPU networks, what do their suppliers earn, "
    "and how far may cloud cost fall before both are gone?"
)


def check_sections(sections: Sequence[str] | None) -> None:
    """Whether every section asked for exists.

    Raises
    ------
    UnknownNameError
        If one does not; the message has the nearest names.
    """
    for name in sections or ():
        if name not in SECTIONS:
            raise UnknownNameError("section", name, SECTIONS)


def report_content(
    analysis: Analysis,
    charts: Mapping[str, tuple[str, str]],
    *,
    failed: Mapping[str, str],
    paper: Paper = "a4",
    sections: Sequence[str] | None = None,
    since: Since | None = None,
) -> dict[str, Any]:
    """Everything the PDF says, as plain data: the template adds only how it looks.

    ``sections`` are those of `reports.sections.SECTIONS` to follow the first page, in the report's order whatever
    their own; ``since`` is what changed since an earlier report.
    """
    check_sections(sections)
    page = Page(analysis, charts, failed, since)
    first = first_page(page)
    asked = [make for name, make in SECTIONS.items() if sections is None or name in sections]
    made = [section for make in asked if (section := make(page)) is not None]
    _share_a_page(made)
    rest = [name for name in charts if name not in page.shown and not name.startswith("network/")]
    if sections is None and rest:
        made.append({"title": "Further charts", "parts": page.charts_if_there(*rest)})
    content = {
        "title": TITLE,
        "finding": headline(page),
        "question": QUESTION,
        "as_of": data_days(analysis),
        "as_of_line": ages_line(analysis),
        "advice": ADVICE_NOTE,
        "date": [analysis.as_of.year, analysis.as_of.month, analysis.as_of.day],
        "paper": paper,
        "anchors": [
            one["anchor"] for part in made for one in (*part.get("pages", []), *part["parts"]) if "anchor" in one
        ],
        "first": first,
        "sections": made,
    }
    settled: dict[str, Any] = settable(content, dict(page.names.known))
    return settled


_MOST_SHARED_ROWS = 8


def _share_a_page(made: list[dict[str, Any]]) -> None:
    """Moves a short table that is left over beside sections of whole pages beneath the next section's first chart."""
    for paged, following in pairwise(made):
        rows = sum(len(part.get("rows", ())) for part in paged["parts"])
        charts = [i for i, part in enumerate(following["parts"]) if part["type"] == "chart"]
        if paged.get("pages") and 0 < rows <= _MOST_SHARED_ROWS and charts:
            following["parts"][charts[0] + 1 : charts[0] + 1] = paged["parts"]
            paged["parts"] = []
