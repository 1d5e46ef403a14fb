"""The typeset report: what there is to say, page by page, as data for ``template.typ``.

The document is a function of the Analysis alone: fonts come with the typst and matplotlib packages, never from the
machine; its date is the Analysis' own; nothing is read from the network. Same Analysis, same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias

import polars as pl

from depin_compare.analysis import Analysis
from depin_compare.errors import DepinCompareError
from reports import view, words
from reports.summary import ADVICE_NOTE, ages_line
from reports.words import KIND_WORDS, NOT_KNOWN, REFERENCE_WORDS, Names, percent, usd

__all__ = ["NOT_MODELLED", "PAPERS", "TITLE", "Paper", "report_content", "report_pdf"]

Paper = Literal["a4", "us-letter"]
PAPERS: tuple[Paper, ...] = ("a4", "us-letter")
Cell: TypeAlias = "str | dict[str, Any]"
Part: TypeAlias = dict[str, Any]

TITLE = "Decentralised GPU networks against the clouds"
QUESTION = (
    "How much cheaper is the same inference work on decentralised GPU networks, what do their suppliers earn, "
    "and how far may cloud cost fall before both are gone?"
)
NOT_MODELLED = (
    "Discounts that clouds negotiate with single customers: only published commitments are known.",
    "Latency, regions, data protection, support and the work of moving from one seller to another.",
    "Storage and the network inside a cluster; work that needs more accelerators than one node holds.",
    "Taxes, currency risk, and the future price of any network's token.",
    "New chips that nobody has announced, and demand that answers to falling prices.",
)
_MOST_ON_FIRST_PAGE = 4
_MOST_ROWS = 150
_STATE_WORDS = {"already_lost": "already lost", "not_comparable": "not comparable"}
_SOURCE_STATE_WORDS = {
    "ok": "answered",
    "partial": "answered in part",
    "unreachable": "not reached",
    "failed": "failed",
    "timed_out": "timed out",
    "off": "switched off",
    "reference": "reference only",
}
_VERDICT_TONES = {"resilient": "good", "exposed": "warn", "eroded": "bad"}


def report_pdf(
    analysis: Analysis,
    charts: Mapping[str, tuple[str, str]],
    *,
    failed: Mapping[str, str] | None = None,
    paper: Paper = "a4",
) -> bytes:
    """Typeset the report.

    Parameters
    ----------
    analysis : Analysis
        A whole run.
    charts : mapping
        Name -> (SVG, alternative text) of every chart that could be drawn.
    failed : mapping, optional
        Name -> reason of every chart that could not; the page says so in its place.
    paper : {"a4", "us-letter"}

    Returns
    -------
    bytes
        A tagged PDF (PDF/UA-1) with bookmarks and selectable text.

    Raises
    ------
    DepinCompareError
        If the typesetter refuses the document.
    """
    import matplotlib
    import typst

    content = report_content(analysis, charts, failed=failed or {}, paper=paper)
    inputs = {"report": json.dumps(content, ensure_ascii=False, sort_keys=True, allow_nan=False)}
    inputs |= {f"chart-{name}": svg for name, (svg, _) in charts.items()}
    fonts = typst.Fonts(
        include_system_fonts=False, font_paths=[Path(matplotlib.get_data_path()) / "fonts" / "ttf"]
    )
    try:
        made = typst.compile(
            resources.files("reports").joinpath("template.typ").read_bytes(),
            font_paths=fonts,
            ignore_system_fonts=True,
            sys_inputs=inputs,
            timestamp=datetime(*analysis.as_of.astimezone(UTC).timetuple()[:6], tzinfo=UTC),
            pdf_standards=["ua-1"],
        )
    except typst.TypstError as error:
        raise DepinCompareError(f"report.pdf: the typesetter refused the document: {error}") from error
    return made


def report_content(
    analysis: Analysis, charts: Mapping[str, tuple[str, str]], *, failed: Mapping[str, str], paper: Paper = "a4"
) -> dict[str, Any]:
    """Everything the PDF says, as plain data: the template adds only how it looks."""
    writer = _Writer(analysis, charts, failed)
    return {
        "title": TITLE,
        "question": QUESTION,
        "as_of": f"Data as of {words.minute(analysis.as_of)}",
        "as_of_line": ages_line(analysis),
        "advice": ADVICE_NOTE,
        "date": [analysis.as_of.year, analysis.as_of.month, analysis.as_of.day],
        "paper": paper,
        "first": writer.first_page(),
        "sections": [
            writer.prices(),
            writer.comparisons(),
            writer.margins(),
            writer.erosion(),
            writer.assumptions(),
            writer.data_states(),
            writer.sources(),
            writer.manifest(),
        ],
    }


def _column(title: str, width: float = 0, *, right: bool = False) -> dict[str, Any]:
    return {"title": title, "width": width, "right": right}


def _table(columns: Sequence[dict[str, Any]], body: Sequence[Sequence[Cell]], notes: Iterable[str] = ()) -> Part:
    return {"type": "table", "columns": list(columns), "rows": [list(row) for row in body], "notes": list(notes)}


def _text(text: str, *, quiet: bool = False) -> Part:
    return {"type": "quiet" if quiet else "text", "text": text}


def _heading(text: str) -> Part:
    return {"type": "heading", "text": text}


def _kind(kind: str | None, text: str | None = None) -> Cell:
    """The coloured word that says how a number is known, after the number itself where there is one."""
    if kind is None:
        return text or ""
    made: dict[str, Any] = {"kind": kind, "words": KIND_WORDS.get(kind, kind)}
    return made | ({"text": text} if text else {})


def _change(value: float | None, *, unknown: str = "n/c") -> Cell:
    """A saving or margin: green above zero, red below, grey where there is none."""
    if value is None:
        return {"text": unknown, "quiet": True}
    return {"text": percent(value, signed=True), "tone": "good" if value > 0 else "bad" if value < 0 else "muted"}


def _linked(text: str, url: str | None) -> Cell:
    """Text with its address behind it; anything but a web address stays plain text."""
    return {"text": text, "link": url} if url and url.startswith(("https://", "http://")) else text


def _span(low: float | None, high: float | None, form: Any) -> str:
    return "" if low is None or high is None else f"{form(low)} to {form(high)}"


class _Writer:
    """Puts one Analysis into parts; one method a section."""

    def __init__(self, analysis: Analysis, charts: Mapping[str, tuple[str, str]], failed: Mapping[str, str]) -> None:
        self.analysis = analysis
        self.charts = charts
        self.failed = failed
        self.headlines = view.plain(analysis.headlines)
        known = dict(analysis.display_names)
        known |= {k: v for k, v in self.headlines.select("network", "display_name").iter_rows() if v}
        chips = self.headlines.select("accelerator", "accelerator_display_name").drop_nulls()
        self.names = Names(known=known | dict(chips.iter_rows()))
        self.compared = view.headline_comparison(analysis.headlines, analysis.comparison)
        self.outlook = view.headline_outlook(analysis.headlines, analysis.outlook)

    def chart(self, name: str) -> Part:
        """A chart, or the sentence that says why it is missing."""
        if name in self.charts:
            return {"type": "chart", "svg": f"chart-{name}", "alt": self.charts[name][1]}
        reason = self.failed.get(name, "it was not drawn in this run")
        return {"type": "chart", "missing": f"The chart {name.replace('_', ' ')} is missing: {reason}."}

    def observed(self, at: datetime | None, layer: str | None) -> str:
        """``live, 2026-11-22`` or ``reference, 2026-08-24 (90 days old)``."""
        if at is None:
            return NOT_KNOWN
        (days,) = view.ages_in_days(self.analysis.as_of, [at])
        old = "" if layer == "live" else f" ({words.age(days)} old)"
        return f"{layer or 'undated layer'}, {words.day(at)}{old}"

    def first_page(self) -> list[Part]:
        """The verdict table, one chart, a sentence a network."""
        if self.headlines.is_empty():
            return [
                _text("No network could be compared: no source gave a price in this run. The data pages say why."),
                self.chart("unit_costs"),
            ]
        heads = view.rows(self.headlines)
        margins = {r["network"]: r for r in view.rows(view.headline_margins(self.headlines, self.analysis.margins))}
        pairs = view.headline_pairs(self.compared)
        few = len(heads) <= _MOST_ON_FIRST_PAGE
        pairs = pairs if few else pairs[:1]
        claims = view.claimed_pairs(self.compared)
        body: list[list[Cell]] = []
        for head in heads[: _MOST_ON_FIRST_PAGE if few else 18]:
            mine = self.compared.filter(pl.col("network") == head["network"])
            span = max(1, len(pairs))
            margin = margins.get(head["network"], {})
            work = ", ".join(
                self.names(head[k]) for k in ("accelerator", "llm", "workload") if head[k] is not None
            )
            verdict = {"text": head["verdict"], "strong": True, "rows": span}
            if tone := _VERDICT_TONES.get(head["verdict"]):
                verdict["tone"] = tone
            outer: list[Cell] = [{"text": head["display_name"], "strong": True, "under": work, "rows": span}]
            full = margin.get("full_margin")
            earned = _change(full, unknown=NOT_KNOWN)
            assert isinstance(earned, dict)
            band = _span(margin.get("full_margin_low"), margin.get("full_margin_high"), percent)
            price = margin.get("breakeven_usd_per_accelerator_hour")
            use = margin.get("breakeven_utilisation")
            tail: list[Cell] = [
                earned | {"rows": span} | ({"under": band} if band else {}),
                {"text": f"{usd(price)}/h" if price is not None else NOT_KNOWN, "rows": span}
                | ({"under": _use(use)} if use is not None else {"under": ""}),
                verdict,
            ]
            for i, pair in enumerate(pairs or [None]):
                cells: list[Cell] = outer if i == 0 else []
                if pair is None:
                    cells = [*cells, "", *[_change(None)] * 4]
                else:
                    at = {
                        r["reference"]: r["advantage"]
                        for r in view.rows(mine.filter((pl.col("cloud") == pair[0]) & (pl.col("silicon") == pair[1])))
                    }
                    name = self.names.long_pair(*pair)
                    label: Cell = {"text": name, "tone": "claim", "under": "vendor claim"} if pair in claims else name
                    cells = [*cells, label, *(_change(at.get(r)) for r in view.REFERENCE_ORDER)]
                body.append([*cells, *(tail if i == 0 else [])])
        columns = [
            _column("Network and work", 2.3),
            _column("Buyer saves (+) or pays more (−) than with", 2.1),
            *(_column(REFERENCE_WORDS[r], 1.0, right=True) for r in view.REFERENCE_ORDER),
            _column("Supplier keeps", 1.35, right=True),
            _column("Breaks even at", 1.25, right=True),
            _column("Verdict", 1.1),
        ]
        notes = [
            "Savings in % of the cloud's price or cost of the same tokens. Supplier keeps: full-cost margin, % of receipts, "
            "without token rewards, low to high beneath. n/c: not comparable, the reason is on the comparison pages."
        ]
        if not few:
            notes.append(f"{min(18, len(heads))} of {len(heads)} networks; the others are on the comparison pages.")
        sentences = [_text(head["sentence"]) for head in heads[:3]]
        return [*sentences, _table(columns, body, notes), self.chart("unit_costs")]

    def prices(self) -> Part:
        """Every price in use with its source, date, layer and age."""
        market = view.prices_in_use(self.analysis.market_prices, self.compared)
        shown = market.head(_MOST_ROWS)
        body: list[list[Cell]] = [
            [
                self.names(r["network"]),
                self.names(r["accelerator"]),
                r["terms"].replace("_", " "),
                usd(r["usd_per_accelerator_hour"]),
                _span_if_wider(r),
                f"{r['n_offers']:,}",
                (r["price_kind"] or "").replace("_", " "),
                _linked(r["source"], r["source_url"]),
                self.layer_cell(r["observed_at"], r["layer"]),
            ]
            for r in view.rows(shown)
        ]
        columns = [
            _column("Seller", 1.2),
            _column("Accelerator", 1.5),
            _column("Terms", 0.9),
            _column("USD per accelerator-hour", 0.95, right=True),
            _column("Cheapest to dearest", 1.3, right=True),
            _column("Offers", 0.6, right=True),
            _column("Price kind", 0.8),
            _column("Source", 0.9),
            _column("Data", 1.7),
        ]
        left_out = self.analysis.market_prices.height - shown.height
        notes = [f"{left_out:,} further market prices, not used on these pages, are in offers.parquet."] if left_out else []
        return {
            "title": "Prices",
            "parts": [self.chart("price_ladder"), _heading("Prices in use"), _table(columns, body, notes)]
            if body
            else [self.chart("price_ladder"), _text("No price is in use: no source gave one.")],
        }

    def layer_cell(self, at: datetime | None, layer: str | None) -> Cell:
        """Where a number came from, set apart when it is not live."""
        told = self.observed(at, layer)
        return told if layer == "live" else {"text": told, "tone": "warn" if at is not None else "muted"}

    def comparisons(self) -> Part:
        """A table a network: its work's price against every cloud, silicon and reference."""
        parts: list[Part] = [
            _text(
                "The same model and workload on both sides, in USD per million output tokens with their prompts included. "
                "Four references: the list price, the cheapest commitment, what the hour is modelled to cost the cloud, and "
                "that cost with the floor margin a cloud is known to accept.",
                quiet=True,
            ),
            {"type": "tags", "items": [[k, v] for k, v in KIND_WORDS.items()]},
        ]
        origins = view.reference_origins(self.analysis.unit_costs)
        for head in view.rows(self.headlines.head(30)):
            mine = self.compared.filter(pl.col("network") == head["network"])
            parts.append(_heading(f"{head['display_name']}: {self.names(head['accelerator'])}"))
            if mine.is_empty():
                parts.append(_text(f"Not comparable: {head['sentence']}"))
                continue
            first = mine.row(0, named=True)
            parts.append(
                _text(
                    f"{self.names(head['llm'])}, {self.names(head['workload'])}. {head['display_name']} asks "
                    f"{usd(first['network_usd_per_accelerator_hour'])} per accelerator-hour "
                    f"({self.observed(first['network_observed_at'], first['network_layer'])}), which is "
                    f"{usd(first['usd_per_mtok_network'])} per million tokens "
                    f"({_span(first['usd_per_mtok_network_low'], first['usd_per_mtok_network_high'], usd) or 'no band'}).",
                )
            )
            reasons: list[str] = []
            body: list[list[Cell]] = []
            pairs = view.ordered_pairs(mine)
            claims = view.claimed_pairs(mine)
            for pair in pairs:
                rows = mine.filter((pl.col("cloud") == pair[0]) & (pl.col("silicon") == pair[1]))
                by_reference = {r["reference"]: r for r in view.rows(rows)}
                present = [r for r in view.REFERENCE_ORDER if r in by_reference]
                for i, reference in enumerate(present):
                    r = by_reference[reference]
                    key = (*pair, r["reference_accelerator"], r["llm"], r["workload"], reference)
                    source, url = origins.get(key, (None, None))
                    name = self.names.long_pair(*pair)
                    label: Cell = {"text": name, "rows": len(present), "under": self.names(r["reference_accelerator"])}
                    if pair in claims and isinstance(label, dict):
                        label["tone"] = "claim"
                    cells: list[Cell] = [label] if i == 0 else []
                    if r["not_comparable"] and r["usd_per_mtok_reference"] is None:
                        reasons.append(f"{name}: {r['not_comparable']}.")
                        cells += [REFERENCE_WORDS[reference], "", {"text": "n/c", "quiet": True}, "", _change(None), "", ""]
                    else:
                        cells += [
                            REFERENCE_WORDS[reference],
                            usd(r["reference_usd_per_accelerator_hour"], unknown="none"),
                            usd(r["usd_per_mtok_reference"]),
                            _span(r["usd_per_mtok_reference_low"], r["usd_per_mtok_reference_high"], usd),
                            _change(r["advantage"]),
                            _kind(r["reference_kind"]),
                            self.origin(r["reference_observed_at"], r["reference_layer"], source, url),
                        ]
                    body.append(cells)
            columns = [
                _column("Cloud", 1.7),
                _column("Reference", 1.35),
                _column("USD per hour", 0.7, right=True),
                _column("USD per Mtok", 0.75, right=True),
                _column("Low to high", 1.25, right=True),
                _column("Buyer saves", 0.7, right=True),
                _column("Known as", 0.95),
                _column("Source and date", 1.9),
            ]
            parts.append(_table(columns, body, [f"n/c: {x}" for x in dict.fromkeys(reasons)]))
        if self.headlines.height > 30:
            parts.append(_text(f"{self.headlines.height - 30} further networks are in comparison.csv."))
        if self.headlines.is_empty():
            parts.append(_text("No network could be compared in this run."))
        return {"title": "The same work, network by network", "parts": parts}

    def origin(self, at: datetime | None, layer: str | None, source: str | None, url: str | None) -> Cell:
        """Source with its address, and the day of the number beneath."""
        told = self.observed(at, layer)
        if source is None:
            return told
        made = _linked(self.names(source), url)
        return (made if isinstance(made, dict) else {"text": made}) | {"under": told}

    def margins(self) -> Part:
        """What suppliers keep, chip by chip."""
        rows = view.rows(view.margins_in_order(self.headlines, self.analysis.margins))
        body: list[list[Cell]] = []
        reasons: list[str] = []
        for r in rows[:_MOST_ROWS]:
            if r["not_known"]:
                reasons.append(f"{self.names(r['network'])}, {self.names(r['accelerator'])}: {r['not_known']}.")
            full = _change(r["full_margin"], unknown=NOT_KNOWN)
            band = _span(r["full_margin_low"], r["full_margin_high"], percent)
            use = percent(r["utilisation"])
            body.append(
                [
                    {"text": self.names(r["network"]), "under": self.observed(r["observed_at"], r["layer"])},
                    {"text": self.names(r["accelerator"]), "under": r["archetype"].replace("_", " ")},
                    usd(r["usd_per_accelerator_hour"]),
                    {"text": use, "under": (r["utilisation_kind"] or "").replace("_", " ")},
                    percent(r["take_rate"]),
                    usd(r["power_usd_per_hour"]),
                    usd(r["opex_usd_per_hour"]),
                    usd(r["capital_usd_per_hour"]),
                    usd(r["profit_usd_per_hour"]),
                    _change(r["cash_margin"], unknown=NOT_KNOWN),
                    full | {"under": band} if isinstance(full, dict) and band else full,
                    {
                        "text": usd(r["breakeven_usd_per_accelerator_hour"]),
                        "under": _use(r["breakeven_utilisation"]),
                    },
                    _change(r["full_margin_with_rewards"], unknown=NOT_KNOWN),
                ]
            )
        columns = [
            _column("Network", 1.5),
            _column("Accelerator", 1.25),
            *(
                _column(t, 0.72, right=True)
                for t in ("Price", "Use", "Network keeps", "Power", "Running", "Capital", "Profit", "Cash margin")
            ),
            _column("Full margin", 1.0, right=True),
            _column("Breaks even", 0.95, right=True),
            _column("With rewards", 0.75, right=True),
        ]
        notes = [
            "Amounts in USD per calendar hour and accelerator; price in USD per rented accelerator-hour. Margins in % of what "
            "the supplier receives; full margin counts capital. Breaks even: the price, and beneath it the share of hours "
            "rented, at which the full margin is zero.",
            *dict.fromkeys(f"Not known: {x}" for x in reasons[:12]),
        ]
        if len(rows) > _MOST_ROWS:
            notes.append(f"{len(rows) - _MOST_ROWS} further rows are in margins.csv.")
        return {
            "title": "What suppliers keep",
            "parts": [_table(columns, body, notes)] if body else [_text("No supplier's margin is known in this run.")],
        }

    def erosion(self) -> Part:
        """Charts of erosion and headroom, and when each sign turns."""
        parts = [self.chart("headroom"), self.chart("margin_erosion"), self.chart("advantage_erosion")]
        average = self.outlook.filter(pl.col("pricing") == "fleet_average")
        scenarios = view.ordered_scenarios(average) if average.height else []
        if not scenarios:
            return {"title": "How far cloud cost may fall", "parts": [*parts, _text("No outlook could be computed.")]}
        parts.append(_heading("When the advantage and the margin are gone"))
        parts.append(
            _text(
                "Clouds are taken to price at the average cost of their whole fleet. A date is that of the central path; the "
                "end of the horizon is never given as a date.",
                quiet=True,
            )
        )
        shown = scenarios[:7]
        for network in average["network"].unique(maintain_order=True).to_list()[:12]:
            mine = average.filter(pl.col("network") == network)
            body: list[list[Cell]] = []
            pairs = [p for p in view.HEADLINE_REFERENCES if p in set(view.ordered_pairs(mine))]
            for pair in pairs or view.ordered_pairs(mine):
                for reference in view.REFERENCE_ORDER:
                    at = mine.filter(
                        (pl.col("cloud") == pair[0])
                        & (pl.col("silicon") == pair[1])
                        & (pl.col("reference") == reference)
                        & (pl.col("quantity") == "advantage")
                    )
                    if at.is_empty() or (at["state"] == "not_comparable").all():
                        continue
                    by_scenario = {r["scenario"]: r for r in view.rows(at)}
                    today = next(iter(by_scenario.values()))["today"]
                    body.append(
                        [
                            f"Buyer's advantage, {self.names.long_pair(*pair)}",
                            REFERENCE_WORDS[reference],
                            _change(today),
                            *(_outlook_cell(by_scenario.get(s)) for s in shown),
                        ]
                    )
            margin = mine.filter((pl.col("quantity") == "full_margin") & (pl.col("state") != "not_comparable"))
            if margin.height:
                pair, reference = view.ordered_pairs(margin)[0], margin["reference"][0]
                at = margin.filter(
                    (pl.col("cloud") == pair[0]) & (pl.col("silicon") == pair[1]) & (pl.col("reference") == reference)
                )
                by_scenario = {r["scenario"]: r for r in view.rows(at)}
                today = next(iter(by_scenario.values()))["today"]
                body.append(
                    [
                        {"text": "Supplier's full margin", "strong": True},
                        self.names.pair(*pair),
                        _change(today),
                        *(_outlook_cell(by_scenario.get(s)) for s in shown),
                    ]
                )
            else:
                reason = mine.filter(pl.col("quantity") == "full_margin")["not_comparable"].drop_nulls()
                why = reason[0] if reason.len() else NOT_KNOWN
                body.append(
                    ["Supplier's full margin", {"text": why, "quiet": True}, _change(None, unknown=NOT_KNOWN)]
                    + [{"text": NOT_KNOWN, "quiet": True}] * len(shown)
                )
            columns = [
                _column(self.names(network), 2.4),
                _column("Reference", 1.5),
                _column("Today", 0.7, right=True),
                *(_column(self.names(s), 1.3, right=True) for s in shown),
            ]
            parts.append(_table(columns, body))
        return {"title": "How far cloud cost may fall", "parts": parts}

    def assumptions(self) -> Part:
        """Assumptions in force, scenarios, and what the model leaves out."""
        parts: list[Part] = []
        titles = {r["source_id"]: r for r in view.rows(view.plain(self.analysis.sources))}
        body: list[list[Cell]] = []
        for r in view.rows(view.plain(self.analysis.assumptions)):
            source = titles.get(r["source_id"], {})
            body.append(
                [
                    {"text": r["meaning"], "under": r["parameter"]},
                    words.number(r["low"]),
                    {"text": words.number(r["central"]), "strong": True},
                    words.number(r["high"]),
                    r["unit"],
                    _kind(r["kind"]),
                    _linked(source.get("publisher") or r["source_id"], source.get("url")),
                    words.day(r["as_of"]),
                ]
            )
        if body:
            columns = [
                _column("Assumption", 3.2),
                _column("Low", 0.7, right=True),
                _column("Central", 0.7, right=True),
                _column("High", 0.7, right=True),
                _column("Unit", 1.2),
                _column("Known as", 0.95),
                _column("Source", 1.5),
                _column("As of", 0.8),
            ]
            parts.append(_table(columns, body))
        else:
            parts.append(_text("No assumptions were recorded with this run."))
        parts.append(_heading("Scenarios"))
        scenarios = view.scenario_rows(self.analysis.scenarios)
        if scenarios:
            parts.append(
                _table(
                    [_column("Scenario", 1.2), _column("What changes", 2.2), _column("Parameters", 2.6), _column("Basis", 2.4)],
                    [
                        [{"text": self.names(s.id) if s.name is None else s.name, "strong": True}, s.change, s.parameters, s.basis]
                        for s in scenarios
                    ],
                )
            )
        else:
            parts.append(_text("No scenarios were recorded with this run."))
        parts += [_heading("Not modelled"), {"type": "bullets", "items": list(NOT_MODELLED)}]
        return {"title": "Assumptions and scenarios", "parts": parts}

    def data_states(self) -> Part:
        """How each source fared, and what was left out."""
        parts = [self.chart("source_ages")]
        states = view.rows(view.plain(self.analysis.source_states))
        if states:
            parts.append(_heading("Sources in this run"))
            parts.append(
                _table(
                    [
                        _column("Source", 1.0),
                        _column("Gives", 2.2),
                        _column("This time", 1.1),
                        _column("Data in use", 1.7),
                        _column("Rows", 0.6, right=True),
                        _column("Left out", 0.6, right=True),
                        _column("Detail", 2.0),
                    ],
                    [
                        [
                            {"text": self.names(s["source"]), "strong": True},
                            s["gives"],
                            {
                                "text": _SOURCE_STATE_WORDS.get(s["state"], s["state"]),
                                "tone": "good" if s["state"] == "ok" else "muted" if s["state"] in ("reference", "off") else "bad",
                            },
                            self.layer_cell(s["newest_observed_at"], s["layer"]) if s["layer"] else "none",
                            f"{s['rows']:,}",
                            f"{s['skipped']:,}",
                            s["detail"] or "",
                        ]
                        for s in states
                    ],
                )
            )
        skipped = view.skipped_summary(self.analysis.skipped)
        parts.append(_heading("Rows left out"))
        if skipped:
            parts.append(
                _table(
                    [_column("Source", 1.0), _column("Kind", 1.0), _column("Rows", 0.6, right=True), _column("Reason (example)", 5)],
                    [[self.names(s["source"]), s["kind"].replace("_", " "), f"{s['n']:,}", s["reason"]] for s in skipped[:60]],
                    [f"{len(skipped) - 60} further reasons are in the run's files."] if len(skipped) > 60 else [],
                )
            )
        else:
            parts.append(_text("None."))
        return {"title": "Data of this run", "parts": parts}

    def sources(self) -> Part:
        """Publisher, title, dates and address of every source."""
        kinds = view.kinds_of_sources(self.analysis.assumptions)
        body: list[list[Cell]] = [
            [
                r["publisher"],
                _linked(r["title"], r["url"]),
                {"text": r["url"] or "", "quiet": True},
                r["published"] or NOT_KNOWN,
                words.day(r["accessed"]),
                _kind(kinds.get(r["source_id"])),
            ]
            for r in view.rows(view.plain(self.analysis.sources).sort("publisher", "title"))
        ]
        columns = [
            _column("Publisher", 1.2),
            _column("Title", 2.6),
            _column("Address", 2.3),
            _column("Published", 0.8),
            _column("Accessed", 0.8),
            _column("Known as", 0.9),
        ]
        return {"title": "Sources", "parts": [_table(columns, body) if body else _text("No sources were recorded.")]}

    def manifest(self) -> Part:
        """What made this report."""
        body: list[list[Cell]] = [[k.replace("_", " "), v] for k, v in sorted(self.analysis.provenance.items())]
        body += [[f"chart {name} missing", reason] for name, reason in sorted(self.failed.items())]
        return {
            "title": "How this report was made",
            "parts": [
                _text(
                    "The same analysis gives the same bytes. manifest.json beside this file holds the SHA-256 of every output.",
                    quiet=True,
                ),
                _table([_column("Item", 1), _column("Value", 4)], body) if body else _text("No provenance was recorded."),
            ],
        }


def _use(utilisation: float | None) -> str:
    """Break-even utilisation in words."""
    if utilisation is None:
        return ""
    return "no use suffices" if utilisation > 1 else f"at {percent(utilisation)} use"


def _span_if_wider(row: view.Row) -> str:
    low, high = row["usd_per_accelerator_hour_low"], row["usd_per_accelerator_hour_high"]
    return "" if low == high else _span(low, high, usd)


def _outlook_cell(row: view.Row | None) -> Cell:
    """``Mar 2029``, ``already lost`` or ``not reached by 2036``."""
    if row is None or row["state"] == "not_comparable":
        return {"text": "n/c", "quiet": True}
    if row["state"] == "already_lost":
        return {"text": _STATE_WORDS["already_lost"], "tone": "bad"}
    if row["state"] == "not_reached":
        return {"text": f"not reached by {row['horizon'].year}", "tone": "good"}
    span = [words.month(row[k]) for k in ("date_low", "date_high") if row[k] is not None]
    made: dict[str, Any] = {"text": words.month(row["date"]), "tone": "warn"}
    return made | ({"under": " to ".join(span)} if len(span) == 2 else {})
