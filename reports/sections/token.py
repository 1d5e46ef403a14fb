"""What the token pays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from depin_compare.economics.margins import PAID_IN_TOKENS
from depin_compare.economics.token_economics import NO_EQUILIBRIUM, PAID_BY_TENANTS
from reports import view, words
from reports.reasons import without_margin
from reports.sections.page import Page
from reports.sections.parts import (
    Cell,
    Part,
    column,
    coverage_words,
    network_keeps,
    paragraph,
    table_part,
    without_advice,
)
from reports.words import AT_LEAST, AT_MOST, KIND_WORDS, NOT_KNOWN, fee, usd


def tokens(page: Page) -> Part:
    """What each network's token pays, a column a network of which anything is known, with every gap's reason once."""
    title = "What the token pays"
    found = page.tokens_found
    heads = view.rows(page.headlines)
    some = {network for (network, _), rows in found.items() if any(r["value"] is not None for r in rows)}
    shown_heads = [h for h in heads if h["network"] in some]
    without = [h["display_name"] for h in heads if h["network"] not in some]
    parts: list[Part] = []
    if not shown_heads:
        return {"title": title, "parts": [paragraph("No token measure was computed in this run.")]}
    known = {m for (network, m), rows in found.items() if network in some for r in rows if r["value"] is not None}
    lines = [line for line in _TOKEN_LINES if line[0] in known]
    for start in range(0, len(shown_heads), _MOST_TOKEN_COLUMNS):
        parts.append(_table(page, shown_heads[start : start + _MOST_TOKEN_COLUMNS], lines))
    if nobody := [line for line in _TOKEN_LINES if line[0] not in known]:
        whose = "" if len(shown_heads) == 1 else " for any network"
        parts.append(paragraph(f"Without a figure{whose}: {_gaps(page, shown_heads, nobody)}.", quiet=True))
    if without:
        parts.append(paragraph(f"No token measure is known of {words.listing(without)}.", quiet=True))
    parts.append(
        paragraph(
            "Per hour of the chip that stands for the network. Burned tokens are no revenue, and where providers "
            "are paid in tokens minted anew the burn is temporary. Figures of one period are never set against "
            f"those of another. {_stress_words(page)}Every chip, way to pay and cloud is in token_economics.csv.",
            quiet=True,
        )
    )
    return {"title": title, "parts": parts}


def _in_full(label: str, under: str) -> str:
    """A line's label within a sentence, with what tells it from another of its name: what is in capitals stays so."""
    return label[0].lower() + label[1:] + (f" ({under})" if "hour" in under else "")


def _table(page: Page, heads: Sequence[view.Row], lines: Sequence[tuple[str, str, str]]) -> Part:
    """One table, a column a network."""
    reasons: dict[str, int] = {}
    body: list[list[Cell]] = []
    unknown: list[tuple[str, str, str]] = []
    for measure, told, under in lines:
        cells = [_cell(page, h, measure) for h in heads]
        if all(_is_gap(cell) for cell in cells):
            unknown.append((measure, told, under))
            continue
        body.append([{"text": told, "under": under}, *(_numbered(cell, reasons) for cell in cells)])
    columns = [column("Measure", 1.9), *(column(words.shorten(h["display_name"], 40), 2.0) for h in heads)]
    notes = [f"[{number}] {words.shorten(reason, _LONGEST_REASON)}." for reason, number in reasons.items()]
    if unknown:
        notes.append(f"Without a figure for these networks: {_gaps(page, heads, unknown)}.")
    return table_part(columns, body, notes) | {"whole": True}


def _gaps(page: Page, heads: Sequence[view.Row], lines: Sequence[tuple[str, str, str]]) -> str:
    """Lines of which nothing is known, those of the same reasons together with them."""
    by_reasons: dict[tuple[str, ...], list[str]] = {}
    for measure, told, under in lines:
        cells = [_cell(page, head, measure) for head in heads]
        reasons = dict.fromkeys(str(cell["under"]) for cell in cells if isinstance(cell, dict) and _is_gap(cell))
        by_reasons.setdefault(tuple(reasons), []).append(_in_full(told, under))
    told_of = []
    for why, labels in by_reasons.items():
        more = ["others in token_economics.csv"] if len(why) > _MOST_REASONS else []
        told_of.append(f"{', '.join(labels)} ({'; '.join([*why[:_MOST_REASONS], *more])})")
    return "; ".join(told_of)


def _cell(page: Page, head: view.Row, measure: str) -> Cell:
    """What is known of one measure of one network, or why nothing is."""
    network = head["network"]
    rows = page.tokens_found.get((network, measure), [])
    known = [r for r in rows if r["value"] is not None]
    if not known:
        given = [r["not_known"] for r in rows if r["not_known"]] or [_NO_BREAKEVEN]
        reasons = dict.fromkeys(_reason(page, head, one) for one in given)
        none = all(one.startswith(PAID_BY_TENANTS) for one in given)
        unfit = all(any(why in one for why in _NO_MEANING) for one in given)
        text = _NONE if none else _UNFIT if unfit else NOT_KNOWN
        return {"text": text, "quiet": True, "under": "; ".join(reasons)}
    if measure == "supply_change_tokens_per_1000_usd":
        # At one price what is burned is minted again to the last token, which is no finding.
        known = [r for r in known if r["value"] != 0] or known
        rows = [r for r in rows if r in known or r["value"] is None]
    first = known[0]
    if measure == "network_take":
        keeps = network_keeps(view.take_shares(page.analysis.margins).get(network), rows)
        text, below = keeps["text"], [keeps["under"]] if keeps.get("under") else []
    else:
        text, below = amount(first, short=True), [*_of_what(first), *_others(rows)]
    if measure in _DEARER_WITH_A_FEE and network in page.fee_floors and not first["bound"]:
        text = f"{AT_LEAST} {text}"
    made: dict[str, Any] = {"text": text}
    if first["kind"]:
        made |= {"kind": first["kind"], "words": KIND_WORDS.get(first["kind"], first["kind"])}
    if not any(told.startswith("period to ") for told in below) and (day := dated(page, first)):
        below.append(day)
    return made | ({"under": "; ".join(below)} if below else {})


def _reason(page: Page, head: view.Row, reason: str) -> str:
    """Why a measure is not known, in words that serve every network; of a break-even, why the table's chip has none."""
    network, chip = head["network"], head["accelerator"]
    own = page.margin_of.get(network, {}).get("not_known")
    if reason == _NO_BREAKEVEN and chip is None:
        reason = _NO_CHIP
    elif reason.startswith(_NO_BREAKEVEN) and (own or ":" not in reason):
        reason = f"{_NO_BREAKEVEN}: {own or without_margin(chip)}"
    return without_advice(page.told(reason)).replace(page.names(network), "the network")


def _of_what(row: view.Row) -> list[str]:
    """Of which days, over what, and at which token price the first figure is."""
    told = []
    if row["measure"] in ("burned_tokens", "burned_tokens_net"):
        period = (row["unit"] or "").partition(" per ")[2]
        told.append(f"per {period}" if period else "in all, up to that day")
        if row["note"] and row["note"].startswith("mean of "):
            told.append(row["note"].partition(";")[0])
    if row["measure"] == "emission_coverage":
        formula = row["formula"] or ""
        told += [over for part, over in _DENOMINATORS if part in formula][:1]
        if "revenue_covers_cost" in formula:
            return told
        if row["note"] and row["note"].startswith("period to "):
            told.append(row["note"].partition(";")[0])
    if row["measure"] == "subsidy_gap_usd_per_hour" and row["value"] == 0:
        told.append("at the published fee the price covers the full cost")
    if row["price_basis"]:
        told.append(_BASIS_WORDS[row["price_basis"]])
    return told


def _others(rows: Sequence[view.Row]) -> list[str]:
    """The same measure at other token prices, with its kind where that is another; what of it is not known."""
    known = [r for r in rows if r["value"] is not None]
    told = [
        f"{amount(r, short=True)} {_BASIS_WORDS.get(r['price_basis'] or '', '')}".rstrip()
        + (f" ({KIND_WORDS.get(r['kind'], r['kind'])})" if r["kind"] not in (known[0]["kind"], None) else "")
        for r in known[1:]
    ]
    missing = [_BASIS_WORDS[r["price_basis"]] for r in rows if r["value"] is None and r["price_basis"]]
    return [*told, *([f"{words.listing(missing)} {NOT_KNOWN}"] if missing else [])]


def dated(page: Page, row: view.Row) -> str:
    """The day of the data; of a page that bears none, the day on which it was read. A rule's day is not told."""
    observed = row["observed_at"]
    if observed is None or row["kind"] == "protocol":
        return ""
    cited = [page.publications.get(source.strip()) for source in (row["sources"] or "").split(";")]
    undated = any(p and p["published"] is None and p["accessed"] == observed.date() for p in cited)
    return f"page undated, read {words.day(observed)}" if undated else f"data of {words.day(observed)}"


def _stress_words(page: Page) -> str:
    """What the stressed token price is, where the table has one."""
    rows = [r for found in page.tokens_found.values() for r in found if r["price_basis"] == "stressed" and r["value"]]
    factor = view.plain(page.analysis.assumptions).filter(pl.col("parameter") == "token_price_stress_factor")
    if not rows or factor.is_empty():
        return ""
    return f"Stressed: at {words.number(factor['central'][0])} times the newest token price. "


def _is_gap(cell: Cell) -> bool:
    return isinstance(cell, dict) and cell.get("text") in (NOT_KNOWN, _NONE, _UNFIT)


def _numbered(cell: Cell, reasons: dict[str, int]) -> Cell:
    """A gap with the number of its reason, which stands beneath the table once."""
    if not isinstance(cell, dict) or not _is_gap(cell):
        return cell
    number = reasons.setdefault(str(cell["under"]), len(reasons) + 1)
    return {"text": f"{cell['text']} [{number}]", "quiet": True}


def amount(row: view.Row, *, short: bool = False) -> str:
    """A token measure in its unit; ``short`` is for narrow columns."""
    value, unit = row["value"], row["unit"] or ""
    sign = (_BOUND_SIGNS if short else _BOUND_WORDS).get(row["bound"] or "", "")
    if unit.startswith("fraction"):
        return sign + fee(value)
    if unit.startswith("USD"):
        return sign + usd(value)
    if unit.startswith("ratio"):
        return f"{sign}{coverage_words(row)}"
    token = unit.split()[0]
    count = f"{abs(value):,.0f}" if abs(value) >= 1000 else f"{abs(value):.3g}"
    return f"{sign}{words.MINUS if value < 0 else ''}{count} {token}"


_MOST_TOKEN_COLUMNS = 4
# What is more where a network keeps more than it publishes.
_DEARER_WITH_A_FEE = ("subsidy_gap_usd_per_hour", "subsidy_gap_tokens_per_hour", "unique_service_premium")
_NONE, _UNFIT = "none", "does not apply"
# Reasons that say a measure has no meaning for a network.
_NO_MEANING = (NO_EQUILIBRIUM, PAID_IN_TOKENS)
_LONGEST_REASON = 240
_MOST_REASONS = 2
_NO_BREAKEVEN = "no break-even price"
_NO_CHIP = "nothing it offers can be compared at equal work, so no chip stands for it; by chip in token_economics.csv"
_BOUND_WORDS = {"upper": "at most ", "lower": "at least "}
_BOUND_SIGNS = {"upper": f"{AT_MOST} ", "lower": f"{AT_LEAST} "}
_BASIS_WORDS = {"period": "at the token price then", "today": "at the newest token price", "stressed": "stressed"}
# What a coverage is over, by what its formula names.
_DENOMINATORS = (
    ("minted_tokens", "over all mints"),
    ("emission_usd", "over rewards to suppliers"),
    ("revenue_covers_cost", "of its costs, not of emissions"),
    ("emi", "over rewards to providers"),
)
_TOKEN_LINES: tuple[tuple[str, str, str], ...] = (
    ("network_take", "Network keeps", "of the tenant's bill: fees on both sides, spread on minting"),
    ("revenue_usd_per_rented_hour", "Tenants paid", "USD per rented GPU-hour"),
    ("emission_tokens_per_month", "Emitted to providers", "a month"),
    ("subsidy_tokens_per_rented_hour", "Reward", "tokens per rented hour"),
    ("subsidy_usd_per_rented_hour", "Reward in USD", "per rented hour"),
    ("subsidy_tokens_per_online_hour", "Reward for being online", "tokens per hour"),
    ("subsidy_usd_per_online_hour", "Reward for being online in USD", "per hour"),
    ("subsidy_gap_usd_per_hour", "Lacking to break even", "USD per rented hour"),
    ("subsidy_gap_tokens_per_hour", "Lacking, in tokens", "per rented hour"),
    ("required_usd_per_token", "Token price that closes it", "rewards as the rules print them"),
    ("emission_coverage", "Revenue over emissions", "of the same days"),
    ("burned_tokens", "Tokens burned", "no revenue; new mints not deducted"),
    ("burned_tokens_net", "Tokens burned less minted", "below zero: more was minted"),
    ("supply_change_tokens_per_1000_usd", "Change of supply", "per 1,000 USD of usage; above zero: it grows"),
    ("unique_service_premium", "Premium to earn", "over the modelled cost of Azure with NVIDIA GPUs"),
)
