"""Archives of OpenComputePrices as past days of the store."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from market_frames import facts, offers

from depin_compare.errors import ConfigError, SourceError, StoreError
from depin_compare.jobs.backfill import import_archive
from depin_compare.market.offers import Skipped
from depin_compare.market.retention import Retention
from depin_compare.market.store import Store
from depin_compare.market.thinning import compact, prune
from depin_compare.market.trends import price_history

TABLES = Path(__file__).parents[2] / "fetchers" / "data" / "opencomputeprices" / "data"
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def packed(tables: dict[str, bytes]) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for name, content in tables.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return body.getvalue()


@pytest.fixture
def archive(tmp_path) -> Path:
    file = tmp_path / "data.tar.gz"
    file.write_bytes(packed({path.name: path.read_bytes() for path in sorted(TABLES.glob("*.csv"))}))
    return file


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


def test_each_day_becomes_a_snapshot_that_says_where_it_comes_from(store, archive):
    done = import_archive(store, archive, now=NOW)
    assert done["day"].to_list() == [date(2026, 10, 30), date(2026, 11, 21), date(2026, 11, 22)]
    assert set(done["state"].cast(pl.String)) == {"stored"}
    newest, _, oldest = store.snapshots()
    assert newest.observed_at == datetime(2026, 11, 22, 0, 4, 9, tzinfo=UTC), "when its last row was collected"
    assert oldest.observed_at.date() == date(2026, 10, 30)
    assert newest.sources == {"opencomputeprices": "ok"}
    origin = newest.manifest.origin
    assert (origin["kind"], origin["archive"], origin["day"]) == ("backfill", "data.tar.gz", "2026-11-22")
    assert origin["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert origin["imported_at"] == NOW.isoformat()
    assert (newest.manifest.job, newest.skipped().height) == ("backfill", 9)


def test_what_was_imported_reads_as_stored_with_its_own_moments(store, archive):
    import_archive(store, archive, now=NOW)
    rows, _ = store.newest(["opencomputeprices"], before=datetime(2026, 11, 22, tzinfo=UTC))
    (row,) = rows.to_dicts()
    assert (row["network"], row["usd_per_accelerator_hour"]) == ("akash", 2.80)
    assert (row["source"], row["layer"]) == ("opencomputeprices", "stored")
    assert row["observed_at"] == datetime(2026, 11, 21, 12, 3, 11, tzinfo=UTC)
    akash = price_history(store, networks=["akash"], accelerators=["h100-sxm"])
    assert akash["usd_per_accelerator_hour_p50"].to_list() == [2.80, 2.71]


def test_importing_the_same_archive_twice_adds_nothing(store, archive):
    first = import_archive(store, archive, now=NOW)
    again = import_archive(store, archive, now=NOW + timedelta(days=1))
    assert set(again["state"].cast(pl.String)) == {"there already"}
    assert again.drop("state").equals(first.drop("state"))
    assert len(list(store.snapshots())) == 3


def test_of_two_archives_that_overlap_the_days_they_share_are_stored_once(store, archive, tmp_path):
    """The same akash rows of two days, once in the release and once in the archive of the month."""
    akash = (TABLES / "akash.csv").read_bytes()
    archive.write_bytes(packed({"akash.csv": akash}))
    month = tmp_path / "archive_2026-11.csv.gz"
    later = akash.splitlines()[1].replace(b"2026-11-21", b"2026-11-20")
    month.write_bytes(gzip.compress(akash.rstrip() + b"\n" + later + b"\n"))
    import_archive(store, archive, now=NOW)
    done = import_archive(store, month, now=NOW)
    assert done.select(pl.col("day").dt.day(), pl.col("state").cast(pl.String)).rows() == [
        (20, "stored"), (21, "there already"), (22, "there already"),
    ]  # fmt: skip
    (row,) = list(store.snapshots())[-1].offers().to_dicts()
    assert row["source_url"].endswith("/archive_2026-11.csv.gz")


def test_a_compacted_back_fill_is_still_known(store, archive):
    import_archive(store, archive, now=NOW)
    month = archive.with_name("archive_2026-11.csv.gz")
    month.write_bytes(gzip.compress((TABLES / "akash.csv").read_bytes()))
    import_archive(store, month, now=NOW)
    # The akash rows of the 22nd alone are another content than the whole day; those of the 21st are the same.
    assert compact(store, before=NOW)["snapshots"].to_list() == [2]
    assert set(import_archive(store, archive, now=NOW)["state"].cast(pl.String)) == {"there already"}


def test_a_day_that_was_collected_keeps_its_collect_beside_the_back_fill(store, archive):
    when = datetime(2026, 11, 22, 6, tzinfo=UTC)
    mine = store.write(
        observed_at=when,
        offers=offers({"observed_at": when, "usd_per_accelerator_hour": 2.5}),
        facts=facts(),
        skipped=Skipped.create_empty(),
        statuses={"akash": {"status": "ok"}},
    )
    import_archive(store, archive, now=NOW)
    kinds = {s.id: s.manifest.origin["kind"] for s in store.snapshots() if s.observed_at.date() == when.date()}
    assert sorted(kinds.values()) == ["backfill", "collect"]
    assert kinds[mine.id] == "collect"
    # What was seen first hand stands for the day.
    day = price_history(store, networks=["akash"], accelerators=["h100-sxm"]).filter(pl.col("period") == when.date())
    assert day["usd_per_accelerator_hour_p50"].to_list() == [2.5]
    prune(store, Retention(keep_all_days=0, keep_daily_days=400), now=NOW + timedelta(days=100))
    assert len(list(store.snapshots())) == 4


def test_rows_that_can_not_be_read_are_kept_with_their_reason(store, archive):
    akash = (TABLES / "akash.csv").read_bytes().splitlines()
    undated = akash[1].replace(b"2026-11-21,", b"yesterday,", 1)
    archive.write_bytes(packed({"akash.csv": b"\n".join([*akash, undated]), "aws.csv": b"a,b\n1,2\n"}))
    done = import_archive(store, archive, now=NOW)
    newest = next(store.snapshots())
    assert newest.skipped()["reason"].to_list() == [
        "no day: snapshot_date is yesterday, snapshot_ts 2026-11-21T12:03:11Z"
    ]
    assert newest.sources == {"opencomputeprices": "partial"}
    assert "aws: " in newest.manifest.statuses["opencomputeprices"]["error"]
    assert done["skipped"].to_list() == [0, 1]


def test_a_day_that_can_not_be_read_or_has_not_come_costs_no_other(store, archive):
    akash = (TABLES / "akash.csv").read_bytes().splitlines()
    nothing = akash[1].replace(b"2026-11-21", b"2026-11-20").replace(b"2.8,2.8", b"free,free")
    ahead = akash[1].replace(b"2026-11-21", b"2027-01-01")
    archive.write_bytes(packed({"akash.csv": b"\n".join([*akash, nothing, ahead])}))
    done = import_archive(store, archive, now=NOW)
    assert done["state"].cast(pl.String).to_list() == ["failed", "stored", "stored", "failed"]
    assert "expected" in done["reason"][0]
    assert "has not come yet" in done["reason"][3]
    assert len(list(store.snapshots())) == 2


def test_a_place_that_can_not_be_written_fails_each_day(store, archive, monkeypatch):
    def full(*_, **__):
        raise StoreError("disk full")

    monkeypatch.setattr(Store, "put_files", full)
    done = import_archive(store, archive, now=NOW)
    assert set(done["reason"]) == {"disk full"}
    assert set(done["state"].cast(pl.String)) == {"failed"}


def test_a_file_that_is_no_archive_is_an_error(store, tmp_path):
    with pytest.raises(ConfigError, match=r"none\.tar\.gz: can't be read \(No such file"):
        import_archive(store, tmp_path / "none.tar.gz", now=NOW)
    (tmp_path / "data.tar.gz").write_bytes(b"<html>not found</html>")
    with pytest.raises(SourceError, match="no archive"):
        import_archive(store, tmp_path / "data.tar.gz", now=NOW)
    assert list(store.snapshots()) == []
