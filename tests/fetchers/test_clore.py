"""Clore: prices of a day and of a whole server, the yardstick that settles it, and what a server may leave out."""

from __future__ import annotations

import json

import polars as pl
import pytest

from depin_compare.errors import SourceError

MARKET = "https://api.clore.ai/v1/marketplace"


@pytest.fixture
def result(serve, run):
    serve("clore")
    return run("clore")


def offer(result, offer_id):
    (row,) = result.offers.filter(pl.col("offer_id") == offer_id).iter_rows(named=True)
    return row


def skipped(result, row_id):
    return [
        (row["kind"], row["reason"]) for row in result.skipped.filter(pl.col("row_id") == row_id).iter_rows(named=True)
    ]


def test_a_price_is_of_a_day_and_of_the_whole_server(result):
    row = offer(result, "101/on_demand")
    assert row["usd_per_accelerator_hour"] == pytest.approx(4.8 / 24)
    assert row["usd_per_accelerator_hour"] == pytest.approx(0.2)
    assert (row["listed_price"], row["listed_unit"]) == ("4.8", "USD per day")
    assert (row["country"], row["reliability"], row["price_kind"]) == ("FI", 0.9971, "ask")
    four = offer(result, "104/on_demand")
    assert four["usd_per_accelerator_hour"] == pytest.approx(0.09)  # 8.64 / 24 / 4
    assert (four["accelerator"], four["accelerator_count"], four["listed_unit"]) == (
        "rtx-3090",
        4,
        "USD per day for 4 GPUs",
    )


def test_the_spot_price_is_an_offer_of_its_own(result):
    row = offer(result, "101/spot")
    assert (row["terms"], row["usd_per_accelerator_hour"]) == ("spot", pytest.approx(0.1))


def test_a_spot_price_may_stand_by_coin_only(result):
    row = offer(result, "107/spot")
    assert row["usd_per_accelerator_hour"] == pytest.approx(1.92 / 24)
    assert row["note"] == "worth of the price in CLORE-Blockchain"


def test_without_a_usd_object_the_cheapest_coin_counts(result):
    assert offer(result, "106/on_demand")["usd_per_accelerator_hour"] == pytest.approx(5.5 / 24)
    assert offer(result, "106/spot")["usd_per_accelerator_hour"] == pytest.approx(0.1)


def test_rented_null_is_free_and_a_partial_rental_wins_over_rented(result):
    assert (offer(result, "102/on_demand")["available"], offer(result, "103/on_demand")["available"]) == (1, 0)
    row = offer(result, "108/on_demand")
    assert (row["accelerator_count"], row["available"], row["total"]) == (8, 3, 8)
    assert row["usd_per_accelerator_hour"] == pytest.approx(0.5)  # 96 / 24 / 8


def test_nested_names_are_counted_and_a_count_may_stand_in_the_specs(result):
    assert offer(result, "105/on_demand")["accelerator_count"] == 2
    row = offer(result, "116/on_demand")
    assert (row["accelerator"], row["usd_per_accelerator_hour"]) == ("a100-sxm-80gb", pytest.approx(0.75))


def test_memory_may_be_of_one_card_or_of_all(result):
    assert offer(result, "104/on_demand")["memory_gib"] == pytest.approx(23.99)
    assert offer(result, "111/on_demand")["memory_gib"] == 10.24


@pytest.mark.parametrize(
    ("row_id", "kind", "reason"),
    [
        ("109", "out_of_scope", "mixed GPUs"),
        ("110/on_demand", "out_of_scope", "6 USD a day, but 5 in CLORE"),
        ("112/on_demand", "out_of_scope", "under the least price"),
        ("113", "out_of_scope", "GTX"),
        ("114", "unreadable", "no table"),
        ("115", "out_of_scope", "no price in USD"),
        ("101", "duplicate", "the first is kept"),
        ("117", "unreadable", "rented is 'perhaps'"),
    ],
)
def test_rows_that_are_no_offer_say_why(result, row_id, kind, reason):
    assert skipped(result, row_id)[0][0] == kind
    assert reason in skipped(result, row_id)[0][1]


def test_a_price_that_cannot_be_ordered_does_not_cost_the_spot_price(result):
    assert offer(result, "110/spot")["usd_per_accelerator_hour"] == pytest.approx(2 / 24)


def test_utilisation_counts_every_card(result):
    facts = {(f["metric"], f["subject"]): f["value"] for f in result.facts.iter_rows(named=True)}
    # 4090: servers 101, 102, 106, 107, 110 and 115 free, 103 hired, 105 two free.
    assert (facts["gpus_total", "rtx-4090"], facts["utilisation", "rtx-4090"]) == (9, pytest.approx(1 / 9))
    assert facts["utilisation", "rtx-5090"] == pytest.approx(5 / 8)
    # 9 + 4 RTX 3090 + 8 RTX 5090 + 1 RTX 3080 + 6 RTX 3070 + 1 GTX + 1 unknown + 2 A100.
    assert facts["gpus_total", None] == 32
    assert facts["utilisation", None] == pytest.approx(6 / 32)


@pytest.mark.parametrize("factor", [24, 1 / 10])
def test_prices_of_another_span_are_refused_as_a_whole(web, run, payload, factor):
    document = json.loads(payload("clore/marketplace.json"))
    for server in document["servers"]:
        usd = (server["price"] or {}).get("usd")
        if usd:
            server["price"]["usd"] = {key: value * factor for key, value in usd.items()}
    web.get(MARKET, json=document)
    with pytest.raises(SourceError, match=r"single RTX 4090 servers at 0\.03 to 0\.6"):
        run("clore")


def test_without_the_yardstick_nothing_is_taken(web, run, payload):
    document = json.loads(payload("clore/marketplace.json"))
    document["servers"] = [server for server in document["servers"] if server["id"] in (104, 108)]
    web.get(MARKET, json=document)
    with pytest.raises(SourceError, match="saw none"):
        run("clore")


@pytest.mark.parametrize(
    ("document", "seen"),
    [
        ({"code": 5, "error": "exceeded_rate_limit"}, "code 5 (too many requests)"),
        ({"code": 1, "servers": []}, "code 1"),
        ({"code": 0, "servers": []}, "no offer at all"),
        ({"code": 0}, "keys code"),
    ],
)
def test_a_refusal_with_http_200_is_an_error(web, run, document, seen):
    web.get(MARKET, json=document)
    with pytest.raises(SourceError) as caught:
        run("clore")
    assert caught.value.seen.startswith(seen)
