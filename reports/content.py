"""What the report says, page by page, as plain data: `reports.pdf` and ``template.typ`` add only how it looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias

import polars as pl

from depin_compare.analysis import Analysis
from depin_compare.refdata.assumption_set import USER_SOURCE
from reports import view, words
from reports.summary import ADVICE_NOTE, ages_line
from reports.words import KIND_WORDS, NOT_KNOWN, REFERENCE_WORDS, Names, percent, usd

__all__ = ["NOT_MODELLED", "TITLE", "Paper", "report_content"]

Paper = Literal["a4", "us-letter"]
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
_MOST_ON_FIRST_PAGE = 3
_MOST_ROWS = 150
_MOST_CHIPS = 10
_MOST_SPREADS = 30
_MOST_DISCREPANCIES = 15
_MOST_HOSTS = 40
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
_VERDICT_TONES = {"resilient": "good", "exposed": "warn", "mixed": "warn", "eroded": "bad"}


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
            *filter(None, [writer.other_networks()]),
            writer.prices(),
            writer.comparisons(),
            writer.margins(),
            writer.tokens(),
            writer.erosion(),
            writer.model_against_market(),
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
        self.headlines = view.ordered_headlines(analysis.headlines)
        known = dict(analysis.display_names) | view.scenario_titles(analysis.scenarios)
        known |= {k: v for k, v in self.headlines.select("network", "display_name").iter_rows() if v}
        chips = self.headlines.select("accelerator", "accelerator_display_name").drop_nulls()
        self.names = Names(known=known | dict(chips.iter_rows()))
        self.publications = {r["source_id"]: r for r in view.rows(view.plain(analysis.sources))}
        self.compared = view.headline_comparison(analysis.headlines, analysis.comparison)
        self.outlook = view.headline_outlook(analysis.headlines, analysis.outlook)

    def chart(self, name: str) -> Part:
        """A chart, or the sentence that says why it is missing."""
        if name in self.charts:
            return {"type": "chart", "svg": f"chart-{name}", "alt": self.charts[name][1]}
        reason = self.failed.get(name, "it was not drawn in this run")
        return {"type": "chart", "missing": f"The chart {name.replace('_', ' ')} is missing: {reason}."}

    def observed(self, at: datetime | None, layer: str | None, freshness: str | None = None) -> str:
        """``live, 2026-11-22`` or ``reference, 2026-03-24, 243 days, stale``."""
        if at is None:
            return NOT_KNOWN
        (days,) = view.ages_in_days(self.analysis.as_of, [at])
        old = "" if layer == "live" else f", {words.age(days)}"
        told = f"{layer or 'undated layer'}, {words.day(at)}{old}"
        return f"{told}, {mark}" if (mark := words.aged(freshness)) else told

    def first_page(self) -> list[Part]:
        """The verdict table, one chart, a sentence a network."""
        if self.headlines.is_empty():
            return [
                _text("No network could be compared: no source gave a price in this run. The data pages say why."),
                self.chart("equal_work"),
            ]
        heads = view.rows(self.headlines)[:_MOST_ON_FIRST_PAGE]
        pairs = view.headline_pairs(self.compared)
        more = self.headlines.height - len(heads)
        notes = [
            "Savings in % of the cloud's price or cost of the same tokens. Supplier keeps: full-cost margin, % of "
            "receipts, without token rewards, low to high beneath. n/c: not comparable; the reason is on the "
            "comparison pages."
        ]
        if more:
            notes.append(f"{words.plural(more, 'further network')} on the next page.")
        return [
            *(_text(head["sentence"]) for head in heads),
            self.verdicts(heads, pairs, notes) | {"large": True},
            self.chart("equal_work") | {"rest": True},
        ]

    def verdicts(self, heads: Sequence[view.Row], pairs: Sequence[tuple[str, str]], notes: Sequence[str]) -> Part:
        """What the buyer saves, what the supplier keeps, and the verdict: a row a network and cloud."""
        margins = {r["network"]: r for r in view.rows(view.headline_margins(self.headlines, self.analysis.margins))}
        claims = view.claimed_pairs(self.compared)
        body: list[list[Cell]] = []
        for head in heads:
            mine = self.compared.filter(pl.col("network") == head["network"])
            margin = margins.get(head["network"], {})
            span = max(1, len(pairs))
            work = ", ".join(self.names(head[k]) for k in ("accelerator", "llm", "workload") if head[k] is not None)
            outer: dict[str, Any] = {"text": head["display_name"], "strong": True, "rows": span}
            if work:
                outer["under"] = work
            earned = _change(margin.get("full_margin"), unknown=NOT_KNOWN)
            if isinstance(earned, dict):
                earned["rows"] = span
                if band := _span(margin.get("full_margin_low"), margin.get("full_margin_high"), percent):
                    earned["under"] = band
            price = margin.get("breakeven_usd_per_accelerator_hour")
            even: dict[str, Any] = {"text": NOT_KNOWN if price is None else f"{usd(price)}/h", "rows": span}
            if use := _use(margin.get("breakeven_utilisation")):
                even["under"] = use
            verdict: dict[str, Any] = {"text": head["verdict"], "strong": True, "rows": span}
            if tone := _VERDICT_TONES.get(head["verdict"]):
                verdict["tone"] = tone
            if mark := words.aged(head["freshness"]):
                verdict["under"] = f"data {mark}"
            for i, pair in enumerate(pairs or [None]):
                cells: list[Cell] = [outer] if i == 0 else []
                if pair is None:
                    cells += ["", *[_change(None)] * len(view.REFERENCE_ORDER)]
                else:
                    at = {r["reference"]: r["advantage"] for r in view.rows(view.of_pair(mine, pair))}
                    name = self.names.long_pair(*pair)
                    cells.append({"text": name, "tone": "claim", "tail": "claim"} if pair in claims else name)
                    cells += [_change(at.get(r)) for r in view.REFERENCE_ORDER]
                body.append([*cells, *([earned, even, verdict] if i == 0 else [])])
        columns = [
            _column("Network and work", 1.9),
            _column(f"Buyer saves (+) or pays more ({words.MINUS}) than with", 2.35),
            *(_column(REFERENCE_WORDS[r], 0.92, right=True) for r in view.REFERENCE_ORDER),
            _column("Supplier keeps", 1.2, right=True),
            _column("Breaks even at", 1.1, right=True),
            _column("Verdict", 1.45),
        ]
        return _table(columns, body, notes)

    def other_networks(self) -> Part | None:
        """The networks that had no room on the first page, against one cloud each, with their sentences."""
        heads = view.rows(self.headlines)[_MOST_ON_FIRST_PAGE:]
        if not heads:
            return None
        pairs = view.headline_pairs(self.compared)[:1]
        sentences = [_text(head["sentence"], quiet=True) for head in heads]
        return {"title": "Further networks", "parts": [self.verdicts(heads, pairs, []), *sentences]}

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
                _linked(words.host(r["source_url"], unknown=self.names(r["source"])), r["source_url"]),
                self.layer_cell(r["observed_at"], r["layer"], r["freshness"]),
            ]
            for r in view.rows(shown)
        ]
        columns = [
            _column("Seller", 0.8),
            _column("Accelerator", 1.75),
            _column("Terms", 0.85),
            _column("USD per hour", 0.75, right=True),
            _column("Cheapest to dearest", 1.2, right=True),
            _column("Offers", 0.55, right=True),
            _column("Price kind", 0.8),
            _column("Source", 1.5),
            _column("Data", 2.4),
        ]
        left_out = self.analysis.market_prices.height - shown.height
        notes = (
            [f"{left_out:,} further market prices, not used on these pages, are in offers.parquet."] if left_out else []
        )
        parts = (
            [self.chart("price_ladder"), _heading("Prices in use"), _table(columns, body, notes)]
            if body
            else [self.chart("price_ladder"), _text("No price is in use: no source gave one.")]
        )
        return {"title": "Prices", "parts": [*parts, *self.spreads(), *self.discrepancies()]}

    def spreads(self) -> list[Part]:
        """How far prices of one market lie apart."""
        every = self.analysis.market_statistics
        shown = view.spreads_shown(every, _MOST_SPREADS)
        body: list[list[Cell]] = [
            [
                self.names(r["network"]),
                self.names(r["accelerator"]),
                ", ".join(w.replace("_", " ") for w in (r["terms"], r["tier"]) if w),
                r["price_kind"].replace("_", " "),
                *(usd(r[f"usd_per_accelerator_hour_p{p}"]) for p in (10, 25, 50, 75, 90)),
                f"{r['n_offers']:,}",
                words.count(r["n_outliers"]) if r["outlier_factor"] else "n/j",
                words.count(r["n_accelerators"], unknown=""),
            ]
            for r in view.rows(shown)
        ]
        heading = _heading("How far prices of one market lie apart")
        if not body:
            return [heading, _text("No market has more than one offer in this run.", quiet=True)]
        columns = [
            _column("Seller", 0.9),
            _column("Accelerator", 1.6),
            _column("Terms", 1.1),
            _column("Kind", 0.7),
            *(_column(t, 0.62, right=True) for t in ("P10", "P25", "Median", "P75", "P90")),
            _column("Offers", 0.55, right=True),
            _column("Outliers", 0.6, right=True),
            _column("Chips", 0.6, right=True),
        ]
        notes = [
            "USD per accelerator-hour at which that share of the chips on offer is reached; each machine once, "
            "kinds of price apart. Outliers stay in: offers further from the median than 3.5 robust standard "
            "deviations of the log price and than a factor of two, marked in offers.parquet (n/j: fewer than five "
            "offers, not judged)."
        ]
        if every.height > shown.height:
            single = int((every["n_offers"] == 1).sum())
            notes.append(
                f"{every.height - shown.height:,} further markets, {single:,} of them of one offer, are in "
                "market_statistics.csv."
            )
        return [heading, _table(columns, body, notes)]

    def discrepancies(self) -> list[Part]:
        """Where two sources disagree on the same offer."""
        every = view.plain(self.analysis.discrepancies)
        heading = _heading("Where sources disagree")
        if every.is_empty():
            return [heading, _text("No two sources differ by more than 10 % on the same offer.", quiet=True)]
        body: list[list[Cell]] = [
            [
                {"text": self.names(r["network"]), "under": r["terms"].replace("_", " ")},
                self.names(r["accelerator"]),
                {"text": self.names(r["source_used"]), "under": self.observed(r["observed_at_used"], r["layer_used"])},
                usd(r["usd_per_accelerator_hour_used"]),
                {
                    "text": self.names(r["source_other"]),
                    "under": self.observed(r["observed_at_other"], r["layer_other"]),
                },
                usd(r["usd_per_accelerator_hour_other"]),
                f"{words.times(r['ratio'])} x",
                {"text": r["reason"], "under": f"matched on {r['compared_on']}"},
            ]
            for r in view.rows(every.head(_MOST_DISCREPANCIES))
        ]
        columns = [
            _column("Seller", 0.9),
            _column("Accelerator", 1.3),
            _column("Used", 1.7),
            _column("USD per hour", 0.65, right=True),
            _column("Other", 1.7),
            _column("USD per hour", 0.65, right=True),
            _column("Ratio", 0.55, right=True),
            _column("Why", 1.7),
        ]
        left_out = every.height - len(body)
        notes = ["Medians of what the two sources say of the same offers, where they differ by more than 10 %."]
        notes += [f"{left_out:,} further disagreements are in discrepancies.csv."] if left_out else []
        return [heading, _table(columns, body, notes)]

    def model_against_market(self) -> Part:
        """What hosts ask for tokens beside our cost of them, and the trend of closed models' prices."""
        shown = view.market_check_shown(self.headlines, self.analysis.market_check)
        parts: list[Part] = [
            self.chart("market_check"),
            _text(
                "What hosts ask for a million output tokens with their prompts, beside the same work at the owner's "
                "cost of the cheapest cloud chip. A list price several times that cost is no error of units: the model "
                "has its machine answer all the requests it can hold in every hour sold, while a host buys for its "
                "peak, may run older chips, sells answers faster than the workload asks, and has a margin. Load that "
                "pays: the share of the modelled output that has to be sold at the host's price to earn the modelled "
                "cost. Work nobody waits for is sold at about half of these prices; that half is not collected.",
                quiet=True,
            ),
        ]
        # Of each model the cheapest host and the dearest, every network and every cloud.
        edge = pl.int_range(pl.len()).over("llm")
        rest = shown.filter(
            (edge == 0) | (edge == pl.len().over("llm") - 1) | pl.col("host_kind").is_in(["network", "cloud"])
        ).head(_MOST_HOSTS)
        body: list[list[Cell]] = []
        n_rows = dict(rest.group_by("llm").len().iter_rows())
        for r in view.rows(rest):
            cost = _span(r["usd_per_mtok_modelled_low"], r["usd_per_mtok_modelled_high"], usd)
            told = f"{usd(r['usd_per_mtok_modelled'])}{f' ({cost})' if cost else ''}"
            model: dict[str, Any] = {
                "text": self.names(r["llm"]),
                "under": f"modelled: {told}",
                "rows": n_rows.pop(r["llm"], 0),
            }
            body.append(
                [
                    *([model] if model["rows"] else []),
                    {"text": self.names(r["provider"]), "under": r["host_kind"]},
                    usd(r["usd_per_mtok_input"]),
                    usd(r["usd_per_mtok_output"]),
                    {"text": usd(r["usd_per_mtok_asked"]), "strong": True},
                    words.times(r["asked_over_modelled"]),
                    percent(r["breakeven_load_fraction"]),
                    self.origin(r["observed_at"], r["layer"], r["source"], r["source_url"]),
                ]
            )
        if body:
            load = shown["workload"][0]
            left_out = self.analysis.market_check.height - len(body)
            notes = [
                f"USD per million tokens; workload {self.names(load)}, "
                f"{words.number(shown['input_tokens_per_output'][0])} prompt tokens an output token. Of each model "
                "the cheapest and the dearest host, the networks and the clouds."
            ]
            notes += [f"{left_out:,} further rows are in market_check.csv."] if left_out else []
            columns = [
                _column("Model", 2.0),
                _column("Host", 1.1),
                _column("Prompt", 0.6, right=True),
                _column("Output", 0.6, right=True),
                _column("With prompts", 0.75, right=True),
                _column("Times cost", 0.6, right=True),
                _column("Load that pays", 0.65, right=True),
                _column("Source and date", 1.9),
            ]
            parts.append(_table(columns, body, notes))
        else:
            parts.append(_text("No host's price can be set against our model in this run."))
        parts.append(self.chart("token_price_trend"))
        return {"title": "Model against market", "parts": parts}

    def layer_cell(self, at: datetime | None, layer: str | None, freshness: str | None = None) -> Cell:
        """Where a number came from, set apart when it is not live."""
        told = self.observed(at, layer, freshness)
        if freshness == "expired":
            return {"text": told, "tone": "bad"}
        calm = layer == "live" and freshness != "stale"
        return told if calm else {"text": told, "tone": "warn" if at is not None else "muted"}

    def comparisons(self) -> Part:
        """A table a network: its work's price against every cloud, silicon and reference."""
        parts: list[Part] = [
            _text(
                "The same model and workload on both sides, in USD per million output tokens with their prompts "
                "included. Of each cloud and chip maker, the chip that does the work for the least. Four references: "
                "the list price, the cheapest commitment, what the hour is modelled to cost the cloud, and that cost "
                "with the floor margin a cloud is known to accept.",
                quiet=True,
            ),
            {"type": "tags", "items": [[k, v] for k, v in KIND_WORDS.items()]},
        ]
        origins = view.reference_origins(self.analysis.unit_costs)
        same_chips = view.same_chip_comparison(self.headlines, self.analysis.comparison)

        def chips(row: view.Row) -> str:
            return self.names(row["reference_accelerator"]) if row["reference_accelerator"] else "no chip"

        for head in view.rows(self.headlines.head(30)):
            mine = self.compared.filter(pl.col("network") == head["network"])
            parts.append(_heading(f"{head['display_name']}: {self.names(head['accelerator'])}"))
            if mine.is_empty():
                parts.append(_text(f"Not comparable: {head['sentence']}"))
                continue
            first = mine.row(0, named=True)
            band = _span(first["usd_per_mtok_network_low"], first["usd_per_mtok_network_high"], usd)
            parts.append(
                _text(
                    f"{self.names(head['llm'])}, {self.names(head['workload'])}. {head['display_name']} asks "
                    f"{usd(first['network_usd_per_accelerator_hour'])} per accelerator-hour "
                    f"({self.observed(first['network_observed_at'], first['network_layer'])}), or "
                    f"{usd(first['usd_per_mtok_network'])} per million tokens "
                    f"({band or 'no band'}).",
                )
            )
            reasons: dict[str, list[str]] = {}
            body: list[list[Cell]] = []
            claims = view.claimed_pairs(mine)
            same = same_chips.filter(pl.col("network") == head["network"])
            blocks = [(p, view.of_pair(mine, p), "") for p in view.ordered_pairs(mine)]
            blocks += [
                (p, view.of_pair(same, p), ", the same chip") for p in (view.ordered_pairs(same) if same.height else [])
            ]
            for pair, block, addition in blocks:
                by_reference = {r["reference"]: r for r in view.rows(block)}
                present = [r for r in view.REFERENCE_ORDER if r in by_reference]
                for i, reference in enumerate(present):
                    r = by_reference[reference]
                    key = (*pair, r["reference_accelerator"], r["llm"], r["workload"], reference)
                    source, url = origins.get(key, (None, None))
                    name = self.names.long_pair(*pair)
                    label: Cell = {"text": name, "rows": len(present), "under": addition.removeprefix(", ")}
                    if pair in claims and isinstance(label, dict):
                        label["tone"] = "claim"
                    cells: list[Cell] = [label] if i == 0 else []
                    if r["not_comparable"] and r["usd_per_mtok_reference"] is None:
                        reasons.setdefault(r["not_comparable"], []).append(
                            f"{name}, {REFERENCE_WORDS[reference].lower()}"
                        )
                        cells += [
                            REFERENCE_WORDS[reference],
                            "",
                            {"text": "n/c", "quiet": True},
                            "",
                            _change(None),
                            "",
                            "",
                        ]
                    else:
                        cells += [
                            {"text": REFERENCE_WORDS[reference], "under": _terms(chips(r), r["reference_terms"])},
                            usd(r["reference_usd_per_accelerator_hour"], unknown="none"),
                            usd(r["usd_per_mtok_reference"]),
                            _span(r["usd_per_mtok_reference_low"], r["usd_per_mtok_reference_high"], usd),
                            _change(r["advantage"]),
                            _kind(r["reference_kind"]),
                            self.origin(r["reference_observed_at"], r["reference_layer"], source, url),
                        ]
                    body.append(cells)
            columns = [
                _column("Cloud", 1.65),
                _column("Reference", 1.5),
                _column("USD per hour", 0.7, right=True),
                _column("USD per Mtok", 0.75, right=True),
                _column("Low to high", 1.25, right=True),
                _column("Buyer saves", 0.7, right=True),
                _column("Known as", 0.95),
                _column("Source and date", 1.9),
            ]
            told = [f"n/c: {why} ({'; '.join(dict.fromkeys(where))})." for why, where in reasons.items()]
            parts.append(_table(columns, body, told))
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
        publication = self.publications.get(source)
        if publication is not None:
            made = _linked(publication["publisher"], publication["url"])
        else:
            made = _linked(words.host(url, unknown=self.names(source)), url)
        return (made if isinstance(made, dict) else {"text": made}) | {"under": told}

    def margins(self) -> Part:
        """What suppliers keep: over time, and chip by chip today."""
        every = view.margins_in_order(self.headlines, self.analysis.margins)
        rows = view.rows(every.group_by("network", maintain_order=True).head(_MOST_CHIPS).head(_MOST_ROWS))
        body: list[list[Cell]] = []
        reasons: dict[str, list[str]] = {}
        for r in rows:
            if r["not_known"]:
                reasons.setdefault(r["not_known"], []).append(
                    f"{self.names(r['network'])}, {self.names(r['accelerator'])}"
                )
            full = _change(r["full_margin"], unknown="n/k")
            band = _span(r["full_margin_low"], r["full_margin_high"], percent)
            money = [usd(r[f"{part}_usd_per_hour"], unknown="n/k") for part in ("power", "opex", "capital", "profit")]
            body.append(
                [
                    {
                        "text": self.names(r["network"]),
                        "under": self.observed(r["observed_at"], r["layer"], r["freshness"]),
                    },
                    {"text": self.names(r["accelerator"]), "under": r["archetype"].replace("_", " ")},
                    usd(r["usd_per_accelerator_hour"]),
                    {
                        "text": percent(r["utilisation"], unknown="n/k"),
                        "under": (r["utilisation_kind"] or "").replace("_", " "),
                    },
                    percent(r["take_rate"], unknown="n/k"),
                    *money,
                    _change(r["cash_margin"], unknown="n/k"),
                    full | {"under": band} if isinstance(full, dict) and band else full,
                    {
                        "text": usd(r["breakeven_usd_per_accelerator_hour"], unknown="n/k"),
                        "under": _use(r["breakeven_utilisation"]),
                    },
                    _change(r["full_margin_with_rewards"], unknown="n/k"),
                ]
            )
        columns = [
            _column("Network", 2.25),
            _column("Accelerator", 1.5),
            _column("Price", 0.65, right=True),
            _column("Use", 0.95, right=True),
            _column("Network keeps", 0.75, right=True),
            *(_column(t, 0.78, right=True) for t in ("Power", "Running", "Capital")),
            _column("Profit", 0.95, right=True),
            _column("Cash margin", 0.65, right=True),
            _column("Full margin", 1.2, right=True),
            _column("Breaks even", 0.9, right=True),
            _column("With rewards", 0.7, right=True),
        ]
        notes = [
            "Amounts in USD per calendar hour and accelerator; price in USD per rented accelerator-hour. Margins in % "
            "of what the supplier receives; full margin counts capital. Breaks even: the price, and beneath it the "
            "share of hours rented, at which the full margin is zero. n/k: not known.",
            *(f"n/k: {why} ({'; '.join(dict.fromkeys(where))})." for why, where in reasons.items()),
        ]
        if len(rows) < every.height:
            notes.append(f"{every.height - len(rows)} further rows are in margins.csv.")
        table = _table(columns, body, notes) if body else _text("No supplier's margin is known in this run.")
        return {"title": "What suppliers keep", "parts": [self.chart("margin_erosion"), table]}

    def erosion(self) -> Part:
        """Headroom, when each sign turns, and the buyer's advantage over time."""
        parts = [self.chart("headroom")]
        average = self.outlook.filter(pl.col("pricing") == "fleet_average")
        scenarios = view.ordered_scenarios(average) if average.height else []
        if not scenarios:
            parts += [_text("No outlook could be computed."), self.chart("advantage_erosion")]
            return {"title": "How far cloud cost may fall", "parts": parts}
        parts.append(_heading("When the advantage and the margin are gone"))
        parts.append(
            _text(
                "Buyer: advantage over that cloud. Supplier: full margin, without token rewards. Clouds are taken to "
                "price at the average cost of their whole fleet. A date is that of the central path, beneath it the "
                "10th to 90th percentile of the draws; the end of the horizon is never given as a date.",
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
                    at = view.of_pair(mine, pair).filter(
                        (pl.col("reference") == reference) & (pl.col("quantity") == "advantage")
                    )
                    if at.is_empty() or (at["state"] == "not_comparable").all():
                        continue
                    by_scenario = {r["scenario"]: r for r in view.rows(at)}
                    today = next(iter(by_scenario.values()))["today"]
                    body.append(
                        [
                            f"Buyer, {self.names.long_pair(*pair)}",
                            REFERENCE_WORDS[reference],
                            _change(today),
                            *(_outlook_cell(by_scenario.get(s)) for s in shown),
                        ]
                    )
            for quantity, name in (
                ("full_margin", "Supplier, node bought today"),
                ("full_margin_new_node", "Supplier, node bought then"),
            ):
                margin = mine.filter((pl.col("quantity") == quantity) & (pl.col("state") != "not_comparable"))
                by_scenario = {r["scenario"]: r for r in reversed(view.rows(margin))}
                if by_scenario:
                    today = next(iter(by_scenario.values()))["today"]
                    cells: list[Cell] = [_outlook_cell(by_scenario.get(s)) for s in shown]
                    body.append([{"text": name, "strong": True}, "", _change(today), *cells])
                elif quantity == "full_margin":
                    reason = mine.filter(pl.col("quantity") == quantity)["not_comparable"].drop_nulls()
                    why: Cell = {"text": reason[0] if reason.len() else NOT_KNOWN, "quiet": True}
                    body.append([name, why, *[{"text": NOT_KNOWN, "quiet": True}] * (1 + len(shown))])
            columns = [
                _column(self.names(network), 2.4),
                _column("Reference", 1.5),
                _column("Today", 0.7, right=True),
                *(_column(self.names(s), 1.3, right=True) for s in shown),
            ]
            parts.append(_table(columns, body))
        parts += [*self.drivers(), self.chart("advantage_erosion")]
        return {"title": "How far cloud cost may fall", "parts": parts}

    def drivers(self) -> list[Part]:
        """The two inputs that move each outlook most, and the age of what it rests on."""
        body: list[list[Cell]] = []
        found = view.headline_drivers(self.outlook, self.analysis.drivers)
        for r in found:
            alike = [x for x in found if x["network"] == r["network"]]
            outer: list[Cell] = [{"text": self.names(r["network"]), "strong": True, "rows": len(alike)}]
            what = "Supplier, node bought then"
            if r["quantity"] == "advantage":
                what = f"Buyer, {self.names.long_pair(r['cloud'], r['silicon'])}"
            body.append(
                [
                    *(outer if r is alike[0] else []),
                    {"text": what, "under": REFERENCE_WORDS[r["reference"]]} if r["quantity"] == "advantage" else what,
                    _change(r["at_horizon"], unknown=NOT_KNOWN),
                    _driver_cell(r["first"]),
                    _driver_cell(r["second"]),
                    ", ".join(part for part in (words.age(r["data_age_days"]), words.aged(r["freshness"])) if part),
                ]
            )
        if not body:
            return []
        horizon = found[0]["horizon"].year
        columns = [
            _column("Network", 0.8),
            _column("Quantity", 2.1),
            _column(f"End of {horizon}", 0.8, right=True),
            _column("Moved most by", 2.6),
            _column("and by", 2.6),
            _column("Oldest data", 0.8, right=True),
        ]
        note = (
            "Base scenario, clouds priced at the average of their fleet. Each input alone goes from its low to its "
            "high value; beneath it the result at either. Oldest data: price, measured fact or cost estimate in it. "
            "All inputs are in drivers.csv."
        )
        return [_heading("What moves the outlook most"), _table(columns, body, [note])]

    def tokens(self) -> Part:
        """What each network's token pays, a column a network."""
        title = "What the token pays"
        found = view.token_rows(self.analysis.token_economics, self.headlines)
        heads = [h for h in view.rows(self.headlines) if any(network == h["network"] for network, _ in found)]
        if not heads:
            return {"title": title, "parts": [_text("No token measure was computed in this run.")]}
        parts: list[Part] = []
        for start in range(0, len(heads), _MOST_TOKEN_COLUMNS):
            shown = heads[start : start + _MOST_TOKEN_COLUMNS]
            body: list[list[Cell]] = [
                [{"text": told, "under": under}, *(form(found.get((h["network"], measure), [])) for h in shown)]
                for measure, told, under, form in _TOKEN_LINES
            ]
            columns = [_column("Measure", 2.0), *(_column(h["display_name"], 2.0) for h in shown)]
            parts.append(_table(columns, body))
        parts.append(
            _text(
                "Per hour of the chip that stands for the network. Burned tokens are no revenue, and where providers "
                "are paid in tokens minted anew the burn is temporary. Figures of one period are never set against "
                "those of another. Every chip, way to pay and cloud is in token_economics.csv.",
                quiet=True,
            )
        )
        return {"title": title, "parts": parts}

    def assumptions(self) -> Part:
        """Assumptions in force, scenarios, and what the model leaves out."""
        parts: list[Part] = self.changes()
        body: list[list[Cell]] = []
        for r in view.rows(view.plain(self.analysis.assumptions)):
            source = self.publications.get(r["source_id"], {})
            yours = r["source_id"] == USER_SOURCE
            published: Cell = _linked(source.get("publisher") or r["source_id"], source.get("url"))
            body.append(
                [
                    {"text": r["meaning"], "under": r["parameter"]} | ({"tone": "warn"} if yours else {}),
                    words.number(r["low"]),
                    {"text": words.number(r["central"]), "strong": True} | ({"tone": "warn"} if yours else {}),
                    words.number(r["high"]),
                    r["unit"],
                    _kind(r["kind"]),
                    {"text": "your job file", "strong": True, "tone": "warn"} if yours else published,
                    "" if yours else words.day(r["as_of"]),
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
        scenarios = view.rows(self.analysis.scenarios)
        told: list[list[Cell]] = []
        for r in scenarios:
            source = self.publications.get(r["source_id"] or "", {})
            alike = [x for x in scenarios if x["scenario"] == r["scenario"]]
            first: list[Cell] = [{"text": r["title"], "strong": True, "under": r["meaning"], "rows": len(alike)}]
            told.append(
                [
                    *(first if r is alike[0] else []),
                    {"text": r["parameter"].replace("_", " "), "under": r["note"]}
                    if r["note"]
                    else r["parameter"].replace("_", " "),
                    words.number(r["low"]),
                    {"text": words.number(r["central"]), "strong": True},
                    words.number(r["high"]),
                    r["unit"] or "",
                    _kind(r["kind"]),
                    _linked(source.get("publisher") or r["source_id"] or NOT_KNOWN, source.get("url")),
                ]
            )
        if told:
            columns = [
                _column("Scenario", 1.7),
                _column("Parameter", 2.6),
                _column("Low", 0.6, right=True),
                _column("Central", 0.65, right=True),
                _column("High", 0.6, right=True),
                _column("Unit", 1.1),
                _column("Known as", 0.95),
                _column("Source", 1.3),
            ]
            parts.append(_table(columns, told))
        else:
            parts.append(_text("No scenarios were recorded with this run."))
        parts += [_heading("Not modelled"), {"type": "bullets", "items": list(NOT_MODELLED)}]
        return {"title": "Assumptions and scenarios", "parts": parts}

    def changes(self) -> list[Part]:
        """What the user changed, before everything else: no number of ours may hide that it is his."""
        body: list[list[Cell]] = [
            [
                {"text": r["key"], "under": r["note"], "strong": True}
                if r["note"]
                else {"text": r["key"], "strong": True},
                r["table"],
                words.number(r["before"]) if r["before"] is not None else {"text": "several or none", "quiet": True},
                {"text": words.number(r["after"]), "strong": True, "tone": "warn"},
                r["unit"],
                " to ".join("" if d is None else words.day(d) for d in (r["valid_from"], r["valid_to"])).strip(),
                "yes" if r["in_force"] else {"text": "not on this day", "tone": "muted"},
            ]
            for r in view.rows(view.plain(self.analysis.user_changes))
        ]
        if not body:
            return []
        columns = [
            _column("Changed in your job file", 2.6),
            _column("Table", 0.9),
            _column("Was", 0.9, right=True),
            _column("Is", 0.7, right=True),
            _column("Unit", 1.6),
            _column("Valid", 1.5),
            _column("In force", 0.9),
        ]
        note = "These numbers are yours. Every number that rests on them is marked as an assumption."
        return [_heading("Yours"), _table(columns, body, [note]), _heading("All assumptions in force")]

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
                                "tone": "good"
                                if s["state"] == "ok"
                                else "muted"
                                if s["state"] in ("reference", "off")
                                else "bad",
                            },
                            self.layer_cell(s["newest_observed_at"], s["layer"], s["freshness"])
                            if s["layer"]
                            else "none",
                            f"{s['rows']:,}",
                            f"{s['skipped']:,}",
                            s["detail"] or "",
                        ]
                        for s in states
                    ],
                )
            )
        parts += self.too_old()
        skipped = view.skipped_summary(self.analysis.skipped)
        parts.append(_heading("Rows left out"))
        if skipped:
            parts.append(
                _table(
                    [
                        _column("Source", 1.0),
                        _column("Kind", 1.0),
                        _column("Rows", 0.6, right=True),
                        _column("Reason (example)", 5),
                    ],
                    [
                        [self.names(s["source"]), s["kind"].replace("_", " "), f"{s['n']:,}", s["reason"]]
                        for s in skipped[:60]
                    ],
                    [f"{len(skipped) - 60} further reasons are in the run's files."] if len(skipped) > 60 else [],
                )
            )
        else:
            parts.append(_text("None."))
        return {"title": "Data of this run", "parts": parts}

    def too_old(self) -> list[Part]:
        """What its age keeps out of the verdict."""
        rows = view.rows(view.plain(self.analysis.left_out))
        if not rows:
            return []
        columns = [_column("Whose", 1.0), _column("What", 1.4), _column("Rows", 0.6, right=True), _column("Why", 5)]
        body: list[list[Cell]] = [
            [
                self.names(r["network"]),
                ", ".join([r["metric"].replace("_", " "), *([self.names(r["subject"])] if r["subject"] else [])]),
                f"{r['rows']:,}",
                r["reason"],
            ]
            for r in rows[:_MOST_ROWS]
        ]
        more = len(rows) - len(body)
        notes = [f"{words.plural(more, 'further group')} in analysis.json."] if more else []
        return [_heading("Too old for the verdict"), _table(columns, body, notes)]

    def sources(self) -> Part:
        """Publisher, title, dates and address of every source."""
        kinds = view.kinds_of_sources(self.analysis.assumptions, self.analysis.scenarios)
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
            _column("Publisher", 1.6),
            _column("Title", 2.4),
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
                    "The same analysis gives the same bytes. manifest.json beside this file holds the SHA-256 of every "
                    "output.",
                    quiet=True,
                ),
                _table([_column("Item", 1), _column("Value", 4)], body)
                if body
                else _text("No provenance was recorded."),
            ],
        }


_MOST_TOKEN_COLUMNS = 3
_BOUND_WORDS = {"upper": "at most ", "lower": "at least "}
_BASIS_WORDS = {"period": "then", "today": "today", "stressed": "stressed"}


def _driver_cell(row: view.Row | None) -> Cell:
    """An input with its band, and beneath it the result at either end."""
    if row is None or not row["swing"]:
        return {"text": "no other", "quiet": True}
    name = row["input"].split("[")[0].replace("reference_", "cloud's ").replace("network_", "network's ")
    name = name.replace("_", " ").replace("usd", "USD")
    band = f"{_short(row['input_low'], row['unit'])} to {_short(row['input_high'], row['unit'])}"
    ends = f"{percent(row['at_low'], signed=True)} to {percent(row['at_high'], signed=True)}"
    return {"text": f"{name}, {band}", "under": ends}


def _short(value: float, unit: str) -> str:
    """Three figures; what is larger whole, a year with its part."""
    if unit == "year":
        return f"{value:.1f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _amount(row: view.Row) -> str:
    """A token measure in its unit."""
    value, unit = row["value"], row["unit"] or ""
    sign = _BOUND_WORDS.get(row["bound"] or "", "")
    if unit.startswith("fraction"):
        return sign + (f"{value * 100:.2g}%" if 0 < value < 0.01 else percent(value))
    if unit.startswith("USD"):
        return sign + usd(value)
    if unit.startswith("ratio"):
        return f"{sign}{value:.2f}"
    token = unit.split()[0]
    count = f"{abs(value):,.0f}" if abs(value) >= 1000 else f"{abs(value):.3g}"
    return f"{sign}{words.MINUS if value < 0 else ''}{count} {token}"


def _token_cell(rows: Sequence[view.Row]) -> Cell:
    """The known rows of one measure: the first large with how it is known, the others beneath; or why there is none."""
    known = [r for r in rows if r["value"] is not None]
    if not known:
        reasons = dict.fromkeys(r["not_known"] for r in rows if r["not_known"])
        return {"text": NOT_KNOWN, "quiet": True} | ({"under": "; ".join(reasons)} if reasons else {})
    first = known[0]
    made: dict[str, Any] = {"text": _amount(first) + _basis(first, rows)}
    if first["kind"]:
        made |= {"kind": first["kind"], "words": KIND_WORDS.get(first["kind"], first["kind"])}
    below = [_amount(r) + _basis(r, rows) for r in known[1:]]
    missing = [_BASIS_WORDS[r["price_basis"]] for r in rows if r["value"] is None and r["price_basis"]]
    below += [f"{words.listing(missing)}: {NOT_KNOWN}"] if missing else []
    observed = first["observed_at"] if first["kind"] != "protocol" else None
    below += [f"data of {words.day(observed)}"] if observed is not None else []
    return made | {"under": "; ".join(below)}


def _basis(row: view.Row, rows: Sequence[view.Row]) -> str:
    """At which token price, where there is more than one."""
    return f" {_BASIS_WORDS[row['price_basis']]}" if row["price_basis"] and len(rows) > 1 else ""


def _take_cell(rows: Sequence[view.Row]) -> Cell:
    """The network's take by way to pay, in one figure where all are alike."""
    known = [r for r in rows if r["value"] is not None]
    if len({r["value"] for r in known}) <= 1:
        return _token_cell(rows[:1])
    made = _token_cell(known[:1])
    told = ", ".join(f"{_amount(r)} in {r['subject']}" for r in known)
    return made | {"text": told} if isinstance(made, dict) else made


_TOKEN_LINES: tuple[tuple[str, str, str, Any], ...] = (
    ("network_take", "Network keeps", "of the tenant's bill, with the spread on minting", _take_cell),
    ("revenue_usd_per_rented_hour", "Tenants paid", "USD per rented GPU-hour", _token_cell),
    ("emission_tokens_per_month", "Emitted to providers", "a month", _token_cell),
    ("subsidy_tokens_per_rented_hour", "Reward", "tokens per rented hour", _token_cell),
    ("subsidy_usd_per_rented_hour", "The same in USD", "today, and at the stressed token price", _token_cell),
    ("subsidy_tokens_per_online_hour", "Reward for being online", "tokens per hour", _token_cell),
    ("subsidy_usd_per_online_hour", "The same in USD", "today, and at the stressed token price", _token_cell),
    ("subsidy_gap_usd_per_hour", "Lacking to break even", "USD per rented hour", _token_cell),
    ("subsidy_gap_tokens_per_hour", "The same in tokens", "today, and at the stressed token price", _token_cell),
    ("required_usd_per_token", "Token price that closes it", "rewards as the rules print them", _token_cell),
    ("emission_coverage", "Revenue over emissions", "of the same days, at three token prices", _token_cell),
    ("burned_tokens", "Burned, gross", "no revenue", _token_cell),
    ("burned_tokens_net", "Burned, net of minted", "", _token_cell),
    ("supply_change_tokens_per_1000_usd", "Change of supply", "per 1,000 USD of usage", _token_cell),
    ("unique_service_premium", "Premium to earn", "over the modelled cost of Azure with NVIDIA GPUs", _token_cell),
)


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
    never = f"not reached by {row['horizon'].year}"
    if row["state"] == "already_lost":
        return {"text": _STATE_WORDS["already_lost"], "tone": "bad"}
    low, high = (words.month(row[k]) if row[k] is not None else never for k in ("date_p10", "date_p90"))
    drawn = row["probability_lost"] is not None
    if row["state"] == "not_reached":
        made: dict[str, Any] = {"text": never, "tone": "good"}
        return made if low == never or not drawn else made | {"under": f"10 % of draws by {low}"}
    dated: dict[str, Any] = {"text": words.month(row["date"]), "tone": "warn"}
    return dated | ({"under": low if low == high else f"{low} to {high}"} if drawn else {})


def _terms(chip: str, terms: str | None) -> str:
    """``H100 SXM 80GB, on demand``: which chip a price is of, and on what terms."""
    return f"{chip}, {terms.replace('_', ' ')}" if terms else chip
