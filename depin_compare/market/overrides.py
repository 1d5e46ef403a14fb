"""What the user knows better than any source: his own prices, discounts and facts, each with its validity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.errors import ModelDomainError, UnknownNameError
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import (
    MAX_USD_PER_ACCELERATOR_HOUR,
    MIN_USD_PER_ACCELERATOR_HOUR,
    TERMS,
    Offers,
)
from depin_compare.refdata import accelerators, network_facts, networks
from depin_compare.refdata import assumptions as refdata_assumptions
from depin_compare.refdata.assumption_set import USER_SOURCE, AssumptionSet

__all__ = [
    "DISCOUNTED",
    "DiscountOverride",
    "FactOverride",
    "Overrides",
    "PriceOverride",
    "UserChanges",
    "assumption_changes",
    "discount_changes",
    "fact_metrics",
    "overridden_facts",
    "overridden_offers",
]

# A discount is one off the printed on-demand price; it stands for the reference it is given for.
DISCOUNTED = ("list", "committed")


class UserChanges(Schema):
    """What the user changed, one row a change: where it stands in the job file, what it was, what it is now.

    ``before`` is null where there was nothing before, or more than one number. A change outside its validity on the
    day of the analysis is not ``in_force`` and moves nothing.
    """

    table = dy.Enum(["assumptions", "prices", "discounts", "facts", "node", "scenarios"], nullable=False)
    key = dy.String(nullable=False, min_length=1)
    before = dy.Float64(nullable=True)
    after = dy.Float64(nullable=True)
    unit = dy.String(nullable=False)
    valid_from = dy.Date(nullable=True)
    valid_to = dy.Date(nullable=True)
    in_force = dy.Bool(nullable=False)
    note = dy.String(nullable=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dated:
    """Something that holds from a day to a day, both included; open where none is given."""

    valid_from: date | None = None
    valid_to: date | None = None
    note: str | None = None

    def holds(self, day: date) -> bool:
        """Whether it is in force on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOverride(_Dated):
    """The user's price of a chip at a network or cloud; it replaces every offer of that chip on those terms."""

    network: str
    accelerator: str
    usd_per_accelerator_hour: float
    terms: str = "on_demand"

    def __post_init__(self) -> None:
        _known("network", self.network, networks()["network"])
        _known("accelerator", self.accelerator, accelerators()["accelerator"])
        _known("terms", self.terms, TERMS)
        if not MIN_USD_PER_ACCELERATOR_HOUR <= self.usd_per_accelerator_hour <= MAX_USD_PER_ACCELERATOR_HOUR:
            raise ModelDomainError(
                f"usd_per_accelerator_hour is {self.usd_per_accelerator_hour}, expected "
                f"{MIN_USD_PER_ACCELERATOR_HOUR} to {MAX_USD_PER_ACCELERATOR_HOUR} USD for one accelerator"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountOverride(_Dated):
    """What a cloud gives the user off its printed on-demand price, on one chip or on all."""

    cloud: str
    share: float
    reference: str = "committed"
    accelerator: str | None = None

    def __post_init__(self) -> None:
        clouds = networks().filter(pl.col("segment") == "hyperscaler")["network"]
        _known("cloud", self.cloud, clouds)
        _known("reference", self.reference, DISCOUNTED)
        if self.accelerator is not None:
            _known("accelerator", self.accelerator, accelerators()["accelerator"])
        if not 0.0 <= self.share < 1.0:
            raise ModelDomainError(f"a discount is a share of the price within 0 and 1 (excluded), got {self.share}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FactOverride(_Dated):
    """A fact about a network: take rate, utilisation, emission, token price and so on.

    Without a ``subject`` it replaces every row of that metric, whatever chip or token they speak of; with one,
    those of that subject.
    """

    network: str
    metric: str
    value: float
    subject: str | None = None
    unit: str | None = None

    def __post_init__(self) -> None:
        _known("network", self.network, networks()["network"])
        _known("fact", self.metric, fact_metrics())
        unit = self.unit or _unit_of(self.metric)
        if unit == "fraction" and not 0.0 <= self.value <= 1.0:
            raise ModelDomainError(f"{self.metric} is a fraction within 0..1, got {self.value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Everything the user overrides beside the assumptions."""

    prices: Sequence[PriceOverride] = field(default_factory=tuple)
    discounts: Sequence[DiscountOverride] = field(default_factory=tuple)
    facts: Sequence[FactOverride] = field(default_factory=tuple)


def _known(what: str, seen: str, names: Iterable[str]) -> None:
    known = list(names)
    if seen not in known:
        raise UnknownNameError(what, seen, known)


def fact_metrics() -> list[str]:
    """Names of the facts the product reads or reports.

    >>> "take_rate_provider" in fact_metrics()
    True
    """
    return network_facts()["metric"].unique().sort().to_list()


def _unit_of(metric: str) -> str:
    return str(network_facts().filter(pl.col("metric") == metric)["unit"][0])


def overridden_offers(
    offers: dy.DataFrame[Offers], prices: Sequence[PriceOverride], *, day: date
) -> tuple[dy.DataFrame[Offers], dy.DataFrame[UserChanges]]:
    """Offers with the user's prices in place of every offer of the same network, chip and terms.

    Parameters
    ----------
    offers : DataFrame[Offers]
        Any layers.
    prices : sequence of PriceOverride
        The last one counts where two are in force for the same thing.
    day : date
        Day of the analysis.

    Returns
    -------
    tuple of DataFrame[Offers] and DataFrame[UserChanges]
        The user's rows have source ``your-job-file``.
    """
    segments = dict(networks().select("network", "segment").iter_rows())
    changes, made = [], {}
    for price in prices:
        named = (
            (pl.col("network") == price.network)
            & (pl.col("accelerator") == price.accelerator)
            & (pl.col("terms") == price.terms)
        )
        old = offers.filter(named, pl.col("not_comparable").is_null())["usd_per_accelerator_hour"].drop_nulls()
        key = f"{price.network}.{price.accelerator}.{price.terms}"
        changes.append(
            _change(
                "prices", key, price, day, unit="USD per accelerator-hour", after=price.usd_per_accelerator_hour,
                before=old[0] if old.n_unique() == 1 else None,
            )
        )  # fmt: skip
        if price.holds(day):
            segment = segments[price.network]
            made[key] = {
                "source": USER_SOURCE, "offer_id": key, "network": price.network, "segment": segment,
                "accelerator": price.accelerator, "accelerator_name": price.accelerator, "accelerator_count": 1,
                "usd_per_accelerator_hour": price.usd_per_accelerator_hour, "terms": price.terms,
                "price_kind": "list" if segment == "hyperscaler" else "ask",
                "listed_price": repr(price.usd_per_accelerator_hour), "listed_unit": "USD per accelerator-hour",
                "listed_currency": "USD", "observed_at": datetime.combine(day, time(), UTC), "layer": "reference",
                "source_url": USER_SOURCE, "kind": "assumption", "note": price.note,
            }  # fmt: skip
    mine = pl.DataFrame(list(made.values()), schema=Offers.create_empty().schema) if made else Offers.create_empty()
    rest = offers.join(
        mine.select("network", "accelerator", "terms"), on=["network", "accelerator", "terms"], how="anti"
    )
    return Offers.validate(pl.concat([rest, mine]) if made else offers), _changes(changes)


def overridden_facts(
    facts: dy.DataFrame[NetworkFacts], changed: Sequence[FactOverride], *, day: date
) -> tuple[dy.DataFrame[NetworkFacts], dy.DataFrame[UserChanges]]:
    """Facts with the user's in place of those they speak of.

    Parameters
    ----------
    facts : DataFrame[NetworkFacts]
        Valid on the day.
    changed : sequence of FactOverride
        The last one counts where two are in force for the same thing.
    day : date
        Day of the analysis.

    Returns
    -------
    tuple of DataFrame[NetworkFacts] and DataFrame[UserChanges]
        The user's rows have source ``your-job-file`` and kind ``assumption``.
    """
    changes = []
    frame: pl.DataFrame = facts
    for fact in changed:
        named = (pl.col("network") == fact.network) & (pl.col("metric") == fact.metric)
        if fact.subject is not None:
            named &= pl.col("subject") == fact.subject
        old = facts.filter(named)["value"]
        key = ".".join(filter(None, [fact.network, fact.metric, fact.subject]))
        unit = fact.unit or _unit_of(fact.metric)
        before = float(old[0]) if old.n_unique() == 1 else None
        changes.append(_change("facts", key, fact, day, unit=unit, before=before, after=fact.value))
        if not fact.holds(day):
            continue
        row = {
            "network": fact.network, "metric": fact.metric, "subject": fact.subject, "value": fact.value, "unit": unit,
            "observed_at": datetime.combine(day, time(), UTC), "kind": "assumption", "source": USER_SOURCE,
            "layer": "reference", "source_url": USER_SOURCE, "note": fact.note,
        }  # fmt: skip
        kept = frame.filter(~named.fill_null(False))
        frame = pl.concat([kept, pl.DataFrame([row], schema=NetworkFacts.create_empty().schema)])
    return NetworkFacts.validate(frame), _changes(changes)


def discount_changes(discounts: Sequence[DiscountOverride], *, day: date) -> dy.DataFrame[UserChanges]:
    """The user's discounts as rows of what he changed."""
    return _changes(
        [
            _change(
                "discounts", ".".join(filter(None, [d.cloud, d.accelerator, d.reference])), d, day,
                unit="fraction of list price", before=None, after=d.share,
            )
            for d in discounts
        ]
    )  # fmt: skip


def assumption_changes(assumptions: AssumptionSet) -> dy.DataFrame[UserChanges]:
    """The assumptions in force that are the user's."""
    packaged = refdata_assumptions().select("parameter", pl.col("central").alias("before"))
    mine = assumptions.frame.filter(pl.col("source_id") == USER_SOURCE).join(packaged, on="parameter", how="left")
    rows = [
        {
            "table": "assumptions", "key": row["parameter"], "before": row["before"], "after": row["central"],
            "unit": row["unit"], "in_force": True, "note": None if row["low"] == row["high"] else
            f"{row['low']:g} to {row['high']:g}",
        }
        for row in mine.sort("parameter").iter_rows(named=True)
    ]  # fmt: skip
    return _changes(rows)


def _change(
    table: str, key: str, dated: _Dated, day: date, *, unit: str, before: float | None, after: float
) -> dict[str, object]:
    return {
        "table": table, "key": key, "before": before, "after": after, "unit": unit, "valid_from": dated.valid_from,
        "valid_to": dated.valid_to, "in_force": dated.holds(day), "note": dated.note,
    }  # fmt: skip


def _changes(rows: Sequence[dict[str, object]]) -> dy.DataFrame[UserChanges]:
    return UserChanges.validate(pl.DataFrame(rows, schema=UserChanges.create_empty().schema))
