"""Charts in the forms and sizes asked for, on any number of processes; and the one picture of the verdict."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from depin_compare.analysis import Analysis
from reports import charts, drawing
from reports.drawing import CARD, Forms, Picture, drawn, workers_for
from reports.style import Look, empty

KEPT = ("headroom", "source_ages")


@pytest.fixture
def few_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of the charts, so that it does not take long."""
    monkeypatch.setattr(drawing, "CHARTS", {name: charts.CHARTS[name] for name in KEPT})


def picture_of(png: bytes | None) -> Image.Image:
    assert png is not None
    return Image.open(io.BytesIO(png))


def test_a_helper_draws_the_same_bytes_and_imports_nothing_of_the_folder_it_runs_in(
    one_network: Analysis, few_charts: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    forms = Forms(png=True, svg=True, networks=True)
    alone = drawn(one_network, forms, workers=1)
    assert list(alone) == [*KEPT, "network/akash"]
    assert alone["network/akash"].png is None
    assert all(picture.failed is None and picture.svg for picture in alone.values())
    for name in ("matplotlib.py", "reports.py"):
        (tmp_path / name).write_text("raise SystemExit('the folder was searched first')")
    monkeypatch.chdir(tmp_path)
    work = drawing._Work(waiting=drawing.deque(alone))
    with drawing._helper(work, one_network, forms):
        pass
    assert work.done == alone


def test_a_helper_that_dies_costs_nothing(
    one_network: Analysis, few_charts: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    forms = Forms(svg=True)
    alone = drawn(one_network, forms, workers=1)
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def dying(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        started.append(popen([command[0], "-c", "raise SystemExit(9)"], **options))  # type: ignore[call-overload]  # the options of the call replaced
        return started[-1]

    monkeypatch.setattr(drawing.subprocess, "Popen", dying)
    assert drawn(one_network, forms, workers=3) == alone
    assert len(started) == 1  # no more than there are charts
    assert all(child.returncode is not None for child in started)
    assert "a process that drew charts has ended" in caplog.text


def test_where_no_process_can_be_started_this_one_draws_all(
    one_network: Analysis, few_charts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(drawing.subprocess, "Popen", none)
    assert list(drawn(one_network, Forms(svg=True), workers=2)) == list(KEPT)


def test_a_bug_in_a_helper_is_raised_where_the_report_is_written(
    one_network: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Picture:
        raise AttributeError("no such attribute")

    answers = iter([AttributeError("no such attribute")])
    monkeypatch.setattr(drawing.pickle, "load", lambda _: next(answers))
    monkeypatch.setattr(drawing, "_send", lambda *_: None)
    work = drawing._Work(waiting=drawing.deque(["headroom", "source_ages"]))
    child = types.SimpleNamespace(stdin=io.BytesIO(), stdout=io.BytesIO())
    drawing._feed(child, work, one_network, Forms(svg=True))  # type: ignore[arg-type]  # given on purpose, or a frame without its schema
    assert isinstance(work.bug, AttributeError)
    assert work.next() is None  # nothing more is drawn
    monkeypatch.setattr(drawing, "_picture", broken)
    with pytest.raises(AttributeError, match="no such attribute"):
        drawn(one_network, Forms(svg=True), workers=1)


def test_helpers_start_where_there_are_many_networks(
    one_network: Analysis, thirty_networks: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert workers_for(one_network) == 1
    assert workers_for(thirty_networks) == 4
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert workers_for(thirty_networks) == 2
    monkeypatch.setattr(sys, "executable", "")
    assert workers_for(thirty_networks) == 1


@pytest.mark.parametrize(
    ("forms", "width", "dpi"),
    [
        (Forms(png=True), None, 150),
        (Forms(png=True, dpi=75), None, 75),
        (Forms(png=True, png_width=1001), 1001, None),
        (Forms(png=True, png_width=777, dpi=300), 777, 300),
    ],
    ids=["as it comes", "fewer dots", "a width", "a width on paper"],
)
def test_a_png_has_the_size_asked_for(
    forms: Forms, width: int | None, dpi: int | None, one_network: Analysis, few_charts: None
) -> None:
    plain = picture_of(drawn(one_network, Forms(png=True), workers=1)["source_ages"].png)
    made = picture_of(drawn(one_network, forms, workers=1)["source_ages"].png)
    if width is not None:
        assert made.width == width
        assert made.height / made.width == pytest.approx(plain.height / plain.width, rel=0.01)
    elif dpi is not None:
        assert made.width == pytest.approx(plain.width * dpi / 150, abs=1)
    if dpi is not None:
        assert made.info["dpi"] == pytest.approx((dpi, dpi), rel=1e-3)


@pytest.fixture
def card_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Analysis, Look], Figure]], None]:
    """Let something draw the card."""

    def given(draw: Callable[[Analysis, Look], Figure]) -> None:
        module = types.ModuleType("reports.charts.summary_card")
        module.summary_card = draw  # type: ignore[attr-defined]  # not in the stubs
        module.__spec__ = types.SimpleNamespace(name=module.__name__)  # type: ignore[assignment]  # a stand-in
        monkeypatch.setitem(sys.modules, "reports.charts.summary_card", module)

    return given


def test_the_card_is_one_picture_of_1200_by_675(
    one_network: Analysis, few_charts: None, card_of: Callable[..., None]
) -> None:
    card_of(lambda *_: Figure(figsize=(8, 4.5), facecolor="#102030"))
    made = drawn(one_network, Forms(), card=True)
    assert list(made) == [CARD]
    card = picture_of(made[CARD].png)
    assert card.size == (1200, 675)
    assert card.getpixel((0, 0)) == card.getpixel((1199, 674)) == (16, 32, 48, 255)  # to the edge
    assert drawn(one_network, Forms(), card=True) == made


def test_a_card_that_can_not_be_drawn_says_why(one_network: Analysis, card_of: Callable[..., None]) -> None:
    def broken(*_: object) -> Figure:
        raise ValueError("no verdict")

    card_of(broken)
    assert drawn(one_network, Forms(), card=True)[CARD] == Picture(failed="ValueError: no verdict")


def test_an_empty_panel_is_a_picture_too(empty_analysis: Analysis, few_charts: None) -> None:
    made = drawn(empty_analysis, Forms(png=True, svg=True))
    assert set(made) == set(KEPT)
    assert empty("A", "b", Look.of(empty_analysis)).axes
