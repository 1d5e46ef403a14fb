"""What could keep a run from going well, looked at one by one, each with what to do about it; nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.jobs import machine_checks as machine
from depin_compare.jobs import run_checks as runs
from depin_compare.jobs.examination import Check, Examination
from depin_compare.jobs.logs import struck

__all__ = ["STATES", "SUBJECTS", "Checks", "Examination", "examine", "worst_exit_code"]

STATES = ("ok", "warn", "fail")
OK, ERROR, STALE = 0, 1, 4

_LOOKS: dict[str, Callable[[Examination], Iterator[Check]]] = {
    "packages": machine.packages,
    "fonts": machine.fonts,
    "job file": runs.job_file,
    "keys": runs.keys,
    "folders": machine.folders,
    "snapshots": runs.snapshots,
    "jobs": runs.jobs,
    "clock": machine.clock,
    "freshness": runs.freshness,
    "reachability": runs.reachability,
}
SUBJECTS = tuple(_LOOKS)


class Checks(Schema):
    """One thing looked at: ``subject`` says of what kind, ``seen`` what was found, ``mend`` what to do about it."""

    subject = dy.Enum(SUBJECTS, nullable=False)
    check = dy.String(nullable=False)
    state = dy.Enum(STATES, nullable=False)
    seen = dy.String(nullable=False)
    mend = dy.String(nullable=True)

    @dy.rule()
    def trouble_has_a_mend(cls) -> pl.Expr:
        """What is wrong has something to do about it."""
        return (pl.col("state") == "ok") | pl.col("mend").is_not_null()


def examine(case: Examination) -> dy.DataFrame[Checks]:
    """Look at everything; a look that fails itself is told as failed and costs no other.

    Returns
    -------
    DataFrame[Checks]
        In the order of `SUBJECTS`. With hosts to ask it takes some 7 s at most, however many are silent.
    """
    rows: list[dict[str, str | None]] = []
    for subject, look in _LOOKS.items():
        try:
            for check in look(case):
                rows.append({"subject": subject, **asdict(check)})
        except Exception as error:  # whatever is broken here is what this command is for
            mend = "this look failed itself: report it with this line, and what `pip list` says"
            told = f"{type(error).__name__}: {error}".splitlines()[0]
            rows.append({"subject": subject, **asdict(Check(subject, "fail", told, mend))})
    for row in rows:
        row.update(seen=struck(row["seen"] or ""), mend=struck(row["mend"]) if row["mend"] else None)
    return Checks.validate(pl.DataFrame(rows, schema=Checks.create_empty().schema))


def worst_exit_code(checks: dy.DataFrame[Checks]) -> int:
    """1 when something fails; 4 when sources are old or out of reach and nothing fails; else 0."""
    state, subject = pl.col("state").cast(pl.String), pl.col("subject").cast(pl.String)
    if checks.filter(state == "fail").height:
        return ERROR
    old = checks.filter(state == "warn", subject.is_in(["freshness", "reachability"]))
    return STALE if old.height else OK
