"""Series of the history of prices, and what a title says of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from reports.style import Look
from reports.view import plain
from reports.words import day, month, of_things, percent, usd

__all__ = [
    "MARKETS",
    "NOTHING_KNOWN",
    "Line",
    "finding",
    "history_chip",
    "history_lines",
    "named_move",
    "rents_of",
    "span_seconds",
    "turning_point",
]

NOTHING_KNOWN = "No dated price is known"
# Commitments and spot prices are other goods, and would crowd the few series a reader can follow.
MARKETS: dict[str, tuple[str, Any]] = {
    "hyperscaler_list": ("list", "-"),
    "capacity_block": ("capacity block", (0, (4, 1.5))),
    "on_demand": ("", "-"),
    "marketplace": ("market", "-"),
    "contract_1y": ("1-year", "-"),
    "index": ("index", "-"),
}
_YEAR = timedelta(days=366)
_LITTLE = 0.005
# So far beyond both ends of a move, as a fraction, its low or high between them is told.
_BEYOND = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series as it is drawn: its longest chain, oldest first."""

    series: str
    seller: str
    market: str
    points: pl.DataFrame

    @property
    def first(self) -> float:
        return float(self.points["value"][0])

    @property
    def last(self) -> float:
        return float(self.points["value"][-1])

    @property
    def fall(self) -> float:
        """How much lower the last value is than the first, as a fraction."""
        return 1 - self.last / self.first


def history_lines(frame: pl.DataFrame) -> list[Line]:
    """Every series of a part of Trends, by name; of an index in several chains the longest."""
    made = []
    for (series,), whole in plain(frame).sort("series", "observed_at").group_by("series", maintain_order=True):
        chain = whole.group_by("chain").len().sort("len", "chain", descending=[True, False])["chain"][0]
        points = whole.filter(pl.col("chain") == chain)
        made.append(
            Line(series=str(series), seller=str(series).split(" ")[0], market=points["market"][0], points=points)
        )
    return made


def history_chip(trends: pl.DataFrame) -> str | None:
    """The chip whose rent is drawn: the one told of on most days, the first by name of equal ones."""
    rents = rents_of(plain(trends))
    if rents.is_empty():
        return None
    days = rents.group_by("subject").agg(n=pl.struct("series", "observed_at").n_unique())
    return str(days.sort("n", "subject", descending=[True, False])["subject"][0])


def rents_of(trends: pl.DataFrame) -> pl.DataFrame:
    return trends.filter(pl.col("subject_kind") == "rent", pl.col("market").is_in(list(MARKETS)))


def _moved(fall: float) -> str:
    return "did not move" if abs(fall) < 0.0005 else f"fell {percent(fall)}" if fall > 0 else f"rose {percent(-fall)}"


def finding(rents: list[Line], tokens: list[Line], look: Look) -> str:
    """The title: the longest list price of a cloud, and how hosted tokens moved like for like; true of any series."""
    lists = [li for li in rents if li.market == "hyperscaler_list" and li.points.height > 1]
    told = []
    if lists:
        longest = min(lists, key=lambda li: (-span_seconds(li), li.series))
        first = month(longest.points["observed_at"][0])
        chip = look.names(longest.points["subject"][0])
        told.append(
            f"{look.names(longest.seller)}'s list price of an hour of {chip} {_moved(longest.fall)} since {first}"
        )
    told += _networks_moved(rents, look)
    falls = [li.fall for li in tokens if li.points.height > 1]
    if falls:
        low, high = min(falls), max(falls)
        if len(falls) == 1 or abs(low - high) < 0.0005:
            what = _moved(low)
        elif low >= 0.0005:
            what = f"fell by {percent(low)} to {percent(high)}"
        elif high <= -0.0005:
            what = f"rose by {percent(-high)} to {percent(-low)}"
        else:
            what = f"moved by {percent(-high, signed=True)} to {percent(-low, signed=True)}"
        told.append(f"hosted tokens, model for model, {what}")
    title = "; ".join(told)
    return title[0].upper() + title[1:] if title else NOTHING_KNOWN


def _moves(rents: list[Line], look: Look) -> list[tuple[float, Line, dict[str, Any]]]:
    """How far each network's own price moved within a year of the newest one, its series and the row it began with."""
    mine = [li for li in rents if li.seller in look.networks and li.market in ("marketplace", "on_demand")]
    moved = []
    for li in mine:
        since = max(li.points["observed_at"][-1] for li in mine) - _YEAR
        before = li.points.filter(pl.col("observed_at") <= since).tail(1)
        within = li.points.filter(pl.col("observed_at") > since)
        # A price list holds until the next one; of a market nothing is known between two days.
        first = before if before.height and bool(li.points["is_list"].all()) else within.head(1)
        if within.height and (first.height and first["observed_at"][0] < within["observed_at"][-1]):
            row = first.row(0, named=True)
            moved.append((li.last / row["value"] - 1, li, row))
    return moved


def named_move(rents: list[Line], look: Look) -> tuple[Line, dict[str, Any]] | None:
    """The network's price whose move the title tells, with the row it began with; None where none moved."""
    moved = _moves(rents, look)
    up = sum(m[0] > _LITTLE for m in moved) >= sum(m[0] < -_LITTLE for m in moved)
    most = max(moved, key=lambda m: (m[0] if up else -m[0], m[1].series), default=None)
    return None if most is None or abs(most[0]) <= _LITTLE else most[1:]


def turning_point(line: Line, first: dict[str, Any]) -> dict[str, Any] | None:
    """The row of a move's low or high that lies well beyond both its ends; None where it went from one to the other."""
    between = line.points.filter(pl.col("observed_at") > first["observed_at"]).head(-1)
    if between.is_empty():
        return None
    ends = sorted((first["value"], line.last))
    rows = [between.sort("value", "observed_at").row(i, named=True) for i in (0, -1)]
    beyond = [(ends[0] / rows[0]["value"], rows[0]), (rows[1]["value"] / ends[1], rows[1])]
    far, row = max(beyond, key=lambda one: one[0])
    return row if far > 1 + _BEYOND else None


def _networks_moved(rents: list[Line], look: Look) -> list[str]:
    """How the networks' own prices moved within a year of the newest one; nothing where none has two days of it."""
    moved, named = _moves(rents, look), named_move(rents, look)
    if named is None:
        return ["networks' own prices did not move within a year"] if moved else []
    line, first = named
    verb, sign = ("rose", 1) if line.last > first["value"] else ("fell", -1)
    days = first["observed_at"], line.points["observed_at"][-1]
    form = month if month(days[0]) != month(days[1]) else day
    ends = f"from {usd(first['value'])} in {form(days[0])} to {usd(line.last)} in {form(days[1])}"
    if form is day:
        ends = ends.replace(" in ", " on ")
    turn = turning_point(line, first)
    if turn is not None:
        what = "low" if turn["value"] < min(first["value"], line.last) else "high"
        at = form(turn["observed_at"])
        ends += f", after a {what} of {usd(turn['value'])} {'on' if form is day else 'in'} {at}"
    if len(moved) == 1:
        return [f"{look.names(line.seller)}'s price {verb} {ends}"]
    n = sum(sign * m[0] > _LITTLE for m in moved)
    return [f"{of_things(n, len(moved), 'network price')} {verb} within a year, {look.names(line.seller)}'s {ends}"]


def span_seconds(line: Line) -> float:
    seconds: float = (line.points["observed_at"][-1] - line.points["observed_at"][0]).total_seconds()
    return seconds
