"""Two who add at once, one with the write lock and one who waits: one is struck.

The one who waits has posted what he adds, and the other one adds it with his own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from jobctl.core.job import Job
from jobctl.errors import StoreError
from jobctl.stores.directory.combining import Batch
from jobctl.stores.directory.journal import Journal
from jobctl.stores.directory.store import DirectoryStore
from tests.children import Child
from tests.crash.faults import ERRORS
from tests.crash.playing import _CALL, CHANGES, LOOKS, Tally, conclude, some
from tests.crash.results import record
from tests.crash.stepping import check, copy
from tests.helpers import make_job, put
from tests.stores.posting import Adding, healthy, words

pytestmark = [
    pytest.mark.strace,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]
ROLES = ("who adds for others", "who is added for")


class Fault(NamedTuple):
    """The nth call of its kind, and what strikes there."""

    call: str
    nth: int
    what: str


class Pair:
    """A store, and two who add to it: a process that may be struck, and this one."""

    def __init__(self, ground: Path, role: str) -> None:
        self._holds = role == ROLES[0]
        self._before, self.path = ground / "before", ground / "store"
        self._log = ground / "trace"
        store = DirectoryStore(self._before)
        put(store, make_job("first"))
        store.stats()
        store.close()

    def play(self, *strace: str) -> tuple[bool | None, bool]:
        """Add a job each; return whether theirs was added, None if killed, and whether ours."""
        copy(self._before, self.path)
        child = Child(self._theirs)
        os.waitpid(child.pid, os.WUNTRACED)
        if self._holds:
            adding = Adding(self.path, make_job("ours"))
            self._let_it_post(child)
            with self._traced(child, strace):
                told = child.told()
            return self._said(told), adding.result() is None
        store = DirectoryStore(self.path)
        store.lock.acquire()
        with self._traced(child, strace):
            self._let_it_post(child)
            ours = _add(store, make_job("ours"))
            told = child.told()
        store.close()
        return self._said(told), ours

    def faults(self) -> Iterator[Fault]:
        """Yield all that may strike, in the order of one play."""
        self.play(f"-etrace={CHANGES},{LOOKS}")
        seen: Counter[str] = Counter()
        assert self._log.read_text().count("F_OFD_SETLK") > 0, "they did not meet"
        for call, arguments, _ in _CALL.findall(self._log.read_text()):
            seen[call] += 1
            if str(self.path) in arguments:
                if call in CHANGES.split(","):
                    yield Fault(call, seen[call], "signal=SIGKILL")
                for error in (*ERRORS.get(call, ()), *(("ENOLCK",) if call == "fcntl" else ())):
                    yield Fault(call, seen[call], f"error={error}")

    def strike(self, fault: Fault, tally: Tally) -> None:
        """Let a fault strike, and see what is left."""
        tally.points += 1
        theirs, ours = self.play(
            f"-etrace={fault.call}", f"-einject={fault.call}:{fault.what}:when={fault.nth}"
        )
        tally.acknowledged += bool(theirs) + ours
        there = {"first": ("pending", 1)}
        if ours:
            there["ours"] = ("pending", 1)
        else:
            tally.wrong.append(f"{fault}: the other one was told of an error")
        added = {**there, "theirs": ("pending", 1)}
        try:
            healthy(self.path)
            check(self.path, [added] * (theirs is not False) + [there] * (not theirs), "")
        except AssertionError as err:
            tally.wrong.append(f"{fault}: told {theirs} and {ours}: {err}")

    def _theirs(self) -> bool:
        store = DirectoryStore(self.path)
        if self._holds:
            store.lock.acquire()
        os.kill(os.getpid(), signal.SIGSTOP)
        return _add(store, make_job("theirs"))

    def _let_it_post(self, child: Child) -> None:
        """Wait until something is posted; but a fault may have seen to it that nothing is."""
        deadline = time.monotonic() + 0.5
        while not words(self.path) and time.monotonic() < deadline:
            dead = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if dead is not None:
                break
            time.sleep(0.001)  # a file tells nobody that it was written

    @contextmanager
    def _traced(self, child: Child, strace: tuple[str, ...]) -> Iterator[None]:
        command = ["strace", "-y", "-o", str(self._log), *strace, "-p", str(child.pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            said = tracer.stderr.readline()
            assert "attached" in said, said
            os.kill(child.pid, signal.SIGCONT)
            yield

    def _said(self, told: tuple[bool, object] | None) -> bool | None:
        if told is None:
            return None
        done, what = told
        assert done, what
        return bool(what)


def _add(store: DirectoryStore, job: Job[object]) -> bool:
    try:
        put(store, job)
    except StoreError:
        return False
    return True


@pytest.mark.parametrize("role", ROLES)
def test_all_that_may_strike_one_of_two(role: str, ground: Path, full_size: bool) -> None:
    pair = Pair(ground, role)
    faults = list(pair.faults())
    tally = Tally()
    for fault in some(faults, 1 if full_size else 13):
        pair.strike(fault, tally)
    conclude("pair", role, tally, len(faults), ground)


def answered_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is added for is told before anything is written."""
    real = Batch.take

    def take(self: Batch, segment: int, offset: int) -> list[bytes]:
        texts = real(self, segment, offset)
        self.end(durable=True)
        return texts

    monkeypatch.setattr(Batch, "take", take)


def answered_whatever_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is added for is told that he was, when that has failed."""
    real = Batch.end
    monkeypatch.setattr(Batch, "end", lambda self, *, durable: real(self, durable=True))


def never_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was taken by somebody who has died adds again."""
    monkeypatch.setattr(Journal, "holds", lambda *_: False)


def death_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was taken by somebody who has died believes that he was added."""
    monkeypatch.setattr(Journal, "holds", lambda *_: True)


@pytest.mark.parametrize(
    "mutant", [answered_first, answered_whatever_came_of_it, never_looked, death_believed]
)
def test_a_mutant_is_found_out(
    mutant: Callable[[pytest.MonkeyPatch], None], ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = Pair(ground, ROLES[0])
    faults = [one for one in pair.faults() if one.call in ("write", "fdatasync", "pwrite64")]
    mutant(monkeypatch)
    tally = Tally()
    for fault in faults:
        pair.strike(fault, tally)
    found = int(bool(tally.wrong))
    record("pair", ROLES[0], points=0, of=0, acknowledged=0, lost=0, mutants=(found, 1))
    assert found, f"{mutant.__name__} survived"
