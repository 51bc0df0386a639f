"""A suite that cannot fail proves nothing: each of these stores must be found out by it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.crash import faults
from tests.crash.faults import errors, parts, torn
from tests.crash.kill_mutants import MUTANTS
from tests.crash.playing import Player, Point, Rehearsal, Strike, at_each
from tests.crash.results import record

pytestmark = [
    pytest.mark.strace,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]


class Hunt(NamedTuple):
    """Which fault finds a mutant out, in which scenario, at which points."""

    fault: str
    scenario: str
    strike: Strike[Any]
    points: Callable[[list[Point]], Iterable[Any]]


def every(points: list[Point]) -> list[Point]:
    return points


def calls(*names: str) -> Callable[[list[Point]], Iterable[Point]]:
    return lambda points: (point for point in points if point.call in names)


def failing(*names: str) -> Callable[[list[Point]], Iterable[Any]]:
    return lambda points: errors([point for point in points if point.call in names])


HUNTS = {
    "early_acknowledgement": Hunt("kill", "add", faults.kill, calls("write", "flock")),
    "piecemeal": Hunt("kill", "add_many", faults.kill, calls("write", "fdatasync")),
    "header_in_place": Hunt("kill", "create", faults.kill, every),
    "old_index_believed": Hunt("kill", "upgrade", faults.kill, every),
    "segment_gone_first": Hunt("kill", "compact", faults.kill, calls("write")),
    "deleted_in_the_index_only": Hunt("kill", "delete", faults.kill, calls("flock")),
    "torn_tail_kept": Hunt("tear", "add_many", faults.tear, torn),
    "failed_append_kept": Hunt("short", "add", faults.break_off, parts),
    "half_write_acknowledged": Hunt("short", "add", faults.short, parts),
    "full_disk_ignored": Hunt("error", "add", faults.fail, failing("write", "fallocate")),
    "fdatasync_again": Hunt("error", "add", faults.fail, failing("fdatasync")),
    "index_must_follow": Hunt("error", "work", faults.fail, failing("pwrite64")),
    "error_let_through": Hunt("error", "add", faults.fail, failing("write")),
    "exit_code_of_a_bug": Hunt("command", "jobctl add", faults.commanded, failing("write")),
    "traceback_shown": Hunt("command", "jobctl add", faults.commanded, failing("write")),
}


@pytest.mark.parametrize("mutant", HUNTS)
def test_a_mutant_is_found_out(
    mutant: str, player: Player, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hunt = HUNTS[mutant]
    rehearsal = Rehearsal(player, ground, hunt.scenario, monkeypatch, mutant)
    points = list(hunt.points(rehearsal.points))
    tally = at_each(rehearsal, points, hunt.strike, patient=False)
    found = int(bool(tally.wrong))
    record(
        hunt.fault,
        hunt.scenario,
        points=0,
        of=0,
        acknowledged=0,
        lost=0,
        mutants=(found, 1),
    )
    assert found, f"{mutant} survived {tally.points} points"


def test_every_mutant_is_hunted() -> None:
    elsewhere = {"no_reserve", "no_reserve_for_ends"}  # test_store_full.py
    assert HUNTS.keys() | elsewhere == MUTANTS.keys()
