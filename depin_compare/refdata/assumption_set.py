"""The assumptions in force: the packaged ones, with the user's changes marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import dataframely as dy
import polars as pl

from depin_compare.bands import Band
from depin_compare.errors import ConfigError, UnknownNameError
from depin_compare.refdata import Assumptions, assumptions

__all__ = ["USER_SOURCE", "AssumptionSet", "assumption_set"]

USER_SOURCE = "your-job-file"


@dataclass(frozen=True)
class AssumptionSet:
    """Every assumption in force, by name."""

    frame: dy.DataFrame[Assumptions]

    @cached_property
    def _bands(self) -> dict[str, Band]:
        """Asked for hundreds of times in an analysis, by every node and every scenario."""
        ends = self.frame.select("parameter", "low", "central", "high")
        return {parameter: Band(low, central, high) for parameter, low, central, high in ends.iter_rows()}

    def __getitem__(self, parameter: str) -> Band:
        """The band of one assumption; an unknown name says what it might have meant."""
        if parameter not in self._bands:
            raise UnknownNameError("assumption", parameter, self.frame["parameter"])
        return self._bands[parameter]

    def bands(self, *parameters: str) -> dict[str, Band]:
        """Several at once, for `depin_compare.bands.quadrature_band`."""
        return {parameter: self[parameter] for parameter in parameters}


def assumption_set(overrides: Mapping[str, float | Mapping[str, float]] | None = None) -> AssumptionSet:
    """The packaged assumptions with the user's overrides.

    Parameters
    ----------
    overrides : mapping, optional
        ``{parameter: value}`` for a number taken as certain, or ``{parameter: {"low": ..., "central": ...,
        "high": ...}}``; an end left out keeps the packaged one, stretched to contain the central value.

    Raises
    ------
    UnknownNameError
        If a parameter does not exist.
    ConfigError
        If a band is not low <= central <= high, or has an end that is not one of the three.

    Examples
    --------
    >>> assumption_set({"cloud_utilisation": 0.9})["cloud_utilisation"].central
    0.9
    """
    frame = assumptions()
    changed: list[pl.DataFrame] = []
    for parameter, value in (overrides or {}).items():
        packaged = frame.filter(pl.col("parameter") == parameter)
        if packaged.is_empty():
            raise UnknownNameError("assumption", parameter, frame["parameter"])
        low, central, high = packaged.select("low", "central", "high").row(0)
        if isinstance(value, Mapping):
            unknown = sorted(set(value) - {"low", "central", "high"})
            if unknown:
                raise ConfigError(f"assumption {parameter}: unknown end {', '.join(unknown)}; use low, central, high")
            central = float(value.get("central", central))
            low = float(value.get("low", min(low, central)))
            high = float(value.get("high", max(high, central)))
        else:
            low = central = high = float(value)
        if not low <= central <= high:
            raise ConfigError(f"assumption {parameter}: need low <= central <= high, got {low}, {central}, {high}")
        changed.append(
            packaged.with_columns(
                pl.lit(low).alias("low"),
                pl.lit(central).alias("central"),
                pl.lit(high).alias("high"),
                pl.lit(USER_SOURCE).alias("source_id"),
                pl.lit("assumption").cast(packaged.schema["kind"]).alias("kind"),
            )
        )
    if not changed:
        return AssumptionSet(frame)
    new = pl.concat(changed)
    kept = frame.join(new.select("parameter"), on="parameter", how="anti")
    return AssumptionSet(Assumptions.validate(pl.concat([kept, new]).sort("parameter")))
