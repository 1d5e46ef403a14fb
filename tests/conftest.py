"""No test reaches the network: only this machine's own address may be connected to, and no other name resolves."""

from __future__ import annotations

import gc
import logging
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

LOCAL = ["127.0.0.1", "::1"]
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every test speak to servers it started itself, and to nothing else."""
    for item in items:
        item.add_marker(pytest.mark.allow_hosts(LOCAL))


def pytest_collection_finish() -> None:
    """Modules and tests stay to the end: the garbage collector need not look at them after every few objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


@pytest.fixture(autouse=True)
def _no_names_no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def local_names_only(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host in (None, "localhost", *LOCAL):
            return real(host, *args, **kwargs)
        raise socket.gaierror(socket.EAI_NONAME, f"no name is looked up in a test: {host!r}")

    monkeypatch.setattr(socket, "getaddrinfo", local_names_only)
    for variable in PROXIES:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)


@pytest.fixture(autouse=True, scope="session")
def _data_sets_for_all_workers(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> None:
    """What one worker of a run builds of the data sets, the others read."""
    import report_data

    if worker_id != "master":
        report_data.SHARED = tmp_path_factory.getbasetemp().parent


@pytest.fixture(autouse=True, scope="session")
def _few_draws() -> Iterator[None]:
    """Whole analyses with few draws: how many steady quantiles take is proved on the erosion alone."""
    from depin_compare import analysis

    whole = analysis.erosion

    def with_few(*args: Any, draws: int, **options: Any) -> Any:
        return whole(*args, draws=min(draws, 256), **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "erosion", with_few)
        yield


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """The command line sets up the log of its process: here that is everybody's."""
    loggers = [logging.getLogger(name) for name in (None, "depin_compare", "fetchers", "reports")]
    levels, handlers = [logger.level for logger in loggers], list(loggers[0].handlers)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    for handler in [h for h in loggers[0].handlers if h not in handlers and type(h).__module__.startswith("depin_")]:
        loggers[0].removeHandler(handler)


@pytest.fixture
def jobs_analyse_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jobs of a test take an analysis of equal arguments from an earlier test."""
    from analysed import analysed_once

    monkeypatch.setattr("depin_compare.jobs.run.analyse", analysed_once)


@pytest.fixture
def jobs_analyse_anew(monkeypatch: pytest.MonkeyPatch, jobs_analyse_once: None) -> None:
    """The jobs of a test make every analysis themselves."""
    from depin_compare.analysis import analyse

    monkeypatch.setattr("depin_compare.jobs.run.analyse", analyse)


@pytest.fixture
def drawn_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what is drawn does not matter: a small figure for every chart."""
    from reports import charts
    from reports.style import empty

    for name in charts.CHARTS:
        monkeypatch.setitem(charts.CHARTS, name, lambda _, look: empty("Small", "none is asked for", look))


@pytest.fixture
def type_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, jobs_analyse_once: None
) -> Callable[..., tuple[int, str, str]]:
    """Type a command of depin-compare in an empty folder; gives exit code, stdout and stderr."""
    from depin_compare import cli

    for variable in (
        "DEPIN_COMPARE_CONFIG",
        "DEPIN_COMPARE_JOB",
        "DEPIN_COMPARE_LOG_FORMAT",
        "DEPIN_COMPARE_LOG_LEVEL",
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("DEPIN_COMPARE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["depin-compare", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


# The first example of a property pays for lazy imports; slowness is a matter of the benchmarks.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")
