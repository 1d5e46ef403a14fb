"""SkyPilot's catalogue: golden prices by hand, and every trap of its tables."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depin_compare.errors import SourceError
from fetchers.catalogue import tpu_name
from fetchers.contract import Answer, FetchResult, Recording
from fetchers.skypilot import CATALOGUE_URL, CLOUDS, parse

HEADER = "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice"


@pytest.fixture
def result(serve, run):
    serve("skypilot")
    return run("skypilot")


def offer(result, network, accelerator, terms="on_demand", **more):
    rows = result.offers.filter(
        pl.col("network") == network, pl.col("accelerator") == accelerator, pl.col("terms") == terms
    )
    for column, value in more.items():
        rows = rows.filter(pl.col(column) == value)
    assert rows.height == 1, rows
    return rows.row(0, named=True)


def usd(result, *key, **more):
    return offer(result, *key, **more)["usd_per_accelerator_hour"]


def skipped(result, part):
    (row,) = result.skipped.filter(pl.col("row_id") == part).iter_rows(named=True)
    return row["kind"], row["reason"]


def parsed(observed_at, cloud, *lines, header=HEADER):
    body = "\n".join((header, *lines)).encode()
    answer = Answer(name=cloud, url=f"{CATALOGUE_URL}/v8/{cloud}/vms.csv", status=200, body=body)
    return parse(Recording(source="skypilot", recorded_at=observed_at, answers=(answer,)), observed_at=observed_at)


def test_a_machine_is_divided_by_its_cards(result):
    assert usd(result, "aws", "h100-sxm") == pytest.approx(55.04 / 8) == pytest.approx(6.88)
    assert usd(result, "nebius", "h100-sxm") == pytest.approx(23.60 / 8) == pytest.approx(2.95)
    assert usd(result, "nebius", "h100-sxm", "spot") == pytest.approx(1.25)
    assert usd(result, "oracle", "b200") == pytest.approx(112 / 8) == 14
    assert usd(result, "aws", "trainium1") == pytest.approx(21.5 / 16)


def test_google_s_accelerators_are_priced_with_their_host(result):
    h100 = offer(result, "google", "h100-sxm")
    assert h100["usd_per_accelerator_hour"] == pytest.approx((78.4 + 9.6) / 8) == pytest.approx(11.0)
    assert h100["note"] == "with the host a3-highgpu-8g"
    assert usd(result, "google", "h100-sxm", "spot") == pytest.approx((20.0 + 2.4) / 8)
    assert usd(result, "google", "l4") == pytest.approx(0.56 + 0.15), "the cheapest of the hosts that carry one"


def test_an_accelerator_without_a_host_is_kept_and_not_comparable(result):
    t4 = offer(result, "google", "t4")
    assert t4["usd_per_accelerator_hour"] == 0.35
    assert t4["not_comparable"].startswith("the price is of the accelerators alone")


def test_a_b200_of_google_includes_its_host(result):
    row = offer(result, "google", "b200")
    assert row["usd_per_accelerator_hour"] == pytest.approx(88 / 8)
    assert row["not_comparable"] is None


def test_tpu_slices_are_counted_in_chips(result):
    assert usd(result, "google", "tpu-v5p") == pytest.approx(16.8 / 4), "v5p-8 names eight cores of four chips"
    assert usd(result, "google", "tpu-v6e") == pytest.approx(21.6 / 8)
    assert skipped(result, "gcp/tpu-v6e-256#9")[1] == "a ceiling for failover, no price"
    assert skipped(result, "gcp/tpu-v2-8#10")[0] == "out_of_scope"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tpu-v5litepod-8", ("TPU v5e", 8)),
        ("v5p-8", ("TPU v5p", 4)),
        ("tpu-v4-8", ("TPU v4", 4)),
        ("tpu-v6e-1", ("TPU v6e", 1)),
        ("V100", None),
        ("v5litepod", None),
    ],
)
def test_what_a_slice_is_called(name, expected):
    assert tpu_name(name) == expected


def test_the_form_comes_from_the_machine_s_name_or_the_gpu_info(result):
    assert usd(result, "lambda", "h100-sxm") == pytest.approx(31.92 / 8)
    assert usd(result, "lambda", "h100-pcie") == 3.29
    assert usd(result, "runpod", "a100-pcie-80gb") == pytest.approx(2.78 / 2), "told by the name in GpuInfo, in GiB"
    assert usd(result, "verda", "h100-sxm") == 2.29
    assert usd(result, "vast", "h100-sxm") == pytest.approx(16 / 8)


def test_a_form_nobody_tells_is_not_guessed(result):
    (row,) = result.offers.filter(pl.col("accelerator_name") == "RTX6000").iter_rows(named=True)
    assert row["accelerator"] is None
    assert "rtx-a6000 or rtx-6000-ada" in row["not_comparable"]


def test_vast_s_dropped_ti_and_the_memory_of_the_machine(result):
    row = offer(result, "vast", "rtx-3060-ti")
    assert row["usd_per_accelerator_hour"] == pytest.approx(0.1)
    assert row["memory_gib"] == 8, "16,384 MiB of two cards"
    assert row["country"] == "US"
    assert skipped(result, "vast/1x-RTX_4090-32-65536#2")[0] == "out_of_scope", "a 4090 of 48 GiB is another card"


def test_resellers_name_whose_capacity_it_is(result):
    upstream = dict(
        result.offers.filter(pl.col("upstream").is_not_null()).select("network", "upstream").unique().iter_rows()
    )
    assert upstream["prime-intellect"] == "lambdalabs"
    assert upstream["spheron"] == "sesterce"
    assert upstream["shadeform"] in {"crusoe", "scaleway"}
    own = offer(result, "spheron", "a100-pcie-80gb", "spot")
    assert own["upstream"] is None


def test_a_spot_price_that_is_no_spot_price(result):
    """RunPod repeats the list price, Vast writes 0.00; Verda sometimes has the spot price alone."""
    spots = result.offers.filter(pl.col("terms") == "spot").select("network", "accelerator").rows()
    assert ("runpod", "a100-pcie-80gb") not in spots
    assert ("vast", "h100-sxm") not in spots
    assert usd(result, "runpod", "rtx-4090", "spot") == 0.2
    assert usd(result, "verda", "b300", "spot") == pytest.approx(4.893 / 2)
    assert result.offers.filter(pl.col("accelerator") == "b300").height == 1


@pytest.mark.parametrize(
    ("row", "kind", "reason"),
    [
        ("aws/p5.48xlarge#1", "duplicate", "more than once"),
        ("aws/p5.48xlarge#2 spot", "duplicate", "more than once"),
        ("aws/g6f.xlarge#3", "out_of_scope", "a fraction of a card"),
        ("aws/f1.2xlarge#4", "out_of_scope", "FPGA"),
        ("aws/m7i.large#6", "out_of_scope", "no accelerator"),
        ("gcp/a3-highgpu-8g#0", "out_of_scope", "no accelerator"),
        ("lambda/gpu_1x_a10#3", "out_of_scope", "no price"),
        ("lambda/gpu_1x_l4#4", "out_of_scope", "no price"),
        ("lambda/gpu_sixth_a10#5", "out_of_scope", "a fraction of a card"),
    ],
)
def test_rows_that_are_no_offer_say_why(result, row, kind, reason):
    assert skipped(result, row)[0] == kind
    assert reason in skipped(result, row)[1]


def test_spot_prices_of_zones_stay_apart(result):
    rows = result.offers.filter(pl.col("network") == "aws", pl.col("terms") == "spot")
    assert sorted(rows["usd_per_accelerator_hour"]) == pytest.approx([18.4 / 8, 19.2 / 8])


def test_a_cloud_that_v8_lacks_is_asked_of_v9(web, run, serve):
    serve("skypilot", except_for="fluidstack/vms.csv")
    web.get(f"{CATALOGUE_URL}/v8/fluidstack/vms.csv", status=404, body="404: Not Found")
    web.get(f"{CATALOGUE_URL}/v9/fluidstack/vms.csv", body=f"{HEADER}\nbox,H200,8,1,1,20.0,x,,\n")
    result = run("skypilot")
    assert result.problems == ()
    assert usd(result, "fluidstack", "h200") == 2.5
    assert offer(result, "fluidstack", "h200")["source_url"].endswith("/v9/fluidstack/vms.csv")


def test_a_table_that_fails_costs_no_other(web, run, serve):
    serve("skypilot", except_for="aws/vms.csv")
    web.get(f"{CATALOGUE_URL}/v8/aws/vms.csv", body="<html>Not here</html>")
    result = run("skypilot")
    assert "aws" not in set(result.offers["network"])
    assert result.problems[0].startswith("aws: skypilot: https://")
    assert "AcceleratorName" in result.problems[0]


def test_a_number_of_chips_that_contradicts_the_machine_is_unreadable(observed_at):
    good = [f"p4d.24xlarge,A100,8,96,1152,21.9,us-east-{n},A100," for n in range(5)]
    result = parsed(observed_at, "aws", "p5.48xlarge,H100,4,192,2048,55.04,us-east-1,H100,", *good)
    assert "4.0 accelerators; p5.48xlarge has 8.0" in result.skipped["reason"].item()
    assert result.skipped["kind"].item() == "unreadable"


def test_a_chip_nobody_knows_is_listed_by_name(observed_at):
    good = [f"box-{n},H200,8,96,1152,24.0,eu,H200," for n in range(5)]
    result = parsed(observed_at, "nebius", "box,ZZ9000,1,1,1,1.0,eu,,", *good)
    assert result.skipped.select("kind", "reason").row(0) == (
        "unreadable",
        "ZZ9000 is in no table of accelerator names",
    )


def test_more_than_a_fifth_unreadable_is_an_error(observed_at):
    rows = ["box,ZZ9000,1,1,1,1.0,eu,,", "box-8,H200,8,96,1152,24.0,eu,H200,"]
    with pytest.raises(SourceError, match=r"1 of 2 rows unreadable, such as nebius/box#0: ZZ9000"):
        parsed(observed_at, "nebius", *rows)


def test_a_table_without_rows_is_never_a_quiet_market(observed_at):
    with pytest.raises(SourceError, match="no offer at all"):
        parsed(observed_at, "nebius")


def test_an_implausible_price_is_unreadable(observed_at):
    good = [f"box-{n},H200,8,96,1152,24.0,eu,H200," for n in range(9)]
    rows = ["a,H200,1,1,1,2400,eu,,", "b,H200,1,1,1,-3,eu,,"]
    result = parsed(observed_at, "nebius", *rows, *good)
    assert sorted(result.skipped["kind"]) == ["unreadable", "unreadable"]


cells = st.sampled_from(
    ["", "H100", "H200", "8", "0", "-1", "1e999", "nan", "NaN", "inf", "0.5", '"', "\x00", "tpu-v6e-8", "x" * 300,
     "{'Gpus': [{'Name': 'H100', 'MemoryInfo': {'SizeInMiB': 81920}}]}", "3.7e-5", "None", "é", "1,2", "9" * 40]
)  # fmt: skip


@settings(max_examples=300)
@given(
    cloud=st.sampled_from(sorted(CLOUDS)),
    rows=st.lists(st.lists(cells, min_size=0, max_size=12), max_size=6),
    cut=st.integers(0, 40),
)
def test_no_table_whatever_breaks_the_parser(cloud, rows, cut):
    """Any cells, any number of them, cut anywhere: offers in the band, skipped rows or a `SourceError`."""
    from datetime import UTC, datetime

    now = datetime(2026, 11, 22, tzinfo=UTC)
    body = "\n".join([HEADER, "box-8,H200,8,96,1152,24.0,eu,H200,", *(",".join(row) for row in rows)]).encode()
    answer = Answer(name=cloud, url=f"{CATALOGUE_URL}/v8/{cloud}/vms.csv", status=200, body=body[: len(body) - cut])
    try:
        result = parse(Recording(source="skypilot", recorded_at=now, answers=(answer,)), observed_at=now)
    except SourceError:
        return
    assert isinstance(result, FetchResult)
    assert result.offers["usd_per_accelerator_hour"].is_between(0.01, 200).all()
