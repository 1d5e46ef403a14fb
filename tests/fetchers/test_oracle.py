"""Oracle: prices of one GPU among licences, nodes and machines in the customer's own building."""

from __future__ import annotations

import json

import polars as pl
import pytest

from depin_compare.errors import SourceError
from fetchers import FETCHERS
from fetchers.http import source_session

URL = "https://apexapps.oracle.com/pls/apex/cetools/api/v1/products/"


@pytest.fixture
def result(serve, run):
    serve("oracle")
    return run("oracle")


def offer(result, part):
    (row,) = result.offers.filter(pl.col("offer_id") == part).iter_rows(named=True)
    return row


@pytest.mark.parametrize(
    ("part", "accelerator", "usd"),
    [
        ("B98415", "h100-sxm", 10),
        ("B110519", "h200", 10),
        ("B110978", "b200", 14),
        ("B112237", "b300", 15),
        ("B109485", "mi300x", 6),
        ("B111758", "mi355x", 8.6),  # "OCI- Compute", without a blank
        ("B109479", "l40s", 3.5),
        ("B95907", "a100-sxm-80gb", 4),
        ("B95909", "a10", 2),  # "Compute  - GPU", with two
        ("B112613", "rtx-pro-6000-bw", 4.2),
        ("B92740", "v100-sxm2-16gb", 2.95),  # names no chip: E3
        ("B93544", "a100-sxm-40gb", 3.05),  # names no chip: E4
    ],
)
def test_a_part_number_tells_the_chip_and_its_price_is_of_one_gpu(result, part, accelerator, usd):
    row = offer(result, part)
    assert (row["accelerator"], row["usd_per_accelerator_hour"]) == (accelerator, usd)
    assert (row["terms"], row["price_kind"], row["region"]) == ("on_demand", "list", "all commercial")
    assert row["listed_unit"] == "USD per GPU and hour"


def test_a_gb200_is_not_divided_by_the_four_of_its_machine(result):
    row = offer(result, "B110979")
    assert (row["usd_per_accelerator_hour"], row["accelerator_count"]) == (16, 4)
    assert (row["machine_id"], row["note"]) == ("BM.GPU.GB200.4", "sold as BM.GPU.GB200.4")
    assert offer(result, "B112140")["usd_per_accelerator_hour"] == 18


def test_the_smallest_machine_that_can_be_had_is_told(result):
    row = offer(result, "B95909")
    assert (row["accelerator_count"], row["machine_id"]) == (1, "VM.GPU.A10.1")
    assert row["note"] == "sold as VM.GPU.A10.1, VM.GPU.A10.2, BM.GPU.A10.4"


@pytest.mark.parametrize(
    ("part", "kind", "reason"),
    [
        ("B98416", "out_of_scope", "NVIDIA AI Enterprise"),
        ("B96615", "out_of_scope", "VMware"),
        ("B110001", "out_of_scope", "category 'Compute Cloud@Customer'"),
        ("B110002", "out_of_scope", "category 'Compute Cloud@Customer'"),
        ("B96616", "out_of_scope", "metric 'Node Per Hour'"),
        ("B109480", "out_of_scope", "H100T, a chip the register does not list"),
        ("B89734", "out_of_scope", "P100, a chip the register does not list"),
        ("B88517", "out_of_scope", "P100, a chip the register does not list"),
        ("B119999", "unreadable", "OCI - Compute - GPU - E9 (B119999) names no chip"),
        ("B118888", "unreadable", "has 0 pay-as-you-go prices in USD, expected one"),
        ("B98415", "duplicate", "key B98415 stands in the payload more than once; the first is kept"),
    ],
)
def test_rows_that_are_no_offer_say_why(result, part, kind, reason):
    ((told, because),) = result.skipped.filter(pl.col("row_id") == part).select("kind", "reason").iter_rows()
    assert told == kind
    assert because.endswith(reason)


def test_a_chip_that_is_not_the_h100_never_becomes_one(result):
    assert result.offers.filter(pl.col("accelerator") == "h100-sxm")["offer_id"].to_list() == ["B98415"]


def test_a_part_nobody_noted_yet_is_read_by_its_name(result):
    row = offer(result, "B117777")
    assert (row["accelerator"], row["accelerator_count"], row["machine_id"]) == ("mi325x", 1, None)


def item(name, part="B120000", **more):
    prices = [{"model": "PAY_AS_YOU_GO", "value": 9}]
    return {
        "partNumber": part, "displayName": name, "metricName": "GPU Per Hour", "serviceCategory": "Compute - GPU",
        "currencyCodeLocalizations": [{"currencyCode": "USD", "prices": prices}],
    } | more  # fmt: skip


def test_a_name_of_several_boards_is_kept_and_not_comparable(web, run):
    web.get(URL, json={"items": [item("OCI - Compute - GPU - H100")]})
    row = offer(run("oracle"), "B120000")
    assert row["accelerator"] is None
    assert "does not tell which board" in row["not_comparable"]


@pytest.mark.parametrize(
    ("more", "kind", "reason"),
    [
        ({"currencyCodeLocalizations": None}, "unreadable", "0 pay-as-you-go prices"),
        (
            {"currencyCodeLocalizations": [{"currencyCode": "USD", "prices": [{"model": "ANNUAL"}]}]},
            "unreadable",
            "0 p",
        ),
        ({"currencyCodeLocalizations": [7]}, "unreadable", "no object"),
        ({"partNumber": None}, "unreadable", "partNumber is null"),
        ({"displayName": ""}, "unreadable", "displayName is ''"),
        ({"displayName": "OCI - Compute - GPU - Z900"}, "unreadable", "Z900 is in no table of accelerator names"),
    ],
)
def test_a_row_with_one_thing_wrong_is_skipped_alone(web, run, payload, more, kind, reason):
    document = json.loads(payload("oracle/products.json"))
    document["items"].append(item("OCI - Compute - GPU - H200") | more)
    web.get(URL, json=document)
    result = run("oracle")
    assert result.offers.height == 15
    assert any(reason in row["reason"] and row["kind"] == kind for row in result.skipped.iter_rows(named=True))


@pytest.mark.parametrize(
    ("value", "kind"), [(0, "out_of_scope"), (-1, "unreadable"), ("14", "unreadable"), (900, "unreadable")]
)
def test_a_price_nobody_could_pay_is_no_offer(web, run, payload, value, kind):
    document = json.loads(payload("oracle/products.json"))
    document["items"][2]["currencyCodeLocalizations"][0]["prices"][0]["value"] = value
    web.get(URL, json=document)
    result = run("oracle")
    assert "B110978" not in result.offers["offer_id"]
    assert result.skipped.filter(pl.col("row_id") == "B110978")["kind"].to_list() == [kind]


def test_too_many_requests_are_waited_for_as_asked(server, run, waits):
    server.answers["/pls/apex/cetools/api/v1/products/"] = (429, {"Retry-After": "2"}, b"slow down")
    hosts = FETCHERS["oracle"].hosts
    session = source_session("oracle", hosts, mirrors={f"https://{hosts[0]}": server.address})
    with pytest.raises(SourceError, match="HTTP 429"):
        run("oracle", session)
    assert waits == [2, 2]


@pytest.mark.parametrize(
    "items", [[], [item("Compute - Standard", metricName="OCPU Per Hour", serviceCategory="Compute")]]
)
def test_no_offer_at_all_is_an_error(web, run, items):
    web.get(URL, json={"items": items})
    with pytest.raises(SourceError, match="no offer at all"):
        run("oracle")


def test_too_many_bad_rows_are_a_changed_payload(web, run, payload):
    document = json.loads(payload("oracle/products.json"))
    for row in document["items"][:5]:
        row["currencyCodeLocalizations"] = []
    web.get(URL, json=document)
    with pytest.raises(SourceError, match=r"7 of 18 rows unreadable, such as B98415"):
        run("oracle")
