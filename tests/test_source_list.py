"""`depin-compare sources`: all of them, from what is declared and stored, without asking anybody."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from depin_compare import cli
from depin_compare.analysis import SourceStates
from depin_compare.cli.inputs import progress_bar
from depin_compare.errors import ConfigError, UnknownNameError
from depin_compare.jobs.config import JobConfig
from depin_compare.jobs.sources import SourceList, age_rules, is_stale, source_list, source_states
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.freshness import AgeLimits, AgeRules, Ages
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
    assert (akash["expected_age_days"], akash["limit_age_days"], akash["freshness"]) == (1, 60, "stale")
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


def test_what_stands_in_for_a_silent_source_does_not_make_it_fresh():
    offers, facts = reference_offers(as_of=NOW.date()), reference_facts(as_of=NOW.date())
    states = source_states(JobConfig(), None, offers, facts, TokenPrices.create_empty(), ages=AGES)
    akash = states.row(by_predicate=pl.col("source") == "akash", named=True)
    assert (akash["layer"], akash["age_days"], akash["freshness"]) == ("reference", 63, "stale")
    assert (akash["expected_age_days"], akash["limit_age_days"]) == (2, 730)  # nobody declared it here
    assert is_stale(states)


def test_a_clock_that_is_ahead_is_told_and_counts_as_new():
    ahead = reference_offers(as_of=NOW.date()).with_columns(
        layer=pl.lit("live"), observed_at=pl.lit(NOW + timedelta(days=3)), source=pl.col("network")
    )
    states = source_states(
        JobConfig(), None, Offers.cast(ahead), NetworkFacts.create_empty(), TokenPrices.create_empty(), ages=AGES
    )
    akash = states.row(by_predicate=pl.col("source") == "akash", named=True)
    assert (akash["age_days"], akash["freshness"]) == (0, "fresh")
    assert "dated 2026-11-25, 3 days after this run's day: a clock is wrong; counted as new" in akash["detail"]


@pytest.mark.parametrize(
    ("state", "freshness", "stale"),
    [
        ("ok", "fresh", False),
        ("ok", "stale", True),
        ("partial", "expired", True),
        ("unreachable", "fresh", True),
        ("timed_out", None, True),
        ("off", "stale", False),
        ("no_key", "expired", False),
        ("reference", None, False),
    ],
)
def test_which_source_makes_a_run_stale(state, freshness, stale):
    row = {"source": "akash", "gives": "x", "state": state, "rows": 0, "skipped": 0, "freshness": freshness}
    assert is_stale(pl.DataFrame([row], schema=SourceStates.create_empty().schema)) == stale


def test_the_job_file_sets_the_ages_of_a_source():
    def of(**ages):
        return age_rules(JobConfig.model_validate({"sources": {"akash": ages}})).of_source("akash")

    assert of() == AgeLimits(1, 60)
    assert of(expected_age_days=3, limit_age_days=9) == AgeLimits(3, 9)
    assert of(expected_age_days=90) == AgeLimits(90, 90)  # the other moves along
    assert of(limit_age_days=0.5) == AgeLimits(0.5, 0.5)
    with pytest.raises(ConfigError, match=r"\[sources.akash\]: limit_age_days must be at least"):
        of(expected_age_days=9, limit_age_days=3)


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
