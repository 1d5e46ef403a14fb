"""Once per crossing, never per run: thresholds, verdicts, sources and the job itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
from alerting_runs import AS_OF, MARGIN, outcome, real_analysis, with_margin, with_sources
from hypothesis import given, settings
from hypothesis import strategies as st

from depin_compare.jobs.alert_rules import State, evaluate, level_of, rule_statuses, troubled_sources
from depin_compare.jobs.config import AlertsConfig, ThresholdConfig

SIX_HOURS = timedelta(hours=6)


def rules(cool_down_hours: float = 0.0, **threshold: float) -> AlertsConfig:
    thresholds = (ThresholdConfig(number=MARGIN, **threshold),) if threshold else ()
    return AlertsConfig(cool_down_hours=cool_down_hours, thresholds=thresholds, verdict_flips=False, stale_runs=None)


def told_by(config, analyses, *, start=AS_OF, step=SIX_HOURS, times=None):
    """The lines of each run in a row."""
    state, lines = State(), []
    times = times or [start + i * step for i in range(len(analyses))]
    for now, analysis in zip(times, analyses, strict=True):
        events, state = evaluate(state, config, outcome(at=now), analysis, now=now)
        # What is written down is all that is known the next time.
        state = State.model_validate_json(state.model_dump_json(exclude_defaults=True))
        lines.append([event.line for event in events])
    return lines


def told_of(config, values, **options):
    return told_by(
        config, [with_margin(value, None if value is not None else "no price") for value in values], **options
    )


# -- by hand -------------------------------------------------------------------------------------------------------


def test_a_number_that_falls_below_and_comes_back_is_told_twice():
    lines = told_of(rules(below=0.15, hysteresis=0.02), [0.20, 0.16, 0.14, 0.13, 0.16, 0.15, 0.17, 0.18])
    assert [line for run in lines for line in run] == [
        f"{MARGIN} fell below 0.15: 0.14 (0.16 the run before)",
        f"{MARGIN} is back above 0.15: 0.17 (0.15 the run before)",
    ]
    assert [i for i, run in enumerate(lines) if run] == [2, 6]


def test_a_number_that_rises_above_and_comes_back_is_told_twice():
    lines = told_of(rules(above=0.5, hysteresis=0.1), [0.4, 0.51, 0.45, 0.4, 0.5])
    assert [line for run in lines for line in run] == [
        f"{MARGIN} rose above 0.5: 0.51 (0.4 the run before)",
        f"{MARGIN} is back below 0.5: 0.4 (0.45 the run before)",
    ]


def test_a_number_may_jump_from_one_side_to_the_other():
    lines = told_of(rules(above=0.5, below=0.1, hysteresis=0.45), [0.6, 0.05, 0.6])
    assert lines == [
        [f"{MARGIN} is above 0.5: 0.6"],
        [f"{MARGIN} fell below 0.1: 0.05 (0.6 the run before)"],
        [f"{MARGIN} rose above 0.5: 0.6 (0.05 the run before)"],
    ]


def test_a_first_run_tells_once_what_is_beyond_already_and_nothing_of_what_is_not():
    assert told_of(rules(below=0.15), [0.1, 0.1, 0.1]) == [[f"{MARGIN} is below 0.15: 0.1"], [], []]
    assert told_of(rules(below=0.15), [0.2, 0.2]) == [[], []]
    assert told_of(rules(below=0.15), [0.15]) == [[]]


def test_a_number_that_becomes_unknown_is_told_with_the_reason_and_is_never_zero():
    lines = told_of(rules(below=0.15), [0.2, None, None, 0.2, None, 0.1])
    assert lines == [
        [],
        [f"{MARGIN} is no longer known: no price (0.2 when last known)"],
        [],
        [f"{MARGIN} is known again: 0.2"],
        [f"{MARGIN} is no longer known: no price (0.2 when last known)"],
        [f"{MARGIN} is known again: 0.1, below 0.15"],
    ]
    assert told_of(rules(below=0.15), [None, None]) == [[f"{MARGIN} is not known: no price"], []]


def test_a_row_that_is_gone_is_unknown_and_a_wrong_address_costs_the_other_rules_nothing():
    good, gone = ThresholdConfig(number=MARGIN, below=0.15), ThresholdConfig(number="price akash tpu-v5e", above=1.0)
    config = rules().model_copy(update={"thresholds": (gone, good)})
    first, second = told_by(config, [with_margin(0.1)] * 2)
    assert first == [
        "price akash tpu-v5e is not known: " + rule_statuses(config, with_margin(0.1), State())[0].reported.not_known,
        f"{MARGIN} is below 0.15: 0.1",
    ]
    assert "unknown chip 'tpu-v5e'" in first[0]
    assert second == []


def test_a_name_stands_for_the_address_and_an_infinite_number_is_a_number():
    config = rules().model_copy(update={"thresholds": (ThresholdConfig(number=MARGIN, below=-1.0, name="Akash pays"),)})
    assert told_of(config, [0.1, float("-inf"), float("-inf")]) == [
        [], ["Akash pays fell below -1: -inf (0.1 the run before)"], [],
    ]  # fmt: skip


def test_the_cool_down_holds_a_crossing_back_and_tells_it_if_it_still_holds():
    lines = told_of(rules(24.0, below=0.15), [0.1, 0.2, 0.1, 0.2, 0.2, 0.2])
    # Told at 00:00; back at 06:00, below again at 12:00, back at 18:00, told of at 00:00 of the next day.
    assert lines == [
        [f"{MARGIN} is below 0.15: 0.1"], [], [], [],
        [f"{MARGIN} is back above 0.15: 0.2 (since 2026-11-22 18:00 UTC; it changed 3 times meanwhile)"],
        [],
    ]  # fmt: skip


def test_what_came_and_went_within_the_cool_down_is_not_told():
    assert told_of(rules(24.0, below=0.15), [0.1, 0.2, 0.1, 0.1, 0.1, 0.2]) == [
        [f"{MARGIN} is below 0.15: 0.1"], [], [], [], [], [f"{MARGIN} is back above 0.15: 0.2 (0.1 the run before)"],
    ]  # fmt: skip


def test_a_clock_that_jumps_back_does_not_silence_an_alert():
    ahead = datetime(2036, 1, 1, tzinfo=UTC)
    lines = told_of(rules(24.0, below=0.15), [0.1, 0.2, 0.2], times=[ahead, AS_OF, AS_OF + SIX_HOURS])
    assert lines[1:] == [[f"{MARGIN} is back above 0.15: 0.2 (0.1 the run before)"], []]


def test_a_threshold_that_is_moved_is_another_rule():
    _, state = evaluate(State(), rules(below=0.15), outcome(), with_margin(0.1), now=AS_OF)
    events, state = evaluate(state, rules(below=0.2), outcome(), with_margin(0.1), now=AS_OF)
    assert [event.line for event in events] == [f"{MARGIN} is below 0.2: 0.1"]
    assert len([key for key in state.watches if key.startswith("threshold")]) == 1


# -- properties ----------------------------------------------------------------------------------------------------

numbers = st.integers(-20, 20).map(lambda n: n / 20)
bands = st.integers(0, 20).map(lambda n: n / 20)


def walked(values, above, below, hysteresis):
    """A plain automaton: the side of each value, from what was armed before it."""
    side, sides = "inside", []
    for value in values:
        if value > above:
            side = "above"
        elif value < below:
            side = "below"
        elif (side == "above" and value <= above - hysteresis) or (side == "below" and value >= below + hysteresis):
            side = "inside"
        sides.append(side)
    return sides


@settings(max_examples=40)
@given(st.lists(numbers, max_size=30), numbers, bands, bands)
def test_one_event_a_change_of_side(values, below, width, hysteresis):
    above = below + width
    sides = walked(values, above, below, hysteresis)
    lines = told_of(rules(above=above, below=below, hysteresis=hysteresis), values)
    changes = [a != b for a, b in zip(["inside", *sides], sides)]
    assert [len(run) for run in lines] == changes


@given(numbers, st.integers(1, 12), numbers, st.floats(0, 48))
def test_a_constant_number_is_never_told_twice(value, runs, below, cool_down):
    assert sum(map(len, told_of(rules(cool_down, below=below), [value] * runs))) == (value < below)


@settings(max_examples=40)
@given(st.lists(st.integers(1501, 1999).map(lambda n: n / 10_000), min_size=1, max_size=20))
def test_within_its_hysteresis_a_number_may_flap_as_it_likes(inside_the_band):
    values = [0.1]
    for value in inside_the_band:
        values += [value, 0.1]
    assert sum(map(len, told_of(rules(below=0.15, hysteresis=0.05), values))) == 1


@settings(max_examples=40)
@given(st.lists(st.one_of(st.none(), numbers), min_size=1, max_size=20), numbers, st.integers(0, 60))
def test_never_twice_within_the_cool_down_and_the_last_word_is_always_told(values, below, hours):
    settled = [*values, *[values[-1]] * 12]
    lines = told_of(rules(hours, below=below), settled)
    told = [i for i, run in enumerate(lines) if run]
    assert all((b - a) * 6 >= hours for a, b in pairwise(told))
    last = values[-1]
    word = "inside" if last is None else walked([v for v in values if v is not None], 9.0, below, 0.0)[-1]
    final = lines[told[-1]][0] if told else ""
    if last is None:
        assert "known: no price" in final
    elif word == "below":
        assert f"below {below:.4g}" in final
        assert "back" not in final
    else:
        assert not told or "back above" in final or "known again" in final


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(-500, 500), numbers), min_size=1, max_size=15), numbers)
def test_however_the_clock_jumps_the_last_word_is_told_after_it_runs_right(jumps, value):
    """Ten years of right time later the level last told is that of the number."""
    times = [AS_OF + timedelta(hours=hours) for hours, _ in jumps] + [AS_OF + timedelta(days=3650)]
    values = [v for _, v in jumps] + [value]
    state = State()
    for now, one in zip(times, values, strict=True):
        _, state = evaluate(state, rules(24.0, below=0.0), outcome(at=now), with_margin(one), now=now)
    (watch,) = (w for key, w in state.watches.items() if key.startswith("threshold"))
    assert watch.told == watch.now == ("below" if value < 0 else "inside")


@given(numbers, st.sampled_from(["inside", "above", "below"]), numbers, bands, bands, bands)
def test_a_number_beyond_a_threshold_is_beyond_it_whatever_it_was(value, before, below, width, hysteresis, more):
    above = below + width
    side = level_of(value, before, above=above, below=below, hysteresis=hysteresis)
    assert (side == "above") >= (value > above)
    assert (side == "below") >= (value < below)
    wider = level_of(value, before, above=above, below=below, hysteresis=hysteresis + more)
    assert wider in (side, before)


# -- sources -------------------------------------------------------------------------------------------------------


def test_a_source_is_told_when_it_has_been_silent_for_so_many_runs_and_when_it_answers_again():
    config = AlertsConfig(stale_runs=3, cool_down_hours=0.0, verdict_flips=False)
    states = ["ok", "unreachable", "failed", "timed_out", "failed", "ok", "ok"]
    lines = told_by(config, [with_sources(akash=state, vast="ok") for state in states])
    assert lines == [
        [], [], [],
        ["source akash: timed out in 3 runs in a row: api.example: no answer; in use: stored data, 3.0 days old"],
        [], ["source akash: well again, after 4 runs"], [],
    ]  # fmt: skip


def test_a_source_that_answers_in_between_or_was_not_asked_is_not_counted_on():
    config = AlertsConfig(stale_runs=2, cool_down_hours=0.0, verdict_flips=False)
    assert told_by(config, [with_sources(akash=s) for s in ("failed", "partial", "failed", "ok")]) == [[]] * 4
    lines = told_by(config, [with_sources(akash=s) for s in ("failed", "reference", "off", "failed", "failed")])
    assert [len(run) for run in lines] == [0, 0, 0, 0, 1]


def test_a_source_that_answers_with_old_data_is_in_trouble_too():
    config = AlertsConfig(stale_runs=2, cool_down_hours=0.0, verdict_flips=False)
    fresh = with_sources(akash="ok")
    runs = [
        replace(fresh, source_states=fresh.source_states.with_columns(pl.lit(word).alias("freshness")))
        for word in ("stale", "expired", "stale", "fresh")
    ]
    assert told_by(config, runs) == [
        [], ["source akash: expired data in 2 runs in a row; in use: live data, 0.0 days old"], [],
        ["source akash: well again, after 3 runs"],
    ]  # fmt: skip


def test_troubled_sources_are_those_told():
    config, state = AlertsConfig(stale_runs=2, verdict_flips=False), State()
    for expected in ([], ["akash"], ["akash"]):
        _, state = evaluate(state, config, outcome(), with_sources(akash="failed", vast="ok"), now=AS_OF)
        assert troubled_sources(state) == expected


# -- verdicts ------------------------------------------------------------------------------------------------------


def with_verdicts(verdict, **where):
    """Every pair resilient, but those of a cloud or reference at another verdict."""
    analysis = real_analysis()
    chosen = pl.all_horizontal(pl.lit(True), *(pl.col(c).cast(pl.String) == v for c, v in where.items()))
    verdicts = pl.when(chosen).then(pl.lit(verdict)).otherwise(pl.lit("resilient"))
    return replace(analysis, outlook=analysis.outlook.with_columns(verdicts.alias("verdict")))


def test_flips_of_a_network_against_one_kind_of_reference_are_one_line():
    config = AlertsConfig(cool_down_hours=0.0, stale_runs=None)
    calm = with_verdicts("resilient")
    lists = calm.outlook.filter(pl.col("reference").cast(pl.String) == "list")
    clouds = lists.select("cloud", "silicon").unique(maintain_order=True).rows()
    assert len(clouds) > 4
    lines = told_by(
        config,
        [calm, calm, with_verdicts("exposed", reference="list"), with_verdicts("exposed", reference="list"),
         with_verdicts("eroded", cloud="aws", silicon="nvidia", reference="list")],
    )  # fmt: skip
    named = ", ".join("/".join(pair) for pair in clouds[:4])
    assert lines[:4] == [
        [], [],
        [f"Akash against list prices: resilient -> exposed ({named} and {len(clouds) - 4} more; "
         "base fleet average, base marginal)"],
        [],
    ]  # fmt: skip
    others = ", ".join("/".join(pair) for pair in [c for c in clouds if c != ("aws", "nvidia")][:4])
    assert sorted(lines[4]) == [
        "Akash against list prices: exposed -> eroded (aws/nvidia; base fleet average, base marginal)",
        f"Akash against list prices: exposed -> resilient ({others} and {len(clouds) - 5} more; "
        "base fleet average, base marginal)",
    ]


def test_a_pair_that_can_no_longer_be_compared_is_a_flip_and_one_the_job_dropped_is_not():
    config = AlertsConfig(cool_down_hours=0.0, stale_runs=None)
    whole = with_verdicts("resilient")
    gone = replace(whole, outlook=whole.outlook.filter(pl.col("cloud") != "aws"))
    lines = [line for run in told_by(config, [whole, gone, gone, whole]) for line in run]
    assert all("aws/nvidia" in line for line in lines)
    assert {line.split(": ")[1].split(" (")[0] for line in lines} == {
        "resilient -> not comparable", "not comparable -> resilient",
    }  # fmt: skip
    dropped = replace(gone, scenarios=gone.scenarios.filter(pl.col("scenario") != "base"))
    assert told_by(config, [whole, dropped]) == [[], []]


# -- the job itself ------------------------------------------------------------------------------------------------


def test_a_series_of_failures_is_told_once_and_its_end_with_the_count():
    state, lines = State(), []
    for i, kind in enumerate(["ok", "failed", "failed", "stopped", "failed", "ok", "ok", "failed", "threshold"]):
        now = AS_OF + i * SIX_HOURS
        detail = "akash: no answer" if kind == "failed" else None
        analysis = None if kind in ("failed", "stopped") else with_margin(0.2)
        events, state = evaluate(state, rules(24.0), outcome(kind, now, detail=detail), analysis, now=now)
        lines.append([event.line for event in events])
    assert lines == [
        [], ["job six-hourly failed: akash: no answer"], [], [], [],
        ["job six-hourly runs again, after 3 failed runs since 2026-11-22 06:00 UTC"], [],
        ["job six-hourly failed: akash: no answer"],
        ["job six-hourly runs again, after 1 failed run since 2026-11-23 18:00 UTC"],
    ]  # fmt: skip


def test_a_failed_run_leaves_the_numbers_as_they_were():
    config = rules(below=0.15)
    _, before = evaluate(State(), config, outcome(), with_margin(0.1), now=AS_OF)
    _, after = evaluate(before, config, outcome("failed"), None, now=AS_OF)
    events, _ = evaluate(after, config, outcome(), with_margin(0.1), now=AS_OF)
    assert [event.line for event in events] == [
        "job six-hourly runs again, after 1 failed run since 2026-11-22 00:00 UTC"
    ]


def test_missed_slots_are_told_once_even_if_they_are_handed_in_again():
    state, config, later = State(), rules(), AS_OF + timedelta(days=1)
    slots = tuple(AS_OF + i * SIX_HOURS for i in range(3))
    lines = []
    for missed in (slots[:1], slots[:1], slots, ()):
        events, state = evaluate(state, config, outcome("missed", missed=missed), None, now=later)
        lines.append([event.line for event in events])
    assert lines == [
        ["job six-hourly missed the slot of 2026-11-22 00:00 UTC"], [],
        ["job six-hourly missed 2 slots, from 2026-11-22 06:00 UTC to 2026-11-22 12:00 UTC"], [],
    ]  # fmt: skip
    # A clock that was ahead does not silence what comes after it is right again.
    events, _ = evaluate(state, config, outcome("missed", missed=(AS_OF,)), None, now=AS_OF)
    assert len(events) == 1


def test_what_is_switched_off_is_not_told():
    config = AlertsConfig(job_failed=False, job_missed=False, verdict_flips=False, stale_runs=None)
    state = State()
    for kind in ("failed", "failed", "ok"):
        events, state = evaluate(state, config, outcome(kind, missed=(AS_OF,)), None, now=AS_OF)
        assert events == []
