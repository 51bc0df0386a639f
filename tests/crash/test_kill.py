"""Jobs are added while the daemon, its fork server and its workers are killed in turn."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from jobctl.core.job import Status
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import ROOT, eventually

HANDLERS = """
import asyncio, fcntl, os, time
from jobctl import Job, handler

LOG = os.open(os.environ["RUN_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def begin(job: Job) -> int:
    # The kernel frees the lock when the process dies, so it is held exactly while this runs.
    fd = os.open(os.path.join(os.environ["RUN_LOCKS"], job.id), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.write(LOG, f"twice {job.id}\\n".encode())
    return fd

def end(job: Job, fd: int) -> None:
    os.write(LOG, f"ran {job.id}\\n".encode())
    os.close(fd)

@handler("sync")
def sync(job: Job) -> None:
    fd = begin(job)
    time.sleep(0.0005)
    end(job, fd)

@handler("shared")
async def shared(job: Job) -> None:
    fd = begin(job)
    await asyncio.sleep(0.005)
    end(job, fd)
"""
CONFIG = """
[run]
handlers = ["handlers"]
concurrency = 4
async_concurrency = 3
max_retries = 50
max_crashes = 50
backoff = { base = "50ms", cap = "100ms" }
"""
ADDER = """
import sys
from jobctl import Queue
queue, prefix, count = Queue(store=sys.argv[1]), sys.argv[2], int(sys.argv[3])
for n in range(count):
    queue.add("shared" if n % 3 == 0 else "sync", {"n": n}, job_id=f"{prefix}-{n}")
    print(f"{prefix}-{n}", flush=True)
"""


class Victims:
    """The daemon of a store, to be killed and started again."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.environ = environ
        self.process = self.start()
        self.kills: Counter[str] = Counter()

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "jobctl", "run"],
            cwd=self.folder,
            env=self.environ,
            stderr=subprocess.DEVNULL,
        )

    def kill(self, which: str) -> None:
        target = self.process.pid
        if which != "daemon":
            try:
                text = (self.folder / ".jobctl/family.json").read_text()
                members = json.loads(text)["members"]
            except (OSError, ValueError):
                return
            chosen = members[:1] if which == "server" else members[1:]
            if not chosen:
                return
            target = random.choice(chosen)[0]
        try:
            os.kill(target, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.kills[which] += 1
        if which == "daemon":
            self.process.wait()

    def keep_running(self) -> None:
        if self.process.poll() is not None:
            self.process = self.start()

    def end(self, store: DirectoryStore) -> int:
        self.keep_running()
        # A signal that comes before it can take one ends it as any process.
        eventually(lambda: store.pulse(1.0).moving, 60)
        self.process.terminate()
        return self.process.wait(timeout=60)


def test_nothing_is_lost_and_nothing_runs_twice_at_once(
    tmp_path: Path, full_size: bool
) -> None:
    total, pause = (20_000, 1.0) if full_size else (2_000, 0.4)
    (tmp_path / "handlers.py").write_text(HANDLERS)
    (tmp_path / "jobs.toml").write_text(CONFIG)
    (tmp_path / "locks").mkdir()
    log = tmp_path / "run.log"
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "RUN_LOG": str(log),
        "RUN_LOCKS": str(tmp_path / "locks"),
    }
    store_path = tmp_path / ".jobctl"
    victims = Victims(tmp_path, environ)
    adders = [
        subprocess.Popen(
            [sys.executable, "-c", ADDER, str(store_path), f"a{n}", str(total // 4)],
            env=environ,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(4)
    ]
    outputs = [adder.stdout for adder in adders]
    store = DirectoryStore(store_path)
    deadline = time.monotonic() + 240
    order = iter(["daemon", "server", "worker"] * 1000)
    try:
        while time.monotonic() < deadline:
            time.sleep(pause)  # the pace of the killing, not a wait for anything
            if store.stats().completed == total:
                break
            victims.kill(next(order))
            victims.keep_running()
        acknowledged = [line.strip() for out in outputs if out for line in out]
        assert victims.end(store) == 0
    finally:
        for adder in adders:
            adder.kill()
            adder.wait()
        victims.process.kill()
        victims.process.wait()
    for out in outputs:
        if out is not None:
            out.close()

    runs = Counter(line for line in log.read_text().splitlines())
    twice = [line for line in runs if line.startswith("twice")]
    assert len(acknowledged) == total
    missing = [
        job_id
        for job_id in acknowledged
        if (job := store.get(job_id)) is None or job.status is not Status.COMPLETED
    ]
    assert not missing
    assert not twice
    assert all(runs[f"ran {job_id}"] >= 1 for job_id in acknowledged)
    assert store.stats().as_dict()["total"] == total
    assert sum(victims.kills.values()) >= 3, "too few kills to prove anything"
    again = sum(n - 1 for line, n in runs.items() if line.startswith("ran"))
    print(f"{total} jobs, kills {dict(victims.kills)}, {again} ran once more")
    store.close()


if __name__ == "__main__":
    pytest.main([__file__])
