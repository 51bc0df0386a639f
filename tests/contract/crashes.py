"""The machine with all that may go wrong: processes that die, other processes, lost indexes.

Also the use cases that daemon, terminal and programs have, each a transaction or several.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from jobctl.core import job as transitions
from jobctl.core.job import Ending, Job, Options, Outcome, Status
from jobctl.core.note import TOPICS
from jobctl.core.retry import RetryPolicy
from jobctl.core.store import Store, Transaction, Verdict
from jobctl.errors import JobctlError
from jobctl.runtime import keeper
from jobctl.services.queue import QueueService
from tests.children import Child
from tests.contract.machine import (
    StoreMachine,
    Work,
    add_new,
    attempt,
    bare,
    change,
    few_jobs,
    some_ids,
    verbs,
)
from tests.helpers import after, ids

outcomes = st.sampled_from(Outcome)
points = st.integers(1, 9)
filters = st.sampled_from(
    [
        "tag:t",
        "status:failed,cancelled",
        "name:x priority>=0",
        "age>20",
        "id:a*,b1",
        "attempts>0",
    ]
)
OPTIONS = Options(max_retries=1, backoff=RetryPolicy(base=7.0, jitter=0.0))
Use = Callable[[QueueService], object]


def picture(store: Store) -> object:
    """Return all that a store holds."""
    jobs = {job.id: bare(job) for job in store.list(limit=1000)}
    return jobs, [store.notes(topic) for topic in TOPICS]


class CrashMachine(StoreMachine):
    """What may happen to a store, and what its users do."""

    def __init__(self) -> None:
        super().__init__()
        self.dead: list[Store] = []

    def teardown(self) -> None:
        super().teardown()
        for store in self.dead:
            store.close()

    # -- what goes wrong ---------------------------------------------------------------

    def opened_anew(self) -> None:
        self.real, self.other = self.subject.open(), self.subject.open()
        self.model._state.claims = 0  # the tenth claim is counted by each daemon anew

    @rule(data=st.data())
    def reopen(self, data: st.DataObject) -> None:
        """Close it; something happens to the index, or to the end of the journal."""
        if not self.subject.harms:
            return
        self.real.close()
        self.other.close()
        harm = data.draw(st.sampled_from([None, *self.subject.harms]))
        if harm is not None:
            self.subject.harm(harm)
        self.opened_anew()

    @rule(jobs=few_jobs, name=some_ids, verb=verbs, reopen=st.booleans())
    def die_before_the_index(
        self, jobs: list[Job[Any]], name: str, verb: str, reopen: bool
    ) -> None:
        """The bytes are durable; nobody was told, and the index does not know of them."""

        def work(tx: Transaction) -> None:
            add_new(tx, jobs)
            change(tx, name, verb, self.now)

        self.subject.unindexed(self.real, lambda: attempt(self.real, work))
        attempt(self.model, work)
        if reopen and self.subject.harms:
            self.dead += [self.real, self.other]  # nobody closes what a dead process had open
            self.opened_anew()

    @precondition(lambda self: self.subject.forks)
    @rule(
        jobs=few_jobs,
        name=some_ids,
        verb=verbs,
        limit=st.integers(0, 3),
        nth=points,
        half=st.booleans(),
    )
    def kill(
        self, jobs: list[Job[Any]], name: str, verb: str, limit: int, nth: int, half: bool
    ) -> None:
        """Another process does it, and is killed at its nth write, unless it has done all."""

        def work(tx: Transaction) -> object:
            add_new(tx, jobs)
            change(tx, name, verb, self.now)
            return [bare(job) for job in tx.claim(limit, self.now)]

        self.in_another_process(work, nth, half)

    @precondition(lambda self: self.subject.forks)
    @rule(jobs=few_jobs, limit=st.integers(0, 12))
    def another_process(self, jobs: list[Job[Any]], limit: int) -> None:
        def work(tx: Transaction) -> object:
            add_new(tx, jobs)
            return [bare(job) for job in tx.claim(limit, self.now)]

        self.in_another_process(work, 0, False)

    def in_another_process(self, work: Work, nth: int, half: bool) -> None:
        before = self.model._state
        self.model._state = before.copy()
        self.model._state.claims = 0
        right = repr(attempt(self.model, work))
        self.model._state.claims = before.claims

        def child() -> str:
            if nth:
                self.subject.killer(nth, half)
            return repr(attempt(self.real, work))

        told = Child(child).told()
        if told is not None:
            assert told == (True, right)
            return
        found = picture(self.real)
        if found != picture(self.model):
            self.model._state = before
            assert found == picture(self.model), "neither before nor after"

    @precondition(lambda self: self.subject.forks)
    @rule(nth=points, half=st.booleans())
    def kill_housekeeping(self, nth: int, half: bool) -> None:
        def child() -> None:
            self.subject.killer(nth, half)
            for _ in range(10):
                self.real.maintain()

        Child(child).told()

    @rule(name=some_ids, outcome=outcomes, verb=verbs)
    def change_between_read_and_write(self, name: str, outcome: Outcome, verb: str) -> None:
        """A daemon settles what somebody else has changed since it was claimed."""
        read = {id(store): store.get(name) for store in (self.real, self.model)}
        self.both(lambda tx: change(tx, name, verb, self.now), elsewhere=True)
        ending = Ending(outcome, self.now, result=1, after=3.0)

        def settle(store: Store) -> object:
            job = read[id(store)]
            if job is None or job.status is not Status.RUNNING:
                return None
            with store.transaction() as tx:
                given = [keeper.Settlement(job, ending, OPTIONS)]
                done = [bare(one) for one in keeper.settle(tx, given)]
                finished = transitions.finish(job, ending, OPTIONS)
                return done, ids(tx.settle([finished]))

        assert settle(self.real) == settle(self.model)

    # -- use cases ---------------------------------------------------------------------

    def use(self, use: Use, *, elsewhere: bool = False) -> None:
        """Do the same through the services."""
        self.clock.time = self.now

        def outcome(store: Store) -> object:
            try:
                return use(QueueService(store, self.clock, nap=self.clock.advance))
            except JobctlError as err:
                return type(err), str(err)

        assert outcome(self.other if elsewhere else self.real) == outcome(self.model)

    @rule(
        name=some_ids,
        if_exists=st.sampled_from(["keep", "error", "replace"]),
        waits=st.lists(some_ids, max_size=2),
        delay=st.sampled_from([None, 15]),
        elsewhere=st.booleans(),
    )
    def add_one(
        self, name: str, if_exists: str, waits: list[str], delay: int | None, elsewhere: bool
    ) -> None:
        options = {"job_id": name, "if_exists": if_exists, "after": waits, "delay": delay}

        def use(queue: QueueService) -> object:
            added = queue.add("x", {"n": 1}, options)
            return added.id, added.created, bare(added.job)

        self.use(use, elsewhere=elsewhere)

    @rule(names=st.lists(some_ids, max_size=4))
    def add_a_chain(self, names: list[str]) -> None:
        links: list[Any] = [
            ("y", {}, {"job_id": name, "if_exists": "replace"}) for name in names
        ]
        self.use(lambda queue: queue.chain(links))

    @rule(name=some_ids, verb=verbs, elsewhere=st.booleans())
    def do(self, name: str, verb: str, elsewhere: bool) -> None:
        def use(queue: QueueService) -> object:
            return bare(getattr(queue, verb)(name))

        self.use(use, elsewhere=elsewhere)

    @rule(
        verb=st.sampled_from(["retry", "cancel", "delete", "cleanup"]),
        wanted=filters,
        dry_run=st.booleans(),
        elsewhere=st.booleans(),
    )
    def bulk(self, verb: str, wanted: str, dry_run: bool, elsewhere: bool) -> None:
        def use(queue: QueueService) -> object:
            done = queue.bulk(verb, wanted).run(dry_run=dry_run)
            return done.matched, done.changed, done.skipped, [bare(job) for job in done.jobs]

        self.use(use, elsewhere=elsewhere)

    @rule(ago=st.integers(0, 40))
    def clean_up(self, ago: int) -> None:
        self.use(lambda queue: queue.cleanup(after(self.time - ago)))

    @rule(name=st.sampled_from(["x", "y", None]), on=st.booleans(), elsewhere=st.booleans())
    def pause(self, name: str | None, on: bool, elsewhere: bool) -> None:
        def use(queue: QueueService) -> object:
            return queue.pause(name) if on else queue.resume(name), queue.paused()

        self.use(use, elsewhere=elsewhere)

    @rule(outcome=outcomes, limit=st.integers(0, 5))
    def serve(self, outcome: Outcome, limit: int) -> None:
        """A daemon's transaction: how jobs ended, what follows from that, and new ones."""
        ending = Ending(outcome, self.now, result=1, after=5.0)

        def served(store: Store) -> object:
            running = store.list(status=Status.RUNNING, limit=4)
            given = [keeper.Settlement(job, ending, OPTIONS) for job in running]
            reply = keeper.Reply(keeper.Request(given, None), self.now)
            random.seed(1)
            keeper._transact(store, reply, None, self.now)
            settled = [bare(job) for job in reply.settled]
            return settled, [bare(job) for job in reply.cancelled], reply.freed

        assert served(self.real) == served(self.model)
        self.claim(limit, None, Verdict.TAKE)

    @rule(begun=st.sets(some_ids))
    def recover(self, begun: set[str]) -> None:
        """A daemon starts after one that died."""

        def recovered(store: Store) -> object:
            jobs = keeper.recover(store, begun, OPTIONS, self.now, step=3)
            return sorted((job.id, job.status, job.attempts) for job in jobs)

        assert recovered(self.real) == recovered(self.model)
