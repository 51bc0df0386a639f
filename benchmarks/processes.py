"""Processes of a tool: started, looked at through /proc, and ended with all that they began."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

#: Seconds that anything may take before it counts as stuck.
DEADLINE = 120.0
#: Seconds that a worker has to end when it is asked to.
PATIENCE = 10.0
_TICK = os.sysconf("SC_CLK_TCK")


def until(check: Callable[[], object], what: str, pause: float = 0.002) -> None:
    """Wait until a check holds. Raises TimeoutError, naming what did not come."""
    end = time.monotonic() + DEADLINE
    while not check():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come in {DEADLINE:g} s")
        time.sleep(pause)  # between two looks at what tells nobody


@contextmanager
def running(
    lines: Sequence[Sequence[str]], log: Path, *, gently: bool = False
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run command lines at once, their output in a file; then kill them and all their children.

    `gently` asks them to end first, for what they keep is needed afterwards.
    """
    with log.open("ab") as out:
        started = [
            subprocess.Popen(line, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
            for line in lines
        ]
    try:
        yield started
    finally:
        everybody = family(process.pid for process in started)
        if gently:
            for process in started:
                process.terminate()
            for process in started:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(PATIENCE)
        kill(everybody)
        for process in started:
            process.wait()


def kill(pids: Iterable[int]) -> None:
    """Kill processes; those that are gone are no matter."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def family(roots: Iterable[int]) -> list[int]:
    """Return these processes and all that descend from them."""
    below: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(int(entry))):
            below.setdefault(int(fields[1]), []).append(int(entry))
    found = list(roots)
    for pid in found:
        found += below.get(pid, [])
    return found


def leaves(roots: Iterable[int]) -> list[int]:
    """Return those of a family that have no children: its workers."""
    everybody = family(roots)
    parents = {int(fields[1]) for pid in everybody if (fields := _stat(pid))}
    return [pid for pid in everybody if pid not in parents]


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat behind the name; none if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time that processes have used so far."""
    return sum(sum(int(f) for f in _stat(pid)[11:13]) for pid in pids) / _TICK


def written(pids: Iterable[int]) -> int:
    """Return the bytes that processes have had the kernel send to a disk so far."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/io").read_text()
        except OSError:
            continue
        total += int(text.partition("\nwrite_bytes: ")[2].split()[0])
    return total


def memory(pid: int) -> dict[str, int]:
    """Return Rss, Pss and Own (private) of a process in bytes; all 0 if it is gone."""
    found = {"Rss": 0, "Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, rest = line.partition(":")
        if key in found:
            found[key] = int(rest.split()[0]) * 1024
    return {**found, "Own": found["Private_Clean"] + found["Private_Dirty"]}
