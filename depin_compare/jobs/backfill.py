"""Back-fill: the days of an OpenComputePrices archive as snapshots of their own, marked as somebody else's."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.errors import ConfigError, StoreError
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.store import Store
from depin_compare.market.token_prices import TokenPrices
from fetchers.contract import FetchResult
from fetchers.opencomputeprices import DATA_URL, FETCHER, archive_url, dated_results

__all__ = ["BACKFILL", "IMPORT_STATES", "Imported", "import_archive"]

BACKFILL = "backfill"
IMPORT_STATES = ("stored", "there already", "failed")
_MONTH = re.compile(r"archive_(\d{4})-(\d{2})\.csv\.gz\Z")


class Imported(Schema):
    """The days of an archive, oldest first, and what became of each; ``reason`` is that of a failure."""

    day = dy.Date(primary_key=True)
    state = dy.Enum(IMPORT_STATES, nullable=False)
    snapshot = dy.String(nullable=True)
    offers = dy.Int64(nullable=False, min=0)
    skipped = dy.Int64(nullable=False, min=0)
    reason = dy.String(nullable=True)


def import_archive(store: Store, file: Path, *, now: datetime) -> dy.DataFrame[Imported]:
    """Store every day of an archive of OpenComputePrices as a snapshot of its own.

    Parameters
    ----------
    store : Store
        Where to.
    file : Path
        ``data.tar.gz`` or an ``archive_YYYY-MM.csv.gz`` of its release.
    now : datetime
        When it is imported, with its time zone.

    Returns
    -------
    DataFrame[Imported]
        A row a day. A day that can't be read or stored is ``failed`` and costs no other.

    Raises
    ------
    ConfigError
        If the file can't be read.
    SourceError
        If it is no such archive.
    StoreError
        If the store can't be listed.

    Notes
    -----
    A snapshot is dated when its last row was collected and says in ``origin`` that it is a back-fill, of which archive
    and by which hash. What was collected here on the same day stays beside it. A day is there already when this archive
    was imported before, or another one with the same offers of that day: the ninety days of one release and the next
    overlap. Rows that became no offer are kept with their reasons, those that name no day with the newest day.
    """
    try:
        body = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: can't be read ({error.strerror or error})") from error
    month = _MONTH.search(file.name)
    url = archive_url(date(int(month[1]), int(month[2]), 1)) if month else DATA_URL
    found = dated_results(body, source_url=url)
    archive = {"archive": file.name, "sha256": hashlib.sha256(body).hexdigest()}
    known = _known(store)
    rows: list[dict[str, Any]] = [
        {"day": day, "state": "failed", "offers": 0, "skipped": 0, "reason": str(error)}
        for day, error in found.failed.items()
    ]
    newest = max(found.days, default=None)
    for day, result in found.days.items():
        skipped = pl.concat([result.skipped, found.undated]) if day == newest else pl.DataFrame(result.skipped)
        row = {"day": day, "offers": result.offers.height, "skipped": skipped.height}
        digest = _digest(result.offers)
        there = known.get((day.isoformat(), archive["sha256"])) or known.get((day.isoformat(), digest))
        if there is not None:
            rows.append({**row, "state": "there already", "snapshot": there})
            continue
        if day > now.astimezone(UTC).date():
            rows.append({**row, "state": "failed", "reason": "a day that has not come yet: its clock or ours is wrong"})
            continue
        origin = {
            "kind": BACKFILL, **archive, "day": day.isoformat(), "offers_sha256": digest,
            "imported_at": now.astimezone(UTC).isoformat(),
        }  # fmt: skip
        problems = [*result.problems, *found.problems]
        try:
            rows.append({**row, "state": "stored", "snapshot": _stored(store, day, result, skipped, problems, origin)})
        except StoreError as error:
            rows.append({**row, "state": "failed", "reason": str(error)})
    return Imported.validate(pl.DataFrame(rows, schema=Imported.create_empty().schema).sort("day"))


def _known(store: Store) -> dict[tuple[str, str], str]:
    """Back-filled days by the hash of their archive, and by that of their offers."""
    found: dict[tuple[str, str], str] = {}
    for snapshot in store.snapshots():
        origin = snapshot.manifest.origin
        if origin.get("kind") == BACKFILL:
            for name in ("sha256", "offers_sha256"):
                found[str(origin.get("day")), str(origin.get(name))] = snapshot.id
    return found


def _digest(offers: pl.DataFrame) -> str:
    """Which offers they are, wherever the archive lay."""
    text = offers.drop("source_url").sort("offer_id").write_csv()
    return hashlib.sha256(text.encode()).hexdigest()


def _stored(
    store: Store, day: date, result: FetchResult, skipped: pl.DataFrame, problems: list[str], origin: Mapping[str, Any]
) -> str:
    last = result.offers["observed_at"].max()
    at = last if isinstance(last, datetime) else datetime.combine(day, time(23, 59, 59), tzinfo=UTC)
    status = {
        "status": "partial" if problems else "ok",
        "offers": result.offers.height,
        "facts": 0,
        "token_prices": 0,
        "skipped": skipped.height,
        "error": "; ".join(problems) or None,
    }
    tables = {
        "offers": pl.DataFrame(result.offers),
        "facts": pl.DataFrame(NetworkFacts.create_empty()),
        "skipped": skipped,
        "token_prices": pl.DataFrame(TokenPrices.create_empty()),
    }
    return store.put_snapshot(tables, observed_at=at, statuses={FETCHER.name: status}, job=BACKFILL, origin=origin).id
