"""The files of a run: whole or not at all, and the same bytes twice."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pypdf
import pytest

from depin_compare.analysis import Analysis
from depin_compare.errors import DepinCompareError, UnknownNameError
from depin_compare.jobs.config import OutputsConfig
from reports import charts, drawing, writer
from reports.since import since_analysis
from reports.writer import write_report

TABLES = ("csv", "parquet")


def files(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def written(analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The whole report, written once into the folder ``out`` of a folder of its own."""
    return write_report(analysis, tmp_path_factory.mktemp("whole") / "out")


@pytest.fixture(scope="module")
def out(written: list[Path]) -> Path:
    return next(path.parent for path in written if path.name == "manifest.json")


def test_writes_everything_promised(written: list[Path], out: Path) -> None:
    names = {str(p.relative_to(out)) for p in written}
    assert names == set(files(out))
    assert {
        "report.pdf",
        "comparison.csv",
        "margins.csv",
        "erosion.csv",
        "market_statistics.csv",
        "discrepancies.csv",
        "token_prices.csv",
        "market_check.csv",
        "verdicts.csv",
        "summary.md",
        "analysis.json",
        "offers.parquet",
        "manifest.json",
    } <= names
    assert sum(n.startswith("charts/") and n.endswith(".png") for n in names) >= 4
    assert [p.name for p in out.parent.iterdir()] == ["out"]


def test_two_runs_give_equal_bytes(analysis: Analysis, out: Path, tmp_path: Path) -> None:
    write_report(analysis, tmp_path / "again")
    assert files(tmp_path / "again") == files(out)


def test_the_order_of_rows_does_not_show_in_the_tables(analysis: Analysis, tmp_path: Path) -> None:
    import dataclasses

    shuffled = dataclasses.replace(
        analysis,
        comparison=analysis.comparison.reverse(),
        offers=analysis.offers.reverse(),
        outlook=analysis.outlook.reverse(),
    )
    write_report(analysis, tmp_path / "a", formats=TABLES)
    write_report(shuffled, tmp_path / "b", formats=TABLES)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_tables_are_the_frames(analysis: Analysis, tmp_path: Path) -> None:
    write_report(analysis, tmp_path, formats=TABLES)
    comparison = pl.read_csv(tmp_path / "comparison.csv")
    assert comparison.columns == analysis.comparison.columns
    assert comparison.height == analysis.comparison.height
    assert comparison["advantage"].sum() == pytest.approx(analysis.comparison["advantage"].sum())
    assert comparison["advantage"].null_count() == analysis.comparison["advantage"].null_count()
    offers = pl.read_parquet(tmp_path / "offers.parquet")
    assert offers.height == analysis.offers.height
    assert offers.columns == [*analysis.offers.columns, "outlier"]
    for name in ("market_statistics", "discrepancies", "token_prices", "market_check"):
        frame = getattr(analysis, name)
        written = pl.read_csv(tmp_path / f"{name}.csv")
        assert (written.columns, written.height) == (frame.columns, frame.height)


def test_the_manifest_names_every_output_with_its_hash(out: Path) -> None:
    manifest = json.loads((out / "manifest.json").read_text())
    found = files(out)
    found.pop("manifest.json")
    assert manifest["outputs"] == {name: hashlib.sha256(content).hexdigest() for name, content in found.items()}
    assert manifest["sources"]["aws"]["state"] == "timed_out"
    assert manifest["sources"]["aws"]["age_days"] == 90.0
    assert manifest["provenance"]["seed"] == "20261122"
    assert manifest["charts_failed"] == {}
    assert list(manifest) == sorted(manifest)


def test_a_failing_chart_costs_only_itself(
    analysis: Analysis, tmp_path: Path, drawn_quickly: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("the axis has no end\nsecond line")

    monkeypatch.setitem(charts.CHARTS, "headroom", broken)  # type: ignore[arg-type]  # given on purpose, or a frame without its schema
    write_report(analysis, tmp_path)
    assert not (tmp_path / "charts" / "headroom.png").exists()
    assert (tmp_path / "charts" / "price_ladder.png").exists()
    assert (tmp_path / "report.pdf").exists()
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["charts_failed"] == {"headroom": "ValueError: the axis has no end"}


def test_a_bug_is_not_swallowed(
    analysis: Analysis, tmp_path: Path, drawn_quickly: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise AttributeError("no such attribute")

    monkeypatch.setitem(charts.CHARTS, "headroom", broken)  # type: ignore[arg-type]  # given on purpose, or a frame without its schema
    with pytest.raises(AttributeError, match="no such attribute"):
        write_report(analysis, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("exists", [True, False], ids=["over an older report", "into nothing"])
def test_an_error_midway_leaves_the_folder_as_it_was(
    exists: bool, analysis: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    if exists:
        out.mkdir()
        for name in ("margins.csv", "summary.md", "changes.csv", "verdicts.csv"):
            (out / name).write_text("older")
        (out / "notes.txt").write_text("the user's own")
    before = files(out) if exists else None
    replace = Path.replace
    calls = 0

    def failing(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == (4 if exists else 1):
            raise OSError("disk full")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="disk full"):
        write_report(analysis, out, formats=("md", "csv", "parquet"), since=since_analysis(analysis, analysis))
    monkeypatch.undo()
    assert (files(out) if exists else None) == before
    assert out.exists() == exists
    assert {p.name for p in tmp_path.iterdir()} == ({"out"} if exists else set())


def test_a_later_report_removes_what_the_earlier_one_left(
    analysis: Analysis, tmp_path: Path, drawn_quickly: None
) -> None:
    write_report(analysis, tmp_path, formats=("png", "csv"))
    (tmp_path / "notes.txt").write_text("the user's own")
    (tmp_path / "margins.csv").write_text("changed by the user")
    write_report(analysis, tmp_path, formats=("parquet",))
    names = set(files(tmp_path))
    assert not any(n.startswith("charts/") for n in names)
    assert "comparison.csv" not in names
    assert {"notes.txt", "margins.csv", "offers.parquet", "manifest.json"} <= names


def test_a_manifest_can_not_name_files_elsewhere(analysis: Analysis, tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("x")
    out = tmp_path / "out"
    out.mkdir()
    digest = hashlib.sha256(b"x").hexdigest()
    (out / "manifest.json").write_text(json.dumps({"outputs": {"../precious.txt": digest, str(precious): digest}}))
    write_report(analysis, out, formats=("csv",))
    assert precious.read_text() == "x"


def test_an_unknown_format_is_refused_before_anything_is_written(analysis: Analysis, tmp_path: Path) -> None:
    with pytest.raises(DepinCompareError, match=r"format docx is not known; known are pdf, png"):
        write_report(analysis, tmp_path / "out", formats=("docx",))
    assert not (tmp_path / "out").exists()


def test_an_empty_run_is_written_too(empty_analysis: Analysis, tmp_path: Path) -> None:
    write_report(empty_analysis, tmp_path)
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert pl.read_csv(tmp_path / "comparison.csv").height == 0


def test_formats_are_all_known() -> None:
    assert writer.FORMATS == ("pdf", "png", "svg", "md", "csv", "parquet", "json")
    assert set(writer.FORMATS) - set(writer.DEFAULT_FORMATS) == {"svg"}


def test_svg_is_written_where_it_is_asked_for(analysis: Analysis, tmp_path: Path, drawn_quickly: None) -> None:
    write_report(analysis, tmp_path, formats=("svg",))
    names = set(files(tmp_path))
    assert names == {f"charts/{name}.svg" for name in charts.CHARTS} | {"manifest.json"}
    assert (tmp_path / "charts" / "headroom.svg").read_text().count("<svg") == 1
    write_report(analysis, tmp_path, formats=("png",))
    assert not list(tmp_path.rglob("*.svg"))


def test_only_the_sections_asked_for_follow_the_first_page(
    analysis: Analysis, tmp_path: Path, drawn_quickly: None
) -> None:
    def titles(sections: Sequence[str] | None) -> list[str]:
        write_report(analysis, tmp_path, formats=("pdf",), sections=sections)
        outline = pypdf.PdfReader(tmp_path / "report.pdf").outline
        return [entry.title for entry in outline if not isinstance(entry, list)]

    whole, part = titles(None), titles(["sources", "assumptions"])
    assert [title for title in whole if title in part] == part
    assert {"Sources", "Assumptions and scenarios"} < set(part)
    assert len(part) < len(whole) - 4
    assert set(titles([])) < set(part)
    with pytest.raises(UnknownNameError, match=r"unknown section 'source'; did you mean sources"):
        write_report(analysis, tmp_path / "out", sections=["source"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ({"png_width": 199}, "png_width is 199, expected 200 to 6000"),
        ({"png_width": 6001}, "png_width is 6001, expected 200 to 6000"),
        ({"dpi": 49}, "dpi is 49, expected 50 to 800"),
        ({"dpi": 801}, "dpi is 801, expected 50 to 800"),
    ],
)
def test_a_size_no_picture_has_is_refused(size: dict[str, int], told: str, analysis: Analysis, tmp_path: Path) -> None:
    with pytest.raises(DepinCompareError, match=told):
        write_report(analysis, tmp_path / "out", formats=("png",), **size)  # type: ignore[arg-type]  # given on purpose, or a frame without its schema
    assert not (tmp_path / "out").exists()


def test_the_job_file_takes_the_sizes_that_the_writer_takes() -> None:
    limits = {}
    for name in ("png_width", "dpi"):
        limits[name] = {type(one).__name__: one for one in OutputsConfig.model_fields[name].metadata}
    assert (limits["png_width"]["Ge"].ge, limits["png_width"]["Le"].le) == (200, writer.MOST_PNG_WIDTH)
    assert (limits["dpi"]["Ge"].ge, limits["dpi"]["Le"].le) == (50, writer.MOST_DPI)
    assert OutputsConfig(formats=writer.FORMATS).formats == writer.FORMATS


def test_the_same_bytes_whatever_the_hashes_of_the_process(
    one_network: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "CHARTS", {"headroom": charts.CHARTS["headroom"]})
    saved = tmp_path / "analysis.json"
    saved.write_text(one_network.to_json(), "utf-8")
    formats = ("svg", "md", "csv", "parquet", "json")
    write_report(Analysis.from_json(saved.read_text("utf-8")), tmp_path / "here", formats=formats)
    code = f"""
import sys
from pathlib import Path
from depin_compare.analysis import Analysis
from reports import charts, drawing
from reports.writer import write_report
drawing.CHARTS = {{"headroom": charts.CHARTS["headroom"]}}
write_report(Analysis.from_json(Path(sys.argv[1]).read_text("utf-8")), sys.argv[2], formats={formats!r})
"""
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    there = tmp_path / "there"
    subprocess.run([sys.executable, "-c", code, str(saved), str(there)], check=True, env=environment)
    assert "charts/headroom.svg" in files(there)
    assert files(there) == files(tmp_path / "here")
