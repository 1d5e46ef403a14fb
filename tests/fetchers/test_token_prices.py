"""Spot prices of tokens, and the two sources built on them."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from depin_compare.errors import SourceError
from fetchers.spot_prices import COINBASE_SYMBOLS

LLAMA = "https://coins.llama.fi/prices/current/coingecko:akash-network,coingecko:io"
RENDER_LLAMA = "https://coins.llama.fi/prices/current/coingecko:render-token"
GECKO = "https://api.coingecko.com/api/v3/simple/price"
COINBASE = "https://api.coinbase.com/v2/prices/RENDER-USD/spot"
FRESH = int(datetime(2026, 11, 22, 11, 50, tzinfo=UTC).timestamp())


def prices(result):
    return {row["subject"]: row for row in result.facts.iter_rows(named=True)}


def test_the_first_giver_prices_both_tokens(serve, run):
    serve("token_prices")
    result = run("token_prices")
    akt = prices(result)["AKT"]
    assert (akt["network"], akt["metric"], akt["value"], akt["unit"]) == ("akash", "token_price", 0.5212, "USD per AKT")
    assert akt["observed_at"] == datetime(2026, 11, 22, 11, 50, tzinfo=UTC)
    assert akt["kind"] == "third_party"
    assert prices(result)["IO"]["value"] == 0.181
    assert result.offers.height == 0
    assert result.problems == ()


def test_an_id_nobody_knows_is_told_and_the_other_kept(web, run):
    web.get(LLAMA, json={"coins": {"coingecko:akash-network": {"price": 0.52, "timestamp": FRESH}}})
    web.get(GECKO, json={})
    result = run("token_prices")
    assert set(prices(result)) == {"AKT"}
    assert len(result.problems) == 1
    assert result.problems[0].startswith("no price of io: ")


def test_the_second_giver_stands_in_without_a_problem(serve, run, web):
    serve("token_prices", except_for="coingecko:io")
    web.get(LLAMA, json={"coins": {}})
    result = run("token_prices")
    assert prices(result)["AKT"]["value"] == 0.52
    assert prices(result)["AKT"]["note"] == "spot price by coingecko"
    assert result.problems == ()


def test_givers_who_differ_by_more_than_a_twentieth_are_told(serve, run, web):
    serve("token_prices", except_for="simple/price")
    web.get(GECKO, json={"akash-network": {"usd": 0.60, "last_updated_at": FRESH}})
    (problem,) = run("token_prices").problems
    assert problem == "akash-network: defillama says 0.5212 USD, coingecko 0.6; the first is used"


@pytest.mark.parametrize("price", [0, -1, "0.5", None, True])
def test_what_is_no_price_is_refused(web, run, price):
    web.get(LLAMA, json={"coins": {"coingecko:io": {"price": price, "timestamp": FRESH}}})
    with pytest.raises(SourceError, match="expected a price not older than 1 h"):
        run("token_prices")


@pytest.mark.parametrize(("minutes", "taken"), [(59, True), (61, False), (-9, True), (-11, False)])
def test_a_price_counts_for_an_hour(web, run, minutes, taken, observed_at):
    stamp = int(observed_at.timestamp()) - 60 * minutes
    web.get(RENDER_LLAMA, json={"coins": {"coingecko:render-token": {"price": 2.4, "timestamp": stamp}}})
    if taken:
        assert prices(run("render"))["RENDER"]["value"] == 2.4
    else:
        with pytest.raises(SourceError, match="the price is of 2026-11-22"):
            run("render")


def test_the_exchange_is_not_asked_without_need(serve, run, web):
    serve("render")
    run("render")
    assert not [call for call in web.calls if "coinbase" in call.request.url]


def test_the_exchange_is_asked_for_what_is_missing(run, web, payload):
    web.get(RENDER_LLAMA, json={"coins": {}})
    web.get(GECKO, status=429, body="Too many requests")
    web.get(COINBASE, body=payload("render/coinbase.json"))
    result = run("render")
    assert prices(result)["RENDER"]["value"] == 2.43
    assert not [problem for problem in result.problems if "price" in problem]


def test_an_exchange_answer_for_another_pair_is_refused(web, run):
    web.get(RENDER_LLAMA, json={"coins": {}})
    web.get(GECKO, json={})
    web.get(COINBASE, json={"data": {"amount": "9", "base": "BTC", "currency": "USD"}})
    with pytest.raises(SourceError, match="a price of 'BTC'"):
        run("render")
    assert set(COINBASE_SYMBOLS) == {"akash-network", "render-token"}


def test_renders_rates_are_dated_references_and_only_its_token_is_live(serve, run, observed_at):
    serve("render")
    result = run("render")
    assert prices(result)["RENDER"]["value"] == 2.41
    assert prices(result)["RENDER"]["layer"] == "live"
    assert set(result.offers["layer"]) == {"reference"}
    assert set(result.offers["network"]) == {"render"}
    assert result.offers["observed_at"].max() <= observed_at
    card = result.offers.filter(pl.col("accelerator") == "rtx-4090", pl.col("price_kind") == "indicative")
    assert card["usd_per_accelerator_hour"].to_list() == [0.35, 0.35]  # the proposal's, and what was billed
    octane = result.offers.filter(pl.col("accelerator_name").str.contains("OctaneBench"))
    assert octane["usd_per_accelerator_hour"].null_count() == octane.height > 0
    assert octane["not_comparable"].null_count() == 0
