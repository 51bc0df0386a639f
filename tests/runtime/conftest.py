"""Daemons for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.runtime.rig import CONFIG, Rig

SAMPLE = (Path(__file__).parent / "sample_handlers.py").read_text()
MakeRig = Callable[..., Rig]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A rig with a running daemon that all tests of a module use."""
    rig = Rig(tmp_path_factory.mktemp("shared"), SAMPLE)
    rig.start()
    yield rig
    rig.close()


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[MakeRig]:
    """Make a rig of the test's own; its daemons are ended with the test."""
    made: list[Rig] = []

    def make(handlers: str = SAMPLE, config: str = CONFIG) -> Rig:
        made.append(Rig(tmp_path / f"rig{len(made)}", handlers, config))
        return made[-1]

    yield make
    for rig in made:
        rig.close()
