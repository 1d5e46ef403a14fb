"""A run as a process: one at a time, ended cleanly, killed at any moment, and what the next run makes of it."""

import json
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from payload_server import PayloadServer

from depin_compare import cli
from depin_compare.errors import JobBusyError, StoreError
from depin_compare.jobs import runner
from depin_compare.jobs.config import JobConfig
from depin_compare.jobs.config_file import load_config
from depin_compare.jobs.lock import holder_of, job_lock
from depin_compare.jobs.outcome import JobState, read_state, write_state
from depin_compare.jobs.runner import run_job, settle
from depin_compare.market.store import Store
from fetchers import FETCHERS

AKASH = "console-api.akash.network"
NOW = datetime(2026, 11, 25, 6, 17, 30, tzinfo=UTC)
SLOT = datetime(2026, 11, 25, 6, 17, tzinfo=UTC)


class _Asked(list[str]):
    """Addresses asked for; tells when the first comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.first = threading.Event()

    def append(self, url: str) -> None:
        super().append(url)
        self.first.set()


@pytest.fixture
def server():
    """Akash as it answers, or hangs if told so before it is asked."""
    one = PayloadServer()
    one.asked = _Asked()
    thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield one
    one.over.set()
    one.shutdown()
    one.server_close()


@pytest.fixture
def config(tmp_path, server):
    """A job that asks Akash alone, every minute, and writes one small file."""
    lines = [
        "[analysis]",
        'networks = ["akash"]',
        'llms = ["llama-3.1-8b"]',
        'scenarios = ["base"]',
        "[outputs]",
        'formats = ["json"]',
        f"out = '{tmp_path / 'report'}'",
        "[schedule]",
        'cron = "* * * * *"',
    ]
    lines += ["[http.mirrors]", f'"https://{AKASH}" = "http://127.0.0.1:{server.server_port}/{AKASH}"']
    for name in FETCHERS:
        if name != "akash":
            lines += [f"[sources.{name}]", "enabled = false"]
    path = tmp_path / "job.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def started():
    """Start a command line; killed at the end of the test, if it has not ended by then."""
    processes = []

    def start(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "depin_compare.cli", *words]
        one = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(one)
        return one

    yield start
    for one in processes:
        one.kill()
        one.communicate()


def hang(server: PayloadServer) -> None:
    server.hanging = frozenset({AKASH})


def resume(server: PayloadServer) -> None:
    server.hanging = frozenset()
    server.over.set()


def wait_until_asked(server: PayloadServer, process: subprocess.Popen[str]) -> None:
    assert server.asked.first.wait(60), process.communicate(timeout=5)


def left_in(store: Store) -> set[str]:
    """Files of the store that belong to no machine-local business."""
    root = store.place.folder()
    assert root is not None
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return {str(path) for path in files if path.parts[0] not in ("http-cache", "locks")}


def test_sigterm_to_the_scheduler_ends_its_run_cleanly_and_the_next_start_takes_it_up(
    server, config, store, tmp_path, started
):
    hang(server)
    process = started("schedule", "--config", str(config), "--store", str(tmp_path / "store"))
    wait_until_asked(server, process)
    begun = read_state(store, "default")
    assert (begun.last_outcome, begun.last_slot_done, begun.last_slot_attempts) == ("running", False, 1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "job default: next" in err
    assert "stopped by SIGTERM; waiting for what is running" in err
    assert "exit code 143" in err
    assert "Traceback" not in err
    state = read_state(store, "default")
    assert (state.last_outcome, state.last_exit_code, state.last_slot_done) == ("stopped", 143, False)
    assert state.last_slot == begun.last_slot
    assert holder_of("default", store) is None
    assert left_in(store) == {"jobs/default.json"}

    resume(server)
    job = load_config(config)
    run = run_job(job, store=store, now=state.last_slot + timedelta(seconds=50), slot=state.last_slot)
    assert run.outcome.kind == "ok"
    after = read_state(store, "default")
    assert (after.last_slot, after.last_slot_done, after.last_slot_attempts) == (state.last_slot, True, 2)


def test_a_second_start_says_who_runs_the_job_and_kill_9_leaves_what_the_next_run_repairs(
    server, config, store, tmp_path, monkeypatch, capsys, started
):
    job = load_config(config)
    whole = run_job(job, store=store, now=NOW - timedelta(hours=6))
    kept = left_in(store)
    assert whole.outcome.kind == "ok"
    assert len(kept) > 4

    hang(server)
    server.asked.first.clear()
    process = started("run", "--config", str(config), "--store", str(tmp_path / "store"))
    wait_until_asked(server, process)
    monkeypatch.setattr(
        sys, "argv", ["depin-compare", "run", "--config", str(config), "--store", str(tmp_path / "store")]
    )
    with pytest.raises(SystemExit) as stop:
        cli.main()
    told = capsys.readouterr().err
    assert stop.value.code == 1
    assert f"job default is running: pid {process.pid} on host " in told
    assert f"since {datetime.now(UTC):%Y-%m-}" in told
    assert "UTC; wait for it or stop it" in told

    process.kill()
    process.communicate(timeout=60)
    assert (tmp_path / "store" / "locks" / "jobs" / "default.holder.json").exists()  # a note without a lock
    assert read_state(store, "default").last_outcome == "running"
    # What a write that was killed leaves: a table without a manifest, and the beginnings of files.
    day = tmp_path / "store" / "offers" / "date=2026-11-25"
    day.mkdir(parents=True, exist_ok=True)
    (day / "061730Z-0badc0de.parquet").write_bytes(b"PAR1 half a table")
    (day / ".061731Z-0badc0de.parquet.77.part").write_bytes(b"PAR1")
    (tmp_path / "store" / "jobs" / ".default.json.77.part").write_bytes(b"{")

    resume(server)
    run = run_job(job, store=store, now=NOW)
    assert run.outcome.kind == "ok"
    after = left_in(store)
    assert kept < after
    assert not [name for name in after if "0badc0de" in name or name.endswith(".part")]
    assert len(list(store.snapshots())) == 2
    assert holder_of("default", store) is None


def test_the_lock_is_held_for_one_run_and_free_after_it(store):
    with job_lock("six-hourly", store, now=NOW):
        note = json.loads((store.working_folder / "locks" / "jobs" / "six-hourly.holder.json").read_text())
        assert set(note) == {"pid", "host", "since", "command"}
        holder = holder_of("six-hourly", store)
        assert holder is not None
        assert holder.endswith("since 2026-11-25 06:17 UTC")
        with (
            pytest.raises(JobBusyError, match="job six-hourly is running: pid "),
            job_lock("six-hourly", store, now=NOW),
        ):
            pass
        assert holder_of("another", store) is None
        with job_lock("another", store, now=NOW):
            pass
    assert holder_of("six-hourly", store) is None


def test_a_folder_that_can_not_be_written_costs_the_lock_and_not_the_run(tmp_path, caplog):
    (tmp_path / "store").write_text("in the way")
    with job_lock("default", Store(tmp_path / "store"), now=NOW):
        pass
    assert "no lock" in caplog.text


def test_a_slot_is_run_once_whoever_asks_and_slots_before_it_are_told(server, config, store, monkeypatch):
    told = []
    monkeypatch.setattr(runner, "on_outcome", lambda job, outcome, analysis, store: told.append((outcome, analysis)))
    job = load_config(config)
    job = job.model_copy(update={"schedule": job.schedule.model_copy(update={"cron": "17 */6 * * *"})})
    write_state(store, JobState(job="default", last_slot=SLOT - timedelta(hours=18)))
    first = run_job(job, store=store, now=NOW, slot=SLOT)
    assert first.outcome.missed == (SLOT - timedelta(hours=12), SLOT - timedelta(hours=6))
    again = run_job(job, store=store, now=NOW + timedelta(minutes=1), slot=SLOT)
    assert (again.outcome.kind, again.outcome.exit_code, again.analysis) == ("done_before", 0, None)
    assert [(outcome.kind, analysis is not None) for outcome, analysis in told] == [("ok", True)]
    state = read_state(store, "default")
    assert (state.last_slot, state.missed_slots, state.last_outcome) == (SLOT, 2, "ok")
    assert state.last_missed_at == SLOT - timedelta(hours=6)
    assert state.last_success_at is not None


def test_a_run_by_hand_leaves_the_slots_alone(server, config, store):
    write_state(store, JobState(job="default", last_slot=SLOT, last_slot_done=False, last_slot_attempts=1))
    assert run_job(load_config(config), store=store, now=NOW).outcome.slot is None
    state = read_state(store, "default")
    assert (state.last_slot, state.last_slot_done, state.last_slot_attempts) == (SLOT, False, 1)


def test_a_run_that_fails_is_remembered_and_told_with_its_reason(server, config, store, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(runner, "on_outcome", lambda job, outcome, analysis, store: told.append(outcome))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        run_job(load_config(config), store=store, now=NOW, slot=SLOT, out=tmp_path / "file" / "report")
    (outcome,) = told
    assert (outcome.kind, outcome.exit_code, outcome.slot) == ("failed", 1, SLOT)
    assert "file" in outcome.detail
    state = read_state(store, "default")
    assert (state.last_outcome, state.last_exit_code, state.last_slot_done) == ("failed", 1, True)
    assert state.last_success_at is None
    assert holder_of("default", store) is None


def test_a_process_that_died_with_a_slot_is_told_as_failed(store, monkeypatch):
    told = []
    monkeypatch.setattr(runner, "on_outcome", lambda job, outcome, analysis, store: told.append(outcome))
    settle(JobConfig(), store=store, now=NOW, slot=SLOT, code=-9, detail="its process was killed")
    settle(JobConfig(), store=store, now=NOW, slot=SLOT, code=-9, detail="its process was killed")
    assert [(outcome.kind, outcome.exit_code, outcome.slot) for outcome in told] == [("failed", -9, SLOT)]
    assert read_state(store, "default").last_slot_done


def test_a_slot_cut_off_for_good_counts_as_missed(store, monkeypatch):
    told = []
    monkeypatch.setattr(runner, "on_outcome", lambda job, outcome, analysis, store: told.append(outcome))
    write_state(store, JobState(job="default", last_slot=SLOT, last_slot_done=False, last_slot_attempts=2))
    later = SLOT + timedelta(hours=6)
    settle(JobConfig(), store=store, now=later, missed=[later])
    assert [(outcome.kind, outcome.missed) for outcome in told] == [("missed", (SLOT, later))]
    assert read_state(store, "default").missed_slots == 2


def test_a_state_that_can_not_be_understood_is_told_and_begun_anew(store, tmp_path, caplog):
    write_state(store, JobState(job="default", last_slot=SLOT))
    assert read_state(store, "default").last_slot == SLOT
    file = tmp_path / "store" / "jobs" / "default.json"
    file.write_bytes(file.read_bytes()[:40])
    assert read_state(store, "default") == JobState(job="default")
    assert "begun anew" in caplog.text
    file.unlink()
    file.mkdir()
    with pytest.raises(StoreError, match="can't be read"):
        read_state(store, "default")


def test_slot_goes_with_a_run_that_asks(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["depin-compare", "run", "--offline", "--slot", "2026-11-25T06:17"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert "nothing is asked with --offline" in capsys.readouterr().err
    assert not list(Path(tmp_path).iterdir())


def test_a_run_whose_collect_can_not_be_stored_makes_its_report_and_counts_as_failed(
    server, config, store, tmp_path, monkeypatch
):
    def full(*_, **__):
        raise StoreError("the store: can't be written (No space left on device)")

    monkeypatch.setattr(Store, "put_files", full)
    ended = run_job(load_config(config), store=store, now=NOW, out=tmp_path / "report")
    assert (ended.outcome.kind, ended.outcome.exit_code) == ("failed", 1)
    assert "nothing was stored" in str(ended.outcome.detail)
    assert "No space left" in str(read_state(store, ended.outcome.job).last_detail)
    assert ended.written


def test_what_a_failed_run_leaves_in_the_store_holds_no_key(config, store, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise OSError("no answer from https://host/?key=planted-k3y-of-vast")

    monkeypatch.setenv("VAST_API_KEY", "planted-k3y-of-vast")
    monkeypatch.setattr(runner, "asked", broken)
    with pytest.raises(OSError, match="no answer"):
        run_job(load_config(config), store=store, now=NOW, out=tmp_path / "report")
    assert read_state(store, "default").last_detail == "no answer from https://host/?key=***"
