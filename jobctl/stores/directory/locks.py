"""The write lock: flock on a file that is never renamed, unlinked or replaced.

flock blocks in the kernel and costs a microsecond; it belongs to the open file, so the
store keeps one mutex for its own threads. The file's text names the holder, how far the
index is known to have come, and the bytes that the daemon wants to be left free for what
runs: "PID SEGMENT OFFSET RESERVE". It is a hint, never synced.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

from jobctl.errors import StoreBusy
from jobctl.stores.directory import forks
from jobctl.stores.directory.layout import open_file, store_error

#: Seconds that a writer waits before it gives up.
PATIENCE = 10.0
#: Seconds of the pauses after which the lock is tried again, before a thread waits for it in
#: the kernel: who adds holds it for about as long as a thread takes to be made.
PAUSES = (0.0, 0.0, 0.0, 0.0, *(100e-6 * 1.5**n for n in range(9)))
_WIDTH = 64


class WriteLock:
    """The right to write to a store, for one process at a time."""

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self._path = path
        self._patience = patience
        self._fd = -1
        self._signed: bytes | None = None  # what this process wrote last
        #: Where the index had come to, by the last one who said so: segment and offset.
        self.folded = (0, 0)
        #: How many bytes of room the last daemon wanted for what runs.
        self.reserve = 0

    def acquire(self, patience: float | None = None) -> None:
        """Wait for the lock; raise StoreBusy, naming the holder, when it takes too long.

        That is after `patience` seconds, by default those of the store.
        """
        if self._fd < 0:
            try:
                self._fd = open_file(self._path, os.O_RDWR | os.O_CREAT)
            except OSError as err:
                raise store_error(err, self._path) from err
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not self._try_again():
                self._wait(self._patience if patience is None else patience)
        except OSError as err:
            raise store_error(err, self._path) from err
        try:
            self._sign()
        except OSError as err:
            raise store_error(err, self._path) from err

    def release(self) -> None:
        """Let the next one write; nothing happens if the lock is not held."""
        if self._fd >= 0:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file; after a fork this leaves the parent's lock alone."""
        if self._fd >= 0:
            forks.waiting.discard(self._fd)
            os.close(self._fd)
            self._fd = -1

    def note_folded(self, segment: int, offset: int) -> None:
        """Write down how far the index has come. The lock is held."""
        self.folded = (segment, offset)
        self._write()

    def note_reserve(self, size: int) -> None:
        """Write down how many bytes shall be left for what runs. The lock is held."""
        self.reserve = size
        self._write()

    def _try_again(self) -> bool:
        for pause in PAUSES:
            if pause:
                time.sleep(pause)  # nobody tells when it is worth to look
            else:
                os.sched_yield()
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            return True
        return False

    def _wait(self, patience: float) -> None:
        # flock knows no time-out and must not be interrupted by signals that belong to the
        # user's program, so a thread waits in the kernel, on an open file of its own, and
        # hands it over. If it comes too late the lock is given back.
        try:
            fd = open_file(self._path, os.O_RDWR)
        except OSError as err:
            raise store_error(err, self._path) from err
        forks.waiting.add(fd)
        handover = threading.Lock()
        done = threading.Event()
        late = False

        def wait() -> None:
            fcntl.flock(fd, fcntl.LOCK_EX)
            with handover:
                done.set()
                if late:
                    _let_go(fd)

        threading.Thread(target=wait, daemon=True, name="jobctl-lock").start()
        in_time = False
        try:
            in_time = done.wait(patience)  # a signal's handler may raise here
        finally:
            with handover:
                late = not in_time
                if late and done.is_set():
                    _let_go(fd)
        if late:
            raise StoreBusy(
                f"the store has been locked for {self._patience:.0f} s by process "
                f"{self.holder()}: see what it does (ps), or end it"
            )
        os.close(self._fd)
        self._fd = fd
        forks.waiting.discard(fd)

    def holder(self) -> str:
        """Return the pid of the process that took the lock last."""
        return os.pread(self._fd, _WIDTH, 0).decode("ascii", "replace").split(" ")[0] or "?"

    def _sign(self) -> None:
        text = os.pread(self._fd, _WIDTH, 0)
        if text == self._signed:
            return  # nobody else has had it since
        words = text.decode("ascii", "replace").split()
        try:
            pid, segment, offset, *more = (int(word) for word in words)
            self.folded, self.reserve = (segment, offset), sum(more)
        except ValueError:
            pid, self.folded, self.reserve = 0, (0, 0), 0
        if pid != os.getpid():
            self._write()

    def _write(self) -> None:
        text = f"{os.getpid()} {self.folded[0]} {self.folded[1]} {self.reserve}"
        self._signed = text.ljust(_WIDTH - 1).encode() + b"\n"
        try:
            os.pwrite(self._fd, self._signed, 0)
        except OSError:
            self._signed = None  # a hint: a full disk must not stop a writer here


def _let_go(fd: int) -> None:
    # Closing is not enough: a process forked meanwhile has the same open file.
    fcntl.flock(fd, fcntl.LOCK_UN)
    forks.waiting.discard(fd)
    os.close(fd)
