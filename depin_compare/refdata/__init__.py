"""Facts that ship with the package: one table a CSV, every row with its source, date and kind.

``sources.toml`` holds publisher, title, address and dates of every source; each row of each table names one
by ``source_id``. A row whose source is not there is refused (`ReferenceDataError`), and so is a source that
no row uses: there are no orphans on either side.

| kind | meaning |
|---|---|
| `measured` | somebody measured it and published how |
| `protocol` | written in code or governance of the network |
| `published` | the owner's own price list, datasheet or filing |
| `third_party` | someone else's transcription, estimate or report |
| `vendor_claim` | the maker says so; nobody has checked |
| `assumption` | ours, inside sourced ranges; the user may change it |
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.errors import ReferenceDataError

__all__ = [
    "ACCELERATOR_FAMILIES",
    "HOST_KINDS",
    "KINDS",
    "AcceleratorNames",
    "AcceleratorTco",
    "Accelerators",
    "Assumptions",
    "HardwarePrices",
    "Instances",
    "LlmNames",
    "Llms",
    "MachineShapes",
    "NetworkFactRows",
    "Networks",
    "ReferencePrices",
    "ReferenceTokenPrices",
    "Sourced",
    "Sources",
    "TokenHosts",
    "UnpricedNetworks",
    "accelerator_names",
    "accelerator_tco",
    "accelerators",
    "assumptions",
    "hardware_prices",
    "instances",
    "llm_names",
    "llms",
    "load_toml",
    "machine_shapes",
    "network_facts",
    "networks",
    "reference_prices",
    "reference_token_prices",
    "sourced_table",
    "sources",
    "token_hosts",
    "unpriced_networks",
]

KINDS = ("measured", "protocol", "published", "third_party", "vendor_claim", "assumption")
# cloud: a hyperscaler's model service; network: a decentralised network or marketplace of other people's GPUs;
# lab: the maker of the model; other: everyone else who hosts models.
HOST_KINDS = ("cloud", "network", "lab", "other")
ACCELERATOR_FAMILIES = ("consumer", "workstation", "datacenter", "custom")


class Sourced(Schema):
    """Columns every table carries: where the row comes from, how it is known, and for which day."""

    source_id = dy.String(nullable=False, min_length=1)
    kind = dy.Enum(KINDS, nullable=False)
    as_of = dy.Date(nullable=False)
    note = dy.String(nullable=True)


class Sources(Schema):
    """Publisher, title and address of each source."""

    source_id = dy.String(primary_key=True, min_length=1)
    publisher = dy.String(nullable=False, min_length=1)
    title = dy.String(nullable=False, min_length=1)
    url = dy.String(nullable=True)
    published = dy.String(nullable=True)
    accessed = dy.Date(nullable=False)
    licence = dy.String(nullable=True)


class Accelerators(Sourced):
    """Chips. Peaks are dense (never sparse), GeForce at FP32 accumulation; links are per direction."""

    accelerator = dy.String(primary_key=True, min_length=1)
    display_name = dy.String(nullable=False)
    vendor = dy.String(nullable=False)
    family = dy.Enum(ACCELERATOR_FAMILIES, nullable=False)
    release_year = dy.Int64(nullable=True, min=2014, max=2030)
    memory_gib = dy.Float64(nullable=True, min_exclusive=0, max=2000)
    bandwidth_gb_per_s = dy.Float64(nullable=True, min_exclusive=0, max=50_000)
    dense_fp16_tflops = dy.Float64(nullable=True, min_exclusive=0, max=10_000)
    dense_fp8_tflops = dy.Float64(nullable=True, min_exclusive=0, max=20_000)
    dense_int8_tops = dy.Float64(nullable=True, min_exclusive=0, max=20_000)
    dense_fp4_tflops = dy.Float64(nullable=True, min_exclusive=0, max=40_000)
    link_gb_per_s = dy.Float64(nullable=True, min_exclusive=0)
    link_class = dy.Enum(["nvlink", "pcie", "infinity_fabric", "ethernet", "ici", "neuronlink"], nullable=True)
    power_w = dy.Float64(nullable=True, min_exclusive=0)
    second_source_id = dy.String(nullable=True)


class AcceleratorNames(Schema):
    """Names as seen in the wild -> canonical id. Matching ignores case, blanks, ``-`` and ``_``."""

    name = dy.String(primary_key=True, min_length=1)
    accelerator = dy.String(nullable=False)
    seen_in = dy.String(nullable=False)
    source_id = dy.String(nullable=False)


class Llms(Sourced):
    """Architectures of open models, from their configuration files."""

    llm = dy.String(primary_key=True, min_length=1)
    display_name = dy.String(nullable=False)
    total_params_b = dy.Float64(nullable=False, min_exclusive=0)
    active_params_b = dy.Float64(nullable=False, min_exclusive=0)
    layers = dy.Int64(nullable=False, min=1)
    hidden = dy.Int64(nullable=False, min=1)
    heads = dy.Int64(nullable=False, min=1)
    kv_heads = dy.Int64(nullable=False, min=1)
    head_dim = dy.Int64(nullable=False, min=1)
    attention = dy.Enum(["mha", "gqa", "mla", "sliding"], nullable=False)
    kv_bytes_per_token_fp16 = dy.Float64(nullable=False, min_exclusive=0)
    sliding_window = dy.Int64(nullable=True)
    full_attention_layers = dy.Int64(nullable=True)
    vocab = dy.Int64(nullable=False)
    context = dy.Int64(nullable=False)
    intermediate = dy.Int64(nullable=False)
    n_experts = dy.Int64(nullable=True)
    experts_per_token = dy.Int64(nullable=True)
    moe_intermediate = dy.Int64(nullable=True)
    n_shared_experts = dy.Int64(nullable=True)
    dense_layers = dy.Int64(nullable=True)
    native_weight_dtype = dy.Enum(["fp16", "bf16", "fp8", "mxfp4"], nullable=False)


class Instances(Sourced):
    """Instance type of a cloud -> which chip, and how many (a third of a card is 0.333)."""

    cloud = dy.String(primary_key=True)
    instance_type = dy.String(primary_key=True)
    accelerator = dy.String(nullable=False)
    accelerator_count = dy.Float64(nullable=False, min_exclusive=0)


class MachineShapes(Sourced):
    """What a cloud's machine has beside its accelerators, where its price is the sum of the parts."""

    cloud = dy.String(primary_key=True)
    instance_type = dy.String(primary_key=True)
    vcpus = dy.Float64(nullable=False, min_exclusive=0)
    memory_gib = dy.Float64(nullable=False, min_exclusive=0)
    local_ssd_gib = dy.Float64(nullable=False, min=0)


class Networks(Sourced):
    """The networks and clouds the product knows, with their segment and token."""

    network = dy.String(primary_key=True, min_length=1)
    display_name = dy.String(nullable=False)
    segment = dy.Enum(["decentralized", "marketplace", "neocloud", "hyperscaler"], nullable=False)
    token = dy.String(nullable=True)
    coingecko_id = dy.String(nullable=True)


class UnpricedNetworks(Sourced):
    """Networks that sell accelerator capacity and publish no price of it by the hour, with the reason."""

    network = dy.String(primary_key=True, min_length=1)
    display_name = dy.String(nullable=False, min_length=1)
    reason = dy.String(nullable=False, min_length=1)


class NetworkFactRows(Sourced):
    """Dated facts and rules of a network; a rule holds from ``valid_from`` to ``valid_to`` inclusive."""

    network = dy.String(nullable=False)
    metric = dy.String(nullable=False)
    subject = dy.String(nullable=True)
    value = dy.Float64(nullable=True)
    unit = dy.String(nullable=False)
    valid_from = dy.Date(nullable=True)
    valid_to = dy.Date(nullable=True)


class HardwarePrices(Sourced):
    """What it costs to own a card or a whole system, per accelerator; ``launch`` is what the maker once asked."""

    accelerator = dy.String(nullable=False)
    item = dy.Enum(["card", "system"], nullable=False)
    condition = dy.Enum(["new", "used", "launch"], nullable=False)
    usd_low = dy.Float64(nullable=False, min_exclusive=0)
    usd_high = dy.Float64(nullable=False, min_exclusive=0)


class AcceleratorTco(Sourced):
    """Published estimates of the owner's cost of an accelerator-hour, before utilisation."""

    accelerator = dy.String(primary_key=True)
    usd_per_accelerator_hour_hyperscaler = dy.Float64(nullable=False, min_exclusive=0)
    usd_per_accelerator_hour_neocloud = dy.Float64(nullable=False, min_exclusive=0)
    usd_per_accelerator_hour_rental_3y = dy.Float64(nullable=False, min_exclusive=0)
    kw_per_accelerator_all_in = dy.Float64(nullable=False, min_exclusive=0)


class Assumptions(Sourced):
    """Economic assumptions, low <= central <= high; the user's to change."""

    parameter = dy.String(primary_key=True, min_length=1)
    low = dy.Float64(nullable=False)
    central = dy.Float64(nullable=False)
    high = dy.Float64(nullable=False)
    unit = dy.String(nullable=False, min_length=1)
    meaning = dy.String(nullable=False, min_length=1)

    @dy.rule()
    def ordered(cls) -> pl.Expr:
        return (pl.col("low") <= pl.col("central")) & (pl.col("central") <= pl.col("high"))


class ReferencePrices(Sourced):
    """Dated prices that ship with the package, one row a price seen on ``as_of``."""

    offer_id = dy.String(primary_key=True, min_length=1)
    network = dy.String(nullable=False)
    accelerator = dy.String(nullable=True)
    accelerator_name = dy.String(nullable=False)
    accelerator_count = dy.Int64(nullable=False, min=1)
    usd_per_accelerator_hour = dy.Float64(nullable=True, min=0.01, max=200)
    terms = dy.String(nullable=False)
    tier = dy.String(nullable=True)
    price_kind = dy.String(nullable=False)
    region = dy.String(nullable=True)
    available = dy.Int64(nullable=True)
    total = dy.Int64(nullable=True)
    upstream = dy.String(nullable=True)
    listed_price = dy.String(nullable=False)
    listed_unit = dy.String(nullable=False)
    listed_currency = dy.String(nullable=False)
    source_url = dy.String(nullable=False)
    not_comparable = dy.String(nullable=True)


class LlmNames(Schema):
    """Names hosts give an open model -> its id. Matching ignores case, punctuation and all before the last slash."""

    name = dy.String(primary_key=True, min_length=1)
    llm = dy.String(nullable=False)
    seen_in = dy.String(nullable=False)
    source_id = dy.String(nullable=False)


class TokenHosts(Schema):
    """Who hosts models, under every name the sources give them; networks and clouds have the id of `Networks`."""

    name = dy.String(primary_key=True, min_length=1)
    host = dy.String(nullable=False)
    display_name = dy.String(nullable=False)
    host_kind = dy.Enum(HOST_KINDS, nullable=False)
    seen_in = dy.String(nullable=False)
    source_id = dy.String(nullable=False)


class ReferenceTokenPrices(Sourced):
    """Dated prices per million tokens that ship with the package; ``llm`` is empty for closed models."""

    price_id = dy.String(primary_key=True, min_length=1)
    provider = dy.String(nullable=False)
    model_id = dy.String(nullable=False)
    llm = dy.String(nullable=True)
    usd_per_mtok_input = dy.Float64(nullable=False, min_exclusive=0, max=1000)
    usd_per_mtok_output = dy.Float64(nullable=False, min_exclusive=0, max=1000)
    usd_per_mtok_cached_input = dy.Float64(nullable=True, min_exclusive=0, max=1000)


_Schema = TypeVar("_Schema", bound=dy.Schema)
_FOLDER = resources.files("depin_compare.refdata")


def load_toml(name: str) -> dict[str, Any]:
    """Read one packaged TOML file, e.g. ``load_toml("scenarios")``."""
    with (_FOLDER / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


def _load_csv(name: str, schema: type[_Schema]) -> dy.DataFrame[_Schema]:
    """Read and check one packaged table; a bad table names itself, the rule and the number of rows."""
    columns = schema.columns()
    with (_FOLDER / f"{name}.csv").open("rb") as file:
        frame = pl.read_csv(file, schema_overrides=dict.fromkeys(columns, pl.String), null_values=[""])
    dates = [name for name, column in columns.items() if isinstance(column, dy.Date) and name in frame.columns]
    try:
        return schema.validate(frame.with_columns(pl.col(dates).str.to_date()), cast=True)
    except (dy.exc.ValidationError, dy.exc.SchemaError, pl.exceptions.PolarsError) as error:
        raise ReferenceDataError(f"refdata/{name}.csv: {error}") from error


@cache
def sources() -> dy.DataFrame[Sources]:
    """Every source, one row each."""
    rows = [{"source_id": key, **row} for key, row in load_toml("sources").items()]
    try:
        return Sources.validate(pl.DataFrame(rows, schema_overrides={"accessed": pl.Date}), cast=True)
    except (dy.exc.ValidationError, dy.exc.SchemaError) as error:
        raise ReferenceDataError(f"refdata/sources.toml: {error}") from error


def sourced_table(name: str, schema: type[_Schema]) -> dy.DataFrame[_Schema]:
    """A table whose every row names a source that exists."""
    frame = _load_csv(name, schema)
    known = set(sources()["source_id"])
    for column in (c for c in ("source_id", "second_source_id") if c in frame.columns):
        orphans = sorted(set(frame[column].drop_nulls()) - known)
        if orphans:
            raise ReferenceDataError(
                f"refdata/{name}.csv: {column} {', '.join(orphans)} stand in no table of sources.toml; add them there"
            )
    return frame


@cache
def accelerators() -> dy.DataFrame[Accelerators]:
    """Every chip, one row each, keyed by ``accelerator`` (``"h100-sxm"``)."""
    return sourced_table("accelerators", Accelerators)


@cache
def accelerator_names() -> dy.DataFrame[AcceleratorNames]:
    """Names as seen in the wild -> canonical id."""
    frame = sourced_table("accelerator_names", AcceleratorNames)
    orphans = sorted(set(frame["accelerator"]) - set(accelerators()["accelerator"]))
    if orphans:
        raise ReferenceDataError(f"refdata/accelerator_names.csv: no accelerator {', '.join(orphans)}")
    return frame


@cache
def llms() -> dy.DataFrame[Llms]:
    """Architectures of open models, keyed by ``llm`` (``"llama-3.3-70b"``)."""
    return sourced_table("llms", Llms)


@cache
def instances() -> dy.DataFrame[Instances]:
    """Instance types of the clouds and the chips in them."""
    return sourced_table("instances", Instances)


@cache
def machine_shapes() -> dy.DataFrame[MachineShapes]:
    """Processors, memory and local disks of machines that are priced by their parts."""
    return sourced_table("machine_shapes", MachineShapes)


@cache
def networks() -> dy.DataFrame[Networks]:
    """Networks and clouds the product knows."""
    return sourced_table("networks", Networks)


@cache
def unpriced_networks() -> dy.DataFrame[UnpricedNetworks]:
    """Networks without a public price; none of them has a source of its own."""
    return sourced_table("unpriced_networks", UnpricedNetworks)


@cache
def network_facts() -> dy.DataFrame[NetworkFactRows]:
    """Dated facts and rules of the networks."""
    return sourced_table("network_facts", NetworkFactRows)


@cache
def hardware_prices() -> dy.DataFrame[HardwarePrices]:
    """What cards and systems cost."""
    return sourced_table("hardware_prices", HardwarePrices)


@cache
def accelerator_tco() -> dy.DataFrame[AcceleratorTco]:
    """Published owner's cost of an accelerator-hour."""
    return sourced_table("accelerator_tco", AcceleratorTco)


@cache
def assumptions() -> dy.DataFrame[Assumptions]:
    """Economic assumptions with their band."""
    return sourced_table("assumptions", Assumptions)


@cache
def reference_prices() -> dy.DataFrame[ReferencePrices]:
    """Dated prices that ship with the package."""
    return sourced_table("reference_prices", ReferencePrices)


@cache
def llm_names() -> dy.DataFrame[LlmNames]:
    """Names hosts give an open model -> its id."""
    frame = sourced_table("llm_names", LlmNames)
    orphans = sorted(set(frame["llm"]) - set(llms()["llm"]))
    if orphans:
        raise ReferenceDataError(f"refdata/llm_names.csv: no LLM {', '.join(orphans)}")
    return frame


@cache
def token_hosts() -> dy.DataFrame[TokenHosts]:
    """Who hosts models, and what kind of host that is."""
    return sourced_table("token_hosts", TokenHosts)


@cache
def reference_token_prices() -> dy.DataFrame[ReferenceTokenPrices]:
    """Dated prices per million tokens that ship with the package."""
    frame = sourced_table("token_prices", ReferenceTokenPrices)
    for column, known in (("llm", set(llms()["llm"])), ("provider", set(token_hosts()["host"]))):
        orphans = sorted(set(frame[column].drop_nulls()) - known)
        if orphans:
            raise ReferenceDataError(f"refdata/token_prices.csv: no {column} {', '.join(orphans)}")
    return frame
