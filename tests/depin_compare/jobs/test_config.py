"""The user's assumptions: what a job file may override, what it moves, and how a wrong one is told."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

import depin_compare as dc
from depin_compare.analysis import Analysis
from depin_compare.errors import ConfigError
from depin_compare.jobs.config import JobConfig
from depin_compare.jobs.config_file import load_config
from depin_compare.jobs.run import Inputs, analysis_of

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
FRAMES = ("market_prices", "seller_terms", "unit_costs", "comparison", "margins", "outlook", "margin_paths", "facts")
BASIS = """[analysis]
networks = ["akash", "ionet", "render"]
llms = ["llama-3.3-70b", "llama-3.1-8b"]
scenarios = ["base"]
draws = 64
sensitivity = []
"""


def analysed(text: str, tmp_path, as_of: datetime = AS_OF) -> Analysis:
    file = tmp_path / "job.toml"
    file.write_text(BASIS + text)
    inputs = Inputs(
        as_of=as_of, offers=dc.reference_offers(as_of=as_of.date()), facts=dc.reference_facts(as_of=as_of.date()),
        skipped=None, source_states=None,
    )  # fmt: skip
    return analysis_of(load_config(file), inputs)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Analysis:
    return analysed("", tmp_path_factory.mktemp("plain"))


def moved(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Rows of ``after`` that are not in ``before``, whatever their order."""
    rows = set(map(str, before.rows()))
    return after.filter(pl.Series([str(row) not in rows for row in after.rows()], dtype=pl.Boolean))


def only(frame: pl.DataFrame, **values) -> dict:
    found = frame.filter(*(pl.col(name).cast(pl.String) == value for name, value in values.items()))
    assert found.height == 1, found
    return found.row(0, named=True)


def test_a_tariff_moves_the_margins_of_its_archetype_and_nothing_else(plain, tmp_path):
    mine = analysed("[assumptions]\nusd_per_kwh_home = 0.30\n", tmp_path)
    for name in FRAMES:
        before, after = getattr(plain, name), getattr(mine, name)
        changed = moved(before, after)
        if name == "margins":
            known = before.filter(pl.col("archetype") == "home", pl.col("power_usd_per_hour").is_not_null())
            assert changed.height == known.height > 5
            assert set(changed["archetype"].cast(pl.String)) == {"home"}
        elif name == "comparison":
            # The premium the unique service must earn rests on the cheapest provider's break-even price.
            columns = [c for c in before.columns if c != "unique_service_premium"]
            assert after.select(columns).equals(before.select(columns))
            assert changed.height > 0
        else:
            assert changed.is_empty(), name
    row = only(mine.assumptions, parameter="usd_per_kwh_home")
    assert (row["central"], row["source_id"], row["kind"]) == (0.30, "your-job-file", "assumption")
    told = only(mine.user_changes, key="usd_per_kwh_home")
    assert (told["table"], told["before"], told["after"]) == ("assumptions", 0.16, 0.30)
    assert plain.user_changes.is_empty()


def test_a_price_moves_its_chip_at_its_seller_and_nothing_else(plain, tmp_path):
    mine = analysed("[prices]\nakash.h100-sxm = 1.50\n", tmp_path)
    prices = moved(plain.market_prices, mine.market_prices)
    assert prices.select("network", "accelerator", "usd_per_accelerator_hour").rows() == [("akash", "h100-sxm", 1.50)]
    assert prices["source"].item() == "your-job-file"
    costs = moved(plain.unit_costs, mine.unit_costs)
    assert set(costs.select("seller", "accelerator").rows()) == {("akash", "h100-sxm")}
    assert set(costs["kind"].cast(pl.String)) == {"assumption"}
    assert set(moved(plain.comparison, mine.comparison).select("network", "accelerator").rows()) == {
        ("akash", "h100-sxm")
    }
    margins = moved(plain.margins, mine.margins)
    assert margins.select("network", "accelerator").rows() == [("akash", "h100-sxm")]
    assert moved(plain.seller_terms, mine.seller_terms).is_empty()


def test_my_commitment_replaces_the_assumed_one(plain, tmp_path):
    text = 'azure.h100-sxm = { usd_per_accelerator_hour = 3.10, terms = "reserved_1y", note = "our agreement" }\n'
    mine = analysed("[prices]\n" + text, tmp_path)
    costs = moved(plain.unit_costs, mine.unit_costs)
    assert set(costs.select("seller", "accelerator", pl.col("reference").cast(pl.String)).rows()) == {
        ("azure", "h100-sxm", "committed")
    }
    row = costs.filter(pl.col("llm") == "llama-3.3-70b").row(0, named=True)
    assert (row["usd_per_accelerator_hour"], row["kind"], row["source"]) == (3.10, "assumption", "your-job-file")


def test_a_discount_moves_the_reference_it_is_given_for(plain, tmp_path):
    mine = analysed(
        '[discounts]\naws = 0.30\ngoogle = { share = 0.20, reference = "list", accelerator = "h100-sxm" }\n', tmp_path
    )
    costs = moved(plain.unit_costs, mine.unit_costs)
    told = set(costs.select("seller", pl.col("reference").cast(pl.String)).rows())
    # A committed price of Google's H100 that is assumed off its list is off the printed one still.
    assert told == {("aws", "committed"), ("google", "list")}
    aws = costs.filter(pl.col("seller") == "aws", pl.col("accelerator") == "h100-sxm", pl.col("llm") == "llama-3.3-70b")
    assert aws["usd_per_accelerator_hour"].item() == pytest.approx(6.88 * 0.70)
    assert set(costs["source"]) == {"your-job-file"}
    google = costs.filter(pl.col("seller") == "google")
    assert set(google["accelerator"]) == {"h100-sxm"}
    assert moved(plain.margins, mine.margins).is_empty()


def test_a_take_rate_moves_its_networks_margins_and_nothing_else(plain, tmp_path):
    mine = analysed("[facts.akash]\ntake_rate_provider = 0.10\n", tmp_path)
    changed = moved(plain.margins, mine.margins)
    assert set(changed["network"]) == {"akash"}
    row = only(mine.margins, network="akash", accelerator="h100-sxm", archetype="data_centre")
    before = only(plain.margins, network="akash", accelerator="h100-sxm", archetype="data_centre")
    # The 0.25 % between minting and settling comes on top.
    assert row["take_rate"] == pytest.approx(0.1025)
    assert row["network_take_usd_per_hour"] == pytest.approx(0.1025 * before["tenant_usd_per_hour"])
    assert row["breakeven_usd_per_accelerator_hour"] == pytest.approx(
        before["breakeven_usd_per_accelerator_hour"] * 0.9975 / 0.8975
    )
    for name in ("market_prices", "unit_costs", "seller_terms"):
        assert moved(getattr(plain, name), getattr(mine, name)).is_empty(), name
    facts = mine.facts.filter(pl.col("source") == "your-job-file")
    assert facts.select("network", "metric", pl.col("kind").cast(pl.String)).rows() == [
        ("akash", "take_rate_provider", "assumption")
    ]


def test_utilisation_of_one_chip_leaves_the_others(plain, tmp_path):
    mine = analysed('[facts]\nakash.utilisation = { value = 0.80, subject = "h100-sxm" }\n', tmp_path)
    changed = moved(plain.margins, mine.margins)
    assert changed.select("network", "accelerator", "utilisation").rows() == [("akash", "h100-sxm", 0.80)]


def test_a_buyers_fee_of_mine_moves_the_networks_unit_price(plain, tmp_path):
    mine = analysed("[facts]\nakash.fee_buyer = 0.05\n", tmp_path)
    before, after = (
        only(a.unit_costs, seller="akash", accelerator="h100-sxm", llm="llama-3.3-70b") for a in (plain, mine)
    )
    assert after["usd_per_mtok"] == pytest.approx(before["usd_per_mtok"] * 1.05)
    assert set(moved(plain.unit_costs, mine.unit_costs)["seller"]) == {"akash"}


def test_an_emission_of_mine_is_a_fact_of_mine(tmp_path):
    mine = analysed("[facts]\nionet.emission_per_month = 1_000_000\n", tmp_path)
    row = only(mine.facts, network="ionet", metric="emission_per_month")
    assert (row["value"], row["unit"], row["source"]) == (1e6, "IO per month", "your-job-file")
    assert only(mine.user_changes, key="ionet.emission_per_month")["after"] == 1e6


@pytest.mark.parametrize(
    ("day", "holds"),
    [
        (date(2026, 3, 31), False),
        (date(2026, 4, 1), True),
        (date(2026, 6, 30), True),
        (date(2026, 7, 1), False),
    ],
)
def test_what_is_dated_holds_on_its_days_only(tmp_path, day, holds):
    dates = "valid_from = 2026-04-01, valid_to = 2026-06-30"
    text = (
        f"[prices]\nakash.h100-sxm = {{ usd_per_accelerator_hour = 1.23, {dates} }}\n"
        f"[facts]\nakash.take_rate_provider = {{ value = 0.5, {dates} }}\n"
        f"[assumptions]\ncost_of_capital = {{ central = 0.15, {dates} }}\n"
        f"[discounts]\naws = {{ share = 0.9, {dates} }}\n"
    )
    mine = analysed(text, tmp_path, datetime(day.year, day.month, day.day, tzinfo=UTC))
    row = only(mine.margins, network="akash", accelerator="h100-sxm", archetype="data_centre")
    assert (row["usd_per_accelerator_hour"] == 1.23) is holds
    assert (row["take_rate"] == 0.5025) is holds
    assert (only(mine.assumptions, parameter="cost_of_capital")["central"] == 0.15) is holds
    assert ("list less your discount" in mine.unit_costs["terms"].to_list()) is holds
    told = mine.user_changes.filter(pl.col("table") != "assumptions")
    assert told["in_force"].to_list() == [holds] * 3
    assert ("assumption_not_in_force_cost_of_capital" in mine.provenance) is not holds


def test_my_node_in_the_job_file(plain, tmp_path):
    text = """[node]
accelerator = "RTX 4090"
usd_per_kwh = 0.21
hours_per_day = 12
capex_usd = { low = 1500, central = 1800, high = 2000 }
"""
    mine = analysed(text, tmp_path)
    own = mine.margins.filter(pl.col("archetype") == "own")
    assert own["network"].to_list() == ["akash", "ionet", "render"]
    assert set(own["utilisation"]) == {0.5}
    assert set(own["capex_usd"]) == {1800.0}
    for name in FRAMES:
        kept = getattr(mine, name)
        kept = kept.filter(pl.col("archetype") != "own") if name == "margins" else kept
        assert kept.equals(getattr(plain, name)), name
    assert set(mine.user_changes["key"]) == {"rtx-4090.usd_per_kwh", "rtx-4090.utilisation", "rtx-4090.capex_usd"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[assumptions]\ncloud_utilization = 0.9\n", 2, ["cloud_utilisation"]),
        ("[assumptions]\ncloud_utilisation = { centrl = 0.9 }\n", 2, ["central"]),
        ("[assumptions]\ncloud_utilisation = { low = 0.9, central = 0.8 }\n", 2, ["low <= central"]),
        ("[prices]\nakahs.h100-sxm = 1.5\n", 2, ["akash"]),
        ("[prices]\nakash.h100-smx = 1.5\n", 2, ["h100-sxm"]),
        ("[prices.akash]\n# mine\nh100-smx = 1.5\n", 3, ["h100-sxm"]),
        ("[prices]\nakash.h100-sxm = 0.0\n", 2, ["0.01"]),
        ('[prices]\naws.h100-sxm = { usd_per_accelerator_hour = 3, terms = "reserved_1" }\n', 2, ["reserved_1y"]),
        ("[prices]\naws.h100-sxm = { usd_per_acelerator_hour = 3 }\n", 2, ["usd_per_accelerator_hour"]),
        ("[discounts]\nawss = 0.3\n", 2, ["aws"]),
        ("[discounts]\naws = 1.3\n", 2, ["share"]),
        ('[discounts]\naws = { share = 0.3, reference = "lists" }\n', 2, ["list"]),
        ("[facts.akash]\ntake_rate = 0.1\n", 2, ["take_rate_provider"]),
        ("[facts]\nakash.take_rate_provider = 10\n", 2, ["0..1"]),
        ("[facts]\nakash.utilisation = { value = 0.5, subjct = 'h100-sxm' }\n", 2, ["subject"]),
        ("[facts]\nakash.utilisation = { value = 0.5, valid_from = 2026-05-01, valid_to = 2026-04-01 }\n", 2, ["lies"]),
        ('[node]\naccelerator = "rtx-409"\n', 2, ["rtx-4090"]),
        ('[node]\naccelerator = "rtx-4090"\nusd_per_kw = 0.2\n', 3, ["usd_per_kwh"]),
        ('[node]\naccelerator = "rtx-4090"\nhours_per_day = 12\nutilisation = 0.5\n', 1, ["not both"]),
        ('[node]\naccelerator = "rtx-4090"\nutilisation = 60\n', 3, ["utilisation", "expected 0 to 1"]),
        ("[discount]\naws = 0.3\n", 1, ["discounts"]),
    ],
)  # fmt: skip
def test_a_wrong_key_is_told_with_file_line_and_the_likely_mend(tmp_path, text, line, words):
    file = tmp_path / "job.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(file)
    assert f"{file}:{line}: " in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_an_empty_job_changes_nothing():
    job = JobConfig()
    assert job.overrides() == dc.Overrides(prices=[], discounts=[], facts=[])
    assert job.own_nodes() == ()
    assert job.assumption_overrides() == {}


def test_a_discount_on_a_chip_counts_before_one_on_the_cloud_whichever_comes_first(tmp_path):
    for order in (1, -1):
        entries = ["{ share = 0.30 }", '{ share = 0.50, accelerator = "h100-sxm" }'][::order]
        mine = analysed(f"[discounts]\naws = [{', '.join(entries)}]\n", tmp_path)
        rows = mine.unit_costs.filter(
            pl.col("seller") == "aws", pl.col("reference") == "committed", pl.col("llm") == "llama-3.3-70b"
        )
        assert only(rows, accelerator="h100-sxm")["usd_per_accelerator_hour"] == pytest.approx(6.88 * 0.50)
        assert only(rows, accelerator="a100-sxm-80gb")["usd_per_accelerator_hour"] == pytest.approx(3.430881 * 0.70)


def test_a_limit_of_age_below_the_expected_age_is_told_with_its_line(tmp_path):
    file = tmp_path / "job.toml"
    file.write_text("[sources.akash]\nexpected_age_days = 9\nlimit_age_days = 3\n")
    with pytest.raises(
        ConfigError, match=r"job.toml:3: sources.akash.limit_age_days: .*at least expected_age_days \(9\)"
    ):
        load_config(file)
