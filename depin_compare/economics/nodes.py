"""A provider's node: the bands of what one accelerator with its share of the machine costs to own and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dataframely as dy
import polars as pl

from depin_compare.bands import Band
from depin_compare.errors import ModelDomainError, UnknownNameError
from depin_compare.market.overrides import UserChanges
from depin_compare.refdata import accelerators, hardware_prices, networks
from depin_compare.refdata.assumption_set import AssumptionSet

__all__ = [
    "ARCHETYPES",
    "NODE_INPUTS",
    "NO_NODE",
    "PACKAGED_ARCHETYPES",
    "Node",
    "OwnNode",
    "archetypes_of",
    "hardware_of",
    "minting_facts",
    "node",
    "node_changes",
    "own_node",
    "take_rate_facts",
    "utilisation_facts",
]

# own: the node the user describes; what he leaves out is that of the archetype his is like.
PACKAGED_ARCHETYPES = ("home", "data_centre")
ARCHETYPES = (*PACKAGED_ARCHETYPES, "own")
# Data-centre cards need a rack, its power and its cooling; consumer cards are found in both places.
_ARCHETYPES_OF_FAMILY = {
    "consumer": ("home", "data_centre"),
    "workstation": ("home", "data_centre"),
    "datacenter": ("data_centre",),
    "custom": (),
}
# Why nothing is known of who supplies a chip that has no archetype.
NO_NODE = "no node with its chip is in the model"
_BY_ARCHETYPE = ("life_years", "salvage_share", "opex_share_of_capex", "pue", "usd_per_kwh", "idle_power_share")
# What an owner may know of his node better than the reference data do.
NODE_INPUTS = (*_BY_ARCHETYPE, "utilisation", "cost_of_capital", "load_kw", "capex_usd")


def archetypes_of(accelerator: str) -> tuple[str, ...]:
    """Which archetypes of provider can own this chip; none for a chip only its maker runs.

    >>> archetypes_of("h100-sxm")
    ('data_centre',)
    """
    family = accelerators().filter(pl.col("accelerator") == accelerator)["family"]
    return _ARCHETYPES_OF_FAMILY[family.item()] if len(family) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Inputs of one node's economics; ``reasons`` says of every input that is unknown, and left out, why.

    ``paid_in_tokens`` marks a network that pays its nodes in minted tokens alone, whatever the tenant paid: what
    the node earns is then its reward, and its margin without rewards means nothing.

    ``inputs`` hold, where known: take_rate, utilisation, cost_of_capital, life_years, salvage_share,
    opex_share_of_capex, pue, usd_per_kwh, idle_power_share, load_kw, capex_usd.
    """

    inputs: Mapping[str, Band]
    utilisation_kind: str
    reasons: Mapping[str, str]
    paid_in_tokens: bool = False

    @property
    def missing(self) -> str | None:
        """Every unknown input in words; None where all are known."""
        return "; ".join(self.reasons.values()) or None

    def central(self) -> dict[str, float]:
        """The central value of every input."""
        return {name: band.central for name, band in self.inputs.items()}


# Beyond these lies a slip of the decimal point or a per cent taken for a fraction.
_RANGES = {
    "utilisation": (0.0, 1.0), "cost_of_capital": (0.0, 1.0), "life_years": (0.5, 30.0), "salvage_share": (0.0, 1.0),
    "opex_share_of_capex": (0.0, 1.0), "pue": (1.0, 5.0), "usd_per_kwh": (0.0, 5.0), "idle_power_share": (0.0, 1.0),
    "load_kw": (0.0, 20.0), "capex_usd": (0.0, 1e6),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNode:
    """The user's node: his chip, what he knows of it, and the archetype that fills in the rest.

    Parameters
    ----------
    accelerator : str
        Id of the chip.
    inputs : mapping
        Any of `NODE_INPUTS`, per accelerator with its share of the machine.
    like : str
        ``home`` or ``data_centre``: whose assumptions stand where ``inputs`` says nothing.
    networks : tuple of str, optional
        Networks he could rent it out on; default: every network with a price for the chip.

    Raises
    ------
    UnknownNameError
        If the chip, an input or the archetype does not exist.
    ModelDomainError
        If an input lies outside what a node can be.
    """

    accelerator: str
    inputs: Mapping[str, Band]
    like: str = "home"
    networks: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        known = accelerators()["accelerator"]
        if self.accelerator not in known:
            raise UnknownNameError("accelerator", self.accelerator, known)
        if self.like not in PACKAGED_ARCHETYPES:
            raise UnknownNameError("archetype", self.like, PACKAGED_ARCHETYPES)
        for unknown in (name for name in self.inputs if name not in NODE_INPUTS):
            raise UnknownNameError("input of a node", unknown, NODE_INPUTS)
        for name, band in self.inputs.items():
            least, most = _RANGES[name]
            if not least <= band.low <= band.high <= most:
                raise ModelDomainError(f"{name} is {band.low:g} to {band.high:g}, expected {least:g} to {most:g}")


NODE_UNITS = {
    "utilisation": "fraction", "cost_of_capital": "fraction per year", "life_years": "years",
    "salvage_share": "fraction of capex", "opex_share_of_capex": "fraction of capex per year", "pue": "ratio",
    "usd_per_kwh": "USD per kWh", "idle_power_share": "fraction of load power", "load_kw": "kW", "capex_usd": "USD",
}  # fmt: skip


def node_changes(nodes: Sequence[OwnNode]) -> dy.DataFrame[UserChanges]:
    """What the user said of his nodes, as rows of what he changed; it moves no number but theirs."""
    rows = [
        {
            "table": "node", "key": f"{own.accelerator}.{name}", "after": band.central, "unit": NODE_UNITS[name],
            "in_force": True, "note": None if band.low == band.high else f"{band.low:g} to {band.high:g}",
        }
        for own in nodes
        for name, band in own.inputs.items()
    ]  # fmt: skip
    return UserChanges.validate(pl.DataFrame(rows, schema=UserChanges.create_empty().schema))


def own_node(network: str, own: OwnNode, facts: pl.DataFrame, assumptions: AssumptionSet) -> Node:
    """The user's node on one network: what he gave, and for the rest what `node` knows.

    >>> from depin_compare.bands import Band
    >>> from depin_compare.market.reference import reference_facts
    >>> from depin_compare.refdata.assumption_set import assumption_set
    >>> mine = OwnNode(accelerator="rtx-4090", inputs={"usd_per_kwh": Band.certain(0.21)})
    >>> own_node("akash", mine, reference_facts(), assumption_set()).inputs["usd_per_kwh"].central
    0.21
    """
    rest = node(network, own.accelerator, own.like, facts, assumptions)
    told = {name: why for name, why in rest.reasons.items() if name not in own.inputs}
    return Node(
        inputs={**rest.inputs, **own.inputs},
        utilisation_kind="assumption" if "utilisation" in own.inputs else rest.utilisation_kind,
        reasons=told,
        paid_in_tokens=rest.paid_in_tokens,
    )


def node(network: str, accelerator: str, archetype: str, facts: pl.DataFrame, assumptions: AssumptionSet) -> Node:
    """The node of one archetype with one chip on one network.

    Parameters
    ----------
    network, accelerator : str
        Ids.
    archetype : str
        ``home`` or ``data_centre``.
    facts : DataFrame[NetworkFacts]
        ``take_rate_provider`` and ``utilisation`` of the network, valid on the day of the analysis.
    assumptions : AssumptionSet
        In force.

    Returns
    -------
    Node
        ``missing`` names every input nobody publishes; none of them is replaced by a guess.
    """

    def assumed(parameter: str) -> Band:
        return assumptions[f"{parameter}_{archetype}"]

    measured = _measured_utilisation(facts, network, accelerator, assumptions["utilisation_drift"].central)
    chip = accelerators().filter(pl.col("accelerator") == accelerator)
    power_w = chip["power_w"].item() if len(chip) else None
    draw = assumed("load_power_over_tdp")
    paid_in_tokens = bool(minting_facts(facts, network).height)
    known: dict[str, Band | None] = {
        "take_rate": Band.certain(1.0) if paid_in_tokens else _take_rate(facts, network),
        "load_kw": None if power_w is None else _scaled(draw, power_w / 1000.0),
        "capex_usd": _capex_usd(
            accelerator, archetype, assumed("system_capex_factor"), assumptions["card_price_over_launch"]
        ),
    }
    words = {
        "take_rate": f"{_name_of(network)} publishes no take rate",
        "load_kw": "nobody publishes what this chip draws",
        "capex_usd": "no sourced price to buy this chip",
    }
    return Node(
        inputs={
            "utilisation": measured[0] if measured else assumed("utilisation"),
            "cost_of_capital": assumptions["cost_of_capital"],
            **{name: assumed(name) for name in _BY_ARCHETYPE},
            **{name: band for name, band in known.items() if band is not None},
        },
        utilisation_kind=measured[1] if measured else "assumption",
        reasons={name: words[name] for name, band in known.items() if band is None},
        paid_in_tokens=paid_in_tokens,
    )


def _scaled(band: Band, factor: float) -> Band:
    return Band(band.low * factor, band.central * factor, band.high * factor)


# Of several ways to pay, the one that is priced in dollars stands for all; the others are ends of the band.
_DOLLAR_TOKENS = ("ACT", "USDC")


def minting_facts(facts: pl.DataFrame, network: str) -> pl.DataFrame:
    """The facts that say a network pays its nodes in minted tokens alone; none where it does not."""
    return facts.filter(pl.col("network") == network, pl.col("metric") == "paid_in_minted_tokens", pl.col("value") == 1)


def take_rate_facts(facts: pl.DataFrame, network: str) -> pl.DataFrame:
    """What the network keeps for every way to pay; the one that stands for all first."""
    dollars = pl.col("subject").is_in(_DOLLAR_TOKENS).fill_null(False)
    rows = facts.filter(pl.col("network") == network, pl.col("metric") == "take_rate_provider")
    return rows.sort(
        dollars, pl.when(dollars).then(0.0).otherwise("value"), descending=[True, True], maintain_order=True
    )


def utilisation_facts(facts: pl.DataFrame, network: str, accelerator: str) -> pl.DataFrame:
    """The shares rented a network publishes for a chip or for all of them, the one that counts first.

    What answers now goes before what was stored, and that before what somebody once wrote down; of one layer,
    the chip's own figure goes before the network's.
    """
    return facts.filter(
        pl.col("network") == network,
        pl.col("metric") == "utilisation",
        pl.col("subject").is_null() | (pl.col("subject") == accelerator),
    ).sort(pl.col("layer").to_physical(), pl.col("subject").is_null(), "observed_at", descending=[False, False, True])


def _take_rate(facts: pl.DataFrame, network: str) -> Band | None:
    """What the network keeps of a payment in dollars, with the other ways to pay as the ends of the band.

    The spread between minting and settling a burn-mint credit is kept from the payment as well. None where the
    network publishes nothing.
    """
    rates = take_rate_facts(facts, network)["value"].to_list()
    if not rates:
        return None
    spreads = facts.filter(pl.col("network") == network, pl.col("metric") == "mint_settle_spread")["value"]
    values = [float(value) + float(spreads.sum()) for value in rates]
    return Band(min(values), values[0], max(values))


def _name_of(network: str) -> str:
    known = networks().filter(pl.col("network") == network)["display_name"]
    return str(known[0]) if len(known) else network


def _measured_utilisation(facts: pl.DataFrame, network: str, accelerator: str, drift: float) -> tuple[Band, str] | None:
    """The share rented that the network publishes, and how it is known; not live, it may have drifted since."""
    rows = utilisation_facts(facts, network, accelerator)
    if rows.is_empty():
        return None
    share, kind, layer = rows.select("value", "kind", "layer").row(0)
    spread = 0.0 if layer == "live" else drift
    return Band(max(0.0, share - spread), float(share), min(1.0, share + spread)), str(kind)


def hardware_of(accelerator: str, archetype: str) -> tuple[str, str, pl.DataFrame] | None:
    """What a node of an archetype is bought as: ``system`` or ``card``, its condition, and the prices that count.

    A data centre buys whole new systems where a price for them is known, else cards; a home rig is built from
    cards, second-hand before new. Of several prices of one sort the newest year counts. A launch price is not
    today's, and stands only where there is no other. None where nobody prints a price.
    """
    prefer = [("system", "new"), ("card", "new"), ("card", "used"), ("card", "launch")]
    if archetype == "home":
        prefer = [("card", "used"), ("card", "new"), ("card", "launch"), ("system", "new")]
    prices = hardware_prices().filter(pl.col("accelerator") == accelerator)
    for item, condition in prefer:
        rows = prices.filter(pl.col("item") == item, pl.col("condition") == condition)
        if rows.height:
            newest = rows.filter(pl.col("as_of").dt.year() == rows["as_of"].dt.year().max()).sort("as_of")
            return item, condition, newest
    return None


def _capex_usd(accelerator: str, archetype: str, system_factor: Band, over_launch: Band) -> Band | None:
    """Price of the accelerator with its share of the machine.

    Of a card alone, times the factor; of a launch price, times the assumption of how far it has moved since.
    """
    found = hardware_of(accelerator, archetype)
    if found is None:
        return None
    item, condition, rows = found
    low, high = rows.select(pl.col("usd_low").min(), pl.col("usd_high").max()).row(0)
    central = (low + high) / 2.0
    if condition == "launch":
        low, central, high = low * over_launch.low, central * over_launch.central, high * over_launch.high
    if item == "system":
        return Band(low, central, high)
    return Band(low * system_factor.low, central * system_factor.central, high * system_factor.high)
