"""What Linux knows of processes: parents, sessions, start times, and how to end them surely."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE")
#: Seconds that a process has to die which was killed.
_PATIENCE = 1.0


class Process(NamedTuple):
    """A process that cannot be mistaken for a later one with the same pid."""

    pid: int
    start: int  # in clock ticks since boot, from /proc/PID/stat


def die_with_parent(parent: int) -> None:
    """Ask to be killed when the parent dies; leave at once if it is dead already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def boot_id() -> str:
    """Return what tells this boot of the machine from every other."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def pid_space() -> str:
    """Return what tells the pids that this process sees from those in another container."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def identify(pid: int) -> Process | None:
    """Return the process with its start time, None if there is none."""
    fields = _stat(pid)
    return Process(pid, int(fields[19])) if fields else None


def session(pid: int) -> int:
    """Return the session of a process, 0 if it is gone."""
    fields = _stat(pid)
    return int(fields[3]) if fields else 0


def resident(pid: int) -> int | None:
    """Return how many bytes of memory a process keeps, None if it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_bytes().split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * _PAGE


def reset_peak() -> None:
    """Let `peak` begin anew, if the kernel allows it."""
    try:
        fd = os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, b"5")  # resets VmHWM (proc(5))
        finally:
            os.close(fd)
    except OSError:
        pass


def peak() -> int | None:
    """Return how many bytes of memory this process kept at most, None if nobody knows."""
    try:
        with open("/proc/self/status", "rb") as file:
            for line in file:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold anything; what follows the last one is fixed (proc(5)).
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields


def all_pids() -> list[int]:
    """Return the pids of all processes that can be seen."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def has_environment(pid: int, setting: bytes) -> bool:
    """Return whether a process was started with NAME=VALUE in its environment."""
    try:
        return setting in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def children() -> list[int]:
    """Return the pids of this process's children."""
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    try:
        return [int(word) for word in path.read_text(encoding="ascii").split()]
    except OSError:
        me = str(os.getpid())
        stats = ((pid, _stat(pid)) for pid in all_pids())
        return [pid for pid, fields in stats if fields and fields[1] == me]


def signal_name(number: int) -> str:
    """Return what a signal is called: `SIGKILL`, or its number if it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def how_it_ended(code: int) -> str:
    """Return how a process ended, of which `code` is the return code in Python."""
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"


def kill_all(processes: Iterable[Process]) -> None:
    """Kill processes, and wait until they are gone; for each a second at most."""
    killed = []
    for process in processes:
        try:
            fd = os.pidfd_open(process.pid)
        except OSError:
            continue
        if identify(process.pid) == process:
            try:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            except OSError:
                pass
            killed.append(fd)
        else:
            os.close(fd)
    for fd in killed:
        select.select([fd], [], [], _PATIENCE)
        os.close(fd)
