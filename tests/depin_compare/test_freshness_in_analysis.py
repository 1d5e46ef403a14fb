"""From a price's age to the verdict: what an expired number costs, and whom it does not concern."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from depin_compare.analysis import Analysis, analyse
from depin_compare.explanations import explain
from depin_compare.market.freshness import AgeLimits, AgeRules
from depin_compare.market.offers import Offers
from depin_compare.market.reference import reference_facts, reference_offers
from reports.summary import verdict_lines

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
RULES = AgeRules(sources={"akash": AgeLimits(1, 60), "aws": AgeLimits(7, 180)})


def analysis_on(
    days: float | None = None, network: str = "akash", rules: AgeRules = RULES, as_of: datetime = AS_OF
) -> Analysis:
    """The packaged prices, those of one network as stored by its source so many days ago."""
    offers = reference_offers(as_of=as_of.date())
    if days is not None:
        mine = pl.col("network") == network
        offers = Offers.cast(
            offers.with_columns(
                pl.when(mine).then(pl.lit(as_of - timedelta(days=days))).otherwise("observed_at").alias("observed_at"),
                pl.when(mine).then(pl.lit("stored")).otherwise(pl.col("layer").cast(pl.String)).alias("layer"),
            )
        )
    return analyse(
        offers, reference_facts(as_of=as_of.date()), as_of=as_of, network_ids=("akash", "ionet", "render"),
        llm_ids=("llama-3.3-70b", "llama-3.1-8b"), scenario_ids=("base",), age_rules=rules,
    )  # fmt: skip


@pytest.fixture(scope="module")
def within() -> Analysis:
    return analysis_on(60)


@pytest.fixture(scope="module")
def beyond() -> Analysis:
    return analysis_on(61)


def test_within_its_limit_a_stale_price_is_marked_and_counts(within):
    akash = within.headlines.row(by_predicate=pl.col("network") == "akash", named=True)
    assert (akash["verdict"] == "not comparable", akash["freshness"]) == (False, "stale")
    rows = within.comparison.filter(pl.col("network") == "akash", pl.col("advantage").is_not_null())
    assert set(rows["freshness"].cast(str)) == {"stale"}
    assert "(stale)" in next(line for line in verdict_lines(within) if line.startswith("Akash"))
    assert within.left_out.is_empty()


def test_beyond_its_limit_it_leaves_the_verdict_and_stays_listed(beyond):
    akash = beyond.headlines.row(by_predicate=pl.col("network") == "akash", named=True)
    assert (akash["verdict"], akash["freshness"]) == ("not comparable", "expired")
    assert "is 61 days old, beyond its limit of 60 days; ask its source again" in akash["sentence"]
    prices = beyond.market_prices.filter(pl.col("network") == "akash")
    assert prices.height > 3
    assert set(prices["freshness"].cast(str)) == {"expired"}
    rows = beyond.comparison.filter(pl.col("network") == "akash")
    assert rows["network_usd_per_accelerator_hour"].null_count() == 0
    assert rows["advantage"].null_count() == rows.height
    fit = rows.filter(pl.col("accelerator") == "h100-sxm")
    assert set(fit["not_comparable"].str.extract("beyond its limit of ([0-9]+) days")) == {"60"}
    outlook = beyond.outlook.filter(pl.col("network") == "akash")
    assert outlook.height > 0
    assert set(outlook["verdict"].cast(str)) == {"not comparable"}
    assert outlook["not_comparable"].str.contains("beyond its limit of 60 days").all()
    assert beyond.advantage_paths.filter(pl.col("network") == "akash").is_empty()
    margins = beyond.margins.filter(pl.col("network") == "akash")
    assert margins["full_margin"].null_count() == margins.height
    assert margins["not_known"].str.contains("beyond its limit of 60 days").all()
    # What does not hang on the price is still known.
    assert margins["breakeven_usd_per_accelerator_hour"].is_not_null().any()


def test_an_expired_network_costs_no_other_a_byte(within, beyond):
    for name in ("headlines", "market_prices", "comparison", "margins", "outlook", "drivers", "advantage_paths"):
        before, after = (getattr(a, name).filter(pl.col("network") != "akash") for a in (within, beyond))
        assert before.height > 0
        assert_frame_equal(before, after)
        assert before.write_csv() == after.write_csv()


def test_an_expired_number_is_explained_as_one(beyond):
    told = explain(beyond, "comparison akash h100-sxm llama-3.3-70b aws/nvidia/list")
    assert told.value is None
    assert "beyond its limit" in told.text()


def test_an_expired_cloud_leaves_and_the_others_stand(within):
    gone = analysis_on(181, network="aws")
    mine = pl.col("cloud") == "aws"
    rows = gone.comparison.filter(mine, pl.col("reference").cast(str) == "list")
    assert rows["advantage"].null_count() == rows.height
    listed = gone.comparison.filter(
        mine, pl.col("reference").cast(str) == "modelled_cost", pl.col("network") == "ionet"
    )
    assert listed["advantage"].is_not_null().any()  # an owner's cost is no price of the cloud's
    key = ["network", "accelerator", "llm", "workload", "cloud", "silicon", "reference", "match"]
    others = pl.col("network") != "akash"
    assert_frame_equal(
        gone.comparison.filter(~mine, others).sort(key), within.comparison.filter(~mine, others).sort(key)
    )
    assert "not comparable" not in set(gone.headlines["verdict"])


def test_judging_changes_no_number_that_is_not_expired(within):
    lax = AgeRules(sources=dict.fromkeys(("akash", "aws"), AgeLimits(4000, 4000)),
                   packaged={kind: AgeLimits(4000, 4000) for kind in RULES.packaged})  # fmt: skip
    calm = analysis_on(60, rules=lax)
    for name in ("comparison", "margins", "outlook"):
        assert_frame_equal(getattr(calm, name).drop("freshness"), getattr(within, name).drop("freshness"))
        assert set(getattr(calm, name)["freshness"].drop_nulls().cast(str)) == {"fresh"}


def test_the_reference_data_alone_still_have_verdicts():
    today = analysis_on(as_of=datetime(2026, 11, 25, tzinfo=UTC))
    assert "not comparable" not in set(today.headlines["verdict"])
    assert today.headlines["freshness"].cast(str).to_list() == ["stale"] * 3


def test_an_expired_measurement_gives_way_to_the_assumption():
    late = analysis_on(0, as_of=datetime(2028, 6, 1, tzinfo=UTC))  # utilisation was seen in May 2026
    row = late.margins.filter(pl.col("network") == "akash", pl.col("accelerator") == "h100-sxm").to_dicts()[0]
    assert (row["utilisation_kind"], row["freshness"]) == ("assumption", "fresh")
    left = late.left_out.filter(pl.col("network") == "akash", pl.col("metric") == "utilisation")
    assert left["reason"].str.contains("the utilisation of .* is 739 days old, beyond its limit of 730 days").all()
    assert left.height > 0


def test_a_saved_analysis_of_before_the_ages_is_read(within):
    document = json.loads(within.to_json())
    for frame in document["frames"].values():
        for column in ("freshness", "age_days", "expected_age_days", "limit_age_days"):
            frame.pop(column, None)
    del document["frames"]["left_out"]
    old = Analysis.from_json(json.dumps(document))
    assert old.headlines["freshness"].to_list() == [None] * 3
    assert old.left_out.is_empty()
    assert verdict_lines(old)
    again = Analysis.from_json(within.to_json())
    assert_frame_equal(again.market_prices, within.market_prices)
    assert_frame_equal(again.outlook, within.outlook)
