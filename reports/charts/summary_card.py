"""The summary card: the verdict in one picture of 1200 by 675 points, for a post."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from depin_compare.analysis import Analysis
from reports.finding import finding, standings, undercut_otherwise
from reports.style import INK, LINE, MUTED, NEGATIVE, Look, fit, is_drawable, styled, text_width, wrap
from reports.verdict_words import verdict_note
from reports.words import AT_MOST, aged, percent, plural, shorten

__all__ = ["MOST_NETWORKS", "card_png", "summary_card"]

WIDTH, HEIGHT, DPI = 8.0, 4.5, 150
MOST_NETWORKS = 6
# Up to so many have room for the sentence of the report; one alone is written larger.
_MOST_TOLD = 3
_LARGE = 1.45
_TONES = {"resilient": "#1b5e20", "exposed": "#8a6100", "eroded": NEGATIVE}
_NAME = 1.4
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
    others = undercut_otherwise(analysis, pair)[0].height
    if pair and others:
        some = f"{plural(others, 'network')} {'does' if others == 1 else 'do'}"
        more += f" With another chip or model {some} undercut {look.names(pair[0])}'s modelled cost."
    ids = [cell["name"] for cell in drawn if not is_drawable(cell["display_name"])]
    more += f" {', '.join(ids)}: name in letters that can't be drawn." if ids else ""
    unknown = "; n/k: not known" if any(cell["margin"] is None for cell in drawn) else ""
    blank = any(cell[key] is None for cell in drawn for key in ("list", "committed", "modelled_cost"))
    meaning = (
        "+ cheaper, in % of the cloud's price or cost; supplier keeps: full-cost margin, % of receipts, no token "
        f"rewards{unknown}{'; n/c: not comparable' if blank else ''}. "
        f"{verdict_note(analysis.outlook, brief=True)}"
    )
    told_below = [
        more.strip(),
        *wrap(meaning, _SMALL, WIDTH - 0.6),
        f"depin-compare, {look.dated()}. A model of public prices and stated assumptions; not investment advice.",
    ]
    notes = [note for note in told_below if note]
    foot = 0.2 + 0.16 * len(notes) + 0.04
    in_words, large = len(drawn) <= _MOST_TOLD, _LARGE if len(drawn) == 1 else 1.0
    step = (top - 0.13 - foot) / max(1, len(drawn))
    for i, cell in enumerate(drawn):
        lines = _whole_sentences(cell["sentence"], int((step / large - 0.35) / 0.16), 8 * large) if in_words else []
        above = 0.2 * large if lines else 0.5 * step
        _row(put, top - 0.13 - step * i - above, cell, look, large if in_words else min(1.0, step / 0.36))
        for k, line in enumerate(lines):
            y = top - 0.13 - step * i - (0.44 + 0.16 * k) * large
            put(0.3, y, line, 8 * large, color=MUTED, gid=f"told:{cell['network']}:{k}")
        y = (top - 0.13 - step * (i + 1)) / HEIGHT
        figure.add_artist(Rectangle((0.3 / WIDTH, y), (WIDTH - 0.6) / WIDTH, 0.004 / HEIGHT, color=LINE))
    if not cells:
        put(0.3, top - 0.5, "No source gave a price that can be compared; the report says why.", 10, color=MUTED)
    for i, note in enumerate(reversed(notes)):
        put(0.3, 0.2 + 0.16 * i, fit(note, _SMALL, WIDTH - 0.6), _SMALL, color=MUTED, gid=f"footer-{i}")
    return figure


def _whole_sentences(text: str, most_lines: int, size: float) -> list[str]:
    """As many sentences as fit: one that ends in the middle says something else."""
    lines: list[str] = []
    sentences = [part.rstrip(".") + "." for part in text.split(". ") if part]
    for n in range(1, len(sentences) + 1):
        longer = wrap(" ".join(sentences[:n]), size, WIDTH - 0.6)
        if len(longer) > most_lines:
            break
        lines = longer
    return lines


def _fit_words(text: str, size: float) -> str:
    """The name, cut to its column behind a word where enough of it stays."""
    longest = fit(text, size, _NAME, bold=True)
    for room in range(len(longest), len(longest) // 2, -1) if longest != text else ():
        cut = shorten(text, room)
        if not text[len(cut) - 1 : len(cut)].isalnum():
            return cut
    return longest


def _row(put: Any, y: float, cell: dict[str, Any], look: Look, scale: float) -> None:
    """A network's row: letters of 12 points, by ``scale``; low rows have smaller ones where there are two lines."""
    colour, _ = look.network(cell["network"])
    large, two = 12.0 * max(1.0, scale), 9.0 * min(1.0, scale)
    whole = text_width(cell["name"], large, bold=True) <= _NAME
    names = [cell["name"]] if whole else wrap(cell["name"], two, _NAME, bold=True)
    size = large if whole else two
    lines = [(_fit_words(n, size), size, colour, "bold") for n in [names[0], " ".join(names[1:])] if n]
    mark = f"data {aged(cell['freshness'])}" if aged(cell["freshness"]) else ""
    beside = text_width(cell["name"], large, bold=True) + 0.06 if whole else _NAME
    if mark and beside + text_width(mark, 6.3) <= _NAME + 0.1:
        put(_COLUMNS[0] + beside, y - 0.015, mark, 6.3, color=MUTED)
    elif mark:
        lines += [(fit(mark, 6.3, _NAME + 0.2), 6.3, MUTED, "normal")]
    for i, (line, points, tint, weight) in enumerate(lines):
        put(
            _COLUMNS[0], y + 0.07 * scale * (len(lines) - 1) - 0.14 * scale * i, line, points, weight=weight,
            color=tint, gid=f"name:{cell['network']}:{i}",
        )  # fmt: skip
    for x, key in zip(_COLUMNS[1:5], ("list", "committed", "modelled_cost", "margin"), strict=True):
        value = cell[key]
        unknown = "n/k" if key == "margin" else "n/c"
        at_most = f"{AT_MOST} " if key == "margin" and cell["at_most"] and value is not None else ""
        put(
            x, y, at_most + percent(value, signed=True, unknown=unknown), large if value is not None else 8.5,
            ha="center", color=MUTED if value is None else NEGATIVE if value < 0 else INK,
            gid=f"{key}:{cell['network']}",
        )  # fmt: skip
    first, comma, rest = str(cell["verdict"]).partition(", ")
    parts = [f"{first},", rest] if comma else wrap(first, 8.5 * scale, 1.45 * max(1.0, scale))[:2]
    for i, part in enumerate(parts):
        put(
            _COLUMNS[5],
            y + (0.07 * scale if len(parts) > 1 else 0.0) - 0.14 * scale * i,
            part,
            8.5 * scale,
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
