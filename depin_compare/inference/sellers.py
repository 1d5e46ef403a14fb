"""What a seller's hour costs besides its price: the buyer's fee, time without an answer, lost work, traffic out."""

from __future__ import annotations

from collections.abc import Iterable

import dataframely as dy
import polars as pl

from depin_compare.bands import Band
from depin_compare.doors import Schema
from depin_compare.market.facts import NetworkFacts
from depin_compare.refdata import KINDS
from depin_compare.refdata.assumption_set import AssumptionSet

__all__ = ["SELLER_ITEMS", "SIDES", "SellerTerms", "published_band", "seller_terms"]

SIDES = ("network", "cloud")
SELLER_ITEMS = ("buyer_fee", "availability", "rework_share", "egress_usd_per_gb", "bytes_out_per_token")
_FACT_OF_ITEM = {"buyer_fee": "fee_buyer", "availability": "availability", "egress_usd_per_gb": "egress_usd_per_gb"}
_BY_SIDE = ("availability", "rework_share", "egress_usd_per_gb")


class SellerTerms(Schema):
    """One row a seller x item, low to high; null, with the reason, where the seller publishes nothing.

    ``buyer_fee`` is a fraction added to the tenant's bill; ``availability`` the share of paid time a machine
    answers; ``rework_share`` the share of work lost at restarts; ``egress_usd_per_gb`` the price of traffic to the
    internet; ``bytes_out_per_token`` the traffic of an output token. ``source_id`` names a source of the
    reference data, a fetcher, or ``your-job-file``.
    """

    seller = dy.String(primary_key=True, min_length=1)
    side = dy.Enum(SIDES, nullable=False)
    item = dy.Enum(SELLER_ITEMS, primary_key=True)
    low = dy.Float64(nullable=True, min=0)
    central = dy.Float64(nullable=True, min=0)
    high = dy.Float64(nullable=True, min=0)
    unit = dy.String(nullable=False)
    kind = dy.Enum(KINDS, nullable=True)
    source_id = dy.String(nullable=True)
    not_known = dy.String(nullable=True)


_UNITS = {
    "buyer_fee": "fraction of price",
    "availability": "fraction",
    "rework_share": "fraction",
    "egress_usd_per_gb": "USD per GB",
    "bytes_out_per_token": "byte per token",
}


def published_band(facts: pl.DataFrame, network: str, metric: str) -> tuple[Band, str, str] | None:
    """A rate over a network's ways to pay, with its kind and source; None where the network publishes nothing.

    The middle of the ways to pay is the central value: nobody publishes how much is paid in which.
    """
    rows = facts.filter(pl.col("network") == network, pl.col("metric") == metric).sort("value", "source")
    if rows.is_empty():
        return None
    low, high = float(rows["value"][0]), float(rows["value"][-1])
    return Band(low, (low + high) / 2.0, high), str(rows["kind"][0]), str(rows["source"][0])


def seller_terms(
    sellers: Iterable[tuple[str, str]], facts: dy.DataFrame[NetworkFacts], assumptions: AssumptionSet
) -> dy.DataFrame[SellerTerms]:
    """What every seller publishes, and the assumption for its side where it publishes nothing.

    Parameters
    ----------
    sellers : iterable of (str, str)
        Network or cloud, and its side: ``network`` or ``cloud``.
    facts : DataFrame[NetworkFacts]
        ``fee_buyer``, ``availability`` and ``egress_usd_per_gb``, valid on the day of the analysis.
    assumptions : AssumptionSet
        ``availability_*``, ``rework_share_*``, ``egress_usd_per_gb_*`` by side, and ``bytes_out_per_token``.

    Returns
    -------
    DataFrame[SellerTerms]
        Five rows a seller. The buyer's fee is never assumed: where a network publishes none it stays null. A
        cloud's price list is the bill, so its fee is nothing.
    """
    rows: list[dict[str, object]] = []
    for seller, side in sorted(set(sellers)):
        for item in SELLER_ITEMS:
            row: dict[str, object] = {"seller": seller, "side": side, "item": item, "unit": _UNITS[item]}
            told = published_band(facts, seller, _FACT_OF_ITEM[item]) if item in _FACT_OF_ITEM else None
            if told is not None:
                band, kind, source = told
                rows.append(row | _ends(band) | {"kind": kind, "source_id": source})
            elif item == "buyer_fee":
                reason = f"{seller} publishes no fee on top of its price" if side == "network" else None
                rows.append(row | (_ends(Band.certain(0.0)) if side == "cloud" else {}) | {"not_known": reason})
            else:
                parameter = f"{item}_{side}" if item in _BY_SIDE else item
                assumed = assumptions.frame.filter(pl.col("parameter") == parameter)
                rows.append(
                    row
                    | _ends(assumptions[parameter])
                    | {"kind": str(assumed["kind"][0]), "source_id": str(assumed["source_id"][0])}
                )
    return SellerTerms.validate(pl.DataFrame(rows, schema=SellerTerms.create_empty().schema))


def _ends(band: Band) -> dict[str, object]:
    return {"low": band.low, "central": band.central, "high": band.high}
