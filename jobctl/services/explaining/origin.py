"""Where a job comes from: a schedule's tick, or the hand of somebody who triggered it."""

from __future__ import annotations

from collections.abc import Iterator

from jobctl.core.note import TICK
from jobctl.core.schedule import tick_of
from jobctl.core.standing import tick_of_note
from jobctl.core.units import human_duration
from jobctl.services.explaining.answer import Reason
from jobctl.services.explaining.case import Case
from jobctl.services.marks import standing_in


def schedule(case: Case) -> Iterator[Reason]:
    """Say of which schedule it is, for which tick, and what was special about that."""
    name = case.job.schedule
    if name is None:
        return
    rule = _rule(case, name)
    tick = tick_of(case.job.id)
    if tick is None:
        text = f"It is of schedule {name}{rule}, triggered by hand."
        yield Reason("schedule", text)
        return
    at = tick[1]
    text = f"It is of schedule {name}{rule}, for its tick at {case.say(at)}."
    for note in case.store.notes(TICK, case.job.id, limit=1):
        record = tick_of_note(note, name, at)
        if note.key == case.job.id and record.reason:
            text = f"{text[:-1]} ({record.outcome}: {record.reason})."
    yield Reason("schedule", text, at=at)


def _rule(case: Case, name: str) -> str:
    """Return when the schedule ticks, as the store remembers it."""
    standing = standing_in(case.store, name)
    rule, _, rest = ("" if standing is None else standing.timing).partition(" | ")
    if rule.startswith("every "):  # seconds, as a bare number
        rule = f"every {human_duration(float(rule.removeprefix('every ')))}"
    return f" ({rule}, {rest.partition(' | ')[0]})" if rest else ""
