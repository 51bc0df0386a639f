"""Whether the wall clock can be trusted: it is compared with the clock of the boot.

A clock that steps by minutes was wrong before or is wrong now, and nobody can tell which.
Until it has agreed with itself for a day, or somebody says that it is right (`jobctl doctor
--trust-clock`), nothing is deleted for its age, and no tick is made up for. What is known
of it outlives the daemon in clock.json.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from jobctl.clock import Clock
from jobctl.core.units import human_duration
from jobctl.runtime.log import Log
from jobctl.runtime.process import boot_id as read_boot_id
from jobctl.services.clockfile import (
    STEP,
    ClockRecord,
    offset_of,
    read_record,
    take_confirmation,
    write_record,
)

#: Seconds for which the clock must agree with itself after a step.
PROBATION = 86400.0
#: Seconds between two writings of the file; a dead daemon was alive that long ago at most.
EVERY = 30.0


class Trust:
    """What a daemon knows of its wall clock.

    `alive` is when a daemon of this store last gave a sign of life, before this one.
    """

    def __init__(
        self, clock: Clock, folder: Path, log: Log, boot_id: str | None = None
    ) -> None:
        self._clock = clock
        self._folder = folder
        self._log = log
        self._boot_id = read_boot_id() if boot_id is None else boot_id
        boot = clock.boot()
        before = read_record(folder)
        self.alive = None if before is None else before.alive
        self._offset = offset_of(clock)
        self._left = 0.0 if before is None else before.left
        self._looked = boot
        self._write_at = boot
        #: Whether the clock has shown a later time than now: whoever asks takes it back.
        self.was_ahead = False
        if before is not None:
            self.was_ahead = (before.alive - clock.now()).total_seconds() > STEP
        if before is not None and before.boot_id == self._boot_id:
            self._compare(before.offset)
        self._ask_confirmation()

    @property
    def trusted(self) -> bool:
        """Whether the clock has not stepped, or has agreed with itself since for a day."""
        return self._left <= 0

    def look(self) -> float:
        """Compare the clocks; return the step in seconds if there was one, else 0."""
        boot = self._clock.boot()
        before, self._offset = self._offset, offset_of(self._clock)
        if self._left > 0:
            self._left -= boot - self._looked
            if self._left <= 0:
                self._log.info("the clock has agreed with itself for a day: all is as before")
        self._looked = boot
        step = self._compare(before)
        self._ask_confirmation()
        if step or boot >= self._write_at:
            self.save()
        return step

    def save(self) -> None:
        """Write the file. It is not synced: it tells of clocks, and a boot starts anew."""
        self._write_at = self._looked + EVERY
        left = max(0.0, self._left)
        record = ClockRecord(self._boot_id, self._offset, self._clock.now(), left)
        with suppress(OSError):  # then the next daemon knows less
            write_record(self._folder, record)

    def _compare(self, before: float) -> float:
        step = self._offset - before
        if abs(step) <= STEP:
            return 0.0
        self._left = PROBATION
        self.was_ahead = self.was_ahead or step < 0
        way = "forward" if step > 0 else "back"
        self._log.warning(
            f"the clock stepped {way} by {human_duration(abs(step))}: nothing is deleted or "
            "made up for until it has agreed with itself for a day",
            step=step,
        )
        return step

    def _ask_confirmation(self) -> None:
        if self._left <= 0:
            return
        with suppress(OSError):
            if take_confirmation(self._folder, self._offset):
                self._left = 0.0
                self._log.info("the clock was confirmed: all is as before")
                self.save()
