"""What dated prices say of their trends."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from depin_compare.cli._app import app
from depin_compare.cli.inputs import day_of, store_of
from depin_compare.cli.options import AsOfOption, CsvOption, JsonOption, OutputOption, StoreOption
from depin_compare.cli.output import emit, kept_rows

if TYPE_CHECKING:
    import polars as pl


PERIODS = ("1d", "1w", "1mo")


@app.command()
def trends(
    subject: Annotated[
        str | None, typer.Option("--subject", help="Only this chip (h100-sxm) or class of LLMs (gpt-4-generation).")
    ] = None,
    points: Annotated[bool, typer.Option("--points", help="The dated prices, in place of what they say.")] = False,
    stored: Annotated[
        bool, typer.Option("--stored", help="Indices of what the store holds, in place of the packaged prices.")
    ] = False,
    every: Annotated[str, typer.Option("--every", help="Period of a stored index: 1d, 1w or 1mo.")] = "1w",
    min_days: Annotated[float, typer.Option("--min-days", help="Shortest span that says anything.")] = 180.0,
    store: StoreOption = None,
    as_of: AsOfOption = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:  # fmt: skip
    """What every series of dated prices says: fall a year with its interval, steps, or that it is too short."""
    from depin_compare.market.dated_prices import stored_trends, trend_fits
    from depin_compare.market.dated_prices import trends as packaged_trends

    if every not in PERIODS:
        raise typer.BadParameter(f"{every}: use {', '.join(PERIODS)}", param_hint="--every")
    day = day_of(as_of) if as_of else datetime.now(UTC).date()
    if stored:
        before = datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC)
        lines = stored_trends(store_of(store), every=every, before=before)
    else:
        lines = packaged_trends(day)
    if points:
        show = ["subject", "series", "market", "observed_at", "value", "unit", "n_matched", "is_step", "source_id"]
        emit(kept_rows(lines, subject=subject), json=json, csv=csv, output=output, title="Dated prices", show=show)
        return
    fits = kept_rows(trend_fits(lines, min_span_days=min_days), subject=subject)
    if json or csv or output is not None:
        emit(fits, json=json, csv=csv, output=output, title="", show=[])
        return
    # What says something stands first; a single sighting has nothing to say.
    states = {"fitted": 0, "steps": 1, "too_short": 2}
    order = fits["state"].cast(str).replace_strict(states)
    emit(_readable(fits.sort(order, "series")), json=False, csv=False, output=None, title="Trends",
         show=["series", "days", "first", "last", "fall_per_year", "steps"])  # fmt: skip


def _readable(fits: pl.DataFrame) -> pl.DataFrame:
    """The fall in words: a slope with its interval, what the steps of a list came to, or why nothing is said."""
    import polars as pl

    def fall(row: dict[str, Any]) -> str:
        if row["state"] == "too_short":
            return f"too short: {row['reason']}"
        if row["state"] == "steps":
            return f"list: {row['compounded_decline_per_year']:.1%} compounded"
        ends = [row[f"decline_per_year{end}"] for end in ("", "_low", "_high")]
        return "{:.1%} ({:.1%} to {:.1%})".format(*ends)

    told = [fall(row) for row in fits.iter_rows(named=True)]
    return fits.select("series", "first", "last", "steps", days="n_points", fall_per_year=pl.Series(told))
