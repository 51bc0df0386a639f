"""A process is killed at each system call on the store: nothing is lost or doubled."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from jobctl.stores.directory import journal
from jobctl.stores.directory.store import DirectoryStore
from tests.crash.store_steps import SCENARIOS, add, change, work
from tests.helpers import make_job, put

pytestmark = [
    pytest.mark.strace,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]
ROOT = Path(__file__).parents[2]
CALLS = (
    "openat,write,pwrite64,ftruncate,fallocate,fdatasync,fsync,rename,link,unlink,mkdir,flock,"
    "fcntl"
)
BIG, SMALL = 64 << 20, 1500
#: The scenario, the size of a segment, and of how many points one is tried by default.
CASES = [
    ("add", BIG, 12),
    ("add_many", BIG, 8),
    ("work", BIG, 30),
    ("delete", BIG, 30),
    ("add", 300, 25),
    ("change", 300, 80),
    ("compact", SMALL, 60),
    ("rebuild", SMALL, 40),
]
State = dict[str, tuple[str, int]]


def state(store: DirectoryStore) -> State:
    jobs = store.list(limit=1000)
    found = {job.id: (str(job.status), job.rev) for job in jobs}
    assert len(found) == len(jobs), "a job is there twice"
    counts = Counter(status for status, _ in found.values())
    told = store.stats().as_dict()
    assert told.pop("total") == len(found)
    assert {status: n for status, n in told.items() if n} == counts
    return found


def prepare(path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a store with a life behind it: several segments, if they are small."""
    monkeypatch.setattr(journal, "SEGMENT_SIZE", size)
    store = DirectoryStore(path)
    put(store, *(make_job(f"old{n}") for n in range(8)))
    if size == SMALL:
        for scenario in (add, work, change):
            for _ in scenario(store):
                pass
    store.stats()
    store.close()


def models(before: Path, there: Path, scenario: str) -> list[State]:
    """Return what the store holds after each acknowledged step."""
    shutil.copytree(before, there)
    store = DirectoryStore(there)
    found = [state(store)]
    for _ in SCENARIOS[scenario](store):
        found.append(state(store))
    store.close()
    return found


def run(path: Path, scenario: str, size: int, *strace: str) -> tuple[int, str]:
    """Run a scenario under strace; return how many steps were acknowledged, and the trace."""
    names = [
        "",
        "store.json",
        "journal",
        "index.sqlite",
        "index.sqlite-wal",
        "index.sqlite-shm",
    ]
    names += ["locks", "locks/write.lock", "quarantine"]
    for n in range(1, 30):
        names += [f"journal/{n:08d}.jsonl", f"journal/{n:08d}.jsonl.new"]
    log = path.parent / f"{path.name}.trace"
    command = ["strace", "-f", "-qq", "-o", str(log), f"-etrace={CALLS}", *strace]
    for name in names:
        command += ["-P", str(path / name)]
    done = subprocess.run(
        [
            *command,
            sys.executable,
            "-m",
            "tests.crash.store_steps",
            str(path),
            scenario,
            str(size),
        ],
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


def rehearse(
    tmp_path: Path, scenario: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> Rehearsal:
    """Play a scenario once, undisturbed."""
    before, victim = tmp_path / "before", tmp_path / "victim"
    prepare(before, size, monkeypatch)
    expected = models(before, tmp_path / "model", scenario)
    shutil.copytree(before, victim)
    done, trace = run(victim, scenario, size)
    assert done == len(expected) - 1
    calls = Counter(re.findall(r"^\d+ +(\w+)\(", trace, re.MULTILINE))
    assert calls["fdatasync"] > 0
    points = [(call, n + 1) for call, count in sorted(calls.items()) for n in range(count)]
    shutil.rmtree(victim)
    return Rehearsal(before, victim, expected, points)


@pytest.mark.parametrize(("scenario", "size", "step"), CASES, ids=str)
def test_a_kill_at_each_system_call(
    scenario: str,
    size: int,
    step: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    full_size: bool,
) -> None:
    before, victim, expected, points = rehearse(tmp_path, scenario, size, monkeypatch)
    killed = 0
    for call, n in points[:: 1 if full_size else step]:
        shutil.copytree(before, victim)
        done, trace = run(victim, scenario, size, f"-einject={call}:signal=SIGKILL:when={n}")
        killed += "killed by SIGKILL" in trace
        check(victim, expected[done : done + 2], f"{call} {n}")
        shutil.rmtree(victim)
    assert killed, "nothing was killed"


def check(path: Path, allowed: list[State], where: str) -> None:
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


def test_a_kill_as_the_store_is_made(tmp_path: Path, full_size: bool) -> None:
    victim = tmp_path / "victim"
    done, trace = run(victim, "add", BIG)
    assert done == 3
    calls = Counter(re.findall(r"^\d+ +(\w+)\(", trace, re.MULTILINE))
    points = [(call, n + 1) for call, count in sorted(calls.items()) for n in range(count)]
    for call, n in points[:: 1 if full_size else 4]:
        shutil.rmtree(victim)
        done, _ = run(victim, "add", BIG, f"-einject={call}:signal=SIGKILL:when={n}")
        wanted: list[State] = [
            {f"new{k}": ("pending", 1) for k in range(count)} for count in range(4)
        ]
        check(victim, wanted[done : done + 2], f"{call} {n}")
        assert os.stat(victim).st_mode & 0o777 == 0o700
