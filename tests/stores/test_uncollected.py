"""Where no garbage is looked for, and from when on it is again."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobctl.stores.directory import fold, lines
from jobctl.stores.directory.index import Index
from jobctl.stores.directory.store import DirectoryStore
from jobctl.stores.directory.uncollected import uncollected
from tests.children import in_child
from tests.helpers import make_job, put
from tests.stores.tools import drop_index


@pytest.fixture(autouse=True)
def _enabled() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()


def test_it_is_looked_for_again_whatever_happens() -> None:
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), uncollected():
        _ = 1 / 0
    assert gc.isenabled()


def test_who_looks_for_none_goes_on_so() -> None:
    gc.disable()
    with uncollected():
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_the_last_one_lets_it_be_looked_for() -> None:
    begun, go_on = threading.Event(), threading.Event()

    @uncollected()
    def other() -> None:
        begun.set()
        go_on.wait()

    thread = threading.Thread(target=other)
    with uncollected():
        thread.start()
        begun.wait()
    meanwhile = gc.isenabled()
    go_on.set()
    thread.join()
    assert not meanwhile
    assert gc.isenabled()


def test_a_child_has_only_itself() -> None:
    with uncollected():
        assert in_child(gc.isenabled)
        assert in_child(lambda: [_meanwhile(), gc.isenabled()]) == [False, True]
    gc.disable()
    with uncollected():
        assert not in_child(gc.isenabled)


def _meanwhile() -> bool:
    with uncollected():
        return gc.isenabled()


@pytest.mark.parametrize("large", [1, 1 << 40])
def test_lines_are_folded_so_and_sqlite_sorts_otherwise(
    large: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That may take seconds, and needs none of it."""
    monkeypatch.setattr(fold, "LARGE", large)
    path = tmp_path / "store"
    with closing(DirectoryStore(path)) as store:
        put(store, *(make_job(f"j{n}") for n in range(9)))
    drop_index(path)
    read, sort = lines.read_entries, Index.dress
    folds: set[bool] = set()
    sorts: set[bool] = set()

    def read_entries(found: Iterable[bytes]) -> list[lines.Entry | None]:
        folds.add(gc.isenabled())
        return read(found)

    def dress(self: Index) -> bool:
        sorts.add(gc.isenabled())
        return sort(self)

    monkeypatch.setattr(lines, "read_entries", read_entries)
    monkeypatch.setattr(Index, "dress", dress)
    with closing(DirectoryStore(path)) as store:
        assert store.stats().pending == 9
    assert folds == {False}
    assert sorts == ({True} if large == 1 else set())
