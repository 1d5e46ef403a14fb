"""The job file: one TOML document, several named jobs; every complaint has its line and a likely mend."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from depin_compare.errors import ConfigError, ModelDomainError, UnknownNameError
from depin_compare.jobs.config import DEFAULT_JOB, JOB_NAME, JobConfig
from depin_compare.jobs.config_checks import job_checks
from depin_compare.jobs.scenario_files import with_scenario_files
from depin_compare.jobs.toml_file import TomlFile, dotted
from depin_compare.jobs.toml_lines import KeyPath

__all__ = ["load_config", "load_jobs"]

JOBS = "jobs"
INHERIT = "inherit"
_TOP_KEYS = [key for key in JobConfig.model_fields if key != "name"]


def load_config(path: Path | None, job: str | None = None) -> JobConfig:
    """Read and check a job file, and pick one of its jobs; without a file it is the default job.

    Raises
    ------
    ConfigError
        Naming the file, line, key and likely mend; also when the file has no such job, or several and none is named.
    """
    if path is None:
        if job not in (None, DEFAULT_JOB):
            raise ConfigError(f"job {job!r} is asked for, but no job file is given: name it with --config")
        return JobConfig()
    jobs = load_jobs(path)
    if job is None and len(jobs) > 1:
        raise ConfigError(f"{path} has {len(jobs)} jobs: name one of {', '.join(jobs)} with --job")
    chosen = job or next(iter(jobs))
    if chosen not in jobs:
        raise ConfigError(f"{path}: {UnknownNameError('job', chosen, jobs)}")
    return jobs[chosen]


def load_jobs(path: Path) -> dict[str, JobConfig]:
    """Read and check a job file.

    Tables at the top are what every job shares; those of ``[jobs.NAME]`` are laid over them: tables merge, lists and
    single values replace. ``inherit = false`` in ``[jobs.NAME]`` leaves the shared ones out. A file without ``[jobs]``
    holds one job named ``default``. Of several jobs one that names no folder writes into one of its own name below
    the default folder; one that has the shared file of metrics writes into ``STEM-NAME.prom`` beside it.

    Returns
    -------
    dict of str to JobConfig
        By name, in the order of the file; never empty.

    Raises
    ------
    ConfigError
        One line a complaint: ``FILE:LINE: key: what is wrong, what was seen, what to do``.
    """
    file = TomlFile.read(path, if_absent="`depin-compare init` writes a job file")
    jobs = _jobs_of(file)
    if not file.complaints:
        _check_folders(file, jobs)
    if file.complaints:
        # A slip in a shared table is found once for each job, and told once.
        raise ConfigError("\n".join(text for _, text in sorted(set(file.complaints))))
    return jobs


def _jobs_of(file: TomlFile) -> dict[str, JobConfig]:
    shared = {key: value for key, value in file.document.items() if key != JOBS}
    _refuse_name(file, shared, ())
    if JOBS not in file.document:
        job = _validated(file, shared, lambda place: place)
        return {DEFAULT_JOB: job} if job else {}
    named = file.document[JOBS]
    if not isinstance(named, dict) or not named:
        file.complain((JOBS,), "expected a table for each job: [jobs.NAME]")
        return {}
    # What every job replaces is checked too; only what a job may still add is not missed here.
    _validated(file, shared, lambda place: place, complete=False)
    jobs = {}
    for name, table in named.items():
        place = (JOBS, name)
        if not JOB_NAME.fullmatch(name):
            file.complain(place, "expected a name of lower-case letters, digits, - and _, at most 64: it names files")
        elif not isinstance(table, dict):
            file.complain(place, f"saw {_seen(table)}, expected a table: [jobs.{name}]")
        elif (job := _job(file, name, table, shared)) is not None:
            jobs[name] = job
    return jobs


def _job(file: TomlFile, name: str, table: Mapping[str, Any], shared: Mapping[str, Any]) -> JobConfig | None:
    inherit = table.get(INHERIT, True)
    if not isinstance(inherit, bool):
        file.complain((JOBS, name, INHERIT), f"saw {_seen(inherit)}, expected true or false")
    own = {key: value for key, value in table.items() if key != INHERIT}
    _refuse_name(file, own, (JOBS, name))
    merged = merge(shared if inherit else {}, own)

    def place(key: KeyPath) -> KeyPath:
        """Where a key of the merged job stands: in the job's own tables where those say as much of it."""
        depth_own, depth_shared = _depth(own, key), _depth(shared if inherit else {}, key)
        return (JOBS, name, *key) if depth_own >= depth_shared else key

    job = _validated(file, merged, place, name=name)
    if job is None:
        return None
    changed: dict[str, Path] = {}
    if "out" not in job.outputs.model_fields_set:
        changed["out"] = job.outputs.out / name
    shared_file = job.outputs.prometheus_textfile
    if shared_file is not None and _depth(own, ("outputs", "prometheus_textfile")) < 2:
        # Written whole by every run: of two jobs in one file the second would wipe out the first's numbers.
        changed["prometheus_textfile"] = shared_file.with_name(f"{shared_file.stem}-{name}.prom")
    return job.model_copy(update={"outputs": job.outputs.model_copy(update=changed)}) if changed else job


def merge(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """One document over another: tables merge, anything else replaces.

    >>> merge({"a": {"b": 1, "c": [2]}}, {"a": {"c": [3]}})
    {'a': {'b': 1, 'c': [3]}}
    """
    merged = dict(shared)
    for key, value in own.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _depth(value: Any, key: KeyPath) -> int:
    """How many steps of a key there are in a document."""
    for depth, part in enumerate(key):
        value = _step(value, part)
        if value is None:
            return depth
    return len(key)


def _step(value: Any, part: str | int) -> Any:
    """What stands under a name or an index; None where nothing does, which TOML has no word for."""
    if isinstance(part, int):
        return value[part] if isinstance(value, list) and part < len(value) else None
    return value.get(part) if isinstance(value, dict) else None


def _refuse_name(file: TomlFile, table: Mapping[str, Any], place: KeyPath) -> None:
    """``name`` is a field of the model, but no key of the file."""
    if "name" in table:
        file.complain((*place, "name"), "unknown key; a job's name stands in its heading: [jobs.NAME]")


def _validated(
    file: TomlFile,
    document: Mapping[str, Any],
    place: Callable[[KeyPath], KeyPath],
    *,
    name: str = DEFAULT_JOB,
    complete: bool = True,
) -> JobConfig | None:
    """The job of a document, or None with its complaints noted."""
    try:
        job = JobConfig.model_validate({**document, "name": name})
    except ValidationError as error:
        for detail in error.errors():
            if complete or detail["type"] != "missing":
                key = _as_written(document, detail["loc"])
                file.complain(place(key), _told(key, detail, job=place(key)[: -len(key) or None]))
        return None
    count = len(file.complaints)
    job = with_scenario_files(job, file, lambda key: place(_as_written(document, key)))
    for location, check in job_checks(job) if len(file.complaints) == count else ():
        try:
            check()
        except (ConfigError, ModelDomainError, UnknownNameError) as error:
            file.complain(place(_as_written(document, location)), str(error))
    return job if len(file.complaints) == count else None


def _as_written(document: Any, location: Any) -> KeyPath:
    """The path of a value in the document: a bare entry is read as a list of one, whose index stands nowhere."""
    path: list[str | int] = []
    value = document
    for part in location:
        if part == "[key]":  # pydantic's word for the name of an entry itself
            continue
        if isinstance(part, int) and not isinstance(value, list):
            continue
        value = _step(value, part)
        path.append(part)
    return tuple(path)


def _told(key: KeyPath, detail: Any, *, job: KeyPath) -> str:
    """What pydantic found, in our words, with what was seen and the likely mend; ``job`` is where its tables are."""
    kind, seen, what = detail["type"], _seen(detail["input"]), str(detail["msg"]).removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return f"unknown key; {_mend(key, job)}"
    if kind == "missing":
        return "is missing, and has no default"
    if key and str(key[-1]).endswith("_variable"):
        return what
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"saw {_kind(detail['input'])}, expected a table"
    if kind == "tuple_type":
        return f"saw {_kind(detail['input'])}, expected a list, in square brackets"
    if kind == "too_short":
        return "saw an empty list, expected at least one"
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
        near = difflib.get_close_matches(str(detail["input"]), known, n=1, cutoff=0.4)
        return f"saw {seen}, expected one of {', '.join(known)}" + (f"; did you mean {near[0]!r}?" if near else "")
    if kind.startswith("date"):
        return f"saw {seen}, expected a day such as 2036-12-31, without quotes"
    what = re.sub(r"^Input should be ", "expected ", what)
    return what if isinstance(detail["input"], dict) or seen in what else f"saw {seen}: {what}"


def _kind(value: Any) -> str:
    kinds: dict[str, Any] = {
        "a table": dict, "a list": (list, tuple), "true or false": bool, "text": str, "a number": (int, float),
    }  # fmt: skip
    return next((name for name, types in kinds.items() if isinstance(value, types)), "a date or time")


def _seen(value: Any) -> str:
    """What stood there, short; tables and lists are not repeated, nor is an address, which may hold a password."""
    if isinstance(value, dict | list | tuple):
        return _kind(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and "://" in value:
        return "an address"
    text = repr(value) if isinstance(value, int | float | str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _mend(key: KeyPath, job: KeyPath) -> str:
    """What an unknown key was likely meant to be: a neighbour, or a key of another table."""
    wrong = str(key[-1])
    model = _model_at(key[:-1])
    known = [name for name in (model or JobConfig).model_fields if name != "name" or model is not JobConfig]
    if model is JobConfig:
        known.append(INHERIT if job else JOBS)
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    elsewhere = [table for table, keys in _keys_of_tables() if wrong in keys]
    if elsewhere:
        return f"it stands in [{dotted((*job, elsewhere[0]))}]"
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"


def _keys_of_tables() -> Iterator[tuple[str, set[str]]]:
    for name in _TOP_KEYS:
        model = _model_at((name,))
        if model is not None:
            yield name, set(model.model_fields)


def _model_at(key: KeyPath) -> type[BaseModel] | None:
    """The model whose keys stand in the table at a place; None where any key may stand."""
    at: Any = JobConfig
    for part in key:
        if isinstance(part, int):
            continue
        model = _model_in(at)
        if model is not None:
            at = model.model_fields[part].annotation if part in model.model_fields else None
        else:
            at = next((get_args(one)[1] for one in _parts(at) if get_origin(one) is dict), None)
    return _model_in(at)


def _parts(annotation: Any) -> Iterator[Any]:
    """An annotation, and those it is put together from."""
    yield annotation
    for inner in get_args(annotation):
        yield from _parts(inner)


def _is_mapping(annotation: Any) -> bool:
    return any(get_origin(part) is dict for part in _parts(annotation))


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if _is_mapping(annotation):
        return None
    return next((p for p in _parts(annotation) if isinstance(p, type) and issubclass(p, BaseModel)), None)


def _check_folders(file: TomlFile, jobs: Mapping[str, JobConfig]) -> None:
    """Two jobs never write over each other's report or metrics."""
    owners: dict[Path, str] = {}
    writers: dict[Path, str] = {}
    for name, job in jobs.items():
        other = owners.setdefault(job.outputs.out.resolve(), name)
        if other != name:
            file.complain(
                (JOBS, name, "outputs", "out"),
                f"{job.outputs.out} is the folder of job {other!r} too; give each its own: "
                f"[jobs.{name}.outputs] out = ...",
            )
        textfile = job.outputs.prometheus_textfile
        if textfile is not None and (other := writers.setdefault(textfile.resolve(), name)) != name:
            file.complain(
                (JOBS, name, "outputs", "prometheus_textfile"),
                f"{textfile} is the file of job {other!r} too, which would lose its metrics; give each its own: "
                f"[jobs.{name}.outputs] prometheus_textfile = ...",
            )
