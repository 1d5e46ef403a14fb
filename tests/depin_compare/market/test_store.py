"""The store: whole snapshots or none, in a folder and in object storage, of every schema there ever was."""

from __future__ import annotations

import json
import logging
import os
import shutil
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_frames import NOW, facts, offers, tokens

from depin_compare.errors import StoreError
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.manifests import SCHEMA_VERSION, manifest_bytes, read_manifest
from depin_compare.market.offers import Skipped
from depin_compare.market.places import LocalPlace, place_of
from depin_compare.market.store import Store
from depin_compare.market.upkeep import repair, verify

KEPT = Path(__file__).parent / "data" / "snapshots"


def write(store: Store, when=NOW, *, price: float = 2.0, status: str = "ok", job: str = "default"):
    return store.write(
        observed_at=when,
        offers=offers({"usd_per_accelerator_hour": price, "observed_at": when}),
        facts=facts({"observed_at": when}),
        skipped=Skipped.create_empty(),
        statuses={"akash": {"status": status}, "azure": {"status": "unreachable"}},
        job=job,
    )


def prices(store: Store, **options) -> list[float]:
    return store.newest(["akash"], **options)[0]["usd_per_accelerator_hour"].to_list()


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


def states(store: Store) -> set[str]:
    return set(verify(store)["state"].cast(pl.String))


# -- what is written and read back


def test_the_newest_good_snapshot_of_a_source_is_read_back_as_stored(tmp_path):
    store = Store(tmp_path)
    write(store, NOW - timedelta(days=2), price=1.5)
    write(store, NOW - timedelta(days=1), price=1.8)
    write(store, NOW, price=9.9, status="failed")
    rows, told = store.newest(["akash", "azure"])
    assert rows["usd_per_accelerator_hour"].to_list() == [1.8]
    assert rows["layer"].cast(pl.String).to_list() == ["stored"]
    assert told["layer"].cast(pl.String).to_list() == ["stored"]
    assert rows["observed_at"].item() == NOW - timedelta(days=1)


def test_a_past_day_sees_nothing_later(tmp_path):
    store = Store(tmp_path)
    write(store, NOW - timedelta(days=2), price=1.5)
    write(store, NOW, price=1.8)
    assert prices(store, before=NOW - timedelta(days=1)) == [1.5]


def test_reference_rows_are_never_stored_as_observations(tmp_path):
    store = Store(tmp_path)
    snapshot = store.write(
        observed_at=NOW,
        offers=offers({"layer": "reference"}, {"layer": "live"}),
        facts=facts(),
        skipped=Skipped.create_empty(),
        statuses={"akash": {"status": "ok"}},
    )
    assert snapshot.offers().height == 1
    assert (snapshot.manifest.schema, snapshot.manifest.tables["offers"].rows) == (SCHEMA_VERSION, 1)


def test_a_snapshot_says_whose_it_is_and_where_it_comes_from(tmp_path):
    write(Store(tmp_path), job="weekly")
    (snapshot,) = Store(tmp_path).snapshots()
    assert (snapshot.manifest.job, snapshot.manifest.origin["kind"]) == ("weekly", "collect")
    assert snapshot.sources == {"akash": "ok", "azure": "unreachable"}
    assert snapshot.id.startswith("2026-11-22/090000Z-")


def test_the_same_content_at_the_same_second_is_stored_once_and_other_content_beside_it(tmp_path):
    store = Store(tmp_path)
    assert write(store).id == write(store).id
    write(store, price=3.0)
    assert len(list(store.snapshots())) == 2
    assert states(store) == {"ok"}


def test_a_table_lies_open_for_other_tools(tmp_path):
    store = Store(tmp_path)
    write(store, NOW - timedelta(days=1), price=1.5)
    write(store, NOW, price=1.8)
    seen = pl.read_parquet(tmp_path / "offers", hive_partitioning=True).sort("date")
    assert seen["usd_per_accelerator_hour"].to_list() == [1.5, 1.8]
    assert seen["date"].cast(pl.String).to_list() == ["2026-11-21", "2026-11-22"]
    assert seen.schema["terms"] == pl.String


def test_a_scan_gives_every_row_with_its_snapshot_and_can_be_narrowed(tmp_path):
    store = Store(tmp_path)
    first, second = write(store, NOW - timedelta(days=3), price=1.5), write(store, NOW, price=1.8)
    every = store.scan("offers").sort("observed_at").collect()
    assert every["snapshot"].to_list() == [first.id, second.id]
    assert store.scan("offers", since=NOW - timedelta(days=1)).collect()["snapshot"].to_list() == [second.id]
    assert store.scan("offers", before=NOW).collect()["snapshot"].to_list() == [first.id]
    assert Store(tmp_path / "empty").scan("offers").collect().height == 0


# -- schemas


@pytest.mark.parametrize("schema", range(1, SCHEMA_VERSION + 1))
def test_snapshots_of_every_schema_stay_readable(schema):
    store = Store(KEPT / f"schema-{schema}")
    (snapshot,) = store.snapshots()
    assert snapshot.manifest.schema == schema
    assert snapshot.sources == {"akash": "ok", "azure": "unreachable"}
    rows, told = store.newest(["akash"])
    assert (rows.height, told.height, store.newest_token_prices(["akash"]).height) == (3, 2, 2)
    assert rows["network"].unique().to_list() == ["akash"]
    assert snapshot.skipped()["reason"].to_list() == ["no such chip: B400"]
    assert store.scan("offers").collect().height == 3
    assert states(store) == {"ok"}


def test_one_snapshot_of_every_schema_is_kept_for_this():
    assert {p.name for p in KEPT.iterdir()} == {f"schema-{n}" for n in range(1, SCHEMA_VERSION + 1)}


def test_snapshots_of_all_schemas_are_read_together(tmp_path):
    for n in range(1, SCHEMA_VERSION + 1):
        shutil.copytree(KEPT / f"schema-{n}", tmp_path, dirs_exist_ok=True)
    store = Store(tmp_path)
    write(store)
    assert len(list(store.snapshots())) == SCHEMA_VERSION + 1
    assert store.scan("offers").collect().height == 3 * SCHEMA_VERSION + 1
    assert prices(store) == [2.0]


def test_a_newer_schema_is_named_and_passed_over(tmp_path, caplog):
    store = Store(tmp_path)
    write(store, NOW - timedelta(days=1), price=1.5)
    newer = write(store, NOW, price=1.8)
    path = tmp_path / "manifests" / f"date={newer.id}.json"
    document = json.loads(path.read_text()) | {"schema": SCHEMA_VERSION + 1}
    for place in (path, tmp_path / "copies" / f"date={newer.id}.json"):
        place.write_bytes(manifest_bytes(document))
    assert prices(store) == [1.5]
    assert "update depin-compare" in caplog.text


def test_a_column_that_joined_later_is_unknown_in_older_rows(tmp_path):
    store = Store(tmp_path)
    old = offers({}).drop("note", "upstream")
    store.put_snapshot({"offers": old}, observed_at=NOW, statuses={"akash": {"status": "ok"}}, job="j", origin={})
    (snapshot,) = store.snapshots()
    assert snapshot.offers()["note"].to_list() == [None]
    assert snapshot.facts().height == 0
    assert prices(store) == [2.0]
    assert store.scan("offers").collect()["note"].to_list() == [None]


@given(cut=st.integers(min_value=0, max_value=400))
def test_a_manifest_cut_off_anywhere_is_never_read_as_whole(cut):
    body = manifest_bytes(
        {"schema": 2, "id": "2026-11-22/090000Z-1", "observed_at": NOW.isoformat(), "job": "j", "sources": {},
         "tables": {}, "origin": {}}
    )  # fmt: skip
    if cut >= len(body.rstrip()):
        assert read_manifest("m", body).id == "2026-11-22/090000Z-1"
    else:
        with pytest.raises(StoreError, match="m: "):
            read_manifest("m", body[:cut])


# -- damage


def test_damaged_rows_give_way_to_the_snapshot_before(tmp_path, caplog):
    store = Store(tmp_path)
    write(store, NOW - timedelta(days=1), price=1.5)
    newest = write(store, NOW, price=1.8)
    path = tmp_path / newest.manifest.tables["offers"].path
    path.write_bytes(path.read_bytes()[:-40] + bytes(40))
    assert prices(store) == [1.5]
    assert "sha256" in caplog.text
    bad = verify(store).filter(pl.col("state") == "damaged")
    assert bad["path"].to_list() == [newest.manifest.tables["offers"].path]


def test_a_scan_goes_on_without_a_file_that_is_cut_off_or_missing(tmp_path, caplog):
    store = Store(tmp_path)
    good, short, gone = (write(store, NOW - timedelta(days=n), price=1.5 + n) for n in range(3))
    path = tmp_path / short.manifest.tables["offers"].path
    path.write_bytes(path.read_bytes()[:-10])
    (tmp_path / gone.manifest.tables["offers"].path).unlink()
    assert store.scan("offers").collect()["snapshot"].to_list() == [good.id]
    assert (caplog.text.count("left out: cut off"), caplog.text.count("left out: missing")) == (1, 1)
    assert states(store) == {"ok", "damaged", "missing"}


@given(places=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4))
@settings(max_examples=12)
def test_a_scan_gives_no_row_of_a_file_that_was_changed_anywhere(tmp_path_factory, places):
    store = Store(tmp_path_factory.mktemp("store"))
    good, bad = write(store, NOW - timedelta(days=1), price=1.5), write(store, NOW, price=1.8)
    path = store.place.folder() / bad.manifest.tables["offers"].path
    body = bytearray(path.read_bytes())
    for place in set(places):
        body[int(place * len(body))] ^= 0x41
    changed = bytes(body) != path.read_bytes()
    path.write_bytes(body)
    seen = store.scan("offers").sort("snapshot").collect()["snapshot"].to_list()
    assert seen == ([good.id] if changed else [good.id, bad.id])


@pytest.mark.parametrize("damage", [b"", b'{"schema": 2, "sou', b"null", b"\xff\xfe"])
def test_a_damaged_manifest_is_read_from_its_copy_and_restored(tmp_path, damage):
    store = Store(tmp_path)
    snapshot = write(store)
    path = tmp_path / "manifests" / f"date={snapshot.id}.json"
    before = path.read_bytes()
    path.write_bytes(damage)
    assert prices(store) == [2.0]
    assert states(store) == {"damaged", "ok"}
    (done,) = repair(store)
    assert "restored from its copy" in done
    assert path.read_bytes() == before
    assert states(store) == {"ok"}


@pytest.mark.parametrize("damage", [None, b"", b'{"schema": 2, "sou'])
def test_a_damaged_copy_of_a_manifest_is_found_out_and_made_anew(tmp_path, damage):
    store = Store(tmp_path)
    copy = tmp_path / "copies" / f"date={write(store).id}.json"
    before = copy.read_bytes()
    copy.unlink() if damage is None else copy.write_bytes(damage)
    told = verify(store).filter(pl.col("state") != "ok")
    assert told["path"].to_list() == [copy.relative_to(tmp_path).as_posix()]
    assert "history repair" in told["detail"].item()
    (done,) = repair(store)
    assert "made anew" in done
    assert copy.read_bytes() == before
    assert (states(store), repair(store)) == ({"ok"}, [])


@pytest.mark.parametrize("top", ["manifests", "copies"])
def test_damage_that_leaves_the_length_is_mended_by_a_thorough_repair(tmp_path, top):
    store = Store(tmp_path)
    path = tmp_path / top / f"date={write(store).id}.json"
    before = path.read_bytes()
    path.write_bytes(before.replace(b"akash", b"akasha"[1:], 1))
    assert prices(store) == [2.0]
    assert states(store) == {"damaged", "ok"}
    assert repair(store) == []
    assert len(repair(store, thorough=True)) == 1
    assert path.read_bytes() == before


def test_a_repair_reads_no_manifest_that_is_as_long_as_its_copy(tmp_path, monkeypatch):
    store = Store(tmp_path)
    for n in range(3):
        write(store, NOW - timedelta(days=n))
    monkeypatch.setattr(LocalPlace, "read", lambda *_: pytest.fail("read"))
    assert repair(store) == []


def test_a_snapshot_whose_manifest_and_copy_are_damaged_is_left_as_it_lies(tmp_path, caplog):
    store = Store(tmp_path)
    write(store, NOW - timedelta(days=1), price=1.5)
    lost = write(store, NOW, price=1.8)
    for top in ("manifests", "copies"):
        (tmp_path / top / f"date={lost.id}.json").write_text("{")
    before = files(tmp_path)
    assert repair(store) == []
    assert files(tmp_path) == before
    assert prices(store) == [1.5]
    assert "passed over" in caplog.text


# -- writes that are cut short


class Killed(BaseException):
    """A process that ends where it stands: nobody catches it, nothing is tidied."""


STEPS = 6  # four tables, the copy, the manifest


@pytest.mark.parametrize("step", range(STEPS))
def test_a_write_cut_short_at_any_step_loses_nothing_and_is_cleared(tmp_path, monkeypatch, step):
    store = Store(tmp_path)
    write(store, NOW - timedelta(days=1), price=1.5)
    before = files(tmp_path)
    real, done = LocalPlace.write, []

    def until_killed(self, path, body, *, overwrite=False):
        if len(done) == step:
            half = self.root / path
            half.parent.mkdir(parents=True, exist_ok=True)
            half.with_name(f".{half.name}.0.part").write_bytes(body[: len(body) // 2])
            raise Killed
        done.append(path)
        real(self, path, body, overwrite=overwrite)

    with monkeypatch.context() as patch:
        patch.setattr(LocalPlace, "write", until_killed)
        with pytest.raises(Killed):
            write(store, NOW, price=1.8)
    assert prices(store) == [1.5]
    assert len(repair(store)) == step + 1
    assert files(tmp_path) == before
    write(store, NOW, price=1.8)
    assert prices(store) == [1.8]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError(13, "Permission denied")])
def test_a_place_that_can_not_be_written_says_so_and_keeps_what_it_had(tmp_path, monkeypatch, error):
    store = Store(tmp_path)
    write(store, NOW - timedelta(days=1), price=1.5)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(error))
        with pytest.raises(StoreError, match="--store"):
            write(store, NOW, price=1.8)
    assert prices(store) == [1.5]
    assert repair(store) == []
    assert states(store) == {"ok"}


def test_a_file_in_the_way_says_so(tmp_path):
    (tmp_path / "offers").write_text("a file in the way")
    with pytest.raises(StoreError, match="--store"):
        write(Store(tmp_path))


def test_two_writers_leave_two_whole_snapshots(tmp_path):
    import threading

    stores = [Store(tmp_path) for _ in range(4)]
    threads = [threading.Thread(target=write, args=(s,), kwargs={"price": 1.0 + i}) for i, s in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(s.offers()["usd_per_accelerator_hour"].item() for s in Store(tmp_path).snapshots()) == [1, 2, 3, 4]
    assert states(Store(tmp_path)) == {"ok"}


def test_a_removal_cut_short_leaves_only_what_repair_clears(tmp_path, monkeypatch):
    store = Store(tmp_path)
    write(store, NOW - timedelta(days=1), price=1.5)
    before, second = files(tmp_path), write(store, NOW, price=1.8)
    real, done = LocalPlace.delete, []

    def until_killed(self, path):
        if len(done) == 2:
            raise Killed
        done.append(path)
        real(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(LocalPlace, "delete", until_killed)
        with pytest.raises(Killed):
            store.remove(second.manifest)
    assert prices(store) == [1.5]
    repair(store)
    assert files(tmp_path) == before


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=1, max_size=12))
def test_whatever_was_written_the_newest_good_answer_is_read(tmp_path_factory, rounds):
    store = Store(tmp_path_factory.mktemp("store"))
    for i, (hours, good) in enumerate(rounds):
        write(store, NOW + timedelta(hours=hours), price=1.0 + i, status="ok" if good else "failed")
    found = [s.observed_at for s in store.snapshots()]
    assert found == sorted(found, reverse=True)
    newest = max((h for h, good in rounds if good), default=None)
    allowed = {1.0 + i for i, (h, good) in enumerate(rounds) if good and h == newest}
    assert set(prices(store)) <= allowed
    assert bool(prices(store)) == bool(allowed)


# -- token prices


def test_token_prices_are_stored_and_read_back(tmp_path):
    store = Store(tmp_path)
    write(store, NOW - timedelta(days=2))
    store.write(
        observed_at=NOW - timedelta(days=1),
        offers=offers({}),
        facts=NetworkFacts.create_empty(),
        skipped=Skipped.create_empty(),
        token_prices=tokens({}, {"source": "list-2024", "layer": "reference"}),
        statuses={"openrouter": {"status": "ok"}, "akash": {"status": "ok"}},
    )
    frame = store.newest_token_prices(["openrouter", "akash"])
    assert frame.select("source", pl.col("layer").cast(pl.String)).rows() == [("openrouter", "stored")]
    assert store.newest_token_prices(["akash"], before=NOW - timedelta(days=1)).height == 0


# -- places


def test_a_place_never_shows_half_a_file_nor_replaces_one_unasked(tmp_path):
    place = LocalPlace(tmp_path)
    place.write("a/b.json", b"1")
    with pytest.raises(FileExistsError):
        place.write("a/b.json", b"2")
    assert place.read("a/b.json") == b"1"
    place.write("a/b.json", b"3", overwrite=True)
    assert [(e.path, e.size) for e in place.list()] == [("a/b.json", 1)]
    place.delete("a/b.json")
    place.delete("a/b.json")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        place.read("a/b.json")


@pytest.mark.parametrize("url", ["ftp://host/x", "http://host/x"])
def test_a_place_of_no_known_kind_is_an_error(url):
    with pytest.raises(StoreError, match="s3://"):
        place_of(url)


def test_a_file_address_is_a_folder(tmp_path):
    assert place_of(f"file://{tmp_path}").folder() == tmp_path


# -- object storage


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    """A bucket of an S3 server on this machine."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "pl4nted", "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ALLOW_HTTP": "true",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="prices")
    yield client
    server.stop()


def keys(client) -> list[str]:
    return [o["Key"] for o in client.list_objects_v2(Bucket="prices").get("Contents", [])]


def test_a_bucket_is_a_store(bucket, monkeypatch):
    store = Store("s3://prices/depin")
    first, second = write(store, NOW - timedelta(days=1), price=1.5), write(store, NOW, price=1.8)
    assert write(store, NOW, price=1.8).id == second.id
    assert [s.id for s in store.snapshots()] == [second.id, first.id]
    assert prices(store) == [1.8]
    assert store.scan("offers").sort("date").collect()["usd_per_accelerator_hour"].to_list() == [1.5, 1.8]
    assert states(store) == {"ok"}
    assert all(key.startswith("depin/") for key in keys(bucket))

    # A failure in the middle of a write: the data arrive, the manifest is refused.
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::prices/depin/manifests/*",
    }
    bucket.put_bucket_policy(Bucket="prices", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    with pytest.raises(StoreError, match="--store"):
        write(store, NOW + timedelta(hours=6), price=9.9)
    bucket.delete_bucket_policy(Bucket="prices")
    assert prices(store) == [1.8]
    left = [key for key in keys(bucket) if "150000Z" in key]
    assert len(left) == 5
    # It may be another machine's write under way: only what is a day older than the newest object is cleared.
    assert repair(store) == []
    monkeypatch.setattr("depin_compare.market.upkeep._UNFINISHED_FOR", timedelta(seconds=-1))
    assert len(repair(store)) == 5
    assert [key for key in keys(bucket) if "150000Z" in key] == []
    write(store, NOW + timedelta(hours=6), price=2.1)
    assert prices(store) == [2.1]
    store.remove(first.manifest)
    assert [s.id for s in store.snapshots()][-1] == second.id
    assert states(store) == {"ok"}


def test_a_bucket_that_is_not_there_says_so_in_one_line(bucket):
    with pytest.raises(StoreError) as told:
        write(Store("s3://nowhere/depin"))
    assert "s3://nowhere/depin" in str(told.value)
    assert "\n" not in str(told.value)
    assert "pl4nted" not in str(told.value)
