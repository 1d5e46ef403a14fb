"""Prime Intellect: whole configurations, resold capacity with its provider, pages, and the key."""

from __future__ import annotations

import json

import polars as pl
import pytest

from depin_compare.errors import SourceError
from fetchers import FETCHERS
from fetchers.http import source_session

GPUS = "https://api.primeintellect.ai/api/v1/availability/gpus"
SECRET = "prime-s3cret"


@pytest.fixture
def result(serve, run):
    serve("prime_intellect")
    return run("prime_intellect")


def offer(result, machine):
    (row,) = result.offers.filter(pl.col("machine_id") == machine).iter_rows(named=True)
    return row


def skipped(result, part):
    return [
        (row["kind"], row["reason"])
        for row in result.skipped.filter(pl.col("row_id").str.contains(part, literal=True)).iter_rows(named=True)
    ]


def test_the_price_is_of_the_whole_configuration(result):
    row = offer(result, "NVIDIA A100 80GB PCIe")
    assert row["usd_per_accelerator_hour"] == pytest.approx(3.3136 / 2)
    assert row["usd_per_accelerator_hour"] == pytest.approx(1.6568)
    assert (row["accelerator"], row["accelerator_count"]) == ("a100-pcie-80gb", 2)
    assert offer(result, "8xH100-SXM5")["usd_per_accelerator_hour"] == pytest.approx(2.49)
    assert offer(result, "gpu_8x_b200")["usd_per_accelerator_hour"] == pytest.approx(4.8)


def test_everything_is_resold_and_names_its_provider(result):
    assert result.offers["upstream"].null_count() == 0
    assert offer(result, "8xH100-SXM5")["upstream"] == "hyperstack"
    assert offer(result, "bare-h100")["upstream"] == "a provider it does not name"
    assert set(result.offers["network"]) == {"prime-intellect"}


def test_the_community_price_stands_in_for_a_missing_one(result):
    row = offer(result, "community-4090")
    assert (row["usd_per_accelerator_hour"], row["tier"]) == (0.38, "community")


def test_spot_and_stock_and_places(result):
    assert offer(result, "spot-l40s")["terms"] == "spot"
    assert offer(result, "spot-l40s")["usd_per_accelerator_hour"] == pytest.approx(0.6)
    row = offer(result, "gpu_1x_h200")
    assert (row["available"], row["region"], row["country"], row["terms"]) == (0, "eu_north", "FI", "on_demand")
    assert offer(result, "8xH100-SXM5")["available"] is None


def test_a_board_without_a_socket_is_kept_but_not_comparable(result):
    assert "h100-sxm or h100-pcie" in offer(result, "bare-h100")["not_comparable"]


@pytest.mark.parametrize(
    ("part", "kind", "reason"),
    [
        ("CPU_NODE", "out_of_scope", "without a GPU"),
        ("prepaid-b200", "out_of_scope", "paid ahead"),
        ("unpriced", "out_of_scope", "unpriced"),
        ("NVIDIA A100 80GB PCIe", "duplicate", "the first is kept"),
        ("who-knows", "unreadable", "no table"),
    ],
)
def test_rows_that_are_no_offer_say_why(result, part, kind, reason):
    ((told_kind, told_reason),) = skipped(result, part)
    assert told_kind == kind
    assert reason in told_reason


def test_a_page_that_fails_is_a_problem_and_keeps_the_first(web, run, payload):
    web.get(GPUS, body=payload("prime_intellect/page-1.json"))
    web.get(GPUS, status=500, body="oops")
    result = run("prime_intellect")
    assert result.offers.height == 5
    assert "page 2" in result.problems[0]


def test_rows_that_never_come_are_told(web, run, payload):
    web.get(GPUS, body=payload("prime_intellect/page-1.json"))
    web.get(GPUS, json={"items": [], "totalCount": 12})
    assert run("prime_intellect").problems == ("5 of 12 rows came",)


def test_without_a_total_a_short_page_is_the_last(web, run, payload):
    document = json.loads(payload("prime_intellect/page-1.json"))
    del document["totalCount"]
    web.get(GPUS, json=document)
    assert run("prime_intellect").problems == ()
    assert len(web.calls) == 1


def test_pages_without_end_are_given_up(web, run, payload):
    document = json.loads(payload("prime_intellect/page-1.json"))
    document["totalCount"] = 10**9
    web.get(GPUS, json=document)
    assert "of 1000000000 rows came" in run("prime_intellect").problems[0]
    assert len(web.calls) == 50


def test_the_key_is_sent_in_a_header_and_recorded_nowhere(serve, web, observed_at):
    serve("prime_intellect")
    fetcher = FETCHERS["prime_intellect"]
    taken = fetcher.fetch(source_session("prime_intellect", fetcher.hosts, key=SECRET), observed_at=observed_at)
    assert {call.request.headers["Authorization"] for call in web.calls} == {f"Bearer {SECRET}"}
    assert SECRET not in repr(taken)
    assert all(SECRET not in call.request.url for call in web.calls)


def test_another_currency_is_unreadable(web, run, payload):
    document = json.loads(payload("prime_intellect/page-1.json"))
    for item in document["items"]:
        item["prices"]["currency"] = "EUR"
    web.get(GPUS, json=document)
    with pytest.raises(SourceError, match="'EUR', expected 'USD'"):
        run("prime_intellect")
