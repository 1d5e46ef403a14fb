"""Who holds a job: told at once, told truly, and nothing of a killed run lies about for ever."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading

import pytest
from market_frames import NOW

from depin_compare.errors import JobBusyError
from depin_compare.jobs import lock
from depin_compare.jobs.lock import job_lock
from depin_compare.market.store import Store


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path)


def note_of(store: Store, **changes) -> tuple:
    """The note of whoever holds the lock now, and what it says."""
    path = store.working_folder / "locks" / "jobs" / "default.holder.json"
    return path, {**json.loads(path.read_text()), **changes}


@pytest.fixture
def gone() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_note_of_a_killed_run_is_not_taken_for_the_holders(store, gone, monkeypatch):
    """A process has the lock a moment before its note lies there; until then that of the last may."""
    with job_lock("default", store, now=NOW):
        path, mine = note_of(store)
        path.write_text(json.dumps({**mine, "pid": gone}))
        timer = threading.Timer(0.05, lambda: path.write_text(json.dumps(mine)))
        timer.start()
        with pytest.raises(JobBusyError, match=f"pid {mine['pid']} on host {socket.gethostname()}"), job_lock(
            "default", store, now=NOW
        ):  # fmt: skip
            pass
        timer.join()
        path.write_text(json.dumps({**mine, "pid": gone}))
        monkeypatch.setattr(lock, "_NOTE_SECONDS", 0.01)
        with pytest.raises(JobBusyError, match="not said its name"), job_lock("default", store, now=NOW):
            pass
        # Of another machine's processes nothing is known here.
        path.write_text(json.dumps({**mine, "pid": gone, "host": "elsewhere"}))
        with pytest.raises(JobBusyError, match=f"pid {gone} on host elsewhere"), job_lock("default", store, now=NOW):
            pass


def test_a_holder_that_has_yet_to_write_its_name_is_waited_for(store):
    with job_lock("default", store, now=NOW):
        path, mine = note_of(store)
        path.unlink()
        timer = threading.Timer(0.05, lambda: path.write_text(json.dumps(mine)))
        timer.start()
        with pytest.raises(JobBusyError, match=f"pid {mine['pid']} "), job_lock("default", store, now=NOW):
            pass
        timer.join()


def test_half_a_note_of_a_killed_run_is_removed_by_the_next_and_another_jobs_is_not(store):
    with job_lock("default", store, now=NOW):
        path, _ = note_of(store)
    left, others = path.with_name(".default.holder.json.1a.part"), path.with_name(".weekly.holder.json.1a.part")
    for one in (left, others):
        one.write_text("{")
    with job_lock("default", store, now=NOW):
        assert (left.exists(), others.exists()) == (False, True)


def test_a_glance_at_who_holds_a_job_turns_no_run_away(store, monkeypatch):
    """`doctor` and a scheduler have the lock while they look; it is free when the run asks again."""
    with job_lock("default", store, now=NOW):
        pass
    glance = lock._lock("default", store)
    glance.acquire()
    monkeypatch.setattr("filelock._api.time.sleep", lambda _: glance.release())
    with job_lock("default", store, now=NOW):
        assert note_of(store)[0].exists()
