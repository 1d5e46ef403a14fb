"""One file a section: the run in, its parts out. `SECTIONS` holds them in the order of the pages."""

from __future__ import annotations

from collections.abc import Callable

from reports.sections.assumptions import assumptions, not_modelled
from reports.sections.changes import since_last
from reports.sections.data import data_states, manifest, sources
from reports.sections.first_page import other_networks
from reports.sections.market import model_against_market
from reports.sections.method import method
from reports.sections.networks import networks
from reports.sections.outlook import erosion, sensitivity
from reports.sections.page import Page
from reports.sections.parts import Part
from reports.sections.prices import every_price, prices
from reports.sections.suppliers import every_margin, margins
from reports.sections.token import tokens
from reports.sections.work import comparisons, every_comparison

__all__ = ["SECTIONS"]

# A section without anything to say gives None.
SECTIONS: dict[str, Callable[[Page], Part | None]] = {
    "other_networks": other_networks,
    "networks": networks,
    "prices": prices,
    "work": comparisons,
    "suppliers": margins,
    "outlook": erosion,
    "sensitivity": sensitivity,
    "tokens": tokens,
    "market": model_against_market,
    "changes": since_last,
    "assumptions": assumptions,
    "method": method,
    "not_modelled": not_modelled,
    "sources": sources,
    "data": data_states,
    "manifest": manifest,
    "every_comparison": every_comparison,
    "every_price": every_price,
    "every_margin": every_margin,
}
