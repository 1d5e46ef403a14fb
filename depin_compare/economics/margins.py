"""What a provider keeps: cash and full-cost margin, and the price and utilisation at which he breaks even."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dataframely as dy
import numpy as np
import polars as pl

from depin_compare.bands import Band, left_over_band
from depin_compare.doors import Schema
from depin_compare.economics.nodes import ARCHETYPES, Node, OwnNode, archetypes_of, node, own_node, utilisation_facts
from depin_compare.errors import ModelDomainError
from depin_compare.inference.costs import capital_usd_per_hour, power_usd_per_hour
from depin_compare.inference.sellers import published_band
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.freshness import FRESHNESS, expired_reason
from depin_compare.market.offers import LAYERS
from depin_compare.market.prices import MarketPrices
from depin_compare.refdata.assumption_set import AssumptionSet
from depin_compare.units import HOURS_PER_YEAR, FloatOrArray

__all__ = [
    "PAID_IN_TOKENS",
    "Margins",
    "ProviderMargin",
    "breakeven_price",
    "breakeven_utilisation",
    "margins",
    "node_breakeven_price",
    "node_margin",
    "node_running_costs",
    "provider_freshness",
    "provider_margin",
    "reward_usd_per_rented_hour",
    "stop_price",
]


PAID_IN_TOKENS = "the network burns the payment and pays nodes in minted tokens"


class Margins(Schema):
    """One row a network x accelerator x archetype: what the node's owner keeps of the tenant's price.

    Amounts are USD per calendar hour and accelerator. ``tenant_usd_per_hour`` is price with the buyer's fee times
    utilisation; ``network_take_usd_per_hour`` what the network keeps of it, on either side of the bill, and
    ``network_take_share`` the share that is. Margins are fractions of the receipts, without token rewards;
    ``full_margin_with_rewards`` adds them where they are known. Below ``stop_usd_per_accelerator_hour`` the node
    earns less than its power and running cost. ``freshness`` is the worst of the price, the measured use and, where the
    row counts rewards, the token's price; beyond the price's limit no margin is told. Archetype ``own`` is the node
    the user described. Unknown inputs
    leave nulls and a reason in ``not_known``.
    """

    network = dy.String(nullable=False)
    accelerator = dy.String(nullable=False)
    archetype = dy.Enum(ARCHETYPES, nullable=False)
    usd_per_accelerator_hour = dy.Float64(nullable=True, min_exclusive=0)
    buyer_fee = dy.Float64(nullable=True, min=0)
    take_rate = dy.Float64(nullable=True, min=0, max=1)
    utilisation = dy.Float64(nullable=True, min=0, max=1)
    utilisation_kind = dy.String(nullable=True)
    tenant_usd_per_hour = dy.Float64(nullable=True)
    network_take_usd_per_hour = dy.Float64(nullable=True)
    network_take_share = dy.Float64(nullable=True, max=1)
    power_usd_per_hour = dy.Float64(nullable=True)
    opex_usd_per_hour = dy.Float64(nullable=True)
    capital_usd_per_hour = dy.Float64(nullable=True)
    profit_usd_per_hour = dy.Float64(nullable=True)
    capex_usd = dy.Float64(nullable=True)
    cash_margin = dy.Float64(nullable=True, allow_inf=True)
    full_margin = dy.Float64(nullable=True, allow_inf=True)
    full_margin_low = dy.Float64(nullable=True, allow_inf=True)
    full_margin_high = dy.Float64(nullable=True, max=1, allow_inf=True)
    breakeven_usd_per_accelerator_hour = dy.Float64(nullable=True, allow_inf=True)
    breakeven_utilisation = dy.Float64(nullable=True, allow_inf=True)
    stop_usd_per_accelerator_hour = dy.Float64(nullable=True, allow_inf=True)
    reward_usd_per_hour = dy.Float64(nullable=True)
    full_margin_with_rewards = dy.Float64(nullable=True, allow_inf=True)
    price_kind = dy.String(nullable=True)
    observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)
    layer = dy.Enum(LAYERS, nullable=True)
    freshness = dy.Enum(FRESHNESS, nullable=True)
    not_known = dy.String(nullable=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderMargin:
    """Margins of one node, as fractions of what the provider receives.

    ``cash`` leaves out capital, ``full`` includes it; both are -inf when nothing is received.
    """

    cash: FloatOrArray
    full: FloatOrArray
    receipts_usd_per_hour: FloatOrArray
    power_usd_per_hour: FloatOrArray
    opex_usd_per_hour: FloatOrArray
    capital_usd_per_hour: FloatOrArray


def _fraction(name: str, value: FloatOrArray) -> None:
    if not np.all((np.asarray(value) >= 0) & (np.asarray(value) <= 1)):
        raise ModelDomainError(f"{name} must be within 0..1, got {value}")


def provider_margin(
    usd_per_accelerator_hour: FloatOrArray,
    *,
    utilisation: FloatOrArray,
    capital_usd_per_hour: FloatOrArray,
    load_kw: FloatOrArray,
    idle_kw: FloatOrArray,
    usd_per_kwh: FloatOrArray,
    pue: FloatOrArray = 1.0,
    opex_usd_per_hour: FloatOrArray = 0.0,
    take_rate: FloatOrArray = 0.0,
    reward_usd_per_hour: FloatOrArray = 0.0,
) -> ProviderMargin:
    r"""Cash and full-cost margin of an accelerator that is rented a share of the time.

    Parameters
    ----------
    usd_per_accelerator_hour : float or ndarray
        Tenant price p, >= 0. [USD per accelerator-hour]
    utilisation : float or ndarray
        Share of hours rented u, 0 to 1. [fraction]
    capital_usd_per_hour : float or ndarray
        k, see `depin_compare.inference.costs.capital_usd_per_hour`. [USD per hour]
    load_kw, idle_kw, pue, usd_per_kwh : float or ndarray
        Power, see `depin_compare.inference.costs.power_usd_per_hour`.
    opex_usd_per_hour : float or ndarray
        Fixed running cost O: space, network, staff, repair. [USD per hour]
    take_rate : float or ndarray
        What the network keeps of the tenant's payment, f, 0 to 1. [fraction]
    reward_usd_per_hour : float or ndarray
        Token rewards per calendar hour at the token's price; 0 for "without token". [USD per hour]

    Returns
    -------
    ProviderMargin
        With the four amounts the margins are made of.

    Raises
    ------
    ModelDomainError
        If a fraction lies outside 0..1 or a price is negative.

    Notes
    -----
    .. math::
        m_c = \frac{R - e\,PUE\,(k_l u + k_i(1-u)) - O}{R}, \quad m_f = m_c - k / R, \quad R = p(1-f)u + w

    Examples
    --------
    >>> m = provider_margin(1.86, utilisation=0.7, capital_usd_per_hour=1.12296, load_kw=1.0, idle_kw=0.3,
    ...                     usd_per_kwh=0.08, pue=1.3, opex_usd_per_hour=0.18265)
    >>> round(m.cash, 3), round(m.full, 3)
    (0.797, -0.066)
    """
    _fraction("utilisation", utilisation)
    _fraction("take_rate", take_rate)
    if not np.all(np.asarray(usd_per_accelerator_hour) >= 0):
        raise ModelDomainError("usd_per_accelerator_hour must be >= 0")
    receipts = usd_per_accelerator_hour * (1.0 - take_rate) * utilisation + reward_usd_per_hour
    power = power_usd_per_hour(
        load_kw=load_kw, idle_kw=idle_kw, utilisation=utilisation, pue=pue, usd_per_kwh=usd_per_kwh
    )
    cash_cost = power + opex_usd_per_hour
    return ProviderMargin(
        cash=_share(receipts - cash_cost, receipts),
        full=_share(receipts - cash_cost - capital_usd_per_hour, receipts),
        receipts_usd_per_hour=receipts,
        power_usd_per_hour=power,
        opex_usd_per_hour=opex_usd_per_hour,
        capital_usd_per_hour=capital_usd_per_hour,
    )


def _share(part: FloatOrArray, whole: FloatOrArray) -> FloatOrArray:
    """part / whole, -inf where the whole is nothing: a node that earns nothing has no margin, not a 0% one."""
    whole_array = np.asarray(whole, dtype=float)
    share = np.divide(
        part, whole_array, out=np.full(np.broadcast(part, whole_array).shape, -np.inf), where=whole_array > 0
    )
    return float(share) if share.ndim == 0 else share


def breakeven_price(
    *,
    utilisation: FloatOrArray,
    capital_usd_per_hour: FloatOrArray,
    load_kw: FloatOrArray,
    idle_kw: FloatOrArray,
    usd_per_kwh: FloatOrArray,
    pue: FloatOrArray = 1.0,
    opex_usd_per_hour: FloatOrArray = 0.0,
    take_rate: FloatOrArray = 0.0,
) -> FloatOrArray:
    r"""Tenant price at which the full-cost margin is zero. [USD per accelerator-hour]

    Parameters
    ----------
    utilisation, capital_usd_per_hour, load_kw, idle_kw, usd_per_kwh, pue, opex_usd_per_hour, take_rate
        As in `provider_margin`. At zero utilisation or a take rate of one no price suffices: infinite.

    Returns
    -------
    float or ndarray
        p*, >= 0, or infinity. [USD per accelerator-hour]

    Raises
    ------
    ModelDomainError
        If a fraction lies outside 0..1.

    Notes
    -----
    .. math:: p^* = \frac{(k + O + e\,PUE\,k_i(1-u))/u + e\,PUE\,k_l}{1-f}

    Examples
    --------
    >>> round(breakeven_price(utilisation=0.7, capital_usd_per_hour=1.12296, load_kw=1.0, idle_kw=0.3,
    ...                       usd_per_kwh=0.08, pue=1.3, opex_usd_per_hour=0.18265), 3)
    1.983
    """
    _fraction("utilisation", utilisation)
    _fraction("take_rate", take_rate)
    energy = np.asarray(usd_per_kwh * pue, dtype=float)
    u = np.asarray(utilisation, dtype=float)
    kept = u * (1.0 - np.asarray(take_rate, dtype=float))
    needed = capital_usd_per_hour + opex_usd_per_hour + energy * (idle_kw * (1.0 - u) + load_kw * u)
    price = np.divide(needed, kept, out=np.full(np.broadcast(needed, kept).shape, np.inf), where=kept > 0)
    return float(price) if price.ndim == 0 else price


def stop_price(
    *,
    utilisation: FloatOrArray,
    load_kw: FloatOrArray,
    idle_kw: FloatOrArray,
    usd_per_kwh: FloatOrArray,
    pue: FloatOrArray = 1.0,
    opex_usd_per_hour: FloatOrArray = 0.0,
    take_rate: FloatOrArray = 0.0,
) -> FloatOrArray:
    r"""Tenant price below which a node that is paid for is better switched off. [USD per accelerator-hour]

    Parameters
    ----------
    utilisation, load_kw, idle_kw, usd_per_kwh, pue, opex_usd_per_hour, take_rate
        As in `provider_margin`; the running cost is taken to end with the node. At zero utilisation or a take rate
        of one no price suffices: infinite.

    Returns
    -------
    float or ndarray
        Price of a cash margin of zero, >= 0, or infinity. [USD per accelerator-hour]

    Raises
    ------
    ModelDomainError
        If a fraction lies outside 0..1.

    Notes
    -----
    .. math:: p_{stop} = \frac{(O + e\,PUE\,k_i(1-u))/u + e\,PUE\,k_l}{1-f}

    `breakeven_price` with the capital left out: it is spent whether the node runs or not.

    Examples
    --------
    >>> round(stop_price(utilisation=0.7, load_kw=0.45, idle_kw=0.06, usd_per_kwh=0.16), 4)
    0.0761
    """
    return breakeven_price(
        utilisation=utilisation, capital_usd_per_hour=0.0, load_kw=load_kw, idle_kw=idle_kw,
        usd_per_kwh=usd_per_kwh, pue=pue, opex_usd_per_hour=opex_usd_per_hour, take_rate=take_rate,
    )  # fmt: skip


def breakeven_utilisation(
    usd_per_accelerator_hour: FloatOrArray,
    *,
    capital_usd_per_hour: FloatOrArray,
    load_kw: FloatOrArray,
    idle_kw: FloatOrArray,
    usd_per_kwh: FloatOrArray,
    pue: FloatOrArray = 1.0,
    opex_usd_per_hour: FloatOrArray = 0.0,
    take_rate: FloatOrArray = 0.0,
) -> FloatOrArray:
    r"""Share of hours that must be rented for the full-cost margin to be zero. [fraction]

    Parameters
    ----------
    usd_per_accelerator_hour, capital_usd_per_hour, load_kw, idle_kw, usd_per_kwh, pue, opex_usd_per_hour, take_rate
        As in `provider_margin`.

    Returns
    -------
    float or ndarray
        u*. Above 1 no utilisation suffices; infinite when an hour rented earns no more than its extra power.

    Raises
    ------
    ModelDomainError
        If the take rate lies outside 0..1.

    Notes
    -----
    .. math:: u^* = \frac{k + O + e\,PUE\,k_i}{p(1-f) - e\,PUE\,(k_l - k_i)}

    Examples
    --------
    >>> round(breakeven_utilisation(1.86, capital_usd_per_hour=1.12296, load_kw=1.0, idle_kw=0.3,
    ...                             usd_per_kwh=0.08, pue=1.3, opex_usd_per_hour=0.18265), 3)
    0.748
    """
    _fraction("take_rate", take_rate)
    energy = np.asarray(usd_per_kwh * pue, dtype=float)
    fixed = capital_usd_per_hour + opex_usd_per_hour + energy * idle_kw
    gained = np.asarray(
        usd_per_accelerator_hour * (1.0 - np.asarray(take_rate)) - energy * (load_kw - np.asarray(idle_kw))
    )
    u = np.divide(fixed, gained, out=np.full(np.broadcast(fixed, gained).shape, np.inf), where=gained > 0)
    return float(u) if u.ndim == 0 else u


def node_margin(
    values: Mapping[str, FloatOrArray], usd_per_accelerator_hour: FloatOrArray, *, reward: FloatOrArray = 0.0
) -> ProviderMargin:
    """`provider_margin` of a node at one value of each of its inputs (see `depin_compare.economics.nodes.Node`)."""
    return provider_margin(
        usd_per_accelerator_hour,
        utilisation=values["utilisation"],
        reward_usd_per_hour=reward,
        **node_running_costs(values),
    )


def node_breakeven_price(values: Mapping[str, FloatOrArray]) -> FloatOrArray:
    """`breakeven_price` of a node at one value of each of its inputs. [USD per accelerator-hour]"""
    return breakeven_price(utilisation=values["utilisation"], **node_running_costs(values))


def node_running_costs(values: Mapping[str, FloatOrArray]) -> dict[str, FloatOrArray]:
    """A node's inputs as the costs `provider_margin` and its break-evens take."""
    return {
        "capital_usd_per_hour": capital_usd_per_hour(
            values["capex_usd"],
            salvage_usd=values["capex_usd"] * values["salvage_share"],
            cost_of_capital=values["cost_of_capital"],
            life_years=values["life_years"],
        ),
        "opex_usd_per_hour": values["capex_usd"] * values["opex_share_of_capex"] / HOURS_PER_YEAR,
        "load_kw": values["load_kw"],
        "idle_kw": values["load_kw"] * values["idle_power_share"],
        "usd_per_kwh": values["usd_per_kwh"],
        "pue": values["pue"],
        "take_rate": values["take_rate"],
    }


def margins(
    markets: dy.DataFrame[MarketPrices],
    facts: dy.DataFrame[NetworkFacts],
    assumptions: AssumptionSet,
    *,
    own: Sequence[OwnNode] = (),
) -> dy.DataFrame[Margins]:
    """Margins of a home and a data-centre node for every network and chip that has a market price.

    Parameters
    ----------
    markets : DataFrame[MarketPrices]
        What tenants pay, on demand.
    facts : DataFrame[NetworkFacts]
        ``take_rate_provider`` (the network's cut, valid on the day of the analysis), ``utilisation``
        (measured share rented, of the chip or else of the network; where a network publishes none the
        archetype's assumption stands in and ``utilisation_kind`` says so), ``reward_per_hour`` (tokens paid per
        rented hour of the chip), ``fee_buyer`` (added to the tenant's bill) and ``token_price``.
    assumptions : AssumptionSet
        Tariffs, life, salvage and the rest, by archetype.
    own : sequence of OwnNode
        The user's nodes, each on every network it names or, naming none, every network with a price for its chip.

    Returns
    -------
    DataFrame[Margins]
        One row a network x accelerator x archetype; null margins with the reason where an input is unknown. A
        network the user names without a price for his chip keeps the prices at which he would break even and stop.

    Notes
    -----
    The band moves the market price and every other input to its ends one at a time and adds the effects on the log of
    cost over receipts in quadrature (`depin_compare.bands.left_over_band`): no margin exceeds all of the receipts.
    """
    asked = (
        markets.filter(pl.col("segment") != "hyperscaler", pl.col("terms") == "on_demand")
        .with_columns(
            expired_reason(pl.concat_str(pl.lit("price of "), "accelerator", pl.lit(" at "), "network")).alias(
                "expired"
            )
        )
        .to_dicts()
    )
    rows = [
        _margin_row(
            market, archetype, node(market["network"], market["accelerator"], archetype, facts, assumptions), facts
        )
        for market in asked
        for archetype in archetypes_of(market["accelerator"])
    ]
    for mine in own:
        priced = {market["network"]: market for market in asked if market["accelerator"] == mine.accelerator}
        for network in mine.networks if mine.networks is not None else sorted(priced):
            market = priced.get(network, {"network": network, "accelerator": mine.accelerator})
            rows.append(_margin_row(market, "own", own_node(network, mine, facts, assumptions), facts))
    frame = pl.DataFrame(rows, schema=Margins.create_empty().schema)
    return Margins.validate(frame.sort("network", "accelerator", "archetype"))


def _margin_row(market: Mapping[str, object], archetype: str, costed: Node, facts: pl.DataFrame) -> dict[str, object]:
    network, accelerator = str(market["network"]), str(market["accelerator"])
    price, fee = market.get("usd_per_accelerator_hour"), published_band(facts, network, "fee_buyer")
    unpriced = f"{network} has no price on demand for this chip" if price is None else market.get("expired")
    row = {name: market.get(name) for name in ("network", "accelerator", "price_kind", "observed_at", "layer")}
    row |= {
        "archetype": archetype,
        "usd_per_accelerator_hour": price,
        "buyer_fee": fee[0].central if fee else None,
        "utilisation": costed.inputs["utilisation"].central,
        "utilisation_kind": costed.utilisation_kind,
        "freshness": provider_freshness(market.get("freshness"), costed, network, accelerator, facts),
        "not_known": "; ".join(str(part) for part in (unpriced, costed.missing) if part) or None,
    }
    if costed.missing is not None:
        return row
    usable = unpriced is None
    reward = reward_usd_per_rented_hour(facts, network, accelerator)
    values = costed.central()
    row |= {"take_rate": values["take_rate"], "capex_usd": values["capex_usd"]} | _costs(values)
    if usable:
        row |= _amounts(market, costed, fee[0].central if fee else 0.0, reward)
    if costed.paid_in_tokens:
        unknown = None if reward is not None else "the reward or the token's price is not on record"
        row["not_known"] = "; ".join(str(part) for part in (unpriced, PAID_IN_TOKENS, unknown) if part)
        return row
    return row | _needed_prices(values) | (_margins_on_payment(market, costed) if usable else {})


def provider_freshness(
    of_price: object, costed: Node, network: str, accelerator: str, facts: pl.DataFrame
) -> str | None:
    """The worst freshness of what a provider's margin rests on: the price, the measured use, a rewarding token's price.

    ``facts`` bring their own, see `depin_compare.market.freshness.Ages.facts_in_use`; without it only the price's
    counts.
    """
    found = [of_price]
    if "freshness" in facts.columns:
        used = utilisation_facts(facts, network, accelerator)
        if used.height and costed.utilisation_kind == str(used["kind"][0]):
            found.append(used["freshness"][0])
        rewarded = facts.filter(
            pl.col("network") == network, pl.col("metric") == "reward_per_hour", pl.col("subject") == accelerator
        )
        priced = facts.filter(pl.col("network") == network, pl.col("metric") == "token_price")
        if rewarded.height and priced.height:
            found += [rewarded.sort("observed_at")["freshness"][-1], priced.sort("observed_at")["freshness"][-1]]
    known = [str(one) for one in found if one is not None]
    return max(known, key=FRESHNESS.index) if known else None


def _needed_prices(values: Mapping[str, float]) -> dict[str, object]:
    """Prices that don't depend on what the market pays."""
    running = node_running_costs(values)
    del running["capital_usd_per_hour"]
    return {
        "breakeven_usd_per_accelerator_hour": node_breakeven_price(values),
        "stop_usd_per_accelerator_hour": stop_price(utilisation=values["utilisation"], **running),
    }


def _costs(values: Mapping[str, float]) -> dict[str, object]:
    """What a node costs per calendar hour, whatever the market pays."""
    here = node_margin(values, 1.0)
    return {name: getattr(here, name) for name in ("power_usd_per_hour", "opex_usd_per_hour", "capital_usd_per_hour")}


def _amounts(
    market: Mapping[str, object], costed: Node, buyer_fee: float, reward_per_rented_hour: float | None
) -> dict[str, object]:
    """What a node takes in per calendar hour, and its margin with token rewards where they are known."""
    values, price = costed.central(), _price_band(market).central
    tenant = price * (1.0 + buyer_fee) * values["utilisation"]
    receipts = float(node_margin(values, price).receipts_usd_per_hour)
    reward = None if reward_per_rented_hour is None else reward_per_rented_hour * values["utilisation"]
    here = node_margin(values, price, reward=reward or 0.0)
    return {
        "tenant_usd_per_hour": tenant,
        "network_take_usd_per_hour": tenant - receipts,
        "network_take_share": None if tenant <= 0 else 1.0 - receipts / tenant,
        "reward_usd_per_hour": reward,
        "full_margin_with_rewards": None if reward is None else here.full,
    }


def _margins_on_payment(market: Mapping[str, object], costed: Node) -> dict[str, object]:
    """Margins on what the tenant pays, without token rewards, with their band and the share of hours it takes."""
    values, price = costed.central(), _price_band(market)
    low, _, high = left_over_band(
        lambda v: 1.0 - node_margin(v, v["usd_per_accelerator_hour"]).full,
        {**costed.inputs, "usd_per_accelerator_hour": price},
    )
    here = node_margin(values, price.central)
    costs = (here.power_usd_per_hour, here.opex_usd_per_hour, here.capital_usd_per_hour)
    return {
        "profit_usd_per_hour": float(here.receipts_usd_per_hour) - sum(float(cost) for cost in costs),
        "cash_margin": here.cash,
        "full_margin": here.full,
        "full_margin_low": float(low),
        "full_margin_high": float(high),
        "breakeven_utilisation": breakeven_utilisation(price.central, **node_running_costs(values)),
    }


def _price_band(market: Mapping[str, object]) -> Band:
    price = "usd_per_accelerator_hour"
    return Band(*(float(str(market[name])) for name in (f"{price}_low", price, f"{price}_high")))


def reward_usd_per_rented_hour(facts: pl.DataFrame, network: str, accelerator: str) -> float | None:
    """Token rewards of a rented hour at the newest token price; None where either is not known."""
    own = facts.filter(pl.col("network") == network).sort("observed_at", descending=True)
    tokens = own.filter(pl.col("metric") == "reward_per_hour", pl.col("subject") == accelerator)["value"]
    price = own.filter(pl.col("metric") == "token_price")["value"]
    if tokens.is_empty() or price.is_empty():
        return None
    return float(tokens[0]) * float(price[0])
