"""Charts of today's prices: what networks ask, and what equal work costs."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import report_data
from chart_artists import box_of, cut_off, is_hollow, lines, marks, overlapping, said, words
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from depin_compare.analysis import Analysis
from depin_compare.market.freshness import FRESHNESS
from reports.charts import advantage_heat_map, equal_work, price_ladder
from reports.charts._rows import dodged
from reports.style import (
    CLAIM,
    LETTERED,
    NEGATIVE,
    REFERENCE_COLOUR,
    WIDTH,
    Look,
    Sheet,
    alt_text,
    png_bytes,
    price_axis,
    styled,
    title_of,
)
from reports.view import headline_comparison
from reports.words import Names

# The function of that name stands before its module.
LADDER = importlib.import_module("reports.charts.price_ladder")


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

    def test_the_cheapest_network_and_cloud_of_a_row_are_told_with_the_distance(self, analysis: Analysis) -> None:
        figure = price_ladder(analysis.market_prices, Look.of(analysis))
        part = analysis.market_prices.filter(pl.col("accelerator") == "h100-sxm-80", pl.col("terms") == "on_demand")
        cloud = pl.col("segment") == "hyperscaler"
        least, most = (part.filter(side)["usd_per_accelerator_hour"].min() for side in (~cloud, cloud))
        assert f"{least:.2f}" in said(figure, "cheapest:h100-sxm-80")
        assert said(figure, "saving:h100-sxm-80") == f"+{100 - 100 * least / most:.0f}%"
        assert said(figure, "head").endswith("saves")

    def test_a_dearer_network_stands_in_red(self, analysis: Analysis) -> None:
        dear = analysis.market_prices.with_columns(
            usd_per_accelerator_hour=pl.when(pl.col("segment") == "hyperscaler")
            .then(0.02)
            .otherwise("usd_per_accelerator_hour")
        )
        figure = price_ladder(dear, Look.of(analysis))
        savings = [t for axes in figure.axes for t in axes.texts if str(t.get_gid()).startswith("saving:")]
        assert savings
        assert all(t.get_text().startswith("\N{MINUS SIGN}") and t.get_color() == NEGATIVE for t in savings)

    @pytest.mark.parametrize("seller", ["google", "akash"])
    def test_an_indicative_price_of_either_side_is_named_not_drawn(self, seller: str, analysis: Analysis) -> None:
        mine = (pl.col("network") == seller) & (pl.col("accelerator") == "h100-sxm-80")
        price = analysis.market_prices.filter(mine, pl.col("terms") == "on_demand")["usd_per_accelerator_hour"][0]
        made = analysis.market_prices.with_columns(
            price_kind=pl.when(mine).then(pl.lit("indicative")).otherwise(pl.col("price_kind").cast(pl.String)),
        ).cast({"price_kind": analysis.market_prices.schema["price_kind"]})
        look = Look.of(analysis)
        before, figure = price_ladder(analysis.market_prices, look), price_ladder(made, look)
        gid = f"{'cloud' if seller == 'google' else 'network'}:{seller}"
        assert len(lines(figure, gid)) == len(lines(before, gid)) - 1
        told = f"{look.names(seller)} on H100 SXM 80 GB (${price:.2f}, indicative)"
        assert f"Neither asked nor listed, so not drawn: {told}." in said(figure, "footer")
        assert "so not drawn" not in said(before, "footer")
        assert look.names("akash") not in said(figure, "cheapest:h100-sxm-80") or seller != "akash"

    def test_one_network_is_named_in_the_title(self, analysis: Analysis) -> None:
        cloud = pl.col("segment") == "hyperscaler"
        alone = analysis.market_prices.filter(cloud | (pl.col("network") == "akash"))
        assert title_of(price_ladder(alone, Look.of(analysis))).startswith("Akash asks less than any cloud's")

    def test_clouds_squares_lie_apart(self) -> None:
        real = report_data.reference_only()
        figure = price_ladder(real.market_prices, Look.of(real))
        (axes,) = figure.axes
        places = [axes.transData.transform((m.get_xdata()[0], m.get_ydata()[0])) / figure.dpi
                  for m in lines(figure, "cloud:")]  # fmt: skip
        side = LETTERED / 72
        for i, (x, y) in enumerate(places):
            assert all(abs(x - x2) > side or abs(y - y2) > side for x2, y2 in places[i + 1 :])

    def test_a_price_beyond_its_limit_is_named_not_drawn(self, analysis: Analysis) -> None:
        old = analysis.market_prices.with_columns(
            freshness=pl.when(pl.col("network") == "render").then(pl.lit("expired")).cast(pl.Enum(FRESHNESS))
        )
        figure = price_ladder(old, Look.of(analysis))
        assert not lines(figure, "network:render")
        assert "Beyond its limit of age, so not drawn: Render." in alt_text(figure)
        assert lines(figure, "network:akash")

    def test_equal_prices_do_not_hide_each_other(self, analysis: Analysis) -> None:
        same = analysis.market_prices.with_columns(usd_per_accelerator_hour=pl.lit(1.0))
        figure = price_ladder(same, Look.of(analysis))
        places = [(float(li.get_xdata()[0]), float(li.get_ydata()[0])) for li in lines(figure, "network:")]
        assert len(set(places)) == len(places)

    @given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.08, 0.14])), min_size=1, max_size=12))
    def test_no_mark_hides_another_and_those_with_room_stay_on_the_line(
        self, marks_: list[tuple[float, float]]
    ) -> None:
        places, sizes = zip(*marks_, strict=True)
        heights = dodged(places, sizes)
        for i, (x, y, size) in enumerate(zip(places, heights, sizes, strict=True)):
            rest = [one for j, one in enumerate(zip(places, heights, sizes, strict=True)) if j != i]
            others = [(abs(x - x2), abs(y - y2), (size + size2) / 2) for x2, y2, size2 in rest]
            assert all(max(across, up) >= apart - 1e-6 for across, up, apart in others)
            assert y == 0 or any(across < apart for across, _, apart in others)

    def test_three_networks_of_one_price_are_one_mark_with_their_number(self, analysis: Analysis) -> None:
        mine = (pl.col("accelerator") == "h100-sxm-80") & (pl.col("segment") != "hyperscaler")
        part = analysis.market_prices.filter(mine, pl.col("layer") == "live").head(1)
        three = [part.with_columns(network=pl.lit(n), usd_per_accelerator_hour=pl.lit(2.0))
                 for n in ("one", "two", "three")]  # fmt: skip
        made = pl.concat([analysis.market_prices.filter(~mine), *three])
        figure = price_ladder(made, Look.of(analysis))
        (mark,) = lines(figure, "networks:3:live")
        assert list(mark.get_xdata()) == [2.0]
        assert said(figure, "cheapest:h100-sxm-80") == "3 networks $2.00"
        assert "so many networks at one price" in said(figure, "key")
        two = price_ladder(pl.concat([analysis.market_prices.filter(~mine), *three[:2]]), Look.of(analysis))
        assert not lines(two, "networks:")

    def test_clouds_are_lettered_squares_and_every_coloured_network_is_in_the_key(self, analysis: Analysis) -> None:
        look = Look.of(analysis)
        figure = price_ladder(analysis.market_prices, look)
        assert {li.get_marker() for li in lines(figure, "cloud:")} == {"s"}
        assert "Az" in said(figure, "letters")
        for line in lines(figure, "network:"):
            assert look.names(str(line.get_gid()).split(":")[1]) in said(figure, "key")

    def test_no_two_marks_of_a_row_lie_on_each_other(self, thirty_networks: Analysis) -> None:
        figure = price_ladder(thirty_networks.market_prices, Look.of(thirty_networks))
        marks_ = [*lines(figure, "network:"), *lines(figure, "cloud:")]
        places = [li.axes.transData.transform((li.get_xdata()[0], li.get_ydata()[0])) / figure.dpi for li in marks_]
        apart = [max(abs(a - b)) for i, a in enumerate(places) for b in places[i + 1 :]]
        assert min(apart) > 0.08

    def test_every_second_row_is_shaded_from_edge_to_edge_around_its_own_marks(self) -> None:
        real = report_data.reference_only()
        figure = price_ladder(real.market_prices, Look.of(real))
        (axes,) = figure.axes
        shades = [axes.transData.inverted().transform_bbox(box.get_window_extent()) for box in marks(figure, "ground")]
        shades = sorted((box.y0, box.y1) for box in shades)
        centres = [float(y) for y in axes.get_yticks()]
        within = [sum(low < y < high for low, high in shades) for y in sorted(centres)]
        assert within in ([i % 2 for i in range(len(within))], [1 - i % 2 for i in range(len(within))])
        width = figure.get_size_inches()[0] * figure.dpi
        for box in marks(figure, "ground"):
            assert (box.get_window_extent().x0, box.get_window_extent().x1) == pytest.approx((0.0, width), abs=0.5)
        # Every mark stands in the ground of its own row, shaded or not.
        prices = real.market_prices.filter(pl.col("terms") == "on_demand")
        shown = {str(t.get_gid()).partition(":")[2]: float(t.get_position()[1])
                 for t in axes.texts if str(t.get_gid()).startswith("cheapest:")}  # fmt: skip
        edges = sorted({edge for shade in shades for edge in shade} | {0.0, axes.get_ylim()[1]})
        for line in [*lines(figure, "network:"), *lines(figure, "cloud:")]:
            (x,), (y,) = line.get_xdata(), line.get_ydata()
            of = prices.filter(pl.col("network") == str(line.get_gid()).split(":")[1],
                               pl.col("usd_per_accelerator_hour") == x)["accelerator"]  # fmt: skip
            rows = {np.searchsorted(edges, shown[chip]) for chip in of if chip in shown}
            assert np.searchsorted(edges, y) in rows

    def test_chips_that_stand_for_networks_come_first_and_networks_without_any_are_named(
        self, analysis: Analysis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(LADDER, "_TALLEST", 0.5)
        look, prices = Look.of(analysis), analysis.market_prices
        # Nobody but Render has it, and no cloud: without a headline it is the last.
        rare = "rtx-3090-24"
        usual = price_ladder(prices, look)
        assert said(usual, "cheapest:")
        assert not said(usual, f"cheapest:{rare}")
        figure = price_ladder(prices, look, headline_chips=[rare])
        assert said(figure, "cheapest:").startswith("$")
        assert said(figure, f"cheapest:{rare}")
        assert "1 of 6 chips shown, those that stand for networks first" in alt_text(figure)
        assert "None of the chips of Akash and io.net is shown." in alt_text(figure)
        both = price_ladder(prices, look, headline_chips=[rare, "a100-sxm-80", "a100-sxm-80"])
        assert said(both, "cheapest:a100-sxm-80")
        monkeypatch.undo()
        assert "None of the chips" not in alt_text(price_ladder(prices, look, headline_chips=[rare]))

    def test_two_offers_far_apart_are_told_where_their_mean_is_drawn_without_a_spread(
        self, analysis: Analysis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mine = (pl.col("network") == "akash") & (pl.col("accelerator") == "h100-sxm-80")

        def footer(price: float) -> str:
            numbers = {"usd_per_accelerator_hour": price, "usd_per_accelerator_hour_low": 1.0,
                       "usd_per_accelerator_hour_high": 2.0, "n_offers": 2}  # fmt: skip
            made = analysis.market_prices.with_columns(
                pl.when(mine).then(pl.lit(v)).otherwise(c).cast(analysis.market_prices.schema[c]).alias(c)
                for c, v in numbers.items()
            )
            return alt_text(price_ladder(made, Look.of(analysis)))

        assert "far apart" not in footer(1.5)  # the spread is drawn
        monkeypatch.setattr(LADDER, "_MOST_SPREADS", 0)
        assert "Of two offers far apart, the mean is drawn: Akash on H100 SXM 80 GB ($1.00 and $2.00)." in footer(1.5)
        assert "far apart" not in footer(2.0)  # the heavier of two is the median, and no mean

    def test_not_live_is_in_the_key_only_beside_a_hollow_mark(self, analysis: Analysis) -> None:
        layer = analysis.market_prices.schema["layer"]
        # One mark stands for three networks of one price; the layer of a chip that has no row is nobody's.
        live = analysis.market_prices.with_columns(layer=pl.lit("live").cast(layer))
        unseen = live.with_columns(
            layer=pl.when(pl.col("terms") != "on_demand").then(pl.lit("stored")).otherwise("layer").cast(layer)
        )
        look = Look.of(analysis)
        assert "not live" in said(price_ladder(analysis.market_prices, look), "key")
        for made in (live, unseen):
            figure = price_ladder(made, look)
            assert "not live" not in said(figure, "key")
            assert not any(is_hollow(li) for li in [*lines(figure, "network:"), *lines(figure, "cloud:")])

    def test_labels_of_thirty_networks_stay_on_the_sheet_and_apart(self, thirty_networks: Analysis) -> None:
        figure = price_ladder(thirty_networks.market_prices, Look.of(thirty_networks))
        assert not list(cut_off(figure))
        assert not overlapping(figure, "cheapest:")


class TestMoneyAxis:
    """Ticks of money on a log axis."""

    @pytest.mark.parametrize(("low", "high"), [(0.05, 20.0), (0.001, 300.0), (0.9, 1.4), (2e-5, 900.0)])
    @pytest.mark.parametrize("width", [1.6, 4.0])
    def test_its_ticks_do_not_touch(self, low: float, high: float, width: float) -> None:
        @styled
        def drawn() -> Sheet:
            sheet = Sheet(title="t", subtitle="s", footer=["f"], plot_height=1.0)
            ((axes,),) = sheet.grid(1, 1, left=0.5, right=WIDTH - 0.5 - width)
            price_axis(axes, low, high)
            return sheet

        sheet = drawn()
        (axes,) = sheet.figure.axes
        renderer = FigureCanvasAgg(sheet.figure).get_renderer()
        boxes = [t.get_window_extent(renderer) for t in axes.get_xticklabels()]
        assert len(boxes) >= 1
        assert not any(a.overlaps(b) for a, b in pairwise(boxes))


class TestEqualWork:
    """Cost of equal work."""

    def test_markers_are_the_references_and_lines_the_networks(self, analysis: Analysis) -> None:
        figure = equal_work(analysis.headlines, analysis.comparison, Look.of(analysis))
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
        figure = equal_work(analysis.headlines, analysis.comparison, Look.of(analysis))
        assert "Azure, Maia 200 (claim)" in words(figure)
        for line in lines(figure, "akash:azure:maia-200"):
            assert line.get_markeredgecolor() == CLAIM
        for line in lines(figure, "akash:azure:nvidia"):
            assert line.get_markeredgecolor() != CLAIM

    def test_reference_data_are_hollow(self, analysis: Analysis) -> None:
        figure = equal_work(analysis.headlines, analysis.comparison, Look.of(analysis))
        assert all(is_hollow(li) for li in lines(figure, "akash:google:nvidia"))
        assert not any(is_hollow(li) for li in lines(figure, "akash:azure:nvidia"))

    def test_the_title_turns_when_the_data_do(self, analysis: Analysis) -> None:
        look = Look.of(analysis)
        turned = analysis.comparison.with_columns(advantage=-pl.col("advantage"))
        assert "undercut all 15 list prices" in title_of(equal_work(analysis.headlines, analysis.comparison, look))
        assert "undercut none of 15 list prices" in title_of(equal_work(analysis.headlines, turned, look))

    def test_a_cloud_without_a_number_is_called_not_comparable(self, analysis: Analysis) -> None:
        blank = analysis.comparison.with_columns(
            usd_per_mtok_reference=pl.when(pl.col("silicon") != "tpu").then("usd_per_mtok_reference"),
            not_comparable=pl.when(pl.col("silicon") == "tpu").then(pl.lit("unknown rate")).otherwise("not_comparable"),
        )
        figure = equal_work(analysis.headlines, blank, Look.of(analysis))
        assert words(figure).count("not comparable") == 3
        assert not lines(figure, "akash:google:tpu")

    def test_bands_are_the_low_and_high_of_the_frame(self, analysis: Analysis) -> None:
        figure = equal_work(analysis.headlines, analysis.comparison, Look.of(analysis))
        shown = headline_comparison(analysis.headlines, analysis.comparison).filter(
            pl.col("usd_per_mtok_reference_high") > pl.col("usd_per_mtok_reference_low")
        )
        assert shown.height
        for row in shown.iter_rows(named=True):
            gid = f"range:{row['network']}:{row['cloud']}:{row['silicon']}:{row['reference']}"
            (band,) = marks(figure, gid)
            box = band.get_datalim(band.axes.transData)
            assert (box.x0, box.x1) == pytest.approx(
                (row["usd_per_mtok_reference_low"], row["usd_per_mtok_reference_high"])
            )

    def test_the_parity_lines_of_all_panels_stand_in_one_place(self, analysis: Analysis) -> None:
        figure = equal_work(analysis.headlines, analysis.comparison, Look.of(analysis))
        places = [
            line.axes.transAxes.inverted().transform(line.axes.transData.transform((line.get_xdata()[0], 0)))[0]
            for line in lines(figure, "parity")
        ]
        assert len(places) == 3
        assert places == pytest.approx([places[0]] * 3)

    def test_the_title_counts_networks_that_are_not_drawn(self, thirty_networks: Analysis) -> None:
        figure = equal_work(thirty_networks.headlines, thirty_networks.comparison, Look.of(thirty_networks))
        every = headline_comparison(thirty_networks.headlines, thirty_networks.comparison)
        listed = every.filter(pl.col("reference") == "list", pl.col("advantage").is_not_null())
        assert f"of {listed.height} list prices" in title_of(figure) or f"all {listed.height} list" in title_of(figure)
        assert "12 of the 30 networks" in alt_text(figure)
        assert "are counted in the title." in alt_text(figure)
        assert not list(cut_off(figure))
        assert not overlapping(figure, "panel")

    def test_a_network_whose_price_is_not_live_has_a_dashed_line_and_its_age(self, analysis: Analysis) -> None:
        look = dataclasses.replace(Look.of(analysis), not_live={"render": "reference, 90 days"})
        figure = equal_work(analysis.headlines, analysis.comparison, look)
        parity = {str(li.axes.get_title()): li for li in lines(figure, "parity")}
        assert parity
        assert [li.get_linestyle() for li in lines(figure, "parity")] == ["-", "-", "--"]
        assert said(figure, "age").split(", ")[-1] == "90 days"

    def test_the_key_is_hollow_where_every_mark_of_a_reference_is(self, analysis: Analysis) -> None:
        layer = analysis.comparison.schema["reference_layer"]
        modelled = pl.col("reference") == "modelled_cost"
        made = analysis.comparison.with_columns(
            reference_layer=pl.when(modelled).then(pl.lit("reference")).otherwise(pl.lit("live")).cast(layer)
        )
        figure = equal_work(analysis.headlines, made, Look.of(analysis))
        keys = {"s": False, "D": False, "^": False, "o": True}
        entries = [a for a in figure.get_children() if isinstance(a, Line2D) and a.get_marker() in keys]
        drawn = {
            (a.get_marker(), is_hollow(a)) for a in entries if a.get_markeredgecolor() in REFERENCE_COLOUR.values()
        }
        assert drawn == set(keys.items())

    @pytest.mark.parametrize(
        ("not_live", "hollow", "told"),
        [({"akash": "stored, 3 days"}, True, " Hollow, or a dashed line: "), ({}, True, " Hollow: "),
         ({}, False, " All prices live.")],
    )  # fmt: skip
    def test_the_footer_tells_only_of_marks_that_are_drawn(
        self, not_live: dict[str, str], hollow: bool, told: str, analysis: Analysis
    ) -> None:
        layer = analysis.comparison.schema["reference_layer"]
        made = analysis.comparison
        if not hollow:
            made = made.with_columns(pl.lit("live").cast(layer).alias(c) for c in ("reference_layer", "network_layer"))
        look = dataclasses.replace(Look.of(analysis), not_live=not_live)
        assert told in alt_text(equal_work(analysis.headlines, made, look))

    def test_claims_among_the_counted_costs_are_told(self, analysis: Analysis) -> None:
        look = Look.of(analysis)
        every = headline_comparison(analysis.headlines, analysis.comparison).filter(
            pl.col("reference") == "modelled_cost", pl.col("advantage").is_not_null()
        )
        claims = every.filter(pl.col("reference_kind") == "vendor_claim").height
        assert 1 < claims < every.height
        told = alt_text(equal_work(analysis.headlines, analysis.comparison, look))
        assert f"Of the {every.height} modelled costs of the title, {claims} are vendors' claims." in told
        known = analysis.comparison.filter((pl.col("reference_kind") != "vendor_claim").fill_null(True))
        assert "vendors' claims" not in alt_text(equal_work(analysis.headlines, known, look))

    def test_marks_that_would_lie_on_each_other_stand_above_and_below_the_line(self, analysis: Analysis) -> None:
        price = pl.col("usd_per_mtok_reference")
        cost = price.filter(pl.col("reference") == "modelled_cost").first()
        key = ["network", "accelerator", "llm", "workload", "cloud", "silicon"]
        near = analysis.comparison.with_columns(
            usd_per_mtok_reference=pl.when(pl.col("reference") == "cost_plus_margin")
            .then(cost.over(key) * 1.02)
            .when(pl.col("reference") == "committed")
            .then(price.filter(pl.col("reference") == "list").first().over(key) / 3)
            .otherwise(price)
        )
        figure = equal_work(analysis.headlines, near, Look.of(analysis))

        def above(reference: str) -> float:
            (line,) = lines(figure, f"akash:aws:nvidia:{reference}")
            x, y = line.get_xydata()[0]
            return (line.get_transform().transform((x, y))[1] - line.axes.transData.transform((x, y))[1]) * 72 / 150

        assert above("modelled_cost") == pytest.approx(2.2)
        assert above("cost_plus_margin") == pytest.approx(-2.2)
        assert above("list") == above("committed") == 0

    def test_names_of_panels_use_the_room_there_is(self, analysis: Analysis) -> None:
        look = Look.of(analysis)
        known = {**look.names.known, "akash": "The Barn Raisers' Mutual Compute Society of Lower Saxony"}
        figure = equal_work(
            analysis.headlines, analysis.comparison, dataclasses.replace(look, names=Names(known=known))
        )
        (name,) = (t for axes in figure.axes for t in axes.texts if "Barn" in t.get_text())
        assert name.get_text().startswith("The Barn Raiser")
        room = name.axes.bbox.width
        assert 0.85 * room < box_of(name).width <= room
        assert not list(cut_off(figure))
        assert not overlapping(figure, "panel")

    def test_one_panel_is_not_called_every_panel(self, analysis: Analysis, one_network: Analysis) -> None:
        several = equal_work(analysis.headlines, analysis.comparison, Look.of(analysis))
        alone = equal_work(one_network.headlines, one_network.comparison, Look.of(one_network))
        assert said(several, "subtitle").endswith("Log scale, the same multiples in every panel")
        assert said(alone, "subtitle").endswith("Log scale")

    def test_a_cloud_whose_prices_are_of_two_of_its_own_chips_says_so(self, analysis: Analysis) -> None:
        own = (pl.col("silicon") == "tpu") & (pl.col("match") == "cheapest")
        two = analysis.comparison.with_columns(
            reference_accelerator=pl.when(own & (pl.col("reference") == "list"))
            .then(pl.lit("tpu-v5e"))
            .when(own & (pl.col("reference") == "committed"))
            .then(pl.lit("tpu-v6e"))
            .otherwise("reference_accelerator")
        )
        figure = equal_work(analysis.headlines, two, Look.of(analysis))
        assert "* Google, TPU: list price of tpu-v5e, committed price of TPU v6e." in alt_text(figure)
        assert "Google, TPU *" in words(figure)

    def test_a_network_beyond_its_limit_is_named(self, analysis: Analysis) -> None:
        gone = pl.col("network") == "render"
        numbers = [c for c in analysis.comparison.columns if c.startswith(("usd_per_mtok", "advantage"))]
        comparison = analysis.comparison.with_columns(pl.when(~gone).then(pl.col(c)).alias(c) for c in numbers)
        headlines = analysis.headlines.with_columns(
            freshness=pl.when(gone).then(pl.lit("expired")).cast(pl.Enum(FRESHNESS))
        )
        figure = equal_work(headlines, comparison, Look.of(analysis))
        assert len(lines(figure, "parity")) == 2
        assert "Beyond its limit of age, so not drawn: Render." in alt_text(figure)


class TestWhoTheCostsComeFrom:
    @pytest.mark.parametrize("chart", [equal_work, advantage_heat_map])
    def test_modelled_costs_have_their_source_in_the_footer(self, chart: Callable[..., Figure]) -> None:
        made = report_data.reference_only()
        look = Look.of(made)
        told = said(chart(made.headlines, made.comparison, look), "footer").replace("\n", " ")
        assert "modelled costs after SemiAnalysis" in told
        # The heat map leaves vendors' claims out.
        assert ("Microsoft, as quoted by Tesserapress" in told) == (chart is equal_work)
        listed = made.comparison.filter(pl.col("reference") != "modelled_cost")
        assert "modelled costs" not in said(chart(made.headlines, listed, look), "footer")


class TestNamesAndPictures:
    """Names in other scripts, and pictures that stand alone."""

    def test_a_name_the_font_cannot_write_is_drawn_as_its_id(self, analysis: Analysis) -> None:
        named = dataclasses.replace(analysis, display_names={**analysis.display_names, "dispersed": "分散型計算"})
        look = Look.of(named)
        assert look.names("dispersed") == "[dispersed]"
        assert look.names("akash") == "Akash"

    @pytest.mark.parametrize("width", [800, 1200])
    def test_a_picture_is_as_wide_as_asked(self, width: int, analysis: Analysis) -> None:
        png = png_bytes(price_ladder(analysis.market_prices, Look.of(analysis)), width_px=width)
        assert abs(int.from_bytes(png[16:20], "big") - width) <= 1
