"""Charts: what is drawn, not how it looks pixel by pixel."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import matplotlib
import polars as pl
import pytest
import report_data
from chart_artists import lines, words
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from depin_compare.analysis import Analysis
from reports.charts import (
    CHARTS,
    advantage_erosion,
    headroom,
    margin_erosion,
    price_ladder,
)
from reports.charts.predicted_measured import predicted_measured
from reports.style import Look, alt_text, png_bytes, svg_text, text_width, title_of
from reports.words import percent


class TestAllCharts:
    """What holds for every chart."""

    @pytest.mark.parametrize("name", sorted(CHARTS))
    def test_names_its_finding_its_unit_its_source_and_its_day(self, name: str, analysis: Analysis) -> None:
        figure = CHARTS[name](analysis, Look.of(analysis))
        gids = {str(t.get_gid()).split("-")[0] for t in figure.texts}
        assert {"title", "subtitle", "footer"} <= gids
        assert "Source: " in alt_text(figure)
        assert "2026-11-22 09:30 UTC" in alt_text(figure)

    @pytest.mark.parametrize("name", sorted(CHARTS))
    def test_an_empty_run_gives_a_panel_that_says_so(self, name: str, empty_analysis: Analysis) -> None:
        figure = CHARTS[name](empty_analysis, Look.of(empty_analysis))
        assert "No comparable data: " in words(figure)
        assert not any(axes.lines for axes in figure.axes)

    @pytest.mark.parametrize("name", sorted(CHARTS))
    @pytest.mark.parametrize("few", [True, False], ids=["one network", "thirty networks"])
    def test_one_and_thirty_networks_are_drawn_inside_the_sheet(
        self,
        name: str,
        few: bool,
        one_network: Analysis,
        thirty_networks: Analysis,
    ) -> None:
        made = one_network if few else thirty_networks
        figure = CHARTS[name](made, Look.of(made))
        png = png_bytes(figure, dpi=40)
        assert png.startswith(b"\x89PNG")
        width, height = figure.get_size_inches()
        renderer = FigureCanvasAgg(figure).get_renderer()
        for text in figure.texts:
            box = text.get_window_extent(renderer)
            assert box.x1 <= width * figure.dpi * 1.005, text.get_text()
            assert box.y0 >= 0
            assert box.y1 <= height * figure.dpi

    @pytest.mark.parametrize("name", sorted(CHARTS))
    def test_the_same_frames_give_the_same_bytes(self, name: str, analysis: Analysis) -> None:
        look = Look.of(analysis)
        first, second = (CHARTS[name](analysis, look) for _ in range(2))
        assert png_bytes(first) == png_bytes(second)
        assert svg_text(first) == svg_text(second)

    def test_bytes_carry_neither_date_nor_version(self, analysis: Analysis) -> None:
        figure = price_ladder(analysis.market_prices, Look.of(analysis))
        assert b"Software" not in png_bytes(figure)
        assert "<dc:date>" not in svg_text(figure)

    def test_the_callers_matplotlib_settings_neither_matter_nor_change(self, analysis: Analysis) -> None:
        look = Look.of(analysis)
        plain = png_bytes(price_ladder(analysis.market_prices, look))
        with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "text.parse_math": True}):
            odd = png_bytes(price_ladder(analysis.market_prices, look))
            assert matplotlib.rcParams["font.size"] == 30
        assert odd == plain

    def test_a_network_keeps_its_colour_when_others_leave(self, analysis: Analysis) -> None:
        look = Look.of(analysis)
        alone = Look.of(
            dataclasses.replace(analysis, headlines=analysis.headlines.filter(pl.col("network") == "render"))
        )
        assert look.network("render") == alone.network("render")
        assert len({look.network(n)[0] for n in ("akash", "ionet", "render")}) == 3
        assert len({look.network(n)[1] for n in ("akash", "ionet", "render")}) == 3

    def test_networks_that_can_be_compared_have_colours_before_all_others(self) -> None:
        made = report_data.live_shaped()
        look = Look.of(made)
        compared = set(made.comparison.filter(pl.col("advantage").is_not_null())["network"])
        own = {n for n in look.networks if look.is_named(n)}
        assert own <= compared
        assert compared - own  # more than there are colours

    def test_colours_of_networks_differ_in_grey(self, analysis: Analysis) -> None:
        look = Look.of(analysis)
        greys = sorted(
            sum(w * c for w, c in zip((0.299, 0.587, 0.114), to_rgba(look.network(n)[0])[:3], strict=True))
            for n in ("akash", "ionet", "render")
        )
        assert all(b - a > 0.1 for a, b in pairwise(greys))

    def test_text_width_follows_size(self) -> None:
        assert text_width("Akash", 20) == pytest.approx(2 * text_width("Akash", 10))


class TestMarginErosion:
    """What suppliers keep over time."""

    def test_draws_the_path_of_every_network_scenario_and_pricing(self, analysis: Analysis) -> None:
        figure = margin_erosion(analysis.headlines, analysis.margin_paths, Look.of(analysis))
        paths = lines(figure, "path:")
        assert len(paths) == 2 * 3 * 2
        (line,) = (li for li in paths if li.get_gid() == "path:akash:base:fleet_average")
        frame = analysis.margin_paths.filter(
            pl.col("network") == "akash", pl.col("scenario") == "base", pl.col("pricing") == "fleet_average"
        ).sort("month")
        assert list(line.get_ydata()) == pytest.approx(frame["full_margin"].gather_every(3).to_list())

    def test_names_networks_whose_margin_is_not_known(self, analysis: Analysis) -> None:
        figure = margin_erosion(analysis.headlines, analysis.margin_paths, Look.of(analysis))
        assert "Not known, so not drawn: Render." in alt_text(figure)
        assert not lines(figure, "path:render")

    def test_every_panel_has_its_zero_line_and_says_what_becomes_of_the_margin(self, analysis: Analysis) -> None:
        figure = margin_erosion(analysis.headlines, analysis.margin_paths, Look.of(analysis))
        assert len(lines(figure, "zero")) == 6
        told = [t.get_text() for axes in figure.axes for t in axes.texts if str(t.get_gid()).startswith("fate:")]
        assert len(told) == 6
        assert all(t.startswith(("lost ", "keeps ", "back to ")) for t in told)

    def test_the_title_turns_when_the_data_do(self, analysis: Analysis) -> None:
        look = Look.of(analysis)
        rosy = analysis.margin_paths.with_columns(full_margin_p50=pl.lit(0.4))
        poor = analysis.margin_paths.with_columns(full_margin_p50=pl.lit(-0.4))
        assert title_of(margin_erosion(analysis.headlines, rosy, look)) == (
            "Nodes bought today earn their full cost to 2036 on both networks, in the median of the base scenario"
        )
        assert title_of(margin_erosion(analysis.headlines, poor, look)) == (
            "Nodes bought today are below their full cost from the start on both networks, in the median of the base "
            "scenario"
        )
        late = analysis.margin_paths.with_columns(
            full_margin_p50=pl.when(pl.col("month") < pl.when(pl.col("network") == "akash").then(0).otherwise(14))
            .then(0.4).otherwise(-0.4)
        )  # fmt: skip
        assert title_of(margin_erosion(analysis.headlines, late, look)).startswith(
            "Nodes bought today fall below their full cost by Jan 2028 on both networks, on 1 from the start"
        )

    def test_a_median_of_another_sign_than_the_central_value_is_said(self, analysis: Analysis) -> None:
        """Tables tell today at central inputs: what starts below zero is not lost today where they say profit."""
        paths = analysis.margin_paths.with_columns(full_margin=pl.lit(0.059), full_margin_p50=pl.lit(-0.01))
        figure = margin_erosion(analysis.headlines, paths, Look.of(analysis))
        told = {t.get_text() for axes in figure.axes for t in axes.texts if str(t.get_gid()).startswith("fate:")}
        assert {" ".join(one.split()) for one in told} == {"most draws today"}
        assert (
            "tables tell today at central inputs: Akash +5.9% and io.net +5.9%. Most draws today: half of them or more"
        ) in alt_text(figure)

    def test_every_crossing_of_zero_is_marked(self, analysis: Analysis) -> None:
        """A line that starts below zero and rises above it for a time crosses twice."""
        paths = analysis.margin_paths.with_columns(
            full_margin_p50=pl.when(pl.col("month").is_between(6, 20)).then(0.2).otherwise(-0.2)
        )
        figure = margin_erosion(analysis.headlines, paths, Look.of(analysis))
        (marks,) = lines(figure, "breaks:akash:base:back")
        assert len(marks.get_xdata()) == 2

    def test_a_band_is_drawn_around_the_average_only(self, analysis: Analysis) -> None:
        figure = margin_erosion(analysis.headlines, analysis.margin_paths, Look.of(analysis))
        bands = [str(c.get_gid()) for axes in figure.axes for c in axes.collections]
        assert len(bands) == 6
        assert all(b.endswith(":fleet_average") for b in bands)


class TestAdvantageErosion:
    """What buyers save over time."""

    def test_a_line_for_every_reference_that_is_known(self, analysis: Analysis) -> None:
        figure = advantage_erosion(analysis.headlines, analysis.advantage_paths, Look.of(analysis))
        assert len(lines(figure, "path:")) == 3 * 3 * 4

    def test_the_title_turns_when_the_data_do(self, analysis: Analysis) -> None:
        look = Look.of(analysis)
        lost = analysis.advantage_paths.with_columns(advantage=pl.lit(-0.1), advantage_p50=pl.lit(-0.1))
        assert title_of(advantage_erosion(analysis.headlines, analysis.advantage_paths, look)).startswith(
            "All 3 networks stay below the list price of AWS with NVIDIA GPUs to 2036; none of 3 below"
        )
        assert title_of(advantage_erosion(analysis.headlines, lost, look)).startswith(
            "None of 3 networks is below the list price"
        )

    def test_the_title_counts_the_medians_that_are_drawn_and_the_footer_names_the_odd(self, analysis: Analysis) -> None:
        """All medians below zero: nobody is ahead in the chart, though at central inputs all are ahead today."""
        lost = analysis.advantage_paths.with_columns(advantage_p50=pl.lit(-0.1))
        figure = advantage_erosion(analysis.headlines, lost, Look.of(analysis))
        assert title_of(figure).startswith(
            "None of 3 networks is below the list price of AWS with NVIDIA GPUs even today"
        )
        central = analysis.advantage_paths.filter(
            pl.col("month") == 0, pl.col("reference") == "list", pl.col("cloud") == "aws", pl.col("network") == "akash",
            pl.col("silicon") == "nvidia",
        )["advantage"][0]  # fmt: skip
        assert (
            f"tables tell today at central inputs: Akash {percent(central, signed=True)} over list price"
            in alt_text(figure)
        )

    def test_of_one_network_the_title_is_a_sentence(self, one_network: Analysis) -> None:
        def titled(of_list: float, of_cost: float) -> str:
            value = pl.when(pl.col("reference") == "list").then(of_list).otherwise(of_cost)
            paths = one_network.advantage_paths.with_columns(advantage_p50=value)
            return title_of(advantage_erosion(one_network.headlines, paths, Look.of(one_network)))

        assert titled(0.2, -0.2).endswith("; it is dearer than its modelled cost today (Base)")
        assert titled(0.2, 0.1).endswith("; it stays below its modelled cost (Base)")
        assert titled(-0.2, -0.2).startswith("The network is dearer than the list price of")


class TestHeadroom:
    """How far cloud cost may fall."""

    @staticmethod
    def bars(figure: Figure) -> dict[str, tuple[float, bool]]:
        """gid -> (signed length, hatched)."""
        return {
            str(p.get_gid()).removeprefix("bar:"): (
                p.get_x() + p.get_width() if p.get_width() > 0 else p.get_width(),
                bool(p.get_hatch()),
            )  # type: ignore[attr-defined]  # not in the stubs
            for axes in figure.axes
            for p in axes.patches
            if str(p.get_gid()).startswith("bar:")
        }

    def test_bars_are_the_outlooks_headroom_and_left_of_zero_when_lost(self, analysis: Analysis) -> None:
        bars = self.bars(headroom(analysis.headlines, analysis.outlook, analysis.comparison, Look.of(analysis)))
        rows = analysis.outlook.filter(
            pl.col("quantity") == "advantage", pl.col("scenario") == "base", pl.col("pricing") == "fleet_average"
        )
        for r in rows.drop_nulls("headroom").iter_rows(named=True):
            length, _ = bars[f"{r['network']}:{r['cloud']}:{r['silicon']}:{r['reference']}"]
            assert length == pytest.approx(max(r["headroom"], -1.0))
        assert any(length < 0 for length, _ in bars.values())

    def test_what_is_not_comparable_has_no_bar(self, analysis: Analysis) -> None:
        figure = headroom(analysis.headlines, analysis.outlook, analysis.comparison, Look.of(analysis))
        assert "akash:azure:maia-200:list" not in self.bars(figure)
        assert "render:margin" not in self.bars(figure)
        assert "n/c" in words(figure)

    def test_hatched_where_not_live(self, analysis: Analysis) -> None:
        bars = self.bars(headroom(analysis.headlines, analysis.outlook, analysis.comparison, Look.of(analysis)))
        assert bars["akash:google:nvidia:list"][1]
        assert not bars["akash:azure:nvidia:list"][1]
        assert all(hatched for gid, (_, hatched) in bars.items() if gid.startswith("render:"))

    def test_the_title_turns_when_the_data_do(self, analysis: Analysis) -> None:
        look = Look.of(analysis)
        lost = analysis.outlook.with_columns(headroom=pl.col("headroom") * 0 - 0.2)
        kept = title_of(headroom(analysis.headlines, analysis.outlook, analysis.comparison, look))
        gone = title_of(headroom(analysis.headlines, lost, analysis.comparison, look))
        assert kept.startswith("List prices may fall 55% to 80%")
        assert gone == (
            "Networks are dearer today in all 15 pairs with a cloud's list price and in all 18 with its modelled cost"
        )

    def test_the_key_has_only_what_is_drawn(self, analysis: Analysis) -> None:
        listed = analysis.outlook.with_columns(headroom=pl.when(pl.col("reference") == "list").then("headroom"))
        figure = headroom(analysis.headlines, listed, analysis.comparison, Look.of(analysis))
        keys = [t.get_text() for t in figure.texts if t.get_gid() == "key"]
        assert keys == ["against list price", "vendor claim"]  # Maia 200 has a list price here


def test_every_axes_is_one_of_ours(analysis: Analysis) -> None:
    """No chart leans on pyplot: nothing registers a figure manager."""
    from matplotlib import _pylab_helpers

    for draw in CHARTS.values():
        assert all(isinstance(axes, Axes) for axes in draw(analysis, Look.of(analysis)).axes)
    assert not _pylab_helpers.Gcf.get_all_fig_managers()


class TestPredictedMeasured:
    """The throughput model against measured runs."""

    ROWS = pl.DataFrame({"accelerator": ["H100-SXM", "RTX-4090", "H100-SXM"], "measured": [100.0, 50.0, 1000.0]})

    def test_every_run_is_a_point_of_its_family(self) -> None:
        rows = self.ROWS.with_columns(predicted=pl.col("measured") * 1.1)
        figure = predicted_measured(rows, {"h100-sxm": "datacenter", "rtx-4090": "consumer"})
        (cloud,), (home,) = lines(figure, "runs:datacenter"), lines(figure, "runs:consumer")
        assert list(cloud.get_xdata()) == [100.0, 1000.0]
        assert list(home.get_ydata()) == pytest.approx([55.0])
        assert "10%" in title_of(figure)
        assert "none by more than a factor of two" in title_of(figure)

    def test_the_title_counts_what_is_far_off(self) -> None:
        rows = self.ROWS.with_columns(predicted=pl.col("measured") * pl.Series([1.0, 3.0, 0.4]))
        assert "2 by more than a factor of two" in title_of(predicted_measured(rows))
