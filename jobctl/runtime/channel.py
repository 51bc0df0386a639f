"""Messages between the daemon, its fork server and its workers.

One packet of a SOCK_SEQPACKET pair is one message, so whoever reads takes it whole. What
does not fit a packet travels as a memfd. Never pickle: a message is data.
"""

from __future__ import annotations

import array
import os
import socket
from datetime import datetime
from signal import SIGKILL, SIGUSR1
from typing import Any, TypeVar

import msgspec

from jobctl.core.job import Ending, Job

T = TypeVar("T")

#: The signal by which the daemon asks a worker to stop the job named in its slot.
STOP_SIGNAL = SIGUSR1
#: Bytes that go into a packet; more than this goes into a memfd.
_INLINE = 60_000
_INLINE_MARK = b"\0"
_MEMFD_MARK = b"\1"
_FD_SPACE = socket.CMSG_SPACE(4)

_encode = msgspec.msgpack.Encoder().encode


class Task(msgspec.Struct, array_like=True):
    """daemon -> worker: run this. `timeout` is seconds; `alone` that nothing else waits.

    With a `place` it runs beside others that have one, and the slot of that number says so.
    """

    job: Job[Any]
    timeout: float | None
    alone: bool = True
    place: int | None = None


class Report(msgspec.Struct, array_like=True):
    """worker -> daemon: how it ended. `result` is JSON; `seconds` how long it ran."""

    job_id: str
    ending: Ending
    result: bytes | None
    seconds: float


class Setup(msgspec.Struct, tag=True):
    """daemon -> server, once: what to import, and from where."""

    entries: list[str]
    folder: str
    processes: list[str]
    max_result: int
    path: list[str]
    files: str = ""  # of logs and progress; without it jobs print where we do
    max_log: int = 1 << 20


class Ready(msgspec.Struct, tag=True):
    """server -> daemon: the handlers are imported."""

    handlers: dict[str, Any]
    fresh: bool  # workers import for themselves, because the import left threads running
    schedules: list[dict[str, Any]] = []  # those that handlers declare


class Broken(msgspec.Struct, tag=True):
    """server -> daemon: the handlers do not import."""

    message: str


class Fork(msgspec.Struct, tag=True):
    """daemon -> server: start a worker on the socket that comes along."""

    slot: int


class Forked(msgspec.Struct, tag=True):
    """server -> daemon."""

    slot: int
    pid: int


class Kill(msgspec.Struct, tag=True):
    """daemon -> server: send a worker a signal."""

    pid: int
    signal: int = SIGKILL


class Unforked(msgspec.Struct, tag=True):
    """server -> daemon: the system gave no process for the worker."""

    slot: int
    message: str


class Exited(msgspec.Struct, tag=True):
    """server -> daemon: a worker is gone. `status` is that of wait4, `max_rss` in bytes.

    The rest is what it left of the job that it was at: CPU seconds, the end of its log, the
    last progress; `oom` says that the kernel has killed for lack of memory where it was.
    """

    pid: int
    status: int
    max_rss: int | None
    at: datetime
    cpu_seconds: float | None = None
    log_tail: tuple[str, ...] | None = None
    progress: dict[str, Any] | None = None
    oom: bool = False


ToServer = Setup | Fork | Kill
FromServer = Ready | Broken | Forked | Unforked | Exited

decode_task = msgspec.msgpack.Decoder(Task).decode
decode_report = msgspec.msgpack.Decoder(Report).decode
decode_to_server = msgspec.msgpack.Decoder(ToServer).decode
decode_from_server = msgspec.msgpack.Decoder(FromServer).decode

# As plain numbers: the enum's operators cost more than the call (per message).
_CLOEXEC = int(socket.MSG_CMSG_CLOEXEC)
#: A flag for `receive`: do not wait.
DONT_WAIT = int(socket.MSG_DONTWAIT)


def pair() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a channel."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Channel:
    """One end, with the buffer it reads into."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = bytearray(_INLINE + 64)
        self._buffers = [self._buffer]
        self._view = memoryview(self._buffer)

    def send(self, message: object, fds: tuple[int, ...] = ()) -> None:
        """Send one message whole. Raises BlockingIOError if there is no room."""
        body = _encode(message)
        if len(body) <= _INLINE:
            if fds:
                self._send(_INLINE_MARK + body, fds)
            else:
                self.sock.send(_INLINE_MARK + body)
            return
        memfd = os.memfd_create("jobctl", os.MFD_CLOEXEC)
        try:
            with open(memfd, "wb", closefd=False) as file:
                file.write(body)
            self._send(_MEMFD_MARK, (memfd, *fds))
        finally:
            os.close(memfd)

    def _send(self, packet: bytes, fds: tuple[int, ...]) -> None:
        socket.send_fds(self.sock, [packet], list(fds))

    def receive(self, flags: int = 0) -> tuple[memoryview | bytes, list[int]] | None:
        """Return the next message's bytes and descriptors; None if the other end is closed.

        The bytes are good until the next call. Raises BlockingIOError if there is none.
        """
        size, ancillary, _, _ = self.sock.recvmsg_into(
            self._buffers, 2 * _FD_SPACE, flags | _CLOEXEC
        )
        if size == 0:
            return None
        if not ancillary:
            return self._view[1:size], []
        fds = array.array("i")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        if self._buffer[0] == _MEMFD_MARK[0] and fds:
            with open(fds[0], "rb") as file:
                file.seek(0)
                return file.read(), list(fds[1:])
        return self._view[1:size], list(fds)

    def close(self) -> None:
        """Close this end."""
        self.sock.close()
