"""What the crash tests know of a store: what it holds, and whether it is right."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from jobctl.core.note import TOPICS
from jobctl.stores.directory.store import DirectoryStore
from tests.crash import kill_mutants, mutants
from tests.crash.store_steps import SCENARIOS
from tests.helpers import make_job, put

if TYPE_CHECKING:
    import pytest

#: Status and rev of each job, by id; what a note says and 0, by topic and key.
State = dict[str, tuple[str, int]]


def all_mutants() -> dict[str, Callable[[], None]]:
    """Return what can be taken out of a store, by name."""
    return {**kill_mutants.MUTANTS, **mutants.MUTANTS}


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
