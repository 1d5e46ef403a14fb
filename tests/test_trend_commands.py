"""Trends as a user types them, and a history in place of an assumption."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from market_frames import facts, offers

from depin_compare.market.offers import Skipped
from depin_compare.market.store import Store


def test_trends_are_told_with_their_interval_their_steps_or_why_not(type_in):
    code, out, _ = type_in("trends", "--subject", "h100-sxm")
    assert code == 0
    words = " ".join(out.replace("│", " ").split())
    assert "too short: days" in words
    code, out, _ = type_in("trends", "--subject", "h100-sxm", "--json")
    fits = pl.DataFrame(json.loads(out))
    aws = fits.row(by_predicate=pl.col("series") == "aws h100-sxm on_demand us-east-1", named=True)
    assert (aws["state"], aws["steps"]) == ("steps", "2025-06-05: 12.29 -> 6.88 (-44.0%)")
    assert set(fits["subject"]) == {"h100-sxm"}


def test_trends_of_a_day_know_nothing_later(type_in, tmp_path):
    code, _, err = type_in("trends", "--as-of", "2025-05-31", "--points", "-o", "points.csv")
    assert (code, "rows written" in err) == (0, True)
    points = pl.read_csv(tmp_path / "points.csv", try_parse_dates=True)
    assert str(points["observed_at"].max())[:10] == "2025-05-31"
    assert not points["is_step"].any()


def test_trends_of_a_store(type_in, tmp_path):
    store = Store(tmp_path / "mine")
    for step in range(10):
        at = datetime(2026, 1, 5, 6, tzinfo=UTC) + timedelta(weeks=3 * step)
        rows = offers({"usd_per_accelerator_hour": 2.0 * 0.97**step, "observed_at": at})
        store.write(
            observed_at=at, offers=rows, facts=facts(), skipped=Skipped.create_empty(),
            statuses={"akash": {"status": "ok"}},
        )  # fmt: skip
    code, out, _ = type_in("trends", "--stored", "--store", str(tmp_path / "mine"), "--json")
    (fit,) = json.loads(out)
    assert (code, fit["state"], fit["n_points"]) == (0, "fitted", 10)
    assert fit["decline_per_year"] == pytest.approx(1 - 0.97 ** (365.25 / 21))
    _, out, _ = type_in("trends", "--stored", "--store", str(tmp_path / "mine"))
    assert "41.1% (41.1% to 41.1%)" in " ".join(out.replace("│", " ").split())
    # The same history in place of the assumed decline.
    (tmp_path / "job.toml").write_text('[analysis]\ndecline_from = "history"\nscenarios = ["base"]\n')
    typed = ("--config", "job.toml", "--store", str(tmp_path / "mine"), "--offline", "--as-of", "2026-08-10")
    assert type_in("run", *typed, "--out", "report", "--format", "json")[0] == 0
    saved = json.loads((tmp_path / "report" / "analysis.json").read_text())["frames"]
    change = {name: values[0] for name, values in saved["user_changes"].items()}
    assert (change["key"], change["in_force"]) == ("base.hardware_decline_per_year", True)
    assert change["after"] == pytest.approx(0.411, abs=0.001)


def test_a_history_that_is_too_short_says_so_and_changes_nothing(type_in, tmp_path):
    (tmp_path / "job.toml").write_text('[analysis]\ndecline_from = "history"\nscenarios = ["base"]\n')
    typed = ("run", "--config", "job.toml", "--offline", "--as-of", "2026-08-10", "--format", "json")
    assert type_in(*typed, "--out", "report")[0] == 0
    saved = json.loads((tmp_path / "report" / "analysis.json").read_text())["frames"]["user_changes"]
    assert (saved["key"], saved["in_force"]) == (["base.hardware_decline_per_year"], [False])
    assert "holds no prices" in saved["note"][0]


@pytest.mark.parametrize("words", [["--every", "1y"], ["--subject", "h1000"], ["--as-of", "soon"]])
def test_words_it_does_not_know_are_usage_errors(type_in, words):
    assert type_in("trends", "--stored" if words[0] == "--every" else "--points", *words)[0] == 2
