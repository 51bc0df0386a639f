"""A log that is read while it grows: nothing twice, nothing missing, whatever happens to it."""

from __future__ import annotations

import mmap
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.services import logfile, logread, spool
from jobctl.services.growth import Growth
from jobctl.services.logread import Part
from jobctl.services.spool import Begun
from tests.helpers import after

LIMIT = 20_000
PID = 7


class Writer:
    """Writes the log of job `a` as a worker does, and knows all that was ever written."""

    def __init__(self, files: Path) -> None:
        self.folder = logfile.folder_in(files)
        os.makedirs(self.folder)
        self.path = logfile.path_in(self.folder, "a")
        self.truth = b""
        self.attempt = 0
        self._spool = spool.create(self.folder, PID)
        self._head = mmap.mmap(self._spool, spool.START)
        self._begun = Begun("a", 0, after(0), 0.0, 0)
        self._log = -1

    def begin(self, *, alone: bool, job_id: str = "a") -> None:
        """Begin an attempt, in the spool or in the job's own log."""
        self.attempt += 1
        start = 0
        if alone:
            self._log = logfile.open_log(self.path)
            start = logfile.begin(self._log, self.attempt, after(self.attempt))
            self._head_of_attempt()
        self._begun = Begun(job_id, self.attempt, after(self.attempt), 0.0, 0, start)
        spool.say(self._head, self._begun)

    def write(self, text: bytes) -> None:
        """Write what the job prints."""
        if self._begun.job_id == "a":
            if self._log < 0 and os.fstat(self._spool).st_size == spool.START:
                self._head_of_attempt()
            self.truth += text
        os.write(self._log if self._log >= 0 else self._spool, text)

    def end(self) -> None:
        """End the attempt."""
        if self._log >= 0:
            os.close(self._log)
            self._log = -1
            logfile.finish(self.path, LIMIT)
        if os.fstat(self._spool).st_size > spool.START:
            spool.move(self._spool, self.folder, self._begun, LIMIT)

    def _head_of_attempt(self) -> None:
        glue = b"" if self.truth[-1:] in (b"", b"\n") else b"\n"
        self.truth += glue + logfile.header(self.attempt, after(self.attempt))

    def close(self) -> None:
        self._head.close()
        os.close(self._spool)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = Writer(tmp_path)
    yield made
    made.close()


def more(growth: Growth) -> bytes:
    return b"".join(growth.more())


def test_a_fifo_among_the_spools_holds_nobody_up(tmp_path: Path, writer: Writer) -> None:
    writer.begin(alone=False)
    os.mkfifo(spool.path_of(writer.folder, PID + 1))
    assert spool.workers(tmp_path) == {"a": PID}
    spool.limit_running(writer.folder, PID + 1, LIMIT)


def test_a_spool_is_read_before_and_after_it_is_moved(tmp_path: Path, writer: Writer) -> None:
    growth = Growth(tmp_path, "a")
    assert more(growth) == b""
    writer.begin(alone=False)
    assert more(growth) == b""  # an attempt that has written nothing has no header
    writer.write(b"one\n")
    assert more(growth) == logfile.header(1, after(1)) + b"one\n"
    writer.write(b"two")
    assert more(growth) == b"two"
    writer.end()
    assert more(growth) == b""
    writer.begin(alone=False, job_id="other")
    writer.write(b"of another job\n")
    assert more(growth) == b""
    writer.end()
    writer.begin(alone=True)
    writer.write(b"three\n")
    assert more(growth) == b"\n" + logfile.header(3, after(3)) + b"three\n"
    writer.end()
    assert (
        more(Growth(tmp_path, "a", once=True)) == Path(writer.path).read_bytes() == writer.truth
    )


def test_what_is_being_moved_does_not_come_twice(
    tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the write into the log and the cut of the spool both have it."""
    writer.begin(alone=False)
    early, late = Growth(tmp_path, "a"), Growth(tmp_path, "a")
    writer.write(b"one\n")
    seen = more(early)
    writer.write(b"two\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", lambda fd, size: None)
        writer.end()
    assert os.fstat(writer._spool).st_size > spool.START
    assert seen + more(early) + more(early) == writer.truth
    assert more(late) + more(late) == writer.truth


def test_a_log_that_is_cut_goes_on_where_one_was(tmp_path: Path, writer: Writer) -> None:
    growth = Growth(tmp_path, "a")
    line = b"%0999d\n" % 1
    for _ in range(3):
        writer.begin(alone=True)
        writer.write(line * 15)
        seen = more(growth)
        writer.write(b"not seen yet\n")
        writer.end()
        assert seen.endswith(line)
        assert more(growth) == b"not seen yet\n"
    assert b"bytes left out" in Path(writer.path).read_bytes()
    late = Growth(tmp_path, "a")
    late.skip_to_last(1)
    assert more(late).endswith(b"not seen yet\n")
    writer.begin(alone=True)
    writer.write(line * 15)
    assert more(late) == more(growth)
    writer.write(b"end\n")
    writer.end()
    assert (more(late), more(growth)) == (b"end\n", b"end\n")


def test_a_hole_is_counted_and_passed_over(tmp_path: Path, writer: Writer) -> None:
    growth = Growth(tmp_path, "a")
    writer.begin(alone=True)
    more(growth)
    writer.write(b"x" * 199_999 + b"\n")
    logfile.punch(writer.path, LIMIT)
    seen = more(growth)
    assert seen.count(b"bytes left out") == 1
    assert len(seen) < 40_000
    writer.write(b"last\n")
    assert more(growth) == b"last\n"


def test_what_the_next_job_writes_is_not_taken_for_its_own(
    tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    growth = Growth(tmp_path, "a")
    writer.begin(alone=False)
    writer.write(b"mine\n")
    parts = logread.parts

    def late(fd: int, start: int, size: int) -> Iterator[Part]:
        """Read the spool when the worker is at another job by now."""
        monkeypatch.undo()
        writer.end()
        writer.begin(alone=False, job_id="other")
        writer.write(b"a secret\n")
        yield from parts(fd, start, size)

    monkeypatch.setattr(logread, "parts", late)
    assert more(growth) + more(growth) == logfile.header(1, after(1)) + b"mine\n"


def test_a_file_that_comes_back_is_read_from_its_beginning(
    tmp_path: Path, writer: Writer
) -> None:
    growth = Growth(tmp_path, "a")
    writer.begin(alone=True)
    writer.write(b"one\n")
    whole = more(growth)
    os.rename(writer.path, f"{writer.path}.away")
    assert more(growth) == b""
    os.rename(f"{writer.path}.away", writer.path)
    assert more(growth) == whole


def test_a_log_that_is_deleted_begins_anew(tmp_path: Path, writer: Writer) -> None:
    growth = Growth(tmp_path, "a")
    writer.begin(alone=True)
    writer.write(b"old, and longer\n")
    more(growth)
    os.unlink(writer.path)
    writer.begin(alone=True)
    writer.write(b"new\n")
    assert more(growth) == logfile.header(2, after(2)) + b"new\n"


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_all_is_read_once(tmp_path: Path, writer: Writer, seed: int) -> None:
    """Attempts of both kinds, jobs between them, logs that are cut; looks at any moment.

    Each text is looked at before the next attempt begins, for what was left out before
    anybody looked is gone.
    """
    rng = random.Random(seed)
    growth = Growth(tmp_path, "a")
    seen = b""
    for _ in range(8):
        job_id = rng.choice(["a", "a", "a", "b"])
        writer.begin(alone=job_id == "a" and rng.random() < 0.5, job_id=job_id)
        for _ in range(rng.randrange(1, 5)):
            size = rng.choice([1, 20, 3_000, 9_000])
            lines = [b"%09d\n" % rng.randrange(10**9) for _ in range(size // 10)]
            writer.write(b"".join(lines) + rng.choice([b".\n", b".\n", b"unfinished"]))
            seen += more(growth) if rng.random() < 0.7 else b""
        seen += more(growth)
        if rng.random() < 0.5:
            writer.write(b"the last word\n")
        writer.end()
        seen += more(growth) if rng.random() < 0.7 else b""
    assert seen + more(growth) == writer.truth
