"""What a store is: the protocols that every one of them keeps.

All times are aware datetimes in UTC. Every method may raise StoreError.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from jobctl.core.job import AnyJob as AnyJob
from jobctl.core.job import Status
from jobctl.core.note import Note

if TYPE_CHECKING:
    from jobctl.core.filters import Filter

#: Said (RuntimeError) to a thread that would wait for ever for its own transaction.
NESTED = (
    "a transaction of this store is open in this thread: read through it (tx.get), or end "
    "it first"
)


class Stats(msgspec.Struct, frozen=True):
    """How many jobs have each status."""

    pending: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.pending + self.running + self.completed + self.failed + self.cancelled

    def as_dict(self) -> dict[str, int]:
        """Return the five counts and the total."""
        return {**msgspec.structs.asdict(self), "total": self.total}


class Page(msgspec.Struct, frozen=True):
    """Some of the jobs that a filter chooses, and where the next ones begin.

    `after` is None if there are no more. A page that was bounded may have less jobs than were
    asked for, or none, and still an `after`: so far it has looked.
    """

    jobs: list[AnyJob]
    after: int | None = None


class Pulse(msgspec.Struct, frozen=True):
    """Which process is the daemon of a store, and whether its loop moves.

    `pid` is None if there is no daemon, and 0 if there is one that cannot be named.
    """

    pid: int | None = None
    moving: bool = False

    @property
    def who(self) -> str:
        """The daemon that there is, in words."""
        return f"process {self.pid}" if self.pid else "a process that cannot be named"


class Verdict(Enum):
    """Whether a job may be claimed now."""

    TAKE = "take"
    CLOSED = "closed"  # no more of this name and key now: others may follow
    NAME_CLOSED = "name closed"  # no more of this name now, whatever the key
    FULL = "full"  # nothing fits any more: stop


#: Asked before each claim with the job's name and concurrency key, and whether it is a shell
#: job. TAKE reserves the place. NAME_CLOSED is about that name's shell jobs, or its others.
Gate = Callable[[str, "str | None", bool], Verdict]


def open_gate(name: str, key: str | None, shell: bool) -> Verdict:
    """Let every job pass."""
    return Verdict.TAKE


class Transaction(Protocol):
    """The one way to write: all of it becomes durable at the end, or none."""

    def add(self, jobs: Iterable[AnyJob]) -> None:
        """Add new jobs. Their ids are random, or the caller has looked with `get`."""
        ...

    def get(self, job_id: str) -> AnyJob | None:
        """Return the job as this transaction sees it."""
        ...

    def save(self, job: AnyJob) -> None:
        """Write the next state of a job that was read.

        Raises StaleJob unless the job's rev is one above the one in the store.
        """
        ...

    def settle(self, jobs: Iterable[AnyJob]) -> list[AnyJob]:
        """Write the next states of claimed jobs; return those that were stale."""
        ...

    def claim(self, limit: int, now: datetime, gate: Gate = open_gate) -> list[AnyJob]:
        """Make up to `limit` due jobs running and return them.

        By priority (higher first), then run_at (none first), then in the order added;
        every tenth claim of a store goes to the longest waiting, so nothing starves. A job
        is not due before all of its `after` have completed (or are gone), nor while its
        name is paused.
        """
        ...

    def cancelling(self) -> list[str]:
        """Return the ids of running jobs that were cancelled and shall end."""
        ...

    def next_run_at(self) -> datetime | None:
        """Return when the next delayed job is due, None if none waits.

        It may be that of one which has been due since the last claim, or which this
        transaction has changed.
        """
        ...

    def delete(self, job: AnyJob) -> None:
        """Remove a job that was read.

        Raises StaleJob if it was changed meanwhile.
        """
        ...

    def dependents(self, job_id: str) -> list[AnyJob]:
        """Return the pending jobs that have this one in their `after`."""
        ...

    def any_waiting(self) -> bool:
        """Return whether any pending job has an `after`: most stores have none."""
        ...

    def put(self, note: Note) -> None:
        """Write a note in place of the one with its topic and key."""
        ...

    def drop(self, topic: str, key: str) -> None:
        """Remove a note, if it is there."""
        ...

    def note(self, topic: str, key: str) -> Note | None:
        """Return a note as this transaction sees it."""
        ...


class Seat(Protocol):
    """The right to be the daemon of a store, held for as long as its context lasts."""

    @property
    def folder(self) -> Path:
        """A folder for what one daemon leaves for the next."""
        ...

    def fileno(self) -> int:
        """A descriptor that becomes readable when there may be something to do."""
        ...

    def drain(self) -> None:
        """Take the wake-ups that have come, so that `fileno` rests again."""
        ...


class Store(Protocol):
    """Where jobs are kept. One object serves all threads of a process."""

    @property
    def files(self) -> Path:
        """A local folder for what goes with jobs and is no record: logs, progress."""
        ...

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Open a transaction. An exception inside it leaves the store as it was.

        A thread has one at a time, and reads through it: RuntimeError if it would wait for
        itself.
        """
        ...

    def get(self, job_id: str) -> AnyJob | None:
        """Return the job with exactly this id."""
        ...

    def find(self, prefix: str, limit: int = 10) -> list[str]:
        """Return ids that begin with `prefix`, in alphabetical order."""
        ...

    def names(self, prefix: str, limit: int) -> Sequence[str]:
        """Return names that jobs have and that begin with `prefix`, in alphabetical order."""
        ...

    def list(
        self,
        *,
        status: Status | None = None,
        name: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[AnyJob]:
        """Return jobs, the newest first."""
        ...

    def select(
        self,
        wanted: Filter,
        now: datetime,
        *,
        newest: bool = True,
        limit: int = 50,
        offset: int = 0,
        after: int | None = None,
        bounded: bool = False,
    ) -> Page:
        """Return jobs that pass a filter, the newest or the oldest first.

        `after` is that of the page before. A `bounded` one costs about the same however
        many jobs there are and however few of them pass: it looks at some, and says how far
        it has come. A job that is added or changed while one goes
        from page to page may come in or not, but none comes twice.
        """
        ...

    def tally(self, wanted: Filter, now: datetime) -> Stats:
        """Return how many of the jobs that pass a filter have each status."""
        ...

    def finished(
        self, status: Status, before: datetime, limit: int = 1000, *, newest: bool = False
    ) -> Sequence[AnyJob]:
        """Return jobs of a finished status that ended before a time.

        Those that ended first come first, with `newest` those that ended last.
        """
        ...

    def count_finished(
        self, status: Status, before: datetime, since: datetime | None = None
    ) -> int:
        """Return how many jobs of a finished status ended before a time, since another."""
        ...

    def count_added(self, after: int) -> int:
        """Return how many jobs are there that were added after the one with this seq."""
        ...

    def stats(self) -> Stats:
        """Return how many jobs have each status."""
        ...

    def oldest_due(self, now: datetime) -> AnyJob | None:
        """Return the pending job that has been due for longest, None if none is due.

        One that waits for others, or whose name is paused, is not due.
        """
        ...

    def ahead(
        self, job: AnyJob, now: datetime, limit: int, without: Collection[str] = ()
    ) -> tuple[int, int]:
        """Return how many due jobs are claimed before this one: of its name, and of others.

        Both are `limit` at most. One that waits for others, or whose name is paused, is not
        due; names in `without` are passed over. Of jobs in thousands of lanes (names and
        concurrency keys) some are not counted.
        """
        ...

    def ended(self, status: Status, since: datetime, limit: int) -> Sequence[datetime]:
        """Return when jobs ended with a status, since a time, the newest first."""
        ...

    def notes(
        self, topic: str, prefix: str = "", *, newest: bool = False, limit: int | None = None
    ) -> Sequence[Note]:
        """Return the notes of a topic whose keys begin with `prefix`, in the order of keys.

        With `newest` the last keys come first.
        """
        ...

    def notes_before(self, topic: str, before: datetime, limit: int) -> Sequence[Note]:
        """Return notes that tell of a time before this one, the oldest first."""
        ...

    def version(self) -> object:
        """Return something cheap that changes whenever anything was written."""
        ...

    def changed(self, since: object, limit: int) -> Sequence[str] | None:
        """Return the ids of jobs that were added, changed or removed after a `version`.

        None if they are more than `limit`, or that is not known any more. It is a hint: what
        was only moved may be among them, and what is just being written.
        """
        ...

    def wake(self) -> None:
        """Tell the daemon, if there is one, that there may be something to do."""
        ...

    def seat(self, *, wait: bool = False) -> AbstractContextManager[Seat]:
        """Become the store's daemon.

        Raises StoreBusy, naming the one there is, unless `wait`.
        """
        ...

    def catch_up(self) -> None:
        """Do what was put off while there was more to do, so that others need not."""
        ...

    def pulse(self, patience: float) -> Pulse:
        """Wake the daemon, and see whether it takes note within `patience` seconds."""
        ...

    def keep_room(self, size: int) -> None:
        """Be told how many bytes what runs may write; adds leave so much room from now on."""
        ...

    def probe(self) -> None:
        """Write something and remove it. Raises StoreError if that cannot be done."""
        ...

    def maintain(self) -> bool:
        """Do one bounded step of housekeeping; return whether another one is worth it."""
        ...

    def close(self) -> None:
        """Let go of everything that is open."""
        ...
