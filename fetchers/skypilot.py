"""SkyPilot's catalogue: machines of some twenty clouds, gathered by a scheduler of jobs.

Endpoint: GET https://raw.githubusercontent.com/skypilot-org/skypilot-catalog/master/catalogs/v8/{cloud}/vms.csv,
and catalogs/v9 where v8 has no such file; no key.
Price includes: the whole machine by the hour, except on Google, where accelerators and hosts are rows of their own.
Traps: the order of columns differs by cloud; Google's GPU rows lack the host, which is added here (a B200 includes
it); a TPU slice has count 1, and 700 for a v6e is a ceiling, no price; counts may be fractions; an empty price or
spot price is unknown and so is 0; a spot price equal to the list price is none; AWS repeats a machine by zone; GpuInfo
is a dict in quotes, JSON or a bare name, and its memory is of the card, of the machine or in GiB under a MiB label;
Vast's names drop "Ti" and the form, which the machine's name keeps; FPGAs stand among the accelerators; three of the
clouds resell others.
Seen: 2026-10.
Terms: no licence is stated for the tables, so they are asked for at run time and never shipped.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from depin_compare.errors import SourceError
from depin_compare.refdata import instances
from fetchers.catalogue import catalogue_result, read_table, tpu_name
from fetchers.contract import Fetcher, FetchResult, Recording, recording
from fetchers.http import Answer, SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "raw.githubusercontent.com"
CATALOGUE_URL = f"https://{HOST}/skypilot-org/skypilot-catalog/master/catalogs"
VERSIONS = ("v8", "v9")
# SkyPilot's name of a cloud -> network.
CLOUDS = {
    "aws": "aws",
    "cudo": "cudo",
    "fluidstack": "fluidstack",
    "gcp": "google",
    "hyperbolic": "hyperbolic",
    "hyperstack": "hyperstack",
    "jarvislabs": "jarvislabs",
    "lambda": "lambda",
    "lium": "lium",
    "mithril": "mithril",
    "nebius": "nebius",
    "oci": "oracle",
    "primeintellect": "prime-intellect",
    "runpod": "runpod",
    "seeweb": "seeweb",
    "shadeform": "shadeform",
    "spheron": "spheron",
    "vast": "vast",
    "verda": "verda",
    "yotta": "yotta",
}
REQUIRED = ("InstanceType", "AcceleratorName", "AcceleratorCount", "Price", "Region")
OPTIONAL = ("AvailabilityZone", "SpotPrice", "GpuInfo", "UpstreamCloudId", "Provider", "vCPUs", "MemoryGiB")
FORM = r"(?i)(sxm\d?|pcie|nvl)(?:[^a-z]|x\d|$)"
# What the cloud sells under a bare name, where its machines' names do not tell.
FORMS = {
    "gcp": {"A100": "SXM4", "A100-80GB": "SXM4", "H100": "SXM5", "H100-MEGA": "SXM5"},
    "verda": {"A100": "SXM4", "A100-80GB": "SXM4", "H100": "SXM5"},
}
# The memory in GpuInfo is of all cards together.
MACHINE_MEMORY = ("primeintellect", "vast")
# Memory below this is in GiB, whatever the label says.
LEAST_MIB = 1000.0
# One price a region, repeated by zone.
REGIONAL = ("aws", "gcp", "oci")
GCP_HOSTS = {
    "A100": "a2-highgpu-",
    "A100-80GB": "a2-ultragpu-",
    "H100": "a3-highgpu-",
    "H100-MEGA": "a3-megagpu-",
    "H200": "a3-ultragpu-",
    "L4": "g2-standard-",
}
GCP_WHOLE = ("B200", "GB200")
GPU_ONLY = "the price is of the accelerators alone: the host's is not in the catalogue"
TPU_CEILING = 700.0


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for each cloud's table; one that fails costs no other."""
    answers: list[Answer] = []
    for cloud in CLOUDS:
        for version in VERSIONS:
            answer = session.try_answer(cloud, f"{CATALOGUE_URL}/{version}/{cloud}/vms.csv")
            if answer.status != 404 or version == VERSIONS[-1]:
                answers.append(answer)
                break
    return recording("skypilot", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Offers of every table that could be read; a `SourceError` when none could."""
    tables: list[pl.DataFrame] = []
    problems: list[str] = []
    failures: list[SourceError] = []
    for answer in recording.answers:
        if answer.name not in CLOUDS:
            continue
        try:
            tables.append(_table(answer, read_table(recording, answer, REQUIRED)))
        except SourceError as error:
            failures.append(error)
            problems.append(f"{answer.name}: {error}")
    if not tables:
        raise SourceError(
            "skypilot",
            CATALOGUE_URL,
            seen="; ".join(dict.fromkeys(error.seen for error in failures))[:300] or "no table",
            expected="a table of machines",
            unreachable=bool(failures) and all(error.unreachable for error in failures),
        )
    return catalogue_result("skypilot", tables, observed_at=observed_at, where=CATALOGUE_URL, problems=problems)


def _table(answer: Answer, frame: pl.DataFrame) -> pl.DataFrame:
    """One cloud's rows: one for the list price, one more where there is a spot price."""
    cloud = answer.name
    frame = frame.with_columns(pl.lit(None, pl.String).alias(c) for c in OPTIONAL if c not in frame.columns)
    frame = _slices(frame.with_row_index("number"))
    if cloud == "gcp":
        frame = _with_hosts(frame)
    else:
        frame = frame.with_columns(
            pl.col("InstanceType").alias("machine"),
            _number("Price").alias("usd"),
            _number("SpotPrice").alias("usd_spot"),
            pl.lit(None, pl.String).alias("not_comparable"),
            pl.lit(None, pl.String).alias("note"),
        )
    frame = frame.join(_told(frame), on="GpuInfo", how="left", maintain_order="left")
    frame = frame.with_columns(_described(cloud, answer.url))
    spot = pl.col("usd_spot")
    has_spot = spot.is_not_null() & (spot != 0) & (spot != pl.col("usd")).fill_null(True)
    row = pl.format("{}/{}#{}", pl.lit(cloud), pl.coalesce("machine", "AcceleratorName", pl.lit("-")), "number")
    zone = pl.lit("") if cloud in REGIONAL else pl.col("AvailabilityZone").fill_null("")
    key = ("network", "machine", "AcceleratorName", "accelerator_count", "Region", "vCPUs", "MemoryGiB", "upstream")
    parts = [pl.col(name).cast(pl.String).fill_null("") for name in key]
    return pl.concat(
        [
            frame.filter(pl.col("usd").is_not_null() | ~has_spot).with_columns(
                row.alias("row_id"),
                pl.concat_str([*parts, zone, pl.lit("on_demand")], separator="/").alias("offer_id"),
                pl.col("usd").alias("usd_per_hour"),
                pl.lit("on_demand").alias("terms"),
            ),
            frame.filter(has_spot).with_columns(
                pl.concat_str([row, pl.lit(" spot")]).alias("row_id"),
                pl.concat_str([*parts, pl.col("AvailabilityZone").fill_null(""), pl.lit("spot")], separator="/").alias(
                    "offer_id"
                ),
                pl.col("usd_spot").alias("usd_per_hour"),
                pl.lit("spot").alias("terms"),
            ),
        ]
    ).with_columns(pl.col("usd_per_hour").cast(pl.String).alias("listed_price"))


def _described(cloud: str, url: str) -> list[pl.Expr]:
    """Everything about a row but its price, in the columns of `catalogue.COLUMNS`."""
    name, machine = pl.col("AcceleratorName").str.replace(r"_BAREMETAL$", ""), pl.col("InstanceType")
    told, size = pl.col("told"), pl.col("size")
    cards = pl.col("accelerator_count")
    memory = pl.when(size < LEAST_MIB).then(size).otherwise(size / 1024)
    if cloud in MACHINE_MEMORY:
        memory = memory / cards
    if cloud == "vast":
        spelled = machine.str.extract(r"^\d+x-(.+)-\d+-\d+$").str.replace_all("_", " ", literal=True)
        name = pl.when(name.is_not_null()).then(pl.coalesce(spelled, name))
    hint = pl.concat_str([name, told, machine, pl.col("UpstreamCloudId")], separator=" ", ignore_nulls=True)
    form = hint.str.extract(FORM)
    if cloud in FORMS:
        form = pl.coalesce(form, pl.col("AcceleratorName").replace_strict(FORMS[cloud], default=None))
    upstream: pl.Expr = pl.lit(None, pl.String)
    if cloud == "primeintellect":
        upstream = machine.str.extract(r"^(.+?)__")
    elif cloud == "shadeform":
        upstream = machine.str.extract(r"^([^_]+)_")
    elif cloud == "spheron":
        upstream = pl.when(pl.col("Provider") != "spheron-ai").then("Provider")
    region = pl.col("Region")
    ceiling = pl.col("slice").str.starts_with("TPU v6e") & (pl.col("usd") == TPU_CEILING)
    return [
        pl.lit(CLOUDS[cloud]).alias("network"),
        pl.coalesce("slice", name).alias("accelerator_name"),
        pl.when(pl.col("slice").is_null()).then(told).alias("other_name"),
        pl.when(pl.col("slice").is_null()).then(memory).alias("memory_gib"),
        pl.when(pl.col("slice").is_null()).then(form).alias("interface"),
        region.alias("region"),
        pl.coalesce(region.str.extract(r"^([A-Z]{2})$"), region.str.extract(r", ([A-Z]{2}), [A-Z]{2}$")).alias(
            "country"
        ),
        machine.str.extract(r"_(SECURE|COMMUNITY)$").str.to_lowercase().alias("tier"),
        upstream.alias("upstream"),
        pl.lit("ask" if cloud in {"vast", "lium", "spheron"} else "list").alias("price_kind"),
        pl.lit(url.partition("?")[0]).alias("source_url"),
        pl.when(pl.col("AcceleratorName").is_null())
        .then(pl.lit("no accelerator"))
        .when(ceiling)
        .then(pl.lit("a ceiling for failover, no price"))
        .alias("refusal"),
    ]


def _told(frame: pl.DataFrame) -> pl.DataFrame:
    """Name and memory out of each distinct GpuInfo: a dict in quotes, JSON, or a bare name."""
    info = pl.col("GpuInfo")
    return frame.select(info.drop_nulls().unique()).with_columns(
        pl.coalesce(info.str.extract(r"Name\W+([^'\"]+)['\"]"), pl.when(~info.str.contains(r"[{\[]")).then(info)).alias(
            "told"
        ),
        info.str.extract(r"SizeInMiB\W+([\d.]+)").cast(pl.Float64, strict=False).alias("size"),
    )


def _slices(frame: pl.DataFrame) -> pl.DataFrame:
    """The number of accelerators, with the chips of TPU slices counted from their names."""
    names = frame.select("AcceleratorName").drop_nulls().unique()
    found = [tpu_name(name) for name in names["AcceleratorName"]]
    slices = names.with_columns(
        pl.Series("slice", [slice_ and slice_[0] for slice_ in found], dtype=pl.String),
        pl.Series("chips", [slice_ and slice_[1] for slice_ in found], dtype=pl.Float64),
    )
    return frame.join(slices, on="AcceleratorName", how="left", maintain_order="left").with_columns(
        pl.coalesce("chips", _number("AcceleratorCount")).alias("accelerator_count")
    )


def _with_hosts(frame: pl.DataFrame) -> pl.DataFrame:
    """Google's accelerators with the cheapest host that carries as many of them in the same zone."""
    shapes = instances().filter(pl.col("cloud") == "google").select("instance_type", "accelerator_count")
    prefix = pl.col("AcceleratorName").replace_strict(GCP_HOSTS, default=None, return_dtype=pl.String)
    place = ["Region", "AvailabilityZone"]
    hosts = (
        frame.filter(pl.col("AcceleratorName").is_null())
        .select(
            *place,
            pl.col("InstanceType").alias("machine"),
            _number("Price").alias("host"),
            _number("SpotPrice").alias("host_spot"),
        )
        .join(shapes, left_on="machine", right_on="instance_type", how="inner")
        .with_columns(pl.col("machine").str.extract(r"^([a-z0-9]+-[a-z]+-)").alias("prefix"))
        .filter(pl.col("host") > 0)
        .sort("host", "machine")
        .unique([*place, "prefix", "accelerator_count"], keep="first", maintain_order=True)
    )
    whole = pl.col("slice").is_not_null() | pl.col("AcceleratorName").is_in(GCP_WHOLE)
    alone = pl.col("AcceleratorName").is_not_null() & ~whole & pl.col("machine").is_null()
    usd, usd_spot = _number("Price"), _number("SpotPrice")
    return (
        frame.with_columns(prefix.alias("prefix"))
        .join(hosts, on=[*place, "prefix", "accelerator_count"], how="left", nulls_equal=True, maintain_order="left")
        .with_columns(
            pl.when(whole | alone).then(usd).otherwise(pl.when(usd > 0).then(usd + pl.col("host"))).alias("usd"),
            pl.when(whole | alone)
            .then(usd_spot)
            .otherwise(pl.when(usd_spot > 0).then(usd_spot + pl.col("host_spot")))
            .alias("usd_spot"),
            pl.when(alone).then(pl.lit(GPU_ONLY)).alias("not_comparable"),
            pl.when(pl.col("machine").is_not_null()).then(pl.format("with the host {}", "machine")).alias("note"),
            pl.coalesce("machine", "InstanceType").alias("machine"),
        )
    )


def _number(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64, strict=False)


FETCHER = Fetcher(
    name="skypilot",
    title="SkyPilot catalogue",
    kind="catalogue",
    gives="list and spot prices of machines of twenty clouds, second hand",
    terms="no licence stated for the tables; asked for at run time, never shipped",
    networks=tuple(sorted(set(CLOUDS.values()))),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=240.0,
    min_pause_seconds=0.1,
)
