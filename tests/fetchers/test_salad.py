"""Salad: prices as texts by priority, clusters priced whole, earnings of hosts that are no prices, and the key."""

from __future__ import annotations

import polars as pl
import pytest

from depin_compare.errors import SourceError
from fetchers import FETCHERS
from fetchers.http import source_session

CLASSES = "https://api.salad.com/api/public/organizations/example-org/gpu-classes"
DEMAND = "https://app-api.salad.com/api/v2/demand-monitor/gpu"
SECRET = "salad-s3cret"


@pytest.fixture
def result(serve, run):
    serve("salad")
    return run("salad")


def key(number):
    return f"00000000-0000-4000-8000-{number:012d}"


def offer(result, number, priority):
    (row,) = result.offers.filter(pl.col("offer_id") == f"{key(number)}/{priority}").iter_rows(named=True)
    return row


def skipped(result, row_id):
    (row,) = result.skipped.filter(pl.col("row_id") == row_id).iter_rows(named=True)
    return row["kind"], row["reason"]


def test_every_priority_is_an_offer_and_batch_is_spot(result):
    prices = {
        row["tier"]: (row["terms"], row["usd_per_accelerator_hour"])
        for row in result.offers.filter(pl.col("accelerator") == "rtx-4090").iter_rows(named=True)
    }
    assert prices == {
        "high priority": ("on_demand", 0.3),
        "medium priority": ("on_demand", 0.26),
        "low priority": ("on_demand", 0.22),
        "batch priority": ("spot", 0.18),
    }
    row = offer(result, 1, "high")
    assert (row["price_kind"], row["listed_price"], row["note"]) == ("rate_card", "0.30", "in high demand")


def test_a_secure_class_is_a_cluster_priced_whole(result):
    row = offer(result, 3, "high")
    assert (row["accelerator"], row["accelerator_count"]) == ("h100-nvl", 8)
    assert row["usd_per_accelerator_hour"] == pytest.approx(2.3)  # 18.40 / 8
    assert row["tier"] == "secure, high priority"
    assert skipped(result, key(7)) == ("unreadable", "a cluster that does not tell its number of GPUs")


def test_a_missing_number_of_gpus_is_one_where_no_cluster_is_told(result):
    assert offer(result, 2, "high")["accelerator_count"] == 1
    assert offer(result, 4, "high")["usd_per_accelerator_hour"] == 0.45


def test_rows_that_are_no_offer_say_why(result):
    assert skipped(result, f"{key(4)}/batch") == ("unreadable", "price is 'n/a', expected a number")
    assert skipped(result, f"{key(5)}/batch") == ("out_of_scope", "unpriced (price is 0)")
    assert skipped(result, key(6))[0] == "out_of_scope"


def test_demand_and_earnings_of_hosts_are_facts_and_never_offers(result):
    facts = {(f["metric"], f["subject"]): f for f in result.facts.iter_rows(named=True)}
    assert facts["utilisation", "rtx-4090"]["value"] == pytest.approx(0.63)
    assert facts["host_earning", "rtx-4090"]["value"] == 0.09
    assert "no price of a renter" in facts["host_earning", "rtx-4090"]["note"]
    assert ("host_earning", "rtx-3090") not in facts
    assert ("utilisation", "rtx-3080") not in facts
    assert skipped(result, "demand/2") == ("unreadable", "utilizationPct is 141")
    assert 0.09 not in result.offers.filter(pl.col("accelerator") == "rtx-4090")["usd_per_accelerator_hour"]


def test_rates_survive_a_demand_that_is_blocked(serve, run, web):
    serve("salad", except_for="demand-monitor/gpu")
    web.get(DEMAND, status=403, body="<!DOCTYPE html><title>Just a moment...</title>")
    result = run("salad")
    assert result.offers.height == 11
    assert "no demand" in result.problems[0]


def test_the_key_goes_to_the_price_list_only_and_no_organisation_is_recorded(serve, web, observed_at):
    serve("salad")
    fetcher = FETCHERS["salad"]
    taken = fetcher.fetch(source_session("salad", fetcher.hosts, key=SECRET), observed_at=observed_at)
    sent = {call.request.url: call.request.headers.get("Salad-Api-Key") for call in web.calls}
    assert sent == {CLASSES: SECRET, DEMAND: None}
    assert SECRET not in repr(taken)
    assert "example-org" not in repr(taken)


def test_without_an_organisation_nothing_is_asked(run, web, monkeypatch):
    monkeypatch.delenv("SALAD_ORGANIZATION")
    with pytest.raises(SourceError, match="SALAD_ORGANIZATION"):
        run("salad")
    assert not web.calls


def test_a_wrong_key_is_an_error(web, run):
    web.get(CLASSES, status=401, json={"message": "unauthorized"})
    with pytest.raises(SourceError, match="HTTP 401"):
        run("salad")
