"""Any number of the comparison, margin, outlook and token tables, followed back: formula, inputs, sources, flips.

How a number is addressed stands at the head of `depin_compare.addresses`; besides numbers, an assumption or a
parameter of a scenario can be followed too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any

import polars as pl

from depin_compare.addresses import TABLES as ADDRESSED
from depin_compare.addresses import pick, table_of
from depin_compare.analysis import Analysis
from depin_compare.bands import Band
from depin_compare.economics.comparison import unique_service_premium
from depin_compare.economics.derivations import Derivation, Input
from depin_compare.economics.erosion import margin_headroom
from depin_compare.economics.lineage import Lineage, NodeLineage, Side
from depin_compare.economics.margins import (
    breakeven_utilisation,
    node_breakeven_price,
    node_margin,
    node_running_costs,
    stop_price,
)
from depin_compare.economics.nodes import OwnNode
from depin_compare.economics.scenarios import BASE, parameter_of, scenario_of
from depin_compare.economics.token_economics import TokenRow, token_rows
from depin_compare.economics.world import AdvantageModel, Clock, MarginModel, World, loss_years
from depin_compare.errors import ConfigError
from depin_compare.inference.sellers import published_band
from depin_compare.refdata import reference_prices, sources
from depin_compare.refdata.assumption_set import AssumptionSet

__all__ = ["TABLES", "Explanation", "Told", "Use", "addresses", "explain"]

Values = Mapping[str, float]

TABLES = {
    name: table.words
    for name, table in ADDRESSED.items()
    if name in ("comparison", "margin", "outlook", "token", "assumption", "scenario")
}
_ENDS = ("_low", "_high")
_OF_LOGS = "logs of the inputs' effects added in quadrature"
_PAIR = ("network", "accelerator", "llm", "workload", "cloud", "silicon", "reference")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One input as it is told: its value and band, where it comes from, and where it would flip the number."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    kind: str | None
    source: str | None
    source_title: str | None
    source_url: str | None
    observed_at: str | None
    layer: str | None
    note: str | None
    address: str | None
    flips_at: float | None
    flips_within_band: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A number that rests on an assumption, and the value of the assumption that would flip its sign."""

    address: str
    value: float
    flips_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Where one number comes from.

    ``value`` is the number as the table holds it; ``pivot`` the value at which it turns round, None where it has
    no sign; ``not_known`` says why there is no number.
    """

    address: str
    value: float | str | None
    unit: str | None
    low: float | str | None = None
    high: float | str | None = None
    formula: str | None = None
    function: str | None = None
    pivot: float | None = None
    pivot_words: str | None = None
    inputs: tuple[Told, ...] = ()
    notes: tuple[str, ...] = ()
    used_in: tuple[Use, ...] = ()
    not_known: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON; a number that is not finite becomes a word."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    def text(self) -> str:
        """The same for a terminal."""
        return "\n".join(_lines(self))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def addresses(analysis: Analysis) -> list[str]:
    """One address that works for every table, from what the analysis holds."""
    found = []
    heads = analysis.headlines.filter(pl.col("accelerator").is_not_null())
    if len(heads):
        head = heads.row(0, named=True)
        network, chip = head["network"], head["accelerator"]
        pair = analysis.outlook.filter(pl.col("network") == network, pl.col("state") != "not_comparable").head(1)
        if len(pair):
            row = pair.row(0, named=True)
            key = f"{row['cloud']}/{row['silicon']}/{row['reference']}"
            found = [
                f"comparison {network} {chip} {head['llm']} {key}",
                f"margin {network} {chip} {head['archetype']} full_margin",
                f"outlook {network} {key} {row['scenario']}",
            ]
        paid = analysis.token_economics.filter(pl.col("network") == network, pl.col("value").is_not_null()).head(1)
        told = paid.select("measure", "subject", "price_basis").cast(pl.String).rows()
        found += [" ".join(["token", network, *filter(None, words)]) for words in told]
    scenario, parameter = analysis.scenarios.select("scenario", "parameter").row(0)
    ours = analysis.assumptions.sort((pl.col("parameter") == "cost_of_capital").not_(), "parameter")["parameter"][0]
    return [*found, f"assumption {ours}", f"scenario {scenario} {parameter}"]


def explain(analysis: Analysis, *words: str, own_nodes: Sequence[OwnNode] = ()) -> Explanation:
    """Follow one number of an analysis to its formula, its inputs and their sources.

    Parameters
    ----------
    analysis : Analysis
        A whole run.
    *words : str
        The address, word by word or in one string; see `depin_compare.addresses`.
    own_nodes : sequence of OwnNode
        The user's nodes, as given to the analysis; needed for margins of archetype ``own``.

    Returns
    -------
    Explanation

    Raises
    ------
    ConfigError
        If the address lacks a word; the message says which, and what it may be.
    UnknownNameError
        If a word is none the table knows; the message names the nearest.
    """
    said = [word for part in words for word in part.split()]
    if not said:
        shown = "\n".join(f"  {name} {rest}" for name, rest in TABLES.items())
        raise ConfigError(f"explain what? Write one of\n{shown}")
    table = table_of(said[0], TABLES)
    return getattr(_Explainer(analysis=analysis, own_nodes=tuple(own_nodes)), table)(said[1:])  # type: ignore[no-any-return]  # by name: one method a table


_MARGIN_KEY = ("network", "accelerator", "archetype")


def _domain(parameter: str) -> tuple[float, float]:
    """Values of a scenario's parameter in which the model means something; whether an event happens is 0 or 1."""
    if parameter.partition(".")[0] == "event":
        return (0.0, 1.0)
    known = parameter_of(parameter)
    return (known.low, known.high)


@dataclass(frozen=True, kw_only=True)
class _Explainer:
    analysis: Analysis
    own_nodes: tuple[OwnNode, ...] = ()
    _worlds: dict[tuple[object, ...], World] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def lineage(self) -> Lineage:
        a = self.analysis
        return Lineage(
            markets=a.market_prices, costs=a.unit_costs, throughputs=a.throughputs, terms=a.seller_terms,
            facts=a.facts, assumptions=AssumptionSet(a.assumptions),
        )  # fmt: skip

    @cached_property
    def _titles(self) -> dict[str, dict[str, Any]]:
        return {row["source_id"]: row for row in sources().iter_rows(named=True)}

    @cached_property
    def _reference_sources(self) -> dict[tuple[str, str], str]:
        """(network or cloud, address) of a packaged price -> its source."""
        rows = reference_prices().sort("as_of").select("network", "source_url", "source_id")
        return {(network, url): source for network, url, source in rows.iter_rows()}

    @cached_property
    def _cheapest(self) -> dict[tuple[str, ...], dict[str, Any]]:
        """Rows of the comparison the outlook starts from."""
        rows = self.analysis.comparison.filter(pl.col("match") == "cheapest")
        return {tuple(str(row[name]) for name in _PAIR): row for row in rows.iter_rows(named=True)}

    @cached_property
    def _cheapest_archetypes(self) -> dict[tuple[str, str], str]:
        """Network and chip -> the packaged node that breaks even lowest."""
        margins = self.analysis.margins.filter(pl.col("archetype") != "own")
        first = margins.sort("breakeven_usd_per_accelerator_hour", nulls_last=True, maintain_order=True).unique(
            ["network", "accelerator"], keep="first", maintain_order=True
        )
        return {(network, chip): str(a) for network, chip, a in first.select(_MARGIN_KEY).iter_rows()}

    # -- the tables ----------------------------------------------------------------------------------------------

    def comparison(self, words: Sequence[str]) -> Explanation:
        """A number of the comparison."""
        picked = pick(self.analysis, "comparison", words)
        row, column, where = picked.row, picked.column, picked.address
        assert column is not None
        derived = self.compared(row, column.removesuffix("_low").removesuffix("_high"))
        return self._told(
            f"{where} {column}", row, column, derived, row["not_comparable"], _OF_LOGS
        )  # fmt: skip

    def compared(self, row: Mapping[str, Any], quantity: str) -> Derivation | None:
        """How a number of one row of the comparison is made; None where the table has none."""
        adjusted = "adjusted" in quantity
        if row[quantity] is None:
            return None
        if quantity.startswith(("usd_per_mtok_network", "network_usd")):
            mine = self.lineage.network_side(row, one_chip=row["accelerator"] == row["reference_accelerator"])
            return self._of_side(row, quantity, mine, "reference" if "mtok" in quantity else "reference_usd")
        if quantity.startswith(("usd_per_mtok_reference", "reference_usd")):
            theirs = self.lineage.cloud_side(row, one_chip=row["accelerator"] == row["reference_accelerator"])
            return self._of_side(row, quantity, theirs, "network" if "mtok" in quantity else "network_usd")
        sides = self.lineage.ratio(row, adjusted=adjusted)
        assert sides is not None
        if quantity == "unique_service_premium":
            return self._premium(row, sides)
        if quantity == "sla_shadow_premium":
            return _reliability(sides)
        derived = self.lineage.advantage(row, adjusted=adjusted)
        assert derived is not None
        if quantity == "log_advantage":
            return replace(
                derived, formula=f"ln(1 / (1 - a)), a = {derived.formula}", unit="-",
                function="depin_compare.economics.comparison.log_advantage",
                model=lambda v: -math.log(1.0 - derived.model(v)),
            )  # fmt: skip
        return derived

    def _of_side(self, row: Mapping[str, Any], quantity: str, side: Side, other: str) -> Derivation:
        adjusted = "adjusted" in quantity
        hourly = "accelerator_hour" in quantity
        model = {
            (False, False): side.per_mtok, (False, True): side.per_mtok_adjusted, (True, False): side.hour,
            (True, True): side.hour_adjusted,
        }[hourly, adjusted]  # fmt: skip
        assert model is not None
        rival = next(name for name in row if name.startswith(other if hourly else f"usd_per_mtok_{other}"))
        rival = rival if not adjusted else f"{rival}_adjusted"
        words = side.hour_words if hourly else side.words
        if adjusted:
            words += ", per hour that did work" + ("" if hourly else ", and the traffic out")
        used = self.lineage.used([side], adjusted=adjusted)
        if hourly:
            used = tuple(one for one in used if not one.name.split("[")[0].endswith("tokens_per_second"))
            used = tuple(one for one in used if adjusted or not one.name.endswith("buyer_fee"))
            used = tuple(one for one in used if "egress" not in one.name and one.name != "bytes_out_per_token")
        function = "inference.costs.inference_cost"
        if hourly:
            function = "economics.comparison.reliability_adjusted_usd_per_hour" if adjusted else ""
        return Derivation(
            formula=words, function=f"depin_compare.{function}" if function else "",
            unit="USD per accelerator-hour" if hourly else "USD per Mtok", inputs=used, model=model,
            pivot=row.get(rival),
        )  # fmt: skip

    def _premium(self, row: Mapping[str, Any], sides: tuple[Side, Side]) -> Derivation:
        """From the node that breaks even lowest, since that provider sets the price."""
        archetype = self._cheapest_archetypes[row["network"], row["accelerator"]]
        provider = self.lineage.provider(row["network"], row["accelerator"], archetype)
        mine, theirs = sides
        hour = mine.hour
        assert hour is not None

        def over(v: Values) -> float:
            needed = float(node_breakeven_price(provider.values(v)))
            return mine.per_mtok(v) * needed / hour(v) / theirs.per_mtok(v)

        return Derivation(
            formula=f"max(0, (unit price at the break-even price of a {archetype.replace('_', '-')} node) "
            f"/ ({theirs.words}) - 1)",
            function="depin_compare.economics.comparison.unique_service_premium", unit="fraction",
            inputs=(*self.lineage.used(sides, adjusted=False), *provider.inputs),
            model=lambda v: float(unique_service_premium(over(v), 1.0)), pivot=0.0, signed=lambda v: over(v) - 1.0,
            note="the premium censorship resistance, confidentiality or access must be worth",
        )  # fmt: skip

    def margin(self, words: Sequence[str]) -> Explanation:
        """A number of the margins."""
        picked = pick(self.analysis, "margin", words)
        row, column, where = picked.row, picked.column, picked.address
        assert column is not None
        derived = self.kept(row, column.removesuffix("_low").removesuffix("_high"))
        told = self._told(f"{where} {column}", row, column, derived, row["not_known"], _OF_LOGS)
        if row[column] is None and derived is None and row["not_known"] is None:
            return replace(told, not_known=self._no_reward(row["network"], row["accelerator"], column))
        return told

    def _no_reward(self, network: str, accelerator: str, column: str) -> str:
        facts = self.analysis.facts.filter(pl.col("network") == network)
        if column == "buyer_fee":
            return f"{network} publishes no fee on top of its price"
        if facts.filter(pl.col("metric") == "reward_per_hour", pl.col("subject") == accelerator).is_empty():
            return f"nobody publishes the tokens {network} pays for a rented hour of {accelerator}"
        return f"no price of the token of {network} on record"

    def _own(self, accelerator: str) -> OwnNode:
        own = next((one for one in self.own_nodes if one.accelerator == accelerator), None)
        if own is None:
            raise ConfigError(
                f"explain margin: your own node with {accelerator} is not at hand; name the job file that describes it "
                "with --config"
            )
        return own

    def kept(self, row: Mapping[str, Any], quantity: str) -> Derivation | None:
        """How a number of one row of the margins is made; None where the table has none."""
        if row[quantity] is None:
            return None
        network, chip, archetype = row["network"], row["accelerator"], str(row["archetype"])
        own = self._own(chip) if archetype == "own" else None
        provider = self.lineage.provider(network, chip, archetype, own)
        price = self.lineage.market(network, chip)
        fee = self._fee(network)
        every = (*([price] if price else []), *([fee] if fee else []), *provider.inputs)
        reward = self._reward(network, chip)
        given = {one.name: one for one in (*every, *reward)}
        formula, names, model, pivot, unit, function = _MARGINS[quantity](_Margin(provider=provider, row=row))
        return Derivation(
            formula=formula, function=function, unit=unit, model=model, pivot=pivot,
            inputs=tuple(given[name] for name in given if names is None or name in names),
        )  # fmt: skip

    def _fee(self, network: str) -> Input | None:
        told = published_band(self.analysis.facts, network, "fee_buyer")
        if told is None:
            return None
        band, kind, source = told
        facts = self.analysis.facts.filter(pl.col("network") == network, pl.col("metric") == "fee_buyer")
        fact = facts.row(0, named=True)
        return Input(
            name="buyer_fee", band=band, unit="fraction", kind=kind, source=source, source_url=fact["source_url"],
            observed_at=fact["observed_at"], layer=str(fact["layer"]), note=fact["note"], domain=(0.0, 10.0),
        )  # fmt: skip

    def _reward(self, network: str, accelerator: str) -> list[Input]:
        facts = self.analysis.facts.filter(pl.col("network") == network).sort("observed_at", descending=True)
        tokens = facts.filter(pl.col("metric") == "reward_per_hour", pl.col("subject") == accelerator)
        price = facts.filter(pl.col("metric") == "token_price")
        return [
            Input(
                name=name, band=Band.certain(rows["value"][0]), unit=rows["unit"][0], kind=str(rows["kind"][0]),
                source=rows["source"][0], source_url=rows["source_url"][0], observed_at=rows["observed_at"][0],
                layer=str(rows["layer"][0]), note=rows["note"][0],
            )
            for name, rows in (("reward_tokens_per_hour", tokens), ("usd_per_token", price))
            if len(rows)
        ]  # fmt: skip

    def outlook(self, words: Sequence[str]) -> Explanation:
        """A number, a date or the verdict of the outlook."""
        picked = pick(self.analysis, "outlook", words)
        row, column, where = picked.row, picked.column, picked.address
        assert column is not None
        if column == "verdict":
            return self._verdict(f"{where} verdict", row)
        if column == "data_age_days":
            return self._age(f"{where} data_age_days", row)
        if column.startswith(("date", "probability_lost")):
            return self._dated(f"{where} {column}", row, column)
        derived = None
        if row["state"] != "not_comparable":
            derived = self.foreseen(row, column.removesuffix("_low").removesuffix("_high"))
        return self._told(
            f"{where} {column}", row, column, derived, row["not_comparable"],
            "effects of the inputs added in quadrature"
            if column.startswith("headroom") and row["quantity"] != "advantage"
            else _OF_LOGS,
        )  # fmt: skip

    def _dated(self, where: str, row: Mapping[str, Any], column: str) -> Explanation:
        """A date of the outlook, or how likely it comes: of the central path, or of the draws."""
        derived = None if row["state"] == "not_comparable" else self.foreseen(row, "date")
        if derived is None or column == "date":
            told = self._told(where, row, column, derived, row["not_comparable"], "")
            return told if derived is None or row[column] else replace(told, value=_never(row), notes=told.notes)
        size, seed = (self.analysis.provenance.get(name, "the run's") for name in ("draws", "seed"))
        lost = derived.formula.removeprefix("first day on which ").removesuffix(" is no longer above zero")
        share = _DATE_WORDS.get(column, "the share")
        by = "by then" if column in _DATE_WORDS else f"by {row['horizon']:%Y-%m-%d}"
        among = " in which the scenario's event happens" if column.endswith("if_event") else ""
        notes = (f"{size} draws of all inputs at once, seed {seed}", "flips are not told of what draws say")
        drawn = replace(
            derived, formula=f"{share} of the draws{among} for which {lost} is no longer above zero {by}", pivot=None,
            note=None, function="depin_compare.economics.uncertainty.spread",
            unit="date" if column in _DATE_WORDS else "share of the draws",
        )  # fmt: skip
        if row["probability_lost"] is None:
            return replace(self._told(where, row, column, drawn, "the run was made without draws", ""), notes=())
        told = replace(self._told(where, row, column, drawn, "the scenario has no event", ""), notes=notes)
        return replace(told, value=_never(row), not_known=None) if column in _DATE_WORDS and not row[column] else told

    def world(self, row: Mapping[str, Any]) -> World:
        """Scenario, pricing and months of a row of the outlook."""
        key = (row["scenario"], str(row["pricing"]), row["horizon"])
        if key not in self._worlds:
            told = scenario_of(self.analysis.scenarios, row["scenario"])
            clock = Clock.between(self.analysis.as_of.date(), row["horizon"])
            self._worlds[key] = World(scenario=told, pricing=str(row["pricing"]), clock=clock)
        return self._worlds[key]

    def _parameters(self, world: World) -> tuple[Input, ...]:
        scenario, frame = world.scenario, self.analysis.scenarios
        made = []
        for name, band in world.inputs.items():
            # Whether an event happens is told by the row of how likely it is.
            parameter = name.replace("event", "event_probability", 1) if name.partition(".")[0] == "event" else name
            told = frame.filter(pl.col("parameter") == parameter, pl.col("scenario").is_in([scenario.id, BASE]))
            row = told.sort(pl.col("scenario") == scenario.id).row(-1, named=True) if told.height else None
            made.append(Input(
                name=name, band=band, unit=row["unit"] if row and name == parameter else "1 if it happens, else 0",
                kind=str(row["kind"]) if row else None, source=row["source_id"] if row else None,
                source_url=self._titles.get(row["source_id"], {}).get("url") if row else None,
                note=row["note"] if row else None, domain=_domain(name),
                address=f"scenario {row['scenario'] if row else scenario.id} {parameter}",
            ))  # fmt: skip
        return tuple(made)

    def foreseen(self, row: Mapping[str, Any], quantity: str) -> Derivation | None:
        """How a number of one row of the outlook is made."""
        world = self.world(row)
        if row["quantity"] == "advantage":
            return self._foreseen_advantage(row, quantity, world)
        return self._foreseen_margin(row, quantity, world)

    def _foreseen_advantage(self, row: Mapping[str, Any], quantity: str, world: World) -> Derivation | None:
        today = self.lineage.advantage(self._cheapest[tuple(str(row[name]) for name in _PAIR)])
        if today is None:
            return None
        if quantity in ("today", "headroom"):
            function = "depin_compare.economics.erosion.headroom" if quantity == "headroom" else today.function
            return replace(today, function=function)
        model = AdvantageModel(world=world, cloud=row["cloud"], silicon=row["silicon"], reference=row["reference"])

        def path(v: Values, at: World) -> Any:
            return replace(model, world=at)({**v, "log_ratio": -math.log(1.0 - today.model(v))})

        parameters = self._parameters(world)
        return self._along(row, quantity, path, (*today.inputs, *parameters), world, _ADVANTAGE_WORDS)

    def _foreseen_margin(self, row: Mapping[str, Any], quantity: str, world: World) -> Derivation | None:
        network, chip, archetype = row["network"], row["accelerator"], row["archetype"]
        provider, price = self.lineage.provider(network, chip, archetype), self.lineage.market(network, chip)
        if price is None or provider.node.missing is not None:
            return None
        parameters = self._parameters(world)
        which = ("full_margin", "full_margin_new_node").index(row["quantity"])
        inputs = (price, *provider.inputs, *parameters)

        def values(v: Values) -> dict[str, float]:
            scenario = {name: v[name] for name in world.inputs}
            return {**provider.values(v), **scenario, price.name: v[price.name]}

        if quantity == "headroom":
            return Derivation(
                formula="min(1, (1 - breakeven price / usd_per_accelerator_hour) / pass_through)",
                function="depin_compare.economics.erosion.margin_headroom", unit="fraction of today's cloud cost",
                inputs=tuple(one for one in inputs if one.name == "pass_through" or one not in parameters),
                pivot=0.0, model=lambda v: float(
                    margin_headroom(
                        v[price.name], node_breakeven_price(provider.values(v)), pass_through=v["pass_through"]
                    )
                ),
            )  # fmt: skip
        return self._along(
            row, quantity, lambda v, at: MarginModel(world=at)(values(v))[which], inputs, world, _MARGIN_WORDS[which]
        )

    def _along(
        self, row: Mapping[str, Any], quantity: str, path: Callable[[Values, World], Any], inputs: tuple[Input, ...],
        world: World, words: str,
    ) -> Derivation:  # fmt: skip
        """A number read off a monthly path: at its start, at its end, or where it is first no longer above zero."""
        function = "depin_compare.economics.outlook.erosion"
        if quantity in ("today", "at_horizon"):
            month = 0 if quantity == "today" else -1
            when = "today" if month == 0 else f"{row['horizon']:%B %Y}"
            return Derivation(
                formula=f"{words}, {when}", function=function, unit="fraction", inputs=inputs, pivot=0.0,
                model=lambda v: float(path(v, world)[month]),
            )  # fmt: skip

        def crossing(v: Values) -> float:
            monthly = 1.0 - path(v, world)[:, None]
            (lost,) = loss_years(lambda t, _: 1.0 - path(v, world.at(t)), monthly, world.clock.years)
            day = world.clock.day(float(lost))
            return math.inf if day is None else float(day.toordinal())

        return Derivation(
            formula=f"first day on which {words} is no longer above zero", function=function, unit="date",
            inputs=inputs, model=crossing, pivot=0.0, signed=lambda v: float(min(path(v, world))),
            note="flips: where the sign is first kept, or first lost, up to the horizon",
        )  # fmt: skip

    def _verdict(self, where: str, row: Mapping[str, Any]) -> Explanation:
        mates = self.analysis.outlook.with_columns(pl.col(pl.Enum).cast(pl.String)).filter(
            *(pl.col(name) == row[name] for name in ("network", "cloud", "silicon", "reference", "scenario", "pricing"))
        )
        notes = [
            f"{mate['quantity']}: {mate['state'].replace('_', ' ')}"
            + (f", a tenth of the draws by {mate['date_p10']:%Y-%m-%d}" if mate["date_p10"] else "")
            + (f", moved most by {mate['driver_1']} and {mate['driver_2']}" if mate["driver_2"] else "")
            for mate in mates.iter_rows(named=True)
        ]
        oldest = mates["data_age_days"].max()
        notes += [f"oldest data {oldest:.0f} days"] if isinstance(oldest, float) else []
        return Explanation(
            address=where, value=row["verdict"], unit=None, function="depin_compare.economics.outlook.erosion",
            formula="eroded: the advantage is gone today; resilient: fewer than a tenth of the draws lose "
            "the advantage, or the margin of a node bought at the time, by the horizon; exposed: everything between",
            notes=tuple(notes), not_known=row["not_comparable"] if row["verdict"] == "not comparable" else None,
        )  # fmt: skip

    def _age(self, where: str, row: Mapping[str, Any]) -> Explanation:
        derived = None if row["state"] == "not_comparable" else self.foreseen(row, "today")
        inputs = derived.inputs if derived is not None else ()
        seen = [one for one in inputs if one.layer and one.observed_at and one.kind != "protocol"]
        return Explanation(
            address=where, value=row["data_age_days"], unit="days",
            function="depin_compare.economics.lineage.age_days",
            formula="days since the oldest of the prices, measured facts and cost estimates it rests on",
            inputs=tuple(self._input(one, None) for one in seen), not_known=row["not_comparable"],
        )  # fmt: skip

    def token(self, words: Sequence[str]) -> Explanation:
        """A number of the token table."""
        picked = pick(self.analysis, "token", words)
        row, where = picked.row, picked.address
        key = ("network", "measure", "subject", "price_basis")
        found = next(one for one in self.token_rows if all(getattr(one, name) == row[name] for name in key))
        bound = {"upper": "no more than this", "lower": "no less than this"}.get(row["bound"] or "")
        told = self._told(where, row, "value", found.derivation, row["not_known"], "")
        return replace(told, notes=tuple(filter(None, [bound, *told.notes])))

    @cached_property
    def token_rows(self) -> list[TokenRow]:
        """Rows of the token table with their derivations."""
        a = self.analysis
        heads = a.headlines.filter(pl.col("accelerator").is_not_null())
        return token_rows(
            a.facts, as_of=a.as_of, margins=a.margins, markets=a.market_prices, comparison=a.comparison,
            assumptions=AssumptionSet(a.assumptions),
            work={r["network"]: (r["accelerator"], r["llm"], r["workload"]) for r in heads.iter_rows(named=True)},
            network_ids=a.token_economics["network"].unique(maintain_order=True).to_list(),
        )  # fmt: skip

    def assumption(self, words: Sequence[str]) -> Explanation:
        """An assumption in force, and where it would flip a number of the first page."""
        picked = pick(self.analysis, "assumption", words)
        row, where = picked.row, picked.address
        one = self.lineage.assumption(row["parameter"])
        return Explanation(
            address=where, value=row["central"], low=row["low"], high=row["high"], unit=row["unit"],
            formula=row["meaning"], inputs=(self._input(one, None),), used_in=tuple(self._uses(where)),
            notes=("Used for every number of the tables that names it; listed are those of the networks' own page.",),
        )  # fmt: skip

    def _uses(self, address: str) -> Iterator[Use]:
        """Full margins and advantages of the networks' headline work that rest on an assumption."""
        for head in self.analysis.headlines.filter(pl.col("accelerator").is_not_null()).iter_rows(named=True):
            network, chip, archetype = head["network"], head["accelerator"], head["archetype"]
            margins = self.analysis.margins.filter(
                pl.col("network") == network, pl.col("accelerator") == chip, pl.col("archetype") == archetype
            )
            for row in margins.iter_rows(named=True):
                there = f"margin {network} {chip} {archetype} full_margin"
                yield from _use(address, there, self.kept(row, "full_margin"))
            pairs = self.analysis.comparison.filter(
                *(pl.col(name) == head[name] for name in ("network", "accelerator", "llm", "workload")),
                pl.col("match") == "cheapest",
            )  # fmt: skip
            for row in pairs.with_columns(pl.col(pl.Enum).cast(pl.String)).iter_rows(named=True):
                key = f"{row['cloud']}/{row['silicon']}/{row['reference']}"
                for column in ("advantage", "advantage_adjusted"):
                    there = f"comparison {network} {chip} {head['llm']} {key} {head['workload']} cheapest {column}"
                    found = list(_use(address, there, self.compared(row, column)))
                    yield from found
                    if found:
                        # What moves the plain advantage moves the adjusted one alike.
                        break

    def scenario(self, words: Sequence[str]) -> Explanation:
        """A parameter of a scenario."""
        picked = pick(self.analysis, "scenario", words)
        row, where = picked.row, picked.address
        one = Input(
            name=row["parameter"], band=Band(row["low"], row["central"], row["high"]), unit=row["unit"],
            kind=row["kind"], source=row["source_id"], note=row["note"],
        )  # fmt: skip
        return Explanation(
            address=where, value=row["central"], low=row["low"], high=row["high"], unit=row["unit"],
            formula=f"{row['title']}: {row['meaning']}", inputs=(self._input(one, None),),
        )  # fmt: skip

    # -- putting it together -------------------------------------------------------------------------------------

    def _told(
        self, where: str, row: Mapping[str, Any], column: str, derived: Derivation | None, reason: str | None, band: str
    ) -> Explanation:
        value = _value(row[column])
        if derived is None:
            return Explanation(address=where, value=value, unit=None, not_known=reason if value is None else None)
        base = column.removesuffix("_low").removesuffix("_high")
        low, high = (_value(row.get(f"{base}{end}")) for end in _ENDS)
        notes = [derived.note] if derived.note else []
        if band and low is not None and high is not None:
            notes.append(f"band {_number(low)} to {_number(high)}: {band}")
        if column != base:
            notes.append(f"the {column.removeprefix(base + '_')} end; formula and flips are those of the central value")
        return Explanation(
            address=where, value=value, low=low, high=high, unit=derived.unit, formula=derived.formula,
            function=derived.function or None, pivot=derived.pivot,
            pivot_words=_pivot_words(derived, row), notes=tuple(notes), not_known=reason if value is None else None,
            inputs=tuple(self._input(one, derived.flips_at(one.name)) for one in derived.inputs),
        )  # fmt: skip

    def _input(self, one: Input, flip: float | None) -> Told:
        source = one.source
        if source not in self._titles and one.layer == "reference" and one.source_url is not None:
            source = self._reference_sources.get((str(source), one.source_url), source)
        title = self._titles.get(source or "")
        within = None if flip is None else one.band.low <= flip <= one.band.high
        return Told(
            name=one.name, value=one.value, low=one.band.low, high=one.band.high, unit=one.unit, kind=one.kind,
            source=source, source_title=f"{title['publisher']}: {title['title']}" if title else None,
            source_url=one.source_url or (title["url"] if title else None), observed_at=_dated(one, title),
            layer=one.layer, note=one.note, address=one.address, flips_at=flip, flips_within_band=within,
        )  # fmt: skip


def _dated(one: Input, source: Mapping[str, Any] | None) -> str | None:
    """Day of an observation or assumption; of anything else that of its source."""
    if one.observed_at is not None:
        return f"{one.observed_at:%Y-%m-%d}"
    return None if source is None else str(source["published"] or source["accessed"])


def _use(address: str, there: str, derived: Derivation | None) -> Iterator[Use]:
    if derived is None:
        return
    for one in derived.inputs:
        if one.address == address:
            yield Use(address=there, value=derived.value(), flips_at=derived.flips_at(one.name))


def _reliability(sides: tuple[Side, Side]) -> Derivation:
    paid = [side.paid_hours for side in sides]
    mine, theirs = paid
    assert mine is not None
    assert theirs is not None
    once = {one.name: one for side in sides for one in side.inputs}
    return Derivation(
        formula="reference_availability (1 - reference_rework_share) "
        "/ (network_availability (1 - network_rework_share)) - 1",
        function="depin_compare.economics.comparison.sla_shadow_premium", unit="fraction", pivot=0.0,
        inputs=tuple(one for one in once.values() if one.name.endswith(("availability", "rework_share"))),
        model=lambda v: mine(v) / theirs(v) - 1.0,
    )  # fmt: skip


_DATE_WORDS = {"date_p10": "a tenth", "date_p50": "half", "date_p90": "nine tenths"}


def _never(row: Mapping[str, Any]) -> str:
    return f"not reached by {row['horizon']:%Y-%m-%d}"


_ADVANTAGE_WORDS = "1 - q_network(t) / q_reference(t), both carried from today's unit prices by the scenario"
_MARGIN_WORDS = (
    "full margin of a node bought today, at the network's price in the scenario",
    "full margin of a node bought at the time, which does the same work with less hardware",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Margin:
    """What the numbers of a row of the margins are made of."""

    provider: NodeLineage
    row: Mapping[str, Any]

    def node(self, v: Values) -> dict[str, float]:
        """The node's inputs; those the number does not rest on stay at their central value."""
        return self.provider.values({**{one.name: one.value for one in self.provider.inputs}, **v})


_PRICE = "usd_per_accelerator_hour"
_Made = tuple[str, set[str] | None, Callable[[Values], float], float | None, str, str]
_HOUR = "USD per hour"
_ECONOMICS = "depin_compare.economics.margins"
_COSTS = "depin_compare.inference.costs"
_POWER = {"utilisation", "pue", "usd_per_kwh", "idle_power_share", "load_kw", "board_power_w", "load_power_over_tdp"}
_CAPEX = {"capex_usd", "card_usd", "card_price_over_launch", "system_usd", "system_capex_factor"}
_CAPITAL = {*_CAPEX, "salvage_share", "cost_of_capital", "life_years"}
_OPEX = {*_CAPEX, "opex_share_of_capex"}
_RECEIPTS = {_PRICE, "take_rate", "utilisation"}
_TENANT = {_PRICE, "buyer_fee", "utilisation"}
_REWARD = {"reward_tokens_per_hour", "usd_per_token"}
_RUNNING = _POWER | _OPEX | {"take_rate"}
_FULL = _RECEIPTS | _POWER | _OPEX | _CAPITAL


def _tenant(v: Values) -> float:
    return v[_PRICE] * (1.0 + v.get("buyer_fee", 0.0)) * v["utilisation"]


def _receipts(v: Values) -> float:
    return v[_PRICE] * (1.0 - v["take_rate"]) * v["utilisation"]


def _reward_per_hour(v: Values) -> float:
    return v["reward_tokens_per_hour"] * v["usd_per_token"] * v["utilisation"]


def _as_is(name: str, names: set[str], unit: str, formula: str) -> Callable[[_Margin], _Made]:
    def made(m: _Margin) -> _Made:
        return formula, names, lambda v: v[name] if name in v else m.node(v)[name], None, unit, ""

    return made


def _profit(m: _Margin, v: Values) -> float:
    margin = node_margin(m.node(v), v[_PRICE])
    costs = (margin.power_usd_per_hour, margin.opex_usd_per_hour, margin.capital_usd_per_hour)
    return float(margin.receipts_usd_per_hour) - sum(float(cost) for cost in costs)


def _stop(values: Values) -> float:
    running = node_running_costs(values)
    del running["capital_usd_per_hour"]
    return float(stop_price(utilisation=values["utilisation"], **running))


_MARGINS: dict[str, Callable[[_Margin], _Made]] = {
    _PRICE: _as_is(_PRICE, {_PRICE}, "USD per accelerator-hour", "median of the offers by accelerators on offer"),
    "buyer_fee": _as_is("buyer_fee", {"buyer_fee"}, "fraction", "middle of the fees over the ways to pay"),
    "take_rate": _as_is(
        "take_rate", {"take_rate"}, "fraction", "share of a payment in dollars, with the spread of minting and settling"
    ),
    "utilisation": _as_is("utilisation", {"utilisation"}, "fraction", "share of hours rented, of the chip if known"),
    "capex_usd": _as_is("capex_usd", _CAPEX, "USD", "price of the card x system_capex_factor, or of the whole system"),
    "tenant_usd_per_hour": lambda _: (
        "usd_per_accelerator_hour x (1 + buyer_fee) x utilisation", _TENANT, _tenant, None, _HOUR, "",
    ),
    "network_take_usd_per_hour": lambda _: (
        "usd_per_accelerator_hour x utilisation x ((1 + buyer_fee) - (1 - take_rate))", _TENANT | _RECEIPTS,
        lambda v: _tenant(v) - _receipts(v), None, _HOUR, "",
    ),
    "network_take_share": lambda _: (
        "1 - (1 - take_rate) / (1 + buyer_fee)", {"take_rate", "buyer_fee"},
        lambda v: 1.0 - (1.0 - v["take_rate"]) / (1.0 + v.get("buyer_fee", 0.0)), None, "fraction",
        "depin_compare.economics.tokenomics.network_take",
    ),
    "power_usd_per_hour": lambda m: (
        "usd_per_kwh x pue x load_kw x (utilisation + idle_power_share x (1 - utilisation))", _POWER,
        lambda v: float(node_margin(m.node(v), 1.0).power_usd_per_hour), None, _HOUR, f"{_COSTS}.power_usd_per_hour",
    ),
    "opex_usd_per_hour": lambda m: (
        "capex_usd x opex_share_of_capex / 8760", _OPEX,
        lambda v: float(node_margin(m.node(v), 1.0).opex_usd_per_hour), None, _HOUR, "",
    ),
    "capital_usd_per_hour": lambda m: (
        "(capex_usd - salvage / (1 + r)^n) x CRF(r, n) / 8760, r = cost_of_capital, n = life_years", _CAPITAL,
        lambda v: float(node_margin(m.node(v), 1.0).capital_usd_per_hour), None, _HOUR,
        f"{_COSTS}.capital_usd_per_hour",
    ),
    "profit_usd_per_hour": lambda m: (
        "receipts - power - running cost - capital, receipts = price x (1 - take_rate) x utilisation", _FULL,
        lambda v: _profit(m, v), 0.0, _HOUR, "",
    ),
    "cash_margin": lambda m: (
        "(receipts - power - running cost) / receipts, receipts = price x (1 - take_rate) x utilisation",
        _RECEIPTS | _POWER | _OPEX, lambda v: float(node_margin(m.node(v), v[_PRICE]).cash), 0.0,
        "fraction of receipts", f"{_ECONOMICS}.provider_margin",
    ),
    "full_margin": lambda m: (
        "(receipts - power - running cost - capital) / receipts, receipts = price x (1 - take_rate) x utilisation",
        _FULL, lambda v: float(node_margin(m.node(v), v[_PRICE]).full), 0.0, "fraction of receipts",
        f"{_ECONOMICS}.provider_margin",
    ),
    "breakeven_usd_per_accelerator_hour": lambda m: (
        "((capital + running cost + idle power) / utilisation + load power) / (1 - take_rate)",
        _RUNNING | _CAPITAL, lambda v: float(node_breakeven_price(m.node(v))), m.row[_PRICE],
        "USD per accelerator-hour", f"{_ECONOMICS}.breakeven_price",
    ),
    "breakeven_utilisation": lambda m: (
        "(capital + running cost + idle power) / (price x (1 - take_rate) - load power + idle power)",
        (_FULL - {"utilisation"}),
        lambda v: float(breakeven_utilisation(v[_PRICE], **node_running_costs(m.node(v)))), m.row["utilisation"],
        "fraction", f"{_ECONOMICS}.breakeven_utilisation",
    ),
    "stop_usd_per_accelerator_hour": lambda m: (
        "((running cost + idle power) / utilisation + load power) / (1 - take_rate)", _RUNNING,
        lambda v: _stop(m.node(v)), m.row[_PRICE], "USD per accelerator-hour", f"{_ECONOMICS}.stop_price",
    ),
    "reward_usd_per_hour": lambda _: (
        "reward_tokens_per_hour x usd_per_token x utilisation", {*_REWARD, "utilisation"}, _reward_per_hour, None,
        _HOUR, "",
    ),
    "full_margin_with_rewards": lambda m: (
        "(receipts + reward - power - running cost - capital) / (receipts + reward)", _FULL | _REWARD,
        lambda v: float(node_margin(m.node(v), v[_PRICE], reward=_reward_per_hour(v)).full), 0.0,
        "fraction of receipts", f"{_ECONOMICS}.provider_margin",
    ),
}  # fmt: skip


def _pivot_words(derived: Derivation, row: Mapping[str, Any]) -> str | None:
    if derived.pivot is None:
        return None
    if derived.pivot == 0.0:
        return "its sign"
    if derived.unit.startswith("USD per accelerator-hour") and row.get(_PRICE) == derived.pivot:
        return "whether the market's price covers it"
    if derived.unit == "fraction" and row.get("utilisation") == derived.pivot:
        return "whether the share of hours rented suffices"
    if derived.unit.startswith("USD"):
        return "which side is the cheaper"
    return f"whether it is above {derived.pivot:g}"


def _value(value: Any) -> float | str | None:
    if isinstance(value, date | datetime):
        return value.isoformat()
    return float(value) if isinstance(value, int | float) else value


def _number(value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return "not known" if value is None else value
    if abs(value) >= 10_000 and math.isfinite(value):
        return f"{value:,.0f}"
    return f"{value:.5g}" if abs(value) >= 1000 else f"{value:.4g}"


_KIND_WORDS = {"third_party": "third party", "vendor_claim": "vendor claim", "protocol": "protocol fact"}


def _lines(told: Explanation) -> Iterator[str]:
    yield told.address
    unit = f" {told.unit}" if told.unit and told.value is not None and told.unit not in ("-", "date") else ""
    value = f"not known: {told.not_known}" if told.value is None else _number(told.value) + unit
    band = f"  (low {_number(told.low)}, high {_number(told.high)})" if told.low is not None else ""
    yield f"  {value}{band}"
    if told.formula:
        yield f"  = {told.formula}"
    if told.function:
        yield f"    {told.function}"
    for note in told.notes:
        yield f"  {note}"
    for one in told.inputs:
        yield ""
        band = "" if one.low == one.high else f"  (low {_number(one.low)}, high {_number(one.high)})"
        yield f"  {one.name}: {_number(one.value)} {one.unit}{band}"
        origin = [
            _KIND_WORDS.get(one.kind or "", one.kind),
            one.source_title or one.source,
            one.observed_at,
            one.layer if one.layer != "reference" else "reference data",
        ]
        yield f"    {', '.join(part for part in origin if part) or 'worked out in this run'}"
        if one.source_url and one.source_url.startswith("http"):
            yield f"    {one.source_url}"
        if one.note:
            yield f"    {one.note}"
        if one.address:
            yield f"    see: explain {one.address}"
        if told.pivot is not None:
            where = " within its band" if one.flips_within_band else ", outside its band"
            yield (
                f"    no value within its domain flips {told.pivot_words}"
                if one.flips_at is None
                else f"    flips {told.pivot_words} at {_number(one.flips_at)}{where}"
            )
    if told.used_in:
        yield ""
        width = max(len(use.address) for use in told.used_in)
        yield f"  {'used in':<{width}}  {'value':>8}  flips its sign at"
        for use in told.used_in:
            flip = "no value within its domain" if use.flips_at is None else _number(use.flips_at)
            yield f"  {use.address:<{width}}  {_number(use.value):>8}  {flip}"
