"""The stores that the suite runs over. A new store needs one more line in KINDS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobctl.clock import Clock
from jobctl.core.store import Store
from jobctl.services.queue import QueueService
from tests.helpers import FakeClock


def _memory(path: Path, clock: Clock) -> Store:
    from jobctl.stores.memory import MemoryStore

    return MemoryStore()


def _directory(path: Path, clock: Clock) -> Store:
    from jobctl.stores.directory.store import DirectoryStore

    return DirectoryStore(path / "store", clock)


KINDS: dict[str, Callable[[Path, Clock], Store]] = {"memory": _memory, "directory": _directory}


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    """An empty store of each kind."""
    opened = KINDS[request.param](tmp_path, clock)
    yield opened
    opened.close()


@pytest.fixture
def queue(store: Store, clock: FakeClock) -> QueueService:
    """The use cases over the store; a wait lets a second of the fake clock pass."""
    return QueueService(store, clock, nap=clock.advance)
