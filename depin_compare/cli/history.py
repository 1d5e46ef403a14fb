"""What is stored: listed, verified, thinned out, handed on, filled in from an archive, and what it says of prices."""

from __future__ import annotations

from datetime import UTC, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from depin_compare.cli._app import app
from depin_compare.cli.inputs import day_of, job_of, store_of
from depin_compare.cli.options import (
    ERROR,
    OK,
    ConfigOption,
    CsvOption,
    JobOption,
    JsonOption,
    NetworkOption,
    OutputOption,
    StoreOption,
)
from depin_compare.cli.output import emit, note

if TYPE_CHECKING:
    from depin_compare.market.retention import Retention

history = typer.Typer(help="What is stored, and what it says. Without a command: the snapshots, newest first.")
app.add_typer(history, name="history")

SinceOption = Annotated[str | None, typer.Option("--since", help="Only what was collected from this day on.")]
BeforeOption = Annotated[str | None, typer.Option("--before", help="Only what was collected before this day.")]


class Every(StrEnum):
    """Length of a period."""

    DAY = "1d"
    WEEK = "1w"
    MONTH = "1mo"


class Table(StrEnum):
    """What a snapshot holds."""

    OFFERS = "offers"
    FACTS = "facts"
    TOKEN_PRICES = "token_prices"
    SKIPPED = "skipped"


@history.callback(invoke_without_command=True)
def listed(
    context: typer.Context,
    store: StoreOption = None,
    since: SinceOption = None,
    before: BeforeOption = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """What is stored, and what it says. Without a command: the snapshots, newest first."""
    if context.invoked_subcommand is not None:
        # `history --store S verify` means what `history verify --store S` does.
        context.obj = store
        return
    from depin_compare.market.history import history_list

    place = store_of(store)
    frame = history_list(
        place, now=datetime.now(UTC), since=_midnight(since, "--since"), before=_midnight(before, "--before")
    )
    show = [
        "snapshot", "age_days", "job", "origin", "compacted", "sources_answered", "sources_failed", "failed", "offers",
        "bytes",
    ]  # fmt: skip
    emit(frame, json=json, csv=csv, output=output, title=f"Snapshots in {place.place.name}", show=show)
    if not frame.height:
        note(f"{place.place.name}: no snapshot; `depin-compare run` stores the first, `history import` fills in others")


@history.command()
def verify(
    context: typer.Context,
    store: StoreOption = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """Read every file against its hash; exit code 1 when one is damaged or missing."""
    import polars as pl

    from depin_compare.market import upkeep

    place = store_of(store or context.obj)
    frame = upkeep.verify(place)
    bad = frame.filter(pl.col("state").is_in(["damaged", "missing"]))
    left = frame.filter(pl.col("state") == "leftover").height
    if json or csv or output is not None:
        emit(frame, json=json, csv=csv, output=output, title="", show=[])
    elif bad.height:
        emit(bad, json=False, csv=False, output=None, title="Damaged", show=["path", "state", "detail"])
    snapshots = frame.filter(pl.col("snapshot") != "")["snapshot"].n_unique()
    note(
        f"{frame.height - left} files of {snapshots} snapshots read: {bad.height} damaged or missing, {left} left over"
    )
    if left:
        note("`depin-compare history repair` removes what was left over")
    for path, detail in bad.select("path", "detail").iter_rows():
        if "history repair" in str(detail):
            note(f"{path}: `depin-compare history repair` restores it")
        else:
            note(
                f"{path}: bring it back from a backup; until then its snapshot is passed over, and all others are read"
            )
    raise typer.Exit(ERROR if bad.height else OK)


@history.command()
def repair(context: typer.Context, store: StoreOption = None) -> None:
    """Restore damaged manifests from their copies, and remove what runs that were cut short left behind."""
    from depin_compare.market import upkeep

    done = upkeep.repair(store_of(store or context.obj), thorough=True)
    for line in done:
        typer.echo(line)
    note(f"{len(done)} things mended")


@history.command()
def prune(
    context: typer.Context,
    config: ConfigOption = None,
    store: StoreOption = None,
    job: JobOption = None,
    keep_all_days: Annotated[
        float | None, typer.Option("--keep-all-days", min=0, help="Keep every snapshot for so many days.")
    ] = None,
    keep_daily_days: Annotated[
        float | None, typer.Option("--keep-daily-days", min=0, help="Then the first of each day for so many days.")
    ] = None,
    keep_monthly_days: Annotated[
        float | None,
        typer.Option("--keep-monthly-days", min=0, help="Then the first of each month; for ever where not given."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """Remove what the job file's retention does not keep: all of the last days stay, then dailies, then monthlies.

    With a job file or a job, only that job's snapshots.
    """
    import polars as pl

    from depin_compare.market.thinning import prune as pruned

    given = {
        "keep_all_days": keep_all_days, "keep_daily_days": keep_daily_days, "keep_monthly_days": keep_monthly_days,
    }  # fmt: skip
    job, retention = _retention(config, job, {name: days for name, days in given.items() if days is not None})
    place = store_of(store or context.obj)
    frame = pruned(place, retention, now=datetime.now(UTC), job=job, dry_run=dry_run)
    emit(frame, json=json, csv=csv, output=output, title="Would go" if dry_run else "Pruned",
          show=["snapshot", "job", "state", "reason"])  # fmt: skip
    gone, failed = (frame.filter(pl.col("state") == state).height for state in ("removed", "failed"))
    monthly = "for ever" if retention.keep_monthly_days is None else f"for {retention.keep_monthly_days:g} days"
    note(
        f"{gone} of {frame.height} snapshots {'would go' if dry_run else 'removed'}; kept: all for "
        f"{retention.keep_all_days:g} days, the first of a day for {retention.keep_daily_days:g}, of a month {monthly}"
    )
    ahead = frame.filter(pl.col("reason") == "dated in the future").height
    if ahead:
        note(f"{ahead} snapshots are dated in the future and stay: check the clock of this machine")
    if failed:
        note(f"{failed} snapshots could not be removed; the table says why")
    raise typer.Exit(ERROR if failed else OK)


def _retention(config: Path | None, job: str | None, given: dict[str, float]) -> tuple[str | None, Retention]:
    """Whose snapshots to prune, and to what."""
    from depin_compare.errors import ConfigError
    from depin_compare.jobs.config import RetentionConfig
    from depin_compare.market.retention import Retention

    told: RetentionConfig | None = RetentionConfig()
    if config is not None:
        asked = job_of(config, job)
        job, told = asked.name, asked.retention
        if told is None and not given:
            raise ConfigError(f"{config}: job {job} has no [retention], so it keeps everything; add one, or say how "
                              "long with --keep-all-days, --keep-daily-days and --keep-monthly-days")  # fmt: skip
    return job, Retention(**{**(told or RetentionConfig()).model_dump(), **given})


@history.command()
def compact(
    context: typer.Context,
    store: StoreOption = None,
    before: Annotated[
        str | None, typer.Option("--before", help="Only days before this one; today where not given.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell which days.")] = False,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """Bring the snapshots of each past day into one file a table: fewer files, the same rows and the same list."""
    from depin_compare.market.thinning import compact as compacted

    today = datetime.combine(datetime.now(UTC).date(), time(), tzinfo=UTC)
    frame = compacted(
        store_of(store or context.obj), before=min(today, _midnight(before, "--before") or today), dry_run=dry_run
    )
    emit(frame, json=json, csv=csv, output=output, title="Days to compact" if dry_run else "Compacted days",
          show=frame.columns)  # fmt: skip
    left = frame["left_out"].drop_nulls().len()
    note(f"{frame.height} days {'to compact' if dry_run else 'compacted'}")
    if left:
        note(f"{left} of them hold snapshots that can't be read and lie as they lay; `depin-compare history verify`")
    raise typer.Exit(ERROR if left else OK)


@history.command()
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File to write (.csv, .json or .parquet).")],
    table: Annotated[Table, typer.Option("--table", help="Which rows.")] = Table.OFFERS,
    store: StoreOption = None,
    since: SinceOption = None,
    before: BeforeOption = None,
    network: NetworkOption = None,
    accelerator: Annotated[str | None, typer.Option("--accelerator", help="Only this chip.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Only this source.")] = None,
) -> None:
    """Stored rows as one file, each with its snapshot and day."""
    from depin_compare.market.history import EXPORT_ENDINGS
    from depin_compare.market.history import export as exported

    if file.suffix not in EXPORT_ENDINGS:
        raise typer.BadParameter(f"{file.name}: use an ending of {', '.join(EXPORT_ENDINGS)}", param_hint="FILE")
    for what, name in (("network", network), ("accelerator", accelerator)):
        _known(what, [name] if name is not None else None)
    wanted = {"network": network, "accelerator": accelerator, "source": source}
    rows = exported(
        store_of(store or context.obj), file, table=table.value, since=_midnight(since, "--since"),
        before=_midnight(before, "--before"), only={name: value for name, value in wanted.items() if value is not None},
    )  # fmt: skip
    note(f"{rows} rows written to {file}")


@history.command("import")
def imported(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="data.tar.gz or archive_YYYY-MM.csv.gz of OpenComputePrices.")],
    store: StoreOption = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """Fill in past days from an archive of OpenComputePrices, marked as such; what is there already stays."""
    import polars as pl

    from depin_compare.jobs.backfill import import_archive

    frame = import_archive(store_of(store or context.obj), file, now=datetime.now(UTC))
    emit(frame, json=json, csv=csv, output=output, title="Back-filled days",
          show=["day", "state", "offers", "skipped", "reason"])  # fmt: skip
    count = {state: frame.filter(pl.col("state") == state).height for state in ("stored", "there already", "failed")}
    note(", ".join(f"{number} days {state}" for state, number in count.items()))
    raise typer.Exit(ERROR if count["failed"] else OK)


@history.command()
def trend(
    context: typer.Context,
    store: StoreOption = None,
    network: Annotated[list[str] | None, typer.Option("--network", help="Only this network; may be repeated.")] = None,
    accelerator: Annotated[
        list[str] | None, typer.Option("--accelerator", help="Only this chip; may be repeated.")
    ] = None,
    terms: Annotated[list[str] | None, typer.Option("--terms", help="Only these terms; may be repeated.")] = None,
    every: Annotated[Every, typer.Option("--every", help="Length of a period.")] = Every.DAY,
    since: SinceOption = None,
    before: BeforeOption = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """How the stored prices of each market were spread, day by day, week by week or month by month."""
    from depin_compare.market.trends import price_history

    place = store_of(store or context.obj)
    frame = price_history(
        place, networks=_known("network", network), accelerators=_known("accelerator", accelerator),
        terms=_known("terms", terms), every=every.value, since=_midnight(since, "--since"),
        before=_midnight(before, "--before"),
    )  # fmt: skip
    emit(frame, json=json, csv=csv, output=output, title="USD per accelerator-hour", show=frame.columns)
    if not frame.height:
        note(f"{place.place.name}: no stored offer matches")


def _known(what: str, names: list[str] | None) -> list[str]:
    """The names asked for, or an error that says which there are."""
    from depin_compare.errors import UnknownNameError
    from depin_compare.market.offers import TERMS
    from depin_compare.refdata import accelerators, networks

    if not names:
        return []
    there: dict[str, list[str]] = {
        "network": networks()["network"].to_list(),
        "accelerator": accelerators()["accelerator"].to_list(),
        "terms": list(TERMS),
    }
    for name in names:
        if name not in there[what]:
            raise UnknownNameError(what, name, there[what])
    return names


def _midnight(day: str | None, option: str) -> datetime | None:
    return None if day is None else datetime.combine(day_of(day, option), time(), tzinfo=UTC)
