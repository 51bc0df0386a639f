"""The use cases where only the service decides: look-ups, wake-ups, waiting, arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from jobctl.core.filters import Filter
from jobctl.core.job import Outcome, Status
from jobctl.core.store import AnyJob, Page
from jobctl.errors import InvalidJob, NotFound
from jobctl.services.cleaning import Keep
from jobctl.services.looking import SHOWN
from jobctl.services.queue import QueueService
from jobctl.stores.memory import MemoryStore, MemoryTransaction
from tests.helpers import NOON, FakeClock, after, claim, end, ids, make_job, put, there


class SpyStore(MemoryStore):
    """A memory store that notes what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.rows_wanted: list[int] = []

    @contextmanager
    def transaction(self) -> Iterator[MemoryTransaction]:
        self.calls.append("transaction")
        with super().transaction() as tx:
            for name in ("add", "get", "save", "delete"):
                setattr(tx, name, self._noted(name, getattr(tx, name)))
            yield tx

    def _noted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self.calls.append(name)
            return method(*args)

        return call

    def select(self, wanted: Filter, now: datetime, **page: Any) -> Page:
        self.rows_wanted.append(page["limit"])
        return super().select(wanted, now, **page)

    def get(self, job_id: str) -> AnyJob | None:
        self.calls.append("read")
        return super().get(job_id)

    def wake(self) -> None:
        self.calls.append("wake")
        super().wake()


@pytest.fixture
def store() -> Iterator[SpyStore]:
    opened = SpyStore()
    yield opened
    opened.close()


@pytest.fixture
def queue(store: SpyStore, clock: FakeClock) -> QueueService:
    return QueueService(store, clock, max_data=100, nap=clock.advance)


def test_a_plain_add_looks_nothing_up(queue: QueueService, store: SpyStore) -> None:
    queue.add("work", {"a": 1}, {"priority": 1})
    assert store.calls == ["transaction", "add", "wake"]


def test_an_add_with_its_own_id_looks_in_the_same_transaction(
    queue: QueueService, store: SpyStore
) -> None:
    queue.add("work", None, {"id": "a"})
    assert store.calls == ["transaction", "get", "add", "wake"]


def test_many_are_added_in_one_transaction(queue: QueueService, store: SpyStore) -> None:
    queue.add_many(("work", n) for n in range(100))
    assert store.calls == ["transaction", "add", "wake"]


def test_random_ids_are_in_hand_only_while_nobody_else_is_at_work(
    queue: QueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who makes specs one by one may fork between two: his child must not have the same."""
    happened: list[object] = []

    def random_ids(count: int) -> Iterator[str]:
        happened.append(f"{count} ids")
        return iter(f"id{len(happened)}-{n}" for n in range(count))

    def specs() -> Iterator[tuple[str]]:
        for n in range(1, 6):
            happened.append(n)
            yield ("work",)

    monkeypatch.setattr("jobctl.services.queue._SOME", 2)
    monkeypatch.setattr("jobctl.services.queue.random_ids", random_ids)
    added = queue.add_many(specs())
    assert happened == [1, 2, "2 ids", 3, 4, "2 ids", 5, "1 ids"]
    assert added == ["id3-0", "id3-1", "id6-0", "id6-1", "id8-0"]


@pytest.mark.parametrize("bad", [1, 2, 3, 4, 5])
def test_which_of_many_is_refused(
    bad: int, queue: QueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.services.queue._SOME", 2)
    specs = [("work",) if n != bad else ("no name",) for n in range(1, 7)]
    with pytest.raises(InvalidJob, match=f"^job {bad}: name 'no name'"):
        queue.add_many(specs)
    with pytest.raises(InvalidJob, match=f"^job {bad}: name 'no name'"):
        queue.chain(name for (name,) in specs)


def test_bad_data_never_reaches_the_store(queue: QueueService, store: SpyStore) -> None:
    with pytest.raises(InvalidJob, match="the limit is 100 bytes"):
        queue.add("work", "x" * 99)
    with pytest.raises(InvalidJob, match=r"^job 3: "):
        queue.add_many([("work",), ("work",), ("work", "x" * 99)])
    assert store.calls == []


def test_verbs_wake_the_daemon(queue: QueueService, store: SpyStore) -> None:
    queue.add("work", None, {"id": "a"})
    for verb in (queue.cancel, queue.retry):
        store.calls.clear()
        verb("a")
        assert store.calls == ["transaction", "get", "save", "wake"]


def test_list_passes_on_its_arguments(queue: QueueService, store: SpyStore) -> None:
    put(store, *(make_job(f"{n}", name="ab"[n % 2]) for n in range(6)))
    assert ids(queue.list(status="pending", name="a", limit=2, offset=1)) == ["2", "0"]
    assert queue.list(status=Status.FAILED) == []
    assert len(queue.list()) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"status": "failled"}, "status 'failled' is unknown: did you mean failed"),
        ({"status": "?"}, "use pending, running"),
        ({"limit": -1}, "limit -1"),
        ({"offset": 1.5}, "offset 1.5"),
        ({"limit": True}, "limit True"),
    ],
)
def test_list_refuses_what_cannot_be(
    queue: QueueService, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidJob, match=message):
        queue.list(**arguments)


def test_resolve_names_some_of_many(queue: QueueService, store: SpyStore) -> None:
    put(store, *(make_job(f"a{n:02}") for n in range(SHOWN + 1)))
    with pytest.raises(InvalidJob, match=r"a00, a01.*a09, \.\.\."):
        queue.resolve("a")
    with pytest.raises(InvalidJob, match="empty"):
        queue.resolve("")
    with pytest.raises(NotFound, match=r"\\x1b"):
        queue.resolve("\x1b")


def test_cleanup_refuses_a_time_without_a_zone(queue: QueueService) -> None:
    with pytest.raises(InvalidJob, match=r"before .*no time zone"):
        queue.cleanup(datetime(2026, 1, 1))  # noqa: DTZ001 - the case
    assert queue.cleanup() == 0


def test_a_dry_run_shows_the_first_rows(queue: QueueService, store: SpyStore) -> None:
    put(store, *(make_job(f"{n:02}") for n in range(SHOWN + 5)))
    for n, job in enumerate(claim(store, SHOWN + 5)):
        end(store, job, at=after(n))
    count, rows = queue.cleanup_matches(after(99))
    assert (count, len(rows)) == (SHOWN + 5, SHOWN)
    assert max(store.rows_wanted) <= SHOWN  # the others are counted, not read
    assert queue.stats().total == SHOWN + 5


def test_a_job_that_changed_meanwhile_is_not_cleaned_up(
    queue: QueueService, store: SpyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, make_job("a"), make_job("b"))
    for name in ("a", "b"):
        queue.cancel(name)
    found = list(store.finished(Status.CANCELLED, after(1)))
    queue.retry("a")

    def outdated(status: Status, before: datetime, limit: int = 0) -> list[AnyJob]:
        return found if status is Status.CANCELLED else []

    monkeypatch.setattr(store, "finished", outdated)
    keep = Keep(ages={Status.CANCELLED: 0})
    assert QueueService(store, FakeClock(after(1)), keep=keep).retain(10) == 1
    assert ids(store.list()) == ["a"]


class TestWait:
    """The wait, with a nap that lets a fake clock and the world go on."""

    def test_it_returns_at_once_if_all_have_ended(
        self, queue: QueueService, store: SpyStore
    ) -> None:
        put(store, make_job("a"))
        queue.cancel("a")
        waited = queue.wait(["a", "a"], timeout=0)
        assert (ids(waited.jobs), waited.left, waited.completed) == (["a"], [], False)

    def test_it_knows_an_unknown_id_before_it_waits(
        self, queue: QueueService, store: SpyStore
    ) -> None:
        put(store, make_job("a"))
        with pytest.raises(NotFound, match="there is no job b"):
            queue.wait(["a", "b"])

    def test_it_reads_only_when_something_changed(
        self, store: SpyStore, clock: FakeClock
    ) -> None:
        put(store, make_job("a"), make_job("b"))
        naps: list[float] = []

        def nap(seconds: float) -> None:
            naps.append(seconds)
            if len(naps) == 10:
                end(store, claim(store)[0])
                store.calls.clear()
            if len(naps) == 20:
                end(store, claim(store)[0])

        store.calls.clear()
        waited = QueueService(store, clock, nap=nap).wait(["a", "b"])
        assert waited.completed
        assert len(naps) == 20
        assert min(naps) == 0.01
        assert max(naps) == 0.05
        # a and b after the tenth nap; then b alone, once by `end` and once by the wait
        assert store.calls.count("read") == 4

    def test_who_watches_sees_each_state(self, store: SpyStore, clock: FakeClock) -> None:
        put(store, make_job("a"))
        seen: list[str] = []

        def nap(seconds: float) -> None:
            if there(store, "a").status is Status.RUNNING:
                end(store, there(store, "a"))
            claim(store)

        queue = QueueService(store, clock, nap=nap)
        queue.wait(["a"], watch=lambda jobs: seen.append(jobs["a"].status))
        assert seen == ["pending", "running"]

    def test_a_look_that_takes_long_is_followed_by_a_long_nap(
        self, store: SpyStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(store, make_job("a"), make_job("b"))
        naps: list[float] = []

        def nap(seconds: float) -> None:
            naps.append(seconds)
            end(store, claim(store)[0])
            monkeypatch.setattr(store, "get", slowly)

        def slowly(job_id: str) -> AnyJob | None:
            clock.advance(1)
            return MemoryStore.get(store, job_id)

        QueueService(store, clock, nap=nap).wait(["a", "b"])
        assert naps == [0.01, pytest.approx(8)]

    def test_it_says_which_are_left(self, queue: QueueService, store: SpyStore) -> None:
        put(store, *(make_job(name) for name in "abc"))
        end(store, claim(store)[0])
        started = queue._clock.monotonic()
        waited = queue.wait(["a", "b", "c"], timeout=7)
        assert (waited.left, waited.completed) == (["b", "c"], False)
        assert queue._clock.monotonic() - started == pytest.approx(7)

    def test_a_retried_job_is_waited_for(self, store: SpyStore, clock: FakeClock) -> None:
        put(store, make_job("a"))
        outcomes = iter([Outcome.ERROR, Outcome.ERROR, Outcome.COMPLETED])

        def nap(seconds: float) -> None:
            clock.advance(1000)
            end(store, claim(store, 1, clock.now())[0], next(outcomes), clock.now())

        waited = QueueService(store, clock, nap=nap).wait(["a"])
        assert waited.jobs[0].attempts == 3

    def test_a_job_that_is_deleted_meanwhile_is_not_found(
        self, store: SpyStore, clock: FakeClock
    ) -> None:
        put(store, make_job("a"))

        def nap(seconds: float) -> None:
            with store.transaction() as tx:
                tx.delete(there(tx, "a"))

        with pytest.raises(NotFound, match="job a was deleted"):
            QueueService(store, clock, nap=nap).wait(["a"])


def test_now_is_read_from_the_clock(queue: QueueService, clock: FakeClock) -> None:
    clock.advance(5)
    added = queue.add("work", None, {"delay": 10})
    assert (added.job.created_at, added.job.run_at) == (after(5), after(15))
    assert NOON == after(0)
