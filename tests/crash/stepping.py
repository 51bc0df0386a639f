"""A scenario of store_steps.py is played under strace, which lets a fault strike at a step."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jobctl.core.note import TOPICS
from jobctl.stores.directory.store import DirectoryStore
from tests.crash import kill_mutants
from tests.crash.store_steps import SCENARIOS
from tests.helpers import make_job, put

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
CALLS = (
    "openat,write,pwrite64,ftruncate,fallocate,fdatasync,fsync,rename,link,unlink,mkdir,flock,"
    "fcntl"
)
#: Status and rev of each job, by id; what a note says and 0, by topic and key.
State = dict[str, tuple[str, int]]


def all_mutants() -> dict[str, Callable[[], None]]:
    """Return what can be taken out of a store, by name."""
    found = dict(kill_mutants.MUTANTS)
    try:
        module = importlib.import_module("tests.crash.mutants")
    except ModuleNotFoundError:
        return found
    return {**found, **module.MUTANTS}


def state(store: DirectoryStore) -> State:
    """Return what a store holds, as all its readers agree."""
    jobs = store.list(limit=1000)
    found = {job.id: (str(job.status), job.rev) for job in jobs}
    assert len(found) == len(jobs), "a job is there twice"
    counts = Counter(status for status, _ in found.values())
    told = store.stats().as_dict()
    assert told.pop("total") == len(found)
    assert {status: n for status, n in told.items() if n} == counts
    for topic in TOPICS:
        for note in store.notes(topic):
            found[f"{topic} {note.key}"] = (f"{note.at} {note.value}", 0)
    return found


def arrange(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set in this process what is set in a scenario's."""
    for name, value in SCENARIOS[scenario].settings.items():
        monkeypatch.setattr(name, value)


def prepare(path: Path, scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the store with the life behind it that a scenario begins with."""
    arrange(scenario, monkeypatch)
    SCENARIOS[scenario].before(path)


def models(before: Path, there: Path, scenario: str) -> list[State]:
    """Return what the store holds after each acknowledged step, first before all of them."""
    copy(before, there)
    store = DirectoryStore(there)
    found = [state(store)]
    for _ in SCENARIOS[scenario].steps(store):
        found.append(state(store))
    store.close()
    return found


def copy(before: Path, victim: Path) -> None:
    """Put a copy of the store, if there is one, in place of what a scenario has left."""
    shutil.rmtree(victim, ignore_errors=True)
    if before.exists():
        shutil.copytree(before, victim)


def command(path: Path, scenario: str, *strace: str, log: Path, mutant: str = "") -> list[str]:
    """Return what plays a scenario on the store at `path` under strace."""
    names = [
        "",
        "store.json",
        "journal",
        "index.sqlite",
        "index.sqlite-wal",
        "index.sqlite-shm",
    ]
    names += ["locks", "locks/write.lock", "quarantine"]
    names += [f"logs/old{n}.log" for n in range(8)]
    for n in range(1, 30):
        names += [f"journal/{n:08d}.jsonl", f"journal/{n:08d}.jsonl.new"]
    traced = ["strace", "-f", "-qq", "-o", str(log), f"-etrace={CALLS}", *strace]
    for name in names:
        traced += ["-P", str(path / name)]
    module = [sys.executable, "-m", "tests.crash.store_steps", str(path), scenario]
    return [*traced, *module, *([mutant] if mutant else [])]


def run(path: Path, scenario: str, *strace: str, mutant: str = "") -> tuple[int, str]:
    """Play a scenario under strace; return how many steps were acknowledged, and the trace."""
    log = path.parent / f"{path.name}.trace"
    done = subprocess.run(
        command(path, scenario, *strace, log=log, mutant=mutant),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.stdout.count("done"), log.read_text()


class Rehearsal(NamedTuple):
    """A store before a scenario, where it is played, and what it leaves when nothing fails.

    `points` are the system calls, each with its number among those of its kind.
    """

    before: Path
    victim: Path
    expected: list[State]
    points: list[tuple[str, int]]


def rehearse(tmp_path: Path, scenario: str, monkeypatch: pytest.MonkeyPatch) -> Rehearsal:
    """Play a scenario once, undisturbed."""
    before, victim = tmp_path / "before", tmp_path / "victim"
    prepare(before, scenario, monkeypatch)
    expected = models(before, tmp_path / "model", scenario)
    copy(before, victim)
    done, trace = run(victim, scenario)
    assert done == len(expected) - 1
    calls = Counter(re.findall(r"^\d+ +(\w+)\(", trace, re.MULTILINE))
    assert calls["fdatasync"] > 0
    points = [(call, n + 1) for call, count in sorted(calls.items()) for n in range(count)]
    shutil.rmtree(victim)
    return Rehearsal(before, victim, expected, points)


def check(path: Path, allowed: list[State], where: str) -> None:
    """See that a store opens by itself and holds one of these, whoever looks, however often."""
    store = DirectoryStore(path)
    found = state(store)
    assert found in allowed, where
    version = store.version()
    store.close()
    again = DirectoryStore(path)
    assert state(again) == found, where
    assert again.version() == version, where
    again.close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}/index.sqlite{suffix}").unlink(missing_ok=True)
    store = DirectoryStore(path)
    assert state(store) == found, where
    put(store, make_job("after"))
    assert state(store) == {**found, "after": ("pending", 1)}, where
    store.close()
