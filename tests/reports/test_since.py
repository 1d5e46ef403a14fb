"""What a report says changed since the one that lay in its folder."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from depin_compare.analysis import Analysis
from reports.sections.changes import changes_part
from reports.since import Since, of_selection, since_analysis, since_folder, since_lines
from reports.writer import write_report

FORMATS = ("csv", "json", "md")


@pytest.fixture(scope="module")
def later(analysis: Analysis) -> Analysis:
    """A week on: io.net's chips a fifth dearer, and its verdict another."""
    mine = pl.col("network") == "ionet"
    price = pl.col("usd_per_accelerator_hour")
    prices = analysis.market_prices.with_columns(pl.when(mine).then(price * 1.2).otherwise(price))
    verdict = pl.when(mine).then(pl.lit("resilient")).otherwise("verdict")
    return dataclasses.replace(
        analysis,
        as_of=analysis.as_of + timedelta(days=7),
        market_prices=prices,
        headlines=analysis.headlines.with_columns(verdict.alias("verdict")),
    )


@pytest.fixture(scope="module")
def since(analysis: Analysis, later: Analysis) -> Since:
    return since_analysis(analysis, later)


def write(analysis: Analysis, out: Path) -> dict[str, bytes]:
    write_report(analysis, out, formats=FORMATS, since=since_folder(out, analysis))
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_two_lines_say_how_much_changed_and_why(since: Since) -> None:
    assert since_lines(since) == [
        "Since the report of 2026-11-22: 1 verdict and 4 prices changed. Cause: the data (5).",
        "First: io.net: resilient, was eroded. Cause: the data.",
    ]
    assert since_lines(None) == []
    assert since_lines(Since(problem="It can't be read.")) == ["It can't be read."]


def test_nothing_of_note_is_one_line(analysis: Analysis) -> None:
    quiet = since_analysis(analysis, dataclasses.replace(analysis, as_of=analysis.as_of + timedelta(days=1)))
    assert since_lines(quiet) == ["Since the report of 2026-11-22: no change of note."]
    assert [part["type"] for part in changes_part(quiet)] == ["text", "quiet"]


def test_a_page_has_every_change_or_says_where_the_rest_is(since: Since) -> None:
    assert since.rows is not None
    text, table = changes_part(since)
    assert text["text"] == since_lines(since)[0]
    assert [row[0] for row in table["rows"]] == [
        sentence.removesuffix(". Cause: the data.") for sentence in since.rows["sentence"]
    ]
    assert {row[1]["text"] for row in table["rows"]} == {"the data"}
    many = pl.concat([since.rows.filter(what="price").head(1)] * 30).with_columns(rank=pl.int_range(1, 31))
    text, table = changes_part(dataclasses.replace(since, rows=many))  # type: ignore[arg-type]  # given on purpose, or a frame without its schema
    assert len(table["rows"]) == 8
    assert "22 further changes in changes.csv." in table["notes"]


def test_the_folder_holds_what_came_before(analysis: Analysis, later: Analysis, tmp_path: Path) -> None:
    assert "changes.csv" not in write(analysis, tmp_path)
    files = write(later, tmp_path)
    told = pl.read_csv(files["changes.csv"])
    assert told["what"].to_list() == ["verdict", *["price"] * 4]
    assert "## Since the last report" in files["summary.md"].decode()
    # Made again the same day from the same data: it still speaks of the week before.
    assert write(later, tmp_path) == files
    gone = write(analysis, tmp_path)
    assert b"Since the report of 2026-11-29" in gone["summary.md"]


def test_no_report_before_is_nothing_to_speak_of(analysis: Analysis, tmp_path: Path) -> None:
    assert since_folder(tmp_path / "none", analysis) is None
    (tmp_path / "file").write_text("in the way")
    assert since_folder(tmp_path / "file", analysis) is None
    assert write(analysis, tmp_path / "out") == write(analysis, tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not a saved analysis"),
        ('{"schema": 99, "frames": {}}', "saved analysis has schema 99"),
        ('{"schema": 2, "frames": {"headlines": {"network": [1]}}, "as_of": "x"}', "saved analysis is damaged"),
        ('{"schema": 2, "frames": [], "as_of": "2026-11-22T00:00:00+00:00"}', "saved analysis is damaged"),
        ("\udcff", "can't be compared with"),
    ],
    ids=["cut off", "of a later version", "other columns", "other shape", "no text"],
)
def test_a_report_that_can_not_be_read_is_told_in_one_line(
    text: str, told: str, analysis: Analysis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "analysis.json").write_text(text, "utf-8", errors="surrogateescape")
    since = since_folder(tmp_path, analysis)
    assert since is not None
    assert since.rows is None
    (line,) = since_lines(since)
    assert told in line
    assert "\n" not in line
    assert len(caplog.records) == 1
    files = write(analysis, tmp_path)
    assert "changes.csv" not in files
    assert told in files["summary.md"].decode().replace("\\", "")


def test_changes_of_a_selection_are_its_own(since: Since) -> None:
    assert since.rows is not None
    assert of_selection(since, networks=["akash"]).rows is not None
    assert of_selection(since, networks=["akash"]).rows.is_empty()  # type: ignore[union-attr]  # known to be there
    mine = of_selection(since, networks=["ionet"], scenarios=["base"]).rows
    assert mine is not None
    assert_frame_equal(mine, since.rows)
