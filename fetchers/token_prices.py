"""Spot prices of the tokens that Akash and io.net pay with.

Endpoint: GET https://coins.llama.fi/prices/current/..., https://api.coingecko.com/api/v3/simple/price and, for
what both lack, https://api.coinbase.com/v2/prices/AKT-USD/spot; no key.
Price includes: nothing but the token; USD per token, no fee of an exchange.
Traps: an id nobody knows is absent without a word; old prices come with the time of long ago; CoinGecko answers
429 often; Coinbase gives the amount as text, without a time, and does not trade IO.
Seen: 2026-09.
"""

from __future__ import annotations

from datetime import datetime

from fetchers.contract import Fetcher, FetchResult, Recording, Rows, fetch_result, recording
from fetchers.http import SourceSession
from fetchers.spot_prices import HOSTS, add_token_price, ask_spot_prices, spot_prices

__all__ = ["FETCHER", "fetch", "parse"]

# CoinGecko id -> network and token.
TOKENS = {"akash-network": ("akash", "AKT"), "io": ("ionet", "IO")}


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask the givers of spot prices."""
    answers = ask_spot_prices(session, tuple(TOKENS), source="token_prices", observed_at=observed_at)
    return recording("token_prices", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """One fact a token; no offers."""
    rows = Rows("token_prices", observed_at)
    found, problems = spot_prices(recording, tuple(TOKENS), observed_at=observed_at)
    rows.problems += problems
    for coin, spot in found.items():
        network, token = TOKENS[coin]
        add_token_price(rows, network=network, token=token, spot=spot)
    return fetch_result(rows)


FETCHER = Fetcher(
    name="token_prices",
    title="Spot prices of AKT and IO",
    kind="token prices",
    gives="USD per token",
    terms="free tiers of DefiLlama, CoinGecko and Coinbase under their own terms",
    networks=("akash", "ionet"),
    hosts=HOSTS,
    fetch=fetch,
    parse=parse,
    time_budget_seconds=60.0,
)
