"""What changed, in one plain sentence a change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reports import words
from reports.words import NOT_KNOWN, REFERENCE_WORDS, Names

__all__ = ["CAUSE_WORDS", "change_sentence", "relative_change"]

CAUSE_WORDS = {
    "data": "the data",
    "model": "the model",
    "configuration": "the configuration",
    "several": "several causes",
    "not known": "cause not known",
}
_AMOUNTS = {"change_model": "the model", "change_configuration": "the configuration", "change_data": "the data"}


def change_sentence(row: Mapping[str, Any], names: Names) -> str:
    """One change of `reports.changes.Changes` in words, with what did it.

    Examples
    --------
    >>> row = {"what": "price", "network": "akash", "accelerator": "h100-sxm", "subject": "on_demand",
    ...        "unit": "USD per accelerator-hour", "before": 2.0, "after": 2.5, "change": 0.5, "layer_before": "live",
    ...        "layer_after": "live", "cause": "data", "change_data": 0.5}
    >>> change_sentence(row, Names(known={"akash": "Akash", "h100-sxm": "H100 SXM"}))
    'Akash, H100 SXM, on demand: $2.00 to $2.50 an hour (+25%). Cause: the data.'
    """
    return f"{_what_happened(row, names)}. Cause: {_cause(row)}."


def _what_happened(row: Mapping[str, Any], names: Names) -> str:
    what = row["what"]
    if what in ("network", "scenario"):
        which = names(row[what]) if what == "network" else f"Scenario {names(row['scenario'])}"
        return f"{which} {'is new in' if row['text_before'] is None else 'has left'} the report"
    if what == "source":
        return _source(row, names)
    if what == "verdict":
        against = ""
        if row["cloud"] is not None:
            reference = REFERENCE_WORDS.get(row["reference"], row["reference"]).lower()
            pair = names.long_pair(row["cloud"], row["silicon"])
            against = f" against {pair}, {reference}, scenario {names(row['scenario'])}"
        return f"{names(row['network'])}{against}: {row['text_after']}, was {row['text_before']}"
    if what == "stands for":
        now, then = (_work(row[f"text_{side}"], names) for side in ("after", "before"))
        return f"{names(row['network'])}: {now} stands for it, was {then}"
    if what == "freshness":
        now, then = (
            words.aged(row[f"text_{side}"]) or row[f"text_{side}"] or NOT_KNOWN for side in ("after", "before")
        )
        return f"{names(row['network'])}, age of its data: {now}, was {then}"
    if what == "advantage":
        reference = REFERENCE_WORDS.get(row["reference"], row["reference"]).lower()
        pair = names.long_pair(row["cloud"], row["silicon"])
        return f"{names(row['network'])}, advantage over {pair}, {reference}: {_from_to(row, _signed)}"
    if what == "margin":
        return f"{names(row['network'])}, what its suppliers keep: {_from_to(row, _signed)}"
    return f"{_thing(row, names)}: {_from_to(row, _amount_of(row))}{relative_change(row)}{_layers(row)}"


def _thing(row: Mapping[str, Any], names: Names) -> str:
    """The price, fact or assumption a row is about."""
    what, subject = row["what"], (row["subject"] or "").replace("_", " ")
    if what == "price":
        return ", ".join(filter(None, [names(row["network"]), names(row["accelerator"]), subject]))
    if what == "cloud price":
        reference = REFERENCE_WORDS.get(row["reference"], row["reference"]).lower()
        return f"{names(row['cloud'])}, {names(row['accelerator'])}, {reference}"
    if what == "assumption":
        return f"Assumption {subject}"
    if what == "scenario value":
        return f"Scenario {names(row['scenario'])}, {subject}"
    return f"{names(row['network'])}, {subject}"


def _source(row: Mapping[str, Any], names: Names) -> str:
    name, before, after = names(row["subject"]), row["text_before"], row["text_after"]
    if before is None or after is None:
        return f"Source {name} {'is new' if before is None else 'is no longer asked'}"
    told = {"no data": "no data"}
    now, then = (told.get(layer) or f"{layer} data" for layer in (after, before))
    return f"Source {name}: {now}, was {then}"


def _work(text: str | None, names: Names) -> str:
    return "nothing" if text is None else " with ".join(names(part) for part in text.split(" / "))


def _signed(value: float | None) -> str:
    return words.percent(value, signed=True)


def _amount_of(row: Mapping[str, Any]) -> Any:
    """How a number of this unit is written."""
    unit = row["unit"] or ""
    if unit == "USD per accelerator-hour":
        return lambda value: words.usd(value)
    if unit.startswith("fraction"):
        return lambda value: f"{words.percent(value)}{unit.removeprefix('fraction')}"
    return lambda value: f"{words.number(value)} {unit}".rstrip()


def _from_to(row: Mapping[str, Any], form: Any) -> str:
    hour = " an hour" if row["unit"] == "USD per accelerator-hour" else ""
    return f"{form(row['before'])} to {form(row['after'])}{hour}"


def relative_change(row: Mapping[str, Any]) -> str:
    """``" (+25%)"``; nothing where a ratio says nothing: of fractions, and from or to zero.

    >>> relative_change({"before": 4.0, "after": 3.0, "unit": "USD"})
    ' (−25%)'
    """
    before, after = row["before"], row["after"]
    known = before is not None and after is not None and before > 0 and math.isfinite(before) and math.isfinite(after)
    if not known or (row["unit"] or "").startswith("fraction"):
        return ""
    return f" ({words.percent(after / before - 1, signed=True)})"


def _layers(row: Mapping[str, Any]) -> str:
    before, after = row["layer_before"], row["layer_after"]
    return f", {after} data, was {before}" if before and after and before != after else ""


def _cause(row: Mapping[str, Any]) -> str:
    told = CAUSE_WORDS[row["cause"]]
    if row["cause"] != "several":
        return told
    amounts = {name: row.get(column) for column, name in _AMOUNTS.items()}
    known = {name: amount for name, amount in amounts.items() if amount}
    if len(known) < 2:
        return told
    points = row["what"] in ("advantage", "margin") or (row["unit"] or "").startswith("fraction")
    parts = [f"{name} {_moved(amount, points=points)}" for name, amount in known.items()]
    return f"{told}, {words.listing(parts)}"


def _moved(amount: float, *, points: bool) -> str:
    """``+3.2 points`` or ``−0.41``."""
    if points:
        return f"{words.percent(amount, signed=True).removesuffix('%')} points"
    return f"{'+' if amount > 0 else words.MINUS}{words.number(float(f'{abs(amount):.3g}'))}"
