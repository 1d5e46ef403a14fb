"""The pages of every data set: one a network, in order, bounded; first-page sentences true of whatever is in them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import polars as pl
import pypdf
import pytest
import report_data
from contradictions import WORLDS

from depin_compare.analysis import Analysis
from reports import view, words
from reports.charts import CHARTS, network_charts
from reports.content import report_content
from reports.lettering import breakable, settable
from reports.pdf import report_pdf
from reports.sections.first_page import sentences
from reports.sections.networks import has_own_page
from reports.sections.page import Page
from reports.style import is_drawable


def blanks(analysis: Analysis) -> dict[str, tuple[str, str]]:
    """Empty pictures of the size of charts: what they show is tested elsewhere, here the room they take."""
    made = {}
    for name in CHARTS | network_charts(analysis):
        height = 205 if "/" in name or name == "years_ahead" else 480
        size = f'width="511pt" height="{height}pt" viewBox="0 0 511 {height}"'
        made[name] = (f'<svg xmlns="http://www.w3.org/2000/svg" {size}></svg>', f"chart {name}")
    return made


def flat(outline: list[Any]) -> list[Any]:
    return [one for item in outline for one in (flat(item) if isinstance(item, list) else [item])]


def text_of(page: pypdf.PageObject) -> str:
    return re.sub(r"\s+", " ", page.extract_text().replace("\u200b", ""))


def sentences_of(analysis: Analysis) -> list[str]:
    return sentences(Page(analysis, {}, {}))


@pytest.mark.parametrize(
    ("made", "most"),
    [
        (report_data.reference_only, 35),
        (report_data.live_shaped, 60),
        (report_data.one_network, 30),
        (report_data.no_price_network, 28),
        (report_data.thirty_networks, 90),
    ],
)
def test_every_network_has_one_page_and_the_report_is_bounded(made: Callable[[], Analysis], most: int) -> None:
    analysis = made()
    reader = pypdf.PdfReader(io.BytesIO(report_pdf(analysis, blanks(analysis))))
    assert len(reader.pages) <= most
    page = Page(analysis, {}, {})
    own = [h for h in view.rows(page.headlines) if has_own_page(page, h["network"])]
    at = [(str(item.title), reader.get_destination_page_number(item)) for item in flat(reader.outline)]
    start = next(number for title, number in at if title == "The networks")
    shared = page.headlines.height > len(own)
    pages = [number for _, number in at if start <= number]
    after = next(number for title, number in at if title == "Prices")
    # Those that can't be compared have no page of their own: what follows them starts beneath, if it has room.
    assert len(own) <= after - start <= len(own) + shared
    assert set(range(start, start + len(own))) <= set(pages)
    if shared:
        assert any(
            "Networks that can't be compared" in text_of(one) for one in reader.pages[start + len(own) : after + 1]
        )
    for number, head in enumerate(own, start):
        text = text_of(reader.pages[number])
        assert text.count("The networks") == 1
        if is_drawable(head["display_name"]):
            assert head["display_name"] in text
        assert "token" in text.lower()
    assert reader.trailer["/Root"]["/StructTreeRoot"]
    first = text_of(reader.pages[0])
    assert "Price: " in first or "No network could be compared" in first


class TestFirstPageSentences:
    def test_counts_are_those_of_the_frames(self) -> None:
        analysis = report_data.live_shaped()
        price, supplier, future = sentences_of(analysis)
        known = view.headline_comparison(analysis.headlines, analysis.comparison).drop_nulls("advantage")
        for reference, name in (("list", "list price"), ("modelled_cost", "modelled cost")):
            least = known.filter(pl.col("reference") == reference).group_by("network").agg(pl.col("advantage").min())
            cheaper = words.of_many(least.filter(pl.col("advantage") > 0).height, least.height)
            told = rf"{cheaper}( networks are cheaper)? than every {name}"
            assert re.search(told, price) or cheaper.partition(" of ")[0] + f" than every {name}" in price
        full = view.headline_margins(analysis.headlines, analysis.margins)["full_margin"].drop_nulls()
        assert words.of_many(full.filter(full >= 0).len(), full.len()) in supplier
        assert words.percent(full.min()) in supplier
        assert words.percent(full.max()) in supplier
        assert "probability" in future

    def test_one_network_is_named(self) -> None:
        price, supplier, future = sentences_of(report_data.one_network())
        assert "Akash asks less than" in price
        assert "on Akash a provider keeps" in supplier
        assert "Akash's lead" in future
        assert "with a probability of" in future

    @pytest.mark.parametrize(
        ("world", "number", "told"),
        [
            ("dearer_than_every_list_price", 0, r"less than none of \d+ list prices"),
            (
                "cheaper_than_every_modelled_cost",
                0,
                r"less than all \d+ list prices, .* and less than all \d+ modelled",
            ),
            ("everything_lost", 2, "no lead is left to lose"),
            ("nothing_reached", 2, r"lost by 2036 with a probability of 0%"),
            ("no_network_price", 0, "no network's price can be set against"),
            ("no_comparable_pair", 2, "no lead over a cloud's list price can be followed"),
        ],
    )
    def test_they_change_with_the_world(self, world: str, number: int, told: str) -> None:
        made = WORLDS[world](report_data.one_network())
        assert re.search(told, sentences_of(made)[number])


def test_letters_without_a_font_are_told_as_ids_and_nothing_else_changes() -> None:
    analysis = report_data.thirty_networks()
    names = dict(analysis.headlines.select("network", "display_name").iter_rows())
    (strange,) = (key for key, name in names.items() if not is_drawable(name))
    content = str(report_content(analysis, {}, failed={}))
    assert f"[{strange}]" in content
    assert names[strange] not in content
    assert is_drawable(content.replace("\u200b", "").replace("\n", " "))
    assert settable({"text": "Überlandwerk", "link": "https://example.org/計"}, names)["link"].endswith("計")


def test_long_words_may_break_and_still_read_the_same() -> None:
    host = "console-api.akash.network/a-very-long-path-of-an-address"
    assert breakable(host).replace("\u200b", "") == host
    assert max(map(len, breakable("x" * 60).split("\u200b"))) <= 18
