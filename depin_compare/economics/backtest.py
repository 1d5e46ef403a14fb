"""What the scenarios would have said of rents and list prices from a past day on, against what was seen since.

A forecast starts from the last price known on its day and takes the scenario's parameters as they are in force now:
of those, `BackTest` names the ones whose source is younger than the forecast.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import dataframely as dy
import numpy as np
import polars as pl

from depin_compare.doors import Schema
from depin_compare.economics.sampled import scenario_draws
from depin_compare.economics.scenarios import Scenario, ScenarioValues
from depin_compare.economics.uncertainty import DEFAULT_DRAWS, Draws, path_quantiles
from depin_compare.economics.world import Clock, World
from depin_compare.errors import ModelDomainError
from depin_compare.market.dated_prices import USD_PER_HOUR, Trends
from depin_compare.refdata import networks, sources
from depin_compare.refdata.assumption_set import USER_SOURCE
from depin_compare.units import DAYS_PER_YEAR, FloatArray, FloatOrArray

__all__ = [
    "BACK_TEST_ACCELERATORS",
    "BACK_TEST_SCENARIOS",
    "PLACES",
    "BackTest",
    "BackTestShares",
    "back_test",
    "back_test_shares",
]

BACK_TEST_SCENARIOS = ("base", "supply_crunch")
BACK_TEST_ACCELERATORS = ("h100-sxm", "h100-pcie")
PLACES = ("below", "inside", "above")
QUANTILES = (0.10, 0.50, 0.90)
# What measures the whole market but had not begun starts from the market's price on demand, as it was told of then.
MARKET_SERIES = "market h100-sxm on_demand"
MEASURES_OF_THE_MARKET = (
    "aimultiple h100-sxm on_demand",
    "alpha-one h100-sxm on_demand",
    "ornn h100-sxm on_demand",
    "semianalysis h100-sxm reserved_1y",
    "silicon-data h100-sxm on_demand neocloud",
)
# The two ratios a network's advantage is made of: the market's rent over a cloud's list, and over its reservations.
RATIOS = ("aws h100-sxm on_demand us-east-1", "aws h100-sxm capacity_block us-east-1")
RATIO_OF = ("market h100-sxm on_demand", "runpod h100-sxm on_demand secure", "semianalysis h100-sxm reserved_1y")
# A price that equals an end of the band to the last digit but a few lies inside.
_ALIKE = 1e-9


class BackTest(Schema):
    """One forecast beside its outcome: a row a scenario, series and day on which a price was seen since.

    ``quantity`` is a ``price`` or the ``ratio`` of two. ``start`` is the last value known on ``as_of``, of
    ``start_series``, seen on ``start_seen``; ``own_start`` is false where the series had not begun by then and, for a
    measure of the whole market, its price on demand stands in, which is another thing: such rows are counted apart.
    ``p10`` to ``p90`` are those of the forecast for ``seen``, null with the reason ``not_forecast``. ``younger`` names
    the scenario's parameters whose source was published after ``as_of``.
    """

    as_of = dy.Date(nullable=False)
    scenario = dy.String(nullable=False)
    quantity = dy.Enum(["price", "ratio"], nullable=False)
    series = dy.String(nullable=False)
    market = dy.String(nullable=False)
    unit = dy.String(nullable=False)
    start_series = dy.String(nullable=True)
    start_seen = dy.Date(nullable=True)
    start = dy.Float64(nullable=True, min_exclusive=0)
    own_start = dy.Bool(nullable=True)
    seen = dy.Date(nullable=False)
    p10 = dy.Float64(nullable=True, min_exclusive=0)
    p50 = dy.Float64(nullable=True, min_exclusive=0)
    p90 = dy.Float64(nullable=True, min_exclusive=0)
    outcome = dy.Float64(nullable=False, min_exclusive=0)
    place = dy.Enum(PLACES, nullable=True)
    younger = dy.String(nullable=True)
    not_forecast = dy.String(nullable=True)

    @dy.rule()
    def quantiles_rise(cls) -> pl.Expr:
        """P10 <= P50 <= P90."""
        return pl.col("p10").is_null() | ((pl.col("p10") <= pl.col("p50")) & (pl.col("p50") <= pl.col("p90")))


class BackTestShares(Schema):
    """How many outcomes lay inside P10 to P90, by scenario, and by whether the forecast began in its own series."""

    as_of = dy.Date(nullable=False)
    scenario = dy.String(nullable=False)
    quantity = dy.Enum(["price", "ratio"], nullable=False)
    own_start = dy.Bool(nullable=False)
    n_outcomes = dy.Int64(nullable=False, min=1)
    n_inside = dy.Int64(nullable=False, min=0)
    n_below = dy.Int64(nullable=False, min=0)
    n_above = dy.Int64(nullable=False, min=0)
    share_inside = dy.Float64(nullable=False, min=0, max=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One series up to and since the day of the forecast."""

    series: str
    seller: str
    market: str
    known: tuple[tuple[date, float], ...]
    since: tuple[tuple[date, float], ...]


def back_test(
    lines: dy.DataFrame[Trends],
    scenarios: Sequence[Scenario],
    values: dy.DataFrame[ScenarioValues],
    *,
    as_of: date,
    accelerators: Sequence[str] = BACK_TEST_ACCELERATORS,
    draws: int = DEFAULT_DRAWS,
    seed: int = 0,
) -> dy.DataFrame[BackTest]:
    """Forecast every dated rent seen since a day, from what was seen up to it.

    Parameters
    ----------
    lines : DataFrame[Trends]
        From `depin_compare.market.dated_prices.trends`, all days: what was seen after ``as_of`` is an outcome and
        reaches no forecast.
    scenarios : sequence of Scenario
        Whose parameters to draw; their pricing is that of the fleet's average.
    values : DataFrame[ScenarioValues]
        The same scenarios' values with their sources; of base's too.
    as_of : date
        Day of the forecast.
    accelerators : sequence of str
        Chips whose rents to forecast.
    draws, seed : int
        Of the Monte Carlo, see `depin_compare.economics.uncertainty.Draws`.

    Returns
    -------
    DataFrame[BackTest]
        Sorted by quantity, market, series, day and scenario. Only a measure of the whole market (an index, the price
        of contracts) is forecast from another series than its own.

    Raises
    ------
    ModelDomainError
        If nothing was seen after ``as_of``.

    Notes
    -----
    With p(0) the last price known, a cloud's list is p(0) g(t) w(t) m(t) and any other rent
    p(0) g(t - lag) [1 - beta (1 - w(t - lag))] m(t), as in `depin_compare.economics.outlook.erosion`; m is the wave
    of a shortage. Both of a ratio move by the same draws.
    """
    rents = lines.filter(pl.col("subject_kind") == "rent", pl.col("subject").is_in(list(accelerators)))
    series = [_line(rows, as_of) for _, rows in rents.group_by("series", maintain_order=True)]
    later = [day for line in series for day, _ in line.since]
    if not later:
        raise ModelDomainError(f"no rent was seen after {as_of}: give an earlier day")
    found: list[dict[str, object]] = []
    for scenario in scenarios:
        younger = _younger(scenario, values, as_of)
        drawn = Draws(size=draws, seed=seed)
        told = {"as_of": as_of, "scenario": scenario.id, "younger": younger}
        forecast = _Forecast(scenario=scenario, as_of=as_of, last=max(later), draws=drawn)
        by_name = {line.series: line for line in series}
        for line in series:
            found += [{**told, **row} for row in _prices(line, by_name, forecast)]
        for over in RATIOS:
            for of in RATIO_OF:
                if of in by_name and over in by_name:
                    found += [{**told, **row} for row in _ratios(by_name[of], by_name[over], by_name, forecast)]
    frame = pl.DataFrame(found, schema=BackTest.create_empty().schema)
    return BackTest.validate(frame.sort("quantity", "market", "series", "seen", "scenario"))


def back_test_shares(tested: dy.DataFrame[BackTest]) -> dy.DataFrame[BackTestShares]:
    """Count the outcomes inside P10 to P90; rows without a forecast count nowhere."""
    key = ["as_of", "scenario", "quantity", "own_start"]
    where = [(pl.col("place") == place).sum().cast(pl.Int64).alias(f"n_{place}") for place in PLACES]
    counted = (
        tested.filter(pl.col("place").is_not_null())
        .group_by(key)
        .agg(pl.len().cast(pl.Int64).alias("n_outcomes"), *where)
        .with_columns(share_inside=pl.col("n_inside") / pl.col("n_outcomes"))
        .sort("as_of", "quantity", "own_start", "scenario", descending=[False, False, True, False])
    )
    return BackTestShares.validate(counted.select(BackTestShares.column_names()), cast=True)


def _line(rows: pl.DataFrame, as_of: date) -> _Line:
    points = tuple(zip(rows["observed_at"].dt.date().to_list(), rows["value"].to_list(), strict=True))
    name = str(rows["series"][0])
    return _Line(
        series=name,
        seller=name.split(" ")[0],
        market=str(rows["market"][0]),
        known=tuple(point for point in points if point[0] <= as_of),
        since=tuple(point for point in points if point[0] > as_of),
    )


@dataclass(frozen=True, kw_only=True)
class _Forecast:
    """A scenario under draws, asked for the multiples of prices on some days."""

    scenario: Scenario
    as_of: date
    last: date
    draws: Draws

    def multiples(self, days: Sequence[date], line: _Line) -> FloatArray:
        """Price over that of ``as_of``, shape (n_days, n_draws)."""
        years = np.array([[(day - self.as_of).days / DAYS_PER_YEAR] for day in days])
        end = date(self.last.year + 1, 12, 31)
        world = World(
            scenario=self.scenario, pricing="fleet_average", clock=Clock.between(self.as_of, end)
        ).at(years)  # fmt: skip
        values: Mapping[str, FloatOrArray] = scenario_draws(world, self.draws)[0]
        path = (
            world.cloud_price(values, line.seller, "nvidia", "list") if _is_cloud(line) else world.network_price(values)
        )
        return np.broadcast_to(path, (len(days), self.draws.size))


def _is_cloud(line: _Line) -> bool:
    clouds = networks().filter(pl.col("segment").cast(pl.String) == "hyperscaler")["network"]
    return line.seller in set(clouds) and line.market != "spot"


def _start(line: _Line, by_name: Mapping[str, _Line]) -> tuple[str, date, float] | None:
    """Series, day and value a forecast begins at: of the series itself; of a measure of the market, else its price."""
    if line.known:
        return (line.series, *line.known[-1])
    market = by_name.get(MARKET_SERIES)
    if line.series not in MEASURES_OF_THE_MARKET or market is None or not market.known:
        return None
    return (market.series, *market.known[-1])


def _prices(line: _Line, by_name: Mapping[str, _Line], forecast: _Forecast) -> list[dict[str, object]]:
    if not line.since:
        return []
    start = _start(line, by_name)
    told: dict[str, object] = {
        "quantity": "price", "series": line.series, "market": line.market, "unit": USD_PER_HOUR,
    }  # fmt: skip
    if start is None:
        reason = "no price of this series was known by then"
        return [{**told, "seen": day, "outcome": value, "not_forecast": reason} for day, value in line.since]
    paths = start[2] * forecast.multiples([day for day, _ in line.since], line)
    return _rows(told, line, start, paths, line.since)


def _ratios(of: _Line, over: _Line, by_name: Mapping[str, _Line], forecast: _Forecast) -> list[dict[str, object]]:
    """The market's rent over a cloud's list: on each day of the rent, the list as it stood then."""
    start, list_start = _start(of, by_name), over.known[-1] if over.known else None
    if start is None or list_start is None:
        return []
    printed = [*over.known, *over.since]
    since = []
    for day, value in of.since:
        before = [price for seen, price in printed if seen <= day]
        since.append((day, value / before[-1]))
    if not since:
        return []
    days = [day for day, _ in since]
    carried = forecast.multiples(days, of) / forecast.multiples(days, over)
    told: dict[str, object] = {
        "quantity": "ratio", "series": f"{of.series} / {over.series}", "market": f"{of.market} / {over.market}",
        "unit": "ratio",
    }  # fmt: skip
    ratio = (start[0], min(start[1], list_start[0]), start[2] / list_start[1])
    return _rows(told, of, ratio, ratio[2] * carried, since)


def _rows(
    told: Mapping[str, object],
    line: _Line,
    start: tuple[str, date, float],
    paths: FloatArray,
    outcomes: Sequence[tuple[date, float]],
) -> list[dict[str, object]]:
    bands = path_quantiles(np.array(paths), QUANTILES)
    rows: list[dict[str, object]] = []
    for (day, outcome), (p10, p50, p90) in zip(outcomes, bands.T.tolist(), strict=True):
        rows.append({
            **told, "start_series": start[0], "start_seen": start[1], "start": start[2],
            "own_start": start[0] == line.series, "seen": day, "p10": p10, "p50": p50, "p90": p90,
            "outcome": outcome, "place": _place(outcome, p10, p90),
        })  # fmt: skip
    return rows


def _place(outcome: float, p10: float, p90: float) -> str:
    if outcome < p10 * (1.0 - _ALIKE):
        return "below"
    return "above" if outcome > p90 * (1.0 + _ALIKE) else "inside"


def _younger(scenario: Scenario, values: pl.DataFrame, as_of: date) -> str | None:
    """Parameters of a scenario whose source was published after a day (read after it, where nothing says when)."""
    dated = {row["source_id"]: row for row in sources().iter_rows(named=True)}
    ids = dict(values.filter(pl.col("scenario") == "base").select("parameter", "source_id").iter_rows())
    ids |= dict(values.filter(pl.col("scenario") == scenario.id).select("parameter", "source_id").iter_rows())
    late = []
    for parameter in scenario.parameters:
        source = dated.get(ids.get(parameter, USER_SOURCE))
        told = None if source is None else _first_day(source["published"] or str(source["accessed"]))
        if told is None or told > as_of:
            late.append(parameter)
    return ", ".join(sorted(late)) or None


def _first_day(published: str) -> date | None:
    """First day a source can be of: "2026-04" is its first, "2026" New Year's."""
    match = re.match(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?", published)
    if match is None:
        return None
    year, month, day = (int(part) if part else 1 for part in match.groups())
    return datetime(year, month, day, tzinfo=UTC).date()
