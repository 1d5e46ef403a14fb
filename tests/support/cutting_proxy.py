"""A wire that breaks: passes every byte on to a server, and on request cuts an upload in the middle."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CHUNK = 65_536
_REQUEST = re.compile(rb"\A(GET|HEAD|PUT|POST|DELETE) /")
_LENGTH = re.compile(rb"(?i)\ncontent-length: *(\d+)")


@dataclass(slots=True)
class Cut:
    """Which uploads break, and where.

    `first` counts uploads from when it was set, from 1; `times` of them in a row break, each when this `share` of
    its request has passed, from 0 to below 1. `then` is called at every break.
    """

    first: int
    times: int
    share: float
    then: Callable[[], None] | None = None


class CuttingProxy:
    """Passes connections from its own port on to `upstream_port` of this machine."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.cut: Cut | None = None
        self.uploads = 0
        self.struck = 0
        self._lock = threading.Lock()

    def arm(self, cut: Cut) -> None:
        """Break uploads from now on."""
        with self._lock:
            self.cut, self.uploads, self.struck = cut, 0, 0

    def disarm(self) -> int:
        """Break no more; how many were broken."""
        with self._lock:
            self.cut = None
            return self.struck

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with contextlib.suppress(OSError):  # connections are cut: that is its work
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.upstream_port))
        except OSError:
            client.close()
            return
        threading.Thread(target=_pump, args=(server, client), daemon=True).start()
        allowed: int | None = None
        with contextlib.suppress(OSError):  # connections are cut: that is its work
            while chunk := client.recv(CHUNK):
                if begun := _REQUEST.match(chunk):
                    allowed = self._allowance(chunk) if begun[1] == b"PUT" else None
                if allowed is not None:
                    part, allowed = chunk[:allowed], allowed - len(chunk)
                    server.sendall(part)
                    if allowed <= 0:
                        self._broken()
                        break
                else:
                    server.sendall(chunk)
        _close(client, server)

    def _allowance(self, request: bytes) -> int | None:
        """How many bytes of this upload may pass; None for all."""
        length = _LENGTH.search(request)
        whole = len(request.partition(b"\r\n\r\n")[0]) + 4 + int(length[1] if length else 0)
        with self._lock:
            self.uploads += 1
            cut = self.cut
            if cut is None or not cut.first <= self.uploads < cut.first + cut.times:
                return None
            return int(cut.share * whole)

    def _broken(self) -> None:
        with self._lock:
            self.struck += 1
            then = self.cut.then if self.cut else None
        if then is not None:
            then()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):  # connections are cut: that is its work
        while chunk := source.recv(CHUNK):
            sink.sendall(chunk)
    _close(source, sink)


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):  # connections are cut: that is its work
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@contextlib.contextmanager
def cutting(upstream_port: int) -> Iterator[CuttingProxy]:
    """The proxy at work."""
    proxy = CuttingProxy(upstream_port)
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.listener.close()
