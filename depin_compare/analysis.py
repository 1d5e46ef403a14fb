"""Runs the three wings in order and holds what comes out: the Analysis every report is drawn from."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.economics.comparison import Comparison, compare
from depin_compare.economics.decline import decline_from_history
from depin_compare.economics.headlines import Headlines, headlines, subjects
from depin_compare.economics.lineage import Lineage
from depin_compare.economics.margins import Margins, margins
from depin_compare.economics.market_check import ModelAgainstMarket, model_against_market
from depin_compare.economics.nodes import OwnNode, node_changes
from depin_compare.economics.outlook import erosion
from depin_compare.economics.outlook_frames import AdvantagePaths, Drivers, ErosionProbabilities, MarginPaths, Outlook
from depin_compare.economics.own_scenarios import scenario_changes
from depin_compare.economics.scenarios import BASE, ScenarioValues, scenario_values, scenarios
from depin_compare.economics.sensitivity import Sensitivity, sensitivity
from depin_compare.economics.stress import StressGrid, stress_of
from depin_compare.economics.token_economics import TokenEconomics, token_economics
from depin_compare.economics.uncertainty import DEFAULT_DRAWS
from depin_compare.errors import ConfigError, UnknownNameError
from depin_compare.inference.references import UnitCosts, hourly_references, unit_costs
from depin_compare.inference.sellers import SellerTerms, seller_terms
from depin_compare.inference.throughput import Throughputs, throughput_table
from depin_compare.inference.workloads import workload
from depin_compare.market.dated_prices import TrendFits, Trends, trend_fits
from depin_compare.market.dated_prices import trends as dated_trends
from depin_compare.market.discrepancies import Discrepancies
from depin_compare.market.discrepancies import discrepancies as disagreements
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.freshness import FRESHNESS, AgeRules, Ages, LeftOut
from depin_compare.market.offers import Offers, Skipped
from depin_compare.market.overrides import (
    Overrides,
    UserChanges,
    assumption_changes,
    discount_changes,
    overridden_facts,
    overridden_offers,
)
from depin_compare.market.prices import MarketPrices, market_prices
from depin_compare.market.statistics import MarketStatistics, market_statistics
from depin_compare.market.token_prices import TokenPrices, reference_token_prices
from depin_compare.refdata import Assumptions, Sources, accelerators, llms, networks, sources, token_hosts
from depin_compare.refdata.assumption_set import AssumptionSet, assumption_set

__all__ = [
    "DEFAULT_LLMS",
    "DEFAULT_SCENARIOS",
    "DEFAULT_WORKLOADS",
    "NO_SOURCE_OF_ITS_OWN",
    "SOURCE_STATES",
    "Analysis",
    "Headlines",
    "SourceStates",
    "analyse",
]

SOURCE_STATES = ("ok", "partial", "unreachable", "failed", "timed_out", "no_key", "off", "reference")
DEFAULT_LLMS = ("llama-3.3-70b", "llama-3.1-8b", "gpt-oss-120b", "deepseek-v3")
DEFAULT_WORKLOADS = ("chat",)
DEFAULT_SCENARIOS = (
    "base", "maia200", "silicon_price_war", "fractile", "supply_crunch", "depin_gains", "token_crash", "cloud_mix",
)  # fmt: skip
DEFAULT_HORIZON = date(2036, 12, 31)
_SCHEMA = 2


# Frames of more rows than this are Parquet inside the document: as lists of numbers they would be most of it.
_MOST_ROWS = 5_000
_ALWAYS_PARQUET = ("advantage_paths", "margin_paths")


# How the detail of a seller begins that no fetcher asks: others tell its prices.
NO_SOURCE_OF_ITS_OWN = "no fetcher of its own"


class SourceStates(Schema):
    """How each source fared in this run, and which layer of data stands in for it.

    ``expected_age_days`` is the source's own where it did not answer: what stands in does not make it fresh.
    """

    source = dy.String(primary_key=True)
    gives = dy.String(nullable=False)
    state = dy.Enum(SOURCE_STATES, nullable=False)
    layer = dy.String(nullable=True)
    rows = dy.Int64(nullable=False, min=0)
    skipped = dy.Int64(nullable=False, min=0)
    newest_observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)
    age_days = dy.Float64(nullable=True)
    expected_age_days = dy.Float64(nullable=True)
    limit_age_days = dy.Float64(nullable=True)
    freshness = dy.Enum(FRESHNESS, nullable=True)
    detail = dy.String(nullable=True)


_FRAMES: dict[str, type[dy.Schema]] = {
    "headlines": Headlines,
    "source_states": SourceStates,
    "offers": Offers,
    "skipped": Skipped,
    "facts": NetworkFacts,
    "market_prices": MarketPrices,
    "market_statistics": MarketStatistics,
    "discrepancies": Discrepancies,
    "token_prices": TokenPrices,
    "market_check": ModelAgainstMarket,
    "throughputs": Throughputs,
    "seller_terms": SellerTerms,
    "unit_costs": UnitCosts,
    "comparison": Comparison,
    "margins": Margins,
    "advantage_paths": AdvantagePaths,
    "margin_paths": MarginPaths,
    "outlook": Outlook,
    "drivers": Drivers,
    "erosion_probabilities": ErosionProbabilities,
    "sensitivity": Sensitivity,
    "stress": StressGrid,
    "token_economics": TokenEconomics,
    "assumptions": Assumptions,
    "trends": Trends,
    "trend_fits": TrendFits,
    "user_changes": UserChanges,
    "scenarios": ScenarioValues,
    "sources": Sources,
    "left_out": LeftOut,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """All frames of one run, with its assumptions and provenance; saved and loaded whole."""

    as_of: datetime
    headlines: dy.DataFrame[Headlines]
    source_states: dy.DataFrame[SourceStates]
    offers: dy.DataFrame[Offers]
    skipped: dy.DataFrame[Skipped]
    facts: dy.DataFrame[NetworkFacts]
    market_prices: dy.DataFrame[MarketPrices]
    market_statistics: dy.DataFrame[MarketStatistics]
    discrepancies: dy.DataFrame[Discrepancies]
    token_prices: dy.DataFrame[TokenPrices]
    market_check: dy.DataFrame[ModelAgainstMarket]
    throughputs: dy.DataFrame[Throughputs]
    seller_terms: dy.DataFrame[SellerTerms]
    unit_costs: dy.DataFrame[UnitCosts]
    comparison: dy.DataFrame[Comparison]
    margins: dy.DataFrame[Margins]
    advantage_paths: dy.DataFrame[AdvantagePaths]
    margin_paths: dy.DataFrame[MarginPaths]
    outlook: dy.DataFrame[Outlook]
    drivers: dy.DataFrame[Drivers]
    token_economics: dy.DataFrame[TokenEconomics]
    assumptions: dy.DataFrame[Assumptions]
    trends: dy.DataFrame[Trends]
    trend_fits: dy.DataFrame[TrendFits]
    user_changes: dy.DataFrame[UserChanges]
    scenarios: dy.DataFrame[ScenarioValues]
    sources: dy.DataFrame[Sources]
    display_names: dict[str, str]
    provenance: dict[str, str]
    erosion_probabilities: dy.DataFrame[ErosionProbabilities] = field(default_factory=ErosionProbabilities.create_empty)
    sensitivity: dy.DataFrame[Sensitivity] = field(default_factory=Sensitivity.create_empty)
    stress: dy.DataFrame[StressGrid] = field(default_factory=StressGrid.create_empty)
    left_out: dy.DataFrame[LeftOut] = field(default_factory=LeftOut.create_empty)

    def to_json(self) -> str:
        """The whole analysis as one JSON document; `from_json` gives it back.

        A frame is a list a column; the monthly paths, and any frame of more than 5,000 rows, are base64 of Parquet
        under the key ``parquet``.
        """
        document: dict[str, Any] = {
            "schema": _SCHEMA,
            "as_of": self.as_of.isoformat(),
            "display_names": self.display_names,
            "provenance": self.provenance,
            "frames": {name: _written(name, getattr(self, name)) for name in _FRAMES},
        }
        return json.dumps(document, sort_keys=True, indent=None, separators=(",", ":")) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Analysis:
        """Load what `to_json` wrote.

        Raises
        ------
        ConfigError
            If the document is not one of ours or has a schema this version can't read.
        """
        try:
            document = json.loads(text)
            version, frames = document["schema"], document["frames"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ConfigError(f"not a saved analysis ({error}); give the analysis.json of an earlier run") from error
        if version not in (1, _SCHEMA):
            raise ConfigError(
                f"saved analysis has schema {version}, this version reads 1 to {_SCHEMA}; run the analysis again"
            )
        try:
            loaded: dict[str, Any] = {n: _load_frame(frames.get(n, {}), schema) for n, schema in _FRAMES.items()}
            return cls(
                as_of=datetime.fromisoformat(document["as_of"]),
                display_names=document["display_names"],
                provenance=document["provenance"],
                **loaded,
            )
        except _NOT_OURS as error:
            told = " ".join(str(error).split())
            raise ConfigError(f"saved analysis is damaged ({told}); run the analysis again") from error


# What a document fails with whose frames have other columns, types or rules than ours.
_NOT_OURS = (
    AttributeError, LookupError, OSError, TypeError, ValueError, dy.exc.SchemaError, dy.exc.ValidationError,
    pl.exceptions.PolarsError,
)  # fmt: skip


def _written(name: str, frame: pl.DataFrame) -> dict[str, Any]:
    if name not in _ALWAYS_PARQUET and frame.height <= _MOST_ROWS:
        return _columns(frame)
    held = io.BytesIO()
    # In one piece, so that the bytes don't tell how many threads made it.
    frame.rechunk().write_parquet(held, compression="zstd")
    return {"parquet": base64.b64encode(held.getvalue()).decode("ascii")}


def _columns(frame: pl.DataFrame) -> dict[str, list[Any]]:
    """A frame as JSON columns: times and dates in ISO form, a number without a finite value as a word."""
    wordy = frame.with_columns(
        pl.col(pl.Enum).cast(pl.String),
        pl.col(pl.Date).dt.to_string("iso"),
        pl.col(pl.Datetime).dt.to_string("iso"),
    )
    infinite = [c for c in wordy.columns if wordy.schema[c].is_float() and wordy[c].is_infinite().any()]
    return wordy.with_columns(pl.col(infinite).cast(pl.String)).to_dict(as_series=False)


def _load_frame(columns: dict[str, Any], schema: type[dy.Schema]) -> pl.DataFrame:
    """The inverse of `_written`, validated; what an older version did not write is empty, or unknown."""
    wanted = schema.create_empty().schema
    if isinstance(columns.get("parquet"), str):
        read = pl.read_parquet(io.BytesIO(base64.b64decode(columns["parquet"])))
        unknown = [pl.lit(None, dtype=t).alias(c) for c, t in wanted.items() if c not in read.columns]
        return schema.validate(read.with_columns(unknown).select(list(wanted)), cast=True)
    rows = len(next(iter(columns.values()), []))
    columns = {name: columns.get(name, [None] * rows) for name in wanted}
    read_as = {
        c: pl.String if isinstance(t, pl.Enum | pl.Date | pl.Datetime) or _worded(columns[c], t) else t
        for c, t in wanted.items()
    }
    frame = pl.DataFrame(columns, schema=read_as).with_columns(
        *(pl.col(c).str.to_date() for c, t in wanted.items() if isinstance(t, pl.Date)),
        *(
            pl.col(c).str.to_datetime(time_unit="us", time_zone="UTC")
            for c, t in wanted.items()
            if isinstance(t, pl.Datetime)
        ),
    )
    return schema.validate(frame, cast=True)


def _worded(values: list[Any], dtype: pl.DataType) -> bool:
    return dtype.is_float() and any(isinstance(value, str) for value in values)


def analyse(
    offers: dy.DataFrame[Offers],
    facts: dy.DataFrame[NetworkFacts],
    *,
    as_of: datetime,
    llm_ids: Sequence[str] = DEFAULT_LLMS,
    workload_ids: Sequence[str] = DEFAULT_WORKLOADS,
    scenario_ids: Sequence[str] = DEFAULT_SCENARIOS,
    network_ids: Sequence[str] | None = None,
    horizon: date = DEFAULT_HORIZON,
    sensitivity_ids: Sequence[str] = (BASE,),
    draws: int = DEFAULT_DRAWS,
    seed: int = 0,
    assumptions: AssumptionSet | None = None,
    overrides: Overrides | None = None,
    own_nodes: Sequence[OwnNode] = (),
    own_scenarios: Mapping[str, Mapping[str, Any]] | None = None,
    source_states: dy.DataFrame[SourceStates] | None = None,
    skipped: dy.DataFrame[Skipped] | None = None,
    token_prices: dy.DataFrame[TokenPrices] | None = None,
    discrepancies: dy.DataFrame[Discrepancies] | None = None,
    minimum_reliability: float | None = None,
    age_rules: AgeRules | None = None,
    decline_from: str = "assumption",
    stored_decline: dy.DataFrame[TrendFits] | None = None,
    provenance: Mapping[str, str] | None = None,
) -> Analysis:
    """Everything the reports show, from offers and facts. Pure: no network, no files but the packaged tables.

    Parameters
    ----------
    offers : DataFrame[Offers]
        Networks and clouds, any layers.
    facts : DataFrame[NetworkFacts]
        Take rates, utilisation, rewards, token prices.
    as_of : datetime
        Today, with its time zone.
    llm_ids, workload_ids, scenario_ids : sequence of str
        What to analyse. The first LLM a network can serve stands for it; the first workload is the headline's.
    network_ids : sequence of str, optional
        Networks to analyse; default: every network of ``offers`` that is no cloud, sorted.
    horizon : date
        How far the erosion looks.
    sensitivity_ids : sequence of str
        Scenarios of which the inputs are told apart by how much they decide.
    draws, seed : int
        How many draws stand behind its quantiles, a power of two, and what they start from.
    assumptions : AssumptionSet, optional
        In force; default: the packaged ones.
    overrides : Overrides, optional
        The user's own prices, discounts and facts, in place of those of ``offers`` and ``facts``.
    own_nodes : sequence of OwnNode
        The user's own nodes; they add rows of archetype ``own`` to the margins.
    own_scenarios : mapping, optional
        The user's scenarios, see `depin_compare.economics.scenarios.scenarios`.
    token_prices : DataFrame[TokenPrices], optional
        What hosts ask for tokens; default: the packaged prices up to ``as_of``.
    discrepancies : DataFrame[Discrepancies], optional
        Where sources disagree; default: those among ``offers``. Give them where layers were dropped before.
    minimum_reliability : float, optional
        Leave offers of a lower told reliability out of the market statistics. [fraction]
    age_rules : AgeRules, optional
        How old numbers may be; beyond its limit a price or measured fact leaves the verdict. Default: the rules of the
        package, every source as one that nobody declares.
    decline_from : {"assumption", "history"}
        Whether base's decline of hardware cost is the scenario's, or that of ``stored_decline`` where it is long
        enough; `Analysis.user_changes` tells either way.
    stored_decline : DataFrame[TrendFits], optional
        From `depin_compare.market.dated_prices.stored_decline`.
    source_states, skipped, provenance : optional
        Carried along for the reports.

    Returns
    -------
    Analysis

    Raises
    ------
    UnknownNameError
        If an LLM, workload or scenario does not exist.
    """
    if as_of.tzinfo is None:
        raise ConfigError("as_of needs a time zone, e.g. datetime.now(UTC)")
    in_force = assumptions or assumption_set()
    known_llms = set(llms()["llm"])
    for unknown in (i for i in llm_ids if i not in known_llms):
        raise UnknownNameError("LLM", unknown, known_llms)
    loads = [workload(i) for i in workload_ids]
    told = scenarios(list(dict.fromkeys([*scenario_ids, *sensitivity_ids])), own=own_scenarios)
    told_values = scenario_values(list(dict.fromkeys([BASE, *scenario_ids])), own=own_scenarios)
    declines: list[dy.DataFrame[UserChanges]] = []
    if decline_from == "history":
        decline = decline_from_history(told, told_values, stored_decline)
        told, told_values, declines = decline.scenarios, decline.values, [decline.change]
    changed, day = overrides or Overrides(), as_of.date()
    offers, price_changes = overridden_offers(offers, changed.prices, day=day)
    facts, fact_changes = overridden_facts(facts, changed.facts, day=day)
    discounts = [discount for discount in changed.discounts if discount.holds(day)]
    chosen_networks = list(network_ids) if network_ids is not None else _networks_of(offers)
    mine = Offers.validate(
        offers.filter((pl.col("segment") == "hyperscaler") | pl.col("network").is_in(chosen_networks))
    )

    ages = Ages(rules=age_rules or AgeRules(), as_of=as_of)
    told_facts, facts = facts, ages.facts_in_use(facts)  # with their ages, for what is made of them
    markets = market_prices(mine, ages=ages)
    work = throughput_table(
        accelerators(),
        llms().filter(pl.col("llm").is_in(llm_ids)),
        loads,
        max_accelerators=_accelerators_per_node(in_force),
    )
    terms = seller_terms(_sellers_of(mine), facts, in_force)
    references = hourly_references(mine, in_force, discounts=discounts, ages=ages)
    costs = unit_costs(markets, references, work, in_force, terms=terms, ages=ages)
    kept = margins(markets, facts, in_force, own=own_nodes)
    # Of the archetypes that can own a chip, the home node comes first by name; the premium takes the one that
    # breaks even lowest, since that provider sets the price.
    hosted = token_prices if token_prices is not None else reference_token_prices(as_of.date())
    packaged = kept.filter(pl.col("archetype") != "own")
    needed = packaged.group_by("network", "accelerator").agg(pl.col("breakeven_usd_per_accelerator_hour").min())
    compared = compare(
        costs, breakeven_usd_per_hour=needed, fleet_work_by_throughput=in_force["fleet_work_by_throughput"]
    )
    chosen = subjects(costs, markets, facts, in_force, networks=chosen_networks, llms=llm_ids, workloads=workload_ids)
    lineage = Lineage(
        markets=markets, costs=costs, throughputs=work, terms=terms, facts=facts, assumptions=in_force
    )  # fmt: skip
    by_id = {one.id: one for one in told}
    future = erosion(
        chosen, compared, [by_id[i] for i in scenario_ids], as_of=as_of, horizon=horizon, lineage=lineage, draws=draws,
        seed=seed,
    )  # fmt: skip
    decides = sensitivity(
        chosen, compared, [by_id[i] for i in sensitivity_ids], as_of=as_of, horizon=horizon, lineage=lineage, seed=seed
    )
    paid = token_economics(
        facts, as_of=as_of, margins=kept, markets=markets, comparison=compared, assumptions=in_force,
        work={one.network: (one.accelerator, one.llm, one.workload) for one in chosen},
        network_ids=_with_others(chosen_networks),
    )  # fmt: skip
    names = _display_names()
    lines, fits = _packaged_trends(as_of.date())
    return Analysis(
        as_of=as_of.astimezone(UTC),
        headlines=headlines(
            chosen,
            compared,
            kept,
            future.outlook,
            networks=chosen_networks,
            names=names,
            offers=offers,
            as_of=as_of.date(),
            tokens=paid,
        ),
        source_states=source_states if source_states is not None else SourceStates.create_empty(),
        offers=mine,
        skipped=skipped if skipped is not None else Skipped.create_empty(),
        facts=NetworkFacts.cast(facts),
        market_prices=markets,
        market_statistics=market_statistics(ages.without_expired(mine), minimum_reliability=minimum_reliability),
        discrepancies=discrepancies if discrepancies is not None else disagreements(offers),
        token_prices=hosted,
        market_check=model_against_market(costs, ages.token_prices_in_use(hosted)),
        throughputs=work,
        seller_terms=terms,
        unit_costs=costs,
        comparison=compared,
        margins=kept,
        advantage_paths=future.advantage_paths,
        margin_paths=future.margin_paths,
        outlook=future.outlook,
        drivers=future.drivers,
        erosion_probabilities=future.probabilities,
        sensitivity=decides,
        stress=stress_of(chosen, facts, pass_through=by_id.get(BASE, told[0]).parameters["pass_through"].central),
        token_economics=paid,
        assumptions=in_force.frame,
        trends=lines,
        trend_fits=fits,
        user_changes=UserChanges.validate(
            pl.concat(
                [
                    assumption_changes(in_force),
                    price_changes,
                    discount_changes(changed.discounts, day=day),
                    fact_changes,
                    node_changes(own_nodes),
                    *declines,
                    scenario_changes(own_scenarios, scenario_ids),
                ]
            )
        ),
        scenarios=told_values,
        sources=sources(),
        left_out=ages.left_out(mine, told_facts, hosted),
        display_names=names,
        provenance={
            "llms": ", ".join(llm_ids),
            "workloads": ", ".join(workload_ids),
            "draws": str(draws),
            "seed": str(seed),
            **(provenance or {}),
        },
    )


@lru_cache(maxsize=8)
def _packaged_trends(day: date) -> tuple[dy.DataFrame[Trends], dy.DataFrame[TrendFits]]:
    """The packaged series up to a day and what they say; every job of a file asks for them again."""
    lines = dated_trends(day)
    return lines, trend_fits(lines)


def _sellers_of(offers: pl.DataFrame) -> list[tuple[str, str]]:
    """Every network and cloud of some offers, with its side."""
    sides = offers.select("network", pl.col("segment") == "hyperscaler").unique()
    return [(seller, "cloud" if is_cloud else "network") for seller, is_cloud in sides.iter_rows()]


def _with_others(chosen: Sequence[str]) -> list[str]:
    """The networks of the analysis, and after them every other network and marketplace on record."""
    known = networks().filter(pl.col("segment").cast(pl.String).is_in(["decentralized", "marketplace"]))["network"]
    return [*chosen, *sorted(set(known) - set(chosen))]


def _networks_of(offers: pl.DataFrame) -> list[str]:
    return offers.filter(pl.col("segment") != "hyperscaler")["network"].unique().sort().to_list()


def _accelerators_per_node(assumptions: AssumptionSet) -> dict[str, int]:
    """How many chips may share one model: a home rig's for consumer cards, a data-centre node's for the rest."""
    home = int(assumptions["accelerators_per_node_home"].central)
    data_centre = int(assumptions["accelerators_per_node_data_centre"].central)
    family = pl.col("family").cast(pl.String)
    frame = accelerators().select(
        "accelerator", pl.when(family == "consumer").then(home).otherwise(data_centre).alias("most")
    )
    return dict(frame.iter_rows())


def _display_names() -> dict[str, str]:
    """Id -> name for hosts, networks, chips and LLMs."""
    return {
        **dict(token_hosts().select("host", "display_name").iter_rows()),
        **dict(networks().select("network", "display_name").iter_rows()),
        **dict(accelerators().select("accelerator", "display_name").iter_rows()),
        **dict(llms().select("llm", "display_name").iter_rows()),
    }
