"""The run in plain lines of text, for a terminal or a log."""

from __future__ import annotations

from depin_compare.analysis import Analysis
from reports import words
from reports.view import ages_in_days, plain

__all__ = ["ADVICE_NOTE", "ages_line", "left_out_lines", "verdict_lines"]

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


def left_out_lines(analysis: Analysis) -> list[str]:
    """What its age keeps out of the verdict: at most one line, with the first reasons."""
    rows = plain(analysis.left_out)
    mine = rows["network"].is_in(plain(analysis.headlines)["network"].to_list())
    order = rows.with_columns(other=~mine, fact=rows["metric"] != "price").sort("other", "fact", maintain_order=True)
    first = order["reason"].head(2).to_list()
    if not first:
        return []
    more = f"; {words.plural(rows.height - len(first), 'more', 'more')}" if rows.height > len(first) else ""
    return [f"Too old for the verdict: {'. '.join(first)}{more}."]


def ages_line(analysis: Analysis) -> str:
    """As-of time, how many sources were live, stored or reference, and the greatest age."""
    states = plain(analysis.source_states)
    start = f"Data as of {words.minute(analysis.as_of)}"
    if states.is_empty():
        return f"{start}; no source was asked."
    parts = []
    for layer, word in (("live", "live"), ("stored", "stored"), ("reference", "reference")):
        n = states.filter(states["layer"] == layer).height
        if n:
            parts.append(f"{n} {word}")
    missing = states["layer"].null_count()
    if missing:
        parts.append(f"{missing} without data")
    prices = plain(analysis.market_prices)
    prices = prices.filter((prices["freshness"] != "expired").fill_null(True))
    oldest = max(ages_in_days(analysis.as_of, prices["observed_at"].to_list()), default=None)
    tail = f"; oldest price in use {words.age(oldest)}" if oldest is not None else ""
    old = states.filter(states["freshness"].is_in(["stale", "expired"])).sort("age_days", descending=True)
    named = {**analysis.display_names, **words.CLOUD_NAMES}
    told = [
        f"{named.get(row['source'], row['source'])} {words.age(row['age_days'])}"
        for row in old.head(3).iter_rows(named=True)
    ]
    rest = f" and {old.height - 3} more" if old.height > 3 else ""
    stale = f"; beyond their expected age: {', '.join(told)}{rest}" if told else ""
    return f"{start}; sources: {', '.join(parts)}{tail}{stale}."
