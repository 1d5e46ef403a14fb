"""A server of this machine that answers for every source, as slowly as asked; some hosts never answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from served_payloads import body_of, payload_for

from fetchers import FETCHERS

HANG_SECONDS = 600


class PayloadServer(ThreadingHTTPServer):
    """``/HOST/PATH?QUERY`` gives what ``https://HOST/PATH?QUERY`` would."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, *, delay_seconds: float = 0.0, hanging: Collection[str] = (), instead: Mapping[str, bytes] | None = None
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.delay_seconds = delay_seconds
        self.hanging = frozenset(hanging)
        self.over = threading.Event()
        self.asked: list[str] = []
        self._bodies = dict(instead or {})

    def body(self, payload: str) -> bytes:
        """A payload, or what is served in its place."""
        if payload not in self._bodies:
            self._bodies[payload] = body_of(payload)
        return self._bodies[payload]

    def mirrors(self) -> dict[str, str]:
        """The mirrors that make every source ask here."""
        return mirrors_at(self.server_port)


def mirrors_at(port: int) -> dict[str, str]:
    """Every host of every source, and the folder of the server at `port` that stands for it."""
    hosts = {host for fetcher in FETCHERS.values() for host in fetcher.hosts}
    return {f"https://{host}": f"http://127.0.0.1:{port}/{host}" for host in sorted(hosts)}


class _Handler(BaseHTTPRequestHandler):
    server: PayloadServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        url = f"https:/{self.path}"
        self.server.asked.append(url)
        if self.path.split("/")[1] in self.server.hanging:
            self.server.over.wait(HANG_SECONDS)
            return
        time.sleep(self.server.delay_seconds)
        payload = payload_for(url, sent)
        body = b"nothing here" if payload is None else self.server.body(payload)
        self.send_response(404 if payload is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(server: PayloadServer) -> Iterator[PayloadServer]:
    """The server at work."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
