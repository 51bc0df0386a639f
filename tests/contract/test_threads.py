"""One store object serves all threads of a process."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from jobctl.core.store import Stats, Store
from jobctl.services.queue import QueueService
from tests.helpers import NOON, claim, end, make_job, put


def run_together(*works: Callable[[], Any]) -> None:
    """Run functions in threads that start at once, and pass on what they raise."""
    failures: list[BaseException] = []
    gate = threading.Barrier(len(works))

    def guarded(work: Callable[[], Any]) -> None:
        try:
            gate.wait()
            work()
        except BaseException as err:
            failures.append(err)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []


def test_threads_add_claim_and_read_together(store: Store) -> None:
    each, adders = 100, 3
    claimed: Counter[str] = Counter()

    def adder(who: int) -> Callable[[], None]:
        def work() -> None:
            for n in range(each):
                put(store, make_job(f"{who}-{n}"))

        return work

    def claimer() -> None:
        while claimed.total() < each * adders:
            for job in claim(store, 7):
                claimed[job.id] += 1
                end(store, job)

    def reader() -> None:
        while store.stats().completed < each * adders:
            seen = len(store.list(limit=5))
            assert store.stats().total >= seen

    run_together(*(adder(who) for who in range(adders)), claimer, reader)
    assert set(claimed.values()) == {1}
    assert len(claimed) == each * adders
    assert store.stats() == Stats(completed=each * adders)


def test_two_claimers_never_get_the_same_job(store: Store) -> None:
    put(store, *(make_job(f"{n}") for n in range(300)))
    got: list[str] = []

    def claimer() -> None:
        while jobs := claim(store, 5, NOON):
            got.extend(job.id for job in jobs)

    run_together(claimer, claimer, claimer)
    assert len(got) == len(set(got)) == 300


def test_an_id_that_all_threads_add_is_one_job(queue: QueueService) -> None:
    created: list[bool] = []

    def adder() -> None:
        for n in range(30):
            created.append(queue.add("work", n, {"id": f"id-{n}"}).created)

    run_together(adder, adder, adder)
    assert sum(created) == 30
    assert queue.stats().total == 30
