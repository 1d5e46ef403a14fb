"""Spot prices of network tokens, shared by the sources that need one; not a source itself.

DefiLlama and CoinGecko are both asked, so that one can be checked against the other; Coinbase only for what
neither gave. A price counts when it is younger than an hour at the moment the answers stand for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from depin_compare.errors import SourceError
from fetchers.contract import Recording, Rows, RowSkipped, checked_number
from fetchers.http import NO_ANSWER, Answer, SourceSession

__all__ = ["HOSTS", "Spot", "add_token_price", "ask_spot_prices", "spot_prices"]

HOSTS = ("coins.llama.fi", "api.coingecko.com", "api.coinbase.com")
LLAMA_URL = "https://coins.llama.fi/prices/current/"
COINGECKO_URL = "https://api.coingecko.com/api/v3/simple/price"
COINBASE_URL = "https://api.coinbase.com/v2/prices/{symbol}-USD/spot"

OLDEST = timedelta(hours=1)
# Clocks differ a little; a price from further ahead is no spot price.
AHEAD = timedelta(minutes=10)
MAX_DISAGREEMENT = 0.05
# By CoinGecko id; DefiLlama uses the same ids. IO is not traded at Coinbase.
COINBASE_SYMBOLS = MappingProxyType({"akash-network": "AKT", "render-token": "RENDER"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """The price of one token, who gave it and for when."""

    usd: float
    at: datetime
    giver: str
    source_url: str
    listed_price: str


def ask_spot_prices(
    session: SourceSession, coins: tuple[str, ...], *, source: str, observed_at: datetime
) -> list[Answer]:
    """Ask for these CoinGecko ids: two givers, and the exchange for what both lack."""
    answers = [
        session.try_answer("defillama", LLAMA_URL + ",".join(f"coingecko:{coin}" for coin in coins)),
        session.try_answer(
            "coingecko",
            COINGECKO_URL,
            params={"ids": ",".join(coins), "vs_currencies": "usd", "include_last_updated_at": "true"},
        ),
    ]
    taken = Recording(source=source, recorded_at=observed_at, answers=tuple(answers))
    given, _ = _given(taken, coins, observed_at)
    for coin in coins:
        if not given[coin] and coin in COINBASE_SYMBOLS:
            symbol = COINBASE_SYMBOLS[coin]
            answers.append(session.try_answer(f"coinbase/{coin}", COINBASE_URL.format(symbol=symbol)))
    return answers


def spot_prices(
    recording: Recording, coins: tuple[str, ...], *, observed_at: datetime
) -> tuple[dict[str, Spot], list[str]]:
    """Prices by CoinGecko id, and what was wrong: ids without a price, givers that disagree.

    A giver that failed is no problem while another gave the price. With none at all, a `SourceError` says
    what each of them answered.
    """
    given, failures = _given(recording, coins, observed_at)
    found = {coin: spots[0] for coin, spots in given.items() if spots}
    if not found:
        raise SourceError(
            recording.source,
            ", ".join(dict.fromkeys(answer.url.partition("?")[0] for answer in recording.answers)) or "$",
            seen="; ".join(failures) or "no answer",
            expected=f"a price not older than {OLDEST.total_seconds() / 3600:g} h",
            unreachable=all(answer.status == NO_ANSWER for answer in recording.answers),
        )
    problems = [f"no price of {coin}: {'; '.join(failures)}" for coin in coins if coin not in found]
    for coin, spots in given.items():
        if len(spots) > 1 and abs(spots[1].usd / spots[0].usd - 1) > MAX_DISAGREEMENT:
            problems.append(
                f"{coin}: {spots[0].giver} says {spots[0].usd:g} USD, {spots[1].giver} {spots[1].usd:g}; "
                f"the first is used"
            )
    return found, problems


def add_token_price(rows: Rows, *, network: str, token: str, spot: Spot) -> None:
    """Add the fact "this token costs that much" to the rows."""
    rows.fact(
        network=network,
        metric="token_price",
        subject=token,
        value=spot.usd,
        unit=f"USD per {token}",
        source_url=spot.source_url,
        kind="third_party",
        observed_at=spot.at,
        note=f"spot price by {spot.giver}",
    )


def _given(
    recording: Recording, coins: tuple[str, ...], observed_at: datetime
) -> tuple[dict[str, list[Spot]], list[str]]:
    """Every price of every giver, in the order they were asked, and why others gave none."""
    given: dict[str, list[Spot]] = {coin: [] for coin in coins}
    failures: list[str] = []
    for answer in recording.answers:
        giver, _, only = answer.name.partition("/")
        for coin in (only,) if only in given else coins:
            try:
                given[coin].append(_spot(recording, answer, giver, coin, observed_at))
            except RowSkipped as skipped:
                failures.append(f"{giver}: {coin}: {skipped}")
            except SourceError as error:
                failures.append(f"{giver}: {error.seen}")
                break
    return given, failures


def _spot(recording: Recording, answer: Answer, giver: str, coin: str, observed_at: datetime) -> Spot:
    """One price out of one answer, or `RowSkipped` with the reason."""
    document = recording.json(answer)
    if giver == "defillama":
        row = _object(_object(document, "coins"), f"coingecko:{coin}")
        listed, seconds = row.get("price"), row.get("timestamp")
    elif giver == "coingecko":
        row = _object(document, coin)
        listed, seconds = row.get("usd"), row.get("last_updated_at")
    else:
        row = _object(document, "data")
        listed, seconds = row.get("amount"), observed_at.timestamp()
        if row.get("base") != COINBASE_SYMBOLS.get(coin) or row.get("currency") != "USD":
            raise RowSkipped.unreadable(f"a price of {row.get('base')!r} in {row.get('currency')!r}")
    usd = checked_number(listed, "the price", text=giver == "coinbase")
    if usd is None or usd <= 0:
        raise RowSkipped.unreadable(f"the price is {usd}")
    at = _moment(seconds)
    if not observed_at - OLDEST <= at <= observed_at + AHEAD:
        raise RowSkipped.unreadable(f"the price is of {at:%Y-%m-%d %H:%M} UTC")
    return Spot(
        usd=usd,
        at=min(at, observed_at),
        giver=giver,
        source_url=answer.url,
        listed_price=str(listed),
    )


def _object(node: object, key: str) -> Mapping[str, object]:
    value = node.get(key) if isinstance(node, Mapping) else None
    if not isinstance(value, Mapping):
        raise RowSkipped.unreadable(f"no object {key!r}")
    return value


def _moment(seconds: object) -> datetime:
    number = checked_number(seconds, "the time of the price")
    if number is None or not 0 <= number < 2**33:
        raise RowSkipped.unreadable(f"the time of the price is {number}")
    return datetime.fromtimestamp(number, UTC)
