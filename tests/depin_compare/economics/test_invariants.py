"""Invariants of the definitions that tie several of them together."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import depin_compare as dc
from depin_compare.errors import ModelDomainError

usd = st.floats(0.01, 100.0)
share = st.floats(0.01, 1.0)
take = st.floats(0.0, 0.95)
scale = st.floats(0.01, 100.0)
available = st.floats(0.5, 1.0)
rework = st.floats(0.0, 0.5)
running = st.fixed_dictionaries(
    {
        "opex_usd_per_hour": st.floats(0.0, 5.0),
        "load_kw": st.floats(0.1, 3.0),
        "idle_kw": st.floats(0.0, 0.1),
        "usd_per_kwh": st.floats(0.0, 1.0),
        "pue": st.floats(1.0, 2.0),
    }
)
capital = st.floats(0.0, 10.0)


@given(net=usd, ref=usd, currency=scale)
def test_both_forms_of_the_advantage_are_free_of_currency_and_unit(net, ref, currency):
    assert dc.advantage(net * currency, ref * currency) == pytest.approx(dc.advantage(net, ref), rel=1e-9, abs=1e-9)
    assert dc.log_advantage(net * currency, ref * currency) == pytest.approx(
        dc.log_advantage(net, ref), rel=1e-9, abs=1e-9
    )


@given(net=usd, ref=usd, rise=st.floats(1.001, 10.0))
def test_both_forms_of_the_advantage_rise_with_the_reference(net, ref, rise):
    assert dc.advantage(net, ref * rise) > dc.advantage(net, ref)
    assert dc.log_advantage(net, ref * rise) - dc.log_advantage(net, ref) == pytest.approx(math.log(rise))


@given(price=usd, u=share, f=take, k=capital, cost=running, times=scale)
def test_scaling_all_money_scales_the_prices_and_leaves_the_ratios(price, u, f, k, cost, times):
    money = ("opex_usd_per_hour", "usd_per_kwh")
    dear = {name: value * times if name in money else value for name, value in cost.items()}
    before = dc.breakeven_price(utilisation=u, take_rate=f, capital_usd_per_hour=k, **cost)
    after = dc.breakeven_price(utilisation=u, take_rate=f, capital_usd_per_hour=k * times, **dear)
    assert after == pytest.approx(before * times, rel=1e-9, abs=1e-12)
    assert dc.stop_price(utilisation=u, take_rate=f, **dear) == pytest.approx(
        dc.stop_price(utilisation=u, take_rate=f, **cost) * times, rel=1e-9, abs=1e-12
    )
    assert dc.subsidy_gap(price * times, after) == pytest.approx(dc.subsidy_gap(price, before) * times, abs=1e-6)


@given(price=usd, u=share, f=take, k=capital, cost=running, beta=st.floats(0.01, 1.0))
def test_margin_headroom_is_negative_exactly_when_the_full_margin_is(price, u, f, k, cost, beta):
    needed = dc.breakeven_price(utilisation=u, take_rate=f, capital_usd_per_hour=k, **cost)
    margin = dc.provider_margin(price, utilisation=u, take_rate=f, capital_usd_per_hour=k, **cost).full
    assume(abs(margin) > 1e-9)
    assert (dc.margin_headroom(price, needed, pass_through=beta) < 0) == (margin < 0)


@given(price=usd, u=share, k=capital, cost=running, index=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=8))
def test_without_pass_through_no_fall_of_cloud_cost_erodes_a_margin(price, u, k, cost, index):
    then = dc.tenant_price(price, index=np.array(index), pass_through=0.0)
    margins = dc.provider_margin(then, utilisation=u, capital_usd_per_hour=k, **cost).full
    today = dc.provider_margin(price, utilisation=u, capital_usd_per_hour=k, **cost).full
    assert margins == pytest.approx(np.full(len(index), today), rel=1e-12)


@given(revenue=usd, tokens=usd, price=usd, factor=scale)
def test_coverage_times_token_price_is_the_revenue_per_token(revenue, tokens, price, factor):
    def times_price(p: float) -> float:
        return dc.emission_coverage(revenue, tokens_to_providers=tokens, usd_per_token=p) * p

    assert times_price(price) == pytest.approx(revenue / tokens)
    assert times_price(price * factor) == pytest.approx(times_price(price))


@given(price=usd, u=share, f=take, k=capital, cost=running)
def test_the_price_to_stop_at_is_below_break_even_and_leaves_no_cash(price, u, f, k, cost):
    stop = dc.stop_price(utilisation=u, take_rate=f, **cost)
    needed = dc.breakeven_price(utilisation=u, take_rate=f, capital_usd_per_hour=k, **cost)
    assert stop <= needed * (1 + 1e-12)
    assume(stop > 1e-6)
    cash = dc.provider_margin(stop, utilisation=u, take_rate=f, capital_usd_per_hour=k, **cost).cash
    assert cash == pytest.approx(0.0, abs=1e-9)


@given(price=usd, a=available, better=available, rho=rework, fee=st.floats(0.0, 0.5))
def test_an_hour_that_did_work_never_costs_less_than_an_hour_paid(price, a, better, rho, fee):
    adjusted = dc.reliability_adjusted_usd_per_hour(price, buyer_fee=fee, availability=a, rework_share=rho)
    assert adjusted >= price
    improved = dc.reliability_adjusted_usd_per_hour(
        price, buyer_fee=fee, availability=max(a, better), rework_share=rho / 2
    )
    assert improved <= adjusted


@given(price=usd, a=available, b=available, rho=rework, sigma=rework)
def test_at_the_sla_premium_both_hours_are_equal(price, a, b, rho, sigma):
    premium = dc.sla_shadow_premium(
        availability=a, reference_availability=b, rework_share=rho, reference_rework_share=sigma
    )
    ours = dc.reliability_adjusted_usd_per_hour(price, availability=a, rework_share=rho)
    theirs = dc.reliability_adjusted_usd_per_hour(price * (1 + premium), availability=b, rework_share=sigma)
    assert theirs == pytest.approx(ours)
    back = dc.sla_shadow_premium(
        availability=b, reference_availability=a, rework_share=sigma, reference_rework_share=rho
    )
    assert (1 + premium) * (1 + back) == pytest.approx(1.0)


@given(price=usd, rate=st.floats(1.0, 1e4), fee=st.floats(0.0, 0.5), a=available, rho=rework, size=st.floats(0, 1000))
def test_the_unit_price_is_the_adjusted_hour_over_its_tokens_plus_traffic(price, rate, fee, a, rho, size):
    whole = dc.inference_cost(
        price, rate, buyer_fee=fee, availability=a, rework_share=rho, bytes_out_per_token=size, egress_usd_per_gb=0.09
    )
    hour = dc.reliability_adjusted_usd_per_hour(price, buyer_fee=fee, availability=a, rework_share=rho)
    assert whole == pytest.approx(dc.inference_cost(hour, rate) + size * 0.09 / 1000)


@given(needed=usd, ref=usd)
def test_a_premium_is_asked_exactly_where_the_network_would_be_dearer(needed, ref):
    premium = dc.unique_service_premium(needed, ref)
    assert (premium > 0) == (needed / ref - 1 > 0)
    assert dc.advantage(needed, ref * (1 + premium)) >= -1e-9


# Worked by hand.


def test_reliability_adjusted_hour_of_a_network_by_hand():
    # 2.00 USD, 2.25 % fee, 98 % available, 1 % lost: 2.00 x 1.0225 / (0.98 x 0.99) = 2.045 / 0.9702.
    adjusted = dc.reliability_adjusted_usd_per_hour(2.00, buyer_fee=0.0225, availability=0.98, rework_share=0.01)
    assert adjusted == pytest.approx(2.107813, abs=5e-7)


def test_sla_premium_by_hand():
    # 0.999 x 0.999 / (0.98 x 0.99) = 0.998001 / 0.9702.
    premium = dc.sla_shadow_premium(
        availability=0.98, reference_availability=0.999, rework_share=0.01, reference_rework_share=0.001
    )
    assert premium == pytest.approx(0.028655, abs=5e-7)
    assert dc.sla_shadow_premium(availability=0.999, reference_availability=0.995) < 0


def test_traffic_of_a_streamed_token_by_hand():
    # 3.6 USD/h at 1,000 tokens/s is 1 USD; 200 bytes x 0.09 USD/GB is 0.018 USD per million tokens.
    assert dc.inference_cost(3.6, 1000.0, bytes_out_per_token=200.0, egress_usd_per_gb=0.09) == pytest.approx(1.018)


def test_a_fee_on_the_buyers_side_by_hand():
    # 1.80 USD/h with 10 % on top at 500 tokens/s: 1.98 / 1.8 Mtok.
    assert dc.inference_cost(1.80, 500.0, buyer_fee=0.10) == pytest.approx(1.10)


def test_price_to_stop_at_of_a_home_card_by_hand():
    # Half the hours at 0.4 kW, half at 0.05: 0.2 x 0.225 = 0.045 USD an hour; over 0.5 rented and 0.9 kept = 0.10.
    stop = dc.stop_price(utilisation=0.5, load_kw=0.4, idle_kw=0.05, usd_per_kwh=0.20, take_rate=0.10)
    assert stop == pytest.approx(0.10)


def test_break_even_with_a_take_by_hand():
    # (0.40 + 0.10 + 0.1 x 0.5) / 0.5 + 0.1 = 1.20 kept; a quarter taken: 1.60.
    node = {"capital_usd_per_hour": 0.40, "opex_usd_per_hour": 0.10, "load_kw": 1.0, "idle_kw": 1.0, "usd_per_kwh": 0.1}
    assert dc.breakeven_price(utilisation=0.5, **node) == pytest.approx(1.20)
    assert dc.breakeven_price(utilisation=0.5, take_rate=0.25, **node) == pytest.approx(1.60)
    # u* at 1.60: (0.5 + 0.1) / (1.60 x 0.75 - 0) = 0.5.
    assert dc.breakeven_utilisation(1.60, take_rate=0.25, **node) == pytest.approx(0.5)


def test_a_network_that_takes_nothing_keeps_nothing():
    assert dc.network_take(100.0, 100.0) == 0.0
    free = dc.provider_margin(
        1.0, utilisation=1.0, capital_usd_per_hour=0.0, load_kw=0.0, idle_kw=0.0, usd_per_kwh=0.0, take_rate=0.0
    )
    assert free.full == 1.0
    assert free.receipts_usd_per_hour == 1.0


def test_a_network_that_takes_everything_leaves_no_margin():
    whole = dc.provider_margin(
        1.0, utilisation=1.0, capital_usd_per_hour=0.1, load_kw=0.0, idle_kw=0.0, usd_per_kwh=0.0, take_rate=1.0
    )
    assert (whole.cash, whole.full) == (-math.inf, -math.inf)
    assert dc.stop_price(utilisation=1.0, load_kw=0.0, idle_kw=0.0, usd_per_kwh=0.0, take_rate=1.0) == math.inf


def test_rewards_by_hand():
    # 1.00 x 0.5 rented + 0.10 tokens = 0.60 receipts; 0.30 of cost: 50 % cash, capital 0.24: 10 % full.
    margin = dc.provider_margin(
        1.00, utilisation=0.5, capital_usd_per_hour=0.24, load_kw=1.0, idle_kw=1.0, usd_per_kwh=0.2,
        opex_usd_per_hour=0.10, reward_usd_per_hour=0.10,
    )  # fmt: skip
    assert margin.cash == pytest.approx(0.5)
    assert margin.full == pytest.approx(0.1)


def test_a_stake_costs_its_interest_by_hand():
    # 2,000 tokens at 0.40 USD, 12 %: 96 USD a year over 8,760 hours.
    plain = dc.capital_usd_per_hour(10_000, cost_of_capital=0.12, life_years=5)
    staked = dc.capital_usd_per_hour(10_000, cost_of_capital=0.12, life_years=5, stake_usd=2_000 * 0.40)
    assert staked - plain == pytest.approx(96 / 8760)


def test_no_exposure_no_headroom_to_speak_of():
    # Break-even at 1.20 of a price of 1.60 is a margin of a quarter; half passed on: 50 %; nothing passed on: no limit.
    assert dc.margin_headroom(1.60, 1.20, pass_through=0.5) == pytest.approx(0.5)
    assert dc.margin_headroom(1.60, 1.20, pass_through=0.0) == math.inf


@pytest.mark.parametrize(
    "shares",
    [
        {"availability": 0.0, "reference_availability": 0.9},
        {"availability": 0.9, "reference_availability": 1.1},
        {"availability": 0.9, "reference_availability": 0.9, "rework_share": 1.0},
    ],
)
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(ModelDomainError):
        dc.sla_shadow_premium(**shares)
    with pytest.raises(ModelDomainError):
        dc.stop_price(utilisation=1.5, load_kw=1.0, idle_kw=0.1, usd_per_kwh=0.1)
