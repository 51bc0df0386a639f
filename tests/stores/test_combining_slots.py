"""The slots in the lock's file, whatever may stand in them: see combining.py."""

from __future__ import annotations

import errno
import fcntl
import os
import random
from pathlib import Path

import pytest

from jobctl.stores.directory import combining
from jobctl.stores.directory.combining import _ANSWERS, Batch, Post
from jobctl.stores.directory.locks import SLOTS, WIDTH, WORD
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import ids, make_job, put
from tests.stores.posting import Adding, body, healthy, held, journal, words


def test_long_lines_are_not_posted(path: Path) -> None:
    store = DirectoryStore(path)
    store.lock.acquire()
    post = Post(path / "locks" / "write.lock", store.store_id)
    post.put([b"x" * 9000])
    assert words(path) == []
    post.put([b"x" * 8000])
    assert len(words(path)) == 1
    assert not post.accepted()
    batch = Batch(store.lock._fd, store.store_id)
    assert len(batch.take(1, 5000)) == 1
    batch.end(durable=True)
    assert post.accepted()
    post.put([b"x" * 9000])
    assert not post.accepted()  # that was another one
    post.close()
    store.close()


def test_an_answer_stays_until_it_is_read(path: Path) -> None:
    store = DirectoryStore(path)
    store.lock.acquire()
    posts = [Post(path / "locks" / "write.lock", store.store_id) for _ in range(3)]
    taken = []
    for n, post in enumerate(posts):
        post.put([b"x"])
        batch = Batch(store.lock._fd, store.store_id)
        taken.append(len(batch.take(1, 5000 + n)))
        batch.end(durable=n != 1)
        batch.let_go()
    assert taken == [1, 1, 2]  # one has failed and was taken again
    assert [post.accepted() for post in posts] == [True] * 3
    assert [post.place() for post in posts] == [None] * 3
    for post in posts:
        post.close()
    store.close()


def test_more_who_wait_than_there_are_slots(path: Path) -> None:
    store, adding = held(path, *(make_job(f"b{n}") for n in range(SLOTS)))
    late = Adding(path, make_job("late"))
    put(store, make_job("a"))
    assert [one.result() for one in (*adding, late)] == [None] * (SLOTS + 1)
    assert sorted(journal(path)) == sorted(ids(store.list()))
    assert len(journal(path)) == SLOTS + 3
    store.close()


def flips() -> list[int]:
    return [WIDTH, WIDTH + WORD - 1, body(0), body(0) + 8, body(0) + 12, body(0) + 40]


@pytest.mark.parametrize("at", flips())
def test_a_damaged_post_is_not_added_for_him(path: Path, at: int) -> None:
    store, (adding,) = held(path, make_job("b"))
    with (path / "locks" / "write.lock").open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x40]))
    put(store, make_job("a"))
    assert adding.result() is None  # he has added it himself
    assert journal(path) == ["first", "a", "b"]
    store.close()
    healthy(path)


@pytest.mark.parametrize("size", [0, 10, WIDTH, WIDTH + 3, WIDTH + WORD * SLOTS, 4096, 5000])
@pytest.mark.parametrize("fill", [False, True])
def test_a_lock_file_of_any_size_and_content(path: Path, size: int, fill: bool) -> None:
    store, (adding,) = held(path, make_job("b"))
    lock = path / "locks" / "write.lock"
    os.truncate(lock, size)
    if fill:
        with lock.open("r+b") as file:
            file.write(random.Random(size).randbytes(70_000))
    put(store, make_job("a"))
    assert adding.result() is None
    put(store, make_job("c"))
    assert journal(path) == ["first", "a", "b", "c"]
    store.close()
    healthy(path)


def test_what_is_meant_for_another_store(path: Path) -> None:
    """After a restore both may have the same lock."""
    store = DirectoryStore(path)
    store.lock.acquire()
    post = Post(path / "locks" / "write.lock", "another")
    post.put([b'{"kind":"job","id":"b","seq":'])
    put(store, make_job("a"))
    assert not post.accepted()
    assert journal(path) == ["first", "a"]
    post.close()
    store.close()


def test_a_file_that_cannot_be_written_to(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DirectoryStore(path)
    store.lock.acquire()
    real = os.pwrite

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        if offset >= WIDTH:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    adding = Adding(path, make_job("b"))
    put(store, make_job("a"))
    assert adding.result() is None
    assert sorted(ids(store.list())) == ["a", "b", "first"]
    store.close()


@pytest.mark.parametrize("nth", [1, 2])
def test_an_answer_that_cannot_be_written(
    path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    """The first says that it is taken, so without it nothing is; the second what came of it."""
    store, (adding,) = held(path, make_job("b"))
    real, calls = os.pwrite, [0]

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        calls[0] += offset == _ANSWERS
        if offset == _ANSWERS and calls[0] == nth:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    put(store, make_job("a"))
    assert adding.result() is None
    assert journal(path) == ["first", "a", "b"]
    store.close()
    healthy(path)


@pytest.mark.parametrize("busy", [True, False])
def test_a_post_that_cannot_be_withdrawn_is_nobodys(
    path: Path, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    """Whether he was not added, or has added himself: nobody adds it later."""
    store, (adding,) = held(path, make_job("b"), patience=0.01 if busy else 60)
    real = os.pwrite

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        if WIDTH <= offset < _ANSWERS and not any(data):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    if not busy:
        store.lock.release()
    adding.join(60)
    assert (adding.error is not None) == busy
    monkeypatch.undo()
    assert len(words(path)) == 1
    put(store, make_job("a"))
    assert journal(path) == (["first", "a"] if busy else ["first", "b", "a"])
    adding.result()
    store.close()


def test_what_a_dead_process_has_left_is_not_his_who_has_its_slot_now(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(path)
    store.lock.acquire()
    dead = Post(path / "locks" / "write.lock", store.store_id)
    dead.put([b"x"])
    dead.close()
    assert len(words(path)) == 1
    taken: list[bytes] = []
    real, looking = combining._lock, [False]

    def lock(fd: int, how: int, kind: int, start: int) -> None:
        """Look as soon as the slot has an owner, and again before he has posted anything."""
        real(fd, how, kind, start)
        if not looking[0] and (start == WIDTH or kind == fcntl.F_UNLCK):
            looking[0] = True
            batch = Batch(store.lock._fd, store.store_id)
            taken.extend(batch.take(1, 5000))
            batch.let_go()
            looking[0] = False

    monkeypatch.setattr(combining, "_lock", lock)
    post = Post(path / "locks" / "write.lock", store.store_id)
    post.put([b"y"])
    assert taken == []
    batch = Batch(store.lock._fd, store.store_id)
    assert [line[:1] for line in batch.take(1, 5000)] == [b"y"]
    batch.let_go()
    post.close()
    store.close()


def test_who_was_accepted_stays_so(path: Path) -> None:
    """He does not have the lock, so he must not go on as if he had."""
    store = DirectoryStore(path)
    store.lock.acquire()
    post = Post(path / "locks" / "write.lock", store.store_id)
    post.put([b"x"])
    batch = Batch(store.lock._fd, store.store_id)
    batch.take(1, 5000)
    batch.end(durable=True)
    batch.let_go()
    assert post.accepted()
    os.truncate(path / "locks" / "write.lock", 0)
    assert post.accepted()
    post.close()
    store.close()
