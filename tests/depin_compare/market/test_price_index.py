"""The index of matched prices: who joins or leaves moves nothing, and a gap stays one."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_frames import facts, offers, tokens

import depin_compare as dc
from depin_compare.errors import ModelDomainError, StoreError
from depin_compare.market.dated_prices import llm_class
from depin_compare.market.offers import Skipped
from depin_compare.market.price_index import PriceIndex, stored_index, stored_token_index
from depin_compare.market.store import Store

BY = {"by": ["network"], "item": ["offer_id"]}


def seen(*rows: tuple[str, str, float]) -> pl.DataFrame:
    """(offer, day, price), all of one network."""
    return pl.DataFrame(
        [("akash", offer, date.fromisoformat(day), price) for offer, day, price in rows],
        schema=["network", "offer_id", "observed_at", "usd_per_accelerator_hour"],
        orient="row",
    )


def index(frame: pl.DataFrame, **options) -> list[float]:
    return [round(x, 12) for x in dc.price_index(frame, **BY, **options)["index"]]


def test_an_index_worked_by_hand():
    frame = seen(
        ("a", "2026-01-10", 2.0), ("b", "2026-01-20", 4.0),
        ("a", "2026-02-10", 1.0), ("b", "2026-02-20", 8.0), ("b", "2026-02-21", 2.0),
        ("a", "2026-03-10", 1.0), ("c", "2026-03-10", 99.0),
    )  # fmt: skip
    # February: a halves, b stays (geometric mean of 8 and 2): sqrt(1/2). March: of a alone, which stays.
    found = dc.price_index(frame, **BY)
    assert found["index"].to_list() == pytest.approx([1.0, 0.5**0.5, 0.5**0.5])
    assert found["relative"].to_list() == [None, pytest.approx(0.5**0.5), pytest.approx(1.0)]
    assert found["n_items"].to_list() == [2, 2, 2]
    assert found["n_matched"].to_list() == [0, 2, 1]
    assert found["series"].unique().to_list() == ["akash"]


def test_a_provider_that_leaves_is_no_price_change():
    # The mean falls from 2.5 to 1 when the dear one leaves; no price moved.
    frame = seen(("a", "2026-01-01", 1.0), ("b", "2026-01-01", 4.0), ("a", "2026-02-01", 1.0))
    assert index(frame) == [1.0, 1.0]


prices = st.lists(st.floats(0.05, 50.0), min_size=3, max_size=5)


@settings(max_examples=40)
@given(
    table=st.lists(prices, min_size=2, max_size=4),
    month=st.integers(0, 4),
    price=st.floats(0.01, 190.0),
)
def test_a_provider_that_joins_at_any_price_moves_nothing_in_the_month_it_joins(table, month, price):
    rows = [
        (f"o{i}", f"2026-{m + 1:02d}-03", p) for i, line in enumerate(table) for m, p in enumerate(line)
    ]  # fmt: skip
    plain = dc.price_index(seen(*rows), **BY)
    joined = dc.price_index(seen(*rows, ("new", f"2026-{month + 1:02d}-04", price)), **BY)
    both = plain.join(joined, on="period", suffix="_joined")
    assert both["index_joined"].to_list() == pytest.approx(both["index"].to_list())


@settings(max_examples=40)
@given(table=st.lists(prices, min_size=1, max_size=4), factor=st.floats(0.1, 10.0), data=st.data())
def test_scaling_a_month_scales_its_index_and_the_order_of_rows_is_nothing(table, factor, data):
    months = min(len(line) for line in table)
    rows = [(f"o{i}", f"2026-{m + 1:02d}-03", line[m]) for i, line in enumerate(table) for m in range(months)]
    scaled = [(o, d, p * factor if d.startswith(f"2026-{months:02d}") else p) for o, d, p in rows]
    before = index(seen(*rows))
    assert index(seen(*scaled))[-1] == pytest.approx(before[-1] * factor)
    shuffled = data.draw(st.permutations(rows))
    renamed = [(f"x{o}", d, p) for o, d, p in shuffled]
    assert index(seen(*renamed)) == pytest.approx(before)


def test_a_gap_is_a_gap():
    frame = seen(("a", "2026-01-01", 2.0), ("a", "2026-04-01", 1.0))
    found = dc.price_index(frame, **BY)
    # Two months without a row have none; the same machine seen again is a price change.
    assert found["period"].to_list() == [date(2026, 1, 1), date(2026, 4, 1)]
    assert found["index"].to_list() == pytest.approx([1.0, 0.5])


def test_where_nothing_is_priced_again_another_chain_begins():
    frame = seen(("a", "2026-01-01", 2.0), ("a", "2026-02-01", 1.0), ("b", "2026-03-01", 9.0), ("b", "2026-04-01", 3.0))
    found = dc.price_index(frame, **BY)
    assert found["chain"].to_list() == [1, 1, 2, 2]
    assert found["index"].to_list() == pytest.approx([1.0, 0.5, 1.0, 1 / 3])
    assert found["relative"].is_null().to_list() == [True, False, True, False]


def test_an_item_that_was_away_is_matched_again_only_with_the_period_before():
    rows = [("a", "2026-01-01", 2.0), ("a", "2026-03-01", 8.0)]
    rows += [("b", f"2026-0{m}-01", 1.0) for m in (1, 2, 3)]
    assert index(seen(*rows)) == [1.0, 1.0, 1.0]


def test_a_price_list_stands_until_it_is_seen_changed():
    rows = [("a", "2026-01-01", 2.0), ("a", "2026-03-01", 1.0)]
    rows += [("b", f"2026-0{m}-01", 1.0) for m in (1, 2, 3, 4)]
    # a stood at 2 in February and halved by March; after March nobody saw it, so April is b's alone.
    found = dc.price_index(seen(*rows), **BY, until_seen_again=True)
    assert found["index"].to_list() == pytest.approx([1.0, 1.0, 0.5**0.5, 0.5**0.5])
    assert found["n_items"].to_list() == [2, 2, 2, 1]


def test_weeks_begin_on_monday():
    frame = seen(("a", "2026-01-04", 2.0), ("a", "2026-01-05", 1.0))  # a Sunday and a Monday
    assert dc.price_index(frame, **BY, every="1w")["period"].to_list() == [date(2025, 12, 29), date(2026, 1, 5)]


def test_networks_terms_and_chips_have_series_of_their_own():
    frame = offers(
        {"offer_id": "a"},
        {"offer_id": "b", "terms": "spot"},
        {"offer_id": "c", "network": "vast"},
    )
    found = dc.price_index(frame)
    assert found["series"].to_list() == [
        "akash decentralized h100-sxm on_demand", "akash decentralized h100-sxm spot",
        "vast decentralized h100-sxm on_demand",
    ]  # fmt: skip


def test_what_is_no_period_or_no_column_is_refused():
    with pytest.raises(ModelDomainError, match="1mo"):
        dc.price_index(seen(("a", "2026-01-01", 1.0)), **BY, every="1y")
    with pytest.raises(ModelDomainError, match="no column region"):
        dc.price_index(seen(("a", "2026-01-01", 1.0)), by=["region"])
    with pytest.raises(ModelDomainError, match="1mo"):
        stored_index(Store("nowhere"), every="1y")


def kept(store: Store, at: datetime, frame: pl.DataFrame, hosted: pl.DataFrame | None = None) -> None:
    store.write(
        observed_at=at, offers=frame, facts=facts(), skipped=Skipped.create_empty(),
        statuses={"akash": {"status": "ok"}}, token_prices=hosted,
    )  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """Ten months: two machines fall by a tenth a month, a dear one comes in May; the rest does not count."""
    store = Store(tmp_path_factory.mktemp("ten months"))
    for month in range(1, 11):
        price = 2.0 * 0.9 ** (month - 1)
        rows = [
            {"offer_id": "a", "usd_per_accelerator_hour": price},
            {"offer_id": "b", "usd_per_accelerator_hour": price * 2},
            {"offer_id": "paid", "usd_per_accelerator_hour": 0.5 * month, "price_kind": "reward"},
            {"offer_id": "resold", "usd_per_accelerator_hour": 9.0 * month, "upstream": "vast"},
            {"offer_id": "copied", "usd_per_accelerator_hour": 3.0 * month, "source": "skypilot"},
        ]
        if month >= 5:
            rows.append({"offer_id": "dear", "usd_per_accelerator_hour": 50.0 * price})
        at = datetime(2026, month, 28, 23, 30, tzinfo=UTC)
        rows = [{**row, "observed_at": at} for row in rows]
        kept(store, at, offers(*rows), tokens({"usd_per_mtok_input": 0.1 * 0.95**month, "observed_at": at}))
    return store


def test_the_index_of_a_store_is_that_of_its_frames(store):
    found = stored_index(store)
    assert found["series"].unique().to_list() == ["akash decentralized h100-sxm on_demand"]
    assert found["index"].to_list() == pytest.approx([0.9**m for m in range(10)])
    assert found["n_items"].to_list() == [2] * 4 + [3] * 6
    rows = store.scan("offers").filter(
        pl.col("source") == "akash", pl.col("price_kind") == "ask", pl.col("upstream").is_null()
    )
    assert dc.price_index(rows, observed="date").equals(found)


@pytest.mark.parametrize("every", ["1d", "1w", "1mo"])
def test_no_period_is_cut_by_the_months_a_store_is_read_in(store, every):
    assert stored_index(store, every=every)["index"].to_list() == pytest.approx([0.9**m for m in range(10)])


def test_a_store_is_read_between_days_and_of_some_chips(store):
    since, before = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    assert stored_index(store, since=since, before=before)["period"].to_list() == [date(2026, m, 1) for m in (3, 4, 5)]
    assert stored_index(store, accelerators=["a100-sxm"]).height == 0
    assert stored_index(store, networks=["akash"], terms=["on_demand"]).height == 10


def test_stored_token_prices_have_an_index_by_class(store):
    names = store.scan("token_prices").select("model_id", "llm").unique().collect()
    classes = names.with_columns(llm_class=pl.Series([llm_class(m, llm) for m, llm in names.iter_rows()]))
    found = stored_token_index(store, classes)
    assert found["series"].unique().to_list() == ["open-60b-to-100b"]
    blended = [0.3 + 2 * 0.1 * 0.95**m for m in range(1, 11)]
    assert found["index"].to_list() == pytest.approx([b / blended[0] for b in blended])


def test_a_damaged_file_is_a_gap_and_costs_the_rest_nothing(tmp_path, caplog):
    store = Store(tmp_path)
    for month in (2, 3, 4):
        kept(
            store,
            datetime(2026, month, 1, tzinfo=UTC),
            offers({"offer_id": "a", "usd_per_accelerator_hour": 4.0 / month}),
        )
    (file,) = (tmp_path / "offers" / "date=2026-03-01").glob("*.parquet")
    file.write_bytes(b"x" * file.stat().st_size)
    found = stored_index(store)
    assert found["period"].to_list() == [date(2026, 2, 1), date(2026, 4, 1)]
    assert found["index"].to_list() == pytest.approx([1.0, 0.5])
    assert "2026-03-01" in caplog.text


def test_a_store_that_can_not_be_read_is_named_with_the_command_that_tells_more(store, monkeypatch):
    def broken(*_, **__):
        raise pl.exceptions.ComputeError("no such column")

    monkeypatch.setattr(Store, "scan", broken)
    with pytest.raises(StoreError, match=r"its offers can't be read .no such column.; `depin-compare history verify`"):
        stored_index(store)


def test_an_empty_store_has_an_index_without_rows(tmp_path):
    assert stored_index(Store(tmp_path)).equals(PriceIndex.create_empty())


def test_days_are_counted_from_the_store_in_utc(tmp_path):
    store = Store(tmp_path)
    at = datetime(2026, 2, 1, 0, 30, tzinfo=UTC)
    for step in (timedelta(0), timedelta(minutes=-31)):
        kept(store, at + step, offers({"offer_id": "a", "observed_at": at + step}))
    assert stored_index(store)["period"].to_list() == [date(2026, 1, 1), date(2026, 2, 1)]
