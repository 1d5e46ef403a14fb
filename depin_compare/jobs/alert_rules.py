"""What a run has to say: from what was told before, this run's analysis and the job's rules, events and a new state.

Everything watched (a number, a verdict, a source, the job itself) is in one of a few states, each a word. An event is
told when the word is another than the one last told, and not within the cool-down after the last telling; a change
that falls into the cool-down is told after it if it still holds. So nothing is told twice, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from depin_compare.addresses import Reported, reported
from depin_compare.analysis import Analysis
from depin_compare.errors import ConfigError, UnknownNameError
from depin_compare.jobs.config import AlertsConfig, ThresholdConfig
from depin_compare.jobs.outcome import JobOutcome

__all__ = [
    "Event",
    "RuleStatus",
    "State",
    "Unsent",
    "Watch",
    "evaluate",
    "fared_well",
    "level_of",
    "rule_statuses",
    "troubled_sources",
]

INSIDE, ABOVE, BELOW, UNKNOWN = "inside", "above", "below", "unknown"
OK, FAILING = "ok", "failing"
# States of a source that was asked and gave nothing; what was not asked says nothing either way.
_FAILED_STATES = ("unreachable", "failed", "timed_out")
_ANSWERED_STATES = ("ok", "partial")
_NOT_COMPARABLE = "not comparable"
_MOST_NAMES = 4

Kind = Literal["threshold", "verdict", "source", "job"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the digest; ``good`` where something is well again."""

    kind: Kind
    line: str
    at: datetime
    good: bool = False


class _Kept(BaseModel):
    # A number without a finite value is written as a word, which JSON can hold.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")


class Watch(_Kept):
    """One thing that is watched: the state it is in and since when, and the state last told and when.

    ``level`` is the side of its thresholds on which a number was last known to be, ``value`` the number itself;
    ``runs`` counts the runs in a row that went badly.
    """

    now: str
    since: AwareDatetime
    told: str
    told_at: AwareDatetime | None = None
    changes: int = 0
    level: str = INSIDE
    value: float | None = None
    runs: int = 0

    def seen(self, word: str, at: datetime, **more: Any) -> Watch:
        """The same thing after a look at it."""
        if word == self.now:
            return self.model_copy(update=more)
        return self.model_copy(update={"now": word, "since": at, "changes": self.changes + 1, **more})

    def told_of(self, at: datetime) -> Watch:
        """After an event about it."""
        return self.model_copy(update={"told": self.now, "told_at": at, "changes": 0})

    def is_due(self, at: datetime, cool_down: timedelta) -> bool:
        """Whether its state is news, and may be told."""
        return self.now != self.told and not self.is_cooling(at, cool_down)

    def is_cooling(self, at: datetime, cool_down: timedelta) -> bool:
        """Whether it was told of so shortly before that it has to wait; a telling in the future counts as none."""
        return self.told_at is not None and self.told_at <= at < self.told_at + cool_down


class Unsent(_Kept):
    """An event on its way: who has yet to take it, and whether anyone did."""

    kind: Kind
    line: str
    at: AwareDatetime
    good: bool = False
    waiting: tuple[str, ...] = ()
    taken: bool = False


class State(_Kept):
    """What is remembered of a job from run to run."""

    version: Literal[1] = 1
    watches: dict[str, Watch] = Field(default_factory=dict)
    unsent: tuple[Unsent, ...] = ()
    last_missed: AwareDatetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStatus:
    """A threshold as it stands: ``state`` is inside, above, below or unknown."""

    rule: ThresholdConfig
    reported: Reported
    state: str

    @property
    def label(self) -> str:
        """The rule's name, else its address."""
        return self.rule.name or self.reported.address

    @property
    def is_crossed(self) -> bool:
        """Whether the number is beyond its threshold, or was and has not come back far enough."""
        return self.state in (ABOVE, BELOW)


def level_of(value: float, before: str, *, above: float | None, below: float | None, hysteresis: float = 0.0) -> str:
    """The side of its thresholds a number is on: beyond one once it passes it, until it returns past it by hysteresis.

    Parameters
    ----------
    value : float
        The number now.
    before : str
        ``inside``, ``above`` or ``below``: where it was.
    above, below : float, optional
        It is interesting beyond these.
    hysteresis : float, >= 0
        How far it must return before it is ``inside`` again.

    Examples
    --------
    >>> [level_of(v, "below", above=None, below=0.15, hysteresis=0.02) for v in (0.14, 0.16, 0.17)]
    ['below', 'below', 'inside']
    """
    if above is not None and value > above:
        return ABOVE
    if below is not None and value < below:
        return BELOW
    if before == ABOVE and above is not None and value > above - hysteresis:
        return ABOVE
    if before == BELOW and below is not None and value < below + hysteresis:
        return BELOW
    return INSIDE


def evaluate(
    state: State, config: AlertsConfig, outcome: JobOutcome, analysis: Analysis | None, *, now: datetime
) -> tuple[list[Event], State]:
    """The events of a run, and what to remember until the next. Pure: sends nothing, writes nothing.

    Parameters
    ----------
    state : State
        What the last call gave; an empty one before the first run.
    config : AlertsConfig
        The job's ``[alerts]``.
    outcome : JobOutcome
        How the run went.
    analysis : Analysis, optional
        What it found; None where it got none, which leaves numbers, verdicts and sources as they were.
    now : datetime
        With its time zone. A clock that jumps back ends a cool-down rather than prolong it.
    """
    events: list[Event] = []
    watches = dict(state.watches)
    if analysis is not None:
        cool_down = timedelta(hours=config.cool_down_hours)
        kept: dict[str, Watch] = {}
        steps = [*_thresholds(config, analysis, watches, now, cool_down)]
        if config.stale_runs is not None:
            steps += _sources(config.stale_runs, analysis, watches, now, cool_down)
        for key, watch, event in steps:
            kept[key] = watch
            events += [event] if event is not None else []
        if config.verdict_flips:
            verdicts, flips = _verdicts(analysis, watches, now, cool_down)
            kept |= verdicts
            events += flips
        watches = kept | ({"job": watches["job"]} if "job" in watches else {})
    well = fared_well(outcome)
    if well is not None:
        watches["job"], told = _job(config, outcome, well, watches.get("job"), now)
        events += told
    missed, last_missed = _missed(outcome, state.last_missed, now)
    events += missed if config.job_missed else []
    return events, state.model_copy(update={"watches": watches, "last_missed": last_missed})


# -- thresholds ----------------------------------------------------------------------------------------------------


def _key(rule: ThresholdConfig) -> str:
    """A threshold that is moved is another rule; its name and hysteresis may change."""
    return f"threshold {' '.join(rule.number.split())} above {rule.above} below {rule.below}"


def rule_statuses(config: AlertsConfig, analysis: Analysis, state: State) -> list[RuleStatus]:
    """Every threshold as it stands after a run; a number that the run does not hold is unknown, with the reason."""
    found = []
    for rule in {_key(rule): rule for rule in config.thresholds}.values():
        try:
            told = reported(analysis, rule.number)
        except (ConfigError, UnknownNameError) as error:
            told = Reported(address=rule.number, value=None, not_known=str(error))
        before = state.watches.get(_key(rule))
        level = UNKNOWN if told.value is None else level_of(
            told.value, before.level if before else INSIDE, above=rule.above, below=rule.below,
            hysteresis=rule.hysteresis,
        )  # fmt: skip
        found.append(RuleStatus(rule=rule, reported=told, state=level))
    return found


def _thresholds(
    config: AlertsConfig, analysis: Analysis, watches: Mapping[str, Watch], now: datetime, cool_down: timedelta
) -> Iterator[tuple[str, Watch, Event | None]]:
    for status in rule_statuses(config, analysis, State(watches=dict(watches))):
        key, value = _key(status.rule), status.reported.value
        before = watches.get(key)
        more: dict[str, Any] = {} if value is None else {"level": status.state, "value": value}
        watch = (before or Watch(now=INSIDE, since=now, told=INSIDE)).seen(status.state, now, **more)
        yield (key, *_told(watch, now, cool_down, "threshold", _crossing(status, before, watch, now)))


def _told(
    watch: Watch, now: datetime, cool_down: timedelta, kind: Kind, line: str, *, good: bool | None = None
) -> tuple[Watch, Event | None]:
    if watch.is_due(now, cool_down):
        well = watch.now in (INSIDE, OK) if good is None else good
        return watch.told_of(now), Event(kind=kind, line=line, at=now, good=well)
    if watch.now == watch.told and not watch.is_cooling(now, cool_down):
        return watch.model_copy(update={"changes": 0}), None
    return watch, None


def _crossing(status: RuleStatus, before: Watch | None, watch: Watch, now: datetime) -> str:
    rule, value = status.rule, status.reported.value
    label = status.label
    last = before.value if before is not None else None
    if value is None:
        again = "is no longer known" if last is not None else "is not known"
        return f"{label} {again}: {status.reported.not_known}{_aside(last, 'when last known')}"
    beyond = {ABOVE: f"above {_number(rule.above)}", BELOW: f"below {_number(rule.below)}"}
    if before is None:
        words = f"is {beyond.get(status.state, 'within its thresholds')}"
    elif watch.told == UNKNOWN:
        return f"{label} is known again: {_number(value)}{_comma(beyond.get(status.state))}"
    else:
        words = {
            (INSIDE, ABOVE): f"rose {beyond[ABOVE]}", (INSIDE, BELOW): f"fell {beyond[BELOW]}",
            (ABOVE, INSIDE): f"is back below {_number(rule.above)}",
            (BELOW, INSIDE): f"is back above {_number(rule.below)}",
            (ABOVE, BELOW): f"fell {beyond[BELOW]}", (BELOW, ABOVE): f"rose {beyond[ABOVE]}",
        }.get((watch.told, watch.now), f"is {beyond.get(watch.now, 'within its thresholds')}")  # fmt: skip
    if watch.since != now:
        again = f"; it changed {watch.changes} times meanwhile" if watch.changes > 1 else ""
        return f"{label} {words}: {_number(value)} (since {watch.since:%Y-%m-%d %H:%M} UTC{again})"
    return f"{label} {words}: {_number(value)}{_aside(last, 'the run before')}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _aside(value: float | None, words: str) -> str:
    return "" if value is None else f" ({_number(value)} {words})"


def _comma(words: str | None) -> str:
    return f", {words}" if words else ""


# -- sources -------------------------------------------------------------------------------------------------------


def _sources(
    runs: int, analysis: Analysis, watches: Mapping[str, Watch], now: datetime, cool_down: timedelta
) -> Iterator[tuple[str, Watch, Event | None]]:
    for row in analysis.source_states.iter_rows(named=True):
        key, source = f"source {row['source']}", row["source"]
        before = watches.get(key, Watch(now=OK, since=now, told=OK))
        trouble = _trouble(row)
        if trouble is not None:
            count = before.runs + 1
            watch = before.seen(FAILING if count >= runs else before.now, now, runs=count)
        elif row["state"] in _ANSWERED_STATES:
            watch = before.seen(OK, now, runs=0)
        elif key in watches and row["state"] != "off":
            watch = before
        else:
            continue
        reason = f": {row['detail']}" if row["detail"] else ""
        in_use = f"{row['layer']} data, {row['age_days']:.1f} days old" if row["age_days"] is not None else "nothing"
        line = (
            f"source {source}: {trouble} in {watch.runs} runs in a row{reason}; in use: {in_use}"
            if watch.now == FAILING
            else f"source {source}: well again, after {before.runs} runs"
        )
        yield (key, *_told(watch, now, cool_down, "source", line))


def _trouble(row: Mapping[str, Any]) -> str | None:
    """What is wrong with a source: it was asked and gave nothing, or what it gave is older than it should be."""
    if row["state"] in _FAILED_STATES:
        return str(row["state"]).replace("_", " ")
    old = row.get("freshness") in ("stale", "expired")
    return f"{row['freshness']} data" if old and row["state"] in _ANSWERED_STATES else None


def troubled_sources(state: State) -> list[str]:
    """Sources that gave nothing, or only old data, in as many runs in a row as the job allows."""
    return sorted(key.split(" ", 1)[1] for key, watch in state.watches.items()
                  if key.startswith("source ") and watch.now == FAILING)  # fmt: skip


# -- verdicts ------------------------------------------------------------------------------------------------------

_FLIP = ("network", "cloud", "silicon", "reference", "scenario", "pricing")


def _verdicts(
    analysis: Analysis, watches: Mapping[str, Watch], now: datetime, cool_down: timedelta
) -> tuple[dict[str, Watch], list[Event]]:
    """Verdicts as they are; one event for all flips of a network against one kind of reference."""
    outlook = analysis.outlook.select(*_FLIP, "verdict").unique(maintain_order=True)
    found = {
        "verdict " + "/".join(words): verdict
        for *words, verdict in outlook.with_columns(pl.col(pl.Enum).cast(pl.String)).iter_rows()
    }
    # A pair that was there and is not, of a network and a scenario that the job still asks for, can't be compared now.
    networks, asked = set(analysis.headlines["network"]), set(analysis.scenarios["scenario"])
    for key in watches:
        if key.startswith("verdict ") and key not in found:
            network, *_, scenario, _ = key.removeprefix("verdict ").split("/")
            if network in networks and scenario in asked:
                found[key] = _NOT_COMPARABLE
    kept, flips = {}, []
    for key, verdict in found.items():
        watch = watches.get(key, Watch(now=verdict, since=now, told=verdict)).seen(verdict, now)
        if watch.is_due(now, cool_down):
            flips.append((key.removeprefix("verdict ").split("/"), watch.told, verdict))
            watch = watch.told_of(now)
        kept[key] = watch
    return kept, list(_flip_events(flips, analysis.display_names, now))


_REFERENCE_WORDS = {
    "list": "list prices", "committed": "committed prices", "modelled_cost": "modelled costs",
    "cost_plus_margin": "modelled costs with a margin",
}  # fmt: skip
_BETTER = {_NOT_COMPARABLE: 0, "eroded": 0, "exposed": 1, "resilient": 2}


def _flip_events(
    flips: Iterable[tuple[list[str], str, str]], names: Mapping[str, str], now: datetime
) -> Iterator[Event]:
    groups: dict[tuple[str, str, str, str], list[tuple[str, str]]] = {}
    for (network, cloud, silicon, reference, scenario, pricing), before, after in flips:
        of = groups.setdefault((network, reference, before, after), [])
        of.append((f"{cloud}/{silicon}", f"{scenario} {pricing}".replace("_", " ")))
    for (network, reference, before, after), pairs in groups.items():
        line = (
            f"{names.get(network, network)} against {_REFERENCE_WORDS.get(reference, reference)}: "
            f"{before} -> {after} ({_listed(cloud for cloud, _ in pairs)}; {_listed(where for _, where in pairs)})"
        )
        yield Event(kind="verdict", line=line, at=now, good=_BETTER[after] > _BETTER[before])


def _listed(words: Iterable[str]) -> str:
    known = list(dict.fromkeys(words))
    more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    return ", ".join(known[:_MOST_NAMES]) + more


# -- the job itself ------------------------------------------------------------------------------------------------


def fared_well(outcome: JobOutcome) -> bool | None:
    """Whether a run came to its end; None where there was none, or it was asked to stop."""
    return {"ok": True, "threshold": True, "stale": True, "failed": False}.get(outcome.kind)


def _job(
    config: AlertsConfig, outcome: JobOutcome, well: bool, before: Watch | None, now: datetime
) -> tuple[Watch, list[Event]]:
    """One event when a series of failures begins and one when it ends; no cool-down: each is worth a message."""
    last = before or Watch(now=OK, since=now, told=OK)
    if well:
        watch = last.seen(OK, now, runs=0)
        since = f"{last.since:%Y-%m-%d %H:%M} UTC"
        line = f"job {outcome.job} runs again, after {last.runs} failed run{'s'[: last.runs > 1]} since {since}"
    else:
        watch = last.seen(FAILING, now, runs=last.runs + 1)
        line = f"job {outcome.job} failed: {outcome.detail or 'without a word'}"
    if not config.job_failed:
        return watch.told_of(now), []
    watch, event = _told(watch, now, timedelta(0), "job", line)
    return watch, [event] if event is not None else []


def _missed(outcome: JobOutcome, last: datetime | None, now: datetime) -> tuple[list[Event], datetime | None]:
    """Slots that passed without a run and were not told before; a last one in the future counts as none."""
    known = last if last is not None and last <= now else None
    slots = sorted(slot for slot in set(outcome.missed) if known is None or slot > known)
    if not slots:
        return [], known
    first, newest = (f"{slot:%Y-%m-%d %H:%M} UTC" for slot in (slots[0], slots[-1]))
    when = f"the slot of {first}" if len(slots) == 1 else f"{len(slots)} slots, from {first} to {newest}"
    return [Event(kind="job", line=f"job {outcome.job} missed {when}", at=now)], slots[-1]
