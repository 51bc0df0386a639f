"""Which job is next."""

from __future__ import annotations

from jobctl.core import job as transitions
from jobctl.core.job import Ending, Options, Outcome, Status, finish
from jobctl.core.store import Gate, Stats, Store, Verdict
from tests.helpers import NOON, after, claim, end, ids, make_job, next_run_at, put, there


def closed_to(*names: str) -> Gate:
    return lambda name, key, shell: Verdict.CLOSED if name in names else Verdict.TAKE


def test_a_claimed_job_runs(store: Store) -> None:
    put(store, make_job("a", data=[1]))
    [job] = claim(store, 5, after(3))
    assert (job.status, job.attempts, job.started_at, job.data) == ("running", 1, after(3), [1])
    assert there(store, "a") == job
    assert claim(store, 5, after(4)) == []


def test_by_priority_then_run_at_then_in_the_order_added(store: Store) -> None:
    put(
        store,
        make_job("f", priority=-1),
        make_job("e", run_at=after(2)),
        make_job("d", run_at=after(1)),
        make_job("b"),
        make_job("c"),
        make_job("a", priority=1, run_at=after(3)),
    )
    assert ids(claim(store, 9, after(5))) == ["a", "b", "c", "d", "e", "f"]


def test_the_order_is_the_same_one_at_a_time(store: Store) -> None:
    for n in range(9):
        put(store, make_job(f"{n}", priority=n % 3))
    wanted = ["2", "5", "8", "1", "4", "7", "0", "3", "6"]
    assert [ids(claim(store))[0] for _ in wanted] == wanted


def test_a_limit_is_kept(store: Store) -> None:
    put(store, *(make_job(f"{n}") for n in range(5)))
    assert claim(store, 0) == []
    assert len(claim(store, 2)) == 2
    assert len(claim(store, 9)) == 3


def test_every_tenth_claim_goes_to_the_longest_waiting(store: Store) -> None:
    put(store, make_job("old1", priority=-9), make_job("old2", priority=-9, name="other"))
    put(store, *(make_job(f"new{n:02}", created_at=after(n + 1)) for n in range(40)))
    order = ids(claim(store, 15, after(99)))
    order += [ids(claim(store, 1, after(99)))[0] for _ in range(10)]
    assert (order[9], order[19]) == ("old1", "old2")
    assert order[:9] + order[10:19] == [f"new{n:02}" for n in range(18)]


def test_the_longest_waiting_as_others_come_and_leave(store: Store) -> None:
    put(store, *(make_job(f"w{n}", priority=-9, created_at=after(n + 9)) for n in range(9)))
    put(store, *(make_job(f"u{n}", created_at=after(99)) for n in range(60)))
    tenth = [ids(claim(store, 10, after(99)))[-1]]
    with store.transaction() as tx:
        tx.save(transitions.cancel(there(tx, "w1"), NOON))
    tenth.append(ids(claim(store, 10, after(99)))[-1])
    put(store, make_job("older", priority=-9, created_at=after(1)))
    tenth.append(ids(claim(store, 10, after(99)))[-1])
    with store.transaction() as tx:
        tx.save(transitions.retry(there(tx, "w1")))
    tenth.append(ids(claim(store, 10, after(99)))[-1])
    assert tenth == ["w0", "w2", "older", "w1"]


def test_the_longest_waiting_of_a_name_that_was_passed_over(store: Store) -> None:
    put(store, *(make_job(f"w{n}", priority=-9, created_at=after(n + 9)) for n in range(9)))
    put(store, *(make_job(f"u{n}", created_at=after(99)) for n in range(60)))
    others = [make_job(f"c{n}", name="c", priority=-9, created_at=after(n)) for n in (10, 20)]
    put(store, *others)
    tenth = [ids(claim(store, 10, after(99)))[-1]]
    put(store, make_job("c5", name="c", priority=-9, created_at=after(5)))
    tenth.append(ids(claim(store, 10, after(99)))[-1])
    tenth.append(ids(claim(store, 10, after(99)))[-1])
    with store.transaction() as tx:
        tx.save(transitions.cancel(there(tx, "c10"), NOON))
    tenth.append(ids(claim(store, 10, after(99)))[-1])
    assert tenth == ["w0", "c5", "w1", "w2"]


def test_a_delayed_job_has_waited_since_it_was_due(store: Store) -> None:
    put(store, make_job("delayed", priority=-9, run_at=after(50)))
    put(store, make_job("plain", priority=-9, created_at=after(30)))
    put(store, *(make_job(f"n{n:02}", created_at=after(60)) for n in range(30)))
    order = ids(claim(store, 20, after(99)))
    assert (order[9], order[19]) == ("plain", "delayed")


def test_a_delayed_job_is_claimed_when_it_is_due(store: Store) -> None:
    put(store, make_job("late", run_at=after(60)), make_job("soon", run_at=after(30)))
    assert claim(store, 9, after(29.999999)) == []
    assert ids(claim(store, 9, after(30))) == ["soon"]
    assert ids(claim(store, 9, after(3600))) == ["late"]


def test_next_run_at_is_the_next_delayed_job(store: Store) -> None:
    put(store, make_job("late", run_at=after(60)), make_job("now"))
    assert next_run_at(store) == after(60)
    put(store, make_job("soon", run_at=after(30)))
    assert next_run_at(store) == after(30)
    assert ids(claim(store, 9, after(30))) == ["now", "soon"]
    assert next_run_at(store) == after(60)
    with store.transaction() as tx:
        tx.save(transitions.cancel(there(tx, "late"), NOON))
    assert next_run_at(store) is None


def test_next_run_at_within_a_transaction(store: Store) -> None:
    put(store, make_job("a"), make_job("late", run_at=after(60)))
    [job] = claim(store)
    with store.transaction() as tx:
        assert tx.next_run_at() == after(60)
        tx.settle([finish(job, Ending(Outcome.ERROR, NOON, after=20.0), Options())])
        assert tx.next_run_at() == after(20)
        tx.add([make_job("soon", run_at=after(10)), make_job("waits", after=("late",))])
        assert tx.next_run_at() == after(10)
    store.catch_up()
    assert next_run_at(store) == after(10)


def test_a_failed_attempt_waits_for_its_retry(store: Store) -> None:
    put(store, make_job("a"))
    [job] = claim(store)
    end(store, job, Outcome.ERROR, after(1), after=10.0)
    assert claim(store, 1, after(10)) == []
    assert next_run_at(store) == after(11)
    [again] = claim(store, 1, after(11))
    assert again.attempts == 2


def test_a_released_job_is_there_at_once(store: Store) -> None:
    put(store, make_job("a"), make_job("b"))
    [job] = claim(store)
    end(store, job, Outcome.RELEASED)
    assert ids(claim(store, 9)) == ["a", "b"]


def test_only_pending_jobs_are_claimed(store: Store) -> None:
    put(store, *(make_job(name) for name in "abcd"))
    running = claim(store, 2)
    end(store, running[0])
    with store.transaction() as tx:
        tx.save(transitions.cancel(there(tx, "c"), NOON))
    assert ids(claim(store, 9)) == ["d"]
    with store.transaction() as tx:
        tx.save(transitions.retry(there(tx, "c")))
    assert ids(claim(store, 9)) == ["c"]


def test_jobs_that_left_are_not_claimed(store: Store) -> None:
    put(store, *(make_job(f"{n}") for n in range(6)))
    assert ids(claim(store)) == ["0"]  # whatever a store keeps at hand is there by now
    with store.transaction() as tx:
        tx.delete(there(tx, "1"))
        tx.save(transitions.cancel(there(tx, "2"), NOON))
        tx.save(transitions.replace(there(tx, "3"), make_job("3", run_at=after(60))))
    put(store, make_job("new", priority=1))
    assert ids(claim(store, 9)) == ["new", "4", "5"]
    assert ids(claim(store, 9, after(60))) == ["3"]


def test_a_closed_lane_lets_the_others_pass(store: Store) -> None:
    put(
        store, *(make_job(f"{name}{n}", name=name, priority=n) for n in (2, 1) for name in "ab")
    )
    assert ids(claim(store, 9, gate=closed_to("a"))) == ["b2", "b1"]
    assert claim(store, 9, gate=closed_to("a")) == []
    assert ids(claim(store, 9)) == ["a2", "a1"]


def test_shell_jobs_run_though_the_name_is_closed_to_others(store: Store) -> None:
    put(
        store,
        *(make_job(f"s{n}", name="shut", concurrency_key=f"k{n % 9}") for n in range(20_000)),
        *(
            make_job(
                f"{n:02}", name="shut", concurrency_key="k1", shell={}, created_at=after(1)
            )
            for n in range(12)
        ),
    )
    asked: list[tuple[str, str | None, bool]] = []

    def gate(name: str, key: str | None, shell: bool) -> Verdict:
        asked.append((name, key, shell))
        return Verdict.TAKE if shell else Verdict.NAME_CLOSED

    # Every tenth may ask for the longest waiting, which is none of them.
    assert ids(claim(store, 99, gate=gate)) == [f"{n:02}" for n in range(12)]
    assert asked.count(("shut", "k1", True)) == 12
    assert len(asked) == 13
    assert claim(store, 99, gate=gate) == []


def test_a_closed_name_is_asked_for_once_whatever_its_keys(store: Store) -> None:
    put(
        store,
        *(make_job(f"s{n}", name="shut", concurrency_key=f"k{n}") for n in range(20_000)),
        *(make_job(f"{n:02}", created_at=after(1)) for n in range(30)),
    )
    asked: list[str] = []

    def gate(name: str, key: str | None, shell: bool) -> Verdict:
        asked.append(name)
        return Verdict.NAME_CLOSED if name == "shut" else Verdict.TAKE

    assert ids(claim(store, 25, gate=gate)) == [f"{n:02}" for n in range(25)]
    assert asked.count("shut") == 1
    assert len(claim(store, 99, gate=gate)) == 5
    assert len(claim(store, 99)) == 99  # it is closed to that claim only


def test_a_name_may_close_after_some(store: Store) -> None:
    put(store, *(make_job(f"{n}", concurrency_key=f"k{n}") for n in range(4)))
    put(store, make_job("other", name="other"))
    verdicts = iter([Verdict.TAKE, Verdict.NAME_CLOSED, Verdict.TAKE])
    assert ids(claim(store, 9, gate=lambda *_: next(verdicts))) == ["0", "other"]
    assert ids(claim(store, 9)) == ["1", "2", "3"]


def test_a_name_whose_longest_waiting_are_closed_goes_on(store: Store) -> None:
    put(store, *(make_job(f"s{n:03}", concurrency_key="shut") for n in range(200)))
    put(store, *(make_job(f"{n:02}", created_at=after(1)) for n in range(25)))

    def gate(name: str, key: str | None, shell: bool) -> Verdict:
        return Verdict.CLOSED if key == "shut" else Verdict.TAKE

    assert ids(claim(store, 50, gate=gate)) == [f"{n:02}" for n in range(25)]
    assert len(claim(store, 999)) == 200


def test_a_lane_may_close_after_some(store: Store) -> None:
    put(store, *(make_job(f"{name}{n}", name=name) for n in range(3) for name in "ab"))
    room = {"a": 1, "b": 2}

    def gate(name: str, key: str | None, shell: bool) -> Verdict:
        room[name] -= 1
        return Verdict.TAKE if room[name] >= 0 else Verdict.CLOSED

    assert ids(claim(store, 9, gate=gate)) == ["a0", "b0", "b1"]
    assert store.stats() == Stats(pending=3, running=3)


def test_full_ends_the_claim(store: Store) -> None:
    put(store, *(make_job(f"{n}") for n in range(5)))
    verdicts = iter([Verdict.TAKE, Verdict.TAKE, Verdict.FULL])
    assert ids(claim(store, 9, gate=lambda *_: next(verdicts))) == ["0", "1"]
    assert store.stats() == Stats(pending=3, running=2)


def test_a_gate_is_asked_by_name_and_key(store: Store) -> None:
    put(
        store,
        make_job("a", name="x", concurrency_key="k1"),
        make_job("b", name="x", concurrency_key="k2"),
        make_job("c", name="x"),
    )
    asked: list[tuple[str, str | None]] = []

    def gate(name: str, key: str | None, shell: bool) -> Verdict:
        asked.append((name, key))
        return Verdict.CLOSED if key == "k1" else Verdict.TAKE

    assert ids(claim(store, 9, gate=gate)) == ["b", "c"]
    assert asked == [("x", "k1"), ("x", "k2"), ("x", None)]


def test_a_closed_lane_is_passed_over_by_the_tenth_claim_too(store: Store) -> None:
    put(store, make_job("old", name="shut", priority=-9))
    put(store, *(make_job(f"{n:02}", created_at=after(1)) for n in range(15)))
    assert ids(claim(store, 12, gate=closed_to("shut"))) == [f"{n:02}" for n in range(12)]


def test_many_delayed_jobs_in_front_change_nothing(store: Store) -> None:
    put(store, *(make_job(f"d{n}", run_at=after(1000 + n), priority=9) for n in range(1500)))
    put(store, make_job("now"))
    assert ids(claim(store, 9)) == ["now"]
    assert ids(claim(store, 9, after(5000))) == [f"d{n}" for n in range(9)]
    # All that are due: a short claim means that nothing more is.
    assert len(claim(store, 2000, after(5000))) == 1491
    assert store.stats() == Stats(running=1501)


def test_one_claim_takes_all_that_are_due(store: Store) -> None:
    put(store, *(make_job(f"d{n}", run_at=after(n)) for n in range(1500)))
    assert len(claim(store, 2000, after(5000))) == 1500


def test_due_jobs_that_may_not_run_hide_no_later_ones(store: Store) -> None:
    put(store, *(make_job(f"d{n}", name="shut", run_at=after(n)) for n in range(2500)))
    put(store, make_job("late", run_at=after(3000)))
    assert ids(claim(store, 5, after(5000), closed_to("shut"))) == ["late"]
    put(store, *(make_job(f"e{n}", run_at=after(n)) for n in range(1100)))
    asked: list[str] = []

    def full(name: str, key: str | None, shell: bool) -> Verdict:
        asked.append(name)
        return Verdict.FULL

    assert claim(store, 5, after(5000), full) == []
    assert len(asked) == 1


def test_a_claim_that_is_rolled_back_did_not_happen(store: Store) -> None:
    put(store, *(make_job(f"{n}") for n in range(3)))
    try:
        with store.transaction() as tx:
            assert ids(tx.claim(2, NOON)) == ["0", "1"]
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert store.stats() == Stats(pending=3)
    assert ids(claim(store, 9)) == ["0", "1", "2"]


def test_settling_and_claiming_share_a_transaction(store: Store) -> None:
    put(store, *(make_job(f"{n}") for n in range(4)))
    running = claim(store, 2)
    with store.transaction() as tx:
        ended = [transitions.cancel(job, NOON) for job in running]
        assert tx.settle(ended) == []
        assert ids(tx.claim(1, NOON)) == ["2"]
    assert store.stats() == Stats(pending=1, running=3)
    assert all(there(store, job.id).status is Status.RUNNING for job in ended)
