"""The column-wise judge of catalogues: keys, rules and rows that break the schema."""

from __future__ import annotations

import polars as pl
import pytest

from depin_compare.errors import SourceError
from fetchers.catalogue import catalogue_result, table_of

ROW = {
    "row_id": "r", "network": "nebius", "accelerator_name": "H200", "accelerator_count": 8.0, "usd_per_hour": 24.0,
    "terms": "on_demand", "price_kind": "list", "source_url": "https://example.org/x.csv",
}  # fmt: skip


def judged(observed_at, *rows):
    table = pl.DataFrame([{**ROW, "row_id": f"r{n}", **row} for n, row in enumerate(rows)])
    return catalogue_result("gpuhunt", [table], observed_at=observed_at, where="https://example.org")


def test_a_row_becomes_an_offer_with_what_it_was_listed_at(observed_at):
    offer = judged(observed_at, {}).offers.row(0, named=True)
    assert (offer["accelerator"], offer["usd_per_accelerator_hour"], offer["accelerator_count"]) == ("h200", 3.0, 8)
    assert (offer["listed_price"], offer["listed_unit"]) == ("24.0", "USD per hour for 8.0 accelerators")
    assert (offer["segment"], offer["observed_at"], offer["layer"]) == ("neocloud", observed_at, "live")


def test_an_instance_table_knows_the_machine_better_than_its_spelling(observed_at):
    row = {"network": "aws", "machine": "P5.48xlarge", "accelerator_name": "H100"}
    assert judged(observed_at, row).offers["accelerator"].item() == "h100-sxm"


def test_the_second_spelling_is_heard_only_where_the_first_is_open(observed_at):
    told = {"accelerator_name": "H100", "other_name": "NVIDIA H100 80GB HBM3"}
    contradicting = {"accelerator_name": "H200", "other_name": "L40S"}
    assert judged(observed_at, told, contradicting).offers["accelerator"].to_list() == ["h100-sxm", "h200"]


@pytest.mark.parametrize(
    ("row", "kind", "reason"),
    [
        ({"usd_per_hour": float("nan")}, "unreadable", "NaN USD an hour"),
        ({"usd_per_hour": -1.0}, "unreadable", "-1.0 USD an hour"),
        ({"usd_per_hour": None}, "out_of_scope", "no price"),
        ({"accelerator_count": None}, "unreadable", "no number of accelerators"),
        ({"accelerator_count": 0.0}, "unreadable", "0.0 accelerators"),
        ({"accelerator_count": float("inf")}, "unreadable", "inf accelerators"),
        ({"accelerator_count": 0.5}, "out_of_scope", "a fraction of a card"),
        ({"usd_per_hour": 0.01}, "unreadable", "0.00125 USD per accelerator-hour, outside 0.01 to 200.0"),
        ({"network": "nowhere"}, "out_of_scope", "nowhere is in no table of networks"),
        ({"accelerator_name": None}, "out_of_scope", "no accelerator"),
        ({"accelerator_name": "RTX 4090 Laptop GPU"}, "out_of_scope", "RTX 4090 Laptop GPU: a mobile or Max-Q edition"),
        ({"source_url": ""}, "unreadable", "breaks source_url|min_length"),
        ({"refusal": "known to the parser"}, "out_of_scope", "known to the parser"),
    ],
)
def test_a_row_that_is_no_offer_says_why(observed_at, row, kind, reason):
    result = judged(observed_at, row, *({"offer_id": f"good{n}"} for n in range(5)))
    assert result.offers.height == 5
    assert result.skipped.select(pl.col("kind").cast(pl.String), "reason").row(0) == (kind, reason)


def test_a_key_seen_twice_is_a_duplicate_and_a_refused_row_takes_no_key(observed_at):
    rows = [{"offer_id": "k", "usd_per_hour": None}, {"offer_id": "k"}, {"offer_id": "k", "usd_per_hour": 32.0}]
    result = judged(observed_at, *rows)
    assert result.offers["usd_per_accelerator_hour"].to_list() == [3.0]
    assert result.skipped["kind"].cast(pl.String).to_list() == ["out_of_scope", "duplicate"]


def test_memory_that_is_none_is_unknown(observed_at):
    rows = [{"memory_gib": value} for value in (float("nan"), float("inf"), -4.0, 0.0)]
    assert judged(observed_at, *rows).offers["memory_gib"].to_list() == [None] * 4


@pytest.mark.parametrize("body", [b"", b"\n\n", b'a,"b\n1,2', b"x,y\n1,2\n"])
def test_what_is_no_such_table_is_a_source_error(body):
    with pytest.raises(SourceError, match=r"gpuhunt: https://example\.org: saw"):
        table_of("gpuhunt", "https://example.org", body, ("a", "b"))
