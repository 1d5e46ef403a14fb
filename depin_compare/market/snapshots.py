"""One stored collect: which tables it has, where its files lie, and how rows are written and read back."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import dataframely as dy
import polars as pl

from depin_compare.errors import StoreError
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.manifests import Manifest, TableFile
from depin_compare.market.offers import Offers, Skipped
from depin_compare.market.places import Place
from depin_compare.market.token_prices import TokenPrices

__all__ = [
    "MANIFEST_PATH",
    "TABLES",
    "Snapshot",
    "copy_path",
    "data_path",
    "manifest_path",
    "parquet_bytes",
    "stored_form",
]

TABLES: dict[str, type[dy.Schema]] = {
    "offers": Offers,
    "facts": NetworkFacts,
    "skipped": Skipped,
    "token_prices": TokenPrices,
}
# Rows that are asked for together lie together, so that a reader who wants one network skips the rest.
_ORDER = {"offers": ["network", "accelerator", "terms"], "facts": ["network", "metric"]}
# Of schema 2 and later, or a folder of schema 1.
MANIFEST_PATH = re.compile(
    r"(?:manifests/date=(?P<day>[\d-]{10})/[^/]+\.json"
    r"|snapshots/date=(?P<day_1>[\d-]{10})/[^/.][^/]*/manifest\.json)\Z"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One collect, as stored; its rows may lie in a file of its own or in one into which its day was compacted."""

    manifest: Manifest
    tables: Mapping[str, TableFile]
    place: Place

    @property
    def id(self) -> str:
        """Day and name, e.g. ``2026-11-22/093000Z-1a2b3c4d``."""
        return self.manifest.id

    @property
    def observed_at(self) -> datetime:
        """When it was collected, in UTC."""
        return self.manifest.observed_at

    @property
    def sources(self) -> dict[str, str]:
        """Status of each source."""
        return {name: str(told.get("status")) for name, told in self.manifest.statuses.items()}

    def offers(self) -> pl.DataFrame:
        """Offers of every source in it."""
        return self.rows("offers")

    def facts(self) -> pl.DataFrame:
        """Facts of every source in it."""
        return self.rows("facts")

    def skipped(self) -> pl.DataFrame:
        """Rows that became no offer."""
        return self.rows("skipped")

    def token_prices(self) -> pl.DataFrame:
        """Hosted token prices of every source in it; none in a snapshot from before they were stored."""
        return self.rows("token_prices")

    def rows(self, table: str) -> pl.DataFrame:
        """One table, checked against its hash, in today's columns.

        Raises
        ------
        StoreError
            If the file is missing, damaged, or of columns this version can't read.
        """
        schema = TABLES[table].create_empty().schema
        file = self.tables.get(table)
        if file is None:
            return TABLES[table].create_empty()
        where = f"{self.place.name}/{file.path}"
        try:
            body = self.place.read(file.path)
        except OSError as error:
            raise StoreError(f"{where}: can't be read ({error}); `depin-compare history verify` tells more") from error
        seen = hashlib.sha256(body).hexdigest()
        if seen != file.sha256:
            raise StoreError(f"{where}: sha256 {seen[:12]}… is not the manifest's; the file was changed or is damaged")
        try:
            frame = pl.read_parquet(body)
            if "snapshot" in frame.columns:
                frame = frame.filter(pl.col("snapshot") == self.id)
            return _todays_columns(frame, schema)
        except pl.exceptions.PolarsError as error:
            raise StoreError(f"{where}: its rows can't be read ({error})") from error


def _todays_columns(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The columns of today: one that joined later is unknown in older rows."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )


def stored_form(frame: pl.DataFrame) -> pl.DataFrame:
    """Words as words: the members of an enum may change, what was said does not."""
    return pl.DataFrame(frame).with_columns(pl.col(pl.Enum).cast(pl.String))


def parquet_bytes(table: str, frame: pl.DataFrame, identity: str | None = "") -> bytes:
    """The rows of a table as Parquet, each with the snapshot it belongs to; None where the rows tell it already."""
    buffer = io.BytesIO()
    ordered = stored_form(frame).sort(_ORDER[table], maintain_order=True) if table in _ORDER else stored_form(frame)
    if identity is not None:
        ordered = ordered.with_columns(snapshot=pl.lit(identity))
    ordered.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def data_path(table: str, identity: str) -> str:
    """Where a table of a snapshot lies."""
    return f"{table}/date={identity}.parquet"


def manifest_path(identity: str) -> str:
    """Where its manifest lies."""
    return f"manifests/date={identity}.json"


def copy_path(identity: str) -> str:
    """Where the manifest lies once more."""
    return f"copies/date={identity}.json"
