"""Which inputs decide: indices in closed form, what is left out, and what can't be said."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from scipy import stats

import depin_compare as dc
from depin_compare.bands import Band
from depin_compare.economics.nodes import Node
from depin_compare.economics.outlook import Subject
from depin_compare.economics.scenarios import scenarios
from depin_compare.errors import ModelDomainError

AS_OF, HORIZON = datetime(2026, 11, 22, tzinfo=UTC), date(2036, 12, 31)
ADVANTAGE = Band(0.3, 0.6, 0.7)


@pytest.fixture(scope="module")
def analysis() -> dc.Analysis:
    return dc.analyse(
        dc.reference_offers(as_of=AS_OF.date()), dc.reference_facts(as_of=AS_OF.date()), as_of=AS_OF,
        network_ids=("akash", "ionet"), scenario_ids=("base",), draws=64, sensitivity_ids=("base", "fractile"), seed=4,
    )  # fmt: skip


def of_one_pair(analysis: dc.Analysis, own: dict, *, advantage: Band = ADVANTAGE, **options) -> pl.DataFrame:
    """Indices of one pair whose ratio today is one input, in a scenario of our own; no node."""
    (row,) = analysis.comparison.filter(
        pl.col("network") == "akash", pl.col("accelerator") == "h100-sxm", pl.col("llm") == "llama-3.3-70b",
        pl.col("match") == "cheapest", pl.col("cloud") == "azure", pl.col("silicon") == "nvidia",
        pl.col("reference") == "modelled_cost",
    ).to_dicts()  # fmt: skip
    row |= {"advantage_low": advantage.low, "advantage": advantage.central, "advantage_high": advantage.high}
    comparison = dc.Comparison.validate(pl.DataFrame([row], schema=analysis.comparison.schema))
    subject = Subject(
        network="akash", accelerator="h100-sxm", archetype=None, llm="llama-3.3-70b", workload="chat",
        usd_per_accelerator_hour=Band.certain(2.0), node=options.pop("node", None),
    )  # fmt: skip
    told = scenarios(["mine"], own={"mine": own})
    return dc.sensitivity([subject], comparison, told, as_of=AS_OF, horizon=HORIZON, **options)


def told(frame: pl.DataFrame, measure: str = "value") -> dict[str, dict]:
    rows = frame.filter(pl.col("measure") == measure, pl.col("quantity") == "advantage").to_dicts()
    return {row["input"]: row for row in rows}


def moments(band: Band, of) -> tuple[float, float]:
    """Mean and mean square of a function of a triangular input, by quantiles close together."""
    u = (np.arange(200_000) + 0.5) / 200_000
    width = band.high - band.low
    values = of(stats.triang((band.central - band.low) / width, band.low, width).ppf(u))
    return float(values.mean()), float((values**2).mean())


def test_two_inputs_that_multiply_have_the_indices_of_their_closed_form(analysis):
    """a = 1 - A B, A today's ratio and B = (1 - h)^-lag once the lag is over: shares of Var(AB), by hand."""
    lag = {"low": 0.5, "central": 1.0, "high": 3.0}
    found = told(
        of_one_pair(
            analysis, {"hardware_decline_per_year": 0.4, "pass_through": 0.0, "network_lag_years": lag}, samples=4096
        )
    )
    log_ratio = Band(*(-np.log(1 - end) for end in (ADVANTAGE.low, ADVANTAGE.central, ADVANTAGE.high)))
    a, aa = moments(log_ratio, lambda x: np.exp(-x))
    b, bb = moments(Band(0.5, 1.0, 3.0), lambda x: 0.6**-x)
    whole = aa * bb - (a * b) ** 2
    expected = {
        "log_ratio": ((aa - a * a) * b * b / whole, (aa - a * a) * bb / whole),
        "network_lag_years": ((bb - b * b) * a * a / whole, (bb - b * b) * aa / whole),
    }
    assert set(found) == set(expected)
    for name, (first, total) in expected.items():
        row = found[name]
        assert row["first_order"] == pytest.approx(first, abs=0.02)
        assert row["total"] == pytest.approx(total, abs=0.02)
        assert row["first_order_low"] <= row["first_order"] <= row["first_order_high"]
        assert row["total_low"] <= row["total"] <= row["total_high"]
    order = sorted(found, key=lambda name: -found[name]["total"])
    assert list(found) == order


def test_one_input_alone_makes_all_of_it(analysis):
    certain = {"hardware_decline_per_year": 0.3, "pass_through": 0.5, "network_lag_years": 1.0}
    found = told(of_one_pair(analysis, certain))
    assert set(found) == {"log_ratio"}
    assert found["log_ratio"]["first_order"] == pytest.approx(1.0, abs=0.05)
    assert found["log_ratio"]["total"] == pytest.approx(1.0, abs=0.05)


def test_the_value_is_of_the_day_asked_for_and_the_loss_by_the_horizon(analysis):
    own = {"base": "base", "pass_through": 0.5}
    near = of_one_pair(analysis, own, at=date(2027, 6, 1))
    far = of_one_pair(analysis, own)
    assert set(near.filter(pl.col("measure") == "value")["at"]) == {date(2027, 6, 1)}
    assert set(far.filter(pl.col("measure") == "value")["at"]) == {date(2031, 11, 22)}
    assert set(far.filter(pl.col("measure") == "lost")["at"]) == {HORIZON}
    # In half a year the lag decides nothing yet: it is at least that long.
    assert told(near)["network_lag_years"]["total"] < 0.02 < told(far)["network_lag_years"]["total"]


def test_where_nothing_varies_it_says_so(analysis):
    certain = {"hardware_decline_per_year": 0.3, "pass_through": 0.5, "network_lag_years": {"low": 0.5, "central": 1.0,
                                                                                          "high": 2.0}}  # fmt: skip
    for advantage, words in (
        (Band(-0.6, -0.5, -0.4), "lost in every draw"),
        (Band(0.9, 0.91, 0.92), "lost in no draw"),
    ):
        lost = told(of_one_pair(analysis, certain, advantage=advantage), "lost")
        assert lost
        for row in lost.values():
            assert (row["total"], row["not_defined"]) == (None, words)


def test_a_margin_without_limit_has_no_variance_to_share_out(analysis):
    inputs = {
        "take_rate": 0.0, "utilisation": 0.5, "cost_of_capital": 0.12, "life_years": 5.0, "salvage_share": 0.2,
        "opex_share_of_capex": 0.04, "pue": 1.3, "usd_per_kwh": 0.08, "idle_power_share": 0.3, "load_kw": 1.0,
        "capex_usd": 20_000.0,
    }  # fmt: skip
    bands = {name: Band.certain(value) for name, value in inputs.items()}
    known = Node(inputs=bands | {"utilisation": Band(0.4, 0.5, 0.8)}, utilisation_kind="assumption", reasons={})
    unused = Node(inputs=bands | {"utilisation": Band.certain(0.0)}, utilisation_kind="assumption", reasons={})
    own = {"hardware_decline_per_year": 0.3, "pass_through": 0.5}
    margins = of_one_pair(analysis, own, node=known).filter(pl.col("quantity") == "full_margin")
    assert margins.filter(pl.col("measure") == "value", pl.col("input") == "utilisation")["total"][0] > 0.3
    assert margins["cloud"].null_count() == margins.height
    none = of_one_pair(analysis, own, node=unused).filter(
        pl.col("quantity") == "full_margin", pl.col("measure") == "value"
    )
    assert none.height
    assert all("no limit" in why for why in none["not_defined"])


def test_an_analysis_tells_its_scenarios_and_an_event_is_an_input(analysis):
    rows = analysis.sensitivity
    assert set(rows["scenario"]) == {"base", "fractile"}
    assert set(rows["network"]) == {"akash", "ionet"}
    assert set(rows.filter(pl.col("quantity") == "advantage")["cloud"]) == {"azure"}
    assert set(rows["reference"].drop_nulls().cast(pl.String)) == {"list", "modelled_cost"}
    assert "event" not in set(rows.filter(pl.col("scenario") == "base")["input"])
    value = rows.filter(pl.col("scenario") == "fractile", pl.col("measure") == "value")
    assert "event" in set(value["input"])
    assert not {"event_probability", "take_rate"} & set(value.filter(pl.col("network") == "akash")["input"])
    known = value.filter(pl.col("total").is_not_null())
    assert (known["total"] >= -1e-9).all()
    assert (known["first_order"] <= known["total"] + 0.1).all()


def test_the_seed_makes_it_and_other_networks_do_not(analysis):
    def of(*networks: str, **options) -> dc.Analysis:
        return dc.analyse(
            dc.reference_offers(as_of=AS_OF.date()), dc.reference_facts(as_of=AS_OF.date()), as_of=AS_OF,
            network_ids=networks, scenario_ids=("base",), draws=64, **{"seed": 4, **options},
        )  # fmt: skip

    mine = analysis.sensitivity.filter(pl.col("network") == "akash", pl.col("scenario") == "base")
    assert of("akash").sensitivity.equals(mine)
    assert not of("akash", seed=5).sensitivity.equals(mine)


@pytest.mark.parametrize("options", [{"samples": 100}, {"at": date(2026, 11, 22)}, {"at": date(2037, 1, 1)}])
def test_what_can_not_be_is_refused(analysis, options):
    with pytest.raises(ModelDomainError):
        of_one_pair(analysis, {"pass_through": 0.5}, **options)


def test_inputs_that_move_nothing_leave_nothing_to_share_out(analysis):
    """Fewer rented hours reach no buyer: the advantage is the same at every point, though an input varies."""
    certain = {"hardware_decline_per_year": 0.27, "network_lag_years": 1.0, "pass_through": 0.5}
    frame = of_one_pair(
        analysis, {"base": "token_crash", **{name: dict.fromkeys(("low", "central", "high"), value)
                                             for name, value in certain.items()}},
        advantage=Band.certain(0.3),
    )  # fmt: skip
    assert set(told(frame)) == {"demand_factor"}
    assert told(frame)["demand_factor"]["not_defined"] == "the value is the same in every draw"
