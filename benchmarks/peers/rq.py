"""RQ: a fork for each job, or with SimpleWorker all in the worker itself."""

from __future__ import annotations

from collections.abc import Sequence

from redis import Redis
from rq import Queue

from benchmarks.peers.onredis import FSYNCS, OnRedis, socket
from benchmarks.peers.peer import Work
from benchmarks.peers.protocol import script, speak
from benchmarks.peers.work import work


class Rq(OnRedis):
    """Workers are processes; results are not kept."""

    def open(self) -> None:
        self.queue = Queue(connection=Redis(unix_socket_path=socket(self.folder)))

    def add(self, job: Work, *, asynchronous: bool = False) -> object:
        return self.queue.enqueue_call(work, kwargs=job, result_ttl=0)

    def add_many(self, jobs: Sequence[Work], *, asynchronous: bool = False) -> object:
        return self.queue.enqueue_many(
            [Queue.prepare_data(work, kwargs=job, result_ttl=0) for job in jobs]
        )

    def workers(self, concurrency: int, *, asynchronous: bool = False) -> list[list[str]]:
        self.no_coroutines(asynchronous)
        kind = "rq.SimpleWorker" if "simple" in self.setting else "rq.Worker"
        flags = ["-q", "-w", kind, "-u", f"unix://{socket(self.folder)}"]
        return [[script("rq"), "worker-pool", "-n", str(concurrency), *flags]]


if __name__ == "__main__":
    speak(Rq, [f"{fsync} {kind}" for kind in ("fork", "simple") for fsync in FSYNCS])
