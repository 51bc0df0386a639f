"""The fork server: imports the handlers once and forks workers from there.

One a generation of code, started with exec by the daemon. Server and workers are killed by
the kernel when their parent dies; the server reaps the workers, so it alone knows their
pids to be theirs, and it ends what a dead worker leaves behind.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
from collections.abc import Iterator
from resource import struct_rusage

import msgspec

from jobctl.clock import SystemClock
from jobctl.errors import HandlerError
from jobctl.runtime import declaring, handlers
from jobctl.runtime.channel import (
    Broken,
    Channel,
    Exited,
    Fork,
    Forked,
    Kill,
    Ready,
    Setup,
    Unforked,
    decode_to_server,
)
from jobctl.runtime.estate import EVERY, Estate
from jobctl.runtime.forked import load, run_worker
from jobctl.runtime.oom import OomCount
from jobctl.runtime.process import adopt_orphans, children, die_with_parent
from jobctl.runtime.slots import Slots


class ForkServer:
    """The state of the server process."""

    def __init__(self, control: Channel, slots: Slots, slots_fd: int) -> None:
        self._control = control
        self._slots = slots
        self._slots_fd = slots_fd
        self._workers: dict[int, int] = {}  # pid -> slot
        self._spared: set[int] = set()  # orphans of workers that left in order
        self._condemned: set[int] = set()  # orphans that are being killed
        self._unsaid: list[Exited] = []  # deaths to tell when no orphan is left of them
        self._setup: Setup | None = None
        self._estate = Estate("", 0)
        self._fresh = False
        self._clock = SystemClock()
        self._oom = OomCount()
        self._wake_r, self._wake_w = socket.socketpair()

    def serve(self) -> None:
        """Serve the daemon until it goes."""
        for end in (self._wake_r, self._wake_w):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake_w.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector = selectors.DefaultSelector()
        selector.register(self._control.sock, selectors.EVENT_READ, self._on_message)
        selector.register(self._wake_r, selectors.EVENT_READ, self._on_child)
        try:
            while all(key.data() for key, _ in selector.select(self._patience())):
                self._estate.limit(self._workers, self._clock.monotonic())
        except (BrokenPipeError, ConnectionResetError):
            pass  # the daemon has gone; the kernel ends the workers with this process

    def _on_message(self) -> bool:
        received = self._control.receive()
        if received is None:
            return False
        body, fds = received
        message = decode_to_server(body)
        if isinstance(message, Setup):
            self._load(message)
        elif isinstance(message, Fork):
            self._fork(message.slot, fds[0])
        elif message.pid in self._workers:
            self._kill(message)
        return True

    def _patience(self) -> float | None:
        return EVERY if self._workers else None

    def _load(self, setup: Setup) -> None:
        self._setup = setup
        self._estate = Estate(setup.files, setup.max_log)
        try:
            load(setup)
            described, schedules = handlers.describe(), declaring.declared()
            if any(about["async"] for about in described.values()):
                import jobctl.runtime.sharing  # noqa: F401 - once here, not 50 ms in each worker
        except HandlerError as err:
            self._control.send(Broken(str(err)))
            return
        # A thread that the import left running does not exist in a forked child, but the
        # locks that it held do: then each worker imports for itself.
        self._fresh = len(os.listdir("/proc/self/task")) > 1
        self._control.send(Ready(described, self._fresh, schedules))

    def _fork(self, slot: int, fd: int) -> None:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as err:
            os.close(fd)
            self._control.send(Unforked(slot, str(err)))
            return
        if pid == 0:
            self._become_worker(parent, slot, fd)
        os.close(fd)
        self._workers[pid] = slot
        self._control.send(Forked(slot, pid))

    def _become_worker(self, parent: int, slot: int, fd: int) -> None:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if self._fresh:
                assert self._setup is not None
                memfd = os.memfd_create("setup", 0)
                os.write(memfd, msgspec.json.encode(self._setup))
                for inherited in (fd, self._slots_fd):
                    os.set_inheritable(inherited, True)
                numbers = (parent, slot, fd, self._slots_fd, self._slots.count, memfd)
                code = "from jobctl.runtime.forked import fresh_worker; fresh_worker()"
                os.execv(
                    sys.executable,
                    [sys.executable, "-P", "-c", code, *(str(number) for number in numbers)],
                )
            for own in (self._control.sock, self._wake_r, self._wake_w):
                own.close()
            assert self._setup is not None
            run_worker(parent, slot, fd, self._slots, self._setup)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)

    def _kill(self, message: Kill) -> None:
        try:
            os.kill(message.pid, message.signal)
        except ProcessLookupError:
            pass

    def _on_child(self) -> bool:
        try:
            self._wake_r.recv(4096)
        except BlockingIOError:
            pass
        for pid, status, usage in reap():
            slot = self._workers.pop(pid, None)
            self._spared.discard(pid)
            self._condemned.discard(pid)
            if slot is None:
                continue  # an orphan that came here to die
            news = self._estate.exited(pid, status, usage, self._clock.now())
            news.oom = self._oom.rose() and os.WIFSIGNALED(status)
            if status == 0 and self._slots.begun(slot) is None:
                # It left in order, and may leave something running on purpose.
                self._spared.update(self._orphans())
                self._control.send(news)
            else:
                self._unsaid.append(news)
        if self._unsaid:
            self._end_orphans()
        return True

    def _end_orphans(self) -> None:
        # What a worker leaves that crashed or was killed belongs to the attempt that ended
        # with it: nobody is told of that before it is gone. As one of these dies, its own
        # children come here.
        for pid in self._orphans() - self._condemned:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._condemned.add(pid)
        if not self._condemned:
            for news in self._unsaid:
                self._control.send(news)
            self._unsaid.clear()

    def _orphans(self) -> set[int]:
        return set(children()) - self._workers.keys() - self._spared


def reap() -> Iterator[tuple[int, int, struct_rusage]]:
    """Yield pid, status and rusage of each child that has died."""
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status, usage


def main() -> None:
    """Be the fork server of the daemon that started this process."""
    parent, control_fd, slots_fd, count = (int(word) for word in sys.argv[1:])
    die_with_parent(parent)
    adopt_orphans()
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    sock = socket.socket(fileno=control_fd)
    os.set_inheritable(slots_fd, False)
    ForkServer(Channel(sock), Slots(slots_fd, count), slots_fd).serve()


if __name__ == "__main__":
    main()
