"""The daemon of the soak, that is killed and started again, and who watches it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

from tests.crash.table import MIB
from tests.helpers import ROOT

HERE = Path(__file__).parent
CONFIG = """
[run]
handlers = ["handlers"]
concurrency = {concurrency}
timeout = "60s"
kill_after = "300ms"
max_retries = 0
backoff = {{ base = "50ms", cap = "100ms" }}
"""
#: Holds the lock of its job while a handler runs; the kernel frees it when a process dies.
LOCKED = """
import fcntl, functools, inspect, os
from contextlib import contextmanager
from pathlib import Path
import jobctl

HERE = Path(__file__).parent

@contextmanager
def held(job):
    with open(HERE / "locks" / job.id, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with open(HERE / "twice", "a") as twice:
                twice.write(f"{job.id} {job.name}\\n")
        yield

def handler(name):
    def register(function):
        if inspect.iscoroutinefunction(function):
            @functools.wraps(function)
            async def run(job):
                with held(job):
                    return await function(job)
        else:
            @functools.wraps(function)
            def run(job):
                with held(job):
                    return function(job)
        return jobctl.handler(name)(run)
    return register
"""
WORK = """

def begin(job: Job[Any]) -> None:
    pass  # the lock says it


@handler("work")
def work(job: Job[Any]) -> int:
    return int(job.data["n"])
"""


class Daemon:
    """A daemon that is started again whenever it has gone."""

    def __init__(self, folder: Path, prefix: list[str], concurrency: int) -> None:
        self._folder = folder
        self._command = [*prefix, sys.executable, "-P", "-m", "jobctl", "run"]
        rows = (HERE / "row_handlers.py").read_text()
        ours = "from jobctl import Job\nfrom locked import handler"
        text = rows.replace("from jobctl import Job, handler", ours)
        assert text != rows
        (folder / "handlers.py").write_text(text + WORK)
        (folder / "locked.py").write_text(LOCKED)
        (folder / "jobs.toml").write_text(CONFIG.format(concurrency=concurrency))
        (folder / "locks").mkdir()
        self.early = 0
        self._process = self._start()

    @property
    def pid(self) -> int:
        """The process of the daemon."""
        return self._process.pid

    def _start(self) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (self._folder / "log").open("ab") as log:
            self._ready = log.tell()
            return subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def kill(self) -> None:
        """Kill it with -9."""
        with (self._folder / "log").open("rb") as log:
            log.seek(self._ready)
            self.early += b"ready: " not in log.read()
        self.end()

    def keep_running(self) -> None:
        """Start it if it does not run."""
        if self._process.poll() is not None:
            self._process = self._start()

    def stop(self) -> int:
        """End it in order, and return its exit code."""
        self._process.terminate()
        return self._process.wait(timeout=60)

    def end(self) -> None:
        """Have it gone."""
        self._process.kill()
        self._process.wait()

    def left_behind(self) -> list[int]:
        """Return the processes that are at work in its folder."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid():
                try:
                    if os.readlink(f"/proc/{name}/cwd") == str(self._folder):
                        found.append(int(name))
                except OSError:
                    pass
        return found


def _grandchildren(pid: int) -> int:
    def children(of: str) -> list[str]:
        return Path(f"/proc/{of}/task/{of}/children").read_text().split()

    return sum(len(children(child)) for child in children(str(pid)))


def _middle(samples: list[tuple[float, int, int, int]], column: int) -> float:
    return statistics.median(sample[column] for sample in samples)


class Watch:
    """What one daemon uses of memory and descriptors, once it has settled."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, int, int, int]] = []
        self._next = 0.0
        self._settle = 0.0

    def look(self, seconds: float, pid: int, settle: float) -> None:
        """Take a sample once a second; `seconds` are those since the last kill."""
        self._settle = settle
        if seconds < self._next:
            return
        self._next = seconds + 1.0
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            # Each worker has two, and workers come and go.
            fds = len(os.listdir(f"/proc/{pid}/fd")) - 2 * _grandchildren(pid)
        except OSError:
            return
        self.note(seconds, pages * os.sysconf("SC_PAGE_SIZE"), fds, pid)

    def note(self, seconds: float, rss: int, fds: int, pid: int) -> None:
        """Take in a sample: bytes of memory and descriptors of a process."""
        self._seen.append((seconds, rss, fds, pid))

    def growth(self) -> tuple[float, float, float]:
        """Return the seconds watched, and by how many bytes and descriptors it grew.

        The first and the last tenth are compared: memory by the median, descriptors by the
        fewest, because those of a worker that is just going are still there for a moment.
        """
        seen = [sample for sample in self._seen if sample[0] >= self._settle]
        if len(seen) < 4:
            return 0.0, 0.0, 0.0
        tenth = max(2, len(seen) // 10)
        first, last = seen[:tenth], seen[-tenth:]
        rss = _middle(last, 1) - _middle(first, 1)
        fds = min(sample[2] for sample in last) - min(sample[2] for sample in first)
        return seen[-1][0] - seen[0][0], rss, fds

    def faults(self) -> list[str]:
        """Return what is wrong: too much growth, or a daemon that was not the same."""
        seconds, rss, fds = self.growth()
        found = []
        # Of a short soak it is only asked that nothing runs away.
        limit = MIB * max(1.0, seconds / 600) if seconds >= 300 else 8 * MIB
        if rss >= limit:
            found.append(f"the daemon grew by {rss / MIB:.2f} MiB in {seconds:.0f} s")
        if fds > 2:
            found.append(f"the daemon has {fds:.0f} descriptors more after {seconds:.0f} s")
        if len({sample[3] for sample in self._seen}) > 1:
            found.append("the daemon ended while nobody had killed it")
        return found

    def summary(self) -> str:
        """Return what was seen, over time."""
        if not self._seen:
            return "daemon: nobody looked"
        seconds, rss, fds = self.growth()
        most = max(sample[1] for sample in self._seen)
        step = max(1, len(self._seen) // 12)
        rows = [
            f"  {at:>6.0f} s  {size / MIB:>7.2f} MiB  {count:>4} descriptors"
            for at, size, count, _ in self._seen[::step]
        ]
        head = (
            f"daemon: at most {most / MIB:.1f} MiB; in the last {seconds:.0f} s it grew by "
            f"{rss / MIB:+.2f} MiB and {fds:+.0f} descriptors (without those of "
            "its workers). Seconds since the last kill:"
        )
        return "\n".join([head, *rows])
