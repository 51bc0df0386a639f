"""What an explanation is made of."""

from __future__ import annotations

from datetime import datetime

import msgspec

from jobctl.core.job import Status


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is true of a job: a stable code, and the sentence.

    `at` is the moment that the sentence tells of (UTC), `jobs` the ids of others that it names.
    """

    code: str
    message: str
    at: datetime | None = None
    jobs: tuple[str, ...] = ()


class Step(msgspec.Struct, frozen=True):
    """A command that helps, and what for."""

    command: str
    why: str


class Explanation(msgspec.Struct, frozen=True):
    """All that is known: why the job is where it is, the decisive first, and what else is.

    `about` holds what explains nothing but belongs to it: its schedule, its end by retention.
    """

    id: str
    name: str
    status: Status
    reasons: tuple[Reason, ...]
    about: tuple[Reason, ...] = ()
    next: tuple[Step, ...] = ()
