"""Chutes: a fixed card with boards hidden in bare keys, and revenue with the sponsored part apart."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from depin_compare.errors import SourceError

RATES = "https://api.chutes.ai/pricing"
REVENUE = "https://api.chutes.ai/daily_revenue_summary"


@pytest.fixture
def result(serve, run):
    serve("chutes")
    return run("chutes")


def offers(result):
    return {row["offer_id"]: row for row in result.offers.iter_rows(named=True)}


def skipped(result):
    return {row["row_id"]: (row["kind"], row["reason"]) for row in result.skipped.iter_rows(named=True)}


@pytest.mark.parametrize(
    ("key", "accelerator", "usd"),
    [
        ("h100", "h100-pcie", 1.82),
        ("h100_sxm", "h100-sxm", 2.36),
        ("h100_nvl", "h100-nvl", 2.28),
        ("a100", "a100-pcie-80gb", 1.22),
        ("a100_40gb", "a100-pcie-40gb", 1.12),
        ("a100_sxm", "a100-sxm-80gb", 1.28),
        ("a100_40gb_sxm", "a100-sxm-40gb", 1.16),
        ("a6000_ada", "rtx-6000-ada", 0.77),
        ("a4000_ada", "rtx-4000-ada", 0.22),
        ("l40", "l40", 0.57),
        ("l40s", "l40s", 0.88),
        ("l4", "l4", 0.27),
        ("4090", "rtx-4090", 0.41),
        ("h200", "h200", 2.8),
        ("b200", "b200", 4.6),
    ],
)
def test_a_rate_is_of_one_gpu_and_its_key_of_one_board(result, key, accelerator, usd):
    row = offers(result)[key]
    assert (row["accelerator"], row["usd_per_accelerator_hour"]) == (accelerator, usd)
    assert (row["price_kind"], row["segment"], row["available"]) == ("rate_card", "decentralized", None)
    assert row["not_comparable"] is None


def test_what_names_no_edition_or_is_not_enabled_is_kept_but_not_compared(result):
    edition = offers(result)["pro_6000"]
    assert (edition["accelerator"], edition["usd_per_accelerator_hour"]) == (None, 1.85)
    assert "rtx-pro-6000-bw or rtx-pro-6000-ws" in edition["not_comparable"]
    assert "not enabled" in offers(result)["mi300x"]["not_comparable"]


@pytest.mark.parametrize(
    ("key", "kind", "reason"),
    [
        ("h800", "out_of_scope", "the PCIe board"),
        ("h20", "out_of_scope", "does not list"),
        ("rtx_9999", "unreadable", "no table"),
        ("3080", "unreadable", "0.2 USD an hour, but 720 by the second"),
        ("2080", "out_of_scope", "does not list"),
    ],
)
def test_rows_that_are_no_offer_say_why(result, key, kind, reason):
    assert skipped(result)[key][0] == kind
    assert reason in skipped(result)[key][1]


def test_revenue_is_of_the_last_whole_day_and_sponsored_inference_stands_apart(result):
    facts = {(f["metric"], f["subject"]): f for f in result.facts.iter_rows(named=True)}
    assert facts["customer_revenue", None]["value"] == pytest.approx(216.0 + 2875.25 + 640.5)
    assert facts["customer_revenue", None]["value"] == pytest.approx(3731.75)
    assert facts["customer_revenue", "subscriptions"]["value"] == 216.0
    assert facts["customer_revenue", "pay as you go"]["value"] == 2875.25
    assert "not yet billed" in facts["customer_revenue", "private instances"]["note"]
    assert facts["sponsored_inference", None]["value"] == 12050.0
    assert "no customer's revenue" in facts["sponsored_inference", None]["note"]
    assert {f["unit"] for f in facts.values()} == {"USD per day"}
    assert {f["observed_at"] for f in facts.values()} == {datetime(2026, 11, 21, tzinfo=UTC)}
    assert result.problems == ()


def test_rates_survive_a_revenue_that_fails(serve, run, web):
    serve("chutes", except_for="daily_revenue_summary")
    web.get(REVENUE, status=500, body="oops")
    result = run("chutes")
    assert result.offers.height == 24
    assert result.facts.height == 0
    assert "no revenue" in result.problems[0]


@pytest.mark.parametrize(
    ("days", "problem"),
    [
        ([], "no day that is over"),
        ([{"date": "2026-11-22", "paygo_revenue": 1.0}], "no day that is over"),
        ([{"date": "2026-11-21", "paygo_revenue": "many"}], "paygo_revenue is 'many'"),
        ([{"date": "2026-11-21", "paygo_revenue": 5.0}], "new_subscriber_revenue, pending_instance_revenue missing"),
    ],
)
def test_a_revenue_that_does_not_tell_is_a_problem(serve, run, web, days, problem):
    serve("chutes", except_for="daily_revenue_summary")
    web.get(REVENUE, json=days)
    result = run("chutes")
    assert problem in result.problems[0]
    assert ("customer_revenue", None) not in {(f["metric"], f["subject"]) for f in result.facts.iter_rows(named=True)}


def test_an_old_revenue_is_told(serve, run, web):
    serve("chutes", except_for="daily_revenue_summary")
    day = {"date": "2026-10-01", "new_subscriber_revenue": 1.0, "paygo_revenue": 2.0, "pending_instance_revenue": 3.0}
    web.get(REVENUE, json=[day])
    assert run("chutes").problems == ("the revenue ends on 2026-10-01",)


@pytest.mark.parametrize(
    ("document", "seen"),
    [({}, "None"), ({"gpu_price_estimates": []}, "[]"), ({"gpu_price_estimates": {}}, "no offer at all")],
)
def test_a_changed_card_is_an_error(web, run, document, seen):
    web.get(RATES, json=document)
    with pytest.raises(SourceError) as caught:
        run("chutes")
    assert "gpu_price_estimates" in caught.value.where
    assert seen in caught.value.seen


def test_a_card_in_other_units_is_an_error(web, run, payload):
    document = json.loads(payload("chutes/pricing.json"))
    for rate in document["gpu_price_estimates"].values():
        rate["usd"]["hour"] *= 1000
    web.get(RATES, json=document)
    with pytest.raises(SourceError, match="rows unreadable"):
        run("chutes")
