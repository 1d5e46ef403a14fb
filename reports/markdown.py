"""The run in a page of GitHub-flavoured Markdown, for pull requests and chat."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import polars as pl

from depin_compare.analysis import Analysis
from reports import view, words
from reports.sections.first_page import headline, sentences
from reports.sections.page import Page
from reports.since import Since, shown, since_lines
from reports.summary import ADVICE_NOTE, ages_line, left_out_lines
from reports.verdict_words import FOR_ITS_MARGIN, lacks_margin_alone, today_words, verdict_note
from reports.verdicts import NOT_COMPARABLE, verdicts
from reports.words import REFERENCE_WORDS

__all__ = ["escaped", "summary_markdown"]

_MOST_NETWORKS = 30
_MOST_CHANGES = 10
_MOST_SOURCES = 12
_NOT_TOLD = ("ok", "off", "reference")


def summary_markdown(analysis: Analysis, since: Since | None = None) -> str:
    """The verdict of a run as Markdown, with the numbers as the PDF prints them.

    The finding, three sentences, the verdict table, what changed since the last report, how old the data are and what
    could not be reached, and the note that none of it is advice.

    Parameters
    ----------
    analysis : Analysis
        A whole run, or a selection of one.
    since : Since, optional
        What changed since an earlier report.
    """
    blocks = ["# Decentralised GPU networks against the clouds", escaped(ages_line(analysis))]
    if analysis.headlines.height:
        page = Page(analysis, {}, {})
        blocks.append(f"**{escaped(headline(page))}**")
        blocks += [_list(escaped(told) for told in sentences(page)), *_verdict_table(analysis, page)]
    else:
        blocks.append("No network could be compared: no source gave a price.")
    blocks += _since(since)
    blocks += _unreached(analysis)
    blocks.append(f"*{escaped(ADVICE_NOTE)}*")
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Text as it is, whatever signs of Markdown or HTML are in it, on one line.

    >>> escaped("a|b [c] `d` <e> *f*")
    'a\\\\|b \\\\[c\\\\] \\\\`d\\\\` &lt;e&gt; \\\\*f\\\\*'
    """
    on_one_line = " ".join(text.split())
    marked = re.sub(r"([\\`*_\[\]|~])", r"\\\1", on_one_line)
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[bool]) -> str:
    """A table; cells are Markdown already."""
    lines = [titles, ["---:" if one else "---" for one in right], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _verdict_table(analysis: Analysis, page: Page) -> list[str]:
    """A row a network, against the cloud that outlooks follow."""
    every = view.plain(verdicts(analysis))
    pair = page.future_pair
    networks = every["network"].unique(maintain_order=True).to_list()
    shown_networks = networks[:_MOST_NETWORKS]
    body: list[list[str]] = []
    for network in shown_networks:
        rows = view.rows(every.filter(pl.col("network") == network))
        at = {row["reference"]: row for row in rows if pair is not None and (row["cloud"], row["silicon"]) == pair}
        row = rows[0]
        under = [f"data {mark}" if (mark := words.aged(row["freshness"])) else ""]
        under += [FOR_ITS_MARGIN] if lacks_margin_alone(page.outlook.filter(pl.col("network") == network)) else []
        chip = [page.names(row[key]) for key in ("accelerator", "llm") if row[key] is not None]
        savings = [at[ref]["advantage_printed"] if ref in at else NOT_COMPARABLE for ref in view.REFERENCE_ORDER]
        gone = at["list"]["advantage_gone_printed"] if "list" in at else NOT_COMPARABLE
        marks = "; ".join(filter(None, under))
        verdict = f"{row['verdict']} ({marks})" if marks else row["verdict"]
        body.append(
            [
                f"**{escaped(row['display_name'])}**", escaped(", ".join(chip)) or words.DASH, *savings, gone,
                escaped(row["full_margin_printed"]), escaped(verdict),
            ]
        )  # fmt: skip
    saved = [f"Saves v. {REFERENCE_WORDS[reference].lower()}" for reference in view.REFERENCE_ORDER]
    titles = ["Network", "Chip and model", *saved, "List lead gone, P50", "Supplier keeps", "Verdict"]
    table = _table(titles, body, [False, False, *[True] * 6, False])
    against = (
        f"What the buyer saves against {escaped(page.names.long_pair(*pair))}, in % of its price or cost of the same "
        "tokens. "
        if pair
        else ""
    )
    notes = (
        f"{against}Supplier keeps: "
        "full-cost margin, % of receipts, without token rewards. List lead gone: when half of the draws have lost the "
        "lead over the list price in the base scenario; already lost: at central inputs."
        f"{today_words(row[6] for row in body)} n/k: not known; n/c: not comparable. {verdict_note(page.outlook)}"
    )
    more = len(networks) - len(shown_networks)
    rest = f"{words.plural(more, 'further network')} and every other cloud" if more else "Every other cloud"
    return [table, f"{notes} {rest}: verdicts.csv."]


def _since(since: Since | None) -> list[str]:
    lines = since_lines(since)
    if since is None or not lines:
        return []
    told = ["## Since the last report", escaped(lines[0])]
    if since.rows is None or since.rows.is_empty():
        return told
    rows = shown(view.plain(since.rows))["sentence"].head(_MOST_CHANGES).to_list()
    left_out = since.rows.height - len(rows)
    more = [f"{words.plural(left_out, 'further change')}: changes.csv."] if left_out else []
    return [*told, _list([*(escaped(row) for row in rows), *more])]


def _unreached(analysis: Analysis) -> list[str]:
    """What gave nothing in this run and what stands in for it; what is too old for a verdict."""
    page = Page(analysis, {}, {})
    states = view.plain(analysis.source_states).filter(~pl.col("state").is_in(_NOT_TOLD)).sort("source")
    lines = []
    for row in view.rows(states.head(_MOST_SOURCES)):
        stand_in = (
            "nothing" if row["layer"] is None else f"{row['layer']} data of {words.day(row['newest_observed_at'])}"
        )
        why = (row["detail"] or "").removeprefix(f"{row['source']}: ")
        detail = f" ({why})" if why else ""
        state = row["state"].replace("_", " ")
        lines.append(escaped(f"{page.names(row['source'])}: {state}, {stand_in} in its place{detail}"))
    if states.height > len(lines):
        lines.append(f"{states.height - len(lines)} more: manifest.json.")
    lines += [escaped(line) for line in left_out_lines(analysis, page.told)]
    return ["## What could not be reached", _list(lines)] if lines else []
