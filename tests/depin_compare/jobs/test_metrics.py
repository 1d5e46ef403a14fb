"""The Prometheus textfile: what is known with its labels, what is not known absent."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from alerting_runs import AS_OF, outcome, real_analysis, with_sources
from prometheus_client.parser import text_string_to_metric_families

from depin_compare.addresses import reported
from depin_compare.jobs.metrics import write_metrics


@pytest.fixture
def samples(tmp_path):
    def read(analysis, ended=None, **options):
        path = tmp_path / "textfiles" / "job.prom"
        write_metrics(path, ended or outcome(), analysis, now=AS_OF, **options)
        families = text_string_to_metric_families(path.read_text("utf-8"))
        return {
            (s.name.removeprefix("depin_compare_"), *s.labels.values()): s.value for f in families for s in f.samples
        }

    return read


def test_a_run_that_went_well(samples):
    analysis = with_sources(akash="ok", vast="failed")
    told = samples(analysis)
    assert told["last_run_success", "six-hourly"] == 1
    assert told["last_run_duration_seconds", "six-hourly"] == 42
    assert told["last_run_timestamp_seconds", "six-hourly"] == AS_OF.timestamp()
    assert told["last_success_timestamp_seconds", "six-hourly"] == AS_OF.timestamp()
    assert told["source_state", "six-hourly", "live", "akash", "ok"] == 1
    assert told["source_state", "six-hourly", "stored", "vast", "failed"] == 1
    assert told["source_age_days", "six-hourly", "vast"] == 3.0
    assert told["source_rows", "six-hourly", "akash"] == 10
    head = analysis.headlines.row(0, named=True)
    assert told["network_verdict", "six-hourly", "akash", head["verdict"]] == 1
    node = f"{head['network']} {head['accelerator']} {head['archetype']}"
    margin = told["provider_full_margin", head["accelerator"], head["archetype"], "six-hourly", "akash"]
    assert margin == reported(analysis, f"margin {node} full_margin").value
    price = told["network_usd_per_accelerator_hour", head["accelerator"], "six-hourly", "akash"]
    assert price == reported(analysis, f"margin {node} usd_per_accelerator_hour").value
    pair = ("aws", "nvidia", "list")
    where = f"comparison akash {head['accelerator']} {head['llm']} {'/'.join(pair)}"
    found = [v for key, v in told.items() if key[0] == "network_advantage" and set(pair) <= set(key)]
    assert found == [reported(analysis, where).value]


def test_a_failed_run_has_no_numbers_and_keeps_the_time_of_the_last_good_one(samples):
    told = samples(None, outcome("failed"), last_success_at=AS_OF - timedelta(days=1))
    assert told == {
        ("last_run_timestamp_seconds", "six-hourly"): AS_OF.timestamp(),
        ("last_run_success", "six-hourly"): 0,
        ("last_run_duration_seconds", "six-hourly"): 42,
        ("last_success_timestamp_seconds", "six-hourly"): AS_OF.timestamp() - 86400,
    }
    assert ("last_success_timestamp_seconds", "six-hourly") not in samples(None, outcome("failed"))


def test_what_is_not_known_is_absent_and_never_zero(samples):
    head = real_analysis().headlines.row(0, named=True)
    unknown = real_analysis().margins.with_columns(pl.lit(None, pl.Float64).alias("full_margin"))
    told = samples(replace(real_analysis(), margins=unknown))
    assert not [key for key in told if key[0] == "provider_full_margin"]
    assert ("provider_cash_margin", head["accelerator"], head["archetype"], "six-hourly", "akash") in told


def test_labels_are_escaped(samples):
    strange = 'a"b\\c\nd'
    analysis = with_sources(akash="ok")
    named = replace(
        analysis,
        source_states=analysis.source_states.with_columns(pl.lit(strange).alias("source")),
    )
    assert samples(named)["source_rows", "six-hourly", strange] == 10


def test_a_folder_in_the_way_is_an_error_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "job.prom").mkdir()
    with pytest.raises(OSError, match=r"job\.prom"):
        write_metrics(tmp_path / "job.prom", outcome(), None, now=AS_OF)
    assert [path.name for path in tmp_path.iterdir()] == ["job.prom"]
