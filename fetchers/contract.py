"""What a fetcher is: two functions and a few declared facts.

``fetch(session, *, observed_at) -> Recording`` touches the network and nothing else. ``parse(recording, *,
observed_at) -> FetchResult`` is pure. A `Recording` is the ordered answers of one source; it is what
``--record`` writes and ``--replay`` reads, so a parser can be run again on what was seen years ago.

A bad row is skipped and kept as data with its reason; a payload that can't be read, or of which more than a
fifth can't, is a `SourceError`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import dataframely as dy
import polars as pl

from depin_compare.errors import SourceError
from depin_compare.market.accelerators import identify
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.freshness import AgeLimits
from depin_compare.market.offers import (
    MAX_USD_PER_ACCELERATOR_HOUR,
    MIN_USD_PER_ACCELERATOR_HOUR,
    Offers,
    Skipped,
)
from depin_compare.market.token_prices import (
    MAX_USD_PER_MTOK,
    MIN_USD_PER_MTOK,
    TokenPrices,
    llm_id,
    token_host,
)
from fetchers.http import MAX_BODY_BYTES, NO_ANSWER, REFUSED, Answer

__all__ = [
    "Answer",
    "Chip",
    "FetchResult",
    "Fetcher",
    "Recording",
    "RowSkipped",
    "Rows",
    "SourceKind",
    "checked_number",
    "checked_object",
    "checked_price",
    "checked_text",
    "checked_whole",
    "country_or_none",
    "fetch_result",
    "recording",
    "text_or_none",
]

# catalogue: prices of others' capacity, second hand; token prices: what networks' own tokens cost; hosted token
# prices: what hosts ask for a million tokens of a model.
SourceKind = Literal["network", "marketplace", "cloud", "catalogue", "token prices", "hosted token prices"]
# Expected age and limit of a source's numbers, where it declares no own ones. A day and a night may pass between two
# looks at a market of asks, and after two months half of its hosts have changed; clouds change lists by decision, a few
# times a year; catalogues are written anew every day or more often, from markets; a token's price is of the hour, and
# may have halved in two weeks; hosts reprice models with every release, weeks to months apart.
AGES_BY_KIND: Mapping[SourceKind, AgeLimits] = MappingProxyType(
    {
        "network": AgeLimits(1, 60),
        "marketplace": AgeLimits(1, 60),
        "cloud": AgeLimits(7, 180),
        "catalogue": AgeLimits(2, 60),
        "token prices": AgeLimits(1, 14),
        "hosted token prices": AgeLimits(7, 120),
    }
)
# JSON can spell half of a surrogate pair, UTF-8 can't.
ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# Above this share of in-scope rows unreadable, the payload itself has changed: an error, not a smaller catalogue.
MAX_UNREADABLE_SHARE = 0.20
# What an answer that did not come may say of the reason, should a recording hold a whole page there.
MAX_CAUSE_BYTES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The ordered answers of one source, and when they were taken."""

    source: str
    recorded_at: datetime
    answers: tuple[Answer, ...]

    def named(self, name: str) -> tuple[Answer, ...]:
        """All answers of that name, in order (pages)."""
        return tuple(a for a in self.answers if a.name == name)

    def answer(self, name: str) -> Answer:
        """The first answer of that name."""
        found = self.named(name)
        if not found:
            raise SourceError(self.source, name, seen="no such answer in the recording", expected="one")
        return found[0]

    def content(self, answer: Answer) -> bytes:
        """The body of an answer that came, or a `SourceError` that shows why none did."""
        if answer.status in (NO_ANSWER, REFUSED):
            cause = answer.body[:MAX_CAUSE_BYTES].decode("utf-8", "replace")
            raise SourceError(
                self.source,
                _place(answer),
                seen=cause,
                expected="an answer",
                unreachable=answer.status == NO_ANSWER,
            )
        if not 200 <= answer.status < 300:
            raise SourceError(
                self.source, _place(answer), seen=f"HTTP {answer.status} ({_head(answer)})", expected="HTTP 200"
            )
        return answer.body

    def json(self, answer: Answer) -> Any:
        """Decode one answer, or raise a `SourceError` that shows what came instead of JSON."""
        body = self.content(answer)
        try:
            text = body.decode(json.detect_encoding(body))
            document = json.loads(text)
            return _whole(document) if ESCAPED_SURROGATE.search(text) else document
        except (ValueError, RecursionError) as error:
            raise SourceError(
                self.source,
                _place(answer),
                seen=f"{len(answer.body)} bytes that are no JSON ({_head(answer)})",
                expected="JSON",
            ) from error

    def items(self, answer: Answer, *path: str) -> list[Any]:
        """The list at `path` inside one answer; a `SourceError` names the path when something else stands there."""
        node, where = self.json(answer), "$"
        for step in path:
            if not isinstance(node, dict) or step not in node:
                keys = f"keys {', '.join(sorted(map(str, node))[:8])}" if isinstance(node, dict) else _kind(node)
                raise SourceError(self.source, f"{_place(answer)} {where}", seen=keys, expected=f"a key {step!r}")
            node, where = node[step], f"{where}.{step}"
        if not isinstance(node, list):
            raise SourceError(self.source, f"{_place(answer)} {where}", seen=_kind(node), expected="a list")
        return node

    def save(self, folder: Path) -> None:
        """Write one file an answer and an index into `folder`; a former recording there is replaced."""
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("[0-9][0-9][0-9]-*.body"):
            old.unlink()
        index: list[dict[str, Any]] = []
        for number, answer in enumerate(self.answers):
            file = f"{number:03d}-{re.sub(r'[^A-Za-z0-9]+', '-', answer.name).strip('-')[:60]}.body"
            (folder / file).write_bytes(answer.body)
            index.append({"name": answer.name, "url": answer.url, "status": answer.status, "file": file})
        document = {"source": self.source, "recorded_at": self.recorded_at.isoformat(), "answers": index}
        (folder / "index.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, source: str) -> Recording:
        """Read what `save` wrote for `source`."""
        where = folder / "index.json"
        try:
            document = json.loads(where.read_text(encoding="utf-8"))
            if document["source"] != source:
                raise SourceError(source, str(where), seen=f"a recording of {document['source']}", expected=source)
            answers = tuple(
                Answer(
                    name=str(entry["name"]),
                    url=str(entry["url"]),
                    status=int(entry["status"]),
                    # Only the name: an index can't reach out of its folder.
                    body=(folder / Path(entry["file"]).name).read_bytes(),
                )
                for entry in document["answers"]
            )
            recorded_at = datetime.fromisoformat(document["recorded_at"])
        except FileNotFoundError as error:
            raise SourceError(
                source, error.filename or str(where), seen="no such file", expected="a recording made by --record"
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(
                source, str(where), seen=f"{type(error).__name__}: {error}", expected="an index made by --record"
            ) from error
        return cls(source=source, recorded_at=recorded_at, answers=answers)


def recording(source: str, observed_at: datetime, answers: list[Answer]) -> Recording:
    """What `fetch` gives back."""
    return Recording(source=source, recorded_at=observed_at, answers=tuple(answers))


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResult:
    """What a parser made of a recording: offers, facts about the network, and every row it left out.

    ``problems`` are failures of a part of the source (one endpoint, one page) that did not cost the rest.
    ``token_prices`` are empty for a source of capacity.
    """

    offers: dy.DataFrame[Offers]
    skipped: dy.DataFrame[Skipped]
    facts: dy.DataFrame[NetworkFacts]
    token_prices: dy.DataFrame[TokenPrices] = field(default_factory=TokenPrices.create_empty)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """A source: its two functions, the networks it speaks of and the hosts it may talk to.

    ``hosts`` are the published host names the source declares; the session refuses any other, also in
    redirects and paging links. ``time_budget_seconds`` is how long `collect` waits for it. ``key_variable`` names
    the environment variable of its key, which `fetch` finds in ``session.key``; a source that can do without
    has ``key_required`` False. ``max_body_bytes`` is the size at which one answer is given up,
    ``min_pause_seconds`` the least time between two requests to one of its hosts. Beyond ``expected_age_days`` its
    numbers are stale, beyond ``limit_age_days`` they leave the verdict; those of its kind hold where it says nothing
    (`ages`). ``terms`` is its licence or what
    is known of its terms of use.
    """

    name: str
    title: str
    kind: SourceKind
    gives: str
    terms: str
    networks: tuple[str, ...]
    hosts: tuple[str, ...]
    fetch: Callable[..., Recording]
    parse: Callable[..., FetchResult]
    key_variable: str | None = None
    key_required: bool = True
    time_budget_seconds: float = 90.0
    max_body_bytes: int = MAX_BODY_BYTES
    min_pause_seconds: float = 0.25
    expected_age_days: float | None = None
    limit_age_days: float | None = None

    @property
    def ages(self) -> AgeLimits:
        """Expected age and limit of its numbers: its own, else those of its kind."""
        of_kind = AGES_BY_KIND[self.kind]
        return AgeLimits(
            of_kind.expected_age_days if self.expected_age_days is None else self.expected_age_days,
            of_kind.limit_age_days if self.limit_age_days is None else self.limit_age_days,
        )


class RowSkipped(Exception):
    """A row that becomes no offer. Raised while one row is judged, caught by `Rows.judging`."""

    def __init__(self, kind: str, reason: str) -> None:
        self.kind = kind
        self.reason = reason
        super().__init__(reason)

    @classmethod
    def unreadable(cls, reason: str) -> RowSkipped:
        """Unknown name, impossible price, wrong type."""
        return cls("unreadable", reason)

    @classmethod
    def out_of_scope(cls, reason: str) -> RowSkipped:
        """Known, and not ours."""
        return cls("out_of_scope", reason)


@dataclass(frozen=True, slots=True)
class Chip:
    """A chip a row speaks of: its id, or why there is none although its family is known."""

    accelerator: str | None
    not_comparable: str | None


@dataclass(slots=True)
class Rows:
    """Collects the rows of one payload; `fetch_result` turns them into validated frames."""

    source: str
    observed_at: datetime
    offers: list[dict[str, Any]] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    token_prices: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    @contextmanager
    def judging(self, row_id: str) -> Iterator[None]:
        """Judge one row: a `RowSkipped` raised inside is noted and costs this row only."""
        try:
            yield
        except RowSkipped as skipped:
            self.skip(row_id, skipped.kind, skipped.reason)

    def skip(self, row_id: str, kind: str, reason: str) -> None:
        """Note a row that becomes no offer: ``out_of_scope``, ``duplicate`` or ``unreadable``."""
        self.skipped.append({"source": self.source, "row_id": row_id, "kind": kind, "reason": reason})

    def chip(self, name: str, *, memory_gib: float | None = None, interface: str | None = None) -> Chip:
        """The chip of that name; a name nobody knows, or a chip outside the register, skips the row."""
        found = identify(name, memory_gib=memory_gib, interface=interface)
        if found.verdict == "known":
            return Chip(found.accelerator, None)
        if found.verdict == "ambiguous":
            return Chip(None, found.reason)
        raise RowSkipped("out_of_scope" if found.verdict == "outside" else "unreadable", found.reason or name)

    def offer(
        self,
        *,
        offer_id: str,
        network: str,
        segment: str,
        chip: Chip,
        accelerator_name: str,
        usd_per_accelerator_hour: float,
        price_kind: str,
        listed_price: str,
        listed_unit: str,
        source_url: str,
        accelerator_count: int = 1,
        memory_gib: float | None = None,
        terms: str = "on_demand",
        tier: str | None = None,
        region: str | None = None,
        country: str | None = None,
        available: int | None = None,
        total: int | None = None,
        reliability: float | None = None,
        machine_id: str | None = None,
        upstream: str | None = None,
        listed_currency: str = "USD",
        kind: str | None = None,
        note: str | None = None,
        observed_at: datetime | None = None,
    ) -> None:
        """Add one live offer in USD; an impossible price or a key seen before skips the row.

        ``observed_at`` is the day of a list that somebody read before us; without one, when we asked.
        """
        usd = usd_per_accelerator_hour
        if not MIN_USD_PER_ACCELERATOR_HOUR <= usd <= MAX_USD_PER_ACCELERATOR_HOUR:
            raise RowSkipped.unreadable(
                f"{usd:g} USD per accelerator-hour, outside {MIN_USD_PER_ACCELERATOR_HOUR:g} to "
                f"{MAX_USD_PER_ACCELERATOR_HOUR:g}"
            )
        if offer_id in self._seen:
            raise RowSkipped("duplicate", f"key {offer_id} stands in the payload more than once; the first is kept")
        self._seen.add(offer_id)
        self.offers.append(
            {
                "source": self.source,
                "offer_id": offer_id,
                "network": network,
                "segment": segment,
                "accelerator": chip.accelerator,
                "accelerator_name": accelerator_name,
                "accelerator_count": accelerator_count,
                "memory_gib": memory_gib,
                "usd_per_accelerator_hour": usd,
                "terms": terms,
                "tier": tier,
                "price_kind": price_kind,
                "region": region,
                "country": country,
                "available": available,
                "total": total,
                "reliability": reliability,
                "machine_id": machine_id,
                "upstream": upstream,
                "listed_price": listed_price,
                "listed_unit": listed_unit,
                "listed_currency": listed_currency,
                "observed_at": min(observed_at or self.observed_at, self.observed_at),
                "layer": "live",
                "source_url": source_url,
                "kind": kind,
                "not_comparable": chip.not_comparable,
                "note": note,
            }
        )

    def fact(
        self,
        *,
        network: str,
        metric: str,
        value: float,
        unit: str,
        source_url: str,
        subject: str | None = None,
        kind: str = "published",
        observed_at: datetime | None = None,
        note: str | None = None,
    ) -> None:
        """Add one live fact about a network."""
        self.facts.append(
            {
                "network": network,
                "metric": metric,
                "subject": subject,
                "value": value,
                "unit": unit,
                "observed_at": observed_at or self.observed_at,
                "kind": kind,
                "source": self.source,
                "layer": "live",
                "source_url": source_url,
                "note": note,
            }
        )

    def token_price(
        self,
        *,
        provider: str,
        model_id: str,
        usd_per_mtok_input: float,
        usd_per_mtok_output: float,
        kind: str,
        source_url: str,
        usd_per_mtok_cached_input: float | None = None,
        variant: str | None = None,
        names: tuple[str, ...] = (),
        note: str | None = None,
    ) -> None:
        """Add one live price of tokens; an impossible price or a key seen before skips the row.

        The LLM is the one that ``model_id`` or, failing it, one of ``names`` stands for.
        """
        for what, usd in (("input", usd_per_mtok_input), ("output", usd_per_mtok_output)):
            if not MIN_USD_PER_MTOK <= usd <= MAX_USD_PER_MTOK:
                raise RowSkipped.unreadable(
                    f"{usd:g} USD per million {what} tokens, outside {MIN_USD_PER_MTOK:g} to {MAX_USD_PER_MTOK:g}"
                )
        cached = usd_per_mtok_cached_input
        host = token_host(provider)
        key = f"token|{host.host}|{model_id}|{variant}"
        if key in self._seen:
            raise RowSkipped("duplicate", f"{model_id} at {host.host} stands in the payload twice; the first is kept")
        self._seen.add(key)
        self.token_prices.append(
            {
                "source": self.source,
                "provider": host.host,
                "model_id": model_id,
                "variant": variant,
                "llm": next((llm for llm in map(llm_id, (model_id, *names)) if llm is not None), None),
                "host_kind": host.kind,
                "usd_per_mtok_input": usd_per_mtok_input,
                "usd_per_mtok_output": usd_per_mtok_output,
                "usd_per_mtok_cached_input": cached if cached and 0 < cached <= MAX_USD_PER_MTOK else None,
                "observed_at": self.observed_at,
                "layer": "live",
                "kind": kind,
                "source_url": source_url,
                "note": note,
            }
        )

    def check_readable(self, where: str) -> None:
        """Raise when more than a fifth of the rows in scope could not be read: the payload has changed."""
        unreadable = [row for row in self.skipped if row["kind"] == "unreadable"]
        in_scope = len(self.offers) + len(self.token_prices) + len(unreadable)
        if unreadable and len(unreadable) > MAX_UNREADABLE_SHARE * in_scope:
            first = unreadable[0]
            such = f"{first['row_id'][:120]}: {first['reason'][:240]}"  # a payload gone wrong must not fill the report
            raise SourceError(
                self.source,
                where,
                seen=f"{len(unreadable)} of {in_scope} rows unreadable, such as {such}",
                expected=f"at most {MAX_UNREADABLE_SHARE:.0%}",
            )

    def check_offers(self, where: str) -> None:
        """Raise when a payload that always has offers gave none: an empty file must never look like a quiet market."""
        if not self.offers and not self.token_prices:
            kinds = ", ".join(f"{sum(row['kind'] == kind for row in self.skipped)} {kind}" for kind in self._kinds())
            raise SourceError(
                self.source, where, seen=f"no offer at all ({kinds or 'no row'})", expected="at least one offer"
            )

    def add(self, other: Rows) -> None:
        """Take over everything another payload of the same source gave."""
        self.offers += other.offers
        self.facts += other.facts
        self.token_prices += other.token_prices
        self.skipped += other.skipped
        self.problems += other.problems

    def _kinds(self) -> list[str]:
        return sorted({str(row["kind"]) for row in self.skipped})


def fetch_result(rows: Rows) -> FetchResult:
    """Turn collected rows into validated frames; no rows give empty frames of the same schema.

    A row that breaks a rule of the schema (a wrong type from a careless parser, a share above 1) is skipped
    with the names of the rules, not raised: one row never costs the payload.
    """
    return FetchResult(
        offers=_offers(rows),
        skipped=Skipped.validate(_frame(rows.skipped, Skipped)),
        facts=NetworkFacts.validate(_frame(rows.facts, NetworkFacts)),
        token_prices=TokenPrices.validate(_frame(rows.token_prices, TokenPrices)),
        problems=tuple(rows.problems),
    )


def _offers(rows: Rows) -> dy.DataFrame[Offers]:
    """The offers that keep the schema; the others are noted among the skipped."""
    frame = _frame(rows.offers, Offers)
    try:
        return Offers.validate(frame)
    except dy.exc.ValidationError:
        offers, refused = Offers.filter(frame)
    details = refused.details()
    rules = [column for column in details.columns if column not in Offers.column_names()]
    for row in details.iter_rows(named=True):
        broken = ", ".join(rule for rule in rules if row[rule] != "valid")
        rows.skip(str(row["offer_id"]), "unreadable", f"breaks {broken}")
    if details.height > MAX_UNREADABLE_SHARE * len(rows.offers):
        raise SourceError(
            rows.source,
            "offers",
            seen=f"{details.height} of {len(rows.offers)} break the schema: {rows.skipped[-1]['reason']}",
            expected=f"at most {MAX_UNREADABLE_SHARE:.0%}",
        )
    return offers


def checked_number(value: object, what: str, *, text: bool = False) -> float | None:
    """A finite number or None; anything else skips the row. With `text`, numeric strings count too."""
    if value is None:
        return None
    if text and isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise RowSkipped.unreadable(f"{what} is {_kind(value)}, expected a number") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RowSkipped.unreadable(f"{what} is {_kind(value)}, expected a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise RowSkipped.unreadable(f"{what} is {number}, expected a finite number")
    return number


def checked_whole(value: object, what: str, *, text: bool = False) -> int | None:
    """A whole number of at least 0 or None; anything else skips the row. With `text`, numeric strings count too."""
    number = checked_number(value, what, text=text)
    if number is None:
        return None
    if number != int(number) or not 0 <= number < 2**53:
        raise RowSkipped.unreadable(f"{what} is {number:g}, expected a whole number of at least 0")
    return int(number)


def checked_price(value: object, what: str, *, text: bool = False) -> float:
    """A number above 0. Null and 0 mean that nothing is offered, never that it is free, and skip the row."""
    price = checked_number(value, what, text=text)
    if price is None or price == 0:
        raise RowSkipped.out_of_scope(f"unpriced ({what} is {'null' if price is None else 0})")
    if price < 0:
        raise RowSkipped.unreadable(f"{what} is {price:g}, expected more than 0")
    return price


def checked_object(row: object) -> Mapping[str, Any]:
    """A row that is an object; anything else skips the row."""
    if not isinstance(row, Mapping):
        raise RowSkipped.unreadable("the row is no object")
    return row


def text_or_none(value: object) -> str | None:
    """A text that is not empty, or None: for what a row may leave out."""
    return value.strip() or None if isinstance(value, str) else None


def country_or_none(value: object) -> str | None:
    """A two-letter country code, or None."""
    text = text_or_none(value)
    return text.upper() if text and re.fullmatch(r"[A-Za-z]{2}", text) else None


def checked_text(value: object, what: str) -> str:
    """A text that is not empty; anything else skips the row."""
    if not isinstance(value, str) or not value.strip():
        raise RowSkipped.unreadable(f"{what} is {_kind(value)}, expected a text")
    return value.strip()


def _frame(rows: list[dict[str, Any]], schema: type[dy.Schema]) -> pl.DataFrame:
    columns = schema.create_empty().schema
    try:
        return pl.DataFrame(rows, schema=columns, orient="row")
    except UnicodeEncodeError:  # half a surrogate pair: JSON can spell it, UTF-8 can't
        whole = [
            {
                key: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
                for key, value in row.items()
            }
            for row in rows
        ]
        return pl.DataFrame(whole, schema=columns, orient="row")


def _whole(node: Any) -> Any:
    """A document in which a replacement character stands for every half of a surrogate pair."""
    if isinstance(node, str):
        return LONE_SURROGATE.sub("\ufffd", node)
    if isinstance(node, list):
        return [_whole(item) for item in node]
    if isinstance(node, dict):
        return {_whole(key): _whole(value) for key, value in node.items()}
    return node


def _kind(value: object) -> str:
    """What a value is, for an error: short, and never a whole payload."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return f"an object of {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return repr(value)[:40]


def _place(answer: Answer) -> str:
    return answer.url.partition("?")[0]


def _head(answer: Answer) -> str:
    head = answer.body[:60].decode("utf-8", "replace")
    return f"begins {' '.join(head.split())!r}" if head else "empty"
