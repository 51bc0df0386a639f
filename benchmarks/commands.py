"""What a command costs, as a ratio to `python -c "import typer"`, in turns, at two sizes.

    python -m benchmarks.commands [--rounds 15] [--sizes 1000 1000000] [--profile]

Each command is a process of its own, as a shell starts it. One JSON object a size holds the
medians; with --profile what `jobctl add` imports and how long that takes follows.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from subprocess import DEVNULL

from benchmarks.main_job import ROOT, timed
from jobctl import Queue

#: Jobs that are added in one transaction.
STEP = 20_000
#: Modules of an import profile that are shown.
SHOWN = 12


def commands(store: str) -> dict[str, list[str]]:
    """Return what is measured, by name; the first is the measure."""
    jobctl = [sys.executable, "-m", "jobctl"]
    of = ["--store", store]
    return {
        "typer": [sys.executable, "-c", "import typer"],
        "add": [*jobctl, "add", "work", "a=1", *of],
        "show": [*jobctl, "show", "job-7", *of],
        "list": [*jobctl, "list", *of],
        "list status:pending": [*jobctl, "list", "status:pending", *of],
        "stats": [*jobctl, "stats", *of],
    }


def fill(store: str, size: int) -> None:
    """Add so many jobs, and have the index take them in."""
    with Queue(store=store) as queue:
        queue.add_many([("work", {"n": 7}, {"id": "job-7"})])
        for begin in range(1, size, STEP):
            queue.add_many([("work", {"n": n}) for n in range(begin, min(size, begin + STEP))])
        assert queue.stats().total == size


def measure(store: str, rounds: int) -> dict[str, float]:
    """Return the medians in milliseconds; the commands take turns."""
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, line in commands(store).items():
            run = partial(subprocess.run, line, check=True, stdout=DEVNULL, stderr=DEVNULL)
            times.setdefault(name, []).append(timed(run) * 1000)
    return {name: statistics.median(found) for name, found in times.items()}


def imports(store: str) -> Iterator[str]:
    """Yield the slowest imports of an add: what each takes with those below it, in ms."""
    line = commands(store)["add"]
    done = subprocess.run(
        [line[0], "-X", "importtime", *line[1:]], capture_output=True, text=True, check=True
    )
    rows = re.findall(r"import time: +(\d+) \| +(\d+) \| ( *)(\S+)", done.stderr)
    top = sorted(((int(whole), name) for _, whole, _, name in rows), reverse=True)
    for whole, name in top[:SHOWN]:
        yield f"{whole / 1000:7.1f}  {name}"


def main() -> None:
    """Measure at each size, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 1_000_000])
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's Python keeps what it compiled
    with tempfile.TemporaryDirectory(dir=".") as folder:
        for size in args.sizes:
            store = str(Path(folder).resolve() / f"store-{size}")
            fill(store, size)
            found = measure(store, args.rounds)
            base = found["typer"]
            ratios = {name: round(ms / base, 3) for name, ms in found.items()}
            print(json.dumps({"jobs": size, "typer_ms": round(base, 1), **ratios}), flush=True)
        if args.profile:
            print("\n".join(imports(store)))


if __name__ == "__main__":
    main()
