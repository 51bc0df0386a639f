"""Plays a scenario again and again, with the power cut at another of its calls each time.

Run within powercut.NAMESPACE with an Order as its argument; it prints a Report. All is
imported once: each time costs a fork, a mount, and a look at what is left.
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import os
import pkgutil
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path

import msgspec

import jobctl.stores.directory
from tests.crash.cuts import CUTS, Cut
from tests.crash.powercut import Disk
from tests.crash.repertoire import PLAYS
from tests.crash.stepping import State, all_mutants
from tests.crash.tracer import PAGE, Call, Tracee

_SYNCS = ("fsync", "fdatasync")
#: The exit code when there can be no such disk.
UNABLE = 69


class Order(msgspec.Struct, frozen=True):
    """What shall be played, on a disk of which kind, and how its power is cut.

    Only each `step`-th point is tried. With a mutant it ends at the first loss.
    """

    base: str
    kind: str
    play: str
    cuts: list[str]
    step: int = 1
    mutant: str = ""


class Tried(msgspec.Struct):
    """How many points were tried of how many, and what was acknowledged and lost there."""

    points: int = 0
    of: int = 0
    acknowledged: int = 0
    lost: list[str] = msgspec.field(default_factory=list)


class Seen(msgspec.Struct):
    """What a look at a store has found, or what was wrong with it.

    `read_only` is what somebody found who may not write, None if there was nothing to read.
    """

    found: State = msgspec.field(default_factory=dict)
    read_only: State | None = None
    wrong: str | None = None


class Lab:
    """A play on a disk."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.play = PLAYS[order.play]
        self.disk = Disk(Path(order.base), order.kind)
        self.scratch = self.disk.base / "scratch"
        self.before = self.disk.base / "before"
        self.before.mkdir()
        self.play.prepare(self.before, self.scratch)
        self._mutate = all_mutants()[order.mutant] if order.mutant else lambda: None
        self._looks: dict[bytes, Seen] = {}
        self._of = 0

    def report(self) -> dict[str, Tried]:
        """Try all that is ordered; return what came of it, by the name of the cut."""
        report = {}
        for name in self.order.cuts:
            tried = report[name] = Tried()
            points = self.errors() if name == "error" else self.cuts(CUTS[name])
            for where, told in points:
                tried.points += 1
                tried.acknowledged += told.count(b"+")
                wrong = self.judge(told)
                if wrong is not None:
                    tried.lost.append(f"{name} at {where}, told {told.decode()!r}: {wrong}")
                    if self.order.mutant:
                        break
            tried.of = self._of
        return report

    def cuts(self, how: Cut) -> Iterator[tuple[str, bytes]]:
        """Cut the power at each call, and after the last; yield where, and what was told."""
        at, self._of = 1, sys.maxsize
        while at <= self._of:
            tracee = self.begin()
            calls = (one for one in tracee.calls() if how.fits(tracee, one))
            call, count = _go_to(at, calls)
            if call is None:
                assert tracee.code == 0, "it failed by itself"
                self._of = count + 1
            else:
                how.strike(tracee, call)
            yield f"{at}, {call or 'the end'}", self.cut(tracee, how)
            at += self.order.step

    def errors(self) -> Iterator[tuple[str, bytes]]:
        """Let the disk fail at each sync, and cut the power at each call after that."""
        nth, self._of = 1, 0
        while of := (yield from self._after_error(nth)):
            self._of += of
            nth += 1

    def _after_error(self, nth: int) -> Generator[tuple[str, bytes], None, int]:
        at, of = 1, sys.maxsize
        while at <= of:
            tracee = self.begin()
            calls = tracee.calls()
            sync, _ = _go_to(nth, (one for one in calls if one.name in _SYNCS))
            if sync is None:
                tracee.end()
                return 0
            with self.disk.failing():
                tracee.make(sync)
            call, count = _go_to(at, calls)
            if call is None:
                if self.order.step == 1 and count + 1 < at:
                    # Rarely the log was just being written: then XFS fails as a whole, and
                    # there are fewer calls than there were before.
                    self.cut(tracee, CUTS["error"])
                    self.disk.allow_writing()
                    continue
                of = count + 1
            where = f"{at}, {call or 'the end'}, after an error of the {nth}. sync"
            yield where, self.cut(tracee, CUTS["error"])
            at += self.order.step
        return of

    def begin(self) -> Tracee:
        """Begin the play on the disk as it was before."""
        folder = self.disk.put(self.before)

        def action(tell: Callable[[bytes], object]) -> None:
            self._mutate()
            self.play.run(folder, tell)

        return Tracee(action, folder)

    def cut(self, tracee: Tracee, how: Cut) -> bytes:
        """Cut the power; return what was told by then. The disk is there again, read-only."""
        if how.late:
            self.disk.sync()
        self.disk.cut(how.mode)
        told = tracee.end()
        self.disk.come_back()
        return told

    def judge(self, told: bytes) -> str | None:
        """Return what is wrong with what the disk has, which can be written from then on."""
        # The same bytes get the same judgement: after most cuts the disk has what it had
        # after one before.
        digest = _digest(self.disk.mount)
        seen = self._looks.get(digest)
        if seen is None:
            look = _in_a_child(self.look_read_only)
            self.disk.allow_writing()
            shutil.rmtree(self.scratch, ignore_errors=True)
            shutil.copytree(self.disk.mount, self.scratch)
            seen = look if look.wrong else _in_a_child(self.look)
            seen.read_only = look.read_only
            self._looks[digest] = seen
        else:
            self.disk.allow_writing()
        allowed = self.play.allowed(told)
        if seen.wrong:
            return seen.wrong
        if seen.found not in allowed:
            return f"it holds {seen.found} and not {allowed}"
        if (seen.read_only or {}) != seen.found:
            return f"who may only read sees {seen.read_only}, others {seen.found}"
        return None

    def look_read_only(self) -> Seen:
        """Look at what is there on a disk that cannot be written."""
        self._mutate()
        return Seen(read_only=self.play.look_read_only(self.disk.mount))

    def look(self) -> Seen:
        """Look at what is there, and at whether it goes on."""
        self._mutate()
        return Seen(self.play.look(self.disk.mount, self.scratch))


def _go_to(nth: int, calls: Iterable[Call]) -> tuple[Call | None, int]:
    """Go on to the nth of these calls; return it, None if there are fewer, and how many."""
    count = 0
    for call in calls:
        count += 1
        if count == nth:
            return call, count
    return None, count


def _digest(folder: Path) -> bytes:
    """Return what tells two disks apart.

    Who held a lock last is none of it, nor is the process in the name of a draft, nor are
    the random numbers at the beginning of a write-ahead log that holds not a single page.
    """
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        found.update(b"\0%b\0" % re.sub(rb"restoring-\d+", b"", os.fsencode(path)))
        if path.is_file() and path.parent.name != "locks":
            text = path.read_bytes()
            if path.name.endswith("-wal") and len(text) < PAGE:
                text = b"%d" % len(text)
            found.update(hashlib.sha256(text).digest())
    return found.digest()


def _in_a_child(look: Callable[[], Seen]) -> Seen:
    """Let a process look that ends then: it may be changed, and leaves nothing open."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            seen = look()
        except (AttributeError, NameError, TypeError):  # of a mutant that does not fit any more
            traceback.print_exc()
            os._exit(1)
        except BaseException:  # whatever it is, it is wrong
            seen = Seen(wrong=traceback.format_exc())
        with os.fdopen(theirs, "wb") as file:
            file.write(msgspec.json.encode(seen))
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as file:
        text = file.read()
    assert os.waitpid(pid, 0)[1] == 0, "the look itself failed"
    return msgspec.json.decode(text, type=Seen)


def main() -> None:
    for module in pkgutil.iter_modules(jobctl.stores.directory.__path__):
        importlib.import_module(f"jobctl.stores.directory.{module.name}")
    importlib.import_module("ctypes")
    order = msgspec.json.decode(sys.argv[1], type=Order)
    try:
        lab = Lab(order)
    except OSError as err:
        if err.errno != errno.ENODEV:
            raise
        print(f"this kernel does not know {order.kind}", file=sys.stderr)
        sys.exit(UNABLE)
    sys.stdout.buffer.write(msgspec.json.encode(lab.report()))


if __name__ == "__main__":
    main()
