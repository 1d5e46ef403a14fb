"""`alerts test` and `alerts check` as a user types them, against a receiver of this machine."""

import json
import sys

import pytest
from webhook_receiver import receiving

from depin_compare import cli
from depin_compare.jobs.alerts import read_state
from depin_compare.market.store import Store

URLS = "DEPIN_COMPARE_ALERT_URLS"
MARGIN = "margin akash h100-sxm data_centre full_margin"
SMALL = """
[analysis]
networks = ["akash"]
llms = ["llama-3.3-70b"]
scenarios = ["base"]
[outputs]
formats = ["json"]
"""
CROSSED = f"""{SMALL}
[alerts]
verdict_flips = false
[[alerts.thresholds]]
number = "{MARGIN}"
below = 0.99
name = "Akash pays too little"
[[alerts.thresholds]]
number = "price akash h100-sxm"
above = 1000.0
"""


@pytest.fixture
def type_in(monkeypatch, capsys, tmp_path):
    """Type a command; gives exit code, stdout and stderr."""
    monkeypatch.setenv("DEPIN_COMPARE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv(URLS, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*words, job=None):
        if job is not None:
            (tmp_path / "job.toml").write_text(job)
            words = (*words, "--config", "job.toml")
        monkeypatch.setattr(sys, "argv", ["depin-compare", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


@pytest.fixture
def receiver(monkeypatch, type_in):
    with receiving() as one:
        monkeypatch.setenv(URLS, one.url("/hook"))
        yield one


def test_without_an_address_the_test_names_the_variable_to_fill(type_in):
    code, _, err = type_in("alerts", "test")
    assert (code, URLS in err) == (2, True)
    code, _, err = type_in("alerts", "test", job='[alerts]\nurls_variable = "MY_URLS"\n')
    assert (code, "MY_URLS" in err) == (2, True)


def test_a_test_message_says_of_each_address_whether_it_took_it(type_in, receiver, monkeypatch):
    assert type_in("alerts", "test")[:2] == (0, "json: took it\n")
    assert receiver.messages[0]["title"] == "depin-compare default: test"
    monkeypatch.setenv(URLS, f"{receiver.url('/hook')} json://127.0.0.1:1/x nonsense")
    code, out, _ = type_in("alerts", "test")
    assert code == 1
    assert out.splitlines() == [
        "json: took it", "json 2: did not take it: no connection",
        "address 3: did not take it: no address that apprise knows; see its list of services for how to write it",
    ]  # fmt: skip


def test_a_check_shows_every_rule_and_sends_what_is_crossed_once(type_in, receiver, tmp_path):
    code, out, err = type_in("alerts", "check", "--dry-run", job=CROSSED)
    assert code == 3
    assert "Akash pays too little is below 0.99: " in err
    assert receiver.messages == []
    assert not list((tmp_path / "store").glob("jobs/*.alerts.json"))
    for _ in range(2):
        code, out, err = type_in("alerts", "check", "--json", job=CROSSED)
        assert code == 3
    assert len(receiver.messages) == 1
    assert "- Akash pays too little is below 0.99: " in receiver.messages[0]["message"]
    margin, price = json.loads(out)
    shown = type_in("margins", "--network", "akash", "--accelerator", "h100-sxm", "--json")[1]
    assert (margin["number"], margin["below"], margin["state"]) == (MARGIN, 0.99, "below")
    assert margin["value"] == json.loads(shown)[0]["full_margin"]
    assert price["number"].startswith("price akash h100-sxm on_demand")
    assert (price["above"], price["state"], price["not_known"]) == (1000.0, "inside", None)


def test_a_check_without_rules_is_fine_and_sends_nothing(type_in, receiver):
    code, out, _ = type_in("alerts", "check", "--csv", job=SMALL)
    assert (code, len(out.splitlines())) == (0, 1)
    assert receiver.asked == []


def test_silent_sources_alone_are_exit_code_four(type_in, tmp_path):
    job = f"{SMALL}[alerts]\nstale_runs = 1\n"
    assert type_in("run", job=job)[0] == 0
    state = read_state(Store(tmp_path / "store"), "default")[0]
    assert state.watches["source akash"].now == "failing"
    code, _, err = type_in("alerts", "check", "--dry-run", job=job)
    assert code == 4
    assert "source akash: nothing, or only old data, in 1 runs" in err


@pytest.mark.parametrize(
    ("number", "told"),
    [("margin akahs h100-sxm data_centre", "akash"), ("outlook akash aws/nvidia/list base verdict", "is no number"),
     ("margin akash", "which chip"), ("assumption cloud_utilisation", "use one of comparison")],
)  # fmt: skip
def test_a_number_that_can_not_be_is_a_usage_error_that_says_what_could(type_in, number, told):
    code, _, err = type_in("alerts", "check", job=f'[[alerts.thresholds]]\nnumber = "{number}"\nabove = 1.0\n')
    assert (code, told in err) == (2, True)


def test_a_run_alerts_and_fails_on_a_threshold_only_if_asked_to(type_in, receiver):
    assert type_in("run", job=CROSSED)[0] == 0
    assert len(receiver.messages) == 1
    assert type_in("run", "--fail-on", "threshold", job=CROSSED)[0] == 3
    assert len([m for m in receiver.messages if "Akash pays too little" in m["message"]]) == 1
    fine = CROSSED.replace("below = 0.99", "below = -99.0")
    assert type_in("run", "--fail-on", "threshold", job=fine)[0] == 0
    assert type_in("run", "--offline", "--fail-on", "threshold", job=CROSSED)[0] == 3
