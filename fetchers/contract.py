"""What a fetcher is: two functions and a few declared facts.

``fetch(session, *, observed_at) -> Recording`` touches the network and nothing else. ``parse(recording, *,
observed_at) -> FetchResult`` is pure. A `Recording` is the ordered answers of one source; it is what
``--record`` writes and ``--replay`` reads, so a parser can be run again on what was seen years ago.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dataframely as dy
import polars as pl
import requests

from depin_compare.errors import SourceError
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import Offers, Skipped

__all__ = ["Answer", "FetchResult", "Fetcher", "Recording", "fetch_result"]

# Above this share of in-scope rows unreadable, the payload itself has changed: an error, not a smaller catalogue.
MAX_UNREADABLE_SHARE = 0.20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer: which endpoint or page it was, where from, what status, and the body as received."""

    name: str
    url: str
    status: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The ordered answers of one source."""

    source: str
    answers: tuple[Answer, ...]

    def answer(self, name: str) -> Answer | None:
        """The first answer of that name, or None."""
        return next((a for a in self.answers if a.name == name), None)

    def named(self, name: str) -> tuple[Answer, ...]:
        """All answers of that name, in order (pages)."""
        return tuple(a for a in self.answers if a.name == name)

    def json(self, answer: Answer) -> Any:
        """Decode one answer, or raise a `SourceError` that shows what came instead of JSON."""
        if not 200 <= answer.status < 300:
            raise SourceError(self.source, answer.url, seen=f"HTTP {answer.status}", expected="HTTP 200")
        try:
            return json.loads(answer.body)
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            head = answer.body[:60].decode("utf-8", "replace").replace("\n", " ")
            raise SourceError(
                self.source, answer.url, seen=f"{len(answer.body)} bytes beginning {head!r} ({error})", expected="JSON"
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResult:
    """What a parser made of a recording: offers, facts about the network, and every row it left out."""

    offers: dy.DataFrame[Offers]
    skipped: dy.DataFrame[Skipped]
    facts: dy.DataFrame[NetworkFacts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """A source: its two functions, the networks it speaks of and the hosts it may talk to.

    ``hosts`` are the unmapped host names the source declares; the session refuses any other, also in
    redirects and paging links. ``time_budget_seconds`` is how long `collect` waits for it.
    """

    name: str
    title: str
    gives: str
    networks: tuple[str, ...]
    hosts: tuple[str, ...]
    fetch: Callable[..., Recording]
    parse: Callable[..., FetchResult]
    key_variable: str | None = None
    time_budget_seconds: float = 90.0


@dataclass(slots=True)
class Rows:
    """Collects the rows of one parse; `fetch_result` turns them into validated frames."""

    source: str
    observed_at: datetime
    offers: list[dict[str, object]] = field(default_factory=list)
    facts: list[dict[str, object]] = field(default_factory=list)
    skipped: list[dict[str, object]] = field(default_factory=list)

    def skip(self, row_id: str, kind: str, reason: str) -> None:
        """Note a row that becomes no offer: ``out_of_scope``, ``duplicate`` or ``unreadable``."""
        self.skipped.append({"source": self.source, "row_id": row_id, "kind": kind, "reason": reason})


def fetch_result(rows: Rows, *, where: str) -> FetchResult: ...


_ = (pl, requests)
