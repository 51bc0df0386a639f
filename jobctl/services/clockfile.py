"""clock.json: what daemons know of the wall clock; clock.confirmed: a person knows better.

The clock of the boot never steps, so the difference between the two is what a step changes.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from jobctl.clock import Clock
from jobctl.core.finding import Finding
from jobctl.core.units import human_duration
from jobctl.services.whole import read_whole, write_whole

#: A step of the wall clock against the boot clock that is longer, in seconds, counts.
STEP = 300.0

_RECORD = "clock.json"
_CONFIRMED = "clock.confirmed"


class ClockRecord(msgspec.Struct):
    """The wall clock less the boot clock, in seconds, and what is left of a probation."""

    boot_id: str
    offset: float
    alive: datetime
    left: float = 0.0


class _Confirmed(msgspec.Struct):
    """The difference of the clocks as somebody said that the wall clock is right."""

    offset: float


def read_record(folder: Path) -> ClockRecord | None:
    """Return what the last daemon knew, None if it left nothing."""
    return read_whole(folder / _RECORD, ClockRecord)


def write_record(folder: Path, record: ClockRecord) -> None:
    """Write it. Raises OSError."""
    write_whole(folder / _RECORD, record)


def confirm(folder: Path, clock: Clock) -> None:
    """Say that the wall clock is right as it is now. Raises OSError."""
    write_whole(folder / _CONFIRMED, _Confirmed(offset_of(clock)))


def take_confirmation(folder: Path, offset: float) -> bool:
    """Return whether somebody has said that a clock with this offset is right, only once."""
    found = read_whole(folder / _CONFIRMED, _Confirmed)
    if found is None:
        return False
    (folder / _CONFIRMED).unlink(missing_ok=True)
    return abs(found.offset - offset) <= STEP


def offset_of(clock: Clock) -> float:
    """Return the wall clock less the boot clock, in seconds."""
    return clock.now().timestamp() - clock.boot()


def check_clock(folder: Path) -> list[Finding]:
    """Return whether the daemon does not trust the clock, and nobody has confirmed it."""
    record = read_record(folder)
    if record is None or record.left <= 0 or (folder / _CONFIRMED).exists():
        return []
    message = (
        "the clock has stepped: nothing is deleted for its age or made up for, for another "
        f"{human_duration(round(record.left))}; if it is right now: jobctl doctor --trust-clock"
    )
    return [Finding(code="clock", path=_RECORD, message=message, repairable=False)]
