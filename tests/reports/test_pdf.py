"""The typeset report: what it says and that it says it the same way twice."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pypdf
import pytest

from depin_compare.analysis import Analysis
from depin_compare.market.offers import LAYERS, Offers
from depin_compare.market.statistics import market_statistics
from depin_compare.refdata import sources
from reports import words
from reports.charts import CHARTS, network_charts
from reports.content import Paper, report_content
from reports.pdf import PAPERS, report_pdf
from reports.style import Look, alt_text, svg_text
from reports.view import headline_comparison, headline_margins

FIRST_CHART = "Left: lead over the list price"


def charts_of(analysis: Analysis, *names: str) -> dict[str, tuple[str, str]]:
    """Charts as the page takes them: those named, else all."""
    look, every = Look.of(analysis), CHARTS | network_charts(analysis)
    figures = {name: every[name](analysis, look) for name in names or every}
    return {name: (svg_text(figure), alt_text(figure)) for name, figure in figures.items()}


@pytest.fixture(scope="module")
def charts(analysis: Analysis) -> dict[str, tuple[str, str]]:
    return charts_of(analysis)


@pytest.fixture(scope="module")
def pdf(analysis: Analysis, charts: dict[str, tuple[str, str]]) -> bytes:
    return report_pdf(analysis, charts)


@pytest.fixture(scope="module")
def reader(pdf: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(pdf))


@pytest.fixture(scope="module")
def pages(reader: pypdf.PdfReader) -> list[str]:
    return [re.sub(r"\s+", " ", page.extract_text()) for page in reader.pages]


def test_the_first_page_answers_the_question(pages: list[str], analysis: Analysis) -> None:
    first = pages[0]
    for text in ("Akash", "io.net", "Render", "Azure with NVIDIA GPUs", "Azure with Maia 200", "AWS", "Google"):
        assert text in first
    for word in ("exposed", "eroded", "not comparable", "2026-11-22 09:30 UTC", FIRST_CHART):
        assert word in first
    assert first.index("Buyer saves") < first.index("Price:") < first.index("Supplier:") < first.index("Future:")


def test_every_network_has_one_page_seed_networks_first(
    reader: pypdf.PdfReader, pages: list[str], analysis: Analysis
) -> None:
    at = {str(item.title): reader.get_destination_page_number(item) for item in _flat(reader.outline)}
    names = ["Akash", "io.net", "Render"]
    numbers = [at[name] for name in names]
    assert numbers == [1, 2, 3]
    for name, number in zip(names, numbers, strict=True):
        (sentence,) = analysis.headlines.filter(pl.col("display_name") == name)["sentence"]
        assert re.sub(r"\s", "", sentence) in re.sub(r"\s", "", pages[number])
        assert f"The networks {name}" in pages[number]


def test_the_first_page_leads_to_the_network_pages(reader: pypdf.PdfReader) -> None:
    links = [annotation.get_object() for annotation in reader.pages[0].get("/Annots", [])]
    named = reader.named_destinations
    names = {str(link["/Dest"]) for link in links if isinstance(link.get("/Dest"), str)}
    targets = {reader.get_destination_page_number(named[name]) for name in names}
    assert targets == {1, 2, 3}


def test_numbers_on_the_first_page_are_those_of_the_frames(pages: list[str], analysis: Analysis) -> None:
    shown = headline_comparison(analysis.headlines, analysis.comparison).filter(
        pl.struct("cloud", "silicon").is_in(
            [{"cloud": c, "silicon": s} for c, s in (("azure", "nvidia"), ("azure", "maia-200"), ("aws", "nvidia"))]
        )
    )
    for value in shown["advantage"].drop_nulls():
        assert words.percent(value, signed=True) in pages[0]
    for value in headline_margins(analysis.headlines, analysis.margins)["full_margin"].drop_nulls():
        assert words.percent(value, signed=True) in pages[0]


def test_prices_agree_with_the_comparison_frame(pages: list[str], analysis: Analysis) -> None:
    text = " ".join(pages)
    shown = headline_comparison(analysis.headlines, analysis.comparison)
    for row in shown.drop_nulls("usd_per_mtok_reference").iter_rows(named=True):
        assert words.usd(row["usd_per_mtok_reference"]) in text
        assert words.usd(row["usd_per_mtok_network"]) in text


def test_every_price_in_use_has_source_date_layer_and_age(
    analysis: Analysis, charts: dict[str, tuple[str, str]]
) -> None:
    content = report_content(analysis, charts, failed={})
    (section,) = (s for s in content["sections"] if s["title"] == "Appendix: prices in use")
    table, *_ = (p for p in section["parts"] if p["type"] == "table")
    assert table["rows"]
    for row in table["rows"]:
        source, *data = row[-4:]
        assert source["link"].startswith("https://")
        layer, day, age = (cell if isinstance(cell, str) else cell["text"] for cell in data)
        assert layer in ("live", "stored", "reference")
        old = (analysis.as_of.date() - date.fromisoformat(day)).days
        assert age.partition(", ")[0] == f"{old:,}"


def _tables(analysis: Analysis, charts: dict[str, tuple[str, str]], title: str, column: str) -> list[dict[str, object]]:
    content = report_content(analysis, charts, failed={})
    (section,) = (s for s in content["sections"] if s["title"] == title)
    tables = [p for p in section["parts"] if p["type"] == "table"]
    return [t for t in tables if column in [c["title"] for c in t["columns"]]]


@pytest.mark.parametrize("rows", range(50, 55))
def test_no_row_of_a_table_stands_alone_on_the_next_page(analysis: Analysis, rows: int) -> None:
    long = dataclasses.replace(analysis, provenance={f"item-{i:03d}": "told" for i in range(rows)})
    reader = pypdf.PdfReader(io.BytesIO(report_pdf(long, {}, sections=["method", "manifest"])))
    told = [n for page in reader.pages if (n := len(re.findall(r"item.\d{3}", page.extract_text())))]
    assert sum(told) == rows
    assert told[-1] >= 4


def test_which_of_a_cloud_s_prices_the_work_is_compared_with_is_said(
    analysis: Analysis, charts: dict[str, tuple[str, str]]
) -> None:
    (disagree,) = _tables(analysis, charts, "Prices", "Believed")
    (asked,) = _tables(analysis, charts, "The same work", "Reference")
    assert any("compared with the cheapest machine and region on a cloud's list, not with this median" in note
               for note in disagree["notes"])  # fmt: skip
    assert any("the cheapest machine, region and term of a cloud's price list" in note for note in asked["notes"])


def test_disagreements_are_short_on_the_page_and_whole_in_the_file(
    analysis: Analysis, charts: dict[str, tuple[str, str]]
) -> None:
    many = dataclasses.replace(analysis, discrepancies=pl.concat([analysis.discrepancies] * 2))
    (table,) = _tables(many, charts, "Prices", "Believed")
    assert len(table["rows"]) == 30
    assert "10 further disagreements are in discrepancies.csv." in table["notes"]
    # What a source says of the offers matched, and what the market's price is, are told apart.
    prices = analysis.market_prices.filter(network="aws", accelerator="h100-sxm-80", terms="on_demand")
    (in_use,) = prices["usd_per_accelerator_hour"]
    assert in_use != 4.0
    row = table["rows"][0]
    assert (row[3], row[5], row[6], row[8]) == ("$4.00", "$16.00", "4.00", words.usd(in_use))


def test_the_page_says_how_far_a_market_is_spread(analysis: Analysis, charts: dict[str, tuple[str, str]]) -> None:
    rows = analysis.offers.filter(pl.col("network") == "akash", pl.col("accelerator") == "h100-sxm-80")
    six = pl.concat(
        rows.with_columns(
            offer_id=pl.lit(f"o{i}"), usd_per_accelerator_hour=pl.lit(price), machine_id=pl.lit(None, dtype=pl.String)
        )
        for i, price in enumerate((1.8, 1.9, 2.0, 2.1, 2.2, 20.0))
    )
    spread = dataclasses.replace(analysis, market_statistics=market_statistics(Offers.validate(six)))
    (table,) = _tables(spread, charts, "Prices", "Outliers")
    (row,) = table["rows"]
    titles = [c["title"] for c in table["columns"]][4:]
    assert titles == ["Cheapest", "P25", "Median", "P75", "Dearest", "Offers", "Outliers"]
    assert row[4:] == ["$1.80", "$1.90", "$2.05", "$2.20", "$20.00", "6", "1"]


def test_three_offers_have_a_cheapest_and_a_dearest_and_no_quantiles(
    analysis: Analysis, charts: dict[str, tuple[str, str]]
) -> None:
    rows = analysis.offers.filter(pl.col("network") == "akash", pl.col("accelerator") == "h100-sxm-80")
    three = pl.concat(
        rows.with_columns(
            offer_id=pl.lit(f"o{i}"),
            usd_per_accelerator_hour=pl.lit(price),
            layer=pl.lit("stored").cast(pl.Enum(LAYERS)),
        )
        for i, price in enumerate((1.8, 1.9, 20.0))
    )
    spread = dataclasses.replace(analysis, market_statistics=market_statistics(Offers.validate(three)))
    (table,) = _tables(spread, charts, "Prices", "Dearest")
    assert [c["title"] for c in table["columns"]][4:] == ["Cheapest", "Dearest", "Offers", "Data"]
    (row,) = table["rows"]
    assert row[4:7] == ["$1.80", "$20.00", "3"]
    assert row[7]["text"].startswith("stored, ")


def test_hosts_prices_stand_beside_our_cost(analysis: Analysis, charts: dict[str, tuple[str, str]]) -> None:
    (table,) = _tables(analysis, charts, "Model against market", "Load that pays")
    assert len(table["rows"]) == analysis.market_check.height
    first = table["rows"][0]
    assert first[0]["rows"] == 3
    assert first[0]["text"] == "Llama 3.3 70B"  # the headlines' model, as in the chart
    assert first[6:8] == ["0.8", "125%"]


def test_there_are_pages_for_everything_promised(reader: pypdf.PdfReader) -> None:
    titles = [str(item.title) for item in _flat(reader.outline)]
    order = [
        "Decentralised GPU networks against the clouds",
        "The networks",
        "Prices",
        "The same work",
        "What suppliers keep",
        "Scenarios: how far cloud cost may fall",
        "Sensitivity: what decides",
        "What the token pays",
        "Model against market",
        "Assumptions and scenarios",
        "Not modelled",
        "Sources",
        "Data of this run",
        "How this report was made",
        "Appendix: every cloud compared",
        "Appendix: prices in use",
    ]
    assert [title for title in titles if title in order] == order
    pages = [reader.get_destination_page_number(item) for item in _flat(reader.outline)]
    assert pages == sorted(pages)


def _flat(outline: list[object]) -> list[pypdf.generic.Destination]:
    found: list[pypdf.generic.Destination] = []
    for item in outline:
        if isinstance(item, list):
            found += _flat(item)
        elif isinstance(item, pypdf.generic.Destination):
            found.append(item)
    return found


def test_dates_are_never_those_of_the_horizon(pages: list[str]) -> None:
    text = " ".join(pages)
    assert "not reached" in text
    assert "Dec 2036" not in text
    assert "lost today" in text


def test_kinds_of_knowledge_are_told_apart(pages: list[str]) -> None:
    text = " ".join(pages)
    for word in ("vendor claim", "third party", "protocol fact", "assumption", "not known", "n/c"):
        assert word in text


def test_what_could_not_be_reached_is_named(pages: list[str]) -> None:
    text = " ".join(pages)
    assert "timed out" in text
    assert "no answer within 90 s" in text
    assert "unknown accelerator 'rtx9999'" in text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace(
        "\N{LEFT SINGLE QUOTATION MARK}", "'"
    )


def test_no_advice_is_given_on_any_page(pages: list[str]) -> None:
    assert all("not investment advice" in page for page in pages)


def test_is_tagged_titled_dated_and_numbered(reader: pypdf.PdfReader, pages: list[str]) -> None:
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    metadata = reader.metadata
    assert metadata is not None
    assert metadata.title == "Decentralised GPU networks against the clouds"
    assert str(metadata.creation_date)[:10] == "2026-11-22"
    assert f"2 / {len(pages)}" in pages[1]


def test_sources_are_linked(reader: pypdf.PdfReader) -> None:
    links = {
        annotation.get_object()["/A"]["/URI"]
        for page in reader.pages
        for annotation in page.get("/Annots", [])
        if "/A" in annotation.get_object() and "/URI" in annotation.get_object()["/A"]
    }
    assert "https://blogs.example.org/maia-200" in links
    assert "https://prices.example.org/akash" in links


def test_embeds_its_fonts_and_no_other(reader: pypdf.PdfReader) -> None:
    fonts = set()
    for page in reader.pages:
        for font in page["/Resources"].get("/Font", {}).values():
            fonts.add(str(font.get_object()["/BaseFont"]).split("+")[-1])
    assert all(name.startswith(("LibertinusSerif", "DejaVuSans")) for name in fonts)


def test_the_same_analysis_gives_the_same_bytes(
    pdf: bytes, analysis: Analysis, charts: dict[str, tuple[str, str]]
) -> None:
    assert report_pdf(analysis, charts_of(analysis)) == pdf


@pytest.mark.parametrize("paper", PAPERS)
def test_both_papers(paper: Paper, analysis: Analysis, charts: dict[str, tuple[str, str]]) -> None:
    page = pypdf.PdfReader(io.BytesIO(report_pdf(analysis, charts, paper=paper))).pages[0]
    width = {"a4": 595.3, "us-letter": 612.0}[paper]
    assert float(page.mediabox.width) == pytest.approx(width, abs=0.5)
    assert FIRST_CHART in re.sub(r"\s+", " ", page.extract_text())


def test_a_missing_chart_is_named_with_its_reason(analysis: Analysis, charts: dict[str, tuple[str, str]]) -> None:
    rest = {name: chart for name, chart in charts.items() if name != "headroom"}
    made = report_pdf(analysis, rest, failed={"headroom": "ValueError: no such thing"})
    pages = (re.sub(r"\s+", " ", page.extract_text()) for page in pypdf.PdfReader(io.BytesIO(made)).pages)
    assert any("The chart headroom is missing: ValueError: no such thing." in page for page in pages)


def test_an_empty_run_still_gives_a_report(empty_analysis: Analysis) -> None:
    made = report_pdf(empty_analysis, charts_of(empty_analysis))
    text = re.sub(r"\s+", " ", pypdf.PdfReader(io.BytesIO(made)).pages[0].extract_text())
    assert "No network could be compared" in text


def test_thirty_networks_keep_the_first_page_to_one(thirty_networks: Analysis) -> None:
    made = report_pdf(thirty_networks, charts_of(thirty_networks, "years_ahead"), sections=("other_networks",))
    pages = pypdf.PdfReader(io.BytesIO(made)).pages
    assert "Further networks" not in pages[0].extract_text()
    assert "Further networks" in pages[1].extract_text()
    assert FIRST_CHART in re.sub(r"\s+", " ", pages[0].extract_text())


def test_markup_in_names_is_only_text(analysis: Analysis, charts: dict[str, tuple[str, str]]) -> None:
    odd = analysis.headlines.with_columns(display_name=pl.lit('#panic("x") *bold* $x$ [y] <z>'))
    made = report_pdf(dataclasses.replace(analysis, headlines=odd), charts)
    text = re.sub(r"\s+", " ", pypdf.PdfReader(io.BytesIO(made)).pages[0].extract_text())
    assert "$x$" in text
    assert "*bold*" in text


def _two_charts(smallest: float = 7.0, **inputs: str) -> int:
    """Pages of a report of one section with two charts: the second is a little too tall for the rest of the page."""
    import typst

    def svg(height: int) -> str:
        return f'<svg xmlns="http://www.w3.org/2000/svg" width="511pt" height="{height}pt"><path d="M0 0h9v9z"/></svg>'

    shown = [{"type": "chart", "svg": name, "alt": name, "smallest": smallest} for name in ("chart-a", "chart-b")]
    report = {
        "title": "T", "finding": "", "question": "Q", "as_of": "D", "as_of_line": "D", "advice": "A", "paper": "a4",
        "date": [2026, 11, 22], "anchors": [], "first": [], "sections": [{"title": "S", "parts": shown}],
    }  # fmt: skip
    given = {"report": json.dumps(report), "chart-a": svg(400), "chart-b": svg(350)} | inputs
    template = Path("reports/template.typ").read_bytes()
    made = typst.compile(template, sys_inputs=given, ignore_system_fonts=True)
    return len(pypdf.PdfReader(io.BytesIO(made)).pages)


def test_a_chart_is_set_smaller_before_a_page_is_left_half_blank() -> None:
    assert _two_charts() == 2


def test_a_chart_is_not_set_smaller_than_its_letters_can_be_read() -> None:
    assert _two_charts(smallest=5.0) == 3
    assert _two_charts(**{"full-size": "yes"}) == 3


def test_charts_keep_their_size_where_pages_do_not_come_to_rest(
    monkeypatch: pytest.MonkeyPatch, empty_analysis: Analysis
) -> None:
    import typst

    asked: list[bool] = []

    def compiled(_: bytes, **how: Any) -> tuple[bytes, list[str]]:
        asked.append("full-size" in how["sys_inputs"])
        return b"pdf", [] if asked[-1] else ["document did not converge within five attempts"]

    monkeypatch.setattr(typst, "compile_with_warnings", compiled)
    assert report_pdf(empty_analysis, {}) == b"pdf"
    assert asked == [False, True]


def test_sources_of_models_that_are_not_in_the_report_are_only_counted(
    analysis: Analysis, charts: dict[str, tuple[str, str]]
) -> None:
    known = dataclasses.replace(analysis, sources=sources())
    table, *_ = _tables(known, charts, "Sources", "Used for")
    titles = [cell if isinstance(cell, str) else cell["text"] for cell in (row[1] for row in table["rows"])]  # type: ignore[attr-defined]  # not in the stubs
    assert any("EC2 on-demand" in title for title in titles)
    assert not any("Qwen3-Coder" in title for title in titles)
    assert "further sources are of other models" in " ".join(table["notes"])  # type: ignore[arg-type]  # given on purpose, or a frame without its schema
