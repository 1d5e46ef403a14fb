"""The stress grid: hand-worked corners, the margins' own numbers without stress, and unknowns that say so."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import depin_compare as dc
from depin_compare.bands import Band
from depin_compare.economics.nodes import Node
from depin_compare.economics.stress import CLOUD_COST_CUTS, TOKEN_PRICE_FACTORS, UTILISATIONS, stress_of
from depin_compare.errors import ModelDomainError

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
# The worked H100: full margin -0.166 at 1.70 USD and 70 % use, 0.156 at 2.35.
H100 = {
    "take_rate": 0.0, "utilisation": 0.7, "cost_of_capital": 0.12, "life_years": 5.0, "salvage_share": 0.2, "pue": 1.3,
    "opex_share_of_capex": 0.04, "usd_per_kwh": 0.08, "idle_power_share": 0.3, "load_kw": 1.0, "capex_usd": 40_000.0,
}  # fmt: skip
# Of every input but the price: capital, running cost and power at 70 % use, USD per hour.
COSTS = 1.12296 + 40_000 * 0.04 / 8760 + 0.08 * 1.3 * (0.7 + 0.3 * 0.3)


def node(**changed: float) -> Node:
    return Node(
        inputs={name: Band.certain(value) for name, value in (H100 | changed).items()}, utilisation_kind="assumption",
        reasons={},
    )  # fmt: skip


def cell(grid: pl.DataFrame, **values: float) -> dict:
    rows = grid.filter(*(pl.col(name) == value for name, value in values.items()))
    assert rows.height == 1, rows
    return rows.row(0, named=True)


def test_the_worked_h100_and_what_a_cut_of_the_cloud_leaves_of_it():
    grid = dc.stress_grid(node(), 2.35, cloud_cost_cuts=[0.0, 0.4], utilisations=[0.5, 0.7], pass_through=0.5)
    today = cell(grid, cloud_cost_cut=0.0, utilisation=0.7)
    assert today["full_margin"] == pytest.approx(0.156, abs=5e-4)
    assert today["cash_margin"] == pytest.approx(0.839, abs=5e-4)
    # Half of a 40 % fall reaches the network: 2.35 x 0.8 = 1.88 USD.
    cut = cell(grid, cloud_cost_cut=0.4, utilisation=0.7)
    assert cut["usd_per_accelerator_hour"] == pytest.approx(1.88)
    assert cut["full_margin"] == pytest.approx(1.0 - COSTS / (1.88 * 0.7), abs=1e-5)
    assert grid["utilisation"].to_list() == [0.5, 0.7, 0.5, 0.7]
    assert grid["token_price_factor"].null_count() == 4
    assert not grid["with_rewards"].any()


def test_rewards_rise_and_fall_with_the_token():
    grid = dc.stress_grid(
        node(), 1.70, cloud_cost_cuts=[0.0], token_price_factors=[0.0, 1.0, 2.0], reward_usd_per_rented_hour=0.6
    )
    assert grid["utilisation"].null_count() == grid.height == 3
    assert cell(grid, token_price_factor=0.0)["full_margin"] == pytest.approx(-0.166, abs=5e-4)
    for factor in (1.0, 2.0):
        receipts = (1.70 + 0.6 * factor) * 0.7
        assert cell(grid, token_price_factor=factor)["full_margin"] == pytest.approx(1 - COSTS / receipts, abs=1e-5)


@given(
    price=st.floats(0.2, 10.0), beta=st.floats(0.0, 1.0), take=st.floats(0.0, 0.5),
    cuts=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=4, unique=True),
    uses=st.lists(st.floats(0.05, 1.0), min_size=2, max_size=4, unique=True),
)  # fmt: skip
@settings(max_examples=30)
def test_margins_fall_with_the_cut_and_rise_with_use(price, beta, take, cuts, uses):
    grid = dc.stress_grid(
        node(take_rate=take), price, cloud_cost_cuts=sorted(cuts), utilisations=sorted(uses), pass_through=beta
    )
    assert grid.height == len(cuts) * len(uses)
    for name in ("full_margin", "cash_margin"):
        wide = grid.pivot("utilisation", index="cloud_cost_cut", values=name).drop("cloud_cost_cut").to_numpy()
        for row in wide.T:
            assert all(a >= b or math.isclose(a, b) for a, b in pairwise(row))
        for row in wide:
            assert all(a <= b or math.isclose(a, b) for a, b in pairwise(row))
    assert (grid["full_margin"] <= grid["cash_margin"]).all()


def test_what_is_not_known_is_null_and_says_why():
    without = replace(node(), reasons={"capex_usd": "no sourced price to buy this chip"})
    grid = dc.stress_grid(without, 2.0, cloud_cost_cuts=[0.0], utilisations=[0.5])
    assert (grid["full_margin"][0], grid["not_known"][0]) == (None, "no sourced price to buy this chip")
    why = "no price of the token on record"
    grid = dc.stress_grid(node(), 2.0, cloud_cost_cuts=[0.0], token_price_factors=[1.0], reward_not_known=why)
    assert (grid["full_margin"][0], grid["cash_margin"][0], grid["not_known"][0]) == (None, None, why)


def test_a_node_paid_in_tokens_alone_does_not_feel_the_clouds_price():
    paid = replace(node(take_rate=1.0), paid_in_tokens=True)
    grid = dc.stress_grid(
        paid, 2.0, cloud_cost_cuts=[0.0, 0.9], utilisations=[0.7], token_price_factors=[0.0, 1.0],
        reward_usd_per_rented_hour=2.5,
    )  # fmt: skip
    assert grid["with_rewards"].all()
    over_use = grid.filter(pl.col("utilisation") == 0.7)["full_margin"]
    assert over_use.to_list() == pytest.approx([1 - COSTS / 1.75] * 2, abs=1e-5)
    assert set(grid.filter(pl.col("token_price_factor") == 0.0)["full_margin"]) == {-math.inf}


@pytest.mark.parametrize(
    "options",
    [{"cloud_cost_cuts": [1.2]}, {"utilisations": [1.5]}, {"token_price_factors": [-1.0]},
     {"token_price_factors": [math.nan]}, {"pass_through": 2.0}],
)  # fmt: skip
def test_what_can_not_be_is_refused(options):
    with pytest.raises(ModelDomainError):
        dc.stress_grid(node(), 2.0, **options)
    with pytest.raises(ModelDomainError):
        dc.stress_grid(node(), 0.0)
    with pytest.raises(ModelDomainError):
        dc.stress_grid(node(), math.nan)


def test_an_analysis_holds_the_grids_of_its_headline_nodes():
    analysis = dc.analyse(
        dc.reference_offers(as_of=AS_OF.date()), dc.reference_facts(as_of=AS_OF.date()), as_of=AS_OF,
        network_ids=("akash", "render"), scenario_ids=("base",), draws=64,
    )  # fmt: skip
    stress = analysis.stress
    akash = stress.filter(pl.col("network") == "akash")
    assert akash.height == len(CLOUD_COST_CUTS) * len(UTILISATIONS)
    (margin,) = analysis.margins.filter(
        pl.col("network") == "akash", pl.col("accelerator") == akash["accelerator"][0],
        pl.col("archetype") == akash["archetype"][0],
    ).to_dicts()  # fmt: skip
    above, below = (
        cell(akash, cloud_cost_cut=0.0, utilisation=round(use, 1))["full_margin"]
        for use in (math.ceil(margin["utilisation"] * 10) / 10, math.floor(margin["utilisation"] * 10) / 10)
    )
    assert below <= margin["full_margin"] <= above
    render = stress.filter(pl.col("network") == "render")
    assert render["token_price_factor"].drop_nulls().n_unique() == len(TOKEN_PRICE_FACTORS)
    assert render["full_margin"].null_count() == render.height
    assert set(render["not_known"]) == {"no price of the token of render on record"}


def test_an_expired_price_has_no_margin_but_the_reason():
    subject = dc.Subject(
        network="akash", accelerator="h100-sxm", archetype="data_centre", llm="llama-3.3-70b", workload="chat",
        usd_per_accelerator_hour=Band.certain(2.0), node=node(),
    )  # fmt: skip
    facts = dc.reference_facts(as_of=AS_OF.date())
    assert stress_of([subject], facts, pass_through=0.5)["full_margin"].null_count() == 0
    expired = stress_of([replace(subject, expired="the price is 90 days old")], facts, pass_through=0.5)
    assert expired.height == len(CLOUD_COST_CUTS) * len(UTILISATIONS)
    assert expired["full_margin"].null_count() == expired["cash_margin"].null_count() == expired.height
    assert set(expired["not_known"]) == {"the price is 90 days old"}
