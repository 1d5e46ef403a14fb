"""Names of models, hosts, and the packaged prices of tokens."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from depin_compare import refdata
from depin_compare.market.token_prices import (
    TokenPrices,
    cheapest_per_host,
    llm_id,
    reference_token_prices,
    token_host,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("meta-llama/Llama-3.3-70B-Instruct", "llama-3.3-70b"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "llama-3.3-70b"),
        ("groq/llama-3.3-70b-versatile", "llama-3.3-70b"),
        ("meta-llama/llama-3.3-70b-instruct:nitro", "llama-3.3-70b"),
        ("openai.gpt-oss-120b-1:0", "gpt-oss-120b"),
        ("accounts/fireworks/models/llama-v3p1-8b-instruct", "llama-3.1-8b"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", "qwen3-235b-a22b"),
        ("deepseek-ai/DeepSeek-V3-0324", "deepseek-v3"),
        ("deepseek-ai/DeepSeek-V3.1", None),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", None),
        ("deepseek.v3-v1:0", None),
        ("meta-llama/Llama-3-70B-Instruct", None),
        ("nousresearch/hermes-3-llama-3.1-70b", None),
        ("zai-org/GLM-4.6V", None),
        ("Qwen/Qwen2.5-Coder-7B-Instruct", None),
        ("deepseek-chat", None),
        ("community", None),
        ("", None),
    ],
)
def test_a_name_means_one_llm_or_none(name: str, expected: str | None) -> None:
    """Bedrock's ``deepseek.v3`` is V3.1, ``deepseek-chat`` whatever is newest: neither is DeepSeek-V3."""
    assert llm_id(name) == expected


def test_names_of_models_and_hosts_do_not_collide() -> None:
    from depin_compare.market import token_prices as module

    names = [module.model_key(name) for name in refdata.llm_names()["name"]]
    assert len(names) == len(set(names))
    hosts = [module._squeezed(name) for name in refdata.token_hosts()["name"]]
    assert len(hosts) == len(set(hosts))


def test_a_host_has_one_kind() -> None:
    kinds = (
        refdata.token_hosts().group_by("host").agg(pl.col("host_kind").n_unique(), pl.col("display_name").n_unique())
    )
    assert kinds.filter((pl.col("host_kind") > 1) | (pl.col("display_name") > 1)).is_empty()


@pytest.mark.parametrize(
    ("name", "host", "kind"),
    [
        ("Amazon Bedrock", "aws", "cloud"),
        ("bedrock_converse", "aws", "cloud"),
        ("azure_ai", "azure", "cloud"),
        ("vertex_ai-llama_models", "google", "cloud"),
        ("io-net", "ionet", "network"),
        ("AkashML", "akash", "network"),
        ("hyperbolic", "hyperbolic", "network"),
        ("Anthropic", "anthropic", "lab"),
        ("Together", "together", "other"),
        ("Some New Host", "Some New Host", "other"),
    ],
)
def test_hosts_are_told_apart(name: str, host: str, kind: str) -> None:
    found = token_host(name)
    assert (found.host, found.kind) == (host, kind)


def test_networks_and_clouds_have_the_id_of_the_table_of_networks() -> None:
    hosts = refdata.token_hosts().filter(pl.col("host_kind").cast(pl.String).is_in(["cloud", "network"]))["host"]
    # Hosted models without capacity to rent by the hour.
    assert set(hosts) - set(refdata.networks()["network"]) <= {"near-ai", "phala"}


def test_the_packaged_prices_load_with_source_and_kind() -> None:
    frame = reference_token_prices()
    assert 400 <= frame.height <= 800
    assert set(frame["layer"].cast(pl.String)) == {"reference"}
    assert frame["source_url"].str.starts_with("https://").all()
    assert {"azure", "aws", "google", "together", "groq", "chutes", "ionet", "hyperbolic"} <= set(frame["provider"])
    assert (frame["observed_at"] <= NOW).all()


def test_an_llm_of_the_table_is_the_one_its_name_means() -> None:
    """Azure's meters have names of their own, and an LLM given by hand."""
    for model, llm in reference_token_prices().select("model_id", "llm").iter_rows():
        assert llm_id(model) in ({None, llm} if model.startswith("Azure ") else {llm})


def test_closed_models_make_a_trend_from_2023_on() -> None:
    closed = reference_token_prices().filter(pl.col("llm").is_null())
    for maker in ("anthropic", "openai", "google-ai-studio"):
        days = closed.filter(pl.col("provider") == maker)["observed_at"].dt.year()
        assert days.max() == 2026
        assert days.min() <= 2024
    assert closed.filter(pl.col("provider").is_in(["aws", "azure", "google"])).height > 15


@pytest.mark.parametrize(
    ("provider", "llm", "usd_in", "usd_out"),
    [
        ("azure", "llama-3.3-70b", 0.71, 0.71),
        ("aws", "llama-3.3-70b", 0.72, 0.72),
        ("google", "llama-3.3-70b", 0.72, 0.72),
        ("ionet", "llama-3.3-70b", 0.13, 0.38),
        ("together", "llama-3.3-70b", 1.04, 1.04),
        ("chutes", "gpt-oss-120b", 0.09, 0.36),
        ("azure", "gpt-oss-120b", 0.15, 0.6),
    ],
)
def test_hand_checked_prices(provider: str, llm: str, usd_in: float, usd_out: float) -> None:
    row = cheapest_per_host(reference_token_prices()).row(
        by_predicate=(pl.col("provider") == provider) & (pl.col("llm") == llm), named=True
    )
    assert (row["usd_per_mtok_input"], row["usd_per_mtok_output"]) == (usd_in, usd_out)
    assert row["usd_per_mtok"] == pytest.approx(usd_out + 2 * usd_in)


def test_a_past_day_sees_nothing_later() -> None:
    frame = reference_token_prices(as_of=date(2024, 12, 31))
    assert frame["observed_at"].max() <= datetime(2024, 12, 31, tzinfo=UTC)
    row = cheapest_per_host(frame).row(
        by_predicate=(pl.col("provider") == "aws") & (pl.col("llm") == "llama-3.1-70b"), named=True
    )
    assert row["usd_per_mtok_input"] == 0.99, "before the cut of 2025"


def prices(*rows: dict[str, Any]) -> Any:
    base = {
        "source": "openrouter", "provider": "together", "model_id": "llama", "llm": "llama-3.3-70b",
        "host_kind": "other", "usd_per_mtok_input": 1.0, "usd_per_mtok_output": 1.0, "observed_at": NOW,
        "layer": "live", "kind": "published", "source_url": "https://example.org",
    }  # fmt: skip
    filled = [{"variant": f"v{n}", **base, **row} for n, row in enumerate(rows)]
    return TokenPrices.validate(pl.DataFrame(filled, schema=TokenPrices.create_empty().schema))


def test_cheapest_depends_on_the_mix() -> None:
    frame = prices(
        {"usd_per_mtok_input": 0.1, "usd_per_mtok_output": 5.0}, {"usd_per_mtok_input": 1.0, "usd_per_mtok_output": 1.0}
    )
    assert cheapest_per_host(frame, input_tokens_per_output=16)["variant"].item() == "v0"
    assert cheapest_per_host(frame, input_tokens_per_output=0.1)["variant"].item() == "v1"


def test_the_seller_s_own_price_stands_before_a_copy_and_live_before_packaged() -> None:
    copy = {"source": "litellm", "kind": "third_party", "usd_per_mtok_output": 0.1}
    packaged = {"source": "litellm-1-109-1", "kind": "third_party", "layer": "reference", "usd_per_mtok_output": 0.05}
    assert cheapest_per_host(prices({}, copy, packaged))["source"].item() == "openrouter"
    assert cheapest_per_host(prices(copy, packaged))["source"].item() == "litellm"


def test_a_price_outside_the_band_is_refused() -> None:
    for usd in (0.0, 1e-7, 1080.0, float("nan")):
        with pytest.raises(Exception, match="usd_per_mtok_output"):
            prices({"usd_per_mtok_output": usd})
