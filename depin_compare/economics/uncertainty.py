"""Draws of uncertain inputs, and what becomes of paths under them: quantiles, dates with censoring, probabilities.

Every input has a key. The same key is the same column of draws wherever it is used, so that two networks on the same
chip, or one chip on both sides of a comparison, rise and fall together; and a column hangs on its key, the seed and
the number of draws alone, so that adding a network changes no other network's numbers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from depin_compare.bands import Band
from depin_compare.economics.scenarios import PARAMETERS
from depin_compare.errors import ModelDomainError
from depin_compare.units import FloatArray, FloatOrArray

__all__ = ["DEFAULT_DRAWS", "QUANTILES", "Draws", "Spread", "path_quantiles", "spread", "triangular"]

DEFAULT_DRAWS = 4096
QUANTILES = (0.10, 0.50, 0.90)
# What all networks share fills a joint Sobol sequence, evenly in all its dimensions at once; the place of a
# parameter in the sequence is fixed. Inputs of single sellers are stratified each on its own.
_JOINT = (*PARAMETERS, "event")


def triangular(uniform: FloatArray, band: Band) -> FloatArray:
    r"""Draws between a band's ends, likeliest at its centre.

    Parameters
    ----------
    uniform : ndarray
        Draws within 0..1, any shape.
    band : Band
        The ends are outer bounds: no draw lies beyond them.

    Notes
    -----
    Inverse of the triangular distribution function: the least that low, central and high say, and no more.

    Examples
    --------
    >>> triangular(np.array([0.0, 0.25, 1.0]), Band(0.0, 1.0, 4.0)).tolist()
    [0.0, 1.0, 4.0]
    """
    low, mode, high = band.low, band.central, band.high
    if low == high:
        return np.full_like(uniform, mode)
    split = (mode - low) / (high - low)
    rising = low + np.sqrt(uniform * (high - low) * (mode - low))
    falling = high - np.sqrt((1.0 - uniform) * (high - low) * (high - mode))
    return np.where(uniform < split, rising, falling)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Columns of draws by key.

    Parameters
    ----------
    size : int
        How many draws, a power of two: a Sobol sequence is even only then.
    seed : int
        The same seed gives the same columns on any machine.
    correlations : mapping
        Pairs of keys -> correlation of their normal scores, -1 to 1. The second of a pair follows the first; each key
        follows at most one.

    Raises
    ------
    ModelDomainError
        If the size is no power of two, or a correlation lies outside -1..1.

    Examples
    --------
    >>> draws = Draws(size=1024, seed=7)
    >>> column = draws.of("price of akash", Band(1.0, 2.0, 3.0))
    >>> bool(np.all(column == Draws(size=1024, seed=7).of("price of akash", Band(1.0, 2.0, 3.0)))), column.shape
    (True, (1024,))
    >>> abs(float(np.median(column)) - 2.0) < 0.01
    True
    """

    size: int = DEFAULT_DRAWS
    seed: int = 0
    correlations: Mapping[tuple[str, str], float] = field(default_factory=dict)
    _uniform: dict[str, FloatArray] = field(default_factory=dict, repr=False, compare=False)
    _drawn: dict[tuple[str, Band], FloatArray] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.size < 2 or self.size & (self.size - 1):
            raise ModelDomainError(f"draws must be a power of two, e.g. {DEFAULT_DRAWS}; got {self.size}")
        if not all(-1.0 <= rho <= 1.0 for rho in self.correlations.values()):
            raise ModelDomainError(f"a correlation must be within -1..1, got {dict(self.correlations)}")

    def of(self, key: str, band: Band) -> FloatArray:
        """Draws of one input, shape (size,)."""
        if (key, band) not in self._drawn:
            self._drawn[key, band] = (
                np.full(self.size, band.central) if band.low == band.high else triangular(self.uniform(key), band)
            )
        return self._drawn[key, band]

    def values(self, bands: Mapping[str, Band], keys: Mapping[str, str] | None = None) -> dict[str, FloatOrArray]:
        """Draws of several inputs by name, each under its own name as key or the one given; certain ones as numbers."""
        told = keys or {}
        return {
            name: band.central if band.low == band.high else self.of(told.get(name, name), band)
            for name, band in bands.items()
        }

    def happens(self, key: str, probability: Band) -> FloatArray:
        """1 where an event happens, else 0: a coin whose bias is itself uncertain. Shape (size,)."""
        chance = self.of(f"probability of {key}", probability)
        return (self.uniform(key) < chance).astype(float)

    def uniform(self, key: str) -> FloatArray:
        """Draws of a key within 0..1, correlated with those of the key it follows."""
        if key not in self._uniform:
            drawn = self._independent(key)
            for (leader, follower), rho in self.correlations.items():
                if follower == key:
                    drawn = _following(self.uniform(leader), drawn, rho)
            self._uniform[key] = drawn
        return self._uniform[key]

    def _independent(self, key: str) -> FloatArray:
        from scipy.stats import qmc

        if key in _JOINT:
            joint = qmc.Sobol(d=len(_JOINT), scramble=True, rng=np.random.default_rng(self.seed)).random(self.size)
            self._uniform.update(zip(_JOINT, np.ascontiguousarray(joint.T), strict=True))
            return self._uniform[key]
        digest = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
        own = np.random.default_rng([self.seed, digest])
        return np.asarray(qmc.LatinHypercube(d=1, rng=own).random(self.size)[:, 0])


def _following(leader: FloatArray, own: FloatArray, rho: float) -> FloatArray:
    """A Gaussian copula: normal scores of the leader and of its own, mixed."""
    from scipy.special import ndtr, ndtri

    inside = np.finfo(float).eps
    scores = rho * ndtri(np.clip(leader, inside, 1 - inside)) + np.sqrt(1 - rho * rho) * ndtri(
        np.clip(own, inside, 1 - inside)
    )
    return np.asarray(ndtr(scores))


def _ranks(quantiles: Sequence[float], n: int) -> list[int]:
    """Of each quantile, how many of n draws lie at it or below: the least number that is that share or more."""
    return [max(1, math.ceil(q * n - 1e-9)) for q in quantiles]


def path_quantiles(paths: FloatArray, quantiles: Sequence[float] = QUANTILES) -> FloatArray:
    """Quantiles over the draws of every month.

    Parameters
    ----------
    paths : ndarray, shape (n_months, n_draws)
        Minus infinity is a number here: a margin of nothing.
    quantiles : sequence of float
        Within 0..1.

    Returns
    -------
    ndarray, shape (n_quantiles, n_months)
        The smallest draw that at least that share of the draws does not exceed (numpy's ``inverted_cdf``), so that a
        path's P10 is at or below zero in just the months in which a tenth of the draws is.

    Examples
    --------
    >>> path_quantiles(np.array([[3.0, 1.0, 2.0]]), [0.0, 0.5, 1.0]).ravel().tolist()
    [1.0, 2.0, 3.0]
    """
    room = np.array(paths, dtype=float)
    places = [rank - 1 for rank in _ranks(quantiles, paths.shape[1])]
    _put_in_place(room, sorted(set(places)))
    return np.ascontiguousarray(room[:, places].T)


def _put_in_place(rows: FloatArray, places: Sequence[int]) -> None:
    """Partition every row at rising places, each within what the others leave.

    numpy's partition at one place is vectorised and at several is not; of some thousand draws this takes two thirds
    of the time of a sort.
    """
    if not places:
        return
    middle = len(places) // 2
    here = places[middle]
    rows.partition(here, axis=1)
    _put_in_place(rows[:, :here], places[:middle])
    _put_in_place(rows[:, here + 1 :], [place - here - 1 for place in places[middle + 1 :]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What draws say of a path 1 - ratio that is lost where the ratio is 1 or more.

    ``quantiles`` (n_quantiles, n_months) are those of the path; ``lost`` (n_months,) is the share of the draws lost
    by each month; ``years`` (n_quantiles,) when those shares are lost, infinite where they are not by the last month;
    ``lost_among`` the share lost by the last month of the draws asked for, None where there is none of them.
    """

    quantiles: FloatArray
    lost: FloatArray
    years: FloatArray
    lost_among: float | None


def spread(
    ratios: FloatArray,
    years: FloatArray,
    *,
    highest: FloatArray | None = None,
    limit: FloatOrArray = 1.0,
    among: FloatArray | None = None,
    quantiles: Sequence[float] = QUANTILES,
) -> Spread:
    """Quantiles of a path, the share lost by each month and the dates of that, from draws of its ratio.

    Parameters
    ----------
    ratios : ndarray, shape (n_months, n_draws)
        What is compared with 1, e.g. a network's unit price over a cloud's. It is reordered in place: pass a copy
        if it is needed later.
    years : ndarray, shape (n_months,)
        Years from today, rising from 0.
    highest : ndarray, shape (n_months, n_draws), optional
        What ``ratios`` reached so far, in any unit, where the caller knows it; ``limit`` is then the value at which
        a draw is lost, shape (n_draws,).
    among : ndarray, shape (n_draws,), optional
        Not zero for the draws of which ``lost_among`` tells the share.
    quantiles : sequence of float
        Within 0..1.

    Notes
    -----
    A draw is lost from the month on in which it is first lost; what it does afterwards does not count. Within that
    month its ratio is taken to rise at a steady rate, as declines do. A quantile that is not reached is infinite:
    censored, never the horizon.

    Examples
    --------
    >>> told = spread(np.array([[0.5, 0.9], [0.5, 1.1], [0.5, 0.9]]), np.array([0.0, 1.0, 2.0]), quantiles=[0.5, 0.9])
    >>> told.quantiles.round(2).tolist(), told.lost.tolist(), told.years.round(3).tolist()
    ([[0.1, -0.1, 0.1], [0.5, 0.5, 0.5]], [0.0, 0.5, 0.5], [0.525, inf])
    """
    n = ratios.shape[1]
    lost = (np.maximum.accumulate(ratios, axis=0) if highest is None else highest) >= limit
    counts = np.count_nonzero(lost, axis=1)
    ranks = _ranks(quantiles, n)
    dated = np.array([_loss_years(ratios, lost, counts, years, rank) for rank in ranks])
    chosen = None if among is None else lost[-1][among != 0]
    # The smallest of the path are the greatest of the ratio.
    places = [n - rank for rank in ranks]
    _put_in_place(ratios, sorted(set(places)))
    return Spread(
        quantiles=1.0 - ratios[:, places].T,
        lost=counts / n,
        years=dated,
        lost_among=None if chosen is None or chosen.size == 0 else float(np.mean(chosen)),
    )


def _loss_years(
    ratios: FloatArray, lost: npt.NDArray[np.bool_], counts: npt.NDArray[np.intp], years: FloatArray, rank: int
) -> float:
    """When the rank-th draw is lost: the month from the counts, the moment in it from the draws lost in that month."""
    month = int(np.searchsorted(counts, rank))
    if month == len(counts):
        return math.inf
    if month == 0:
        return 0.0
    new = lost[month] & ~lost[month - 1]
    before, after = ratios[month - 1, new], ratios[month, new]
    with np.errstate(all="ignore"):
        share = np.where(before > 0, np.log(before) / np.log(before / after), 1.0 / after)
    # What goes to infinity at once is lost at the month before.
    share = np.clip(np.where(np.isfinite(after), share, 0.0), 0.0, 1.0)
    nth = rank - int(counts[month - 1]) - 1
    return float(years[month - 1] + np.partition(share, nth)[nth] * (years[month] - years[month - 1]))
