"""The throughput model against measured runs: predicted and measured side by side, and the error in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dataframely as dy
import numpy as np
import polars as pl

from depin_compare.doors import Schema
from depin_compare.inference.measurements import SkippedRows, parse_measurements, predicted_tokens_per_second
from depin_compare.inference.roofline import Constants
from depin_compare.inference.throughput import chip_bands, load_constants
from depin_compare.refdata import accelerators as load_accelerators
from depin_compare.refdata import llms as load_llms

__all__ = ["Scores", "ValidatedRows", "Validation", "validate_file"]


class ValidatedRows(Schema):
    """Used rows of a measurement file.

    Rates are tokens per second of the whole system: output tokens, but prompt tokens for runs that only took
    in prompts.
    """

    row_id = dy.String(nullable=False)
    accelerator = dy.String(nullable=False)
    model = dy.String(nullable=False)
    source = dy.String(nullable=True)
    mode = dy.String(nullable=False)
    predicted = dy.Float64(nullable=False, min_exclusive=0)
    low = dy.Float64(nullable=False, min_exclusive=0)
    high = dy.Float64(nullable=False, min_exclusive=0)
    measured = dy.Float64(nullable=False, min_exclusive=0)


class Scores(Schema):
    """Errors of a group of rows, as fractions; ``bias`` is the median of predicted over measured, less 1."""

    group = dy.String(nullable=False)
    rows_used = dy.Int64(nullable=False, min=1)
    median_ape = dy.Float64(nullable=False, min=0)
    p90_ape = dy.Float64(nullable=False, min=0)
    bias = dy.Float64(nullable=False)
    within_2x = dy.Float64(nullable=False, min=0, max=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What `validate_file` found.

    ``rows`` and ``skipped`` together are the file. The scores are those of all used rows and of each
    accelerator, model and source.
    """

    rows: dy.DataFrame[ValidatedRows]
    skipped: dy.DataFrame[SkippedRows]
    overall: dict[str, float | int]
    by_accelerator: dy.DataFrame[Scores]
    by_model: dy.DataFrame[Scores]
    by_source: dy.DataFrame[Scores]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON: ``rows_used``, ``rows_skipped``, the four errors, the same by group, skip reasons."""
        groups = {
            name: {row.pop("group"): row for row in frame.iter_rows(named=True)}
            for name, frame in (
                ("by_accelerator", self.by_accelerator),
                ("by_model", self.by_model),
                ("by_source", self.by_source),
            )
        }
        return {**self.overall, **groups, "skipped": self.skipped.to_dicts()}


def validate_file(path: str | Path, *, constants: Constants | None = None) -> Validation:
    """Predict every usable row of a CSV of measured runs with the row's own chip, split, load and service level.

    Parameters
    ----------
    path : str or Path
        CSV with the columns described in `depin_compare.inference.measurements`.
    constants : Constants, optional
        Default: the calibrated ones that ship with the package.

    Returns
    -------
    Validation
        Rows it cannot predict (unknown chip, missing length, nonsense) are in ``skipped`` with a reason.

    Raises
    ------
    ConfigError
        If the file cannot be read, lacks a required column, or has no usable row.
    """
    chips = load_accelerators()
    data = parse_measurements(path, chips, load_llms())
    predicted = predicted_tokens_per_second(data, constants or load_constants())
    low, high = chip_bands(chips)
    position = {chip: number for number, chip in enumerate(chips["accelerator"])}
    at = np.array([position[chip] for chip in data.rows["accelerator_id"]])
    rows = data.rows.select("row_id", "accelerator", "model", "source", "mode", "measured").with_columns(
        predicted=pl.Series(predicted), low=pl.Series(predicted * low[at]), high=pl.Series(predicted * high[at])
    )
    checked = ValidatedRows.validate(rows.select(ValidatedRows.column_names()), cast=True)
    whole = _scores(checked, pl.lit("all")).drop("group").row(0, named=True)
    return Validation(
        rows=checked,
        skipped=data.skipped,
        overall={"rows_used": whole.pop("rows_used"), "rows_skipped": len(data.skipped), **whole},
        by_accelerator=_scores(checked, pl.col("accelerator")),
        by_model=_scores(checked, pl.col("model")),
        by_source=_scores(checked, pl.col("source").fill_null("")),
    )


def _scores(rows: pl.DataFrame, group: pl.Expr) -> dy.DataFrame[Scores]:
    """One row a group, largest groups first."""
    ratio = pl.col("predicted") / pl.col("measured")
    error = (ratio - 1.0).abs()
    scores = (
        rows.group_by(group.alias("group"))
        .agg(
            rows_used=pl.len(),
            median_ape=error.median(),
            p90_ape=error.quantile(0.9, interpolation="linear"),
            bias=ratio.median() - 1.0,
            within_2x=ratio.is_between(0.5, 2.0).mean(),
        )
        .sort("rows_used", "group", descending=[True, False])
    )
    return Scores.validate(scores, cast=True)
