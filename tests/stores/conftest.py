"""Stores to begin with: of one job, and of a daemon and somebody who adds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import claim, ids, make_job, put


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of one job that nobody has open."""
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("first"))
    store.close()
    return tmp_path / "store"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DirectoryStore]:
    """The store of a daemon that runs one job, of four."""
    store = DirectoryStore(tmp_path / "store")
    put(store, *(make_job(f"old{n}") for n in range(4)))
    assert ids(claim(store)) == ["old0"]
    store.catch_up()
    yield store
    store.close()


@pytest.fixture
def user(daemon: DirectoryStore) -> Iterator[DirectoryStore]:
    """The same store in a process of its own, as far as it knows."""
    store = DirectoryStore(daemon.layout.root)
    yield store
    store.close()
