"""Charts of the future: keys of what is drawn, what is not live, scales, bounds, and titles of every fate."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence

import polars as pl
import pytest
import report_data
from chart_artists import box_of, cut_off, lines, marks, overlapping, said, texts
from matplotlib.figure import Figure

from depin_compare.analysis import Analysis
from depin_compare.economics.token_economics import TokenEconomics
from reports.charts import CHARTS
from reports.charts._panels import floor_for
from reports.charts.breakeven_dates import Fate, finding
from reports.charts.network_outlook import network_outlook
from reports.charts.pricing_choice import finding as pricing_finding
from reports.charts.provider_waterfall import provider_waterfall
from reports.charts.years_ahead import years_ahead
from reports.style import WIDTH, Look, alt_text, title_lines, title_of
from reports.words import MINUS, Names, percent

KEPT, LOST, DEAR = Fate(False, 0.1), Fate(False, 0.7), Fate(True, 1.0)
AVERAGE = pl.col("pricing") == "fleet_average"
BASE = pl.col("scenario") == "base"


def draw(name: str, analysis: Analysis) -> Figure:
    return CHARTS[name](analysis, Look.of(analysis))


def keys(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.texts if t.get_gid() == "key"]


def at(analysis: Analysis, value: float, where: pl.Expr) -> pl.DataFrame:
    """The paths of the advantage, with medians, ends and central values so high on some rows."""
    names = [f"advantage{end}" for end in ("", "_p10", "_p50", "_p90")]
    return analysis.advantage_paths.with_columns(
        pl.when(where).then(value).otherwise(pl.col(name)).alias(name) for name in names
    )


class TestBreakevenTitle:
    """Which price is meant, of how many networks, today and by the horizon."""

    @pytest.mark.parametrize(
        ("listed", "committed", "cost", "told"),
        [
            (
                [KEPT] * 11 + [LOST], [KEPT] * 7 + [LOST] * 4 + [DEAR], [DEAR] * 12,
                "None of 12 networks is dearer today than AWS at list price (probably 1 by 2036), 1 at committed (5), "
                "all 12 at modelled cost",
            ),
            (
                [KEPT] * 3, [KEPT, KEPT, LOST], [DEAR] * 3,
                "None of 3 networks is dearer today than AWS at list price, none at committed (probably 1 by 2036), "
                "all 3 at modelled cost",
            ),
            (
                [KEPT] * 3, [KEPT] * 3, [DEAR] * 3,
                "None of 3 networks is dearer today than AWS at list price, none at committed, all 3 at modelled cost; "
                "probably as many by 2036",
            ),
            (
                [KEPT] * 2, [KEPT] * 2, [KEPT] * 2,
                "Neither network is dearer today than AWS at list price, neither at committed, neither at modelled "
                "cost; probably none by 2036",
            ),
            (
                [KEPT, DEAR, DEAR], [DEAR] * 2, [DEAR] * 3,
                "2 of 3 networks are dearer today than AWS at list price, both at committed, all 3 at modelled cost; "
                "probably as many by 2036",
            ),
            (
                [DEAR] * 2, [], [DEAR] * 2,
                "Both networks are dearer today than AWS at list price, both at modelled cost",
            ),
            (
                [KEPT], [LOST], [DEAR],
                "The network probably keeps its lead over AWS to 2036 at list price, loses it at committed price; it "
                "is dearer at modelled cost today",
            ),
            (
                [LOST], [LOST], [DEAR],
                "The network probably loses its lead over AWS by 2036 at list and committed price; it is dearer at "
                "modelled cost today",
            ),
            (
                [DEAR], [DEAR], [DEAR],
                "The network is dearer today than AWS at list and committed price and modelled cost",
            ),
            ([KEPT], [], [], "The network probably keeps its lead over AWS to 2036 at list price"),
            ([], [], [], "No break-even date can be stated"),
        ],
    )  # fmt: skip
    def test_it_says_every_fate(
        self, listed: Sequence[Fate], committed: Sequence[Fate], cost: Sequence[Fate], told: str
    ) -> None:
        assert finding({"list": listed, "committed": committed, "modelled_cost": cost}, "AWS", 2036) == told

    def test_it_never_takes_more_than_two_lines(self) -> None:
        cloud = Names().long_pair("google", "nvidia")
        some = [
            [KEPT] * (28 - dear - gone - missing) + [LOST] * gone + [DEAR] * dear
            for dear, gone, missing in itertools.product((0, 12, 28), (0, 10), (0, 3))
            if dear + gone + missing <= 28
        ]
        for listed, committed, cost in itertools.product(some, repeat=3):
            title = finding({"list": listed, "committed": committed, "modelled_cost": cost}, cloud, 2036)
            assert title_lines(title) <= 2, title


class TestNotLive:
    """Hatched where the network's price is not live, and the footer says so."""

    def test_break_even_bars_are_hatched_and_never_is_an_empty_bar(self, analysis: Analysis) -> None:
        figure = draw("breakeven_dates", analysis)
        for network, hatched in (("render", True), ("akash", False)):
            bars = {str(b.get_gid()): b for b in marks(figure, f"bar:{network}:")}
            never = {gid for gid in bars if gid.endswith(":never")}
            assert never < set(bars)
            assert all(bool(bars[gid].get_hatch()) is (hatched and gid not in never) for gid in bars)
            assert all(bars[gid].get_facecolor()[:3] == (1.0, 1.0, 1.0) for gid in never)
        assert "empty bar: at no time" in said(figure, "subtitle")
        assert "Hatched: the network's price is not live" in said(figure, "footer")

    def test_the_tornado_hatches_the_high_end(self, analysis: Analysis) -> None:
        figure = draw("tornado", analysis)
        bars = {str(b.get_gid()): bool(b.get_hatch()) for b in marks(figure, "bar:")}
        assert any(gid.startswith("bar:render:") for gid in bars)
        for gid, hatched in bars.items():
            assert hatched is (gid.startswith("bar:render:") and gid.endswith("at_high"))
        assert "Hatched: the network's price is not live" in said(figure, "footer")

    def test_a_map_of_stress_is_hatched_whole(self) -> None:
        made = report_data.reference_only()
        figure = draw("stress", made)
        assert {str(m.get_gid()) for m in marks(figure, "not-live:")} == {
            "not-live:akash:utilisation", "not-live:ionet:utilisation",
        }  # fmt: skip
        assert "Hatched: the network's price is not live" in said(figure, "footer")

    def test_nothing_is_hatched_where_all_is_live(self, one_network: Analysis) -> None:
        assert not marks(draw("stress", one_network), "not-live:")
        for name in ("breakeven_dates", "stress", "tornado"):
            assert "Hatched" not in alt_text(draw(name, one_network))


class TestTornadoRoom:
    """Axes that fit, numbers at both ends, as many networks as have room."""

    def test_every_bar_has_both_numbers_on_the_sheet(self, analysis: Analysis) -> None:
        figure = draw("tornado", analysis)
        inputs = {str(b.get_gid()).removeprefix("bar:").rpartition(":")[0] for b in marks(figure, "bar:")}
        assert inputs
        for gid in inputs:
            assert said(figure, f"value:{gid}:low")
            assert said(figure, f"value:{gid}:high")
        assert not overlapping(figure, "value:")

    def test_six_networks_within_their_height_and_no_tick_above_the_whole(self) -> None:
        figure = draw("tornado", report_data.live_shaped())
        rows = {t.get_gid() for t in figure.texts if re.fullmatch(r"row:[^:]+", str(t.get_gid()))}
        assert len(rows) == 6
        assert figure.get_size_inches()[1] <= 8.5
        for axes in figure.axes:
            assert max(axes.get_xticks()) <= 1

    def test_it_says_why_speed_has_no_bar_on_one_chip(self, analysis: Analysis) -> None:
        assert "speed cancels" not in alt_text(draw("tornado", analysis))
        same = analysis.drivers.with_columns(
            input=pl.when(pl.col("network") == "akash").then(
                pl.col("input").replace("network_lag_years", "tokens_per_second")
            ).otherwise("input"),
            at_low=pl.when(pl.col("network") == "akash").then(0.5).otherwise("at_low"),
            at_high=pl.when(pl.col("network") == "akash").then(0.5).otherwise("at_high"),
        )  # fmt: skip
        told = alt_text(draw("tornado", dataclasses.replace(analysis, drivers=same)))
        assert "No bar for tokens a second on Akash: cloud and network sell the same chip, so its speed cancels" in told


class TestStressNumbers:
    """The numbers in the corners stay in their cells, and the title has its nouns."""

    def test_a_number_stands_within_its_cell(self, analysis: Analysis) -> None:
        for made in (analysis, report_data.one_network()):
            figure = draw("stress", made)
            corners = [t for t in texts(figure) if str(t.get_gid()).startswith("corner:")]
            assert corners
            for text in corners:
                axes = text.axes
                assert axes is not None
                x, _ = text.xy  # type: ignore[attr-defined]  # an annotation
                low, high = (axes.transData.transform((x + side, 0))[0] for side in (-0.5, 0.5))
                box = box_of(text)
                assert low - 1 <= box.x0 < box.x1 <= high + 1

    def test_the_title_of_some_that_hold_and_some_that_have_none(self, analysis: Analysis) -> None:
        network = pl.col("network")
        grid = pl.concat([
            analysis.stress.filter(network == "akash").with_columns(
                network=pl.lit(name), full_margin=margin, with_rewards=pl.lit(value=False)
            )
            for name, margin in (
                ("akash", 1 - 0.75 / (1 - pl.col("cloud_cost_cut") / 2)),
                ("ionet", pl.lit(0.5)),
                ("render", pl.lit(-0.5)),
            )
        ])  # fmt: skip
        h100 = analysis.headlines.with_columns(accelerator=pl.lit("h100-sxm-80"), archetype=pl.lit("data_centre"))
        margins = pl.concat([
            analysis.margins.filter(network == "akash").with_columns(network=pl.lit(name))
            for name in ("akash", "ionet", "render")
        ])  # fmt: skip
        made = dataclasses.replace(analysis, stress=grid, headlines=h100, margins=margins)
        assert title_of(draw("stress", made)) == (
            "A sudden fall of the clouds' cost by 50% ends suppliers' full-cost margin on 1 of 3 networks; on 1 the "
            "margin holds even at 90%; 1 has none today"
        )


class TestScales:
    """How deep panels go, and how that is seen."""

    def test_a_line_along_the_floor_takes_it_deeper(self) -> None:
        values = pl.Series([0.5, -0.5, -0.99])
        assert floor_for(values) == -1
        assert [floor_for(values, [end]) for end in (-0.99, -1.04, -0.94, -1.2)] == [-10, -10, -1, -1]
        assert floor_for(values, [-0.99, -10.1]) == -100

    def test_panels_in_powers_of_ten_are_shaded_and_said_at_the_axis(self, analysis: Analysis) -> None:
        lost = dataclasses.replace(analysis, advantage_paths=at(analysis, -12.0, pl.lit(value=True)))
        deep, plain = draw("advantage_erosion", lost), draw("margin_erosion", analysis)
        assert len(marks(deep, "powers")) == len(deep.axes)
        assert said(deep, "powers").count("powers of ten") == 3
        assert not marks(plain, "powers")
        assert not said(plain, "powers")
        assert not list(cut_off(deep))

    def test_a_ring_at_the_edge_of_a_panel_is_whole(self, analysis: Analysis) -> None:
        for name in ("margin_erosion", "advantage_erosion"):
            assert not any(mark.get_clip_on() for mark in marks(draw(name, analysis), "breaks:")), name

    def test_of_two_triangles_in_one_month_the_smaller_stands_within_the_larger(self, one_network: Analysis) -> None:
        low = pl.col("reference").is_in(["modelled_cost", "cost_plus_margin"])
        paths = at(one_network, -4.0, low)
        figure = draw("advantage_erosion", dataclasses.replace(one_network, advantage_paths=paths))
        large, small = (
            mark
            for reference in ("modelled_cost", "cost_plus_margin")
            for mark in lines(figure, f"below:akash:base:{reference}")
        )
        assert large.get_xdata()[0] == small.get_xdata()[0]
        assert large.get_markersize() > small.get_markersize() + 1
        assert large.get_zorder() < small.get_zorder()
        assert keys(figure) == [
            "List price with 10th to 90th percentile", "Committed price", "Modelled cost: below the scale",
            "Cost plus floor margin: below the scale",
            *[key for key in keys(figure) if key == "advantage gone"],
        ]  # fmt: skip


class TestOutlookPanels:
    """Two panels, each with its own key."""

    def test_each_panel_has_its_key_over_it(self, analysis: Analysis) -> None:
        figure = network_outlook(analysis.advantage_paths, analysis.margin_paths, Look.of(analysis), network="akash")
        left, right = (axes.get_position() for axes in figure.axes)
        places = {t.get_text(): t.get_position() for t in figure.texts if t.get_gid() == "key"}
        assert {"node bought today", "node bought at the time"} < set(places)
        for name, (x, y) in places.items():
            assert y > left.y1
            assert bool(x > right.x0 - 0.1) is name.startswith("node")

    def test_a_line_that_is_never_seen_has_no_key(self, analysis: Analysis) -> None:
        cost = pl.col("reference") == "modelled_cost"
        for value, there in ((-4.0, False), (0.2, True)):
            paths = at(analysis, value, cost)
            figure = network_outlook(paths, analysis.margin_paths, Look.of(analysis), network="akash")
            assert ("modelled cost" in keys(figure)) is there
            assert bool(said(figure, "below-words:akash:advantage")) is not there

    def test_the_band_of_a_dashed_line_is_paler_with_dashed_edges(self, analysis: Analysis) -> None:
        figure = network_outlook(analysis.advantage_paths, analysis.margin_paths, Look.of(analysis), network="akash")
        (listed,), (committed,) = (marks(figure, f"band:akash:advantage:{r}") for r in ("list", "committed"))
        assert committed.get_alpha() < listed.get_alpha()
        assert all(edge.is_dashed() for edge in lines(figure, "edge:akash:advantage:committed"))
        assert not any(edge.is_dashed() for edge in lines(figure, "edge:akash:advantage:list"))

    @pytest.mark.parametrize("month", [0, 30, 60, 115])
    def test_what_falls_below_keeps_its_name_whenever_it_falls(self, month: int, analysis: Analysis) -> None:
        falls = pl.when(pl.col("month") >= month).then(-3.0).otherwise(0.4)
        paths = analysis.margin_paths.with_columns(full_margin=falls, full_margin_p50=falls)
        figure = network_outlook(analysis.advantage_paths, paths, Look.of(analysis), network="akash")
        told = said(figure, "below-words:akash:margin")
        assert re.fullmatch(rf"bought today: below {MINUS}100% from (today|\d+)", told)
        assert not list(cut_off(figure))
        (text,) = (t for t in texts(figure) if str(t.get_gid()) == "below-words:akash:margin")
        axes = figure.axes[1].get_window_extent()
        assert axes.x0 - 1 <= box_of(text).x0 < box_of(text).x1 <= axes.x1 + 4

    def test_the_title_says_which_silicon(self, analysis: Analysis) -> None:
        figure = network_outlook(analysis.advantage_paths, analysis.margin_paths, Look.of(analysis), network="akash")
        assert "AWS's list price for NVIDIA GPUs" in title_of(figure)


class TestYearsAheadLines:
    """Bands of few networks; leaders only where lines end."""

    @staticmethod
    def draw(analysis: Analysis, networks: Sequence[str] | None = None) -> Figure:
        paths = [
            frame if networks is None else frame.filter(pl.col("network").is_in(networks))
            for frame in (analysis.advantage_paths, analysis.margin_paths)
        ]
        return years_ahead(analysis.headlines, *paths, Look.of(analysis))

    def test_one_or_two_networks_have_bands(self, analysis: Analysis) -> None:
        for networks, left, right in ((["akash"], 1, 1), (["akash", "ionet"], 2, 2), (None, 0, 2)):
            figure = self.draw(analysis, networks)
            bands = [[c for c in axes.collections if "band:" in str(c.get_gid())] for axes in figure.axes]
            assert [len(found) for found in bands] == [left, right]
            where = "Bands: 10th" if left else "Bands right: 10th"
            assert where in said(figure, "footer")

    def test_no_leader_goes_to_what_ends_below(self, analysis: Analysis) -> None:
        low = pl.when(pl.col("network") == "render").then(-4.0).otherwise(pl.col("advantage_p50"))
        paths = analysis.advantage_paths.with_columns(advantage_p50=low)
        axes = years_ahead(analysis.headlines, paths, analysis.margin_paths, Look.of(analysis)).axes[0]
        ends = [t.get_text() for t in axes.texts if t.get_gid() == "end"]
        assert f"Render below {MINUS}100%" in ends
        assert len([line for line in axes.lines if line.get_gid() == "lead"]) == len(ends) - 1


class TestHeadroomRoom:
    """All clouds of few networks, and what the counted costs are."""

    def test_of_one_network_all_clouds_are_drawn(self) -> None:
        made = report_data.one_network()
        figure = draw("headroom", made)
        assert "clouds with their silicon" not in alt_text(figure)
        pairs = made.outlook.filter(AVERAGE, BASE, pl.col("quantity") == "advantage", pl.col("headroom").is_not_null())
        drawn = {tuple(str(b.get_gid()).split(":")[2:4]) for b in marks(figure, "bar:akash:") if "margin" not in
                 str(b.get_gid()).split(":")[2]}  # fmt: skip
        assert drawn == set(pairs.select("cloud", "silicon").unique().rows())
        assert len(drawn) > 6
        assert figure.get_size_inches()[1] <= 7.5

    def test_claims_among_the_counted_costs_are_told(self, analysis: Analysis) -> None:
        """Maia 200 and Trainium are claims here: two of six clouds, of three networks."""
        assert "Of the title's 18 modelled costs 6 are vendors' claims." in alt_text(draw("headroom", analysis))
        third = analysis.comparison.with_columns(reference_kind=pl.lit("third_party").cast(
            analysis.comparison.schema["reference_kind"]))  # fmt: skip
        assert "claim" not in alt_text(draw("headroom", dataclasses.replace(analysis, comparison=third)))

    def test_left_of_zero_is_explained(self, analysis: Analysis) -> None:
        assert "lost today; cloud cost would have to rise by so much" in said(draw("headroom", analysis), "subtitle")


class TestWaterfallBounds:
    """A fee that is only a floor leaves the provider at most what is told."""

    @staticmethod
    def tokens(network: str) -> pl.DataFrame:
        row = {"network": network, "measure": "network_take", "value": 0.0025, "unit": "fraction", "bound": "lower",
               "kind": "published", "layer": "reference"}  # fmt: skip
        blank = dict.fromkeys(TokenEconomics.columns())
        return pl.DataFrame([blank | row], schema=TokenEconomics.create_empty().schema)

    def test_bounds_stand_at_the_fee_and_at_what_is_left(self, analysis: Analysis) -> None:
        figure = provider_waterfall(
            analysis.headlines, analysis.margins, Look.of(analysis), tokens=self.tokens("ionet")
        )
        assert said(figure, "amount:ionet:network_take").startswith("\N{GREATER-THAN OR EQUAL TO} $")
        assert said(figure, "amount:ionet:profit").startswith("\N{LESS-THAN OR EQUAL TO} $")
        assert said(figure, "amount:akash:profit").startswith(MINUS)
        assert "may keep more than is published" in said(figure, "footer")
        assert "on at most 1 of the 2 networks" in title_of(figure)

    def test_a_fee_that_is_known_has_no_bound(self, analysis: Analysis) -> None:
        figure = provider_waterfall(analysis.headlines, analysis.margins, Look.of(analysis))
        assert "\N{LESS-THAN OR EQUAL TO}" not in said(figure, "amount:")
        assert "at most" not in title_of(figure)
        assert "may keep more" not in said(figure, "footer")

    def test_one_panel_has_no_scale_of_its_own(self, analysis: Analysis, one_network: Analysis) -> None:
        assert "Each panel to its own scale" in said(draw("provider_waterfall", analysis), "subtitle")
        assert "own scale" not in said(draw("provider_waterfall", one_network), "subtitle")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {("akash", "base"): 0.13, ("ionet", "maia200"): -0.066},
            "networks are from 6.6% cheaper (B) to 13% dearer (A)",
        ),
        ({("akash", "base"): 0.13, ("ionet", "base"): 0.02}, "networks are from 2.0% to 13% dearer (A)"),
        ({("akash", "base"): -0.13, ("akash", "maia200"): 0.0}, "the network is up to 13% cheaper (A)"),
        ({("akash", "base"): 0.13, ("ionet", "base"): 0.13}, "networks are 13% dearer (A)"),
    ],
)
def test_pricing_tells_the_span(changes: dict[tuple[str, str], float], told: str, analysis: Analysis) -> None:
    moved = pl.DataFrame([(*key, change) for key, change in changes.items()],
                         schema=["network", "scenario", "change"], orient="row")  # fmt: skip
    look = dataclasses.replace(Look.of(analysis), names=Names(known={"base": "A", "maia200": "B"}))
    title = pricing_finding(moved, look, "AWS", 2029)
    assert title.endswith(f", {told} relative to AWS by 2029")


def test_the_tables_words_where_most_draws_have_lost_the_margin(analysis: Analysis) -> None:
    paths = analysis.margin_paths.with_columns(full_margin=pl.lit(0.05), full_margin_p50=pl.lit(-0.2))
    figure = draw("margin_erosion", dataclasses.replace(analysis, margin_paths=paths))
    assert " ".join(said(figure, "fate:akash:base").split()) == "most draws today"
    gone = analysis.margin_paths.with_columns(full_margin=pl.lit(-0.05), full_margin_p50=pl.lit(-0.2))
    assert (
        said(draw("margin_erosion", dataclasses.replace(analysis, margin_paths=gone)), "fate:akash:base")
        == "lost today"
    )
    assert percent(0.05, signed=True) in said(figure, "footer")
    assert all(box_of(t).width / figure.dpi < WIDTH / 3 for t in texts(figure) if "fate:" in str(t.get_gid()))
