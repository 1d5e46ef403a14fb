"""OpenRouter, LiteLLM and models.dev: prices per million tokens by hand, and every trap of their answers."""

from __future__ import annotations

import json

import polars as pl
import pytest

from depin_compare.errors import SourceError
from fetchers.contract import Answer, Recording
from fetchers.litellm import MAP_URL
from fetchers.models_dev import API_URL
from fetchers.openrouter import MODELS_URL

LLAMA = "meta-llama/llama-3.3-70b-instruct"


@pytest.fixture
def openrouter(serve, run):
    serve("openrouter")
    return run("openrouter")


@pytest.fixture
def litellm(serve, run):
    serve("litellm")
    return run("litellm")


@pytest.fixture
def models_dev(serve, run):
    serve("models_dev")
    return run("models_dev")


def price(result, provider, model, variant=None):
    rows = result.token_prices.filter(pl.col("provider") == provider, pl.col("model_id") == model)
    if variant is not None:
        rows = rows.filter(pl.col("variant") == variant)
    assert rows.height == 1, rows
    return rows.row(0, named=True)


def reason(result, row_id):
    (row,) = result.skipped.filter(pl.col("row_id") == row_id).iter_rows(named=True)
    return row["kind"], row["reason"]


# -- OpenRouter


def test_each_host_has_its_price_and_kind(openrouter):
    deepinfra = price(openrouter, "deepinfra", LLAMA)
    assert (deepinfra["usd_per_mtok_input"], deepinfra["usd_per_mtok_output"]) == (0.1, 0.32)
    assert (deepinfra["llm"], deepinfra["host_kind"], deepinfra["kind"]) == ("llama-3.3-70b", "other", "published")
    assert price(openrouter, "azure", LLAMA)["host_kind"] == "cloud"
    assert price(openrouter, "akash", LLAMA)["host_kind"] == "network"


def test_a_discount_is_taken_off(openrouter):
    akash = price(openrouter, "akash", LLAMA)
    assert akash["usd_per_mtok_input"] == pytest.approx(0.13 * 0.8)
    assert akash["usd_per_mtok_output"] == pytest.approx(0.4 * 0.8)
    assert akash["note"] == "discount of 20% taken off"
    assert reason(openrouter, f"{LLAMA}@nobody/int4") == ("out_of_scope", "free: discount of 100%")


def test_a_model_whose_hosts_are_listed_is_not_counted_again(openrouter):
    assert reason(openrouter, LLAMA)[0] == "duplicate"
    assert "openrouter" not in set(openrouter.token_prices.filter(pl.col("model_id") == LLAMA)["provider"])


def test_the_hub_s_name_tells_what_a_vague_name_means(openrouter):
    row = price(openrouter, "openrouter", "deepseek/deepseek-chat")
    assert row["llm"] == "deepseek-v3"
    assert row["usd_per_mtok_cached_input"] == pytest.approx(0.16)


def test_closed_models_are_kept_for_the_trend(openrouter):
    row = price(openrouter, "openrouter", "anthropic/claude-opus-5")
    assert (row["llm"], row["usd_per_mtok_input"], row["usd_per_mtok_output"]) == (None, 5.0, 25.0)
    assert "dearer for long prompts" in row["note"]


@pytest.mark.parametrize(
    ("row", "kind", "part"),
    [
        ("openrouter/auto", "out_of_scope", "-1"),
        (f"{LLAMA}:free", "out_of_scope", "free"),
        ("painter/picture-1", "out_of_scope", "no price for text"),
        ("typed/per-million", "unreadable", "3e+06 USD per million input tokens"),
        (f"{LLAMA}@azure", "duplicate", "twice"),
    ],
)
def test_rows_of_openrouter_that_are_no_price(openrouter, row, kind, part):
    assert reason(openrouter, row)[0] == kind
    assert part in reason(openrouter, row)[1]


def test_hosts_that_fail_cost_one_model_and_are_told(serve, run, web):
    serve("openrouter", except_for="llama-3.3-70b-instruct/endpoints")
    web.get(f"{MODELS_URL}/{LLAMA}/endpoints", status=500, body="oops")
    result = run("openrouter")
    assert price(result, "openrouter", LLAMA)["usd_per_mtok_output"] == 0.32
    assert result.problems[0].startswith(f"endpoints/{LLAMA}: ")


def test_a_model_that_left_is_no_problem(serve, run, web):
    serve("openrouter", except_for="llama-3.3-70b-instruct/endpoints")
    web.get(f"{MODELS_URL}/{LLAMA}/endpoints", status=404, body="{}")
    assert run("openrouter").problems == ()


@pytest.mark.parametrize("text", ["abc", "NaN", "sNaN", "1e999999", "-0.5", "Infinity", True, [], {}])
def test_a_price_that_is_none_costs_one_row(web, run, text):
    models = [{"id": f"a/m{n}", "pricing": {"prompt": "0.000001", "completion": "0.000002"}} for n in range(9)]
    web.get(MODELS_URL, json={"data": [{"id": "x/y", "pricing": {"prompt": text, "completion": "0.000002"}}, *models]})
    result = run("openrouter")
    assert result.token_prices.height == 9
    assert reason(result, "x/y")[0] == "unreadable"


def test_an_id_that_is_no_path_is_not_asked(web, run):
    bad = {"id": "../admin/llama-3.3-70b-instruct", "pricing": {"prompt": "0.000001", "completion": "0.000002"}}
    web.get(MODELS_URL, json={"data": [bad]})
    assert run("openrouter").token_prices.height == 1
    assert len(web.calls) == 1


# -- LiteLLM


@pytest.mark.parametrize(
    ("provider", "model", "usd_in", "usd_out", "llm", "kind"),
    [
        ("aws", "meta.llama3-3-70b-instruct-v1:0", 0.72, 0.72, "llama-3.3-70b", "cloud"),
        ("azure", "azure_ai/Llama-3.3-70B-Instruct", 0.71, 0.71, "llama-3.3-70b", "cloud"),
        ("google", "vertex_ai/meta/llama-3.3-70b-instruct-maas", 0.72, 0.72, "llama-3.3-70b", "cloud"),
        ("hyperbolic", "hyperbolic/meta-llama/Llama-3.3-70B-Instruct", 0.12, 0.3, "llama-3.3-70b", "network"),
        ("databricks", "databricks/databricks-meta-llama-3-3-70b-instruct", 0.5, 1.5, "llama-3.3-70b", "other"),
        ("anthropic", "claude-opus-5", 5.0, 25.0, None, "lab"),
    ],
)
def test_prices_per_token_are_turned_into_prices_per_million(litellm, provider, model, usd_in, usd_out, llm, kind):
    row = price(litellm, provider, model)
    assert row["usd_per_mtok_input"] == pytest.approx(usd_in)
    assert row["usd_per_mtok_output"] == pytest.approx(usd_out)
    assert (row["llm"], row["host_kind"], row["kind"]) == (llm, kind, "third_party")


def test_a_row_without_a_page_says_so(litellm):
    assert price(litellm, "hyperbolic", "hyperbolic/meta-llama/Llama-3.3-70B-Instruct")["note"].endswith(
        "no page for it"
    )
    assert price(litellm, "azure", "azure_ai/Llama-3.3-70B-Instruct")["note"].startswith("from https://")


def test_a_tier_stands_in_for_a_missing_flat_price(litellm):
    row = price(litellm, "alibaba", "dashscope/qwen-flash")
    assert (row["usd_per_mtok_input"], row["usd_per_mtok_output"]) == (pytest.approx(0.05), pytest.approx(0.4))
    assert "prompts up to 256,000 tokens" in row["note"]


@pytest.mark.parametrize(
    ("row", "kind", "part"),
    [
        ("sample_spec", "out_of_scope", "no model"),
        ("fallback_generalizations", "out_of_scope", "no model"),
        ("claude-2", "out_of_scope", "withdrawn on 2025-07-21"),
        ("text-embedding-3-small", "out_of_scope", "embedding"),
        ("gpt-image-1", "out_of_scope", "image_generation"),
        ("github_copilot/gpt-5", "out_of_scope", "not priced by the token"),
        ("null-price", "out_of_scope", "not priced by the token"),
        ("gemini/gemini-free", "out_of_scope", "free or unknown"),
        ("novita/deepseek/deepseek-r1-0528", "unreadable", "2500 USD per million"),
    ],
)
def test_rows_of_the_map_that_are_no_price(litellm, row, kind, part):
    assert reason(litellm, row)[0] == kind
    assert part in reason(litellm, row)[1]


def test_a_map_that_is_a_list_is_an_error(web, run):
    web.get(MAP_URL, json=[1, 2])
    with pytest.raises(SourceError, match="saw a list, expected an object of models"):
        run("litellm")


# -- models.dev


@pytest.mark.parametrize(
    ("provider", "model", "usd_in", "usd_out", "llm", "kind"),
    [
        ("ionet", "meta-llama/Llama-3.3-70B-Instruct", 0.13, 0.38, "llama-3.3-70b", "network"),
        ("chutes", "deepseek-ai/DeepSeek-V3-0324-TEE", 0.25, 1.0, "deepseek-v3", "network"),
        ("google", "gemini-2.5-pro", 1.25, 10.0, None, "cloud"),
    ],
)
def test_prices_are_per_million_already(models_dev, provider, model, usd_in, usd_out, llm, kind):
    row = price(models_dev, provider, model)
    assert (row["usd_per_mtok_input"], row["usd_per_mtok_output"]) == (usd_in, usd_out)
    assert (row["llm"], row["host_kind"]) == (llm, kind)


def test_tiers_are_told_and_the_first_counts(models_dev):
    assert price(models_dev, "google", "gemini-2.5-pro")["note"] == "dearer for prompts over 200,000 tokens"


def test_a_chinese_price_list_is_a_variant(models_dev):
    assert price(models_dev, "alibaba", "qwen3-32b", "cn")["usd_per_mtok_output"] == 1.147


@pytest.mark.parametrize(
    ("row", "kind", "part"),
    [
        ("io-net/no/cost", "out_of_scope", "no cost"),
        ("chutes/old/model", "out_of_scope", "deprecated"),
        ("zai-coding-plan/glm-4.6", "out_of_scope", "subscription"),
        ("google-vertex/imagen", "out_of_scope", "gives image"),
        ("typo/per-token", "unreadable", "3e-07 USD per million"),
    ],
)
def test_rows_of_models_dev_that_are_no_price(models_dev, row, kind, part):
    assert reason(models_dev, row)[0] == kind
    assert part in reason(models_dev, row)[1]


def test_a_host_without_models_costs_only_itself(web, run, payload):
    document = json.loads(payload("models_dev/api.json"))
    del document["typo"]
    web.get(API_URL, json={**document, "broken": {"models": [1]}})
    result = run("models_dev")
    assert reason(result, "broken") == ("unreadable", "the host has no object of models")


# -- all three


@pytest.mark.parametrize(
    ("source", "name", "file"),
    [("litellm", "map", "litellm/map.json"), ("models_dev", "api", "models_dev/api.json")],
)
def test_one_value_gone_wrong_never_breaks_a_parser(source, name, file, payload, observed_at):
    """Put anything anywhere, one place at a time: a result in the band or a `SourceError`."""
    from fetchers import FETCHERS

    document = json.loads(payload(file))
    odd = [None, True, -1, 10**400, 1e308, "", "x", [], {}, [[]], {"input": "a"}, float("nan")]
    tried = 0

    def places(node, path=()):
        yield path
        if isinstance(node, dict):
            for key in node:
                yield from places(node[key], (*path, key))

    for path in list(places(document))[1:]:
        node = document
        for step in path[:-1]:
            node = node[step]
        right = node[path[-1]]
        for value in odd:
            node[path[-1]] = value
            body = json.dumps(document).encode()
            node[path[-1]] = right
            answer = Answer(name=name, url="https://x.example/y", status=200, body=body)
            tried += 1
            try:
                result = FETCHERS[source].parse(
                    Recording(source=source, recorded_at=observed_at, answers=(answer,)), observed_at=observed_at
                )
            except SourceError:
                continue
            assert result.token_prices["usd_per_mtok_output"].is_between(0.001, 1000).all()
    assert tried > 500


def test_a_round_gathers_the_token_prices_of_its_sources(serve, observed_at):
    from fetchers import collect

    for source in ("litellm", "models_dev", "openrouter"):
        serve(source)
    round_ = collect(["litellm", "models_dev", "openrouter"], observed_at=observed_at, probe=False)
    assert {status.source: status.status for status in round_.statuses} == dict.fromkeys(round_.results, "ok")
    assert round_.token_prices.height == sum(status.token_prices for status in round_.statuses) > 15
    assert round_.offers.height == 0
