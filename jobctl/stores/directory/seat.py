"""The daemon's seat: one daemon a store, and the FIFO that wakes it."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobctl.clock import Clock
from jobctl.core.store import Pulse
from jobctl.errors import StoreBusy, StoreCorrupt, StoreError, StoreUnwritable
from jobctl.stores.directory.layout import Layout, open_file, read_file, store_error

_HOLDER = "daemon.pid"
#: More wake-ups than a FIFO holds are never read at once.
_MANY = 65536
#: Seconds between two looks at whether a wake-up was taken.
_PULSE_STEP = 0.01


class DirectorySeat:
    """The right to be the daemon of a directory store."""

    def __init__(self, layout: Layout) -> None:
        self.folder: Path = layout.root
        self._fd = _open_fifo(layout.wake)
        try:
            # Writers that have found nobody here look again: see waker.py.
            os.utime(layout.root)
        except OSError as err:
            os.close(self._fd)
            raise store_error(err, layout.root) from err

    def fileno(self) -> int:
        """A descriptor that becomes readable when somebody has written."""
        return self._fd

    def drain(self) -> None:
        """Take the wake-ups that have come."""
        try:
            while len(os.read(self._fd, _MANY)) == _MANY:
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Stop to listen."""
        os.close(self._fd)


@contextmanager
def take_seat(layout: Layout, *, wait: bool) -> Iterator[DirectorySeat]:
    """Hold daemon.lock for as long as the context lasts.

    Raises StoreBusy, naming the daemon there is, unless `wait`; StoreCorrupt if no job could
    ever be claimed.
    """
    holder = layout.locks / _HOLDER
    taken = (
        f"process {_read(holder)} is the daemon of {layout.root}: "
        "end it first, or start this one with --standby to wait for that"
    )
    with _held(layout.daemon_lock, taken, wait=wait):
        _refuse_odd(layout)
        try:
            fd = open_file(holder, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        except OSError as err:
            raise store_error(err, holder) from err
        os.write(fd, str(os.getpid()).encode())
        os.close(fd)
        seat = DirectorySeat(layout)
        try:
            yield seat
        finally:
            seat.close()


def _refuse_odd(layout: Layout) -> None:
    """Refuse what is no file where each claim needs one: that does not mend itself."""
    index = (Path(f"{layout.index}{suffix}") for suffix in ("", "-wal", "-shm"))
    for path in (layout.write_lock, *index):
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            raise StoreCorrupt(
                f"{path} is not a regular file: move it away, or let jobctl doctor --repair "
                "do so"
            )


@contextmanager
def maintenance(layout: Layout) -> Iterator[None]:
    """Hold what keeps daemons and other maintenance away. Raises StoreBusy, naming whom."""
    try:
        layout.locks.mkdir(mode=0o700, exist_ok=True)
    except OSError as err:
        raise store_error(err, layout.locks) from err
    other = f"{layout.root} is being repaired or restored by another process: wait for its end"
    daemon = (
        f"process {_read(layout.locks / _HOLDER)} is the daemon of {layout.root}, and "
        "nothing may move beneath it: end it first"
    )
    with _held(layout.maintenance_lock, other), _held(layout.daemon_lock, daemon):
        yield


@contextmanager
def _held(path: Path, busy: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock for as long as the context lasts. Raises StoreBusy with `busy`."""
    import filelock

    lock = filelock.FileLock(str(path), mode=0o600, fallback_to_soft=False, thread_local=False)
    try:
        lock.acquire(timeout=-1 if wait else 0, poll_interval=0.2)
    except filelock.Timeout:
        raise StoreBusy(busy) from None
    except OSError as err:
        raise store_error(err, path) from err
    try:
        yield
    finally:
        lock.release()


def pulse(layout: Layout, clock: Clock, patience: float) -> Pulse:
    """Wake the daemon, and see whether it takes note within `patience` seconds.

    Whoever has the seat listens to the FIFO, so nobody has it if nobody listens. Trying
    its lock instead could turn away a daemon that starts at that moment.
    """
    try:
        fd = os.open(layout.wake, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return Pulse()
    except OSError as err:
        if err.errno == errno.ENXIO:
            return Pulse()
        raise store_error(err, layout.wake) from err
    try:
        return Pulse(_pid(layout.locks / _HOLDER), _is_drained(fd, clock, patience))
    finally:
        os.close(fd)


def _is_drained(fd: int, clock: Clock, patience: float) -> bool:
    deadline = clock.monotonic() + patience
    try:
        os.write(fd, b"\0")
    except BlockingIOError:
        pass  # it is full of wake-ups: then those are to be taken
    except BrokenPipeError:
        return False
    while True:
        waiting = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0]
        if not waiting:
            return True
        if clock.monotonic() >= deadline:
            return False
        time.sleep(_PULSE_STEP)  # a FIFO tells nobody that it was read


def _pid(holder: Path) -> int:
    text = _read(holder)
    return int(text) if text.isdecimal() else 0


def _read(holder: Path) -> str:
    try:
        return read_file(holder).decode("ascii").strip() or "?"
    except (OSError, StoreError, UnicodeDecodeError):
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
