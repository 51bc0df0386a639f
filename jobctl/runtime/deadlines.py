"""When what a worker is at has taken too long, and when an idle one leaves."""

from __future__ import annotations

from jobctl.core.job import Outcome
from jobctl.runtime.crew import Crew
from jobctl.runtime.handout import Handout
from jobctl.runtime.member import Given, PoolWorker
from jobctl.runtime.settings import Terms
from jobctl.runtime.slots import Slots

#: Seconds after which an idle worker leaves; the last one stays.
IDLE = 30.0
#: Seconds that a job may run before what waits behind it goes elsewhere.
PATIENCE = 0.015
#: Seconds that a job waits to begin beside others before it goes elsewhere: one of them
#: blocks the loop that they share.
SHARED_PATIENCE = 1.0
#: Seconds between two looks at what waits to begin beside others.
_LOOK = 0.1


class Deadlines:
    """Looks after all workers of a crew. Times are of the monotonic clock."""

    def __init__(self, crew: Crew, slots: Slots, handout: Handout) -> None:
        self._crew = crew
        self._slots = slots
        self._handout = handout

    def check(self, worker: PoolWorker, terms: Terms, now: float) -> float | None:
        """Do what is due; return after how many seconds to come again, None for whenever."""
        if not worker.given:
            return None if worker.leaving else self._check_idle(worker, now)
        begun = worker.begun(self._slots)
        if not begun:
            return PATIENCE
        waits = [self._check(worker, given, since, terms, now) for given, since in begun]
        if len(begun) < len(worker.given):
            patience = self._check_waiting(worker, min(at for _, at in begun), terms, now)
            return min([patience, *(w for w in waits if w is not None)])
        if not worker.sharing:  # which is slow until it reports
            worker.slow = now - begun[0][1] >= PATIENCE
        return min((wait for wait in waits if wait is not None), default=None)

    def _check(
        self, worker: PoolWorker, given: Given, since: float, terms: Terms, now: float
    ) -> float | None:
        due = kill_due(given, since, terms.kill_after)
        if due is None:
            return None
        deadline, outcome = due
        if now < deadline:
            return deadline - now
        if given.killed is None:
            given.killed = outcome
            given.blocked = given.place is not None and not self._slots.told(given.place)
            worker.kill()
        return None

    def _check_waiting(
        self, worker: PoolWorker, first: float, terms: Terms, now: float
    ) -> float:
        """Have those go elsewhere that wait too long since the `first` one has begun."""
        patience = PATIENCE
        if worker.sharing:
            patience = SHARED_PATIENCE
            sent = (g.at for g in worker.given.values() if g.since is None)
            first = max(first, min(sent))
        worker.slow = now - first >= patience
        if worker.slow and self._crew.room_beside(worker, terms.share):
            self._handout.recall(worker)
        return min(patience, _LOOK)

    def _check_idle(self, worker: PoolWorker, now: float) -> float | None:
        left = idle_left(worker.idle_since, self._crew.idle() - 1, now)
        if left == 0.0:
            worker.dismiss()
            return None
        return left


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
