"""Logs that go before their jobs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobctl.services import oldlogs
from jobctl.services.oldlogs import OldLogs
from jobctl.stores.memory import MemoryStore
from tests.helpers import FakeClock, claim, make_job, put

DAY = 86400


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def write(store: MemoryStore, name: str, at: float) -> Path:
    path = store.files / "logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("said something\n")
    os.utime(path, (at, at))
    return path


def test_old_logs_go_and_all_else_stays(store: MemoryStore, clock: FakeClock) -> None:
    now = clock.now().timestamp()
    put(store, make_job("running"))
    claim(store)
    old = [write(store, f"{n}.log", now - 2 * DAY) for n in range(5)]
    kept = [
        write(store, "new.log", now - DAY / 2),
        write(store, "running.log", now - 9 * DAY),
        write(store, ".spools/12", now - 9 * DAY),
    ]
    logs = OldLogs(store, clock, DAY)
    assert [logs.step(3), logs.step(3), logs.step(3)] == [3, 2, 0]
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in kept)


def test_without_an_age_they_stay(store: MemoryStore, clock: FakeClock) -> None:
    path = write(store, "a.log", 0)
    assert OldLogs(store, clock, None).step(9) == 0
    assert path.exists()


def test_there_may_be_no_logs_at_all(store: MemoryStore, clock: FakeClock) -> None:
    assert OldLogs(store, clock, DAY).step(9) == 0


def test_a_step_looks_at_some_and_the_next_goes_on(
    store: MemoryStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oldlogs, "LOOKS", 4)
    for n in range(10):
        write(store, f"{n}.log", 0)
    logs = OldLogs(store, clock, DAY)
    assert [logs.step(99) for _ in range(4)] == [4, 4, 2, 0]
