"""Low, central, high: how an uncertain number is carried where no draws are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from depin_compare.errors import ModelDomainError
from depin_compare.units import FloatArray, FloatOrArray

__all__ = ["Band", "all_ends", "left_over_band", "one_at_a_time", "quadrature", "quadrature_band"]


@dataclass(frozen=True, slots=True)
class Band:
    """An uncertain number; ``low <= central <= high`` in size, whichever of them is the good end."""

    low: float
    central: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.central <= self.high:
            raise ModelDomainError(
                f"a band must be low <= central <= high, got {self.low}, {self.central}, {self.high}"
            )

    @classmethod
    def certain(cls, value: float) -> Band:
        """A number known exactly."""
        return cls(value, value, value)


def one_at_a_time(
    model: Callable[[Mapping[str, float]], FloatArray | float], inputs: Mapping[str, Band]
) -> tuple[FloatArray, dict[str, tuple[FloatArray, FloatArray]]]:
    """A model's result, and what it becomes when one input alone is moved to its low and to its high end.

    Parameters
    ----------
    model : callable
        Takes ``{name: value}``, returns a number or an array of one fixed shape.
    inputs : mapping
        Band of each input.

    Returns
    -------
    tuple of ndarray and dict
        The central result, and by input the results at its low and its high end; inputs known exactly are left out.

    Examples
    --------
    >>> central, moved = one_at_a_time(lambda v: v["a"] * v["b"], {"a": Band(1, 2, 4), "b": Band.certain(3)})
    >>> float(central), {name: tuple(map(float, ends)) for name, ends in moved.items()}
    (6.0, {'a': (3.0, 12.0)})
    """
    centre = {name: band.central for name, band in inputs.items()}
    central = np.asarray(model(centre), dtype=float)

    def at(name: str, value: float) -> FloatArray:
        return central if value == centre[name] else np.asarray(model({**centre, name: value}), dtype=float)

    moved = {name: (at(name, band.low), at(name, band.high)) for name, band in inputs.items() if band.low < band.high}
    return central, moved


def all_ends(
    model: Callable[[Mapping[str, FloatOrArray]], FloatArray], inputs: Mapping[str, Band]
) -> tuple[FloatArray, dict[str, tuple[FloatArray, FloatArray]]]:
    """`one_at_a_time` of a model that takes arrays, in one call.

    Parameters
    ----------
    model : callable
        Takes ``{name: value}``, floats or arrays of shape (n,), and returns an array whose last axis is that of n.
    inputs : mapping
        Band of each input.

    Examples
    --------
    >>> central, moved = all_ends(lambda v: v["a"] * v["b"], {"a": Band(1, 2, 4), "b": Band.certain(3)})
    >>> float(central), {name: tuple(map(float, ends)) for name, ends in moved.items()}
    (6.0, {'a': (3.0, 12.0)})
    """
    uncertain = [name for name, band in inputs.items() if band.low < band.high]
    n = 1 + 2 * len(uncertain)
    values: dict[str, FloatOrArray] = {
        name: band.central if uncertain else np.full(n, band.central) for name, band in inputs.items()
    }
    for i, name in enumerate(uncertain):
        column = np.full(n, inputs[name].central)
        column[[1 + 2 * i, 2 + 2 * i]] = inputs[name].low, inputs[name].high
        values[name] = column
    found = np.asarray(model(values), dtype=float)
    found = np.broadcast_to(found, (*found.shape[:-1], n))
    ends = {name: (found[..., 1 + 2 * i], found[..., 2 + 2 * i]) for i, name in enumerate(uncertain)}
    return found[..., 0], ends


def quadrature(
    central: FloatArray, moved: Mapping[str, tuple[FloatArray, FloatArray]]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Low, central and high of a result from its one-at-a-time swings; see `quadrature_band`."""
    falls, rises = np.zeros_like(central), np.zeros_like(central)
    if moved:
        ends = np.array(list(moved.values()))
        fall = np.square(np.maximum(0.0, _difference(central, ends.min(axis=1))))
        rise = np.square(np.maximum(0.0, _difference(ends.max(axis=1), central)))
        for n in range(len(ends)):
            falls += fall[n]
            rises += rise[n]
    low, high = _difference(central, np.sqrt(falls)), central + np.sqrt(np.where(np.isinf(rises), 0.0, rises))
    if moved:
        # A swing without limit goes to the end it swings to: infinity less infinity is no number.
        low = np.where(np.isinf(falls), np.minimum(central, ends.min(axis=(0, 1))), low)
        high = np.where(np.isinf(rises), np.maximum(central, ends.max(axis=(0, 1))), high)
    return low, central, high


def quadrature_band(
    model: Callable[[Mapping[str, float]], FloatArray | float], inputs: Mapping[str, Band]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Spread of a model's result when its inputs are independently uncertain.

    Each input is moved to its low and to its high end alone; the falls and the rises of the result are
    added in quadrature. Unlike taking every input at its worst end at once, which no world does.

    Parameters
    ----------
    model : callable
        Takes ``{name: value}``, returns a number or an array of one fixed shape.
    inputs : mapping
        Band of each input.

    Returns
    -------
    tuple of ndarray
        Low, central and high of the result.

    Notes
    -----
    .. math:: y_{low} = y_0 - \sqrt{\sum_i \max(0, y_0 - \min_i)^2}, \quad \min_i = \min(y(low_i), y(high_i), y_0)

    First-order propagation (JCGM 100:2008, section 5.1.2) with one-sided differences, so that a crooked
    response keeps its crooked band.

    Examples
    --------
    >>> low, central, high = quadrature_band(lambda v: v["a"] + v["b"], {"a": Band(0, 3, 6), "b": Band(0, 4, 8)})
    >>> float(low), float(central), float(high)
    (2.0, 7.0, 12.0)
    """
    return quadrature(*one_at_a_time(model, inputs))


def left_over_band(
    cost_over_receipts: Callable[[Mapping[str, float]], FloatArray | float], inputs: Mapping[str, Band]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Spread of what a ratio leaves of one: a margin, of cost over receipts.

    As `quadrature_band`, but of the log of the ratio, as the comparison's bands are: a cost is a multiple of the
    receipts, never less than nothing of them, and so what is left never exceeds all.

    Parameters
    ----------
    cost_over_receipts : callable
        Takes ``{name: value}``, returns a ratio >= 0, infinite where nothing is received.
    inputs : mapping
        Band of each input.

    Returns
    -------
    tuple of ndarray
        Low, central and high of one less the ratio, each <= 1.

    Notes
    -----
    .. math:: m_{high} = 1 - r_0 \exp\left(-\sqrt{\sum_i \ln(r_0 / \min_i)^2}\right)

    Examples
    --------
    >>> low, central, high = left_over_band(lambda v: v["cost"] / v["price"],
    ...                                     {"cost": Band.certain(3.0), "price": Band(1.0, 2.0, 8.0)})
    >>> round(float(low), 9), float(central), round(float(high), 9)
    (-2.0, -0.5, 0.625)
    """
    central, moved = one_at_a_time(cost_over_receipts, inputs)
    with np.errstate(divide="ignore"):
        logs = {name: (np.log(low), np.log(high)) for name, (low, high) in moved.items()}
        least, _, most = quadrature(np.log(central), logs)
    kept = 1.0 - central
    # Through the logs and back the last digit may differ: no end lies on the wrong side of the middle.
    return np.minimum(1.0 - np.exp(most), kept), kept, np.maximum(1.0 - np.exp(least), kept)


def _difference(minuend: FloatArray, subtrahend: FloatArray) -> FloatArray:
    """minuend - subtrahend, where two infinities of one sign are no difference."""
    with np.errstate(invalid="ignore"):
        difference = minuend - subtrahend
    return np.where(np.isnan(difference), 0.0, difference)
