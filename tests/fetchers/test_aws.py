"""AWS: whole machines divided by their chips, lists packed without saying so, bands, and lists that fail alone."""

from __future__ import annotations

import gzip
import json

import polars as pl
import pytest

from depin_compare.errors import SourceError
from fetchers.aws import BLOCKS_URL, LOCATIONS, SPOT_URL, on_demand_url

ADVISOR = "/spot-advisor-data.json"
VIRGINIA, FRANKFURT = on_demand_url("US East (N. Virginia)"), on_demand_url("EU (Frankfurt)")


@pytest.fixture
def result(serve, run):
    serve("aws")
    return run("aws")


def offer(result, offer_id):
    (row,) = result.offers.filter(pl.col("offer_id") == offer_id).iter_rows(named=True)
    return row


def usd(result, offer_id):
    return offer(result, offer_id)["usd_per_accelerator_hour"]


def skipped(result, row_id):
    return [
        (row["kind"], row["reason"]) for row in result.skipped.filter(pl.col("row_id") == row_id).iter_rows(named=True)
    ]


def test_a_machine_is_divided_by_its_accelerators(result):
    assert usd(result, "on_demand:us-east-1:p5.48xlarge") == 6.88  # 55.04 / 8
    assert usd(result, "on_demand:us-east-1:p4d.24xlarge") == pytest.approx(2.74470525)  # 21.957642 / 8
    assert usd(result, "on_demand:us-east-1:p6-b200.48xlarge") == pytest.approx(14.2416)  # 113.9328 / 8
    assert usd(result, "on_demand:us-west-1:p5.48xlarge") == pytest.approx(8.6)  # 68.80 / 8
    row = offer(result, "on_demand:us-east-1:p5.48xlarge")
    assert (row["accelerator"], row["accelerator_count"], row["memory_gib"]) == ("h100-sxm", 8, 80)
    assert (row["listed_price"], row["listed_unit"]) == ("55.0400000000", "USD per machine and hour")
    assert (row["region"], row["terms"], row["price_kind"]) == ("us-east-1", "on_demand", "list")
    assert row["note"] == "list of 2026-11-18"


def test_the_clouds_own_chips_are_counted_by_the_chip(result):
    assert usd(result, "on_demand:us-east-1:trn1.32xlarge") == 1.34375  # 21.50 / 16
    assert usd(result, "on_demand:us-east-1:inf2.48xlarge") == pytest.approx(1.0817725)  # 12.98127 / 12
    assert usd(result, "capacity_block:us-east-2:trn2.48xlarge") == pytest.approx(2.23505)  # 35.7608 / 16


def test_europe_is_spelled_eu_and_every_region_is_asked(result, web):
    assert FRANKFURT.endswith("/EU%20(Frankfurt)/Linux/index.json")
    assert not any(name.startswith("Europe") for name in LOCATIONS.values())
    assert usd(result, "on_demand:eu-central-1:p4d.24xlarge") == 3.2725  # 26.18 / 8
    on_demand = result.offers.filter(pl.col("terms") == "on_demand")
    assert set(on_demand["region"]) == set(LOCATIONS)
    assert len(web.calls) == len(LOCATIONS) + 3


@pytest.mark.parametrize(
    ("row", "kind", "reason"),
    [
        ("g6f large", "out_of_scope", "g6f.large has a fraction of a card"),
        ("g4ad xlarge", "out_of_scope", "g4ad.xlarge: a chip the register does not list"),
        ("g5 xlarge", "out_of_scope", "unpriced (price is 0)"),
        ("p9 48xlarge", "unreadable", "p9.48xlarge is in no table of machines"),
        ("g6 8xlarge", "unreadable", "Location is 'US East (Ohio)', expected 'US East (N. Virginia)'"),
    ],
)
def test_rows_that_are_no_offer_say_why(result, row, kind, reason):
    assert skipped(result, f"on-demand/us-east-1/{row} US East N. Virginia Linux") == [(kind, reason)]


def test_windows_software_and_a_second_row_of_a_machine_are_told_apart(result):
    place = "on-demand/us-east-1/"
    assert skipped(result, f"{place}g6 2xlarge US East N. Virginia Windows")[0][1] == "operating system 'Windows'"
    assert skipped(result, f"{place}g6 4xlarge US East N. Virginia Linux SQL Web")[0][0] == "out_of_scope"
    assert skipped(result, f"{place}p5 48xlarge US East N. Virginia Linux again")[0][0] == "duplicate"


def test_machines_without_an_accelerator_are_counted_not_listed(result):
    assert skipped(result, "on-demand/us-east-1") == [("out_of_scope", "3 machines without an accelerator")]


def test_what_has_no_on_demand_row_gets_no_on_demand_price(result):
    assert result.offers.filter(pl.col("machine_id") == "p5e.48xlarge")["terms"].to_list() == ["capacity_block"]
    assert result.offers.filter(pl.col("machine_id") == "trn2.48xlarge")["terms"].to_list() == ["capacity_block"]


def test_a_packed_list_is_unpacked_though_no_header_says_so(serve, run, web, payload, result):
    serve("aws", except_for=VIRGINIA)
    web.replace("GET", VIRGINIA, body=gzip.compress(payload("aws/us-east-1.json")))
    again = run("aws")
    assert again.offers.equals(result.offers)


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (gzip.compress(b'{"manifest": {}}' * 50)[:40], "gzip that breaks off or is too large"),
        (b"\x1f\x8bnot really", "gzip that can't be read"),
        (gzip.compress(b"<html>"), "no JSON"),
    ],
    ids=["torn", "not gzip", "no JSON"],  # bodies hold the time: no names of tests
)
def test_a_packed_list_that_cannot_be_unpacked_costs_its_region_only(serve, run, web, body, seen):
    serve("aws", except_for=VIRGINIA)
    web.get(VIRGINIA, body=body)
    result = run("aws")
    assert len(result.problems) == 1
    assert result.problems[0].startswith("on-demand/us-east-1: aws: https://")
    assert seen in result.problems[0]
    assert "us-west-2" in result.offers.filter(pl.col("terms") == "on_demand")["region"]


def test_a_list_that_is_not_there_is_never_a_region_without_machines(serve, run, web):
    serve("aws", except_for=FRANKFURT)
    web.get(FRANKFURT, status=404, body="<Error>NoSuchKey</Error>")
    result = run("aws")
    assert "HTTP 404, expected the list of EU (Frankfurt), perhaps spelled otherwise now" in result.problems[0]
    assert "nothing is known of eu-central-1" in result.problems[0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d["manifest"].update(currencyCode="EUR"), "saw 'EUR', expected 'USD'"),
        (lambda d: d.update(regions={"Europe (Frankfurt)": {}}), "expected a key 'EU (Frankfurt)'"),
        (lambda d: d.update(regions={"EU (Frankfurt)": {}}), "no offer at all (no row)"),
        (lambda d: d.pop("manifest"), "expected a key 'manifest'"),
        (lambda d: d.update(regions=[]), "a list of 0"),
    ],
)
def test_a_list_that_has_changed_is_a_problem(serve, run, web, payload, change, problem):
    document = json.loads(payload("aws/eu-central-1.json"))
    change(document)
    serve("aws", except_for=FRANKFURT)
    web.get(FRANKFURT, json=document)
    result = run("aws")
    assert problem in result.problems[0]
    assert len(result.problems) == 1


def test_spot_is_the_linux_price_of_a_machine(result):
    assert usd(result, "spot:us-east-1:p5.48xlarge") == 2.25  # 18 / 8
    assert usd(result, "spot:us-west-2:trn1.32xlarge") == pytest.approx(0.17)  # 2.72 / 16
    assert usd(result, "spot:us-east-1:p3.2xlarge") == 0.918  # not the 1.286 of Windows
    assert skipped(result, "spot/ap-south-1/g5.xlarge") == [("out_of_scope", "no price for Linux")]


def test_a_spot_price_of_nothing_means_nothing_is_offered(result):
    assert skipped(result, "spot/us-east-1/p6-b200.48xlarge") == [("out_of_scope", "not offered (prices.USD is N/A*)")]
    assert skipped(result, "spot/us-east-1/g7e.2xlarge") == [("out_of_scope", "unpriced (prices.USD is 0)")]


def test_local_zones_stand_apart_and_old_names_of_regions_are_read(result):
    row = offer(result, "spot:us-east-1-atl-1:g6.xlarge")
    assert (row["region"], row["tier"]) == ("us-east-1-atl-1", "local_zone")
    assert offer(result, "spot:us-east-1-wl1-atl1:g4dn.2xlarge")["tier"] == "wavelength_zone"
    assert offer(result, "spot:us-east-1:p5.48xlarge")["tier"] is None
    assert usd(result, "spot:eu-west-1:g5.48xlarge") == 0.89  # listed as eu-ireland, 7.12 / 8
    assert skipped(result, "spot/moon-base") == [("unreadable", "region 'moon-base' is in no table of regions")]


def test_regions_the_feed_leaves_out_are_unknown_not_empty(result):
    assert result.offers.filter(pl.col("region").str.starts_with("me-")).is_empty()
    assert result.problems == ()


@pytest.mark.parametrize("config", [{"rate": "permonth"}, {"currencies": ["EUR"]}, {"regions": None}, {"regions": []}])
def test_a_spot_feed_in_other_units_is_a_problem(serve, run, web, payload, config):
    document = json.loads(payload("aws/spot.json"))
    document["config"] |= config
    serve("aws", except_for=SPOT_URL)
    web.get(SPOT_URL, json=document)
    result = run("aws")
    assert len(result.problems) == 1
    assert result.problems[0].startswith("spot: ")
    assert "spot" not in result.offers["terms"]


def test_interruptions_are_the_worst_band_of_a_chip_in_a_region(result):
    facts = {(f["metric"], f["subject"]): f for f in result.facts.iter_rows(named=True)}
    assert facts["spot_interruption_low", "h100-sxm/us-west-2"]["value"] == 0
    assert facts["spot_interruption_high", "h100-sxm/us-west-2"]["value"] == 0.05
    assert facts["spot_interruption_low", "h100-sxm/us-east-1"]["value"] == 0.20
    assert facts["spot_interruption_high", "h100-sxm/us-east-1"]["value"] == 1
    assert "p5.4xlarge >20%, p5.48xlarge 10-15%" in facts["spot_interruption_low", "h100-sxm/us-east-1"]["note"]
    assert facts["spot_interruption_high", "a10g/us-west-2"]["value"] == 0.20
    assert {f["unit"] for f in facts.values()} == {"fraction of spot machines in a month"}
    assert not any("ap-southeast-3" in subject for _, subject in facts)  # Windows only


def test_a_band_out_of_the_table_is_no_fact(result):
    ((kind, reason),) = skipped(result, "spot-advisor/us-west-2/g6e.xlarge")
    assert (kind, reason) == ("unreadable", "r is 9, expected one of 0, 1, 2, 3, 4")
    assert result.facts.filter(pl.col("subject") == "l40s/us-west-2").is_empty()


@pytest.mark.parametrize(
    "ranges",
    [None, [{"index": 0, "label": "seldom"}], [{"index": "0", "label": "<5%"}], [{"index": 0, "label": "20-5%"}], []],
)
def test_bands_nobody_can_read_cost_the_facts_only(serve, run, web, payload, ranges):
    document = json.loads(payload("aws/spot-advisor.json")) | {"ranges": ranges}
    serve("aws", except_for=ADVISOR)
    web.get(f"https://spot-bid-advisor.s3.amazonaws.com{ADVISOR}", json=document)
    result = run("aws")
    assert result.facts.is_empty()
    assert result.problems[0].startswith("spot-advisor: aws: https://spot-bid-advisor")
    assert result.offers.height == 54


def test_capacity_blocks_by_machine_or_by_accelerator(result):
    assert usd(result, "capacity_block:us-east-1:p5.48xlarge") == 5.191  # 41.528 / 8
    assert usd(result, "capacity_block:us-east-1:trn1.32xlarge") == 0.59575  # 9.532 / 16, not the rounded 0.596
    row = offer(result, "capacity_block:ap-northeast-1:p5.48xlarge")
    assert (row["usd_per_accelerator_hour"], row["listed_price"]) == (4.72, "4.72")
    assert row["listed_unit"] == "USD per accelerator and hour"
    row = offer(result, "capacity_block:us-east-1-dfw-2a:u-p6e-gb200x72")
    assert row["usd_per_accelerator_hour"] == pytest.approx(10.582)  # 761.904 / 72
    assert (row["accelerator_count"], row["tier"], row["terms"]) == (72, "local_zone", "capacity_block")
    assert row["note"] == "Dallas Local Zone (US East N. Virginia); as a third party read AWS's page"
    assert row["observed_at"].date().isoformat() == "2026-11-02"  # the list's own day, not that of our asking
    assert (row["source_url"], row["kind"]) == (BLOCKS_URL, "third_party")
    assert set(result.offers.filter(pl.col("terms") == "on_demand")["kind"]) == {None}  # what AWS itself says


def test_a_server_we_do_not_know_is_read_from_the_list_itself(result):
    row = offer(result, "capacity_block:Dallas Local Zone (US East N. Virginia):u-p6e-gb300x72")
    assert (row["accelerator"], row["accelerator_count"], row["region"]) == ("gb300", 72, None)
    assert row["usd_per_accelerator_hour"] == 12.5  # 900 / 72


@pytest.mark.parametrize(
    ("row", "kind", "reason"),
    [
        ("p6-b200.48xlarge/#1", "out_of_scope", "unpriced"),
        ("p5e.48xlarge/#1", "duplicate", None),
        ("p4d.24xlarge/#0", "unreadable", "11.8 USD for 8 accelerators, 4 USD for one"),
        ("trn2.3xlarge", "unreadable", "trn2.3xlarge has 1 accelerators, the list says 2"),
    ],
)
def test_blocks_that_are_no_offer_say_why(result, row, kind, reason):
    ((told, because),) = skipped(result, f"capacity-blocks/{row}")
    assert told == kind
    assert reason is None or because == reason


def blocks_of(day, hourly, each=0.0):
    place = {"region": "Dallas Local Zone", "region_code": "us-east-1-dfw-2a"}
    good = {"region": "US East (Ohio)", "region_code": "us-east-2", "hourly_rate_usd": 37.76}
    rows = [place | {"hourly_rate_usd": hourly, "accelerator_hourly_rate_usd": each}]
    return {
        "metadata": {"last_updated": f"{day}T00:00:00Z"},
        "instance_types": {
            "u-p6e-gb200x72": {"accelerator_type": "GB200", "accelerator_count": 72, "pricing": rows},
            "p5.48xlarge": {
                "accelerator_count": 8,
                "pricing": [good | {"region_code": f"us-east-{n}"} for n in range(1, 9)],
            },
        },
    }


def test_an_old_list_has_the_rate_of_one_accelerator_where_the_servers_belongs(serve, run, web):
    serve("aws", except_for=BLOCKS_URL)
    web.get(BLOCKS_URL, json=blocks_of("2026-02-01", 10.582))
    result = run("aws")
    row = offer(result, "capacity_block:us-east-1-dfw-2a:u-p6e-gb200x72")
    assert row["usd_per_accelerator_hour"] == pytest.approx(10.582)
    assert (row["listed_price"], row["listed_unit"]) == ("10.582", "USD per accelerator and hour")
    assert result.problems == ("capacity-blocks: the list is of 2026-02-01",)


def test_a_rate_of_0_beside_a_price_is_not_guessed_in_a_new_list(serve, run, web):
    serve("aws", except_for=BLOCKS_URL)
    web.get(BLOCKS_URL, json=blocks_of("2026-11-02", 10.582))
    result = run("aws")
    ((kind, reason),) = skipped(result, "capacity-blocks/u-p6e-gb200x72/#0")
    assert (kind, reason) == ("unreadable", "10.582 USD with an accelerator's rate of 0: which of the two is it?")
    assert result.problems == ()


def test_one_list_that_fails_does_not_cost_the_others(serve, run, web):
    for address in (SPOT_URL, BLOCKS_URL):
        serve("aws", except_for=address)
        web.get(address, status=500, body="oops")
        result = run("aws")
        assert len(result.problems) == 1
        assert "HTTP 500" in result.problems[0]
        assert result.offers.height > 30
        web.reset()


def test_all_lists_failing_is_an_error(web, run, payloads):
    for url, _, _ in payloads["aws"]:
        web.get(url, status=403, body="<html>Just a moment</html>")
    with pytest.raises(SourceError, match=r"HTTP 403 \(begins '<html>") as caught:
        run("aws")
    assert not caught.value.unreachable
