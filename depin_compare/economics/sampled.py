"""Worlds under draws: what the draws say of every path, each path once, on as many threads as there are cores."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial

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

    @cached_property
    def over_price(self) -> tuple[FloatArray, FloatArray]:
        """1 over the network's price as a multiple of today's, and the highest it has been."""
        over = 1.0 / self.network_price
        return over, np.maximum.accumulate(over, axis=0)

    @cached_property
    def over_new_price(self) -> tuple[FloatArray, FloatArray]:
        """The same of an hour's work on a node bought at the time, which takes less hardware."""
        over = self.shared / self.network_price
        return over, np.maximum.accumulate(over, axis=0)

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
    _running: list[dict[Key, Future[Spread]]] = field(default_factory=list)
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
        """Have every path of a world worked out that is not known from another; `finish` waits for the last."""
        drawn = _Drawn(world=world.upright(), draws=self.draws)
        tasks: dict[Key, Callable[[], Spread]] = {}
        for pair in pairs:
            key = self._advantage_key(world, pair)
            if key not in tasks and not self._is_known(key):
                tasks[key] = self._advantage_task(drawn, pair)
        for subject in subjects:
            keys = [self._margin_key(world, subject, quantity) for quantity in MARGINS]
            if not self._is_known(keys[0]):
                tasks |= zip(keys, self._margin_tasks(drawn, subject), strict=True)
        self._running.append({key: pool.submit(task) for key, task in tasks.items()})
        # While the paths of one world are sorted the next one's arrays are made; more worlds at once take memory.
        self.finish(all_but=1)

    def finish(self, *, all_but: int = 0) -> None:
        """Wait for the paths of every world but the last so many."""
        while len(self._running) > all_but:
            for key, path in self._running.pop(0).items():
                self._spreads[key] = path.result()

    def _is_known(self, key: Key) -> bool:
        return key in self._spreads or any(key in world for world in self._running)

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
        """Of a node bought today, and of one bought at the time."""
        assert subject.node is not None
        own = self.draws.values(node_bands(subject, subject.node), node_keys(subject, subject.node))
        values: Mapping[str, FloatOrArray] = {**drawn.values, **own}
        moved = drawn.world.provider(values)

        def needed() -> FloatArray:
            over = node_breakeven_price({**values, **moved}) / values["usd_per_accelerator_hour"]
            return np.asarray(over)

        today = None if moved else np.ascontiguousarray(np.broadcast_to(needed(), (self.draws.size,)))
        event = drawn.event

        def task(falling: FloatArray, highest: FloatArray) -> Spread:
            if today is None:
                return spread(np.multiply(falling, needed(), out=self._room()), self.years, among=event)
            # Where the scenario moves nothing of the provider's own, what he needs is one number a draw.
            with np.errstate(divide="ignore"):
                limit = 1.0 / today
            room = np.multiply(falling, today, out=self._room())
            return spread(room, self.years, highest=highest, limit=limit, among=event)

        return [partial(task, *drawn.over_price), partial(task, *drawn.over_new_price)]
