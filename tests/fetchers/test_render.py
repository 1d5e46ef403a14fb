"""Render: a live token, dated rates, and statistics that may fail without cost."""

from __future__ import annotations

import json
import re

import pytest

from depin_compare.errors import SourceError

LEDGER = "https://infra.shikumi.cc/api/v1/epochBurnStats"
DASHBOARD = "https://stats.renderfoundation.com/epoch-burn-stats-data.json"
NODES = "https://stats.renderfoundation.com/api/nodes_and_frames"


@pytest.fixture
def result(serve, run):
    serve("render")
    return run("render")


def facts(result):
    return {fact["metric"]: fact for fact in result.facts.iter_rows(named=True)}


def served_without_statistics(serve, web, payload):
    """Everything but the statistics, which the test puts there itself."""
    serve("render")
    for method in ("GET", "POST"):
        for url in (LEDGER, DASHBOARD, NODES):
            web.remove(method, url)


def test_the_token_is_live_and_the_rates_are_dated_references(result):
    assert facts(result)["token_price"]["value"] == 2.41
    assert set(result.offers["layer"]) == {"reference"}
    assert set(result.offers["network"]) == {"render"}


def test_burn_is_the_mean_of_four_whole_epochs_of_the_list_that_reaches_furthest(result):
    burned = facts(result)["burned_per_epoch"]
    # Epochs 92 to 95; 96 may still run, 10001 is no epoch.
    assert burned["value"] == pytest.approx((11800.33 + 13054.00 + 12400.00 + 12900.00) / 4)
    assert burned["value"] == pytest.approx(12538.5825)
    assert (burned["unit"], burned["source_url"]) == ("RENDER per epoch", LEDGER)
    assert burned["note"] == "mean of epochs 92 to 95, a week each; 96 may still run"
    assert facts(result)["node_rewards_per_epoch"]["value"] == pytest.approx(15197.375)


def test_nodes_and_frames_are_counted(result):
    assert facts(result)["nodes_total"]["value"] == 5600
    assert facts(result)["frames_rendered"]["value"] == 81234567
    assert result.problems == ()


def test_the_dashboard_stands_in_for_the_ledger(serve, web, run, payload):
    served_without_statistics(serve, web, payload)
    web.post(LEDGER, status=500, body="oops")
    web.get(DASHBOARD, json={"data": json.loads(payload("render/burn-ledger.json"))})
    web.get(NODES, body=payload("render/nodes.json"))
    result = run("render")
    assert facts(result)["burned_per_epoch"]["source_url"] == DASHBOARD
    assert result.problems == ()


@pytest.mark.parametrize(
    ("epochs", "problem"),
    [
        ([], "no epoch"),
        ({"message": "gone"}, "no epoch"),
        ([{"id": number, "burnedRender": 1.0} for number in range(4)], "3 whole epochs, too few"),
        ([{"id": number, "burnedRender": 1.2e12} for number in range(9)], "implausible"),
        ([{"id": number, "burnedRender": "n/a"} for number in range(9)], "expected a number"),
    ],
)
def test_a_burn_that_cannot_be_read_is_a_problem_and_costs_no_rate(serve, web, run, payload, epochs, problem):
    served_without_statistics(serve, web, payload)
    web.post(LEDGER, json=epochs)
    web.get(DASHBOARD, status=404, body="gone")
    web.get(NODES, body=payload("render/nodes.json"))
    result = run("render")
    assert problem in result.problems[0]
    assert "burned_per_epoch" not in facts(result)
    assert facts(result)["token_price"]["value"] == 2.41
    assert result.offers.height > 0


def test_statistics_that_are_gone_altogether_are_two_problems(serve, web, run, payload):
    served_without_statistics(serve, web, payload)
    result = run("render")
    assert [re.split(r":", problem)[0] for problem in result.problems] == ["no burn statistics", "no count of nodes"]
    assert facts(result).keys() == {"token_price"}


@pytest.mark.parametrize("document", [[], {"nodes": None}, {"nodes": -4, "frames": 1}, {"nodes": "many"}])
def test_a_count_of_nodes_that_does_not_tell_is_a_problem(serve, web, run, payload, document):
    served_without_statistics(serve, web, payload)
    web.post(LEDGER, body=payload("render/burn-ledger.json"))
    web.get(NODES, json=document)
    result = run("render")
    assert "no count of nodes" in result.problems[0]
    assert "burned_per_epoch" in facts(result)


def test_statistics_are_no_giver_of_a_token_price(serve, web, run, payload):
    """Without a price of the token the source fails, whatever the statistics say."""
    web.post(LEDGER, json={"coins": {"coingecko:render-token": {"price": 9.0, "timestamp": 1795348200}}})
    web.get(NODES, body=payload("render/nodes.json"))
    for url in (
        "https://coins.llama.fi/prices/current/coingecko:render-token",
        "https://api.coingecko.com/api/v3/simple/price",
        "https://api.coinbase.com/v2/prices/RENDER-USD/spot",
    ):
        web.get(url, status=500, body="oops")
    with pytest.raises(SourceError, match="a price not older than"):
        run("render")
