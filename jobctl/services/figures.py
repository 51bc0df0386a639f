"""Figures: how many attempts ended in which way and how long they took, by name and time.

The daemon counts as it goes; nobody reads a job for them. The minute that it is in stands in
figures/minute.json, written anew every few seconds; when it is over it is appended to
figures/DAY.jsonl, a line for each name. Nothing of this is ever synced: after a power cut a
plot has a gap.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from jobctl.core.job import Job, Outcome, Status
from jobctl.core.unreadable import UNREADABLE
from jobctl.services.whole import read_whole, write_whole

#: The upper bounds of the durations that are told apart, in seconds; longer ones are one more.
BOUNDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 1800.0,
)  # fmt: skip
#: Days for which the files are kept.
DAYS = 8
_COMPLETED = Outcome.COMPLETED


class Tally(msgspec.Struct, omit_defaults=True):
    """What was counted: jobs that completed and that are dead now, attempts that went wrong
    and come again, attempts that were cancelled.

    `took` counts the attempts that completed by their durations (the place in BOUNDS),
    `seconds` is the sum of these.
    """

    completed: int = 0
    failed: int = 0
    retried: int = 0
    cancelled: int = 0
    seconds: float = 0.0
    took: dict[int, int] = {}

    def count(self, job: Job[object]) -> None:
        """Count the attempt of a job that has just ended."""
        attempt = job.history[-1]
        if attempt.outcome is _COMPLETED:
            self.completed += 1
            if attempt.started_at is not None and attempt.finished_at is not None:
                seconds = (attempt.finished_at - attempt.started_at).total_seconds()
                place = bisect_left(BOUNDS, seconds)
                self.took[place] = self.took.get(place, 0) + 1
                self.seconds += seconds
        elif job.status is Status.FAILED:
            self.failed += 1
        elif job.status is Status.CANCELLED:
            self.cancelled += 1
        elif attempt.outcome in (Outcome.ERROR, Outcome.TIMEOUT, Outcome.CRASHED, Outcome.LOST):
            self.retried += 1

    def add(self, other: Tally) -> None:
        """Add what another one has counted."""
        self.completed += other.completed
        self.failed += other.failed
        self.retried += other.retried
        self.cancelled += other.cancelled
        self.seconds += other.seconds
        for place, count in other.took.items():
            self.took[place] = self.took.get(place, 0) + count

    def quantile(self, share: float) -> float | None:
        """Return about how many seconds this share of the attempts took at most."""
        wanted = share * sum(self.took.values())
        if not wanted:
            return None
        passed = 0
        for place in sorted(self.took):
            count = self.took[place]
            if passed + count >= wanted and place < len(BOUNDS):
                low = BOUNDS[place - 1] if place else 0.0
                return low + (BOUNDS[place] - low) * (wanted - passed) / count
            passed += count
        return BOUNDS[-1]


class Minute(msgspec.Struct):
    """What was counted in a minute, by name; it began `at` (seconds since 1970)."""

    at: int
    tallies: dict[str, Tally] = {}


class Line(msgspec.Struct):
    """One line of a day's file: what was counted of a name in the minute that began `at`."""

    at: int
    name: str
    tally: Tally


_MINUTE = "minute.json"
#: Bytes at the end of a day's file in which its last minute stands.
_TAIL = 1 << 20
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


def folder_in(files: Path) -> Path:
    """Return the folder of the figures, in a store's folder of files."""
    return files / "figures"


def write(folder: Path, minute: Minute) -> None:
    """Write down the minute that is not over yet. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    write_whole(folder / _MINUTE, minute)


def append(folder: Path, minute: Minute) -> None:
    """Append a minute that is over to the file of its day. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    lines = [_encode(Line(minute.at, name, tally)) for name, tally in minute.tallies.items()]
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(folder / _day(minute.at), flags, 0o600)
    try:
        # Begun anew, in case the last line of an earlier daemon is no whole one.
        os.write(fd, b"\n" + b"\n".join(lines) + b"\n")
    finally:
        os.close(fd)


def unfinished(folder: Path) -> Minute | None:
    """Return the minute that stands in no day's file yet, None if there is none."""
    found = read_whole(folder / _MINUTE, Minute)
    if found is None:
        return None
    try:
        with (folder / _day(found.at)).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            tail = file.read()
    except OSError:
        return found
    return None if b'{"at":%d,' % found.at in tail else found


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}.jsonl"


def forget(folder: Path, now: datetime) -> None:
    """Remove the files that are too old. Raises OSError."""
    oldest = _day((now - timedelta(days=DAYS)).timestamp())
    for path in folder.glob("*.jsonl"):
        if path.name < oldest:
            path.unlink(missing_ok=True)


class Follower:
    """Reads the files of a folder, and later what has been added."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, int] = {}
        self._last: int | None = None
        self._minute: Minute | None = None

    def lines(self) -> Iterator[Line]:
        """Yield the lines that have come since the last time, the oldest first."""
        # Before the files: it may be appended meanwhile, and must not be missed.
        self._minute = read_whole(self._folder / _MINUTE, Minute)
        for path in sorted(self._folder.glob("*.jsonl")):
            start = self._read.get(path.name, 0)
            try:
                with path.open("rb") as file:
                    file.seek(start)
                    content = file.read()
            except OSError:
                continue
            whole, newline, _ = content.rpartition(b"\n")
            self._read[path.name] = start + len(whole) + len(newline)
            for line in whole.splitlines():
                try:
                    found = _decode(line)
                except UNREADABLE:
                    continue  # blank, or cut off by a crash
                self._last = found.at
                yield found

    def minute(self) -> Minute | None:
        """Return the minute that was in none of the lines yet, if there was one."""
        found = self._minute
        return None if found is None or found.at == self._last else found
