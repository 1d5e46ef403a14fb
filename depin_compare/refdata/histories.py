"""Dated prices that are there for their history, the classes models are counted in, and dated events."""

from __future__ import annotations

from functools import cache

import dataframely as dy
import polars as pl

from depin_compare.errors import ReferenceDataError
from depin_compare.refdata import Sourced, accelerators, sourced_table

__all__ = [
    "EVENT_PRECISIONS",
    "LLM_CLASSES",
    "RENT_MARKETS",
    "DatedRents",
    "Events",
    "LlmClasses",
    "dated_rents",
    "events",
    "llm_classes",
]

# Prices of different markets are different prices: none of them continues another.
RENT_MARKETS = (
    "contract_1y",
    "on_demand",
    "hyperscaler_list",
    "hyperscaler_commitment",
    "capacity_block",
    "spot",
    "marketplace",
    "index",
)
# Closed models are told apart by generation and size as their makers sell them, open ones by their parameters.
LLM_CLASSES = (
    "gpt-4-generation",
    "closed-flagship",
    "closed-small",
    "open-up-to-20b",
    "open-20b-to-60b",
    "open-60b-to-100b",
    "open-over-100b",
)

# How well the day of an event is known; of a month, ``as_of`` is the first.
EVENT_PRECISIONS = ("day", "month")


class DatedRents(Sourced):
    """What an accelerator-hour was rented for on a day, by who told it: single figures, each cited.

    ``seller`` is who asked the price, or who published the figure (``market`` where different people told of the
    same market). ``usd_low`` and ``usd_high`` are the ends where a range was told; the price is then its middle.
    """

    rent_id = dy.String(primary_key=True, min_length=1)
    seller = dy.String(nullable=False, min_length=1)
    market = dy.Enum(RENT_MARKETS, nullable=False)
    accelerator = dy.String(nullable=False)
    terms = dy.String(nullable=False)
    tier = dy.String(nullable=True)
    usd_per_accelerator_hour = dy.Float64(nullable=False, min=0.01, max=200)
    usd_low = dy.Float64(nullable=True, min=0.01, max=200)
    usd_high = dy.Float64(nullable=True, min=0.01, max=200)

    @dy.rule()
    def middle_lies_within_its_range(cls) -> pl.Expr:
        """A price lies between the ends of its range."""
        price = pl.col("usd_per_accelerator_hour")
        return pl.col("usd_low").is_null() | price.is_between("usd_low", "usd_high")


class LlmClasses(Sourced):
    """Closed model, under the name a host sells it by -> class. Matching is that of `LlmNames`."""

    name = dy.String(primary_key=True, min_length=1)
    llm_class = dy.Enum(LLM_CLASSES, nullable=False)


class Events(Sourced):
    """What happened on a day to prices or silicon: ``who`` did what. ``change`` is the fraction a price moved by."""

    event_id = dy.String(primary_key=True, min_length=1)
    who = dy.String(nullable=False, min_length=1)
    title = dy.String(nullable=False, min_length=1, max_length=60)
    change = dy.Float64(nullable=True, min=-1, max=10)
    precision = dy.Enum(EVENT_PRECISIONS, nullable=False)


@cache
def dated_rents() -> dy.DataFrame[DatedRents]:
    """Single dated rents of accelerators, from indices, sellers' lists and reports."""
    frame = sourced_table("dated_rents", DatedRents)
    orphans = sorted(set(frame["accelerator"]) - set(accelerators()["accelerator"]))
    if orphans:
        raise ReferenceDataError(f"refdata/dated_rents.csv: no accelerator {', '.join(orphans)}")
    return frame


@cache
def llm_classes() -> dy.DataFrame[LlmClasses]:
    """Classes of closed models; open models are classed by `market.dated_prices` from their parameters."""
    return sourced_table("llm_classes", LlmClasses)


@cache
def events() -> dy.DataFrame[Events]:
    """Dated events of clouds and networks, for the history of prices."""
    return sourced_table("events", Events)
