"""The Offers frame: priced accelerator capacity, one row an offer, whatever the source called it."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.refdata import KINDS

__all__ = [
    "LAYERS",
    "MAX_USD_PER_ACCELERATOR_HOUR",
    "MIN_USD_PER_ACCELERATOR_HOUR",
    "PRICE_KINDS",
    "RENTER_PRICE_KINDS",
    "SEGMENTS",
    "SKIP_KINDS",
    "TERMS",
    "Offers",
    "Skipped",
]

SEGMENTS = ("decentralized", "marketplace", "neocloud", "hyperscaler")
TERMS = (
    "on_demand",
    "spot",
    "reserved_1y",
    "reserved_3y",
    "savings_1y",
    "savings_3y",
    "capacity_block",
    "flex_start",
)
# ask: a supplier's offer that can be taken; bid: a supplier's bid on a network that auctions (Akash);
# list: a price list; rate_card: a network's fixed card; reward: what the host gets, never what a renter
# pays; indicative: a published example or second-hand figure nobody is bound by.
PRICE_KINDS = ("ask", "bid", "list", "rate_card", "reward", "indicative")
RENTER_PRICE_KINDS = ("ask", "bid", "list", "rate_card", "indicative")
LAYERS = ("live", "stored", "reference")
SKIP_KINDS = ("out_of_scope", "duplicate", "unreadable")

# A cent and 200 USD an hour: below lies rounding to zero, above a whole machine read as one chip.
MIN_USD_PER_ACCELERATOR_HOUR = 0.01
MAX_USD_PER_ACCELERATOR_HOUR = 200.0


class Offers(Schema):
    """Priced accelerator capacity.

    Prices are USD per accelerator and hour, before buyer-side fees, with what the source includes (disk,
    traffic) told in the source's own docstring. A row without a comparable price is allowed only with
    ``not_comparable`` saying why. ``kind`` says how the price is known (null for what the seller itself just
    answered, which is published); ``source_id`` names the row of the sources table behind a reference price.
    """

    source = dy.String(nullable=False, min_length=1)
    offer_id = dy.String(nullable=False, min_length=1)
    network = dy.String(nullable=False, min_length=1)
    segment = dy.Enum(SEGMENTS, nullable=False)
    accelerator = dy.String(nullable=True, min_length=1)
    accelerator_name = dy.String(nullable=False)
    accelerator_count = dy.Int64(nullable=False, min=1)
    memory_gib = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_accelerator_hour = dy.Float64(
        nullable=True, min=MIN_USD_PER_ACCELERATOR_HOUR, max=MAX_USD_PER_ACCELERATOR_HOUR
    )
    terms = dy.Enum(TERMS, nullable=False)
    tier = dy.String(nullable=True)
    price_kind = dy.Enum(PRICE_KINDS, nullable=False)
    region = dy.String(nullable=True)
    country = dy.String(nullable=True)
    available = dy.Int64(nullable=True, min=0)
    total = dy.Int64(nullable=True, min=0)
    reliability = dy.Float64(nullable=True, min=0, max=1)
    machine_id = dy.String(nullable=True)
    upstream = dy.String(nullable=True)
    listed_price = dy.String(nullable=False)
    listed_unit = dy.String(nullable=False)
    listed_currency = dy.String(nullable=False)
    observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=False)
    layer = dy.Enum(LAYERS, nullable=False)
    source_url = dy.String(nullable=False, min_length=1)
    kind = dy.Enum(KINDS, nullable=True)
    source_id = dy.String(nullable=True)
    not_comparable = dy.String(nullable=True)
    note = dy.String(nullable=True)

    @dy.rule()
    def priced_or_explained(cls) -> pl.Expr:
        """A missing price or chip has its reason beside it: unknown is never silent."""
        return pl.col("not_comparable").is_not_null() | (
            pl.col("usd_per_accelerator_hour").is_not_null() & pl.col("accelerator").is_not_null()
        )

    @dy.rule()
    def one_row_an_offer(cls) -> pl.Expr:
        """The source's own key names one row."""
        return pl.struct("source", "offer_id").is_unique()


class Skipped(Schema):
    """Rows a parser did not turn into offers, and why: kept as data, so that nothing is lost silently."""

    source = dy.String(nullable=False)
    row_id = dy.String(nullable=False)
    kind = dy.Enum(SKIP_KINDS, nullable=False)
    reason = dy.String(nullable=False, min_length=1)
