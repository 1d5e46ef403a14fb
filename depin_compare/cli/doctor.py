"""Is everything in place for a run: hosts, keys, ages, clock, fonts, folders, snapshots, and the mend for each."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from depin_compare.cli._app import app
from depin_compare.cli.inputs import store_of
from depin_compare.cli.options import ConfigOption, JsonOption, StoreOption
from depin_compare.cli.output import emit


@app.command()
def doctor(
    config: ConfigOption = None,
    store: StoreOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the report; else those the jobs name.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no host.")] = False,
    json: JsonOption = False,
) -> None:
    """What could keep a run from going well, and what to do about it; nothing is changed.

    Exit code 1 when something fails, 4 when sources are only old or out of reach, else 0.
    """
    from depin_compare.jobs.doctor import Examination, examine, worst_exit_code

    checks = examine(
        Examination(store=store_of(store), now=datetime.now(UTC), job_file=config, out=out, offline=offline)
    )
    show = ["subject", "check", "state", "seen", "mend"]
    emit(checks, json=json, csv=False, output=None, title="Doctor", show=show)
    raise typer.Exit(worst_exit_code(checks))
