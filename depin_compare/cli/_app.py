"""The typer application every command registers with."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(
    name="depin-compare",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="How much cheaper decentralised GPU networks are than the clouds for the same inference work, "
    "and how far cloud cost may fall before that is gone. No investment advice.",
)

# Commands that run by themselves tell what they do; of the rest only what went wrong is news.
TALKATIVE = ("run", "schedule")


@app.callback()
def common(
    ctx: typer.Context,
    log_level: Annotated[
        str | None,
        typer.Option(
            "--log-level",
            envvar="DEPIN_COMPARE_LOG_LEVEL",
            help="debug, info, warning or error; else info for run and schedule, warning for the rest.",
        ),
    ] = None,
    log_format: Annotated[
        str,
        typer.Option("--log-format", envvar="DEPIN_COMPARE_LOG_FORMAT", help="text or json: one object a line."),
    ] = "text",
) -> None:
    """Set up the log, for every command."""
    from depin_compare.jobs import logs

    level = log_level or ("info" if ctx.invoked_subcommand in TALKATIVE else "warning")
    for given, known, hint in ((level, logs.LEVELS, "--log-level"), (log_format, logs.FORMATS, "--log-format")):
        if given not in known:
            raise typer.BadParameter(f"{given!r}: use {', '.join(known)}", param_hint=hint)
    logs.configure(level, log_format)
