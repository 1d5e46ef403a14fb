"""Quantiles and outliers of market prices: worked by hand, and what holds whatever the offers are."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depin_compare.errors import ModelDomainError
from depin_compare.market.offers import Offers
from depin_compare.market.prices import market_prices
from depin_compare.market.statistics import MarketStatistics, marked_outliers, market_statistics

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SHARES = (10, 25, 50, 75, 90)


def offers(*rows: dict[str, Any]) -> Any:
    """Offers with sensible fields where a row names none."""
    base = {
        "source": "akash", "network": "akash", "segment": "decentralized", "accelerator": "h100-sxm",
        "accelerator_name": "H100", "accelerator_count": 1, "usd_per_accelerator_hour": 2.0, "terms": "on_demand",
        "price_kind": "ask", "listed_price": "2.00", "listed_unit": "USD per GPU-hour", "listed_currency": "USD",
        "observed_at": NOW, "layer": "live", "source_url": "https://example.org/prices",
    }  # fmt: skip
    filled = [{"offer_id": f"o{i}", **base, **row} for i, row in enumerate(rows)]
    return Offers.validate(pl.DataFrame(filled, schema=Offers.create_empty().schema))


def priced(*prices: float, **fields: Any) -> Any:
    return offers(*({"usd_per_accelerator_hour": price, **fields} for price in prices))


def quantiles(row: dict[str, Any]) -> tuple[float, ...]:
    return tuple(row[f"usd_per_accelerator_hour_p{p}"] for p in SHARES)


def test_ten_equal_offers_give_every_tenth_price() -> None:
    (row,) = market_statistics(priced(*(float(i) for i in range(1, 11)))).to_dicts()
    assert quantiles(row) == (1.5, 3.0, 5.5, 8.0, 9.5)
    assert (row["n_offers"], row["n_accelerators"]) == (10, None)


def test_quantiles_count_accelerators_on_offer() -> None:
    """Of 20 chips one is at 1, ten at 2 and nine at 5: a tenth is reached at 2, three quarters at 5."""
    rows = [(1.0, 1), (2.0, 10), (5.0, 9)]
    (row,) = market_statistics(offers(*({"usd_per_accelerator_hour": p, "available": n} for p, n in rows))).to_dicts()
    assert quantiles(row) == (2.0, 2.0, 2.0, 5.0, 5.0)
    assert (row["usd_per_accelerator_hour_low"], row["usd_per_accelerator_hour_high"]) == (1.0, 5.0)
    assert row["n_accelerators"] == 20


def test_one_machine_in_four_sizes_is_one_offer() -> None:
    sizes = [{"machine_id": "m1", "accelerator_count": n, "usd_per_accelerator_hour": 2.0 + n} for n in (1, 2, 4, 8)]
    (row,) = market_statistics(offers(*sizes, {"machine_id": "m2", "accelerator_count": 8})).to_dicts()
    assert row["n_offers"] == 2
    assert quantiles(row) == (2.0, 2.0, 6.0, 10.0, 10.0)


def test_kinds_terms_and_tiers_are_never_mixed() -> None:
    rows = [
        {"price_kind": "ask"}, {"price_kind": "bid"}, {"price_kind": "reward"}, {"price_kind": "list"},
        {"terms": "spot"}, {"tier": "secure"}, {"tier": "secure"}, {"accelerator": "h200"}, {"network": "ionet"},
    ]  # fmt: skip
    frame = market_statistics(offers(*rows))
    assert frame.height == len(rows) - 1
    assert dict(frame.group_by("tier").agg(pl.col("n_offers").sum()).iter_rows()) == {None: 7, "secure": 2}


def test_rows_without_a_comparable_price_and_resold_ones_are_left_out() -> None:
    frame = market_statistics(
        offers({}, {"not_comparable": "a slice"}, {"upstream": "aws"}, {"available": 0}, {"available": 3})
    )
    assert frame["n_offers"].to_list() == [2]


def test_a_minimum_reliability_leaves_out_what_is_told_to_be_lower() -> None:
    frame = offers({"reliability": 0.5}, {"reliability": 0.95}, {"reliability": None})
    assert market_statistics(frame)["n_offers"].item() == 3
    assert market_statistics(frame, minimum_reliability=0.9)["n_offers"].item() == 2


@pytest.mark.parametrize("options", [{"minimum_reliability": 1.1}, {"k": 0.0}, {"k": math.inf}, {"k": math.nan}])
def test_options_without_a_meaning_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ModelDomainError, match=next(iter(options))):
        market_statistics(priced(1.0), **options)


def test_a_price_beyond_the_limit_is_marked_and_stays() -> None:
    """Log deviations from 2 of 1.8, 1.9, 2, 2.1, 2.2, 20: median of ~0.105; 3.5 x 1.4826 x MAD is below ln 2."""
    frame = priced(1.8, 1.9, 2.0, 2.1, 2.2, 20.0)
    statistics = market_statistics(frame)
    (row,) = statistics.to_dicts()
    assert (row["n_offers"], row["n_outliers"], row["outlier_factor"]) == (6, 1, pytest.approx(2.0))
    marked = marked_outliers(frame, statistics)
    assert marked.height == frame.height
    assert marked.filter("outlier")["usd_per_accelerator_hour"].to_list() == [20.0]


def test_a_wide_market_has_a_wide_limit() -> None:
    """Prices 1, 2, 4, 8, 16: deviations ln 4, ln 2, 0, ln 2, ln 4; the MAD is ln 2."""
    (row,) = market_statistics(priced(1.0, 2.0, 4.0, 8.0, 16.0)).to_dicts()
    assert row["outlier_factor"] == pytest.approx(2 ** (1.4826 * 3.5))
    assert row["n_outliers"] == 0
    assert market_statistics(priced(1.0, 2.0, 4.0, 8.0, 16.0), k=1.0)["n_outliers"].item() == 2


def test_four_offers_are_too_few_to_judge() -> None:
    frame = priced(2.0, 2.0, 2.0, 100.0)
    statistics = market_statistics(frame)
    assert statistics.select("n_outliers", "outlier_factor").row(0) == (0, None)
    assert marked_outliers(frame, statistics)["outlier"].null_count() == 4


def test_one_large_provider_makes_no_outliers_of_the_small_ones() -> None:
    rows = [{"usd_per_accelerator_hour": 1.0, "available": 1000}]
    rows += [{"usd_per_accelerator_hour": 3.0, "available": 1} for _ in range(30)]
    (row,) = market_statistics(offers(*rows)).to_dicts()
    assert row["usd_per_accelerator_hour_p50"] == 1.0
    assert row["n_outliers"] == 0


def test_the_oldest_day_and_the_least_fresh_layer_are_told() -> None:
    old = datetime(2026, 1, 1, tzinfo=UTC)
    frame = market_statistics(offers({}, {"source": "other", "layer": "stored", "observed_at": old}))
    assert frame.select("layer", "observed_at").row(0) == ("stored", old)


def test_no_offers_give_no_rows() -> None:
    assert market_statistics(Offers.create_empty()).height == 0
    assert marked_outliers(Offers.create_empty(), MarketStatistics.create_empty()).columns[-1] == "outlier"


many = st.lists(
    st.fixed_dictionaries(
        {
            "network": st.sampled_from(["akash", "ionet"]),
            "usd_per_accelerator_hour": st.floats(0.02, 150),
            "available": st.none() | st.integers(0, 50),
            "price_kind": st.sampled_from(["ask", "reward", "list"]),
            "tier": st.sampled_from([None, "secure"]),
            "machine_id": st.none() | st.sampled_from(["m1", "m2"]),
            "reliability": st.none() | st.floats(0, 1),
        }
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(rows=many, seed=st.integers(0, 2**32), least=st.none() | st.floats(0, 1))
def test_the_order_of_offers_changes_nothing(rows: list[dict[str, Any]], seed: int, least: float | None) -> None:
    frame = offers(*rows)
    shuffled = Offers.validate(frame.sample(fraction=1.0, shuffle=True, seed=seed))
    first, second = (market_statistics(f, minimum_reliability=least) for f in (frame, shuffled))
    assert first.equals(second)


@settings(max_examples=60, deadline=None)
@given(rows=many, k=st.floats(0.01, 10))
def test_marking_never_changes_the_count_nor_a_quantile(rows: list[dict[str, Any]], k: float) -> None:
    frame = offers(*rows)
    strict, loose = market_statistics(frame, k=k), market_statistics(frame, k=1e6)
    apart = ["n_outliers", "outlier_factor"]
    assert strict.drop(apart).equals(loose.drop(apart))
    assert loose["n_outliers"].sum() == 0
    marked = marked_outliers(frame, strict)
    assert marked.select(frame.columns).equals(pl.DataFrame(frame))


@settings(max_examples=60, deadline=None)
@given(rows=many)
def test_never_more_than_half_of_a_market_is_marked(rows: list[dict[str, Any]]) -> None:
    frame = market_statistics(offers(*rows))
    assert (frame["n_outliers"] * 2 <= frame["n_offers"]).all()


@settings(max_examples=40, deadline=None)
@given(rows=many)
def test_the_middle_is_the_market_price_where_one_kind_and_tier_is_told(rows: list[dict[str, Any]]) -> None:
    frame = offers(*({**row, "price_kind": "ask", "tier": None} for row in rows))
    middle = market_statistics(frame).select("network", "usd_per_accelerator_hour_p50").rows()
    assert middle == market_prices(frame).select("network", "usd_per_accelerator_hour").rows()
