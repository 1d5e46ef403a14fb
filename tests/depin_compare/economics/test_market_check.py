"""Our unit costs beside what hosts ask, worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from depin_compare.economics.market_check import NO_HOST, NOBODY_WAITS, ModelAgainstMarket, model_against_market
from depin_compare.errors import UnknownNameError
from depin_compare.inference.references import UnitCosts
from depin_compare.inference.workloads import Workload
from depin_compare.market.token_prices import TokenPrices, reference_token_prices

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def costs(*rows: dict[str, Any]) -> Any:
    base = {
        "side": "cloud", "seller": "azure", "silicon": "nvidia", "accelerator": "h100-sxm", "llm": "llama-3.3-70b",
        "workload": "chat", "reference": "modelled_cost", "usd_per_mtok": 1.0, "usd_per_mtok_low": 0.8,
        "usd_per_mtok_high": 1.3,
    }  # fmt: skip
    filled = [{**base, **row} for row in rows]
    return UnitCosts.validate(pl.DataFrame(filled, schema=UnitCosts.create_empty().schema))


def prices(*rows: dict[str, Any]) -> Any:
    base = {
        "source": "openrouter", "provider": "together", "model_id": "llama", "llm": "llama-3.3-70b",
        "host_kind": "other", "usd_per_mtok_input": 0.5, "usd_per_mtok_output": 1.5, "observed_at": NOW,
        "layer": "live", "kind": "published", "source_url": "https://example.org",
    }  # fmt: skip
    return TokenPrices.validate(
        pl.DataFrame([{**base, **row} for row in rows], schema=TokenPrices.create_empty().schema)
    )


def test_a_host_s_two_prices_are_put_on_our_footing() -> None:
    """Chat has 1,000 prompt tokens to 500 of answer: 1.5 + 2 x 0.5 = 2.5 USD per million answered."""
    listed = {"reference": "list", "usd_per_mtok": 5.0}
    network = {"side": "network", "seller": "akash", "silicon": "network", "reference": "market", "usd_per_mtok": 2.0}
    frame = model_against_market(costs({}, listed, network), prices({}))
    (row,) = frame.to_dicts()
    assert row["input_tokens_per_output"] == 2
    assert row["usd_per_mtok_asked"] == pytest.approx(2.5)
    assert row["asked_over_modelled"] == pytest.approx(2.5)
    assert row["asked_over_list"] == pytest.approx(0.5)
    assert row["asked_over_network"] == pytest.approx(1.25)
    assert (row["usd_per_mtok_modelled_low"], row["usd_per_mtok_modelled_high"]) == (0.8, 1.3)
    assert (row["modelled_seller"], row["network_seller"]) == ("azure", "akash")


def test_the_cheapest_seller_stands_for_each_side() -> None:
    frame = model_against_market(
        costs({}, {"seller": "google", "usd_per_mtok": 0.7, "accelerator": "tpu-v6e"}), prices({})
    )
    assert frame.select("usd_per_mtok_modelled", "modelled_seller", "modelled_accelerator").row(0) == (
        0.7,
        "google",
        "tpu-v6e",
    )


def test_a_claimed_chip_is_not_our_model_s_answer() -> None:
    claimed = {"silicon": "maia-200", "accelerator": "maia-200", "usd_per_mtok": 0.1}
    assert model_against_market(costs({}, claimed), prices({}))["usd_per_mtok_modelled"].item() == 1.0


def test_hosts_stand_one_below_the_other_the_cheapest_first() -> None:
    hosts = [{}, {"provider": "chutes", "host_kind": "network", "usd_per_mtok_output": 0.2}]
    frame = model_against_market(costs({}), prices(*hosts))
    assert frame["provider"].to_list() == ["chutes", "together"]
    assert frame["host_kind"].cast(pl.String).to_list() == ["network", "other"]


def test_an_llm_nobody_hosts_says_so() -> None:
    frame = model_against_market(costs({"llm": "mixtral-8x22b"}), prices({}))
    assert frame.select("llm", "provider", "usd_per_mtok_asked", "not_comparable").row(0) == (
        "mixtral-8x22b",
        None,
        None,
        NO_HOST,
    )


def test_work_our_model_can_t_price_keeps_the_market_s_price() -> None:
    frame = model_against_market(costs({"usd_per_mtok": None, "not_comparable": "does not fit"}), prices({}))
    (row,) = frame.to_dicts()
    assert row["usd_per_mtok_asked"] == pytest.approx(2.5)
    assert row["asked_over_modelled"] is None
    assert "no unit cost" in row["not_comparable"]


def test_each_workload_has_its_mix_and_own_ones_may_be_given() -> None:
    mine = Workload(name="mine", input_tokens=900, output_tokens=100)
    frame = model_against_market(
        costs({}, {"workload": "mine"}, {"workload": "reasoning"}), prices({}), workloads={"mine": mine}
    )
    asked = dict(frame.select("workload", "usd_per_mtok_asked").iter_rows())
    assert asked == pytest.approx({"chat": 2.5, "mine": 1.5 + 9 * 0.5, "reasoning": 1.5 + 0.5 / 6})


def test_a_workload_nobody_knows_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="mine"):
        model_against_market(costs({"workload": "mine"}), prices({}))


def test_no_costs_and_no_prices_give_an_empty_frame() -> None:
    assert model_against_market(UnitCosts.create_empty(), prices({})).height == 0
    assert model_against_market(costs({}), TokenPrices.create_empty())["not_comparable"].item() == NO_HOST


def test_the_packaged_prices_answer_for_the_default_llms() -> None:
    llms = ("llama-3.3-70b", "llama-3.1-8b", "gpt-oss-120b", "deepseek-v3")
    frame = model_against_market(costs(*({"llm": llm} for llm in llms)), reference_token_prices())
    assert ModelAgainstMarket.is_valid(frame)
    hosts = frame.group_by("llm").agg(pl.col("provider").n_unique(), pl.col("host_kind").cast(pl.String).unique())
    assert hosts["provider"].min() >= 9
    assert all("cloud" in kinds for kinds in hosts["host_kind"])


def test_the_load_that_pays_is_the_cost_over_the_price() -> None:
    """At 2.5 USD a million, a machine that costs 1 USD a million at full load pays at 40 % of it."""
    (row,) = model_against_market(costs({"throughput_basis": "projected"}), prices({})).to_dicts()
    assert row["breakeven_load_fraction"] == pytest.approx(0.4)
    assert row["modelled_throughput_basis"] == "projected"
    assert row["caveat"] is None


def test_work_nobody_waits_for_is_told_apart_from_what_the_list_price_buys() -> None:
    frame = model_against_market(
        costs({"workload": "batch"}, {"workload": "batch", "llm": "mixtral-8x22b"}), prices({})
    )
    assert dict(frame.select("llm", "caveat").iter_rows()) == {"llama-3.3-70b": NOBODY_WAITS, "mixtral-8x22b": None}
