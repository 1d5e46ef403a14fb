"""Scenarios of cloud inference cost, read from data: every value with its band and its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dataframely as dy
import polars as pl

from depin_compare.bands import Band
from depin_compare.errors import ReferenceDataError, UnknownNameError
from depin_compare.refdata import KINDS, load_toml, sources

__all__ = ["BASE", "Scenario", "ScenarioValues", "scenario_values", "scenarios"]

BASE = "base"


class ScenarioValues(dy.Schema):
    """Every value of the scenarios in force, one a row, with its band, unit and source."""

    scenario = dy.String(primary_key=True)
    title = dy.String(nullable=False)
    meaning = dy.String(nullable=False)
    parameter = dy.String(primary_key=True)
    low = dy.Float64(nullable=False)
    central = dy.Float64(nullable=False)
    high = dy.Float64(nullable=False)
    unit = dy.String(nullable=False)
    source_id = dy.String(nullable=False)
    kind = dy.Enum(KINDS, nullable=False)
    note = dy.String(nullable=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario: which clouds cut cost, and the band of every parameter (base's where it names none)."""

    id: str
    title: str
    meaning: str
    clouds: tuple[str, ...]
    parameters: Mapping[str, Band]

    @property
    def has_new_silicon(self) -> bool:
        """Whether any cloud adopts cheaper silicon here."""
        return "unit_cost_factor" in self.parameters


def scenarios(ids: Sequence[str] | None = None) -> tuple[Scenario, ...]:
    """The packaged scenarios, or those named, in the order asked for.

    Raises
    ------
    UnknownNameError
        If an id does not exist.
    """
    document = load_toml("scenarios")
    wanted = list(document) if ids is None else list(ids)
    for unknown in (i for i in wanted if i not in document):
        raise UnknownNameError("scenario", unknown, document)
    base = _parameters(BASE, document[BASE])
    return tuple(
        Scenario(
            id=i,
            title=document[i]["title"],
            meaning=document[i]["meaning"],
            clouds=tuple(document[i]["clouds"]),
            parameters={**base, **_parameters(i, document[i])},
        )
        for i in wanted
    )


def scenario_values(ids: Sequence[str] | None = None) -> dy.DataFrame[ScenarioValues]:
    """Every value of the packaged scenarios, or of those named, as they stand in the data."""
    document = load_toml("scenarios")
    rows = [
        {"scenario": i, "title": document[i]["title"], "meaning": document[i]["meaning"], "parameter": name}
        | {c: value.get(c) for c in ("low", "central", "high", "unit", "source_id", "kind", "note")}
        for i in (document if ids is None else ids)
        for name, value in document[i].items()
        if isinstance(value, dict)
    ]
    return ScenarioValues.validate(pl.DataFrame(rows, schema=ScenarioValues.create_empty().schema))


def _parameters(scenario: str, table: dict[str, Any]) -> dict[str, Band]:
    known = set(sources()["source_id"])
    bands: dict[str, Band] = {}
    for name, value in table.items():
        if not isinstance(value, dict):
            continue
        if value.get("source_id") not in known:
            raise ReferenceDataError(
                f"refdata/scenarios.toml: [{scenario}.{name}] names source {value.get('source_id')!r}; "
                "sources.toml has no such table"
            )
        bands[name] = Band(float(value["low"]), float(value["central"]), float(value["high"]))
    return bands
