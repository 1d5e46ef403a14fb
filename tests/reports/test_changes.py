"""What changed between two reports, and what did it."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import changed_runs as runs
import polars as pl
import pytest
from analysed import analysed_once
from polars.testing import assert_frame_equal

from depin_compare.analysis import Analysis
from depin_compare.errors import ConfigError
from depin_compare.market.dated_prices import TrendFits
from depin_compare.remaking import remade
from reports.change_causes import causes_moved
from reports.change_words import change_sentence
from reports.changes import POINT_THRESHOLD, RELATIVE_THRESHOLD, Changes, changes
from reports.measures import KEY, measures
from reports.words import Names


@pytest.fixture(autouse=True)
def _made_again_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made again of equal arguments is worked out once, and without what no change speaks of."""
    monkeypatch.setattr("depin_compare.analysis.trend_fits", lambda *_: TrendFits.create_empty())
    monkeypatch.setattr("depin_compare.remaking.analyse", analysed_once)


def causes(frame: pl.DataFrame, *what: str) -> set[str]:
    kept = frame.filter(pl.col("what").cast(pl.String).is_in(what)) if what else frame
    return set(kept["cause"].cast(pl.String))


def row(frame: pl.DataFrame, **named: str) -> dict[str, object]:
    (found,) = frame.filter(*(pl.col(k).cast(pl.String) == v for k, v in named.items())).to_dicts()
    return found


def test_nothing_changed_gives_no_row() -> None:
    assert changes(runs.plain(), runs.plain()).is_empty()
    assert causes_moved(runs.plain(), runs.plain()) == ()


def test_dearer_offers_are_the_datas_doing() -> None:
    found = changes(runs.plain(), runs.dearer_akash())
    assert causes_moved(runs.plain(), runs.dearer_akash()) == ("data",)
    assert causes(found) == {"data"}
    assert set(found["network"].drop_nulls()) == {"akash"}
    price = row(found, what="price", accelerator="h100-sxm")
    assert price["after"] == pytest.approx(1.25 * price["before"])
    assert price["change_data"] == pytest.approx(price["change"])
    assert price["change_model"] is None
    # A quarter more for the same tokens: 1 - 1.25 (1 - a).
    advantage = row(found, what="advantage", cloud="aws", silicon="nvidia", reference="list")
    assert advantage["after"] == pytest.approx(1 - 1.25 * (1 - advantage["before"]))
    assert advantage["size"] == pytest.approx(price["size"])


def test_the_users_assumption_is_the_configurations_doing() -> None:
    found = changes(runs.plain(), runs.asked_otherwise())
    assert causes(found) == {"configuration"}
    told = row(found, what="assumption")
    assert (told["subject"], told["after"]) == ("cost_of_capital", 0.30)
    assert "price" not in set(found["what"].cast(pl.String))
    # With another version beside it, what only the user asked for is still his doing.
    older = dataclasses.replace(runs.plain(), provenance={**runs.plain().provenance, "version_depin-compare": "0.0.1"})
    both = changes(older, runs.asked_otherwise())
    assert causes(both) == {"configuration"}


def test_of_two_causes_each_has_its_part() -> None:
    before, after = runs.plain(), runs.both_moved()
    assert causes_moved(before, after) == ("configuration", "data")
    found = changes(before, after)
    assert causes(found, "price") == {"data"}
    assert causes(found, "assumption") == {"configuration"}
    # Capital of providers is no part of a market price: the advantage over a price list is the data's alone.
    assert row(found, what="advantage", cloud="aws", silicon="nvidia", reference="list")["cause"] == "data"
    margin = row(found, what="margin", network="akash")
    middle = row(measures(runs.asked_otherwise()), what="margin", network="akash")["value"]
    assert margin["cause"] == "several"
    assert margin["change_configuration"] == pytest.approx(middle - margin["before"])
    assert margin["change_data"] == pytest.approx(margin["after"] - middle)
    assert margin["change_configuration"] < 0 < margin["change_data"]
    assert "several causes, the configuration " in str(margin["sentence"])
    assert row(found, what="margin", network="ionet")["cause"] == "configuration"


def test_a_model_that_moved_with_the_data_is_told_apart() -> None:
    before = runs.of_an_older_model(runs.plain())
    assert causes_moved(before, runs.plain()) == ("model",)
    assert causes(changes(before, runs.plain())) == {"model"}
    found = changes(before, runs.dearer_akash())
    assert row(found, what="assumption")["cause"] == "model"
    told = row(found, what="advantage", network="akash", cloud="aws", silicon="nvidia", reference="modelled_cost")
    assert told["change_model"] == pytest.approx(-0.5)
    assert told["cause"] == "several"
    assert row(found, what="advantage", network="ionet", cloud="aws", silicon="nvidia", reference="modelled_cost")[
        "cause"
    ] == "model"  # fmt: skip
    assert row(found, what="advantage", network="akash", cloud="aws", silicon="nvidia", reference="list")[
        "cause"
    ] == "data"  # fmt: skip


@pytest.mark.parametrize("back", [False, True], ids=["they come", "they go"])
def test_the_users_own_numbers_are_the_configurations_doing(back: bool) -> None:
    pair = (runs.plain(), runs.own_numbers())
    found = changes(*reversed(pair)) if back else changes(*pair)
    assert row(found, what="price", network="akash", accelerator="h100-sxm")["cause"] == "configuration"
    assert row(found, what="price", network="akash", accelerator="a100-sxm-80gb")["cause"] == "data"
    assert row(found, what="margin", network="ionet")["cause"] == "configuration"
    # The user's price stands for Akash: what the network itself asks moves none of its advantages.
    assert causes(found.filter(network="akash"), "advantage") == {"configuration"}


def test_where_it_can_not_be_made_again_only_what_was_observed_has_its_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def early(_: Analysis, asked: Analysis, **__: object) -> Analysis:
        raise ConfigError("the saved analysis does not say which llms it was asked for")

    monkeypatch.setattr("reports.change_causes.remade", early)
    found = changes(runs.plain(), runs.both_moved())
    assert causes(found, "price") == {"data"}
    assert causes(found, "advantage", "margin", "verdict") == {"several"}
    assert found.filter(pl.col("cause") == "several")["change_data"].null_count() > 0


def test_what_is_not_made_again_exactly_is_not_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def askew(data: Analysis, asked: Analysis, **more: Analysis) -> Analysis:
        made = remade(data, asked, **more)
        off = pl.when(pl.col("network") == "akash").then(pl.col("full_margin") + 0.001).otherwise("full_margin")
        return dataclasses.replace(made, margins=made.margins.with_columns(off.alias("full_margin")))

    monkeypatch.setattr("reports.change_causes.remade", askew)
    found = changes(runs.plain(), runs.both_moved())
    assert row(found, what="margin", network="akash")["cause"] == "several"
    assert row(found, what="margin", network="akash")["change_data"] is None
    assert row(found, what="margin", network="ionet")["cause"] == "configuration"


def test_networks_and_scenarios_that_come_and_go() -> None:
    before, after = runs.plain(), runs.made(network_ids=("akash", "render"), scenario_ids=("base", "maia200"))
    found = changes(before, after).filter(pl.col("what").cast(pl.String).is_in(["network", "scenario"]))
    assert found["sentence"].to_list() == [
        "io.net has left the report. Cause: the configuration.",
        "Render is new in the report. Cause: the configuration.",
        "Scenario Maia 200 roll-out is new in the report. Cause: the configuration.",
    ]


def test_a_day_later_is_the_datas_doing() -> None:
    later = runs.made(as_of=runs.DAY + timedelta(days=800))
    found = changes(runs.plain(), later)
    assert causes_moved(runs.plain(), later) == ("data",)
    assert causes(found) == {"data"}
    assert "freshness" in set(found["what"].cast(pl.String))


def test_small_moves_are_no_news() -> None:
    def moved(by: float) -> list[str]:
        frame = runs.plain().market_prices.with_columns(
            pl.when(pl.col("network") == "akash")
            .then(pl.col("usd_per_accelerator_hour") * (1 + by))
            .otherwise("usd_per_accelerator_hour")
            .alias("usd_per_accelerator_hour")
        )
        return changes(runs.plain(), dataclasses.replace(runs.plain(), market_prices=frame))["what"].to_list()

    assert moved(0.9 * RELATIVE_THRESHOLD) == []
    assert set(moved(1.1 * RELATIVE_THRESHOLD)) == {"price"}

    def kept(by: float) -> int:
        frame = runs.plain().margins.with_columns(pl.col("full_margin") + by)
        return changes(runs.plain(), dataclasses.replace(runs.plain(), margins=frame)).height

    assert (kept(0.9 * POINT_THRESHOLD), kept(-1.1 * POINT_THRESHOLD)) == (0, 2)


def test_a_number_that_is_known_no_more_is_news() -> None:
    lost = pl.when(pl.col("network") == "akash").then(None).otherwise("full_margin").alias("full_margin")
    after = dataclasses.replace(runs.plain(), margins=runs.plain().margins.with_columns(lost))
    (told,) = changes(runs.plain(), after).to_dicts()
    assert (told["after"], told["change"]) == (None, None)
    assert "to not known" in told["sentence"]


def test_the_largest_come_first_and_verdicts_before_all() -> None:
    found = changes(runs.plain(), runs.dearer_akash())
    assert found["rank"].to_list() == list(range(1, found.height + 1))
    kinds = found["what"].cast(pl.String).to_list()
    assert kinds[0] == "verdict"
    assert kinds.index("margin") < kinds.index("price")
    for what in ("advantage", "price"):
        sizes = found.filter(pl.col("what") == what)["size"].to_list()
        assert sizes == sorted(sizes, reverse=True) or max(sizes) - min(sizes) < 1e-9


def test_the_order_of_rows_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    def shuffled(one: Analysis) -> Analysis:
        names = ("offers", "facts", "market_prices", "unit_costs", "comparison", "margins", "outlook")
        return dataclasses.replace(one, **{name: getattr(one, name).reverse() for name in names})

    one = changes(runs.plain(), runs.dearer_akash())
    other = changes(shuffled(runs.plain()), shuffled(runs.dearer_akash()))
    assert_frame_equal(one, other)


def test_an_analysis_made_again_is_the_same_one() -> None:
    for one in (runs.both_moved(), runs.own_numbers()):
        assert_frame_equal(measures(remade(one, one)).sort(KEY), measures(one).sort(KEY))


def test_an_analysis_that_does_not_say_what_it_was_asked_is_not_made_again() -> None:
    early = dataclasses.replace(runs.plain(), provenance={})
    with pytest.raises(ConfigError, match="which llms and workloads and draws and seed it was asked for"):
        remade(early, early)


def test_every_kind_of_change_has_its_sentence() -> None:
    names = Names(known={"akash": "Akash", "h100-sxm": "H100 SXM"})
    blank = dict.fromkeys(Changes.columns()) | {"cause": "data"}
    told = {
        "Akash: eroded, was exposed. Cause: the data.": {
            "what": "verdict", "network": "akash", "text_before": "exposed", "text_after": "eroded",
        },
        "Akash, take rate provider: 5.0% to 10%. Cause: the data.": {
            "what": "take rate", "network": "akash", "subject": "take_rate_provider", "unit": "fraction",
            "before": 0.05, "after": 0.1,
        },
        "Akash, token price AKT: 0.5 USD to 0.4 USD (\N{MINUS SIGN}20%), stored data, was live. Cause: the data.": {
            "what": "fact", "network": "akash", "subject": "token_price AKT", "unit": "USD", "before": 0.5,
            "after": 0.4, "layer_before": "live", "layer_after": "stored",
        },
        "Source Akash: no data, was live data. Cause: the data.": {
            "what": "source", "subject": "akash", "text_before": "live", "text_after": "no data",
        },
        "Akash: H100 SXM with llama stands for it, was nothing. Cause: the data.": {
            "what": "stands for", "network": "akash", "text_after": "h100-sxm / llama",
        },
    }  # fmt: skip
    for sentence, told_of in told.items():
        assert change_sentence(blank | told_of, names) == sentence
