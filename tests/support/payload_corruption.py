"""Payloads gone wrong at random: what a source answers, spoilt in one answer, and what its fetcher makes of it."""

from __future__ import annotations

import copy
import csv
import gzip
import io
import json
import math
import random
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode

import polars as pl
from served_payloads import OBSERVED_AT, PAYLOADS, body_of, payload_for

from depin_compare.errors import SourceError
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import Offers, Skipped
from depin_compare.market.token_prices import TokenPrices
from fetchers import FETCHERS, FetchResult
from fetchers.http import NO_ANSWER, REFUSED, Answer

MOST_SECONDS = 20.0
MOST_REQUESTS = 3000
GONE = "\0gone"
WRONG: tuple[Any, ...] = (
    GONE, GONE, None, None, True, False, 0, -1, -0.0, 0.001, 1e-300, 1e308, 10**400, 2**63, 2**31, 201, 86400,
    float("nan"), float("inf"), float("-inf"), "", " ", "0", "-3", "NaN", "Infinity", "1e999", "1e-9", "N/A", "2.5 USD",
    "\u0000", "\ud800", "\udfff\ud800", "\U0001f600", "x" * 5000, "../../etc/passwd", "https://[", "//evil.example/x",
    "https://evil.example/next", "9" * 400, "1970-01-01T00:00:00Z", "0000-99-99", "2026-11-22", "H100", "H100:8",
    [], {}, [[]], [{}], [None], {"a": {"b": [None]}}, {"USD": None}, {"USD": "nan"}, [[[[[[[[[[]]]]]]]]]],
)  # fmt: skip
STATUSES = (NO_ANSWER, REFUSED, 204, 301, 304, 401, 403, 404, 429, 500, 503)


class Stub:
    """Stands for a session: answers from the payloads, one of them spoilt."""

    def __init__(self, source: str, spoil: Callable[[str], tuple[int, bytes] | None]) -> None:
        self.source = source
        self.key = "example-key"
        self.asked = 0
        self._spoil = spoil

    def get_answer(
        self, name: str, url: str, *, params: Mapping[str, str] | None = None, headers: object = None, body: str = ""
    ) -> Answer:
        self.asked += 1
        if self.asked > MOST_REQUESTS:
            raise AssertionError(f"{self.source}: asks for ever")
        whole = f"{url}{'&' if '?' in url else '?'}{urlencode(params)}" if params else url
        try:
            payload = payload_for(whole, body)
        except ValueError:
            raise SourceError(self.source, name, seen="a link that is no address", expected="an address") from None
        if payload is None:
            return Answer(name=name, url=whole, status=404, body=b"nothing here")
        status, content = self._spoil(payload) or (200, body_of_cached(payload))
        return Answer(name=name, url=whole, status=status, body=content)

    def post_answer(self, name: str, url: str, *, json: object, **options: Any) -> Answer:
        return self.get_answer(name, url, body=_dumped(json), **options)

    def try_answer(self, name: str, url: str, *, json: object = None, **options: Any) -> Answer:
        try:
            return self.get_answer(name, url, body="" if json is None else _dumped(json), **options)
        except SourceError as error:
            return Answer(name=name, url=url, status=REFUSED, body=str(error).encode("utf-8", "replace"))

    def pause(self, seconds: float, *, before: str) -> None:
        """Nobody is waited for."""


def _dumped(document: object) -> str:
    return json.dumps(document)


@cache
def body_of_cached(name: str) -> bytes:
    return body_of(name)


def spoilt(chance: random.Random, name: str) -> tuple[int, bytes]:
    """Status and body of a payload gone wrong."""
    body = body_of_cached(name)
    how = chance.random()
    if how < 0.02:
        return chance.choice(STATUSES), body
    if how < 0.08:
        return 200, body[: chance.randint(0, len(body))]
    if how < 0.12:
        return 200, _bytes_changed(chance, body)
    if name.endswith(".zip"):
        return 200, _zip(chance, body)
    if name.endswith(".tar.gz"):
        return 200, _tar(chance, body)
    return 200, _content(chance, name, body)


def _content(chance: random.Random, name: str, body: bytes) -> bytes:
    if name.endswith(".json"):
        return _json(chance, body)
    if name.endswith(".csv"):
        return _csv(chance, body)
    return chance.choice((b"", b"<html>", b"../../x", b"\xff\xfe", body * 3, b"9" * 5000, _bytes_changed(chance, body)))


def _bytes_changed(chance: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.choice((1, 3, 20))):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _json(chance: random.Random, body: bytes) -> bytes:
    """The document with one to three places put wrong; deep nesting now and then."""
    document = json.loads(body)
    if chance.random() < 0.01:
        return b"[" * 100_000 + b"]" * 100_000
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = list(_places(document))
        if not places:
            break
        home, key = chance.choice(places)
        if chance.random() < 0.05:  # the same again: what stands elsewhere, or a list that has grown
            _, other_key = other = chance.choice(places)
            home[key] = copy.deepcopy(other[0][other_key])
            continue
        value = copy.deepcopy(chance.choice(WRONG))
        if isinstance(home[key], int | float) and not isinstance(home[key], bool) and chance.random() < 0.3:
            value = home[key] * chance.choice((-1, 100, 10**6, 10**18))
        if value == GONE:
            del home[key]
        elif isinstance(home, dict) and chance.random() < 0.1:
            home[str(key) + "\ud800"] = home.pop(key)
        else:
            home[key] = value
    return json.dumps(document).encode()


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield node, key
        yield from _places(node[key])


def _csv(chance: random.Random, body: bytes) -> bytes:
    rows = list(csv.reader(io.StringIO(body.decode())))
    for _ in range(chance.choice((1, 1, 2, 5))):
        row = chance.choice(rows)
        how = chance.random()
        if how < 0.7 and row:
            value = chance.choice(WRONG)
            text = "" if value == GONE else str(value)
            row[chance.randrange(len(row))] = text.encode("utf-8", "replace").decode()
        elif how < 0.8 and row:
            del row[chance.randrange(len(row))]
        elif how < 0.9:
            row.append('"')
        elif how < 0.95:
            rows.append(list(row))
        else:  # a column put in another's place
            column = chance.randrange(max(1, len(rows[0])))
            for other in rows:
                if column < len(other):
                    del other[column]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _zip(chance: random.Random, body: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(
                name if chance.random() < 0.95 else f"../{name}.x", _content(chance, name, old.read(name))
            )  # fmt: skip
    return packed.getvalue()


def _tar(chance: random.Random, body: bytes) -> bytes:
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
        for member in archive.getmembers():
            handle = archive.extractfile(member)
            files[member.name] = handle.read() if handle else b""
    bad = chance.choice(sorted(files))
    files[bad] = _content(chance, bad, files[bad])
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if name == bad and chance.random() < 0.1:
                info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), 1)


def cases(source: str) -> list[str]:
    """The payloads of one source that its fetcher asks for."""
    asked: list[str] = []
    stub = Stub(source, lambda name: asked.append(name))  # type: ignore[func-returns-value]  # it only notes the name
    FETCHERS[source].fetch(stub, observed_at=OBSERVED_AT)
    return list(dict.fromkeys(asked))


def check_one(source: str, payload: str, seed: int) -> str:
    """Spoil one payload and see that its source bears it; gives ``offers``, ``rows skipped`` or ``error``.

    Raises
    ------
    AssertionError
        When it ends otherwise: another exception, a price outside the band, a frame that breaks its schema, a hang.
    """
    chance = random.Random(f"{source}|{payload}|{seed}")
    bad = spoilt(chance, payload)
    fetcher = FETCHERS[source]
    what = f"{source}, {payload}, seed {seed}"
    begin = time.monotonic()
    result: FetchResult | SourceError
    try:
        taken = fetcher.fetch(Stub(source, lambda name: bad if name == payload else None), observed_at=OBSERVED_AT)
        result = fetcher.parse(taken, observed_at=OBSERVED_AT)
    except SourceError as error:
        result = error
    except Exception as error:  # any but SourceError is the bug looked for
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
    assert time.monotonic() - begin < MOST_SECONDS, f"{what}: takes too long"
    if isinstance(result, SourceError):
        assert result.source == source, what
        assert len(str(result)) < 2000, what
        assert str(result).encode(), what  # an error that no terminal can show is none
        return "error"
    for schema, frame in (
        (Offers, result.offers),
        (NetworkFacts, result.facts),
        (TokenPrices, result.token_prices),
        (Skipped, result.skipped),
    ):
        assert schema.is_valid(frame), f"{what}: {schema.__name__}"
    prices = result.offers["usd_per_accelerator_hour"].drop_nulls()
    assert bool(prices.is_between(0.01, 200).all()), f"{what}: {prices.min()} to {prices.max()}"
    assert all(math.isfinite(value) for value in result.facts["value"]), f"{what}: a fact that is not finite"
    for column in ("usd_per_mtok_input", "usd_per_mtok_output", "usd_per_mtok_cached_input"):
        assert bool(result.token_prices[column].drop_nulls().is_finite().all()), f"{what}: {column}"
    unread = result.skipped.filter(pl.col("kind") == "unreadable").height
    return "rows skipped" if unread else "offers"


SOURCES = tuple(PAYLOADS)
