"""Which chip and model stand for a network, and the one sentence that says where it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date

import dataframely as dy
import polars as pl

from depin_compare.bands import Band
from depin_compare.doors import Schema
from depin_compare.economics.comparison import Comparison
from depin_compare.economics.margins import Margins, provider_freshness
from depin_compare.economics.nodes import NO_NODE, archetypes_of, node
from depin_compare.economics.outlook_frames import Outlook
from depin_compare.economics.scenarios import BASE
from depin_compare.economics.starts import Subject
from depin_compare.economics.token_economics import fee_floors
from depin_compare.inference.references import UnitCosts
from depin_compare.market.freshness import FRESHNESS
from depin_compare.market.prices import MarketPrices
from depin_compare.refdata.assumption_set import AssumptionSet

__all__ = ["Headlines", "headlines", "subjects"]


class Headlines(Schema):
    """The one row a network that stands for it on the first page: its chip, model, and the sentence.

    ``freshness`` is the worst of the prices and measured facts behind the verdict; ``expired`` where an age cost it.
    """

    network = dy.String(primary_key=True)
    display_name = dy.String(nullable=False)
    accelerator = dy.String(nullable=True)
    accelerator_display_name = dy.String(nullable=True)
    archetype = dy.String(nullable=True)
    llm = dy.String(nullable=True)
    workload = dy.String(nullable=True)
    verdict = dy.String(nullable=False)
    freshness = dy.Enum(FRESHNESS, nullable=True)
    sentence = dy.String(nullable=False)


def subjects(
    costs: dy.DataFrame[UnitCosts],
    markets: dy.DataFrame[MarketPrices],
    facts: pl.DataFrame,
    assumptions: AssumptionSet,
    *,
    networks: Sequence[str],
    llms: Sequence[str],
    workloads: Sequence[str],
) -> tuple[Subject, ...]:
    """What stands for each network: its cheapest chip for the first LLM, in the order given, that it can serve.

    Left aside, unless nothing else is there: chips priced only indicatively, and chips of which the network is
    known to have fewer than the assumption ``min_supply_headline``: one card in one basement is no market.
    A price beyond the limit of its age stands for the network only where it has no other; such a subject has no
    verdict. Networks that can serve none of the LLMs have no subject.

    Parameters
    ----------
    costs : DataFrame[UnitCosts]
        Both sides; the networks' rows are used.
    markets : DataFrame[MarketPrices]
        How many of each chip the offers stand for.
    facts : DataFrame[NetworkFacts]
        ``gpus_total`` by chip where the offers don't count, and what `depin_compare.economics.nodes.node` reads.
    assumptions : AssumptionSet
        In force.
    networks, llms, workloads : sequence of str
        In order of preference; the first workload is the headline's.
    """
    chosen: list[Subject] = []
    min_supply = assumptions["min_supply_headline"].central
    for network in networks:
        own = costs.filter(pl.col("side") == "network", pl.col("seller") == network)
        priced = own.filter(pl.col("usd_per_mtok").is_not_null())
        if priced.is_empty():
            # What an expired price would be ordered by: its hour, over the work the chip does in it.
            hour, rate = pl.col("usd_per_accelerator_hour"), pl.col("tokens_per_second")
            priced = own.filter(pl.col("freshness") == "expired").with_columns((hour / rate).alias("usd_per_mtok"))
            priced = priced.filter(pl.col("usd_per_mtok").is_not_null())
        firm = priced.filter(pl.col("price_kind") != "indicative")
        pool = firm if len(firm) else priced
        for llm in llms:
            rows = _preferred(
                pool.filter(pl.col("llm") == llm, pl.col("workload") == workloads[0]), markets, facts, min_supply
            )
            if rows.is_empty():
                continue
            row = rows.row(0, named=True)
            archetypes = archetypes_of(row["accelerator"])
            archetype = archetypes[0] if archetypes else None
            price = "usd_per_accelerator_hour"
            costed = node(network, row["accelerator"], archetype, facts, assumptions) if archetype else None
            chosen.append(
                Subject(
                    network=network,
                    accelerator=row["accelerator"],
                    archetype=archetype,
                    llm=llm,
                    workload=workloads[0],
                    usd_per_accelerator_hour=Band(row[f"{price}_low"], row[price], row[f"{price}_high"]),
                    node=costed,
                    freshness=provider_freshness(row["freshness"], costed, network, row["accelerator"], facts)
                    if costed
                    else row["freshness"],
                    expired=row["not_comparable"],
                )
            )
            break
    return tuple(chosen)


def _preferred(priced: pl.DataFrame, markets: pl.DataFrame, facts: pl.DataFrame, least: float) -> pl.DataFrame:
    """Candidates cheapest first; those not known to be rare, where there are any."""
    told = facts.filter(pl.col("metric") == "gpus_total", pl.col("subject").is_not_null()).sort("observed_at")
    counted = told.group_by(pl.col("network").alias("seller"), pl.col("subject").alias("accelerator")).agg(
        pl.col("value").last().alias("supply")
    )
    candidates = (
        priced.join(counted, on=["seller", "accelerator"], how="left")
        .join(
            markets.filter(pl.col("terms") == "on_demand").select(
                pl.col("network").alias("seller"), "accelerator", "n_accelerators"
            ),
            on=["seller", "accelerator"],
            how="left",
        )
        .with_columns(pl.coalesce("n_accelerators", "supply").alias("supply"))
    )
    common = candidates.filter(pl.col("supply").is_null() | (pl.col("supply") >= least))
    return (common if len(common) else candidates).sort("usd_per_mtok", "accelerator")


def headlines(
    chosen: Sequence[Subject],
    comparison: dy.DataFrame[Comparison],
    margins: dy.DataFrame[Margins],
    outlook: dy.DataFrame[Outlook],
    *,
    networks: Sequence[str],
    names: Mapping[str, str],
    offers: pl.DataFrame | None = None,
    as_of: date | None = None,
    tokens: pl.DataFrame | None = None,
) -> dy.DataFrame[Headlines]:
    """One row a network with its verdict and sentence; every number in the sentence stands in the frames.

    ``offers``, where given, say why a network has no price that counts; ``as_of`` is the day of the run, on which
    some leads are lost already in half of the draws or more; ``tokens``, the token economics, which rewards are only
    the most they can be.
    """
    by_network = {subject.network: subject for subject in chosen}
    at_most, floors = _only_bounded(tokens), set[str]() if tokens is None else fee_floors(tokens)
    rows = [
        _headline(
            network,
            by_network.get(network),
            comparison,
            margins,
            outlook,
            names,
            offers,
            as_of,
            network in at_most,
            network in floors,
        )
        for network in networks
    ]
    return Headlines.validate(pl.DataFrame(rows, schema=Headlines.create_empty().schema))


def _headline(
    network: str,
    subject: Subject | None,
    comparison: pl.DataFrame,
    margins: pl.DataFrame,
    outlook: pl.DataFrame,
    names: Mapping[str, str],
    offers: pl.DataFrame | None,
    as_of: date | None,
    at_most: bool,
    fee_is_floor: bool,
) -> dict[str, object]:
    row: dict[str, object] = {"network": network, "display_name": names.get(network, network)}
    if subject is None:
        return {
            **row,
            "verdict": "not comparable",
            "sentence": f"{names.get(network, network)}: {_why_no_price(network, offers)}.",
        }
    here = outlook.filter(pl.col("network") == network)
    return {
        **row,
        "accelerator": subject.accelerator,
        "accelerator_display_name": names.get(subject.accelerator, subject.accelerator),
        "archetype": subject.archetype,
        "llm": subject.llm,
        "workload": subject.workload,
        "verdict": _overall_verdict(here),
        "freshness": "expired" if subject.expired else _worst_behind(here),
        "sentence": _sentence(subject, comparison, margins, here, names, as_of, at_most, fee_is_floor),
    }


def _only_bounded(tokens: pl.DataFrame | None) -> set[str]:
    """Networks whose rewards of a rented hour are known only as the most they can be."""
    if tokens is None:
        return set()
    told = tokens.filter(pl.col("measure") == "subsidy_tokens_per_rented_hour", pl.col("value") > 0)
    bounded = told.group_by("network").agg((pl.col("bound") == "upper").fill_null(False).all())
    return set(bounded.filter("bound")["network"])


def _why_no_price(network: str, offers: pl.DataFrame | None) -> str:
    """Why nothing stands for a network: nobody prices it, or what its sources offer does not count as its price."""
    mine = offers.filter(pl.col("network") == network) if offers is not None else None
    if mine is None or mine.is_empty():
        return "no price on record that can be compared at equal work"
    n = mine.height
    asked = mine.filter(pl.col("terms") == "on_demand")
    if asked.is_empty():
        return f"no price on demand among its {n} offers" if n > 1 else "its one offer is not on demand"
    if asked["upstream"].null_count() == 0:
        which = "offer" if n == 1 else f"{n} offers" if asked.height == n else f"{asked.height} offers on demand"
        return f"no price of its own: its {which} {'resells' if n == 1 else 'resell'} what others run"
    return f"none of its {n} offers can be compared at equal work" if n > 1 else "its one offer can't be compared"


# The worst comes first, so that ties go against the network.
_VERDICT_ORDER = ("eroded", "exposed", "resilient")


def _overall_verdict(outlook: pl.DataFrame) -> str:
    """How the network stands against most clouds' list prices and most modelled costs, in the base scenario."""
    told = {
        words: _most_common(outlook.filter(_BASE_CASE, pl.col("reference") == reference)["verdict"])
        for reference, words in (("list", "list"), ("modelled_cost", "cost"))
    }
    known = {words: verdict for words, verdict in told.items() if verdict is not None}
    if not known:
        return "not comparable"
    if len(set(known.values())) == 1:
        return next(iter(known.values()))
    return ", ".join(f"{verdict} v. {words}" for words, verdict in known.items())


def _worst_behind(outlook: pl.DataFrame) -> str | None:
    """The worst freshness of what the verdict rests on; where nothing can be compared, of what there is."""
    behind = outlook.filter(_BASE_CASE, pl.col("reference").cast(pl.String).is_in(["list", "modelled_cost"]))
    known = (behind if behind.height else outlook)["freshness"].drop_nulls()
    return None if known.is_empty() else FRESHNESS[int(known.to_physical().max())]  # type: ignore[arg-type]  # polars: any literal


_BASE_CASE = (
    (pl.col("scenario") == BASE) & (pl.col("pricing") == "fleet_average") & (pl.col("verdict") != "not comparable")
)


def _most_common(verdicts: pl.Series) -> str | None:
    seen = verdicts.cast(pl.String).to_list()
    return max(_VERDICT_ORDER, key=seen.count) if seen else None


def _sentence(
    subject: Subject,
    comparison: pl.DataFrame,
    margins: pl.DataFrame,
    outlook: pl.DataFrame,
    names: Mapping[str, str],
    as_of: date | None,
    at_most: bool,
    fee_is_floor: bool,
) -> str:
    pairs = comparison.filter(
        pl.col("network") == subject.network,
        pl.col("accelerator") == subject.accelerator,
        pl.col("llm") == subject.llm,
        pl.col("workload") == subject.workload,
        pl.col("match") == "cheapest",
        pl.col("advantage").is_not_null(),
    )
    name = names.get(subject.network, subject.network)
    chip = names.get(subject.accelerator, subject.accelerator)
    model = names.get(subject.llm, subject.llm)
    if subject.expired is not None:
        named = subject.expired.replace(f" of {subject.accelerator} at {subject.network} ", f" of {chip} at {name} ")
        return f"{name}: not comparable, {named}."
    if pairs.is_empty():
        return f"{name} on {chip}, serving {model}: no cloud price on record to compare with."
    price = pairs["usd_per_mtok_network"][0]
    against = [
        _cheaper_than(rows["advantage"], words)
        for reference, words in (("list", "list prices"), ("modelled_cost", "modelled costs"))
        if len(rows := pairs.filter(pl.col("reference") == reference))
    ]
    costs = pairs.filter(pl.col("reference") == "modelled_cost")["reference_kind"].cast(pl.String)
    claims = int((costs == "vendor_claim").sum())
    marked = f", {_COUNTS.get(claims, str(claims))} of these costs a vendor's claim" if 0 < claims < len(costs) else ""
    told = [
        f"{name} serves a million {model} tokens on {chip} for {_usd(price)}: {_joined(against)} of the clouds{marked}"
    ]
    told.append(_supplier(subject, margins, at_most=at_most, fee_is_floor=fee_is_floor))
    told.append(_future(outlook, as_of))
    return ". ".join(part for part in told if part) + "."


def _joined(against: Sequence[str]) -> str:
    """``dearer than all 8 list prices and all 7 modelled costs``: a word that both share is said once."""
    first, *rest = against
    word = first.split(" than ")[0] + " than "
    return " and ".join([first, *(one.removeprefix(word) for one in rest)])


def _cheaper_than(advantages: pl.Series, words: str) -> str:
    """``cheaper than 5 of 6 list prices``; the count says what a range of percentages would hide."""
    cheaper, n = int((advantages > 0).sum()), len(advantages)
    if cheaper == 0:
        return f"dearer than all {n} {words}" if n > 1 else f"dearer than the one of the {words} known"
    if cheaper == n:
        return f"cheaper than all {n} {words}" if n > 1 else f"cheaper than the one of the {words} known"
    return f"cheaper than {cheaper} of {n} {words}"


_COUNTS = {1: "one", 2: "two", 3: "three"}
_USE_WORDS = {"assumption": "assumed", "third_party": "reported"}


def _supplier(subject: Subject, margins: pl.DataFrame, *, at_most: bool, fee_is_floor: bool) -> str:
    margin = margins.filter(
        pl.col("network") == subject.network,
        pl.col("accelerator") == subject.accelerator,
        pl.col("archetype") == (subject.archetype or ""),
    )
    if subject.archetype is None:
        return f"A provider's margin is not known: {NO_NODE}"
    if margin.is_empty():
        return ""
    row = margin.row(0, named=True)
    who = f"A {str(subject.archetype).replace('_', '-')} provider"
    if row["full_margin"] is None and row["full_margin_with_rewards"] is None:
        return f"{who}'s margin is not known: {row['not_known']}"
    at = f"at the {_USE_WORDS.get(row['utilisation_kind'], 'published')} {_percent(row['utilisation'])} use"
    if row["full_margin"] is None:
        kept = row["full_margin_with_rewards"]
        most = "at most " if at_most else ""
        keeps = (
            f"keeps {most}{_percent(kept)} of the rewards"
            if kept >= 0
            else "does not cover full costs with its rewards"
        )
        return f"{who}, paid in tokens alone, {keeps} {at}"
    needed = row["breakeven_utilisation"]
    most, more = ("at most ", " or more") if fee_is_floor else ("", "")
    mends = f"break-even is at {_percent(needed)}{more}" if needed <= 1 else "no utilisation would suffice"
    if row["full_margin"] >= 0:
        return f"{who} keeps {most}{_percent(row['full_margin'])} of receipts after all costs {at}; {mends}"
    return f"{who} does not cover full costs {at}; {mends}"


def _usd(value: float) -> str:
    """Money as the tables of the report print it.

    >>> _usd(0.43), _usd(1.487), _usd(0.0458)
    ('$0.430', '$1.49', '$0.0458')
    """
    if value >= 1:
        return f"${value:,.2f}"
    return f"${value:.{min(4, 2 - math.floor(math.log10(value)))}f}" if value >= 0.001 else f"${value:.2g}"


def _percent(value: float) -> str:
    """A fraction as the tables of the report print it: one decimal below 10%.

    >>> _percent(0.0585), _percent(0.237), _percent(0.0)
    ('5.9%', '24%', '0%')
    """
    size = value * 100
    return f"{size:.1f}%" if 0.05 <= size < 9.95 else f"{size:.0f}%"


def _future(outlook: pl.DataFrame, as_of: date | None) -> str:
    """How many of the references led today are lost by the horizon in half of the draws, and when the first is."""
    rows = outlook.filter(_BASE_CASE, pl.col("quantity") == "advantage")
    ahead = rows.filter(pl.col("state") != "already_lost")
    if ahead.is_empty():
        return ""
    # A run of an earlier version did not draw: its central path is all there is.
    drawn = pl.col("probability_lost").is_not_null()
    lost = ahead.select(pl.when(drawn).then("date_p50").otherwise("date").alias("lost"))["lost"].drop_nulls().sort()
    led, horizon = len(ahead), rows["horizon"][0].year
    if lost.is_empty():
        leads = {1: "the one lead", 2: "both leads"}.get(led, f"all {led} leads")
        return f"In the base scenario it keeps {leads} it has today until the end of {horizon}"
    start = "In the base scenario it loses"
    already = int((lost <= as_of).sum()) if as_of is not None else 0
    now = as_of is not None and (lost[0].year, lost[0].month) == (as_of.year, as_of.month)
    month = "this month" if now else f"in {_MONTHS[lost[0].month - 1]} {lost[0].year}"
    first = f"today already in {_share_lost(ahead, already, as_of)}" if already else month
    if led == 1:
        return f"{start} the one reference it leads today by {horizon}, {first}"
    some = ("both" if led == 2 else f"all {led}") if len(lost) == led else f"{len(lost)} of the {led}"
    which = "" if already == len(lost) else f"{already} of them " if already else "the first "
    return f"{start} {some} references it leads today by {horizon}, {which}{first}"


def _share_lost(ahead: pl.DataFrame, already: int, as_of: date | None) -> str:
    """In how many draws the references of which most have lost the lead today are lost; most are never told as half."""
    surer = int((ahead["date_p90"] <= as_of).sum())
    if surer == already:
        return "90% or more of the draws"
    return f"half or more of the draws{f' ({surer} of them in 90% or more)' if surer else ''}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
