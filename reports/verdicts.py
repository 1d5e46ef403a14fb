"""The verdict table as data: what the first page says of every network and reference, as number and as printed."""

from __future__ import annotations

from datetime import date

import dataframely as dy
import polars as pl

from depin_compare.analysis import Analysis
from depin_compare.economics.scenarios import BASE
from depin_compare.economics.token_economics import fee_floors
from depin_compare.market.freshness import FRESHNESS
from reports import view, words
from reports.sections.parts import span_words, use_words
from reports.verdict_words import gone, not_so_in
from reports.words import AT_LEAST, AT_MOST

__all__ = ["NOT_COMPARABLE", "NOT_KNOWN", "Verdicts", "verdicts"]

NOT_COMPARABLE, NOT_KNOWN = "n/c", "n/k"


class Verdicts(dy.Schema):
    """One row a network x cloud x silicon x reference, at the work that stands for the network; one without a cloud
    for a network that can be compared with none.

    ``*_printed`` is the text as every page has it. ``advantage`` is what the buyer saves, as a fraction of the
    reference; ``full_margin`` what the supplier keeps of its receipts, without token rewards;
    ``breakeven_usd_per_accelerator_hour`` and ``breakeven_utilisation`` where that is zero. ``advantage_gone_*`` is
    when half of the draws (a tenth, nine tenths) have lost the advantage in the base scenario, null where fewer have
    by ``horizon``; ``probability_lost`` the share that has by then. ``verdict`` is that of the whole network,
    ``reference_verdict`` that against this reference.
    """

    network = dy.String(nullable=False)
    display_name = dy.String(nullable=False)
    accelerator = dy.String(nullable=True)
    llm = dy.String(nullable=True)
    workload = dy.String(nullable=True)
    cloud = dy.String(nullable=True)
    silicon = dy.String(nullable=True)
    reference = dy.String(nullable=True)
    is_claim = dy.Bool(nullable=False)
    advantage = dy.Float64(nullable=True)
    advantage_printed = dy.String(nullable=False)
    full_margin = dy.Float64(nullable=True, allow_inf=True)
    full_margin_printed = dy.String(nullable=False)
    full_margin_low = dy.Float64(nullable=True, allow_inf=True)
    full_margin_high = dy.Float64(nullable=True, allow_inf=True)
    full_margin_band_printed = dy.String(nullable=False)
    breakeven_usd_per_accelerator_hour = dy.Float64(nullable=True, allow_inf=True)
    breakeven_printed = dy.String(nullable=False)
    breakeven_utilisation = dy.Float64(nullable=True, allow_inf=True)
    breakeven_utilisation_printed = dy.String(nullable=False)
    advantage_gone_p10 = dy.Date(nullable=True)
    advantage_gone_p50 = dy.Date(nullable=True)
    advantage_gone_p90 = dy.Date(nullable=True)
    probability_lost = dy.Float64(nullable=True, min=0, max=1)
    horizon = dy.Date(nullable=True)
    advantage_gone_printed = dy.String(nullable=False)
    verdict = dy.String(nullable=False)
    reference_verdict = dy.String(nullable=True)
    freshness = dy.Enum(FRESHNESS, nullable=True)
    not_comparable = dy.String(nullable=True)


def verdicts(analysis: Analysis) -> dy.DataFrame[Verdicts]:
    """The verdict table of a whole analysis.

    Returns
    -------
    DataFrame[Verdicts]
        Networks, clouds and references in the order of every page.
    """
    heads = view.ordered_headlines(analysis.headlines)
    compared = view.headline_comparison(analysis.headlines, analysis.comparison)
    margins = {row["network"]: row for row in view.rows(view.headline_margins(analysis.headlines, analysis.margins))}
    future = {tuple(row[k] for k in _PAIRING): row for row in view.rows(_base_outlook(analysis))}
    claims = view.claimed_pairs(compared)
    floors, today = fee_floors(analysis.token_economics), analysis.as_of.date()
    rows = []
    for head in view.rows(heads):
        mine = compared.filter(pl.col("network") == head["network"])
        margin = margins.get(head["network"], {})
        whole = {k: head[k] for k in _OF_NETWORK} | _margin_columns(margin, fee_is_floor=head["network"] in floors)
        pairs = [
            (pair, reference, row)
            for pair in (view.ordered_pairs(mine) if mine.height else [])
            for reference in view.REFERENCE_ORDER
            for row in view.rows(view.of_pair(mine, pair).filter(pl.col("reference") == reference))[:1]
        ]
        if not pairs:
            rows.append(whole | {"is_claim": False, **_advantage_columns(None, None, today)})
        for pair, reference, row in pairs:
            named = {"cloud": pair[0], "silicon": pair[1], "reference": reference, "is_claim": pair in claims}
            outlook = future.get((head["network"], *pair, reference))
            told = _advantage_columns(row["advantage"], outlook, today)
            rows.append(whole | named | told | {"not_comparable": row["not_comparable"]})
    blank = dict.fromkeys(Verdicts.columns())
    frame = pl.DataFrame([blank | row for row in rows], schema=_untyped(), orient="row")
    return Verdicts.validate(frame, cast=True)


_PAIRING = ("network", "cloud", "silicon", "reference")
_OF_NETWORK = ("network", "display_name", "accelerator", "llm", "workload", "verdict", "freshness")


def _untyped() -> dict[str, pl.DataType]:
    schema = Verdicts.create_empty().schema
    return {name: pl.String() if isinstance(dtype, pl.Enum) else dtype for name, dtype in schema.items()}


def _base_outlook(analysis: Analysis) -> pl.DataFrame:
    outlook = view.headline_outlook(analysis.headlines, analysis.outlook)
    if outlook.is_empty():
        return outlook
    return outlook.filter(
        pl.col("scenario") == BASE, pl.col("pricing") == "fleet_average", pl.col("quantity") == "advantage"
    )


def _margin_columns(margin: view.Row, *, fee_is_floor: bool) -> view.Row:
    low, high = margin.get("full_margin_low"), margin.get("full_margin_high")
    price, use = margin.get("breakeven_usd_per_accelerator_hour"), margin.get("breakeven_utilisation")

    def bounded(text: str, sign: str) -> str:
        return f"{sign} {text}" if fee_is_floor and text != NOT_KNOWN else text

    return {
        "full_margin": margin.get("full_margin"),
        "full_margin_printed": bounded(
            words.percent(margin.get("full_margin"), signed=True, unknown=NOT_KNOWN), AT_MOST
        ),
        "full_margin_low": low,
        "full_margin_high": high,
        "full_margin_band_printed": span_words(low, high, words.percent),
        "breakeven_usd_per_accelerator_hour": price,
        "breakeven_printed": NOT_KNOWN if price is None else bounded(f"{words.usd(price)}/h", AT_LEAST),
        "breakeven_utilisation": use,
        "breakeven_utilisation_printed": use_words(use, at_least=fee_is_floor),
    }


def _advantage_columns(advantage: float | None, outlook: view.Row | None, as_of: date) -> view.Row:
    told: view.Row = {
        "advantage": advantage,
        "advantage_printed": words.percent(advantage, signed=True, unknown=NOT_COMPARABLE),
        "advantage_gone_printed": advantage_gone(outlook, as_of),
    }
    if outlook is not None:
        told |= {f"advantage_gone_{end}": outlook[f"date_{end}"] for end in ("p10", "p50", "p90")}
        told |= {"probability_lost": outlook["probability_lost"], "horizon": outlook["horizon"]}
        told |= {"reference_verdict": outlook["verdict"]}
    return told


def advantage_gone(outlook: view.Row | None, as_of: date) -> str:
    """``Mar 2029, not reached in 35% of draws``: when half of the draws have lost it, and in how many it lasts.

    >>> from datetime import date
    >>> row = {"state": "lost_within_horizon", "date": date(2029, 1, 5), "date_p50": date(2029, 3, 1),
    ...        "probability_lost": 0.65, "horizon": date(2036, 12, 31)}
    >>> today = date(2026, 11, 22)
    >>> advantage_gone(row, today), advantage_gone(row | {"date_p50": None, "probability_lost": 0.4}, today)
    ('Mar 2029, not reached in 35% of draws', 'not reached by 2036 in 60% of draws')
    >>> advantage_gone(row | {"date_p50": None, "probability_lost": 0.0}, today)
    'not reached by 2036'
    >>> advantage_gone(row | {"date_p50": today}, today)
    'most draws today, not reached in 35% of draws'
    """
    if outlook is None or outlook["state"] == "not_comparable":
        return NOT_COMPARABLE
    if outlook["state"] == "already_lost":
        return ", ".join(filter(None, ["already lost", not_so_in(outlook, as_of)]))
    lost, never = outlook["probability_lost"], f"not reached by {outlook['horizon'].year}"
    if lost is None:  # of an earlier version, without draws: the central path is all there is
        return gone(outlook["date"], as_of, never=never)
    lasting = f"in {words.likelihood(1 - lost)} of draws"
    if outlook["date_p50"] is None:
        return f"{never} {lasting}" if lost > 0 else never
    when = gone(outlook["date_p50"], as_of, never=never)
    return f"{when}, not reached {lasting}" if lost < 1 else when
