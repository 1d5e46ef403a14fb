"""Ready units: what they say, by the readers they are made for, and the cron line in each one's words."""

import configparser
import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from depin_compare.errors import ConfigError
from depin_compare.jobs.config import AlertsConfig, JobConfig, OutputsConfig, ScheduleConfig, SourceConfig
from depin_compare.jobs.crontab import crontab
from depin_compare.jobs.units import (
    UNITS,
    Target,
    calendars,
    crontab_lines,
    github_actions,
    kubernetes,
    systemd,
    utc_lines,
)
from fetchers import FETCHERS

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SUMMER = datetime(2026, 7, 1, tzinfo=UTC)
ROOT = Path("/srv/prices")


def jobs(cron: str = "17 */6 * * *", zone: str = "Europe/Berlin", *, name: str = "six-hourly", **more):
    outputs = OutputsConfig(out=ROOT / "report")
    schedule = ScheduleConfig(cron=cron, time_zone=zone, **more)
    return {name: JobConfig(name=name, schedule=schedule, outputs=outputs)}


def target(store: str = "/srv/prices/store", *, config: Path = ROOT / "jobs.toml") -> Target:
    working = Path(store) if "://" not in store else Path("/home/me/.local/state/depin-compare/stores/1a2b")
    return Target(config=config, store=store, working=working, program=("/usr/bin/depin-compare",))


def ini(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(text)
    return parser


# --- systemd ----------------------------------------------------------------------------------------------------------


def test_systemd_gets_a_persistent_timer_and_a_service_that_never_runs_twice():
    units = systemd(jobs(), target(), now=NOW)
    assert list(units.files) == ["depin-compare-six-hourly.service", "depin-compare-six-hourly.timer"]
    timer = ini(units.files["depin-compare-six-hourly.timer"])
    assert dict(timer["Timer"]) == {
        "OnCalendar": "*-*-* 00,06,12,18:17:00 Europe/Berlin", "Persistent": "yes", "RandomizedDelaySec": "120",
        "Unit": "depin-compare-six-hourly.service",
    }  # fmt: skip
    assert timer["Install"]["WantedBy"] == "timers.target"
    service = ini(units.files["depin-compare-six-hourly.service"])["Service"]
    assert service["Type"] == "oneshot"
    assert service["ExecStart"] == (
        "/usr/bin/depin-compare run --config /srv/prices/jobs.toml --job six-hourly --store /srv/prices/store "
        "--out /srv/prices/report"
    )
    assert service["EnvironmentFile"] == "-/etc/depin-compare/keys.env"
    assert service["ReadWritePaths"] == "-/srv/prices -/srv/prices/store"
    assert (service["TimeoutStartSec"], service["NoNewPrivileges"], service["ProtectSystem"]) == (
        "1800",
        "yes",
        "strict",
    )
    assert any("systemctl enable --now depin-compare-six-hourly.timer" in line for line in units.warnings)


def test_a_job_that_does_not_catch_up_has_no_persistent_timer():
    text = systemd(jobs(catch_up=False), target(), now=NOW).files["depin-compare-six-hourly.timer"]
    assert ini(text)["Timer"]["Persistent"] == "no"
    assert "catch_up = false" in text


def test_words_of_a_unit_are_quoted_as_systemd_reads_them():
    text = systemd(jobs(), target("/srv/my prices/100%"), now=NOW).files["depin-compare-six-hourly.service"]
    assert '--store "/srv/my prices/100%%"' in text


def test_a_store_by_url_needs_the_folder_of_locks_on_the_machine():
    service = systemd(jobs(), target("s3://bucket/prices"), now=NOW).files["depin-compare-six-hourly.service"]
    assert ini(service)["Service"]["ReadWritePaths"] == "-/srv/prices -/home/me/.local/state/depin-compare/stores/1a2b"


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("17 */6 * * *", ["*-*-* 00,06,12,18:17:00 UTC"]),
        ("43 6 * * mon", ["Mon *-*-* 06:43:00 UTC"]),
        ("43 6 * * 0-1", ["Sun,Mon *-*-* 06:43:00 UTC"]),
        ("*/20 * * * *", ["*-*-* *:00,20,40:00 UTC"]),
        ("5 4 1,15 jan-mar *", ["*-01,02,03-01,15 04:05:00 UTC"]),
        ("5 4 1 * 5", ["*-*-01 04:05:00 UTC", "Fri *-*-* 04:05:00 UTC"]),
        ("0 0 * * *", ["*-*-* 00:00:00 UTC"]),
    ],
)
def test_cron_lines_in_systemds_words(cron, expected):
    assert calendars(crontab(cron)) == expected


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize(("cron", "zone"), [("17 */6 * * *", "Europe/Berlin"), ("43 6 1,15 * *", "America/New_York")])
def test_systemd_itself_reads_the_calendar_as_the_cron_line_says(cron, zone):
    line = crontab(cron, zone)
    (calendar,) = calendars(line)
    said = subprocess.run(
        ["systemd-analyze", "calendar", "--iterations=5", "--base-time=2026-11-25 12:00:00 UTC", calendar],
        capture_output=True, text=True, env={"TZ": "UTC"}, check=True,
    ).stdout  # fmt: skip
    read = re.findall(r"(?:Next elapse|Iter. #\d): \w+ (\S+ \S+) UTC", said)
    assert read == [f"{slot:%Y-%m-%d %H:%M:%S}" for slot, _ in zip(line.slots(NOW, NOW + timedelta(days=99)), range(5))]


# --- cron -------------------------------------------------------------------------------------------------------------


def test_cron_gets_the_line_as_written_with_its_zone_and_a_log():
    units = crontab_lines(jobs(), target(), now=NOW)
    *comments, shell, zone, line = units.files["crontab"].splitlines()
    assert all(comment.startswith("#") for comment in comments)
    assert (shell, zone) == ("SHELL=/bin/sh", "CRON_TZ=Europe/Berlin")
    assert line.startswith(
        "17 */6 * * * /usr/bin/depin-compare run --config /srv/prices/jobs.toml --job six-hourly "
        "--store /srv/prices/store --out /srv/prices/report >>"
    )
    assert line.endswith("six-hourly.log 2>&1")
    assert "set it to Europe/Berlin there" in units.files["crontab"]


def test_a_percent_sign_does_not_end_the_command():
    assert r"'/srv/100\% prices'" in crontab_lines(jobs(), target("/srv/100% prices"), now=NOW).files["crontab"]


# --- GitHub Actions ---------------------------------------------------------------------------------------------------


def workflow(text: str) -> dict:
    read = yaml.safe_load(text)
    read["on"] = read.pop(True)  # YAML 1.1 reads the word as a truth value
    return read


def test_github_gets_a_workflow_in_utc_that_keeps_the_snapshot_and_its_schedule_alive():
    units = github_actions(jobs(), target(), now=NOW)
    read = workflow(units.files["depin-compare-six-hourly.yml"])
    assert read["on"]["schedule"] == [{"cron": "17 23 * * *"}, {"cron": "17 5,11,17 * * *"}]
    assert read["concurrency"] == {"group": "depin-compare-six-hourly", "cancel-in-progress": False}
    assert read["permissions"] == {"contents": "write"}
    steps = {step.get("name", step.get("uses")): step for step in read["jobs"]["run"]["steps"]}
    assert steps["Run"]["run"] == (
        "depin-compare run --config jobs.toml --job six-hourly --store depin-store/six-hourly "
        "--out depin-report/six-hourly"
    )
    assert steps["Run"]["env"]["VAST_API_KEY"] == "${{ secrets.VAST_API_KEY }}"
    keep = steps["Keep the snapshot"]
    assert keep["if"] == "always()"
    assert 'git config user.name "depin-compare"' in keep["run"]
    assert "':!depin-store/six-hourly/locks'" in keep["run"]
    assert any("move by the change of 2027-03-28" in warning for warning in units.warnings)


def test_in_utc_nothing_moves_and_nobody_is_warned():
    units = github_actions(jobs(zone="UTC"), target(), now=NOW)
    assert workflow(units.files["depin-compare-six-hourly.yml"])["on"]["schedule"] == [{"cron": "17 */6 * * *"}]
    assert units.warnings == []


def test_the_staleness_step_fails_on_an_old_snapshot_alone(tmp_path):
    text = github_actions(jobs(), target(), now=NOW).files["depin-compare-six-hourly.yml"]
    steps = workflow(text)["jobs"]["run"]["steps"]
    (step,) = [step["run"] for step in steps if "fresh" in step.get("name", "")]
    script = step.replace("python - ", f"{sys.executable} -S - ")

    def run() -> tuple[int, str]:
        done = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    assert run() == (1, "no snapshot has been stored\n")
    manifests = tmp_path / "depin-store" / "six-hourly" / "manifests"
    for age in (timedelta(hours=30), timedelta(hours=17)):
        moment = datetime.now(UTC) - age
        day = manifests / f"date={moment:%Y-%m-%d}"
        day.mkdir(parents=True, exist_ok=True)
        (day / f"{moment:%H%M%SZ}-1a2b3c4d.json").write_text("{}")
        code, told = run()
        assert code == (1 if age > timedelta(hours=18) else 0)
        assert f"{age / timedelta(hours=1):.1f} h old" in told


def test_a_store_by_url_is_not_committed():
    text = github_actions(jobs(), target("s3://bucket/prices"), now=NOW).files["depin-compare-six-hourly.yml"]
    assert "--store s3://bucket/prices" in text
    assert "fresh?" not in text
    assert workflow(text)["jobs"]["run"]["steps"]


def test_secrets_are_those_that_the_job_can_use():
    job = next(iter(jobs().values())).model_copy(
        update={
            "sources": {"vast": SourceConfig(enabled=False), "salad": SourceConfig(key_variable="MY_SALAD_KEY")},
            "alerts": AlertsConfig(),
        }
    )
    text = github_actions({job.name: job}, target(), now=NOW).files["depin-compare-six-hourly.yml"]
    names = set(re.findall(r"secrets\.(\w+)", text))
    known = {fetcher.key_variable for name, fetcher in FETCHERS.items() if name not in ("vast", "salad")} - {None}
    assert names == known | {"MY_SALAD_KEY", "DEPIN_COMPARE_ALERT_URLS", "DEPIN_COMPARE_HEARTBEAT_URL"}


@pytest.mark.parametrize(
    ("cron", "zone", "expected"),
    [
        ("17 6 * * *", "Europe/Berlin", ["17 4 * * *"]),
        ("17 0,6 * * 1-5", "Europe/Berlin", ["17 22 * * 0,1,2,3,4", "17 4 * * 1,2,3,4,5"]),
        ("17 20 * * 6", "America/New_York", ["17 0 * * 0"]),
        ("5,35 6 * * *", "Asia/Kolkata", ["35 0 * * *", "5 1 * * *"]),
        ("17 * * * *", "Europe/Berlin", ["17 22,23 * * *", f"17 {','.join(map(str, range(22)))} * * *"]),
        ("17 12 1 * *", "Europe/Berlin", ["17 10 1 * *"]),
        ("17 6 * * 7", "UTC", ["17 6 * * 0"]),
    ],
)  # fmt: skip
def test_cron_lines_in_utc(cron, zone, expected):
    assert utc_lines(crontab(cron, zone), now=SUMMER) == expected


def test_a_day_of_the_month_that_is_another_one_in_utc_can_not_be_said():
    for cron in ("17 0 1 * *", "17 0 * 6 *"):
        with pytest.raises(ConfigError, match="another day in UTC"):
            utc_lines(crontab(cron, "Europe/Berlin"), now=SUMMER)


@settings(max_examples=40)
@given(
    minute=st.sampled_from(("17", "5,35", "*/20")),
    hour=st.sampled_from(("*", "*/6", "0,23", "9-17", "3")),
    weekday=st.sampled_from(("*", "1-5", "0", "sat,sun")),
    zone=st.sampled_from(
        ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Auckland")
    ),
)
def test_the_lines_in_utc_are_due_when_the_line_in_the_zone_is(minute, hour, weekday, zone):
    line = crontab(f"{minute} {hour} * * {weekday}", zone)
    end = SUMMER + timedelta(days=8)
    in_utc = {slot for text in utc_lines(line, now=SUMMER) for slot in crontab(text).slots(SUMMER, end)}
    assert sorted(in_utc) == list(line.slots(SUMMER, end))


# --- Kubernetes -------------------------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path) -> Path:
    file = tmp_path / "jobs.toml"
    file.write_text('[jobs.six-hourly.schedule]\ncron = "17 */6 * * *"  # Ünïcode\n')
    return file


def test_kubernetes_gets_a_cron_job_that_forbids_overlap_with_the_job_file_and_a_volume(config):
    text = kubernetes(jobs(misfire_grace_minutes=45), target(config=config), now=NOW).files[
        "depin-compare-six-hourly.yml"
    ]
    file, claim, cron_job = yaml.safe_load_all(text)
    assert file["data"]["job.toml"] == config.read_text()
    assert claim["kind"] == "PersistentVolumeClaim"
    assert cron_job["spec"].items() >= {
        "schedule": "17 */6 * * *", "timeZone": "Europe/Berlin", "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 2700,
    }.items()  # fmt: skip
    pod = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    assert container["args"][:2] == ["depin-compare", "run"]
    assert container["args"][-4:] == ["--store", "/data/store", "--out", "/data/report"]
    assert container["envFrom"][0]["secretRef"] == {"name": "depin-compare-keys", "optional": True}
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert {"name": "data", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}} in pod["volumes"]


def test_kubernetes_needs_no_volume_for_a_store_by_url(config):
    text = kubernetes(jobs("43 6 * * 7"), target("gs://bucket/x", config=config), now=NOW).files[
        "depin-compare-six-hourly.yml"
    ]
    _, cron_job = yaml.safe_load_all(text)
    assert cron_job["spec"]["schedule"] == "43 6 * * 0"  # 7 is no day to its reader
    pod = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert {"name": "data", "emptyDir": {}} in pod["volumes"]
    assert "gs://bucket/x" in pod["containers"][0]["args"]


def test_kubernetes_takes_names_of_52_signs_without_underscores(config):
    assert list(kubernetes(jobs(name="a_b"), target(config=config), now=NOW).files) == ["depin-compare-a-b.yml"]
    with pytest.raises(ConfigError, match="too long a name"):
        kubernetes(jobs(name="a" * 39), target(config=config), now=NOW)


def test_kubernetes_gets_the_scenarios_that_the_job_file_reads(tmp_path):
    config, mine = tmp_path / "jobs.toml", '[mine]\nbase = "base"\npass_through = 0.5\n'
    (tmp_path / "mine.toml").write_text(mine)
    # A job that is not scheduled is checked too when the file is read.
    config.write_text('[jobs.six-hourly]\n[jobs.hand.analysis]\nscenario_files = ["mine.toml"]\n')
    made = kubernetes(jobs(), target(config=config), now=NOW).files["depin-compare-six-hourly.yml"]
    assert next(yaml.safe_load_all(made))["data"] == {"job.toml": config.read_text(), "mine.toml": mine}
    (tmp_path / "sub").mkdir()
    (tmp_path / "mine.toml").rename(tmp_path / "sub" / "mine.toml")
    config.write_text('[analysis]\nscenario_files = ["sub/mine.toml"]\n')
    with pytest.raises(ConfigError, match=r"sub/mine\.toml, and a ConfigMap has no folders"):
        kubernetes(jobs(), target(config=config), now=NOW)


# --- all --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", sorted(UNITS))
def test_every_form_warns_of_the_full_hour_leaves_no_gap_open_and_names_no_secret(form, config, monkeypatch):
    monkeypatch.setenv("VAST_API_KEY", "planted-secret")
    two = {**jobs("0 6 * * *", "UTC", name="daily"), **jobs(zone="UTC"), "hand": JobConfig(name="hand")}
    units = UNITS[form](two, target(config=config), now=NOW)
    text = units.text()
    assert "<<" not in text.replace("<<'PY'", "")
    assert "planted-secret" not in text + json.dumps(list(units.warnings))
    assert [w for w in units.warnings if "on the hour" in w] == [
        "job daily: '0 6 * * *' is due on the hour, when everybody asks; a minute such as 17 is kinder to the "
        "sources and answered sooner"
    ]
    assert "six-hourly" in text
    assert "--job hand" not in text
