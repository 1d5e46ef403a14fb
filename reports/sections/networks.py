"""One page a network; those that can't be compared share a table before the next section."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from typing import Any

import polars as pl

from depin_compare.economics.nodes import utilisation_facts
from reports import view, words
from reports.reasons import kind_of_reason
from reports.sections.odds import against_draws, indicative, only_two_prices
from reports.sections.page import Page
from reports.sections.parts import (
    BOUNDED_NOTE,
    Cell,
    Part,
    bounded,
    change_cell,
    column,
    coverage_words,
    date_cell,
    kind_cell,
    network_keeps,
    paragraph,
    span_words,
    subheading,
    table_part,
    use_words,
    verdict_cell,
)
from reports.sections.suppliers import price_and_use_ages
from reports.sections.token import dated
from reports.verdict_words import (
    FOR_ITS_MARGIN,
    at_odds,
    lacks_margin_alone,
    today_words,
    verdict_note,
)
from reports.words import AT_LEAST, AT_MOST, DASH, KIND_WORDS, NOT_KNOWN, REFERENCE_WORDS, fee, percent, usd

__all__ = ["anchor_of", "drawable", "has_own_page", "networks"]

_SHARED = "networks-nothing-known"
_MOST_SHARED_ROWS = 40
_MOST_SCENARIOS = 9
_LONGEST_REASON = 260
_EARNED = ("full_margin", "full_margin_with_rewards")
_UNKNOWN = "n/k"
_GONE_BY = {
    "list": "list gone by",
    "committed": "committed gone by",
    "modelled_cost": "cost gone by",
    "cost_plus_margin": "floor gone by",
}


def has_own_page(page: Page, network: str) -> bool:
    """Whether a comparison or a margin of the network is known; the others share a table.

    Of those that the report is about first of all it is enough that anything is.
    """
    mine = page.compared.filter(pl.col("network") == network)
    margin = page.margin_of.get(network, {})
    if mine["advantage"].drop_nulls().len() or any(margin.get(name) is not None for name in _EARNED):
        return True
    found = mine["usd_per_mtok_network"].drop_nulls().len() or margin.get("breakeven_usd_per_accelerator_hour")
    return network in view.SEED_NETWORKS and bool(found)


def anchor_of(page: Page, network: str) -> str:
    """Where the first page's table leads for a network."""
    return f"network-{network}" if has_own_page(page, network) else _SHARED


def networks(page: Page) -> Part | None:
    """Seed networks first, each on one page; after them those of which nothing is known, on no page of their own."""
    heads = view.rows(page.headlines)
    own = [head for head in heads if has_own_page(page, head["network"])]
    rest = [head for head in heads if not has_own_page(page, head["network"])]
    if not heads:
        return None
    pages = [
        {"title": head["display_name"], "anchor": anchor_of(page, head["network"]), "parts": one_page(page, head)}
        for head in own
    ]
    after = []
    if rest:
        after = [subheading("Networks that cannot be compared") | {"anchor": _SHARED}, *_nothing_known(page, rest)]
    return {"title": "The networks", "parts": after, "pages": pages} if pages else {
        "title": "The networks", "parts": after
    }  # fmt: skip


def one_page(page: Page, head: view.Row) -> list[Part]:
    """Sentence, what it asks and leaves, the clouds, the future, what decides it, the figure, the token."""
    network = head["network"]
    mine = page.compared.filter(pl.col("network") == network)
    outlook = page.outlook.filter(pl.col("network") == network, pl.col("pricing") == "fleet_average")
    told = page.told(head["sentence"])
    parts: list[Part] = [paragraph(words.shorten(told, 900)), glance(page, head, mine, outlook)]
    reasons = page.told(page.margin_of.get(network, {}).get("not_known") or "").split("; ")
    # What the sentence has said already is not said again.
    if why := "; ".join(reason for reason in reasons if reason and reason not in told):
        parts.append(paragraph(f"Supplier's margin {NOT_KNOWN}: {words.shorten(why, _LONGEST_REASON)}.", quiet=True))
    if also := " ".join(filter(None, [_its_letters(head), against_draws(page, head, outlook)])):
        parts.append(paragraph(also, quiet=True))
    parts += against(page, mine, outlook)
    parts += scenarios(page, mine, outlook)
    parts += decisive(page, network)
    parts.append(page.chart(f"network/{network}"))
    parts.append(paragraph(token_facts(page, head), quiet=True))
    return parts


def glance(page: Page, head: view.Row, mine: pl.DataFrame, outlook: pl.DataFrame) -> Part:
    """One row: the verdict, what the hour costs, how full and how gainful the node is; what the words mean."""
    margin = page.margin_of.get(head["network"], {})
    first = mine.row(0, named=True) if mine.height else {}
    price = margin.get("usd_per_accelerator_hour") or first.get("network_usd_per_accelerator_hour")
    seen = margin.get("observed_at") or first.get("network_observed_at")
    layer = margin.get("layer") or first.get("network_layer")
    source = page.source_of(head["network"], head["accelerator"])
    work = [page.names(head[k]) for k in ("llm", "workload") if head[k] is not None]
    floor = head["network"] in page.fee_floors
    keeps = change_cell(margin.get("full_margin"), unknown=_UNKNOWN)
    keeps = bounded(keeps, AT_MOST, when=floor) if isinstance(keeps, dict) else keeps
    few, ends = _few(page, head), only_two_prices(page, head)
    band = span_words(margin.get("full_margin_low"), margin.get("full_margin_high"), percent)
    per_mtok = first.get("usd_per_mtok_network")
    cells: list[Cell] = [
        verdict_cell(head, FOR_ITS_MARGIN if lacks_margin_alone(outlook) else ""),
        {
            "text": words.shorten(page.names(head["accelerator"]), 40),
            "strong": True,
            "under": f"{few}{', '.join(work)}",
        },
        {
            **(_told(f"{usd(price)}/h") | {"strong": True} if price is not None else _told(None)),
            "under": ", ".join(
                w
                for w in (
                    source,
                    page.observed(seen, layer) if seen else "",
                    "indicative" * indicative(page, head),
                    f"two asks: {ends}" if ends else "",
                )
                if w
            ),
        },
        {
            **(_told(usd(per_mtok)) | {"strong": True} if per_mtok is not None else _told(None)),
            "under": span_words(first.get("usd_per_mtok_network_low"), first.get("usd_per_mtok_network_high"), usd),
        },
        _use_cell(page, head, margin),
        take_cell(page, head["network"], narrow=True),
        (keeps | {"under": band} if band else keeps) if isinstance(keeps, dict) else keeps,
        {
            **bounded(_hour(margin.get("breakeven_usd_per_accelerator_hour")), AT_LEAST, when=floor),
            "under": use_words(margin.get("breakeven_utilisation"), at_least=floor),
        },
        _hour(margin.get("stop_usd_per_accelerator_hour")),
    ]
    columns = [
        column("Verdict", 1.35),
        column("Chip and work", 1.5),
        column("Price", 1.5),
        column("USD per Mtok", 1.0, right=True),
        column("Use", 0.95, right=True),
        column("Network keeps", 0.9, right=True),
        column("Supplier keeps", 0.95, right=True),
        column("Breaks even at", 0.9, right=True),
        column("Price to stop at", 0.8, right=True),
    ]
    unknown = any(map(_is_unknown, cells))
    meaning = f" {_UNKNOWN}: not known." if unknown else ""
    notes = [
        f"{verdict_note(outlook)} Network keeps: of the tenant's bill. Supplier keeps: of its receipts, after all "
        f"cost. Price to stop at: below it a node earns less than its power and running cost.{meaning}"
        + (f" {BOUNDED_NOTE}" if floor and margin.get("full_margin") is not None else "")
    ]
    return table_part(columns, [cells], notes) | {"large": True}


def _use_cell(page: Page, head: view.Row, margin: view.Row) -> Cell:
    """The share of hours rented, how it is known, and of which day where it is measured and not live."""
    use, kind = margin.get("utilisation"), margin.get("utilisation_kind")
    told = utilisation_facts(page.analysis.facts, head["network"], head["accelerator"] or "").head(1)
    seen = ""
    if kind != "assumption" and told.height:
        (fact,) = view.rows(view.plain(told))
        if use is None:  # what is told of it stands where nothing is known of the node's cost, too
            use, kind, seen = fact["value"], fact["kind"], page.observed(fact["observed_at"], fact["layer"])
        elif aged := price_and_use_ages(page, margin)[1].partition(", ")[2]:
            seen = f"{words.day(fact['observed_at'])}, {aged}"
    if use is None:
        return _told(None)
    made = kind_cell(kind, percent(use)) if kind else _told(percent(use))
    assert isinstance(made, dict)
    return made | ({"under": seen} if seen else {})


def take_cell(page: Page, network: str, *, narrow: bool = False) -> dict[str, Any]:
    """What share of the tenant's bill the network keeps, as the token page has it; long words are cut if ``narrow``."""
    rows = page.tokens_found.get((network, "network_take"), [])
    share = view.take_shares(page.analysis.margins).get(network)
    made = network_keeps(share, rows)
    if narrow and len(made.get("under", "")) > _LONGEST_WAYS:
        return {k: v for k, v in made.items() if k != "under"} | network_keeps(share, rows, narrow=True)
    return made


def against(page: Page, mine: pl.DataFrame, outlook: pl.DataFrame) -> list[Part]:
    """What the buyer saves against each reference of the first page's clouds, and when that is gone."""
    if mine["advantage"].drop_nulls().is_empty():
        return []
    pairs = view.ordered_pairs(mine)
    base = outlook.filter(pl.col("scenario") == "base", pl.col("quantity") == "advantage")
    claims = view.claimed_pairs(mine)
    hardest = view.hardest_pairs(mine)
    body: list[list[Cell]] = []
    today = page.analysis.as_of.date()
    for pair in pairs:
        at = {r["reference"]: r for r in view.rows(view.of_pair(mine, pair))}
        then = {r["reference"]: r for r in view.rows(view.of_pair(base, pair))}
        cells: list[Cell] = [page.pair_cell(pair, claimed=pair in claims)]
        for reference in view.REFERENCE_ORDER:
            row = at.get(reference, {})
            cell = change_cell(row.get("advantage"))
            price = row.get("usd_per_mtok_reference")
            if isinstance(cell, dict) and price is not None:
                cell |= {"under": usd(price), "strong": hardest.get(reference) == pair}
            cells += [cell, date_cell(then.get(reference), today)]
        body.append(cells)
    columns = [column("Buyer saves against", 1.9)]
    for reference in view.REFERENCE_ORDER:
        columns += [column(REFERENCE_WORDS[reference], 0.7, right=True), column(_GONE_BY[reference], 1.3, right=True)]
    note = (
        "At central inputs; beneath a saving: the cloud's USD per million tokens; bold: the hardest of its kind. Gone "
        "by: base scenario, the month by which half of the draws have lost it; lost today: at central inputs; kept in: "
        f"the share of draws that never lose it by the end of the horizon.{_today_in(body)}"
    )
    return [subheading("Against the clouds"), table_part(columns, body, [note]) | {"large": True}]


def scenarios(page: Page, mine: pl.DataFrame, outlook: pl.DataFrame) -> list[Part]:
    """A row a scenario: when the advantage and a new node's margin are gone, how likely, and if the event happens."""
    told = view.ordered_scenarios(outlook) if outlook.height else []
    known = outlook.filter(pl.col("state") != "not_comparable")
    if not told or known.is_empty():
        return []
    pair = _followed(page, mine)
    margin_known = known.filter(pl.col("quantity") == "full_margin_new_node").height > 0
    today = page.analysis.as_of.date()
    body: list[list[Cell]] = []
    for scenario in told[:_MOST_SCENARIOS]:
        at = known.filter(pl.col("scenario") == scenario)
        cells: list[Cell] = [words.shorten(page.names(scenario), 44)]
        for reference in ("list", "modelled_cost"):
            rows = view.of_pair(at, pair).filter(
                pl.col("quantity") == "advantage", pl.col("reference") == reference
            ) if pair else at.clear()  # fmt: skip
            cells += _future_cells(rows.row(0, named=True) if rows.height else None, today)
        rows = at.filter(pl.col("quantity") == "full_margin_new_node")
        if margin_known:
            cells += _future_cells(rows.row(0, named=True) if rows.height else None, today, already="below zero today")
        body.append(cells)
    columns = [
        column("Scenario", 2.2),
        column("Lead over list gone by", 1.15, right=True),
        column("Gone at some time", 1.0, right=True),
        column("Lead over modelled cost gone by", 1.4, right=True),
        column("Gone at some time", 1.0, right=True),
    ]
    if margin_known:
        columns += [
            column("New node's margin below zero from", 1.25, right=True),
            column("Below zero at some time", 1.1, right=True),
        ]
    cloud = f"Cloud: {page.names.long_pair(*pair)}. " if pair else ""
    new_node = "New node: bought at the time, not today; its margin may turn positive again." if margin_known else ""
    note = (
        f"{cloud}Months are those by which half of the draws are lost. At some time: the share of all draws by "
        f"{outlook['horizon'][0].year}; with the event: of those draws alone in which a newcomer's chip ships. "
        f"{new_node}"
    ).strip() + _today_in(body)
    dropped = len(told) - len(body)
    notes = [note] + ([f"{words.plural(dropped, 'further scenario')} in erosion.csv."] if dropped else [])
    return [subheading("In every scenario"), table_part(columns, body, notes) | {"large": True}]


def _today_in(body: list[list[Cell]]) -> str:
    """What the words for today and its month mean, of those that stand in the rows."""
    return today_words(cell["text"] for row in body for cell in row if isinstance(cell, dict))


def drawable(head: view.Row) -> bool:
    """Whether the fonts have every letter of a network's name; else it stands as its id."""
    from reports.style import is_drawable  # matplotlib: heavy, and no other text needs it

    return is_drawable(head["display_name"])


def _its_letters(head: view.Row) -> str:
    """Why a name stands as its id."""
    told = f"[{head['network']}] is its id: the fonts here lack letters of its name, which summary.md has."
    return "" if drawable(head) else told


def _followed(page: Page, mine: pl.DataFrame) -> tuple[str, str] | None:
    """The cloud that outlooks follow, where the network is compared with it; else the first."""
    pairs = view.ordered_pairs(mine) if mine.height else []
    return page.future_pair if page.future_pair in pairs else next(iter(pairs), None)


def _future_cells(row: view.Row | None, today: date, *, already: str = "lost today") -> list[Cell]:
    if row is None:
        return [{"text": "n/c", "quiet": True}, {"text": "n/c", "quiet": True}]
    lost, if_event = row["probability_lost"], row["probability_lost_if_event"]
    when = date_cell(row, today, already=already)
    if row["state"] != "already_lost":
        when.pop("under", None)  # told in the next column
    if lost is None or (row["state"] == "already_lost" and not at_odds(row, today)):
        return [when, {"text": DASH if row["state"] == "already_lost" else "not drawn", "quiet": True}]
    share: dict[str, Any] = {"text": words.likelihood(lost)}
    return [when, share | ({"under": f"with the event {words.likelihood(if_event)}"} if if_event is not None else {})]


def decisive(page: Page, network: str) -> list[Part]:
    """The two inputs that move the outlook most, for the buyer and for the supplier, in one sentence each."""
    led = pl.col("rank") <= 2
    base = led & (pl.col("scenario") == "base") & (pl.col("pricing") == "fleet_average")
    mine = view.plain(page.analysis.drivers.filter(pl.col("network") == network, base)).sort("rank")
    pair = _followed(page, page.compared.filter(pl.col("network") == network))
    buyer = mine.filter(pl.col("quantity") == "advantage", pl.col("reference") == "list")
    lead = view.of_pair(buyer, pair) if pair else buyer.clear()
    own = mine.filter(pl.col("quantity") == "full_margin_new_node")
    told = []
    for who, found in (
        (f"the lead over {page.names(pair[0])}'s list price" if pair else "", lead), ("a new node's margin", own),
    ):  # fmt: skip
        if ends := [_driver(row) for row in view.rows(found) if row["swing"]]:
            told.append(f"{who} rests most on {words.listing(ends)}")
    if not told:
        return []
    horizons = page.analysis.outlook["horizon"].drop_nulls()
    end = f"the end of {horizons[0].year}" if horizons.len() else "the horizon"
    return [paragraph(f"At central inputs, at {end}, {'; '.join(told)}.", quiet=True)]


def _driver(row: view.Row) -> str:
    ends = f"{percent(row['at_low'], signed=True)} to {percent(row['at_high'], signed=True)}"
    return f"{words.input_words(row['input'].split('[')[0])} ({ends})"


def token_facts(page: Page, head: view.Row) -> str:
    """What is known of the token and the fees, each with its period, day and kind; or that nothing is, once."""

    def first(measure: str) -> view.Row | None:
        rows = page.tokens_found.get((head["network"], measure), [])
        return next((r for r in rows if r["value"] is not None), None)

    told = []
    keeps = take_cell(page, head["network"])
    if no_share := _NO_SHARE.get(keeps["text"]):
        told.append(no_share)
    elif not keeps.get("quiet"):
        told.append(f"the network keeps {_kept(keeps['text'], keeps.get('under', ''))}")
    elif charge := page.margin_of.get(head["network"], {}).get("buyer_fee"):
        told.append(f"tenants pay a fee of {fee(charge)} on top; what is kept from suppliers is not published")
    if row := first("burned_tokens"):
        told.append(f"{_amount(row)} burned, gross{_when(page, row)}")
    if row := first("emission_tokens_per_month"):
        told.append(f"{_amount(row)} emitted to providers{_when(page, row)}")
    if row := first("subsidy_usd_per_rented_hour"):
        told.append(f"a reward of {_amount(row)} per rented hour{_when(page, row)}")
    if row := first("emission_coverage"):
        # Some say what share of their costs they earn, not of what they emit.
        over = "its costs" if "revenue_covers_cost" in (row["formula"] or "") else "emissions"
        told.append(f"revenue over {over} {coverage_words(row)}{_when(page, row)}")
    if not told:
        return "Token and fees: nothing on record."
    return f"Token and fees: {'; '.join(told)}. More on the token pages."


def _kept(share: str, ways: str) -> str:
    """What is kept of the bill, in a sentence.

    >>> _kept("10%", "at least"), _kept("3.5%", "0.5% in IO")
    ("at least 10% of the tenant's bill", "3.5% of the tenant's bill (0.5% in IO)")
    >>> _kept("60%", "at least 35% (a) or 60% (b)")
    "at least 35% (a) or 60% (b) of the tenant's bill (60% is used)"
    """
    if ways == "at least" and share == "0%":
        return "0% of the tenant's bill or more: no more is published of its fee"
    if ways == "at least":
        return f"at least {share} of the tenant's bill"
    if ways.startswith("at least "):
        return f"{ways} of the tenant's bill{'' if ' to ' in share else f' ({share} is used)'}"
    return f"{share} of the tenant's bill{f' ({ways})' if ways else ''}"


# The words for ways to pay that a narrow column has room for.
_LONGEST_WAYS = 32
_NO_SHARE = {
    "burned": "the payment is burned, and nodes are paid in minted tokens",
}
_BOUNDS = {"upper": "at most ", "lower": "at least "}


def _amount(row: view.Row) -> str:
    """A number of tokens with its period, or dollars: ``14,200 AKT per day``."""
    bound, value = _BOUNDS.get(row["bound"] or "", ""), row["value"]
    token, _, period = (row["unit"] or "").partition(" ")
    if token == "USD":
        return f"{bound}{usd(value)}"
    count = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{bound}{count} {token} {period or 'in all'}"


def _when(page: Page, row: view.Row) -> str:
    """The day of a number, and that others say it than the network, or the network of itself."""
    told = [KIND_WORDS[row["kind"]]] if row["kind"] in ("vendor_claim", "third_party") else []
    period = re.match(r"period to ([0-9-]+)", row["note"] or "")
    day = f"period to {period[1]}" if period else dated(page, row).removeprefix("data of ")
    return f" ({', '.join(filter(None, [*told, day]))})" if told or day else ""


def _priced(page: Page, head: view.Row) -> str:
    """Its chip, and what it asked for it, where it asked something."""
    price = page.margin_of.get(head["network"], {}).get("usd_per_accelerator_hour")
    chip = page.names(head["accelerator"]) if head["accelerator"] is not None else ""
    return f"{chip}, {usd(price)}/h" if chip and price is not None else chip


def _why(page: Page, head: view.Row) -> str:
    """Why a network can't be compared: its sentence without the name and the verdict, which stand beside it."""
    why = page.told(head["sentence"]).removeprefix(f"{head['display_name']}: ").removeprefix("not comparable, ")
    if not why.endswith("can be compared at equal work."):
        return _capital(why)
    kind = kind_of_gap(page, head["network"])
    return _capital(f"{why.removesuffix('.')}: {kind}." if kind else why)


def kind_of_gap(page: Page, network: str) -> str:
    """Why most work of a network can't be compared, in a few words; nothing where that is not known."""
    mine = page.analysis.comparison.filter(pl.col("network") == network)["not_comparable"].drop_nulls()
    kinds = Counter(kind_of_reason(reason) for reason in mine)
    return min(kinds, key=lambda kind: (-kinds[kind], kind)) if kinds else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _few(page: Page, head: view.Row) -> str:
    """How many of its chip a network has, where that is fewer than stand for a network that has others."""
    network, chip = head["network"], head["accelerator"]
    limit = view.plain(page.analysis.assumptions).filter(pl.col("parameter") == "min_supply_headline")["central"]
    mine = page.analysis.market_prices.filter(
        pl.col("network") == network, pl.col("accelerator") == chip, pl.col("terms") == "on_demand"
    )["n_accelerators"].drop_nulls()
    told = page.analysis.facts.filter(
        pl.col("network") == network, pl.col("subject") == chip, pl.col("metric") == "gpus_total"
    ).sort("observed_at")["value"]
    counted = [*mine.to_list()[:1], *told.to_list()[-1:]]
    return f"of which it has {counted[0]:,.0f}; " if counted and limit.len() and counted[0] < limit[0] else ""


def _nothing_known(page: Page, heads: list[view.Row]) -> list[Part]:
    body: list[list[Cell]] = [
        [
            {"text": words.shorten(head["display_name"], 60), "strong": True, "under": _priced(page, head)},
            verdict_cell(head),
            bounded(
                _hour(page.margin_of.get(head["network"], {}).get("breakeven_usd_per_accelerator_hour")),
                AT_LEAST,
                when=head["network"] in page.fee_floors,
            ),
            words.shorten(_why(page, head), _LONGEST_REASON),
            _capital(token_facts(page, head).removeprefix("Token and fees: ")),
        ]
        for head in heads[:_MOST_SHARED_ROWS]
    ]
    columns = [
        column("Network", 1.5),
        column("Verdict", 1.0),
        column("Breaks even at", 0.8, right=True),
        column("Why it can't be compared", 2.3),
        column("Token and fees", 2.2),
    ]
    notes = [f"{_UNKNOWN}: not known."] if any(_is_unknown(cell) for row in body for cell in row) else []
    if more := len(heads) - len(body):
        notes.append(f"{more} further networks in analysis.json.")
    return [table_part(columns, body, notes)]


def _told(text: str | None) -> dict[str, Any]:
    """A number as printed, or that it is not known, alike in every column."""
    return {"text": _UNKNOWN, "quiet": True} if text is None else {"text": text}


def _is_unknown(cell: Cell) -> bool:
    return isinstance(cell, dict) and cell.get("text") == _UNKNOWN


def _hour(value: float | None) -> dict[str, Any]:
    told = None if value is None else usd(value)
    return _told(f"{told}/h" if told and told.startswith("$") else told)
