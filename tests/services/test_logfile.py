"""Logs as files: what is kept of a long one, and what an attempt's end is."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobctl.services import logfile, spool
from jobctl.services.spool import Begun
from tests.helpers import NOON, after

HEADER = logfile.header(1, NOON)


def finished(folder: Path, content: bytes, limit: int) -> bytes:
    path = folder / "a.log"
    path.write_bytes(content)
    logfile.finish(str(path), limit)
    return path.read_bytes() if path.exists() else b"gone"


def test_a_long_log_keeps_both_ends_between_lines(tmp_path: Path) -> None:
    lines = b"".join(b"%06d\n" % n for n in range(10_000))
    kept = finished(tmp_path, lines, 10_000)
    head, _, rest = kept.partition(b"--- ")
    mark, _, tail = rest.partition(b" ---\n")
    assert lines.startswith(head)
    assert lines.endswith(tail)
    assert (head[-1:], tail[6:7]) == (b"\n", b"\n")
    assert mark == b"%d bytes left out" % (len(lines) - len(head) - len(tail))
    again = finished(tmp_path, kept + b"x" * 20_000, 10_000)
    assert again.startswith(head + b"--- ")
    assert again.count(b"bytes left out") == 1
    assert again.endswith(b"x" * 5_000)


def test_a_line_that_is_too_long_is_cut_and_not_left_out(tmp_path: Path) -> None:
    kept = finished(tmp_path, b"h\n" + b"a" * 60_000 + b"\n" + b"b" * 20_000, 50_000)
    assert kept.startswith(b"h\n" + b"a" * 24_998 + b"\n--- ")
    assert kept.endswith(b" ---\n" + b"a" * 4_999 + b"\n" + b"b" * 20_000)


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (HEADER, b"gone"),
        (HEADER + b"x\n" + HEADER, HEADER + b"x\n"),
        (HEADER + b"x", HEADER + b"x"),
        (b"", b"gone"),
    ],
)
def test_an_attempt_that_wrote_nothing_leaves_no_header(
    tmp_path: Path, content: bytes, kept: bytes
) -> None:
    assert finished(tmp_path, content, 1000) == kept


def test_the_tail_is_that_of_the_last_attempt(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(HEADER + b"old\n" + logfile.header(2, NOON) + b"\xff new\n\nlast")
    assert logfile.tail(path) == ("\ufffd new", "", "last")
    path.write_bytes(b"".join(b"%d\n" % n for n in range(30)))
    assert logfile.tail(path) == tuple(str(n) for n in range(10, 30))
    assert logfile.tail(tmp_path / "none") is None


def test_what_a_spool_says_is_read_back(tmp_path: Path) -> None:
    import mmap
    import os

    fd = spool.create(str(tmp_path), 7)
    assert os.fstat(fd).st_blocks > 0  # on a full disk a hole would be a SIGBUS
    begun = Begun("x" * 128, 3, after(0.5), 1.25, 1 << 40, 99)
    with mmap.mmap(fd, spool.START) as head:
        spool.say(head, begun)
    os.write(fd, b"printed\n")
    os.close(fd)
    assert spool.unpack((tmp_path / ".spools/7").read_bytes()) == begun
    (tmp_path / ".spools/other").touch()
    (tmp_path / ".spools/8").touch()
    [left] = spool.recover_all(str(tmp_path), 1000).values()
    assert left == (begun, ("printed",))
    assert not (tmp_path / ".spools/7").exists()
    assert spool.recover_all(str(tmp_path), 1000) == {}
