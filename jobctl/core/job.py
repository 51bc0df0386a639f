"""The job: its record, and everything that may happen to it.

    pending ──claim──▶ running ──finish──▶ completed | failed | cancelled
       ▲                  │                    │
       ├──────finish──────┘ (retry, release)   │
       └───────────────retry───────────────────┘ (failed, cancelled)

A transition takes the job and `now` and returns the changed job; one that is impossible
raises WrongStatus. These functions are the only place where a status changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace as replace_fields

from jobctl.core.retry import RetryPolicy
from jobctl.errors import WrongStatus

T = TypeVar("T")

#: How many attempts a record keeps.
HISTORY = 20


class Status(StrEnum):
    """Where a job is. How an attempt ended is its Outcome."""

    PENDING = "pending"  # waits to be run, now or at run_at
    RUNNING = "running"  # claimed by a daemon
    COMPLETED = "completed"
    FAILED = "failed"  # dead: nothing runs it again but `retry`
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Whether nothing happens to the job any more by itself."""
        return self in FINISHED


FINISHED = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
RETRYABLE = (Status.FAILED, Status.CANCELLED)
CANCELLABLE = (Status.PENDING, Status.RUNNING)
DELETABLE = (Status.PENDING, *FINISHED)
_CLAIMABLE = (Status.PENDING,)
_SETTLEABLE = (Status.RUNNING,)


class Outcome(StrEnum):
    """How one attempt ended."""

    COMPLETED = "completed"
    ERROR = "error"  # the handler raised
    TIMEOUT = "timeout"
    CRASHED = "crashed"  # its worker process died
    CANCELLED = "cancelled"
    RELEASED = "released"  # given back by a daemon that stopped; no attempt used
    SNOOZED = "snoozed"  # the handler raised Snooze; no attempt used
    LOST = "lost"  # its daemon died; no attempt used, counts toward max_crashes


#: The outcomes that do not use up an attempt.
UNCHARGED = (Outcome.RELEASED, Outcome.SNOOZED, Outcome.LOST)
#: Those that count toward max_crashes.
DEATHS = (Outcome.CRASHED, Outcome.LOST)
# Python 3.11 takes 0.1 us to find a member of an enum. Where it is done for each job of a
# busy daemon, here and elsewhere, a constant of the module keeps it.
_DONE = Outcome.COMPLETED
_COMPLETED = Status.COMPLETED


class JobError(msgspec.Struct, frozen=True):
    """What went wrong: the exception's type, its message, and the traceback's text."""

    type: str
    message: str
    traceback: str | None = None


class Exit(msgspec.Struct, frozen=True):
    """How a worker process ended: by a signal's name, or with an exit code."""

    signal: str | None = None
    code: int | None = None


class Attempt(msgspec.Struct, frozen=True):
    """One run of a job. `max_rss` is in bytes, `cpu_seconds` is user and system time.

    `log_tail` is the end of what it printed, of an attempt that went wrong only.
    """

    outcome: Outcome
    started_at: datetime | None = None
    finished_at: datetime | None = None
    worker: str | None = None
    error: JobError | None = None
    exit: Exit | None = None
    max_rss: int | None = None
    cpu_seconds: float | None = None
    log_tail: tuple[str, ...] | None = None


class Job(
    msgspec.Struct,
    Generic[T],
    frozen=True,
    kw_only=True,
    tag_field="kind",
    tag="job",
):
    """A job's record. Times are UTC, durations are seconds.

    In a handler, `Job[T]` is the job whose `data` was validated as T.
    """

    id: str
    name: str
    data: T
    status: Status = Status.PENDING
    priority: int = 0
    max_retries: int | None = None
    attempts: int = 0
    created_at: datetime
    run_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    timeout: float | None = None
    backoff: RetryPolicy | None = None
    tags: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    concurrency_key: str | None = None
    shell: dict[str, Any] | None = None
    schedule: str | None = None
    progress: Any = None  # done, total and note; in a handler it is a method that tells them
    result: Any = None
    error: JobError | None = None
    history: tuple[Attempt, ...] = ()
    # The rest is the store's own and no part of the public record. `seq` stands last: it
    # is spliced into the finished line of an add (see stores/directory/lines.py).
    crashes: int = 0
    cancelling: bool = False
    rev: int = 1
    seq: int = 0

    def record(self) -> dict[str, Any]:
        """Return the public record, ready to be written as JSON."""
        fields = msgspec.structs.asdict(self)
        return {name: fields[name] for name in RECORD_FIELDS}

    @property
    def cancelled(self) -> bool:
        """Whether a cancel of this running job was recorded: its handler shall end soon."""
        return self.cancelling

    def log(self, text: object) -> None:
        """Write a line into the job's log. Raises RuntimeError outside a handler."""
        raise RuntimeError(f"job {self.id} does not run here: only its handler can log")


#: A job with whatever data.
AnyJob = Job[Any]

OWN_FIELDS = ("crashes", "cancelling", "rev", "seq")
#: The names of the public record's fields, in their order.
RECORD_FIELDS = tuple(f for f in Job.__struct_fields__ if f not in OWN_FIELDS)


class Options(msgspec.Struct, frozen=True):
    """What holds for one run of a job, after everyone with a say was asked.

    `timeout` is seconds, None for none.
    """

    timeout: float | None = 300.0
    max_retries: int = 3
    backoff: RetryPolicy = RetryPolicy()
    max_crashes: int = 3


class Ending(msgspec.Struct, frozen=True, array_like=True):
    """How an attempt ended, as its worker or the daemon reports it.

    `after` is the wait in seconds that a handler asked for, `final` that it must not be
    retried. `result` may be JSON bytes as msgspec.Raw.
    """

    outcome: Outcome
    finished_at: datetime
    started_at: datetime | None = None
    worker: str | None = None
    result: Any = None
    error: JobError | None = None
    exit: Exit | None = None
    max_rss: int | None = None
    cpu_seconds: float | None = None
    log_tail: tuple[str, ...] | None = None
    progress: dict[str, Any] | None = None
    after: float | None = None
    final: bool = False


def claim(job: Job[T], now: datetime) -> Job[T]:
    """pending -> running: the attempt is counted before it begins."""
    _require(job, _CLAIMABLE, "claimed")
    return replace_fields(
        job,
        rev=job.rev + 1,
        status=Status.RUNNING,
        attempts=job.attempts + 1,
        started_at=now,
        finished_at=None,
        progress=None,
    )


def finish(job: Job[T], ending: Ending, options: Options, chance: float = 0.0) -> Job[T]:
    """running -> whatever the attempt's ending makes of the job.

    `chance` is a random number from 0 to 1, for the jitter of the backoff.
    """
    _require(job, _SETTLEABLE, "settled")
    if ending.outcome is _DONE:
        return replace_fields(
            job,
            rev=job.rev + 1,
            status=_COMPLETED,
            started_at=ending.started_at or job.started_at,
            finished_at=ending.finished_at,
            progress=ending.progress,
            result=ending.result,
            error=ending.error,
            history=_history(job, ending),
            cancelling=False,
        )
    attempts = job.attempts - (ending.outcome in UNCHARGED)
    crashes = job.crashes + (ending.outcome in DEATHS)
    status = _next_status(job, ending, options, attempts, crashes)
    again = status is Status.PENDING
    return replace_fields(
        job,
        rev=job.rev + 1,
        status=status,
        attempts=attempts,
        crashes=crashes,
        run_at=_next_run(ending, options, attempts, chance) if again else job.run_at,
        started_at=ending.started_at or job.started_at,
        finished_at=None if again else ending.finished_at,
        progress=ending.progress,
        error=ending.error or job.error,
        history=_history(job, ending),
        cancelling=False,
    )


def _next_status(
    job: Job[T], ending: Ending, options: Options, attempts: int, crashes: int
) -> Status:
    outcome = ending.outcome
    if outcome is Outcome.CANCELLED or job.cancelling:
        return Status.CANCELLED
    if outcome in DEATHS and crashes >= options.max_crashes:
        return Status.FAILED
    if outcome not in UNCHARGED and (ending.final or attempts > options.max_retries):
        return Status.FAILED
    return Status.PENDING


def _next_run(
    ending: Ending, options: Options, attempts: int, chance: float
) -> datetime | None:
    if ending.outcome in (Outcome.RELEASED, Outcome.LOST):
        return None
    wait = ending.after
    if wait is None:
        wait = options.backoff.delay(attempts, chance)
    return ending.finished_at + timedelta(seconds=wait)


def _history(job: Job[T], ending: Ending) -> tuple[Attempt, ...]:
    attempt = Attempt(
        outcome=ending.outcome,
        started_at=ending.started_at or job.started_at,
        finished_at=ending.finished_at,
        worker=ending.worker,
        error=ending.error,
        exit=ending.exit,
        max_rss=ending.max_rss,
        cpu_seconds=ending.cpu_seconds,
        log_tail=ending.log_tail,
    )
    return (*job.history, attempt)[-HISTORY:]


def retry(job: Job[T]) -> Job[T]:
    """failed or cancelled -> pending, as if it had never run; the history stays."""
    _require(job, RETRYABLE, "retried")
    return _change(
        job,
        status=Status.PENDING,
        attempts=0,
        crashes=0,
        run_at=None,
        started_at=None,
        finished_at=None,
        progress=None,
        cancelling=False,
    )


def bring_forward(job: Job[T], now: datetime, latest: datetime) -> Job[T]:
    """Let a job that waits from the end of its last attempt wait from `now`.

    Nothing changes unless that end is later than `latest`: then a clock was ahead.
    """
    ended = job.history[-1].finished_at if job.history else None
    if job.run_at is None or ended is None or ended <= latest:
        return job
    return _change(job, run_at=now + max(timedelta(), job.run_at - ended))


def cancel(job: Job[T], now: datetime, reason: JobError | None = None) -> Job[T]:
    """pending -> cancelled; of a running job it is written down that it shall end.

    `reason` becomes the error of a job that is cancelled without anybody's having asked.
    """
    _require(job, CANCELLABLE, "cancelled")
    if job.status is Status.RUNNING:
        return job if job.cancelling else _change(job, cancelling=True)
    error = reason or job.error
    return _change(job, status=Status.CANCELLED, finished_at=now, error=error)


def delete(job: Job[T]) -> None:
    """Raise WrongStatus if the job may not be deleted: it is running."""
    _require(job, DELETABLE, "deleted")


def replace(old: Job[Any], new: Job[T]) -> Job[T]:
    """Return `new` as the next state of `old`: same id and place, a life of its own."""
    _require(old, DELETABLE, "replaced")
    return replace_fields(new, id=old.id, rev=old.rev + 1, seq=old.seq)


def _require(job: Job[T], allowed: tuple[Status, ...], verb: str) -> None:
    if job.status not in allowed:
        *first, last = allowed
        which = f"{', '.join(first)} or {last}" if first else last
        raise WrongStatus(f"job {job.id} is {job.status}: only a {which} job can be {verb}")


def _change(job: Job[T], **changes: Any) -> Job[T]:
    return replace_fields(job, rev=job.rev + 1, **changes)


def resolve(job: Job[T], *layers: Mapping[str, Any], default: Options) -> Options:
    """Return what holds for a run of `job`.

    Asked in this order: the job itself, then each of `layers` (limits by name, the
    handler's own options), then `default`; the first that says something wins.
    """
    own = {"timeout": job.timeout, "max_retries": job.max_retries, "backoff": job.backoff}
    chosen: dict[str, Any] = {}
    for key in own:
        for layer in (own, *layers):
            if layer.get(key) is not None:
                chosen[key] = layer[key]
                break
    return replace_fields(default, **chosen) if chosen else default
