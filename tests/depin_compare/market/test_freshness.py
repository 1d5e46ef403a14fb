"""How old a number may be: boundaries by hand, rules by layer and kind, and what gives way to what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_frames import facts, offers, tokens

from depin_compare.errors import ModelDomainError
from depin_compare.market.freshness import (
    FRESHNESS,
    PACKAGED_AGES,
    UNDECLARED_AGES,
    AgeLimits,
    AgeRules,
    Ages,
    freshness_of,
    worst,
)
from depin_compare.market.layers import layered_facts, layered_offers, layered_token_prices
from depin_compare.market.prices import market_prices
from depin_compare.refdata.assumption_set import USER_SOURCE
from fetchers import FETCHERS

DAY = datetime(2026, 11, 22, tzinfo=UTC)
AGES = Ages(rules=AgeRules(sources={"akash": AgeLimits(1, 60), "openrouter": AgeLimits(7, 120)}), as_of=DAY)


def ago(days: float) -> datetime:
    return DAY - timedelta(days=days)


@pytest.mark.parametrize(
    ("days", "age", "freshness"),
    [
        (0, 0, "fresh"),
        (1, 1, "fresh"),
        (1.5, 2, "stale"),  # noon of the day before yesterday
        (2, 2, "stale"),
        (60, 60, "stale"),
        (61, 61, "expired"),
        (-0.4, 0, "fresh"),  # later on the day of the run
        (-9, 0, "fresh"),  # a clock is wrong: new, not younger than new
    ],
)
def test_the_boundaries_by_hand(days, age, freshness):
    row = AGES.offers(offers({"observed_at": ago(days)})).row(0, named=True)
    assert (row["age_days"], row["freshness"]) == (age, freshness)
    assert (row["expected_age_days"], row["limit_age_days"]) == (1, 60)


def test_a_day_that_has_not_come_is_told():
    assert AGES.ahead_days(ago(-9)) == 9
    assert AGES.ahead_days(ago(-0.4)) == 0
    assert AGES.age_days(ago(-9)) == 0


@given(
    younger=st.integers(0, 2000), older=st.integers(0, 2000), expected=st.floats(0.1, 800), more=st.floats(0, 800),
    max_age=st.none() | st.floats(0.1, 2000),
)  # fmt: skip
def test_the_older_is_never_the_fresher_and_a_tighter_limit_never_helps(younger, older, expected, more, max_age):
    younger, older = sorted((younger, older))
    limits = AgeLimits(expected, expected + more)
    tight = AgeRules(sources={"a": limits}, max_age_days=max_age).of_source("a")
    rank = FRESHNESS.index
    assert rank(freshness_of(younger, limits)) <= rank(freshness_of(older, limits))
    assert rank(freshness_of(older, limits)) <= rank(freshness_of(older, tight))
    if max_age is not None:
        assert (freshness_of(older, tight) == "expired") >= (older > max_age)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=6))
def test_the_frame_says_what_the_function_says(days):
    frame = AGES.offers(offers(*({"observed_at": ago(d)} for d in days)))
    assert frame["freshness"].to_list() == [freshness_of(d, AgeLimits(1, 60)) for d in days]


@pytest.mark.parametrize(("expected", "limit"), [(0, 1), (-1, 1), (2, 1), (1, float("inf")), (float("nan"), 1)])
def test_ages_that_make_no_sense_are_refused(expected, limit):
    with pytest.raises(ModelDomainError, match="age_days must be"):
        AgeLimits(expected, limit)


def test_every_source_and_every_packaged_price_has_its_ages():
    for fetcher in FETCHERS.values():
        ages = fetcher.ages
        assert 0 < ages.expected_age_days < ages.limit_age_days <= 180
        # Nothing anybody answered outlives what was chosen by hand and dated.
        assert ages.limit_age_days < min(PACKAGED_AGES[kind].limit_age_days for kind in ("ask", "list", "rate_card"))
    assert FETCHERS["akash"].ages == AgeLimits(1, 60)
    assert FETCHERS["azure"].ages == AgeLimits(7, 180)
    assert FETCHERS["token_prices"].ages == AgeLimits(1, 14)


def test_a_packaged_row_ages_by_its_price_kind_and_a_stored_one_by_its_source():
    frame = AGES.offers(
        offers(
            {"layer": "stored", "observed_at": ago(100)},
            {"layer": "reference", "observed_at": ago(100)},
            {"layer": "reference", "observed_at": ago(100), "price_kind": "list"},
            {"layer": "reference", "observed_at": ago(731), "price_kind": "rate_card"},
            {"layer": "live", "source": "nobody", "observed_at": ago(3)},
        )
    )
    assert frame["freshness"].to_list() == ["expired", "stale", "fresh", "expired", "stale"]
    assert frame["limit_age_days"].to_list() == [60, 730, 730, 730, UNDECLARED_AGES.limit_age_days]


def test_rules_in_force_and_the_users_own_numbers_do_not_age():
    frame = AGES.facts(
        facts(
            {"kind": "protocol", "observed_at": ago(1184), "layer": "reference"},
            {"kind": "published", "observed_at": ago(1184), "layer": "reference"},
            {"kind": "published", "observed_at": ago(90)},
            {"kind": "assumption", "source": USER_SOURCE, "observed_at": ago(1184), "layer": "reference"},
            {"metric": "token_price", "kind": "third_party", "observed_at": ago(366), "layer": "reference"},
            {"kind": "third_party", "observed_at": ago(366), "layer": "reference"},
        )
    )
    assert frame["freshness"].to_list() == ["fresh", "fresh", "expired", "fresh", "expired", "stale"]
    assert frame["limit_age_days"].to_list() == [None, None, 60, None, 365, 730]
    assert frame["age_days"][0] == 1184  # told all the same
    assert AGES.facts_in_use(facts({"observed_at": ago(61)}, {"observed_at": ago(60)})).height == 1


def test_max_age_tightens_packaged_and_stored_alike():
    tight = Ages(rules=AGES.rules.tightened(30), as_of=DAY)
    frame = tight.offers(
        offers({"observed_at": ago(31)}, {"observed_at": ago(31), "layer": "reference", "price_kind": "list"})
    )
    assert frame["freshness"].to_list() == ["expired", "expired"]
    assert AGES.rules.tightened(None) == AGES.rules


def test_worst_of_several():
    frame = pl.DataFrame({"a": ["fresh", "stale", "fresh", None, None], "b": ["stale", "expired", None, "fresh", None]})
    assert frame.select(worst("a", "b")).to_series().to_list() == ["stale", "expired", "fresh", "fresh", None]


def test_an_expired_offer_leaves_the_market_price_where_another_is_not_expired():
    told = offers(
        {"usd_per_accelerator_hour": 1.0, "observed_at": ago(200)},
        {"usd_per_accelerator_hour": 3.0, "observed_at": ago(2)},
        {"usd_per_accelerator_hour": 5.0, "accelerator": "a100-sxm-80gb", "observed_at": ago(61)},
    )
    a100, h100 = market_prices(told, ages=AGES).to_dicts()
    assert (h100["usd_per_accelerator_hour"], h100["n_offers"], h100["freshness"]) == (3.0, 1, "stale")
    assert (a100["usd_per_accelerator_hour"], a100["freshness"], a100["age_days"]) == (5.0, "expired", 61)
    assert market_prices(told)["freshness"].to_list() == [None, None]  # nobody judged
    assert market_prices(told)["n_offers"].to_list() == [1, 2]


def test_a_market_price_is_as_fresh_as_its_stalest_offer():
    told = offers({"observed_at": ago(0)}, {"observed_at": ago(5)}, {"observed_at": ago(0)})
    (row,) = market_prices(told, ages=AGES).to_dicts()
    assert (row["freshness"], row["age_days"], row["n_offers"]) == ("stale", 5, 3)


def test_a_copy_in_a_catalogue_stands_in_for_an_expired_first_hand_price():
    told = offers(
        {"usd_per_accelerator_hour": 1.0, "observed_at": ago(61), "layer": "stored"},
        {"usd_per_accelerator_hour": 3.0, "observed_at": ago(0), "source": "skypilot"},
    )
    (row,) = market_prices(told, ages=AGES).to_dicts()
    assert (row["source"], row["freshness"]) == ("skypilot", "fresh")


def layered(stored_days: float, packaged_days: float, ages: Ages | None = AGES) -> tuple[str, float]:
    stored = offers({"layer": "stored", "observed_at": ago(stored_days), "usd_per_accelerator_hour": 1.0})
    packaged = offers({"layer": "reference", "observed_at": ago(packaged_days), "usd_per_accelerator_hour": 9.0})
    (row,) = layered_offers(offers(), stored, packaged, ages=ages).to_dicts()
    return row["layer"], row["usd_per_accelerator_hour"]


def test_a_stored_price_beyond_its_limit_does_not_hide_a_newer_packaged_one():
    assert layered(61, 10) == ("reference", 9.0)
    assert layered(60, 10) == ("stored", 1.0)  # within its limit it stands, whatever the package knows
    assert layered(61, 300) == ("stored", 1.0)  # the newer of the two, though it has left the verdict
    assert layered(61, 10, ages=None) == ("stored", 1.0)


def test_of_two_networks_of_a_source_only_the_expired_one_gives_way():
    stored = offers(
        {"layer": "stored", "observed_at": ago(61)},
        {"layer": "stored", "observed_at": ago(5), "network": "ionet"},
    )
    packaged = offers(
        {"layer": "reference", "observed_at": ago(10)},
        {"layer": "reference", "observed_at": ago(2), "network": "ionet"},
    )
    frame = layered_offers(offers(), stored, packaged, ages=AGES)
    assert dict(frame.select("network", pl.col("layer").cast(pl.String)).iter_rows()) == {
        "akash": "reference",
        "ionet": "stored",
    }


def test_facts_and_hosted_token_prices_give_way_likewise():
    stored, packaged = (
        {"layer": layer, "observed_at": ago(days)} for layer, days in (("stored", 61), ("reference", 9))
    )
    kept = layered_facts(facts(), facts({**stored, "value": 0.1}), facts({**packaged, "value": 0.9}), ages=AGES)
    assert kept["value"].to_list() == [0.9]
    kept = layered_facts(facts(), facts({**stored, "value": 0.1}), facts({**packaged, "value": 0.9}))
    assert kept["value"].to_list() == [0.1]
    old = tokens({**stored, "observed_at": ago(121)})
    assert layered_token_prices(tokens(), old, tokens(packaged), ages=AGES)["layer"].to_list() == ["reference"]
    assert layered_token_prices(tokens(), old, tokens(packaged)).height == 2


def test_what_is_left_out_is_told_with_the_reason_and_the_mend():
    left = AGES.left_out(
        offers(*[{"layer": "stored", "observed_at": ago(days)} for days in (70, 61, 60)]),
        facts({"metric": "token_price", "subject": "AKT", "layer": "reference", "observed_at": ago(366)}),
        tokens({"observed_at": ago(121)}, {"observed_at": ago(3), "provider": "other"}),
    ).to_dicts()
    price, token, hosted = (
        sorted(left, key=lambda row: row["limit_age_days"])[:1] + sorted(left, key=lambda row: -row["age_days"])[:2]
    )
    assert (price["metric"], price["rows"], price["age_days"], price["limit_age_days"]) == ("price", 2, 61, 60)
    assert price["reason"] == (
        "the price of h100-sxm at akash is 61 days old, beyond its limit of 60 days; ask its source again, or "
        "raise its limit_age_days in the job file"
    )
    assert token["reason"].startswith("the token price of AKT at akash is 366 days old, beyond its limit of 365 days; ")
    assert "[facts]" in token["reason"]
    assert (hosted["metric"], hosted["network"], hosted["subject"]) == (
        "hosted token price",
        "chutes",
        "llama-3.3-70b",
    )
    assert len(left) == 3
