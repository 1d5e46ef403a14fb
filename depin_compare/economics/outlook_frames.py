"""The frames of what becomes of every network: monthly paths, outlook, probabilities of loss, and the tornado."""

from __future__ import annotations

import dataframely as dy

from depin_compare.doors import Schema
from depin_compare.economics.world import PRICINGS
from depin_compare.inference.references import REFERENCES
from depin_compare.market.freshness import FRESHNESS

__all__ = [
    "OUTLOOK_STATES",
    "QUANTITIES",
    "VERDICTS",
    "AdvantagePaths",
    "Drivers",
    "ErosionProbabilities",
    "MarginPaths",
    "Outlook",
]

QUANTITIES = ("advantage", "full_margin", "full_margin_new_node")
OUTLOOK_STATES = ("already_lost", "lost_within_horizon", "not_reached", "not_comparable")
VERDICTS = ("resilient", "exposed", "eroded", "not comparable")


class AdvantagePaths(Schema):
    """The buyer's advantage month by month: one row a network x reference x scenario x pricing x month.

    ``cost_index`` is the cloud's cost as a multiple of today's, ``wedge_index`` the part of it that networks do
    not share. ``advantage`` is the central path, of the most likely value of every input; ``*_p10``, ``*_p50`` and
    ``*_p90`` are month by month the values that a tenth, half and nine tenths of the draws do not exceed
    (`depin_compare.economics.uncertainty.Draws`), null where a run of an earlier version did not draw.
    """

    network = dy.String(nullable=False)
    cloud = dy.String(nullable=False)
    silicon = dy.String(nullable=False)
    reference = dy.Enum(REFERENCES, nullable=False)
    scenario = dy.String(nullable=False)
    pricing = dy.Enum(PRICINGS, nullable=False)
    month = dy.Int64(nullable=False, min=0)
    date = dy.Date(nullable=False)
    cost_index = dy.Float64(nullable=False, min_exclusive=0)
    wedge_index = dy.Float64(nullable=False, min_exclusive=0)
    usd_per_mtok_network = dy.Float64(nullable=False, min_exclusive=0)
    usd_per_mtok_reference = dy.Float64(nullable=False, min_exclusive=0)
    advantage = dy.Float64(nullable=False)
    advantage_p10 = dy.Float64(nullable=True)
    advantage_p50 = dy.Float64(nullable=True)
    advantage_p90 = dy.Float64(nullable=True)


class MarginPaths(Schema):
    """The provider's margins month by month: one row a network x scenario x pricing x month.

    ``full_margin`` and ``cash_margin`` are those of a node bought today, whose costs are sunk;
    ``full_margin_new_node`` that of a node bought in that month, when the same work takes less hardware. Quantiles
    are as in `AdvantagePaths`.
    """

    network = dy.String(nullable=False)
    accelerator = dy.String(nullable=False)
    archetype = dy.String(nullable=False)
    scenario = dy.String(nullable=False)
    pricing = dy.Enum(PRICINGS, nullable=False)
    month = dy.Int64(nullable=False, min=0)
    date = dy.Date(nullable=False)
    usd_per_accelerator_hour = dy.Float64(nullable=False, min_exclusive=0)
    cash_margin = dy.Float64(nullable=False, allow_inf=True)
    full_margin = dy.Float64(nullable=False, allow_inf=True)
    full_margin_p10 = dy.Float64(nullable=True, allow_inf=True)
    full_margin_p50 = dy.Float64(nullable=True, allow_inf=True)
    full_margin_p90 = dy.Float64(nullable=True, allow_inf=True)
    full_margin_new_node = dy.Float64(nullable=False, allow_inf=True)
    full_margin_new_node_p10 = dy.Float64(nullable=True, allow_inf=True)
    full_margin_new_node_p50 = dy.Float64(nullable=True, allow_inf=True)
    full_margin_new_node_p90 = dy.Float64(nullable=True, allow_inf=True)


class Outlook(Schema):
    """What becomes of one quantity of one network against one reference in one scenario.

    ``today`` has its band as in the comparison and the margins: the inputs' effects on the logs in quadrature.
    ``headroom`` is how much further cloud cost may fall, as a fraction of today's, before the sign turns;
    negative means already lost. ``date`` is when it turns on the central path, null when it does not by
    ``horizon``; ``date_p10``, ``date_p50`` and ``date_p90`` are the days by which a tenth, half and nine tenths of the
    draws are lost, null where fewer are by the horizon. ``probability_lost`` is the share of the draws lost by
    the horizon, ``probability_lost_if_event`` that of the draws in which the scenario's event happens (any of them,
    where there are several), null where it has none. ``driver_1`` and ``driver_2`` are the inputs whose bands move
    the value at the horizon most (`Drivers`); ``data_age_days`` is the age of the oldest price, measured fact or cost
    estimate it rests on, and ``freshness`` the worst of its prices and measured facts: a quantity that rests on an
    expired price is not comparable.
    """

    network = dy.String(nullable=False)
    accelerator = dy.String(nullable=True)
    archetype = dy.String(nullable=True)
    llm = dy.String(nullable=False)
    workload = dy.String(nullable=False)
    cloud = dy.String(nullable=False)
    silicon = dy.String(nullable=False)
    reference = dy.Enum(REFERENCES, nullable=False)
    scenario = dy.String(nullable=False)
    pricing = dy.Enum(PRICINGS, nullable=False)
    quantity = dy.Enum(QUANTITIES, nullable=False)
    today = dy.Float64(nullable=True, allow_inf=True)
    today_low = dy.Float64(nullable=True, allow_inf=True)
    today_high = dy.Float64(nullable=True, allow_inf=True)
    at_horizon = dy.Float64(nullable=True, allow_inf=True)
    headroom = dy.Float64(nullable=True, allow_inf=True)
    headroom_low = dy.Float64(nullable=True, allow_inf=True)
    headroom_high = dy.Float64(nullable=True, allow_inf=True)
    state = dy.Enum(OUTLOOK_STATES, nullable=False)
    date = dy.Date(nullable=True)
    date_p10 = dy.Date(nullable=True)
    date_p50 = dy.Date(nullable=True)
    date_p90 = dy.Date(nullable=True)
    probability_lost = dy.Float64(nullable=True, min=0, max=1)
    probability_lost_if_event = dy.Float64(nullable=True, min=0, max=1)
    horizon = dy.Date(nullable=False)
    verdict = dy.Enum(VERDICTS, nullable=False)
    driver_1 = dy.String(nullable=True)
    driver_2 = dy.String(nullable=True)
    data_age_days = dy.Float64(nullable=True, min=0)
    freshness = dy.Enum(FRESHNESS, nullable=True)
    not_comparable = dy.String(nullable=True)


class Drivers(Schema):
    """The tornado: how far one input alone, from its low to its high end, moves a quantity at the horizon.

    One row a network x reference x scenario x pricing x quantity x input, ``rank`` 1 the widest ``swing``; inputs
    known exactly are left out. Margins depend on no cloud's price list: their cloud, silicon and reference are null.
    ``at_low`` and ``at_high`` are the results at the input's low and high end, ``at_horizon`` that of its central
    value. Inputs of today's prices and throughputs are named as in `depin_compare.economics.lineage`.
    """

    network = dy.String(nullable=False)
    cloud = dy.String(nullable=True)
    silicon = dy.String(nullable=True)
    reference = dy.Enum(REFERENCES, nullable=True)
    scenario = dy.String(nullable=False)
    pricing = dy.Enum(PRICINGS, nullable=False)
    quantity = dy.Enum(QUANTITIES, nullable=False)
    rank = dy.Int64(nullable=False, min=1)
    input = dy.String(nullable=False)
    unit = dy.String(nullable=False)
    input_low = dy.Float64(nullable=False)
    input_central = dy.Float64(nullable=False)
    input_high = dy.Float64(nullable=False)
    at_low = dy.Float64(nullable=False, allow_inf=True)
    at_horizon = dy.Float64(nullable=False, allow_inf=True)
    at_high = dy.Float64(nullable=False, allow_inf=True)
    swing = dy.Float64(nullable=False, min=0, allow_inf=True)


class ErosionProbabilities(Schema):
    """How likely a quantity is lost by the end of a year: one row a network x reference x scenario x pricing x year.

    The share of the draws lost by then, between months in a straight line; in the horizon's year by the horizon.
    Margins depend on no cloud's price list: their cloud, silicon and reference are null.
    """

    network = dy.String(nullable=False)
    cloud = dy.String(nullable=True)
    silicon = dy.String(nullable=True)
    reference = dy.Enum(REFERENCES, nullable=True)
    scenario = dy.String(nullable=False)
    pricing = dy.Enum(PRICINGS, nullable=False)
    quantity = dy.Enum(QUANTITIES, nullable=False)
    year = dy.Int64(nullable=False)
    probability_lost = dy.Float64(nullable=False, min=0, max=1)
