"""`depin-compare schedule` as a user types it."""

import sys

import pytest

from depin_compare import cli

JOBS = """\
[jobs.six.schedule]
cron = "17 */6 * * *"
time_zone = "Europe/Berlin"

[jobs.daily.schedule]
cron = "0 5 * * 1-5"

[jobs.hand]
"""


@pytest.fixture
def type_in(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("DEPIN_COMPARE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.toml").write_text(JOBS)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["depin-compare", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


@pytest.mark.parametrize("form", ["systemd", "cron", "github-actions", "kubernetes"])
def test_units_go_to_stdout_and_what_to_know_of_them_to_stderr(type_in, form):
    code, out, err = type_in("schedule", "--config", "jobs.toml", f"--{form}")
    assert code == 0
    assert "six" in out
    assert "daily" in out
    assert "--job hand" not in out
    assert "job hand: no [schedule], left out" in err
    assert "job daily: '0 5 * * 1-5' is due on the hour" in err
    assert "job six: '17" not in err


def test_units_are_written_as_files_where_a_folder_is_given(type_in, tmp_path):
    code, out, _ = type_in("schedule", "-c", "jobs.toml", "--job", "six", "--systemd", "-o", "units")
    assert code == 0
    assert out.splitlines() == ["units/depin-compare-six.service", "units/depin-compare-six.timer"]
    assert "OnCalendar=" in (tmp_path / "units" / "depin-compare-six.timer").read_text()


def test_a_file_without_a_schedule_is_a_usage_error(type_in, tmp_path):
    (tmp_path / "none.toml").write_text("[jobs.hand]\n")
    code, _, err = type_in("schedule", "--config", "none.toml")
    assert (code, "no job has a schedule" in err) == (2, True)
    assert type_in("schedule")[0] == 2
    code, _, err = type_in("schedule", "--config", "jobs.toml", "--job", "sx")
    assert (code, "did you mean six" in err) == (2, True)
    assert type_in("schedule", "--config", "jobs.toml", "--cron", "--systemd")[0] == 2
    assert type_in("schedule", "--config", "jobs.toml", "--once", "--systemd")[0] == 2
    assert type_in("schedule", "--config", "jobs.toml", "-o", "units")[0] == 2


def test_once_runs_what_is_due_and_ends(type_in, monkeypatch):
    from depin_compare.jobs import schedule as module

    ran = []

    class Told(module.Subprocesses):
        def __call__(self, job, slot):
            ran.append((job.name, self.command(job, slot)[-1]))
            return 3 if job.name == "daily" else 0

    monkeypatch.setattr(module, "Subprocesses", Told)
    monkeypatch.setattr("depin_compare.jobs.schedule.datetime", _At, raising=True)
    code, _, err = type_in("schedule", "--config", "jobs.toml", "--once")
    assert code == 3
    assert sorted(ran) == [("daily", "2026-11-25T05:00:00+00:00"), ("six", "2026-11-25T05:17:00+00:00")]
    assert "job six: slot 2026-11-25 05:17 UTC ended, exit code 0; next 2026-11-25 12:17 CET (11:17 UTC)" in err

    ran.clear()
    monkeypatch.setattr(module.Dispatcher, "fire", lambda self, name: 0)
    code, _, err = type_in("schedule", "--config", "jobs.toml", "--once", "--job", "six")
    assert (code, ran, "job six: next " in err) == (0, [], True)


class _At:
    @staticmethod
    def now(_):
        from datetime import UTC, datetime

        return datetime(2026, 11, 25, 5, 20, tzinfo=UTC)
