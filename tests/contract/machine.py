"""The same steps on the store under test and on the reference store, which must agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from jobctl.clock import Clock
from jobctl.core import job as transitions
from jobctl.core.filters import Filter
from jobctl.core.job import FINISHED, Ending, Job, Options, Outcome, Status
from jobctl.core.note import EVERYTHING, TOPICS, Note
from jobctl.core.store import Gate, Store, Transaction, Verdict
from jobctl.errors import StaleJob, WrongStatus
from jobctl.stores.memory import MemoryStore
from tests.contract.naive import next_claims
from tests.contract.subjects import InFolder, Subject
from tests.helpers import NOON, FakeClock, after, claim, ids, make_job, next_run_at

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
Work = Callable[[Transaction], object]


def shut(closed: tuple[str, bool] | None, verdict: Verdict) -> Gate:
    return lambda name, key, shell: verdict if (name, shell) == closed else Verdict.TAKE


def bare(job: Job[Any] | None) -> Job[Any] | None:
    """Return a job without its seq, which is each store's own."""
    return None if job is None else msgspec.structs.replace(job, seq=0)


def attempt(store: Store, work: Work) -> object:
    """Return what `work` gives in a transaction, or the error that it may end with."""
    try:
        with store.transaction() as tx:
            return work(tx)
    except (StaleJob, WrongStatus, Boom) as err:
        return type(err)


class Boom(Exception):
    """What goes wrong in a transaction."""


class StoreMachine(RuleBasedStateMachine):
    """What a transaction can do. `other` stands for another process."""

    kind: Callable[[Clock], Subject] = staticmethod(InFolder)

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.subject = type(self).kind(self.clock)
        self.model = MemoryStore()
        self.real = self.subject.open()
        self.other = self.subject.open()
        self.time = 0
        self.steps = 0

    def teardown(self) -> None:
        try:
            for look in LOOKS:
                look(self, self.real)
        finally:
            for store in (self.model, self.real, self.other):
                store.close()
            self.subject.remove()

    @property
    def now(self) -> Any:
        return after(self.time)

    def both(self, work: Work, *, elsewhere: bool = False) -> None:
        """Do the same on both stores and compare what came of it."""
        real = attempt(self.other if elsewhere else self.real, work)
        assert real == attempt(self.model, work)

    @rule(jobs=st.lists(new_jobs, max_size=12), elsewhere=st.booleans())
    def add(self, jobs: list[Job[Any]], elsewhere: bool) -> None:
        self.both(lambda tx: add_new(tx, jobs), elsewhere=elsewhere)

    @rule(
        limit=st.integers(0, 12),
        closed=st.sampled_from([None, None, ("x", False), ("x", True)]),
        verdict=st.sampled_from([Verdict.CLOSED, Verdict.NAME_CLOSED]),
    )
    def claim(self, limit: int, closed: tuple[str, bool] | None, verdict: Verdict) -> None:
        expected = next_claims(self.model, limit, self.now, closed, verdict)
        real = claim(self.real, limit, self.now, shut(closed, verdict))
        model = claim(self.model, limit, self.now, shut(closed, verdict))
        assert [bare(job) for job in real] == [bare(job) for job in model]
        assert ids(model) == expected

    @rule(priorities=st.lists(st.integers(-1, 1), min_size=11, max_size=14))
    def rush(self, priorities: list[int]) -> None:
        """So many are claimed at once that a tenth is among them; then all are gone."""
        names = [f"r{n}" for n in range(len(priorities))]
        made = zip(names, priorities, strict=True)
        jobs = [make_job(name, priority=one, created_at=NOON) for name, one in made]
        self.both(lambda tx: tx.add(jobs))
        self.claim(len(jobs), None, Verdict.TAKE)
        ending = Ending(Outcome.COMPLETED, self.now)

        def clear(tx: Transaction) -> None:
            for name in names:
                job = tx.get(name)
                if job is not None and job.status is Status.RUNNING:
                    job = transitions.finish(job, ending, Options())
                    tx.save(job)
                if job is not None:
                    tx.delete(job)

        self.both(clear)

    @rule(seconds=st.integers(1, 30))
    def wait(self, seconds: int) -> None:
        self.time += seconds

    @rule(names=st.sets(some_ids), outcome=st.sampled_from(Outcome), retries=st.integers(0, 2))
    def settle(self, names: set[str], outcome: Outcome, retries: int) -> None:
        ending = Ending(outcome, self.now, result=[1], after=10.0)
        options = Options(max_retries=retries)

        def work(tx: Transaction) -> list[str]:
            read = [tx.get(name) for name in sorted(names)]
            running = [job for job in read if job and job.status is Status.RUNNING]
            return ids(tx.settle([transitions.finish(job, ending, options) for job in running]))

        self.both(work)

    @rule(name=some_ids, verb=verbs, elsewhere=st.booleans())
    def change(self, name: str, verb: str, elsewhere: bool) -> None:
        self.both(lambda tx: change(tx, name, verb, self.now), elsewhere=elsewhere)

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
            change(tx, name, "delete", self.now)
            raise Boom

        self.both(work)

    @rule(jobs=few_jobs, name=some_ids, verb=verbs, limit=st.integers(0, 3))
    def do_all_in_one(self, jobs: list[Job[Any]], name: str, verb: str, limit: int) -> None:
        def work(tx: Transaction) -> object:
            add_new(tx, jobs)
            change(tx, name, verb, self.now)
            return [bare(job) for job in tx.claim(limit, self.now)]

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
                tx.put(Note(topic, key, self.now, {"n": self.time}))
            else:
                tx.drop(topic, key)
            if fail:
                raise Boom

        self.both(work, elsewhere=elsewhere)

    @rule()
    def maintain(self) -> None:
        self.real.maintain()

    @invariant()
    def they_agree(self) -> None:
        """All that the store tells is looked at, a part of it after each step."""
        self.steps += 1
        for store in (self.real, self.other):
            assert store.stats() == self.model.stats()
            found, right = store.list(limit=100), self.model.list(limit=100)
            assert [bare(job) for job in found] == [bare(job) for job in right]
            LOOKS[self.steps % len(LOOKS)](self, store)


def look_at_lists(machine: StoreMachine, store: Store) -> None:
    assert store.find("a") == machine.model.find("a")
    assert store.names("", 10) == machine.model.names("", 10)
    pages: list[dict[str, Any]] = [{"name": "x"}, {"status": Status.PENDING}]
    for page in (*pages, {"offset": 2, "limit": 3}):
        found, right = store.list(**page), machine.model.list(**page)
        assert [bare(job) for job in found] == [bare(job) for job in right]
    for one in IDS[:4]:
        assert bare(store.get(one)) == bare(machine.model.get(one))


def look_at_filters(machine: StoreMachine, store: Store) -> None:
    wanted = FILTERS[machine.steps % len(FILTERS)]
    stores = (store, machine.model)
    chosen = [each.select(wanted, machine.now).jobs for each in stores]
    assert ids(chosen[0]) == ids(chosen[1])
    assert store.tally(wanted, machine.now) == machine.model.tally(wanted, machine.now)
    assert [walk(each, wanted, machine.now) for each in stores] == [ids(chosen[1])[::-1]] * 2


def walk(store: Store, wanted: Filter, now: Any) -> list[str]:
    """Go from page to page, the oldest first."""
    found: list[str] = []
    place: int | None = None
    while True:
        page = store.select(wanted, now, newest=False, limit=2, after=place)
        found += ids(page.jobs)
        if page.after is None:
            return found
        place = page.after


def look_at_ends(machine: StoreMachine, store: Store) -> None:
    for status in FINISHED:
        ended = store.finished(status, machine.now)
        assert ids(ended) == ids(machine.model.finished(status, machine.now))
        assert store.count_finished(status, machine.now) == len(ended)
        times = [each.ended(status, after(10), 5) for each in (store, machine.model)]
        assert list(times[0]) == list(times[1])
    for topic in TOPICS:
        assert store.notes(topic) == machine.model.notes(topic)
        before = [each.notes_before(topic, after(15), 3) for each in (store, machine.model)]
        assert sorted(note.key for note in before[0]) == sorted(n.key for n in before[1])


def look_at_what_is_next(machine: StoreMachine, store: Store) -> None:
    model, now = machine.model, machine.now
    # Those that are due may be taken for ready ones already.
    found, right = next_run_at(store), next_run_at(model)
    if right is None or right > now:
        assert found == right
    oldest = [each.oldest_due(now) for each in (store, model)]
    since = [max(job.created_at, job.run_at or NOON) if job else None for job in oldest]
    assert since[0] == since[1]
    for job in model.list(status=Status.PENDING, limit=4):
        mine = store.get(job.id)
        assert mine is not None
        for without in ((), ("y",)):
            counts = model.ahead(job, now, 50, without)
            assert store.ahead(mine, now, 50, without) == counts
    for one in ("a1", "b2"):
        with store.transaction() as tx, model.transaction() as right_tx:
            assert ids(tx.dependents(one)) == ids(right_tx.dependents(one))
            assert tx.any_waiting() == right_tx.any_waiting()
            assert sorted(tx.cancelling()) == sorted(right_tx.cancelling())


LOOKS = (look_at_lists, look_at_filters, look_at_ends, look_at_what_is_next)


def add_new(tx: Transaction, jobs: list[Job[Any]]) -> None:
    for job in jobs:
        if tx.get(job.id) is None:
            tx.add([job])


def change(tx: Transaction, name: str, verb: str, now: Any) -> Job[Any] | None:
    job = tx.get(name)
    if job is None:
        return None
    if verb == "delete":
        transitions.delete(job)
        tx.delete(job)
    else:
        how = {"cancel": lambda job: transitions.cancel(job, now)}
        changed = how.get(verb, transitions.retry)(job)
        if changed is not job:
            tx.save(changed)
    return bare(tx.get(name))
