"""One page a network; those of which nothing can be compared share a table."""

from __future__ import annotations

from typing import Any

import polars as pl

from reports import view, words
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
    use_words,
    verdict_cell,
)
from reports.words import NOT_KNOWN, REFERENCE_WORDS, percent, usd

__all__ = ["anchor_of", "has_own_page", "networks"]

_SHARED = "networks-nothing-known"
_MOST_SHARED_ROWS = 40
_MOST_SCENARIOS = 9
_LONGEST_REASON = 260
_TOKEN_FACTS = (
    ("network_take", "the network keeps {} of the tenant's bill"),
    ("burned_tokens", "{} burned, gross"),
    ("emission_tokens_per_month", "{} a month emitted to providers"),
    ("subsidy_usd_per_rented_hour", "a reward of {} per rented hour"),
    ("emission_coverage", "revenue covers {} of the emissions"),
)


def has_own_page(page: Page, network: str) -> bool:
    """Whether a comparison or a margin of the network is known; the others share a page."""
    mine = page.compared.filter(pl.col("network") == network, pl.col("usd_per_mtok_network").is_not_null())
    margin = page.margin_of.get(network, {})
    return mine.height > 0 or margin.get("usd_per_accelerator_hour") is not None


def anchor_of(page: Page, network: str) -> str:
    """Where the first page's table leads for a network."""
    return f"network-{network}" if has_own_page(page, network) else _SHARED


def networks(page: Page) -> Part | None:
    """Seed networks first, each on one page; then those of which nothing is known."""
    heads = view.rows(page.headlines)
    own = [head for head in heads if has_own_page(page, head["network"])]
    rest = [head for head in heads if not has_own_page(page, head["network"])]
    if not heads:
        return None
    pages = [
        {"title": head["display_name"], "anchor": anchor_of(page, head["network"]), "parts": one_page(page, head)}
        for head in own
    ]
    if rest:
        pages.append({"title": "Networks of which nothing can be compared", "anchor": _SHARED,
                      "parts": _nothing_known(page, rest)})  # fmt: skip
    return {"title": "The networks", "parts": [], "pages": pages}


def one_page(page: Page, head: view.Row) -> list[Part]:
    """Sentence, what it asks and leaves, the clouds, the future, what decides it, the figure, the token."""
    network = head["network"]
    mine = page.compared.filter(pl.col("network") == network)
    outlook = page.outlook.filter(pl.col("network") == network, pl.col("pricing") == "fleet_average")
    parts: list[Part] = [paragraph(words.shorten(page.told(head["sentence"]), 420)), glance(page, head, mine)]
    if why := page.margin_of.get(network, {}).get("not_known"):
        parts.append(
            paragraph(f"Supplier's margin {NOT_KNOWN}: {words.shorten(page.told(why), _LONGEST_REASON)}.", quiet=True)
        )
    parts += against(page, mine, outlook)
    parts += scenarios(page, mine, outlook)
    parts += decisive(page, outlook)
    parts.append(page.chart(f"network/{network}"))
    parts.append(paragraph(token_facts(page, head), quiet=True))
    return parts


def glance(page: Page, head: view.Row, mine: pl.DataFrame) -> Part:
    """One row: the verdict, what the hour costs, how full and how gainful the node is."""
    margin = page.margin_of.get(head["network"], {})
    first = mine.row(0, named=True) if mine.height else {}
    price = margin.get("usd_per_accelerator_hour") or first.get("network_usd_per_accelerator_hour")
    seen = margin.get("observed_at") or first.get("network_observed_at")
    layer = margin.get("layer") or first.get("network_layer")
    source = page.source_of(head["network"], head["accelerator"])
    work = [page.names(head[k]) for k in ("llm", "workload") if head[k] is not None]
    keeps = change_cell(margin.get("full_margin"), unknown=NOT_KNOWN)
    band = span_words(margin.get("full_margin_low"), margin.get("full_margin_high"), percent)
    use, kind = margin.get("utilisation"), margin.get("utilisation_kind")
    cells: list[Cell] = [
        verdict_cell(head),
        {"text": words.shorten(page.names(head["accelerator"]), 40), "strong": True, "under": ", ".join(work)},
        {
            "text": f"{usd(price)}/h" if price is not None else NOT_KNOWN,
            "strong": price is not None,
            "under": ", ".join(w for w in (source, page.observed(seen, layer) if seen else "") if w),
        },
        {
            "text": usd(first.get("usd_per_mtok_network")),
            "strong": True,
            "under": span_words(first.get("usd_per_mtok_network_low"), first.get("usd_per_mtok_network_high"), usd),
        },
        kind_cell(kind, percent(use)) if kind and use is not None else percent(use),
        percent(margin.get("take_rate")),
        (keeps | {"under": band} if band else keeps) if isinstance(keeps, dict) else keeps,
        {
            "text": _hour(margin.get("breakeven_usd_per_accelerator_hour")),
            "under": use_words(margin.get("breakeven_utilisation")),
        },
        _hour(margin.get("stop_usd_per_accelerator_hour")),
    ]
    columns = [
        column("Verdict", 1.35),
        column("Chip and work", 1.5),
        column("Price", 1.5),
        column("USD per Mtok", 1.0, right=True),
        column("Use", 0.95, right=True),
        column("Network keeps", 0.7, right=True),
        column("Supplier keeps", 1.0, right=True),
        column("Breaks even at", 0.95, right=True),
        column("Stops below", 0.75, right=True),
    ]
    return table_part(columns, [cells]) | {"large": True}


def against(page: Page, mine: pl.DataFrame, outlook: pl.DataFrame) -> list[Part]:
    """What the buyer saves against each reference of the first page's clouds, and when that is gone."""
    pairs = [p for p in view.headline_pairs(page.compared) if p in set(view.ordered_pairs(mine))] if mine.height else []
    if not pairs:
        return []
    base = outlook.filter(pl.col("scenario") == "base", pl.col("quantity") == "advantage")
    claims = view.claimed_pairs(mine)
    body: list[list[Cell]] = []
    for pair in pairs:
        at = {r["reference"]: r for r in view.rows(view.of_pair(mine, pair))}
        then = {r["reference"]: r for r in view.rows(view.of_pair(base, pair))}
        cells: list[Cell] = [page.pair_cell(pair, claimed=pair in claims)]
        for reference in view.REFERENCE_ORDER:
            row = at.get(reference, {})
            cell = change_cell(row.get("advantage"))
            price = row.get("usd_per_mtok_reference")
            cells.append(cell | {"under": usd(price)} if isinstance(cell, dict) and price is not None else cell)
            cells.append(date_cell(then.get(reference)))
        body.append(cells)
    columns = [column("Buyer saves against", 1.75)]
    for reference in view.REFERENCE_ORDER:
        columns += [column(REFERENCE_WORDS[reference], 0.85, right=True), column("gone by", 1.05, right=True)]
    note = (
        "Beneath a saving: the cloud's USD per million tokens. Gone by: base scenario, the month by which half of the "
        "draws have lost it; the share is that of the draws in which it is not lost by the end of the horizon."
    )
    return [subheading("Against the clouds"), table_part(columns, body, [note]) | {"large": True}]


def date_cell(row: view.Row | None) -> Cell:
    """The month by which half of the draws are lost, and the share that never is."""
    if row is None or row["state"] == "not_comparable":
        return {"text": "n/c", "quiet": True}
    if row["state"] == "already_lost":
        return {"text": "lost today", "tone": "bad"}
    lost = row["probability_lost"]
    date = row["date_p50"] if lost is not None else row["date"]
    told: dict[str, Any] = {
        "text": words.month(date, unknown="not reached"),
        "tone": "good" if date is None else "warn",
    }
    return told if lost is None else told | {"under": f"not in {percent(1 - lost)}"}


def scenarios(page: Page, mine: pl.DataFrame, outlook: pl.DataFrame) -> list[Part]:
    """A row a scenario: when the advantage and a new node's margin are gone, how likely, and if the event happens."""
    told = view.ordered_scenarios(outlook) if outlook.height else []
    known = outlook.filter(pl.col("state") != "not_comparable")
    if not told or known.is_empty():
        return []
    pair = page.future_pair if page.future_pair in set(view.ordered_pairs(mine)) else None
    if pair is None and mine.height:
        pair = view.ordered_pairs(mine)[0]
    body: list[list[Cell]] = []
    for scenario in told[:_MOST_SCENARIOS]:
        at = known.filter(pl.col("scenario") == scenario)
        cells: list[Cell] = [words.shorten(page.names(scenario), 44)]
        for reference in ("list", "modelled_cost"):
            rows = view.of_pair(at, pair).filter(
                pl.col("quantity") == "advantage", pl.col("reference") == reference
            ) if pair else at.clear()  # fmt: skip
            cells += _future_cells(rows.row(0, named=True) if rows.height else None)
        rows = at.filter(pl.col("quantity") == "full_margin_new_node")
        cells += _future_cells(rows.row(0, named=True) if rows.height else None)
        body.append(cells)
    horizon = outlook["horizon"][0].year
    lost = f"Lost by {horizon}"
    columns = [
        column("Scenario", 2.3),
        column("Lead over list price gone by", 1.25, right=True),
        column(lost, 1.0, right=True),
        column("Lead over modelled cost gone by", 1.25, right=True),
        column(lost, 1.0, right=True),
        column("New node's margin gone by", 1.25, right=True),
        column(lost, 1.0, right=True),
    ]
    cloud = f"Cloud: {page.names.long_pair(*pair)}. " if pair else ""
    note = (
        f"{cloud}Months are those by which half of the draws are lost; lost by: the share of all draws, beneath it of "
        "those in which the scenario's event happens. New node: bought at the time, not today."
    )
    dropped = len(told) - len(body)
    notes = [note] + ([f"{words.plural(dropped, 'further scenario')} in erosion.csv."] if dropped else [])
    return [subheading("In every scenario"), table_part(columns, body, notes) | {"large": True}]


def _future_cells(row: view.Row | None) -> list[Cell]:
    if row is None:
        return [{"text": "n/c", "quiet": True}, {"text": "n/c", "quiet": True}]
    lost, if_event = row["probability_lost"], row["probability_lost_if_event"]
    when = date_cell(row)
    if isinstance(when, dict):
        when = {k: v for k, v in when.items() if k != "under"}
    if row["state"] == "already_lost" or lost is None:
        return [when, "" if row["state"] == "already_lost" else {"text": "not drawn", "quiet": True}]
    share: dict[str, Any] = {"text": percent(lost)}
    return [when, share | ({"under": f"if it happens {percent(if_event)}"} if if_event is not None else {})]


def decisive(page: Page, outlook: pl.DataFrame) -> list[Part]:
    """The two inputs that move the outlook most, for the buyer and for the supplier, in one sentence each."""
    found = view.headline_drivers(outlook, page.analysis.drivers)
    told = []
    for who, quantity in (("The lead", "advantage"), ("A new node's margin", "full_margin_new_node")):
        row = next((r for r in found if r["quantity"] == quantity and r["first"]), None)
        if row is None:
            continue
        ends = [_driver(row[k]) for k in ("first", "second") if row[k] and row[k]["swing"]]
        if ends:
            told.append(f"{who} at the end of {row['horizon'].year} rests most on {words.listing(ends)}.")
    return [paragraph(" ".join(told), quiet=True)] if told else []


def _driver(row: view.Row) -> str:
    ends = f"{percent(row['at_low'], signed=True)} to {percent(row['at_high'], signed=True)}"
    return f"{words.input_words(row['input'].split('[')[0])} ({ends})"


def token_facts(page: Page, head: view.Row) -> str:
    """What is known of the token, in two lines at most; or that nothing is, once."""
    from reports.sections.token import amount

    found = page.tokens_found
    told = []
    for measure, form in _TOKEN_FACTS:
        row = next((r for r in found.get((head["network"], measure), []) if r["value"] is not None), None)
        if row is not None:
            told.append(form.format(amount(row)))
    if not told:
        return "Token and fees: nothing on record."
    return f"Token and fees: {'; '.join(told)}. See the token pages for dates and kinds."


def _nothing_known(page: Page, heads: list[view.Row]) -> list[Part]:
    body: list[list[Cell]] = [
        [
            {"text": words.shorten(head["display_name"], 60), "strong": True},
            verdict_cell(head),
            words.shorten(page.told(head["sentence"]).removeprefix(f"{head['display_name']}: "), _LONGEST_REASON),
            token_facts(page, head).removeprefix("Token and fees: "),
        ]
        for head in heads[:_MOST_SHARED_ROWS]
    ]
    columns = [column("Network", 1.5), column("Verdict", 1.0), column("Why", 2.6), column("Token and fees", 2.4)]
    more = len(heads) - len(body)
    return [table_part(columns, body, [f"{more} further networks in analysis.json."] if more else [])]


def _hour(value: float | None) -> str:
    if value is None:
        return NOT_KNOWN
    told = usd(value)
    return f"{told}/h" if told.startswith("$") else told
