"""The run in plain lines of text, for a terminal or a log."""

from __future__ import annotations

from depin_compare.analysis import Analysis
from reports import words
from reports.view import ages_in_days, plain

__all__ = ["ADVICE_NOTE", "ages_line", "verdict_lines"]

ADVICE_NOTE = "A model of public prices and stated assumptions; not investment advice."


def verdict_lines(analysis: Analysis) -> list[str]:
    """One line a network (name, chip, verdict, sentence), then what the data are and how old, then the note.

    Parameters
    ----------
    analysis : Analysis
        A whole run; an empty one gives a line that says so.
    """
    headlines = plain(analysis.headlines).to_dicts()
    names = [row["display_name"] for row in headlines]
    verdicts = [row["verdict"] for row in headlines]
    wide, long = max(map(len, names), default=0), max(map(len, verdicts), default=0)
    lines = [
        f"{name:<{wide}}  {verdict:<{long}}  {row['sentence']}"
        for name, verdict, row in zip(names, verdicts, headlines, strict=True)
    ]
    if not lines:
        lines = ["No network could be compared: no source gave a price."]
    return [*lines, ages_line(analysis), ADVICE_NOTE]


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
    oldest = max(ages_in_days(analysis.as_of, prices["observed_at"].to_list()), default=None)
    tail = f"; oldest price in use {words.age(oldest)}" if oldest is not None else ""
    return f"{start}; sources: {', '.join(parts)}{tail}."
