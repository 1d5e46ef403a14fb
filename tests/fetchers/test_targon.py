"""Targon: shapes priced whole, fields that may be null, and a key that may or may not be wanted."""

from __future__ import annotations

import polars as pl
import pytest

from depin_compare.errors import SourceError
from fetchers import FETCHERS
from fetchers.http import source_session

INVENTORY = "https://api.targon.com/tha/v2/inventory"
SECRET = "targon-s3cret"


@pytest.fixture
def result(serve, run):
    serve("targon")
    return run("targon")


def offer(result, offer_id):
    (row,) = result.offers.filter(pl.col("offer_id") == offer_id).iter_rows(named=True)
    return row


def skipped(result):
    return {row["row_id"]: (row["kind"], row["reason"]) for row in result.skipped.iter_rows(named=True)}


def test_a_shape_is_priced_whole(result):
    assert offer(result, "h200-small")["usd_per_accelerator_hour"] == 2.4
    row = offer(result, "h200-xlarge")
    assert row["usd_per_accelerator_hour"] == pytest.approx(2.35)  # 18.8 / 8
    assert (row["accelerator"], row["accelerator_count"], row["available"]) == ("h200", 8, 16)
    assert (row["segment"], row["upstream"]) == ("decentralized", None)


def test_the_name_to_display_stands_in_for_a_spec_of_nulls(result):
    row = offer(result, "b200-large")
    assert (row["accelerator"], row["accelerator_count"]) == ("b200", 4)
    assert row["usd_per_accelerator_hour"] == pytest.approx(4.1)
    assert row["available"] == 0


def test_a_bare_h100_is_kept_but_not_comparable(result):
    assert "does not tell which board" in offer(result, "h100-small")["not_comparable"]


def test_rows_that_are_no_offer_say_why(result):
    assert skipped(result) == {
        "rtx4090-free": ("out_of_scope", "unpriced (cost_per_hour is 0)"),
        "cpu-small": ("out_of_scope", "a shape without a GPU"),
        "h200-serverless": ("out_of_scope", "type 'serverless'"),
        "odd": ("unreadable", "an unknown number of GPUs by spec.gpu_count and display_name"),
    }


@pytest.mark.parametrize("key", [None, SECRET])
def test_a_key_is_sent_where_there_is_one(serve, web, observed_at, key):
    serve("targon")
    fetcher = FETCHERS["targon"]
    taken = fetcher.fetch(source_session("targon", fetcher.hosts, key=key), observed_at=observed_at)
    assert web.calls[0].request.headers.get("Authorization") == (f"Bearer {SECRET}" if key else None)
    assert SECRET not in repr(taken)
    assert not fetcher.key_required


def test_a_refusal_names_the_variable_of_the_key(web, run):
    web.get(INVENTORY, status=401, json={"detail": "unauthorized"})
    with pytest.raises(SourceError, match="set TARGON_API_KEY"):
        run("targon")


def test_an_empty_inventory_is_an_error(web, run):
    web.get(INVENTORY, json=[])
    with pytest.raises(SourceError, match="no offer at all"):
        run("targon")
