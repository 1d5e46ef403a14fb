"""Public price sources, one file each, and the collector that runs them side by side."""

from __future__ import annotations

from collections.abc import Collection as AnyCollection
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from depin_compare.errors import UnknownNameError
from fetchers.akash import FETCHER as AKASH
from fetchers.aws import FETCHER as AWS
from fetchers.azure import FETCHER as AZURE
from fetchers.chutes import FETCHER as CHUTES
from fetchers.clore import FETCHER as CLORE
from fetchers.collection import Collection, Progress, SourceStatus, collect_from
from fetchers.contract import Answer, Fetcher, FetchResult, Recording
from fetchers.fluence import FETCHER as FLUENCE
from fetchers.golem import FETCHER as GOLEM
from fetchers.google import FETCHER as GOOGLE
from fetchers.gpuhunt import FETCHER as GPUHUNT
from fetchers.hyperbolic import FETCHER as HYPERBOLIC
from fetchers.ionet import FETCHER as IONET
from fetchers.litellm import FETCHER as LITELLM
from fetchers.lium import FETCHER as LIUM
from fetchers.models_dev import FETCHER as MODELS_DEV
from fetchers.nosana import FETCHER as NOSANA
from fetchers.opencomputeprices import FETCHER as OPENCOMPUTEPRICES
from fetchers.openrouter import FETCHER as OPENROUTER
from fetchers.oracle import FETCHER as ORACLE
from fetchers.prime_intellect import FETCHER as PRIME_INTELLECT
from fetchers.render import FETCHER as RENDER
from fetchers.runpod import FETCHER as RUNPOD
from fetchers.salad import FETCHER as SALAD
from fetchers.skypilot import FETCHER as SKYPILOT
from fetchers.spheron import FETCHER as SPHERON
from fetchers.targon import FETCHER as TARGON
from fetchers.token_prices import FETCHER as TOKEN_PRICES
from fetchers.vast import FETCHER as VAST

__all__ = [
    "FETCHERS",
    "Answer",
    "Collection",
    "FetchResult",
    "Fetcher",
    "Progress",
    "Recording",
    "SourceStatus",
    "collect",
]

FETCHERS: dict[str, Fetcher] = {
    "akash": AKASH,
    "aws": AWS,
    "azure": AZURE,
    "chutes": CHUTES,
    "clore": CLORE,
    "fluence": FLUENCE,
    "golem": GOLEM,
    "google": GOOGLE,
    "gpuhunt": GPUHUNT,
    "hyperbolic": HYPERBOLIC,
    "ionet": IONET,
    "litellm": LITELLM,
    "lium": LIUM,
    "models_dev": MODELS_DEV,
    "nosana": NOSANA,
    "opencomputeprices": OPENCOMPUTEPRICES,
    "openrouter": OPENROUTER,
    "oracle": ORACLE,
    "prime_intellect": PRIME_INTELLECT,
    "render": RENDER,
    "runpod": RUNPOD,
    "salad": SALAD,
    "skypilot": SKYPILOT,
    "spheron": SPHERON,
    "targon": TARGON,
    "token_prices": TOKEN_PRICES,
    "vast": VAST,
}


def collect(
    names: Iterable[str] | None = None,
    *,
    observed_at: datetime,
    off: AnyCollection[str] = (),
    mirrors: Mapping[str, str] | None = None,
    replay: Path | None = None,
    record: Path | None = None,
    time_budget_seconds: float | None = None,
    time_budgets: Mapping[str, float] | None = None,
    key_variables: Mapping[str, str] | None = None,
    probe: bool = True,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Collection:
    """Ask many sources at once, a dozen at a time; one that fails has a status and costs no other.

    Parameters
    ----------
    names : iterable of str, optional
        Sources to ask; all when not given.
    observed_at : datetime
        The moment the answers stand for, in UTC. A replayed recording keeps its own.
    off : collection of str
        Sources switched off: they are not asked and their status says so.
    mirrors : mapping of str to str, optional
        Address prefix -> the prefix to ask in its place.
    replay, record : Path, optional
        Folder to read recordings from instead of the network, or to write them to.
    time_budget_seconds : float, optional
        Longest wait for any one source; each source's own budget when not given.
    time_budgets : mapping of str to float, optional
        Budget by source; wins over `time_budget_seconds`.
    key_variables : mapping of str to str, optional
        Environment variable that holds a source's key, in place of the one the source names itself.
    probe : bool
        Whether to see first, within 3 s, if a source's hosts can be reached at all.
    cache : Path, optional
        Folder of answers kept between runs, asked for again only if they have changed; none when not given.
    progress : callable, optional
        Told of every source that is done: how many are, of how many, and its status.

    Raises
    ------
    UnknownNameError
        For a source nobody knows, in `names`, `off`, `time_budgets` or `key_variables`.
    """
    chosen = list(FETCHERS if names is None else names)
    for name in [*chosen, *off, *(time_budgets or {}), *(key_variables or {})]:
        if name not in FETCHERS:
            raise UnknownNameError("source", name, FETCHERS)
    return collect_from(
        {
            name: replace(FETCHERS[name], key_variable=(key_variables or {}).get(name, FETCHERS[name].key_variable))
            for name in sorted(set(chosen))
        },
        observed_at=observed_at,
        off=off,
        mirrors=mirrors or {},
        replay=replay,
        record=record,
        time_budget_seconds=time_budget_seconds,
        time_budgets=time_budgets or {},
        probe=probe,
        cache=cache,
        progress=progress,
    )
