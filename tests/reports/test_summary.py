"""Verdict lines, words and the cost of importing."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from datetime import UTC, date, datetime

import polars as pl
import pytest

from depin_compare.analysis import Analysis, SourceStates
from reports import words
from reports.style import Look
from reports.summary import ADVICE_NOTE, data_days, verdict_lines
from reports.view import headline_comparison, network_order, ordered_pairs, same_chip_comparison


def test_a_line_a_network_then_ages_then_the_note(analysis: Analysis) -> None:
    lines = verdict_lines(analysis)
    assert len(lines) == 5
    for line, name in zip(lines, ("Akash", "io.net", "Render"), strict=False):
        assert line.startswith(name)
    assert lines[-2] == (
        "Data as of 2026-11-22 09:30 UTC; sources: 2 live, 1 stored, 3 reference; oldest price in use 90 days "
        "(AWS on Trainium2); price not live: Render reference, 90 days."
    )
    assert lines[-1] == ADVICE_NOTE


def test_a_run_that_fetched_nothing_says_of_when_its_prices_are(analysis: Analysis) -> None:
    states = analysis.source_states.with_columns(layer=pl.lit("reference").cast(analysis.source_states["layer"].dtype))
    offline = dataclasses.replace(
        analysis, source_states=SourceStates.cast(states), as_of=datetime(2026, 11, 22, tzinfo=UTC)
    )
    days = analysis.market_prices["observed_at"].drop_nulls()
    assert data_days(offline) == (
        f"Reference data, prices in use of {days.min():%Y-%m-%d} to {days.max():%Y-%m-%d}, compared as of 2026-11-22"
    )
    assert Look.of(offline).dated("prices") == "reference prices, compared as of 2026-11-22"
    assert data_days(analysis) == "Data as of 2026-11-22 09:30 UTC"
    assert Look.of(analysis).dated("prices") == "prices as of 2026-11-22 09:30 UTC"


def test_an_empty_run_says_so(empty_analysis: Analysis) -> None:
    assert verdict_lines(empty_analysis)[0] == "No network could be compared: no source gave a price."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.7297, "73%"),
        (-0.2164, "\N{MINUS SIGN}22%"),
        (0.0655, "6.6%"),
        (0.0, "0%"),
        (-0.0001, "0%"),
        (None, "not known"),
        (-12.3, "\N{MINUS SIGN}1,230%"),
    ],
)
def test_percent(value: float | None, text: str) -> None:
    assert words.percent(value) == text


def test_percent_of_nothing_received() -> None:
    assert words.percent(float("-inf")) == "no receipts"
    assert words.percent(float("nan")) == "not known"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.86, "$1.86"), (0.5167, "$0.517"), (0.0497, "$0.0497"), (0.00856, "$0.0086"), (0.0, "$0"), (40000.0, "$40,000"),
     (-0.0858, "\N{MINUS SIGN}$0.0858"), (None, "not known"), (float("inf"), "no price suffices")],
)  # fmt: skip
def test_usd(value: float | None, text: str) -> None:
    assert words.usd(value) == text


def test_years_are_not_rounded_away() -> None:
    assert words.number(2027.5) == "2027.5"


def test_months_do_not_depend_on_the_machines_language() -> None:
    assert words.month(date(2029, 3, 1)) == "Mar 2029"


@pytest.mark.parametrize(
    ("days", "text"), [(0.0, "same day"), (0.01, "under 1 hour"), (0.21, "5 hours"), (1.6, "1 day"), (90.0, "90 days")]
)
def test_age(days: float, text: str) -> None:
    assert words.age(days) == text


def test_known_networks_come_first() -> None:
    assert network_order(["vast", "render", "akash", "vast", "aethir"]) == ["akash", "render", "vast", "aethir"]


def test_the_cheapest_chip_stands_for_a_cloud(analysis: Analysis) -> None:
    shown = headline_comparison(analysis.headlines, analysis.comparison)
    assert shown["network"].unique(maintain_order=True).to_list() == ["akash", "ionet", "render"]
    assert set(shown["match"]) == {"cheapest"}
    assert shown.select("network", "cloud", "silicon", "reference").is_unique().all()
    assert ordered_pairs(shown)[:2] == [("azure", "nvidia"), ("azure", "maia-200")]
    assert same_chip_comparison(analysis.headlines, analysis.comparison).is_empty()


def test_the_same_chip_has_all_its_numbers_where_one_differs(analysis: Analysis) -> None:
    """A cloud whose list price is cheapest on another chip, and whose commitment is not: both stand beside it."""
    mine = (pl.col("network") == "akash") & (pl.col("cloud") == "aws") & (pl.col("silicon") == "nvidia")
    shown = headline_comparison(analysis.headlines, analysis.comparison).filter(mine)
    chip = shown["reference_accelerator"][0]
    found = analysis.comparison.filter(mine, pl.col("match") == "cheapest").join(
        shown.select("accelerator", "llm", "workload").unique(), on=["accelerator", "llm", "workload"]
    )
    same = found.with_columns(match=pl.lit("same_chip").cast(analysis.comparison.schema["match"]))
    other = analysis.comparison.with_columns(
        reference_accelerator=pl.when(mine & (pl.col("match") == "cheapest") & (pl.col("reference") == "list"))
        .then(pl.lit("b200"))
        .otherwise("reference_accelerator")
    )
    made = same_chip_comparison(analysis.headlines, pl.concat([other, same.select(other.columns)]))
    assert set(made["reference_accelerator"]) == {chip}
    assert set(made["reference"]) == set(shown.drop_nulls("usd_per_mtok_reference")["reference"])


def test_importing_reports_costs_nothing() -> None:
    code = "import sys, reports, reports.summary; print([m for m in ('matplotlib', 'typst') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
