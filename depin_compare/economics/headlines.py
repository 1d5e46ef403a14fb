"""Which chip and model stand for a network, and the one sentence that says where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dataframely as dy
import polars as pl

from depin_compare.bands import Band
from depin_compare.economics.comparison import Comparison
from depin_compare.economics.outlook import Outlook, Subject
from depin_compare.economics.margins import Margins
from depin_compare.economics.nodes import archetypes_of, node
from depin_compare.inference.references import UnitCosts
from depin_compare.market.prices import MarketPrices
from depin_compare.refdata.assumption_set import AssumptionSet

__all__ = ["Headlines", "headlines", "subjects"]


# One data-centre node: a network with fewer of a chip has no market for it.
MIN_SUPPLY = 8


class Headlines(dy.Schema):
    """The one row a network that stands for it on the first page: its chip, model, and the sentence."""

    network = dy.String(primary_key=True)
    display_name = dy.String(nullable=False)
    accelerator = dy.String(nullable=True)
    accelerator_display_name = dy.String(nullable=True)
    archetype = dy.String(nullable=True)
    llm = dy.String(nullable=True)
    workload = dy.String(nullable=True)
    verdict = dy.String(nullable=False)
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
    known to have fewer than `MIN_SUPPLY`: one card in one basement is no market. Networks that can serve none
    of the LLMs have no subject.

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
    for network in networks:
        priced = costs.filter(
            pl.col("side") == "network", pl.col("seller") == network, pl.col("usd_per_mtok").is_not_null()
        )
        firm = priced.filter(pl.col("price_kind") != "indicative")
        pool = firm if len(firm) else priced
        for llm in llms:
            rows = _preferred(pool.filter(pl.col("llm") == llm, pl.col("workload") == workloads[0]), markets, facts)
            if rows.is_empty():
                continue
            row = rows.row(0, named=True)
            archetypes = archetypes_of(row["accelerator"])
            archetype = archetypes[0] if archetypes else None
            price = "usd_per_accelerator_hour"
            chosen.append(
                Subject(
                    network=network,
                    accelerator=row["accelerator"],
                    archetype=archetype,
                    llm=llm,
                    workload=workloads[0],
                    usd_per_accelerator_hour=Band(row[f"{price}_low"], row[price], row[f"{price}_high"]),
                    node=node(network, row["accelerator"], archetype, facts, assumptions) if archetype else None,
                )
            )
            break
    return tuple(chosen)


def _preferred(priced: pl.DataFrame, markets: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
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
    common = candidates.filter(pl.col("supply").is_null() | (pl.col("supply") >= MIN_SUPPLY))
    return (common if len(common) else candidates).sort("usd_per_mtok", "accelerator")


def headlines(
    chosen: Sequence[Subject],
    comparison: dy.DataFrame[Comparison],
    margins: dy.DataFrame[Margins],
    outlook: dy.DataFrame[Outlook],
    *,
    networks: Sequence[str],
    names: Mapping[str, str],
) -> dy.DataFrame[Headlines]:
    """One row a network with its verdict and sentence; every number in the sentence stands in the frames."""
    by_network = {subject.network: subject for subject in chosen}
    rows = [_headline(network, by_network.get(network), comparison, margins, outlook, names) for network in networks]
    return Headlines.validate(pl.DataFrame(rows, schema=Headlines.create_empty().schema))


def _headline(
    network: str,
    subject: Subject | None,
    comparison: pl.DataFrame,
    margins: pl.DataFrame,
    outlook: pl.DataFrame,
    names: Mapping[str, str],
) -> dict[str, object]:
    row: dict[str, object] = {"network": network, "display_name": names.get(network, network)}
    if subject is None:
        return {
            **row,
            "verdict": "not comparable",
            "sentence": f"{names.get(network, network)}: no price on record that can be compared at equal work.",
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
        "sentence": _sentence(subject, comparison, margins, here, names),
    }


def _overall_verdict(outlook: pl.DataFrame) -> str:
    """How the network stands over all comparable references and scenarios, at fleet-average pricing."""
    seen = set(
        outlook.filter(pl.col("pricing") == "fleet_average", pl.col("verdict") != "not comparable")["verdict"].cast(
            pl.String
        )
    )
    if not seen:
        return "not comparable"
    return seen.pop() if len(seen) == 1 else "mixed"


def _sentence(
    subject: Subject, comparison: pl.DataFrame, margins: pl.DataFrame, outlook: pl.DataFrame, names: Mapping[str, str]
) -> str:
    pairs = comparison.filter(
        pl.col("network") == subject.network,
        pl.col("accelerator") == subject.accelerator,
        pl.col("llm") == subject.llm,
        pl.col("workload") == subject.workload,
        pl.col("match") == "cheapest",
        pl.col("advantage").is_not_null(),
    )
    against = [
        f"{_range_of(rows['advantage'])} the clouds' {words}"
        for reference, words in (("list", "list price"), ("modelled_cost", "modelled cost"))
        if len(rows := pairs.filter(pl.col("reference") == reference))
    ]
    name = names.get(subject.network, subject.network)
    chip = names.get(subject.accelerator, subject.accelerator)
    model = names.get(subject.llm, subject.llm)
    parts = [
        f"{name} on {chip}, serving {model}: "
        + (" and ".join(against) if against else "no cloud reference to compare with")
    ]
    margin = margins.filter(
        pl.col("network") == subject.network,
        pl.col("accelerator") == subject.accelerator,
        pl.col("archetype") == (subject.archetype or ""),
    )
    if len(margin) and margin["full_margin"][0] is not None:
        kept = float(margin["full_margin"][0])
        use, known = margin["utilisation"][0], _known(margin["utilisation_kind"][0])
        result = f"keeps {kept:.0%} of its receipts" if kept >= 0 else f"loses {-kept:.0%} on top of its receipts"
        parts.append(
            f"a {str(subject.archetype).replace('_', '-')} node {result} after all costs at "
            f"{use:.0%} use ({known}) and {_breaks_even(margin['breakeven_utilisation'][0])}"
        )
    elif len(margin):
        parts.append(f"provider's margin not known ({margin['not_known'][0]})")
    parts.append(_future(outlook))
    return "; ".join(part for part in parts if part) + "."


def _range_of(advantages: pl.Series) -> str:
    """``12 % to 63 % below`` for advantages over several clouds, in whole per cent."""
    low, high = sorted((float(advantages.min()), float(advantages.max())))  # type: ignore[arg-type]
    if low >= 0:
        return f"{_span(low, high)} below"
    if high < 0:
        return f"{_span(-high, -low)} above"
    return f"between {-low:.0%} above and {high:.0%} below"


def _span(low: float, high: float) -> str:
    return f"{low:.0%}" if f"{low:.0%}" == f"{high:.0%}" else f"{low:.0%} to {high:.0%}"


def _known(kind: str) -> str:
    return "assumed" if kind == "assumption" else "published"


def _breaks_even(utilisation: float) -> str:
    return f"breaks even at {utilisation:.0%}" if utilisation <= 1 else "would not break even if it were always rented"


def _future(outlook: pl.DataFrame) -> str:
    """When the advantage over each reference is lost: the count and the first date, base scenario, fleet average."""
    rows = outlook.filter(
        pl.col("quantity") == "advantage", pl.col("scenario") == "base", pl.col("pricing") == "fleet_average",
        pl.col("state") != "not_comparable",
    )  # fmt: skip
    if rows.is_empty():
        return ""
    lost = rows.filter(pl.col("state") == "already_lost")
    later = rows.filter(pl.col("state") == "lost_within_horizon")
    horizon = rows["horizon"][0].year
    parts = [f"of {len(rows)} cloud references it is dearer than {len(lost)} today"]
    if len(later):
        first = later["date"].sort()[0]
        parts.append(f"loses {len(later)} more by {horizon} (the first in {first:%B %Y})")
    else:
        parts.append(f"loses no more by {horizon}")
    return " and ".join(parts) + " in the base scenario"
