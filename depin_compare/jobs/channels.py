"""Where messages go: addresses that apprise knows (mail, Slack, Discord, Telegram, webhooks, ...), and a heartbeat.

Every address is a secret: it comes from the environment, and no log line, error or file carries it. The libraries
that talk to it print addresses into their logs, so nothing they log while a message is sent gets through.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

__all__ = ["Channel", "beat", "channels", "heartbeat_address", "send"]

HEARTBEAT_TIMEOUT_SECONDS = 10.0
NO_CONNECTION = "no connection"


@dataclass(frozen=True, slots=True)
class Channel:
    """One address; ``name`` is its kind (``slack``, ``mailto``), numbered from the second on, and may be shown.

    ``service`` is apprise's, None where the address is none that apprise knows.
    """

    name: str
    service: Any = field(repr=False)


def channels(variable: str) -> list[Channel]:
    """The addresses in an environment variable, separated by blanks or line breaks; none when it is unset.

    Parameters
    ----------
    variable : str
        Its name. Addresses are written as apprise has them, e.g. ``slack://...`` or ``mailto://...``.
    """
    urls = os.environ.get(variable, "").split()
    if not urls:
        return []
    with _hushed():
        # 1 s to import: paid only where there is an address.
        import apprise

        asset = apprise.AppriseAsset(storage_mode="memory")
        asset.async_mode = False
        services = [apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True) for url in urls]
    named: Counter[str] = Counter()
    found = []
    for i, (url, service) in enumerate(zip(urls, services, strict=True), start=1):
        if service is None:
            found.append(Channel(f"address {i}", None))
            continue
        plugin: Any = service
        kinds = set(plugin.schemas())
        said = url.partition("://")[0].lower()
        kind = said if said in kinds else min(kinds)
        named[kind] += 1
        found.append(Channel(kind if named[kind] == 1 else f"{kind} {named[kind]}", service))
        if "overflow=" not in url:
            service.overflow_mode = apprise.OverflowMode.SPLIT
    return found


def send(channel: Channel, title: str, body: str, *, good: bool = False) -> str | None:
    """Send one message; None when it was taken, else why not, without the address.

    Parameters
    ----------
    channel : Channel
        From `channels`.
    title, body : str
        Plain text.
    good : bool
        Whether it only says that things are well again; services that have colours show it.
    """
    if channel.service is None:
        return "no address that apprise knows; see its list of services for how to write it"
    with _hushed() as heard:
        import apprise

        kind = apprise.NotifyType.SUCCESS if good else apprise.NotifyType.WARNING
        try:
            one = apprise.Apprise(asset=channel.service.asset)
            one.add(channel.service)
            taken = bool(one.notify(body=body, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT))
        # A service is foreign code that may raise anything, with the address in the text.
        except Exception as error:
            return type(error).__name__
    return None if taken else heard.reason()


class _Heard:
    """What is logged while a message is sent; only what can hold no address is kept of it."""

    def __init__(self) -> None:
        self._answers: list[str] = []

    def take(self, record: logging.LogRecord) -> None:
        """Keep the reason a record gives, if it is one that is known."""
        text = record.getMessage() if record.name == "apprise" else ""
        status = re.search(r"\berror=(\d{3})\b", text)
        if status is not None:
            self._answers.append(f"answered {status[1]}")
        elif "onnection error" in text:
            self._answers.append(NO_CONNECTION)

    def reason(self) -> str:
        """The first reason that was given."""
        return self._answers[0] if self._answers else "not taken"


# Threads that apprise starts for a service take it with them, even where they are given up on and go on.
_HEARD: ContextVar[_Heard | None] = ContextVar("heard", default=None)
# Python keeps one list of warning filters for all threads.
_ONE_AT_A_TIME = threading.RLock()


class _Records:
    """Makes log records; those made while a message is sent are empty, and below every handler's level."""

    def __init__(self, before: Callable[..., logging.LogRecord]) -> None:
        self._before = before

    def __call__(self, *args: Any, **options: Any) -> logging.LogRecord:
        record = self._before(*args, **options)
        heard = _HEARD.get()
        if heard is not None:
            heard.take(record)
            record.msg, record.args, record.exc_info, record.stack_info = "", (), None, None
            record.levelno = logging.NOTSET - 1
        return record


@contextmanager
def _hushed() -> Iterator[_Heard]:
    """Nothing that is logged or warned of in here, by whatever library, is heard anywhere else."""
    factory = logging.getLogRecordFactory()
    if not isinstance(factory, _Records):
        logging.setLogRecordFactory(_Records(factory))
    heard = _Heard()
    token = _HEARD.set(heard)
    try:
        with _ONE_AT_A_TIME, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # apprise's own, which may quote an address
            yield heard
    finally:
        _HEARD.reset(token)


def heartbeat_address(url: str, *, good: bool, job: str) -> str | None:
    """The address to ask after a run; None where silence says it.

    ``{status}`` (ok or failed) and ``{job}`` in it are filled in, and then it is asked after every run. Without them it
    is asked as it stands after a run that went well, and after one that failed only where the watcher is known to take
    ``/fail`` (Healthchecks): any other would take the call for a sign of life.

    Examples
    --------
    >>> heartbeat_address("https://hc-ping.com/one-id", good=False, job="six-hourly")
    'https://hc-ping.com/one-id/fail'
    >>> heartbeat_address("https://watch.example/x?s={status}&j={job}", good=False, job="a b")
    'https://watch.example/x?s=failed&j=a%20b'
    >>> heartbeat_address("https://watch.example/x", good=False, job="daily") is None
    True
    """
    if "{status}" in url or "{job}" in url:
        return url.replace("{status}", "ok" if good else "failed").replace("{job}", quote(job, safe=""))
    if good:
        return url
    parts = urlsplit(url)
    if parts.hostname == "hc-ping.com" or parts.path.startswith("/ping/"):
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))
    return None


def beat(variable: str, *, good: bool, job: str) -> str | None:
    """Ask the heartbeat address in an environment variable, once; None when it was taken or there is none, else why.

    Parameters
    ----------
    variable : str
        Its name.
    good : bool
        Whether the run went well.
    job : str
        The job's name.
    """
    url = os.environ.get(variable, "").strip()
    if not url:
        return None
    import requests

    with _hushed():
        try:
            asked = heartbeat_address(url, good=good, job=job)
            if asked is None:
                return None
            with requests.get(asked, timeout=HEARTBEAT_TIMEOUT_SECONDS, stream=True) as answer:
                return None if answer.ok else f"answered {answer.status_code}"
        except (requests.ConnectionError, requests.Timeout):
            return NO_CONNECTION
        except (requests.RequestException, ValueError) as error:
            return f"{type(error).__name__}: it holds no address that can be asked"
