"""A part of an analysis: some networks, some scenarios, and nothing worked out again."""

from __future__ import annotations

import dataclasses

import polars as pl
import pytest
from changed_runs import made
from polars.testing import assert_frame_equal

from depin_compare.analysis import Analysis
from depin_compare.errors import UnknownNameError
from depin_compare.selection import selected


@pytest.fixture(scope="module")
def whole() -> Analysis:
    return made(network_ids=("akash", "ionet", "render"), scenario_ids=("base", "maia200", "silicon_price_war"))


def frames(analysis: Analysis) -> dict[str, pl.DataFrame]:
    found = {field.name: getattr(analysis, field.name) for field in dataclasses.fields(analysis)}
    return {name: frame for name, frame in found.items() if isinstance(frame, pl.DataFrame)}


def test_without_a_wish_it_is_the_same(whole: Analysis) -> None:
    assert selected(whole).to_json() == whole.to_json()


def test_only_the_networks_asked_for_stay_and_every_cloud(whole: Analysis) -> None:
    part = selected(whole, networks=["ionet", "render"])
    clouds = set(whole.comparison["cloud"]) | {"oracle"}
    seen = 0
    for name, frame in frames(part).items():
        for column in {"network", "seller"} & set(frame.columns):
            assert set(frame[column].drop_nulls()) <= {"ionet", "render"} | clouds, name
            kept = getattr(whole, name).filter(pl.col(column).is_in(["ionet", "render"]))
            assert_frame_equal(frame.filter(pl.col(column).is_in(["ionet", "render"])), kept)
            seen += kept.height > 0
    assert seen >= 12
    assert "aws" in set(part.market_prices["network"])
    assert part.provenance["selected_networks"] == "ionet, render"


def test_only_the_scenarios_asked_for_stay_with_the_values_of_base(whole: Analysis) -> None:
    part = selected(whole, scenarios=["maia200"])
    for name in ("outlook", "advantage_paths", "margin_paths", "drivers"):
        assert set(getattr(part, name)["scenario"]) == {"maia200"}
        assert_frame_equal(getattr(part, name), getattr(whole, name).filter(pl.col("scenario") == "maia200"))
    assert set(part.scenarios["scenario"]) == {"base", "maia200"}
    assert_frame_equal(part.headlines, whole.headlines)
    assert part.provenance["selected_scenarios"] == "maia200"


def test_what_knows_neither_stays_whole(whole: Analysis) -> None:
    part = selected(whole, networks=["akash"], scenarios=["base"])
    for name, frame in frames(part).items():
        if not {"network", "seller", "scenario"} & set(frame.columns):
            assert_frame_equal(frame, getattr(whole, name))


def test_a_part_can_be_saved_and_selected_from_again(whole: Analysis) -> None:
    part = selected(whole, networks=["akash", "ionet"], scenarios=["base", "maia200"])
    again = Analysis.from_json(part.to_json())
    assert selected(again, networks=["akash"]).headlines["network"].to_list() == ["akash"]
    with pytest.raises(UnknownNameError, match="render"):
        selected(again, networks=["render"])


def test_a_name_it_does_not_have_is_an_error_with_the_nearest(whole: Analysis) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown network 'akahs'; did you mean akash\?"):
        selected(whole, networks=["akahs"])
    with pytest.raises(UnknownNameError, match=r"unknown scenario 'maia'; did you mean maia200\?"):
        selected(whole, scenarios=["maia"])
    with pytest.raises(UnknownNameError, match="unknown network 'aws'"):
        selected(whole, networks=["aws"])
