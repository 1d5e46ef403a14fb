"""Looks of `depin_compare.jobs.doctor` at the machine: packages, fonts, folders, clock."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib import metadata, resources
from pathlib import Path

from depin_compare.errors import StoreError
from depin_compare.jobs.examination import DISTRIBUTION, Check, Examination

__all__ = ["clock", "folders", "fonts", "packages"]

# A run writes some 10 MB of report and, with its kept answers, some 100 MB of store; a year of runs a few GB.
LITTLE_DISK_BYTES, NO_DISK_BYTES = 1_000_000_000, 50_000_000
# Clocks that are looked after agree within seconds, and dates of days are what the product rests on.
CLOCK_SECONDS = 120.0
FILE_CLOCK_SECONDS = 10.0
HEAD_SECONDS = 3.0
_TYPESET = re.compile(r'font: "([^"]+)"')


def packages(_: Examination) -> Iterator[Check]:
    """The versions installed, against those asked for."""
    asked = [
        re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*([^;]*)", line)
        for line in metadata.requires(DISTRIBUTION) or ()
        if "extra ==" not in line
    ]
    found: list[str] = []
    for match in filter(None, asked):
        name, wanted = match[1], match[2].strip()
        mend = f"pip install --upgrade {DISTRIBUTION}"
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Check(name, "fail", "not installed", mend)
            continue
        found.append(f"{name} {version}")
        least, below = re.search(r">=\s*([\d.]+)", wanted), re.search(r"<\s*([\d.]+)", wanted)
        if (least and _release(version) < _release(least[1])) or (below and _release(version) >= _release(below[1])):
            yield Check(name, "warn", f"{version}, where {wanted} is asked for", mend)
    python = ".".join(map(str, sys.version_info[:3]))
    yield Check(
        "versions",
        "ok",
        f"{DISTRIBUTION} {metadata.version(DISTRIBUTION)}, Python {python}, {', '.join(sorted(found))}",
    )


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def fonts(_: Examination) -> Iterator[Check]:
    """The charts' font from matplotlib, the report's from the typesetter: never the machine's."""
    import matplotlib
    import typst
    from matplotlib.font_manager import FontProperties, findfont

    from reports.style import FONT_FAMILY

    try:
        for weight in ("normal", "bold"):
            findfont(FontProperties(family=FONT_FAMILY, weight=weight), fallback_to_default=False)
        yield Check("charts", "ok", FONT_FAMILY)
    except ValueError:
        mend = "remove matplotlib's font cache (python -c 'import matplotlib; print(matplotlib.get_cachedir())'), or "
        yield Check("charts", "fail", f"{FONT_FAMILY} not found", f"{mend}pip install --force-reinstall matplotlib")
    template = resources.files("reports").joinpath("template.typ").read_text("utf-8")
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    known = set(typst.Fonts(include_system_fonts=False, font_paths=[folder]).families())
    wanted = sorted({FONT_FAMILY, *_TYPESET.findall(template)})
    if missing := [name for name in wanted if name not in known]:
        yield Check(
            "report", "fail", f"{', '.join(missing)} not found", "pip install --force-reinstall typst matplotlib"
        )
    else:
        yield Check("report", "ok", ", ".join(wanted))


def folders(case: Examination) -> Iterator[Check]:
    """Whether the store and the reports' folders can be written, and how much room there is."""
    outs = {case.out} if case.out is not None else {job.outputs.out for job in case.jobs.values()}
    folder = case.store.place.folder()
    if folder is None:
        yield from _object_storage(case)
    named = [("store" if folder is not None else "working folder", case.store.working_folder, "--store")]
    named += [("report", out, "--out") for out in sorted(outs)]
    for what, path, option in named:
        yield _writable(what, path.absolute(), option)


def _object_storage(case: Examination) -> Iterator[Check]:
    name = case.store.place.name
    if case.offline:
        yield Check("store", "ok", f"{name}: not asked, offline")
        return
    try:
        count = len(case.store.manifest_paths())
        yield Check("store", "ok", f"{name}: answers, {count} manifests; writing was not tried")
    except StoreError as error:
        yield Check("store", "fail", str(error), "see its address, its credentials in the environment and its rights")


def _writable(what: str, path: Path, option: str) -> Check:
    """Whether files can be made there; of a folder that does not exist yet, whether it can be made."""
    there = next(p for p in (path, *path.parents) if p.exists())
    mend = f"give this user the right to write there, or name another folder with {option}"
    if not there.is_dir():
        return Check(what, "fail", f"{there} is a file, no folder", f"name another folder with {option}")
    try:
        if there == path:
            with tempfile.TemporaryFile(dir=there, prefix=".doctor-") as file:
                file.write(b"\0" * 4096)
                file.flush()
        elif not os.access(there, os.W_OK | os.X_OK):
            return Check(what, "fail", f"{path} can't be made: {there} is not ours to write", mend)
    except OSError as error:
        return Check(what, "fail", f"{path}: {error.strerror}", mend)
    free = shutil.disk_usage(there).free
    room = f"{free / 1e9:,.1f} GB free"
    made = "writable" if there == path else "can be made"
    if free < LITTLE_DISK_BYTES:
        state = "fail" if free < NO_DISK_BYTES else "warn"
        return Check(what, state, f"{path}: {room}", f"make room, or name another folder with {option}")
    return Check(what, "ok", f"{path}: {made}, {room}")


def clock(case: Examination) -> Iterator[Check]:
    """This machine's clock against the newest snapshot, the file system, and a host's answer."""
    mend = "set the clock, e.g. `timedatectl set-ntp true`"
    newest = None if case.silent_store else next(case.store.snapshots(), None)
    if newest is not None and newest.observed_at > case.now + timedelta(seconds=CLOCK_SECONDS):
        later = f"{newest.observed_at:%Y-%m-%d %H:%M} UTC, later than now ({case.now:%Y-%m-%d %H:%M})"
        seen = f"the newest snapshot is of {later}"
        yield Check("snapshots", "fail", seen, mend)
    folder = case.store.working_folder
    if folder.is_dir():
        # A folder that can't be written is told by the check of the store.
        with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
            apart = abs(Path(file.name).stat().st_mtime - time.time())
            if apart > FILE_CLOCK_SECONDS:
                seen = f"a file written now in {folder} is dated {apart:,.0f} s apart"
                yield Check("file system", "warn", seen, "set the clock of the machine that keeps the folder")
    if case.offline:
        yield Check("clock", "ok", f"{case.now:%Y-%m-%d %H:%M:%S} UTC; not compared with a host's: offline")
        return
    told = _time_of_a_host(case)
    if told is None:
        yield Check("clock", "ok", f"{case.now:%Y-%m-%d %H:%M:%S} UTC; no host answered to compare it with")
        return
    host, theirs = told
    apart = abs((theirs - datetime.now(UTC)).total_seconds())
    if apart > CLOCK_SECONDS:
        seen = f"{apart:,.0f} s apart from {host}'s ({theirs:%Y-%m-%d %H:%M:%S} UTC)"
        yield Check("clock", "fail" if apart > 86400 else "warn", seen, mend)
    else:
        yield Check("clock", "ok", f"within {max(1, round(apart))} s of {host}'s")


def _time_of_a_host(case: Examination) -> tuple[str, datetime] | None:
    """The ``Date`` of the first answer one of a few hosts gives, whatever else it says."""
    import requests

    from fetchers.http import mapped_address

    hosts = dict.fromkeys(host for _, hosts in case.asked for host in hosts if host not in case.unreachable)
    for host in list(hosts)[:2]:
        address = mapped_address(f"https://{host}/", case.mirrors)[0]
        # A host that can't be reached, or tells no date: the next one is asked.
        with contextlib.suppress(requests.RequestException, LookupError, ValueError, TypeError):
            # No redirect is followed, and no password of a netrc goes along.
            answer = requests.head(address, timeout=HEAD_SECONDS, auth=lambda request: request)
            return host, parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
    return None
