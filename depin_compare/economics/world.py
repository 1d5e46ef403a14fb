"""One scenario under one pricing: how clouds' costs, networks' prices and providers' inputs move month by month.

Values are floats, and what comes back has shape (n_months,); or they are draws of shape (n_draws,) under an upright
clock, and what comes back has shape (n_months, n_draws).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from depin_compare.bands import Band
from depin_compare.economics.erosion import adopted_share, cost_index, tenant_price
from depin_compare.economics.margins import node_breakeven_price
from depin_compare.economics.scenarios import Scenario
from depin_compare.errors import ModelDomainError
from depin_compare.units import DAYS_PER_YEAR, MONTHS_PER_YEAR, FloatArray, FloatOrArray

__all__ = [
    "PRICINGS",
    "AdvantageModel",
    "Clock",
    "MarginModel",
    "Values",
    "World",
    "log_ratio_band",
    "loss_years",
    "market_wave",
]

PRICINGS = ("fleet_average", "marginal")
Values = Mapping[str, FloatOrArray]
# Chips of which new silicon would be cheaper; the unit cost of any other is that of new silicon already.
_OLD_SILICON = ("nvidia", "amd")
_PRICE_LISTS = ("list", "committed")
# What moves providers alone, and no price.
_OF_PROVIDERS = ("take_rate_target", "utilisation_target", "demand_factor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Today, the months to the horizon, and the same as years."""

    today: date
    horizon: date
    years: FloatArray
    dates: tuple[date, ...]

    @classmethod
    def between(cls, today: date, horizon: date) -> Clock:
        """The whole months from today to a horizon at least one away; what is left of a month is not looked at."""
        months = (horizon.year - today.year) * 12 + horizon.month - today.month
        last_of_month = (horizon + timedelta(days=1)).day == 1
        months -= horizon.day < today.day and not last_of_month
        if months < 1:
            raise ModelDomainError(f"the horizon {horizon} must lie at least a month after {today}")
        years = np.arange(months + 1) / MONTHS_PER_YEAR
        dates = tuple(today + timedelta(days=round(t * DAYS_PER_YEAR)) for t in years)
        return cls(today=today, horizon=horizon, years=years, dates=dates)

    def upright(self) -> Clock:
        """The same months as a column, against which draws are broadcast."""
        return replace(self, years=self.years[:, None])

    @property
    def start_year(self) -> float:
        """Today as a decimal year."""
        return self.today.year + (self.today.timetuple().tm_yday - 1) / DAYS_PER_YEAR

    def at(self, years: FloatArray) -> Clock:
        """The same today and horizon, looked at other moments."""
        return replace(self, years=years, dates=())

    def day(self, years: float) -> date | None:
        """The day some years from today; None of a moment that is not reached."""
        return None if math.isinf(years) else self.today + timedelta(days=round(years * DAYS_PER_YEAR))


def loss_years(
    over: Callable[[FloatArray, npt.NDArray[np.intp]], FloatArray], monthly: FloatArray, years: FloatArray
) -> FloatArray:
    """When each path 1 - over(t) is first no longer above zero.

    Parameters
    ----------
    over : callable
        Of moments and of the paths they are asked of, both of shape (n,), gives as many ratios, >= 0 and continuous.
    monthly : ndarray, shape (n_months, n_paths)
        The same ratios at ``years``.
    years : ndarray, shape (n_months,)
        Where to look for the first crossing, rising from 0. [years]

    Returns
    -------
    ndarray, shape (n_paths,)
        0 where it is lost already, infinity where it is not by the last of the years: never the horizon. [years]

    Notes
    -----
    The month comes from ``monthly``, so that the first of several crossings is found; within it the crossing is
    found by Chandrupatla's method (scipy.optimize.elementwise.find_root), of all paths at once, to less than a second.

    Examples
    --------
    >>> years, start = np.arange(121) / 12, np.array([1.86 / 6.88, 2.0, 0.001])
    >>> loss_years(lambda t, i: start[i] * 0.73**-t, np.outer(0.73**-years, start), years).round(4).tolist()
    [4.1563, 0.0, inf]
    """
    from scipy.optimize.elementwise import find_root

    lost = monthly >= 1.0
    first = np.argmax(lost, axis=0)
    found = np.where(lost[first, np.arange(lost.shape[1])], 0.0, np.inf)
    (turns,) = np.nonzero(first)
    if turns.size == 0:
        return found

    def gap(t: FloatArray, path: FloatArray) -> FloatArray:
        # In logs a steady decline is a straight line; a fall to minus infinity is a long way, but a number.
        with np.errstate(divide="ignore"):
            return np.clip(np.log(over(t, path.astype(np.intp))), -700.0, 700.0)

    bracket = (years[first[turns] - 1], years[first[turns]])
    root = find_root(gap, bracket, args=(turns,), tolerances={"xatol": 1e-9, "xrtol": 0.0, "fatol": 0.0, "frtol": 0.0})
    found[turns] = np.where(root.success, root.x, bracket[1])
    return found


def market_wave(
    years: FloatOrArray, *, peak: FloatOrArray, peak_after_years: FloatOrArray, half_life_years: FloatOrArray
) -> FloatArray:
    r"""A shortage's multiple on prices: rises in a straight line to its peak, then reverts to 1. [-]

    Parameters
    ----------
    years : float or ndarray
        Years from today; 1 before today. [years]
    peak : float or ndarray
        Multiple at the peak, > 0. [-]
    peak_after_years, half_life_years : float or ndarray
        When the peak is reached, and how long half of the deviation then takes to go, > 0. [years]

    Raises
    ------
    ModelDomainError
        If a time or the peak is not positive.

    Notes
    -----
    .. math:: m(t) = 1 + (M - 1) \min(1, t/t_p)\, 2^{-\max(0, t - t_p)/t_{1/2}}

    Examples
    --------
    >>> market_wave(np.array([0.0, 0.5, 1.5]), peak=1.4, peak_after_years=0.5, half_life_years=1.0).round(3).tolist()
    [1.0, 1.4, 1.2]
    """
    if not all(np.all(np.asarray(x) > 0) for x in (peak, peak_after_years, half_life_years)):
        raise ModelDomainError("peak, peak_after_years and half_life_years must be > 0")
    elapsed = np.maximum(np.asarray(years, dtype=float), 0.0)
    rise = np.minimum(1.0, elapsed / peak_after_years)
    decay = 2.0 ** (-np.maximum(0.0, elapsed - peak_after_years) / half_life_years)
    return np.asarray(1.0 + (peak - 1.0) * rise * decay)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One scenario under one pricing: the indices every path is made of."""

    scenario: Scenario
    pricing: str
    clock: Clock
    # Many pairs ask for the same few indices: what was worked out once, by scenario values, cloud and price list.
    _known: dict[tuple[object, ...], FloatArray] = field(default_factory=dict, repr=False, compare=False)

    def at(self, years: FloatArray) -> World:
        """The same world, looked at other moments."""
        return replace(self, clock=self.clock.at(years), _known={})

    def upright(self) -> World:
        """The same world, ready for values that are draws."""
        return replace(self, clock=self.clock.upright(), _known={})

    def wedge(self, values: Values, years: FloatArray) -> FloatArray:
        r"""What new silicon leaves of the cost at ``years`` from today; 1 before today and without new silicon.

        Notes
        -----
        .. math:: w(t) = 1 - \sum_i e_i s_i(t) (1 - \phi_i)

        over the scenario's silicons i, e_i being 1 if the silicon arrives and 0 if it does not. Marginal pricing
        takes the cheapest that arrives for all of the work; its step is made in the course of the first month.
        """
        saved: FloatArray = np.zeros_like(years)
        after = _step(years)
        for tag in self.scenario.silicons:
            arrives = values.get(_tagged("event", tag), 1.0)
            saving = arrives * (1.0 - self._of(values, "unit_cost_factor", tag))
            if self.pricing == "marginal":
                saved = np.maximum(saved, after * saving)
            else:
                saved = saved + self._adopted(values, years, tag) * saving
        return np.asarray(cost_index(0.0, adopted=1.0, unit_cost_factor=1.0 - saved))

    def _of(self, values: Values, name: str, tag: str) -> FloatOrArray:
        """A parameter of one silicon: its own, else that of all of them."""
        own = _tagged(name, tag)
        return values[own] if own in values else values[name]

    def _adopted(self, values: Values, years: FloatArray, tag: str, *, of_ceiling: bool = False) -> FloatArray:
        """Share of the work on one silicon; ``of_ceiling`` reads it as a share of where it ends."""
        curve = {n: self._of(values, f"adoption_{n}", tag) for n in ("midpoint_year", "slope_per_year")}
        ceiling = 1.0 if of_ceiling else self._of(values, "adoption_ceiling", tag)
        return np.asarray(adopted_share(years, start_year=self.clock.start_year, ceiling=ceiling, **curve))

    def shared(self, values: Values, years: FloatArray) -> FloatArray:
        """g(t), the decline everybody shares; 1 before today."""
        return np.asarray(cost_index(np.maximum(years, 0.0), decline_per_year=values["hardware_decline_per_year"]))

    def network_price(self, values: Values) -> FloatArray:
        """Network's price of an hour as a multiple of today's."""
        lagged = self.clock.years - values["network_lag_years"]
        answer: FloatArray = np.asarray(
            tenant_price(1.0, index=self.wedge(values, lagged), pass_through=values["pass_through"])
        )
        return self.shared(values, lagged) * answer * self._wave(values, "network_peak_multiplier")

    def network_cost_of_work(self, values: Values) -> FloatArray:
        """What a network's work costs its buyer, as a multiple of today's: the hour's price over what an hour does."""
        return self.network_price(values) / (
            1.0 + self._gained(values) * (values.get("network_efficiency_gain", 1.0) - 1.0)
        )

    def provider(self, values: Values) -> dict[str, FloatOrArray]:
        """A provider's inputs that the scenario moves, month by month; the others stay as they are."""
        moved: dict[str, FloatOrArray] = {}
        gained = self._gained(values)
        if "take_rate_target" in values and "take_rate" in values:
            moved["take_rate"] = values["take_rate"] + gained * (
                np.minimum(values["take_rate_target"], values["take_rate"]) - values["take_rate"]
            )
        if "utilisation_target" in values and "utilisation" in values:
            moved["utilisation"] = values["utilisation"] + gained * (
                np.maximum(values["utilisation_target"], values["utilisation"]) - values["utilisation"]
            )
        if "demand_factor" in values and "utilisation" in values:
            step = _step(self.clock.years)
            rented = moved.get("utilisation", values["utilisation"])
            moved["utilisation"] = rented * (1.0 + step * (values["demand_factor"] - 1.0))
        return moved

    def _gained(self, values: Values) -> FloatArray:
        """How much of what networks improve by themselves is there, 0 to 1."""
        if "gains_midpoint_year" not in values:
            return np.zeros_like(self.clock.years)
        return np.asarray(
            adopted_share(
                self.clock.years,
                start_year=self.clock.start_year,
                midpoint_year=values["gains_midpoint_year"],
                slope_per_year=values["gains_slope_per_year"],
                ceiling=1.0,
            )
        )

    def _wave(self, values: Values, peak: str) -> FloatArray:
        if peak not in values:
            return np.ones_like(self.clock.years)
        return market_wave(
            self.clock.years,
            peak=values[peak],
            peak_after_years=values["peak_after_years"],
            half_life_years=values["half_life_years"],
        )

    def cloud_price(self, values: Values, cloud: str, silicon: str, reference: str) -> FloatArray:
        """A cloud's cost or price of the work as a multiple of today's."""
        return self.shared(values, self.clock.years) * self.cloud_wedge(values, cloud, silicon, reference)

    def carried(self, values: Values, cloud: str, silicon: str, reference: str) -> FloatArray:
        """Network's unit price over a cloud's as a multiple of today's ratio."""
        if any(np.ndim(value) for value in values.values()):
            return self.network_cost_of_work(values) / self.cloud_price(values, cloud, silicon, reference)
        key = (tuple(values[name] for name in self.inputs), *self.case(cloud, silicon, reference))
        if key not in self._known:
            cost = self.cloud_price(values, cloud, silicon, reference)
            self._known[key] = self.network_cost_of_work(values) / cost
        return self._known[key]

    def case(self, cloud: str, silicon: str, reference: str) -> tuple[bool, bool]:
        """What of a reference its path hangs on: pairs of the same case are carried alike."""
        parameters = self.scenario.parameters
        replaced = (
            (bool(self.scenario.silicons) or "list_price_factor" in parameters)
            and cloud in self.scenario.clouds
            and silicon in _OLD_SILICON
        )
        apart = "cloud_peak_multiplier" in parameters or (replaced and "list_price_factor" in parameters)
        return (replaced, apart and reference in _PRICE_LISTS)

    @property
    def prices_alike(self) -> bool:
        """Whether both pricings are one, because no new silicon sets a price."""
        return not self.scenario.silicons and "list_price_factor" not in self.scenario.parameters

    def price_key(self, cloud: str, silicon: str, reference: str) -> tuple[object, ...]:
        """Equal keys are carried alike, in whichever scenario."""
        told = tuple(sorted(item for item in self.scenario.parameters.items() if item[0] not in _OF_PROVIDERS))
        return (told, "" if self.prices_alike else self.pricing, self.case(cloud, silicon, reference))

    def cloud_wedge(self, values: Values, cloud: str, silicon: str, reference: str) -> FloatArray:
        """w(t) of one cloud's cost, or of its price list: what networks do not share.

        Work on custom silicon is priced on new silicon already: the scenario's wedge is not taken twice.
        """
        listed = reference in _PRICE_LISTS
        wave = self._wave(values, "cloud_peak_multiplier") if listed else np.ones_like(self.clock.years)
        if not self.case(cloud, silicon, reference)[0]:
            return wave
        if listed and "list_price_factor" in values:
            # A price list is cut by decision, not by cost: whole when adoption has run its course.
            share: FloatOrArray = (
                _step(self.clock.years)
                if self.pricing == "marginal"
                else self._adopted(values, self.clock.years, "", of_ceiling=True)
            )
            cut: FloatArray = np.asarray(cost_index(0.0, adopted=share, unit_cost_factor=values["list_price_factor"]))
            return wave * cut
        return wave * self.wedge(values, self.clock.years)

    @property
    def inputs(self) -> dict[str, Band]:
        """Every input of the scenario; of an event, whether it happens: 0 or 1, most likely in the middle."""
        bands = dict(self.scenario.parameters)
        for tag in ("", *self.scenario.silicons):
            chance = bands.pop(_tagged("event_probability", tag), None)
            if chance is not None:
                bands[_tagged("event", tag)] = Band(0.0, float(chance.central >= 0.5), 1.0)
        return bands


def _tagged(name: str, tag: str) -> str:
    return f"{name}.{tag}" if tag else name


def _step(years: FloatArray) -> FloatArray:
    """0 up to today, 1 a month later, and even in between, so that every path is continuous."""
    return np.clip(MONTHS_PER_YEAR * years, 0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvantageModel:
    """The buyer's advantage month by month, of scenario parameters and of today's ``log_ratio``."""

    world: World
    cloud: str
    silicon: str
    reference: str

    def over(self, values: Values) -> FloatArray:
        """Network's unit price over the cloud's: today's, carried forward by what happens to both."""
        carried = self.world.carried(values, self.cloud, self.silicon, self.reference)
        falling: FloatArray = np.exp(-np.asarray(values["log_ratio"])) * carried
        return falling

    def __call__(self, values: Values) -> FloatArray:
        """The buyer's advantage."""
        return 1.0 - self.over(values)


def log_ratio_band(row: Mapping[str, object]) -> Band:
    """Today's ln(q_ref / q_net) of a row of the comparison.

    In logs the band can't run past 1, and a price can't become negative.
    """
    return Band(*(-math.log(1.0 - float(str(row[f"advantage{end}"]))) for end in ("_low", "", "_high")))


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginModel:
    """Full margins month by month, of scenario parameters, a node's inputs and today's price.

    Two rows: of a node bought today, and of one bought in that month. A node bought later does the same work with
    g(t) of the hardware: the price of an hour of today's hardware's work, per hour of the new, is higher by as much.
    """

    world: World

    def over(self, values: Values) -> FloatArray:
        """Break-even price over the network's price: of a node bought today, and of one bought at the time."""
        told: dict[str, FloatOrArray] = {**values, **self.world.provider(values)}
        needed = node_breakeven_price(told) / values["usd_per_accelerator_hour"]
        over = needed / self.world.network_price(values)
        return np.stack([over, over * self.world.shared(values, self.world.clock.years)])

    def __call__(self, values: Values) -> FloatArray:
        """Full margin of a node bought today, and of one bought at the time."""
        # (p (1 - f) u - costs) / (p (1 - f) u), in terms of the price at which costs are just covered.
        return 1.0 - self.over(values)
