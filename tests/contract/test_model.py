"""Whatever is done to it, the directory store answers as the reference store does."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from jobctl.core import job as transitions
from jobctl.core.filters import Filter
from jobctl.core.job import FINISHED, Ending, Job, Options, Outcome, Status
from jobctl.core.note import EVERYTHING, TOPICS, Note
from jobctl.core.store import Gate, Store, Transaction, Verdict
from jobctl.errors import StaleJob, WrongStatus
from jobctl.stores.directory.store import DirectoryStore
from jobctl.stores.memory import MemoryStore
from tests.helpers import NOON, FakeClock, after, claim, ids, make_job

IDS = [f"{a}{b}" for a in "abc" for b in "1234"]
some_ids = st.sampled_from(IDS)
verbs = st.sampled_from(["cancel", "retry", "delete"])
new_jobs = st.builds(
    make_job,
    some_ids,
    name=st.sampled_from(["x", "y"]),
    data=st.sampled_from([{}, [1.5], "\u00e4" * 300]),
    priority=st.integers(-1, 1),
    run_at=st.sampled_from([None, None, 20, 40, 60]).map(lambda s: after(s) if s else None),
    created_at=st.integers(0, 9).map(after),
    concurrency_key=st.sampled_from([None, "k"]),
    tags=st.sampled_from([(), (), ("t",), ("t", "u"), ("u",)]),
    after=st.sampled_from([(), (), ("a1",), ("a1", "b2"), ("c4",)]),
    shell=st.sampled_from([None, {"argv": ["true"]}]),
)
#: Each leads to its jobs in another way.
FILTERS = [
    Filter.parse(text)
    for text in (
        "tag:t", "tag:t,u status!=failed", "tag!=t", "name:x status:pending,failed", "id:a*",
        "status:scheduled,retrying", "started<30 attempts>0", "age>15 data~1.5", "finished:*",
        "priority>0 run_at:*", "created<9 key:k",
    )
]  # fmt: skip
few_jobs = st.lists(new_jobs, max_size=3)


def shut(closed: tuple[str, bool] | None, verdict: Verdict) -> Gate:
    return lambda name, key, shell: verdict if (name, shell) == closed else Verdict.TAKE


def bare(job: Job[Any] | None) -> Job[Any] | None:
    """Return a job without its seq, which is each store's own."""
    return None if job is None else msgspec.structs.replace(job, seq=0)


class Boom(Exception):
    """What goes wrong in a transaction."""


class StoreMachine(RuleBasedStateMachine):
    """The same steps on both stores. `other` stands for another process."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="jobctl-test-"))
        self.clock = FakeClock()
        self.model = MemoryStore()
        self.real = self.open()
        self.other = self.open()
        self.time = 0

    def open(self) -> DirectoryStore:
        return DirectoryStore(self.folder / "store", self.clock)

    def teardown(self) -> None:
        for store in (self.model, self.real, self.other):
            store.close()
        shutil.rmtree(self.folder)

    def both(self, work: Callable[[Transaction], object], *, elsewhere: bool = False) -> None:
        """Do the same on both stores and compare what came of it."""

        def attempt(store: Store) -> object:
            try:
                with store.transaction() as tx:
                    return work(tx)
            except (StaleJob, WrongStatus, Boom) as err:
                return type(err)

        assert attempt(self.other if elsewhere else self.real) == attempt(self.model)

    @rule(jobs=st.lists(new_jobs, max_size=12), elsewhere=st.booleans())
    def add(self, jobs: list[Job[Any]], elsewhere: bool) -> None:
        self.both(lambda tx: add_new(tx, jobs), elsewhere=elsewhere)

    @rule(
        limit=st.integers(0, 12),
        closed=st.sampled_from([None, None, ("x", False), ("x", True)]),
        verdict=st.sampled_from([Verdict.CLOSED, Verdict.NAME_CLOSED]),
    )
    def claim(self, limit: int, closed: tuple[str, bool] | None, verdict: Verdict) -> None:
        now = after(self.time)
        real = claim(self.real, limit, now, shut(closed, verdict))
        model = claim(self.model, limit, now, shut(closed, verdict))
        assert [bare(job) for job in real] == [bare(job) for job in model]

    @rule(seconds=st.integers(1, 30))
    def wait(self, seconds: int) -> None:
        self.time += seconds

    @rule(names=st.sets(some_ids), outcome=st.sampled_from(Outcome), retries=st.integers(0, 2))
    def settle(self, names: set[str], outcome: Outcome, retries: int) -> None:
        ending = Ending(outcome, after(self.time), result=[1], after=10.0)
        options = Options(max_retries=retries)

        def work(tx: Transaction) -> list[str]:
            read = [tx.get(name) for name in sorted(names)]
            running = [job for job in read if job and job.status is Status.RUNNING]
            return ids(tx.settle([transitions.finish(job, ending, options) for job in running]))

        self.both(work)

    @rule(name=some_ids, verb=verbs, elsewhere=st.booleans())
    def change(self, name: str, verb: str, elsewhere: bool) -> None:
        self.both(lambda tx: change(tx, name, verb, self.time), elsewhere=elsewhere)

    @rule(name=some_ids, new=new_jobs, elsewhere=st.booleans())
    def replace(self, name: str, new: Job[Any], elsewhere: bool) -> None:
        def work(tx: Transaction) -> None:
            if old := tx.get(name):
                tx.save(transitions.replace(old, new))

        self.both(work, elsewhere=elsewhere)

    @rule(name=some_ids, by=st.sampled_from([0, 2]))
    def save_stale(self, name: str, by: int) -> None:
        def work(tx: Transaction) -> list[str] | None:
            if (old := tx.get(name)) is None:
                return None
            stale = msgspec.structs.replace(old, rev=old.rev + by)
            assert ids(tx.settle([stale])) == [name]
            tx.save(stale)
            return None

        self.both(work)

    @rule(jobs=few_jobs, name=some_ids)
    def fail_midway(self, jobs: list[Job[Any]], name: str) -> None:
        def work(tx: Transaction) -> None:
            add_new(tx, jobs)
            change(tx, name, "delete", self.time)
            raise Boom

        self.both(work)

    @rule(jobs=few_jobs, name=some_ids, verb=verbs, limit=st.integers(0, 3))
    def do_all_in_one(self, jobs: list[Job[Any]], name: str, verb: str, limit: int) -> None:
        def work(tx: Transaction) -> object:
            add_new(tx, jobs)
            change(tx, name, verb, self.time)
            return [bare(job) for job in tx.claim(limit, after(self.time))]

        self.both(work)

    @rule(
        topic=st.sampled_from(TOPICS),
        key=st.sampled_from(["x", "y", EVERYTHING]),
        put=st.booleans(),
        fail=st.booleans(),
        elsewhere=st.booleans(),
    )
    def note(self, topic: str, key: str, put: bool, fail: bool, elsewhere: bool) -> None:
        def work(tx: Transaction) -> None:
            if put:
                tx.put(Note(topic, key, after(self.time), {"n": self.time}))
            else:
                tx.drop(topic, key)
            if fail:
                raise Boom

        self.both(work, elsewhere=elsewhere)

    @rule(lose_index=st.booleans())
    def reopen(self, lose_index: bool) -> None:
        self.real.close()
        self.other.close()
        if lose_index:
            for file in (self.folder / "store").glob("index.sqlite*"):
                file.unlink()
        self.real, self.other = self.open(), self.open()
        self.model._state.claims = 0  # the tenth claim is counted by each daemon anew

    @rule()
    def maintain(self) -> None:
        self.real.maintain()

    @invariant()
    def they_agree(self) -> None:
        for store in (self.real, self.other):
            assert store.stats() == self.model.stats()
            assert store.find("a") == self.model.find("a")
            pages: list[dict[str, Any]] = [{}, {"name": "x"}, {"status": Status.PENDING}]
            for page in (*pages, {"offset": 2, "limit": 3}):
                found, right = store.list(**page), self.model.list(**page)
                assert [bare(job) for job in found] == [bare(job) for job in right]
            for wanted in FILTERS:
                now = after(self.time)
                chosen = [s.select(wanted, now).jobs for s in (store, self.model)]
                assert ids(chosen[0]) == ids(chosen[1])
                assert store.tally(wanted, now) == self.model.tally(wanted, now)
            for status in FINISHED:
                ended = store.finished(status, after(self.time))
                assert ids(ended) == ids(self.model.finished(status, after(self.time)))
                assert store.count_finished(status, after(self.time)) == len(ended)
            self.next_is_the_same(store)

            for topic in TOPICS:
                assert store.notes(topic) == self.model.notes(topic)
            for one in ("a1", "b2"):
                with store.transaction() as real, self.model.transaction() as model:
                    assert ids(real.dependents(one)) == ids(model.dependents(one))
            oldest = [each.oldest_due(after(self.time)) for each in (store, self.model)]
            since = [max(job.created_at, job.run_at or NOON) if job else None for job in oldest]
            assert since[0] == since[1]

    def next_is_the_same(self, store: Store) -> None:
        # Those that are due may be taken for ready ones already.
        found, right = store.next_run_at(), self.model.next_run_at()
        if right is None or right > after(self.time):
            assert found == right


def add_new(tx: Transaction, jobs: list[Job[Any]]) -> None:
    for job in jobs:
        if tx.get(job.id) is None:
            tx.add([job])


def change(tx: Transaction, name: str, verb: str, seconds: int) -> Job[Any] | None:
    job = tx.get(name)
    if job is None:
        return None
    if verb == "delete":
        transitions.delete(job)
        tx.delete(job)
    else:
        how = {"cancel": lambda job: transitions.cancel(job, after(seconds))}
        changed = how.get(verb, transitions.retry)(job)
        if changed is not job:
            tx.save(changed)
    return bare(tx.get(name))


TestDirectoryStore = StoreMachine.TestCase
TestDirectoryStore.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
