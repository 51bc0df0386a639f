"""What a process does to a store, step by step, until it is killed: the scenarios."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from jobctl.core import job as transitions
from jobctl.core.filters import Filter
from jobctl.core.job import Ending, Options, Outcome, finish
from jobctl.core.schedule import Schedule
from jobctl.core.store import AnyJob
from jobctl.errors import StoreFull
from jobctl.services import pausing
from jobctl.services.adding import Wanted, put
from jobctl.services.beside import Beside
from jobctl.services.bulk import Bulk
from jobctl.services.presence import Presence
from jobctl.services.ticking import tick
from jobctl.services.verbs import CANCEL, DELETE, RETRY, Verb
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, FakeClock, after, claim, end, make_job, there
from tests.helpers import put as put_jobs

SEGMENT = "jobctl.stores.directory.journal.SEGMENT_SIZE"
FOLD = "jobctl.stores.directory.fold"
#: Bytes of a segment that is never full, one that a job fills, and one that holds three.
BIG, TINY, SMALL = 64 << 20, 300, 1500
HOURLY = Schedule(name="hourly", cron="0 * * * *", timezone="UTC", job="work")

Steps = Callable[[DirectoryStore], Iterator[None]]


def _job(job_id: str, **fields: object) -> AnyJob:
    return make_job(job_id, data={"fill": "x" * 40}, **fields)


# -- the steps: one more is a hundred faults more at full size -----------------------------


def add(store: DirectoryStore) -> Iterator[None]:
    for n in range(2):
        put_jobs(store, _job(f"new{n}"))
        yield


def add_many(store: DirectoryStore) -> Iterator[None]:
    for count in (1, 3):
        put_jobs(store, *(_job(f"new{count}-{k}") for k in range(count)))
        yield


def named(store: DirectoryStore) -> Iterator[None]:
    """Jobs with an id of their own, twice, and one that comes after another."""
    jobs = [_job("mine"), _job("mine"), _job("later", after=("mine", "old1"))]
    for job in jobs:
        with store.transaction() as tx:
            put(tx, Wanted(job, named=True, if_exists="keep"))
        yield
    with store.transaction() as tx:
        put(tx, Wanted(_job("old2"), named=True, if_exists="replace"))
    yield


def claims(store: DirectoryStore) -> Iterator[None]:
    for n in (2, 1):
        claim(store, n)
        yield


def work(store: DirectoryStore) -> Iterator[None]:
    """Claims, and ends in one transaction with the next claim."""
    claimed = claim(store, 2)
    yield
    ended = [finish(job, Ending(Outcome.COMPLETED, NOON), Options()) for job in claimed]
    with store.transaction() as tx:
        assert tx.settle(ended) == []
        tx.claim(1, NOON)
    yield


def fresh(store: DirectoryStore) -> Iterator[None]:
    """One adds, the other claims what it has not told the index of, and ends it."""
    user = DirectoryStore(store.layout.root)
    claimed = claim(store, 1)
    yield
    for n in range(2):
        put_jobs(user, _job(f"new{n}", priority=1), _job(f"more{n}"))
        yield
        ended = [finish(job, Ending(Outcome.COMPLETED, NOON), Options()) for job in claimed]
        with store.transaction() as tx:
            assert tx.settle(ended) == []
            claimed = tx.claim(1, NOON)
        assert [job.id for job in claimed] == [f"new{n}"]
        yield
        store.catch_up()
    user.close()


def settle(store: DirectoryStore) -> Iterator[None]:
    """One job completes, one is tried again, one is dead."""
    for job_id, outcome, retries in (
        ("old0", Outcome.COMPLETED, 3),
        ("old1", Outcome.ERROR, 3),
        ("old2", Outcome.ERROR, 0),
    ):
        job = there(store, job_id)
        ended = finish(job, Ending(outcome, NOON), Options(max_retries=retries))
        with store.transaction() as tx:
            assert tx.settle([ended]) == []
        yield


def _each(verb: Verb, *ids: str) -> Steps:
    def steps(store: DirectoryStore) -> Iterator[None]:
        for job_id in ids:
            with store.transaction() as tx:
                job = tx.get(job_id)
                assert job is not None
                verb.follow(tx, [verb.act(tx, job, NOON)], NOON)
            yield

    return steps


def change(store: DirectoryStore) -> Iterator[None]:
    for n in range(4):
        with store.transaction() as tx:
            job = tx.get("old3")
            assert job is not None
            tx.save(transitions.retry(job) if n % 2 else transitions.cancel(job, NOON))
        yield


def cleanup(store: DirectoryStore) -> Iterator[None]:
    """The bulk of the service, in transactions of two jobs each, with their logs."""
    wanted = Filter.any_of("status", ["completed", "failed"])
    bulk = Bulk(store, FakeClock(), Beside(store), "cleanup", wanted)
    for _ in bulk.steps():
        yield


def notes(store: DirectoryStore) -> Iterator[None]:
    """A pause, two ticks of a schedule with their jobs, and the end of the pause."""
    pausing.pause(store, "work", NOON)
    yield
    for hours in (0, 1, 2):
        with store.transaction() as tx:
            tick(tx, HOURLY, after(hours * 3600), Presence(up_since=NOON))
        yield
    pausing.resume(store, "work")
    yield


def compact(store: DirectoryStore) -> Iterator[None]:
    more = True
    while more:
        more = store.maintain()
        yield


def rebuild(store: DirectoryStore) -> Iterator[None]:
    for suffix in ("", "-wal", "-shm"):
        with suppress(OSError):
            Path(f"{store.layout.index}{suffix}").unlink()
    store.stats()
    yield


def use(store: DirectoryStore) -> Iterator[None]:
    """What needs the index, which somebody older has made: it is made anew."""
    store.stats()
    yield
    put_jobs(store, _job("new"))
    yield
    claim(store, 1)
    yield


def glut(store: DirectoryStore) -> Iterator[None]:
    """Jobs are added until there is no more room, which comes soon."""
    with suppress(StoreFull):
        for n in range(1000):
            put_jobs(store, _job(f"glut{n}"))
            yield


# -- what the store has been through before ------------------------------------------------


def nothing(path: Path) -> None:
    """There is no store: it is made."""


def waiting(path: Path) -> None:
    _live(path, lambda store: None)


def running(path: Path) -> None:
    _live(path, lambda store: claim(store, 3))


def ended(path: Path) -> None:
    """Five jobs have ended, in all ways, and left logs."""

    def life(store: DirectoryStore) -> None:
        for job, outcome in zip(claim(store, 5), (*Outcome, *Outcome), strict=False):
            end(store, job, outcome, options=Options(max_retries=0))
        for job_id in ("old6", "old7"):
            job = there(store, job_id)
            with store.transaction() as tx:
                tx.save(transitions.cancel(job, NOON))
        (store.files / "logs").mkdir()
        for n in range(8):
            (store.files / "logs" / f"old{n}.log").write_text("said\n")

    _live(path, life)


def busy(path: Path) -> None:
    """Several segments are there, if they are small."""

    def life(store: DirectoryStore) -> None:
        for steps in (add, work, change):
            for _ in steps(store):
                pass

    _live(path, life)


def outdated(path: Path) -> None:
    """The index is one of an older version, which had another table and counted otherwise."""
    busy(path)
    index = sqlite3.connect(path / "index.sqlite")
    index.executescript(
        "UPDATE meta SET version = 3; UPDATE counters SET n = n + 1; CREATE TABLE old(id TEXT);"
    )
    index.close()


def _live(path: Path, life: Callable[[DirectoryStore], object]) -> None:
    store = DirectoryStore(path)
    put_jobs(store, *(_job(f"old{n}") for n in range(8)))
    life(store)
    store.stats()
    store.close()


# -- the scenarios -------------------------------------------------------------------------


class Scenario(NamedTuple):
    """What is done, what the store has been through before, and what is set so meanwhile.

    `settings` are variables of modules, with their whole names.
    """

    steps: Steps
    before: Callable[[Path], None] = waiting
    settings: Mapping[str, int] = {SEGMENT: BIG}


SCENARIOS: dict[str, Scenario] = {
    "create": Scenario(add, nothing),
    "add": Scenario(add),
    "add_many": Scenario(add_many),
    "named": Scenario(named),
    "unfolded": Scenario(add, settings={"jobctl.stores.directory.writer._UNFOLDED": 600}),
    "claim": Scenario(claims),
    "work": Scenario(work),
    "fresh": Scenario(fresh),
    "settle": Scenario(settle, running),
    "retry": Scenario(_each(RETRY, "old1", "old6"), ended),
    "cancel": Scenario(_each(CANCEL, "old0", "old4"), running),
    "delete": Scenario(_each(DELETE, "old1", "old2")),
    "cleanup": Scenario(cleanup, ended, {"jobctl.services.bulk.STEP": 2}),
    "notes": Scenario(notes),
    "roll": Scenario(add, settings={SEGMENT: TINY}),
    "change": Scenario(change, settings={SEGMENT: TINY}),
    "compact": Scenario(compact, busy, {SEGMENT: SMALL}),
    # Bare first, in several steps; an upgrade goes row by row.
    "rebuild": Scenario(rebuild, busy, {SEGMENT: SMALL, f"{FOLD}.LARGE": 1, f"{FOLD}.STEP": 8}),
    "upgrade": Scenario(use, outdated, {SEGMENT: SMALL}),
}


#: Those that are killed and failed at each step: the power cuts have some more.
STEPPED = tuple(SCENARIOS)
#: What is played on a full disk only.
GLUT = "glut"

#: Command lines for a store as before the retries, by name: what the terminal is tried with.
BEFORE_COMMANDS = "retry"
COMMANDS: dict[str, list[str]] = {
    "jobctl add": ["add", "--id", "mine", "work", "n=1"],
    "jobctl list": ["list"],
    "jobctl show": ["show", "old1"],
    "jobctl stats": ["stats"],
    "jobctl retry": ["retry", "old1"],
    "jobctl cancel": ["cancel", "old5"],
    "jobctl delete": ["delete", "old2"],
    "jobctl cleanup": ["cleanup", "--before", "2030-01-01T00:00:00Z", "--yes"],
}


def chosen(name: str) -> Scenario:
    """Return a scenario."""
    return Scenario(glut, running) if name == GLUT else SCENARIOS[name]


def settle_in(scenario: str) -> None:
    """Set in this process what is set in a scenario's."""
    for name, value in chosen(scenario).settings.items():
        module, _, variable = name.rpartition(".")
        setattr(sys.modules[module], variable, value)
