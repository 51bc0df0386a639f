"""Two stores of jobctl's, a small one and a large one, and what both cost.

    python -m benchmarks.stores make --folder DIR [--small 1000] [--large 1000000]
    python -m benchmarks.stores calls|commands|wake|rebuild --folder DIR

Their jobs sleep, so that a daemon that is started for a moment leaves them as they were.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from subprocess import DEVNULL

from benchmarks.kit import Figure, timed
from benchmarks.peers.jobctl import Jobctl
from benchmarks.peers.resting import MIB
from benchmarks.peers.work import Stamps, job
from benchmarks.processes import memory, running, until
from jobctl import bootstrap
from jobctl.core.job import Ending, Options, Outcome, finish
from jobctl.core.store import Store, open_gate

SIZES = ("small", "large")
#: Jobs that are added in one transaction.
STEP = 20_000
#: Seconds that each job sleeps, and how many numbers they share.
NAP, NUMBERS = 30.0, 1000
#: How often a call, and a command, is timed in a round.
CALLS, COMMANDS = 30, 4
#: The commands; none of them changes what another one shows, but for some adds.
LINES = [
    "add work a=1 --delay 7d",
    "show job-7",
    "list",
    "list status:pending",
    "stats",
    "logs job-7",
    "explain job-7",
    "retry status:failed --dry-run",
    "cancel name:nobody --dry-run",
    "cleanup --dry-run",
    "pause other",
    "resume other",
    "schedule list",
]
#: Jobs of one claim.
CLAIM = 10


def make(folder: Path, small: int, large: int) -> Iterator[Figure]:
    """Make both stores."""
    for name, size in zip(SIZES, (small, large), strict=True):
        (folder / name).mkdir()
        peer = _peer(folder, name)
        peer.queue.add_many([("work", job(0, NAP), {"id": "job-7"})])
        for begin in range(1, size, STEP):
            some = range(begin, min(size, begin + STEP))
            peer.add_many([job(n % NUMBERS, NAP) for n in some])
        assert peer.queue.stats().total == size
        peer.queue.close()
        yield Figure(f"jobs {name}", size, "jobs")


def _peer(folder: Path, name: str) -> Jobctl:
    peer = Jobctl("default", folder / name)
    peer.open()
    return peer


def calls(folder: Path) -> Iterator[Figure]:
    """Yield the milliseconds of each call from a program, the two stores in turns."""
    what = {name: dict(_calls(folder, name)) for name in SIZES}
    for call in what[SIZES[0]]:
        times: dict[str, list[float]] = {name: [] for name in SIZES}
        for _ in range(CALLS):
            for name in SIZES:
                times[name].append(timed(what[name][call]) * 1000)
        for name in SIZES:
            yield Figure(f"call {call} {name}", statistics.median(times[name]), "ms")


def _calls(folder: Path, name: str) -> Iterator[tuple[str, Callable[[], object]]]:
    queue = _peer(folder, name).queue
    store = bootstrap.open_store(bootstrap.open_config(None, str(folder / name / "store")))
    yield "add", lambda: queue.add("work", job(0, NAP))
    yield "show", lambda: queue.get("job-7")
    yield "list", lambda: queue.list(limit=50)
    yield "stats", queue.stats
    yield "claim", partial(_claim, store)


def _claim(store: Store) -> None:
    """Claim some jobs and end them: what a daemon does all day."""
    now = datetime.now(UTC)
    with store.transaction() as tx:
        begun = tx.claim(CLAIM, now, open_gate)
    ending = Ending(Outcome.COMPLETED, now, now, worker="1")
    with store.transaction() as tx:
        tx.settle([finish(one, ending, Options()) for one in begun])


def commands(folder: Path) -> Iterator[Figure]:
    """Yield the milliseconds of each command as a shell starts it, in turns."""
    # A user's Python keeps what it compiled.
    environment = {**os.environ}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["TS_SOCKET"] = str(folder / "tsp")
    lines = dict(_commands(folder))
    times: dict[str, list[float]] = {name: [] for name in lines}
    for turn in range(COMMANDS + 1):
        for name, line in lines.items():
            run = partial(subprocess.run, line, check=True, stdout=DEVNULL, env=environment)
            took = timed(partial(run, stderr=DEVNULL)) * 1000
            if turn:  # the first compiles, and starts task-spooler's server
                times[name].append(took)
    for name, found in times.items():
        yield Figure(f"command {name}", statistics.median(found), "ms")
    if shutil.which("tsp"):
        subprocess.run(["tsp", "-K"], check=False, env=environment)


def _commands(folder: Path) -> Iterator[tuple[str, list[str]]]:
    yield "typer", [sys.executable, "-c", "import typer"]
    for name in SIZES:
        jobctl = [sys.executable, "-m", "jobctl", "--store", str(folder / name / "store")]
        for line in LINES:
            yield f"{line} {name}", [*jobctl, *line.split()]
    if shutil.which("tsp"):
        yield "tsp add", ["tsp", "-n", "true"]
        yield "tsp list", ["tsp", "-l"]


def wake(folder: Path) -> Iterator[Figure]:
    """Yield how soon a daemon of the large store begins a job, and how large it is.

    Then it is killed, with those jobs running, and its successor has to recover them first.
    """
    stamps = Stamps(folder / "stamps", NUMBERS)
    peer = _peer(folder, "large")
    for what in ("start large", "recovery large"):
        before, log = time.monotonic(), folder / "worker.log"
        with running(peer.workers(2), log, gently=True) as (daemon,):
            until(lambda: max(stamps.times) > before, "the first job")  # noqa: B023  # called at once
            yield Figure(what, max(stamps.times) - before, "s")
            time.sleep(1)  # it is at work when it is killed
            if what == "start large":
                yield Figure("daemon rss large", memory(daemon.pid)["Rss"] / MIB, "MiB")
                daemon.send_signal(signal.SIGKILL)


def rebuild(folder: Path) -> Iterator[Figure]:
    """Yield how many jobs a second an index is made of, when there is none."""
    for path in (folder / "large/store").glob("index.sqlite*"):
        path.unlink()
    queue = _peer(folder, "large").queue
    seconds = timed(queue.stats)
    yield Figure("rebuild", queue.stats().total / seconds, "jobs/s")


def main() -> None:
    """Measure one of them, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["make", *PARTS])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--large", type=int, default=1_000_000)
    args = parser.parse_args()
    folder = args.folder.resolve()
    found = (
        make(folder, args.small, args.large)
        if args.what == "make"
        else PARTS[args.what](folder)
    )
    for figure in found:
        figure.print()


PARTS = {"calls": calls, "commands": commands, "wake": wake, "rebuild": rebuild}

if __name__ == "__main__":
    main()
