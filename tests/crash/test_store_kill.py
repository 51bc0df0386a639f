"""A process is killed at each system call on the store: nothing is lost or doubled (P1, P2)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.crash.faults import kill, tear, torn
from tests.crash.playing import CHANGES, Rehearsal, at_each, conclude, some
from tests.crash.store_steps import STEPPED

pytestmark = [
    pytest.mark.strace,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]


@pytest.mark.parametrize("scenario", STEPPED)
def test_a_kill_at_each_system_call(
    scenario: str, rehearsal: Rehearsal, ground: Path, full_size: bool
) -> None:
    points = [point for point in rehearsal.points if point.call in CHANGES.split(",")]
    chosen = some(points, 1 if full_size else 31)
    conclude("kill", scenario, at_each(rehearsal, chosen, kill), len(points), ground)


@pytest.mark.parametrize("scenario", ["create", "add_many"])
def test_a_kill_in_the_middle_of_a_write(
    scenario: str, rehearsal: Rehearsal, ground: Path, full_size: bool
) -> None:
    points = torn(rehearsal.points)
    chosen = some(points, 1 if full_size else 499)
    conclude("tear", scenario, at_each(rehearsal, chosen, tear), len(points), ground)
