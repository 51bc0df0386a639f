"""litequeue: a table in SQLite, and no workers: the loop is ours."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

from litequeue import LiteQueue

from benchmarks.peers.peer import Peer, Work
from benchmarks.peers.protocol import here, speak
from benchmarks.peers.work import work

#: Seconds between two looks of an idle worker.
POLL = 0.005


class Litequeue(Peer):
    """Workers are processes. SQLite syncs as litequeue sets it: synchronous=NORMAL."""

    def open(self) -> None:
        self.queue = LiteQueue(str(self.folder / "lite.db"), timeout=60)
        (found,) = self.queue.conn.execute("pragma synchronous").fetchone()
        self.must_be("PRAGMA synchronous", found, 1)

    def add(self, job: Work, *, asynchronous: bool = False) -> object:
        return self.queue.put(json.dumps(job))

    def add_many(self, jobs: Sequence[Work], *, asynchronous: bool = False) -> object:
        with self.queue.transaction():
            return [self.queue.put(json.dumps(job)) for job in jobs]

    def workers(self, concurrency: int, *, asynchronous: bool = False) -> list[list[str]]:
        self.no_coroutines(asynchronous)
        return [[sys.executable, "-m", "benchmarks.peers.litequeue"]] * concurrency


def loop(queue: LiteQueue) -> None:
    """Run jobs for ever."""
    while True:
        message = queue.pop()
        if message is None:
            time.sleep(POLL)  # it has nothing to wait on
            continue
        work(**json.loads(message.data))
        queue.done(message.message_id)


if __name__ == "__main__":
    if place := here():
        peer = Litequeue(*place)
        peer.open()
        loop(peer.queue)
    else:
        speak(Litequeue, ["default"])
