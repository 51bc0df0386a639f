"""What the dashboard costs: each answer over many jobs, and a drain that somebody looks at.

    python -m benchmarks.dashboard [--jobs 1000000] [--asks 100] [--drain 20000] [--rounds 3]

- answers: the milliseconds of each request, p50 and p95, from its first byte to the answer's
  last on a connection that stands: what the server takes, and the little that a local socket
  adds. Half of the jobs have ended, one in fifty of these failed.
- drain: no-op jobs a second, alone and with a page open (its event stream, and the overview
  and its plots as often as the page asks for them), in turns.

One JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.kit import ROOT, percentile, timed
from jobctl import Queue, bootstrap
from jobctl.core.job import Ending, Job, JobError, Options, Outcome, finish
from jobctl.core.store import Store, open_gate

#: Jobs that are added in one transaction.
STEP = 20_000
#: Job names; and customers, of whom each has a share of the jobs.
NAMES, CUSTOMERS = 20, 1000
#: Seconds that are spent on one kind of answer.
SLOW = 10.0
#: Of the drain.
HANDLERS = "from jobctl import handler\n\n@handler\ndef noop(job):\n    pass\n"
#: Seconds between two looks of a page at what goes on: LEAST in static/overview.js.
LOOK = 2.0

ANSWERS = {
    "overview": "/overview",
    "figures": "/figures?range=week",
    "stats": "/jobs/stats",
    "jobs": "/jobs",
    "jobs, page 2": "/jobs?cursor={cursor}",
    "jobs pending": "/jobs?status=pending",
    "jobs failed": "/jobs?status=failed",
    "jobs of 1000": "/jobs?limit=1000",
    "jobs by name": "/jobs?filter=name:work-7",
    "jobs by name and status": "/jobs?filter=name:work-7+status:failed",
    "jobs by error": "/jobs?filter=error~timed",
    "jobs by data, many": "/jobs?filter=data.customer:7",
    "jobs by data, none": "/jobs?filter=data.customer:nobody",
    "job": "/jobs/job-7",
    "explain": "/jobs/job-7/explain",
    "log": "/jobs/job-7/log",
    "schedules": "/schedules",
    "handlers": "/handlers",
}


def fill(store: Store, size: int) -> None:
    """Add so many jobs of which half have ended."""
    now = datetime.now(UTC)
    for begin in range(0, size, STEP):
        count = min(STEP, size - begin)
        with store.transaction() as tx:
            tx.add([_job(n, now) for n in range(begin, begin + count)])
        with store.transaction() as tx:
            begun = tx.claim(count // 2, now, open_gate)
            tx.settle([_ended(job, n, now) for n, job in enumerate(begun)])
    store.stats()


def _job(n: int, now: datetime) -> Job[object]:
    data = {"customer": str(n % CUSTOMERS), "to": f"user{n}@example.com"}
    name = f"work-{n % NAMES}"
    return Job(id=f"job-{n}", name=name, data=data, created_at=now, max_retries=0)


def _ended(job: Job[object], n: int, now: datetime) -> Job[object]:
    bad = n % 50 == 0
    outcome = Outcome.ERROR if bad else Outcome.COMPLETED
    error = JobError("TimeoutError", "timed out", "Traceback: " + "x" * 500) if bad else None
    ended = Ending(outcome, now + timedelta(seconds=1), now, worker="4711", error=error)
    return finish(job, ended, Options(max_retries=0))


class Client:
    """Asks a dashboard, on one connection."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        assert parts.hostname
        self._connection = HTTPConnection(parts.hostname, parts.port, timeout=120)
        self._headers = {"Authorization": f"Bearer {parts.fragment.partition('=')[2]}"}

    def get(self, path: str) -> bytes:
        """Return the body of an answer."""
        self._connection.request("GET", f"/api/admin{path}", headers=self._headers)
        response = self._connection.getresponse()
        body = response.read()
        assert response.status == 200, (path, response.status, body)
        return body

    def follow(self, over: threading.Event) -> None:
        """Read the event stream until it is over."""
        self._connection.request("GET", "/api/admin/events", headers=self._headers)
        stream = self._connection.getresponse()
        while not over.is_set() and stream.readline():
            pass


@contextmanager
def dashboard(store: Path) -> Iterator[str]:
    """Serve a store; gives the address with its token."""
    line = [sys.executable, "-m", "jobctl", "dashboard", "--port", "0", "--store", str(store)]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def answers(store: Path, size: int, asks: int) -> Iterator[dict[str, object]]:
    """Yield how long each answer takes, in milliseconds."""
    opened = bootstrap.open_store(bootstrap.open_config(None, str(store)))
    seconds = timed(lambda: fill(opened, size))
    opened.close()
    yield {"jobs": size, "filled_in_s": round(seconds, 1)}
    with dashboard(store) as address:
        client = Client(address)
        cursor = json.loads(client.get("/jobs"))["next"]
        for name, path in ANSWERS.items():
            url = path.format(cursor=cursor)
            yield {"answer": name, **_times(client, url, asks)}
        yield {"answer": "jobs, while all are searched", **_beside(address, asks)}


def _times(client: Client, url: str, asks: int) -> dict[str, float]:
    """Return the median and the 95th percentile of an answer's milliseconds.

    After SLOW seconds it is asked no more.
    """
    times: list[float] = []
    while len(times) < asks and sum(times) < SLOW * 1000:
        times.append(timed(lambda: client.get(url)) * 1000)
    half, most = statistics.median(times), percentile(times, 0.95)
    return {"p50_ms": round(half, 2), "p95_ms": round(most, 2)}


def _beside(address: str, asks: int) -> dict[str, float]:
    """Return how long a list's page takes while another client has all jobs looked through."""
    over = threading.Event()

    def search() -> None:
        client = Client(address)
        while not over.is_set():
            client.get(ANSWERS["jobs by data, none"])

    thread = threading.Thread(target=search)
    thread.start()
    found = _times(Client(address), "/jobs", asks)
    over.set()
    thread.join()
    return found


@contextmanager
def page(store: Path) -> Iterator[None]:
    """Have the overview open, as a browser has it."""
    over = threading.Event()

    def look(address: str) -> None:
        client = Client(address)
        while not over.wait(LOOK):
            client.get("/overview")
            client.get("/figures?range=hour")

    with dashboard(store) as address:
        follow = threading.Thread(target=Client(address).follow, args=(over,))
        threads = [follow, threading.Thread(target=look, args=(address,))]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            threads[1].join()
    follow.join()


def drain(folder: Path, count: int, *, watched: bool) -> float:
    """Return the no-op jobs a second that a daemon runs, its start-up included."""
    handlers, store = folder / "noop.py", folder / "store"
    handlers.write_text(HANDLERS)
    with Queue(store=str(store)) as queue:
        queue.add_many([{"name": "noop", "data": {"n": n}} for n in range(count)])
    line = [sys.executable, "-m", "jobctl", "run", "--store", str(store), "--burst"]
    line += ["--handlers", str(handlers), "--concurrency", "2"]
    run = partial(subprocess.run, line, check=True, stderr=subprocess.DEVNULL)
    if not watched:
        return count / timed(run)
    with page(store):
        return count / timed(run)


def main() -> None:
    """Measure, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--asks", type=int, default=100)
    parser.add_argument("--drain", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    # In the working folder: /tmp may be memory, where a sync costs nothing.
    if args.jobs:
        with tempfile.TemporaryDirectory(dir=".") as name:
            for found in answers(Path(name).resolve() / "store", args.jobs, args.asks):
                print(json.dumps(found), flush=True)
    rates: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(args.rounds):
        for watched in rates:
            with tempfile.TemporaryDirectory(dir=".") as name:
                rate = drain(Path(name).resolve(), args.drain, watched=watched)
            rates[watched].append(rate)
            print(json.dumps({"drain": round(rate), "page_open": watched}), flush=True)
    if args.rounds:
        alone, open_ = (statistics.median(found) for found in rates.values())
        print(json.dumps({"drain_with_page_open": round(open_ / alone, 3)}))


if __name__ == "__main__":
    main()
