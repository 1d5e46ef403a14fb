"""Any payload of any source gone wrong at random: offers, skipped rows or a `SourceError`, and nothing else.

The long run is `benchmarks/corrupt_payloads.py`; here each source bears a few, the same ones each time.
"""

from __future__ import annotations

import random

import pytest
from payload_corruption import SOURCES, cases, check_one, spoilt

from fetchers import FETCHERS

TRIES = 8


def test_every_source_has_payloads_to_spoil():
    assert set(SOURCES) == set(FETCHERS)
    assert all(cases(source) for source in SOURCES)


@pytest.mark.parametrize("source", SOURCES)
def test_a_payload_gone_wrong_ends_in_offers_skipped_rows_or_an_error_of_the_source(source):
    payloads = cases(source)
    for number in range(TRIES):
        check_one(source, payloads[number % len(payloads)], 1_000_000 + number)


def test_the_same_seed_spoils_the_same_way():
    one, again = (spoilt(random.Random("x"), "akash/gpu-prices.json") for _ in range(2))
    assert one == again
