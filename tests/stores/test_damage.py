"""A journal with other bytes than were written: nothing wrong is taken for right (P7).

Whatever is done to the bytes, a job shows a state that it once had; jobs whose lines are
whole show their newest; the store can be written; and after a repair `doctor` finds nothing,
and all that can be read is there.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobctl.core.job import Job, Status
from jobctl.core.note import TICK, Note
from jobctl.stores.directory import journal, lines
from jobctl.stores.directory.doctor import examine
from jobctl.stores.directory.repair import repair
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, claim, ids, make_job, put
from tests.stores.tools import drop_index, live_a_little, picture, records, segment

AnyJob = Job[Any]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The segments of a store with a life behind it, by name."""
    path = tmp_path_factory.mktemp("whole") / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "SEGMENT_SIZE", 6000)
        store = DirectoryStore(path)
        live_a_little(store)
        with store.transaction() as tx:
            tx.put(Note(TICK, "one", NOON, {"n": 1}))
        put(store, make_job("last", tags=("x",)))
        store.close()
    files = {file.name: file.read_bytes() for file in (path / "journal").iterdir()}
    return files | {"store.json": (path / "store.json").read_bytes()}


def made(path: Path, files: dict[str, bytes]) -> Path:
    """Write a store with these segments, without an index."""
    (path / "journal").mkdir(parents=True)
    path.chmod(0o700)
    for name, text in files.items():
        (path / name if name == "store.json" else path / "journal" / name).write_bytes(text)
    return path


class Past:
    """All states that jobs have had, and those that can still be read."""

    def __init__(self, whole: dict[str, bytes], now: dict[str, bytes]) -> None:
        self.states: dict[str, list[AnyJob]] = {}
        for job in self._jobs(whole):
            self.states.setdefault(job.id, []).append(job)
        self.newest: dict[str, AnyJob] = {}
        self.deleted = self._deleted(whole)
        for job in self._jobs(now):
            known = self.newest.get(job.id)
            if known is None or (known.seq, known.rev) < (job.seq, job.rev):
                self.newest[job.id] = job

    def _lines(self, files: dict[str, bytes]) -> list[bytes]:
        texts = [files[name] for name in sorted(files) if name.endswith(".jsonl")]
        found = [line + b"\n" for text in texts for line in text.split(b"\n")]
        return [line for line in found if len(line) > 20 and lines.intact(line)]

    def _jobs(self, files: dict[str, bytes]) -> list[AnyJob]:
        found = [line for line in self._lines(files) if line.startswith(b'{"kind":"job"')]
        return [lines.decode_job(line) for line in found]

    def _deleted(self, files: dict[str, bytes]) -> set[tuple[str, int]]:
        found = [lines.read_entry(line) for line in self._lines(files)]
        return {(one.id, one.seq) for one in found if one and one.kind == "tombstone"}


def check(path: Path, past: Past) -> None:
    """Look at a damaged store, write to it, repair it, and look again."""
    store = DirectoryStore(path)
    for job in picture(store)["jobs"]:
        assert job in past.states[job.id], "a state that it never had"
    store.close()
    result = repair(path, NOON)
    assert result.left == []
    assert examine(path, NOON).findings == []
    store = DirectoryStore(path)
    put(store, make_job("new"))
    after = {job.id: job for job in picture(store)["jobs"]}
    for job_id, newest in past.newest.items():
        if (job_id, newest.seq) in past.deleted:
            continue  # it may be back if the line that deleted it is lost
        job = after[job_id]
        if job.seq != newest.seq:
            # The line that deleted the first job of that id is damaged: a second add of a known
            # id never replaces a record.
            assert (job_id, job.seq) in past.deleted
        elif job != newest:
            assert (job.status, job.rev) == (Status.CANCELLED, newest.rev + 1)
            assert job.error is not None
            assert job.error.type == "RecordLost"
            assert newest.status in (Status.PENDING, Status.RUNNING)
    assert "new" in ids(claim(store, 1000))
    store.close()
    drop_index(path)
    assert examine(path, NOON).findings == []


#: Of each kind of damage so many are tried; `make crash-test` tries more.
SEEDS = range(30 if os.environ.get("JOBCTL_FULL") else 8)
Change = Callable[[bytearray, random.Random], None]


def zeros(text: bytearray, luck: random.Random) -> None:
    at = luck.randrange(len(text))
    size = min(luck.choice((1, 16, 512, 4096)), len(text) - at)
    text[at : at + size] = bytes(size)


def noise(text: bytearray, luck: random.Random) -> None:
    at = luck.randrange(len(text))
    size = min(luck.choice((1, 16, 512, 4096)), len(text) - at)
    text[at : at + size] = luck.randbytes(size)


def hole(text: bytearray, luck: random.Random) -> None:
    at = luck.randrange(len(text))
    del text[at : at + luck.choice((1, 16, 512, 4096))]


def insert(text: bytearray, luck: random.Random) -> None:
    at = luck.randrange(len(text))
    text[at:at] = luck.choice(
        (
            b"\n",
            b"\n\n\n",
            b"{}\n",
            b"\0" * 600,
            b'{"kind":"job","id":"a1"}\n',
            b"\xff\n",
            b"\r\n",
        )
    )


def double(text: bytearray, luck: random.Random) -> None:
    found = text.split(b"\n")[:-1]
    line = luck.choice(found)
    at = sum(len(one) + 1 for one in found[: luck.randrange(len(found) + 1)])
    text[at:at] = line + b"\n"


def swap(text: bytearray, luck: random.Random) -> None:
    found = text.split(b"\n")[:-1]
    one, other = luck.randrange(len(found)), luck.randrange(len(found))
    found[one], found[other] = found[other], found[one]
    text[:] = b"\n".join(found) + b"\n"


def cut(text: bytearray, luck: random.Random) -> None:
    del text[luck.randrange(len(text)) :]


def empty(text: bytearray, luck: random.Random) -> None:
    text.clear()


CHANGES = (zeros, noise, hole, insert, double, swap, cut, empty)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("seed", SEEDS)
def test_any_damage(change: Change, seed: int, whole: dict[str, bytes], tmp_path: Path) -> None:
    luck = random.Random(seed)
    files = dict(whole)
    for _ in range(1 + seed % 3):
        name = luck.choice([name for name in files if name.endswith(".jsonl")])
        text = bytearray(files[name])
        if text:
            change(text, luck)
        files[name] = bytes(text)
    check(made(tmp_path / "store", files), Past(whole, files))


@pytest.mark.parametrize("which", ["segment", "job", "tick", "tombstone"])
def test_every_bit_of_a_line(
    which: str, whole: dict[str, bytes], tmp_path: Path, full_size: bool
) -> None:
    """Of a header, a record, a note, a tombstone: a flipped bit never makes another one."""
    path = made(tmp_path / "store", whole)
    store = DirectoryStore(path)
    before = picture(store)
    ticks = store.notes(TICK)
    store.close()
    name, at, line = next(
        (name, text.index(line), line)
        for name, text in sorted(whole.items())
        for line in text.splitlines(keepends=True)
        if line.startswith(b'{"kind":"%b"' % which.encode())
    )
    file = path / "journal" / name
    known = {job.id: job for job in before["jobs"]}
    past = Past(whole, whole)
    # By default of each byte two bits, one after the other.
    for n, offset in enumerate(range(at, at + len(line))):
        for bit in range(8) if full_size else (n % 8, (n + 3) % 8):
            text = bytearray(whole[name])
            text[offset] ^= 1 << bit
            file.write_bytes(text)
            drop_index(path)
            store = DirectoryStore(path)
            jobs = store.list(limit=1000)
            assert all(job in past.states[job.id] for job in jobs)
            assert store.stats().total == len(jobs)
            assert store.notes(TICK) in (ticks, [])
            if which == "segment" and offset < at + len(line) - 1:
                assert {job.id: job for job in jobs} == known
            store.close()


def test_every_length(whole: dict[str, bytes], tmp_path: Path, full_size: bool) -> None:
    """A segment that ends anywhere: whole transactions count, and the next add is taken."""
    path = made(tmp_path / "store", whole)
    name = max(name for name in whole if name.endswith(".jsonl"))
    text = whole[name]
    past = Past(whole, whole)
    store = DirectoryStore(path)
    known = len(store.list(limit=1000))
    store.close()
    step = 1 if full_size else 31
    for size in [*range(0, len(text), step), *range(len(text) - 40, len(text) + 1)]:
        (path / "journal" / name).write_bytes(text[:size])
        for left in (path / "journal").iterdir():
            if left.name > name:
                left.unlink()
        drop_index(path)
        store = DirectoryStore(path)
        jobs = store.list(limit=1000)
        assert all(job in past.states[job.id] for job in jobs)
        put(store, make_job("new"))
        assert len(store.list(limit=1000)) == len(jobs) + 1 <= known + 1
        store.close()
    assert len(jobs) == known


def test_the_index_of_another_moment(whole: dict[str, bytes], tmp_path: Path) -> None:
    """One that is older, of another store, or ahead is brought up to date, or made anew."""
    path = made(tmp_path / "store", whole)
    store = DirectoryStore(path)
    store.stats()
    store.close()
    old = (path / "index.sqlite").read_bytes()
    store = DirectoryStore(path)
    put(store, make_job("later"))
    before = picture(store)
    store.close()
    ahead = (path / "index.sqlite").read_bytes()
    other = DirectoryStore(tmp_path / "other")
    put(other, make_job("foreign"))
    other.stats()
    other.close()
    foreign = (tmp_path / "other" / "index.sqlite").read_bytes()
    for index in (old, foreign, b"", old[:3000], os.urandom(5000)):
        drop_index(path)
        (path / "index.sqlite").write_bytes(index)
        store = DirectoryStore(path)
        assert picture(store) == before
        store.close()
    cut_off = made(tmp_path / "cut", whole)
    (cut_off / "index.sqlite").write_bytes(ahead)
    store = DirectoryStore(cut_off)
    put(store, make_job("instead"))
    assert "later" not in ids(store.list(limit=1000))
    assert "instead" in ids(store.list(limit=1000))
    picture(store)
    store.close()
    assert records(cut_off)[0] == records(path)[0]
    assert segment(cut_off).exists()
