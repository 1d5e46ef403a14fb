"""The tornado of the outlook, the age of its data, and the derivations both are made from."""

import math
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from analysed import analysed_once
from hypothesis import given
from hypothesis import strategies as st

import depin_compare as dc
from depin_compare.bands import Band, left_over_band, one_at_a_time, quadrature, quadrature_band
from depin_compare.economics.derivations import Derivation, Input, weakest_kind
from depin_compare.economics.erosion import margin_headroom
from depin_compare.economics.outlook import QUANTITIES
from depin_compare.errors import ModelDomainError
from depin_compare.refdata.assumption_set import assumption_set

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
KEY = ["network", "cloud", "silicon", "reference", "scenario", "pricing", "quantity"]


def analysis_with(**overrides: float) -> dc.Analysis:
    return analysed_once(
        dc.reference_offers(as_of=AS_OF.date()),
        dc.reference_facts(as_of=AS_OF.date()),
        as_of=AS_OF,
        network_ids=("akash", "ionet", "render"),
        scenario_ids=("base", "maia200"),
        assumptions=assumption_set(overrides),
    )


@pytest.fixture(scope="module")
def analysis() -> dc.Analysis:
    return analysis_with()


def at_horizon(analysis: dc.Analysis, quantity: str, **values: str) -> float:
    rows = analysis.outlook.filter(
        pl.col("quantity") == quantity, pl.col("pricing") == "fleet_average", pl.col("scenario") == "base",
        *(pl.col(name).cast(pl.String) == value for name, value in values.items()),
    )  # fmt: skip
    return float(rows["at_horizon"][0])


def driver(analysis: dc.Analysis, quantity: str, name: str, **values: str) -> dict:
    rows = analysis.drivers.filter(
        pl.col("quantity") == quantity, pl.col("pricing") == "fleet_average", pl.col("scenario") == "base",
        pl.col("input") == name, *(pl.col(key).cast(pl.String) == value for key, value in values.items()),
    )  # fmt: skip
    assert rows.height == 1
    return rows.row(0, named=True)


def test_a_driver_is_what_the_outlook_becomes_when_that_assumption_alone_is_at_its_end(analysis):
    pair = {"network": "akash", "cloud": "aws", "silicon": "nvidia", "reference": "modelled_cost"}
    told = driver(analysis, "advantage", "cloud_utilisation", **pair)
    assert (told["input_low"], told["input_high"]) == (0.75, 0.95)
    for end, value in (("at_low", 0.75), ("at_high", 0.95)):
        moved = analysis_with(cloud_utilisation=value)
        assert told[end] == pytest.approx(at_horizon(moved, "advantage", **pair), rel=1e-5)
    assert told["at_horizon"] == pytest.approx(at_horizon(analysis, "advantage", **pair), rel=1e-5)


def test_so_it_is_for_the_margin(analysis):
    for quantity in ("full_margin", "full_margin_new_node"):
        told = driver(analysis, quantity, "usd_per_kwh", network="akash")
        for end in ("low", "high"):
            moved = analysis_with(usd_per_kwh_data_centre=told[f"input_{end}"])
            assert told[f"at_{end}"] == pytest.approx(at_horizon(moved, quantity, network="akash"), rel=1e-5)


def test_ranks_follow_the_swings_and_lead_into_the_outlook(analysis):
    drivers = analysis.drivers
    for rows in drivers.partition_by(KEY, maintain_order=True):
        assert rows["rank"].to_list() == list(range(1, rows.height + 1))
        assert rows["swing"].is_sorted(descending=True)
        width = rows.select(pl.max_horizontal("at_low", "at_horizon", "at_high")).to_series() - (
            rows.select(pl.min_horizontal("at_low", "at_horizon", "at_high")).to_series()
        )
        assert ((width - rows["swing"]).abs() <= 1e-5 * (1 + rows["swing"])).all()
    assert set(drivers["quantity"].cast(pl.String)) == set(QUANTITIES)
    leading = drivers.filter(pl.col("rank") == 1, pl.col("quantity") == "advantage", pl.col("swing") > 0)
    joined = leading.join(analysis.outlook, on=KEY, how="inner")
    assert joined.height == leading.height > 50
    assert (joined["input"] == joined["driver_1"]).all()
    told = analysis.outlook.filter(pl.col("state") != "not_comparable")
    assert told["driver_1"].null_count() == told["driver_2"].null_count() == 0
    silent = analysis.outlook.filter(pl.col("state") == "not_comparable")
    assert silent["driver_1"].null_count() == silent.height > 0


def test_inputs_known_exactly_are_no_drivers(analysis):
    # One offer of the chip, so its price has no band, and one take rate; the use published in May may have moved.
    akash = set(analysis.drivers.filter(pl.col("network") == "akash")["input"])
    assert not akash & {"network_usd_per_accelerator_hour", "take_rate"}
    assert "utilisation" in akash
    # Paid in minted tokens, so that no margin on the payment has drivers.
    assert "utilisation" not in set(analysis.drivers.filter(pl.col("network") == "render")["input"])


def test_the_claim_drives_maia_and_no_other_silicon(analysis):
    claimed = analysis.drivers.filter(pl.col("input") == "maia200_cost_factor")
    assert set(claimed["silicon"]) == {"maia-200"}
    assert set(claimed["reference"].cast(pl.String)) == {"modelled_cost", "cost_plus_margin"}


def test_the_age_is_that_of_the_oldest_observation(analysis):
    advantage = analysis.outlook.filter(pl.col("quantity") == "advantage", pl.col("state") != "not_comparable")
    assert advantage["data_age_days"].null_count() == 0
    on = ["network", "accelerator", "llm", "workload", "cloud", "silicon", "reference"]
    pairs = advantage.join(analysis.comparison.filter(pl.col("match") == "cheapest"), on=on, how="inner")
    oldest = pairs.select(pl.min_horizontal("network_observed_at", "reference_observed_at")).to_series()
    expected = (pl.Series([AS_OF]).dt.cast_time_unit("us") - oldest).dt.total_days()
    assert pairs["data_age_days"].to_list() == expected.to_list()


def test_a_rule_does_not_age_but_what_was_measured_does(analysis):
    margin = analysis.outlook.filter(pl.col("quantity") == "full_margin", pl.col("network") == "akash")
    # Utilisation of 2026-05-24 is the oldest: the take rate is older (2026-03-23) and still in force.
    assert set(margin["data_age_days"]) == {182.0}


def test_without_a_lineage_todays_ratio_is_one_driver(analysis):
    from depin_compare.economics.headlines import subjects

    a = analysis
    chosen = subjects(
        a.unit_costs, a.market_prices, a.facts, assumption_set(), networks=["akash"], llms=["llama-3.3-70b"],
        workloads=["chat"],
    )  # fmt: skip
    bare = dc.erosion(chosen, a.comparison, dc.scenarios(["base"]), as_of=AS_OF, horizon=a.outlook["horizon"][0])
    assert "log_ratio" in set(bare.drivers["input"])
    assert bare.outlook["data_age_days"].null_count() == bare.outlook.height
    same = a.outlook.filter(pl.col("network") == "akash", pl.col("scenario") == "base")
    assert bare.outlook["at_horizon"].equals(same["at_horizon"])


# Derivations.

_numbers = st.floats(0.1, 10.0)


@st.composite
def bands(draw: st.DrawFn) -> Band:
    return Band(*sorted(draw(_numbers) for _ in range(3)))


@given(a=bands(), b=bands())
def test_the_band_is_the_swings_in_quadrature(a, b):
    def ratio(v):
        return v["a"] / v["b"]

    central, moved = one_at_a_time(ratio, {"a": a, "b": b})
    assert central == pytest.approx(a.central / b.central)
    for name in moved:
        low, high = moved[name]
        alone = {"a": a.central, "b": b.central}
        band = {"a": a, "b": b}[name]
        assert low == pytest.approx(ratio({**alone, name: band.low}))
        assert high == pytest.approx(ratio({**alone, name: band.high}))
    assert quadrature(central, moved) == quadrature_band(ratio, {"a": a, "b": b})


@given(cost=bands(), price=bands())
def test_what_is_left_of_receipts_is_never_all_of_them(cost, price):
    low, central, high = left_over_band(lambda v: v["cost"] / v["price"], {"cost": cost, "price": price})
    assert float(central) == 1.0 - cost.central / price.central
    assert low <= central <= high <= 1.0
    # Where one input alone is uncertain the ends are the margins at its ends.
    low, central, high = left_over_band(
        lambda v: v["cost"] / v["price"], {"cost": Band.certain(cost.central), "price": price}
    )
    assert float(low) == pytest.approx(1.0 - cost.central / price.low, abs=1e-9)
    assert float(high) == pytest.approx(1.0 - cost.central / price.high, abs=1e-9)


def test_a_node_that_may_receive_or_cost_nothing_has_a_band_still():
    kept = left_over_band(lambda v: np.divide(v["cost"], v["paid"]), {"cost": Band(0, 1, 2), "paid": Band.certain(2)})
    assert [float(end) for end in kept] == [0.0, 0.5, 1.0]
    with np.errstate(divide="ignore"):
        kept = left_over_band(
            lambda v: np.divide(v["cost"], v["paid"]), {"cost": Band.certain(1.0), "paid": Band(0, 2, 4)}
        )
    assert [float(end) for end in kept] == [-math.inf, 0.5, 0.75]


@given(a=bands(), b=bands(), c=bands())
def test_a_flip_put_in_gives_the_pivot(a, b, c):
    inputs = tuple(Input(name=n, band=band, unit="-") for n, band in (("a", a), ("b", b), ("c", c)))
    derived = Derivation(
        formula="a - b c", function="", unit="-", inputs=inputs, model=lambda v: v["a"] - v["b"] * v["c"], pivot=0.0
    )
    for name in "abc":
        flip = derived.flips_at(name)
        assert flip is not None  # each can grow or shrink a thousandfold
        assert derived.value(**{name: flip}) == pytest.approx(0.0, abs=1e-6)
    assert derived.flips_at("a") == pytest.approx(b.central * c.central)
    assert [s.width for s in derived.swings()] == sorted((s.width for s in derived.swings()), reverse=True)


def test_no_flip_outside_the_domain_and_none_without_a_sign():
    share = Input(name="share", band=Band.certain(0.2), unit="fraction", domain=(0.0, 1.0))
    needs_more = Derivation(
        formula="", function="", unit="", inputs=(share,), model=lambda v: 1.5 - v["share"], pivot=0.0
    )
    assert needs_more.flips_at("share") is None
    assert Derivation(formula="", function="", unit="", inputs=(share,), model=lambda v: v["share"]).flips_at(
        "share"
    ) is None  # fmt: skip


def test_a_cut_off_number_flips_where_the_quantity_behind_it_crosses():
    price = Input(name="price", band=Band.certain(3.0), unit="USD")
    gap = Derivation(
        formula="max(0, 2 - price)", function="", unit="USD", inputs=(price,), pivot=0.0,
        model=lambda v: max(0.0, 2.0 - v["price"]), signed=lambda v: 2.0 - v["price"],
    )  # fmt: skip
    assert gap.value() == 0.0
    assert gap.flips_at("price") == pytest.approx(2.0)


def test_where_the_formula_means_nothing_no_flip_is_looked_for():
    def model(v):
        if v["x"] > 2.0:
            raise ModelDomainError("no")
        return 5.0 - v["x"]

    x = Input(name="x", band=Band.certain(1.0), unit="-")
    assert Derivation(formula="", function="", unit="", inputs=(x,), model=model, pivot=0.0).flips_at("x") is None


def test_the_weakest_kind_is_the_least_certain():
    assert weakest_kind(["measured", "assumption", "vendor_claim"]) == "assumption"
    assert weakest_kind([None, "protocol"]) == "protocol"
    assert weakest_kind([]) is None


def test_a_swing_without_a_finite_end_is_infinite_not_nan():
    u = Input(name="u", band=Band(0.0, 0.5, 1.0), unit="fraction")
    derived = Derivation(
        formula="", function="", unit="", inputs=(u,), model=lambda v: -math.inf if v["u"] == 0 else 1 - 1 / v["u"]
    )
    assert derived.swings()[0].width == math.inf


def test_a_swing_without_limit_reaches_its_end_and_leaves_the_other():
    def room(v):
        return margin_headroom(v["price"], 2.0, pass_through=v["beta"])

    prices = {"price": Band(1.0, 1.5, 2.5)}
    told = quadrature_band(room, {**prices, "beta": Band.certain(0.0)})
    assert [float(end) for end in told] == [-math.inf, -math.inf, math.inf]
    told = quadrature_band(room, {"price": Band(1.0, 2.5, 3.5), "beta": Band.certain(0.0)})
    assert [float(end) for end in told] == [-math.inf, math.inf, math.inf]
    # With no swing to minus infinity the low end is the worst there is, and no 0.
    low, central, high = quadrature_band(room, {"price": Band(2.2, 2.5, 3.5), "beta": Band(0.0, 0.0, 0.5)})
    assert (float(low), float(central), float(high)) == (pytest.approx(0.4), math.inf, math.inf)
