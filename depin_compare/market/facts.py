"""Facts about a network that are not prices of capacity: utilisation, token price, counts, take rates."""

from __future__ import annotations

import dataframely as dy

from depin_compare.doors import Schema
from depin_compare.market.offers import LAYERS
from depin_compare.refdata import KINDS

__all__ = ["NetworkFacts"]


class NetworkFacts(Schema):
    """One fact a row, long format.

    ``metric`` names the quantity (``token_price``, ``utilisation``, ``gpus_total`` …); ``subject`` narrows it:
    an accelerator id, a token symbol, or null for the whole network. ``unit`` is spelled out (``USD per AKT``,
    ``fraction``).
    """

    network = dy.String(nullable=False, min_length=1)
    metric = dy.String(nullable=False, min_length=1)
    subject = dy.String(nullable=True)
    value = dy.Float64(nullable=False)
    unit = dy.String(nullable=False, min_length=1)
    observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=False)
    kind = dy.Enum(KINDS, nullable=False)
    source = dy.String(nullable=False, min_length=1)
    layer = dy.Enum(LAYERS, nullable=False)
    source_url = dy.String(nullable=False, min_length=1)
    note = dy.String(nullable=True)
