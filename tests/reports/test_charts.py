"""Charts: what is drawn, not how it looks pixel by pixel."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import matplotlib
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from depin_compare.analysis import Analysis
from reports.charts import (
    CHARTS,
    advantage_erosion,
    headroom,
    margin_erosion,
    market_check,
    price_ladder,
    source_ages,
    token_price_trend,
    unit_costs,
)
from reports.charts.predicted_measured import predicted_measured
from reports.style import CLAIM, Look, alt_text, png_bytes, svg_text, text_width, title_of
from reports.view import headline_comparison

WHITE = to_rgba("white")


def lines(figure: Figure, prefix: str) -> list[Line2D]:
    """All lines whose gid begins so, over all axes."""
    return [line for axes in figure.axes for line in axes.lines if str(line.get_gid()).startswith(prefix)]


def is_hollow(line: Line2D) -> bool:
    return to_rgba(line.get_markerfacecolor()) == WHITE


def words(figure: Figure) -> str:
    """Every text of a figure, also that of its axes."""
    texts = [*figure.texts, *(t for axes in figure.axes for t in [*axes.texts, *axes.get_yticklabels()])]
    return " ".join(t.get_text() for t in texts)


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

    def test_colours_of_networks_differ_in_grey(self, analysis: Analysis) -> None:
        look = Look.of(analysis)
        greys = sorted(
            sum(w * c for w, c in zip((0.299, 0.587, 0.114), to_rgba(look.network(n)[0])[:3], strict=True))
            for n in ("akash", "ionet", "render")
        )
        assert all(b - a > 0.1 for a, b in pairwise(greys))

    def test_text_width_follows_size(self) -> None:
        assert text_width("Akash", 20) == pytest.approx(2 * text_width("Akash", 10))


class TestPriceLadder:
    """Networks against list prices, chip by chip."""

    def test_every_marker_is_a_price_of_the_frame(self, analysis: Analysis) -> None:
        figure = price_ladder(analysis.market_prices, Look.of(analysis))
        drawn = sorted(
            float(x) for side in ("network:", "cloud:") for li in lines(figure, side) for x in li.get_xdata()
        )
        chips = {c for c, s in analysis.market_prices.select("accelerator", "segment").rows() if s != "hyperscaler"}
        expected = analysis.market_prices.filter(
            pl.col("terms") == "on_demand", pl.col("accelerator").is_in(list(chips))
        )
        assert drawn == pytest.approx(sorted(expected["usd_per_accelerator_hour"]))

    def test_only_live_prices_are_filled(self, analysis: Analysis) -> None:
        figure = price_ladder(analysis.market_prices, Look.of(analysis))
        assert {str(li.get_gid()).rsplit(":", 1)[1] for li in lines(figure, "network:")} == {
            "live",
            "stored",
            "reference",
        }
        for line in [*lines(figure, "network:"), *lines(figure, "cloud:")]:
            assert is_hollow(line) == (not str(line.get_gid()).endswith(":live"))

    def test_its_axis_is_money_on_a_log_scale(self, analysis: Analysis) -> None:
        (axes,) = price_ladder(analysis.market_prices, Look.of(analysis)).axes
        assert axes.get_xscale() == "log"
        assert axes.get_xlabel() == "USD per accelerator-hour"
        assert all(t.get_text().startswith("$") for t in axes.get_xticklabels())

    def test_the_title_turns_when_the_data_do(self, analysis: Analysis) -> None:
        look, prices = Look.of(analysis), analysis.market_prices
        dear = prices.with_columns(
            pl.when(pl.col("segment") == "hyperscaler")
            .then(0.02)
            .otherwise("usd_per_accelerator_hour")
            .alias("usd_per_accelerator_hour")
        )
        assert title_of(price_ladder(prices, look)).startswith("Networks ask less than any cloud's list price on all 4")
        assert (
            title_of(price_ladder(dear, look))
            == "The clouds' list price is the lower one on all 4 chips both sides sell"
        )

    def test_footer_says_how_old_what_is_not_live_is(self, analysis: Analysis) -> None:
        assert "reference data (90 days old)" in alt_text(price_ladder(analysis.market_prices, Look.of(analysis)))


class TestUnitCosts:
    """Cost of equal work."""

    def test_markers_are_the_references_and_lines_the_networks(self, analysis: Analysis) -> None:
        figure = unit_costs(analysis.headlines, analysis.comparison, Look.of(analysis))
        shown = headline_comparison(analysis.headlines, analysis.comparison)
        drawn = {
            str(li.get_gid()): float(li.get_xdata()[0])
            for n in ("akash", "ionet", "render")
            for li in lines(figure, f"{n}:")
        }
        expected = {
            f"{r['network']}:{r['cloud']}:{r['silicon']}:{r['reference']}": r["usd_per_mtok_reference"]
            for r in shown.drop_nulls("usd_per_mtok_reference").iter_rows(named=True)
        }
        assert drawn == pytest.approx(expected)
        parity = [float(li.get_xdata()[0]) for li in lines(figure, "parity")]
        assert parity == pytest.approx(shown["usd_per_mtok_network"].unique(maintain_order=True).to_list())

    def test_vendor_claims_are_named_and_purple(self, analysis: Analysis) -> None:
        figure = unit_costs(analysis.headlines, analysis.comparison, Look.of(analysis))
        assert "Azure, Maia 200 (claim)" in words(figure)
        for line in lines(figure, "akash:azure:maia-200"):
            assert line.get_markeredgecolor() == CLAIM
        for line in lines(figure, "akash:azure:nvidia"):
            assert line.get_markeredgecolor() != CLAIM

    def test_reference_data_are_hollow(self, analysis: Analysis) -> None:
        figure = unit_costs(analysis.headlines, analysis.comparison, Look.of(analysis))
        assert all(is_hollow(li) for li in lines(figure, "akash:google:nvidia"))
        assert not any(is_hollow(li) for li in lines(figure, "akash:azure:nvidia"))

    def test_the_title_turns_when_the_data_do(self, analysis: Analysis) -> None:
        look = Look.of(analysis)
        turned = analysis.comparison.with_columns(advantage=-pl.col("advantage"))
        assert "undercut all 15 list prices" in title_of(unit_costs(analysis.headlines, analysis.comparison, look))
        assert "undercut none of 15 list prices" in title_of(unit_costs(analysis.headlines, turned, look))

    def test_a_cloud_without_a_number_is_called_not_comparable(self, analysis: Analysis) -> None:
        blank = analysis.comparison.with_columns(
            usd_per_mtok_reference=pl.when(pl.col("silicon") != "tpu").then("usd_per_mtok_reference"),
            not_comparable=pl.when(pl.col("silicon") == "tpu").then(pl.lit("unknown rate")).otherwise("not_comparable"),
        )
        figure = unit_costs(analysis.headlines, blank, Look.of(analysis))
        assert words(figure).count("not comparable") == 3
        assert not lines(figure, "akash:google:tpu")


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
        assert list(line.get_ydata()) == pytest.approx(frame["full_margin"].to_list())

    def test_names_networks_whose_margin_is_not_known(self, analysis: Analysis) -> None:
        figure = margin_erosion(analysis.headlines, analysis.margin_paths, Look.of(analysis))
        assert "Not known, so not drawn: Render." in alt_text(figure)
        assert not lines(figure, "path:render")

    def test_the_zero_line_says_what_it_is(self, analysis: Analysis) -> None:
        figure = margin_erosion(analysis.headlines, analysis.margin_paths, Look.of(analysis))
        assert "breaks even" in [t.get_text() for axes in figure.axes for t in axes.texts]
        assert len(lines(figure, "zero")) == 6

    def test_the_title_turns_when_the_data_do(self, analysis: Analysis) -> None:
        look = Look.of(analysis)
        rosy = analysis.margin_paths.with_columns(full_margin=pl.lit(0.4))
        poor = analysis.margin_paths.with_columns(full_margin=pl.lit(-0.4))
        assert "all 2 networks earn their full cost today; all of them still do" in title_of(
            margin_erosion(analysis.headlines, rosy, look)
        )
        assert "none of 2 networks earn" in title_of(margin_erosion(analysis.headlines, poor, look))

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
        lost = analysis.advantage_paths.with_columns(advantage=pl.lit(-0.1))
        assert title_of(advantage_erosion(analysis.headlines, analysis.advantage_paths, look)).startswith(
            "2 of 3 networks stay below the list price of Google with TPU"
        )
        assert title_of(advantage_erosion(analysis.headlines, lost, look)).startswith("None of 3 networks stay")


class TestHeadroom:
    """How far cloud cost may fall."""

    @staticmethod
    def bars(figure: Figure) -> dict[str, tuple[float, bool]]:
        """gid -> (signed length, hatched)."""
        return {
            str(p.get_gid()).removeprefix("bar:"): (
                p.get_x() + p.get_width() if p.get_width() > 0 else p.get_width(),
                bool(p.get_hatch()),
            )  # type: ignore[attr-defined]
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
        assert gone.startswith("All 15 advantages over list prices are already lost")


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


class TestMarketCheck:
    """What hosts ask beside our cost."""

    def test_every_host_s_price_is_drawn_filled_only_when_live(self, analysis: Analysis) -> None:
        figure = market_check(analysis.headlines, analysis.market_check, Look.of(analysis))
        drawn = lines(figure, "host:")
        asked = sorted(x for line in drawn for x in line.get_xdata())
        assert asked == pytest.approx(sorted(analysis.market_check["usd_per_mtok_asked"]))
        for line in drawn:
            assert is_hollow(line) == (not str(line.get_gid()).endswith(":live"))
        assert figure.axes[0].get_xscale() == "log"

    @pytest.mark.parametrize(
        ("factor", "told"),
        [
            (10.0, "Hosts ask 8.0 to 180 times our modelled cost, 42 times in the median"),
            (1.0, "1 of 6 hosted prices are below our modelled cost; the median asks 4.2 times it"),
            (0.01, "All 6 hosted prices are below our modelled cost; the median asks 0.042 times it"),
        ],
    )
    def test_the_title_is_true_of_any_prices(self, analysis: Analysis, factor: float, told: str) -> None:
        prices = analysis.market_check.with_columns(pl.col("asked_over_modelled") * factor)
        assert title_of(market_check(analysis.headlines, prices, Look.of(analysis))) == told

    def test_hosts_are_drawn_where_our_model_has_no_cost(self, analysis: Analysis) -> None:
        gone = [c for c in analysis.market_check.columns if "modelled" in c or c == "usd_per_mtok_network"]
        prices = analysis.market_check.with_columns(pl.lit(None, dtype=pl.Float64).alias(c) for c in gone)
        figure = market_check(analysis.headlines, prices, Look.of(analysis))
        assert title_of(figure) == "No host's token price can be set against our model"
        assert len(lines(figure, "host:")) == 6

    def test_the_cheapest_and_the_dearest_host_are_named(self, analysis: Analysis) -> None:
        figure = market_check(analysis.headlines, analysis.market_check, Look.of(analysis))
        assert {"deepinfra", "Azure"} <= {t.get_text() for t in figure.axes[0].texts}


class TestTokenPriceTrend:
    """Dated list prices of closed models."""

    def test_each_maker_has_a_panel_with_its_own_prices(self, analysis: Analysis) -> None:
        figure = token_price_trend(analysis.token_prices, Look.of(analysis))
        assert len(figure.axes) == 3
        drawn = sorted(y for line in lines(figure, "price:anthropic") for y in line.get_ydata())
        assert drawn == pytest.approx([15.0, 22.5, 45.0])
        assert all(axes.get_yscale() == "log" for axes in figure.axes)

    def test_the_cheapest_so_far_never_rises(self, analysis: Analysis) -> None:
        for line in lines(token_price_trend(analysis.token_prices, Look.of(analysis)), "floor:"):
            heights = list(line.get_ydata())
            assert heights == sorted(heights, reverse=True)

    @pytest.mark.parametrize(
        ("keep", "told"),
        [
            (3, "The cheapest list price of a closed model fell 67% from Dec 2024 to Nov 2026, to $5.00"),
            (1, "No list price of a closed model on record is below the $15.00 of Dec 2024"),
        ],
    )
    def test_the_title_is_true_of_any_prices(self, analysis: Analysis, keep: int, told: str) -> None:
        prices = analysis.token_prices.filter(pl.col("observed_at").rank("dense") <= keep)
        assert title_of(token_price_trend(prices, Look.of(analysis))) == told

    def test_a_lowest_price_of_the_past_is_told_as_such(self, analysis: Analysis) -> None:
        raised = pl.when(pl.col("observed_at") == pl.col("observed_at").max()).then(99.0)
        prices = analysis.token_prices.with_columns(
            raised.otherwise("usd_per_mtok_output").alias("usd_per_mtok_output")
        )
        assert title_of(token_price_trend(prices, Look.of(analysis))).endswith("none up to Nov 2026 was lower")
