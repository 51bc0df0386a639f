"""Records that move while they are read, and an index that leads to those of others."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobctl.core.note import TICK, Note
from jobctl.core.store import Stats
from jobctl.errors import StoreCorrupt
from jobctl.stores.directory import journal
from jobctl.stores.directory.index import Index
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, claim, ids, make_job, put


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def moving(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A function that moves all that counts into another segment, and removes the old one."""
    monkeypatch.setattr(journal, "SEGMENT_SIZE", 3000)
    store = DirectoryStore(path)
    with store.transaction() as tx:
        tx.put(Note(TICK, "one", NOON, {"n": 1}))
        tx.add([make_job("a"), make_job("gone", data="x" * 3000)])
    put(store, make_job("b"))
    with store.transaction() as tx:
        job = tx.get("gone")
        assert job is not None
        tx.delete(job)

    def move() -> None:
        before = store.journal.segments()
        while store.maintain():
            pass
        assert store.journal.segments()[0] > before[0]

    yield move
    store.close()


def test_what_moves_between_a_look_into_the_index_and_the_journal(
    moving: Callable[[], None], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(path)
    moved: list[int] = []

    def then_move(found: Any) -> Any:
        if not moved:
            moved.append(1)
            moving()
        return found

    def question(index: Index) -> Any:
        return then_move([found[0] for one in "ab" if (found := index.get(one))])

    assert ids(store._reader.jobs(question)) == ["a", "b"]
    store.close()


def test_a_job_that_moves_as_it_is_read(
    moving: Callable[[], None], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(path)
    real = Index.get
    moved: list[int] = []

    def get(self: Index, job_id: str) -> Any:
        found = real(self, job_id)
        if not moved:
            moved.append(1)
            moving()
        return found

    monkeypatch.setattr(Index, "get", get)
    assert store.get("a") is not None
    store.close()


def test_notes_that_move_as_they_are_read(moving: Callable[[], None], path: Path) -> None:
    store = DirectoryStore(path)
    moved: list[int] = []

    def question(index: Index) -> Any:
        places = index.note_places(TICK, "", newest=False, limit=None)
        if not moved:
            moved.append(1)
            moving()
        return places

    assert [note.value for note in store._reader.notes(question)] == [{"n": 1}]
    store.close()


def test_the_record_of_another_is_never_taken_for_ones_own(path: Path) -> None:
    """As an index may lead to it that was made from other bytes of the same length."""
    store = DirectoryStore(path)
    put(store, make_job("a"), make_job("b"))
    assert store.stats().total == 2
    store.close()
    with sqlite3.connect(path / "index.sqlite") as db:
        db.execute(
            "UPDATE jobs SET (offset, length) = (SELECT offset, length FROM jobs WHERE id='b') "
            "WHERE id='a'"
        )
    db.close()
    store = DirectoryStore(path)
    assert ids(store.list()) == ["b"]
    assert store.get("b") is not None
    with pytest.raises(StoreCorrupt, match="job a"):
        store.get("a")
    with pytest.raises(StoreCorrupt, match="job a"), store.transaction() as tx:
        tx.get("a")
    assert ids(claim(store, 5)) == ["b"]
    assert store.stats() == Stats(running=1)
    store.close()
