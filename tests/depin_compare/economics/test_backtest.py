"""Forecasts from a past day: from what was known then alone, and counted as they fell out."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

import depin_compare as dc
from depin_compare.bands import Band
from depin_compare.economics.backtest import (
    BACK_TEST_SCENARIOS,
    MEASURES_OF_THE_MARKET,
    RATIO_OF,
    RATIOS,
    BackTest,
    back_test,
    back_test_shares,
)
from depin_compare.economics.scenarios import Scenario, scenario_values, scenarios
from depin_compare.errors import ModelDomainError
from depin_compare.market.dated_prices import Trends

DAY = date(2024, 10, 1)
AWS = "aws h100-sxm on_demand us-east-1"
FORECAST = ["p10", "p50", "p90", "start", "start_seen", "start_series", "own_start"]


def outcome_of(lines: pl.DataFrame, day: date = DAY, names=BACK_TEST_SCENARIOS, **options) -> pl.DataFrame:
    return back_test(lines, scenarios(names), scenario_values(names), as_of=day, draws=256, **options)


@pytest.fixture(scope="module")
def lines() -> pl.DataFrame:
    return dc.trends()


@pytest.fixture(scope="module")
def found(lines) -> pl.DataFrame:
    return outcome_of(lines)


def point(series: str, seen: date, value: float, market: str = "on_demand") -> dict:
    return {
        "subject_kind": "rent", "subject": "h100-sxm", "series": series, "market": market,
        "observed_at": datetime(seen.year, seen.month, seen.day, tzinfo=UTC), "value": value,
        "unit": "USD per accelerator-hour", "chain": 1, "n_matched": None, "is_list": True, "is_step": False,
        "source_id": "aws-on-demand-list", "kind": "published",
    }  # fmt: skip


def trends(*rows: dict) -> pl.DataFrame:
    return Trends.validate(pl.DataFrame(list(rows), schema=Trends.create_empty().schema))


def certain(**parameters: float) -> Scenario:
    """A scenario without doubt: its forecast is one number, to be worked out by hand."""
    base = {"hardware_decline_per_year": 0.2, "network_lag_years": 0.5, "pass_through": 0.5}
    bands = {name: Band.certain(value) for name, value in (base | parameters).items()}
    return Scenario(id="base", title="", meaning="", clouds=("aws",), parameters=bands)


def test_a_certain_forecast_worked_by_hand():
    rows = [
        point(AWS, date(2024, 1, 1), 10.0, "hyperscaler_list"), point(AWS, date(2026, 1, 1), 7.0, "hyperscaler_list"),
        point("runpod h100-sxm on_demand secure", date(2024, 1, 1), 3.0),
        point("runpod h100-sxm on_demand secure", date(2026, 1, 1), 2.0),
    ]  # fmt: skip
    told = back_test(trends(*rows), [certain()], scenario_values(["base"]), as_of=date(2025, 1, 1), draws=4)
    year = 365 / 365.25
    cloud = told.row(by_predicate=pl.col("series") == AWS, named=True)
    assert cloud["p10"] == cloud["p90"] == pytest.approx(10.0 * 0.8**year)
    assert (cloud["place"], cloud["start"], cloud["start_seen"]) == ("below", 10.0, date(2024, 1, 1))
    network = told.row(by_predicate=pl.col("series") == "runpod h100-sxm on_demand secure", named=True)
    assert network["p50"] == pytest.approx(3.0 * 0.8 ** (year - 0.5))
    ratio = told.row(by_predicate=pl.col("quantity") == "ratio", named=True)
    assert ratio["p50"] == pytest.approx(network["p50"] / cloud["p50"])
    assert (ratio["outcome"], ratio["own_start"]) == (pytest.approx(2.0 / 7.0), True)


def test_a_shortage_lifts_both_sides_by_its_wave():
    wave = {
        "network_peak_multiplier": 1.4, "cloud_peak_multiplier": 1.2, "peak_after_years": 0.5, "half_life_years": 1.0
    }  # fmt: skip
    rows = [
        point(AWS, date(2024, 1, 1), 10.0, "hyperscaler_list"), point(AWS, date(2024, 12, 31), 9.0, "hyperscaler_list"),
        point("market h100-sxm on_demand", date(2024, 1, 1), 3.0),
        point("market h100-sxm on_demand", date(2024, 12, 31), 3.0),
    ]  # fmt: skip
    still = certain(hardware_decline_per_year=0.0, **wave)
    told = back_test(trends(*rows), [still], scenario_values(["base"]), as_of=date(2024, 1, 1), draws=4)
    late = 2 ** -(365 / 365.25 - 0.5)
    by_series = dict(told.select("series", "p50").iter_rows())
    assert by_series[AWS] == pytest.approx(10.0 * (1 + 0.2 * late))
    assert by_series["market h100-sxm on_demand"] == pytest.approx(3.0 * (1 + 0.4 * late))


def test_a_later_price_planted_anywhere_moves_no_forecast(lines, found):
    planted = [
        point(series, date(2024, 10, 2), value)
        for series, value in ((AWS, 0.5), ("market h100-sxm on_demand", 150.0), ("new h100-sxm on_demand", 1.0))
    ]
    doubled = lines.with_columns(
        pl.when(pl.col("observed_at").dt.date() > DAY).then(pl.col("value") * 2).otherwise("value").alias("value")
    )
    other = outcome_of(Trends.validate(pl.concat([doubled, trends(*planted)])))
    key = ["series", "seen", "scenario"]
    both = found.join(other, on=key, suffix="_other", validate="1:1")
    assert both.height == found.height
    for name in FORECAST:
        assert both[f"{name}_other"].equals(both[name].alias(f"{name}_other")), name
    assert (both["outcome_other"] != both["outcome"]).any()


def test_what_was_known_does_move_it(lines, found):
    before = (pl.col("observed_at").dt.date() <= DAY) & (pl.col("series") == AWS)
    dearer = lines.with_columns(pl.when(before).then(pl.col("value") * 2).otherwise("value").alias("value"))
    rows = [frame.filter(pl.col("series") == AWS)["p50"].to_list() for frame in (found, outcome_of(dearer))]
    assert rows[1] == pytest.approx([2 * p for p in rows[0]])


def test_quantiles_are_in_order_and_places_are_where_the_outcomes_lie(found):
    forecast = found.filter(pl.col("place").is_not_null())
    assert forecast.height > 20
    for row in forecast.iter_rows(named=True):
        assert row["p10"] <= row["p50"] <= row["p90"]
        clear = {"below": row["outcome"] < row["p10"], "above": row["outcome"] > row["p90"]}
        assert clear.get(row["place"], not any(clear.values())) or row["outcome"] == pytest.approx(row["p90"])


def test_only_measures_of_the_market_start_from_another_series(found):
    borrowed = found.filter(~pl.col("own_start"))
    assert set(borrowed.filter(pl.col("quantity") == "price")["series"]) <= set(MEASURES_OF_THE_MARKET)
    assert set(borrowed["start_series"]) == {"market h100-sxm on_demand"}
    unknown = found.filter(pl.col("p50").is_null())
    assert set(unknown["not_forecast"]) == {"no price of this series was known by then"}
    assert unknown["place"].null_count() == unknown.height
    # The list was cut in June 2025; a day before, nobody could know.
    assert "azure h100-sxm on_demand eastus" in set(unknown["series"])


def test_the_ratios_take_the_list_as_it_stood_on_the_day_of_the_rent(found):
    ratios = found.filter(pl.col("quantity") == "ratio", pl.col("scenario") == "base")
    assert ratios.height >= 4
    contract = ratios.filter(pl.col("series") == f"{RATIO_OF[2]} / {RATIOS[0]}", pl.col("seen") == date(2025, 10, 15))
    assert contract["outcome"].item() == pytest.approx(1.70 / 6.88)
    october = ratios.filter(pl.col("series") == f"{RATIO_OF[0]} / {RATIOS[0]}")
    assert october["outcome"].to_list() == [pytest.approx(2.99 / 12.29)]


def test_parameters_younger_than_the_forecast_are_named(found, lines):
    by_scenario = dict(found.select("scenario", "younger").unique().iter_rows())
    # The source of the hardware decline was published in January 2025.
    assert "hardware_decline_per_year" in by_scenario["base"]
    assert "network_peak_multiplier" in by_scenario["supply_crunch"]
    later = outcome_of(lines, date(2025, 6, 1), ["base"])["younger"].unique().to_list()
    assert later == ["network_lag_years, pass_through"]


def test_shares_count_every_outcome_once(found):
    shares = back_test_shares(found)
    forecast = found.filter(pl.col("place").is_not_null())
    assert shares["n_outcomes"].sum() == forecast.height
    assert shares.select(
        (pl.col("n_inside") + pl.col("n_below") + pl.col("n_above") == pl.col("n_outcomes")).all()
    ).item()
    assert shares["n_inside"].sum() == forecast.filter(pl.col("place") == "inside").height
    one = shares.row(0, named=True)
    assert one["share_inside"] == pytest.approx(one["n_inside"] / one["n_outcomes"])


def test_the_same_seed_gives_the_same_numbers_and_another_seed_nearly(lines):
    first, again, other = (outcome_of(lines, seed=seed) for seed in (1, 1, 2))
    assert first.equals(again)
    known = first["p50"].is_not_null()
    apart = np.abs(np.log(first.filter(known)["p50"].to_numpy() / other.filter(known)["p50"].to_numpy()))
    assert 0 < apart.max() < 0.05


def test_a_day_after_everything_is_refused(lines):
    with pytest.raises(ModelDomainError, match="no rent was seen after 2030-01-01"):
        outcome_of(lines, date(2030, 1, 1))


def test_a_frame_without_forecasts_has_no_shares():
    assert back_test_shares(BackTest.create_empty()).height == 0
