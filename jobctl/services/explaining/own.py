"""What holds a job back by itself: a pause, jobs that it comes after, its time."""

from __future__ import annotations

from collections.abc import Iterator

from jobctl.core.job import Attempt, Outcome, Status
from jobctl.core.store import AnyJob
from jobctl.core.units import human_duration
from jobctl.core.wording import error_line
from jobctl.services.explaining.answer import Reason
from jobctl.services.explaining.case import NAMED, Case
from jobctl.services.pausing import paused, undo


def pauses(case: Case) -> Iterator[Reason]:
    """Say that all jobs rest, or those of this name."""
    for one in paused(case.store):
        since = case.say(one.since)
        if one.name is None:
            text = f"All jobs are paused since {since}, until `{undo(one)}`."
            yield Reason("paused-all", text, at=one.since)
        elif one.name == case.job.name:
            text = f"Jobs of {one.name} are paused since {since}, until `{undo(one)}`."
            yield Reason("paused", text, at=one.since)


def others(case: Case) -> Iterator[Reason]:
    """Say which jobs it comes after, and how these stand; a few of them."""
    found = (case.store.get(job_id) for job_id in case.job.after)
    open_ones = [job for job in found if job and job.status is not Status.COMPLETED]
    for job in open_ones[:NAMED]:
        text = f"It comes after {job.name} {job.id}, which {_stands(case, job)}."
        yield Reason("after", text, jobs=(job.id,))
    if len(open_ones) > NAMED:
        rest = open_ones[NAMED:]
        text = f"It comes after {len(rest):,} more that have not completed."
        yield Reason("after", text, jobs=tuple(job.id for job in rest))


def _stands(case: Case, job: AnyJob) -> str:
    if job.status is Status.RUNNING:
        seconds = (case.now - (job.started_at or case.now)).total_seconds()
        return f"has been running for {human_duration(max(0.0, float(round(seconds))))}"
    if job.status is Status.PENDING:
        if job.run_at is not None and job.run_at > case.now:
            return f"is pending until {case.say(job.run_at)}"
        return "is pending"
    return f"is {job.status}"  # it will be cancelled with it


def times(case: Case) -> Iterator[Reason]:
    """Say until when it is put off, and what for."""
    job = case.job
    if job.run_at is None or job.run_at <= case.now:
        return
    until = case.say(job.run_at)
    last = job.history[-1] if job.history else None
    if last is not None and last.outcome is Outcome.SNOOZED:
        text = f"Its handler has snoozed it until {until}; that uses up no attempt."
        yield Reason("snoozed", text, at=job.run_at)
    elif last is not None and job.attempts:
        text = f"{_went_wrong(case, last)}: it is tried again at {until}."
        yield Reason("retrying", text, at=job.run_at)
    else:
        yield Reason("delayed", f"It is delayed until {until}.", at=job.run_at)


def _went_wrong(case: Case, last: Attempt) -> str:
    of = case.options.max_retries + 1
    why = error_line(last.error or case.job.error)
    text = f"Attempt {case.job.attempts} of {of} ended with {last.outcome}"
    return f"{text} ({why})" if why else text
