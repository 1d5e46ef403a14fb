"""Charts of what networks save their buyers, leave their providers, and how much of them is used."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import polars as pl
import pytest
import report_data
from chart_artists import cut_off, is_hollow, lines, marks, overlapping, said, texts, words
from matplotlib.colors import to_rgb

from depin_compare.analysis import Analysis
from depin_compare.economics.waterfall import waterfall
from depin_compare.market.facts import NetworkFacts
from reports.charts import advantage_heat_map, provider_waterfall, utilisation
from reports.charts.advantage_heat_map import advantage_cells
from reports.reasons import kind_of_reason, reasons_note
from reports.style import INK, NEGATIVE, Look, alt_text, title_of
from reports.view import headline_margins
from reports.words import Names

MINUS = "\N{MINUS SIGN}"
IN_TOKENS = "the network burns the payment and pays nodes in minted tokens"


def heat_map(analysis: Analysis, comparison: pl.DataFrame | None = None) -> object:
    return advantage_heat_map(
        analysis.headlines, analysis.comparison if comparison is None else comparison, Look.of(analysis)
    )


class TestAdvantageHeatMap:
    """Network by model, against list price and modelled cost."""

    def test_a_cell_is_the_advantage_over_the_strictest_cloud_that_is_no_claim(self, analysis: Analysis) -> None:
        (cell,) = (
            c
            for c in advantage_cells(analysis.headlines, analysis.comparison)
            if (c["network"], c["llm"], c["reference"]) == ("akash", "llama-3.3-70b", "modelled_cost")
        )
        mine = analysis.comparison.filter(
            pl.col("network") == "akash",
            pl.col("accelerator") == "h100-sxm-80",
            pl.col("reference") == "modelled_cost",
            pl.col("match") == "cheapest",
            pl.col("reference_kind") != "vendor_claim",
        )
        assert cell["advantage"] == pytest.approx(mine["advantage"].min())
        assert (cell["cloud"], cell["silicon"]) == ("google", "tpu")
        claims = analysis.comparison.filter(pl.col("reference_kind") == "vendor_claim", pl.col("network") == "akash")
        assert claims["advantage"].min() < 0

    def test_the_number_in_a_cell_carries_its_sign(self, analysis: Analysis) -> None:
        figure = heat_map(analysis)
        for cell in advantage_cells(analysis.headlines, analysis.comparison):
            told = said(figure, f"text:{cell['reference']}:{cell['network']}:{cell['llm']}")
            if cell["advantage"] is None:
                assert told.startswith("n/c")
            else:
                assert told[0] == ("+" if cell["advantage"] > 0 else MINUS)

    def test_cheaper_and_dearer_differ_in_hue_and_grow_darker_with_the_distance(self, analysis: Analysis) -> None:
        values = [0.9, 0.3, -0.3, -0.9]
        reds, greys = [], []
        for value in values:
            made = analysis.comparison.with_columns(
                advantage=pl.when(pl.col("advantage").is_not_null()).then(pl.lit(value))
            )
            red, green, blue, _ = marks(heat_map(analysis, made), "cell:list:akash:llama-3.3-70b")[0].get_facecolor()
            reds.append(red > blue)
            greys.append(0.299 * red + 0.587 * green + 0.114 * blue)
        assert reds == [False, False, True, True]
        assert greys[0] < greys[1]
        assert greys[3] < greys[2]

    def test_what_is_not_comparable_is_hatched_and_its_kind_is_told(self, analysis: Analysis) -> None:
        own = (pl.col("network") == "ionet") & (pl.col("llm") == "llama-3.1-8b")
        numbers = [c for c in analysis.comparison.columns if c.startswith(("usd_per_mtok", "advantage"))]
        lost = analysis.comparison.with_columns(
            *(pl.when(~own).then(pl.col(c)).alias(c) for c in numbers),
            not_comparable=pl.when(own).then(pl.lit("needs 4 chips; 1 allowed")).otherwise("not_comparable"),
        )
        figure = heat_map(analysis, lost)
        (cell,) = marks(figure, "none:list:ionet:llama-3.1-8b")
        assert cell.get_hatch()
        assert "(a) the model does not fit the network's machines, 2 cells" in alt_text(figure)
        assert not marks(figure, "cell:list:ionet:llama-3.1-8b")

    @staticmethod
    def of_layers(analysis: Analysis, networks: dict[str, str], **clouds: str) -> pl.DataFrame:
        """Networks live but for those named; the clouds' references live but for those named."""
        layer = analysis.comparison.schema["reference_layer"]
        return analysis.comparison.with_columns(
            network_layer=pl.col("network").replace_strict(networks, default="live").cast(layer),
            reference_layer=pl.col("reference").cast(pl.String).replace_strict(clouds, default="live").cast(layer),
        )

    def test_a_ring_tells_prices_that_are_not_live_from_others(self, analysis: Analysis) -> None:
        made = self.of_layers(analysis, {"ionet": "stored"}, modelled_cost="reference")
        figure = heat_map(analysis, made)
        # Every modelled cost is reference data: a ring in every cell would tell nothing.
        ringed = {str(li.get_gid()) for li in lines(figure, "old:")}
        assert ringed == {
            f"old:{c['reference']}:ionet:{c['llm']}"
            for c in advantage_cells(analysis.headlines, made)
            if c["network"] == "ionet" and c["advantage"] is not None
        }
        assert ringed
        told = alt_text(figure)
        assert "Not live, and without a ring: the clouds' modelled costs, reference data (" in told
        assert "Rings in the cells: stored earlier (" in told
        assert "rests on prices that are not live" in said(figure, "key")

    def test_a_cloud_of_old_prices_beside_live_ones_is_ringed(self, analysis: Analysis) -> None:
        layer = analysis.comparison.schema["reference_layer"]
        cells = [c for c in advantage_cells(analysis.headlines, analysis.comparison) if c["advantage"] is not None]
        one = next(c for c in cells if c["reference"] == "list")
        live = self.of_layers(analysis, {})
        old = (pl.col("network") == one["network"]) & (pl.col("llm") == one["llm"]) & (pl.col("reference") == "list")
        made = live.with_columns(
            reference_layer=pl.when(old).then(pl.lit("reference")).otherwise("reference_layer").cast(layer)
        )
        figure = heat_map(analysis, made)
        assert [li.get_gid() for li in lines(figure, "old:")] == [f"old:list:{one['network']}:{one['llm']}"]
        assert "None of these is live" not in alt_text(figure)
        assert "Rings in the cells: reference data" in alt_text(figure)

    def test_without_anything_live_there_is_no_ring_and_all_live_none_is_missed(self, analysis: Analysis) -> None:
        networks = dict.fromkeys(analysis.headlines["network"], "reference")
        dead = heat_map(analysis, self.of_layers(analysis, networks, list="reference", modelled_cost="reference"))
        assert not lines(dead, "old:")
        assert "rests on" not in said(dead, "key")
        for who in ("the networks' prices", "the clouds' list prices", "the clouds' modelled costs"):
            assert f"{who}, reference data (" in alt_text(dead)
        assert "All prices live" not in alt_text(dead)
        alive = heat_map(analysis, self.of_layers(analysis, {}))
        assert not lines(alive, "old:")
        assert alt_text(alive).endswith("All prices live.")

    def test_a_name_drawn_as_its_id_is_explained(self, analysis: Analysis) -> None:
        look = Look.of(analysis)
        known = {**look.names.known, "ionet": "[ionet]"}
        figure = advantage_heat_map(
            analysis.headlines, analysis.comparison, dataclasses.replace(look, names=Names(known=known))
        )
        assert "[ionet]: the id, for want of letters of the name." in alt_text(figure)

    def test_one_network_is_called_by_its_name(self, one_network: Analysis) -> None:
        told = alt_text(heat_map(one_network))
        assert "Akash on the chip that stands for it, else its cheapest that fits" in told
        assert "Source: Akash's prices and those of" in told
        assert "Another chip of Akash may be cheaper" in told
        assert "Each network" not in told
        assert "networks'" not in told

    @pytest.mark.parametrize(
        ("value", "told"),
        [
            (
                0.2,
                "undercut every cloud's list price in all 5 pairs of network and model, and every modelled cost that "
                "is no claim in all",
            ),
            (-0.2, "undercut every cloud's list price in none of 5 pairs of network and model, and every modelled"),
        ],
    )
    def test_the_title_turns_when_the_data_do(self, value: float, told: str, analysis: Analysis) -> None:
        made = analysis.comparison.with_columns(
            advantage=pl.when(pl.col("advantage").is_not_null()).then(pl.lit(value))
        )
        assert told in title_of(heat_map(analysis, made))

    def test_the_title_of_one_network_and_model(self, one_network: Analysis) -> None:
        assert title_of(heat_map(one_network)) == (
            "On the one model compared, the network undercuts every list price of the clouds and does not undercut "
            "every modelled cost that is no claim"
        )

    def test_a_claim_is_left_out_and_named(self, analysis: Analysis) -> None:
        assert "Azure, Maia 200 (claim) and AWS, Trainium (claim) left out: their costs" in alt_text(heat_map(analysis))
        maia = analysis.comparison.filter(pl.col("silicon") != "trainium")
        figure = heat_map(analysis, maia)
        assert "every modelled cost of bookable silicon in" in title_of(figure)
        assert "Azure, Maia 200 (claim) left out: nobody can book it, and its cost is its maker's" in alt_text(figure)
        known = analysis.comparison.filter((pl.col("reference_kind") != "vendor_claim").fill_null(True))
        figure = heat_map(analysis, known)
        assert "bookable" not in title_of(figure)
        assert "claim" not in alt_text(figure)

    def test_thirty_networks_stay_on_the_sheet(self, thirty_networks: Analysis) -> None:
        figure = heat_map(thirty_networks)
        assert not list(cut_off(figure))
        assert not overlapping(figure, "text:list")
        assert len(marks(figure, "cell:list")) + len(marks(figure, "none:list")) >= 30


class TestProviderWaterfall:
    """Where the tenant's money goes."""

    @staticmethod
    def draw(analysis: Analysis, margins: pl.DataFrame | None = None) -> object:
        return provider_waterfall(
            analysis.headlines, analysis.margins if margins is None else margins, Look.of(analysis)
        )

    def test_bars_are_the_steps_of_the_waterfall(self, analysis: Analysis) -> None:
        figure = self.draw(analysis)
        steps = waterfall(analysis.margins.filter(pl.col("accelerator") == "h100-sxm-80"))
        for network in ("akash", "ionet"):
            for row in steps.filter(pl.col("network") == network).iter_rows(named=True):
                (bar,) = marks(figure, f"bar:{network}:{row['step']}")
                ends = sorted((bar.get_x(), bar.get_x() + bar.get_width()))
                assert ends == pytest.approx(sorted((row["from_usd_per_hour"], row["to_usd_per_hour"])), abs=1e-9)

    def test_the_steps_add_up_to_what_the_provider_keeps(self, analysis: Analysis) -> None:
        figure = self.draw(analysis)
        row = headline_margins(analysis.headlines, analysis.margins).filter(pl.col("network") == "akash")
        moves = sum(
            bar.get_width() for step in ("network_take", "power", "overhead", "capital")
            for bar in marks(figure, f"bar:akash:{step}")
        )  # fmt: skip
        assert row["tenant_usd_per_hour"][0] + moves == pytest.approx(row["profit_usd_per_hour"][0])
        assert said(figure, "amount:akash:profit").startswith(MINUS)

    def test_the_title_names_the_largest_cost(self, analysis: Analysis) -> None:
        hot = analysis.margins.with_columns(power_usd_per_hour=pl.col("tenant_usd_per_hour") * 40)
        assert "; capital takes " in title_of(self.draw(analysis))
        assert title_of(self.draw(analysis, hot)).endswith("; power takes more than the whole bill")

    def test_no_amount_crosses_the_line_at_zero(self, analysis: Analysis) -> None:
        """Power takes all that is paid: what follows lies left of zero with its amounts; the loss ends there."""
        power = pl.col("tenant_usd_per_hour") * 40
        lost = power - pl.col("power_usd_per_hour")
        hot = analysis.margins.with_columns(
            power_usd_per_hour=power, profit_usd_per_hour=pl.col("profit_usd_per_hour") - lost
        )
        for axes in self.draw(analysis, hot).axes:
            sides = {str(t.get_gid()).split(":")[-1]: t.get_ha() for t in axes.texts if "amount" in str(t.get_gid())}
            assert not sides or sides == {
                "tenant": "left", "network_take": "left", "power": "left", "overhead": "right", "capital": "right",
                "profit": "left",
            }  # fmt: skip

    def test_bars_take_the_room_that_amounts_leave(self) -> None:
        """An amount stands left of its bar where it fits before zero, so that the bill's bar is most of the panel."""
        made = report_data.live_shaped()
        figure = provider_waterfall(made.headlines, made.margins, Look.of(made))
        for bar in marks(figure, "bar:akash:tenant") + marks(figure, "bar:lium:tenant"):
            low, high = bar.axes.get_xlim()
            assert bar.get_width() > 0.7 * (high - low)
        assert not list(cut_off(figure))
        (kept,) = marks(figure, "bar:lium:profit")
        assert kept.get_facecolor()[:3] == to_rgb(INK)  # no network's colour

    def test_a_loss_is_red(self, analysis: Analysis) -> None:
        figure = self.draw(analysis)
        (loss,) = (t for axes in figure.axes for t in axes.texts if t.get_gid() == "amount:akash:profit")
        (gain,) = (t for axes in figure.axes for t in axes.texts if t.get_gid() == "amount:ionet:profit")
        assert loss.get_color() == NEGATIVE != gain.get_color()

    def test_token_rewards_stand_apart_and_hatched(self, analysis: Analysis) -> None:
        paid = analysis.margins.with_columns(
            reward_usd_per_hour=pl.when(pl.col("network") == "akash").then(pl.lit(0.4)).otherwise("reward_usd_per_hour")
        )
        figure = self.draw(analysis, paid)
        (tokens,) = marks(figure, "bar:akash:token_rewards")
        (profit,) = marks(figure, "bar:akash:profit")
        assert tokens.get_hatch() == "......"
        assert tokens.get_width() == pytest.approx(0.4)
        assert tokens.get_x() == pytest.approx(profit.get_x() + profit.get_width())
        # More than a row's height below what the tenant's money leaves.
        assert tokens.get_y() - profit.get_y() > 1.3
        assert not marks(figure, "bar:ionet:token_rewards")
        assert title_of(figure) == title_of(self.draw(analysis))

    def test_a_network_that_pays_in_tokens_says_so_instead_of_bars(self, analysis: Analysis) -> None:
        minted = analysis.margins.with_columns(
            not_known=pl.when(pl.col("network") == "render").then(pl.lit(IN_TOKENS)).otherwise("not_known")
        )
        figure = self.draw(analysis, minted)
        assert not marks(figure, "bar:render")
        assert "paid in newly minted tokens" in " ".join(said(figure, "words:render").split())
        assert "$0.275 an hour" in " ".join(said(figure, "words:render").split())

    def test_an_unknown_margin_is_named_with_its_reason(self, analysis: Analysis) -> None:
        figure = self.draw(analysis)
        assert not marks(figure, "bar:render")
        assert "Not known: Render (Render publishes no utilisation" in alt_text(figure)

    def test_what_is_not_live_is_hatched(self, analysis: Analysis) -> None:
        old = analysis.margins.with_columns(
            layer=pl.when(pl.col("network") == "ionet").then(pl.lit("stored")).otherwise("layer").cast(
                analysis.margins.schema["layer"]
            )
        )  # fmt: skip
        figure = self.draw(analysis, old)
        assert all(bar.get_hatch() for bar in marks(figure, "bar:ionet"))
        assert not any(bar.get_hatch() for bar in marks(figure, "bar:akash"))

    def test_the_title_turns_when_the_data_do(self, analysis: Analysis) -> None:
        rich = analysis.margins.with_columns(profit_usd_per_hour=pl.col("profit_usd_per_hour").abs())
        assert "covers the provider's full cost on 1 of the 2 networks of known fees and costs" in title_of(
            self.draw(analysis)
        )
        assert "covers the provider's full cost on both of the 2 networks" in title_of(self.draw(analysis, rich))

    def test_the_title_of_one_known_network_among_others(self, analysis: Analysis) -> None:
        one = analysis.margins.with_columns(
            profit_usd_per_hour=pl.when(pl.col("network") == "akash").then("profit_usd_per_hour"),
            tenant_usd_per_hour=pl.col("tenant_usd_per_hour") / 10,
        )
        assert title_of(self.draw(analysis, one)) == (
            "The tenant's money does not cover the provider's full cost on the one network of known fees and costs; "
            "capital takes more than the whole bill"
        )

    def test_thirty_networks_stay_on_the_sheet(self, thirty_networks: Analysis) -> None:
        figure = self.draw(thirty_networks)
        assert not list(cut_off(figure))
        assert not overlapping(figure, "panel")
        assert not overlapping(figure, "amount:")
        assert "the others are in margins.csv" in alt_text(figure)


class TestUtilisation:
    """Published use beside the use a provider needs."""

    @staticmethod
    def facts(rows: list[tuple[str, str | None, float, str]]) -> pl.DataFrame:
        about = {
            "metric": "utilisation", "unit": "fraction", "observed_at": datetime(2026, 11, 20, tzinfo=UTC),
            "kind": "published", "source": "akash", "source_url": "https://prices.example.org",
        }  # fmt: skip
        names = ("network", "subject", "value", "layer")
        return NetworkFacts.validate(
            pl.DataFrame(
                [dict(zip(names, row, strict=True)) | about for row in rows], schema=NetworkFacts.create_empty().schema
            )
        )

    def draw(self, analysis: Analysis, rows: list[tuple[str, str | None, float, str]]) -> object:
        return utilisation(analysis.headlines, analysis.margins, self.facts(rows), Look.of(analysis))

    def test_the_marker_is_the_use_of_the_headline_s_chip_and_the_bar_what_it_needs(self, analysis: Analysis) -> None:
        figure = self.draw(analysis, [("akash", None, 0.6, "live"), ("akash", "h100-sxm-80", 0.9, "live")])
        (used,), (needed,) = lines(figure, "used:akash"), lines(figure, "needed:akash")
        (whole,) = lines(figure, "whole:akash")
        row = headline_margins(analysis.headlines, analysis.margins).filter(pl.col("network") == "akash")
        assert used.get_xdata()[0] == 0.9
        assert whole.get_xdata()[0] == 0.6
        assert needed.get_xdata()[0] == pytest.approx(row["breakeven_utilisation"][0])
        assert said(figure, "told:akash") == "90% published, 2026-11-20"

    def test_a_use_below_the_need_is_dashed_and_its_need_bold_not_red(self, analysis: Analysis) -> None:
        """Red is Akash's own colour."""
        figure = self.draw(analysis, [("akash", None, 0.1, "live"), ("ionet", None, 1.0, "live")])
        (short,), (enough,) = lines(figure, "gap:akash"), lines(figure, "gap:ionet")
        assert short.is_dashed()
        assert not enough.is_dashed()
        assert short.get_color() == INK
        (need,) = (t for t in texts(figure) if t.get_gid() == "needs:akash")
        assert need.get_weight() == "bold"
        assert need.get_color() == INK

    def test_a_gap_too_short_to_see_has_no_key(self, analysis: Analysis) -> None:
        needed = analysis.margins.with_columns(breakeven_utilisation=pl.lit(0.61))
        rows = [("akash", None, 0.6, "live")]
        figure = utilisation(analysis.headlines, needed, self.facts(rows), Look.of(analysis))
        assert "used less than needed" not in [t.get_text() for t in texts(figure) if t.get_gid() == "key"]
        assert "In bold: needed, but not reached." in alt_text(figure)
        wide = self.draw(analysis, [("akash", None, 0.1, "live")])
        assert "used less than needed" in [t.get_text() for t in texts(wide) if t.get_gid() == "key"]

    def test_how_many_machines_a_share_is_of_is_said(self, analysis: Analysis) -> None:
        facts = self.facts([("akash", "h100-sxm-80", 0.0, "live")]).with_columns(note=pl.lit("0 of 2 GPUs hired"))
        figure = utilisation(analysis.headlines, analysis.margins, facts, Look.of(analysis))
        assert said(figure, "told:akash") == "0% published (0 of 2 GPUs), 2026-11-20"

    def test_a_network_of_which_neither_is_known_takes_no_row(self, analysis: Analysis) -> None:
        known = pl.col("network") != "ionet"
        margins = analysis.margins.with_columns(pl.when(known).then("breakeven_utilisation"))
        figure = utilisation(analysis.headlines, margins, self.facts([("akash", None, 0.6, "live")]), Look.of(analysis))
        assert "Neither use nor use needed known, so not drawn: io.net (" in alt_text(figure)
        assert "io.net" not in [label.get_text() for label in figure.axes[0].get_yticklabels()]

    def test_an_unpublished_use_is_said_in_words_and_not_drawn(self, analysis: Analysis) -> None:
        figure = self.draw(analysis, [("akash", None, 0.6, "live")])
        assert not lines(figure, "used:ionet")
        assert lines(figure, "needed:ionet")
        assert said(figure, "told:ionet") == "not known; 70% assumed"

    def test_what_needs_more_than_all_hours_leaves_the_panel(self, analysis: Analysis) -> None:
        never = analysis.margins.with_columns(breakeven_utilisation=pl.lit(float("inf")))
        figure = utilisation(analysis.headlines, never, self.facts([("akash", None, 0.6, "live")]), Look.of(analysis))
        assert not lines(figure, "needed:")
        assert lines(figure, "beyond:akash")
        assert said(figure, "needs:akash") == "over 100%"

    def test_an_unknown_need_is_named_with_its_reason(self, analysis: Analysis) -> None:
        unknown = analysis.margins.with_columns(
            breakeven_utilisation=pl.when(pl.col("network") != "akash").then("breakeven_utilisation"),
            not_known=pl.when(pl.col("network") == "akash").then(pl.lit("akash publishes no take rate")),
        )
        figure = utilisation(analysis.headlines, unknown, self.facts([("akash", None, 0.6, "live")]), Look.of(analysis))
        assert said(figure, "needs:akash") == "not known"
        assert not lines(figure, "needed:akash")
        assert "Use needed not known: Akash (no take rate published)." in alt_text(figure)

    def test_only_live_uses_are_filled(self, analysis: Analysis) -> None:
        figure = self.draw(analysis, [("akash", None, 0.6, "live"), ("ionet", None, 0.7, "reference")])
        assert not is_hollow(lines(figure, "used:akash")[0])
        assert is_hollow(lines(figure, "used:ionet")[0])

    @pytest.mark.parametrize(
        ("akash", "ionet", "told"),
        [
            (0.9, 0.9, "Both networks of known use and cost are used enough for a provider to break even"),
            (0.1, 0.9, "1 of 2 networks of known use and cost is used enough for a provider to break even"),
            (0.1, 0.1, "Neither network of known use and cost is used enough for a provider to break even"),
        ],
    )
    def test_the_title_turns_when_the_data_do(self, akash: float, ionet: float, told: str, analysis: Analysis) -> None:
        figure = self.draw(analysis, [("akash", None, akash, "live"), ("ionet", None, ionet, "live")])
        assert title_of(figure) == told

    def test_the_title_without_a_published_use(self, analysis: Analysis) -> None:
        assert title_of(self.draw(analysis, [])) == "How much is used is known of no network"

    def test_thirty_networks_stay_on_the_sheet(self, thirty_networks: Analysis) -> None:
        figure = utilisation(
            thirty_networks.headlines, thirty_networks.margins, thirty_networks.facts, Look.of(thirty_networks)
        )
        assert not list(cut_off(figure))
        assert not overlapping(figure, "told:")
        assert words(figure).count("not known") == 30


class TestReasons:
    """Why a number is missing, in few words."""

    def test_every_reason_of_the_model_has_a_kind(self, analysis: Analysis) -> None:
        told = {kind_of_reason(r) for r in analysis.comparison["not_comparable"].drop_nulls()}
        assert told == {"Microsoft sells no Maia 200 hours: no list price exists"}
        assert kind_of_reason("service level out of reach: 3 tokens/s at best, 20 asked").startswith("too slow")
        assert len(kind_of_reason("x" * 300)) <= 60

    def test_names_are_grouped_by_reason_and_cut(self) -> None:
        missing = [(name, "no rate") for name in "ABCDEFG"] + [("H", "too old")]
        assert reasons_note(missing, 3) == "A, B, C and 4 more (no rate); H (too old)"
