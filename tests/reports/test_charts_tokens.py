"""Charts of what tokens cost, now and before."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import report_data
from chart_artists import cut_off, is_hollow, lines, said

from depin_compare.analysis import Analysis
from reports.charts import market_check, token_price_trend
from reports.style import Look, title_of
from reports.view import market_check_shown
from reports.words import times


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

    def test_no_host_hides_another_and_those_who_tell_the_prices_are_named(self) -> None:
        live = report_data.live_shaped()
        look = Look.of(live)
        figure = market_check(live.headlines, live.market_check, look)
        drawn = lines(figure, "host:")
        assert len(drawn) > 20
        places = [li.axes.transData.transform((li.get_xdata()[0], li.get_ydata()[0])) / figure.dpi for li in drawn]
        assert min(max(abs(a - b)) for i, a in enumerate(places) for b in places[i + 1 :]) > 4.6 / 72
        assert "as told by BerriAI, LiteLLM, models.dev and OpenRouter" in said(figure, "footer")

    def test_the_cheapest_and_the_dearest_host_are_named(self, analysis: Analysis) -> None:
        figure = market_check(analysis.headlines, analysis.market_check, Look.of(analysis))
        assert {"deepinfra", "Azure"} <= {t.get_text() for t in figure.axes[0].texts}

    def test_a_router_is_no_host(self, analysis: Analysis) -> None:
        host = analysis.market_check.filter(pl.col("provider") == "deepinfra")
        made = pl.concat([analysis.market_check, host.with_columns(provider=pl.lit("openrouter"))])
        look = Look.of(analysis)
        figure, before = (market_check(analysis.headlines, one, look) for one in (made, analysis.market_check))
        assert len(lines(figure, "host:")) == len(lines(before, "host:"))
        assert "price lists of 3 hosts" in said(figure, "footer")
        assert title_of(figure) == title_of(before)

    def test_a_name_below_is_tied_to_its_mark_past_those_beneath_it(self) -> None:
        live = report_data.live_shaped()
        figure = market_check(live.headlines, live.market_check, Look.of(live))
        (axes,) = figure.axes
        ties, hosts = lines(figure, "tie:"), lines(figure, "host:")
        assert ties
        half = 4.6 / 2 / 72 * figure.dpi
        for tie in ties:
            llm = str(tie.get_gid()).partition(":")[2]
            start, end = axes.transData.transform(tie.get_xydata())
            near = axes.transData.transform([li.get_xydata()[0] for li in hosts if f":{llm}:" in str(li.get_gid())])
            gap = np.hypot(*(near - start).T)
            assert gap.min() < 1.3 * half  # it begins at its mark
            line = start + np.linspace(0, 1, 50)[:, None] * (end - start)
            for k in np.flatnonzero(gap > gap.min()):
                assert (np.abs(line - near[k]).max(axis=1) > half).all()

    def test_a_network_that_hosts_keeps_its_own_colour(self, analysis: Analysis) -> None:
        row = pl.col("provider") == "deepinfra"
        schema = analysis.market_check.schema
        hosts = analysis.market_check.with_columns(
            provider=pl.when(row).then(pl.lit("akash")).otherwise("provider"),
            host_kind=pl.when(row).then(pl.lit("network")).otherwise("host_kind").cast(schema["host_kind"]),
        )
        look = Look.of(analysis)
        figure = market_check(analysis.headlines, hosts, look)
        drawn = [li for li in lines(figure, "host:") if ":network:akash:" in str(li.get_gid())]
        assert drawn
        assert {(li.get_markeredgecolor(), li.get_marker()) for li in drawn} == {look.network("akash")}

    def test_a_row_tells_how_far_its_hosts_are_above_the_modelled_cost(self, analysis: Analysis) -> None:
        figure = market_check(analysis.headlines, analysis.market_check, Look.of(analysis))
        rows = market_check_shown(analysis.headlines, analysis.market_check)
        assert rows["llm"].n_unique() >= 1
        for llm in rows["llm"].unique():
            middle = rows.filter(pl.col("llm") == llm)["asked_over_modelled"].median()
            told = said(figure, f"middle:{llm}")
            assert told == ("not known" if middle is None else f"{times(middle)} times")

    def test_nothing_reaches_beyond_the_sheet(self, analysis: Analysis) -> None:
        assert not list(cut_off(market_check(analysis.headlines, analysis.market_check, Look.of(analysis))))


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

    def test_the_first_model_at_the_lowest_price_is_named_and_live_prices_lie_on_top(self) -> None:
        live = report_data.live_shaped()
        figure = token_price_trend(live.token_prices, Look.of(live))
        told = {t.get_text() for axes in figure.axes for t in axes.texts}
        assert {"Gemini 1.5 Flash, $0.45", "Claude 3 Opus, $105"} <= told
        assert [axes.get_title(loc="left") for axes in figure.axes] == [
            "Claude (Anthropic)", "GPT (OpenAI)", "Gemini (Google)",
        ]  # fmt: skip
        layers = [str(li.get_gid()).rsplit(":", 1)[1] for li in lines(figure, "price:anthropic")]
        assert layers == ["reference", "live"]
        assert "the makers' lists as told by AgentOps, BerriAI and LiteLLM" in said(figure, "footer")

    @pytest.mark.parametrize(
        ("keep", "told"),
        [
            (3, "The cheapest list price of a closed model fell 67% from Dec 2024 to Nov 2026, to $5"),
            (1, "No list price of a closed model on record is below the $15 of Dec 2024"),
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
