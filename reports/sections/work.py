"""The same work against every cloud: the charts, what the clouds charge for it, and, at the end, every comparison."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from reports import view, words
from reports.sections.networks import anchor_of
from reports.sections.page import Page
from reports.sections.parts import (
    Cell,
    Part,
    change_cell,
    column,
    kind_cell,
    paragraph,
    span_words,
    subheading,
    table_part,
    terms_words,
)
from reports.words import KIND_WORDS, REFERENCE_WORDS, usd

__all__ = ["comparisons", "every_comparison"]

_MOST_CLOUD_ROWS = 120
_MOST_ROWS = 500
_MOST_REASONS = 6


def comparisons(page: Page) -> Part:
    """The charts of equal work, and what the same tokens cost on every cloud."""
    parts: list[Part] = [
        paragraph(
            "The same model and workload on both sides, in USD per million output tokens with their prompts "
            "included. Of each cloud and chip maker, the chip that does the work for the least. Four references: "
            "the list price, the cheapest commitment, what the hour is modelled to cost the cloud, and that cost "
            "with the floor margin a cloud is known to accept.",
            quiet=True,
        ),
        page.chart("equal_work"),
        *page.charts_if_there("advantage_heat_map"),
    ]
    title = "The same work"
    if page.compared.is_empty():
        return {"title": title, "parts": [*parts, paragraph("No network could be compared in this run.")]}
    parts += [
        subheading("What the clouds ask for the same work"),
        {"type": "tags", "items": [[k, v] for k, v in KIND_WORDS.items()]},
    ]
    return {"title": title, "parts": [*parts, _clouds(page)]}


def _clouds(page: Page) -> Part:
    """Every reference of every cloud once a model, with its chip, kind, source and date."""
    key = ["llm", "workload", "cloud", "silicon", "reference"]
    every = page.compared.filter(pl.col("match") == "cheapest").unique(key, keep="first", maintain_order=True)
    origins = view.reference_origins(page.analysis.unit_costs)
    claims = view.claimed_pairs(every)
    body: list[list[Cell]] = []
    reasons: dict[str, list[str]] = {}
    unrented: list[str] = []
    blocks = [
        (llm, load, pair, view.rows(view.of_pair(every.filter(llm=llm, workload=load), pair)))
        for llm, load in every.select("llm", "workload").unique(maintain_order=True).iter_rows()
        for pair in view.ordered_pairs(every)
    ]
    left_out = 0
    for llm, load, pair, found in blocks:
        by_reference = {r["reference"]: r for r in found}
        present = [by_reference[r] for r in view.REFERENCE_ORDER if r in by_reference]
        priced = [r for r in present if r["usd_per_mtok_reference"] is not None]
        name = page.names.long_pair(*pair)
        for r in present:
            if r["usd_per_mtok_reference"] is None and r["not_comparable"]:
                told = reasons.setdefault(page.told(r["not_comparable"]), [])
                told.append(f"{name}, {REFERENCE_WORDS[r['reference']].lower()}")
        if len(body) + len(priced) > _MOST_CLOUD_ROWS:
            left_out += len(priced)
            continue
        for r in priced:
            label = page.pair_cell(pair, claimed=pair in claims)
            outer = (label if isinstance(label, dict) else {"text": label}) | {
                "rows": len(priced),
                "under": f"{page.names(llm)}, {page.names(load)}",
            }
            chip = page.names(r["reference_accelerator"]) if r["reference_accelerator"] else "no chip"
            where = (*pair, r["reference_accelerator"], llm, load, r["reference"])
            source, url = origins.get(where, (None, None))
            hour = r["reference_usd_per_accelerator_hour"]
            if hour is None:
                unrented.append(chip)
            body.append(
                [
                    *([outer] if r is priced[0] else []),
                    {
                        "text": REFERENCE_WORDS[r["reference"]],
                        "under": page.named(terms_words(chip, r["reference_terms"])),
                    },
                    {"text": "n/k", "quiet": True} if hour is None else usd(hour),
                    usd(r["usd_per_mtok_reference"]),
                    span_words(r["usd_per_mtok_reference_low"], r["usd_per_mtok_reference_high"], usd),
                    kind_cell(r["reference_kind"]),
                    page.origin(r["reference_observed_at"], r["reference_layer"], source, url),
                ]
            )
    if not body:
        return paragraph("No cloud's price is known for this work.")
    columns = [
        column("Cloud and work", 1.45),
        column("Reference", 2.95),
        column("USD per hour", 0.65, right=True),
        column("USD per Mtok", 0.6, right=True),
        column("Low to high", 1.2, right=True),
        column("Known as", 0.85),
        column("Source and date", 1.8),
    ]
    notes = [
        f"n/k: nobody can rent {chip} by the hour, and no cost of its hour is published; its cost of the work is the "
        "claimed factor on another chip's."
        for chip in dict.fromkeys(unrented)
    ]
    notes.append(
        "List and committed price: the cheapest machine, region and term of a cloud's price list, as a buyer may "
        "choose it; the prices in use (appendix) are medians."
    )
    notes += _reasons(reasons)
    notes += [f"{left_out:,} further prices of clouds are in comparison.csv."] if left_out else []
    return table_part(columns, body, notes)


def _reasons(reasons: Mapping[str, list[str]]) -> list[str]:
    told = [f"n/c: {why} ({'; '.join(dict.fromkeys(where))})." for why, where in reasons.items()]
    more = len(told) - _MOST_REASONS
    return told[:_MOST_REASONS] + ([f"{words.plural(more, 'further reason')} in comparison.csv."] if more > 0 else [])


def _own_chips(page: Page, pair: tuple[str, str], at: Mapping[str, view.Row]) -> str:
    """Which of a cloud's own chips is meant, where its list price is of another than its committed price."""
    listed, committed = (at.get(r, {}).get("reference_accelerator") for r in ("list", "committed"))
    if pair[1] in ("nvidia", "amd") or listed is None or committed is None or listed == committed:
        return ""
    # Without their memory: the line is short, and no two of a cloud's own differ in nothing else.
    first, second = (page.names(chip).rpartition(" ")[0] or page.names(chip) for chip in (listed, committed))
    return f"list {first}, committed {second}"


def every_comparison(page: Page) -> Part | None:
    """A row a network and cloud: what the buyer saves against each reference, the very same chip set apart."""
    known = page.compared.filter(pl.col("advantage").is_not_null())
    if known.is_empty():
        return None
    same = view.same_chip_comparison(page.headlines, page.analysis.comparison)
    body: list[list[Cell]] = []
    n_rows = left_out = 0
    for head in view.rows(page.headlines):
        blocks: list[tuple[tuple[str, str], str, list[view.Row]]] = []
        for frame, what in ((known, ""), (same, "same chip")):
            mine = frame.filter(pl.col("network") == head["network"])
            blocks += [(p, what, view.rows(view.of_pair(mine, p))) for p in view.ordered_pairs(mine) if mine.height]
        if not blocks:
            continue
        if n_rows + len(blocks) > _MOST_ROWS:
            left_out += len(blocks)
            continue
        n_rows += len(blocks)
        first = blocks[0][2][0]
        for pair, what, found in blocks:
            at = {r["reference"]: r for r in found}
            claimed = any(view.is_claim(r["reference_kind"]) for r in found)
            label: Cell = f"{what}, {page.names(pair[0])}" if what else page.names.long_pair(*pair)
            if claimed:
                label = {"text": label, "tone": "claim", "tail": "claim"}
            elif not what and (chips := _own_chips(page, pair, at)):
                label = {"text": label, "under": chips}
            cells: list[Cell] = [label]
            for reference in view.REFERENCE_ORDER:
                row = at.get(reference, {})
                cells += [
                    usd(row.get("usd_per_mtok_reference"), unknown="\N{EN DASH}"),
                    change_cell(row.get("advantage")),
                ]
            outer: Cell = {
                "text": words.shorten(head["display_name"], 34),
                "strong": True,
                "to": anchor_of(page, head["network"]),
                "colour": page.colour_of(head["network"]),
                "under": f"{page.names(head['accelerator'])}, {page.names(head['llm'])}: "
                f"{usd(first['usd_per_mtok_network'])} per Mtok",
                "rows": len(blocks),
            }
            body.append([*([outer] if pair == blocks[0][0] and what == blocks[0][1] else []), *cells])
    columns = [column("Network", 1.7), column("Cloud", 2.3)]
    for reference in view.REFERENCE_ORDER:
        columns += [column(REFERENCE_WORDS[reference], 0.8, right=True), column("saves", 0.65, right=True)]
    notes = [
        "USD per million output tokens with their prompts; saves: what the network's buyer pays less, in % of it; n/c: "
        "not comparable, for the reasons told with the clouds' prices, or because of the very same chip the cloud "
        "prints no price or nobody an owner's cost. Same chip: on the chip of the network, where another of the "
        "cloud's does the work for less."
    ]
    rest = page.analysis.comparison.height - len(body)
    notes.append(
        f"Only the chip and model that stand for each network; {rest:,} further rows, of every other chip, model and "
        "workload, are in comparison.csv."
        if rest
        else ""
    )
    return {"title": "Appendix: every cloud compared", "parts": [table_part(columns, body, notes)]}
