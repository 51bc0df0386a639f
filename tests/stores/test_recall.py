"""What a writer remembers of the index is what stands there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.core.job import Job
from jobctl.stores.directory.index import Index
from jobctl.stores.directory.rows import Position, micros
from tests.helpers import after, make_job

PLACE = (1, 0, 100)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Index, Index]]:
    """Two connections to one index."""
    pair = Index(tmp_path / "index", "one"), Index(tmp_path / "index", "one")
    pair[0].begin()
    pair[0].reset()
    pair[0].commit()
    yield pair
    for each in pair:
        each.close()


def late(n: int) -> Job[object]:
    return make_job(f"j{n}", seq=n, run_at=after(n), after=("a",) if n == 1 else ())


def answers(index: Index) -> list[object]:
    """Return all that is remembered."""
    position = index.position()
    assert position is not None
    return [index.next_due(), index.any_waits(), index.top(), index.stopping(), position.offset]


EMPTY: list[object] = [None, False, 0, [], 0]
#: After `late(1)` was folded in.
ONE: list[object] = [None, True, 1, [], 100]


def fold(index: Index) -> None:
    index.fold([(make_job("a", seq=0), PLACE), (late(1), PLACE)])
    index.set_position(Position(1, 100, "", 100))


def test_what_was_asked_is_not_asked_again(pair: tuple[Index, Index]) -> None:
    asked: list[str] = []
    index = pair[0]
    index._db.set_trace_callback(asked.append)
    for _ in range(3):
        index.begin()
        assert answers(index) == EMPTY
        index.commit()
    assert sum("SELECT" in one for one in asked) == 5


def test_what_others_write_counts(pair: tuple[Index, Index]) -> None:
    index, other = pair
    index.begin()
    assert answers(index) == EMPTY
    index.commit()
    other.begin()
    fold(other)
    other.commit()
    index.begin()
    assert answers(index) == ONE
    index.commit()


def test_what_it_writes_itself_counts(pair: tuple[Index, Index]) -> None:
    index = pair[0]
    index.begin()
    assert answers(index) == EMPTY
    fold(index)
    assert answers(index) == ONE
    index.execute("UPDATE jobs SET ready=2 WHERE seq=1")
    assert index.next_due() == micros(after(1))
    index.execute("UPDATE jobs SET ready=3 WHERE seq=1")
    assert index.stopping() == ["j1"]
    index.commit()


def test_what_is_rolled_back_does_not(pair: tuple[Index, Index]) -> None:
    index = pair[0]
    index.begin()
    fold(index)
    assert answers(index) == ONE
    index.rollback()
    index.begin()
    assert answers(index) == EMPTY
    index.commit()


def test_a_reader_remembers_nothing(pair: tuple[Index, Index]) -> None:
    index, other = pair
    index.begin()
    assert answers(index) == EMPTY
    index.commit()
    index.look()
    assert answers(index) == EMPTY
    index.rest()
    other.begin()
    fold(other)
    other.commit()
    index.look()
    assert answers(index) == ONE
