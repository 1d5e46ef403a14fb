"""Runs fetchers side by side and keeps the books: what each gave, or why it gave nothing."""

from __future__ import annotations

import contextlib
import heapq
import logging
import os
import queue
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Collection as AnyCollection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import dataframely as dy
import polars as pl
from requests.utils import get_environ_proxies, select_proxy

from depin_compare.errors import SourceError
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import SKIP_KINDS, Offers, Skipped
from depin_compare.market.token_prices import TokenPrices
from fetchers.contract import Fetcher, FetchResult, Recording
from fetchers.http import mapped_address, scrubbed, source_session
from fetchers.http_cache import HttpCache

__all__ = ["Collection", "Progress", "SourceStatus", "Status", "collect_from", "unreachable_hosts"]

log = logging.getLogger(__name__)

Status = Literal["ok", "partial", "unreachable", "failed", "timed_out", "no_key", "off"]
# How many sources are done, of how many, and the one that has just been done.
Progress = Callable[[int, int, "SourceStatus"], None]
MOST_AT_ONCE = 12
PROBE_SECONDS = 3.0
# Asking ends a little before the budget does, so that what did come can still be read.
ASKING_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """How one source fared.

    ``ok``; ``partial`` (some endpoint or page failed, see ``problems``); ``unreachable`` (no answer came);
    ``failed`` (an answer that can't be used); ``timed_out`` (over its time budget); ``no_key`` (its key is not in
    the environment); ``off``.
    """

    source: str
    status: Status
    observed_at: datetime
    seconds: float
    hosts: tuple[str, ...]
    offers: int = 0
    facts: int = 0
    token_prices: int = 0
    skipped: Mapping[str, int]
    problems: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What one round over the sources gave; sources that failed have a status and no result."""

    observed_at: datetime
    statuses: tuple[SourceStatus, ...]
    results: Mapping[str, FetchResult]

    @property
    def offers(self) -> dy.DataFrame[Offers]:
        """The offers of all sources."""
        return Offers.validate(pl.concat([Offers.create_empty(), *(r.offers for r in self.results.values())]))

    @property
    def facts(self) -> dy.DataFrame[NetworkFacts]:
        """The facts of all sources."""
        empty = NetworkFacts.create_empty()
        return NetworkFacts.validate(pl.concat([empty, *(r.facts for r in self.results.values())]))

    @property
    def token_prices(self) -> dy.DataFrame[TokenPrices]:
        """The token prices of all sources."""
        empty = TokenPrices.create_empty()
        return TokenPrices.validate(pl.concat([empty, *(r.token_prices for r in self.results.values())]))

    @property
    def skipped(self) -> dy.DataFrame[Skipped]:
        """Every row that became no offer, and why."""
        return Skipped.validate(pl.concat([Skipped.create_empty(), *(r.skipped for r in self.results.values())]))

    def status(self, source: str) -> SourceStatus:
        """The status of one source."""
        return next(status for status in self.statuses if status.source == source)


class _Pool:
    """Turns for a bounded number of sources at once; of those that wait, the one that may take longest goes first."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiting: list[tuple[float, str]] = []
        self._change = threading.Condition()

    def take(self, run: _Run) -> bool:
        """Wait for a turn; False when the run was given up before it had one."""
        place = (-run.budget_seconds, run.fetcher.name)
        with self._change:
            heapq.heappush(self._waiting, place)
            self._change.wait_for(lambda: run.given_up or (self._free > 0 and self._waiting[0] == place))
            self._waiting.remove(place)
            heapq.heapify(self._waiting)
            if not run.given_up:
                self._free -= 1
                run.begun = time.monotonic()
                run.holds_turn = True
            self._change.notify_all()
            return not run.given_up

    def give_back(self, run: _Run, *, given_up: bool = False) -> None:
        """End a turn, once, whether its run ended or was given up while it still hangs."""
        with self._change:
            run.given_up = run.given_up or given_up
            if run.holds_turn:
                run.holds_turn = False
                self._free += 1
            self._change.notify_all()


class _Run(threading.Thread):
    """One source at work. A daemon: a host that never answers must not keep the interpreter alive."""

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        observed_at: datetime,
        mirrors: Mapping[str, str],
        replay: Path | None,
        budget_seconds: float,
        probe: bool,
        cache: HttpCache | None,
        pool: _Pool,
        news: queue.SimpleQueue[_Run],
    ) -> None:
        super().__init__(name=f"fetch-{fetcher.name}", daemon=True)
        self.fetcher = fetcher
        self.observed_at = observed_at
        self.mirrors = mirrors
        self.replay = replay
        self.probe = probe
        self.cache = cache
        self.budget_seconds = budget_seconds
        self.key = _key(fetcher)
        self.pool = pool
        self.news = news
        self.begun: float | None = None
        self.holds_turn = False
        self.given_up = False
        self.ended = False
        self.seconds = 0.0
        self.recording: Recording | None = None
        self.result: FetchResult | None = None
        self.status: Status = "failed"
        self.error: str | None = None

    def run(self) -> None:
        """Fetch and parse; whatever goes wrong ends here."""
        asked = time.monotonic()
        try:
            result = self._work()
            self.status = "partial" if result.problems else "ok"
            self.result = result
        except _NoTurnError:
            return
        except SourceError as error:
            self.status = "unreachable" if error.unreachable else "failed"
            self.error = scrubbed(str(error), self.key)
        except Exception as error:  # a bug in one fetcher must not cost the other sources: the only broad catch
            told = f"{self.fetcher.name}: the fetcher itself broke"
            log.error("%s\n%s", told, scrubbed(traceback.format_exc(), self.key))
            self.status = "failed"
            self.error = scrubbed(f"{told}: {type(error).__name__}: {error}", self.key)
        self.seconds = time.monotonic() - (asked if self.begun is None else self.begun)
        self.ended = True
        self.pool.give_back(self)
        self.news.put(self)

    def ends(self, last: float) -> float:
        """When it is given up: its budget after its turn began, and at `last` whatever happens."""
        return last if self.begun is None else min(last, self.begun + self.budget_seconds)

    def _work(self) -> FetchResult:
        dead: dict[str, str] = {}
        if self.replay is None and self.probe:
            # Before its turn: nobody waits behind a host that is not there.
            dead = unreachable_hosts(self.fetcher.hosts, self.mirrors)
            if len(dead) == len(self.fetcher.hosts):
                where, cause = ", ".join(self.fetcher.hosts), dead[self.fetcher.hosts[0]]
                raise SourceError(self.fetcher.name, where, seen=cause, expected="an answer", unreachable=True)
        if not self.pool.take(self):
            raise _NoTurnError
        self.news.put(self)
        log.debug("%s: asked", self.fetcher.name, extra={"source": self.fetcher.name, "status": "asked"})
        if self.replay is not None:
            self.recording = Recording.load(self.replay / self.fetcher.name, self.fetcher.name)
            self.observed_at = self.recording.recorded_at
        else:
            self.recording = self._ask(dead)
        return self.fetcher.parse(self.recording, observed_at=self.observed_at)

    def _ask(self, dead: Mapping[str, str]) -> Recording:
        begun = time.monotonic() if self.begun is None else self.begun
        session = source_session(
            self.fetcher.name,
            self.fetcher.hosts,
            mirrors=self.mirrors,
            deadline=begun + ASKING_SHARE * self.budget_seconds,
            unreachable=dead,
            max_body_bytes=self.fetcher.max_body_bytes,
            key=self.key,
            min_pause_seconds=self.fetcher.min_pause_seconds,
            cache=self.cache,
        )
        try:
            return self.fetcher.fetch(session, observed_at=self.observed_at)
        finally:
            session.close()

    def report(self, *, timed_out: bool) -> SourceStatus:
        """The books of this source; a thread given up counts for nothing, whatever it does later."""
        result = None if timed_out else self.result
        skipped = dict.fromkeys(SKIP_KINDS, 0)
        if result is not None:
            kinds = result.skipped["kind"].cast(pl.String).to_list()
            skipped |= {kind: kinds.count(kind) for kind in SKIP_KINDS}
        late = f"{self.fetcher.name}: no result within its time budget of {self.budget_seconds:g} s"
        return SourceStatus(
            source=self.fetcher.name,
            status="timed_out" if timed_out else self.status,
            observed_at=self.observed_at,
            seconds=self.seconds if self.begun is None or not timed_out else time.monotonic() - self.begun,
            hosts=self.fetcher.hosts,
            offers=0 if result is None else result.offers.height,
            facts=0 if result is None else result.facts.height,
            token_prices=0 if result is None else result.token_prices.height,
            skipped=skipped,
            problems=() if result is None else result.problems,
            error=late if timed_out else self.error,
        )


class _NoTurnError(Exception):
    """A run was given up before its turn came."""


def collect_from(
    fetchers: Mapping[str, Fetcher],
    *,
    observed_at: datetime,
    off: AnyCollection[str] = (),
    mirrors: Mapping[str, str] | None = None,
    replay: Path | None = None,
    record: Path | None = None,
    time_budget_seconds: float | None = None,
    time_budgets: Mapping[str, float] | None = None,
    probe: bool = True,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Collection:
    """Run these fetchers, `MOST_AT_ONCE` at a time; see `fetchers.collect` for the parameters."""
    if observed_at.tzinfo is None:
        raise ValueError("observed_at needs a time zone")
    observed_at = observed_at.astimezone(UTC)
    pool, news = _Pool(MOST_AT_ONCE), queue.SimpleQueue[_Run]()
    runs = [
        _Run(
            fetcher,
            observed_at=observed_at,
            mirrors=mirrors or {},
            replay=replay,
            budget_seconds=(time_budgets or {}).get(name, time_budget_seconds or fetcher.time_budget_seconds),
            probe=probe,
            cache=HttpCache(cache) if cache is not None else None,
            pool=pool,
            news=news,
        )
        for name, fetcher in fetchers.items()
        if name not in off and (replay is not None or not _lacks_key(fetcher))
    ]
    asked = {run.fetcher.name for run in runs}
    statuses: list[SourceStatus] = []

    def note(status: SourceStatus) -> None:
        statuses.append(status)
        _tell(status)
        if progress is not None:
            progress(len(statuses), len(fetchers), status)

    log.info("collect: asking %d sources", len(runs), extra={"sources": len(runs)})
    for name, fetcher in fetchers.items():
        if name not in asked:
            note(_not_asked(fetcher, observed_at, "off" if name in off else "no_key"))
    results: dict[str, FetchResult] = {}
    for run, timed_out in _ended(runs, pool, news):
        note(run.report(timed_out=timed_out))
        if timed_out:
            continue
        if run.result is not None:
            results[run.fetcher.name] = run.result
        if record is not None and run.recording is not None:
            run.recording.save(record / run.fetcher.name)
        run.recording = None  # the bodies of all sources at once need not fit into memory
    return Collection(
        observed_at=observed_at,
        statuses=tuple(sorted(statuses, key=lambda status: status.source)),
        results={name: results[name] for name in fetchers if name in results},
    )


def _tell(status: SourceStatus) -> None:
    """How a source fared, as an event; one that is off or has no key is no news."""
    counts = {"offers": status.offers, "facts": status.facts, "token prices": status.token_prices}
    rows = [f"{n} {name}" for name, n in counts.items() if n] or ["nothing"]
    cause = f": {status.error or '; '.join(status.problems)}" if status.error or status.problems else ""
    told = f"{', '.join(rows)} in {status.seconds:.1f} s" if status.status in ("ok", "partial") else "no data"
    log.log(
        logging.DEBUG if status.status in ("off", "no_key") else logging.INFO,
        "%s: %s%s%s",
        status.source,
        told,
        "" if status.status == "ok" else f", {status.status.replace('_', ' ')}",
        cause,
        extra={
            "source": status.source,
            "status": status.status,
            "rows": sum(counts.values()),
            "skipped": sum(status.skipped.values()),
            "seconds": round(status.seconds, 3),
        },
    )


def _ended(runs: list[_Run], pool: _Pool, news: queue.SimpleQueue[_Run]) -> Iterator[tuple[_Run, bool]]:
    """Each run as it ends, and whether it was given up: over its budget, or never had its turn in anyone's."""
    last = time.monotonic() + max((run.budget_seconds for run in runs), default=0.0)
    for run in sorted(runs, key=lambda run: -run.budget_seconds):
        run.start()
    waiting = list(runs)
    while waiting:
        next_end = min(run.ends(last) for run in waiting)
        with contextlib.suppress(queue.Empty):  # news of a turn that began moves the next end
            news.get(timeout=max(0.0, next_end - time.monotonic()))
        now = time.monotonic()
        for run in list(waiting):
            over = not run.ended and run.ends(last) <= now
            if over:
                pool.give_back(run, given_up=True)
            if over or run.ended:
                waiting.remove(run)
                yield run, over


def unreachable_hosts(hosts: AnyCollection[str], mirrors: Mapping[str, str]) -> dict[str, str]:
    """Hosts that can't be reached, and why, known within `PROBE_SECONDS` even when the resolver hangs.

    A name look-up can't be interrupted and tries every address of a host in turn, so each runs in a daemon
    thread that is left behind. Behind a proxy the look-up is the proxy's affair, and nothing is probed.
    """
    causes: dict[str, str | None] = {}
    threads: list[threading.Thread] = []
    for host in hosts:
        target = urlsplit(mapped_address(f"https://{host}/", mirrors)[0])
        if select_proxy(target.geturl(), get_environ_proxies(target.geturl())):
            continue
        place = (target.hostname or host, target.port or (443 if target.scheme == "https" else 80))
        causes[host] = "timed out while connecting"
        threads.append(threading.Thread(target=_probe, args=(host, place, causes), name=f"probe-{host}", daemon=True))
    end = time.monotonic() + PROBE_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return {host: cause for host, cause in dict(causes).items() if cause is not None}


def _probe(host: str, place: tuple[str, int], causes: dict[str, str | None]) -> None:
    try:
        socket.create_connection(place, timeout=PROBE_SECONDS).close()
        causes[host] = None
    except socket.gaierror:
        causes[host] = "name not found"
    except TimeoutError:
        causes[host] = "timed out while connecting"
    except ConnectionRefusedError:
        causes[host] = "connection refused"
    except (OSError, UnicodeError) as error:
        causes[host] = f"no route to it ({type(error).__name__})"


def _key(fetcher: Fetcher) -> str | None:
    """The key of a source, from the environment and nowhere else."""
    return os.environ.get(fetcher.key_variable, "").strip() or None if fetcher.key_variable else None


def _lacks_key(fetcher: Fetcher) -> bool:
    return fetcher.key_variable is not None and fetcher.key_required and _key(fetcher) is None


def _not_asked(fetcher: Fetcher, observed_at: datetime, status: Status) -> SourceStatus:
    return SourceStatus(
        source=fetcher.name,
        status=status,
        observed_at=observed_at,
        seconds=0.0,
        hosts=fetcher.hosts,
        skipped=dict.fromkeys(SKIP_KINDS, 0),
        error=f"set {fetcher.key_variable} in the environment to use it" if status == "no_key" else None,
    )
