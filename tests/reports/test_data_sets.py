"""The data sets pages and charts are looked at with are what their names say."""

from __future__ import annotations

from datetime import timedelta

import contradictions
import live_history
import many_networks
import polars as pl
import pytest
import report_data
from contradictions import contradicted
from live_history import CUT_CLOUD, CUT_DAY, FAILED, NEWCOMER, NEWCOMER_DAY, TODAY, collection_on, write_history

from depin_compare.analysis import Analysis
from depin_compare.economics.scenarios import scenarios
from fetchers import FETCHERS


def states(analysis: Analysis) -> dict[str, str]:
    return dict(analysis.source_states.select("source", pl.col("state").cast(pl.String)).iter_rows())


def compared(analysis: Analysis, reference: str) -> pl.Series:
    known = pl.col("advantage").is_not_null()
    return analysis.comparison.filter(known, pl.col("reference") == reference)["advantage"]


def outlook_states(analysis: Analysis) -> set[str]:
    told = analysis.outlook["state"].cast(pl.String)
    return set(told) - {"not_comparable"}


def priced(analysis: Analysis, network: str) -> pl.DataFrame:
    return analysis.market_prices.filter(pl.col("network") == network)


def test_a_data_set_is_the_same_whenever_it_is_built() -> None:
    again = report_data.one_network.__wrapped__(False)
    assert again is not report_data.one_network()
    assert again.to_json() == report_data.one_network(whole=False).to_json()


def test_a_data_set_can_be_saved_and_loaded() -> None:
    made = report_data.no_price_network()
    assert Analysis.from_json(made.to_json()).to_json() == made.to_json()


def test_reference_only_has_every_scenario_and_nothing_that_was_asked_for() -> None:
    made = report_data.reference_only()
    assert made.headlines["network"].to_list() == ["akash", "ionet", "render"]
    assert set(made.scenarios["scenario"]) == {one.id for one in scenarios()}
    assert set(made.offers["layer"]) == {"reference"}
    assert set(states(made).values()) == {"reference"}


class TestLiveShaped:
    def test_it_has_fifteen_networks_with_prices(self) -> None:
        made = report_data.live_shaped()
        assert made.headlines.height == 15
        assert set(made.offers["network"]) >= set(report_data.LIVE_NETWORKS)

    def test_every_source_answered_but_the_two_that_fail(self) -> None:
        told = states(report_data.live_shaped())
        assert {source: state for source, state in told.items() if state != "ok" and source in FETCHERS} == {
            "golem": "unreachable",
            "hyperbolic": "failed",
        }

    def test_it_has_fresh_stale_and_expired_prices(self) -> None:
        made = report_data.live_shaped()
        assert set(made.market_prices["freshness"]) == {"fresh", "stale", "expired"}
        assert set(priced(made, "golem")["freshness"]) == {"expired"}
        assert "stale" in set(priced(made, "hyperbolic")["freshness"])

    def test_the_report_before_differs_by_data_configuration_and_version(self) -> None:
        now, before = report_data.live_shaped(), report_data.live_shaped_before()
        assert now.as_of - before.as_of == timedelta(days=7)
        price = {
            one.as_of: priced(one, "vast")
            .filter(pl.col("accelerator") == "h100-sxm")["usd_per_accelerator_hour"]
            .item()
            for one in (now, before)
        }
        # Seven days of minus 0.6 % a day; both days stand at the same point of the weekly swing.
        assert price[now.as_of] / price[before.as_of] == pytest.approx(0.994**7)
        fees = [
            one.margins.filter(pl.col("network") == live_history.RAISED_FEE_NETWORK)["take_rate"].max()
            for one in (before, now)
        ]
        assert fees == [live_history.FEE_BEFORE, live_history.FEE_AFTER]
        assert before.user_changes["key"].to_list() == ["cost_of_capital"]
        assert now.user_changes.is_empty()
        assert now.provenance["version_depin-compare"] != before.provenance["version_depin-compare"]

    def test_a_verdict_flips_between_the_two_reports(self) -> None:
        key = [
            "network", "scenario", "pricing", "cloud", "silicon", "reference", "quantity",
        ]  # fmt: skip
        now, before = report_data.live_shaped().outlook, report_data.live_shaped_before().outlook
        both = now.join(before, on=key, suffix="_before")
        flips = both.filter(pl.col("verdict") != pl.col("verdict_before"))
        assert flips.filter(pl.col("verdict") != "not comparable").height > 0


@pytest.fixture(scope="module")
def offers(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Every offer of the stored history, with the day it was seen."""
    store = write_history(tmp_path_factory.mktemp("history"))
    assert len(list(store.snapshots())) == len(live_history.DAYS_BEFORE)
    return store.scan("offers").collect()


class TestHistory:
    def test_a_list_price_is_cut_on_one_day(self, offers: pl.DataFrame) -> None:
        prices = (
            offers.filter(
                pl.col("source") == CUT_CLOUD, pl.col("terms") == "on_demand", pl.col("accelerator") == "h100-sxm"
            )
            .group_by("date")
            .agg(pl.col("usd_per_accelerator_hour").min())
            .sort("date")
        )
        before = prices.filter(pl.col("date") < CUT_DAY)["usd_per_accelerator_hour"].unique()
        after = prices.filter(pl.col("date") >= CUT_DAY)["usd_per_accelerator_hour"].unique()
        assert after.item() / before.item() == pytest.approx(0.8)

    def test_a_network_joins(self, offers: pl.DataFrame) -> None:
        days = offers.filter(pl.col("network") == NEWCOMER)["date"]
        assert days.min() == live_history.moment_of(TODAY - timedelta(days=21)).date()
        assert days.min() >= NEWCOMER_DAY

    def test_a_source_fails_for_some_days_and_comes_back(self, offers: pl.DataFrame) -> None:
        first, last, *_ = FAILED["nosana"]
        days = set(offers.filter(pl.col("source") == "nosana")["date"])
        every = set(offers["date"])
        assert every - days == {day for day in every if first <= day <= last}
        assert every - days
        assert max(days) > last

    def test_a_day_tells_of_failures_and_of_nobody_who_had_not_joined(self) -> None:
        one = collection_on(NEWCOMER_DAY - timedelta(days=1))
        told = {status.source: status for status in one.statuses}
        assert NEWCOMER not in told
        assert told["nosana"].status == "timed_out"
        assert told["nosana"].offers == 0
        assert set(one.results) == {source for source, status in told.items() if status.status == "ok"}
        assert one.offers.height == sum(status.offers for status in one.statuses)
        assert one.facts.height == sum(status.facts for status in one.statuses)


class TestOneNetwork:
    def test_it_has_one_network_with_live_prices(self) -> None:
        made = report_data.one_network()
        assert made.headlines["network"].to_list() == ["akash"]
        assert set(priced(made, "akash")["layer"]) == {"live"}

    def test_the_other_kind_has_one_without_any_price(self) -> None:
        made = report_data.no_price_network()
        assert made.headlines["verdict"].to_list() == ["not comparable"]
        assert priced(made, made.headlines["network"].item()).is_empty()
        assert made.comparison.is_empty()


class TestThirtyNetworks:
    def test_their_names_are_long_foreign_and_one_begins_another(self) -> None:
        names = report_data.thirty_networks().headlines["display_name"].to_list()
        assert len(set(names)) == 30
        assert max(map(len, names)) == 60
        assert any("Ü" in name for name in names)
        assert any("計算" in name for name in names)
        assert any("'" in name for name in names)
        assert any(other.startswith(name) for name in names for other in names if other != name)

    def test_names_stand_in_for_ids_everywhere(self) -> None:
        made = report_data.thirty_networks()
        assert {i: made.display_names[i] for i in many_networks.MADE} == {
            i: one.name for i, one in many_networks.MADE.items()
        }
        starts = zip(made.headlines["display_name"], made.headlines["sentence"], strict=True)
        assert all(sentence.startswith(name) for name, sentence in starts)

    def test_what_is_missing_is_missing_and_not_zero(self) -> None:
        made = report_data.thirty_networks()
        margins = {i: made.margins.filter(pl.col("network") == i) for i in many_networks.MADE}
        assert margins["no-take-rate"]["take_rate"].null_count() == margins["no-take-rate"].height > 0
        assert set(margins["no-utilisation"]["utilisation_kind"]) == {"assumption"}
        assert margins["ledger-paid"]["full_margin"].null_count() == margins["ledger-paid"].height > 0
        assert margins["ledger-paid"]["full_margin_with_rewards"].null_count() == 0
        assert set(priced(made, "examples-only")["price_kind"]) == {"indicative"}
        assert priced(made, "examples-only")["n_accelerators"].null_count() == 2

    def test_prices_reach_from_a_cent_to_the_most_there_is_and_to_900_days(self) -> None:
        made = report_data.thirty_networks()
        mine = made.market_prices.filter(pl.col("network").is_in(list(many_networks.MADE)))
        assert mine["usd_per_accelerator_hour"].min() == 0.01
        assert mine["usd_per_accelerator_hour"].max() == 199.0
        old = priced(made, "dormant")
        assert (made.as_of.date() - old["observed_at"].dt.date().item()).days == 900
        assert old["freshness"].to_list() == ["expired"]

    def test_one_sells_chips_that_no_llm_fits_on(self) -> None:
        made = report_data.thirty_networks()
        costs = made.unit_costs.filter(pl.col("seller") == "fits-nothing")
        assert priced(made, "fits-nothing").height == 2
        assert costs["usd_per_mtok"].null_count() == costs.height


@pytest.fixture(scope="module")
def worlds() -> dict[str, Analysis]:
    return contradicted(report_data.one_network())


class TestContradictions:
    def test_today_is_none_of_them(self) -> None:
        today = report_data.one_network()
        assert (compared(today, "list") > 0).any()
        assert (compared(today, "modelled_cost") < 0).any()
        assert len(outlook_states(today)) > 1
        assert (today.margins["full_margin"] < 0).any()

    def test_networks_are_dearer_than_every_list_price(self, worlds: dict[str, Analysis]) -> None:
        advantages = compared(worlds["dearer_than_every_list_price"], "list")
        assert advantages.len() > 0
        assert (advantages < 0).all()

    def test_networks_are_cheaper_than_every_modelled_cost(self, worlds: dict[str, Analysis]) -> None:
        for reference in ("list", "modelled_cost"):
            advantages = compared(worlds["cheaper_than_every_modelled_cost"], reference)
            assert advantages.len() > 0
            assert (advantages > 0).all()

    def test_margins_are_positive_everywhere_at_todays_prices(self, worlds: dict[str, Analysis]) -> None:
        made = worlds["margins_positive_everywhere"]
        assert (made.margins["full_margin"].drop_nulls() > 0).all()
        assert compared(made, "list").to_list() == compared(report_data.one_network(), "list").to_list()

    def test_nothing_is_reached(self, worlds: dict[str, Analysis]) -> None:
        assert outlook_states(worlds["nothing_reached"]) == {"not_reached"}

    def test_everything_is_lost(self, worlds: dict[str, Analysis]) -> None:
        assert outlook_states(worlds["everything_lost"]) == {"already_lost"}

    def test_no_network_has_a_price(self, worlds: dict[str, Analysis]) -> None:
        assert priced(worlds["no_network_price"], "akash").is_empty()
        assert worlds["no_network_price"].comparison.is_empty()

    def test_no_pair_is_comparable_though_networks_have_prices(self, worlds: dict[str, Analysis]) -> None:
        made = worlds["no_comparable_pair"]
        assert priced(made, "akash").height > 0
        assert made.comparison["advantage"].drop_nulls().is_empty()

    def test_long_names_stay_in_every_world(self) -> None:
        made = contradictions.no_network_price(report_data.thirty_networks())
        assert (
            made.headlines["display_name"].to_list()
            == report_data.thirty_networks().headlines["display_name"].to_list()
        )
