"""Azure: what a row is, what its price is of, and paging."""

from __future__ import annotations

import json

import polars as pl
import pytest

from depin_compare.errors import SourceError
from fetchers.azure import SERIES

URL = "https://prices.azure.com/api/retail/prices"
H100 = "Standard_ND96isr_H100_v5"


@pytest.fixture
def result(serve, run):
    serve("azure")
    return run("azure")


def usd(result, sku, terms="on_demand"):
    rows = result.offers.filter(pl.col("accelerator_name") == sku, pl.col("terms") == terms)
    assert rows.height == 1
    return rows["usd_per_accelerator_hour"].item()


def reasons(result, number):
    found = result.skipped.filter(pl.col("row_id").str.starts_with(f"DZH318Z0XXXX/{number:04d}|"))
    return [(row["kind"], row["reason"]) for row in found.iter_rows(named=True)]


def test_the_machine_is_divided_by_its_accelerators(result):
    assert usd(result, H100) == 12.29  # 98.32 / 8
    assert usd(result, "Standard_ND96isr_MI300X_v5") == 6.0  # 48 / 8
    assert usd(result, "Standard_ND128isr_NDR_GB200_v6") == 27.04  # 108.16 / 4
    assert usd(result, "Standard_NC96ads_A100_v4") == 3.673  # 14.692 / 4
    assert usd(result, "Standard_NV72ads_A10_v5") == 3.26  # 6.52 / 2


def test_spot_is_a_consumption_row_named_so(result):
    assert usd(result, H100, "spot") == 2.2725  # 18.18 / 8


def test_a_reservation_is_the_price_of_the_whole_term(result):
    assert usd(result, H100, "reserved_3y") == pytest.approx(1_130_000 / 26_280 / 8)
    assert round(usd(result, H100, "reserved_3y"), 3) == 5.375
    assert round(usd(result, H100, "reserved_1y"), 3) == 7.178  # 503,000 / 8,760 / 8
    row = result.offers.filter(pl.col("terms") == "reserved_3y").row(0, named=True)
    assert (row["listed_price"], row["listed_unit"]) == ("1130000.0", "USD per machine and 3 Years")


def test_savings_plans_inside_a_row_are_offers_of_their_own(result):
    assert round(usd(result, H100, "savings_3y"), 5) == 6.75875  # 54.07 / 8
    assert round(usd(result, H100, "savings_1y"), 5) == 8.84875  # 70.79 / 8


def test_the_machine_tells_the_chip_and_the_region_is_lower_case(result):
    chips = dict(result.offers.select("accelerator_name", "accelerator").iter_rows())
    assert chips[H100] == "h100-sxm"
    assert chips["Standard_NC40ads_H100_v5"] == "h100-nvl"
    assert chips["Standard_NC24ads_A100_v4"] == "a100-pcie-80gb"
    assert chips["Standard_ND96asr_v4"] == "a100-sxm-40gb"
    row = result.offers.filter(pl.col("accelerator") == "mi300x").row(0, named=True)
    assert (row["region"], row["memory_gib"], row["accelerator_count"]) == ("westus3", 192, 8)
    assert result.offers.filter(pl.col("tier") == "confidential").height == 1


@pytest.mark.parametrize(
    ("number", "kind", "reason"),
    [
        (5, "out_of_scope", "a reservation of 5 Years"),
        (6, "out_of_scope", "Windows"),
        (7, "out_of_scope", "Windows"),
        (8, "out_of_scope", "low priority, a product withdrawn"),
        (9, "out_of_scope", "a price for development and test"),
        (10, "out_of_scope", "holds from 2027-01-01"),
        (24, "unreadable", "Standard_ND99x_Z900_v9 is in no table of machines"),
        (25, "unreadable", "retailPrice is 0.0, expected more than 0"),
        (27, "out_of_scope", "Standard_ND6s: a chip the register does not list"),
        (35, "out_of_scope", "Standard_NC6: a chip the register does not list"),
        (36, "unreadable", "currencyCode is 'EUR', expected 'USD'"),
        (41, "out_of_scope", "Standard_NV6ads_A10_v5 has a fraction of a card"),
        (43, "out_of_scope", "a dedicated host or a cloud service"),
        (44, "out_of_scope", "unit '1 GB'"),
    ],
)
def test_rows_that_are_no_offer_say_why(result, number, kind, reason):
    assert reasons(result, number) == [(kind, reason)]


def test_maia_never_becomes_an_offer(result):
    ((kind, reason),) = reasons(result, 26)
    assert (kind, "Maia" in reason) == ("out_of_scope", True)
    assert not any("maia" in (accelerator or "") for accelerator in result.offers["accelerator"])


def test_a_row_seen_on_two_pages_counts_once(result):
    kinds = [kind for kind, _ in reasons(result, 1)]
    assert set(kinds) == {"duplicate"}


def test_pages_are_walked_over_port_443_until_null_empty_or_absent(result, web):
    assert len(web.calls) == 4
    assert not any(":443" in call.request.url for call in web.calls)
    assert result.problems == ()


def item(number, region="eastus"):
    return {
        "currencyCode": "USD", "retailPrice": 98.32, "armRegionName": region, "meterId": str(number),
        "skuId": str(number),
        "meterName": "ND96isr H100 v5", "skuName": "ND96isr H100 v5", "productName": "Virtual Machines NDsr H100 v5",
        "serviceName": "Virtual Machines", "unitOfMeasure": "1 Hour", "type": "Consumption", "armSkuName": H100,
    }  # fmt: skip


def test_a_last_page_may_be_full(web, run):
    web.get(URL, json={"Items": [item(n) for n in range(1000)], "NextPageLink": None, "Count": 1000})
    result = run("azure")
    assert result.offers.height == 1000
    assert len(web.calls) == len(SERIES)


def test_pages_that_go_round_are_left(web, run):
    web.get(URL, json={"Items": [item(1)], "NextPageLink": f"{URL}?$skip=1000"})
    result = run("azure")
    assert len(web.calls) == 2 * len(SERIES)
    assert "the same page again" in result.problems[0]


def test_a_page_on_a_foreign_host_is_never_asked_for(web, run):
    web.get(URL, json={"Items": [item(1)], "NextPageLink": "https://prices.azure.com.evil.example/api?$skip=1000"})
    evil = web.get("https://prices.azure.com.evil.example/api", json={"Items": [item(2)]})
    result = run("azure")
    assert evil.call_count == 0
    assert result.offers.height == 1
    assert "a link to https://prices.azure.com.evil.example" in result.problems[0]


def test_a_later_page_that_fails_leaves_the_earlier_rows_and_a_problem(serve, run, web, payload):
    document = json.loads(payload("azure/nc.json")) | {"NextPageLink": f"{URL}?$skip=1000&page=lost"}
    web.get(URL, json=document)
    web.get(URL, status=500, match=[lambda request: ("page" in request.params, "the lost page")])
    result = run("azure")
    assert result.offers.height > 0
    assert "HTTP 500" in result.problems[0]


@pytest.mark.parametrize("items", [[], [{"armSkuName": "Standard_D4s_v5", "serviceName": "Virtual Machines"}]])
def test_no_offer_at_all_is_an_error(web, run, items):
    web.get(URL, json={"Items": items, "NextPageLink": None})
    with pytest.raises(SourceError):
        run("azure")
