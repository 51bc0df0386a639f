"""Each system call on a store fails once: a clear error, and the store as it was (P8)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.crash.faults import break_off, commanded, errors, fail, limit, parts, short, sizes
from tests.crash.playing import Player, Rehearsal, at_each, conclude, some
from tests.crash.store_steps import COMMANDS, SCENARIOS

pytestmark = [
    pytest.mark.strace,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_error_of_each_system_call(
    scenario: str,
    player: Player,
    ground: Path,
    monkeypatch: pytest.MonkeyPatch,
    full_size: bool,
) -> None:
    rehearsal = Rehearsal(player, ground, scenario, monkeypatch)
    points = list(errors(rehearsal.points))
    chosen = some(points, 1 if full_size else 127)
    conclude("error", scenario, at_each(rehearsal, chosen, fail), len(points), ground)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_write_that_writes_a_part_only(
    scenario: str,
    player: Player,
    ground: Path,
    monkeypatch: pytest.MonkeyPatch,
    full_size: bool,
) -> None:
    rehearsal = Rehearsal(player, ground, scenario, monkeypatch)
    points = parts(rehearsal.points)
    chosen = some(points, 1 if full_size else 23)
    went_on = at_each(rehearsal, chosen, short)
    went_on += at_each(rehearsal, chosen, break_off)
    conclude("short", scenario, went_on, 2 * len(points), ground)


@pytest.mark.parametrize("scenario", ["settle", "delete"])
def test_a_limit_on_the_size_of_files(
    scenario: str,
    player: Player,
    ground: Path,
    monkeypatch: pytest.MonkeyPatch,
    full_size: bool,
) -> None:
    rehearsal = Rehearsal(player, ground, scenario, monkeypatch)
    points = sizes(rehearsal)
    chosen = some(points, 1 if full_size else 999)
    conclude("limit", scenario, at_each(rehearsal, chosen, limit), len(points), ground)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_error_as_a_terminal_shows_it(
    command: str,
    player: Player,
    ground: Path,
    monkeypatch: pytest.MonkeyPatch,
    full_size: bool,
) -> None:
    rehearsal = Rehearsal(player, ground, command, monkeypatch)
    points = list(errors(rehearsal.points))
    chosen = some(points, 1 if full_size else 199)
    conclude("command", command, at_each(rehearsal, chosen, commanded), len(points), ground)
