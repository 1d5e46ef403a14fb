"""The verdict table as data, as page and as Markdown: the same numbers to the last digit."""

from __future__ import annotations

import dataclasses
import io
import re
from datetime import date

import polars as pl
import pypdf
import pytest
from markdown_it import MarkdownIt

from depin_compare.analysis import Analysis
from reports import view, words
from reports.markdown import escaped, summary_markdown
from reports.pdf import report_pdf
from reports.sections.first_page import headline, sentences
from reports.sections.page import Page
from reports.summary import ADVICE_NOTE
from reports.verdicts import Verdicts, advantage_gone, verdicts
from reports.words import REFERENCE_WORDS

TODAY = date(2026, 11, 22)

HOSTILE = "Pipe|net [x](http://e.org) `y` <b>z</b> \\ *w*\nline"


def cells_of(markdown: str) -> list[list[str]]:
    """The rows of the first table, as a reader of GitHub-flavoured Markdown renders them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    rows: list[list[str]] = []
    for i, token in enumerate(tokens):
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            rows.append([])
        if token.type in ("th_open", "td_open"):
            inline = tokens[i + 1]
            rows[-1].append("".join(child.content for child in inline.children or []))
    return rows


@pytest.fixture(scope="module")
def table(analysis: Analysis) -> pl.DataFrame:
    return view.plain(verdicts(analysis))


@pytest.fixture(scope="module")
def first_page(analysis: Analysis) -> str:
    pdf = report_pdf(analysis, {}, sections=[])
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    assert len(reader.pages) == 1
    return reader.pages[0].extract_text()


def test_the_page_prints_what_the_table_has_in_its_order(first_page: str, table: pl.DataFrame) -> None:
    text = re.sub(r"\s+", " ", first_page)
    shown = table.filter(pl.struct("cloud", "silicon").is_in([dict(zip(("cloud", "silicon"), p, strict=True))
                                                              for p in view.HEADLINE_REFERENCES]))  # fmt: skip
    assert shown.height == 3 * 4 * 4
    names = {"aws": "AWS with NVIDIA GPUs", "google": "Google with NVIDIA GPUs"}
    at = 0
    for (network, cloud, silicon), rows in shown.group_by("network", "cloud", "silicon", maintain_order=True):
        name = names.get(str(cloud), "Azure with " + {"nvidia": "NVIDIA GPUs"}.get(str(silicon), "Maia 200"))
        claim = "(?: claim)?" if rows["is_claim"].all() else ""
        found = re.compile(f"{name}{claim} " + " ".join(map(re.escape, rows["advantage_printed"]))).search(text, at)
        assert found, (network, cloud, silicon, rows["advantage_printed"].to_list())
        at = found.end()
    for row in shown.unique("network").iter_rows(named=True):
        told = [row["full_margin_printed"], row["full_margin_band_printed"], row["breakeven_printed"], row["verdict"]]
        assert all(re.sub(r"\s", "", one) in re.sub(r"\s", "", text) for one in told), told


def test_printed_is_the_raw_number_in_words(table: pl.DataFrame, analysis: Analysis) -> None:
    for row in table.iter_rows(named=True):
        assert row["advantage_printed"] == words.percent(row["advantage"], signed=True, unknown="n/c")
        assert (row["not_comparable"] is None) == (row["advantage"] is not None)
        assert row["full_margin_printed"] == words.percent(row["full_margin"], signed=True, unknown="n/k")
    compared = view.headline_comparison(analysis.headlines, analysis.comparison)
    assert table["advantage"].drop_nulls().sum() == pytest.approx(compared["advantage"].drop_nulls().sum())
    read = pl.read_csv(io.StringIO(verdicts(analysis).write_csv()), schema=table.schema)
    assert read.equals(table)


def test_a_network_that_can_be_compared_with_nothing_has_a_row(analysis: Analysis) -> None:
    nothing = dataclasses.replace(analysis, comparison=analysis.comparison.filter(pl.col("network") != "render"))
    (row,) = verdicts(nothing).filter(network="render").to_dicts()
    assert (row["cloud"], row["advantage"], row["advantage_printed"]) == (None, None, "n/c")
    assert row["advantage_gone_printed"] == "n/c"


def test_when_the_advantage_is_gone_says_in_how_many_draws_it_lasts() -> None:
    row = {"state": "lost_within_horizon", "horizon": date(2036, 12, 31), "date": date(2030, 1, 1)}
    assert advantage_gone(row | {"date_p50": date(2029, 3, 1), "probability_lost": 1.0}, TODAY) == "Mar 2029"
    assert advantage_gone(row | {"date_p50": None, "probability_lost": None}, TODAY) == "Jan 2030"
    assert advantage_gone({"state": "already_lost", "probability_lost": None}, TODAY) == "already lost"
    today = row | {"date_p50": TODAY, "probability_lost": 0.975}
    assert advantage_gone(today, TODAY) == "most draws today, not reached in 2.5% of draws"
    other = {"state": "already_lost", "date_p10": TODAY, "date_p50": date(2027, 1, 15), "probability_lost": 0.9}
    assert advantage_gone(other, TODAY) == "already lost, not so in most draws"
    assert advantage_gone(other | {"date_p10": date(2027, 1, 1)}, TODAY) == "already lost, not so in >90% of draws"
    assert advantage_gone({"state": "not_comparable"}, TODAY) == advantage_gone(None, TODAY) == "n/c"


def test_markdown_has_the_table_of_the_page(analysis: Analysis, table: pl.DataFrame) -> None:
    markdown = summary_markdown(analysis)
    head, *rows = cells_of(markdown)
    assert head[2:6] == [f"Saves v. {REFERENCE_WORDS[reference].lower()}" for reference in view.REFERENCE_ORDER]
    assert "against AWS with NVIDIA GPUs, in % of" in markdown
    mine = table.filter(cloud="aws", silicon="nvidia")
    assert [row[0] for row in rows] == ["Akash", "io.net", "Render"]
    assert [cell for row in rows for cell in row[2:6]] == mine["advantage_printed"].to_list()
    listed = mine.filter(reference="list")
    assert [row[6] for row in rows] == listed["advantage_gone_printed"].to_list()
    assert [row[7] for row in rows] == listed["full_margin_printed"].to_list()
    assert [row[8].partition(" (")[0] for row in rows] == listed["verdict"].to_list()


def test_markdown_says_what_the_page_says_and_what_could_not_be_reached(analysis: Analysis) -> None:
    markdown = summary_markdown(analysis)
    for sentence in sentences(Page(analysis, {}, {})):
        assert f"- {escaped(sentence)}\n" in markdown
    assert f"**{escaped(headline(Page(analysis, {}, {})))}**" in markdown
    assert "AWS: timed out, reference data of 2026-08-24 in its place (no answer within 90 s)" in markdown
    assert "Data as of 2026-11-22 09:30 UTC" in markdown
    assert markdown.endswith(f"*{ADVICE_NOTE}*\n")
    assert "Since the last report" not in markdown


def test_signs_of_markdown_in_names_are_just_letters(analysis: Analysis) -> None:
    name = pl.when(pl.col("network") == "akash").then(pl.lit(HOSTILE)).otherwise("display_name").alias("display_name")
    detail = pl.lit(HOSTILE).alias("detail")
    hostile = dataclasses.replace(
        analysis,
        headlines=analysis.headlines.with_columns(name),
        source_states=analysis.source_states.with_columns(detail),
    )
    markdown = summary_markdown(hostile)
    rows = cells_of(markdown)
    assert rows[1][0] == " ".join(HOSTILE.split())
    assert {len(row) for row in rows} == {9}
    rendered = MarkdownIt("commonmark").enable("table").render(markdown)
    assert "<b>z</b>" not in rendered
    assert "<a " not in rendered
    assert "<code>" not in rendered


def test_markdown_of_many_networks_is_short_and_says_where_the_rest_is(thirty_networks: Analysis) -> None:
    markdown = summary_markdown(thirty_networks)
    assert len(cells_of(markdown)) == 1 + 30
    assert "Every other cloud: verdicts.csv." in markdown
    assert len(markdown) < 8000


def test_an_empty_run_has_an_empty_table(empty_analysis: Analysis) -> None:
    assert verdicts(empty_analysis).schema == Verdicts.create_empty().schema
    assert verdicts(empty_analysis).is_empty()
    assert "No network could be compared" in summary_markdown(empty_analysis)
