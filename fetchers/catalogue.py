"""Turns a catalogue of priced machines into offers, a column at a time.

What a catalogue's parser gives is a frame of `COLUMNS`, one row a priced machine, in the catalogue's own words.
Here each distinct spelling of a chip is identified once and joined back, rows are judged by expressions, and what is
left is validated: a catalogue of 150,000 rows takes less than a second.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import cache

import polars as pl

from depin_compare import refdata
from depin_compare.errors import SourceError
from depin_compare.market.accelerators import Identification, identify
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import (
    MAX_USD_PER_ACCELERATOR_HOUR,
    MIN_USD_PER_ACCELERATOR_HOUR,
    Offers,
    Skipped,
)
from fetchers.contract import MAX_UNREADABLE_SHARE, FetchResult, Recording
from fetchers.http import Answer

__all__ = ["COLUMNS", "catalogue_result", "read_table", "table_of", "tpu_name"]

# row_id: the row, for `Skipped`; offer_id: the catalogue's own key, null for row_id. machine: an instance type,
# looked up in refdata.instances first; accelerator_name, other_name, memory_gib and interface decide where it is
# not there. accelerator_count may be a fraction; usd_per_hour is of all of them together. refusal and its kind:
# rows the parser has judged already. Columns a catalogue lacks may be left out.
COLUMNS: Mapping[str, pl.DataType] = {
    "row_id": pl.String(),
    "offer_id": pl.String(),
    "network": pl.String(),
    "machine": pl.String(),
    "accelerator_name": pl.String(),
    "other_name": pl.String(),
    "memory_gib": pl.Float64(),
    "interface": pl.String(),
    "accelerator_count": pl.Float64(),
    "usd_per_hour": pl.Float64(),
    "listed_price": pl.String(),
    "listed_unit": pl.String(),
    "terms": pl.String(),
    "tier": pl.String(),
    "price_kind": pl.String(),
    "region": pl.String(),
    "country": pl.String(),
    "available": pl.Int64(),
    "upstream": pl.String(),
    "observed_at": pl.Datetime("us", "UTC"),
    "source_url": pl.String(),
    "not_comparable": pl.String(),
    "note": pl.String(),
    "refusal": pl.String(),
    "refusal_kind": pl.String(),
}
_NAMES = ["accelerator_name", "other_name", "memory_gib", "interface"]
# A name such as v5p-8 counts TensorCores, two a chip; v5litepod-8 and v6e-8 count chips.
_TPU = re.compile(r"^(?:tpu-)?v(\d)(e|p|litepod)?-(\d+)$")
# Known to these catalogues, and in no register of chips for LLM work.
_OUTSIDE = re.compile(
    r"fpga|^radeon|^gaudi( hl-205)?$|^inferentia$|^t4g$|^(rtx ?)?\d{4} ?s( ti)?$|^cmp |^qualcomm"
    r"|^n[13][05]0$|^tt-|^p[13][05]0a?$|^v[cu]\d"
)


def read_table(recording: Recording, answer: Answer, wanted: Collection[str]) -> pl.DataFrame:
    """The CSV of an answer, every column as text, empty as null; a `SourceError` when it isn't that table."""
    return table_of(recording.source, answer.url.partition("?")[0], recording.content(answer), wanted)


def table_of(source: str, where: str, body: bytes, wanted: Collection[str]) -> pl.DataFrame:
    """A CSV with at least the ``wanted`` columns, every column as text, empty as null."""
    try:
        frame = pl.read_csv(
            body, infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True, null_values=[""]
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError) as error:
        seen = f"{len(body)} bytes that are no CSV ({str(error).splitlines()[0][:80] if str(error) else 'empty'})"
        raise SourceError(source, where, seen=seen, expected=f"a CSV with {', '.join(wanted)}") from error
    missing = [column for column in wanted if column not in frame.columns]
    if missing:
        seen = f"columns {', '.join(frame.columns)[:120]}"
        raise SourceError(source, where, seen=seen, expected=f"columns {', '.join(missing)}")
    return frame


def tpu_name(name: str) -> tuple[str, int] | None:
    """Name of the generation and number of chips of a TPU slice; None when the name is no slice's.

    >>> tpu_name("tpu-v6e-8"), tpu_name("v5p-8"), tpu_name("H100")
    (('TPU v6e', 8), ('TPU v5p', 4), None)
    """
    match = _TPU.match(name.casefold())
    if match is None:
        return None
    generation, kind, count = match.groups()
    by_chip = kind in {"litepod", "e"}
    chips = int(count) if by_chip else max(1, int(count) // 2)
    return f"TPU v{generation}{'e' if by_chip else kind or ''}", chips


def catalogue_result(
    source: str,
    tables: Iterable[pl.DataFrame],
    *,
    observed_at: datetime,
    where: str,
    problems: Iterable[str] = (),
) -> FetchResult:
    """Judge the rows of a catalogue and turn those that are offers into a validated frame.

    Parameters
    ----------
    source : str
        The catalogue.
    tables : iterable of DataFrame
        Rows with (some of) `COLUMNS`.
    observed_at : datetime
        When rows without their own ``observed_at`` were seen.
    where : str
        Address, for errors.
    problems : iterable of str
        Failures of a part of the catalogue.

    Returns
    -------
    FetchResult
        Every row is an offer or skipped. A row whose key was seen before is a duplicate; the first stays.

    Raises
    ------
    SourceError
        If more than a fifth of the rows in scope can't be read, or none is an offer.
    """
    frames = [_filled(table) for table in tables]
    rows = pl.concat([pl.DataFrame(schema=COLUMNS), *frames])
    judged = _judged(_identified(rows), observed_at)
    refused = judged.filter(pl.col("refusal").is_not_null())
    skipped = refused.select(
        pl.lit(source).alias("source"),
        "row_id",
        pl.col("refusal_kind").alias("kind"),
        pl.col("refusal").alias("reason"),
    )
    types = Offers.create_empty().schema
    kept = judged.filter(pl.col("refusal").is_null()).with_columns(
        pl.lit(source).alias("source"),
        pl.lit("live").alias("layer"),
        pl.lit("USD").alias("listed_currency"),
        pl.col("machine").alias("machine_id"),
        *(pl.lit(None).alias(column) for column in ("total", "reliability")),
    )
    offers, refused_late = Offers.filter(
        kept.with_columns(kind=pl.lit("third_party"), source_id=pl.lit(None)).select(
            pl.col(name).cast(dtype) for name, dtype in types.items()
        )
    )
    if len(refused_late):
        skipped = pl.concat([skipped, _broken(source, refused_late.details())])
    _check(source, where, offers.height, skipped)
    return FetchResult(
        offers=offers,
        skipped=Skipped.validate(skipped, cast=True),
        facts=NetworkFacts.create_empty(),
        problems=tuple(problems),
    )


def _broken(source: str, details: pl.DataFrame) -> pl.DataFrame:
    """Rows that break a rule of the schema, with the names of the rules: one row never costs the catalogue."""
    rules = [column for column in details.columns if column not in Offers.column_names()]
    broken = pl.concat_str(
        [pl.when(pl.col(rule).cast(pl.String) != "valid").then(pl.lit(rule)) for rule in rules],
        separator=", ",
        ignore_nulls=True,
    )
    return details.select(
        pl.lit(source).alias("source"),
        pl.col("offer_id").alias("row_id"),
        pl.lit("unreadable").alias("kind"),
        pl.concat_str([pl.lit("breaks "), broken]).alias("reason"),
    )


def _filled(table: pl.DataFrame) -> pl.DataFrame:
    """The columns of `COLUMNS`, missing ones null; what can't be cast becomes null and is judged as missing."""
    memory = pl.col("memory_gib")
    return table.select(
        (pl.col(name) if name in table.columns else pl.lit(None)).cast(kind, strict=False).alias(name)
        for name, kind in COLUMNS.items()
    ).with_columns(pl.when(memory.is_finite() & (memory > 0)).then(memory).alias("memory_gib"))


def _identified(rows: pl.DataFrame) -> pl.DataFrame:
    """Join what each machine type and each distinct spelling of a chip stands for."""
    distinct = rows.select(_NAMES).unique()
    found = [_chip(*names) for names in distinct.iter_rows()]
    chips = distinct.with_columns(
        pl.Series("chip", [chip.accelerator for chip in found], dtype=pl.String),
        pl.Series("verdict", [chip.verdict for chip in found], dtype=pl.String),
        pl.Series("why", [chip.reason for chip in found], dtype=pl.String),
    )
    return (
        rows.with_columns(pl.col("machine").str.to_lowercase().alias("machine_key"))
        .join(_machines(), on=["network", "machine_key"], how="left", maintain_order="left")
        .join(chips, on=_NAMES, how="left", nulls_equal=True, maintain_order="left")
        .join(_segments(), on="network", how="left", maintain_order="left")
    )


def _chip(name: str | None, other: str | None, memory_gib: float | None, interface: str | None) -> Identification:
    """What a spelling stands for; the other one is heard where the first leaves the form open."""
    if name is None:
        return Identification("outside", None, "no accelerator")
    if _OUTSIDE.search(name.casefold()):
        return Identification("outside", None, f"{name}: no chip of the register")
    if name.startswith(("TPU v2", "TPU v3")):
        return Identification("outside", None, f"{name}: a TPU older than the register")
    first = identify(name, memory_gib=memory_gib, interface=interface)
    if first.verdict == "known" or other is None:
        return first
    second = identify(other, memory_gib=memory_gib, interface=interface)
    return second if second.verdict == "known" and first.verdict == "ambiguous" else first


@cache
def _machines() -> pl.DataFrame:
    return refdata.instances().select(
        pl.col("cloud").alias("network"),
        pl.col("instance_type").str.to_lowercase().alias("machine_key"),
        pl.col("accelerator").alias("machine_chip"),
        pl.col("accelerator_count").alias("machine_count"),
    )


@cache
def _segments() -> pl.DataFrame:
    return refdata.networks().select("network", pl.col("segment").cast(pl.String))


def _judged(rows: pl.DataFrame, observed_at: datetime) -> pl.DataFrame:
    """Give every row its price per accelerator, and those that are no offers their reason."""
    count, usd = pl.col("accelerator_count"), pl.col("usd_per_hour")
    whole = (count - count.round()).abs() < 1e-6
    known = pl.col("machine_chip").is_not_null()
    each = (usd / count).alias("usd_per_accelerator_hour")
    low, high = MIN_USD_PER_ACCELERATOR_HOUR, MAX_USD_PER_ACCELERATOR_HOUR
    usual = pl.coalesce("offer_id", "row_id")
    rules: list[tuple[pl.Expr, str, pl.Expr]] = [
        (pl.col("refusal").is_not_null(), "given", pl.col("refusal")),
        (pl.col("accelerator_name").is_null() & ~known, "out_of_scope", pl.lit("no accelerator")),
        (
            pl.col("segment").is_null(),
            "out_of_scope",
            pl.format("{} is in no table of networks", pl.col("network").fill_null("a row without a provider")),
        ),
        (~known & (pl.col("verdict") == "outside"), "out_of_scope", pl.col("why")),
        (usd.is_null() | (usd == 0), "out_of_scope", pl.lit("no price")),
        (~usd.is_finite() | (usd < 0), "unreadable", pl.format("{} USD an hour", usd)),
        (~known & (pl.col("verdict") == "unknown"), "unreadable", pl.col("why")),
        (
            count.is_null() | ~count.is_finite() | (count <= 0) | (count > 4096),
            "unreadable",
            pl.format("{} accelerators", count.cast(pl.String).fill_null("no number of")),
        ),
        (~whole | (pl.col("machine_count") % 1 > 0), "out_of_scope", pl.lit("a fraction of a card")),
        (
            known & (pl.col("machine_count") != count.round()),
            "unreadable",
            pl.format("{} accelerators; {} has {}", count, pl.col("machine"), pl.col("machine_count")),
        ),
        (
            ~(usd / count).is_between(low, high),
            "unreadable",
            pl.format("{} USD per accelerator-hour, outside {} to {}", usd / count, pl.lit(low), pl.lit(high)),
        ),
    ]
    reason: pl.Expr = pl.lit(None, dtype=pl.String)
    kind: pl.Expr = pl.lit(None, dtype=pl.String)
    for condition, what, why in reversed(rules):
        told = pl.col("refusal_kind").fill_null("out_of_scope") if what == "given" else pl.lit(what)
        reason = pl.when(condition).then(why.fill_null(what)).otherwise(reason)
        kind = pl.when(condition).then(told).otherwise(kind)
    unclear = ~known & (pl.col("verdict") == "ambiguous")
    judged = rows.with_columns(
        usual.alias("offer_id"),
        each,
        count.round().cast(pl.Int64, strict=False).alias("accelerator_count"),
        pl.coalesce("machine_chip", "chip").alias("accelerator"),
        pl.coalesce("accelerator_name", "machine").alias("accelerator_name"),
        pl.coalesce("observed_at", pl.lit(observed_at)).alias("observed_at"),
        pl.when(pl.col("available") >= 0).then("available").alias("available"),
        pl.when(unclear).then(pl.coalesce("not_comparable", "why")).otherwise("not_comparable").alias("not_comparable"),
        pl.coalesce("listed_price", usd.cast(pl.String)).alias("listed_price"),
        pl.coalesce("listed_unit", pl.format("USD per hour for {} accelerators", count)).alias("listed_unit"),
        reason.alias("refusal"),
        kind.alias("refusal_kind"),
    )
    again = pl.col("refusal").is_null() & ~pl.struct("offer_id", "refusal").is_first_distinct()
    return judged.with_columns(
        pl.when(again)
        .then(pl.lit("its key stands in the catalogue more than once; the first is kept"))
        .otherwise("refusal")
        .alias("refusal"),
        pl.when(again).then(pl.lit("duplicate")).otherwise("refusal_kind").alias("refusal_kind"),
    )


def _check(source: str, where: str, offers: int, skipped: pl.DataFrame) -> None:
    """As `Rows.check_readable` and `Rows.check_offers` for rows held in a frame."""
    unreadable = skipped.filter(pl.col("kind") == "unreadable")
    in_scope = offers + unreadable.height
    if unreadable.height > MAX_UNREADABLE_SHARE * in_scope:
        first = unreadable.row(0, named=True)
        raise SourceError(
            source,
            where,
            seen=f"{unreadable.height} of {in_scope} rows unreadable, such as {first['row_id'][:80]}: "
            f"{first['reason'][:120]}",
            expected=f"at most {MAX_UNREADABLE_SHARE:.0%}",
        )
    if not offers:
        kinds = ", ".join(f"{n} {kind}" for kind, n in skipped.group_by("kind").len().sort("kind").iter_rows())
        raise SourceError(source, where, seen=f"no offer at all ({kinds or 'no row'})", expected="at least one offer")
