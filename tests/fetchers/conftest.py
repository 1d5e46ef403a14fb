"""Recorded answers of the sources, and the ways to serve them: through `responses`, or from a local server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import responses
from served_payloads import OBSERVED_AT, PAYLOADS, body_of
from served_web import ORGANIZATION, ByAddress, put_payloads

from fetchers import FETCHERS, FetchResult
from fetchers.http import CappedRetry, SourceSession, source_session


@pytest.fixture
def observed_at() -> datetime:
    """The moment of every test."""
    return OBSERVED_AT


@pytest.fixture
def payload() -> Callable[[str], bytes]:
    """Read one recorded payload."""
    return body_of


@pytest.fixture
def payloads() -> dict[str, tuple[tuple[str, dict[str, str], str], ...]]:
    """Which address of which source answers with which payload."""
    return PAYLOADS


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    """A web in which only what a test puts there answers."""
    with responses.RequestsMock(assert_all_requests_are_fired=False, registry=ByAddress) as mock:
        yield mock


@pytest.fixture
def serve(web: responses.RequestsMock) -> Callable[..., None]:
    """Let a source answer with its recorded payloads; `except_for` leaves addresses ending so to the test."""

    return partial(put_payloads, web)


@pytest.fixture
def run() -> Callable[..., FetchResult]:
    """Fetch and parse one source over whatever the web answers."""

    def fetch_and_parse(source: str, session: SourceSession | None = None) -> FetchResult:
        fetcher = FETCHERS[source]
        session = session or source_session(source, fetcher.hosts, min_pause_seconds=fetcher.min_pause_seconds)
        return fetcher.parse(fetcher.fetch(session, observed_at=OBSERVED_AT), observed_at=OBSERVED_AT)

    return fetch_and_parse


@pytest.fixture(autouse=True)
def organization(monkeypatch: pytest.MonkeyPatch) -> None:
    """Salad is asked for one organisation, which the environment names."""
    for variable, name in ORGANIZATION.items():
        monkeypatch.setenv(variable, name)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds a retry would have waited; nothing sleeps."""
    waited: list[float] = []

    def note(self: CappedRetry, response: Any = None) -> None:
        asked = self.get_retry_after(response) if response is not None and self.respect_retry_after_header else None
        waited.append(self.get_backoff_time() if asked is None else asked)

    monkeypatch.setattr(CappedRetry, "sleep", note)
    monkeypatch.setattr(SourceSession, "pause", lambda self, seconds, *, before: waited.append(seconds))
    return waited


class Server(ThreadingHTTPServer):
    """A server of this machine; `answers` maps a path (no query) to (status, headers, body)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        self.user_agents: list[str] = []

    @property
    def address(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.user_agents.append(self.headers["User-Agent"])
        status, headers, body = self.server.answers.get(self.path.partition("?")[0], (404, {}, b"nothing here"))
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A local server, for what only real sockets show."""
    with Server() as here:
        thread = threading.Thread(target=here.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield here
        here.shutdown()
        thread.join()


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address of this machine where nobody listens, kept from everyone else."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"
