"""What a scenario may say: parameters with unit and range, which are told of each silicon, and which need others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from depin_compare.errors import UnknownNameError

__all__ = ["PARAMETERS", "TAGGED", "Parameter", "contradictions", "parameter_of", "values_of"]

ENDS = ("low", "central", "high")
Values = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter's unit, and the values in which the model means something."""

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

_CURVE = ("adoption_midpoint_year", "adoption_slope_per_year")
_PEAKS = ("cloud_peak_multiplier", "network_peak_multiplier")
_WAVE = ("peak_after_years", "half_life_years")
_TARGETS = ("take_rate_target", "utilisation_target", "network_efficiency_gain")
_GAINS = ("gains_midpoint_year", "gains_slope_per_year")
# What may be told of each silicon: all else holds for the whole scenario.
TAGGED = ("unit_cost_factor", *_CURVE, "adoption_ceiling", "event_probability")
# What a parameter says nothing without: all of these,
_NEEDS = {
    "unit_cost_factor": (*_CURVE, "adoption_ceiling"),
    "list_price_factor": _CURVE,
    **dict.fromkeys(_PEAKS, _WAVE),
    **dict.fromkeys(_TARGETS, _GAINS),
}
# or one of these.
_SERVES = {
    **dict.fromkeys(_CURVE, ("unit_cost_factor", "list_price_factor")),
    **dict.fromkeys(("adoption_ceiling", "event_probability"), ("unit_cost_factor",)),
    **dict.fromkeys(_WAVE, _PEAKS),
    **dict.fromkeys(_GAINS, _TARGETS),
}


def parameter_of(name: str) -> Parameter:
    """What is known of a parameter, with or without a silicon's tag.

    Raises
    ------
    UnknownNameError
        If there is none of that name.

    Examples
    --------
    >>> parameter_of("unit_cost_factor.maia").unit
    "multiple of today's unit cost"
    """
    plain = name.partition(".")[0]
    if plain not in PARAMETERS:
        raise UnknownNameError("scenario parameter", plain, PARAMETERS)
    return PARAMETERS[plain]


def values_of(table: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Parameter -> value of a scenario's table; a table of tables holds those of several silicons, by tag.

    Examples
    --------
    >>> [*values_of({"title": "x", "pass_through": {"central": 0.5}, "adoption_ceiling": {"tpu": {"central": 0.2}}})]
    ['pass_through', 'adoption_ceiling.tpu']
    """
    found: dict[str, Mapping[str, Any]] = {}
    for name, value in table.items():
        if not isinstance(value, Mapping):
            continue
        if "central" in value:
            found[name] = value
        else:
            found |= {f"{name}.{tag}": inner for tag, inner in value.items()}
    return found


def contradictions(values: Values) -> Iterator[tuple[str, str]]:
    """What values say that means nothing together.

    Parameters
    ----------
    values : mapping
        Parameter, with its tag -> table with low, central and high.

    Yields
    ------
    tuple of str and str
        The parameter at fault, and what is wrong with it and what to do.

    Examples
    --------
    >>> for fault in contradictions({"cloud_peak_multiplier": {}, "half_life_years": {}}):
    ...     print(*fault)
    cloud_peak_multiplier says nothing without peak_after_years; give that too
    """
    plain = {name.partition(".")[0] for name in values}
    silicons = [name.partition(".")[2] for name in values if name.partition(".")[0] == "unit_cost_factor"]
    tagged = any(silicons)
    for name in values:
        parameter, _, tag = name.partition(".")
        if tag and parameter not in TAGGED:
            yield name, f"holds for the whole scenario, not for one silicon; write {parameter} = ..."
        elif tag and parameter != "unit_cost_factor" and tag not in silicons:
            there = f"; there is one of {', '.join(filter(None, silicons))}" if tagged else ""
            yield name, f"says nothing without unit_cost_factor.{tag}{there}"
        elif parameter == "event_probability" and tagged and not tag:
            yield name, f"say which silicon may not come: {parameter} = {{ {silicons[0]} = ... }}"
        else:
            # What is told of no silicon in particular holds for all of them.
            there_is = {other for other in plain if other in values or (tag and f"{other}.{tag}" in values)}
            missing = [other for other in _NEEDS.get(parameter, ()) if other not in there_is]
            if missing:
                of = [f"{other}.{tag}" if tag else other for other in missing]
                yield name, f"says nothing without {', '.join(of)}; give {'them' if missing[1:] else 'that'} too"
            served = _SERVES.get(parameter, ())
            if served and not plain & set(served):
                yield name, f"says nothing without {' or '.join(served)}; give that too"
    shares = [values.get(f"adoption_ceiling.{tag}", values.get("adoption_ceiling", {})) for tag in silicons]
    most = sum(float(share.get("high", 0.0)) for share in shares)
    if most > 1.0 + 1e-9:
        name = next(name for name in values if name.partition(".")[0] == "adoption_ceiling")
        yield name, f"shares of all silicons go up to {most:.2f} of the work together; keep the high ends within 1"
