"""A full disk: adds are refused before they write, and what runs can still end (P8)."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.core.job import Ending, Options, Outcome, Status, cancel, finish
from jobctl.core.store import AnyJob
from jobctl.errors import StoreFull, StoreUnwritable
from jobctl.stores.directory import index, journal, room
from jobctl.stores.directory.doctor import examine
from jobctl.stores.directory.store import DirectoryStore
from tests.disks import fill, mounted, remount
from tests.helpers import NOON, claim, ids, make_job, put, there
from tests.stores.tools import drop_index, picture, rebuilt, segment


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 512 KiB."""
    with mounted(tmp_path / "disk", "size=512k") as path:
        yield path


def settle(store: DirectoryStore, *jobs: AnyJob, size: int = 3000) -> None:
    ending = Ending(Outcome.COMPLETED, NOON, result="r" * size)
    with store.transaction() as tx:
        assert tx.settle([finish(job, ending, Options()) for job in jobs]) == []


def add_until_full(store: DirectoryStore, size: int = 500) -> list[str]:
    """Add jobs until one is refused; return those that were not."""
    added: list[str] = []
    while True:
        try:
            put(store, make_job(f"j{len(added)}", data="x" * size))
        except StoreFull:
            return added
        added.append(f"j{len(added)}")
        assert len(added) < 5000


@pytest.mark.root
@pytest.mark.parametrize("index", ["there", "gone"])
def test_what_runs_ends_on_a_full_disk(index: str, disk: Path) -> None:
    path = disk / "store"
    store = DirectoryStore(path)
    store.keep_room(64 << 10)
    put(store, *(make_job(f"r{n}") for n in range(8)))
    running = claim(store, 8)
    if index == "gone":
        store.close()
        drop_index(path)
    fill(disk)
    added = add_until_full(store)
    size = segment(path).stat().st_size
    with pytest.raises(StoreFull, match="free some space"):
        put(store, make_job("refused", data="x" * 500))
    assert segment(path).stat().st_size == size, "it was refused before it was written"
    for job in running:
        settle(store, job)
    store.close()
    (disk / "filler").unlink()
    store = DirectoryStore(path)
    assert {job.id for job in store.list(status=Status.COMPLETED)} == {
        f"r{n}" for n in range(8)
    }
    assert sorted(ids(store.list(status=Status.PENDING, limit=5000))) == sorted(added)
    found = picture(store)
    put(store, make_job("taken"))
    store.close()
    assert examine(path, NOON).findings == []
    assert rebuilt(path)["stats"].completed == found["stats"].completed


def test_room_that_another_writer_has_cut_off_is_taken_again(tmp_path: Path) -> None:
    """He leaves the size as it was, so that only the blocks tell."""
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("a"))
    path = segment(tmp_path / "store")
    taken = path.stat().st_blocks
    os.truncate(path, path.stat().st_size)
    assert path.stat().st_blocks < taken, (
        "this file system keeps no room: the test says nothing"
    )
    put(store, make_job("b"))
    assert path.stat().st_blocks * 512 >= path.stat().st_size + room.LEAST
    store.close()


@pytest.mark.root
def test_no_jobs_are_claimed_without_room_for_how_they_end(disk: Path) -> None:
    store = DirectoryStore(disk / "store")
    put(store, make_job("a"), make_job("b"))
    [job] = claim(store)
    filler = fill(disk)
    store.keep_room(2 << 20)
    with pytest.raises(StoreFull):
        claim(store)
    assert there(store, "b").status is Status.PENDING
    settle(store, job)
    store.keep_room(0)
    filler.unlink()
    assert ids(claim(store)) == ["b"]
    store.close()


def cancelled_one(store: DirectoryStore, job_id: str) -> bool:
    """Cancel a job; return whether there was room for it."""
    job = there(store, job_id)
    try:
        with store.transaction() as tx:
            tx.save(cancel(job, NOON))
    except StoreFull:
        return False
    return True


@pytest.mark.root
def test_others_leave_half_of_the_room(disk: Path) -> None:
    store = DirectoryStore(disk / "store")
    store.keep_room(64 << 10)
    put(store, *(make_job(f"c{n}", data="x" * 2000) for n in range(40)))
    claimed = claim(store, 10)
    fill(disk)
    add_until_full(store)
    cancelled = sum(cancelled_one(store, f"c{n}") for n in range(10, 40))
    assert 5 < cancelled < 30
    settle(store, *claimed, size=100)
    assert store.stats().cancelled == cancelled
    assert store.stats().completed == 10
    store.close()


@pytest.mark.root
def test_a_full_segment_goes_on_until_there_is_room_for_another(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_SIZE", 8000)
    path = disk / "store"
    store = DirectoryStore(path)
    store.keep_room(48 << 10)
    put(store, *(make_job(f"r{n}", data="x" * 700) for n in range(8)))
    running = claim(store, 8)
    filler = fill(disk)
    before = store.journal.segments()
    for job in running:
        settle(store, job)
    assert store.journal.segments() == before
    assert not list((path / "journal").glob("*.new"))
    filler.unlink()
    put(store, make_job("next"))
    assert len(store.journal.segments()) == len(before) + 1
    assert store.stats().completed == 8
    store.close()


@pytest.mark.root
def test_no_inodes(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=1m,nr_inodes=14") as disk:
        store = DirectoryStore(disk / "store")
        put(store, make_job("a"), make_job("b"))
        [job] = claim(store)
        for n in range(14):
            try:
                (disk / f"f{n}").touch()
            except OSError:
                break
        put(store, make_job("c"))
        settle(store, job)
        assert ids(claim(store, 5)) == ["b", "c"]
        store.close()
        drop_index(disk / "store")
        for n in range(20, 30):
            try:
                (disk / f"f{n}").touch()
            except OSError:
                break
        store = DirectoryStore(disk / "store")
        # There can be no index: it is read, written and ended all the same.
        assert sorted(ids(store.list())) == ["a", "b", "c"]
        put(store, make_job("d"))
        settle(store, there(store, "b"))
        assert there(store, "b").status is Status.COMPLETED
        with pytest.raises(StoreFull):
            claim(store)
        store.close()


@pytest.mark.root
def test_a_disk_that_becomes_read_only(disk: Path) -> None:
    path = disk / "store"
    store = DirectoryStore(path)
    put(store, make_job("a"), make_job("b"))
    [job] = claim(store)
    store.close()
    remount(disk, "ro")
    store = DirectoryStore(path)
    assert sorted(ids(store.list())) == ["a", "b"]
    with pytest.raises(StoreUnwritable, match="Read-only file system"):
        put(store, make_job("c"))
    with pytest.raises(StoreUnwritable, match="Read-only file system"):
        settle(store, job)
    assert examine(path, NOON).findings == []
    remount(disk, "rw")
    settle(store, job)
    put(store, make_job("c"))
    assert store.stats().completed == 1
    store.close()


@pytest.mark.root
def test_a_read_only_disk_after_a_power_cut(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite would wait ten seconds, at each question, for somebody to write the index."""
    path = disk / "store"
    store = DirectoryStore(path)
    put(store, make_job("a"), make_job("b"))
    claim(store)
    wal = Path(f"{path}/index.sqlite-wal")
    head = wal.read_bytes()[:32]
    store.close()
    # Such is left: the head of the log was synced, and nothing else of it.
    wal.write_bytes(head)
    Path(f"{path}/index.sqlite-shm").write_bytes(bytes(3))
    for left in (wal, Path(f"{path}/index.sqlite-shm")):
        left.chmod(0o600)
    remount(disk, "ro")
    opened: list[Path | None] = []

    class Watched(index.Index):
        def __init__(self, path: Path | None, store_id: str) -> None:
            opened.append(path)
            super().__init__(path, store_id)

    monkeypatch.setattr(index, "Index", Watched)
    store = DirectoryStore(path)
    assert sorted(ids(store.list())) == ["a", "b"]
    assert store.stats().running == 1
    assert opened
    assert not any(opened), "the index on the disk was opened"
    store.close()
    remount(disk, "rw")
    put(store, make_job("c"))
    assert sorted(ids(store.list())) == ["a", "b", "c"]
    assert any(opened)
    store.close()


def test_room_is_asked_for_once_in_thousands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    real = room._allocate

    def counted(fd: int, offset: int, length: int) -> int:
        calls.append(length)
        return real(fd, offset, length)

    monkeypatch.setattr(room, "_allocate", counted)
    path = tmp_path / "store"
    store = DirectoryStore(path)
    for n in range(1500):
        put(store, make_job(f"j{n}"))
    assert len(calls) == 1
    # Another process finds what the first has asked for.
    other = DirectoryStore(path)
    put(other, make_job("other"))
    assert len(calls) == 1
    assert segment(path).stat().st_blocks * 512 >= segment(path).stat().st_size + room.LEAST
    store.close()
    other.close()


def test_a_segment_that_takes_no_more_gives_its_room_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_SIZE", 3000)
    path = tmp_path / "store"
    store = DirectoryStore(path)
    for n in range(20):
        put(store, make_job(f"j{n}"))
    segments = store.journal.segments()
    assert len(segments) > 2
    for number in segments[:-1]:
        info = segment(path, number).stat()
        assert info.st_blocks * 512 < info.st_size + 8192
    assert segment(path, segments[-1]).stat().st_blocks * 512 > room.STEP // 2
    store.close()
    assert len(rebuilt(path)["jobs"]) == 20


def test_a_file_system_that_cannot_do_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_allocate", lambda *_: errno.EOPNOTSUPP)
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("a"))
    assert ids(claim(store)) == ["a"]
    store.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_what_the_system_says_when_there_is_none(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("a"))
    size = segment(tmp_path / "store").stat().st_size
    store.keep_room(8 << 20)
    with monkeypatch.context() as patch:
        patch.setattr(room, "_allocate", lambda *_: code)
        with pytest.raises(StoreFull, match=os.strerror(code)):
            put(store, make_job("b"))
    assert segment(tmp_path / "store").stat().st_size == size
    put(store, make_job("b"))
    store.close()


@pytest.mark.root
def test_a_disk_on_which_an_index_finds_no_room(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=64k") as disk:
        path = disk / "store"
        store = DirectoryStore(path)
        added = add_until_full(store)
        assert len(added) > 10
        assert cancelled_one(store, added[0])
        with pytest.raises(StoreFull, match="free some space"):
            claim(store)
        store.close()
        store = DirectoryStore(path)
        assert sorted(ids(store.list(limit=5000))) == sorted(added)
        assert there(store, added[0]).status is Status.CANCELLED
        store.close()
        assert examine(path, NOON).findings == []
        remount(disk, "size=1m")
        store = DirectoryStore(path)
        assert ids(claim(store)) == [added[1]]
        store.close()
    assert not any((tmp_path / "disk").iterdir())
