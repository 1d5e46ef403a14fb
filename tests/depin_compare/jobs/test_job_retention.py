"""After each run the store holds what the job's [retention] keeps."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import pytest
from market_frames import NOW, facts, offers

from depin_compare.errors import StoreError
from depin_compare.jobs.config import JobConfig
from depin_compare.jobs.runner import run_job
from depin_compare.market.offers import Skipped
from depin_compare.market.places import LocalPlace
from depin_compare.market.store import Store
from fetchers import FETCHERS


@pytest.fixture
def store(tmp_path) -> Store:
    """Two snapshots an hour apart of each of two jobs, forty days ago, and one of each of today."""
    store = Store(tmp_path / "store")
    for job in ("default", "other"):
        for hours in (960, 961, 1):
            when = NOW - timedelta(hours=hours)
            store.write(
                observed_at=when,
                offers=offers({"observed_at": when}),
                facts=facts(),
                skipped=Skipped.create_empty(),
                statuses={"akash": {"status": "ok"}},
                job=job,
            )
    return store


def job(tmp_path: Path, **retention: float) -> JobConfig:
    """Asks nobody and writes one small file."""
    return JobConfig.model_validate(
        {
            "sources": {name: {"enabled": False} for name in FETCHERS},
            "analysis": {"networks": ["akash"], "llms": ["llama-3.1-8b"], "scenarios": ["base"]},
            "outputs": {"out": str(tmp_path / "report"), "formats": ["json"]},
            **({"retention": retention} if retention else {}),
        }
    )


def left(store: Store, job: str) -> list[int]:
    return sorted(round((NOW - s.observed_at) / timedelta(hours=1)) for s in store.snapshots() if s.manifest.job == job)


def test_a_run_prunes_its_own_snapshots_by_its_retention(store, tmp_path):
    run_job(job(tmp_path), store=store, now=NOW)
    assert left(store, "default") == [1, 960, 961], "without [retention] nothing is removed"
    run_job(job(tmp_path, keep_all_days=30, keep_daily_days=60), store=store, now=NOW)
    assert left(store, "default") == [1, 961]
    assert left(store, "other") == [1, 960, 961]


def test_what_can_not_be_removed_is_told_and_costs_the_run_nothing(store, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(LocalPlace, "delete", lambda *_: (_ for _ in ()).throw(PermissionError(13, "denied")))
    with caplog.at_level(logging.ERROR):
        outcome = run_job(job(tmp_path, keep_all_days=30), store=store, now=NOW).outcome
    assert outcome.kind == "ok"
    assert "could not be removed" in caplog.text
    monkeypatch.setattr(Store, "stored_manifests", lambda *_, **__: (_ for _ in ()).throw(StoreError("no list")))
    assert run_job(job(tmp_path, keep_all_days=30), store=store, now=NOW).outcome.kind == "ok"
    assert "no list" in caplog.text
