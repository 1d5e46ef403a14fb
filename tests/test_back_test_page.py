"""The back-test as a user types it, and the page of the documentation that shows it."""

import json
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "back-test.md"


@pytest.mark.parametrize("month", ["2024-10", "2025-06"])
def test_the_page_shows_what_the_command_prints(type_in, month):
    code, out, _ = type_in("erosion", "--as-of", month, "--markdown")
    assert code == 0
    assert out.strip() in PAGE.read_text("utf-8")


def test_every_series_that_was_missed_is_explained():
    page = PAGE.read_text("utf-8")
    tables, told = page.split("## The misses, one by one")
    missed = {
        line.split("|")[1].strip()
        for line in tables.splitlines()
        if line.startswith("| ") and re.search(r"\*\*(below|above)\*\*", line)
    }
    explained = {name for bullet in re.findall(r"(?ms)^- (.*?):", told) for name in re.findall(r"`([^`]+)`", bullet)}
    assert len(missed) > 10
    assert missed - explained == set()
    assert explained - missed == set()


def test_a_past_day_is_back_tested_below_the_table(type_in):
    code, out, err = type_in("erosion", "--as-of", "2025-06", "--scenario", "base")
    assert code == 0
    assert "Back-test from 2025-06-01" in out
    assert "Outcomes inside P10 to P90" in out
    assert re.search(r"\d+ of \d+ outcomes lay inside P10 to P90", err)
    code, out, _ = type_in("erosion", "--as-of", "2025-06", "--scenario", "base", "--no-backtest")
    assert (code, "Back-test" in out) == (0, False)


def test_rows_of_the_back_test_come_as_json(type_in):
    code, out, _ = type_in("erosion", "--as-of", "2025-06", "--backtest", "--json")
    rows = json.loads(out)
    assert (code, {row["as_of"] for row in rows}) == (0, {"2025-06-01"})
    assert {row["scenario"] for row in rows} == {"base", "supply_crunch"}
    assert any(row["not_forecast"] for row in rows)
    code, out, _ = type_in("erosion", "--as-of", "2025-06", "--json")
    assert "verdict" in json.loads(out)[0]


def test_a_back_test_needs_a_past_day(type_in):
    assert type_in("erosion", "--backtest")[0] == 2
    assert type_in("erosion", "--markdown")[0] == 2
    code, _, err = type_in("erosion", "--as-of", "2026-11-20", "--backtest", "--json")
    assert (code, "no rent was seen after 2026-11-20" in err) == (1, True)


def test_a_scenario_of_the_job_file_is_back_tested_like_the_others(type_in, tmp_path):
    (tmp_path / "job.toml").write_text(
        '[scenarios.standstill]\nbase = "base"\ntitle = "Standstill"\nhardware_decline_per_year = 0.0\n'
    )
    typed = (
        "erosion",
        "--as-of",
        "2025-06",
        "--config",
        "job.toml",
        "--scenario",
        "standstill",
        "--backtest",
        "--json",
    )
    code, out, err = type_in(*typed)
    assert code == 0, err
    told = {(row["series"], row["seen"]): row for row in json.loads(out)}
    oracle = told["oracle h100-sxm on_demand us-ashburn-1", "2026-09-06"]
    assert (oracle["p10"], oracle["p90"], oracle["place"]) == (10.0, 10.0, "inside")
