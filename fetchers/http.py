"""The one place where a source is spoken to: sessions, retries, limits, mirrors and the rule about hosts.

A fetcher writes the address its source publishes. Whether a mirror answers in its place, how often a
request is tried, how long and how large an answer may be: all that is settled here.
"""

from __future__ import annotations

import json as json_module
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urljoin, urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import IncompleteRead, NameResolutionError
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

from depin_compare.errors import SourceError
from fetchers.http_cache import SECRET_PARAMETERS, Cached, HttpCache, may_carry_secret

__all__ = [
    "NO_ANSWER",
    "REFUSED",
    "Answer",
    "CappedRetry",
    "SourceSession",
    "mapped_address",
    "redacted",
    "scrubbed",
    "source_session",
    "user_agent",
]

CONNECT_TIMEOUT_SECONDS = 3.0
# Akash needs about 16 s for a cold answer.
READ_TIMEOUT_SECONDS = 60.0
MAX_BODY_BYTES = 64 * 2**20
MAX_REDIRECTS = 5
RETRY_AFTER_CAP_SECONDS = 10.0
RETRIED_STATUSES = (429, 500, 502, 503, 504)
CHUNK_BYTES = 2**16
NO_ANSWER = 0
REFUSED = -1
# A body that breaks off is asked for once more: what comes before it is retried by the adapter.
BODY_TRIES = 2
BODY_WAIT_SECONDS = 0.5
HIDDEN = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer: which endpoint or page it was, where from, what status, and the body as received.

    ``url`` is the published address, never a mirror's, and carries no key. ``status`` may also be `NO_ANSWER`
    or `REFUSED` (an answer we would not take: too large, or from another host); the body then says why.
    """

    name: str
    url: str
    status: int
    body: bytes


class CappedRetry(Retry):
    """A `Retry` that honours ``Retry-After``, but never longer than `RETRY_AFTER_CAP_SECONDS`."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Seconds the server asks to wait, capped."""
        seconds = super().get_retry_after(response)
        return None if seconds is None else min(seconds, RETRY_AFTER_CAP_SECONDS)


def user_agent() -> str:
    """Name and version, so that a source can see who asks."""
    try:
        version = metadata.version("depin-compare")
    except metadata.PackageNotFoundError:
        version = "dev"
    return f"depin-compare/{version}"


def redacted(url: str) -> str:
    """The address without parameters that may carry a key, and without user information.

    >>> redacted("https://me:pw@api.example.com/v1?gpu=h100&api_key=s3cret")
    'https://api.example.com/v1?gpu=h100'
    """
    parts = urlsplit(url)
    query = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k.lower() not in SECRET_PARAMETERS]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, urlencode(query), ""))


def scrubbed(text: str, key: str | None) -> str:
    """The text with the key struck out, also as an address, a JSON text or a literal spells it.

    >>> scrubbed("no such key: a%2Fb", "a/b")
    'no such key: ***'
    """
    for form in _forms(key):
        text = text.replace(form, HIDDEN)
    return text


def mapped_address(url: str, mirrors: Mapping[str, str]) -> tuple[str, tuple[str, str] | None]:
    """The address to ask instead of `url`, and the (prefix, target) pair that says so, if any.

    The longest prefix wins, and a prefix ends at a border of the address: ``https://a.example`` never
    stands for ``https://a.example.evil``.

    >>> mapped_address("https://prices.azure.com:443/api?x=1", {"https://prices.azure.com": "http://127.0.0.1:8080/az"})
    ('http://127.0.0.1:8080/az/api?x=1', ('https://prices.azure.com', 'http://127.0.0.1:8080/az'))
    """
    url = _without_default_port(url)
    pairs = [(_without_default_port(prefix).rstrip("/"), target.rstrip("/")) for prefix, target in mirrors.items()]
    for prefix, target in sorted(pairs, key=lambda pair: -len(pair[0])):
        rest = _rest(url, prefix)
        if rest is not None:
            return target + rest, (prefix, target)
    return url, None


def source_session(
    source: str,
    hosts: Iterable[str],
    *,
    mirrors: Mapping[str, str] | None = None,
    deadline: float | None = None,
    unreachable: Mapping[str, str] | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
    key: str | None = None,
    min_pause_seconds: float = 0.0,
    cache: HttpCache | None = None,
) -> SourceSession:
    """Build the session of one source.

    Parameters
    ----------
    source : str
        Id of the source; it stands in every error.
    hosts : iterable of str
        Host names the source declares. No other is ever asked, whatever a redirect or paging link says.
    mirrors : mapping of str to str, optional
        Address prefix -> the prefix to ask in its place.
    deadline : float, optional
        `time.monotonic` value after which no request begins and no body is read on.
    unreachable : mapping of str to str, optional
        Hosts known not to answer, and why: refused at once instead of tried.
    max_body_bytes : int
        Size at which an answer is given up, counted after decompression.
    key : str, optional
        The source's key, for `fetch` to send as ``session.key``; struck out of every answer that repeats it.
    min_pause_seconds : float
        Least time between the starts of two requests to one host; a mirror is not waited for.
    cache : HttpCache, optional
        Where answers are kept between runs; a session with a key neither reads nor writes it.
    """
    return SourceSession(
        source,
        frozenset(hosts),
        mirrors=dict(mirrors or {}),
        deadline=deadline,
        unreachable=dict(unreachable or {}),
        max_body_bytes=max_body_bytes,
        key=key,
        min_pause_seconds=min_pause_seconds,
        cache=cache,
    )


class SourceSession:
    """Asks one source; every answer is an `Answer`, every failure a `SourceError`. See `source_session`."""

    def __init__(
        self,
        source: str,
        hosts: frozenset[str],
        *,
        mirrors: dict[str, str],
        deadline: float | None,
        unreachable: dict[str, str],
        max_body_bytes: int,
        key: str | None,
        min_pause_seconds: float,
        cache: HttpCache | None,
    ) -> None:
        self.source = source
        self.key = key
        self._hosts = hosts
        self._mirrors = mirrors
        self._deadline = deadline
        self._unreachable = unreachable
        self._max_body_bytes = max_body_bytes
        self._min_pause_seconds = min_pause_seconds
        self._cache = None if key else cache
        self._asked_at: dict[str, float] = {}
        self._session = requests.Session()
        self._session.headers.update(
            {"User-Agent": user_agent(), "Accept": "application/json", "Accept-Encoding": "gzip"}
        )
        retry = CappedRetry(
            total=3,
            connect=1,
            read=1,
            status=2,
            redirect=0,
            other=0,
            backoff_factor=0.5,
            backoff_max=5,
            status_forcelist=RETRIED_STATUSES,
            allowed_methods={"GET", "POST"},
            raise_on_status=False,
            respect_retry_after_header=True,
        )
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def get_answer(
        self,
        name: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask once by GET. Any final status is an answer; only a failure to get one raises."""
        return self._ask("GET", name, url, params=params, headers=headers)

    def post_answer(
        self,
        name: str,
        url: str,
        *,
        json: object,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask once by POST with a JSON body; a redirect is refused, for it would lose the body."""
        return self._ask("POST", name, url, params=params, headers=headers, json=json)

    def try_answer(
        self,
        name: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: object = None,
    ) -> Answer:
        """Like `get_answer`, but a failure becomes an `Answer` of no HTTP status whose body says why.

        For a source of several endpoints, where one that fails must not cost the others. With `json` it asks
        like `post_answer`.
        """
        try:
            if json is not None:
                return self.post_answer(name, url, json=json, params=params, headers=headers)
            return self.get_answer(name, url, params=params, headers=headers)
        except SourceError as error:
            status = NO_ANSWER if error.unreachable else REFUSED
            return Answer(name=name, url=error.where, status=status, body=error.seen.encode())

    def pause(self, seconds: float, *, before: str) -> None:
        """Wait before the next request, as the host of `before` asks; a mirror needs no such courtesy."""
        if mapped_address(before, self._mirrors)[1] is not None or urlsplit(before).netloc in self._unreachable:
            return
        if self._deadline is not None:
            seconds = min(seconds, self._deadline - time.monotonic())
        if seconds > 0:
            time.sleep(seconds)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _ask(
        self,
        method: str,
        name: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: object = None,
    ) -> Answer:
        try:
            published = self._published(url)
            if params:
                published = f"{published}{'&' if '?' in published else '?'}{urlencode(params)}"
            target = mapped_address(published, self._mirrors)[0]
        except ValueError:
            raise SourceError(self.source, name, seen="a link that is no address", expected="an address") from None
        cache = self._cache if method == "GET" and not headers and not may_carry_secret(target) else None
        for tries_left in reversed(range(BODY_TRIES)):
            try:
                return self._exchange(method, name, published, headers=headers, json=json, cache=cache)
            except _BrokenOffError as broken:
                if not tries_left:
                    self._fail(broken.url, broken.error)
                self.pause(BODY_WAIT_SECONDS, before=broken.url)
        raise AssertionError("the last try returns or raises")

    def _exchange(
        self,
        method: str,
        name: str,
        asked: str,
        *,
        headers: Mapping[str, str] | None,
        json: object,
        cache: HttpCache | None,
    ) -> Answer:
        """Ask, follow redirects, read the body; an answer that breaks off is a `_BrokenOffError`."""
        first = asked
        stored_as = mapped_address(asked, self._mirrors)[0]
        stored = cache.find(stored_as) if cache else None
        for _ in range(MAX_REDIRECTS + 1):
            self._check_host(asked)
            target, pair = mapped_address(asked, self._mirrors)
            self._pace(asked)
            self._check_time(asked)
            fresh_if = stored.validators() if stored is not None and stored.place == _place(target) else {}
            try:
                with self._session.request(
                    method,
                    target,
                    headers={**(headers or {}), **fresh_if},
                    json=json,
                    timeout=(CONNECT_TIMEOUT_SECONDS, self._read_timeout()),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    if not (response.is_redirect and method == "GET"):
                        if stored is not None and fresh_if and response.status_code == 304:
                            return self._answer(name, asked, 200, self._checked_size(stored, asked))
                        body = self._body(response, asked)
                        if cache is not None and response.status_code == 200:
                            cache.keep(stored_as, place=_place(target), headers=response.headers, body=body)
                        return self._answer(name, asked, response.status_code, body)
                    asked = _back(urljoin(target, response.headers["Location"]), pair)
            except requests.RequestException as error:
                if _breaks_off(error):
                    raise _BrokenOffError(asked, error) from None
                self._fail(asked, error)
            except ValueError:
                raise self._error(asked, seen="a redirect to what is no address", expected="an address") from None
        raise self._error(first, seen="a chain of redirects", expected=f"at most {MAX_REDIRECTS}")

    def _answer(self, name: str, asked: str, status: int, body: bytes) -> Answer:
        for form in _forms(self.key):
            body = body.replace(form.encode(), HIDDEN.encode())
        return Answer(name=name, url=scrubbed(redacted(asked), self.key), status=status, body=body)

    def _error(self, url: str, *, seen: str, expected: str, unreachable: bool = False) -> SourceError:
        """The error of an exchange: no query, no user information, no key, whatever a server sent."""
        return SourceError(
            self.source,
            scrubbed(_place(url), self.key),
            seen=scrubbed(seen, self.key),
            expected=expected,
            unreachable=unreachable,
        )

    def _pace(self, url: str) -> None:
        """Keep the least pause between two requests to the host of `url`."""
        host = urlsplit(url).netloc
        last = self._asked_at.get(host)
        rest = 0.0 if last is None else last + self._min_pause_seconds - time.monotonic()
        if rest > 0:
            self.pause(rest, before=url)
        self._asked_at[host] = time.monotonic()

    def _published(self, url: str) -> str:
        """The published address of a link, which a mirror may have rewritten to its own."""
        for prefix, target in sorted(self._mirrors.items(), key=lambda pair: -len(pair[1])):
            if _rest(url, target.rstrip("/")) is not None:
                return _back(url, (prefix.rstrip("/"), target.rstrip("/")))
        return _without_default_port(url)

    def _check_host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.netloc not in self._hosts:
            raise self._error(
                url,
                seen=f"a link to {parts.scheme}://{parts.netloc.rpartition('@')[2]}",
                expected=f"https and one of {', '.join(sorted(self._hosts))}",
            )
        if parts.netloc in self._unreachable:
            raise self._error(url, seen=self._unreachable[parts.netloc], expected="an answer", unreachable=True)

    def _check_time(self, url: str) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise self._error(url, seen="time budget used up", expected="an answer", unreachable=True)

    def _read_timeout(self) -> float:
        if self._deadline is None:
            return READ_TIMEOUT_SECONDS
        return max(0.1, min(READ_TIMEOUT_SECONDS, self._deadline - time.monotonic()))

    def _body(self, response: requests.Response, url: str) -> bytes:
        body = bytearray()
        for chunk in response.iter_content(CHUNK_BYTES):
            body += chunk
            if len(body) > self._max_body_bytes:
                raise self._too_large(url)
            self._check_time(url)
        return bytes(body)

    def _checked_size(self, stored: Cached, url: str) -> bytes:
        if len(stored.body) > self._max_body_bytes:
            raise self._too_large(url)
        return stored.body

    def _too_large(self, url: str) -> SourceError:
        return self._error(url, seen=f"more than {self._max_body_bytes} bytes", expected="a smaller answer")

    def _fail(self, url: str, error: requests.RequestException) -> NoReturn:
        """Raise the `SourceError` of a failed exchange; never chained, for its text may hold the key."""
        cause, unreachable = _cause(error)
        if unreachable and not isinstance(error, requests.ReadTimeout):
            self._unreachable[urlsplit(url).netloc] = cause
        raise self._error(url, seen=cause, expected="an answer", unreachable=unreachable) from None


class _BrokenOffError(Exception):
    """An answer that began and did not end."""

    def __init__(self, url: str, error: requests.RequestException) -> None:
        self.url = url
        self.error = error
        super().__init__(url)


def _forms(key: str | None) -> tuple[str, ...]:
    """The key, and how an address, a form, a JSON text or a literal spells it; the longest first."""
    if not key:
        return ()
    forms = {key, quote(key, safe=""), quote(key), quote_plus(key), json_module.dumps(key)[1:-1], repr(key)[1:-1]}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _breaks_off(error: requests.RequestException) -> bool:
    """Whether the answer began and did not end; a host that only fell silent is not asked again."""
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return True
    chain = list(_chain(error))
    return any(isinstance(link, IncompleteRead) for link in chain) and not any(
        isinstance(link, TimeoutError) for link in chain
    )


def _cause(error: requests.RequestException) -> tuple[str, bool]:
    """What went wrong in a few human words, and whether it means that no answer came at all."""
    chain = list(_chain(error))
    if any(isinstance(link, NameResolutionError) for link in chain):
        return "name not found", True
    if any(isinstance(link, ConnectionRefusedError) for link in chain):
        return "connection refused", True
    if isinstance(error, requests.ConnectTimeout):
        return "timed out while connecting", True
    if isinstance(error, requests.Timeout) or any(isinstance(link, TimeoutError) for link in chain):
        return "timed out", True
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS certificate or handshake not accepted", True
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy did not let it through", True
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "an answer that breaks off", False
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return "an answer that can't be decompressed", False
    if isinstance(error, requests.ConnectionError):
        return "connection lost", True
    return f"a request that can't be sent ({type(error).__name__})", False


def _chain(error: BaseException) -> Iterable[BaseException]:
    """The error, and whatever it wraps by cause, context, ``reason`` or arguments."""
    queue: list[Any] = [error]
    seen: set[int] = set()
    while queue:
        link = queue.pop()
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            queue += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]


def _rest(url: str, prefix: str) -> str | None:
    """What follows `prefix` in `url`, or None when it does not begin with it at a border."""
    if not url.startswith(prefix):
        return None
    rest = url[len(prefix) :]
    return rest if rest == "" or rest[0] in "/?#" else None


def _back(url: str, pair: tuple[str, str] | None) -> str:
    """Map an address a mirror gave back to the published one; others only lose their default port."""
    if pair is not None:
        prefix, target = pair
        rest = _rest(url, target)
        if rest is not None:
            return _without_default_port(prefix + rest)
    return _without_default_port(url)


def _without_default_port(url: str) -> str:
    """``https://host:443/x`` is ``https://host/x``; host names are lower case."""
    parts = urlsplit(url)
    if not parts.netloc:
        return url
    netloc = parts.netloc.lower()
    if parts.scheme == "https":
        netloc = re.sub(r":443$", "", netloc)
    return urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))


def _place(url: str) -> str:
    """The address as it may stand in an error: no query, no user information."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
