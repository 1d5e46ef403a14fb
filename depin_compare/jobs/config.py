"""A job as models: every key with a default that is worth having, and what can be wrong with one."""

from __future__ import annotations

import hashlib
import json
import re
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from depin_compare.analysis import DEFAULT_HORIZON, DEFAULT_LLMS, DEFAULT_SCENARIOS, DEFAULT_WORKLOADS
from depin_compare.bands import Band
from depin_compare.economics.nodes import NODE_INPUTS, OwnNode
from depin_compare.economics.uncertainty import DEFAULT_DRAWS
from depin_compare.errors import UnknownNameError
from depin_compare.market.accelerators import accelerator_id
from depin_compare.market.overrides import DiscountOverride, FactOverride, Overrides, PriceOverride
from depin_compare.refdata import accelerators, networks

__all__ = ["DEFAULT_JOB", "DEFAULT_NETWORKS", "JOB_NAME", "JobConfig", "NodeConfig", "SourceConfig"]

DEFAULT_JOB = "default"
DEFAULT_NETWORKS = ("akash", "ionet", "render")
JOB_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_not_read_into_it(cls, value: Any, info: ValidationInfo) -> Any:
        """pydantic would read true as 1 and "7" as 7; in a file either is a slip."""
        annotation = cls.model_fields[str(info.field_name)].annotation
        kinds = set(get_args(annotation) or (annotation,)) - {NoneType}
        if isinstance(value, bool) and kinds <= {int, float}:
            raise ValueError("expected a number")
        if isinstance(value, str) and kinds <= {int, float, bool}:
            raise ValueError(f"{'true or false stands' if bool in kinds else 'a number stands'} without quotes")
        return value


def _variable(value: str) -> str:
    # What stands here in place of a name may be the secret itself: it is told to nobody.
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError(
            "expected the name of an environment variable (letters, digits, underscores); keys and addresses that "
            "hold one stand in the environment, never in this file"
        )
    return value


def _mirror(value: str) -> str:
    if not re.match(r"https?://", value):
        raise ValueError("expected an address that begins with http:// or https://")
    if "@" in value.split("/")[2]:
        raise ValueError("a mirror's password stands in ~/.netrc, never in this file")
    return value


def _time_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones, such as "Europe"
        raise ValueError(str(UnknownNameError("time zone", value, zoneinfo.available_timezones()))) from None
    return value


def _textfile(value: Path) -> Path:
    if value.suffix != ".prom":
        raise ValueError(f"expected a name that ends in .prom, saw {value.name!r}: the node exporter reads no other")
    return value


Variable = Annotated[str, AfterValidator(_variable)]
Address = Annotated[str, AfterValidator(_mirror)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
File = Annotated[Path, AfterValidator(Path.expanduser)]


class SourceConfig(_Strict):
    """``[sources.NAME]``"""

    enabled: bool = True
    time_budget_seconds: float | None = Field(default=None, gt=0, le=3600)
    key_variable: Variable | None = None
    expected_age_days: float | None = Field(default=None, gt=0)
    limit_age_days: float | None = Field(default=None, gt=0)


class HttpConfig(_Strict):
    """``[http]``"""

    mirrors: dict[Address, Address] = Field(default_factory=dict)


class AnalysisConfig(_Strict):
    """``[analysis]``"""

    networks: tuple[str, ...] = DEFAULT_NETWORKS
    llms: tuple[str, ...] = Field(default=DEFAULT_LLMS, min_length=1)
    workloads: tuple[str, ...] = Field(default=DEFAULT_WORKLOADS, min_length=1)
    scenarios: tuple[str, ...] = Field(default=DEFAULT_SCENARIOS, min_length=1)
    scenario_files: tuple[File, ...] = ()
    sensitivity: tuple[str, ...] = ("base",)
    horizon: date = DEFAULT_HORIZON
    minimum_reliability: float | None = Field(default=None, ge=0, le=1)
    decline_from: Literal["assumption", "history"] = "assumption"
    seed: int = Field(default=20261122, ge=0)
    draws: int = Field(default=DEFAULT_DRAWS, ge=2, le=2**17)

    @field_validator("draws")
    @classmethod
    def _a_power_of_two(cls, draws: int) -> int:
        if draws & (draws - 1):
            raise ValueError(f"must be a power of two, e.g. {DEFAULT_DRAWS} or {2 * DEFAULT_DRAWS}; saw {draws}")
        return draws


class OutputsConfig(_Strict):
    """``[outputs]``: where the report goes, and in which form."""

    out: File = Path("depin-report")
    formats: tuple[Literal["pdf", "png", "svg", "md", "csv", "parquet", "json"], ...] | None = Field(
        default=None, min_length=1
    )
    paper: Literal["a4", "us-letter"] = "a4"
    sections: tuple[str, ...] | None = None
    png_width: int | None = Field(default=None, ge=200, le=6000)
    dpi: int | None = Field(default=None, ge=50, le=800)
    prometheus_textfile: Annotated[File, AfterValidator(_textfile)] | None = None


class ScheduleConfig(_Strict):
    """``[schedule]``: when the job is due. Five cron fields, read in ``time_zone``."""

    cron: str
    time_zone: TimeZone = "UTC"
    misfire_grace_minutes: float = Field(default=60.0, gt=0)
    catch_up: bool = True


class RetentionConfig(_Strict):
    """``[retention]``: every snapshot of the last days, then the first of a day, then the first of a month."""

    keep_all_days: float = Field(default=90.0, ge=1)
    keep_daily_days: float = Field(default=730.0, ge=1)
    keep_monthly_days: float | None = Field(default=None, ge=1)


class ThresholdConfig(_Strict):
    """``[[alerts.thresholds]]``: one reported number, and where it gets interesting."""

    number: str
    above: float | None = None
    below: float | None = None
    hysteresis: float = Field(default=0.0, ge=0)
    name: str | None = None


class AlertsConfig(_Strict):
    """``[alerts]``: what to speak up about. Addresses hold secrets: they stand in the environment alone."""

    urls_variable: Variable = "DEPIN_COMPARE_ALERT_URLS"
    cool_down_hours: float = Field(default=24.0, ge=0)
    thresholds: tuple[ThresholdConfig, ...] = ()
    verdict_flips: bool = True
    stale_runs: int | None = Field(default=3, ge=1)
    job_failed: bool = True
    job_missed: bool = True
    heartbeat_variable: Variable = "DEPIN_COMPARE_HEARTBEAT_URL"


class _Dated(_Strict):
    """Something that holds from a day to a day, both included."""

    valid_from: date | None = None
    valid_to: date | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.valid_from is not None and self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} lies before valid_from {self.valid_from}")
        return self

    def holds(self, day: date) -> bool:
        """Whether it is in force on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)


class AssumptionOverride(_Dated):
    """One assumption of ``[assumptions]``: a number taken as certain, or a band."""

    low: float | None = None
    central: float | None = None
    high: float | None = None

    def band(self) -> dict[str, float]:
        """The ends that are given, as `depin_compare.refdata.assumption_set.assumption_set` takes them."""
        return self.model_dump(include={"low", "central", "high"}, exclude_none=True)


class PriceEntry(_Dated):
    """One price of ``[prices]``, keyed by seller and chip."""

    usd_per_accelerator_hour: float
    terms: str = "on_demand"


class DiscountEntry(_Dated):
    """One discount of ``[discounts]``, keyed by cloud."""

    share: float
    reference: str = "committed"
    accelerator: str | None = None


class FactEntry(_Dated):
    """One fact of ``[facts]``, keyed by network and metric."""

    value: float
    subject: str | None = None
    unit: str | None = None


class Range(_Strict):
    """A number with its band."""

    low: float
    central: float
    high: float


def _expanded(value: Any, names: tuple[str, ...]) -> Any:
    """A bare number stands for a table with that number under each of these names."""
    bare = isinstance(value, int | float) and not isinstance(value, bool)
    return dict.fromkeys(names, value) if bare else value


def _shorthand(*names: str) -> BeforeValidator:
    return BeforeValidator(lambda value: _expanded(value, names))


def _listed(name: str) -> BeforeValidator:
    """One entry, bare or a table, stands for a list of one."""
    return BeforeValidator(
        lambda value: [_expanded(entry, (name,)) for entry in (value if isinstance(value, list) else [value])]
    )


Assumption = Annotated[AssumptionOverride, _shorthand("low", "central", "high")]
Prices = Annotated[tuple[PriceEntry, ...], _listed("usd_per_accelerator_hour")]
Discounts = Annotated[tuple[DiscountEntry, ...], _listed("share")]
Facts = Annotated[tuple[FactEntry, ...], _listed("value")]
Number = Annotated[Range, _shorthand("low", "central", "high")]


class NodeConfig(_Strict):
    """``[node]``: the user's own machine, per accelerator with its share of it; what is left out is ``like``'s."""

    accelerator: str
    like: Literal["home", "data_centre"] = "home"
    networks: tuple[str, ...] | None = None
    hours_per_day: float | None = Field(default=None, ge=0, le=24)
    utilisation: Number | None = None
    usd_per_kwh: Number | None = None
    capex_usd: Number | None = None
    load_kw: Number | None = None
    idle_power_share: Number | None = None
    pue: Number | None = None
    life_years: Number | None = None
    salvage_share: Number | None = None
    opex_share_of_capex: Number | None = None
    cost_of_capital: Number | None = None

    @model_validator(mode="after")
    def _use_is_given_once(self) -> Self:
        if self.hours_per_day is not None and self.utilisation is not None:
            raise ValueError("give hours_per_day or utilisation, not both")
        return self

    def own_node(self) -> OwnNode:
        """The node as the economics take it.

        Raises
        ------
        UnknownNameError
            If the chip or a network does not exist.
        ModelDomainError
            If a band is not low <= central <= high, or a number lies outside its range.
        """
        known = accelerators()["accelerator"]
        chip = self.accelerator if self.accelerator in known else accelerator_id(self.accelerator)
        for network in self.networks or ():
            if network not in set(networks()["network"]):
                raise UnknownNameError("network", network, networks()["network"])
        given = {name: getattr(self, name) for name in NODE_INPUTS}
        inputs = {name: Band(**band.model_dump()) for name, band in given.items() if band is not None}
        if self.hours_per_day is not None:
            inputs["utilisation"] = Band.certain(self.hours_per_day / 24.0)
        return OwnNode(accelerator=chip or self.accelerator, inputs=inputs, like=self.like, networks=self.networks)


class JobConfig(_Strict):
    """One job; without a single key it is the default job."""

    name: str = Field(default=DEFAULT_JOB, pattern=f"^{JOB_NAME.pattern}$")
    analysis: AnalysisConfig = Field(default_factory=AnalysisConfig)
    sources: dict[str, SourceConfig] = Field(default_factory=dict)
    http: HttpConfig = Field(default_factory=HttpConfig)
    assumptions: dict[str, Assumption] = Field(default_factory=dict)
    prices: dict[str, dict[str, Prices]] = Field(default_factory=dict)
    discounts: dict[str, Discounts] = Field(default_factory=dict)
    facts: dict[str, dict[str, Facts]] = Field(default_factory=dict)
    node: NodeConfig | None = None
    # By name, as the file has them: economics.own_scenarios knows what can be wrong with one.
    scenarios: dict[str, dict[str, Any]] = Field(default_factory=dict)
    outputs: OutputsConfig = Field(default_factory=OutputsConfig)
    schedule: ScheduleConfig | None = None
    retention: RetentionConfig | None = None
    alerts: AlertsConfig | None = None

    def assumption_overrides(self, day: date | None = None) -> dict[str, dict[str, float]]:
        """The changed assumptions in force on a day, as `depin_compare.refdata.assumption_set` takes them."""
        return {name: value.band() for name, value in self.assumptions.items() if day is None or value.holds(day)}

    def overrides(self) -> Overrides:
        """The user's prices, discounts and facts, each with its validity.

        Raises
        ------
        UnknownNameError, ModelDomainError
            If one of them names what does not exist or lies outside its range.
        """
        made = [build() for _, build in self.override_builders()]
        return Overrides(
            prices=[x for x in made if isinstance(x, PriceOverride)],
            discounts=[x for x in made if isinstance(x, DiscountOverride)],
            facts=[x for x in made if isinstance(x, FactOverride)],
        )

    def own_nodes(self) -> tuple[OwnNode, ...]:
        """The user's node, if there is one."""
        return (self.node.own_node(),) if self.node else ()

    def lapsed_assumptions(self, day: date) -> list[str]:
        """Assumptions that the file changes, but not on this day."""
        return sorted(name for name, value in self.assumptions.items() if not value.holds(day))

    def override_builders(self) -> Iterator[tuple[list[str], Callable[[], object]]]:
        """Where each override stands in the file, and how it is made; making it checks its names and ranges."""
        for network, chips in self.prices.items():
            for chip, prices in chips.items():
                for price in prices:
                    yield (
                        ["prices", network, chip],
                        partial(PriceOverride, network=network, accelerator=chip, **price.model_dump()),
                    )
        for cloud, discounts in self.discounts.items():
            for discount in discounts:
                yield ["discounts", cloud], partial(DiscountOverride, cloud=cloud, **discount.model_dump())
        for network, metrics in self.facts.items():
            for metric, facts in metrics.items():
                for fact in facts:
                    yield (
                        ["facts", network, metric],
                        partial(FactOverride, network=network, metric=metric, **fact.model_dump()),
                    )

    def digest(self) -> str:
        """sha256 of what the job asks for, independent of its name and of how its files are laid out."""
        told = self.model_dump(mode="json", exclude={"name": True, "analysis": {"scenario_files"}})
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
