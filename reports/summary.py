"""The run in plain lines of text, for a terminal or a log."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from depin_compare.analysis import Analysis
from reports import words
from reports.view import (
    ages_in_days,
    headline_comparison,
    not_fetched,
    not_live,
    plain,
    prices_in_use,
    sources_and_sellers,
)
from reports.words import Names

__all__ = ["ADVICE_NOTE", "ages_line", "data_days", "left_out_lines", "verdict_lines"]

ADVICE_NOTE = "A model of public prices and stated assumptions; not investment advice."


def verdict_lines(analysis: Analysis) -> list[str]:
    """One line a network (name, chip, verdict, sentence), then what the data are and how old, then the note.

    A verdict that rests on data beyond their expected age is marked stale; what is beyond its limit has a line.

    Parameters
    ----------
    analysis : Analysis
        A whole run; an empty one gives a line that says so.
    """
    headlines = plain(analysis.headlines).to_dicts()
    names = [row["display_name"] for row in headlines]
    verdicts = [_marked(row["verdict"], row["freshness"]) for row in headlines]
    wide, long = max(map(len, names), default=0), max(map(len, verdicts), default=0)
    lines = [
        f"{name:<{wide}}  {verdict:<{long}}  {row['sentence']}"
        for name, verdict, row in zip(names, verdicts, headlines, strict=True)
    ]
    if not lines:
        lines = ["No network could be compared: no source gave a price."]
    return [*lines, ages_line(analysis), *left_out_lines(analysis), ADVICE_NOTE]


def _marked(verdict: str, freshness: str | None) -> str:
    return f"{verdict} (stale)" if freshness == "stale" else verdict


def left_out_lines(analysis: Analysis, told: Callable[[str], str] = str) -> list[str]:
    """What its age keeps out of the verdict: at most one line, with the first reasons, each as ``told`` has it."""
    rows = plain(analysis.left_out)
    mine = rows["network"].is_in(plain(analysis.headlines)["network"].to_list())
    order = rows.with_columns(other=~mine, fact=rows["metric"] != "price").sort("other", "fact", maintain_order=True)
    first = [told(reason) for reason in order["reason"].head(2).to_list()]
    if not first:
        return []
    more = f"; {words.plural(rows.height - len(first), 'more', 'more')}" if rows.height > len(first) else ""
    return [f"Too old for the verdict: {'; '.join(first)}{more}."]


_MOST_OLD = 3


def data_days(analysis: Analysis) -> str:
    """Of when the data are: ``Data as of 2026-11-22``; where nothing was fetched in the run, from when to when.

    That is ``Reference data, prices in use of 2025-03-31 to 2026-11-15, compared as of 2026-11-22``.
    """
    day, what = words.minute(analysis.as_of), not_fetched(analysis.source_states)
    days = _prices_in_use(analysis)["observed_at"] if what else pl.Series()
    if days.is_empty():
        return f"Data as of {day}"
    span = words.day(days[0]) if days[0].date() == days[-1].date() else f"{words.day(days[0])} to {words.day(days[-1])}"
    return f"{what.capitalize()} data, prices in use of {span}, compared as of {day}"


def _prices_in_use(analysis: Analysis) -> pl.DataFrame:
    """The prices of accelerators that the report shows and uses, those of clouds' commitments among them, oldest first.

    Columns: network, accelerator, observed_at.
    """
    compared = headline_comparison(analysis.headlines, analysis.comparison)
    prices = plain(prices_in_use(analysis.market_prices, compared))
    used = prices.filter((pl.col("freshness") != "expired").fill_null(True))
    asked = compared.filter(
        pl.col("reference").is_in(["list", "committed"]), pl.col("usd_per_mtok_reference").is_not_null()
    )
    listed = asked.select(network="cloud", accelerator="reference_accelerator", observed_at="reference_observed_at")
    every = pl.concat([used.select(listed.columns), listed], how="vertical_relaxed")
    return every.drop_nulls().unique().sort("observed_at", "network", "accelerator")


def _names(analysis: Analysis) -> Names:
    heads = analysis.headlines.select("network", "display_name").iter_rows()
    return Names(known=dict(analysis.display_names) | dict(heads))


def ages_line(analysis: Analysis) -> str:
    """As-of time, how many sources were live, stored or reference, the greatest age, and whose price is not live.

    Where nothing was fetched in the run, from when to when the prices are.
    """
    states, sellers = sources_and_sellers(analysis.source_states)
    start = data_days(analysis)
    if states.is_empty() and sellers.is_empty():
        return f"{start}; no source was asked."
    counts = {layer: states.filter(states["layer"] == layer).height for layer in ("live", "stored", "reference")}
    parts = [f"{n} {layer}" for layer, n in counts.items() if n]
    parts += [f"{missing} without data of their own"] if (missing := states["layer"].null_count()) else []
    told = f"; {words.plural(sellers.height, 'further seller')} told of by another source" if sellers.height else ""
    names, tail = _names(analysis), ""
    for oldest in _prices_in_use(analysis).head(1).iter_rows(named=True):
        (days,) = ages_in_days(analysis.as_of, [oldest["observed_at"]])
        whose = f" ({names(oldest['network'])} on {names(oldest['accelerator'])})" if days else ""
        tail = f"; oldest price in use {words.age(days)}{whose}"
    return f"{start}; sources: {', '.join(parts)}{told}{tail}{_old_networks(analysis)}."


def _old_networks(analysis: Analysis) -> str:
    """The networks of the report whose price is not live, oldest first; and how many other sources are old."""
    names = _names(analysis)
    found = not_live(analysis.headlines, analysis.unit_costs, analysis.as_of)
    old = sorted(found.items(), key=lambda item: (-item[1][1], item[0]))
    told = [f"{names(network)} {layer}, {words.age(days)}" for network, (layer, days) in old[:_MOST_OLD]]
    told += [f"{len(old) - _MOST_OLD} more"] if len(old) > _MOST_OLD else []
    states, _ = sources_and_sellers(analysis.source_states)
    others = states.filter(
        states["freshness"].is_in(["stale", "expired"]),
        ~states["source"].is_in(analysis.headlines["network"].to_list()),
    ).height
    return (f"; price not live: {'; '.join(told)}" if told else "") + (
        f"; {words.plural(others, 'other source')} beyond the expected age" if others else ""
    )
