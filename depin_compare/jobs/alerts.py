"""After a run: say what is new in one digest, beat the heart, write the metrics, and remember what was told."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from pydantic import ValidationError

from depin_compare.analysis import Analysis
from depin_compare.errors import DepinCompareError
from depin_compare.jobs.alert_rules import (
    Event,
    RuleStatus,
    State,
    Unsent,
    evaluate,
    fared_well,
    rule_statuses,
    troubled_sources,
)
from depin_compare.jobs.channels import Channel, beat, channels, send
from depin_compare.jobs.config import AlertsConfig, JobConfig
from depin_compare.jobs.logs import keep_secret, secret_variables, struck
from depin_compare.jobs.outcome import JobOutcome
from depin_compare.jobs.outcome import read_state as read_job_state
from depin_compare.market.store import Store
from reports.summary import ADVICE_NOTE, verdict_lines

__all__ = ["Judgement", "after_run", "digest", "is_crossed", "judged", "read_state", "state_path", "tell"]

log = logging.getLogger(__name__)

# Of events that somebody has taken, a dead address is owed this many; those that nobody took are all kept.
MOST_OWED = 200
_KINDS = {
    "threshold": ("threshold", "thresholds"), "verdict": ("verdict flip", "verdict flips"),
    "source": ("source", "sources"), "job": ("job event", "job events"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a run has to say: its events, how the thresholds stand, and the state that remembers them as told."""

    events: tuple[Event, ...]
    statuses: tuple[RuleStatus, ...]
    state: State

    @property
    def is_crossed(self) -> bool:
        """Whether a threshold is crossed, told or not."""
        return any(status.is_crossed for status in self.statuses)

    @property
    def troubled_sources(self) -> list[str]:
        """Sources that gave nothing, or only old data, in as many runs in a row as the job allows."""
        return troubled_sources(self.state)


def state_path(job: str) -> str:
    """Where the state of a job's alerts lies in the store."""
    return f"jobs/{quote(job, safe=' ')}.alerts.json"


def read_state(store: Store | None, job: str) -> tuple[State, bool]:
    """What was told before, and whether what is told now may be written over it.

    A state that is damaged is replaced by an empty one: what is crossed is told again. One that can't be reached is
    left alone, for there may be messages in it that nobody has taken.
    """
    if store is None:
        return State(), False
    path = state_path(job)
    try:
        return State.model_validate_json(store.place.read(path)), True
    except FileNotFoundError:
        return State(), True
    except ValidationError as error:
        log.error("alerts: %s is damaged (%d errors); what is crossed is told again", path, error.error_count())
        return State(), True
    except (OSError, DepinCompareError) as error:
        log.error("alerts: %s can't be read: %s; what is crossed is told again", path, error)
        return State(), False


def _write_state(store: Store | None, job: str, state: State) -> bool:
    if store is None:
        return False
    try:
        store.place.write(state_path(job), state.model_dump_json(exclude_defaults=True).encode(), overwrite=True)
    except (OSError, DepinCompareError) as error:
        log.error("alerts: what was told can't be remembered, so it may be told again: %s", error)
        return False
    return True


def judged(
    config: AlertsConfig, outcome: JobOutcome, analysis: Analysis | None, state: State, *, now: datetime
) -> Judgement:
    """Hold a run against the rules; sends and writes nothing.

    Parameters
    ----------
    config : AlertsConfig
        The job's ``[alerts]``.
    outcome : JobOutcome
        How the run went.
    analysis : Analysis, optional
        What it found, if it got that far.
    state : State
        From `read_state`.
    now : datetime
        With its time zone.
    """
    statuses = rule_statuses(config, analysis, state) if analysis is not None else []
    events, after = evaluate(state, config, outcome, analysis, now=now)
    return Judgement(events=tuple(events), statuses=tuple(statuses), state=after)


def is_crossed(job: JobConfig, analysis: Analysis, store: Store | None) -> bool:
    """Whether a number is beyond one of the job's thresholds, or has not come back far enough since it was."""
    if job.alerts is None or not job.alerts.thresholds:
        return False
    state, _ = read_state(store, job.name)
    return any(status.is_crossed for status in rule_statuses(job.alerts, analysis, state))


def digest(job: str, events: Sequence[Event | Unsent], analysis: Analysis | None, *, now: datetime) -> tuple[str, str]:
    """Title and text of the one message a run sends: a line an event, then where the networks stand."""
    counts = Counter(event.kind for event in events)
    told = ", ".join(f"{n} {_KINDS[kind][n > 1]}" for kind, n in counts.items())
    lines = [f"- {event.line}{_late(event, now)}" for event in events]
    if analysis is not None:
        lines += ["", *(line for line in verdict_lines(analysis) if line != ADVICE_NOTE)]
    return f"depin-compare {job}: {told}", "\n".join(lines)


def _late(event: Event | Unsent, now: datetime) -> str:
    return "" if event.at == now else f" [{event.at:%Y-%m-%d %H:%M} UTC]"


def after_run(
    job: JobConfig, outcome: JobOutcome, analysis: Analysis | None, store: Store | None, *, now: datetime | None = None
) -> Judgement | None:
    """All that follows a run: the digest, the heartbeat, the metrics. None of it failing costs the run or the others.

    Parameters
    ----------
    job : JobConfig
        With its ``[alerts]`` and ``[outputs]``; without ``[alerts]`` nothing is sent.
    outcome : JobOutcome
        How the run went.
    analysis : Analysis, optional
        What it found, if it got that far.
    store : Store, optional
        Where what was told is remembered; without one it is told again.
    now : datetime, optional
        With its time zone; default: when the run ended.

    Returns
    -------
    Judgement, optional
        None without ``[alerts]``, or if nothing could be judged.
    """
    now = now or outcome.finished_at
    well = fared_well(outcome)
    keep_secret(secret_variables(job))
    found: list[Judgement] = []
    if job.alerts is not None:
        config = job.alerts
        _guarded("alerts", lambda: found.append(tell(config, outcome, analysis, store, now=now)))
        if well is not None:
            # A run that nobody answered ends well, but it is no sign of life of what is watched.
            alive = well and _answered(analysis)
            _guarded("heartbeat", lambda: _beat(config, outcome.job, good=alive))
    if job.outputs.prometheus_textfile is not None and well is not None:
        path = job.outputs.prometheus_textfile

        def metrics() -> None:
            # 0.1 s to import, for those who have it written.
            from depin_compare.jobs.metrics import write_metrics

            write_metrics(path, outcome, analysis, now=now, last_success_at=_last_success(store, outcome.job))

        _guarded("metrics", metrics)
    return found[0] if found else None


def _answered(analysis: Analysis | None) -> bool:
    """Whether any source that was asked gave something; true where none was asked."""
    if analysis is None:
        return True
    import polars as pl

    states = set(analysis.source_states["state"].cast(pl.String))
    return bool(states & {"ok", "partial"}) or not states & {"unreachable", "failed", "timed_out"}


def _guarded(what: str, call: Callable[[], object]) -> None:
    try:
        call()
    # What follows a run must never cost the run: whatever goes wrong is told, without what it may hold.
    except Exception as error:
        log.error("%s: %s: %s", what, type(error).__name__, struck(str(error)))


def _last_success(store: Store | None, job: str) -> datetime | None:
    """When the job last went well, as the store remembers it."""
    return read_job_state(store, job).last_success_at if store is not None else None


def _beat(config: AlertsConfig, job: str, *, good: bool) -> None:
    reason = beat(config.heartbeat_variable, good=good, job=job)
    if reason is not None:
        log.warning("heartbeat: the address in %s did not take it: %s", config.heartbeat_variable, reason)


def tell(
    config: AlertsConfig, outcome: JobOutcome, analysis: Analysis | None, store: Store | None, *, now: datetime
) -> Judgement:
    """Judge a run, send what is new, and remember it.

    What is to be sent is written down before it is sent, and struck out address by address as it is taken: a run
    that is killed in between sends it again, and loses nothing.

    Parameters
    ----------
    config, outcome, analysis, store, now
        As for `after_run`.
    """
    before, may_write = read_state(store, outcome.job)
    judgement = judged(config, outcome, analysis, before, now=now)
    new = tuple(
        Unsent(kind=event.kind, line=struck(event.line), at=event.at, good=event.good) for event in judgement.events
    )
    state = judgement.state.model_copy(update={"unsent": (*judgement.state.unsent, *new)})

    def remember(state: State) -> None:
        if may_write:
            _write_state(store, outcome.job, state)

    remember(state)
    if state.unsent:
        state = _sent(state, config.urls_variable, outcome.job, analysis, now=now, remember=remember)
    return Judgement(events=judgement.events, statuses=judgement.statuses, state=state)


def _sent(
    state: State, variable: str, job: str, analysis: Analysis | None, *, now: datetime,
    remember: Callable[[State], None],
) -> State:  # fmt: skip
    """Send each address what it has not taken yet, in one message."""
    known = channels(variable)
    if not known:
        log.warning("alerts: %s waits: %s holds no address to send to", _events(state.unsent), variable)
        return state
    names = tuple(channel.name for channel in known)
    unsent = [
        one.model_copy(update={"waiting": tuple(n for n in names if n in one.waiting) if one.taken else names})
        for one in state.unsent
    ]
    for channel in known:
        mine = [one for one in unsent if channel.name in one.waiting]
        if not mine:
            continue
        reason = send(channel, *digest(job, mine, analysis, now=now), good=all(one.good for one in mine))
        if reason is not None:
            log.warning("alerts: %s did not take %s: %s", channel.name, _events(mine), reason)
            continue
        log.info("alerts: %s took %s", channel.name, _events(mine))
        unsent = [_taken(one, channel) for one in unsent]
        state = state.model_copy(update={"unsent": tuple(_owed(unsent))})
        remember(state)
    return state


def _events(some: Sequence[Unsent]) -> str:
    return f"{len(some)} event{'s'[: len(some) > 1]}"


def _taken(one: Unsent, channel: Channel) -> Unsent:
    if channel.name not in one.waiting:
        return one
    return one.model_copy(update={"waiting": tuple(n for n in one.waiting if n != channel.name), "taken": True})


def _owed(unsent: Sequence[Unsent]) -> list[Unsent]:
    """What somebody still waits for, without the oldest of a dead address that others took."""
    owed = [one for one in unsent if one.waiting or not one.taken]
    spare = sum(one.taken for one in owed) - MOST_OWED
    if spare > 0:
        log.warning("alerts: %d old events are given up for the addresses that took none of them", spare)
    kept = []
    for one in owed:
        if one.taken and spare > 0:
            spare -= 1
        else:
            kept.append(one)
    return kept
