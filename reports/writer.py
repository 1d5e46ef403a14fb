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
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import polars as pl

from depin_compare.analysis import Analysis
from depin_compare.errors import DepinCompareError
from depin_compare.market.statistics import marked_outliers
from reports.pdf import Paper
from reports.view import plain

__all__ = ["CHART_ERRORS", "FORMATS", "Output", "write_report"]

log = logging.getLogger(__name__)

FORMATS = ("pdf", "png", "csv", "parquet", "json")
Output = Path

# What a chart may fail with on data nobody foresaw; anything else is a bug that must be seen.
CHART_ERRORS = (DepinCompareError, ValueError, ArithmeticError, LookupError, TypeError, pl.exceptions.PolarsError)

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
    formats: Iterable[str] = FORMATS,
    paper: Paper = "a4",
) -> list[Path]:
    """Write charts, PDF, tables and manifest of one run.

    Parameters
    ----------
    analysis : Analysis
        A whole run; nothing else is read.
    out_dir : path
        Made if it does not exist. Files of an earlier report that this one does not write again are removed, other
        files are left alone.
    formats : iterable of {"pdf", "png", "csv", "parquet", "json"}
        Which kinds of files; ``manifest.json`` is always written.
    paper : {"a4", "us-letter"}

    Returns
    -------
    list of Path
        The files written, in order of name. A chart that could not be drawn is missing, and named in
        ``manifest.json`` and on its page with the reason.

    Raises
    ------
    DepinCompareError
        If a format is not known or the PDF can't be typeset. Then ``out_dir`` is as it was before.
    OSError
        If a file can't be written. Then, too, ``out_dir`` is as it was before.
    """
    wanted = list(dict.fromkeys(formats))
    if unknown := sorted(set(wanted) - set(FORMATS)):
        raise DepinCompareError(f"format {', '.join(unknown)} is not known; known are {', '.join(FORMATS)}")
    out, begun = Path(out_dir), time.monotonic()
    out.parent.mkdir(parents=True, exist_ok=True)
    contents, failed = _contents(analysis, wanted, paper)
    contents["manifest.json"] = _manifest(analysis, contents, failed)
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


def _contents(analysis: Analysis, wanted: Sequence[str], paper: Paper) -> tuple[dict[str, bytes], dict[str, str]]:
    """Name -> bytes of every file but the manifest, and chart -> reason of every chart that failed."""
    made: dict[str, bytes] = {}
    failed: dict[str, str] = {}
    if {"pdf", "png"} & set(wanted):
        from reports.charts import CHARTS, network_charts
        from reports.style import Look, alt_text, png_bytes, svg_text

        look = Look.of(analysis)
        drawn: dict[str, tuple[str, str]] = {}
        of_networks = network_charts(analysis) if "pdf" in wanted else {}
        for name, draw in (CHARTS | of_networks).items():
            try:
                figure = draw(analysis, look)
                if "png" in wanted and name in CHARTS:
                    made[f"charts/{name}.png"] = png_bytes(figure)
                if "pdf" in wanted:
                    drawn[name] = (svg_text(figure), alt_text(figure))
            except CHART_ERRORS as error:
                made.pop(f"charts/{name}.png", None)
                failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
        if "pdf" in wanted:
            from reports.pdf import report_pdf

            made["report.pdf"] = report_pdf(analysis, drawn, failed=failed, paper=paper)
    if "csv" in wanted:
        made |= {name: _ordered(getattr(analysis, frame)).write_csv().encode() for name, frame in _TABLES.items()}
    if "parquet" in wanted:
        made |= {name: _parquet(_ordered(getattr(analysis, frame))) for name, frame in _FRAMES.items()}
        made["offers.parquet"] = _parquet(_ordered(marked_outliers(analysis.offers, analysis.market_statistics)))
    if "json" in wanted:
        made["analysis.json"] = analysis.to_json().encode()
    return made, failed


def _ordered(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows sorted by every column, left to right: the order in which sources answered must not show in the bytes."""
    text = plain(frame)
    return text.sort(text.columns, nulls_last=True, maintain_order=True) if text.height else text


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", statistics=False)
    return buffer.getvalue()


def _manifest(analysis: Analysis, contents: dict[str, bytes], failed: dict[str, str]) -> bytes:
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
        "charts_failed": failed,
        "outputs": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
        "provenance": dict(analysis.provenance),
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
