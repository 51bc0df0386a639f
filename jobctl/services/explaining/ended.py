"""How a finished job ended, and why nothing runs it again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from jobctl.core.dependencies import FAILED as DEPENDENCY
from jobctl.core.job import DEATHS, RETRYABLE, Attempt, Outcome, Status
from jobctl.core.units import human_duration, human_size
from jobctl.core.wording import error_sentence, length_of
from jobctl.services.explaining.answer import Reason
from jobctl.services.explaining.case import Case


def ended(case: Case) -> Iterator[Reason]:
    """Say how it ended, and why that was for good."""
    job = case.job
    if job.status is Status.COMPLETED:
        yield from _completed(case)
    elif job.status is Status.CANCELLED:
        yield _cancelled(case)
    else:
        yield from _failed(case)


def _completed(case: Case) -> Iterator[Reason]:
    job = case.job
    took = _took(job.history[-1]) if job.history else ""
    after = f", after {took}" if took else ""
    text = f"It completed {_when(case)}{after}, in attempt {job.attempts}."
    yield Reason("completed", text, at=job.finished_at)
    if job.error is not None:
        yield Reason("result-not-kept", f"{_line(case)}.")


def _cancelled(case: Case) -> Reason:
    job = case.job
    if job.error is not None and job.error.type == DEPENDENCY:
        text = f"It was cancelled {_when(case)}: {job.error.message}."
        there = (case.store.get(job_id) for job_id in job.after)
        hopeless = tuple(one.id for one in there if one and one.status in RETRYABLE)
        return Reason("dependency-failed", text, at=job.finished_at, jobs=hopeless)
    ran = (
        " while it ran" if job.history and job.history[-1].outcome is Outcome.CANCELLED else ""
    )
    return Reason("cancelled", f"It was cancelled{ran}, {_when(case)}.", at=job.finished_at)


def _failed(case: Case) -> Iterator[Reason]:
    job = case.job
    last = job.history[-1] if job.history else None
    if last is None:
        yield Reason("failed", f"It failed {_when(case)}: {_line(case)}.", at=job.finished_at)
        return
    yield _last(case, last)
    yield _for_good(case, last)


def _last(case: Case, last: Attempt) -> Reason:
    how = {
        Outcome.TIMEOUT: "ran out of time",
        Outcome.CRASHED: "ended with the death of its worker process",
        Outcome.LOST: "was lost with its daemon",
    }.get(last.outcome, "failed")
    why = f": {_line(case)}" if case.job.error else ""
    took = _took(last)
    details = f", after {took}" if took else ""
    if last.max_rss is not None and last.outcome in DEATHS:
        details += f", with a peak of {human_size(last.max_rss)}"
    text = f"Its last attempt {how} {_when(case)}{details}{why}."
    return Reason(str(last.outcome), text, at=case.job.finished_at)


def _for_good(case: Case, last: Attempt) -> Reason:
    job, options = case.job, case.options
    runs = options.max_retries + 1
    if last.outcome in DEATHS and job.crashes >= options.max_crashes:
        text = (
            f"It has ended its worker {job.crashes} times, and max_crashes is "
            f"{options.max_crashes}: it is not run again, whatever its retries."
        )
        return Reason("max-crashes", text)
    if job.attempts >= runs:
        text = (
            f"Its {runs} attempts are used up." if runs > 1 else "It had one attempt, no retry."
        )
        return Reason("retries-used-up", text)
    kind = "" if job.error is None else job.error.type
    if kind == "UnknownHandler":
        text = "Without a handler of its name a job is not tried again."
    elif kind == "InvalidData":
        text = "Data that does not fit the handler is not tried again."
    else:
        text = (
            f"Its handler said (Fail) that it must not be tried again, after {job.attempts} of "
            f"{runs} attempts."
        )
    return Reason("no-retry", text)


def kept(case: Case) -> Iterator[Reason]:
    """Say when the retention deletes it."""
    job, age = case.job, case.keep.ages.get(case.job.status)
    if job.finished_at is None:
        return
    newest = case.keep.newest.get(job.status)
    beyond = f", or sooner when {newest:,} newer ones of its name are there" if newest else ""
    if age is not None:
        try:
            at = job.finished_at + timedelta(seconds=age)
        except OverflowError:
            return
        text = f"[retention] lets it be deleted at {case.say(at)}{beyond}."
        yield Reason("retention", text, at=at)
    elif newest:
        text = (
            f"[retention] lets it be deleted when {newest:,} newer ones of its name are there."
        )
        yield Reason("retention", text)


def _when(case: Case) -> str:
    at = case.job.finished_at
    return "at a time that is not known" if at is None else f"at {case.say(at)}"


def _took(one: Attempt) -> str:
    length = length_of(one)
    if length is None:
        return ""
    return human_duration(length) if length >= 0.001 else "less than 1ms"


def _line(case: Case) -> str:
    return error_sentence(case.job.error).rstrip(".")
