"""The whole analysis on the reference data that ships: references, comparison, outlook, headlines, save and load."""

import base64
import io
import json
from datetime import UTC, datetime

import polars as pl
import pytest
from analysed import analysed_once

from depin_compare.analysis import Analysis, analyse
from depin_compare.errors import ConfigError, UnknownNameError
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import Offers
from depin_compare.market.reference import reference_facts, reference_offers
from depin_compare.refdata.assumption_set import assumption_set

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
NETWORKS = ("akash", "ionet", "render")


def analysis_on(day: datetime = AS_OF, **options) -> Analysis:
    return analysed_once(
        reference_offers(as_of=day.date()),
        reference_facts(as_of=day.date()),
        as_of=day,
        network_ids=NETWORKS,
        **options,
    )


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return analysis_on()


def one(frame: pl.DataFrame, **values) -> dict:
    rows = frame.filter(*(pl.col(name).cast(pl.String) == value for name, value in values.items()))
    assert rows.height == 1, rows
    return rows.row(0, named=True)


def unit_cost(analysis, **values) -> dict:
    return one(analysis.unit_costs, llm="llama-3.3-70b", workload="chat", **values)


def test_the_four_references_of_an_aws_h100_follow_from_their_sources(analysis):
    chip = {"seller": "aws", "accelerator": "h100-sxm"}
    listed = unit_cost(analysis, reference="list", **chip)
    committed = unit_cost(analysis, reference="committed", **chip)
    cost = unit_cost(analysis, reference="modelled_cost", **chip)
    plus = unit_cost(analysis, reference="cost_plus_margin", **chip)
    assert listed["usd_per_accelerator_hour"] == pytest.approx(55.04 / 8)
    assert committed["usd_per_accelerator_hour"] == pytest.approx(5.191)  # a capacity block, paid ahead
    assert (committed["terms"], committed["kind"]) == ("capacity_block", "third_party")
    assumed = unit_cost(analysis, seller="azure", accelerator="h100-sxm", reference="committed")
    assert assumed["usd_per_accelerator_hour"] == pytest.approx(98.32 / 8 * 0.55)
    assert assumed["kind"] == "assumption"
    assert cost["usd_per_accelerator_hour"] == pytest.approx(1.30 / 0.85)
    assert plus["usd_per_accelerator_hour"] == pytest.approx(1.30 / 0.85 / 0.86)
    assert cost["source"] == "inferencex-constants"
    for row in (listed, committed, cost, plus):
        expected = row["usd_per_accelerator_hour"] / row["tokens_per_second"] / 3600 * 1e6
        assert row["usd_per_mtok"] == pytest.approx(expected)
        assert row["usd_per_mtok_low"] < row["usd_per_mtok"] < row["usd_per_mtok_high"]


def test_maia_is_a_claim_on_azures_nvidia_cost_and_has_no_price(analysis):
    for reference in ("list", "committed"):
        row = unit_cost(analysis, seller="azure", silicon="maia-200", reference=reference)
        assert row["usd_per_mtok"] is None
        assert "no rentable" in row["not_comparable"]
    nvidia = analysis.unit_costs.filter(
        pl.col("seller") == "azure", pl.col("silicon") == "nvidia", pl.col("llm") == "llama-3.3-70b",
        pl.col("reference") == "modelled_cost",
    )["usd_per_mtok"].min()  # fmt: skip
    maia = unit_cost(analysis, seller="azure", silicon="maia-200", reference="modelled_cost")
    assert maia["usd_per_mtok"] == pytest.approx(0.77 * nvidia)
    assert maia["kind"] == "vendor_claim"
    assert maia["usd_per_accelerator_hour"] is None


def test_no_offer_is_ever_given_for_maia(analysis):
    assert analysis.offers.filter(pl.col("accelerator").str.contains("maia")).is_empty()


def test_against_the_same_chip_throughput_cancels(analysis):
    row = one(
        analysis.comparison, network="akash", accelerator="h100-sxm", llm="llama-3.3-70b", cloud="aws",
        silicon="nvidia", reference="list", match="same_chip",
    )  # fmt: skip
    assert row["advantage"] == pytest.approx(1 - row["network_usd_per_accelerator_hour"] / 6.88)
    assert row["advantage_low"] == pytest.approx(row["advantage"])  # both prices are printed: no band


def test_the_cheapest_match_is_the_least_unit_cost_of_that_silicon(analysis):
    rows = analysis.comparison.filter(pl.col("match") == "cheapest", pl.col("advantage").is_not_null())
    best = analysis.unit_costs.filter(pl.col("side") == "cloud").group_by("llm", "seller", "silicon", "reference").agg(
        pl.col("usd_per_mtok").min()
    )  # fmt: skip
    rows = rows.with_columns(pl.col("reference").cast(pl.String))
    best = best.with_columns(pl.col("reference").cast(pl.String))
    joined = rows.join(best.rename({"seller": "cloud"}), on=["llm", "cloud", "silicon", "reference"], how="left")
    assert joined.height > 100
    assert (joined["usd_per_mtok_reference"] - joined["usd_per_mtok"]).abs().max() < 1e-12


def test_every_row_without_an_advantage_says_why_and_every_other_has_a_date(analysis):
    comparison = analysis.comparison
    unknown = comparison.filter(pl.col("advantage").is_null())
    assert unknown["not_comparable"].null_count() == 0
    known = comparison.filter(pl.col("advantage").is_not_null())
    assert known["network_observed_at"].null_count() == 0
    assert known["reference_observed_at"].null_count() == 0
    assert (known["advantage_low"] <= known["advantage"] + 1e-12).all()
    assert (known["advantage_high"] >= known["advantage"] - 1e-12).all()


def test_every_seed_network_meets_every_cloud(analysis):
    told = set(analysis.outlook.select("network", "cloud", "silicon").unique().iter_rows())
    for network in NETWORKS:
        for cloud in (("azure", "nvidia"), ("azure", "maia-200"), ("aws", "nvidia"), ("google", "nvidia")):
            assert (network, *cloud) in told


def test_render_is_paid_in_tokens_and_stands_on_no_illustration(analysis):
    headline = one(analysis.headlines, network="render")
    assert headline["accelerator"] == "rtx-4090"
    assert "h200" not in analysis.market_prices.filter(pl.col("network") == "render")["accelerator"]
    node = one(analysis.margins, network="render", accelerator="rtx-4090", archetype="home")
    assert (node["full_margin"], node["full_margin_with_rewards"]) == (None, None)
    assert "minted tokens" in node["not_known"]
    assert "not known" in headline["sentence"]


def test_what_render_pays_its_nodes_is_the_reward_and_nothing_else():
    price = reference_facts().filter(pl.col("metric") == "token_price").head(1)
    render = price.with_columns(
        network=pl.lit("render"), subject=pl.lit("RENDER"), value=pl.lit(1.85), unit=pl.lit("USD per RENDER")
    )
    facts = NetworkFacts.validate(pl.concat([reference_facts(), render]), cast=True)
    told = analyse(reference_offers(), facts, as_of=AS_OF, network_ids=["render"])
    node = one(told.margins, network="render", accelerator="rtx-4090", archetype="home")
    reward = 25 / 168 * 1.85 * node["utilisation"]
    assert node["reward_usd_per_hour"] == pytest.approx(reward, rel=1e-4)
    costs = node["power_usd_per_hour"] + node["opex_usd_per_hour"] + node["capital_usd_per_hour"]
    assert node["full_margin_with_rewards"] == pytest.approx(1 - costs / reward, rel=1e-3)
    assert node["full_margin"] is None


def test_work_on_new_silicon_gets_no_cheaper_by_the_new_silicon(analysis):
    paths = analysis.advantage_paths
    # A shortage raises every printed price, that of custom silicon too.
    custom = paths.filter(
        pl.col("silicon").is_in(["maia-200", "tpu", "trainium"]), pl.col("scenario") != "supply_crunch"
    )
    assert custom.height > 0
    assert (custom["wedge_index"] == 1.0).all()


def test_paths_start_at_today_and_agree_with_the_comparison(analysis):
    start = analysis.advantage_paths.filter(pl.col("month") == 0)
    today = analysis.outlook.filter(pl.col("quantity") == "advantage", pl.col("today").is_not_null())
    joined = start.join(today, on=["network", "cloud", "silicon", "reference", "scenario", "pricing"], how="inner")
    assert joined.height == start.height
    assert (joined["advantage"] - joined["today"]).abs().max() < 1e-5
    assert (start["cost_index"] - 1).abs().max() < 1e-12


def test_the_base_scenario_costs_the_network_exactly_its_lag(analysis):
    """With an equal decline on both sides only the lag is left: q_net/q_ref grows by (1-h)^-lag, then stays."""
    path = analysis.advantage_paths.filter(
        pl.col("network") == "akash", pl.col("cloud") == "aws", pl.col("silicon") == "nvidia",
        pl.col("reference") == "list", pl.col("scenario") == "base", pl.col("pricing") == "marginal",
    ).sort("month")  # fmt: skip
    ratio = 1 - path["advantage"]
    assert ratio[12] / ratio[0] == pytest.approx(1 / 0.73, rel=1e-5)
    assert ratio[100] == pytest.approx(ratio[12], rel=1e-5)


def test_marginal_pricing_takes_the_claimed_factor_at_once(analysis):
    path = analysis.advantage_paths.filter(
        pl.col("network") == "akash", pl.col("cloud") == "azure", pl.col("silicon") == "nvidia",
        pl.col("reference") == "modelled_cost", pl.col("scenario") == "maia200",
    )  # fmt: skip
    marginal = path.filter(pl.col("pricing") == "marginal", pl.col("month") == 1)["wedge_index"].item()
    average = path.filter(pl.col("pricing") == "fleet_average", pl.col("month") == 1)["wedge_index"].item()
    assert marginal == pytest.approx(0.77)
    assert 0.97 < average < 1.0


def test_a_cloud_outside_the_scenario_keeps_its_cost(analysis):
    path = analysis.advantage_paths.filter(pl.col("cloud") == "aws", pl.col("scenario") == "maia200")
    assert (path["wedge_index"] == 1.0).all()


def test_a_node_bought_today_fares_worse_than_one_bought_then(analysis):
    later = analysis.margin_paths.filter(pl.col("month") >= 24)
    assert (later["full_margin"] < later["full_margin_new_node"]).all()


def test_quantiles_are_in_order_and_verdicts_follow_the_states(analysis):
    for paths, quantity in (
        (analysis.advantage_paths, "advantage"),
        (analysis.margin_paths, "full_margin"),
        (analysis.margin_paths, "full_margin_new_node"),
    ):
        assert (paths[f"{quantity}_p10"] <= paths[f"{quantity}_p50"]).all()
        assert (paths[f"{quantity}_p50"] <= paths[f"{quantity}_p90"]).all()
    rows = analysis.outlook.filter(pl.col("quantity") == "advantage")
    lost = rows.filter(pl.col("state") == "already_lost")
    assert set(lost["verdict"].cast(pl.String)) == {"eroded"}
    assert (lost["today"] <= 0).all()
    held = rows.filter(pl.col("verdict") == "resilient")
    assert held["date_p10"].null_count() == held.height
    assert (held["probability_lost"] < 0.1).all()


def test_silicon_the_network_only_half_answers_costs_it_advantage(analysis):
    rows = analysis.outlook.filter(
        pl.col("quantity") == "advantage", pl.col("cloud") == "azure", pl.col("silicon") == "nvidia",
        pl.col("reference") == "modelled_cost", pl.col("pricing") == "fleet_average",
    )  # fmt: skip
    wide = rows.pivot("scenario", index="network", values="at_horizon")
    assert wide.height == len(NETWORKS)
    assert (wide["maia200"] < wide["base"]).all()


def test_a_past_day_knows_nothing_later_and_uses_its_own_rules():
    before = analysis_on(datetime(2026, 3, 22, tzinfo=UTC))
    after = analysis_on(datetime(2026, 3, 31, tzinfo=UTC))
    assert before.offers["observed_at"].max() <= datetime(2026, 3, 22, tzinfo=UTC)
    row = {"network": "akash", "accelerator": "h100-sxm", "archetype": "data_centre"}
    old, new = one(before.margins, **row), one(after.margins, **row)
    assert old["usd_per_accelerator_hour"] == new["usd_per_accelerator_hour"] == pytest.approx(1.53)
    assert old["take_rate"] == pytest.approx(0.20)  # paid in USDC
    assert new["take_rate"] == pytest.approx(0.0025)  # what minting and settling a credit costs
    assert old["network_take_usd_per_hour"] == pytest.approx(1.53 * old["utilisation"] * 0.20)


def test_an_override_moves_what_depends_on_it_and_nothing_else(analysis):
    changed = analysis_on(assumptions=assumption_set({"cloud_utilisation": 0.5}))
    moved = unit_cost(changed, seller="aws", accelerator="h100-sxm", reference="modelled_cost")
    assert moved["usd_per_accelerator_hour"] == pytest.approx(1.30 / 0.5)
    same = {"reference": "list", "seller": "aws", "accelerator": "h100-sxm"}
    assert unit_cost(changed, **same) == unit_cost(analysis, **same)
    assert changed.margins.equals(analysis.margins)
    assert one(changed.assumptions, parameter="cloud_utilisation")["source_id"] == "your-job-file"


def test_an_analysis_is_saved_and_loaded_whole(analysis):
    again = Analysis.from_json(analysis.to_json())
    assert again.to_json() == analysis.to_json()
    for name in ("offers", "comparison", "outlook", "advantage_paths", "margins", "headlines", "scenarios"):
        assert getattr(again, name).equals(getattr(analysis, name)), name


def test_long_frames_are_parquet_inside_and_short_ones_are_lists(analysis):
    document = json.loads(analysis.to_json())
    assert document["schema"] == 2
    assert document["frames"]["headlines"]["network"] == list(NETWORKS)
    held = document["frames"]["advantage_paths"]
    assert set(held) == {"parquet"}
    frame = pl.read_parquet(io.BytesIO(base64.b64decode(held["parquet"])))
    assert frame.equals(analysis.advantage_paths)


def test_an_analysis_of_the_first_schema_still_loads_and_its_quantiles_are_unknown(analysis):
    document = json.loads(analysis.to_json())
    bare = {name: analysis.margin_paths.head(3)[name].to_list() for name in ("network", "accelerator", "archetype",
            "scenario", "pricing", "month", "usd_per_accelerator_hour", "cash_margin", "full_margin",
            "full_margin_new_node")}  # fmt: skip
    bare |= {"date": ["2026-11-22"] * 3, "full_margin_low": [0.0] * 3, "full_margin_high": [1.0] * 3}
    drawn = ("date_p10", "date_p50", "date_p90", "probability_lost", "probability_lost_if_event")
    held = analysis.outlook.drop(drawn).with_columns(
        pl.col(pl.Enum).cast(pl.String), pl.col(pl.Date).dt.to_string("iso"), pl.col(pl.Float64).cast(pl.String)
    )
    outlook = held.with_columns(pl.col("date").alias("date_low")).to_dict(as_series=False)
    old = {"margin_paths": bare, "advantage_paths": {}, "outlook": outlook}
    frames = {k: v for k, v in document["frames"].items() if k != "erosion_probabilities"} | old
    loaded = Analysis.from_json(json.dumps(document | {"schema": 1, "frames": frames}))
    assert loaded.margin_paths["full_margin"].to_list() == bare["full_margin"]
    assert loaded.margin_paths["full_margin_p10"].null_count() == 3
    assert loaded.outlook["probability_lost"].null_count() == loaded.outlook.height > 0
    assert loaded.outlook["date"].equals(analysis.outlook["date"])
    assert loaded.erosion_probabilities.is_empty()
    assert loaded.headlines.equals(analysis.headlines)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 99, "frames": {}}'])
def test_what_is_no_saved_analysis_is_refused(text):
    with pytest.raises(ConfigError):
        Analysis.from_json(text)


def test_unknown_names_are_refused_with_a_suggestion():
    with pytest.raises(UnknownNameError, match=r"llama-3\.3-70b"):
        analysis_on(llm_ids=("llama-3.3-70",))
    with pytest.raises(UnknownNameError, match="maia200"):
        analysis_on(scenario_ids=("maia20",))
    with pytest.raises(UnknownNameError, match="cloud_utilisation"):
        assumption_set({"cloud_utilization": 0.9})


def test_no_price_at_all_is_an_answer_not_a_crash():
    empty = analyse(reference_offers(networks=["aws"]), reference_facts(), as_of=AS_OF, network_ids=("akash",))
    row = one(empty.headlines, network="akash")
    assert row["verdict"] == "not comparable"
    assert empty.outlook.is_empty()


def test_the_market_s_statistics_disagreements_and_token_prices_are_carried(analysis):
    assert analysis.market_statistics.height > 0
    assert analysis.discrepancies.height == 0  # one source each: nobody to disagree with
    assert analysis.token_prices["layer"].cast(pl.String).unique().to_list() == ["reference"]
    assert set(analysis.market_check["llm"]) == set(analysis.unit_costs["llm"])
    again = Analysis.from_json(analysis.to_json())
    for name in ("market_statistics", "discrepancies", "token_prices", "market_check"):
        assert getattr(again, name).equals(getattr(analysis, name))


def test_a_past_day_knows_no_later_token_price():
    day = datetime(2024, 6, 30, tzinfo=UTC)
    assert analysis_on(day).token_prices["observed_at"].max() <= day


def test_an_analysis_saved_before_there_were_statistics_still_loads(analysis):
    document = json.loads(analysis.to_json())
    for name in ("market_statistics", "discrepancies", "token_prices", "market_check"):
        del document["frames"][name]
    old = Analysis.from_json(json.dumps(document))
    assert old.market_statistics.height == old.market_check.height == 0
    assert old.headlines.equals(analysis.headlines)


def test_a_minimum_reliability_reaches_the_statistics():
    offers = reference_offers(as_of=AS_OF.date()).with_columns(reliability=pl.lit(0.5))
    made = analyse(
        Offers.validate(offers), reference_facts(as_of=AS_OF.date()), as_of=AS_OF, network_ids=NETWORKS,
        minimum_reliability=0.9,
    )  # fmt: skip
    assert made.market_statistics.height == 0
    assert made.market_prices.height > 0
