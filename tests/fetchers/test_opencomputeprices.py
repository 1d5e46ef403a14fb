"""OpenComputePrices: the newest rows, history, and archives that can't be trusted."""

from __future__ import annotations

import gzip
import io
import tarfile
from datetime import UTC, date, datetime

import polars as pl
import pytest
import responses

from depin_compare.errors import SourceError
from fetchers.opencomputeprices import DATA_URL, STORAGE_HOST, archive_url, dated_results


@pytest.fixture
def result(serve, run):
    serve("opencomputeprices")
    return run("opencomputeprices")


def one(result, **key):
    rows = result.offers
    for column, value in key.items():
        rows = rows.filter(pl.col(column).cast(pl.String) == value)
    assert rows.height == 1, rows
    return rows.row(0, named=True)


def reason(result, part):
    (row,) = result.skipped.filter(pl.col("row_id").str.contains(part, literal=True)).iter_rows(named=True)
    return row["kind"], row["reason"]


def test_the_last_collect_of_each_collector_counts(result):
    row = one(result, network="akash", accelerator="h100-sxm")
    assert row["usd_per_accelerator_hour"] == 2.71, "not the 2.80 of the day before"
    assert row["observed_at"] == datetime(2026, 11, 22, 0, 4, 9, tzinfo=UTC)
    assert (row["price_kind"], row["available"], row["region"]) == ("bid", 9, None)


def test_memory_and_variant_tell_the_board(result):
    assert one(result, network="akash", accelerator="a100-pcie-40gb")["available"] == 0
    assert one(result, network="coreweave", accelerator="h100-sxm")["usd_per_accelerator_hour"] == 6.16
    (open_form,) = result.offers.filter(
        pl.col("accelerator_name") == "A100", pl.col("network") == "coreweave"
    ).to_dicts()
    assert open_form["accelerator"] is None


def test_reservations_spread_what_is_paid_up_front(result):
    three = one(result, network="aws", terms="reserved_3y")
    assert three["usd_per_accelerator_hour"] == pytest.approx(105_120 / (3 * 8760)) == pytest.approx(4.0)
    one_year = one(result, network="aws", terms="reserved_1y")
    assert one_year["usd_per_accelerator_hour"] == pytest.approx(2.0 + 17_520 / 8760) == pytest.approx(4.0)


def test_two_prices_of_one_card_that_disagree_are_marked(result):
    row = one(result, network="coreweave", accelerator="l40s")
    assert row["not_comparable"] == "price per GPU 2.25 and of the machine 2.25 for 8.0 disagree"


def test_aggregators_count_only_where_nobody_else_looked(result):
    assert one(result, network="vultr")["price_kind"] == "indicative"
    assert reason(result, "getdeploying/runpod") == ("duplicate", "the provider has a collector of its own")
    assert one(result, network="prime-intellect")["upstream"] == "datacrunch"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("aws/aws/p5.48xlarge#3", "Windows"),
        ("aws/aws/p5.48xlarge#4", "a dedicated host"),
        ("aws/aws/p5.48xlarge#5", "with software installed"),
        ("crusoe", "last seen on 2026-10-30"),
        ("cheapest_", "a summary of other rows"),
        ("never_heard_of", "never_heard_of is in no table of networks"),
        ("novita", "a price of tokens"),
        ("L40S_week", "a commitment of 1wk"),
        ("skypilot/nebius", "SkyPilot's catalogue is a source of its own"),
    ],
)
def test_rows_that_are_no_offer_say_why(result, row, why):
    assert reason(result, row) == ("out_of_scope", why)


def test_the_unified_file_is_not_counted_again(result):
    assert result.offers.filter(pl.col("network") == "aws", pl.col("terms") == "on_demand").height == 1


def test_history_comes_day_by_day(payload):
    days = dated_results(payload("opencomputeprices/data.tar.gz")).days
    assert list(days) == [date(2026, 10, 30), date(2026, 11, 21), date(2026, 11, 22)]
    old = one(days[date(2026, 11, 21)], network="akash")
    assert old["usd_per_accelerator_hour"] == 2.80
    assert old["observed_at"] == datetime(2026, 11, 21, 12, 3, 11, tzinfo=UTC)
    assert one(days[date(2026, 10, 30)], network="crusoe")["usd_per_accelerator_hour"] == 1.0


def test_a_month_of_the_archive_is_read_too(payload):
    month = gzip.compress(payload("opencomputeprices/data/akash.csv"))
    assert list(dated_results(month).days) == [date(2026, 11, 21), date(2026, 11, 22)]
    assert archive_url(date(2026, 3, 1)).endswith("/latest-data/archive_2026-03.csv.gz")


def test_rows_that_name_no_day_and_days_that_are_no_prices_are_told(payload):
    lines = payload("opencomputeprices/data/akash.csv").splitlines()
    undated = lines[1].replace(b"2026-11-21,", b"yesterday,", 1)
    nothing = lines[1].replace(b"2026-11-21", b"2026-11-20").replace(b"2.8,2.8", b"free,free")
    found = dated_results(gzip.compress(b"\n".join([*lines, undated, nothing])))
    assert list(found.days) == [date(2026, 11, 21), date(2026, 11, 22)]
    assert "expected" in str(found.failed[date(2026, 11, 20)])
    (row,) = found.undated.to_dicts()
    assert (row["row_id"], row["kind"]) == ("akash#3", "unreadable")
    assert "snapshot_date is yesterday" in row["reason"]
    with pytest.raises(SourceError, match="none names its day"):
        dated_results(gzip.compress(b"\n".join([lines[0], undated])))


def test_a_collector_whose_table_is_broken_costs_no_other(payload):
    good = payload("opencomputeprices/data/akash.csv")
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for name, content in (("akash.csv", good), ("aws.csv", b"a,b\n1,2\n")):
            info = member(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    found = dated_results(body.getvalue())
    assert list(found.days) == [date(2026, 11, 21), date(2026, 11, 22)]
    (problem,) = found.problems
    assert problem.startswith("aws: ")


def test_the_release_may_redirect_to_its_storage_and_nowhere_else(payload, web, run):
    stored = f"https://{STORAGE_HOST}/github-production/1?sp=r&sig=abc&jwt=secret"
    web.get(DATA_URL, status=302, headers={"Location": stored})
    web.get(
        stored,
        body=payload("opencomputeprices/data.tar.gz"),
        match=[responses.matchers.query_param_matcher({}, strict_match=False)],
    )
    result = run("opencomputeprices")
    assert set(result.offers["source_url"]) == {DATA_URL}, "the signed address is not kept"


def archive(*members, content=b"snapshot_date\n"):
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for member in members:
            member.size = len(content) if member.isfile() else 0
            tar.addfile(member, io.BytesIO(content) if member.isfile() else None)
    return body.getvalue()


def member(name, kind=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "bad",
    [
        member("akash.csv", tarfile.SYMTYPE, "/etc/passwd"),
        member("akash.csv", tarfile.LNKTYPE, "aws.csv"),
        member("../akash.csv"),
        member("/etc/akash.csv"),
        member("akash.csv", tarfile.CHRTYPE),
        member("folder", tarfile.DIRTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.type!r}",
)
def test_a_member_that_is_no_plain_file_refuses_the_archive(web, run, bad):
    web.get(DATA_URL, body=archive(bad))
    with pytest.raises(SourceError, match="no plain file"):
        run("opencomputeprices")


def test_an_archive_that_unpacks_too_large_is_given_up(web, run, payload, monkeypatch):
    monkeypatch.setattr("fetchers.opencomputeprices.MAX_UNPACKED_BYTES", 1000)
    web.get(DATA_URL, body=payload("opencomputeprices/data.tar.gz"))
    with pytest.raises(SourceError, match="more than 1000 bytes"):
        run("opencomputeprices")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_an_archive_cut_short_is_an_error(web, run, payload, share):
    body = payload("opencomputeprices/data.tar.gz")
    web.get(DATA_URL, body=body[: int(len(body) * share)])
    with pytest.raises(SourceError):
        run("opencomputeprices")


def test_a_collector_with_another_header_costs_no_other(web, run, payload):
    body = io.BytesIO()
    good = payload("opencomputeprices/data/akash.csv")
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for name, content in (("akash.csv", good), ("aws.csv", b"a,b\n1,2\n"), ("notes.txt", b"hello")):
            info = member(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    web.get(DATA_URL, body=body.getvalue())
    result = run("opencomputeprices")
    assert set(result.offers["network"]) == {"akash"}
    assert "aws" in result.problems[0]
    assert "columns a, b" in result.problems[0]


def test_a_long_file_is_read_in_blocks(payload, web, run, monkeypatch):
    """The last collect may span blocks, and a block may end inside a row."""
    monkeypatch.setattr("fetchers.opencomputeprices.BLOCK_BYTES", 700)
    web.get(DATA_URL, body=payload("opencomputeprices/data.tar.gz"))
    result = run("opencomputeprices")
    assert one(result, network="akash", accelerator="h100-sxm")["usd_per_accelerator_hour"] == 2.71
    assert result.offers.height == 11


def test_no_line_whatever_breaks_the_parser(web, run, payload):
    lines = payload("opencomputeprices/data/aws.csv").splitlines()
    for number in range(len(lines[1])):
        broken = b"\n".join([lines[0], lines[1][:number], *lines[1:]])
        try:
            results = dated_results(gzip.compress(broken))
        except SourceError:
            continue
        for day in results.days.values():
            assert day.offers["usd_per_accelerator_hour"].is_between(0.01, 200).all()
