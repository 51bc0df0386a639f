"""The least that a durable queue with a process for each job does, in Python.

It reads lines of jobs, writes one line when a job is handed out and one when it has ended, each
durable before anything follows from it, and passes messages to and fro. There is no index, no
order, no check, no retry, no recovery: what a queue takes longer is what it does beside.

    python -m benchmarks.peers.bareloop FOLDER CONCURRENCY
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.peers.work import work

#: Jobs that a worker holds at most; those that wait in it if others of it take long.
IN_HAND = 128
_ROOM = 65_536


class Loop:
    """The file of jobs, and the workers."""

    def __init__(self, folder: Path, concurrency: int) -> None:
        self._jobs = os.open(folder / "bare", os.O_RDONLY)
        self._log = os.open(folder / "bare.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._fifo = os.open(folder / "wake", os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""
        self._waiting: list[bytes] = []
        self._ended: list[bytes] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._fifo, selectors.EVENT_READ, self._read)
        self._workers: dict[socket.socket, int] = {}
        for _ in range(concurrency):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            if not os.fork():
                ours.close()
                _work(theirs)
                os._exit(0)
            theirs.close()
            ours.setblocking(False)
            self._workers[ours] = 0
            self._selector.register(ours, selectors.EVENT_READ, partial(self._take, ours))

    def run(self) -> None:
        """Run for ever."""
        self._read()
        while True:
            self._hand_out()
            for key, _ in self._selector.select():
                key.data()

    def _read(self) -> None:
        try:
            os.read(self._fifo, _ROOM)
        except BlockingIOError:
            pass
        while chunk := os.read(self._jobs, 1 << 20):
            *found, self._rest = (self._rest + chunk).split(b"\n")
            self._waiting += found

    def _take(self, sock: socket.socket) -> None:
        while True:
            try:
                said = sock.recv(_ROOM)
            except BlockingIOError:
                return
            if not said:
                sys.exit("a worker has ended")
            self._workers[sock] -= 1
            self._ended.append(said)

    def _hand_out(self) -> None:
        room = [(sock, IN_HAND - held) for sock, held in self._workers.items()]
        enough = all(free < IN_HAND / 2 for _, free in room)
        if enough or not (self._waiting or self._ended):
            return
        begun: list[tuple[socket.socket, bytes]] = []
        share = -(-len(self._waiting) // len(room))
        for sock, free in room:
            count = min(free, share)
            begun += ((sock, line) for line in self._waiting[:count])
            del self._waiting[:count]
        lines = [*self._ended, *(line for _, line in begun)]
        self._ended.clear()
        os.write(self._log, b"\n".join(lines) + b"\n")
        os.fdatasync(self._log)
        for sock, line in begun:
            sock.send(line)
            self._workers[sock] += 1


def _work(sock: socket.socket) -> None:
    while line := sock.recv(_ROOM):
        work(**msgspec.json.decode(line)["data"])
        sock.send(line)  # with what a record says of the end it would be a little longer


if __name__ == "__main__":
    Loop(Path(sys.argv[1]), int(sys.argv[2])).run()
