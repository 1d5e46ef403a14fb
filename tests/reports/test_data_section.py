"""What the report says of its sources."""

from __future__ import annotations

import polars as pl
import report_data

from depin_compare.refdata import networks
from fetchers import FETCHERS
from reports.sections.data import _packaged_copies, data_states, sources
from reports.sections.page import Page
from reports.sections.prices import every_price
from reports.view import plain, spreads_shown
from reports.words import Names


def test_every_source_has_a_name_of_its_own() -> None:
    sellers = dict(networks().select("network", "display_name").iter_rows())
    names = {source: Names(known=sellers)(source) for source in FETCHERS}
    assert names["token_prices"] == "Token prices"
    assert names["prime_intellect"] == "Prime Intellect"
    plain = {source for source, name in names.items() if name == source.replace("_", " ")}
    assert plain <= {"gpuhunt"}  # writes itself so


def test_copies_in_the_package_are_told_with_their_use() -> None:
    feeds = {"litellm-1-109-1": ["token prices", "names"], "litellm-1-14-4": ["token prices"], "skypilot-x": ["prices"]}
    assert _packaged_copies("litellm", feeds) == {"text": "packaged copies: token prices", "tone": "muted"}
    assert _packaged_copies("golem", feeds) == {"text": "none of its own", "quiet": True}


def test_answers_stand_among_the_sources_with_their_day() -> None:
    live = report_data.live_shaped()
    (table,) = sources(Page(live, {}, {}))["parts"]
    answers = {row[0]: row for row in table["rows"] if str(row[1]).startswith("Answer of the source: ")}
    told = plain(live.market_prices).filter(pl.col("layer") == "live")["source"].unique().to_list()
    assert "akash" in told
    assert answers["Akash"][3] == "2026-11-22"
    assert answers["Akash"][4].startswith("prices")
    assert answers["OpenComputePrices"][5]["kind"] == "third_party"
    assert answers["Akash"][5]["kind"] == "published"


def test_a_source_is_overdue_and_a_price_stale_each_by_a_rule_that_is_told() -> None:
    page = Page(report_data.reference_only(), {}, {})
    (states,) = (part for part in data_states(page)["parts"] if part.get("columns", [{}])[0].get("title") == "Source")
    ages = [row[3]["text"] for row in states["rows"] if "days" in row[3]["text"]]
    assert ages
    assert all(text.endswith(", overdue") for text in ages)
    made = every_price(page)
    assert made is not None
    (table,) = made["parts"]
    told = table["notes"][0]
    assert "a packaged one older than 90 days (ask, bid, indicative) and 180 days (list)" in told
    limits = {"ask": 90, "bid": 90, "indicative": 90, "list": 180}
    for row in table["rows"]:
        kind = str(row[5]).partition(":")[0].partition(",")[0]
        age = row[-1].get("under", row[-1]["text"]).removeprefix("oldest ")
        assert ("stale" in age) == (int(age.partition(",")[0]) > limits[kind])


def test_a_price_over_offers_of_several_days_tells_the_oldest_and_how_many_tell_it() -> None:
    made = every_price(Page(report_data.reference_only(), {}, {}))
    assert made is not None
    (table,) = made["parts"]
    (row,) = (row for row in table["rows"] if row[0] == "Render" and str(row[1]).startswith("RTX 5090"))
    source, _layer, day, age = row[-4:]
    assert source["under"] == "and 1 other"
    assert (day["text"], day["under"]) == ("2026-08-11", "oldest 2025-03-31")
    assert (age["text"], age["under"]) == ("103", "oldest 601, stale")
    (other,) = (row for row in table["rows"] if row[0] == "Render" and str(row[1]).startswith("RTX 3090"))
    assert all("under" not in cell for cell in other[-4:])


def test_a_market_of_one_price_has_no_spread() -> None:
    every = plain(report_data.live_shaped().market_statistics)
    flat = every.filter(
        pl.col("n_offers") > 1, pl.col("usd_per_accelerator_hour_low") == pl.col("usd_per_accelerator_hour_high")
    )
    assert flat.height
    assert spreads_shown(every, every.height).join(flat, on=flat.columns, how="semi", nulls_equal=True).is_empty()


def test_a_list_that_somebody_keeps_for_a_seller_is_a_source_of_its_own() -> None:
    (table,) = sources(Page(report_data.live_shaped(), {}, {}))["parts"]
    rows = {str(row[0]): row for row in table["rows"] if str(row[1]).startswith(("Answer of", "Prices of"))}
    keeper = rows["AWS, kept by koyakimu"]
    assert keeper[1] == "Prices of AWS"
    assert keeper[2]["text"] == "raw.githubusercontent.com"
    assert (keeper[3], keeper[5]["kind"]) == ("2026-11-02", "third_party")
    assert (rows["AWS"][3], rows["AWS"][5]["kind"]) == ("2026-11-22", "published")


def test_a_packaged_price_of_a_source_that_answered_is_marked_as_in_the_chart() -> None:
    page = Page(report_data.live_shaped(), {}, {})
    states = next(part for part in data_states(page)["parts"] if part["type"] == "table")
    in_use = {row[0]["text"]: row[3] for row in states["rows"]}
    assert in_use["Render"]["text"].endswith("103 days, stale")
    assert in_use["Hyperbolic"]["text"].endswith("3 days, overdue")
