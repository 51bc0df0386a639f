"""A forked child and its parent share a folder, and nothing else: no descriptor, no lock.

What a child inherits of SQLite would make it believe in locks that it does not have.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from jobctl.errors import StoreBusy, StoreUnwritable
from jobctl.stores.directory.doctor import examine
from jobctl.stores.directory.index import Index
from jobctl.stores.directory.store import DirectoryStore
from tests.children import Child, held_locks, in_child, open_files
from tests.helpers import NOON, ROOT, after, claim, eventually, ids, make_job, put
from tests.stores.test_locks import HOLD, start
from tests.stores.tools import claim_order, picture, rebuilt

pytestmark = pytest.mark.filterwarnings("ignore:This process.*:DeprecationWarning")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


def used(path: Path, patience: float = 10.0) -> DirectoryStore:
    """Return a store that has everything open that it can have."""
    store = DirectoryStore(path, patience=patience)
    put(store, make_job("a"), make_job("b"), make_job("c"))
    assert store.stats().total == 3
    assert ids(claim(store, 1)) == ["a"]
    assert store.get("b") is not None
    store.wake()
    assert len(open_files(path)) > 3
    return store


@contextmanager
def at_work(store: DirectoryStore) -> Iterator[threading.Event]:
    """Keep a thread within a transaction, in which it has read and added, until the event."""
    begun, end = threading.Event(), threading.Event()

    def work() -> None:
        with store.transaction() as tx:
            assert tx.get("b") is not None
            tx.add([make_job("threads")])
            begun.set()
            assert end.wait(60)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert begun.wait(60)
        yield end
    finally:
        end.set()
        thread.join(60)


def test_a_child_begins_with_nothing_open(path: Path) -> None:
    store = used(path)
    assert in_child(lambda: open_files(path)) == []
    assert store.stats().total == 3
    store.close()


def test_a_child_of_a_child_begins_with_nothing_open(path: Path) -> None:
    store = used(path)

    def child() -> list[str]:
        put(store, make_job("child"))
        assert store.stats().total == 4
        found = in_child(lambda: open_files(path))
        in_child(lambda: put(store, make_job("grandchild")))
        assert store.stats().total == 5
        return found

    assert in_child(child) == []
    assert store.stats().total == 5
    store.close()


def test_a_child_has_locks_of_its_own(path: Path) -> None:
    """Else the parent, as the last one who has the index open, would remove its WAL."""
    store = used(path)

    def child() -> int:
        assert store.stats().total == 3
        return held_locks(path / "index.sqlite")

    assert in_child(child) == 1
    store.close()


def test_a_parent_that_leaves_does_not_disturb_its_children(path: Path) -> None:
    store = used(path)
    ready_r, ready_w = os.pipe()
    read, write = os.pipe()

    def child() -> int:
        assert store.stats().total == 3  # it has the index open when the parent lets go of it
        os.write(ready_w, b"x")
        assert os.read(read, 1) == b"x"
        for n in range(40):
            put(store, *(make_job(f"child{n}-{k}") for k in range(5)))
            assert store.stats().total >= 3 + 5 * n
        claim(store, 50)
        return store.stats().total

    one = Child(child)
    assert os.read(ready_r, 1) == b"x"
    store.close()
    for n in range(40):
        put(store, *(make_job(f"parent{n}-{k}") for k in range(5)))
        if not n:
            os.write(write, b"x")
        assert store.get(f"parent{n}-0") is not None
    one.result()
    assert store.stats().total == 3 + 400
    before = picture(store)
    store.close()
    for fd in (ready_r, ready_w, read, write):
        os.close(fd)
    assert examine(path, NOON).findings == []
    assert rebuilt(path) == before


def test_a_fork_waits_for_a_thread_at_work(path: Path) -> None:
    store = used(path)
    with at_work(store) as end:
        threading.Timer(0.2, end.set).start()
        found = in_child(lambda: ids(store.list()))
    assert found == ["threads", "c", "b", "a"]
    assert in_child(lambda: ids(claim(store, 5))) == ["b", "c", "threads"]
    store.close()


def test_a_fork_that_cannot_wait_for_that(path: Path) -> None:
    """A child of a busy parent reads and adds; it does not touch an index it cannot lock."""
    store = used(path, patience=0.05)
    with at_work(store):

        def child() -> list[str]:
            assert store.get("c") is not None
            assert store.stats().total == 3
            with pytest.raises(StoreBusy, match=str(os.getppid())):
                put(store, make_job("early"))  # the parent's thread has the write lock
            return ids(store.list())

        one = Child(child)
        assert one.result() == ["c", "b", "a"]
        two = Child(lambda: later(store, path))
    assert two.result() == ["c2", "threads", "c", "b", "a"]
    assert ids(store.list()) == ["c2", "threads", "c", "b", "a"]
    assert ids(claim(store, 9)) == ["b", "c", "threads", "c2"]
    store.close()
    assert examine(path, NOON).findings == []


def later(store: DirectoryStore, path: Path) -> list[str]:
    eventually(lambda: store.stats().total == 4)
    put(store, make_job("c2"))
    with pytest.raises(StoreUnwritable, match="when this process was forked"):
        claim(store, 1)
    with store.transaction() as tx:
        assert tx.get("threads") is not None
    other = DirectoryStore(path)  # of the same folder, opened by the child itself
    found = ids(other.list())
    assert held_locks(path / "index.sqlite") == 0
    return found


def test_a_fork_within_a_transaction(path: Path) -> None:
    store = used(path, patience=0.05)
    with store.transaction() as tx:
        tx.add([make_job("once")])
        assert tx.get("b") is not None
        assert in_child(lambda: ids(store.list())) == ["c", "b", "a"]
    assert ids(store.list()) == ["once", "c", "b", "a"]
    store.close()


def test_a_child_does_not_end_its_parents_transaction(path: Path) -> None:
    store = used(path, patience=0.05)
    child = -1
    told = "nothing"
    try:
        with store.transaction() as tx:
            assert tx.get("b") is not None
            tx.add([make_job("once")])
            child = os.fork()
    except RuntimeError as err:
        told = str(err)
    if not child:
        os._exit(7 if "its parent's alone" in told else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert told == "nothing"
    assert ids(store.list()) == ["once", "c", "b", "a"]
    assert claim_order(path) == ["b", "c", "once"]
    store.close()


def test_a_fork_within_a_question(path: Path) -> None:
    """As of a signal's handler that starts a worker while the main thread reads."""
    store = used(path)
    found = []

    def question(index: Index) -> int:
        found.append(in_child(lambda: ids(store.list())))
        return index.count_added(0)

    assert store._reader.ask(question) == 3
    assert found == [["c", "b", "a"]]
    assert ids(store.list()) == ["c", "b", "a"]
    store.close()


def test_a_child_keeps_no_lock_that_a_thread_of_its_parent_waits_for(path: Path) -> None:
    """The parent waits, forks, gets the lock, and is killed with it: the child has no copy."""
    with ExitStack() as stack:
        holder = stack.enter_context(start(HOLD, path))
        assert holder.stdout
        assert holder.stdin
        assert holder.stdout.readline() == "held\n"
        parent = stack.enter_context(start(WAITS, path))
        assert parent.stdout
        assert parent.stdin
        assert parent.stdout.readline() == "forked []\n"
        holder.stdin.write("\n")
        holder.stdin.close()
        assert parent.stdout.readline() == "has it\n"
        parent.kill()
        store = DirectoryStore(path, patience=5)
        put(store, make_job("after"))  # the child lives
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "child ends\n"
        assert ids(store.list()) == ["after", "held"]
        store.close()


#: A thread waits for the lock; the main thread forks, too soon for it to come to rest.
WAITS = """
import threading, time
from tests.children import open_files
from tests.helpers import eventually
from jobctl.stores.directory import forks
store._patience = 0.05  # of a fork; the lock's own is longer
def work():
    with store.transaction() as tx:
        tx.add([make_job("never")])
        tx.lock()
        print("has it", flush=True)
        time.sleep(60)
threading.Thread(target=work, daemon=True).start()
eventually(lambda: forks.waiting)
if os.fork() == 0:
    print("forked", [name for name in open_files(sys.argv[1]) if "lock" in name], flush=True)
    parent = os.getppid()
    eventually(lambda: os.getppid() != parent, 60)
    sys.stdin.readline()
    print("child ends", flush=True)
    os._exit(0)
time.sleep(60)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_child_that_becomes_another_user_is_told(path: Path) -> None:
    """A server that is started by root, opens its queue too early, and gives up its rights."""
    store = used(path)

    def child() -> str:
        os.setresuid(65534, 65534, 65534)
        with pytest.raises(StoreUnwritable, match="check who owns it"):
            put(store, make_job("new"))
        with pytest.raises(StoreUnwritable) as told:
            store.stats()
        return str(told.value)

    assert "Permission denied" in in_child(child)
    assert store.stats().total == 3
    store.close()


SERVER = """
import asyncio, os, signal, sys, threading
from jobctl import Queue
path, forks, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
queue = Queue(store=path)
out = os.open(sys.argv[4], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def tell(*ids):
    os.write(out, "".join(f"{job_id}\\n" for job_id in ids).encode())

def adds(who, count):
    for n in range(count):
        if n % 3:
            tell(queue.add("work", {"who": who, "n": n}))
        else:
            tell(*queue.add_many([("work", {"who": who})] * 3))
        job_id = f"same-{n % 20}"
        queue.add("work", who, job_id=job_id)
        assert queue.get(job_id).id == job_id
        if n % 5 == 0:
            assert queue.stats().total >= n
            assert len(queue.list(limit=10)) > 0

async def asks(who):
    tell(*await asyncio.gather(*(queue.aio.add("work", who) for _ in range(8))))

def serve(who, nested):
    code = 1
    try:
        threads = [threading.Thread(target=adds, args=(f"{who}.{n}", each)) for n in range(2)]
        for thread in threads:
            thread.start()
        asyncio.run(asks(who))
        child = 0
        if nested:
            child = os.fork()
            if not child:
                serve(f"{who}n", False)
        for thread in threads:
            thread.join()
        code = 0
        if child:
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except BaseException:
        import traceback; traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)

adds("first", 3)
busy = True
def go_on():
    while busy:
        adds("parent", 2)
threads = [threading.Thread(target=go_on) for _ in range(2)]
for thread in threads:
    thread.start()
children = []
for n in range(forks):
    child = os.fork()
    if not child:
        serve(f"child{n}", n % 2 == 0)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
busy = False
for thread in threads:
    thread.join()
queue.close()
print(codes)
"""


def test_a_server_that_forks_its_workers(path: Path, tmp_path: Path) -> None:
    """Threads of parent and children, children of children, asyncio: one Queue for all."""
    told, forks = tmp_path / "told", 6
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SERVER, path, str(forks), "12", told],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == f"{[0] * forks}\n", done.stderr
    acknowledged = told.read_text().split()
    assert len(acknowledged) == len(set(acknowledged))
    store = DirectoryStore(path)
    found = ids(store.list(limit=100_000))
    assert sorted(found) == sorted([*acknowledged, *(f"same-{n}" for n in range(12))])
    assert len(ids(claim(store, 100_000, after(1e9)))) == len(found)
    before = picture(store)
    store.close()
    assert examine(path, NOON).findings == []
    assert rebuilt(path) == before
    assert not (path / "quarantine").exists()
