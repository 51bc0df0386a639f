"""Scenarios played over and over, each time with another fault, and what came of them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import pytest

from jobctl.stores.directory.layout import _file_system
from jobctl.stores.directory.store import DirectoryStore
from tests.crash.results import record
from tests.crash.stage import Check, Checked, Play, Played
from tests.crash.stepping import State, copy, models, prepare, state
from tests.crash.store_steps import BEFORE_COMMANDS, COMMANDS
from tests.helpers import ROOT

A = TypeVar("A")

#: The calls that change what is on the disk, or who may.
CHANGES = (
    "openat,write,pwrite64,ftruncate,fallocate,fdatasync,fsync,rename,link,unlink,mkdir,rmdir,"
    "chmod,flock,fcntl"
)
#: Those that only look, but may fail.
LOOKS = "read,pread64,newfstatat,fstat,getdents64,lseek,statfs"
#: What a trace says of one: its name, where it went, what it returned.
_CALL = re.compile(r"^(\w+)\((.*?)\) += (-?\w+)", re.MULTILINE)


class Point(NamedTuple):
    """The nth call of its kind in a scenario, what it is about, and what it returned.

    `appended` says of an fdatasync that it follows a write to the same file.
    """

    call: str
    nth: int
    target: str
    returned: int
    folder: bool = False
    appended: bool = False

    def __str__(self) -> str:
        return f"{self.call} {self.nth} ({self.target})"


class Player:
    """A stage to play scenarios on, in the order in which they are asked for."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.stage"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def play(self, request: Play) -> Played:
        """Play a scenario; what it leaves stands at its path."""
        return self._ask(request, Played)

    def check(self, request: Check) -> str | None:
        """Return what is wrong with a store, None if nothing is."""
        return self._ask(request, Checked).wrong

    def _ask(self, request: Play | Check, answer: type[A]) -> A:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(request) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the stage has collapsed"
        return msgspec.json.decode(line, type=answer)

    def close(self) -> None:
        """End it."""
        self._process.communicate()


@dataclass
class Tally:
    """What came of a fault at many points."""

    points: int = 0
    acknowledged: int = 0
    wrong: list[str] = field(default_factory=list)

    def __iadd__(self, other: Tally) -> Tally:
        self.points += other.points
        self.acknowledged += other.acknowledged
        self.wrong += other.wrong
        return self


class Rehearsal:
    """A scenario, or a command line, that has been played once, undisturbed, on its store.

    `expected` is what the store holds after each acknowledged step, first before all of
    them; `points` are the calls on the store, in their order.
    """

    def __init__(
        self,
        player: Player,
        folder: Path,
        scenario: str,
        monkeypatch: pytest.MonkeyPatch,
        mutant: str = "",
    ) -> None:
        self._player = player
        self.command = COMMANDS.get(scenario)
        self.scenario = BEFORE_COMMANDS if self.command else scenario
        self.mutant = mutant
        self.before = folder / "before"
        # In a folder of its own: what is done to that belongs to the store as well.
        self._stage = folder / "stage"
        self._stage.mkdir()
        self.victim = self._stage / "victim"
        self._log = folder / "trace"
        with monkeypatch.context() as patch:
            prepare(self.before, self.scenario, patch)
            self.expected = models(self.before, folder / "model", self.scenario)
        self.play()  # Python reads files, too, when something is played for the first time
        played = self.play(strace=[f"-etrace={CHANGES},{LOOKS}"])
        if self.command:
            self.expected[1:] = [state_of(self.victim)]
        if not mutant:
            assert played.error is None, played.error
            assert played.acknowledged == len(self.expected) - 1
        self.points = list(self._points(self._log.read_text()))

    @property
    def written(self) -> int:
        """How many bytes go into segments of the journal."""
        calls = (point for point in self.points if point.call == "write")
        return sum(point.returned for point in calls if point.target.startswith("journal/"))

    def play(self, *, strace: list[str] | None = None, **faults: object) -> Played:
        """Play it on a fresh copy of the store."""
        copy(self.before, self.victim)
        argv = self.command and ["--store", str(self.victim), *self.command]
        request = {
            "path": str(self.victim),
            "scenario": self.scenario,
            "mutant": self.mutant,
            "strace": strace,
            "log": str(self._log),
            "argv": argv,
            "type": "Play",
            **faults,
        }
        return self._player.play(msgspec.convert(request, Play))

    def inject(self, point: Point, what: str) -> tuple[Played, str]:
        """Play it, and let something strike at a point; return what the trace says, too."""
        # Others of the kind have to be counted, so only those are looked at.
        strike = f"-einject={point.call}:{what}:when={point.nth}"
        played = self.play(strace=[f"-etrace={point.call}", strike])
        return played, self._log.read_text()

    def check(self, allowed: list[State]) -> str | None:
        """Return what is wrong with the store that was left, None if nothing is."""
        return self._player.check(Check(str(self.victim), self.scenario, allowed, self.mutant))

    def _points(self, trace: str) -> Iterator[Point]:
        seen: Counter[str] = Counter()
        stage = str(self._stage)
        written = ""
        for call, arguments, returned in _CALL.findall(trace):
            seen[call] += 1
            if stage in arguments:
                target = arguments.rpartition(stage)[2].strip("/")
                target = re.split(r'[">]', target)[0].removeprefix("victim").strip("/")
                value = int(returned) if returned.lstrip("-").isdigit() else 0
                folder, appended = "O_DIRECTORY" in arguments, target == written
                yield Point(call, seen[call], target, value, folder, appended)
                written = target if call == "write" else ""


def state_of(path: Path) -> State:
    """Return what the store at `path` holds."""
    store = DirectoryStore(path)
    try:
        return state(store)
    finally:
        store.close()


def some(points: Iterable[A], step: int) -> list[A]:
    """Return each step-th of them, the first ones passed over, and at least one."""
    found = list(points)
    return found[step // 2 :: step] or found[-1:]


Strike = Callable[[Rehearsal, A, Tally], None]


def at_each(
    rehearsal: Rehearsal, points: Iterable[A], strike: Strike[A], *, patient: bool = True
) -> Tally:
    """Let a fault strike at each point; without `patient` only until something is wrong."""
    tally = Tally()
    for point in points:
        tally.points += 1
        strike(rehearsal, point, tally)
        if tally.wrong and not patient:
            break
    return tally


def conclude(
    fault: str, operation: str, tally: Tally, of: int, ground: Path, *, kind: str = ""
) -> None:
    """Write down what came of it, and fail if anything is wrong.

    `kind` is the kind of file system, by default that of `ground`.
    """
    record(
        fault,
        operation,
        where=kind or _file_system(ground),
        points=tally.points,
        of=of,
        acknowledged=tally.acknowledged,
        lost=len(tally.wrong),
    )
    assert not tally.wrong, "\n".join(tally.wrong[:5])
