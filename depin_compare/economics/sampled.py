"""Worlds under draws: what the draws say of every path, each path once, on as many threads as there are cores."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from depin_compare.bands import Band
from depin_compare.economics.margins import node_breakeven_price
from depin_compare.economics.starts import Pair, Subject, node_bands, node_keys
from depin_compare.economics.uncertainty import Draws, Spread, spread
from depin_compare.economics.world import World
from depin_compare.units import FloatArray, FloatOrArray

__all__ = ["MARGINS", "Sampled", "scenario_draws", "threads"]

MARGINS = ("full_margin", "full_margin_new_node")
Key = tuple[object, ...]
# What moves clouds or buyers alone, and no margin.
_NOT_OF_PROVIDERS = ("list_price_factor", "cloud_peak_multiplier", "network_efficiency_gain")


def threads(workers: int | None = None) -> int:
    """How many threads to use; sorting and arithmetic of large arrays leave the interpreter's lock alone."""
    return workers if workers is not None else min(8, os.cpu_count() or 1)


def scenario_draws(world: World, draws: Draws) -> tuple[dict[str, FloatOrArray], FloatArray | None]:
    """Draws of a scenario's parameters by plain name, and where any of its events happens; None without events.

    A parameter is the same draws in every scenario and for every network: scenarios differ by what they say, not by
    chance.
    """
    plain: dict[str, Band] = {}
    happens: dict[str, FloatOrArray] = {}
    for name, band in world.scenario.parameters.items():
        if name.partition(".")[0] == "event_probability":
            event = name.replace("event_probability", "event", 1)
            happens[event] = draws.happens(event, band)
        else:
            plain[name] = band
    any_of_them = np.max([np.asarray(one) for one in happens.values()], axis=0) if happens else None
    return {**draws.values(plain), **happens}, any_of_them


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """One world under draws: the few arrays its paths share."""

    world: World
    draws: Draws
    _cases: dict[Key, tuple[FloatArray, FloatArray]] = field(default_factory=dict)

    @cached_property
    def _told(self) -> tuple[dict[str, FloatOrArray], FloatArray | None]:
        return scenario_draws(self.world, self.draws)

    @property
    def values(self) -> dict[str, FloatOrArray]:
        return self._told[0]

    @property
    def event(self) -> FloatArray | None:
        return self._told[1]

    @cached_property
    def network_cost(self) -> FloatArray:
        return self.world.network_cost_of_work(self.values)

    @cached_property
    def network_price(self) -> FloatArray:
        return self.world.network_price(self.values)

    @cached_property
    def shared(self) -> FloatArray:
        return self.world.shared(self.values, self.world.clock.years)

    def carried(self, cloud: str, silicon: str, reference: str) -> tuple[FloatArray, FloatArray]:
        """Ratio of prices as a multiple of today's, and the highest it has been."""
        case = self.world.case(cloud, silicon, reference)
        if case not in self._cases:
            wedge = self.world.cloud_wedge(self.values, cloud, silicon, reference)
            carried = self.network_cost / (self.shared * wedge)
            self._cases[case] = (carried, np.maximum.accumulate(carried, axis=0))
        return self._cases[case]


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """What the draws say of every pair's and every subject's path, asked world by world.

    The same numbers on any number of threads: every path is worked out by itself, and equal paths once.
    """

    draws: Draws
    years: FloatArray
    workers: int
    _spreads: dict[Key, Spread] = field(default_factory=dict)
    _ratios: dict[int, tuple[bytes, FloatArray]] = field(default_factory=dict)
    _scratch: threading.local = field(default_factory=threading.local)

    def advantage(self, world: World, pair: Pair) -> Spread:
        """Of a pair in a world that was sampled."""
        return self._spreads[self._advantage_key(world, pair)]

    def margin(self, world: World, subject: Subject, quantity: str) -> Spread:
        """Of a subject in a world that was sampled."""
        return self._spreads[self._margin_key(world, subject, quantity)]

    def sample(
        self, world: World, pairs: Iterable[Pair], subjects: Sequence[Subject], pool: ThreadPoolExecutor
    ) -> None:
        """Work out every path of a world that is not known from another."""
        drawn = _Drawn(world=world.upright(), draws=self.draws)
        tasks: dict[Key, Callable[[], Spread]] = {}
        for pair in pairs:
            key = self._advantage_key(world, pair)
            if key not in self._spreads and key not in tasks:
                tasks[key] = self._advantage_task(drawn, pair)
        for subject in subjects:
            keys = [self._margin_key(world, subject, quantity) for quantity in MARGINS]
            if not any(key in self._spreads for key in keys):
                tasks |= zip(keys, self._margin_tasks(drawn, subject), strict=True)
        self._spreads.update(zip(tasks, pool.map(lambda task: task(), tasks.values()), strict=True))

    def _advantage_key(self, world: World, pair: Pair) -> Key:
        return (world.price_key(pair.cloud, pair.silicon, pair.reference), self._ratio(pair)[0])

    def _margin_key(self, world: World, subject: Subject, quantity: str) -> Key:
        told = tuple(sorted(item for item in world.scenario.parameters.items() if item[0] not in _NOT_OF_PROVIDERS))
        return (quantity, told, world.pricing if world.scenario.silicons else "", id(subject))

    def _ratio(self, pair: Pair) -> tuple[bytes, FloatArray]:
        """Draws of today's ratio, shape (n_draws,), and what tells them from others."""
        if id(pair) not in self._ratios:
            values = self.draws.values(pair.bands, pair.keys)
            ratio = np.ascontiguousarray(np.broadcast_to(pair.ratios(values), (self.draws.size,)), dtype=float)
            self._ratios[id(pair)] = (hashlib.sha256(ratio.tobytes()).digest(), ratio)
        return self._ratios[id(pair)]

    def _room(self) -> FloatArray:
        """A thread's own array, (n_months, n_draws): a new one for every path would cost more than the path."""
        if not hasattr(self._scratch, "room"):
            self._scratch.room = np.empty((len(self.years), self.draws.size))
        room: FloatArray = self._scratch.room
        return room

    def _advantage_task(self, drawn: _Drawn, pair: Pair) -> Callable[[], Spread]:
        carried, highest = drawn.carried(pair.cloud, pair.silicon, pair.reference)
        ratio, event = self._ratio(pair)[1], drawn.event

        def task() -> Spread:
            room = np.multiply(carried, ratio, out=self._room())
            return spread(room, self.years, highest=highest, limit=1.0 / ratio, among=event)

        return task

    def _margin_tasks(self, drawn: _Drawn, subject: Subject) -> list[Callable[[], Spread]]:
        assert subject.node is not None
        own = self.draws.values(node_bands(subject, subject.node), node_keys(subject, subject.node))
        price, shared, event = drawn.network_price, drawn.shared, drawn.event

        def needed() -> FloatOrArray:
            values: Mapping[str, FloatOrArray] = {**drawn.values, **own}
            told: dict[str, FloatOrArray] = {**values, **drawn.world.provider(values)}
            return node_breakeven_price(told) / values["usd_per_accelerator_hour"]

        def today() -> Spread:
            return spread(np.divide(needed(), price, out=self._room()), self.years, among=event)

        def new() -> Spread:
            room = np.divide(needed(), price, out=self._room())
            return spread(np.multiply(room, shared, out=room), self.years, among=event)

        return [today, new]
