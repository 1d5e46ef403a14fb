"""Payloads of the clouds gone wrong anywhere: offers, skipped rows or a `SourceError`, and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depin_compare.errors import SourceError
from depin_compare.market.offers import Offers
from fetchers import FETCHERS
from fetchers.contract import Answer, Recording

DATA = Path(__file__).parent / "data"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CORRUPTED = [
    ("aws", "on-demand/us-east-1", "aws/us-east-1.json"),
    ("aws", "spot", "aws/spot.json"),
    ("aws", "spot-advisor", "aws/spot-advisor.json"),
    ("aws", "capacity-blocks", "aws/capacity-blocks.json"),
    ("google", "skus/6F81-5844-456A", "google/compute-1.json"),
    ("google", "skus/6F81-5844-456A", "google/compute-2.json"),
    ("google", "skus/E000-3F24-B8AA", "google/tpu.json"),
    ("oracle", "products", "oracle/products.json"),
]
GONE = object()
WRONG = st.one_of(
    st.just(GONE),
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 10**400, 1e308, float("nan"), float("inf"), -0.0, 2**63, "", "N/A", "1e999", "NaN", "-3"]),
    st.sampled_from([[], {}, [[]], {"a": {"b": [None]}}, [{}], "\ud800", "x" * 5000, {"USD": None}]),
    st.floats(),
    st.text(max_size=8),
)


def places(node, path=()):
    """Every place of a document, the root included."""
    yield path
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from places(value, (*path, key))


@cache
def recorded(name):
    body = (DATA / name).read_bytes()
    return body, list(places(json.loads(body)))


def put(document, path, value):
    if not path:
        return None if value is GONE else value
    home = document
    for step in path[:-1]:
        home = home[step]
    if value is GONE:
        del home[path[-1]]
    else:
        home[path[-1]] = value
    return document


def outcome(source, taken):
    try:
        return FETCHERS[source].parse(taken, observed_at=NOW)
    except SourceError as error:
        return error


@pytest.mark.parametrize(("source", "answer", "name"), CORRUPTED)
@settings(max_examples=60)
@given(data=st.data())
def test_whatever_goes_wrong_ends_in_offers_or_an_error_of_the_source(source, answer, name, data):
    body, everywhere = recorded(name)
    if data.draw(st.integers(0, 9)) == 0:
        spoilt = body[: data.draw(st.integers(0, len(body)))]
    else:
        document = json.loads(body)
        document = put(document, data.draw(st.sampled_from(everywhere)), data.draw(WRONG))
        spoilt = json.dumps(document).encode()
    taken = Recording(
        source=source,
        recorded_at=NOW,
        answers=(Answer(name=answer, url="https://x.example/list", status=200, body=spoilt),),
    )
    result = outcome(source, taken)
    if isinstance(result, SourceError):
        assert result.source == source
        assert len(str(result)) < 2000
    else:
        assert Offers.is_valid(result.offers)
        assert result.offers.filter(~pl.col("usd_per_accelerator_hour").is_between(0.01, 200)).is_empty()
