"""A suite that cannot fail proves nothing: each of these stores must be found out by it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.crash import faults
from tests.crash.faults import errors, parts, sizes, torn
from tests.crash.kill_mutants import MUTANTS
from tests.crash.playing import Player, Point, Rehearsal, Strike, at_each
from tests.crash.results import record

pytestmark = [
    pytest.mark.strace,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]


Points = Callable[[Rehearsal], Iterable[Any]]


class Hunt(NamedTuple):
    """Which fault finds a mutant out, in which scenario, at which points."""

    mutant: str
    fault: str
    scenario: str
    strike: Strike[Any]
    points: Points


def every(rehearsal: Rehearsal) -> list[Point]:
    return rehearsal.points


def calls(*names: str) -> Points:
    return lambda rehearsal: (one for one in rehearsal.points if one.call in names)


def failing(*names: str) -> Points:
    return lambda rehearsal: errors(one for one in rehearsal.points if one.call in names)


def at_the_end(points: Points) -> Points:
    """The last ones first, where they find it out sooner."""
    return lambda rehearsal: reversed(list(points(rehearsal)))


HUNTS = (
    Hunt("early_acknowledgement", "kill", "add", faults.kill, calls("write")),
    Hunt("piecemeal", "kill", "add_many", faults.kill, calls("write")),
    Hunt("header_in_place", "kill", "create", faults.kill, calls("write", "fsync")),
    Hunt("old_index_believed", "kill", "upgrade", faults.kill, every),
    Hunt("segment_gone_first", "kill", "compact", faults.kill, calls("write")),
    Hunt("deleted_in_the_index_only", "kill", "delete", faults.kill, calls("flock")),
    Hunt("torn_tail_kept", "tear", "add_many", faults.tear, lambda one: torn(one.points)),
    Hunt("failed_append_kept", "short", "add", faults.break_off, lambda one: parts(one.points)),
    Hunt(
        "half_write_acknowledged", "short", "add", faults.short, lambda one: parts(one.points)
    ),
    Hunt("half_write_acknowledged", "limit", "settle", faults.limit, sizes),
    Hunt("full_disk_ignored", "error", "add", faults.fail, failing("write")),
    Hunt("fdatasync_again", "error", "add", faults.fail, failing("fdatasync")),
    Hunt("index_must_follow", "error", "delete", faults.fail, at_the_end(failing("pwrite64"))),
    Hunt("error_let_through", "error", "add", faults.fail, failing("write")),
    Hunt("exit_code_of_a_bug", "command", "jobctl add", faults.commanded, failing("write")),
    Hunt("traceback_shown", "command", "jobctl add", faults.commanded, failing("write")),
)


@pytest.mark.parametrize("hunt", HUNTS, ids=lambda hunt: f"{hunt.mutant}-{hunt.fault}")
def test_a_mutant_is_found_out(
    hunt: Hunt, player: Player, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsal = Rehearsal(player, ground, hunt.scenario, monkeypatch, hunt.mutant)
    tally = at_each(rehearsal, hunt.points(rehearsal), hunt.strike, patient=False)
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
    assert found, f"{hunt.mutant} survived {tally.points} points"


def test_every_mutant_is_hunted() -> None:
    elsewhere = {"no_reserve", "no_reserve_for_ends"}  # test_store_full.py
    assert {hunt.mutant for hunt in HUNTS} | elsewhere == MUTANTS.keys()
