"""Every source is used, and every use names a source."""

from __future__ import annotations

import polars as pl

from depin_compare.refdata import sources
from depin_compare.refdata.citations import citations, document_kinds, unused_sources


def test_no_source_is_without_a_use_and_no_use_without_a_source() -> None:
    assert unused_sources() == []
    assert set(citations()["source_id"]) <= set(sources()["source_id"])


def test_rows_are_counted_by_table_and_kind() -> None:
    known = pl.read_csv("depin_compare/refdata/accelerator_tco.csv")["source_id"].value_counts().rows()
    found = citations().filter(pl.col("table") == "accelerator_tco").group_by("source_id").agg(pl.col("rows").sum())
    assert sorted(found.rows()) == sorted(known)


def test_a_second_source_counts_as_one() -> None:
    found = citations().filter(pl.col("source_id") == "techpowerup-gpu-database")
    assert "accelerators" in found["table"].to_list()


def test_scenarios_in_toml_are_read_with_their_kind() -> None:
    found = citations().filter(pl.col("table") == "scenarios", pl.col("source_id") == "fractile-claims")
    assert found["kind"].to_list() == ["assumption"]


def test_every_document_has_a_kind_but_our_own_choices() -> None:
    without = set(sources()["source_id"]) - set(document_kinds())
    assert without == {"depin-compare-assumptions"}


def test_a_vendors_list_is_published_whoever_copied_its_numbers() -> None:
    of_rows = citations().filter(pl.col("source_id") == "aws-on-demand-list", pl.col("table") == "reference_prices")
    assert of_rows["kind"].to_list() == ["third_party"]
    assert document_kinds()["aws-on-demand-list"] == "published"


def test_a_source_of_a_model_is_cited_for_that_model_alone() -> None:
    (cited,) = citations().filter(pl.col("source_id") == "hf-qwen3-8b").iter_rows(named=True)
    assert (cited["table"], cited["subject"]) == ("llms", "qwen3-8b")
