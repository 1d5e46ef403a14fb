"""What the report says, page by page, as plain data: `reports.pdf` and ``template.typ`` add only how it looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from depin_compare.analysis import Analysis
from reports import words
from reports.lettering import settable
from reports.sections import SECTIONS
from reports.sections.first_page import first_page
from reports.sections.page import Page
from reports.summary import ADVICE_NOTE, ages_line

__all__ = ["TITLE", "Paper", "report_content"]

Paper = Literal["a4", "us-letter"]

TITLE = "Decentralised GPU networks against the clouds"
QUESTION = (
    "How much cheaper is the same inference work on decentralised GPU networks, what do their suppliers earn, "
    "and how far may cloud cost fall before both are gone?"
)


def report_content(
    analysis: Analysis, charts: Mapping[str, tuple[str, str]], *, failed: Mapping[str, str], paper: Paper = "a4"
) -> dict[str, Any]:
    """Everything the PDF says, as plain data: the template adds only how it looks."""
    page = Page(analysis, charts, failed)
    first = first_page(page)
    sections = [section for made in SECTIONS.values() if (section := made(page)) is not None]
    if rest := page.charts_if_there(*(name for name in charts if name not in page.shown)):
        sections.append({"title": "Further charts", "parts": rest})
    content = {
        "title": TITLE,
        "question": QUESTION,
        "as_of": f"Data as of {words.minute(analysis.as_of)}",
        "as_of_line": ages_line(analysis),
        "advice": ADVICE_NOTE,
        "date": [analysis.as_of.year, analysis.as_of.month, analysis.as_of.day],
        "paper": paper,
        "anchors": [one["anchor"] for section in sections for one in section.get("pages", [])],
        "first": first,
        "sections": sections,
    }
    settled: dict[str, Any] = settable(content, dict(page.names.known))
    return settled
