"""Render: the live price of its token and what is burned, beside dated rates; it has no price list to ask.

Endpoint: none for rates. The token's spot price comes from https://coins.llama.fi, https://api.coingecko.com
and https://api.coinbase.com; what is burned from POST https://infra.shikumi.cc/api/v1/epochBurnStats and
https://stats.renderfoundation.com/epoch-burn-stats-data.json, whichever knows the later epoch; nodes and frames
from https://stats.renderfoundation.com/api/nodes_and_frames. No key. Statistics may fail without cost.
Price includes: what the published example or account says, mostly the GPU-hour of the compute subnet with the
operator's share inside.
Traps: three different things are called the Render price; OctaneBench hours of rendering are no GPU-hours of
inference; what a node asks or earns is not what a renter pays. The rates are of layer ``reference``, with the
day they were seen; only the token and the statistics are live. The fields of the statistics are known from
other readers only: amounts are texts or numbers, ids from 10,000 up are no epochs, the newest epoch may still
run, and no row tells its date.
Seen: 2026-05.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from depin_compare.errors import SourceError
from depin_compare.market.offers import Offers
from depin_compare.market.reference import reference_offers
from fetchers.contract import (
    Fetcher,
    FetchResult,
    Recording,
    Rows,
    RowSkipped,
    checked_number,
    checked_whole,
    fetch_result,
    recording,
)
from fetchers.http import Answer, SourceSession
from fetchers.spot_prices import HOSTS, add_token_price, ask_spot_prices, spot_prices

__all__ = ["FETCHER", "fetch", "parse"]

COIN = "render-token"
STATS_HOST = "stats.renderfoundation.com"
LEDGER_HOST = "infra.shikumi.cc"
LEDGER_URL = f"https://{LEDGER_HOST}/api/v1/epochBurnStats"
BURN_URL = f"https://{STATS_HOST}/epoch-burn-stats-data.json"
NODES_URL = f"https://{STATS_HOST}/api/nodes_and_frames"
STATISTICS = ("burn/ledger", "burn/dashboard", "nodes")

EPOCHS = 4
LAST_EPOCH_ID = 10_000
# A year emits under 10 million RENDER: more in a week is another unit.
MOST_RENDER_PER_EPOCH = 1e6


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask the givers of spot prices for RENDER, and for the foundation's statistics."""
    answers = ask_spot_prices(session, (COIN,), source="render", observed_at=observed_at)
    answers += [
        session.try_answer("burn/ledger", LEDGER_URL, json={"start": 0}),
        session.try_answer("burn/dashboard", BURN_URL),
        session.try_answer("nodes", NODES_URL),
    ]
    return recording("render", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """The token's price and the statistics as facts, and the packaged rates not later than that day as offers."""
    rows = Rows("render", observed_at)
    givers = tuple(answer for answer in recording.answers if answer.name not in STATISTICS)
    prices = Recording(source=recording.source, recorded_at=recording.recorded_at, answers=givers)
    found, problems = spot_prices(prices, (COIN,), observed_at=observed_at)
    rows.problems += problems
    add_token_price(rows, network="render", token="RENDER", spot=found[COIN])
    _burned(rows, recording)
    _nodes(rows, recording)
    result = fetch_result(rows)
    rates = reference_offers(["render"], as_of=observed_at.date())
    return FetchResult(
        offers=Offers.validate(pl.concat([result.offers, rates])),
        skipped=result.skipped,
        facts=result.facts,
        problems=result.problems,
    )


def _burned(rows: Rows, recording: Recording) -> None:
    """RENDER burned and paid out in the mean of the last whole epochs, from the list that reaches furthest."""
    read: list[tuple[str, dict[int, Mapping[str, Any]]]] = []
    failures: list[str] = []
    for name, url in (("burn/ledger", LEDGER_URL), ("burn/dashboard", BURN_URL)):
        try:
            epochs = _epochs(recording, recording.answer(name))
        except SourceError as error:
            failures.append(str(error))
            continue
        read.append((url, epochs))
    if not read:
        rows.problems.append(f"no burn statistics: {'; '.join(failures)}")
        return
    url, epochs = max(read, key=lambda pair: max(pair[1]))
    # The newest may still run.
    whole = sorted(epochs)[-EPOCHS - 1 : -1]
    if len(whole) < EPOCHS:
        rows.problems.append(f"no burn statistics: {len(whole)} whole epochs, too few for a mean of {EPOCHS}")
        return
    for metric, fields in (
        ("burned_per_epoch", ("burnedRender", "burned")),
        ("node_rewards_per_epoch", ("nodeOperatorReward",)),
    ):
        try:
            amounts = [_amount(epochs[number], fields) for number in whole]
        except RowSkipped as skipped:
            rows.problems.append(f"no {metric}: {skipped.reason}")
            continue
        told = [amount for amount in amounts if amount is not None]
        if len(told) < len(amounts):
            continue
        rows.fact(
            network="render",
            metric=metric,
            value=sum(told) / len(told),
            unit="RENDER per epoch",
            source_url=url,
            note=f"mean of epochs {whole[0]} to {whole[-1]}, a week each; {max(epochs)} may still run",
        )


def _epochs(recording: Recording, answer: Answer) -> dict[int, Mapping[str, Any]]:
    """Rows by epoch, bare or in an envelope."""
    document = recording.json(answer)
    for key in ("data", "epochs"):
        if isinstance(document, Mapping) and key in document:
            document = document[key]
    epochs: dict[int, Mapping[str, Any]] = {}
    for row in document if isinstance(document, list) else ():
        number = row.get("id") if isinstance(row, Mapping) else None
        if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < LAST_EPOCH_ID:
            epochs.setdefault(number, row)
    if not epochs:
        raise SourceError("render", f"{answer.url} $", seen="no epoch", expected="a list of epochs with an id")
    return epochs


def _amount(epoch: Mapping[str, Any], fields: tuple[str, ...]) -> float | None:
    """An amount of RENDER, by the first of these names that is there."""
    for name in fields:
        amount = checked_number(epoch.get(name), name, text=True)
        if amount is not None:
            if not 0 <= amount <= MOST_RENDER_PER_EPOCH:
                raise RowSkipped.unreadable(f"{name} is {amount:g} in one week, implausible")
            return amount
    return None


def _nodes(rows: Rows, recording: Recording) -> None:
    """Nodes listed, and frames ever rendered."""
    try:
        document = recording.json(recording.answer("nodes"))
        if not isinstance(document, Mapping):
            raise SourceError("render", f"{NODES_URL} $", seen="no object", expected="nodes and frames")
        for key, metric in (("nodes", "nodes_total"), ("frames", "frames_rendered")):
            count = checked_whole(document.get(key), key)
            if count is None:
                raise SourceError("render", f"{NODES_URL} $.{key}", seen="null", expected="a count")
            rows.fact(network="render", metric=metric, value=float(count), unit=key, source_url=NODES_URL)
    except (SourceError, RowSkipped) as error:
        rows.problems.append(f"no count of nodes: {error}")


FETCHER = Fetcher(
    name="render",
    title="Render Network",
    kind="network",
    gives="spot price of RENDER, burn per epoch, nodes; its published rates are dated references",
    terms="no licence or terms of the answers known; token price by the free tiers of DefiLlama, "
    "CoinGecko and Coinbase",
    networks=("render",),
    hosts=(*HOSTS, LEDGER_HOST, STATS_HOST),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=90.0,
    limit_age_days=14.0,  # what it gives live is the price of a token; its rates are dated references
)
