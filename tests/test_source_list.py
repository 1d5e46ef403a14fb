"""`depin-compare sources`: all of them, from what is declared and stored, without asking anybody."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from depin_compare import cli
from depin_compare.cli.inputs import progress_bar
from depin_compare.errors import UnknownNameError
from depin_compare.jobs.config import JobConfig
from depin_compare.jobs.sources import SourceList, source_list, source_states
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.freshness import AgeRules, Ages
from depin_compare.market.manifests import manifest_bytes
from depin_compare.market.offers import Offers, Skipped
from depin_compare.market.reference import reference_facts, reference_offers
from depin_compare.market.store import Store
from depin_compare.market.token_prices import TokenPrices
from depin_compare.refdata import unpriced_networks
from fetchers import FETCHERS

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AGES = Ages(rules=AgeRules(), as_of=NOW)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for fetcher in FETCHERS.values():
        if fetcher.key_variable is not None:
            monkeypatch.delenv(fetcher.key_variable, raising=False)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def write(store, when, **statuses):
    store.write(
        observed_at=when,
        offers=Offers.create_empty(),
        facts=NetworkFacts.create_empty(),
        skipped=Skipped.create_empty(),
        token_prices=TokenPrices.create_empty(),
        statuses={
            name: {"status": status, "offers": rows, "facts": 2, "token_prices": 1, "error": error}
            for name, (status, rows, error) in statuses.items()
        },
    )


def listed(store=None, config=None):
    frame = source_list(config or JobConfig(), store=store, now=NOW)
    assert SourceList.is_valid(frame)
    return {row["source"]: row for row in frame.iter_rows(named=True)}


def test_every_source_and_every_network_without_a_price_is_listed():
    rows = listed()
    assert set(rows) == {*FETCHERS, *unpriced_networks()["network"]}
    assert rows["akash"]["kind"] == "network"
    assert (rows["vast"]["key"], rows["vast"]["key_variable"]) == ("optional", "VAST_API_KEY")
    assert (rows["google"]["key"], rows["google"]["state"]) == ("required", "no_key")
    assert rows["akash"]["state"] == "never asked"
    assert "MIT" in rows["litellm"]["terms"]
    assert (rows["aethir"]["state"], rows["aethir"]["kind"]) == ("no public price", "network")
    assert "quote" in rows["aethir"]["last_error"]


def test_the_last_success_its_rows_and_the_last_error_come_from_the_store(store):
    write(store, NOW - timedelta(days=3), akash=("ok", 11, None), render=("partial", 0, "no nodes"))
    write(store, NOW - timedelta(days=1), akash=("failed", 0, "akash: HTTP 500"), render=("ok", 1, None))
    rows = listed(store)
    akash, render = rows["akash"], rows["render"]
    assert (akash["state"], akash["rows"], akash["last_error"]) == ("failed", 14, "akash: HTTP 500")
    assert (akash["last_success"], akash["age_days"]) == (NOW - timedelta(days=3), 3.0)
    assert (render["state"], render["rows"], render["last_error"], render["age_days"]) == ("ok", 4, None, 1.0)
    assert rows["azure"]["last_success"] is None


def test_what_is_off_or_lacks_its_key_says_so_whatever_the_store_tells(store, monkeypatch):
    write(store, NOW, akash=("ok", 1, None), google=("ok", 9, None), salad=("no_key", 0, "set SALAD_API_KEY"))
    job = JobConfig.model_validate(
        {"sources": {"akash": {"enabled": False}, "google": {"key_variable": "MY_GOOGLE_KEY"}}}
    )
    rows = listed(store, job)
    assert rows["akash"]["state"] == "off"
    assert (rows["google"]["state"], rows["google"]["key_variable"]) == ("no_key", "MY_GOOGLE_KEY")
    assert rows["google"]["rows"] == 12
    monkeypatch.setenv("MY_GOOGLE_KEY", "k")
    monkeypatch.setenv("SALAD_API_KEY", "k")
    rows = listed(store, job)
    assert (rows["google"]["state"], rows["salad"]["state"]) == ("ok", "never asked")


@pytest.mark.parametrize("entry", [None, [], {"status": "ok"}, {"status": "ok", "offers": "many", "error": 7}])
def test_a_strange_manifest_is_borne(store, entry):
    write(store, NOW - timedelta(days=1), akash=("ok", 11, None))
    (path,) = store.working_folder.glob("manifests/*/*.json")
    manifest = json.loads(path.read_text())
    manifest["sources"]["akash"] = entry
    path.write_bytes(manifest_bytes(manifest))
    assert set(listed(store)) > set(FETCHERS)


def test_a_source_of_the_job_file_that_nobody_knows_is_an_error(store):
    with pytest.raises(UnknownNameError, match="akash"):
        listed(store, JobConfig.model_validate({"sources": {"akahs": {}}}))


def test_the_command_asks_nobody_and_ends_well(monkeypatch, capsys, tmp_path):
    def refused(*_, **__):
        raise AssertionError("it asks")

    monkeypatch.setattr("socket.create_connection", refused)
    monkeypatch.setattr("socket.getaddrinfo", refused)
    monkeypatch.setenv("DEPIN_COMPARE_STORE", str(tmp_path / "nowhere"))
    for words in (["sources"], ["sources", "--json"]):
        monkeypatch.setattr(sys, "argv", ["depin-compare", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert not stop.value.code
        out = capsys.readouterr().out
        assert "no public price" in out
        assert "opencomputeprices" in out
    assert not (tmp_path / "nowhere").exists()


# -- beside an analysis


def test_no_catalogue_is_credited_with_what_others_gave():
    offers, facts = reference_offers(as_of=NOW.date()), reference_facts(as_of=NOW.date())
    states = source_states(JobConfig(), None, offers, facts, TokenPrices.create_empty(), ages=AGES)
    layers = dict(states.select("source", "layer").iter_rows())
    for source, fetcher in FETCHERS.items():
        if fetcher.kind in ("catalogue", "hosted token prices"):
            assert layers[source] is None, source
    assert layers["akash"] == layers["aws"] == layers["token_prices"] == "reference"


def test_a_catalogue_stands_on_its_own_offers():
    offers = reference_offers(as_of=NOW.date())
    theirs = offers.filter(pl.col("network") == "aws").with_columns(source=pl.lit("skypilot"))
    states = source_states(
        JobConfig(),
        None,
        theirs,
        NetworkFacts.create_empty(),
        TokenPrices.create_empty(),
        ages=AGES,
    )
    layers = dict(states.select("source", "layer").iter_rows())
    assert layers["skypilot"] == "reference"
    assert {source for source, layer in layers.items() if layer is not None} == {"skypilot", "aws"}


# -- the bar


class Screen(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_is_drawn_for_a_person_at_a_terminal_only(terminal, monkeypatch, tmp_path):
    monkeypatch.setenv("TERM", "xterm-256color")
    screen = Screen(terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    with progress_bar() as progress:
        assert (progress is not None) == terminal
        if progress is not None:
            from fetchers import collect

            collect(["akash"], observed_at=NOW, off=["akash"], progress=progress)
    assert bool(screen.getvalue()) == terminal
