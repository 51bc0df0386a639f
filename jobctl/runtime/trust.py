"""Whether the wall clock can be trusted: it is compared with the clock of the boot.

A clock that steps by minutes was wrong before or is wrong now, and nobody can tell which.
Until it has agreed with itself for a day nothing is deleted for its age, and no tick is
made up for. What is known of it outlives the daemon in clock.json.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import msgspec

from jobctl.clock import Clock
from jobctl.core.units import human_duration
from jobctl.runtime.log import Log
from jobctl.runtime.process import boot_id as read_boot_id

#: A step of the wall clock against the boot clock that is longer, in seconds, counts.
STEP = 300.0
#: Seconds for which the clock must agree with itself after a step.
PROBATION = 86400.0
#: Seconds between two writings of the file; a dead daemon was alive that long ago at most.
EVERY = 30.0

_FILE = "clock.json"


class _Record(msgspec.Struct):
    """What is kept: the wall clock less the boot clock, and what is left of a probation."""

    boot_id: str
    offset: float
    alive: datetime
    left: float = 0.0


class Trust:
    """What a daemon knows of its wall clock.

    `alive` is when a daemon of this store last gave a sign of life, before this one.
    """

    def __init__(
        self, clock: Clock, folder: Path, log: Log, boot_id: str | None = None
    ) -> None:
        self._clock = clock
        self._path = folder / _FILE
        self._log = log
        self._boot_id = read_boot_id() if boot_id is None else boot_id
        now, boot = clock.now(), clock.boot()
        before = self._read()
        self.alive = None if before is None else before.alive
        self._offset = now.timestamp() - boot
        self._left = 0.0 if before is None else before.left
        self._looked = boot
        self._write_at = boot
        if before is not None and before.boot_id == self._boot_id:
            self._compare(before.offset)

    @property
    def trusted(self) -> bool:
        """Whether the clock has not stepped, or has agreed with itself since for a day."""
        return self._left <= 0

    def look(self) -> float:
        """Compare the clocks; return the step in seconds if there was one, else 0."""
        boot = self._clock.boot()
        before, self._offset = self._offset, self._clock.now().timestamp() - boot
        if self._left > 0:
            self._left -= boot - self._looked
            if self._left <= 0:
                self._log.info("the clock has agreed with itself for a day: all is as before")
        self._looked = boot
        step = self._compare(before)
        if step or boot >= self._write_at:
            self.save()
        return step

    def save(self) -> None:
        """Write the file. It is not synced: it tells of clocks, and a boot starts anew."""
        self._write_at = self._looked + EVERY
        record = _Record(self._boot_id, self._offset, self._clock.now(), max(0.0, self._left))
        draft = self._path.with_suffix(".new")
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(fd, "wb") as file:
                file.write(msgspec.json.encode(record))
            draft.rename(self._path)
        except OSError:
            pass  # then the next daemon knows less

    def _compare(self, before: float) -> float:
        step = self._offset - before
        if abs(step) <= STEP:
            return 0.0
        self._left = PROBATION
        way = "forward" if step > 0 else "back"
        self._log.warning(
            f"the clock stepped {way} by {human_duration(abs(step))}: nothing is deleted or "
            "made up for until it has agreed with itself for a day",
            step=step,
        )
        return step

    def _read(self) -> _Record | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Record)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
