"""Files of scenarios that a job file names: each in the form of the packaged one, to be shared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from depin_compare.economics.own_scenarios import RESERVED, own_scenario_faults
from depin_compare.errors import ConfigError
from depin_compare.jobs.config import JobConfig
from depin_compare.jobs.toml_file import TomlFile
from depin_compare.jobs.toml_lines import KeyPath

__all__ = ["with_scenario_files"]


def with_scenario_files(job: JobConfig, file: TomlFile, place: Callable[[KeyPath], KeyPath]) -> JobConfig:
    """The job with the scenarios of the files it names beside those of its own.

    Parameters
    ----------
    job : JobConfig
        ``[analysis] scenario_files`` are read from the folder of the job file.
    file : TomlFile
        The job file; it takes the complaints, each with the file and line it is about.
    place : callable
        Where a key of the job stands in the job file.
    """
    whose = dict.fromkeys(job.scenarios, str(file.path))
    found = dict(job.scenarios)
    for index, named in enumerate(job.analysis.scenario_files):
        key = ("analysis", "scenario_files", index)
        path = file.path.parent / named
        try:
            shared = TomlFile.read(path)
        except ConfigError as error:
            # What the file itself says wrong stands at its own line; the job file says which one is meant.
            file.complain(place(key), str(error))
            continue
        for name, table, at in _tables(shared):
            if name in whose:
                file.complain(place(key), f"has a scenario {name!r}, as {whose[name]} has; give one another name")
                continue
            whose[name] = str(path)
            for inner, what in own_scenario_faults(name, table):
                shared.complain((*at, *inner), what)
            found[name] = table
        file.complaints.extend(shared.complaints)
    return job.model_copy(update={"scenarios": found})


def _tables(shared: TomlFile) -> list[tuple[str, dict[str, Any], KeyPath]]:
    """Each scenario of a file, and where it stands: at the top as in the packaged file, or as in a job file."""
    under = (RESERVED,) if list(shared.document) == [RESERVED] else ()
    tables = shared.document[RESERVED] if under else shared.document
    if not isinstance(tables, dict) or not tables:
        shared.complain(under, "expected a table for each scenario: [NAME], with base = ...")
        return []
    made = []
    for name, table in tables.items():
        if name == RESERVED:
            shared.complain((name,), "stands alone in a file, or not at all: here each scenario is a table [NAME]")
        elif isinstance(table, dict):
            made.append((name, table, (*under, name)))
        else:
            shared.complain((*under, name), f"saw {table!r}, expected a table: [{name}]")
    return made
