"""The doctor: what is wrong is seen, each with a mend, and the exit code says how bad it is."""

from __future__ import annotations

import json
import os
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import responses
from market_frames import offers

from depin_compare.jobs import doctor, machine_checks
from depin_compare.jobs.doctor import SUBJECTS, Checks, Examination, examine, worst_exit_code
from depin_compare.jobs.examination import Check
from depin_compare.jobs.lock import job_lock
from depin_compare.jobs.outcome import JobState, write_state
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import Skipped
from depin_compare.market.store import Store
from fetchers import FETCHERS
from fetchers.collection import unreachable_hosts

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
KEYS = sorted({f.key_variable for f in FETCHERS.values() if f.key_variable})


@pytest.fixture(autouse=True)
def _keys_unset(monkeypatch):
    for variable in KEYS:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


def collect_into(store: Store, at: datetime, *sources: str) -> None:
    store.write(
        observed_at=at, offers=offers({"observed_at": at}), facts=NetworkFacts.create_empty(),
        skipped=Skipped.create_empty(), statuses={name: {"status": "ok", "offers": 1} for name in sources},
    )  # fmt: skip


def looked(store: Store, **options) -> pl.DataFrame:
    return examine(Examination(store=store, now=NOW, **{"offline": True, "out": Path("report"), **options}))


def found(checks: pl.DataFrame, subject: str, check: str | None = None) -> list[tuple[str, str, str | None]]:
    mine = checks.filter(pl.col("subject").cast(str) == subject)
    if check is not None:
        mine = mine.filter(pl.col("check") == check)
    return [(str(state), seen, mend) for state, seen, mend in mine.select("state", "seen", "mend").iter_rows()]


def test_on_a_new_machine_nothing_fails_and_the_dated_prices_are_told(type_in):
    code, out, _ = type_in("doctor", "--offline", "--json")
    rows = json.loads(out)
    assert code == 4  # nothing was ever asked
    assert list(dict.fromkeys(row["subject"] for row in rows)) == list(SUBJECTS)
    assert not [row for row in rows if row["state"] == "fail"]
    assert all(row["mend"] for row in rows if row["state"] != "ok")
    (never,) = [row for row in rows if row["check"] == "stored answers"]
    assert never["seen"].startswith("no source ever answered")
    code, out, _ = type_in("doctor", "--offline")
    assert code == 4
    assert "[sources.google]" in out  # brackets are no markup
    assert not Path("store").exists()  # it looks, and makes nothing


def test_fresh_answers_of_every_source_are_fine(store, monkeypatch):
    for variable in KEYS:
        monkeypatch.setenv(variable, "planted-key-of-mine")
    collect_into(store, NOW - timedelta(hours=3), *FETCHERS)
    checks = looked(store)
    assert set(checks["state"].cast(str)) == {"ok"}
    assert worst_exit_code(checks) == 0
    assert found(checks, "freshness", "stored answers") == [
        ("ok", f"{len(FETCHERS)} sources within their expected age", None)
    ]
    assert "planted" not in checks.write_csv()


def test_ages_are_judged_by_source(store):
    collect_into(store, NOW - timedelta(days=70), "akash", "azure", "vast")
    collect_into(store, NOW - timedelta(days=2), "vast")
    checks = looked(store)
    assert found(checks, "freshness", "akash")[0][:2] == (
        "warn",
        "expired: 70.0 days since its last answer, 1 expected, limit 60",
    )
    assert found(checks, "freshness", "azure")[0][1].startswith("stale: 70.0 days")
    assert found(checks, "freshness", "vast")[0][1].startswith("stale: 2.0 days")
    assert worst_exit_code(checks) == 4


def test_a_missing_key_is_told_with_its_variable_and_costs_no_exit_code(store, monkeypatch, tmp_path):
    for fetcher in FETCHERS.values():
        if fetcher.key_variable and fetcher.name != "google":
            monkeypatch.setenv(fetcher.key_variable, "planted-key-of-mine")
    collect_into(store, NOW, *FETCHERS)
    checks = looked(store)
    ((state, seen, mend),) = found(checks, "keys", "google")
    assert (state, seen) == ("warn", "GOOGLE_CLOUD_API_KEY is not set: google is not asked")
    assert "set GOOGLE_CLOUD_API_KEY" in mend
    assert worst_exit_code(checks) == 0
    job = tmp_path / "job.toml"
    job.write_text("[sources.google]\nenabled = false\n[sources.vast]\nkey_variable = 'MY_VAST'\n[alerts]\n")
    checks = looked(store, job_file=job)
    assert found(checks, "keys", "google") == []
    assert found(checks, "keys", "vast") == [("ok", "MY_VAST is not set: vast is asked without a key", None)]
    assert found(checks, "keys", "alerts of default")[0][1] == "DEPIN_COMPARE_ALERT_URLS is not set: nobody is told"


def test_a_job_file_that_can_not_be_used_fails_line_by_line_and_the_rest_is_looked_at(type_in, tmp_path):
    (tmp_path / "job.toml").write_text("[sources.akahs]\n[outputs]\npaper = 'a5'\n")
    code, out, _ = type_in("doctor", "--offline", "--json", "--config", "job.toml")
    rows = [row for row in json.loads(out) if row["subject"] == "job file"]
    assert code == 1
    assert {row["state"] for row in rows} == {"fail"}
    assert any("a5" in row["seen"] for row in rows)
    assert all("config check job.toml" in row["mend"] for row in rows)
    assert {row["subject"] for row in json.loads(out)} == set(SUBJECTS)


def test_a_damaged_manifest_a_changed_file_and_half_a_file_are_seen(store):
    collect_into(store, NOW - timedelta(days=1), "akash")
    collect_into(store, NOW, "akash")
    assert found(looked(store), "snapshots")[0][1].startswith("2 manifests; the newest, 2026-11-22/093000Z-")
    folder = store.place.folder()
    (folder / "offers" / ".half.parquet.1234.part").write_bytes(b"PAR1")
    (old,) = (folder / "manifests").glob("date=2026-11-21/*.json")
    old.write_text(old.read_text()[:-40])
    (newest,) = (folder / "offers").glob("date=2026-11-22/*.parquet")
    newest.write_bytes(newest.read_bytes()[:-8])
    checks = looked(store)
    assert worst_exit_code(checks) == 1
    mine = checks.filter(pl.col("subject").cast(str) == "snapshots")
    states = dict(mine.select("check", pl.col("state").cast(str)).iter_rows())
    assert sorted(states.values()) == ["fail", "fail", "warn"]
    assert states["half-written files"] == "warn"
    assert [state for check, state in states.items() if check.startswith("manifests/")] == ["fail"]
    assert any("history" in (mend or "") for _, _, mend in found(checks, "snapshots"))


def test_a_clock_that_was_set_back_fails(store):
    collect_into(store, NOW + timedelta(days=2), "akash")
    ((state, seen, mend), *_) = found(looked(store), "clock")
    assert state == "fail"
    assert seen == "the newest snapshot is of 2026-11-24 09:30 UTC, later than now (2026-11-22 09:30)"
    assert "timedatectl" in mend


@pytest.mark.parametrize(
    ("hours", "state"), [(0, "ok"), (1, "warn"), (-1, "warn"), (30, "fail")]
)  # a host's Date against ours
def test_the_clock_of_a_host_is_compared(store, monkeypatch, hours, state):
    monkeypatch.setattr("fetchers.collection.unreachable_hosts", lambda hosts, mirrors: {})
    told = datetime.now(UTC) + timedelta(hours=hours)
    with responses.RequestsMock() as http:
        host = FETCHERS["akash"].hosts[0]
        http.head(f"https://{host}/", status=404, headers={"Date": f"{told:%a, %d %b %Y %H:%M:%S} GMT"})
        checks = looked(store, offline=False)
    assert [found[0] for found in found(checks, "clock")] == [state]
    assert found(checks, "reachability")[-1][0] == "ok"


def test_hosts_out_of_reach_are_told_by_source(store, monkeypatch):
    dead = FETCHERS["akash"].hosts[0]
    monkeypatch.setattr("fetchers.collection.unreachable_hosts", lambda hosts, mirrors: {dead: "connection refused"})
    monkeypatch.setattr(machine_checks, "_time_of_a_host", lambda case: None)
    collect_into(store, NOW, *FETCHERS)
    checks = looked(store, offline=False)
    ((state, seen, mend),) = found(checks, "reachability", "akash")
    assert (state, seen) == ("warn", f"{dead}: connection refused")
    assert "[sources.akash]" in mend
    assert worst_exit_code(checks) == 4


def test_without_any_network_one_line_says_so_within_seconds(store):
    checks = looked(store, offline=False)  # no name resolves in a test
    ((state, seen, mend),) = found(checks, "reachability")
    assert state == "warn"
    assert seen.startswith("none of ")
    assert "HTTPS_PROXY" in mend
    assert unreachable_hosts(["example.org"], {}) == {"example.org": "name not found"}


def test_folders_that_can_not_be_written_or_have_no_room_fail(store, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    assert found(looked(store, out=tmp_path / "file" / "report"), "folders", "report")[0][0] == "fail"

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    collect_into(store, NOW, "akash")
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    ((state, seen, _),) = found(looked(store, out=tmp_path / "report"), "folders", "store")
    assert (state, seen.rpartition(": ")[2]) == ("fail", "No space left on device")
    monkeypatch.undo()
    for free, expected in ((5_000_000_000, "ok"), (500_000_000, "warn"), (5_000_000, "fail")):
        monkeypatch.setattr("shutil.disk_usage", lambda path, free=free: namedtuple("Usage", "free")(free))
        assert found(looked(store), "folders", "store")[0][0] == expected


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_of_others_fails(store, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert found(looked(store, out=closed), "folders", "report")[0][0] == "fail"
    assert found(looked(store, out=closed / "report"), "folders", "report")[0][0] == "fail"


def test_a_run_under_way_and_one_that_failed_are_told(store):
    with job_lock("default", store, now=NOW):
        ((state, seen, mend),) = found(looked(store), "jobs")
        assert state == "warn"
        assert seen.startswith(f"running: pid {os.getpid()} on host ")
        assert "nothing whole is lost" in mend
    write_state(store, JobState(job="default", last_outcome="failed", last_finished_at=NOW, last_detail="disk full"))
    ((state, seen, _),) = found(looked(store), "jobs")
    assert (state, seen) == ("warn", "the last run failed, 2026-11-22 09:30 UTC: disk full")
    write_state(store, JobState(job="default", last_outcome="ok", last_success_at=NOW))
    assert found(looked(store), "jobs") == [("ok", "no run under way; the last went well, 2026-11-22 09:30 UTC", None)]


def test_a_look_that_fails_itself_costs_no_other(store, monkeypatch):
    def broken(case):
        yield Check("first", "ok", "seen before it broke")
        raise RuntimeError("planted-secret-value broke")

    monkeypatch.setenv("VAST_API_KEY", "planted-secret-value")
    monkeypatch.setitem(doctor._LOOKS, "fonts", broken)
    checks = looked(store)
    assert [(state, seen) for state, seen, _ in found(checks, "fonts")] == [
        ("ok", "seen before it broke"),
        ("fail", "RuntimeError: *** broke"),
    ]
    assert {str(subject) for subject in checks["subject"]} == set(SUBJECTS)
    assert worst_exit_code(checks) == 1


def test_a_package_that_is_missing_or_too_old_is_told(store, monkeypatch):
    monkeypatch.setattr(
        machine_checks.metadata, "requires", lambda name: ["polars>=99.1", "nosuchpackage>=1", "x; extra == 'test'"]
    )
    checks = looked(store)
    assert found(checks, "packages", "nosuchpackage")[0][:2] == ("fail", "not installed")
    ((state, seen, mend),) = found(checks, "packages", "polars")
    assert state == "warn"
    assert seen.endswith("where >=99.1 is asked for")
    assert mend == "pip install --upgrade depin-compare"


def test_fonts_that_are_missing_fail(store, monkeypatch):
    monkeypatch.setattr("reports.style.FONT_FAMILY", "No Such Font")
    states = [(state, seen) for state, seen, _ in found(looked(store), "fonts")]
    assert states == [("fail", "No Such Font not found"), ("fail", "No Such Font not found")]


def test_trouble_without_a_mend_is_no_check():
    row = {"subject": "clock", "check": "clock", "state": "fail", "seen": "x", "mend": None}
    assert not Checks.is_valid(pl.DataFrame([row], schema=Checks.create_empty().schema))
