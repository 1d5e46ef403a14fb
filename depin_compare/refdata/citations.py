"""Which packaged table rests on which source, and how the numbers taken from it are known."""

from __future__ import annotations

from functools import cache

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.refdata import (
    KINDS,
    accelerator_names,
    accelerator_tco,
    accelerators,
    assumptions,
    hardware_prices,
    instances,
    llm_names,
    llms,
    load_toml,
    machine_shapes,
    network_facts,
    networks,
    reference_prices,
    reference_token_prices,
    sources,
    token_hosts,
    unpriced_networks,
)
from depin_compare.refdata.histories import dated_rents, events, llm_classes

__all__ = ["Citations", "citations", "unused_sources"]


class Citations(Schema):
    """One row a source, table and kind: ``rows`` of the table name the source, and know their numbers by ``kind``.

    ``kind`` is null in tables of names, whose rows hold no number.
    """

    source_id = dy.String(nullable=False)
    table = dy.String(nullable=False)
    kind = dy.Enum(KINDS, nullable=True)
    rows = dy.Int64(nullable=False, min=1)


@cache
def citations() -> dy.DataFrame[Citations]:
    """Every use of every source.

    Examples
    --------
    >>> citations().filter(pl.col("source_id") == "inferencex-constants")["table"].to_list()
    ['accelerator_tco']
    """
    tables: dict[str, pl.DataFrame] = {
        "accelerators": accelerators(), "accelerator_names": accelerator_names(), "llms": llms(),
        "instances": instances(), "machine_shapes": machine_shapes(), "networks": networks(),
        "network_facts": network_facts(), "unpriced_networks": unpriced_networks(),
        "hardware_prices": hardware_prices(), "accelerator_tco": accelerator_tco(), "assumptions": assumptions(),
        "reference_prices": reference_prices(), "llm_names": llm_names(), "token_hosts": token_hosts(),
        "token_prices": reference_token_prices(), "dated_rents": dated_rents(), "llm_classes": llm_classes(),
        "events": events(),
    }  # fmt: skip
    used: list[tuple[str, str, str | None]] = []
    for name, frame in tables.items():
        kinds = frame["kind"].cast(pl.String).to_list() if "kind" in frame.columns else [None] * frame.height
        for column in ("source_id", "second_source_id"):
            if column in frame.columns:
                used += [(s, name, k) for s, k in zip(frame[column].to_list(), kinds, strict=True) if s is not None]
    for name in ("scenarios", "workloads", "throughput"):
        used += [(source, name, kind) for source, kind in _cited(load_toml(name))]
    frame = pl.DataFrame(used, schema={"source_id": pl.String, "table": pl.String, "kind": pl.String}, orient="row")
    counted = frame.group_by("source_id", "table", "kind").agg(rows=pl.len().cast(pl.Int64))
    return Citations.validate(counted.sort("source_id", "table", "kind"), cast=True)


def unused_sources() -> list[str]:
    """Sources that no row of any table or scenario names; the tests keep this empty."""
    return sorted(set(sources()["source_id"]) - set(citations()["source_id"]))


def _cited(node: object) -> list[tuple[str, str | None]]:
    """Every ``source_id`` anywhere in a parsed TOML document, with the kind beside it."""
    if isinstance(node, dict):
        kind = node.get("kind")
        own = [(node["source_id"], kind if kind in KINDS else None)] if isinstance(node.get("source_id"), str) else []
        return own + [one for value in node.values() for one in _cited(value)]
    return [one for value in node for one in _cited(value)] if isinstance(node, list) else []
