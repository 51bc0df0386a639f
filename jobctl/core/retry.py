"""When a job runs again, and what a handler may raise to say so."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from jobctl.core.units import seconds


class RetryPolicy(msgspec.Struct, frozen=True):
    """How long to wait before the next attempt.

    `base`, `cap` and `delays` are seconds. With `delays` the nth failure waits the nth of
    them, the last one for ever after; otherwise the wait doubles from `base` up to `cap`.
    `jitter` is the share by which a wait may grow at random: 0.1 means up to 10% more, so
    that jobs that failed together do not come back together.
    """

    base: float = 1.0
    cap: float = 3600.0
    jitter: float = 0.1
    delays: tuple[float, ...] = ()

    def delay(self, attempt: int, chance: float = 0.0) -> float:
        """Return the seconds to wait after the failure of `attempt` (1 is the first).

        `chance` is a random number from 0 to 1 that the caller draws.
        """
        if self.delays:
            wait = self.delays[min(attempt, len(self.delays)) - 1]
        else:
            # A double holds no power of two beyond 1,023, and the cap is reached long before.
            wait = min(self.cap, self.base * 2.0 ** min(attempt - 1, 1000))
        return wait * (1 + self.jitter * chance)


class Retry(Exception):
    """Raised by a handler: this attempt failed, try again.

    `after` is when: seconds, a duration such as "5m", or a timedelta; without it the
    job's backoff decides. The attempt counts toward max_retries.
    """

    def __init__(self, message: str = "", *, after: float | str | timedelta | None = None):
        super().__init__(message or "the handler asked for a retry")
        self.after = None if after is None else seconds(after)


class Fail(Exception):
    """Raised by a handler: the job has failed for good, never retry it."""


class Snooze(Exception):
    """Raised by a handler: not now. The job runs again `after`, and no attempt is used."""

    def __init__(self, after: float | str | timedelta, message: str = ""):
        super().__init__(message or "the handler snoozed the job")
        self.after = seconds(after)
