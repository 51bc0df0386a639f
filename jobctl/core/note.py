"""Notes: what a store keeps beside its jobs, by topic and key.

A pause, where a schedule stands, what became of a tick. A note has no history: the last
one that was put counts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

#: Which job names are paused. The key is a name, or EVERYTHING.
PAUSE = "pause"
#: Where a schedule stands. The key is its name.
SCHEDULE = "schedule"
#: What became of a tick. The key is NAME@TIME, so a schedule's ticks stand in their order.
TICK = "tick"

TOPICS = (PAUSE, SCHEDULE, TICK)
#: The key of the pause that holds whatever the name.
EVERYTHING = "*"


class Note(msgspec.Struct, frozen=True):
    """One note: `at` is the time that it tells of (UTC), `value` any JSON object."""

    topic: str
    key: str
    at: datetime
    value: dict[str, Any] = {}
