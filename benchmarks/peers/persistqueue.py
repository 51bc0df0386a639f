"""persist-queue's SQLiteAckQueue: processes may not share it, so workers are threads."""

from __future__ import annotations

import sys
import time
from threading import Thread

from persistqueue import Empty, SQLiteAckQueue

from benchmarks.peers.peer import Peer, Work
from benchmarks.peers.protocol import here, speak
from benchmarks.peers.work import work

#: Seconds between two looks of an idle worker: it is woken by adds of its own process alone.
POLL = 0.005


class Persistqueue(Peer):
    """Workers are threads of one process; it has none, so the loop is ours."""

    def open(self) -> None:
        path = str(self.folder / "persist")
        self.queue = SQLiteAckQueue(path, multithreading=True, timeout=60)
        (found,) = self.queue._putter.execute("pragma synchronous").fetchone()
        self.must_be("PRAGMA synchronous", found, 2)

    def add(self, job: Work, *, asynchronous: bool = False) -> object:
        return self.queue.put(job)

    def workers(self, concurrency: int, *, asynchronous: bool = False) -> list[list[str]]:
        self.no_coroutines(asynchronous)
        return [[sys.executable, "-m", "benchmarks.peers.persistqueue", str(concurrency)]]


def loop(queue: SQLiteAckQueue) -> None:
    """Run jobs for ever."""
    while True:
        try:
            item = queue.get(block=False, raw=True)
        except Empty:
            time.sleep(POLL)  # asked without blocking, as litequeue is
            continue
        work(**item["data"])
        queue.ack(id=item["pqid"])


if __name__ == "__main__":
    if place := here():
        peer = Persistqueue(*place)
        peer.open()
        for _ in range(int(sys.argv[1])):
            Thread(target=loop, args=(peer.queue,)).start()
    else:
        speak(Persistqueue, ["default"])
