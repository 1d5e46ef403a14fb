"""init, config check, config show, and the jobs of a file as run takes them."""

import json
import re

import pytest

from depin_compare.analysis import Analysis
from depin_compare.cli.inputs import run_analysis
from depin_compare.jobs.config_file import load_config

DAY = ("--offline", "--as-of", "2026-11-22")
TWO = """[analysis]
llms = ["llama-3.1-8b"]
scenarios = ["base"]
[outputs]
formats = ["csv"]
[jobs.first]
[jobs.second.analysis]
networks = ["akash"]
"""


@pytest.fixture
def job_file(tmp_path):
    file = tmp_path / "jobs.toml"
    file.write_text(TWO)
    return file


@pytest.fixture(scope="module")
def some_analysis(tmp_path_factory):
    file = tmp_path_factory.mktemp("once") / "jobs.toml"
    file.write_text(TWO)
    job, place = load_config(file, "second"), str(file.parent / "store")
    return run_analysis(job, store=place, as_of="2026-11-22", replay=None)


@pytest.fixture
def analysed_before(monkeypatch, some_analysis):
    """Where only what becomes of an analysis matters, it need not be made each time."""
    monkeypatch.setattr("depin_compare.cli.run.run_analysis", lambda *_, **__: some_analysis)


def made(folder) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def networks_in(file) -> set[str]:
    return set(re.findall(r"(?m)^(\w+),", file.read_text())) - {"network"}


def test_init_writes_a_file_that_checks_and_runs(type_in, tmp_path):
    code, out, err = type_in("init")
    assert (code, out.strip()) == (0, "depin-compare.toml")
    assert "config check depin-compare.toml" in err
    code, out, _ = type_in("config", "check")
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines() if not line.startswith(" ")] == ["six-hourly", "weekly"]
    code, out, _ = type_in("run", "--config", "depin-compare.toml", "--job", "weekly", *DAY, "--format", "csv")
    assert (code, out.splitlines()[-1]) == (0, "Report: depin-report/weekly")
    assert networks_in(tmp_path / "depin-report" / "weekly" / "comparison.csv") == {"akash", "ionet", "render"}


def test_init_never_writes_over_a_file_unasked(type_in, tmp_path):
    (tmp_path / "mine.toml").write_text("[analysis]\n")
    code, _, err = type_in("init", "mine.toml")
    assert (code, "--force" in err) == (2, True)
    assert (tmp_path / "mine.toml").read_text() == "[analysis]\n"
    assert type_in("init", "mine.toml", "--force")[0] == 0
    assert "[jobs.weekly]" in (tmp_path / "mine.toml").read_text()
    assert made(tmp_path) == {"mine.toml"}
    code, _, err = type_in("init", "nowhere/mine.toml")
    assert (code, len(err.splitlines()), "there is no folder nowhere" in err) == (2, 1, True)
    code, out, _ = type_in("config", "check", "none.toml")
    assert (code, out) == (
        2,
        "none.toml: can't be read: No such file or directory; `depin-compare init` writes a job file\n",
    )


def test_check_says_what_each_job_will_do(type_in, tmp_path):
    (tmp_path / "jobs.toml").write_text(
        "[sources.akash]\nenabled = false\n[jobs.a.schedule]\ncron = '17 */6 * * *'\ntime_zone = 'Asia/Tokyo'\n"
        "[jobs.a]\nretention.keep_all_days = 5\nprices.akash.h100-sxm = 1.5\nalerts.urls_variable = 'MINE'\n[jobs.b]\n"
    )
    code, out, err = type_in("config", "check", "jobs.toml")
    first, second, third, fourth = out.splitlines()
    assert (code, err) == (0, "")
    assert re.match(r"a: asks (\d+) of (\d+) sources; akash, ionet, render with ", first)
    asked, known = map(int, re.findall(r"asks (\d+) of (\d+)", first)[0])
    assert asked == known - 1
    assert first.endswith("; your prices")
    for word in ("'17 */6 * * *'", "Asia/Tokyo", "depin-report/a", "$MINE", "all snapshots for 5 days"):
        assert word in second
    assert third.startswith("b: ")
    for word in ("when you run it", "depin-report/b", "no alerts", "keeps every snapshot"):
        assert word in fourth


def test_check_names_file_line_and_mend_of_every_slip(type_in, tmp_path):
    (tmp_path / "jobs.toml").write_text('[jobs.a.analysis]\nlmms = []\n\n[jobs.b]\nouputs.out = "x"\n')
    code, out, err = type_in("config", "check", "jobs.toml")
    assert (code, err) == (2, "")
    assert out.splitlines() == [
        "jobs.toml:2: jobs.a.analysis.lmms: unknown key; did you mean 'llms'?",
        "jobs.toml:5: jobs.b.ouputs: unknown key; did you mean 'outputs'?",
    ]
    assert type_in("config", "check", "none.toml")[0] == 2


def test_show_gives_the_jobs_in_force_whole(type_in, job_file):
    shown = json.loads(type_in("config", "show", "jobs.toml")[1])
    assert list(shown) == ["first", "second"]
    assert shown["second"]["analysis"]["networks"] == ["akash"]
    assert shown["first"]["analysis"] == shown["second"]["analysis"] | {"networks": ["akash", "ionet", "render"]}
    assert shown["first"]["outputs"]["out"] == "depin-report/first"
    assert shown["first"]["analysis"]["seed"] == 20261122
    assert list(json.loads(type_in("config", "show", "jobs.toml", "--job", "second")[1])) == ["second"]
    assert type_in("config", "show", "jobs.toml", "--job", "third")[0] == 2


def test_run_runs_every_job_of_a_file_or_the_one_named(type_in, tmp_path, job_file, monkeypatch):
    code, out, _ = type_in("run", "--config", "jobs.toml", *DAY)
    assert code == 0
    assert out.index("\nfirst\n") < out.index("\nsecond\n")
    reports = tmp_path / "depin-report"
    assert networks_in(reports / "first" / "comparison.csv") == {"akash", "ionet", "render"}
    assert networks_in(reports / "second" / "comparison.csv") == {"akash"}
    assert "report.pdf" not in made(reports / "first")
    monkeypatch.setenv("DEPIN_COMPARE_CONFIG", "jobs.toml")
    monkeypatch.setenv("DEPIN_COMPARE_JOB", "second")
    assert {row["network"] for row in json.loads(type_in("compare", "--json")[1])} == {"akash"}
    code, _, err = type_in("run", *DAY, "--job", "secnd")
    assert (code, "did you mean second" in err) == (2, True)


def test_out_holds_one_job_or_a_folder_for_each(type_in, tmp_path, job_file, analysed_before):
    assert type_in("run", "--config", "jobs.toml", *DAY, "--out", "both")[0] == 0
    assert {name.split("/")[0] for name in made(tmp_path / "both")} == {"first", "second"}
    code, out, _ = type_in("run", "--config", "jobs.toml", "--job", "second", *DAY, "--out", "one")
    assert (code, out.splitlines()[-1]) == (0, "Report: one")
    assert "comparison.csv" in made(tmp_path / "one")


def test_a_step_of_several_jobs_asks_which(type_in, job_file):
    for command in ("compare", "margins", "erosion", "fetch", "sources", "assumptions", "explain"):
        code, _, err = type_in(command, "--config", "jobs.toml")
        assert (code, "first, second" in err, "--job" in err) == (2, True, True), command


def test_a_job_that_fails_costs_no_other_and_the_worst_code_counts(type_in, tmp_path, analysed_before):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "jobs.toml").write_text(
        '[outputs]\nformats = ["csv"]\n[jobs.bad]\noutputs.out = "file/report"\n[jobs.good]\noutputs.out = "good"\n'
    )
    code, _, err = type_in("run", "--config", "jobs.toml", *DAY, "--fail-on", "eroded")
    assert code == 1
    assert "job bad: " in err
    assert "Traceback" not in err
    assert "comparison.csv" in made(tmp_path / "good")
    assert type_in("run", "--config", "jobs.toml", "--job", "good", *DAY, "--fail-on", "eroded")[0] == 3


def test_a_bug_in_one_job_is_told_whole_and_costs_no_other(
    type_in, tmp_path, job_file, monkeypatch, caplog, analysed_before
):
    from reports import writer

    real = writer.write_report

    def broken(analysis, folder, **options):
        if folder.name == "first":
            raise RuntimeError("a bug")
        return real(analysis, folder, **options)

    monkeypatch.setattr(writer, "write_report", broken)
    code, _, err = type_in("run", "--config", "jobs.toml", *DAY)
    assert (code, "job first: a bug" in err) == (1, True)
    assert "Traceback" in caplog.text
    assert made(tmp_path / "depin-report" / "second")


def test_the_command_line_goes_before_the_job(type_in, tmp_path, job_file):
    picked = ("--network", "render", "--network", "ionet", "--llm", "llama-3.1-8b", "--scenario", "maia200")
    assert type_in("run", "--config", "jobs.toml", "--job", "second", *DAY, *picked, "--format", "json")[0] == 0
    report = tmp_path / "depin-report" / "second"
    assert made(report) == {"analysis.json", "manifest.json"}
    told = Analysis.from_json((report / "analysis.json").read_text())
    assert set(told.comparison["network"]) == {"ionet", "render"}
    assert set(told.comparison["llm"]) == {"llama-3.1-8b"}
    assert set(told.outlook["scenario"]) == {"maia200"}
    for option, word, near in (
        ("--network", "akahs", "akash"), ("--llm", "llama-3.1-8", "llama-3.1-8b"), ("--scenario", "bsae", "base"),
        ("--format", "pfd", "'pdf'"), ("--paper", "A5", "'a4'"),
    ):  # fmt: skip
        code, _, err = type_in("run", *DAY, option, word)
        assert (code, near in err) == (2, True), option
