"""Every number of the tables can be followed back, and what is said to flip it does."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime

import polars as pl
import pytest
from analysed import analysed_once

import depin_compare as dc
from depin_compare.bands import Band
from depin_compare.economics.derivations import Derivation
from depin_compare.errors import ConfigError, UnknownNameError
from depin_compare.explanations import TABLES, _Explainer, addresses, explain

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
SEEDS = ("akash", "ionet", "render")
CLOUDS = (("azure", "nvidia"), ("azure", "maia-200"), ("aws", "nvidia"), ("google", "nvidia"))
ENDS = ("_low", "_high")


def analysis_of(**options) -> dc.Analysis:
    return analysed_once(
        dc.reference_offers(as_of=AS_OF.date()),
        dc.reference_facts(as_of=AS_OF.date()),
        as_of=AS_OF,
        network_ids=SEEDS,
        **options,
    )


@pytest.fixture(scope="module")
def analysis() -> dc.Analysis:
    return analysis_of()


@pytest.fixture(scope="module")
def explainer(analysis) -> _Explainer:
    return _Explainer(analysis=analysis)


def numbers(frame: pl.DataFrame) -> list[str]:
    return [c for c, t in frame.schema.items() if t.is_numeric() and not c.endswith(ENDS)]


def plain_rows(frame: pl.DataFrame) -> Iterator[dict]:
    return frame.with_columns(pl.col(pl.Enum).cast(pl.String)).iter_rows(named=True)


def reproduces(derived: Derivation | None, value: float | None) -> bool:
    if derived is None or value is None:
        return derived is None and value is None
    return derived.value() == value or math.isclose(derived.value(), value, rel_tol=1e-6, abs_tol=1e-9)


def check_inputs(told: dc.Explanation) -> None:
    assert told.inputs, told.address
    for one in told.inputs:
        assert one.unit, (told.address, one.name)
        assert one.source or one.address or one.note, (told.address, one.name)
        assert one.observed_at or one.address or one.kind == "assumption" or one.source is None, (
            told.address,
            one.name,
        )
        assert one.low <= one.value <= one.high


# Every number of every seed network against every cloud, from reference data alone.


def test_every_number_of_the_comparison_is_made_again_from_its_leaves(analysis, explainer):
    wanted = analysis.comparison.filter(
        pl.struct("cloud", "silicon").is_in([{"cloud": c, "silicon": s} for c, s in CLOUDS])
    )
    met, seen, columns = set(), 0, numbers(wanted)
    for row in plain_rows(wanted):
        for column in columns:
            assert reproduces(explainer.compared(row, column), row[column]), (row, column)
            seen += row[column] is not None
        if row["advantage"] is not None:
            met.add((row["network"], row["cloud"], row["silicon"]))
    assert met == {(network, *pair) for network in SEEDS for pair in CLOUDS}
    assert seen > 20_000


def test_every_number_of_the_margins_is_made_again_from_its_leaves(analysis, explainer):
    columns = numbers(analysis.margins)
    for row in plain_rows(analysis.margins):
        for column in columns:
            assert reproduces(explainer.kept(row, column), row[column]), (row, column)
    known = analysis.margins.filter(pl.col("full_margin").is_not_null())
    assert set(known["network"]) == set(SEEDS) - {"render"}  # paid in minted tokens


def test_every_number_and_date_of_the_outlook_is_made_again_from_its_leaves(analysis, explainer):
    rows = analysis.outlook.filter(
        pl.struct("cloud", "silicon").is_in([{"cloud": c, "silicon": s} for c, s in CLOUDS]),
        pl.col("state") != "not_comparable",
        # Margins are the same against every cloud: once a network, scenario and pricing is enough.
        (pl.col("quantity") == "advantage") | (pl.col("cloud").eq("aws") & pl.col("reference").eq("list")),
        # Both pricings are one where no new silicon sets a price.
        (pl.col("pricing") == "fleet_average") | pl.col("scenario").is_in(["silicon_price_war", "cloud_mix"]),
    )
    assert rows.height > 200
    for row in plain_rows(rows):
        for column in ("today", "at_horizon", "headroom"):
            assert reproduces(explainer.foreseen(row, column), row[column]), (row, column)
        day = math.inf if row["date"] is None else float(row["date"].toordinal())
        assert reproduces(explainer.foreseen(row, "date"), day), row


def test_what_the_draws_say_is_told_as_theirs(analysis):
    rows = analysis.outlook.filter(pl.col("state") != "not_comparable", pl.col("pricing") == "fleet_average")
    reached = rows.filter(pl.col("date_p10").is_not_null(), pl.col("quantity") == "advantage").row(0, named=True)
    never = rows.filter(pl.col("date_p90").is_null(), pl.col("quantity") == "advantage").row(0, named=True)

    def told(row: dict, column: str) -> dc.Explanation:
        key = f"{row['cloud']}/{row['silicon']}/{row['reference']}"
        return explain(analysis, f"outlook {row['network']} {key} {row['scenario']} {column}")

    early = told(reached, "date_p10")
    assert early.value == reached["date_p10"].isoformat()
    assert early.formula.startswith("a tenth of the draws for which 1 - q_network(t)")
    assert "draws of all inputs at once, seed" in early.notes[0]
    assert early.inputs
    assert told(never, "date_p90").value == "not reached by 2036-12-31"
    share = told(reached, "probability_lost")
    assert share.value == reached["probability_lost"]
    assert share.formula.endswith("is no longer above zero by 2036-12-31")
    base = rows.filter(pl.col("scenario") == "base", pl.col("quantity") == "advantage").row(0, named=True)
    assert (told(base, "probability_lost_if_event").value, told(base, "probability_lost_if_event").not_known) == (
        None, "the scenario has no event",
    )  # fmt: skip


def test_every_number_of_the_token_table_is_made_again_from_its_leaves(analysis, explainer):
    table = analysis.token_economics
    assert len(explainer.token_rows) == table.height
    for row, made in zip(plain_rows(table), explainer.token_rows, strict=True):
        assert (row["network"], row["measure"], row["subject"]) == (made.network, made.measure, made.subject)
        assert reproduces(made.derivation, row["value"]), row
        if made.derivation is not None:
            assert all(one.source or one.address for one in made.derivation.inputs), row


def test_every_headline_number_has_sources_and_flips_that_hold(analysis, explainer):
    said = 0
    for head in plain_rows(analysis.headlines):
        network, chip = head["network"], head["accelerator"]
        told = explain(analysis, f"margin {network} {chip} {head['archetype']}")
        if network == "render":
            assert (told.value, "minted tokens" in told.not_known) == (None, True)
            told = explain(analysis, f"margin {network} {chip} {head['archetype']} capital_usd_per_hour")
        check_inputs(told)
        for cloud, silicon in CLOUDS:
            for reference in ("list", "committed", "modelled_cost", "cost_plus_margin"):
                words = f"{network} {chip} {head['llm']} {cloud}/{silicon}/{reference}"
                told = explain(analysis, f"comparison {words}")
                assert told.address == f"comparison {words} chat cheapest advantage"
                if told.value is None:
                    assert silicon == "maia-200"
                    assert "no rentable" in told.not_known
                    continue
                check_inputs(told)
                row = next(
                    r for r in plain_rows(analysis.comparison.filter(pl.col("match") == "cheapest"))
                    if (r["network"], r["accelerator"], r["llm"]) == (network, chip, head["llm"])
                    and (r["cloud"], r["silicon"], r["reference"]) == (cloud, silicon, reference)
                )  # fmt: skip
                derived = explainer.compared(row, "advantage")
                for one in told.inputs:
                    if one.flips_at is not None:
                        assert derived.value(**{one.name: one.flips_at}) == pytest.approx(0.0, abs=1e-6)
                        assert one.flips_within_band == (one.low <= one.flips_at <= one.high)
                        said += 1
    assert said > 100


# What it says.


def by_name(told: dc.Explanation) -> dict:
    return {one.name: one for one in told.inputs}


def test_the_margin_flips_at_its_breakeven_price_and_utilisation(analysis):
    row = analysis.margins.filter(
        pl.col("network") == "akash", pl.col("accelerator") == "h100-sxm", pl.col("archetype") == "data_centre"
    ).row(0, named=True)
    told = by_name(explain(analysis, "margin akash h100-sxm data_centre full_margin"))
    assert told["usd_per_accelerator_hour"].flips_at == pytest.approx(row["breakeven_usd_per_accelerator_hour"])
    assert told["utilisation"].flips_at == pytest.approx(row["breakeven_utilisation"])
    assert told["utilisation"].source == "tardellirs-gpu-pricing"
    assert told["utilisation"].observed_at == "2026-05-24"
    assert told["take_rate"].kind == "protocol"
    # A loss that no tariff mends: even free power leaves it.
    assert told["usd_per_kwh"].flips_at is None
    assert "no value within its domain flips its sign" in explain(analysis, "margin akash h100-sxm data_centre").text()


def test_the_advantage_flips_at_the_price_that_equals_the_cloud(analysis):
    told = explain(analysis, "comparison akash h100-sxm llama-3.3-70b aws/nvidia/list same_chip")
    price = by_name(told)["network_usd_per_accelerator_hour"]
    # Equal chips: throughput cancels, so the network's price flips it where it reaches the list price.
    assert price.flips_at == pytest.approx(55.04 / 8)
    assert by_name(told)["tokens_per_second"].flips_at is None
    assert price.source == "api-evangelist-akash"


def test_modelled_cost_is_followed_to_the_estimate_and_the_assumption(analysis):
    told = explain(analysis, "comparison akash h100-sxm llama-3.3-70b aws/nvidia/modelled_cost same_chip")
    inputs = by_name(told)
    assert inputs["owner_usd_per_accelerator_hour"].value == 1.30
    assert inputs["owner_usd_per_accelerator_hour"].source == "inferencex-constants"
    assert inputs["cloud_utilisation"].address == "assumption cloud_utilisation"
    # 2.71 = 1.30 / u at u = 0.48: below that the cloud's hour costs as much as Akash asks.
    assert inputs["cloud_utilisation"].flips_at == pytest.approx(1.30 / 2.71)


def test_maia_rests_on_the_claim(analysis):
    inputs = by_name(explain(analysis, "comparison akash h100-sxm llama-3.3-70b azure/maia-200/modelled_cost"))
    assert inputs["maia200_cost_factor"].kind == "vendor_claim"


def test_a_fleet_average_names_every_chip_of_the_fleet(analysis):
    told = explain(analysis, "comparison akash h100-sxm llama-3.3-70b aws/nvidia/list fleet_average")
    chips = {name for name in by_name(told) if name.startswith("reference_tokens_per_second[")}
    assert len(chips) > 2
    assert by_name(told)["fleet_work_by_throughput"].address == "assumption fleet_work_by_throughput"


def test_what_is_not_known_says_why(analysis):
    listed = explain(analysis, "comparison akash h100-sxm llama-3.3-70b azure/maia-200/list")
    assert (listed.value, "no rentable" in listed.not_known) == (None, True)
    token = explain(analysis, "token render subsidy_usd_per_rented_hour today")
    assert "no price of RENDER" in token.not_known
    reward = explain(analysis, "margin render rtx-4090 home full_margin_with_rewards")
    assert "token" in reward.not_known
    assert "not known:" in reward.text()


def test_the_ends_of_a_band_are_told_with_the_formula_of_the_middle(analysis):
    low = explain(analysis, "margin akash h100-sxm data_centre full_margin_low")
    whole = explain(analysis, "margin akash h100-sxm data_centre full_margin")
    assert low.value == whole.low < whole.value
    assert low.formula == whole.formula
    assert any("quadrature" in note for note in low.notes)


def test_the_outlook_tells_dates_verdicts_and_ages(analysis):
    never = explain(analysis, "outlook ionet azure/nvidia/list base date")
    assert never.value == "not reached by 2036-12-31"
    lost = explain(analysis, "outlook akash aws/nvidia/committed base date")
    assert lost.value == str(
        analysis.outlook.filter(
            pl.col("network") == "akash", pl.col("cloud") == "aws", pl.col("silicon") == "nvidia",
            pl.col("reference") == "committed", pl.col("scenario") == "base", pl.col("quantity") == "advantage",
            pl.col("pricing") == "fleet_average",
        )["date"].item()
    )  # fmt: skip
    lag = by_name(explain(analysis, "outlook akash aws/nvidia/committed base"))["network_lag_years"]
    assert lag.address == "scenario base network_lag_years"
    assert 0.5 < lag.flips_at < 1.0
    verdict = explain(analysis, "outlook akash aws/nvidia/committed base verdict")
    assert verdict.value == "exposed"
    assert any("moved most by" in note for note in verdict.notes)
    age = explain(analysis, "outlook akash aws/nvidia/committed base data_age_days")
    assert age.value == 92.0  # a price of 2026-08-22
    assert min(one.observed_at for one in age.inputs) == "2026-08-22"


def test_an_assumption_tells_what_it_flips(analysis):
    told = explain(analysis, "assumption cloud_utilisation")
    assert (told.low, told.value, told.high) == (0.75, 0.85, 0.95)
    assert told.used_in
    assert {use.address.split()[4].split("/")[2] for use in told.used_in} == {"modelled_cost", "cost_plus_margin"}
    use = told.used_in[0]
    assert explain(analysis, use.address).value == pytest.approx(use.value)
    moved = analysis_of(assumptions=dc.assumption_set({"cloud_utilisation": use.flips_at}))
    assert explain(moved, use.address).value == pytest.approx(0.0, abs=1e-6)


def test_the_users_own_number_is_told_as_his():
    mine = analysis_of(assumptions=dc.assumption_set({"cost_of_capital": 0.05}))
    told = by_name(explain(mine, "margin akash h100-sxm data_centre"))["cost_of_capital"]
    assert (told.value, told.source, told.kind) == (0.05, "your-job-file", "assumption")


def test_the_users_own_node_can_be_explained_where_it_is_described():
    own = dc.OwnNode(accelerator="rtx-4090", inputs={"usd_per_kwh": Band.certain(0.21)}, like="home")
    mine = analysis_of(own_nodes=[own])
    told = explain(mine, "margin ionet rtx-4090 own", own_nodes=[own])
    assert by_name(told)["usd_per_kwh"].source == "your-job-file"
    row = mine.margins.filter(pl.col("network") == "ionet", pl.col("archetype") == "own").row(0, named=True)
    assert told.value == row["full_margin"]
    with pytest.raises(ConfigError, match="job file"):
        explain(mine, "margin ionet rtx-4090 own")


def test_an_explanation_is_json_and_text(analysis):
    for address in addresses(analysis):
        told = explain(analysis, address)
        document = json.loads(json.dumps(told.to_dict(), allow_nan=False))
        assert document["address"] == told.address
        assert address in told.address
        assert told.text().startswith(told.address)
        assert explain(analysis, *told.address.split()) == told
    assert len(addresses(analysis)) == len(TABLES)


# What it refuses.


@pytest.mark.parametrize(
    ("address", "nearest"),
    [
        ("margn akash", "margin"),
        ("margin akahs", "akash"),
        ("margin akash h100-smx", "h100-sxm"),
        ("margin akash h100-sxm data_center", "data_centre"),
        ("margin akash h100-sxm data_centre ful_margin", "full_margin"),
        ("comparison akash h100-sxm llama-3.3-7b", "llama-3.3-70b"),
        ("comparison akash h100-sxm llama-3.3-70b aws/nvidia/lst", "list"),
        ("comparison akash h100-sxm llama-3.3-70b aws/nvidia/list cheapst", "cheapest"),
        ("outlook akash aws/nvidia/list maia20", "maia200"),
        ("token akash network_tak", "network_take"),
        ("token akash network_take AKTT", "AKT"),
        ("assumption cloud_utilization", "cloud_utilisation"),
        ("scenario base pass_trough", "pass_through"),
    ],
)
def test_a_word_it_does_not_know_gets_the_nearest(analysis, address, nearest):
    with pytest.raises(UnknownNameError, match=nearest):
        explain(analysis, address)


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("", "comparison NETWORK"),
        ("margin akash", "which chip"),
        ("comparison akash h100-sxm", "which LLM"),
        ("comparison akash h100-sxm llama-3.3-70b aws", "which silicon"),
        ("outlook akash aws/nvidia/list", "which scenario"),
        ("token akash network_take", "which subject"),
    ],
)
def test_a_missing_word_is_asked_for(analysis, address, asked):
    with pytest.raises(ConfigError, match=asked):
        explain(analysis, address)


def test_other_words_for_the_tables_are_understood(analysis):
    assert explain(analysis, "margins akash h100-sxm data_centre") == explain(
        analysis, "margin akash h100-sxm data_centre"
    )
    assert explain(analysis, "compare", "akash", "h100-sxm", "llama-3.3-70b", "aws", "nvidia", "list").value is not None
