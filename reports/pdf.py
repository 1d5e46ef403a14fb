"""The typeset report: what `reports.content` has to say, in the look of ``template.typ``.

The document is a function of the Analysis alone: fonts come with the typst and matplotlib packages, never from the
machine; its date is the Analysis' own; nothing is read from the network. Same Analysis, same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from depin_compare.analysis import Analysis
from depin_compare.errors import DepinCompareError
from reports.content import Paper, report_content
from reports.since import Since

__all__ = ["PAPERS", "Paper", "report_pdf"]

PAPERS: tuple[Paper, ...] = ("a4", "us-letter")


def report_pdf(
    analysis: Analysis,
    charts: Mapping[str, tuple[str, str]],
    *,
    failed: Mapping[str, str] | None = None,
    paper: Paper = "a4",
    sections: Sequence[str] | None = None,
    since: Since | None = None,
) -> bytes:
    """Typeset the report.

    Parameters
    ----------
    analysis : Analysis
        A whole run.
    charts : mapping
        Name -> (SVG, alternative text) of every chart that could be drawn.
    failed : mapping, optional
        Name -> reason of every chart that could not; the page says so in its place.
    paper : {"a4", "us-letter"}
    sections : sequence of str, optional
        Which of `reports.sections.SECTIONS` follow the first page; default: all.
    since : Since, optional
        What changed since an earlier report.

    Returns
    -------
    bytes
        A tagged PDF (PDF/UA-1) with bookmarks and selectable text.

    Raises
    ------
    DepinCompareError
        If a section is not known, or the typesetter refuses the document.
    """
    import matplotlib
    import typst

    content = report_content(analysis, charts, failed=failed or {}, paper=paper, sections=sections, since=since)
    inputs = {"report": json.dumps(content, ensure_ascii=False, sort_keys=True, allow_nan=False)}
    inputs |= {f"chart-{name}": svg for name, (svg, _) in charts.items()}
    fonts = typst.Fonts(include_system_fonts=False, font_paths=[Path(matplotlib.get_data_path()) / "fonts" / "ttf"])
    template = resources.files("reports").joinpath("template.typ").read_bytes()
    # Where a chart ends decides whether the next is set smaller to use the rest of its page. The typesetter lays the
    # pages out five times at most; where they have not come to rest by then, every chart keeps its own size.
    for sizes in ({}, {"full-size": "yes"}):
        try:
            made, warnings = typst.compile_with_warnings(
                template,
                font_paths=fonts,
                ignore_system_fonts=True,
                sys_inputs=inputs | sizes,
                timestamp=datetime(*analysis.as_of.astimezone(UTC).timetuple()[:6], tzinfo=UTC),
                pdf_standards=["ua-1"],
            )
        except typst.TypstError as error:
            raise DepinCompareError(f"report.pdf: the typesetter refused the document: {error}") from error
        if not any("converge" in str(warning) for warning in warnings):
            break
    return made
