"""Which source is believed, what is counted once, and where sources disagree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depin_compare.inference.references import hourly_references
from depin_compare.market.discrepancies import CATALOGUES, discrepancies, without_double_counting
from depin_compare.market.layers import layered_offers
from depin_compare.market.offers import Offers
from depin_compare.market.prices import market_prices
from depin_compare.market.reference import reference_offers
from depin_compare.refdata.assumption_set import assumption_set
from fetchers import FETCHERS

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def offers(*rows: dict[str, Any]) -> Any:
    """Offers with sensible fields where a row names none."""
    base = {
        "source": "aws", "network": "aws", "segment": "hyperscaler", "accelerator": "h100-sxm",
        "accelerator_name": "H100", "accelerator_count": 8, "usd_per_accelerator_hour": 6.88, "terms": "on_demand",
        "price_kind": "list", "listed_price": "55.04", "listed_unit": "USD per machine and hour",
        "listed_currency": "USD", "observed_at": NOW, "layer": "live", "source_url": "https://example.org/prices",
    }  # fmt: skip
    filled = [{"offer_id": f"o{i}", **base, **row} for i, row in enumerate(rows)]
    return Offers.validate(pl.DataFrame(filled, schema=Offers.create_empty().schema))


def kept(*rows: dict[str, Any]) -> list[str]:
    return without_double_counting(offers(*rows))["offer_id"].to_list()


def test_the_catalogues_are_sources_and_no_others_are_second_hand() -> None:
    second_hand = {name for name, fetcher in FETCHERS.items() if "second hand" in fetcher.gives and fetcher.networks}
    assert set(CATALOGUES) == second_hand


def test_a_catalogue_gives_way_to_the_seller_s_own_price() -> None:
    assert kept({}, {"source": "skypilot", "usd_per_accelerator_hour": 7.1}) == ["o0"]


def test_a_catalogue_stands_where_the_seller_says_nothing() -> None:
    rows = [
        {},
        {"source": "skypilot", "accelerator": "h200"},
        {"source": "skypilot", "terms": "spot"},
        {"source": "skypilot", "network": "lambda", "segment": "neocloud"},
    ]
    assert kept(*rows) == ["o0", "o1", "o2", "o3"]


def test_of_two_catalogues_the_newer_counts_and_then_the_order() -> None:
    older = {"source": "skypilot", "observed_at": NOW - timedelta(days=3)}
    assert kept(older, {"source": "gpuhunt"}) == ["o1"]
    assert kept({"source": "gpuhunt"}, {"source": "skypilot"}) == ["o1"]


def test_packaged_prices_give_way_to_both() -> None:
    packaged = {"source": "aws", "layer": "reference", "observed_at": NOW - timedelta(days=60)}
    assert kept(packaged, {"source": "gpuhunt"}) == ["o1"]
    assert kept(packaged, {}) == ["o1"]
    assert kept({**packaged, "accelerator": "trainium2"}, {}) == ["o0", "o1"]


def test_two_views_of_one_market_by_its_own_network_both_stand() -> None:
    console = {"source": "ionet", "network": "ionet", "segment": "decentralized", "tier": "vm"}
    assert kept(console, {**console, "source": "ionet_explorer"}) == ["o0", "o1"]


def test_what_hosts_get_displaces_no_price_and_the_other_way_round() -> None:
    assert kept({"price_kind": "reward"}, {"source": "skypilot"}) == ["o0", "o1"]


def test_resold_capacity_counts_nowhere_but_at_its_owner() -> None:
    resold = {"source": "ionet", "network": "ionet", "segment": "decentralized", "upstream": "external data centre"}
    own = {"source": "ionet", "network": "ionet", "segment": "decentralized"}
    assert kept(resold, own) == ["o1"]


def test_one_machine_offered_in_several_sizes_counts_once() -> None:
    machine = {"source": "vast", "network": "vast", "segment": "marketplace", "machine_id": "m7", "price_kind": "ask"}
    rows = [
        {**machine, "accelerator_count": 1, "usd_per_accelerator_hour": 2.2},
        {**machine, "accelerator_count": 8, "usd_per_accelerator_hour": 2.0},
        {**machine, "accelerator_count": 8, "usd_per_accelerator_hour": 1.9},
        {**machine, "machine_id": "m8", "accelerator_count": 1},
        {**machine, "machine_id": None, "accelerator_count": 1},
        {**machine, "machine_id": None, "accelerator_count": 1},
        {**machine, "terms": "spot", "accelerator_count": 1},
    ]
    assert kept(*rows) == ["o2", "o3", "o4", "o5", "o6"]


def test_a_row_without_a_comparable_price_displaces_nothing() -> None:
    open_form = {"accelerator": None, "not_comparable": "SXM or PCIe"}
    assert kept({**open_form}, {"source": "skypilot", **open_form}) == ["o0", "o1"]
    assert kept({"not_comparable": "GPU only"}, {"source": "skypilot"}) == ["o0", "o1"]


@given(st.lists(st.tuples(st.sampled_from(["aws", "skypilot", "gpuhunt"]), st.sampled_from(["live", "reference"]),
                          st.sampled_from(["h100-sxm", "h200"]), st.sampled_from([None, "m1", "m2"]),
                          st.floats(0.5, 9)), max_size=12), st.randoms())  # fmt: skip
def test_counting_once_is_once_and_order_changes_nothing(rows: list[Any], random: Any) -> None:
    names = ("source", "layer", "accelerator", "machine_id", "usd_per_accelerator_hour")
    told = [dict(zip(names, row, strict=True)) | {"offer_id": f"k{n}"} for n, row in enumerate(rows)]
    frame = offers(*told)
    once = without_double_counting(frame)
    assert without_double_counting(once).equals(once)
    assert set(once["accelerator"]) == set(frame["accelerator"])
    random.shuffle(told)
    shuffled = without_double_counting(offers(*told))
    price = ["network", "accelerator", "source", "layer", "usd_per_accelerator_hour"]
    assert sorted(once.select(price).rows()) == sorted(shuffled.select(price).rows())


def test_market_prices_use_the_seller_before_the_catalogue() -> None:
    own = {"source": "lium", "network": "lium", "segment": "decentralized", "usd_per_accelerator_hour": 2.0}
    copied = {**own, "source": "skypilot", "usd_per_accelerator_hour": 1.0}
    frame = market_prices(offers(own, copied, copied))
    assert frame.select("usd_per_accelerator_hour", "n_offers").row(0) == (2.0, 1)


def test_a_cloud_s_references_are_its_own_prices() -> None:
    frame = hourly_references(
        offers({}, {"source": "gpuhunt", "usd_per_accelerator_hour": 5.0}), assumption_set()
    ).filter(pl.col("reference") == "list")
    assert frame["usd_per_accelerator_hour"].to_list() == [6.88]


def test_a_catalogue_alone_leaves_a_cloud_its_packaged_prices() -> None:
    live = offers({"source": "skypilot", "accelerator": "h200"})
    packaged = offers({"source": "aws", "layer": "reference", "accelerator": "trainium2"})
    nothing = Offers.create_empty()
    assert set(layered_offers(live, nothing, packaged)["accelerator"]) == {"h200", "trainium2"}
    assert set(layered_offers(offers({}), nothing, packaged)["accelerator"]) == {"h100-sxm"}


def found(*rows: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    return discrepancies(offers(*rows), **options).to_dicts()


def test_a_difference_above_a_tenth_is_listed_with_what_is_used_and_why() -> None:
    (row,) = found({}, {"source": "skypilot", "usd_per_accelerator_hour": 12.29})
    assert (row["source_used"], row["usd_per_accelerator_hour_used"]) == ("aws", 6.88)
    assert (row["source_other"], row["usd_per_accelerator_hour_other"]) == ("skypilot", 12.29)
    assert row["ratio"] == pytest.approx(12.29 / 6.88)
    assert row["reason"] == "the seller's own interface before a catalogue"
    assert row["compared_on"] == "network"


@pytest.mark.parametrize(("usd", "listed"), [(7.56, False), (7.57, True), (6.26, False), (6.25, True)])
def test_the_tolerance_is_the_larger_over_the_smaller(usd: float, listed: bool) -> None:
    assert bool(found({}, {"source": "skypilot", "usd_per_accelerator_hour": usd})) == listed


def test_sources_that_agree_are_not_listed() -> None:
    assert found({}, {"source": "skypilot"}, {"source": "gpuhunt"}) == []
    assert found({}, {"source": "skypilot", "usd_per_accelerator_hour": 9.0}, tolerance=0.5) == []


def test_the_closest_match_decides() -> None:
    """Whole markets differ by their regions; matched by region and machine the two agree."""
    own = [
        {"region": "us-east-1", "machine_id": "p5.48xlarge", "usd_per_accelerator_hour": 6.88},
        {"region": "sa-east-1", "machine_id": "p5.48xlarge", "usd_per_accelerator_hour": 12.0},
    ]
    copied = {"source": "skypilot", "region": "us-east-1", "machine_id": "p5.48xlarge"}
    assert found(*own, {**copied, "usd_per_accelerator_hour": 6.88}) == []
    (row,) = found(*own, {**copied, "usd_per_accelerator_hour": 9.0})
    assert (row["compared_on"], row["region"], row["machine_id"]) == ("machine and region", "us-east-1", "p5.48xlarge")


def test_two_blanks_are_no_region_in_common() -> None:
    (row,) = found({"region": None}, {"source": "skypilot", "region": "eu", "usd_per_accelerator_hour": 9.0})
    assert row["compared_on"] == "network"
    (row,) = found({"tier": "secure"}, {"source": "skypilot", "tier": "secure", "usd_per_accelerator_hour": 9.0})
    assert (row["compared_on"], row["tier"]) == ("tier", "secure")


def test_catalogues_and_packaged_prices_are_compared_too() -> None:
    rows = found(
        {"source": "gpuhunt", "usd_per_accelerator_hour": 4.0},
        {"source": "skypilot", "usd_per_accelerator_hour": 5.0, "observed_at": NOW - timedelta(days=2)},
        {
            "source": "aws",
            "layer": "reference",
            "usd_per_accelerator_hour": 8.0,
            "observed_at": NOW - timedelta(days=90),
        },
    )
    assert [(row["source_other"], row["reason"]) for row in rows] == [
        ("aws", "a catalogue before the package's dated prices"),
        ("skypilot", "the newer before the older"),
    ]


@pytest.mark.parametrize("unfit", [{"price_kind": "reward"}, {"upstream": "runpod"}, {"not_comparable": "GPU only"}])
def test_what_is_no_renter_s_price_is_not_compared(unfit: dict[str, Any]) -> None:
    assert found({}, {"source": "skypilot", "usd_per_accelerator_hour": 99.0, **unfit}) == []


def test_the_packaged_prices_alone_have_nothing_to_disagree_with() -> None:
    assert discrepancies(reference_offers()).height == 0
