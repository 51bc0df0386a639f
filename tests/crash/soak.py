"""A soak: the whole table of misbehaviour at a steady rate, with daemons killed at random.

    python -m tests.crash.soak --minutes 30 --rate 200 --seed 1

It has two phases. In the first half daemons are killed with -9 at random moments, sometimes
while they still recover what the last one left, and started again: that shows that nothing
is lost and nothing runs twice at once. In the second half one daemon lives undisturbed, and
its memory and descriptors are watched from a third of that half on (five minutes of fifteen):
a new daemon would start from nothing each time. The load is the same throughout.

Every job that was acknowledged is looked at until it has ended, is judged by its row, and
is then deleted; segments of the journal are compacted, so that the disk stays bounded.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.crash.cgroups import MemoryCgroup, memory_cgroup
from tests.crash.soak_daemon import Daemon, Watch
from tests.crash.soak_load import Load
from tests.crash.table import MIB


@dataclass(frozen=True)
class Plan:
    """How long, how many jobs a second, and what decides at random. `out_of_memory` says
    whether jobs that use up all memory are among them, where a cgroup can be made."""

    minutes: float
    rate: int = 200
    seed: int = 1
    concurrency: int = 16
    out_of_memory: bool = True


def soak(folder: Path, plan: Plan) -> list[str]:
    """Run it in an empty folder, print a summary, and return what is wrong."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    group = memory_cgroup(1024 * MIB) if plan.out_of_memory else nullcontext("not wanted")
    with group as made:
        prefix = made.enter() if isinstance(made, MemoryCgroup) else []
        daemon = Daemon(folder, prefix, plan.concurrency)
        load = Load(folder, random.Random(plan.seed), plan.rate, hungry=bool(prefix))
        watch = Watch()
        try:
            kills = _run(plan, daemon, load, watch)
            code = daemon.stop()
            load.judge()
        finally:
            daemon.end()
            load.close()
        wrong = [*load.faults(), *watch.faults()]
        if code != 0:
            wrong.append(f"the daemon ended with exit code {code} at the stop")
        wrong += [f"process {pid} was left behind" for pid in daemon.left_behind()]
        said = (folder / "log").read_text(errors="replace")
        if "Traceback (most recent call last)" in said:
            wrong.append(f"the daemon had a traceback: see {folder}/log")
    print(f"kills: {kills}, and {daemon.early} of them before the daemon was ready")
    print(load.summary())
    print(watch.summary())
    return wrong


def _run(plan: Plan, daemon: Daemon, load: Load, watch: Watch) -> int:
    chance = random.Random(plan.seed + 1)
    half = plan.minutes * 30
    kills = 0
    start = now = time.monotonic()
    shortest = min(8.0, half / 6)
    kill_at = start + shortest
    while now < start + half * 2:
        load.step(now)
        if now >= kill_at and now < start + half:
            daemon.kill()
            kills += 1
            # One in five dies before it can have recovered what the one before it left.
            early = chance.random() < 0.2
            least, most = (0.05, 0.5) if early else (shortest / 4, shortest * 2)
            kill_at = now + chance.uniform(least, most)
        daemon.keep_running()
        if now >= start + half:
            watch.look(now - start - half, daemon.pid, settle=half / 3)
        time.sleep(0.02)  # the pace of the load, not a wait for anything
        now = time.monotonic()
    deadline = now + 60
    while load.open and now < deadline:
        load.step(now, add=False)
        daemon.keep_running()
        time.sleep(0.02)
        now = time.monotonic()
    return kills


def main() -> int:
    """Run it as the arguments say; return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=int, default=200, help="jobs per second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--folder", type=Path, help="kept; a new one if absent")
    given = parser.parse_args()
    plan = Plan(given.minutes, given.rate, given.seed, given.concurrency)
    if given.folder is not None:
        given.folder.mkdir(parents=True)
        wrong = soak(given.folder.resolve(), plan)
    else:
        # In the working folder: /tmp may be memory, where a sync costs nothing.
        with tempfile.TemporaryDirectory(dir=".", prefix="soak-") as name:
            wrong = soak(Path(name).resolve(), plan)
    for sentence in wrong[:50]:
        print(f"WRONG: {sentence}")
    print("nothing is wrong" if not wrong else f"{len(wrong)} things are wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    os.environ.pop("JOBCTL_STORE", None)
    os.environ.pop("JOBCTL_CONFIG", None)
    sys.exit(main())
