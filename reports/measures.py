"""Every number and verdict by which one report is compared with the next, one a row."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from depin_compare.analysis import Analysis
from depin_compare.economics.decline import HISTORY_SOURCE
from depin_compare.refdata.assumption_set import USER_SOURCE
from reports import view

__all__ = ["KEY", "WHAT", "Measures", "measures"]

# What is compared, in the order in which a reader wants to hear of it.
WHAT = (
    "verdict",
    "network",
    "stands for",
    "freshness",
    "advantage",
    "margin",
    "price",
    "cloud price",
    "take rate",
    "fact",
    "assumption",
    "scenario value",
    "source",
    "scenario",
)
KEY = ("what", "network", "cloud", "silicon", "reference", "accelerator", "scenario", "subject")
_TEXTS = ("network", "cloud", "silicon", "reference", "accelerator", "scenario", "subject", "unit", "text", "layer")


class Measures(dy.Schema):
    """One row a thing that may change; the columns of `KEY` name it.

    A thing is either a ``value`` in its ``unit`` (null where it is not known) or a ``text``. ``subject`` narrows it:
    terms of a price, metric of a fact with what it is of, parameter of an assumption or a scenario, name of a source.
    ``is_users`` marks what the user set himself, a source that he switched off among it; ``layer`` is where a number
    comes from, ``stored`` for a scenario's value that was fitted to the store.
    """

    what = dy.Enum(WHAT, nullable=False)
    network = dy.String(nullable=True)
    cloud = dy.String(nullable=True)
    silicon = dy.String(nullable=True)
    reference = dy.String(nullable=True)
    accelerator = dy.String(nullable=True)
    scenario = dy.String(nullable=True)
    subject = dy.String(nullable=True)
    unit = dy.String(nullable=True)
    value = dy.Float64(nullable=True, allow_inf=True)
    text = dy.String(nullable=True)
    layer = dy.String(nullable=True)
    is_users = dy.Bool(nullable=False)

    @dy.rule()
    def one_row_a_thing(cls) -> pl.Expr:
        """What is compared is named once."""
        return pl.struct(*KEY).is_unique()


def measures(analysis: Analysis) -> dy.DataFrame[Measures]:
    """What can be compared with another report, of the whole analysis.

    Verdicts overall and by reference and scenario (clouds priced at the average of their fleet); the chip and model
    that stand for each network, how fresh its data are, its advantage over every reference at that work, and its
    suppliers' full margin; market prices, the clouds' hourly references, facts, assumptions, scenarios and sources.

    Returns
    -------
    DataFrame[Measures]
        In no particular order.
    """
    heads = view.plain(analysis.headlines)
    outlook = view.plain(analysis.outlook).filter(
        pl.col("pricing") == "fleet_average", pl.col("quantity") == "advantage"
    )
    compared = view.headline_comparison(analysis.headlines, analysis.comparison)
    kept = view.headline_margins(analysis.headlines, analysis.margins)
    prices = view.plain(analysis.market_prices)
    clouds = view.plain(analysis.unit_costs).filter(pl.col("side") == "cloud")
    facts = view.plain(analysis.facts).sort("observed_at", "source", descending=[True, False], maintain_order=True)
    fee = pl.col("metric").str.contains("^(take_rate|fee_)")
    states = view.plain(analysis.source_states)
    user = pl.col("source_id") == USER_SOURCE
    fitted = pl.when(pl.col("source_id") == HISTORY_SOURCE).then(pl.lit("stored"))
    made = [
        _rows("verdict", heads, "network", text="verdict"),
        _rows("verdict", outlook, "network", "cloud", "silicon", "reference", "scenario", text="verdict"),
        _rows("network", heads, "network", text=pl.lit("in the report")),
        _rows("stands for", heads, "network", text=pl.concat_str("accelerator", "llm", separator=" / ")),
        _rows("freshness", heads, "network", text="freshness"),
        _rows("advantage", compared, "network", "cloud", "silicon", "reference", value="advantage", unit="fraction"),
        _rows("margin", kept, "network", value="full_margin", unit="fraction"),
        _rows(
            "price", prices.filter(pl.col("segment") != "hyperscaler"), "network", "accelerator", subject="terms",
            value="usd_per_accelerator_hour", unit=_HOUR, layer="layer", users=pl.col("source") == USER_SOURCE,
        ),
        _rows(
            "cloud price", clouds.filter(pl.col("usd_per_accelerator_hour").is_not_null()), "silicon", "accelerator",
            "reference", cloud="seller", value="usd_per_accelerator_hour", unit=_HOUR, layer="layer",
            users=pl.col("source") == USER_SOURCE,
        ),
        *(
            _rows(
                what, facts.filter(of), "network", value="value", unit=pl.col("unit"), layer="layer",
                subject=pl.concat_str("metric", "subject", separator=" ", ignore_nulls=True),
                users=pl.col("source") == USER_SOURCE,
            )
            for what, of in (("take rate", fee), ("fact", ~fee))
        ),
        _rows(
            "assumption", view.plain(analysis.assumptions), subject="parameter", value="central",
            unit=pl.col("unit"), users=user,
        ),
        _rows(
            "scenario value", view.plain(analysis.scenarios), "scenario", subject="parameter", value="central",
            unit=pl.col("unit"), users=user, layer=fitted,
        ),
        _rows(
            "source", states, subject="source", text=pl.col("layer").fill_null("no data"),
            users=pl.col("state") == "off",
        ),
        _rows("scenario", view.plain(analysis.scenarios), "scenario", text=pl.lit("in the report"), users=user),
    ]  # fmt: skip
    return Measures.validate(pl.concat(made), cast=True)


_HOUR = "USD per accelerator-hour"


def _rows(
    what: str, frame: pl.DataFrame, *same: str, users: pl.Expr | None = None, unit: str | pl.Expr | None = None,
    **columns: str | pl.Expr,
) -> pl.DataFrame:  # fmt: skip
    """Rows of a frame as measures; columns not named are unknown, and of rows of one name the first counts."""
    told = {name: pl.col(name) for name in same} | {
        name: pl.col(column) if isinstance(column, str) else column for name, column in columns.items()
    }
    told["unit"] = pl.lit(unit, dtype=pl.String) if unit is None or isinstance(unit, str) else unit
    told["value"] = told.get("value", pl.lit(None, dtype=pl.Float64)).cast(pl.Float64)
    told |= {name: pl.lit(None, dtype=pl.String) for name in _TEXTS if name not in told}
    return frame.select(
        pl.lit(what).alias("what"),
        *(told[name].alias(name) for name in (*KEY[1:], "unit", "value", "text", "layer")),
        (users if users is not None else pl.lit(False)).fill_null(False).alias("is_users"),
    ).unique(KEY, keep="first", maintain_order=True)
