"""The worked examples of the economics guide, to the printed digits, by the public functions."""

import math

import pytest

import depin_compare as dc

# H100 in a small data centre: 40,000 USD, sold for 8,000 after 5 years, 12 %, 8 cents, PUE 1.3, 4 % of capex a year.
CAPITAL = dc.capital_usd_per_hour(40_000, salvage_usd=8_000, cost_of_capital=0.12, life_years=5)
H100 = {
    "capital_usd_per_hour": CAPITAL,
    "opex_usd_per_hour": 0.04 * 40_000 / 8760,
    "load_kw": 1.0,
    "idle_kw": 0.30,
    "usd_per_kwh": 0.08,
    "pue": 1.3,
}
RTX_4090 = {
    "capital_usd_per_hour": dc.capital_usd_per_hour(2_600, salvage_usd=900, cost_of_capital=0.12, life_years=4),
    "load_kw": 0.45,
    "idle_kw": 0.06,
    "usd_per_kwh": 0.16,
}
MODELLED_COST = 1.30 / 0.85


def test_capital_of_the_h100():
    assert dc.capital_recovery_factor(0.12, 5) == pytest.approx(0.277410, abs=5e-7)
    assert pytest.approx(1.12296, abs=5e-6) == CAPITAL
    assert H100["opex_usd_per_hour"] == pytest.approx(0.18265, abs=5e-6)


@pytest.mark.parametrize(
    ("price", "utilisation", "cash", "full"),
    # At 1.70 the guide prints a cash margin of .778; 1 - (0.08216 + 0.18265) / (1.70 x 0.7) is .77747.
    [
        (1.33, 1.063, 0.716, -0.491),
        (1.70, 0.822, 0.777, -0.166),
        (1.86, 0.748, 0.797, -0.066),
        (2.35, 0.587, 0.839, 0.156),
    ],
)
def test_margins_and_breakeven_utilisation_of_the_h100(price, utilisation, cash, full):
    assert dc.breakeven_utilisation(price, **H100) == pytest.approx(utilisation, abs=5e-4)
    margin = dc.provider_margin(price, utilisation=0.7, **H100)
    assert margin.cash == pytest.approx(cash, abs=5e-4)
    assert margin.full == pytest.approx(full, abs=5e-4)


@pytest.mark.parametrize(
    ("utilisation", "free", "with_take"),
    [(0.40, 3.415, 4.269), (0.52, 2.644, 3.305), (0.70, 1.983, 2.478), (0.85, 1.646, 2.057)],
)
def test_breakeven_prices_of_the_h100(utilisation, free, with_take):
    assert dc.breakeven_price(utilisation=utilisation, **H100) == pytest.approx(free, abs=5e-4)
    assert dc.breakeven_price(utilisation=utilisation, take_rate=0.20, **H100) == pytest.approx(with_take, abs=6e-4)


def test_a_4090_at_home_survives_far_lower_prices():
    assert dc.breakeven_price(utilisation=0.7, **RTX_4090) == pytest.approx(0.185, abs=5e-4)
    assert dc.breakeven_utilisation(0.35, **RTX_4090) == pytest.approx(0.298, abs=5e-4)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [(6.88, 0.730), (3.44, 0.459), (MODELLED_COST, -0.216), (MODELLED_COST / (1 - 0.14), -0.046)],
)
def test_advantage_of_the_guaranteed_price_at_equal_work(reference, expected):
    assert dc.advantage(1.86, reference) == pytest.approx(expected, abs=5e-4)


def test_premium_the_unique_service_must_earn():
    needed = dc.breakeven_price(utilisation=0.7, **H100)
    assert dc.unique_service_premium(needed, MODELLED_COST) == pytest.approx(0.296, abs=5e-4)
    assert dc.unique_service_premium(needed, MODELLED_COST * 0.77) == pytest.approx(0.683, abs=1e-3)


@pytest.mark.parametrize(("decline", "years"), [(0.27, 4.2), (0.40, 2.6)])
def test_years_until_the_list_price_reaches_the_network(decline, years):
    found = dc.breakeven_years(
        lambda t: dc.advantage(1.86, 6.88 * dc.cost_index(t, decline_per_year=decline)), horizon_years=20
    )
    assert found == pytest.approx(math.log(6.88 / 1.86) / -math.log(1 - decline), abs=1e-4)
    assert round(found, 1) == years


@pytest.mark.parametrize(
    ("midpoint", "slope", "ceiling", "factor", "index"),
    [(2027.5, 1.465, 0.5, 0.77, 0.885), (2027.0, 2.2, 0.6, 0.55, 0.730), (2029.0, 1.8, 0.2, 0.5, 0.901)],
)
def test_the_wedge_networks_do_not_share_after_five_years(midpoint, slope, ceiling, factor, index):
    adopted = dc.adopted_share(5.0, start_year=2026.9, midpoint_year=midpoint, slope_per_year=slope, ceiling=ceiling)
    assert dc.cost_index(5.0, adopted=adopted, unit_cost_factor=factor) == pytest.approx(index, abs=1.5e-3)


@pytest.mark.parametrize(("settle", "change"), [(1.50, -210.5), (0.90, 233.9)])
def test_burn_is_net_of_what_is_minted_again(settle, change):
    moved = dc.burn_mint_supply_change(1000.0, usd_per_token_at_mint=1.14, usd_per_token_at_settlement=settle)
    assert moved == pytest.approx(change, abs=0.05)
