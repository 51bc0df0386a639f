"""One verb for all jobs that a filter chooses, in steps that hold up nobody.

The oldest come first. A step is one transaction: whatever ends a bulk, its steps stand or
have not begun. Jobs that are added meanwhile are none of its business, and one that changed
since it was read is read again: if it still fits it is taken, else it is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from jobctl.clock import Clock
from jobctl.core.filters import EVERY, Filter
from jobctl.core.store import AnyJob, Store, Transaction
from jobctl.core.text import unknown
from jobctl.errors import InvalidJob, StaleJob, WrongStatus
from jobctl.services.beside import Beside
from jobctl.services.cleaning import SHOWN
from jobctl.services.verbs import VERBS

#: How many jobs one transaction changes.
STEP = 2000


class Step(msgspec.Struct, frozen=True):
    """What a step did: the jobs that it changed, as they are now, or as they were deleted.

    `skipped` had changed meanwhile and did not fit any more; `refused` says of others why
    they could not be changed.
    """

    changed: list[AnyJob]
    skipped: int = 0
    refused: list[str] = []


class Done(msgspec.Struct, frozen=True):
    """What a bulk did, or would do: how many jobs matched, and the first of them.

    `changed` were changed; `skipped` were not, for they had changed meanwhile.
    """

    matched: int
    jobs: list[AnyJob]
    changed: int = 0
    skipped: int = 0


class Bulk:
    """A verb and the jobs that it is for. All methods may raise StoreError."""

    def __init__(
        self, store: Store, clock: Clock, beside: Beside, verb: str, wanted: Filter
    ) -> None:
        """Raises InvalidJob for an unknown verb, and for a filter that says nothing."""
        if verb not in VERBS:
            raise InvalidJob(unknown("verb", verb, list(VERBS)))
        if not wanted.terms:
            raise InvalidJob(f"{verb} needs a filter: it would be for every job otherwise")
        self._store = store
        self._clock = clock
        self._beside = beside
        self.verb = verb
        self._verb = VERBS[verb]
        self._now = clock.now()
        #: Those whose status the verb does not fit are left alone.
        self.wanted = wanted & Filter.any_of("status", self._verb.statuses)

    def matched(self) -> int:
        """Return how many jobs there are."""
        return self._store.tally(self.wanted, self._now).total

    def first(self) -> list[AnyJob]:
        """Return the newest of them."""
        return self._store.select(self.wanted, self._now, limit=SHOWN).jobs

    def run(self, *, dry_run: bool = False) -> Done:
        """Do all of it, or with `dry_run` nothing."""
        if dry_run:
            return Done(self.matched(), self.first())
        jobs: list[AnyJob] = []
        changed = skipped = 0
        for step in self.steps():
            jobs += step.changed[: SHOWN - len(jobs)]
            changed += len(step.changed)
            skipped += step.skipped + len(step.refused)
        return Done(changed + skipped, jobs, changed, skipped)

    def steps(self, before: Callable[[], object] = lambda: None) -> Iterator[Step]:
        """Do it step by step; `before` is called before each that writes."""
        newest = self._store.select(EVERY, self._now, limit=1).jobs
        last = newest[0].seq if newest else 0
        after: int | None = -1
        while after is not None and after < last:
            page = self._store.select(
                self.wanted, self._now, newest=False, limit=STEP, after=after
            )
            jobs = [job for job in page.jobs if job.seq <= last]
            if jobs:
                before()
                yield self._step(jobs)
            after = page.after

    def _step(self, jobs: Sequence[AnyJob]) -> Step:
        changed: list[AnyJob] = []
        skipped = 0
        refused: list[str] = []
        with self._store.transaction() as tx:
            for job in jobs:
                try:
                    done = self._act(tx, job)
                except WrongStatus as err:
                    refused.append(str(err))
                    continue
                if done is None:
                    skipped += 1
                else:
                    changed.append(done)
            self._verb.follow(tx, changed, self._now)
        if self._verb.removes:
            self._beside.forget(job.id for job in changed)
        else:
            self._store.wake()
        return Step(changed, skipped, refused)

    def _act(self, tx: Transaction, job: AnyJob) -> AnyJob | None:
        """Change a job, read again if it has changed; None if it does not fit any more."""
        try:
            return self._verb.act(tx, job, self._now)
        except StaleJob:
            now = tx.get(job.id)
            if now is None or not self.wanted.predicate(self._now)(now):
                return None
            return self._verb.act(tx, now, self._now)
