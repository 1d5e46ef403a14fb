"""One line an event on stderr, for a person or as JSON; no key and no address that holds one ever stands in it.

Modules log as usual: ``log = logging.getLogger(__name__)``, ``log.info("%s: %d offers", name, n, extra={"source": name,
"offers": n})``. What ``extra`` holds becomes keys of the JSON line; the message says it in words.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from depin_compare.jobs.config import JobConfig

__all__ = [
    "FORMATS",
    "LEVELS",
    "JsonLines",
    "PlainLines",
    "Secrets",
    "configure",
    "environment",
    "keep_secret",
    "secret_variables",
    "struck",
    "tell",
]

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")
OURS = ("depin_compare", "fetchers", "reports")

_SHORT = {"WARNING": "WARN", "CRITICAL": "FATAL"}
_BORN_WITH = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
# Variables that hold secrets by their name: our sources' keys, the alert and heartbeat addresses, and what object
# storage asks for. Shorter values than this are words ("true"), and striking them would only garble the line.
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|WEBHOOK|ALERT_URL|HEARTBEAT_URL", re.IGNORECASE)
_SHORTEST_SECRET = 8
_SHORTEST_NAMED = 4
# Line ends of any script, and what moves a terminal's cursor: a source's own words must not fake a line.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]+")

_named: set[str] = set()
_chosen: dict[str, str] = {}


def keep_secret(variables: Iterable[str]) -> None:
    """Name more environment variables whose values must never be told, whatever they are called."""
    _named.update(variables)


def secret_variables(job: JobConfig) -> set[str]:
    """The variables a job file names: of sources' keys, alerts and the heartbeat."""
    named = {source.key_variable for source in job.sources.values() if source.key_variable}
    if job.alerts is not None:
        named |= {job.alerts.urls_variable, job.alerts.heartbeat_variable}
    return named


def struck(text: str) -> str:
    """The text without the value of any secret in the environment, in all the ways it may be spelled."""
    secrets = sorted(_secrets(), key=lambda value: -len(value))
    if secrets and text:
        from fetchers.http import scrubbed

        for secret in secrets:
            text = scrubbed(text, secret)
    return text


def _secrets() -> set[str]:
    found: set[str] = set()
    for name, value in os.environ.items():
        shortest = _SHORTEST_NAMED if name in _named else _SHORTEST_SECRET if _SECRET_NAME.search(name) else None
        if shortest is not None:
            found |= {part for part in {value.strip(), *_parts(value)} if len(part) >= shortest}
    return found


def _parts(value: str) -> Iterator[str]:
    """Of addresses, each whole, and what may be a secret in it: user, password, parts of path and query."""
    if "://" not in value:
        return
    for address in re.split(r"[\s,]+", value):
        yield address
        try:
            parts = urlsplit(address)
            own = [parts.username, parts.password]
            maybe = [*parts.path.split("/"), *(value for _, value in parse_qsl(parts.query))]
        except ValueError:  # no address after all
            continue
        if parts.scheme not in ("http", "https") and parts.hostname and "." not in parts.hostname:
            maybe.append(parts.netloc.rpartition("@")[2].partition(":")[0])  # where apprise writes a token
        # A plain word ("services", "localhost") is no secret.
        own += [part for part in maybe if not (part.isalpha() and part.islower())]
        yield from (part for part in own if part and len(part) >= _SHORTEST_SECRET)


class Secrets(logging.Filter):
    """Strikes every secret out of a record: its message, its arguments, its fields, its exception. Passes all on."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place."""
        try:
            told = record.getMessage()
        except (TypeError, ValueError):  # a message that does not fit its arguments is told as it stands
            told = f"{record.msg} {record.args!r}"
        record.msg, record.args = struck(told), ()
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = struck("".join(traceback.format_exception(record.exc_info[1])).rstrip())
            record.exc_info = None
        elif record.exc_text:
            record.exc_text = struck(record.exc_text)
        if record.stack_info:
            record.stack_info = struck(record.stack_info)
        for name, value in _fields(record).items():
            if not isinstance(value, bool | int | float | None):
                setattr(record, name, struck(value if isinstance(value, str) else str(value)))
        return True


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller added by ``extra``."""
    return {name: value for name, value in record.__dict__.items() if name not in _BORN_WITH}


def _one_line(text: str) -> str:
    return _CONTROL.sub(" ", " | ".join(line.strip() for line in text.splitlines() if line.strip()))


class PlainLines(logging.Formatter):
    """``06:17:03Z INFO  akash: 212 offers in 1.4 s``: time, level, what; others' loggers say who they are."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        at = datetime.fromtimestamp(record.created, UTC)
        who = "" if record.name.split(".")[0] in OURS else f"{record.name}: "
        cause = (
            f"{record.exc_text}"
            if record.exc_text
            else self.formatException(record.exc_info)
            if record.exc_info
            else ""
        )
        told = " | ".join(part for part in (_one_line(record.getMessage()), _one_line(cause)) if part)
        return f"{at:%H:%M:%SZ} {_SHORT.get(record.levelname, record.levelname):<5} {who}{told}"


class JsonLines(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``event``, the fields, and ``exception``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of ASCII: whatever stands in it, no reader of lines takes it for two."""
        fields = {name if name not in _KEYS else f"{name}_": value for name, value in _fields(record).items()}
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **{name: _plain(value) for name, value in fields.items()},
        }
        if record.exc_text or record.exc_info:
            line["exception"] = record.exc_text or self.formatException(record.exc_info or (None, None, None))
        return json.dumps(line, ensure_ascii=True, allow_nan=False)


_KEYS = ("time", "level", "logger", "event", "exception")


def _plain(value: Any) -> Any:
    """A value JSON has a word for: a number without a finite value is told as text."""
    if isinstance(value, float) and value - value != 0.0:
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


class _Handler(logging.StreamHandler[TextIO]):
    """To the stderr of the moment: a progress bar stands in for it while it is drawn."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        """Nothing to set: there is one stderr."""


def configure(level: str = "warning", log_format: str = "text") -> None:
    """Send every record from ``level`` on to stderr, one line each; a second call replaces the first.

    Parameters
    ----------
    level : {"debug", "info", "warning", "error"}
        Of our own loggers; others are heard from ``warning`` on, and all of them at ``debug``.
    log_format : {"text", "json"}
    """
    _chosen.update(DEPIN_COMPARE_LOG_LEVEL=level, DEPIN_COMPARE_LOG_FORMAT=log_format)
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
        root.removeHandler(old)
    handler = _Handler()
    handler.setFormatter(JsonLines() if log_format == "json" else PlainLines())
    handler.addFilter(Secrets())
    root.addHandler(handler)
    chosen = getattr(logging, level.upper())
    root.setLevel(logging.DEBUG if level == "debug" else max(chosen, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(chosen)


def environment() -> dict[str, str]:
    """The variables by which a process of ours that we start logs as this one does."""
    return dict(_chosen)


def tell(text: str, *, level: int = logging.INFO) -> bool:
    """Write a note as a JSON line where JSON is asked for, whatever the level; whether it was written."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _Handler) and isinstance(handler.formatter, JsonLines):
            handler.handle(logging.LogRecord("depin_compare.cli", level, "", 0, text, None, None))
            return True
    return False
