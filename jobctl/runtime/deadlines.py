"""When what a worker is at has taken too long, and when an idle one leaves."""

from __future__ import annotations

from jobctl.core.job import Outcome
from jobctl.runtime.member import Given

#: Seconds after which an idle worker leaves; the last one stays.
IDLE = 30.0
#: Seconds that a job may run before what waits behind it goes elsewhere.
PATIENCE = 0.015


def kill_due(given: Given, since: float, kill_after: float) -> tuple[float, Outcome] | None:
    """Return when an attempt that began at `since` is killed, and what that makes of it.

    Its handler was asked to end `kill_after` before. None if it may run for ever.
    """
    if given.stop_at is not None:
        return given.stop_at, Outcome.CANCELLED
    if given.options.timeout is None:
        return None
    return since + given.options.timeout + kill_after, Outcome.TIMEOUT


def idle_left(idle_since: float, others: int, now: float) -> float | None:
    """Return after how long an idle worker leaves; None while no other one is idle."""
    return max(0.0, idle_since + IDLE - now) if others else None
