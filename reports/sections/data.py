"""The data of this run, the sources, and how the report was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from depin_compare.refdata.citations import citations, document_kinds
from reports import view, words
from reports.sections.assumptions import OURS
from reports.sections.page import Page
from reports.sections.parts import Cell, Part, column, kind_cell, linked, paragraph, subheading, table_part

_MOST_ROWS = 150
# A table of no more rows is not parted between pages.
_MOST_WHOLE = 20
_SOURCE_STATE_WORDS = {
    "ok": "answered",
    "partial": "answered in part",
    "unreachable": "not reached",
    "failed": "failed",
    "timed_out": "timed out",
    "off": "switched off",
    "reference": "not asked",
}


def data_states(page: Page) -> Part:
    """How each source fared, and what was left out."""
    parts = [page.chart("source_ages")]
    judged = view.states_by_kind(page.analysis.source_states, page.analysis.market_prices)
    asked_of, told_of = view.sources_and_sellers(judged)
    states = view.rows(asked_of)
    if others := view.rows(told_of):
        told = sorted((_seller_told_of(page, one) for one in others), key=str.casefold)
        parts.append(
            paragraph(
                f"Sellers told of by another source, with no source of their own: {words.listing(told)}.", quiet=True
            )
        )
    if states:
        feeds = _feeds(page)
        asked = any(s["rows"] or s["skipped"] for s in states)
        # What is told of every source alike is told once.
        alike = {s["detail"] for s in states}
        detailed = bool(alike - {None}) and len(alike) > 1
        parts.append(subheading("Sources in this run"))
        parts.append(
            table_part(
                [
                    column("Source", 1.3),
                    column("Gives", 2.2),
                    column("This time", 1.1),
                    column("Data in use", 1.7),
                    *([column("Rows", 0.6, right=True), column("Left out", 0.6, right=True)] if asked else []),
                    *([column("Detail", 2.0)] if detailed else []),
                ],
                [
                    [
                        {"text": page.names(s["source"]), "strong": True},
                        s["gives"],
                        {
                            "text": _SOURCE_STATE_WORDS.get(s["state"], s["state"]),
                            "tone": "good"
                            if s["state"] == "ok"
                            else "muted"
                            if s["state"] in ("reference", "off")
                            else "bad",
                        },
                        _source_age(page, s) if s["layer"] else _packaged_copies(s["source"], feeds),
                        *([_rows(s, "rows"), _rows(s, "skipped")] if asked else []),
                        *([_detail(s)] if detailed else []),
                    ]
                    for s in states
                ],
                [
                    *([f"Of every source: {next(iter(alike))}."] if alike - {None} and not detailed else []),
                    f"{words.OVERDUE.capitalize()}: older than an answer of the source should be, whatever stands in "
                    "for it. A price is judged where it stands: a live or stored one by its source, a packaged one by "
                    "its kind (the prices in use, appendix).",
                ],
            )
        )
    parts += too_old(page)
    skipped = view.skipped_summary(page.analysis.skipped)
    parts.append(subheading("Rows left out"))
    if skipped:
        parts.append(
            table_part(
                [
                    column("Source", 1.0),
                    column("Kind", 0.8),
                    column("Rows", 0.5, right=True),
                    column("Commonest reason, as the program told it", 5),
                ],
                [
                    [
                        page.names(s["source"]),
                        s["kind"].replace("_", " "),
                        f"{s['n']:,}",
                        {"text": words.shorten(s["reason"], 160)}
                        | (
                            {"under": f"and {words.plural(s['reasons'] - 1, 'other reason')}"}
                            if s["reasons"] > 1
                            else {}
                        ),
                    ]
                    for s in skipped
                ],
                ["Unreadable: a price could not be read with certainty. Every row and its reason: analysis.json."],
            )
        )
    else:
        parts.append(paragraph("None."))
    return {"title": "Data of this run", "parts": parts}


def _source_age(page: Page, state: view.Row) -> Cell:
    """Of when a source's newest data are, and whether they are older than an answer of it should be."""
    cell = page.layer_cell(state["newest_observed_at"], state["layer"], state["freshness"])
    if state["freshness"] != "stale" or state["by_kind"] or not isinstance(cell, dict):
        return cell
    return cell | {"text": f"{cell['text'].removesuffix(words.aged('stale'))}{words.OVERDUE}"}


def _seller_told_of(page: Page, state: view.Row) -> str:
    """A seller's name, with the age of what is not live."""
    if state["layer"] == "live" or state["age_days"] is None:
        return page.names(state["source"])
    return f"{page.names(state['source'])} ({state['layer']}, {words.age(state['age_days'])})"


# Where packaged rows were read from copies of a catalogue: how the ids of those sources begin.
_COPIES = {
    "gpuhunt": "gpuhunt-",
    "litellm": "litellm-",
    "models_dev": "models-dev-",
    "opencomputeprices": "open-compute-prices",
    "openrouter": "openrouter-",
    "skypilot": "skypilot-",
}


def _packaged_copies(source: str, feeds: Mapping[str, Sequence[str]]) -> Cell:
    """What stands for a source that gave nothing itself: rows of the package that were read from copies of it."""
    start = _COPIES.get(source)
    used = sorted(
        {use for name, uses in feeds.items() if start and name.startswith(start) for use in uses if use != "names"}
    )
    if not used:
        return {"text": "none of its own", "quiet": True}
    return {"text": f"packaged copies: {words.listing(used)}", "tone": "muted"}


def _detail(state: view.Row) -> str:
    """What it told, without its own id before it."""
    return (state["detail"] or words.DASH).removeprefix(f"{state['source']}: ")


def _rows(state: view.Row, column_name: str) -> str:
    """How many rows an answer had; a dash where there was none, which is not zero rows."""
    return f"{state[column_name]:,}" if state["state"] in ("ok", "partial") else words.DASH


_METRIC_WORDS = {
    "gpus_total": "size of the fleet",
    "price": "price of the hour",
    "utilisation": "share of hours rented",
}


def too_old(page: Page) -> list[Part]:
    """What its age keeps out of the verdict."""
    rows = view.rows(view.plain(page.analysis.left_out))
    if not rows:
        return []
    # What differs only in its subject has one row, with the reason of the first.
    groups: dict[tuple[str, str], list[view.Row]] = {}
    for r in rows:
        groups.setdefault((r["network"], r["metric"]), []).append(r)
    columns = [column("Whose", 1.2), column("What", 2.4), column("Rows", 0.6, right=True), column("Why", 4)]
    body: list[list[Cell]] = [
        [
            page.names(network),
            {
                "text": _METRIC_WORDS.get(metric, metric.replace("_", " ")),
                "under": words.shorten(", ".join(page.names(r["subject"]) for r in alike if r["subject"]), 160),
            },
            f"{sum(r['rows'] for r in alike):,}",
            _too_old_words(alike),
        ]
        for (network, metric), alike in list(groups.items())[:_MOST_ROWS]
    ]
    more = len(groups) - len(body)
    notes = [f"{words.plural(more, 'further group')} in analysis.json."] if more else []
    return [subheading("Too old for the verdict"), table_part(columns, body, notes)]


_FEEDS = {
    "reference_prices": "prices",
    "token_prices": "token prices",
    "network_facts": "networks' facts",
    "hardware_prices": "hardware prices",
    "accelerator_tco": "owner's cost",
    "assumptions": "assumptions",
    "scenarios": "scenarios",
    "throughput": "tokens a second",
    "workloads": "workloads",
    "accelerators": "chips",
    "llms": "models",
    "instances": "cloud machines",
    "machine_shapes": "cloud machines",
    "dated_rents": "price history",
    "events": "events",
    "networks": "sellers",
    "unpriced_networks": "sellers",
    "accelerator_names": "names",
    "llm_names": "names",
    "llm_classes": "names",
    "token_hosts": "names",
}


def _too_old_words(alike: Sequence[view.Row]) -> str:
    """How old the youngest and the oldest are, and how old they may be."""
    low, high = min(r["age_days"] for r in alike), max(r["age_days"] for r in alike)
    limits = sorted({words.age(r["limit_age_days"]) for r in alike})
    span = words.age(high) if words.age(low) == words.age(high) else f"{words.age(low)} to {words.age(high)}"
    return f"{span} old; the limit is {words.listing(limits)}"


def sources(page: Page) -> Part:
    """Publisher, title, date, address and kind of every source of this report, and what its numbers are used for."""
    feeds, kinds = _feeds(page), document_kinds()
    known = view.rows(view.plain(page.analysis.sources))
    mine = [r for r in known if r["source_id"] in feeds]
    body: list[list[Cell]] = [
        [
            r["publisher"],
            linked(r["title"], r["url"]),
            {"text": r["url"] or "no address on record", "quiet": True},
            r["published"] or {"text": "undated", "quiet": True},
            words.listing(feeds[r["source_id"]]),
            kind_cell(kinds.get(r["source_id"], "assumption" if r["publisher"] == OURS else None)),
        ]
        for r in sorted(mine, key=lambda r: (r["publisher"].casefold(), r["title"].casefold()))
    ]
    body = sorted([*_answers(page), *body], key=lambda row: str(row[0]).casefold())
    columns = [
        column("Publisher", 1.5),
        column("Title", 2.3),
        column("Address", 2.2),
        column("Published", 0.8),
        column("Used for", 1.2),
        column("Known as", 0.9),
    ]
    notes = []
    if read := sorted({words.day(r["accessed"]) for r in mine}):
        more, when = len(known) - len(mine), f"from {read[0]} to {read[-1]}" if read[1:] else f"on {read[0]}"
        notes = [
            f"Publications were read {when}. Known as: how the document itself is known; a number that came to us "
            "through somebody who copied it is marked third party where it stands."
        ]
        notes += [f"{words.plural(more, 'further source')} are of other models, chips and networks."] if more else []
    return {
        "title": "Sources",
        "parts": [table_part(columns, body, notes) if body else paragraph("No sources were recorded.")],
    }


def _answers(page: Page) -> list[list[Cell]]:
    """What the sources asked gave that this report rests on, each with the day of its answer."""
    run = page.analysis
    heads = pl.col("network").is_in(run.headlines["network"].to_list())
    clouds = run.unit_costs.filter(pl.col("side") == "cloud", pl.col("usd_per_mtok").is_not_null())
    frames = (
        ("prices", view.prices_in_use(run.market_prices, page.compared)),
        ("prices", clouds),
        ("token prices", run.market_check),
        ("networks' facts", run.facts.filter(heads)),
    )
    asked, _ = view.sources_and_sellers(run.source_states)
    gives = {r["source"]: r["gives"] for r in view.rows(asked)}
    uses: dict[tuple[str, str], list[str]] = {}
    newest: dict[tuple[str, str], tuple[datetime, str]] = {}
    for use, frame in frames:
        told = frame.filter(pl.col("layer").cast(pl.String) != "reference", pl.col("source").is_in(list(gives)))
        for source, url, day in told.select("source", "source_url", "observed_at").unique().sort(pl.all()).iter_rows():
            # A seller's prices that somebody else keeps are another document.
            key = source, words.source_name(source, url, page.names)
            if use not in uses.setdefault(key, []):
                uses[key].append(use)
            newest[key] = max(newest.get(key, (day, url or "")), (day, url or ""))
    return [
        [
            name,
            f"Answer of the source: {gives[source]}"
            if name == page.names(source)
            else f"Prices of {page.names(source)}",
            linked(words.host(newest[source, name][1], unknown="no address on record"), newest[source, name][1]),
            words.day(newest[source, name][0]),
            words.listing(used),
            kind_cell("third_party" if "second hand" in gives[source] or name != page.names(source) else "published"),
        ]
        for (source, name), used in uses.items()
    ]


def _feeds(page: Page) -> dict[str, list[str]]:
    """Of each source of this report: what its rows are used for, most rows first."""
    run = page.analysis
    subjects: set[str] = set()
    for frame, columns in (
        (run.unit_costs, ("llm", "accelerator", "seller")),
        (run.market_prices, ("accelerator", "network")),
        (run.margins, ("accelerator",)),
        (run.headlines, ("network",)),
    ):
        for name in columns:
            subjects.update(frame[name].cast(pl.String).drop_nulls().unique())
    cited = view.plain(citations()).filter(pl.col("subject").is_null() | pl.col("subject").is_in(sorted(subjects)))
    counted = cited.group_by("source_id", "table").agg(pl.col("rows").sum())
    feeds: dict[str, list[str]] = {}
    for source, table in counted.sort("rows", "table", descending=[True, False]).select("source_id", "table").rows():
        mine = feeds.setdefault(source, [])
        if (told := _FEEDS.get(table, table.replace("_", " "))) not in mine:
            mine.append(told)
    return feeds


_PROVENANCE_WORDS = {
    "config_sha256": "SHA-256 of the configuration",
    "draws": "draws of the uncertain inputs",
    "llms": "models",
    "seed": "seed of the draws",
    "python": "Python",
}


def _named(page: Page, key: str, value: str) -> str:
    return words.listing(page.names(one) for one in value.split(", ")) if key in ("llms", "workloads") else value


def manifest(page: Page) -> Part:
    """What made this report."""
    body: list[list[Cell]] = [
        [_PROVENANCE_WORDS.get(k) or k.replace("version_", "version of ").replace("_", " "), _named(page, k, v)]
        for k, v in sorted(page.analysis.provenance.items())
    ]
    body += [[f"chart {name} missing", reason] for name, reason in sorted(page.failed.items())]
    return {
        "title": "How this report was made",
        "parts": [
            paragraph(
                "The same analysis gives the same bytes. manifest.json beside this file holds the SHA-256 of every "
                "output.",
                quiet=True,
            ),
            table_part([column("Item", 1), column("Value", 4)], body) | {"whole": len(body) <= _MOST_WHOLE}
            if body
            else paragraph("No provenance was recorded."),
        ],
    }
