"""Vast.ai: whole offers divided, machines counted once, lists cut at 64, the fleet as a third party counts it."""

from __future__ import annotations

import json

import polars as pl
import pytest

from depin_compare.errors import SourceError
from fetchers import FETCHERS
from fetchers.http import source_session
from fetchers.vast import MODELS, PAUSE_SECONDS

OFFERS = "https://console.vast.ai/api/v0/bundles/"
FLEET = "https://500.farm/vastai-exporter/gpu-stats"


@pytest.fixture
def result(serve, run):
    serve("vast")
    return run("vast")


def offer(result, offer_id):
    (row,) = result.offers.filter(pl.col("offer_id") == offer_id).iter_rows(named=True)
    return row


def skipped(result, row_id):
    (row,) = result.skipped.filter(pl.col("row_id") == row_id).iter_rows(named=True)
    return row["kind"], row["reason"]


def plain(offer_id, machine_id, usd, gpus=1, name="RTX 4090", **more):
    return {
        "id": offer_id, "machine_id": machine_id, "num_gpus": gpus, "gpu_name": name, "gpu_ram": 24564,
        "search": {"gpuCostPerHour": usd}, "rentable": True, **more,
    }  # fmt: skip


def test_the_price_of_the_whole_offer_is_divided_by_its_gpus_and_has_no_disk_in_it(result):
    row = offer(result, "21345679")  # 16.80 USD for 8 GPUs; 16.8148 with disk
    assert row["usd_per_accelerator_hour"] == pytest.approx(2.10)
    assert (row["accelerator"], row["accelerator_count"], row["memory_gib"]) == ("h100-sxm", 8, 81559 / 1024)
    assert (row["listed_price"], row["listed_unit"]) == ("16.8", "USD per hour for 8 GPUs, without disk")
    assert (row["tier"], row["reliability"], row["region"], row["country"]) == ("verified", 0.9971, "Texas, US", "US")
    assert row["price_kind"] == "ask"


def test_one_machine_in_three_sizes_is_counted_once_at_its_cheapest(result):
    rows = result.offers.filter(pl.col("machine_id") == "30121", pl.col("terms") == "on_demand")
    assert rows.select("offer_id", "available", "total").row(0) == ("21345679", 8, 8)
    assert rows.height == 1
    assert rows["note"].item() == "listed in sizes of 1, 2, 8 GPUs"
    assert skipped(result, "21345678")[0] == "duplicate"  # 4.40 for 2 is 2.20 each
    assert skipped(result, "21345680")[0] == "duplicate"  # 2.25


def test_the_lowest_bid_is_the_spot_price(result):
    row = offer(result, "21345679:bid")
    assert (row["terms"], row["usd_per_accelerator_hour"]) == ("spot", 1.0)  # 8.0 for 8 GPUs
    assert result.offers.filter(pl.col("machine_id") == "30200")["terms"].to_list() == ["on_demand"]  # min_bid missing
    assert skipped(result, "21400004:bid") == ("out_of_scope", "unpriced (min_bid is 0)")


def test_what_may_be_missing_stays_unknown(result):
    row = offer(result, "21400001")
    assert row["usd_per_accelerator_hour"] == 2.5  # from dph_base, for want of the search's own figure
    assert (row["region"], row["country"], row["total"], row["tier"]) == (None, None, None, "unverified")
    assert row["reliability"] == 0.91
    assert offer(result, "21400005")["country"] is None
    assert offer(result, "21400004")["tier"] == "deverified"


def test_what_is_not_rentable_keeps_its_price_with_nothing_free(result):
    row = offer(result, "21400005")
    assert (row["available"], row["total"], row["note"]) == (0, 8, "listed, not for rent")


def test_memory_tells_the_boards_of_one_name_apart(result):
    assert offer(result, "22000001")["accelerator"] == "a100-sxm-40gb"
    assert offer(result, "22000001")["usd_per_accelerator_hour"] == 0.8
    assert offer(result, "22000002")["accelerator"] == "a100-sxm-80gb"
    assert offer(result, "22000002")["usd_per_accelerator_hour"] == pytest.approx(1.70)  # 13.60 for 8


@pytest.mark.parametrize(
    ("row_id", "kind", "reason"),
    [
        ("21400002", "out_of_scope", "39.8 of 80 GiB: a slice of a card"),
        ("22000003", "out_of_scope", "no board of the register"),
        ("21400003", "out_of_scope", "unpriced (dph_base is 0)"),
        ("22000004", "unreadable", "num_gpus is '2'"),
    ],
)
def test_rows_that_are_no_offer_say_why(result, row_id, kind, reason):
    assert skipped(result, row_id)[0] == kind
    assert reason in skipped(result, row_id)[1]


def test_the_use_of_the_fleet_is_a_third_partys_count(result):
    facts = {(f["metric"], f["subject"]): f for f in result.facts.iter_rows(named=True)}
    assert facts["gpus_total", "rtx-5090"]["value"] == 7475
    assert facts["utilisation", "rtx-5090"]["value"] == pytest.approx(5152 / 7475)
    assert facts["utilisation", "h100-sxm"]["value"] == pytest.approx(240 / 300)  # split by kind of host: 200 + 40
    assert facts["gpus_total", None]["value"] == 7475 + 300 + 25  # also of chips the register does not list
    assert ("utilisation", "rtx-4090") not in facts
    assert skipped(result, "gpu-stats/RTX 4090") == ("unreadable", "90 of 50 GPUs rented")
    assert {fact["kind"] for fact in facts.values()} == {"third_party"}
    assert {fact["observed_at"].hour for fact in facts.values()} == {10}
    assert result.problems == ()


def test_each_model_is_asked_once_at_the_pace_the_host_bears(serve, run, web, waits):
    serve("vast")
    run("vast")
    bodies = [json.loads(call.request.body) for call in web.calls if call.request.url == OFFERS]
    assert [body["gpu_name"] for body in bodies] == [{"eq": model} for model in MODELS]
    assert all("verified" not in body and body["limit"] == 64 and "q" not in body for body in bodies)
    assert waits == pytest.approx([PAUSE_SECONDS] * (len(MODELS) - 1), abs=0.5)


def full_book(request_order, overlap):
    """64 offers from one end of a book; the ends share an offer or not."""
    start = 0 if request_order == "asc" else 63 if overlap else 200
    return {"offers": [plain(start + n, start + n, 0.30 + 0.01 * (start + n)) for n in range(64)]}


@pytest.mark.parametrize(("overlap", "machines"), [(True, 127), (False, 128)])
def test_a_full_answer_is_asked_again_from_the_dear_end(web, run, overlap, machines):
    def answer(request):
        body = json.loads(request.body)
        if body["gpu_name"]["eq"] != "RTX 4090":
            return 200, {}, '{"offers": []}'
        return 200, {}, json.dumps(full_book(body["order"][0][1], overlap))

    web.add_callback("POST", OFFERS, answer)
    web.get(FLEET, json={"models": []})
    result = run("vast")
    assert result.offers.height == machines
    cut = {"of this model only the cheapest and the dearest offers are seen"}
    assert set(result.offers["note"]) == ({None} if overlap else cut)
    assert result.skipped.filter(pl.col("kind") == "duplicate").is_empty()


def test_too_many_requests_end_the_asking_and_keep_what_came(web, run, payload):
    def answer(request):
        model = json.loads(request.body)["gpu_name"]["eq"]
        if model == MODELS[2]:
            return 200, {}, payload("vast/a100-sxm4.json")
        if model == MODELS[3]:
            return 429, {}, "Too many requests"
        return 200, {}, '{"offers": []}'

    web.add_callback("POST", OFFERS, answer)
    web.get(FLEET, json={"models": []})
    result = run("vast")
    assert result.offers.height == 4
    assert any("HTTP 429 (begins 'Too many requests')" in problem for problem in result.problems)
    assert any(f"not asked after offers/{MODELS[3]}: too many requests" in problem for problem in result.problems)
    assert len({json.loads(call.request.body)["gpu_name"]["eq"] for call in web.calls if call.request.body}) == 4


def test_a_key_raises_the_limit_and_stands_in_the_header_only(serve, web, observed_at):
    serve("vast")
    session = source_session("vast", FETCHERS["vast"].hosts, key="s3cret")
    taken = FETCHERS["vast"].fetch(session, observed_at=observed_at)
    request = next(call.request for call in web.calls if call.request.body)
    assert request.headers["Authorization"] == "Bearer s3cret"
    assert json.loads(request.body)["limit"] == 1000
    assert web.calls[-1].request.url == FLEET
    assert "Authorization" not in web.calls[-1].request.headers
    assert "s3cret" not in str(taken)


@pytest.mark.parametrize("broken", [{"status": 503, "body": "down"}, {"status": 200, "body": "<html>"}])
def test_prices_survive_a_count_that_fails(serve, run, web, broken):
    serve("vast", except_for="gpu-stats")
    web.get(FLEET, **broken)
    result = run("vast")
    assert result.offers.height == 9
    assert result.facts.is_empty()
    assert "no utilisation" in result.problems[0]


def test_an_old_count_is_told(serve, run, web, payload):
    serve("vast", except_for="gpu-stats")
    web.get(FLEET, json={**json.loads(payload("vast/gpu-stats.json")), "timestamp": "2026-08-02T10:00:00Z"})
    assert run("vast").problems == ("gpu-stats is of 2026-08-02",)


def test_a_list_that_became_an_object_is_an_error(web, run):
    web.post(OFFERS, json={"offers": {"0": plain(1, 1, 0.4)}})
    web.get(FLEET, json={"models": []})
    with pytest.raises(SourceError, match="an object of 1 keys"):
        run("vast")


def test_no_offer_of_any_model_is_an_error(web, run):
    web.post(OFFERS, json={"offers": []})
    web.get(FLEET, json={"models": []})
    with pytest.raises(SourceError, match="no offer at all"):
        run("vast")
