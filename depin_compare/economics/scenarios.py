"""Scenarios of cloud inference cost, read from data: every value with its band and its source.

A scenario of the user's own is a packaged one with some values changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import dataframely as dy
import polars as pl

from depin_compare.bands import Band
from depin_compare.errors import ConfigError, ModelDomainError, ReferenceDataError, UnknownNameError
from depin_compare.refdata import KINDS, load_toml, sources

__all__ = [
    "BASE",
    "PARAMETERS",
    "YOURS",
    "Parameter",
    "Scenario",
    "ScenarioDifferences",
    "ScenarioValues",
    "parameter_of",
    "scenario_differences",
    "scenario_ids",
    "scenario_of",
    "scenario_values",
    "scenarios",
]

BASE = "base"
# What a value of the user's own names as its source.
YOURS = "your-job-file"
Document = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What a scenario may say: its unit, and the values in which the model means something."""

    unit: str
    low: float
    high: float


PARAMETERS: dict[str, Parameter] = {
    "hardware_decline_per_year": Parameter(unit="fraction per year", low=0.0, high=0.95),
    "network_lag_years": Parameter(unit="years", low=0.0, high=10.0),
    "pass_through": Parameter(unit="fraction", low=0.0, high=1.0),
    "unit_cost_factor": Parameter(unit="multiple of today's unit cost", low=0.01, high=3.0),
    "list_price_factor": Parameter(unit="multiple of today's list price", low=0.05, high=2.0),
    "adoption_midpoint_year": Parameter(unit="year", low=2020.0, high=2060.0),
    "adoption_slope_per_year": Parameter(unit="1/year", low=0.05, high=10.0),
    "adoption_ceiling": Parameter(unit="fraction", low=0.0, high=1.0),
    "event_probability": Parameter(unit="probability", low=0.0, high=1.0),
    "cloud_peak_multiplier": Parameter(unit="multiple of the price without a shortage", low=0.1, high=10.0),
    "network_peak_multiplier": Parameter(unit="multiple of the price without a shortage", low=0.1, high=10.0),
    "peak_after_years": Parameter(unit="years", low=0.01, high=10.0),
    "half_life_years": Parameter(unit="years", low=0.01, high=20.0),
    "take_rate_target": Parameter(unit="fraction", low=0.0, high=1.0),
    "utilisation_target": Parameter(unit="fraction", low=0.0, high=1.0),
    "network_efficiency_gain": Parameter(unit="multiple of today's work an hour", low=0.1, high=10.0),
    "gains_midpoint_year": Parameter(unit="year", low=2020.0, high=2060.0),
    "gains_slope_per_year": Parameter(unit="1/year", low=0.05, high=10.0),
    "demand_factor": Parameter(unit="multiple of today's rented hours", low=0.0, high=1.0),
}
# Parameters that say nothing without the others of their group.
_TOGETHER = (
    ("unit_cost_factor", "adoption_midpoint_year", "adoption_slope_per_year", "adoption_ceiling"),
    ("gains_midpoint_year", "gains_slope_per_year"),
    ("peak_after_years", "half_life_years"),
)


class ScenarioValues(dy.Schema):
    """Every value of the scenarios in force, one a row, with its band, unit and source.

    A parameter of one silicon among several is written with its tag: ``unit_cost_factor.maia``.
    """

    scenario = dy.String(primary_key=True)
    title = dy.String(nullable=False)
    meaning = dy.String(nullable=False)
    clouds = dy.String(nullable=False)
    parameter = dy.String(primary_key=True)
    low = dy.Float64(nullable=False)
    central = dy.Float64(nullable=False)
    high = dy.Float64(nullable=False)
    unit = dy.String(nullable=False)
    source_id = dy.String(nullable=False)
    kind = dy.Enum(KINDS, nullable=False)
    note = dy.String(nullable=True)


class ScenarioDifferences(dy.Schema):
    """Where two scenarios differ; a side that does not have a parameter is null."""

    parameter = dy.String(primary_key=True)
    unit = dy.String(nullable=False)
    first_low = dy.Float64(nullable=True)
    first_central = dy.Float64(nullable=True)
    first_high = dy.Float64(nullable=True)
    second_low = dy.Float64(nullable=True)
    second_central = dy.Float64(nullable=True)
    second_high = dy.Float64(nullable=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario: which clouds cut cost, and the band of every parameter (its base's where it names none)."""

    id: str
    title: str
    meaning: str
    clouds: tuple[str, ...]
    parameters: Mapping[str, Band]

    @property
    def silicons(self) -> tuple[str, ...]:
        """Tags of the cheaper silicon that clouds adopt here: ``unit_cost_factor.maia`` is that of ``maia``.

        A scenario with one silicon gives it no tag and has ``("",)``; one without new silicon has none.
        """
        return _silicons(tuple(self.parameters))

    @property
    def units(self) -> dict[str, str]:
        """Unit of every parameter."""
        return {name: parameter_of(name).unit for name in self.parameters}


@lru_cache
def _silicons(parameters: tuple[str, ...]) -> tuple[str, ...]:
    named = [name.partition(".") for name in parameters]
    return tuple(dict.fromkeys(tag for name, _, tag in named if name == "unit_cost_factor"))


def parameter_of(name: str) -> Parameter:
    """What is known of a parameter, with or without a silicon's tag.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    """
    plain = name.partition(".")[0]
    if plain not in PARAMETERS:
        raise UnknownNameError("scenario parameter", plain, PARAMETERS)
    return PARAMETERS[plain]


def scenario_ids(own: Document | None = None) -> list[str]:
    """The packaged scenarios, then the user's."""
    return [*load_toml("scenarios"), *(own or {})]


def scenarios(ids: Sequence[str] | None = None, *, own: Document | None = None) -> tuple[Scenario, ...]:
    """The scenarios there are, or those named, in the order asked for.

    Parameters
    ----------
    ids : sequence of str, optional
        Which ones; all packaged ones and the user's where none is named.
    own : mapping, optional
        The user's scenarios: by id a table with ``base`` (a packaged scenario, ``"base"`` if left out), ``title``,
        ``meaning``, ``clouds`` and parameters, each a number or a table of low, central, high, note and source.

    Raises
    ------
    UnknownNameError
        If an id, a base or a parameter does not exist.
    ConfigError, ModelDomainError
        If a scenario of the user's has a number outside its range, or only part of what belongs together.

    Examples
    --------
    >>> cheaper, = scenarios(["cheaper"], own={"cheaper": {"base": "maia200", "unit_cost_factor": 0.6}})
    >>> cheaper.parameters["unit_cost_factor"].central, cheaper.parameters["hardware_decline_per_year"].central
    (0.6, 0.27)
    """
    whole = _whole(own)
    return tuple(_scenario(name, whole[name]) for name in _wanted(ids, whole))


def scenario_values(ids: Sequence[str] | None = None, *, own: Document | None = None) -> dy.DataFrame[ScenarioValues]:
    """Every value of the scenarios there are, or of those named, as it stands in the data or the job file."""
    whole = _whole(own)
    rows = [
        {
            "scenario": i, "title": whole[i]["title"], "meaning": whole[i]["meaning"],
            "clouds": " ".join(whole[i]["clouds"]), "parameter": name,
        }
        | {c: value.get(c) for c in ("low", "central", "high", "unit", "source_id", "kind", "note")}
        for i in _wanted(ids, whole)
        for name, value in _values(whole[i]).items()
    ]  # fmt: skip
    return ScenarioValues.validate(pl.DataFrame(rows, schema=ScenarioValues.create_empty().schema))


def scenario_of(values: dy.DataFrame[ScenarioValues], name: str) -> Scenario:
    """A scenario from its values in a frame, with those of base where the frame has them."""
    rows = values.filter(pl.col("scenario") == name).to_dicts()
    base = values.filter(pl.col("scenario") == BASE).to_dicts()
    if not rows:
        raise UnknownNameError("scenario", name, values["scenario"].unique())
    return Scenario(
        id=name,
        title=rows[0]["title"],
        meaning=rows[0]["meaning"],
        clouds=tuple(rows[0]["clouds"].split()),
        parameters={row["parameter"]: Band(row["low"], row["central"], row["high"]) for row in [*base, *rows]},
    )


def scenario_differences(first: str, second: str, *, own: Document | None = None) -> dy.DataFrame[ScenarioDifferences]:
    """What one scenario says otherwise than another, base's values counted in.

    Examples
    --------
    >>> scenario_differences("base", "maia200")["parameter"].to_list()[:2]
    ['adoption_ceiling', 'adoption_midpoint_year']
    """
    a, b = (one.parameters for one in scenarios([first, second], own=own))
    rows = [
        {"parameter": name, "unit": parameter_of(name).unit}
        | {
            f"{side}_{end}": getattr(bands[name], end) if name in bands else None
            for side, bands in (("first", a), ("second", b))
            for end in ("low", "central", "high")
        }
        for name in sorted({*a, *b})
        if a.get(name) != b.get(name)
    ]
    return ScenarioDifferences.validate(pl.DataFrame(rows, schema=ScenarioDifferences.create_empty().schema))


def _wanted(ids: Sequence[str] | None, whole: Document) -> list[str]:
    wanted = list(whole) if ids is None else list(ids)
    for unknown in (i for i in wanted if i not in whole):
        raise UnknownNameError("scenario", unknown, whole)
    return wanted


def _whole(own: Document | None) -> dict[str, Mapping[str, Any]]:
    """The packaged scenarios, and the user's laid over the ones they start from."""
    packaged: dict[str, Mapping[str, Any]] = dict(load_toml("scenarios"))
    return packaged | {name: _laid_over(name, table, packaged) for name, table in (own or {}).items()}


def _laid_over(name: str, table: Mapping[str, Any], packaged: Document) -> dict[str, Any]:
    if name in packaged:
        raise ConfigError(f"scenarios.{name}: ships with the package; give yours another name and base = {name!r}")
    base = str(table.get("base", BASE))
    if base not in packaged:
        raise UnknownNameError("scenario", base, packaged)
    words = {key: table[key] for key in ("title", "meaning", "clouds") if key in table}
    changed = {
        key: _own_value(name, key, value)
        for key, value in table.items()
        if key not in ("base", "title", "meaning", "clouds")
    }
    meaning = f"{packaged[base]['meaning']} Changed: {', '.join(changed) or 'nothing'}."
    whole = {**packaged[base], "title": name, "meaning": meaning, **words, **changed}
    for group in _TOGETHER:
        for tag in {key.partition(".")[2] for key in _values(whole) if key.partition(".")[0] in group}:
            here = {key for key in group if key in whole or f"{key}.{tag}" in whole}
            if here and here != set(group) and not (group[0] == "unit_cost_factor" and group[0] not in here):
                missing = ", ".join(sorted(set(group) - here))
                raise ConfigError(f"scenarios.{name}: {', '.join(sorted(here))} need {missing} too")
    return whole


def _own_value(scenario: str, name: str, value: Any) -> dict[str, Any]:
    known = parameter_of(name)
    given = value if isinstance(value, Mapping) else {"low": value, "central": value, "high": value}
    told = [given.get(end, given.get("central")) for end in ("low", "central", "high")]
    numbers = [float(n) for n in told if isinstance(n, int | float) and not isinstance(n, bool)]
    if len(numbers) < len(told):
        raise ConfigError(f"scenarios.{scenario}.{name}: give a number, or low, central and high; saw {value!r}")
    if not all(known.low <= number <= known.high for number in numbers):
        raise ModelDomainError(
            f"scenarios.{scenario}.{name} must be within {known.low:g}..{known.high:g}, got {value!r}"
        )
    band = Band(*numbers)
    note = "; ".join(str(given[key]) for key in ("source", "note") if given.get(key)) or None
    return {
        "low": band.low, "central": band.central, "high": band.high, "unit": known.unit, "source_id": YOURS,
        "kind": "assumption", "note": note,
    }  # fmt: skip


def _scenario(name: str, table: Mapping[str, Any]) -> Scenario:
    base = load_toml("scenarios")[BASE]
    return Scenario(
        id=name,
        title=str(table["title"]),
        meaning=str(table["meaning"]),
        clouds=tuple(table["clouds"]),
        parameters={**_bands(BASE, base), **_bands(name, table)},
    )


def _values(table: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Parameter -> value; a table of tables holds those of several silicons, by tag."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, value in table.items():
        if not isinstance(value, Mapping):
            continue
        if "central" in value:
            found[name] = value
        else:
            found |= {f"{name}.{tag}": inner for tag, inner in value.items()}
    return found


def _bands(scenario: str, table: Mapping[str, Any]) -> dict[str, Band]:
    known = {YOURS, *sources()["source_id"]}
    bands: dict[str, Band] = {}
    for name, value in _values(table).items():
        if value.get("source_id") not in known:
            raise ReferenceDataError(
                f"refdata/scenarios.toml: [{scenario}.{name}] names source {value.get('source_id')!r}; "
                "sources.toml has no such table"
            )
        if value.get("unit") != parameter_of(name).unit:
            raise ReferenceDataError(
                f"refdata/scenarios.toml: [{scenario}.{name}] is in {value.get('unit')!r}, "
                f"expected {parameter_of(name).unit!r}"
            )
        bands[name] = Band(float(value["low"]), float(value["central"]), float(value["high"]))
    return bands
