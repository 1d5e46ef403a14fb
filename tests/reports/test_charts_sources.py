"""Charts of how old the data are."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from itertools import pairwise

import polars as pl
import pytest
import report_data
from chart_artists import cut_off, is_hollow, lines, overlapping, said, words
from matplotlib.backends.backend_agg import FigureCanvasAgg

from depin_compare.analysis import NO_SOURCE_OF_ITS_OWN, Analysis, SourceStates
from depin_compare.market.freshness import FRESHNESS
from reports.charts import source_ages
from reports.style import INK, NEGATIVE, Look, alt_text, title_of
from reports.summary import ages_line


class TestSourceAges:
    """How old the data are."""

    def test_a_source_without_data_has_no_marker(self, analysis: Analysis) -> None:
        states = analysis.source_states.with_columns(
            age_days=pl.when(pl.col("source") != "google").then("age_days"),
            layer=pl.when(pl.col("source") != "google").then(pl.col("layer").cast(pl.String)),
        )
        figure = source_ages(states, Look.of(analysis))
        assert not lines(figure, "source:google")
        assert "no data, not reached" in words(figure)

    def test_ages_are_those_of_the_frame(self, analysis: Analysis) -> None:
        figure = source_ages(analysis.source_states, Look.of(analysis))
        (line,) = lines(figure, "source:aws")
        assert line.get_xdata() == pytest.approx([90.0])
        assert is_hollow(line)
        assert not is_hollow(lines(figure, "source:akash")[0])

    def test_the_title_turns_when_the_data_do(self, analysis: Analysis) -> None:
        look = Look.of(analysis)
        live = analysis.source_states.with_columns(layer=pl.lit("live"), age_days=pl.lit(0.5))
        assert title_of(source_ages(analysis.source_states, look)) == (
            "2 of 6 sources gave live data; the newest data of the stalest is 90 days old"
        )
        assert (
            title_of(source_ages(live, look))
            == "6 of 6 sources gave live data; the newest data of the stalest is 12 hours old"
        )

    def test_sellers_that_others_tell_of_are_no_sources_here_or_on_the_first_page(self, analysis: Analysis) -> None:
        told_of = pl.col("source").is_in(["akash", "render"])
        states = self.aged(analysis).with_columns(
            detail=pl.when(told_of).then(pl.lit(f"{NO_SOURCE_OF_ITS_OWN}: catalogues"))
        )
        figure = source_ages(states, Look.of(analysis))
        assert title_of(figure).startswith("1 of 4 sources gave live data, also of 1 further seller; ")
        assert not lines(figure, "source:akash")
        line = ages_line(dataclasses.replace(analysis, source_states=SourceStates.cast(states)))
        assert "; sources: 1 live, 1 stored, 2 reference; 2 further sellers told of by another source; " in line

    @staticmethod
    def aged(analysis: Analysis) -> pl.DataFrame:
        """AWS beyond its limit, io.net older than expected, the rest as they should be."""
        judged = pl.col("source").replace_strict({"aws": "expired", "ionet": "stale"}, default="fresh")
        return analysis.source_states.with_columns(
            expected_age_days=pl.lit(1.0), limit_age_days=pl.lit(60.0), freshness=judged.cast(pl.Enum(FRESHNESS))
        )

    def test_expected_age_and_limit_stand_in_every_row(self, analysis: Analysis) -> None:
        figure = source_ages(self.aged(analysis), Look.of(analysis))
        assert {float(li.get_xdata()[1]) for li in lines(figure, "expected:")} == {1.0}
        assert {float(li.get_xdata()[0]) for li in lines(figure, "limit:")} == {60.0}
        assert len(lines(figure, "limit:")) == 6
        (axes,) = figure.axes
        assert axes.get_xlim()[1] > 90

    def test_what_is_beyond_its_limit_is_red_and_said(self, analysis: Analysis) -> None:
        figure = source_ages(self.aged(analysis), Look.of(analysis))
        assert lines(figure, "source:aws")[0].get_markeredgecolor() == NEGATIVE
        assert lines(figure, "source:google")[0].get_markeredgecolor() == INK
        assert "beyond its limit, timed out" in said(figure, "told:aws")
        assert "2 days, overdue" in said(figure, "told:ionet")

    def test_the_title_counts_what_is_too_old(self, analysis: Analysis) -> None:
        look, states = Look.of(analysis), self.aged(analysis)
        fresh = states.with_columns(freshness=pl.lit("fresh").cast(pl.Enum(FRESHNESS)))
        assert title_of(source_ages(states, look)) == (
            "2 of 6 sources gave live data; 1 is beyond its limit of age and 1 is older than expected"
        )
        assert title_of(source_ages(fresh, look)) == "2 of 6 sources gave live data; none is older than expected"

    def test_a_run_that_asked_nobody_says_so_and_its_layers(self, analysis: Analysis) -> None:
        old = pl.col("source") == "aws"
        states = self.aged(analysis).with_columns(
            state=pl.lit("reference"),
            layer=pl.when(old).then(pl.lit("stored")).otherwise(pl.lit("reference")),
            age_days=pl.lit(5.0),
        )
        figure = source_ages(states, Look.of(analysis))
        assert title_of(figure) == (
            "Nothing was fetched in this run; 2 of 6 sources with data are older than expected, "
            "1 is beyond its limit of age"
        )
        assert said(figure, "told:ionet") == "reference, 5 days, overdue"
        assert said(figure, "told:aws") == "stored, 5 days, beyond its limit"
        assert "live" not in said(figure, "key").split()

    def test_a_source_that_nobody_asked_is_named_in_the_footer(self, analysis: Analysis) -> None:
        idle = pl.col("source") == "render"
        states = analysis.source_states.with_columns(age_days=pl.when(~idle).then("age_days"))
        figure = source_ages(states, Look.of(analysis))
        assert "Not asked, and without packaged prices under their own name: Render." in alt_text(figure)
        assert not said(figure, "told:render")

    def test_the_stalest_stay_where_not_all_can_be_drawn(self, analysis: Analysis) -> None:
        row = self.aged(analysis).filter(pl.col("source") == "google")
        many = pl.concat(
            [row.with_columns(source=pl.lit(f"source-{i:02d}"), age_days=pl.lit(i / 10)) for i in range(40)]
            + [self.aged(analysis)]
        )
        figure = source_ages(many, Look.of(analysis))
        assert said(figure, "told:aws")
        assert said(figure, "told:ionet")
        assert not said(figure, "told:source-00")
        assert "30 of 46 sources with data shown" in alt_text(figure)
        assert not list(cut_off(figure))
        assert not overlapping(figure, "told:")

    def test_a_source_that_answers_without_prices_says_so(self, analysis: Analysis) -> None:
        answered = pl.col("source") == "render"
        states = self.aged(analysis).with_columns(
            state=pl.when(answered).then(pl.lit("ok")).otherwise(pl.col("state").cast(pl.String)),
            layer=pl.when(answered).then(pl.lit("reference")).otherwise(pl.col("layer").cast(pl.String)),
        )
        figure = source_ages(states, Look.of(analysis))
        assert "answered without a price" in said(figure, "told:render")
        assert "without a price" not in said(figure, "told:akash")

    @staticmethod
    def without_a_price(analysis: Analysis) -> pl.DataFrame:
        """Render answered and gives no price: a packaged one of 100 days stands in, within what any source's may be."""
        day = analysis.as_of - timedelta(days=100)
        mine = pl.col("source") == "render"
        changed = {"state": "ok", "layer": "reference", "age_days": 100.0, "newest_observed_at": day,
                   "expected_age_days": 180.0, "limit_age_days": 730.0, "freshness": "fresh"}  # fmt: skip
        states = TestSourceAges.aged(analysis)
        return states.with_columns(
            pl.when(mine).then(pl.lit(v)).otherwise(pl.col(c)).cast(states.schema[c]).alias(c)
            for c, v in changed.items()
        )

    def test_a_packaged_price_is_judged_by_its_own_kind(self, analysis: Analysis) -> None:
        states, look = self.without_a_price(analysis), Look.of(analysis)
        judged = analysis.market_prices.with_columns(
            observed_at=pl.when(pl.col("network") == "render")
            .then(pl.lit(analysis.as_of - timedelta(days=100)))
            .otherwise("observed_at")
            .cast(analysis.market_prices.schema["observed_at"]),
            expected_age_days=pl.lit(90.0),
            limit_age_days=pl.lit(730.0),
            freshness=pl.lit("stale").cast(pl.Enum(FRESHNESS)),
        )
        figure = source_ages(states, look, market_prices=judged)
        assert said(figure, "told:render") == "reference, 100 days, stale, answered without a price"
        (words_,) = (t for t in figure.axes[0].texts if t.get_gid() == "told:render")
        assert words_.get_color() == NEGATIVE
        (bar,) = lines(figure, "expected:render")
        assert bar.get_xdata()[1] == 90.0
        assert title_of(figure).endswith("; 1 is beyond its limit of age and 2 are older than expected")
        assert "how old its packaged price may be" in said(figure, "subtitle")
        # Others are judged as before, whatever is told of prices.
        assert said(figure, "told:ionet") == said(source_ages(states, look), "told:ionet")
        fresh = judged.with_columns(freshness=pl.lit("fresh").cast(pl.Enum(FRESHNESS)))
        assert title_of(source_ages(states, look, market_prices=fresh)).endswith("1 is older than expected")

    def test_nothing_is_expected_of_a_packaged_price_that_is_none_of_the_report_s(self, analysis: Analysis) -> None:
        others = analysis.market_prices.filter(pl.col("network") != "render")
        figure = source_ages(self.without_a_price(analysis), Look.of(analysis), market_prices=others)
        assert not lines(figure, "expected:render")
        assert lines(figure, "limit:render")
        assert said(figure, "told:render") == "reference, 100 days, answered without a price"
        assert "packaged price" not in said(figure, "subtitle")

    def test_many_rows_are_set_closer(self, analysis: Analysis) -> None:
        row = self.aged(analysis).filter(pl.col("source") == "google")

        def tall(n: int) -> float:
            rows = [row.with_columns(source=pl.lit(f"source-{i:02d}"), age_days=pl.lit(i / 10)) for i in range(n)]
            return float(source_ages(pl.concat(rows), Look.of(analysis)).get_size_inches()[1])

        assert tall(21) < tall(20)
        figure = source_ages(
            pl.concat([row.with_columns(source=pl.lit(f"source-{i:02d}")) for i in range(30)]), Look.of(analysis)
        )
        assert not overlapping(figure, "told:")

    def test_words_of_the_scale_stand_apart(self) -> None:
        made = report_data.live_shaped()
        figure = source_ages(made.source_states, Look.of(made), market_prices=made.market_prices)
        renderer = FigureCanvasAgg(figure).get_renderer()
        boxes = [t.get_window_extent(renderer) for t in figure.axes[0].get_xticklabels()]
        assert len(boxes) > 2
        assert all(b.x0 - a.x1 > 0.05 * figure.dpi for a, b in pairwise(boxes))
