from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.crash.playing import Player, Rehearsal

MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def player() -> Iterator[Player]:
    """A stage, for all tests of a process."""
    player = Player()
    yield player
    player.close()


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, if there is such a file system: a disk need not do its work.

    What a process sees of its files after a kill or an error is no matter of the disk.
    """
    if not (MEMORY.is_dir() and os.access(MEMORY, os.W_OK)):
        yield tmp_path
        return
    with TemporaryDirectory(dir=MEMORY, prefix="jobctl-test-") as folder:
        yield Path(folder)


@pytest.fixture
def rehearsal(
    scenario: str, player: Player, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> Rehearsal:
    """The test's scenario, played once undisturbed."""
    return Rehearsal(player, ground, scenario, monkeypatch)
