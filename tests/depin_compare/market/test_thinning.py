"""Pruning and compacting: what stays is whole, whatever cuts them short."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from market_frames import NOW, facts, offers, tokens

from depin_compare.errors import StoreError
from depin_compare.market.history import history_list
from depin_compare.market.offers import Skipped
from depin_compare.market.places import LocalPlace
from depin_compare.market.retention import Retention
from depin_compare.market.store import Store
from depin_compare.market.thinning import compact, prune
from depin_compare.market.upkeep import repair, verify

KEPT = Path(__file__).parent / "data" / "snapshots"
DAY = timedelta(days=1)
SIX_HOURS = timedelta(hours=6)
OLD = NOW - 10 * DAY
ONE_DAY = Retention(keep_all_days=1, keep_daily_days=100)


class Killed(BaseException):
    """A process that ends where it stands."""


def write(store: Store, when: datetime, *, price: float, job: str = "default"):
    return store.write(
        observed_at=when,
        offers=offers(
            {"usd_per_accelerator_hour": price, "observed_at": when},
            {"usd_per_accelerator_hour": price + 1, "observed_at": when, "accelerator": "a100-sxm-80gb"},
        ),
        facts=facts({"observed_at": when}),
        skipped=Skipped.validate(
            pl.DataFrame([("akash", f"r{price}", "unreadable", "no chip")], schema=Skipped.create_empty().schema,
                         orient="row")
        ),
        token_prices=tokens({"observed_at": when}),
        statuses={"akash": {"status": "ok"}, "azure": {"status": "unreachable"}},
        job=job,
    )  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """Two past days of four snapshots, and one of today."""
    folder = tmp_path_factory.mktemp("written")
    store = Store(folder)
    for day in range(2):
        for n in range(4):
            write(store, datetime(2026, 11, 12 + day, 1, tzinfo=UTC) + n * SIX_HOURS, price=1.0 + day + n / 10)
    write(store, NOW, price=3.0)
    return folder


@pytest.fixture
def store(written, tmp_path) -> Store:
    shutil.copytree(written, tmp_path / "store")
    return Store(tmp_path / "store")


def contents(store: Store) -> dict[str, tuple]:
    """Everything a reader can learn of each snapshot."""
    tables = ("offers", "facts", "skipped", "token_prices")
    return {
        s.id: (s.observed_at, s.manifest.job, s.sources, *(s.rows(t).sort(pl.all()).rows() for t in tables))
        for s in store.snapshots()
    }


def scanned(store: Store) -> list[tuple]:
    return store.scan("offers").select("snapshot", "date", "usd_per_accelerator_hour").collect().sort(pl.all()).rows()


def states(store: Store) -> set[str]:
    return set(verify(store)["state"].cast(pl.String))


# -- compacting


def test_a_compacted_day_is_one_file_a_table_and_reads_as_before(store):
    before, rows = contents(store), scanned(store)
    newest_first = history_list(store, now=NOW).drop("compacted")
    done = compact(store, before=NOW)
    assert done.select("day", "snapshots", "files_before", "files_after").rows() == [
        (datetime(2026, 11, 13).date(), 4, 16, 4),  # noqa: DTZ001  # a time without a zone is the matter
        (datetime(2026, 11, 12).date(), 4, 16, 4),  # noqa: DTZ001  # a time without a zone is the matter
    ]
    assert contents(store) == before
    assert scanned(store) == rows
    assert states(store) == {"ok"}
    listed = history_list(store, now=NOW)
    assert listed["compacted"].to_list() == [False, *[True] * 8]
    assert listed.drop("compacted").equals(newest_first)
    assert compact(store, before=NOW).height == 0, "what is compact stays as it is"
    assert store.newest(["akash"], before=NOW)[0]["usd_per_accelerator_hour"].sort().to_list() == [2.3, 3.3]


def test_the_day_that_is_not_over_is_left_alone(store):
    write(store, NOW + SIX_HOURS, price=3.1)
    assert compact(store, before=NOW).height == 2
    assert [s.tables is s.manifest.tables for s in store.snapshots()][:2] == [True, True]


def test_a_dry_run_of_compacting_changes_nothing(store, tmp_path):
    before = sorted(p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".lock")
    found = compact(store, before=NOW, dry_run=True)
    assert (found["snapshots"].to_list(), found["files_after"].to_list()) == ([4, 4], [None, None])
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".lock") == before


def test_a_part_of_a_compacted_day_can_be_asked_for(store):
    compact(store, before=NOW)
    noon = datetime(2026, 11, 12, 12, tzinfo=UTC)
    assert store.scan("offers", before=noon).collect()["snapshot"].n_unique() == 2
    assert store.scan("offers", since=noon, before=noon + DAY).collect()["snapshot"].n_unique() == 4


def test_a_snapshot_that_comes_later_joins_its_compacted_day(store):
    compact(store, before=NOW)
    write(store, datetime(2026, 11, 12, 23, tzinfo=UTC), price=9.0)
    before = contents(store)
    assert compact(store, before=NOW)["snapshots"].to_list() == [5]
    assert contents(store) == before
    assert len(list(store.stored_manifests())) == 3


def test_a_damaged_snapshot_is_left_as_it_lies_and_told(store):
    bad = next(s for s in store.snapshots() if s.observed_at == datetime(2026, 11, 12, 7, tzinfo=UTC))
    path = store.place.folder() / bad.tables["offers"].path
    path.write_bytes(path.read_bytes()[:-9] + b"something")
    done = compact(store, before=NOW)
    assert done["snapshots"].to_list() == [4, 3]
    assert bad.id in done["left_out"][1]
    assert len(list(store.snapshots())) == 9
    assert path.exists()
    assert states(store) == {"ok", "damaged"}


def test_a_damaged_manifest_is_left_as_it_lies(store):
    lost = next(s for s in store.snapshots() if s.observed_at == datetime(2026, 11, 12, 7, tzinfo=UTC))
    for top in ("manifests", "copies"):
        (store.place.folder() / top / f"date={lost.id}.json").write_text("{")
    assert compact(store, before=NOW)["snapshots"].to_list() == [4, 3]
    assert (store.place.folder() / lost.tables["offers"].path).exists()


def test_snapshots_of_every_schema_become_one(tmp_path):
    for kept in sorted(KEPT.iterdir()):
        shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    store = Store(tmp_path)
    before, rows = contents(store), scanned(store)
    schemas = sorted(s.manifest.schema for s in store.snapshots())
    assert compact(store, before=NOW)["bytes_before"].to_list() == [None]
    assert contents(store) == before
    assert scanned(store) == rows
    assert sorted(s.manifest.schema for s in store.snapshots()) == schemas, "their own manifests stay as they were"
    assert not (tmp_path / "snapshots").exists()
    assert states(store) == {"ok"}


def test_one_snapshot_of_an_old_schema_is_brought_to_the_newest(tmp_path):
    shutil.copytree(KEPT / "schema-1", tmp_path, dirs_exist_ok=True)
    before = contents(Store(tmp_path))
    assert compact(Store(tmp_path), before=NOW)["snapshots"].to_list() == [1]
    assert contents(Store(tmp_path)) == before
    assert pl.read_parquet(tmp_path / "offers", hive_partitioning=True).height == 3


def killed_after(monkeypatch, steps: int):
    """The place takes so many more writes and deletions; at the next the process ends."""
    left = [steps]

    def counted(real):
        def change(self, path, *args, **options):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return real(self, path, *args, **options)

        return change

    monkeypatch.setattr(LocalPlace, "write", counted(LocalPlace.write))
    monkeypatch.setattr(LocalPlace, "delete", counted(LocalPlace.delete))


def cut_short(monkeypatch, steps: int, work) -> bool:
    """Do it until killed; whether it was."""
    with monkeypatch.context() as patch:
        killed_after(patch, steps)
        try:
            work()
        except Killed:
            return True
    return False


# Of each day six files are written (four tables, copy, manifest), then four snapshots of six files removed.
@pytest.mark.parametrize("steps", [0, 3, 5, 6, 7, 12, 29, 33, 41])
def test_compacting_cut_short_at_any_step_loses_and_doubles_nothing(store, monkeypatch, steps):
    before, rows = contents(store), scanned(store)
    assert cut_short(monkeypatch, steps, lambda: compact(store, before=NOW))
    for _ in range(2):  # as it lies, and when it was repaired
        assert contents(store) == before
        assert scanned(store) == rows
        assert history_list(store, now=NOW).height == 9
        repair(store)
        assert states(store) == {"ok"}
    compact(store, before=NOW)
    assert contents(store) == before
    assert len(list(store.stored_manifests())) == 3


def test_a_file_that_arrives_otherwise_than_it_was_sent_removes_nothing(store, monkeypatch):
    real = LocalPlace.write

    def altered(self, path, body, **options):
        real(self, path, body[:-1] + b"?" if path.startswith("offers") else body, **options)

    before = contents(store)
    with monkeypatch.context() as patch:
        patch.setattr(LocalPlace, "write", altered)
        with pytest.raises(StoreError, match="not as it was written"):
            compact(store, before=NOW)
    assert contents(store) == before
    assert len(list(store.stored_manifests())) == 9
    assert states(store) == {"ok"}


# -- pruning


def left(store: Store) -> list[str]:
    return [f"{s.observed_at:%d %H}" for s in store.snapshots()]


def test_pruning_removes_what_a_retention_does_not_keep(store):
    done = prune(store, ONE_DAY, now=NOW)
    assert left(store) == ["22 09", "13 01", "12 01"]
    assert done.height == 9
    assert done["state"].cast(pl.String).to_list() == ["kept", *(["removed"] * 3 + ["kept"]) * 2]
    assert done["reason"].to_list()[4] == "first of its day"
    assert states(store) == {"ok"}
    assert prune(store, ONE_DAY, now=NOW)["state"].cast(pl.String).unique().to_list() == ["kept"]


def test_a_dry_run_of_pruning_only_tells(store):
    before = contents(store)
    told = prune(store, ONE_DAY, now=NOW, dry_run=True)
    assert contents(store) == before
    assert told.equals(prune(store, ONE_DAY, now=NOW))


def test_a_compacted_day_is_pruned_by_writing_it_again(store):
    before = contents(store)
    compact(store, before=NOW)
    prune(store, ONE_DAY, now=NOW)
    assert left(store) == ["22 09", "13 01", "12 01"]
    assert contents(store) == {name: told for name, told in before.items() if name in contents(store)}
    assert states(store) == {"ok"}
    prune(store, Retention(keep_all_days=1, keep_daily_days=1, keep_monthly_days=1), now=NOW + 90 * DAY)
    assert left(store) == ["22 09"]
    assert states(store) == {"ok"}


@pytest.mark.parametrize("steps", [0, 1, 5, 6, 8, 12])
@pytest.mark.parametrize("compacted", [False, True])
def test_pruning_cut_short_at_any_step_loses_nothing_that_stays(store, monkeypatch, steps, compacted):
    if compacted:
        compact(store, before=NOW)
    before = contents(store)
    assert cut_short(monkeypatch, steps, lambda: prune(store, ONE_DAY, now=NOW))
    for _ in range(2):
        found = contents(store)
        assert found.items() <= before.items()
        assert {"22 09", "13 01", "12 01"} <= set(left(store))
        assert [name for name, *_ in scanned(store)] == sorted(2 * list(found))
        repair(store)
        assert states(store) == {"ok"}
    prune(store, ONE_DAY, now=NOW)
    assert left(store) == ["22 09", "13 01", "12 01"]
    assert states(store) == {"ok"}


def test_one_that_can_not_be_removed_is_told_and_costs_no_other(store, monkeypatch):
    real, bad = LocalPlace.delete, next(s for s in store.snapshots() if s.observed_at.hour == 19)

    def refused(self, path):
        if bad.id in path:
            raise PermissionError(13, "Permission denied", path)
        real(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(LocalPlace, "delete", refused)
        done = prune(store, ONE_DAY, now=NOW)
    (failed,) = done.filter(pl.col("state") == "failed").to_dicts()
    assert failed["snapshot"] == bad.id
    assert "Permission denied" in failed["reason"]
    assert left(store) == ["22 09", "13 19", "13 01", "12 01"]


def test_a_damaged_compacted_day_is_not_thinned(store):
    compact(store, before=NOW)
    day = next(m for m in store.stored_manifests() if m.replaces)
    path = store.place.folder() / day.tables["facts"].path
    path.write_bytes(b"gone")
    done = prune(store, ONE_DAY, now=NOW)
    assert done["state"].cast(pl.String).to_list() == ["kept", *["failed"] * 3, "kept", *["removed"] * 3, "kept"]
    assert left(store) == ["22 09", "13 19", "13 13", "13 07", "13 01", "12 01"]


def test_a_job_prunes_its_own_snapshots_alone(tmp_path):
    store = Store(tmp_path)
    for job in ("hourly", "weekly"):
        for n in range(3):
            write(store, OLD + n * SIX_HOURS / 3, price=1.0 + n, job=job)
    assert prune(store, ONE_DAY, now=NOW, job="hourly").height == 3
    # The first of its day, and the newest.
    assert sorted(s.manifest.job for s in store.snapshots()) == ["hourly"] * 2 + ["weekly"] * 3
