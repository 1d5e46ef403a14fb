"""Names as seen in the wild -> canonical id of the accelerator register, or the reason why there is none.

Matching is by table (`refdata.accelerator_names`), ignoring case, blanks, ``-``, ``_`` and leading vendor
words. Where one name covers several boards (H100 as SXM, PCIe or NVL), the row's memory and interface decide,
and where they don't, the answer is "ambiguous": the form of a chip is never guessed, for it moves the price
and the throughput by half.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

from depin_compare.errors import ReferenceDataError
from depin_compare.refdata import accelerator_names, accelerators

__all__ = ["Identification", "Verdict", "accelerator_id", "identify", "same_memory", "snapped_memory_gib"]

Verdict = Literal["known", "ambiguous", "outside", "unknown"]

MEMORY_TOLERANCE = 0.07
BOARD_SIZES_GIB = (
    4, 6, 8, 10, 11, 12, 16, 20, 24, 32, 40, 48, 64, 80, 94, 96, 128, 141, 144, 180, 192, 216, 256, 288,
)  # fmt: skip

# Words that say nothing about which chip it is.
IDLE_WORDS = frozenset(
    {"nvidia", "amd", "intel", "geforce", "tesla", "radeon", "instinct", "hgx", "dgx", "tm", "r"}
    | {"gpu", "gpus", "tensor", "core", "graphics", "generation"}
)
GLUED_VENDOR = re.compile(r"^(nvidia|geforce|tesla|amd|instinct|radeon)(?=[a-z0-9])")
MEMORY_WORD = re.compile(r"^(\d{1,3})(?:gb|gib|gi|g)$")
FORM_WORD = re.compile(r"^(?:(sxm)\d?|(pci)(?:e|e\d|ex)?|(nvl)|(oam))$")
RACK_WORD = re.compile(r"^nvl\d+$")
STACK_WORD = re.compile(r"^hbm\de?$")

# Chips sold in one form only although their id does not say so.
NATIVE_FORM = MappingProxyType({"h200": "sxm", "b200": "sxm", "b300": "sxm"})

# Bare names that cover several boards of the register: interface, memory or edition must decide.
BOARDS_OF = MappingProxyType(
    {
        "h100": ("h100-sxm", "h100-pcie", "h100-nvl"),
        "a100": ("a100-sxm-40gb", "a100-sxm-80gb", "a100-pcie-40gb", "a100-pcie-80gb"),
        "v100": ("v100-sxm2-16gb", "v100-sxm2-32gb", "v100-pcie-16gb", "v100-pcie-32gb"),
        "rtx6000": ("rtx-a6000", "rtx-6000-ada"),
        "6000": ("rtx-a6000", "rtx-6000-ada"),
        "rtxpro6000": ("rtx-pro-6000-bw", "rtx-pro-6000-ws"),
    }
)

PRO_6000 = re.compile(r"^(?:rtx)?(?:pro6000|6000pro|proserver6000)(.*)$")
PRO_6000_EDITIONS = (
    (re.compile(r"maxq|mq"), None),
    (re.compile(r"server|se$|^s$"), "rtxpro6000server"),
    (re.compile(r"workstation|we$|ws$|wk$"), "rtxpro6000ws"),
)

# Chips that are known and not in the register: too small for LLM work, mobile, or sold in one country only.
OUTSIDE = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (
        (r"laptop|mobile|maxq|pro6000mq|^(rtx)?\d{4}(ti)?m$", "a mobile or Max-Q edition"),
        (r"mig\d?", "a slice of a card"),
        (r"^(rtx)?(4090|5090)d", "the edition for China"),
        (r"^(a800|h20|a100x|h800)", "a board the register does not list"),
        (r"^(gtx?|mx)\d", "a GTX card"),
        (r"^(rtx)?[2345]0[5-9]0(ti|super|tisuper)?\d*(gb)?$", "a GeForce card the register does not list"),
        (r"^titan", "a Titan card"),
        (r"^quadro|^q?rtx[3-8]000$|^qrtx", "a Quadro card"),
        (r"^[kmp]\d{1,4}$|^m\d{2,4}$", "a card older than tensor cores"),
        (r"^(rtx)?(2000|4000|4500|5000|5880)(e|s|sff)?ada", "a workstation card the register does not list"),
        (r"^(rtx)?a(2|16|500|1000|2000|4500|5500)$", "a workstation card the register does not list"),
        (r"^(rtx)?pro\d{4}", "a workstation card the register does not list"),
        (r"^v100", "a V100 board the register does not list"),
        (r"^(mi\d|rx\d|w\d{4}|pro[wv]\d|v710|vega)", "an AMD card the register does not list"),
        (r"^(arc|max1\d{3}|flex\d)", "an Intel card the register does not list"),
    )
)


@dataclass(frozen=True, slots=True)
class Identification:
    """What a name stands for.

    ``known``: `accelerator` is the id. ``ambiguous``: several boards of the register fit. ``outside``: a chip
    we know and don't list. ``unknown``: no table knows it, or name and hints contradict each other.
    """

    verdict: Verdict
    accelerator: str | None = None
    reason: str | None = None


def accelerator_id(name: str, *, memory_gib: float | None = None, interface: str | None = None) -> str | None:
    """The canonical id, or None when it is not certain.

    >>> accelerator_id("h100", memory_gib=80, interface="SXM5")
    'h100-sxm'
    >>> accelerator_id("h100", memory_gib=80) is None
    True
    """
    return identify(name, memory_gib=memory_gib, interface=interface).accelerator


def identify(name: str, *, memory_gib: float | None = None, interface: str | None = None) -> Identification:
    """Which chip a source means by `name`, with the memory and interface it reports beside it.

    Parameters
    ----------
    name : str
        As the source spells it.
    memory_gib : float, optional
        Memory of one card; vendors' decimal or rounded figures are fine. [GiB]
    interface : str, optional
        ``"SXM5"``, ``"PCIe"``, ``"NVL"``; anything else counts as not told.
    """
    parts = _Parts.of(name)
    label = name.strip() or "an empty name"
    if (
        memory_gib is not None
        and parts.memory_gib is not None
        and not same_memory(parts.memory_gib, memory_gib)
        and parts.key not in _index()  # "GH200 480GB" names the host's memory: the register's spelling wins
    ):
        return Identification("unknown", None, f"{label} is reported with {memory_gib:g} GiB")
    memory = memory_gib if memory_gib is not None else parts.memory_gib
    form = _form(interface) or parts.form
    if form and parts.form and not _fits(parts.form, form):
        return Identification("unknown", None, f"{label} is reported with interface {interface}")

    edition = PRO_6000.match(parts.base)
    if edition and parts.key not in _index():
        return _pro_6000(label, edition.group(1) or ("server" if "server" in parts.base else ""), memory)
    if parts.base in {"rtx6000", "6000"} and memory is not None and same_memory(memory, 24):
        return Identification("outside", None, f"{label}: a Quadro card")

    socket = parts.socket or re.sub(r"[^a-z0-9]", "", (interface or "").casefold())
    refused: Identification | None = None
    for key in parts.keys(form, socket, memory):
        accelerator = _index().get(key)
        if accelerator is None or (key == parts.base and parts.base in BOARDS_OF):
            continue
        contradiction = _contradiction(label, accelerator, memory_gib if key == parts.key else memory, form)
        if contradiction is None:
            return Identification("known", accelerator)
        refused = refused or contradiction
    if refused is not None:
        return refused
    if parts.base in BOARDS_OF:
        return _undecided(label, BOARDS_OF[parts.base], memory, form)
    for pattern, reason in OUTSIDE:
        if pattern.search(parts.base):
            return Identification("outside", None, f"{label}: {reason}")
    return Identification("unknown", None, f"{label} is in no table of accelerator names")


def same_memory(first_gib: float, second_gib: float) -> bool:
    """Whether two reported sizes mean the same board: within 7%, or both nearest to one board size.

    >>> same_memory(268, 288), same_memory(79.6, 80), same_memory(64, 80)
    (True, True, False)
    """
    near = abs(first_gib - second_gib) <= MEMORY_TOLERANCE * max(first_gib, second_gib)
    snapped = snapped_memory_gib(first_gib)
    return near or (snapped is not None and snapped == snapped_memory_gib(second_gib))


def snapped_memory_gib(memory_gib: float) -> float | None:
    """The board size within 7% of a reported one, or None. [GiB]"""
    nearest = min(BOARD_SIZES_GIB, key=lambda size: abs(size - memory_gib))
    return float(nearest) if abs(nearest - memory_gib) <= MEMORY_TOLERANCE * nearest else None


@dataclass(frozen=True, slots=True)
class _Parts:
    """A name taken apart: all of it, what is left without memory and form, and those two."""

    key: str
    base: str
    form: str | None
    socket: str
    memory_gib: float | None

    @classmethod
    def of(cls, name: str) -> _Parts:
        text = re.sub(r"(\d)\s+(?=(?:gib|gb|gi)\b)", r"\1", name.casefold().replace("(tm)", " "))
        words = [word for word in re.split(r"[^a-z0-9]+", text) if word and word not in IDLE_WORDS]
        if words:
            words[0] = GLUED_VENDOR.sub("", words[0])
        rest: list[str] = []
        form, socket, memory, stacked = None, "", None, False
        for word in words:
            size = MEMORY_WORD.match(word)
            shape = FORM_WORD.match(word)
            if size and rest:
                memory = float(size.group(1))
            elif shape and rest:
                form, socket = _form(word), word
            elif STACK_WORD.match(word) and rest:
                stacked = True
            elif not (RACK_WORD.match(word) and rest):
                rest.append(word)
        base = "".join(rest)
        if base == "h100" and stacked and form is None:
            form = "sxm"  # the driver calls the SXM board "H100 80GB HBM3" and the card "H100 PCIe"
        return cls(key="".join(words), base=base, form=form, socket=socket, memory_gib=memory)

    def keys(self, form: str | None, socket: str, memory_gib: float | None) -> list[str]:
        """Spellings to look up, the most specific first."""
        snapped = None if memory_gib is None else snapped_memory_gib(memory_gib)
        size = "" if snapped is None else f"{snapped:.0f}gb"
        forms = [socket, form or ""] if form else []
        if form == "pcie":
            forms += ["pci", "nvl"]  # an NVL board is a PCIe card of more memory
        if socket == "sxm":
            forms += ["sxm2"]
        bases = [self.base, f"rtx{self.base}"] if self.base[:1].isdigit() else [self.base]
        found = [self.key]
        for base in bases:
            found += [base + shape + size for shape in forms if shape and size]
            found += [base + shape for shape in forms if shape]
            found += [base + size] if size else []
            found += [base]
        return list(dict.fromkeys(found))


@cache
def _index() -> Mapping[str, str]:
    """Normalised spelling -> id, from the register's own ids and the table of names."""
    index = {_Parts.of(accelerator).key: accelerator for accelerator in accelerators()["accelerator"]}
    for name, accelerator in accelerator_names().select("name", "accelerator").iter_rows():
        key = _Parts.of(name).key
        if index.setdefault(key, accelerator) != accelerator:
            raise ReferenceDataError(
                f"refdata/accelerator_names.csv: {name!r} stands for {accelerator} and for {index[key]}"
            )
    return MappingProxyType(index)


@cache
def _memory_of() -> Mapping[str, float | None]:
    return dict(accelerators().select("accelerator", "memory_gib").iter_rows())


def _contradiction(label: str, accelerator: str, memory_gib: float | None, form: str | None) -> Identification | None:
    """Why the hints forbid this id, or None. Memory of another board size is another board, known and not listed."""
    own = _memory_of()[accelerator]
    if memory_gib is not None and own is not None and not same_memory(own, memory_gib):
        verdict: Verdict = "unknown" if snapped_memory_gib(memory_gib) is None else "outside"
        return Identification(verdict, None, f"{label} is reported with {memory_gib:g} GiB; {accelerator} has {own:g}")
    own_form = _form_of(accelerator)
    if form is not None and own_form is not None and not _fits(own_form, form):
        return Identification("unknown", None, f"{label} is reported as {form}; {accelerator} is {own_form}")
    return None


def _form_of(accelerator: str) -> str | None:
    for part in accelerator.split("-"):
        form = _form(part)
        if form:
            return form
    return NATIVE_FORM.get(accelerator)


def _form(interface: str | None) -> str | None:
    """``"SXM5"`` -> ``"sxm"``; None for anything that tells no form."""
    match = FORM_WORD.match(re.sub(r"[^a-z0-9]", "", (interface or "").casefold()))
    if match is None:
        return None
    word = next(group for group in match.groups() if group)
    return {"pci": "pcie", "oam": None}.get(word, word)


def _fits(own: str, told: str) -> bool:
    """Whether a told form agrees with a board's own: NVL boards are PCIe cards."""
    return own == told or {own, told} == {"nvl", "pcie"}


def _pro_6000(label: str, edition: str, memory_gib: float | None) -> Identification:
    edition = edition.replace("blackwell", "").removesuffix("edition")
    for pattern, key in PRO_6000_EDITIONS:
        if pattern.search(edition):
            if key is None:
                return Identification("outside", None, f"{label}: a mobile or Max-Q edition")
            accelerator = _index()[key]
            refused = _contradiction(label, accelerator, memory_gib, None)
            return refused or Identification("known", accelerator)
    if edition:
        return Identification("unknown", None, f"{label}: edition {edition!r} is in no table of accelerator names")
    return _undecided(label, BOARDS_OF["rtxpro6000"], memory_gib, None)


def _undecided(label: str, boards: tuple[str, ...], memory_gib: float | None, form: str | None) -> Identification:
    """A bare name of several boards: which of them the hints leave over."""
    left = [board for board in boards if _contradiction(label, board, memory_gib, form) is None]
    told = " ".join(([f"{memory_gib:g} GiB"] if memory_gib is not None else []) + ([form] if form else []))
    told = f"{label} with {told}" if told else label
    if not left:
        return Identification("outside", None, f"{told}: no board of the register")
    return Identification("ambiguous", None, f"{told} does not tell which board: {' or '.join(left)}")
