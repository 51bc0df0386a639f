"""What a daemon makes of jobs that run, fail, hang and crash: `jobctl run`, for real."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from typing import Any

import pytest

from jobctl.core.job import Outcome, Status
from tests.helpers import eventually
from tests.runtime.rig import Rig, alive, seconds_for


@pytest.mark.parametrize("name", ["echo", "async-echo", "hidden-async"])
def test_a_handler_runs_and_its_result_is_kept(shared: Rig, name: str) -> None:
    job = shared.ended(shared.queue.add(name, {"n": 1}))
    assert job.status is Status.COMPLETED
    assert job.result["data"] == {"n": 1}


def test_an_idle_daemon_is_woken_by_an_add(shared: Rig) -> None:
    shared.ended(shared.queue.add("echo"))
    assert seconds_for(shared.ended(shared.queue.add("echo"))) < 3


def test_a_delayed_job_runs_when_it_is_due(shared: Rig) -> None:
    job = shared.ended(shared.queue.add("echo", delay=0.5))
    assert 0.5 <= seconds_for(job) < 3


def test_a_failure_is_retried_with_its_history(shared: Rig) -> None:
    job = shared.ended(shared.queue.add("flaky"))
    assert (job.status, job.result, job.attempts) == (Status.COMPLETED, 3, 3)
    assert [a.outcome for a in job.history] == ["error", "error", "completed"]
    error = job.history[0].error
    assert error is not None
    assert (error.type, error.message) == ("ConnectionError", "no luck in attempt 1")
    assert error.traceback is not None
    assert error.traceback.splitlines()[1].endswith("in flaky")


def test_the_backoff_holds_between_attempts(shared: Rig) -> None:
    job = shared.ended(shared.queue.add("flaky", backoff=[0.1, 0.3], max_retries=5))
    waits = [
        (later.started_at - before.finished_at).total_seconds()
        for before, later in zip(job.history, job.history[1:], strict=False)
        if later.started_at is not None and before.finished_at is not None
    ]
    assert [wait >= least for wait, least in zip(waits, (0.1, 0.3), strict=True)] == [True] * 2


def test_retry_fail_and_snooze(shared: Rig) -> None:
    again = shared.ended(shared.queue.add("again", max_retries=2))
    assert (again.status, again.attempts) == (Status.FAILED, 3)
    fail = shared.ended(shared.queue.add("fail"))
    assert (fail.status, fail.attempts) == (Status.FAILED, 1)
    snooze = shared.ended(shared.queue.add("snooze"))
    assert (snooze.status, snooze.attempts, snooze.result) == (Status.COMPLETED, 1, 1)


def test_data_that_does_not_fit_names_the_field(shared: Rig) -> None:
    job = shared.ended(shared.queue.add("typed", {"name": "Ann", "age": "old"}))
    assert (job.status, job.attempts) == (Status.FAILED, 1)
    assert job.error is not None
    assert "age" in job.error.message


def test_an_unknown_name_fails_for_good_and_tells_the_known(shared: Rig) -> None:
    job = shared.ended(shared.queue.add("nobody", max_retries=5))
    assert (job.status, job.attempts) == (Status.FAILED, 1)
    assert job.error is not None
    assert "'nobody'" in job.error.message
    assert "async-echo, async-sleep" in job.error.message


def test_a_retry_after_a_timeout_has_all_its_time(make_rig: Any) -> None:
    rig = make_rig()
    rig.start("--concurrency", "1")
    # The second attempt runs in the same worker, after the first one's deadline to be killed.
    data = {"seconds": 60}
    job_id = rig.queue.add("sleep", data, timeout=0.2, max_retries=2, backoff=[0.5])
    job = rig.ended(job_id)
    for attempt in job.history:
        assert attempt.exit is None
        assert attempt.outcome is Outcome.TIMEOUT
        assert attempt.finished_at - attempt.started_at >= timedelta(seconds=0.2)
        assert attempt.error.message == "the job ran longer than its timeout of 0.2 s"
    assert len(job.history) == 3


def test_a_cancel_is_seen_while_all_workers_are_busy_and_more_wait(make_rig: Any) -> None:
    rig = make_rig()
    rig.start("--concurrency", "1")
    first = rig.queue.add("sleep", {"seconds": 60})
    rig.running(first)
    second = rig.queue.add("echo")
    rig.queue.cancel(first)
    assert rig.ended(first, 4).status is Status.CANCELLED
    assert rig.ended(second).status is Status.COMPLETED


def test_a_cancelled_job_runs_again_when_it_is_retried(make_rig: Any) -> None:
    rig = make_rig()
    rig.start("--concurrency", "1")
    job_id = rig.queue.add("sleep", {"seconds": 1})
    rig.running(job_id)
    rig.queue.cancel(job_id)
    assert rig.ended(job_id).status is Status.CANCELLED
    rig.queue.retry(job_id)
    assert rig.ended(job_id).status is Status.COMPLETED


def test_jobs_behind_a_crash_go_back_uncharged(make_rig: Any) -> None:
    rig = make_rig()
    rig.queue.add_many(("maybe-short", {"seconds": 0}) for _ in range(300))
    crash = rig.queue.add("os-exit", {"code": 1})
    rig.queue.add_many(("maybe-short", {"seconds": 0}) for _ in range(300))
    assert rig.run("--burst", "--concurrency", "1") == 0
    stats = rig.queue.stats()
    assert (stats.completed, stats.failed) == (600, 1)
    assert rig.get(crash).history[-1].outcome is Outcome.CRASHED
    jobs = rig.queue.list(status="completed", limit=1000)
    assert {job.attempts for job in jobs} == {1}


def test_what_a_handler_started_lives_on_after_a_timeout_but_not_after_a_kill(
    make_rig: Any,
) -> None:
    rig = make_rig()
    rig.start()
    job_id = rig.queue.add("tree", {"end": "timeout"}, timeout=0.2)
    rig.ended(job_id)
    pids = rig.pids("tree")
    assert len(pids) == 3
    assert all(map(alive, pids))  # the handler ended in order, and so may they
    os.kill(rig.pids(f"began-{job_id}")[0], signal.SIGKILL)
    eventually(lambda: not any(map(alive, pids)))


def test_what_another_handler_left_running_survives_a_crash(make_rig: Any) -> None:
    rig = make_rig()
    daemon = rig.start("--concurrency", "1")
    assert rig.ended(rig.queue.add("fork-outlives")).status is Status.COMPLETED
    (pid,) = rig.pids("outlived")
    try:
        assert rig.ended(rig.queue.add("echo")).status is Status.COMPLETED
        assert alive(pid)
        assert rig.stop(daemon) == 0
        assert alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_output_of_handlers_goes_to_the_log_of_the_job_alone(shared: Rig) -> None:
    job_id = shared.queue.add("print")
    shared.ended(job_id)
    log = shared.folder / f".jobctl/logs/{job_id}.log"
    assert " info printed by a handler\n" in log.read_text()
    assert "printed" not in (shared.folder / "out").read_text()


def test_a_handler_that_closes_stdout_ends_no_worker(shared: Rig) -> None:
    for _ in range(3):
        assert shared.ended(shared.queue.add("replace-stdout")).status is Status.COMPLETED
        assert shared.ended(shared.queue.add("echo")).status is Status.COMPLETED


def test_a_megabyte_goes_in_and_out(shared: Rig) -> None:
    data = {"text": "é" * 500_000}
    job = shared.ended(shared.queue.add("big", data))
    assert job.error is None
    assert job.result == data


@pytest.mark.parametrize(
    ("name", "why"), [("too-big", "bytes"), ("deep", "nested"), ("not-json", "object")]
)
def test_a_result_that_cannot_be_kept_is_told(shared: Rig, name: str, why: str) -> None:
    job = shared.ended(shared.queue.add(name))
    assert (job.status, job.result) == (Status.COMPLETED, None)
    assert job.error is not None
    assert job.error.type == "ResultNotKept"
    assert why in job.error.message


def test_never_more_than_concurrency_at_once(make_rig: Any) -> None:
    rig = make_rig()
    rig.queue.add_many(("span", {}) for _ in range(16))
    assert rig.run("--burst", "--concurrency", "3") == 0
    lines = (rig.folder / "spans").read_text().split("\n")[:-1]
    marks = []
    for line in lines:
        start, end = map(float, line.split())
        marks += [(start, 1), (end, -1)]
    most = now = 0
    for _, step in sorted(marks):
        now += step
        most = max(most, now)
    assert len(lines) == 16
    assert most == 3


def test_a_short_job_does_not_wait_behind_a_long_one(make_rig: Any) -> None:
    rig = make_rig()
    rig.start("--concurrency", "2")
    # Now the daemon takes the name for a short one, and gives a worker several.
    rig.queue.wait(rig.queue.add_many(("maybe-short", {"seconds": 0}) for _ in range(200)))
    many: list[Any] = [("maybe-short", {"seconds": 30})]
    many += [("maybe-short", {"seconds": 0})] * 40
    long, *short = rig.queue.add_many(many)
    rig.queue.wait(short, timeout=5)
    assert rig.get(long).status is Status.RUNNING
    rig.queue.cancel(long)
    rig.ended(long)


def test_the_index_is_caught_up_while_the_handlers_are_imported(make_rig: Any) -> None:
    handlers = """
import sqlite3, time
from jobctl import handler

def known():
    try:
        index = sqlite3.connect("file:.jobctl/index.sqlite?mode=ro", uri=True)
        return index.execute("SELECT count(*) FROM jobs").fetchone()[0] == 1
    except sqlite3.Error:
        return False

end = time.monotonic() + 20
while not known():
    assert time.monotonic() < end
    time.sleep(0.01)

@handler("late")
def late():
    return 1
"""
    rig = make_rig(handlers)
    job_id = rig.queue.add("late")
    assert rig.run("--burst") == 0, rig.log()
    assert rig.get(job_id).result == 1
