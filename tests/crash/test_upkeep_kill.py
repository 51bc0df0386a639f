"""A repair or a restore is killed at each system call: nothing is lost, all can be repeated."""

from __future__ import annotations

import re
import shutil
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from jobctl.stores.directory import journal
from jobctl.stores.directory.backup import backup
from jobctl.stores.directory.doctor import examine
from jobctl.stores.directory.layout import _file_system
from jobctl.stores.directory.repair import repair
from jobctl.stores.directory.restore import restore
from jobctl.stores.directory.store import DirectoryStore
from tests.crash.playing import Player, state_of
from tests.crash.results import record
from tests.crash.stage import Play
from tests.crash.stepping import copy, state
from tests.helpers import NOON, claim, end, make_job, put
from tests.stores.tools import segment

pytestmark = [
    pytest.mark.strace,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]
CALLS = (
    "openat,write,pwrite64,ftruncate,fdatasync,fsync,rename,renameat2,link,unlink,unlinkat,"
    "mkdir,rmdir"
)


@pytest.fixture
def before(ground: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with several segments."""
    monkeypatch.setattr(journal, "SEGMENT_SIZE", 1500)
    path = ground / "before"
    store = DirectoryStore(path)
    for n in range(9):
        put(store, make_job(f"j{n}"))
    for job in claim(store, 3):
        end(store, job)
    store.stats()
    store.close()
    return path


def run(player: Player, given: list[str], log: Path, inject: str | None = None) -> bool:
    """Have it done under strace, which leaves its trace; return whether it was killed."""
    strace = [f"-etrace={CALLS}", *([f"-einject={inject}"] if inject else [])]
    play = Play(given[1], "add", upkeep=given, strace=strace, log=str(log))
    return player.play(play).killed


def points(trace: str, victim: str) -> list[str]:
    """Return each call from the first on the store on, as what strace injects into."""
    seen: Counter[str] = Counter()
    found: list[str] = []
    for call, rest in re.findall(r"^(\w+)\((.*)$", trace, re.MULTILINE):
        seen[call] += 1
        if found or victim in rest:
            found.append(f"{call}:signal=SIGKILL:when={seen[call]}")
    return found


def everywhere(
    player: Player,
    arguments: list[str],
    before: Path,
    check: Callable[[Path, str], None],
    step: int,
) -> None:
    """Kill the process at each step-th of its calls on a copy of the store, and check."""
    victim = before.with_name("victim")
    log = before.with_name("trace")
    given = [str(victim) if one == "VICTIM" else one for one in arguments]
    for _ in range(2):  # Python reads files, too, when something is done for the first time
        copy(before, victim)
        assert not run(player, given, log)
        found = points(log.read_text(), str(victim))
    assert len(found) > 30
    killed = wrong = 0
    for where in found[::step]:
        for left in victim.parent.glob("victim*"):
            shutil.rmtree(left)
        shutil.copytree(before, victim)
        killed += run(player, given, log, where)
        try:
            check(victim, where)
        except AssertionError:
            traceback.print_exc()
            wrong += 1
    tried = len(found[::step])
    record(
        "kill",
        arguments[0],
        where=_file_system(victim),
        points=tried,
        of=len(found),
        acknowledged=0,
        lost=wrong,
    )
    assert wrong == 0
    assert killed > tried // 2


def test_a_restore(player: Player, before: Path, ground: Path, full_size: bool) -> None:
    backup(before, ground / "b.tar", NOON)
    then = state_of(before)
    store = DirectoryStore(before)
    put(store, make_job("later"))
    now = state(store)
    store.close()

    def check(victim: Path, where: str) -> None:
        found = state_of(victim)
        assert found in (then, now), where
        others = [one for one in ground.glob("victim.*") if (one / "backup.json").exists()]
        left = [one for one in ground.glob("victim.*") if any(one.iterdir())]
        kept = [one for one in left if one not in others]
        if found == then:
            assert [state_of(one) for one in kept] == [now], where
        else:
            # A whole new store may stand there without its mark, for a moment.
            assert all(state_of(one) == then for one in kept), where
        restore(victim, ground / "b.tar", NOON.replace(year=2027), force=True)
        assert state_of(victim) == then, where

    everywhere(
        player,
        ["restore", "VICTIM", str(ground / "b.tar")],
        before,
        check,
        1 if full_size else 7,
    )


def test_a_repair(player: Player, before: Path, ground: Path, full_size: bool) -> None:
    for number, at in ((1, 700), (2, 900)):
        text = bytearray(segment(before, number).read_bytes())
        text[at] ^= 1
        segment(before, number).write_bytes(text)
    with segment(before, 3).open("ab") as file:
        file.write(b"what is this\n")
    mended = ground / "mended"
    shutil.copytree(before, mended)
    assert repair(mended, NOON).left == []
    wanted = {name: status for name, (status, _) in state_of(mended).items()}
    assert len(wanted) >= 7

    def check(victim: Path, where: str) -> None:
        assert repair(victim, NOON).left == [], where
        assert examine(victim, NOON).findings == [], where
        found = {name: status for name, (status, _) in state_of(victim).items()}
        assert found == wanted, where

    everywhere(player, ["repair", "VICTIM"], before, check, 1 if full_size else 9)
