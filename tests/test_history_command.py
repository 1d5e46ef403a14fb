"""`depin-compare history` and its commands, as a user types them."""

from __future__ import annotations

import gzip
import io
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from market_frames import facts, offers

from depin_compare import cli
from depin_compare.market.offers import Skipped
from depin_compare.market.store import Store

ARCHIVED = Path(__file__).parent / "fetchers" / "data" / "opencomputeprices" / "data" / "akash.csv"
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
def type_in(monkeypatch, capsys, tmp_path):
    """Type a command; gives exit code, stdout and stderr."""
    monkeypatch.setenv("DEPIN_COMPARE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["depin-compare", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


@pytest.fixture
def store(tmp_path):
    """Four snapshots of a day half a year ago, and one of today."""
    store = Store(tmp_path / "store")
    for when, price in [(TODAY - timedelta(days=180, hours=-6 * n), 2.0 + n) for n in range(4)] + [(TODAY, 1.5)]:
        store.write(
            observed_at=when,
            offers=offers({"observed_at": when, "usd_per_accelerator_hour": price}),
            facts=facts({"observed_at": when}),
            skipped=Skipped.create_empty(),
            statuses={"akash": {"status": "ok"}, "azure": {"status": "unreachable"}},
        )
    return store


def test_the_list_is_a_table_json_csv_or_a_file(type_in, store, tmp_path):
    code, out, _ = type_in("history")
    assert (code, out.count(" collect ")) == (0, 5)
    rows = json.loads(type_in("history", "--json")[1])
    assert [row["failed"] for row in rows] == ["azure"] * 5
    assert pl.read_csv(io.StringIO(type_in("history", "--csv")[1])).height == 5
    assert type_in("history", "-o", "list.parquet")[0] == 0
    assert pl.read_parquet(tmp_path / "list.parquet").height == 5
    assert len(json.loads(type_in("history", "--before", str(TODAY.date()), "--json")[1])) == 4


def test_an_empty_store_says_how_to_fill_it(type_in):
    code, out, err = type_in("history", "--json")
    assert (code, json.loads(out)) == (0, [])
    assert "history import" in err


def test_a_store_named_before_or_after_the_command_is_the_same(type_in, store):
    other = store.place.folder().with_name("other")
    for words in (("--store", str(other), "verify"), ("verify", "--store", str(other))):
        assert "0 files of 0 snapshots" in type_in("history", *words)[2]
    assert "25 files" not in type_in("history", "verify")[2]


def test_verify_names_every_damaged_file_and_repair_mends_what_it_can(type_in, store):
    assert type_in("history", "verify")[0] == 0
    first, second, *_ = store.snapshots()
    folder = store.place.folder()
    data, manifest = first.tables["offers"].path, f"manifests/date={second.id}.json"
    (folder / data).write_bytes(b"PAR1")
    (folder / manifest).write_bytes((folder / manifest).read_bytes()[:80])
    (folder / "facts" / ".x.parquet.0.part").write_bytes(b"half")
    code, out, err = type_in("history", "verify")
    assert code == 1
    assert data in out
    assert f"{data}: bring it back from a backup" in err
    assert f"{manifest}: `depin-compare history repair` restores it" in err
    assert "2 damaged or missing, 1 left over" in err
    code, out, err = type_in("history", "repair")
    assert (code, "2 things mended" in err) == (0, True)
    assert f"{manifest}: restored" in out
    states = json.loads(type_in("history", "verify", "--json")[1])
    assert [row["path"] for row in states if row["state"] != "ok"] == [data]


def test_prune_takes_the_job_files_retention_or_the_options(type_in, store, tmp_path):
    code, out, err = type_in("history", "prune", "--dry-run", "--json", "--keep-all-days", "30")
    assert code == 0
    assert [row["state"] for row in json.loads(out)] == ["kept", "removed", "removed", "removed", "kept"]
    assert "3 of 5 snapshots would go; kept: all for 30 days, the first of a day for 730, of a month for ever" in err
    assert len(list(store.snapshots())) == 5
    (tmp_path / "job.toml").write_text("[retention]\nkeep_all_days = 400\n")
    assert "0 of 5 snapshots would go" in type_in("history", "prune", "--dry-run", "--config", "job.toml")[2]
    (tmp_path / "other.toml").write_text("[jobs.other.retention]\nkeep_all_days = 1\n")
    assert "0 of 0 snapshots would go" in type_in("history", "prune", "--dry-run", "--config", "other.toml")[2]
    (tmp_path / "bare.toml").write_text("[outputs]\nout = 'r'\n")
    code, _, err = type_in("history", "prune", "--config", "bare.toml")
    assert (code, "has no [retention], so it keeps everything" in err) == (2, True)
    assert (
        type_in("history", "prune", "--keep-all-days", "30", "--keep-daily-days", "40", "--keep-monthly-days", "50")[0]
        == 0
    )
    assert [s.observed_at for s in store.snapshots()] == [TODAY]
    assert type_in("history", "prune", "--keep-all-days", "-1")[0] == 2


def test_compact_leaves_the_list_as_it_was(type_in, store):
    before = json.loads(type_in("history", "--json")[1])
    code, _, err = type_in("history", "compact", "--before", str((TODAY - timedelta(days=200)).date()))
    assert (code, "0 days compacted" in err) == (0, True)
    assert "1 days to compact" in type_in("history", "compact", "--dry-run")[2]
    code, out, _ = type_in("history", "compact", "--before", "2999-01-01", "--json")
    assert code == 0
    assert [row["snapshots"] for row in json.loads(out)] == [4], "today is not over, whatever is asked"
    after = json.loads(type_in("history", "--json")[1])
    assert [row["compacted"] for row in after] == [False, *[True] * 4]
    same = ("snapshot", "observed_at", "failed", "offers", "bytes")
    assert [[row[name] for name in same] for row in after] == [[row[name] for name in same] for row in before]


def test_compact_with_a_damaged_snapshot_ends_with_one_and_does_the_rest(type_in, store):
    bad = list(store.snapshots())[1]
    (store.place.folder() / bad.tables["facts"].path).write_bytes(b"gone")
    code, out, err = type_in("history", "compact", "--json")
    assert code == 1
    (row,) = json.loads(out)
    assert (row["snapshots"], bad.id in row["left_out"]) == (3, True)
    assert "history verify" in err


def test_export_writes_the_rows_asked_for(type_in, store, tmp_path):
    code, _, err = type_in("history", "export", "rows.csv", "--network", "akash", "--since", str(TODAY.date()))
    assert (code, "1 rows written to rows.csv" in err) == (0, True)
    assert pl.read_csv(tmp_path / "rows.csv")["usd_per_accelerator_hour"].to_list() == [1.5]
    type_in("history", "export", "facts.json", "--table", "facts")
    assert len(json.loads((tmp_path / "facts.json").read_text())) == 5
    assert type_in("history", "export", "rows.xlsx")[0] == 2


def test_import_fills_in_past_days_once(type_in, store, tmp_path):
    (tmp_path / "archive_2026-11.csv.gz").write_bytes(gzip.compress(ARCHIVED.read_bytes()))
    code, _, err = type_in("history", "import", "archive_2026-11.csv.gz")
    assert (code, "2 days stored, 0 days there already, 0 days failed" in err) == (0, True)
    assert "0 days stored, 2 days there already" in type_in("history", "import", "archive_2026-11.csv.gz")[2]
    rows = json.loads(type_in("history", "--json")[1])
    assert {row["archive"] for row in rows if row["origin"] == "backfill"} == {"archive_2026-11.csv.gz"}
    code, _, err = type_in("history", "import", "nowhere.tar.gz")
    assert (code, "nowhere.tar.gz: can't be read" in err) == (2, True)


def test_trend_shows_each_period(type_in, store):
    rows = json.loads(type_in("history", "trend", "--network", "akash", "--every", "1mo", "--json")[1])
    assert [row["usd_per_accelerator_hour_p50"] for row in rows] == [3.0, 1.5]
    assert [row["n_offers"] for row in rows] == [4, 1]
    code, _, err = type_in("history", "trend", "--accelerator", "h100-sxn")
    assert (code, "did you mean h100-sxm" in err) == (2, True)
    assert type_in("history", "trend", "--every", "1y")[0] == 2
    assert "no stored offer matches" in type_in("history", "trend", "--network", "render")[2]


def test_a_past_day_is_analysed_with_what_was_stored_by_then(type_in, store):
    day = str((TODAY - timedelta(days=180)).date())
    rows = json.loads(type_in("compare", "--as-of", day, "--network", "akash", "--json")[1])
    assert {row["network_layer"] for row in rows if row["accelerator"] == "h100-sxm"} == {"stored"}


@pytest.mark.parametrize("option", ["--since", "--before"])
def test_a_day_that_is_none_is_told_with_the_option_it_was_given_to(type_in, option):
    code, _, err = type_in("history", option, "20x")
    assert (code, f"{option}: '20x' is no day" in err, "--as-of" in err) == (2, True, False)


def test_an_export_of_a_name_or_an_ending_that_is_none_writes_nothing(type_in, store, tmp_path):
    code, _, err = type_in("history", "export", "rows.csv", "--network", "akashh")
    assert (code, "did you mean akash" in err) == (2, True)
    code, _, err = type_in("history", "export", "rows.xls")
    assert (code, ".parquet" in err) == (2, True)
    assert not list(tmp_path.glob("*rows*"))
