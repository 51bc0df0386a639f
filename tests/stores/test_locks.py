"""One writer at a time, whoever stops, forks or is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jobctl.core.job import Status
from jobctl.errors import StoreBusy
from jobctl.stores.directory.locks import WriteLock
from jobctl.stores.directory.store import DirectoryStore
from jobctl.stores.directory.transaction import DirectoryTransaction
from tests.helpers import ROOT, claim, eventually, ids, make_job, put

START = """
import os, sys
from pathlib import Path
from jobctl.stores.directory.store import DirectoryStore
from jobctl.stores.directory.transaction import DirectoryTransaction
from tests.helpers import make_job, put
store = DirectoryStore(Path(sys.argv[1]))
"""
ADD = """
for n in range(60):
    put(store, *(make_job(f"{sys.argv[2]}-{n}-{k}") for k in range(1 + n % 3)))
    print(*(f"{sys.argv[2]}-{n}-{k}" for k in range(1 + n % 3)), sep="\\n")
"""
HOLD = """
with store.transaction() as tx:
    tx.add([make_job("held")])
    tx.lock()
    print("held", flush=True)
    sys.stdin.readline()
"""


def start(script: str, path: Path, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", START + script, str(path), *args],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_eight_processes_add_at_once(tmp_path: Path) -> None:
    path = tmp_path / "store"
    adders = [start(ADD, path, str(n)) for n in range(8)]
    told = [job_id for adder in adders for job_id in adder.communicate(timeout=60)[0].split()]
    assert [adder.returncode for adder in adders] == [0] * 8
    store = DirectoryStore(path)
    found = ids(store.list(limit=5000))
    assert sorted(found) == sorted(told)
    assert len(found) == store.stats().total == 8 * 120
    assert len(ids(claim(store, 5000))) == len(found)
    store.close()


def test_a_stopped_holder_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with start(HOLD, path) as holder:
        assert holder.stdout
        assert holder.stdin
        assert holder.stdout.readline() == "held\n"
        holder.send_signal(signal.SIGSTOP)
        store = DirectoryStore(path, patience=0.05)
        before = descriptors()
        for _ in range(3):
            with pytest.raises(StoreBusy, match=f"process {holder.pid}"):
                put(store, make_job("late"))
        holder.send_signal(signal.SIGCONT)
        holder.stdin.write("\n")
        holder.stdin.close()
        assert holder.wait(10) == 0
    # The threads that came too late have given the lock back, and closed what they had.
    eventually(lambda: descriptors() <= before + 1)
    put(store, make_job("after"))
    assert ids(store.list()) == ["after", "held"]
    store.close()


def test_waiting_for_the_lock_leaks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store"
    stores = [DirectoryStore(path) for _ in range(2)]
    for store in stores:
        put(store, make_job(f"first{id(store)}"))
    before = descriptors()

    def add(store: DirectoryStore, who: int) -> None:
        for n in range(60):
            put(store, make_job(f"{who}-{n}"))

    threads = [threading.Thread(target=add, args=(s, n)) for n, s in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Each has a slot now for what it adds while it waits.
    eventually(lambda: descriptors() <= before + len(stores))
    assert stores[0].stats().total == 122
    for store in stores:
        store.close()


def test_an_interrupted_wait_keeps_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "store"
    holder, other = DirectoryStore(path), DirectoryStore(path)
    put(other, make_job("a"))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        with holder.transaction() as tx:
            tx.lock()
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(KeyboardInterrupt):
                put(other, make_job("never"))
    finally:
        signal.signal(signal.SIGALRM, old)
    third = DirectoryStore(path, patience=5)
    put(third, make_job("b"))
    assert ids(third.list()) == ["b", "a"]
    for store in (holder, other, third):
        store.close()


@pytest.mark.parametrize("where", ["store", "transaction", "reset"])
def test_an_interrupted_end_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A signal's handler may raise as any function begins; the next add begins anew."""
    path = tmp_path / "store"
    store, other = DirectoryStore(path), DirectoryStore(path, patience=1)
    put(store, make_job("a"))
    owner, name = {
        "store": (DirectoryStore, "end"),
        "transaction": (DirectoryTransaction, "end"),
        "reset": (DirectoryTransaction, "_reset"),
    }[where]
    real = getattr(owner, name)
    raised: list[int] = []

    def interrupted(self: object, *args: object, **options: object) -> object:
        if not raised:
            raised.append(1)
            raise KeyboardInterrupt
        return real(self, *args, **options)

    monkeypatch.setattr(owner, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        put(store, make_job("b"))
    put(other, make_job("c"))
    put(store, make_job("d"))
    found = ids(store.list())
    assert [one for one in found if one != "b"] == ["d", "c", "a"]
    seqs = [job.seq for job in store.list()]
    assert len(seqs) == len(set(seqs))
    assert ("b" in found) == (where != "store")  # it was durable before, or never begun
    store.close()
    other.close()


@pytest.mark.filterwarnings("ignore:This process.*:DeprecationWarning")
def test_a_forked_child_and_its_parent_both_go_on(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("a"), make_job("b"))
    assert ids(claim(store, 1)) == ["a"]
    assert store.stats().total == 2
    for n in range(3):
        child = os.fork()
        if not child:
            code = 1
            try:
                put(store, make_job(f"child{n}"))
                assert f"child{n}" in ids(store.list())
                assert len(claim(store, 1)) == 1
                code = 0
            finally:
                os._exit(code)
        put(store, make_job(f"parent{n}", priority=1))
        assert store.get(f"parent{n}") is not None
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.stats().total == 8
    claimed = ids(claim(store, 10))
    assert len(claimed) + 4 == 8
    assert not claim(store, 10)
    assert len(store.list(status=Status.RUNNING)) == 8
    store.close()


def test_the_first_holder_of_all_is_named(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    store.lock.acquire()
    assert store.lock.holder() == str(os.getpid())
    store.lock.release()
    store.close()


def test_a_lock_that_is_free_in_a_moment_costs_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who adds holds it for about as long as a thread takes to be made."""
    holder, waiter = WriteLock(tmp_path / "lock"), WriteLock(tmp_path / "lock")
    holder.acquire()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            holder.release()

    monkeypatch.setattr("jobctl.stores.directory.locks.time.sleep", pause)
    monkeypatch.setattr("jobctl.stores.directory.locks.threading.Thread", None)
    waiter.acquire()
    assert len(pauses) == 3
    waiter.release()
    holder.close()
    waiter.close()
