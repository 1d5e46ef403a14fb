"""The typer application every command registers with."""

from __future__ import annotations

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
