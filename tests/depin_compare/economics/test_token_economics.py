"""What the token pays: the schedule, take rates by day, subsidies, coverage, burn, and what is not known."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from analysed import analysed_once
from hypothesis import given
from hypothesis import strategies as st

import depin_compare as dc
from depin_compare.analysis import Analysis
from depin_compare.economics.token_economics import MEASURES, TokenEconomics
from depin_compare.errors import ModelDomainError
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.overrides import Overrides, PriceOverride

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
IO = {"launch_supply": 500e6, "rate_first_year": 0.08, "decline_per_month": 0.0102}
SEEDS = ("akash", "ionet", "render")


def analysis_of(
    *facts: dict,
    day: datetime = AS_OF,
    offers: pl.DataFrame | None = None,
    networks: tuple[str, ...] = SEEDS,
    **options,
) -> Analysis:
    """The analysis of reference data with some facts laid over them, as a live source would give them."""
    reference = dc.reference_facts(as_of=day.date())
    live = pl.DataFrame(
        [
            {
                "subject": None, "observed_at": day, "kind": "measured", "source": "test", "layer": "live",
                "source_url": "https://example.org", "note": None, **fact,
            }
            for fact in facts
        ],
        schema=NetworkFacts.create_empty().schema,
    )  # fmt: skip
    return analysed_once(
        dc.reference_offers(as_of=day.date()) if offers is None else offers,
        NetworkFacts.validate(pl.concat([reference, live])),
        as_of=day,
        network_ids=networks,
        scenario_ids=("base",),
        sensitivity_ids=(),
        **options,
    )


@pytest.fixture(scope="module")
def tokens() -> pl.DataFrame:
    return analysis_of().token_economics


def one(frame: pl.DataFrame, network: str, measure: str, subject: str | None = None, basis: str | None = None) -> dict:
    rows = frame.filter(
        pl.col("network") == network,
        pl.col("measure") == measure,
        pl.col("subject").eq_missing(pl.lit(subject, dtype=pl.String)),
        pl.col("price_basis").cast(pl.String).eq_missing(pl.lit(basis, dtype=pl.String)),
    )
    assert rows.height == 1, frame.filter(pl.col("network") == network, pl.col("measure") == measure)
    return rows.row(0, named=True)


# The schedule.


def test_the_io_schedule_starts_at_three_and_a_third_million_and_sums_to_its_golden_totals():
    months = dc.scheduled_emission(np.arange(240), **IO)
    assert months[0] == pytest.approx(3_333_333, abs=1)
    assert months[23] == pytest.approx(dc.scheduled_emission(23, **IO))
    assert months.sum() == pytest.approx(298.9e6, abs=0.05e6)
    assert months[:24].sum() == pytest.approx(71.3e6, abs=0.05e6)
    assert dc.cumulative_emission(24, **IO) == pytest.approx(71.3e6, abs=0.05e6)


@given(months=st.integers(0, 300), supply=st.floats(1.0, 1e9), rate=st.floats(0.0, 1.0), decline=st.floats(0.0, 0.5))
def test_the_total_of_a_schedule_is_the_sum_of_its_months(months, supply, rate, decline):
    rule = {"launch_supply": supply, "rate_first_year": rate, "decline_per_month": decline}
    by_month = dc.scheduled_emission(np.arange(months), **rule) if months else np.zeros(1)
    assert dc.cumulative_emission(months, **rule) == pytest.approx(by_month.sum(), rel=1e-9, abs=1e-9)


def test_nothing_is_emitted_before_the_start_or_after_the_end():
    assert dc.scheduled_emission(-1, **IO) == 0.0
    assert dc.scheduled_emission(240, months=240, **IO) == 0.0
    assert dc.scheduled_emission(239, months=240, **IO) > 0.0


@pytest.mark.parametrize(
    "wrong", [{"launch_supply": 0.0}, {"rate_first_year": -0.1}, {"decline_per_month": 1.0}], ids=str
)
def test_a_schedule_outside_its_domain_is_refused(wrong):
    with pytest.raises(ModelDomainError):
        dc.scheduled_emission(0, **{**IO, **wrong})


def test_the_schedule_is_what_is_emitted_until_the_engine_and_an_upper_bound_after():
    before = one(
        analysis_of(day=datetime(2024, 6, 15, tzinfo=UTC)).token_economics, "ionet", "emission_tokens_per_month"
    )
    assert before["value"] == pytest.approx(3_333_333, abs=1)
    assert before["bound"] is None
    after = one(analysis_of().token_economics, "ionet", "emission_tokens_per_month")
    assert after["value"] == pytest.approx(3_333_333.33 * 0.9898**29)  # November 2026 is month 29
    assert after["bound"] == "upper"
    assert "replaced" in after["note"]


# Take.


def test_the_take_of_akash_is_that_of_the_day():
    before = analysis_of(day=datetime(2026, 3, 22, tzinfo=UTC)).token_economics
    after = analysis_of(day=datetime(2026, 3, 23, tzinfo=UTC)).token_economics
    assert one(before, "akash", "network_take", "AKT")["value"] == pytest.approx(0.04)
    assert one(before, "akash", "network_take", "USDC")["value"] == pytest.approx(0.20)
    for way in ("AKT", "USDC", "ACT"):
        assert one(after, "akash", "network_take", way)["value"] == pytest.approx(0.0025)


def test_fees_on_both_sides_of_the_bill_add_up_to_the_take(tokens):
    # 0.25 % + 2 % added to the bill, and as much kept from the supplier: 1 - 0.9775 / 1.0225.
    assert one(tokens, "ionet", "network_take", "USDC")["value"] == pytest.approx(0.0440098, abs=1e-7)
    assert one(tokens, "ionet", "network_take", "IO")["value"] == pytest.approx(0.0049875, abs=1e-7)


@given(take=st.floats(0, 1), fee=st.floats(0, 2), spread=st.floats(0, 1))
def test_the_take_is_a_share_and_rises_with_every_fee(take, fee, spread):
    whole = dc.network_take_of_fees(take_rate=take, buyer_fee=fee, mint_settle_spread=spread)
    assert 0.0 <= whole + 1e-12 <= 1.0 + 1e-12
    assert whole >= dc.network_take_of_fees(take_rate=take) - 1e-12
    assert whole >= dc.network_take_of_fees(take_rate=0.0, buyer_fee=fee) - 1e-12


# Subsidy.


def test_render_pays_a_4090_a_quarter_dollar_an_hour_at_the_price_of_the_worked_example():
    priced = analysis_of(
        {"network": "render", "metric": "token_price", "subject": "RENDER", "value": 1.85, "unit": "USD per RENDER"}
    ).token_economics
    assert one(priced, "render", "subsidy_tokens_per_rented_hour", "rtx-4090")["value"] == pytest.approx(25 / 168)
    usd = one(priced, "render", "subsidy_usd_per_rented_hour", "rtx-4090", "today")
    assert usd["value"] == pytest.approx(0.275, abs=5e-4)
    assert usd["value"] / 0.35 == pytest.approx(0.79, abs=5e-3)  # of the customer's price
    assert one(priced, "render", "subsidy_usd_per_rented_hour", "rtx-4090", "stressed")["value"] == pytest.approx(
        usd["value"] / 2
    )
    assert one(priced, "render", "subsidy_tokens_per_rented_hour", "h100")["value"] == pytest.approx(4 * 25 / 168)
    assert one(priced, "render", "subsidy_tokens_per_online_hour", "rtx-4090")["value"] == pytest.approx(2 / 168)
    assert one(priced, "render", "subsidy_usd_per_online_hour", "t4", "today")["value"] == pytest.approx(
        1.2 * 2 / 168 * 1.85
    )


def test_render_emits_its_two_weekly_pools_to_nodes(tokens):
    row = one(tokens, "render", "emission_tokens_per_month")
    assert row["value"] == pytest.approx((15_000 + 2_800) * 730 / 168)
    assert row["kind"] == "protocol"


def test_a_price_a_proposal_assumes_for_illustration_values_nothing(tokens):
    row = one(tokens, "render", "subsidy_usd_per_rented_hour", None, "today")
    assert row["value"] is None
    assert "illustration" in row["not_known"]


def test_guaranteed_pay_is_the_most_akash_can_subsidise_an_hour_by(tokens):
    row = one(tokens, "akash", "subsidy_usd_per_online_hour", "h100")
    assert (row["value"], row["bound"]) == (pytest.approx(1.86, abs=5e-3), "upper")
    in_tokens = one(tokens, "akash", "subsidy_tokens_per_online_hour", "h100", "today")
    assert in_tokens["value"] == pytest.approx(row["value"] / 0.5756)


def test_online_hours_are_divided_into_the_emission_of_their_own_month(tokens):
    # 7,600 GPUs a day counted to the end of 2024: month 6 of the schedule, then in force.
    row = one(tokens, "ionet", "subsidy_tokens_per_online_hour")
    assert row["value"] == pytest.approx(3_333_333.33 * 0.9898**6 / (7_600 * 730))
    assert row["bound"] is None


def test_live_counts_give_a_subsidy_per_rented_hour_too():
    counted = analysis_of(
        {"network": "ionet", "metric": "gpus_total", "value": 10_000.0, "unit": "GPUs"},
        {"network": "ionet", "metric": "utilisation", "value": 0.25, "unit": "fraction"},
    ).token_economics
    online = one(counted, "ionet", "subsidy_tokens_per_online_hour")
    assert online["value"] == pytest.approx(3_333_333.33 * 0.9898**29 / (10_000 * 730))
    assert online["bound"] == "upper"
    assert one(counted, "ionet", "subsidy_tokens_per_rented_hour")["value"] == pytest.approx(4 * online["value"])


def test_a_network_whose_mining_is_over_subsidises_nothing_and_covers_nothing(tokens):
    assert one(tokens, "nosana", "emission_tokens_per_month")["value"] == 0.0
    assert one(tokens, "nosana", "subsidy_usd_per_rented_hour", None, "today")["value"] == 0.0
    assert "nothing is emitted" in one(tokens, "nosana", "emission_coverage")["not_known"]


# The gap.


def test_the_gap_is_what_the_price_lacks_to_break_even(tokens):
    margins = analysis_of().margins
    for row in margins.filter(pl.col("breakeven_usd_per_accelerator_hour").is_not_null()).iter_rows(named=True):
        lacking = max(0.0, row["breakeven_usd_per_accelerator_hour"] - row["usd_per_accelerator_hour"])
        told = one(tokens, row["network"], "subsidy_gap_usd_per_hour", f"{row['accelerator']}/{row['archetype']}")
        assert told["value"] == pytest.approx(lacking)
    usd = one(tokens, "akash", "subsidy_gap_usd_per_hour", "h100-sxm/data_centre")["value"]
    assert usd > 1.0
    assert one(tokens, "akash", "subsidy_gap_tokens_per_hour", "h100-sxm/data_centre", "today")[
        "value"
    ] == pytest.approx(usd / 0.5756)


def test_beside_a_price_beyond_its_limit_nothing_lacks_and_no_premium_is_told(tokens):
    """A break-even holds at any price, the gap to it does not."""
    offers = dc.reference_offers(as_of=AS_OF.date())
    old = analysis_of(offers=offers.with_columns(observed_at=pl.col("observed_at") - pl.duration(days=900)))
    chip = old.margins.filter(
        pl.col("network") == "akash", pl.col("breakeven_usd_per_accelerator_hour").is_not_null()
    ).row(0, named=True)
    gap = one(old.token_economics, "akash", "subsidy_gap_usd_per_hour", f"{chip['accelerator']}/{chip['archetype']}")
    assert gap["value"] is None
    assert "days old, beyond its limit" in gap["not_known"]
    assert "days old, beyond its limit" in one(old.token_economics, "akash", "unique_service_premium")["not_known"]


def test_a_reward_printed_by_the_hour_is_the_reward_the_margin_counts(tokens):
    """Where no rule with a score is on record; the token price that closes the gap follows from it."""
    made = analysis_of(
        {
            "network": "akash",
            "metric": "reward_per_hour",
            "subject": "h100-sxm",
            "value": 0.2,
            "unit": "AKT per GPU-hour",
        }
    )
    told = one(made.token_economics, "akash", "subsidy_tokens_per_rented_hour", "h100-sxm")
    assert (told["value"], told["bound"], told["kind"]) == (0.2, None, "measured")
    row = made.margins.filter(pl.col("accelerator") == "h100-sxm", pl.col("network") == "akash").row(0, named=True)
    in_usd = one(made.token_economics, "akash", "subsidy_usd_per_rented_hour", "h100-sxm", "today")["value"]
    assert row["reward_usd_per_hour"] == pytest.approx(in_usd * row["utilisation"])
    gap = one(made.token_economics, "akash", "subsidy_gap_usd_per_hour", "h100-sxm/data_centre")["value"]
    needed = one(made.token_economics, "akash", "required_usd_per_token", "h100-sxm/data_centre")["value"]
    assert needed == pytest.approx(gap * (1 - row["take_rate"]) / 0.2)


def test_at_the_required_token_price_rewards_bring_the_full_margin_to_zero():
    cheap = Overrides(prices=[PriceOverride(network="render", accelerator="rtx-4090", usd_per_accelerator_hour=0.15)])
    needed = one(analysis_of(overrides=cheap).token_economics, "render", "required_usd_per_token", "rtx-4090/home")
    assert needed["value"] > 0
    assert needed["bound"] == "lower"  # the rule's rewards are the most there can be
    changed = analysis_of(
        {
            "network": "render", "metric": "token_price", "subject": "RENDER", "value": needed["value"],
            "unit": "USD per RENDER",
        },
        overrides=cheap,
    )  # fmt: skip
    row = changed.margins.filter(
        pl.col("network") == "render", pl.col("accelerator") == "rtx-4090", pl.col("archetype") == "home"
    ).row(0, named=True)
    assert row["full_margin"] is None
    assert row["full_margin_with_rewards"] == pytest.approx(0.0, abs=1e-5)  # the reward has six digits


# Coverage.


def test_coverage_of_io_is_that_of_the_quarter_until_a_price_is_known(tokens):
    assert one(tokens, "ionet", "emission_coverage", None, "period")["value"] == pytest.approx(0.34, abs=5e-3)
    for basis in ("today", "stressed"):
        assert one(tokens, "ionet", "emission_coverage", None, basis)["not_known"] == "no price of IO on record"


@pytest.mark.parametrize("price", [0.05, 0.2, 1.8])
def test_coverage_at_another_price_takes_the_tokens_of_the_same_quarter(price):
    priced = analysis_of(
        {"network": "ionet", "metric": "token_price", "subject": "IO", "value": price, "unit": "USD per IO"}
    ).token_economics
    emitted = sum(dc.scheduled_emission(month, **IO) for month in (7, 8, 9))  # January to March 2025
    today = one(priced, "ionet", "emission_coverage", None, "today")
    assert today["value"] == pytest.approx(5.7e6 / (emitted * price))
    assert one(priced, "ionet", "emission_coverage", None, "stressed")["value"] == pytest.approx(2 * today["value"])
    assert one(priced, "ionet", "emission_coverage", None, "period")["value"] == pytest.approx(5.7 / 16.9)


def test_figures_of_different_days_are_never_set_against_each_other():
    facts = dc.reference_facts(as_of=AS_OF.date())
    later = NetworkFacts.validate(
        facts.with_columns(
            pl.when(pl.col("metric") == "emission_value")
            .then(pl.lit(datetime(2025, 6, 30, tzinfo=UTC)).cast(pl.Datetime("us", "UTC")))
            .otherwise("observed_at")
            .alias("observed_at")
        )
    )
    changed = dc.analyse(dc.reference_offers(as_of=AS_OF.date()), later, as_of=AS_OF, network_ids=("ionet",))
    row = one(changed.token_economics, "ionet", "emission_coverage")
    assert (row["value"], row["not_known"]) == (None, "no revenue and emission of the same days on record")


def test_live_burn_and_rewards_of_render_stand_before_an_analysts():
    live = analysis_of(
        {"network": "render", "metric": "burned_per_epoch", "value": 9_500.0, "unit": "RENDER per epoch"},
        {"network": "render", "metric": "node_rewards_per_epoch", "value": 10_000.0, "unit": "RENDER per epoch"},
        {"network": "render", "metric": "token_price", "subject": "RENDER", "value": 2.0, "unit": "USD per RENDER"},
    ).token_economics
    # 95 % of what customers pay is burned: 10,000 RENDER of revenue on 10,000 of rewards.
    for basis, expected in (("period", 1.0), ("today", 1.0), ("stressed", 2.0)):
        row = one(live, "render", "emission_coverage", None, basis)
        assert row["value"] == pytest.approx(expected)
    assert one(live, "render", "burn_to_mint")["value"] == pytest.approx(0.95)
    assert one(live, "render", "burned_tokens_net")["value"] == pytest.approx(-500.0)
    assert one(live, "render", "burned_tokens_net")["layer"] == "live"
    assert one(live, "render", "emission_tokens_per_month")["value"] == pytest.approx(10_000 * 730 / 168)


def test_the_analysts_burn_to_mint_is_reproduced_from_its_two_figures(tokens):
    assert one(tokens, "render", "burn_to_mint")["value"] == pytest.approx(1.03, abs=5e-3)
    assert one(tokens, "render", "burned_tokens_net")["value"] == pytest.approx(10_000)


def test_what_tenants_paid_per_rented_hour_is_at_most_all_spending_over_the_gpus_in_use(tokens):
    reference = one(tokens, "akash", "revenue_usd_per_rented_hour")
    assert (reference["value"], reference["bound"]) == (pytest.approx(1.05, abs=5e-3), "upper")
    live = analysis_of(
        {"network": "akash", "metric": "lease_spend_usd_per_day", "value": 4_800.0, "unit": "USD per day"},
        {"network": "akash", "metric": "gpus_in_use", "value": 100.0, "unit": "GPUs"},
    ).token_economics
    row = one(live, "akash", "revenue_usd_per_rented_hour")
    assert (row["value"], row["layer"]) == (pytest.approx(2.0), "live")


# Burn.


def test_the_burn_of_akash_is_temporary_and_its_net_follows_the_price(tokens):
    gross = one(tokens, "akash", "burned_tokens")
    assert gross["value"] == 53_520
    assert "minted again" in gross["note"]
    assert "minted again" in one(tokens, "akash", "burned_tokens_net")["not_known"]
    change = "supply_change_tokens_per_1000_usd"
    # Bought at 0.50 in the week of the burn, settled at 0.5756 now: the price rose, so supply falls.
    assert one(tokens, "akash", change, None, "period")["value"] == pytest.approx(1000 / 0.5756 - 1000 / 0.50)
    assert one(tokens, "akash", change, None, "today")["value"] == pytest.approx(0.0, abs=1e-12)
    assert one(tokens, "akash", change, None, "stressed")["value"] == pytest.approx(1000 / 0.5756)


def test_a_live_net_burn_is_told_as_it_is():
    live = analysis_of({"network": "akash", "metric": "akt_burned_net", "value": -12.5, "unit": "AKT per day"})
    assert one(live.token_economics, "akash", "burned_tokens_net")["value"] == -12.5


# The frame.


def test_every_network_answers_every_measure_with_a_number_or_a_reason(tokens):
    told = set(tokens.select("network", pl.col("measure").cast(pl.String)).unique().iter_rows())
    for network in (*SEEDS, "nosana", "hyperbolic", "vast", "runpod", "salad", "lium", "chutes"):
        assert {(network, measure) for measure in MEASURES} <= told, network
    unknown = tokens.filter(pl.col("value").is_null())
    assert unknown["not_known"].null_count() == 0
    known = tokens.filter(pl.col("value").is_not_null())
    assert known["unit"].null_count() == known["formula"].null_count() == known["kind"].null_count() == 0
    assert known.filter(pl.col("not_known").is_not_null()).is_empty()
    key = tokens.select("network", "measure", "subject", "price_basis")
    assert key.is_duplicated().sum() == 0
    assert one(tokens, "vast", "network_take")["not_known"] == "Vast.ai publishes no take rate"


def test_the_premium_is_that_of_the_comparison(tokens):
    whole = analysis_of()
    for head in whole.headlines.iter_rows(named=True):
        rows = whole.comparison.filter(
            *(pl.col(name) == head[name] for name in ("network", "accelerator", "llm", "workload")),
            pl.col("match") == "cheapest",
            pl.col("unique_service_premium").is_not_null(),
        )
        # No price of the hour lets a node break even that is paid in minted tokens.
        assert (rows.height > 4) is (head["network"] != "render")
        for row in rows.iter_rows(named=True):
            key = f"{row['cloud']}/{row['silicon']}/{row['reference']}"
            told = one(tokens, head["network"], "unique_service_premium", key)
            assert told["value"] == pytest.approx(row["unique_service_premium"], abs=1e-12)


def test_the_stress_factor_is_the_users_to_change():
    deeper = analysis_of(assumptions=dc.assumption_set({"token_price_stress_factor": 0.25})).token_economics
    plain = analysis_of().token_economics
    gap = ("akash", "subsidy_gap_tokens_per_hour", "h100-sxm/data_centre", "stressed")
    assert one(deeper, *gap)["value"] == pytest.approx(2 * one(plain, *gap)["value"])
    moved = plain.join(
        deeper, on=["network", "measure", "subject", "price_basis"], how="inner", nulls_equal=True, suffix="_deeper"
    ).filter(pl.col("value") != pl.col("value_deeper"))
    assert moved.height > 3
    assert set(moved["price_basis"].cast(pl.String)) == {"stressed"}


def test_no_facts_at_all_leave_reasons_not_numbers():
    whole = dc.analyse(
        dc.reference_offers(networks=["akash", "aws"]), NetworkFacts.create_empty(), as_of=AS_OF, network_ids=("akash",)
    )
    told = TokenEconomics.validate(whole.token_economics)
    assert told.height >= len(MEASURES)
    assert told["value"].null_count() == told.height
