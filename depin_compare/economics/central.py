"""Worlds at the most likely value of every input: indices, margins, when they are lost, and what would move them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from depin_compare.bands import Band, all_ends
from depin_compare.economics.margins import node_margin
from depin_compare.economics.nodes import Node
from depin_compare.economics.starts import Pair, Subject, node_bands
from depin_compare.economics.world import Clock, MarginModel, World, loss_years
from depin_compare.units import FloatArray, FloatOrArray

__all__ = ["CentralMargins", "Indices", "View"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Indices:
    """Multiples of today's, month by month: the cloud's wedge and cost, the network's work, and the ratio of both."""

    wedge: FloatArray
    cost: FloatArray
    work: FloatArray
    carried: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class CentralMargins:
    """One subject's central margins in one world; rows and lists are in the order of `MARGINS`."""

    prices: FloatArray
    cash: FloatArray
    full: FloatArray
    lost: list[float]
    at_horizon: FloatArray
    ends: dict[str, tuple[Band, tuple[FloatArray, FloatArray]]]


@dataclass(frozen=True, kw_only=True)
class View:
    """One world at its central values and at the horizon; ``known`` is what was worked out once for many."""

    world: World
    known: dict[object, Any]

    @property
    def clock(self) -> Clock:
        """Its months."""
        return self.world.clock

    @property
    def horizon(self) -> World:
        """The world at the last month, ready for many values at once."""
        return self.world.at(self.clock.years[-1:]).upright()

    @property
    def centre(self) -> dict[str, FloatOrArray]:
        """The most likely value of every input."""
        return {name: band.central for name, band in self.world.inputs.items()}

    def once(self, key: object, made: Callable[[], _T]) -> _T:
        """What was worked out before under a key, else now."""
        if key not in self.known:
            self.known[key] = made()
        found: _T = self.known[key]
        return found

    def solve(self, pairs: Iterable[Pair], subjects: Sequence[Subject]) -> None:
        """When each central path is lost: pairs of one case at once, since they are carried alike, and all nodes."""
        ratios: dict[tuple[bool, bool], dict[float, None]] = {}
        named: dict[tuple[bool, bool], tuple[str, str, str]] = {}
        for pair in pairs:
            case = self.world.case(*pair.reference_key)
            named.setdefault(case, pair.reference_key)
            ratios.setdefault(case, {})[pair.ratio] = None
        for case, reference in named.items():
            self.once(("lost", case), partial(self._pairs_lost, reference, list(ratios[case])))
        if subjects:
            self.once("margins lost", partial(self._margins_lost, subjects))

    def _pairs_lost(self, reference: tuple[str, str, str], ratios: list[float]) -> dict[float, float]:
        world, centre, scale = self.world, self.centre, np.array(ratios)
        monthly = np.outer(world.carried(centre, *reference), scale)
        found = loss_years(lambda t, i: scale[i] * world.at(t).carried(centre, *reference), monthly, self.clock.years)
        return dict(zip(ratios, found.tolist(), strict=True))

    def _margins_lost(self, subjects: Sequence[Subject]) -> dict[int, list[float]]:
        """By subject, in the order of `MARGINS`."""
        bands = [node_bands(one, one.node) for one in subjects if one.node is not None]
        columns = {name: np.array([band[name].central for band in bands]) for name in bands[0]}
        world, centre, n = self.world, self.centre, len(bands)

        def over(t: FloatArray, i: npt.NDArray[np.intp]) -> FloatArray:
            values = {name: column[i % n] for name, column in columns.items()}
            both = MarginModel(world=world.at(t)).over({**centre, **values})
            asked: FloatArray = np.where(i < n, both[0], both[1])
            return asked

        monthly = MarginModel(world=world.upright()).over({**centre, **columns})
        found = loss_years(over, np.concatenate(list(monthly), axis=1), self.clock.years)
        return {id(one): [float(found[k]), float(found[n + k])] for k, one in enumerate(subjects)}

    def lost(self, pair: Pair) -> float:
        """Years until the central path of a pair is lost."""
        known: dict[float, float] = self.known["lost", self.world.case(*pair.reference_key)]
        return known[pair.ratio]

    def indices(self, pair: Pair) -> Indices:
        """The central indices of a pair's path."""
        world, centre, reference = self.world, self.centre, pair.reference_key

        def made() -> Indices:
            wedge = world.cloud_wedge(centre, *reference)
            cost = world.shared(centre, world.clock.years) * wedge
            work = world.network_cost_of_work(centre)
            return Indices(wedge=wedge, cost=cost, work=work, carried=work / cost)

        return self.once(("indices", world.case(*reference)), made)

    def ends(self, pair: Pair) -> tuple[FloatArray, dict[str, tuple[FloatArray, FloatArray]]]:
        """What a pair's ratio is multiplied by at the horizon, and at the ends of each of the scenario's inputs."""
        at, reference = self.horizon, pair.reference_key
        return self.once(
            ("ends", self.world.case(*reference)),
            lambda: all_ends(lambda v: at.carried(v, *reference)[-1], self.world.inputs),
        )

    def margins(self, subject: Subject, node: Node) -> CentralMargins:
        """The central margins of a subject, when they are lost, and what moves them at the horizon."""
        world, bands = self.world, {**self.world.inputs, **node_bands(subject, node)}

        def made() -> CentralMargins:
            centre: dict[str, FloatOrArray] = {name: band.central for name, band in bands.items()}
            prices = subject.usd_per_accelerator_hour.central * world.network_price(centre)
            at_horizon, ends = all_ends(lambda v: MarginModel(world=self.horizon)(v)[:, -1], bands)
            return CentralMargins(
                prices=prices,
                cash=np.asarray(node_margin({**centre, **world.provider(centre)}, prices).cash),
                full=MarginModel(world=world)(centre),
                lost=self.known["margins lost"][id(subject)],
                at_horizon=at_horizon,
                ends={name: (bands[name], both) for name, both in ends.items()},
            )

        return self.once(("margins", id(subject)), made)
