"""The daemon's steps, each alone: endings, deadlines, the stop, the throttle, what waits."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobctl.core.job import Options, Outcome
from jobctl.core.limits import Limit, Limits, by_name
from jobctl.core.store import Verdict
from jobctl.runtime import judge, usage
from jobctl.runtime.channel import Exited
from jobctl.runtime.deadlines import IDLE, idle_left, kill_due
from jobctl.runtime.log import Log
from jobctl.runtime.loop import Loop
from jobctl.runtime.member import Given
from jobctl.runtime.plan import Durations, Plan
from jobctl.runtime.process import resident
from jobctl.runtime.stop import LAST_TRIES, Stop
from jobctl.runtime.systemd import Manager
from jobctl.runtime.throttle import EVERY, Throttle
from jobctl.services.known import read_handlers, write_handlers
from tests.helpers import NOON, FakeClock, after, make_job


@pytest.mark.parametrize(
    ("killed", "status", "outcome", "message"),
    [
        (Outcome.RELEASED, 9, Outcome.RELEASED, None),
        (Outcome.CANCELLED, 9, Outcome.CANCELLED, None),
        (Outcome.TIMEOUT, 9, Outcome.TIMEOUT, "did not end at its timeout of 2.5 s"),
        (None, 9, Outcome.CRASHED, "ended by SIGKILL in the handler"),
        (None, 40, Outcome.CRASHED, "ended by signal 40 in the handler"),
        (None, 3 << 8, Outcome.CRASHED, "ended with exit code 3 in the handler"),
        (None, None, Outcome.LOST, "the fork server died"),
        (Outcome.RELEASED, None, Outcome.RELEASED, None),
    ],
)
def test_what_a_death_makes_of_what_was_begun(
    killed: Outcome | None, status: int | None, outcome: Outcome, message: str | None
) -> None:
    news = None if status is None else Exited(7, status, 5000, NOON)
    ending = judge.ended(killed, news, after(1), timeout=2.5)
    assert (ending.outcome, ending.finished_at) == (outcome, after(1))
    assert message is None or (ending.error is not None and message in ending.error.message)
    assert outcome not in (Outcome.CRASHED, Outcome.TIMEOUT) or ending.max_rss == 5000


def test_a_job_that_nobody_runs_is_final_and_names_those_that_could() -> None:
    ending = judge.unknown("mial", ["mail", "report"], NOON)
    assert ending.final
    assert ending.error is not None
    assert ending.error.message == "no handler is called 'mial'; there are: mail, report"


def test_when_an_attempt_is_killed() -> None:
    given = Given(make_job(), Options(timeout=2.0), 10.0)
    assert kill_due(given, 11.0, 5.0) == (18.0, Outcome.TIMEOUT)
    given.stop_at = 12.5
    assert kill_due(given, 11.0, 5.0) == (12.5, Outcome.CANCELLED)
    assert kill_due(Given(make_job(), Options(timeout=None), 10.0), 11.0, 5.0) is None


def test_when_an_idle_worker_leaves() -> None:
    assert idle_left(100.0, 1, 110.0) == IDLE - 10
    assert idle_left(100.0, 1, 100.0 + IDLE) == 0.0
    assert idle_left(100.0, 0, 900.0) is None


def test_a_stop_has_patience_once(clock: FakeClock) -> None:
    out = io.StringIO()
    stop = Stop(Log(clock, stream=out), Manager())
    assert not stop.over(999.0)
    assert stop.wait(0.0) is None
    stop.ask(signal.SIGTERM, 30.0, 100.0)
    assert stop.wanted
    assert (stop.over(129.9), stop.over(130.0), stop.wait(100.0)) == (False, True, 30.0)
    assert (stop.hopeless(130.0), stop.hopeless(130.0 + LAST_TRIES)) == (False, True)
    stop.ask(signal.SIGTERM, 30.0, 101.0)
    assert stop.over(101.0)
    assert out.getvalue().count("running jobs have 30 s") == 1


def test_sigquit_has_none(clock: FakeClock) -> None:
    stop = Stop(Log(clock, stream=io.StringIO()), Manager())
    stop.ask(signal.SIGQUIT, 30.0, 100.0)
    assert stop.over(100.0)


def test_a_limit_is_asked_before_the_place_and_takes_none() -> None:
    limits = Limits({"mail": Limit(concurrency=1)})
    plan = Plan(Durations(), 2, [], {"mail", "free"}, limits, 0.0)
    first = (plan.admit("mail", None), plan.held_back)
    second = (plan.admit("mail", None), plan.held_back)
    assert first == (Verdict.TAKE, False)
    assert second == (Verdict.NAME_CLOSED, True)
    assert plan.admit("free", "key") is Verdict.TAKE
    assert plan.admit("free", None) is Verdict.FULL
    assert plan.admit("free", "key") is Verdict.CLOSED
    assert plan.admit("unknown", "key") is Verdict.TAKE


def test_what_does_not_fit_does_not_count() -> None:
    limits = Limits({"mail": Limit(concurrency=1)})
    plan = Plan(Durations(), 0, [], {"mail"}, limits, 0.0)
    assert [plan.admit("mail", None) for _ in range(2)] == [Verdict.FULL] * 2


TABLES: dict[str, dict[str, Any]] = {
    "mail": {"rate": (1, 10.0), "timeout": 5.0},
    "report": {"concurrency": 2},
    "free": {"timeout": 1.0},
}


def test_limits_of_the_configuration() -> None:
    assert by_name(TABLES) == {
        "mail": Limit(rate=(1, 10.0)),
        "report": Limit(concurrency=2),
    }


def test_a_plan_counts_for_itself(tmp_path: Path, clock: FakeClock) -> None:
    here = Throttle(TABLES, tmp_path, clock)
    now = NOON.timestamp()
    plans = here.snapshot()
    plans.begin("mail", "key", now)
    assert (plans.name_open("mail", now), plans.key_open("key")) == (False, False)
    assert here.snapshot().name_open("mail", now)
    here.begin([make_job(name="mail", concurrency_key="key")], NOON)
    assert not here.snapshot().name_open("mail", now)
    here.end(make_job(name="mail", concurrency_key="key"))
    assert here.snapshot().key_open("key")


def test_rates_are_written_once_a_second_at_most_and_read_again(
    tmp_path: Path, clock: FakeClock
) -> None:
    here, file = Throttle(TABLES, tmp_path, clock), tmp_path / "rates.json"
    assert here.tick() is None
    assert not file.exists()
    here.begin([make_job(name="mail")], clock.now())
    assert here.tick() is None
    first = file.read_bytes()
    clock.advance(EVERY / 4)
    here.begin([make_job(name="mail")], clock.now())
    assert here.tick() == EVERY * 3 / 4
    assert file.read_bytes() == first
    clock.advance(EVERY * 3 / 4)
    assert here.tick() is None
    assert file.read_bytes() != first
    again = Throttle(TABLES, tmp_path, clock).snapshot()
    assert again.next_at == here.snapshot().next_at
    assert not again.name_open("mail", clock.now().timestamp())


def test_all_that_begin_together_count(tmp_path: Path, clock: FakeClock) -> None:
    here = Throttle({"mail": {"concurrency": 3}}, tmp_path, clock)
    here.begin([make_job(name="mail", concurrency_key=key) for key in "abc"], NOON)
    now = here.snapshot()
    assert not now.name_open("mail", NOON.timestamp())
    assert [now.key_open(key) for key in "abcd"] == [False, False, False, True]


def test_other_limits_hold_for_what_runs(tmp_path: Path, clock: FakeClock) -> None:
    here, now = Throttle({}, tmp_path, clock), NOON.timestamp()
    here.begin([make_job(name="report")], NOON)
    here.use({"report": {"concurrency": 1}})
    assert not here.snapshot().name_open("report", now)
    here.end(make_job(name="report"))
    assert here.snapshot().name_open("report", now)


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, clock: FakeClock) -> None:
    here = Throttle(TABLES, tmp_path / "gone", clock)
    here.begin([make_job(name="mail")], NOON)
    here.save()


def test_memory_of_a_process() -> None:
    size = resident(os.getpid())
    assert size is not None
    assert size > 1 << 20
    assert resident(2**22 + 1) is None


def test_the_loop_calls_nobody_who_was_forgotten_meanwhile() -> None:
    loop, called = Loop(), []
    one, other = os.eventfd(1), os.eventfd(1)

    def use(mine: int, theirs: int) -> None:
        called.append(mine)
        loop.forget(theirs)

    loop.watch(one, lambda: use(one, other))
    loop.watch(other, lambda: use(other, one))
    loop.wait(0)
    assert len(called) == 1
    loop.forget(12345)
    os.close(one)
    os.close(other)


def test_handlers_json(tmp_path: Path) -> None:
    assert read_handlers(tmp_path) is None
    write_handlers({"mail": {"async": False}}, tmp_path)
    assert read_handlers(tmp_path) == {"mail": {"async": False}}
    for broken in (b"", b"[]", b'{"handlers": 1}', b"\xff"):
        (tmp_path / "handlers.json").write_bytes(broken)
        assert read_handlers(tmp_path) is None


def test_what_took_a_moment_only_is_not_charged_with_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = SimpleNamespace(ru_utime=1.0, ru_stime=0.5, ru_maxrss=10)
    own = SimpleNamespace(ru_maxrss=7)
    both = {usage._SELF: own, usage._CHILDREN: theirs}
    cpu = iter([1.0, 1.25, 2.0, 2.5, 3.0, 3.0])
    monkeypatch.setattr("resource.getrusage", lambda who: both[who])
    monkeypatch.setattr("time.process_time", lambda: next(cpu))
    meter = usage.Meter()
    meter.start()
    assert (meter.cpu, meter.peak, meter.child_peak) == (2.5, 7 << 10, 10 << 10)
    theirs.ru_utime, theirs.ru_maxrss, own.ru_maxrss = 3.0, 20, 8
    assert meter.stop(usage.QUICK / 2) == 0.25  # nobody looked: a child takes longer
    meter.start()
    assert (meter.peak, meter.child_peak) == (7 << 10, 10 << 10)
    assert meter.stop(usage.QUICK) == 2.5
    meter.start()
    assert (meter.peak, meter.child_peak) == (8 << 10, 20 << 10)
    assert meter.stop(usage.QUICK) == 0.0
