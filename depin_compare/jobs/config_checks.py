"""What the shape of a job can't tell: whether its names exist, its numbers lie in range and its times ever come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from depin_compare.addresses import check_address
from depin_compare.economics.nodes import NODE_INPUTS
from depin_compare.economics.own_scenarios import own_scenario_faults
from depin_compare.economics.scenarios import scenario_ids
from depin_compare.errors import ConfigError, UnknownNameError
from depin_compare.inference.workloads import workloads
from depin_compare.jobs.config import JobConfig, NodeConfig, ThresholdConfig
from depin_compare.jobs.crontab import crontab
from depin_compare.refdata import accelerators, llms, networks
from depin_compare.refdata.assumption_set import assumption_set

__all__ = ["Check", "job_checks", "selected"]

# Where in the job something stands, and a call that raises if it is wrong.
Check = tuple[Sequence[str | int], Callable[[], object]]


def job_checks(job: JobConfig) -> Iterator[Check]:
    """Everything that can be wrong with a job of the right shape.

    Yields
    ------
    Check
        The call raises `UnknownNameError`, `ModelDomainError` or `ConfigError`, whose message says what was seen and
        what to write instead.
    """
    from depin_compare.jobs.sources import ages_of
    from fetchers import FETCHERS
    from reports.sections import SECTIONS

    for name in job.sources:
        yield ["sources", name], partial(_check_name, "source", name, FETCHERS)
        if name in FETCHERS:
            yield ["sources", name, "limit_age_days"], partial(ages_of, FETCHERS[name], job.sources[name])
    for key, kind, known in _named(job):
        given = getattr(job.analysis, key)
        for index, name in enumerate(given):
            yield ["analysis", key, index], partial(_check_name, kind, name, known)
            if name in given[:index]:
                yield ["analysis", key, index], partial(_complain, f"{name!r} stands here twice; remove one")
    for name, table in job.scenarios.items():
        for place, what in own_scenario_faults(name, table):
            yield ["scenarios", name, *place], partial(_complain, what)
    for index, name in enumerate(job.outputs.sections or ()):
        yield ["outputs", "sections", index], partial(_check_name, "section", name, SECTIONS)
    for name, value in job.assumptions.items():
        yield ["assumptions", name], partial(assumption_set, {name: value.band()})
    yield from job.override_builders()
    if job.node is not None:
        yield from _node_checks(job.node)
    if job.schedule is not None:
        yield ["schedule", "cron"], partial(crontab, job.schedule.cron, job.schedule.time_zone)
    for index, rule in enumerate(job.alerts.thresholds if job.alerts is not None else ()):
        yield (
            ["alerts", "thresholds", index, "number"],
            partial(check_address, rule.number, own_scenarios=list(job.scenarios)),
        )
        yield ["alerts", "thresholds", index], partial(_check_threshold, rule)


def selected(
    job: JobConfig, *, networks: Sequence[str] = (), llms: Sequence[str] = (), scenarios: Sequence[str] = ()
) -> JobConfig:
    """A job with these networks, LLMs or scenarios in place of its own; where none is given its own stay.

    Raises
    ------
    UnknownNameError
        If one of them does not exist; the message has the nearest names.

    Examples
    --------
    >>> selected(JobConfig(), networks=["akash"]).analysis.networks
    ('akash',)
    """
    asked = {"networks": networks, "llms": llms, "scenarios": scenarios}
    chosen = {key: tuple(dict.fromkeys(names)) for key, names in asked.items() if names}
    for key, kind, known in _named(job):
        for name in chosen.get(key, ()):
            _check_name(kind, name, known)
    return job.model_copy(update={"analysis": job.analysis.model_copy(update=chosen)}) if chosen else job


def _named(job: JobConfig) -> Iterator[tuple[str, str, list[str]]]:
    """Each key of ``[analysis]`` that lists names, what it names, and the names there are."""
    yield "networks", "network", networks()["network"].to_list()
    yield "llms", "LLM", llms()["llm"].to_list()
    yield "workloads", "workload", list(workloads())
    yield "scenarios", "scenario", scenario_ids(job.scenarios)
    yield "sensitivity", "scenario", scenario_ids(job.scenarios)


def _check_name(kind: str, name: str, known: Iterable[str]) -> None:
    if name not in set(known):
        raise UnknownNameError(kind, name, known)


def _complain(what: str) -> None:
    raise ConfigError(what)


def _node_checks(node: NodeConfig) -> Iterator[Check]:
    """The chip, the networks and each input apart, so that each is told where it stands."""
    inputs = (*NODE_INPUTS, "hours_per_day")
    bare = node.model_copy(update=dict.fromkeys((*inputs, "networks")))
    yield ["node", "accelerator"], bare.own_node
    for index, name in enumerate(node.networks or ()):
        yield ["node", "networks", index], partial(_check_name, "network", name, networks()["network"])
    some_chip = accelerators()["accelerator"][0]
    for name in inputs:
        if (value := getattr(node, name)) is not None:
            yield ["node", name], bare.model_copy(update={"accelerator": some_chip, name: value}).own_node


def _check_threshold(rule: ThresholdConfig) -> None:
    """Whether there is anything a number can cross.

    Raises
    ------
    ConfigError
        If it names no side, or sides that leave no number between them.
    """
    if rule.above is None and rule.below is None:
        raise ConfigError(f"the threshold on {rule.number!r} says neither above nor below; say which")
    if rule.above is not None and rule.below is not None and rule.above < rule.below:
        raise ConfigError(
            f"every number is above {rule.above:g} or below {rule.below:g}; let above be the larger of the two"
        )
