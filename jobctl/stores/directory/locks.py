"""The write lock: flock on a file that is never renamed, unlinked or replaced.

flock blocks in the kernel and costs a microsecond; it belongs to the open file, so the
store keeps one mutex for its own threads. The file's text names the holder, how far the
index is known to have come, and the bytes that the daemon wants to be left free for what
runs: "PID SEGMENT OFFSET RESERVE". It is a hint, never synced. Behind it stands what those
who wait would have the holder write: see combining.py.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobctl.clock import SystemClock
from jobctl.errors import StoreBusy, StoreError
from jobctl.stores.directory import forks
from jobctl.stores.directory.layout import open_file, store_error

if TYPE_CHECKING:
    from jobctl.stores.directory.combining import Batch, Post

#: Seconds that a writer waits before it gives up.
PATIENCE = 10.0
#: Seconds of the pauses after which the lock is tried again, before a thread waits for it in
#: the kernel: who adds holds it for about as long as a thread takes to be made.
PAUSES = (0.0, 0.0, 0.0, 0.0, *(100e-6 * 1.5**n for n in range(9)))
#: The same for who has posted what he adds: the next one who adds takes it along.
_LONGER = (*PAUSES, *[PAUSES[-1]] * 8)
#: Seconds between two looks at whether it is done, while a thread waits for the lock.
_LOOK = 5e-3
#: Said to who has handed his jobs over and cannot learn what became of them.
UNSURE = "The jobs of this call may be added all the same: with ids of your own add them again"
WIDTH = 64
_now = SystemClock().monotonic
#: What follows the text: of each slot for adds a word, which is 0 if nobody has posted any.
SLOTS = 16
WORD = 8


class WriteLock:
    """The right to write to a store, for one process at a time."""

    def __init__(
        self, path: Path, patience: float = PATIENCE, store_id: str | None = None
    ) -> None:
        """Name the file. With a `store_id` adds of that store may be handed over."""
        self._path = path
        self._patience = patience
        self._store_id = store_id
        self._fd = -1
        self._signed: bytes | None = None  # what this process wrote last
        #: Where the index had come to, by the last one who said so: segment and offset.
        self.folded = (0, 0)
        #: How many bytes of room the last daemon wanted for what runs.
        self.reserve = 0
        #: Whether others waited to add jobs as the lock was taken.
        self.posted = False
        #: Where adds that were handed over may stand, if who took them has died: a segment and
        #: an offset.
        self.left_at: tuple[int, int] | None = None
        self._post: Post | None = None

    def acquire(
        self, patience: float | None = None, adds: Sequence[bytes] | None = None
    ) -> bool:
        """Wait for the lock; raise StoreBusy, naming the holder, when it takes too long.

        That is after `patience` seconds, by default those of the store. Who has the lock
        meanwhile may add these open lines with his own: then return False, and the lock, if
        it is held by then, is to be released all the same.
        """
        self.left_at = None
        if self._fd < 0:
            try:
                self._fd = open_file(self._path, os.O_RDWR | os.O_CREAT)
            except OSError as err:
                raise store_error(err, self._path) from err
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            patience = self._patience if patience is None else patience
            if adds and self._store_id is not None:
                if self._hand_over(adds, patience):
                    return False
            elif not self._try_again():
                self._wait(patience)
        except OSError as err:
            raise store_error(err, self._path) from err
        try:
            self._sign()
        except OSError as err:
            raise store_error(err, self._path) from err
        return True

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
        if self._post is not None:
            self._post.close()

    def batch(self) -> Batch:
        """Return what others have posted, to be written by the holder."""
        from jobctl.stores.directory.combining import Batch

        return Batch(self._fd, self._store_id or "")

    def note_folded(self, segment: int, offset: int) -> None:
        """Write down how far the index has come. The lock is held."""
        self.folded = (segment, offset)
        self._write()

    def note_reserve(self, size: int) -> None:
        """Write down how many bytes shall be left for what runs. The lock is held."""
        self.reserve = size
        self._write()

    def _hand_over(self, adds: Sequence[bytes], patience: float) -> bool:
        """Wait for the lock, or until these lines are durable; return whether they are."""
        from jobctl.stores.directory.combining import Post

        if self._post is None:
            self._post = Post(self._path, self._store_id or "")
        post = self._post
        try:
            post.put(adds)
            self._wait_with(post, patience)
            accepted = post.accepted()
            if not accepted:
                self.left_at = post.place()
            post.withdraw()
        except BaseException:
            if not post.call_off():
                post.close()
            raise
        return accepted

    def _wait_with(self, post: Post, patience: float) -> None:
        """Wait until the lock is held or the post accepted. Raises as `_wait` does."""
        for last in (False, True):
            if self._try_again(post):
                return
            try:
                self._wait(patience, post)
                return
            except (StoreError, RuntimeError) as err:  # or it was accepted meanwhile
                alone = post.call_off()
                if post.accepted():
                    return
                if alone and post.place() is None:
                    raise
                # If who took it has died, how far he had come can be seen with the lock only;
                # if he stands still, nobody knows. None may be told that it was not added.
                if last or not alone:
                    post.close()
                    raise StoreBusy(f"{err}. {UNSURE}") from err

    def _try_again(self, post: Post | None = None) -> bool:
        """Try for some milliseconds; return whether the lock is held, or the post accepted."""
        for pause in PAUSES if post is None else _LONGER:
            if pause:
                time.sleep(pause)  # nobody tells when it is worth to look
            else:
                os.sched_yield()
            if post is not None and post.accepted():
                return True
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            return True
        return False

    def _wait(self, patience: float, post: Post | None = None) -> None:
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
            if post is None:
                in_time = done.wait(patience)  # a signal's handler may raise here
            else:
                in_time = _done_or_accepted(done, post, patience)
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
        return os.pread(self._fd, WIDTH, 0).decode("ascii", "replace").split(" ")[0] or "?"

    def _sign(self) -> None:
        head = os.pread(self._fd, WIDTH + WORD * SLOTS, 0)
        text, slots = head[:WIDTH], head[WIDTH:]
        self.posted = bool(slots.strip(b"\0"))
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
        self._signed = text.ljust(WIDTH - 1).encode() + b"\n"
        try:
            os.pwrite(self._fd, self._signed, 0)
        except OSError:
            self._signed = None  # a hint: a full disk must not stop a writer here


def _done_or_accepted(done: threading.Event, post: Post, patience: float) -> bool:
    """Wait for either; return whether it is the first of them."""
    until = _now() + patience
    while not post.accepted() and (left := until - _now()) > 0:
        if done.wait(min(left, _LOOK)):
            return True
    return False


def _let_go(fd: int) -> None:
    # Closing is not enough: a process forked meanwhile has the same open file.
    fcntl.flock(fd, fcntl.LOCK_UN)
    forks.waiting.discard(fd)
    os.close(fd)
