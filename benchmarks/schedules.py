"""What 10,000 schedules cost: the start of a daemon, a tick, and a loop with nothing due.

python -m benchmarks.schedules [COUNT]
"""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from jobctl import bootstrap
from jobctl.clock import SystemClock
from jobctl.runtime.log import Log
from jobctl.runtime.ticker import Ticker
from jobctl.stores.directory.store import DirectoryStore

HANDLERS = """
from jobctl import handler

@handler("work")
def work():
    pass
"""


class Ahead(SystemClock):
    """The machine's clock, some time ahead."""

    by = timedelta()

    def now(self) -> datetime:
        return super().now() + self.by


def write(folder: Path, count: int) -> None:
    """Write a jobs.toml with so many schedules, a handler, and no store."""
    dice = random.Random(1)
    lines = ['[run]\nhandlers = ["handlers"]\n']
    for n in range(count):
        minute, hour, day = dice.randrange(60), dice.randrange(24), dice.randrange(7)
        lines.append(
            f'[schedules.s{n}]\ncron = "{minute} {hour} * * {day}"\njob = "work"\n'
            f'timezone = "Europe/Berlin"\n'
        )
    (folder / "jobs.toml").write_text("\n".join(lines))
    (folder / "handlers.py").write_text(HANDLERS)


def start(folder: Path) -> float:
    """Start a daemon that ends when nothing is due; return how long that took, in seconds."""
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "jobctl", "run", "--burst"],
        cwd=folder,
        check=True,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    return time.perf_counter() - begun


def ticks(folder: Path) -> None:
    """Measure the taking up of all schedules, and a day of ticks, in this process."""
    clock = Ahead()
    begun = time.perf_counter()
    config = bootstrap.open_config(str(folder / "jobs.toml"), None, deep=True)
    say("reading jobs.toml", time.perf_counter() - begun)
    store = DirectoryStore(Path(config.store), clock)
    ticker = Ticker(Log(clock, io.StringIO()), up_since=clock.now())
    ticker.use(config.declared)
    begun = time.perf_counter()
    while ticker.due(clock.now()):
        ticker.step(store, clock.now())
    say("taking them up", time.perf_counter() - begun)
    begun = time.perf_counter()
    for _ in range(100_000):
        ticker.wait(clock.now())
    say("100,000 looks with nothing due", time.perf_counter() - begun)
    for ahead in (timedelta(hours=1), timedelta(days=1)):
        before = store.stats().pending
        clock.by = ahead
        begun, steps = time.perf_counter(), 0
        while ticker.due(clock.now()):
            ticker.step(store, clock.now())
            steps += 1
        took = time.perf_counter() - begun
        count = store.stats().pending - before
        say(
            f"{count} ticks in {steps} steps", took, f"{took / max(count, 1) * 1e6:.0f} us each"
        )
    store.close()


def say(what: str, seconds: float, more: str = "") -> None:
    """Print one figure."""
    sys.stdout.write(f"{what:36} {seconds:8.3f} s  {more}\n")


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        empty, full = Path(name, "empty"), Path(name, "full")
        for folder, schedules in ((empty, 0), (full, count)):
            folder.mkdir()
            write(folder, schedules)
            first = start(folder)
            again = min(start(folder) for _ in range(3))
            say(f"a daemon with {schedules} schedules, first", first)
            say("  and again", again)
        ticks(full)


if __name__ == "__main__":
    main()
