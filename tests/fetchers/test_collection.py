"""Many sources at once: each has a status, none costs another, and nobody waits for the dead."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import polars as pl
import pytest
from payload_server import PayloadServer, serving

from depin_compare.errors import SourceError, UnknownNameError
from depin_compare.market.offers import Offers
from fetchers import FETCHERS, collect
from fetchers.collection import MOST_AT_ONCE, collect_from, unreachable_hosts


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    """A key for every source that wants one."""
    for fetcher in FETCHERS.values():
        if fetcher.key_variable is not None:
            monkeypatch.setenv(fetcher.key_variable, "example-key")


@pytest.fixture
def all_serve(serve):
    for source in FETCHERS:
        serve(source)


def gather(observed_at, names=None, **options):
    return collect(names, observed_at=observed_at, **({"probe": False} | options))


@pytest.fixture(scope="module")
def parsed_once():
    """Every source, parsing equal answers only once: parsers are pure, and whom a round asks is no affair of theirs."""
    return {name: replace(fetcher, parse=cache(fetcher.parse)) for name, fetcher in FETCHERS.items()}


def states(collection):
    return {status.source: status.status for status in collection.statuses}


def test_every_source_has_a_status_and_its_rows(all_serve, observed_at):
    collection = gather(observed_at)
    assert states(collection) == dict.fromkeys(FETCHERS, "ok")
    akash = collection.status("akash")
    assert (akash.offers, akash.skipped) == (11, {"out_of_scope": 6, "duplicate": 0, "unreadable": 4})
    assert akash.facts == collection.facts.filter(pl.col("source") == "akash").height
    assert akash.hosts == ("console-api.akash.network",)
    assert akash.error is None
    assert collection.offers.height == sum(status.offers for status in collection.statuses)
    assert collection.skipped.height == sum(sum(status.skipped.values()) for status in collection.statuses)
    assert Offers.is_valid(collection.offers)


@pytest.mark.parametrize("gone", list(FETCHERS))
def test_removing_one_source_changes_only_its_own_status(gone, parsed_once, serve, observed_at):
    for source in FETCHERS:
        if source != gone:
            serve(source)
    collection = collect_from(parsed_once, observed_at=observed_at, probe=False)
    others = [source for source in FETCHERS if source != gone]
    assert {source: states(collection)[source] for source in others} == dict.fromkeys(others, "ok")
    assert collection.status(gone).status == "unreachable"
    assert "name not found" in str(collection.status(gone).error) or "connection lost" in str(
        collection.status(gone).error
    )
    assert gone not in collection.results


def test_a_part_that_fails_makes_a_source_partial(serve, web, observed_at):
    serve("akash", except_for="gpu-breakdown")
    web.get("https://console-api.akash.network/v1/gpu-breakdown", status=404)
    status = gather(observed_at, ["akash"]).status("akash")
    assert (status.status, status.offers, len(status.problems)) == ("partial", 11, 1)


def test_an_answer_that_cannot_be_used_is_a_failure_and_no_unreachable(web, observed_at):
    web.get("https://console-api.akash.network/v1/gpu-prices", body="<html>")
    web.get("https://console-api.akash.network/v1/gpu-breakdown", body="<html>")
    status = gather(observed_at, ["akash"]).status("akash")
    assert status.status == "failed"
    assert "expected JSON" in str(status.error)


@pytest.mark.parametrize("error", [KeyError("price"), RecursionError(), ZeroDivisionError("x")])
def test_a_bug_in_one_fetcher_is_its_own_affair(error, observed_at, serve, caplog):
    def broken(recording, *, observed_at):
        raise error

    serve("akash")
    serve("render")
    fetchers = {"akash": replace(FETCHERS["akash"], parse=broken), "render": FETCHERS["render"]}
    collection = collect_from(fetchers, observed_at=observed_at, probe=False)
    assert states(collection) == {"akash": "failed", "render": "ok"}
    assert f"the fetcher itself broke: {type(error).__name__}" in str(collection.status("akash").error)
    assert "the fetcher itself broke" in caplog.text


def test_a_source_over_its_budget_is_left_behind_and_counts_for_nothing(observed_at, serve, tmp_path):
    go_on = threading.Event()

    def slow(session, *, observed_at):
        go_on.wait(10)
        raise SourceError("akash", "x", seen="y", expected="z")

    serve("render")
    fetchers = {"akash": replace(FETCHERS["akash"], fetch=slow), "render": FETCHERS["render"]}
    begin = time.monotonic()
    collection = collect_from(
        fetchers, observed_at=observed_at, probe=False, time_budgets={"akash": 0.05}, record=tmp_path
    )
    assert time.monotonic() - begin < 5
    assert states(collection) == {"akash": "timed_out", "render": "ok"}
    assert "time budget of 0.05 s" in str(collection.status("akash").error)
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "fetch-akash"] == [True]
    assert [folder.name for folder in tmp_path.iterdir()] == ["render"]
    go_on.set()


def test_a_source_switched_off_is_not_asked(web, serve, observed_at):
    serve("render")
    collection = gather(observed_at, ["akash", "render"], off=["akash"])
    assert states(collection) == {"akash": "off", "render": "ok"}
    assert not any("akash.network" in call.request.url for call in web.calls)


def test_a_name_nobody_knows_is_refused(observed_at):
    with pytest.raises(UnknownNameError, match="did you mean akash"):
        gather(observed_at, ["akahs"])
    with pytest.raises(UnknownNameError):
        gather(observed_at, off=["x"])


def test_a_moment_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        gather(datetime(2026, 11, 22))  # noqa: DTZ001  # a time without a zone is the matter


def test_what_was_recorded_gives_the_same_without_a_network(all_serve, web, observed_at, tmp_path):
    live = gather(observed_at, record=tmp_path)
    web.reset()
    again = gather(observed_at + timedelta(days=400), replay=tmp_path)
    assert states(again) == states(live)
    assert again.offers.equals(live.offers)
    assert again.facts.equals(live.facts)
    assert {status.observed_at for status in again.statuses} == {observed_at}


def test_an_unusable_answer_is_recorded_too(web, observed_at, tmp_path):
    web.get("https://console-api.akash.network/v1/gpu-prices", body="<html>")
    web.get("https://console-api.akash.network/v1/gpu-breakdown", body="[]")
    gather(observed_at, ["akash"], record=tmp_path)
    assert (tmp_path / "akash" / "000-gpu-prices.body").read_text() == "<html>"


def test_a_recording_that_is_not_there_fails_its_source_only(serve, observed_at, tmp_path):
    serve("render")
    gather(observed_at, ["render"], record=tmp_path)
    collection = gather(observed_at, ["akash", "render"], replay=tmp_path)
    assert states(collection) == {"akash": "failed", "render": "ok"}
    assert "expected a recording made by --record" in str(collection.status("akash").error)


def test_a_mirror_on_this_machine_serves_a_source_end_to_end(server, payload, observed_at):
    files = {
        "gpu-prices": "gpu-prices",
        "gpu-breakdown": "gpu-breakdown",
        "providers": "providers",
        "dashboard-data": "dashboard",
        "bme/dashboard-data": "burn-mint",
        "bme/status-history": "burn-mint-status",
    }
    for path, name in files.items():
        server.answers[f"/akash/v1/{path}"] = (200, {}, payload(f"akash/{name}.json"))
    mirrors = {"https://console-api.akash.network": f"{server.address}/akash"}
    collection = collect(["akash"], observed_at=observed_at, mirrors=mirrors)
    assert states(collection) == {"akash": "ok"}
    assert server.asked == [f"/akash/v1/{path}" for path in files]
    assert set(collection.offers["source_url"]) == {"https://console-api.akash.network/v1/gpu-prices"}


# -- without a network


def test_without_names_every_source_is_unreachable_at_once(observed_at):
    begin = time.monotonic()
    collection = collect(observed_at=observed_at)
    assert time.monotonic() - begin < 2
    assert set(states(collection).values()) == {"unreachable"}
    assert all("name not found" in str(status.error) for status in collection.statuses)
    assert collection.offers.height == 0
    assert collection.offers.schema == Offers.create_empty().schema


@pytest.fixture
def black_hole(monkeypatch):
    """A resolver, or a network, that swallows everything; it lets go when the test is over."""
    end = threading.Event()
    monkeypatch.setattr("fetchers.collection.PROBE_SECONDS", 0.2)

    def hang(*args, **kwargs):
        end.wait(30)
        raise OSError("over")

    yield hang
    end.set()


@pytest.mark.parametrize("place", ["getaddrinfo", "create_connection"])
def test_a_network_that_swallows_everything_costs_one_probe_for_all(monkeypatch, black_hole, place, observed_at):
    monkeypatch.setattr(socket, place, black_hole)
    begin = time.monotonic()
    collection = collect(observed_at=observed_at)
    assert time.monotonic() - begin < 3
    assert set(states(collection).values()) == {"unreachable"}
    assert all("timed out while connecting" in str(status.error) for status in collection.statuses)


def test_a_probe_looks_at_the_mirror_and_not_at_the_host(server, nobody):
    hosts = ("a.example", "b.example")
    assert unreachable_hosts(hosts, {"https://a.example": server.address}) == {"b.example": "name not found"}
    assert unreachable_hosts(hosts[:1], {"https://a.example": nobody}) == {"a.example": "connection refused"}


def test_behind_a_proxy_nothing_is_probed(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert unreachable_hosts(("a.example",), {}) == {}


def test_one_dead_host_of_several_does_not_cost_the_source(server, payload, observed_at):
    server.answers["/prices/current/coingecko:render-token"] = (200, {}, payload("render/defillama.json"))
    collection = collect(["render"], observed_at=observed_at, mirrors={"https://coins.llama.fi": server.address})
    assert states(collection) == {"render": "partial"}
    assert collection.facts["value"].to_list() == [2.41]
    assert [problem.partition(":")[0] for problem in collection.status("render").problems] == [
        "no burn statistics",
        "no count of nodes",
    ]


def test_the_moment_is_kept_in_utc(serve):
    serve("render")
    here = datetime.fromisoformat("2026-11-22T13:00:00+01:00")
    assert collect(["render"], observed_at=here, probe=False).observed_at == datetime(2026, 11, 22, 12, tzinfo=UTC)


# -- turns


def copies(fetcher, number, fetch):
    """The same source under many names, a small budget more for each."""
    return {
        f"s{n:02}": replace(fetcher, name=f"s{n:02}", fetch=fetch, time_budget_seconds=60.0 + n) for n in range(number)
    }


def test_no_more_than_a_dozen_are_asked_at_once_the_slow_ones_first(observed_at):
    now, most, order = 0, 0, []
    change = threading.Lock()

    def count(session, *, observed_at):
        nonlocal now, most
        with change:
            now += 1
            most = max(most, now)
            order.append(session.source)
        time.sleep(0.05)
        with change:
            now -= 1
        raise SourceError(session.source, "x", seen="y", expected="z")

    collection = collect_from(copies(FETCHERS["akash"], 30, count), observed_at=observed_at, probe=False)
    assert set(states(collection).values()) == {"failed"}
    assert most == MOST_AT_ONCE
    assert set(order[-6:]) == {f"s{n:02}" for n in range(6)}


def test_one_that_hangs_gives_its_turn_back_when_its_time_is_over(observed_at, monkeypatch):
    monkeypatch.setattr("fetchers.collection.MOST_AT_ONCE", 2)
    over = threading.Event()

    def hang(session, *, observed_at):
        if session.source in ("s03", "s04"):
            over.wait(20)
        raise SourceError(session.source, "x", seen="y", expected="z")

    begin = time.monotonic()
    collection = collect_from(
        copies(FETCHERS["akash"], 5, hang),
        observed_at=observed_at,
        probe=False,
        time_budgets={"s03": 0.2, "s04": 0.2},
    )
    over.set()
    assert time.monotonic() - begin < 10
    assert states(collection) == dict.fromkeys(("s00", "s01", "s02"), "failed") | dict.fromkeys(
        ("s03", "s04"), "timed_out"
    )


def test_all_ends_with_the_largest_budget_also_for_those_whose_turn_never_came(observed_at, monkeypatch):
    monkeypatch.setattr("fetchers.collection.MOST_AT_ONCE", 2)
    over = threading.Event()
    asked = []

    def hang(session, *, observed_at):
        asked.append(session.source)
        over.wait(20)
        raise SourceError(session.source, "x", seen="y", expected="z")

    begin = time.monotonic()
    collection = collect_from(
        copies(FETCHERS["akash"], 6, hang), observed_at=observed_at, probe=False, time_budget_seconds=0.3
    )
    assert time.monotonic() - begin < 5
    assert set(states(collection).values()) == {"timed_out"}
    over.set()
    time.sleep(0.05)
    assert len(asked) <= 4  # the others found themselves given up, and asked nobody


def test_progress_is_told_of_every_source_once(serve, observed_at, monkeypatch):
    monkeypatch.delenv("GOOGLE_CLOUD_API_KEY")
    serve("render")
    told = []
    collection = gather(
        observed_at,
        ["akash", "google", "render"],
        off=["akash"],
        progress=lambda done, total, status: told.append((done, total, status.source, status.status)),
    )
    assert told == [(1, 3, "akash", "off"), (2, 3, "google", "no_key"), (3, 3, "render", "ok")]
    assert len(collection.statuses) == 3


def test_what_is_kept_between_runs_gives_the_same(web, serve, observed_at, tmp_path, payload):
    body = payload("clore/marketplace.json")
    web.get("https://api.clore.ai/v1/marketplace", body=body, headers={"ETag": '"1"'})
    first = gather(observed_at, ["clore"], cache=tmp_path)
    web.reset()
    web.get("https://api.clore.ai/v1/marketplace", status=304)
    again = gather(observed_at, ["clore"], cache=tmp_path)
    assert web.calls[-1].request.headers["If-None-Match"] == '"1"'
    assert again.offers.equals(first.offers)
    assert first.offers.height > 0


# -- all sources against a server of this machine


def test_all_sources_are_collected_from_one_server_over_real_sockets(observed_at, tmp_path):
    with serving(PayloadServer(delay_seconds=0.01)) as here:
        collection = collect(observed_at=observed_at, mirrors=here.mirrors(), cache=tmp_path)
    assert states(collection) == dict.fromkeys(FETCHERS, "ok")
    assert collection.offers.height > 200


def test_a_third_that_hangs_costs_the_others_nothing(observed_at):
    hanging = set(list(FETCHERS)[::3])
    hosts = {host for source in hanging for host in FETCHERS[source].hosts}
    with serving(PayloadServer(hanging=hosts)) as here:
        collection = collect(observed_at=observed_at, mirrors=here.mirrors(), time_budgets=dict.fromkeys(hanging, 0.5))
    told = states(collection)
    assert {source for source, state in told.items() if state == "ok"} == set(FETCHERS) - hanging
    assert {told[source] for source in hanging} <= {"timed_out", "unreachable"}
