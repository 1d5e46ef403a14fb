"""The main job: collect, store, lay the layers, analyse, report."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from depin_compare.analysis import Analysis, SourceStates, analyse
from depin_compare.errors import ConfigError, StoreError, UnknownNameError
from depin_compare.jobs.config import JobConfig
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.layers import layered_facts, layered_offers
from depin_compare.market.offers import Offers
from depin_compare.market.reference import reference_facts, reference_offers
from depin_compare.market.store import Store
from depin_compare.refdata import networks
from depin_compare.refdata.assumption_set import assumption_set
from fetchers import FETCHERS, Collection, collect

__all__ = ["Inputs", "analysis_of", "collected", "from_file", "gathered"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What an analysis is made from: the layered frames, and how each source fared."""

    as_of: datetime
    offers: Any
    facts: Any
    skipped: Any
    source_states: Any


def collected(
    config: JobConfig,
    *,
    now: datetime,
    store: Store | None,
    sources: list[str] | None = None,
    replay: Path | None = None,
    record: Path | None = None,
) -> Collection:
    """Ask the sources, and store what answered; a store that can't be written is logged and costs nothing else.

    Raises
    ------
    UnknownNameError
        If the job file or ``sources`` names a source there is none of.
    """
    for unknown in (name for name in config.sources if name not in FETCHERS):
        raise UnknownNameError("source", unknown, FETCHERS)
    off = [name for name, source in config.sources.items() if not source.enabled]
    budgets = {n: s.time_budget_seconds for n, s in config.sources.items() if s.time_budget_seconds is not None}
    collection = collect(
        sources,
        observed_at=now,
        off=off,
        mirrors=config.http.mirrors,
        replay=replay,
        record=record,
        time_budgets=budgets,
        key_variables={n: s.key_variable for n, s in config.sources.items() if s.key_variable is not None},
    )
    if store is not None and replay is None and any(s.status in ("ok", "partial") for s in collection.statuses):
        try:
            store.write(
                observed_at=now,
                offers=collection.offers,
                facts=collection.facts,
                skipped=collection.skipped,
                statuses={
                    s.source: {"status": s.status, "offers": s.offers, "error": s.error} for s in collection.statuses
                },
            )
        except StoreError as error:
            log.error("%s", error)
    return collection


def gathered(config: JobConfig, *, as_of: datetime, store: Store | None, collection: Collection | None) -> Inputs:
    """Lay live over stored over reference, and say of every source and network which layer stands for it.

    ``as_of`` is midnight of the day the run stands for: what was stored in the course of it counts.
    ``collection`` is None when nothing was asked (offline, or a past day).
    """
    replayed = [s.source for s in collection.statuses if s.observed_at < as_of] if collection else []
    live_offers = _relabelled(collection.offers, replayed) if collection else Offers.create_empty()
    live_facts = _relabelled(collection.facts, replayed) if collection else NetworkFacts.create_empty()
    silent = [n for n in FETCHERS if collection is None or n not in collection.results]
    stored_offers, stored_facts = (
        store.newest(silent, before=as_of + timedelta(days=1))
        if store
        else (Offers.create_empty(), NetworkFacts.create_empty())
    )
    offers = layered_offers(live_offers, stored_offers, reference_offers(as_of=as_of.date()))
    facts = layered_facts(live_facts, stored_facts, reference_facts(as_of=as_of.date()))
    return Inputs(
        as_of=as_of,
        offers=offers,
        facts=facts,
        skipped=collection.skipped if collection else None,
        source_states=_source_states(config, collection, offers, facts, as_of),
    )


def _relabelled(frame: pl.DataFrame, replayed: list[str]) -> Any:
    """Answers recorded on an earlier day are stored data, whatever they were when they were recorded."""
    old = (pl.col("layer") == "live") & pl.col("source").is_in(replayed)
    stored = pl.lit("stored").cast(frame.schema["layer"])
    return frame.with_columns(pl.when(old).then(stored).otherwise("layer").alias("layer"))


def from_file(path: Path, *, as_of: datetime) -> Inputs:
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
        as_of=as_of, offers=offers, facts=reference_facts(as_of=as_of.date()), skipped=None, source_states=None
    )


def _source_states(
    config: JobConfig, collection: Collection | None, offers: pl.DataFrame, facts: pl.DataFrame, as_of: datetime
) -> Any:
    """A row a fetcher, and a row a network or cloud known from reference data alone."""
    rows: list[dict[str, Any]] = []
    asked = {s.source: s for s in collection.statuses} if collection else {}
    for name, fetcher in FETCHERS.items():
        status = asked.get(name)
        switched_off = name in config.sources and not config.sources[name].enabled
        state = "off" if switched_off else status.status if status else "reference"
        detail = status.error or "; ".join(status.problems) if status else "not asked: this run is offline"
        standing = offers.filter(pl.col("source") == name, pl.col("not_comparable").is_null())
        if standing.is_empty():
            standing = facts.filter(pl.col("network").is_in(list(fetcher.networks)), pl.col("metric") == "token_price")
        rows.append(
            {
                "source": name,
                "gives": fetcher.gives,
                "state": state,
                "rows": status.offers + status.facts + status.token_prices if status else 0,
                "skipped": sum(status.skipped.values()) if status else 0,
                "detail": detail or None,
                **_standing(standing, as_of),
            }
        )
    names = dict(networks().select("network", "display_name").iter_rows())
    wanted = offers.filter(
        (pl.col("segment") == "hyperscaler") | pl.col("network").is_in(list(config.analysis.networks))
    )
    for network in sorted(set(wanted["network"]) - set(FETCHERS)):
        rows.append(
            {
                "source": network,
                "gives": f"{names.get(network, network)} prices",
                "state": "reference",
                "rows": 0,
                "skipped": 0,
                "detail": "no fetcher: dated reference prices that ship with the package",
                **_standing(offers.filter(pl.col("network") == network).select("layer", "observed_at"), as_of),
            }
        )
    return SourceStates.validate(pl.DataFrame(rows, schema=SourceStates.create_empty().schema))


def _standing(frame: pl.DataFrame, as_of: datetime) -> dict[str, Any]:
    """Which layer stands for a source, its newest day and its age."""
    if frame.is_empty():
        return {"layer": None, "newest_observed_at": None, "age_days": None}
    newest = frame["observed_at"].max()
    assert isinstance(newest, datetime)
    layers = set(frame["layer"].cast(pl.String))
    best = next(layer for layer in ("live", "stored", "reference") if layer in layers)
    return {"layer": best, "newest_observed_at": newest, "age_days": float(max(0, (as_of.date() - newest.date()).days))}


def analysis_of(config: JobConfig, inputs: Inputs) -> Analysis:
    """The analysis a job asks for."""
    asked = config.analysis
    known = networks()["network"]
    for unknown in (n for n in asked.networks if n not in set(known)):
        raise UnknownNameError("network", unknown, known)
    return analyse(
        inputs.offers,
        inputs.facts,
        as_of=inputs.as_of,
        network_ids=asked.networks,
        llm_ids=asked.llms,
        workload_ids=asked.workloads,
        scenario_ids=asked.scenarios,
        horizon=asked.horizon,
        assumptions=assumption_set(config.assumption_overrides(inputs.as_of.date())),
        overrides=config.overrides(),
        own_nodes=config.own_nodes(),
        source_states=inputs.source_states,
        skipped=inputs.skipped,
        provenance=_provenance(config, inputs.as_of.date()),
    )


def _provenance(config: JobConfig, day: date) -> Mapping[str, str]:
    packages = ("depin-compare", "polars", "dataframely", "numpy", "matplotlib", "typst")
    return {
        **{f"version_{name}": version(name) for name in packages},
        "python": platform.python_version(),
        "config_sha256": config.digest(),
        "seed": str(config.analysis.seed),
        **{f"assumption_not_in_force_{name}": "outside its validity" for name in config.lapsed_assumptions(day)},
    }
