"""What all charts share: one sheet with a finding on top, colours that survive grey print, and honest markers.

Filled is live, hollow is not (stored or reference data), hatched is a bar that rests on such data; purple and
"(claim)" is what a vendor says of itself; a band is uncertainty; a dotted line is a threshold.
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal, ParamSpec, TypeVar, cast

import matplotlib
import matplotlib.ticker
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

from depin_compare.analysis import Analysis
from depin_compare.economics.token_economics import fee_floors
from depin_compare.market.discrepancies import CATALOGUES
from reports import words
from reports.view import (
    ages_in_days,
    cost_sources,
    network_order,
    not_fetched,
    not_live,
    ordered_pairs,
    scenario_titles,
)
from reports.words import Names

__all__ = [
    "CLAIM",
    "CLOUD_STYLE",
    "INK",
    "KEY_STEP",
    "LETTERED",
    "LETTERS",
    "LINE",
    "MUTED",
    "NEGATIVE",
    "REFERENCE_COLOUR",
    "REFERENCE_MARKER",
    "WIDTH",
    "Key",
    "Look",
    "Sheet",
    "alt_text",
    "empty",
    "fit",
    "ids_note",
    "is_drawable",
    "layer_ages",
    "letter_colour",
    "marker_size",
    "marker_style",
    "network_styles",
    "png_bytes",
    "price_axis",
    "source_note",
    "styled",
    "svg_text",
    "text_width",
    "title_lines",
    "title_of",
    "wrap",
]

INK = "#1b1f24"
MUTED = "#5b6470"
LINE = "#d5d9de"
CLAIM = "#7b3fa0"
NEGATIVE = "#b3261e"
# Inches: the width of the text block on A4 and Letter, so that a chart is printed at the size it was drawn for.
WIDTH = 7.1

# Dark blue, red and ochre differ in lightness as well as in hue (after Paul Tol's high-contrast scheme), and every
# network has its marker, so that the charts read in grey and to the colour-blind.
_KNOWN_NETWORKS = {"akash": ("#bb3a50", "o"), "ionet": ("#004488", "s"), "render": ("#b98a00", "^")}
_NETWORK_CYCLE = (
    ("#1f86a0", "D"),
    ("#882255", "v"),
    ("#4d6fb3", "P"),
    ("#d0602a", "X"),
    ("#3f7d20", "<"),
)
_OTHER = ("#8a8f98", "o")
_MOST_NAMED = len(_KNOWN_NETWORKS) + len(_NETWORK_CYCLE)
CLOUD_STYLE = {"azure": ("#26323d", "s"), "aws": ("#5d6b78", "D"), "google": ("#93a0ac", "^")}
_CLOUD_LETTERS = {"azure": "Az", "aws": "AW", "google": "Go", "oracle": "Or"}
_OTHER_CLOUD = ("#b4bcc4", "P")
REFERENCE_MARKER = {"list": "s", "committed": "D", "modelled_cost": "o", "cost_plus_margin": "^"}
REFERENCE_COLOUR = {
    "list": "#26323d",
    "committed": "#5f7285",
    "modelled_cost": "#00796b",
    "cost_plus_margin": "#7fb8ae",
}

# Comes with matplotlib: the machine's own fonts would change the bytes.
FONT_FAMILY = "DejaVu Sans"

_RC: dict[str, Any] = {
    "font.family": FONT_FAMILY,
    "font.size": 7.5,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "xtick.major.size": 3,
    "xtick.minor.size": 0,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "lines.solid_capstyle": "round",
    "text.hinting": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "depin-compare",
    "path.simplify": True,
}

_P = ParamSpec("_P")
_R = TypeVar("_R")


def styled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Run a drawing function under the house style, whatever the caller's matplotlib settings are."""

    @functools.wraps(function)
    def within(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            cast("dict[str, Any]", matplotlib.rcParams).update(_RC)
            return function(*args, **kwargs)

    return within


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a chart must know beside its frame: names, the day, each network's colour, and whose price is not live."""

    names: Names = field(default_factory=Names)
    as_of: datetime
    networks: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    not_live: Mapping[str, str] = field(default_factory=dict)  # network -> "reference, 103 days"
    not_fetched: str = ""  # "reference" where no source was asked
    fee_floors: frozenset[str] = frozenset()  # networks that may keep more than they publish
    cost_tellers: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (cloud, silicon) -> "SemiAnalysis"

    @classmethod
    def of(cls, analysis: Analysis) -> Look:
        """The look of a whole run: colours follow the headlines' order, the same in every chart.

        Networks that can be compared come first, for there are fewer colours than networks may be.
        """
        publishers = analysis.sources.select("source_id", "publisher").drop_nulls()
        known = dict(publishers.iter_rows()) | dict(analysis.display_names)
        headlines = analysis.headlines
        known |= {k: v for k, v in headlines.select("network", "display_name").iter_rows() if v}
        known |= {k: v for k, v in headlines.select("accelerator", "accelerator_display_name").iter_rows() if k and v}
        known |= scenario_titles(analysis.scenarios)
        known = {k: v if is_drawable(v) else f"[{k}]" for k, v in known.items()}
        names = network_order(headlines["network"].to_list())
        compared = set(analysis.comparison.filter(pl.col("advantage").is_not_null())["network"])
        others = analysis.market_prices.filter(pl.col("segment") != "hyperscaler")["network"].unique().to_list()
        return cls(
            names=Names(known=known),
            as_of=analysis.as_of,
            networks=network_styles(
                [*sorted(names, key=lambda n: n not in compared), *sorted(set(others) - set(names))]
            ),
            not_live={
                network: f"{layer}, {words.age(days)}"
                for network, (layer, days) in not_live(headlines, analysis.unit_costs, analysis.as_of).items()
            },
            not_fetched=not_fetched(analysis.source_states),
            fee_floors=frozenset(fee_floors(analysis.token_economics)),
            cost_tellers={
                pair: words.source_name(s, None, Names(known=known))
                for pair, s in cost_sources(analysis.unit_costs).items()
            },
        )

    def modelled_by(self, shown: pl.DataFrame) -> list[str]:
        """For a footer: who the modelled costs of a comparison's rows rest on; nothing where nobody is known.

        >>> shown = pl.DataFrame({"cloud": ["aws"], "silicon": ["nvidia"], "reference": ["modelled_cost"]})
        >>> Look(as_of=datetime(2026, 11, 22), cost_tellers={("aws", "nvidia"): "SemiAnalysis"}).modelled_by(shown)
        ['modelled costs after SemiAnalysis']
        """
        pairs = ordered_pairs(shown.filter(pl.col("reference") == "modelled_cost"))
        tellers = dict.fromkeys(self.cost_tellers[pair] for pair in pairs if pair in self.cost_tellers)
        return [f"modelled costs after {words.listing(tellers)}"] if tellers else []

    def dated(self, what: str = "data") -> str:
        """Of when the numbers are: ``prices as of 2026-11-22``; where nothing was fetched, what is compared as of it.

        >>> Look(as_of=datetime(2026, 11, 22), not_fetched="reference").dated("prices")
        'reference prices, compared as of 2026-11-22'
        """
        day = words.minute(self.as_of)
        return f"{self.not_fetched} {what}, compared as of {day}" if self.not_fetched else f"{what} as of {day}"

    def not_live_note(self, networks: Iterable[str], marks: str) -> str:
        """The footer's sentence on those of the networks whose price is not live; nothing where all are.

        ``marks`` say what such a network looks like: ``"Hatched"``, ``"Hollow start"``.
        """
        if not any(network in self.not_live for network in networks):
            return ""
        return f" {marks}: the network's price is not live; how old it is stands with its name."

    def network(self, network: str) -> tuple[str, str]:
        """Colour and marker of a network."""
        return self.networks.get(network) or _KNOWN_NETWORKS.get(network) or _OTHER

    def cloud(self, cloud: str) -> tuple[str, str]:
        """Colour and marker of a cloud."""
        return CLOUD_STYLE.get(cloud, _OTHER_CLOUD)

    def letters(self, cloud: str) -> str:
        """The two letters of a cloud, for marks that no network's shape can be taken for."""
        return _CLOUD_LETTERS.get(cloud) or self.names(cloud)[:2]

    def is_named(self, network: str) -> bool:
        """Whether the network has a colour of its own, or is one of the grey rest."""
        return self.network(network) != _OTHER


def network_styles(networks: Iterable[str]) -> dict[str, tuple[str, str]]:
    """A colour and a marker a network: the known ones keep theirs, the next take turns, the rest are grey."""
    styles = dict(_KNOWN_NETWORKS)
    free = iter(_NETWORK_CYCLE)
    for network in networks:
        if network not in styles:
            styles[network] = next(free, _OTHER)
    return styles


def letter_colour(colour: str, layer: str | None) -> str:
    """What letters within a marker are written in: white on a dark filled one, else ink, which stands on any pale one.

    >>> letter_colour("#26323d", "live"), letter_colour("#b4bcc4", "live") == letter_colour("#26323d", None) == INK
    ('white', True)
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "white" if layer == "live" and 0.3 * red + 0.59 * green + 0.11 * blue < 140 else INK


def marker_style(colour: str, layer: str | None) -> dict[str, Any]:
    """Filled for live data, hollow for any other."""
    return {
        "markeredgecolor": colour,
        "markerfacecolor": colour if layer == "live" else "white",
        "markeredgewidth": 1.1,
    }


# Markers of thin arms, whose hollow only shows where they are larger: by how much.
_THIN_ARMS = {"P": 1.25, "X": 1.2, "*": 1.6}


def marker_size(marker: str, points: float) -> float:
    """Points of a marker that looks as large, and hollow as clearly, as a circle of ``points``.

    >>> marker_size("o", 5.0), marker_size("P", 5.0)
    (5.0, 6.25)
    """
    return points * _THIN_ARMS.get(marker, 1.0)


@functools.cache
def _letters() -> frozenset[str]:
    """Every letter of the charts' font."""
    return frozenset(map(chr, get_font(findfont(FontProperties(family=FONT_FAMILY))).get_charmap()))


def is_drawable(text: str) -> bool:
    """Whether the charts' font has every letter of a text; a name it can't write is drawn as its id.

    >>> is_drawable("Gaudí's Garden"), is_drawable("分散型")
    (True, False)
    """
    return _letters().issuperset(text)


@functools.lru_cache(maxsize=4096)
def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width of a line of text in inches, in the charts' own font."""
    font = get_font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")))
    # Measured large and scaled down: at the drawn size, hinting would round every letter to whole pixels.
    font.set_size(100, 72)
    font.set_text(text, 0.0)
    return float(font.get_width_height()[0]) / 64 * size / 100 / 72


def fit(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """The text, cut with an ellipsis where it would be wider than ``width`` inches."""
    if text_width(text, size, bold=bold) <= width:
        return text
    for length in range(len(text) - 1, 0, -1):
        shorter = words.shorten(text, length)
        if text_width(shorter, size, bold=bold) <= width:
            return shorter
    return text[:1]


def wrap(text: str, size: float, width: float, *, bold: bool = False) -> list[str]:
    """The text in lines no wider than ``width`` inches."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, bold=bold) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One entry of the key above the plot."""

    label: str
    colour: str = INK
    marker: str | None = None
    hollow: bool = False
    line: Literal["-", "--"] | None = None
    band: bool = False
    letters: str = ""  # within the marker


# Around a picture that stands alone; on a page the page has its own.
_MARGIN = 0.2
# A little less than the sheet: renderers round the width of a line differently.
_TEXT_WIDTH = 0.98 * WIDTH
_FOOTER_WIDTH = 0.965 * WIDTH  # small letters are rounded most
# Points: the side of a square that holds two letters, and their size.
LETTERED, LETTERS = 9.4, 5.0
_TITLE, _SUBTITLE, _FOOTER, _KEY = 11.0, 8.0, 6.5, 7.0
_TITLE_STEP, _SUBTITLE_STEP, _FOOTER_STEP, KEY_STEP = 0.19, 0.145, 0.115, 0.17


def title_lines(title: str) -> int:
    """How many lines a finding takes on a sheet.

    >>> title_lines("Three of five networks"), title_lines("Three of five networks " * 5)
    (1, 2)
    """
    return len(wrap(title, _TITLE, _TEXT_WIDTH, bold=True))


class Sheet:
    """A figure with its finding, unit, key and footer in place; `grid` divides the room between them."""

    def __init__(
        self, *, title: str, subtitle: str, footer: Sequence[str], plot_height: float, keys: Sequence[Key] = ()
    ) -> None:
        titles = wrap(title, _TITLE, _TEXT_WIDTH, bold=True)
        subtitles = wrap(subtitle, _SUBTITLE, _TEXT_WIDTH)
        feet = [line for text in footer for line in wrap(text, _FOOTER, _FOOTER_WIDTH)]
        key_rows = _key_rows(keys)
        head = 0.12 + _TITLE_STEP * len(titles) + _SUBTITLE_STEP * len(subtitles) + 0.06 + KEY_STEP * len(key_rows)
        foot = 0.06 + _FOOTER_STEP * len(feet)
        self.height = head + plot_height + foot + 0.06
        self.figure = Figure(figsize=(WIDTH, self.height), dpi=150, facecolor="white")
        self._top, self._bottom = self.height - head - 0.02, foot
        self.figure.add_artist(Rectangle((0, 1 - 0.03 / self.height), 0.075, 0.03 / self.height, color=INK, lw=0))
        y = self.height - 0.12
        y = self._lines(titles, y, _TITLE, _TITLE_STEP, gid="title", weight="bold")
        y = self._lines(subtitles, y - 0.01, _SUBTITLE, _SUBTITLE_STEP, gid="subtitle", color=MUTED)
        self._keys(key_rows, y - 0.05)
        self._lines(feet, foot - 0.02, _FOOTER, _FOOTER_STEP, gid="footer", color=MUTED)

    def panel_keys(self, axes: Axes, keys: Sequence[Key], *, left: float, width: float) -> None:
        """A key of one panel's own, above it, from ``left`` on, in rows of ``width``; both in inches."""
        rows = _key_rows(keys, width)
        top = axes.get_position().y1 * self.height + KEY_STEP * len(rows) + 0.04
        self._keys([[(left + x, key) for x, key in row] for row in rows], top)

    def _lines(self, lines: Sequence[str], top: float, size: float, step: float, *, gid: str, **style: Any) -> float:
        for i, line in enumerate(lines):
            y = (top - i * step) / self.height
            self.figure.text(0, y, line, fontsize=size, va="top", ha="left", gid=f"{gid}-{i}", **style)
        return top - step * len(lines)

    def _keys(self, key_rows: Sequence[Sequence[tuple[float, Key]]], top: float) -> None:
        for i, row in enumerate(key_rows):
            y = (top - (i + 0.45) * KEY_STEP) / self.height
            for x, key in row:
                if key.band:
                    high = 0.09 / self.height
                    box = Rectangle((x / WIDTH, y - high / 2), 0.2 / WIDTH, high, color=key.colour, alpha=0.2, lw=0)
                    self.figure.add_artist(box)
                if key.line or key.marker:
                    xs = [x / WIDTH, (x + 0.2) / WIDTH] if key.line else [(x + 0.1) / WIDTH]
                    self.figure.add_artist(
                        Line2D(
                            xs,
                            [y] * len(xs),
                            linestyle=key.line or "none",
                            marker=key.marker,
                            markersize=LETTERED if key.letters else 4.5,
                            color=key.colour,
                            linewidth=1.3,
                            **marker_style(key.colour, "stored" if key.hollow else "live"),
                        )
                    )
                if key.letters:
                    paint = letter_colour(key.colour, "stored" if key.hollow else "live")
                    self.figure.text(
                        (x + 0.1) / WIDTH, y, key.letters, fontsize=LETTERS, weight="bold", color=paint, ha="center",
                        va="center_baseline", gid="letters",
                    )  # fmt: skip
                shift = 0.26 if key.line or key.band else 0.2
                self.figure.text(
                    (x + shift) / WIDTH, y, key.label, fontsize=_KEY, va="center", ha="left", gid="key", color=INK
                )

    def grid(
        self,
        n_rows: int,
        n_columns: int,
        *,
        left: float,
        right: float = 0.12,
        below: float = 0.34,
        above: float = 0.0,
        gap_x: float = 0.25,
        gap_y: float = 0.4,
    ) -> list[list[Axes]]:
        """Axes in rows; all lengths in inches."""
        width = (WIDTH - left - right - gap_x * (n_columns - 1)) / n_columns
        room = self._top - self._bottom - below - above
        height = (room - gap_y * (n_rows - 1)) / n_rows
        made = []
        for i in range(n_rows):
            bottom = self._top - above - (i + 1) * height - i * gap_y
            line = []
            for j in range(n_columns):
                box = (
                    (left + j * (width + gap_x)) / WIDTH,
                    bottom / self.height,
                    width / WIDTH,
                    height / self.height,
                )
                line.append(self.figure.add_axes(box))
            made.append(line)
        return made


def _key_rows(keys: Sequence[Key], wide: float = WIDTH + 0.15) -> list[list[tuple[float, Key]]]:
    """Entries with their place in inches, in as many rows as they need."""
    made: list[list[tuple[float, Key]]] = []
    x = 0.0
    for key in keys:
        width = (0.26 if key.line or key.band else 0.2) + text_width(key.label, _KEY) + 0.18
        if not made or x + width > wide:
            made.append([])
            x = 0.0
        made[-1].append((x, key))
        x += width
    return made


def source_note(
    look: Look,
    frame: pl.DataFrame,
    columns: Iterable[tuple[str, str]],
    sources: Iterable[str],
    *,
    what: str = "prices",
    marks: str = "Hollow or hatched",
) -> str:
    """Footer line: whose data, as of when, and how old what is not live is.

    ``columns`` are (layer, observed_at) column names of ``frame``; ``what`` the numbers are called, ``marks`` what of
    them is not live looks like in this chart.
    """
    told = layer_ages(look, frame, columns)
    hollow = "" if told is None else f" {marks}: {' or '.join(told)}." if told else f" All {what} live."
    names = ", ".join([*sources, *_second_hand(look, frame)])
    networks = frame["network"].drop_nulls().unique() if "network" in frame.columns else ()
    return f"Source: {names}; {look.dated()}.{hollow}{ids_note(look, networks)}"


def layer_ages(look: Look, frame: pl.DataFrame, columns: Iterable[tuple[str, str]]) -> list[str] | None:
    """Of which layers and how old the numbers are that are not live: ``reference data (60 to 152 days old)``.

    Of `source_note`'s columns; None where there are no numbers.
    """
    ages: dict[str, list[float]] = {}
    for layer_column, at_column in columns:
        if layer_column in frame.columns:
            part = frame.select(pl.col(layer_column).cast(pl.String), at_column).drop_nulls().unique()
            for layer in part[layer_column].unique().sort():
                at = part.filter(pl.col(layer_column) == layer)[at_column]
                ages.setdefault(layer, []).extend(ages_in_days(look.as_of, at))
    told = []
    for layer in ("stored", "reference"):
        days = ages.get(layer)
        if days:
            low, high = words.age(min(days)), words.age(max(days))
            span = high if low == high else f"{low} to {high}"
            told.append(f"{'stored earlier' if layer == 'stored' else 'reference data'} ({span} old)")
    return told if ages else None


def ids_note(look: Look, networks: Iterable[str]) -> str:
    """For a footer: what a name in brackets is, where one of these networks is drawn so; else nothing.

    >>> ids_note(Look(names=Names(known={"cjk": "[cjk]"}), as_of=datetime(2026, 11, 22)), ["cjk", "akash"])
    ' [cjk]: the id, for want of letters of the name.'
    """
    ids = [name for one in sorted(set(networks)) if (name := look.names(one)) == f"[{one}]"]
    return f" {words.listing(ids)}: the id, for want of letters of the name." if ids else ""


def _second_hand(look: Look, frame: pl.DataFrame) -> list[str]:
    """Which catalogues tell the prices of how many sellers of a frame; nothing where each seller's come from itself."""
    if not {"source", "network"} <= set(frame.columns):
        return []
    told = frame.filter(pl.col("source").is_in(CATALOGUES))
    names = words.listing(look.names(one) for one in told["source"].unique().sort())
    return [f"{words.plural(told['network'].n_unique(), 'seller')} as told by {names}"] if names else []


def price_axis(axes: Axes, low: float, high: float) -> None:
    """A log axis of money with up to seven round ticks that don't touch, written as money."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    per_inch = math.log(high / low) / (axes.get_position().width * WIDTH)
    ticks: list[float] = []
    for mantissas, step in (((1, 2, 5), 1), ((1, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2), ((1,), 3)):
        found = [m * 10.0**e for e in range(-6, 7, step) for m in mantissas]
        ticks = [tick for tick in found if low <= tick <= high]
        ends = [(math.log(tick) / per_inch, text_width(f"${tick:g}", 7)) for tick in ticks]
        if len(ticks) <= 7 and all(b - a > (v + w) / 2 + 0.06 for (a, v), (b, w) in pairwise(ends)):
            break
    axes.set_xticks(ticks, [f"${t:g}" for t in ticks])
    axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axes.grid(axis="x")


@styled
def empty(title: str, reason: str, look: Look) -> Figure:
    """The panel drawn when there is nothing to draw: it says so, and why."""
    sheet = Sheet(
        title=title,
        subtitle=f"{words.NOTHING_DRAWN}{reason.rstrip('.')}",
        footer=[f"Source: this run; {look.dated()}."],
        plot_height=0.1,
    )
    ((axes,),) = sheet.grid(1, 1, left=0.0, right=0.0, below=0.02)
    axes.set_axis_off()
    return sheet.figure


def alt_text(figure: Figure) -> str:
    """What the chart says, for readers who can't see it: title, unit and footer."""
    parts: dict[str, list[str]] = {}
    for text in figure.texts:
        parts.setdefault(str(text.get_gid()).split("-")[0], []).append(text.get_text())
    return ". ".join(" ".join(parts[k]).rstrip(".") for k in ("title", "subtitle", "footer") if k in parts) + "."


def title_of(figure: Figure) -> str:
    """The finding a chart carries."""
    return " ".join(t.get_text() for t in figure.texts if str(t.get_gid()).startswith("title-"))


@styled
def png_bytes(figure: Figure, *, dpi: int = 150, width_px: int | None = None) -> bytes:
    """The chart as PNG with a white margin around it; the same figure gives the same bytes.

    ``width_px`` is the width of the picture, margin included, in place of ``dpi``.
    """
    buffer = io.BytesIO()
    width, height = figure.get_size_inches()
    around = Bbox([[-_MARGIN, -_MARGIN], [width + _MARGIN, height + _MARGIN]])
    fine = float(dpi) if width_px is None else width_px / around.width
    figure.savefig(buffer, format="png", dpi=fine, bbox_inches=around, metadata={"Software": None})
    return buffer.getvalue()


@styled
def svg_text(figure: Figure) -> str:
    """The chart as SVG with real text; the same figure gives the same bytes."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
