"""Scenarios as data: what ships, what a user may lay over it, and what the worlds of paths make of them."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depin_compare.economics.own_scenarios import own_scenario_faults, pasteable, scenario_changes
from depin_compare.economics.scenario_parameters import PARAMETERS, contradictions, values_of
from depin_compare.economics.scenarios import (
    YOURS,
    scenario_differences,
    scenario_ids,
    scenario_of,
    scenario_overview,
    scenario_sheet,
    scenario_values,
    scenarios,
)
from depin_compare.economics.world import Clock, World
from depin_compare.errors import ConfigError, UnknownNameError
from depin_compare.refdata import load_toml, sources

PACKAGED = load_toml("scenarios")
VALUES = [(name, p, value) for name, table in PACKAGED.items() for p, value in values_of(table).items()]
# Who sells the chip, the confidential machine or the token says so himself, or pays for it to be said.
OF_VENDORS = {
    "microsoft-maia200-2026-01", "aws-trainium-claims", "fractile-claims", "voltagegpu-tee", "coindesk-ionet-ide",
}  # fmt: skip


class TestWhatShips:
    def test_every_scenario_of_the_brief_is_there(self):
        assert scenario_ids() == [
            "base", "maia200", "silicon_price_war", "fractile", "supply_crunch", "depin_gains", "token_crash",
            "cloud_mix",
        ]  # fmt: skip

    @pytest.mark.parametrize(("scenario", "parameter", "value"), VALUES, ids=lambda v: v if isinstance(v, str) else "")
    def test_every_value_has_a_source_a_kind_a_unit_and_lies_in_range(self, scenario, parameter, value):
        known = PARAMETERS[parameter.partition(".")[0]]
        assert known.low <= value["low"] <= value["central"] <= value["high"] <= known.high
        assert value["unit"] == known.unit
        assert sources().filter(source_id=value["source_id"]).height == 1
        # Our own assumptions are told as such, and nothing else is told as ours.
        assert value["source_id"] != "depin-compare-assumptions" or value["kind"] == "assumption"

    def test_every_value_says_something(self):
        for name, table in PACKAGED.items():
            assert list(contradictions(values_of(table))) == [], name
            assert table["clouds"], name

    def test_what_vendors_say_of_themselves_is_told_as_a_claim_or_as_our_haircut(self):
        told = {(name, p): value["kind"] for name, p, value in VALUES if value["source_id"] in OF_VENDORS}
        assert {key for key, kind in told.items() if kind == "vendor_claim"} == {
            ("maia200", "unit_cost_factor"), ("silicon_price_war", "unit_cost_factor"),
            ("cloud_mix", "unit_cost_factor.maia"), ("cloud_mix", "unit_cost_factor.trainium"),
            ("depin_gains", "network_efficiency_gain"), ("token_crash", "demand_factor"),
        }  # fmt: skip
        ours = {key for key, kind in told.items() if kind == "assumption"}
        assert ours == {("fractile", "unit_cost_factor"), ("cloud_mix", "unit_cost_factor.startup")}
        assert all("our haircut" in values_of(PACKAGED[name])[p]["note"] for name, p in ours)
        assert len(told) == 8

    def test_figures_follow_from_what_their_sources_say(self):
        central = {(name, p): value["central"] for name, p, value in VALUES}
        assert central["base", "hardware_decline_per_year"] == pytest.approx(1 - 1 / 1.37, abs=0.001)
        assert central["maia200", "unit_cost_factor"] == pytest.approx(1 / 1.30, abs=0.001)
        assert central["cloud_mix", "unit_cost_factor.trainium"] == pytest.approx(1 / 1.35, abs=0.001)
        assert central["supply_crunch", "network_peak_multiplier"] == pytest.approx(2.35 / 1.70, abs=0.003)
        assert central["depin_gains", "network_efficiency_gain"] == pytest.approx(0.95 / 0.88, abs=0.001)
        war = values_of(PACKAGED["silicon_price_war"])["list_price_factor"]
        assert (war["low"], war["high"]) == (pytest.approx(1 - 0.44), pytest.approx(1 - 0.25))
        # 10 % to 90 % in three and in two years: k = 2 ln 9 / w.
        assert central["maia200", "adoption_slope_per_year"] == pytest.approx(2 * np.log(9) / 3, abs=0.001)
        assert central["silicon_price_war", "adoption_slope_per_year"] == pytest.approx(2 * np.log(9) / 2, abs=0.005)
        mix = [value for (name, p), value in central.items() if name == "cloud_mix" and p.startswith("adoption_ceil")]
        assert sum(mix) == pytest.approx(0.6)

    def test_what_may_not_happen_is_listed_with_its_probability(self):
        listed = dict(scenario_overview().select("scenario", "event_probability").iter_rows())
        assert {name for name, chance in listed.items() if chance} == {"fractile", "cloud_mix"}
        assert listed["cloud_mix"] == "startup 0.15 (0.1 to 0.25)"


def wedge(name: str, pricing: str, years: float, **changed) -> float:
    (scenario,) = scenarios([name])
    world = World(scenario=scenario, pricing=pricing, clock=Clock.between(date(2026, 11, 22), date(2032, 11, 22)))
    values = {parameter: band.central for parameter, band in world.inputs.items()} | changed
    return float(world.wedge(values, np.array([years]))[0])


@pytest.mark.parametrize(
    ("name", "fleet_average", "marginal"), [("maia200", 0.885, 0.77), ("silicon_price_war", 0.730, 0.55),
                                            ("fractile", 0.901, 0.50)],
)  # fmt: skip
def test_unit_cost_of_a_fleet_five_years_from_late_2026(name, fleet_average, marginal):
    happens = {"event": 1.0} if name == "fractile" else {}
    assert wedge(name, "fleet_average", 5.0, **happens) == pytest.approx(fleet_average, abs=0.0006)
    # Priced at the cheapest silicon there is, all of the saving is there at once.
    assert wedge(name, "marginal", 5.0, **happens) == pytest.approx(marginal)
    assert wedge(name, "marginal", 1 / 12, **happens) == pytest.approx(marginal)
    assert wedge(name, "marginal", 0.0, **happens) == wedge(name, "fleet_average", 0.0, **happens) == 1.0


def test_a_disruptor_that_does_not_come_changes_nothing():
    for pricing in ("fleet_average", "marginal"):
        assert wedge("fractile", pricing, 5.0, event=0.0) == 1.0
    # In a mix the others stay: at the end 0.15 x 0.23 + 0.2 x 0.3 + 0.2 x 0.26, and 0.05 x 0.5 of the start-up's.
    without = 1 - 0.15 * 0.23 - 0.2 * 0.3 - 0.2 * 0.26
    assert wedge("cloud_mix", "fleet_average", 40.0, **{"event.startup": 0.0}) == pytest.approx(without)
    assert wedge("cloud_mix", "fleet_average", 40.0, **{"event.startup": 1.0}) == pytest.approx(without - 0.025)


class TestOwn:
    @pytest.mark.parametrize("base", PACKAGED)
    def test_a_base_with_nothing_changed_is_the_base(self, base):
        own = {"mine": {"base": base}}
        (mine,), (there,) = scenarios(["mine"], own=own), scenarios([base])
        assert (mine.parameters, mine.clouds, mine.silicons) == (there.parameters, there.clouds, there.silicons)
        assert scenario_differences("mine", base, own=own).height == 0
        assert scenario_changes(own, ["mine"]).height == 0
        told = scenario_values(["mine", base], own=own).drop("scenario", "title", "meaning")
        half = told.height // 2
        assert told.head(half).equals(told.tail(half))

    @pytest.mark.parametrize("name", PACKAGED)
    def test_what_is_printed_to_paste_says_the_same_and_cites_the_same(self, name):
        there, table = pasteable(name)
        own = {there: table}
        assert own_scenario_faults(there, table) == []
        assert scenario_differences(there, name, own=own).height == 0
        assert YOURS not in scenario_sheet(there, own=own)["source_id"].to_list()
        assert pasteable(there, own) == (there, table)

    @settings(max_examples=50)
    @given(data=st.data())
    def test_one_value_changed_changes_that_value_alone(self, data):
        name, parameter, value = data.draw(st.sampled_from(VALUES))
        known = PARAMETERS[parameter.partition(".")[0]]
        # The shares of a mix can't be raised freely: together they are at most the whole.
        most = value["high"] if parameter.startswith("adoption_ceiling") else known.high
        low, central, high = sorted(data.draw(st.tuples(*[st.floats(known.low, most)] * 3)))
        key, _, tag = parameter.partition(".")
        band = {"low": low, "central": central, "high": high}
        own = {"mine": {"base": name, key: {tag: band} if tag else band}}
        same = band == {end: value[end] for end in band}
        told = scenario_differences(name, "mine", own=own)
        assert told["parameter"].to_list() == ([] if same else [parameter])
        before = scenario_sheet(name).filter(pl.col("parameter") != parameter).drop("said_by")
        after = scenario_sheet("mine", own=own).filter(pl.col("parameter") != parameter).drop("said_by")
        assert after.sort("parameter").equals(before.sort("parameter"))
        changes = scenario_changes(own, ["mine"])
        assert changes.select("key", "before", "after").rows() == (
            [] if same else [(f"mine.{parameter}", value["central"], central)]
        )

    @settings(max_examples=40)
    @given(
        names=st.tuples(st.sampled_from([*PACKAGED, "mine"]), st.sampled_from([*PACKAGED, "mine"])),
        factor=st.floats(0.1, 2.0),
    )
    def test_differences_are_the_same_from_both_sides(self, names, factor):
        own = {"mine": {"base": "maia200", "unit_cost_factor": factor, "clouds": ["aws"]}}
        there = scenario_differences(*names, own=own)
        back = scenario_differences(*reversed(names), own=own)
        sides = {c: c.replace("first", "second") if c.startswith("first") else c.replace("second", "first")
                 for c in there.columns}  # fmt: skip
        assert there.rename(sides).select(back.columns).equals(back)
        assert (there.height == 0) == (names[0] == names[1])

    def test_a_number_is_certain_and_an_end_left_out_is_the_bases(self):
        own = {
            "bare": {"base": "maia200", "unit_cost_factor": 0.72},
            "one_end": {"base": "maia200", "unit_cost_factor": {"central": 0.72}},
            "new": {"pass_through": 0.4, "demand_factor": {"central": 0.6}},
        }
        bare, one_end, new = scenarios(["bare", "one_end", "new"], own=own)
        bands = [s.parameters["unit_cost_factor"] for s in (bare, one_end)]
        assert [(b.low, b.central, b.high) for b in bands] == [(0.72, 0.72, 0.72), (0.70, 0.72, 1.00)]
        assert (new.parameters["demand_factor"].low, new.parameters["demand_factor"].high) == (0.6, 0.6)

    def test_silicon_named_in_part_leaves_the_others_as_they_were(self):
        own = {
            "mine": {
                "base": "cloud_mix",
                "unit_cost_factor": {"maia": 0.6, "lpu": 0.8},
                "adoption_ceiling": {"lpu": 0.05},
            }
        }
        (mine,), (mix,) = scenarios(["mine"], own=own), scenarios(["cloud_mix"])
        assert mine.silicons == (*mix.silicons, "lpu")
        assert mine.parameters["unit_cost_factor.tpu"] == mix.parameters["unit_cost_factor.tpu"]
        # Several silicons in place of one.
        split = {"split": {"base": "maia200", "unit_cost_factor": {"maia": 0.77, "tpu": 0.7}, "adoption_ceiling": 0.3}}
        (two,) = scenarios(["split"], own=split)
        assert (two.silicons, two.parameters["adoption_ceiling"].central) == (("maia", "tpu"), 0.3)
        assert "unit_cost_factor" not in two.parameters

    def test_whose_a_number_is_and_how_it_is_known_is_told(self):
        claim = {
            "low": 0.7,
            "central": 0.77,
            "high": 1.0,
            "kind": "vendor_claim",
            "source_id": "microsoft-maia200-2026-01",
        }
        note = PACKAGED["maia200"]["unit_cost_factor"]["note"]
        tables = {
            "same": claim | {"note": note},
            # A number that is changed is no claim of Microsoft's any more, whatever was pasted beside it.
            "changed": claim | {"central": 0.9, "note": note},
            "tested": {"central": 0.8, "kind": "measured", "source": "our own test", "note": "one week"},
        }
        own = {name: {"base": "maia200", "unit_cost_factor": value} for name, value in tables.items()}
        rows = {
            name: scenario_sheet(name, own=own).filter(parameter="unit_cost_factor").row(0, named=True) for name in own
        }
        assert (rows["same"]["kind"], rows["same"]["source_id"], rows["same"]["said_by"]) == (
            "vendor_claim", "microsoft-maia200-2026-01", "maia200",
        )  # fmt: skip
        assert (rows["changed"]["kind"], rows["changed"]["source_id"]) == ("assumption", YOURS)
        assert rows["changed"]["note"].startswith("after Microsoft")
        assert note not in rows["changed"]["note"]
        assert (rows["tested"]["kind"], rows["tested"]["note"]) == ("measured", "our own test; one week")
        assert rows["tested"]["said_by"] == "tested"

    @pytest.mark.parametrize(
        ("table", "place", "words"),
        [
            ({"base": "maia20"}, "base", ["maia200"]),
            ({"unit_cost_factr": 0.7}, "unit_cost_factr", ["unknown key", "unit_cost_factor"]),
            ({"title": ""}, "title", ["words"]),
            ({"clouds": "azure"}, "clouds", ["'azure'", "list"]),
            ({"clouds": ["azur"]}, "clouds", ["did you mean azure?"]),
            ({"clouds": []}, "clouds", ["list"]),
            # numbers
            ({"pass_through": 40}, "pass_through", ["saw 40", "0 to 1"]),
            ({"pass_through": float("nan")}, "pass_through", ["saw nan", "0 to 1"]),
            ({"pass_through": "0.4"}, "pass_through", ["without quotes"]),
            ({"pass_through": True}, "pass_through", ["saw true"]),
            ({"pass_through": {}}, "pass_through", ["nothing in it"]),
            ({"pass_through": {"high": -1}}, "pass_through.high", ["saw -1", "0 to 1"]),
            ({"pass_through": {"cental": 0.4}}, "pass_through.cental", ["'central'"]),
            ({"pass_through": {"low": 0.6}}, "pass_through", ["low 0.6, central 0.5, high 1", "as in the base"]),
            ({"demand_factor": {"low": 0.6}}, "demand_factor", ["low, central and high"]),
            # whence
            ({"pass_through": {"central": 0.6, "unit": "percent"}}, "pass_through.unit", ["'fraction'"]),
            ({"pass_through": {"central": 0.6, "kind": "rumour"}}, "pass_through.kind", ["vendor_claim"]),
            ({"pass_through": {"central": 0.6, "kind": "measured"}}, "pass_through.kind", ["source ="]),
            ({"pass_through": {"central": 0.6, "source_id": "epoch"}}, "pass_through.source_id", ["in words"]),
            ({"pass_through": {"central": 0.6, "source": 7}}, "pass_through.source", ["words"]),
            # one silicon among several
            ({"pass_through": {"maia": 0.4}}, "pass_through.maia", ["unknown key"]),
            ({"base": "cloud_mix", "unit_cost_factor": 0.7}, "unit_cost_factor", ["unit_cost_factor.maia"]),
            ({"base": "cloud_mix", "adoption_ceiling": {"mai": 0.1}}, "adoption_ceiling.mai", ["maia, tpu"]),
            ({"base": "cloud_mix", "adoption_ceiling": {"tpu": 0.9}}, "adoption_ceiling", ["1.55", "within 1"]),
            ({"base": "maia200", "unit_cost_factor": {"a": 0.7, "b": 0.6}, "adoption_ceiling": 0.6},
             "adoption_ceiling", ["1.20"]),
            ({"base": "maia200", "unit_cost_factor": {"a": 0.7}, "event_probability": 0.1}, "event_probability",
             ["say which silicon", "{ a = ... }"]),
            # half of what belongs together
            ({"unit_cost_factor": 0.7}, "unit_cost_factor", ["adoption_midpoint_year", "adoption_ceiling"]),
            ({"adoption_ceiling": 0.7}, "adoption_ceiling", ["unit_cost_factor"]),
            ({"event_probability": 0.7}, "event_probability", ["unit_cost_factor"]),
            ({"list_price_factor": 0.7}, "list_price_factor", ["adoption_slope_per_year"]),
            ({"network_peak_multiplier": 1.4}, "network_peak_multiplier", ["peak_after_years, half_life_years"]),
            ({"take_rate_target": 0.0}, "take_rate_target", ["gains_midpoint_year, gains_slope_per_year"]),
        ],
    )  # fmt: skip
    def test_a_slip_is_told_where_it_stands_with_what_was_seen_and_the_mend(self, table, place, words):
        ((at, what),) = own_scenario_faults("mine", table)
        assert ".".join(at) == place
        assert all(word in what for word in words), what
        with pytest.raises(ConfigError, match=r"scenarios\.mine"):
            scenarios(["mine"], own={"mine": table})

    def test_every_parameter_that_says_nothing_alone_is_refused_alone(self):
        """What the paths would silently leave out of account, or could not work out, never comes that far."""
        alone = [p for p, known in PARAMETERS.items() if not own_scenario_faults("mine", {p: known.low})]
        assert alone == ["hardware_decline_per_year", "network_lag_years", "pass_through", "demand_factor"]
        for parameter in alone:
            own = {"mine": {parameter: PARAMETERS[parameter].low}}
            (mine,) = scenarios(["mine"], own=own)
            clock = Clock.between(date(2026, 11, 22), date(2030, 11, 22))
            base, changed = (
                [
                    world.network_price(values), world.cloud_price(values, "aws", "nvidia", "list"),
                    world.provider(values).get("utilisation", 0.5) * np.ones_like(clock.years),
                ]
                for scenario in (*scenarios(["base"]), mine)
                for world in [World(scenario=scenario, pricing="fleet_average", clock=clock)]
                for values in [{n: b.central for n, b in world.inputs.items()} | {"take_rate": 0.1, "utilisation": 0.5}]
            )  # fmt: skip
            # Pass-through is of new silicon: base has none, but every scenario that starts from one with silicon has.
            assert parameter == "pass_through" or not np.allclose(base, changed), parameter

    @pytest.mark.parametrize("name", ["maia200", "scenarios", "Mine", "a b", ""])
    def test_names_that_can_not_be(self, name):
        assert own_scenario_faults(name, {"base": "base"})

    def test_an_own_scenario_is_rebuilt_from_the_frame_of_an_analysis(self):
        own = {"mine": {"base": "cloud_mix", "pass_through": 0.9, "unit_cost_factor": {"tpu": 0.6}}}
        frame = scenario_values(["base", "mine"], own=own)
        (mine,) = scenarios(["mine"], own=own)
        assert scenario_of(frame, "mine").parameters == mine.parameters
        with pytest.raises(UnknownNameError, match="mine"):
            scenarios(["mein"], own=own)
