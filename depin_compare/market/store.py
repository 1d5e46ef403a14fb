"""Immutable dated snapshots of what the sources said, in Parquet: written whole or not at all, never changed.

    STORE/snapshots/date=2026-11-22/093000Z-1a2b3c4d/
        offers.parquet  facts.parquet  skipped.parquet  token_prices.parquet   live rows only
        manifest.json   schema version, status of each source, sha256 of the files

The manifest is written last and the folder gets its name in one step, so a folder that has a name is whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dataframely as dy
import platformdirs
import polars as pl

from depin_compare.errors import StoreError
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import Offers, Skipped
from depin_compare.market.token_prices import TokenPrices

__all__ = ["SCHEMA_VERSION", "Snapshot", "Store", "default_store_folder"]

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
STORE_VARIABLE = "DEPIN_COMPARE_STORE"
_USABLE = ("ok", "partial")


def default_store_folder() -> Path:
    """``DEPIN_COMPARE_STORE``, else the user's data folder."""
    named = os.environ.get(STORE_VARIABLE)
    return Path(named) if named else Path(platformdirs.user_data_dir("depin-compare", appauthor=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One collect, as stored."""

    folder: Path
    observed_at: datetime
    sources: Mapping[str, str]

    def offers(self) -> pl.DataFrame:
        """Offers of every source in it."""
        return self._read("offers")

    def facts(self) -> pl.DataFrame:
        """Facts of every source in it."""
        return self._read("facts")

    def token_prices(self) -> pl.DataFrame:
        """Hosted token prices of every source in it; none in a snapshot from before they were stored."""
        return self._read("token_prices", otherwise=TokenPrices.create_empty())

    def _read(self, name: str, *, otherwise: pl.DataFrame | None = None) -> pl.DataFrame:
        path = self.folder / f"{name}.parquet"
        try:
            manifest = json.loads((self.folder / "manifest.json").read_text("utf-8"))
            if otherwise is not None and path.name not in manifest["sha256"]:
                return otherwise
            body = path.read_bytes()
        except (OSError, json.JSONDecodeError) as error:
            raise StoreError(f"{path}: can't be read ({error}); remove the folder to go on without it") from error
        seen = hashlib.sha256(body).hexdigest()
        if seen != manifest["sha256"][path.name]:
            raise StoreError(f"{path}: sha256 {seen[:12]}… is not the manifest's; the file was changed or is damaged")
        return pl.read_parquet(body)


class Store:
    """A folder of snapshots."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(
        self,
        *,
        observed_at: datetime,
        offers: dy.DataFrame[Offers],
        facts: dy.DataFrame[NetworkFacts],
        skipped: dy.DataFrame[Skipped],
        statuses: Mapping[str, Mapping[str, Any]],
        token_prices: dy.DataFrame[TokenPrices] | None = None,
    ) -> Path:
        """Store one collect; only rows that came live are kept.

        Raises
        ------
        StoreError
            If the folder can't be written; nothing is left behind then.
        """
        live = pl.col("layer") == "live"
        hosted = token_prices if token_prices is not None else TokenPrices.create_empty()
        tables = {
            "offers": offers.filter(live),
            "facts": facts.filter(live),
            "skipped": pl.DataFrame(skipped),
            "token_prices": hosted.filter(live),
        }
        day = self.folder / "snapshots" / f"date={observed_at.astimezone(UTC):%Y-%m-%d}"
        try:
            day.mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(prefix=".writing-", dir=day))
        except OSError as error:
            raise StoreError(f"{day}: can't be written ({error}); name another folder with --store") from error
        try:
            hashes: dict[str, str] = {}
            for name, table in tables.items():
                path = work / f"{name}.parquet"
                table.write_parquet(path)
                hashes[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
            manifest = {
                "schema": SCHEMA_VERSION,
                "observed_at": observed_at.astimezone(UTC).isoformat(),
                "sources": {name: dict(status) for name, status in statuses.items()},
                "sha256": hashes,
            }
            text = json.dumps(manifest, indent=1, sort_keys=True)
            (work / "manifest.json").write_text(text + "\n", "utf-8")
            digest = hashlib.sha256(text.encode()).hexdigest()[:8]
            final = day / f"{observed_at.astimezone(UTC):%H%M%SZ}-{digest}"
            if final.exists():  # the same answers at the same second: already stored
                return final
            work.rename(final)
            return final
        except OSError as error:
            raise StoreError(f"{day}: can't be written ({error}); nothing was stored") from error
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def snapshots(self, *, before: datetime | None = None) -> Iterator[Snapshot]:
        """Whole snapshots, newest first; one whose manifest can't be read is passed over with a warning."""
        for folder in sorted((self.folder / "snapshots").glob("date=*/*Z-*"), reverse=True):
            try:
                manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
                observed_at = datetime.fromisoformat(manifest["observed_at"])
                sources = {name: str(status["status"]) for name, status in manifest["sources"].items()}
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("store: %s passed over: %s", folder, error)
                continue
            if manifest["schema"] != SCHEMA_VERSION:
                log.warning(
                    "store: %s passed over: schema %s, this version reads %s",
                    folder,
                    manifest["schema"],
                    SCHEMA_VERSION,
                )
                continue
            if before is None or observed_at < before:
                yield Snapshot(folder=folder, observed_at=observed_at, sources=sources)

    def newest(
        self, sources: list[str], *, before: datetime | None = None
    ) -> tuple[dy.DataFrame[Offers], dy.DataFrame[NetworkFacts]]:
        """The newest stored rows of each source, as layer ``stored``; a damaged snapshot is passed over."""
        offers, facts = self._newest(sources, before, (Offers, NetworkFacts), (Snapshot.offers, Snapshot.facts))
        return Offers.validate(offers, cast=True), NetworkFacts.validate(facts, cast=True)

    def newest_token_prices(self, sources: list[str], *, before: datetime | None = None) -> dy.DataFrame[TokenPrices]:
        """The newest stored token prices of each source, likewise."""
        (prices,) = self._newest(sources, before, (TokenPrices,), (Snapshot.token_prices,))
        return TokenPrices.validate(prices, cast=True)

    def _newest(
        self,
        sources: list[str],
        before: datetime | None,
        schemas: tuple[type[dy.Schema], ...],
        readers: tuple[Callable[[Snapshot], pl.DataFrame], ...],
    ) -> list[pl.DataFrame]:
        """A frame a reader: of each source, the rows of the newest whole snapshot in which it answered."""
        found: list[list[pl.DataFrame]] = [[pl.DataFrame(schema.create_empty())] for schema in schemas]
        wanted = set(sources)
        for snapshot in self.snapshots(before=before):
            usable = {s for s in wanted if snapshot.sources.get(s) in _USABLE}
            if not usable:
                continue
            try:
                mine = pl.col("source").is_in(sorted(usable))
                read = [reader(snapshot).filter(mine) for reader in readers]
            except (StoreError, pl.exceptions.PolarsError) as error:
                log.warning("store: %s", error)
                continue
            for frames, frame in zip(found, read, strict=True):
                frames.append(frame)
            wanted -= usable
            if not wanted:
                break
        stored = pl.lit("stored").cast(Offers.create_empty().schema["layer"]).alias("layer")
        return [pl.concat(frames).with_columns(stored) for frames in found]
