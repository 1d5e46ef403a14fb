"""No test reaches the network: only this machine's own address may be connected to, and no other name resolves."""

from __future__ import annotations

import socket
from typing import Any

import hypothesis
import pytest

LOCAL = ["127.0.0.1", "::1"]
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every test speak to servers it started itself, and to nothing else."""
    for item in items:
        item.add_marker(pytest.mark.allow_hosts(LOCAL))


@pytest.fixture(autouse=True)
def _no_names_no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def local_names_only(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host in (None, "localhost", *LOCAL):
            return real(host, *args, **kwargs)
        raise socket.gaierror(socket.EAI_NONAME, f"no name is looked up in a test: {host!r}")

    monkeypatch.setattr(socket, "getaddrinfo", local_names_only)
    for variable in PROXIES:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)


# The first example of a property pays for lazy imports; slowness is a matter of the benchmarks.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")
