"""The run in one sentence, and the few numbers of every network that it counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from depin_compare.analysis import Analysis
from depin_compare.economics.token_economics import fee_floors
from reports import view
from reports.words import Names, of_them, percent

__all__ = ["finding", "standings", "undercut_otherwise"]

_COMPARED = ("list", "committed", "modelled_cost")


def standings(analysis: Analysis, names: Names) -> tuple[tuple[str, str] | None, list[dict[str, Any]]]:
    """The cloud that outlooks follow, and every network's savings against it, margin and verdict.

    Networks that can be compared come first: where only some have room, it is not wasted on those that can't.
    """
    pair = view.future_pair(view.plain(analysis.advantage_paths.filter(pl.col("month") == 0)))
    compared = view.plain(view.headline_comparison(analysis.headlines, analysis.comparison))
    margins = {r["network"]: r for r in view.rows(view.headline_margins(analysis.headlines, analysis.margins))}
    floors = fee_floors(analysis.token_economics)
    made = []
    for head in view.rows(view.ordered_headlines(analysis.headlines)):
        mine = compared.filter(pl.col("network") == head["network"])
        at = dict(view.of_pair(mine, pair).select("reference", "advantage").iter_rows()) if pair else {}
        made.append({
            **head,
            "name": names(head["network"]),
            "margin": margins.get(head["network"], {}).get("full_margin"),
            "at_most": head["network"] in floors,
            **{reference: at.get(reference) for reference in _COMPARED},
        })  # fmt: skip
    return pair, sorted(made, key=lambda one: one["list"] is None and one["modelled_cost"] is None)


def undercut_otherwise(analysis: Analysis, pair: tuple[str, str] | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Networks whose own chip and model do not undercut a cloud's modelled cost, but another one does.

    Returns
    -------
    DataFrame
        network, accelerator, llm and advantage over the modelled cost of ``pair``: the best of each network.
    DataFrame
        The same of the networks that undercut the modelled cost of any cloud with any chip and model, with the cloud
        and its silicon: where each does so most.
    """
    known = view.plain(analysis.comparison.filter(pl.col("reference") == "modelled_cost", pl.col("advantage") > 0))
    known = known.filter(
        pl.col("match") == "cheapest", pl.col("network").is_in(analysis.headlines["network"].to_list())
    )
    here = view.of_pair(known, pair) if pair else known.clear()
    own = here.join(view.plain(analysis.headlines), on=["network", "accelerator", "llm", "workload"], how="semi")
    other = here.filter(~pl.col("network").is_in(own["network"].to_list()))
    columns = ["network", "accelerator", "llm", "advantage", "cloud", "silicon"]
    best, anywhere = (
        frame.sort("advantage", *columns[:3], *columns[4:], descending=[True, *[False] * 5])
        .unique("network", keep="first", maintain_order=True)
        .select(columns)
        for frame in (other, known)
    )
    return best.drop("cloud", "silicon"), anywhere


def finding(networks: Sequence[dict[str, Any]], cloud: str, *, suppliers: bool = False) -> str:
    """How many networks undercut a cloud's list price and its modelled cost; true of any `standings`.

    ``suppliers`` adds on how many a provider covers all cost.

    >>> akash = {"list": 0.3, "modelled_cost": -2.0, "margin": 0.1}
    >>> finding([akash, akash | {"margin": None}], "AWS")
    "With one chip for each, both networks undercut AWS's list price, neither its modelled cost"
    """
    if len(networks) == 1:
        return _of_one(networks[0], cloud, suppliers=suppliers)
    told: list[str] = []
    for key, words in (("list", f"{cloud}'s list price"), ("modelled_cost", "its modelled cost")):
        known = [one[key] for one in networks if one[key] is not None]
        if not known:
            continue
        better, many = sum(value > 0 for value in known), len(known)
        if told:
            some = ("none", "neither")[many == 2] if not better else of_them(better, many)
            told.append(f"{some} {words}")
        else:
            verb = "undercuts" if better == 1 or (many == 2 and not better) else "undercut"
            whose = "comparable " if many < len(networks) else ""
            some = f"neither {whose}network" if many == 2 and not better else f"{of_them(better, many)} {whose}networks"
            told.append(f"{some} {verb} {words if key == 'list' else f'{cloud}{chr(39)}s modelled cost'}")
    if not told:
        return "No network can be compared with a cloud today"
    text = f"With one chip for each, {', '.join(told)}"
    if suppliers and (margins := [one["margin"] for one in networks if one["margin"] is not None]):
        covered = sum(value >= 0 for value in margins)
        unsure = any(one["at_most"] and (one["margin"] or -1.0) >= 0 for one in networks)
        text += f"; a supplier covers all cost on {'at most ' * unsure}{of_them(covered, len(margins))}"
        text += " whose margin is known" if len(margins) < len(networks) and len(margins) > 1 else ""
    return text


def _of_one(one: dict[str, Any], cloud: str, *, suppliers: bool) -> str:
    told = [
        (one[key] > 0, words)
        for key, words in (("list", f"{cloud}'s list price"), ("modelled_cost", "its modelled cost"))
        if one[key] is not None
    ]
    if not told:
        return f"{one['name']} can't be compared with a cloud today"
    if len(told) == 1 and one["list"] is None:
        told = [(told[0][0], f"{cloud}'s modelled cost")]
    (first, words), *rest = told
    chip = f" with {told_chip}" if (told_chip := one.get("accelerator_display_name")) else ""
    text = f"{one['name']}{chip} {'undercuts' if first else 'does not undercut'} {words}"
    for also, other in rest:
        text += (
            f" and {other}"
            if also and first
            else f" but not {other}"
            if first
            else f", {'but' if also else 'nor'} {other}"
        )
    if suppliers and one["margin"] is not None:
        earns = "keeps" if one["margin"] >= 0 else "does not cover all cost"
        text += (
            f"; a supplier {earns} {percent(one['margin'])} of receipts"
            if one["margin"] >= 0
            else f"; a supplier {earns}"
        )
    return text
