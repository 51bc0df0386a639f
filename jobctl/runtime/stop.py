"""Whether the daemon is to stop, and when what still runs then is killed."""

from __future__ import annotations

import signal

from jobctl.runtime.log import Log
from jobctl.runtime.systemd import Manager

#: Seconds that the store may refuse for, after a stop, until its error is raised.
LAST_TRIES = 5.0
#: Seconds between two looks at whether all that was killed is gone.
_LOOK = 0.05


class Stop:
    """A stop that was asked for, or that was not. Times are of the monotonic clock."""

    def __init__(self, log: Log, manager: Manager) -> None:
        self._log = log
        self._manager = manager
        self._kill_at = 0.0
        self.wanted = False

    def ask(self, number: int, patience: float, now: float) -> None:
        """Take in a signal: running jobs have `patience` seconds, after a second one none."""
        if self.wanted or number == signal.SIGQUIT:
            self._kill_at = now
        else:
            self._kill_at = now + patience
            self._log.info(
                f"stopping: running jobs have {patience:g} s; a second signal stops at once"
            )
        if not self.wanted:
            self._manager.stopping()
        self.wanted = True

    def over(self, now: float) -> bool:
        """Return whether what still runs is to be killed."""
        return self.wanted and now >= self._kill_at

    def hopeless(self, now: float) -> bool:
        """Return whether the store was given long enough to take the last results."""
        return self.over(now - LAST_TRIES)

    def wait(self, now: float) -> float | None:
        """Return after how many seconds to look again, None if nobody asked for a stop."""
        return max(self._kill_at - now, _LOOK) if self.wanted else None
