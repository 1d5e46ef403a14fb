"""A web in which every source gets its recorded payload, through `responses` and without a wait."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from unittest import mock
from urllib.parse import unquote

import responses
from responses import BaseResponse
from responses.registries import FirstMatchRegistry
from served_payloads import PAYLOADS, body_of

from fetchers import FETCHERS
from fetchers.http import CappedRetry, SourceSession

# Salad is asked for one organisation, which the environment names.
ORGANIZATION = {"SALAD_ORGANIZATION": "example-org"}


class ByAddress(FirstMatchRegistry):
    """Answers looked up by address first: trying two hundred of them at every request takes longer than answering."""

    def find(self, request: Any) -> tuple[BaseResponse | None, list[str]]:
        asked = _address(request.url)
        near = [one for one in self.registered if isinstance(one.url, str) and _address(one.url) == asked]
        found = [one for one in near if one.matches(request)[0]]
        if len(found) == 1 and all(isinstance(one.url, str) for one in self.registered):
            return found[0], []
        return super().find(request)  # none, or the first of several: theirs to say


@cache
def _address(url: str) -> str:
    return unquote(url.partition("?")[0])


def holding(wanted: dict[str, str]) -> Callable[[Any], tuple[bool, str]]:
    """A matcher of requests that have these parts in their parameters or their body."""

    def match(request: Any) -> tuple[bool, str]:
        sent = {**request.params, **({"body": request.body.decode()} if request.body else {})}
        for key, part in wanted.items():
            if part not in sent.get(key, ""):
                return False, f"{key} has no {part}"
        return True, ""

    return match


def put_payloads(web: responses.RequestsMock, source: str, *, except_for: str | None = None) -> None:
    """Let a source answer with its recorded payloads; addresses that end with `except_for` are left out."""
    for url, wanted, name in PAYLOADS[source]:
        if except_for is None or not url.endswith(except_for):
            for method in ("GET", "POST"):
                web.add(method, url, body=body_of(name), match=[holding(wanted)])


@contextmanager
def every_source_answers() -> Iterator[None]:
    """All sources answer, keys are set, and nobody waits between two requests."""
    keys = {one.key_variable: "example-key" for one in FETCHERS.values() if one.key_variable is not None}
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, keys | ORGANIZATION))
        stack.enter_context(mock.patch.object(CappedRetry, "sleep"))
        stack.enter_context(mock.patch.object(SourceSession, "pause"))
        web = stack.enter_context(responses.RequestsMock(assert_all_requests_are_fired=False, registry=ByAddress))
        for source in PAYLOADS:
            put_payloads(web, source)
        yield
