"""Addresses of reported numbers: which table, which row, which column.

| address | the number |
|---|---|
| `comparison NETWORK CHIP LLM CLOUD/SILICON/REFERENCE [WORKLOAD] [MATCH] [COLUMN]` | of `Comparison` |
| `margin NETWORK CHIP ARCHETYPE [COLUMN]` | of `Margins` |
| `outlook NETWORK CLOUD/SILICON/REFERENCE SCENARIO [QUANTITY] [PRICING] [COLUMN]` | of `Outlook` |
| `token NETWORK MEASURE [SUBJECT] [BASIS]` | of `TokenEconomics` |
| `price NETWORK CHIP [TERMS] [KIND] [TIER] [COLUMN]` | of `MarketStatistics`; `p50` is short for the median |
| `assumption NAME` | an assumption |
| `scenario SCENARIO PARAMETER` | a parameter of a scenario |

Words in capitals without brackets come in that order; those in brackets in any, and have defaults.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dataframely as dy
import polars as pl

from depin_compare.analysis import Analysis
from depin_compare.economics.comparison import Comparison
from depin_compare.economics.margins import Margins
from depin_compare.economics.outlook import Outlook
from depin_compare.economics.scenarios import ScenarioValues
from depin_compare.economics.token_economics import TokenEconomics
from depin_compare.errors import ConfigError, UnknownNameError
from depin_compare.inference.references import SILICON
from depin_compare.inference.workloads import workloads
from depin_compare.market.statistics import MarketStatistics
from depin_compare.refdata import Assumptions, accelerators, llms, load_toml, networks

__all__ = ["ALIASES", "TABLES", "Picked", "Reported", "Slot", "Table", "check_address", "pick", "reported", "table_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One word of an address: what it is, the column that knows its values, and what it is when it is left out."""

    what: str
    column: str
    default: str | Callable[[Analysis], str | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table whose numbers have addresses.

    ``columns`` are those an address may name, of which ``column`` is meant when it names none; ``short`` are other
    names of them. ``reason`` is the column that says why a number is null.
    """

    words: str
    frame: str
    schema: type[dy.Schema]
    required: tuple[Slot, ...]
    optional: tuple[Slot, ...] = ()
    columns: tuple[str, ...] = ()
    column: str | None = None
    short: Mapping[str, str]
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """The one row an address speaks of, the column, and the address in full without it."""

    row: Mapping[str, Any]
    column: str | None
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A number of a run, or why it is not known."""

    address: str
    value: float | None
    not_known: str | None = None


def _headline_workload(analysis: Analysis) -> str | None:
    known = analysis.headlines["workload"].drop_nulls()
    return known[0] if len(known) else None


def _numbers(schema: type[dy.Schema]) -> tuple[str, ...]:
    return tuple(name for name, dtype in schema.create_empty().schema.items() if dtype.is_numeric())


_NETWORK, _CHIP = Slot(what="network", column="network"), Slot(what="chip", column="accelerator")
_REFERENCE = (
    Slot(what="cloud", column="cloud"), Slot(what="silicon", column="silicon"),
    Slot(what="reference", column="reference"),
)  # fmt: skip
_PRICE = "usd_per_accelerator_hour"

TABLES: dict[str, Table] = {
    "comparison": Table(
        words="NETWORK CHIP LLM CLOUD/SILICON/REFERENCE [WORKLOAD] [MATCH] [COLUMN]", frame="comparison",
        schema=Comparison, required=(_NETWORK, _CHIP, Slot(what="LLM", column="llm"), *_REFERENCE),
        optional=(
            Slot(what="workload", column="workload", default=_headline_workload),
            Slot(what="match", column="match", default="cheapest"),
        ),
        columns=_numbers(Comparison), column="advantage", short={}, reason="not_comparable",
    ),
    "margin": Table(
        words="NETWORK CHIP ARCHETYPE [COLUMN]", frame="margins", schema=Margins,
        required=(_NETWORK, _CHIP, Slot(what="archetype", column="archetype")),
        columns=_numbers(Margins), column="full_margin", short={}, reason="not_known",
    ),
    "outlook": Table(
        words="NETWORK CLOUD/SILICON/REFERENCE SCENARIO [QUANTITY] [PRICING] [COLUMN]", frame="outlook",
        schema=Outlook, required=(_NETWORK, *_REFERENCE, Slot(what="scenario", column="scenario")),
        optional=(
            Slot(what="quantity", column="quantity", default="advantage"),
            Slot(what="pricing", column="pricing", default="fleet_average"),
        ),
        columns=(*_numbers(Outlook), "date", "date_p10", "date_p50", "date_p90", "verdict"),
        column="at_horizon", short={},
        reason="not_comparable",
    ),
    "token": Table(
        words="NETWORK MEASURE [SUBJECT] [BASIS]", frame="token_economics", schema=TokenEconomics,
        required=(_NETWORK, Slot(what="measure", column="measure")),
        optional=(
            Slot(what="price basis", column="price_basis", default="today"), Slot(what="subject", column="subject"),
        ),
        columns=("value",), column="value", short={}, reason="not_known",
    ),
    "price": Table(
        words="NETWORK CHIP [TERMS] [KIND] [TIER] [COLUMN]", frame="market_statistics", schema=MarketStatistics,
        required=(_NETWORK, _CHIP),
        optional=(
            Slot(what="terms", column="terms", default="on_demand"),
            Slot(what="kind of price", column="price_kind", default="ask"), Slot(what="tier", column="tier"),
        ),
        columns=_numbers(MarketStatistics), column=f"{_PRICE}_p50",
        short={f"p{n}": f"{_PRICE}_p{n}" for n in (10, 25, 50, 75, 90)},
    ),
    "assumption": Table(
        words="NAME", frame="assumptions", schema=Assumptions,
        required=(Slot(what="assumption", column="parameter"),), short={},
    ),
    "scenario": Table(
        words="SCENARIO PARAMETER", frame="scenarios", schema=ScenarioValues,
        required=(Slot(what="scenario", column="scenario"), Slot(what="parameter", column="parameter")), short={},
    ),
}  # fmt: skip
ALIASES = {
    "compare": "comparison", "margins": "margin", "erosion": "outlook", "outlooks": "outlook", "tokens": "token",
    "token_economics": "token", "assumptions": "assumption", "scenarios": "scenario", "comparisons": "comparison",
    "prices": "price", "market_statistics": "price",
}  # fmt: skip


def table_of(word: str, known: Collection[str] = TABLES) -> str:
    """The table a first word names, by any of its names.

    Raises
    ------
    UnknownNameError
        If it names none of ``known``.
    """
    table = ALIASES.get(word, word)
    if table not in known:
        raise UnknownNameError("table", word, known)
    return table


def _spread(words: Sequence[str]) -> list[str]:
    """``aws/nvidia/list`` as three words."""
    return [part for word in words for part in word.split("/")]


def pick(analysis: Analysis, table: str, words: Sequence[str]) -> Picked:
    """The row and the column an address speaks of.

    Parameters
    ----------
    analysis : Analysis
        A whole run.
    table : str
        One of `TABLES`.
    words : sequence of str
        The rest of the address.

    Raises
    ------
    ConfigError
        If a word is missing, so that several rows are meant; the message says which word, and what it may be.
    UnknownNameError
        If no row has a word; the message names the nearest that one has.
    """
    told = TABLES[table]
    rows: pl.DataFrame = getattr(analysis, told.frame).with_columns(pl.col(pl.Enum).cast(pl.String))
    has_pair = any(slot.column == "silicon" for slot in told.required)
    words = _spread(words) if has_pair else list(words)
    for i, slot in enumerate(told.required):
        known = sorted(rows[slot.column].drop_nulls().unique())
        if i >= len(words):
            raise ConfigError(
                f"{table}: which {slot.what}? Write {table} {told.words}; known here: {', '.join(known[:12])}"
            )
        if words[i] not in known:
            raise UnknownNameError(slot.what, words[i], known)
        rows = rows.filter(pl.col(slot.column) == words[i])
    column, given = None, set()
    for word in words[len(told.required) :]:
        left = (s for s in told.optional if s.column not in given)
        found = next((s for s in left if word in set(rows[s.column].drop_nulls())), None)
        if found is not None:
            given.add(found.column)
            rows = rows.filter(pl.col(found.column) == word)
        elif told.short.get(word, word) in told.columns and column is None:
            column = told.short.get(word, word)
        else:
            names = {*told.columns, *told.short, *(v for s in told.optional for v in rows[s.column].drop_nulls())}
            raise UnknownNameError(" or ".join([*(s.what for s in told.optional), "column"]), word, names)
    for slot in told.optional:
        values = rows[slot.column].unique().to_list()
        if slot.column in given or len(values) == 1:
            continue
        default = slot.default(analysis) if callable(slot.default) else slot.default
        default = default if default in values else None
        if default is None and None not in values:
            choice = ", ".join(sorted(str(v) for v in values)[:12])
            raise ConfigError(f"{table} {' '.join(words)}: which {slot.what}? One of {choice}")
        rows = rows.filter(pl.col(slot.column).is_null() if default is None else pl.col(slot.column) == default)
    row = rows.row(0, named=True)
    said = [(s.column, row[s.column]) for s in (*told.required, *told.optional) if row[s.column] is not None]
    return Picked(row=row, column=column or told.column, address=" ".join([table, *_joined(said)]))


def _joined(said: Sequence[tuple[str, str]]) -> list[str]:
    """The words of an address, with cloud, silicon and reference as one."""
    words: list[str] = []
    for column, word in said:
        if column in ("silicon", "reference"):
            words[-1] += f"/{word}"
        else:
            words.append(word)
    return words


def reported(analysis: Analysis, address: str) -> Reported:
    """The number at an address, as the table holds it.

    Raises
    ------
    ConfigError
        If the address lacks a word, or means no number.
    UnknownNameError
        If a word is none of the table's rows, or of its columns.
    """
    table, *words = _said(address)
    table = table_of(table)
    picked = pick(analysis, table, words)
    column = _number_column(table, picked.column)
    value, reason = picked.row[column], TABLES[table].reason
    where = picked.address if table == "token" else f"{picked.address} {column}"
    if value is None or math.isnan(value):
        told = picked.row[reason] if reason is not None else None
        return Reported(address=where, value=None, not_known=told or "the table holds no number and no reason")
    return Reported(address=where, value=float(value))


def _said(address: str) -> list[str]:
    said = address.split()
    if not said:
        raise ConfigError("the number has no address; write e.g. margin akash h100-sxm data_centre full_margin")
    return said


def _number_column(table: str, column: str | None) -> str:
    """The column, if it holds numbers that change from run to run."""
    if column is None:
        having = ", ".join(name for name, told in TABLES.items() if told.column)
        raise ConfigError(f"{table}: holds what a job is told, not what a run reports; use one of {having}")
    if column not in _numbers(TABLES[table].schema):
        raise ConfigError(f"{table}: {column} is no number; use one of {', '.join(_numbers(TABLES[table].schema))}")
    return column


def check_address(address: str, *, own_scenarios: Collection[str] = ()) -> None:
    """Check an address of a number as far as that goes without a run: its table, its words and its column.

    ``own_scenarios`` are the names of the user's scenarios.

    Raises
    ------
    ConfigError
        If a word is missing, or what it means is no number.
    UnknownNameError
        If a word is none that any run could know.

    Examples
    --------
    >>> check_address("margin akash h100-sxm data_centre full_margin")
    >>> check_address("margin akash h100-sxm data_center")
    Traceback (most recent call last):
        ...
    depin_compare.errors.UnknownNameError: unknown archetype 'data_center'; did you mean data_centre?
    """
    table, *words = _said(address)
    table = table_of(table)
    told = TABLES[table]
    words = _spread(words) if any(slot.column == "silicon" for slot in told.required) else words
    for i, slot in enumerate(told.required):
        known = _vocabulary(told, slot)
        if known is not None and slot.column == "scenario":
            known = {*known, *own_scenarios}
        if i >= len(words):
            raise ConfigError(f"{table}: which {slot.what}? Write {table} {told.words}")
        if known is not None and words[i] not in known:
            raise UnknownNameError(slot.what, words[i], known)
    column = told.column
    vocabularies = [_vocabulary(told, slot) for slot in told.optional]
    for word in words[len(told.required) :]:
        if told.short.get(word, word) in told.columns:
            column = told.short.get(word, word)
        elif not any(known is None or word in known for known in vocabularies):
            names = {*told.columns, *told.short, *(v for known in vocabularies for v in known or ())}
            raise UnknownNameError(" or ".join([*(s.what for s in told.optional), "column"]), word, names)
    _number_column(table, column)


def _vocabulary(table: Table, slot: Slot) -> Collection[str] | None:
    """Every word that can stand in a slot in any run; None where nobody can tell."""
    dtype = table.schema.create_empty().schema[slot.column]
    if isinstance(dtype, pl.Enum):
        return list(dtype.categories)
    return _VOCABULARIES[slot.column]() if slot.column in _VOCABULARIES else None


_VOCABULARIES: dict[str, Callable[[], Collection[str]]] = {
    "network": lambda: networks()["network"].to_list(),
    "cloud": lambda: networks().filter(pl.col("segment") == "hyperscaler")["network"].to_list(),
    "accelerator": lambda: accelerators()["accelerator"].to_list(),
    "llm": lambda: llms()["llm"].to_list(),
    "silicon": lambda: SILICON,
    "workload": workloads,
    "scenario": lambda: load_toml("scenarios"),
}
