"""When the store is asked, and what for. Times are of the monotonic clock, in seconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from jobctl.core.job import Status
from jobctl.runtime.keeper import Reply, Request, Settlement
from jobctl.runtime.plan import Plan

#: Seconds between looks at the store when nobody wakes the daemon: only a fallback.
POLL = 5.0
#: Seconds between steps of housekeeping when there is nothing else to do.
HOUSEKEEPING = 60.0
#: Seconds to wait after the store has refused.
STORE_PAUSE = 1.0
#: Seconds between two requests while the workers have enough to do. Asked for each result
#: the store would cost as much for a few jobs as for a hundred.
GATHER = 0.01
#: Seconds between two looks for cancelled jobs while nothing else is asked of the store.
LOOK = 0.1
_PENDING = Status.PENDING


class Agenda:
    """What the daemon has to tell the store, and what it wants to know from it."""

    def __init__(self) -> None:
        self.settlements: list[Settlement] = []  # results that the store has yet to take
        self.refused = False  # whether the store refused last
        self._full_until = 0.0  # it takes no new jobs until then
        self.drained = False  # whether nothing was due when it was last asked
        self.hungry = True  # whether there may be something to claim
        self._sated = False  # whether all that was due was claimed: asked again with the next
        self._blocked = False  # whether something was due that did not fit, or was held back
        self._freed = False  # whether a place became free since the last plan
        self._woken = False  # whether there may be something to read: a cancelled job
        self._gather_until = 0.0
        self._gathering = False  # whether results wait for others
        self._poll_at = 0.0
        self._due_at: float | None = None
        self._opens_at: float | None = None
        self._look_at = 0.0
        self._pause_until = 0.0
        self._housekeeping_at = 0.0

    def wake(self) -> None:
        """Be told that somebody wrote into the store."""
        self.hungry = self._woken = True

    def place_free(self) -> None:
        """Be told that what did not fit or was held back may do so no longer."""
        self._freed = True
        if self._blocked:
            self.hungry, self._blocked = True, False

    def tick(self, now: float) -> None:
        """See whether something has become due."""
        due = [at for at in (self._poll_at, self._due_at, self._opens_at) if at is not None]
        if now >= min(due):
            self.wake()
            self._due_at = self._opens_at = None
            self._poll_at = now + POLL

    def waits(self, now: float, *, busy: bool) -> list[float]:
        """Return after how many seconds there may be something to do; `busy` is the store."""
        moments = [self._poll_at, self._due_at, self._opens_at]
        if self._gathering and not busy:
            moments.append(self._gather_until)
        moments += [at for at in (self._pause_until, self._full_until) if at > now]
        if self._woken and not busy and self._look_at > now:
            moments.append(self._look_at)
        return [at - now for at in moments if at is not None]

    def next_request(
        self,
        now: float,
        make_plan: Callable[[], Plan],
        *,
        claim: bool,
        idle: bool,
        supplied: bool = False,
    ) -> Request | None:
        """Return what to ask the store for, None if there is nothing.

        `claim` says whether jobs are wanted at all, `idle` whether nothing runs, `supplied`
        whether all workers have enough to do: then results wait a moment for others.
        """
        self._gathering = supplied and now < self._gather_until
        if self._gathering or now < self._pause_until:
            return None
        claim = claim and now >= self._full_until
        wanted = self.hungry or (self._sated and (idle or bool(self.settlements)))
        plan = make_plan() if wanted and claim else None
        if plan is not None and not plan.room:
            plan = None
        maintain = idle and plan is None and not self.hungry and now >= self._housekeeping_at
        look = self._woken and now >= self._look_at
        if not (self.settlements or plan is not None or maintain or look):
            return None
        if plan is not None:
            # What comes while the store looks counts anew.
            self.hungry = self._sated = self._freed = self._blocked = False
        self._woken = False
        self._gather_until = now + GATHER
        self._look_at = now + LOOK
        settlements, self.settlements = self.settlements, []
        if maintain:
            self._housekeeping_at = now + HOUSEKEEPING
        return Request(settlements, plan, look=look, maintain=maintain)

    def take(self, reply: Reply, now: float, wall: datetime) -> None:
        """Take in a reply; `wall` is the wall clock's time."""
        self._pause_until = 0.0
        if reply.full is not None:
            self.refused, self.hungry = True, True
            self._full_until = now + STORE_PAUSE
        elif reply.request.plan is not None or not self._full_until:
            self.refused, self._full_until = False, 0.0
        # What goes back may be due at once, or sooner than what was waited for.
        if reply.freed or any(job.status is _PENDING for job in reply.settled):
            self.hungry = True
        if reply.more_to_maintain:
            self._housekeeping_at = 0.0
        plan = reply.request.plan
        if plan is None or reply.full is not None:
            return
        self.drained = reply.exhausted and not reply.claimed and not plan.held_back
        if reply.claimed:
            # Somebody may have added more and died before he woke us. That is seen to when
            # there is something to tell the store anyway.
            self._sated = reply.exhausted
            self.hungry = self.hungry or not reply.exhausted
        opens_at = plan.opens_at
        if plan.held_back and opens_at is not None:
            self._opens_at = now + max(0.0, opens_at - wall.timestamp())
        # What did not fit is asked for when a place becomes free, not again and again.
        self._blocked = plan.held_back or not reply.exhausted
        if self._freed:
            self.place_free()
        due = reply.next_due
        if due is not None and due > reply.at:
            self._due_at = now + max(0.0, (due - wall).total_seconds())

    def refuse(self, reply: Reply, now: float) -> None:
        """Take in that the store could not: results stay here until it can."""
        self.refused = True
        self.settlements = reply.request.settlements + self.settlements
        self.wake()
        self._pause_until = now + STORE_PAUSE
