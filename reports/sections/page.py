"""What every section knows of the run: its frames, names, charts, and how the age of a number is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from depin_compare.analysis import Analysis
from depin_compare.economics.token_economics import fee_floors
from reports import view, words
from reports.sections.parts import Cell, Part, linked
from reports.since import Since
from reports.words import NOT_KNOWN, Names

if TYPE_CHECKING:
    from reports.style import Look

_OF_ID = re.compile(r"\b(of|at) ([a-z0-9][a-z0-9.-]*[a-z0-9])(?![\w-])")


# What an operator may do about it is no matter of the report's readers.
_FOR_OPERATORS = re.compile(
    r"; (ask its source again, or raise its limit_age_days in the job file"
    r"|give your own under \[prices\] or \[facts\] of the job file, or a newer package)"
)
# Points: an SVG of ours is drawn at 72 units an inch.
_FONT_SIZE = re.compile(r"font-size: ([\d.]+)px")
_WORD = re.compile(r"[a-z0-9][a-z0-9.-]*[a-z0-9]")


class Page:
    """One Analysis, as the sections read it."""

    def __init__(
        self,
        analysis: Analysis,
        charts: Mapping[str, tuple[str, str]],
        failed: Mapping[str, str],
        since: Since | None = None,
    ) -> None:
        self.analysis = analysis
        self.since = since
        self.charts = charts
        self.failed = failed
        self.shown: set[str] = set()
        self._look: Look | None = None
        self.headlines = view.ordered_headlines(analysis.headlines)
        known = dict(analysis.display_names) | view.scenario_titles(analysis.scenarios)
        known |= {k: v for k, v in self.headlines.select("network", "display_name").iter_rows() if v}
        chips = self.headlines.select("accelerator", "accelerator_display_name").drop_nulls()
        self.names = Names(known=known | dict(chips.iter_rows()))
        self.publications = {r["source_id"]: r for r in view.rows(view.plain(analysis.sources))}
        self.compared = view.headline_comparison(analysis.headlines, analysis.comparison)
        self.outlook = view.headline_outlook(analysis.headlines, analysis.outlook)
        margins = view.rows(view.headline_margins(analysis.headlines, analysis.margins))
        self.margin_of: dict[str, view.Row] = {r["network"]: r for r in margins}
        self.tokens_found = view.token_rows(analysis.token_economics, self.headlines)
        self.fee_floors = fee_floors(analysis.token_economics)
        self.future_pair = view.future_pair(view.plain(analysis.advantage_paths.filter(pl.col("month") == 0)))
        prices = view.plain(analysis.market_prices.filter(pl.col("terms") == "on_demand"))
        self._price_sources = {
            (r["network"], r["accelerator"]): self.said_by(r["source"], r["source_url"]) for r in view.rows(prices)
        }

    def source_of(self, network: str, accelerator: str | None) -> str:
        """Who a network's price of a chip comes from; nothing where no price is on record."""
        return self._price_sources.get((network, accelerator or ""), "")

    def colour_of(self, network: str) -> str:
        """The colour of a network's name, as in the charts."""
        from reports.style import MUTED, Look  # matplotlib: heavy, and no text needs it

        self._look = self._look or Look.of(self.analysis)
        return self._look.network(network)[0] if self._look.is_named(network) else MUTED

    def pair_cell(self, pair: tuple[str, str], *, claimed: bool) -> Cell:
        """A cloud with its silicon, marked where some of its numbers are what a vendor says of itself."""
        name = self.names.long_pair(*pair)
        return {"text": name, "tone": "claim", "tail": "claim"} if claimed else name

    def told(self, reason: str) -> str:
        """A reason with names for the ids in it: ``the price of a100-sxm at akash`` -> ``of A100 SXM at Akash``."""
        return _OF_ID.sub(
            lambda found: f"{found[1]} {self.names(found[2])}" if found[2] in self.names.known else found[0],
            _FOR_OPERATORS.sub("", reason),
        )

    def named(self, text: str) -> str:
        """A text with names for every id of a chip or publication in it that stands as a word."""
        publishers = {source: row["publisher"] for source, row in self.publications.items()}
        known = {k: v for k, v in (dict(self.names.known) | publishers).items() if "-" in k or any(map(str.isdigit, k))}
        return _WORD.sub(lambda found: known.get(found[0], found[0]), text)

    def has_chart(self, name: str) -> bool:
        """Whether a chart is there to be shown, or missing for a reason that must be told."""
        return name in self.charts or name in self.failed

    def charts_if_there(self, *names: str) -> list[Part]:
        """Those of the charts that this run has."""
        return [self.chart(name) for name in names if self.has_chart(name)]

    def chart(self, name: str) -> Part:
        """A chart, or the sentence that says why it is missing."""
        self.shown.add(name)
        if name in self.charts:
            svg, alt = self.charts[name]
            # A chart of nothing is a sentence on the page.
            title, nothing, rest = alt.partition(f". {words.NOTHING_DRAWN}")
            if nothing:
                return {"type": "quiet", "text": f"{title}: {rest.rpartition('. Source: ')[0]}."}
            smallest = min(map(float, _FONT_SIZE.findall(svg)), default=7.0)
            return {"type": "chart", "svg": f"chart-{name}", "alt": alt, "smallest": smallest}
        reason = self.failed.get(name, "it was not drawn in this run")
        return {"type": "chart", "missing": f"The chart {name.replace('_', ' ')} is missing: {reason}."}

    def observed(self, at: datetime | None, layer: str | None, freshness: str | None = None) -> str:
        """``live, 2026-11-22`` or ``reference, 2026-03-24, 243 days, stale``."""
        if at is None:
            return NOT_KNOWN
        (days,) = view.ages_in_days(self.analysis.as_of, [at])
        old = "" if layer == "live" and days < 1 else f", {words.age(days)}"
        told = f"{layer or 'undated layer'}, {words.day(at)}{old}"
        return f"{told}, {mark}" if (mark := words.aged(freshness)) else told

    def layer_cell(self, at: datetime | None, layer: str | None, freshness: str | None = None) -> Cell:
        """Where a number came from, set apart when it is not live."""
        told = self.observed(at, layer, freshness)
        if freshness == "expired":
            return {"text": told, "tone": "bad"}
        calm = layer == "live" and freshness != "stale"
        return told if calm else {"text": told, "tone": "warn" if at is not None else "muted"}

    def said_by(self, source: str, url: str | None) -> str:
        """Who a number comes from: the publisher of a dated publication, else the source fetched."""
        publication = self.publications.get(source)
        return publication["publisher"] if publication is not None else words.source_name(source, url, self.names)

    def linked_source(self, source: str, url: str | None) -> Cell:
        """The same with its address behind it."""
        publication = self.publications.get(source)
        return linked(self.said_by(source, url), url if publication is None else publication["url"])

    def origin(self, at: datetime | None, layer: str | None, source: str | None, url: str | None) -> Cell:
        """Source with its address, and the day of the number beneath."""
        told = self.observed(at, layer)
        if source is None:
            return told
        made = self.linked_source(source, url)
        return (made if isinstance(made, dict) else {"text": made}) | {"under": told}
