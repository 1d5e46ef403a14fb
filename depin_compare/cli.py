"""The command line. Results go to stdout, progress and log to stderr.

Exit codes: 0 fine, 1 error, 2 usage, 3 threshold crossed, 4 stale or partial.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

# polars, matplotlib and the rest are imported where they are used, so that --help stays fast.
if TYPE_CHECKING:
    import polars as pl

    from depin_compare.analysis import Analysis
    from depin_compare.jobs.config import JobConfig
    from depin_compare.market.store import Store
    from fetchers import Collection, Progress, SourceStatus

__all__ = ["app", "main"]

OK, ERROR, USAGE, THRESHOLD, STALE = 0, 1, 2, 3, 4
FAIL_ON = ("stale", "partial", "eroded", "exposed")
STALE_AFTER_DAYS = 2.0
MOST_TABLE_ROWS = 60

app = typer.Typer(
    name="depin-compare",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="How much cheaper decentralised GPU networks are than the clouds for the same inference work, "
    "and how far cloud cost may fall before that is gone. No investment advice.",
)

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Job file (TOML).")]
StoreOption = Annotated[
    Path | None,
    typer.Option("--store", help="Folder of snapshots; else DEPIN_COMPARE_STORE, else the user's data folder."),
]
OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Ask no source: stored snapshots and reference prices only.")
]
AsOfOption = Annotated[
    str | None,
    typer.Option("--as-of", help="Day to analyse (YYYY-MM-DD): stored and reference data up to it, no source asked."),
]
ReplayOption = Annotated[
    Path | None, typer.Option("--replay", help="Read recorded answers from this folder instead of asking.")
]
OffersOption = Annotated[
    Path | None,
    typer.Option("--offers", help="Offers to use in place of stored and reference ones (.parquet, .csv or .json)."),
]
NetworkOption = Annotated[str | None, typer.Option("--network", help="Only this network.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Rows as JSON.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Rows as CSV.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the rows to this file (.csv, .json or .parquet).")
]


@app.command()
def run(
    config: ConfigOption = None,
    out: Annotated[Path, typer.Option("--out", help="Folder the report goes to.")] = Path("depin-report"),
    store: StoreOption = None,
    offline: OfflineOption = False,
    as_of: AsOfOption = None,
    replay: ReplayOption = None,
    record: Annotated[Path | None, typer.Option("--record", help="Keep every answer in this folder.")] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option("--fail-on", help="stale or partial: exit 4; eroded or exposed: exit 3. Repeatable."),
    ] = None,
) -> None:
    """The main job, whole: collect, store, analyse, report."""
    if record and (offline or as_of or replay):
        raise typer.BadParameter("nothing is asked with --offline, --as-of or --replay", param_hint="--record")
    unknown = sorted(set(fail_on or ()) - set(FAIL_ON))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: use {', '.join(FAIL_ON)}", param_hint="--fail-on")
    analysis = _analysis(config, store=store, offline=offline, as_of=as_of, replay=replay, record=record)
    from reports.summary import verdict_lines
    from reports.writer import write_report

    written = write_report(analysis, out)
    _tell_sources(analysis)
    for line in verdict_lines(analysis):
        typer.echo(line)
    pdf = next((path for path in written if path.suffix == ".pdf"), None)
    typer.echo(f"PDF: {pdf}" if pdf else f"Report: {out}")
    raise typer.Exit(_exit_code(analysis, fail_on or []))


@app.command()
def fetch(
    sources: Annotated[list[str] | None, typer.Argument(help="Sources to ask; all when none is named.")] = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    replay: ReplayOption = None,
    record: Annotated[Path | None, typer.Option("--record", help="Keep every answer in this folder.")] = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """Ask the sources now; the offers they give, live only."""
    job, place = _job(config), _store(store)
    collection = _collected(job, place, replay=replay, record=record, sources=sources or None)
    show = ["network", "accelerator", "usd_per_accelerator_hour", "terms", "price_kind", "region", "available", "layer"]
    _emit(collection.offers, json=json, csv=csv, output=output, title="Offers", show=show)
    for status in collection.statuses:
        _note(f"{status.source}: {status.status}, {status.offers} offers{_because(status.error)}")
    raise typer.Exit(OK if any(s.status in ("ok", "partial") for s in collection.statuses) else ERROR)


@app.command()
def compare(
    config: ConfigOption = None,
    store: StoreOption = None,
    offers: OffersOption = None,
    as_of: AsOfOption = None,
    network: NetworkOption = None,
    llm: Annotated[str | None, typer.Option("--llm", help="Only this LLM.")] = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """Networks against the clouds at equal work, in USD per million output tokens, prompts included."""
    frame = _kept(_step_analysis(config, store, offers, as_of).comparison, network=network, llm=llm)
    show = (
        "network accelerator llm cloud silicon reference match usd_per_mtok_network usd_per_mtok_reference advantage "
        "advantage_adjusted network_layer reference_kind not_comparable"
    )
    _emit(frame, json=json, csv=csv, output=output, title="USD per million output tokens", show=show.split())


@app.command()
def margins(
    config: ConfigOption = None,
    store: StoreOption = None,
    offers: OffersOption = None,
    as_of: AsOfOption = None,
    network: NetworkOption = None,
    accelerator: Annotated[str | None, typer.Option("--accelerator", help="Only this chip.")] = None,
    node: Annotated[
        bool, typer.Option("--node", help="Only your own node: [node] of the job file, and the options below.")
    ] = False,
    like: Annotated[
        str | None, typer.Option("--like", help="What your node is like where you say nothing: home or data_centre.")
    ] = None,
    usd_per_kwh: Annotated[float | None, typer.Option("--usd-per-kwh", help="Your tariff.")] = None,
    capex_usd: Annotated[
        float | None, typer.Option("--capex-usd", help="What your chip cost with its share of the machine.")
    ] = None,
    utilisation: Annotated[
        float | None, typer.Option("--utilisation", help="Share of hours your node is rented, 0 to 1.")
    ] = None,
    hours_per_day: Annotated[
        float | None, typer.Option("--hours-per-day", help="The same in hours a day, 0 to 24.")
    ] = None,
    load_kw: Annotated[float | None, typer.Option("--load-kw", help="What your chip draws while rented.")] = None,
    steps: Annotated[
        bool, typer.Option("--waterfall", help="From the tenant's bill to the provider's profit, step by step.")
    ] = False,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """What providers keep, by network, chip and archetype; margins are fractions of their receipts."""
    from depin_compare.economics.waterfall import waterfall

    told = {
        "like": like, "usd_per_kwh": usd_per_kwh, "capex_usd": capex_usd, "utilisation": utilisation,
        "hours_per_day": hours_per_day, "load_kw": load_kw,
    }  # fmt: skip
    given = {name: value for name, value in told.items() if value is not None}
    mine = node or bool(given)
    job = _job(config)
    if mine:
        job = _with_node(job, given | ({"accelerator": accelerator} if accelerator else {}))
        accelerator = None
    kept = _step_analysis(job, store, offers, as_of).margins
    frame = _kept(kept, archetype="own" if mine else None, network=network, accelerator=accelerator)
    if steps:
        from depin_compare.economics.margins import Margins

        show = "network accelerator archetype step usd_per_hour share_of_tenant"
        rows = waterfall(Margins.validate(frame))
        _emit(rows, json=json, csv=csv, output=output, title="USD per hour, rented or not", show=show.split())
        return
    show = (
        "network accelerator archetype usd_per_accelerator_hour utilisation utilisation_kind cash_margin full_margin "
        "breakeven_usd_per_accelerator_hour breakeven_utilisation stop_usd_per_accelerator_hour layer not_known"
    )
    _emit(frame, json=json, csv=csv, output=output, title="Provider margins", show=show.split())


def _with_node(job: JobConfig, told: dict[str, Any]) -> JobConfig:
    """The job with the user's node changed by what the command line says of it."""
    from pydantic import ValidationError

    from depin_compare.errors import ModelDomainError
    from depin_compare.jobs.config import NodeConfig

    before = job.node.model_dump(exclude_none=True) if job.node else {}
    if "utilisation" in told:
        before.pop("hours_per_day", None)
    if "hours_per_day" in told:
        before.pop("utilisation", None)
    if "accelerator" not in before | told:
        raise typer.BadParameter("say which chip your node has", param_hint="--accelerator")
    try:
        made = NodeConfig.model_validate(before | told)
        made.own_node()
    except ModelDomainError as error:
        raise typer.BadParameter(str(error)) from error
    except ValidationError as error:
        raise typer.BadParameter("; ".join(f"{d['loc'][0]}: {d['msg']}" if d["loc"] else d["msg"]
                                           for d in error.errors())) from error  # fmt: skip
    return job.model_copy(update={"node": made})


@app.command()
def erosion(
    config: ConfigOption = None,
    store: StoreOption = None,
    offers: OffersOption = None,
    as_of: AsOfOption = None,
    network: NetworkOption = None,
    scenario: Annotated[str | None, typer.Option("--scenario", help="Only this scenario.")] = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """Headroom, break-even dates and verdicts, by network, reference and scenario."""
    frame = _kept(_step_analysis(config, store, offers, as_of).outlook, network=network, scenario=scenario)
    show = ["network", "cloud", "silicon", "reference", "scenario", "pricing", "quantity", "today", "headroom"]
    show += ["state", "date", "verdict"]
    _emit(frame, json=json, csv=csv, output=output, title="Outlook", show=show)


@app.command()
def explain(
    what: Annotated[list[str] | None, typer.Argument(help="Address of a number; none lists how to write one.")] = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    offers: OffersOption = None,
    as_of: AsOfOption = None,
    json: JsonOption = False,
) -> None:
    """Follow a number to its formula, its inputs and their sources, and see what would flip it.

    For example: explain margin akash h100-sxm data_centre, or explain comparison akash h100-sxm llama-3.3-70b
    aws/nvidia/list.
    """
    from json import dumps

    from depin_compare.explanations import TABLES, addresses
    from depin_compare.explanations import explain as explained

    job = _job(config)
    analysis = _step_analysis(job, store, offers, as_of)
    if not what:
        typer.echo("Write one of, words in brackets in any order or not at all:\n")
        for table, words in TABLES.items():
            typer.echo(f"  explain {table} {words}")
        typer.echo("\nFor example:\n")
        for address in addresses(analysis):
            typer.echo(f"  depin-compare explain {address}")
        return
    told = explained(analysis, *what, own_nodes=job.own_nodes())
    typer.echo(dumps(told.to_dict(), indent=2, ensure_ascii=False) if json else told.text())


@app.command()
def tokens(
    config: ConfigOption = None,
    store: StoreOption = None,
    offers: OffersOption = None,
    as_of: AsOfOption = None,
    network: NetworkOption = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """What each network's token pays: take, emission, subsidy, coverage, burn, and the premium left to earn."""
    frame = _kept(_step_analysis(config, store, offers, as_of).token_economics, network=network)
    show = "network measure subject price_basis value unit bound kind observed_at not_known"
    _emit(frame, json=json, csv=csv, output=output, title="What the token pays", show=show.split())


@app.command()
def discrepancies(
    config: ConfigOption = None,
    store: StoreOption = None,
    offers: OffersOption = None,
    as_of: AsOfOption = None,
    network: NetworkOption = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """Where two sources differ by more than 10 % on the same offer: which one is used, and why."""
    frame = _kept(_step_analysis(config, store, offers, as_of).discrepancies, network=network)
    show = (
        "network accelerator terms compared_on source_used layer_used usd_per_accelerator_hour_used source_other "
        "layer_other usd_per_accelerator_hour_other ratio reason"
    )
    _emit(frame, json=json, csv=csv, output=output, title="Discrepancies, USD per accelerator-hour", show=show.split())


@app.command()
def report(
    analysis_file: Annotated[Path, typer.Argument(help="analysis.json of an earlier run.")] = Path(
        "depin-report/analysis.json"
    ),
    out: Annotated[Path, typer.Option("--out", help="Folder the report goes to.")] = Path("depin-report"),
) -> None:
    """Draw the report again from a saved analysis, without asking any source."""
    from depin_compare.analysis import Analysis
    from depin_compare.errors import ConfigError
    from reports.writer import write_report

    try:
        text = analysis_file.read_text("utf-8")
    except OSError as error:
        raise ConfigError(
            f"{analysis_file}: can't be read ({error.strerror}); run `depin-compare run` first"
        ) from error
    for path in write_report(Analysis.from_json(text), out):
        typer.echo(str(path))


@app.command()
def sources(
    config: ConfigOption = None, store: StoreOption = None, json: JsonOption = False, csv: CsvOption = False,
    output: OutputOption = None,
) -> None:  # fmt: skip
    """Every source: kind, key, last success, rows, last error and terms; asks nothing."""
    from depin_compare.jobs.sources import source_list

    frame = source_list(_job(config), store=_store(store), now=datetime.now(UTC))
    _emit(frame, json=json, csv=csv, output=output, title="Sources",
          show=["source", "kind", "key", "key_variable", "state", "last_success", "age_days", "rows", "last_error",
                "terms"])  # fmt: skip


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(help="CSV of measured runs.")],
    json: JsonOption = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the rows, predicted beside measured.")
    ] = None,
    chart: Annotated[Path | None, typer.Option("--chart", help="Draw predicted against measured (.png).")] = None,
) -> None:
    """The throughput model against measured rows: errors in all, by accelerator, model and source."""
    from depin_compare.inference.validation import validate_file

    found = validate_file(file)
    if output is not None:
        _emit(found.rows, json=False, csv=False, output=output, title="", show=[])
    if chart is not None:
        from depin_compare.refdata import accelerators
        from reports.charts.predicted_measured import predicted_measured
        from reports.style import png_bytes

        families = dict(accelerators().select("accelerator", "family").iter_rows())
        _write_whole(chart, png_bytes(predicted_measured(found.rows, families)))
        _note(f"chart written to {chart}")
    if json:
        import json as encoder

        typer.echo(encoder.dumps(found.as_dict(), indent=1, sort_keys=True))
        return
    total = found.overall
    typer.echo(
        f"{total['rows_used']} rows used, {total['rows_skipped']} skipped; absolute error median "
        f"{total['median_ape']:.1%}, 90th percentile {total['p90_ape']:.1%}; bias {total['bias']:+.1%}; "
        f"within a factor of two {total['within_2x']:.1%}"
    )
    show = ["group", "rows_used", "median_ape", "p90_ape", "bias", "within_2x"]
    for title, frame in (
        ("By accelerator", found.by_accelerator),
        ("By model", found.by_model),
        ("By source", found.by_source),
    ):
        _emit(frame, json=False, csv=False, output=None, title=title, show=show)
    if found.skipped.height:
        _emit(found.skipped, json=False, csv=False, output=None, title="Skipped", show=found.skipped.columns)


@app.command()
def assumptions(
    config: ConfigOption = None, json: JsonOption = False, csv: CsvOption = False, output: OutputOption = None
) -> None:
    """The assumptions in force, each with its band, unit, source and kind."""
    from depin_compare.refdata.assumption_set import assumption_set

    frame = assumption_set(_job(config).assumption_overrides(datetime.now(UTC).date())).frame
    _emit(frame, json=json, csv=csv, output=output, title="Assumptions",
          show=["parameter", "low", "central", "high", "unit", "kind", "source_id"])  # fmt: skip


def _job(given: Path | JobConfig | None) -> JobConfig:
    """The job of a file; one that is already read comes back as it is."""
    from depin_compare.jobs.config import JobConfig, load_config

    return given if isinstance(given, JobConfig) else load_config(given)


def _store(folder: Path | None) -> Store:
    from depin_compare.market.store import Store, default_store_folder

    return Store(folder or default_store_folder())


def _collected(job: JobConfig, store: Store, **options: Any) -> Collection:
    from depin_compare.jobs.run import collected

    with _progress() as progress:
        return collected(job, now=datetime.now(UTC).replace(microsecond=0), store=store, progress=progress, **options)


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """A bar of the sources that are done; only for a person at a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("asking the sources", total=None)

        def told(done: int, total: int, status: SourceStatus) -> None:
            bar.update(task, completed=done, total=total, description=f"{status.source}: {status.status}")

        yield told


def _analysis(
    config: Path | JobConfig | None, *, store: Path | None, offline: bool, as_of: str | None, replay: Path | None,
    record: Path | None = None,
) -> Analysis:  # fmt: skip
    from depin_compare.jobs.run import analysis_of, gathered

    job, place = _job(config), _store(store)
    day = _day(as_of) if as_of else datetime.now(UTC).date()
    collection = None
    if replay or not (offline or as_of):
        _note("asking the sources …")
        collection = _collected(job, place, replay=replay, record=record)
        # Runs of one day with the same inputs give the same bytes: a run stands for its day, not its second.
        day = max(day, collection.observed_at.date()) if not as_of else day
    return analysis_of(
        job, gathered(job, as_of=datetime.combine(day, time(), tzinfo=UTC), store=place, collection=collection)
    )


def _step_analysis(
    config: Path | JobConfig | None, store: Path | None, offers: Path | None, as_of: str | None
) -> Analysis:
    """The analysis of a step command: on stored and reference data, or on the offers of a file; asks no source."""
    if offers is None:
        return _analysis(config, store=store, offline=True, as_of=as_of, replay=None)
    from depin_compare.jobs.run import analysis_of, from_file

    job = _job(config)
    day = _day(as_of) if as_of else datetime.now(UTC).date()
    return analysis_of(job, from_file(offers, as_of=datetime.combine(day, time(), tzinfo=UTC)))


def _kept(frame: pl.DataFrame, **wanted: str | None) -> pl.DataFrame:
    """Rows whose columns have the values asked for; a value that no row has is an error that names those there are."""
    import polars as pl

    from depin_compare.errors import UnknownNameError

    for column, value in wanted.items():
        if value is None:
            continue
        known = frame[column].cast(pl.String).unique().to_list()
        if value not in known:
            raise UnknownNameError(column, value, known)
        frame = frame.filter(pl.col(column).cast(pl.String) == value)
    return frame


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text if len(text) > 7 else f"{text}-01")
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no day; write YYYY-MM-DD", param_hint="--as-of") from error


def _tell_sources(analysis: Analysis) -> None:
    """What could not be reached, and what stands in for it, on stderr."""
    for row in analysis.source_states.iter_rows(named=True):
        if row["state"] in ("ok", "off"):
            continue
        if row["state"] == "reference":
            newest = row["newest_observed_at"]
            _note(f"{row['source']}: {row['detail']}, {f'newest {newest:%Y-%m-%d}' if newest else 'no data'}")
            continue
        stand_in = "nothing" if row["layer"] is None else f"{row['layer']} data of {row['newest_observed_at']:%Y-%m-%d}"
        _note(f"{row['source']}: {row['state']}, {stand_in} in its place{_because(row['detail'])}")


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def _exit_code(analysis: Analysis, fail_on: list[str]) -> int:
    states = analysis.source_states
    told = set(states["state"].cast(str))
    verdicts = set(analysis.outlook["verdict"].cast(str))
    oldest = states["age_days"].max()
    stale = bool(told & {"unreachable", "failed", "timed_out"}) or (
        isinstance(oldest, float) and oldest > STALE_AFTER_DAYS
    )
    if ("eroded" in fail_on and "eroded" in verdicts) or ("exposed" in fail_on and verdicts & {"exposed", "eroded"}):
        return THRESHOLD
    if ("stale" in fail_on and stale) or ("partial" in fail_on and (stale or "partial" in told)):
        return STALE
    return OK


def _emit(frame: pl.DataFrame, *, json: bool, csv: bool, output: Path | None, title: str, show: list[str]) -> None:
    """Rows to a file, or as JSON, CSV or a table to stdout: the same rows in all of them."""
    import polars as pl

    flat = pl.DataFrame(frame).with_columns(pl.col(pl.Enum).cast(pl.String))
    if output is not None:
        _write_rows(flat, output)
        _note(f"{flat.height} rows written to {output}")
    elif json:
        typer.echo(flat.write_json())
    elif csv:
        typer.echo(flat.write_csv(), nl=False)
    else:
        _table(flat.select(show), title)


def _write_whole(path: Path, body: bytes) -> None:
    """A file that appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(body)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _write_rows(frame: pl.DataFrame, path: Path) -> None:
    """The rows as the file's ending asks, whole or not at all."""
    if path.suffix not in (".csv", ".json", ".parquet"):
        raise typer.BadParameter(f"{path.name}: use an ending of .csv, .json or .parquet", param_hint="--output")
    part = path.with_name(f".{path.name}.part")
    try:
        if path.suffix == ".csv":
            frame.write_csv(part)
        elif path.suffix == ".json":
            frame.write_json(part)
        else:
            frame.write_parquet(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _table(frame: pl.DataFrame, title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name, dtype in frame.schema.items():
        table.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="fold")
    if frame.height > MOST_TABLE_ROWS:
        table.caption = (
            f"{MOST_TABLE_ROWS} of {frame.height} rows; narrow them with the options, or take --csv or --json"
        )
    for row in frame.head(MOST_TABLE_ROWS).iter_rows():
        table.add_row(
            *(
                ""
                if v is None
                else f"{v:.4g}"
                if isinstance(v, float)
                else f"{v:%Y-%m-%d}"
                if isinstance(v, date)
                else str(v)
                for v in row
            )
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _note(text: str) -> None:
    typer.echo(text, err=True)


def main() -> None:
    """Entry point: errors of ours and of the disk are told in one line and exit with 1, those of use with 2."""
    from depin_compare.errors import ConfigError, DepinCompareError, UnknownNameError

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except (ConfigError, UnknownNameError) as error:
        _note(f"depin-compare: {error}")
        sys.exit(USAGE)
    except (DepinCompareError, OSError) as error:
        _note(f"depin-compare: {error}")
        sys.exit(ERROR)


if __name__ == "__main__":
    main()
