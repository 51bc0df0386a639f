"""What the daemon's log says of jobs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from jobctl.core.job import Job, JobError, Outcome, Status
from jobctl.core.text import clean
from jobctl.core.units import counted, human_duration
from jobctl.core.wording import error_text, length_of
from jobctl.runtime.log import Log

_COMPLETED, _DONE = Outcome.COMPLETED, Status.COMPLETED
_RELEASED = Outcome.RELEASED


class Reporter:
    """Says how attempts ended, and at the end how many there were."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._counts: Counter[str] = Counter()
        self._crashed: str | None = None  # the shared worker whose crash was told last

    def ended(self, job: Job[Any]) -> None:
        """Say how an attempt ended; of completed ones only to people."""
        outcome = job.history[-1].outcome
        if outcome is _COMPLETED:
            self._counts[_DONE] += 1
            if self._log.verbose:
                self._log.info(f"{job.name} {job.id} completed in {_duration(job)}")
            return
        self._counts[job.status if job.status.finished else outcome] += 1
        if outcome is _RELEASED:
            self._released(job)
        if outcome in (_RELEASED, Outcome.SNOOZED):
            return
        error = f": {_brief(job.error)}" if job.error else ""
        what = f"{job.name} {job.id} {_WORDS.get(outcome, outcome)}{error}"
        if job.status is Status.PENDING:
            what += f"; attempt {job.attempts}, it runs again"
            if job.run_at is not None and job.finished_at is None:
                wait = (job.run_at - job.history[-1].finished_at).total_seconds()  # type: ignore[operator]  # an ended attempt has an end
                what += f" in {human_duration(wait)}"
        elif job.status is Status.FAILED:
            after = counted(job.attempts, "attempt")
            what += f"; it is dead after {after}: jobctl explain {job.id}"
        write = self._log.error if job.status is Status.FAILED else self._log.warning
        write(what, job=job.id, name=job.name, outcome=outcome, status=job.status)

    def dropped(self, job: Job[Any]) -> None:
        """Say that a job was cancelled because one that it waited for did not complete."""
        self._counts[job.status] += 1
        error = _brief(job.error) if job.error else ""
        what = f"{job.name} {job.id} was cancelled: {error}"
        self._log.warning(what, job=job.id, name=job.name, status=job.status)

    def _released(self, job: Job[Any]) -> None:
        """Say once of a shared worker that it crashed, and not for each job that it had."""
        attempt = job.history[-1]
        if attempt.error is not None and attempt.worker != self._crashed:
            self._crashed = attempt.worker
            self._log.warning(_brief(attempt.error), worker=attempt.worker)

    def summary(self) -> None:
        """Say how many attempts ended in which way."""
        self._log.info(f"stopped; {self.line()}", **dict(self._counts))

    def line(self) -> str:
        """Return how many attempts ended in which way since the start."""
        parts = (f"{count} {word}" for word, count in sorted(self._counts.items()))
        return ", ".join(parts) or "no job was run"


#: Characters of an error that a line of the log shows; the job has them all.
_LENGTH = 500
_WORDS = {Outcome.ERROR: "failed", Outcome.TIMEOUT: "timed out", Outcome.CRASHED: "crashed"}


def _brief(error: JobError) -> str:
    # On one line, or a job could write lines of its own into the log.
    text = clean(error_text(error))
    return text if len(text) <= _LENGTH else f"{text[:_LENGTH]}…"


def _duration(job: Job[Any]) -> str:
    length = length_of(job.history[-1])
    return "?" if length is None else human_duration(length)
