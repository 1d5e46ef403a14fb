"""Charts of the future and the card: each draws its frame's numbers, and says what is true of them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import polars as pl
import pytest
import report_data
from chart_artists import cut_off, is_hollow, lines, marks, overlapping, said, texts, words
from contradictions import contradicted
from matplotlib.figure import Figure

from depin_compare.analysis import Analysis
from depin_compare.economics.margins import PAID_IN_TOKENS
from depin_compare.selection import selected
from reports.charts import CHARTS
from reports.charts.network_outlook import network_outlook
from reports.charts.stress import rewards_lacking
from reports.charts.summary_card import card_png, summary_card
from reports.charts.years_ahead import years_ahead
from reports.style import Look, alt_text, title_of
from reports.view import headline_margins, headline_paths
from reports.words import MINUS, of_them, percent

FUTURE = (
    "advantage_erosion", "breakeven_dates", "headroom", "margin_erosion", "pricing_choice", "stress", "tornado",
)  # fmt: skip
AVERAGE = pl.col("pricing") == "fleet_average"
BASE = pl.col("scenario") == "base"
# What is written beside marks, by chart: none of it may lie on another of its kind in the same panel.
LABELS = ("fate:", "row:", "input:", "scenario:", "name:", "title", "footer")


def draw(name: str, analysis: Analysis) -> Figure:
    return CHARTS[name](analysis, Look.of(analysis))


def card(analysis: Analysis) -> Figure:
    return summary_card(analysis, Look.of(analysis))


DRAWERS: dict[str, Callable[[Analysis], Figure]] = {
    **{name: lambda a, name=name: draw(name, a) for name in FUTURE},  # type: ignore[misc]  # name is bound by the default
    "summary_card": card,
}


@pytest.fixture(scope="module")
def reference_only() -> Analysis:
    return report_data.reference_only()


@pytest.fixture(scope="module")
def worlds(reference_only: Analysis) -> dict[str, Analysis]:
    """Fewer scenarios than the reference data have, so that each world is computed in a second."""
    few = reference_only.scenarios.filter(pl.col("scenario").is_in(report_data.FEW_SCENARIOS))
    return contradicted(dataclasses.replace(reference_only, scenarios=few))


class TestOnTheSheet:
    """Nothing leaves the sheet or lies on another, whatever the networks."""

    @pytest.mark.parametrize("name", DRAWERS)
    @pytest.mark.parametrize("which", ["analysis", "one_network", "thirty_networks", "reference_only"])
    def test_all_words_stand_on_the_sheet_and_apart(
        self, name: str, which: str, request: pytest.FixtureRequest
    ) -> None:
        figure = DRAWERS[name](request.getfixturevalue(which))
        assert list(cut_off(figure)) == []
        for prefix in LABELS:
            assert overlapping(figure, prefix) == []

    @pytest.mark.parametrize("name", DRAWERS)
    def test_long_names_and_missing_values_stand_on_the_sheet(self, name: str, analysis: Analysis) -> None:
        long = {
            n: f"{n.title()} Decentralised Compute Cooperative of Lower Saxony" for n in ("akash", "ionet", "render")
        }
        headlines = analysis.headlines.with_columns(pl.col("network").replace_strict(long).alias("display_name"))
        figure = DRAWERS[name](dataclasses.replace(analysis, headlines=headlines, display_names=long))
        assert list(cut_off(figure)) == []
        for prefix in LABELS:
            assert overlapping(figure, prefix) == []

    @pytest.mark.parametrize("name", FUTURE)
    def test_every_mark_can_be_found(self, name: str, analysis: Analysis) -> None:
        figure = draw(name, analysis)
        drawn = [artist for axes in figure.axes for artist in [*axes.lines, *axes.patches, *axes.collections]]
        assert drawn
        assert all(artist.get_gid() for artist in drawn)


class TestTitlesFollowTheWorld:
    """Titles change when what they say is no longer true."""

    def test_everything_lost_is_said(self, worlds: dict[str, Analysis]) -> None:
        lost = worlds["everything_lost"]
        assert re.match(
            r"None of 3 networks is below the list price of .* even today", title_of(draw("advantage_erosion", lost))
        )
        assert "is below its full cost from the start" in title_of(draw("margin_erosion", lost))
        assert re.match(
            r"Networks are dearer today in all \d+ pairs with a cloud's list price and in all \d+ with its modelled",
            title_of(draw("headroom", lost)),
        )
        assert re.match(
            r"All 3 networks are dearer today than \w+ with NVIDIA GPUs at list price, all 3 at committed, "
            r"all 3 at modelled cost$",
            title_of(draw("breakeven_dates", lost)),
        )
        assert "before any fall of the clouds' cost" in title_of(draw("stress", lost))
        assert title_of(card(lost)).startswith(
            "With one chip for each, none of 3 networks undercut AWS's list price, none its modelled cost"
        )

    def test_nothing_lost_is_said(self, worlds: dict[str, Analysis]) -> None:
        kept = worlds["nothing_reached"]
        assert title_of(draw("advantage_erosion", kept)).startswith("All 3 networks stay below the list price")
        assert title_of(draw("headroom", kept)).startswith("List prices may fall")
        assert re.match(
            r"None of 3 networks is dearer today than \w+ with NVIDIA GPUs at list price, none at committed, none at "
            r"modelled cost; probably none by \d+$",
            title_of(draw("breakeven_dates", kept)),
        )
        assert title_of(card(kept)).startswith("With one chip for each, all 3 networks undercut Azure's list price")

    def test_nothing_known_is_said(self, worlds: dict[str, Analysis]) -> None:
        nothing = worlds["no_network_price"]
        for name in FUTURE:
            assert "No comparable data" in words(draw(name, nothing)), name
        assert title_of(card(nothing)) == "No network can be compared with a cloud today"


class TestErosion:
    """Margin and advantage, month by month."""

    def test_lines_are_medians_and_bands_hold_them(self, analysis: Analysis) -> None:
        paths = analysis.margin_paths.with_columns(full_margin_p50=pl.col("full_margin") - 0.05)
        figure = draw("margin_erosion", dataclasses.replace(analysis, margin_paths=paths))
        mine = paths.filter(pl.col("network") == "ionet", BASE, AVERAGE).sort("month")
        (line,) = lines(figure, "path:ionet:base:fleet_average")
        assert list(line.get_ydata()) == pytest.approx(mine["full_margin_p50"].gather_every(3).to_list())
        low, high = (list(edge.get_ydata()) for edge in lines(figure, "edge:ionet:base:fleet_average"))
        inside = [v for v in zip(low, line.get_ydata(), high, strict=True) if v[0] > -1]
        assert inside
        assert all(a <= b <= c for a, b, c in inside)

    def test_what_becomes_of_a_line_is_told_once_a_panel(self, analysis: Analysis) -> None:
        figure = draw("margin_erosion", analysis)
        mine = analysis.margin_paths.filter(pl.col("network") == "akash", BASE, AVERAGE).sort("month")
        lost = mine.filter(pl.col("full_margin_p50") <= 0)
        told = said(figure, "fate:akash:base")
        assert told == ("lost today" if mine["full_margin_p50"][0] <= 0 else f"lost {lost['date'][0]:%Y}")

    def test_only_lines_with_a_band_are_told_and_a_band_has_its_lines_colour(self, analysis: Analysis) -> None:
        figure = draw("advantage_erosion", analysis)
        bands = {str(b.get_gid()).removeprefix("band:"): b for b in marks(figure, "band:")}
        assert {gid.split(":")[-1] for gid in bands} == {"list", "modelled_cost"}
        for gid, band in bands.items():
            (line,) = lines(figure, f"path:{gid}")
            assert tuple(band.get_facecolor()[0][:3]) == pytest.approx(_rgb(line.get_color()))
        told = {str(t.get_gid()) for t in texts(figure) if str(t.get_gid()).startswith("fate:")}
        assert told == {f"fate:{gid}" for gid in bands}

    @pytest.mark.parametrize("name", ["advantage_erosion", "margin_erosion"])
    def test_an_event_says_how_likely_it_is(self, name: str, reference_only: Analysis) -> None:
        figure = draw(name, reference_only)
        assert said(figure, "chance:fractile") == "15% chance"
        assert not said(figure, "chance:base")
        assert "over all draws, with and without it" in alt_text(figure)
        assert (
            len({str(t.get_gid()).split(":")[1] for t in texts(figure) if str(t.get_gid()).startswith("scenario:")})
            == 8
        )


def _rgb(colour: object) -> tuple[float, ...]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)  # type: ignore[arg-type]  # given on purpose, or a frame without its schema


class TestFarBelow:
    """Panels of networks that are many times dearer go as deep as their lines, and the footer says on what scale."""

    def test_every_line_of_the_buyers_outlook_is_seen(self, worlds: dict[str, Analysis]) -> None:
        lost = worlds["everything_lost"]
        look = Look.of(lost)
        outlooks = [
            network_outlook(lost.advantage_paths, lost.margin_paths, look, network=n) for n in ("akash", "ionet")
        ]
        for figure in (*outlooks, years_ahead(lost.headlines, lost.advantage_paths, lost.margin_paths, look)):
            axes = figure.axes[0]
            low, high = axes.get_ylim()
            ends = [line.get_ydata()[-1] for line in axes.lines if str(line.get_gid()).startswith("path:")]  # type: ignore[index]  # an array
            assert ends
            assert all(low < end < high for end in ends)
            assert low < -1
            assert "Below \N{MINUS SIGN}100% the scale is in powers of ten." in said(figure, "footer")

    @pytest.mark.parametrize("name", ["advantage_erosion", "margin_erosion"])
    def test_rows_go_deep_one_by_one_and_their_words_stand_above_100_percent(
        self, worlds: dict[str, Analysis], name: str
    ) -> None:
        figure = draw(name, worlds["everything_lost"])
        for axes in figure.axes:
            low, high = axes.get_ylim()
            assert low < -1 < 1 < high
            starts = [line.get_ydata()[0] for line in axes.lines if str(line.get_gid()).startswith("path:")]  # type: ignore[index]  # an array
            assert all(start > low for start in starts)
        assert "powers of ten" in said(figure, "footer")

    def test_panels_of_today_end_at_100_percent(self, analysis: Analysis) -> None:
        figure = draw("margin_erosion", analysis)
        assert {axes.get_ylim()[0] for axes in figure.axes} == {-1}
        assert "powers of ten" not in said(figure, "footer")

    def test_the_tornado_is_not_cut_where_all_results_lie_below(self, worlds: dict[str, Analysis]) -> None:
        figure = draw("tornado", worlds["everything_lost"])
        assert not said(figure, "below:akash:advantage")
        assert marks(figure, "bar:akash:advantage")
        assert "cut at" not in said(figure, "footer")


class TestHeadroomBars:
    """How far the clouds may fall."""

    def test_a_bar_that_is_cut_has_an_arrow_and_its_number(self, worlds: dict[str, Analysis]) -> None:
        figure = draw("headroom", worlds["everything_lost"])
        bars = {str(b.get_gid()).removeprefix("bar:"): b.get_width() for b in marks(figure, "bar:")}
        cut = {str(line.get_gid()).removeprefix("cut:") for line in lines(figure, "cut:")}
        assert cut
        assert all(bars[gid] == -1.0 for gid in cut)
        assert all(said(figure, f"value:{gid}") for gid in cut)

    def test_the_title_speaks_of_networks_that_are_not_drawn(self, thirty_networks: Analysis) -> None:
        figure = draw("headroom", thirty_networks)
        n = thirty_networks.outlook.filter(
            AVERAGE, BASE, pl.col("quantity") == "advantage", pl.col("reference") == "list",
            pl.col("headroom").is_not_null(),
        ).height  # fmt: skip
        lost = re.match(r"Networks are dearer today in (\d+) of (\d+) pairs with a cloud's list", title_of(figure))
        assert lost is not None
        assert int(lost[2]) == n
        assert "the title speaks of all" in alt_text(figure)

    def test_what_is_missing_says_why_for_every_bar(self, analysis: Analysis) -> None:
        figure = draw("headroom", analysis)
        for reference in ("list", "committed"):
            assert said(figure, f"none:akash:azure:maia-200:{reference}") == "n/c"
        assert said(figure, "none:render:margin") == "n/k"

    def test_a_chip_of_another_name_is_named_and_kept_out_of_the_range(self, reference_only: Analysis) -> None:
        figure = draw("headroom", reference_only)
        assert "Inferentia2" in said(figure, "chip:aws:trainium")
        room = reference_only.outlook.filter(
            AVERAGE, BASE, pl.col("quantity") == "advantage", pl.col("reference") == "list",
            pl.col("headroom").is_not_null(),
        )  # fmt: skip
        own = room.filter(pl.col("silicon") != "trainium")["headroom"]
        assert own.max() < room["headroom"].max()
        assert "title's range leaves out" in said(figure, "footer")
        assert title_of(figure).startswith(f"List prices may fall {own.min():.0%} to {own.max():.0%} before networks")

    def test_where_networks_are_compared_with_different_chips_each_is_named(self) -> None:
        made = report_data.live_shaped()
        figure = draw("headroom", made)
        assert said(figure, "chip:aws:trainium") == "list price: chips differ, see below"
        footer = said(figure, "footer").replace("\n", " ")
        assert "AWS, Trainium, list price: Trainium1 32GB for Akash, io.net and Chutes; Inferentia2 32GB for" in footer

    def test_ticks_name_the_ends(self, analysis: Analysis) -> None:
        axes = draw("headroom", analysis).axes[0]
        assert [t.get_text() for t in axes.get_xticklabels() if t.get_text()] == [f"{MINUS}100%", "0%", "100%"]


class TestBreakevenDates:
    """When it is lost."""

    def test_bars_are_what_is_newly_lost_and_the_last_what_never_is(self, analysis: Analysis) -> None:
        figure = draw("breakeven_dates", analysis)
        heights = {str(b.get_gid()): b.get_height() for b in marks(figure, "bar:akash:1:")}
        mine = analysis.erosion_probabilities.filter(
            pl.col("network") == "akash", BASE, AVERAGE, pl.col("quantity") == "advantage",
            pl.col("reference") == "committed", pl.col("cloud") == "aws", pl.col("silicon") == "nvidia",
        ).sort("year")  # fmt: skip
        lost = dict(mine.select("year", "probability_lost").iter_rows())
        first = mine["year"][0]
        expected = {
            str(first): lost[first],
            str(first + 1): lost[first + 1] - lost[first],
            str(first + 2): lost[first + 2] - lost[first + 1],
            str(first + 3): lost[max(lost)] - lost[first + 2],
            "never": 1 - lost[max(lost)],
        }
        drawn = {f"bar:akash:1:{name}": pytest.approx(share) for name, share in expected.items() if share >= 0.0005}
        assert heights == drawn
        assert len(heights) > 2

    def test_every_bar_has_its_number(self, analysis: Analysis) -> None:
        figure = draw("breakeven_dates", analysis)
        bars = {str(b.get_gid()).removeprefix("bar:") for b in marks(figure, "bar:")}
        assert bars
        assert all(said(figure, f"value:{gid}").endswith("%") for gid in bars)

    def test_the_title_names_the_cloud_and_today_is_central(self, analysis: Analysis) -> None:
        """Draws in which all is lost make nobody dearer today, as long as the central inputs don't."""
        title = title_of(draw("breakeven_dates", analysis))
        assert "AWS with NVIDIA GPUs at list price" in title
        gone = analysis.erosion_probabilities.with_columns(probability_lost=pl.lit(1.0))
        told = title_of(draw("breakeven_dates", dataclasses.replace(analysis, erosion_probabilities=gone)))
        n = analysis.advantage_paths.filter(pl.col("reference") == "list")["network"].n_unique()
        assert told.startswith(f"None of {n} networks is dearer today than AWS with NVIDIA GPUs at list price")
        assert f" (probably all by {2036})" in told
        assert " at committed (all)" in told

    def test_the_title_counts_every_network_in_two_lines(self, thirty_networks: Analysis) -> None:
        figure = draw("breakeven_dates", thirty_networks)
        assert sum(str(t.get_gid()).startswith("title-") for t in figure.texts) <= 2
        today = thirty_networks.advantage_paths.filter(
            BASE, AVERAGE, pl.col("month") == 0, pl.col("cloud") == "aws", pl.col("silicon") == "nvidia",
        )  # fmt: skip
        dearer = {
            reference: today.filter(pl.col("reference") == reference, pl.col("advantage") <= 0)["network"].n_unique()
            for reference in ("list", "committed", "modelled_cost")
        }
        title = title_of(figure)
        assert title.startswith(f"{dearer['list']} of {today['network'].n_unique()} networks are dearer")
        assert re.search(rf", {dearer['committed']} at committed( \(.+?\))?, {dearer['modelled_cost']} at mod", title)

    def test_a_panel_of_nothing_says_what_it_means(self, worlds: dict[str, Analysis]) -> None:
        kept = draw("breakeven_dates", worlds["nothing_reached"])
        assert said(kept, "kept:akash:0") == "lost in no draw"
        assert said(draw("breakeven_dates", worlds["everything_lost"]), "today:akash:0") == "dearer today"

    def test_what_is_not_known_has_no_bar(self, analysis: Analysis) -> None:
        figure = draw("breakeven_dates", analysis)
        assert said(figure, "none:render:3") == "not known"
        assert not marks(figure, "bar:render:3")


class TestTornado:
    """Which inputs decide."""

    def test_bars_run_from_the_low_to_the_high_end_and_say_both(self, analysis: Analysis) -> None:
        figure = draw("tornado", analysis)
        gid = "akash:advantage:network_lag_years"
        row = analysis.drivers.filter(
            pl.col("network") == "akash", BASE, AVERAGE, pl.col("quantity") == "advantage", pl.col("rank") == 1,
            pl.col("reference") == "list", pl.col("cloud") == "aws", pl.col("silicon") == "nvidia",
        ).row(0, named=True)  # fmt: skip
        ends = {str(b.get_gid()).split(":")[-1]: b.get_x() + b.get_width() for b in marks(figure, f"bar:{gid}")}
        tip = {
            str(b.get_gid()).split(":")[-1]: sorted((b.get_x(), b.get_x() + b.get_width()))
            for b in marks(figure, f"bar:{gid}")
        }
        assert set(ends) == {"at_low", "at_high"}
        assert tip["at_low"][0] == pytest.approx(row["at_low"])
        assert tip["at_high"][1] == pytest.approx(row["at_high"])
        low, high = sorted((row["at_low"], row["at_high"]))
        assert said(figure, f"value:{gid}:low") == percent(low, signed=True)
        assert said(figure, f"value:{gid}:high") == percent(high, signed=True)
        for text in texts(figure):
            if str(text.get_gid()).startswith("value:"):
                box = text.get_window_extent()
                zero = text.axes.transData.transform((0, 0))[0]  # type: ignore[union-attr]  # drawn in axes
                assert not box.x0 < zero < box.x1

    def test_an_input_whose_two_ends_read_the_same_is_not_drawn(self, analysis: Analysis) -> None:
        still = analysis.drivers.with_columns(
            at_low=pl.when(pl.col("input") == "network_lag_years").then(0.5601).otherwise("at_low"),
            at_high=pl.when(pl.col("input") == "network_lag_years").then(0.5604).otherwise("at_high"),
        )
        assert said(draw("tornado", analysis), "input:akash:advantage:network_lag_years")
        assert not said(
            draw("tornado", dataclasses.replace(analysis, drivers=still)), "input:akash:advantage:network_lag_years"
        )

    def test_what_nothing_moves_is_not_called_unknown(self, analysis: Analysis) -> None:
        still = analysis.drivers.with_columns(at_low=pl.lit(0.5), at_high=pl.lit(0.5))
        figure = draw("tornado", dataclasses.replace(analysis, drivers=still))
        assert said(figure, "none:akash:advantage") == "no input moves it"
        assert said(figure, "none:render:full_margin_new_node") == "not known"

    def test_a_scenario_can_be_named(self, analysis: Analysis) -> None:
        from reports.charts.tornado import tornado

        look = Look.of(analysis)
        figure = tornado(analysis.headlines, analysis.drivers, analysis.advantage_paths, look, scenario="maia200")
        assert look.names("maia200") in alt_text(figure)

    def test_the_title_names_the_input_of_rank_one(self, analysis: Analysis) -> None:
        swapped = analysis.drivers.with_columns(
            pl.col("input").replace({"network_lag_years": "event", "event": "network_lag_years"})
        )
        assert title_of(draw("tornado", analysis)).startswith("Networks' lag behind the clouds decides most")
        assert title_of(draw("tornado", dataclasses.replace(analysis, drivers=swapped))).startswith(
            "Whether the event happens decides most"
        )


class TestShortBars:
    def test_an_outline_never_fills_a_short_bar(self, thirty_networks: Analysis) -> None:
        figure = CHARTS["tornado"](thirty_networks, Look.of(thirty_networks))
        bars = marks(figure, "bar:")
        assert bars
        points = 72 / figure.dpi
        for bar in bars:
            long = bar.get_window_extent().width * points
            assert bar.get_linewidth() <= max(0.25 * long, 1e-6), bar.get_gid()


class TestPricingChoice:
    """Fleet average against marginal."""

    def test_bars_are_the_change_beside_the_cloud_of_all_outlooks(self, reference_only: Analysis) -> None:
        figure = draw("pricing_choice", reference_only)
        (bar,) = marks(figure, "bar:akash:cloud_mix")
        mine = reference_only.advantage_paths.filter(
            pl.col("network") == "akash", pl.col("scenario") == "cloud_mix", pl.col("month") == 36,
            pl.col("cloud") == "aws", pl.col("silicon") == "nvidia", pl.col("reference") == "modelled_cost",
        )  # fmt: skip
        found = {r["pricing"]: 1 - r["advantage_p50"] for r in mine.to_dicts()}
        change = found["marginal"] / found["fleet_average"] - 1
        assert bar.get_width() == pytest.approx(change)
        assert said(figure, "value:akash:cloud_mix") == f"+{change * 100:.{0 if change >= 0.0995 else 1}f}%"
        assert "AWS with NVIDIA GPUs" in title_of(figure)

    def test_the_title_goes_from_end_to_end(self, reference_only: Analysis) -> None:
        """Both sides are told, and the bars of both ends are drawn."""
        figure = draw("pricing_choice", reference_only)
        numbers = [bar.get_width() for bar in marks(figure, "bar:")]
        low, high = min(numbers), max(numbers)
        assert low < 0 < high
        assert f"are from {percent(-low)} cheaper to {percent(high)} dearer relative to AWS" in title_of(figure)

    def test_of_one_side_the_title_says_which_scenario_gives_the_most(self, reference_only: Analysis) -> None:
        one = reference_only.advantage_paths.filter(pl.col("scenario").is_in(["base", "cloud_mix"]))
        told = title_of(draw("pricing_choice", dataclasses.replace(reference_only, advantage_paths=one)))
        look = Look.of(reference_only)
        assert re.search(rf"networks are (from \d+% .*to )?\d+% dearer \({look.names('cloud_mix')}\) relative to", told)
        assert "cheaper" not in told

    def test_the_ends_of_the_title_are_drawn(self, thirty_networks: Analysis) -> None:
        figure = draw("pricing_choice", thirty_networks)
        told = re.search(r"from ([\d.]+%) cheaper to ([\d.]+%) dearer", title_of(figure)) or re.search(
            r"([\d.]+%)(?: to ([\d.]+%))? dearer", title_of(figure)
        )
        assert told is not None
        drawn = [said(figure, str(bar.get_gid()).replace("bar:", "value:")) for bar in marks(figure, "bar:")]
        for end in told.groups():
            assert end is None or any(end in value for value in drawn)

    def test_the_title_turns_with_the_sign(self, reference_only: Analysis) -> None:
        """What one way of pricing gives is told of the other."""
        one = reference_only.advantage_paths.filter(pl.col("scenario").is_in(["base", "cloud_mix"]))
        turned = one.with_columns(
            pl.col("pricing").replace_strict(
                {"marginal": "fleet_average", "fleet_average": "marginal"}, return_dtype=pl.String
            )
        )
        dearer, cheaper = (
            title_of(draw("pricing_choice", dataclasses.replace(reference_only, advantage_paths=paths)))
            for paths in (one, turned)
        )
        assert re.search(r"\d+% dearer", dearer)
        assert re.search(r"\d+% cheaper", cheaper)
        assert "cheaper" not in dearer
        assert "dearer" not in cheaper


class TestStress:
    """Margin when the clouds' cost falls at once."""

    def test_cells_are_the_margins_and_the_worst_corner_is_told(self, analysis: Analysis) -> None:
        figure = draw("stress", analysis)
        (image,) = (im for axes in figure.axes for im in axes.images if im.get_gid() == "cells:akash:utilisation")
        cells = image.get_array()
        mine = analysis.stress.filter(
            pl.col("network") == "akash", pl.col("accelerator") == "h100-sxm-80", pl.col("utilisation").is_not_null()
        )
        assert cells.shape == (mine["utilisation"].n_unique(), mine["cloud_cost_cut"].n_unique())
        corner = mine.filter(pl.col("utilisation") == 1.0, pl.col("cloud_cost_cut") == 0.0)["full_margin"].item()
        assert cells[-1, 0] == pytest.approx(corner)
        assert said(figure, "corner:akash:utilisation:1") == f"< {MINUS}100%"

    def test_today_and_zero_are_marked(self, analysis: Analysis) -> None:
        figure = draw("stress", analysis)
        (today,) = lines(figure, "today:akash:utilisation")
        use = sorted(analysis.stress["utilisation"].drop_nulls().unique())
        assert use[round(today.get_ydata()[0])] == pytest.approx(0.7)
        assert marks(figure, "zero:akash:utilisation")

    def test_a_network_without_rewards_or_margin_says_so(self, analysis: Analysis) -> None:
        figure = draw("stress", analysis)
        assert said(figure, "none:akash:token_price_factor") == "no token rewards on record"
        assert "Not known, so not drawn: Render (no utilisation)." in alt_text(figure)

    def test_drawn_and_counted_are_of_one_population(self, thirty_networks: Analysis) -> None:
        """As many as the waterfall splits the bill of; those paid in tokens alone are told apart."""
        paid = pl.col("network").is_in(["network-07", "network-08"])
        made = dataclasses.replace(
            thirty_networks,
            margins=thirty_networks.margins.with_columns(
                profit_usd_per_hour=pl.when(~paid).then("profit_usd_per_hour"),
                not_known=pl.when(paid).then(pl.lit(PAID_IN_TOKENS)).otherwise("not_known"),
            ),
            stress=thirty_networks.stress.with_columns(with_rewards=paid | pl.col("with_rewards")),
        )
        waterfall, figure = draw("provider_waterfall", made), draw("stress", made)
        assert re.search(r"on (none|\d+) of the 28 networks of known", title_of(waterfall))
        assert "6 of 28 networks drawn" in alt_text(waterfall)
        assert "28 networks" in title_of(figure)
        assert "4 of 28 networks drawn" in alt_text(figure)
        for one in (waterfall, figure):
            assert re.search(r"network.07 and network.08", alt_text(one), re.IGNORECASE)

    def test_the_key_has_only_what_is_drawn(self, worlds: dict[str, Analysis]) -> None:
        grid = worlds["nothing_reached"].stress.with_columns(full_margin=pl.lit(0.3))
        figure = draw("stress", dataclasses.replace(worlds["nothing_reached"], stress=grid))
        assert [t.get_text() for t in figure.texts if t.get_gid() == "key"] == ["earns its full cost", "today"]

    def test_a_use_below_the_grid_is_drawn_at_the_edge(self, analysis: Analysis) -> None:
        unused = analysis.margins.with_columns(utilisation=pl.lit(0.001))
        (today,) = lines(draw("stress", dataclasses.replace(analysis, margins=unused)), "today:akash:utilisation")
        assert today.get_ydata()[0] == -0.5

    def test_the_fall_in_the_title_is_where_the_break_even_price_is_reached(self) -> None:
        """Not a step of the grid: what of the fall reaches the price takes it to the break-even price."""
        real = report_data.one_network()
        node = headline_margins(real.headlines, real.margins).row(0, named=True)
        passed = real.stress["pass_through"][0]
        fall = (1 - node["breakeven_usd_per_accelerator_hour"] / node["usd_per_accelerator_hour"]) / passed
        assert title_of(draw("stress", real)) == (
            f"A sudden fall of the clouds' cost by {percent(fall)} ends the full-cost margin of the network's suppliers"
        )

    def test_those_the_title_counts_are_drawn_first(self, analysis: Analysis) -> None:
        paid = pl.col("network") == "akash"
        grid = analysis.stress.with_columns(
            with_rewards=pl.when(paid & pl.col("utilisation").is_not_null()).then(True).otherwise("with_rewards")
        )
        figure = draw("stress", dataclasses.replace(analysis, stress=grid))
        rows = [str(a.images[0].get_gid()).split(":")[1] for a in figure.axes if a.images]
        assert rows[0] == "ionet"
        assert rows[-1] == "akash"
        assert "drawn last, with these rewards" in alt_text(figure)

    def test_nodes_paid_in_tokens_alone_are_not_counted(self, analysis: Analysis) -> None:
        """They hold whatever clouds cost, so they would count as holding."""
        mine = pl.col("network") == "ionet"
        grid = analysis.stress.with_columns(
            full_margin=pl.when(mine).then(0.4).otherwise(1 - 0.75 / (1 - pl.col("cloud_cost_cut") / 2)),
            with_rewards=mine,
        )
        figure = draw("stress", dataclasses.replace(analysis, stress=grid))
        assert title_of(figure).endswith("by 50% ends the full-cost margin of the network's suppliers")
        assert "io.net: nodes are paid in tokens alone" in alt_text(figure)

    def test_rewards_known_as_a_bound_are_said(self, reference_only: Analysis) -> None:
        tokens = reference_only.token_economics
        assert rewards_lacking(tokens, "akash") == "token rewards known only as an upper bound"
        assert rewards_lacking(tokens, "hyperbolic") == "no token rewards on record"
        assert rewards_lacking(None, "akash") == "no token rewards on record"

    def test_the_title_gives_the_first_cut_at_which_the_margin_is_gone(self, analysis: Analysis) -> None:
        def titled(margin: pl.Expr) -> str:
            frame = analysis.stress.with_columns(full_margin=margin)
            return title_of(draw("stress", dataclasses.replace(analysis, stress=frame)))

        assert titled(1 - 0.75 / (1 - pl.col("cloud_cost_cut") / 2)).startswith(
            "A sudden fall of the clouds' cost by 50% ends"
        )
        assert titled(pl.lit(0.2)).endswith("earn their full cost even if the clouds' cost falls 90% at once")
        assert "earn less than their full cost before any fall" in titled(pl.lit(-0.2))
        assert titled(pl.lit(None, dtype=pl.Float64)) == "No supplier's margin under stress is known"


class TestNetworkOutlook:
    """One network's page."""

    def test_lines_are_medians_of_three_references_and_two_nodes(self, analysis: Analysis) -> None:
        figure = network_outlook(analysis.advantage_paths, analysis.margin_paths, Look.of(analysis), network="akash")
        drawn = {str(line.get_gid()) for line in lines(figure, "path:")}
        assert drawn == {
            "path:akash:advantage:list", "path:akash:advantage:committed", "path:akash:advantage:modelled_cost",
            "path:akash:margin:full_margin", "path:akash:margin:full_margin_new_node",
        }  # fmt: skip
        assert list(cut_off(figure)) == []

    def test_a_panel_that_is_not_known_says_so(self, analysis: Analysis) -> None:
        figure = network_outlook(
            analysis.advantage_paths, analysis.margin_paths, Look.of(analysis), network="render",
            not_known="paid in newly minted tokens",
        )  # fmt: skip
        assert "node bought" not in said(figure, "key")
        (alone,) = figure.axes
        assert alone.get_position().width > 0.8
        assert "Supplier's margin not known: paid in newly minted tokens." in said(figure, "footer")
        assert "Right" not in said(figure, "subtitle")

    def test_the_title_follows_a_loss(self, analysis: Analysis) -> None:
        lost = analysis.margin_paths.with_columns(full_margin_new_node_p50=pl.lit(-0.3))
        title = title_of(network_outlook(analysis.advantage_paths, lost, Look.of(analysis), network="akash"))
        assert title.endswith("a supplier who buys then does not cover full cost (medians)")

    def test_the_title_is_of_the_medians_last_month_and_names_the_cloud(self) -> None:
        made = report_data.reference_only()
        base = (pl.col("scenario") == "base") & (pl.col("pricing") == "fleet_average") & (pl.col("network") == "akash")
        path = made.advantage_paths.filter(base, pl.col("reference") == "list", cloud="aws", silicon="nvidia")
        node = made.margin_paths.filter(base).sort("month")
        last = percent(path.sort("month")["advantage_p50"][-1])
        title = title_of(network_outlook(made.advantage_paths, made.margin_paths, Look.of(made), network="akash"))
        assert title.startswith(f"Lead over AWS's list price for NVIDIA GPUs: {last} in 2036; ")
        covers = node["full_margin_new_node_p50"][-1] > 0
        assert ("keeps" in title) is covers

    def test_a_price_that_is_not_live_starts_hollow_and_says_its_age(self) -> None:
        made = report_data.reference_only()
        figure = network_outlook(made.advantage_paths, made.margin_paths, Look.of(made), network="render")
        assert all(is_hollow(line) for line in lines(figure, "start:"))
        assert "Hollow diamond: price not live (reference, 103 days)" in said(figure, "footer")

    def test_a_line_below_the_panel_is_named_in_words(self) -> None:
        made = report_data.reference_only()
        figure = network_outlook(made.advantage_paths, made.margin_paths, Look.of(made), network="akash")
        assert said(figure, "below-words:akash:advantage") == f"over modelled cost: below {percent(-1)} from today"


class TestYearsAhead:
    """The first page's chart."""

    def test_every_line_has_a_name_at_its_end_and_the_grey_ones_share_one(self) -> None:
        made = report_data.live_shaped()
        look = Look.of(made)
        left, right = years_ahead(made.headlines, made.advantage_paths, made.margin_paths, look).axes
        for axes in (left, right):
            drawn = [str(line.get_gid()).removeprefix("path:") for line in axes.lines if "path:" in str(line.get_gid())]
            ends = [t.get_text() for t in axes.texts if t.get_gid() == "end"]
            named = [network for network in drawn if look.is_named(network)]
            assert all(any(end.startswith(look.names(network)) for end in ends) for network in named)
            rest = len(drawn) - len(named)
            if rest > 1:
                (told,) = (end for end in ends if end.startswith(f"{rest} others "))
                column = "advantage_p50" if axes is left else "full_margin_new_node_p50"
                frame = made.advantage_paths if axes is left else made.margin_paths
                last = headline_paths(made.headlines, frame.filter(AVERAGE, BASE)).filter(
                    pl.col("month") == pl.col("month").max(), pl.col("network").is_in(set(drawn) - set(named))
                )
                if axes is left:
                    last = last.filter(
                        pl.col("reference") == "list", pl.col("cloud") == "aws", pl.col("silicon") == "nvidia"
                    )
                lowest = look.names(last.sort(column)["network"][0])
                low, high = percent(last[column].min()), percent(last[column].max())
                assert told == f"{rest} others {low} ({lowest}) to {high}"

    def test_the_title_counts_medians_at_the_horizon(self) -> None:
        made = report_data.live_shaped()
        base = (pl.col("scenario") == "base") & (pl.col("pricing") == "fleet_average") & (pl.col("reference") == "list")
        last = made.advantage_paths.filter(base, cloud="aws", silicon="nvidia").sort("month").group_by("network").last()
        kept = last.filter(pl.col("advantage_p50") > 0).height
        title = title_of(years_ahead(made.headlines, made.advantage_paths, made.margin_paths, Look.of(made)))
        assert title.startswith(
            f"In 2036, {of_them(kept, last.height)} networks lead over AWS's list price for NVIDIA GPUs;"
        )
        assert title.endswith("(medians)")

    def test_it_says_which_model_a_network_serves_and_whose_price_is_old(self) -> None:
        made = report_data.reference_only()
        foot = said(years_ahead(made.headlines, made.advantage_paths, made.margin_paths, Look.of(made)), "footer")
        assert "Tokens of Llama 3.3-70B, but of Llama 3.1-8B by Render." in foot
        assert "Render (reference, 103 days)" in foot


class TestCard:
    """The verdict in one picture."""

    def test_it_is_1200_by_675_and_the_same_twice(self, analysis: Analysis) -> None:
        first, second = (card_png(card(analysis)) for _ in range(2))
        assert first == second
        assert (int.from_bytes(first[16:20]), int.from_bytes(first[20:24])) == (1200, 675)

    def test_its_numbers_are_the_frames(self, analysis: Analysis) -> None:
        figure = card(analysis)
        row = analysis.comparison.filter(
            pl.col("network") == "akash", pl.col("accelerator") == "h100-sxm-80", pl.col("reference") == "list",
            pl.col("cloud") == "aws", pl.col("silicon") == "nvidia",
        )  # fmt: skip
        assert said(figure, "list:akash") == f"+{row['advantage'].item() * 100:.0f}%"
        assert said(figure, "margin:render") == "n/k"

    def test_it_counts_those_it_has_no_room_for(self, thirty_networks: Analysis) -> None:
        figure = card(thirty_networks)
        n = thirty_networks.headlines.height
        assert len([t for t in texts(figure) if re.match(r"name:.*:0", str(t.get_gid()))]) == 6
        assert f"{n - 6} more in the report" in alt_text(figure)

    def test_a_name_in_letters_that_can_not_be_drawn_is_explained(self) -> None:
        told = alt_text(card(report_data.thirty_networks()))
        assert "[cjk-names]: name in letters that can't be drawn" in told

    def test_no_letters_stand_on_others_whatever_the_number_of_networks(self, reference_only: Analysis) -> None:
        made_up = report_data.thirty_networks()
        for made in (made_up, report_data.live_shaped(), reference_only, selected(made_up, networks=("bergwerk",))):
            figure = card(made)
            assert overlapping(figure, "") == []
            assert list(cut_off(figure)) == []


class TestNotLive:
    """Which networks' prices are not live, and how a chart says so."""

    def test_a_price_that_is_not_live_is_told_with_its_age(self, reference_only: Analysis) -> None:
        told = Look.of(reference_only).not_live
        assert set(told) == {"akash", "ionet", "render"}
        prices = reference_only.unit_costs.filter(pl.col("seller") == "render", pl.col("accelerator") == "rtx-4090")
        (at,) = prices["observed_at"].unique()
        assert told["render"] == f"reference, {(reference_only.as_of - at).days} days"

    def test_live_prices_are_not_told(self, reference_only: Analysis) -> None:
        live = reference_only.unit_costs.with_columns(
            layer=pl.lit("live").cast(reference_only.unit_costs.schema["layer"]),
            freshness=pl.lit("fresh").cast(reference_only.unit_costs.schema["freshness"]),
        )
        look = Look.of(dataclasses.replace(reference_only, unit_costs=live))
        assert not look.not_live
        assert look.not_live_note(["akash"], "Hatched") == ""

    def test_a_row_of_panels_says_it(self, reference_only: Analysis) -> None:
        assert re.search(r"reference, \d+ days", said(draw("advantage_erosion", reference_only), "row:render"))


def test_a_chance_of_a_part_of_a_scenario_is_not_the_scenarios() -> None:
    from reports.charts._panels import event_chances

    told = pl.DataFrame(
        [("fractile", "event_probability", 0.15), ("cloud_mix", "event_probability.startup", 0.2)],
        schema=["scenario", "parameter", "central"], orient="row",
    )  # fmt: skip
    # The lab's work moves for certain; one of the chips it moves to may not come.
    assert event_chances(told) == {"fractile": 0.15}
