"""A provider's node: the bands of what one accelerator with its share of the machine costs to own and run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from depin_compare.bands import Band
from depin_compare.refdata import accelerators, hardware_prices
from depin_compare.refdata.assumption_set import AssumptionSet

__all__ = ["ARCHETYPES", "Node", "archetypes_of", "node"]

ARCHETYPES = ("home", "data_centre")
# Data-centre cards need a rack, its power and its cooling; consumer cards are found in both places.
_ARCHETYPES_OF_FAMILY = {
    "consumer": ("home", "data_centre"),
    "workstation": ("home", "data_centre"),
    "datacenter": ("data_centre",),
    "custom": (),
}
_BY_ARCHETYPE = ("life_years", "salvage_share", "opex_share_of_capex", "pue", "usd_per_kwh", "idle_power_share")


def archetypes_of(accelerator: str) -> tuple[str, ...]:
    """Which archetypes of provider can own this chip; none for a chip only its maker runs.

    >>> archetypes_of("h100-sxm")
    ('data_centre',)
    """
    family = accelerators().filter(pl.col("accelerator") == accelerator)["family"]
    return _ARCHETYPES_OF_FAMILY[family.item()] if len(family) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Inputs of one node's economics; where ``missing`` is set, the inputs it names are unknown and left out.

    ``paid_in_tokens`` marks a network that pays its nodes in minted tokens alone, whatever the tenant paid: what
    the node earns is then its reward, and its margin without rewards means nothing.

    ``inputs`` hold, where known: take_rate, utilisation, cost_of_capital, life_years, salvage_share,
    opex_share_of_capex, pue, usd_per_kwh, idle_power_share, load_kw, capex_usd.
    """

    inputs: Mapping[str, Band]
    utilisation_kind: str
    paid_in_tokens: bool
    missing: str | None

    def central(self) -> dict[str, float]:
        """The central value of every input."""
        return {name: band.central for name, band in self.inputs.items()}


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
    paid_in_tokens = not facts.filter(
        pl.col("network") == network, pl.col("metric") == "paid_in_minted_tokens", pl.col("value") == 1
    ).is_empty()
    known: dict[str, Band | None] = {
        "take_rate": Band.certain(1.0) if paid_in_tokens else _take_rate(facts, network),
        "load_kw": None if power_w is None else _scaled(draw, power_w / 1000.0),
        "capex_usd": _capex_usd(
            accelerator, archetype, assumed("system_capex_factor"), assumptions["card_price_over_launch"]
        ),
    }
    words = {
        "take_rate": f"{network} publishes no take rate",
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
        paid_in_tokens=paid_in_tokens,
        missing="; ".join(words[name] for name, band in known.items() if band is None) or None,
    )


def _scaled(band: Band, factor: float) -> Band:
    return Band(band.low * factor, band.central * factor, band.high * factor)


# Of several ways to pay, the one that is priced in dollars stands for all; the others are ends of the band.
_DOLLAR_TOKENS = ("ACT", "USDC")


def _take_rate(facts: pl.DataFrame, network: str) -> Band | None:
    """What the network keeps of a payment in dollars, with the other ways to pay as the ends of the band.

    The spread between minting and settling a burn-mint credit is kept from the payment as well. None where the
    network publishes nothing.
    """
    own = facts.filter(pl.col("network") == network)
    rates = own.filter(pl.col("metric") == "take_rate_provider").select("subject", "value")
    if rates.is_empty():
        return None
    spread = float(own.filter(pl.col("metric") == "mint_settle_spread")["value"].sum())
    values = [float(value) + spread for value in rates["value"]]
    dollars = [float(v) + spread for s, v in rates.iter_rows() if s in _DOLLAR_TOKENS]
    return Band(min(values), dollars[0] if dollars else max(values), max(values))


def _measured_utilisation(facts: pl.DataFrame, network: str, accelerator: str, drift: float) -> tuple[Band, str] | None:
    """The share rented that the network publishes, and how it is known.

    What answers now goes before what was stored, and that before what somebody once wrote down; of one layer,
    the chip's own figure goes before the network's. A figure that is not live may have drifted since.
    """
    rows = facts.filter(
        pl.col("network") == network,
        pl.col("metric") == "utilisation",
        pl.col("subject").is_null() | (pl.col("subject") == accelerator),
    ).sort(pl.col("layer").to_physical(), pl.col("subject").is_null(), "observed_at", descending=[False, False, True])
    if rows.is_empty():
        return None
    share, kind, layer = rows.select("value", "kind", "layer").row(0)
    spread = 0.0 if layer == "live" else drift
    return Band(max(0.0, share - spread), float(share), min(1.0, share + spread)), str(kind)


def _capex_usd(accelerator: str, archetype: str, system_factor: Band, over_launch: Band) -> Band | None:
    """Price of the accelerator with its share of the machine.

    A data centre buys whole new systems where a price for them is known, else cards times a factor; a home
    rig is built from cards, second-hand before new. Of several prices of one sort the newest year counts. A
    launch price is not today's: where there is no other, the assumption of how far it has moved is applied.
    """
    prefer = [("system", "new"), ("card", "new"), ("card", "used"), ("card", "launch")]
    if archetype == "home":
        prefer = [("card", "used"), ("card", "new"), ("card", "launch"), ("system", "new")]
    prices = hardware_prices().filter(pl.col("accelerator") == accelerator)
    for item, condition in prefer:
        rows = prices.filter(pl.col("item") == item, pl.col("condition") == condition)
        if rows.is_empty():
            continue
        newest = rows.filter(pl.col("as_of").dt.year() == rows["as_of"].dt.year().max())
        low, high = newest.select(pl.col("usd_low").min(), pl.col("usd_high").max()).row(0)
        central = (low + high) / 2.0
        if condition == "launch":
            low, central, high = low * over_launch.low, central * over_launch.central, high * over_launch.high
        if item == "system":
            return Band(low, central, high)
        return Band(low * system_factor.low, central * system_factor.central, high * system_factor.high)
    return None
