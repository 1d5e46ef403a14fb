"""The command line. Results go to stdout, progress and log to stderr.

Exit codes: 0 fine, 1 error, 2 usage, 3 threshold crossed, 4 stale or partial.
"""

from __future__ import annotations

import logging
import sys

# Importing a module of commands registers them, in the order --help shows them.
# polars, matplotlib and the rest are imported where they are used, so that --help stays fast.
from depin_compare.cli import run, report, steps, trends, lists, scenarios, history, jobs, schedule, alerts, doctor  # noqa: F401  # isort: skip  (the order of --help)
from depin_compare.cli._app import app
from depin_compare.cli.options import ERROR, USAGE
from depin_compare.cli.output import note

__all__ = ["app", "main"]


def main() -> None:
    """Entry point: errors of ours and of the disk are told in one line and exit with 1, those of use with 2."""
    from depin_compare.errors import ConfigError, DepinCompareError, UnknownNameError
    from depin_compare.jobs import logs

    logs.configure()  # until the options are read

    try:
        app()
    except (ConfigError, UnknownNameError) as error:
        note(f"depin-compare: {error}", level=logging.ERROR)
        sys.exit(USAGE)
    except (DepinCompareError, OSError) as error:
        note(f"depin-compare: {error}", level=logging.ERROR)
        sys.exit(ERROR)
