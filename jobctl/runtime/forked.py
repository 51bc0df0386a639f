"""What a process does on its way from a fork of the server to a worker."""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec

from jobctl.errors import HandlerError
from jobctl.runtime import handlers, loading
from jobctl.runtime.channel import Channel, Setup
from jobctl.runtime.joblog import Output
from jobctl.runtime.process import adopt_orphans, die_with_parent
from jobctl.runtime.slots import Slots
from jobctl.runtime.worker import Worker
from jobctl.services import logfile, progress


def load(setup: Setup) -> None:
    """Import the handlers. Raises HandlerError with the user's traceback."""
    sys.path[:0] = [entry for entry in setup.path if entry not in sys.path]
    os.environ["JOBCTL_IMPORTING"] = "1"  # a queue.start() at the top level must not recurse
    try:
        loading.load(setup.entries, Path(setup.folder))
        for entry in setup.processes:
            name, _, where = entry.partition("=")
            handlers.register_process(name, where, Path(setup.folder))
    finally:
        del os.environ["JOBCTL_IMPORTING"]


def run_worker(parent: int, slot: int, fd: int, slots: Slots, setup: Setup) -> None:
    """Be a worker; never return."""
    own = os.getpid()
    os.setsid()
    die_with_parent(parent)
    adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _offer_to_oom_killer()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # closed, or replaced by the handlers module
            stream.reconfigure(line_buffering=True)
    output = _output(setup)
    folder = progress.folder_in(Path(setup.files)) if setup.files else None
    sock = socket.socket(fileno=fd)
    in_order = False
    try:
        Worker(Channel(sock), slots, slot, setup.max_result, output, folder).serve()
        in_order = True
    except (BrokenPipeError, ConnectionResetError):
        os._exit(1)  # the daemon has gone, and the kernel is about to end this process too
    finally:
        if output is not None and os.getpid() == own:
            output.close(in_order=in_order)  # what went wrong is for the daemon's log
    slots.clear(slot)  # whoever ends without this has crashed, with exit code 0 too
    os._exit(0)


def fresh_worker() -> None:
    """Be a worker that imports the handlers for itself: its server has a thread."""
    parent, slot, fd, slots_fd, count, memfd = (int(word) for word in sys.argv[1:])
    setup = msgspec.json.decode(os.pread(memfd, 1 << 24, 0), type=Setup)
    die_with_parent(parent)
    try:
        load(setup)
    except HandlerError as err:
        print(err, file=sys.stderr)  # noqa: T201 - the daemon's own log is out of reach here
        os._exit(1)
    run_worker(parent, slot, fd, Slots(slots_fd, count), setup)


def _output(setup: Setup) -> Output | None:
    if not setup.files:
        return None
    folder = logfile.folder_in(Path(setup.files))
    try:
        return Output(folder, setup.max_log)
    except OSError as err:
        print(f"jobs print here: {folder}: {err.strerror}", file=sys.stderr)  # noqa: T201 - the daemon's own log is out of reach here
        return None


def _offer_to_oom_killer() -> None:
    # When memory runs out, a handler goes before the daemon does.
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("500")
    except OSError:
        pass
