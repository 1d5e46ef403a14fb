"""Scenarios of cloud inference cost: those there are, one in full, and two side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from depin_compare.cli._app import app
from depin_compare.cli.inputs import job_of
from depin_compare.cli.options import ConfigOption, CsvOption, JobOption, JsonOption, OutputOption
from depin_compare.cli.output import emit, note, write_whole

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A scenario of `scenarios list`.")]

scenarios = typer.Typer(
    help="How cloud cost may fall: the scenarios there are, yours among them, with every value and its source.",
    no_args_is_help=True,
)
app.add_typer(scenarios, name="scenarios")


@scenarios.command("list")
def overview(
    config: ConfigOption = None, job: JobOption = None, json: JsonOption = False, csv: CsvOption = False,
    output: OutputOption = None,
) -> None:  # fmt: skip
    """Every scenario, yours last: clouds that cut cost, what happens, and how likely what may not happen is."""
    from depin_compare.economics.scenarios import scenario_overview

    frame = scenario_overview(own=job_of(config, job).scenarios)
    show = ["scenario", "title", "base", "clouds", "event_probability", "meaning"]
    emit(frame, json=json, csv=csv, output=output, title="Scenarios", show=show)


@scenarios.command()
def show(
    name: NameArgument, config: ConfigOption = None, job: JobOption = None, json: JsonOption = False,
    csv: CsvOption = False, output: OutputOption = None,
    toml: Annotated[
        bool, typer.Option("--toml", help="As a table for a job file, or for a file named in scenario_files.")
    ] = False,
) -> None:  # fmt: skip
    """Every value in force in a scenario, with those it takes from others: band, unit, kind, source and note."""
    from depin_compare.economics.scenarios import scenario_overview, scenario_sheet

    own = job_of(config, job).scenarios
    if toml:
        if json or csv:
            raise typer.BadParameter("takes neither --json nor --csv", param_hint="--toml")
        text = toml_text(name, own)
        if output is None:
            typer.echo(text, nl=False)
            return
        write_whole(output, text.encode())
        note(f"scenario written to {output}; name the file in [analysis] scenario_files")
        return
    frame = scenario_sheet(name, own=own)
    (told,) = scenario_overview(own=own).filter(scenario=name).iter_rows(named=True)
    emit(frame, json=json, csv=csv, output=output, title=f"{told['title']} ({name})",
         show=["parameter", "band", "unit", "said_by", "kind", "source", "source_url", "note"])  # fmt: skip
    if not (json or csv or output):
        typer.echo(f"{told['meaning']}\nClouds that cut cost: {told['clouds']}.")


@scenarios.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="A scenario of `scenarios list`.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    config: ConfigOption = None, job: JobOption = None, json: JsonOption = False, csv: CsvOption = False,
    output: OutputOption = None,
) -> None:  # fmt: skip
    """What one scenario says otherwise than another; in the rows A is first and B is second."""
    from depin_compare.economics.scenarios import scenario_differences

    frame = scenario_differences(first, second, own=job_of(config, job).scenarios)
    if json or csv or output:
        emit(frame, json=json, csv=csv, output=output, title="", show=[])
        return
    if frame.height == 0:
        typer.echo(f"{first} and {second} say the same.")
        return
    sides = {"first": f"A: {first}", "second": f"B: {second}"}
    emit(frame.rename(sides), json=False, csv=False, output=None, title="What they say otherwise",
         show=["parameter", *sides.values(), "unit"])  # fmt: skip


def toml_text(name: str, own: Mapping[str, Mapping[str, Any]]) -> str:
    """A scenario as TOML text, a heading a value as in the packaged file, with its source in words above it."""
    from depin_compare.economics.own_scenarios import pasteable
    from depin_compare.refdata import sources

    there, table = pasteable(name, own)
    titles = {row["source_id"]: row for row in sources().iter_rows(named=True)}
    return "\n".join(_lines(f"scenarios.{there}", table, titles)).lstrip() + "\n"


def _lines(heading: str, table: Mapping[str, Any], titles: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    if len(inner) < len(table) or not table:
        yield ""
        if (source := titles.get(str(table.get("source_id")))) is not None:
            yield f"# {source['publisher']}: {source['title']}{', ' + source['url'] if source['url'] else ''}"
        yield f"[{heading}]"
        yield from (f"{key} = {_toml(value)}" for key, value in table.items() if key not in inner)
    for key, value in inner.items():
        yield from _lines(f"{heading}.{key}", value, titles)


def _toml(value: Any) -> str:
    """A value as TOML writes it: JSON's texts, numbers and lists are TOML's, but for the one sign of DEL."""
    from json import dumps

    return dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
