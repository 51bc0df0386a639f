"""Each system call on a store fails once: a clear error, and the store as it was (P8)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.crash.faults import break_off, commanded, errors, fail, limit, parts, short, sizes
from tests.crash.playing import Rehearsal, at_each, conclude, some
from tests.crash.store_steps import COMMANDS, STEPPED

pytestmark = [
    pytest.mark.strace,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]


@pytest.mark.parametrize("scenario", STEPPED)
def test_an_error_of_each_system_call(
    scenario: str, rehearsal: Rehearsal, ground: Path, full_size: bool
) -> None:
    points = list(errors(rehearsal.points))
    chosen = some(points, 1 if full_size else 127)
    conclude("error", scenario, at_each(rehearsal, chosen, fail), len(points), ground)


@pytest.mark.parametrize("scenario", STEPPED)
def test_a_write_that_writes_a_part_only(
    scenario: str, rehearsal: Rehearsal, ground: Path, full_size: bool
) -> None:
    points = parts(rehearsal.points)
    chosen = some(points, 1 if full_size else 23)
    went_on = at_each(rehearsal, chosen, short)
    went_on += at_each(rehearsal, chosen, break_off)
    conclude("short", scenario, went_on, 2 * len(points), ground)


@pytest.mark.parametrize("scenario", ["settle", "delete"])
def test_a_limit_on_the_size_of_files(
    scenario: str, rehearsal: Rehearsal, ground: Path, full_size: bool
) -> None:
    points = sizes(rehearsal)
    chosen = some(points, 1 if full_size else 999)
    conclude("limit", scenario, at_each(rehearsal, chosen, limit), len(points), ground)


@pytest.mark.parametrize("scenario", COMMANDS)
def test_an_error_as_a_terminal_shows_it(
    scenario: str, rehearsal: Rehearsal, ground: Path, full_size: bool
) -> None:
    points = list(errors(rehearsal.points))
    chosen = some(points, 1 if full_size else 199)
    conclude("command", scenario, at_each(rehearsal, chosen, commanded), len(points), ground)
