"""Charts of how old the data are."""

from __future__ import annotations

import polars as pl
import pytest
from chart_artists import is_hollow, lines, words

from depin_compare.analysis import Analysis
from reports.charts import source_ages
from reports.style import Look, title_of


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
            "2 of 6 sources answered live; the newest data of the stalest is 90 days old"
        )
        assert (
            title_of(source_ages(live, look))
            == "6 of 6 sources answered live; the newest data of the stalest is 12 hours old"
        )
