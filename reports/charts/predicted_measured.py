"""The throughput model's predictions against what was measured, one point a run."""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from reports.style import INK, LINE, MUTED, Key, Sheet, styled
from reports.words import plural

__all__ = ["finding", "predicted_measured"]

_GROUPS = (
    ("consumer", "#b98a00", "^"),
    ("workstation", "#b98a00", "v"),
    ("datacenter", "#004488", "o"),
    ("custom", "#7b3fa0", "D"),
)
_WORDS = {"consumer": "consumer", "workstation": "workstation", "datacenter": "data centre", "custom": "custom silicon"}


def finding(rows: pl.DataFrame) -> str:
    """The title: how far off half of the predictions are, and how many are off by more than two."""
    if rows.is_empty():
        return "No measured run could be predicted"
    ratio = rows["predicted"] / rows["measured"]
    half = float(np.median(np.abs(ratio - 1.0)))
    wild = int(((ratio < 0.5) | (ratio > 2.0)).sum())
    beyond = "none by more than a factor of two" if wild == 0 else f"{wild} by more than a factor of two"
    return f"Half of {plural(rows.height, 'prediction')} lie within {half:.0%} of the measurement, {beyond}"


@styled
def predicted_measured(rows: pl.DataFrame, families: dict[str, str] | None = None) -> Figure:
    """Draw predicted over measured tokens per second, both log, with the lines of equality and of a factor of two.

    Parameters
    ----------
    rows : ValidatedRows
        One point each.
    families : dict, optional
        Family of each accelerator by its id, the lower-cased name; without it all points look alike.
    """
    known = families or {}
    group = [known.get(name.lower(), "datacenter") for name in rows["accelerator"]]
    shown = [entry for entry in _GROUPS if entry[0] in group]
    sheet = Sheet(
        title=finding(rows),
        subtitle="Tokens per second of the whole system, predicted against measured. Log scales",
        footer=["Dashed: equal. Dotted: a factor of two. In-sample where the runs are those the model was fitted on."],
        plot_height=4.6,
        keys=[Key(label=_WORDS[name], colour=colour, marker=marker) for name, colour, marker in shown],
    )
    ((axes,),) = sheet.grid(1, 1, left=0.65, right=0.2, below=0.5)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for name, colour, marker in shown:
        chosen = rows.filter(pl.Series([g == name for g in group]))
        axes.plot(
            chosen["measured"].to_numpy(),
            chosen["predicted"].to_numpy(),
            linestyle="none",
            marker=marker,
            markersize=2.6,
            markerfacecolor="none",
            markeredgecolor=colour,
            markeredgewidth=0.6,
            gid=f"runs:{name}",
        )
    ends = np.array([rows["measured"].min() or 1.0, rows["measured"].max() or 10.0], dtype=float) * [0.7, 1.4]
    for factor, style in ((1.0, "--"), (0.5, ":"), (2.0, ":")):
        axes.plot(
            ends, ends * factor, linestyle=style, color=INK if factor == 1.0 else MUTED, lw=0.7, gid=f"line:{factor:g}"
        )
    axes.set_xlim(*ends)
    decades = [10.0**e for e in range(-2, 9) if ends[0] <= 10.0**e <= ends[1]]
    axes.set_xticks(decades, [f"{d:,g}" for d in decades])
    axes.set_yticks(decades, [f"{d:,g}" for d in decades])
    axes.minorticks_off()
    axes.set_xlabel("measured tokens/s", fontsize=7.5)
    axes.set_ylabel("predicted tokens/s", fontsize=7.5)
    axes.grid(color=LINE)
    axes.tick_params(labelsize=7)
    return sheet.figure
