"""Which sources there are and how they fared: beside an analysis, and as a list that asks nobody."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import dataframely as dy
import polars as pl

from depin_compare.analysis import NO_SOURCE_OF_ITS_OWN, SourceStates
from depin_compare.doors import Schema
from depin_compare.errors import ConfigError, ModelDomainError, UnknownNameError
from depin_compare.jobs.config import JobConfig, SourceConfig
from depin_compare.market.freshness import FRESHNESS, AgeLimits, AgeRules, Ages, freshness_of
from depin_compare.market.snapshots import Snapshot
from depin_compare.market.store import Store
from depin_compare.refdata import networks, unpriced_networks
from fetchers import FETCHERS, Collection, Fetcher

__all__ = [
    "KEY_NEEDS",
    "LISTED_KINDS",
    "LISTED_STATES",
    "SourceList",
    "age_rules",
    "ages_of",
    "is_stale",
    "source_list",
    "source_states",
]

KEY_NEEDS = ("none", "optional", "required")
LISTED_KINDS = ("network", "marketplace", "cloud", "catalogue", "token prices", "hosted token prices")
LISTED_STATES = (
    "ok", "partial", "unreachable", "failed", "timed_out", "no_key", "off", "never asked", "no public price",
)  # fmt: skip
SUCCESSES = ("ok", "partial")
# Hourly runs of six weeks: a source that has been silent for longer counts as never heard of.
MOST_SNAPSHOTS = 1000


class SourceList(Schema):
    """Every source and every network that has none, with what the store knows of them.

    ``state`` is how the source fared when it was last asked, unless it is switched off, lacks its key now, was
    never asked, or is a network without a public price. ``rows``, ``age_days`` and ``freshness`` are those of the last
    success: offers, facts and token prices. ``last_error`` is of the newest round, null when that went well; for a
    network without a public price it is the reason.
    """

    source = dy.String(primary_key=True, min_length=1)
    title = dy.String(nullable=False, min_length=1)
    kind = dy.Enum(LISTED_KINDS, nullable=False)
    key = dy.Enum(KEY_NEEDS, nullable=False)
    key_variable = dy.String(nullable=True)
    state = dy.Enum(LISTED_STATES, nullable=False)
    last_success = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)
    age_days = dy.Float64(nullable=True, min=0)
    expected_age_days = dy.Float64(nullable=True, min_exclusive=0)
    limit_age_days = dy.Float64(nullable=True, min_exclusive=0)
    freshness = dy.Enum(FRESHNESS, nullable=True)
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
    rules = age_rules(config)
    newest, successes = _heard_of(store.snapshots() if store else ())
    rows = [
        _listed(fetcher, config, newest.get(name), successes.get(name), now, rules.of_source(name))
        for name, fetcher in FETCHERS.items()
    ]
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


def age_rules(config: JobConfig, *, max_age_days: float | None = None) -> AgeRules:
    """How old numbers may be: what each source declares, changed by the job file, tightened by ``max_age_days``.

    A job file that moves one of the two ages beyond the other moves both.

    Raises
    ------
    ConfigError
        If the job file gives a source a limit below the expected age it gives.
    """
    rules: dict[str, AgeLimits] = {}
    for name, fetcher in FETCHERS.items():
        try:
            rules[name] = ages_of(fetcher, config.sources.get(name))
        except ModelDomainError as error:
            raise ConfigError(f"[sources.{name}]: {error}") from error
    return AgeRules(sources=rules, max_age_days=max_age_days)


def ages_of(fetcher: Fetcher, mine: SourceConfig | None) -> AgeLimits:
    """Expected age and limit of one source, with what the job file says of it.

    Raises
    ------
    ModelDomainError
        If the job file gives a limit below the expected age it gives.
    """
    declared = fetcher.ages
    expected = mine.expected_age_days if mine else None
    limit = mine.limit_age_days if mine else None
    return AgeLimits(
        expected if expected is not None else min(declared.expected_age_days, limit or declared.limit_age_days),
        limit if limit is not None else max(declared.limit_age_days, expected or 0.0),
    )


def is_stale(states: pl.DataFrame) -> bool:
    """Whether any source of a job is beyond its expected age or gave no answer; those off or without a key don't count.

    Parameters
    ----------
    states : DataFrame[SourceStates]
    """
    state = pl.col("state").cast(pl.String)
    asked = states.filter(~state.is_in(["off", "no_key"]))
    silent = state.is_in(["unreachable", "failed", "timed_out"])
    old = pl.col("freshness").cast(pl.String).is_in(["stale", "expired"]).fill_null(False)
    return asked.filter(silent | old).height > 0


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
    limits: AgeLimits,
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
    age = max(0.0, (now - success[0]).total_seconds() / 86400) if success else None
    return {
        "source": fetcher.name,
        "title": fetcher.title,
        "kind": fetcher.kind,
        "key": need,
        "key_variable": variable,
        "state": state,
        "last_success": success[0] if success else None,
        "age_days": age,
        "expected_age_days": limits.expected_age_days,
        "limit_age_days": limits.limit_age_days,
        "freshness": freshness_of(age, limits),
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
    ages: Ages,
) -> dy.DataFrame[SourceStates]:
    """A row a fetcher, and a row a network or cloud known from reference data alone."""
    rows: list[dict[str, Any]] = []
    asked = {s.source: s for s in collection.statuses} if collection else {}
    for name, fetcher in FETCHERS.items():
        status = asked.get(name)
        switched_off = name in config.sources and not config.sources[name].enabled
        state = "off" if switched_off else status.status if status else "reference"
        detail = status.error or "; ".join(status.problems) if status else "not asked: this run is offline"
        standing = _standing(_stands_for(fetcher, offers, facts, token_prices), ages, name)
        if status is not None and status.status in SUCCESSES and standing["layer"] == "reference":
            # It answered and gives no prices: those that stand here are dated by their nature.
            standing |= _packaged_ages(ages, standing["age_days"])
        clock = standing.pop("clock")
        rows.append(
            {
                "source": name,
                "gives": fetcher.gives,
                "state": state,
                "rows": status.offers + status.facts + status.token_prices if status else 0,
                "skipped": sum(status.skipped.values()) if status else 0,
                "detail": "; ".join(part for part in (detail, clock) if part) or None,
                **standing,
            }
        )
    names = dict(networks().select("network", "display_name").iter_rows())
    wanted = offers.filter(
        (pl.col("segment") == "hyperscaler") | pl.col("network").is_in(list(config.analysis.networks))
    )
    first_hand = {n for fetcher in FETCHERS.values() if _first_hand(fetcher) for n in fetcher.networks}
    for network in sorted(set(wanted["network"]) - first_hand):
        mine = offers.filter(pl.col("network") == network).select("layer", "observed_at", "source")
        standing = _standing(mine, ages, None)
        clock = standing.pop("clock")
        detail = f"{NO_SOURCE_OF_ITS_OWN}: catalogues, or dated prices that ship with the package"
        rows.append(
            {
                "source": network,
                "gives": f"{names.get(network, network)} prices",
                "state": "reference",
                "rows": 0,
                "skipped": 0,
                "detail": "; ".join(part for part in (detail, clock) if part),
                **standing,
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


def _standing(frame: pl.DataFrame, ages: Ages, source: str | None) -> dict[str, Any]:
    """Which layer stands for a source, its newest day, its age and how that is judged.

    A source is expected to answer, so what stands in for it is judged by the source's own expected age, and by the
    limit of what it is. ``clock`` tells of a day that has not come yet.
    """
    if frame.is_empty():
        return {"layer": None, "newest_observed_at": None, "age_days": None, "clock": None}
    newest = frame.sort("observed_at").row(-1, named=True)
    at = newest["observed_at"]
    layers = set(frame["layer"].cast(pl.String))
    best = next(layer for layer in ("live", "stored", "reference") if layer in layers)
    age, ahead = ages.age_days(at), ages.ahead_days(at)
    packaged = ages.rules.of_packaged("list")
    own = ages.rules.of_source(source or str(newest["source"]))
    limits = own
    if best == "reference":
        limits = (
            packaged
            if source is None
            else AgeLimits(own.expected_age_days, max(own.expected_age_days, packaged.limit_age_days))
        )
    return {
        "layer": best,
        "newest_observed_at": at,
        "age_days": age,
        **_judged(age, limits),
        "clock": f"dated {at:%Y-%m-%d}, {ahead:g} days after this run's day: a clock is wrong; counted as new"
        if ahead
        else None,
    }


def _packaged_ages(ages: Ages, age_days: float) -> dict[str, Any]:
    return _judged(age_days, ages.rules.of_packaged("list"))


def _judged(age_days: float, limits: AgeLimits) -> dict[str, Any]:
    return {
        "expected_age_days": limits.expected_age_days,
        "limit_age_days": limits.limit_age_days,
        "freshness": freshness_of(age_days, limits),
    }
