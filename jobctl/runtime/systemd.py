"""Telling a service manager how we are: the protocol of sd_notify(3), without its library."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping

#: What the manager says to us alone: the processes of handlers must not speak for us.
PRIVATE = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
#: Seconds between two looks at what the status line would be.
STATUS_EVERY = 1.0
#: Seconds until what the manager's full socket refused is tried again.
_AGAIN = 0.1
#: How often the watchdog is fed in the time that it allows.
_PINGS = 3


class Manager:
    """The service manager that started this process, if there is one and it wants to know.

    Nothing here ever waits: what the socket refuses for want of room is kept, and sent by
    the next `tick`.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._address = _address(environ)
        allowed = watchdog(environ, os.getpid())
        self._ping_every = None if allowed is None else allowed / _PINGS
        self._unsent: list[str] = []
        self._ping_at = 0.0
        self._status_at = 0.0
        self._status = ""

    def ready(self) -> None:
        """Say that we serve: at the start, and at the end of a reload."""
        self._say("READY=1")

    def reloading(self, now: float) -> None:
        """Say that a reload begins, at a time of the monotonic clock; `ready` ends it."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={int(now * 1_000_000)}")

    def stopping(self) -> None:
        """Say that we are about to end."""
        self._say("STOPPING=1")

    def tick(self, now: float, status: Callable[[], str]) -> float | None:
        """Feed the watchdog and send the status line, if it is time.

        To be called by the loop that the watchdog guards, and by nothing else. Returns
        after how many seconds it wants to be called again, None if it does not mind.
        """
        if self._address is None:
            return None
        if self._ping_every is not None and now >= self._ping_at:
            self._ping_at = now + self._ping_every
            self._unsent.append("WATCHDOG=1")
        if now >= self._status_at:
            self._status_at = now + STATUS_EVERY
            text = " ".join(status().split())
            if text != self._status:
                self._status = text
                self._unsent.append(f"STATUS={text}")
        if self._unsent and not self._flush():
            # A ping or a status line that is late is worth nothing: there are newer ones.
            late = ("WATCHDOG=", "STATUS=")
            self._unsent = [state for state in self._unsent if not state.startswith(late)]
            self._ping_at, self._status = now + _AGAIN, ""
            return _AGAIN if self._unsent or self._ping_every is not None else None
        return None if self._ping_every is None else self._ping_at - now

    def _say(self, state: str) -> None:
        if self._address is not None:
            self._unsent.append(state)
            self._flush()

    def _flush(self) -> bool:
        assert self._address is not None
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)
                # An order within one datagram is kept.
                sock.sendto("\n".join(self._unsent).encode(), self._address)
        except BlockingIOError:
            return False
        except OSError:
            pass  # nobody listens
        self._unsent.clear()
        return True


def watchdog(environ: Mapping[str, str], pid: int) -> float | None:
    """Return how many seconds the manager's watchdog allows process `pid`, None if it has none.

    The variables are those of sd_watchdog_enabled(3).
    """
    try:
        micros = int(environ.get("WATCHDOG_USEC", "0"))
        meant = int(environ.get("WATCHDOG_PID", pid))
    except ValueError:
        return None
    return micros / 1_000_000 if micros > 0 and meant == pid else None


def _address(environ: Mapping[str, str]) -> str | None:
    address = environ.get("NOTIFY_SOCKET", "")
    if address.startswith("@"):
        return "\0" + address[1:]
    return address if address.startswith("/") else None
