"""jobctl: a folder of JSON lines; every change is synced before it is acknowledged."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from benchmarks.peers.peer import Peer, Work
from benchmarks.peers.protocol import speak
from jobctl import Queue

HANDLERS = """
from benchmarks.peers.work import awork, work
from jobctl import handler

@handler("work")
def _work(job):
    work(**job.data)

@handler("awork")
async def _awork(job):
    await awork(**job.data)
"""


class Jobctl(Peer):
    """Each handler in a process of its own, from a fork server."""

    def open(self) -> None:
        self.queue = Queue(store=str(self.folder / "store"))

    def add(self, job: Work, *, asynchronous: bool = False) -> object:
        return self.queue.add("awork" if asynchronous else "work", job)

    def add_many(self, jobs: Sequence[Work], *, asynchronous: bool = False) -> object:
        name = "awork" if asynchronous else "work"
        return self.queue.add_many((name, job) for job in jobs)

    def add_commands(self, line: Sequence[str], count: int) -> None:
        for _ in range(count):
            self.queue.add_shell(line)

    def workers(self, concurrency: int, *, asynchronous: bool = False) -> list[list[str]]:
        handlers, config = self.folder / "handlers.py", self.folder / "jobs.toml"
        handlers.write_text(HANDLERS)
        # Coroutines share a worker as the other tools have them share one.
        share = concurrency if asynchronous else 1
        config.write_text(
            f'[store]\npath = "store"\n[run]\nhandlers = ["handlers"]\n'
            f"concurrency = {concurrency}\nasync_concurrency = {share}\n"
            'shutdown_timeout = "1s"\n'
        )
        return [[sys.executable, "-m", "jobctl", "run", "--config", str(config)]]

    def all_ended(self) -> bool:
        stats = self.queue.stats()
        return stats.pending == stats.running == 0

    def settled(self) -> float:
        segments = (self.folder / "store/journal").glob("*.jsonl")
        last = max(path.stat().st_mtime for path in segments)
        return last - time.time() + time.monotonic()


if __name__ == "__main__":
    speak(Jobctl, ["default"])
