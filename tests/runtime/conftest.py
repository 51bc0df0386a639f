"""Daemons for the tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobctl.runtime.settings import Terms
from jobctl.runtime.slots import Slots
from tests.helpers import FakeClock
from tests.runtime.bench import Bench
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


@pytest.fixture
def make_bench(tmp_path: Path, clock: FakeClock) -> Iterator[Any]:
    """Make a pool on a bench; `terms` are fields of Terms."""
    made: list[Bench] = []

    def bench(concurrency: int = 1, **terms: Any) -> Bench:
        count = 2 * concurrency + 1
        fd = Slots.create(tmp_path / "slots", count)
        made.append(Bench(Slots(fd, count), clock, concurrency, Terms(**terms)))
        os.close(fd)
        return made[-1]

    yield bench
    for one in made:
        one.close()
