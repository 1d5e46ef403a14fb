"""How the scenarios fared from a past day on: the back-test as rows, as tables and as Markdown."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from depin_compare.cli.output import emit, note

if TYPE_CHECKING:
    import dataframely as dy

    from depin_compare.economics.backtest import BackTest, BackTestShares
    from depin_compare.jobs.config import JobConfig

__all__ = ["back_tested", "emit_back_test", "has_outcomes"]

# A forecast of less than a quarter has hardly begun.
LEAST_DAYS_BACK = 90


def has_outcomes(day: date) -> bool:
    """Whether a day lies far enough back, and rents were seen since."""
    import polars as pl

    from depin_compare.market.dated_prices import trends as packaged_trends

    if (datetime.now(UTC).date() - day).days < LEAST_DAYS_BACK:
        return False
    return packaged_trends().filter(pl.col("subject_kind") == "rent", pl.col("observed_at").dt.date() > day).height > 0


def back_tested(job: JobConfig, day: date, scenario: str | None) -> dy.DataFrame[BackTest]:
    """The back-test of a day with a job's draws, of the usual scenarios or the one named."""
    from depin_compare.economics.backtest import BACK_TEST_SCENARIOS, back_test
    from depin_compare.economics.scenarios import BASE, scenario_values, scenarios
    from depin_compare.market.dated_prices import trends as packaged_trends

    names = BACK_TEST_SCENARIOS if scenario is None else (scenario,)
    own = job.scenarios
    told = scenarios(names, own=own)
    values = scenario_values(tuple(dict.fromkeys((BASE, *names))), own=own)
    asked = job.analysis
    return back_test(packaged_trends(), told, values, as_of=day, draws=asked.draws, seed=asked.seed)


def emit_back_test(
    tested: dy.DataFrame[BackTest], *, json: bool, csv: bool, output: Path | None, markdown: bool = False
) -> None:
    """The back-test as rows, or as tables with the shares below."""
    from depin_compare.economics.backtest import back_test_shares

    shares = back_test_shares(tested)
    if markdown:
        typer.echo(markdown_tables(tested, shares), nl=False)
        return
    show = ["series", "scenario", "start", "start_seen", "seen", "p10", "p50", "p90", "outcome", "place"]
    forecast = tested.filter(tested["place"].is_not_null())
    plain = json or csv or output is not None
    day = tested["as_of"][0]
    emit(tested if plain else forecast, json=json, csv=csv, output=output, title=f"Back-test from {day}", show=show)
    if plain:
        return
    counts = ["scenario", "quantity", "own_start", "n_outcomes", "n_inside", "n_below", "n_above", "share_inside"]
    emit(shares, json=False, csv=False, output=None, title="Outcomes inside P10 to P90", show=counts)
    note(total_line(shares) + "; " + younger_line(tested))


def total_line(shares: dy.DataFrame[BackTestShares]) -> str:
    """How many of all outcomes lay inside."""
    inside, outcomes = int(shares["n_inside"].sum()), int(shares["n_outcomes"].sum())
    return f"{inside} of {outcomes} outcomes lay inside P10 to P90 ({inside / outcomes:.0%})"


def younger_line(tested: dy.DataFrame[BackTest]) -> str:
    """Which parameters were not known by the day of the forecast."""
    late = sorted({name for text in tested["younger"].drop_nulls() for name in text.split(", ")})
    return f"parameters whose source is younger than {tested['as_of'][0]}: {', '.join(late) or 'none'}"


def markdown_tables(tested: dy.DataFrame[BackTest], shares: dy.DataFrame[BackTestShares]) -> str:
    """The back-test as Markdown, as it stands in docs/back-test.md."""
    import polars as pl

    names = tested["scenario"].unique().sort().to_list()
    lines = [
        "| "
        + " | ".join(["series", "seen", "outcome", "start", *(f"{name}: P10 / P50 / P90" for name in names)])
        + " |",
        "|---|---|--:|--:|" + "---|" * len(names),
    ]
    for rows in tested.filter(pl.col("place").is_not_null()).partition_by("series", "seen", maintain_order=True):
        first = rows.row(0, named=True)
        told = {row["scenario"]: _forecast(row) for row in rows.iter_rows(named=True)}
        mark = "" if first["own_start"] else "*"
        cells = [first["series"], str(first["seen"]), f"{first['outcome']:.4g}", f"{first['start']:.4g}{mark}"]
        lines.append("| " + " | ".join([*cells, *(told.get(name, "") for name in names)]) + " |")
    lines += ["", "| scenario | quantity | start | outcomes | inside | below | above | share inside |",
              "|---|---|---|--:|--:|--:|--:|--:|"]  # fmt: skip
    for row in shares.iter_rows(named=True):
        start = "its own series" if row["own_start"] else "the market's price on demand*"
        lines.append(
            f"| {row['scenario']} | {row['quantity']} | {start} | {row['n_outcomes']} | {row['n_inside']} "
            f"| {row['n_below']} | {row['n_above']} | {row['share_inside']:.0%} |"
        )
    lines += ["", f"{total_line(shares)}; {younger_line(tested)}."]
    return "\n".join(lines) + "\n"


def _forecast(row: dict[str, Any]) -> str:
    band = " / ".join(f"{row[name]:.4g}" for name in ("p10", "p50", "p90"))
    return f"{band}, inside" if row["place"] == "inside" else f"{band}, **{row['place']}**"
