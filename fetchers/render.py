"""Render: the live price of its token beside the dated rates it has published; it has no price list to ask.

Endpoint: none for rates. The token's spot price comes from https://coins.llama.fi, https://api.coingecko.com
and https://api.coinbase.com; no key.
Price includes: what the published example or account says, mostly the GPU-hour of the compute subnet with the
operator's share inside.
Traps: three different things are called the Render price; OctaneBench hours of rendering are no GPU-hours of
inference; what a node asks or earns is not what a renter pays. The rates are of layer ``reference``, with the
day they were seen; only the token is live.
Seen: 2026-05.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from depin_compare.market.offers import Offers
from depin_compare.market.reference import reference_offers
from fetchers.contract import Fetcher, FetchResult, Recording, Rows, fetch_result, recording
from fetchers.http import SourceSession
from fetchers.spot_prices import HOSTS, add_token_price, ask_spot_prices, spot_prices

__all__ = ["FETCHER", "fetch", "parse"]

COIN = "render-token"


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask the givers of spot prices for RENDER."""
    answers = ask_spot_prices(session, (COIN,), source="render", observed_at=observed_at)
    return recording("render", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """The token's price as a fact, and the packaged rates not later than that day as offers."""
    rows = Rows("render", observed_at)
    found, problems = spot_prices(recording, (COIN,), observed_at=observed_at)
    rows.problems += problems
    add_token_price(rows, network="render", token="RENDER", spot=found[COIN])
    result = fetch_result(rows)
    rates = reference_offers(["render"], as_of=observed_at.date())
    return FetchResult(
        offers=Offers.validate(pl.concat([result.offers, rates])),
        skipped=result.skipped,
        facts=result.facts,
        problems=result.problems,
    )


FETCHER = Fetcher(
    name="render",
    title="Render Network",
    gives="spot price of RENDER; its published rates are dated references",
    networks=("render",),
    hosts=HOSTS,
    fetch=fetch,
    parse=parse,
    time_budget_seconds=60.0,
)
