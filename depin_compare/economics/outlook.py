"""What becomes of every network in every scenario: monthly paths, headroom, dates and verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import dataframely as dy
import numpy as np
import polars as pl

from depin_compare.bands import Band, one_at_a_time, quadrature, quadrature_band
from depin_compare.economics.comparison import Comparison
from depin_compare.economics.derivations import Input
from depin_compare.economics.erosion import adopted_share, cost_index, margin_headroom, tenant_price
from depin_compare.economics.lineage import Lineage, age_days
from depin_compare.economics.margins import node_breakeven_price, node_margin
from depin_compare.economics.nodes import NODE_UNITS, Node
from depin_compare.economics.scenarios import Scenario
from depin_compare.errors import ModelDomainError
from depin_compare.inference.references import REFERENCES
from depin_compare.market.freshness import FRESHNESS
from depin_compare.units import DAYS_PER_YEAR, MONTHS_PER_YEAR, FloatArray

__all__ = [
    "OUTLOOK_STATES",
    "PRICINGS",
    "QUANTITIES",
    "VERDICTS",
    "AdvantageModel",
    "AdvantagePaths",
    "Clock",
    "Drivers",
    "Erosion",
    "MarginModel",
    "MarginPaths",
    "Outlook",
    "Subject",
    "World",
    "erosion",
    "log_ratio_band",
]

PRICINGS = ("fleet_average", "marginal")
QUANTITIES = ("advantage", "full_margin", "full_margin_new_node")
OUTLOOK_STATES = ("already_lost", "lost_within_horizon", "not_reached", "not_comparable")
# Chips of which new silicon would be cheaper; the unit cost of any other is that of new silicon already.
_OLD_SILICON = ("nvidia", "amd")
_PAID_IN_TOKENS = "nodes are paid in minted tokens, not from the tenant's payment"
VERDICTS = ("resilient", "exposed", "eroded", "not comparable")


class AdvantagePaths(dy.Schema):
    """The buyer's advantage month by month: one row a network x reference x scenario x pricing x month.

    ``cost_index`` is the cloud's cost as a multiple of today's, ``wedge_index`` the part of it that networks do
    not share. ``*_low`` and ``*_high`` are the ends of the band (`depin_compare.bands.quadrature_band`).
    """

    network = dy.String(nullable=False)
    cloud = dy.String(nullable=False)
    silicon = dy.String(nullable=False)
    reference = dy.Enum(REFERENCES, nullable=False)
    scenario = dy.String(nullable=False)
    pricing = dy.Enum(PRICINGS, nullable=False)
    month = dy.Int64(nullable=False, min=0)
    date = dy.Date(nullable=False)
    cost_index = dy.Float64(nullable=False, min_exclusive=0)
    wedge_index = dy.Float64(nullable=False, min_exclusive=0)
    usd_per_mtok_network = dy.Float64(nullable=False, min_exclusive=0)
    usd_per_mtok_reference = dy.Float64(nullable=False, min_exclusive=0)
    advantage = dy.Float64(nullable=False)
    advantage_low = dy.Float64(nullable=False)
    advantage_high = dy.Float64(nullable=False)


class MarginPaths(dy.Schema):
    """The provider's margins month by month: one row a network x scenario x pricing x month.

    ``full_margin`` and ``cash_margin`` are those of a node bought today, whose costs are sunk;
    ``full_margin_new_node`` that of a node bought in that month, when the same work takes less hardware.
    """

    network = dy.String(nullable=False)
    accelerator = dy.String(nullable=False)
    archetype = dy.String(nullable=False)
    scenario = dy.String(nullable=False)
    pricing = dy.Enum(PRICINGS, nullable=False)
    month = dy.Int64(nullable=False, min=0)
    date = dy.Date(nullable=False)
    usd_per_accelerator_hour = dy.Float64(nullable=False, min_exclusive=0)
    cash_margin = dy.Float64(nullable=False, allow_inf=True)
    full_margin = dy.Float64(nullable=False, allow_inf=True)
    full_margin_low = dy.Float64(nullable=False, allow_inf=True)
    full_margin_high = dy.Float64(nullable=False, allow_inf=True)
    full_margin_new_node = dy.Float64(nullable=False, allow_inf=True)
    full_margin_new_node_low = dy.Float64(nullable=False, allow_inf=True)
    full_margin_new_node_high = dy.Float64(nullable=False, allow_inf=True)


class Outlook(dy.Schema):
    """What becomes of one quantity of one network against one reference in one scenario.

    ``headroom`` is how much further cloud cost may fall, as a fraction of today's, before the sign turns;
    negative means already lost; ``date`` is when it turns on the central path, null when it does not by
    ``horizon``; ``date_low`` and ``date_high`` are those of the unfavourable and the favourable end. ``driver_1``
    and ``driver_2`` are the inputs whose bands move the value at the horizon most (`Drivers`); ``data_age_days`` is
    the age of the oldest price, measured fact or cost estimate it rests on, and ``freshness`` the worst of its prices
    and measured facts: a quantity that rests on an expired price is not comparable.
    """

    network = dy.String(nullable=False)
    accelerator = dy.String(nullable=True)
    archetype = dy.String(nullable=True)
    llm = dy.String(nullable=False)
    workload = dy.String(nullable=False)
    cloud = dy.String(nullable=False)
    silicon = dy.String(nullable=False)
    reference = dy.Enum(REFERENCES, nullable=False)
    scenario = dy.String(nullable=False)
    pricing = dy.Enum(PRICINGS, nullable=False)
    quantity = dy.Enum(QUANTITIES, nullable=False)
    today = dy.Float64(nullable=True, allow_inf=True)
    today_low = dy.Float64(nullable=True, allow_inf=True)
    today_high = dy.Float64(nullable=True, allow_inf=True)
    at_horizon = dy.Float64(nullable=True, allow_inf=True)
    headroom = dy.Float64(nullable=True, allow_inf=True)
    headroom_low = dy.Float64(nullable=True, allow_inf=True)
    headroom_high = dy.Float64(nullable=True, allow_inf=True)
    state = dy.Enum(OUTLOOK_STATES, nullable=False)
    date = dy.Date(nullable=True)
    date_low = dy.Date(nullable=True)
    date_high = dy.Date(nullable=True)
    horizon = dy.Date(nullable=False)
    verdict = dy.Enum(VERDICTS, nullable=False)
    driver_1 = dy.String(nullable=True)
    driver_2 = dy.String(nullable=True)
    data_age_days = dy.Float64(nullable=True, min=0)
    freshness = dy.Enum(FRESHNESS, nullable=True)
    not_comparable = dy.String(nullable=True)


class Drivers(dy.Schema):
    """The tornado: how far one input alone, from its low to its high end, moves a quantity at the horizon.

    One row a network x reference x scenario x pricing x quantity x input, ``rank`` 1 the widest ``swing``; inputs
    known exactly are left out. Margins depend on no cloud's price list: their cloud, silicon and reference are null.
    ``at_low`` and ``at_high`` are the results at the input's low and high end, ``at_horizon`` that of its central
    value. Inputs of today's prices and throughputs are named as in `depin_compare.economics.lineage`.
    """

    network = dy.String(nullable=False)
    cloud = dy.String(nullable=True)
    silicon = dy.String(nullable=True)
    reference = dy.Enum(REFERENCES, nullable=True)
    scenario = dy.String(nullable=False)
    pricing = dy.Enum(PRICINGS, nullable=False)
    quantity = dy.Enum(QUANTITIES, nullable=False)
    rank = dy.Int64(nullable=False, min=1)
    input = dy.String(nullable=False)
    unit = dy.String(nullable=False)
    input_low = dy.Float64(nullable=False)
    input_central = dy.Float64(nullable=False)
    input_high = dy.Float64(nullable=False)
    at_low = dy.Float64(nullable=False, allow_inf=True)
    at_horizon = dy.Float64(nullable=False, allow_inf=True)
    at_high = dy.Float64(nullable=False, allow_inf=True)
    swing = dy.Float64(nullable=False, min=0, allow_inf=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What stands for a network in the paths: one chip, one archetype of provider, one piece of work.

    ``freshness`` is that of what its provider's margin rests on; ``expired`` says why its price is none of today.
    """

    network: str
    accelerator: str
    archetype: str | None
    llm: str
    workload: str
    usd_per_accelerator_hour: Band
    node: Node | None
    freshness: str | None = None
    expired: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erosion:
    """What `erosion` gives: monthly paths, the outlook drawn from them, and what moves it."""

    advantage_paths: dy.DataFrame[AdvantagePaths]
    margin_paths: dy.DataFrame[MarginPaths]
    outlook: dy.DataFrame[Outlook]
    drivers: dy.DataFrame[Drivers]


def erosion(
    subjects: Sequence[Subject],
    comparison: dy.DataFrame[Comparison],
    scenarios: Sequence[Scenario],
    *,
    as_of: datetime,
    horizon: date,
    match: str = "cheapest",
    lineage: Lineage | None = None,
) -> Erosion:
    """Paths and outlook of every subject against every cloud reference, in every scenario and both pricings.

    Parameters
    ----------
    subjects : sequence of Subject
        One a network, as a rule.
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
        What today's unit prices are made of: with it the drivers name prices, throughputs and discounts, and every
        row has the age of its data; without it today's ratio of unit prices is one driver, and ages are null.

    Returns
    -------
    Erosion
        A pair that is not comparable has outlook rows that say so, and no path.

    Notes
    -----
    With g(t) = (1-h)^t the decline everybody shares and w(t) = 1 - s(t)(1-phi) the wedge only the clouds have,

    .. math::
        c(t) = c(0)\\, g(t)\\, w(t), \\qquad
        p(t) = p(0)\\, g(\\max(0, t-\\tau))\\, [1 - \\beta (1 - w(t - \\tau))]

    so that an equal decline cancels, and with h = 0 the price is `tenant_price` at x = w. Fleet-average pricing
    takes s(t) from the adoption curve; marginal pricing takes s = 1 from the first month on, as if the newest
    silicon set the price at once. A cloud outside the scenario keeps w = 1, while networks answer those inside.
    A node bought today keeps its costs; a node bought at t costs g(t) as much for the same work.
    """
    clock = Clock.between(as_of.date(), horizon)
    worlds = [World(scenario=told, pricing=pricing, clock=clock) for told in scenarios for pricing in PRICINGS]
    advantage_paths: list[_Path] = []
    margin_paths: list[_Path] = []
    outlook: list[dict[str, object]] = []
    drivers: list[dict[str, object]] = []
    for subject in subjects:
        aged = _provider_age(subject, lineage, as_of)
        rows = comparison.filter(
            pl.col("network") == subject.network,
            pl.col("accelerator") == subject.accelerator,
            pl.col("llm") == subject.llm,
            pl.col("workload") == subject.workload,
            pl.col("match") == match,
        )
        pairs = [(row, _today_of(row, lineage, as_of)) for row in rows.iter_rows(named=True)]
        for world in worlds:
            margin_path, margin_outlook, margin_drivers = _margins_of(subject, world, aged)
            margin_paths += [] if margin_path is None else [margin_path]
            drivers += margin_drivers
            for row, today in pairs:
                advantage_path, advantage_outlook, own_drivers = _advantage_of(subject, row, world, today)
                advantage_paths += [] if advantage_path is None else [advantage_path]
                drivers += own_drivers
                outlook += _outlook_rows(subject, row, world, [advantage_outlook, *margin_outlook])
    return Erosion(
        advantage_paths=AdvantagePaths.validate(_stacked(advantage_paths, clock, AdvantagePaths), cast=True),
        margin_paths=MarginPaths.validate(_stacked(margin_paths, clock, MarginPaths), cast=True),
        outlook=Outlook.validate(pl.DataFrame(outlook, schema=Outlook.create_empty().schema)),
        drivers=Drivers.validate(pl.DataFrame(drivers, schema=Drivers.create_empty().schema)),
    )


# One path: what it is of, by column, and its numbers month by month.
_Path = tuple[Mapping[str, object], Mapping[str, FloatArray]]


def _stacked(paths: Sequence[_Path], clock: Clock, schema: type[dy.Schema]) -> pl.DataFrame:
    """All paths in one frame, a row a month."""
    if not paths:
        return schema.create_empty()
    months = len(clock.years)
    keys = pl.DataFrame([key for key, _ in paths], infer_schema_length=None)
    of_which = np.repeat(np.arange(len(paths)), months)
    frame = keys[of_which].with_columns(
        pl.Series("month", np.tile(np.arange(months), len(paths))),
        pl.Series("date", clock.dates)[np.tile(np.arange(months), len(paths))],
        *(pl.Series(name, np.concatenate([values[name] for _, values in paths])) for name in paths[0][1]),
    )
    # Seven digits are more than any of these numbers deserve, and half the size of sixteen in a file.
    return frame.with_columns(pl.col(pl.Float64).round_sig_figs(7))


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Today, the months to the horizon, and the same as years."""

    today: date
    horizon: date
    years: FloatArray
    dates: tuple[date, ...]

    @classmethod
    def between(cls, today: date, horizon: date) -> Clock:
        """The months from today to a horizon at least one month away."""
        months = (horizon.year - today.year) * 12 + horizon.month - today.month
        if months < 1:
            raise ModelDomainError(f"the horizon {horizon} must lie at least a month after {today}")
        years = np.arange(months + 1) / MONTHS_PER_YEAR
        dates = tuple(today + timedelta(days=round(t * DAYS_PER_YEAR)) for t in years)
        return cls(today=today, horizon=horizon, years=years, dates=dates)

    @property
    def start_year(self) -> float:
        """Today as a decimal year."""
        return self.today.year + (self.today.timetuple().tm_yday - 1) / DAYS_PER_YEAR

    def crossing(self, values: FloatArray) -> date | None:
        """First day a monthly path, joined by straight lines, is no longer above zero."""
        lost = np.flatnonzero(values <= 0)
        if lost.size == 0:
            return None
        last = int(lost[0])
        if last == 0:
            return self.today
        before, after = values[last - 1], values[last]
        crossed = self.years[last - 1] + (self.years[last] - self.years[last - 1]) * before / (before - after)
        return self.today + timedelta(days=round(crossed * DAYS_PER_YEAR))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One scenario under one pricing: the indices every path is made of."""

    scenario: Scenario
    pricing: str
    clock: Clock
    # Many pairs ask for the same few indices: what was worked out once, by scenario values, cloud and price list.
    _known: dict[tuple[object, ...], FloatArray] = field(default_factory=dict, repr=False, compare=False)
    _swings: dict[tuple[bool, ...], tuple[FloatArray, dict[str, tuple[FloatArray, FloatArray]]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def wedge(
        self, values: Mapping[str, float], years: FloatArray, factor: float, *, of_ceiling: bool = False
    ) -> FloatArray:
        """What new silicon leaves of the cost at ``years`` from today; 1 before today and without new silicon.

        ``of_ceiling`` reads the adoption curve as a share of its ceiling, for a cut that is whole at the end.
        """
        if not self.scenario.has_new_silicon:
            return np.ones_like(years)
        if self.pricing == "marginal":
            share = (years > 0).astype(float)
        else:
            adopted = adopted_share(
                years,
                start_year=self.clock.start_year,
                midpoint_year=values["adoption_midpoint_year"],
                slope_per_year=values["adoption_slope_per_year"],
                ceiling=values["adoption_ceiling"],
            )
            share = np.asarray(adopted) / (values["adoption_ceiling"] if of_ceiling else 1.0)
        return np.asarray(cost_index(0.0, adopted=share, unit_cost_factor=factor))

    def shared(self, values: Mapping[str, float], years: FloatArray) -> FloatArray:
        """g(t), the decline everybody shares; 1 before today."""
        return np.asarray(cost_index(np.maximum(years, 0.0), decline_per_year=values["hardware_decline_per_year"]))

    def network_price(self, values: Mapping[str, float]) -> FloatArray:
        """Network's price as a multiple of today's."""
        return self._once(("network", *self._of(values)), lambda: self._network_price(values))

    def _network_price(self, values: Mapping[str, float]) -> FloatArray:
        lagged = self.clock.years - values["network_lag_years"]
        answered = self.wedge(values, lagged, values.get("unit_cost_factor", 1.0))
        answer: FloatArray = np.asarray(tenant_price(1.0, index=answered, pass_through=values["pass_through"]))
        return self.shared(values, lagged) * answer

    def carried(self, values: Mapping[str, float], cloud: str, silicon: str, reference: str) -> FloatArray:
        """Network's price over a cloud's as a multiple of today's ratio."""
        return self._once(
            ("carried", *self._of(values), *self._kind(cloud, silicon, reference)),
            lambda: self.network_price(values) / self.cloud_cost(values, cloud, silicon, reference),
        )

    def carried_swings(
        self, cloud: str, silicon: str, reference: str
    ) -> tuple[FloatArray, dict[str, tuple[FloatArray, FloatArray]]]:
        """`carried` at the scenario's central values, and with one parameter alone at its low and high end."""
        key = self._kind(cloud, silicon, reference)
        if key not in self._swings:
            self._swings[key] = one_at_a_time(
                lambda values: self.carried(values, cloud, silicon, reference), self.scenario.parameters
            )
        return self._swings[key]

    def cloud_cost(self, values: Mapping[str, float], cloud: str, silicon: str, reference: str) -> FloatArray:
        """A cloud's cost, or its price list, as a multiple of today's."""
        return self._once(
            ("cloud", *self._of(values), *self._kind(cloud, silicon, reference)),
            lambda: self.decline(values) * self.cloud_wedge(values, cloud, silicon, reference),
        )

    def decline(self, values: Mapping[str, float]) -> FloatArray:
        """g(t) in the months from today on."""
        decline = values["hardware_decline_per_year"]
        return self._once(("decline", decline), lambda: self.shared(values, self.clock.years))

    def _once(self, key: tuple[object, ...], make: Callable[[], FloatArray]) -> FloatArray:
        """What was made of these values before, else what is made now; nobody writes into either."""
        if key not in self._known:
            made = self._known[key] = make()
            made.flags.writeable = False
        return self._known[key]

    def _of(self, values: Mapping[str, float]) -> tuple[object, ...]:
        return tuple(values[name] for name in self.scenario.parameters)

    def _kind(self, cloud: str, silicon: str, reference: str) -> tuple[bool, bool, bool]:
        """All that matters of a pair."""
        return cloud in self.scenario.clouds, silicon in _OLD_SILICON, reference in ("list", "committed")

    def cloud_wedge(self, values: Mapping[str, float], cloud: str, silicon: str, reference: str) -> FloatArray:
        """w(t) of one cloud's cost, or of its price list where the scenario says how far lists are cut.

        Work on custom silicon is priced on new silicon already: the scenario's wedge is not taken twice.
        """
        if cloud not in self.scenario.clouds or silicon not in _OLD_SILICON:
            return np.ones_like(self.clock.years)
        if reference in ("list", "committed") and "list_price_factor" in values:
            # A price list is cut by decision, not by cost: whole when adoption has run its course.
            return self.wedge(values, self.clock.years, values["list_price_factor"], of_ceiling=True)
        return self.wedge(values, self.clock.years, values.get("unit_cost_factor", 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvantageModel:
    """The buyer's advantage month by month, of scenario parameters and of today's ``log_ratio``."""

    world: World
    cloud: str
    silicon: str
    reference: str

    def __call__(self, values: Mapping[str, float]) -> FloatArray:
        """ln(q_ref / q_net) of today carried forward by what happens to both prices."""
        return self._of(values["log_ratio"], self.world.carried(values, self.cloud, self.silicon, self.reference))

    def one_at_a_time(self, log_ratio: Band) -> tuple[FloatArray, dict[str, tuple[FloatArray, FloatArray]]]:
        """`depin_compare.bands.one_at_a_time` of this model, what the scenario moves worked out once for all pairs."""
        carried, moved = self.world.carried_swings(self.cloud, self.silicon, self.reference)
        now = log_ratio.central
        ends = {name: (self._of(now, low), self._of(now, high)) for name, (low, high) in moved.items()}
        if log_ratio.low < log_ratio.high:
            ends["log_ratio"] = self._of(log_ratio.low, carried), self._of(log_ratio.high, carried)
        return self._of(now, carried), ends

    @staticmethod
    def _of(log_ratio: float, carried: FloatArray) -> FloatArray:
        falling: FloatArray = math.exp(-log_ratio) * carried
        return 1.0 - falling


def log_ratio_band(row: Mapping[str, object]) -> Band:
    """Today's ln(q_ref / q_net) of a row of the comparison.

    In logs the band can't run past 1, and a price can't become negative.
    """
    return Band(*(-math.log(1.0 - float(str(row[f"advantage{end}"]))) for end in ("_low", "", "_high")))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Today:
    """What today's ratio of unit prices rests on: by input, the ratio at its low and high end over that of today."""

    moved: Sequence[tuple[Input, float, float]] | None
    age_days: float | None


def _today_of(row: Mapping[str, object], lineage: Lineage | None, as_of: datetime) -> _Today:
    """The inputs of one pair's unit prices; one opaque input where no lineage is at hand."""
    derived = None if lineage is None or row["not_comparable"] is not None else lineage.advantage(row)
    if derived is None:
        return _Today(moved=None, age_days=None)
    ratio = 1.0 - derived.value()
    moved = [(swing.input, (1.0 - swing.at_low) / ratio, (1.0 - swing.at_high) / ratio) for swing in derived.swings()]
    return _Today(moved=moved, age_days=age_days(derived.inputs, as_of))


def _provider_age(subject: Subject, lineage: Lineage | None, as_of: datetime) -> float | None:
    """Age of the oldest observation a provider's margin rests on."""
    if lineage is None or subject.archetype is None or subject.node is None or subject.node.missing is not None:
        return None
    inputs = lineage.provider(subject.network, subject.accelerator, subject.archetype).inputs
    price = lineage.market(subject.network, subject.accelerator)
    return age_days([*inputs, *([price] if price else [])], as_of)


_SCENARIO_UNITS = {
    "hardware_decline_per_year": "fraction per year", "network_lag_years": "years", "pass_through": "fraction",
    "unit_cost_factor": "multiple of today's unit cost", "adoption_midpoint_year": "year",
    "adoption_slope_per_year": "1/year", "adoption_ceiling": "fraction",
    "list_price_factor": "multiple of today's list price", "usd_per_accelerator_hour": "USD per accelerator-hour",
    "take_rate": "fraction", "log_ratio": "ln(reference / network)", **NODE_UNITS,
}  # fmt: skip
_Moved = tuple[str, str, Band, float, float]


def _ranked(
    key: Mapping[str, object], quantity: str, at_horizon: float, moved: Sequence[_Moved]
) -> list[dict[str, object]]:
    """The rows of one tornado, the widest first."""

    def width(low: float, high: float) -> float:
        ends = (low, high, at_horizon)
        if all(map(math.isfinite, ends)):
            return max(ends) - min(ends)
        return 0.0 if len(set(ends)) == 1 else math.inf

    # Seven digits, as in the paths.
    rows: list[dict[str, Any]] = [
        {
            **key, "quantity": quantity, "input": name, "unit": unit, "input_low": band.low,
            "input_central": band.central, "input_high": band.high, "at_low": _seven(low), "at_high": _seven(high),
            "at_horizon": _seven(at_horizon), "swing": _seven(width(low, high)),
        }
        for name, unit, band, low, high in moved
    ]  # fmt: skip
    rows.sort(key=lambda row: (-row["swing"], row["input"]))
    return [{**row, "rank": rank} for rank, row in enumerate(rows, start=1)]


def _seven(value: float) -> float:
    return float(f"{value:.7g}")


def _leading(rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The two inputs that matter most; an input that moves nothing is none of them."""
    names = [row["input"] for row in rows if row["swing"]]
    return {f"driver_{n}": names[n - 1] if len(names) >= n else None for n in (1, 2)}


def _advantage_of(
    subject: Subject, row: Mapping[str, object], world: World, today_rests_on: _Today
) -> tuple[_Path | None, dict[str, object], list[dict[str, object]]]:
    """Path, outlook and drivers of the buyer's advantage over one reference."""
    entry: dict[str, object] = {"quantity": "advantage", "freshness": row["freshness"]}
    if row["not_comparable"] is not None:
        return None, {**entry, "state": "not_comparable", "not_comparable": row["not_comparable"]}, []
    clock, pair = world.clock, {name: str(row[name]) for name in ("cloud", "silicon", "reference")}
    today = Band(*(float(str(row[f"advantage{end}"])) for end in ("_low", "", "_high")))
    advantage = AdvantageModel(world=world, **pair)
    bands = {**world.scenario.parameters, "log_ratio": log_ratio_band(row)}
    centre = {name: band.central for name, band in bands.items()}
    result, moved = advantage.one_at_a_time(bands["log_ratio"])
    low, central, high = quadrature(result, moved)
    falling = 1.0 - float(central[-1])
    parts: list[_Moved] = [
        (name, _SCENARIO_UNITS[name], bands[name], float(ends[0][-1]), float(ends[1][-1]))
        for name, ends in moved.items()
        if name != "log_ratio" or today_rests_on.moved is None
    ]
    parts += [
        (one.name, one.unit, one.band, 1.0 - falling * at_low, 1.0 - falling * at_high)
        for one, at_low, at_high in today_rests_on.moved or ()
    ]
    key = {"network": subject.network, **pair, "scenario": world.scenario.id, "pricing": world.pricing}
    drivers = _ranked(key, "advantage", float(central[-1]), parts)
    wedge = world.cloud_wedge(centre, **pair)
    cost = world.cloud_cost(centre, **pair)
    path = (
        key,
        {
            "cost_index": cost,
            "wedge_index": wedge,
            "usd_per_mtok_network": float(str(row["usd_per_mtok_network"])) * world.network_price(centre),
            "usd_per_mtok_reference": float(str(row["usd_per_mtok_reference"])) * cost,
            "advantage": central,
            "advantage_low": low,
            "advantage_high": high,
        },
    )
    told = {**entry, **_dates(clock, low, central, high), **_band_columns("headroom", today), **_leading(drivers)}
    return path, {**told, "data_age_days": today_rests_on.age_days}, drivers


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginModel:
    """Full margins month by month, of scenario parameters, a node's inputs and today's price.

    Two rows: of a node bought today, and of one bought in that month.
    """

    world: World

    def prices(self, values: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
        """What tenants pay for an hour of today's hardware, and for its work on a node bought in that month."""
        world = self.world
        prices: FloatArray = values["usd_per_accelerator_hour"] * world.network_price(values)
        # A node bought later does the same work with g(t) of the hardware: the price of an hour of today's
        # hardware's work, per hour of the new, is higher by as much.
        return prices, prices / world.decline(values)

    def __call__(self, values: Mapping[str, float]) -> FloatArray:
        """Full margin of a node bought today, and of one bought at the time."""
        return np.stack([np.asarray(node_margin(values, p).full) for p in self.prices(values)])


def _margins_of(
    subject: Subject, world: World, age: float | None
) -> tuple[_Path | None, list[dict[str, object]], list[dict[str, object]]]:
    """Path, outlook and drivers of the provider's margins: of a node bought today, and of one bought at the time."""
    quantities = ("full_margin", "full_margin_new_node")
    node = subject.node
    if node is None or node.missing is not None or node.paid_in_tokens:
        reason = (node.missing or _PAID_IN_TOKENS) if node else "only its maker runs this chip"
        return None, [_no_margin(subject, q, subject.expired or reason) for q in quantities], []
    if subject.expired is not None:
        return None, [_no_margin(subject, q, subject.expired) for q in quantities], []
    clock, price = world.clock, subject.usd_per_accelerator_hour
    bands = {**world.scenario.parameters, **node.inputs, "usd_per_accelerator_hour": price}

    result, moved = one_at_a_time(MarginModel(world=world), bands)
    low, central, high = quadrature(result, moved)
    centre = {name: band.central for name, band in bands.items()}
    prices = price.central * world.network_price(centre)
    key = {"network": subject.network, "scenario": world.scenario.id, "pricing": world.pricing}
    path = (
        {**key, "accelerator": subject.accelerator, "archetype": subject.archetype},
        {
            "usd_per_accelerator_hour": prices,
            "cash_margin": np.asarray(node_margin(centre, prices).cash),
            **{
                f"{quantity}{end}": values[i]
                for i, quantity in enumerate(quantities)
                for end, values in (("", central), ("_low", low), ("_high", high))
            },
        },
    )
    room_low, room, room_high = quadrature_band(
        lambda v: margin_headroom(
            v["usd_per_accelerator_hour"], node_breakeven_price(v), pass_through=v["pass_through"]
        ),
        bands,
    )
    headroom_columns = _band_columns("headroom", Band(float(room_low), float(room), min(1.0, float(room_high))))
    told: list[dict[str, object]] = []
    drivers: list[dict[str, object]] = []
    for i, quantity in enumerate(quantities):
        parts: list[_Moved] = [
            (name, _SCENARIO_UNITS[name], bands[name], float(ends[0][i, -1]), float(ends[1][i, -1]))
            for name, ends in moved.items()
        ]
        mine = _ranked(key, quantity, float(central[i, -1]), parts)
        drivers += mine
        told.append({
            "quantity": quantity, **_dates(clock, low[i], central[i], high[i]), **headroom_columns,
            **_leading(mine), "data_age_days": age, "freshness": subject.freshness,
        })  # fmt: skip
    return path, told, drivers


def _no_margin(subject: Subject, quantity: str, reason: str) -> dict[str, object]:
    return {
        "quantity": quantity,
        "state": "not_comparable",
        "not_comparable": reason,
        "freshness": subject.freshness,
    }


def _dates(clock: Clock, low: FloatArray, central: FloatArray, high: FloatArray) -> dict[str, object]:
    """Today, horizon, dates and state of one path with its band."""
    lost = clock.crossing(central)
    return {
        **_band_columns("today", Band(float(low[0]), float(central[0]), float(high[0]))),
        "at_horizon": float(central[-1]),
        "state": "not_reached" if lost is None else "already_lost" if central[0] <= 0 else "lost_within_horizon",
        "date": lost,
        "date_low": clock.crossing(low),
        "date_high": clock.crossing(high),
    }


def _band_columns(name: str, band: Band) -> dict[str, object]:
    return {name: band.central, f"{name}_low": band.low, f"{name}_high": band.high}


def _outlook_rows(
    subject: Subject, row: Mapping[str, object], world: World, entries: Sequence[Mapping[str, object]]
) -> list[dict[str, object]]:
    """The outlook of one network, reference, scenario and pricing: one row a quantity, with the joint verdict."""
    key = {
        "network": subject.network, "accelerator": subject.accelerator, "archetype": subject.archetype,
        "llm": subject.llm, "workload": subject.workload, "cloud": row["cloud"], "silicon": row["silicon"],
        "reference": row["reference"], "scenario": world.scenario.id, "pricing": world.pricing,
        "horizon": world.clock.horizon,
    }  # fmt: skip
    verdict = _verdict({str(entry["quantity"]): entry for entry in entries})
    return [{**key, **entry, "verdict": verdict} for entry in entries]


def _verdict(entries: Mapping[str, Mapping[str, object]]) -> str:
    """How the network stands, by the buyer's advantage and the margin of a node bought at the time.

    eroded: the advantage is gone today. resilient: on the unfavourable path neither is lost by the horizon.
    exposed: everything between, and where the margin is not known.
    """
    advantage, margin = entries["advantage"], entries["full_margin_new_node"]
    if advantage["state"] == "not_comparable":
        return "not comparable"
    if advantage["state"] == "already_lost":
        return "eroded"
    holds = advantage["date_low"] is None and margin["state"] != "not_comparable" and margin["date_low"] is None
    return "resilient" if holds else "exposed"
