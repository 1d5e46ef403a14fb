"""What changed since the last report, as every form of a report tells it: table, page, Markdown and terminal."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import dataframely as dy
import polars as pl

from depin_compare.analysis import Analysis
from depin_compare.errors import DepinCompareError
from reports import view, words
from reports.change_words import CAUSE_WORDS
from reports.changes import Changes, changes

__all__ = ["Since", "of_selection", "shown", "since_analysis", "since_folder", "since_lines"]

log = logging.getLogger(__name__)

ANALYSIS, CHANGES, MANIFEST = "analysis.json", "changes.csv", "manifest.json"
_MOST_ROWS = 24
_MOST_OF_A_KIND = 8
_KINDS = {
    "verdict": ("verdict", "verdicts"),
    "network": ("network", "networks"),
    "stands for": ("headline chip", "headline chips"),
    "freshness": ("age of data", "ages of data"),
    "advantage": ("advantage", "advantages"),
    "margin": ("margin", "margins"),
    "price": ("price", "prices"),
    "cloud price": ("cloud price", "cloud prices"),
    "take rate": ("take rate", "take rates"),
    "fact": ("fact", "facts"),
    "assumption": ("assumption", "assumptions"),
    "scenario value": ("scenario value", "scenario values"),
    "source": ("source", "sources"),
    "scenario": ("scenario", "scenarios"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """What changed since an earlier report.

    Parameters
    ----------
    rows : DataFrame[Changes], optional
        What changed; none at all where the earlier report can't be read.
    as_of : datetime, optional
        What the earlier report stands for.
    problem : str, optional
        Why there is nothing to compare with, where there should be.
    """

    rows: dy.DataFrame[Changes] | None = None
    as_of: datetime | None = None
    problem: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether there was an earlier report that could be compared with."""
        return self.rows is not None and self.as_of is not None


def since_analysis(before: Analysis, after: Analysis) -> Since:
    """What changed from one analysis to the next."""
    return Since(rows=changes(before, after), as_of=before.as_of)


def since_folder(folder: str | os.PathLike[str], after: Analysis) -> Since | None:
    """What changed since the report that lies in a folder; None if none does.

    Where a report of the same day lies there from which nothing changed, what it said of its predecessor still holds:
    a report made again says the same.

    Parameters
    ----------
    folder : path
        Where an earlier run wrote its report, ``analysis.json`` among it.
    after : Analysis
        The present one.

    Returns
    -------
    Since or None
        With the problem in it, which is logged too, if what lies there can't be read.
    """
    place = Path(folder)
    try:
        before = Analysis.from_json((place / ANALYSIS).read_text("utf-8"))
        since = since_analysis(before, after)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except _UNREADABLE as error:
        told = str(error).splitlines()[0]
        log.warning("%s: the report before can't be compared with: %s", place / ANALYSIS, told)
        return Since(problem=f"The report before this one can't be compared with: {told}.")
    again = before.as_of == after.as_of and since.rows is not None and since.rows.is_empty()
    return _said_before(place) if again else since


# What a file that is no analysis of ours, or one of a version long gone, may fail with.
_UNREADABLE = (
    OSError, ValueError, LookupError, TypeError, DepinCompareError, dy.exc.SchemaError, dy.exc.ValidationError,
    pl.exceptions.PolarsError,
)  # fmt: skip


def _said_before(place: Path) -> Since | None:
    """What the report in a folder said of its predecessor, if it stands there as it was written."""
    try:
        manifest = json.loads((place / MANIFEST).read_text("utf-8"))
        told = (place / CHANGES).read_bytes()
        if manifest["outputs"][CHANGES] != hashlib.sha256(told).hexdigest():
            return None
        rows = pl.read_csv(told, schema=_READ_AS)
        return Since(rows=Changes.validate(rows, cast=True), as_of=datetime.fromisoformat(manifest["since"]))
    except _UNREADABLE:
        return None


_READ_AS = {
    name: pl.String() if isinstance(dtype, pl.Enum) else dtype for name, dtype in Changes.create_empty().schema.items()
}


def of_selection(since: Since, *, networks: Sequence[str] = (), scenarios: Sequence[str] = ()) -> Since:
    """The changes of some networks and scenarios, and those of what belongs to none."""
    if since.rows is None:
        return since
    asked = {"network": networks, "scenario": scenarios}
    kept = [pl.col(name).is_null() | pl.col(name).is_in(list(names)) for name, names in asked.items() if names]
    rows = since.rows.filter(*kept) if kept else since.rows
    return replace(since, rows=Changes.validate(rows))


def since_lines(since: Since | None) -> list[str]:
    """At most two lines: how much changed and why, then the first change; nothing without an earlier report."""
    if since is None:
        return []
    if since.rows is None or since.as_of is None:
        return [since.problem] if since.problem else []
    start = f"Since the report of {words.day(since.as_of)}"
    if since.rows.is_empty():
        return [f"{start}: no change of note."]
    return [f"{start}: {_counts(since.rows)}. {_causes(since.rows)}", f"First: {since.rows['sentence'][0]}"]


def _counts(rows: pl.DataFrame) -> str:
    """``2 verdicts, 1 margin and 14 prices changed``."""
    found = dict(view.plain(rows).group_by("what").len().iter_rows())
    told = [
        f"{found[what]:,} {one if found[what] == 1 else many}" for what, (one, many) in _KINDS.items() if what in found
    ]
    return f"{words.listing(told)} changed"


def _causes(rows: pl.DataFrame) -> str:
    """``Causes: the data (12), the model (3).``"""
    found = dict(view.plain(rows).group_by("cause").len().iter_rows())
    told = [f"{text} ({found[cause]:,})" for cause, text in CAUSE_WORDS.items() if cause in found]
    return f"{'Causes' if len(told) > 1 else 'Cause'}: {', '.join(told)}."


def shown(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows for a page: of each kind the first few."""
    kind = pl.int_range(pl.len()).over("what")
    return rows.filter(kind < _MOST_OF_A_KIND).head(_MOST_ROWS)
