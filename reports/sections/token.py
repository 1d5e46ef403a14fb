"""What the token pays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports import view, words
from reports.sections.page import Page
from reports.sections.parts import Cell, Part, column, paragraph, table_part
from reports.words import KIND_WORDS, NOT_KNOWN, percent, usd


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
    for start in range(0, len(shown_heads), _MOST_TOKEN_COLUMNS):
        shown = shown_heads[start : start + _MOST_TOKEN_COLUMNS]
        reasons: dict[str, int] = {}
        body: list[list[Cell]] = []
        unknown: list[str] = []
        for measure, told, under, form in _TOKEN_LINES:
            cells = [form(found.get((h["network"], measure), [])) for h in shown]
            if all(_is_gap(cell) for cell in cells):
                unknown.append(told.lower())
                continue
            body.append([{"text": told, "under": under}, *(_numbered(cell, reasons) for cell in cells)])
        columns = [column("Measure", 2.0), *(column(words.shorten(h["display_name"], 40), 2.0) for h in shown)]
        notes = [f"[{number}] {words.shorten(reason, _LONGEST_REASON)}." for reason, number in reasons.items()]
        if unknown:
            notes.append(f"Not known of any of them: {words.listing(dict.fromkeys(unknown))}.")
        parts.append(table_part(columns, body, notes))
    if without:
        parts.append(paragraph(f"Of no token measure is anything known for {words.listing(without)}.", quiet=True))
    parts.append(
        paragraph(
            "Per hour of the chip that stands for the network. Burned tokens are no revenue, and where providers "
            "are paid in tokens minted anew the burn is temporary. Figures of one period are never set against "
            "those of another. Every chip, way to pay and cloud is in token_economics.csv.",
            quiet=True,
        )
    )
    return {"title": title, "parts": parts}


def _is_gap(cell: Cell) -> bool:
    return isinstance(cell, dict) and cell.get("text") == NOT_KNOWN


def _numbered(cell: Cell, reasons: dict[str, int]) -> Cell:
    """A gap with the number of its reason, which stands beneath the table once."""
    if not _is_gap(cell) or not isinstance(cell, dict) or not cell.get("under"):
        return cell
    number = reasons.setdefault(str(cell["under"]), len(reasons) + 1)
    return {"text": f"{NOT_KNOWN} [{number}]", "quiet": True}


def _token_cell(rows: Sequence[view.Row]) -> Cell:
    """The known rows of one measure: the first large with how it is known, the others beneath; or why there is none."""
    known = [r for r in rows if r["value"] is not None]
    if not known:
        reasons = dict.fromkeys(r["not_known"] for r in rows if r["not_known"])
        return {"text": NOT_KNOWN, "quiet": True} | ({"under": "; ".join(reasons)} if reasons else {})
    first = known[0]
    made: dict[str, Any] = {"text": amount(first) + _basis(first, rows)}
    if first["kind"]:
        made |= {"kind": first["kind"], "words": KIND_WORDS.get(first["kind"], first["kind"])}
    below = [amount(r) + _basis(r, rows) for r in known[1:]]
    missing = [_BASIS_WORDS[r["price_basis"]] for r in rows if r["value"] is None and r["price_basis"]]
    below += [f"{words.listing(missing)}: {NOT_KNOWN}"] if missing else []
    observed = first["observed_at"] if first["kind"] != "protocol" else None
    below += [f"data of {words.day(observed)}"] if observed is not None else []
    return made | {"under": "; ".join(below)}


def _take_cell(rows: Sequence[view.Row]) -> Cell:
    """The network's take by way to pay, in one figure where all are alike."""
    known = [r for r in rows if r["value"] is not None]
    if len({r["value"] for r in known}) <= 1:
        return _token_cell(rows[:1])
    made = _token_cell(known[:1])
    told = ", ".join(f"{amount(r)} in {r['subject']}" for r in known)
    return made | {"text": told} if isinstance(made, dict) else made


def _basis(row: view.Row, rows: Sequence[view.Row]) -> str:
    """At which token price, where there is more than one."""
    return f" {_BASIS_WORDS[row['price_basis']]}" if row["price_basis"] and len(rows) > 1 else ""


def amount(row: view.Row) -> str:
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


_MOST_TOKEN_COLUMNS = 4
_LONGEST_REASON = 240
_BOUND_WORDS = {"upper": "at most ", "lower": "at least "}
_BASIS_WORDS = {"period": "then", "today": "today", "stressed": "stressed"}
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
