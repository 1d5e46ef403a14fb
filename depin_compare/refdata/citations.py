"""Which packaged table rests on which source, and how the numbers taken from it are known."""

from __future__ import annotations

from functools import cache

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.errors import ReferenceDataError
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

__all__ = ["Citations", "citations", "document_kinds", "unused_sources"]

# Whom a row of these tables is about; rows of the others serve every report.
_SUBJECTS = {
    "accelerators": "accelerator",
    "accelerator_tco": "accelerator",
    "hardware_prices": "accelerator",
    "llms": "llm",
    "network_facts": "network",
    "networks": "network",
    "reference_prices": "network",
    "unpriced_networks": "network",
}


class Citations(Schema):
    """One row a source, table, subject and kind: ``rows`` of the table name the source, and know their numbers so.

    ``subject`` is the chip, model or network the rows are about, null in tables that serve every report; ``kind`` is
    null in tables of names, whose rows hold no number.
    """

    source_id = dy.String(nullable=False)
    table = dy.String(nullable=False)
    subject = dy.String(nullable=True)
    kind = dy.Enum(KINDS, nullable=True)
    rows = dy.Int64(nullable=False, min=1)


@cache
def citations() -> dy.DataFrame[Citations]:
    """Every use of every source.

    Examples
    --------
    >>> citations().filter(pl.col("source_id") == "inferencex-constants")["table"].unique().to_list()
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
    key = ["source_id", "table", "subject", "kind"]
    used: list[pl.DataFrame] = []
    for name, frame in tables.items():
        subject = _SUBJECTS.get(name)
        for column in ("source_id", "second_source_id"):
            if column in frame.columns:
                cited = frame.filter(pl.col(column).is_not_null()).select(
                    pl.col(column).alias("source_id"),
                    pl.lit(name).alias("table"),
                    (pl.col(subject) if subject else pl.lit(None)).cast(pl.String).alias("subject"),
                    (pl.col("kind") if "kind" in frame.columns else pl.lit(None)).cast(pl.String).alias("kind"),
                )
                used.append(cited)
    for name in ("scenarios", "workloads", "throughput"):
        cited_here = [(source, name, None, kind) for source, kind in _cited(load_toml(name))]
        used.append(pl.DataFrame(cited_here, schema=dict.fromkeys(key, pl.String), orient="row"))
    counted = pl.concat(used).group_by(key).agg(rows=pl.len().cast(pl.Int64))
    return Citations.validate(counted.sort(key), cast=True)


@cache
def document_kinds() -> dict[str, str]:
    """Source -> how the document itself is known; sources of nothing but our own choices are not in it.

    That is what ``sources.toml`` says of it, else the kind of most numbers taken from it: a vendor's price list is
    published by the vendor, though a number may have come to us through somebody who copied it.

    Examples
    --------
    >>> document_kinds()["aws-on-demand-list"], document_kinds()["uptime-pue-survey"]
    ('published', 'third_party')
    """
    numbers = citations().filter(pl.col("kind").cast(pl.String) != "assumption")
    most = (
        numbers.group_by("source_id", "kind")
        .agg(pl.col("rows").sum())
        .sort("source_id", "rows", "kind", descending=[False, True, False])
        .unique("source_id", keep="first", maintain_order=True)
    )
    found = dict(most.select("source_id", pl.col("kind").cast(pl.String)).iter_rows())
    told = {name: row["kind"] for name, row in load_toml("sources").items() if "kind" in row}
    if wrong := {name: kind for name, kind in told.items() if kind not in KINDS}:
        name, kind = next(iter(wrong.items()))
        raise ReferenceDataError(f"refdata/sources.toml: [{name}] kind is {kind!r}, expected one of {', '.join(KINDS)}")
    return found | told


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
