"""Looks of `depin_compare.jobs.doctor` at what a run needs: job file, keys, snapshots, locks, ages, hosts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from urllib.request import getproxies

import polars as pl

from depin_compare.errors import DepinCompareError, StoreError
from depin_compare.jobs.examination import DISTRIBUTION, Check, Examination

__all__ = ["freshness", "job_file", "jobs", "keys", "reachability", "snapshots"]

# Half a year: a new version of the package has newer dated prices.
PACKAGED_DAYS = 180


def job_file(case: Examination) -> Iterator[Check]:
    """Whether the job file can be read, and what is in it."""
    from depin_compare.jobs.config_file import load_jobs

    if case.job_file is None:
        yield Check("job file", "ok", "none given: the default job")
        return
    try:
        load_jobs(case.job_file)
    except DepinCompareError as error:
        for line in str(error).splitlines():
            yield Check(
                str(case.job_file), "fail", line, f"`{DISTRIBUTION} config check {case.job_file}` tells all of it"
            )
        return
    when = [f"{name} ({one.schedule.cron if one.schedule else 'by hand'})" for name, one in case.jobs.items()]
    yield Check(str(case.job_file), "ok", ", ".join(when))


def keys(case: Examination) -> Iterator[Check]:
    """Which variables that hold keys and addresses are set; what they hold is told to nobody."""
    from fetchers import FETCHERS

    told: dict[str, Check] = {}
    for job in case.jobs.values():
        for name, fetcher in FETCHERS.items():
            mine = job.sources.get(name)
            variable = (mine.key_variable if mine else None) or fetcher.key_variable
            if variable is None or (mine is not None and not mine.enabled):
                continue
            if _is_set(variable):
                told[f"{name} {variable}"] = Check(name, "ok", f"{variable} is set")
            elif fetcher.key_required:
                mend = f"set {variable} in the environment, or enabled = false under [sources.{name}] of the job file"
                told[f"{name} {variable}"] = Check(name, "warn", f"{variable} is not set: {name} is not asked", mend)
            else:
                told[f"{name} {variable}"] = Check(name, "ok", f"{variable} is not set: {name} is asked without a key")
        if job.alerts is not None and not _is_set(job.alerts.urls_variable):
            mend = f"set {job.alerts.urls_variable} to an address apprise knows, or take [alerts] out of the job file"
            told[f"alerts {job.name}"] = Check(
                f"alerts of {job.name}", "warn", f"{job.alerts.urls_variable} is not set: nobody is told", mend
            )
    yield from told.values()


def _is_set(variable: str) -> bool:
    return bool(os.environ.get(variable, "").strip())


def snapshots(case: Examination) -> Iterator[Check]:
    """Every manifest, the newest snapshot's files by their hashes, and what killed runs left behind."""
    from depin_compare.market.manifests import read_manifest
    from depin_compare.market.snapshots import TABLES

    store = case.store
    if case.silent_store:
        return
    paths = store.manifest_paths()
    repair = f"`{DISTRIBUTION} history repair`, then `{DISTRIBUTION} history verify`"
    for path in sorted(paths):
        try:
            read_manifest(path, store.place.read(path))
        except (OSError, StoreError) as error:
            yield Check(path, "fail", f"damaged manifest ({error})", repair)
    newest = next(store.snapshots(), None)
    if newest is None:
        yield Check("snapshots", "ok", "none yet")
        return
    broken = False
    for table in (name for name in TABLES if name in newest.tables):
        try:
            newest.rows(table)  # against its hash
        except (OSError, StoreError, pl.exceptions.PolarsError) as error:
            broken = True
            mend = f"the next run goes on without it; `{DISTRIBUTION} history verify` tells what else is damaged"
            yield Check(f"{newest.id} {table}", "fail", str(error), mend)
    parts = [
        e.path for top in (*TABLES, "manifests", "copies", "snapshots") for e in store.place.list(top) if e.is_part
    ]
    if parts:
        yield Check(
            "half-written files", "warn", f"{len(parts)}, such as {parts[0]}", f"the next run removes them, or {repair}"
        )
    if not broken:
        yield Check("snapshots", "ok", f"{len(paths)} manifests; the newest, {newest.id}, is whole")


def jobs(case: Examination) -> Iterator[Check]:
    """Who runs a job right now, and how the last run ended."""
    from depin_compare.jobs.lock import holder_of
    from depin_compare.jobs.outcome import read_state

    for name in case.jobs:
        if (holder := holder_of(name, case.store)) is not None:
            yield Check(
                name, "warn", f"running: {holder}", "wait for it; if it hangs, end that process: nothing whole is lost"
            )
            continue
        if case.silent_store:
            continue
        state = read_state(case.store, name)
        if state.last_outcome == "failed":
            when = f"{state.last_finished_at:%Y-%m-%d %H:%M} UTC" if state.last_finished_at else "some time ago"
            mend = f"mend what it says, then run `{DISTRIBUTION} run`"
            yield Check(name, "warn", f"the last run failed, {when}: {state.last_detail or 'no reason is known'}", mend)
        elif state.last_success_at is not None:
            yield Check(name, "ok", f"no run under way; the last went well, {state.last_success_at:%Y-%m-%d %H:%M} UTC")
        else:
            yield Check(name, "ok", "no run under way; none has ended well yet")


def freshness(case: Examination) -> Iterator[Check]:
    """How old what is stored of each source is, against what is expected of it; and the dated prices of the package."""
    from depin_compare.jobs.sources import source_list
    from depin_compare.market.reference import reference_offers

    if case.silent_store:
        yield Check("sources", "ok", "not looked at: the store is elsewhere, and this is offline")
        return
    listed: dict[str, dict[str, object]] = {}
    for job in case.jobs.values():
        for row in source_list(job, store=case.store, now=case.now).iter_rows(named=True):
            if row["state"] not in ("off", "no_key", "no public price"):
                listed.setdefault(row["source"], row)
    fresh = [name for name, row in listed.items() if row["freshness"] == "fresh"]
    never = [name for name, row in listed.items() if row["last_success"] is None]
    run = f"`{DISTRIBUTION} run` asks them; `{DISTRIBUTION} sources` tells what they said last"
    for name, row in listed.items():
        if row["freshness"] in ("stale", "expired"):
            seen = (
                f"{row['freshness']}: {row['age_days']:.1f} days since its last answer, "
                f"{row['expected_age_days']:g} expected, limit {row['limit_age_days']:g}"
            )
            yield Check(name, "warn", seen + (f"; {row['last_error']}" if row["last_error"] else ""), run)
    if never:
        which = "no source" if len(never) == len(listed) else f"{len(never)} sources: {', '.join(never)}"
        seen = f"{which} ever answered" if len(never) == len(listed) else f"{which} never answered"
        yield Check("stored answers", "warn", f"{seen}; dated prices of the package stand in", run)
    if fresh:
        yield Check("stored answers", "ok", f"{len(fresh)} sources within their expected age")
    seen_last = reference_offers(as_of=case.now.date())["observed_at"].max()
    if isinstance(seen_last, datetime):
        age = (case.now.date() - seen_last.date()).days
        seen = f"newest of {seen_last:%Y-%m-%d}, {age} days"
        if age > PACKAGED_DAYS:
            yield Check("packaged prices", "warn", seen, f"pip install --upgrade {DISTRIBUTION}")
        else:
            yield Check("packaged prices", "ok", seen)


def reachability(case: Examination) -> Iterator[Check]:
    """Whether the hosts of every source that is asked can be reached; all at once, within seconds."""
    if case.offline:
        yield Check("hosts", "ok", "not asked: offline")
        return
    asked, causes = case.asked, case.unreachable
    if proxies := sorted(name for name in getproxies() if name in ("http", "https", "all")):
        yield Check(
            "proxy", "ok", f"set for {', '.join(proxies)}: names are its affair, hosts behind it are not probed"
        )
    hosts = {host for _, mine in asked for host in mine}
    if hosts and set(causes) == hosts:
        seen = f"none of {len(hosts)} hosts: {next(iter(causes.values()))}"
        yield Check("hosts", "warn", seen, "see the network, the firewall, and HTTPS_PROXY where there is a proxy")
        return
    for name, mine in asked:
        if dead := [f"{host}: {causes[host]}" for host in mine if host in causes]:
            mend = f"see the network and the firewall, or enabled = false under [sources.{name}] of the job file"
            yield Check(name, "warn", "; ".join(dead), mend)
    yield Check("hosts", "ok", f"{len(hosts - set(causes))} of {len(hosts)} can be reached")
