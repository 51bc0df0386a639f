"""From the return of an add to the start of the handler, in milliseconds, the daemon idle.

    python -m benchmarks.latency [--jobs 200]

Prints one JSON object: p50, p99 and the worst.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jobctl import Queue

HANDLERS = """
import time
from jobctl import handler

@handler
def stamp(job):
    return time.monotonic()
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    count = parser.parse_args().jobs
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name).resolve()
        (folder / "stamp.py").write_text(HANDLERS)
        store = str(folder / "store")
        command = [sys.executable, "-m", "jobctl", "run", "--store", store]
        command += ["--handlers", str(folder / "stamp.py"), "--concurrency", "2"]
        with Queue(store=store) as queue:
            daemon = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            queue.wait(queue.add("stamp"))
            waits = []
            for _ in range(count):
                time.sleep(0.01)  # so that each finds the daemon idle
                job_id = queue.add("stamp")
                returned = time.monotonic()
                job = queue.wait(job_id, timeout=30)[0]
                waits.append((job.result - returned) * 1000)
            daemon.terminate()
            daemon.wait()
    waits.sort()
    figures = {
        "p50_ms": statistics.median(waits),
        "p99_ms": waits[int(len(waits) * 0.99)],
        "max_ms": waits[-1],
    }
    print(json.dumps({key: round(value, 3) for key, value in figures.items()}))


if __name__ == "__main__":
    main()
