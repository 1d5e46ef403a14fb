"""What the words of a verdict and of its dates mean, and what a verdict rests on that must be said with it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import polars as pl

from depin_compare.economics.scenarios import BASE
from reports import view, words

__all__ = [
    "FOR_ITS_MARGIN",
    "MOST_TODAY",
    "at_odds",
    "gone",
    "lacks_margin_alone",
    "not_so_in",
    "share_at_odds",
    "today_words",
    "verdict_note",
]


# Beneath a verdict that rests on nothing else.
FOR_ITS_MARGIN = "margin not known"
# Instead of the month of the data, which would pass for one to come.
MOST_TODAY, _THIS_MONTH = "most draws today", "this month"
_MEANINGS = {
    MOST_TODAY: "half of them or more have lost it already, though central inputs have not",
    _THIS_MONTH: "half of the draws have lost it by its end",
}


def verdict_note(outlook: pl.DataFrame, *, brief: bool = False) -> str:
    """What the words of a verdict mean; ``brief`` where there is little room."""
    by = f"by {outlook['horizon'][0].year}" if outlook.height else "by the horizon"
    if brief:
        return (
            "Verdict against most clouds. Resilient: under a tenth of draws lose the lead or a new node's margin "
            f"{by}; exposed: more do, or margin not known; eroded: no lead."
        )
    return (
        "Verdict: base scenario, against most list prices (v. list) and most modelled costs (v. cost). Resilient: in "
        f"fewer than a tenth of the draws the lead or a new node's margin is lost {by}; exposed: in more, or the "
        "margin is not known; eroded: no lead today."
    )


def gone(value: date | None, as_of: date, *, never: str) -> str:
    """By when half of the draws are lost: a month, but not that of the data, which would pass for one to come.

    >>> [gone(at, date(2026, 11, 22), never="not reached") for at in (date(2026, 11, 22), date(2026, 11, 28), None)]
    ['most draws today', 'this month', 'not reached']
    >>> gone(date(2027, 11, 1), date(2026, 11, 22), never="not reached")
    'Nov 2027'
    """
    if value is None or (value.year, value.month) > (as_of.year, as_of.month):
        return words.month(value, unknown=never)
    return MOST_TODAY if value <= as_of else _THIS_MONTH


def today_words(told: Iterable[str]) -> str:
    """What the words for today and its month mean, of those that some cells begin with."""
    cells = list(told)
    return "".join(
        f" {term[0].upper()}{term[1:]}: {meaning}."
        for term, meaning in _MEANINGS.items()
        if any(cell.startswith(term) for cell in cells)
    )


def at_odds(row: view.Row, as_of: date) -> bool:
    """Whether half of the draws are lost today where central inputs lead, or are not where these do not.

    ``row`` is one of the outlook; without draws nothing is at odds.
    """
    if row["state"] == "not_comparable" or row["probability_lost"] is None:
        return False
    half = row["date_p50"] is not None and row["date_p50"] <= as_of
    return bool(half == (row["state"] != "already_lost"))


def share_at_odds(row: view.Row, as_of: date) -> str:
    """In how many draws it is otherwise than at central inputs: the bound that the dates of a row `at_odds` tell.

    >>> row = {"state": "not_reached", "date_p10": date(2026, 11, 22), "date_p90": date(2026, 11, 22)}
    >>> share_at_odds(row, date(2026, 11, 22)), share_at_odds(row | {"date_p90": None}, date(2026, 11, 22))
    ('90% or more', 'half or more')
    >>> share_at_odds(row | {"state": "already_lost"}, date(2026, 11, 22))
    'more than half'
    """
    if row["state"] == "already_lost":
        tenth = row["date_p10"]
        return "more than half" if tenth is not None and tenth <= as_of else "more than 90%"
    nine = row["date_p90"]
    return "90% or more" if nine is not None and nine <= as_of else "half or more"


def not_so_in(row: view.Row, as_of: date) -> str:
    """Beneath what central inputs say is lost today: in how many draws it is not, where that is most; else nothing."""
    if row["state"] != "already_lost" or not at_odds(row, as_of):
        return ""
    return f"not so in {'>90% of' if share_at_odds(row, as_of).endswith('90%') else 'most'} draws"


def lacks_margin_alone(outlook: pl.DataFrame) -> bool:
    """Whether one network is called exposed only because its margin is not known, its lead being safe.

    ``outlook`` are the rows of the network's headline work.
    """
    base = view.plain(outlook).filter(
        pl.col("scenario") == BASE, pl.col("pricing") == "fleet_average", pl.col("verdict") != "not comparable"
    )
    if base.is_empty() or (base.filter(quantity="full_margin_new_node")["state"] != "not_comparable").any():
        return False
    for reference in ("list", "modelled_cost"):
        rows = base.filter(quantity="advantage", reference=reference)
        exposed = rows.filter(verdict="exposed")
        safe = exposed["date_p10"].null_count()
        # As the verdict of most references is found: ties go against the network.
        if safe > max(exposed.height - safe, rows.height - exposed.height):
            return True
    return False
