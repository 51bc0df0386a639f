"""Whether jobs are being run: asked by a monitor, answered with reasons."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from jobctl.core.note import SCHEDULE
from jobctl.core.store import AnyJob, Store
from jobctl.core.units import human_duration
from jobctl.errors import StoreError
from jobctl.services.pausing import paused, subject, undo

if TYPE_CHECKING:
    from jobctl.core.schedule import Schedule

#: Seconds that a job may be due before that is a bad sign.
MAX_WAIT = 3600.0
#: Seconds within which the daemon's loop takes note of a wake-up, unless it is stuck.
PATIENCE = 5.0


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    ok: bool
    message: str


class Health(msgspec.Struct, frozen=True):
    """All of them."""

    healthy: bool
    checks: list[Check]

    @classmethod
    def of(cls, *checks: Check) -> Health:
        """Return what some checks amount to."""
        return cls(all(check.ok for check in checks), list(checks))


def examine(
    store: Store,
    now: datetime,
    *,
    max_wait: float = MAX_WAIT,
    patience: float = PATIENCE,
    schedules: Collection[Schedule] = (),
) -> Health:
    """Look at the daemon, its loop, the disk, the job that has been due for longest, and at
    the schedules that expect a success.

    `max_wait` and `patience` are seconds. What the store refuses is a finding, not an error.
    """
    try:
        daemon = list(_daemon(store, patience))
    except StoreError as err:
        daemon = [Check("daemon", False, str(err))]
    checks = [*daemon, _disk(store), _oldest(store, now, max_wait), *_paused(store)]
    if any(one.expect_within is not None for one in schedules):
        checks.append(_schedules(store, now, schedules))
    return Health.of(*checks)


def _daemon(store: Store, patience: float) -> Iterator[Check]:
    pulse = store.pulse(patience)
    if pulse.pid is None:
        yield Check("daemon", False, "no daemon runs: start `jobctl run`")
        return
    yield Check("daemon", True, f"{pulse.who} is the daemon")
    if pulse.moving:
        yield Check("loop", True, "the daemon answers")
    else:
        wait = human_duration(patience)
        why = f"the daemon did not answer within {wait}: it is starting, stuck or stopped"
        yield Check("loop", False, why)


def _disk(store: Store) -> Check:
    try:
        store.probe()
    except StoreError as err:
        return Check("disk", False, str(err))
    return Check("disk", True, "the store can be written")


def _paused(store: Store) -> Iterator[Check]:
    """Say what rests: nothing is wrong with that, but who wonders why should read it."""
    try:
        for pause in paused(store):
            yield Check("paused", True, f"{subject(pause)} until `{undo(pause)}`")
    except StoreError as err:
        yield Check("paused", False, str(err))


def _oldest(store: Store, now: datetime, max_wait: float) -> Check:
    try:
        job = store.oldest_due(now)
    except StoreError as err:
        return Check("oldest", False, str(err))
    if job is None:
        return Check("oldest", True, "no job is due")
    waited = max(0.0, (now - due_since(job)).total_seconds())
    most = human_duration(max_wait)
    message = f"{job.name} {job.id} has been due for {human_duration(waited)} (at most {most})"
    return Check("oldest", waited <= max_wait, message)


def due_since(job: AnyJob) -> datetime:
    """Return the moment from which a job has been due."""
    return max(job.created_at, job.run_at or job.created_at)


def _schedules(store: Store, now: datetime, schedules: Collection[Schedule]) -> Check:
    from jobctl.core.standing import deadline, standing_of

    try:
        notes = {note.key: note for note in store.notes(SCHEDULE)}
    except StoreError as err:
        return Check("schedules", False, str(err))
    late = []
    for one in schedules:
        at = deadline(one, standing_of(notes.get(one.name)))
        if at is not None and at < now:
            length = human_duration(round((now - at).total_seconds()))
            late.append(f"{one.name} is overdue for {length}")
    if late:
        return Check("schedules", False, ", ".join(late))
    return Check("schedules", True, "no schedule is overdue")
