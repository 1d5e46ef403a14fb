"""Writes every file of a run into a folder: whole or not at all, and the same bytes for the same Analysis."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import polars as pl

from depin_compare.analysis import Analysis
from depin_compare.errors import DepinCompareError
from depin_compare.market.statistics import marked_outliers
from reports.content import check_sections
from reports.markdown import summary_markdown
from reports.pdf import Paper
from reports.since import Since
from reports.verdicts import verdicts
from reports.view import plain

if TYPE_CHECKING:
    from reports.drawing import Picture

__all__ = ["DEFAULT_FORMATS", "FORMATS", "MOST_DPI", "MOST_PNG_WIDTH", "Output", "write_report"]

log = logging.getLogger(__name__)

FORMATS = ("pdf", "png", "svg", "md", "csv", "parquet", "json")
DEFAULT_FORMATS = tuple(name for name in FORMATS if name != "svg")
# Pixels and dots an inch that are still a picture: half a phone's screen to a poster.
LEAST_PNG_WIDTH, MOST_PNG_WIDTH = 200, 6000
LEAST_DPI, MOST_DPI = 50, 800
Output = Path

_TABLES = {
    "comparison.csv": "comparison",
    "discrepancies.csv": "discrepancies",
    "drivers.csv": "drivers",
    "erosion.csv": "outlook",
    "margins.csv": "margins",
    "market_check.csv": "market_check",
    "market_statistics.csv": "market_statistics",
    "token_economics.csv": "token_economics",
    "token_prices.csv": "token_prices",
}
_FRAMES = {
    "advantage_paths.parquet": "advantage_paths",
    "erosion_probabilities.parquet": "erosion_probabilities",
    "margin_paths.parquet": "margin_paths",
}


def write_report(
    analysis: Analysis,
    out_dir: str | os.PathLike[str],
    *,
    formats: Iterable[str] = DEFAULT_FORMATS,
    paper: Paper = "a4",
    sections: Sequence[str] | None = None,
    since: Since | None = None,
    png_width: int | None = None,
    dpi: int | None = None,
    card: bool | None = None,
    workers: int | None = None,
) -> list[Path]:
    """Write charts, PDF, tables and manifest of one run.

    Parameters
    ----------
    analysis : Analysis
        A whole run, or a part of one; nothing else is read.
    out_dir : path
        Made if it does not exist. Files of an earlier report that this one does not write again are removed, other
        files are left alone.
    formats : iterable of {"pdf", "png", "svg", "md", "csv", "parquet", "json"}
        Which kinds of files; ``manifest.json`` is always written. Default: all but SVG.
    paper : {"a4", "us-letter"}
    sections : sequence of str, optional
        Of the PDF, by the names of `reports.sections.SECTIONS`, after its first page; default: all.
    since : Since, optional
        What changed since an earlier report, for the PDF, ``summary.md`` and ``changes.csv``.
    png_width : int, optional
        Width of the PNG charts, 200 to 6000. [pixel]
    dpi : int, optional
        Their dots per inch, 50 to 800: it sets their size where ``png_width`` does not. Default 150.
    card : bool, optional
        Write ``card.png``, the verdict in one picture of 1200 by 675 pixels; default: with the PNG charts.
    workers : int, optional
        Processes that draw; default: what is worth its start. The files are the same on any number.

    Returns
    -------
    list of Path
        The files written, in order of name. A chart that could not be drawn is missing, and named in
        ``manifest.json`` and on its page with the reason.

    Raises
    ------
    DepinCompareError
        If a format, section or size is not known, or the PDF can't be typeset. Then ``out_dir`` is as it was before.
    OSError
        If a file can't be written. Then, too, ``out_dir`` is as it was before.
    """
    wanted = list(dict.fromkeys(formats))
    if unknown := sorted(set(wanted) - set(FORMATS)):
        raise DepinCompareError(f"format {', '.join(unknown)} is not known; known are {', '.join(FORMATS)}")
    for name, value, least, most in (
        ("png_width", png_width, LEAST_PNG_WIDTH, MOST_PNG_WIDTH), ("dpi", dpi, LEAST_DPI, MOST_DPI),
    ):  # fmt: skip
        if value is not None and not least <= value <= most:
            raise DepinCompareError(f"{name} is {value}, expected {least} to {most}")
    check_sections(sections)
    out, begun = Path(out_dir), time.monotonic()
    out.parent.mkdir(parents=True, exist_ok=True)
    contents = {name: content.encode() for name, content in _texts(analysis, wanted, since).items()}
    failed: dict[str, str] = {}
    with ThreadPoolExecutor(1) as typesetter:
        pictures: dict[str, Picture] = {}
        if {"pdf", "png", "svg"} & set(wanted) or card:
            from reports.drawing import Forms, drawn

            forms = Forms(
                png="png" in wanted,
                svg=bool({"pdf", "svg"} & set(wanted)),
                networks="pdf" in wanted and (sections is None or "networks" in sections),
                png_width=png_width,
                dpi=dpi,
            )
            pictures = drawn(analysis, forms, card="png" in wanted if card is None else card, workers=workers)
            failed = {name: picture.failed for name, picture in pictures.items() if picture.failed is not None}
            contents |= _pictures(pictures, wanted)
        pdf = None
        if "pdf" in wanted:
            from reports.pdf import report_pdf

            charts = {name: (one.svg, one.alt) for name, one in pictures.items() if one.svg is not None}
            # The typesetter lets go of the interpreter: the tables are written meanwhile.
            pdf = typesetter.submit(
                report_pdf, analysis, charts, failed=failed, paper=paper, sections=sections, since=since
            )
        contents |= _tables(analysis, wanted)
        if pdf is not None:
            contents["report.pdf"] = pdf.result()
    contents["manifest.json"] = _manifest(analysis, contents, failed, since)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        for name, content in contents.items():
            path = work / "new" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        _publish(work, out, sorted(contents))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    seconds, size = round(time.monotonic() - begun, 3), sum(map(len, contents.values()))
    log.info(
        "report written to %s: %d files, %d kB in %.1f s", out, len(contents), round(size / 1000), seconds,
        extra={"out": str(out), "files": len(contents), "bytes": size, "seconds": seconds},
    )  # fmt: skip
    for name, reason in failed.items():
        log.warning("chart %s not drawn: %s", name, reason, extra={"chart": name})
    return [out / name for name in sorted(contents)]


def _pictures(pictures: Mapping[str, Picture], wanted: Sequence[str]) -> dict[str, bytes]:
    """Name -> bytes of every picture that is a file of its own."""
    from reports.charts import CHARTS
    from reports.drawing import CARD

    made: dict[str, bytes] = {}
    for name, picture in pictures.items():
        if picture.png is not None:
            made["card.png" if name == CARD else f"charts/{name}.png"] = picture.png
        if picture.svg is not None and "svg" in wanted and name in CHARTS:
            made[f"charts/{name}.svg"] = picture.svg.encode()
    return made


def _texts(analysis: Analysis, wanted: Sequence[str], since: Since | None) -> dict[str, str]:
    """Name -> text of what says the verdict and what changed."""
    made: dict[str, str] = {}
    if "md" in wanted:
        made["summary.md"] = summary_markdown(analysis, since)
    if "csv" in wanted:
        # In the order of the page, unlike the tables.
        made["verdicts.csv"] = verdicts(analysis).write_csv()
        if since is not None and since.rows is not None:
            made["changes.csv"] = since.rows.write_csv()
    return made


def _tables(analysis: Analysis, wanted: Sequence[str]) -> dict[str, bytes]:
    """Name -> bytes of every frame that is a file of its own."""
    made: dict[str, bytes] = {}
    if "csv" in wanted:
        made |= {name: _ordered(getattr(analysis, frame)).write_csv().encode() for name, frame in _TABLES.items()}
    if "parquet" in wanted:
        made |= {name: _parquet(_ordered(getattr(analysis, frame))) for name, frame in _FRAMES.items()}
        made["offers.parquet"] = _parquet(_ordered(marked_outliers(analysis.offers, analysis.market_statistics)))
    if "json" in wanted:
        made["analysis.json"] = analysis.to_json().encode()
    return made


def _ordered(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows sorted by every column, left to right: the order in which sources answered must not show in the bytes."""
    text = plain(frame)
    return text.sort(text.columns, nulls_last=True, maintain_order=True) if text.height else text


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", statistics=False)
    return buffer.getvalue()


def _manifest(
    analysis: Analysis, contents: Mapping[str, bytes], failed: Mapping[str, str], since: Since | None
) -> bytes:
    """Versions, seed, state and age of each source, SHA-256 of each output; keys sorted."""
    sources = {
        row["source"]: {
            "age_days": row["age_days"],
            "detail": row["detail"],
            "expected_age_days": row["expected_age_days"],
            "freshness": row["freshness"],
            "layer": row["layer"],
            "limit_age_days": row["limit_age_days"],
            "newest_observed_at": row["newest_observed_at"].isoformat() if row["newest_observed_at"] else None,
            "rows": row["rows"],
            "skipped": row["skipped"],
            "state": row["state"],
        }
        for row in plain(analysis.source_states).iter_rows(named=True)
    }
    manifest = {
        "as_of": analysis.as_of.isoformat(),
        "charts_failed": dict(failed),
        "outputs": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
        "provenance": dict(analysis.provenance),
        "since": since.as_of.isoformat() if since is not None and since.as_of is not None else None,
        "sources": sources,
    }
    return (json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _publish(work: Path, out: Path, names: Sequence[str]) -> None:
    """Move the new files in place; put everything back as it was if one of them can't be moved."""
    if not out.exists():
        (work / "new").replace(out)
        return
    moved: list[tuple[Path, Path]] = []
    try:
        for name in [*_left_behind(out, names), *names]:
            new, target, old = work / "new" / name, out / name, work / "old" / name
            if target.exists():
                old.parent.mkdir(parents=True, exist_ok=True)
                target.replace(old)
                moved.append((old, target))
            if new.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                new.replace(target)
                moved.append((target, new))
    except OSError:
        for now, before in reversed(moved):
            now.replace(before)
        raise


def _left_behind(out: Path, names: Sequence[str]) -> list[str]:
    """Files an earlier report wrote, by its manifest, that are still as it left them and are not written again."""
    try:
        outputs = json.loads((out / "manifest.json").read_text("utf-8"))["outputs"]
        found = {str(name): str(digest) for name, digest in outputs.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []
    stale = []
    for name, digest in sorted(found.items()):
        path = PurePosixPath(name)
        if name in names or path.is_absolute() or ".." in path.parts or len(path.parts) > 2:
            continue
        file = out / name
        if file.is_file() and not file.is_symlink() and hashlib.sha256(file.read_bytes()).hexdigest() == digest:
            stale.append(name)
    return stale
