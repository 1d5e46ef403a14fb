"""The session: hosts, mirrors, redirects, limits, retries and what an error may say."""

from __future__ import annotations

import gzip
import string
import time
from urllib.parse import urlsplit

import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st
from urllib3.response import HTTPResponse

from depin_compare.errors import SourceError
from fetchers.http import (
    NO_ANSWER,
    REFUSED,
    RETRY_AFTER_CAP_SECONDS,
    CappedRetry,
    SourceSession,
    mapped_address,
    redacted,
    source_session,
)

HOST = "api.example.com"
URL = f"https://{HOST}/v1/prices"
PAUSE = SourceSession.pause  # the fixture `waits` puts a note in its place


def session(**options):
    return source_session("example", [HOST], **options)


def test_an_answer_keeps_status_body_and_published_address(web):
    web.get(URL, body=b"[1]", status=404)
    answer = session().get_answer("prices", URL, params={"gpu": "h100", "api_key": "s3cret"})
    assert (answer.name, answer.status, answer.body) == ("prices", 404, b"[1]")
    assert answer.url == f"{URL}?gpu=h100"


def test_it_says_who_asks_and_for_what(web):
    web.get(URL, body=b"[]")
    session().get_answer("prices", URL, headers={"X-Api-Key": "k"})
    headers = web.calls[0].request.headers
    assert headers["User-Agent"].startswith("depin-compare/")
    assert " " not in headers["User-Agent"]
    assert headers["Accept-Encoding"] == "gzip"
    assert headers["X-Api-Key"] == "k"


def test_a_post_sends_json_and_follows_no_redirect(web):
    web.post(URL, status=307, headers={"Location": URL})
    answer = session().post_answer("prices", URL, json={"a": 1})
    assert (answer.status, web.calls[0].request.body) == (307, b'{"a": 1}')
    assert len(web.calls) == 1


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/v1",
        "https://api.example.com.evil.example/v1",
        "https://evil.example@api.example.com.evil.example/",
        "https://user@api.example.com/v1",
        "http://api.example.com/v1",
        "https://api.example.com:8443/v1",
        "//evil.example/v1",
        "file:///etc/passwd",
        "/v1/relative",
    ],
)
def test_no_other_host_is_asked_whatever_a_link_says(web, link):
    with pytest.raises(SourceError, match=r"saw a link to .*, expected https and one of api\.example\.com"):
        session().get_answer("prices", link)
    assert len(web.calls) == 0


@pytest.mark.parametrize("link", ["https://evil.example/v1", "http://api.example.com/v1", "//evil.example/x"])
def test_a_redirect_to_another_host_is_refused(web, link):
    web.get(URL, status=302, headers={"Location": link})
    with pytest.raises(SourceError, match="saw a link to"):
        session().get_answer("prices", URL)
    assert len(web.calls) == 1


def test_a_redirect_within_the_host_is_followed_also_over_port_443(web):
    web.get(URL, status=301, headers={"Location": f"https://{HOST}:443/v2/prices"})
    web.get(f"https://{HOST}/v2/prices", body=b"[2]")
    assert session().get_answer("prices", URL).body == b"[2]"


def test_redirects_end(web):
    web.get(URL, status=302, headers={"Location": URL})
    with pytest.raises(SourceError, match="a chain of redirects"):
        session().get_answer("prices", URL)


def test_an_answer_too_large_is_given_up(web):
    web.get(URL, body=b"x" * 2000)
    with pytest.raises(SourceError, match="more than 1000 bytes"):
        session(max_body_bytes=1000).get_answer("prices", URL)


def test_a_small_answer_that_unpacks_large_is_given_up(server):
    body = gzip.compress(b"0" * 5_000_000)
    server.answers["/v1/prices"] = (200, {"Content-Encoding": "gzip"}, body)
    with pytest.raises(SourceError, match="more than 1000000 bytes"):
        session(mirrors={f"https://{HOST}": server.address}, max_body_bytes=1_000_000).get_answer("prices", URL)


def test_an_answer_that_breaks_off_is_an_error_and_not_unreachable(server):
    server.answers["/v1/prices"] = (200, {"Content-Length": "99"}, b'{"models": [')
    with pytest.raises(SourceError, match="an answer that breaks off") as caught:
        session(mirrors={f"https://{HOST}": server.address}).get_answer("prices", URL)
    assert not caught.value.unreachable
    assert len(server.asked) == 2


def test_an_answer_that_breaks_off_is_asked_for_once_more(server, monkeypatch):
    server.answers["/v1/prices"] = (200, {"Content-Length": "99"}, b"[1]")
    here = session(mirrors={f"https://{HOST}": server.address})

    def mend(seconds, *, before):
        server.answers["/v1/prices"] = (200, {}, b"[1, 2]")

    monkeypatch.setattr(here, "pause", mend)
    assert here.get_answer("prices", URL).body == b"[1, 2]"
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_troubles_are_tried_again_with_growing_waits(server, waits, status):
    server.answers["/v1/prices"] = (status, {}, b"later")
    answer = session(mirrors={f"https://{HOST}": server.address}).get_answer("prices", URL)
    assert (answer.status, answer.body) == (status, b"later")
    assert len(server.asked) == 3
    assert waits == [0, 1.0]


def test_retry_after_is_honoured_up_to_a_cap(server, waits):
    server.answers["/v1/prices"] = (429, {"Retry-After": "7"}, b"")
    here = session(mirrors={f"https://{HOST}": server.address})
    here.get_answer("prices", URL)
    server.answers["/v1/prices"] = (429, {"Retry-After": "86400"}, b"")
    here.get_answer("prices", URL)
    assert waits == [7, 7, RETRY_AFTER_CAP_SECONDS, RETRY_AFTER_CAP_SECONDS]


@given(st.integers(min_value=0, max_value=10**9))
def test_no_server_can_make_it_wait_long(seconds):
    waited = CappedRetry().get_retry_after(HTTPResponse(headers={"Retry-After": str(seconds)}))
    assert waited == min(seconds, RETRY_AFTER_CAP_SECONDS)


def test_a_status_that_will_not_pass_is_not_tried_again(server):
    server.answers["/v1/prices"] = (403, {}, b"no")
    session(mirrors={f"https://{HOST}": server.address}).get_answer("prices", URL)
    assert len(server.asked) == 1


def test_a_source_is_paced_within_its_time_and_a_mirror_is_not(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    PAUSE(session(), 0.75, before=URL)
    PAUSE(session(mirrors={f"https://{HOST}": "http://127.0.0.1:1"}), 0.75, before=URL)
    PAUSE(session(unreachable={HOST: "name not found"}), 0.75, before=URL)
    PAUSE(session(deadline=time.monotonic() - 1), 0.75, before=URL)
    assert slept == [0.75]
    PAUSE(session(deadline=time.monotonic() + 0.2), 0.75, before=URL)
    assert 0 < slept[-1] <= 0.2


def test_two_requests_to_one_host_are_apart_by_the_least_pause(web, waits):
    web.get(URL, body=b"[]")
    web.get("https://other.example.com/v1", body=b"[]")
    here = source_session("example", [HOST, "other.example.com"], min_pause_seconds=5)
    here.get_answer("a", URL)
    here.get_answer("b", "https://other.example.com/v1")
    assert waits == []
    here.get_answer("c", URL)
    assert waits == [pytest.approx(5, abs=1)]


@pytest.mark.parametrize("link", ["https://[", "https://[::1", "//[x]/"])
def test_a_link_that_is_no_address_is_an_error_of_the_source(web, link):
    with pytest.raises(SourceError, match="saw a link"):
        session().get_answer("p", link)
    web.get(URL, status=302, headers={"Location": link})
    with pytest.raises(SourceError, match=r"saw a (link|redirect)"):
        session().get_answer("p", URL)


def test_a_key_a_redirect_repeats_stands_in_no_error(web):
    web.get(URL, status=302, headers={"Location": "https://s3cret.evil.example/s3cret"})
    with pytest.raises(SourceError) as caught:
        session(key="s3cret").get_answer("p", URL)
    assert "s3cret" not in str(caught.value)


def test_a_post_that_may_fail_becomes_an_answer_too(web):
    web.post(URL, body=b"[]")
    assert session().try_answer("prices", URL, json={"a": 1}).body == b"[]"
    assert web.calls[0].request.body == b'{"a": 1}'
    answer = session(max_body_bytes=1).try_answer("prices", URL, json={"a": 1})
    assert (answer.status, answer.body) == (REFUSED, b"more than 1 bytes")


# -- mirrors


def test_a_mirror_answers_in_place_of_the_host_and_stays_unseen(server):
    server.answers["/azure/v1/prices"] = (200, {}, b"[3]")
    answer = session(mirrors={f"https://{HOST}": f"{server.address}/azure"}).get_answer("p", URL, params={"a": "b"})
    assert (answer.body, answer.url) == (b"[3]", f"{URL}?a=b")
    assert server.asked == ["/azure/v1/prices?a=b"]


@pytest.mark.parametrize(
    "location", ["/m/v2", "{address}/m/v2", "https://api.example.com/v2", "https://api.example.com:443/v2"]
)
def test_a_mirrors_redirect_is_mapped_back_before_the_host_is_judged(server, location):
    server.answers["/m/v1/prices"] = (302, {"Location": location.format(address=server.address)}, b"")
    server.answers["/m/v2"] = (200, {}, b"[4]")
    answer = session(mirrors={f"https://{HOST}": f"{server.address}/m/"}).get_answer("p", URL)
    assert (answer.body, answer.url) == (b"[4]", f"https://{HOST}/v2")


@pytest.mark.parametrize("location", ["/elsewhere", "{address}/elsewhere", "{address}/mm/v2"])
def test_a_mirrors_redirect_out_of_the_mirror_is_refused(server, location):
    server.answers["/m/v1/prices"] = (302, {"Location": location.format(address=server.address)}, b"")
    with pytest.raises(SourceError, match=r"a link to http://127\.0\.0\.1"):
        session(mirrors={f"https://{HOST}": f"{server.address}/m"}).get_answer("p", URL)
    assert len(server.asked) == 1


def test_a_link_a_mirror_has_rewritten_is_taken_for_the_published_one(server):
    server.answers["/m/page2"] = (200, {}, b"[5]")
    answer = session(mirrors={f"https://{HOST}": f"{server.address}/m"}).get_answer("p", f"{server.address}/m/page2")
    assert (answer.body, answer.url) == (b"[5]", f"https://{HOST}/page2")


def test_the_longest_prefix_wins_and_ends_at_a_border():
    mirrors = {"https://a.example": "http://one", "https://a.example/v2": "http://two/"}
    assert mapped_address("https://a.example/v2/x", mirrors)[0] == "http://two/x"
    assert mapped_address("https://a.example/v22", mirrors)[0] == "http://one/v22"
    assert mapped_address("https://A.example:443", mirrors)[0] == "http://one"
    assert mapped_address("https://a.example.evil/x", mirrors)[0] == "https://a.example.evil/x"


@given(st.text(string.ascii_letters + string.digits + "/-._~", max_size=30))
def test_an_address_without_a_mirror_stays_itself(path):
    url = f"https://a.example/{path}"
    assert mapped_address(url, {"https://b.example": "http://127.0.0.1:1"}) == (url, None)
    assert urlsplit(mapped_address(url, {"https://a.example": "http://127.0.0.1:1"})[0]).netloc == "127.0.0.1:1"


# -- failures


def test_a_name_that_is_not_found_is_unreachable():
    with pytest.raises(SourceError, match="saw name not found, expected an answer") as caught:
        session().get_answer("p", URL)
    assert caught.value.unreachable


def test_a_refused_connection_is_unreachable_and_not_tried_by_the_next_endpoint(nobody):
    here = session(mirrors={f"https://{HOST}": nobody})
    with pytest.raises(SourceError, match="saw connection refused") as caught:
        here.get_answer("p", URL)
    assert caught.value.unreachable
    begin = time.monotonic()
    answer = here.try_answer("q", f"https://{HOST}/v2")
    assert (answer.status, answer.body) == (NO_ANSWER, b"connection refused")
    assert time.monotonic() - begin < 0.1


@pytest.mark.parametrize(
    ("error", "cause", "unreachable"),
    [
        (requests.ConnectTimeout("<urllib3 object at 0x7f>"), "timed out while connecting", True),
        (requests.ReadTimeout("<urllib3 object at 0x7f>"), "timed out", True),
        (requests.exceptions.SSLError("x"), "TLS certificate or handshake not accepted", True),
        (requests.exceptions.ProxyError("x"), "the proxy did not let it through", True),
        (requests.exceptions.ContentDecodingError("x"), "an answer that can't be decompressed", False),
        (requests.ConnectionError("x"), "connection lost", True),
        (requests.exceptions.InvalidURL("x"), "a request that can't be sent (InvalidURL)", False),
    ],
)
def test_every_failure_is_a_source_error_in_human_words(web, error, cause, unreachable):
    web.get(URL, body=error)
    with pytest.raises(SourceError) as caught:
        session().get_answer("p", URL)
    assert (caught.value.seen, caught.value.unreachable) == (cause, unreachable)
    assert "0x7f" not in str(caught.value)


def test_a_read_that_times_out_does_not_condemn_the_host(web):
    web.get(URL, body=requests.ReadTimeout())
    web.get(f"https://{HOST}/v2", body=b"[]")
    here = session()
    assert here.try_answer("p", URL).status == NO_ANSWER
    assert here.try_answer("q", f"https://{HOST}/v2").status == 200


def test_a_key_stands_in_no_error(web):
    web.get(URL, body=requests.ConnectionError(f"{URL}?token=s3cret"))
    with pytest.raises(SourceError) as caught:
        session().get_answer("p", URL, params={"token": "s3cret"})
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_after_its_time_nothing_is_asked(web):
    web.get(URL, body=b"[]")
    with pytest.raises(SourceError, match="time budget used up"):
        session(deadline=time.monotonic() - 1).get_answer("p", URL)
    assert len(web.calls) == 0


def test_no_address_with_a_key_or_a_password_is_kept():
    assert redacted("https://u:p@h.example/a?x=1&Token=t&key=k&b=") == "https://h.example/a?x=1&b="


def test_the_mock_refuses_what_no_test_has_put_there(web):
    web.get("https://other.example", body=b"")
    with pytest.raises(SourceError, match="connection lost"):
        session().get_answer("p", URL)
    assert isinstance(web, responses.RequestsMock)
