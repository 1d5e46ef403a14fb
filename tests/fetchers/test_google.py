"""Google: what a price is of (told by its description), machines added up from parts, TPU chips, and the key."""

from __future__ import annotations

import json

import polars as pl
import pytest

from depin_compare.errors import SourceError
from depin_compare.market.reference import reference_offers
from fetchers import FETCHERS, collect
from fetchers.http import source_session

COMPUTE = "https://cloudbilling.googleapis.com/v1/services/6F81-5844-456A/skus"
TPU = "https://cloudbilling.googleapis.com/v1/services/E000-3F24-B8AA/skus"
VARIABLE = "GOOGLE_CLOUD_API_KEY"


@pytest.fixture
def result(serve, run):
    serve("google")
    return run("google")


@pytest.fixture
def page(payload):
    """One recorded page as a document."""
    return lambda name: json.loads(payload(f"google/{name}.json"))


def offer(result, machine, terms="on_demand", region="us-central1"):
    (row,) = result.offers.filter(
        pl.col("accelerator_name") == machine, pl.col("terms") == terms, pl.col("region") == region
    ).iter_rows(named=True)
    return row


def usd(result, machine, terms="on_demand", region="us-central1"):
    return offer(result, machine, terms, region)["usd_per_accelerator_hour"]


def reasons(result):
    return {row["row_id"]: (row["kind"], row["reason"]) for row in result.skipped.iter_rows(named=True)}


def sku_of(page, description):
    return next(sku for name in ("compute-1", "compute-2", "tpu") for sku in page(name)["skus"]
                if sku["description"] == description)["skuId"]  # fmt: skip


def test_a_machine_is_its_gpus_processors_memory_and_disks(result):
    # 8 x 9.796550569 + 208 x 0.0293 + 1,872 x 0.001797896 + 6,000 GiB x 0.08 / 730 = 88.490
    assert 8 * usd(result, "a3-highgpu-8g") == pytest.approx(88.490, abs=1e-5)
    assert usd(result, "a3-highgpu-8g") == pytest.approx(11.06125, abs=1e-6)
    # 2.933908 + 12 x 0.031611 + 85 x 0.004237, no disks
    assert usd(result, "a2-highgpu-1g") == pytest.approx(3.673385)
    # 3.92808 + 12 x 0.031611 + 170 x 0.004237 + 375 x 0.08 / 730
    assert usd(result, "a2-ultragpu-1g") == pytest.approx(5.068798, abs=1e-6)
    assert usd(result, "a2-ultragpu-8g") == pytest.approx(40.550383 / 8, abs=1e-6)
    # 0.56004 + 4 x 0.024988 + 16 x 0.002927
    assert usd(result, "g2-standard-4") == pytest.approx(0.706824)
    # 8 x 10.3443 + 208 x 0.03 + 1,872 x 0.002 + 6,000 x 0.08 / 730, priced as "Plus"
    assert 8 * usd(result, "a3-megagpu-8g") == pytest.approx(93.395934, abs=1e-6)


def test_the_sum_is_told_beside_the_price(result):
    row = offer(result, "a3-highgpu-8g")
    assert (row["accelerator"], row["accelerator_count"], row["memory_gib"]) == ("h100-sxm", 8, 80)
    assert (row["listed_price"], row["listed_unit"]) == ("88.490000", "USD per machine and hour, added up")
    assert row["note"].startswith("8 x GPU 9.79655 + 208 x vCPU 0.0293 + 1872 x GiB 0.0017979 + 6000 x GiB of local")
    assert row["price_kind"] == "list"


def test_memory_by_the_decimal_gigabyte_is_turned_into_gib(result):
    # 1.09565 + 48 x 0.04891 + 180 x 0.00587 per GiB, listed per GB
    assert usd(result, "g4-standard-48") == pytest.approx(4.49993, abs=1e-6)


def test_the_description_tells_spot_and_flex_start_whatever_the_category_says(result):
    # 2.25 + 26 x 0.0035 + 234 x 0.0003 + 750 x 0.0365 / 730; the disks say OnDemand
    assert usd(result, "a3-highgpu-1g", "spot") == pytest.approx(2.4487)
    assert usd(result, "a4-highgpu-8g", "spot") == 4.9542
    assert usd(result, "a4-highgpu-8g", "flex_start") == 8.055
    assert usd(result, "a4-highgpu-8g", "capacity_block") == 10.5
    # 1.4 + 12 x 0.0158 + 85 x 0.0021
    assert usd(result, "a2-highgpu-1g", "flex_start") == pytest.approx(1.7681)


def test_commitments_by_year_with_disks_on_demand(result):
    # 8 x 6.8 + 208 x 0.02 + 1,872 x 0.0012 + 6,000 x 0.08 / 730
    assert 8 * usd(result, "a3-highgpu-8g", "reserved_1y") == pytest.approx(61.463934, abs=1e-6)
    # "for 3 Year" and "for 3 Years" are the same: 0.252 + 4 x 0.0112 + 16 x 0.0013
    assert usd(result, "g2-standard-4", "reserved_3y") == pytest.approx(0.3176)


def test_a_slice_of_b200_is_a_share_of_the_whole_machine(result):
    row = offer(result, "a4-highgpu-8g")
    assert (row["usd_per_accelerator_hour"], row["accelerator"], row["accelerator_count"]) == (16.11, "b200", 8)
    assert row["listed_unit"] == "USD per GPU and hour"
    assert row["note"] == "listed, but not sold on plain on-demand terms"
    assert offer(result, "a3-ultragpu-8g")["note"].startswith("listed, but not sold on plain on-demand terms; 8 x")


def test_small_a3_machines_are_sold_on_spot_and_flex_start_only(result):
    small = result.offers.filter(pl.col("machine_id").is_in([f"a3-highgpu-{n}g" for n in (1, 2, 4)]))
    assert set(small["terms"]) == {"spot"}
    assert reasons(result)["a3-highgpu-1g|on_demand"][0] == "out_of_scope"


def tpus(result, accelerator):
    rows = result.offers.filter(pl.col("accelerator") == accelerator)
    return {(row["terms"], row["region"]): row["usd_per_accelerator_hour"] for row in rows.iter_rows(named=True)}


def test_tpus_are_priced_by_the_chip(result):
    assert tpus(result, "tpu-v5e") == {("on_demand", "us-central1"): 1.2, ("on_demand", "us-west4"): 1.2}
    assert tpus(result, "tpu-v5p") == {("on_demand", "us-east5"): 4.2}
    assert tpus(result, "tpu-v7") == {("on_demand", "us-central1"): 12.0}
    assert tpus(result, "tpu-v6e") == {
        ("on_demand", "us-east5"): 2.7,
        ("spot", "us-east5"): 1.4033,
        ("flex_start", "us-east5"): 1.35,
        ("capacity_block", "us-east5"): 1.89,
        ("reserved_1y", "us-east5"): 1.89,
        ("reserved_3y", "us-east5"): 1.22,
    }


def test_tpu_v4_is_a_pod_of_four_chips_and_preemptible_only_by_its_name(result):
    v4 = tpus(result, "tpu-v4")
    assert v4 == {("on_demand", "us-central2"): pytest.approx(3.22), ("spot", "us-central2"): pytest.approx(1.38)}
    row = result.offers.filter(pl.col("accelerator") == "tpu-v4").row(0, named=True)
    assert (row["listed_price"], row["listed_unit"]) == ("12.880000000", "USD per 4 chips and hour")


@pytest.mark.parametrize(
    ("description", "kind", "reason"),
    [
        ("Nvidia L4 Virtual Workstation GPU running in Americas", "out_of_scope", "names Virtual Workstation"),
        ("1/8 vGPU no lssd running in Iowa", "out_of_scope", "names vGPU"),
        ("Reserved Nvidia H100 80GB Mega GPU in Iowa", "out_of_scope", "names Reserved"),
        ("Capacity Optimized TpuV6e running in Columbus", "out_of_scope", "names Capacity Optimized"),
        ("Nvidia Tesla T4 GPU running in Americas", "out_of_scope", "T4: a card for a machine of the renter's choice"),
        ("Tpu-v3 Accelerator running in Netherlands", "out_of_scope", "TPU v3: a chip the register does not list"),
        ("Nvidia Z900 GPU running in Americas", "unreadable", "'Z900' is in no table of cards"),
        ("TpuV9q running in Americas", "unreadable", "TPU v9q is in no table of accelerator names"),
    ],
)
def test_rows_that_are_no_price_of_ours_say_why(result, page, description, kind, reason):
    told, because = reasons(result)[sku_of(page, description)]
    assert told == kind
    assert because.startswith(reason)


def test_what_has_no_price_for_a_part_or_two_has_none_for_the_machine(result):
    told = reasons(result)
    assert told["a3-highgpu-8g|on_demand|us-east4"] == ("out_of_scope", "no price of its GiB of local disk there")
    assert told["a2-ultragpu-1g|on_demand|europe-west4"] == ("unreadable", "2 prices of its GPU: [4.1, 4.3]")
    assert told["skus/6F81-5844-456A"] == ("out_of_scope", "2 prices of other things")


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        ({"usageUnit": "mo"}, "unreadable", "usageUnit is 'mo', expected h"),
        ({"tieredRates": []}, "unreadable", "tieredRates is no list of one rate"),
        ({"units": "-3"}, "unreadable", "units is -3"),
        ({"units": "n/a"}, "unreadable", "units is 'n/a'"),
        ({"units": None, "nanos": 0}, "out_of_scope", "unpriced"),
        ({"currencyCode": "EUR"}, "unreadable", "currencyCode is 'EUR', expected 'USD'"),
        ({"effectiveTime": "2027-01-01T00:00:00Z"}, "out_of_scope", "holds from 2027-01-01"),
        ({"serviceRegions": []}, "unreadable", "serviceRegions is no list of regions"),
        ({"pricingInfo": []}, "unreadable", "pricingInfo is no list of prices"),
        ({"usageType": "Mystery"}, "out_of_scope", "usage type 'Mystery'"),
        ({"description": "Commitment v1: TpuV5p running in Columbus for 5 Years"}, "out_of_scope", "a commitment of 5"),
        ({"description": "TpuV5p attached to DWS Moonlight VMs"}, "out_of_scope", "an unknown mode"),
        ({"description": "Tpu-v4 Accelerator running in Oklahoma"}, "unreadable", "TPU v4 not priced as a pod"),
    ],
)
def test_a_row_with_one_thing_wrong_is_skipped_alone(web, run, page, change, kind, reason):
    first, second = page("compute-1"), page("compute-2")
    sku = next(sku for sku in second["skus"] if sku["description"] == "TpuV5p running in Columbus")
    info = sku["pricingInfo"][0]
    expression = info["pricingExpression"]
    homes = (sku, sku["category"], info, expression, expression["tieredRates"][0]["unitPrice"])
    for key, value in change.items():
        next(home for home in homes if key in home)[key] = value
    first["skus"] += second["skus"]
    web.get(COMPUTE, json=first | {"nextPageToken": ""})
    web.get(TPU, json=page("tpu"))
    result = run("google")
    told, because = reasons(result)[sku["skuId"]]
    assert (told, because.startswith(reason)) == (kind, True), because
    assert result.offers.filter(pl.col("accelerator") == "tpu-v5p").is_empty()


def test_units_or_nanos_may_be_missing(page, result):
    v5e, v7 = (
        next(sku for sku in page("compute-2")["skus"] if sku["description"] == name)
        for name in ("1/8 vGPU no lssd running in Iowa", "TPU7x running in Americas")
    )
    price = lambda sku: sku["pricingInfo"][0]["pricingExpression"]["tieredRates"][0]["unitPrice"]  # noqa: E731  # read twice, nowhere else
    assert "units" not in price(v5e)
    assert "nanos" not in price(v7)
    assert usd(result, "g2-standard-4") < 1  # its parts have nanos only


def test_pages_are_walked_until_the_token_is_empty(result, web):
    asked = [call.request.params for call in web.calls]
    assert [params.get("pageToken") for params in asked] == [None, "cGFnZS0y", None]
    assert {params["pageSize"] for params in asked} == {"5000"}


def test_pages_that_go_round_are_left(web, run, page):
    web.get(COMPUTE, json=page("compute-1"))
    web.get(TPU, json=page("tpu"))
    result = run("google")
    assert len(web.calls) == 3
    assert "the same page again after 1 pages" in result.problems[0]


def test_a_later_page_that_fails_leaves_the_earlier_rows_and_a_problem(serve, web, run, page):
    web.get(COMPUTE, status=500, match=[lambda request: ("pageToken" in request.params, "a later page")])
    web.get(COMPUTE, json=page("compute-1"), match=[lambda request: ("pageToken" not in request.params, "the first")])
    web.get(TPU, json=page("tpu"))
    result = run("google")
    assert usd(result, "g2-standard-4") == pytest.approx(0.706824)
    assert result.problems[0].startswith("skus/6F81-5844-456A: google: https://cloudbilling")
    assert "HTTP 500" in result.problems[0]


@pytest.mark.parametrize("skus", [[], [{"description": "x", "category": {"resourceFamily": "Network"}}]])
def test_no_offer_at_all_is_an_error(web, run, skus):
    for url in (COMPUTE, TPU):
        web.get(url, json={"skus": skus, "nextPageToken": ""})
    with pytest.raises(SourceError, match="no offer at all"):
        run("google")


def test_the_key_goes_into_a_header_and_nowhere_else(serve, web, run, observed_at):
    serve("google")
    fetcher = FETCHERS["google"]
    session = source_session("google", fetcher.hosts, key="planted-key-for-google")
    taken = fetcher.fetch(session, observed_at=observed_at)
    assert {call.request.headers["X-Goog-Api-Key"] for call in web.calls} == {"planted-key-for-google"}
    assert not any("planted" in call.request.url for call in web.calls)
    assert "planted" not in repr(taken)
    assert "planted" not in repr(fetcher.parse(taken, observed_at=observed_at))


def test_a_key_that_is_refused_is_told_without_the_key(web, run):
    for url in (COMPUTE, TPU):
        web.get(url, status=400, body='{"error": {"message": "API key not valid: planted-key-for-google"}}')
    session = source_session("google", FETCHERS["google"].hosts, key="planted-key-for-google")
    with pytest.raises(SourceError, match="HTTP 400") as caught:
        run("google", session)
    assert "planted" not in str(caught.value)


def test_without_a_key_nothing_is_asked_and_the_dated_list_stands(monkeypatch, web, observed_at):
    monkeypatch.delenv(VARIABLE, raising=False)
    gathered = collect(["google"], observed_at=observed_at)
    assert gathered.status("google").status == "no_key"
    assert VARIABLE in str(gathered.status("google").error)
    assert len(web.calls) == 0
    listed = reference_offers(["google"], as_of=observed_at.date())
    chips = set(listed.filter(pl.col("terms") == "on_demand")["accelerator"])
    assert chips >= {"tpu-v4", "tpu-v5e", "tpu-v5p", "tpu-v6e", "tpu-v7"}
    assert set(listed["layer"]) == {"reference"}
