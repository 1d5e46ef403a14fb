"""Ready units for other schedulers: systemd, cron, GitHub Actions, Kubernetes. Each run locks its job itself."""

from __future__ import annotations

import getpass
import json
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from itertools import islice, pairwise
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING

import platformdirs

from depin_compare.errors import ConfigError
from depin_compare.jobs.config import JobConfig
from depin_compare.jobs.crontab import WEEKDAYS, Crontab, crontab

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

    from depin_compare.market.store import Store

__all__ = [
    "UNITS",
    "Target",
    "Units",
    "calendars",
    "crontab_lines",
    "github_actions",
    "kubernetes",
    "systemd",
    "utc_lines",
]

# A run that takes longer hangs: sources have budgets of a few minutes each and are asked at once.
LONGEST_RUN = timedelta(minutes=30)
_YEAR = timedelta(days=366)
_LONGEST_CRON_JOB = 52
_CONFIG_MAP_KEY = re.compile(r"(?!job\.toml$)[A-Za-z0-9._-]{1,253}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the units start: the job file, the store, and the program.

    ``store`` is a folder or the URL of object storage, ``working`` the folder in which locks and kept answers lie.
    """

    config: Path
    store: str
    working: Path
    program: tuple[str, ...]

    @property
    def is_url(self) -> bool:
        """Whether the store lies in object storage."""
        return "://" in self.store

    @classmethod
    def here(cls, config: Path, store: Store) -> Target:
        """This installation, with whole paths: a unit starts in a folder of its own."""
        found = shutil.which("depin-compare")
        program = (found,) if found else (sys.executable, "-P", "-m", "depin_compare.cli")
        folder, working = store.place.folder(), store.working_folder.resolve()
        name = store.place.name if folder is None else str(folder.resolve())
        return cls(config=config.resolve(), store=name, working=working, program=program)

    def command(self, job: JobConfig) -> list[str]:
        """One run of a job."""
        out = str(self.out(job))
        named = ["--config", str(self.config), "--job", job.name]
        return [*self.program, "run", *named, "--store", self.store, "--out", out]

    def out(self, job: JobConfig) -> Path:
        """The folder of its report: what the job names is meant from where the user stands."""
        return Path(job.outputs.out).resolve()


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Files by name, and what the user should know of them before putting them to use."""

    files: Mapping[str, str]
    warnings: Sequence[str] = ()

    def text(self) -> str:
        """All files in one, each under a line with its name."""
        if len(self.files) == 1:
            return next(iter(self.files.values()))
        return "\n".join(f"# --- {name}\n{text}" for name, text in self.files.items())


def systemd(jobs: Mapping[str, JobConfig], target: Target, *, now: datetime) -> Units:
    """A service and a timer a job, for /etc/systemd/system."""
    made: dict[str, str] = {}
    folders: list[str] = []
    for job, line in _scheduled(jobs):
        unit, out = _unit(job), target.out(job)
        writable = [str(out.parent), str(target.working)]
        if job.outputs.prometheus_textfile is not None:
            writable.append(str(job.outputs.prometheus_textfile.resolve().parent))
        folders += writable
        made[f"{unit}.service"] = _filled(
            "service.ini",
            job=job.name,
            user=getpass.getuser(),
            command=" ".join(_systemd_word(word) for word in target.command(job)),
            keys_file="/etc/depin-compare/keys.env",
            folder=_systemd_word(str(target.config.parent)),
            longest_seconds=str(int(LONGEST_RUN.total_seconds())),
            writable=" ".join(_systemd_word(f"-{path}") for path in dict.fromkeys(writable)),
        )
        catch_up = job.schedule is not None and job.schedule.catch_up
        moves = _moves(line, now) is not None
        made[f"{unit}.timer"] = _filled(
            "timer.ini",
            job=job.name,
            unit=unit,
            cron=line.expression,
            time_zone=line.time_zone.key,
            remark=" A slot in the hour that daylight saving skips is left out that day." if moves else "",
            calendar="\n".join(f"OnCalendar={calendar}" for calendar in calendars(line)),
            persistent="yes" if catch_up else "no",
            persistent_reason="A slot that the machine slept through is made good once."
            if catch_up
            else "catch_up = false: a slot that the machine slept through stays without a run.",
        )
    return Units(
        files=made,
        warnings=[
            "to /etc/systemd/system, then: systemctl daemon-reload && systemctl enable --now "
            + " ".join(name for name in made if name.endswith(".timer")),
            f"folders that the services may write into must be there before: {', '.join(dict.fromkeys(folders))}",
            *_minute_warnings(jobs),
        ],
    )


def crontab_lines(jobs: Mapping[str, JobConfig], target: Target, *, now: datetime) -> Units:  # noqa: ARG001  # one signature for all kinds of units
    """A crontab with a line a job."""
    logs, lines = Path(platformdirs.user_log_dir("depin-compare", appauthor=False)), []
    for job, line in _scheduled(jobs):
        # cron ends a command at the first percent sign that has no backslash.
        command = shlex.join(target.command(job)).replace("%", r"\%")
        log = shlex.quote(str(logs / f"{job.name}.log")).replace("%", r"\%")
        lines += [f"CRON_TZ={line.time_zone.key}", f"{line.expression} {command} >>{log} 2>&1"]
    zones = sorted({line.time_zone.key for _, line in _scheduled(jobs)} - {"UTC"})
    text = _filled(
        "crontab.txt",
        log_folder=shlex.quote(str(logs)),
        lines="\n".join(lines),
        elsewhere=f": set it to {zones[0]} there" if len(zones) == 1 else "",
    )
    keys = "keys come from cron's environment: put NAME=value lines above the jobs, in a crontab only you can read"
    return Units(files={"crontab": text}, warnings=[keys, *_minute_warnings(jobs)])


def github_actions(jobs: Mapping[str, JobConfig], target: Target, *, now: datetime) -> Units:
    """A workflow a job, for .github/workflows; snapshots are kept in the repository, or in object storage by URL."""
    made, warnings = {}, []
    for job, line in _scheduled(jobs):
        unit, moves = _unit(job), _moves(line, now)
        remark = f" From {moves:%Y-%m-%d} on daylight saving moves it: print this file again then." if moves else ""
        if moves:
            warnings.append(
                f"job {job.name}: GitHub knows UTC alone; its slots move by the change of {moves:%Y-%m-%d} in "
                f"{line.time_zone.key}: print the file again then, or write the schedule in UTC"
            )
        store = target.store if target.is_url else f"depin-store/{job.name}"
        out = f"depin-report/{job.name}"
        command = ["depin-compare", "run", "--config", target.config.name, "--job", job.name]
        command += ["--store", store, "--out", out]
        kept = [".", *([] if target.is_url else [f":!{store}/http-cache", f":!{store}/locks"])]
        names = _secrets(job)
        environment = [f"          {name}: ${{{{ secrets.{name} }}}}" for name in names]
        limit = str(_stale_hours(line, now))
        made[f"{unit}.yml"] = (
            _filled(
                "workflow.yml",
                job=job.name,
                unit=unit,
                cron=line.expression,
                time_zone=line.time_zone.key,
                remark=remark,
                crons="\n".join(f'    - cron: "{cron}"' for cron in utc_lines(line, now=now)),
                longest_minutes=str(int(LONGEST_RUN.total_seconds() // 60)),
                version=version("depin-compare"),
                environment="\n".join(["        env:", *environment]) if environment else "        env: {}",
                command=shlex.join(command),
                kept=shlex.join(kept),
                staleness=""
                if target.is_url
                else _filled("staleness.yml", store=store, limit_hours=limit).rstrip("\n"),
            ).rstrip("\n")
            + "\n"
        )
    return Units(files=made, warnings=[*warnings, *_minute_warnings(jobs)])


def kubernetes(jobs: Mapping[str, JobConfig], target: Target, *, now: datetime) -> Units:  # noqa: ARG001  # one signature for all kinds of units
    """A CronJob a job, with the job file, the files it reads and, for a store in a folder, a volume."""
    made, job_files = {}, "\n".join(_config_map(target.config))
    for job, line in _scheduled(jobs):
        assert job.schedule is not None
        unit = _short(_unit(job), job)
        store = target.store if target.is_url else "/data/store"
        args = ["depin-compare", "run", "--config", "/etc/depin-compare/job.toml", "--job", job.name]
        args += ["--store", store, "--out", "/data/report"]
        volume = "emptyDir: {}" if target.is_url else f"persistentVolumeClaim:\n  claimName: {unit}"
        made[f"{unit}.yml"] = _filled(
            "cronjob.yml",
            unit=unit,
            version=version("depin-compare"),
            job_file=job_files,
            claim="" if target.is_url else _filled("claim.yml", unit=unit),
            cron=_plain_weekdays(line),
            time_zone=line.time_zone.key,
            deadline_seconds=str(max(60, int(job.schedule.misfire_grace_minutes * 60))),
            longest_seconds=str(int(LONGEST_RUN.total_seconds())),
            args=json.dumps(args),
            data_volume=indent(volume, " " * 14),
        )
    return Units(files=made, warnings=_minute_warnings(jobs))


def _config_map(config: Path) -> Iterator[str]:
    """Entries of a ConfigMap: the job file, and the files of scenarios that any of its jobs reads beside it."""
    from depin_compare.jobs.config_file import load_jobs

    def lines(path: Path) -> str:
        return indent(path.read_text("utf-8").rstrip("\n"), "    ")

    yield lines(config)
    for named in dict.fromkeys(path for job in load_jobs(config).values() for path in job.analysis.scenario_files):
        if not _CONFIG_MAP_KEY.fullmatch(str(named)):
            raise ConfigError(
                f"{config}: reads scenarios from {named}, and a ConfigMap has no folders and takes letters, digits, "
                "-, _ and . alone; lay the file beside the job file under such a name"
            )
        yield f"  {named}: |\n{lines(config.parent / named)}"


UNITS: dict[str, Callable[..., Units]] = {
    "systemd": systemd,
    "cron": crontab_lines,
    "github-actions": github_actions,
    "kubernetes": kubernetes,
}


def utc_lines(line: Crontab, *, now: datetime) -> list[str]:
    """The same times as cron lines in UTC, with the offset of the next slot; several where one can't say it.

    Raises
    ------
    ConfigError
        If in UTC it falls on another day and the line picks days of the month or months.

    Examples
    --------
    >>> summer = datetime(2026, 7, 1, tzinfo=UTC)
    >>> utc_lines(crontab("17 0,6 * * 1-5", "Europe/Berlin"), now=summer)
    ['17 22 * * 0,1,2,3,4', '17 4 * * 1,2,3,4,5']
    """
    _, _, day, month, weekday = line.expression.split()
    offset = (line.next_after(now).astimezone(line.time_zone).utcoffset() or timedelta(0)) // timedelta(minutes=1)
    if offset == 0:
        return [_plain_weekdays(line)]
    clock = ((hour, minute) for hour in _values(line, "hour") for minute in _values(line, "minute"))
    times = [divmod(hour * 60 + minute - offset, 24 * 60) for hour, minute in clock]
    by_hour: dict[tuple[int, int], list[int]] = {}
    for shift, minute_of_day in times:
        by_hour.setdefault((shift, minute_of_day // 60), []).append(minute_of_day % 60)
    made = []
    merged: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for (shift, hour), minutes in sorted(by_hour.items()):
        merged.setdefault((shift, tuple(sorted(minutes))), []).append(hour)
    every_day = day == month == "*"
    for (shift, at_minutes), hours in merged.items():
        if shift and not every_day:
            raise ConfigError(
                f"cron line {line.expression!r} in {line.time_zone.key} falls on another day in UTC, which a cron line "
                "in UTC can't say of days of the month and months; choose another hour, or write it in UTC"
            )
        days = weekday if weekday == "*" else _listed(sorted((number + shift) % 7 for number in line.weekdays))
        hour_field = "*" if len(hours) == 24 else _listed(hours)
        made.append(f"{_listed(at_minutes)} {hour_field} {day} {month} {days}")
    return made


def _scheduled(jobs: Mapping[str, JobConfig]) -> Iterator[tuple[JobConfig, Crontab]]:
    for job in jobs.values():
        if job.schedule is not None:
            yield job, crontab(job.schedule.cron, job.schedule.time_zone)


def _unit(job: JobConfig) -> str:
    """The job's name as every one of these systems takes it."""
    return f"depin-compare-{job.name.replace('_', '-')}".rstrip("-")


def _short(unit: str, job: JobConfig) -> str:
    """The unit's name, as short as Kubernetes wants those of a CronJob."""
    if len(unit) > _LONGEST_CRON_JOB:
        raise ConfigError(
            f"job {job.name!r} has too long a name for Kubernetes: {unit!r} has {len(unit)} signs, "
            f"{_LONGEST_CRON_JOB} are the most; name it shorter"
        )
    return unit


def calendars(line: Crontab) -> list[str]:
    """The line in systemd's words: two where crontab takes day of month or day of week, whichever comes."""
    made = []
    for trigger in line.triggers:
        fields = {field.name: field for field in trigger.fields}
        weekdays = str(fields["day_of_week"])
        days = "" if weekdays == "*" or len(line.weekdays) == 7 else _systemd_weekdays(line.weekdays) + " "
        month, day = (_two_digits(line, name, trigger) for name in ("month", "day"))
        hour, minute = (_two_digits(line, name, trigger) for name in ("hour", "minute"))
        made.append(f"{days}*-{month}-{day} {hour}:{minute}:00 {line.time_zone.key}")
    return made


def _systemd_weekdays(weekdays: Sequence[int]) -> str:
    return ",".join(WEEKDAYS[number].capitalize() for number in weekdays)


def _two_digits(line: Crontab, name: str, trigger: CronTrigger) -> str:
    values = _values(line, name, trigger)
    return "*" if len(values) == len(_RANGES[name]) else ",".join(f"{value:02d}" for value in values)


_RANGES = {"minute": range(60), "hour": range(24), "day": range(1, 32), "month": range(1, 13)}


def _values(line: Crontab, name: str, trigger: CronTrigger | None = None) -> list[int]:
    """The numbers a field of the line stands for."""
    fields = (trigger or line.triggers[0]).fields
    field = next(field for field in fields if field.name == name)
    # January has all days; a year in which nothing else restricts the field.
    probes = {
        "minute": lambda n: datetime(2026, 1, 1, 0, n, tzinfo=UTC),
        "hour": lambda n: datetime(2026, 1, 1, n, tzinfo=UTC),
        "day": lambda n: datetime(2026, 1, n, tzinfo=UTC),
        "month": lambda n: datetime(2026, n, 1, tzinfo=UTC),
    }
    return [number for number in _RANGES[name] if field.get_next_value(probes[name](number)) == number]


def _plain_weekdays(line: Crontab) -> str:
    """The line with Sunday as 0, which every reader of cron lines takes."""
    *others, weekday = line.expression.split()
    return " ".join([*others, weekday if weekday.startswith("*") else _listed(line.weekdays)])


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(str(number) for number in numbers)


def _moves(line: Crontab, now: datetime) -> datetime | None:
    """When the zone's offset changes next, to the day; None if it does not within a year."""
    here = now.astimezone(line.time_zone).utcoffset()
    days = (now + timedelta(days=number) for number in range(1, _YEAR.days))
    return next((day for day in days if day.astimezone(line.time_zone).utcoffset() != here), None)


def _stale_hours(line: Crontab, now: datetime) -> int:
    """Hours without a snapshot that are too long: three slots in a row that brought nothing."""
    slots = list(islice(_onwards(line, now), 40))
    longest = max(after - before for before, after in pairwise(slots))
    return max(1, round(3 * longest.total_seconds() / 3600))


def _onwards(line: Crontab, now: datetime) -> Iterator[datetime]:
    while True:
        now = line.next_after(now)
        yield now


def _minute_warnings(jobs: Mapping[str, JobConfig]) -> list[str]:
    return [
        f"job {job.name}: {line.expression!r} is due on the hour, when everybody asks; a minute such as 17 is "
        "kinder to the sources and answered sooner"
        for job, line in _scheduled(jobs)
        if 0 in _values(line, "minute") and len(_values(line, "minute")) < 60
    ]


def _secrets(job: JobConfig) -> list[str]:
    """Variables that hold keys and addresses a job can use."""
    from fetchers import FETCHERS

    names = []
    for name, fetcher in FETCHERS.items():
        source = job.sources.get(name)
        if source is None or source.enabled:
            names.append((source.key_variable if source else None) or fetcher.key_variable)
    if job.alerts is not None:
        names += [job.alerts.urls_variable, job.alerts.heartbeat_variable]
    return sorted({name for name in names if name})


def _systemd_word(word: str) -> str:
    """A word of a unit file: percent and dollar signs doubled, quoted where it has blanks."""
    escaped = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$")
    return '"' + escaped.replace('"', '\\"') + '"' if re.search(r"[\s\"';]", escaped) else escaped


@cache
def _template(name: str) -> str:
    return files("depin_compare.jobs").joinpath("unit_templates", name).read_text("utf-8")


def _filled(template: str, **values: str) -> str:
    """A template with <<name>> replaced; one that has no value is a KeyError."""
    return re.sub(r"<<(\w+)>>", lambda match: values[match[1]], _template(template))
