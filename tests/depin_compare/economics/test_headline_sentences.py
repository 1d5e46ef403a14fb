"""The sentence of a network: its counts are those of the draws, its figures as the tables print them."""

from __future__ import annotations

import re
from datetime import date

import polars as pl
import pytest
import report_data

from depin_compare.analysis import Analysis
from depin_compare.economics.headlines import _future, _percent, _usd, _why_no_price
from reports import view, words

TODAY = date(2026, 11, 22)
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@pytest.fixture(scope="module")
def live() -> Analysis:
    return report_data.live_shaped()


def base_rows(analysis: Analysis, network: str) -> pl.DataFrame:
    return view.plain(analysis.outlook).filter(
        pl.col("network") == network, pl.col("scenario") == "base", pl.col("pricing") == "fleet_average",
        pl.col("quantity") == "advantage", pl.col("state") != "not_comparable",
    )  # fmt: skip


def test_references_are_lost_when_half_of_the_draws_have_lost_them(live: Analysis) -> None:
    seen = 0
    for network, sentence in live.headlines.select("network", "sentence").iter_rows():
        found = re.search(
            r"it loses (\d+) of the (\d+) references it leads today by 2036, the first in (\w+ \d+)", sentence
        )
        if found is None:
            continue
        ahead = base_rows(live, network).filter(pl.col("state") != "already_lost")
        lost = ahead.filter(pl.col("date_p50").is_not_null())
        first = lost["date_p50"].min()
        assert isinstance(first, date)
        assert (int(found[1]), int(found[2])) == (lost.height, ahead.height)
        assert found[3] == f"{MONTHS[first.month - 1]} {first.year}"
        seen += 1
    assert seen > 5


def test_rewards_known_only_as_a_bound_leave_at_most_so_much(live: Analysis) -> None:
    row = live.margins.filter(pl.col("network") == "render", pl.col("full_margin_with_rewards") > 0)
    (sentence,) = live.headlines.filter(pl.col("network") == "render")["sentence"]
    kept = re.search(r"keeps (at most )?(\d+%) of the rewards", sentence)
    assert kept
    assert kept[1] == "at most "
    assert kept[2] in [_percent(value) for value in row["full_margin_with_rewards"]]


def outlook(*rows: tuple[str, date | None, float | None]) -> pl.DataFrame:
    """Base rows of one network: state, month by which half of the draws have lost it, share lost."""
    frame = pl.DataFrame(
        [
            {
                "state": s,
                "date_p50": d,
                "date_p90": d if p == 0.95 else None,
                "probability_lost": p,
                "date": date(2030, 5, 1),
            }
            for s, d, p in rows
        ],
        schema={
            "state": pl.String,
            "date_p50": pl.Date,
            "date_p90": pl.Date,
            "probability_lost": pl.Float64,
            "date": pl.Date,
        },
    )
    return frame.with_columns(
        scenario=pl.lit("base"), pricing=pl.lit("fleet_average"), verdict=pl.lit("exposed"),
        quantity=pl.lit("advantage"), horizon=pl.lit(date(2036, 12, 31)),
    )  # fmt: skip


def test_what_is_not_led_today_is_never_counted() -> None:
    kept = ("not_reached", None, 0.1)
    gone = ("already_lost", date(2026, 11, 22), 1.0)
    start = "In the base scenario it loses"
    for led, leads in ((3, "all 3 leads"), (2, "both leads"), (1, "the one lead")):
        told = f"In the base scenario it keeps {leads} it has today until the end of 2036"
        assert _future(outlook(*[kept] * led, gone), TODAY) == told
    # Half of the draws lose it, whatever the central path does.
    half = ("not_reached", date(2028, 1, 28), 0.58)
    assert (
        _future(outlook(kept, half), TODAY)
        == f"{start} 1 of the 2 references it leads today by 2036, the first in Jan 2028"
    )
    # Month and day of the data would pass for something to come.
    today = ("lost_within_horizon", TODAY, 0.9)
    assert _future(outlook(kept, today, half), TODAY) == (
        f"{start} 2 of the 3 references it leads today by 2036, 1 of them today already in half or more of the draws"
    )
    assert _future(outlook(today, today), TODAY) == (
        f"{start} both references it leads today by 2036, today already in half or more of the draws"
    )
    # More than nine in ten are not told as half.
    most = ("lost_within_horizon", TODAY, 0.95)
    assert _future(outlook(most, kept), TODAY).endswith("today already in 90% or more of the draws")
    assert _future(outlook(most, today), TODAY).endswith(
        "today already in half or more of the draws (1 of them in 90% or more)"
    )
    # A run that did not draw has its central path.
    assert _future(outlook(kept, ("lost_within_horizon", None, None)), TODAY).endswith("the first in May 2030")
    assert _future(outlook(gone), TODAY) == ""


@pytest.mark.parametrize("value", [0.0, 0.00049, 0.0005, 0.0499, 0.0585, 0.0994, 0.0996, 0.237, 1.0])
def test_percentages_are_those_of_the_tables(value: float) -> None:
    assert _percent(value) == words.percent(value)


@pytest.mark.parametrize("value", [0.00012, 0.0045, 0.0458, 0.43, 0.61, 0.9996, 1.487, 12.345, 812.0])
def test_money_is_that_of_the_tables(value: float) -> None:
    assert _usd(value) == words.usd(value)


def test_a_network_without_a_price_says_the_true_reason(live: Analysis) -> None:
    offers = view.plain(live.offers)
    fluence = offers.filter(pl.col("network") == "fluence")
    told = _why_no_price("fluence", fluence)
    assert told == f"no price of its own: its {fluence.height} offers resell what others run"
    (sentence,) = live.headlines.filter(pl.col("network") == "fluence")["sentence"]
    assert sentence == f"Fluence: {told}."
    assert _why_no_price("nobody", fluence).startswith("no price on record")
    spot = fluence.with_columns(terms=pl.lit("spot"), upstream=pl.lit(None, dtype=pl.String))
    assert _why_no_price("fluence", spot) == f"no price on demand among its {fluence.height} offers"
    own = fluence.with_columns(upstream=pl.lit(None, dtype=pl.String))
    assert _why_no_price("fluence", own) == f"none of its {fluence.height} offers can be compared at equal work"
