"""Whole catalogues, offer by offer: what each one charges for the work, beside the four references of the clouds."""

from __future__ import annotations

from collections.abc import Collection

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.errors import UnknownNameError
from depin_compare.inference.references import REFERENCES, HourlyReferences
from depin_compare.inference.sellers import SellerTerms
from depin_compare.inference.throughput import Throughputs
from depin_compare.market.offers import RENTER_PRICE_KINDS, Offers
from depin_compare.units import usd_per_mtok

__all__ = ["OFFER_MATCHES", "OfferComparison", "compare_offers"]

OFFER_MATCHES = ("cheapest", "same_chip")


class OfferComparison(Schema):
    """One row an offer, in the order of the offers: its unit price and its advantage over four references.

    Prices are USD per million output tokens, prompts and the buyer's fee included. Where the work can't be equal the
    numbers are null and ``not_comparable`` says why; a single reference nobody prints leaves its own two columns null.
    """

    source = dy.String(nullable=False)
    offer_id = dy.String(nullable=False)
    network = dy.String(nullable=False)
    accelerator = dy.String(nullable=True)
    usd_per_accelerator_hour = dy.Float64(nullable=True)
    usd_per_mtok = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_list = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_committed = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_modelled_cost = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_cost_plus_margin = dy.Float64(nullable=True, min_exclusive=0)
    advantage_list = dy.Float64(nullable=True, max=1)
    advantage_committed = dy.Float64(nullable=True, max=1)
    advantage_modelled_cost = dy.Float64(nullable=True, max=1)
    advantage_cost_plus_margin = dy.Float64(nullable=True, max=1)
    not_comparable = dy.String(nullable=True)


def compare_offers(
    offers: dy.DataFrame[Offers],
    references: dy.DataFrame[HourlyReferences],
    throughputs: dy.DataFrame[Throughputs],
    llm: str,
    workload: str,
    *,
    terms: dy.DataFrame[SellerTerms] | None = None,
    clouds: Collection[str] | None = None,
    silicon: Collection[str] | None = None,
    match: str = "cheapest",
) -> dy.DataFrame[OfferComparison]:
    """Every offer of a catalogue against the four references, for one LLM and one workload.

    Parameters
    ----------
    offers : DataFrame[Offers]
        Any number of them; each is compared alone, none is averaged with another.
    references : DataFrame[HourlyReferences]
        What clouds charge and pay, see `depin_compare.inference.references.hourly_references`.
    throughputs : DataFrame[Throughputs]
        Tokens per second of every chip on both sides.
    llm, workload : str
        What is served.
    terms : DataFrame[SellerTerms], optional
        For the buyer's fees; without them, and where a network publishes none, the offer's price is the bill.
    clouds, silicon : collection of str, optional
        References to take; all by default.
    match : str
        ``cheapest``: of those references the chip that does the work for the least, one price for all offers;
        ``same_chip``: the cheapest cloud's offer of the very chip.

    Returns
    -------
    DataFrame[OfferComparison]
        As many rows as offers, in their order.

    Raises
    ------
    UnknownNameError
        If the LLM, the workload, a cloud, a silicon or the match does not exist in the frames.

    Notes
    -----
    Work is done once a chip and once a network; an offer costs two look-ups and eight divisions.
    """
    work = throughputs.filter(pl.col("llm") == llm, pl.col("workload") == workload)
    if work.is_empty():
        told = throughputs.filter(pl.col("llm") == llm)
        if told.is_empty():
            raise UnknownNameError("LLM", llm, throughputs["llm"].unique())
        raise UnknownNameError("workload", workload, told["workload"].unique())
    if match not in OFFER_MATCHES:
        raise UnknownNameError("match", match, OFFER_MATCHES)
    rates = work.select("accelerator", pl.col("tokens_per_second_per_accelerator").alias("rate"),
                        pl.col("not_comparable").alias("unfit"))  # fmt: skip
    by_chip = rates.join(_reference_prices(references, rates, clouds, silicon, match), on="accelerator", how="left")
    joined = (
        offers.lazy()
        .select("source", "offer_id", "network", "accelerator", "usd_per_accelerator_hour", "not_comparable",
                pl.col("price_kind").is_in(RENTER_PRICE_KINDS).alias("rentable"))
        .join(by_chip.lazy(), on="accelerator", how="left", maintain_order="left")
        .join(_fees(terms).lazy(), on="network", how="left", maintain_order="left")
    )  # fmt: skip
    bill = pl.col("usd_per_accelerator_hour") * (1.0 + pl.col("fee").fill_null(0.0))
    fit = pl.col("rentable") & pl.col("not_comparable").is_null()
    unit = pl.col("usd_per_mtok")
    told_why = pl.coalesce(
        "not_comparable",
        pl.when(~pl.col("rentable")).then(pl.lit("what a host is paid is no renter's price")),
        "unfit",
        pl.when(pl.col("rate").is_null()).then(pl.lit("no throughput is known for this chip")),
        pl.when(pl.all_horizontal(pl.col(f"usd_per_mtok_{name}").is_null() for name in REFERENCES)).then(
            pl.lit("no cloud among those asked sells work to compare with")
        ),
    )
    frame = (
        joined.with_columns(pl.when(fit).then(usd_per_mtok(bill, pl.col("rate"))).alias("usd_per_mtok"))
        .with_columns(
            *((1.0 - unit / pl.col(f"usd_per_mtok_{name}")).alias(f"advantage_{name}") for name in REFERENCES),
            told_why.alias("not_comparable"),
        )
        .select(OfferComparison.column_names())
        .collect()
    )
    return OfferComparison.validate(frame)


def _reference_prices(
    references: pl.DataFrame,
    rates: pl.DataFrame,
    clouds: Collection[str] | None,
    silicon: Collection[str] | None,
    match: str,
) -> pl.DataFrame:
    """One row a chip an offer may have, one column a reference: the clouds' unit price it is compared with."""
    asked = references.with_columns(pl.col("silicon", "reference").cast(pl.String))
    for column, wanted in (("cloud", clouds), ("silicon", silicon)):
        if wanted is None:
            continue
        known = asked[column].unique().to_list()
        for unknown in sorted(set(wanted) - set(known)):
            raise UnknownNameError(column, unknown, known)
        asked = asked.filter(pl.col(column).is_in(list(wanted)))
    priced = asked.join(rates, on="accelerator", how="inner").select(
        "accelerator",
        "reference",
        usd_per_mtok(pl.col("usd_per_accelerator_hour"), pl.col("rate")).alias("price"),
    )
    cheapest = [
        pl.col("price").filter(pl.col("reference") == name).min().alias(f"usd_per_mtok_{name}") for name in REFERENCES
    ]
    if match == "same_chip":
        return priced.group_by("accelerator").agg(cheapest)
    return rates.select("accelerator").join(priced.select(cheapest), how="cross")


def _fees(terms: pl.DataFrame | None) -> pl.DataFrame:
    if terms is None:
        return pl.DataFrame(schema={"network": pl.String, "fee": pl.Float64})
    return terms.filter(pl.col("item") == "buyer_fee").select(
        pl.col("seller").alias("network"), pl.col("central").alias("fee")
    )
