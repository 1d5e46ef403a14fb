"""`depin-compare scenarios`, and the user's own scenarios from a job file to the last number."""

import io
import json
import tomllib

import polars as pl
import pytest

JOB = """
[analysis]
networks = ["akash"]
llms = ["llama-3.3-70b"]
scenarios = ["base", "mine"]
horizon = 2030-12-31
draws = 16
scenario_files = ["shared/ours.toml"]

[scenarios.mine]
base = "maia200"
clouds = ["azure", "aws"]
pass_through = 0.8
unit_cost_factor = { central = 0.72, source = "our own test of October", kind = "measured" }
"""
SHARED = """
[mixed]
base = "cloud_mix"
title = "Ours"
[mixed.unit_cost_factor.maia]
low = 0.6
central = 0.7
high = 0.8
source = "the vendor's offer to us"
kind = "vendor_claim"
"""


@pytest.fixture
def job(tmp_path) -> str:
    (tmp_path / "folder" / "shared").mkdir(parents=True)
    (tmp_path / "folder" / "job.toml").write_text(JOB, "utf-8")
    (tmp_path / "folder" / "shared" / "ours.toml").write_text(SHARED, "utf-8")
    return str(tmp_path / "folder" / "job.toml")


def test_list_names_the_packaged_ones_then_yours(type_in, job, tmp_path):
    code, out, _ = type_in("scenarios", "list", "--json", "--config", job)
    rows = json.loads(out)
    assert code == 0
    assert [row["scenario"] for row in rows][-3:] == ["cloud_mix", "mine", "mixed"]
    assert {row["scenario"]: row["base"] for row in rows if row["base"]} == {"mine": "maia200", "mixed": "cloud_mix"}
    assert rows[3]["event_probability"] == "0.15 (0.1 to 0.25)"
    assert rows[-2]["meaning"].endswith("Changed: unit_cost_factor, pass_through, clouds.")
    table = type_in("scenarios", "list")[1]
    assert "Supply crunch" in table
    assert "mixed" not in table
    assert type_in("scenarios", "list", "-o", "rows.csv")[0] == 0
    assert pl.read_csv(tmp_path / "rows.csv")["scenario"].to_list() == [row["scenario"] for row in rows[:-2]]


def test_show_gives_every_value_in_force_with_its_source(type_in, job):
    code, out, _ = type_in("scenarios", "show", "mine", "--csv", "--config", job)
    rows = {row["parameter"]: row for row in pl.read_csv(io.StringIO(out)).to_dicts()}
    assert code == 0
    assert {name: row["said_by"] for name, row in rows.items()} == {
        "hardware_decline_per_year": "base", "network_lag_years": "base", "pass_through": "mine",
        "unit_cost_factor": "mine", "adoption_midpoint_year": "maia200", "adoption_slope_per_year": "maia200",
        "adoption_ceiling": "maia200",
    }  # fmt: skip
    assert rows["hardware_decline_per_year"]["source"].startswith("Epoch AI: ")
    assert rows["hardware_decline_per_year"]["source_url"].startswith("https://epoch.ai/")
    assert (rows["unit_cost_factor"]["kind"], rows["unit_cost_factor"]["note"]) == (
        "measured", "our own test of October",
    )  # fmt: skip
    table = type_in("scenarios", "show", "maia200")[1]
    for words in ("0.77 (0.7 to 1)", "2027.5 (2027 to 2028.5)", "vendor_claim", "thetesserapress", "cut cost: azure"):
        assert words in table


def test_diff_tells_what_differs_with_readable_bands(type_in, job):
    code, out, _ = type_in("scenarios", "diff", "maia200", "mine", "--json", "--config", job)
    rows = {row["parameter"]: row for row in json.loads(out)}
    assert code == 0
    assert {name: (row["first"], row["second"]) for name, row in rows.items()} == {
        "pass_through": ("0.5 (0.25 to 1)", "0.8"),
        "unit_cost_factor": ("0.77 (0.7 to 1)", "0.72 (0.7 to 1)"),
        "clouds": ("azure", "azure aws"),
    }
    assert (rows["unit_cost_factor"]["first_central"], rows["unit_cost_factor"]["second_central"]) == (0.77, 0.72)
    table = type_in("scenarios", "diff", "base", "supply_crunch")[1]
    assert "1.38 (1.15 to 1.5)" in table
    assert "say the same" in type_in("scenarios", "diff", "base", "base")[1]


def test_names_that_are_none_are_usage_errors_with_the_nearest_one(type_in, job):
    for words in (("show", "maia20"), ("diff", "base", "maia20"), ("show", "maia20", "--toml")):
        code, out, err = type_in("scenarios", *words)
        assert (code, out) == (2, "")
        assert "did you mean maia200?" in err
    assert type_in("scenarios", "show", "base", "--toml", "--json")[0] == 2


def test_what_toml_prints_can_be_pasted_and_shared(type_in, job, tmp_path):
    printed = type_in("scenarios", "show", "cloud_mix", "--toml")[1]
    assert tomllib.loads(printed)["scenarios"]["my_cloud_mix"]["unit_cost_factor"]["tpu"]["central"] == 0.7
    assert "# SemiAnalysis" in printed
    (tmp_path / "pasted.toml").write_text(printed.replace("central = 0.7\n", "central = 0.65\n"), "utf-8")
    out = type_in("scenarios", "diff", "cloud_mix", "my_cloud_mix", "--json", "--config", "pasted.toml")[1]
    assert [(row["parameter"], row["second_central"]) for row in json.loads(out)] == [("unit_cost_factor.tpu", 0.65)]

    assert type_in("scenarios", "show", "mine", "--toml", "-o", "mine.toml", "--config", job)[0] == 0
    (tmp_path / "other.toml").write_text('[analysis]\nscenario_files = ["mine.toml"]\n', "utf-8")
    shown = [type_in("scenarios", "show", "mine", "--json", "--config", file)[1] for file in (job, "other.toml")]
    assert shown[0] == shown[1]
    assert type_in("scenarios", "show", "mixed", "--toml", "--config", job)[1] == (
        '[scenarios.mixed]\nbase = "cloud_mix"\ntitle = "Ours"\n\n[scenarios.mixed.unit_cost_factor.maia]\n'
        'low = 0.6\ncentral = 0.7\nhigh = 0.8\nsource = "the vendor\'s offer to us"\nkind = "vendor_claim"\n'
    )


def test_an_own_scenario_goes_all_the_way(type_in, job, tmp_path):
    from depin_compare.analysis import Analysis
    from depin_compare.explanations import explain

    forms = ("--format", "json", "--format", "csv")
    assert type_in("run", "--offline", "--config", job, "--out", "report", *forms)[0] == 0
    analysis = Analysis.from_json((tmp_path / "report" / "analysis.json").read_text("utf-8"))
    assert set(analysis.outlook["scenario"]) == {"base", "mine"}
    rows = analysis.outlook.filter(
        cloud="aws", silicon="nvidia", reference="modelled_cost", pricing="marginal", quantity="advantage"
    )
    at = dict(rows.select("scenario", "at_horizon").iter_rows())
    # Long after today the wedge is 0.72 of the cloud's cost, and 1 - 0.8 (1 - 0.72) of the network's price.
    assert (1 - at["mine"]) / (1 - at["base"]) == pytest.approx((1 - 0.8 * 0.28) / 0.72)

    # What the report says is yours.
    changes = analysis.user_changes.filter(pl.col("table").cast(pl.String) == "scenarios")
    assert changes.select("key", "before", "after", "note").rows() == [
        ("mine.unit_cost_factor", 0.77, 0.72, "0.72 (0.7 to 1); our own test of October"),
        ("mine.pass_through", 0.5, 0.8, None),
    ]
    told = explain(analysis, "scenario", "mine", "unit_cost_factor").text()
    for words in ("0.72", "measured, your-job-file", "our own test of October"):
        assert words in told
    inputs = {one.name: one for one in explain(analysis, "outlook", "akash", "aws/nvidia/list", "mine").inputs}
    assert inputs["unit_cost_factor"].source == inputs["pass_through"].source == "your-job-file"
    assert "your-job-file" not in (inputs["network_lag_years"].source, inputs["adoption_ceiling"].source)


def test_a_scenario_the_job_does_not_analyse_is_analysed_when_asked_for(type_in, job):
    code, out, _ = type_in("erosion", "--scenario", "mixed", "--json", "--config", job)
    assert code == 0
    assert {row["scenario"] for row in json.loads(out)} == {"mixed"}
    code, out, _ = type_in("config", "check", job)
    assert (code, "not analysed: your scenarios mixed" in out) == (0, True)
