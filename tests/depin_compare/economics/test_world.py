"""Properties of scenarios' worlds: what must not erode, what may only come sooner, and dates in closed form."""

import math
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depin_compare.bands import Band
from depin_compare.economics.erosion import adopted_share
from depin_compare.economics.scenarios import scenarios
from depin_compare.economics.uncertainty import Draws
from depin_compare.economics.world import PRICINGS, AdvantageModel, Clock, MarginModel, World, loss_years
from depin_compare.errors import ModelDomainError

TODAY, HORIZON = date(2026, 11, 22), date(2036, 12, 31)
CLOCK = Clock.between(TODAY, HORIZON)
NODE = {
    "take_rate": 0.02, "utilisation": 0.6, "cost_of_capital": 0.12, "life_years": 5.0, "salvage_share": 0.2,
    "opex_share_of_capex": 0.04, "pue": 1.3, "usd_per_kwh": 0.08, "idle_power_share": 0.3, "load_kw": 1.0,
    "capex_usd": 20_000.0, "usd_per_accelerator_hour": 2.5,
}  # fmt: skip
ALL = [one.id for one in scenarios()]
NEW_SILICON = [one.id for one in scenarios() if one.silicons]
INSIDE = ("azure", "nvidia", "modelled_cost")

share = st.floats(0.0, 1.0)
decline = st.floats(0.0, 0.9)
lag = st.floats(0.0, 3.0)
factor = st.floats(0.1, 1.0)
log_ratio = st.floats(-0.5, 2.0)


def world(name: str = "base", pricing: str = "fleet_average") -> World:
    (told,) = scenarios([name])
    return World(scenario=told, pricing=pricing, clock=CLOCK)


def values(of: World, **changed: float) -> dict[str, float]:
    return {**{name: band.central for name, band in of.inputs.items()}, **NODE, "log_ratio": 0.3, **changed}


def advantage(of: World, reference=INSIDE, **changed: float) -> np.ndarray:
    model = AdvantageModel(world=of, cloud=reference[0], silicon=reference[1], reference=reference[2])
    return model(values(of, **changed))


def margin(of: World, **changed: float) -> np.ndarray:
    return MarginModel(world=of)(values(of, **changed))


def lost(of: World, path, **changed: float) -> float:
    def over(t, _):
        ratio = 1.0 - path(of.at(t), **changed)
        return ratio if path is advantage else ratio[0]

    return float(loss_years(over, over(CLOCK.years, None)[:, None], CLOCK.years)[0])


# What does not erode.


@given(phi=factor, use=st.floats(0.1, 1.0), pricing=st.sampled_from(PRICINGS))
@settings(max_examples=40)
def test_nothing_passed_on_and_nothing_shared_leaves_the_margin_as_it_is(phi, use, pricing):
    here = world("silicon_price_war", pricing)
    kept = {"pass_through": 0.0, "hardware_decline_per_year": 0.0, "unit_cost_factor": phi, "utilisation": use}
    paths = margin(here, **kept)
    assert np.allclose(paths, paths[0, 0], rtol=1e-12)
    expected = 0.0 if paths[0, 0] <= 0 else math.inf
    assert lost(here, margin, **kept) == expected


@given(h=decline, ratio=log_ratio)
def test_an_equal_decline_on_both_sides_leaves_the_advantage_as_it_is(h, ratio):
    path = advantage(world(), hardware_decline_per_year=h, network_lag_years=0.0, log_ratio=ratio)
    assert np.allclose(path, 1.0 - math.exp(-ratio), rtol=1e-9)


def test_a_shortage_passes_and_the_world_before_it_comes_back():
    base, crunch = (here.network_price(values(here)) for here in (world(), world("supply_crunch")))
    dearer = crunch / base - 1.0
    assert dearer.max() == pytest.approx(0.38)  # half a year from today
    assert (dearer[1:] > 0).all()
    assert dearer[-1] < 0.001


def test_prices_are_continuous_at_a_step():
    here = world("silicon_price_war", "marginal")
    fine = np.linspace(0.0, 2.5, 5001)
    path = advantage(here.at(fine))
    assert np.abs(np.diff(path)).max() < 0.01
    assert path[0] == pytest.approx(1.0 - math.exp(-0.3))
    # A month on, the newest silicon sets the price.
    assert here.cloud_wedge(values(here), *INSIDE)[1] == pytest.approx(0.55)


# What may only come sooner.


@given(slow=decline, fast=decline, ratio=log_ratio, tau=lag, beta=share)
@settings(max_examples=30)
def test_a_faster_fall_never_gives_a_later_date(slow, fast, ratio, tau, beta):
    slow, fast = sorted((slow, fast))
    for path in (advantage, margin):
        dates = [
            lost(world("maia200"), path, hardware_decline_per_year=h, log_ratio=ratio, network_lag_years=tau,
                 pass_through=beta)
            for h in (slow, fast)
        ]  # fmt: skip
        assert dates[1] <= dates[0] + 1e-6


@given(dear=factor, cheap=factor, ratio=log_ratio, tau=lag, beta=share)
@settings(max_examples=30)
def test_nor_does_cheaper_silicon(dear, cheap, ratio, tau, beta):
    cheap, dear = sorted((dear, cheap))
    for path in (advantage, margin):
        dates = [
            lost(
                world("maia200"), path, unit_cost_factor=phi, log_ratio=ratio, network_lag_years=tau, pass_through=beta
            )
            for phi in (dear, cheap)
        ]
        assert dates[1] <= dates[0] + 1e-6


@pytest.mark.parametrize("name", NEW_SILICON)
@given(tau=lag, beta=share, h=decline)
@settings(max_examples=20)
def test_marginal_pricing_never_leaves_a_provider_better_off(name, tau, beta, h):
    told = {"network_lag_years": tau, "pass_through": beta, "hardware_decline_per_year": h}
    average, marginal = (margin(world(name, pricing), **told) for pricing in PRICINGS)
    assert (marginal <= average + 1e-9 * np.abs(average)).all()


@pytest.mark.parametrize("name", NEW_SILICON)
@given(beta=share, h=decline)
@settings(max_examples=20)
def test_nor_a_buyer_where_the_network_answers_at_once(name, beta, h):
    # With a lag it may: by the time the network answers a slow roll-out, the cloud has gone on; it answers a step once.
    told = {"network_lag_years": 0.0, "pass_through": beta, "hardware_decline_per_year": h}
    average, marginal = (advantage(world(name, pricing), **told) for pricing in PRICINGS)
    assert (marginal <= average + 1e-9 * np.abs(average)).all()


# Events.


@pytest.mark.parametrize("pricing", PRICINGS)
@pytest.mark.parametrize("name", ["fractile", "cloud_mix"])
def test_an_event_that_is_certain_is_the_scenario_with_it_and_one_that_is_not_is_without(name, pricing):
    (told,) = scenarios([name])
    event = next(parameter for parameter in told.parameters if parameter.startswith("event_probability"))
    tag = event.removeprefix("event_probability")

    def drawn(parameters):
        one = World(
            scenario=type(told)(id=name, title="", meaning="", clouds=told.clouds, parameters=parameters),
            pricing=pricing, clock=CLOCK,
        )  # fmt: skip
        draws = Draws(size=64, seed=1)
        happens = {
            p.replace("event_probability", "event", 1): draws.happens(p, band)
            for p, band in parameters.items()
            if p.startswith("event")
        }
        plain = {p: draws.of(p, band) for p, band in parameters.items() if not p.startswith("event")}
        return one.upright().carried({**plain, **happens}, *INSIDE)

    def without(start):
        return {p: band for p, band in told.parameters.items() if not p.startswith(start)}

    never = drawn({**told.parameters, event: Band.certain(0.0)})
    always = drawn({**told.parameters, event: Band.certain(1.0)})
    assert np.array_equal(always, drawn(without("event")))
    nothing = {**without("event"), f"unit_cost_factor{tag}": Band.certain(1.0)}
    assert np.allclose(never, drawn(nothing), rtol=1e-12)
    assert (always >= never - 1e-12).all()
    assert (always > never).any()


# Draws and moments.


@pytest.mark.parametrize("pricing", PRICINGS)
@pytest.mark.parametrize("name", ALL)
def test_a_world_of_draws_is_every_draws_own_world(name, pricing):
    here = world(name, pricing)
    draws = Draws(size=8, seed=2)
    taken = {parameter: draws.of(parameter, band) for parameter, band in here.inputs.items()}
    taken |= {parameter: np.round(column) for parameter, column in taken.items() if parameter.startswith("event")}
    for reference in (INSIDE, ("aws", "nvidia", "list"), ("google", "tpu", "list")):
        whole = here.upright().carried(taken, *reference)
        for draw in range(8):
            alone = here.carried({parameter: float(column[draw]) for parameter, column in taken.items()}, *reference)
            assert np.allclose(np.broadcast_to(whole, (len(CLOCK.years), 8))[:, draw], alone, rtol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_other_moments_are_of_the_same_path(name):
    here = world(name)
    months = np.array([0, 7, 60, 120])
    assert np.allclose(advantage(here.at(CLOCK.years[months])), advantage(here)[months], rtol=1e-12)
    assert np.allclose(margin(here.at(CLOCK.years[months])), margin(here)[:, months], rtol=1e-12)


def test_equal_cases_and_keys_are_carried_alike():
    references = [(c, s, r) for c in ("azure", "aws") for s in ("nvidia", "tpu") for r in ("list", "modelled_cost")]
    told: dict[object, np.ndarray] = {}
    for name in ALL:
        for pricing in PRICINGS:
            here = world(name, pricing)
            for reference in references:
                path = here.carried(values(here), *reference)
                key = here.price_key(*reference)
                assert np.array_equal(told.setdefault(key, path), path), (name, pricing, reference)
    assert len(told) < len(ALL) * len(PRICINGS) * len(references) / 2


# Dates in closed form.


@given(h=st.floats(0.05, 0.9), ratio=st.floats(0.05, 2.0))
@settings(max_examples=40)
def test_one_exponential_is_lost_on_the_day_of_its_closed_form(h, ratio):
    here = world()
    # The network's price stays for ten years, so that the ratio is exp(-ratio) / (1 - h)^t.
    told = {"hardware_decline_per_year": h, "network_lag_years": 10.0, "log_ratio": ratio}
    exact = -ratio / math.log1p(-h)
    if exact < 10.0:
        expected = TODAY + timedelta(days=exact * 365.25)
        day = CLOCK.day(lost(here, advantage, **told))
        assert day is not None
        assert abs(day - expected) <= timedelta(days=1)
    elif exact > 10.1:
        assert CLOCK.day(lost(here, advantage, **told)) is None


@given(h=st.floats(0.05, 0.9), use=st.floats(0.3, 1.0))
@settings(max_examples=40)
def test_so_is_a_sunk_nodes_margin(h, use):
    here = world()
    told = {"hardware_decline_per_year": h, "network_lag_years": 0.0, "utilisation": use}
    today = float(margin(here, **told)[0, 0])
    found = lost(here, margin, **told)
    if today <= 0:
        assert found == 0.0
    elif (exact := math.log(1.0 - today) / math.log1p(-h)) < 10.0:
        assert found == pytest.approx(exact, abs=1.0 / 365.25)


@given(
    scale=st.lists(st.floats(0.01, 2.0), min_size=1, max_size=20),
    rate=st.floats(0.01, 1.5),
    swing=st.floats(0.0, 0.5),
)
def test_first_crossings_are_found_of_all_paths_at_once(scale, rate, swing):
    def over(t):
        return np.exp(rate * t) * (1.0 + swing * np.sin(4.0 * t))

    start = np.array(scale)
    found = loss_years(lambda t, i: start[i] * over(t), np.outer(over(CLOCK.years), start), CLOCK.years)
    for one, t in zip(scale, found, strict=True):
        monthly = np.flatnonzero(one * over(CLOCK.years) >= 1.0)
        if monthly.size == 0:
            assert math.isinf(t)
        elif monthly[0] == 0:
            assert t == 0.0
        else:
            assert CLOCK.years[monthly[0] - 1] <= t <= CLOCK.years[monthly[0]]
            assert one * over(t) == pytest.approx(1.0, rel=1e-6)


def test_a_fall_to_nothing_at_once_is_dated():
    def over(t, _):
        return np.where(t > 1.0, np.inf, 0.5)

    found = loss_years(over, over(CLOCK.years, None)[:, None], CLOCK.years)
    assert found[0] == pytest.approx(1.0, abs=1e-6)


def test_the_horizon_lies_ahead():
    with pytest.raises(ModelDomainError, match="month"):
        Clock.between(TODAY, TODAY)


@pytest.mark.parametrize(
    ("today", "horizon", "months"),
    [
        (date(2026, 11, 25), date(2036, 12, 1), 120),
        (date(2026, 11, 25), date(2036, 12, 25), 121),
        (date(2026, 1, 31), date(2026, 2, 28), 1),
    ],
)
def test_nothing_is_looked_at_beyond_the_horizon(today, horizon, months):
    clock = Clock.between(today, horizon)
    assert len(clock.years) - 1 == months
    # A month is a twelfth of a mean year: February is two days shorter.
    assert (clock.dates[-1] - horizon).days <= 2


def test_a_horizon_of_days_is_none():
    with pytest.raises(ModelDomainError, match="month"):
        Clock.between(date(2026, 11, 25), date(2026, 12, 24))


def test_fewer_tenants_are_fewer_of_those_that_networks_would_have_won():
    """Use rises from 50 to 70 % as networks improve, and a crash leaves half of whatever it is."""
    (told,) = scenarios(
        ["mine"], own={"mine": {"base": "depin_gains", "utilisation_target": 0.7, "demand_factor": 0.5}}
    )
    of = World(scenario=told, pricing="fleet_average", clock=CLOCK)
    use = of.provider(values(of, utilisation=0.5))["utilisation"]
    gains = World(scenario=scenarios(["depin_gains"])[0], pricing="fleet_average", clock=CLOCK)
    won = gains.provider(values(gains, utilisation=0.5, utilisation_target=0.7))["utilisation"]
    assert won[-1] == pytest.approx(0.7, abs=0.001)
    assert use[0] == 0.5
    assert use[1:] == pytest.approx(0.5 * won[1:])


def test_a_curve_that_ran_its_course_before_today_is_no_fault():
    """L(0) is 1 to the last digit: of what is left of it, all but nothing is adopted within the first year."""
    share = adopted_share(CLOCK.years, start_year=2026.9, midpoint_year=2020.0, slope_per_year=10.0, ceiling=0.5)
    assert share == pytest.approx(0.5 * (1.0 - np.exp(-10.0 * CLOCK.years)), abs=1e-12)
    assert share[0] == 0.0
