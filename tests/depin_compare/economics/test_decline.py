"""A decline from the history: taken where it is long enough, and said why where it is not."""

import polars as pl
import pytest

from depin_compare.bands import Band
from depin_compare.economics.decline import decline_from_history
from depin_compare.economics.scenarios import scenario_values, scenarios
from depin_compare.market.dated_prices import TrendFits

ASSUMED = Band(0.20, 0.27, 0.35)
IDS = ("base", "maia200")


def fit(**told) -> pl.DataFrame:
    row = {
        "subject_kind": "stored", "subject": "all", "series": "index on_demand", "market": "stored", "unit": "index",
        "state": "fitted", "n_points": 40, "first": "2026-01-05", "last": "2026-10-05", "span_days": 273.0,
        "decline_per_year_low": 0.10, "decline_per_year": 0.15, "decline_per_year_high": 0.21, **told,
    }  # fmt: skip
    frame = pl.DataFrame([row]).with_columns(pl.col("first", "last").str.to_date())
    schema = TrendFits.create_empty().schema
    missing = [pl.lit(None).cast(kind).alias(name) for name, kind in schema.items() if name not in frame.columns]
    return TrendFits.validate(frame.with_columns(missing).select(list(schema)), cast=True)


def test_a_long_history_replaces_the_decline_everywhere_base_s_is_meant():
    decline = decline_from_history(scenarios(IDS), scenario_values(IDS), fit())
    assert {one.parameters["hardware_decline_per_year"] for one in decline.scenarios} == {Band(0.10, 0.15, 0.21)}
    row = decline.values.row(
        by_predicate=(pl.col("scenario") == "base") & (pl.col("parameter") == "hardware_decline_per_year"), named=True
    )
    assert (row["low"], row["central"], row["high"], row["kind"]) == (0.10, 0.15, 0.21, "measured")
    assert row["source_id"] == "your-store"
    change = decline.change.row(0, named=True)
    assert (change["before"], change["after"], change["in_force"]) == (0.27, 0.15, True)
    assert "2026-01-05 to 2026-10-05" in change["note"]
    # Everything else is as it was.
    others = pl.col("parameter") != "hardware_decline_per_year"
    assert decline.values.filter(others).equals(scenario_values(IDS).filter(others))


@pytest.mark.parametrize(
    ("fits", "words"),
    [
        (None, "holds no prices"),
        (fit(state="too_short", reason="span: 20 of the 180 days needed", decline_per_year=None,
             decline_per_year_low=None, decline_per_year_high=None), "20 of the 180 days"),
        (fit(state="steps", decline_per_year=None, decline_per_year_low=None, decline_per_year_high=None),
         "price lists"),
        (fit(decline_per_year_low=-0.5, decline_per_year=-0.383, decline_per_year_high=-0.2), "rose by 38.3% a year"),
        (fit(decline_per_year_low=0.9, decline_per_year=0.97, decline_per_year_high=0.99), "fell by 97.0% a year"),
    ],
)  # fmt: skip
def test_what_can_not_be_used_keeps_the_assumption_and_says_why(fits, words):
    told, values = scenarios(IDS), scenario_values(IDS)
    decline = decline_from_history(told, values, fits)
    assert decline.scenarios == tuple(told)
    assert decline.values.equals(values)
    change = decline.change.row(0, named=True)
    assert (change["before"], change["after"], change["in_force"]) == (0.27, None, False)
    assert words in change["note"]
    assert "stays in force" in change["note"]


def test_an_interval_that_reaches_over_the_ends_is_cut_there():
    decline = decline_from_history(scenarios(IDS), scenario_values(IDS), fit(decline_per_year_low=-0.05))
    assert decline.scenarios[0].parameters["hardware_decline_per_year"] == Band(0.0, 0.15, 0.21)


def test_scenarios_without_base_among_them_take_it_too():
    decline = decline_from_history(scenarios(["maia200"]), scenario_values(["maia200"]), fit())
    assert decline.scenarios[0].parameters["hardware_decline_per_year"].central == 0.15
    assert decline.change["in_force"].item()
    assert scenarios(["maia200"])[0].parameters["hardware_decline_per_year"] == ASSUMED


def test_an_own_scenario_that_starts_from_base_takes_it_and_one_with_a_decline_of_its_own_keeps_it():
    own = {"like_base": {"pass_through": 0.9}, "slower": {"base": "maia200", "hardware_decline_per_year": 0.1}}
    names = ["base", *own]
    told = decline_from_history(scenarios(names, own=own), scenario_values(names, own=own), fit())
    rows = told.values.filter(parameter="hardware_decline_per_year").select("scenario", "central", "source_id").rows()
    assert rows == [("base", 0.15, "your-store"), ("like_base", 0.15, "your-store"), ("slower", 0.1, "your-job-file")]
    assert [one.parameters["hardware_decline_per_year"].central for one in told.scenarios] == [0.15, 0.15, 0.1]
