"""What changed since another report, and whether the data, the model or the job file did it."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from depin_compare.analysis import Analysis
from depin_compare.economics.scenarios import BASE
from reports import view
from reports.change_causes import CAUSES, caused
from reports.change_words import change_sentence
from reports.measures import KEY, WHAT, measures
from reports.words import Names

__all__ = ["POINT_THRESHOLD", "RELATIVE_THRESHOLD", "Changes", "changes"]

# Below these a change is noise of a market, and no news: a fiftieth of a price, a hundredth of an advantage or margin.
RELATIVE_THRESHOLD = 0.02
POINT_THRESHOLD = 0.01
_POINTS = ("advantage", "margin")
_ONE_SIDED = ("network", "source", "scenario")


class Changes(dy.Schema):
    """What changed, one row a change, ``rank`` 1 the one to hear of first.

    The columns up to ``subject`` name the thing as `reports.measures.Measures` does. A number has ``before`` and
    ``after`` in its ``unit`` and the ``change`` between them; a verdict, and what joined or left, has its words (null
    where it was not there). ``size`` makes changes of different units comparable: the absolute log ratio of two
    amounts (of an advantage that of the prices behind it), else the absolute difference; null for words.

    ``cause`` says what did it: ``data`` (prices, facts, their age), ``model`` (this package with its tables),
    ``configuration`` (the job file), ``several`` of them, or ``not known``. ``change_model``,
    ``change_configuration`` and ``change_data`` say how much of the change each did, taken in this order; null where
    that can't be told apart.
    """

    rank = dy.Int64(primary_key=True, min=1)
    what = dy.Enum(WHAT, nullable=False)
    network = dy.String(nullable=True)
    cloud = dy.String(nullable=True)
    silicon = dy.String(nullable=True)
    reference = dy.String(nullable=True)
    accelerator = dy.String(nullable=True)
    scenario = dy.String(nullable=True)
    subject = dy.String(nullable=True)
    unit = dy.String(nullable=True)
    before = dy.Float64(nullable=True, allow_inf=True)
    after = dy.Float64(nullable=True, allow_inf=True)
    change = dy.Float64(nullable=True, allow_inf=True)
    size = dy.Float64(nullable=True, min=0, allow_inf=True)
    text_before = dy.String(nullable=True)
    text_after = dy.String(nullable=True)
    layer_before = dy.String(nullable=True)
    layer_after = dy.String(nullable=True)
    cause = dy.Enum(CAUSES, nullable=False)
    change_model = dy.Float64(nullable=True, allow_inf=True)
    change_configuration = dy.Float64(nullable=True, allow_inf=True)
    change_data = dy.Float64(nullable=True, allow_inf=True)
    sentence = dy.String(nullable=False, min_length=1)


def changes(before: Analysis, after: Analysis) -> dy.DataFrame[Changes]:
    """What changed from one analysis to the next.

    Parameters
    ----------
    before, after : Analysis
        An earlier analysis as it was saved, and the present one.

    Returns
    -------
    DataFrame[Changes]
        First the verdicts of whole networks, networks that joined or left, another chip or model that stands for one
        and how fresh its data are; then verdicts against single references in the base scenario, advantages and
        margins of the headline rows; then prices, facts and assumptions, the largest first; then sources and other
        verdicts. Numbers that moved by less than `RELATIVE_THRESHOLD`, advantages and margins by less than
        `POINT_THRESHOLD`, are left out. Two equal analyses give no row.

    Notes
    -----
    If only one of data, model and configuration moved, it is the cause of every change. If several did, the
    analysis is made again in steps: the old data as they were asked for, by this version (what differs is the
    model's doing); the old data, asked for as today (the configuration's); today's data (the data's). What this
    version can't make again exactly, which it tries on today's analysis, has the cause ``several``.
    """
    first, last = measures(before), measures(after)
    found = _differences(first, last)
    if found.is_empty():
        return Changes.create_empty()
    ranked = _ranked(caused(found, before, after, first, last))
    known = dict(before.display_names) | dict(after.display_names)
    known |= view.scenario_titles(before.scenarios) | view.scenario_titles(after.scenarios)
    told = [change_sentence(row, Names(known=known)) for row in ranked.iter_rows(named=True)]
    return Changes.validate(ranked.with_columns(sentence=pl.Series(told, dtype=pl.String)), cast=True)


def _differences(first: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    """Things that differ by enough to matter, with what they were and are."""
    sides = [
        view.plain(frame).select(
            *KEY, "unit", pl.col("value").alias(number), pl.col("text").alias(f"text_{number}"),
            pl.col("layer").alias(f"layer_{number}"), pl.col("is_users").alias(f"is_users_{number}"),
            pl.lit(True).alias(f"is_there_{number}"),
        )
        for frame, number in ((first, "before"), (last, "after"))
    ]  # fmt: skip
    both = sides[0].join(sides[1], on=list(KEY), how="full", nulls_equal=True, coalesce=True)
    one_side = pl.col("is_there_before").is_null() != pl.col("is_there_after").is_null()
    change, before, after = pl.col("after") - pl.col("before"), pl.col("before"), pl.col("after")
    in_points = pl.col("what").is_in(_POINTS)
    far = (
        pl.when(in_points)
        .then(change.abs() >= POINT_THRESHOLD)
        .otherwise((change != 0) & (change.abs() >= RELATIVE_THRESHOLD * before.abs()))
    )
    # What is infinite on both sides has no difference.
    moved = (before.is_null() != after.is_null()) | (far & ~change.is_nan()).fill_null(False)
    told = pl.col("text_before").ne_missing(pl.col("text_after"))
    # An advantage is one less a ratio of prices: of that ratio, so that a price counts alike against every reference.
    ratio = pl.when(pl.col("what") == "advantage").then((1 - after) / (1 - before)).otherwise(after / before)
    amounts = (pl.col("what") == "advantage") | (~in_points & (before > 0))
    return both.filter(pl.when(one_side).then(pl.col("what").is_in(_ONE_SIDED)).otherwise(moved | told)).with_columns(
        pl.coalesce("unit_right", "unit").alias("unit"),
        pl.when(change.is_finite()).then(change).alias("change"),
        pl.when(amounts & (ratio > 0)).then(ratio.log().abs()).otherwise(change.abs()).alias("size"),
        *(pl.col(f"is_users_{side}").fill_null(False) for side in ("before", "after")),
    )


def _ranked(found: pl.DataFrame) -> pl.DataFrame:
    """In the order to hear of them."""
    what, of_one = pl.col("what"), pl.col("cloud").is_not_null()
    pairs = found.filter(pl.col("silicon").is_not_null(), what.is_in(["verdict", "advantage"]))
    ranks = {f"{c} {s}": i for i, (c, s) in enumerate(view.ordered_pairs(pairs))} if pairs.height else {}
    order = (
        pl.when((what == "verdict") & ~of_one).then(0)
        .when(what == "network").then(1)
        .when(what.is_in(["stands for", "freshness"])).then(2)
        .when((what == "verdict") & (pl.col("scenario") == BASE)).then(3)
        .when(what.is_in(_POINTS)).then(4)
        .when(what.is_in(["source", "scenario"])).then(6)
        .when(what == "verdict").then(7)
        .otherwise(5)
    )  # fmt: skip
    within = {
        "_order": order,
        # Sizes that differ by rounding only are equal.
        "_size": -pl.col("size").round_sig_figs(6),
        "_pair": pl.concat_str("cloud", "silicon", separator=" ").replace_strict(
            ranks, default=len(ranks), return_dtype=pl.Int64
        ),
        "_reference": pl.col("reference").replace_strict(
            {name: i for i, name in enumerate(view.REFERENCE_ORDER)}, default=9, return_dtype=pl.Int64
        ),
        "_what": what.cast(pl.Enum(WHAT)),
    }  # fmt: skip
    return (
        found.with_columns(**within)
        .sort([*within, *KEY[1:]], nulls_last=True)
        .with_row_index("rank", offset=1)
        .drop(*within)
    )
