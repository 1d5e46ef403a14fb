"""The log: one line an event in both formats, and no secret in either."""

from __future__ import annotations

import json
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depin_compare import cli
from depin_compare.jobs import logs
from depin_compare.jobs.config import JobConfig
from fetchers import FETCHERS

SECRET = "pl4nted/sEcret+key=42"
HOOK = "https://hooks.example.com/services/T0PL4NTED/B0PL4NTED/xYz123PlantedToken"


@pytest.fixture(autouse=True)
def _nothing_named_yet(monkeypatch):
    monkeypatch.setattr(logs, "_named", set())


def test_a_line_for_a_person(capsys):
    logs.configure("info")
    logging.getLogger("fetchers.collection").info("%s: %d offers in %.1f s", "akash", 212, 1.4)
    logging.getLogger("depin_compare.market.store").warning("two\nlines\n\n  here")
    one, two = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\dZ INFO  akash: 212 offers in 1\.4 s", one)
    assert re.fullmatch(r"\d\d:\d\d:\d\dZ WARN  two \| lines \| here", two)


def test_a_line_of_json_has_the_fields_beside_the_words(capsys):
    logs.configure("info", "json")
    fields = {"source": "akash", "seconds": 1.4, "rows": 212, "level": "mine", "odd": float("nan"), "none": None}
    logging.getLogger("fetchers.collection").info("%s: done", "akash", extra=fields)
    line = json.loads(capsys.readouterr().err)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "info", "logger": "fetchers.collection", "event": "akash: done", "source": "akash", "seconds": 1.4,
        "rows": 212, "level_": "mine", "odd": "nan", "none": None,
    }  # fmt: skip


@given(event=st.text(), field=st.text(), log_format=st.sampled_from(logs.FORMATS))
def test_every_event_is_one_line_whatever_it_holds(event, field, log_format):
    record = logging.LogRecord("depin_compare.x", logging.INFO, "", 0, "%s", (event,), None)
    record.field = field
    formatter = logs.JsonLines() if log_format == "json" else logs.PlainLines()
    line = formatter.format(record)
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    if log_format == "json":
        told = json.loads(line)
        assert (told["event"], told["field"]) == (event, field)


@pytest.mark.parametrize("log_format", logs.FORMATS)
@pytest.mark.parametrize("logger", ["fetchers.salad", "urllib3.connectionpool", "apprise", "depin_compare.jobs.alerts"])
def test_a_planted_secret_is_struck_everywhere(capsys, monkeypatch, log_format, logger):
    monkeypatch.setenv("SALAD_API_KEY", SECRET)
    monkeypatch.setenv("DEPIN_COMPARE_ALERT_URLS", f"mailto://me:pl4ntedPass@example.com {HOOK}")
    monkeypatch.setenv("OWN_VARIABLE", "hunter2")
    logs.keep_secret(
        logs.secret_variables(JobConfig.model_validate({"sources": {"vast": {"key_variable": "OWN_VARIABLE"}}}))
    )
    logs.configure("debug", log_format)
    log = logging.getLogger(logger)
    log.warning("GET /x?key=%s&t=hunter2", SECRET, extra={"url": HOOK, "parts": ["B0PL4NTED"]})
    log.warning("posting to %s", HOOK.rpartition("/")[2])
    log.warning("pl4nted%2FsEcret%2Bkey%3D42")
    try:
        raise ValueError(f"refused: {SECRET}")
    except ValueError:
        log.exception("failed with pl4ntedPass")
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 4
    assert said.count("***") == {"text": 6, "json": 8}[log_format]  # JSON has the fields as well
    for part in ("pl4nted", "sEcret", "hunter2", "T0PL4NTED", "B0PL4NTED", "xYz123PlantedToken"):
        assert part not in said
    assert "refused" in said  # the cause itself is told


def test_a_note_of_the_command_line_holds_no_secret_either(capsys, monkeypatch):
    monkeypatch.setenv("VAST_API_KEY", SECRET)
    cli.note(f"no such key: {SECRET}")
    assert capsys.readouterr().err == "no such key: ***\n"


def test_short_words_in_the_environment_are_no_secrets(monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("DEPIN_COMPARE_HEARTBEAT_URL", "https://hc.example.com/ping/localhost")
    assert logs.struck("false ping localhost") == "false ping localhost"


def test_the_keys_of_all_sources_are_known_by_name():
    for fetcher in FETCHERS.values():
        assert fetcher.key_variable is None or logs._SECRET_NAME.search(fetcher.key_variable)


def test_a_message_that_does_not_fit_its_arguments_is_told():
    record = logging.LogRecord("fetchers", logging.INFO, "", 0, "%d offers", ("many",), None)
    assert logs.Secrets().filter(record)
    assert record.getMessage() == "%d offers ('many',)"


def test_others_are_heard_from_warnings_on_and_at_debug_wholly(capsys):
    logs.configure("info")
    logging.getLogger("urllib3").info("a")
    logging.getLogger("fetchers").debug("b")
    logging.getLogger("urllib3").warning("c")
    logs.configure("debug")
    logging.getLogger("urllib3").debug("d")
    logs.configure("error")
    logging.getLogger("fetchers").warning("e")
    assert [line.split()[-2:] for line in capsys.readouterr().err.splitlines()] == [
        ["urllib3:", "c"],
        ["urllib3:", "d"],
    ]


def test_every_line_of_stderr_is_json_when_asked_for(type_in, monkeypatch):
    monkeypatch.setenv("DEPIN_COMPARE_LOG_FORMAT", "json")
    code, _, err = type_in("--log-level", "info", "compare", "--network", "akash", "-o", "offers.csv")
    assert code == 0
    lines = [json.loads(line) for line in err.splitlines()]
    assert lines[0]["event"].startswith("analysis of akash")
    assert lines[0]["seconds"] > 0
    assert "rows written to" in lines[-1]["event"]
    code, _, err = type_in("margins", "-o", "rows.txt")
    assert code == 2
    code, _, err = type_in("sources", "--config", "nowhere.toml")
    (line,) = map(json.loads, err.splitlines())
    assert (code, line["level"]) == (2, "error")
    assert "nowhere.toml" in line["event"]


def test_a_wrong_level_or_format_is_an_error_of_use(type_in):
    code, _, err = type_in("--log-level", "loud", "sources")
    assert code == 2
    assert "debug, info, warning, error" in err
    code, _, err = type_in("--log-format", "xml", "sources")
    assert code == 2
    assert "text, json" in err
