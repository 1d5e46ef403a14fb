"""Our door lets through what dataframely's does, as it does, and refuses the rest in its words."""

import dataframely as dy
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from depin_compare.doors import Schema

KINDS = ("ask", "bid")


class Theirs(dy.Schema):
    key = dy.String(primary_key=True, min_length=1)
    part = dy.Int64(primary_key=True)
    kind = dy.Enum(KINDS, nullable=False)
    low = dy.Float64(nullable=False, min=0)
    high = dy.Float64(nullable=True, max=100)
    seen = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)

    @dy.rule()
    def ordered(cls) -> pl.Expr:
        return pl.col("low") <= pl.col("high")

    @dy.rule()
    def few(cls) -> pl.Expr:
        return pl.len().over("kind") <= 3


class Ours(Schema):
    key = dy.String(primary_key=True, min_length=1)
    part = dy.Int64(primary_key=True)
    kind = dy.Enum(KINDS, nullable=False)
    low = dy.Float64(nullable=False, min=0)
    high = dy.Float64(nullable=True, max=100)
    seen = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)

    @dy.rule()
    def ordered(cls) -> pl.Expr:
        return pl.col("low") <= pl.col("high")

    @dy.rule()
    def few(cls) -> pl.Expr:
        return pl.len().over("kind") <= 3


def outcome(schema, frame, cast):
    try:
        return schema.validate(frame, cast=cast)
    except (dy.exc.SchemaError, dy.exc.ValidationError) as error:
        return f"{type(error).__name__}: {error}".replace(schema.__name__, "the schema")


WRONG = {
    "key": ["", None], "part": [None, 0], "kind": [None], "low": [-1.0, float("nan"), float("inf"), None],
    "high": [101.0, float("nan"), None, 0.0], "seen": [None],
}  # fmt: skip
good = st.fixed_dictionaries(
    {
        "key": st.sampled_from("abcdef"), "part": st.integers(1, 9), "kind": st.sampled_from(KINDS),
        "low": st.floats(0, 10), "high": st.floats(10, 100), "seen": st.none(),
    }
)  # fmt: skip
slips = st.tuples(st.integers(0, 5), st.sampled_from([(name, value) for name in WRONG for value in WRONG[name]]))
TYPES = dict(Theirs.create_empty().schema)


@given(
    rows=st.lists(good, max_size=6),
    slips=st.lists(slips, max_size=2),
    order=st.permutations([*TYPES, "more"]),
    other=st.sampled_from([{}, {"part": pl.Float64}, {"kind": pl.String}, {"low": pl.String}, {"part": pl.Int8}]),
    gone=st.sampled_from([None] * 9 + ["seen"]),
    cast=st.booleans(),
)
@example(
    rows=[{"key": "a", "part": 1, "kind": "ask", "low": 1.0, "high": 2.0, "seen": None}],
    slips=[], order=[*TYPES, "more"], other={}, gone=None, cast=False,
)  # fmt: skip
def test_it_gives_and_says_what_dataframely_does(rows, slips, order, other, gone, cast):
    rows = [{**row, "more": "x"} for row in rows]
    for number, (name, value) in slips:
        if number < len(rows):
            rows[number][name] = value
    frame = pl.DataFrame(rows, schema={**TYPES, "more": pl.String}).with_columns(
        pl.col(name).cast(dtype) for name, dtype in other.items()
    )
    frame = frame.select([name for name in order if name != gone])
    theirs, ours = outcome(Theirs, frame, cast), outcome(Ours, frame, cast)
    if isinstance(theirs, str):
        assert ours == theirs
    else:
        assert_frame_equal(ours, theirs)


def test_what_can_not_be_cast_is_told():
    frame = pl.DataFrame([{"key": "a", "part": "x", "kind": "rent", "low": "1", "high": None, "seen": None}])
    for schema in (Theirs, Ours):
        with pytest.raises(dy.exc.ValidationError, match="dtype"):
            schema.validate(frame, cast=True)


def test_lazy_frames_and_options_go_to_dataframely():
    frame = pl.DataFrame([{"key": "a", "part": 1, "kind": "ask", "low": 1.0, "high": 2.0, "seen": None}], schema=TYPES)
    assert_frame_equal(Ours.validate(frame.lazy()).collect(), frame)
    assert_frame_equal(Ours.validate(frame, engine="in-memory"), frame)


def test_an_empty_frame_is_a_new_one_each_time():
    one, other = Ours.create_empty(), Ours.create_empty()
    assert one.schema == Theirs.create_empty().schema
    one.insert_column(0, pl.Series("more", [], dtype=pl.String))
    assert other.columns == list(TYPES)
    assert Ours.create_empty(lazy=True).collect().schema == other.schema
