"""Several jobs in one file: what is shared and what is laid over it, and how a slip anywhere is told."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depin_compare.errors import ConfigError, UnknownNameError
from depin_compare.jobs.config import JobConfig
from depin_compare.jobs.config_checks import selected
from depin_compare.jobs.config_file import load_config, load_jobs


def written(folder, text: str):
    file = folder / "job.toml"
    file.write_text(text, "utf-8")
    return file


def complaints(folder, text: str) -> list[str]:
    file = written(folder, text)
    with pytest.raises(ConfigError) as error:
        load_jobs(file)
    lines = str(error.value).splitlines()
    assert all(line.startswith(f"{file}:") for line in lines)
    return [line.removeprefix(f"{file}:") for line in lines]


# Some leaves of a job, each with values that hold.
LEAVES = {
    ("analysis", "seed"): st.integers(0, 9),
    ("analysis", "networks"): st.lists(st.sampled_from(["akash", "ionet", "render", "vast"]), unique=True),
    ("analysis", "scenarios"): st.lists(st.sampled_from(["base", "maia200"]), unique=True, min_size=1),
    ("sources", "akash", "enabled"): st.booleans(),
    ("sources", "vast", "time_budget_seconds"): st.integers(1, 9),
    ("http", "mirrors", "https://prices.azure.com"): st.sampled_from(
        ["http://127.0.0.1:1/a", "https://mirror.example"]
    ),
    ("assumptions", "cost_of_capital", "central"): st.sampled_from([0.09, 0.11]),
    ("assumptions", "cost_of_capital", "high"): st.sampled_from([0.2, 0.3]),
    ("prices", "akash", "h100-sxm"): st.sampled_from([1.5, 2.5]),
    ("discounts", "aws"): st.sampled_from([0.1, 0.2]),
    ("facts", "akash", "fee_buyer", "value"): st.sampled_from([0.0, 0.1]),
    ("outputs", "paper"): st.sampled_from(["a4", "us-letter"]),
    ("schedule", "time_zone"): st.sampled_from(["UTC", "Europe/Berlin"]),
    ("retention", "keep_all_days"): st.integers(1, 9),
    ("alerts", "stale_runs"): st.integers(1, 9),
    ("alerts", "thresholds"): st.just([]),
}
ALWAYS = {("outputs", "out"): "reports", ("schedule", "cron"): "17 */6 * * *"}
DOCUMENTS = st.fixed_dictionaries({}, optional=LEAVES).map(lambda chosen: ALWAYS | chosen)


def nested(leaves: dict) -> dict:
    document: dict = {}
    for path, value in leaves.items():
        at = document
        for part in path[:-1]:
            at = at.setdefault(part, {})
        at[path[-1]] = value
    return document


def dotted(leaves: dict, *before: str) -> list[str]:
    return [f"{'.'.join(json.dumps(p) for p in (*before, *path))} = {json.dumps(v)}" for path, v in leaves.items()]


def inline(value) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {inline(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)


@settings(max_examples=40)
@given(shared=DOCUMENTS, own=DOCUMENTS, order=st.randoms(use_true_random=False))
def test_a_job_laid_over_the_shared_tables_is_the_document_merged_by_hand(tmp_path_factory, shared, own, order):
    lines = dotted(shared) + dotted(own, "jobs", "mine")
    order.shuffle(lines)
    (job,) = load_jobs(written(tmp_path_factory.getbasetemp(), "\n".join(lines))).values()
    assert job == JobConfig.model_validate(nested(shared | own) | {"name": "mine"})


@settings(max_examples=30)
@given(document=DOCUMENTS, order=st.randoms(use_true_random=False))
def test_the_digest_tells_what_is_asked_for_and_not_how_it_is_written(tmp_path_factory, document, order):
    folder = tmp_path_factory.getbasetemp()
    lines = dotted(document)
    order.shuffle(lines)
    tables = [f"{key} = {inline(value)}  # as one" for key, value in reversed(nested(document).items())]
    headings = [
        f"\n[{key}]\n" + "\n".join(f"{json.dumps(k)} = {inline(v)}" for k, v in value.items())
        for key, value in nested(document).items()
    ]
    named = [f"jobs.any = {inline(nested(document))}"]
    digests = {
        job.digest() for text in (lines, tables, headings, named)
        for job in load_jobs(written(folder, "\n".join(text))).values()
    }  # fmt: skip
    assert digests == {JobConfig.model_validate(nested(document)).digest()}
    changed = nested(document | {("analysis", "seed"): 10})
    assert JobConfig.model_validate(changed).digest() not in digests


# Every kind of table, and one key it may hold.
TABLES = {
    (): None,
    ("analysis",): "seed",
    ("sources", "akash"): "enabled",
    ("http",): "mirrors",
    ("assumptions", "cost_of_capital"): "central",
    ("prices", "akash", "h100-sxm"): "usd_per_accelerator_hour",
    ("discounts", "aws"): "share",
    ("facts", "akash", "fee_buyer"): "value",
    ("node",): "accelerator",
    ("node", "pue"): "central",
    ("scenarios", "mine"): "base",
    ("outputs",): "paper",
    ("schedule",): "cron",
    ("retention",): "keep_all_days",
    ("alerts",): "stale_runs",
    ("alerts", "thresholds"): "number",
}


def test_every_table_is_tried():
    assert {path[0] for path in TABLES if path} == set(JobConfig.model_fields) - {"name"}


@given(
    table=st.sampled_from(sorted(TABLES)), job=st.sampled_from([(), ("jobs", "mine")]),
    way=st.sampled_from(["heading", "dotted", "inline", "quoted"]), above=st.integers(0, 3), misspelt=st.booleans(),
)  # fmt: skip
def test_an_unknown_key_is_found_with_its_line_wherever_it_stands(tmp_path_factory, table, job, way, above, misspelt):
    path = (*job, *table)
    known = TABLES[table]
    wrong = f"{known}x" if misspelt and known else "frobnicate"
    filler = '# [analysis]\nassumptions.pue_home = { note = """\nfrobnicate = 1\n""" }\n' if not job else ""
    text, heading = filler + "\n" * above, ".".join(path)
    if way == "heading" and path:
        text += (
            f"[[{heading}]]\n\n{wrong} = 1\n" if table == ("alerts", "thresholds") else f"[{heading}]\n\n{wrong} = 1\n"
        )
        line = text.count("\n")
    else:
        line = text.count("\n") + 1
        if not path:
            text += f"{wrong} = 1\n"
        elif way == "inline" or table == ("alerts", "thresholds"):
            value = f"{{ {wrong} = 1 }}"
            text += f"{heading} = {f'[{value}]' if table == ('alerts', 'thresholds') else value}\n"
        elif way == "quoted":
            text += f"{'.'.join(json.dumps(part) for part in path)} . '{wrong}' = 1\n"
        else:
            text += f"{heading}.{wrong} = 1\n"
    found = [told for told in complaints(tmp_path_factory.getbasetemp(), text) if "unknown key" in told]
    assert len(found) == 1
    assert found[0].startswith(f"{line}: ")
    assert f"{wrong}: unknown key; " in found[0]
    if wrong != "frobnicate":
        assert f"did you mean {known!r}?" in found[0]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        # names, each at its place in the list
        ('[analysis]\nnetworks = ["akash",\n  "akahs"]\n', 3, ["analysis.networks[1]", "akash"]),
        ('[jobs.a.analysis]\nllms = ["llama-3.3-7b"]\n', 2, ["jobs.a.analysis.llms[0]", "llama-3.3-70b"]),
        ('[analysis]\nworkloads = ["chats"]\n', 2, ["chat"]),
        ('[jobs.a]\nanalysis = { scenarios = ["bse"] }\n', 2, ["jobs.a.analysis.scenarios[0]", "base"]),
        ('[analysis]\nscenarios = ["base", "base"]\n', 2, ["twice"]),
        ("[jobs.a.sources.akahs]\nenabled = false\n", 1, ["jobs.a.sources.akahs", "akash"]),
        ('[node]\naccelerator = "rtx-4090"\nnetworks = ["akahs"]\n', 3, ["node.networks[0]", "akash"]),
        ('[jobs.a.node]\naccelerator = "rtx-409"\n', 2, ["jobs.a.node.accelerator", "rtx-4090"]),
        ('[outputs]\nformats = ["csv", "pfd"]\n', 2, ["outputs.formats[1]", "did you mean 'pdf'?"]),
        ('[outputs]\npaper = "A4"\n', 2, ["us-letter"]),
        ('[schedule]\ncron = "7 * * * *"\ntime_zone = "Europe/Berln"\n', 3, ["Europe/Berlin"]),
        ('[schedule]\ncron = "7 * * * *"\ntime_zone = "Europe"\n', 3, ["unknown time zone"]),
        # shapes and kinds
        ('[sources.akash]\nenabled = "no"\n', 2, ["true or false", "without quotes"]),
        ('[sources.akash]\ntime_budget_seconds = "60"\n', 2, ["number", "without quotes"]),
        ("[analysis]\nseed = true\n", 2, ["saw true", "expected a number"]),
        ("[analysis]\nseed = -1\n", 2, ["saw -1"]),
        ("[analysis]\nhorizon = 2036\n", 2, ["saw 2036", "2036-12-31"]),
        ('[analysis]\nnetworks = "akash"\n', 2, ["saw text", "list"]),
        ("[analysis]\nllms = []\n", 2, ["at least one"]),
        ("analysis = 5\n", 1, ["saw a number", "table"]),
        ("[jobs]\na = 5\n", 2, ["[jobs.a]"]),
        ("[[jobs]]\n", 1, ["[jobs.NAME]"]),
        ("[jobs]\n", 1, ["[jobs.NAME]"]),
        ("[jobs.a]\n[jobs.Bad]\n", 2, ["lower-case"]),
        ('[jobs."../a"]\n', 1, ["lower-case"]),
        ("[jobs.a]\ninherit = 1\n", 2, ["jobs.a.inherit", "true or false"]),
        ('[jobs.a]\nname = "b"\n', 2, ["heading"]),
        ('[schedule]\ntime_zone = "UTC"\n', 1, ["schedule.cron", "missing"]),
        ('[jobs.a]\n[[jobs.a.alerts.thresholds]]\nabove = 1\n', 2, ["thresholds[0].number", "missing"]),
        # keys that stand elsewhere, or nearly
        ('networks = ["akash"]\n', 1, ["it stands in [analysis]"]),
        ('[jobs.a]\n\ncron = "7 * * * *"\n', 3, ["it stands in [jobs.a.schedule]"]),
        ("[job.a]\n", 1, ["did you mean 'jobs'?"]),
        ("[http.mirrors]\n'prices.azure.com' = 'http://127.0.0.1'\n", 2, ["http://"]),
        # the time
        ('[schedule]\ncron = "7 25 * * *"\n', 2, ["schedule.cron", "hour", "25"]),
        ('[jobs.a.schedule]\ncron = "7 * * 13 *"\n', 2, ["jobs.a.schedule.cron", "month", "13"]),
        ('[schedule]\ncron = "7 * * * fun"\n', 2, ["day of", "week", "fun"]),
        ('[schedule]\ncron = "7 * * *"\n', 2, ["4 fields", "5"]),
        ('[schedule]\ncron = "0 0 30 2 *"\n', 2, ["never due"]),
        # scenarios of one's own
        ("[scenarios.mine]\n\npass_trough = 0.5\n", 3, ["scenarios.mine.pass_trough: unknown key", "'pass_through'"]),
        ('[scenarios.mine]\nbase = "maia20"\n', 2, ["scenarios.mine.base", "maia200"]),
        ("[scenarios.maia200]\npass_through = 0.5\n", 1, ["scenarios.maia200", "ships with the package"]),
        ("[scenarios.mine]\npass_through = 50\n", 2, ["saw 50", "0 to 1"]),
        ('[scenarios.mine]\nbase = "cloud_mix"\n[scenarios.mine.unit_cost_factor.maia]\nlow = 0.7\nhigh = "1"\n', 5,
         ["scenarios.mine.unit_cost_factor.maia.high", "without quotes"]),
        ('[scenarios.mine]\nbase = "cloud_mix"\nunit_cost_factor = { maia = 7 }\n', 3,
         ["scenarios.mine.unit_cost_factor.maia", "saw 7"]),
        ("[scenarios.mine]\nbase = 'base'\nadoption_ceiling = 0.5\n", 3, ["says nothing without unit_cost_factor"]),
        ("[jobs.a.scenarios.mine]\npass_through = true\n", 2, ["jobs.a.scenarios.mine.pass_through", "saw true"]),
        ("scenarios.mine = 5\n", 1, ["saw a number", "table"]),
        ('[scenarios.mine]\n[analysis]\nscenarios = ["mein"]\n', 3, ["analysis.scenarios[0]", "mine"]),
        ('[analysis]\nscenario_files = ["none.toml"]\n', 2, ["scenario_files[0]", "none.toml", "can't be read"]),
        # what can't be read at all
        ("[analysis]\nseed = \n", 2, ["not TOML"]),
        ("[analysis]\nseed = 1\nseed = 2\n", 3, ["second time"]),
        ("[analysis]\n[outputs]\n[analysis]\n", 3, ["second time"]),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_its_line_what_was_seen_and_the_mend(tmp_path, text, line, words):
    (told,) = complaints(tmp_path, text)
    assert told.startswith(f"{line}: "), told
    for word in words:
        assert word in told


def test_every_complaint_is_told_once_in_the_order_of_the_file(tmp_path):
    told = complaints(
        tmp_path,
        '[analysis]\nlmms = ["llama-3.1-8b"]\n[jobs.a.outputs]\npapr = "a4"\n[jobs.b.analysis]\nseed = -1\n[alerts]\n'
        "stale_runs = 0\n",
    )
    assert [line.split(": ")[:2] for line in told] == [
        ["2", "analysis.lmms"], ["4", "jobs.a.outputs.papr"], ["6", "jobs.b.analysis.seed"], ["8", "alerts.stale_runs"],
    ]  # fmt: skip


def test_a_shared_slip_that_every_job_replaces_is_told_too(tmp_path):
    (told,) = complaints(tmp_path, "[prices]\nakash.h100-sxm = { usd = 1 }\n[jobs.a.prices]\nakash.h100-sxm = 1.5\n")
    assert told.startswith("2: prices.akash.h100-sxm.usd: unknown key")


def test_a_slip_is_told_where_it_stands_and_not_in_what_it_is_laid_over(tmp_path):
    (told,) = complaints(tmp_path, "[analysis]\nseed = 1\n[jobs.a.analysis]\nseed = -1\n")
    assert told.startswith("4: jobs.a.analysis.seed: ")
    (told,) = complaints(tmp_path, '[analysis]\nseed = -1\n[jobs.a.analysis]\nnetworks = ["akash"]\n')
    assert told.startswith("2: analysis.seed: ")
    (told,) = complaints(
        tmp_path,
        '[[alerts.thresholds]]\nnumber = "price akash h100-sxm"\nabove = 1\n'
        '[[jobs.a.alerts.thresholds]]\nnumber = "a"\nabov = 1\n',
    )
    assert told.startswith("6: jobs.a.alerts.thresholds[0].abov: ")


def test_a_shared_table_may_want_what_each_job_adds(tmp_path):
    text = '[schedule]\ntime_zone = "Asia/Tokyo"\n'
    text += '[jobs.a.schedule]\ncron = "7 * * * *"\n[jobs.b.schedule]\ncron = "9 1 * * *"\n'
    jobs = load_jobs(written(tmp_path, text))
    assert [(job.schedule.cron, job.schedule.time_zone) for job in jobs.values()] == [
        ("7 * * * *", "Asia/Tokyo"), ("9 1 * * *", "Asia/Tokyo"),
    ]  # fmt: skip


def test_what_may_be_a_secret_is_never_repeated(tmp_path):
    planted = "hunter2"
    for text in (
        f'[sources.vast]\nkey_variable = "sk-{planted}!"\n',
        f'[sources.vast]\napi_key = "{planted}"\n',
        f'[sources]\nvast = "{planted}"\n',
        f'[alerts]\nurls_variable = "slack://{planted}/b"\n',
        f'[alerts]\nheartbeat_variable = "https://{planted}.example"\n',
        f'[alerts]\nurls = ["slack://{planted}"]\n',
        f"[alerts]\nurls = slack://{planted}\n",
        f'[outputs]\npaper = "https://user:{planted}@example"\n',
        f'[http.mirrors]\n"https://prices.azure.com" = "http://user:{planted}@127.0.0.1"\n',
        f'[http.mirrors]\n"https://user:{planted}@prices.azure.com" = "http://127.0.0.1"\n',
    ):
        (told,) = complaints(tmp_path, text)
        assert planted not in told
        assert told.startswith("2: ")


def test_one_job_without_a_name_is_the_default_one(tmp_path):
    file = written(tmp_path, "[analysis]\nseed = 3\n")
    assert load_config(file) == load_config(file, "default") == load_jobs(file)["default"]
    assert load_config(file).name == "default"
    assert load_config(None) == load_config(None, "default") == JobConfig()
    with pytest.raises(ConfigError, match="--config"):
        load_config(None, "nightly")


def test_of_several_jobs_one_is_picked_by_name(tmp_path):
    file = written(tmp_path, "[analysis]\nseed = 1\n[jobs.a]\n[jobs.b.analysis]\nseed = 2\n")
    assert [load_config(file, name).analysis.seed for name in ("a", "b")] == [1, 2]
    assert [job.name for job in load_jobs(file).values()] == ["a", "b"]
    with pytest.raises(ConfigError, match="a, b"):
        load_config(file)
    with pytest.raises(ConfigError, match="did you mean a"):
        load_config(file, "aa")
    assert load_config(written(tmp_path, "[jobs.only]\n")).name == "only"


def test_a_job_may_leave_out_what_is_shared(tmp_path):
    jobs = load_jobs(written(tmp_path, "[analysis]\nseed = 1\n[alerts]\n[jobs.a]\ninherit = false\n[jobs.b]\n"))
    assert (jobs["a"].analysis, jobs["a"].alerts) == (JobConfig().analysis, None)
    assert (jobs["b"].analysis.seed, jobs["b"].alerts is None) == (1, False)


def test_no_two_jobs_write_into_one_folder(tmp_path):
    jobs = load_jobs(written(tmp_path, "[jobs.a]\n[jobs.b]\n"))
    assert [str(job.outputs.out) for job in jobs.values()] == ["depin-report/a", "depin-report/b"]
    (told,) = complaints(tmp_path, '[outputs]\nout = "here"\n[jobs.a]\n[jobs.b]\n')
    assert "job 'a'" in told
    assert "[jobs.b.outputs]" in told
    (told,) = complaints(tmp_path, '[jobs.a]\noutputs.out = "x/y"\n[jobs.b]\noutputs.out = "x/../x/y/"\n')
    assert told.startswith("4: jobs.b.outputs.out: ")


def test_files_of_other_editors_are_read(tmp_path):
    file = tmp_path / "job.toml"
    file.write_bytes(b"\xef\xbb\xbf[analysis]\r\nseed = 3\r\n")
    assert load_config(file).analysis.seed == 3
    file.write_bytes(b"[analysis]\r\n\r\nsede = 3\r\n")
    with pytest.raises(ConfigError, match=r":3: analysis\.sede: unknown key; did you mean 'seed'"):
        load_config(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="can't be read"):
        load_config(file)
    with pytest.raises(ConfigError, match="can't be read"):
        load_config(tmp_path / "none.toml")


def test_the_home_folder_may_be_written_short(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    job = load_config(written(tmp_path, '[outputs]\nout = "~/r"\nprometheus_textfile = "~/m.prom"\n'))
    assert (job.outputs.out, job.outputs.prometheus_textfile) == (tmp_path / "r", tmp_path / "m.prom")


def test_a_selection_stands_in_place_of_the_jobs_own():
    job = JobConfig.model_validate({"analysis": {"networks": ["akash"], "seed": 4}})
    chosen = selected(job, networks=["vast", "vast"], llms=["qwen3-8b"], scenarios=["maia200"])
    assert chosen.analysis.model_dump(exclude={"networks", "llms", "scenarios"}) == job.analysis.model_dump(
        exclude={"networks", "llms", "scenarios"}
    )
    assert (chosen.analysis.networks, chosen.analysis.llms, chosen.analysis.scenarios) == (
        ("vast",), ("qwen3-8b",), ("maia200",),
    )  # fmt: skip
    assert selected(job) == job
    assert chosen.digest() != job.digest()
    for wrong, near in (({"networks": ["akahs"]}, "akash"), ({"llms": ["qwen3-9b"]}, "qwen3-8b"),
                        ({"scenarios": ["bsae"]}, "base")):  # fmt: skip
        with pytest.raises(UnknownNameError, match=near):
            selected(job, **wrong)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ('number = "margin akahs h100-sxm data_centre"\nbelow = 0', "2: alerts.thresholds[0].number: unknown network"),
        ('number = "margin akash h100-sxm"\nbelow = 0', "2: alerts.thresholds[0].number: margin: which archetype"),
        ('number = "outlook akash aws/nvidia/list base verdict"\nbelow = 0', "verdict is no number"),
        ('number = "price akash h100-sxm"', "1: alerts.thresholds[0]: .* says neither above nor below"),
        ('number = "price akash h100-sxm"\nabove = 1\nbelow = 2', "every number is above 1 or below 2"),
    ],
)
def test_a_threshold_nothing_can_cross_is_told(tmp_path, rule, told):
    (one,) = complaints(tmp_path, f"[[alerts.thresholds]]\n{rule}\n")
    assert re.search(told.replace("[0]", r"\[0\]"), one)


def test_a_job_lays_its_own_scenario_over_the_shared_one(tmp_path):
    text = '[scenarios.mine]\nbase = "maia200"\nunit_cost_factor = { central = 0.75, high = 0.9 }\n'
    text += "[jobs.a]\n[jobs.b.scenarios.mine]\nunit_cost_factor.central = 0.72\n"
    jobs = load_jobs(written(tmp_path, text))
    factors = {name: job.scenarios["mine"]["unit_cost_factor"] for name, job in jobs.items()}
    assert factors == {"a": {"central": 0.75, "high": 0.9}, "b": {"central": 0.72, "high": 0.9}}
    assert jobs["a"].digest() != jobs["b"].digest()


@pytest.mark.parametrize("heading", ["mine", "scenarios.mine"])
def test_a_file_of_scenarios_stands_beside_the_job_file(tmp_path, monkeypatch, heading):
    monkeypatch.chdir("/")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "a.toml").write_text(f'[{heading}]\nbase = "maia200"\npass_through = 0.8\n', "utf-8")
    text = '[analysis]\nscenarios = ["base", "mine"]\n'
    job = load_config(written(tmp_path, f'{text}scenario_files = ["shared/a.toml"]\n'))
    assert job.scenarios == {"mine": {"base": "maia200", "pass_through": 0.8}}
    # The digest tells what the job asks for, not in which file it stands.
    there = '[scenarios.mine]\nbase = "maia200"\npass_through = 0.8\n'
    assert load_config(written(tmp_path, text + there)).digest() == job.digest()
    assert selected(job, scenarios=["mine"]).analysis.scenarios == ("mine",)


def test_a_slip_in_a_file_of_scenarios_is_told_with_its_own_line(tmp_path):
    shared = tmp_path / "a.toml"
    job = written(tmp_path, '[analysis]\nscenarios = ["mine"]\nscenario_files = ["a.toml"]\n[jobs.x]\n[jobs.y]\n')
    for text, line, words in (
        (
            '[mine]\nbase = "maia200"\n\n[mine.unit_cost_factor]\ncentral = 9\n',
            5,
            "mine.unit_cost_factor.central: saw 9",
        ),
        ("[scenarios.mine]\npass_trough = 1\n", 2, "scenarios.mine.pass_trough: unknown key"),
        ("mine = 5\n", 1, "expected a table"),
        ("[mine]\n[scenarios.other]\n", 2, "alone"),
        ("", 1, "expected a table for each scenario"),
        ("[mine\n", 1, "not TOML"),
    ):
        shared.write_text(text, "utf-8")
        with pytest.raises(ConfigError) as error:
            load_jobs(job)
        (told,) = str(error.value).splitlines()
        assert f"{shared}:{line}: " in told
        assert words in told


def test_two_scenarios_of_one_name_are_told_apart_nowhere_and_refused(tmp_path):
    (tmp_path / "a.toml").write_text("[mine]\npass_through = 0.4\n", "utf-8")
    (tmp_path / "b.toml").write_text("[mine]\npass_through = 0.6\n", "utf-8")
    (told,) = complaints(tmp_path, '[analysis]\nscenario_files = ["a.toml",\n "b.toml"]\n')
    assert told.startswith("3: analysis.scenario_files[1]: has a scenario 'mine', as ")
    (told,) = complaints(tmp_path, '[analysis]\nscenario_files = ["a.toml"]\n[scenarios.mine]\n')
    assert told.startswith("2: analysis.scenario_files[0]: ")


def test_a_threshold_may_name_a_scenario_of_ones_own(tmp_path):
    text = '[scenarios.mine]\nbase = "maia200"\n[[alerts.thresholds]]\nbelow = 0\n'
    text += 'number = "outlook akash aws/nvidia/list {}"\n'
    assert load_config(written(tmp_path, text.format("mine"))).alerts.thresholds
    (told,) = complaints(tmp_path, text.format("mein"))
    assert told.startswith("5: alerts.thresholds[0].number: ")
    assert "mine" in told


def test_each_job_has_metrics_of_its_own_in_a_file_that_the_node_exporter_reads(tmp_path):
    text = '[outputs]\nprometheus_textfile = "m.prom"\n[jobs.x]\n[jobs.y]\n[jobs.y.outputs]\nprometheus_textfile = '
    jobs = load_jobs(written(tmp_path, f'{text}"y.prom"\n'))
    assert [str(job.outputs.prometheus_textfile) for job in jobs.values()] == ["m-x.prom", "y.prom"]
    (told,) = complaints(tmp_path, f'{text}"m-x.prom"\n')
    assert told.startswith("6: jobs.y.outputs.prometheus_textfile: ")
    assert "job 'x' too" in told
    (told,) = complaints(tmp_path, '[outputs]\nprometheus_textfile = "metrics.txt"\n')
    assert told.startswith("2: outputs.prometheus_textfile: ")
    assert ".prom" in told
