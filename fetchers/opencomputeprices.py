"""OpenComputePrices: an open, dated data set of GPU prices of some sixty-five providers, also to fill history with.

Endpoint: GET https://github.com/thatkavish/OpenComputePrices/releases/download/latest-data/data.tar.gz, which holds
one CSV a collector for the last ninety days; older months stand beside it as archive_YYYY-MM.csv.gz. No key.
Price includes: what the provider's own price includes; nothing is added or taken away.
Traps: the address redirects to one other host of the same owner; the archive may hold anything, so links, devices,
folders and names that leave it are refused and its size is capped; a collector's file holds many days, of which the
newest counts; a provider that failed has no rows that day; the form of a card is in a column of its own, mostly
empty, and A100s differ by memory alone; aggregators repeat providers with collectors of their own; reservations may
carry their price up front only; Windows, dedicated hosts and token prices stand among the machines; the two unified
files repeat the others.
Seen: 2026-06.
Terms: MIT, Copyright (c) 2026 OpenComputePrices Contributors; the terms of the sources it gathers still hold.
"""

from __future__ import annotations

import dataclasses
import gzip
import io
import posixpath
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import IO

import dataframely as dy
import polars as pl

from depin_compare.errors import SourceError
from depin_compare.market.offers import Skipped
from depin_compare.units import HOURS_PER_YEAR
from fetchers.catalogue import catalogue_result, table_of
from fetchers.contract import Fetcher, FetchResult, Recording, recording
from fetchers.http import SourceSession

__all__ = ["FETCHER", "DatedResults", "archive_url", "dated_results", "fetch", "parse"]

HOST = "github.com"
STORAGE_HOST = "release-assets.githubusercontent.com"
RELEASE_URL = f"https://{HOST}/thatkavish/OpenComputePrices/releases/download/latest-data"
DATA_URL = f"{RELEASE_URL}/data.tar.gz"
MAX_ARCHIVE_BYTES = 256 * 2**20
MAX_UNPACKED_BYTES = 4 * 2**30
BLOCK_BYTES = 8 * 2**20
STALE_DAYS = 7
# A longer line is no row of a price.
MAX_LINE_BYTES = 2**20

# The data set's name of a provider -> network.
PROVIDERS = {
    "akash": "akash",
    "aws": "aws",
    "azure": "azure",
    "cloreai": "clore",
    "coreweave": "coreweave",
    "crusoe": "crusoe",
    "cudo": "cudo",
    "datacrunch": "verda",
    "deepinfra": "deepinfra",
    "denvr": "denvr",
    "digitalocean": "digitalocean",
    "e2e": "e2e",
    "gcore": "gcore",
    "gcp": "google",
    "gmicloud": "gmi",
    "hyperbolic": "hyperbolic",
    "hyperstack": "hyperstack",
    "jarvislabs": "jarvislabs",
    "lambda": "lambda",
    "latitude": "latitude",
    "lightningai": "lightning",
    "linode": "akamai",
    "massedcompute": "massed-compute",
    "nebius": "nebius",
    "oracle": "oracle",
    "paperspace": "paperspace",
    "primeintellect": "prime-intellect",
    "qubrid": "qubrid",
    "runpod": "runpod",
    "salad": "salad",
    "scaleway": "scaleway",
    "spheron": "spheron",
    "tensordock": "tensordock",
    "thundercompute": "thunder-compute",
    "together": "together",
    "vast": "vast",
    "vastai": "vast",
    "verda": "verda",
    "voltagepark": "voltage-park",
    "vultr": "vultr",
}
# Collectors that gather other people's prices: they count only for providers without a collector of their own.
AGGREGATORS = ("getdeploying", "primeintellect", "shadeform", "skypilot")
ASKS = ("cloreai", "salad", "tensordock", "vast", "vastai")
COLUMNS = (
    "snapshot_date", "snapshot_ts", "source", "provider", "instance_type", "gpu_name", "gpu_variant", "gpu_memory_gb",
    "gpu_count", "region", "zone", "country", "pricing_type", "commitment_period", "price_per_hour",
    "price_per_gpu_hour", "upfront_price_per_gpu", "currency", "available", "available_count", "os", "tenancy",
    "pre_installed_sw", "raw_extra",
)  # fmt: skip
TERM_YEARS = {"1yr": 1.0, "3yr": 3.0}
FORMS = {"SXM": "SXM5", "HGX": "SXM5", "PCIe": "PCIe", "NVL": "NVL"}
# Prices of one card told twice may differ by rounding, not by more.
SAME_PRICE = 0.01
NEXT_ROW = re.compile(rb"\n(?=\d{4}-\d\d-\d\d,)")


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for the newest archive; the signed address it redirects to is not kept."""
    answer = dataclasses.replace(session.get_answer("data", DATA_URL), url=DATA_URL)
    return recording("opencomputeprices", observed_at, [answer])


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """The newest rows of every collector, dated as they were collected."""
    answer = recording.answer("data")
    body = recording.content(answer)
    tables: list[pl.DataFrame] = []
    problems: list[str] = []
    for collector, stream in _members(body, answer.url):
        try:
            newest = _newest(stream, f"{answer.url} {collector}.csv")
        except SourceError as error:
            problems.append(f"{collector}: {error}")
        else:
            if newest is not None:
                tables.append(newest)
    stale_before = (observed_at - timedelta(days=STALE_DAYS)).strftime("%Y-%m-%d")
    return _result(tables, observed_at=observed_at, where=answer.url, problems=problems, stale_before=stale_before)


def archive_url(month: date) -> str:
    """Where the rows of a month stand once they are older than ninety days.

    >>> archive_url(date(2026, 3, 1)).rpartition("/")[2]
    'archive_2026-03.csv.gz'
    """
    return f"{RELEASE_URL}/archive_{month:%Y-%m}.csv.gz"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DatedResults:
    """What an archive holds, day by day, oldest first.

    ``failed`` are days whose rows are no prices of ours, each with the reason; ``undated`` are rows that name no day;
    ``problems`` are collectors whose table can't be read.
    """

    days: Mapping[date, FetchResult]
    failed: Mapping[date, SourceError]
    undated: dy.DataFrame[Skipped]
    problems: tuple[str, ...] = ()


def dated_results(archive: bytes, *, source_url: str = DATA_URL) -> DatedResults:
    """Turn an archive into what was on offer on each of its days.

    Parameters
    ----------
    archive : bytes
        ``data.tar.gz`` or an ``archive_YYYY-MM.csv.gz`` of the release.
    source_url : str
        Where it came from.

    Returns
    -------
    DatedResults
        One result a day, the last collect of each collector on that day, every offer with the moment it was
        collected: ready to be stored as if it had been collected then. A day that can't be read costs no other.

    Raises
    ------
    SourceError
        If the archive can't be read.
    """
    frames: list[pl.DataFrame] = []
    problems: list[str] = []
    if _is_tar(archive):
        for name, stream in _members(archive, source_url):
            try:
                text = b"".join(_chunks(stream, source_url))
                frames.append(table_of("opencomputeprices", f"{source_url} {name}.csv", text, COLUMNS[:12]))
            except SourceError as error:
                problems.append(f"{name}: {error}")
    else:
        try:
            with gzip.open(io.BytesIO(archive)) as month:
                text = month.read(MAX_UNPACKED_BYTES // 4 + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise _unreadable(archive, source_url, error) from error
        if len(text) > MAX_UNPACKED_BYTES // 4:
            seen = f"more than {MAX_UNPACKED_BYTES // 4} bytes of one month"
            raise SourceError("opencomputeprices", source_url, seen=seen, expected="less")
        frames = [table_of("opencomputeprices", source_url, text, COLUMNS[:12])]
    if not frames:
        seen = "; ".join(problems) or "no table of prices"
        raise SourceError("opencomputeprices", source_url, seen=seen, expected="one a collector")
    rows = pl.concat([_wanted(frame) for frame in frames], how="diagonal").with_row_index("number")
    dated = pl.col("snapshot_date").str.to_date("%Y-%m-%d", strict=False).is_not_null()
    moment = pl.col("snapshot_ts").str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    placed = (dated & moment.is_not_null()).fill_null(False)
    last = moment == moment.max().over("snapshot_date", "source")
    results: dict[date, FetchResult] = {}
    failed: dict[date, SourceError] = {}
    by_day = rows.filter(placed).filter(last).drop("number").partition_by("snapshot_date", as_dict=True)
    for (text_of_day,), table in sorted(by_day.items(), key=lambda item: str(item[0][0])):
        observed = datetime.fromisoformat(f"{text_of_day}T23:59:59+00:00")
        try:
            results[observed.date()] = _result([table], observed_at=observed, where=source_url)
        except SourceError as error:
            failed[observed.date()] = error
    undated = _undated(rows.filter(~placed))
    if not results and not failed:
        seen = f"{undated.height} rows of which none names its day"
        raise SourceError("opencomputeprices", source_url, seen=seen, expected="snapshot_date and snapshot_ts")
    return DatedResults(days=results, failed=failed, undated=undated, problems=tuple(problems))


def _undated(rows: pl.DataFrame) -> dy.DataFrame[Skipped]:
    day, moment = (pl.col(name).fill_null("empty") for name in ("snapshot_date", "snapshot_ts"))
    return Skipped.validate(
        rows.select(
            pl.lit("opencomputeprices").alias("source"),
            pl.format("{}#{}", pl.col("source").fill_null("-"), "number").alias("row_id"),
            pl.lit("unreadable").alias("kind"),
            pl.format("no day: snapshot_date is {}, snapshot_ts {}", day, moment).alias("reason"),
        ),
        cast=True,
    )


def _result(
    tables: list[pl.DataFrame],
    *,
    observed_at: datetime,
    where: str,
    problems: list[str] | None = None,
    stale_before: str = "",
) -> FetchResult:
    if not tables:
        raise SourceError("opencomputeprices", where, seen="no table of prices", expected="one a collector")
    rows = pl.concat([_wanted(table) for table in tables], how="diagonal")
    return catalogue_result(
        "opencomputeprices",
        [_described(rows, observed_at, where, stale_before)],
        observed_at=observed_at,
        where=where,
        problems=problems or (),
    )


def _described(rows: pl.DataFrame, observed_at: datetime, where: str, stale_before: str) -> pl.DataFrame:
    """The rows in the columns of `catalogue.COLUMNS`, with a reason on those that are no offers of ours."""
    direct = rows.filter(~pl.col("source").is_in(AGGREGATORS))["provider"].drop_nulls().unique().to_list()
    count, whole, each = _number("gpu_count"), _number("price_per_hour"), _number("price_per_gpu_hour")
    years = pl.col("commitment_period").replace_strict(TERM_YEARS, default=None, return_dtype=pl.Float64)
    hours = years * HOURS_PER_YEAR
    reserved = pl.col("pricing_type") == "reserved"
    upfront = _number("upfront_price_per_gpu").fill_null(0)
    hourly = pl.coalesce(each, whole / count)
    price = pl.when(reserved).then(
        pl.when(hourly.is_not_null() | (upfront > 0)).then(hourly.fill_null(0) + upfront / hours)
    ).otherwise(hourly)  # fmt: skip
    differ = ((whole / count - each).abs() > SAME_PRICE * each) & (each > 0) & (whole > 0)
    aggregated = pl.col("source").is_in(AGGREGATORS)
    terms = (
        pl.when(reserved)
        .then(pl.col("commitment_period").replace_strict({"1yr": "reserved_1y", "3yr": "reserved_3y"}, default=None))
        .otherwise(pl.col("pricing_type"))
    )
    blank = ["NA", "N/A", "None", "none"]
    software = pl.col("pre_installed_sw").replace(blank, [None] * len(blank))
    free = pl.col("available").str.to_lowercase()
    key = ("source", "provider", "instance_type", "region", "zone", "pricing_type", "commitment_period", "gpu_name",
           "gpu_variant", "gpu_memory_gb", "gpu_count", "tenancy")  # fmt: skip
    refusal = (
        pl.when(pl.col("source") == "skypilot")
        .then(pl.lit("SkyPilot's catalogue is a source of its own"))
        .when(pl.col("snapshot_date").fill_null("") < stale_before)
        .then(pl.format("last seen on {}", pl.col("snapshot_date").fill_null("no day")))
        .when(pl.col("pricing_type") == "inference")
        .then(pl.lit("a price of tokens"))
        .when(pl.col("os").str.to_lowercase().str.contains("windows", literal=True))
        .then(pl.lit("Windows"))
        .when(pl.col("tenancy").is_in(["Dedicated", "Host"]))
        .then(pl.lit("a dedicated host"))
        .when(software.is_not_null())
        .then(pl.lit("with software installed"))
        .when(pl.col("instance_type").str.starts_with("cheapest_") & aggregated)
        .then(pl.lit("a summary of other rows"))
        .when(reserved & hours.is_null())
        .then(pl.format("a commitment of {}", pl.col("commitment_period").fill_null("no length")))
    )
    known = ("on_demand", "spot", "reserved")
    bad_terms = ~pl.col("pricing_type").is_in(known).fill_null(False)
    bad_currency = (pl.col("currency") != "USD").fill_null(False)
    repeated = aggregated & pl.col("provider").is_in(direct)
    collected = pl.col("snapshot_ts").str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    network = pl.col("provider").replace_strict(PROVIDERS, default=None, return_dtype=pl.String)
    ask, second_hand = pl.col("provider").is_in(ASKS), aggregated
    extra = pl.col("raw_extra").str.extract(r'"upstream_provider":\s*"([^"]{1,60})"')
    row = pl.format("{}/{}/{}", pl.col("source").fill_null("-"), pl.col("provider").fill_null("-"),
                    pl.col("instance_type").fill_null("-"))  # fmt: skip
    return rows.with_row_index("number").select(
        pl.format("{}#{}", row, "number").alias("row_id"),
        pl.concat_str([pl.col(name).fill_null("") for name in key], separator="/").alias("offer_id"),
        pl.coalesce(network, "provider").alias("network"),
        pl.col("instance_type").alias("machine"),
        pl.col("gpu_name").alias("accelerator_name"),
        _number("gpu_memory_gb").alias("memory_gib"),
        pl.col("gpu_variant").replace_strict(FORMS, default=None, return_dtype=pl.String).alias("interface"),
        count.alias("accelerator_count"),
        (price * count).alias("usd_per_hour"),
        pl.coalesce(
            pl.when(reserved & (upfront > 0)).then("upfront_price_per_gpu"), "price_per_gpu_hour", "price_per_hour"
        ).alias("listed_price"),
        pl.when(reserved & (upfront > 0))
        .then(pl.format("USD per GPU up front for {}", pl.col("commitment_period").fill_null("-")))
        .when(each.is_not_null())
        .then(pl.lit("USD per GPU and hour"))
        .otherwise(pl.lit("USD per machine and hour"))
        .alias("listed_unit"),
        terms.alias("terms"),
        pl.when(second_hand)
        .then(pl.lit("indicative"))
        .when(pl.col("provider") == "akash")
        .then(pl.lit("bid"))
        .when(ask)
        .then(pl.lit("ask"))
        .otherwise(pl.lit("list"))
        .alias("price_kind"),
        pl.when(pl.col("region") != "global").then("region").alias("region"),
        pl.col("country").str.extract(r"^([A-Z]{2})$").alias("country"),
        pl.when(free == "false")
        .then(0)
        .otherwise(_number("available_count").cast(pl.Int64, strict=False))
        .alias("available"),
        pl.when(pl.col("provider") == "primeintellect").then(extra.fill_null("not told")).alias("upstream"),
        pl.min_horizontal(collected, pl.lit(observed_at).cast(pl.Datetime("us", "UTC"))).alias("observed_at"),
        pl.lit(where).alias("source_url"),
        pl.when(differ)
        .then(pl.format("price per GPU {} and of the machine {} for {} disagree", each, whole, count))
        .alias("not_comparable"),
        pl.format("collected by {}", pl.col("source").fill_null("-")).alias("note"),
        pl.coalesce(
            refusal,
            pl.when(bad_terms).then(pl.format("pricing_type is {}", pl.col("pricing_type").fill_null("empty"))),
            pl.when(bad_currency).then(pl.format("currency is {}", "currency")),
            pl.when(repeated).then(pl.lit("the provider has a collector of its own")),
        ).alias("refusal"),
        pl.when(refusal.is_not_null())
        .then(pl.lit("out_of_scope"))
        .when(bad_terms | bad_currency)
        .then(pl.lit("unreadable"))
        .when(repeated)
        .then(pl.lit("duplicate"))
        .alias("refusal_kind"),
    )


def _wanted(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        pl.col(name) if name in frame.columns else pl.lit(None, pl.String).alias(name) for name in COLUMNS
    )


def _newest(stream: IO[bytes], where: str) -> pl.DataFrame | None:
    """The rows of a collector's last collect; only one block of the file is held at a time."""
    best: list[pl.DataFrame] = []
    newest = ""
    for block in _blocks(stream, where):
        frame = _wanted(table_of("opencomputeprices", where, block, COLUMNS[:12]))
        last = frame["snapshot_ts"].max()
        if not isinstance(last, str) or last < newest:
            continue
        rows = frame.filter(pl.col("snapshot_ts") == last)
        best = [*best, rows] if last == newest else [rows]
        newest = last
    return pl.concat(best) if best else None


def _blocks(stream: IO[bytes], where: str) -> Iterator[bytes]:
    """A CSV in blocks of whole rows, each with the header before it."""
    chunks = _chunks(stream, where)
    held = next(chunks, b"")
    header, found, held = held.partition(b"\n")
    if not found or len(header) > MAX_LINE_BYTES:
        raise SourceError("opencomputeprices", where, seen=f"begins {header[:60]!r}", expected="a CSV with a header")
    for chunk in chunks:
        held += chunk
        ends = [match.end() for match in NEXT_ROW.finditer(held)]
        if ends:
            yield header + b"\n" + held[: ends[-1]]
            held = held[ends[-1] :]
    if held:
        yield header + b"\n" + held


def _chunks(stream: IO[bytes], where: str) -> Iterator[bytes]:
    try:
        while chunk := stream.read(BLOCK_BYTES):
            yield chunk
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        seen = f"an archive that ends or breaks early ({type(error).__name__})"
        raise SourceError("opencomputeprices", where, seen=seen, expected="a whole archive") from error


def _is_tar(archive: bytes) -> bool:
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r|gz") as tar:
            return tar.next() is not None
    except (tarfile.TarError, OSError, EOFError, zlib.error):
        return False


def _members(archive: bytes, where: str) -> Iterator[tuple[str, IO[bytes]]]:
    """The collectors' tables of a tar.gz, one after the other; nothing is ever written to disk."""
    unpacked = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r|gz") as tar:
            for member in tar:
                name = posixpath.normpath(member.name)
                if member.isdir() and name == ".":
                    continue
                if not member.isfile() or "/" in name or name.startswith(".."):
                    raise SourceError(
                        "opencomputeprices",
                        where,
                        seen=f"a member {member.name[:60]!r} that is no plain file of the archive's own folder",
                        expected="plain files",
                    )
                unpacked += member.size
                if unpacked > MAX_UNPACKED_BYTES:
                    raise SourceError(
                        "opencomputeprices", where, seen=f"more than {MAX_UNPACKED_BYTES} bytes", expected="less"
                    )
                collector, dot, ending = name.partition(".")
                stream = tar.extractfile(member)
                if stream is not None and (dot, ending) == (".", "csv") and not collector.startswith("_"):
                    yield collector, stream
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        raise _unreadable(archive, where, error) from error


def _unreadable(archive: bytes, where: str, error: Exception) -> SourceError:
    seen = f"{len(archive)} bytes that are no archive ({type(error).__name__}: {str(error)[:60]})"
    return SourceError("opencomputeprices", where, seen=seen, expected="a tar.gz of tables")


def _number(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64, strict=False)


FETCHER = Fetcher(
    name="opencomputeprices",
    title="OpenComputePrices",
    kind="catalogue",
    gives="dated prices of some forty providers, second hand",
    terms="MIT, Copyright (c) 2026 OpenComputePrices Contributors; the terms of the sources it gathers still hold",
    networks=tuple(sorted(set(PROVIDERS.values()))),
    hosts=(HOST, STORAGE_HOST),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=300.0,
    expected_age_days=3.0,  # rows carry the day they were collected, published the day after or later
    max_body_bytes=MAX_ARCHIVE_BYTES,
)
