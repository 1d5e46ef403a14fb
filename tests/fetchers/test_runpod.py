"""RunPod: two clouds kept apart, spot only where it is cheaper, errors that come with HTTP 200."""

from __future__ import annotations

import json

import polars as pl
import pytest

from depin_compare.errors import SourceError

URL = "https://api.runpod.io/graphql"
H100 = "NVIDIA H100 80GB HBM3"
PRO = "NVIDIA RTX PRO 6000 Blackwell Server Edition"


@pytest.fixture
def result(serve, run):
    serve("runpod")
    return run("runpod")


def offer(result, offer_id):
    (row,) = result.offers.filter(pl.col("offer_id") == offer_id).iter_rows(named=True)
    return row


def skipped(result, row_id):
    (row,) = result.skipped.filter(pl.col("row_id") == row_id).iter_rows(named=True)
    return row["kind"], row["reason"]


@pytest.mark.parametrize(
    ("tier", "terms", "usd"),
    [
        ("secure", "on_demand", 3.99),
        ("community", "on_demand", 2.69),
        ("secure", "spot", 1.99),
        ("community", "spot", 1.75),
    ],
)
def test_each_cloud_has_its_own_price_on_demand_and_spot(result, tier, terms, usd):
    row = offer(result, f"{H100}:{tier}:{terms}")
    assert (row["usd_per_accelerator_hour"], row["tier"], row["terms"]) == (usd, tier, terms)
    assert (row["accelerator"], row["accelerator_count"], row["memory_gib"]) == ("h100-sxm", 1, 80)
    assert (row["price_kind"], row["listed_price"]) == ("list", str(usd))


def test_stock_is_a_word_and_no_count(result):
    row = offer(result, f"{H100}:secure:on_demand")
    assert (row["available"], row["total"], row["note"]) == (None, None, "stock High, no counts")
    assert offer(result, f"{PRO}:community:on_demand")["note"] == "stock 'Plenty', a word not known"
    assert result.facts.is_empty()


def test_nothing_in_stock_keeps_the_list_price_with_nothing_free(result):
    row = offer(result, "NVIDIA B200:secure:on_demand")  # stockStatus null
    assert (row["usd_per_accelerator_hour"], row["available"], row["note"]) == (5.98, 0, "nothing in stock")
    assert offer(result, "NVIDIA A100 80GB PCIe:community:on_demand")["available"] == 0  # out_of_stock


def test_a_price_of_a_cloud_it_is_not_in_is_listed_and_not_for_rent(result):
    row = offer(result, "NVIDIA A100 80GB PCIe:secure:on_demand")
    assert (row["usd_per_accelerator_hour"], row["available"]) == (1.64, 0)
    assert row["note"] == "listed, not for rent in the secure cloud"


def test_spot_is_told_only_below_the_price_on_demand(result):
    assert skipped(result, "NVIDIA GeForce RTX 4090:secure:spot") == (
        "out_of_scope",
        "spot price 0.69 is not below the price on demand",
    )
    assert skipped(result, f"{PRO}:community:spot")[0] == "out_of_scope"  # the floor of bids, 1.69 like on demand
    row = offer(result, "NVIDIA GeForce RTX 4090:community:spot")  # no spot price, but a floor of bids of 0.20
    assert (row["usd_per_accelerator_hour"], row["listed_price"]) == (0.2, "0.2")


def test_zero_and_null_are_no_offer(result):
    assert skipped(result, "NVIDIA B200:community:on_demand") == ("out_of_scope", "unpriced (communityPrice is 0)")
    assert "NVIDIA B200:community:spot" not in result.offers["offer_id"]
    assert "NVIDIA B300 SXM6 AC:community:on_demand" not in result.offers["offer_id"]
    assert skipped(result, "NVIDIA L40") == ("out_of_scope", "no cloud has a price")


def test_the_name_on_display_decides_where_the_id_is_not_known(result):
    assert offer(result, "NVIDIA HGX Board 141:secure:on_demand")["accelerator"] == "h200"
    assert offer(result, f"{PRO}:secure:on_demand")["accelerator"] == "rtx-pro-6000-bw"  # shown as RTX PRO 6000
    assert offer(result, "NVIDIA B300 SXM6 AC:secure:spot")["usd_per_accelerator_hour"] == 5.0


@pytest.mark.parametrize(
    ("row_id", "kind", "reason"),
    [
        ("unknown", "out_of_scope", "a placeholder"),
        (f"{PRO} MIG 1g.24gb", "out_of_scope", "a slice of a card"),
        ("NVIDIA RTX PRO 6000 slice of 48", "out_of_scope", "a slice of a card"),
        ("NVIDIA RTX A4500", "out_of_scope", "a workstation card the register does not list"),
        ("NVIDIA Zeta 9000", "unreadable", "in no table of accelerator names"),
    ],
)
def test_rows_that_are_no_offer_say_why(result, row_id, kind, reason):
    assert skipped(result, row_id)[0] == kind
    assert reason in skipped(result, row_id)[1]


def test_one_query_is_enough_when_it_works(serve, run, web):
    serve("runpod")
    result = run("runpod")
    (call,) = web.calls
    assert "lowestPrice(input: {gpuCount: 1, secureCloud: false})" in json.loads(call.request.body)["query"]
    assert result.problems == ()


def test_a_query_that_is_refused_is_asked_again_without_stock(run, web, payload):
    document = json.loads(payload("runpod/gpu-types.json"))
    more = ("secureCloud", "communityCloud", "secureStock", "communityStock")
    for row in document["data"]["gpuTypes"]:
        for field in more:
            del row[field]
    error = {"errors": [{"message": 'Cannot query field "lowestPrice" on type "GpuType".'}]}

    def answer(request):
        return 200, {}, json.dumps(error if "lowestPrice" in json.loads(request.body)["query"] else document)

    web.add_callback("POST", URL, answer)
    result = run("runpod")
    assert offer(result, f"{H100}:secure:on_demand")["usd_per_accelerator_hour"] == 3.99
    assert offer(result, f"{H100}:secure:on_demand")["note"] == "stock unknown"
    assert result.offers["available"].null_count() == result.offers.height
    assert result.problems == ('gpu-types: the answer says: Cannot query field "lowestPrice" on type "GpuType".',)


def test_errors_beside_the_data_are_told_and_cost_nothing(run, web, payload):
    document = {**json.loads(payload("runpod/gpu-types.json")), "errors": [{"message": "stock service timed out"}]}
    web.post(URL, json=document)
    result = run("runpod")
    assert result.offers.height == 17
    assert result.problems == ("gpu-types: the answer says: stock service timed out",)


@pytest.mark.parametrize(
    ("document", "seen"),
    [
        ({"errors": [{"message": "Something went wrong"}], "data": None}, "the answer says: Something went wrong"),
        ({"errors": "no"}, "the answer says: no"),
        ({"data": {"gpuTypes": None}}, "null"),
        ({"data": {"gpuTypes": []}}, "no offer at all"),
    ],
)
def test_an_answer_without_types_is_an_error(run, web, document, seen):
    web.post(URL, json=document)
    with pytest.raises(SourceError) as caught:
        run("runpod")
    assert seen in caught.value.seen


def test_more_than_a_fifth_unreadable_is_an_error(run, web):
    types = [{"id": f"NVIDIA Zeta {n}", "displayName": "?", "memoryInGb": 8, "securePrice": 1.0} for n in range(3)]
    types += [{"id": H100, "displayName": "H100 SXM", "memoryInGb": 80, "securePrice": 3.99}]
    web.post(URL, json={"data": {"gpuTypes": types}})
    with pytest.raises(SourceError, match="3 of 4 rows unreadable"):
        run("runpod")
