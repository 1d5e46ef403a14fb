"""The outlook under draws: closed forms, a plain reference written here, common random numbers, and equal bytes."""

import io
import math
import random
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest

import depin_compare as dc
from depin_compare.bands import Band
from depin_compare.economics.headlines import subjects
from depin_compare.economics.lineage import Lineage
from depin_compare.economics.nodes import Node
from depin_compare.economics.outlook import Erosion, Subject, erosion
from depin_compare.economics.scenarios import Scenario, scenarios
from depin_compare.refdata.assumption_set import assumption_set

AS_OF, HORIZON = datetime(2026, 11, 22, tzinfo=UTC), date(2036, 12, 31)
NETWORKS = ("akash", "ionet", "nosana")
FRAMES = ("advantage_paths", "margin_paths", "outlook", "drivers", "probabilities")
NODE = {
    "take_rate": Band(0.0, 0.02, 0.05), "utilisation": Band(0.4, 0.6, 0.9), "cost_of_capital": Band(0.08, 0.12, 0.18),
    "life_years": Band(4, 5, 6), "salvage_share": Band(0.1, 0.2, 0.35), "opex_share_of_capex": Band(0.03, 0.04, 0.06),
    "pue": Band(1.15, 1.3, 1.56), "usd_per_kwh": Band(0.06, 0.08, 0.155), "idle_power_share": Band(0.2, 0.3, 0.4),
    "load_kw": Band(0.9, 1.0, 1.2), "capex_usd": Band(14_000, 18_000, 25_000),
}  # fmt: skip


@pytest.fixture(scope="module")
def analysis() -> dc.Analysis:
    return dc.analyse(
        dc.reference_offers(as_of=AS_OF.date()), dc.reference_facts(as_of=AS_OF.date()), as_of=AS_OF,
        network_ids=NETWORKS, scenario_ids=("base",), draws=64,
    )  # fmt: skip


@pytest.fixture(scope="module")
def lineage(analysis) -> Lineage:
    a = analysis
    return Lineage(
        markets=a.market_prices, costs=a.unit_costs, throughputs=a.throughputs, terms=a.seller_terms, facts=a.facts,
        assumptions=assumption_set(),
    )  # fmt: skip


def chosen_of(analysis: dc.Analysis, *networks: str) -> tuple[Subject, ...]:
    a = analysis
    return subjects(
        a.unit_costs, a.market_prices, a.facts, assumption_set(), networks=networks, llms=["llama-3.3-70b"],
        workloads=["chat"],
    )  # fmt: skip


def real(analysis: dc.Analysis, lineage: Lineage, *networks: str, ids=("base", "cloud_mix"), **options) -> Erosion:
    return erosion(
        chosen_of(analysis, *networks), analysis.comparison, scenarios(ids), as_of=AS_OF, horizon=HORIZON,
        lineage=lineage, **{"draws": 256, "seed": 7, **options},
    )  # fmt: skip


def one_pair(analysis: dc.Analysis, advantage: Band) -> pl.DataFrame:
    """The comparison cut down to one pair, against Azure's NVIDIA chips at cost, of a given advantage."""
    (row,) = analysis.comparison.filter(
        pl.col("network") == "akash", pl.col("accelerator") == "h100-sxm", pl.col("llm") == "llama-3.3-70b",
        pl.col("match") == "cheapest", pl.col("cloud") == "azure", pl.col("silicon") == "nvidia",
        pl.col("reference") == "modelled_cost",
    ).to_dicts()  # fmt: skip
    ends = dict(zip(("_low", "", "_high"), (advantage.low, advantage.central, advantage.high), strict=True))
    row |= {f"advantage{end}": value for end, value in ends.items()} | {"usd_per_mtok_network": 1.0}
    return dc.Comparison.validate(pl.DataFrame([row], schema=analysis.comparison.schema))


def synthetic(
    analysis: dc.Analysis, scenario: Scenario, *, advantage: Band, price: Band, node: dict[str, Band], **options
) -> Erosion:
    subject = Subject(
        network="akash", accelerator="h100-sxm", archetype="data_centre", llm="llama-3.3-70b", workload="chat",
        usd_per_accelerator_hour=price, node=Node(inputs=node, utilisation_kind="assumption", reasons={}),
    )  # fmt: skip
    return erosion([subject], one_pair(analysis, advantage), [scenario], as_of=AS_OF, horizon=HORIZON, **options)


def told(frame: pl.DataFrame, **values: str) -> dict:
    rows = frame.filter(*(pl.col(name).cast(pl.String) == value for name, value in values.items()))
    assert rows.height == 1, rows
    return rows.row(0, named=True)


# Closed forms.


@pytest.mark.parametrize(("h", "advantage"), [(0.27, 0.6), (0.5, 0.9), (0.1, 0.3)])
def test_with_certain_inputs_the_dates_of_the_centre_and_of_the_draws_are_the_closed_form(analysis, h, advantage):
    certain = {name: Band.certain(band.central) for name, band in NODE.items()}
    (exponential,) = scenarios(
        ["exponential"],
        own={"exponential": {"hardware_decline_per_year": h, "network_lag_years": 10.0, "pass_through": 0.0}},
    )
    found = synthetic(
        analysis, exponential, advantage=Band.certain(advantage), price=Band.certain(3.0), node=certain, draws=64
    )
    row = told(found.outlook, quantity="advantage", pricing="fleet_average")
    exact = AS_OF.date() + timedelta(days=math.log(1 - advantage) / math.log(1 - h) * 365.25)
    for column in ("date", "date_p10", "date_p50", "date_p90"):
        assert abs(row[column] - exact) <= timedelta(days=1), (column, exact, row[column])
    assert (row["probability_lost"], row["probability_lost_if_event"]) == (1.0, None)
    held = told(found.outlook, quantity="full_margin", pricing="fleet_average")
    assert [held[c] for c in ("date", "date_p10", "date_p50", "date_p90")] == [None] * 4  # the price stays
    assert (held["state"], held["probability_lost"]) == ("not_reached", 0.0)


def test_certain_inputs_have_one_path(analysis):
    certain = {name: Band.certain(band.central) for name, band in NODE.items()}
    (told_,) = scenarios(["flat"], own={"flat": {"hardware_decline_per_year": 0.2, "network_lag_years": 1.0,
                                                 "pass_through": 0.5}})  # fmt: skip
    found = synthetic(analysis, told_, advantage=Band.certain(0.4), price=Band.certain(3.0), node=certain, draws=64)
    for paths, names in ((found.advantage_paths, ["advantage"]),
                         (found.margin_paths, ["full_margin", "full_margin_new_node"])):  # fmt: skip
        for name in names:
            for end in ("p10", "p50", "p90"):
                assert (paths[f"{name}_{end}"] - paths[name]).abs().max() < 1e-6


# A plain reference: its own sampling, one draw at a time, formulas written out.

MONTHS = (12, 60, 120)
N_REFERENCE = 12_000
ADVANTAGE, PRICE = Band(0.2, 0.45, 0.65), Band(1.6, 2.0, 2.6)


def reference_draws(seed: int) -> dict[str, list[list[float]]]:
    """By quantity a list of ratios at today and `MONTHS`, and whether it was lost by the horizon, a draw an entry."""
    chance, normal = random.Random(seed), NormalDist()
    parameters = scenarios(["maia200"])[0].parameters
    start = 2026 + 325 / 365.25
    rho = assumption_set()["price_utilisation_correlation"].central

    def draw(band: Band) -> float:
        return chance.triangular(band.low, band.high, band.central) if band.low < band.high else band.central

    def at(band: Band, u: float) -> float:
        split = (band.central - band.low) / (band.high - band.low)
        if u < split:
            return band.low + math.sqrt(u * (band.high - band.low) * (band.central - band.low))
        return band.high - math.sqrt((1 - u) * (band.high - band.low) * (band.high - band.central))

    made: dict[str, list[list[float]]] = {"advantage": [], "full_margin": [], "full_margin_new_node": []}
    log_ratio = Band(*(-math.log(1 - end) for end in (ADVANTAGE.low, ADVANTAGE.central, ADVANTAGE.high)))
    for _ in range(N_REFERENCE):
        v = {name: draw(band) for name, band in parameters.items()}
        z = chance.gauss(0, 1)
        w = rho * z + math.sqrt(1 - rho * rho) * chance.gauss(0, 1)
        price, use = at(PRICE, normal.cdf(z)), at(NODE["utilisation"], normal.cdf(w))
        n = {name: draw(band) for name, band in NODE.items()} | {"utilisation": use}
        ratio = math.exp(-draw(log_ratio))
        r, life = n["cost_of_capital"], n["life_years"]
        crf = r * (1 + r) ** life / ((1 + r) ** life - 1)
        capital = (n["capex_usd"] - n["salvage_share"] * n["capex_usd"] / (1 + r) ** life) * crf / 8760
        costs = capital + n["capex_usd"] * n["opex_share_of_capex"] / 8760
        costs += n["usd_per_kwh"] * n["pue"] * n["load_kw"] * (use + n["idle_power_share"] * (1 - use))

        def logistic(t: float, v=v) -> float:
            return 1 / (1 + math.exp(-v["adoption_slope_per_year"] * (start + t - v["adoption_midpoint_year"])))

        def wedge(t: float, v=v, logistic=logistic) -> float:
            t = max(t, 0.0)
            adopted = v["adoption_ceiling"] * (logistic(t) - logistic(0)) / (1 - logistic(0))
            return 1 - adopted * (1 - v["unit_cost_factor"])

        advantages, old, new = [], [], []
        for month in (0, *MONTHS):
            t = month / 12
            behind = t - v["network_lag_years"]
            g, g_behind = ((1 - v["hardware_decline_per_year"]) ** max(x, 0.0) for x in (t, behind))
            network = g_behind * (1 - v["pass_through"] * (1 - wedge(behind)))
            advantages.append(1 - ratio * network / (g * wedge(t)))
            receipts = price * network * (1 - n["take_rate"]) * use
            old.append((receipts - costs) / receipts)
            new.append((receipts - costs * g) / receipts)
        for name, path in zip(made, (advantages, old, new), strict=True):
            made[name].append(path)
    return made


def quantile(ordered: list[float], q: float) -> float:
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


@pytest.fixture(scope="module")
def beside(analysis) -> tuple[Erosion, dict[str, list[list[float]]]]:
    (maia,) = scenarios(["maia200"])
    found = synthetic(analysis, maia, advantage=ADVANTAGE, price=PRICE, node=NODE, draws=4096, seed=3)
    return found, reference_draws(2026)


@pytest.mark.parametrize("name", ["advantage", "full_margin", "full_margin_new_node"])
def test_quantiles_agree_with_the_plain_reference_within_sampling_error(beside, name):
    """Bound: four standard errors of a quantile, sqrt(q (1-q) / n) dx/dq, of both samples; dx/dq from the reference."""
    found, reference = beside
    paths = found.advantage_paths if name == "advantage" else found.margin_paths
    paths = paths.filter(pl.col("pricing") == "fleet_average")
    for i, month in enumerate((0, *MONTHS)):
        row = paths.filter(pl.col("month") == month).row(0, named=True)
        ordered = sorted(path[i] for path in reference[name])
        for q, end in ((0.1, "p10"), (0.5, "p50"), (0.9, "p90")):
            slope = (quantile(ordered, q + 0.03) - quantile(ordered, q - 0.03)) / 0.06
            error = slope * math.sqrt(q * (1 - q)) * math.sqrt(1 / N_REFERENCE + 1 / 4096)
            assert abs(row[f"{name}_{end}"] - quantile(ordered, q)) <= 4 * error, (month, end, 4 * error)


@pytest.mark.parametrize("name", ["advantage", "full_margin"])
def test_so_do_the_odds(beside, name):
    """Both fall without end here, so lost by a moment is negative at it. Bound: four binomial standard errors."""
    found, reference = beside
    odds = found.probabilities.filter(pl.col("quantity") == name, pl.col("pricing") == "fleet_average")
    years = odds["year"].to_list()
    for i, month in enumerate(MONTHS, start=1):
        here = [(date(year, 12, 31) - AS_OF.date()).days / 365.25 for year in years]
        share = float(np.interp(month / 12, here, odds["probability_lost"].to_numpy()))
        plain = sum(path[i] <= 0 for path in reference[name]) / N_REFERENCE
        # Between the ends of two years the share is read off a straight line.
        after = bisect_right(here, month / 12)
        bend = abs(odds["probability_lost"][after] - odds["probability_lost"][after - 1]) / 8
        error = math.sqrt(max(plain * (1 - plain), 1e-4)) * math.sqrt(1 / N_REFERENCE + 1 / 4096)
        assert abs(share - plain) <= 4 * error + bend, (month, share, plain)


# Common random numbers, and bytes.


def of_network(found: Erosion, name: str, network: str) -> pl.DataFrame:
    return getattr(found, name).filter(pl.col("network") == network)


def test_the_order_of_networks_changes_nothing_and_one_more_changes_no_others_numbers(analysis, lineage):
    both = real(analysis, lineage, "akash", "ionet")
    turned = real(analysis, lineage, "ionet", "akash")
    more = real(analysis, lineage, "nosana", "akash", "ionet")
    for name in FRAMES:
        for network in ("akash", "ionet"):
            mine = of_network(both, name, network)
            assert mine.height
            assert of_network(turned, name, network).equals(mine), name
            assert of_network(more, name, network).equals(mine), name


def test_another_scenario_changes_no_others_numbers(analysis, lineage):
    one, three = (real(analysis, lineage, "akash", ids=ids) for ids in (["base"], ["token_crash", "maia200", "base"]))
    for name in FRAMES:
        assert getattr(three, name).filter(pl.col("scenario") == "base").equals(getattr(one, name))


def bytes_of(found: Erosion) -> list[bytes]:
    made = []
    for name in FRAMES:
        held = io.BytesIO()
        getattr(found, name).rechunk().write_parquet(held)
        made += [held.getvalue(), getattr(found, name).write_csv().encode()]
    return made


def test_one_seed_gives_the_same_bytes_on_any_number_of_threads_and_another_seed_does_not(analysis, lineage):
    alone, four = (real(analysis, lineage, "akash", workers=n) for n in (1, 4))
    assert bytes_of(alone) == bytes_of(four)
    other = real(analysis, lineage, "akash", seed=8)
    assert bytes_of(other) != bytes_of(alone)
    # The centre is of no draws.
    assert other.drivers.equals(alone.drivers)
    assert other.advantage_paths["advantage"].equals(alone.advantage_paths["advantage"])
    assert other.outlook["date"].equals(alone.outlook["date"])


def test_doubling_the_default_draws_moves_no_median_date_by_a_month(analysis, lineage):
    ids = ("base", "silicon_price_war")
    some, twice = (real(analysis, lineage, "akash", ids=ids, draws=n) for n in (4096, 8192))
    dated = some.outlook["date_p50"].is_not_null() & twice.outlook["date_p50"].is_not_null()
    moved = (some.outlook["date_p50"] - twice.outlook["date_p50"]).dt.total_days().abs().filter(dated)
    later = some.outlook["date_p50"].filter(dated) > AS_OF.date()
    assert later.sum() >= 10
    assert moved.max() < 30
    # Where only one of them is reached by the horizon, half of the draws are lost just about then.
    edge = some.outlook["date_p50"].is_not_null() != twice.outlook["date_p50"].is_not_null()
    assert (some.outlook["probability_lost"].filter(edge) - 0.5).abs().fill_null(1.0).max() in (None, 0.0) or (
        (some.outlook["probability_lost"].filter(edge) - 0.5).abs().max() < 0.02
    )


# What the rows say of each other.


@pytest.fixture(scope="module")
def whole(analysis, lineage) -> Erosion:
    return real(analysis, lineage, *NETWORKS, ids=("base", "fractile", "supply_crunch", "token_crash", "cloud_mix"))


def test_quantiles_are_in_order_in_every_month(whole):
    for paths, names in ((whole.advantage_paths, ["advantage"]),
                         (whole.margin_paths, ["full_margin", "full_margin_new_node"])):  # fmt: skip
        for name in names:
            assert (paths[f"{name}_p10"] <= paths[f"{name}_p50"]).all()
            assert (paths[f"{name}_p50"] <= paths[f"{name}_p90"]).all()
    rows = whole.outlook
    never = pl.lit(date.max)
    days = rows.select(*(pl.col(f"date_{end}").fill_null(never) for end in ("p10", "p50", "p90")))
    assert (days["date_p10"] <= days["date_p50"]).all()
    assert (days["date_p50"] <= days["date_p90"]).all()


def test_a_date_is_there_just_where_that_share_of_the_draws_is_lost(whole):
    known = whole.outlook.filter(pl.col("probability_lost").is_not_null())
    assert known.height > 100
    for end, q in (("p10", 0.1), ("p50", 0.5), ("p90", 0.9)):
        assert (known[f"date_{end}"].is_not_null() == (known["probability_lost"] >= q)).all()
    silent = whole.outlook.filter(pl.col("state") == "not_comparable")
    assert silent.height
    assert silent["probability_lost"].null_count() == silent.height
    assert known.filter(pl.col("date").is_not_null())["date"].max() <= HORIZON


def test_the_odds_rise_year_by_year_to_those_of_the_outlook(whole):
    key = ["network", "cloud", "silicon", "reference", "scenario", "pricing", "quantity"]
    odds = whole.probabilities
    assert set(odds["year"]) == set(range(2026, 2037))
    rising = odds.with_columns(pl.col("probability_lost").diff().over(key).alias("step"))
    assert rising["step"].drop_nulls().min() >= 0
    last = odds.filter(pl.col("year") == 2036, pl.col("quantity") == "advantage")
    both = last.join(whole.outlook, on=key, suffix="_outlook")
    assert both.height == last.height > 50
    assert (both["probability_lost"] - both["probability_lost_outlook"]).abs().max() < 1e-6
    margins = odds.filter(pl.col("quantity") != "advantage")
    assert margins["cloud"].null_count() == margins.height > 0


def test_only_a_scenario_with_an_event_tells_the_odds_if_it_happens(whole):
    known = whole.outlook.filter(pl.col("probability_lost").is_not_null())
    event = pl.col("scenario").is_in(["fractile", "cloud_mix"])
    assert known.filter(~event)["probability_lost_if_event"].null_count() == known.filter(~event).height
    told_ = known.filter(event)
    assert told_["probability_lost_if_event"].null_count() == 0
    # Cheaper silicon in the clouds' machines never helps a network that is compared with them; of 256 draws some forty
    # see it, so that only many rows together tell.
    inside = told_.filter(
        pl.col("quantity") == "advantage", pl.col("silicon") == "nvidia", pl.col("scenario") == "fractile"
    )
    more = inside["probability_lost_if_event"] - inside["probability_lost"]
    assert more.mean() > 0
    assert more.max() > 0.05


def test_verdicts_follow_the_draws(whole):
    rows = whole.outlook.with_columns(pl.col(pl.Enum).cast(pl.String))
    wide = rows.pivot(
        "quantity", index=["network", "cloud", "silicon", "reference", "scenario", "pricing", "verdict"],
        values=["state", "probability_lost"],
    )  # fmt: skip
    assert set(wide["verdict"]) >= {"eroded", "exposed", "not comparable"}
    for row in wide.iter_rows(named=True):
        advantage, margin = row["state_advantage"], row["probability_lost_full_margin_new_node"]
        holds = margin is not None and margin < 0.1 and (row["probability_lost_advantage"] or 0.0) < 0.1
        expected = (
            "not comparable" if advantage == "not_comparable" else "eroded" if advantage == "already_lost"
            else "resilient" if holds else "exposed"
        )  # fmt: skip
        assert row["verdict"] == expected, row


def test_one_chip_on_both_sides_cancels(analysis, lineage):
    found = erosion(
        chosen_of(analysis, "akash"), analysis.comparison, scenarios(["base"]), as_of=AS_OF, horizon=HORIZON,
        match="same_chip", lineage=lineage, draws=256,
    )  # fmt: skip
    today = found.advantage_paths.filter(
        pl.col("month") == 0, pl.col("cloud") == "aws", pl.col("reference") == "list", pl.col("silicon") == "nvidia"
    )
    # Both prices are printed, and how fast the chip is stands on both sides: nothing is left to draw.
    assert today.height
    assert (today["advantage_p90"] - today["advantage_p10"]).max() < 1e-6


def test_a_fleet_is_drawn_as_well(analysis, lineage):
    found = real(analysis, lineage, "akash", ids=("base",), match="fleet_average")
    assert found.advantage_paths.filter(pl.col("advantage_p10") < pl.col("advantage_p90")).height
