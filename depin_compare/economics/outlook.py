"""What becomes of every network in every scenario: monthly paths, headroom, dates with their odds, and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime

import dataframely as dy
import numpy as np
import polars as pl

from depin_compare.bands import Band, left_over_band, quadrature_band
from depin_compare.economics.central import View
from depin_compare.economics.comparison import Comparison
from depin_compare.economics.drivers import Moved, leading, ranked, unit_of
from depin_compare.economics.erosion import margin_headroom
from depin_compare.economics.lineage import Lineage
from depin_compare.economics.margins import node_breakeven_price
from depin_compare.economics.nodes import NO_NODE, Node
from depin_compare.economics.outlook_frames import (
    OUTLOOK_STATES,
    QUANTITIES,
    VERDICTS,
    AdvantagePaths,
    Drivers,
    ErosionProbabilities,
    MarginPaths,
    Outlook,
)
from depin_compare.economics.sampled import MARGINS, Sampled, threads
from depin_compare.economics.scenarios import Scenario
from depin_compare.economics.starts import Pair, Subject, correlations, node_bands, pairs_of, provider_age
from depin_compare.economics.uncertainty import DEFAULT_DRAWS, Draws, Spread
from depin_compare.economics.world import PRICINGS, Clock, World
from depin_compare.refdata.assumption_set import AssumptionSet
from depin_compare.units import DAYS_PER_YEAR, FloatArray

__all__ = [
    "OUTLOOK_STATES",
    "QUANTITIES",
    "VERDICTS",
    "AdvantagePaths",
    "Drivers",
    "Erosion",
    "ErosionProbabilities",
    "MarginPaths",
    "Outlook",
    "Subject",
    "erosion",
]

_PAID_IN_TOKENS = "nodes are paid in minted tokens, not from the tenant's payment"
_ENDS = ("p10", "p50", "p90")
_PRICE = "usd_per_accelerator_hour"
Row = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Erosion:
    """What `erosion` gives: monthly paths, the outlook drawn from them, its odds year by year, and what moves it."""

    advantage_paths: dy.DataFrame[AdvantagePaths]
    margin_paths: dy.DataFrame[MarginPaths]
    outlook: dy.DataFrame[Outlook]
    drivers: dy.DataFrame[Drivers]
    probabilities: dy.DataFrame[ErosionProbabilities]


def erosion(
    subjects: Sequence[Subject],
    comparison: dy.DataFrame[Comparison],
    scenarios: Sequence[Scenario],
    *,
    as_of: datetime,
    horizon: date,
    match: str = "cheapest",
    lineage: Lineage | None = None,
    draws: int = DEFAULT_DRAWS,
    seed: int = 0,
    assumptions: AssumptionSet | None = None,
    workers: int | None = None,
) -> Erosion:
    """Paths and outlook of every subject against every cloud reference, in every scenario and both pricings.

    Parameters
    ----------
    subjects : sequence of Subject
        One a network, as a rule; those of an analysis are chosen by `depin_compare.economics.headlines.subjects`.
    comparison : DataFrame[Comparison]
        Today's advantage with its band; the rows of ``match`` are the starting points.
    scenarios : sequence of Scenario
        See `depin_compare.economics.scenarios.scenarios`.
    as_of : datetime
        Today.
    horizon : date
        How far to look, in whole months.
    match : str
        ``cheapest`` (the cloud's best chip for the work), ``fleet_average`` or ``same_chip``.
    lineage : Lineage, optional
        What today's unit prices are made of: with it the drivers name prices, throughputs and discounts, the draws
        are of those, and every row has the age of its data; without it today's ratio of unit prices is one input,
        and ages are null.
    draws, seed : int
        How many draws, a power of two, and what they start from; see `depin_compare.economics.uncertainty.Draws`.
    assumptions : AssumptionSet, optional
        For the correlation of price and use; default: those of the lineage, else the packaged ones.
    workers : int, optional
        Threads; default: one a core, at most eight. The results are the same on any number.

    Returns
    -------
    Erosion
        A pair that is not comparable has outlook rows that say so, and no path.

    Raises
    ------
    ModelDomainError
        If the horizon is not a month away, or the draws are no power of two.

    Notes
    -----
    With g(t) = (1-h)^t the decline everybody shares and w(t) = 1 - s(t)(1-phi) the wedge only the clouds have,

    .. math::
        c(t) = c(0)\\, g(t)\\, w(t), \\qquad
        p(t) = p(0)\\, g(\\max(0, t-\\tau))\\, [1 - \\beta (1 - w(t - \\tau))]

    so that an equal decline cancels, and with h = 0 the price is `tenant_price` at x = w. Fleet-average pricing
    takes s(t) from the adoption curve; marginal pricing takes s = 1 once the first month is over, as if the newest
    silicon set the price at once. A cloud outside the scenario keeps w = 1, while networks answer those inside.
    A node bought today keeps its costs; a node bought at t costs g(t) as much for the same work.

    The central path takes the most likely value of every input; its dates are roots of the continuous path. The
    draws take all inputs at once from their bands: a scenario's parameters are the same draws for every network and
    scenario, an input of today's prices or of a node the same wherever it is used, and a network's price and use are
    correlated.
    """
    clock = Clock.between(as_of.date(), horizon)
    told = assumptions if assumptions is not None else lineage.assumptions if lineage is not None else None
    sampled = Sampled(
        draws=Draws(size=draws, seed=seed, correlations=correlations(subjects, told)),
        years=clock.years,
        workers=threads(workers),
    )
    starts = [
        _Start(
            subject=subject,
            pairs=pairs_of(subject, comparison, match=match, lineage=lineage, as_of=as_of),
            age_days=provider_age(subject, lineage, as_of),
        )
        for subject in subjects
    ]
    worlds = [World(scenario=one, pricing=pricing, clock=clock) for one in scenarios for pricing in PRICINGS]
    comparable = [pair for start in starts for pair in start.pairs if pair.not_comparable is None]
    nodes = [start.subject for start in starts if start.node is not None]
    with ThreadPoolExecutor(sampled.workers) as pool:
        for world in worlds:
            sampled.sample(world, comparable, nodes, pool)
        sampled.finish()
    views: list[View] = []
    for world in worlds:
        # Where no new silicon sets a price both pricings are one, and so is what is known of them.
        alike = views[-1].known if world.prices_alike and world.pricing != PRICINGS[0] else None
        views.append(View(world=world, known=alike or {}))
    for view in views:
        view.solve(comparable, nodes)
    made = _Made()
    for start in starts:
        for view in views:
            margins = _margins_of(start, view, sampled, made)
            for pair in start.pairs:
                _outlook_rows(
                    start.subject, pair, view.world, [_advantage_of(pair, view, sampled, made), *margins], made
                )
    return made.erosion(clock)


@dataclass(frozen=True, kw_only=True)
class _Start:
    """A subject with its pairs, and the parts of its margin no scenario touches."""

    subject: Subject
    pairs: Sequence[Pair]
    age_days: float | None
    _bands: dict[object, Band] = field(default_factory=dict)

    @property
    def node(self) -> Node | None:
        """The node whose margin is known from what tenants pay."""
        node = self.subject.node
        unknown = node is None or node.missing is not None or node.paid_in_tokens or self.subject.expired is not None
        return None if unknown else node

    @property
    def no_margin(self) -> str:
        """Why it is not."""
        node = self.subject.node
        if self.subject.expired is not None:
            return self.subject.expired
        return (node.missing or _PAID_IN_TOKENS) if node else NO_NODE

    def today(self, node: Node) -> Band:
        """Full margin of today with its band, as the margins have it."""
        if "today" not in self._bands:
            low, central, high = left_over_band(
                lambda v: node_breakeven_price(v) / v[_PRICE], node_bands(self.subject, node)
            )
            self._bands["today"] = Band(float(low), float(central), float(high))
        return self._bands["today"]

    def headroom(self, node: Node, pass_through: Band) -> Band:
        """How much further cloud cost may fall before the margin is gone."""
        if pass_through not in self._bands:
            low, room, high = quadrature_band(
                lambda v: margin_headroom(v[_PRICE], node_breakeven_price(v), pass_through=v["pass_through"]),
                {**node_bands(self.subject, node), "pass_through": pass_through},
            )
            # Cost can't fall by more than all of it; where nothing is passed on there is no exposure, and no limit.
            self._bands[pass_through] = Band(float(low), float(room), min(max(1.0, float(room)), float(high)))
        return self._bands[pass_through]


def _advantage_of(pair: Pair, view: View, sampled: Sampled, made: _Made) -> Row:
    """The outlook of the buyer's advantage over one reference; its path, odds and drivers are kept."""
    entry: Row = {"quantity": "advantage", "freshness": pair.row["freshness"]}
    if pair.not_comparable is not None:
        return {**entry, "state": "not_comparable", "not_comparable": pair.not_comparable}
    world, clock, indices = view.world, view.clock, view.indices(pair)
    told = sampled.advantage(world, pair)
    central = 1.0 - pair.ratio * indices.carried
    key: Row = {
        "network": pair.network, "cloud": pair.cloud, "silicon": pair.silicon, "reference": pair.reference,
        "scenario": world.scenario.id, "pricing": world.pricing,
    }  # fmt: skip
    made.advantages.add(
        key,
        cost_index=indices.cost,
        wedge_index=indices.wedge,
        usd_per_mtok_network=float(str(pair.row["usd_per_mtok_network"])) * indices.work,
        usd_per_mtok_reference=float(str(pair.row["usd_per_mtok_reference"])) * indices.cost,
        advantage=central,
        **_quantiles("advantage", told),
    )
    made.odds.add({**key, "quantity": "advantage"}, probability_lost=_by_year(told, clock))
    drivers = ranked(key, "advantage", float(central[-1]), _moved(pair, view))
    made.drivers.extend(drivers)
    return {
        **entry,
        **_band_columns("today", pair.today),
        **_outcome(central, view.lost(pair), told, clock),
        **_band_columns("headroom", pair.today),
        **leading(drivers),
        "data_age_days": pair.age_days,
    }


def _moved(pair: Pair, view: View) -> list[Moved]:
    """The advantage at the horizon with one input at its ends: of the scenario, and of today's ratio."""
    carried, ends = view.ends(pair)
    inputs, scenario, ratio, at = view.world.inputs, view.world.scenario, pair.ratio, float(carried)
    moved: list[Moved] = [
        (name, unit_of(scenario, name), inputs[name], 1.0 - ratio * float(low), 1.0 - ratio * float(high))
        for name, (low, high) in ends.items()
    ]
    moved += [
        (name, unit or unit_of(scenario, name), band, 1.0 - low * at, 1.0 - high * at)
        for name, unit, band, low, high in pair.swings
    ]
    return moved


def _margins_of(start: _Start, view: View, sampled: Sampled, made: _Made) -> list[Row]:
    """The outlook of the provider's margins: of a node bought today, and of one bought at the time."""
    node, subject, world = start.node, start.subject, view.world
    if node is None:
        told = {"state": "not_comparable", "not_comparable": start.no_margin, "freshness": subject.freshness}
        return [{"quantity": quantity, **told} for quantity in MARGINS]
    central = view.margins(subject, node)
    spreads = [sampled.margin(world, subject, quantity) for quantity in MARGINS]
    key: Row = {"network": subject.network, "scenario": world.scenario.id, "pricing": world.pricing}
    made.margins.add(
        {**key, "accelerator": subject.accelerator, "archetype": subject.archetype},
        usd_per_accelerator_hour=central.prices,
        cash_margin=central.cash,
        **dict(zip(MARGINS, central.full, strict=True)),
        **{k: v for name, told in zip(MARGINS, spreads, strict=True) for k, v in _quantiles(name, told).items()},
    )
    entries: list[Row] = []
    for i, quantity in enumerate(MARGINS):
        made.odds.add({**key, "quantity": quantity}, probability_lost=_by_year(spreads[i], view.clock))
        moved: list[Moved] = [
            (name, unit_of(world.scenario, name), band, float(low[i]), float(high[i]))
            for name, (band, (low, high)) in central.ends.items()
        ]
        drivers = ranked(key, quantity, float(central.at_horizon[i]), moved)
        made.drivers.extend(drivers)
        entries.append({
            "quantity": quantity,
            **_band_columns("today", start.today(node)),
            **_outcome(central.full[i], central.lost[i], spreads[i], view.clock),
            **_band_columns("headroom", start.headroom(node, world.scenario.parameters["pass_through"])),
            **leading(drivers),
            "data_age_days": start.age_days,
            "freshness": subject.freshness,
        })  # fmt: skip
    return entries


def _outcome(central: FloatArray, lost: float, told: Spread, clock: Clock) -> Row:
    """Where one path ends, its state, its dates and the odds."""
    state = "already_lost" if central[0] <= 0 else "lost_within_horizon" if np.isfinite(lost) else "not_reached"
    return {
        "at_horizon": float(central[-1]),
        "state": state,
        "date": clock.day(lost),
        **{f"date_{end}": clock.day(float(t)) for end, t in zip(_ENDS, told.years, strict=True)},
        "probability_lost": float(told.lost[-1]),
        "probability_lost_if_event": told.lost_among,
    }


def _quantiles(name: str, told: Spread) -> dict[str, FloatArray]:
    return {f"{name}_{end}": values for end, values in zip(_ENDS, told.quantiles, strict=True)}


def _by_year(told: Spread, clock: Clock) -> FloatArray:
    """Share of the draws lost by the end of every calendar year, the last by the horizon."""
    years = range(clock.today.year, clock.horizon.year + 1)
    ends = [(date(year, 12, 31) - clock.today).days / DAYS_PER_YEAR for year in years]
    return np.interp(ends, clock.years, told.lost)


def _band_columns(name: str, band: Band) -> dict[str, object]:
    return {name: band.central, f"{name}_low": band.low, f"{name}_high": band.high}


def _outlook_rows(subject: Subject, pair: Pair, world: World, entries: Sequence[Row], made: _Made) -> None:
    """The outlook of one network, reference, scenario and pricing: one row a quantity, with the joint verdict."""
    key = {
        "network": subject.network, "accelerator": subject.accelerator, "archetype": subject.archetype,
        "llm": subject.llm, "workload": subject.workload, "cloud": pair.cloud, "silicon": pair.silicon,
        "reference": pair.reference, "scenario": world.scenario.id, "pricing": world.pricing,
        "horizon": world.clock.horizon,
    }  # fmt: skip
    verdict = _verdict({str(entry["quantity"]): entry for entry in entries})
    made.outlook.extend({**key, **entry, "verdict": verdict} for entry in entries)


def _verdict(entries: Mapping[str, Mapping[str, object]]) -> str:
    """How the network stands, by the buyer's advantage and the margin of a node bought at the time.

    eroded: the advantage is gone today. resilient: fewer than a tenth of the draws lose either by the horizon.
    exposed: everything between, and where the margin is not known.
    """
    advantage, margin = entries["advantage"], entries["full_margin_new_node"]
    if advantage["state"] == "not_comparable":
        return "not comparable"
    if advantage["state"] == "already_lost":
        return "eroded"
    holds = advantage["date_p10"] is None and margin["state"] != "not_comparable" and margin["date_p10"] is None
    return "resilient" if holds else "exposed"


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """Paths on their way into a frame: a row a path of what names it, and its numbers end to end."""

    keys: list[Row] = field(default_factory=list)
    values: dict[str, list[FloatArray]] = field(default_factory=dict)

    def add(self, key: Row, **values: FloatArray) -> None:
        self.keys.append(key)
        for name, one in values.items():
            self.values.setdefault(name, []).append(one)

    def frame(self, schema: type[dy.Schema], along: Mapping[str, Sequence[object]]) -> pl.DataFrame:
        """Every path's row once for each step, with the steps' own columns and the numbers."""
        wanted = schema.create_empty().schema
        if not self.keys:
            return schema.create_empty()
        named = {name: dtype for name, dtype in wanted.items() if name not in self.values and name not in along}
        n, steps = len(self.keys), len(next(iter(along.values())))
        frame = pl.DataFrame(self.keys, schema=named)[np.repeat(np.arange(n), steps)]
        stepped = pl.DataFrame(dict(along), schema={name: wanted[name] for name in along})
        return frame.with_columns(
            *stepped[np.tile(np.arange(steps), n)].get_columns(),
            # Seven digits are more than any of these numbers deserve, and half the size of sixteen in a file.
            *(pl.Series(name, np.concatenate(parts)).round_sig_figs(7) for name, parts in self.values.items()),
        ).select(list(wanted))


@dataclass(frozen=True, kw_only=True)
class _Made:
    """What has been worked out so far."""

    advantages: _Columns = field(default_factory=_Columns)
    margins: _Columns = field(default_factory=_Columns)
    odds: _Columns = field(default_factory=_Columns)
    outlook: list[Row] = field(default_factory=list)
    drivers: list[Row] = field(default_factory=list)

    def erosion(self, clock: Clock) -> Erosion:
        """All of it as frames."""
        months: dict[str, list[object]] = {"month": list(range(len(clock.years))), "date": list(clock.dates)}
        years: dict[str, list[object]] = {"year": list(range(clock.today.year, clock.horizon.year + 1))}
        return Erosion(
            advantage_paths=AdvantagePaths.validate(self.advantages.frame(AdvantagePaths, months)),
            margin_paths=MarginPaths.validate(self.margins.frame(MarginPaths, months)),
            outlook=Outlook.validate(pl.DataFrame(self.outlook, schema=Outlook.create_empty().schema)),
            drivers=Drivers.validate(pl.DataFrame(self.drivers, schema=Drivers.create_empty().schema)),
            probabilities=ErosionProbabilities.validate(self.odds.frame(ErosionProbabilities, years)),
        )
