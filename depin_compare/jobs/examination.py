"""What `depin_compare.jobs.doctor` looks at: the store, the jobs, their sources' hosts; and what a look finds."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from depin_compare.errors import DepinCompareError
from depin_compare.jobs.config import DEFAULT_JOB, JobConfig

if TYPE_CHECKING:
    from depin_compare.market.store import Store

__all__ = ["DISTRIBUTION", "Check", "Examination"]

DISTRIBUTION = "depin-compare"


@dataclass(frozen=True, slots=True)
class Check:
    """What one look found: ``state`` is ``ok``, ``warn`` or ``fail``; what is not ok has a mend."""

    check: str
    state: str
    seen: str
    mend: str | None = None


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What is looked at.

    Parameters
    ----------
    store : Store
        Where snapshots, locks and the memory of the jobs lie.
    now : datetime
        When it is by this machine's clock, with its time zone.
    job_file : Path, optional
        The default job without one.
    out : Path, optional
        Folder of the report; else those the jobs name.
    offline : bool
        Ask no host.
    """

    store: Store
    now: datetime
    job_file: Path | None = None
    out: Path | None = None
    offline: bool = False

    @cached_property
    def jobs(self) -> dict[str, JobConfig]:
        """The jobs by name; the default one where the file can't be used."""
        from depin_compare.jobs.config_file import load_jobs

        if self.job_file is not None:
            with contextlib.suppress(DepinCompareError):  # a broken job file is a finding of its own
                return load_jobs(self.job_file)
        return {DEFAULT_JOB: JobConfig()}

    @cached_property
    def asked(self) -> list[tuple[str, tuple[str, ...]]]:
        """Every source some job asks, with its hosts."""
        from fetchers import FETCHERS

        return [
            (name, fetcher.hosts)
            for name, fetcher in FETCHERS.items()
            if any(name not in job.sources or job.sources[name].enabled for job in self.jobs.values())
        ]

    @cached_property
    def mirrors(self) -> dict[str, str]:
        """Addresses that are asked in place of others."""
        return {prefix: target for job in self.jobs.values() for prefix, target in job.http.mirrors.items()}

    @cached_property
    def unreachable(self) -> dict[str, str]:
        """Hosts out of reach and why, all looked for at once."""
        from fetchers.collection import unreachable_hosts

        return unreachable_hosts(list(dict.fromkeys(host for _, hosts in self.asked for host in hosts)), self.mirrors)

    @property
    def silent_store(self) -> bool:
        """Whether the store lies where nothing is asked now."""
        return self.offline and self.store.place.folder() is None
