"""Nosana: host's side and renter's side, nodes of several GPUs, prices in NOS, and what is not known."""

from __future__ import annotations

import json

import polars as pl
import pytest

from depin_compare.errors import SourceError

BASE = "https://api.nosana.com/api"


@pytest.fixture
def result(serve, run):
    serve("nosana")
    return run("nosana")


def offer(result, offer_id):
    (row,) = result.offers.filter(pl.col("offer_id") == offer_id).iter_rows(named=True)
    return row


def skipped(result, row_id):
    (row,) = result.skipped.filter(pl.col("row_id") == row_id).iter_rows(named=True)
    return row["kind"], row["reason"]


def test_the_renter_pays_the_fee_on_top_of_what_the_host_gets(result):
    renter, host = offer(result, "nvidia-4090"), offer(result, "nvidia-4090:host")
    assert round(renter["usd_per_accelerator_hour"], 4) == 0.3200  # 0.2909 x 1.10
    assert host["usd_per_accelerator_hour"] == 0.2909
    assert (renter["price_kind"], host["price_kind"]) == ("rate_card", "reward")
    assert (renter["listed_price"], renter["listed_unit"]) == ("0.2909", "USD per hour to the host, 1 GPUs")
    assert "a fee of 10% is on top, which is in dispute" in renter["note"]


def test_a_node_of_several_gpus_is_priced_whole_in_every_type_of_market(result):
    row = offer(result, "nvidia-8x-h100")  # 18.20 x 1.10 / 8
    assert row["usd_per_accelerator_hour"] == pytest.approx(2.5025)
    assert (row["accelerator"], row["accelerator_count"], row["tier"]) == ("h100-sxm", 8, "other")
    assert offer(result, "nvidia-8x-h100:host")["usd_per_accelerator_hour"] == pytest.approx(2.275)
    row = offer(result, "nvidia-8x-a5000")  # 1.4545 x 1.10 / 8
    assert round(row["usd_per_accelerator_hour"], 4) == 0.2000
    assert (row["accelerator"], row["tier"]) == ("rtx-a5000", "premium")


def test_the_name_decides_where_several_chips_are_listed(result):
    row = offer(result, "nvidia-4090-community")  # also lists the RTX 4090 D
    assert (row["accelerator"], row["tier"]) == ("rtx-4090", "community")
    assert round(row["usd_per_accelerator_hour"], 4) == 0.2400  # 0.2182 x 1.10
    row = offer(result, "nvidia-a100-80gb")
    assert row["accelerator"] is None
    assert "a100-sxm-80gb or a100-pcie-80gb" in row["not_comparable"]


def test_the_least_memory_of_all_hosts_does_not_unmake_the_chip(result):
    assert offer(result, "nvidia-3060")["accelerator"] == "rtx-3060"  # lowest_vram 4
    assert offer(result, "nvidia-pro-6000-se")["accelerator"] == "rtx-pro-6000-bw"


def test_a_price_in_nos_is_turned_into_usd(result):
    row = offer(result, "nvidia-5090")
    assert row["usd_per_accelerator_hour"] == pytest.approx(0.297)  # 0.00033 x 3600 x 0.25
    assert offer(result, "nvidia-5090:host")["usd_per_accelerator_hour"] == pytest.approx(0.27)  # 0.0003 x 3600 x 0.25
    assert (row["listed_price"], row["listed_currency"]) == ("0.0003", "NOS")


def test_a_market_that_tells_no_fee_has_the_dashboards(result):
    assert offer(result, "nvidia-a40")["usd_per_accelerator_hour"] == pytest.approx(0.22)


def test_an_empty_or_missing_list_of_nodes_is_unknown_and_never_idle(result):
    assert result.offers["available"].null_count() == result.offers.height
    assert result.offers["total"].null_count() == result.offers.height


@pytest.mark.parametrize(
    ("row_id", "kind", "reason"),
    [
        ("sogni-4090", "out_of_scope", "a partner's own machines"),
        ("columbia-uni-4090", "out_of_scope", "a partner's own machines"),
        ("nvidia-3080", "out_of_scope", "unpriced (usd_reward_per_hour is 0)"),
        ("nvidia-4060", "out_of_scope", "a GeForce card the register does not list"),
        ("nvidia-2x-4090", "unreadable", "tell [2, 4] GPUs"),
        ("mystery", "unreadable", "in no table of accelerator names"),
    ],
)
def test_markets_that_are_no_offer_say_why(result, row_id, kind, reason):
    assert skipped(result, row_id)[0] == kind
    assert reason in skipped(result, row_id)[1]


def test_use_and_token_price_are_facts(result):
    facts = {(f["metric"], f["subject"]): f for f in result.facts.iter_rows(named=True)}
    assert facts["utilisation", None]["value"] == pytest.approx(0.6)  # (7 + 53) / (7 + 53 + 3 + 37)
    assert facts["hosts_online", None]["value"] == 100
    assert facts["token_price", "NOS"]["value"] == 0.25
    assert facts["token_price", "NOS"]["unit"] == "USD per NOS"
    assert facts["jobs_running", "rtx-4090"]["value"] == 300
    assert facts["jobs_running", None]["value"] == 310  # a partner's market counts for the network
    assert result.problems == ()


def market(slug, reward, **more):
    row = {"address": slug, "slug": slug, "name": "NVIDIA 4090", "type": "PREMIUM", "usd_reward_per_hour": reward}
    return {**row, **more}


@pytest.mark.parametrize(
    ("fee", "usd"),
    [(10, 0.55), (0, 0.5), (None, 0.55), (5, 0.525)],
)
def test_a_market_tells_its_own_fee(serve, run, web, fee, usd):
    serve("nosana", except_for="/markets/")
    web.get(f"{BASE}/markets/", json=[market("nvidia-4090", 0.5, network_fee_percentage=fee)])
    assert offer(run("nosana"), "nvidia-4090")["usd_per_accelerator_hour"] == pytest.approx(usd)


@pytest.mark.parametrize(
    ("slug", "name", "gpus"),
    [("amd-mi300x", "AMD MI300X", 1), ("amd-4x-mi300x", "AMD MI300X", 4), ("nvidia-8xh100-sxm", "8xH100 SXM", 8)],
)
def test_the_x_of_a_chips_name_is_no_number_of_gpus(serve, run, web, slug, name, gpus):
    serve("nosana", except_for="/markets/")
    web.get(f"{BASE}/markets/", json=[{**market(slug, 8.0), "name": name}])
    row = offer(run("nosana"), f"{slug}:host")
    assert (row["accelerator_count"], row["usd_per_accelerator_hour"]) == (gpus, 8.0 / gpus)


def test_without_the_price_of_nos_a_market_priced_in_it_has_none(serve, run, web):
    serve("nosana", except_for="/stats")
    web.get(f"{BASE}/stats", json={"price": 0})
    result = run("nosana")
    assert skipped(result, "nvidia-5090") == ("out_of_scope", "priced in NOS only, whose price is not known")
    assert offer(result, "nvidia-4090")["accelerator"] == "rtx-4090"
    assert "no price of NOS" in result.problems[0]


@pytest.mark.parametrize(
    ("path", "lost"),
    [("/stats/nodes-country", "no utilisation"), ("/jobs/running", "no running jobs"), ("/stats", "no price of NOS")],
)
@pytest.mark.parametrize("broken", [{"status": 500, "body": "oops"}, {"body": "<html>"}, {"body": "[]"}])
def test_prices_survive_statistics_that_fail(serve, run, web, path, lost, broken):
    serve("nosana", except_for=path)
    web.get(f"{BASE}{path}", **broken)
    result = run("nosana")
    assert result.offers.height >= 16
    assert lost in result.problems[0]


def test_no_host_at_all_is_no_utilisation(serve, run, web):
    serve("nosana", except_for="/nodes-country")
    web.get(f"{BASE}/stats/nodes-country", json={"data": [{"country": "DE", "running": 0, "queue": 0}]})
    result = run("nosana")
    assert "utilisation" not in set(result.facts["metric"])
    assert "counts no host" in result.problems[0]


@pytest.mark.parametrize("document", [[], {"markets": []}, [market("nvidia-4090", "0.5")]])
def test_a_changed_payload_is_an_error(serve, run, web, document):
    serve("nosana", except_for="/markets/")
    web.get(f"{BASE}/markets/", body=json.dumps(document))
    with pytest.raises(SourceError, match=r"https://api\.nosana\.com/api/markets/"):
        run("nosana")
