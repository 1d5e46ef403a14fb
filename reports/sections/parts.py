"""Cells, tables and texts of a page, as plain data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, TypeAlias

from depin_compare.economics.margins import PAID_IN_TOKENS
from reports.verdict_words import gone, not_so_in
from reports.words import AT_LEAST, AT_MOST, KIND_WORDS, aged, fee, likelihood, percent

Cell: TypeAlias = "str | dict[str, Any]"
Part: TypeAlias = dict[str, Any]


def column(title: str, width: float = 0, *, right: bool = False) -> dict[str, Any]:
    """One column: its title, its share of the width, and its side."""
    return {"title": title, "width": width, "right": right}


def width_for(texts: Iterable[str], least: float, most: float) -> float:
    """The share of a column that holds the longest of some texts, within bounds; a share of 1 is about 20 letters.

    >>> width_for(["AWS"], 0.8, 1.5), width_for(["Extraordinarily Long-Named"], 0.8, 1.5)
    (0.8, 1.3)
    """
    return min(most, max(least, max((len(text) for text in texts), default=0) / 20))


def table_part(columns: Sequence[dict[str, Any]], body: Sequence[Sequence[Cell]], notes: Iterable[str] = ()) -> Part:
    """A table with its notes beneath."""
    return {"type": "table", "columns": list(columns), "rows": [list(row) for row in body], "notes": list(notes)}


def paragraph(text: str, *, quiet: bool = False) -> Part:
    """A paragraph; a quiet one is small and grey."""
    return {"type": "quiet" if quiet else "text", "text": text}


def subheading(text: str) -> Part:
    """A heading inside a section."""
    return {"type": "heading", "text": text}


def kind_cell(kind: str | None, text: str | None = None) -> Cell:
    """The coloured word that says how a number is known, after the number itself where there is one."""
    if kind is None:
        return text or ""
    made: dict[str, Any] = {"kind": kind, "words": KIND_WORDS.get(kind, kind)}
    return made | ({"text": text} if text else {})


def change_cell(value: float | None, *, unknown: str = "n/c") -> Cell:
    """A saving or margin: green above zero, red below, grey where there is none."""
    if value is None:
        return {"text": unknown, "quiet": True}
    return {"text": percent(value, signed=True), "tone": "good" if value > 0 else "bad" if value < 0 else "muted"}


def date_cell(
    row: Mapping[str, Any] | None, as_of: date, *, already: str = "lost today", unknown: str = "n/c", lost: bool = False
) -> dict[str, Any]:
    """When half of the draws are lost; beneath it the share that never is, or with ``lost`` that is at some time."""
    if row is None or row["state"] == "not_comparable":
        return {"text": unknown, "quiet": True}
    if row["state"] == "already_lost":
        return {"text": already, "tone": "bad"} | (
            {"under": beneath} if (beneath := not_so_in(dict(row), as_of)) else {}
        )
    share = row["probability_lost"]
    day = row["date_p50"] if share is not None else row["date"]
    told = {"text": gone(day, as_of, never="not reached"), "tone": "good" if day is None else "warn"}
    if share is None:
        return told
    return told | {"under": f"{likelihood(share)} lost" if lost else f"kept in {likelihood(1 - share)} of draws"}


def linked(text: str, url: str | None) -> Cell:
    """Text with its address behind it; anything but a web address stays plain text."""
    return {"text": text, "link": url} if url and url.startswith(("https://", "http://")) else text


def span_words(low: float | None, high: float | None, form: Any) -> str:
    """``low to high``; nothing where an end is not known."""
    return "" if low is None or high is None else f"{form(low)} to {form(high)}"


_SAID_RANGE = re.compile(r"\bsays (\d+) to (\d+) per cent\b")


def coverage_words(row: Mapping[str, Any]) -> str:
    """A ratio of revenue to what is paid out; the span where the source tells one.

    >>> coverage_words({"value": 0.35, "note": "its page says 30 to 40 per cent"})
    '0.30 to 0.40'
    >>> coverage_words({"value": 0.35, "note": None})
    '0.35'
    """
    said = _SAID_RANGE.search(row["note"] or "")
    return f"{int(said[1]) / 100:.2f} to {int(said[2]) / 100:.2f}" if said else f"{row['value']:.2f}"


def use_words(utilisation: float | None, *, narrow: bool = False, at_least: bool = False) -> str:
    """Break-even utilisation in words that follow the break-even price: either is enough alone.

    >>> use_words(0.57), use_words(1.2), use_words(1.2, narrow=True)
    ('or 57% use', "at today's price no use suffices", 'no use is enough')
    >>> use_words(0.57, at_least=True)
    'or ≥ 57% use'
    """
    if utilisation is None:
        return ""
    if utilisation > 1:
        return "no use is enough" if narrow else "at today's price no use suffices"
    return f"or {f'{AT_LEAST} ' * at_least}{percent(utilisation)} use"


BOUNDED_NOTE = f"{AT_MOST}, {AT_LEAST}: the network may keep more than it publishes."


def bounded(cell: dict[str, Any], sign: str, *, when: bool) -> dict[str, Any]:
    """A known number that is a bound, with its sign.

    >>> bounded({"text": "5.9%"}, AT_MOST, when=True)["text"], bounded({"text": "n/k", "quiet": True}, "x", when=True)
    ('≤ 5.9%', {'text': 'n/k', 'quiet': True})
    """
    return cell | {"text": f"{sign} {cell['text']}"} if when and not cell.get("quiet") else cell


def network_keeps(share: float | None, takes: Iterable[Mapping[str, Any]], *, narrow: bool = False) -> dict[str, Any]:
    """What a network keeps of the tenant's bill, as every page tells it.

    ``share`` is that of the margins (`reports.view.take_shares`): fees on both sides and the spread on minting, at the
    central way to pay. Beneath it the ways to pay or products that differ, of the ``network_take`` rows; in a narrow
    column only their span, and not how they are known. "At least" says that a fee on the buyer's side may come on top.

    >>> ways = [{"subject": "IO", "value": 0.005, "bound": None}, {"subject": "USDC", "value": 0.044, "bound": None}]
    >>> network_keeps(0.0346, ways)
    {'text': '3.5%', 'under': '0.5% in IO, 4.4% in USDC'}
    >>> network_keeps(0.0346, ways, narrow=True)
    {'text': '3.5%', 'under': '0.5% to 4.4%'}
    >>> services = [{"subject": "container", "value": 0.35, "bound": "lower"},
    ...             {"subject": "gateway", "value": 0.6, "bound": "lower"}]
    >>> network_keeps(0.6, services)["under"], network_keeps(0.6, services, narrow=True)["under"]
    ('at least 35% (container) or 60% (gateway)', 'at least 35% or 60%')
    >>> network_keeps(None, [{"subject": None, "value": 0.1, "bound": "lower"}]), network_keeps(None, [])
    ({'text': '10%', 'under': 'at least'}, {'text': 'n/k', 'quiet': True})
    >>> network_keeps(1.0, [{"subject": None, "value": 1.0, "note": PAID_IN_TOKENS}])
    {'text': 'burned', 'under': 'nodes are paid in minted tokens'}
    >>> network_keeps(0.0, [{"subject": None, "value": 0.0, "bound": "lower"}])
    {'text': '0%', 'under': 'at least'}
    >>> spread = "1 - (1 - take_rate) (1 - mint_settle_spread)"
    >>> network_keeps(0.0025, [{"subject": "AKT", "value": 0.0025, "bound": None, "formula": spread}])
    {'text': '0.25%', 'under': 'with its spread on minting'}
    """
    known = [take for take in takes if take["value"] is not None]
    if any(take.get("note") == PAID_IN_TOKENS for take in known):
        return {"text": "burned"} | ({} if narrow else {"under": "nodes are paid in minted tokens"})
    ends = list(dict.fromkeys(fee(value) for value in sorted(take["value"] for take in known)))
    if share is None and not ends:
        return {"text": "n/k", "quiet": True}
    span = " to ".join(dict.fromkeys((ends[0], ends[-1]))) if ends else ""
    least = any(take["bound"] == "lower" for take in known)
    under = "at least" if least else ""
    if len(ends) > 1 and least:
        each = ends if narrow else [f"{fee(take['value'])} ({take['subject']})" for take in known]
        under = f"at least {' or '.join(each)}"
    elif len(ends) > 1:
        under = span if narrow else ", ".join(f"{fee(t['value'])} in {t['subject']}" for t in known if t["subject"])
    if not (under or narrow) and known and all("mint_settle_spread" in (t.get("formula") or "") for t in known):
        under = "with its spread on minting"
    made: dict[str, Any] = {"text": span if share is None else fee(share)} | ({"under": under} if under else {})
    kind = None if narrow or not known else known[0].get("kind")
    return made | ({"kind": kind, "words": KIND_WORDS.get(kind, kind)} if kind else {})


# What to do about an old price is the operator's affair; the age and its limit stand before it.
_ADVICE = re.compile(r"; (ask its source again|give your own)[^;]*")


def without_advice(reason: str) -> str:
    """A reason without what an operator may do about it.

    >>> without_advice("the price is 75 days old; ask its source again, or raise its limit_age_days; no take rate")
    'the price is 75 days old; no take rate'
    """
    return _ADVICE.sub("", reason)


_VERDICT_TONES = {"resilient": "good", "exposed": "warn", "mixed": "warn", "eroded": "bad"}


def verdict_cell(head: dict[str, Any], because: str = "") -> dict[str, Any]:
    """A headline's verdict in its colour, marked where it rests on old data; beneath it what else must be said."""
    made: dict[str, Any] = {"text": head["verdict"], "strong": True}
    if tone := _VERDICT_TONES.get(head["verdict"]):
        made["tone"] = tone
    under = [f"data {mark}" if (mark := aged(head["freshness"])) else "", because]
    if any(under):
        made["under"] = "; ".join(filter(None, under))
    return made


def terms_words(chip: str, terms: str | None) -> str:
    """``H100 SXM 80GB, on demand``: which chip a price is of, and on what terms."""
    return f"{chip}, {terms.replace('_', ' ')}" if terms else chip
