"""A daemon in a process of its own, on a store in a folder, for tests to attack."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from jobctl import Queue
from jobctl.core.job import Job, Status
from tests.helpers import ROOT, eventually

CONFIG = """
[run]
handlers = ["handlers"]
concurrency = 2
kill_after = "300ms"
max_retries = 0
backoff = { base = "10ms", jitter = 0.0 }
"""


def alive(pid: int) -> bool:
    """Return whether a process runs (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


class Rig:
    """A folder with jobs.toml, handlers.py and a store, and the daemons that ran there."""

    def __init__(self, folder: Path, handlers: str, config: str = CONFIG) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        if handlers:
            (folder / "handlers.py").write_text(handlers)
        (folder / "jobs.toml").write_text(config)
        self.queue = Queue(config=str(folder / "jobs.toml"), store=str(folder / ".jobctl"))
        self.started: list[subprocess.Popen[bytes]] = []
        #: What stands before the command of a daemon, and ends with an exec of it.
        self.prefix: list[str] = []

    def start(self, *arguments: str, ready: bool = True) -> subprocess.Popen[bytes]:
        """Start `jobctl run`, and wait until it says that it is ready."""
        before = self.log().count("ready: ")
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        for name in ("JOBCTL_STORE", "JOBCTL_CONFIG"):
            environ.pop(name, None)
        with (self.folder / "log").open("ab") as log, (self.folder / "out").open("ab") as out:
            daemon = subprocess.Popen(
                [*self.prefix, sys.executable, "-P", "-m", "jobctl", "run", *arguments],
                cwd=self.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )
        self.started.append(daemon)
        if ready:
            eventually(
                lambda: self.log().count("ready: ") > before or daemon.poll() is not None, 30
            )
            assert daemon.poll() is None, self.log()
        return daemon

    def run(self, *arguments: str) -> int:
        """Run `jobctl run` to its end, and return its exit code."""
        return self.start(*arguments, ready=False).wait(timeout=30)

    def log(self) -> str:
        """Return what all daemons have said on standard error."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def stop(self, daemon: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
        """Signal a daemon and return the exit code it ends with."""
        daemon.send_signal(number)
        return daemon.wait(timeout=20)

    def stopped_without_the_lock(self, daemon: subprocess.Popen[bytes]) -> bool:
        """Stop the daemon, unless that would keep the store's write lock from everybody."""
        daemon.send_signal(signal.SIGSTOP)
        eventually(lambda: "State:\tT" in Path(f"/proc/{daemon.pid}/status").read_text())
        with open(self.folder / ".jobctl/locks/write.lock") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                daemon.send_signal(signal.SIGCONT)
                return False
        return True

    def kill(self, daemon: subprocess.Popen[bytes]) -> None:
        """Kill a daemon with -9."""
        daemon.kill()
        daemon.wait(timeout=10)

    def close(self) -> None:
        """End what still runs."""
        for daemon in self.started:
            if daemon.poll() is None:
                daemon.send_signal(signal.SIGQUIT)  # at once
                try:
                    daemon.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
        self.queue.close()

    def get(self, job_id: str) -> Job[Any]:
        """Return a job that is there."""
        job = self.queue.get(job_id)
        assert job is not None
        return job

    def ended(self, job_id: str, timeout: float = 10.0) -> Job[Any]:
        """Wait until a job has ended, and return it."""
        return self.queue.wait(job_id, timeout)[0]

    def running(self, job_id: str) -> None:
        """Wait until the handler of a job has touched `began-ID`."""
        eventually((self.folder / f"began-{job_id}").exists)

    def until(self, job_id: str, status: Status, attempts: int | None = None) -> Job[Any]:
        """Wait until a job has a status, and return it."""

        def there() -> Job[Any] | None:
            job = self.get(job_id)
            fits = job.status is status and attempts in (None, job.attempts)
            return job if fits else None

        found = eventually(there)
        assert found is not None
        return found

    def pids(self, what: str) -> list[int]:
        """Return the pids that handlers have written into the file `what`."""
        path = self.folder / what
        return [int(word) for word in path.read_text().split()] if path.exists() else []

    def family(self) -> list[int]:
        """Return the processes that the running daemon has written down."""
        try:
            text = (self.folder / ".jobctl" / "family.json").read_text()
        except FileNotFoundError:
            return []
        return [pid for pid, _ in json.loads(text)["members"]]

    def server_pid(self) -> int:
        """Return the pid of the fork server."""
        record = json.loads((self.folder / ".jobctl/family.json").read_text())
        pid: int = record["members"][0][0]
        return pid


def seconds_for(job: Job[Any]) -> float:
    """Return how long a finished job took, from its add to its end."""
    assert job.finished_at is not None
    return (job.finished_at - job.created_at).total_seconds()


def most_at_once(times: list[tuple[float, float]]) -> int:
    """Return how many of some spans of time have a moment in common."""
    steps = sorted([(a, 1) for a, _ in times] + [(b, -1) for _, b in times])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def clock() -> float:
    """Return seconds, for how long something took."""
    return time.monotonic()
