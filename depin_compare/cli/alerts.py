"""Alerts by hand: try the addresses, and hold the rules against what is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from depin_compare.cli._app import app
from depin_compare.cli.inputs import job_of, run_analysis, store_of
from depin_compare.cli.options import (
    ERROR,
    OK,
    STALE,
    THRESHOLD,
    ConfigOption,
    CsvOption,
    JobOption,
    JsonOption,
    OutputOption,
    StoreOption,
)
from depin_compare.cli.output import emit, note

if TYPE_CHECKING:
    import polars as pl

    from depin_compare.jobs.alert_rules import Event, RuleStatus, Unsent

alerts = typer.Typer(help="Try the addresses alerts go to, or hold the rules against what is stored.",
                     no_args_is_help=True)  # fmt: skip
app.add_typer(alerts, name="alerts")


@alerts.command("test")
def send_test(config: ConfigOption = None, job: JobOption = None) -> None:
    """Send a test message to every address; exit code 1 if one does not take it."""
    from depin_compare.errors import ConfigError
    from depin_compare.jobs.channels import channels, send
    from depin_compare.jobs.config import AlertsConfig

    asked = job_of(config, job)
    variable = (asked.alerts or AlertsConfig()).urls_variable
    known = channels(variable)
    if not known:
        raise ConfigError(
            f"no address to send to: put one or more into the environment variable {variable}, separated by blanks, "
            "e.g. mailto://user:password@example.com or slack://TokenA/TokenB/TokenC (apprise's spelling)"
        )
    failed = False
    for channel in known:
        reason = send(channel, f"depin-compare {asked.name}: test", "A test message: alerts will look like this one.")
        failed |= reason is not None
        typer.echo(f"{channel.name}: {'took it' if reason is None else f'did not take it: {reason}'}")
    raise typer.Exit(ERROR if failed else OK)


@alerts.command()
def check(
    config: ConfigOption = None,
    job: JobOption = None,
    store: StoreOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the digest in place of sending it, and remember nothing.")
    ] = False,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """Hold the rules against what is stored, asking no source; send what is new and was not told yet.

    Exit code 3 if a threshold is crossed, told or not; 4 if only sources are silent; else 0.
    """
    from depin_compare.jobs.alerts import digest, judged, read_state, tell
    from depin_compare.jobs.config import AlertsConfig
    from depin_compare.jobs.lock import job_lock
    from depin_compare.jobs.outcome import JobOutcome

    asked, place, now = job_of(config, job), store_of(store), datetime.now(UTC).replace(microsecond=0)
    rules = asked.alerts or AlertsConfig()
    analysis = run_analysis(asked, store=store, as_of=None, replay=None)
    # No run, so nothing is said of how one went.
    outcome = JobOutcome(job=asked.name, kind="done_before", started_at=now, finished_at=now)
    if dry_run:
        state, _ = read_state(place, asked.name)
        found = judged(rules, outcome, analysis, state, now=now)
    else:
        with job_lock(asked.name, place, now=now):
            found = tell(rules, outcome, analysis, place, now=now)
    show = ["rule", "number", "value", "below", "above", "state", "not_known"]
    emit(status_frame(found.statuses), json=json, csv=csv, output=output, title="Thresholds", show=show)
    waiting: list[Event | Unsent] = [*found.state.unsent, *found.events] if dry_run else []
    if waiting:
        title, body = digest(asked.name, waiting, analysis, now=now)
        note(f"would be sent:\n{title}\n{body}")
    for source in found.troubled_sources:
        note(f"source {source}: nothing, or only old data, in {found.state.watches[f'source {source}'].runs} runs")
    raise typer.Exit(THRESHOLD if found.is_crossed else STALE if found.troubled_sources else OK)


def status_frame(statuses: tuple[RuleStatus, ...]) -> pl.DataFrame:
    """A row a threshold."""
    import polars as pl

    rows = [
        {
            "rule": status.label, "number": status.reported.address, "value": status.reported.value,
            "below": status.rule.below, "above": status.rule.above, "hysteresis": status.rule.hysteresis,
            "state": status.state, "not_known": status.reported.not_known,
        }
        for status in statuses
    ]  # fmt: skip
    text, number = pl.String(), pl.Float64()
    schema = {"rule": text, "number": text, "value": number, "below": number, "above": number, "hysteresis": number,
              "state": text, "not_known": text}  # fmt: skip
    return pl.DataFrame(rows, schema=schema)
