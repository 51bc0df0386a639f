"""What a daemon does by the clock, on the store's thread, a bounded step at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jobctl.clock import Clock
from jobctl.core.schedule import Schedule
from jobctl.core.standing import TickOutcome
from jobctl.core.store import Store
from jobctl.runtime.keeper import Errand
from jobctl.runtime.log import Log
from jobctl.runtime.settings import Chores
from jobctl.runtime.ticker import Ticker
from jobctl.runtime.trust import Trust
from jobctl.services.ticking import Ticked

#: Seconds between two looks at the clocks.
LOOK = 1.0


class Clockwork:
    """The chores of a daemon. The loop asks for errands; they run on the store's thread.

    While one is under way the loop leaves all this alone.
    """

    def __init__(self, clock: Clock, log: Log, folder: Path) -> None:
        self._clock = clock
        self._log = log
        self._trust = Trust(clock, folder, log)
        self._ticker = Ticker(log, up_since=clock.now(), alive=self._trust.alive)
        self._away = False
        self._rest_until = 0.0
        self._look_at = 0.0

    def use(self, chores: Chores, declared: Mapping[str, Schedule]) -> None:
        """Have these chores; the schedules that handlers declare are beside them."""
        self._ticker.use({**declared, **chores.schedules})

    def tick(self, now: float) -> None:
        """Look at the clocks from time to time."""
        if now >= self._look_at and not self._away:
            self._look_at = now + LOOK
            self._look()

    def wait(self, now: float) -> float | None:
        """Return after how many seconds there is something to do, None if that is unknown."""
        if self._away:
            return None
        wait = self._ticker.wait(self._clock.now())
        return None if wait is None else max(wait, self._rest_until - now, 0.0)

    @property
    def due(self) -> bool:
        """Whether there is something to do."""
        return self._away or self._ticker.due(self._clock.now())

    def errand(self, now: float) -> Errand | None:
        """Return what to do with the store now, None if there is nothing."""
        if now < self._rest_until or not self.due:
            return None
        self._away = True
        return self._step

    def back(self, now: float, made: int | None) -> None:
        """Take note that the errand is done; `made` jobs, None if the store refused it."""
        self._away = False
        self._rest_until = now + 1.0 if made is None else self._rest_until

    def close(self) -> None:
        """Write down what the next daemon should know."""
        self._trust.save()

    def _look(self) -> None:
        if self._trust.look():
            self._ticker.look_again()

    def _step(self, store: Store) -> int:
        begun = self._clock.monotonic()
        self._look()
        done = self._ticker.step(store, self._clock.now(), trusted=self._trust.trusted)
        self._report(done)
        # Half of the store's time at most: claims and results wait no longer than a step.
        end = self._clock.monotonic()
        self._rest_until = end + (end - begun)
        return sum(one.made for one in done)

    def _report(self, done: list[Ticked]) -> None:
        for one in done:
            for tick in one.ticks:
                if tick.outcome is TickOutcome.FIRED and not self._log.verbose:
                    continue
                often = f" {tick.count} times" if tick.count > 1 else ""
                reason = f": {tick.reason}" if tick.reason else ""
                write = (
                    self._log.info if tick.outcome is TickOutcome.FIRED else self._log.warning
                )
                write(
                    f"schedule {tick.schedule} {tick.outcome}{often}{reason}",
                    schedule=tick.schedule,
                    at=tick.at,
                    outcome=tick.outcome,
                    job=tick.job_id,
                )
