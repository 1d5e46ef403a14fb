"""Draws the charts of a run, in helper processes too where there are many networks; the bytes are the same.

Drawing is Python's own work, so that threads wait for each other (measured: a ninth faster on two cores), and a fork
of a process in which polars has started its threads may hang. A helper is therefore a new interpreter that gets the
analysis once and then one chart after another; nothing of the caller's script is imported in it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import logging
import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import IO, Any

import polars as pl
from matplotlib.figure import Figure

from depin_compare.analysis import Analysis
from depin_compare.errors import DepinCompareError
from reports.charts import CHARTS, network_charts
from reports.style import Look, alt_text, png_bytes, styled, svg_text

__all__ = ["CARD", "CHART_ERRORS", "Forms", "Picture", "drawn", "workers_for"]

log = logging.getLogger(__name__)

# What a chart may fail with on data nobody foresaw; anything else is a bug that must be seen.
CHART_ERRORS = (DepinCompareError, ValueError, ArithmeticError, LookupError, TypeError, pl.exceptions.PolarsError)

CARD = "card"
_CARD_MODULE, _CARD_DPI = "reports.charts.summary_card", 150
# A helper needs a second to start: what it saves on fewer networks is not worth a core's second.
_FEWEST_NETWORKS = 8
_MOST_WORKERS = 4
_DEFAULT_DPI = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """What is wanted of every chart.

    Parameters
    ----------
    png, svg : bool
    networks : bool
        As SVG also the charts of single networks, which stand on the pages alone.
    png_width : int, optional
        Width of the PNG with its margin. [pixel]
    dpi : int, optional
        Dots per inch; with ``png_width`` only what the picture says of its size on paper. Default 150, or what the
        width needs.
    """

    png: bool = False
    svg: bool = False
    networks: bool = False
    png_width: int | None = None
    dpi: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart in the forms asked for, or the reason why there is none."""

    png: bytes | None = None
    svg: str | None = None
    alt: str = ""
    failed: str | None = None


def drawn(analysis: Analysis, forms: Forms, *, card: bool = False, workers: int | None = None) -> dict[str, Picture]:
    """Every chart of a run by name, in the order of `reports.charts.CHARTS`; those of single networks; the card.

    Parameters
    ----------
    analysis : Analysis
    forms : Forms
    card : bool
        The one-image summary as PNG too, named ``card``, where there is one.
    workers : int, optional
        Processes, this one among them; default: `workers_for`. The pictures are the same on any number.

    Raises
    ------
    Exception
        Whatever a chart raises that is none of `CHART_ERRORS`.
    """
    names = [*_charts(analysis, forms), *([CARD] if card and _card() else ())]
    count = min(workers_for(analysis) if workers is None else workers, len(names))
    work = _Work(waiting=deque(names))
    look = Look.of(analysis)
    with contextlib.ExitStack() as helpers:
        for _ in range(count - 1):
            helpers.enter_context(_helper(work, analysis, forms))
        while (name := work.next()) is not None:
            work.done[name] = _picture(name, analysis, look, forms)
    # What a helper that broke off had in hand.
    while (name := work.next()) is not None:
        work.done[name] = _picture(name, analysis, look, forms)
    if work.bug is not None:
        raise work.bug
    return {name: work.done[name] for name in names}


def workers_for(analysis: Analysis) -> int:
    """How many processes are worth their start: one for few networks, else one a core."""
    if analysis.headlines.height < _FEWEST_NETWORKS or not sys.executable:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_WORKERS)


def _charts(analysis: Analysis, forms: Forms) -> dict[str, Callable[[Analysis, Look], Figure]]:
    """Name -> what draws it, of every chart that is wanted in some form."""
    wanted = dict(CHARTS) if forms.png or forms.svg else {}
    return wanted | network_charts(analysis) if forms.networks else wanted


def _picture(name: str, analysis: Analysis, look: Look, forms: Forms) -> Picture:
    """One chart, in each form; on data it can't draw, the reason."""
    try:
        if name == CARD:
            draw = _card()
            return Picture() if draw is None else Picture(png=_card_png(draw(analysis, look)))
        figure = _charts(analysis, forms)[name](analysis, look)
        return Picture(
            png=_sized_png(figure, forms) if forms.png and name in CHARTS else None,
            svg=svg_text(figure) if forms.svg else None,
            alt=alt_text(figure) if forms.svg else "",
        )
    except CHART_ERRORS as error:
        return Picture(failed=f"{type(error).__name__}: {error}".splitlines()[0])


def _sized_png(figure: Figure, forms: Forms) -> bytes:
    if forms.png_width is None:
        return png_bytes(figure, dpi=forms.dpi or _DEFAULT_DPI)
    made = png_bytes(figure, width_px=forms.png_width)
    return made if forms.dpi is None else _marked(made, forms.dpi)


def _marked(png: bytes, dpi: int) -> bytes:
    """The same pixels, to be printed at so many dots an inch."""
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.save(buffer, format="png", dpi=(dpi, dpi))
    return buffer.getvalue()


def _card() -> Callable[[Analysis, Look], Figure] | None:
    """What draws the one-image summary, 8 by 4.5 inches; None where there is nothing that does."""
    if importlib.util.find_spec(_CARD_MODULE) is None:
        return None
    draw: Callable[[Analysis, Look], Figure] = importlib.import_module(_CARD_MODULE).summary_card
    return draw


@styled
def _card_png(figure: Figure) -> bytes:
    """1200 by 675 pixels, to the edge."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_CARD_DPI, metadata={"Software": None})
    return buffer.getvalue()


# -- helper processes ----------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Work:
    """Charts that wait, and those that are done; a deque hands each name to one taker."""

    waiting: deque[str]
    done: dict[str, Picture] = field(default_factory=dict)
    bug: BaseException | None = None

    def next(self) -> str | None:
        if self.bug is not None:
            return None
        try:
            return self.waiting.popleft()
        except IndexError:
            return None


@contextlib.contextmanager
def _helper(work: _Work, analysis: Analysis, forms: Forms) -> Iterator[None]:
    """A process that draws what waits, while the caller does the same; at the end its last chart is awaited."""
    code = "from reports.drawing import _serve; _serve()"
    paths = os.pathsep.join(path for path in sys.path if path)
    try:
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths},
        )  # fmt: skip
    except OSError as error:
        log.info("charts are drawn in one process: no other can be started (%s)", error)
        yield
        return
    feeder = threading.Thread(target=_feed, args=(child, work, analysis, forms), daemon=True)
    feeder.start()
    try:
        yield
        feeder.join()
    finally:
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what it never read
                    stream.close()


def _feed(child: subprocess.Popen[bytes], work: _Work, analysis: Analysis, forms: Forms) -> None:
    """Hand a helper one chart after another; what it does not give back waits again."""
    name: str | None = None
    try:
        _send(child.stdin, forms)
        for part in fields(analysis):
            _send(child.stdin, (part.name, _packed(getattr(analysis, part.name))))
        while (name := work.next()) is not None:
            _send(child.stdin, name)
            answer = pickle.load(_stream(child.stdout))
            if isinstance(answer, BaseException):
                work.bug = answer
                return
            work.done[name] = answer
    except (OSError, EOFError, ValueError, pickle.PickleError) as error:
        if name is not None:
            work.waiting.append(name)
        log.info("a process that drew charts has ended (%s); the others draw on", error or type(error).__name__)


def _serve() -> None:
    """The helper: an analysis, then names, each answered with its picture."""
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    forms = pickle.load(asked)
    analysis = Analysis(**{name: _unpacked(held) for name, held in (pickle.load(asked) for _ in fields(Analysis))})
    look = Look.of(analysis)
    while True:
        try:
            name = pickle.load(asked)
        except EOFError:
            return
        try:
            answer: Picture | Exception = _picture(name, analysis, look, forms)
        except Exception as error:  # the caller raises what is none of CHART_ERRORS
            answer = error
        _send(answers, answer)


def _packed(held: Any) -> Any:
    """A frame as compressed Arrow, anything else as it is: pickled whole, a frame takes five times its memory."""
    if not isinstance(held, pl.DataFrame):
        return held
    buffer = io.BytesIO()
    held.write_ipc(buffer, compression="lz4")
    return _Frame(buffer.getvalue())


def _unpacked(held: Any) -> Any:
    return pl.read_ipc(io.BytesIO(held.arrow)) if isinstance(held, _Frame) else held


@dataclass(frozen=True, slots=True)
class _Frame:
    arrow: bytes


def _send(stream: IO[bytes] | None, message: Any) -> None:
    to = _stream(stream)
    pickle.dump(message, to, protocol=pickle.HIGHEST_PROTOCOL)
    to.flush()


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise EOFError("no pipe")
    return stream
