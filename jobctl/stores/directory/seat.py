"""The daemon's seat: one daemon a store, and the FIFO that wakes it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobctl.errors import StoreBusy, StoreUnwritable
from jobctl.stores.directory.layout import Layout, store_error

_HOLDER = "daemon.pid"


class DirectorySeat:
    """The right to be the daemon of a directory store."""

    def __init__(self, layout: Layout) -> None:
        self.folder: Path = layout.root
        self._fd = _open_fifo(layout.wake)

    def fileno(self) -> int:
        """A descriptor that becomes readable when somebody has written."""
        return self._fd

    def drain(self) -> None:
        """Take the wake-ups that have come."""
        try:
            while os.read(self._fd, 65536):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Stop to listen."""
        os.close(self._fd)


@contextmanager
def take_seat(layout: Layout, *, wait: bool) -> Iterator[DirectorySeat]:
    """Hold daemon.lock for as long as the context lasts.

    Raises StoreBusy, naming the daemon there is, unless `wait`.
    """
    import filelock

    lock = filelock.FileLock(
        str(layout.daemon_lock), mode=0o600, fallback_to_soft=False, thread_local=False
    )
    holder = layout.locks / _HOLDER
    try:
        lock.acquire(timeout=-1 if wait else 0, poll_interval=0.2)
    except filelock.Timeout:
        raise StoreBusy(
            f"process {_read(holder)} is the daemon of {layout.root}: "
            "end it first, or start this one with --standby to wait for that"
        ) from None
    except OSError as err:
        raise store_error(err, layout.daemon_lock) from err
    try:
        fd = os.open(holder, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.write(fd, str(os.getpid()).encode())
        os.close(fd)
        seat = DirectorySeat(layout)
        try:
            yield seat
        finally:
            seat.close()
    finally:
        lock.release()


def _read(holder: Path) -> str:
    try:
        return holder.read_text(encoding="ascii").strip() or "?"
    except (OSError, UnicodeDecodeError):
        return "?"


def _open_fifo(path: Path) -> int:
    try:
        try:
            os.mkfifo(path, 0o600)
        except FileExistsError:
            pass
        # Open for both, so that it never reads as closed when a writer leaves.
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as err:
        raise store_error(err, path) from err
    if not stat.S_ISFIFO(os.fstat(fd).st_mode):
        os.close(fd)
        raise StoreUnwritable(f"{path} is not a FIFO: remove it")
    return fd
