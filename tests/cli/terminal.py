"""Programs on a terminal of their own."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

JOBCTL = [sys.executable, "-m", "jobctl"]


class OnTerminal:
    """A jobctl whose streams lead to a terminal of 24 lines, except stdout if `piped`."""

    def __init__(self, args: tuple[str, ...], columns: int, piped: bool) -> None:
        self._fd, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [*JOBCTL, *args],
            stdin=child,
            stdout=subprocess.PIPE if piped else child,
            stderr=child,
        )
        os.close(child)
        self.shown = b""

    def until(self, wanted: str) -> str:
        """Return all that was shown, once some text has come."""
        while wanted.encode() not in self.shown:
            assert self._read(), self.shown.decode()
        return self.shown.decode()

    def end(self, code: int) -> str:
        """Return all that was shown, once the program has ended with an exit code."""
        while self._read():
            pass
        assert self.process.wait(30) == code
        return self.shown.decode()

    def _read(self) -> bytes:
        assert select.select([self._fd], [], [], 30)[0], self.shown.decode()
        try:
            more = os.read(self._fd, 65536)
        except OSError:  # EIO: the program has ended
            more = b""
        self.shown += more
        return more

    def close(self) -> None:
        """End it if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        os.close(self._fd)


@contextmanager
def on_terminal(*args: str, columns: int = 80, piped: bool = False) -> Iterator[OnTerminal]:
    """Run jobctl on a terminal."""
    program = OnTerminal(args, columns, piped)
    try:
        yield program
    finally:
        program.close()
