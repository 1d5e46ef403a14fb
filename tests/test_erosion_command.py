"""`depin-compare erosion` as a user types it: draws and seed, odds, which inputs decide, and the stress grid."""

import json

import pytest

OF_AKASH = ("erosion", "--as-of", "2026-11-22", "--network", "akash", "--json")


def rows(type_in, *words: str) -> list[dict]:
    code, out, err = type_in(*OF_AKASH, *words)
    assert code == 0, err
    return json.loads(out)


def test_the_seed_moves_what_is_drawn_and_nothing_else(type_in):
    one, other = (rows(type_in, "--draws", "64", "--seed", seed) for seed in ("1", "2"))
    assert [row["date"] for row in one] == [row["date"] for row in other]
    assert [row["probability_lost"] for row in one] != [row["probability_lost"] for row in other]


def test_the_odds_year_by_year(type_in):
    told = rows(type_in, "--draws", "64", "--probabilities", "--scenario", "maia200")
    assert {row["scenario"] for row in told} == {"maia200"}
    assert {row["year"] for row in told} == set(range(2026, 2037))
    assert all(0.0 <= row["probability_lost"] <= 1.0 for row in told)


def test_what_decides_in_the_scenario_asked_for(type_in):
    base = rows(type_in, "--draws", "64", "--sensitivity")
    assert {row["scenario"] for row in base} == {"base"}
    fractile = rows(type_in, "--draws", "64", "--sensitivity", "--scenario", "fractile")
    assert {row["scenario"] for row in fractile} == {"fractile"}
    assert "event" in {row["input"] for row in fractile}


def test_the_stress_grid(type_in):
    told = rows(type_in, "--draws", "64", "--stress")
    assert {row["network"] for row in told} == {"akash"}
    at = {(row["cloud_cost_cut"], row["utilisation"]): row["full_margin"] for row in told}
    assert at[0.9, 0.5] < at[0.0, 0.5] < at[0.0, 0.9]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--draws", "1000"), "must be a power of two, e.g. 4096 or 8192; saw 1000"),
        (("--seed", "-1"), "--seed"),
        (("--stress", "--probabilities"), "one table at a time"),
    ],
)
def test_what_can_not_be_is_a_usage_error(type_in, words, said):
    code, _, err = type_in(*OF_AKASH, *words)
    assert code == 2
    assert said in " ".join(err.split())
