"""Market prices and layers of data."""

from datetime import timedelta

import polars as pl
import pytest
from market_frames import NOW, facts, offers, tokens

from depin_compare.market.layers import layered_facts, layered_offers, layered_token_prices, unlayered_offers
from depin_compare.market.offers import Offers
from depin_compare.market.prices import market_prices
from depin_compare.market.token_prices import cheapest_per_host


def test_the_median_counts_accelerators_not_offers():
    frame = market_prices(
        offers(
            {"usd_per_accelerator_hour": 1.0, "available": 1},
            {"usd_per_accelerator_hour": 1.1, "available": 1},
            {"usd_per_accelerator_hour": 3.0, "available": 10},
        )
    )
    row = frame.row(0, named=True)
    assert row["usd_per_accelerator_hour"] == 3.0
    assert (row["usd_per_accelerator_hour_low"], row["usd_per_accelerator_hour_high"]) == (1.0, 3.0)
    assert (row["n_offers"], row["n_accelerators"]) == (3, 12)


def test_a_price_tells_the_oldest_day_and_the_number_of_sources_of_all_its_offers():
    old = {"observed_at": NOW - timedelta(days=400), "source": "lium"}
    frame = market_prices(offers({"usd_per_accelerator_hour": 2.0, "available": 9}, {"available": 1, **old}))
    row = frame.row(0, named=True)
    assert (row["source"], row["observed_at"]) == ("akash", NOW)
    assert (row["n_sources"], row["oldest_observed_at"]) == (2, NOW - timedelta(days=400))


def test_the_median_of_two_equal_offers_favours_neither():
    frame = market_prices(offers({"usd_per_accelerator_hour": 1.9}, {"usd_per_accelerator_hour": 2.1}))
    assert frame["usd_per_accelerator_hour"].item() == pytest.approx(2.0)
    one_more = {"usd_per_accelerator_hour": 1.9}
    frame = market_prices(offers(one_more, one_more, {"usd_per_accelerator_hour": 2.1}))
    assert frame["usd_per_accelerator_hour"].item() == 1.9


def test_a_one_card_fat_finger_does_not_move_the_market():
    frame = market_prices(
        offers(
            {"usd_per_accelerator_hour": 2.0, "available": 30},
            {"usd_per_accelerator_hour": 2.1, "available": 20},
            {"usd_per_accelerator_hour": 160.0, "available": 1},
        )
    )
    assert frame["usd_per_accelerator_hour"].item() == 2.0


@pytest.mark.parametrize(
    "unfit",
    [
        {"price_kind": "reward"},
        {"upstream": "runpod"},
        {"not_comparable": "render-farm unit"},
        {"terms": "spot"},
        {"price_kind": "indicative"},
    ],
)
def test_what_no_renter_pays_is_no_market_price(unfit):
    frame = market_prices(offers({"usd_per_accelerator_hour": 2.0}, {"usd_per_accelerator_hour": 0.5, **unfit}))
    assert frame["usd_per_accelerator_hour"].to_list() == [2.0]


def test_an_indicative_price_stands_where_there_is_no_other():
    frame = market_prices(offers({"price_kind": "indicative"}))
    assert frame["price_kind"].to_list() == ["indicative"]


def test_a_price_without_a_chip_needs_a_reason():
    with pytest.raises(Exception, match="priced_or_explained"):
        offers({"usd_per_accelerator_hour": None})
    assert offers({"usd_per_accelerator_hour": None, "not_comparable": "unit of a render farm"}).height == 1


def test_an_offer_id_names_one_row():
    with pytest.raises(Exception, match="one_row_an_offer"):
        offers({"offer_id": "same"}, {"offer_id": "same"})


def test_layers_are_chosen_by_source_and_never_mixed():
    live = offers({"source": "akash", "network": "akash"})
    stored = offers(
        {"source": "akash", "network": "akash", "layer": "stored", "offer_id": "old"},
        {"source": "ionet", "network": "ionet", "layer": "stored"},
    )
    reference = offers(
        *({"source": n, "network": n, "layer": "reference", "offer_id": f"r-{n}"} for n in ("akash", "ionet", "render"))
    )
    frame = layered_offers(live, stored, reference)
    assert dict(frame.select("network", pl.col("layer").cast(pl.String)).iter_rows()) == {
        "akash": "live",
        "ionet": "stored",
        "render": "reference",
    }
    assert frame.height == 3


def test_a_live_fact_replaces_only_its_own_kind():
    live = facts({"subject": "h100-sxm", "value": 0.9})
    reference = facts(
        {"subject": "h100-sxm", "value": 0.4, "layer": "reference"},
        {"subject": "h200", "value": 0.3, "layer": "reference"},
        {"metric": "take_rate_provider", "value": 0.0, "layer": "reference"},
    )
    frame = layered_facts(live, facts(), reference)
    assert sorted(frame["value"].to_list()) == [0.0, 0.3, 0.9]


def test_live_token_prices_stand_before_stored_and_those_before_dated_ones():
    day = timedelta(days=1)
    live = tokens({"usd_per_mtok_output": 3.0})
    stored = tokens(
        {"usd_per_mtok_output": 2.0, "layer": "stored", "observed_at": NOW - day},
        {"source": "litellm", "provider": "azure", "layer": "stored", "observed_at": NOW - day},
    )
    dated = tokens(
        {"source": "list-2024", "usd_per_mtok_output": 1.0, "layer": "reference", "observed_at": NOW - 700 * day},
        {"source": "list-2024", "provider": "aws", "layer": "reference", "observed_at": NOW - 700 * day},
    )
    frame = layered_token_prices(live, stored, dated)
    assert sorted(frame["layer"].cast(pl.String)) == ["live", "reference", "reference", "stored"]
    chosen = cheapest_per_host(frame).select("provider", pl.col("layer").cast(pl.String), "usd_per_mtok_output")
    assert {row[0]: row[1:] for row in chosen.rows()} == {
        "chutes": ("live", 3.0), "azure": ("stored", 0.3), "aws": ("reference", 0.3),
    }  # fmt: skip


def test_what_is_compared_keeps_the_dated_prices_of_networks_that_answer():
    live, dated = offers({}), offers({"source": "akash-reference", "layer": "reference", "offer_id": "r"})
    assert layered_offers(live, Offers.create_empty(), dated).height == 1
    assert unlayered_offers(live, Offers.create_empty(), dated).height == 2
