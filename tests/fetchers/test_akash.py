"""Akash: golden prices by hand, and every trap of its answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from depin_compare.errors import SourceError

CONSOLE = "https://console-api.akash.network"


@pytest.fixture
def result(serve, run):
    serve("akash")
    return run("akash")


def usd(result, accelerator):
    rows = result.offers.filter(pl.col("accelerator") == accelerator)
    assert rows.height == 1
    return rows["usd_per_accelerator_hour"].item()


def skipped(result, part):
    (row,) = result.skipped.filter(pl.col("row_id").str.contains(part, literal=True)).iter_rows(named=True)
    return row["kind"], row["reason"]


def test_the_weighted_average_is_the_price_of_one_gpu(result):
    assert usd(result, "h100-sxm") == 2.71
    assert usd(result, "h100-pcie") == 1.95
    assert usd(result, "h200") == 3.41
    assert usd(result, "rtx-pro-6000-bw") == 1.28


def test_one_name_in_two_memory_sizes_gives_two_chips(result):
    assert usd(result, "a100-sxm-80gb") == 1.71
    assert usd(result, "a100-pcie-40gb") == 0.86


def test_a_minimum_rounded_to_zero_does_not_hurt_and_no_free_gpu_is_told(result):
    row = result.offers.filter(pl.col("accelerator") == "rtx-4090").row(0, named=True)
    assert row["usd_per_accelerator_hour"] == 0.36
    assert (row["available"], row["total"]) == (0, 104)
    assert row["price_kind"] == "bid"
    assert row["listed_price"] == "0.36"
    assert row["note"].startswith("weightedAverage of the best bids of 12 providers; min 0, med 0.34, max 0.5; ")


def test_the_median_stands_in_for_a_missing_average(result):
    row = result.offers.filter(pl.col("accelerator") == "l40s").row(0, named=True)
    assert row["usd_per_accelerator_hour"] == 0.88
    assert row["note"].startswith("med of")


def test_a_chip_without_a_form_factor_is_kept_but_not_comparable(result):
    (row,) = result.offers.filter(pl.col("accelerator").is_null()).iter_rows(named=True)
    assert row["usd_per_accelerator_hour"] == 2.1
    assert "h100-sxm or h100-pcie" in row["not_comparable"]


@pytest.mark.parametrize(
    ("part", "kind", "reason"),
    [
        ("rtx3060ti", "out_of_scope", "no usable bid"),
        ("t4/16Gi", "out_of_scope", "no usable bid"),
        ("a100/64Gi", "out_of_scope", "64 GiB"),
        ("rtx5090m", "out_of_scope", "mobile"),
        ("gtx1070ti", "out_of_scope", "GTX"),
        ("rtx6000/24Gi", "out_of_scope", "Quadro"),
        ("rtx3090ti", "unreadable", "3 times the median"),
        ("zz9000", "unreadable", "no table"),
    ],
)
def test_rows_that_are_no_offer_say_why(result, part, kind, reason):
    assert skipped(result, part)[0] == kind
    assert reason in skipped(result, part)[1]


def test_every_row_becomes_an_offer_or_is_skipped(result, payload):
    models = json.loads(payload("akash/gpu-prices.json"))["models"]
    on_prices = result.skipped.filter(~pl.col("row_id").str.contains("^(breakdown|provider)/"))
    assert result.offers.height + on_prices.height == len(models)


def test_fleet_and_utilisation_are_facts(result):
    facts = {(f["metric"], f["subject"]): f for f in result.facts.iter_rows(named=True)}
    assert facts["gpus_total", None]["value"] == 512
    assert facts["utilisation", None]["value"] == pytest.approx(1 - 187 / 512)
    assert facts["utilisation", "h100-sxm"]["value"] == 0.75
    assert facts["utilisation", "h100-pcie"]["value"] == 0.75
    assert "all its boards" in facts["utilisation", "h100-sxm"]["note"]
    assert facts["utilisation", "rtx-4090"]["value"] == 1.0
    assert facts["utilisation", "h100-sxm"]["observed_at"] == datetime(2026, 11, 21, tzinfo=UTC)
    assert ("utilisation", "h200") not in facts
    assert skipped(result, "breakdown/nvidia/h200") == ("unreadable", "9 of 8 GPUs leased")
    assert result.problems == ()


def test_prices_survive_a_breakdown_that_fails(serve, run, web):
    serve("akash", except_for="gpu-breakdown")
    web.get("https://console-api.akash.network/v1/gpu-breakdown", body="<html>", status=200)
    result = run("akash")
    assert result.offers.height == 11
    assert "no utilisation by model" in result.problems[0]


def test_an_old_breakdown_is_told(serve, run, web):
    serve("akash", except_for="gpu-breakdown")
    row = {"date": "2026-10-01T00:00:00.000Z", "vendor": "nvidia", "model": "h100", "totalGpus": 4, "leasedGpus": 1}
    web.get("https://console-api.akash.network/v1/gpu-breakdown", json=[row])
    assert run("akash").problems == ("gpu-breakdown ends on 2026-10-01",)


def test_a_price_in_another_currency_is_unreadable(payload, web, run):
    document = json.loads(payload("akash/gpu-prices.json"))
    document["models"][1]["price"]["currency"] = "EUR"
    document["models"] = [m for m in document["models"] if m["model"] != "zz9000"]
    web.get("https://console-api.akash.network/v1/gpu-prices", json=document)
    assert "'EUR'" in skipped(run("akash"), "h100/80Gi/PCIe")[1]


def test_four_providers_who_agree_are_a_market(payload, web, run):
    document = json.loads(payload("akash/gpu-prices.json"))
    for model in document["models"]:
        if model["model"] == "rtx3090ti":
            model["providerAvailability"]["total"] = 4
            model["price"]["weightedAverage"] = 1.2
    web.get("https://console-api.akash.network/v1/gpu-prices", json=document)
    assert usd(run("akash"), "rtx-3090-ti") == 1.2


@pytest.mark.parametrize(
    ("document", "where", "seen"),
    [
        ({"models": []}, "$.models", "no offer at all"),
        ({"gpus": []}, "$", "keys gpus"),
        ({"models": {"a": 1}}, "$.models", "an object of 1 keys"),
        ([], "$", "a list of 0"),
    ],
)
def test_a_changed_payload_is_an_error_that_names_the_place(web, run, document, where, seen):
    web.get("https://console-api.akash.network/v1/gpu-prices", json=document)
    web.get("https://console-api.akash.network/v1/gpu-breakdown", json=[])
    with pytest.raises(SourceError) as caught:
        run("akash")
    assert where in caught.value.where
    assert seen in caught.value.seen


def test_more_than_a_fifth_unreadable_is_an_error(payload, web, run):
    document = json.loads(payload("akash/gpu-prices.json"))
    document["models"][0]["price"]["weightedAverage"] = "2.71"
    web.get("https://console-api.akash.network/v1/gpu-prices", json=document)
    with pytest.raises(SourceError, match=r"3 of 13 rows unreadable, such as .*expected at most 20%"):
        run("akash")


def facts(result):
    return {(fact["metric"], fact["subject"]): fact for fact in result.facts.iter_rows(named=True)}


def without(serve, web, address, **answer):
    """Everything but one address, which answers so."""
    serve("akash")
    for method in ("GET", "POST"):
        web.remove(method, f"{CONSOLE}{address}")
    web.get(f"{CONSOLE}{address}", **answer)


def test_an_offer_has_the_uptime_and_place_of_its_providers_online(result):
    row = result.offers.filter(pl.col("accelerator") == "h100-sxm").row(0, named=True)
    assert row["reliability"] == pytest.approx((0.99 + 0.95) / 2)  # the one offline and the one of 98 don't count
    assert (row["country"], row["region"]) == ("US", "Texas")
    assert row["note"].endswith("reliability is the mean uptime of the 2 providers online")
    card = result.offers.filter(pl.col("accelerator") == "rtx-4090").row(0, named=True)
    assert (card["reliability"], card["country"], card["region"]) == (0.99, None, None)
    assert card["note"].endswith("reliability is the mean uptime of the 2 providers online, known of 1")
    unknown = result.offers.filter(pl.col("accelerator") == "h200").row(0, named=True)
    assert (unknown["reliability"], unknown["country"]) == (None, None)


def test_providers_are_facts(result):
    assert facts(result)["providers_online", None]["value"] == 4
    assert facts(result)["providers_audited", None]["value"] == 2
    assert facts(result)["providers_with_gpus", None]["value"] == 3
    assert facts(result)["gpus_by_country", "US"]["value"] == 64 + 32
    assert facts(result)["gpus_by_country", "DE"]["value"] == 4
    assert facts(result)["reliability", None]["value"] == pytest.approx((0.99 * 64 + 0.95 * 32) / 96)
    assert skipped(result, "provider/akash1provider6") == ("unreadable", "uptime30d is 98, expected a fraction")


def test_spend_is_in_dollars_and_act_is_never_added_to_usdc(result):
    assert facts(result)["spend", None]["value"] == pytest.approx(7030.0)
    assert facts(result)["spend", "ACT"]["value"] == pytest.approx(6250.0)
    assert facts(result)["spend", "AKT"]["value"] == pytest.approx(780.0)
    assert facts(result)["spend_in_token", "AKT"]["value"] == pytest.approx(1500.0)
    assert facts(result)["spend", None]["unit"] == "USD per day"
    assert facts(result)["spend_per_leased_gpu", None]["value"] == pytest.approx(7030 / (325 * 24))
    assert facts(result)["spend", None]["observed_at"] == datetime(2026, 11, 22, 11, 55, tzinfo=UTC)


def test_burn_and_mint_tell_the_vault_and_the_net(result):
    ratio = facts(result)["collateral_ratio", None]
    assert (ratio["value"], ratio["note"]) == (1.142233, "status healthy since 2026-08-20")
    assert facts(result)["act_outstanding", None]["value"] == pytest.approx(412_000)
    assert facts(result)["akt_in_vault", None]["value"] == pytest.approx(905_000)
    assert facts(result)["akt_burned_net", None]["value"] == pytest.approx(-700)
    assert "neither revenue" in facts(result)["akt_burned_gross", None]["note"]


@pytest.mark.parametrize(
    ("address", "problem", "lost"),
    [
        ("/v1/providers", "no reliability or region", ("providers_online", None)),
        ("/v1/dashboard-data", "no spend", ("spend", None)),
        ("/v1/bme/dashboard-data", "no state of burn and mint", ("akt_in_vault", None)),
        ("/v1/bme/status-history", "no status of burn and mint", None),
    ],
)
@pytest.mark.parametrize("answer", [{"status": 500, "body": "oops"}, {"body": "<html>"}, {"json": {}}, {"json": None}])
def test_what_stands_beside_the_prices_fails_alone(serve, run, web, address, problem, lost, answer):
    without(serve, web, address, **answer)
    result = run("akash")
    assert result.offers.height == 11
    assert len(result.problems) == 1
    assert result.problems[0].startswith(f"{problem}: akash: {CONSOLE}{address}")
    assert lost not in facts(result)
    assert ("utilisation", None) in facts(result)


def test_zeros_are_a_failure_of_the_dashboard_and_no_spend(serve, run, web, payload):
    document = json.loads(payload("akash/dashboard.json"))
    document["now"] = {key: value if key == "date" else 0 for key, value in document["now"].items()}
    without(serve, web, "/v1/dashboard-data", json=document)
    result = run("akash")
    assert "no spend at all" in result.problems[0]
    assert ("spend", None) not in facts(result)


def test_a_total_that_leaves_act_out_is_not_used(serve, run, web, payload):
    document = json.loads(payload("akash/dashboard.json"))
    document["now"]["dailyUUsdSpent"] = 780_000_000
    without(serve, web, "/v1/dashboard-data", json=document)
    result = run("akash")
    assert result.problems == ("no total spend: 780.0 USD a day in all, of which 6250.0 in ACT and USDC",)
    assert ("spend", None) not in facts(result)
    assert facts(result)["spend", "ACT"]["value"] == pytest.approx(6250)


def test_a_ratio_of_zero_is_unknown(serve, run, web, payload):
    document = json.loads(payload("akash/burn-mint.json"))
    document["now"]["collateralRatio"] = 0
    without(serve, web, "/v1/bme/dashboard-data", json=document)
    assert ("collateral_ratio", None) not in facts(run("akash"))


@pytest.mark.parametrize("providers", [[], [{"owner": "a", "isOnline": False}], [None, 3]])
def test_no_provider_online_is_a_problem(serve, run, web, providers):
    without(serve, web, "/v1/providers", json=providers)
    result = run("akash")
    assert "no provider online" in result.problems[0]
    assert result.offers["reliability"].drop_nulls().is_empty()


def test_providers_that_cannot_be_read_cost_no_price(serve, run, web, payload):
    rows = [{**row, "uptime30d": "often"} for row in json.loads(payload("akash/providers.json"))]
    without(serve, web, "/v1/providers", json=rows)
    assert run("akash").offers.height == 11
