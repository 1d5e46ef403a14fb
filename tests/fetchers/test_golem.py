"""Golem: play money, stale offers, prices of 0 and at the cap, and one machine under two runtimes."""

from __future__ import annotations

import json

import polars as pl
import pytest

from depin_compare.errors import SourceError

NODES = "https://api.stats.golem.network/v2/network/online"


@pytest.fixture
def result(serve, run):
    serve("golem")
    return run("golem")


def key(number):
    return f"0x{number:040x}"


def offer(result, number):
    (row,) = result.offers.filter(pl.col("offer_id") == key(number)).iter_rows(named=True)
    return row


def skipped(result, number):
    return [
        (row["kind"], row["reason"])
        for row in result.skipped.filter(pl.col("row_id") == key(number)).iter_rows(named=True)
    ]


def test_a_node_asks_by_the_hour_in_usd(result):
    row = offer(result, 1)
    assert (row["accelerator"], row["usd_per_accelerator_hour"]) == ("rtx-3090", 0.25)
    assert (row["accelerator_count"], row["available"], row["price_kind"]) == (1, 1, "ask")
    assert row["reliability"] == pytest.approx(0.984)
    assert row["note"] == "one GPU a node is assumed"


def test_a_node_at_work_keeps_its_price_with_nothing_free(result):
    row = offer(result, 2)
    assert (row["accelerator"], row["usd_per_accelerator_hour"], row["available"]) == ("rtx-4090", 0.42, 0)


def test_only_a_percentage_is_an_uptime(result):
    assert offer(result, 10)["reliability"] is None
    assert offer(result, 15)["reliability"] is None


@pytest.mark.parametrize(
    ("number", "kind", "reason"),
    [
        (3, "out_of_scope", "without a GPU"),
        (4, "out_of_scope", "testnet, where nothing is paid"),
        (5, "out_of_scope", "stale"),
        (6, "out_of_scope", "0 USD an hour: a true price"),
        (7, "out_of_scope", "cap"),
        (8, "out_of_scope", "cap"),
        (9, "out_of_scope", "blacklisted"),
        (1, "duplicate", "the first is kept"),
        (12, "out_of_scope", "mobile"),
        (13, "unreadable", "no table"),
        (14, "out_of_scope", "0.006 USD an hour"),
    ],
)
def test_nodes_that_are_no_offer_say_why(result, number, kind, reason):
    assert skipped(result, number)[0][0] == kind
    assert reason in skipped(result, number)[0][1]


def test_utilisation_counts_nodes_with_a_gpu_on_the_main_network(result):
    facts = {(f["metric"], f["subject"]): f["value"] for f in result.facts.iter_rows(named=True)}
    # Nodes 1, 2, 6, 7, 8, 10, 11, 12, 13, 14 and 15; only 2 is computing.
    assert (facts["gpus_total", None], facts["utilisation", None]) == (11, pytest.approx(1 / 11))
    assert facts["utilisation", "rtx-4090"] == 1
    assert facts["gpus_total", "rtx-3090"] == 6


@pytest.mark.parametrize(
    ("nodes", "seen"),
    [([], "no offer at all"), ({"detail": "x"}, "an object of 1 keys")],
)
def test_a_changed_payload_is_an_error(web, run, nodes, seen):
    web.get(NODES, json=nodes)
    with pytest.raises(SourceError) as caught:
        run("golem")
    assert seen in caught.value.seen


def test_the_text_of_a_dead_address_is_an_error(web, run):
    web.get(NODES, status=404, body="Cache not found")
    with pytest.raises(SourceError, match="HTTP 404 \\(begins 'Cache not found'"):
        run("golem")


def test_prices_of_another_unit_are_an_error(web, run, payload):
    nodes = json.loads(payload("golem/online.json"))
    for node in nodes:
        runtime = node["runtimes"].get("vm-nvidia")
        if runtime and runtime["hourly_price_usd"] is not None:
            runtime["hourly_price_usd"] *= 720
    web.get(NODES, json=nodes)
    with pytest.raises(SourceError, match="rows unreadable"):
        run("golem")
