"""What a chart drew: its lines and its words, found by gid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

WHITE = to_rgba("white")


def lines(figure: Figure, prefix: str) -> list[Line2D]:
    """All lines whose gid begins so, over all axes."""
    return [line for axes in figure.axes for line in axes.lines if str(line.get_gid()).startswith(prefix)]


def marks(figure: Figure, prefix: str) -> list[Any]:
    """Patches, bands and other collections whose gid begins so, over all axes."""
    drawn = [artist for axes in figure.axes for artist in [*axes.patches, *axes.collections]]
    return [artist for artist in drawn if str(artist.get_gid()).startswith(prefix)]


def texts(figure: Figure) -> list[Text]:
    """Every text of a figure that is drawn, also that of its axes."""
    inside = [t for axes in figure.axes for t in [*axes.texts, axes.title, *axes.get_yticklabels()]]
    return [t for t in [*figure.texts, *inside] if t.get_text().strip()]


def words(figure: Figure) -> str:
    """All of them in one line."""
    return " ".join(t.get_text() for t in texts(figure))


def said(figure: Figure, gid: str) -> str:
    """The words of the texts whose gid begins so."""
    return " ".join(t.get_text().strip() for t in texts(figure) if str(t.get_gid()).startswith(gid))


def is_hollow(line: Line2D) -> bool:
    """Whether a marker is drawn as one that rests on stored or reference data."""
    return to_rgba(line.get_markerfacecolor()) == WHITE


def _box(text: Text, renderer: RendererAgg) -> Bbox:
    """Where the words are, without the line from a label to what it names."""
    if isinstance(text, Annotation):
        text.update_positions(renderer)
    return Text.get_window_extent(text, renderer)


def box_of(text: Text) -> Bbox:
    """Where the words of a text are, in the figure's dots."""
    assert isinstance(text.figure, Figure)
    return _box(text, FigureCanvasAgg(text.figure).get_renderer())


def cut_off(figure: Figure, *, inches: float = 0.03) -> Iterator[str]:
    """The texts that reach beyond the sheet."""
    width, height = (side * figure.dpi for side in figure.get_size_inches())
    renderer, slack = FigureCanvasAgg(figure).get_renderer(), inches * figure.dpi
    for text in texts(figure):
        # As the charts are drawn: hinting would round every letter to whole pixels.
        with matplotlib.rc_context({"text.hinting": "none"}):
            box = _box(text, renderer)
        if box.x0 < -slack or box.y0 < -slack or box.x1 > width + slack or box.y1 > height + slack:
            yield text.get_text()


def overlapping(figure: Figure, prefix: str) -> list[tuple[str, str]]:
    """Pairs of texts whose gids begin so and that lie on each other."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    found = [(t.get_text(), _box(t, renderer)) for t in texts(figure) if str(t.get_gid()).startswith(prefix)]
    return [(a, b) for i, (a, one) in enumerate(found) for b, other in found[i + 1 :] if one.overlaps(other)]
