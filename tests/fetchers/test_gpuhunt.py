"""gpuhunt's catalogue: golden prices by hand, and every trap of its tables."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime

import polars as pl
import pytest

from depin_compare.errors import SourceError
from fetchers.gpuhunt import CATALOGUE_URL


@pytest.fixture
def result(serve, run):
    serve("gpuhunt")
    return run("gpuhunt")


def rows(result, network, accelerator, terms="on_demand"):
    return result.offers.filter(
        pl.col("network") == network, pl.col("accelerator") == accelerator, pl.col("terms") == terms
    ).to_dicts()


def usd(result, *key):
    (row,) = rows(result, *key)
    return row["usd_per_accelerator_hour"]


def reason(result, part):
    (row,) = result.skipped.filter(pl.col("row_id").str.contains(part, literal=True)).iter_rows(named=True)
    return row["kind"], row["reason"]


def test_a_machine_is_divided_by_its_cards(result):
    assert usd(result, "aws", "h100-sxm") == pytest.approx(55.04 / 8) == pytest.approx(6.88)
    assert usd(result, "aws", "h100-sxm", "spot") == pytest.approx(19.6 / 8)
    assert usd(result, "google", "h100-sxm") == pytest.approx(88.49 / 8)
    assert usd(result, "oracle", "h100-sxm") == 10.0
    assert usd(result, "lambda", "h100-sxm") == pytest.approx(3.99)
    assert usd(result, "nebius", "h200") == pytest.approx(3.5)


def test_booked_time_is_no_list_price(result):
    (row,) = rows(result, "google", "h100-sxm", "capacity_block")
    assert row["usd_per_accelerator_hour"] == pytest.approx(45.6 / 8)
    assert row["note"] == "time booked ahead (DWS calendar)"


def test_g4_machines_stand_once(result):
    assert usd(result, "google", "rtx-pro-6000-bw") == 4.5
    assert reason(result, "g4-standard-48@us-central1-b#3") == ("out_of_scope", "the preview's twin of a G4 machine")


def test_one_n1_machine_carries_several_numbers_of_cards(result):
    prices = {row["accelerator_count"]: row["usd_per_accelerator_hour"] for row in rows(result, "google", "t4")}
    assert prices == {1: 0.73, 2: pytest.approx(1.08 / 2)}


def test_tpu_slices_are_counted_in_chips(result):
    assert usd(result, "google", "tpu-v5e") == pytest.approx(9.6 / 8)
    assert usd(result, "google", "tpu-v5p") == pytest.approx(33.6 / 8), "v5p-16 names sixteen cores of eight chips"


def test_of_a_windows_twin_the_cheaper_row_is_the_linux_machine(result):
    assert usd(result, "azure", "h100-nvl") == 6.98
    assert reason(result, "NC40ads_H100_v5@eastus#1")[0] == "duplicate"


def test_a_sixth_of_an_a10_is_no_a10(result):
    assert reason(result, "NV6ads") == ("out_of_scope", "a fraction of a card")


def test_oracle_s_spot_price_is_marked_as_computed(result):
    (row,) = rows(result, "oracle", "a10", "spot")
    assert row["note"].startswith("computed")


def test_runpod_s_tiers_and_forms(result):
    prices = {row["tier"]: row["usd_per_accelerator_hour"] for row in rows(result, "runpod", "h100-sxm")}
    assert prices == {"secure": 2.69, "cluster": pytest.approx(21.52 / 8)}
    (card,) = rows(result, "runpod", "rtx-4090")
    assert (card["tier"], card["country"]) == ("community", "RO")


def test_verda_sells_sxm_boards_and_a_bare_v100_stays_open(result):
    assert usd(result, "verda", "h100-sxm") == pytest.approx(18.32 / 8)
    (v100,) = result.offers.filter(pl.col("accelerator_name") == "V100").to_dicts()
    assert v100["accelerator"] is None


def test_offers_are_dated_by_the_version(result):
    assert set(result.offers["observed_at"]) == {datetime(2026, 11, 21, tzinfo=UTC)}


def test_zones_are_told_as_regions(result):
    assert {row["region"] for row in rows(result, "google", "t4")} == {"us-central1"}


def packed(name, content):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return body.getvalue()


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b"PK\x03\x04 cut short", "no zip (BadZipFile"),
        (packed("other.csv", "a,b\n"), "a zip without it"),
        (packed("aws.csv", ""), "no CSV"),
        (packed("aws.csv", "a,b\n1,2\n"), "columns a, b"),
        (packed("aws.csv", "x")[:-30], "no zip"),
    ],
)
def test_an_archive_that_is_none_costs_one_provider(serve, run, web, body, seen):
    serve("gpuhunt", except_for="aws/20261121-7/catalog.zip")
    web.get(f"{CATALOGUE_URL}/aws/20261121-7/catalog.zip", body=body)
    result = run("gpuhunt")
    assert "aws" not in set(result.offers["network"])
    (problem,) = result.problems
    assert seen in problem


def test_a_table_too_large_is_given_up(serve, run, web, monkeypatch):
    monkeypatch.setattr("fetchers.gpuhunt.MAX_TABLE_BYTES", 100)
    serve("gpuhunt")
    with pytest.raises(SourceError, match="of more than 100 bytes"):
        run("gpuhunt")


@pytest.mark.parametrize("version", ["../../evil", "<html>", "", "x" * 60])
def test_a_version_that_may_not_stand_in_an_address_is_not_asked(serve, run, web, version):
    serve("gpuhunt", except_for="aws/version")
    web.get(f"{CATALOGUE_URL}/aws/version", body=version)
    result = run("gpuhunt")
    assert "expected a version such as" in result.problems[0]
