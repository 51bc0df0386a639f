"""What is made of the answers of a store."""

from __future__ import annotations

from datetime import datetime

from jobctl.core.store import AnyJob, Pulse
from jobctl.errors import StoreFull, StoreUnwritable
from jobctl.services.health import Health, examine
from jobctl.stores.memory import MemoryStore
from tests.helpers import after, make_job, put


class Patient(MemoryStore):
    """A store that answers as it is told to."""

    def __init__(self, pulse: Pulse | None = None, *, full: bool = False) -> None:
        super().__init__()
        self._pulse = pulse or Pulse(7, moving=True)
        self._full = full

    def pulse(self, patience: float) -> Pulse:
        return self._pulse

    def probe(self) -> None:
        if self._full:
            raise StoreFull("no room")


class Broken(MemoryStore):
    """A store that answers nothing."""

    def pulse(self, patience: float) -> Pulse:
        raise StoreUnwritable("no permission")

    def oldest_due(self, now: datetime) -> AnyJob | None:
        raise StoreUnwritable("no permission")


def states(health: Health) -> dict[str, bool]:
    return {check.name: check.ok for check in health.checks}


def messages(health: Health) -> str:
    return "\n".join(check.message for check in health.checks)


def test_all_is_well() -> None:
    health = examine(Patient(), after(0))
    assert health.healthy
    assert states(health) == {"daemon": True, "loop": True, "disk": True, "oldest": True}
    assert "process 7" in messages(health)


def test_no_daemon() -> None:
    health = examine(Patient(Pulse()), after(0))
    assert not health.healthy
    assert states(health) == {"daemon": False, "disk": True, "oldest": True}
    assert "jobctl run" in messages(health)


def test_stuck_loop() -> None:
    health = examine(Patient(Pulse(7)), after(0), patience=5)
    assert not health.healthy
    assert states(health) == {"daemon": True, "loop": False, "disk": True, "oldest": True}
    assert "within 5s" in messages(health)


def test_daemon_without_a_name() -> None:
    assert "cannot be named" in messages(examine(Patient(Pulse(0, moving=True)), after(0)))


def test_full_disk() -> None:
    health = examine(Patient(full=True), after(0))
    assert not health.healthy
    assert states(health)["disk"] is False
    assert "no room" in messages(health)


def test_a_job_that_waits_too_long() -> None:
    store = Patient()
    put(store, make_job("a"), make_job("b", run_at=after(50)))
    assert examine(store, after(60), max_wait=60).healthy
    health = examine(store, after(61), max_wait=60)
    assert states(health) == {"daemon": True, "loop": True, "disk": True, "oldest": False}
    assert "work a has been due for 1m1s (at most 1m)" in messages(health)


def test_a_clock_that_went_back() -> None:
    store = Patient()
    put(store, make_job("a"))
    assert examine(store, after(-60)).healthy


def test_a_store_that_refuses_is_a_finding() -> None:
    health = examine(Broken(), after(0))
    assert states(health) == {"daemon": False, "disk": True, "oldest": False}
