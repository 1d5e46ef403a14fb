"""Where every path starts: what stands for a network, today's ratio of unit prices, and the inputs of both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import dataframely as dy
import numpy as np
import polars as pl

from depin_compare.bands import Band
from depin_compare.economics.comparison import Comparison
from depin_compare.economics.derivations import Derivation, Input
from depin_compare.economics.lineage import Lineage, age_days
from depin_compare.economics.nodes import Node
from depin_compare.economics.world import log_ratio_band
from depin_compare.refdata.assumption_set import AssumptionSet, assumption_set
from depin_compare.units import FloatArray, FloatOrArray

__all__ = ["Pair", "Subject", "correlations", "node_bands", "node_keys", "pairs_of", "provider_age"]

_PRICE = "usd_per_accelerator_hour"
# Of the machine a chip sits in: the same for every network that rents it out.
_OF_CHIP = ("capex_usd", "load_kw")
_OF_NETWORK = (_PRICE, "utilisation", "take_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What stands for a network in the paths: one chip, one archetype of provider, one piece of work.

    ``freshness`` is that of what its provider's margin rests on; ``expired`` says why its price is none of today.
    """

    network: str
    accelerator: str
    archetype: str | None
    llm: str
    workload: str
    usd_per_accelerator_hour: Band
    node: Node | None
    freshness: str | None = None
    expired: str | None = None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A network against one reference today: a row of the comparison, and the inputs its ratio is made of.

    ``derived`` is the advantage down to its leaves; without it today's ratio is one opaque input.
    """

    network: str
    cloud: str
    silicon: str
    reference: str
    row: Mapping[str, object]
    derived: Derivation | None
    age_days: float | None

    @property
    def reference_key(self) -> tuple[str, str, str]:
        """Cloud, silicon and reference, as a world takes them."""
        return (self.cloud, self.silicon, self.reference)

    @property
    def not_comparable(self) -> str | None:
        """Why there is no ratio; None where there is one."""
        reason = self.row["not_comparable"]
        return None if reason is None else str(reason)

    @cached_property
    def today(self) -> Band:
        """The advantage today with the band the comparison shows."""
        return Band(*(float(str(self.row[f"advantage{end}"])) for end in ("_low", "", "_high")))

    @cached_property
    def ratio(self) -> float:
        """Network's unit price over the reference's, today."""
        return 1.0 - float(str(self.row["advantage"]))

    @property
    def bands(self) -> dict[str, Band]:
        """The inputs of today's ratio by name."""
        if self.derived is None:
            return {"log_ratio": log_ratio_band(self.row)}
        return {one.name: one.band for one in self.derived.inputs}

    @property
    def keys(self) -> dict[str, str]:
        """The key of every input's draws: inputs with one key are one number, on both sides and for every network."""
        if self.derived is None:
            return {"log_ratio": f"ratio of {self.network} to {self.cloud} {self.silicon} {self.reference}"}
        return {one.name: _key_of(one, self.network) for one in self.derived.inputs}

    def ratios(self, values: Mapping[str, FloatOrArray]) -> FloatOrArray:
        """Today's ratio at other values of some of its inputs, floats or draws."""
        if self.derived is None:
            ratio: FloatArray = np.exp(-np.asarray(values["log_ratio"]))
            return ratio
        return 1.0 - self.derived.drawn(values)

    @cached_property
    def swings(self) -> list[tuple[str, str | None, Band, float, float]]:
        """Of every uncertain input of today's ratio: name, unit, band, and the ratio at its low and high end."""
        if self.derived is None:
            band = log_ratio_band(self.row)
            certain = band.low == band.high
            return [] if certain else [("log_ratio", None, band, math.exp(-band.low), math.exp(-band.high))]
        # The lineage's number is the comparison's but for rounding; the path starts from the comparison's.
        exact = self.ratio / (1.0 - self.derived.value())
        return [
            (swing.input.name, swing.input.unit, swing.input.band,
             (1.0 - swing.at_low) * exact, (1.0 - swing.at_high) * exact)
            for swing in self.derived.swings()
        ]  # fmt: skip


def _key_of(one: Input, network: str) -> str:
    if one.name == f"network_{_PRICE}":
        return _key_of_network(_PRICE, network)
    band = one.band
    return one.address or f"{one.unit} | {one.source} | {band.low!r} {band.central!r} {band.high!r}"


def _key_of_network(name: str, network: str) -> str:
    return f"{name} of {network}"


def pairs_of(
    subject: Subject, comparison: dy.DataFrame[Comparison], *, match: str, lineage: Lineage | None, as_of: datetime
) -> list[Pair]:
    """A subject against every reference of the comparison, in its order."""
    rows = comparison.filter(
        pl.col("network") == subject.network,
        pl.col("accelerator") == subject.accelerator,
        pl.col("llm") == subject.llm,
        pl.col("workload") == subject.workload,
        pl.col("match") == match,
    )
    pairs = []
    for row in rows.iter_rows(named=True):
        derived = None if lineage is None or row["not_comparable"] is not None else lineage.advantage(row)
        pairs.append(
            Pair(
                network=subject.network,
                cloud=row["cloud"],
                silicon=row["silicon"],
                reference=str(row["reference"]),
                row=row,
                derived=derived,
                age_days=None if derived is None else age_days(derived.inputs, as_of),
            )
        )
    return pairs


def node_bands(subject: Subject, node: Node) -> dict[str, Band]:
    """The inputs of a subject's margin: its node's, and the price of its hour."""
    return {**node.inputs, _PRICE: subject.usd_per_accelerator_hour}


def node_keys(subject: Subject, node: Node) -> dict[str, str]:
    """The key of every one: of the chip's machine, of the archetype, or of the network."""
    own = {name: _key_of_network(name, subject.network) for name in _OF_NETWORK}
    chip = {name: f"{name} of {subject.accelerator} {subject.archetype}" for name in _OF_CHIP}
    rest = {name: f"{name} of {subject.archetype}" for name in node.inputs}
    return {**rest, **chip, **own, "cost_of_capital": "cost_of_capital of providers"}


def correlations(subjects: Sequence[Subject], assumptions: AssumptionSet | None) -> dict[tuple[str, str], float]:
    """Of every network, that its price and the use of its machines rise and fall together."""
    rho = (assumptions or assumption_set())["price_utilisation_correlation"].central
    names = dict.fromkeys(subject.network for subject in subjects)
    return {(_key_of_network(_PRICE, name), _key_of_network("utilisation", name)): rho for name in names}


def provider_age(subject: Subject, lineage: Lineage | None, as_of: datetime) -> float | None:
    """Age of the oldest observation a provider's margin rests on."""
    if lineage is None or subject.archetype is None or subject.node is None or subject.node.missing is not None:
        return None
    inputs = lineage.provider(subject.network, subject.accelerator, subject.archetype).inputs
    price = lineage.market(subject.network, subject.accelerator)
    return age_days([*inputs, *([price] if price else [])], as_of)
