"""Hyperbolic: cents of the whole option, two kinds of machine, the supplier's price, a path that moves."""

from __future__ import annotations

import json

import polars as pl
import pytest

from depin_compare.errors import SourceError

URL = "https://api.hyperbolic.ai/v2/alpha/on-demand/rental-options"
LATER = "https://api.hyperbolic.ai/v2/on-demand/rental-options"
VM = "h100/sxm5/8/us-central-1/virtual-machine/infiniband"
METAL = "h100/sxm5/8/us-central-1/bare-metal/infiniband"


@pytest.fixture
def result(serve, run):
    serve("hyperbolic")
    return run("hyperbolic")


def offer(result, offer_id):
    (row,) = result.offers.filter(pl.col("offer_id") == offer_id).iter_rows(named=True)
    return row


def skipped(result, row_id):
    (row,) = result.skipped.filter(pl.col("row_id") == row_id).iter_rows(named=True)
    return row["kind"], row["reason"]


def test_cents_of_the_whole_option_become_usd_of_one_gpu(result):
    row = offer(result, VM)
    assert row["usd_per_accelerator_hour"] == pytest.approx(2.49)  # 1992 cents / 8
    assert (row["accelerator"], row["accelerator_count"], row["price_kind"]) == ("h100-sxm", 8, "ask")
    assert (row["listed_price"], row["listed_unit"]) == ("1992", "US cents per hour for 8 GPUs")
    assert row["available"] == 16  # GPUs, not options


def test_kinds_of_machine_and_of_connection_are_offers_of_their_own(result):
    assert offer(result, METAL)["usd_per_accelerator_hour"] == pytest.approx(2.99)
    assert (offer(result, VM)["tier"], offer(result, METAL)["tier"]) == ("vm", "bare_metal")
    ethernet = offer(result, "h100/sxm5/8/us-central-1/virtual-machine/ethernet")
    assert ethernet["usd_per_accelerator_hour"] == pytest.approx(2.59)


def test_what_the_supplier_gets_is_never_the_price(result):
    row = offer(result, f"{VM}:supplier")
    assert (row["price_kind"], row["usd_per_accelerator_hour"]) == ("reward", 2.1875)  # 1750 cents / 8
    rewards = result.offers.filter(pl.col("price_kind") == "reward")["offer_id"]
    assert all(offer_id.endswith(":supplier") for offer_id in rewards)


def test_a_price_may_be_a_text_and_a_count_may_be_missing(result):
    row = offer(result, "h100/sxm5/1/us-central-1/virtual-machine/-")
    assert row["usd_per_accelerator_hour"] == pytest.approx(2.49)
    assert (row["available"], row["note"]) == (None, "free GPUs unknown")


def test_what_is_not_enabled_is_listed_and_not_for_rent(result):
    row = offer(result, "h200/sxm5/8/us-central-1/virtual-machine/infiniband")
    assert row["usd_per_accelerator_hour"] == pytest.approx(3.19)
    assert (row["available"], row["note"]) == (0, "listed, not for rent")


def test_without_a_form_factor_or_an_edition_it_is_not_comparable(result):
    row = offer(result, "h100/-/8/eu-north-4/bare-metal/infiniband")
    assert (row["accelerator"], row["usd_per_accelerator_hour"]) == (None, 2.0)
    row = offer(result, "rtx-6000-pro/-/4/us-east-2/virtual-machine/infiniband")
    assert "rtx-pro-6000-bw or rtx-pro-6000-ws" in row["not_comparable"]


@pytest.mark.parametrize(
    ("row_id", "kind", "reason"),
    [
        ("b200/sxm6/8/us-central-1/virtual-machine/infiniband", "out_of_scope", "unpriced (costPerHourCents is 0)"),
        (VM, "duplicate", "more than once"),
        ("q1-npu/-/1/us-central-1/virtual-machine/infiniband", "unreadable", "in no table of accelerator names"),
    ],
)
def test_rows_that_are_no_offer_say_why(result, row_id, kind, reason):
    assert skipped(result, row_id)[0] == kind
    assert reason in skipped(result, row_id)[1]
    assert result.problems == ()


@pytest.mark.parametrize("broken", [{"status": 404, "body": "gone"}, {"body": '{"message": "moved"}'}])
def test_the_later_path_stands_in_for_the_first(web, run, payload, broken):
    web.get(URL, **broken)
    web.get(LATER, body=payload("hyperbolic/options.json"))
    result = run("hyperbolic")
    assert offer(result, VM)["source_url"] == LATER
    assert result.offers.height == 12


def test_one_path_is_enough_when_it_works(serve, run, web):
    serve("hyperbolic")
    run("hyperbolic")
    assert [call.request.url for call in web.calls] == [URL]


@pytest.mark.parametrize(
    ("document", "seen"),
    [([], "no offer at all"), ({"options": []}, "an object of 1 keys"), ([{"gpuType": "h100"}], "gpuCount is None")],
)
def test_a_changed_payload_is_an_error(web, run, document, seen):
    for url in (URL, LATER):
        web.get(url, body=json.dumps(document))
    with pytest.raises(SourceError) as caught:
        run("hyperbolic")
    assert seen in caught.value.seen
