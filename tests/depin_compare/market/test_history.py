"""What a store holds as a list and as one file, and what other tools read of it as it lies."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest
from market_frames import NOW, facts, offers, tokens

from depin_compare.errors import StoreError
from depin_compare.market.history import HistoryList, export, history_list
from depin_compare.market.offers import Skipped
from depin_compare.market.store import Store
from depin_compare.market.thinning import compact

KEPT = Path(__file__).parent / "data" / "snapshots"


def write(store: Store, when: datetime, *rows: dict, **statuses: str):
    told = {name: {"status": status} for name, status in ({"akash": "ok"} | statuses).items()}
    return store.write(
        observed_at=when,
        offers=offers(*({"observed_at": when, **row} for row in rows or ({},))),
        facts=facts({"observed_at": when}),
        skipped=Skipped.create_empty(),
        token_prices=tokens({"observed_at": when}),
        statuses=told,
    )


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    write(store, NOW - timedelta(days=2), {"usd_per_accelerator_hour": 1.5})
    write(store, NOW - timedelta(days=2, hours=-6), {"usd_per_accelerator_hour": 1.6})
    write(store, NOW, {"usd_per_accelerator_hour": 1.8}, {"network": "vast", "source": "vast", "note": 'says "ß\n"'})
    return store


# -- the list


def test_the_list_says_what_each_snapshot_holds_and_who_did_not_answer(store):
    write(
        store,
        NOW + timedelta(hours=6),
        azure="unreachable",
        aws="failed",
        vast="partial",
        google="no_key",
        oracle="off",
    )
    frame = history_list(store, now=NOW + timedelta(days=1))
    assert HistoryList.is_valid(frame)
    row = frame.row(0, named=True)
    assert row["age_days"] == pytest.approx(0.75)
    assert (row["job"], row["origin"], row["schema"], row["compacted"]) == ("default", "collect", 2, False)
    assert (row["sources_answered"], row["sources_failed"], row["failed"]) == (2, 2, "aws, azure")
    assert (row["offers"], row["facts"], row["token_prices"], row["skipped"]) == (1, 1, 1, 0)
    on_disk = sum(p.stat().st_size for p in store.place.folder().rglob("*.parquet"))
    assert frame["bytes"].sum() == on_disk
    assert history_list(store, now=NOW, since=NOW, before=NOW + timedelta(hours=1)).height == 1


def test_snapshots_of_the_first_schema_are_listed_with_what_they_tell(tmp_path):
    shutil.copytree(KEPT / "schema-1", tmp_path, dirs_exist_ok=True)
    (row,) = history_list(Store(tmp_path), now=NOW).to_dicts()
    assert (row["schema"], row["sources_answered"], row["failed"]) == (1, 1, "azure")
    assert (row["offers"], row["bytes"]) == (None, None)


def test_a_cut_off_manifest_costs_the_list_nothing_while_its_copy_is_whole(store):
    path = next((store.place.folder() / "manifests").rglob("*.json"))
    path.write_bytes(path.read_bytes()[:100])
    assert history_list(store, now=NOW).height == 3


# -- as it lies


@pytest.mark.parametrize("compacted", [False, True])
def test_other_tools_read_a_table_as_it_lies(store, compacted):
    if compacted:
        compact(store, before=NOW)
    folder = store.place.folder() / "offers"
    query = (
        "select date, count(*), max(usd_per_accelerator_hour), count(distinct snapshot) "
        f"from read_parquet('{folder}/**/*.parquet', hive_partitioning=true) "
        "where network = 'akash' group by 1 order by 1"
    )
    days = [(NOW - timedelta(days=2)).date(), NOW.date()]
    with duckdb.connect() as database:
        assert database.execute(query).fetchall() == [(days[0], 2, 1.6, 2), (days[1], 1, 1.8, 1)]
    frame = pd.read_parquet(folder)
    assert sorted(frame["usd_per_accelerator_hour"]) == [1.5, 1.6, 1.8, 2.0]
    assert frame["date"].nunique() == 2


# -- one file


@pytest.mark.parametrize("ending", [".csv", ".json", ".parquet"])
def test_stored_rows_go_into_one_file(store, tmp_path, ending):
    file = tmp_path / f"rows{ending}"
    assert export(store, file) == 4
    reader = {".csv": pl.read_csv, ".json": pl.read_json, ".parquet": pl.read_parquet}[ending]
    frame = reader(file)
    assert frame.height == 4
    assert frame["snapshot"].n_unique() == 3
    assert frame.filter(pl.col("network") == "vast")["note"].to_list() == ['says "ß\n"']
    assert sorted(p.name for p in tmp_path.iterdir()) == [file.name, "store"]


def test_an_export_can_be_narrowed(store, tmp_path):
    file = tmp_path / "rows.parquet"
    assert export(store, file, only={"network": "akash"}, since=NOW - timedelta(days=1)) == 1
    assert pl.read_parquet(file)["usd_per_accelerator_hour"].to_list() == [1.8]
    assert export(store, file, table="token_prices", before=NOW) == 2
    assert export(store, tmp_path / "none.json", only={"network": "nobody"}) == 0
    assert pl.read_json(tmp_path / "none.json").height == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"file": "rows.xlsx"}, ".parquet"),
        ({"table": "prices"}, "there are offers, facts"),
        ({"only": {"colour": "red"}}, "no column colour"),
    ],
)
def test_an_export_of_what_there_is_not_says_what_there_is(store, tmp_path, options, told):
    with pytest.raises(StoreError, match=told):
        export(store, tmp_path / options.pop("file", "rows.csv"), **options)


def test_an_export_that_fails_leaves_the_file_that_was_there(store, tmp_path, monkeypatch):
    file = tmp_path / "rows.csv"
    file.write_text("as it was")
    bad = store.place.folder() / next(store.snapshots()).tables["offers"].path
    bad.write_bytes(bytes(bad.stat().st_size))
    monkeypatch.setattr(Store, "_unsound", lambda *_: {})
    with pytest.raises(StoreError, match="history verify"):
        export(store, file)
    assert file.read_text() == "as it was"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rows.csv", "store"]


def test_a_list_by_utc_whatever_zone_it_is_asked_in(store):
    tokyo = datetime.fromisoformat("2026-11-22T18:00:00+09:00")
    assert history_list(store, now=tokyo, before=tokyo).height == 2
    assert history_list(store, now=tokyo.astimezone(UTC), since=tokyo).height == 1
