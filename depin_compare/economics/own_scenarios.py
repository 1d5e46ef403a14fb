"""The user's own scenarios: a packaged one with some values changed, and what can be wrong with one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import dataframely as dy
import polars as pl

from depin_compare.economics.scenario_parameters import ENDS, PARAMETERS, TAGGED, contradictions, values_of
from depin_compare.errors import ConfigError, UnknownNameError
from depin_compare.market.overrides import UserChanges
from depin_compare.refdata import KINDS, load_toml, networks, sources
from depin_compare.refdata.assumption_set import USER_SOURCE

__all__ = [
    "BASE",
    "WORDS",
    "YOURS",
    "band_words",
    "laid_over",
    "own_scenario_faults",
    "own_values",
    "pasteable",
    "scenario_changes",
]

BASE = "base"
# What a value of the user's own names as its source.
YOURS = USER_SOURCE
# Keys of a scenario that are no parameters, and keys of a value.
WORDS = ("base", "title", "meaning", "clouds")
VALUE_KEYS = (*ENDS, "unit", "kind", "source", "source_id", "note")
ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# A file of scenarios may have this table alone, and in it what a job file has in it.
RESERVED = "scenarios"

Document = Mapping[str, Mapping[str, Any]]
Place = tuple[str, ...]


@cache
def packaged_scenarios() -> Document:
    """The scenarios that ship, by id, as their file has them; read once, and not to be changed."""
    return load_toml("scenarios")


def own_scenario_faults(name: str, table: Mapping[str, Any]) -> list[tuple[Place, str]]:
    """Everything that is wrong with one of the user's scenarios.

    Parameters
    ----------
    name : str
        Its id.
    table : mapping
        As it stands in a TOML file: ``base`` (a packaged scenario, ``"base"`` if left out), ``title``, ``meaning``,
        ``clouds``, and parameters, each a number, or a table of low, central, high, source, kind and note, or a
        table of those by silicon.

    Returns
    -------
    list of tuple
        Path of the key in the table, and what is wrong, what was seen and what to do; empty where all is well.

    Examples
    --------
    >>> own_scenario_faults("mine", {"base": "maia200", "unit_cost_factr": 0.6})
    [(('unit_cost_factr',), "unknown key; did you mean 'unit_cost_factor'?")]
    """
    packaged = packaged_scenarios()
    faults = [*_word_faults(name, table, packaged)]
    base = table.get("base", BASE)
    for key in (key for key in table if key not in (*WORDS, *PARAMETERS)):
        faults.append(((key,), f"unknown key; {_meant(key, (*WORDS, *PARAMETERS))}"))
    before = _before(base, packaged)
    for place, given in _given(table):
        tags = [name.partition(".")[2] for name in before if name.startswith(f"{place[0]}.")]
        if tags and len(place) == 1:
            faults.append((place, f"{base} tells it of each silicon; say of which: {place[0]}.{tags[0]} = ..."))
        faults += [((*place, *inner), what) for inner, what in _value_faults(place, given, before)]
    if faults:
        return faults
    whole = _changed(table, packaged[base], before)
    for parameter, what in contradictions(values_of(whole)):
        place = tuple(parameter.split(".", 1))
        # What the base says is told of the key that made it wrong, or of the whole table.
        at = next((place[:n] for n in (2, 1) if _stands(table, place[:n])), ())
        faults.append((at, what if at == place else f"{parameter} {what}"))
    return faults


def laid_over(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """One of the user's scenarios whole, in the form of the packaged ones.

    A value that is just what its base says keeps the base's source; every other one is the user's.

    Raises
    ------
    ConfigError
        If something is wrong with it, one line a fault.
    """
    faults = own_scenario_faults(name, table)
    if faults:
        raise ConfigError("\n".join(f"{'.'.join(('scenarios', name, *place))}: {what}" for place, what in faults))
    packaged = packaged_scenarios()
    base = table.get("base", BASE)
    changed = _changed(table, packaged[base], _before(base, packaged))
    words = {key: table[key] for key in ("title", "meaning", "clouds") if key in table}
    names = [n for n, value in values_of(changed).items() if value["source_id"] == YOURS]
    if set(words.get("clouds") or packaged[base]["clouds"]) != set(packaged[base]["clouds"]):
        names.append("clouds")
    meaning = f"{packaged[base]['meaning']} Changed: {', '.join(names) or 'nothing'}."
    return {**packaged[base], "title": name, "meaning": meaning, **changed, **words}


def pasteable(name: str, own: Document | None = None) -> tuple[str, dict[str, Any]]:
    """A scenario as a table to paste into a job file or to share: its name there, and what stands in it.

    One of the user's comes back as it is, with its base; a packaged one as a scenario of another name that starts
    from it and says the same.

    Examples
    --------
    >>> pasteable("maia200")[0], own_scenario_faults(*pasteable("maia200"))
    ('my_maia200', [])
    """
    if name in (own or {}):
        return name, {"base": BASE, **(own or {})[name]}
    packaged = packaged_scenarios()
    if name not in packaged:
        raise UnknownNameError("scenario", name, [*packaged, *(own or {})])
    told = {key: value for key, value in packaged[name].items() if key != "meaning"}
    return f"my_{name}", {"base": name, **told, "title": f"{told['title']}, mine"}


def own_values(own: Document | None) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any] | None]]:
    """Every value that the user changed: scenario, parameter, the value, and the one it stands in place of."""
    packaged = packaged_scenarios()
    for name, table in (own or {}).items():
        before = _before(table.get("base", BASE), packaged)
        for parameter, value in values_of(laid_over(name, table)).items():
            if value["source_id"] == YOURS:
                yield name, parameter, value, before.get(parameter)


def scenario_changes(own: Document | None, scenario_ids: Sequence[str]) -> dy.DataFrame[UserChanges]:
    """What the user's scenarios say otherwise than those they start from, of the scenarios analysed."""
    analysed = {name: table for name, table in (own or {}).items() if name in scenario_ids}
    rows = [
        {
            "table": "scenarios", "key": f"{name}.{parameter}", "before": before["central"] if before else None,
            "after": value["central"], "unit": value["unit"], "in_force": True,
            "note": "; ".join(
                filter(None, [None if value["low"] == value["high"] else band_words(value), value["note"]])
            ) or None,
        }
        for name, parameter, value, before in own_values(analysed)
    ]  # fmt: skip
    return UserChanges.validate(pl.DataFrame(rows, schema=UserChanges.create_empty().schema))


def band_words(value: Mapping[str, Any]) -> str:
    """A band as one reads it.

    >>> band_words({"low": 0.7, "central": 0.77, "high": 1.0}), band_words({"low": 0.5, "central": 0.5, "high": 0.5})
    ('0.77 (0.7 to 1)', '0.5')
    """
    low, central, high = (f"{value[end]:.6g}" for end in ENDS)
    return central if low == high else f"{central} ({low} to {high})"


def _before(base: Any, packaged: Document) -> dict[str, Mapping[str, Any]]:
    """What holds before anything is changed: the base's values, and those it takes from ``base``."""
    own = values_of(packaged[base]) if isinstance(base, str) and base in packaged else {}
    return {**values_of(packaged[BASE]), **own}


def _stands(table: Any, place: Place) -> bool:
    for part in place:
        if not isinstance(table, Mapping) or part not in table:
            return False
        table = table[part]
    return True


def _given(table: Mapping[str, Any]) -> Iterator[tuple[Place, Any]]:
    """Where each value stands, with its tag where it has one, and the value as it is written."""
    for key, value in table.items():
        if key not in PARAMETERS:
            continue
        # An empty table is a value without numbers; a key that is nearly one of a value's is a slip, and no silicon.
        if isinstance(value, Mapping) and value and not any(_nearest(k, VALUE_KEYS) for k in value):
            yield from (((key, str(tag)), inner) for tag, inner in value.items())
        else:
            yield (key,), value


def _changed(
    table: Mapping[str, Any], base: Mapping[str, Any], before: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The base's parameters with the user's in their place; of several silicons those he does not name stay."""
    changed = {key: value for key, value in base.items() if key in PARAMETERS}
    for place, given in _given(table):
        key, tag = place[0], place[1:]
        value = _value(key, given, before.get(".".join(place)))
        if tag:
            others = changed.get(key, {})
            changed[key] = {**({} if "central" in others else others), tag[0]: value}
        else:
            changed[key] = value
    return changed


def _value(parameter: str, given: Any, before: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A value without fault, in the packaged form; what is just as before stays what it was."""
    told = given if isinstance(given, Mapping) else dict.fromkeys(ENDS, given)
    band = {end: float(told[end]) for end in ENDS if end in told}
    ends = {end: band.get(end, _left_out(end, band, before)) for end in ENDS}
    if (
        before is not None
        and "source" not in told
        and all(ends[end] == before[end] for end in ENDS)
        and all(told.get(key, before.get(key)) == before.get(key) for key in ("source_id", "kind", "note"))
    ):
        return before
    # What stands beside a packaged number speaks of that number: of another it is only where that one comes from.
    note = told.get("note") if before is None or told.get("note") != before.get("note") else None
    whence = [told.get("source"), _source_words(told.get("source_id")), note]
    return {
        **ends, "unit": PARAMETERS[parameter].unit, "source_id": YOURS,
        "kind": told.get("kind", "assumption") if "source" in told else "assumption",
        "note": "; ".join(filter(None, whence)) or None,
    }  # fmt: skip


def _left_out(end: str, band: Mapping[str, float], before: Mapping[str, Any] | None) -> float:
    """An end that is not given is that of the base; without one it is the central value."""
    if before is not None:
        return float(before[end])
    return band["central"]


def _source_words(source: str | None) -> str | None:
    if source is None:
        return None
    row = sources().filter(pl.col("source_id") == source).row(0, named=True)
    return f"after {row['publisher']}: {row['title']}"


def _word_faults(name: str, table: Mapping[str, Any], packaged: Document) -> Iterator[tuple[Place, str]]:
    if name in packaged:
        yield (), f"ships with the package; give yours another name, and base = {name!r}"
    elif name == RESERVED or not ID.fullmatch(name):
        yield (), "expected a name of lower-case letters, digits, - and _, at most 64, other than 'scenarios'"
    base = table.get("base", BASE)
    if not isinstance(base, str):
        yield ("base",), f"saw {base!r}, expected the name of a packaged scenario, in quotes"
    elif base not in packaged:
        yield ("base",), str(UnknownNameError("scenario", base, packaged))
    for key in ("title", "meaning"):
        if key in table and (not isinstance(table[key], str) or not table[key].strip()):
            yield (key,), f"saw {table[key]!r}, expected words, in quotes"
    clouds = table.get("clouds", [])
    known = networks().filter(pl.col("segment") == "hyperscaler")["network"].to_list()
    if not isinstance(clouds, list | tuple) or ("clouds" in table and not clouds):
        yield ("clouds",), f"saw {clouds!r}, expected a list of clouds that cut cost, such as ['azure', 'aws']"
        return
    for cloud in clouds:
        if cloud not in known:
            yield ("clouds",), str(UnknownNameError("cloud", str(cloud), known))


def _value_faults(place: Place, given: Any, before: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[Place, str]]:
    known = PARAMETERS[place[0]]
    if place[1:] and (place[0] not in TAGGED or not ID.fullmatch(place[1])):
        yield (), (
            "expected a silicon's name of lower-case letters, digits, - and _" if place[0] in TAGGED
            else f"unknown key; {_meant(place[1], VALUE_KEYS)}"
        )  # fmt: skip
        return
    told = given if isinstance(given, Mapping) else dict.fromkeys(ENDS, given)
    unknown = [key for key in told if key not in VALUE_KEYS]
    if unknown:
        yield from (((key,), f"unknown key; {_meant(key, VALUE_KEYS)}") for key in unknown)
        return
    base = before.get(".".join(place))
    band = {end: told[end] for end in ENDS if end in told}
    if not band or ("central" not in band and base is None):
        yield (), f"saw {_seen(given)}, expected a number, or low, central and high"
        return
    wrong = {end: value for end, value in band.items() if isinstance(value, bool) or not isinstance(value, int | float)}
    for end, value in wrong.items():
        at = (end,) if isinstance(given, Mapping) else ()
        yield at, f"saw {_seen(value)}, expected a number{', without quotes' if isinstance(value, str) else ''}"
        if not at:
            return
    outside = {e: v for e, v in band.items() if e not in wrong and not known.low <= v <= known.high}
    for end, value in outside.items():
        at = (end,) if isinstance(given, Mapping) else ()
        yield at, f"saw {value:g}, expected {known.low:g} to {known.high:g} ({known.unit})"
        if not at:
            return
    if not wrong and not outside:
        numbers = {end: float(value) for end, value in band.items()}
        low, central, high = (numbers.get(end, _left_out(end, numbers, base)) for end in ENDS)
        if not low <= central <= high:
            stays = [end for end in ENDS if end not in band]
            hint = (
                f"; {' and '.join(stays)} as in the base: give {'them' if stays[1:] else 'that'} too" if stays else ""
            )
            yield (), f"saw low {low:g}, central {central:g}, high {high:g}, expected low <= central <= high{hint}"
    yield from _citation_faults(told, known.unit)


def _citation_faults(told: Mapping[str, Any], unit: str) -> Iterator[tuple[Place, str]]:
    for key in ("unit", "kind", "source", "source_id", "note"):
        if key in told and (not isinstance(told[key], str) or not told[key].strip()):
            yield (key,), f"saw {_seen(told[key])}, expected words, in quotes"
            return
    if told.get("unit", unit) != unit:
        yield ("unit",), f"saw {told['unit']!r}, expected {unit!r}: give the number in that unit"
    if "kind" in told and told["kind"] not in KINDS:
        yield ("kind",), f"saw {told['kind']!r}, expected one of {', '.join(KINDS)}"
    elif told.get("kind", "assumption") != "assumption" and not {"source", "source_id"} & set(told):
        yield ("kind",), f"{told['kind']!r} needs to say of whom: add source = ..."
    if "source_id" in told and told["source_id"] not in set(sources()["source_id"]):
        yield ("source_id",), f"{UnknownNameError('source', told['source_id'], sources()['source_id'])}; " \
            "a source of your own stands in words: source = ..."  # fmt: skip


def _seen(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a table with {', '.join(map(str, value)) or 'nothing in it'}"
    return (
        "a list" if isinstance(value, list | tuple) else str(value).lower() if isinstance(value, bool) else repr(value)
    )


def _nearest(seen: str, known: Iterable[str]) -> str | None:
    """A key that was likely meant, where the one that stands there is so near it that it is hardly a name."""
    near = difflib.get_close_matches(str(seen), list(known), n=1, cutoff=0.8)
    return near[0] if near else None


def _meant(seen: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(seen), known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
