"""An index that is made of many lines is bare first: nobody sees a difference, or asks it."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobctl.core import job as transitions
from jobctl.core.job import Status
from jobctl.core.store import AnyJob
from jobctl.stores.directory import bare, fold, lines
from jobctl.stores.directory.index import Index
from jobctl.stores.directory.journal import REFUSED
from jobctl.stores.directory.rows import NUMBER, Position, columns
from jobctl.stores.directory.schema import INDEXES
from jobctl.stores.directory.segments import Place
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import NOON, after, claim, end, ids, make_job, put
from tests.stores.tools import (
    claim_order,
    drop_index,
    line,
    live_a_little,
    picture,
    quarantined,
    reasons,
    rebuilt,
    segment,
)

#: The tables of the index, and what does not tell anything in them.
TABLES = {"jobs": "1", "tags": "1", "deps": "1", "notes": "1"} | {
    "counters": "n<>0",
    "segments": "live<>0",
}


@pytest.fixture
def bare_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an index of any journal be bare first, and take several steps."""
    monkeypatch.setattr(fold, "LARGE", 1)
    monkeypatch.setattr(fold, "STEP", 7)


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return all that the index says."""
    with closing(sqlite3.connect(path / "index.sqlite")) as db:
        found = {
            table: sorted(db.execute(f"SELECT * FROM {table} WHERE {some}"), key=repr)
            for table, some in TABLES.items()
        }
        found["meta"] = db.execute(
            "SELECT segment, offset, crc, length, bare FROM meta"
        ).fetchall()
        found["indexes"] = db.execute(
            "SELECT name, sql FROM sqlite_master WHERE type='index' ORDER BY name"
        ).fetchall()
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return found


def anew(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the contents of an index that is made anew."""
    drop_index(path)
    with closing(DirectoryStore(path)) as store:
        store.stats()
    return contents(path)


def step(store: DirectoryStore) -> bool:
    """Fold a step and commit it; return whether there is more."""
    with store.transaction() as tx:
        tx.lock()
        more = tx.writer.step()
        tx.writer.finish(tx._size)
    return more


def is_bare(path: Path) -> bool:
    with closing(sqlite3.connect(path / "index.sqlite")) as db:
        return bool(db.execute("SELECT bare FROM meta").fetchone()[0])


def missing(path: Path) -> set[str]:
    with closing(sqlite3.connect(path / "index.sqlite")) as db:
        rows = db.execute("SELECT name FROM sqlite_master WHERE type='index'")
        return INDEXES.keys() - {row[0] for row in rows}


def adds(store: DirectoryStore, count: int = 20) -> None:
    put(store, *(make_job(f"j{n:02}", priority=n % 3) for n in range(count)))


def lived(store: DirectoryStore) -> None:
    """All statuses, and jobs that were deleted, replaced, and added again."""
    live_a_little(store)
    put(store, make_job("x", tags=("eu",)), make_job("y", after=("x",), run_at=after(5)))


def moved(store: DirectoryStore) -> None:
    """Jobs that were claimed and ended, and none that was deleted."""
    adds(store)
    for job in claim(store, 5)[:3]:
        end(store, job)


@pytest.mark.parametrize("life", [adds, moved, lived])
@pytest.mark.usefixtures("bare_first")
def test_it_says_what_one_says_that_is_made_row_by_row(
    life: Callable[[DirectoryStore], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store"
    with closing(DirectoryStore(path)) as store:
        life(store)
        before = picture(store)
    drop_index(path)
    with closing(DirectoryStore(path)) as store:
        assert step(store)
        assert is_bare(path)
        assert ("by_id" in missing(path)) == (life is not lived or len(missing(path)) != 7)
    assert rebuilt(path) == before
    first = contents(path)
    assert first["meta"][0][-1] == 0
    assert {name for name, _ in first["indexes"]} >= INDEXES.keys()
    order = claim_order(path)
    with monkeypatch.context() as patch:
        patch.setattr(fold, "LARGE", 1 << 40)
        slow = anew(path)
    assert anew(path) == slow
    assert len(order) > 3


@pytest.mark.usefixtures("bare_first")
def test_others_go_on_with_it_wherever_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with closing(DirectoryStore(path)) as store:
        lived(store)
        before = picture(store)
        whole = anew(path)
    steps, left_bare = 0, True
    while left_bare:
        drop_index(path)
        steps += 1
        for _ in range(steps):  # each by a process of its own
            with closing(DirectoryStore(path)) as store:
                step(store)
        left_bare = is_bare(path)
        with closing(DirectoryStore(path)) as store, store.transaction() as tx:
            tx.lock()  # it is killed in the middle of the next one
            tx.writer.step()
            tx.end()
        assert is_bare(path) == left_bare
        with closing(DirectoryStore(path)) as store:
            assert picture(store) == before
        assert contents(path) == whole
    assert steps > len(INDEXES)


@pytest.mark.usefixtures("bare_first")
def test_nobody_asks_it_although_it_has_come_as_far_as_was_wanted(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with closing(DirectoryStore(path)) as store, closing(DirectoryStore(path)) as other:
        adds(store)
        end(store, claim(store)[0])
        assert store.stats().completed == 1
        with other.transaction() as tx:
            tx.lock()
            tx.writer.step()
            assert tx.writer.index is not None
            tx.writer.index.reset()  # as if it were of another version: in the same file
            tx.writer.finish(tx._size)
        while "by_id" in missing(path) or not missing(path):
            assert step(other)
        assert is_bare(path)
        # All is folded: it only lacks what makes it fast.
        index = Index(path / "index.sqlite", store.store_id)
        position = index.position()
        index.close()
        assert position is not None
        assert position[:2] == other.version()
        assert not fold.is_current(other.journal, position)
        assert fold.is_current(other.journal, position._replace(bare=0))
        assert store._reader._current((0, 0)) is None
        # The store that had left its own index there, at the same place, claims.
        assert ids(claim(store, 2)) == ["j05", "j08"]
        assert not is_bare(path)
        assert picture(other) == rebuilt(path)


@pytest.mark.parametrize(
    "fields",
    [
        {"run_at": after(60)},
        {"status": Status.RUNNING, "started_at": NOON, "cancelling": True},
        {"status": Status.FAILED, "started_at": NOON, "finished_at": after(1)},
    ],
    ids=["waiting", "stopping", "by_end"],
)
@pytest.mark.usefixtures("bare_first")
def test_rare_ones_are_there_while_nothing_is_in_them(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "store"

    def add_rare(seq: int) -> None:
        with segment(path).open("ab") as file:
            file.write(line(make_job(f"r{seq}", seq=seq, **fields)))

    with closing(DirectoryStore(path)) as store:
        adds(store, 7)
        add_rare(1 << 40)
        drop_index(path)
        step(store)
        assert missing(path) == INDEXES.keys() - bare.RARE
        step(store)
        assert missing(path) == INDEXES.keys() - {"by_id"}
        while "by_end" in missing(path):
            assert step(store)
        add_rare(1 << 41)
        left = missing(path)
        assert step(store)
        assert missing(path) < left  # none that has rows is made again
        assert picture(store) == rebuilt(path)


def _twice(store: DirectoryStore, path: Path, others: int = 3) -> None:
    """A second add of an id, behind so many jobs."""
    adds(store, others)
    with segment(path).open("ab") as file:
        file.write(line(make_job("j01", data="second", seq=77)))
    store.stats()
    put(store, *(make_job(f"k{n}") for n in range(9)))


def _twice_apart(store: DirectoryStore, path: Path) -> None:
    """The same, so that no step has both."""
    _twice(store, path, 9)


def _twice_and_gone(store: DirectoryStore, path: Path, others: int = 3) -> None:
    """Of a second add of an id the first one is deleted in the end."""
    _twice(store, path, others)
    with store.transaction() as tx:
        job = tx.get("j01")
        assert job is not None
        tx.delete(job)
    put(store, *(make_job(f"l{n}") for n in range(9)))


def _twice_apart_and_gone(store: DirectoryStore, path: Path) -> None:
    _twice_and_gone(store, path, 9)


def _old_state(store: DirectoryStore, path: Path) -> None:
    """An older state of a job comes after the newer one, at the end."""
    adds(store, 9)
    [job] = claim(store)
    store.stats()
    with segment(path).open("ab") as file:
        file.write(line(msgspec.structs.replace(job, rev=1, status=Status.PENDING)))


@pytest.mark.parametrize(
    "life", [_twice, _twice_apart, _twice_and_gone, _twice_apart_and_gone, _old_state]
)
@pytest.mark.usefixtures("bare_first")
def test_a_line_that_must_not_count_does_not(
    life: Callable[[DirectoryStore, Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "store"
    with closing(DirectoryStore(path)) as store:
        life(store, path)
        before = picture(store)
    assert reasons(path) == [REFUSED]
    bad = quarantined(path)
    made = anew(path)
    assert rebuilt(path) == before
    monkeypatch.setattr(fold, "LARGE", 1 << 40)
    assert anew(path) == made
    assert reasons(path) == [REFUSED]
    assert quarantined(path) == bad


@pytest.mark.usefixtures("bare_first")
def test_many_jobs_are_not_left_for_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store"
    with closing(DirectoryStore(path)) as store:
        for n in range(30):
            put(store, *(make_job(f"j{n}-{k}") for k in range(7)))
        before = picture(store)
    whole = anew(path)
    drop_index(path)
    monkeypatch.setattr(bare, "MANY", 20)
    with closing(DirectoryStore(path)) as store:
        assert step(store)
        assert missing(path) == INDEXES.keys() - bare.RARE
        for _ in INDEXES:
            step(store)
            step(store)
        assert not missing(path)
        assert not is_bare(path)
        assert step(store)  # row by row from now on
        assert picture(store) == before
    assert contents(path) == whole


@pytest.mark.usefixtures("bare_first")
def test_without_room_to_sort_it_is_made_row_by_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store"
    with closing(DirectoryStore(path)) as store:
        adds(store)
        before = picture(store)
    whole = anew(path)
    drop_index(path)
    real, failed = Index.begin_anew, []

    def begin_anew(self: Index) -> None:
        failed.append(self.missing())
        real(self)

    monkeypatch.setattr(Index, "begin_anew", begin_anew)
    monkeypatch.setitem(INDEXES, "best", "CREATE INDEX nowhere.best ON jobs(name)")
    monkeypatch.setattr(Index, "reset", _reset_with(INDEXES | {"best": BEST}))
    with closing(DirectoryStore(path)) as store:
        assert picture(store) == before
    assert failed == [["best", "oldest"]]
    assert contents(path) == whole


BEST = INDEXES["best"]


def _reset_with(indexes: dict[str, str]) -> Callable[[Index], None]:
    real = Index.reset

    def reset(self: Index) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("jobctl.stores.directory.index.INDEXES", indexes)
            real(self)

    return reset


def _settings(index: Index) -> tuple[int, int]:
    """Return the threads that SQLite may have, and what it keeps in memory."""
    (threads,) = index.execute("PRAGMA threads").fetchone()
    (cache,) = index.execute("PRAGMA cache_size").fetchone()
    return threads, cache


@pytest.mark.parametrize(("processors", "sorting"), [(1, (0, -16000)), (2, (2, -4000))])
@pytest.mark.parametrize("fails", [False, True])
def test_sqlite_sorts_with_threads_if_there_is_a_processor_for_them(
    processors: int,
    sorting: tuple[int, int],
    fails: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(processors)))
    with closing(Index(tmp_path / "index", "id")) as index:
        index.reset()
        index.strip()
        before, real = _settings(index), index.execute
        seen = []

        def execute(text: str, *args: Any) -> sqlite3.Cursor:
            if text.startswith("CREATE"):
                seen.append(_settings(index))
                if fails:
                    raise sqlite3.OperationalError("no room")
            return real(text, *args)

        monkeypatch.setattr(index, "execute", execute)
        with pytest.raises(bare.OddIndexError) if fails else nullcontext():
            index.dress()
        assert seen == [sorting]
        assert _settings(index) == before == (0, -16000)


def test_a_small_journal_needs_no_bare_index(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with closing(DirectoryStore(path)) as store:
        adds(store)
        store.stats()
        drop_index(path)
        step(store)
        assert not missing(path)


# -- what a fold asks and writes -----------------------------------------------------------


@pytest.fixture
def index() -> Iterator[Index]:
    index = Index(None, "id")
    index.reset()
    yield index
    index.close()


def told(index: Index, *jobs: AnyJob, skipped: tuple[str, ...] = ()) -> list[str]:
    """Fold jobs and return the statements that were made."""
    said: list[str] = []
    index._db.set_trace_callback(said.append)
    found = [(job, Place(1, n * 100, 100)) for n, job in enumerate(jobs)]
    folded = index.fold(found, skipped=skipped)
    index._db.set_trace_callback(None)
    assert not folded.refused
    return said


def _numbered(count: int, first: int = 1) -> list[AnyJob]:
    return [make_job(f"j{n}", seq=n) for n in range(first, first + count)]


def test_what_is_known_is_asked_for_all_at_once(index: Index) -> None:
    for first in (1, 101):
        said = told(index, *_numbered(100, first))
        assert len([text for text in said if text.startswith("SELECT")]) < 5
        assert len([text for text in said if text.startswith("INSERT INTO jobs")]) < 30
    said = told(index, *(transitions.claim(job, NOON) for job in _numbered(100)))
    assert len([text for text in said if text.startswith("SELECT")]) < 5
    assert len([text for text in said if text.startswith("UPDATE jobs")]) == 100


COLUMNS = (
    "name, key, status, ready, rank, due, since, finished, started, attempts, created, labels"
)
#: What may be told of a job, beside what is of every one.
KINDS: list[dict[str, Any]] = [
    {},
    {"name": "other", "priority": 3, "concurrency_key": "k", "created_at": after(9)},
    {"shell": {"argv": ["true"]}},
    {"attempts": 1},
    {"created_at": datetime(1969, 1, 1, tzinfo=UTC)},
    {"run_at": after(60)},
    {"tags": ("eu", "us")},
    {"rev": 2},
    {"started_at": NOON},
    {"finished_at": NOON},
    {"status": Status.RUNNING},
    {"status": Status.RUNNING, "cancelling": True, "started_at": NOON},
    {"status": Status.FAILED, "started_at": NOON, "finished_at": after(1), "attempts": 4},
]


@pytest.mark.parametrize("count", [1, 39, 40, 41, 200])
@pytest.mark.parametrize("kinds", [KINDS[:1], KINDS[:3], KINDS], ids=["alike", "new", "any"])
def test_a_row_says_all_whatever_else_is_written(
    kinds: list[dict[str, Any]], count: int, index: Index
) -> None:
    jobs = [
        msgspec.structs.replace(job, **kinds[n % len(kinds)])
        for n, job in enumerate(_numbered(count))
    ]
    told(index, *jobs)
    wanted = [
        (job.seq, job.id, job.rev, *columns(job), 1, n * 100, 100) for n, job in enumerate(jobs)
    ]
    assert index.execute("SELECT * FROM jobs ORDER BY seq").fetchall() == wanted
    counters = Counter((job.name, NUMBER[job.status]) for job in jobs)
    rows = index.execute("SELECT name, status, n FROM counters").fetchall()
    assert {(name, status): n for name, status, n in rows} == counters
    assert index.execute("SELECT * FROM segments").fetchall() == [(1, count * 100)]


@pytest.mark.parametrize(
    "change",
    [{"name": "other"}, {"concurrency_key": "k"}, {"priority": 3}, {"created_at": after(9)}],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("at", [0, 20, 39])
def test_one_that_shares_less_than_the_others_has_its_own(
    change: dict[str, Any], at: int, index: Index
) -> None:
    jobs = _numbered(40)
    jobs[at] = msgspec.structs.replace(jobs[at], **change)
    said = told(index, *jobs)
    assert len([text for text in said if text.startswith("INSERT INTO jobs")]) == 1
    wanted = [(job.id, *columns(job), job.rev) for job in jobs]
    rows = index.execute(f"SELECT id, {COLUMNS}, rev FROM jobs ORDER BY seq").fetchall()
    assert rows == wanted


def test_one_in_another_segment_has_its_own(index: Index) -> None:
    found = [(job, Place(1 + n // 20, n, 5)) for n, job in enumerate(_numbered(40))]
    index.fold(found)
    rows = index.execute("SELECT segment, offset, length FROM jobs ORDER BY seq").fetchall()
    assert rows == [place for _, place in found]
    assert index.execute("SELECT * FROM segments").fetchall() == [(1, 100), (2, 100)]


def test_a_seq_has_one_owner_the_greatest_one_too(index: Index) -> None:
    told(index, *_numbered(3))
    for seq in (3, 2):
        late = make_job("late", seq=seq), Place(1, 900, 100)
        new = make_job(f"new{seq}", seq=seq + 9), Place(1, 1000, 100)
        assert index.fold([late, new]).refused == [late[1]]


_GONE = lines.Tombstone("x", 2, 90)


@pytest.mark.parametrize(
    ("found", "rows", "refused"),
    [
        ([_GONE], [], 0),
        ([make_job("a", seq=91), make_job("b", seq=91)], [("a", 1)], 1),
        ([make_job("known", seq=91)], [], 1),
        ([make_job("a", seq=91), make_job("a", seq=91, rev=2), _GONE], [("a", 2)], 0),
        ([make_job("a", seq=91), make_job("a", seq=92), _GONE], [("a", 1)], 1),
    ],
    ids=["gone", "seq", "id", "states", "twice"],
)
def test_lines_are_new_jobs_only_if_each_is_one(
    found: list[Any], rows: list[tuple[str, int]], refused: int, index: Index
) -> None:
    told(index, make_job("known", seq=1))
    folded = index.fold([(one, Place(1, 900 + n, 1)) for n, one in enumerate(found)])
    assert len(folded.refused) == refused
    assert index.execute("SELECT id, rev FROM jobs WHERE seq > 1").fetchall() == rows


def test_new_jobs_are_found_by_their_tags(index: Index) -> None:
    told(index, *(make_job(f"j{n}", seq=n, tags=("eu",)) for n in (1, 2)))
    assert index.execute("SELECT tag, seq FROM tags").fetchall() == [("eu", 1), ("eu", 2)]


def test_ids_that_sqlite_would_cut_off_are_known(index: Index) -> None:
    """No job has such an id, but a foreign line that is whole may."""
    jobs = [make_job(f"a\0{n}" if n % 2 else f"a{n}", seq=n) for n in range(1, 9)]
    told(index, make_job("a", seq=20), *jobs)
    told(index, *(transitions.claim(job, NOON) for job in jobs))
    assert index.execute("SELECT count(*), sum(rev) FROM jobs").fetchone() == (9, 17)


def _renewals(said: list[str]) -> int:
    return len([text for text in said if text.startswith("UPDATE jobs SET created=")])


def labels_of(index: Index) -> list[object]:
    return [row[0] for row in index.execute("SELECT labels FROM jobs ORDER BY seq")]


def test_only_who_may_have_taken_a_place_is_renewed(index: Index) -> None:
    [job] = _numbered(1)
    told(index, job)
    begun = transitions.claim(job, NOON)
    ended = msgspec.structs.replace(begun, status=Status.COMPLETED, rev=3)
    assert not _renewals(told(index, begun, ended))
    again = transitions.replace(ended, make_job(tags=("new",)))
    assert _renewals(told(index, again, transitions.claim(again, NOON))) == 1
    assert labels_of(index) == ["\x1fnew\x1f"]


def test_a_line_that_is_missing_may_have_been_of_another_job(index: Index) -> None:
    [job] = _numbered(1)
    told(index, job)
    late = msgspec.structs.replace(job, status=Status.RUNNING, rev=3, tags=("new",))
    assert _renewals(told(index, late)) == 1
    assert labels_of(index) == ["\x1fnew\x1f"]


def test_lines_that_were_left_out_were_of_the_same_job(index: Index) -> None:
    jobs = _numbered(2)
    told(index, *jobs)
    late = [msgspec.structs.replace(job, status=Status.COMPLETED, rev=3) for job in jobs]
    assert _renewals(told(index, *late, skipped=("j1",))) == 1
    # None after the first one here was left out.
    later = [msgspec.structs.replace(job, rev=rev) for job in late for rev in (5, 7)]
    assert _renewals(told(index, *later[:2], skipped=("j1",))) == 1
    assert _renewals(told(index, later[2], skipped=("j2",))) == 0


def test_a_job_that_comes_back_within_a_fold_has_its_own_tags(index: Index) -> None:
    [job] = _numbered(1)
    told(index, msgspec.structs.replace(job, tags=("old",)))
    gone = lines.Tombstone(job.id, 2, job.seq)
    back = msgspec.structs.replace(job, rev=3, status=Status.RUNNING, tags=("new",))
    told(index, gone, back)  # type: ignore[arg-type]  # a line as well
    assert labels_of(index) == ["\x1fnew\x1f"]
    assert index.execute("SELECT tag FROM tags").fetchall() == [("new",)]


def test_who_does_not_wait_any_more_is_not_among_those_who_do(index: Index) -> None:
    one, two = (msgspec.structs.replace(job, after=("x",)) for job in _numbered(2))
    told(index, msgspec.structs.replace(one, status=Status.CANCELLED), two)
    assert index.execute("SELECT seq FROM deps").fetchall() == [(two.seq,)]


@pytest.mark.parametrize("before", [(), ("x",)])
@pytest.mark.parametrize("after", [(), ("y",)])
def test_a_job_that_comes_back_within_a_fold_waits_for_its_own(
    index: Index, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    """Its rev is the same again, but not its seq."""
    job, x, y, other = _numbered(4)
    told(index, msgspec.structs.replace(job, after=before), x, y)
    back = msgspec.structs.replace(job, seq=other.seq, after=after)
    told(index, lines.Tombstone(job.id, 2, job.seq), back)  # type: ignore[arg-type]  # a line as well
    deps = index.execute("SELECT seq, dep FROM deps").fetchall()
    assert deps == [(back.seq, dep) for dep in after]


# -- lives at random -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_any_journal_makes_the_same_index(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Good and bad lines, in any order: row by row, and bare first, whatever the steps."""
    path, rng = tmp_path / "store", random.Random(seed)
    with closing(DirectoryStore(path)) as store:
        put(store, make_job("first"))
    with segment(path).open("ab") as file:
        file.write(b"".join(_some_life(rng, wild=seed % 3 / 20)))
    monkeypatch.setattr(fold, "STEP", rng.choice([1, 3, 10]))
    monkeypatch.setattr(fold, "LARGE", 1 << 40)
    slow, bad = anew(path), quarantined(path)
    monkeypatch.setattr(fold, "LARGE", 1)
    assert anew(path) == slow
    assert quarantined(path) == bad


def _some_life(rng: random.Random, *, wild: float) -> Iterator[bytes]:
    """Yield lines of a few jobs; a share of `wild` of them are none that a store writes."""
    jobs: dict[str, AnyJob] = {}
    for seq in range(1, rng.choice([10, 120])):
        job_id = rng.choice("abcdef")
        job = jobs.get(job_id)
        if rng.random() < wild:
            job = make_job(job_id, seq=rng.randrange(seq + 2), rev=rng.randrange(1, 5))
            yield line(job) if rng.random() < 0.8 else line(job)[:-9] + b"\n"
            continue
        if job is None:
            tags = tuple(rng.sample("xyz", rng.randrange(3)))
            later = (rng.choice("abcdef"),) if rng.random() < 0.05 else ()
            job = make_job(job_id, seq=seq, tags=tags, after=later, priority=seq % 2)
        elif rng.random() < 0.1:
            del jobs[job_id]
            gone = lines.Tombstone(job_id, job.rev + 1, job.seq)
            yield lines.seal(lines.encode(gone), 1, 1)
            continue
        elif rng.random() < 0.1:
            new = make_job(tags=("new",), created_at=after(seq))
            job = transitions.replace(msgspec.structs.replace(job, status=Status.FAILED), new)
        else:
            status = rng.choice([*Status])
            job = msgspec.structs.replace(job, rev=job.rev + 1, status=status)
        jobs[job_id] = job
        yield line(job)


def test_the_position_says_whether_an_index_is_bare() -> None:
    assert Position().bare == 0
