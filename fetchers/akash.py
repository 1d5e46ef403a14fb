"""Akash: what providers bid for one GPU, how much of the fleet is leased, who the providers are, what is spent.

Endpoint: GET https://console-api.akash.network/v1/gpu-prices, no key; beside it /v1/gpu-breakdown,
/v1/providers, /v1/dashboard-data, /v1/bme/dashboard-data and /v1/bme/status-history, each of which may fail
alone. The console keeps its price answer for 15 minutes, and a cold one takes about 16 s.
Price includes: the pricing bot's tiny CPU, memory and disk; a node fit for an LLM pays the provider's rates for
those on top. USD per hour and GPU, already converted by the console; averages of providers' bids, not leases.
Traps: price null (no usable bid in 31 days); min of 0 or 0.01 from rounding to cents; a lone provider with an
absurd price; one model name in several memory sizes; a100 of 64Gi; rtx5090m is a laptop chip; rtx6000 of 24Gi
is the Quadro; gpuUtilization is a text; breakdown rows of vendor Unknown; the breakdown knows no memory size.
An uptime of null is unknown or 0. Amounts are millionths; a part of the dashboard that failed is zeros, not an
error; dailyUActSpent and dailyUUsdcSpent are one sum of ACT and USDC under two names, never to be added; AKT
burned for ACT is minted again at settlement, so only the net is gone.
Seen: 2026-10.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

from depin_compare.errors import SourceError
from depin_compare.market.accelerators import identify, snapped_memory_gib
from depin_compare.units import MICRO
from fetchers.contract import (
    Fetcher,
    FetchResult,
    Recording,
    Rows,
    RowSkipped,
    checked_number,
    checked_object,
    checked_text,
    checked_whole,
    country_or_none,
    fetch_result,
    recording,
    text_or_none,
)
from fetchers.http import SourceSession

__all__ = ["FETCHER", "fetch", "parse"]

HOST = "console-api.akash.network"
PRICES_URL = f"https://{HOST}/v1/gpu-prices"
BREAKDOWN_URL = f"https://{HOST}/v1/gpu-breakdown"
PROVIDERS_URL = f"https://{HOST}/v1/providers"
DASHBOARD_URL = f"https://{HOST}/v1/dashboard-data"
BURN_MINT_URL = f"https://{HOST}/v1/bme/dashboard-data"
BURN_MINT_STATUS_URL = f"https://{HOST}/v1/bme/status-history"

# A price is an outlier when it is this many times the median of the other chips of its memory size. Four
# providers who agree make a market, and then only the absurd is refused.
OUTLIER_RATIO = 3.0
ABSURD_RATIO = 10.0
PROVIDERS_OF_A_MARKET = 4
STALE_DAYS = 7
HOURS_PER_DAY = 24.0
# Longest record of uptime first.
UPTIMES = ("uptime30d", "uptime7d", "uptime1d")


def fetch(session: SourceSession, *, observed_at: datetime) -> Recording:
    """Ask for prices, and for everything beside them, which may fail without cost to the prices."""
    answers = [
        session.get_answer("gpu-prices", PRICES_URL),
        session.try_answer("gpu-breakdown", BREAKDOWN_URL),
        session.try_answer("providers", PROVIDERS_URL),
        session.try_answer("dashboard", DASHBOARD_URL),
        session.try_answer("burn-mint", BURN_MINT_URL),
        session.try_answer("burn-mint-status", BURN_MINT_STATUS_URL),
    ]
    return recording("akash", observed_at, answers)


def parse(recording: Recording, *, observed_at: datetime) -> FetchResult:
    """Offers from the price list with the reliability of their providers; utilisation, spend and vault as facts."""
    rows = Rows("akash", observed_at)
    beside = Rows("akash", observed_at)
    hosts: dict[str, _Hosts] = defaultdict(_Hosts)
    _apart(beside, "reliability or region", lambda: _providers(beside, recording, hosts))
    answer = recording.answer("gpu-prices")
    models = recording.items(answer, "models")
    typical = _Typical(models)
    boards: dict[str, set[str]] = defaultdict(set)
    for number, model in enumerate(models):
        with rows.judging(_row_id(model, number)):
            accelerator = _offer(rows, model, _row_id(model, number), typical, hosts)
            if accelerator is not None:
                boards[str(model.get("model")).casefold()].add(accelerator)
    where = f"{PRICES_URL} $.models"
    rows.check_readable(where)
    rows.check_offers(where)
    _fleet(rows, recording.json(answer).get("availability"))
    _apart(
        rows,
        "utilisation by model",
        lambda: _breakdown(rows, recording.items(recording.answer("gpu-breakdown")), boards),
    )
    rows.add(beside)
    _apart(rows, "spend", lambda: _spend(rows, _now(recording, "dashboard", DASHBOARD_URL)))
    _apart(rows, "state of burn and mint", lambda: _burn_mint(rows, recording))
    return fetch_result(rows)


def _apart(rows: Rows, what: str, read: Callable[[], None]) -> None:
    """Read an answer that may fail alone: what is wrong with it becomes a problem."""
    try:
        read()
    except (SourceError, RowSkipped) as error:
        rows.problems.append(f"no {what}: {error}")


@dataclass(slots=True)
class _Hosts:
    """The providers online that have a chip."""

    uptimes: list[float] = field(default_factory=list)
    places: set[tuple[str | None, str | None]] = field(default_factory=set)
    count: int = 0

    @property
    def reliability(self) -> float | None:
        """Mean uptime of those it is known of."""
        return sum(self.uptimes) / len(self.uptimes) if self.uptimes else None

    @property
    def place(self) -> tuple[str | None, str | None]:
        """Country and region, as far as all of them share it."""
        countries, regions = {country for country, _ in self.places}, {region for _, region in self.places}
        return countries.pop() if len(countries) == 1 else None, regions.pop() if len(regions) == 1 else None

    @property
    def note(self) -> str:
        """How the reliability came to be."""
        known = len(self.uptimes)
        told = "" if known == self.count else f", known of {known}"
        return f"reliability is the mean uptime of the {self.count} providers online{told}"


class _Typical:
    """Median price of each memory size, over the other models of that size."""

    def __init__(self, models: list[Any]) -> None:
        self._prices: dict[float, list[tuple[int, float]]] = defaultdict(list)
        for model in models:
            try:
                size, price = snapped_memory_gib(_memory_gib(model) or 0.0), _price(model)
            except RowSkipped:
                continue
            if size is not None and price is not None:
                self._prices[size].append((id(model), price[0]))

    def of_others(self, model: Any, memory_gib: float | None) -> float | None:
        """Median over the other models of that memory size, or None with fewer than two."""
        size = None if memory_gib is None else snapped_memory_gib(memory_gib)
        others = [] if size is None else [price for key, price in self._prices[size] if key != id(model)]
        return median(others) if len(others) >= 2 else None


def _offer(rows: Rows, model: Any, row_id: str, typical: _Typical, hosts: Mapping[str, _Hosts]) -> str | None:
    """Add the offer of one model; gives the accelerator id, or skips the row."""
    model = checked_object(model)
    name = checked_text(model.get("model"), "model")
    memory_gib = _memory_gib(model)
    interface = model.get("interface")
    chip = rows.chip(name, memory_gib=memory_gib, interface=interface if isinstance(interface, str) else None)
    price = _price(model)
    if price is None:
        raise RowSkipped.out_of_scope("no usable bid")
    usd, basis = price
    providers = _counts(model, "providerAvailability")[1]
    usual = typical.of_others(model, memory_gib)
    limit = OUTLIER_RATIO if (providers or 0) < PROVIDERS_OF_A_MARKET else ABSURD_RATIO
    if usual is not None and usd > limit * usual:
        raise RowSkipped.unreadable(
            f"{usd:g} USD an hour (providers: {'unknown' if providers is None else providers}) is more than "
            f"{limit:g} times the median of its memory size, {usual:g}"
        )
    available, total = _counts(model, "availability")
    quoted = model["price"]
    spread = ", ".join(f"{key} {quoted[key]:g}" for key in ("min", "med", "max") if _is_number(quoted.get(key)))
    offered_by = f"{basis} of the best bids of {providers if providers is not None else 'unknown'} providers; {spread}"
    host = hosts.get(chip.accelerator or "", _Hosts())
    country, region = host.place
    rows.offer(
        offer_id=row_id,
        network="akash",
        segment="decentralized",
        chip=chip,
        accelerator_name=" ".join(str(part) for part in (name, model.get("ram"), interface) if part),
        memory_gib=memory_gib,
        usd_per_accelerator_hour=usd,
        price_kind="bid",
        region=region,
        country=country,
        available=available,
        total=total,
        reliability=host.reliability,
        listed_price=str(quoted[basis]),
        listed_unit="USD per GPU and hour",
        source_url=PRICES_URL,
        note=f"{offered_by}; {host.note}" if host.uptimes else offered_by,
    )
    return chip.accelerator


def _price(model: Any) -> tuple[float, str] | None:
    """The network's price of a model and which of its figures that is; None when there is no bid."""
    quoted = model.get("price") if isinstance(model, Mapping) else None
    if quoted is None:
        return None
    if not isinstance(quoted, Mapping):
        raise RowSkipped.unreadable("price is no object")
    if quoted.get("currency", "USD") != "USD":
        raise RowSkipped.unreadable(f"price.currency is {quoted['currency']!r}, expected 'USD'")
    if not {"weightedAverage", "med"} & quoted.keys():
        raise RowSkipped.unreadable("price has neither weightedAverage nor med")
    for basis in ("weightedAverage", "med"):
        usd = checked_number(quoted.get(basis), f"price.{basis}")
        if usd:
            return usd, basis
    return None


def _memory_gib(model: Any) -> float | None:
    """``"80Gi"`` -> 80. [GiB]"""
    ram = model.get("ram") if isinstance(model, Mapping) else None
    if ram is None or ram == "":
        return None
    size = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(Gi|Mi)B?\s*", str(ram))
    if size is None:
        raise RowSkipped.unreadable(f"ram is {str(ram)[:20]!r}, expected a size such as '80Gi'")
    return float(size[1]) / (1 if size[2] == "Gi" else 1024)


def _counts(node: Mapping[str, Any], key: str) -> tuple[int | None, int | None]:
    """(available, total) of an availability object; None where it does not tell."""
    counts = node.get(key)
    if not isinstance(counts, Mapping):
        return None, None
    return checked_whole(counts.get("available"), f"{key}.available"), checked_whole(
        counts.get("total"), f"{key}.total"
    )


def _fleet(rows: Rows, availability: object) -> None:
    """Facts about the whole network."""
    try:
        available, total = _counts({"availability": availability}, "availability")
    except RowSkipped as skipped:
        rows.problems.append(f"no fleet size: {skipped.reason}")
        return
    if not total or available is None or available > total:
        rows.problems.append("no fleet size: $.availability does not tell total and available")
        return
    note = "allocated share of allocatable GPUs"
    for metric, value, unit in (
        ("gpus_total", float(total), "GPUs"),
        ("gpus_available", float(available), "GPUs"),
        ("utilisation", 1 - available / total, "fraction"),
    ):
        rows.fact(network="akash", metric=metric, value=value, unit=unit, source_url=PRICES_URL, note=note)


def _breakdown(rows: Rows, days: list[Any], boards: Mapping[str, set[str]]) -> None:
    """Utilisation by accelerator on the newest day.

    The breakdown names a model without its memory: the boards of that model which the price list shows all
    get the figure of the model, and the note says so.
    """
    dated = [(_day(row), row) for row in days if isinstance(row, Mapping)]
    newest = max((day for day, _ in dated if day is not None), default=None)
    if newest is None:
        rows.problems.append("no utilisation by model: gpu-breakdown has no dated row")
        return
    if (rows.observed_at - newest).days > STALE_DAYS:
        rows.problems.append(f"gpu-breakdown ends on {newest:%Y-%m-%d}")
    used: dict[str, tuple[float, float]] = {}
    for day, row in dated:
        model = str(row.get("model", "")).casefold()
        if day != newest or model not in boards:
            continue
        with rows.judging(f"breakdown/{row.get('vendor')}/{model}"):
            leased, total = _leased_and_total(row)
            before = used.get(model, (0.0, 0.0))
            used[model] = (before[0] + leased, before[1] + total)
    for model, (leased, total) in sorted(used.items()):
        if total <= 0:
            continue
        for accelerator in sorted(boards[model]):
            rows.fact(
                network="akash",
                metric="utilisation",
                subject=accelerator,
                value=leased / total,
                unit="fraction",
                source_url=BREAKDOWN_URL,
                observed_at=newest,
                note=f"{leased:g} of {total:g} GPUs named {model} leased"
                + (", over all its boards" if len(boards[model]) > 1 else ""),
            )


def _providers(rows: Rows, recording: Recording, hosts: dict[str, _Hosts]) -> None:
    """Uptime and place of the providers online: by chip into `hosts`, of the whole network as facts."""
    online, audited, leasable = 0, 0, 0
    uptimes: list[tuple[float, float]] = []
    gpus_of: dict[str, float] = defaultdict(float)
    for number, row in enumerate(recording.items(recording.answer("providers"))):
        with rows.judging(f"provider/{_owner(row, number)}"):
            row = checked_object(row)
            if row.get("isOnline") is not True:
                continue
            chips = _chips(row.get("gpuModels"))
            gpus = _gpus(row)
            uptime = _uptime(row)
            country, region = country_or_none(row.get("ipCountryCode")), text_or_none(row.get("ipRegion"))
            online += 1
            audited += row.get("isAudited") is True
            leasable += bool(chips or gpus)
            if gpus:
                gpus_of[country or "unknown"] += gpus
                uptimes += [(uptime, float(gpus))] if uptime is not None else []
            for accelerator in chips:
                host = hosts[accelerator]
                host.count += 1
                host.uptimes += [uptime] if uptime is not None else []
                host.places.add((country, region))
    if not online:
        raise SourceError("akash", f"{PROVIDERS_URL} $", seen="no provider online", expected="at least one")
    for metric, count, note in (
        ("providers_online", online, None),
        ("providers_audited", audited, "of those online"),
        ("providers_with_gpus", leasable, "of those online"),
    ):
        _fact(rows, metric, float(count), "providers", PROVIDERS_URL, note=note)
    for country, gpus_there in sorted(gpus_of.items()):
        _fact(rows, "gpus_by_country", gpus_there, "GPUs", PROVIDERS_URL, subject=country)
    weight = sum(gpus for _, gpus in uptimes)
    if weight:
        share = sum(uptime * gpus for uptime, gpus in uptimes) / weight
        note = f"uptime of providers online by GPUs, over {weight:g} of {sum(gpus_of.values()):g} GPUs"
        _fact(rows, "reliability", share, "fraction", PROVIDERS_URL, note=note)


def _chips(models: object) -> set[str]:
    """The chips of the register a provider has; others are none of its offers' affair."""
    found: set[str] = set()
    for model in models if isinstance(models, list) else ():
        try:
            memory_gib = _memory_gib(model)
        except RowSkipped:
            continue
        name, interface = (model.get("model"), model.get("interface")) if isinstance(model, Mapping) else (None, None)
        if isinstance(name, str):
            told = interface if isinstance(interface, str) else None
            found |= {identify(name, memory_gib=memory_gib, interface=told).accelerator or ""} - {""}
    return found


def _gpus(row: Mapping[str, Any]) -> int | None:
    """GPUs of a provider, leased or not; None where its statistics don't tell."""
    stats = row.get("stats")
    gpu = stats.get("gpu") if isinstance(stats, Mapping) else None
    if not isinstance(gpu, Mapping):
        return None
    return checked_whole(gpu.get("total"), "stats.gpu.total")


def _uptime(row: Mapping[str, Any]) -> float | None:
    for key in UPTIMES:
        uptime = checked_number(row.get(key), key)
        if uptime is not None:
            if not 0 <= uptime <= 1:
                raise RowSkipped.unreadable(f"{key} is {uptime:g}, expected a fraction")
            return uptime
    return None


def _owner(row: object, number: int) -> str:
    owner = row.get("owner") if isinstance(row, Mapping) else None
    return owner if isinstance(owner, str) and owner else f"#{number}"


def _now(recording: Recording, name: str, url: str) -> Mapping[str, Any]:
    """The object ``now`` of a dashboard."""
    document = recording.json(recording.answer(name))
    now = document.get("now") if isinstance(document, Mapping) else None
    if not isinstance(now, Mapping):
        raise SourceError("akash", f"{url} $.now", seen=repr(now)[:40], expected="an object")
    return now


def _spend(rows: Rows, now: Mapping[str, Any]) -> None:
    """What tenants paid in the 24 hours before the newest block."""
    day = _day(now) or rows.observed_at
    usd, act, akt = (
        _millionths(now, key, DASHBOARD_URL) for key in ("dailyUUsdSpent", "dailyUActSpent", "dailyUAktSpent")
    )
    if not (usd or act or akt):
        raise SourceError("akash", f"{DASHBOARD_URL} $.now", seen="no spend at all", expected="more than 0")
    if act is not None:
        note = "ACT, at 1 USD each, and what is left of USDC: the console adds the two up"
        _fact(rows, "spend", act, "USD per day", DASHBOARD_URL, subject="ACT", at=day, note=note)
    if akt is not None:
        _fact(rows, "spend_in_token", akt, "AKT per day", DASHBOARD_URL, subject="AKT", at=day)
    if usd is None or usd < (act or 0.0):
        rows.problems.append(f"no total spend: {usd} USD a day in all, of which {act} in ACT and USDC")
        return
    _fact(rows, "spend", usd, "USD per day", DASHBOARD_URL, at=day, note="ACT, USDC and AKT at its price")
    if act is not None:
        note = "derived: the total less ACT and USDC"
        _fact(rows, "spend", usd - act, "USD per day", DASHBOARD_URL, subject="AKT", at=day, note=note)
    active = checked_whole(now.get("activeGPU"), "activeGPU")
    if active:
        note = f"derived over {active} leased GPUs; leases without a GPU are in it, so an upper bound"
        per_hour = usd / (active * HOURS_PER_DAY)
        _fact(rows, "spend_per_leased_gpu", per_hour, "USD per GPU and hour", DASHBOARD_URL, at=day, note=note)


def _burn_mint(rows: Rows, recording: Recording) -> None:
    """The vault of AKT behind the ACT that are out, and what was burned for good."""
    now = _now(recording, "burn-mint", BURN_MINT_URL)
    day = _day(now) or rows.observed_at
    vault, out = (_millionths(now, key, BURN_MINT_URL) for key in ("vaultAkt", "outstandingAct"))
    if not (vault or out):
        raise SourceError("akash", f"{BURN_MINT_URL} $.now", seen="an empty vault", expected="more than 0")
    status: list[str] = []
    _apart(rows, "status of burn and mint", lambda: status.append(_status(recording)))
    ratio = checked_number(now.get("collateralRatio"), "collateralRatio")
    if ratio:  # 0 is what the console says when it does not know
        _fact(rows, "collateral_ratio", ratio, "ratio", BURN_MINT_URL, at=day, note=status[0] if status else None)
    for metric, value, unit, note in (
        ("act_outstanding", out, "ACT", None),
        ("akt_in_vault", vault, "AKT", None),
        (
            "akt_burned_net",
            _millionths(now, "dailyNetAktBurned", BURN_MINT_URL),
            "AKT per day",
            "burned for ACT less minted again at settlement; less than 0 when the price fell",
        ),
        (
            "akt_burned_gross",
            _millionths(now, "dailyAktBurnedForAct", BURN_MINT_URL),
            "AKT per day",
            "minted again at settlement: neither revenue nor gone for good",
        ),
    ):
        if value is not None:
            _fact(rows, metric, value, unit, BURN_MINT_URL, at=day, note=note)


def _status(recording: Recording) -> str:
    """The newest change of status, in words."""
    changes = recording.items(recording.answer("burn-mint-status"))
    dated = [(day, row) for row in changes if isinstance(row, Mapping) and (day := _day(row)) is not None]
    if not dated:
        return "no change of status is told"
    day, row = max(dated, key=lambda pair: pair[0])
    return f"status {checked_text(row.get('newStatus'), 'newStatus')[:40]} since {day:%Y-%m-%d}"


def _millionths(now: Mapping[str, Any], key: str, url: str) -> float | None:
    """An amount in millionths, as a whole one; None where it is not told."""
    try:
        amount = checked_number(now.get(key), key)
    except RowSkipped as skipped:
        raise SourceError("akash", f"{url} $.now.{key}", seen=skipped.reason, expected="a number") from skipped
    return None if amount is None else amount / MICRO


def _fact(
    rows: Rows,
    metric: str,
    value: float,
    unit: str,
    url: str,
    *,
    subject: str | None = None,
    at: datetime | None = None,
    note: str | None = None,
) -> None:
    rows.fact(
        network="akash",
        metric=metric,
        subject=subject,
        value=value,
        unit=unit,
        source_url=url,
        observed_at=at,
        note=note,
    )


def _day(row: Mapping[str, Any]) -> datetime | None:
    try:
        day = datetime.fromisoformat(str(row.get("date")))
        return day.replace(tzinfo=UTC) if day.tzinfo is None else day.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _leased_and_total(row: Mapping[str, Any]) -> tuple[float, float]:
    """GPUs leased and in all; from the utilisation, a percentage as text, where the count of leases is missing."""
    total = checked_number(row.get("totalGpus"), "totalGpus", text=True)
    leased = checked_number(row.get("leasedGpus"), "leasedGpus", text=True)
    if total is None:
        raise RowSkipped.unreadable("totalGpus is null")
    if leased is None:
        percent = checked_number(row.get("gpuUtilization"), "gpuUtilization", text=True)
        if percent is None:
            raise RowSkipped.unreadable("neither leasedGpus nor gpuUtilization")
        leased = total * percent / 100
    if not 0 <= leased <= total:
        raise RowSkipped.unreadable(f"{leased:g} of {total:g} GPUs leased")
    return leased, total


def _row_id(model: Any, number: int) -> str:
    if not isinstance(model, Mapping):
        return f"$.models[{number}]"
    return "/".join(str(model.get(key) or "-") for key in ("vendor", "model", "ram", "interface"))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


FETCHER = Fetcher(
    name="akash",
    title="Akash console",
    kind="network",
    gives="bids of providers by GPU model with their reliability, fleet size, utilisation, spend, burn and mint",
    terms="no licence or terms of the answers known",
    networks=("akash",),
    hosts=(HOST,),
    fetch=fetch,
    parse=parse,
    time_budget_seconds=180.0,  # two tries of 60 s for the prices, and what stands beside them
)
