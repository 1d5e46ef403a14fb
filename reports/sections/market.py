"""What hosts ask for tokens beside our cost of them."""

from __future__ import annotations

from typing import Any

import polars as pl

from reports import view, words
from reports.sections.page import Page
from reports.sections.parts import Cell, Part, column, paragraph, span_words, table_part
from reports.words import percent, usd

_MOST_HOSTS = 40


def model_against_market(page: Page) -> Part:
    """What hosts ask for tokens beside our cost of them, and the trend of closed models' prices."""
    shown = view.market_check_shown(page.headlines, page.analysis.market_check)
    modelled = shown.height > 0 and shown["usd_per_mtok_modelled"].count() > 0
    parts: list[Part] = [
        page.chart("market_check"),
        paragraph(
            "What hosts ask for a million output tokens with their prompts, beside the same work at the owner's "
            "cost of the cheapest cloud chip. A list price several times that cost is no error of units: the model "
            "has its machine answer all the requests it can hold in every hour sold, while a host buys for its "
            "peak, may run older chips, sells answers faster than the workload asks, and has a margin. Load that "
            "pays: the share of the modelled output that has to be sold at the host's price to earn the modelled "
            "cost. Work nobody waits for is sold at about half of these prices; that half is not collected.",
            quiet=True,
        )
        if modelled
        else paragraph(f"What the work costs an owner is not known in this run: {words.NO_PAIR}.", quiet=True),
    ]
    parts += [paragraph(told, quiet=True) for told in _own_hosts(page, shown)]
    order = {llm: place for place, llm in enumerate(view.market_check_order(page.headlines, shown))}
    # In the chart's order; of each model the cheapest host and the dearest, every network and every cloud.
    place = pl.col("llm").replace_strict(order, default=len(order), return_dtype=pl.Int64)
    shown = shown.sort(place, maintain_order=True)
    edge = pl.int_range(pl.len()).over("llm")
    rest = shown.filter(
        (edge == 0) | (edge == pl.len().over("llm") - 1) | pl.col("host_kind").is_in(["network", "cloud"])
    ).head(_MOST_HOSTS)
    body: list[list[Cell]] = []
    n_rows = dict(rest.group_by("llm").len().iter_rows())
    for r in view.rows(rest):
        cost = span_words(r["usd_per_mtok_modelled_low"], r["usd_per_mtok_modelled_high"], usd)
        told = f"{usd(r['usd_per_mtok_modelled'])}{f' ({cost})' if cost else ''}"
        model: dict[str, Any] = {
            "text": page.names(r["llm"]),
            "under": f"modelled: {told}" if modelled else "",
            "rows": n_rows.pop(r["llm"], 0),
        }
        body.append(
            [
                *([model] if model["rows"] else []),
                page.names(r["provider"]),
                r["host_kind"],
                usd(r["usd_per_mtok_input"]),
                usd(r["usd_per_mtok_output"]),
                {"text": usd(r["usd_per_mtok_asked"]), "strong": True},
                *([words.times(r["asked_over_modelled"]), percent(r["breakeven_load_fraction"])] if modelled else []),
                page.linked_source(r["source"], r["source_url"]),
                page.layer_cell(r["observed_at"], r["layer"]),
            ]
        )
    if body:
        load = shown["workload"][0]
        left_out = page.analysis.market_check.height - len(body)
        notes = [
            f"USD per million tokens; workload {page.names(load)}, "
            f"{words.number(shown['input_tokens_per_output'][0])} prompt tokens an output token. Of each model "
            "the cheapest and the dearest host, the networks and the clouds."
        ]
        notes += [f"{left_out:,} further rows are in market_check.csv."] if left_out else []
        columns = [
            column("Model", 1.55),
            column("Host", 0.95),
            column("Kind", 0.6),
            column("Prompt", 0.55, right=True),
            column("Output", 0.55, right=True),
            column("With prompts", 0.6, right=True),
            *([column("Times cost", 0.5, right=True), column("Load that pays", 0.6, right=True)] if modelled else []),
            column("Source", 0.85),
            column("Date", 2.15),
        ]
        parts.append(table_part(columns, body, notes))
    else:
        parts.append(paragraph("No host's price can be set against our model in this run."))
    parts.append(page.chart("token_price_trend"))
    return {"title": "Model against market", "parts": parts}


def _own_hosts(page: Page, shown: pl.DataFrame) -> list[str]:
    """What networks ask for tokens they host themselves, beside what the same tokens cost on their rented hours."""
    own = page.compared.filter(pl.col("usd_per_mtok_network").is_not_null()).unique(
        ["network", "llm", "workload"], keep="first", maintain_order=True
    )
    rows = (
        shown.filter(pl.col("usd_per_mtok_asked").is_not_null())
        .join(
            own.select("network", "llm", "workload", "accelerator", hours="usd_per_mtok_network"),
            left_on=["provider", "llm", "workload"], right_on=["network", "llm", "workload"], how="inner",
        )
        .sort("usd_per_mtok_asked")
        .unique(["provider", "llm"], keep="first", maintain_order=True)
    )  # fmt: skip
    told = [
        f"{page.names(r['provider'])} asks {usd(r['usd_per_mtok_asked'])} for {page.names(r['llm'])}, and the same "
        f"tokens cost {usd(r['hours'])} on its {page.names(r['accelerator'])} by the hour"
        for r in view.rows(rows.sort("provider"))
    ]
    if not told:
        return []
    return [
        f"A network that hosts models itself: {'; '.join(told)}. The first is its own list, the second our model of "
        "the rented hour, which is what this report compares."
    ]
