"""Alerts reach a local receiver once per crossing, not per run; nothing is lost when a run is cut off in between."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from alerting_runs import AS_OF, MARGIN, outcome, real_analysis, with_margin, with_sources
from webhook_receiver import receiving

from depin_compare.jobs import alerts
from depin_compare.jobs.alerts import after_run, digest, read_state, state_path
from depin_compare.jobs.config import AlertsConfig, JobConfig, ThresholdConfig
from depin_compare.market.places import LocalPlace
from depin_compare.market.store import Store
from reports.summary import ADVICE_NOTE, verdict_lines

URLS, HEART = "DEPIN_COMPARE_ALERT_URLS", "DEPIN_COMPARE_HEARTBEAT_URL"
SIX_HOURS = timedelta(hours=6)
FELL = f"{MARGIN} is below 0.15: 0.1"
BACK = f"{MARGIN} is back above 0.15: 0.2 (0.1 the run before)"
CLOSED = "json://127.0.0.1:1/nobody"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def receiver(monkeypatch):
    with receiving() as one:
        monkeypatch.setenv(URLS, one.url("/hook"))
        monkeypatch.delenv(HEART, raising=False)
        yield one


def job(**more):
    rules = AlertsConfig(
        thresholds=(ThresholdConfig(number=MARGIN, below=0.15),), verdict_flips=False, cool_down_hours=0.0, **more
    )
    return JobConfig(alerts=rules)


def run(store, value=0.1, *, after=0, asked=None, **told):
    now = AS_OF + after * SIX_HOURS
    return after_run(asked or job(), outcome(at=now, **told), with_margin(value), store)


def events_of(message):
    return [line.removeprefix("- ") for line in message["message"].splitlines() if line.startswith("- ")]


def test_ten_runs_with_one_crossing_and_one_recovery_are_two_messages(store, receiver):
    for i, value in enumerate([0.2, 0.2, 0.2, 0.1, 0.12, 0.11, 0.1, 0.2, 0.2, 0.2]):
        run(store, value, after=i)
    assert [events_of(message) for message in receiver.messages] == [
        [f"{MARGIN} fell below 0.15: 0.1 (0.2 the run before)"], [BACK],
    ]  # fmt: skip
    assert [message["type"] for message in receiver.messages] == ["warning", "success"]
    assert read_state(store, "six-hourly")[0].unsent == ()


def test_a_run_with_many_events_is_one_message(store, receiver):
    everything = replace(with_sources(akash="failed", vast="failed"), margins=with_margin(0.1).margins)
    now = AS_OF + timedelta(days=1)
    after_run(job(stale_runs=1), outcome("missed", now, missed=(AS_OF, AS_OF + SIX_HOURS)), None, store)
    after_run(job(stale_runs=1), outcome(at=now), everything, store)
    missed, many = receiver.messages
    assert missed["title"] == "depin-compare six-hourly: 1 job event"
    assert many["title"] == "depin-compare six-hourly: 1 threshold, 2 sources"
    assert [line.split(":")[0] for line in events_of(many)] == [FELL.split(":")[0], "source akash", "source vast"]


def test_the_message_says_where_the_networks_stand_and_gives_no_advice_note():
    one = alerts.Event(kind="threshold", line="x fell", at=AS_OF)
    late = alerts.Event(kind="threshold", line="y rose", at=AS_OF - SIX_HOURS)
    title, body = digest("six-hourly", [late, one], real_analysis(), now=AS_OF)
    assert title == "depin-compare six-hourly: 2 thresholds"
    assert body.splitlines() == [
        "- y rose [2026-11-21 18:00 UTC]", "- x fell", "", *verdict_lines(real_analysis())[:-1],
    ]  # fmt: skip
    assert verdict_lines(real_analysis())[-1] == ADVICE_NOTE


def test_a_dead_address_neither_blocks_the_others_nor_floods_when_it_lives_again(store, receiver, monkeypatch, caplog):
    monkeypatch.setenv(URLS, f"{CLOSED} {receiver.url('/hook')}")
    run(store, 0.1)
    run(store, 0.1, after=1)
    run(store, 0.2, after=2)
    assert [events_of(message) for message in receiver.messages] == [[FELL], [BACK]]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "alerts: json did not take 1 event: no connection",
        "alerts: json did not take 1 event: no connection",
        "alerts: json did not take 2 events: no connection",
    ]
    monkeypatch.setenv(URLS, f"{receiver.url('/revived')} {receiver.url('/hook')}")
    run(store, 0.2, after=3)
    run(store, 0.2, after=4)
    assert receiver.asked == ["/hook", "/hook", "/revived"]
    assert events_of(receiver.messages[-1]) == [
        f"{FELL} [2026-11-22 00:00 UTC]", f"{BACK} [2026-11-22 12:00 UTC]",
    ]  # fmt: skip
    assert read_state(store, "six-hourly")[0].unsent == ()


def test_what_an_address_refuses_is_sent_on_the_next_run(store, receiver, caplog):
    receiver.status = 500
    run(store, 0.1)
    assert "alerts: json did not take 1 event: answered 500" in caplog.text
    receiver.status = 200
    run(store, 0.1, after=1)
    run(store, 0.1, after=2)
    assert [events_of(message) for message in receiver.messages] == [[f"{FELL} [2026-11-22 00:00 UTC]"]]


def test_what_nobody_took_is_kept_whole_and_what_one_dead_address_is_owed_is_not(store, receiver, monkeypatch):
    monkeypatch.setattr(alerts, "MOST_OWED", 5)
    monkeypatch.setenv(URLS, "")
    for i in range(13):
        run(store, (0.1, 0.2)[i % 2], after=i)
    assert len(read_state(store, "six-hourly")[0].unsent) == 13
    assert receiver.asked == []
    monkeypatch.setenv(URLS, f"{CLOSED} {receiver.url('/hook')}")
    run(store, 0.1, after=13)
    assert len(events_of(receiver.messages[0])) == 13
    assert len(read_state(store, "six-hourly")[0].unsent) == 5


def test_without_an_address_the_run_says_which_variable_to_fill(store, monkeypatch, caplog):
    monkeypatch.delenv(URLS, raising=False)
    run(store, 0.1)
    assert f"alerts: 1 event waits: {URLS} holds no address to send to" in caplog.text


class Killed(BaseException):
    """kill -9 as a test can have it."""


def killed(*_, **__):
    raise Killed


@pytest.mark.parametrize(("at_write", "messages_before", "messages_after"), [(1, 0, 1), (2, 1, 2)])
def test_a_run_killed_while_it_writes_down_loses_nothing(
    store, receiver, monkeypatch, at_write, messages_before, messages_after
):
    """Before anything was written the event is found again; after it was sent it is sent once more."""
    run(store, 0.2)
    real, calls = LocalPlace.write, []

    def write(self, *args, **options):
        calls.append(args)
        if len(calls) == at_write:
            raise Killed
        return real(self, *args, **options)

    monkeypatch.setattr(LocalPlace, "write", write)
    with pytest.raises(Killed):
        run(store, 0.1, after=1)
    assert len(receiver.messages) == messages_before
    monkeypatch.setattr(LocalPlace, "write", real)
    run(store, 0.1, after=2)
    run(store, 0.1, after=3)
    assert len(receiver.messages) == messages_after
    assert all("fell below 0.15" in events_of(message)[0] for message in receiver.messages)


def test_a_run_killed_before_it_sends_has_the_next_one_send(store, receiver, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(alerts, "send", killed)
        with pytest.raises(Killed):
            run(store, 0.1)
    assert receiver.messages == []
    run(store, 0.1, after=1)
    run(store, 0.1, after=2)
    assert [events_of(message) for message in receiver.messages] == [[f"{FELL} [2026-11-22 00:00 UTC]"]]


def test_a_damaged_state_is_told_and_what_is_crossed_is_said_again(store, receiver, caplog):
    run(store, 0.1)
    path = store.place.folder() / state_path("six-hourly")
    path.write_bytes(path.read_bytes()[:40])
    run(store, 0.1, after=1)
    run(store, 0.1, after=2)
    assert "jobs/six-hourly.alerts.json is damaged" in caplog.text
    assert [events_of(message) for message in receiver.messages] == [[FELL], [FELL]]


def test_a_state_that_can_not_be_reached_is_not_written_over(store, receiver, monkeypatch, caplog):
    run(store, 0.1)
    kept = (store.place.folder() / state_path("six-hourly")).read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(LocalPlace, "read", lambda *_: (_ for _ in ()).throw(OSError("the disk is away")))
        run(store, 0.2, after=1)
    assert "can't be read: the disk is away" in caplog.text
    assert (store.place.folder() / state_path("six-hourly")).read_bytes() == kept
    run(store, 0.2, after=2)
    assert [events_of(message) for message in receiver.messages] == [[FELL], [BACK]]


def test_a_store_that_can_not_be_written_costs_neither_the_run_nor_the_message(store, receiver, monkeypatch, caplog):
    monkeypatch.setattr(LocalPlace, "write", lambda *_, **__: (_ for _ in ()).throw(OSError("read-only")))
    assert run(store, 0.1).is_crossed
    assert [events_of(message) for message in receiver.messages] == [[FELL]]
    assert "may be told again: read-only" in caplog.text


def test_without_alerts_nothing_is_sent_and_nothing_written(store, receiver, monkeypatch):
    monkeypatch.setenv(HEART, receiver.url("/heart", scheme="http"))
    assert run(store, 0.1, asked=JobConfig()) is None
    assert receiver.asked == []
    assert not store.place.folder().exists()


# -- the heartbeat -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("/ping/one-id", ["/ping/one-id", "/ping/one-id/fail"]),
        ("/push?token=1", ["/push?token=1"]),
        ("/push?s={status}&j={job}", ["/push?s=ok&j=six-hourly", "/push?s=failed&j=six-hourly"]),
    ],
)
def test_the_heart_beats_after_each_run_as_its_watcher_understands_it(store, receiver, monkeypatch, address, asked):
    monkeypatch.setenv(HEART, receiver.url(address, scheme="http"))
    monkeypatch.setenv(URLS, "")
    run(store, 0.2)
    after_run(job(), outcome("failed"), None, store)
    after_run(job(), outcome("stopped"), None, store)
    after_run(job(), outcome("missed", missed=(AS_OF,)), None, store)
    assert receiver.asked == asked


def test_a_run_that_no_source_answered_is_no_sign_of_life(store, receiver, monkeypatch):
    monkeypatch.setenv(HEART, receiver.url("/push?s={status}", scheme="http"))
    monkeypatch.setenv(URLS, "")
    for states in ({"akash": "ok", "azure": "unreachable"}, {"akash": "unreachable", "azure": "timed_out"}):
        after_run(job(), outcome(), with_sources(**states), store)
    assert receiver.asked == ["/push?s=ok", "/push?s=failed"]


def test_a_watcher_that_is_away_costs_a_warning_that_names_the_variable(store, receiver, monkeypatch, caplog):
    for address, reason in (
        ("http://127.0.0.1:1/s3cret", "no connection"), ("not an address", "it holds no address that can be asked"),
        ("http://[s3cret", "it holds no address that can be asked"),
    ):  # fmt: skip
        caplog.clear()
        monkeypatch.setenv(HEART, address)
        run(store, 0.2)
        (told,) = [record.getMessage() for record in caplog.records]
        assert told.startswith(f"heartbeat: the address in {HEART} did not take it: ")
        assert reason in told
    receiver.status = 503
    monkeypatch.setenv(HEART, receiver.url("/heart", scheme="http"))
    caplog.clear()
    run(store, 0.2)
    assert [r.getMessage() for r in caplog.records] == [
        f"heartbeat: the address in {HEART} did not take it: answered 503"
    ]


def test_none_of_what_follows_a_run_costs_the_others(store, receiver, monkeypatch, caplog, tmp_path):
    monkeypatch.setenv(HEART, receiver.url("/heart", scheme="http"))
    monkeypatch.setattr(alerts, "tell", lambda *_, **__: 1 / 0)
    (tmp_path / "file").write_text("in the way")
    asked = job().model_copy(
        update={"outputs": JobConfig().outputs.model_copy(update={"prometheus_textfile": tmp_path / "file" / "x.prom"})}
    )
    assert run(store, 0.1, asked=asked) is None
    assert receiver.asked == ["/heart"]
    assert "alerts: ZeroDivisionError: division by zero" in caplog.text
    assert "metrics: FileExistsError" in caplog.text or "metrics: NotADirectoryError" in caplog.text
