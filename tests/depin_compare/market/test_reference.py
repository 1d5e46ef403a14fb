"""The packaged prices and facts, as everything else reads them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from depin_compare import refdata
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import Offers
from depin_compare.market.reference import PRICE_KEY, reference_facts, reference_offers

DAYS = [None, date(2024, 6, 1), date(2025, 6, 1), date(2026, 4, 1), date(2026, 11, 22)]


@pytest.mark.parametrize("as_of", DAYS)
def test_offers_are_valid_dated_to_their_day_and_never_from_later(as_of):
    offers = reference_offers(as_of=as_of)
    assert Offers.is_valid(offers)
    assert set(offers["layer"]) <= {"reference"}
    assert offers["source"].to_list() == offers["network"].to_list()
    if as_of is not None and offers.height:
        assert offers["observed_at"].max() <= datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
    days = offers.group_by(PRICE_KEY).agg(pl.col("observed_at").n_unique())
    assert days["observed_at"].max() in (None, 1)


def test_the_newest_row_of_a_price_wins():
    table = refdata.reference_prices()
    for row in reference_offers(["akash"]).iter_rows(named=True):
        rivals = table.filter(
            *(pl.col(key).eq_missing(pl.lit(row[key])) for key in PRICE_KEY),
            pl.col("as_of") > row["observed_at"].date(),
        )
        assert rivals.height == 0


def test_only_the_networks_asked_for():
    assert set(reference_offers(["render"])["network"]) == {"render"}
    assert reference_offers([]).height == 0
    assert reference_offers(as_of=date(1999, 1, 1)).schema == Offers.create_empty().schema


def test_a_price_keeps_its_chips_memory_and_its_networks_segment():
    row = reference_offers(["render"]).filter(pl.col("accelerator") == "h200").row(0, named=True)
    assert (row["memory_gib"], row["segment"]) == (141, "decentralized")


@pytest.mark.parametrize("as_of", DAYS)
def test_facts_are_valid_and_never_from_later(as_of):
    facts = reference_facts(as_of)
    assert NetworkFacts.is_valid(facts)
    if as_of is not None and facts.height:
        assert facts["observed_at"].max() <= datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)


def fact(as_of, metric, subject=None, network="akash"):
    rows = reference_facts(as_of).filter(
        pl.col("network") == network, pl.col("metric") == metric, pl.col("subject").eq_missing(pl.lit(subject))
    )
    return rows["value"].to_list()


def test_a_rule_holds_from_its_first_to_its_last_day():
    assert fact(date(2026, 3, 22), "take_rate_provider", "USDC") == [0.2]
    assert fact(date(2026, 3, 23), "take_rate_provider", "USDC") == [0.0]
    assert fact(date(2023, 8, 28), "take_rate_provider", "USDC") == []


def test_an_observation_counts_from_the_end_of_its_period_and_the_newest_wins():
    assert fact(date(2025, 9, 29), "lease_revenue") == []
    assert fact(date(2025, 9, 30), "lease_revenue") == [852_000]
    assert fact(date(2026, 11, 22), "lease_revenue") == [253_000]
    assert fact(None, "lease_revenue") == [253_000]


def test_a_token_of_the_table_is_the_token_of_the_fetchers():
    from fetchers.render import COIN
    from fetchers.token_prices import TOKENS

    table = {row["coingecko_id"]: (row["network"], row["token"]) for row in refdata.networks().iter_rows(named=True)}
    assert {coin: table[coin] for coin in TOKENS} == TOKENS
    assert table[COIN] == ("render", "RENDER")
