"""Series of dated prices: never mixed, nothing invented, and what they say of their trend."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from market_frames import facts, offers, tokens

import depin_compare as dc
from depin_compare import refdata
from depin_compare.market.dated_prices import llm_class, stored_decline, stored_trends
from depin_compare.market.offers import Skipped
from depin_compare.market.store import Store
from depin_compare.market.token_prices import model_key
from depin_compare.refdata.histories import LLM_CLASSES, dated_rents, llm_classes


@pytest.fixture(scope="module")
def lines() -> pl.DataFrame:
    return dc.trends()


@pytest.fixture(scope="module")
def fits(lines) -> pl.DataFrame:
    return dc.trend_fits(lines)


def one(frame: pl.DataFrame, series: str) -> dict:
    return frame.row(by_predicate=pl.col("series") == series, named=True)


def test_every_packaged_point_stands_on_a_line_of_its_own(lines):
    assert lines.filter(pl.col("subject_kind") == "rent")["series"].n_unique() > 100
    # The contract, the market on demand, a cloud's list and a marketplace are four lines and four markets.
    h100 = dict(lines.filter(pl.col("subject") == "h100-sxm").select("series", "market").iter_rows())
    assert h100["semianalysis h100-sxm reserved_1y"] == "contract_1y"
    assert h100["market h100-sxm on_demand"] == "on_demand"
    assert h100["aws h100-sxm on_demand us-east-1"] == "hyperscaler_list"
    assert h100["aws h100-sxm capacity_block us-east-1"] == "capacity_block"
    assert h100["akash h100-sxm on_demand"] == "marketplace"
    assert lines.group_by("series").agg(pl.col("market", "unit", "subject", "is_list").n_unique()).select(
        pl.col("market", "unit", "subject", "is_list").max()
    ).row(0) == (1, 1, 1, 1)  # fmt: skip


def test_the_cut_of_june_2025_is_one_step_of_a_list(lines, fits):
    aws = one(fits, "aws h100-sxm on_demand us-east-1")
    assert (aws["state"], aws["n_steps"], aws["decline_per_year"]) == ("steps", 1, None)
    assert aws["steps"] == "2025-06-05: 12.29 -> 6.88 (-44.0%)"
    marked = lines.filter(pl.col("series") == "aws h100-sxm on_demand us-east-1", pl.col("is_step"))
    assert marked["observed_at"].dt.date().to_list() == [date(2025, 6, 5)]


def test_a_list_that_rose_rose(fits):
    runpod = one(fits, "runpod h100-sxm on_demand secure")
    assert runpod["fall_over_span"] == pytest.approx(1 - 3.99 / 2.99)
    assert runpod["n_steps"] == 2


def test_what_was_seen_three_times_says_that_it_is_too_short(fits):
    contract = one(fits, "semianalysis h100-sxm reserved_1y")
    assert contract["state"] == "too_short"
    assert "3 of the 8 needed" in contract["reason"]
    told = fits.filter(pl.col("state") == "too_short")
    assert told["reason"].null_count() == 0
    assert told["decline_per_year"].null_count() == told.height


def test_nothing_seen_later_than_a_day_is_told_of_it():
    day = date(2025, 5, 31)
    assert dc.trends(day)["observed_at"].dt.date().max() == day
    assert dc.trends(date(2023, 1, 1)).height == 0


def test_hosted_prices_are_indexed_by_class_from_2023_on(lines, fits):
    hosted = lines.filter(pl.col("subject_kind") == "token_price")
    assert set(hosted["subject"]) <= set(LLM_CLASSES)
    oldest = hosted.group_by("subject").agg(pl.col("observed_at").dt.date().min())
    first = dict(oldest.iter_rows())
    assert first["gpt-4-generation"] == date(2023, 8, 20)
    assert first["open-60b-to-100b"] == date(2023, 12, 15)
    # Two of the gpt-4 generation in both snapshots of 2023: Claude 2 fell from 11.02/32.68 to 8/24, GPT-4 stood.
    claude = (24 + 2 * 8) / (32.68 + 2 * 11.02)
    second = hosted.filter(pl.col("subject") == "gpt-4-generation")[1]
    assert (second["value"].item(), second["n_matched"].item()) == (pytest.approx(claude**0.5), 2)
    assert one(fits, "index gpt-4-generation")["state"] != "too_short"


def test_a_new_cheap_model_moves_no_index():
    at = [datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3)]
    rows = [{"observed_at": day} for day in at]
    plain = dc.trends(token_prices=tokens(*rows)).filter(pl.col("subject_kind") == "token_price")
    newcomer = [
        {"observed_at": day, "model_id": "llama-3.3-70b", "provider": "new", "usd_per_mtok_output": 0.01}
        for day in at[1:]
    ]
    joined = dc.trends(token_prices=tokens(*rows, *newcomer)).filter(pl.col("subject_kind") == "token_price")
    assert plain["value"].to_list() == joined["value"].to_list() == [1.0, 1.0, 1.0]
    assert joined["n_matched"].to_list() == [None, 1, 2]


def test_no_packaged_price_of_one_product_moves_by_more_than_five_between_two_sightings():
    """Tenfold slips of transcription stood in two of the sources; they are left out of the table."""
    prices = dc.reference_token_prices().with_columns(
        cost=pl.col("usd_per_mtok_output") + 2 * pl.col("usd_per_mtok_input"),
        model=pl.col("model_id").map_elements(model_key, return_dtype=pl.String),
    )
    moved = (pl.col("cost") / pl.col("cost").shift(1)).log().abs().over("provider", "model", order_by="observed_at")
    assert prices.with_columns(moved=moved).filter(pl.col("moved") > pl.lit(5.0).log()).height == 0


def test_classes_are_of_names_that_stand_in_the_table():
    known = {model_key(name) for name in refdata.reference_token_prices()["model_id"]}
    assert [name for name in llm_classes()["name"] if model_key(name) not in known] == []
    assert llm_class("meta.llama3-1-405b-instruct-v1:0", "llama-3.1-405b") == "open-over-100b"
    assert llm_class("nobody/knows-it", None) is None


def test_dated_rents_are_of_known_chips_and_within_their_ranges():
    rents = dated_rents()
    assert set(rents["accelerator"]) <= set(refdata.accelerators()["accelerator"])
    assert rents.filter(pl.col("usd_low").is_not_null()).height >= 4
    assert rents["rent_id"].to_list() == sorted(rents["rent_id"])
    march = rents.row(by_predicate=pl.col("rent_id") == "semianalysis-h100-2026-03", named=True)
    october = rents.row(by_predicate=pl.col("rent_id") == "semianalysis-h100-2025-10", named=True)
    assert march["usd_per_accelerator_hour"] / october["usd_per_accelerator_hour"] == pytest.approx(1.38, abs=0.005)


def filled(store: Store, decline: float, *, networks: int = 1) -> Store:
    for step in range(10):
        at = datetime(2026, 1, 5, 6, tzinfo=UTC) + timedelta(weeks=3 * step)
        price = 2.0 * (1 - decline) ** (step * 21 / 365.25)
        rows = [
            {"offer_id": str(n), "network": "akash", "usd_per_accelerator_hour": price * (n + 1), "observed_at": at}
            for n in range(networks)
        ]
        store.write(
            observed_at=at, offers=offers(*rows), facts=facts(), skipped=Skipped.create_empty(),
            statuses={"akash": {"status": "ok"}}, token_prices=tokens({"observed_at": at}),
        )  # fmt: skip
    return store


def test_the_stored_decline_is_that_of_what_is_on_offer(tmp_path):
    fits = stored_decline(filled(Store(tmp_path), 0.3, networks=3))
    assert fits["state"].item() == "fitted"
    assert fits["decline_per_year"].item() == pytest.approx(0.3)
    before = datetime(2026, 3, 1, tzinfo=UTC)
    assert stored_decline(Store(tmp_path), before=before)["state"].item() == "too_short"


def test_a_store_without_snapshots_has_no_decline(tmp_path):
    assert stored_decline(Store(tmp_path)).height == 0


def test_a_store_is_told_market_by_market_and_class_by_class(tmp_path):
    found = dc.trend_fits(stored_trends(filled(Store(tmp_path), 0.3)))
    assert found["series"].to_list() == ["index akash decentralized h100-sxm on_demand", "index open-60b-to-100b"]
    assert found["subject"].to_list() == ["h100-sxm", "open-60b-to-100b"]
    assert found["decline_per_year"][0] == pytest.approx(0.3)
    assert (found["state"][1], found["n_steps"][1]) == ("steps", 0)
