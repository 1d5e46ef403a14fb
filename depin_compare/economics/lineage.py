"""Which inputs the numbers of the comparison and of the margins rest on, down to what somebody printed or assumed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import cached_property
from typing import Any

import polars as pl

from depin_compare.bands import Band
from depin_compare.economics.derivations import Derivation, Input
from depin_compare.economics.margins import PAID_IN_TOKENS
from depin_compare.economics.nodes import (
    NODE_UNITS,
    Node,
    OwnNode,
    hardware_of,
    minting_facts,
    node,
    own_node,
    take_rate_facts,
    utilisation_facts,
)
from depin_compare.inference.sellers import SELLER_ITEMS
from depin_compare.refdata import accelerator_tco, accelerators, sources
from depin_compare.refdata.assumption_set import USER_SOURCE, AssumptionSet
from depin_compare.units import BYTES_PER_GB, TOKENS_PER_MTOK, usd_per_mtok

__all__ = ["Lineage", "NodeLineage", "Side", "age_days"]

Values = Mapping[str, float]
Model = Callable[[Values], float]
_UNIT_FRACTION = (0.0, 1.0)
_DOMAINS: dict[str, tuple[float, float]] = {
    "utilisation": _UNIT_FRACTION,
    "take_rate": (0.0, 0.999),
    "availability": (0.001, 1.0),
    "rework_share": (0.0, 0.999),
    "salvage_share": _UNIT_FRACTION,
    "opex_share_of_capex": _UNIT_FRACTION,
    "idle_power_share": _UNIT_FRACTION,
    "pue": (1.0, 3.0),
    "life_years": (0.25, 30.0),
    "cost_of_capital": (0.0, 1.0),
    "commitment_discount": (0.0, 0.99),
    "cloud_utilisation": (0.01, 1.0),
    "floor_gross_margin": (0.0, 0.99),
    "maia200_cost_factor": (0.01, 10.0),
    "fleet_work_by_throughput": (-5.0, 5.0),
    "buyer_fee": (0.0, 10.0),
    "egress_cost_over_price_cloud": (0.0, 10.0),
}


def age_days(inputs: Iterable[Input], as_of: datetime) -> float | None:
    """Age of the oldest observation among some inputs: prices, measured facts and cost estimates.

    Assumptions and rules in force don't age; None where nothing was observed.
    """
    seen = [one.observed_at for one in inputs if one.observed_at and one.layer is not None and one.kind != "protocol"]
    return max(0.0, float((as_of.date() - min(seen).date()).days)) if seen else None


def _day(value: date) -> datetime:
    return datetime.combine(value, time(), tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a comparison: its inputs, and its prices as functions of them.

    ``hour`` is the price before the buyer's fee, None where there is no one hour (a fleet, a chip nobody rents);
    the adjusted ones are None where a term of the seller is unknown.
    """

    inputs: tuple[Input, ...]
    hour: Model | None
    per_mtok: Model
    hour_adjusted: Model | None = None
    per_mtok_adjusted: Model | None = None
    paid_hours: Model | None = None
    words: str = ""
    hour_words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLineage:
    """A node down to its sources: ``values`` turns inputs into those of `depin_compare.economics.nodes.Node`."""

    node: Node
    inputs: tuple[Input, ...]
    values: Callable[[Values], dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """The frames a run's numbers were made from, ready to be asked where one of them comes from."""

    markets: pl.DataFrame
    costs: pl.DataFrame
    throughputs: pl.DataFrame
    terms: pl.DataFrame
    facts: pl.DataFrame
    assumptions: AssumptionSet

    @cached_property
    def _costs(self) -> dict[tuple[str, ...], dict[str, Any]]:
        key = ("side", "seller", "silicon", "accelerator", "llm", "workload", "reference")
        return {tuple(str(row[name]) for name in key): row for row in self.costs.iter_rows(named=True)}

    @cached_property
    def _rates(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        return {(r["accelerator"], r["llm"], r["workload"]): r for r in self.throughputs.iter_rows(named=True)}

    @cached_property
    def _sides(self) -> dict[tuple[Any, ...], Side]:
        """Sides asked for before: a network stands against many references, a cloud against many networks."""
        return {}

    @cached_property
    def _terms(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {(row["seller"], str(row["item"])): row for row in self.terms.iter_rows(named=True)}

    @cached_property
    def _assumed(self) -> dict[str, dict[str, Any]]:
        return {row["parameter"]: row for row in self.assumptions.frame.iter_rows(named=True)}

    @cached_property
    def _urls(self) -> dict[str, str | None]:
        return dict(sources().select("source_id", "url").iter_rows())

    def assumption(self, parameter: str, *, name: str | None = None) -> Input:
        """One assumption in force as an input."""
        row = self._assumed[parameter]
        plain = parameter.removesuffix("_home").removesuffix("_data_centre")
        for side in ("_network", "_cloud"):
            plain = plain.removesuffix(side) if plain.removesuffix(side) in SELLER_ITEMS else plain
        return Input(
            name=name or parameter, band=Band(row["low"], row["central"], row["high"]), unit=row["unit"],
            kind=str(row["kind"]), source=row["source_id"], source_url=self._urls.get(row["source_id"]),
            observed_at=_day(row["as_of"]), note=row["note"], domain=_DOMAINS.get(plain),
            address=f"assumption {parameter}",
        )  # fmt: skip

    # -- the comparison ------------------------------------------------------------------------------------------

    def ratio(self, row: Mapping[str, Any], *, adjusted: bool = False) -> tuple[Side, Side] | None:
        """Network's and cloud's side of a row of the comparison; None where it has no number."""
        if row["usd_per_mtok_network"] is None or row["usd_per_mtok_reference"] is None:
            return None
        one_chip = row["accelerator"] == row["reference_accelerator"]
        mine = self.network_side(row, one_chip=one_chip)
        theirs = self.cloud_side(row, one_chip=one_chip)
        if adjusted and (mine.per_mtok_adjusted is None or theirs.per_mtok_adjusted is None):
            return None
        return mine, theirs

    def advantage(self, row: Mapping[str, Any], *, adjusted: bool = False) -> Derivation | None:
        """The buyer's advantage of one row of the comparison, from its leaves."""
        sides = self.ratio(row, adjusted=adjusted)
        if sides is None:
            return None
        net, ref = (side.per_mtok_adjusted if adjusted else side.per_mtok for side in sides)
        assert net is not None
        assert ref is not None
        return Derivation(
            formula=f"1 - ({sides[0].words}) / ({sides[1].words})",
            function="depin_compare.economics.comparison.advantage", unit="fraction",
            inputs=self.used(sides, adjusted=adjusted), model=lambda v: 1.0 - net(v) / ref(v), pivot=0.0,
        )  # fmt: skip

    def used(self, sides: Sequence[Side], *, adjusted: bool) -> tuple[Input, ...]:
        """Inputs of some sides, each once; what only the adjusted prices take is left out of the others."""
        once = {one.name: one for side in sides for one in side.inputs}
        return tuple(one for one in once.values() if adjusted or not _only_adjusted(one.name))

    def _row(self, side: str, *key: str) -> dict[str, Any] | None:
        return self._costs.get((side, *key))

    def network_side(self, row: Mapping[str, Any], *, one_chip: bool = False) -> Side:
        """What the network's work costs its buyer."""
        key = ("network", row["network"], row["accelerator"], row["llm"], row["workload"], one_chip)
        if key not in self._sides:
            self._sides[key] = self._network_side(row, one_chip=one_chip)
        return self._sides[key]

    def _network_side(self, row: Mapping[str, Any], *, one_chip: bool) -> Side:
        work = (row["llm"], row["workload"])
        cost = self._row("network", row["network"], "network", row["accelerator"], *work, "market")
        assert cost is not None
        price = self._priced(cost, "network_usd_per_accelerator_hour", note=_market_note(cost))
        return self._rented(
            row["network"], (price,), lambda v: v[price.name], "network_", row["accelerator"], work,
            one_chip=one_chip, words=price.name,
        )  # fmt: skip

    def cloud_side(self, row: Mapping[str, Any], *, one_chip: bool = False) -> Side:
        """What the cloud's work costs: of one chip, of the average of its fleet, or by its maker's claim."""
        names = ("cloud", "silicon", "reference_accelerator", "reference", "llm", "workload")
        key = ("cloud", *(row[name] for name in names), one_chip)
        if key not in self._sides:
            self._sides[key] = self._cloud_side(row, one_chip=one_chip)
        return self._sides[key]

    def _cloud_side(self, row: Mapping[str, Any], *, one_chip: bool) -> Side:
        cloud, silicon, reference = row["cloud"], row["silicon"], str(row["reference"])
        work = (row["llm"], row["workload"])
        if silicon == "maia-200":
            return self._claimed(cloud, reference, work)
        chips = [row["reference_accelerator"]]
        if row["reference_accelerator"] is None:
            chips = sorted(
                key[3] for key, cost in self._costs.items()
                if key[0] == "cloud" and key[1:3] == (cloud, silicon) and key[4:] == (*work, reference)
                and cost["usd_per_mtok"] is not None
            )  # fmt: skip
        if len(chips) == 1:
            return self._cloud_chip(cloud, silicon, chips[0], reference, work, one_chip=one_chip)
        return self._fleet({chip: self._cloud_chip(cloud, silicon, chip, reference, work, tag=chip) for chip in chips})

    def _cloud_chip(
        self, cloud: str, silicon: str, chip: str, reference: str, work: tuple[str, str], *,
        one_chip: bool = False, tag: str | None = None,
    ) -> Side:  # fmt: skip
        inputs, hour, words = self._cloud_hour(cloud, silicon, chip, reference, work, tag)
        modelled = reference in ("modelled_cost", "cost_plus_margin")
        return self._rented(
            cloud, inputs, hour, "reference_", chip, work, one_chip=one_chip, tag=tag, words=words, modelled=modelled
        )

    def _cloud_hour(
        self, cloud: str, silicon: str, chip: str, reference: str, work: tuple[str, str], tag: str | None
    ) -> tuple[tuple[Input, ...], Model, str]:
        """A cloud's hourly reference from what it prints or what somebody estimates."""
        cost = self._row("cloud", cloud, silicon, chip, *work, reference)
        assert cost is not None
        known = cost["usd_per_accelerator_hour"]
        found: list[tuple[tuple[Input, ...], Model, str]] = []
        if reference == "committed" and str(cost["kind"]) == "assumption":
            printed = self._row("cloud", cloud, silicon, chip, *work, "list")
            if printed is not None and printed["usd_per_accelerator_hour"] is not None:
                price = self._priced(printed, _tagged("reference_list_usd_per_accelerator_hour", tag))
                off = self.assumption("commitment_discount")
                found.append((
                    (price, off), lambda v: v[price.name] * (1.0 - v[off.name]), f"{price.name} x (1 - {off.name})"
                ))  # fmt: skip
        if reference in ("modelled_cost", "cost_plus_margin"):
            owned, sold = self._owned(chip, tag), self.assumption("cloud_utilisation")
            if reference == "modelled_cost":
                found.append((
                    (owned, sold), lambda v: v[owned.name] / v[sold.name], f"{owned.name} / {sold.name}"
                ))  # fmt: skip
            else:
                floor = self.assumption("floor_gross_margin")
                found.append((
                    (owned, sold, floor),
                    lambda v: v[owned.name] / v[sold.name] / (1.0 - v[floor.name]),
                    f"{owned.name} / {sold.name} / (1 - {floor.name})",
                ))  # fmt: skip
        for inputs, hour, words in found:
            if abs(hour({one.name: one.value for one in inputs}) / known - 1.0) < 1e-9:
                return inputs, hour, words
        # A price as it stands: printed by the cloud, or the user's own.
        price = self._priced(cost, _tagged("reference_usd_per_accelerator_hour", tag))
        return (price,), lambda v: v[price.name], price.name

    @cached_property
    def _owners(self) -> dict[str, dict[str, Any]]:
        return {row["accelerator"]: row for row in accelerator_tco().iter_rows(named=True)}

    def _owned(self, chip: str, tag: str | None) -> Input:
        row = self._owners[chip]
        return Input(
            name=_tagged("owner_usd_per_accelerator_hour", tag),
            band=Band.certain(row["usd_per_accelerator_hour_hyperscaler"]), unit="USD per accelerator-hour",
            kind=str(row["kind"]), source=row["source_id"], source_url=self._urls.get(row["source_id"]),
            observed_at=_day(row["as_of"]), layer="reference", note=f"owner's cost of an hour of {chip}, sold or not",
        )  # fmt: skip

    def _priced(self, cost: Mapping[str, Any], name: str, note: str | None = None) -> Input:
        price = "usd_per_accelerator_hour"
        return Input(
            name=name, band=Band(cost[f"{price}_low"], cost[price], cost[f"{price}_high"]),
            unit="USD per accelerator-hour", kind=None if cost["kind"] is None else str(cost["kind"]),
            source=cost["source"], source_url=cost["source_url"], observed_at=cost["observed_at"],
            layer=None if cost["layer"] is None else str(cost["layer"]), note=note or cost["terms"],
        )  # fmt: skip

    def _rate(self, chip: str, work: tuple[str, str], name: str) -> Input | None:
        row = self._rates[(chip, *work)]
        rate = "tokens_per_second"
        if row[f"{rate}_per_accelerator"] is None:
            return None
        return Input(
            name=name, band=Band(row[f"{rate}_low"], row[f"{rate}_per_accelerator"], row[f"{rate}_high"]),
            unit="output tokens per second and accelerator",
            source="depin-compare-calibration", source_url=self._urls.get("depin-compare-calibration"),
            note=f"throughput model, {row['basis']}: {work[0]}, {work[1]} on {chip}, {row['precision']}, "
            f"{row['accelerators_per_replica']} accelerators a replica, batch {row['batch']}",
        )  # fmt: skip

    def _term(self, seller: str, item: str, name: str) -> Input | None:
        row = self._terms.get((seller, item))
        if row is None or row["central"] is None:
            return None
        source = row["source_id"]
        assumed = str(row["kind"]) == "assumption" and source != USER_SOURCE
        parameter = next((p for p in (f"{item}_{row['side']}", item) if p in self._assumed), None)
        return Input(
            name=name, band=Band(row["low"], row["central"], row["high"]), unit=row["unit"],
            kind=None if row["kind"] is None else str(row["kind"]), source=source,
            source_url=self._urls.get(source) if source else None, domain=_DOMAINS.get(item),
            note=None if source else "a cloud's price list is the bill",
            address=f"assumption {parameter}" if assumed and parameter else None,
            observed_at=_day(self._assumed[parameter]["as_of"]) if assumed and parameter else None,
        )  # fmt: skip

    def _rented(
        self, seller: str, price: tuple[Input, ...], hour: Model, prefix: str, chip: str, work: tuple[str, str], *,
        words: str, one_chip: bool = False, tag: str | None = None, modelled: bool = False,
    ) -> Side:  # fmt: skip
        """A side that is rented by the hour: its fee, its throughput, its reliability and its traffic."""
        rate = self._rate(chip, work, "tokens_per_second" if one_chip else _tagged(f"{prefix}tokens_per_second", tag))
        fee = self._term(seller, "buyer_fee", f"{prefix}buyer_fee")
        if fee is not None and fee.band == Band.certain(0.0):
            fee = None
        answers = self._term(seller, "availability", f"{prefix}availability")
        lost = self._term(seller, "rework_share", f"{prefix}rework_share")
        size = self._term(seller, "bytes_out_per_token", "bytes_out_per_token")
        traffic_price = self._term(seller, "egress_usd_per_gb", f"{prefix}egress_usd_per_gb")
        share = self.assumption("egress_cost_over_price_cloud") if modelled else None

        def billed(v: Values) -> float:
            return hour(v) * (1.0 + (v[fee.name] if fee else 0.0))

        def per_mtok(v: Values) -> float:
            # A chip that can't do the work has an hourly price and no unit price.
            return math.nan if rate is None else usd_per_mtok(billed(v), v[rate.name])

        bill = f"{words} x (1 + {fee.name})" if fee else words
        extras = tuple(one for one in (rate, fee, answers, lost, size, traffic_price, share) if one is not None)
        side = Side(
            inputs=(*price, *extras), hour=hour, per_mtok=per_mtok, hour_words=words,
            words=f"{bill} / (3600 x {rate.name}) x 1e6" if rate else bill,
        )  # fmt: skip
        if answers is None or lost is None or size is None or traffic_price is None:
            return side

        def paid(v: Values) -> float:
            return 1.0 / (v[answers.name] * (1.0 - v[lost.name]))

        def adjusted(v: Values) -> float:
            sent = v[size.name] * v[traffic_price.name] * TOKENS_PER_MTOK / BYTES_PER_GB
            return per_mtok(v) * paid(v) + sent * (v[share.name] if share else 1.0)

        return replace(side, hour_adjusted=lambda v: billed(v) * paid(v), per_mtok_adjusted=adjusted, paid_hours=paid)

    def _claimed(self, cloud: str, reference: str, work: tuple[str, str]) -> Side:
        """Silicon nobody can rent: the cloud's cheapest NVIDIA unit cost times its maker's factor."""
        able = [
            (cost["usd_per_mtok"], key[3]) for key, cost in self._costs.items()
            if key[0] == "cloud" and key[1:3] == (cloud, "nvidia") and key[4:] == (*work, reference)
            and cost["usd_per_mtok"] is not None
        ]  # fmt: skip
        base = self._cloud_chip(cloud, "nvidia", min(able)[1], reference, work)
        factor = self.assumption("maia200_cost_factor")
        if factor.kind != "assumption":
            # What its maker claimed is of a day, as a price is; a number of the user's is not.
            factor = replace(factor, layer="reference")
        per_mtok, whole = base.per_mtok, base.per_mtok_adjusted

        def adjusted(v: Values) -> float:
            assert whole is not None
            assert base.paid_hours is not None
            compute = per_mtok(v) * base.paid_hours(v)
            return compute * v[factor.name] + (whole(v) - compute)

        return replace(
            base, inputs=(*base.inputs, factor), hour=None, hour_adjusted=None,
            per_mtok=lambda v: per_mtok(v) * v[factor.name],
            per_mtok_adjusted=None if whole is None else adjusted,
            words=f"{factor.name} x {base.words}", hour_words="",
        )  # fmt: skip

    def _fleet(self, chips: Mapping[str, Side]) -> Side:
        """The work spread over the chips of a cloud, in proportion to throughput to a power."""
        power = self.assumption("fleet_work_by_throughput")

        def mean_of(of: Callable[[Side], Model | None]) -> Model:
            def model(v: Values) -> float:
                weights = {c: v[f"reference_tokens_per_second[{c}]"] ** v[power.name] for c in chips}
                total = 0.0
                for chip, side in chips.items():
                    price = of(side)
                    assert price is not None
                    total += weights[chip] * price(v)
                mean: float = total / sum(weights.values())
                return mean

            return model

        sides = list(chips.values())
        whole = all(side.per_mtok_adjusted is not None for side in sides)
        once = {one.name: one for side in sides for one in side.inputs}
        return Side(
            inputs=(*once.values(), power), hour=None, per_mtok=mean_of(lambda side: side.per_mtok),
            per_mtok_adjusted=mean_of(lambda side: side.per_mtok_adjusted) if whole else None,
            paid_hours=sides[0].paid_hours,
            words=f"mean over {', '.join(chips)} of unit cost, weighted by tokens_per_second^{power.name}",
        )  # fmt: skip

    # -- the margins ---------------------------------------------------------------------------------------------

    def market(self, network: str, accelerator: str) -> Input | None:
        """The price tenants pay on demand, as an input."""
        rows = self.markets.filter(
            pl.col("network") == network, pl.col("accelerator") == accelerator, pl.col("terms") == "on_demand"
        )
        if rows.is_empty():
            return None
        row = rows.row(0, named=True)
        return self._priced({**row, "terms": str(row["terms"])}, "usd_per_accelerator_hour", note=_market_note(row))

    def provider(self, network: str, accelerator: str, archetype: str, own: OwnNode | None = None) -> NodeLineage:
        """A provider's node with the source of each of its inputs."""
        if own is not None:
            return self._provider(network, accelerator, archetype, own)
        key = (network, accelerator, archetype)
        if key not in self._providers:
            self._providers[key] = self._provider(*key, None)
        return self._providers[key]

    @cached_property
    def _providers(self) -> dict[tuple[str, str, str], NodeLineage]:
        return {}

    def _provider(self, network: str, accelerator: str, archetype: str, own: OwnNode | None) -> NodeLineage:
        like = own.like if own is not None else archetype
        made = (
            own_node(network, own, self.facts, self.assumptions)
            if own is not None
            else node(network, accelerator, archetype, self.facts, self.assumptions)
        )
        given = set(own.inputs) if own is not None else set()
        leaves: list[Input] = []
        rebuilt: dict[str, Model] = {}
        for name, band in made.inputs.items():
            parts = None if name in given else self._parts(name, accelerator, like)
            if parts is None:
                leaves.append(self._node_input(name, band, network, accelerator, like, given=name in given))
                continue
            inputs, model = parts
            if abs(model({one.name: one.value for one in inputs}) - band.central) > 1e-9 * max(1.0, band.central):
                leaves.append(self._node_input(name, band, network, accelerator, like, given=False))
                continue
            leaves += inputs
            rebuilt[name] = model
        names = tuple(made.inputs)
        return NodeLineage(
            node=made, inputs=tuple(leaves),
            values=lambda v: {name: rebuilt[name](v) if name in rebuilt else v[name] for name in names},
        )  # fmt: skip

    def _parts(self, name: str, accelerator: str, archetype: str) -> tuple[tuple[Input, ...], Model] | None:
        """Inputs of a node that are products: the draw of the machine, and its price."""
        if name == "load_kw":
            chip = accelerators().filter(pl.col("accelerator") == accelerator).row(0, named=True)
            board = Input(
                name="board_power_w", band=Band.certain(chip["power_w"]), unit="W", kind=str(chip["kind"]),
                source=chip["source_id"], source_url=self._urls.get(chip["source_id"]), observed_at=_day(chip["as_of"]),
            )  # fmt: skip
            draw = self.assumption(f"load_power_over_tdp_{archetype}", name="load_power_over_tdp")
            return (board, draw), lambda v: v[board.name] / 1000.0 * v[draw.name]
        if name == "capex_usd":
            hardware = hardware_of(accelerator, archetype)
            if hardware is None:
                return None
            item, condition, prices = hardware
            low, high = prices.select(pl.col("usd_low").min(), pl.col("usd_high").max()).row(0)
            band, n, row = Band(low, (low + high) / 2.0, high), prices.height, prices.row(-1, named=True)
            card = Input(
                name=f"{item}_usd", band=band, unit="USD per accelerator", kind=str(row["kind"]),
                source=row["source_id"], source_url=self._urls.get(row["source_id"]), observed_at=_day(row["as_of"]),
                layer="reference", note=f"{condition} {item}, middle of {n} price{'s' if n > 1 else ''}",
            )  # fmt: skip
            if item == "system":
                return (card,), lambda v: v[card.name]
            factor = self.assumption(f"system_capex_factor_{archetype}", name="system_capex_factor")
            if condition != "launch":
                return (card, factor), lambda v: v[card.name] * v[factor.name]
            since = self.assumption("card_price_over_launch")
            return (card, since, factor), lambda v: v[card.name] * v[since.name] * v[factor.name]
        return None

    def _node_input(
        self, name: str, band: Band, network: str, accelerator: str, archetype: str, *, given: bool
    ) -> Input:
        unit = NODE_UNITS.get(name, "fraction")
        made = Input(name=name, band=band, unit=unit, domain=_DOMAINS.get(name))
        if given:
            return replace(made, kind="assumption", source=USER_SOURCE)
        told = {"take_rate": self._take_rate_fact, "utilisation": self._utilisation_fact}.get(name)
        found = told(network, accelerator) if told is not None else None
        if found is not None:
            fact, note = found
            return replace(
                made, kind=str(fact["kind"]), source=fact["source"], source_url=fact["source_url"],
                observed_at=fact["observed_at"], layer=str(fact["layer"]), note=note,
            )  # fmt: skip
        for parameter in (f"{name}_{archetype}", name):
            if parameter in self._assumed:
                return replace(self.assumption(parameter, name=name), band=band)
        return made

    def _take_rate_fact(self, network: str, _: str) -> tuple[dict[str, Any], str | None] | None:
        """The fact that a network's take rate stands on, and what else is in the number."""
        minted = minting_facts(self.facts, network)
        if minted.height:
            return minted.row(0, named=True), PAID_IN_TOKENS
        rows = take_rate_facts(self.facts, network)
        if rows.is_empty():
            return None
        fact, ways = rows.row(0, named=True), rows["subject"].drop_nulls().unique(maintain_order=True).to_list()
        spreads = self.facts.filter(pl.col("network") == network, pl.col("metric") == "mint_settle_spread")
        notes = [fact["note"]]
        notes += [f"paid in {ways[0]}; the band holds {', '.join(ways[1:])}"] if len(ways) > 1 else []
        notes += [f"{row['value']:g} of it between minting and settling" for row in spreads.iter_rows(named=True)]
        return fact, "; ".join(filter(None, notes)) or None

    def _utilisation_fact(self, network: str, accelerator: str) -> tuple[dict[str, Any], str | None] | None:
        """The fact that the share of hours rented stands on, and how far it may be from today's."""
        rows = utilisation_facts(self.facts, network, accelerator)
        if rows.is_empty():
            return None
        fact, drift = rows.row(0, named=True), self.assumptions["utilisation_drift"].central
        since = None if fact["layer"] == "live" else f"may have moved by {drift:g} since (utilisation_drift)"
        return fact, "; ".join(filter(None, [fact["note"], since])) or None


def _only_adjusted(name: str) -> bool:
    parts = ("availability", "rework_share", "bytes_out_per_token", "egress_usd_per_gb", "egress_cost_over_price_cloud")
    return any(name.endswith(part) for part in parts)


def _tagged(name: str, tag: str | None) -> str:
    return f"{name}[{tag}]" if tag else name


def _market_note(row: Mapping[str, Any]) -> str:
    n = row["n_offers"] or 0
    return f"{row['price_kind']}, median of {n} offer{'' if n == 1 else 's'} by accelerators on offer"
