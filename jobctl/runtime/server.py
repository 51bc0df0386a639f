"""The daemon's side of the fork server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping

from jobctl.errors import HandlerError
from jobctl.runtime.channel import (
    Broken,
    Channel,
    Exited,
    Fork,
    Forked,
    FromServer,
    Kill,
    Ready,
    Setup,
    Unforked,
    decode_from_server,
    pair,
)
from jobctl.runtime.process import how_it_ended


class Server:
    """A running fork server. Start it from a thread that outlives it: see die_with_parent."""

    def __init__(
        self, setup: Setup, slots_fd: int, slots: int, environ: Mapping[str, str]
    ) -> None:
        ours, theirs = pair()
        numbers = (os.getpid(), theirs.fileno(), slots_fd, slots)
        # -P: what lies in the current folder must not stand in for a module of ours.
        command = [sys.executable, "-P", "-m", "jobctl.runtime.forkserver"]
        self._process = subprocess.Popen(
            [*command, *(str(number) for number in numbers)],
            pass_fds=(theirs.fileno(), slots_fd),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            env=dict(environ),
        )
        theirs.close()
        self._channel = Channel(ours)
        self.sock = ours
        self.pid = self._process.pid
        self._channel.send(setup)

    def wait_ready(self) -> Ready:
        """Wait until the handlers are imported.

        Raises HandlerError with the user's traceback if they do not import.
        """
        message = self.receive()
        if isinstance(message, Ready):
            return message
        if isinstance(message, Broken):
            raise HandlerError(message.message)
        how = how_it_ended(self._process.wait())
        raise HandlerError(f"the handlers ended the process that imported them, {how}")

    def receive(self) -> FromServer | None:
        """Return its next message; None if it is gone. Raises BlockingIOError if it may."""
        try:
            received = self._channel.receive()
        except ConnectionResetError:
            return None
        return None if received is None else decode_from_server(received[0])

    def listen(self, use: Callable[[Forked | Unforked | Exited], None]) -> bool:
        """Pass on all that it has to say; return whether it lives."""
        self.sock.setblocking(False)
        try:
            while (message := self.receive()) is not None:
                if isinstance(message, (Forked, Unforked, Exited)):
                    use(message)
        except BlockingIOError:
            return True
        finally:
            self.sock.setblocking(True)
        return False

    def fork(self, slot: int, fd: int) -> None:
        """Start a worker on the other end of a channel."""
        self._send(Fork(slot), (fd,))

    def kill(self, pid: int) -> None:
        """Kill a worker and what it started."""
        self._send(Kill(pid))

    def signal(self, pid: int, number: int) -> None:
        """Send a worker a signal; only the server knows surely that the pid is still its."""
        self._send(Kill(pid, number))

    def _send(self, message: object, fds: tuple[int, ...] = ()) -> None:
        try:
            self._channel.send(message, fds)
        except OSError:
            pass  # it is gone: the loop sees that, and judges its workers

    def close(self) -> None:
        """End it, and with it all of its workers."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.sock.close()
