"""Invariants of the economics, and the guards at the edges of the formulas."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import depin_compare as dc
from depin_compare.errors import ModelDomainError

usd = st.floats(0.01, 100.0)
share = st.floats(0.01, 1.0)
small = st.floats(0.0, 0.95)
costs = st.fixed_dictionaries(
    {
        "capital_usd_per_hour": st.floats(0.0, 10.0),
        "opex_usd_per_hour": st.floats(0.0, 5.0),
        "load_kw": st.floats(0.1, 3.0),
        "idle_kw": st.floats(0.0, 0.1),
        "usd_per_kwh": st.floats(0.0, 1.0),
        "pue": st.floats(1.0, 2.0),
    }
)


@given(net=usd, ref=usd, rise=st.floats(1.0, 5.0))
def test_advantage_rises_with_the_reference_and_has_no_unit(net, ref, rise):
    assert dc.advantage(net, ref * rise) >= dc.advantage(net, ref)
    assert dc.advantage(net * 7, ref * 7) == pytest.approx(dc.advantage(net, ref), rel=1e-12, abs=1e-12)
    assert dc.log_advantage(net, ref) == pytest.approx(-dc.log_advantage(ref, net))
    assert dc.log_advantage(net, ref) == pytest.approx(-math.log(1 - dc.advantage(net, ref)), abs=1e-7)


@given(price=usd, u=share, take=small, cost=costs)
def test_the_cash_margin_is_never_below_the_full_one(price, u, take, cost):
    margin = dc.provider_margin(price, utilisation=u, take_rate=take, **cost)
    assert margin.cash >= margin.full


@given(u=share, take=small, cost=costs)
def test_the_breakeven_price_gives_a_full_margin_of_zero(u, take, cost):
    price = dc.breakeven_price(utilisation=u, take_rate=take, **cost)
    assume(price > 1e-6)
    assert dc.provider_margin(price, utilisation=u, take_rate=take, **cost).full == pytest.approx(0.0, abs=1e-9)


@given(price=usd, u=share, take=small, cost=costs)
def test_the_breakeven_utilisation_gives_a_full_margin_of_zero(price, u, take, cost):
    needed = dc.breakeven_utilisation(price, take_rate=take, **cost)
    assume(1e-6 < needed <= 1.0)
    assert dc.provider_margin(price, utilisation=needed, take_rate=take, **cost).full == pytest.approx(0.0, abs=1e-6)


@given(price=usd, dearer=st.floats(1.0, 3.0), take=small, cost=costs)
def test_breakeven_utilisation_falls_with_the_price_and_rises_with_the_take(price, dearer, take, cost):
    assert dc.breakeven_utilisation(price * dearer, **cost) <= dc.breakeven_utilisation(price, **cost)
    assert dc.breakeven_utilisation(price, take_rate=take, **cost) >= dc.breakeven_utilisation(price, **cost)


@given(price=usd, u=share, scale=st.floats(0.1, 10.0), cost=costs)
def test_margins_do_not_change_when_all_money_is_scaled(price, u, scale, cost):
    money = ("capital_usd_per_hour", "opex_usd_per_hour", "usd_per_kwh")
    scaled = {name: value * scale if name in money else value for name, value in cost.items()}
    before, after = (
        dc.provider_margin(price, utilisation=u, **cost),
        dc.provider_margin(price * scale, utilisation=u, **scaled),
    )
    assert after.full == pytest.approx(before.full, rel=1e-9, abs=1e-9)
    assert dc.breakeven_utilisation(price * scale, **scaled) == pytest.approx(
        dc.breakeven_utilisation(price, **cost), rel=1e-9
    )


@given(price=usd, breakeven=usd, beta=st.floats(0.01, 1.0))
def test_margin_headroom_is_negative_exactly_when_the_margin_is(price, breakeven, beta):
    room = dc.margin_headroom(price, breakeven, pass_through=beta)
    assert (room < 0) == (1 - breakeven / price < 0)
    assert room <= 1


@given(price=usd, room=st.floats(0.0, 1.0))
def test_nothing_erodes_without_pass_through(price, room):
    assert dc.tenant_price(price, index=1 - room, pass_through=0.0) == price


@given(net=usd, ref=usd, decline=st.floats(0.0, 0.9), years=st.floats(0.0, 20.0))
def test_an_equal_decline_on_both_sides_leaves_the_advantage(net, ref, decline, years):
    index = dc.cost_index(years, decline_per_year=decline)
    assume(index * min(net, ref) > 1e-12)
    assert dc.advantage(net * index, ref * index) == pytest.approx(dc.advantage(net, ref), rel=1e-9, abs=1e-9)


@given(slow=st.floats(0.05, 0.5), more=st.floats(0.0, 0.4), gap=st.floats(1.01, 20.0))
def test_a_faster_fall_is_never_later(slow, more, gap):
    def lost(decline: float) -> float:
        return dc.breakeven_years(lambda t: gap * (1 - decline) ** t - 1, horizon_years=15)

    assert lost(slow + more) <= lost(slow) + 1e-4


@given(years=st.lists(st.floats(0.0, 20.0), min_size=2, max_size=10), ceiling=st.floats(0.0, 1.0))
def test_adoption_starts_at_nothing_rises_and_stays_below_the_ceiling(years, ceiling):
    ordered = np.sort(np.array([0.0, *years]))
    adopted = dc.adopted_share(ordered, start_year=2026.9, midpoint_year=2028.0, slope_per_year=1.5, ceiling=ceiling)
    assert adopted[0] == pytest.approx(0.0, abs=1e-12)
    assert (np.diff(adopted) >= -1e-12).all()
    assert (adopted <= ceiling + 1e-12).all()


@given(revenue=usd, tokens=usd, price=usd, factor=st.floats(0.1, 10.0))
def test_emission_coverage_moves_against_the_token_price(revenue, tokens, price, factor):
    before = dc.emission_coverage(revenue, tokens_to_providers=tokens, usd_per_token=price)
    after = dc.emission_coverage(revenue, tokens_to_providers=tokens, usd_per_token=price * factor)
    assert after == pytest.approx(before / factor)


# Guards and limits, worked by hand.


def test_a_price_below_the_extra_power_never_breaks_even():
    cost = {"capital_usd_per_hour": 0.1, "load_kw": 2.0, "idle_kw": 0.0, "usd_per_kwh": 1.0}
    assert dc.breakeven_utilisation(1.9, **cost) == math.inf
    assert dc.breakeven_utilisation(2.0, **cost) == math.inf  # denominator exactly zero
    assert dc.breakeven_utilisation(2.1, **cost) == pytest.approx(1.0)  # 0.1 / (2.1 - 2.0)
    assert dc.breakeven_utilisation(2.05, **cost) == pytest.approx(2.0)  # above 1: no utilisation suffices


def test_no_price_suffices_for_a_node_never_rented_or_wholly_taken():
    cost = {"capital_usd_per_hour": 1.0, "load_kw": 1.0, "idle_kw": 0.1, "usd_per_kwh": 0.1}
    assert dc.breakeven_price(utilisation=0.0, **cost) == math.inf
    assert dc.breakeven_price(utilisation=0.5, take_rate=1.0, **cost) == math.inf
    assert dc.provider_margin(1.0, utilisation=0.0, **cost).full == -math.inf


def test_zero_interest_is_straight_line_repayment():
    assert dc.capital_recovery_factor(0.0, 4) == pytest.approx(0.25)
    assert dc.capital_usd_per_hour(8760, cost_of_capital=0.0, life_years=1) == pytest.approx(1.0)
    assert dc.capital_recovery_factor(1e-9, 4) == pytest.approx(0.25, rel=1e-6)


def test_staked_collateral_costs_its_interest():
    plain = dc.capital_usd_per_hour(1000, cost_of_capital=0.10, life_years=5)
    staked = dc.capital_usd_per_hour(1000, cost_of_capital=0.10, life_years=5, stake_usd=8760)
    assert staked - plain == pytest.approx(0.10)


def test_no_exposure_and_no_margin_are_different_answers():
    assert dc.margin_headroom(2.0, 1.0, pass_through=0.0) == math.inf
    assert dc.margin_headroom(1.0, 2.0, pass_through=0.0) == -math.inf
    assert dc.margin_headroom(4.0, 1.0, pass_through=0.5) == 1.0  # 0.75 / 0.5 capped: cost can't fall by more
    assert dc.margin_headroom(1.0, math.inf, pass_through=0.5) == -math.inf


def test_already_lost_and_not_reached_are_no_dates():
    assert dc.breakeven_years(lambda t: -1.0 - t, horizon_years=10) == 0.0
    assert dc.breakeven_years(lambda t: 1.0 + t, horizon_years=10) == math.inf
    first_of_two = dc.breakeven_years(lambda t: math.cos(t), horizon_years=10)
    assert first_of_two == pytest.approx(math.pi / 2, abs=1e-4)


def test_egress_and_fees_are_part_of_the_unit_price():
    # 3.6 USD/h at 1,000 tokens/s is 1 USD per Mtok; 10 % fee, 4 bytes a token at 0.09 USD/GB.
    price = dc.inference_cost(3.6, 1000.0, buyer_fee=0.1, bytes_out_per_token=4.0, egress_usd_per_gb=0.09)
    assert price == pytest.approx(1.1 + 4 * 0.09 / 1000)
    assert dc.inference_cost(3.6, 1000.0, availability=0.5, duty_cycle=0.5) == pytest.approx(4.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: dc.inference_cost(1.0, 0.0),
        lambda: dc.inference_cost(1.0, 100.0, availability=0.0),
        lambda: dc.inference_cost(1.0, 100.0, rework_share=1.0),
        lambda: dc.advantage(1.0, 0.0),
        lambda: dc.provider_margin(
            1.0, utilisation=1.1, capital_usd_per_hour=0.1, load_kw=1, idle_kw=0, usd_per_kwh=0.1
        ),
        lambda: dc.provider_margin(
            1.0, utilisation=0.5, capital_usd_per_hour=0.1, load_kw=1, idle_kw=0, usd_per_kwh=0.1, pue=0.9
        ),
        lambda: dc.capital_recovery_factor(-0.1, 5),
        lambda: dc.capital_recovery_factor(0.1, 0),
        lambda: dc.cost_index(1.0, decline_per_year=1.0),
        lambda: dc.tenant_price(1.0, index=0.5, pass_through=1.5),
        lambda: dc.network_take(1.0, 0.0),
        lambda: dc.required_token_price(0.1, 0.0),
        lambda: dc.emission_coverage(1.0, tokens_to_providers=0.0, usd_per_token=1.0),
        lambda: dc.adopted_share(1.0, start_year=2026, midpoint_year=2027, slope_per_year=0.0, ceiling=0.5),
        lambda: dc.breakeven_years(lambda t: math.nan, horizon_years=1),
    ],
)
def test_a_question_outside_the_domain_is_refused(call):
    with pytest.raises(ModelDomainError):
        call()


def test_functions_broadcast_over_arrays():
    prices = np.array([1.33, 1.86, 2.35])
    cost = {"capital_usd_per_hour": 1.12, "load_kw": 1.0, "idle_kw": 0.3, "usd_per_kwh": 0.08}
    together = dc.provider_margin(prices, utilisation=0.7, **cost).full
    alone = [dc.provider_margin(float(p), utilisation=0.7, **cost).full for p in prices]
    assert together == pytest.approx(alone)
    assert dc.breakeven_utilisation(prices, **cost).shape == (3,)
