"""What a row came to, and what of it is not as the row has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jobctl.core.job import Attempt, Job, Outcome, Status
from tests.crash.table import MIB, OOM, TIMEOUT, Row

#: Seconds that a busy machine may take beyond what a row needs.
SLACK = 3.0


@dataclass(frozen=True)
class Seen:
    """What a row came to: the job, seconds, and those who had nothing to do with it.

    `worker` is the process of its last attempt, `left` what it started and was there still
    when its end was known.
    """

    job: Job[Any]
    seconds: float
    worker: int | None
    left: list[int]
    beside: Job[Any]
    after: Job[Any]

    @property
    def attempt(self) -> Attempt | None:
        """The last attempt, None if there was none."""
        return self.job.history[-1] if self.job.history else None

    @property
    def lasted(self) -> float:
        """How many seconds the last attempt took."""
        last = self.attempt
        if last is None or last.started_at is None or last.finished_at is None:
            return 0.0
        return (last.finished_at - last.started_at).total_seconds()


def faults(row: Row, seen: Seen) -> list[str]:
    """Return what is not as the row has it, one sentence each."""
    return [*_job_faults(row, seen), *_attempt_faults(row, seen), *_other_faults(row, seen)]


def _differences(wanted: dict[str, tuple[Any, Any]]) -> list[str]:
    return [
        f"{name} is {is_!r}, not {must!r}"
        for name, (is_, must) in wanted.items()
        if is_ != must
    ]


def _job_faults(row: Row, seen: Seen) -> list[str]:
    job = seen.job
    found = _differences(
        {
            "status": (job.status, row.status),
            "attempts": (job.attempts, row.attempts if row.cancel != "pending" else 0),
            "crashes": (job.crashes, row.crashes),
            "error": (job.error.type if job.error else None, row.error),
            "left running": (seen.left, []),
        }
    )
    if row is not OOM and job.error is not None and OOM.says in job.error.message:
        found.append("the error speaks of memory that has not run out")
    if row.says and (job.error is None or row.says not in job.error.message):
        found.append(f"the error does not say {row.says!r}: {job.error}")
    return found


def _attempt_faults(row: Row, seen: Seen) -> list[str]:
    if row.cancel == "pending":
        return _differences({"history": (seen.job.history, ())})
    last = seen.attempt
    if last is None:
        return ["no attempt was kept"]
    ended = (last.exit.signal, last.exit.code) if last.exit else (None, None)
    found = _differences(
        {
            "outcome": (last.outcome, row.outcome),
            "exit": (ended, (row.signal, row.code)),
            "worker": (last.worker, str(seen.worker)),
        }
    )
    if not row.takes <= seen.lasted <= row.takes + SLACK:
        found.append(f"it lasted {seen.lasted:.2f} s, not {row.takes:.2f} s")
    least, most = (size * MIB for size in row.peak)
    if last.max_rss is None or not least <= last.max_rss <= most:
        found.append(f"max_rss is {last.max_rss}, not between {least} and {most}")
    return [*found, *_later_faults(row, last)]


def _later_faults(row: Row, last: Attempt) -> list[str]:
    """Judge the fields that only records of newer daemons have: there, they must be filled."""
    found = []
    if "cpu_seconds" in Attempt.__struct_fields__:
        used = getattr(last, "cpu_seconds", None)
        busy = row.handler in ("spin", "c-loop")
        if used is None or used < (TIMEOUT / 4 if busy else 0):
            found.append(f"cpu_seconds is {used}")
    if "log_tail" in Attempt.__struct_fields__ and row.status is Status.FAILED:
        tail = getattr(last, "log_tail", None) or ()
        # One that writes into every descriptor also writes into its own log.
        if row.handler != "scribble" and not any("has begun" in text for text in tail):
            found.append(f"log_tail is {tail}, without what the handler printed")
    return found


def _other_faults(row: Row, seen: Seen) -> list[str]:
    found = []
    for name, job in (("beside", seen.beside), ("after", seen.after)):
        story = [attempt.outcome for attempt in job.history]
        if (job.attempts, job.crashes, story) != (1, 0, [Outcome.COMPLETED]):
            found.append(f"the job {name} it was charged: {job.attempts}, {story}")
    mine, theirs = dict(seen.beside.result), dict(seen.after.result)
    if seen.worker is not None and (theirs["pid"] != seen.worker) is not row.fresh:
        found.append(f"the next job ran in {theirs['pid']}, after {seen.worker}")
    mine.pop("pid")
    theirs.pop("pid")
    return found + _differences({"what the next job finds": (theirs, mine)})
