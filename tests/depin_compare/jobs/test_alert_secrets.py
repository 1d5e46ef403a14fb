"""Secrets planted in every part of an address: none stands in a log, an output, a file or an error afterwards."""

import logging
import sys

import pytest
from alerting_runs import AS_OF, MARGIN, outcome, with_margin
from webhook_receiver import receiving

from depin_compare import cli
from depin_compare.jobs import channels
from depin_compare.jobs.alerts import after_run
from depin_compare.jobs.config import AlertsConfig, JobConfig, ThresholdConfig
from depin_compare.market.store import Store

URLS, HEART = "DEPIN_COMPARE_ALERT_URLS", "DEPIN_COMPARE_HEARTBEAT_URL"
# 24 letters, as Slack wants them; the word in it is searched for.
SECRET = "PL4NTEDsecretPL4NTEDabcd"
KEY = "PL4NTED-k3y"


def addresses(receiver):
    """Path, query, user and password, of services that are asked here and of those that live elsewhere."""
    here = f"127.0.0.1:{receiver.server_port}"
    return {
        "webhook": f"json://{SECRET}:{SECRET}@{here}/{SECRET}?+X-Token={SECRET}&-q={SECRET}&:field={SECRET}",
        "form": f"form://{SECRET}@{here}/{SECRET}?token={SECRET}",
        "xml": f"xml://{here}/{SECRET}",
        "mattermost": f"mmost://{here}/{SECRET}",
        "unreachable": f"json://user:{SECRET}@127.0.0.1:1/{SECRET}",
        "no such name": f"jsons://{SECRET}.example/{SECRET}",
        "slack": f"slack://T1PL4NTED/B1PL4NTED/{SECRET}",
        "slack as it gives it": f"https://hooks.slack.com/services/T1PL4NTED/B1PL4NTED/{SECRET}",
        "telegram": f"tgram://123456789:{SECRET}/12345",
        "discord": f"discord://{SECRET}/{SECRET}",
        "mail": f"mailto://{SECRET}:{SECRET}@127.0.0.1:1?from={SECRET}@example.com&to=x@example.com",
        "no such service": f"{SECRET}://{SECRET}@example.com/{SECRET}",
        "no address": SECRET,
        "malformed": f"json://:{SECRET}@:{SECRET}/[{SECRET}",
        "half": "slack://PL4NTED",
    }


def leaks(text):
    """The secret as it is, as a host name, or as basic authentication carries it."""
    return [spelled for spelled in ("PL4NTED", "pl4nted", "UEw0TlRFR") if spelled in text]


def written(folder):
    return "".join(
        path.read_bytes().decode("utf-8", "replace") + str(path) for path in sorted(folder.rglob("*")) if path.is_file()
    )


@pytest.fixture
def everything(monkeypatch, caplog, capfd, tmp_path):
    """All that comes out, at the most talkative log level, and the receiver."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    monkeypatch.setattr(logging.lastResort, "level", logging.DEBUG)
    with receiving() as receiver:
        monkeypatch.setenv(HEART, f"http://{SECRET}:{SECRET}@127.0.0.1:{receiver.server_port}/ping/{SECRET}?k={SECRET}")

        def told():
            records = "".join(f"{record.getMessage()}{record.__dict__}" for record in caplog.records)
            return caplog.text + records + "".join(capfd.readouterr()) + written(tmp_path)

        yield receiver, told
    logging.getLogger("apprise").setLevel(logging.NOTSET)


def job():
    return JobConfig(alerts=AlertsConfig(
        thresholds=(ThresholdConfig(number=MARGIN, below=0.15),), verdict_flips=False, cool_down_hours=0.0
    ))  # fmt: skip


@pytest.mark.parametrize("status", [200, 500, 403])
def test_no_secret_of_an_address_gets_out_whatever_becomes_of_the_message(everything, monkeypatch, tmp_path, status):
    receiver, told = everything
    receiver.status = status
    known = addresses(receiver)
    monkeypatch.setenv(URLS, " ".join(known.values()))
    monkeypatch.setenv("VAST_API_KEY", KEY)
    store = Store(tmp_path / "store")
    for i, (kind, value) in enumerate((("ok", 0.1), ("failed", None), ("ok", 0.2))):
        detail = None if kind == "ok" else f"asking {known['webhook']} with {KEY} failed; see {known['no address']}"
        analysis = None if value is None else with_margin(value)
        after_run(job(), outcome(kind, AS_OF.replace(hour=i), detail=detail), analysis, store)
    text = told()
    assert not leaks(text)
    assert SECRET in "".join(receiver.asked), "nothing was sent to where the secret is known"
    assert "alerts: slack did not take" in text
    assert "alerts: address 12 did not take" in text
    assert ("answered 500" in text) == (status == 500)
    assert "failed: asking *** with *** failed; see ***" in text


def test_a_service_that_breaks_with_the_address_in_its_hands_tells_only_how(everything, monkeypatch, tmp_path):
    import apprise

    _, told = everything
    monkeypatch.setenv(URLS, f"json://127.0.0.1:1/{SECRET}")

    def broken(*_, **__):
        logging.getLogger("some.library").error("can't reach %s", SECRET)
        logging.getLogger("made.just.now").error("nor %s", SECRET, exc_info=RuntimeError(SECRET))
        raise RuntimeError(SECRET)

    monkeypatch.setattr(apprise.Apprise, "notify", broken)
    after_run(job(), outcome(), with_margin(0.1), Store(tmp_path))
    text = told()
    assert not leaks(text)
    assert "alerts: json did not take 1 event: RuntimeError" in text


def test_what_this_program_logs_elsewhere_is_heard_as_before(everything):
    _, told = everything
    with channels._hushed():
        logging.getLogger("urllib3.connectionpool").warning("of the address")
    logging.getLogger("urllib3.connectionpool").warning("of a source")
    text = told()
    assert "of a source" in text
    assert "of the address" not in text


def test_a_channel_shows_its_kind_and_nothing_else(monkeypatch, everything):
    receiver, _ = everything
    known = addresses(receiver)
    monkeypatch.setenv(URLS, "\n ".join(known.values()))
    found = channels.channels(URLS)
    assert not leaks(repr(found))
    assert [channel.name for channel in found] == [
        "json", "form", "xml", "mmost", "json 2", "jsons", "slack", "slack 2", "tgram", "discord", "mailto",
        "address 12", "address 13", "address 14", "address 15",
    ]  # fmt: skip


@pytest.mark.parametrize("status", [200, 500])
def test_the_command_that_tries_the_addresses_keeps_them_to_itself(everything, monkeypatch, tmp_path, status):
    receiver, told = everything
    receiver.status = status
    monkeypatch.setenv(URLS, " ".join(addresses(receiver).values()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["depin-compare", "alerts", "test"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 1
    text = told()
    assert not leaks(text)
    assert f"json: {'took it' if status == 200 else 'did not take it: answered 500'}" in text
    assert "address 12: did not take it: no address that apprise knows" in text
