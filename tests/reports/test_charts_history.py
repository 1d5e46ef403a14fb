"""The history of prices: rents beside hosted tokens, with dated events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
import report_data
from chart_artists import box_of, cut_off, is_hollow, lines, overlapping, said

from depin_compare.analysis import Analysis
from depin_compare.market.dated_prices import Trends
from depin_compare.refdata.histories import Events, events
from reports.charts import price_history
from reports.charts.price_history import history_chip
from reports.style import CLAIM, Look, alt_text, title_of

RENT = "USD per accelerator-hour"


def series(
    name: str,
    market: str,
    values: dict[str, float],
    *,
    kind: str = "rent",
    is_list: bool = True,
    known: str = "published",
) -> list[dict[str, object]]:
    subject = name.split(" ")[1]
    return [
        {
            "subject_kind": kind, "subject": subject, "series": name, "market": market,
            "observed_at": datetime.fromisoformat(day).replace(tzinfo=UTC), "value": value,
            "unit": RENT if kind == "rent" else "index", "chain": 1, "n_matched": None, "is_list": is_list,
            "is_step": False, "source_id": "own", "kind": known,
        }
        for day, value in values.items()
    ]  # fmt: skip


def frame(*rows: list[dict[str, object]]) -> pl.DataFrame:
    return Trends.validate(pl.DataFrame([r for part in rows for r in part], schema=Trends.create_empty().schema))


AWS = series("aws h100-sxm on_demand", "hyperscaler_list", {"2024-01-01": 12.0, "2025-06-05": 6.0, "2026-06-05": 6.0})
AKASH = series("akash h100-sxm on_demand", "marketplace", {"2025-01-01": 2.0, "2026-01-01": 3.0}, is_list=False)
INDEX = series("index h100-sxm on_demand", "index", {"2025-03-01": 2.5}, is_list=False)
SPOT = series("aws h100-sxm spot", "spot", {"2025-03-01": 1.0, "2025-04-01": 1.1})
SMALL = series(
    "index closed-small", "hosted_list", {"2024-06-01": 1.0, "2025-06-01": 0.8}, kind="token_price", is_list=True
)
FLAGSHIP = series(
    "index closed-flagship", "hosted_list", {"2024-06-01": 1.0, "2025-06-01": 0.9}, kind="token_price", is_list=True
)


class TestPriceHistory:
    """Rents above, tokens below."""

    @staticmethod
    def draw(analysis: Analysis, made: pl.DataFrame, told: pl.DataFrame | None = None) -> object:
        return price_history(made, events() if told is None else told, Look.of(analysis))

    def test_a_price_list_is_drawn_in_steps_and_a_market_from_day_to_day(self, analysis: Analysis) -> None:
        figure = self.draw(analysis, frame(AWS, AKASH, SMALL))
        (steps,) = lines(figure, "steps:aws h100-sxm on_demand")
        (market,) = lines(figure, "line:akash")
        (index,) = lines(figure, "index:")
        assert (steps.get_drawstyle(), market.get_drawstyle()) == ("steps-post", "default")
        assert index.get_drawstyle() == "steps-post"
        assert list(steps.get_ydata()) == [12.0, 6.0, 6.0]
        assert steps.get_xdata()[0] == pytest.approx(2024.0)
        assert market.get_color() == Look.of(analysis).network("akash")[0]

    def test_both_panels_share_the_axis_of_time(self, analysis: Analysis) -> None:
        rents, tokens = self.draw(analysis, frame(AWS, SMALL)).axes
        assert rents.get_xlim() == tokens.get_xlim()
        assert (rents.get_yscale(), tokens.get_yscale()) == ("log", "linear")

    def test_an_index_of_one_day_and_spot_are_left_out(self, analysis: Analysis) -> None:
        figure = self.draw(analysis, frame(AWS, INDEX, SPOT))
        assert not lines(figure, "point:")
        assert not [li for li in lines(figure, "") if "spot" in str(li.get_gid())]
        assert "Spot prices and the clouds' reserved terms are not drawn." in alt_text(figure)

    def test_a_network_of_one_day_is_named_at_its_mark(self, analysis: Analysis) -> None:
        once = series("akash h100-sxm on_demand", "marketplace", {"2026-03-01": 2.0}, is_list=False)
        assert said(self.draw(analysis, frame(AWS, once)), "named:akash").split() == ["Akash", "$2.00"]

    def test_both_panels_name_the_years_and_a_tick_stands_below_the_lowest_price(self, analysis: Analysis) -> None:
        rents, tokens = self.draw(analysis, frame(AWS, AKASH, SMALL)).axes
        for axes in (rents, tokens):
            assert {"2024", "2025", "2026"} <= {t.get_text() for t in axes.get_xticklabels()}
        assert min(rents.get_yticks()) <= 2.0

    @pytest.mark.parametrize(
        ("ionet", "told"),
        [
            ({}, "; Akash's price rose from $2.00 in Jan 2025 to $3.00 in Jan 2026"),
            ({"2026-01-01": 4.0}, "; Akash's price rose from $2.00 in Jan 2025 to $3.00 in Jan 2026"),
            (
                {"2025-02-01": 4.0, "2026-01-01": 3.0},
                "; 1 of 2 network prices rose within a year, Akash's from $2.00 in Jan 2025 to",
            ),
            (
                {"2025-02-01": 4.0, "2026-01-01": 5.0},
                "; both network prices rose within a year, Akash's from $2.00 in Jan 2025 to",
            ),
            # What was asked more than a year before the newest day is no price of the year.
            (
                {"2024-02-01": 4.0, "2026-01-01": 3.0},
                "; Akash's price rose from $2.00 in Jan 2025 to $3.00 in Jan 2026",
            ),
        ],
    )
    def test_the_title_says_what_networks_own_prices_did(
        self, ionet: dict[str, float], told: str, analysis: Analysis
    ) -> None:
        other = series("ionet h100-sxm on_demand", "on_demand", ionet, is_list=False)
        assert told in title_of(self.draw(analysis, frame(AWS, AKASH, other)))

    def test_networks_prices_that_fell_are_told_so(self, analysis: Analysis) -> None:
        fell = series("akash h100-sxm on_demand", "marketplace", {"2025-06-01": 3.0, "2026-01-01": 1.5}, is_list=False)
        assert "Akash's price fell from $3.00 in Jun 2025 to $1.50 in Jan 2026" in title_of(
            self.draw(analysis, frame(AWS, fell))
        )

    def test_the_price_the_title_begins_with_is_named_at_its_mark_and_no_name_lies_on_a_mark(
        self, analysis: Analysis
    ) -> None:
        low = series("akash h100-sxm quoted", "on_demand", {"2025-07-01": 1.4}, is_list=False)
        figure = self.draw(analysis, frame(AWS, AKASH, low))
        axes = figure.axes[0]
        names = [text for text in axes.texts if str(text.get_gid()).startswith("named:")]
        assert {t.get_text().replace("\n", " ") for t in names} == {"$2.00", "Akash $1.40"}
        (first,) = (t for t in names if t.get_text() == "$2.00")
        assert first.xy[1] == 2.0
        assert first.xy[0] == pytest.approx(2025.0)
        marks = [li for li in axes.lines if str(li.get_gid()).startswith(("days:", "point:"))]
        spots = [axes.transData.transform(xy) for li in marks for xy in li.get_xydata()]
        for name in names:
            box = box_of(name)
            assert not [spot for spot in spots if box.contains(*spot)]
            own = axes.transData.transform(name.xy)
            near = [np.hypot(*(np.clip(spot, (box.x0, box.y0), (box.x1, box.y1)) - spot)) for spot in spots]
            assert np.hypot(*(np.clip(own, (box.x0, box.y0), (box.x1, box.y1)) - own)) == pytest.approx(min(near))

    @pytest.mark.parametrize(
        ("values", "told"),
        [
            # $2.00 to $3.00 by way of $1.70: 15% below the lower end; of $3.40: 13% above the higher one.
            ((2.0, 1.7, 3.0), "rose from $2.00 in Feb 2025 to $3.00 in Jan 2026, after a low of $1.70 in Jun 2025"),
            ((2.0, 3.4, 3.0), "rose from $2.00 in Feb 2025 to $3.00 in Jan 2026, after a high of $3.40 in Jun 2025"),
            ((3.0, 1.0, 2.0), "fell from $3.00 in Feb 2025 to $2.00 in Jan 2026, after a low of $1.00 in Jun 2025"),
            ((2.0, 1.9, 3.0), "rose from $2.00 in Feb 2025 to $3.00 in Jan 2026"),
            ((2.0, 2.5, 3.0), "rose from $2.00 in Feb 2025 to $3.00 in Jan 2026"),
        ],
    )
    def test_a_low_or_high_well_beyond_both_ends_is_told_and_named_at_its_mark(
        self, values: tuple[float, float, float], told: str, analysis: Analysis
    ) -> None:
        days = ("2025-02-01", "2025-06-01", "2026-01-01")
        made = series("akash h100-sxm on_demand", "marketplace", dict(zip(days, values, strict=True)), is_list=False)
        figure = self.draw(analysis, frame(AWS, made))
        assert title_of(figure).endswith(f"Akash's price {told}")
        turns = said(figure, "named:turn:akash")
        assert turns == (f"${values[1]:.2f}" if "after" in told else "")
        assert said(figure, "named:first:akash") == f"${values[0]:.2f}"

    def test_a_quote_has_another_mark_than_the_line_of_its_seller(self, analysis: Analysis) -> None:
        quoted = series("akash h100-sxm on_demand quoted", "marketplace", {"2025-07-01": 2.4}, is_list=False)
        figure = self.draw(analysis, frame(AWS, AKASH, quoted))
        (mark,), (days,) = lines(figure, "point:akash"), lines(figure, "days:akash")
        assert mark.get_marker() != days.get_marker()
        assert mark.get_markeredgecolor() == days.get_markeredgecolor()
        alone = self.draw(analysis, frame(AWS, quoted))
        assert lines(alone, "point:akash")[0].get_marker() == days.get_marker()

    def test_a_name_is_beside_its_mark_or_tied_to_it(self) -> None:
        made = report_data.live_shaped()
        figure = price_history(made.trends, events(), Look.of(made))
        (axes, *_) = figure.axes
        marks = [li for li in axes.lines if str(li.get_gid()).startswith(("days:", "point:"))]
        spots = np.array([axes.transData.transform(xy) for li in marks for xy in li.get_xydata()])
        named = [text for text in axes.texts if str(text.get_gid()).startswith("named:")]
        assert {"Chutes", "Lium", "io.net", "Akash"} <= {t.get_text().split()[0] for t in named}
        for name in named:
            box, own = box_of(name), axes.transData.transform(name.xy)
            far = np.hypot(*(np.clip(spots, (box.x0, box.y0), (box.x1, box.y1)) - spots).T)
            gap = np.hypot(*(np.clip(own, (box.x0, box.y0), (box.x1, box.y1)) - own))
            assert gap <= far.min() + 0.5
            assert name.arrow_patch.get_visible() or gap < 6 / 72 * figure.dpi

    def test_hairlines_start_at_their_own_lines_ends_and_do_not_cross(self) -> None:
        made = report_data.live_shaped()
        figure = price_history(made.trends, events(), Look.of(made))
        (axes, *_) = figure.axes
        leads = [li.get_transform().transform(li.get_xydata()) for li in axes.lines if li.get_gid() == "lead"]
        drawn = [li for li in axes.lines if str(li.get_gid()).startswith(("steps:", "line:"))]
        ends = np.array([axes.transData.transform(li.get_xydata()[-1]) for li in drawn])
        assert len(leads) > 5
        for start, _ in leads:
            assert np.hypot(*(ends - start).T).min() < 0.5
        for i, one in enumerate(leads):
            for other in leads[i + 1 :]:
                later = max(one[0][0], other[0][0])
                at = [a[1] + (b[1] - a[1]) * (later - a[0]) / (b[0] - a[0]) for a, b in (one, other)]
                assert (at[0] - at[1]) * (one[1][1] - other[1][1]) >= -1e-6

    def test_dashes_are_told_where_they_are_drawn(self, analysis: Analysis) -> None:
        assert "Dashed" not in alt_text(self.draw(analysis, frame(AWS, AKASH, SMALL)))
        block = series("aws h100-sxm capacity_block", "capacity_block", {"2024-12-01": 4.9, "2026-03-01": 3.9})
        tiers = [series(f"runpod h100-sxm on_demand {tier}", "on_demand", {"2025-04-01": 2.7, "2026-03-01": price})
                 for tier, price in (("community", 2.7), ("secure", 3.9))]  # fmt: skip
        assert "Dashed: a cloud's capacity blocks." in alt_text(self.draw(analysis, frame(AWS, block)))
        assert "Dashed: another tier of the same seller." in alt_text(self.draw(analysis, frame(AWS, *tiers)))
        both = alt_text(self.draw(analysis, frame(AWS, block, *tiers)))
        assert "Dashed: a cloud's capacity blocks and another tier of the same seller." in both

    def test_the_footer_names_who_told_most(self) -> None:
        made = report_data.live_shaped()
        told = alt_text(price_history(made.trends, events(), Look.of(made)))
        assert "Source: Amazon Web Services, " in told
        assert "other publishers, all among the report's sources, indices of tokens matched by depin-compare;" in told
        assert "depin-compare-assumptions" not in told

    def test_markers_of_thin_arms_are_larger_so_that_they_are_seen_to_be_hollow(self) -> None:
        made = report_data.live_shaped()
        figure = price_history(made.trends, events(), Look.of(made))
        sizes = {li.get_marker(): li.get_markersize() for li in lines(figure, "days:") if li.axes is figure.axes[0]}
        assert {"P", "*", "o"} <= set(sizes)
        assert sizes["P"] > sizes["o"] < sizes["*"]

    def test_every_point_is_hollow_and_a_claim_purple(self, analysis: Analysis) -> None:
        claimed = series(
            "lab h100-sxm on_demand", "on_demand", {"2025-01-01": 1.0, "2026-01-01": 0.5}, known="vendor_claim"
        )
        figure = self.draw(analysis, frame(AWS, claimed))
        assert all(is_hollow(li) for li in lines(figure, "days:"))
        assert lines(figure, "steps:lab")[0].get_color() == CLAIM
        assert "vendor claim" in said(figure, "key")

    def test_events_are_numbered_dated_and_told(self, analysis: Analysis) -> None:
        figure = self.draw(analysis, frame(AWS, SMALL))
        assert said(figure, "number:aws-p5-2025-06") == "1"
        (mark, same) = lines(figure, "event:aws-p5-2025-06")
        assert mark.get_xdata()[0] == same.get_xdata()[0] == pytest.approx(2025 + 5 / 12 + 4 / 365)
        assert "1 2025-06-05: AWS cuts list prices of H100 machines by 44%" in alt_text(figure)
        assert "2 Dec 2025: AWS rents out Trainium3" in alt_text(figure)
        assert "Microsoft runs Maia 200 (claim)" in alt_text(figure)

    def test_events_outside_the_days_drawn_are_left_out(self, analysis: Analysis) -> None:
        early = frame(series("aws h100-sxm on_demand", "hyperscaler_list", {"2023-01-01": 12.0, "2024-01-01": 11.0}))
        figure = self.draw(analysis, early)
        assert not lines(figure, "event:")
        assert "Events" not in alt_text(figure)

    @pytest.mark.parametrize(
        ("last", "told"),
        [
            (6.0, "AWS's list price of an hour of h100-sxm fell 50% since Jan 2024"),
            (18.0, "AWS's list price of an hour of h100-sxm rose 50% since Jan 2024"),
            (12.0, "AWS's list price of an hour of h100-sxm did not move since Jan 2024"),
        ],
    )
    def test_the_title_turns_when_the_rents_do(self, last: float, told: str, analysis: Analysis) -> None:
        made = frame(series("aws h100-sxm on_demand", "hyperscaler_list", {"2024-01-01": 12.0, "2026-06-05": last}))
        assert title_of(self.draw(analysis, made)) == told

    @pytest.mark.parametrize(
        ("small", "flagship", "told"),
        [
            (0.8, 0.9, "Hosted tokens, model for model, fell by 10% to 20%"),
            (1.1, 1.3, "Hosted tokens, model for model, rose by 10% to 30%"),
            (0.8, 1.3, "Hosted tokens, model for model, moved by \N{MINUS SIGN}20% to +30%"),
            (1.0, 1.0, "Hosted tokens, model for model, did not move"),
        ],
    )
    def test_the_title_turns_when_the_tokens_do(
        self, small: float, flagship: float, told: str, analysis: Analysis
    ) -> None:
        made = frame(SMALL, FLAGSHIP).with_columns(
            value=pl.when(pl.col("value") == 0.8)
            .then(small)
            .when(pl.col("value") == 0.9)
            .then(flagship)
            .otherwise("value")
        )
        assert title_of(self.draw(analysis, made)) == told

    def test_the_longest_chain_of_an_index_is_drawn(self, analysis: Analysis) -> None:
        broken = frame(SMALL, series("index closed-small", "hosted_list", {"2023-01-01": 1.0}, kind="token_price"))
        broken = broken.with_columns(
            chain=pl.when(pl.col("observed_at") < datetime(2024, 1, 1, tzinfo=UTC)).then(2).otherwise("chain")
        )
        (index,) = lines(self.draw(analysis, broken), "index:")
        assert list(index.get_ydata()) == [1.0, 0.8]

    def test_the_chip_most_days_are_known_of_is_drawn(self) -> None:
        other = series("aws a100 on_demand", "hyperscaler_list", {"2024-01-01": 4.0})
        assert history_chip(frame(AWS, other)) == "h100-sxm"
        assert history_chip(Trends.create_empty()) is None

    def test_the_packaged_history_stays_on_the_sheet_with_labels_apart(self, analysis: Analysis) -> None:
        figure = self.draw(analysis, analysis.trends)
        assert not list(cut_off(figure))
        assert not overlapping(figure, "end")
        assert not overlapping(figure, "number:")


class TestEvents:
    """The packaged table."""

    def test_events_of_a_month_stand_on_its_first(self) -> None:
        table = events()
        Events.validate(table)
        months = table.filter(pl.col("precision") == "month")["as_of"]
        assert months.len() >= 1
        assert (months.dt.day() == 1).all()
        assert table["as_of"].max() <= date(2026, 11, 22)


@pytest.mark.parametrize("data_set", [report_data.live_shaped, report_data.reference_only])
def test_a_network_is_as_grey_as_in_every_other_chart(data_set: Callable[[], Analysis]) -> None:
    made = data_set()
    look = Look.of(made)
    assert not look.is_named("runpod")
    figure = price_history(made.trends, events(), look)
    mine = [line for axes in figure.axes for line in axes.lines if str(line.get_gid()).startswith("steps:runpod")]
    assert len(mine) > 1  # tiers, told apart by dashes
    assert {line.get_color() for line in mine} == {look.network("runpod")[0]}
    assert len({str(line._dash_pattern) for line in mine}) == len(mine)
