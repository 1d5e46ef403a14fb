"""What an hour costs, how prices are spread and went, where sources disagree; at the end every price in use."""

from __future__ import annotations

import polars as pl

from reports import view, words
from reports.sections.page import Page
from reports.sections.parts import (
    Cell,
    Part,
    column,
    linked,
    paragraph,
    span_words,
    subheading,
    table_part,
    width_for,
)
from reports.words import usd

_MOST_ROWS = 300
_MOST_SPREADS = 20
_MOST_DISCREPANCIES = 30
# Quantiles of fewer offers say nothing that the cheapest and the dearest don't.
_FEWEST_FOR_QUANTILES = 4
_NO_QUESTION = "\N{EN DASH}"
_MOST_TIERS = 2
# Which of a cloud's prices the work is compared with: the rule of `inference.references`.
CHEAPEST_OF_A_CLOUD = (
    "The same work is compared with the cheapest machine and region on a cloud's list, not with this median: its buyer "
    "may choose."
)


def prices(page: Page) -> Part:
    """What an hour costs, how prices are spread, how they went, and where sources disagree."""
    # The tables between the charts take the room that either leaves on its page.
    went = page.charts_if_there("price_history")
    parts = [page.chart("price_ladder"), *spreads(page), *discrepancies(page)]
    parts += [subheading("How prices went"), *went] if went else []
    return {"title": "Prices", "parts": parts}


def every_price(page: Page) -> Part | None:
    """Every price in use with its source, date, layer and age."""
    market = view.prices_in_use(page.analysis.market_prices, page.compared, page.analysis.margins)
    shown = market.head(_MOST_ROWS)
    tiers = view.pooled_tiers(page.analysis.market_statistics)
    several = shown["terms"].n_unique() > 1
    kinds = [_kind_and_tiers(r, tiers) for r in view.rows(shown)]
    body: list[list[Cell]] = [
        [
            _seller(page, r),
            page.names(r["accelerator"]),
            *([r["terms"].replace("_", " ")] if several else []),
            usd(r["usd_per_accelerator_hour"]),
            _span_if_wider(r),
            f"{r['n_offers']:,}",
            kind,
            _sources_cell(page, r),
            *_data_cells(page, r),
        ]
        for r, kind in zip(view.rows(shown), kinds, strict=True)
    ]
    if not body:
        return {
            "title": "Appendix: prices in use",
            "parts": [paragraph("No network has a price in use, so none of a cloud is held against one.")],
        }
    apart = (shown["oldest_observed_at"].dt.date() < shown["observed_at"].dt.date()).any()
    columns = [
        column("Seller", width_for((_seller(page, r) for r in view.rows(shown)), 0.8, 1.45)),
        column("Accelerator", 1.38),
        *([column("Terms", 0.6)] if several else []),
        column("USD per hour", 0.52, right=True),
        column("Cheapest to dearest", 0.88, right=True),
        column("Offers", 0.42, right=True),
        column("Kind, tiers", width_for(kinds, 0.65, 1.25)),
        column("Source", 1.2),
        column("Layer", 0.5),
        column("Date", 0.7 if apart else 0.58),
        column("Days old", 0.66 if apart else 0.56, right=True),
    ]
    terms = "" if several else f"All {shown['terms'][0].replace('_', ' ')}. "
    notes = [
        f"{terms}The median of what a renter can take now, weighted by chips on offer, with a seller's tiers pooled. "
        f"{_age_rule(shown)}"
    ]
    cheaper = pl.col("usd_per_accelerator_hour_low") < pl.col("usd_per_accelerator_hour")
    if shown.filter(pl.col("segment") == "hyperscaler", cheaper).height:
        notes.append(CHEAPEST_OF_A_CLOUD)
    left_out = page.analysis.market_prices.height - market.height
    if left_out:
        notes.append(f"{left_out:,} further market prices are in offers.parquet.")
    if cut := market.height - shown.height:
        notes.append(f"{words.plural(cut, 'further price')} in use are in offers.parquet.")
    return {"title": "Appendix: prices in use", "parts": [table_part(columns, body, notes)]}


def _age_rule(shown: pl.DataFrame) -> str:
    """What stale and too old mean, in the days in force for the packaged prices shown."""
    packaged = shown.filter(pl.col("layer") == "reference", pl.col("expected_age_days").is_not_null())
    days: dict[float, list[str]] = {}
    for age, kind in (
        packaged.select("expected_age_days", "price_kind").unique().sort("expected_age_days", "price_kind").rows()
    ):
        days.setdefault(age, []).append(kind.replace("_", " "))
    kinds = words.listing(f"{words.age(age)} ({', '.join(found)})" for age, found in days.items())
    told = "Stale: a live or stored price older than expected of its source"
    return (
        f"{told}{f', a packaged one older than {kinds}' if kinds else ''}; too old: beyond its limit, so used nowhere."
    )


def spreads(page: Page) -> list[Part]:
    """How far prices of one market lie apart."""
    every = page.analysis.market_statistics
    shown = view.spreads_shown(every, _MOST_SPREADS)
    heading = subheading("How far prices of one market lie apart")
    if shown.is_empty():
        return [heading, paragraph("No market has more than one price in this run.", quiet=True)]
    has_quantiles = bool((shown["n_offers"] >= _FEWEST_FOR_QUANTILES).any())
    has_judged = bool(shown["outlier_factor"].is_not_null().any())
    has_chips = bool(shown["n_accelerators"].is_not_null().any())
    has_old = bool((shown["layer"] != "live").any())
    body: list[list[Cell]] = []
    for r in view.rows(shown):
        middle = [
            usd(r[f"usd_per_accelerator_hour_p{p}"]) if r["n_offers"] >= _FEWEST_FOR_QUANTILES else _NO_QUESTION
            for p in (25, 50, 75)
        ]
        body.append(
            [
                _seller(page, r),
                page.names(r["accelerator"]),
                ", ".join(w.replace("_", " ") for w in (r["terms"], r["tier"]) if w),
                r["price_kind"].replace("_", " "),
                usd(r["usd_per_accelerator_hour_low"], unknown="n/k"),
                *(middle if has_quantiles else []),
                usd(r["usd_per_accelerator_hour_high"], unknown="n/k"),
                f"{r['n_offers']:,}",
                *([words.count(r["n_outliers"]) if r["outlier_factor"] else "n/j"] if has_judged else []),
                *([words.count(r["n_accelerators"], unknown=_NO_QUESTION)] if has_chips else []),
                *([_age_cell(page, r)] if has_old else []),
            ]
        )
    columns = [
        column("Seller", width_for((_seller(page, r) for r in view.rows(shown)), 0.95, 1.6)),
        column("Accelerator", 1.85),
        column("Terms", 1.55 if shown["tier"].count() else 0.75),
        column("Kind", 0.75),
        column("Cheapest", 0.68, right=True),
        *([column(t, 0.6, right=True) for t in ("P25", "Median", "P75")] if has_quantiles else []),
        column("Dearest", 0.65, right=True),
        column("Offers", 0.52, right=True),
        *([column("Outliers", 0.72, right=True)] if has_judged else []),
        *([column("Chips", 0.5, right=True)] if has_chips else []),
        *([column("Data", 1.45)] if has_old else []),
    ]
    notes = [
        "USD per accelerator-hour; each machine once, tiers and kinds of price apart, while a price in use (appendix) "
        "pools the tiers."
        + (
            " P25, median, P75: at which that share of the chips on offer is reached, from four offers on."
            if has_quantiles
            else ""
        )
        + (
            " Outliers stay in: offers further from the median than 3.5 robust standard deviations of the log price "
            "and than a factor of two, marked in offers.parquet (n/j: fewer than five offers, not judged)."
            if has_judged
            else ""
        )
    ]
    if further := every.height - shown.height:
        low, high = every["usd_per_accelerator_hour_low"], every["usd_per_accelerator_hour_high"]
        single = int(((every["n_offers"] == 1) | (low == high)).sum())
        what = f"{words.plural(further, 'further market')}"
        if single == further:
            what += " has one price; it is" if further == 1 else " have one price each; they are"
        else:
            what += f", {single:,} of them with one price, are"
        notes.append(f"{what} in market_statistics.csv.")
    return [heading, table_part(columns, body, notes)]


def discrepancies(page: Page) -> list[Part]:
    """Where two sources disagree on the same offer."""
    every = view.plain(page.analysis.discrepancies)
    # What the report rests on comes first.
    prices = (
        view.plain(page.analysis.market_prices).select("network", "accelerator", "terms", _used=pl.lit(True)).unique()
    )
    every = every.join(prices, on=["network", "accelerator", "terms"], how="left", maintain_order="left")
    unused = every["_used"].null_count()
    every = every.drop_nulls("_used")
    heading = subheading("Where sources disagree")
    elsewhere = (
        f"{words.plural(unused, 'disagreement')} on what no price here rests on {'is' if unused == 1 else 'are'} in "
        "discrepancies.csv."
    )
    if every.is_empty():
        told = "No two sources differ by more than 10% on an offer that a price here rests on."
        return [heading, paragraph(f"{told} {elsewhere}" if unused else told, quiet=True)]
    in_use = {
        (r["network"], r["accelerator"], r["terms"]): r["usd_per_accelerator_hour"]
        for r in view.rows(view.plain(page.analysis.market_prices))
    }
    body: list[list[Cell]] = [
        [
            _seller(page, r),
            {"text": page.names(r["accelerator"]), "under": r["terms"].replace("_", " ")},
            {
                "text": words.source_name(r["source_used"], None, page.names),
                "under": page.observed(r["observed_at_used"], r["layer_used"]),
            },
            usd(r["usd_per_accelerator_hour_used"]),
            {
                "text": words.source_name(r["source_other"], None, page.names),
                "under": page.observed(r["observed_at_other"], r["layer_other"]),
            },
            usd(r["usd_per_accelerator_hour_other"]),
            f"{r['ratio']:.2f}",
            r["compared_on"],
            usd(in_use.get((r["network"], r["accelerator"], r["terms"])), unknown=_NO_QUESTION),
        ]
        for r in view.rows(every.head(_MOST_DISCREPANCIES))
    ]
    columns = [
        column("Seller", width_for((_seller(page, r) for r in view.rows(every.head(_MOST_DISCREPANCIES))), 0.9, 1.45)),
        column("Accelerator", 1.75),
        column("Believed", 1.25),
        column("Its median", 0.6, right=True),
        column("Other", 1.6),
        column("Its median", 0.6, right=True),
        column("Other / believed", 0.65, right=True),
        column("Matched on", 0.95),
        column("Price in use", 0.6, right=True),
    ]
    left_out = every.height - len(body)
    notes = [
        "USD per accelerator-hour: each source's median over the offers that both tell of, where the two differ by "
        "more than 10%. Price in use: the median over all offers of the believed source, of every region and tier, "
        "weighted by chips on offer. Believed is the seller's own "
        "interface before a catalogue, a catalogue before the package's dated prices, and the newer before the older."
    ]
    clouds = page.analysis.market_prices.filter(pl.col("segment") == "hyperscaler")["network"]
    if every["network"].is_in(clouds.unique().to_list()).any():
        notes.append(CHEAPEST_OF_A_CLOUD)
    notes += [f"{left_out:,} further disagreements are in discrepancies.csv."] if left_out else []
    notes += [elsewhere] if unused else []
    return [heading, table_part(columns, body, notes)]


def _seller(page: Page, row: view.Row) -> str:
    return words.shorten(page.names(row["network"]), 34)


def _span_if_wider(row: view.Row) -> str:
    low, high = row["usd_per_accelerator_hour_low"], row["usd_per_accelerator_hour_high"]
    return _NO_QUESTION if low == high else span_words(low, high, usd)


def _kind_and_tiers(row: view.Row, tiers: dict[tuple[str, str, str], list[str]]) -> str:
    """``list: community, secure``; ``ask, 3 tiers``."""
    kind = (row["price_kind"] or "").replace("_", " ")
    found = tiers.get((row["network"], row["accelerator"], row["terms"]), [])
    if len(found) > _MOST_TIERS:
        return f"{kind}, {len(found)} tiers"
    return f"{kind}: {', '.join(t.replace('_', ' ') for t in found)}" if found else kind


def _data_cells(page: Page, row: view.Row) -> list[Cell]:
    """Layer, day and age, with a word on what is older than it should be; set apart when it is not live."""
    middle, oldest = row["observed_at"], row["oldest_observed_at"] or row["observed_at"]
    days, most = (f"{age:,.0f}" for age in view.ages_in_days(page.analysis.as_of, [middle, oldest]))
    mark = {"stale": ", stale", "expired": ", too old"}.get(row["freshness"] or "", "")
    tone = "bad" if row["freshness"] == "expired" else "warn" if row["layer"] != "live" or mark else ""
    told = [{"text": row["layer"]}, {"text": words.day(middle)}, {"text": f"{days}{mark}"}]
    if days != most:
        # The day of the offer in the middle, and how far back the others go that the range rests on.
        told[1:] = [
            {"text": words.day(middle), "under": f"oldest {words.day(oldest)}"},
            {"text": days, "under": f"oldest {most}{mark}"},
        ]
    return [cell | {"tone": tone} for cell in told] if tone else [*told]


def _sources_cell(page: Page, row: view.Row) -> Cell:
    """Who tells the price, with the address; beneath how many more tell of its other offers."""
    named = linked(words.shorten(page.said_by(row["source"], row["source_url"]), 28), row["source_url"])
    more = (row["n_sources"] or 1) - 1
    if not more:
        return named
    return (named if isinstance(named, dict) else {"text": named}) | {"under": f"and {words.plural(more, 'other')}"}


def _age_cell(page: Page, row: view.Row) -> Cell:
    """``live``, or the layer with its age."""
    if row["layer"] == "live":
        return "live"
    (days,) = view.ages_in_days(page.analysis.as_of, [row["observed_at"]])
    return {"text": f"{row['layer']}, {words.age(days)}", "tone": "warn"}
