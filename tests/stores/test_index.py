"""The index may be lost, damaged, old or foreign: the journal says what is true."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from jobctl.core.filters import Filter
from jobctl.core.job import Status
from jobctl.errors import StoreError
from jobctl.stores.directory import index as index_module
from jobctl.stores.directory.index import Index
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, after, claim, ids, make_job, put
from tests.stores.tools import claim_order, drop_index, live_a_little, picture, rebuilt


def _copy(source: Path, target: Path) -> None:
    drop_index(target)
    for suffix in ("", "-wal", "-shm"):
        if Path(f"{source}/index.sqlite{suffix}").exists():
            shutil.copy(f"{source}/index.sqlite{suffix}", f"{target}/index.sqlite{suffix}")


def _empty(path: Path) -> None:
    drop_index(path)
    (path / "index.sqlite").write_bytes(b"")


def _garbage(path: Path) -> None:
    drop_index(path)
    (path / "index.sqlite").write_bytes(os.urandom(20_000))


def _overwritten(path: Path) -> None:
    drop_index(path)
    shutil.copy(path.parent / "closed.sqlite", path / "index.sqlite")
    with (path / "index.sqlite").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (os.stat(path / "index.sqlite").st_size - 4096))


def _other(path: Path) -> None:
    other = DirectoryStore(path.parent / "other")
    put(other, *(make_job(f"x{n}") for n in range(30)))
    other.stats()
    other.close()
    _copy(path.parent / "other", path)


def _old(path: Path) -> None:
    _copy(path.parent / "old", path)


def _no_table(path: Path) -> None:
    db = sqlite3.connect(path / "index.sqlite")
    db.execute("DROP INDEX best")
    db.execute("DROP TABLE counters")
    db.commit()
    db.close()


#: Filters that take each of the ways to their jobs.
FILTERS = [
    "",
    "priority>1 attempts:0 age<1h duration>5 key:k*",
    "id:a,b",
    "id:a*",
    "name:n",
    "name:n* status!=failed run_at>1m",
    "status:failed,scheduled tag!=slow",
    "tag:eu,us started>1h",
]
#: Where statements that name a SQLite index stand.
SOURCES = ("index.py", "queries.py", "turns.py", "selections.py")

DAMAGES: list[Callable[[Path], None]] = [
    drop_index,
    _empty,
    _garbage,
    _overwritten,
    _other,
    _old,
    _no_table,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda f: f.__name__.strip("_"))
@pytest.mark.parametrize("warm", [True, False], ids=["open store", "new process"])
@pytest.mark.parametrize("first", ["read", "claim"])
def test_a_damaged_index(
    damage: Callable[[Path], None], warm: bool, first: str, tmp_path: Path
) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, *(make_job(f"early{n}") for n in range(3)))
    store.stats()
    store.close()
    shutil.copytree(path, tmp_path / "old")
    store = DirectoryStore(path)
    live_a_little(store)
    before = picture(store)
    store.close()
    shutil.copy(path / "index.sqlite", tmp_path / "closed.sqlite")
    store = DirectoryStore(path)
    if warm:
        claim(store, 0)
        assert picture(store) == before
    damage(path)
    if first == "claim":
        try:
            claim(store, 0)
        except StoreError:
            claim(store, 0)  # what is found damaged half-way is only built anew by the next
    assert picture(store) == before
    put(store, make_job("after"))
    assert store.list(limit=1)[0].id == "after"
    store.close()
    assert rebuilt(path)["jobs"][1:] == before["jobs"]


def test_an_index_ahead_of_its_journal_is_made_anew(tmp_path: Path) -> None:
    path, old = tmp_path / "store", tmp_path / "old"
    store = DirectoryStore(path)
    put(store, make_job("a"))
    store.stats()
    shutil.copytree(path / "journal", old)
    put(store, make_job("b"), make_job("c"))
    assert store.stats().pending == 3
    store.close()
    shutil.rmtree(path / "journal")
    shutil.copytree(old, path / "journal")
    store = DirectoryStore(path)
    assert ids(store.list()) == ["a"]
    assert store.stats().pending == 1
    put(store, make_job("d"))
    assert ids(store.list()) == ["d", "a"]
    store.close()


def test_a_new_index_claims_in_the_same_order(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = DirectoryStore(path)
    live_a_little(store)
    claim(store, 1, after(40))  # some delayed ones have become ready, in the old index only
    before = picture(store)
    store.close()
    for name in ("kept", "anew"):
        shutil.copytree(path, tmp_path / name)
    anew = rebuilt(tmp_path / "anew")
    # Those that were due become ready again with the next claim.
    assert {**anew, "next": None} == {**before, "next": None}
    order = claim_order(tmp_path / "kept")
    assert len(order) > 5
    assert claim_order(tmp_path / "anew") == order


def test_readers_go_on_while_the_index_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.stores.directory.fold.STEP", 50)
    path = tmp_path / "store"
    store = DirectoryStore(path)
    for n in range(10):
        put(store, *(make_job(f"j{n}-{k}") for k in range(40)))
    faults: list[object] = []
    ended = threading.Event()

    def read() -> None:
        own = DirectoryStore(path)
        while not ended.is_set():
            try:
                assert own.stats().pending == 400
                assert len(own.list(limit=1000)) == 400
            except Exception as err:
                faults.append(err)
                break
        own.close()

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    with store.transaction() as tx:
        tx.lock()  # the index is only deleted under the write lock
        drop_index(path)
    for _ in range(3):
        assert store.stats().pending == 400
        with store.transaction() as tx:
            tx.lock()
            drop_index(path)
    ended.set()
    for reader in readers:
        reader.join()
    assert not faults
    store.close()


def test_two_jobs_never_share_a_seq(tmp_path: Path) -> None:
    from tests.stores.tools import line, quarantined, segment

    path = tmp_path / "store"
    store = DirectoryStore(path)
    put(store, make_job("a"))
    [job] = store.list()
    foreign = line(make_job("foreign", seq=job.seq))
    with segment(path).open("ab") as file:
        file.write(foreign)
    put(store, make_job("b"))
    assert ids(store.list()) == ["b", "a"]
    assert quarantined(path) == foreign
    store.close()
    assert ids(rebuilt(path)["jobs"]) == ["b", "a"]


def test_an_add_folds_a_short_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All others who add wait for it."""
    monkeypatch.setattr("jobctl.stores.directory.writer._SHORT", 3)  # one is the header
    store = DirectoryStore(tmp_path / "store")
    for n in range(5):
        put(store, make_job(f"a{n}"))
    monkeypatch.setattr("jobctl.stores.directory.writer._UNFOLDED", 0)
    put(store, make_job("b"))
    index = sqlite3.connect(tmp_path / "store" / "index.sqlite")
    assert index.execute("SELECT id FROM jobs ORDER BY seq").fetchall() == [("a0",), ("a1",)]
    index.close()
    assert len(store.list()) == 6
    store.close()


def test_each_statement_uses_the_index_that_it_names(tmp_path: Path) -> None:
    """Left to itself the planner sorts a million rows for a claim of ten."""
    index = Index(None, "id")
    index.reset()
    said: list[str] = []
    db = index._db
    index.execute("INSERT INTO counters VALUES ('n', 0, 3), ('n', 3, 1)")
    db.set_trace_callback(said.append)
    index.promote(1, 9)
    index.stopping()
    index.next_due()
    index.next_lane("", "")
    index.best("n", "k", (0, 0, 0), 10)
    index.oldest("n", (0, 0), 10)
    index.ready_by_seqs([1])
    index.get("a")
    index.find("a", 10)
    for text in FILTERS:
        wanted = Filter.parse(text)
        index.count(wanted, NOON)
        for newest in (True, False):
            index.pick(index.plan(wanted, NOON), newest=newest, after=5, limit=10, offset=2)
    index.names("a", 10)
    index.finished(Status.FAILED, 5, 10)
    index.finished(Status.FAILED, 5, 10, newest=True)
    index.count_finished(Status.FAILED, 5)
    index.count_added(5)
    index.oldest_due(5)
    index.live_bytes(1)
    index.execute(
        "INSERT INTO jobs VALUES (1,'a',1,'m','',0,1,0,0,1,NULL,NULL,0,1,NULL,1,0,9), "
        "(2,'b',1,'n','k',0,1,0,0,1,NULL,NULL,0,1,NULL,1,0,9), "
        "(3,'c',1,'o','',0,1,0,0,1,NULL,NULL,0,1,NULL,1,0,9)"
    )
    assert index.ahead("n", (0, 0, 9), 5, 10) == (1, 2)
    index.ended(3, 5, 10)
    db.set_trace_callback(None)
    counted = re.compile("FROM counters|FROM jobs NOT INDEXED")
    statements = [text for text in said if text.startswith(("SELECT", "UPDATE"))]
    assert len(statements) > 14
    for text in statements:
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {text}")]
        if not re.search("BY by_id|FROM counters", text):  # few rows, sorted in no time
            assert not [step for step in plan if "TEMP B-TREE" in step], (text, plan)
        named = re.findall(r"INDEXED BY (\w+)", text)
        for name in named:
            assert [s for s in plan if f"INDEX {name}" in s], (text, plan)
        if "FROM tags" in text:
            assert "SEARCH tags USING PRIMARY KEY (tag=?" in plan[0], (text, plan)
            assert ("AND seq" in plan[0]) == ("ORDER BY" in text), (text, plan)
        if not named and not counted.search(text):
            assert [s for s in plan if s.startswith("SEARCH")], (text, plan)
    folder = Path(index_module.__file__).parent
    source = "".join((folder / name).read_text() for name in SOURCES)
    seen = set(re.findall(r"INDEXED BY (\w+)", " ".join(statements)))
    assert set(re.findall(r"INDEXED BY (\w+)", source)) == seen
    index.close()


def test_what_comes_next_costs_the_same_behind_however_many_of_one_moment() -> None:
    """All jobs of one call have the same rank and time: where to go on is in their seq."""
    index = Index(None, "id")
    index.reset()
    index.executemany(
        "INSERT INTO jobs VALUES (?1,?1,1,'n','',0,1,0,0,5,NULL,NULL,0,5,NULL,1,0,9)",
        [(seq,) for seq in range(1, 3001)],
    )
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    index._db.set_progress_handler(step, 1)
    costs = []
    for at in (10, 2900):
        steps = 0
        assert index.best("n", "", (0, 0, at), 2) == [(0, 0, at + 1), (0, 0, at + 2)]
        assert index.oldest("n", (5, at), 1) == [(5, at + 1, "")]
        costs.append(steps)
    assert costs[0] == costs[1]
    assert len(index.best("n", "", (0, -1, 0), 9)) == len(index.oldest("n", (4, 0), 9)) == 9
    assert not index.best("n", "", (0, 0, 3000), 9)
    assert not index.oldest("n", (5, 3000), 9)
    index.close()


@pytest.mark.parametrize("text", ["", "status:failed", "name:n*", "status!=failed name:n,m"])
def test_counting_by_name_and_status_looks_at_no_job(tmp_path: Path, text: str) -> None:
    store = DirectoryStore(tmp_path / "store")
    put(store, make_job("a", name="n"), make_job("b", name="o"))
    said: list[str] = []

    def count(index: Index) -> object:
        index._db.set_trace_callback(said.append)
        try:
            return index.count(Filter.parse(text), NOON)
        finally:
            index._db.set_trace_callback(None)

    store._reader.ask(count)
    store.close()
    assert said
    assert not [one for one in said if "jobs" in one]


def test_a_reader_that_may_not_write_keeps_one_index_in_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(path)
    reader, made = store._reader, []
    real = Index.__init__

    def make(index: Index, *args: object) -> None:
        real(index, *args)  # type: ignore[arg-type]
        made.append(index)

    monkeypatch.setattr(Index, "__init__", make)
    reader._scanned()
    put(store, make_job("second"))
    with monkeypatch.context() as patched:
        patched.setattr("jobctl.stores.directory.fold.fold_all", _fail)
        with pytest.raises(StoreError):
            reader._scanned()
    last = reader._scanned()
    assert last.get("second")
    assert last is made.pop()
    for index in made:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            index.position()
    assert len(made) == 2
    store.close()


def _fail(*_: object) -> None:
    raise StoreError("the disk has failed")
