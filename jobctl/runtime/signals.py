"""Signals, as something that a loop can wait for."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


class Signals:
    """The signals that have come and were not yet taken."""

    def __init__(self) -> None:
        self._come: list[int] = []
        self._ours, self._theirs = socket.socketpair()
        for end in (self._ours, self._theirs):
            end.setblocking(False)

    def fileno(self) -> int:
        """A descriptor that becomes readable with a signal."""
        return self._ours.fileno()

    def drain(self) -> None:
        """Let the descriptor rest."""
        try:
            self._ours.recv(4096)
        except BlockingIOError:
            pass

    def add(self, number: int) -> None:
        """Have a signal come without one."""
        self._come.append(number)

    def take(self) -> list[int]:
        """Return the signals that have come, the first one first."""
        taken, self._come = self._come, []
        return taken

    @contextmanager
    def catch(self) -> Iterator[None]:
        """Catch them for as long as the context lasts."""
        before = {number: signal.getsignal(number) for number in CAUGHT}
        old_fd = signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        for number in CAUGHT:
            signal.signal(number, lambda signum, frame: self._come.append(signum))
        try:
            yield
        finally:
            signal.set_wakeup_fd(old_fd)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._ours.close()
            self._theirs.close()


def prepare_for_signals(environ: Mapping[str, str]) -> None:
    """Have a stop end the process at once, until a loop catches signals: nothing runs yet."""

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    if environ.get("WATCHDOG_USEC"):
        import faulthandler

        faulthandler.enable()  # the watchdog's SIGABRT then says where the loop is stuck
