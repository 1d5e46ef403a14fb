"""dstack's gpuhunt catalogue: machines of nine clouds, published through the day.

Endpoint: GET https://dstack-gpu-pricing.s3.eu-west-1.amazonaws.com/v3/{provider}/version, then
/v3/{provider}/{version}/catalog.zip, which holds {provider}.csv; no key.
Price includes: the whole machine by the hour.
Traps: a price is of the machine, not of one card; Google's booked time (DWS calendar) stands among the list prices,
its G4 machines stand twice, its N1 machines once a number of cards and its TPU slices count as one; a sixth of an
Azure A10 counts as one card of 4 GB, and Windows machines leak in as dearer twins; Oracle's spot price is computed,
half of the list price; Lambda and Verda list every machine in every region, free or not; H100 and A100 come without
their form, which the machine's name may tell.
Seen: 2026-08.
Terms: code MPL-2.0; none stated for the data, so it is asked for at run time and never shipped.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from datetime import UTC, datetime

import polars as pl

from depin_compare.errors import SourceError
from fetchers.catalogue import catalogue_result, table_of, tpu_name
from fetchers.contract import Fetcher, FetchResult, Recording, recording
from fetchers.http import Answer, SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "dstack-gpu-pricing.s3.eu-west-1.amazonaws.com"
CATALOGUE_URL = f"https://{HOST}/v3"
# gpuhunt's name of a provider -> network.
PROVIDERS = {
    "aws": "aws",
    "azure": "azure",
    "cloudrift": "cloudrift",
    "gcp": "google",
    "lambdalabs": "lambda",
    "nebius": "nebius",
    "oci": "oracle",
    "runpod": "runpod",
    "verda": "verda",
}
REQUIRED = ("instance_name", "location", "price", "gpu_count", "gpu_name", "gpu_memory", "spot")
OPTIONAL = ("flags", "provider_data")
VERSION = re.compile(r"[0-9][0-9A-Za-z._-]{0,39}")
DATED = re.compile(r"(\d{4})(\d\d)(\d\d)\b")
MAX_TABLE_BYTES = 256 * 2**20
BOOKED = "gcp-dws-calendar-mode"
PREVIEW = "gcp-g4-preview"
FORM = r"(?i)(sxm\d?|pcie|nvl)(?:[^a-z]|$)"
# Verda sells these as SXM boards only.
VERDA_FORMS = {"H100": "SXM5", "A100": "SXM4"}


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask each provider's version and table; one that fails costs no other."""
    answers: list[Answer] = []
    for provider in PROVIDERS:
        answer = session.try_answer(f"{provider}/version", f"{CATALOGUE_URL}/{provider}/version")
        answers.append(answer)
        version = _version(answer)
        if version is not None:
            answers.append(session.try_answer(provider, f"{CATALOGUE_URL}/{provider}/{version}/catalog.zip"))
    return recording("gpuhunt", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Offers of every table that could be read; a `SourceError` when none could."""
    tables: list[pl.DataFrame] = []
    problems: list[str] = []
    failures: list[SourceError] = []
    versions = {answer.name.removesuffix("/version"): answer for answer in recording.answers if "/" in answer.name}
    for provider in PROVIDERS:
        found = recording.named(provider)
        try:
            if not found:
                raise _no_version(recording, versions.get(provider), provider)
            place = found[0].url.partition("?")[0]
            body = _member(recording, found[0], f"{provider}.csv")
            table = table_of("gpuhunt", f"{place} {provider}.csv", body, REQUIRED)
        except SourceError as error:
            failures.append(error)
            problems.append(f"{provider}: {error}")
        else:
            tables.append(_table(provider, table, place, _published(versions.get(provider), observed_at)))
    if not tables:
        raise SourceError(
            "gpuhunt",
            CATALOGUE_URL,
            seen="; ".join(dict.fromkeys(error.seen for error in failures))[:300],
            expected="a table of machines",
            unreachable=all(error.unreachable for error in failures),
        )
    return catalogue_result("gpuhunt", tables, observed_at=observed_at, where=CATALOGUE_URL, problems=problems)


def _version(answer: Answer) -> str | None:
    """The version an answer names, if it is one that may stand in an address."""
    text = answer.body[:80].decode("utf-8", "replace").strip()
    return text if answer.status == 200 and VERSION.fullmatch(text) else None


def _no_version(recording: Recording, answer: Answer | None, provider: str) -> SourceError:
    where = f"{CATALOGUE_URL}/{provider}/version"
    if answer is None:
        return SourceError("gpuhunt", where, seen="no such answer in the recording", expected="a version")
    try:
        body = recording.content(answer)
    except SourceError as error:
        return error
    return SourceError("gpuhunt", where, seen=f"{body[:40]!r}", expected="a version such as 20260818-42")


def _published(answer: Answer | None, observed_at: datetime) -> datetime | None:
    """The day the version names, never later than the answer; None when it names none."""
    match = DATED.match(answer.body[:80].decode("utf-8", "replace").strip()) if answer is not None else None
    try:
        day = datetime.fromisoformat("-".join(match.groups())).replace(tzinfo=UTC) if match is not None else None
    except ValueError:
        return None
    return min(day, observed_at) if day is not None else None


def _member(recording: Recording, answer: Answer, name: str) -> bytes:
    """One file of a zip, never larger than `MAX_TABLE_BYTES`."""
    body = recording.content(answer)
    where = answer.url.partition("?")[0]
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive, archive.open(name) as member:
            content = member.read(MAX_TABLE_BYTES + 1)
    except KeyError as error:
        raise SourceError("gpuhunt", where, seen="a zip without it", expected=name) from error
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, NotImplementedError) as error:
        seen = f"{len(body)} bytes that are no zip ({type(error).__name__}: {str(error)[:60]})"
        raise SourceError("gpuhunt", where, seen=seen, expected="a zip") from error
    if len(content) > MAX_TABLE_BYTES:
        raise SourceError("gpuhunt", where, seen=f"{name} of more than {MAX_TABLE_BYTES} bytes", expected="a table")
    return content


def _table(provider: str, frame: pl.DataFrame, url: str, published: datetime | None) -> pl.DataFrame:
    """One provider's rows in the columns of `catalogue.COLUMNS`."""
    frame = frame.with_columns(pl.lit(None, pl.String).alias(c) for c in OPTIONAL if c not in frame.columns)
    frame = _slices(frame.with_row_index("number")).with_columns(_number("price").alias("usd_per_hour"))
    name, machine, flags = pl.col("gpu_name"), pl.col("instance_name"), pl.col("flags").fill_null("")
    cards, memory = _number("gpu_count"), _number("gpu_memory")
    spot = pl.col("spot").str.to_lowercase() == "true"
    booked = flags.str.contains(BOOKED, literal=True)
    form = machine.str.extract(FORM)
    if provider == "verda":
        form = pl.coalesce(form, name.replace_strict(VERDA_FORMS, default=None, return_dtype=pl.String))
    terms = (
        pl.when(spot).then(pl.lit("spot")).when(booked).then(pl.lit("capacity_block")).otherwise(pl.lit("on_demand"))
    )
    no_cards = cards.fill_null(0) == 0
    other_refusal: pl.Expr = pl.lit(None, pl.String)
    tier: pl.Expr = pl.lit(None, pl.String)
    note: pl.Expr = pl.lit(None, pl.String)
    region = pl.col("location")
    if provider == "gcp":
        other_refusal = pl.when(flags.str.contains(PREVIEW, literal=True)).then(
            pl.lit("the preview's twin of a G4 machine")
        )
        note = pl.when(booked).then(pl.lit("time booked ahead (DWS calendar)"))
        region = region.str.replace(r"-[a-z]$", "")
    elif provider == "azure":
        # Of a Windows twin that leaked in, the cheaper row is the Linux machine.
        frame = frame.sort("usd_per_hour", "number", nulls_last=True)
        other_refusal = pl.when((name == "A10") & (memory < 24)).then(pl.lit("a fraction of a card"))
    elif provider == "oci":
        note = pl.when(spot).then(pl.lit("computed by the catalogue: half of the list price"))
    elif provider == "runpod":
        community = region.str.contains(r"^[A-Z]{2}$")
        cluster = pl.col("provider_data").str.contains("pod_counts", literal=True).fill_null(False)
        tier = (
            pl.when(cluster)
            .then(pl.lit("cluster"))
            .when(community)
            .then(pl.lit("community"))
            .otherwise(pl.lit("secure"))
        )
    elif provider in {"lambdalabs", "verda"}:
        note = pl.lit("listed in every region, free or not")
    zone = pl.col("location").fill_null("")
    key = [pl.lit(provider), machine.fill_null("-"), zone, name.fill_null("-"), pl.col("gpu_count").fill_null("-")]
    return frame.select(
        pl.format("{}/{}@{}#{}", pl.lit(provider), machine.fill_null("-"), zone, "number").alias("row_id"),
        pl.concat_str([*key, terms, flags], separator="/").alias("offer_id"),
        pl.lit(PROVIDERS[provider]).alias("network"),
        machine.alias("machine"),
        pl.coalesce("slice", name).alias("accelerator_name"),
        (machine if provider == "runpod" else pl.lit(None, pl.String)).alias("other_name"),
        pl.when(pl.col("slice").is_null()).then(memory).alias("memory_gib"),
        pl.when(pl.col("slice").is_null()).then(form).alias("interface"),
        pl.coalesce("chips", cards).alias("accelerator_count"),
        "usd_per_hour",
        pl.col("price").alias("listed_price"),
        terms.alias("terms"),
        tier.alias("tier"),
        pl.lit("list").alias("price_kind"),
        region.alias("region"),
        region.str.extract(r"^([A-Z]{2})$").alias("country"),
        pl.lit(published, pl.Datetime("us", "UTC")).alias("observed_at"),
        pl.lit(url).alias("source_url"),
        note.alias("note"),
        pl.when(no_cards).then(pl.lit("no accelerator")).otherwise(other_refusal).alias("refusal"),
    )


def _slices(frame: pl.DataFrame) -> pl.DataFrame:
    """TPU slices by generation and number of chips."""
    names = frame.select("gpu_name").drop_nulls().unique()
    found = [tpu_name(name) for name in names["gpu_name"]]
    slices = names.with_columns(
        pl.Series("slice", [slice_ and slice_[0] for slice_ in found], dtype=pl.String),
        pl.Series("chips", [slice_ and slice_[1] for slice_ in found], dtype=pl.Float64),
    )
    return frame.join(slices, on="gpu_name", how="left", maintain_order="left")


def _number(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64, strict=False)


FETCHER = Fetcher(
    name="gpuhunt",
    title="dstack gpuhunt catalogue",
    kind="catalogue",
    gives="list and spot prices of machines of nine clouds, second hand",
    terms="code MPL-2.0, none stated for the data; asked for at run time, never shipped",
    networks=tuple(sorted(set(PROVIDERS.values()))),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=180.0,
    min_pause_seconds=0.1,
)
