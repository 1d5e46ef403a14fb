"""Scenarios of cloud inference cost, read from data: every value with its band and its source.

A scenario of the user's own is a packaged one with some values changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import dataframely as dy
import polars as pl

from depin_compare.bands import Band
from depin_compare.doors import Schema
from depin_compare.economics.own_scenarios import BASE, YOURS, Document, band_words, laid_over, packaged_scenarios
from depin_compare.economics.scenario_parameters import PARAMETERS, Parameter, parameter_of, values_of
from depin_compare.errors import ReferenceDataError, UnknownNameError
from depin_compare.refdata import KINDS, sources

__all__ = [
    "BASE",
    "PARAMETERS",
    "YOURS",
    "Parameter",
    "Scenario",
    "ScenarioDifferences",
    "ScenarioOverview",
    "ScenarioSheet",
    "ScenarioValues",
    "parameter_of",
    "scenario_differences",
    "scenario_ids",
    "scenario_of",
    "scenario_overview",
    "scenario_sheet",
    "scenario_values",
    "scenarios",
]


class ScenarioValues(Schema):
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


class ScenarioOverview(Schema):
    """The scenarios there are: whose, which clouds cut cost, what happens, and how likely what may not happen is."""

    scenario = dy.String(primary_key=True)
    title = dy.String(nullable=False)
    base = dy.String(nullable=True)
    clouds = dy.String(nullable=False)
    meaning = dy.String(nullable=False)
    event_probability = dy.String(nullable=True)


class ScenarioSheet(Schema):
    """Every value in force in one scenario, base's included, with the scenario it comes from and its source.

    ``band`` says in words what low, central and high say as numbers.
    """

    parameter = dy.String(primary_key=True)
    band = dy.String(nullable=False)
    low = dy.Float64(nullable=False)
    central = dy.Float64(nullable=False)
    high = dy.Float64(nullable=False)
    unit = dy.String(nullable=False)
    said_by = dy.String(nullable=False)
    kind = dy.Enum(KINDS, nullable=False)
    source_id = dy.String(nullable=False)
    source = dy.String(nullable=False)
    source_url = dy.String(nullable=True)
    note = dy.String(nullable=True)


class ScenarioDifferences(Schema):
    """Where two scenarios differ, as words and as numbers; a side that does not have a parameter is null.

    The last row may be ``clouds``, which has no numbers.
    """

    parameter = dy.String(primary_key=True)
    first = dy.String(nullable=True)
    second = dy.String(nullable=True)
    unit = dy.String(nullable=True)
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


def scenario_ids(own: Document | None = None) -> list[str]:
    """The packaged scenarios, then the user's."""
    return [*packaged_scenarios(), *(own or {})]


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
        If a scenario does not exist.
    ConfigError
        If something is wrong with one of the user's: a name that does not exist, a number outside its range, or only
        part of what belongs together. One line a fault.

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
        for name, value in values_of(whole[i]).items()
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


def scenario_overview(*, own: Document | None = None) -> dy.DataFrame[ScenarioOverview]:
    """The packaged scenarios, then the user's; ``base`` is null where a scenario is a packaged one.

    Examples
    --------
    >>> scenario_overview().filter(pl.col("scenario") == "fractile")["event_probability"].item()
    '0.15 (0.1 to 0.25)'
    """
    rows = []
    for name, table in _whole(own).items():
        told = {p: value for p, value in values_of(table).items() if p.partition(".")[0] == "event_probability"}
        events = (f"{p.partition('.')[2]} {band_words(value)}".strip() for p, value in told.items())
        rows.append(
            {
                "scenario": name, "title": table["title"], "clouds": " ".join(table["clouds"]),
                "base": (own or {})[name].get("base", BASE) if name in (own or {}) else None,
                "meaning": table["meaning"], "event_probability": ", ".join(events) or None,
            }
        )  # fmt: skip
    return ScenarioOverview.validate(pl.DataFrame(rows, schema=ScenarioOverview.create_empty().schema))


def scenario_sheet(name: str, *, own: Document | None = None) -> dy.DataFrame[ScenarioSheet]:
    """Every value in force in one scenario, those it takes from others included.

    Raises
    ------
    UnknownNameError
        If there is no such scenario.

    Examples
    --------
    >>> sheet = scenario_sheet("maia200")
    >>> sheet.filter(pl.col("parameter") == "pass_through")["said_by"].item()
    'base'
    """
    _wanted([name], whole := _whole(own))
    mine, base = values_of(whole[name]), values_of(whole[BASE])
    beneath = (own or {}).get(name, {}).get("base", name)
    of_beneath = values_of(whole[beneath])
    titles = {row["source_id"]: row for row in sources().iter_rows(named=True)}
    rows = []
    for parameter, value in {**base, **mine}.items():
        yours = value["source_id"] == YOURS
        source = titles.get(value["source_id"], {"publisher": "You", "title": "your own number"})
        rows.append(
            {c: value.get(c) for c in ("low", "central", "high", "unit", "kind", "source_id", "note")}
            | {
                "parameter": parameter, "band": band_words(value),
                "source": f"{source['publisher']}: {source['title']}",
                "said_by": name if yours else beneath if parameter in of_beneath else BASE,
                "source_url": source.get("url"),
            }
        )  # fmt: skip
    return ScenarioSheet.validate(pl.DataFrame(rows, schema=ScenarioSheet.create_empty().schema))


def scenario_differences(first: str, second: str, *, own: Document | None = None) -> dy.DataFrame[ScenarioDifferences]:
    """What one scenario says otherwise than another, base's values counted in.

    Examples
    --------
    >>> scenario_differences("base", "maia200").select("parameter", "first", "second").row(0)
    ('adoption_ceiling', None, '0.5 (0.3 to 0.7)')
    """
    sides = dict(zip(("first", "second"), scenarios([first, second], own=own), strict=True))
    a, b = (side.parameters for side in sides.values())
    rows: list[dict[str, Any]] = [
        {"parameter": name, "unit": parameter_of(name).unit}
        | {
            column: told
            for side, scenario in sides.items()
            if (band := scenario.parameters.get(name)) is not None
            for column, told in {side: band_words(asdict(band)), **_numbers(side, band)}.items()
        }
        for name in sorted({*a, *b})
        if a.get(name) != b.get(name)
    ]
    clouds = {side: " ".join(scenario.clouds) for side, scenario in sides.items()}
    if set(sides["first"].clouds) != set(sides["second"].clouds):
        rows.append({"parameter": "clouds", **clouds})
    return ScenarioDifferences.validate(pl.DataFrame(rows, schema=ScenarioDifferences.create_empty().schema))


def _numbers(side: str, band: Band) -> dict[str, float]:
    return {f"{side}_{end}": value for end, value in asdict(band).items()}


def _wanted(ids: Sequence[str] | None, whole: Document) -> list[str]:
    wanted = list(whole) if ids is None else list(ids)
    for unknown in (i for i in wanted if i not in whole):
        raise UnknownNameError("scenario", unknown, whole)
    return wanted


def _whole(own: Document | None) -> dict[str, Mapping[str, Any]]:
    """The packaged scenarios, and the user's laid over the ones they start from."""
    packaged: dict[str, Mapping[str, Any]] = dict(packaged_scenarios())
    return packaged | {name: laid_over(name, table) for name, table in (own or {}).items()}


def _scenario(name: str, table: Mapping[str, Any]) -> Scenario:
    base = packaged_scenarios()[BASE]
    return Scenario(
        id=name,
        title=str(table["title"]),
        meaning=str(table["meaning"]),
        clouds=tuple(table["clouds"]),
        parameters={**_bands(BASE, base), **_bands(name, table)},
    )


def _bands(scenario: str, table: Mapping[str, Any]) -> dict[str, Band]:
    known = {YOURS, *sources()["source_id"]}
    bands: dict[str, Band] = {}
    for name, value in values_of(table).items():
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
