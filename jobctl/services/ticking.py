"""One schedule's due ticks, decided and written down in one transaction with their jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from jobctl.core import dependencies
from jobctl.core import job as transitions
from jobctl.core.due import Action, Firing, due, overlap
from jobctl.core.intake import random_id
from jobctl.core.job import Job, Status
from jobctl.core.note import SCHEDULE, TICK
from jobctl.core.schedule import CatchUp, Overlap, Schedule, delay, next_tick, tick_id
from jobctl.core.standing import (
    Standing,
    Tick,
    TickOutcome,
    missed_tick,
    note_of,
    remembered,
    seen,
    standing_of,
    tick_note,
)
from jobctl.core.store import AnyJob, Transaction
from jobctl.core.units import human_duration
from jobctl.services.arrears import make_up, put_off
from jobctl.services.presence import Presence, why_missed


class Ticked(msgspec.Struct):
    """What became of a schedule: its ticks, the jobs made, and when to come again."""

    schedule: Schedule
    standing: Standing
    next: datetime | None
    ticks: list[Tick] = []
    made: int = 0
    success: datetime | None = None  # one that the note does not know of
    capped: int = 0  # ticks that were left out lest too many fire at once


def look(tx: Transaction, schedule: Schedule, now: datetime, *, trusted: bool = True) -> Ticked:
    """Take note of a schedule as it is declared now, and of when its next tick comes.

    That is now if there are ticks to make up for, and the clock is `trusted`.
    """
    old = standing_of(tx.note(SCHEDULE, schedule.name))
    new = seen(schedule, old, now)
    if new != old:
        tx.put(note_of(schedule.name, new, now))
    owes = trusted and new.on and new.owed
    result = Ticked(schedule, new, now if owes else _next(schedule, new, now))
    if schedule.expect_within is not None:
        result.success = _success(tx, new)
    return result


def _success(tx: Transaction, standing: Standing) -> datetime | None:
    """Return when a job succeeded whose end a daemon that died did not write down."""
    jobs = (tx.get(job_id) for job_id in standing.open)
    ends = [job.finished_at for job in jobs if job and job.status is Status.COMPLETED]
    newest = max((at for at in ends if at is not None), default=None)
    known = standing.last_success
    return newest if newest is not None and (known is None or newest > known) else None


def tick(tx: Transaction, schedule: Schedule, now: datetime, presence: Presence) -> Ticked:
    """Decide over the ticks that have come, make their jobs, and write all of it down."""
    name = schedule.name
    old = standing_of(tx.note(SCHEDULE, name))
    result = Ticked(schedule, seen(schedule, old, now), None)
    if result.standing.on:
        _decide(tx, result, now, presence)
    if result.standing != old:
        tx.put(note_of(name, result.standing, now))
    for one in result.ticks:
        tx.put(tick_note(one))
    result.next = _next(schedule, result.standing, now)
    return result


def _next(schedule: Schedule, standing: Standing, now: datetime) -> datetime | None:
    # One that is off is looked at when it would be due: it may be on by then.
    after = now if not standing.on else standing.handled or now
    return next_tick(schedule, after)


def _decide(tx: Transaction, result: Ticked, now: datetime, presence: Presence) -> None:
    schedule, standing = result.schedule, result.standing
    rule = schedule
    if not presence.trusted:
        rule = msgspec.structs.replace(schedule, catch_up=CatchUp.NONE)
    verdict = due(rule, standing.handled, now, up_since=presence.up_since)
    fire = list(verdict.fire)
    if verdict.missed is not None:
        why = why_missed(verdict.missed, standing, now, presence)
        result.ticks.append(missed_tick(schedule, verdict.missed, why))
        result.capped = verdict.missed.capped
        if not presence.trusted:
            standing = put_off(schedule, standing, verdict.missed)
    if presence.trusted and standing.owed:
        made_up, capped = make_up(tx, schedule, standing, now, len(fire))
        fire[:0] = made_up
        result.capped += capped
        standing = msgspec.structs.replace(standing, owed=())
    unfinished = list(_unfinished(tx, standing)) if _matters(schedule, fire) else None
    if unfinished is not None:
        standing = msgspec.structs.replace(standing, open=tuple(job.id for job in unfinished))
    # Who asked for all of them gets them one after the other, not one and the rest skipped.
    queued = len(fire) > 1 and schedule.overlap is Overlap.SKIP
    queued = queued and schedule.catch_up is CatchUp.ALL
    blocking = list(unfinished or ())
    for firing in fire:
        made = _fire(tx, result, firing, now, blocking, queued=queued)
        if made is not None:
            standing = remembered(standing, made.id)
            if not queued:
                blocking.append(made)
    result.standing = msgspec.structs.replace(
        standing,
        handled=verdict.handled,
        last_tick=_last_tick(result.ticks, standing.last_tick, now),
        last_run=_last_run(result.ticks, standing.last_run, now),
        run_count=standing.run_count + result.made,
    )


def _matters(schedule: Schedule, fire: Sequence[Firing]) -> bool:
    """Return whether it has to be known which earlier jobs are unfinished."""
    return bool(fire) and schedule.overlap is not Overlap.ALLOW


def _unfinished(tx: Transaction, standing: Standing) -> Iterator[AnyJob]:
    for job_id in standing.open:
        job = tx.get(job_id)
        if job is not None and not job.status.finished:
            yield job


def _fire(
    tx: Transaction,
    result: Ticked,
    firing: Firing,
    now: datetime,
    blocking: list[AnyJob],
    *,
    queued: bool,
) -> AnyJob | None:
    schedule, job_id = result.schedule, tick_id(result.schedule.name, firing.at)
    if _has_record(tx, job_id):
        return None  # the clock went back: what became of this tick is written down
    verdict = overlap(schedule, blocking[0].id if blocking else None)
    if verdict.action is Action.SKIP:
        why = f"an earlier job was unfinished: {verdict.behind}"
        result.ticks.append(_record(schedule, firing, TickOutcome.SKIPPED, why, None))
        return None
    if verdict.action is Action.REPLACE:
        _cancel(tx, blocking, now)
    job = _job(schedule, firing, now, queued=queued)
    tx.add((job,))
    result.made += 1
    outcome = TickOutcome.FIRED
    reasons: list[str | None] = [verdict.reason]
    if firing.late:
        outcome = TickOutcome.LATE
        reasons.append(f"by {human_duration(round((now - firing.at).total_seconds()))}")
    reason = ", ".join(part for part in reasons if part) or None
    result.ticks.append(_record(schedule, firing, outcome, reason, job.id))
    return job


def _has_record(tx: Transaction, job_id: str) -> bool:
    note = tx.note(TICK, job_id)
    if note is not None and note.value.get("outcome") != TickOutcome.MISSED:
        return True
    return tx.get(job_id) is not None


def _cancel(tx: Transaction, jobs: Sequence[AnyJob], now: datetime) -> None:
    for job in jobs:
        current = tx.get(job.id)
        if current is not None and not current.status.finished:
            changed = transitions.cancel(current, now)
            if changed is not current:
                tx.save(changed)
                dependencies.follow(tx, [changed], now)


def _job(schedule: Schedule, firing: Firing, now: datetime, *, queued: bool) -> AnyJob:
    due_at = firing.at + timedelta(seconds=delay(schedule, firing.at))
    return msgspec.structs.replace(
        _made(schedule, tick_id(schedule.name, firing.at), now),
        run_at=due_at if due_at > now else None,
        concurrency_key=f"schedule:{schedule.name}" if queued else None,
    )


def _made(schedule: Schedule, job_id: str, now: datetime) -> AnyJob:
    return Job(
        id=job_id,
        name=schedule.job,
        data=schedule.data,
        created_at=now,
        priority=schedule.priority,
        max_retries=schedule.max_retries,
        schedule=schedule.name,
    )


def _record(
    schedule: Schedule,
    firing: Firing,
    outcome: TickOutcome,
    reason: str | None,
    job_id: str | None,
) -> Tick:
    return Tick(
        schedule=schedule.name, at=firing.at, outcome=outcome, reason=reason, job_id=job_id
    )


def _last_tick(ticks: Sequence[Tick], before: Tick | None, now: datetime) -> Tick | None:
    # One that was made up for may be older than what was the last; a clock that was ahead
    # may have left one that is yet to come.
    if not ticks or (before is not None and ticks[-1].at < (before.last or before.at) <= now):
        return before
    return ticks[-1]


def _last_run(ticks: Sequence[Tick], before: datetime | None, now: datetime) -> datetime | None:
    last = max((one.at for one in ticks if one.job_id is not None), default=None)
    if last is None or (before is not None and last < before <= now):
        return before
    return last


def trigger(tx: Transaction, schedule: Schedule, now: datetime) -> AnyJob:
    """Make a job of a schedule at once, whatever else is unfinished, and return it."""
    job = _made(schedule, random_id(), now)
    tx.add((job,))
    old = standing_of(tx.note(SCHEDULE, schedule.name))
    new = msgspec.structs.replace(
        remembered(old, job.id), last_run=now, run_count=old.run_count + 1
    )
    tx.put(note_of(schedule.name, new, now))
    return job
