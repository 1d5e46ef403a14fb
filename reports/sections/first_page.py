"""The first page: the verdict, its table, three sentences, one chart; and networks that had no room in its table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from reports import view, words
from reports.finding import finding, standings, undercut_otherwise
from reports.sections.networks import anchor_of, drawable, kind_of_gap
from reports.sections.odds import already, indicative, medians, only_two_prices
from reports.sections.page import Page
from reports.sections.parts import (
    BOUNDED_NOTE,
    Cell,
    Part,
    bounded,
    change_cell,
    column,
    paragraph,
    span_words,
    table_part,
    use_words,
    verdict_cell,
)
from reports.verdict_words import FOR_ITS_MARGIN, lacks_margin_alone, verdict_note
from reports.words import AT_LEAST, AT_MOST, REFERENCE_WORDS, percent, roughly, usd

__all__ = ["first_page", "headline", "other_networks", "sentences"]

# With more networks than this, a network has one row instead of one a cloud.
_MOST_IN_DETAIL = 3
# All of these, or so many fewer that the chart beneath has its room whatever their names.
_MOST_ON_FIRST_PAGE, _FIRST_OF_MORE = 15, 11
_LONGEST_NAME = 34
_UNKNOWN = "n/k"
_LONGEST_WHY = 52


def headline(page: Page) -> str:
    """The run in one sentence; nothing where no network was asked for."""
    if page.headlines.is_empty():
        return ""
    pair, networks = standings(page.analysis, page.names)
    return f"{finding(networks, page.names(pair[0]) if pair else 'a cloud', suppliers=True)}."


def first_page(page: Page) -> list[Part]:
    """What each network's buyer saves and supplier keeps; then price, margin and future in words; then one chart."""
    if page.headlines.is_empty():
        return [
            paragraph("No network could be compared: no source gave a price in this run. The data pages say why."),
            page.chart("years_ahead") | {"rest": True},
        ]
    heads = view.rows(page.headlines)
    if len(heads) <= _MOST_IN_DETAIL:
        table = _detailed(page, heads)
    else:
        table = _one_row_each(page, heads[: _on_first_page(heads)])
        if more := len(heads) - _on_first_page(heads):
            table["notes"].append(f"{words.plural(more, 'further network')} on the next page.")
    few = len(heads) <= _MOST_IN_DETAIL
    chart = page.chart("years_ahead")
    return [
        table | {"large": few},
        {"type": "bullets", "items": sentences(page)},
        *([chart, {"type": "contents"}] if few else [chart | {"rest": True}]),
    ]


def _on_first_page(heads: Sequence[view.Row]) -> int:
    return len(heads) if len(heads) <= _MOST_ON_FIRST_PAGE else _FIRST_OF_MORE


def other_networks(page: Page) -> Part | None:
    """The networks that had no room in the first page's table."""
    heads = view.rows(page.headlines)
    heads = heads[_on_first_page(heads) :]
    return {"title": "Further networks", "parts": [_one_row_each(page, heads, first=False)]} if heads else None


_SAVINGS = "Buyer's savings in % of the cloud's price or cost of the same tokens, at central inputs"
_KEEPS = "Supplier keeps: full-cost margin, % of receipts, without token rewards, low to high beneath."
_MOST_NAMED = 3


def _notes(page: Page, what: str, heads: Sequence[view.Row], body: Sequence[Sequence[Cell]]) -> list[str]:
    """What the words and signs of a table mean, of those that stand in it."""
    told = {cell["text"] for row in body for cell in row if isinstance(cell, dict) and "text" in cell}
    signs = "".join(f" {sign}: {meaning}." for sign, meaning in _SIGNS.items() if sign in told)
    ids = [f"[{head['network']}]" for head in heads if not drawable(head)]
    letters = f" {words.listing(ids)}: name in letters that can't be drawn here; summary.md has it." if ids else ""
    bounds = f" {BOUNDED_NOTE}" if any(AT_MOST in text for text in told) else ""
    return [f"{what}. {_KEEPS}{signs}{bounds} {verdict_note(page.outlook)}{letters}"]


_SIGNS = {"n/c": "not comparable", _UNKNOWN: "not known"}


def _more_notes(page: Page, shown: int) -> list[str]:
    """Which chip stands for a network and what others would say, how many clouds are shown, what hosts ask."""
    every = len(view.ordered_pairs(page.compared)) if page.compared.height else 0
    part = f" {shown} of {every} clouds with their chips are shown, all on the network pages." if shown < every else ""
    chip = (
        "Each network stands with one chip: of those it offers in number at a firm price, or else of all it prices, "
        "the one that does the work for least; its model is the first that fits the chip."
    )
    notes = [
        f"{chip}{_otherwise(page)}{part}{_one_cost(page)}",
        f"{_hosts(page)}{_oldest(page)}{medians(page)}".strip(),
    ]
    return [note for note in notes if note]


def _otherwise(page: Page) -> str:
    """Which networks undercut a modelled cost with another chip or model than the one that stands for them."""
    best, anywhere = undercut_otherwise(page.analysis, page.future_pair)
    if anywhere.is_empty() or page.future_pair is None:
        return " Another may be better or worse."
    named = [
        f"{page.names(r['network'])} ({page.names(r['accelerator'])}, {page.names(r['llm'])}: "
        f"{percent(r['advantage'], signed=True)})"
        for r in view.rows(best.head(_MOST_NAMED))
    ]
    named += [f"{best.height - _MOST_NAMED} more"] if best.height > _MOST_NAMED else []
    does = "undercuts" if best.height == 1 else "undercut"
    cloud = page.names(page.future_pair[0])
    here = f" With another chip or model {words.listing(named)} {does} {cloud}'s modelled cost." if named else ""
    most = anywhere.row(0, named=True)
    name, n = page.names(most["network"]), anywhere.height
    some = f"{name} undercuts a modelled cost" if n == 1 else f"{n} networks undercut a modelled cost, most so {name}"
    work = f"{page.names(most['accelerator'])}, {page.names(most['llm'])}"
    cloud = page.names.long_pair(most["cloud"], most["silicon"])
    told = f"{work} against {cloud}: {percent(most['advantage'], signed=True)}"
    return f"{here} Counting all chips, models and clouds, {some} ({told})."


def _one_cost(page: Page) -> str:
    """Clouds whose modelled costs are one figure for all networks, and so no further evidence for each other."""
    costs = page.compared.filter(pl.col("reference") == "modelled_cost", pl.col("usd_per_mtok_reference").is_not_null())
    by_pair: dict[tuple[float, ...], list[tuple[str, str]]] = {}
    for pair in view.ordered_pairs(costs):
        mine = view.of_pair(costs, pair).sort("network")
        key = (float(mine.height), *(round(cost, 9) for cost in mine["usd_per_mtok_reference"]))
        by_pair.setdefault(key, []).append(pair)
    told = []
    for pairs in by_pair.values():
        silicon = {kind for _, kind in pairs}
        if len(pairs) > 1 and len(silicon) == 1:
            clouds = words.listing([*(page.names(cloud) for cloud, _ in pairs[:-1]), page.names.long_pair(*pairs[-1])])
            told.append(f" {clouds} have one and the same modelled cost.")
    return "".join(told)


def _hosts(page: Page) -> str:
    """What hosts ask for the model of most networks, beside our cost of it."""
    shown = view.market_check_shown(page.headlines, page.analysis.market_check)
    wanted = page.headlines["llm"].drop_nulls().to_list()
    asked = [llm for llm in dict.fromkeys(wanted) if llm in set(shown["llm"])] if shown.height else []
    if not asked:
        return ""
    llm = max(asked, key=wanted.count)
    rows = shown.filter(pl.col("llm") == llm)
    first, over = rows.row(0, named=True), rows["asked_over_modelled"].median()
    source = page.publications.get(first["source"], {}).get("publisher") or page.names(first["source"])
    told = (
        f"Hosts of {page.names(llm)} ask {usd(first['usd_per_mtok_asked'])} or more for a million tokens of the same "
        f"work (least: {page.names(first['provider'])}, listed by {source}, {words.day(first['observed_at'])})."
    )
    if not isinstance(over, float):
        return told
    return (
        f"{told} The median host asks {words.times(over)} times the modelled cost, that of an owner whose chips are "
        "full in every hour sold."
    )


def _oldest(page: Page) -> str:
    """The network whose price is the oldest, where any is a day old."""
    old = view.not_live(page.headlines, page.analysis.unit_costs, page.analysis.as_of)
    if not old:
        return ""
    network, (layer, days) = max(old.items(), key=lambda item: (item[1][1], item[0]))
    return f" The oldest price of a network in the table is {page.names(network)}'s: {layer}, {words.age(days)}."


def _name_cell(page: Page, head: view.Row, under: str, rows: int = 1) -> Cell:
    made: dict[str, Any] = {
        "text": words.shorten(head["display_name"], _LONGEST_NAME),
        "strong": True,
        "to": anchor_of(page, head["network"]),
        "colour": page.colour_of(head["network"]),
    }
    return made | ({"under": under} if under else {}) | ({"rows": rows} if rows > 1 else {})


def _price_marks(page: Page, head: view.Row) -> str:
    """The marks of a network whose price is known only as two ends, or which nobody asks."""
    ends = only_two_prices(page, head)
    return (f"; price known as two ends, {ends}" if ends else "") + "; indicative price" * indicative(page, head)


def _supplier_cells(page: Page, head: view.Row, rows: int = 1) -> list[Cell]:
    """Margin with its band, break-even with its use, verdict."""
    margin = page.margin_of.get(head["network"], {})
    earned = change_cell(margin.get("full_margin"), unknown=_UNKNOWN)
    assert isinstance(earned, dict)
    floor = head["network"] in page.fee_floors
    earned = bounded(earned, AT_MOST, when=floor)
    if band := span_words(margin.get("full_margin_low"), margin.get("full_margin_high"), percent):
        earned["under"] = band
    price = margin.get("breakeven_usd_per_accelerator_hour")
    even: dict[str, Any] = {"text": _UNKNOWN, "quiet": True} if price is None else {"text": f"{usd(price)}/h"}
    even = bounded(even, AT_LEAST, when=floor)
    if use := use_words(margin.get("breakeven_utilisation"), at_least=floor):
        even["under"] = use
    mine = page.outlook.filter(pl.col("network") == head["network"])
    because = FOR_ITS_MARGIN if lacks_margin_alone(mine) else ""
    if head["accelerator"] is None and (why := kind_of_gap(page, head["network"])):
        because = words.shorten(why, _LONGEST_WHY)
    cells = [earned, even, verdict_cell(head, because)]
    return [c | {"rows": rows} if rows > 1 else c for c in cells]


def _split_verdict(page: Page, head: view.Row) -> list[Cell]:
    """The verdict against list prices and against modelled costs, where it tells them apart."""
    whole = _supplier_cells(page, head)[-1]
    assert isinstance(whole, dict)
    at: dict[str, str] = {}
    for part in head["verdict"].split(", "):
        word, apart, which = part.partition(" v. ")
        at |= {which: word} if apart else {"list": word, "cost": word}
    cells: list[Cell] = []
    for which in ("list", "cost"):
        word = at.get(which, words.NOT_KNOWN)
        cells.append({k: v for k, v in verdict_cell(head | {"verdict": word}).items() if k != "under"})
    if head["verdict"] == "not comparable":
        cells[1] = words.DASH
    first = cells[0]
    assert isinstance(first, dict)
    return [first | {k: v for k, v in whole.items() if k == "under"}, cells[1]]


def _detailed(page: Page, heads: Sequence[view.Row]) -> Part:
    """A row a network and cloud, every reference."""
    pairs = view.headline_pairs(page.compared)
    claims = view.claimed_pairs(page.compared)
    body: list[list[Cell]] = []
    pairs_shown: list[list[tuple[str, str]]] = []
    for head in heads:
        mine = page.compared.filter(pl.col("network") == head["network"])
        hardest = view.hardest_pairs(mine).get("list")
        shown = [*pairs, *([hardest] if pairs and hardest is not None and hardest not in pairs else [])]
        pairs_shown.append(shown)
        span = max(1, len(shown))
        work = ", ".join(page.names(head[k]) for k in ("accelerator", "llm", "workload") if head[k] is not None)
        work += _price_marks(page, head)
        for i, pair in enumerate(shown or [None]):
            cells: list[Cell] = [_name_cell(page, head, work, span)] if i == 0 else []
            if pair is None:
                cells += [words.DASH, *[change_cell(None)] * len(view.REFERENCE_ORDER)]
            else:
                at = {r["reference"]: r["advantage"] for r in view.rows(view.of_pair(mine, pair))}
                cell = page.pair_cell(pair, claimed=pair in claims)
                if pair == hardest:
                    cell = (cell if isinstance(cell, dict) else {"text": cell}) | {"aside": "hardest list"}
                cells += [cell, *(change_cell(at.get(r)) for r in view.REFERENCE_ORDER)]
            body.append([*cells, *(_supplier_cells(page, head, span) if i == 0 else [])])
    columns = [
        column("Network and work", 1.9),
        column(f"Buyer saves (+) or pays more ({words.MINUS}) than with", 2.5),
        *(column(REFERENCE_WORDS[r], 0.92, right=True) for r in view.REFERENCE_ORDER),
        column("Supplier keeps", 1.2, right=True),
        column("Breaks even at", 1.1, right=True),
        column("Verdict", 1.4),
    ]
    told = len({pair for row in pairs_shown for pair in row})
    return table_part(columns, body, [*_notes(page, _SAVINGS, heads, body), *_more_notes(page, told)])


def _one_row_each(page: Page, heads: Sequence[view.Row], *, first: bool = True) -> Part:
    """A row a network: list prices and modelled costs of the first page's clouds."""
    shown = page.compared.filter(pl.col("advantage").is_not_null())
    pairs = view.headline_pairs(page.compared)
    known = set(shown.select("reference", "cloud", "silicon").rows())
    sought = [(ref, *pair) for ref in ("list", "modelled_cost") for pair in pairs if (ref, *pair) in known]
    claims = view.claimed_pairs(page.compared)
    at = {(r["network"], r["reference"], r["cloud"], r["silicon"]): r["advantage"] for r in view.rows(shown)}
    body = [
        [
            _name_cell(
                page,
                head,
                f"{words.shorten(page.names(head['accelerator']), 40)}{_price_marks(page, head)}"
                if head["accelerator"]
                else "",
            ),
            *(change_cell(at.get((head["network"], *key))) for key in sought),
            *_supplier_cells(page, head)[:-1],
            *_split_verdict(page, head),
        ]
        for head in heads
    ]
    columns = [
        column("Network and chip", 1.75),
        *(
            column(
                f"{page.names.pair(cloud, silicon, claim=(cloud, silicon) in claims)}: "
                f"{'list' if ref == 'list' else 'cost'}",
                0.82,
                right=True,
            )
            for ref, cloud, silicon in sought
        ),
        column("Supplier keeps", 1.15, right=True),
        column("Breaks even at", 1.0, right=True),
        column("Verdict v. list", 1.45),
        column("v. cost", 0.7),
    ]
    what = "What the buyer saves (+) or pays more against each cloud's list price and modelled cost, in % of it"
    more = _more_notes(page, len({key[1:] for key in sought})) if first else []
    return table_part(columns, body, [*_notes(page, what, heads, body), *more])


def sentences(page: Page) -> list[str]:
    """One on price, one on the supplier's margin, one on the future: counted from the rows, true for any number."""
    return [told for told in (_price(page), _margin(page), _future(page)) if told]


def _price(page: Page) -> str:
    known = page.compared.filter(pl.col("advantage").is_not_null())
    n = known["network"].n_unique()
    if n == 0:
        return "Price: no network's price can be set against a cloud's for the same tokens."
    told = []
    for reference, name in (
        ("list", "list price"), ("committed", "committed price"), ("modelled_cost", "modelled cost"),
    ):  # fmt: skip
        rows = known.filter(pl.col("reference") == reference)
        if rows.is_empty():
            continue
        least = rows.group_by("network").agg(pl.col("advantage").min(), many=pl.len())
        cheaper = int((least["advantage"] > 0).sum())
        if n == 1:
            ahead, many = int((rows["advantage"] > 0).sum()), rows.height
            beaten = f"less than {words.of_things(ahead, many, name)}"
            other = f"more than {f'all {many} {name}s' if many > 1 else f'the one {name}'}"
            told.append(beaten if ahead else other)
        else:
            same = told and least.height == n and cheaper < n
            some = str(cheaper) if cheaper else "neither" if n == 2 else "none"
            told.append(f"{some if same else words.of_them(cheaper, least.height)} than every {name}")
    if n == 1:
        (name,) = known["network"].unique().to_list()
        return (
            f"Price: for the same tokens {page.names(name)} asks {words.listing(told)} of the clouds.{_hardest(page)}"
        )
    first, *rest = told
    first = first.replace(" than", " networks are cheaper than", 1)
    first = first.replace("neither of the 2 networks are", "neither of the 2 networks is")
    return f"Price: for the same tokens {', '.join([first, *rest])} known of the clouds.{_hardest(page)}"


def _hardest(page: Page) -> str:
    """Against which clouds buyers save least, by list price and by commitment."""
    hardest, claims = view.hardest_pairs(page.compared), view.claimed_pairs(page.compared)
    named: dict[str, list[str]] = {}  # cloud -> kinds of references
    for reference, name in (("list", "list"), ("committed", "committed"), ("modelled_cost", "modelled cost")):
        if reference in hardest:
            pair = hardest[reference]
            claim = ", claim" if pair in claims else ""
            named.setdefault(page.names.long_pair(*pair), []).append(f"{name}{claim}")
    told = [f"{who} ({', '.join(kinds)})" for who, kinds in named.items()]
    return f" Hardest to beat: {words.listing(told)}." if told else ""


def _margin(page: Page) -> str:
    known = [r for r in page.margin_of.values() if r["full_margin"] is not None]
    if not known:
        return "Supplier: no network's margin is known."
    if len(known) == 1:
        (row,) = known
        band = span_words(row["full_margin_low"], row["full_margin_high"], percent)
        return (
            f"Supplier: on {page.names(row['network'])} a provider keeps "
            f"{'at most ' if row['network'] in page.fee_floors else ''}{percent(row['full_margin'])} of receipts "
            f"after all cost{f' ({band})' if band else ''}."
        )
    ranked = sorted(known, key=lambda r: (r["full_margin"], r["network"]))
    covers = sum(r["full_margin"] >= 0 for r in known)
    unsure = any(r["full_margin"] >= 0 and r["network"] in page.fee_floors for r in known)
    worst, best = ranked[0], ranked[-1]
    low, high = (
        f"{'at most ' if r['network'] in page.fee_floors else ''}{roughly(r['full_margin'])} of receipts "
        f"({page.names(r['network'])})"
        for r in (worst, best)
    )
    spread = f"from {low} to {high.replace(' of receipts', '')}"
    if roughly(worst["full_margin"]) == roughly(best["full_margin"]):
        spread = f"{high} at best"
    return (
        f"Supplier: with the chip that stands for it, a provider covers all cost, capital included, on "
        f"{'at most ' * unsure}{words.of_them(covers, len(known))} networks whose margin is known; it keeps {spread}."
    )


def _future(page: Page) -> str:
    base = page.outlook.filter(
        pl.col("scenario") == "base",
        pl.col("pricing") == "fleet_average",
        pl.col("quantity") == "advantage",
        pl.col("reference") == "list",
        pl.col("state") != "not_comparable",
    )
    pair = page.future_pair
    rows = view.rows(view.of_pair(base, pair)) if pair and base.height else []
    if not rows:
        return "Future: no lead over a cloud's list price can be followed in this run."
    cloud, year = page.names.long_pair(*pair) if pair else "", rows[0]["horizon"].year
    lead = [r for r in rows if r["state"] != "already_lost"]
    if not lead:
        everyone = f"{words.of_them(len(rows), len(rows))} networks are"
        who = f"{page.names(rows[0]['network'])} is" if len(rows) == 1 else everyone
        return f"Future: {who} dearer than the list price of {cloud} today already; no lead is left to lose."
    drawn = [r for r in lead if r["probability_lost"] is not None]
    if not drawn:
        lost = sum(r["state"] == "lost_within_horizon" for r in lead)
        return f"Future: the lead over the list price of {cloud} is lost by {year} on {words.of_them(lost, len(lead))}."
    ranked = sorted(drawn, key=lambda r: (r["probability_lost"], r["network"]))
    if len(drawn) == 1:
        return (
            f"Future: in the base scenario {page.names(drawn[0]['network'])}'s lead over the list price of {cloud} is "
            f"lost at some time by {year} with a probability of {words.likelihood(drawn[0]['probability_lost'])}."
            f"{already(page, drawn)}"
        )
    likely = sum(r["date_p50"] is not None for r in drawn)
    least, most = (_probability(page, ranked, row) for row in (ranked[0], ranked[-1]))
    return (
        f"Future: in the base scenario {words.of_them(likely, len(drawn))} networks that lead over the list price of "
        f"{cloud} today will more likely than not lose it at some time by {year}; the probability "
        f"{f'is {least}' if least == most else f'goes from {least} to {most}'}.{already(page, drawn)}"
    )


def _probability(page: Page, leads: Sequence[view.Row], row: view.Row) -> str:
    """A probability, and who has it: the network, or how many networks."""
    told = words.likelihood(row["probability_lost"])
    alike = [r["network"] for r in leads if words.likelihood(r["probability_lost"]) == told]
    return f"{told} ({page.names(alike[0]) if len(alike) == 1 else words.plural(len(alike), 'network')})"
