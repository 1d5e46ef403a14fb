"""A thousand runs of the job that are killed, starved, lied to and cut off, and whether the store loses anything.

Run: python benchmarks/faults.py [--runs 1000] [--seed 1] [--minutes 60]. Every run is
`depin_compare.jobs.runner.run_job` in a process of its own, against a server of this machine and a store in a folder
or (one run in eight) in a bucket of a local S3 server. One or two faults a run, drawn from the seed; after each
faulty run a clean one must succeed and store a snapshot. A ledger outside the store has every snapshot that a run
called complete: each must stay listed and intact, save those that the campaign spoilt itself, which must be found
out and never served. Every 50th pair of runs makes the whole analysis and report, the others leave them out.

Disk full and read-only folder are real file systems of a name space of mounts (Linux, `unshare`); where there can be
none these two are left out, and the table says so. Processes die here, never the machine: what a power cut does is not
asked. Exits 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import multiprocessing
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "1")
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "support"), str(HERE.parent), str(HERE)]

from cutting_proxy import Cut, CuttingProxy
from fault_worker import ANALYSIS, SOURCES, Order, work
from fault_world import BUCKET, MOODS, Disk, MoodyServer, in_own_mounts, object_storage, refuse
from payload_server import serving
from store_ledger import Ledger, cut_manifest, damaged_manifests, spoil_data, unfinished

from depin_compare.jobs.outcome import read_state
from depin_compare.market.store import Store
from fetchers import FETCHERS

START = datetime(2026, 11, 22, tzinfo=UTC)
EVERY = timedelta(hours=6)
SHARE_IN_BUCKET = 1 / 8
BUCKET_ROUND = 15  # pairs of runs, then another prefix: the local S3 server takes milliseconds an object
WHOLE_EVERY = 50
RETIRE_AFTER = 25  # orders: some runs begin in a fresh process as from cron, some in one that ran before
STUCK_SECONDS = 180.0
CALM_BUDGET_SECONDS = 60.0
SHORT_BUDGET_SECONDS = 1.0

KILLS = ("kill -9 at a random moment", "kill -9 at a change to the store's files", "kill in the middle of a file")
MOUNTED = ("disk full", "read-only folder")
SPOILT = ("corrupt snapshot", "truncated manifest", "truncated copy of a manifest")
CLOCK = ("clock jumps back", "clock jumps forward", "clock jumps in the course of a run")
TWICE, SOURCES_FAIL = "two starts at once", "sources failing at random"
SENT_AGAIN, GIVEN_UP = "half-written upload, sent again", "half-written upload, given up"
KILLED_UPLOAD, REFUSED = "kill -9 in the middle of an upload", "uploads refused"
LOCAL = (*KILLS, *MOUNTED, *SPOILT)
ANYWHERE = (*CLOCK, TWICE, SOURCES_FAIL)
REMOTE = (SENT_AGAIN, GIVEN_UP, KILLED_UPLOAD, REFUSED)
# Of each of these a run has at most one.
ONE_OF = ({*KILLS, KILLED_UPLOAD}, {*MOUNTED}, {*SPOILT[1:]}, {*CLOCK}, {*REMOTE})
# With these alone a run has to come to its end and to store what answered.
HARMLESS = {*SPOILT, *ANYWHERE, SENT_AGAIN}
PARTS = ("", "", "offers", "token_prices", "copies", "manifests", "locks", "jobs")  # of a store; "" is all of it


class Worker:
    """A process that waits for orders, imports done."""

    def __init__(self, analysis: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, analysis), daemon=True)
        self.process.start()
        theirs.close()
        self.is_ready = False
        self.orders = 0

    def ready(self) -> Worker:
        if not self.is_ready:
            kind, _ = self.pipe.recv()
            assert kind == "ready"
            self.is_ready = True
        return self

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def kill(self) -> None:
        self.process.kill()

    def end(self) -> None:
        with contextlib.suppress(OSError):  # it may have ended itself
            self.pipe.send(None)
        self.process.join(5)
        self.process.kill()
        self.process.join()


@dataclass(slots=True)
class Ended:
    """How the run of one worker ended."""

    pid: int
    seconds: float
    complete: list[str]
    told: dict[str, Any] | None  # None: the process died

    @property
    def kind(self) -> str:
        return "died" if self.told is None else str(self.told["kind"])


@dataclass(slots=True)
class Tally:
    injected: int = 0
    struck: int = 0
    ended: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Place:
    """One store under test with its ledger."""

    store: Store
    ledger: Ledger
    pairs: int = 0


class Campaign:
    def __init__(
        self, folder: Path, seed: int, *, disk: Disk, server: MoodyServer, proxy: CuttingProxy, s3: Any
    ) -> None:
        self.rng = random.Random(seed)
        self.folder, self.disk, self.server, self.proxy, self.s3 = folder, disk, server, proxy, s3
        self.local = Place(Store(disk.folder / "store"), Ledger())
        self.remote: list[Place] = []
        self.now = START
        self.idle: list[Worker] = []
        self.tallies = {name: Tally() for name in (*LOCAL, *ANYWHERE, *REMOTE)}
        self.violations: list[str] = []
        self.runs = self.clean_runs = self.processes = self.whole = 0
        self.ended: Counter[str] = Counter()
        self.lengths: dict[tuple[bool, bool], list[float]] = {}
        self.operations = 60
        self.uploads = 8
        self.expected_bytes: dict[str, bytes] = {}  # of manifests that were cut off, as they were

    # -- processes

    def worker(self) -> Worker:
        """A process that is ready, and one more on its way for the next time."""
        while len(self.idle) < 3:
            self.idle.append(Worker(self.folder / "analysis.json"))
            self.processes += 1
        return self.idle.pop(0).ready()

    def back(self, worker: Worker) -> None:
        worker.orders += 1
        if worker.orders >= RETIRE_AFTER or not worker.process.is_alive():
            worker.end()
        else:
            self.idle.insert(self.rng.randint(0, len(self.idle)), worker)

    def run(
        self, place: Place, orders: list[Order], *, kill_after: float | None = None, victim: int = 0
    ) -> list[Ended]:
        """Give each order to a process of its own, all at once; the ledger hears of what is complete."""
        workers = [self.worker() for _ in orders]
        begun = time.monotonic()
        for worker, order in zip(workers, orders, strict=True):
            worker.pipe.send(order)
        timer = threading.Timer(kill_after, workers[victim].kill) if kill_after is not None else None
        if timer is not None:
            timer.start()
        self.proxy_victim = workers[victim]
        ended = [self._wait(place, worker, begun) for worker in workers]
        if timer is not None:
            timer.cancel()
            timer.join()
        for worker in workers:
            worker.process.join(0)
            self.back(worker)
        return ended

    def _wait(self, place: Place, worker: Worker, begun: float) -> Ended:
        ended = Ended(worker.pid, 0.0, [], None)
        while True:
            if not worker.pipe.poll(STUCK_SECONDS):
                self.violate(f"process {worker.pid} is stuck for {STUCK_SECONDS:g} s")
                worker.kill()
            try:
                kind, what = worker.pipe.recv()
            except (EOFError, OSError):  # dead, perhaps in the middle of a word
                worker.process.join()
                break
            if kind == "complete":
                identity, tables = what
                place.ledger.note(identity, tables)
                ended.complete.append(identity)
            elif kind == "ended":
                ended.told = what
                break
        ended.seconds = time.monotonic() - begun
        return ended

    def violate(self, what: str) -> None:
        told = f"run {self.runs}: {what}"
        self.violations.append(told)
        print(f"VIOLATION {told}", flush=True)

    # -- one pair of runs: a faulty one, then a clean one

    def pair(self) -> None:
        whole = self.runs % WHOLE_EVERY == WHOLE_EVERY - 1
        away = self.rng.random() < SHARE_IN_BUCKET
        place = self._bucket() if away else self.local
        faults = self._draw(away, place)
        self.now += EVERY
        with contextlib.ExitStack() as undo:
            orders, kill_after, victim, struck = self._inject(place, faults, undo, away=away, whole=whole)
            ended = self.run(place, orders, kill_after=kill_after, victim=victim)
            self.runs += 1
            self.whole += whole
            for name in faults:
                tally = self.tallies[name]
                tally.injected += 1
                tally.struck += struck[name](ended)
                tally.ended.update(one.kind for one in ended)
        self.ended.update(one.kind for one in ended)
        for line in self._judge(faults, ended):
            self.violate(f"{' + '.join(faults)}: {line}")
        self._clean(place, away=away, whole=whole)
        place.pairs += 1
        self._check(place, full=place.pairs % 25 == 0)

    def _draw(self, away: bool, place: Place) -> list[str]:
        names = [n for n in (*(REMOTE if away else LOCAL), *ANYWHERE) if self.disk.mounts or n not in MOUNTED]
        if not place.ledger.tables:
            names = [n for n in names if n not in SPOILT]
        first = self.rng.choice(names)
        second = self.rng.choice(names)
        if self.rng.random() < 0.5 or second == first or any({first, second} <= group for group in ONE_OF):
            return [first]
        return [first, second]

    def _inject(
        self, place: Place, faults: list[str], undo: contextlib.ExitStack, *, away: bool, whole: bool
    ) -> tuple[list[Order], float | None, int, dict[str, Callable[[list[Ended]], bool]]]:
        """Lay the faults; the orders, when to kill whom, and how to see whether each fault struck."""
        rng = self.rng
        now, kill_after, changes = self.now, None, dict[str, Any]()
        twice = TWICE in faults
        victim = rng.randrange(2) if twice else 0
        length = statistics.median(self.lengths.get((away, whole), [1.0])[-25:])
        struck: dict[str, Callable[[list[Ended]], bool]] = {}
        for name in faults:
            struck[name] = lambda _: True
            if name in KILLS:
                struck[name] = lambda ended: ended[victim].told is None
            if name == KILLS[0]:
                kill_after = rng.uniform(0, 1.1 * length)
            elif name == KILLS[1]:
                changes["kill_at_operation"] = rng.randint(1, self.operations)
            elif name == KILLS[2]:
                changes["kill_at_bytes"] = round(2 ** rng.uniform(4, 13.3))
            elif name == MOUNTED[0]:
                undo.callback(self.disk.fill(rng.randrange(0, 14) * 4096))
                struck[name] = lambda ended: any("No space left" in str(one.told) for one in ended)
            elif name == MOUNTED[1]:
                undo.callback(self.disk.freeze(f"store/{rng.choice(PARTS)}"))
                struck[name] = lambda ended: any("Read-only file system" in str(one.told) for one in ended)
            elif name == SPOILT[0]:
                spoil_data(place.store, place.ledger, rng, identity=self._some(place))
            elif name in SPOILT[1:]:
                identity = self._some(place)
                path, before = cut_manifest(place.store, rng, identity=identity, copy=name == SPOILT[2])
                self.expected_bytes[path] = before
            elif name in CLOCK[:2]:
                jump = timedelta(hours=2 ** rng.uniform(0, 15.5))  # an hour to five years
                now += -jump if name == CLOCK[0] else jump
            elif name == CLOCK[2]:
                jump = timedelta(hours=rng.choice((-1, 1)) * 2 ** rng.uniform(0, 13))
                changes |= {"clock_shift": jump, "clock_shift_at_operation": rng.randint(1, self.operations)}
            elif name == TWICE:
                self.server.delay_seconds = 0.15
                undo.callback(setattr, self.server, "delay_seconds", 0.0)
                struck[name] = lambda ended: sum(one.kind == "busy" for one in ended) == 1
            elif name == SOURCES_FAIL:
                bad = [source for source in SOURCES if rng.random() < 0.5] or [SOURCES[0]]
                moods = {source: rng.choice(MOODS) for source in bad}
                self.server.moods = {host: mood for source, mood in moods.items() for host in FETCHERS[source].hosts}
                undo.callback(setattr, self.server, "moods", {})
            elif name == REFUSED:
                prefix = rng.choice(PARTS)
                undo.callback(refuse(self.s3, f"{place.store.place.name.rsplit('/', 1)[-1]}/{prefix}"))
                struck[name] = lambda ended: any("privileges" in str(one.told) for one in ended)
            else:  # a broken upload
                kill = name == KILLED_UPLOAD
                cut = Cut(
                    first=rng.randint(1, self.uploads), times=1 if name == SENT_AGAIN or kill else 1000,
                    share=rng.uniform(0.05, 0.99), then=(lambda: self.proxy_victim.kill()) if kill else None,
                )  # fmt: skip
                self.proxy.arm(cut)
                undo.callback(self.proxy.disarm)
                struck[name] = lambda _: self.proxy.struck > 0
        order = self._order(place, now, whole=whole, short=SOURCES_FAIL in faults)
        orders = [order, order] if twice else [order]
        orders[victim] = Order(**{**{s: getattr(order, s) for s in Order.__slots__}, **changes})
        return orders, kill_after, victim, struck

    def _order(self, place: Place, now: datetime, *, whole: bool, short: bool = False) -> Order:
        return Order(
            number=self.runs,
            now=now,
            store=place.store.place.name,
            out=str(self.disk.folder / "report"),
            mirrors=self.server.mirrors(),
            budget_seconds=SHORT_BUDGET_SECONDS if short else CALM_BUDGET_SECONDS,
            whole=whole,
        )

    def _judge(self, faults: list[str], ended: list[Ended]) -> Iterator[str]:
        """What a run may not do, whatever was done to it."""
        killed = any(name in KILLS or name == KILLED_UPLOAD for name in faults)
        for one in ended:
            if one.kind == "crashed" or (one.told is not None and "Traceback" in one.told["log"]):
                yield f"{one.told}"
            if one.kind == "died" and not killed:
                yield "its process died"
        if set(faults) <= HARMLESS and all(one.kind != "died" for one in ended):
            good = [one for one in ended if one.kind == "ok"]
            if len(good) != (len(ended) if _one_after_the_other(ended) else 1):
                yield f"{[one.told for one in ended]}"
            elif not any(one.complete for one in good) and SOURCES_FAIL not in faults:
                yield f"nothing was stored: {[one.told for one in good]}"
        if len(ended) == 2:
            yield from self._judge_two(ended)

    def _judge_two(self, ended: list[Ended]) -> Iterator[str]:
        """Of two starts one runs, and the other says which process does."""
        busy = [one for one in ended if one.kind == "busy"]
        others = [one for one in ended if one.kind != "busy"]
        if len(busy) == 2:
            yield f"both were refused: {[one.told for one in ended]}"
        elif not busy and all(one.told is not None for one in ended):
            # Where no file can be written there is no lock, and a warning says so.
            unlocked = any("no lock" in (one.told or {})["log"] for one in ended)
            if not unlocked and not _one_after_the_other(ended):
                yield f"both ran: {[one.told for one in ended]}"
        for one in busy:
            # One that died at once may not have said its name.
            if len(others) == 1 and others[0].told is not None and f"pid {others[0].pid} " not in str(one.told):
                yield f"the refused one names another than pid {others[0].pid}: {one.told}"

    def _clean(self, place: Place, *, away: bool, whole: bool) -> None:
        """The next run, with nothing in its way."""
        self.now += EVERY
        (ended,) = self.run(place, [self._order(place, self.now, whole=whole)])
        self.clean_runs += 1
        if ended.kind != "ok" or len(ended.complete) != 1:
            self.violate(f"the next run ended {ended.kind} and stored {ended.complete}: {ended.told}")
            return
        assert ended.told is not None
        self.lengths.setdefault((away, whole), []).append(ended.seconds)
        if not away:
            self.operations = ended.told["operations"]
        if (state := read_state(place.store, "default")).last_outcome != "ok":
            self.violate(f"the next run went well, and its state says {state.last_outcome}")

    def _check(self, place: Place, *, full: bool) -> None:
        """Hold the store against the ledger: all of it, or the newest and some others."""
        ledger, store = place.ledger, place.store
        known = list(ledger.tables)
        some = None if full else {*known[-6:], *self.rng.sample(known, min(len(known), 20))}
        wrong = ledger.check(store, only=some)
        wrong += ledger.read_back(
            store, only=some if some is None else set(self.rng.sample(sorted(some), min(len(some), 4)))
        )
        wrong += ledger.served(store, list(SOURCES), before=self.now + EVERY)
        for path, before in self.expected_bytes.items():
            if place is self.local and store.place.read(path) != before:
                wrong.append(f"{path}: was cut off, and the next run did not restore it")
        if place is self.local:
            self.expected_bytes.clear()
        if full:
            wrong += ledger.verified(store, leftovers=place is not self.local)
            wrong += [f"{path}: can't be read" for path in damaged_manifests(store)]
            try:
                wrong += ledger.scanned(store)
            except Exception as error:  # whatever it raises is a finding
                wrong.append(f"a query over the history: {type(error).__name__}: {str(error)[:200]}")
            if place is self.local:
                wrong += [f"{path}: left lying about" for path in unfinished(self.disk.folder)]
        for line in wrong:
            self.violate(line)

    def finish(self) -> None:
        """The last look, at everything."""
        for place in (self.local, *self.remote):
            self._check(place, full=True)
        for worker in self.idle:
            worker.end()

    # -- the world

    def _some(self, place: Place) -> str:
        """A snapshot to be spoilt: often one of the newest, which the next run would read."""
        known = [i for i in place.ledger.tables if place.ledger.is_sound(i)]
        return self.rng.choice(known[-3:] if self.rng.random() < 0.4 else known)

    def _bucket(self) -> Place:
        if not self.remote or self.remote[-1].pairs >= BUCKET_ROUND:
            self.remote.append(Place(Store(f"s3://{BUCKET}/round-{len(self.remote) + 1}"), Ledger()))
        return self.remote[-1]

    def report(self, seconds: float, seed: int) -> str:
        complete = sum(len(p.ledger.tables) for p in (self.local, *self.remote))
        adopted = sum(len(p.ledger.adopted) for p in (self.local, *self.remote))
        damaged = sum(len(p.ledger.damaged) for p in (self.local, *self.remote))
        width = max(map(len, self.tallies))
        lines = [f"{'fault':{width}}  injected  struck  how the runs ended"]
        for name, tally in self.tallies.items():
            how = ", ".join(f"{count} {kind}" for kind, count in sorted(tally.ended.items()))
            left_out = "" if self.disk.mounts or name not in MOUNTED else "left out: no name space of mounts here"
            lines.append(f"{name:{width}}  {tally.injected:8}  {tally.struck:6}  {how or left_out}")
        away = sum(place.pairs for place in self.remote)
        every = ", ".join(f"{count} {kind}" for kind, count in sorted(self.ended.items()))
        lines += [
            "",
            f"seed {seed}: {self.runs} runs with faults ({every}), each followed by a clean run ({self.clean_runs}),",
            f"  in {self.processes} processes; {away} of them on object storage; {self.whole} with the whole report",
            f"snapshots complete: {complete} ({adopted} of them of runs that died before they could say so)",
            f"files spoilt by the campaign: {damaged}, each found out, none served",
            f"violations: {len(self.violations)}",
            f"seconds: {seconds:.0f}",
        ]
        return "\n".join(lines)


def _one_after_the_other(ended: list[Ended]) -> bool:
    """Whether one run was over before the other began: on a busy machine two starts may miss each other."""
    times = sorted((one.told["begun"], one.told["over"]) for one in ended if one.told is not None)
    return all(after[0] >= before[1] for before, after in pairwise(times))


def _saved_analysis(folder: Path) -> None:
    """One real analysis, to stand in for those that most runs are spared."""
    from depin_compare.jobs.config import JobConfig
    from depin_compare.jobs.run import analysis_of, gathered

    job = JobConfig.model_validate({"analysis": ANALYSIS})
    analysis = analysis_of(job, gathered(job, as_of=START, store=None, collection=None))
    (folder / "analysis.json").write_text(analysis.to_json(), "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="A campaign of faults against the store.")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="stop after so many, as on SIGTERM, and tell what was reached"
    )
    asked = parser.parse_args()
    mounts = in_own_mounts()
    logging.disable()  # the store warns of all the damage that is looked at here
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        disk = Disk(folder / "disk", mounts=mounts)
        stack.callback(disk.close)
        server = stack.enter_context(serving(MoodyServer()))
        proxy, client = stack.enter_context(object_storage(folder))
        _saved_analysis(folder)
        campaign = Campaign(folder, asked.seed, disk=disk, server=server, proxy=proxy, s3=client)
        enough = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: enough.set())
        while campaign.runs < asked.runs and time.monotonic() - begun < asked.minutes * 60 and not enough.is_set():
            campaign.pair()
            if campaign.runs % 50 == 0:
                took = time.monotonic() - begun
                print(f"{campaign.runs} of {asked.runs} in {took:.0f} s", file=sys.stderr, flush=True)
        campaign.finish()
        print(campaign.report(time.monotonic() - begun, asked.seed))
    return 1 if campaign.violations else 0


if __name__ == "__main__":
    sys.exit(main())
