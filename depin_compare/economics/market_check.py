"""Our modelled cost of a million tokens beside what hosts ask for the same model."""

from __future__ import annotations

from collections.abc import Mapping

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.errors import UnknownNameError
from depin_compare.inference.references import UnitCosts
from depin_compare.inference.workloads import Workload, workload
from depin_compare.market.offers import LAYERS
from depin_compare.market.token_prices import TokenPrices, cheapest_per_host
from depin_compare.refdata import HOST_KINDS, KINDS

__all__ = ["NOBODY_WAITS", "NO_HOST", "ModelAgainstMarket", "model_against_market"]

NO_HOST = "no host lists a price for this model"
NO_MODEL = "our model has no unit cost for this work"
NOBODY_WAITS = "a list price of answers somebody waits for; hosts that also sell batch work ask about half of it"

# Column prefix -> which unit costs: the owner's cost at a cloud, a cloud's price list, what the networks ask.
_SIDES: dict[str, pl.Expr] = {
    "modelled": (pl.col("side") == "cloud") & (pl.col("reference") == "modelled_cost"),
    "list": (pl.col("side") == "cloud") & (pl.col("reference") == "list"),
    "network": pl.col("side") == "network",
}


class ModelAgainstMarket(Schema):
    """One row an LLM x workload x host: its price per million tokens, and what the same work costs by our model.

    All ``usd_per_mtok`` are USD per million output tokens with their prompts, as in `UnitCosts`. ``modelled`` is the
    cheapest cloud's own cost, ``list`` the cheapest cloud's on-demand price list and ``network`` the cheapest
    network's market price, each turned into tokens by the throughput model. A ratio is the host's price over ours:
    below 1 the host asks less than our model says the work costs. ``breakeven_load_fraction`` is the modelled cost
    over the host's price: the share of the modelled output the owner of the modelled machine has to sell at that price
    to earn its cost (above 1: not even all of it would). ``caveat`` says where list price and work are not the same
    service.
    """

    llm = dy.String(nullable=False)
    workload = dy.String(nullable=False)
    input_tokens_per_output = dy.Float64(nullable=False, min=0)
    provider = dy.String(nullable=True)
    host_kind = dy.Enum(HOST_KINDS, nullable=True)
    model_id = dy.String(nullable=True)
    usd_per_mtok_input = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_output = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_asked = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_modelled = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_modelled_low = dy.Float64(nullable=True, min_exclusive=0)
    usd_per_mtok_modelled_high = dy.Float64(nullable=True, min_exclusive=0)
    modelled_seller = dy.String(nullable=True)
    modelled_accelerator = dy.String(nullable=True)
    modelled_throughput_basis = dy.String(nullable=True)
    usd_per_mtok_list = dy.Float64(nullable=True, min_exclusive=0)
    list_seller = dy.String(nullable=True)
    list_accelerator = dy.String(nullable=True)
    usd_per_mtok_network = dy.Float64(nullable=True, min_exclusive=0)
    network_seller = dy.String(nullable=True)
    network_accelerator = dy.String(nullable=True)
    asked_over_modelled = dy.Float64(nullable=True, min_exclusive=0)
    asked_over_list = dy.Float64(nullable=True, min_exclusive=0)
    asked_over_network = dy.Float64(nullable=True, min_exclusive=0)
    breakeven_load_fraction = dy.Float64(nullable=True, min_exclusive=0)
    caveat = dy.String(nullable=True)
    observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)
    layer = dy.Enum(LAYERS, nullable=True)
    kind = dy.Enum(KINDS, nullable=True)
    source = dy.String(nullable=True)
    source_url = dy.String(nullable=True)
    not_comparable = dy.String(nullable=True)

    @dy.rule()
    def compared_or_explained(cls) -> pl.Expr:
        """A row that compares nothing says why."""
        return pl.col("not_comparable").is_not_null() | pl.col("usd_per_mtok_asked").is_not_null()


def model_against_market(
    unit_costs: dy.DataFrame[UnitCosts],
    token_prices: dy.DataFrame[TokenPrices],
    *,
    workloads: Mapping[str, Workload] | None = None,
) -> dy.DataFrame[ModelAgainstMarket]:
    r"""Our unit costs beside what the market asks for the same model's tokens.

    Parameters
    ----------
    unit_costs : DataFrame[UnitCosts]
        From `inference.references.unit_costs`.
    token_prices : DataFrame[TokenPrices]
        Any mix of sources, layers and days. Of each host the newest price of its best source counts, and of its
        variants the cheapest at the workload's mix of prompts and answers.
    workloads : mapping of str to Workload, optional
        Workloads of ``unit_costs`` that are no presets, by name.

    Returns
    -------
    DataFrame[ModelAgainstMarket]
        Every LLM and workload of ``unit_costs``, one row a host, the cheapest first; one row without a host,
        and the reason, where nobody lists the model.

    Raises
    ------
    UnknownNameError
        If a workload of ``unit_costs`` is neither a preset nor given.

    Notes
    -----
    .. math:: a = a_{out} + \frac{n_{in}}{n_{out}} a_{in}

    puts a host's two prices on the footing of `UnitCosts`: USD per million output tokens, prompts included. Prompts
    are priced uncached, and a host may answer slower or in fewer bits than the workload asks: a ratio below 1 is
    a question to the model and to the host, not a proof against either.

    Hosts usually ask several times the modelled cost, and no unit hides in that: both sides are USD per million output
    tokens with the same prompts. What stands between them is

    - load: the modelled machine answers as many requests at once as its memory and the workload's speed allow, in
      every hour it sells; a host buys for its peak, and traffic that fills a fifth of that makes a fivefold cost. A
      small model shows it most, since its machine needs the most traffic;
    - the floor: ``modelled`` is the cheapest chip of any cloud at its owner's cost, and its throughput may be
      projected (``modelled_throughput_basis``); hosts run older chips, and rent many of them;
    - service: a host's list price buys answers at once, often faster than the workload asks. Work nobody waits for is
      sold at about half of it [1]_ [2]_; those prices are not collected, so such rows have a ``caveat``;
    - margin, staff, free tiers, and what the fastest hosts ask for their speed.

    References
    ----------
    .. [1] OpenRouter, "Batch API: half-price inference by bundling requests",
       https://openrouter.ai/blog/announcements/batch-api; accessed 2026-11-22.
    .. [2] Together AI, "Batch", up to 50% below the serverless price,
       https://docs.together.ai/docs/inference/batch/overview; accessed 2026-11-22.
    """
    pairs = unit_costs.select("llm", "workload").unique().sort("llm", "workload")
    costs = pairs
    for prefix, wanted in _SIDES.items():
        costs = costs.join(_cheapest(unit_costs.filter(wanted), prefix), on=["llm", "workload"], how="left")
    frames = []
    for name in pairs["workload"].unique().sort():
        work = _workload(name, workloads)
        ratio = work.input_tokens_per_output
        waits = work.min_tokens_per_second_per_user is not None
        asked = cheapest_per_host(token_prices, input_tokens_per_output=ratio).select(
            "llm",
            "provider",
            pl.col("host_kind", "layer", "kind").cast(pl.String),
            "model_id",
            "usd_per_mtok_input",
            "usd_per_mtok_output",
            pl.col("usd_per_mtok").alias("usd_per_mtok_asked"),
            "observed_at",
            "source",
            "source_url",
        )
        frames.append(
            costs.filter(pl.col("workload") == name)
            .join(asked, on="llm", how="left")
            .with_columns(
                pl.lit(ratio).alias("input_tokens_per_output"),
                pl.when(pl.col("usd_per_mtok_asked").is_not_null())
                .then(pl.lit(None if waits else NOBODY_WAITS, dtype=pl.String))
                .alias("caveat"),
            )
        )
    empty = pl.DataFrame(schema=ModelAgainstMarket.create_empty().schema).cast({pl.Enum: pl.String})
    unmodelled = pl.all_horizontal(pl.col(f"usd_per_mtok_{prefix}").is_null() for prefix in _SIDES)
    frame = (
        pl.concat([empty, *frames], how="diagonal_relaxed")
        .with_columns(
            *(
                (pl.col("usd_per_mtok_asked") / pl.col(f"usd_per_mtok_{prefix}")).alias(f"asked_over_{prefix}")
                for prefix in _SIDES
            ),
            (pl.col("usd_per_mtok_modelled") / pl.col("usd_per_mtok_asked")).alias("breakeven_load_fraction"),
            pl.when(pl.col("usd_per_mtok_asked").is_null())
            .then(pl.lit(NO_HOST))
            .when(unmodelled)
            .then(pl.lit(NO_MODEL))
            .alias("not_comparable"),
        )
        .sort("llm", "workload", "usd_per_mtok_asked", "provider", nulls_last=True)
    )
    return ModelAgainstMarket.validate(frame.select(ModelAgainstMarket.column_names()), cast=True)


def _cheapest(unit_costs: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """The cheapest unit cost of each LLM and workload, under column names of ``prefix``."""
    bands = ["_low", "_high"] if prefix == "modelled" else []
    return (
        unit_costs.filter(pl.col("usd_per_mtok").is_not_null(), pl.col("silicon") != "maia-200")
        .sort("usd_per_mtok", "seller", "accelerator")
        .unique(["llm", "workload"], keep="first", maintain_order=True)
        .select(
            "llm",
            "workload",
            pl.col("usd_per_mtok").alias(f"usd_per_mtok_{prefix}"),
            *(pl.col(f"usd_per_mtok{band}").alias(f"usd_per_mtok_{prefix}{band}") for band in bands),
            pl.col("seller").alias(f"{prefix}_seller"),
            pl.col("accelerator").alias(f"{prefix}_accelerator"),
            *([pl.col("throughput_basis").alias("modelled_throughput_basis")] if prefix == "modelled" else []),
        )
    )


def _workload(name: str, given: Mapping[str, Workload] | None) -> Workload:
    if given is not None and name in given:
        return given[name]
    try:
        return workload(name)
    except UnknownNameError as error:
        raise UnknownNameError("workload", name, [*(given or {})]) from error
