"""What every source owes: its facts, its two functions, its notes, and how it fails."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import math
from datetime import UTC, datetime
from functools import cache
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depin_compare.errors import SourceError
from depin_compare.market.discrepancies import CATALOGUES
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import Offers, Skipped
from depin_compare.market.token_prices import TokenPrices
from depin_compare.refdata import networks
from fetchers import FETCHERS
from fetchers.contract import (
    Answer,
    Chip,
    FetchResult,
    Recording,
    Rows,
    RowSkipped,
    SourceKind,
    checked_number,
    checked_object,
    checked_price,
    checked_text,
    checked_whole,
    country_or_none,
    fetch_result,
    text_or_none,
)
from fetchers.http import source_session

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SOURCES = list(FETCHERS)
# A source of token prices: no offers, and no networks they are of.
TOKENS_ONLY = {"litellm", "models_dev", "openrouter"}
# A source without offers of its own.
FACTS_ONLY = {"token_prices"}


def module(source):
    return importlib.import_module(f"fetchers.{source}")


def test_the_table_of_fetchers_is_sorted_and_keyed_by_name():
    assert list(FETCHERS) == sorted(FETCHERS)
    assert [fetcher.name for fetcher in FETCHERS.values()] == list(FETCHERS)


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_declares_what_it_is(source):
    fetcher = FETCHERS[source]
    assert module(source).FETCHER is fetcher
    assert bool(fetcher.networks) == (source not in TOKENS_ONLY)
    assert set(fetcher.networks) <= set(networks()["network"])
    assert fetcher.hosts
    assert all(host == host.lower() and "/" not in host and ":" not in host for host in fetcher.hosts)
    assert 0 < fetcher.time_budget_seconds <= 600


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_says_what_it_is_and_on_what_terms(source):
    fetcher = FETCHERS[source]
    assert fetcher.kind in get_args(SourceKind)
    assert (fetcher.kind == "catalogue") == (source in CATALOGUES)
    assert (fetcher.kind == "hosted token prices") == (source in TOKENS_ONLY)
    assert len(fetcher.terms) > 10
    assert fetcher.terms == fetcher.terms.strip().removesuffix(".")
    assert 0 < fetcher.min_pause_seconds <= 1


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_has_the_two_functions(source):
    def parameters(function):
        return [(p.name, p.kind.name) for p in inspect.signature(function).parameters.values()]

    fetcher = FETCHERS[source]
    assert parameters(fetcher.fetch) == [("session", "POSITIONAL_OR_KEYWORD"), ("observed_at", "KEYWORD_ONLY")]
    assert parameters(fetcher.parse) == [("recording", "POSITIONAL_OR_KEYWORD"), ("observed_at", "KEYWORD_ONLY")]
    assert fetcher.parse.__doc__
    assert fetcher.fetch.__doc__


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_notes_what_a_reader_must_know(source):
    lines = (module(source).__doc__ or "").splitlines()
    for head in ("Endpoint: ", "Price includes: ", "Traps: ", "Seen: "):
        assert sum(line.startswith(head) for line in lines) == 1, head


@pytest.mark.parametrize("source", SOURCES)
def test_the_recorded_payload_gives_offers_of_the_declared_networks(source, serve, run):
    serve(source)
    result = run(source)
    assert (result.offers.height == 0) == (source in FACTS_ONLY | TOKENS_ONLY)
    assert (result.token_prices.height > 0) == (source in TOKENS_ONLY)
    assert result.offers.height + result.facts.height + result.token_prices.height > 0
    assert set(result.offers["network"]) | set(result.facts["network"]) <= set(FETCHERS[source].networks)
    assert Offers.is_valid(result.offers)
    assert Skipped.is_valid(result.skipped)
    assert NetworkFacts.is_valid(result.facts)
    assert TokenPrices.is_valid(result.token_prices)
    assert result.problems == ()


@pytest.mark.parametrize("source", SOURCES)
def test_parse_needs_no_network_and_gives_the_same_twice(source, serve, web, observed_at):
    serve(source)
    fetcher = FETCHERS[source]
    taken = fetcher.fetch(source_session(source, fetcher.hosts), observed_at=observed_at)
    web.reset()
    first = fetcher.parse(taken, observed_at=observed_at)
    again = fetcher.parse(taken, observed_at=observed_at)
    assert first.offers.equals(again.offers)
    assert first.skipped.equals(again.skipped)
    assert first.facts.equals(again.facts)
    assert first.token_prices.equals(again.token_prices)


FAILURES = {
    "server error": {"status": 500, "body": "oops"},
    "challenge page": {"status": 403, "body": "<!DOCTYPE html><title>Just a moment...</title>"},
    "page instead of data": {"status": 200, "body": "<html>Welcome</html>"},
    "truncated": {"status": 200, "body": '{"models": [{"vendor": "nvi'},
    "nothing": {"status": 200, "body": ""},
    "null": {"status": 200, "body": "null"},
    "empty list": {"status": 200, "body": "[]"},
    "not text": {"status": 200, "body": b"\xff\xfe\x00"},
    "deep nesting": {"status": 200, "body": b"[" * 100_000},
    "too many requests": {"status": 429, "body": "slow down", "headers": {"Retry-After": "3600"}},
    "redirect away": {"status": 302, "body": "", "headers": {"Location": "https://evil.example/x"}},
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("failure", FAILURES)
def test_a_source_fails_with_its_own_error(source, failure, payloads, web, run):
    for url, _, _ in payloads[source]:
        for method in ("GET", "POST"):
            web.add(method, url, **FAILURES[failure])
    with pytest.raises(SourceError) as caught:
        run(source)
    assert caught.value.source == source
    assert not caught.value.unreachable
    assert str(caught.value).startswith(f"{source}: https://")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_without_a_network_is_unreachable(source, run):
    with pytest.raises(SourceError, match="name not found") as caught:
        run(source)
    assert caught.value.unreachable


@pytest.mark.parametrize("source", SOURCES)
def test_an_answer_too_large_fails_the_source(source, serve, run):
    serve(source)
    with pytest.raises(SourceError, match="more than 20 bytes"):
        run(source, source_session(source, FETCHERS[source].hosts, max_body_bytes=20))


# -- recordings


def answered(body):
    answer = Answer(name="a", url="https://x.example/list", status=200, body=body)
    return Recording(source="akash", recorded_at=NOW, answers=(answer,)).json(answer)


def test_half_a_surrogate_pair_becomes_a_replacement_character():
    assert answered(rb'{"a\ud800": ["\uDFFF x", "\ud83d\ude00", {"b": "\\ud800"}]}') == {
        "a\ufffd": ["\ufffd x", "\U0001f600", {"b": "\\ud800"}]
    }


@pytest.mark.parametrize("body", [b'"\xed\xa0\x80"', b'"\xff"', b'["\\ud800",' * 50_000])
def test_text_that_is_no_text_is_an_error_of_the_source(body):
    with pytest.raises(SourceError, match="no JSON"):
        answered(body)


def test_a_failure_is_told_in_few_words_whatever_a_recording_holds():
    answer = Answer(name="a", url="https://x.example", status=-1, body=b"x" * 100_000)
    with pytest.raises(SourceError) as caught:
        Recording(source="akash", recorded_at=NOW, answers=(answer,)).content(answer)
    assert len(str(caught.value)) < 1000


def answers():
    names = st.text(max_size=80)
    bodies = st.binary(max_size=50)
    return st.lists(st.builds(Answer, name=names, url=names, status=st.integers(-1, 599), body=bodies), max_size=5).map(
        tuple
    )


@given(answers=answers())
def test_a_recording_comes_back_as_it_was(tmp_path_factory, answers):
    folder = tmp_path_factory.mktemp("recording")
    taken = Recording(source="akash", recorded_at=NOW, answers=answers)
    taken.save(folder)
    assert Recording.load(folder, "akash") == taken


def test_a_second_recording_replaces_the_first(tmp_path):
    one = Answer(name="a/b c", url="https://x.example/1", status=200, body=b"1")
    Recording(source="akash", recorded_at=NOW, answers=(one, one)).save(tmp_path)
    Recording(source="akash", recorded_at=NOW, answers=(one,)).save(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["000-a-b-c.body", "index.json"]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (None, "no such file"),
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"source": "azure", "answers": []}', "a recording of azure"),
        ('{"source": "akash", "answers": []}', "KeyError"),
    ],
)
def test_a_recording_that_cannot_be_read_is_a_source_error(tmp_path, index, message):
    if index is not None:
        (tmp_path / "index.json").write_text(index)
    with pytest.raises(SourceError, match=message):
        Recording.load(tmp_path, "akash")


def test_an_index_does_not_reach_out_of_its_folder(tmp_path):
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "akash"
    Recording(source="akash", recorded_at=NOW, answers=()).save(folder)
    index = json.loads((folder / "index.json").read_text())
    index["answers"] = [{"name": "a", "url": "u", "status": 200, "file": "../secret"}]
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(SourceError, match="no such file"):
        Recording.load(folder, "akash")


# -- rows


def rows_with(*prices, **more):
    rows = Rows("akash", NOW)
    for number, usd in enumerate(prices):
        with rows.judging(f"r{number}"):
            rows.offer(
                **{
                    "offer_id": f"o{number}", "network": "akash", "segment": "decentralized",
                    "chip": Chip("h100-sxm", None), "accelerator_name": "h100", "usd_per_accelerator_hour": usd,
                    "price_kind": "bid", "listed_price": str(usd), "listed_unit": "USD", "source_url": "https://x.example",
                } | more
            )  # fmt: skip
    return rows


def test_no_rows_give_empty_frames_of_the_schema():
    result = fetch_result(Rows("akash", NOW))
    assert result.offers.schema == Offers.create_empty().schema
    assert result.skipped.schema == Skipped.create_empty().schema
    assert result.facts.schema == NetworkFacts.create_empty().schema


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_only_a_plausible_price_is_an_offer(usd):
    result = fetch_result(rows_with(usd))
    plausible = math.isfinite(usd) and 0.01 <= usd <= 200
    assert result.offers.height == plausible
    assert result.skipped["kind"].to_list() == ([] if plausible else ["unreadable"])


def test_a_key_seen_twice_is_a_duplicate_and_the_first_stays():
    result = fetch_result(rows_with(1.0, 2.0, offer_id="same"))
    assert result.offers["usd_per_accelerator_hour"].to_list() == [1.0]
    assert result.skipped["kind"].to_list() == ["duplicate"]


def test_a_row_that_breaks_the_schema_costs_only_itself():
    rows = rows_with(*[1.0] * 5)
    rows.offers[0]["available"] = -3
    result = fetch_result(rows)
    assert result.offers["offer_id"].to_list() == ["o1", "o2", "o3", "o4"]
    assert result.skipped["reason"].to_list() == ["breaks available|min"]


def test_a_schema_that_most_rows_break_is_the_parsers_fault_and_told():
    rows = rows_with(1.0, 2.0)
    rows.offers[0]["available"] = -3
    with pytest.raises(SourceError, match=r"1 of 2 break the schema: breaks available\|min"):
        fetch_result(rows)


def test_half_a_surrogate_pair_is_replaced_and_breaks_no_frame():
    rows = rows_with(1.0, accelerator_name=json.loads(r'"H100 \ud800"'))
    rows.skip(json.loads(r'"\udfff"'), "unreadable", "reason")
    result = fetch_result(rows)
    assert result.offers["accelerator_name"].to_list() == ["H100 ?"]
    assert result.skipped["row_id"].to_list() == ["?"]


@given(good=st.integers(0, 40), bad=st.integers(0, 40), beside=st.integers(0, 40))
def test_a_fifth_of_the_rows_in_scope_may_be_unreadable_and_no_more(good, bad, beside):
    rows = rows_with(*[1.0] * good)
    for number in range(bad):
        rows.skip(f"b{number}", "unreadable", "reason")
    for number in range(beside):
        rows.skip(f"s{number}", "out_of_scope", "reason")
    if bad * 5 > good + bad:
        with pytest.raises(SourceError, match=f"{bad} of {good + bad} rows unreadable, such as b0: reason"):
            rows.check_readable("$.models")
    else:
        rows.check_readable("$.models")


def test_an_empty_market_is_never_quiet():
    rows = Rows("akash", NOW)
    rows.skip("a", "out_of_scope", "reason")
    with pytest.raises(SourceError, match=r"\$: saw no offer at all \(1 out_of_scope\)"):
        rows.check_offers("$")


json_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


@given(json_values, st.booleans())
def test_a_number_is_finite_or_nothing_or_skips_the_row(value, text):
    with contextlib.suppress(RowSkipped):  # the third of the outcomes allowed
        number = checked_number(value, "price", text=text)
        assert number is None or (isinstance(number, float) and math.isfinite(number))
        assert (number is None) == (value is None)


@pytest.mark.parametrize("value", ["n/a", True, [], {}, float("nan"), float("inf"), 10**400, "1e999", ""])
def test_what_is_no_number(value):
    with pytest.raises(RowSkipped, match=r"^price is "):
        checked_number(value, "price", text=True)


def test_whole_numbers_and_texts():
    assert checked_whole(3.0, "n") == 3
    assert checked_whole(None, "n") is None
    assert checked_text(" a ", "t") == "a"
    for value in (-1, 1.5, "3", 2**60):
        with pytest.raises(RowSkipped):
            checked_whole(value, "n")
    for value in (None, "", " ", 3):
        with pytest.raises(RowSkipped):
            checked_text(value, "t")


def test_zero_and_null_are_no_price_and_a_negative_one_is_unreadable():
    assert checked_price("1.5", "p", text=True) == 1.5
    for value, kind in ((None, "out_of_scope"), (0, "out_of_scope"), (-1.0, "unreadable"), ("1.5", "unreadable")):
        with pytest.raises(RowSkipped) as caught:
            checked_price(value, "p")
        assert caught.value.kind == kind


def test_what_a_row_may_leave_out_is_none():
    assert (text_or_none(" a "), text_or_none(" "), text_or_none(3)) == ("a", None, None)
    assert (country_or_none("fi"), country_or_none("Finland"), country_or_none(None)) == ("FI", None, None)
    with pytest.raises(RowSkipped, match="the row is no object"):
        checked_object([])


def outcome(source, taken):
    try:
        return FETCHERS[source].parse(taken, observed_at=NOW)
    except SourceError as error:
        return error


# Source -> names of the answers its parser looks for.
ANSWERS = {
    "akash": ("gpu-prices", "gpu-breakdown", "providers", "dashboard", "burn-mint", "burn-mint-status"),
    "aws": ("on-demand/us-east-1", "spot", "spot-advisor", "capacity-blocks"),
    "azure": ("prices/Standard_ND",),
    "chutes": ("pricing", "revenue"),
    "clore": ("marketplace",),
    "fluence": ("container", "vm", "bare_metal"),
    "golem": ("online",),
    "google": ("skus/6F81-5844-456A", "skus/E000-3F24-B8AA"),
    "gpuhunt": ("aws/version", "aws", "nebius"),
    "hyperbolic": ("options",),
    "ionet": ("machines", "replicas", "containers", "market", "quote/container"),
    "litellm": ("map",),
    "lium": ("executors", "machines"),
    "models_dev": ("api",),
    "nosana": ("markets", "jobs-running", "nodes-country", "stats"),
    "opencomputeprices": ("data",),
    "openrouter": ("models", "endpoints/meta-llama/llama-3.3-70b-instruct"),
    "oracle": ("products",),
    "prime_intellect": ("gpus",),
    "render": ("defillama", "burn/ledger", "burn/dashboard", "nodes"),
    "runpod": ("gpu-types", "gpu-types-short"),
    "salad": ("gpu-classes", "demand"),
    "skypilot": ("aws", "gcp", "vast"),
    "spheron": ("offers",),
    "targon": ("inventory",),
    "token_prices": ("defillama", "coingecko"),
    "vast": ("offers/H100 SXM", "gpu-stats"),
}


@pytest.mark.parametrize("sources", [SOURCES[n::3] for n in range(3)], ids="{0[0]} and others".format)
@given(document=st.recursive(json_values, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_no_payload_whatever_breaks_a_parser(sources, document):
    """Whatever JSON comes, a parser gives a result or its `SourceError`, never a bug."""
    wrapped = {
        "models": document, "data": {"hardware": document, "gpuTypes": document}, "Items": document, "coins": document,
        "status": "succeeded", "availability": document, "offers": document,
    }  # fmt: skip
    bodies = [json.dumps(body).encode() for body in (document, wrapped, {**wrapped, "data": document})]
    # Drawing a document takes longer than parsing it: each is given to many parsers.
    for source, body in product(sources, bodies):
        taken = Recording(
            source=source,
            recorded_at=NOW,
            answers=tuple(
                Answer(name=name, url="https://x.example", status=200, body=body) for name in ANSWERS[source]
            ),
        )
        assert isinstance(outcome(source, taken), SourceError | FetchResult), source


@cache
def real_rows(file, path):
    rows = json.loads((Path(__file__).parent / "data" / file).read_bytes())
    for step in path:
        rows = rows[step]
    return rows


row_values = st.one_of(json_values, st.sampled_from(["h100", "80Gi", "SXM5", "nvidia", 1, 2.5, {"total": 3}]))


@pytest.mark.parametrize(
    ("source", "name", "wrap", "like"),
    [
        ("akash", "gpu-prices", lambda rows: {"models": rows}, ("akash/gpu-prices.json", ("models",))),
        ("ionet", "machines", lambda rows: {"data": {"hardware": rows}}, ("ionet/machines.json", ("data", "hardware"))),
        ("ionet", "market", lambda rows: {"status": "succeeded", "data": rows}, ("ionet/market.json", ("data",))),
        ("azure", "prices/Standard_ND", lambda rows: {"Items": rows}, ("azure/nd-1.json", ("Items",))),
        ("hyperbolic", "options", lambda rows: rows, ("hyperbolic/options.json", ())),
        ("lium", "executors", lambda rows: rows, ("lium/executors.json", ())),
        ("nosana", "markets", lambda rows: rows, ("nosana/markets.json", ())),
        (
            "runpod",
            "gpu-types",
            lambda rows: {"data": {"gpuTypes": rows}},
            ("runpod/gpu-types.json", ("data", "gpuTypes")),
        ),
        ("spheron", "offers", lambda rows: {"data": rows}, ("spheron/page-2.json", ("data",))),
        ("vast", "offers/H100 SXM", lambda rows: {"offers": rows}, ("vast/h100-sxm.json", ("offers",))),
    ],
)
@given(data=st.data())
def test_one_field_gone_wrong_never_breaks_a_parser(source, name, wrap, like, data):
    """Take real rows, put anything into any field of the first: the other rows still count."""
    rows = real_rows(*like)
    key = data.draw(st.sampled_from(sorted(rows[0])))
    rows = [{**rows[0], key: data.draw(row_values)}, *rows[1:]]
    body = json.dumps(wrap(rows)).encode()
    taken = Recording(
        source=source,
        recorded_at=NOW,
        answers=(
            Answer(name=name, url="https://x.example", status=200, body=body),
            *(
                Answer(name=other, url="https://x.example", status=404, body=b"")
                for other in ("gpu-breakdown", "machines", "replicas", "containers", "market")
                if other != name
            ),
        ),
    )
    result = outcome(source, taken)
    if isinstance(result, SourceError):
        assert "rows unreadable" in result.seen
    else:
        assert result.offers.height > 0
