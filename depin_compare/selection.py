"""A part of an analysis: some of its networks and scenarios, everything else as it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import polars as pl

from depin_compare.analysis import Analysis
from depin_compare.economics.scenarios import BASE
from depin_compare.errors import UnknownNameError

__all__ = ["selected"]

# Columns that name a network, of whatever frame; the sellers of a frame are networks and clouds.
_NETWORK_COLUMNS = ("network", "seller")


def selected(analysis: Analysis, *, networks: Sequence[str] = (), scenarios: Sequence[str] = ()) -> Analysis:
    """The analysis of some of its networks and scenarios; where none is named, all of them stay.

    Nothing is worked out again: a verdict and its sentence are still those of the base scenario, and a frame that
    knows neither networks nor scenarios (sources, assumptions, hosts' prices) stays whole. The values of the base
    scenario stay too, since every scenario takes what it does not name from there. What was selected stands in the
    provenance.

    Parameters
    ----------
    analysis : Analysis
    networks, scenarios : sequence of str
        Ids that occur in the analysis.

    Returns
    -------
    Analysis

    Raises
    ------
    UnknownNameError
        If the analysis has no such network or scenario; the message has the nearest names.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> import depin_compare as dc
    >>> day = datetime(2026, 11, 22, tzinfo=UTC)
    >>> offers, facts = dc.reference_offers(as_of=day.date()), dc.reference_facts(as_of=day.date())
    >>> both = dc.analyse(offers, facts, as_of=day, network_ids=("akash", "ionet"), scenario_ids=("base",))
    >>> selected(both, networks=["ionet"]).margins["network"].unique().to_list()
    ['ionet']
    """
    known = analysis.headlines["network"].to_list()
    told = dict.fromkeys([*analysis.scenarios["scenario"], *analysis.outlook["scenario"]])
    for what, asked, there in (("network", networks, known), ("scenario", scenarios, told)):
        for name in asked:
            if name not in there:
                raise UnknownNameError(what, name, there)
    kept_networks = {*networks, *_clouds(analysis)} if networks else None
    frames: dict[str, pl.DataFrame] = {}
    for field in dataclasses.fields(analysis):
        frame = getattr(analysis, field.name)
        if isinstance(frame, pl.DataFrame):
            # Every scenario takes from the base one what it does not name itself.
            kept_scenarios = {*scenarios, *([BASE] if field.name == "scenarios" else [])} if scenarios else None
            frames[field.name] = _kept(
                frame, {**dict.fromkeys(_NETWORK_COLUMNS, kept_networks), "scenario": kept_scenarios}
            )
    chosen = {"networks": networks, "scenarios": scenarios}
    provenance = {f"selected_{what}": ", ".join(dict.fromkeys(names)) for what, names in chosen.items() if names}
    return dataclasses.replace(analysis, **frames, provenance=analysis.provenance | provenance)  # type: ignore[arg-type]  # rows of the same schemas


def _kept(frame: pl.DataFrame, wanted: Mapping[str, Collection[str] | None]) -> pl.DataFrame:
    """The rows whose columns have one of the values wanted; a column without any, or without a wish, keeps all."""
    asked = [pl.col(name).is_in(list(keep)) for name, keep in wanted.items() if keep and name in frame.columns]
    return frame.filter(*asked) if asked else frame


def _clouds(analysis: Analysis) -> set[str]:
    """Sellers that are no network: the clouds of the offers, and those that networks are compared with."""
    priced = analysis.offers.filter(pl.col("segment").cast(pl.String) == "hyperscaler")["network"]
    costed = analysis.unit_costs.filter(pl.col("side").cast(pl.String) == "cloud")["seller"]
    return {*priced, *costed, *analysis.comparison["cloud"]}
