"""How numbers, dates, ages, states and names are put into words: one way for charts, PDF and terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from urllib.parse import urlsplit

__all__ = [
    "AT_LEAST",
    "AT_MOST",
    "CLOUD_NAMES",
    "DASH",
    "KIND_WORDS",
    "MINUS",
    "NOTHING_DRAWN",
    "NOT_KNOWN",
    "NO_PAIR",
    "OVERDUE",
    "REFERENCE_WORDS",
    "Names",
    "age",
    "aged",
    "count",
    "day",
    "fee",
    "host",
    "input_span",
    "input_words",
    "likelihood",
    "listing",
    "minute",
    "model_name",
    "month",
    "number",
    "of_many",
    "of_networks",
    "of_them",
    "of_things",
    "percent",
    "plural",
    "roughly",
    "shorten",
    "source_name",
    "times",
    "usd",
]

NOT_KNOWN = "not known"
# A source whose newest data are older than an answer of it should be; a price is stale by a measure of its own.
OVERDUE = "overdue"
NO_PAIR = "no price of a network can be set against one of a cloud"
# How the line beneath the title of a chart of nothing begins; the rest is why.
NOTHING_DRAWN = "No comparable data: "
MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"

REFERENCE_WORDS = {
    "list": "List price",
    "committed": "Committed price",
    "modelled_cost": "Modelled cost",
    "cost_plus_margin": "Cost plus floor margin",
}
# Before a number that is a bound.
AT_MOST, AT_LEAST = "\N{LESS-THAN OR EQUAL TO}", "\N{GREATER-THAN OR EQUAL TO}"
KIND_WORDS = {
    "measured": "measured",
    "protocol": "protocol fact",
    "published": "published",
    "third_party": "third party",
    "vendor_claim": "vendor claim",
    "assumption": "assumption",
}
CLOUD_NAMES = {"azure": "Azure", "aws": "AWS", "google": "Google", "oracle": "Oracle"}
# Fetched sources that are no seller of the reference data, as they write themselves.
_SOURCE_NAMES = {
    "gpuhunt": "gpuhunt",
    "litellm": "LiteLLM",
    "models_dev": "models.dev",
    "opencomputeprices": "OpenComputePrices",
    "openrouter": "OpenRouter",
    "prime_intellect": "Prime Intellect",
    "skypilot": "SkyPilot",
    "token_prices": "Token prices",
}
_SILICON_NAMES = {
    "nvidia": "NVIDIA",
    "amd": "AMD",
    "tpu": "TPU",
    "trainium": "Trainium",
    "maia-200": "Maia 200",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Display names of ids; clouds go by their short names, and an id nobody named is shown as it is."""

    known: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, identifier: str | None) -> str:
        """The name of a network, cloud, chip, model, workload or scenario."""
        if identifier is None:
            return NOT_KNOWN
        known = self.known.get(identifier) or _SOURCE_NAMES.get(identifier)
        return CLOUD_NAMES.get(identifier) or known or identifier.replace("_", " ")

    def pair(self, cloud: str, silicon: str, *, claim: bool = False) -> str:
        """A cloud with its silicon: ``"Azure, Maia 200 (claim)"``."""
        chip = _SILICON_NAMES.get(silicon) or self(silicon)
        return f"{self(cloud)}, {chip}{' (claim)' if claim else ''}"

    def long_pair(self, cloud: str, silicon: str) -> str:
        """The same for running text: ``"Azure with NVIDIA GPUs"``."""
        chip = _SILICON_NAMES.get(silicon) or self(silicon)
        return f"{self(cloud)} with {chip}{' GPUs' if silicon in ('nvidia', 'amd') else ''}"

    def list_price(self, cloud: str, silicon: str) -> str:
        """Whose list price in running text, and of which silicon, for a cloud may let several.

        >>> Names().list_price("aws", "nvidia"), Names().list_price("google", "tpu")
        ("AWS's list price for NVIDIA GPUs", "Google's list price for TPU")
        """
        chip = self.long_pair(cloud, silicon).removeprefix(f"{self(cloud)} with ")
        return f"{self(cloud)}'s list price for {chip}"


def _sign(value: float, *, signed: bool, ascii_only: bool) -> str:
    if value < 0:
        return "-" if ascii_only else MINUS
    return "+" if signed and value > 0 else ""


def percent(value: float | None, *, signed: bool = False, ascii_only: bool = False, unknown: str = NOT_KNOWN) -> str:
    """A fraction as a percentage: whole from 10% on, one decimal below.

    >>> percent(0.7297), percent(-0.0655, ascii_only=True), percent(None)
    ('73%', '-6.6%', 'not known')

    With a sign, what is not zero is never printed as if it were.

    >>> percent(0.0001, signed=True), percent(-0.0001, signed=True), percent(0.0, signed=True), percent(0.0001)
    ('+0.0%', '−0.0%', '0%', '0%')
    """
    if value is None or math.isnan(value):
        return unknown
    if math.isinf(value):
        return "no receipts" if value < 0 else "unlimited"
    size = abs(value) * 100
    if size < 0.05:
        size = 0.0 if size == 0 or not signed else size
        value = value if size else 0.0
    text = f"{size:.1f}" if 0 < size < 9.95 else f"{size:,.0f}"
    return f"{_sign(value, signed=signed, ascii_only=ascii_only)}{text}%"


_NO_MEANING = -10.0


def roughly(value: float | None, *, signed: bool = False) -> str:
    """A percentage in a sentence: how far below ten times the whole it is says nothing; tables have the figure.

    >>> roughly(-0.268), roughly(-17046.4), roughly(0.61, signed=True)
    ('−27%', 'below −1,000%', '+61%')
    """
    low = value is not None and value < _NO_MEANING
    return f"below {percent(_NO_MEANING)}" if low else percent(value, signed=signed)


def likelihood(value: float | None, *, unknown: str = NOT_KNOWN) -> str:
    """A share of draws: what is not certain is never printed as none or all of them.

    >>> [likelihood(share) for share in (0.0, 0.0002, 0.064, 0.58, 0.9983, 1.0)]
    ['0%', '<0.1%', '6.4%', '58%', '>99%', '100%']
    """
    if value is not None and 0 < value < 0.0005:
        return "<0.1%"
    return ">99%" if value is not None and 0.995 <= value < 1 else percent(value, unknown=unknown)


def fee(value: float | None, *, unknown: str = NOT_KNOWN) -> str:
    """A share that may be far below a percent, with two figures that count.

    >>> fee(0.0025), fee(0.0346), fee(0.35), fee(0.0)
    ('0.25%', '3.5%', '35%', '0%')
    """
    return f"{value * 100:.2g}%" if value is not None and 0 < value < 0.00995 else percent(value, unknown=unknown)


def usd(value: float | None, *, unknown: str = NOT_KNOWN, sign: str = "$") -> str:
    """Money with about three figures that count.

    >>> usd(0.5167), usd(1.86), usd(12.345), usd(40000), usd(None)
    ('$0.517', '$1.86', '$12.35', '$40,000', 'not known')
    """
    if value is None or math.isnan(value):
        return unknown
    if math.isinf(value):
        return "no price suffices"
    size = abs(value)
    if size >= 1000:
        text = f"{size:,.0f}"
    elif size >= 1:
        text = f"{size:,.2f}"
    elif size == 0:
        text = "0"
    elif size >= 0.0001:
        text = f"{size:.{min(4, 2 - math.floor(math.log10(size))) if size >= 0.001 else 5}f}"
    else:
        text = f"{size:.2g}"
    return f"{MINUS if value < 0 else ''}{sign}{text}"


def times(value: float | None, *, unknown: str = NOT_KNOWN) -> str:
    """A ratio as a multiple, with two figures below ten.

    >>> times(0.532), times(2.21), times(72.4), times(None)
    ('0.53', '2.2', '72', 'not known')
    """
    if value is None or math.isnan(value):
        return unknown
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.995 else f"{value:.2g}"


def number(value: float | None, *, unknown: str = NOT_KNOWN) -> str:
    """A plain number without needless digits.

    >>> number(0.27), number(2027.5), number(12345.6)
    ('0.27', '2027.5', '12,346')
    """
    if value is None or math.isnan(value):
        return unknown
    text = f"{abs(value):,.0f}" if abs(value) >= 10_000 else f"{abs(value):.6g}"
    return f"{MINUS if value < 0 else ''}{text}"


def count(value: int | None, *, unknown: str = NOT_KNOWN) -> str:
    """A whole number with thousands marked."""
    return unknown if value is None else f"{value:,}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """``"1 chip"``, ``"3 chips"``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def day(value: date | datetime | None, *, unknown: str = NOT_KNOWN) -> str:
    """``2026-11-22``."""
    return unknown if value is None else f"{value:%Y-%m-%d}"


def minute(value: datetime) -> str:
    """``2026-11-22 09:30 UTC``; at midnight, when only the day was asked for, the day alone."""
    return f"{value:%Y-%m-%d}" if value.hour == value.minute == 0 else f"{value:%Y-%m-%d %H:%M} UTC"


_OWN_LETTERS = {"gpt": "GPT", "chatgpt": "ChatGPT"}
_RELEASE = re.compile(r"-(20\d{2})-?(\d{2})-?(\d{2})$")


def model_name(identifier: str) -> str:
    """A closed model's id as its maker writes the name; the day of a release in brackets.

    >>> model_name("claude-3-opus-20240229"), model_name("claude-haiku-5-5"), model_name("gpt-5.5-pro")
    ('Claude 3 Opus (2024-02-29)', 'Claude Haiku 5.5', 'GPT-5.5 Pro')
    >>> model_name("gemini-2.0-flash-lite"), model_name("gpt-4o-mini"), model_name("gpt-4-0613"), model_name("o1-pro")
    ('Gemini 2.0 Flash Lite', 'GPT-4o Mini', 'GPT-4 0613', 'o1 Pro')
    """
    released = _RELEASE.search(identifier)
    plain = identifier[: released.start()] if released else identifier
    # Dots of a version are dashes in some ids.
    parts = re.sub(r"(?<=-\d)-(?=\d(?:-|$))", ".", plain).split("-")
    told = [
        _OWN_LETTERS.get(part) or (part if any(letter.isdigit() for letter in part) else part.capitalize())
        for part in parts
    ]
    name = " ".join(told)
    for letters in _OWN_LETTERS.values():
        name = re.sub(rf"^{letters} (?=\d)", f"{letters}-", name)
    return f"{name} ({'-'.join(released.groups())})" if released else name


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def month(value: date | None, *, unknown: str = NOT_KNOWN) -> str:
    """``Mar 2029``, whatever the machine's language."""
    return unknown if value is None else f"{_MONTHS[value.month - 1]} {value.year}"


def age(days: float | None, *, unknown: str = NOT_KNOWN) -> str:
    """What has passed in full: days, and hours of what is younger than a day.

    >>> [age(days) for days in (0.0, 0.02, 0.21, 1.0, 1.9, 74.5, None)]
    ['same day', 'under 1 hour', '5 hours', '1 day', '1 day', '74 days', 'not known']
    """
    if days is None or math.isnan(days):
        return unknown
    if days <= 0:
        return "same day"
    if days * 24 < 1:
        return "under 1 hour"
    return plural(math.floor(days * 24), "hour") if days < 1 else plural(math.floor(days), "day")


def aged(freshness: str | None) -> str:
    """How a number beyond its expected age or its limit is marked; nothing for one that is not.

    >>> aged("stale"), aged("expired"), aged("fresh"), aged(None)
    ('stale', 'beyond its limit of age', '', '')
    """
    return {"stale": "stale", "expired": "beyond its limit of age"}.get(freshness or "", "")


def listing(items: Iterable[str]) -> str:
    """``"a, b and c"``."""
    words = list(items)
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def host(url: str | None, *, unknown: str = NOT_KNOWN) -> str:
    """The site of an address: ``"https://www.example.org/x"`` -> ``"example.org"``."""
    site = urlsplit(url).hostname if url else None
    return site.removeprefix("www.") if site else unknown


_CODE_HOSTS = ("github.com", "raw.githubusercontent.com")


def source_name(source: str, url: str | None, names: Names) -> str:
    """Who says so: a fetched source by its name; where a seller's prices are kept by others on GitHub, with them.

    >>> source_name("aws", "https://b0.p.awsstatic.com/x.json", Names()), source_name("skypilot", None, Names())
    ('AWS', 'SkyPilot')
    >>> source_name("aws", "https://raw.githubusercontent.com/someone/prices/main/x.json", Names())
    'AWS, kept by someone'
    """
    if source in _SOURCE_NAMES:
        return _SOURCE_NAMES[source]
    name, parts = names(source), urlsplit(url or "")
    owner = parts.path.strip("/").partition("/")[0] if parts.hostname in _CODE_HOSTS else ""
    return f"{name}, kept by {owner}" if owner else name


def of_many(some: int, many: int) -> str:
    """``"3 of 5"``, ``"none of 5"``, ``"all 5"``."""
    return f"none of {many}" if some == 0 else f"all {many}" if some == many and many > 1 else f"{some} of {many}"


def of_them(some: int, many: int) -> str:
    """As `of_many`, but of two ``"both"`` and ``"neither of the 2"``."""
    return of_many(some, many) if many != 2 or some == 1 else "both" if some else "neither of the 2"


def of_networks(some: int, many: int) -> str:
    """``"3 of 5 networks"``, ``"all 5 networks"``; of two ``"both networks"`` and ``"neither network"``.

    >>> of_networks(1, 2), of_networks(2, 2), of_networks(0, 2), of_networks(5, 5), of_networks(0, 3), of_networks(1, 1)
    ('1 of 2 networks', 'both networks', 'neither network', 'all 5 networks', 'none of 3 networks', 'the network')
    """
    if many == 1 and some == 1:
        return "the network"
    if many == 2 and some != 1:
        return "both networks" if some else "neither network"
    return f"{of_many(some, many)} networks"


def of_things(some: int, many: int, one: str, more: str | None = None) -> str:
    """``of_many`` with what is counted.

    >>> of_things(3, 5, "price"), of_things(5, 5, "price"), of_things(0, 5, "price"), of_things(1, 1, "price")
    ('3 of 5 prices', 'all 5 prices', 'none of 5 prices', 'the one price')
    >>> of_things(2, 2, "price"), of_things(0, 2, "price"), of_things(0, 1, "price"), of_things(1, 2, "price")
    ('both prices', 'neither price', 'no price', '1 of 2 prices')
    """
    things = more or f"{one}s"
    if many == 1:
        return f"the one {one}" if some else f"no {one}"
    if many == 2 and some != 1:
        return f"both {things}" if some else f"neither {one}"
    return f"{'none of' if not some else 'all' if some == many else f'{some} of'} {many} {things}"


_BETWEEN_WORDS = re.compile(r"[\s-](?=\S)")
_NO_END = " -(&,:;"


def shorten(text: str, length: int) -> str:
    """Cut to ``length`` characters at most, with an ellipsis where something is missing: behind a word, where more
    than half stays, and not within brackets.

    >>> shorten("Minted Work Protocol Foundation (formerly Proof-of-Render)", 40)
    'Minted Work Protocol Foundation…'
    >>> shorten("Long-Named Confidential Compute", 20), shorten("Grünwald-Höllriegelskreuth", 12), shorten("short", 5)
    ('Long-Named…', 'Grünwald…', 'short')
    """
    if len(text) <= length:
        return text
    room = max(1, length - 1)
    ends = [room, *(found.start() for found in _BETWEEN_WORDS.finditer(text, room // 2, room + 2))]
    cut = text[: ends[-1]]
    if cut.count("(") > cut.count(")") and (before := cut.rpartition("(")[0].rstrip(_NO_END)):
        cut = before
    return (cut.rstrip(_NO_END) or cut) + "…"


_INPUT_WORDS = {
    "hardware_decline_per_year": "shared fall of hardware cost",
    "network_lag_years": "networks' lag behind the clouds",
    "pass_through": "share of clouds' cuts networks follow",
    "unit_cost_factor": "cost of the new silicon",
    "adoption_midpoint_year": "when half of the new silicon is in",
    "adoption_slope_per_year": "speed of its adoption",
    "adoption_ceiling": "share of work the new silicon takes",
    "list_price_factor": "depth of the list price cut",
    "cloud_peak_multiplier": "clouds' prices in the shortage",
    "network_peak_multiplier": "networks' prices in the shortage",
    "peak_after_years": "time to the peak of the shortage",
    "half_life_years": "half-life of the shortage",
    "take_rate": "network's share of the bill",
    "take_rate_target": "network's share of the bill then",
    "utilisation": "share of hours rented",
    "utilisation_target": "share of hours rented then",
    "cloud_utilisation": "share of clouds' hours sold",
    "demand_factor": "demand that stays",
    "network_efficiency_gain": "networks' gain in work an hour",
    "gains_midpoint_year": "when half of the gains are in",
    "gains_slope_per_year": "speed of the gains",
    "network_usd_per_accelerator_hour": "network's price",
    "usd_per_accelerator_hour": "network's price",
    "network_buyer_fee": "network's fee for buyers",
    "network_tokens_per_second": "tokens a second on the network's chip",
    "reference_tokens_per_second": "tokens a second on the cloud's chip",
    "tokens_per_second": "tokens a second on the chip of both",
    "reference_usd_per_accelerator_hour": "cloud's price",
    "commitment_discount": "discount for commitment",
    "floor_gross_margin": "least gross margin of a cloud",
    "maia200_cost_factor": "cost of Maia 200 against NVIDIA",
    "log_ratio": "today's ratio of prices",
    "capex_usd": "price of the hardware",
    "usd_per_kwh": "electricity tariff",
    "life_years": "life of the hardware",
    "load_kw": "power of the chip under load",
    "idle_power_share": "power when idle",
    "pue": "power overhead of the site",
    "opex_share_of_capex": "running cost of the hardware",
    "salvage_share": "salvage value of the hardware",
    "event": "whether the event happens",
}
_SILICON_TAGS = {"maia": "Maia", "tpu": "TPU", "trainium": "Trainium", "startup": "a newcomer's"}


def input_words(name: str) -> str:
    """An input of the model in words; a silicon's tag follows in brackets.

    >>> input_words("unit_cost_factor.maia"), input_words("cost_of_capital")
    ('cost of the new silicon (Maia)', 'cost of capital')
    """
    plain, _, tag = name.partition("[")[0].partition(".")
    told = _INPUT_WORDS.get(plain, plain.replace("_", " "))
    return f"{told} ({_SILICON_TAGS.get(tag, tag)})" if tag else told


def input_span(low: float, high: float, unit: str) -> str:
    """From where to where an input goes, with its unit; tokens a second are named in the input's own words.

    >>> input_span(37_500, 52_000, "USD"), input_span(0.2, 0.35, "fraction per year"), input_span(0.5, 2, "years")
    ('$37,500 to $52,000', '20% to 35% a year', '0.5 to 2 years')
    >>> input_span(0.06, 0.155, "USD per kWh"), input_span(0.84, 1.19, "kW")
    ('$0.0600 to $0.155 per kWh', '0.84 to 1.19 kW')
    """
    money, share = unit.startswith("USD"), unit.startswith("fraction")
    if unit.startswith("1 if"):
        return "no to yes"

    def form(value: float) -> str:
        if money:
            return usd(value) if value < 100 else f"${value:,.0f}"
        if unit == "year":
            return f"{value:.1f}"
        text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value * 100 if share else value:.3g}"
        return f"{text}{'%' if share else ''}"

    ends = f"{form(low)} to {form(high)}"
    if money:
        per = {"USD per accelerator-hour": " an hour", "USD": ""}
        return ends + per.get(unit, unit.removeprefix("USD"))
    if share:
        of = unit.removeprefix("fraction").replace(" per year", " a year").replace("capex", "its price")
        return ends + of
    if unit.startswith("multiple of "):
        what = unit.removeprefix("multiple of ")
        return f"{form(low)} to {form(high)} times {what}"
    return ends + {"years": " years", "kW": " kW", "1/year": " a year"}.get(unit, "")
