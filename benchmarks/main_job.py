"""What the main job costs, as ratios measured in one run, in turns.

    python benchmarks/main_job.py [--rounds 5] [--jobs 20000]

- add: durable adds one at a time, against a bare append + fdatasync of as many bytes.
- drain: no-op jobs through `jobctl run --burst --concurrency 2`, start-up included.
- cli: `jobctl add` against `python -c "import typer"`.

One JSON object a line; the last one holds the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from jobctl import Queue

ROOT = Path(__file__).parents[1]
HANDLERS = "from jobctl import handler\n\n@handler\ndef noop(job):\n    pass\n"
JSON = dict[str, float]


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def append(fd: int, line: bytes, count: int) -> None:
    """Append a line so many times, each made durable: the least that a durable add costs."""
    for _ in range(count):
        os.write(fd, line)
        os.fdatasync(fd)


def add(queue: Queue, count: int) -> None:
    """Add so many jobs, one at a time."""
    for n in range(count):
        queue.add("noop", {"to": "user@example.com", "n": n})


def add_round(folder: Path, count: int, turns: int = 20) -> JSON:
    """Measure adds and bare appends of as many bytes, in short turns: the disk is shared."""
    each = count // turns
    fd = os.open(folder / "bare", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with Queue(store=str(folder / "adds")) as queue:
        segment = folder / "adds/journal/00000001.jsonl"
        add(queue, 1)
        before = segment.stat().st_size
        add(queue, 1)
        size = segment.stat().st_size - before
        line = b"x" * (size - 1) + b"\n"
        ours = plain = 0.0
        for _ in range(turns):
            plain += timed(lambda: append(fd, line, each))
            ours += timed(lambda: add(queue, each))
    os.close(fd)
    return {
        "add": each * turns / ours,
        "bare": each * turns / plain,
        "add_ratio": plain / ours,
        "line_bytes": size,
    }


def drain_round(folder: Path, count: int) -> JSON:
    """Measure a bulk add and a drain of no-op jobs by two workers."""
    (folder / "noop.py").write_text(HANDLERS)
    store = str(folder / "drain")
    with Queue(store=store) as queue:
        specs = [{"name": "noop", "data": {"n": n}} for n in range(count)]
        bulk = count / timed(lambda: queue.add_many(specs))
        command = [sys.executable, "-m", "jobctl", "run", "--store", store, "--burst"]
        command += ["--handlers", str(folder / "noop.py"), "--concurrency", "2"]
        seconds = timed(lambda: subprocess.run(command, check=True, stderr=subprocess.DEVNULL))
        assert queue.stats().completed == count
    return {"bulk_add": bulk, "drain": count / seconds}


def cli_round(folder: Path, count: int) -> JSON:
    """Measure `jobctl add` and the import of typer in turns."""
    base = [sys.executable, "-c", "import typer"]
    store = str(folder / "cli")
    ours = [sys.executable, "-m", "jobctl", "add", "noop", "a=1", "--store", store]
    pairs = []
    for _ in range(count):
        pairs.append(
            tuple(
                timed(lambda c=c: subprocess.run(c, check=True, stdout=subprocess.DEVNULL))  # type: ignore[misc]  # a default binds the loop's value
                for c in (base, ours)
            )
        )
    plain, add = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {"cli_add_ms": add * 1000, "typer_ms": plain * 1000, "cli_ratio": add / plain}


def main() -> None:
    """Run all rounds and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=20_000)
    args = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    rounds: list[JSON] = []
    for _ in range(args.rounds):
        # In the working folder: /tmp may be memory, where a sync costs nothing.
        with tempfile.TemporaryDirectory(dir=".") as name:
            folder = Path(name).resolve()
            result = {
                **add_round(folder, 2_000),
                **drain_round(folder, args.jobs),
                **cli_round(folder, 9),
            }
        rounds.append(result)
        print(json.dumps({key: round(value, 3) for key, value in result.items()}), flush=True)
    medians = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
    print(json.dumps({"median": {key: round(v, 3) for key, v in medians.items()}}))


if __name__ == "__main__":
    main()
