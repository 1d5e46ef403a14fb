"""Which inputs decide, all of them uncertain at once: Sobol indices of each network's headline path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import dataframely as dy
import numpy as np
import numpy.typing as npt
import polars as pl

from depin_compare.bands import Band
from depin_compare.doors import Schema
from depin_compare.economics.comparison import Comparison
from depin_compare.economics.lineage import Lineage
from depin_compare.economics.outlook_frames import QUANTITIES
from depin_compare.economics.sampled import MARGINS
from depin_compare.economics.scenarios import Scenario
from depin_compare.economics.starts import Pair, Subject, node_bands, pairs_of
from depin_compare.economics.uncertainty import triangular
from depin_compare.economics.world import PRICINGS, Clock, MarginModel, World
from depin_compare.errors import ModelDomainError
from depin_compare.inference.references import REFERENCES
from depin_compare.units import DAYS_PER_YEAR, FloatArray, FloatOrArray

__all__ = ["DEFAULT_SAMPLES", "MEASURES", "Sensitivity", "sensitivity"]

DEFAULT_SAMPLES = 512
MEASURES = ("value", "lost")
HEADLINE_CLOUDS = (("azure", "nvidia"), ("aws", "nvidia"), ("google", "nvidia"))
_RESAMPLES = 199
_CONFIDENCE = 0.9
# With fewer draws than this on one side the indices of a loss are chance.
_FEWEST = 20


class Sensitivity(Schema):
    """How much of a result's variance each input makes, when all of them vary at once.

    ``first_order`` is the share an input makes alone, ``total`` the share it has a part in, together with others;
    both with the ends of their 90% confidence interval by bootstrap. ``measure`` is the ``value`` on the day ``at``,
    or whether it is ``lost`` by then, 1 or 0. Where a result does not vary, or hardly, there is nothing to share out:
    the numbers are null, and ``not_defined`` says so. Margins depend on no cloud's price list: their cloud, silicon
    and reference are null.
    """

    network = dy.String(nullable=False)
    cloud = dy.String(nullable=True)
    silicon = dy.String(nullable=True)
    reference = dy.Enum(REFERENCES, nullable=True)
    scenario = dy.String(nullable=False)
    pricing = dy.Enum(PRICINGS, nullable=False)
    quantity = dy.Enum(QUANTITIES, nullable=False)
    measure = dy.Enum(MEASURES, nullable=False)
    at = dy.Date(nullable=False)
    input = dy.String(nullable=False)
    first_order = dy.Float64(nullable=True)
    first_order_low = dy.Float64(nullable=True)
    first_order_high = dy.Float64(nullable=True)
    total = dy.Float64(nullable=True)
    total_low = dy.Float64(nullable=True)
    total_high = dy.Float64(nullable=True)
    not_defined = dy.String(nullable=True)


def sensitivity(
    subjects: Sequence[Subject],
    comparison: dy.DataFrame[Comparison],
    scenarios: Sequence[Scenario],
    *,
    as_of: datetime,
    horizon: date,
    at: date | None = None,
    references: Sequence[str] = ("list", "modelled_cost"),
    pricing: str = "fleet_average",
    match: str = "cheapest",
    lineage: Lineage | None = None,
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
) -> dy.DataFrame[Sensitivity]:
    """First and total Sobol indices of each subject's advantage over its headline cloud, and of its margins.

    Parameters
    ----------
    subjects, comparison, scenarios, as_of, horizon, match, lineage
        As `depin_compare.economics.outlook.erosion` takes them.
    at : date, optional
        Day of the ``value``; default: five years from today, or the horizon where that is nearer. ``lost`` is always
        by the horizon.
    references : sequence of str
        Of the headline cloud: Azure's NVIDIA machines, else those of AWS, else of Google.
    pricing : str
        ``fleet_average`` or ``marginal``.
    samples : int
        How many points of a Sobol sequence, a power of two; the model is worked out at samples x (inputs + 2) points.
    seed : int
        What the sequence and the bootstrap start from.

    Returns
    -------
    DataFrame[Sensitivity]
        Inputs known exactly are left out. Rows in the order of subjects and scenarios, the greatest total first.

    Raises
    ------
    ModelDomainError
        If the samples are no power of two, or the day lies outside today to the horizon.

    Notes
    -----
    Estimators of Saltelli et al., Computer Physics Communications 181 (2010) 259, table 2 (b) and (f), by
    scipy.stats.sobol_indices. The indices take inputs to be independent: the correlation of price and use that the
    draws of the outlook have is left out here. Whether an event happens is an input of its own.
    """
    if samples < 2 or samples & (samples - 1):
        raise ModelDomainError(f"samples must be a power of two, e.g. {DEFAULT_SAMPLES}; got {samples}")
    clock = Clock.between(as_of.date(), horizon)
    day = at or min(_years_later(clock.today, 5), horizon)
    if not clock.today < day <= horizon:
        raise ModelDomainError(f"at must lie after {clock.today} and not beyond {horizon}, got {day}")
    years = min((day - clock.today).days / DAYS_PER_YEAR, float(clock.years[-1]))
    rows: list[dict[str, object]] = []
    for subject in subjects:
        pairs = _headline_pairs(pairs_of(subject, comparison, match=match, lineage=lineage, as_of=as_of), references)
        for scenario in scenarios:
            world = World(scenario=scenario, pricing=pricing, clock=clock)
            for result in _results(subject, pairs, world, years):
                rows += _indices(result, day, samples, seed)
    return Sensitivity.validate(pl.DataFrame(rows, schema=Sensitivity.create_empty().schema))


def _years_later(day: date, years: int) -> date:
    return date(day.year + years, day.month, min(day.day, 28))


def _headline_pairs(pairs: Sequence[Pair], references: Sequence[str]) -> list[Pair]:
    known = [pair for pair in pairs if pair.not_comparable is None and pair.reference in references]
    for cloud in HEADLINE_CLOUDS:
        chosen = [pair for pair in known if (pair.cloud, pair.silicon) == cloud]
        if chosen:
            return chosen
    return known[:1]


@dataclass(frozen=True, kw_only=True)
class _Result:
    """Results of one path: their inputs, and the ratios whose distance from 1 they are, at a day and month by month."""

    key: Mapping[str, object]
    quantities: tuple[str, ...]
    bands: Mapping[str, Band]
    chances: Mapping[str, float]
    over: Callable[[Mapping[str, FloatOrArray], World], FloatArray]
    world: World
    years: float

    def __call__(self, columns: Mapping[str, FloatArray]) -> FloatArray:
        """Every quantity's value and whether it is lost, shape (2 x n_quantities, n_points)."""
        clock = self.world.clock
        moment = self.over(columns, self.world.at(np.array([self.years])).upright())[:, 0]
        lost = (self.over(columns, self.world.at(clock.years).upright()) >= 1.0).any(axis=1)
        found = np.concatenate([1.0 - moment, lost.astype(float)])
        # A path that hangs on none of what varies is one for all points.
        return np.broadcast_to(found, (len(found), len(next(iter(columns.values()))))).copy()


def _results(subject: Subject, pairs: Sequence[Pair], world: World, years: float) -> Iterator[_Result]:
    chances: dict[str, float] = {}
    parameters: dict[str, Band] = {}
    certain: dict[str, FloatOrArray] = {}
    for name, band in world.scenario.parameters.items():
        if name.partition(".")[0] == "event_probability":
            # How likely is itself uncertain: what counts for whether it happens is the mean of that.
            chances[name.replace("event_probability", "event", 1)] = (band.low + band.central + band.high) / 3.0
        elif band.low < band.high:
            parameters[name] = band
        else:
            certain[name] = band.central
    key: dict[str, object] = {"network": subject.network, "scenario": world.scenario.id, "pricing": world.pricing}

    for pair in pairs:

        def over(
            columns: Mapping[str, FloatOrArray],
            at: World,
            pair: Pair = pair,
            told: Mapping[str, FloatOrArray] = certain,
        ) -> FloatArray:
            mine = {name: columns.get(name, band.central) for name, band in pair.bands.items()}
            carried = at.carried({**told, **columns}, *pair.reference_key)
            ratio: FloatArray = np.asarray(pair.ratios(mine) * carried)[None]
            return ratio

        yield _Result(
            key={**key, "cloud": pair.cloud, "silicon": pair.silicon, "reference": pair.reference},
            quantities=("advantage",), bands={**parameters, **_uncertain(pair.bands)}, chances=chances, over=over,
            world=world, years=years,
        )  # fmt: skip
    node = subject.node
    if node is None or node.missing is not None or node.paid_in_tokens or subject.expired is not None:
        return
    bands = node_bands(subject, node)
    fixed = {name: band.central for name, band in bands.items()}
    yield _Result(
        key=key, quantities=MARGINS, bands={**parameters, **_uncertain(bands)}, chances=chances,
        over=lambda columns, at: MarginModel(world=at).over({**certain, **fixed, **columns}),
        world=world, years=years,
    )  # fmt: skip


def _uncertain(bands: Mapping[str, Band]) -> dict[str, Band]:
    return {name: band for name, band in bands.items() if band.low < band.high}


def _indices(result: _Result, day: date, samples: int, seed: int) -> list[dict[str, object]]:
    """The rows of one path: every quantity's value and loss, every input."""
    names = [*result.bands, *result.chances]
    if not names:
        return []
    a, b, ab = _evaluated(result, names, samples, seed)
    n_quantities = len(result.quantities)
    measures = [MEASURES[i // n_quantities] for i in range(len(a))]
    reasons = [_not_defined(a[i], b[i], ab[:, i], measure) for i, measure in enumerate(measures)]
    for i, why in enumerate(reasons):
        if why is not None:
            a[i], b[i], ab[:, i] = 0.0, 0.0, 0.0
    told = _estimated(a, b, ab, seed)
    rows: list[dict[str, object]] = []
    for i, (measure, why) in enumerate(zip(measures, reasons, strict=True)):
        key = {
            **result.key, "quantity": result.quantities[i % n_quantities], "measure": measure,
            "at": day if measure == "value" else result.world.clock.horizon, "not_defined": why,
        }  # fmt: skip
        made = [
            {**key, "input": name} | ({} if why else {k: float(f"{v[i, j]:.7g}") for k, v in told.items()})
            for j, name in enumerate(names)
        ]
        rows += sorted(made, key=lambda row: (-float(str(row.get("total", 0.0))), str(row["input"])))
    return rows


def _evaluated(
    result: _Result, names: Sequence[str], samples: int, seed: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The results at two samples of all inputs, and at the first with one input after another of the second."""
    from scipy.stats import qmc

    d = len(names)
    uniform = qmc.Sobol(d=2 * d, scramble=True, rng=np.random.default_rng(seed)).random(samples).T

    def drawn(i: int) -> FloatArray:
        name, column = names[i % d], uniform[i]
        if name in result.bands:
            return triangular(column, result.bands[name])
        happens: FloatArray = (column < result.chances[name]).astype(float)
        return happens

    first, second = ([drawn(i + part) for i in range(d)] for part in (0, d))
    blocks = [first, second, *([*first[:i], second[i], *first[i + 1 :]] for i in range(d))]
    columns = {name: np.concatenate([block[i] for block in blocks]) for i, name in enumerate(names)}
    found = result(columns).reshape(2 * len(result.quantities), d + 2, samples)
    return found[:, 0], found[:, 1], np.moveaxis(found[:, 2:], 1, 0)


def _not_defined(a: FloatArray, b: FloatArray, ab: FloatArray, measure: str) -> str | None:
    if not all(np.isfinite(part).all() for part in (a, b, ab)):
        return "in some draws nothing is earned, and the margin has no limit"
    if measure == "value":
        return "the value is the same in every draw" if np.ptp([a, b]) == 0 else None
    lost, n = int(a.sum() + b.sum()), len(a) + len(b)
    if lost in (0, n):
        return "lost in every draw" if lost else "lost in no draw"
    if min(lost, n - lost) < _FEWEST:
        return f"lost in {lost} of {n} draws: too few on one side to say what decides"
    return None


def _estimated(a: FloatArray, b: FloatArray, ab: FloatArray, seed: int) -> dict[str, FloatArray]:
    """First order and total, with the ends of their intervals, each of shape (n_results, n_inputs)."""
    from scipy.stats import bootstrap, sobol_indices

    n = a.shape[1]
    found = sobol_indices(func={"f_A": a.copy(), "f_B": b.copy(), "f_AB": ab.copy()}, n=n)
    mean = np.mean([a, b], axis=(0, 2))[:, None]
    a, b, ab = a - mean, b - mean, ab - mean
    shared, apart = b * (ab - a), (a - ab) ** 2

    def resampled(chosen: npt.NDArray[np.intp], axis: int = -1) -> FloatArray:
        # The estimators of sobol_indices: its own bootstrap can't be given a seed.
        variance = np.var(np.concatenate([a[:, chosen], b[:, chosen]], axis=axis), axis=axis)
        # A sample in which nothing varies has nothing to share out.
        safe = np.where(variance > 0, variance, np.inf)
        first = np.mean(shared[..., chosen], axis=axis) / safe
        total = 0.5 * np.mean(apart[..., chosen], axis=axis) / safe
        return np.stack([first, total])

    around = bootstrap(
        (np.arange(n),), resampled, vectorized=True, axis=-1, n_resamples=_RESAMPLES, method="percentile",
        confidence_level=_CONFIDENCE, rng=np.random.default_rng(seed), batch=32,
    ).confidence_interval  # fmt: skip
    low, high = np.swapaxes(around.low, 1, 2), np.swapaxes(around.high, 1, 2)
    return {
        # scipy drops an axis of length one.
        "first_order": found.first_order.reshape(len(a), -1), "first_order_low": low[0], "first_order_high": high[0],
        "total": found.total_order.reshape(len(a), -1), "total_low": low[1], "total_high": high[1],
    }  # fmt: skip
