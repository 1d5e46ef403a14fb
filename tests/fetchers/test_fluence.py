"""Fluence: plans and options priced whole in USDC, all resold, lists that fail alone, and the key."""

from __future__ import annotations

import polars as pl
import pytest

from depin_compare.errors import SourceError
from fetchers import FETCHERS
from fetchers.http import source_session

BASE = "https://api.fluence.dev/gpu/plans/"
SECRET = "fluence-s3cret"


@pytest.fixture
def result(serve, run):
    serve("fluence")
    return run("fluence")


def plan(number):
    return f"container:10000000-0000-4000-8000-{number:012d}"


def option(number, tier="vm"):
    return f"{tier}:20000000-0000-4000-8000-{number:012d}"


def offer(result, offer_id):
    (row,) = result.offers.filter(pl.col("offer_id") == offer_id).iter_rows(named=True)
    return row


def skipped(result):
    return {row["row_id"]: (row["kind"], row["reason"]) for row in result.skipped.iter_rows(named=True)}


def test_a_plan_is_priced_whole_and_offered_once_a_location(result):
    assert offer(result, f"{plan(1)}@US")["usd_per_accelerator_hour"] == 2.96
    for place in ("US", "DE"):
        row = offer(result, f"{plan(2)}@{place}")
        assert row["usd_per_accelerator_hour"] == pytest.approx(2.2)  # 17.6 / 8
        assert (row["accelerator"], row["country"]) == ("h100-sxm", place)
    row = offer(result, f"{plan(3)}@-")
    assert (row["usd_per_accelerator_hour"], row["region"]) == (pytest.approx(0.36), None)
    assert (row["listed_price"], row["listed_currency"], row["note"]) == ("0.72", "USDC", "3 hours charged at once")


def test_options_are_offers_and_the_minimum_of_a_model_is_none(result):
    assert offer(result, option(1))["usd_per_accelerator_hour"] == 0.99
    assert offer(result, option(2))["usd_per_accelerator_hour"] == 1.05
    row = offer(result, option(3))
    assert (row["accelerator_count"], row["usd_per_accelerator_hour"]) == (4, pytest.approx(0.99))
    assert result.offers.filter(pl.col("tier") == "vm").height == 4
    assert offer(result, option(5, "bare_metal"))["usd_per_accelerator_hour"] == pytest.approx(2.3)


def test_all_of_it_is_resold(result):
    assert result.offers["upstream"].null_count() == 0
    assert offer(result, option(2))["upstream"] == "data-crunch"
    assert offer(result, option(4))["upstream"] == "a provider it does not name"
    assert offer(result, f"{plan(1)}@US")["upstream"].startswith("akash")


def test_rows_that_are_no_offer_say_why(result):
    assert skipped(result) == {
        plan(4): ("out_of_scope", "a plan without a GPU"),
        plan(5): ("unreadable", "pricing.currency is 'FLT', expected 'USDC'"),
        plan(6): ("out_of_scope", "unpriced (pricing.hour is 0)"),
    }


def test_a_board_without_an_interface_is_kept_but_not_comparable(result):
    assert "does not tell which board" in offer(result, option(4))["not_comparable"]


@pytest.mark.parametrize(("broken", "lost"), [("", "container"), ("vms", "vm"), ("baremetal", "bare_metal")])
def test_one_list_that_fails_does_not_cost_the_others(serve, run, web, broken, lost):
    serve("fluence", except_for=f"/plans/{broken}")
    web.get(BASE + broken, status=500, body="oops")
    result = run("fluence")
    assert set(result.offers["tier"]) == {"container", "vm", "bare_metal"} - {lost}
    assert result.problems[0].startswith(f"{lost}: ")


def test_an_unknown_key_is_an_error(web, run):
    for path in ("", "vms", "baremetal"):
        web.get(BASE + path, status=403, json={"error": "Auth failed. No such API Key"})
    with pytest.raises(SourceError, match="HTTP 403") as caught:
        run("fluence")
    assert not caught.value.unreachable


def test_the_key_is_sent_in_a_header_and_recorded_nowhere(serve, web, observed_at):
    serve("fluence")
    fetcher = FETCHERS["fluence"]
    taken = fetcher.fetch(source_session("fluence", fetcher.hosts, key=SECRET), observed_at=observed_at)
    assert {call.request.headers["X-API-KEY"] for call in web.calls} == {SECRET}
    assert SECRET not in repr(taken)
