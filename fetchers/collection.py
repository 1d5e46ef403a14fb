"""Runs fetchers side by side and keeps the books: what each gave, or why it gave nothing."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Collection as AnyCollection
from collections.abc import Mapping
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
from fetchers.http import mapped_address, source_session

__all__ = ["Collection", "SourceStatus", "Status", "collect_from", "unreachable_hosts"]

log = logging.getLogger(__name__)

Status = Literal["ok", "partial", "unreachable", "failed", "timed_out", "no_key", "off"]
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
    ) -> None:
        super().__init__(name=f"fetch-{fetcher.name}", daemon=True)
        self.fetcher = fetcher
        self.observed_at = observed_at
        self.mirrors = mirrors
        self.replay = replay
        self.probe = probe
        self.budget_seconds = budget_seconds
        self.started = time.monotonic()
        self.seconds = 0.0
        self.recording: Recording | None = None
        self.result: FetchResult | None = None
        self.status: Status = "failed"
        self.error: str | None = None

    def run(self) -> None:
        """Fetch and parse; whatever goes wrong ends here."""
        try:
            result = self._work()
            self.status = "partial" if result.problems else "ok"
            self.result = result
        except SourceError as error:
            self.status = "unreachable" if error.unreachable else "failed"
            self.error = str(error)
        except Exception as error:  # a bug in one fetcher must not cost the other sources: the only broad catch
            log.exception("%s: the fetcher itself broke", self.fetcher.name)
            self.status = "failed"
            self.error = f"{self.fetcher.name}: the fetcher itself broke: {type(error).__name__}: {error}"
        self.seconds = time.monotonic() - self.started

    def _work(self) -> FetchResult:
        if self.replay is not None:
            self.recording = Recording.load(self.replay / self.fetcher.name, self.fetcher.name)
            self.observed_at = self.recording.recorded_at
        else:
            self.recording = self._ask()
        return self.fetcher.parse(self.recording, observed_at=self.observed_at)

    def _ask(self) -> Recording:
        hosts = self.fetcher.hosts
        dead = unreachable_hosts(hosts, self.mirrors) if self.probe else {}
        if len(dead) == len(hosts):
            raise SourceError(
                self.fetcher.name, ", ".join(hosts), seen=dead[hosts[0]], expected="an answer", unreachable=True
            )
        session = source_session(
            self.fetcher.name,
            hosts,
            mirrors=self.mirrors,
            deadline=self.started + ASKING_SHARE * self.budget_seconds,
            unreachable=dead,
            max_body_bytes=self.fetcher.max_body_bytes,
            key=_key(self.fetcher),
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
            skipped |= {kind: result.skipped.filter(pl.col("kind") == kind).height for kind in SKIP_KINDS}
        late = f"{self.fetcher.name}: no result within its time budget of {self.budget_seconds:g} s"
        return SourceStatus(
            source=self.fetcher.name,
            status="timed_out" if timed_out else self.status,
            observed_at=self.observed_at,
            seconds=time.monotonic() - self.started if timed_out else self.seconds,
            hosts=self.fetcher.hosts,
            offers=0 if result is None else result.offers.height,
            facts=0 if result is None else result.facts.height,
            token_prices=0 if result is None else result.token_prices.height,
            skipped=skipped,
            problems=() if result is None else result.problems,
            error=late if timed_out else self.error,
        )


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
) -> Collection:
    """Run these fetchers at once; see `fetchers.collect` for the parameters."""
    if observed_at.tzinfo is None:
        raise ValueError("observed_at needs a time zone")
    observed_at = observed_at.astimezone(UTC)
    runs = [
        _Run(
            fetcher,
            observed_at=observed_at,
            mirrors=mirrors or {},
            replay=replay,
            budget_seconds=(time_budgets or {}).get(name, time_budget_seconds or fetcher.time_budget_seconds),
            probe=probe,
        )
        for name, fetcher in fetchers.items()
        if name not in off and (replay is not None or not _lacks_key(fetcher))
    ]
    for run in runs:
        run.start()
    asked = {run.fetcher.name for run in runs}
    statuses = [
        _not_asked(fetcher, observed_at, "off" if name in off else "no_key")
        for name, fetcher in fetchers.items()
        if name not in asked
    ]
    results: dict[str, FetchResult] = {}
    for run in runs:
        run.join(max(0.0, run.started + run.budget_seconds - time.monotonic()))
        timed_out = run.is_alive()
        status = run.report(timed_out=timed_out)
        statuses.append(status)
        log.info("%s: %s, %d offers, %.1f s", status.source, status.status, status.offers, status.seconds)
        if timed_out:
            continue
        if run.result is not None:
            results[run.fetcher.name] = run.result
        if record is not None and run.recording is not None:
            run.recording.save(record / run.fetcher.name)
    return Collection(
        observed_at=observed_at,
        statuses=tuple(sorted(statuses, key=lambda status: status.source)),
        results=results,
    )


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
    return os.environ.get(fetcher.key_variable) or None if fetcher.key_variable else None


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
