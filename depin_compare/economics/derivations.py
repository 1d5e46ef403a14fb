"""A number with the way it was made: the formula, its inputs with where they come from, and what would flip it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import numpy as np

from depin_compare.bands import Band
from depin_compare.errors import ModelDomainError
from depin_compare.refdata import KINDS
from depin_compare.units import FloatOrArray

__all__ = ["Derivation", "Input", "Swing", "weakest_kind"]

# Beyond a thousandth and a thousandfold of today's value a price, a rate or a count is no longer that thing.
_WIDEST = 1000.0
_STEPS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One number a derivation takes, with its band and where it comes from.

    ``domain`` holds the values in which the formula means something; outside it nothing is looked for.
    ``source`` is a source of the reference data, a fetcher or ``your-job-file``; ``address`` says how to ask
    `depin_compare.explain` for the input itself.
    """

    name: str
    band: Band
    unit: str
    kind: str | None = None
    source: str | None = None
    source_url: str | None = None
    observed_at: datetime | None = None
    layer: str | None = None
    note: str | None = None
    domain: tuple[float, float] | None = None
    address: str | None = None

    @property
    def value(self) -> float:
        """The central value."""
        return self.band.central

    @property
    def limits(self) -> tuple[float, float]:
        """The domain; of a number without one, from a thousandth to a thousandfold of its value."""
        if self.domain is not None:
            return self.domain
        size = abs(self.value)
        return (size / _WIDEST, size * _WIDEST) if size else (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """What the result becomes when one input alone goes to its low and to its high end."""

    input: Input
    at_low: float
    at_high: float
    central: float

    @property
    def width(self) -> float:
        """How far apart the results are, the central one counted in; infinite when one of them is."""
        ends = [self.at_low, self.at_high, self.central]
        return max(ends) - min(ends) if all(map(math.isfinite, ends)) else 0.0 if len(set(ends)) == 1 else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """A number that can be made again: ``model`` of the central values of ``inputs``.

    ``pivot`` is the value whose crossing turns the answer round (0 for an advantage or a margin); None for a
    number that has no sign. ``signed`` is the quantity that crosses it where the number itself is cut off there (a
    gap that is never below zero).
    """

    formula: str
    function: str
    unit: str
    inputs: tuple[Input, ...]
    model: Callable[[Mapping[str, float]], float]
    pivot: float | None = None
    signed: Callable[[Mapping[str, float]], float] | None = None
    note: str | None = None

    def central(self) -> dict[str, float]:
        """The central value of every input."""
        return {one.name: one.value for one in self.inputs}

    def value(self, **changed: float) -> float:
        """The number, with some inputs moved."""
        return float(self.model({**self.central(), **changed}))

    def drawn(self, values: Mapping[str, FloatOrArray]) -> FloatOrArray:
        """The number at values of some inputs that may be draws, shape (n_draws,), all of one length."""
        given = {**self.central(), **values}
        # The models are arithmetic: what they do to a number they do to an array of them.
        return self.model(cast("Mapping[str, float]", given))

    def swings(self) -> list[Swing]:
        """One-at-a-time swings, the widest first; inputs known exactly swing nothing and are left out.

        Examples
        --------
        >>> a, b = (Input(name=n, band=Band(0, 1, 3), unit="-") for n in "ab")
        >>> sum_of = Derivation(formula="a + 2b", function="", unit="-", inputs=(a, b),
        ...                     model=lambda v: v["a"] + 2 * v["b"])
        >>> [(s.input.name, s.width) for s in sum_of.swings()]
        [('b', 6.0), ('a', 3.0)]
        """
        middle = self.value()
        moved = [
            Swing(
                input=one,
                at_low=self.value(**{one.name: one.band.low}),
                at_high=self.value(**{one.name: one.band.high}),
                central=middle,
            )
            for one in self.inputs
            if one.band.low < one.band.high
        ]
        return sorted(moved, key=lambda swing: (-swing.width, swing.input.name))

    def flips_at(self, name: str) -> float | None:
        """Value of one input, the others unmoved, at which the number crosses its pivot.

        Returns
        -------
        float or None
            The crossing nearest to today's value, by Brent's method; None where no value of the input's domain
            crosses, or the number has no pivot.

        Examples
        --------
        >>> price = Input(name="price", band=Band.certain(2.0), unit="USD")
        >>> saved = Derivation(formula="1 - price / 5", function="", unit="fraction", inputs=(price,),
        ...                    model=lambda v: 1 - v["price"] / 5, pivot=0.0)
        >>> round(saved.flips_at("price"), 6)
        5.0
        """
        if self.pivot is None:
            return None
        (one,) = (given for given in self.inputs if given.name == name)
        pivot, signed = self.pivot, self.signed or self.model
        centre = self.central()

        def distance(x: float) -> float:
            try:
                return max(-1e12, min(1e12, float(signed({**centre, name: x})) - pivot))
            except (ModelDomainError, ZeroDivisionError):
                return math.nan

        start = distance(one.value)
        if math.isnan(start):
            return None
        if start == 0:
            return one.value
        found = [
            root
            for grid in _outward(one.value, *one.limits)
            if (root := _first_crossing(distance, one.value, start, grid)) is not None
        ]
        return min(found, key=lambda root: abs(root - one.value)) if found else None


def _outward(value: float, low: float, high: float) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Points from a value down to the low and up to the high end of its domain, close by first."""

    def towards(end: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        if value > 0 and end > 0:
            return np.geomspace(value, end, _STEPS)[1:]
        # Squares put more points near today's value, where a crossing matters most.
        return value + (end - value) * np.linspace(0.0, 1.0, _STEPS)[1:] ** 2

    return [towards(end) for end, there in ((low, low < value), (high, high > value)) if there]


def _first_crossing(
    distance: Callable[[float], float], value: float, start: float, grid: Iterable[float]
) -> float | None:
    from scipy.optimize import brentq

    before, x_before = start, value
    for x in grid:
        here = distance(float(x))
        if math.isnan(here):
            return None
        if here == 0:
            return float(x)
        if (here > 0) != (before > 0):
            return float(brentq(distance, x_before, float(x), xtol=1e-12, rtol=1e-12))
        before, x_before = here, float(x)
    return None


def weakest_kind(kinds: Iterable[str | None]) -> str | None:
    """The least certain way any of some inputs is known; None when nothing is said of any of them.

    >>> weakest_kind(["protocol", "vendor_claim", "third_party", None])
    'vendor_claim'
    """
    told = [KINDS.index(kind) for kind in kinds if kind is not None]
    return KINDS[max(told)] if told else None
