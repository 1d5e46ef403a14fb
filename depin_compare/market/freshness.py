"""How old a number may be: stale beyond the age it is expected to have, expired beyond its limit.

Every source has two ages. Beyond the expected one its numbers are marked wherever they are shown; beyond the limit
they leave the verdict and stay in the tables. A dated row that ships with the package has a pair of its own, and its
limit may lie far beyond that of a stored answer: it was chosen by hand out of a publication, says on which day it
held and stands beside others like it, while a stored answer is one moment of a market that a machine happened to see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import cast

import dataframely as dy
import polars as pl

from depin_compare.doors import Schema
from depin_compare.errors import ModelDomainError
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import LAYERS, Offers
from depin_compare.market.token_prices import TokenPrices
from depin_compare.refdata.assumption_set import USER_SOURCE

__all__ = [
    "AGE_COLUMNS",
    "FRESHNESS",
    "FRESHNESS_TYPE",
    "PACKAGED_AGES",
    "UNDECLARED_AGES",
    "AgeLimits",
    "AgeRules",
    "Ages",
    "LeftOut",
    "expired_reason",
    "freshness_of",
    "worst",
]

FRESHNESS = ("fresh", "stale", "expired")
AGE_COLUMNS = ("age_days", "expected_age_days", "limit_age_days", "freshness")
FRESHNESS_TYPE = pl.Enum(FRESHNESS)

_PACKAGED = "packaged "


@dataclass(frozen=True, slots=True)
class AgeLimits:
    """Ages beyond which a number is marked, and leaves the verdict.

    Parameters
    ----------
    expected_age_days : float
        Beyond it the number is stale, > 0. [days]
    limit_age_days : float
        Beyond it the number is expired, at least the expected age. [days]

    Raises
    ------
    ModelDomainError
        If an age is not above 0, or the limit lies below the expected age.
    """

    expected_age_days: float
    limit_age_days: float

    def __post_init__(self) -> None:
        if not 0 < self.expected_age_days < float("inf"):
            raise ModelDomainError(f"expected_age_days must be above 0, got {self.expected_age_days:g}")
        if not self.expected_age_days <= self.limit_age_days < float("inf"):
            raise ModelDomainError(
                f"limit_age_days must be at least expected_age_days ({self.expected_age_days:g}), got "
                f"{self.limit_age_days:g}"
            )

    def tightened(self, max_age_days: float) -> AgeLimits:
        """The same, with neither age above ``max_age_days``."""
        return AgeLimits(min(self.expected_age_days, max_age_days), min(self.limit_age_days, max_age_days))


# Price lists and rate cards are changed by decision, rarely more than once a year (AWS cut its GPU list in June
# 2025), asks and bids by the market: bids for an H100 on Akash rose by 77% in the six months to September 2026. No
# list of the package has stood for two years, so a price older than that says nothing of today. A token may halve in a
# month; a year-old price of one is history. Owners' cost and hosted models' prices are published with every
# generation of chips or models, about yearly.
PACKAGED_AGES: Mapping[str, AgeLimits] = MappingProxyType(
    {
        "list": AgeLimits(180, 730),
        "rate_card": AgeLimits(180, 730),
        "ask": AgeLimits(90, 730),
        "bid": AgeLimits(90, 730),
        "reward": AgeLimits(180, 730),
        "indicative": AgeLimits(90, 730),
        "fact": AgeLimits(180, 730),
        "token price": AgeLimits(30, 365),
        "hosted token price": AgeLimits(180, 730),
        "cost estimate": AgeLimits(365, 730),
    }
)
# A source that nobody declares ages for, such as that of a file the user names: as a catalogue.
UNDECLARED_AGES = AgeLimits(2, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeRules:
    """The ages in force.

    Parameters
    ----------
    sources : mapping of str to AgeLimits
        By source, for what it said itself, live or stored.
    packaged : mapping of str to AgeLimits
        By kind of number (price kinds, ``fact``, ``token price``, ``hosted token price``, ``cost estimate``), for the
        dated rows of the package.
    max_age_days : float, optional
        Tightens every limit, > 0. [days]
    """

    sources: Mapping[str, AgeLimits] = field(default_factory=dict)
    packaged: Mapping[str, AgeLimits] = field(default_factory=lambda: PACKAGED_AGES)
    undeclared: AgeLimits = UNDECLARED_AGES
    max_age_days: float | None = None

    def of_source(self, source: str) -> AgeLimits:
        """The ages of what a source said itself."""
        return self._tight(self.sources.get(source, self.undeclared))

    def of_packaged(self, kind: str) -> AgeLimits:
        """The ages of a dated row of the package."""
        return self._tight(self.packaged[kind])

    def _tight(self, limits: AgeLimits) -> AgeLimits:
        return limits if self.max_age_days is None else limits.tightened(self.max_age_days)

    def tightened(self, max_age_days: float | None) -> AgeRules:
        """The same rules under a limit for everything; None changes nothing."""
        return self if max_age_days is None else replace(self, max_age_days=max_age_days)


class LeftOut(Schema):
    """What its age keeps out of the verdict: one row a network (or host), subject, metric, source and layer.

    ``metric`` is ``price`` for capacity, ``hosted token price``, or that of the fact. ``age_days`` is that of the
    newest of its ``rows``.
    """

    network = dy.String(nullable=False)
    metric = dy.String(nullable=False)
    subject = dy.String(nullable=True)
    source = dy.String(nullable=False)
    layer = dy.Enum(LAYERS, nullable=False)
    rows = dy.Int64(nullable=False, min=1)
    age_days = dy.Float64(nullable=False, min=0)
    limit_age_days = dy.Float64(nullable=False, min=0)
    reason = dy.String(nullable=False)


def freshness_of(age_days: float | None, limits: AgeLimits) -> str | None:
    """``fresh``, ``stale`` or ``expired``; None for an unknown age.

    >>> [freshness_of(days, AgeLimits(1, 60)) for days in (0, 1, 1.01, 60, 60.5, None)]
    ['fresh', 'fresh', 'stale', 'stale', 'expired', None]
    """
    if age_days is None:
        return None
    return (
        "expired" if age_days > limits.limit_age_days else "stale" if age_days > limits.expected_age_days else "fresh"
    )


def worst(*columns: str | pl.Expr) -> pl.Expr:
    """The worst of some freshness columns; one that is not known says nothing.

    >>> frame = pl.DataFrame({"a": ["fresh", "stale", None], "b": ["expired", "fresh", None]})
    >>> frame.select(worst("a", "b")).to_series().to_list()
    ['expired', 'stale', None]
    """
    ranks = [
        (pl.col(column) if isinstance(column, str) else column).cast(FRESHNESS_TYPE).to_physical() for column in columns
    ]
    return pl.max_horizontal(ranks).replace_strict(dict(enumerate(FRESHNESS)), return_dtype=FRESHNESS_TYPE)


def expired_reason(subject: pl.Expr) -> pl.Expr:
    """Why a number left the verdict, and the mend; null where it did not. Reads the columns of `AGE_COLUMNS`, layer."""
    mend = (
        pl.when(pl.col("layer").cast(pl.String) == "reference")
        .then(pl.lit("give your own under [prices] or [facts] of the job file, or a newer package"))
        .otherwise(pl.lit("ask its source again, or raise its limit_age_days in the job file"))
    )
    days = [pl.col(name).round(1).cast(pl.String).str.strip_suffix(".0") for name in ("age_days", "limit_age_days")]
    told = pl.format("the {} is {} days old, beyond its limit of {} days; {}", subject, *days, mend)
    return pl.when(pl.col("freshness").cast(pl.String) == "expired").then(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """Rules on a day: adds ``age_days``, ``expected_age_days``, ``limit_age_days`` and ``freshness`` to a frame.

    A run stands for its day, so ages are whole days. What is dated after the day counts as of the day: a clock is
    wrong somewhere, and `ahead_days` says by how much. The user's own numbers and rules in force (a protocol's, or a
    published one of the package) don't age: they have an age and no limit.

    Examples
    --------
    >>> from datetime import UTC
    >>> from depin_compare.market.reference import reference_offers
    >>> day = datetime(2026, 11, 22, tzinfo=UTC)
    >>> prices = Ages(rules=AgeRules(), as_of=day).offers(reference_offers(["render"], as_of=day.date()))
    >>> prices.filter(pl.col("price_kind") == "rate_card")["freshness"].unique().to_list()
    ['fresh']
    """

    rules: AgeRules
    as_of: datetime

    def offers(self, offers: pl.DataFrame) -> pl.DataFrame:
        """Of Offers: a packaged price by its price kind."""
        return self._judged(offers, pl.col("price_kind").cast(pl.String))

    def facts(self, facts: pl.DataFrame) -> pl.DataFrame:
        """Of NetworkFacts."""
        kind, packaged = pl.col("kind").cast(pl.String), pl.col("layer").cast(pl.String) == "reference"
        rule = (kind == "protocol") | ((kind == "published") & packaged)
        what = pl.when(pl.col("metric") == "token_price").then(pl.lit("token price")).otherwise(pl.lit("fact"))
        return self._judged(facts, what, ageless=rule)

    def token_prices(self, prices: pl.DataFrame) -> pl.DataFrame:
        """Of TokenPrices."""
        return self._judged(prices, pl.lit("hosted token price"))

    def packaged(self, frame: pl.DataFrame, kind: str) -> pl.DataFrame:
        """Of any frame with ``observed_at``, all of whose rows are dated publications of one kind."""
        columns = [c for c in ("source", "layer") if c not in frame.columns]
        filled = frame.with_columns(pl.lit("reference").alias(c) for c in columns)
        return self._judged(filled, pl.lit(kind), all_packaged=True).drop(columns)

    def age_days(self, observed_at: datetime) -> float:
        """Age of one observation on the day, never below 0. [days]"""
        return float(max(0, (self.as_of.date() - observed_at.date()).days))

    def ahead_days(self, observed_at: datetime) -> float:
        """How far after the day something claims to have been seen; 0 as a rule. [days]"""
        return float(max(0, (observed_at.date() - self.as_of.date()).days))

    def _judged(
        self, frame: pl.DataFrame, packaged_kind: pl.Expr, *, ageless: pl.Expr | None = None, all_packaged: bool = False
    ) -> pl.DataFrame:
        sources = {name: self.rules.of_source(name) for name in self.rules.sources}
        kinds = {f"{_PACKAGED}{name}": self.rules.of_packaged(name) for name in self.rules.packaged}
        known, other = {**sources, **kinds}, self.rules.of_source("")
        reference = pl.lit(True) if all_packaged else pl.col("layer").cast(pl.String) == "reference"
        of = pl.when(reference).then(pl.concat_str(pl.lit(_PACKAGED), packaged_kind)).otherwise("source")

        def looked_up(name: str) -> pl.Expr:
            values = {key: float(getattr(limits, name)) for key, limits in known.items()}
            return of.replace_strict(values, default=float(getattr(other, name)), return_dtype=pl.Float64)

        never = pl.col("source") == USER_SOURCE
        if ageless is not None:
            never = never | ageless
        days = (pl.lit(self.as_of.date()) - pl.col("observed_at").dt.date()).dt.total_days().cast(pl.Float64)
        age, expected, limit = pl.col("age_days"), pl.col("expected_age_days"), pl.col("limit_age_days")
        return (
            frame.with_columns(
                days.clip(lower_bound=0.0).alias("age_days"),
                *(
                    pl.when(~never).then(looked_up(name)).alias(name)
                    for name in ("expected_age_days", "limit_age_days")
                ),
            )
            .with_columns(
                pl.when(age.is_null())
                .then(None)
                .when(age > limit)
                .then(pl.lit("expired"))
                .when(age > expected)
                .then(pl.lit("stale"))
                .otherwise(pl.lit("fresh"))
                .cast(FRESHNESS_TYPE)
                .alias("freshness")
            )
        )  # fmt: skip

    def without_expired(self, offers: dy.DataFrame[Offers]) -> dy.DataFrame[Offers]:
        """Leave expired prices out wherever another of the same network, chip and terms is not expired."""
        key = ["network", "accelerator", "terms"]
        judged = self.offers(offers.select(*key, "source", "layer", "price_kind", "observed_at", "not_comparable"))
        expired = pl.col("freshness") == "expired"
        usable = ~expired & pl.col("not_comparable").is_null()
        keep = judged.select((~expired) | ~usable.any().over(key)).to_series()
        return Offers.cast(offers.filter(keep))

    def facts_in_use(self, facts: dy.DataFrame[NetworkFacts]) -> dy.DataFrame[NetworkFacts]:
        """NetworkFacts with `AGE_COLUMNS`, those expired left out: nobody measured what they say of today."""
        judged = self.facts(facts).filter(pl.col("freshness") != "expired")
        return cast("dy.DataFrame[NetworkFacts]", judged)  # more columns than the schema has, none fewer

    def token_prices_in_use(self, prices: dy.DataFrame[TokenPrices]) -> dy.DataFrame[TokenPrices]:
        """TokenPrices that are not expired."""
        judged = self.token_prices(prices)
        return TokenPrices.cast(judged.filter(pl.col("freshness") != "expired"))

    def left_out(self, offers: pl.DataFrame, facts: pl.DataFrame, token_prices: pl.DataFrame) -> dy.DataFrame[LeftOut]:
        """Everything that is expired, in groups, with the reason.

        Of hosted token prices only hosts and models without a newer price are told: the rest is their history.
        """
        priced = self.offers(offers).filter(pl.col("not_comparable").is_null())
        hosted = self.token_prices(token_prices).filter(pl.col("llm").is_not_null())
        hosted = hosted.filter((pl.col("freshness") == "expired").all().over("provider", "llm"))
        parts = [
            priced.with_columns(pl.lit("price").alias("metric"), pl.col("accelerator").alias("subject")),
            self.facts(facts),
            hosted.with_columns(
                pl.lit("hosted token price").alias("metric"),
                pl.col("provider").alias("network"),
                pl.col("llm").alias("subject"),
            ),
        ]
        key = ["network", "metric", "subject", "source", "layer"]
        columns = [*key, *AGE_COLUMNS]
        expired = pl.concat([part.select(columns) for part in parts]).filter(pl.col("freshness") == "expired")
        subject = pl.concat_str(
            pl.col("metric").str.replace_all("_", " "), pl.lit(" of "), pl.coalesce("subject", "network"),
            pl.when(pl.col("subject").is_null()).then(pl.lit("")).otherwise(pl.concat_str(pl.lit(" at "), "network")),
        )  # fmt: skip
        grouped = (
            expired.sort("age_days")
            .group_by(key, maintain_order=True)
            .agg(pl.len().cast(pl.Int64).alias("rows"), *(pl.col(name).first() for name in AGE_COLUMNS))
            .with_columns(expired_reason(subject).alias("reason"))
            .sort(key)
        )
        return LeftOut.validate(grouped.select(LeftOut.column_names()), cast=True)
