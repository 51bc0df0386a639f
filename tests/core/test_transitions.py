"""Every verb on every status, and what an attempt's ending makes of a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from jobctl.core import job as jobs
from jobctl.core.job import (
    FINISHED,
    HISTORY,
    RECORD_FIELDS,
    UNCHARGED,
    Ending,
    Exit,
    Job,
    JobError,
    Options,
    Outcome,
    Status,
)
from jobctl.core.retry import RetryPolicy
from jobctl.errors import WrongStatus
from tests.helpers import NOON, after, make_job

OPTIONS = Options(max_retries=3, max_crashes=3, backoff=RetryPolicy(jitter=0))


def in_status(status: Status, **fields: Any) -> Job[Any]:
    """Return a job as it looks in a status."""
    given: dict[str, Any] = {"status": status}
    if status is Status.RUNNING:
        given |= {"attempts": 1, "started_at": NOON}
    if status.finished:
        given |= {"attempts": 2, "started_at": NOON, "finished_at": after(5)}
    return make_job(**(given | fields))


def ending(outcome: Outcome, **fields: Any) -> Ending:
    return Ending(outcome, finished_at=after(10), **fields)


def run(job: Job[Any], outcome: Outcome, options: Options = OPTIONS, **fields: Any) -> Job[Any]:
    """Claim a job and end the attempt."""
    return jobs.finish(jobs.claim(job, NOON), ending(outcome, **fields), options)


def finish_with(outcome: Outcome) -> Callable[[Job[Any]], Job[Any]]:
    return lambda job: jobs.finish(job, ending(outcome), OPTIONS)


def delete(job: Job[Any]) -> Job[Any]:
    jobs.delete(job)
    return job


VERBS: dict[str, Callable[[Job[Any]], Job[Any]]] = {
    "claim": lambda job: jobs.claim(job, NOON),
    **{f"finish {outcome}": finish_with(outcome) for outcome in Outcome},
    "retry": jobs.retry,
    "cancel": lambda job: jobs.cancel(job, NOON),
    "delete": delete,
    "replace": lambda job: jobs.replace(job, make_job("other")),
}
P, R, C, F, X = Status  # pending, running, completed, failed, cancelled
#: The status after each verb, by the status before it. A pair that is absent is refused.
TABLE: dict[str, dict[Status, Status]] = {
    "claim": {P: R},
    "finish completed": {R: C},
    "finish error": {R: P},
    "finish timeout": {R: P},
    "finish crashed": {R: P},
    "finish cancelled": {R: X},
    "finish released": {R: P},
    "finish snoozed": {R: P},
    "finish lost": {R: P},
    "retry": {F: P, X: P},
    "cancel": {P: X, R: R},
    "delete": {P: P, C: C, F: F, X: X},
    "replace": {P: P, C: P, F: P, X: P},
}


def test_the_table_knows_every_verb() -> None:
    assert TABLE.keys() == VERBS.keys()


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_on_every_status(verb: str, status: Status) -> None:
    job = in_status(status)
    if status in TABLE[verb]:
        changed = VERBS[verb](job)
        assert changed.status is TABLE[verb][status]
        assert changed.rev == job.rev + (verb != "delete")
        assert (changed.finished_at is not None) == changed.status.finished
    else:
        with pytest.raises(WrongStatus, match=f"job a is {status}"):
            VERBS[verb](job)


def test_a_claim_counts_the_attempt_before_it_begins() -> None:
    job = jobs.claim(make_job(attempts=1, progress={"done": 1}), after(3))
    assert (job.attempts, job.started_at, job.progress) == (2, after(3), None)


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.TIMEOUT, Outcome.CRASHED])
@pytest.mark.parametrize(("max_retries", "runs"), [(0, 1), (1, 2), (3, 4)])
def test_max_retries_counts_the_runs_after_the_first(
    outcome: Outcome, max_retries: int, runs: int
) -> None:
    options = Options(max_retries=max_retries, max_crashes=100)
    job = make_job()
    for n in range(1, runs + 1):
        assert job.status is Status.PENDING
        job = run(job, outcome, options)
        assert job.attempts == n
    assert job.status is Status.FAILED
    assert job.finished_at == after(10)


@pytest.mark.parametrize("outcome", UNCHARGED)
def test_some_outcomes_use_up_no_attempt(outcome: Outcome) -> None:
    job = make_job()
    for _ in range(5):
        job = run(job, outcome, Options(max_retries=0, max_crashes=100), after=1.0)
    assert (job.status, job.attempts, len(job.history)) == (Status.PENDING, 0, 5)


@pytest.mark.parametrize("outcome", [Outcome.CRASHED, Outcome.LOST])
def test_max_crashes_ends_a_job_whatever_its_retries(outcome: Outcome) -> None:
    options = Options(max_retries=100, max_crashes=3)
    job = make_job()
    for crashes in (1, 2):
        job = run(job, outcome, options)
        assert (job.status, job.crashes) == (Status.PENDING, crashes)
    job = run(job, Outcome.ERROR, options)  # is no crash
    job = run(job, outcome, options)
    assert (job.status, job.crashes) == (Status.FAILED, 3)


def test_released_and_lost_jobs_run_again_at_once_and_others_wait() -> None:
    for outcome in (Outcome.RELEASED, Outcome.LOST):
        assert run(make_job(), outcome).run_at is None
    assert run(make_job(), Outcome.ERROR).run_at == after(11)
    assert run(make_job(attempts=2), Outcome.ERROR).run_at == after(14)
    assert run(make_job(), Outcome.ERROR, after=60.0).run_at == after(70)
    assert run(make_job(), Outcome.SNOOZED, after=60.0).run_at == after(70)


def test_chance_is_the_jitter() -> None:
    job = jobs.claim(make_job(), NOON)
    options = Options(backoff=RetryPolicy(base=10, jitter=0.5))
    late = jobs.finish(job, ending(Outcome.ERROR), options, chance=1.0)
    assert late.run_at == after(25)


def test_a_final_error_fails_the_job_at_once() -> None:
    assert run(make_job(), Outcome.ERROR, final=True).status is Status.FAILED


def test_the_history_keeps_the_last_attempts() -> None:
    job = make_job()
    for n in range(HISTORY + 5):
        job = run(job, Outcome.SNOOZED, worker=f"w{n}", after=1.0)
    assert [one.worker for one in job.history] == [f"w{n}" for n in range(5, HISTORY + 5)]


def test_an_attempt_says_how_it_ended() -> None:
    error, how = JobError("ValueError", "no"), Exit(signal="SIGKILL")
    job = run(
        make_job(), Outcome.CRASHED, started_at=after(1), worker="7", error=error, exit=how,
        max_rss=9,
    )  # fmt: skip
    [one] = job.history
    assert (one.outcome, one.started_at, one.finished_at) == ("crashed", after(1), after(10))
    assert (one.worker, one.error, one.exit, one.max_rss) == ("7", error, how, 9)
    assert job.error == error


def test_success_clears_the_error_and_keeps_the_result() -> None:
    job = run(make_job(), Outcome.ERROR, error=JobError("E", "m"))
    assert run(job, Outcome.RELEASED).error == job.error
    done = run(job, Outcome.COMPLETED, result={"n": 1})
    assert (done.error, done.result, done.attempts) == (None, {"n": 1}, 2)


def test_a_running_job_is_cancelled_when_its_attempt_ends() -> None:
    asked = jobs.cancel(jobs.claim(make_job(), NOON), NOON)
    assert (asked.status, asked.cancelling) == (Status.RUNNING, True)
    assert jobs.cancel(asked, NOON) is asked
    for outcome in Outcome:
        ended = jobs.finish(asked, ending(outcome), OPTIONS)
        wanted = Status.COMPLETED if outcome is Outcome.COMPLETED else Status.CANCELLED
        assert (ended.status, ended.cancelling) == (wanted, False)


def test_a_retried_job_begins_again_and_keeps_its_history() -> None:
    job = make_job(max_retries=0)
    for _ in range(3):
        job = run(job, Outcome.CRASHED, Options(max_retries=5))
    again = jobs.retry(job)
    assert (again.attempts, again.crashes, again.run_at) == (0, 0, None)
    assert (again.started_at, again.finished_at) == (None, None)
    assert len(again.history) == 3
    assert again.rev == job.rev + 1


def test_a_replacement_takes_the_place_of_the_old_one() -> None:
    old = in_status(Status.FAILED, seq=7, rev=4, crashes=2)
    new = jobs.replace(old, make_job("other", name="new", data=[1]))
    assert (new.id, new.seq, new.rev) == ("a", 7, 5)
    assert (new.name, new.data, new.attempts, new.crashes) == ("new", [1], 0, 0)


def test_finished_is_what_nothing_happens_to() -> None:
    assert [status for status in Status if status.finished] == list(FINISHED)


def test_the_record_has_every_public_field() -> None:
    record = make_job().record()
    assert tuple(record) == RECORD_FIELDS
    assert record["history"] == ()
    assert not {"rev", "seq", "crashes", "cancelling"} & record.keys()
    assert b'"created_at":"2026-11-24T12:00:00Z"' in msgspec.json.encode(record)


def test_the_first_with_something_to_say_decides() -> None:
    default = Options()
    assert jobs.resolve(make_job(), {}, default=default) is default
    limits, handler = {"timeout": 5.0, "max_retries": None}, {"timeout": 9.0, "max_retries": 1}
    chosen = jobs.resolve(make_job(max_retries=0), limits, handler, default=default)
    assert (chosen.timeout, chosen.max_retries) == (5.0, 0)
    chosen = jobs.resolve(make_job(), limits, handler, default=default)
    assert (chosen.timeout, chosen.max_retries, chosen.max_crashes) == (5.0, 1, 3)
