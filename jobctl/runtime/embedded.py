"""The daemon as a child of a user's program: `jobctl run`, started, awaited and stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence

from jobctl.clock import SystemClock
from jobctl.errors import HandlerError, StoreBusy, StoreError
from jobctl.runtime.family import VARIABLE

_LOOK = 0.1


class Embedded:
    """A daemon that lives no longer than the program that started it."""

    def __init__(self, arguments: Sequence[str]) -> None:
        if os.environ.get("JOBCTL_IMPORTING"):
            raise HandlerError(
                "queue.start() was called while the handlers were imported: put it under "
                "if __name__ == '__main__':"
            )
        self._notice = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notice.bind(f"\0jobctl-{os.getpid()}-{os.urandom(8).hex()}")
        address = "@" + self._notice.getsockname()[1:].decode()
        # Workers find modules where the program does.
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        environ = {**os.environ, "NOTIFY_SOCKET": address, "PYTHONPATH": path}
        environ.pop(VARIABLE, None)
        # The end of its standard input tells it that the program is gone, however it went.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "jobctl", "run", "--stop-on-eof", *arguments],
            stdin=subprocess.PIPE,
            env=environ,
            start_new_session=True,
        )

    def wait_ready(self, timeout: float) -> None:
        """Wait until it says that it is ready.

        Raises StoreError or HandlerError if it ends instead (it has said why on
        standard error), TimeoutError after `timeout` seconds.
        """
        clock = SystemClock()
        deadline = clock.monotonic() + timeout
        self._notice.settimeout(_LOOK)
        try:
            while True:
                try:
                    if self._notice.recv(4096).startswith(b"READY=1"):
                        return
                except TimeoutError:
                    pass
                code = self._process.poll()
                if code is not None:
                    self._close()
                    raise _reason(code)
                if clock.monotonic() > deadline:
                    self.stop()
                    raise TimeoutError(f"the daemon was not ready after {timeout:g} s")
        finally:
            self._notice.close()

    @property
    def running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Ask it to stop, and wait for that."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait()
        self._close()

    def _close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()


def _reason(code: int) -> Exception:
    said = "it said why on standard error"
    if code == StoreBusy.exit_code:
        return StoreError(f"the daemon could not use the store; {said}")
    return HandlerError(f"the daemon did not start (exit code {code}); {said}")
