"""What one daemon leaves for the next: which processes were its own, and what they were at."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from jobctl.errors import StoreBusy
from jobctl.runtime.process import (
    Process,
    all_pids,
    boot_id,
    has_environment,
    identify,
    kill_all,
    pid_space,
    session,
)
from jobctl.runtime.slots import Slots
from jobctl.services.whole import read_whole, write_whole

#: Set in the environment of all processes of a daemon and inherited by what they start.
VARIABLE = "JOBCTL_FAMILY"


class Record(msgspec.Struct):
    """family.json. It is never synced: it is about processes, and they die with the machine."""

    boot: str
    id: str
    members: list[tuple[int, int]]
    begun: set[str] = set()  # by an earlier family, whose jobs nobody has recovered yet
    home: str = ""  # where its pids mean something; unknown of one that an older jobctl wrote


class Family:
    """The processes of one daemon, written down as they come."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "family.json"
        self.slots_path = folder / "family.slots"
        self._members: dict[int, Process] = {}
        self._begun: set[str] = set()
        self.id = os.urandom(10).hex()

    def end_previous(self) -> set[str]:
        """End what an earlier daemon left running; return the jobs that had begun there.

        The caller holds the seat, so that daemon is dead. After a reboot nothing of it
        runs, and nobody's handler is to blame: then none have begun. In a copy of the store, or
        in another container, its pids are those of others: nobody is ended there. What had
        begun is remembered until `recovered` is called, in case this daemon dies or is stopped
        before that.

        Raises StoreBusy if one of its processes cannot be ended.
        """
        record = read_whole(self._path, Record)
        if record is None:
            return set()
        if record.boot != boot_id():
            return set()
        left = _end(record) if record.home in ("", self._home()) else []
        if left:
            raise StoreBusy(
                f"process {left[0].pid} of the daemon before cannot be ended, and may still be "
                "at one of its jobs: end it first"
            )
        self._begun = record.begun | Slots.read_begun(self.slots_path)
        return self._begun

    def recovered(self) -> None:
        """Forget what earlier daemons had begun."""
        self._begun = set()
        self.write()

    def add(self, pid: int) -> None:
        """Write down a process."""
        process = identify(pid)
        if process is not None:
            self._members[pid] = process
            self._rewrite()

    def remove(self, pid: int) -> None:
        """Cross out a process that was reaped."""
        if self._members.pop(pid, None) is not None:
            self._rewrite()

    def end_members(self) -> None:
        """End everybody: the server has died, and the kernel kills its workers meanwhile."""
        _end(self._record())
        self._members.clear()
        self._rewrite()

    def clear(self) -> None:
        """Leave nothing for the next daemon: this one ended in order."""
        self.slots_path.unlink(missing_ok=True)
        if self._begun:
            self._members.clear()
            self._rewrite()
        else:
            self._path.unlink(missing_ok=True)

    def _rewrite(self) -> None:
        # A full disk must not stop the daemon: the processes are known by their
        # environment too, and the first record, with the name of the family, is there.
        with suppress(OSError):
            self.write()

    def write(self) -> None:
        """Write family.json anew. Raises OSError."""
        write_whole(self._path, self._record())

    def _record(self) -> Record:
        members = [(process.pid, process.start) for process in self._members.values()]
        return Record(boot_id(), self.id, members, self._begun, self._home())

    def _home(self) -> str:
        """Return what a copy of the folder does not share, nor another container."""
        info = os.stat(self._folder)
        return f"{info.st_dev}:{info.st_ino} {pid_space()}"


def _end(record: Record) -> list[Process]:
    """Kill all of a family, and return those that do not die."""
    rounds = 5
    # Again until there is nobody new: a process may start another as it is found.
    stubborn: list[Process] = []
    while rounds:
        left = list(_left(record))
        if not left:
            return []
        kill_all(left)
        if left == stubborn:
            rounds -= 1
        stubborn = left
    return stubborn


def _left(record: Record) -> Iterable[Process]:
    setting = f"{VARIABLE}={record.id}".encode()
    members = dict(record.members)
    for pid in all_pids():
        if pid == os.getpid():
            continue
        process = identify(pid)
        if process is None:
            continue
        leader = session(pid)
        if (
            members.get(pid) == process.start
            or (leader in members and _is_old(leader, members))
            or has_environment(pid, setting)
        ):
            yield process


def _is_old(leader: int, members: dict[int, int]) -> bool:
    """Return whether a session is still that of the member, not of a later namesake."""
    now = identify(leader)
    return now is None or now.start == members[leader]
