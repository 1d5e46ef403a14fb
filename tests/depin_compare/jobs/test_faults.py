"""Runs that are killed, starved and lied to, one after the other in one store: nothing that was complete is lost.

`benchmarks/faults.py` does the same a thousand times with processes of their own; here a process dies in so far as it
changes no file any more, from a chosen change on.
"""

from __future__ import annotations

import errno
import os
import random
from collections import Counter
from datetime import timedelta

import pytest
from change_watch import ChangeWatch
from market_frames import NOW, facts, offers
from store_ledger import Ledger, cut_manifest, damaged_manifests, spoil_data, telling, unfinished

from depin_compare.jobs import runner
from depin_compare.jobs.config import JobConfig
from depin_compare.jobs.lock import job_lock
from depin_compare.jobs.outcome import read_state
from depin_compare.market.offers import Skipped
from depin_compare.market.store import Store

FAULTS = (
    "killed", "half a file", "disk full", "read only", "corrupt snapshot", "truncated manifest", "truncated copy",
    "clock back", "clock forward", "two starts",
)  # fmt: skip
RUNS = 30


class Killed(BaseException):
    """The process ends where it stands."""


@pytest.fixture(scope="module")
def watch():
    return ChangeWatch()


@pytest.fixture
def stored(monkeypatch):
    """A run is its lock, its repair, its collect and its books: what it makes of the prices is not asked here."""

    def store_it(job, _collection, *, now, store):
        statuses = {"akash": {"status": "ok"}}
        rows = offers({"usd_per_accelerator_hour": 1.0 + now.timestamp() % 97, "observed_at": now})
        store.write(
            observed_at=now, offers=rows, facts=facts({"observed_at": now}), skipped=Skipped.create_empty(),
            statuses=statuses,
        )  # fmt: skip

    monkeypatch.setattr(runner, "asked", lambda *_, **__: None)
    monkeypatch.setattr(runner, "stored", store_it)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # the machine stays up
    monkeypatch.setattr(runner, "gathered", lambda *_, **__: None)
    monkeypatch.setattr(runner, "analysis_of", lambda *_, **__: None)
    monkeypatch.setattr(runner, "since_last", lambda *_, **__: None)
    monkeypatch.setattr(runner, "write_job_report", lambda *_, **__: [])
    monkeypatch.setattr(runner, "exit_code", lambda *_, **__: 0)
    monkeypatch.setattr(runner, "on_outcome", lambda *_, **__: None)


def run(store: Store, now) -> str:
    try:
        return runner.run_job(JobConfig(), store=store, now=now).outcome.kind
    except Killed:
        return "killed"
    except Exception as error:  # its words are what the test looks at
        return f"{type(error).__name__}: {error}"


def from_then_on(at: int, kind: type[BaseException], *told):
    """Every change from the n-th on fails: a dead process makes none, on a full disk none succeeds."""

    def strike(number: int) -> None:
        if number >= at:
            raise kind(*told)

    return strike


def test_runs_with_faults_lose_nothing_and_the_next_run_succeeds(tmp_path, stored, watch):
    rng, store, ledger, now = random.Random(6), Store(tmp_path), Ledger(), NOW
    ended: Counter[str] = Counter()
    with telling(ledger.note):
        assert run(store, now) == "ok"
        for fault in [FAULTS[n % len(FAULTS)] for n in range(RUNS)]:
            now += timedelta(hours=6)
            at, known = rng.randint(1, 32), list(ledger.tables)
            if fault == "corrupt snapshot":
                spoil_data(store, ledger, rng, identity=rng.choice([i for i in known if ledger.is_sound(i)]))
            elif fault.startswith("truncated"):
                path, before = cut_manifest(store, rng, identity=rng.choice(known), copy="copy" in fault)
            elif fault in ("killed", "half a file"):
                watch.begin(tmp_path, from_then_on(at, Killed))
            elif fault in ("disk full", "read only"):
                number = errno.ENOSPC if fault == "disk full" else errno.EROFS
                watch.begin(tmp_path, from_then_on(at if fault == "disk full" else 1, OSError, number, fault))
            moved = {"clock back": -timedelta(days=rng.randint(1, 900)), "clock forward": timedelta(days=400)}
            if fault == "two starts":
                with job_lock("default", store, now=now):
                    how = run(store, now)
                assert "JobBusyError: job default is running: pid" in how
            else:
                how = run(store, now + moved.get(fault, timedelta()))
            watch.end()
            if fault == "half a file":
                for part in tmp_path.rglob(".*.part"):
                    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
            ended[how] += 1
            now += timedelta(hours=6)
            count = len(ledger.tables)
            assert run(store, now) == "ok", fault
            assert len(ledger.tables) == count + 1
            if fault.startswith("truncated"):
                assert store.place.read(path) == before
            wrong = [
                *ledger.check(store),
                *ledger.verified(store),
                *ledger.read_back(store, only=[*ledger.tables][-2:]),
            ]
            wrong += [*ledger.served(store, ["akash"], before=now + timedelta(days=900)), *damaged_manifests(store)]
            assert [*wrong, *unfinished(tmp_path)] == [], fault
            assert read_state(store, "default").last_outcome == "ok"
    assert ledger.read_back(store) == []
    assert len(ledger.damaged) == RUNS // len(FAULTS)
    assert {"ok", "killed"} <= ended.keys()
    # No fault ends in anything but these: nothing else reaches the user.
    assert {how.partition(":")[0] for how in ended} <= {"ok", "killed", "failed", "JobBusyError", "StoreError"}
