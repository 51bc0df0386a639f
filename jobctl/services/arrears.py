"""Ticks that were put off because the clock had stepped, and what becomes of them later.

While the clock cannot be trusted they stand in the records as missed. When it can be, those
that `catch_up` still allows within its window fire, and the record is of the others.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from jobctl.core.due import BURST, Firing, Missed, Span, settle
from jobctl.core.note import TICK
from jobctl.core.schedule import CatchUp, Schedule, tick_id
from jobctl.core.standing import Standing, missed_tick, tick_note
from jobctl.core.store import Transaction

#: How many runs of ticks may be put off at once: those before stay missed.
RUNS = 10
#: Why they are missed until then.
PUT_OFF = "the clock had stepped past it, and is not trusted yet"


def put_off(schedule: Schedule, standing: Standing, run: Missed) -> Standing:
    """Return the standing with a run of ticks that is to be looked at once more."""
    if schedule.catch_up is CatchUp.NONE or standing.handled is None:
        return standing
    owed = (*standing.owed, Span(standing.handled, run.last))[-RUNS:]
    return msgspec.structs.replace(standing, owed=owed)


def make_up(
    tx: Transaction, schedule: Schedule, standing: Standing, now: datetime, fresh: int
) -> tuple[list[Firing], int]:
    """Return the ticks that were put off and fire now, and how many too many fell away.

    The records of the runs that they were in are shortened. `fresh` ticks fire already.
    """
    firing: list[Firing] = []
    capped = 0
    for span in reversed(standing.owed):
        last_run = standing.last_run
        verdict = settle(
            schedule,
            span,
            now,
            fired_since=bool(fresh or firing)
            or (last_run is not None and span.until < last_run <= now),
            cap=BURST - fresh - len(firing),
        )
        firing[:0] = verdict.fire
        if verdict.fire and verdict.missed is not None:
            _shorten(tx, schedule, verdict.missed)
        capped += verdict.missed.capped if verdict.missed is not None else 0
    return firing, capped


def _shorten(tx: Transaction, schedule: Schedule, rest: Missed) -> None:
    """Write down the run of those that stay missed, in place of the longer one."""
    note = tx.note(TICK, tick_id(schedule.name, rest.first))
    reason = note.value.get("reason") if note is not None else None
    tx.put(tick_note(missed_tick(schedule, rest, reason or PUT_OFF)))
