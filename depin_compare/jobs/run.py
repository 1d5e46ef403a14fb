"""The main job: collect, store, lay the layers, analyse, report."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from depin_compare.analysis import Analysis, analyse
from depin_compare.errors import ConfigError, StoreError, UnknownNameError
from depin_compare.jobs.config import JobConfig
from depin_compare.jobs.logs import keep_secret, secret_variables
from depin_compare.jobs.sources import age_rules, source_states
from depin_compare.market.dated_prices import stored_decline
from depin_compare.market.discrepancies import discrepancies
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.freshness import AgeRules, Ages
from depin_compare.market.layers import layered_facts, layered_offers, layered_token_prices, unlayered_offers
from depin_compare.market.offers import Offers
from depin_compare.market.reference import reference_facts, reference_offers
from depin_compare.market.snapshots import Snapshot
from depin_compare.market.store import Store
from depin_compare.market.token_prices import TokenPrices, reference_token_prices
from depin_compare.refdata import networks
from depin_compare.refdata.assumption_set import assumption_set
from fetchers import FETCHERS, Collection, Progress, collect

__all__ = ["Inputs", "analysis_of", "asked", "collected", "from_file", "gathered", "stored"]

log = logging.getLogger(__name__)

CACHE_FOLDER = "http-cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What an analysis is made from: the layered frames, and how each source fared."""

    as_of: datetime
    offers: Any
    facts: Any
    skipped: Any
    source_states: Any
    token_prices: Any = None
    discrepancies: Any = None
    age_rules: AgeRules | None = None
    stored_decline: Any = None


def asked(
    config: JobConfig,
    *,
    now: datetime,
    store: Store | None,
    sources: list[str] | None = None,
    replay: Path | None = None,
    record: Path | None = None,
    progress: Progress | None = None,
) -> Collection:
    """Ask the sources; nothing is stored yet.

    Answers are kept in the store's folder, so that a source which has not changed need not send them again.

    Raises
    ------
    UnknownNameError
        If the job file or ``sources`` names a source there is none of.
    """
    for unknown in (name for name in config.sources if name not in FETCHERS):
        raise UnknownNameError("source", unknown, FETCHERS)
    keep_secret(secret_variables(config))
    off = [name for name, source in config.sources.items() if not source.enabled]
    budgets = {n: s.time_budget_seconds for n, s in config.sources.items() if s.time_budget_seconds is not None}
    return collect(
        sources,
        observed_at=now,
        off=off,
        mirrors=config.http.mirrors,
        replay=replay,
        record=record,
        time_budgets=budgets,
        key_variables={n: s.key_variable for n, s in config.sources.items() if s.key_variable is not None},
        cache=store.working_folder / CACHE_FOLDER if store is not None else None,
        progress=progress,
    )


def stored(config: JobConfig, collection: Collection, *, now: datetime, store: Store) -> None:
    """Keep what answered as a snapshot; a round in which no source answered leaves none.

    Raises
    ------
    StoreError
        If the store can't be written.
    """
    if not any(s.status in ("ok", "partial") for s in collection.statuses):
        log.warning("no source answered: nothing was stored")
        return
    snapshot = store.write(
        observed_at=now,
        job=config.name,
        offers=collection.offers,
        facts=collection.facts,
        skipped=collection.skipped,
        token_prices=collection.token_prices,
        statuses={
            s.source: {
                "status": s.status,
                "offers": s.offers,
                "facts": s.facts,
                "token_prices": s.token_prices,
                "skipped": sum(s.skipped.values()),
                "error": s.error or "; ".join(s.problems) or None,
            }
            for s in collection.statuses
        },
    )
    _tell_stored(snapshot)


def collected(
    config: JobConfig, *, now: datetime, store: Store | None, replay: Path | None = None, **options: Any
) -> Collection:
    """`asked`, then `stored` unless it was a replay; a store that can't be written is logged and costs nothing else."""
    collection = asked(config, now=now, store=store, replay=replay, **options)
    if store is not None and replay is None:
        try:
            stored(config, collection, now=now, store=store)
        except StoreError as error:
            log.error("%s", error)
    return collection


def _tell_stored(snapshot: Snapshot) -> None:
    files = snapshot.manifest.tables.values()
    rows, size = sum(file.rows or 0 for file in files), sum(file.bytes or 0 for file in files)
    log.info(
        "snapshot %s stored: %d rows, %d kB",
        snapshot.id,
        rows,
        round(size / 1000),
        extra={"snapshot": snapshot.id, "rows": rows, "bytes": size},
    )


def gathered(
    config: JobConfig,
    *,
    as_of: datetime,
    store: Store | None,
    collection: Collection | None,
    max_age_days: float | None = None,
) -> Inputs:
    """Lay live over stored over reference, and say of every source and network which layer stands for it.

    ``as_of`` is midnight of the day the run stands for: what was stored in the course of it counts.
    ``collection`` is None when nothing was asked (offline, or a past day). ``max_age_days`` tightens every
    limit of age.

    Raises
    ------
    ConfigError
        If the job file gives a source a limit below its expected age.
    """
    rules = age_rules(config, max_age_days=max_age_days)
    ages = Ages(rules=rules, as_of=as_of)
    replayed = [s.source for s in collection.statuses if s.observed_at < as_of] if collection else []
    live_offers = _relabelled(collection.offers, replayed) if collection else Offers.create_empty()
    live_facts = _relabelled(collection.facts, replayed) if collection else NetworkFacts.create_empty()
    silent = [n for n in FETCHERS if collection is None or n not in collection.results]
    stored_offers, stored_facts = (
        store.newest(silent, before=as_of + timedelta(days=1))
        if store
        else (Offers.create_empty(), NetworkFacts.create_empty())
    )
    every = (live_offers, stored_offers, reference_offers(as_of=as_of.date()))
    offers = layered_offers(*every, ages=ages)
    facts = layered_facts(live_facts, stored_facts, reference_facts(as_of=as_of.date()), ages=ages)
    token_prices = layered_token_prices(
        _relabelled(collection.token_prices, replayed) if collection else TokenPrices.create_empty(),
        store.newest_token_prices(silent, before=as_of + timedelta(days=1)) if store else TokenPrices.create_empty(),
        reference_token_prices(as_of.date()),
        ages=ages,
    )
    return Inputs(
        as_of=as_of,
        offers=offers,
        facts=facts,
        skipped=collection.skipped if collection else None,
        source_states=source_states(config, collection, offers, facts, token_prices, ages=ages),
        token_prices=token_prices,
        discrepancies=discrepancies(unlayered_offers(*every)),
        age_rules=rules,
        stored_decline=(
            stored_decline(store, before=as_of + timedelta(days=1))
            if store and config.analysis.decline_from == "history"
            else None
        ),
    )


def _relabelled(frame: pl.DataFrame, replayed: list[str]) -> Any:
    """Answers recorded on an earlier day are stored data, whatever they were when they were recorded."""
    old = (pl.col("layer") == "live") & pl.col("source").is_in(replayed)
    stored = pl.lit("stored").cast(frame.schema["layer"])
    return frame.with_columns(pl.when(old).then(stored).otherwise("layer").alias("layer"))


def from_file(path: Path, *, as_of: datetime, age_rules: AgeRules | None = None) -> Inputs:
    """Offers of a file the user names, with the reference facts; nothing is collected.

    Raises
    ------
    ConfigError
        If the file can't be read, or its rows are no Offers; the message says which rule they break.
    """
    readers: dict[str, Any] = {
        ".parquet": pl.read_parquet,
        ".csv": partial(pl.read_csv, infer_schema_length=None),
        ".json": partial(pl.read_json, infer_schema_length=None),
    }
    if path.suffix not in readers:
        raise ConfigError(f"{path}: use an ending of .parquet, .csv or .json")
    schema = Offers.create_empty().schema
    try:
        frame = readers[path.suffix](path)
        texts = [c for c, t in schema.items() if isinstance(t, pl.Datetime) and frame.schema.get(c) == pl.String]
        frame = frame.with_columns(pl.col(texts).str.to_datetime(time_unit="us", time_zone="UTC"))
        offers = Offers.validate(frame.with_columns(pl.col(pl.Null).cast(pl.String)), cast=True)
    except (OSError, pl.exceptions.PolarsError, dy.exc.SchemaError, dy.exc.ValidationError) as error:
        raise ConfigError(f"{path}: no Offers in it: {error}") from error
    return Inputs(
        as_of=as_of,
        offers=offers,
        facts=reference_facts(as_of=as_of.date()),
        skipped=None,
        source_states=None,
        age_rules=age_rules,
    )


def analysis_of(config: JobConfig, inputs: Inputs) -> Analysis:
    """The analysis a job asks for."""
    begun, asked = time.monotonic(), config.analysis
    known = networks()["network"]
    for unknown in (n for n in asked.networks if n not in set(known)):
        raise UnknownNameError("network", unknown, known)
    made = analyse(
        inputs.offers,
        inputs.facts,
        as_of=inputs.as_of,
        network_ids=asked.networks,
        llm_ids=asked.llms,
        workload_ids=asked.workloads,
        scenario_ids=asked.scenarios,
        horizon=asked.horizon,
        sensitivity_ids=asked.sensitivity,
        draws=asked.draws,
        seed=asked.seed,
        assumptions=assumption_set(config.assumption_overrides(inputs.as_of.date())),
        overrides=config.overrides(),
        own_nodes=config.own_nodes(),
        own_scenarios=config.scenarios,
        source_states=inputs.source_states,
        skipped=inputs.skipped,
        token_prices=inputs.token_prices,
        discrepancies=inputs.discrepancies,
        minimum_reliability=asked.minimum_reliability,
        age_rules=inputs.age_rules,
        decline_from=asked.decline_from,
        stored_decline=inputs.stored_decline,
        provenance=_provenance(config, inputs.as_of.date()),
    )
    seconds = round(time.monotonic() - begun, 3)
    log.info(
        "analysis of %s: %.1f s",
        ", ".join(asked.networks),
        seconds,
        extra={"as_of": inputs.as_of.isoformat(), "seconds": seconds},
    )
    return made


def _provenance(config: JobConfig, day: date) -> Mapping[str, str]:
    packages = ("depin-compare", "polars", "dataframely", "numpy", "matplotlib", "typst")
    return {
        **{f"version_{name}": version(name) for name in packages},
        "python": platform.python_version(),
        "config_sha256": config.digest(),
        "seed": str(config.analysis.seed),
        **{f"assumption_not_in_force_{name}": "outside its validity" for name in config.lapsed_assumptions(day)},
    }
