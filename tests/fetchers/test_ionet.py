"""io.net: whole configuration or one GPU, resold machines, five products a row, endpoints that fail alone."""

from __future__ import annotations

import json

import polars as pl
import pytest

from depin_compare.errors import SourceError

BASE = "https://api.io.solutions"
MARKET = "/market-snapshot"


@pytest.fixture
def result(serve, run):
    serve("ionet")
    return run("ionet")


def offer(result, offer_id):
    (row,) = result.offers.filter(pl.col("offer_id") == offer_id).iter_rows(named=True)
    return row


def skipped(result, row_id):
    return [
        (row["kind"], row["reason"]) for row in result.skipped.filter(pl.col("row_id") == row_id).iter_rows(named=True)
    ]


def test_a_machine_is_priced_whole_and_divided_by_its_cards(result):
    row = offer(result, "machine:8H100.80S.176V__FI")
    assert row["usd_per_accelerator_hour"] == pytest.approx(27.875342465753423 / 8)
    assert round(row["usd_per_accelerator_hour"], 4) == 3.4844
    assert (row["accelerator"], row["accelerator_count"], row["tier"]) == ("h100-sxm", 8, "vm")
    assert (row["listed_price"], row["listed_unit"]) == ("27.875342465753423", "USD per hour for 8 GPUs")
    assert round(offer(result, "machine:4A100.80S.88V__FI")["usd_per_accelerator_hour"], 4) == 1.7123


def test_free_replicas_come_from_the_second_list(result):
    assert offer(result, "machine:8H100.80S.176V__FI")["available"] == 24
    assert offer(result, "machine:4A100.80S.88V__FI")["available"] is None


def test_rows_of_an_external_supplier_are_resold(result):
    assert offer(result, "machine:8H100.80S.176V__FI")["upstream"] == "external data centre"
    assert offer(result, "machine:rtx4090-611")["upstream"] is None


def test_one_configuration_in_two_locations_is_two_offers(result):
    rows = result.offers.filter(pl.col("machine_id") == "8H100.80S.176V")
    assert rows["region"].to_list() == ["FI", "US"]


def test_what_is_sold_out_keeps_its_price_with_nothing_free(result):
    row = offer(result, "machine:rtx4090-611")
    assert (row["accelerator"], row["usd_per_accelerator_hour"]) == ("rtx-4090", 0.3)
    assert (row["available"], row["note"], row["machine_id"]) == (0, "sold out", "611")
    assert round(offer(result, "machine:8B300__FI")["usd_per_accelerator_hour"], 4) == 7.9829


def test_a_bare_h100_is_kept_but_not_comparable(result):
    row = offer(result, "machine:h100-1x")
    assert row["accelerator"] is None
    assert "does not tell which board" in row["not_comparable"]


def test_a_price_that_looks_like_one_gpu_already_is_not_divided_again(result):
    ((kind, reason),) = skipped(result, "machine:perhaps-per-gpu")
    assert kind == "unreadable"
    assert "it may be the price of one GPU" in reason


def test_no_gpu_and_no_price_are_out_of_scope(result):
    assert skipped(result, "machine:2CPU__US") == [("out_of_scope", "a machine without a GPU")]
    assert skipped(result, "machine:unpriced") == [("out_of_scope", "unpriced (price is 0)")]
    assert skipped(result, "container:17@US") == [("out_of_scope", "unpriced (price is null)")]


def test_a_container_is_priced_by_the_gpu_and_named_by_location(result):
    assert offer(result, "container:203@US")["usd_per_accelerator_hour"] == 2.49
    assert offer(result, "container:203@FI")["usd_per_accelerator_hour"] == 2.39
    assert offer(result, "container:H200_sxm5@US")["accelerator"] == "h200"
    assert skipped(result, "container:203@FI")[0][0] == "duplicate"


def test_a_market_row_gives_one_offer_a_product(result):
    assert offer(result, "market:12:price")["usd_per_accelerator_hour"] == 2.19
    assert offer(result, "market:12:baremetal_price")["tier"] == "bare_metal"
    assert offer(result, "market:12:caas_price")["usd_per_accelerator_hour"] == 2.35
    assert result.offers.filter(pl.col("machine_id") == "market:12").height == 3
    assert offer(result, "market:13:price")["available"] == 0
    assert offer(result, "market:13:price")["note"] == "nothing idle"
    assert skipped(result, "market:14") == [("out_of_scope", "type 'CPU'")]
    assert skipped(result, "market:15")[0][0] == "out_of_scope"
    assert skipped(result, "market:16") == [("out_of_scope", "no product has a price")]


def test_utilisation_counts_every_card_also_of_chips_we_do_not_list(result):
    facts = {(f["metric"], f["subject"]): f["value"] for f in result.facts.iter_rows(named=True)}
    assert facts["utilisation", "h100-sxm"] == pytest.approx(316 / 412)
    assert facts["utilisation", "rtx-4090"] == 1.0
    assert facts["utilisation", None] == pytest.approx((316 + 200) / (412 + 200 + 88))
    assert facts["gpus_total", None] == 700


def test_nothing_failed(result):
    assert result.problems == ()


@pytest.mark.parametrize(
    ("broken", "lost"),
    [("/v1/io-cloud/vmaas/hardware", "machine:"), ("/enterprise/v1/io-cloud/caas/hardware", "container:")],
)
def test_one_list_that_fails_does_not_cost_the_others(serve, run, web, broken, lost):
    serve("ionet", except_for=broken)
    web.get(BASE + broken, status=500, body="oops")
    result = run("ionet")
    left = {str(offer_id).partition(":")[0] + ":" for offer_id in result.offers["offer_id"]}
    assert left == {"machine:", "container:", "market:"} - {lost}
    assert len(result.problems) == 1
    assert "HTTP 500" in result.problems[0]


def test_free_replicas_that_fail_cost_no_price(serve, run):
    serve("ionet", except_for="/v1/io-cloud/caas/hardware")
    result = run("ionet")
    assert offer(result, "machine:8H100.80S.176V__FI")["note"] == "free replicas unknown"


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"status": "failed", "data": []}, "saw 'failed', expected 'succeeded'"),
        ({"status": "succeeded", "data": []}, "no offer at all"),
        ({"status": "succeeded"}, "expected a key 'data'"),
    ],
)
def test_a_market_that_failed_inside_is_a_problem(serve, run, web, document, problem):
    serve("ionet", except_for=MARKET)
    web.get(f"{BASE}/v1/io-explorer/network{MARKET}", json=document)
    result = run("ionet")
    assert problem in result.problems[0]
    assert "market" not in " ".join(result.offers["offer_id"])


def test_a_list_with_too_many_bad_rows_is_dropped_and_its_rows_are_told(serve, run, web, payload):
    document = json.loads(payload("ionet/containers.json"))
    document["data"]["hardware"] += [{"hardware_id": n, "hardware_name": "zz", "price": 1.0} for n in range(4)]
    serve("ionet", except_for="/enterprise/v1/io-cloud/caas/hardware")
    web.get(f"{BASE}/enterprise/v1/io-cloud/caas/hardware", json=document)
    result = run("ionet")
    assert "4 of 7 rows unreadable" in result.problems[0]
    assert not any(offer_id.startswith("container:") for offer_id in result.offers["offer_id"])
    assert skipped(result, "container:3@-")[0][0] == "unreadable"


def test_all_lists_failing_is_an_error(web, run, payloads):
    for url, _, _ in payloads["ionet"]:
        web.get(url, status=403, body="<html>Just a moment</html>")
    with pytest.raises(SourceError, match=r"HTTP 403 \(begins '<html>") as caught:
        run("ionet")
    assert not caught.value.unreachable


# -- quotes

CONTAINER_QUOTE = f"{BASE}/enterprise/v1/io-cloud/caas/price"
MACHINE_QUOTE = f"{BASE}/enterprise/v1/io-cloud/vmaas/price"
PLACES = f"{BASE}/enterprise/v1/io-cloud/vmaas/available-vms"


def with_a_machine_to_quote(serve, web, payload, price=0.7):
    """A machine of two cards with a numeric id before all others, free in one place."""
    document = json.loads(payload("ionet/machines.json"))
    machine = {
        "id": "rtx4090-700", "deploy_id": 700, "name": "GeForce RTX 4090", "num_cards": 2, "supplier": "internal",
        "sold_out": False, "price": price, "vram_per_card": 24, "interconnect": None, "location": "US",
    }  # fmt: skip
    document["data"]["hardware"].insert(0, machine)
    serve("ionet", except_for="/vmaas/hardware")
    web.get(f"{BASE}/v1/io-cloud/vmaas/hardware", json=document)
    web.get(PLACES, json={"data": [{"id": 11, "iso2": "us", "name": "Iowa", "available_replicas": 2}]})


def asked(web, address):
    (call,) = [call for call in web.calls if call.request.url.startswith(address)]
    return call.request.params


def test_the_most_plentiful_container_is_quoted(serve, run, web):
    serve("ionet")
    run("ionet")
    assert asked(web, CONTAINER_QUOTE) == {
        "hardware_id": "203", "duration_hours": "1", "gpus_per_container": "8", "replica_count": "1",
    }  # fmt: skip


@pytest.mark.parametrize(("total", "each"), [(2.4, "0.3"), (159.36, "19.92")])
def test_a_quote_in_another_unit_than_the_list_is_a_problem_and_no_price(serve, run, web, total, each):
    serve("ionet", except_for="/caas/price")
    web.get(CONTAINER_QUOTE, json={"data": {"total_cost_usdc": total}})
    result = run("ionet")
    assert result.problems == (
        f"the unit of the container list is in doubt: 203 is quoted at {each} USD per GPU and hour, "
        "and listed at 2.39 to 2.49",
    )
    assert offer(result, "container:203@US")["usd_per_accelerator_hour"] == 2.49


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        ({"status": 422, "json": {"detail": "x"}}, "HTTP 422"),
        ({"body": "<html>"}, "no JSON"),
        ({"json": {"data": {"total_cost_usdc": None}}}, "None USDC"),
        ({"json": {"data": {"total_cost_usdc": "20.31"}}}, "expected a number"),
        ({"json": {"data": None}}, "None USDC"),
    ],
)
def test_a_quote_that_fails_leaves_the_prices_and_says_that_they_are_unchecked(serve, run, web, answer, seen):
    serve("ionet", except_for="/caas/price")
    web.get(CONTAINER_QUOTE, **answer)
    result = run("ionet")
    assert "units of the container list are not checked" in result.problems[0]
    assert seen in result.problems[0]
    assert len(result.problems) == 1
    assert offer(result, "container:203@US")["usd_per_accelerator_hour"] == 2.49


def test_a_machine_is_quoted_where_it_stands_free(serve, run, web, payload):
    with_a_machine_to_quote(serve, web, payload)
    web.get(MACHINE_QUOTE, json={"data": {"total_cost_usdc": 0.714}})  # 0.357 each, of a list price of 0.35
    result = run("ionet")
    assert result.problems == ()
    assert asked(web, MACHINE_QUOTE) == {
        "currency": "usdc", "duration_hours": "1", "gpus_per_vm": "2", "replica_count": "1",
        "hardware_id": "700", "location_ids": "[11]",
    }  # fmt: skip


def test_a_machine_quoted_at_its_list_price_a_card_is_a_problem(serve, run, web, payload):
    """Were the list's price of one card, as one client of the network says, the quote would be double."""
    with_a_machine_to_quote(serve, web, payload)
    web.get(MACHINE_QUOTE, json={"data": {"total_cost_usdc": 1.4}})
    (problem,) = run("ionet").problems
    assert "700 is quoted at 0.7 USD per GPU and hour, and listed at 0.35" in problem


def test_a_machine_that_stands_free_nowhere_is_not_quoted(serve, run, web, payload):
    with_a_machine_to_quote(serve, web, payload)
    web.replace("GET", PLACES, json={"data": []})
    assert run("ionet").problems == ()


def test_a_list_that_fails_is_not_quoted(serve, run, web):
    serve("ionet", except_for="/enterprise/v1/io-cloud/caas/hardware")
    web.get(f"{BASE}/enterprise/v1/io-cloud/caas/hardware", status=500, body="oops")
    run("ionet")
    assert not [call for call in web.calls if "/caas/price" in call.request.url]


def test_a_machine_of_absurdly_many_cards_is_unreadable(serve, run, web, payload):
    document = json.loads(payload("ionet/machines.json"))
    document["data"]["hardware"].append({"id": "huge", "name": "H200", "num_cards": 10**9, "price": 2e9})
    serve("ionet", except_for="/vmaas/hardware")
    web.get(f"{BASE}/v1/io-cloud/vmaas/hardware", json=document)
    assert skipped(run("ionet"), "machine:huge") == [("unreadable", "num_cards is 1000000000")]
