"""Jobs on their cron lines: in the foreground, or as units for another scheduler."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from depin_compare.cli._app import app
from depin_compare.cli.inputs import store_of
from depin_compare.cli.options import ConfigOption, StoreOption
from depin_compare.cli.output import note, write_whole

if TYPE_CHECKING:
    from depin_compare.jobs.config import JobConfig
    from depin_compare.jobs.schedule import Dispatcher


@app.command()
def schedule(
    config: ConfigOption = None,
    job: Annotated[list[str] | None, typer.Option("--job", help="Only this job of the file. Repeatable.")] = None,
    store: StoreOption = None,
    once: Annotated[bool, typer.Option("--once", help="Run what is due now, and end.")] = False,
    systemd: Annotated[bool, typer.Option("--systemd", help="Print a service and a timer a job.")] = False,
    cron: Annotated[bool, typer.Option("--cron", help="Print lines for crontab.")] = False,
    github_actions: Annotated[bool, typer.Option("--github-actions", help="Print a workflow a job.")] = False,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="Print a CronJob a job.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the units into this folder, a file each.")
    ] = None,
) -> None:
    """Run the jobs of a file on their cron lines, or print units that do.

    In the foreground until Ctrl-C or SIGTERM, which runs under way are told and waited for. A slot that was slept
    through is made good once.
    """
    from depin_compare.errors import ConfigError

    asked = {"systemd": systemd, "cron": cron, "github-actions": github_actions, "kubernetes": kubernetes}
    forms = [name for name, given in asked.items() if given]
    chosen = [f"--{name}" for name in [*forms, *(["once"] if once else [])]]
    if len(chosen) > 1:
        raise typer.BadParameter("choose one of them", param_hint=" and ".join(chosen))
    if output is not None and not forms:
        raise typer.BadParameter("goes with --systemd, --cron, --github-actions or --kubernetes", param_hint="--output")
    if config is None:
        raise typer.BadParameter("name a job file whose jobs have a [schedule]", param_hint="--config")
    jobs = scheduled_jobs(config, job)
    if not jobs:
        raise ConfigError(f"{config}: no job has a schedule; give one e.g. [schedule] with cron = '17 */6 * * *'")
    if forms:
        print_units(forms[0], config, jobs, store, output)
        return
    raise typer.Exit(run_schedule(config, jobs, store, once=once))


def scheduled_jobs(config: Path, names: list[str] | None) -> dict[str, JobConfig]:
    """The jobs of a file that have a schedule; the others are told."""
    from depin_compare.errors import UnknownNameError
    from depin_compare.jobs.config_file import load_jobs

    jobs = load_jobs(config)
    for name in names or ():
        if name not in jobs:
            raise UnknownNameError("job", name, jobs)
    chosen = {name: one for name, one in jobs.items() if not names or name in names}
    for name, one in chosen.items():
        if one.schedule is None:
            note(f"job {name}: no [schedule], left out")
    return {name: one for name, one in chosen.items() if one.schedule is not None}


def print_units(form: str, config: Path, jobs: dict[str, JobConfig], store: str | None, output: Path | None) -> None:
    """The units to stdout, or into a folder; what to do with them to stderr."""
    from depin_compare.jobs.units import UNITS, Target

    units = UNITS[form](jobs, Target.here(config, store_of(store)), now=datetime.now(UTC))
    if output is None:
        typer.echo(units.text(), nl=False)
    else:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in units.files.items():
            write_whole(output / name, text.encode())
            typer.echo(str(output / name))
    for warning in units.warnings:
        note(warning)


def run_schedule(config: Path, jobs: dict[str, JobConfig], store: str | None, *, once: bool) -> int:
    """Wait for slots and run them, or run what is due now; the exit code."""
    from depin_compare.jobs.schedule import Dispatcher, Subprocesses, watch

    place = store_of(store)
    dispatcher = Dispatcher(jobs, store=place, launch=Subprocesses(config.resolve(), place.place.name))
    if once:
        return run_due(dispatcher)
    tell_next(jobs)
    stop = watch(dispatcher)
    note(f"depin-compare: {stop}")
    return stop.exit_code


def run_due(dispatcher: Dispatcher) -> int:
    """Run what is due of every job, all at once, and tell when the next is; the exit code is that of the worst run."""
    from concurrent.futures import ThreadPoolExecutor

    from depin_compare.jobs.runner import worst_code
    from depin_compare.jobs.stop import Stopped, stoppable

    with ThreadPoolExecutor(len(dispatcher.jobs)) as pool:
        try:
            with stoppable():
                codes = list(pool.map(dispatcher.fire, dispatcher.jobs))
        except Stopped as stop:
            dispatcher.stop()
            return stop.exit_code
    tell_next(dispatcher.jobs)
    return worst_code(codes)


def tell_next(jobs: dict[str, JobConfig]) -> None:
    """When each job is due next, in its own zone and in UTC."""
    from depin_compare.jobs.slots import next_slot

    now = datetime.now(UTC)
    for name, one in jobs.items():
        assert one.schedule is not None
        slot = next_slot(one, now)
        note(
            f"job {name}: next {slot:%a %Y-%m-%d %H:%M} {one.schedule.time_zone} "
            f"({slot.astimezone(UTC):%Y-%m-%d %H:%M} UTC), cron {one.schedule.cron!r}"
        )
