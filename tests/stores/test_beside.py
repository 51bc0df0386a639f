"""Processes beside each other at one store: readers in a storm, a holder that is stopped."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from jobctl.core.job import Status
from jobctl.core.note import TICK, Note
from jobctl.errors import StoreBusy
from jobctl.stores.directory import index, journal, reader
from jobctl.stores.directory.doctor import examine
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, ROOT, claim, end, ids, make_job, put
from tests.stores.test_locks import HOLD, start
from tests.stores.tools import drop_index, picture, rebuilt


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


#: Asks whatever can be asked, until its input ends; what it finds can be true at any moment.
READER = """
import os, select
from jobctl.core.filters import Filter
from jobctl.core.job import Status
from jobctl.core.note import TICK
from tests.helpers import NOON, ids
KEPT = {f"keep{n}" for n in range(8)}
rounds = 0
big = Filter.parse("data.n>=0 name:keep")
while not select.select([0], [], [], 0)[0]:
    rounds += 1
    if rounds == 4:
        print("has been round", flush=True)
    jobs = store.list(limit=10_000)
    assert len(ids(jobs)) == len(set(ids(jobs))), "one came twice"
    assert KEPT <= set(ids(jobs)), KEPT - set(ids(jobs))
    for job in jobs:
        assert job.data["id"] == job.id, "the record of another"
    assert {job.id for job in store.select(big, NOON, limit=100).jobs} == KEPT
    assert store.tally(big, NOON).total == 8
    some = f"keep{rounds % 8}"
    job = store.get(some)
    assert job is not None and job.data == {"id": some, "n": rounds % 8}, job
    assert store.find("keep", 30) == sorted(KEPT)
    assert store.stats().total >= 8
    completed = store.finished(Status.COMPLETED, NOON.replace(year=3000), 10_000)
    assert all(job.status is Status.COMPLETED for job in completed)
    notes = store.notes(TICK)
    assert [note.key for note in notes] == ["one", "two"], notes
    assert notes[0].value == {"n": 1}
    store.oldest_due(NOON), store.count_added(0), store.version()
    if rounds % 7 == 0:
        store.close()
        store = DirectoryStore(Path(sys.argv[1]))
"""


def fill(store: DirectoryStore) -> None:
    for n in range(8):
        put(store, make_job(f"keep{n}", name="keep", data={"id": f"keep{n}", "n": n}))
    with store.transaction() as tx:
        tx.put(Note(TICK, "one", NOON, {"n": 1}))
        tx.put(Note(TICK, "two", NOON, {"n": 0}))


def storm(store: DirectoryStore, n: int) -> None:
    """Add, end and delete jobs; roll and compact, which moves what is kept."""
    names = [f"x{n}-{k}" for k in range(4)]
    put(store, *(make_job(one, data={"id": one, "fill": "x" * 600}) for one in names))
    for job in claim(store, 30):
        end(store, job)
    for job in store.list(status=Status.COMPLETED, limit=1000):
        if job.id.startswith("x"):
            with store.transaction() as tx:
                tx.delete(job)
    with store.transaction() as tx:
        tx.put(Note(TICK, "two", NOON, {"n": n}))
    while store.maintain():
        pass


def delete_index(store: DirectoryStore) -> None:
    with store.transaction() as tx:
        tx.lock()
        if random.random() < 0.5:
            index.remove(store.layout.index)
        else:
            drop_index(store.layout.root)


def test_readers_in_a_storm(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments roll and are compacted, the index goes: no error, no wrong record."""
    monkeypatch.setattr(journal, "SEGMENT_SIZE", 12_000)
    store = DirectoryStore(path)
    fill(store)
    readers = [start(READER, path) for _ in range(3)]
    waiting = [reader.stdout for reader in readers if reader.stdout]
    storms = count()
    deadline = time.monotonic() + 60
    try:
        # On a busy machine a reader may begin when thirty storms are over.
        while (n := next(storms)) < 30 or (waiting and time.monotonic() < deadline):
            storm(store, n)
            if n % 3 == 0:
                delete_index(store)
            for told in select.select(waiting, [], [], 0)[0]:
                assert told.readline() == "has been round\n"
                waiting.remove(told)
        assert store.journal.segments()[0] > 10
    finally:
        for reader in readers:
            reader.communicate("\n", timeout=60)
    assert [reader.returncode for reader in readers] == [0, 0, 0]
    assert not waiting
    before = picture(store)
    store.close()
    assert examine(path, NOON).findings == []
    assert rebuilt(path) == before


#: Writes, so that the index is behind, and is stopped with the lock in its hand.
HOLD_BEHIND = (
    """
store.stats()
put(store, make_job("late"))
"""
    + HOLD
)
#: Is stopped when its bytes are durable, and the index does not know of them yet.
HOLD_WRITTEN = """
from jobctl.stores.directory.writer import IndexWriter
take = IndexWriter.take
def stop(*args):
    print("held", flush=True)
    sys.stdin.readline()
    take(*args)
IndexWriter.take = stop
with store.transaction() as tx:
    assert tx.get("held") is None
    tx.add([make_job("held")])
"""


@pytest.fixture
def stopped(path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A process that was stopped while it holds the write lock."""
    with start(request.param, path) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        holder.send_signal(signal.SIGSTOP)
        try:
            yield holder
        finally:
            holder.send_signal(signal.SIGCONT)
            holder.kill()


def go_on(holder: subprocess.Popen[str]) -> None:
    assert holder.stdin
    holder.send_signal(signal.SIGCONT)
    holder.stdin.write("\n")
    holder.stdin.close()
    assert holder.wait(20) == 0


@pytest.mark.parametrize(
    ("stopped", "seen"),
    [(HOLD, []), (HOLD_BEHIND, ["late"]), (HOLD_WRITTEN, ["held"])],
    ids=["at rest", "index behind", "index not told"],
    indirect=["stopped"],
)
def test_a_stopped_holder_stops_no_reader(
    stopped: subprocess.Popen[str], seen: list[str], path: Path
) -> None:
    store = DirectoryStore(path, patience=0.05)
    for _ in range(2):
        assert ids(store.list()) == seen
        assert store.stats().total == len(seen)
        for job_id in seen:
            assert store.get(job_id) is not None
        with pytest.raises(StoreBusy, match=f"process {stopped.pid}"):
            put(store, make_job("no"))
        with pytest.raises(StoreBusy, match=f"process {stopped.pid}"):
            claim(store, 1)
    go_on(stopped)
    put(store, make_job("after"))
    wanted = sorted({*seen, "held", "after"})
    assert sorted(ids(store.list())) == wanted
    assert sorted(ids(claim(store, 5))) == wanted
    store.close()
    assert examine(path, NOON).findings == []


@pytest.mark.parametrize("stopped", [HOLD_BEHIND], indirect=True)
def test_only_the_first_question_waits_long_for_a_stopped_holder(
    stopped: subprocess.Popen[str], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(path, patience=0.3)
    monkeypatch.setattr(reader, "_BRIEFLY", 0.01)
    waits: list[float] = []
    real = store.lock._wait

    def wait(patience: float) -> None:
        waits.append(patience)
        real(patience)

    monkeypatch.setattr(store.lock, "_wait", wait)
    for _ in range(4):
        assert store.stats().total == 1
    assert waits == [0.3, 0.01, 0.01, 0.01]
    go_on(stopped)
    assert ids(store.list()) == ["held", "late"]
    assert store._reader._turned_away is False
    store.close()


@pytest.mark.parametrize("stopped", [HOLD_BEHIND], indirect=True)
def test_commands_that_read_go_on(stopped: subprocess.Popen[str], path: Path) -> None:
    environ = {**os.environ, "JOBCTL_STORE": str(path), "PYTHONPATH": str(ROOT)}

    def jobctl(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", IMPATIENT, *arguments]
        return subprocess.run(
            command, env=environ, capture_output=True, text=True, timeout=60, check=False
        )

    assert jobctl("list", "-q").stdout == "late\n"
    assert jobctl("stats", "--json").returncode == 0
    assert jobctl("show", "late", "--json").returncode == 0
    assert jobctl("explain", "late").returncode == 0
    added = jobctl("add", "x")
    assert added.returncode == 5
    assert f"by process {stopped.pid}" in added.stderr
    go_on(stopped)
    assert jobctl("add", "x", "--id", "new").stdout == "new\n"


IMPATIENT = """
import sys
from jobctl.stores.directory import locks
locks.WriteLock.__init__.__defaults__ = (0.05,)
from jobctl.stores.directory.store import DirectoryStore
DirectoryStore.__init__.__kwdefaults__["patience"] = 0.05
from jobctl.__main__ import main
sys.exit(main())
"""
