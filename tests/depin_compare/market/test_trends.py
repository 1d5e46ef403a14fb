"""Quantiles of the stored prices, worked by hand and against a plain reading of the rows."""

from __future__ import annotations

import math
import shutil
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_frames import NOW, facts, offers

from depin_compare.errors import ModelDomainError, StoreError
from depin_compare.market import trends
from depin_compare.market.offers import Skipped
from depin_compare.market.store import Store
from depin_compare.market.thinning import compact
from depin_compare.market.trends import PriceHistory, price_history

KEPT = Path(__file__).parent / "data" / "snapshots"
QUANTILES = [f"usd_per_accelerator_hour_p{p}" for p in (10, 50, 90)]


def write(store: Store, when: datetime, *rows: dict) -> None:
    store.write(
        observed_at=when,
        offers=offers(*({"observed_at": when, **row} for row in rows)),
        facts=facts(),
        skipped=Skipped.create_empty(),
        statuses={"akash": {"status": "ok"}},
    )


def priced(*prices: float, **more) -> list[dict]:
    return [{"usd_per_accelerator_hour": price, **more} for price in prices]


def test_quantiles_are_prices_somebody_asked(tmp_path):
    """Of ten offers the first tenth is reached at the first, half at the fifth, nine tenths at the ninth."""
    store = Store(tmp_path)
    write(store, NOW, *priced(*(float(n) for n in range(10, 0, -1))))
    (row,) = price_history(store).to_dicts()
    assert [row[name] for name in QUANTILES] == [1.0, 5.0, 9.0]
    assert (row["period"], row["network"], row["accelerator"], row["terms"], row["price_kind"]) == (
        NOW.date(), "akash", "h100-sxm", "on_demand", "ask",
    )  # fmt: skip
    assert (row["n_offers"], row["n_snapshots"], row["n_sources"]) == (10, 1, 1)


def test_a_period_pools_its_snapshots_and_a_gap_is_no_price(tmp_path):
    store = Store(tmp_path)
    for days, prices in ((0, (1.0, 3.0)), (3, (2.0,)), (40, (5.0,))):  # Sunday, Thursday, another month
        write(store, NOW - timedelta(days=days), *priced(*prices))
    frame = price_history(store)
    assert frame["period"].to_list() == [date(2026, 10, 13), date(2026, 11, 19), date(2026, 11, 22)]
    week = price_history(store, every="1w")
    assert week.select("period", QUANTILES[1], "n_offers", "n_snapshots").rows() == [
        (date(2026, 10, 12), 5.0, 1, 1),
        (date(2026, 11, 16), 2.0, 3, 2),
    ]
    month = price_history(store, every="1mo", since=NOW - timedelta(days=30))
    assert month.select("period", "n_snapshots").rows() == [(date(2026, 11, 1), 2)]


def test_markets_are_told_apart_and_can_be_chosen(tmp_path):
    store = Store(tmp_path)
    write(
        store, NOW, *priced(2.0), *priced(1.0, terms="spot"), *priced(0.5, price_kind="reward"),
        *priced(3.0, network="vast", source="vast"), *priced(0.4, accelerator="l40s"),
    )  # fmt: skip
    assert price_history(store).height == 5
    only = price_history(store, networks=["akash"], accelerators=["h100-sxm"], terms=["on_demand"])
    assert only.select("price_kind", QUANTILES[1]).cast({"price_kind": pl.String}).rows() == [
        ("ask", 2.0), ("reward", 0.5),
    ]  # fmt: skip


def test_what_has_no_comparable_price_or_is_resold_is_left_out(tmp_path):
    store = Store(tmp_path)
    write(
        store, NOW, *priced(2.0), *priced(9.0, not_comparable="a slice"), *priced(8.0, upstream="aws"),
        *priced(None, not_comparable="no price"),
    )  # fmt: skip
    assert price_history(store).select(QUANTILES[2], "n_offers").rows() == [(2.0, 1)]


def test_a_catalogue_counts_only_where_nobody_tells_first_hand(tmp_path):
    store = Store(tmp_path)
    copied = {"source": "opencomputeprices", "price_kind": "list"}
    write(store, NOW - timedelta(days=1), *priced(7.0, **copied), *priced(6.0, source="skypilot", price_kind="list"))
    write(
        store, NOW, *priced(2.0), *priced(7.0, **copied), *priced(0.9, **{**copied, "price_kind": "reward"}),
    )  # fmt: skip
    frame = price_history(store).select("period", QUANTILES[1], pl.col("price_kind").cast(pl.String))
    assert frame.rows() == [
        (date(2026, 11, 21), 6.0, "list"),
        (NOW.date(), 2.0, "ask"),
        (NOW.date(), 0.9, "reward"),
    ]


def test_sources_of_one_market_are_counted(tmp_path):
    store = Store(tmp_path)
    write(store, NOW, *priced(2.0), *priced(4.0, source="akash_console"))
    assert price_history(store)["n_sources"].to_list() == [2]


def test_snapshots_of_every_schema_count_and_compacted_ones_once(tmp_path):
    for kept in KEPT.iterdir():
        shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    store = Store(tmp_path)
    write(store, NOW, *priced(2.0))
    before = price_history(store)
    assert before["n_offers"].sum() > 2
    assert before["n_snapshots"].max() == 2
    compact(store, before=NOW)
    assert price_history(store).equals(before)


@settings(max_examples=12)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 20),
            st.lists(st.floats(0.02, 190).map(lambda p: round(p, 2)), min_size=1, max_size=6),
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda snapshot: snapshot[0],
    ),
    st.sampled_from(["1d", "1w", "1mo"]),
    st.integers(1, 12),
)
def test_batches_of_periods_change_nothing(tmp_path_factory, snapshots, every, at_once):
    store = Store(tmp_path_factory.mktemp("store"))
    pooled: dict[date, list[float]] = {}
    for halves, prices in snapshots:
        when = NOW - timedelta(hours=12 * halves)
        write(store, when, *priced(*prices))
        day = when.date()
        first = {"1d": day, "1w": day - timedelta(days=day.weekday()), "1mo": day.replace(day=1)}[every]
        pooled.setdefault(first, []).extend(prices)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trends, "ROWS_AT_ONCE", at_once)
        frame = price_history(store, every=every)
    assert PriceHistory.is_valid(frame)
    expected = [
        (period, *(sorted(prices)[max(math.ceil(len(prices) * q) - 1, 0)] for q in (0.1, 0.5, 0.9)), len(prices))
        for period, prices in sorted(pooled.items())
    ]
    assert frame.select("period", *QUANTILES, "n_offers").rows() == expected


def test_a_period_of_no_known_length_is_refused(tmp_path):
    with pytest.raises(ModelDomainError, match="1d, 1w, 1mo"):
        price_history(Store(tmp_path), every="1y")


def test_a_file_that_is_no_parquet_any_more_costs_the_rest_nothing_and_is_told(tmp_path, monkeypatch, caplog):
    store = Store(tmp_path)
    write(store, NOW, *priced(2.0))
    write(store, NOW + timedelta(days=1), *priced(3.0))
    whole = price_history(store, every="1d")
    path = tmp_path / next(store.snapshots()).tables["offers"].path
    path.write_bytes(bytes(path.stat().st_size))
    rest = price_history(store, every="1d")
    assert 0 < rest.height < whole.height
    assert path.relative_to(tmp_path).as_posix() in caplog.text
    # Object storage is not read twice to find that out.
    monkeypatch.setattr(Store, "_unsound", lambda *_: {})
    with pytest.raises(StoreError, match="history verify"):
        price_history(store)
