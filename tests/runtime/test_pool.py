"""The pool, on a bench: no processes, and a clock that is told the time."""

from __future__ import annotations

import signal
from typing import Any, cast

import pytest

from jobctl.core.job import Ending, Outcome
from jobctl.core.limits import Limits
from jobctl.runtime.channel import STOP_SIGNAL, Report
from jobctl.runtime.crew import LONGEST_PAUSE
from jobctl.runtime.deadlines import IDLE
from jobctl.runtime.plan import IN_HAND
from jobctl.runtime.server import Server
from jobctl.runtime.settings import Terms
from tests.helpers import NOON
from tests.runtime.bench import FakeServer


def test_unknown_names_get_a_worker_each_and_wait_when_there_is_none(make_bench: Any) -> None:
    bench = make_bench(2)
    bench.give("a", "b", "c")
    assert bench.server.forks == 2
    assert (bench.begin(0), bench.begin(1), bench.take(0)) == ("a", "b", None)
    bench.report("a", 0, seconds=1)
    assert bench.begin(0) == "c"


def test_short_jobs_share_and_are_taken_back_from_behind_a_long_one(make_bench: Any) -> None:
    bench = make_bench(2)
    bench.pool.durations.note("work", 0.0001)
    bench.give("a")
    bench.fork(0)
    assert bench.begin(0) == "a"
    bench.give("b")
    assert bench.begin(1) == "b"
    bench.give("c", "d")
    bench.report("b", 1)
    assert [len(worker.given) for worker in bench.pool.crew.workers.values()] == [2, 1]
    bench.clock.advance(0.1)
    assert bench.begin(1) in ("c", "d")
    bench.pool.tick()
    assert set(bench.pool.crew.workers[0].given) == {"a"}
    assert set(bench.pool.crew.workers[1].given) == {"c", "d"}
    bench.give("e")  # nor is anything more put behind a
    assert set(bench.pool.crew.workers[1].given) == {"c", "d", "e"}


def test_a_death_charges_what_was_begun_alone_and_a_result_wins(make_bench: Any) -> None:
    bench = make_bench()
    bench.pool.durations.note("work", 0.0001)
    bench.give("a", "b", "c")
    bench.fork()
    bench.begin()
    channel = bench.server.workers[0]
    channel.send(Report("a", Ending(Outcome.COMPLETED, NOON), None, 0.0))
    bench.begin()
    bench.die()
    assert bench.settled == [("a", Outcome.COMPLETED), ("b", Outcome.CRASHED)]
    assert bench.server.forks == 2  # for c, which nobody has read
    assert bench.begin() == "c"


def test_a_worker_that_read_a_job_and_did_not_begin_gives_it_back(make_bench: Any) -> None:
    bench = make_bench()
    bench.give("a")
    bench.fork()
    bench.take()
    bench.die()
    assert bench.settled == [("a", Outcome.RELEASED)]


def test_the_kill_comes_kill_after_the_timeout(make_bench: Any) -> None:
    bench = make_bench()
    bench.give("a", timeout=2.0)
    bench.fork()
    bench.begin()
    assert bench.pool.tick() == pytest.approx(7.0)
    bench.clock.advance(6.9)
    bench.pool.tick()
    assert bench.server.signals == []
    bench.clock.advance(0.2)
    bench.pool.tick()
    bench.pool.tick()
    assert bench.server.signals == [(100, signal.SIGKILL)]
    bench.die()
    assert bench.settled == [("a", Outcome.TIMEOUT)]


def test_an_earlier_run_of_the_same_job_does_not_count(make_bench: Any) -> None:
    bench = make_bench()
    bench.give("a", timeout=2.0)
    bench.fork()
    bench.begin()
    bench.pool.cancel("a")
    bench.report("a", seconds=3)
    bench.clock.advance(60)
    bench.give("a", timeout=2.0)
    bench.pool.tick()
    assert bench.server.signals == [(100, STOP_SIGNAL)]  # that of the cancel, and no kill
    assert bench.slots.to_stop(0) == ""
    bench.die()
    assert bench.settled == [("a", Outcome.COMPLETED)]  # unread, so it is handed out again


def test_a_cancel_before_the_worker_is_known_is_in_its_slot(make_bench: Any) -> None:
    bench = make_bench()
    bench.give("a")
    bench.pool.cancel("a")
    assert bench.slots.to_stop(0) == "a"
    bench.fork()
    bench.begin()
    bench.clock.advance(6)
    bench.pool.tick()
    bench.die()
    assert bench.settled == [("a", Outcome.CANCELLED)]


def test_workers_that_end_before_they_begin_are_not_started_in_a_loop(make_bench: Any) -> None:
    bench = make_bench()
    bench.give("a")
    for tries in range(1, 12):
        assert bench.server.forks == tries
        bench.fork()
        bench.die(status=256)
        assert bench.server.forks == tries
        wait = bench.pool.tick()
        assert wait is not None
        assert 0 < wait <= LONGEST_PAUSE
        bench.clock.advance(wait + 0.001)
        bench.pool.tick()
    assert wait == LONGEST_PAUSE
    assert bench.begin() == "a"
    assert bench.settled == []


def test_a_worker_that_cannot_be_forked_is_tried_again(make_bench: Any) -> None:
    bench = make_bench()
    bench.give("a")
    bench.pool.unforked(0)
    assert bench.server.forks == 1
    bench.clock.advance(1)
    bench.pool.tick()
    assert bench.server.forks == 2
    assert bench.settled == []


def test_junk_from_a_worker_kills_it(make_bench: Any) -> None:
    bench = make_bench()
    bench.give("a")
    bench.fork()
    bench.begin()
    for junk in (b"not a message", b"\1", b"\0"):
        bench.server.workers[0].sock.send(junk)
        bench.pool.read(bench.pool.crew.workers[0])
    assert bench.server.signals == [(100, signal.SIGKILL)] * 3
    bench.die()
    assert bench.settled == [("a", Outcome.CRASHED)]


def test_a_worker_is_killed_as_soon_as_its_pid_is_known(make_bench: Any) -> None:
    bench = make_bench()
    bench.give("a")
    bench.begin()
    bench.server.workers[0].sock.send(b"not a message")
    bench.pool.read(bench.pool.crew.workers[0])
    assert bench.server.signals == []
    bench.fork()
    assert bench.server.signals == [(100, signal.SIGKILL)]


def test_idle_workers_leave_but_the_last(make_bench: Any) -> None:
    bench = make_bench(3)
    bench.give("a", "b", "c")
    for slot, job_id in enumerate("abc"):
        bench.fork(slot)
        bench.begin(slot)
        bench.report(job_id, slot, seconds=1)
    bench.clock.advance(IDLE + 1)
    bench.pool.tick()
    assert sorted(worker.leaving for worker in bench.pool.crew.workers.values()) == [
        False,
        True,
        True,
    ]
    assert not bench.pool.busy


def test_a_stop_gives_back_what_has_not_begun_and_kills_the_rest(make_bench: Any) -> None:
    bench = make_bench()
    bench.pool.durations.note("work", 0.0001)
    bench.give("a", "b")
    bench.fork()
    bench.begin()
    bench.pool.release_waiting()
    assert bench.settled == [("b", Outcome.RELEASED)]
    bench.pool.release_running()
    assert bench.server.signals == [(100, signal.SIGKILL)]
    bench.die()
    assert bench.settled[1:] == [("a", Outcome.RELEASED)]
    assert not bench.pool.busy


def test_a_worker_runs_so_many_jobs_and_no_more(make_bench: Any) -> None:
    bench = make_bench(max_jobs=2)
    bench.pool.durations.note("work", 0.0001)
    bench.give("a", "b", "c")
    bench.fork()
    assert len(bench.pool.crew.workers[0].given) == 2
    for job_id in "ab":
        bench.begin()
        bench.report(job_id)
    assert bench.pool.crew.workers[0].leaving
    assert bench.pool.plan({"work"}, Limits({}), 0.0).room is False
    bench.die(status=0)
    assert bench.server.forks == 2
    assert bench.begin() == "c"
    assert [outcome for _, outcome in bench.settled] == [Outcome.COMPLETED] * 2


def test_what_is_taken_back_from_a_worker_does_not_count(make_bench: Any) -> None:
    bench = make_bench(max_jobs=3)
    bench.pool.durations.note("work", 0.0001)
    bench.give("a", "b", "c")
    worker = bench.pool.crew.workers[0]
    assert worker.spent
    bench.begin()
    assert [given.job.id for given in worker.take_back()] == ["b", "c"]
    assert worker.left == 2


def test_a_worker_that_grew_gives_back_what_it_has_not_read(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = iter([100, 101])
    monkeypatch.setattr("jobctl.runtime.member.resident", lambda pid: next(sizes))
    bench = make_bench(max_rss=100)
    bench.pool.durations.note("work", 0.0001)
    bench.give("a", "b", "c")
    bench.fork()
    bench.begin()
    bench.report("a")
    assert not bench.pool.crew.workers[0].leaving
    bench.begin()
    bench.report("b")
    assert bench.pool.crew.workers[0].leaving
    assert bench.pool.crew.workers[0].given == {}
    bench.die(status=0)
    assert bench.begin() == "c"


def test_other_terms_hold_from_a_reload_on_for_what_runs_too(make_bench: Any) -> None:
    bench = make_bench()
    bench.give("a", timeout=2.0)
    bench.fork()
    bench.begin()
    bench.pool.use(cast(Server, FakeServer()), Terms(kill_after=50.0))
    assert bench.pool.tick() == pytest.approx(52.0)


def test_workers_are_supplied_when_each_has_enough_short_jobs_in_hand(make_bench: Any) -> None:
    bench = make_bench(2)
    bench.pool.durations.note("work", IN_HAND / 8)
    bench.give("a", "b")
    assert not bench.pool.crew.supplied
    bench.give(*"cdefgh")
    assert bench.pool.crew.supplied  # four of eight each
    bench.fork()
    bench.begin()
    bench.report("a", seconds=IN_HAND / 8)
    assert not bench.pool.crew.supplied
    bench.give("i")
    assert bench.pool.crew.supplied
    worker = bench.pool.crew.workers[1]
    worker.slow = True
    assert not bench.pool.crew.supplied
    worker.slow = False
    bench.pool.crew.start_at = 1e9  # none can be started in place of one that dies
    bench.fork(1)
    bench.die(1)
    assert bench.pool.crew.workers[0].supplied
    assert not bench.pool.crew.supplied


def test_workers_are_not_supplied_by_long_jobs(make_bench: Any) -> None:
    bench = make_bench(2)
    bench.give("a", "b", "c", "d")
    assert not bench.pool.crew.supplied
    bench = make_bench(2, share=3, asynchronous=frozenset({"work"}))
    bench.give(*"abcdef")
    assert not bench.pool.crew.supplied
