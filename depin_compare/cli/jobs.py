"""The job file: write one that runs, check one, show what is in force."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from depin_compare.cli._app import app
from depin_compare.cli.options import USAGE, JobOption
from depin_compare.cli.output import note, write_whole

if TYPE_CHECKING:
    from depin_compare.jobs.config import JobConfig

DEFAULT_FILE = Path("depin-compare.toml")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", envvar="DEPIN_COMPARE_CONFIG", help="Job file (TOML).")]

config = typer.Typer(help="Check a job file, or show what is in force.", no_args_is_help=True)
app.add_typer(config, name="config")


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")] = DEFAULT_FILE,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a commented job file that runs as it is: every key, its default, unit and values."""
    from importlib.resources import files

    from depin_compare.errors import ConfigError

    if file.exists() and not force:
        raise ConfigError(f"{file} is there already and stays as it is; name another, or write over it with --force")
    if not file.parent.is_dir():
        raise ConfigError(f"{file}: there is no folder {file.parent}; make it first, or name another file")
    write_whole(file, files("depin_compare.jobs").joinpath("template.toml").read_bytes())
    typer.echo(str(file))
    note(f"check it with `depin-compare config check {file}`, run it with `depin-compare run --config {file}`")


@config.command()
def check(file: FileArgument = DEFAULT_FILE) -> None:
    """What each job of a file will do; or every complaint with its line and the likely mend, and exit code 2."""
    from depin_compare.errors import ConfigError
    from depin_compare.jobs.config_file import load_jobs

    try:
        jobs = load_jobs(file)
    except ConfigError as error:
        typer.echo(str(error))
        raise typer.Exit(USAGE) from error
    for job in jobs.values():
        first, *more = _outline(job)
        typer.echo(f"{job.name}: {first}")
        for line in more:
            typer.echo(f"  {line}")


@config.command()
def show(file: FileArgument = DEFAULT_FILE, job: JobOption = None) -> None:
    """The jobs in force as JSON, by name, with every default filled in and the shared tables laid below."""
    from json import dumps

    from depin_compare.jobs.config_file import load_config, load_jobs

    jobs = [load_config(file, job)] if job is not None else load_jobs(file).values()
    told = {one.name: one.model_dump(mode="json", exclude={"name"}) for one in jobs}
    typer.echo(dumps(told, indent=2, ensure_ascii=False))


def _outline(job: JobConfig) -> Iterator[str]:
    """What a job will do, in two lines."""
    from fetchers import FETCHERS

    asked, outputs = job.analysis, job.outputs
    off = [name for name, source in job.sources.items() if not source.enabled]
    idle = [name for name in job.scenarios if name not in asked.scenarios]
    changed = [
        table for table in ("assumptions", "prices", "discounts", "facts", "node", "scenarios") if getattr(job, table)
    ]
    yield (
        f"asks {len(FETCHERS) - len(off)} of {len(FETCHERS)} sources; {', '.join(asked.networks)} with "
        f"{', '.join(asked.llms)} at {', '.join(asked.workloads)}; scenarios {', '.join(asked.scenarios)}"
        + (f"; your {', '.join(changed)}" if changed else "")
        + (f"; not analysed: your scenarios {', '.join(idle)}" if idle else "")
    )
    when = "when you run it"
    if job.schedule is not None:
        when = f"on {job.schedule.cron!r} in {job.schedule.time_zone}"
    alerts = f"alerts to ${job.alerts.urls_variable}" if job.alerts is not None else "no alerts"
    kept = "keeps every snapshot"
    if (retention := job.retention) is not None:
        kept = (
            f"keeps all snapshots for {retention.keep_all_days:g} days, the first of a day for "
            f"{retention.keep_daily_days:g}, the first of a month "
            + ("for ever" if retention.keep_monthly_days is None else f"for {retention.keep_monthly_days:g}")
        )
    yield f"{when}; {', '.join(outputs.formats or ('every format',))} into {outputs.out}; {alerts}; {kept}"
