"""One file a section: the run in, its parts out. `SECTIONS` holds them in the order of the pages."""

from __future__ import annotations

from collections.abc import Callable

from reports.sections.assumptions import assumptions
from reports.sections.changes import since_last
from reports.sections.data import data_states, manifest, sources
from reports.sections.first_page import other_networks
from reports.sections.market import model_against_market
from reports.sections.networks import networks
from reports.sections.outlook import erosion
from reports.sections.page import Page
from reports.sections.parts import Part
from reports.sections.prices import prices
from reports.sections.suppliers import margins
from reports.sections.token import tokens
from reports.sections.work import comparisons

__all__ = ["SECTIONS"]

# A section without anything to say gives None.
SECTIONS: dict[str, Callable[[Page], Part | None]] = {
    "changes": since_last,
    "other_networks": other_networks,
    "networks": networks,
    "prices": prices,
    "work": comparisons,
    "suppliers": margins,
    "tokens": tokens,
    "outlook": erosion,
    "market": model_against_market,
    "assumptions": assumptions,
    "data": data_states,
    "sources": sources,
    "manifest": manifest,
}
