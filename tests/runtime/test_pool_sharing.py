"""Jobs that share a worker, on the pool's bench; and what the history says of them."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import Any, cast

import pytest

from jobctl.core.job import Attempt, Ending, Exit, JobError, Options, Outcome, claim, finish
from jobctl.core.limits import Limits
from jobctl.core.store import Verdict
from jobctl.runtime import judge
from jobctl.runtime.channel import STOP_SIGNAL, Exited
from jobctl.runtime.deadlines import SHARED_PATIENCE
from jobctl.runtime.plan import Durations
from jobctl.runtime.server import Server
from jobctl.runtime.settings import Terms
from jobctl.runtime.slots import Places, Slots
from tests.helpers import NOON, make_job
from tests.runtime.bench import Bench, FakeServer

SHARING: dict[str, Any] = {"share": 3, "asynchronous": frozenset({"work"})}
CRASHED = Exit(signal="SIGKILL")


def holds(bench: Bench) -> list[list[str]]:
    """Return which jobs each worker holds, by slot."""
    workers = bench.pool.crew.workers
    return [list(workers[slot].given) for slot in sorted(workers)]


def place_of(bench: Bench, job_id: str) -> int:
    """Return the slot of a job that shares the first worker."""
    place = bench.pool.crew.workers[0].given[job_id].place
    assert place is not None
    return place


def begin_all(bench: Bench, count: int, slot: int = 0) -> None:
    bench.fork(slot)
    for _ in range(count):
        bench.begin(slot)


def test_workers_are_filled_one_after_the_other_up_to_the_share(make_bench: Any) -> None:
    bench = make_bench(5, **SHARING)
    bench.give("a", "b", "c", "d", "e", "f")
    assert holds(bench) == [["a", "b", "c"], ["d", "e"]]
    assert bench.pool.crew.at_once == 5
    begin_all(bench, 3)
    bench.report("b")
    assert holds(bench) == [["a", "c", "f"], ["d", "e"]]


def test_none_are_shared_by_default_nor_by_other_names(make_bench: Any) -> None:
    bench = make_bench(2, asynchronous=frozenset({"work"}))
    bench.give("a", "b")
    assert holds(bench) == [["a"], ["b"]]
    bench = make_bench(2, share=3, asynchronous=frozenset({"other"}))
    bench.give("a", "b")
    assert holds(bench) == [["a"], ["b"]]


def test_each_has_a_slot_of_its_own_and_gives_it_back(make_bench: Any, tmp_path: Path) -> None:
    bench = make_bench(3, **SHARING)
    for round_ in range(4):
        names = [f"{name}{round_}" for name in "abc"]
        bench.give(*names)
        begin_all(bench, 3)
        assert set(names) <= Slots.read_begun(tmp_path / "slots")
        for name in names:
            bench.report(name)
    assert not bench.pool.busy


def test_sync_jobs_have_no_company(make_bench: Any) -> None:
    bench = make_bench(3, **SHARING)
    bench.give("a")
    bench.pool.give([(make_job("s", name="sync"), Options())])
    bench.give("b")
    assert holds(bench) == [["a", "b"], ["s"]]
    bench.pool.durations.note("sync", 0.0001)
    bench.pool.give([(make_job("t", name="sync"), Options())])
    assert holds(bench) == [["a", "b"], ["s", "t"]]  # in turn, in a worker for such jobs
    bench.pool.give([(make_job("u", name="sync"), Options())])
    assert bench.server.forks == 2  # as many run at once as may, though a worker could start


def test_a_short_sync_job_does_not_wait_behind_jobs_that_share(make_bench: Any) -> None:
    bench = make_bench(1, **SHARING)
    bench.give("a")
    begin_all(bench, 1)
    bench.pool.durations.note("sync", 0.0001)
    bench.pool.give([(make_job("s", name="sync"), Options())])
    assert holds(bench) == [["a"]]
    bench.report("a")
    assert holds(bench) == [["s"]]


def test_a_reload_that_begins_sharing_ends_turns(make_bench: Any) -> None:
    bench = make_bench(2)
    bench.pool.durations.note("work", 0.0001)
    assert bench.pool.durations.cost("work") is not None
    bench.pool.use(cast(Server, bench.server), Terms(**SHARING))
    assert bench.pool.durations.cost("work") is None


def test_the_plan_counts_jobs_and_not_workers(make_bench: Any) -> None:
    bench = make_bench(4, **SHARING)
    bench.give("a", "b", "c")
    bench.pool.durations.note("work", 0.0001)
    plan = bench.pool.plan({"work"}, Limits({}), 0.0)
    assert [plan.admit("work", None) for _ in range(2)] == [Verdict.TAKE, Verdict.FULL]


def test_names_that_share_are_never_short() -> None:
    durations = Durations({"work"})
    for name in ("work", "sync"):
        durations.note(name, 0.0001)
    assert durations.cost("work") is None
    assert durations.cost("sync") is not None


def test_after_a_crash_each_is_alone(make_bench: Any) -> None:
    bench = make_bench(3, **SHARING)
    bench.give("a", "b", "c")
    begin_all(bench, 2)
    bench.take()  # c was read and did not begin
    bench.die()
    assert sorted(bench.settled) == [(name, Outcome.RELEASED) for name in "abc"]
    assert [ending.exit for ending in bench.endings] == [CRASHED, CRASHED, None]
    suspect = [
        make_job(name, history=(Attempt(Outcome.RELEASED, exit=CRASHED),)) for name in "ab"
    ]
    for job in (*suspect, make_job("c")):
        bench.pool.give([(job, Options())])
    assert holds(bench) == [["a"], ["b"], ["c"]]
    bench.fork(0)
    bench.begin(0)
    bench.die(0)
    assert bench.settled[3:] == [("a", Outcome.CRASHED)]


def test_one_that_never_had_company_pays_for_its_crash(make_bench: Any) -> None:
    bench = make_bench(3, **SHARING)
    bench.give("a")
    begin_all(bench, 1)
    bench.die()
    assert bench.settled == [("a", Outcome.CRASHED)]


def test_one_whose_company_has_left_does_not(make_bench: Any) -> None:
    bench = make_bench(3, **SHARING)
    bench.give("a", "b")
    begin_all(bench, 2)
    bench.report("b")
    bench.die()
    assert bench.settled == [("b", Outcome.COMPLETED), ("a", Outcome.RELEASED)]
    assert bench.endings[1].error is not None


def test_a_death_of_the_fork_server_is_nobodys_crash(make_bench: Any) -> None:
    bench = make_bench(3, **SHARING)
    bench.give("a", "b")
    begin_all(bench, 2)
    bench.pool.server_died()
    assert bench.settled == [("a", Outcome.LOST), ("b", Outcome.LOST)]


def test_a_kill_is_meant_for_one_and_gives_the_others_back(make_bench: Any) -> None:
    bench = make_bench(3, **SHARING)
    bench.give("a", timeout=2.0)
    bench.give("b", "c")
    begin_all(bench, 3)
    assert bench.pool.tick() == pytest.approx(7.0)
    bench.slots.tell(place_of(bench, "a"))
    bench.clock.advance(7.1)
    bench.pool.tick()
    bench.pool.tick()
    assert bench.server.signals == [(100, signal.SIGKILL)]
    bench.die()
    assert bench.settled == [
        ("a", Outcome.TIMEOUT),
        ("b", Outcome.RELEASED),
        ("c", Outcome.RELEASED),
    ]
    assert [ending.exit for ending in bench.endings] == [CRASHED, None, None]


def test_a_kill_with_the_loop_blocked_makes_all_of_them_suspect(make_bench: Any) -> None:
    bench = make_bench(3, **SHARING)
    bench.give("a", timeout=2.0)
    bench.give("b", "c")
    begin_all(bench, 2)
    bench.take()
    bench.clock.advance(7.1)
    bench.pool.tick()
    bench.die()
    outcomes = [Outcome.TIMEOUT, Outcome.RELEASED, Outcome.RELEASED]
    assert [outcome for _, outcome in bench.settled] == outcomes
    assert [ending.exit for ending in bench.endings] == [CRASHED, CRASHED, None]
    assert bench.endings[1].error is not None
    assert "blocked its event loop" in bench.endings[1].error.message


def test_a_stop_that_kills_suspects_nobody(make_bench: Any) -> None:
    bench = make_bench(3, **SHARING)
    bench.give("a", "b")
    begin_all(bench, 2)
    bench.pool.release_running()
    bench.die()
    assert [(e.outcome, e.exit) for e in bench.endings] == [(Outcome.RELEASED, None)] * 2


def test_a_cancel_names_the_slot_of_its_job(make_bench: Any) -> None:
    bench = make_bench(3, **SHARING)
    bench.give("a", "b")
    begin_all(bench, 2)
    bench.pool.cancel("b")
    place = place_of(bench, "b")
    assert bench.slots.to_stop(place) == "b"
    assert bench.slots.to_stop(0) == ""
    assert bench.server.signals == [(100, STOP_SIGNAL)]
    bench.report("b")
    bench.give("b")  # the same job once more: nobody has asked this run to end
    assert bench.slots.to_stop(place) == ""


def test_what_waits_for_a_blocked_loop_goes_elsewhere(make_bench: Any) -> None:
    bench = make_bench(3, **SHARING)
    bench.give("a")
    begin_all(bench, 1)
    bench.clock.advance(60)
    bench.give("b")
    assert bench.pool.tick() == pytest.approx(0.1)
    assert holds(bench) == [["a", "b"]]
    bench.clock.advance(SHARED_PATIENCE + 0.01)
    bench.pool.tick()
    assert holds(bench) == [["a"], ["b"]]
    bench.pool.tick()
    bench.give("c")
    assert holds(bench) == [["a"], ["b", "c"]]
    bench.report("a")
    bench.give("d")
    assert bench.take(0) is None
    assert holds(bench) == [[], ["b", "c", "d"]]


def test_jobs_join_one_that_has_run_for_long(make_bench: Any) -> None:
    bench = make_bench(3, **SHARING)
    bench.give("a")
    begin_all(bench, 1)
    bench.clock.advance(60)
    bench.pool.tick()
    bench.give("b")
    assert holds(bench) == [["a", "b"]]


def test_a_mark_that_one_was_told_to_end_is_not_the_next_ones(make_bench: Any) -> None:
    bench = make_bench(1)
    bench.slots.begin_beside(2, "a", 1.0)
    bench.slots.tell(2)
    assert bench.slots.told(2)
    bench.slots.begin_beside(2, "b", 2.0)
    assert not bench.slots.told(2)


def test_a_worker_that_starts_blocks_nothing(make_bench: Any) -> None:
    bench = make_bench(3, **SHARING)
    bench.give("a", "b")
    bench.clock.advance(60)
    bench.pool.tick()
    bench.begin()
    bench.pool.tick()
    assert holds(bench) == [["a", "b"]]


def test_one_that_has_run_enough_leaves_when_it_has_no_job(make_bench: Any) -> None:
    bench = make_bench(3, max_jobs=2, **SHARING)
    bench.give("a", "b", "c")
    assert holds(bench) == [["a", "b"], ["c"]]
    begin_all(bench, 2)
    bench.report("a")
    assert not bench.pool.crew.workers[0].leaving
    bench.report("b")
    assert bench.pool.crew.workers[0].leaving


def test_a_reload_that_ends_sharing_holds_for_what_comes(make_bench: Any) -> None:
    bench = make_bench(4, **SHARING)
    bench.give("a", "b")
    begin_all(bench, 1)
    server = FakeServer()
    bench.pool.use(cast(Server, server), Terms(asynchronous=frozenset({"work"})))
    assert holds(bench) == [["a"], ["b"]]  # b was not read
    bench.give("c")
    assert holds(bench) == [["a"], ["b"], ["c"]]
    assert server.forks == 2
    for channel in server.workers.values():
        channel.close()


def test_a_full_socket_costs_no_slot(make_bench: Any) -> None:
    bench = make_bench(3, **SHARING)
    bench.give("a")
    begin_all(bench, 1)
    worker = bench.pool.crew.workers[0]
    free = len(bench.pool.crew.places._free)
    worker.channel.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    while True:
        try:
            worker.channel.sock.send(b"\0" * 4000)
        except BlockingIOError:
            break
    bench.give("b")
    assert worker.full
    assert len(bench.pool.crew.places._free) == free


RELEASED = Attempt(Outcome.RELEASED)
TOGETHER = Attempt(Outcome.RELEASED, exit=CRASHED, error=JobError("SharedWorkerCrashed", ""))


@pytest.mark.parametrize(
    ("history", "alone"),
    [
        ([], False),
        ([RELEASED], False),
        ([TOGETHER], True),
        ([TOGETHER, RELEASED], True),
        ([TOGETHER, Attempt(Outcome.SNOOZED)], True),
        ([TOGETHER, Attempt(Outcome.LOST), RELEASED], True),
        ([TOGETHER, Attempt(Outcome.ERROR)], False),
        ([Attempt(Outcome.CRASHED, exit=CRASHED)], True),
        ([Attempt(Outcome.CRASHED, exit=CRASHED), Attempt(Outcome.TIMEOUT)], False),
        ([Attempt(Outcome.TIMEOUT, exit=CRASHED)], True),
        ([Attempt(Outcome.LOST)], False),
    ],
)
def test_who_must_be_alone_stands_in_the_history(history: list[Attempt], alone: bool) -> None:
    assert judge.alone(make_job(history=tuple(history))) is alone


def test_a_shared_crash_uses_nothing_up_and_a_crash_alone_does() -> None:
    job, options = make_job(), Options(max_retries=9, max_crashes=2)
    news = Exited(7, 9, 5000, NOON)
    for _ in range(3):
        job = finish(claim(job, NOON), judge.together(news, NOON), options)
    assert (job.status, job.attempts, job.crashes, job.run_at) == ("pending", 0, 0, None)
    for _ in range(2):
        assert judge.alone(job)
        job = finish(claim(job, NOON), judge.ended(None, news, NOON), options)
    assert (job.status, job.attempts, job.crashes) == ("failed", 2, 2)
    assert isinstance(judge.together(news, NOON), Ending)


def test_places_are_taken_once() -> None:
    places = Places(3, 5)
    taken = [places.take() for _ in range(3)]
    assert taken == [3, 4, None]
    places.free(4)
    assert places.take() == 4


def test_a_command_has_its_worker_to_itself_whatever_its_name(make_bench: Any) -> None:
    bench = make_bench(2, share=3, asynchronous=frozenset({"work"}))
    bench.pool.give([(make_job("s", shell={"args": ["true"]}), Options())])
    (worker,) = bench.pool.crew
    assert worker.given["s"].place is None
