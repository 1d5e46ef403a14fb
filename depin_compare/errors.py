"""The exception tree. Every message says what, where, what was seen and what to do.

DepinCompareError
├── ModelDomainError     a formula was asked outside its domain
├── ReferenceDataError   a packaged table is broken: orphan source, duplicate key, missing unit
├── UnknownNameError     a name no table knows; carries the nearest names that exist
├── ConfigError          the user's file or option is wrong
├── StoreError           a snapshot is missing, damaged or can't be written
├── JobBusyError         another process runs the job
└── SourceError          one public source failed; the others are not concerned
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "DepinCompareError",
    "JobBusyError",
    "ModelDomainError",
    "ReferenceDataError",
    "SourceError",
    "StoreError",
    "UnknownNameError",
]


class DepinCompareError(Exception):
    """Base of every error this package raises on purpose."""


class ModelDomainError(DepinCompareError, ValueError):
    """An argument lies outside the range in which the formula means something."""


class ReferenceDataError(DepinCompareError):
    """A packaged table breaks its own rules."""


class UnknownNameError(DepinCompareError, LookupError):
    """A name that no table knows."""

    def __init__(self, what: str, seen: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(seen, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names[:12])}"
        super().__init__(f"unknown {what} {seen!r}; {hint}")


class ConfigError(DepinCompareError):
    """A job file or an option that can't be used as written."""


class StoreError(DepinCompareError):
    """A snapshot that can't be read or written."""


class JobBusyError(DepinCompareError):
    """A job that another process runs right now."""

    def __init__(self, job: str, holder: str) -> None:
        self.job = job
        self.holder = holder
        super().__init__(f"job {job} is running: {holder}; wait for it or stop it")


class SourceError(DepinCompareError):
    """One source could not be fetched or read.

    Parameters
    ----------
    source : str
        Id of the source, e.g. ``"akash"``.
    where : str
        Address, or path inside the payload, e.g. ``"$.models[3].price"``.
    seen, expected : str
        What stood there and what should have.
    unreachable : bool
        True when no answer came at all (no route, name not found, timeout), as opposed to a bad one.
    """

    def __init__(self, source: str, where: str, *, seen: str, expected: str, unreachable: bool = False) -> None:
        self.source = source
        self.where = where
        self.seen = seen
        self.expected = expected
        self.unreachable = unreachable
        super().__init__(f"{source}: {where}: saw {seen}, expected {expected}")
