"""What the token pays, network by network: take, emission, subsidy, coverage, burn, and the premium left to earn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import dataframely as dy
import polars as pl

from depin_compare.bands import Band
from depin_compare.doors import Schema
from depin_compare.economics.comparison import Comparison, unique_service_premium
from depin_compare.economics.derivations import Derivation, Input, weakest_kind
from depin_compare.economics.margins import PAID_IN_TOKENS, Margins
from depin_compare.economics.nodes import NO_NODE
from depin_compare.economics.tokenomics import (
    burn_mint_supply_change,
    cumulative_emission,
    emission_coverage,
    network_take_of_fees,
    required_token_price,
    scheduled_emission,
    subsidy_gap,
    subsidy_usd_per_hour,
)
from depin_compare.market.facts import NetworkFacts
from depin_compare.market.offers import LAYERS
from depin_compare.market.prices import MarketPrices
from depin_compare.refdata import KINDS, accelerators, network_facts, networks, sources
from depin_compare.refdata.assumption_set import AssumptionSet
from depin_compare.units import HOURS_PER_DAY, HOURS_PER_MONTH, HOURS_PER_WEEK, MONTHS_PER_YEAR

__all__ = [
    "BOUNDS", "MEASURES", "NO_EQUILIBRIUM", "PAID_BY_TENANTS", "PRICE_BASES", "TokenEconomics", "TokenRow",
    "fee_floors", "token_economics", "token_rows",
]  # fmt: skip

MEASURES = (
    "network_take",
    "revenue_usd_per_rented_hour",
    "emission_tokens_per_month",
    "emission_usd_per_month",
    "subsidy_tokens_per_rented_hour",
    "subsidy_usd_per_rented_hour",
    "subsidy_tokens_per_online_hour",
    "subsidy_usd_per_online_hour",
    "subsidy_gap_usd_per_hour",
    "subsidy_gap_tokens_per_hour",
    "required_usd_per_token",
    "emission_coverage",
    "burned_tokens",
    "burned_tokens_net",
    "burn_to_mint",
    "supply_change_tokens_per_1000_usd",
    "unique_service_premium",
)
# period: the token's price in the days the figures are of; today: the newest on record; stressed: a multiple of it.
PRICE_BASES = ("period", "today", "stressed")
BOUNDS = ("upper", "lower")
_MODULE = "depin_compare.economics.tokenomics"
_NEAR = timedelta(days=45)
_LAYER_RANK = {"live": 0, "stored": 1, "reference": 2}


class TokenEconomics(Schema):
    """One row a network x measure x subject x price basis.

    ``subject`` is a way to pay, a chip, a chip with its archetype or a cloud's reference, null for the whole
    network; ``price_basis`` is null where no token price enters. ``bound`` marks a number that is only the most or
    the least it can be. Null values carry their reason in ``not_known``. ``observed_at`` is the day of the oldest
    observation in it, ``kind`` the weakest way any input is known.
    """

    network = dy.String(nullable=False)
    measure = dy.Enum(MEASURES, nullable=False)
    subject = dy.String(nullable=True)
    price_basis = dy.Enum(PRICE_BASES, nullable=True)
    value = dy.Float64(nullable=True, allow_inf=True)
    unit = dy.String(nullable=True)
    bound = dy.Enum(BOUNDS, nullable=True)
    token = dy.String(nullable=True)
    usd_per_token = dy.Float64(nullable=True, min_exclusive=0)
    kind = dy.Enum(KINDS, nullable=True)
    observed_at = dy.Datetime(time_zone="UTC", time_unit="us", nullable=True)
    layer = dy.Enum(LAYERS, nullable=True)
    sources = dy.String(nullable=True)
    formula = dy.String(nullable=True)
    note = dy.String(nullable=True)
    not_known = dy.String(nullable=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A row of `TokenEconomics` with its derivation; without one, with the reason why there is none."""

    network: str
    measure: str
    subject: str | None = None
    price_basis: str | None = None
    bound: str | None = None
    token: str | None = None
    derivation: Derivation | None = None
    not_known: str | None = None

    def record(self) -> dict[str, object]:
        """The row as the frame holds it."""
        made: dict[str, object] = {
            name: getattr(self, name)
            for name in ("network", "measure", "subject", "price_basis", "bound", "token", "not_known")
        }
        told = self.derivation
        if told is None:
            return made
        # A rule does not age; where there is nothing else, its day is told.
        seen = [one for one in told.inputs if one.kind != "protocol"] or told.inputs
        dated = [one.observed_at for one in seen if one.observed_at is not None and one.layer is not None]
        layers = [one.layer for one in told.inputs if one.layer is not None]
        prices = [one.value for one in told.inputs if one.name == "usd_per_token"]
        return made | {
            "value": told.value(),
            "unit": told.unit,
            "usd_per_token": prices[0] * _stress(told) if prices else None,
            "kind": weakest_kind(one.kind for one in told.inputs),
            "observed_at": min(dated, default=None),
            "layer": max(layers, key=lambda layer: _LAYER_RANK[layer], default=None),
            "sources": "; ".join(dict.fromkeys(one.source for one in told.inputs if one.source)) or None,
            "formula": told.formula,
            "note": told.note,
        }


def _stress(told: Derivation) -> float:
    return next((one.value for one in told.inputs if one.name == "token_price_stress_factor"), 1.0)


def token_economics(
    facts: dy.DataFrame[NetworkFacts],
    *,
    as_of: datetime,
    margins: dy.DataFrame[Margins],
    markets: dy.DataFrame[MarketPrices],
    comparison: dy.DataFrame[Comparison],
    assumptions: AssumptionSet,
    work: Mapping[str, tuple[str, str, str]],
    network_ids: Sequence[str] | None = None,
) -> dy.DataFrame[TokenEconomics]:
    """Every token measure of every network, with its basis and its doubt.

    Parameters
    ----------
    facts : DataFrame[NetworkFacts]
        Of each network and metric the best layer is used: live before stored before reference, then the newest.
    as_of : datetime
        Today.
    margins, markets : DataFrame
        Break-even and tenant prices, for the subsidy gap.
    comparison : DataFrame[Comparison]
        For the premium the unique service must earn.
    assumptions : AssumptionSet
        ``token_price_stress_factor``.
    work : mapping
        Network -> (accelerator, LLM, workload) that stands for it.
    network_ids : sequence of str, optional
        Default: every network ``facts`` or ``margins`` speak of that is no cloud.

    Returns
    -------
    DataFrame[TokenEconomics]
        At least one row a network and measure: a number, or the reason why it is not known. A figure of one period
        is never set against a figure of another.
    """
    rows = token_rows(
        facts, as_of=as_of, margins=margins, markets=markets, comparison=comparison, assumptions=assumptions,
        work=work, network_ids=network_ids,
    )  # fmt: skip
    frame = pl.DataFrame([row.record() for row in rows], schema=TokenEconomics.create_empty().schema)
    return TokenEconomics.validate(frame)


def fee_floors(token_economics: pl.DataFrame) -> set[str]:
    """Networks that may keep more than is published: what their suppliers keep is at most what is told."""
    floor = (pl.col("measure") == "network_take") & (pl.col("bound") == "lower") & pl.col("value").is_not_null()
    return set(token_economics.filter(floor)["network"])


def token_rows(
    facts: dy.DataFrame[NetworkFacts],
    *,
    as_of: datetime,
    margins: dy.DataFrame[Margins],
    markets: dy.DataFrame[MarketPrices],
    comparison: dy.DataFrame[Comparison],
    assumptions: AssumptionSet,
    work: Mapping[str, tuple[str, str, str]],
    network_ids: Sequence[str] | None = None,
) -> list[TokenRow]:
    """`token_economics` with the derivation of every number; arguments as there."""
    clouds = set(networks().filter(pl.col("segment") == "hyperscaler")["network"])
    spoken = sorted({*facts["network"], *margins["network"]} - clouds)
    told: list[TokenRow] = []
    for network in spoken if network_ids is None else network_ids:
        book = _Book.of(network, facts, as_of, assumptions)
        own_margins = margins.filter(pl.col("network") == network)
        own_markets = markets.filter(pl.col("network") == network, pl.col("terms") == "on_demand")
        compared = _compared(comparison, network, work.get(network))
        found = [
            *_take(book), *_revenue(book), *_emission(book), *_subsidy(book),
            *_gap(book, own_margins, own_markets), *_coverage(book), *_burn(book),
            *_premium(book, compared, own_margins),
        ]  # fmt: skip
        told += sorted(found, key=lambda row: MEASURES.index(row.measure))
    return told


def _compared(comparison: pl.DataFrame, network: str, work: tuple[str, str, str] | None) -> pl.DataFrame:
    if work is None:
        return comparison.clear()
    accelerator, llm, workload = work
    return comparison.filter(
        pl.col("network") == network, pl.col("accelerator") == accelerator, pl.col("llm") == llm,
        pl.col("workload") == workload, pl.col("match") == "cheapest",
    )  # fmt: skip


_KEPT = ("value", "unit", "kind", "source", "source_url", "observed_at", "layer", "note", "subject")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Book:
    """The facts of one network, the best layer and the newest day first, and its token."""

    network: str
    display_name: str
    token: str | None
    as_of: datetime
    facts: Mapping[str, Sequence[Mapping[str, Any]]]
    stress: Input

    @classmethod
    def of(cls, network: str, facts: pl.DataFrame, as_of: datetime, assumptions: AssumptionSet) -> _Book:
        rows = facts.filter(pl.col("network") == network).with_columns(pl.col(pl.Enum).cast(pl.String)).to_dicts()
        rows.sort(
            key=lambda r: (_LAYER_RANK[r["layer"]], -r["observed_at"].timestamp(), KINDS.index(r["kind"]), r["source"])
        )
        by_metric: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            by_metric.setdefault(row["metric"], []).append({name: row[name] for name in _KEPT})
        known = networks().filter(pl.col("network") == network)
        return cls(
            network=network,
            display_name=known["display_name"][0] if len(known) else network,
            token=known["token"][0] if len(known) else None,
            as_of=as_of,
            facts=by_metric,
            stress=_assumed("token_price_stress_factor", assumptions),
        )

    def has(self, metric: str, subject: str | None = None) -> bool:
        return self.fact(metric, metric, subject) is not None

    def subjects(self, metric: str) -> list[str | None]:
        return sorted({row["subject"] for row in self.facts.get(metric, ())}, key=lambda s: (s is not None, s))

    def fact(self, name: str, metric: str, subject: str | None = None, **how: Any) -> Input | None:
        """The newest fact as an input called ``name``; a fact that says otherwise is told in its note."""
        rows = [row for row in self.facts.get(metric, ()) if row["subject"] == subject]
        return _told(name, rows, **how) if rows else None

    def first(self, name: str, *metrics: str, **how: Any) -> Input | None:
        """The first of several metrics that is there, live ones before others."""
        found = [one for metric in metrics if (one := self.fact(name, metric, **how)) is not None]
        return min(found, key=lambda one: _LAYER_RANK[one.layer or "reference"], default=None)

    def price(self, basis: str, day: datetime | None = None) -> tuple[Input, ...] | None:
        """The token's price as inputs: of a period, of today, or today's with the stress factor; None if unknown."""
        today = self.fact("usd_per_token", "token_price", self.token) if self.token else None
        if basis == "today":
            return None if today is None else (today,)
        if basis == "stressed":
            return None if today is None else (today, self.stress)
        if day is None:
            return None
        near = [today] if today and today.observed_at and abs(today.observed_at - day) <= _NEAR else []
        near += self._past_prices(day)
        known = [one for one in near if one.observed_at is not None]
        return (min(known, key=lambda one: abs(_day_of(one) - day)),) if known else None

    def _past_prices(self, day: datetime) -> list[Input]:
        """Packaged prices of the token around a day, which the facts of today no longer hold."""
        past = network_facts().filter(
            pl.col("network") == self.network, pl.col("metric") == "token_price", pl.col("subject") == self.token,
            (pl.col("as_of") - day.date()).abs() <= _NEAR, pl.col("as_of") <= self.as_of.date(),
        )  # fmt: skip
        urls = dict(sources().select("source_id", "url").iter_rows())
        return [
            Input(
                name="usd_per_token", band=Band.certain(row["value"]), unit=row["unit"], kind=str(row["kind"]),
                source=row["source_id"], source_url=urls.get(row["source_id"]), layer="reference", note=row["note"],
                observed_at=datetime.combine(row["as_of"], datetime.min.time(), tzinfo=day.tzinfo),
            )
            for row in past.iter_rows(named=True)
        ]  # fmt: skip

    @property
    def no_price(self) -> str:
        """Why no amount in the token can be valued."""
        if self.token is None:
            return f"{self.display_name} has no token on record"
        assumed = " (a proposal names one as an illustration only)" if "token_price_assumed" in self.facts else ""
        return f"no price of {self.token} on record{assumed}"

    def row(self, measure: str, derivation: Derivation | None = None, **how: Any) -> TokenRow:
        return TokenRow(network=self.network, measure=measure, token=self.token, derivation=derivation, **how)

    def unknown(self, measure: str, reason: str, **how: Any) -> TokenRow:
        return self.row(measure, not_known=reason, **how)


def _day_of(one: Input) -> datetime:
    assert one.observed_at is not None
    return one.observed_at


def _told(name: str, rows: Sequence[Mapping[str, Any]], **how: Any) -> Input:
    best = rows[0]
    others = [
        f"{row['source']} says {row['value']:g}" for row in rows[1:]
        if row["unit"] == best["unit"] and row["value"] != best["value"]
    ]  # fmt: skip
    note = "; ".join(filter(None, [best["note"], *others]))
    return Input(
        name=name, band=Band.certain(best["value"]), unit=best["unit"], kind=best["kind"], source=best["source"],
        source_url=best["source_url"], observed_at=best["observed_at"], layer=best["layer"], note=note or None, **how,
    )  # fmt: skip


def _assumed(parameter: str, assumptions: AssumptionSet) -> Input:
    row = assumptions.frame.filter(pl.col("parameter") == parameter).row(0, named=True)
    return Input(
        name=parameter, band=assumptions[parameter], unit=row["unit"], kind=str(row["kind"]),
        source=row["source_id"], note=row["note"], address=f"assumption {parameter}",
    )  # fmt: skip


def _priced(
    book: _Book, measure: str, tokens: Derivation, formula: str, unit: str, *, basis: str, **how: Any
) -> TokenRow:
    """An amount of tokens at a token price; unknown, with the reason, where there is no price."""
    price = book.price(basis)
    if price is None:
        return book.unknown(measure, book.no_price, price_basis=basis)

    def model(v: Mapping[str, float]) -> float:
        return tokens.model(v) * v["usd_per_token"] * v.get(book.stress.name, 1.0)

    valued = replace(tokens, formula=formula, unit=unit, inputs=(*tokens.inputs, *price), model=model)
    return book.row(measure, valued, price_basis=basis, **how)


_NODE_COSTS = ("power_usd_per_hour", "opex_usd_per_hour", "capital_usd_per_hour")
_FEE_DOMAIN = (0.0, 1.0)


def _take(book: _Book) -> Iterator[TokenRow]:
    """What never reaches the provider, for every way to pay."""
    minted = book.fact("paid_in_minted_tokens", "paid_in_minted_tokens", domain=(0.0, 1.0))
    if minted is not None and minted.value == 1:
        yield book.row("network_take", replace(_as_printed(minted, "fraction"), note=PAID_IN_TOKENS))
        return
    ways = book.subjects("take_rate_provider")
    if not ways:
        yield book.unknown("network_take", f"{book.display_name} publishes no take rate")
    spread = book.fact("mint_settle_spread", "mint_settle_spread", domain=_FEE_DOMAIN)
    for way in ways:
        take = book.fact("take_rate", "take_rate_provider", way, domain=_FEE_DOMAIN)
        fee = book.fact("buyer_fee", "fee_buyer", way) or book.fact("buyer_fee", "fee_buyer")
        assert take is not None
        inputs = tuple(one for one in (take, fee, spread) if one is not None)
        kept = "(1 - take_rate)" + (" (1 - mint_settle_spread)" if spread else "")
        notes = [] if fee else ["no fee on the buyer's bill is published: at least this"]
        notes += ["the token's price between minting and settlement comes on top, with either sign"] if spread else []
        yield book.row(
            "network_take",
            Derivation(
                formula=f"1 - {kept}" + (" / (1 + buyer_fee)" if fee else ""),
                function=f"{_MODULE}.network_take_of_fees", unit="fraction", inputs=inputs,
                model=lambda v: float(network_take_of_fees(**v)), note="; ".join(notes) or None,
            ),
            subject=way, bound=None if fee else "lower",
        )  # fmt: skip


def _revenue(book: _Book) -> Iterator[TokenRow]:
    """What tenants paid per rented hour: all spending over the GPUs in use, so the most it can be."""
    measure, unit = "revenue_usd_per_rented_hour", "USD per GPU-hour"
    spend = book.first("spend_usd_per_day", "lease_spend_usd_per_day", "spend", "spend_usd_per_day")
    used = book.first("gpus_in_use", "gpus_in_use", "gpus_active")
    if spend and used and spend.observed_at and used.observed_at and abs(_day_of(spend) - _day_of(used)).days <= 1:
        yield book.row(
            measure,
            Derivation(
                formula="spend_usd_per_day / (gpus_in_use x 24)", function="", unit=unit, inputs=(spend, used),
                model=lambda v: v["spend_usd_per_day"] / (v["gpus_in_use"] * HOURS_PER_DAY),
                note="spending on leases without a GPU is in it",
            ),
            bound="upper",
        )  # fmt: skip
        return
    printed = book.first("revenue_per_rented_hour", "spend_per_leased_gpu", "revenue_per_rented_hour")
    if printed is None:
        yield book.unknown(measure, "no spending and number of rented GPUs of the same days on record")
        return
    yield book.row(measure, _as_printed(printed, unit), bound="upper")


def _as_printed(printed: Input, unit: str | None = None) -> Derivation:
    return Derivation(
        formula=f"{printed.name}, as printed", function="", unit=unit or printed.unit, inputs=(printed,),
        model=lambda v: v[printed.name], note=printed.note,
    )  # fmt: skip


_SCHEDULE = {
    "launch_supply": "supply_at_launch",
    "rate_first_year": "emission_rate_first_year",
    "decline_per_month": "emission_decline_per_month",
    "months": "emission_months",
}
_REPLACED = "the schedule was replaced in June 2026: suppliers are paid a USD target, so no more than this is emitted"


def _schedule(book: _Book) -> tuple[tuple[Input, ...], Input] | None:
    """Parameters of a disinflationary schedule, and its start; None where the network has none."""
    domains = {"rate_first_year": (0.0, 1.0), "decline_per_month": (0.0, 0.5)}
    found = [book.fact(name, metric, domain=domains.get(name)) for name, metric in _SCHEDULE.items()]
    start = book.fact("start", "emission_start")
    told = tuple(one for one in found if one is not None)
    return (told, start) if start is not None and len(told) == len(_SCHEDULE) else None


def _month_index(day: date, start: float) -> int:
    """Whole months from the month a schedule starts in (decimal year) to the month of a day."""
    year = int(start)
    return (day.year - year) * 12 + day.month - 1 - round((start - year) * MONTHS_PER_YEAR)


def _ruled_by_engine(book: _Book, day: datetime) -> bool:
    """Whether the schedule was already replaced on a day."""
    rule = book.fact("rule", "surplus_burn_share")
    return rule is not None and rule.observed_at is not None and day >= rule.observed_at


def _scheduled(book: _Book, day: datetime) -> Derivation | None:
    """Tokens the schedule emits in the month of a day."""
    schedule = _schedule(book)
    if schedule is None:
        return None
    inputs, start = schedule
    month = _month_index(day.date(), start.value)
    return Derivation(
        formula=f"launch_supply x rate_first_year / 12 x (1 - decline_per_month)^{month}",
        function=f"{_MODULE}.scheduled_emission", unit=f"{book.token} per month", inputs=inputs,
        model=lambda v: float(scheduled_emission(month, **{name: v[name] for name in _SCHEDULE})),
        note=_REPLACED if _ruled_by_engine(book, day) else None,
    )  # fmt: skip


def _emitted(book: _Book) -> tuple[Derivation, str | None] | None:
    """Tokens to providers a month today, with the bound they are; None where nobody publishes them."""
    epochs = [
        book.fact(f"per_epoch_{s}", "node_emission_per_epoch", s) for s in book.subjects("node_emission_per_epoch")
    ]
    weekly = tuple(one for one in epochs if one is not None)
    live = book.fact("per_epoch", "node_rewards_per_epoch")
    weekly = (live,) if live is not None else weekly
    if weekly:
        formula = " + ".join(one.name for one in weekly)
        return Derivation(
            formula=f"({formula}) x 730 / 168", function="", unit=f"{book.token} per month", inputs=weekly,
            model=lambda v: sum(v[one.name] for one in weekly) * HOURS_PER_MONTH / HOURS_PER_WEEK,
        ), None  # fmt: skip
    yearly = book.fact("per_year", "node_emission_per_year")
    if yearly is not None:
        return Derivation(
            formula="per_year / 12", function="", unit=f"{book.token} per month", inputs=(yearly,),
            model=lambda v: v["per_year"] / MONTHS_PER_YEAR, note=yearly.note,
        ), None  # fmt: skip
    scheduled = _scheduled(book, book.as_of)
    if scheduled is None:
        return None
    return scheduled, "upper" if _ruled_by_engine(book, book.as_of) else None


# How a reason starts that says there is none, not that nobody knows.
PAID_BY_TENANTS = "tenants pay"
# And that a measure has no meaning for a network.
NO_EQUILIBRIUM = "does not burn tokens for credits that it mints again at settlement"


def _nothing_emitted(book: _Book) -> str:
    if book.token is None:
        return f"{book.display_name} has no token on record"
    if book.has("mint_settle_spread"):
        online = ", and an incentive pays for being online" if book.facts.get("guaranteed_pay") else ""
        return f"{PAID_BY_TENANTS} {book.display_name}'s providers: new {book.token} go to stakers{online}"
    return f"nobody publishes what {book.display_name} emits to providers"


def _emission(book: _Book) -> Iterator[TokenRow]:
    found = _emitted(book)
    if found is None:
        for measure in ("emission_tokens_per_month", "emission_usd_per_month"):
            yield book.unknown(measure, _nothing_emitted(book))
        return
    tokens, bound = found
    yield book.row("emission_tokens_per_month", tokens, bound=bound)
    for basis in ("today", "stressed"):
        yield _priced(book, "emission_usd_per_month", tokens, f"{tokens.formula} x {_PRICE_WORDS[basis]}",
                      "USD per month", basis=basis, bound=bound)  # fmt: skip


_PRICE_WORDS = {
    "period": "usd_per_token",
    "today": "usd_per_token",
    "stressed": "usd_per_token x token_price_stress_factor",
}


def _subsidy(book: _Book) -> Iterator[TokenRow]:
    """Token rewards per rented and per online hour: by chip where the rules print them, else of the whole network."""
    rented, online = list(_job_rewards(book)), list(_availability_rewards(book))
    fleet_rented, fleet_online = _fleet_subsidy(book)
    rented, online = rented or fleet_rented, online or fleet_online
    yield from _guaranteed(book)
    for hours, found in (("rented", rented), ("online", online)):
        tokens_measure, usd_measure = f"subsidy_tokens_per_{hours}_hour", f"subsidy_usd_per_{hours}_hour"
        if not found:
            if hours == "online" and book.subjects("guaranteed_pay"):
                continue
            reason = _no_subsidy(book, hours)
            yield book.unknown(tokens_measure, reason)
            yield book.unknown(usd_measure, reason)
            continue
        for subject, tokens, bound in found:
            yield book.row(tokens_measure, tokens, subject=subject, bound=bound)
        for basis in ("today", "stressed"):
            if book.price(basis) is None and any(tokens.value() for _, tokens, _ in found):
                yield book.unknown(usd_measure, book.no_price, price_basis=basis)
                continue
            for subject, tokens, bound in found:
                if book.price(basis) is None:
                    nothing = replace(tokens, unit="USD per GPU-hour", note="no tokens are worth nothing at any price")
                    yield book.row(usd_measure, nothing, subject=subject, bound=bound, price_basis=basis)
                else:
                    yield _priced(book, usd_measure, tokens, f"{tokens.formula} x {_PRICE_WORDS[basis]}",
                                  "USD per GPU-hour", basis=basis, subject=subject, bound=bound)  # fmt: skip


def _no_subsidy(book: _Book, hours: str) -> str:
    if _emitted(book) is None:
        return _nothing_emitted(book)
    return f"no number of {hours} GPUs on record for the days of the emission"


_Subsidy = tuple[str | None, Derivation, str | None]
_POOLED = "all nodes share a weekly pool, so no more than this"


def _job_rewards(book: _Book) -> Iterator[_Subsidy]:
    base = book.fact("job_reward", "job_reward", "rtx-4090")
    if base is None:
        for chip in book.subjects("reward_per_hour"):
            printed = book.fact("reward_per_hour", "reward_per_hour", chip)
            assert printed is not None
            told = _as_printed(printed, f"{book.token} per GPU-hour")
            yield chip, replace(told, formula="reward_per_hour"), None
        return
    for chip in book.subjects("reward_multiplier"):
        score = book.fact("reward_multiplier", "reward_multiplier", chip)
        assert score is not None
        yield chip, Derivation(
            formula="job_reward x reward_multiplier / 168",
            function=f"{_MODULE}.subsidy_usd_per_hour", unit=f"{book.token} per GPU-hour", inputs=(base, score),
            model=lambda v: v["job_reward"] * v["reward_multiplier"] / HOURS_PER_WEEK, note=_POOLED,
        ), "upper"  # fmt: skip


def _availability_rewards(book: _Book) -> Iterator[_Subsidy]:
    base = book.fact("availability_reward", "availability_reward")
    if base is None:
        return
    for chip in book.subjects("reward_multiplier"):
        score = book.fact("reward_multiplier", "reward_multiplier", chip)
        assert score is not None
        yield chip, Derivation(
            formula="availability_reward x reward_multiplier / 168",
            function=f"{_MODULE}.subsidy_usd_per_hour", unit=f"{book.token} per GPU-hour", inputs=(base, score),
            model=lambda v: v["availability_reward"] * v["reward_multiplier"] / HOURS_PER_WEEK,
            note=f"idle and rented hours alike; {_POOLED}",
        ), "upper"  # fmt: skip


def _fleet_subsidy(book: _Book) -> tuple[list[_Subsidy], list[_Subsidy]]:
    """Emission of the month the GPUs were counted in over their hours: of the rented ones, and of all online."""
    yearly = book.fact("per_year", "node_emission_per_year")
    if yearly is not None and yearly.value == 0:
        nothing = Derivation(
            formula="nothing is emitted to providers", function="", unit=f"{book.token} per GPU-hour",
            inputs=(yearly,), model=lambda v: v["per_year"], note=yearly.note,
        )  # fmt: skip
        return [(None, nothing, None)], [(None, nothing, None)]
    fleet = book.fact("gpus_total", "gpus_total")
    emitted = _scheduled(book, _day_of(fleet)) if fleet is not None else None
    if fleet is None or emitted is None:
        return [], []
    day = _day_of(fleet)
    bound = "upper" if _ruled_by_engine(book, day) else None

    def per_hour(v: Mapping[str, float]) -> float:
        hours = v["gpus_total"] * HOURS_PER_MONTH * v.get("utilisation", 1.0)
        return float(subsidy_usd_per_hour(emitted.model(v), usd_per_token=1.0, accelerator_hours=hours))

    online = replace(
        emitted, formula=f"{emitted.formula} / (gpus_total x 730)", function=f"{_MODULE}.subsidy_usd_per_hour",
        unit=f"{book.token} per GPU-hour", inputs=(*emitted.inputs, fleet), model=per_hour,
        note="; ".join(filter(None, [f"emission and GPUs of {day:%B %Y}", emitted.note])),
    )  # fmt: skip
    use = book.fact("utilisation", "utilisation", domain=(0.0, 1.0))
    if use is None or abs(_day_of(use) - day) > _NEAR or use.value == 0:
        return [], [(None, online, bound)]
    rented = replace(
        online, formula=f"{emitted.formula} / (gpus_total x 730 x utilisation)", inputs=(*online.inputs, use)
    )
    return [(None, rented, bound)], [(None, online, bound)]


def _guaranteed(book: _Book) -> Iterator[TokenRow]:
    """Pay guaranteed to providers in USD: the subsidy of an online hour that no tenant rents, so the most it can be."""
    for chip in book.subjects("guaranteed_pay"):
        pay = book.fact("guaranteed_pay", "guaranteed_pay", chip)
        assert pay is not None
        note = "what tenants pay for the hour is deducted, and part of the sum went back to the pool"
        told = replace(_as_printed(pay, "USD per GPU-hour"), note=note)
        yield book.row("subsidy_usd_per_online_hour", told, subject=chip, bound="upper")
    for basis in ("today", "stressed") if book.subjects("guaranteed_pay") else ():
        price = book.price(basis)
        if price is None:
            yield book.unknown("subsidy_tokens_per_online_hour", book.no_price, price_basis=basis)
            continue
        for chip in book.subjects("guaranteed_pay"):
            pay = book.fact("guaranteed_pay", "guaranteed_pay", chip)
            assert pay is not None
            told = _in_tokens(book, _as_printed(pay), "guaranteed_pay", price, basis)
            yield book.row("subsidy_tokens_per_online_hour", told, subject=chip, price_basis=basis, bound="upper")


def _in_tokens(book: _Book, usd: Derivation, words: str, price: tuple[Input, ...], basis: str) -> Derivation:
    """An amount of USD in tokens."""
    divisor = f"({_PRICE_WORDS[basis]})" if basis == "stressed" else _PRICE_WORDS[basis]

    def model(v: Mapping[str, float]) -> float:
        return usd.model(v) / (v["usd_per_token"] * v.get(book.stress.name, 1.0))

    return replace(usd, formula=f"{words} / {divisor}", unit=f"{book.token} per GPU-hour",
                   inputs=(*usd.inputs, *price), model=model)  # fmt: skip


def _gap(book: _Book, margins: pl.DataFrame, markets: pl.DataFrame) -> Iterator[TokenRow]:
    """What every kind of provider lacks to break even, in USD and tokens, and the token price that would close it."""
    usd, tokens, required = "subsidy_gap_usd_per_hour", "subsidy_gap_tokens_per_hour", "required_usd_per_token"
    rewards = {chip: tokens_per_hour for chip, tokens_per_hour, _ in _job_rewards(book)}
    minted = book.fact("paid_in_minted_tokens", "paid_in_minted_tokens")
    if minted is not None and minted.value == 1:
        yield from (
            book.unknown(measure, f"{PAID_IN_TOKENS}: no price of an hour pays them") for measure in (usd, tokens)
        )
        yield from _required_of_minted(book, margins, rewards)
        return
    known = [row for row in margins.iter_rows(named=True) if row["breakeven_usd_per_accelerator_hour"] is not None]
    if not known:
        every = margins["not_known"].drop_nulls().unique().sort().to_list() if margins.height else []
        # Chips share reasons: each is told once.
        reasons = dict.fromkeys(part for reason in every for part in reason.split("; "))
        lacking = NO_NODE if markets.height else "no price on record that a provider is paid"
        reason = f"no break-even price: {'; '.join(reasons) or lacking}"
        yield from (book.unknown(measure, reason) for measure in (usd, tokens, required))
        return
    prices = {row["accelerator"]: row for row in markets.iter_rows(named=True)}
    asked = [row for row in known if row["accelerator"] in prices]
    gaps = [(row, _gap_of(book, row, prices[row["accelerator"]])) for row in asked if row["not_known"] is None]
    # A break-even holds at any price; what lacks to it is not known where the price is too old to be told.
    too_old = [row for row in asked if row["not_known"] is not None]
    for row, gap in gaps:
        yield book.row(usd, gap, subject=_subject(row))
    for row in too_old:
        yield book.unknown(usd, row["not_known"], subject=_subject(row))
    for basis in ("today", "stressed"):
        price = book.price(basis)
        if price is None:
            yield book.unknown(tokens, book.no_price, price_basis=basis)
            continue
        for row, gap in gaps:
            told = _in_tokens(book, gap, f"({gap.formula})", price, basis)
            yield book.row(tokens, told, subject=_subject(row), price_basis=basis)
        for row in too_old:
            yield book.unknown(tokens, row["not_known"], subject=_subject(row), price_basis=basis)
    closable = [
        (row, gap, reward) for row, gap in gaps if (reward := _of_chip(rewards, row["accelerator"])) is not None
    ]
    if not closable:
        yield book.unknown(required, too_old[0]["not_known"] if too_old and rewards else _no_reward(book))
    for row, gap, reward in closable:
        told = _required(book, row, gap, reward)
        yield book.row(required, told, subject=_subject(row), bound=_bound_of_price(reward))


def _no_reward(book: _Book) -> str:
    return f"nobody publishes the {book.token or 'tokens'} paid per rented hour of a chip"


def _bound_of_price(reward: Derivation) -> str | None:
    """Of rewards that are no more than the rule's, a token must be worth at least this."""
    return "lower" if reward.note == _POOLED else None


def _required_of_minted(
    book: _Book, margins: pl.DataFrame, rewards: Mapping[str | None, Derivation]
) -> Iterator[TokenRow]:
    """The token price at which minted rewards, the nodes' only pay, cover what a rented hour costs."""
    measure = "required_usd_per_token"
    closable = [
        (row, reward)
        for row in margins.filter(pl.col("capital_usd_per_hour").is_not_null()).iter_rows(named=True)
        if row["utilisation"] and (reward := _of_chip(rewards, row["accelerator"])) is not None
    ]
    if not closable:
        yield book.unknown(measure, _no_reward(book) if margins.height else "no node's costs to set rewards against")
    for row, reward in closable:
        where = f"margin {book.network} {row['accelerator']} {row['archetype']}"
        costs = tuple(
            Input(
                name=name, band=Band.certain(row[name]), unit="USD per hour", kind="assumption",
                address=f"{where} {name}",
            )
            for name in _NODE_COSTS
        )  # fmt: skip
        use = Input(
            name="utilisation", band=Band.certain(row["utilisation"]), unit="fraction", domain=(0.0, 1.0),
            kind=row["utilisation_kind"], address=f"{where} utilisation",
        )  # fmt: skip

        def model(v: Mapping[str, float], reward: Derivation = reward) -> float:
            per_rented_hour = sum(v[name] for name in _NODE_COSTS) / v["utilisation"]
            return float(required_token_price(per_rented_hour, reward.model(v)))

        needed = Derivation(
            formula=f"({' + '.join(_NODE_COSTS)}) / utilisation / ({reward.formula})",
            function=f"{_MODULE}.required_token_price", unit=f"USD per {book.token}",
            inputs=(*costs, use, *reward.inputs), model=model, note=reward.note,
        )  # fmt: skip
        yield book.row(measure, needed, subject=_subject(row), bound=_bound_of_price(reward))


def _subject(row: Mapping[str, Any]) -> str:
    return f"{row['accelerator']}/{row['archetype']}"


def _of_chip(by_chip: Mapping[str | None, Derivation], accelerator: str) -> Derivation | None:
    """Of the chip itself, else of the family a rule names (``h100`` for every form of it)."""
    if accelerator in by_chip:
        return by_chip[accelerator]
    whole = set(accelerators()["accelerator"])
    families = [name for name in by_chip if name and name not in whole and accelerator.startswith(f"{name}-")]
    return by_chip[max(families, key=len)] if families else None


def _gap_of(book: _Book, row: Mapping[str, Any], market: Mapping[str, Any]) -> Derivation:
    price = "usd_per_accelerator_hour"
    asked = Input(
        name=price, band=Band(market[f"{price}_low"], market[price], market[f"{price}_high"]), unit="USD per GPU-hour",
        kind=str(market["kind"]), source=market["source"],
        source_url=market["source_url"], observed_at=market["observed_at"], layer=str(market["layer"]),
        note="market price", domain=(market[price] / 1000.0, market[price] * 1000.0),
    )  # fmt: skip
    where = f"margin {book.network} {row['accelerator']} {row['archetype']}"
    needed = Input(
        name="breakeven_usd_per_accelerator_hour", band=Band.certain(row["breakeven_usd_per_accelerator_hour"]),
        unit="USD per GPU-hour", kind="assumption", note="the price at which the full margin is zero",
        address=f"{where} breakeven_usd_per_accelerator_hour",
    )  # fmt: skip
    return Derivation(
        formula="max(0, breakeven_usd_per_accelerator_hour - usd_per_accelerator_hour)",
        function=f"{_MODULE}.subsidy_gap", unit="USD per GPU-hour", inputs=(asked, needed), pivot=0.0,
        signed=lambda v: v["breakeven_usd_per_accelerator_hour"] - v[price],
        model=lambda v: float(subsidy_gap(v[price], v["breakeven_usd_per_accelerator_hour"])),
    )  # fmt: skip


def _required(book: _Book, row: Mapping[str, Any], gap: Derivation, reward: Derivation) -> Derivation:
    take = Input(
        name="take_rate", band=Band.certain(row["take_rate"]), unit="fraction", domain=(0.0, 1.0),
        address=f"token {book.network} network_take", kind="protocol",
    )  # fmt: skip

    def model(v: Mapping[str, float]) -> float:
        # A reward goes to the provider whole, a dearer hour less the network's take.
        lacking = gap.model(v) * (1.0 - v["take_rate"])
        return float(required_token_price(lacking, reward.model(v)))

    return Derivation(
        formula=f"{gap.formula} x (1 - take_rate) / ({reward.formula})",
        function=f"{_MODULE}.required_token_price", unit=f"USD per {book.token}",
        inputs=(*gap.inputs, take, *reward.inputs), model=model, note=reward.note,
    )  # fmt: skip


def _coverage(book: _Book) -> Iterator[TokenRow]:
    """Customer revenue over emissions of the same days, at the period's, today's and the stressed token price."""
    measure = "emission_coverage"
    found = next((told for told in (_covered_by_value(book), _covered_by_burn(book)) if told is not None), None)
    if found is None:
        claimed = book.fact("revenue_covers_cost", "revenue_covers_cost")
        if claimed is not None:
            yield book.row(measure, _as_printed(claimed), price_basis="period")
            return
        yearly = book.fact("per_year", "node_emission_per_year")
        if yearly is not None and yearly.value == 0:
            yield book.unknown(measure, "nothing is emitted to providers that revenue would have to cover")
        elif _emitted(book) is None:
            yield book.unknown(measure, _nothing_emitted(book))
        else:
            yield book.unknown(measure, "no revenue and emission of the same days on record")
        return
    period, in_tokens = found
    yield book.row(measure, period, price_basis="period")
    for basis in ("today", "stressed"):
        price = book.price(basis)
        if in_tokens is None:
            reason = f"no price of {book.token} on record for the days of the figures"
            yield book.unknown(measure, reason, price_basis=basis)
        elif price is None:
            yield book.unknown(measure, book.no_price, price_basis=basis)
        else:
            yield book.row(measure, _at_price(book, in_tokens, price, basis), price_basis=basis)


def _at_price(book: _Book, in_tokens: Derivation, price: tuple[Input, ...], basis: str) -> Derivation:
    """Coverage with the emission, known in tokens, valued at another price than that of its days."""

    def model(v: Mapping[str, float]) -> float:
        at = v["usd_per_token"] * v.get(book.stress.name, 1.0)
        return float(emission_coverage(in_tokens.model(v), tokens_to_providers=1.0, usd_per_token=at))

    return replace(
        in_tokens, formula=f"{in_tokens.formula} / ({_PRICE_WORDS[basis]})", unit="ratio", pivot=1.0,
        function=f"{_MODULE}.emission_coverage", inputs=(*in_tokens.inputs, *price), model=model,
    )  # fmt: skip


_MONTHS_OF_UNIT = {"USD per quarter": 3, "USD per month": 1, "USD per year": 12}


def _covered_by_value(book: _Book) -> tuple[Derivation, Derivation | None] | None:
    """Coverage from revenue and the value of emissions printed for one period; and revenue per token emitted."""
    revenue, value = book.fact("revenue_usd", "supplier_revenue"), book.fact("emission_usd", "emission_value")
    if revenue is None or value is None or (revenue.observed_at, revenue.unit) != (value.observed_at, value.unit):
        return None
    period = Derivation(
        formula="revenue_usd / emission_usd", function=f"{_MODULE}.emission_coverage", unit="ratio",
        inputs=(revenue, value), pivot=1.0, note=f"period to {_day_of(revenue):%Y-%m-%d}",
        model=lambda v: float(
            emission_coverage(v["revenue_usd"], tokens_to_providers=v["emission_usd"], usd_per_token=1.0)
        ),
    )  # fmt: skip
    schedule, months = _schedule(book), _MONTHS_OF_UNIT.get(revenue.unit)
    if schedule is None or months is None:
        return period, None
    inputs, start = schedule
    last = _month_index(_day_of(revenue).date(), start.value)

    def tokens(v: Mapping[str, float]) -> float:
        rule = {name: v[name] for name in _SCHEDULE if name != "months"}
        return float(cumulative_emission(last + 1, **rule)) - float(cumulative_emission(last + 1 - months, **rule))

    per_token = Derivation(
        formula=f"revenue_usd / tokens the schedule emits in months {last + 1 - months} to {last}",
        function=f"{_MODULE}.cumulative_emission", unit=f"USD per {book.token}", inputs=(revenue, *inputs),
        model=lambda v: v["revenue_usd"] / tokens(v), note=period.note,
    )  # fmt: skip
    return period, per_token


def _covered_by_burn(book: _Book) -> tuple[Derivation, Derivation | None] | None:
    """Coverage where a known share of revenue is burned: burned / share over minted, both in tokens."""
    share = book.fact("burned_share", "burned_share", domain=(0.0, 1.0))
    pair = _burned_and_minted(book)
    if share is None or pair is None:
        return None
    burned, minted = pair
    period = Derivation(
        formula="burned_tokens / burned_share / minted_tokens", function=f"{_MODULE}.emission_coverage", unit="ratio",
        inputs=(burned, share, minted), pivot=1.0,
        model=lambda v: v["burned_tokens"] / v["burned_share"] / v["minted_tokens"],
        note="burned and minted at the same price; minted holds every release, not only that to nodes",
    )  # fmt: skip
    then = book.price("period", _day_of(burned))
    if then is None:
        return period, None
    price = replace(then[0], name="usd_per_token_then")
    return period, Derivation(
        formula="burned_tokens x usd_per_token_then / burned_share / minted_tokens", function="",
        unit=f"USD per {book.token}", inputs=(burned, price, share, minted), note=period.note,
        model=lambda v: v["burned_tokens"] * v["usd_per_token_then"] / v["burned_share"] / v["minted_tokens"],
    )  # fmt: skip


def _burned_and_minted(book: _Book) -> tuple[Input, Input] | None:
    for burn, mint in (("burned_per_epoch", "node_rewards_per_epoch"), ("burned_tokens", "minted_tokens")):
        burned, minted = book.fact("burned_tokens", burn), book.fact("minted_tokens", mint)
        if burned and minted and (burned.unit, burned.observed_at) == (minted.unit, minted.observed_at):
            return burned, minted
    return None


_TEMPORARY = "the burn is temporary: what was burned for credits is minted again at settlement"


def _burn(book: _Book) -> Iterator[TokenRow]:
    """Tokens burned, gross and net of what is minted again, and what usage does to the supply."""
    pair, equilibrium = _burned_and_minted(book), book.has("mint_settle_spread")
    gross = book.first("burned_tokens", "akt_burned_gross", "akt_burned_cumulative") or (pair[0] if pair else None)
    reason = f"nobody publishes what {book.display_name} burns" if book.token else _nothing_emitted(book)
    if gross is None:
        yield book.unknown("burned_tokens", reason)
    else:
        note = f"{_TEMPORARY}; neither revenue nor a net burn" if equilibrium else gross.note
        yield book.row("burned_tokens", replace(_as_printed(gross), note=note))
    net = book.fact("burned_tokens_net", "akt_burned_net")
    if net is not None:
        yield book.row("burned_tokens_net", _as_printed(net))
    elif pair is not None:
        yield book.row(
            "burned_tokens_net",
            Derivation(
                formula="burned_tokens - minted_tokens", function="", unit=pair[0].unit, inputs=pair, pivot=0.0,
                model=lambda v: v["burned_tokens"] - v["minted_tokens"],
            ),
        )  # fmt: skip
    else:
        temporary = "only the gross burn is on record, and it is minted again at settlement"
        why = temporary if gross and equilibrium else reason
        yield book.unknown("burned_tokens_net", why)
    if pair is not None:
        yield book.row(
            "burn_to_mint",
            Derivation(
                formula="burned_tokens / minted_tokens", function="", unit="ratio", inputs=pair, pivot=1.0,
                model=lambda v: v["burned_tokens"] / v["minted_tokens"],
            ),
        )  # fmt: skip
    else:
        yield book.unknown("burn_to_mint", "no burned and minted tokens of the same days on record")
    yield from _supply_change(book, equilibrium)


def _supply_change(book: _Book, equilibrium: bool) -> Iterator[TokenRow]:
    """Net change of the supply per 1,000 USD of usage, for three pairs of prices at minting and at settlement."""
    measure = "supply_change_tokens_per_1000_usd"
    today = book.price("today")
    if not equilibrium:
        yield book.unknown(measure, f"{book.display_name} {NO_EQUILIBRIUM}")
        return
    if today is None:
        yield book.unknown(measure, book.no_price)
        return
    settled = replace(today[0], name="usd_per_token")
    burned = book.first("burned", "akt_burned_gross", "akt_burned_cumulative")
    then = book.price("period", burned.observed_at) if burned is not None else None
    minted = {
        "period": None if then is None else replace(then[0], name="usd_per_token_at_mint"),
        "today": replace(today[0], name="usd_per_token_at_mint"),
        "stressed": replace(today[0], name="usd_per_token_at_mint"),
    }

    def model(v: Mapping[str, float]) -> float:
        at = v["usd_per_token"] * v.get(book.stress.name, 1.0)
        change = burn_mint_supply_change(
            1000.0, usd_per_token_at_mint=v["usd_per_token_at_mint"], usd_per_token_at_settlement=at
        )
        return float(change)

    words = {
        "period": "credits bought in the days of the burn on record, settled today",
        "today": "bought and settled at one price: what is burned is minted again, to the last token",
        "stressed": "bought today, settled at the stressed price: more is minted than was burned",
    }
    for basis, price in minted.items():
        if price is None:
            yield book.unknown(measure, "no price on record for the days of the burn", price_basis=basis)
            continue
        stressed = (book.stress,) if basis == "stressed" else ()
        yield book.row(
            measure,
            Derivation(
                formula=f"1000 x (1 / ({_PRICE_WORDS[basis]}) - 1 / usd_per_token_at_mint)",
                function=f"{_MODULE}.burn_mint_supply_change", unit=f"{book.token} per 1,000 USD of usage",
                inputs=(price, settled, *stressed), model=model, pivot=0.0, note=words[basis],
            ),
            price_basis=basis,
        )  # fmt: skip


def _premium(book: _Book, compared: pl.DataFrame, margins: pl.DataFrame) -> Iterator[TokenRow]:
    """The premium censorship resistance, confidentiality or access must be worth, by cloud reference."""
    known = [row for row in compared.iter_rows(named=True) if row["unique_service_premium"] is not None]
    if not known:
        # A break-even is known without a price; its ratio to a price too old to be told is not.
        own = margins if compared.is_empty() else margins.filter(pl.col("accelerator") == compared["accelerator"][0])
        needed = own.filter(pl.col("breakeven_usd_per_accelerator_hour").is_not_null())
        too_old = needed["not_known"].drop_nulls().unique().sort()
        nothing = "nothing it offers can be compared at equal work" if compared.is_empty() else (
            "no break-even price to set against a cloud's unit cost")  # fmt: skip
        why = "; ".join(too_old) or nothing
        yield book.unknown("unique_service_premium", why)
    for row in known:
        key = f"{row['cloud']}/{row['silicon']}/{row['reference']}"
        yield book.row("unique_service_premium", _premium_over(row, key, margins), subject=key)


def _premium_over(row: Mapping[str, Any], key: str, margins: pl.DataFrame) -> Derivation:
    where = f"{row['network']} {row['accelerator']}"
    work = f"comparison {where} {row['llm']} {key} {row['workload']} {row['match']}"
    # The provider that breaks even lowest sets the price.
    cheapest = (
        margins.filter(pl.col("accelerator") == row["accelerator"], pl.col("archetype") != "own")
        .sort("breakeven_usd_per_accelerator_hour", nulls_last=True)
        .row(0, named=True)
    )
    network, reference = "usd_per_mtok_network", "usd_per_mtok_reference"

    def side(name: str, day: str, layer: str, kind: object) -> Input:
        return Input(
            name=name, band=Band(row[f"{name}_low"], row[name], row[f"{name}_high"]), unit="USD per Mtok",
            kind=None if kind is None else str(kind), observed_at=row[day], address=f"{work} {name}",
            layer=None if row[layer] is None else str(row[layer]),
        )  # fmt: skip

    price = "usd_per_accelerator_hour"
    inputs = (
        side(network, "network_observed_at", "network_layer", row["network_kind"]),
        Input(
            name=price, band=Band.certain(row[f"network_{price}"]), unit="USD per GPU-hour",
            address=f"{work} network_{price}",
        ),
        Input(
            name="breakeven_usd_per_accelerator_hour", unit="USD per GPU-hour", kind="assumption",
            band=Band.certain(cheapest["breakeven_usd_per_accelerator_hour"]),
            address=f"margin {where} {cheapest['archetype']} breakeven_usd_per_accelerator_hour",
        ),
        side(reference, "reference_observed_at", "reference_layer", row["reference_kind"]),
    )  # fmt: skip

    def needed(v: Mapping[str, float]) -> float:
        return v[network] * v["breakeven_usd_per_accelerator_hour"] / v[price]

    return Derivation(
        formula=f"max(0, {network} x breakeven_usd_per_accelerator_hour / {price} / {reference} - 1)",
        function="depin_compare.economics.comparison.unique_service_premium", unit="fraction", inputs=inputs,
        model=lambda v: float(unique_service_premium(needed(v), v[reference])), pivot=0.0,
        signed=lambda v: needed(v) / v[reference] - 1.0,
        note=f"{row['accelerator']}, {row['llm']}, {row['workload']}",
    )  # fmt: skip
