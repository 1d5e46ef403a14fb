"""Lium: one GPU's price, tiers that contradict themselves, counts that can't be, and the rented share."""

from __future__ import annotations

import json

import polars as pl
import pytest

from depin_compare.errors import SourceError
from fetchers import FETCHERS
from fetchers.http import source_session

EXECUTORS = "https://lium.io/api/executors"
MACHINES = "https://lium.io/api/machines"


@pytest.fixture
def result(serve, run):
    serve("lium")
    return run("lium")


def offer(result, number):
    (row,) = result.offers.filter(pl.col("offer_id") == f"7fd1ff4d-{number:04d}").iter_rows(named=True)
    return row


def skipped(result, row_id):
    (row,) = result.skipped.filter(pl.col("row_id") == row_id).iter_rows(named=True)
    return row["kind"], row["reason"]


def test_the_price_is_of_one_gpu_already(result):
    row = offer(result, 1)
    assert (row["usd_per_accelerator_hour"], row["accelerator"], row["accelerator_count"]) == (2.08, "h100-sxm", 8)
    assert (row["available"], row["total"]) == (3, 8)
    assert (row["terms"], row["tier"], row["price_kind"]) == ("on_demand", "secure", "ask")
    assert (row["region"], row["country"], row["reliability"]) == ("Helsinki", "FI", pytest.approx(0.981))
    assert row["memory_gib"] == 81559 / 1024


def test_the_residue_of_floats_is_no_price_and_a_count_may_be_a_text(result):
    row = offer(result, 2)
    assert row["usd_per_accelerator_hour"] == 0.35
    assert row["listed_price"] == "0.35000000000000003"
    assert (row["accelerator_count"], row["region"]) == (4, None)  # "4", and location null


def test_spot_is_told_by_the_tier(result):
    row = offer(result, 3)
    assert (row["terms"], row["usd_per_accelerator_hour"], row["country"]) == ("spot", 0.21, None)


def test_counts_that_cannot_be_are_unknown(result):
    row = offer(result, 4)
    assert (row["available"], row["total"]) == (None, 8)
    assert row["note"] == "free GPUs unknown: 9 of 8; whole host only"
    assert offer(result, 8)["available"] is None


def test_a_pending_price_is_not_the_price(result):
    row = offer(result, 5)
    assert (row["usd_per_accelerator_hour"], row["available"]) == (5.6, 0)
    assert row["note"] == "status rented; another price is announced"


def test_other_chips(result):
    assert offer(result, 6)["accelerator"] == "rtx-pro-6000-bw"
    assert offer(result, 7)["accelerator"] == "h100-pcie"
    assert offer(result, 7)["memory_gib"] is None
    assert offer(result, 8)["accelerator"] == "l40s"


@pytest.mark.parametrize(
    ("row_id", "kind", "reason"),
    [
        ("7fd1ff4d-0001", "duplicate", "more than once"),
        ("7fd1ff4d-0009", "out_of_scope", "a workstation card the register does not list"),
        ("7fd1ff4d-0010", "unreadable", "tier is 'spot' and specs.is_spot is False"),
        ("7fd1ff4d-0011", "unreadable", "tier is 'gold'"),
        ("7fd1ff4d-0012", "out_of_scope", "unpriced (price_per_gpu is 0)"),
        ("machine/NVIDIA L4", "out_of_scope", "no fleet"),
        ("machine/NVIDIA H200", "unreadable", "rental_rate is 73.0"),
    ],
)
def test_rows_that_are_no_offer_say_why(result, row_id, kind, reason):
    assert skipped(result, row_id)[0] == kind
    assert reason in skipped(result, row_id)[1]


def test_fleet_and_rented_share_are_facts(result):
    facts = {(f["metric"], f["subject"]): f["value"] for f in result.facts.iter_rows(named=True)}
    assert facts["utilisation", "h100-sxm"] == pytest.approx(0.73)
    assert facts["gpus_total", "h100-sxm"] == 200
    assert facts["gpus_available", "h100-sxm"] == pytest.approx(54)  # 200 x (1 - 0.73)
    assert facts["utilisation", "b200"] == 1.0  # rented out, not absent
    assert facts["gpus_total", "rtx-4090"] == 50  # a text
    assert facts["gpus_total", None] == 301
    assert facts["utilisation", None] == pytest.approx((146 + 20 + 49 + 1) / 301)
    assert ("utilisation", "l4") not in facts  # no fleet is not an idle one
    assert result.problems == ()


def test_a_number_that_is_none_costs_its_row_only(serve, run, web, payload):
    rows = json.loads(payload("lium/executors.json"))
    rows[0]["price_per_gpu"] = float("nan")
    rows[5]["reliability_score"] = 101
    rows = [row for row in rows if row["id"] != "7fd1ff4d-0010"]
    serve("lium", except_for="/executors")
    web.get(EXECUTORS, body=json.dumps(rows))
    result = run("lium")
    reasons = result.skipped.filter(pl.col("row_id") == "7fd1ff4d-0001")["reason"].to_list()
    assert reasons == ["price_per_gpu is nan, expected a finite number"]
    assert offer(result, 6)["reliability"] is None


def test_cards_of_another_chip_under_one_name_are_unreadable(serve, run, web, payload):
    rows = [row for row in json.loads(payload("lium/executors.json")) if row["id"][-1] not in "01"]
    rows[2]["specs"]["gpu"]["details"].append({"name": "NVIDIA L4", "capacity": 23034})
    serve("lium", except_for="/executors")
    web.get(EXECUTORS, body=json.dumps(rows))
    assert "its cards are NVIDIA L4" in skipped(run("lium"), rows[2]["id"])[1]


def test_a_key_is_sent_where_there_is_one(serve, web, observed_at):
    serve("lium")
    session = source_session("lium", FETCHERS["lium"].hosts, key="s3cret")
    taken = FETCHERS["lium"].fetch(session, observed_at=observed_at)
    assert [call.request.headers["X-API-KEY"] for call in web.calls] == ["s3cret", "s3cret"]
    assert "s3cret" not in str(taken)
    serve("lium")
    FETCHERS["lium"].fetch(source_session("lium", FETCHERS["lium"].hosts), observed_at=observed_at)
    assert "X-API-KEY" not in web.calls[-1].request.headers


@pytest.mark.parametrize("broken", [{"status": 401, "body": "{}"}, {"body": "<html>"}, {"body": "[]"}])
def test_prices_survive_a_fleet_that_fails(serve, run, web, broken):
    serve("lium", except_for="/machines")
    web.get(MACHINES, **broken)
    result = run("lium")
    assert result.offers.height == 8
    assert result.facts.is_empty()
    assert "no fleet and no utilisation" in result.problems[0]


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("[]", "no offer at all"),
        ('{"executors": []}', "an object of 1 keys"),
        ('{"detail": "Not authenticated"}', "an object of 1 keys"),
        ('[{"id": "a"', "bytes that are no JSON"),
    ],
)
def test_a_changed_payload_is_an_error(web, run, body, seen):
    web.get(EXECUTORS, body=body)
    web.get(MACHINES, body="[]")
    with pytest.raises(SourceError) as caught:
        run("lium")
    assert seen in caught.value.seen
