"""What a verdict's words mean, and when the word rests on nothing but a margin that is not known."""

from __future__ import annotations

import polars as pl

from depin_compare.economics.scenarios import BASE
from reports import view

__all__ = ["FOR_ITS_MARGIN", "lacks_margin_alone", "verdict_note"]


# Beneath a verdict that rests on nothing else.
FOR_ITS_MARGIN = "as margin not known"


def verdict_note(outlook: pl.DataFrame, *, brief: bool = False) -> str:
    """What the words of a verdict mean; ``brief`` where there is little room."""
    by = f"by {outlook['horizon'][0].year}" if outlook.height else "by the horizon"
    if brief:
        return (
            "Verdict against most clouds. Resilient: under a tenth of draws lose the lead or a new node's margin "
            f"{by}; exposed: more do, or margin not known; eroded: no lead."
        )
    return (
        "Verdict: base scenario, against most list prices (v. list) and most modelled costs (v. cost). Resilient: in "
        f"fewer than a tenth of the draws the lead or a new node's margin is lost {by}; exposed: in more, or the "
        "margin is not known; eroded: no lead today."
    )


def lacks_margin_alone(outlook: pl.DataFrame) -> bool:
    """Whether one network is called exposed only because its margin is not known, its lead being safe.

    ``outlook`` are the rows of the network's headline work.
    """
    base = view.plain(outlook).filter(
        pl.col("scenario") == BASE, pl.col("pricing") == "fleet_average", pl.col("verdict") != "not comparable"
    )
    if base.is_empty() or (base.filter(quantity="full_margin_new_node")["state"] != "not_comparable").any():
        return False
    for reference in ("list", "modelled_cost"):
        rows = base.filter(quantity="advantage", reference=reference)
        exposed = rows.filter(verdict="exposed")
        safe = exposed["date_p10"].null_count()
        # As the verdict of most references is found: ties go against the network.
        if safe > max(exposed.height - safe, rows.height - exposed.height):
            return True
    return False
