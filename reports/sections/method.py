"""How the numbers are made, in plain words: what a reader must know before believing one."""

from __future__ import annotations

from reports.sections.page import Page
from reports.sections.parts import Part

__all__ = ["METHOD", "method"]

METHOD = (
    "Same work: a model, a mix of prompts and answers, and a speed that each user sees. Both sides are priced per "
    "million output tokens of it, their prompts included.",
    "Tokens a second: a model of our own, from a chip's memory, bandwidth and arithmetic and the model's size, fitted "
    "to published measurements. It takes the fastest batch that keeps the stated speed, on a machine that is busy. The "
    "same model serves both sides, so on one and the same chip its errors cancel.",
    "Modelled cost: a published estimate of what an hour costs its owner, divided by the share of hours a cloud sells. "
    "It is no price: nobody sells at it, and a host that must find customers asks more.",
    "Supplier's margin: the tenant's money less the network's share, electricity, upkeep and the hardware with the "
    "cost of its money, by hours rented. Token rewards are told apart and never in it.",
    "Outlook: hardware gets cheaper for everybody, networks after a lag; new silicon cuts clouds' cost first, and part "
    "of that cut networks must follow. Every uncertain number is drawn between its low and high end many times over; "
    "a date is that by which half of the draws have come to it.",
    "Resilient: fewer than a tenth of the draws lose the buyer's advantage or the supplier's margin by the horizon. "
    "Exposed: more do, or the margin is not known. Eroded: the advantage is gone today.",
    "Tested on the past: forecasts made with what was known in October 2024 held 44% of the rents and list prices seen "
    "since between the ends of their bands, those of June 2025 20%; sound bands would hold 80%. Steps of "
    "list prices and the shortage of 2026 are what they missed: take the bands for the model's own uncertainty.",
)


def method(page: Page) -> Part:
    """What the numbers are and are not, the same in every report but for the number of draws."""
    draws = page.analysis.provenance.get("draws")
    told = f"{int(draws):,} times" if draws else "many times over"
    return {
        "title": "How the numbers are made",
        "parts": [{"type": "bullets", "items": [one.replace("many times over", told) for one in METHOD]}],
    }
