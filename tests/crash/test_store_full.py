"""A disk with little room or none: what runs ends, all else is done or refused (P8)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.crash.playing import Player, Tally, conclude, some
from tests.crash.results import record
from tests.crash.stage import Check, Play, Played
from tests.crash.stepping import State, models, prepare
from tests.crash.store_steps import GLUT
from tests.disks import fill, mounted

pytestmark = pytest.mark.root
PAGE = 4096
#: How many pages of a disk may be free: with the last of these there is room for all.
PAGES = range(25)


@contextmanager
def crowded(
    folder: Path, scenario: str, pages: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, list[State]]]:
    """Make a store on a disk with so many pages left; there is room again at the end.

    The room that a store has taken for itself would not come along with a copy.
    """
    with mounted(folder / "disk", "size=1m") as disk:
        store = disk / "store"
        with monkeypatch.context() as patch:
            prepare(store, scenario, patch)
            expected = models(store, folder / f"model-{pages}", scenario)
        filler = fill(disk)
        os.truncate(filler, filler.stat().st_size - pages * PAGE)
        yield store, expected
    (folder / "disk").rmdir()


@pytest.mark.parametrize("scenario", ["add", "claim", "settle", "cancel", "delete", "notes"])
def test_little_room(
    scenario: str,
    player: Player,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    full_size: bool,
) -> None:
    tally = Tally()
    for pages in some(PAGES, 1 if full_size else 25):
        with crowded(tmp_path, scenario, pages, monkeypatch) as (store, expected):
            played = player.play(Play(str(store), scenario))
            (store.parent / "filler").unlink()
            tally.points += 1
            done = played.acknowledged
            tally.acknowledged += done
            if played.error is not None and (
                "StoreFull" not in played.error or scenario == "settle"
            ):
                tally.wrong.append(f"{pages} pages: {played.error[-1]}")
            allowed = expected[done : done + 1]
            if played.again == "":
                allowed = [{**one, "again": ("pending", 1)} for one in allowed]
            wrong = player.check(Check(str(store), scenario, allowed))
            if wrong is not None:
                tally.wrong.append(f"{pages} pages: {wrong}")
    conclude("full", scenario, tally, len(PAGES), tmp_path, kind="tmpfs")


def ends_after_a_glut(
    player: Player, folder: Path, monkeypatch: pytest.MonkeyPatch, mutant: str = ""
) -> Played:
    """Fill a disk with jobs, and let what runs end; return what came of that."""
    with crowded(folder, "settle", 2, monkeypatch) as (store, _):
        added = player.play(Play(str(store), GLUT, mutant))
        assert added.error is None, added.error
        assert 0 < added.acknowledged < 1000
        return player.play(Play(str(store), "settle", mutant))


def test_what_runs_ends_whatever_was_added(
    player: Player, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = ends_after_a_glut(player, tmp_path, monkeypatch)
    assert played.error is None, played.error


@pytest.mark.parametrize("mutant", ["no_reserve", "no_reserve_for_ends"])
def test_a_mutant_is_found_out(
    mutant: str, player: Player, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = ends_after_a_glut(player, tmp_path, monkeypatch, mutant)
    found = int(played.error is not None)
    kills = (found, 1)
    record(
        "full", "settle", where="tmpfs", points=0, of=0, acknowledged=0, lost=0, mutants=kills
    )
    assert found, f"{mutant} survived"
