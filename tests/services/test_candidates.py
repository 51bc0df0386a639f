"""Ids that may have been meant."""

from __future__ import annotations

import pytest

from jobctl.errors import NotFound
from jobctl.services.candidates import near_id
from jobctl.services.queue import QueueService
from jobctl.stores.memory import MemoryStore
from tests.helpers import FakeClock, make_job, put


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("welcome-43", "welcome-42"),  # another letter
        ("welcme-42", "welcome-42"),  # one is missing
        ("wellcome-42", "welcome-42"),  # one too many
        ("wleocme-42", "welcome-42"),  # two swapped, twice
        ("elcome-42", "welcome-42"),  # the first is missing
        ("xylcome-42", "welcome-42"),
        ("xyzcome-42", None),
        ("welcome-4", "welcome-42"),
        ("welcome-4200", "welcome-42"),
        ("welcome-42000", None),
        ("job-1", None),
        ("abd", "abc"),
        ("bca", None),
        ("axy", None),
        ("a", None),
    ],
)
def test_at_most_two_slips(given: str, meant: str | None) -> None:
    store = MemoryStore()
    put(store, make_job("welcome-42"), make_job("abc"), make_job("b"), make_job("other-one"))
    assert near_id(store, given) == meant


def test_the_nearest_is_taken() -> None:
    store = MemoryStore()
    put(store, make_job("order-100"), make_job("order-102"), make_job("order-12"))
    assert near_id(store, "order-1022") == "order-102"
    assert near_id(store, "order-1000") == "order-100"


def test_an_old_one_is_found_by_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobctl.services.candidates.LOOKED_AT", 3)
    store = MemoryStore()
    put(store, make_job("welcome-42"), *(make_job(f"new-{n}") for n in range(5)))
    assert near_id(store, "welcome-24") == "welcome-42"
    assert near_id(store, "xelcome-42") is None


def test_whoever_asks_for_a_job_is_told(clock: FakeClock) -> None:
    store = MemoryStore()
    put(store, make_job("welcome-42"))
    queue = QueueService(store, clock)
    with pytest.raises(NotFound, match=r"no job wlecome-42: did you mean welcome-42\?"):
        queue.resolve("wlecome-42")
    with pytest.raises(NotFound, match="no job nobody: `jobctl list` shows them"):
        queue.resolve("nobody")
