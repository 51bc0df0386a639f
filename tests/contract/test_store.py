"""What every store does: write all or nothing, and give back what was written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from jobctl.core import job as transitions
from jobctl.core.job import Attempt, Exit, Job, JobError, Options, Outcome, Status
from jobctl.core.note import PAUSE, Note
from jobctl.core.retry import RetryPolicy
from jobctl.core.store import Stats, Store, Transaction
from jobctl.errors import StaleJob
from tests.helpers import NOON, after, claim, end, ids, make_job, next_run_at, put, there

FINAL = Options(max_retries=0)


def full_job(job_id: str) -> Job[Any]:
    """Return a job with something in every field that an add may set."""
    return make_job(
        job_id,
        name="send-email",
        data={"to": "\u00e4\u20ac\U0001f600", "n": [1, -2.5, None, True, 2**64 - 1], "": {}},
        priority=-(2**31),
        max_retries=0,
        run_at=after(60) + timedelta(microseconds=123456),
        timeout=1.5,
        backoff=RetryPolicy(delays=(1.0, 5.5)),
        tags=("a", "b c"),
        concurrency_key="customer 7",
    )


class Boom(Exception):
    """What goes wrong in a transaction."""


def test_an_empty_store(store: Store) -> None:
    assert store.get("a") is None
    assert store.find("") == []
    assert store.list() == []
    assert store.stats() == Stats()
    assert next_run_at(store) is None
    assert list(store.finished(Status.COMPLETED, after(99))) == []
    assert claim(store) == []
    store.maintain()
    store.wake()


def test_a_job_comes_back_as_it_was_added(store: Store) -> None:
    job = full_job("full")
    put(store, job, make_job("bare"))
    kept = there(store, "full")
    assert kept == msgspec.structs.replace(job, seq=kept.seq)
    assert kept.record() == job.record()
    assert there(store, "bare").record() == make_job("bare").record()


@pytest.mark.parametrize("data", [None, [], "", 0, False, 1e-300, "\x00\x1b\u2028", [[[]]]])
def test_any_data_comes_back(store: Store, data: Any) -> None:
    put(store, make_job("a", data=data))
    kept = there(store, "a").data
    assert kept == data
    assert type(kept) is type(data)


def test_a_history_comes_back(store: Store) -> None:
    put(store, make_job("a"))
    error = JobError("E", "m", "Traceback\n")
    [job] = claim(store)
    kept = end(
        store, job, Outcome.CRASHED, after(1), started_at=after(0.5), worker="7", error=error,
        exit=Exit("SIGKILL"), max_rss=9,
    )  # fmt: skip
    one = Attempt(Outcome.CRASHED, after(0.5), after(1), "7", error, Exit("SIGKILL"), 9)
    assert kept.history == (one,)
    assert (kept.error, kept.attempts, kept.crashes) == (error, 1, 1)


def test_a_result_may_be_raw_json(store: Store) -> None:
    put(store, make_job("a"))
    [job] = claim(store)
    kept = end(store, job, result=msgspec.Raw(b'{"rows":[1,2]}'))
    assert (kept.status, kept.result) == (Status.COMPLETED, {"rows": [1, 2]})


def test_what_was_read_is_nobody_elses(store: Store) -> None:
    put(store, make_job("a", data={"list": [1]}))
    there(store, "a").data["list"].append(2)
    assert there(store, "a").data == {"list": [1]}


def test_a_transaction_sees_its_own_writes(store: Store) -> None:
    put(store, make_job("old"))
    with store.transaction() as tx:
        assert tx.get("new") is None
        tx.add([make_job("new", data=[7])])
        new = tx.get("new")
        assert new is not None
        assert new.data == [7]
        old = tx.get("old")
        assert old is not None
        tx.save(transitions.cancel(old, NOON))
        again = tx.get("old")
        assert again is not None
        assert again.status is Status.CANCELLED
        tx.save(transitions.retry(again))
        tx.delete(new)
        assert tx.get("new") is None
    assert store.get("new") is None
    assert (there(store, "old").status, there(store, "old").rev) == (Status.PENDING, 3)


def test_a_job_may_be_added_changed_and_claimed_in_one_transaction(store: Store) -> None:
    with store.transaction() as tx:
        tx.add([make_job("a"), make_job("b", priority=5)])
        [job] = tx.claim(1, NOON)
        assert job.id == "b"
        assert tx.settle([transitions.cancel(job, NOON)]) == []
    assert there(store, "b").cancelling
    assert store.stats() == Stats(pending=1, running=1)


def test_what_others_write_is_not_seen_before_its_end(store: Store) -> None:
    put(store, make_job("a"))
    # A reader that is behind may have to wait for the writer: here they are one thread.
    assert ids(store.list()) == ["a"]
    with store.transaction() as tx:
        tx.add([make_job("b")])
        job = tx.get("a")
        assert job is not None
        tx.save(transitions.cancel(job, NOON))
        assert ids(store.list()) == ["a"]
        assert there(store, "a").status is Status.PENDING
    assert ids(store.list()) == ["b", "a"]


def change_and_fail(tx: Transaction) -> None:
    tx.add([make_job("new")])
    tx.claim(1, NOON)
    gone = tx.get("gone")
    assert gone is not None
    tx.delete(gone)
    raise Boom


def test_an_exception_leaves_the_store_as_it_was(store: Store) -> None:
    put(store, make_job("keep"), make_job("gone"), make_job("later", run_at=after(60)))
    before = store.list(), store.stats(), next_run_at(store), store.version()
    for _ in range(2):
        with pytest.raises(Boom), store.transaction() as tx:
            change_and_fail(tx)
        assert (store.list(), store.stats(), next_run_at(store), store.version()) == before
    assert ids(claim(store, 9)) == ["keep", "gone"]
    put(store, make_job("new"))
    assert ids(claim(store, 9)) == ["new"]


def test_a_save_must_be_the_next_state(store: Store) -> None:
    put(store, make_job("a"))
    job = there(store, "a")
    cancelled = transitions.cancel(job, NOON)
    with store.transaction() as tx:
        tx.save(cancelled)
    for stale in (job, cancelled, transitions.cancel(job, after(1))):
        with pytest.raises(StaleJob, match="a"), store.transaction() as tx:
            tx.save(stale)
    assert there(store, "a") == cancelled
    unknown = transitions.cancel(make_job("unknown"), NOON)
    with pytest.raises(StaleJob, match="unknown"), store.transaction() as tx:
        tx.save(unknown)


def test_a_stale_delete_is_refused_and_the_rest_may_go_on(store: Store) -> None:
    put(store, make_job("a"), make_job("b"))
    a, b = there(store, "a"), there(store, "b")
    with store.transaction() as tx:
        tx.save(transitions.cancel(a, NOON))
    with store.transaction() as tx:
        with pytest.raises(StaleJob, match="a"):
            tx.delete(a)
        tx.delete(b)
        with pytest.raises(StaleJob, match="b"):
            tx.delete(b)
    assert ids(store.list()) == ["a"]


def test_settle_gives_back_what_is_stale_and_writes_the_rest(store: Store) -> None:
    put(store, make_job("a"), make_job("b"), make_job("c"))
    a, b, c = (transitions.cancel(job, NOON) for job in claim(store, 3))
    with store.transaction() as tx:
        tx.save(b)
    gone = msgspec.structs.replace(c, id="gone")
    with store.transaction() as tx:
        assert ids(tx.settle([a, b, gone, c])) == ["b", "gone"]
    assert all(there(store, job_id).cancelling for job_id in "abc")


def test_a_deleted_id_may_be_added_again(store: Store) -> None:
    for data in (1, 2):
        put(store, make_job("a", data=data))
        kept = there(store, "a")
        assert kept.data == data
        with store.transaction() as tx:
            tx.delete(kept)
        assert store.get("a") is None
    with store.transaction() as tx:
        tx.add([make_job("b")])
        job = tx.get("b")
        assert job is not None
        tx.delete(job)
        assert tx.get("b") is None
        tx.add([make_job("b", data=3)])
    assert there(store, "b").data == 3
    assert store.stats() == Stats(pending=1)


def test_a_replaced_job_keeps_its_place(store: Store) -> None:
    put(store, make_job("a"), make_job("b"))
    old = there(store, "a")
    with store.transaction() as tx:
        tx.save(transitions.replace(old, make_job("x", name="other", priority=3)))
    assert [(job.id, job.name) for job in store.list()] == [("b", "work"), ("a", "other")]
    assert there(store, "a").seq == old.seq
    assert store.list(name="work") == [there(store, "b")]


def test_find_gives_ids_by_prefix(store: Store) -> None:
    names = ["ab", "abc", "abd", "b", "aB", "a_", "a-", "ab:x"]
    put(store, *(make_job(name) for name in names))
    assert store.find("ab") == sorted(["ab", "abc", "abd", "ab:x"])
    assert store.find("ab", 2) == ["ab", "ab:x"]
    assert store.find("a_") == ["a_"]
    assert store.find("abc") == ["abc"]
    assert store.find("zz") == []
    assert store.find("a%") == []
    assert store.find("") == sorted(names)
    assert store.find("\U0010ffff") == []


def test_list_gives_the_newest_first_in_pages(store: Store) -> None:
    names = [f"job{n}" for n in range(7)]
    for name in names:
        put(store, make_job(name))
    newest = names[::-1]
    assert ids(store.list()) == newest
    assert ids(store.list(limit=3)) == newest[:3]
    assert ids(store.list(limit=3, offset=3)) == newest[3:6]
    assert ids(store.list(limit=3, offset=6)) == newest[6:]
    assert store.list(offset=7) == []
    assert store.list(limit=0) == []


def test_list_filters_by_status_and_name(store: Store) -> None:
    put(store, *(make_job(f"{n}", name="ab"[n % 2]) for n in range(6)))
    claim(store, 3)
    assert ids(store.list(status=Status.RUNNING)) == ["2", "1", "0"]
    assert ids(store.list(status=Status.RUNNING, name="a")) == ["2", "0"]
    assert ids(store.list(name="a")) == ["4", "2", "0"]
    assert ids(store.list(name="b", limit=1, offset=1)) == ["3"]
    assert store.list(name="c") == store.list(status=Status.FAILED) == []


def test_an_add_of_many_keeps_their_order(store: Store) -> None:
    names = [f"job{n:04}" for n in range(2500)]
    put(store, *(make_job(name) for name in names))
    assert ids(store.list(limit=3000)) == names[::-1]
    assert store.stats() == Stats(pending=2500)


def test_finished_gives_the_oldest_first(store: Store) -> None:
    put(store, *(make_job(f"{n}") for n in range(6)))
    times = [5, 3, 4, 3, 9]
    for job, seconds in zip(claim(store, 5), times, strict=True):
        end(store, job, Outcome.COMPLETED, after(seconds))
    assert ids(store.finished(Status.COMPLETED, after(9))) == ["1", "3", "2", "0"]
    assert ids(store.finished(Status.COMPLETED, after(9), limit=2)) == ["1", "3"]
    assert ids(store.finished(Status.COMPLETED, after(3))) == []
    assert ids(store.finished(Status.COMPLETED, after(3.000001))) == ["1", "3"]
    assert ids(store.finished(Status.FAILED, after(99))) == []
    newest = store.finished(Status.COMPLETED, after(9), limit=3, newest=True)
    assert ids(newest) == ["0", "2", "3"]
    assert ids(store.finished(Status.COMPLETED, after(4), newest=True)) == ["3", "1"]


def test_counts_between_two_moments(store: Store) -> None:
    put(store, *(make_job(str(n)) for n in range(4)))
    first = store.list()[-1].seq
    assert store.count_added(first) == 3
    assert store.count_added(store.list()[0].seq) == 0
    for job, at in zip(claim(store, 4), (1, 2, 3, 4), strict=True):
        end(store, job, at=after(at))
    counted = [
        store.count_finished(Status.COMPLETED, after(before), after(since))
        for before, since in ((9, 0), (4, 2), (2, 2), (3, 1))
    ]
    assert counted == [4, 2, 0, 2]
    with store.transaction() as tx:
        tx.delete(there(tx, "3"))
    assert store.count_added(first) == 2
    assert ids(store.finished(Status.PENDING, after(99))) == []


def test_stats_follow_every_change(store: Store) -> None:
    put(store, *(make_job(name) for name in "abcdef"))
    assert store.stats() == Stats(pending=6)
    a, b, c, d = claim(store, 4)
    assert store.stats() == Stats(pending=2, running=4)
    end(store, a)
    end(store, b, Outcome.ERROR, options=FINAL)
    end(store, c, Outcome.ERROR)
    end(store, d, Outcome.RELEASED)
    assert store.stats() == Stats(pending=4, completed=1, failed=1)
    with store.transaction() as tx:
        tx.save(transitions.cancel(there(tx, "e"), NOON))
        tx.save(transitions.retry(there(tx, "b")))
        tx.delete(there(tx, "f"))
        tx.delete(there(tx, "a"))
    assert store.stats() == Stats(pending=3, cancelled=1)
    with store.transaction() as tx:
        tx.save(transitions.replace(there(tx, "e"), make_job("e")))
    assert store.stats() == Stats(pending=4)
    assert store.stats().as_dict()["total"] == 4


def test_what_has_changed_since_a_version(store: Store) -> None:
    put(store, make_job("old"), make_job("kept"))
    start = store.version()
    assert store.changed(start, 10) == []
    put(store, make_job("a"), make_job("b"))
    middle = store.version()
    [job] = claim(store)
    end(store, job)
    with store.transaction() as tx:
        tx.delete(there(tx, "a"))
        tx.put(Note(PAUSE, "work", NOON))
    assert store.changed(middle, 10) == ["a", "old"]
    assert store.changed(start, 10) == ["a", "b", "old"]
    assert store.changed(start, 3) == ["a", "b", "old"]
    assert store.changed(start, 2) is None
    assert store.changed(store.version(), 10) == []
    for unknown in (None, "x", object()):
        assert store.changed(unknown, 10) is None


def test_version_changes_with_every_write_and_only_then(store: Store) -> None:
    versions = [store.version()]

    def changed() -> bool:
        versions.append(store.version())
        return versions[-1] not in versions[:-1]

    put(store, make_job("a"))
    assert changed()
    put(store, make_job("b"))
    assert changed()
    [job] = claim(store)
    assert changed()
    end(store, job)
    assert changed()
    with store.transaction() as tx:
        tx.delete(there(tx, "a"))
    assert changed()
    with store.transaction() as tx:
        assert tx.get("b")
    put(store)
    claim(store, 0)
    store.list()
    store.wake()
    assert not changed()


def test_cancelling_names_the_running_jobs_that_shall_end(store: Store) -> None:
    def asked() -> list[str]:
        with store.transaction() as tx:
            return sorted(tx.cancelling())

    put(store, *(make_job(name) for name in "abcd"))
    assert asked() == []
    a, b, c = claim(store, 3)
    with store.transaction() as tx:
        for job in (a, b, c):
            tx.save(transitions.cancel(job, NOON))
        tx.save(transitions.cancel(there(tx, "d"), NOON))
    assert asked() == ["a", "b", "c"]
    end(store, there(store, "a"), Outcome.CANCELLED)
    end(store, there(store, "b"), Outcome.COMPLETED)
    assert asked() == ["c"]


def test_finished_jobs_are_counted(store: Store) -> None:
    put(store, *(make_job(f"{n}") for n in range(5)))
    for n, job in enumerate(claim(store, 4)):
        end(store, job, Outcome.ERROR if n == 3 else Outcome.COMPLETED, after(n), FINAL)
    counts = [store.count_finished(Status.COMPLETED, after(n)) for n in range(5)]
    assert counts == [0, 1, 2, 3, 3]
    assert store.count_finished(Status.FAILED, after(3)) == 0
    assert store.count_finished(Status.FAILED, after(4)) == 1
    assert store.count_finished(Status.CANCELLED, after(99)) == 0


def test_a_transaction_in_a_transaction_is_refused(store: Store) -> None:
    with (
        pytest.raises(RuntimeError, match="a transaction of this store is open"),
        store.transaction(),
        store.transaction(),
    ):
        pass
    put(store, make_job("a"))  # and the store goes on
    assert store.stats().pending == 1
