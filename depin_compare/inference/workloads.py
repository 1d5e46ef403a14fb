"""What is asked of an LLM: prompt and output lengths, speed owed to a user, number formats."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from depin_compare.errors import ModelDomainError, UnknownNameError
from depin_compare.refdata import load_toml

__all__ = ["KV_PRECISIONS", "PRECISIONS", "Workload", "workload", "workloads"]

PRECISIONS = ("fp16", "fp8", "fp4")
KV_PRECISIONS = ("fp16", "fp8")
_LONGEST_TOKENS = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One kind of request, repeated for ever.

    Parameters
    ----------
    name : str
        Key of a preset, or any name of your own.
    input_tokens, output_tokens : float
        Mean length of prompt and of answer; prompt >= 0, answer >= 1. [tokens]
    min_tokens_per_second_per_user : float, optional
        Service level: mean output speed each user must get; none for work nobody waits for. [tokens/s]
    precision : str
        Number format of the weights, one of `PRECISIONS`; chips that lack it keep the weights in it and
        compute in 16 bits. LLMs that are published in fewer bits stay as published.
    kv_precision : str
        Number format of keys and values, one of `KV_PRECISIONS`.
    concurrency : int, optional
        Requests in flight on one replica; none: as many as memory and service level allow. [-]
    meaning : str
        What it stands for, in words.

    Raises
    ------
    ModelDomainError
        If a length or speed is not finite and positive, or a number format is unknown.

    Examples
    --------
    >>> Workload(name="mine", input_tokens=500, output_tokens=200).input_tokens_per_output
    2.5
    """

    name: str
    input_tokens: float
    output_tokens: float
    min_tokens_per_second_per_user: float | None = None
    precision: str = "fp8"
    kv_precision: str = "fp8"
    concurrency: int | None = None
    meaning: str = ""

    def __post_init__(self) -> None:
        where = f"workload {self.name!r}"
        for field, least in (("input_tokens", 0.0), ("output_tokens", 1.0)):
            value = getattr(self, field)
            if not (math.isfinite(value) and least <= value <= _LONGEST_TOKENS):
                raise ModelDomainError(f"{where}: {field} is {value}, expected {least:g} to {_LONGEST_TOKENS:,}")
        speed = self.min_tokens_per_second_per_user
        if speed is not None and not (math.isfinite(speed) and speed > 0):
            raise ModelDomainError(
                f"{where}: min_tokens_per_second_per_user is {speed}, expected a number above 0, or none"
            )
        if self.precision not in PRECISIONS:
            raise ModelDomainError(f"{where}: precision is {self.precision!r}, expected one of {', '.join(PRECISIONS)}")
        if self.kv_precision not in KV_PRECISIONS:
            raise ModelDomainError(
                f"{where}: kv_precision is {self.kv_precision!r}, expected one of {', '.join(KV_PRECISIONS)}"
            )
        if self.concurrency is not None and self.concurrency < 1:
            raise ModelDomainError(f"{where}: concurrency is {self.concurrency}, expected 1 or more, or none")

    @property
    def input_tokens_per_output(self) -> float:
        """Prompt tokens per output token. [-]"""
        return self.input_tokens / self.output_tokens


@cache
def workloads() -> dict[str, Workload]:
    """The presets by name, in the order of ``refdata/workloads.toml``."""
    fields = set(Workload.__dataclass_fields__) - {"name"}
    return {
        name: Workload(name=name, **{key: value for key, value in row.items() if key in fields})
        for name, row in load_toml("workloads").items()
    }


def workload(which: str | Workload) -> Workload:
    """A preset by name; a `Workload` comes back as it is.

    Raises
    ------
    UnknownNameError
        If no preset has that name.

    Examples
    --------
    >>> workload("chat").output_tokens
    500
    """
    if isinstance(which, Workload):
        return which
    try:
        return workloads()[which]
    except KeyError as error:
        raise UnknownNameError("workload", which, workloads()) from error
