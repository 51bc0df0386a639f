"""Who was there when ticks came: what is known of it, and the words for those missed."""

from __future__ import annotations

from datetime import datetime

import msgspec

from jobctl.core.due import Missed
from jobctl.core.standing import Standing
from jobctl.core.units import human_duration
from jobctl.services.arrears import PUT_OFF


class Presence(msgspec.Struct, frozen=True):
    """What is known of who was there: since when this daemon is up, until when one was
    before, and whether the clock may be trusted to tell what was missed."""

    up_since: datetime | None = None
    alive: datetime | None = None
    trusted: bool = True


def why_missed(run: Missed, standing: Standing, now: datetime, presence: Presence) -> str:
    """Return why nobody fired a run of ticks."""
    why = _absence(run, standing, now, presence)
    if run.capped:
        why += f"; {run.capped} of them were left out because too many would fire at once"
    return why


def _absence(run: Missed, standing: Standing, now: datetime, presence: Presence) -> str:
    up = presence.up_since
    if up is not None and run.first < up:
        down = presence.alive or standing.handled
        if down is None or not down < up:
            return "no daemon ran"
        return f"no daemon ran for {human_duration(round((up - down).total_seconds()))}"
    if not presence.trusted:
        return PUT_OFF
    length = human_duration(round((now - run.first).total_seconds()))
    return f"the daemon came to it {length} too late: it was held up, or the machine slept"
