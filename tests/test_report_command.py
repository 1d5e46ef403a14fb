"""`report` as a user types it: the same again, a part of it, and what changed; and what `run` says of the last one."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

ONE = ("--offline", "--network", "akash", "--network", "ionet", "--scenario", "base", "--llm", "llama-3.3-70b")
SMALL = ("md", "csv", "json")


def formats(*names: str) -> list[str]:
    return [word for name in names for word in ("--format", name)]


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def widths(folder: Path) -> set[int]:
    """Of every chart in a report's folder."""
    found = set()
    for path in (folder / "charts").glob("*.png"):
        with Image.open(path) as picture:
            found.add(picture.width)
    return found


@pytest.fixture
def first(type_in, tmp_path):
    """A report of two networks in the folder ``first``."""
    code, out, _ = type_in("run", *ONE, "--as-of", "2026-11-22", *formats(*SMALL), "--out", "first")
    assert code == 0
    assert "Since" not in out
    return tmp_path / "first"


def test_the_same_report_again_has_the_same_bytes(type_in, first, tmp_path):
    for words in (("first/analysis.json",), ("first",)):
        code, out, _ = type_in("report", *words, *formats(*SMALL), "--out", "again")
        assert code == 0
        assert "again/summary.md" in out.splitlines()
        assert files(tmp_path / "again") == files(first)
    before = files(first)
    assert type_in("report", "first", *formats(*SMALL), "--out", "first")[0] == 0
    assert files(first) == before


def test_only_the_networks_asked_for(type_in, first, tmp_path):
    assert type_in("report", "first", "--network", "ionet", *formats(*SMALL), "--out", "part")[0] == 0
    assert set(pl.read_csv(tmp_path / "part" / "verdicts.csv")["network"]) == {"ionet"}
    assert set(pl.read_csv(tmp_path / "part" / "margins.csv")["network"]) == {"ionet"}
    manifest = json.loads((tmp_path / "part" / "manifest.json").read_text())
    assert manifest["provenance"]["selected_networks"] == "ionet"
    assert "Akash" not in (tmp_path / "part" / "summary.md").read_text()
    code, _, err = type_in("report", "first", "--network", "inet", "--out", "part")
    assert (code, "did you mean ionet?" in err) == (2, True)
    code, _, err = type_in("report", "first", "--scenario", "maia200", "--out", "part")
    assert (code, "unknown scenario 'maia200'" in err) == (2, True)


def test_a_part_never_replaces_the_whole_it_is_drawn_from(type_in, first, tmp_path):
    before = files(first)
    code, _, err = type_in("report", "first", "--network", "ionet", "--out", "first")
    assert (code, "name another folder" in " ".join(err.split())) == (2, True)
    assert files(first) == before
    assert type_in("report", "first", *formats("md"), "--out", "first")[0] == 0
    after = files(first)
    assert set(after) == {"analysis.json", "manifest.json", "summary.md"}
    assert after["analysis.json"] == before["analysis.json"]


def test_sizes_sections_and_the_job_files_outputs(type_in, first, tmp_path, drawn_small):
    job = tmp_path / "job.toml"
    job.write_text(
        '[outputs]\nout = "first"\nformats = ["png"]\nsections = ["sources"]\npng_width = 500\ndpi = 200\n', "utf-8"
    )
    assert type_in("report", "--config", "job.toml", "--out", "small")[0] == 0
    assert widths(tmp_path / "small") == {500}
    assert type_in("report", "--config", "job.toml", "--png-width", "300", "--out", "small")[0] == 0
    assert widths(tmp_path / "small") == {300}
    assert type_in("report", "first", *formats("svg"), "--out", "drawn")[0] == 0
    assert list((tmp_path / "drawn" / "charts").glob("*.svg"))


def test_words_it_does_not_know_are_usage_errors(type_in, first, tmp_path):
    for words, told in (
        (("--format", "docx"), "docx"),
        (("--paper", "a3"), "a3"),
        (("--png-width", "10"), "greater than or equal to 200"),
        (("--dpi", "5000"), "less than or equal to 800"),
        (("--section", "source"), "did you mean sources"),
        (("--since", "none.json"), "none.json: can't be read"),
    ):
        code, _, err = type_in("report", "first", *words, "--out", "none")
        assert (code, told in " ".join(err.replace("│", " ").split())) == (2, True), (words, err)
        code, _, err = type_in("run", "--offline", *words, "--out", "none")
        assert code == 2, words
    assert not (tmp_path / "none").exists()
    (tmp_path / "other.json").write_text('{"schema": 2, "frames": []}')
    code, _, err = type_in("report", "other.json", "--out", "none")
    assert (code, "other.json: saved analysis is damaged" in err) == (2, True)


def test_a_slip_in_the_job_files_outputs_has_its_line(type_in, tmp_path):
    job = tmp_path / "job.toml"
    job.write_text('[outputs]\nsections = ["prices", "source"]\npng_width = 100\nformats = ["markdown"]\n', "utf-8")
    code, _, err = type_in("run", "--config", "job.toml")
    assert code == 2
    for told in ("job.toml:3: outputs.png_width", "job.toml:4: outputs.formats[0]"):
        assert told in err
    job.write_text('[outputs]\nsections = ["prices", "source"]\n', "utf-8")
    code, _, err = type_in("run", "--config", "job.toml")
    assert code == 2
    assert "job.toml:2: outputs.sections[1]: unknown section 'source'; did you mean sources" in err


def test_run_says_what_changed_since_the_report_in_its_folder(type_in, first, tmp_path):
    job = tmp_path / "job.toml"
    job.write_text("[prices]\nakash.h100-sxm = 3.9\n", "utf-8")
    later = ("run", *ONE, *formats(*SMALL), "--config", "job.toml", "--out", "first")
    code, out, _ = type_in(*later, "--as-of", "2026-11-23")
    assert code == 0
    lines = out.splitlines()
    (at,) = (i for i, line in enumerate(lines) if line.startswith("Since the report of 2026-11-22: "))
    assert lines[at + 1].startswith("First: Akash")
    assert lines[at + 2].startswith(("PDF", "Report"))
    told = pl.read_csv(first / "changes.csv")
    assert told.filter(what="price", network="akash")["cause"].to_list() == ["configuration"]
    assert json.loads((first / "manifest.json").read_text())["since"] == "2026-11-22T00:00:00+00:00"
    summary = (first / "summary.md").read_text()
    assert told["sentence"][0] in summary.replace("\\", "")
    # The same day again: still what changed since the day before, to the byte.
    before = files(first)
    code, again, _ = type_in(*later, "--as-of", "2026-11-23")
    assert files(first) == before
    assert lines[at] in again.splitlines()
    # Drawn again elsewhere it says the same.
    assert type_in("report", "first", *formats(*SMALL), "--out", "copy")[0] == 0
    assert files(tmp_path / "copy") == before
    assert type_in("report", "first", *formats("csv"), "--network", "ionet", "--out", "part")[0] == 0
    assert set(pl.read_csv(tmp_path / "part" / "changes.csv")["network"].drop_nulls()) <= {"ionet"}


def test_since_another_file(type_in, first, tmp_path):
    assert type_in("run", *ONE, "--as-of", "2026-11-22", *formats("json"), "--out", "other")[0] == 0
    later = ("run", *ONE, *formats("csv", "json"), "--as-of", "2026-11-24", "--out", "new")
    code, out, _ = type_in(*later, "--since", "other/analysis.json")
    assert (code, "Since the report of 2026-11-22: " in out) == (0, True)
    code, out, _ = type_in("report", "new", *formats("md"), "--since", "first", "--out", "drawn")
    assert code == 0
    assert "Since the report of 2026-11-22" in (tmp_path / "drawn" / "summary.md").read_text()


def test_a_report_before_that_can_not_be_read_costs_one_line(type_in, first):
    (first / "analysis.json").write_text("{")
    code, out, err = type_in("run", *ONE, "--as-of", "2026-11-22", *formats("md"), "--out", "first")
    assert code == 0
    assert sum("can't be compared with" in line for line in out.splitlines()) == 1
    assert sum("can't be compared with" in line for line in err.splitlines()) == 1


@pytest.fixture
def drawn_small(monkeypatch):
    """One chart in place of all."""
    from reports import charts, drawing

    monkeypatch.setattr(drawing, "CHARTS", {"source_ages": charts.CHARTS["source_ages"]})
