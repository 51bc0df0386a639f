"""Async jobs that share a worker, with real processes."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jobctl.core.job import Job, Outcome, Status
from tests.helpers import eventually
from tests.runtime.rig import Rig, alive, most_at_once

HANDLERS = """
import asyncio, contextvars, fcntl, os, time
from pathlib import Path
from jobctl import Fail, Snooze, handler

HERE = Path(__file__).parent
inside = 0
own = contextvars.ContextVar("own", default=None)

class Inside:
    # What a job leaves: began-ID with its pid, a span, and whether it ran twice at once.
    def __init__(self, job):
        self.job = job

    def __enter__(self):
        global inside
        inside += 1
        self.fellows, self.start = inside - 1, time.monotonic()
        with open(HERE / f"began-{self.job.id}", "a+") as file:
            file.write(f"{os.getpid()}\\n")
        self.lock = os.open(HERE / f"lock-{self.job.id}", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            (HERE / "twice").touch()
        return self

    def __exit__(self, *_):
        global inside
        inside -= 1
        os.close(self.lock)
        with open(HERE / "spans", "a") as file:
            file.write(f"{self.job.name} {os.getpid()} {self.start} {time.monotonic()}\\n")

def told(inside):
    return {"pid": os.getpid(), "fellows": inside.fellows}

@handler
async def nap(job):
    with Inside(job) as me:
        await asyncio.sleep(job.data)
        return told(me)

@handler
def sync(job):
    with Inside(job) as me:
        time.sleep(job.data)
        return told(me)

async def gone(name):
    while not (HERE / name).exists():
        await asyncio.sleep(0.005)

@handler
async def waits(job):
    with Inside(job) as me:
        await gone("go")
        return told(me)

@handler
async def dies(job):
    with Inside(job):
        await gone("die")
        if job.data:
            os.kill(os.getpid(), job.data)
        os._exit(3)

@handler
async def leaves(job):
    child = await asyncio.create_subprocess_exec("sleep", "300")
    (HERE / "child").write_text(str(child.pid))
    os._exit(0)

@handler
async def swallows(job):
    with Inside(job):
        while True:
            try:
                await asyncio.sleep(60)
            except BaseException:
                pass

@handler
async def blocks(job):
    with Inside(job):
        time.sleep(job.data)

@handler
async def fails(job):
    with Inside(job):
        await asyncio.sleep(0.05)
        raise Fail(job.data) if job.data == "for good" else ValueError(job.data)

@handler
async def context(job):
    with Inside(job):
        before = own.get()
        own.set(job.id)
        await asyncio.sleep(0.05)
        return [before, own.get()]
"""
CONFIG = """
[run]
handlers = ["handlers"]
concurrency = 10
async_concurrency = 10
kill_after = "300ms"
max_retries = 5
backoff = { base = "10ms", jitter = 0.0 }
"""


@pytest.fixture
def start(make_rig: Any) -> Any:
    def begin(run: str = "", extra: str = "") -> Rig:
        rig: Rig = make_rig(HANDLERS, CONFIG + run + extra)
        return rig

    return begin


def begin(rig: Rig, *specs: Any) -> list[str]:
    """Add jobs and wait until all of them run."""
    ids = rig.queue.add_many(specs)
    for job_id in ids:
        running(rig, job_id)
    return ids


def running(rig: Rig, job_id: str) -> None:
    """Wait until a job's handler has written down its pid."""
    eventually(lambda: rig.pids(f"began-{job_id}"))


def go(rig: Rig, what: str = "go") -> None:
    (rig.folder / what).touch()


def outcomes(job: Job[Any]) -> list[str]:
    return [str(attempt.outcome) for attempt in job.history]


def spans(rig: Rig) -> list[tuple[str, str, float, float]]:
    lines = (rig.folder / "spans").read_text().splitlines()
    return [(n, pid, float(a), float(b)) for n, pid, a, b in map(str.split, lines)]


def test_ten_jobs_of_a_second_run_in_one_worker_side_by_side(start: Any) -> None:
    rig = start()
    ids = rig.queue.add_many([("nap", 1.0)] * 10)
    assert rig.run("--burst") == 0
    jobs = [rig.get(job_id) for job_id in ids]
    assert {job.status for job in jobs} == {Status.COMPLETED}
    assert len({job.result["pid"] for job in jobs}) == 1
    assert most_at_once([(a, b) for _, _, a, b in spans(rig)]) == 10
    assert all(job.attempts == 1 and job.history[0].max_rss is None for job in jobs)


def test_what_one_raises_is_its_own(start: Any) -> None:
    rig = start()
    ids = rig.queue.add_many([("fails", "for good"), ("fails", "again", {"max_retries": 1})])
    other = rig.queue.add("nap", 0.3)
    assert rig.run("--burst") == 0
    jobs = [rig.get(job_id) for job_id in ids]
    assert [(job.status, job.attempts) for job in jobs] == [("failed", 1), ("failed", 2)]
    errors = [(one.error.type, one.error.message) for job in jobs for one in job.history]
    assert errors == [("Fail", "for good"), *[("ValueError", "again")] * 2]
    assert rig.get(other).status is Status.COMPLETED
    assert rig.get(other).error is None


def test_each_has_a_worker_to_itself_by_default(make_rig: Any) -> None:
    rig = make_rig(HANDLERS, CONFIG.replace("async_concurrency = 10", ""))
    ids = rig.queue.add_many([("nap", 0.2)] * 4)
    assert rig.run("--burst") == 0
    assert [rig.get(job_id).result["fellows"] for job_id in ids] == [0] * 4


def test_one_worker_takes_so_many_and_no_more(start: Any) -> None:
    rig = start()
    (rig.folder / "jobs.toml").write_text(
        CONFIG.replace("async_concurrency = 10", "async_concurrency = 3")
    )
    ids = rig.queue.add_many([("nap", 0.2)] * 20)
    assert rig.run("--burst") == 0
    assert max(rig.get(job_id).result["fellows"] for job_id in ids) == 2
    assert most_at_once([(a, b) for _, _, a, b in spans(rig)]) <= 10


def test_a_timeout_ends_one_and_leaves_the_others(start: Any) -> None:
    rig = start()
    rig.start()
    others = begin(rig, *[("waits", None)] * 3)
    late = rig.queue.add("nap", 60.0, timeout=0.2, max_retries=0)
    job = rig.ended(late)
    assert outcomes(job) == ["timeout"]
    assert job.history[0].exit is None  # it was asked to end, and did
    assert [rig.get(one).status for one in others] == [Status.RUNNING] * 3
    go(rig)
    done = rig.queue.wait(others, timeout=10)
    assert {one.result["pid"] for one in done} == {rig.pids(f"began-{late}")[0]}
    assert all(outcomes(one) == ["completed"] for one in done)


def test_a_cancel_ends_one_and_leaves_the_others(start: Any) -> None:
    rig = start()
    rig.start()
    *others, one = begin(rig, *[("waits", None)] * 4)
    rig.queue.cancel(one)
    assert outcomes(rig.ended(one)) == ["cancelled"]
    assert [rig.get(other).status for other in others] == [Status.RUNNING] * 3
    go(rig)
    done = rig.queue.wait(others, timeout=10)
    assert all(outcomes(job) == ["completed"] for job in done)


@pytest.mark.parametrize("number", [0, signal.SIGKILL, signal.SIGSEGV])
def test_a_crash_there_is_charged_to_nobody_and_each_is_tried_again_alone(
    start: Any, number: int
) -> None:
    rig = start()
    rig.start()
    *others, poison = begin(rig, *[("waits", None)] * 4, ("dies", int(number)))
    assert len({rig.pids(f"began-{job_id}")[0] for job_id in (*others, poison)}) == 1
    go(rig, "die")
    dead = rig.ended(poison)
    assert (dead.status, dead.attempts, dead.crashes) == (Status.FAILED, 3, 3)
    assert outcomes(dead) == ["released", "crashed", "crashed", "crashed"]
    assert dead.history[0].error is not None
    assert dead.history[0].error.type == "SharedWorkerCrashed"
    assert all(attempt.exit is not None for attempt in dead.history)
    eventually(lambda: all(len(rig.pids(f"began-{one}")) == 2 for one in others))
    go(rig)
    for job in rig.queue.wait(others, timeout=10):
        assert (job.status, job.attempts, job.crashes) == (Status.COMPLETED, 1, 0)
        assert outcomes(job) == ["released", "completed"]
        assert job.result["fellows"] == 0
        assert job.error is None
    again = [rig.pids(f"began-{one}")[1] for one in others]
    assert len(set(again)) == len(others)
    assert rig.log().count("SharedWorkerCrashed") == 1


def test_a_job_that_crashes_in_an_otherwise_empty_worker_pays_at_once(start: Any) -> None:
    rig = start()
    rig.start()
    go(rig, "die")
    dead = rig.ended(rig.queue.add("dies", 0))
    assert outcomes(dead) == ["crashed", "crashed", "crashed"]


def test_an_exit_with_code_0_is_a_crash_and_leaves_no_child(start: Any) -> None:
    rig = start()
    rig.start()
    begin(rig, ("waits", None))
    one = rig.queue.add("leaves", max_retries=0)
    eventually(lambda: len(rig.get(one).history) > 0)
    assert rig.get(one).history[0].exit is not None
    children = set(rig.pids("child"))
    assert outcomes(rig.ended(one)) == ["released", "crashed"]
    children |= set(rig.pids("child"))
    assert not any(alive(pid) for pid in children)


def test_it_runs_alone_after_a_crash_though_the_daemon_was_started_anew(start: Any) -> None:
    rig = start()
    daemon = rig.start()
    *others, _ = begin(rig, ("waits", None), ("waits", None), ("dies", 0))
    go(rig, "die")
    eventually(lambda: all(len(rig.pids(f"began-{one}")) == 2 for one in others))
    (rig.folder / "jobs.toml").write_text(CONFIG + 'shutdown_timeout = "0s"\n')
    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: "handlers are in use" in rig.log())
    assert rig.stop(daemon) == 0
    assert [rig.get(one).status for one in others] == [Status.PENDING] * 2
    more = rig.queue.add_many([("nap", 0.2)] * 3)
    go(rig)
    assert rig.run("--burst") == 0
    assert [rig.get(one).result["fellows"] for one in others] == [0, 0]
    assert sum(rig.get(one).result["fellows"] > 0 for one in more) == 2


@pytest.mark.parametrize("name", ["swallows", "blocks"])
@pytest.mark.parametrize("how", ["timeout", "cancel"])
def test_one_that_does_not_end_is_killed_and_the_others_are_given_back(
    start: Any, name: str, how: str
) -> None:
    rig = start()
    rig.start()
    others = begin(rig, ("waits", None), ("waits", None))
    timeout = 0.2 if how == "timeout" else None
    one = rig.queue.add(name, 60.0, timeout=timeout, max_retries=0)
    running(rig, one)
    if how == "cancel":
        rig.queue.cancel(one)
    job = rig.ended(one)
    assert outcomes(job) == ["timeout" if how == "timeout" else "cancelled"]
    assert job.history[0].exit is not None
    eventually(lambda: all(len(rig.pids(f"began-{other}")) == 2 for other in others))
    go(rig)
    done = rig.queue.wait(others, timeout=10)
    assert [outcomes(other) for other in done] == [["released", "completed"]] * 2
    assert {other.attempts for other in done} == {1}
    # One of them may be the one that blocks; nobody suspects those of one that swallows.
    assert len({other.result["pid"] for other in done}) == (1 if name == "swallows" else 2)
    blocked = "SharedWorkerBlocked" in rig.log()
    assert blocked is (name == "blocks")


def test_a_blocked_loop_keeps_no_job_that_has_not_begun(start: Any) -> None:
    rig = start()
    rig.start()
    [blocked] = begin(rig, ("blocks", 60.0))
    done = rig.queue.wait(rig.queue.add_many([("nap", 0.01)] * 5), timeout=10)
    assert rig.pids(f"began-{blocked}")[0] not in {job.result["pid"] for job in done}
    assert all(outcomes(job) == ["completed"] for job in done)


def test_a_killed_daemons_shared_jobs_all_run_once_more(start: Any) -> None:
    rig = start()
    daemon = rig.start()
    ids = begin(rig, *[("waits", None)] * 5)
    [worker] = {rig.pids(f"began-{job_id}")[0] for job_id in ids}
    rig.kill(daemon)
    rig.start()
    assert not alive(worker)
    eventually(lambda: all(len(rig.pids(f"began-{one}")) == 2 for one in ids))
    go(rig)
    done = rig.queue.wait(ids, timeout=10)
    assert [outcomes(job) for job in done] == [["lost", "completed"]] * 5
    assert all(len(rig.pids(f"began-{one}")) == 2 for one in ids)
    assert not (rig.folder / "twice").exists()


def test_sync_jobs_share_with_nobody_and_all_count(start: Any) -> None:
    rig = start()
    (rig.folder / "jobs.toml").write_text(CONFIG.replace("concurrency = 10", "concurrency = 4"))
    rig.queue.add_many([("nap", 0.05), ("sync", 0.03), ("nap", 0.02)] * 12)
    assert rig.run("--burst") == 0
    assert rig.queue.stats().completed == 36
    seen = spans(rig)
    assert most_at_once([(a, b) for _, _, a, b in seen]) == 4
    for name, pid, start_, end in seen:
        if name == "sync":
            at = [s for s in seen if s[1] == pid and s[2] < end and s[3] > start_]
            assert len(at) == 1


def test_limits_and_keys_hold(start: Any) -> None:
    rig = start(extra="[limits]\nnap = { concurrency = 2 }\n")
    rig.queue.add_many([("nap", 0.02)] * 10)
    for _ in range(5):
        rig.queue.add("context", concurrency_key="one")
    assert rig.run("--burst") == 0
    seen = spans(rig)
    assert most_at_once([(a, b) for name, _, a, b in seen if name == "nap"]) == 2
    assert most_at_once([(a, b) for name, _, a, b in seen if name == "context"]) == 1


def test_each_runs_in_a_context_of_its_own(start: Any) -> None:
    rig = start()
    ids = rig.queue.add_many([("context", None)] * 5)
    assert rig.run("--burst") == 0
    assert [rig.get(job_id).result for job_id in ids] == [[None, job_id] for job_id in ids]


def test_a_stop_gives_all_of_them_their_time(start: Any) -> None:
    rig = start()
    daemon = rig.start()
    ids = begin(rig, *[("waits", None)] * 3)
    daemon.send_signal(signal.SIGTERM)
    eventually(lambda: "stopping: " in rig.log())
    go(rig)
    assert daemon.wait(timeout=20) == 0
    assert [outcomes(rig.get(job_id)) for job_id in ids] == [["completed"]] * 3


def test_a_stop_gives_back_those_that_take_longer(start: Any) -> None:
    rig = start('shutdown_timeout = "200ms"\n')
    daemon = rig.start()
    ids = begin(rig, ("waits", None), ("nap", 60.0), ("swallows", None))
    assert rig.stop(daemon) == 0
    jobs = [rig.get(job_id) for job_id in ids]
    assert [(job.status, job.attempts) for job in jobs] == [(Status.PENDING, 0)] * 3
    assert [outcomes(job) for job in jobs] == [["released"]] * 3


def test_a_reload_lets_running_ones_end_in_the_old_worker(start: Any) -> None:
    rig = start()
    daemon = rig.start()
    ids = begin(rig, *[("waits", None)] * 3)
    (rig.folder / "jobs.toml").write_text(
        CONFIG.replace("async_concurrency = 10", "async_concurrency = 2")
    )
    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: "handlers are in use" in rig.log())
    more = begin(rig, *[("waits", None)] * 4)
    old = {rig.pids(f"began-{job_id}")[0] for job_id in ids}
    new = Counter(rig.pids(f"began-{job_id}")[0] for job_id in more)
    assert len(old) == 1
    assert sorted(new.values()) == [2, 2]
    assert not old & new.keys()
    go(rig)
    done = rig.queue.wait([*ids, *more], timeout=10)
    assert all(outcomes(job) == ["completed"] for job in done)
    eventually(lambda: not alive(next(iter(old))))


def test_a_worker_is_replaced_after_so_many_jobs_when_it_has_none(start: Any) -> None:
    rig = start("max_jobs_per_worker = 3\n")
    ids = rig.queue.add_many([("nap", 0.05)] * 12)
    assert rig.run("--burst") == 0
    jobs = [rig.get(job_id) for job_id in ids]
    assert Counter(Counter(job.result["pid"] for job in jobs).values()) == {3: 4}
    assert all(outcomes(job) == ["completed"] for job in jobs)


def test_one_that_forks_a_child_that_comes_back_reports_once(start: Any) -> None:
    rig = start()
    (rig.folder / "handlers.py").write_text(
        HANDLERS + "\n@handler\nasync def forks(job):\n    return os.fork()\n"
    )
    rig.start()
    others = begin(rig, ("waits", None))
    assert outcomes(rig.ended(rig.queue.add("forks"))) == ["completed"]
    go(rig)
    assert outcomes(rig.ended(others[0])) == ["completed"]


def test_a_daemon_with_shared_jobs_leaves_nothing(start: Any) -> None:
    rig = start()
    daemon = rig.start()
    [one] = begin(rig, ("nap", 0.1))
    assert rig.ended(one).history[0].outcome is Outcome.COMPLETED
    assert rig.stop(daemon) == 0
    assert not Path(rig.folder / ".jobctl/family.slots").exists()
    assert not alive(rig.pids(f"began-{one}")[0])
