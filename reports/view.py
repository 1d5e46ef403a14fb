"""Which rows of an Analysis stand for a network in tables and charts: the only place that knows their columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import polars as pl

from depin_compare.analysis import NO_SOURCE_OF_ITS_OWN

__all__ = [
    "HEADLINE_REFERENCES",
    "LADDER_CHIPS",
    "REFERENCE_ORDER",
    "SEED_NETWORKS",
    "Row",
    "ages_in_days",
    "claimed_pairs",
    "cost_sources",
    "extremes",
    "future_pair",
    "hardest_pairs",
    "headline_comparison",
    "headline_drivers",
    "headline_margins",
    "headline_outlook",
    "headline_pairs",
    "headline_paths",
    "is_claim",
    "ladder_chips",
    "main_pair",
    "margins_in_order",
    "market_check_order",
    "market_check_shown",
    "network_order",
    "not_fetched",
    "not_live",
    "of_pair",
    "ordered_headlines",
    "ordered_pairs",
    "ordered_scenarios",
    "plain",
    "pooled_tiers",
    "prices_in_use",
    "ranked",
    "reference_origins",
    "rows",
    "same_chip_comparison",
    "scenario_titles",
    "skipped_summary",
    "sources_and_sellers",
    "spreads_shown",
    "states_by_kind",
    "take_shares",
    "token_rows",
]

Row: TypeAlias = dict[str, Any]
Pair: TypeAlias = tuple[str, str]

REFERENCE_ORDER = ("list", "committed", "modelled_cost", "cost_plus_margin")
HEADLINE_REFERENCES: tuple[Pair, ...] = (
    ("azure", "nvidia"),
    ("azure", "maia-200"),
    ("aws", "nvidia"),
    ("google", "nvidia"),
)
_PAIR_ORDER: tuple[Pair, ...] = (*HEADLINE_REFERENCES, ("aws", "trainium"), ("google", "tpu"))
SEED_NETWORKS = ("akash", "ionet", "render")
_SCENARIO_ORDER = (
    "base",
    "maia200",
    "silicon_price_war",
    "supply_crunch",
    "fractile",
    "depin_gains",
    "token_crash",
    "cloud_mix",
)
# Chips whose prices of an hour the report shows, where so many are on offer.
LADDER_CHIPS = 28
# They host nothing: the price they tell of a model is that of a host they don't name.
_ROUTERS = ("openrouter",)
_WORK = ("network", "accelerator", "llm", "workload")


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame without enums, so that columns of different tables compare as text."""
    return frame.with_columns(pl.col(pl.Enum, pl.Categorical).cast(pl.String)) if frame.width else frame


def rows(frame: pl.DataFrame) -> list[Row]:
    """All rows as dictionaries (for frames of a page's length)."""
    return frame.to_dicts()


def ranked(values: Iterable[Any], order: Sequence[Any]) -> list[Any]:
    """Distinct values, those in ``order`` first and in that order, then the rest by name."""
    seen = set(values)
    return [v for v in order if v in seen] + sorted(seen.difference(order))


def ordered_pairs(frame: pl.DataFrame) -> list[Pair]:
    """Every cloud x silicon of a frame, Azure with NVIDIA first."""
    return ranked(frame.select("cloud", "silicon").unique().rows(), _PAIR_ORDER)


def ordered_scenarios(frame: pl.DataFrame) -> list[str]:
    """Every scenario of a frame, base first."""
    return ranked(frame["scenario"].to_list(), _SCENARIO_ORDER)


def is_claim(kind: object) -> bool:
    """Whether a number rests on what a vendor says of itself."""
    return kind == "vendor_claim"


def network_order(networks: Iterable[str]) -> list[str]:
    """Networks in the order of every page: Akash, io.net and Render, then the others as they came."""
    came = list(dict.fromkeys(networks))
    return [n for n in SEED_NETWORKS if n in came] + [n for n in came if n not in SEED_NETWORKS]


def ordered_headlines(headlines: pl.DataFrame) -> pl.DataFrame:
    """Headlines in the order of every page."""
    ranks = {n: i for i, n in enumerate(network_order(headlines["network"].to_list()))}
    return plain(headlines).sort(pl.col("network").replace_strict(ranks, return_dtype=pl.Int64)) if ranks else headlines


def _of_headlines(headlines: pl.DataFrame, frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Rows of ``frame`` that concern each network's headline work, network by network in order."""
    heads = ordered_headlines(headlines).select(*keys).with_row_index("_rank")
    # Narrowed before the enums are cast: the paths of many networks are millions of rows.
    part = plain(frame.filter(pl.col("network").is_in(heads["network"].to_list())))
    return part.join(heads, on=list(keys), how="inner").sort("_rank", maintain_order=True).drop("_rank")


def headline_comparison(headlines: pl.DataFrame, comparison: pl.DataFrame) -> pl.DataFrame:
    """Comparison rows of each network's headline work, one row a cloud x silicon x reference.

    The match is the cloud's cheapest chip for the work, which erosion and headroom start from too; the very same
    chip stands in where a cloud has no such row.
    """
    found = _of_headlines(headlines, comparison, _WORK)
    key = ["network", "cloud", "silicon", "reference"]
    cheapest = found.filter(pl.col("match") == "cheapest").unique(key, keep="first", maintain_order=True)
    instead = found.filter(pl.col("match") == "same_chip").join(cheapest, on=key[:3], how="anti")
    chosen = pl.concat([cheapest, instead.unique(key, keep="first", maintain_order=True)])
    ranks = {n: i for i, n in enumerate(found["network"].unique(maintain_order=True))}
    return (
        chosen.sort(pl.col("network").replace_strict(ranks, return_dtype=pl.Int64), maintain_order=True)
        if ranks
        else chosen
    )


def same_chip_comparison(headlines: pl.DataFrame, comparison: pl.DataFrame) -> pl.DataFrame:
    """Every reference on the very same chip, of those clouds whose cheapest for the work is another one anywhere."""
    found = _of_headlines(headlines, comparison, _WORK).filter(
        pl.col("match") == "same_chip", pl.col("usd_per_mtok_reference").is_not_null()
    )
    shown = headline_comparison(headlines, comparison)
    pair = ["network", "cloud", "silicon"]
    other = found.join(shown, on=[*pair, "reference", "reference_accelerator"], how="anti")
    return found.join(other.select(pair).unique(), on=pair, how="semi", maintain_order="left")


def headline_margins(headlines: pl.DataFrame, margins: pl.DataFrame) -> pl.DataFrame:
    """The margin row of each network's headline chip and kind of provider."""
    return _of_headlines(headlines, margins, ("network", "accelerator", "archetype"))


def headline_outlook(headlines: pl.DataFrame, outlook: pl.DataFrame) -> pl.DataFrame:
    """Outlook rows of each network's headline work."""
    return _of_headlines(headlines, outlook, _WORK)


def headline_drivers(outlook: pl.DataFrame, drivers: pl.DataFrame, pair: Pair | None = None) -> list[Row]:
    """What moves each network's outlook most, base scenario: buyer, then supplier.

    The buyer's rows are against the cloud and silicon of ``pair``, else against those of the first page. One row a
    network x quantity x cloud with ``first`` and ``second``, the two leading rows of the tornado.
    """
    shown = outlook.filter(
        (pl.col("scenario") == "base") & (pl.col("pricing") == "fleet_average") & (pl.col("state") != "not_comparable")
    )
    buyer = (pl.col("quantity") == "advantage") & pl.col("reference").is_in(["list", "modelled_cost"])
    supplier = pl.col("quantity") == "full_margin_new_node"
    # Of these networks alone: the pages of many ask for their few rows of the whole tornado one after the other.
    asked = shown["network"].unique(maintain_order=True).to_list()
    told = rows(
        plain(
            drivers.filter(
                (pl.col("rank") <= 2) & (pl.col("scenario") == "base") & (pl.col("pricing") == "fleet_average"),
                pl.col("network").is_in(asked),
            )
        )
    )
    key = ("network", "cloud", "silicon", "reference", "scenario", "pricing", "quantity")
    leading = {(*(r[k] for k in key), r["rank"]): r for r in told}
    found: list[Row] = []
    for network in asked if drivers.height else []:
        mine = shown.filter(pl.col("network") == network)
        wanted = HEADLINE_REFERENCES[:2] if pair is None else (pair,)
        pairs = [p for p in wanted if p in set(ordered_pairs(mine.filter(buyer)))]
        picked = [r for p in pairs for r in rows(of_pair(mine.filter(buyer), p))]
        picked += rows(mine.filter(supplier).head(1))
        for r in picked:
            blank = {"cloud": None, "silicon": None, "reference": None} if r["quantity"] != "advantage" else {}
            where = tuple((r | blank)[k] for k in key)
            found.append(r | {name: leading.get((*where, rank)) for name, rank in (("first", 1), ("second", 2))})
    return found


def token_rows(tokens: pl.DataFrame, headlines: pl.DataFrame) -> dict[tuple[str, str], list[Row]]:
    """(network, measure) -> rows of the token table on each network's own chip; by cloud, those of the first pair."""
    heads = {r["network"]: r for r in rows(plain(headlines))}
    found: dict[tuple[str, str], list[Row]] = {}
    for r in rows(plain(tokens)):
        head = heads.get(r["network"])
        if head is None:
            continue
        chip = head["accelerator"] or ""
        subjects = {None, chip, f"{chip}/{head['archetype']}", chip.split("-")[0], "azure/nvidia/modelled_cost"}
        if r["measure"] == "network_take" or r["subject"] in subjects:
            found.setdefault((r["network"], r["measure"]), []).append(r)
    return found


def not_live(headlines: pl.DataFrame, unit_costs: pl.DataFrame, as_of: datetime) -> dict[str, tuple[str, float]]:
    """Networks whose headline price is not live or too old -> ("stored", "reference" or "stale", its age in days)."""
    mine = plain(unit_costs.filter(pl.col("side") == "network")).rename({"seller": "network"})
    prices = mine.join(plain(headlines).select(_WORK), on=_WORK).filter(pl.col("observed_at").is_not_null())
    found = {}
    for network, layer, at, fresh in prices.select("network", "layer", "observed_at", "freshness").iter_rows():
        if layer != "live" or fresh in ("stale", "expired"):
            (days,) = ages_in_days(as_of, [at])
            found[network] = (layer if layer in ("stored", "reference") else "stale", days)
    return found


def headline_paths(headlines: pl.DataFrame, paths: pl.DataFrame) -> pl.DataFrame:
    """Monthly paths, network by network in order; a run has them for the headline work only."""
    return _of_headlines(headlines, paths, ("network",))


def main_pair(frame: pl.DataFrame) -> Pair | None:
    """The cloud x silicon that stands for the clouds where only one can be drawn: the strictest.

    That is the one whose list price leaves networks the least advantage today; a claim of something nobody can
    rent, which has no list price, never stands for the clouds. Without list prices, the first in order.
    """
    if frame.is_empty():
        return None
    listed = frame.filter(pl.col("reference") == "list", pl.col("advantage").is_not_null(), pl.col("month") == 0)
    strictest = (
        listed.group_by("cloud", "silicon").agg(pl.col("advantage").mean()).sort("advantage", "cloud", "silicon")
    )
    return strictest.select("cloud", "silicon").row(0) if strictest.height else ordered_pairs(frame)[0]


def future_pair(frame: pl.DataFrame) -> Pair | None:
    """The cloud x silicon that stands for the clouds in outlooks: of the first page's GPU clouds, the strictest.

    Their GPUs are what the scenarios' new silicon replaces: work on a cloud's own chips is priced on new silicon
    already, and clouds outside the scenarios keep their cost. Without any of them, whatever there is.
    """
    gpus = frame.filter(
        pl.struct("cloud", "silicon").is_in(
            [{"cloud": cloud, "silicon": silicon} for cloud, silicon in HEADLINE_REFERENCES if silicon == "nvidia"]
        )
    )
    return main_pair(gpus if gpus.height else frame)


def ages_in_days(as_of: datetime, observed: Iterable[datetime | None]) -> list[float]:
    """Ages in whole days of the dates that are known: a run stands for its day, as in `market.freshness`."""
    return [float(max(0, (as_of.date() - at.date()).days)) for at in observed if at is not None]


def not_fetched(source_states: pl.DataFrame) -> str:
    """What a run rests on that got no live answer: ``"reference"``, ``"stored"`` or ``"stored and reference"``.

    Empty where some source answered, or none was asked for.
    """
    layers = set(source_states["layer"].cast(pl.String).drop_nulls())
    return "" if "live" in layers else " and ".join(layer for layer in ("stored", "reference") if layer in layers)


def sources_and_sellers(source_states: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The sources a run asks or stands in for, and the sellers without one, which another source tells of."""
    states = plain(source_states)
    told_of = pl.col("detail").str.starts_with(NO_SOURCE_OF_ITS_OWN).fill_null(False)
    return states.filter(~told_of), states.filter(told_of)


def headline_pairs(compared: pl.DataFrame) -> list[Pair]:
    """The clouds of the first page: Azure with NVIDIA and with Maia 200, AWS, Google; else the first four."""
    pairs = ordered_pairs(compared) if compared.height else []
    return [p for p in pairs if p in HEADLINE_REFERENCES] or pairs[:4]


def hardest_pairs(compared: pl.DataFrame) -> dict[str, Pair]:
    """Reference -> the cloud x silicon against which buyers save least; over several networks, in the mean."""
    known = plain(compared).filter(pl.col("advantage").is_not_null())
    ranked_ = known.group_by("reference", "cloud", "silicon").agg(pl.col("advantage").mean())
    least = ranked_.sort("advantage", "cloud", "silicon").unique("reference", keep="first", maintain_order=True)
    return {reference: (cloud, silicon) for reference, cloud, silicon, _ in least.iter_rows()}


def claimed_pairs(compared: pl.DataFrame) -> set[Pair]:
    """Cloud x silicon of which some reference is a vendor's claim."""
    if compared.is_empty():
        return set()
    return set(compared.filter(pl.col("reference_kind") == "vendor_claim").select("cloud", "silicon").rows())


def ladder_chips(market_prices: pl.DataFrame, most: int, *, first: Iterable[str] = ()) -> list[str]:
    """Chips some network prices on demand, cheapest first; with too many, those clouds sell and most networks offer.

    ``first`` are chips that come before all others, one of more than one mention before one of fewer.
    """
    mentions = Counter(first)
    prices = plain(market_prices).filter(pl.col("terms") == "on_demand")
    sold_by_cloud = prices.filter(pl.col("segment") == "hyperscaler")["accelerator"].unique()
    return (
        prices.filter(pl.col("segment") != "hyperscaler")
        .group_by("accelerator")
        .agg(pl.col("usd_per_accelerator_hour").median(), n=pl.len(), depth=pl.col("n_offers").sum())
        .with_columns(
            first=pl.col("accelerator").replace_strict(dict(mentions), default=0, return_dtype=pl.Int64),
            shared=pl.col("accelerator").is_in(sold_by_cloud.to_list()),
        )
        .sort(["first", "shared", "n", "depth", "accelerator"], descending=[True, True, True, True, False])
        .head(most)
        .sort(["usd_per_accelerator_hour", "accelerator"])["accelerator"]
        .to_list()
    )


def prices_in_use(
    market_prices: pl.DataFrame, compared: pl.DataFrame, margins: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Market prices a table or chart of the report rests on: networks first, then the clouds' same chips.

    With ``margins`` those of chips that only a supplier's margin is told of, too.
    """
    prices = plain(market_prices)
    if prices.is_empty():
        return prices
    chips = set(ladder_chips(prices, LADDER_CHIPS))
    if compared.height:
        chips |= set(compared["accelerator"]) | set(compared["reference_accelerator"].drop_nulls())
    order = network_order(prices["network"].unique().sort())
    ranks = {n: i for i, n in enumerate(order)}
    told = pl.struct("network", "accelerator")
    used = pl.col("accelerator").is_in(sorted(chips))
    if margins is not None:
        known = margins.filter(pl.col("full_margin").is_not_null() | pl.col("full_margin_with_rewards").is_not_null())
        used |= told.is_in(known.select(told).to_series().unique().implode()) & (pl.col("terms") == "on_demand")
    return (
        prices.filter(used)
        .with_columns(
            _rank=pl.col("network").replace_strict(ranks, return_dtype=pl.Int64)
            + pl.when(pl.col("segment") == "hyperscaler").then(len(order)).otherwise(0)
        )
        .sort("_rank", "network", "accelerator", "terms")
        .drop("_rank")
    )


def pooled_tiers(market_statistics: pl.DataFrame) -> dict[tuple[str, str, str], list[str]]:
    """(network, accelerator, terms) -> the tiers whose offers a market price pools, by name."""
    paid = plain(market_statistics).filter(pl.col("tier").is_not_null(), pl.col("price_kind") != "reward")
    key = ["network", "accelerator", "terms"]
    return {(n, c, t): tiers for n, c, t, tiers in paid.group_by(key).agg(pl.col("tier").unique().sort()).iter_rows()}


def market_check_shown(headlines: pl.DataFrame, market_check: pl.DataFrame) -> pl.DataFrame:
    """Hosts' prices for the workload of most headlines (else the first by name), model by model, cheapest first."""
    hosted = pl.col("usd_per_mtok_asked").is_not_null() & ~pl.col("provider").is_in(_ROUTERS)
    frame = plain(market_check).filter(hosted)
    if frame.is_empty():
        return frame
    present = frame["workload"].unique().sort().to_list()
    wanted = plain(headlines)["workload"].drop_nulls().to_list()
    load = min(present, key=lambda w: (-wanted.count(w), w))
    return frame.filter(pl.col("workload") == load).sort("llm", "usd_per_mtok_asked", "provider")


def market_check_order(headlines: pl.DataFrame, shown: pl.DataFrame) -> list[str]:
    """The models of `market_check_shown`: that of most headlines first, then those hosts ask most for."""
    middles = dict(shown.group_by("llm").agg(pl.col("usd_per_mtok_asked").median()).iter_rows())
    wanted = [m for m in plain(headlines)["llm"].drop_nulls().to_list() if m in middles]
    first = min(set(wanted), key=lambda m: (-wanted.count(m), m), default=None)
    return sorted(middles, key=lambda m: (m != first, -middles[m], m))


def spreads_shown(market_statistics: pl.DataFrame, most: int) -> pl.DataFrame:
    """The deepest markets of more than one price: networks in the order of every page, then the clouds."""
    low, high = pl.col("usd_per_accelerator_hour_low"), pl.col("usd_per_accelerator_hour_high")
    frame = plain(market_statistics).filter(pl.col("n_offers") > 1, low < high)
    order = network_order(frame["network"].unique().sort())
    ranks = {n: i for i, n in enumerate(order)}
    cloud = pl.col("segment") == "hyperscaler"
    rank = pl.col("network").replace_strict(ranks, return_dtype=pl.Int64) + pl.when(cloud).then(len(order)).otherwise(0)
    key = ("network", "accelerator", "terms", "tier", "price_kind")
    return (
        frame.sort(cloud, "n_offers", *key, descending=[False, True, *[False] * len(key)])
        .head(most)
        .with_columns(_rank=rank)
        .sort("_rank", *key)
        .drop("_rank")
        if ranks
        else frame
    )


def reference_origins(unit_costs: pl.DataFrame) -> dict[tuple[str, ...], tuple[str | None, str | None]]:
    """(cloud, silicon, chip, model, workload, reference) -> (source, address) of the clouds' prices."""
    clouds = plain(unit_costs).filter(pl.col("side") == "cloud")
    keys = ("seller", "silicon", "accelerator", "llm", "workload", "reference")
    return {tuple(r[k] for k in keys): (r["source"], r["source_url"]) for r in clouds.iter_rows(named=True)}


def cost_sources(unit_costs: pl.DataFrame) -> dict[tuple[str, str], str]:
    """(cloud, silicon) -> the source most of its modelled costs rest on."""
    known = plain(unit_costs).filter(
        pl.col("reference") == "modelled_cost", pl.col("usd_per_mtok").is_not_null(), pl.col("source").is_not_null()
    )
    most = known.group_by("seller", "silicon").agg(pl.col("source").mode().sort().first()).sort("seller", "silicon")
    return {(cloud, silicon): source for cloud, silicon, source in most.iter_rows()}


def margins_in_order(headlines: pl.DataFrame, margins: pl.DataFrame, market_prices: pl.DataFrame) -> pl.DataFrame:
    """All margin rows: networks in the headlines' order, each one's headline chip first, then those most on offer."""
    frame = plain(margins)
    if frame.is_empty():
        return frame
    heads = ordered_headlines(headlines).select("network", _chip="accelerator").with_row_index("_rank")
    offered = (
        plain(market_prices)
        .group_by("network", "accelerator")
        .agg(_machines=pl.col("n_accelerators").sum(), _offers=pl.col("n_offers").sum())
    )
    return (
        frame.join(heads, on="network", how="left")
        .join(offered, on=["network", "accelerator"], how="left")
        .with_columns(_first=(pl.col("accelerator") == pl.col("_chip")).fill_null(False))
        .sort(
            ["_rank", "network", "_first", "_machines", "_offers", "accelerator", "archetype"],
            descending=[False, False, True, True, True, False, False],
            nulls_last=True,
        )
        .select(frame.columns)
    )


def take_shares(margins: pl.DataFrame) -> dict[str, float]:
    """Network -> what it keeps of the tenant's bill, as a fraction: the same for all of its chips."""
    told = margins.select("network", "network_take_share").drop_nulls()
    return dict(told.unique("network", keep="first", maintain_order=True).iter_rows())


def states_by_kind(states: pl.DataFrame, market_prices: pl.DataFrame | None) -> pl.DataFrame:
    """States in which what stands in for a source that answered, and gives no prices, is judged as those prices are.

    No answer makes such a price newer: its ages are those of its own kind. Where it is none of the report's prices,
    its kind is not told, and nothing is expected of it but to be within its limit. Column ``by_kind`` says which.
    """
    states = plain(states).with_columns(by_kind=pl.lit(False))
    if market_prices is None:
        return states
    judged = ["expected_age_days", "limit_age_days", "freshness"]
    rank = pl.col("freshness").replace_strict({"expired": 2, "stale": 1}, default=0, return_dtype=pl.Int8)
    packaged = (
        plain(market_prices)
        .filter(pl.col("layer") == "reference", pl.col("freshness").is_not_null())
        .sort(rank, descending=True, maintain_order=True)
        .select(pl.col("network").alias("source"), pl.col("observed_at").alias("newest_observed_at"), *judged)
        .unique(["source", "newest_observed_at"], keep="first", maintain_order=True)
    )
    mine = pl.col("state").is_in(["ok", "partial"]) & (pl.col("layer") == "reference").fill_null(False)
    joined = states.join(packaged, on=["source", "newest_observed_at"], how="left", suffix="_kind")
    found = mine & pl.col("freshness_kind").is_not_null()
    untold = mine & ~found
    return (
        joined.with_columns(
            by_kind=found, **{name: pl.when(found).then(f"{name}_kind").otherwise(name) for name in judged}
        )
        .with_columns(
            expected_age_days=pl.when(~untold).then("expected_age_days"),
            freshness=pl.when(~untold | (pl.col("freshness") == "expired")).then("freshness"),
        )
        .select(states.columns)
    )


def skipped_summary(skipped: pl.DataFrame) -> list[Row]:
    """Rows left out by source and kind, unreadable first, with the commonest reason and how many there are."""
    rank = {"unreadable": 0, "duplicate": 1, "out_of_scope": 2}
    counted = plain(skipped).group_by("source", "kind", "reason").agg(n=pl.len())
    return (
        counted.sort("n", "reason", descending=[True, False])
        .group_by("source", "kind", maintain_order=True)
        .agg(pl.col("reason").first(), pl.col("n").sum(), reasons=pl.len())
        .with_columns(_rank=pl.col("kind").replace_strict(rank, default=9, return_dtype=pl.Int8))
        .sort(["_rank", "n", "source"], descending=[False, True, False])
        .drop("_rank")
        .to_dicts()
    )


def extremes(values: pl.Series) -> tuple[float, float]:
    """Lowest and highest of numbers of which there is one at least: polars types an extreme as any literal."""
    return float(values.min()), float(values.max())  # type: ignore[arg-type]  # see above


def of_pair(frame: pl.DataFrame, pair: Pair) -> pl.DataFrame:
    """The rows of one cloud x silicon."""
    return frame.filter((pl.col("cloud") == pair[0]) & (pl.col("silicon") == pair[1]))


def scenario_titles(scenarios: pl.DataFrame) -> dict[str, str]:
    """Scenario -> title."""
    if "title" not in scenarios.columns:
        return {}
    return {s: t for s, t in scenarios.select("scenario", "title").unique(maintain_order=True).iter_rows() if t}
