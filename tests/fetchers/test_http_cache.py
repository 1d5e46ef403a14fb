"""Answers kept between runs: asked for again only if they have changed, never under a key, never half written."""

from __future__ import annotations

import os

import pytest

from depin_compare.errors import SourceError
from fetchers.http import source_session
from fetchers.http_cache import HttpCache

HOST = "api.example.com"
URL = f"https://{HOST}/v1/prices"
MONDAY = "Mon, 16 Nov 2026 08:00:00 GMT"


def ask(cache, url=URL, **options):
    params, headers = options.pop("params", None), options.pop("headers", None)
    session = source_session("example", [HOST], cache=cache, **options)
    return session.get_answer("prices", url, params=params, headers=headers)


def kept(folder):
    return sorted(path for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def cache(tmp_path):
    return HttpCache(tmp_path / "http-cache")


def test_an_answer_that_has_not_changed_is_not_sent_again(web, cache):
    web.get(URL, body=b"[1]", headers={"ETag": '"a"', "Last-Modified": MONDAY})
    first = ask(cache)
    web.reset()
    web.get(URL, status=304)
    assert ask(cache) == first
    sent = web.calls[-1].request.headers
    assert (sent["If-None-Match"], sent["If-Modified-Since"]) == ('"a"', MONDAY)


def test_an_answer_that_has_changed_takes_the_place_of_the_old(web, cache):
    for body in (b"[1]", b"[2]"):
        web.reset()
        web.get(URL, body=body, headers={"ETag": f'"{body.decode()}"'})
        assert ask(cache).body == body
    assert len(kept(cache.folder)) == 1
    assert cache.find(URL).body == b"[2]"


@pytest.mark.parametrize(
    "headers",
    [{}, {"ETag": '"a"', "Cache-Control": "private, no-store"}],
    ids=["no validator", "not to be stored"],
)
def test_what_may_not_be_kept_is_not(web, cache, headers):
    web.get(URL, body=b"[1]", headers=headers)
    ask(cache)
    assert kept(cache.folder) == []


@pytest.mark.parametrize("status", [203, 404, 500])
def test_only_whole_answers_are_kept(web, cache, status):
    web.get(URL, status=status, headers={"ETag": '"a"'})
    ask(cache)
    assert kept(cache.folder) == []


def test_nothing_of_a_source_with_a_key_is_kept_or_used(web, cache):
    web.get(URL, body=b"[1]", headers={"ETag": '"a"'})
    ask(cache, key="s3cret")
    ask(cache, headers={"X-Api-Key": "s3cret"})
    ask(cache, params={"token": "s3cret"})
    assert kept(cache.folder) == []
    ask(cache)
    ask(cache, key="s3cret")
    assert "If-None-Match" not in web.calls[-1].request.headers


def test_pages_are_kept_apart(web, cache):
    for page in "12":
        web.get(f"{URL}?page={page}", body=page, headers={"ETag": page})
        ask(cache, params={"page": page})
    assert cache.find(f"{URL}?page=1").body == b"1"
    assert cache.find(f"{URL}?page=2").body == b"2"


def test_validators_go_only_to_the_place_they_came_from(web, cache):
    """What a redirect led to yesterday says nothing of what it leads to today."""
    web.get(URL, status=302, headers={"Location": f"https://{HOST}/files/1"})
    web.get(f"https://{HOST}/files/1", body=b"[1]", headers={"ETag": '"a"'})
    ask(cache)
    web.reset()
    web.get(URL, status=302, headers={"Location": f"https://{HOST}/files/1"})
    web.get(f"https://{HOST}/files/1", status=304)
    assert ask(cache).body == b"[1]"
    assert ["If-None-Match" in call.request.headers for call in web.calls] == [False, True]
    web.reset()
    web.get(URL, status=302, headers={"Location": f"https://{HOST}/files/2"})
    web.get(f"https://{HOST}/files/2", body=b"[2]")
    assert ask(cache).body == b"[2]"


def test_a_server_that_says_not_changed_to_who_has_nothing_is_taken_at_its_word(web, cache):
    web.get(URL, status=304)
    assert ask(cache).status == 304


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: b"",
        lambda raw: raw[:-1],
        lambda raw: raw[:20],
        lambda raw: b"null\n" + raw,
        lambda raw: b"\xff\xfe\n[1]",
        lambda raw: raw.replace(b"[1]", b"[9]"),
        lambda raw: b"[" * 100_000 + b"\n",
    ],
)
def test_a_damaged_entry_is_a_miss_and_goes(web, cache, spoil):
    web.get(URL, body=b"[1]", headers={"ETag": '"a"'})
    ask(cache)
    (entry,) = kept(cache.folder)
    entry.write_bytes(spoil(entry.read_bytes()))
    assert cache.find(URL) is None
    assert not entry.exists()
    assert ask(cache).body == b"[1]"


def test_a_validator_that_no_header_can_carry_is_left_out(cache):
    cache.keep(URL, place=URL, headers={"ETag": "a\nX-Evil: 1", "Last-Modified": MONDAY}, body=b"[1]")
    assert cache.find(URL).validators() == {"If-Modified-Since": MONDAY}


def test_the_folder_stays_within_its_size_and_drops_what_was_used_longest_ago(tmp_path):
    cache = HttpCache(tmp_path, max_bytes=5000, max_entry_bytes=2000)
    for number in range(4):
        cache.keep(f"{URL}/{number}", place=URL, headers={"ETag": "a"}, body=b"x" * 1500)
        for path in kept(tmp_path):  # a minute passes
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 60))
        assert cache.find(f"{URL}/0") is not None
    cache.keep(f"{URL}/large", place=URL, headers={"ETag": "a"}, body=b"x" * 2001)
    assert sum(path.stat().st_size for path in kept(tmp_path)) <= 5000
    assert [cache.find(f"{URL}/{name}") is not None for name in ("0", "1", "2", "3", "large")] == [
        True, False, True, True, False,
    ]  # fmt: skip


def test_a_folder_that_can_not_be_written_costs_nothing(web, tmp_path):
    (tmp_path / "file").write_text("in the way")
    web.get(URL, body=b"[1]", headers={"ETag": '"a"'})
    assert ask(HttpCache(tmp_path / "file" / "cache")).body == b"[1]"


def test_a_write_that_fails_leaves_nothing_behind(cache, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr("pathlib.Path.replace", full)
    cache.keep(URL, place=URL, headers={"ETag": "a"}, body=b"[1]")
    assert kept(cache.folder) == []


def test_a_kept_answer_larger_than_what_is_taken_now_is_refused(web, cache):
    web.get(URL, body=b"x" * 2000, headers={"ETag": '"a"'})
    ask(cache)
    web.reset()
    web.get(URL, status=304)
    with pytest.raises(SourceError, match="more than 1000 bytes"):
        ask(cache, max_body_bytes=1000)
