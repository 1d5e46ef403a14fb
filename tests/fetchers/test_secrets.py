"""A secret for every source that takes one, sent back by its server in every way: it stands nowhere afterwards."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace
from urllib.parse import quote

import polars as pl
import pytest
import requests
from served_payloads import PAYLOADS, body_of

from depin_compare import cli
from fetchers import FETCHERS

KEYED = sorted(name for name, fetcher in FETCHERS.items() if fetcher.key_variable is not None)


def secret(source):
    """Spelled differently in an address and in JSON; the part between is the same in all spellings."""
    return f'pl4nted-{source}-9f"8/e7+d'


def echo_headers(request):
    return 200, {}, json.dumps(dict(request.headers))


def refuse(request):
    return 401, {}, f"no such key: {dict(request.headers)}"


def send_away(request):
    key = planted_in(request)
    return 302, {"Location": f"https://evil.example/{quote(key)}?token={quote(key)}"}, ""


def send_on(request):
    key = planted_in(request)
    return 302, {"Location": f"{request.url.partition('?')[0]}/{quote(key)}"}, ""


def lose(request):
    raise requests.ConnectionError(f"could not send {dict(request.headers)}")


def true_answer(request):
    body = body_of(next(name for url, _, name in PAYLOADS[source_of(request)] if request.url.startswith(url)))
    spelled = json.dumps(planted_in(request))
    return 200, {"ETag": planted_in(request)}, body.replace(b"{", f'{{"echo": {spelled}, '.encode(), 1)


def source_of(request):
    return next(source for source in KEYED if any(f"//{host}/" in request.url for host in FETCHERS[source].hosts))


def planted_in(request):
    return secret(source_of(request)) if "pl4nted" in str(request.headers) else "nothing"


@pytest.fixture
def type_in(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("DEPIN_COMPARE_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fetchers.collection.unreachable_hosts", lambda *_: {})
    for source in KEYED:
        monkeypatch.setenv(FETCHERS[source].key_variable, secret(source))

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["depin-compare", *words])
        with pytest.raises(SystemExit):
            cli.main()
        return "".join(capsys.readouterr())

    return run


def written(folder):
    """The text of every file below, Parquet unpacked."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".parquet":
            yield path, pl.read_parquet(path).with_columns(pl.col(pl.Enum).cast(pl.String)).write_json()
        elif path.is_file():
            yield path, path.read_bytes().decode("utf-8", "replace")


def broken_parse(recording, *, observed_at):
    raise KeyError(secret(recording.source))


@pytest.mark.parametrize("answer", [echo_headers, refuse, send_away, send_on, lose, true_answer, "a bug"])
def test_no_secret_is_in_any_output_log_recording_store_file_or_error(
    answer, type_in, web, tmp_path, caplog, monkeypatch
):
    caplog.set_level(logging.DEBUG)
    sent: set[str] = set()

    def told(request):
        sent.update(source for source in KEYED if secret(source) in str(request.headers))
        return (true_answer if answer == "a bug" else answer)(request)

    for source in KEYED:
        if answer == "a bug":
            monkeypatch.setitem(FETCHERS, source, replace(FETCHERS[source], parse=broken_parse))
        for url, _, _ in PAYLOADS[source]:
            for method in ("GET", "POST"):
                web.add_callback(method, url, callback=told)
    out = type_in("fetch", *KEYED, "--record", "recorded", "-o", "rows.json")
    out += type_in("sources", "--json") + type_in("sources")
    assert sent == set(KEYED)
    texts = {"output": out, "log": caplog.text, **{str(path): text for path, text in written(tmp_path)}}
    assert [name for name, text in texts.items() if "pl4nted" in text] == []
    assert not (tmp_path / "store" / "http-cache").exists()


def test_no_secret_is_in_what_reports_are_drawn_from(type_in, web, tmp_path, observed_at):
    from depin_compare.jobs.config import JobConfig
    from depin_compare.jobs.run import analysis_of, collected, gathered
    from depin_compare.market.store import Store

    for source in KEYED:
        for url, _, _ in PAYLOADS[source]:
            for method in ("GET", "POST"):
                web.add_callback(method, url, callback=true_answer)
    store = Store(tmp_path / "store")
    collection = collected(JobConfig(), now=observed_at, store=store, sources=KEYED, record=tmp_path / "recorded")
    assert {status.status for status in collection.statuses} <= {"ok", "partial"}
    analysis = analysis_of(
        JobConfig(), gathered(JobConfig(), as_of=observed_at, store=store, collection=collection)
    ).to_json()
    texts = {"analysis": analysis, **{str(path): text for path, text in written(tmp_path)}}
    assert len(texts) > len(KEYED)
    assert [name for name, text in texts.items() if "pl4nted" in text] == []


def test_a_key_between_blanks_is_the_key(monkeypatch, web, observed_at):
    """A file read into a variable often ends in a line break, which no header may carry."""
    from fetchers import collect

    monkeypatch.setenv("LIUM_API_KEY", " k3y\n")
    web.get("https://lium.io/api/executors", body=b"[]")
    web.get("https://lium.io/api/machines", body=b"[]")
    collect(["lium"], observed_at=observed_at, probe=False)
    assert web.calls[0].request.headers["X-API-KEY"] == "k3y"
