"""Why a number is missing, in the few words there is room for beside a chart."""

from __future__ import annotations

from collections.abc import Iterable

from depin_compare.economics.nodes import NO_NODE
from reports.words import listing

__all__ = ["kind_of_reason", "reasons_note", "without_margin"]

# First match wins: what the model says -> what a reader needs to know of it.
_KINDS = (
    ("beyond its limit", "price beyond its limit of age"),
    ("minted tokens", "paid in newly minted tokens"),
    ("take rate", "no take rate published"),
    ("price to buy this chip", "no sourced price of the chip"),
    ("price of the token", "no price of its token on record"),
    ("nobody publishes the tokens", "no token reward on record"),
    ("chips;", "the model does not fit the network's machines"),
    ("service level out of reach", "too slow for the service level asked"),
    ("does not sell", "no cloud sells the work"),
    ("prints n", "no cloud prints the price"),
    ("no rentable instance", "no cloud prints the price"),
    ("owner's cost", "no published cost of the clouds' chips"),
)
_MOST_WORDS = 60


def without_margin(accelerator: str | None) -> str:
    """Why a network has no row of margins: none of its chips stands for it, or nothing is known of that one's cost.

    >>> without_margin(None), without_margin("gaudi3")
    ('no chip stands for it: none can be compared', 'no node with its chip is in the model')
    """
    return "no chip stands for it: none can be compared" if accelerator is None else NO_NODE


def kind_of_reason(reason: str | None) -> str:
    """The kind of a reason; one that none of ours resembles stands as it is.

    >>> kind_of_reason("needs 4 chips; 1 allowed"), kind_of_reason("chutes publishes no take rate")
    ("the model does not fit the network's machines", 'no take rate published')
    """
    if reason is None:
        return "no price that can be compared"
    for part, kind in _KINDS:
        if part in reason:
            return kind
    return reason if len(reason) <= _MOST_WORDS else reason[: _MOST_WORDS - 1].rstrip() + "…"


def reasons_note(missing: Iterable[tuple[str, str]], most: int = 5) -> str:
    """Names by reason: ``"A and B (no take rate published); C (…)"``, each group cut after ``most`` names."""
    groups: dict[str, list[str]] = {}
    for name, reason in missing:
        groups.setdefault(reason, []).append(name)
    told = []
    for reason, names in groups.items():
        more = [f"{len(names) - most} more"] if len(names) > most else []
        told.append(f"{listing([*names[:most], *more])} ({reason})")
    return "; ".join(told)
