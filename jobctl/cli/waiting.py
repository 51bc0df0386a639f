"""What `wait` and `add --wait` have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from jobctl.cli.words import duration, remark
from jobctl.core.job import FINISHED, AnyJob, Status
from jobctl.core.units import human_duration
from jobctl.errors import StoreError

if TYPE_CHECKING:
    from jobctl.cli.options import Session
    from jobctl.services.waiting import Waited

NOT_COMPLETED = 1
TIMED_OUT = 124

#: Seconds between two views of what is waited for, and how many running jobs one has.
EVERY = 0.2
SHOWN = 5


def limit(value: str | None, option: str) -> float | None:
    """Return a time-out in seconds, None for none. Raises InvalidJob naming the option."""
    return None if value is None else duration(value, option)


def exit_code(waited: Waited) -> int:
    """Return 0 if all jobs completed, 124 if some have not ended, 1 otherwise; say which."""
    from jobctl.cli import render

    if waited.left:
        render.note(f"timed out; not finished: {', '.join(waited.left)}")
        return TIMED_OUT
    return 0 if waited.completed else NOT_COMPLETED


def wait(here: Session, job_ids: Sequence[str], timeout: float | None) -> Waited:
    """Wait until jobs have ended, and show on a terminal how far they have come."""
    import sys

    from jobctl.cli import garbage, render
    from jobctl.clock import SystemClock

    garbage.collect()
    clock = SystemClock()
    began = clock.monotonic()
    shown_at = float("-inf")

    with render.live(sys.stderr, leave=False) as show:
        looked = False

        def watch(jobs: Mapping[str, AnyJob]) -> None:
            nonlocal looked, shown_at
            if not looked:  # before the first pause: most that is waited for has ended by now
                looked = True
                _note_no_daemon(here)
            if show is None:
                return
            now = clock.monotonic()
            if now - shown_at >= EVERY:
                shown_at = now
                running = [one for one in jobs.values() if one.status is Status.RUNNING]
                first = [here.queue.shown(one) for one in running[:SHOWN]]
                statuses = Counter(one.status for one in jobs.values())
                show(view(statuses, first, now - began, clock.now()))

        return here.queue.wait(job_ids, timeout, watch)


def _note_no_daemon(here: Session) -> None:
    """Say that no daemon runs, for then the wait may have no end."""
    from jobctl.cli import render

    with suppress(StoreError):  # nobody can tell
        if not here.queue.has_daemon():
            render.note("no daemon runs, so nothing ends before one is there: `jobctl run`")


def view(
    statuses: Counter[Status], running: Sequence[AnyJob], elapsed: float, now: datetime
) -> list[str]:
    """Return what is shown of jobs that are waited for, some that run among them."""
    done = sum(statuses[status] for status in FINISHED)
    parts = [f"{done:,} of {sum(statuses.values()):,} done"]
    parts += [
        f"{statuses[status]:,} {status}"
        for status in (Status.FAILED, Status.CANCELLED, Status.RUNNING, Status.PENDING)
        if statuses[status]
    ]
    lines = [", ".join([*parts, human_duration(int(elapsed))])]
    lines += [f"  {job.id}  {job.name}  {remark(job, now)}" for job in running]
    more = statuses[Status.RUNNING] - len(running)
    return [*lines, f"  and {more:,} more"] if more > 0 else lines
