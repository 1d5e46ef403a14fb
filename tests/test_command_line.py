"""The command line as a user types it, and the main job end to end."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import responses

from depin_compare.market.store import Store
from fetchers import FETCHERS

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ONE_SCENARIO = '[analysis]\nscenarios = ["base"]\nsensitivity = []\n'


@pytest.fixture
def one_scenario(type_in, monkeypatch, tmp_path):
    """Commands without a job file of their own take one scenario, where the scenarios are not the matter."""
    file = tmp_path / "one-scenario.toml"
    file.write_text(ONE_SCENARIO)
    monkeypatch.setenv("DEPIN_COMPARE_CONFIG", str(file))


def test_the_main_job_without_network_says_what_it_could_not_reach(type_in, drawn_quickly, tmp_path):
    code, out, err = type_in("run", "--out", "report")
    assert code == 0
    for name in ("akash", "azure", "ionet", "render", "token_prices"):
        assert f"{name}: unreachable, reference data of 2026-" in err
    for name in ("Akash", "io.net", "Render"):
        assert name in out
    assert "not investment advice" in out
    assert "report.pdf" in out.splitlines()[-1]
    made = {str(p.relative_to(tmp_path / "report")) for p in (tmp_path / "report").rglob("*") if p.is_file()}
    assert made >= {
        "report.pdf",
        "comparison.csv",
        "margins.csv",
        "erosion.csv",
        "analysis.json",
        "offers.parquet",
        "manifest.json",
    }
    assert len([name for name in made if name.endswith(".png")]) >= 4
    manifest = json.loads((tmp_path / "report" / "manifest.json").read_text())
    assert "akash" in json.dumps(manifest)


# Two scenarios: what all of them draw is looked at where charts are.
DAY = ("--offline", "--as-of", "2026-11-22", "--draws", "256", "--scenario", "base", "--scenario", "maia200")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Folder of what several tests look at."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def whole(type_in, jobs_analyse_anew, kept):
    """The folder of a whole offline run, made once."""
    if not (kept / "whole").exists():
        assert type_in("run", *DAY, "--out", str(kept / "whole"))[0] == 0
    return kept / "whole"


def test_two_offline_runs_of_one_day_give_the_same_bytes(type_in, whole, tmp_path):
    assert type_in("run", *DAY, "--out", "again")[0] == 0
    files = sorted(p.relative_to(whole) for p in whole.rglob("*") if p.is_file())
    assert files
    for file in files:
        assert (whole / file).read_bytes() == (tmp_path / "again" / file).read_bytes(), file


def test_fail_on_turns_an_unreachable_source_into_exit_code_four(type_in, one_scenario):
    assert type_in("run", "--out", "report", "--format", "csv", "--fail-on", "stale")[0] == 4
    assert type_in("run", "--offline", "--out", "report", "--format", "csv", "--fail-on", "eroded")[0] == 3


def test_old_data_are_stale_whatever_layer_they_come_from(type_in, one_scenario, tmp_path):
    assert type_in("run", "--offline", "--out", "report", "--format", "csv", "--fail-on", "stale")[0] == 4
    sources = json.loads((tmp_path / "report" / "manifest.json").read_text())["sources"]
    assert (sources["akash"]["expected_age_days"], sources["akash"]["freshness"]) == (1, "stale")
    assert sources["akash"]["limit_age_days"] == 730  # of the dated prices that stand in


def test_a_later_day_finds_the_packaged_prices_too_old_for_a_verdict(type_in, one_scenario, time_machine):
    def verdicts(*words):
        code, out, _ = type_in("erosion", "--json", *words)
        assert code == 0
        return {
            (row["network"], row["verdict"], row["freshness"]) for row in json.loads(out) if row["network"] == "akash"
        }

    time_machine.move_to(datetime(2026, 11, 22, 12, tzinfo=UTC))
    today = verdicts()
    assert ("akash", "exposed", "stale") in today
    assert verdicts("--max-age", "30") == {("akash", "not comparable", "expired")}
    time_machine.move_to(datetime(2029, 1, 1, 12, tzinfo=UTC))
    assert verdicts() == {("akash", "not comparable", "expired")}
    code, out, _ = type_in("compare", "--network", "akash", "--csv")
    assert (code, "beyond its limit of 730 days" in out) == (0, True)
    assert verdicts("--as-of", "2026-11-22") == today
    assert type_in("erosion", "--max-age", "0")[0] == 2


def test_a_folder_that_can_not_be_written_is_one_line_and_exit_code_one(type_in, one_scenario, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, _, err = type_in("run", "--offline", "--out", str(tmp_path / "file" / "report"))
    assert code == 1
    assert len(err.strip().splitlines()[-1:]) == 1
    assert "Traceback" not in err
    assert type_in("margins", "-o", str(tmp_path / "nowhere" / "rows.csv"))[0] == 1
    assert type_in("run", "--offline", "--record", "x")[0] == 2


def test_words_it_does_not_know_are_usage_errors(type_in, one_scenario, tmp_path):
    assert type_in("run", "--fail-on", "rain")[0] == 2
    assert type_in("compare", "--as-of", "yesterday")[0] == 2
    code, _, err = type_in("compare", "--network", "akahs")
    assert (code, "akash" in err) == (2, True)
    code, _, err = type_in("compare", "--offers", str(tmp_path / "none.parquet"))
    assert (code, "none.parquet" in err) == (2, True)
    code, _, err = type_in("report", str(tmp_path / "none.json"))
    assert (code, "none.json" in err) == (2, True)
    code, _, err = type_in("report", "--format", "docx")
    assert (code, "--format" in err, "docx" in err) == (2, True, True)


def test_table_json_csv_and_file_hold_the_same_rows(type_in, one_scenario, tmp_path):
    as_json = json.loads(type_in("margins", "--network", "render", "--json")[1])
    as_csv = pl.read_csv(type_in("margins", "--network", "render", "--csv")[1].encode())
    assert type_in("margins", "--network", "render", "-o", "rows.parquet")[0] == 0
    as_file = pl.read_parquet(tmp_path / "rows.parquet")
    assert len(as_json) == as_csv.height == as_file.height > 0
    assert (
        [row["accelerator"] for row in as_json] == as_csv["accelerator"].to_list() == as_file["accelerator"].to_list()
    )
    code, out, _ = type_in("margins", "--network", "render")
    assert code == 0
    assert "rtx-4090" in out


def test_discrepancies_of_the_users_offers_say_which_source_is_used(type_in, one_scenario, tmp_path):
    assert type_in("run", "--offline", "--out", "first", "--format", "parquet")[0] == 0
    offers = pl.read_parquet(tmp_path / "first" / "offers.parquet")
    one = offers.filter(pl.col("network") == "akash", pl.col("accelerator") == "h100-sxm")
    copied = one.with_columns(
        source=pl.lit("skypilot"), layer=pl.lit("live"), usd_per_accelerator_hour=pl.col("usd_per_accelerator_hour") * 2
    )
    pl.concat([offers, copied]).write_parquet(tmp_path / "two.parquet")
    (row,) = json.loads(type_in("discrepancies", "--offers", "two.parquet", "--json")[1])
    assert (row["network"], row["source_used"], row["ratio"]) == ("akash", "skypilot", pytest.approx(0.5))
    assert row["reason"] == "a catalogue before the package's dated prices"
    code, out, _ = type_in("discrepancies", "--offers", "two.parquet", "--network", "akash")
    assert (code, "skypilot" in out) == (0, True)
    assert type_in("discrepancies", "-o", "none.csv")[0] == 0
    assert pl.read_csv(tmp_path / "none.csv").height == 0


def test_step_commands_take_the_users_own_offers(type_in, one_scenario, tmp_path):
    assert type_in("run", "--offline", "--out", "first", "--format", "parquet")[0] == 0
    offers = pl.read_parquet(tmp_path / "first" / "offers.parquet")
    cheaper = offers.with_columns(
        pl.when(pl.col("network") == "akash")
        .then(pl.col("usd_per_accelerator_hour").clip(lower_bound=0.04) / 2)
        .otherwise("usd_per_accelerator_hour")
        .alias("usd_per_accelerator_hour")
    )
    for name, write in (("mine.parquet", cheaper.write_parquet), ("mine.json", cheaper.write_json)):
        write(tmp_path / name)
        rows = json.loads(
            type_in("compare", "--offers", name, "--network", "akash", "--llm", "llama-3.3-70b", "--json")[1]
        )
        before = json.loads(type_in("compare", "--network", "akash", "--llm", "llama-3.3-70b", "--json")[1])
        pairs = [(b["usd_per_mtok_network"], r["usd_per_mtok_network"]) for b, r in zip(before, rows, strict=True)]
        known = [(b, r) for b, r in pairs if b is not None and r is not None]
        assert known
        assert all(r == pytest.approx(b / 2) for b, r in known)


def test_a_report_is_drawn_again_from_a_saved_analysis(type_in, whole, tmp_path):
    code, out, _ = type_in("report", str(whole / "analysis.json"), "--out", "again", "--format", "pdf")
    assert (code, out.split()) == (0, ["again/manifest.json", "again/report.pdf"])
    assert (whole / "report.pdf").read_bytes() == (tmp_path / "again" / "report.pdf").read_bytes()


def test_sources_and_assumptions_are_listed_without_network(type_in):
    code, out, _ = type_in("sources", "--json")
    assert code == 0
    assert {row["source"] for row in json.loads(out)} >= {*FETCHERS, "aws", "google"}
    rows = json.loads(type_in("assumptions", "--json")[1])
    assert all(row["source_id"] and row["unit"] for row in rows)


def test_explain_follows_a_number_and_says_how_to_ask(type_in):
    code, out, _ = type_in("explain", "margin", "akash", "h100-sxm", "data_centre", "--as-of", "2026-11-22")
    assert code == 0
    assert out.startswith("margin akash h100-sxm data_centre full_margin")
    assert "flips its sign at" in out
    code, out, _ = type_in("explain", "comparison", "akash", "h100-sxm", "llama-3.3-70b", "aws/nvidia/list", "--json")
    told = json.loads(out)
    assert (code, told["address"].split()[0]) == (0, "comparison")
    assert all(one["unit"] for one in told["inputs"])
    code, out, _ = type_in("explain")
    assert (code, "explain token NETWORK MEASURE" in out) == (0, True)
    for line in out.splitlines():
        if line.strip().startswith("depin-compare explain"):
            assert type_in(*line.split()[1:])[0] == 0, line
    code, _, err = type_in("explain", "margin", "akash", "h100")
    assert (code, "h100-sxm" in err) == (2, True)


def test_tokens_lists_every_measure_of_a_network(type_in, one_scenario):
    rows = json.loads(type_in("tokens", "--network", "akash", "--json")[1])
    assert {row["network"] for row in rows} == {"akash"}
    assert {"network_take", "emission_coverage", "subsidy_gap_usd_per_hour"} <= {row["measure"] for row in rows}
    assert type_in("tokens", "--network", "akash")[0] == 0


def test_every_command_has_help(type_in):
    out = type_in("--help")[1]
    names = "run fetch compare margins tokens erosion report sources assumptions explain"
    for name in names.split():
        assert name in out
        assert type_in(name, "--help")[0] == 0


def test_a_job_file_is_checked_key_by_key(type_in, tmp_path):
    job = tmp_path / "job.toml"
    job.write_text('[analysis]\nlmms = ["llama-3.1-8b"]\n')
    code, _, err = type_in("run", "--config", str(job))
    assert code == 2
    assert f"{job}:2" in err
    assert "llms" in err
    job.write_text("[assumptions]\ncloud_utilization = 0.9\n")
    code, _, err = type_in("assumptions", "--config", str(job))
    assert (code, "cloud_utilisation" in err) == (2, True)
    job.write_text("[sources.akahs]\nenabled = false\n")
    code, _, err = type_in("run", "--config", str(job))
    assert (code, "akash" in err) == (2, True)
    job.write_text('[analysis]\nnetworks = ["akahs"]\n')
    code, _, err = type_in("run", "--offline", "--config", str(job))
    assert (code, "akash" in err) == (2, True)
    job.write_text("[sources.akash\n")
    assert type_in("run", "--config", str(job))[0] == 2
    job.write_text("[assumptions]\ncloud_utilisation = 0.9\n")
    rows = {r["parameter"]: r for r in json.loads(type_in("assumptions", "--config", str(job), "--json")[1])}
    assert rows["cloud_utilisation"]["central"] == 0.9
    assert rows["cloud_utilisation"]["source_id"] == "your-job-file"


AKASH = {
    "availability": {"total": 512, "available": 187},
    "models": [
        {
            "vendor": "nvidia", "model": model, "ram": ram, "interface": "SXM5",
            "availability": {"total": 96, "available": 24}, "providerAvailability": {"total": 5, "available": 3},
            "price": {"currency": "USD", "min": p, "max": p, "avg": p, "weightedAverage": p, "med": p},
        }
        for model, ram, p in (("h100", "80Gi", 2.40), ("h200", "141Gi", 3.60), ("b200", "180Gi", 5.5))
    ],
}  # fmt: skip


def _serve_akash(**answer) -> None:
    base = "https://console-api.akash.network/v1/"
    responses.get(base + "gpu-prices", **answer)
    responses.get(
        base + "gpu-breakdown",
        json=[
            {
                "date": "2026-11-21T00:00:00.000Z", "vendor": "nvidia", "model": "h100", "providerCount": 5,
                "nodeCount": 12, "totalGpus": 96, "leasedGpus": 72, "gpuUtilization": "75.00",
            }
        ],
    )  # fmt: skip


@pytest.fixture
def reachable(monkeypatch):
    """Let the probe find every host; what is not served by the test is refused by the mock."""
    monkeypatch.setattr("fetchers.collection.unreachable_hosts", lambda *_: {})
    monkeypatch.setattr("urllib3.util.retry.Retry.sleep", lambda *_, **__: None)


@responses.activate
def test_a_live_price_replaces_the_reference_is_stored_and_stands_when_the_source_is_gone(type_in, tmp_path, reachable):
    _serve_akash(json=AKASH)
    job = tmp_path / "job.toml"
    others = [name for name in FETCHERS if name != "akash"]
    job.write_text("".join(f"[sources.{name}]\nenabled = false\n" for name in others) + "[jobs.nightly]\n")
    code, _, _ = type_in("run", "--config", str(job), "--out", "live", "--format", "parquet")
    assert code == 0
    assert [snapshot.manifest.job for snapshot in Store(tmp_path / "store").snapshots()] == ["nightly"]
    live = pl.read_parquet(tmp_path / "live" / "offers.parquet").filter(pl.col("network") == "akash")
    assert dict(live.select("accelerator", "usd_per_accelerator_hour").iter_rows())["h100-sxm"] == 2.40
    assert set(live["layer"].cast(pl.String)) == {"live"}

    responses.reset()
    responses.get("https://console-api.akash.network/v1/gpu-prices", status=500)
    responses.get("https://console-api.akash.network/v1/gpu-breakdown", status=500)
    code, _, err = type_in("run", "--config", str(job), "--out", "gone", "--format", "parquet")
    assert code == 0
    assert "stored data of" in err
    stored = pl.read_parquet(tmp_path / "gone" / "offers.parquet").filter(pl.col("network") == "akash")
    assert dict(stored.select("accelerator", "usd_per_accelerator_hour").iter_rows())["h100-sxm"] == 2.40
    assert set(stored["layer"].cast(pl.String)) == {"stored"}


@responses.activate
@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"body": "<html><title>Just a moment...</title></html>", "content_type": "text/html"},
        {"status": 403, "body": "<html>Attention Required</html>"},
        {"json": {"availability": {"total": 0, "available": 0}, "models": []}},
        {"body": json.dumps(AKASH)[:150]},
    ],
    ids=["500", "html", "403", "empty", "truncated"],
)
def test_a_broken_source_changes_its_own_status_and_nothing_else(reachable, jobs_analyse_once, answer):
    whole, broken = _run_with_akash(json=AKASH), _run_with_akash(**answer)
    assert whole.source_states.filter(pl.col("source") == "akash")["state"].item() == "partial"  # prices came
    assert broken.source_states.filter(pl.col("source") == "akash")["state"].item() == "failed"
    for frame in ("source_states", "offers"):
        column = "source" if frame == "source_states" else "network"
        theirs = [getattr(run, frame).filter(pl.col(column) != "akash") for run in (whole, broken)]
        assert theirs[0].equals(theirs[1])
        assert theirs[0].height > 3
    assert broken.headlines.height == 3


def _run_with_akash(**answer):
    from depin_compare.jobs.config import JobConfig
    from depin_compare.jobs.run import analysis_of, collected, gathered

    responses.reset()
    _serve_akash(**answer)
    job = JobConfig.model_validate({"analysis": {"scenarios": ["base"], "sensitivity": []}})
    collection = collected(job, now=NOW, store=None)
    return analysis_of(job, gathered(job, as_of=NOW, store=None, collection=collection))


@responses.activate
def test_a_fetcher_that_raises_costs_no_other(type_in, one_scenario, monkeypatch, tmp_path, reachable):
    import dataclasses

    def broken(*_, **__):
        raise RuntimeError("a bug in the fetcher")

    monkeypatch.setitem(FETCHERS, "akash", dataclasses.replace(FETCHERS["akash"], fetch=broken))
    code, _, err = type_in("run", "--out", "report", "--format", "csv")
    assert code == 0
    assert "akash: failed" in err
    assert "a bug in the fetcher" in err


def test_the_package_ships_its_tables_and_no_tests():
    import depin_compare.refdata as refdata

    folder = Path(refdata.__file__).parent
    assert {p.name for p in folder.glob("*.csv")} >= {"accelerators.csv", "reference_prices.csv", "assumptions.csv"}


def test_my_own_node_from_options_and_from_the_job_file(type_in, one_scenario, tmp_path):
    day = ("--as-of", "2026-11-22", "--json")
    code, out, _ = type_in(
        "margins",
        "--accelerator",
        "RTX 4090",
        "--usd-per-kwh",
        "0.21",
        "--capex-usd",
        "1800",
        "--utilisation",
        "0.6",
        *day,
    )
    assert code == 0
    rows = json.loads(out)
    assert [row["network"] for row in rows] == ["akash", "ionet", "render"]
    assert {row["archetype"] for row in rows} == {"own"}
    for row in rows:
        assert row["utilisation"] == 0.6
        if row["network"] == "render":  # burns the payment: no tenant price makes its node break even
            assert row["breakeven_usd_per_accelerator_hour"] is None
            assert "minted tokens" in row["not_known"]
        else:
            assert 0 < row["stop_usd_per_accelerator_hour"] < row["breakeven_usd_per_accelerator_hour"]
    job = tmp_path / "job.toml"
    job.write_text(
        ONE_SCENARIO + '[node]\naccelerator = "rtx-4090"\nusd_per_kwh = 0.21\ncapex_usd = 1800\nutilisation = 0.6\n'
    )
    assert json.loads(type_in("margins", "--config", str(job), "--node", *day)[1]) == rows
    halved = json.loads(type_in("margins", "--config", str(job), "--hours-per-day", "7.2", *day)[1])
    assert {row["utilisation"] for row in halved} == {0.3}
    steps = json.loads(type_in("margins", "--config", str(job), "--node", "--waterfall", "--network", "akash", *day)[1])
    assert [row["step"] for row in steps][::5] == ["tenant", "profit"]
    assert sum(row["usd_per_hour"] for row in steps[:-1]) == pytest.approx(steps[-1]["usd_per_hour"])
    others = json.loads(type_in("margins", "--accelerator", "rtx-4090", "--network", "akash", *day)[1])
    assert {row["archetype"] for row in others} == {"home", "data_centre"}


def test_a_node_that_can_not_be_is_a_usage_error(type_in):
    assert type_in("margins", "--usd-per-kwh", "0.2")[0] == 2
    assert type_in("margins", "--accelerator", "rtx-409", "--usd-per-kwh", "0.2")[0] == 2
    assert type_in("margins", "--accelerator", "rtx-4090", "--utilisation", "1.5")[0] == 2
    assert type_in("margins", "--accelerator", "rtx-4090", "--like", "garage")[0] == 2
    assert type_in("margins", "--accelerator", "rtx-4090", "--utilisation", "0.5", "--hours-per-day", "3")[0] == 2


def test_the_report_says_which_assumption_is_the_users(type_in, drawn_quickly, tmp_path):
    from pypdf import PdfReader

    job = tmp_path / "job.toml"
    job.write_text(
        "[assumptions]\ncloud_utilisation = 0.9\n[prices]\nakash.h100-sxm = 1.5\n"
        "[facts]\nakash.take_rate_provider = 0.05\n"
    )
    pdf_alone = ["--offline", "--as-of", "2026-11-22", "--format", "pdf", "--network", "akash", "--scenario", "base"]
    assert type_in("run", *pdf_alone, "--config", str(job), "--out", "mine")[0] == 0
    text = "".join(page.extract_text() for page in PdfReader(tmp_path / "mine" / "report.pdf").pages)
    told = " ".join(text.split())
    assert "Changed in your job file" in told
    unbroken = "".join(text.replace("\u200b", "").split())  # a long name may break over lines
    for key in ("cloud_utilisation", "akash.h100-sxm.on_demand", "akash.take_rate_provider"):
        assert key in unbroken
    assert "your job file" in told
    assert type_in("run", *pdf_alone, "--out", "plain")[0] == 0
    text = "".join(page.extract_text() for page in PdfReader(tmp_path / "plain" / "report.pdf").pages)
    assert "Changed in your job file" not in " ".join(text.split())
