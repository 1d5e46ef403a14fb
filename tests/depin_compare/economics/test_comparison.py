"""The comparison as frames: fee, reliability, traffic, the fleet's average; and catalogues offer by offer."""

import importlib.util
import json
import math
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from analysed import analysed_once
from hypothesis import given, settings
from hypothesis import strategies as st

import depin_compare as dc
from depin_compare.bands import Band
from depin_compare.errors import UnknownNameError
from depin_compare.inference.references import REFERENCES, unit_costs
from depin_compare.refdata.assumption_set import assumption_set

AT = datetime(2026, 11, 22, tzinfo=UTC)
RATES = {"h100-sxm": 1000.0, "a100-sxm-80gb": 400.0, "l4": 100.0}


def offers(*rows: dict) -> pl.DataFrame:
    blank = dict.fromkeys(dc.Offers.column_names())
    common = {
        "accelerator_count": 1, "terms": "on_demand", "price_kind": "ask", "listed_price": "x", "listed_unit": "x",
        "listed_currency": "USD", "observed_at": AT, "layer": "live", "source_url": "https://example.org",
        "segment": "decentralized",
    }  # fmt: skip
    made = [
        blank | common | {"offer_id": f"o{i}", "source": row["network"], "accelerator_name": str(row["accelerator"])}
        | ({"segment": "hyperscaler", "price_kind": "list"} if row["network"] in ("aws", "azure", "google") else {})
        | row
        for i, row in enumerate(rows)
    ]  # fmt: skip
    return dc.Offers.validate(pl.DataFrame(made, schema=dc.Offers.create_empty().schema))


def throughputs(rates: dict[str, float | None] = RATES) -> pl.DataFrame:
    blank = dict.fromkeys(dc.Throughputs.column_names())
    rows = [
        blank | {
            "accelerator": chip, "llm": "m", "workload": "w", "tokens_per_second_per_accelerator": rate,
            "tokens_per_second_low": None if rate is None else rate / 2,
            "tokens_per_second_high": None if rate is None else rate * 2, "input_tokens_per_output": 1.0,
            "basis": dc.Throughputs.create_empty().schema["basis"].categories[0],
            "not_comparable": "too small" if rate is None else None,
        }
        for chip, rate in rates.items()
    ]  # fmt: skip
    return dc.Throughputs.validate(pl.DataFrame(rows, schema=dc.Throughputs.create_empty().schema))


def facts(*rows: tuple[str, str, float]) -> pl.DataFrame:
    made = [
        {
            "network": n, "metric": m, "subject": None, "value": v, "unit": "x", "observed_at": AT, "kind": "published",
            "source": "somebody", "layer": "reference", "source_url": "https://example.org", "note": None,
        }
        for n, m, v in rows
    ]  # fmt: skip
    return dc.NetworkFacts.validate(pl.DataFrame(made, schema=dc.NetworkFacts.create_empty().schema))


def compared(given_offers, given_facts, changes=None) -> pl.DataFrame:
    assumed = assumption_set(changes)
    sellers = {(n, "cloud" if s == "hyperscaler" else "network") for n, s in given_offers["network", "segment"].rows()}
    costs = unit_costs(
        dc.market_prices(given_offers), dc.hourly_references(given_offers, assumed), throughputs(), assumed,
        terms=dc.seller_terms(sellers, given_facts, assumed),
    )  # fmt: skip
    return dc.compare(costs, fleet_work_by_throughput=assumed["fleet_work_by_throughput"])


def row(frame: pl.DataFrame, **values) -> dict:
    found = frame.filter(*(pl.col(name).cast(pl.String) == value for name, value in values.items()))
    assert found.height == 1, found
    return found.row(0, named=True)


MARKET = (
    {"network": "nosana", "accelerator": "h100-sxm", "usd_per_accelerator_hour": 1.80},
    {"network": "aws", "accelerator": "h100-sxm", "usd_per_accelerator_hour": 7.20},
    {"network": "aws", "accelerator": "a100-sxm-80gb", "usd_per_accelerator_hour": 3.60},
    {"network": "aws", "accelerator": "l4", "usd_per_accelerator_hour": 0.72},
)
SURE = {
    "rework_share_network": 0.02, "rework_share_cloud": 0.0, "bytes_out_per_token": 200.0, "availability_network": 0.98,
    "availability_cloud": 0.999, "egress_usd_per_gb_network": 0.01, "egress_cost_over_price_cloud": 0.1,
}  # fmt: skip
CLOUD = (("aws", "availability", 0.995), ("aws", "egress_usd_per_gb", 0.09))


def test_the_buyers_fee_is_in_the_networks_unit_price():
    free, dear = (compared(offers(*MARKET), facts(*CLOUD, ("nosana", "fee_buyer", fee)), SURE) for fee in (0.0, 0.10))
    key = {"reference": "list", "match": "same_chip"}
    assert row(free, **key)["usd_per_mtok_network"] == pytest.approx(0.50)  # 1.80 / 3.6 Mtok an hour
    assert row(dear, **key)["usd_per_mtok_network"] == pytest.approx(0.55)
    assert row(dear, **key)["advantage"] == pytest.approx(1 - 1.98 / 7.20)
    assert row(dear, **key)["network_usd_per_accelerator_hour"] == 1.80  # the price stays the price


def test_adjusted_prices_by_hand():
    found = row(
        compared(offers(*MARKET), facts(*CLOUD, ("nosana", "fee_buyer", 0.10)), SURE),
        reference="list",
        match="same_chip",
    )
    # Network: 1.80 x 1.10 / (0.98 x 0.98) an hour; 3.6 Mtok of it; 200 bytes at 1 cent.
    hour = 1.98 / 0.9604
    assert found["network_usd_per_accelerator_hour_adjusted"] == pytest.approx(hour)
    assert found["usd_per_mtok_network_adjusted"] == pytest.approx(hour / 3.6 + 0.002)
    assert found["usd_per_mtok_reference_adjusted"] == pytest.approx(7.20 / 0.995 / 3.6 + 0.018)
    assert found["advantage_adjusted"] == pytest.approx(1 - (hour / 3.6 + 0.002) / (7.20 / 0.995 / 3.6 + 0.018))
    assert found["sla_shadow_premium"] == pytest.approx(0.995 / 0.9604 - 1)
    # Everything is certain but the throughput, which is one number on both sides.
    assert found["advantage_low"] == pytest.approx(found["advantage"])
    assert found["advantage_adjusted_low"] == pytest.approx(found["advantage_adjusted"])


def test_what_a_cloud_pays_for_traffic_is_not_what_it_charges():
    frame = compared(offers(*MARKET), facts(*CLOUD), SURE)
    listed, cost = (row(frame, reference=name, match="same_chip") for name in ("list", "modelled_cost"))
    charged = listed["usd_per_mtok_reference_adjusted"] - listed["usd_per_mtok_reference"] / 0.995
    paid = cost["usd_per_mtok_reference_adjusted"] - cost["usd_per_mtok_reference"] / 0.995
    assert charged == pytest.approx(0.018)
    assert paid == pytest.approx(0.0018)


def test_a_fee_nobody_publishes_stays_unknown_and_adds_nothing():
    terms = dc.seller_terms([("vast", "network"), ("aws", "cloud")], facts(*CLOUD), assumption_set())
    fee = row(terms, seller="vast", item="buyer_fee")
    assert fee["central"] is None
    assert "publishes no fee" in fee["not_known"]
    assert row(terms, seller="aws", item="buyer_fee")["central"] == 0.0
    assert row(terms, seller="aws", item="availability")["source_id"] == "somebody"
    assert row(terms, seller="vast", item="availability")["kind"] == "assumption"
    market = (MARKET[0] | {"network": "vast"}, *MARKET[1:])
    assert row(compared(offers(*market), facts(*CLOUD)), reference="list", match="same_chip")[
        "usd_per_mtok_network"
    ] == pytest.approx(0.50)


@pytest.mark.parametrize(
    ("exponent", "expected"),
    # List prices of work: 2.00 on the H100, 2.50 on the A100, 2.00 on the L4, at 1,000, 400 and 100 tokens/s.
    [
        (0.0, (2.00 + 2.50 + 2.00) / 3),
        (1.0, (7.20 + 3.60 + 0.72) / (3.6 + 1.44 + 0.36)),
        (2.0, (2.0 * 1e6 + 2.5 * 1.6e5 + 2.0 * 1e4) / 1.17e6),
    ],
)
def test_the_fleets_average_by_hand(exponent, expected):
    found = row(
        compared(offers(*MARKET), facts(*CLOUD), {"fleet_work_by_throughput": exponent}),
        reference="list", match="fleet_average",
    )  # fmt: skip
    assert found["usd_per_mtok_reference"] == pytest.approx(expected)
    assert found["reference_usd_per_accelerator_hour"] is None
    assert found["reference_accelerator"] is None
    assert found["reference_terms"] == "average of 3 chips: a100-sxm-80gb, h100-sxm, l4"


def test_the_fleets_average_lies_between_its_chips_and_its_band_holds_the_weighting():
    frame = compared(offers(*MARKET), facts(*CLOUD))
    cheapest, average = (row(frame, reference="list", match=match) for match in ("cheapest", "fleet_average"))
    assert cheapest["usd_per_mtok_reference"] <= average["usd_per_mtok_reference"] <= 2.50
    assert average["usd_per_mtok_reference_low"] < average["usd_per_mtok_reference"] / 2 + 1e-9
    assert average["usd_per_mtok_reference_high"] > average["usd_per_mtok_reference"] * 2 - 1e-9
    assert average["advantage"] >= cheapest["advantage"]
    # Nobody publishes what an L4 or an A100 hour costs its owner: the average is then the H100 alone.
    one = row(frame, reference="modelled_cost", match="fleet_average")
    assert one["reference_accelerator"] == "h100-sxm"
    assert (
        one["usd_per_mtok_reference"]
        == row(frame, reference="modelled_cost", match="cheapest")["usd_per_mtok_reference"]
    )


def test_no_row_without_a_reason_and_bands_hold_their_centre():
    frame = analysed_once(
        dc.reference_offers(), dc.reference_facts(), as_of=AT, network_ids=("akash", "ionet", "render")
    )
    comparison = frame.comparison
    assert set(comparison["match"].cast(pl.String)) == {"same_chip", "cheapest", "fleet_average"}
    silent = comparison.filter(pl.col("advantage").is_null() & pl.col("not_comparable").is_null())
    assert silent.is_empty()
    for name in ("advantage", "advantage_adjusted"):
        known = comparison.filter(pl.col(name).is_not_null())
        assert known.height > 100
        assert (known[f"{name}_low"] <= known[name] + 1e-12).all()
        assert (known[f"{name}_high"] >= known[name] - 1e-12).all()
    both = comparison.select(pl.col("advantage").is_null() == pl.col("advantage_adjusted").is_null())
    assert both.to_series().all()
    # Reliability and fees can only make a network's hour dearer.
    hours = comparison.filter(pl.col("network_usd_per_accelerator_hour_adjusted").is_not_null())
    assert (hours["network_usd_per_accelerator_hour_adjusted"] > hours["network_usd_per_accelerator_hour"]).all()


# Catalogues.

CATALOGUE = (
    {"network": "nosana", "accelerator": "h100-sxm", "usd_per_accelerator_hour": 1.80},
    {"network": "nosana", "accelerator": "a100-sxm-80gb", "usd_per_accelerator_hour": 1.44},
    {"network": "vast", "accelerator": "h100-sxm", "usd_per_accelerator_hour": 9.00},
    {"network": "vast", "accelerator": "t4", "usd_per_accelerator_hour": 0.10},
    {"network": "vast", "accelerator": "h100-sxm", "usd_per_accelerator_hour": 1.00, "price_kind": "reward"},
    {"network": "vast", "accelerator": None, "usd_per_accelerator_hour": None, "not_comparable": "unknown card"},
)


def catalogue(match="cheapest", given=CATALOGUE, **options) -> pl.DataFrame:
    references = dc.hourly_references(offers(*MARKET[1:]), assumption_set())
    return dc.compare_offers(
        offers(*given), references, throughputs(RATES | {"t4": None}), "m", "w", match=match, **options
    )


def test_every_offer_meets_four_references_by_hand():
    terms = dc.seller_terms([("nosana", "network")], facts(("nosana", "fee_buyer", 0.10)), assumption_set())
    frame = catalogue(terms=terms)
    assert frame.height == len(CATALOGUE)
    assert frame["offer_id"].to_list() == [f"o{i}" for i in range(len(CATALOGUE))]
    assert frame["usd_per_mtok"].to_list()[:3] == pytest.approx([0.55, 1.10, 2.50])
    assert frame["advantage_list"].to_list()[:3] == pytest.approx([1 - 0.55 / 2.0, 1 - 1.10 / 2.0, 1 - 2.50 / 2.0])
    assert frame["advantage_committed"][0] == pytest.approx(1 - 0.55 / (2.0 * 0.55))
    cost = 1.30 / 0.85 / 3.6
    assert frame["advantage_modelled_cost"][0] == pytest.approx(1 - 0.55 / cost)
    assert frame["advantage_cost_plus_margin"][0] == pytest.approx(1 - 0.55 / (cost / 0.86))
    assert frame["not_comparable"].to_list() == [
        None, None, None, "too small", "what a host is paid is no renter's price", "unknown card",
    ]  # fmt: skip
    unknown = frame.filter(pl.col("not_comparable").is_not_null())
    assert unknown["usd_per_mtok"].null_count() == unknown.height
    assert unknown["advantage_list"].null_count() == unknown.height


def test_against_the_same_chip_only_the_hours_count():
    frame = catalogue("same_chip")
    assert frame["advantage_list"].to_list()[:3] == pytest.approx([1 - 1.8 / 7.2, 1 - 1.44 / 3.6, 1 - 9.0 / 7.2])
    assert frame["advantage_modelled_cost"][1] is None  # nobody publishes it for the A100
    assert frame["not_comparable"][1] is None


def test_names_that_do_not_exist_are_refused():
    for options in ({"clouds": ["awz"]}, {"silicon": ["nvidai"]}):
        with pytest.raises(UnknownNameError, match="did you mean"):
            catalogue(**options)
    with pytest.raises(UnknownNameError):
        catalogue("dearest")
    references = dc.hourly_references(offers(*MARKET[1:]), assumption_set())
    with pytest.raises(UnknownNameError):
        dc.compare_offers(offers(*CATALOGUE), references, throughputs(), "no such model", "w")


def test_an_empty_catalogue_is_an_answer():
    assert catalogue(given=()).is_empty()


@settings(max_examples=25)
@given(
    prices=st.lists(
        st.tuples(st.sampled_from([*RATES, "t4"]), st.floats(0.01, 50.0), st.sampled_from(["vast", "nosana"])),
        min_size=1, max_size=12,
    ),
    match=st.sampled_from(["cheapest", "same_chip"]),
)  # fmt: skip
def test_the_frame_agrees_with_a_loop_over_the_offers(prices, match):
    given_rows = [{"network": n, "accelerator": a, "usd_per_accelerator_hour": p} for a, p, n in prices]
    frame = catalogue(match, given_rows)
    references = dc.hourly_references(offers(*MARKET[1:]), assumption_set()).to_dicts()
    for told, (chip, price, _) in zip(frame.iter_rows(named=True), prices, strict=True):
        if chip == "t4":
            assert told["not_comparable"] == "too small"
            continue
        mine = dc.inference_cost(price, RATES[chip])
        for name in REFERENCES:
            units = [
                dc.inference_cost(r["usd_per_accelerator_hour"], RATES[r["accelerator"]])
                for r in references
                if r["reference"] == name and r["usd_per_accelerator_hour"] is not None
                and (match == "cheapest" or r["accelerator"] == chip)
            ]  # fmt: skip
            if units:
                assert told[f"advantage_{name}"] == pytest.approx(dc.advantage(mine, min(units)))
            else:
                assert told[f"advantage_{name}"] is None


def test_the_benchmark_runs_and_counts_what_it_says():
    script = Path(__file__).parents[3] / "benchmarks" / "compare_offers.py"
    if not script.exists():
        pytest.skip("the benchmarks are not beside this copy of the tests")
    assert importlib.util.find_spec("depin_compare") is not None
    done = subprocess.run([sys.executable, script, "--json", "2000"], capture_output=True, text=True, check=True)
    (told,) = json.loads(done.stdout)
    assert told["offers"] == 2000
    assert 0 < told["cpu_seconds"] < 5
    assert 0 < told["peak_mib"] < 1536
    assert math.isclose(told["microseconds_per_offer"], told["cpu_seconds"] / 2000 * 1e6)


def test_a_weighting_is_a_band_like_any_other():
    costs = compared(offers(*MARKET), facts(*CLOUD))
    assert costs.height == 4 * 3
    assert Band(0.5, 1.0, 2.0) == assumption_set()["fleet_work_by_throughput"]
