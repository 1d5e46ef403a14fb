"""Which sources there are and how they fared: beside an analysis, and as a list that asks nobody."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import dataframely as dy
import polars as pl

from depin_compare.analysis import SourceStates
from depin_compare.errors import UnknownNameError
from depin_compare.jobs.config import JobConfig
from depin_compare.market.snapshots import Snapshot
from depin_compare.market.store import Store
from depin_compare.refdata import networks, unpriced_networks
from fetchers import FETCHERS, Collection, Fetcher

__all__ = ["KEY_NEEDS", "LISTED_KINDS", "LISTED_STATES", "SourceList", "source_list", "source_states"]

KEY_NEEDS = ("none", "optional", "required")
LISTED_KINDS = ("network", "marketplace", "cloud", "catalogue", "token prices", "hosted token prices")
LISTED_STATES = (
    "ok", "partial", "unreachable", "failed", "timed_out", "no_key", "off", "never asked", "no public price",
)  # fmt: skip
SUCCESSES = ("ok", "partial")
# Hourly runs of six weeks: a source that has been silent for longer counts as never heard of.
MOST_SNAPSHOTS = 1000


class SourceList(dy.Schema):
    """Every source and every network that has none, with what the store knows of them.

    ``state`` is how the source fared when it was last asked, unless it is switched off, lacks its key now, was
    never asked, or is a network without a public price. ``rows`` are those of the last success: offers, facts and
    token prices. ``last_error`` is of the newest round, null when that went well; for a network without a public
    price it is the reason.
    """

    source = dy.String(primary_key=True, min_length=1)
    title = dy.String(nullable=False, min_length=1)
    kind = dy.Enum(LISTED_KINDS, nullable=False)
    key = dy.Enum(KEY_NEEDS, nullable=False)
    key_variable = dy.String(nullable=True)
    state = dy.Enum(LISTED_STATES, nullable=False)
    last_success = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)
    age_days = dy.Float64(nullable=True, min=0)
    rows = dy.Int64(nullable=True, min=0)
    last_error = dy.String(nullable=True)
    gives = dy.String(nullable=True)
    terms = dy.String(nullable=True)


def source_list(config: JobConfig, *, store: Store | None, now: datetime) -> dy.DataFrame[SourceList]:
    """List all sources from what is declared and stored; no source is asked.

    Parameters
    ----------
    config : JobConfig
        Which sources are switched off, and where their keys are.
    store : Store, optional
        Whose manifests tell how the sources fared; without one none was ever asked.
    now : datetime
        What ages are counted from, with its time zone.

    Raises
    ------
    UnknownNameError
        If the job file names a source there is none of.
    """
    for unknown in (name for name in config.sources if name not in FETCHERS):
        raise UnknownNameError("source", unknown, FETCHERS)
    newest, successes = _heard_of(store.snapshots() if store else ())
    rows = [_listed(fetcher, config, newest.get(name), successes.get(name), now) for name, fetcher in FETCHERS.items()]
    for network, title, reason in unpriced_networks().select("network", "display_name", "reason").iter_rows():
        rows.append(
            {
                "source": network,
                "title": title,
                "kind": "network",
                "key": "none",
                "state": "no public price",
                "last_error": reason,
            }
        )
    return SourceList.validate(pl.DataFrame(rows, schema=SourceList.create_empty().schema))


def _heard_of(
    snapshots: Iterable[Snapshot],
) -> tuple[dict[str, Mapping[str, Any]], dict[str, tuple[datetime, Mapping[str, Any]]]]:
    """What the manifests say of each source: the newest round, and the newest that went well."""
    newest: dict[str, Mapping[str, Any]] = {}
    successes: dict[str, tuple[datetime, Mapping[str, Any]]] = {}
    for snapshot in itertools.islice(snapshots, MOST_SNAPSHOTS):
        missing = [n for n, s in snapshot.sources.items() if n not in newest or (s in SUCCESSES and n not in successes)]
        if not missing:
            continue
        told = snapshot.manifest.statuses
        for name in missing:
            entry = told[name]
            newest.setdefault(name, entry)
            if snapshot.sources[name] in SUCCESSES:
                successes.setdefault(name, (snapshot.observed_at, entry))
        if len(successes) == len(FETCHERS):
            break
    return newest, successes


def _listed(
    fetcher: Fetcher,
    config: JobConfig,
    newest: Mapping[str, Any] | None,
    success: tuple[datetime, Mapping[str, Any]] | None,
    now: datetime,
) -> dict[str, Any]:
    mine = config.sources.get(fetcher.name)
    variable = (mine.key_variable if mine else None) or fetcher.key_variable
    need = "none" if variable is None else "required" if fetcher.key_required else "optional"
    state = str(newest.get("status")) if newest else "never asked"
    if mine is not None and not mine.enabled:
        state = "off"
    elif need == "required" and not os.environ.get(variable or "", "").strip():
        state = "no_key"
    elif state not in LISTED_STATES or state in ("off", "no_key"):  # neither holds any more
        state = "never asked"
    error = newest.get("error") if newest else None
    return {
        "source": fetcher.name,
        "title": fetcher.title,
        "kind": fetcher.kind,
        "key": need,
        "key_variable": variable,
        "state": state,
        "last_success": success[0] if success else None,
        "age_days": max(0.0, (now - success[0]).total_seconds() / 86400) if success else None,
        "rows": _rows(success[1]) if success else None,
        "last_error": error if isinstance(error, str) else None,
        "gives": fetcher.gives,
        "terms": fetcher.terms,
    }


def _rows(entry: Mapping[str, Any]) -> int:
    counts = (entry.get(name) for name in ("offers", "facts", "token_prices"))
    return sum(count for count in counts if isinstance(count, int) and count > 0)


def source_states(
    config: JobConfig,
    collection: Collection | None,
    offers: pl.DataFrame,
    facts: pl.DataFrame,
    token_prices: pl.DataFrame,
    *,
    as_of: datetime,
) -> dy.DataFrame[SourceStates]:
    """A row a fetcher, and a row a network or cloud known from reference data alone."""
    rows: list[dict[str, Any]] = []
    asked = {s.source: s for s in collection.statuses} if collection else {}
    for name, fetcher in FETCHERS.items():
        status = asked.get(name)
        switched_off = name in config.sources and not config.sources[name].enabled
        state = "off" if switched_off else status.status if status else "reference"
        detail = status.error or "; ".join(status.problems) if status else "not asked: this run is offline"
        rows.append(
            {
                "source": name,
                "gives": fetcher.gives,
                "state": state,
                "rows": status.offers + status.facts + status.token_prices if status else 0,
                "skipped": sum(status.skipped.values()) if status else 0,
                "detail": detail or None,
                **_standing(_stands_for(fetcher, offers, facts, token_prices), as_of),
            }
        )
    names = dict(networks().select("network", "display_name").iter_rows())
    wanted = offers.filter(
        (pl.col("segment") == "hyperscaler") | pl.col("network").is_in(list(config.analysis.networks))
    )
    first_hand = {n for fetcher in FETCHERS.values() if _first_hand(fetcher) for n in fetcher.networks}
    for network in sorted(set(wanted["network"]) - first_hand):
        rows.append(
            {
                "source": network,
                "gives": f"{names.get(network, network)} prices",
                "state": "reference",
                "rows": 0,
                "skipped": 0,
                "detail": "no fetcher of its own: catalogues, or dated prices that ship with the package",
                **_standing(offers.filter(pl.col("network") == network).select("layer", "observed_at"), as_of),
            }
        )
    return SourceStates.validate(pl.DataFrame(rows, schema=SourceStates.create_empty().schema))


def _first_hand(fetcher: Fetcher) -> bool:
    return fetcher.kind in ("network", "marketplace", "cloud")


def _stands_for(
    fetcher: Fetcher, offers: pl.DataFrame, facts: pl.DataFrame, token_prices: pl.DataFrame
) -> pl.DataFrame:
    """The rows a source gave, or those of the package that stand in for a source that speaks for its networks.

    Nobody stands in for a catalogue: the offers of its clouds are others' work.
    """
    mine = pl.col("source") == fetcher.name
    own = [
        offers.filter(mine, pl.col("not_comparable").is_null()), token_prices.filter(mine), facts.filter(mine),
    ]  # fmt: skip
    if not _first_hand(fetcher) and fetcher.kind != "token prices":
        return next((frame for frame in own if frame.height), offers.clear())
    theirs = pl.col("network").is_in(list(fetcher.networks))
    packaged = pl.col("layer") == "reference"
    standing = [own[0], offers.filter(theirs, packaged, pl.col("not_comparable").is_null()), *own[1:]]
    stand_in = facts.filter(theirs, packaged, pl.col("metric") == "token_price")
    if fetcher.kind == "token prices":
        standing = [own[2], stand_in]
    return next((frame for frame in [*standing, stand_in] if frame.height), offers.clear())


def _standing(frame: pl.DataFrame, as_of: datetime) -> dict[str, Any]:
    """Which layer stands for a source, its newest day and its age."""
    if frame.is_empty():
        return {"layer": None, "newest_observed_at": None, "age_days": None}
    newest = frame["observed_at"].max()
    assert isinstance(newest, datetime)
    layers = set(frame["layer"].cast(pl.String))
    best = next(layer for layer in ("live", "stored", "reference") if layer in layers)
    return {"layer": best, "newest_observed_at": newest, "age_days": float(max(0, (as_of.date() - newest.date()).days))}
