"""The summary card: the verdict in one picture of 1200 by 675 points, for a post."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from depin_compare.analysis import Analysis
from reports.finding import finding, standings
from reports.style import INK, LINE, MUTED, NEGATIVE, Look, fit, styled, text_width, wrap
from reports.verdict_words import verdict_note
from reports.words import aged, percent

__all__ = ["MOST_NETWORKS", "card_png", "summary_card"]

WIDTH, HEIGHT, DPI = 8.0, 4.5, 150
MOST_NETWORKS = 6
# Up to so many have room for the sentence of the report.
_MOST_TOLD = 3
_TONES = {"resilient": "#1b5e20", "exposed": "#8a6100", "eroded": NEGATIVE}
_NAME = 1.5
_SMALL = 7.2
_COLUMNS = (0.30, 2.2, 3.22, 4.3, 5.42, 7.7)


@styled
def summary_card(analysis: Analysis, look: Look) -> Figure:
    """Draw the verdict table of the first networks on a card.

    Parameters
    ----------
    analysis : Analysis
        A whole run.
    look : Look
        Names, colours, date.
    """
    pair, cells = standings(analysis, look.names)
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor="white")

    def put(x: float, y: float, text: str, size: float, **how: Any) -> None:
        figure.text(x / WIDTH, y / HEIGHT, text, fontsize=size, **{"va": "center", "color": INK, **how})

    figure.add_artist(Rectangle((0.3 / WIDTH, 4.22 / HEIGHT), 0.5 / WIDTH, 0.035 / HEIGHT, color=INK, lw=0))
    told = finding(cells, look.names(pair[0]) if pair else "a cloud")
    # A little smaller where that spares a line of one word.
    size = 15.0 if text_width(told, 14, bold=True) > WIDTH - 0.6 else 14.0
    title = wrap(told, size, WIDTH - 0.6, bold=True)[:2]
    for i, line in enumerate(title):
        put(0.3, 3.98 - 0.28 * i, line, size, weight="bold", gid=f"title-{i}")
    against = f" Cloud: {look.names.long_pair(*pair)}." if pair else ""
    under = f"Inference on decentralised GPU networks against the cloud, equal work.{against}"
    put(0.3, 3.98 - 0.28 * len(title), fit(under, 9, WIDTH - 0.6), 9, color=MUTED, gid="subtitle")
    top = 3.62 - 0.28 * len(title)
    heads = ("Network", "v. list price", "v. committed", "v. modelled cost", "Supplier keeps", "Verdict (base)")
    for x, head in zip(_COLUMNS, heads, strict=True):
        put(x, top, head, 8, color=MUTED, ha="left" if x == _COLUMNS[0] else "right" if x == _COLUMNS[-1] else "center")
    figure.add_artist(Rectangle((0.3 / WIDTH, (top - 0.13) / HEIGHT), (WIDTH - 0.6) / WIDTH, 0.008 / HEIGHT, color=INK))
    drawn = cells[:MOST_NETWORKS]
    missing = sum(cell["list"] is None and cell["modelled_cost"] is None for cell in cells[MOST_NETWORKS:])
    more = f"{len(cells) - MOST_NETWORKS} more in the report" if len(cells) > MOST_NETWORKS else ""
    more += f", {missing} of them without a price to compare." if missing and more else "." if more else ""
    unknown = "; n/k: not known" if any(cell["margin"] is None for cell in drawn) else ""
    blank = any(cell[key] is None for cell in drawn for key in ("list", "committed", "modelled_cost"))
    meaning = (
        "+ cheaper than the cloud, in % of its price or cost; supplier keeps: full-cost margin, % of receipts, no "
        f"token rewards{unknown}{'; n/c: not comparable' if blank else ''}. "
        f"{verdict_note(analysis.outlook, brief=True)}"
    )
    told_below = [
        more,
        *wrap(meaning, _SMALL, WIDTH - 0.6),
        f"depin-compare, {look.dated()}. A model of public prices and stated assumptions; not investment advice.",
    ]
    notes = [note for note in told_below if note]
    foot = 0.2 + 0.16 * len(notes) + 0.04
    in_words = len(drawn) <= _MOST_TOLD
    step = min(1.5 if in_words else 0.5, (top - 0.13 - foot) / max(1, len(drawn)))
    for i, cell in enumerate(drawn):
        above = 0.24 if in_words else 0.55 * step
        _row(put, top - 0.13 - step * i - above, cell, look)
        lines = _whole_sentences(cell["sentence"], int((step - 0.42) / 0.16)) if in_words else []
        for k, line in enumerate(lines):
            put(0.3, top - 0.13 - step * i - 0.52 - 0.16 * k, line, 8, color=MUTED, gid=f"told:{cell['network']}:{k}")
        y = (top - 0.13 - step * (i + 1)) / HEIGHT
        figure.add_artist(Rectangle((0.3 / WIDTH, y), (WIDTH - 0.6) / WIDTH, 0.004 / HEIGHT, color=LINE))
    if not cells:
        put(0.3, top - 0.5, "No source gave a price that can be compared; the report says why.", 10, color=MUTED)
    for i, note in enumerate(reversed(notes)):
        put(0.3, 0.2 + 0.16 * i, fit(note, _SMALL, WIDTH - 0.6), _SMALL, color=MUTED, gid=f"footer-{i}")
    return figure


def _whole_sentences(text: str, most_lines: int) -> list[str]:
    """As many sentences as fit: one that ends in the middle says something else."""
    lines: list[str] = []
    sentences = [part.rstrip(".") + "." for part in text.split(". ") if part]
    for n in range(1, len(sentences) + 1):
        longer = wrap(" ".join(sentences[:n]), 8, WIDTH - 0.6)
        if len(longer) > most_lines:
            break
        lines = longer
    return lines


def _row(put: Any, y: float, cell: dict[str, Any], look: Look) -> None:
    colour, _ = look.network(cell["network"])
    whole = text_width(cell["name"], 12, bold=True) <= _NAME
    names = [cell["name"]] if whole else wrap(cell["name"], 9, _NAME, bold=True)
    size = 12.0 if whole else 9.0
    lines = [(fit(n, size, _NAME, bold=True), size, colour, "bold") for n in [names[0], " ".join(names[1:])] if n]
    mark = f"data {aged(cell['freshness'])}" if aged(cell["freshness"]) else ""
    lines += [(fit(mark, 6.3, _NAME + 0.2), 6.3, MUTED, "normal")] if mark else []
    for i, (line, size, tint, weight) in enumerate(lines):
        put(
            _COLUMNS[0], y + 0.07 * (len(lines) - 1) - 0.14 * i, line, size, weight=weight, color=tint,
            gid=f"name:{cell['network']}:{i}",
        )  # fmt: skip
    for x, key in zip(_COLUMNS[1:5], ("list", "committed", "modelled_cost", "margin"), strict=True):
        value = cell[key]
        unknown = "n/k" if key == "margin" else "n/c"
        put(
            x, y, percent(value, signed=True, unknown=unknown), 12 if value is not None else 8.5, ha="center",
            color=MUTED if value is None else NEGATIVE if value < 0 else INK, gid=f"{key}:{cell['network']}",
        )  # fmt: skip
    first, comma, rest = str(cell["verdict"]).partition(", ")
    parts = [f"{first},", rest] if comma else wrap(first, 8.5, 1.45)[:2]
    for i, part in enumerate(parts):
        put(
            _COLUMNS[5],
            y + (0.075 if len(parts) > 1 else 0.0) - 0.15 * i,
            part,
            8.5,
            ha="right",
            color=_TONES.get((part if comma else first).split(" ")[0], MUTED),
            weight="bold",
            gid=f"verdict:{cell['network']}:{i}",
        )


@styled
def card_png(figure: Figure) -> bytes:
    """The card as PNG, 1200 by 675."""
    import io

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
