"""Where the draws say otherwise than central inputs: in how many, of which networks; and prices that are two ends."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from reports import view, words
from reports.sections.page import Page
from reports.verdict_words import at_odds, share_at_odds
from reports.words import percent, usd

__all__ = ["against_draws", "already", "indicative", "medians", "only_two_prices"]

# Of two prices, the dearer to the cheaper: closer ones are much alike.
_FAR_APART = 2.0
_MOST_NAMED = 2


def _price_of(page: Page, head: view.Row) -> pl.DataFrame:
    """The price in use of a network's chip, one row or none."""
    return page.analysis.market_prices.filter(
        pl.col("network") == head["network"], pl.col("accelerator").eq_missing(head["accelerator"]),
        pl.col("terms") == "on_demand",
    )  # fmt: skip


def indicative(page: Page, head: view.Row) -> bool:
    """Whether nobody asks the price that stands for a network: it is calculated, or an example."""
    return bool((_price_of(page, head)["price_kind"].cast(pl.String) == "indicative").any())


def only_two_prices(page: Page, head: view.Row) -> str:
    """``$0.250 and $25.00 an hour`` where two offers far apart are all that is known of a network's price."""
    mine = _price_of(page, head).filter(pl.col("n_offers") == 2)
    if mine.is_empty():
        return ""
    low, high = (mine[f"usd_per_accelerator_hour_{end}"][0] for end in ("low", "high"))
    return f"{usd(low)} and {usd(high)} an hour" if high >= _FAR_APART * low else ""


def medians(page: Page) -> str:
    """The networks of which the medians of the draws stand on the other side of zero today than the table."""
    base = page.outlook.filter(pl.col("scenario") == "base", pl.col("pricing") == "fleet_average")
    today, told = page.analysis.as_of.date(), []
    for network in page.headlines["network"]:
        mine = base.filter(pl.col("network") == network)
        lead = mine.filter(pl.col("quantity") == "advantage", pl.col("reference") == "list")
        lead = view.of_pair(lead, page.future_pair) if page.future_pair else lead.clear()
        margin = mine.filter(pl.col("quantity") == "full_margin")
        odd = [
            what
            for what, rows in (("lead", lead), ("margin", margin))
            if any(at_odds(row, today) for row in view.rows(rows.head(1)))
        ]
        if odd:
            told.append(f"{page.names(network)} ({words.listing(odd)})")
    if not told:
        return ""
    return (
        " The table is at central inputs, the chart beneath has medians of the draws: today their signs differ for "
        f"{words.listing(told)}."
    )


def already(page: Page, leads: Sequence[view.Row]) -> str:
    """The networks whose lead most draws have lost today already, in how many, and whose price is only two ends."""
    heads = {head["network"]: head for head in view.rows(page.headlines)}
    today = page.analysis.as_of.date()
    told: dict[str, list[str]] = {}  # share of the draws -> networks
    for row in leads:
        if at_odds(row, today):
            ends = only_two_prices(page, heads[row["network"]])
            known = f" (its price is known only as two ends, {ends})" if ends else ""
            told.setdefault(share_at_odds(row, today), []).append(f"{page.names(row['network'])}{known}")
    return "".join(
        f" {words.listing(who)} {'has' if len(who) == 1 else 'have'} lost it today already in {share} of the draws."
        for share, who in told.items()
    )


def against_draws(page: Page, head: view.Row, outlook: pl.DataFrame) -> str:
    """Where most draws stand on the other side of zero today than the tables, which are at central inputs."""
    today, base = page.analysis.as_of.date(), outlook.filter(pl.col("scenario") == "base")
    rows = [row for row in view.rows(base) if row["state"] != "not_comparable"]
    told = []
    for lost in (False, True):
        mine = [r for r in rows if r["quantity"] == "advantage" and (r["state"] == "already_lost") == lost]
        odd = [row for row in mine if at_odds(row, today)]
        shares = [share_at_odds(row, today) for row in odd]
        if not shares:
            continue
        least, most = ("more than half", "more than 90%") if lost else ("half or more", "90% or more")
        n, surer = len(shares), shares.count(most)
        share = most if surer == n else least
        also = f" ({surer} of them in {most})" if 0 < surer < n else ""
        which = _named(page, odd) if n < len(mine) and n <= _MOST_NAMED else ""
        what = f"{words.plural(len(mine), 'reference')} {'is' if len(mine) == 1 else 'are'} lost" if lost else (
            f"it leads {words.plural(len(mine), 'reference')}"
        )  # fmt: skip
        told.append(f"{what} today, but in {share} of the draws {_of_these(n, len(mine), lost=lost)}{also}{which}")
    margin = next((row for row in rows if row["quantity"] == "full_margin"), None)
    if margin is not None and at_odds(margin, today):
        other = "above" if margin["state"] == "already_lost" else "below"
        told.append(
            f"the supplier's margin is {percent(margin['today'], signed=True)}, but in "
            f"{share_at_odds(margin, today)} of the draws it is {other} zero"
        )
    if not told:
        return ""
    ends = only_two_prices(page, head)
    why = f" Its price is known only as two ends, {ends}, and the draws range from one to the other." if ends else ""
    return f"At central inputs {'; '.join(told)}.{why}"


def _named(page: Page, rows: Sequence[view.Row]) -> str:
    """Which references they are: `` (Azure with AMD GPUs, cost plus floor margin)``."""
    told = [
        f"{page.names.long_pair(row['cloud'], row['silicon'])}, {words.REFERENCE_WORDS[row['reference']].lower()}"
        for row in rows
    ]
    return f" ({'; '.join(told)})"


def _of_these(n: int, many: int, *, lost: bool) -> str:
    """How many of the references just named are lost in the draws; where ``lost`` at central inputs, how many not.

    >>> _of_these(16, 16, lost=False), _of_these(1, 14, lost=True), _of_these(14, 14, lost=True)
    ('all are lost', '1 of them is not', 'none is')
    """
    if n < many:
        return f"{n} of them {'is' if n == 1 else 'are'} {'not' if lost else 'lost'}"
    if many == 1:
        return "it is not" if lost else "it is lost"
    return "none is" if lost else "all are lost"
