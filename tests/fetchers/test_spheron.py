"""Spheron: resold instances, spot in either field, clusters, pages."""

from __future__ import annotations

import json

import polars as pl
import pytest

from depin_compare.errors import SourceError

URL = "https://app.spheron.ai/api/gpu-offers"


@pytest.fixture
def result(serve, run):
    serve("spheron")
    return run("spheron")


def offer(result, offer_id):
    (row,) = result.offers.filter(pl.col("offer_id") == offer_id).iter_rows(named=True)
    return row


def skipped(result, row_id):
    (row,) = result.skipped.filter(pl.col("row_id") == row_id).iter_rows(named=True)
    return row["kind"], row["reason"]


def test_the_price_of_the_instance_is_divided_by_its_gpus(result):
    row = offer(result, "massed-compute/a100-2x|us-central|on_demand")
    assert row["usd_per_accelerator_hour"] == pytest.approx(1.20)  # 2.40 for 2
    assert (row["accelerator"], row["accelerator_count"]) == ("a100-pcie-40gb", 2)
    assert row["available"] == 8  # 4 units of 2 GPUs
    assert (row["listed_price"], row["listed_unit"]) == ("2.4", "USD per hour for 2 GPUs")
    assert offer(result, "voltage-park/h100-8x|FIN-01|on_demand")["usd_per_accelerator_hour"] == pytest.approx(1.99)


def test_every_offer_is_somebody_elses_capacity(result):
    assert result.offers["upstream"].null_count() == 0
    assert offer(result, "data-crunch/1H100.80S.30V|FIN-01|on_demand")["upstream"] == "data-crunch"


def test_a_dedicated_instance_may_have_a_spot_price_beside_its_own(result):
    assert offer(result, "data-crunch/1H100.80S.30V|FIN-01|on_demand")["usd_per_accelerator_hour"] == 2.29
    row = offer(result, "data-crunch/1H100.80S.30V|FIN-01|spot")
    assert (row["usd_per_accelerator_hour"], row["terms"], row["listed_price"]) == (1.14, "spot", "1.14")
    assert "voltage-park/h100-8x|FIN-01|spot" not in result.offers["offer_id"]  # spot_price 0


def test_a_spot_instance_has_its_price_in_either_field(result):
    row = offer(result, "data-crunch/2H100.80S.60V::spot|FIN-01|spot")
    assert (row["usd_per_accelerator_hour"], row["listed_price"]) == (pytest.approx(1.14), "2.28")  # for 2
    row = offer(result, "data-crunch/8H100.80S.176V::spot|FIN-01|spot")
    assert row["usd_per_accelerator_hour"] == pytest.approx(1.20)  # 9.60 for 8
    assert row["note"] == "price 18 and spot_price 9.6 differ"
    assert result.offers.filter(pl.col("offer_id").str.contains("::spot"))["terms"].unique().to_list() == ["spot"]


def test_an_offer_of_two_clusters_is_two_rows_and_its_units_are_not_counted_twice(result):
    rows = result.offers.filter(pl.col("offer_id").str.starts_with("spheron-ai/rtx4090-1x|"), pl.col("terms") == "spot")
    assert rows["region"].to_list() == ["US-1", "US-2"]
    assert rows["available"].to_list() == [None, None]
    assert rows["note"].unique().to_list() == ["4 units free in 2 clusters together"]


def test_what_is_not_available_is_listed_and_not_for_rent(result):
    row = offer(result, "sesterce/h100-sxm-8x|on_demand")
    assert (row["usd_per_accelerator_hour"], row["available"]) == (pytest.approx(2.80), 0)
    assert (row["region"], row["country"], row["note"]) == ("us-east", None, "listed, not for rent")


def test_an_edition_that_is_not_told_is_not_guessed(result):
    assert offer(result, "massed-compute/pro6000|FIN-01|on_demand")["accelerator"] is None


@pytest.mark.parametrize(
    ("row_id", "kind", "reason"),
    [
        ("sesterce/h100-broken", "out_of_scope", "under maintenance"),
        ("sesterce/cpu-only", "out_of_scope", "an instance without a GPU"),
        ("voltage-park/h100-no-count", "unreadable", "gpuCount is null"),
        ("sesterce/v100-free|FIN-01|on_demand", "out_of_scope", "unpriced (price is 0)"),
    ],
)
def test_rows_that_are_no_offer_say_why(result, row_id, kind, reason):
    assert skipped(result, row_id) == (kind, reason)
    assert result.problems == ()


def one_page(offers, **more):
    return {"data": [{"gpuType": "RTX_4090", "offers": offers}], "totalPages": 1, **more}


def instance(offer_id="a", **more):
    row = {"provider": "p", "offerId": offer_id, "gpuCount": 1, "price": 0.4, "instanceType": "DEDICATED"}
    return {**row, "clusters": ["x"], **more}


def test_an_instance_of_an_unknown_kind_is_unreadable(web, run):
    offers = [instance(str(n)) for n in range(4)] + [instance("odd", instanceType="CLUSTER")]
    web.get(URL, json=one_page(offers))
    assert skipped(run("spheron"), "p/odd") == ("unreadable", "instanceType is 'CLUSTER', expected DEDICATED or SPOT")


def test_a_page_that_fails_costs_no_other(serve, run, web, payload):
    web.get(URL, body=payload("spheron/page-1.json"))
    web.get(URL, status=500, body="oops")
    result = run("spheron")
    assert result.offers.height == 7
    assert "page 2: " in result.problems[0]
    assert "HTTP 500" in result.problems[0]


def test_pages_end(web, run):
    web.get(URL, json=one_page([instance()], totalPages=10**9))
    result = run("spheron")
    assert len(web.calls) == 100
    assert result.offers.height == 1
    assert result.problems == ("more than 100 pages; the rest was not asked",)


def test_a_group_without_offers_is_one_unreadable_row(web, run):
    document = one_page([instance(str(n)) for n in range(4)])
    document["data"].append({"gpuType": "H100_SXM5", "offers": None})
    web.get(URL, json=document)
    assert skipped(run("spheron"), "page 1 $.data[1]") == ("unreadable", "offers is no list")


@pytest.mark.parametrize(
    ("document", "seen"),
    [
        ({"data": [], "totalPages": 0}, "no offer at all"),
        ({"gpuOffers": []}, "keys gpuOffers"),
        ([], "a list of 0"),
        (one_page([instance(gpuCount=None)]), "1 of 1 rows unreadable"),
    ],
)
def test_a_changed_payload_is_an_error(web, run, document, seen):
    web.get(URL, body=json.dumps(document))
    with pytest.raises(SourceError) as caught:
        run("spheron")
    assert seen in caught.value.seen
