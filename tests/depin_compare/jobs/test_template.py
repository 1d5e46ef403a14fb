"""The commented job file that init writes: it runs, it is whole, and what it calls a default is one."""

import re
import tomllib
from importlib.resources import files
from types import NoneType
from typing import get_args

import pytest
from pydantic import BaseModel

from depin_compare.economics.scenario_parameters import PARAMETERS
from depin_compare.economics.scenarios import scenarios
from depin_compare.inference.workloads import workloads
from depin_compare.jobs.config import JobConfig
from depin_compare.jobs.config_file import load_jobs
from depin_compare.refdata import KINDS, llms, load_toml
from fetchers import FETCHERS

TEXT = files("depin_compare.jobs").joinpath("template.toml").read_text("utf-8")
# Every setting that stands in it as a comment, in force.
WHOLE = re.sub(r"(?m)^#(?=[^\s#-])", "", TEXT)
WORDS = set(re.findall(r"[\w.-]*\w", TEXT))


@pytest.fixture(scope="module")
def whole() -> dict:
    return tomllib.loads(WHOLE)


def models(annotation) -> list[type[BaseModel]]:
    """Every model a field's annotation is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models(part)]


def keys_of(model: type[BaseModel]) -> set[str]:
    keys = set(model.model_fields)
    for field in model.model_fields.values():
        for inner in models(field.annotation):
            keys |= keys_of(inner)
    return keys


def keys_in(value) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys_in, value.values()))
    return set().union(*map(keys_in, value)) if isinstance(value, list) else set()


def test_it_runs_as_it_is(tmp_path):
    file = tmp_path / "job.toml"
    file.write_text(TEXT, "utf-8")
    jobs = load_jobs(file)
    assert set(jobs) == {"six-hourly", "weekly"}
    assert all(job.schedule.time_zone == "Europe/Berlin" for job in jobs.values())
    assert jobs["six-hourly"].analysis == JobConfig().analysis
    assert jobs["weekly"].analysis.scenarios != JobConfig().analysis.scenarios
    # The full hour is when everybody asks.
    assert all(int(job.schedule.cron.split()[0]) % 5 for job in jobs.values())


def test_it_runs_with_every_comment_in_force(tmp_path):
    file = tmp_path / "job.toml"
    file.write_text(WHOLE, "utf-8")
    assert WHOLE.count("\n#") < TEXT.count("\n#") - 50
    for job in load_jobs(file).values():
        assert job.node is not None
        assert len(job.alerts.thresholds) == 2
        assert job.overrides().prices
        (mine,) = scenarios(["two-chips"], own=job.scenarios)
        assert mine.parameters["unit_cost_factor.maia"].high == 0.70
        assert mine.parameters["adoption_midpoint_year"].low == 2026.8


def test_every_key_of_every_model_stands_in_it(whole):
    every = keys_of(JobConfig) - {"name"} | {"name", "jobs", "inherit"}
    assert len(every) > 60
    assert every - keys_in(whole) == {"hours_per_day"}  # in place of utilisation, never beside it
    assert "hours_per_day = " in TEXT


def test_what_it_gives_as_a_default_is_the_default(whole):
    compared = 0
    for table in ("analysis", "outputs", "retention", "alerts", "schedule"):
        (model,) = models(JobConfig.model_fields[table].annotation)
        for key, field in model.model_fields.items():
            default = field.get_default(call_default_factory=True)
            if field.is_required() or default is None or default == ():
                continue
            given = model.model_validate({"cron": "7 * * * *"} | whole[table] if table == "schedule" else whole[table])
            assert getattr(given, key) == default, (table, key)
            compared += 1
    assert compared >= 20


def test_what_has_no_default_is_called_an_example():
    commented = [line for line in TEXT.splitlines() if line.startswith("#") and not line.startswith("# ")]
    lines = TEXT.splitlines()
    for table in ("analysis", "outputs", "retention", "schedule"):
        (model,) = models(JobConfig.model_fields[table].annotation)
        for key, field in model.model_fields.items():
            if field.is_required() or (field.default is None and NoneType in get_args(field.annotation)):
                (at,) = (n for n, line in enumerate(lines) if line.startswith(f"#{key} = ") and line in commented)
                above = " ".join(lines[at - 4 : at])
                assert "Example" in above or "All by default" in above, key


def test_every_name_there_is_to_choose_stands_in_it():
    assert set(llms()["llm"]) | set(workloads()) | set(load_toml("scenarios")) | set(FETCHERS) <= WORDS
    assert set(PARAMETERS) | set(KINDS) <= WORDS
    assert {f.key_variable for f in FETCHERS.values() if f.key_variable} <= WORDS
    asked = {n for f in FETCHERS.values() if f.kind in ("network", "marketplace") for n in f.networks}
    assert asked <= WORDS
    needed = re.search(r"needed: (.*)", TEXT)[1].split(", ")
    assert set(needed) == {f.key_variable for f in FETCHERS.values() if f.key_variable and f.key_required}
