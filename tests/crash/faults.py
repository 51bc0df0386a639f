"""What may go wrong at a step of a scenario, and what has to hold then."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.crash.playing import Point, Rehearsal, Tally
from tests.crash.stage import Played, Torn

#: What the system may say of each call. Those that only look fail with their disk.
_WRITING = ("EIO", "ENOSPC", "EDQUOT", "EFBIG", "EINTR")
_NAMING = ("EIO", "ENOSPC", "EDQUOT")
ERRORS: dict[str, tuple[str, ...]] = {
    "write": _WRITING,
    "pwrite64": _WRITING,
    "fallocate": _WRITING,
    "ftruncate": ("EIO", "EFBIG", "EINTR"),
    "fdatasync": (*_NAMING, "EINTR"),
    "fsync": (*_NAMING, "EINTR"),
    "openat": (*_NAMING, "EINTR"),
    "rename": _NAMING,
    "link": _NAMING,
    "mkdir": _NAMING,
    "unlink": ("EIO",),
    "rmdir": ("EIO",),
    "chmod": ("EIO",),
    "read": ("EIO", "EINTR"),
    "pread64": ("EIO", "EINTR"),
    "newfstatat": ("EIO",),
    "fstat": ("EIO",),
    "getdents64": ("EIO",),
    "lseek": ("EIO",),
    "statfs": ("EIO",),
}
FULL = ("ENOSPC", "EDQUOT", "EFBIG")


class Failing(NamedTuple):
    """A call that fails with an error."""

    point: Point
    error: str

    def __str__(self) -> str:
        return f"{self.point} {self.error}"


def errors(points: Iterable[Point]) -> Iterator[Failing]:
    """Yield all that the system may say at these calls."""
    for point in points:
        for error in ERRORS.get(point.call, ()):
            if not (error == "EINTR" and point.folder):  # which nothing interrupts
                yield Failing(point, error)


class Short(NamedTuple):
    """A write of which only the first bytes are written."""

    nth: int
    length: int
    target: str


def _writes(points: list[Point]) -> Iterator[Point]:
    # SQLite has calls of its own, so these are all of Python's.
    return (point for point in points if point.call == "write" and point.returned > 1)


def torn(points: list[Point]) -> list[Short]:
    """Return all places within the writes, to the byte."""
    return [Short(p.nth, n, p.target) for p in _writes(points) for n in range(1, p.returned)]


def parts(points: list[Point]) -> list[Short]:
    """Return of each write its beginning, its middle and where only its end is missing."""
    return [
        Short(p.nth, n, p.target)
        for p in _writes(points)
        for n in (1, p.returned // 2, p.returned - 1)
    ]


def sizes(rehearsal: Rehearsal) -> range:
    """Return what the first segment may grow to: from not at all to all that is written."""
    there = (rehearsal.before / "journal" / "00000001.jsonl").stat().st_size
    return range(there, there + rehearsal.written + 1)


def kill(rehearsal: Rehearsal, point: Point, tally: Tally) -> None:
    """SIGKILL at a call: what was acknowledged is there, and perhaps what was under way."""
    played, _ = rehearsal.inject(point, "signal=SIGKILL")
    if not played.killed:
        tally.wrong.append(f"{point}: nothing was killed")
    _look(rehearsal, played, str(point), tally, under_way=1)


def fail(rehearsal: Rehearsal, fault: Failing, tally: Tally) -> None:
    """An error of a call: the right exception and nothing written, or all is well."""
    played, trace = rehearsal.inject(fault.point, f"error={fault.error}")
    if "(INJECTED)" not in trace:
        tally.wrong.append(f"{fault}: nothing was injected")
    _judge(rehearsal, played, fault, tally)
    _look(rehearsal, played, str(fault), tally)


def _judge(rehearsal: Rehearsal, played: Played, fault: Failing, tally: Tally) -> None:
    if played.error is None:
        # After a failed fdatasync nobody knows what is on the disk, whatever the next one says.
        if fault.point.call == "fdatasync" and fault.error != "EINTR":
            if re.fullmatch(r"journal/\d+\.jsonl", fault.point.target) and fault.point.appended:
                tally.wrong.append(f"{fault}: acknowledged in spite of it")
        return
    if fault.error == "EINTR":
        tally.wrong.append(f"{fault}: not tried again: {played.error[-1]}")
    wanted = {"StoreFull" if fault.error in FULL else "StoreUnwritable"}
    if fault.point.target.startswith("index.sqlite"):
        wanted |= {"StoreUnwritable"}  # SQLite does not say what the system has said
    if not wanted & set(played.error):
        tally.wrong.append(f"{fault}: not {wanted}: {played.error[-1]}")
    seen = rehearsal.expected[played.acknowledged]
    if played.seen is not None and played.seen != seen:
        tally.wrong.append(f"{fault}: the process sees {played.seen}, not {seen}")


def commanded(rehearsal: Rehearsal, fault: Failing, tally: Tally) -> None:
    """An error of a call of a command: exit code 5 and a line or two, or all is well."""
    played, trace = rehearsal.inject(fault.point, f"error={fault.error}")
    if "(INJECTED)" not in trace:
        tally.wrong.append(f"{fault}: nothing was injected")
    said = played.err.splitlines()
    if played.code not in (0, 5) or len(said) > 2 or "Traceback" in played.err:
        tally.wrong.append(f"{fault}: exit code {played.code}: {played.err}")
    if played.code == 5 and not any(line.startswith("jobctl: ") for line in said):
        tally.wrong.append(f"{fault}: it does not say what is wrong: {played.err}")
    _look(rehearsal, played, str(fault), tally)


def short(rehearsal: Rehearsal, fault: Short, tally: Tally) -> None:
    """A write that writes less than it should: the rest follows, or the call fails."""
    played = rehearsal.play(torn=Torn(fault.nth, fault.length, "go on"))
    if played.error is not None and "StoreError" not in played.error:
        tally.wrong.append(f"{fault}: {played.error[-1]}")
    _look(rehearsal, played, str(fault), tally)


def break_off(rehearsal: Rehearsal, fault: Short, tally: Tally) -> None:
    """There is room for a part of a write only: the call fails, and nothing of it is there."""
    played = rehearsal.play(torn=Torn(fault.nth, fault.length, "fail"))
    # Without room for another segment the old one goes on.
    unharmed = played.error is None and fault.target.endswith(".new")
    if not unharmed and "StoreFull" not in (played.error or ()):
        tally.wrong.append(f"{fault}: {played.error}")
    _look(rehearsal, played, str(fault), tally)


def tear(rehearsal: Rehearsal, fault: Short, tally: Tally) -> None:
    """A kill in the middle of a write: half of it counts for nothing."""
    played = rehearsal.play(torn=Torn(fault.nth, fault.length, "kill"))
    if not played.killed:
        tally.wrong.append(f"{fault}: nothing was killed")
    _look(rehearsal, played, str(fault), tally)


def limit(rehearsal: Rehearsal, size: int, tally: Tally) -> None:
    """No file may be larger (RLIMIT_FSIZE): writes are cut short, and then fail."""
    played = rehearsal.play(fsize=size)
    if played.error is not None and "StoreFull" not in played.error:
        tally.wrong.append(f"limit {size}: {played.error[-1]}")
    _look(rehearsal, played, f"limit {size}", tally)


def _look(
    rehearsal: Rehearsal, played: Played, where: str, tally: Tally, under_way: int = 0
) -> None:
    done = played.acknowledged
    tally.acknowledged += done
    allowed = rehearsal.expected[done : done + 1 + under_way]
    if played.again == "":
        allowed = [{**one, "again": ("pending", 1)} for one in allowed]
    wrong = rehearsal.check(allowed)
    if wrong is not None:
        tally.wrong.append(f"{where}: {wrong}")
